/* SPDX-License-Identifier: BSD-3-Clause */
/* SPMD regions: every collective with 1, 2 and 5 ranks, all dtypes and operators, ranks that fail at every point. */
#include "failing_allocator.h"
#include "test.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static const int sizes[] = {1, 2, 5};
enum { SIZES = 3, MOST = 5 };

/* Inside ranks Check's macros would leave the function with the other ranks waiting: a failed expectation is an error of the rank, and
 * with that of the region. */
#define expect(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: rank %d: %s: %s\n", __FILE__, __LINE__, da_rank_id(rank), #condition,    \
                    da_error());                                                                             \
            return DA_ERROR_UNSUPPORTED;                                                                     \
        }                                                                                                    \
    } while (0)

/* ---- regions ---- */

static da_status who_am_i(da_rank *rank, void *ctx, da_array **result)
{
    atomic_int *seen = ctx;
    const int id = da_rank_id(rank);
    (void)result;
    expect(id >= 0 && id < da_rank_count(rank));
    expect(atomic_fetch_add(&seen[id], da_rank_count(rank)) == 0);
    return DA_OK;
}

START_TEST(ranks)
{
    atomic_int seen[MOST] = {0};
    const int n = sizes[_i];
    ck_ok(da_spmd(n, who_am_i, seen, NULL));
    for (int r = 0; r < MOST; r++)
        ck_assert_int_eq(seen[r], r < n ? n : 0);
    ck_fails(da_spmd(0, who_am_i, seen, NULL), DA_ERROR_ARGUMENT, "0 ranks");
    ck_fails(da_spmd(-3, who_am_i, seen, NULL), DA_ERROR_ARGUMENT, "-3 ranks");
    ck_fails(da_spmd(2000000000, who_am_i, seen, NULL), DA_ERROR_ARGUMENT, "2000000000 ranks");
    ck_fails(da_spmd(n, NULL, seen, NULL), DA_ERROR_ARGUMENT, "null");
    ck_assert_int_eq(da_rank_id(NULL), -1);
    ck_assert_int_eq(da_rank_count(NULL), 0);
    ck_fails(da_barrier(NULL), DA_ERROR_ARGUMENT, "rank is null");
}
END_TEST

static da_status hand_back(da_rank *rank, void *ctx, da_array **result)
{
    const int *silent = ctx; /* this rank returns nothing */
    if (da_rank_id(rank) == *silent)
        return DA_OK;
    return da_full(result, DA_F64, DA_SHAPE(3), DA_NUMBER(10 * da_rank_id(rank)));
}

START_TEST(results)
{
    const int n = sizes[_i];
    for (int silent = -1; silent < n; silent++) {
        da_array *out[MOST + 1];
        for (int r = 0; r <= MOST; r++)
            out[r] = (da_array *)&silent;
        ck_ok(da_spmd(n, hand_back, &silent, out));
        for (int r = 0; r < n; r++) {
            double x;
            ck_assert(!out[r] == (r == silent));
            if (out[r]) {
                ck_ok(da_sum_all(&x, out[r]));
                ck_assert_double_eq(x, 30 * r);
            }
            da_array_release(&out[r]);
        }
        ck_assert_ptr_eq(out[n], (da_array *)&silent);
        ck_ok(da_spmd(n, hand_back, &silent, NULL)); /* nobody wants them */
    }
}
END_TEST

static da_status sleepy_barriers(da_rank *rank, void *ctx, da_array **result)
{
    atomic_int *phase = ctx;
    (void)result;
    for (int i = 0; i < 20; i++) {
        const struct timespec t = {0, 100000 * ((da_rank_id(rank) * 7 + i) % 5)};
        nanosleep(&t, NULL);
        expect(atomic_fetch_add(phase, 1) / da_rank_count(rank) == i);
        DA_TRY(da_barrier(rank));
        expect(atomic_load(phase) >= (i + 1) * da_rank_count(rank));
        DA_TRY(da_barrier(rank));
    }
    return DA_OK;
}

START_TEST(barriers)
{
    atomic_int phase = 0;
    ck_ok(da_spmd(sizes[_i], sleepy_barriers, &phase, NULL));
}
END_TEST

/* ---- buffers: all dtypes, all operators ---- */

/* Element i of rank r as a small number; results stay exact in every dtype. */
static int number(int rank, int i)
{
    return 1 + (rank * 5 + i * 3) % 2;
}

static void put(void *p, int i, da_dtype dtype, double x)
{
    switch (dtype) {
    case DA_BOOL: ((bool *)p)[i] = x != 0; break;
    case DA_I8: ((int8_t *)p)[i] = (int8_t)x; break;
    case DA_I16: ((int16_t *)p)[i] = (int16_t)x; break;
    case DA_I32: ((int32_t *)p)[i] = (int32_t)x; break;
    case DA_I64: ((int64_t *)p)[i] = (int64_t)x; break;
    case DA_U8: ((uint8_t *)p)[i] = (uint8_t)x; break;
    case DA_U16: ((uint16_t *)p)[i] = (uint16_t)x; break;
    case DA_U32: ((uint32_t *)p)[i] = (uint32_t)x; break;
    case DA_U64: ((uint64_t *)p)[i] = (uint64_t)x; break;
    case DA_F32: ((float *)p)[i] = (float)x; break;
    case DA_F64: ((double *)p)[i] = x; break;
    case DA_C64: ((da_c64 *)p)[i] = (da_c64){(float)x, 0}; break;
    case DA_C128: ((da_c128 *)p)[i] = (da_c128){x, 0}; break;
    default: break;
    }
}

static double get(const void *p, int i, da_dtype dtype)
{
    switch (dtype) {
    case DA_BOOL: return ((const bool *)p)[i];
    case DA_I8: return ((const int8_t *)p)[i];
    case DA_I16: return ((const int16_t *)p)[i];
    case DA_I32: return ((const int32_t *)p)[i];
    case DA_I64: return (double)((const int64_t *)p)[i];
    case DA_U8: return ((const uint8_t *)p)[i];
    case DA_U16: return ((const uint16_t *)p)[i];
    case DA_U32: return ((const uint32_t *)p)[i];
    case DA_U64: return (double)((const uint64_t *)p)[i];
    case DA_F32: return (double)((const float *)p)[i];
    case DA_F64: return ((const double *)p)[i];
    case DA_C64: return (double)((const da_c64 *)p)[i].re;
    case DA_C128: return ((const da_c128 *)p)[i].re;
    default: return NAN;
    }
}

static double combined(int n, int i, da_op op, da_dtype dtype)
{
    double acc = dtype == DA_BOOL ? number(0, i) > 1 : number(0, i);
    for (int r = 1; r < n; r++) {
        const double x = dtype == DA_BOOL ? number(r, i) > 1 : number(r, i);
        if (dtype == DA_BOOL) /* the sum of bools is "any", their product is "all" */
            acc = op == DA_OP_SUM || op == DA_OP_MAX ? acc || x : acc && x;
        else
            acc = op == DA_OP_SUM    ? acc + x
                  : op == DA_OP_PROD ? acc * x
                  : op == DA_OP_MIN  ? fmin(acc, x)
                                     : fmax(acc, x);
    }
    return acc;
}

static const da_dtype dtypes[] = {DA_BOOL, DA_I8,  DA_I16, DA_I32, DA_I64, DA_U8,  DA_U16,
                                  DA_U32,  DA_U64, DA_F32, DA_F64, DA_C64, DA_C128};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static da_status every_reduction(da_rank *rank, void *ctx, da_array **result)
{
    enum { COUNT = 700 }; /* more than one block of the wider types */
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    da_c128 in[COUNT], out[COUNT];
    (void)ctx;
    (void)result;
    for (int d = 0; d < DTYPES; d++) {
        const da_dtype dtype = dtypes[d];
        for (int op = DA_OP_SUM; op <= DA_OP_MAX; op++) {
            const int root = (d + op) % n;
            for (int i = 0; i < COUNT; i++)
                put(in, i, dtype, dtype == DA_BOOL ? number(id, i) > 1 : number(id, i));
            if (dtype >= DA_C64 && op >= DA_OP_MIN) {
                expect(da_allreduce(rank, out, in, COUNT, dtype, (da_op)op) == DA_ERROR_DTYPE);
                expect(strstr(da_error(), "no order"));
                continue;
            }
            memset(out, 1, sizeof out);
            DA_TRY(da_allreduce(rank, out, in, COUNT, dtype, (da_op)op));
            for (int i = 0; i < COUNT; i++)
                expect(get(out, i, dtype) == combined(n, i, (da_op)op, dtype));
            memset(out, 1, sizeof out);
            DA_TRY(da_reduce(rank, id == root ? out : NULL, in, COUNT, dtype, (da_op)op, root));
            for (int i = 0; i < COUNT && id == root; i++)
                expect(get(out, i, dtype) == combined(n, i, (da_op)op, dtype));
            DA_TRY(da_allreduce(rank, in, in, COUNT, dtype, (da_op)op)); /* in place */
            for (int i = 0; i < COUNT; i++)
                expect(get(in, i, dtype) == combined(n, i, (da_op)op, dtype));
        }
    }
    return DA_OK;
}

START_TEST(reductions)
{
    ck_ok(da_spmd(sizes[_i], every_reduction, NULL, NULL));
}
END_TEST

static da_status numerics(da_rank *rank, void *ctx, da_array **result)
{
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    double x = id == 0 ? 1e16 : 1, expected = 1e16, nan_ = id == n / 2 ? NAN : id;
    int8_t big = 100;
    da_c64 z = {1, 2};
    da_c64 power = {1, 2};
    double every[MOST] = {0};
    (void)ctx;
    (void)result;
    for (int r = 1; r < n; r++)
        expected += 1; /* in rank order: each 1 is lost */
    DA_TRY(da_allreduce_f64(rank, &x, DA_OP_SUM));
    expect(x == expected);
    DA_TRY(da_allreduce_f64(rank, &nan_, id >= 0 ? DA_OP_MIN : DA_OP_MAX));
    expect(isnan(nan_));
    DA_TRY(da_allreduce(rank, &big, &big, 1, DA_I8, DA_OP_SUM));
    expect(big == (int8_t)(uint8_t)(100 * n));
    DA_TRY(da_allreduce(rank, &z, &z, 1, DA_C64, DA_OP_PROD));
    for (int r = 1; r < n; r++)
        power = (da_c64){power.re * 1 - power.im * 2, power.re * 2 + power.im * 1};
    expect(z.re == power.re && z.im == power.im);
    /* the same bits on every rank */
    x = sin(id + 1);
    DA_TRY(da_allreduce_f64(rank, &x, DA_OP_SUM));
    DA_TRY(da_gather(rank, every, &x, 1, DA_F64, 0));
    for (int r = 1; r < n && id == 0; r++)
        expect(memcmp(&every[r], &every[0], sizeof every[0]) == 0);
    return DA_OK;
}

START_TEST(numbers)
{
    ck_ok(da_spmd(sizes[_i], numerics, NULL, NULL));
}
END_TEST

static da_status copies(da_rank *rank, void *ctx, da_array **result)
{
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    (void)ctx;
    (void)result;
    for (int root = 0; root < n; root++) {
        int32_t x[3] = {id, 10 * id, 100 * id}, all[3 * MOST];
        uint16_t half[2] = {(uint16_t)(7 + id), (uint16_t)(9 + id)}; /* float16 as it is */
        memset(all, -1, sizeof all);
        DA_TRY(da_gather(rank, id == root ? all : NULL, x, 3, DA_I32, root));
        for (int r = 0; r < n && id == root; r++)
            expect(all[3 * r] == r && all[3 * r + 1] == 10 * r && all[3 * r + 2] == 100 * r);
        if (id != root)
            expect(all[0] == -1);
        memcpy(all, x, sizeof x); /* from the beginning of the output itself */
        DA_TRY(da_gather(rank, all, all, 3, DA_I32, root));
        for (int r = 0; r < n && id == root; r++)
            expect(all[3 * r] == r && all[3 * r + 2] == 100 * r);
        DA_TRY(da_broadcast(rank, x, 3, DA_I32, root));
        expect(x[0] == root && x[1] == 10 * root && x[2] == 100 * root);
        DA_TRY(da_broadcast(rank, half, 2, DA_F16, root));
        expect(half[0] == 7 + root && half[1] == 9 + root);
        DA_TRY(da_broadcast(rank, NULL, 0, DA_F64, root)); /* nothing at all */
        DA_TRY(da_gather(rank, NULL, NULL, 0, DA_F64, root));
    }
    DA_TRY(da_allreduce(rank, NULL, NULL, 0, DA_F64, DA_OP_SUM));
    return DA_OK;
}

START_TEST(copying)
{
    ck_ok(da_spmd(sizes[_i], copies, NULL, NULL));
}
END_TEST

/* ---- arrays ---- */

static da_status array_collectives(da_rank *rank, void *ctx, da_array **result)
{
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    (void)ctx;
    for (int d = 0; d < DTYPES; d++) {
        const da_dtype dtype = dtypes[d];
        DA_AUTO da_array *a = NULL;
        da_c128 host[6];
        for (int i = 0; i < 6; i++)
            put(host, i, dtype, dtype == DA_BOOL ? number(id, i) > 1 : number(id, i));
        DA_TRY(da_from_host(&a, dtype, DA_SHAPE(2, 3), host, DA_ROW_MAJOR));
        for (int op = DA_OP_SUM; op <= DA_OP_MAX; op++) {
            DA_AUTO da_array *all = NULL, *one = NULL;
            const int root = op % n;
            if (dtype >= DA_C64 && op >= DA_OP_MIN) {
                expect(da_allreduce_array(rank, &all, a, (da_op)op) == DA_ERROR_DTYPE);
                continue;
            }
            DA_TRY(da_allreduce_array(rank, &all, a, (da_op)op));
            expect(da_array_dtype(all) == dtype && da_array_shape(all).ndim == 2);
            DA_TRY(da_to_host(all, host, sizeof host, DA_ROW_MAJOR));
            for (int i = 0; i < 6; i++)
                expect(get(host, i, dtype) == combined(n, i, (da_op)op, dtype));
            one = all; /* must be set to null off root */
            DA_TRY(da_reduce_array(rank, &one, a, (da_op)op, root));
            expect((one != NULL) == (id == root));
            if (one) {
                DA_TRY(da_to_host(one, host, sizeof host, DA_ROW_MAJOR));
                for (int i = 0; i < 6; i++)
                    expect(get(host, i, dtype) == combined(n, i, (da_op)op, dtype));
            }
            if (dtype != DA_BOOL) { /* the result is each rank's own */
                DA_TRY(da_assign(all, da_add(all, id)));
                DA_TRY(da_to_host(all, host, sizeof host, DA_ROW_MAJOR));
                expect(get(host, 0, dtype) == combined(n, 0, (da_op)op, dtype) + id);
            }
        }
    }
    for (int root = 0; root < n; root++) {
        DA_AUTO da_array *a = NULL, *copy = NULL, *stacked = NULL;
        double x, host[4 * MOST];
        DA_TRY(da_full(&a, DA_F64, DA_SHAPE(2, 2), DA_NUMBER(id + 1)));
        DA_TRY(da_broadcast_array(rank, &copy, id == root ? a : NULL, root));
        DA_TRY(da_assign(copy, da_add(copy, 10 * id)));
        DA_TRY(da_sum_all(&x, copy));
        expect(x == 4 * (root + 1 + 10 * id));
        DA_TRY(da_gather_array(rank, &stacked, copy, root));
        expect((stacked != NULL) == (id == root));
        if (stacked) {
            const da_shape s = da_array_shape(stacked);
            expect(s.ndim == 3 && s.dim[0] == n && s.dim[1] == 2 && s.dim[2] == 2);
            DA_TRY(da_to_host(stacked, host, sizeof host, DA_ROW_MAJOR));
            for (int r = 0; r < n; r++)
                expect(host[4 * r] == root + 1 + 10 * r && host[4 * r + 3] == root + 1 + 10 * r);
        }
        DA_TRY(da_sum_all(&x, a)); /* the inputs are as they were */
        expect(x == 4 * (id + 1));
    }
    return da_zeros(result, DA_F64, DA_SHAPE(1));
}

START_TEST(arrays)
{
    da_array *out[MOST];
    ck_ok(da_spmd(sizes[_i], array_collectives, NULL, out));
    for (int r = 0; r < sizes[_i]; r++)
        da_array_release(&out[r]);
}
END_TEST

/* 20 ranks: more than one fused pass; views as inputs; no elements at all; a number */
static da_status odd_arrays(da_rank *rank, void *ctx, da_array **result)
{
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    DA_AUTO da_array *a = NULL, *v = NULL, *s = NULL, *empty = NULL, *e = NULL, *scalar = NULL, *t = NULL;
    double host[3][4], got[4][3], x;
    (void)ctx;
    (void)result;
    for (int i = 0; i < 12; i++)
        host[i / 4][i % 4] = i + 100 * id;
    DA_TRY(da_from_host(&a, DA_F64, DA_SHAPE(3, 4), host, DA_ROW_MAJOR));
    DA_TRY(da_matrix_transpose(&v, a));
    DA_TRY(da_allreduce_array(rank, &s, v, DA_OP_SUM));
    DA_TRY(da_to_host(s, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < 12; i++)
        expect(got[i % 4][i / 4] == n * i + 100 * (n * (n - 1) / 2));
    DA_TRY(da_zeros(&empty, DA_F64, DA_SHAPE(0, 3)));
    DA_TRY(da_allreduce_array(rank, &e, empty, DA_OP_MAX));
    expect(da_array_size(e) == 0);
    DA_TRY(da_full(&scalar, DA_F64, DA_SCALAR_SHAPE, DA_NUMBER(id)));
    DA_TRY(da_allreduce_array(rank, &t, scalar, DA_OP_MAX));
    DA_TRY(da_item(&x, t));
    expect(x == n - 1);
    return DA_OK;
}

START_TEST(more_arrays)
{
    ck_ok(da_spmd(20, odd_arrays, NULL, NULL));
}
END_TEST

/* A fault in one rank's array is in everything that the collectives make of it. */
static da_status faulty(da_rank *rank, void *ctx, da_array **result)
{
    const int n = da_rank_count(rank), id = da_rank_id(rank);
    DA_AUTO da_array *a = NULL, *factor = NULL, *all = NULL;
    (void)ctx;
    (void)result;
    DA_TRY(da_eye(&a, DA_F64, 5, 5, 0));
    if (id == n - 1)
        DA_TRY(da_assign(a, da_negative(a)));
    DA_TRY(da_cholesky(&factor, a, 0));
    DA_TRY(da_allreduce_array(rank, &all, factor, DA_OP_SUM));
    expect(da_wait(all) == DA_ERROR_NUMERICAL);
    expect(strstr(da_error(), "leading minor 1 of 5"));
    if (id < n - 1)
        DA_TRY(da_wait(factor));
    return DA_OK;
}

START_TEST(faults)
{
    ck_ok(da_spmd(sizes[_i], faulty, NULL, NULL));
}
END_TEST

/* ---- arguments that do not fit ---- */

static da_status mismatches(da_rank *rank, void *ctx, da_array **result)
{
    const int id = da_rank_id(rank), last = da_rank_count(rank) - 1;
    double x[4] = {1, 2, 3, 4}, y[16];
    float f[4] = {0};
    DA_AUTO da_array *a = NULL, *b = NULL;
    da_array *out = NULL;
    (void)ctx;
    (void)result;
#define both(call, expected, text)                                                                           \
    do {                                                                                                     \
        expect((call) == (expected));                                                                        \
        expect(strstr(da_error(), text));                                                                    \
    } while (0)
    both(da_allreduce(rank, y, x, id == last ? 3 : 4, DA_F64, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "count is 4 on rank 0, 3 on rank");
    both(
        da_allreduce(rank, y, id == last ? (void *)f : (void *)x, 4, id == last ? DA_F32 : DA_F64, DA_OP_SUM),
        DA_ERROR_ARGUMENT, "dtype is float64 on rank 0, float32 on rank");
    both(da_allreduce(rank, y, x, 4, DA_F64, id == last ? DA_OP_MAX : DA_OP_SUM), DA_ERROR_ARGUMENT,
         "DA_OP_SUM on rank 0, DA_OP_MAX on rank");
    both(da_reduce(rank, y, x, 4, DA_F64, DA_OP_SUM, id == last), DA_ERROR_ARGUMENT,
         "root is 0 on rank 0, 1 on rank");
    both(id == last ? da_barrier(rank) : da_allreduce(rank, y, x, 4, DA_F64, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "different collectives: rank 0 calls da_allreduce");
    both(da_reduce(rank, y, x, 4, DA_F64, DA_OP_SUM, 99), DA_ERROR_ARGUMENT, "root 99");
    both(da_broadcast(rank, x, 4, DA_F64, -1), DA_ERROR_ARGUMENT, "root -1");
    both(da_allreduce(rank, y, x, -4, DA_F64, DA_OP_SUM), DA_ERROR_ARGUMENT, "-4");
    both(da_allreduce(rank, y, x, 4, (da_dtype)99, DA_OP_SUM), DA_ERROR_DTYPE, "99");
    both(da_allreduce(rank, y, x, 4, DA_F64, (da_op)9), DA_ERROR_ARGUMENT, "operator 9");
    both(da_allreduce(rank, y, x, 4, DA_BF16, DA_OP_SUM), DA_ERROR_DTYPE, "bfloat16");
    both(da_allreduce(rank, y, x, INT64_MAX / 2, DA_F64, DA_OP_SUM), DA_ERROR_OVERFLOW, "elements");
    both(da_gather(rank, y, x, INT64_MAX / 8, DA_F64, 0), DA_ERROR_OVERFLOW, "elements");
    both(da_allreduce(rank, y, id == last ? NULL : x, 4, DA_F64, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "input of rank");
    both(da_allreduce(rank, id == last ? NULL : y, x, 4, DA_F64, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "output of rank");
    both(da_gather(rank, NULL, x, 4, DA_F64, last), DA_ERROR_ARGUMENT, "output of rank");
    both(da_broadcast(rank, id == last ? NULL : x, 4, DA_F64, 0), DA_ERROR_ARGUMENT, "of rank");

    DA_TRY(da_zeros(&a, DA_F64, id == last ? DA_SHAPE(2, 3) : DA_SHAPE(3, 2)));
    DA_TRY(da_zeros(&b, id == last ? DA_F32 : DA_F64, DA_SHAPE(2, 2)));
    both(da_allreduce_array(rank, &out, a, DA_OP_SUM), DA_ERROR_SHAPE, "(3, 2) on rank 0, (2, 3) on rank");
    both(da_gather_array(rank, &out, a, 0), DA_ERROR_SHAPE, "(3, 2) on rank 0");
    both(da_allreduce_array(rank, &out, b, DA_OP_SUM), DA_ERROR_DTYPE, "float64 on rank 0, float32 on rank");
    both(da_allreduce_array(rank, &out, id == last ? NULL : a, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "the array of rank");
    both(da_allreduce_array(rank, id == last ? NULL : &out, a, DA_OP_SUM), DA_ERROR_ARGUMENT,
         "output of rank");
    both(da_allreduce_array(rank, &out, a, (da_op)0), id == last && id > 0 ? DA_ERROR_SHAPE : DA_ERROR_SHAPE,
         "(3, 2)");
    both(da_broadcast_array(rank, &out, NULL, 0), DA_ERROR_ARGUMENT, "the array of rank 0");
    both(da_reduce_array(rank, &out, a, DA_OP_SUM, 77), DA_ERROR_ARGUMENT, "root 77");
    expect(out == NULL);
    /* after all this the ranks are still in step */
    x[0] = 1;
    DA_TRY(da_allreduce_f64(rank, x, DA_OP_SUM));
    expect(x[0] == da_rank_count(rank));
    return DA_OK;
#undef both
}

START_TEST(mismatched)
{
    ck_ok(da_spmd(sizes[1 + _i], mismatches, NULL, NULL));
}
END_TEST

/* ---- ranks that fail ---- */

typedef struct failing {
    int rank, point;
    bool silently; /* returns DA_OK, but too early */
    atomic_int cancelled, done;
} failing;

static da_status fail_here(da_rank *rank, const failing *f, int point)
{
    DA_AUTO da_array *a = NULL;
    if (da_rank_id(rank) != f->rank || point != f->point)
        return DA_OK;
    return da_zeros(&a, DA_F64, DA_SHAPE(-7, point)); /* some error, with a sentence */
}

static da_status collective(da_rank *rank, int which)
{
    DA_AUTO da_array *a = NULL, *b = NULL;
    double x = 1, y[MOST];
    DA_TRY(da_ones(&a, DA_F64, DA_SHAPE(3)));
    switch (which) {
    case 0: return da_barrier(rank);
    case 1: return da_allreduce_f64(rank, &x, DA_OP_SUM);
    case 2: return da_reduce(rank, y, &x, 1, DA_F64, DA_OP_MAX, 0);
    case 3: return da_broadcast(rank, &x, 1, DA_F64, 0);
    case 4: return da_gather(rank, y, &x, 1, DA_F64, 0);
    case 5: return da_allreduce_array(rank, &b, a, DA_OP_SUM);
    case 6: return da_reduce_array(rank, &b, a, DA_OP_SUM, 0);
    case 7: return da_broadcast_array(rank, &b, a, 0);
    default: return da_gather_array(rank, &b, a, 0);
    }
}
enum { POINTS = 9 };

static da_status fails_somewhere(da_rank *rank, void *ctx, da_array **result)
{
    failing *f = ctx;
    DA_TRY(da_ones(result, DA_F64, DA_SHAPE(2)));
    for (int point = 0; point < POINTS; point++) {
        if (f->silently && da_rank_id(rank) == f->rank && point == f->point)
            return DA_OK;
        DA_TRY(fail_here(rank, f, point));
        const da_status status = collective(rank, point);
        if (status == DA_ERROR_CANCELLED)
            atomic_fetch_add(&f->cancelled, 1);
        if (status == DA_ERROR_CANCELLED && point % 2) /* a rank that does not believe it */
            expect(da_barrier(rank) == DA_ERROR_CANCELLED);
        DA_TRY(status);
    }
    atomic_fetch_add(&f->done, 1);
    return DA_OK;
}

START_TEST(failing_ranks)
{
    const int n = sizes[_i];
    for (int r = 0; r < n; r++)
        for (int point = 0; point <= POINTS; point++)
            for (int silently = 0; silently < 2; silently++) {
                failing f = {r, point, silently, 0, 0};
                da_array *out[MOST];
                da_status status;
                memset(out, 1, sizeof out);
                status = da_spmd(n, fails_somewhere, &f, out);
                if (point == POINTS) { /* nobody failed */
                    ck_assert_int_eq(status, DA_OK);
                    ck_assert_int_eq(f.done, n);
                } else if (!silently) {
                    ck_assert_int_eq(status, DA_ERROR_SHAPE);
                    ck_assert_msg(strstr(da_error(), "-7") && strstr(da_error(), "rank "), "%s", da_error());
                    ck_assert_int_eq(f.cancelled, n - 1);
                } else if (n == 1) {
                    ck_assert_int_eq(status, DA_OK);
                } else {
                    ck_assert_int_eq(status, DA_ERROR_CANCELLED);
                    ck_assert_msg(strstr(da_error(), "has returned") != NULL, "%s", da_error());
                    ck_assert_int_eq(f.cancelled, n - 1);
                }
                for (int i = 0; i < n; i++) {
                    ck_assert((out[i] != NULL) == (status == DA_OK));
                    da_array_release(&out[i]);
                }
            }
}
END_TEST

static da_status two_failures(da_rank *rank, void *ctx, da_array **result)
{
    (void)ctx;
    (void)result;
    if (da_rank_id(rank) >= 2) { /* each by itself, the higher one first */
        const struct timespec t = {0, da_rank_id(rank) == 2 ? 20000000 : 0};
        DA_AUTO da_array *a = NULL;
        nanosleep(&t, NULL);
        return da_zeros(&a, DA_F64, DA_SHAPE(-da_rank_id(rank)));
    }
    return da_barrier(rank);
}

START_TEST(lowest_failure)
{
    ck_fails(da_spmd(5, two_failures, NULL, NULL), DA_ERROR_SHAPE, "rank 2 of 5");
    ck_assert_ptr_nonnull(strstr(da_error(), "-2"));
}
END_TEST

static da_status stale_result(da_rank *rank, void *ctx, da_array **result)
{
    da_array *a;
    (void)ctx;
    DA_TRY(da_zeros(&a, DA_F64, DA_SHAPE(3)));
    *result = a;
    if (da_rank_id(rank) == 1)
        da_array_release(&a);
    return DA_OK;
}

START_TEST(stale_results)
{
    da_array *out[2];
    ck_fails(da_spmd(2, stale_result, NULL, out), DA_ERROR_STALE, "rank 1 of 2");
    ck_assert_ptr_null(out[0]);
}
END_TEST

static da_status region_in_task(const da_call *call)
{
    *(int *)call->buffers[0].data = da_spmd(2, who_am_i, NULL, NULL) == DA_ERROR_STATE;
    return DA_OK;
}

START_TEST(inside_a_task)
{
    static const da_codelet codelet = {.name = "region", .cpu = region_in_task};
    DA_AUTO da_task *t = NULL;
    int good = 0;
    ck_ok(DA_SPAWN(&t, &codelet, DA_RESULT(int)));
    ck_ok(da_task_fetch(t, &good, sizeof good));
    ck_assert(good);
}
END_TEST

/* ---- regions side by side, and one in another ---- */

static da_status sums(da_rank *rank, void *ctx, da_array **result)
{
    const double mine = *(const double *)ctx;
    (void)result;
    for (int i = 0; i < 100; i++) {
        double x = mine;
        DA_TRY(da_allreduce_f64(rank, &x, DA_OP_SUM));
        expect(x == mine * da_rank_count(rank));
        if (i % 20 == 0) {
            DA_AUTO da_array *a = NULL, *s = NULL;
            DA_TRY(da_full(&a, DA_F64, DA_SHAPE(10), DA_NUMBER(mine)));
            DA_TRY(da_allreduce_array(rank, &s, a, DA_OP_SUM));
            DA_TRY(da_sum_all(&x, s));
            expect(x == 10 * mine * da_rank_count(rank));
        }
    }
    return DA_OK;
}

static void *region_thread(void *ctx)
{
    return (void *)(intptr_t)da_spmd(3, sums, ctx, NULL);
}

START_TEST(two_regions)
{
    pthread_t t[2];
    double numbers_[2] = {1, 100};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, region_thread, &numbers_[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *status;
        pthread_join(t[i], &status);
        ck_assert_ptr_null(status);
    }
}
END_TEST

static da_status nested(da_rank *rank, void *ctx, da_array **result)
{
    double x = 1 + da_rank_id(rank);
    (void)ctx;
    (void)result;
    DA_TRY(da_spmd(2, sums, &x, NULL));
    DA_TRY(da_allreduce_f64(rank, &x, DA_OP_MAX));
    expect(x == da_rank_count(rank));
    return DA_OK;
}

START_TEST(nested_regions)
{
    ck_ok(da_spmd(3, nested, NULL, NULL));
}
END_TEST

/* ---- out of memory ---- */

static da_status some_of_each(da_rank *rank, void *ctx, da_array **result)
{
    (void)ctx;
    for (int which = 0; which < POINTS; which++)
        DA_TRY(collective(rank, which));
    return da_zeros(result, DA_F64, DA_SHAPE(2));
}

static da_status scenario(void)
{
    da_array *out[3];
    const da_status status = da_spmd(3, some_of_each, NULL, out);
    for (int r = 0; r < 3 && status == DA_OK; r++)
        da_array_release(&out[r]);
    return status;
}

START_TEST(out_of_memory)
{
    ck_assert_int_gt(fail_every_allocation(scenario), 3);
}
END_TEST

DA_TEST_MAIN("spmd", DA_CASE_LOOP("regions", SIZES, ranks, results, barriers),
             DA_CASE_LOOP("buffers", SIZES, reductions, numbers, copying),
             DA_CASE_LOOP("arrays", SIZES, arrays, faults), DA_CASE("more arrays", more_arrays),
             DA_CASE_LOOP("mismatches", 2, mismatched), DA_CASE_LOOP("failing", SIZES, failing_ranks),
             DA_CASE("failures", lowest_failure, stale_results, inside_a_task),
             DA_CASE("several", two_regions, nested_regions), DA_CASE("out of memory", out_of_memory))
