/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks: what a spawn accepts, the order that accesses give, futures, nesting, failures, the user's memory. */
#include "failing_allocator.h"
#include "test.h"
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* ---- kernels ---- */

static void nap(long microseconds)
{
    const struct timespec t = {0, microseconds * 1000};
    nanosleep(&t, NULL);
}

/* x = 3 x + k on every element of a matrix or vector of doubles, or on the ints of the user's memory: the order can be told. */
static da_status scramble_cpu(const da_call *call)
{
    const da_buffer *b = &call->buffers[0];
    const int k = *(const int *)call->values[0].data;
    if (b->dtype == 0) {
        unsigned char *x = b->data;
        for (int64_t i = 0; i < b->shape[0]; i++)
            x[i] = (unsigned char)(3 * x[i] + k);
        return DA_OK;
    }
    const int64_t rows = b->ndim == 2 ? b->shape[0] : 1, columns = b->shape[b->ndim - 1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double *x =
                (double *)b->data + (b->ndim == 2 ? i * b->strides[0] : 0) + j * b->strides[b->ndim - 1];
            *x = fmod(3 * *x + k, 1009);
        }
    return DA_OK;
}
static const da_codelet scramble = {
    .name = "scramble", .cpu = scramble_cpu, .nbuffers = 1, .nvalues = 1, .value_sizes = {sizeof(int)}};

/* The sum of what is read, into the result. */
static da_status sum_cpu(const da_call *call)
{
    const da_buffer *b = &call->buffers[0];
    double sum = 0;
    for (int64_t i = 0; i < (b->ndim == 2 ? b->shape[0] : 1); i++)
        for (int64_t j = 0; j < b->shape[b->ndim - 1]; j++)
            sum += ((double *)b->data)[(b->ndim == 2 ? i * b->strides[0] : 0) + j * b->strides[b->ndim - 1]];
    *(double *)call->buffers[1].data = sum;
    return DA_OK;
}
static const da_codelet sum = {
    .name = "sum", .cpu = sum_cpu, .nbuffers = 2, .modes = {DA_MODE_READ, DA_MODE_WRITE}};

/* Result: 2 a + b of two results (or of two pieces of memory). */
static da_status combine_cpu(const da_call *call)
{
    ck_assert_int_eq((int)call->buffers[0].dtype, 0);
    ck_assert_int_eq(call->buffers[0].ndim, 1);
    ck_assert_int_eq((int)call->buffers[0].shape[0], (int)sizeof(double));
    *(double *)call->buffers[2].data =
        2 * *(const double *)call->buffers[0].data + *(const double *)call->buffers[1].data;
    return DA_OK;
}
static const da_codelet combine = {.name = "combine", .cpu = combine_cpu, .nbuffers = 3};

static da_status constant_cpu(const da_call *call)
{
    *(double *)call->buffers[0].data = *(const double *)call->values[0].data;
    return DA_OK;
}
static const da_codelet constant = {.name = "constant",
                                    .cpu = constant_cpu,
                                    .nbuffers = 1,
                                    .modes = {DA_MODE_WRITE},
                                    .nvalues = 1,
                                    .value_sizes = {sizeof(double)}};

static atomic_int *const no_counter = NULL;
static da_status count_cpu(const da_call *call)
{
    atomic_int *n = *(atomic_int *const *)call->values[0].data;
    if (n)
        atomic_fetch_add(n, 1);
    return DA_OK;
}
static const da_codelet count = {
    .name = "count", .cpu = count_cpu, .nvalues = 1, .value_sizes = {sizeof(void *)}};

/* Sleeps, then counts. */
static da_status slow_cpu(const da_call *call)
{
    nap(3000);
    return count_cpu(call);
}
static const da_codelet slow = {.name = "slow", .cpu = slow_cpu, .nvalues = 1};

static da_status fail_cpu(const da_call *call)
{
    return da_task_fail(call, "no root in [%g, %g]", 1.5, *(const double *)call->values[0].data);
}
static const da_codelet fail = {.name = "fail", .cpu = fail_cpu, .nvalues = 1};

/* Fails with a status of its own. */
static da_status refuse_cpu(const da_call *call)
{
    (void)call;
    return DA_ERROR_UNSUPPORTED;
}
static const da_codelet refuse = {.name = "refuse", .cpu = refuse_cpu};

static da_status fault_cpu(const da_call *call)
{
    *call->info = *(const int64_t *)call->values[0].data;
    return DA_OK;
}
static const da_codelet fault = {.name = "fault",
                                 .cpu = fault_cpu,
                                 .nvalues = 1,
                                 .value_sizes = {sizeof(int64_t)},
                                 .flags = DA_CODELET_FAULTS};

/* A matrix of zeros in tiles of the given extents. */
static da_array *tiled(int64_t rows, int64_t columns, int64_t tile_rows, int64_t tile_columns)
{
    da_array *a;
    ck_ok(da_blocks(DA_SHAPE(tile_rows, tile_columns)));
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(rows, columns)));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    return a;
}

/* ---- what a spawn accepts ---- */

START_TEST(counts_and_modes)
{
    DA_AUTO da_array *a = tiled(6, 6, 3, 3);
    const da_codelet nameless = {.cpu = count_cpu}, empty = {.name = "empty"};
    const int k = 1;
    const double x = 1;
    da_task *const untouched = (da_task *)&k;
    da_task *t = untouched;

    ck_fails(da_spawn(&t, NULL, 0, NULL), DA_ERROR_ARGUMENT, "codelet");
    ck_fails(da_spawn(&t, &nameless, 0, NULL), DA_ERROR_ARGUMENT, "name");
    ck_fails(da_spawn(&t, &empty, 0, NULL), DA_ERROR_ARGUMENT, "empty");
    ck_fails(da_spawn(&t, &scramble, 2, NULL), DA_ERROR_ARGUMENT, "scramble");
    ck_fails(da_spawn(&t, &scramble, -1, NULL), DA_ERROR_ARGUMENT, "-1");
    ck_fails(DA_SPAWN(&t, &scramble, DA_VALUE(k)), DA_ERROR_ARGUMENT, "0 buffers, the codelet takes 1");
    ck_fails(DA_SPAWN(&t, &scramble, DA_READ_WRITE(a), DA_READ(a), DA_VALUE(k)), DA_ERROR_ARGUMENT,
             "2 buffers, the codelet takes 1");
    ck_fails(DA_SPAWN(&t, &scramble, DA_READ_WRITE(a)), DA_ERROR_ARGUMENT, "0 values, the codelet takes 1");
    ck_fails(DA_SPAWN(&t, &scramble, DA_READ_WRITE(a), DA_VALUE(x)), DA_ERROR_ARGUMENT,
             "value 0 has 8 bytes, the codelet takes 4");
    ck_fails(DA_SPAWN(&t, &sum, DA_READ_WRITE(a), DA_RESULT(double)), DA_ERROR_ARGUMENT,
             "buffer 0 is to be spawned with READ, not READ_WRITE");
    ck_fails(DA_SPAWN(&t, &sum, DA_READ(a), DA_READ(a)), DA_ERROR_ARGUMENT,
             "buffer 1 is to be spawned with WRITE, not READ");
    ck_fails(DA_SPAWN(&t, &combine, DA_READ(a), DA_RESULT(double), DA_RESULT(int)), DA_ERROR_ARGUMENT,
             "second DA_RESULT");
    {
        da_arg args[9];
        for (int i = 0; i < 9; i++)
            args[i] = DA_VALUE(k);
        ck_fails(da_spawn(&t, &refuse, 9, args), DA_ERROR_ARGUMENT, "more than 8 values");
        args[0].kind_ = 77;
        args[0].mode_ = DA_MODE_READ;
        ck_fails(da_spawn(&t, &refuse, 1, args), DA_ERROR_ARGUMENT, "77");
        args[0].kind_ = 1;
        args[0].mode_ = 4;
        ck_fails(da_spawn(&t, &refuse, 1, args), DA_ERROR_ARGUMENT, "mode 4");
    }
    ck_assert_ptr_eq(t, untouched);
}
END_TEST

START_TEST(arguments)
{
    DA_AUTO da_array *a = tiled(6, 6, 3, 3), *row = NULL, *wide = NULL;
    DA_AUTO da_task *plain = NULL;
    da_array *gone = NULL;
    da_task *released = NULL;
    const da_array *null_array = NULL;
    const da_task *null_task = NULL;
    atomic_int n = 0, *const pn = &n;
    const int k = 1;
    int m = 0;

    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 2, 0)), DA_VALUE(k)), DA_ERROR_INDEX,
             "tile index 2 along axis 0, which has 2 tiles");
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 0, -1)), DA_VALUE(k)), DA_ERROR_INDEX,
             "tile index -1 along axis 1");
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 0)), DA_VALUE(k)), DA_ERROR_INDEX,
             "1 tile indices, the array has 2 axes");
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(null_array), DA_VALUE(k)), DA_ERROR_ARGUMENT,
             "argument 0");
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(null_array, 0, 0)), DA_VALUE(k)),
             DA_ERROR_ARGUMENT, "argument 0");
    ck_ok(da_zeros(&gone, DA_F64, DA_SHAPE(3, 3)));
    {
        da_array *stale = gone;
        da_array_release(&gone);
        ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(stale), DA_VALUE(k)), DA_ERROR_STALE, "argument 0");
    }
    ck_ok(DA_SLICE(&row, a, DA_RANGE(0, 1)));
    ck_ok(da_broadcast_to(&wide, row, DA_SHAPE(4, 6)));
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(wide), DA_VALUE(k)), DA_ERROR_ARGUMENT, "broadcast");

    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(NULL, 4), DA_VALUE(k)), DA_ERROR_ARGUMENT,
             "null");
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(&m, SIZE_MAX), DA_VALUE(k)), DA_ERROR_OVERFLOW,
             "bytes");

    ck_ok(DA_SPAWN(&plain, &count, DA_VALUE(pn)));
    ck_fails(DA_SPAWN(NULL, &sum, DA_READ(plain), DA_RESULT(double)), DA_ERROR_ARGUMENT,
             "task count has no result");
    ck_fails(DA_SPAWN(NULL, &sum, DA_READ(null_task), DA_RESULT(double)), DA_ERROR_ARGUMENT, "task is null");
    ck_fails(da_task_fetch(plain, &m, sizeof m), DA_ERROR_ARGUMENT, "no result");
    ck_ok(da_task_wait(plain));
    ck_assert(da_task_done(plain));
    ck_assert_int_eq(n, 1);
    ck_ok(DA_SPAWN(&released, &count, DA_VALUE(pn)));
    {
        da_task *stale = released;
        da_task_release(&released);
        ck_assert_ptr_null(released);
        da_task_release(&released);
        da_task_release(NULL);
        ck_fails(da_task_wait(stale), DA_ERROR_STALE, "released");
        ck_assert(!da_task_done(stale));
    }
    ck_fails(da_task_wait(NULL), DA_ERROR_ARGUMENT, "null");
    ck_assert(!da_task_done(NULL));
    ck_fails(da_task_fetch(NULL, &m, sizeof m), DA_ERROR_ARGUMENT, "null");
    ck_ok(da_wait_all());
    ck_assert_int_eq(n, 2);
}
END_TEST

START_TEST(results_and_sizes)
{
    DA_AUTO da_task *t = NULL;
    const double x = 7;
    double y = 0;
    float f = 0;

    ck_ok(DA_SPAWN(&t, &constant, DA_RESULT(double), DA_VALUE(x)));
    ck_fails(da_task_fetch(t, &f, sizeof f), DA_ERROR_ARGUMENT, "8 bytes, 4 were asked for");
    ck_fails(da_task_fetch(t, NULL, sizeof y), DA_ERROR_ARGUMENT, "null");
    ck_ok(da_task_fetch(t, &y, sizeof y));
    ck_assert_double_eq(y, 7);
    ck_fails(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(t), DA_VALUE(f)), DA_ERROR_ARGUMENT, "can only be read");
}
END_TEST

/* Many arguments: the kernel sees buffers and values in the order of the spawn, each numbered apart. */
static da_status many_cpu(const da_call *call)
{
    ck_assert_int_eq(call->nbuffers, 20);
    ck_assert_int_eq(call->nvalues, 3);
    for (int i = 0; i < 19; i++)
        ck_assert_int_eq(*(const int *)call->buffers[i].data, 100 + i);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(*(const int *)call->values[i].data, i);
    *(int *)call->buffers[19].data = 1;
    return DA_OK;
}
static const da_codelet many = {.name = "many", .cpu = many_cpu};

START_TEST(many_arguments)
{
    DA_AUTO da_task *t = NULL;
    da_arg args[23];
    int data[19], values[3] = {0, 1, 2}, done = 0, n = 0;
    for (int i = 0; i < 20; i++) {
        if (i < 3)
            args[n++] = DA_VALUE(values[i]);
        if (i < 19) {
            data[i] = 100 + i;
            args[n++] = DA_READ_MEMORY(&data[i], sizeof data[i]);
        }
    }
    args[n++] = DA_RESULT(int);
    ck_ok(da_spawn(&t, &many, n, args));
    values[0] = values[1] = values[2] = -1; /* they were copied */
    ck_ok(da_task_fetch(t, &done, sizeof done));
    ck_assert_int_eq(done, 1);
}
END_TEST

/* ---- order ---- */

START_TEST(chain)
{
    DA_AUTO da_array *a = tiled(4, 4, 2, 2);
    double expected[2] = {0, 0}, got[16];
    for (int i = 0; i < 1000; i++) {
        const int even = 2 * i, odd = 2 * i + 1;
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 0, 1)), DA_VALUE(even)));
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 1, 0)), DA_VALUE(odd)));
        expected[0] = fmod(3 * expected[0] + even, 1009);
        expected[1] = fmod(3 * expected[1] + odd, 1009);
    }
    ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            ck_assert_double_eq(got[4 * i + j], i / 2 == j / 2 ? 0 : expected[i / 2]);
}
END_TEST

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Views, tiles and the whole array in random order, against the same on the host. */
START_TEST(random_views)
{
    enum { N = 13, TASKS = 400 };
    DA_AUTO da_array *a = tiled(N, N, 5, 3), *turned = NULL;
    static double host[N][N], got[N][N];
    da_task *sums[TASKS] = {NULL};
    double expected[TASKS];
    unsigned state = (unsigned)_i + 1;

    memset(host, 0, sizeof host);
    ck_ok(da_matrix_transpose(&turned, a));
    for (int t = 0; t < TASKS; t++) {
        const int k = t % 100;
        const unsigned what = next_random(&state) % 5;
        /* rows i0, i0 + di, ... and columns of the view, applied to the host's copy */
        int i0 = 0, i1 = N, di = 1, j0 = 0, j1 = N, dj = 1;
        DA_AUTO da_array *view = NULL;
        da_arg access;
        if (what == 0) { /* a tile */
            const int bi = (int)(next_random(&state) % 3), bj = (int)(next_random(&state) % 5);
            access = DA_READ_WRITE(DA_BLOCK(a, bi, bj));
            i0 = 5 * bi, i1 = i0 + 5 < N ? i0 + 5 : N, j0 = 3 * bj, j1 = j0 + 3 < N ? j0 + 3 : N;
        } else if (what == 1) { /* a tile of the transpose */
            const int bi = (int)(next_random(&state) % 3), bj = (int)(next_random(&state) % 5);
            access = DA_READ_WRITE(DA_BLOCK(turned, bj, bi));
            i0 = 5 * bi, i1 = i0 + 5 < N ? i0 + 5 : N, j0 = 3 * bj, j1 = j0 + 3 < N ? j0 + 3 : N;
        } else if (what == 2) { /* every so many, backwards */
            di = 1 + (int)(next_random(&state) % 4);
            i0 = (int)(next_random(&state) % N), j0 = (int)(next_random(&state) % N);
            ck_ok(
                DA_SLICE(&view, a, DA_RANGE_STEP(i0, N, di), DA_RANGE_STEP(N - 1, j0 ? j0 - 1 : -N - 1, -1)));
            access = DA_READ_WRITE(view);
        } else if (what == 3) { /* a box */
            i0 = (int)(next_random(&state) % N),
            i1 = i0 + 1 + (int)(next_random(&state) % (unsigned)(N - i0));
            j0 = (int)(next_random(&state) % N),
            j1 = j0 + 1 + (int)(next_random(&state) % (unsigned)(N - j0));
            ck_ok(DA_SLICE(&view, a, DA_RANGE(i0, i1), DA_RANGE(j0, j1)));
            access = DA_READ_WRITE(view);
        } else {
            access = DA_READ_WRITE(a);
        }
        if (next_random(&state) % 3 == 0) {
            access.mode_ = DA_MODE_READ;
            ck_ok(DA_SPAWN(&sums[t], &sum, access, DA_RESULT(double)));
        } else {
            ck_ok(DA_SPAWN(NULL, &scramble, access, DA_VALUE(k)));
        }
        expected[t] = 0;
        for (int i = i0; i < i1; i += di)
            for (int j = j0; j < j1; j += dj) {
                if (sums[t])
                    expected[t] += host[i][j];
                else
                    host[i][j] = fmod(3 * host[i][j] + k, 1009);
            }
    }
    for (int t = 0; t < TASKS; t++)
        if (sums[t]) {
            double x;
            ck_ok(da_task_fetch(sums[t], &x, sizeof x));
            ck_assert_double_eq(x, expected[t]);
            da_task_release(&sums[t]);
        }
    ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
    ck_assert_mem_eq(got, host, sizeof got);
}
END_TEST

/* Tasks and the library's own operations on one array follow each other. */
START_TEST(with_operations)
{
    DA_AUTO da_array *a = tiled(7, 7, 3, 3), *b = NULL;
    const int k = 5;
    double total;
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(a, 0, 0)), DA_VALUE(k))); /* 9 fives */
    ck_ok(da_copy(&b, a));
    ck_ok(da_assign(a, da_add(a, 1)));
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(a), DA_VALUE(k))); /* 9 x 23, 40 x 8 */
    ck_ok(da_sum_all(&total, a));
    ck_assert_double_eq(total, 9 * 23 + 40 * 8);
    ck_ok(da_sum_all(&total, b));
    ck_assert_double_eq(total, 45);
}
END_TEST

/* ---- the user's memory ---- */

START_TEST(memory_chain)
{
    unsigned char x = 0, y = 0;
    unsigned char expected = 0;
    for (int i = 0; i < 1000; i++) {
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(&x, 1), DA_VALUE(i)));
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(&y, 1), DA_VALUE(i)));
        expected = (unsigned char)(3 * expected + i);
    }
    ck_ok(da_wait_memory(&x));
    ck_assert_int_eq(x, expected);
    ck_ok(da_wait_memory(&y));
    ck_assert_int_eq(y, expected);
    ck_ok(da_wait_memory(&expected)); /* nobody uses it */
    ck_fails(da_wait_memory(NULL), DA_ERROR_ARGUMENT, "null");
}
END_TEST

/* Random overlapping ranges, against the same one after the other. */
START_TEST(memory_overlaps)
{
    enum { N = 64, TASKS = 3000 };
    static unsigned char x[N], expected[N];
    unsigned state = 77u + (unsigned)_i;
    memset(x, 0, sizeof x);
    memset(expected, 0, sizeof expected);
    for (int t = 0; t < TASKS; t++) {
        const size_t at = next_random(&state) % N, n = 1 + next_random(&state) % (N - at);
        const int k = (int)(next_random(&state) % 256);
        const size_t some = n > 8 ? n % 8 + 1 : n;
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(x + at, some), DA_VALUE(k)));
        for (size_t i = at; i < at + some; i++)
            expected[i] = (unsigned char)(3 * expected[i] + k);
    }
    ck_ok(da_wait_all());
    ck_assert_mem_eq(x, expected, N);
}
END_TEST

/* Nothing is kept of memory that no task uses any more: the same address with another extent, again and again. */
START_TEST(memory_reused)
{
    unsigned char x[4] = {0};
    const int k = 1;
    for (int i = 0; i < 200; i++) {
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(x, 1 + (size_t)i % 4), DA_VALUE(k)));
        if (i % 3 == 0)
            ck_ok(da_wait_memory(x));
    }
    ck_ok(da_wait_memory(x));
}
END_TEST

START_TEST(memory_failures)
{
    double x = 1, y = 2, z = 3;
    const double four = 4;
    const int k = 1;

    ck_ok(DA_SPAWN(NULL, &fail, DA_WRITE_MEMORY(&x, sizeof x), DA_VALUE(four)));
    ck_ok(DA_SPAWN(NULL, &combine, DA_READ_MEMORY(&x, sizeof x), DA_READ_MEMORY(&x, sizeof x),
                   DA_WRITE_MEMORY(&y, sizeof y)));
    ck_ok(DA_SPAWN(NULL, &constant, DA_WRITE_MEMORY(&z, sizeof z), DA_VALUE(four)));
    ck_ok(da_wait_all()); /* the pieces are unused, and the failures are still known */
    ck_fails(da_wait_memory(&y), DA_ERROR_TASK, "task fail failed: no root in [1.5, 4]");
    ck_assert_double_eq(y, 2);
    ck_ok(da_wait_memory(&y)); /* told once */
    ck_ok(DA_SPAWN(NULL, &combine, DA_READ_MEMORY(&x, sizeof x), DA_READ_MEMORY(&z, sizeof z),
                   DA_WRITE_MEMORY(&y, sizeof y)));
    ck_fails(da_wait_memory(&y), DA_ERROR_TASK, "task fail failed");
    ck_ok(DA_SPAWN(NULL, &constant, DA_WRITE_MEMORY(&x, sizeof x),
                   DA_VALUE(four))); /* overwritten: good again */
    ck_ok(DA_SPAWN(NULL, &combine, DA_READ_MEMORY(&x, sizeof x), DA_READ_MEMORY(&z, sizeof z),
                   DA_WRITE_MEMORY(&y, sizeof y)));
    ck_ok(da_wait_memory(&x));
    ck_ok(da_wait_memory(&y));
    ck_assert_double_eq(y, 12);

    {
        unsigned char bytes[8] = {0};
        ck_ok(DA_SPAWN(NULL, &fail, DA_WRITE_MEMORY(bytes, 4), DA_VALUE(four)));
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(bytes + 3, 5),
                       DA_VALUE(k))); /* overlaps the failure */
        ck_fails(da_wait_memory(bytes + 7), DA_ERROR_TASK, "task fail failed");
        ck_fails(da_wait_memory(bytes), DA_ERROR_TASK, "task fail failed");
        ck_ok(da_wait_memory(bytes));
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(bytes, 8), DA_VALUE(k)));
        ck_ok(da_wait_memory(bytes));
        ck_assert_int_eq(bytes[5], 1);
    }
}
END_TEST

START_TEST(memory_faults)
{
    double x = 0, y = 0;
    const int64_t three = 3;
    const double one = 1;
    ck_ok(DA_SPAWN(NULL, &fault, DA_WRITE_MEMORY(&x, sizeof x), DA_VALUE(three)));
    ck_ok(DA_SPAWN(NULL, &combine, DA_READ_MEMORY(&x, sizeof x), DA_READ_MEMORY(&x, sizeof x),
                   DA_WRITE_MEMORY(&y, sizeof y)));
    ck_ok(da_wait_all());
    ck_fails(da_wait_memory(&y), DA_ERROR_NUMERICAL, "fault: numerical fault 3");
    ck_ok(da_wait_memory(&y));
    ck_ok(DA_SPAWN(NULL, &constant, DA_WRITE_MEMORY(&x, sizeof x), DA_VALUE(one)));
    ck_ok(da_wait_memory(&x));
}
END_TEST

/* ---- futures ---- */

START_TEST(future_chain)
{
    da_task *f[64] = {NULL};
    const double one = 1;
    double x;
    ck_ok(DA_SPAWN(&f[0], &constant, DA_RESULT(double), DA_VALUE(one)));
    ck_ok(DA_SPAWN(&f[1], &constant, DA_RESULT(double), DA_VALUE(one)));
    for (int i = 2; i < 64; i++) {
        ck_ok(DA_SPAWN(&f[i], &combine, DA_READ(f[i - 2]), DA_READ(f[i - 1]), DA_RESULT(double)));
        if (i > 2)
            da_task_release(&f[i - 2]); /* the tasks keep what they need */
    }
    ck_ok(da_task_fetch(f[63], &x, sizeof x));
    double a = 1, b = 1;
    for (int i = 2; i < 64; i++) {
        const double c = 2 * a + b;
        a = b;
        b = c;
    }
    ck_assert_double_eq(x, b);
    ck_ok(da_task_wait(f[63]));
    for (int i = 0; i < 64; i++)
        da_task_release(&f[i]);
}
END_TEST

/* A result that nobody took a handle of. */
START_TEST(unclaimed_result)
{
    const double one = 1;
    for (int i = 0; i < 100; i++)
        ck_ok(DA_SPAWN(NULL, &constant, DA_RESULT(double), DA_VALUE(one)));
    ck_ok(da_wait_all());
}
END_TEST

/* ---- nesting ---- */

typedef struct tree {
    int depth;
    atomic_int *leaves;
} tree;
static da_status tree_cpu(const da_call *call);
static const da_codelet branch = {
    .name = "branch", .cpu = tree_cpu, .nvalues = 1, .value_sizes = {sizeof(tree)}};
static da_status tree_cpu(const da_call *call)
{
    tree t = *(const tree *)call->values[0].data;
    if (t.depth == 0) {
        atomic_fetch_add(t.leaves, 1);
        return DA_OK;
    }
    t.depth--;
    DA_TRY(DA_SPAWN(NULL, &branch, DA_VALUE(t)));
    return DA_SPAWN(NULL, &branch, DA_VALUE(t));
}

START_TEST(nested_tree)
{
    atomic_int leaves = 0;
    const tree t = {10, &leaves};
    ck_ok(DA_SPAWN(NULL, &branch, DA_VALUE(t)));
    ck_ok(da_wait_all());
    ck_assert_int_eq(leaves, 1024);
}
END_TEST

/* A task that spawns work on what it writes itself: that runs after it, and before what is spawned later. */
typedef struct outer_args {
    da_array *a;
} outer_args;
static da_status outer_cpu(const da_call *call)
{
    const outer_args *args = call->values[0].data;
    const int k = 2;
    DA_TRY(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(args->a, 0, 0)), DA_VALUE(k)));
    nap(1000);
    *(double *)call->buffers[0].data = 10;
    return DA_OK;
}
static const da_codelet outer = {.name = "outer", .cpu = outer_cpu};

START_TEST(nested_order)
{
    DA_AUTO da_array *a = tiled(1, 1, 1, 1);
    const outer_args args = {a};
    double x;
    for (int i = 0; i < 20; i++) {
        DA_AUTO da_task *t = NULL;
        ck_ok(DA_SPAWN(&t, &outer, DA_WRITE(a), DA_VALUE(args)));
        ck_ok(da_task_wait(t));
        ck_ok(da_item(&x, a));
        ck_assert_double_eq(x, 32);
    }
}
END_TEST

static da_status waiter_cpu(const da_call *call)
{
    da_task *const other = *(da_task *const *)call->values[0].data;
    da_array *const a = *(da_array *const *)call->values[1].data;
    int *good = call->buffers[0].data;
    double x;
    *good = da_task_wait(other) == DA_ERROR_STATE && strstr(da_error(), "task waiter") != NULL;
    *good &= da_task_fetch(other, &x, sizeof x) == DA_ERROR_STATE;
    *good &= da_wait_memory(good) == DA_ERROR_STATE;
    *good &= da_wait(a) == DA_ERROR_STATE;
    *good &= da_item(&x, a) == DA_ERROR_STATE;
    *good &= da_wait_all() == DA_ERROR_STATE;
    *good &= da_shutdown() == DA_ERROR_STATE;
    (void)da_task_done(other);
    return DA_OK;
}
static const da_codelet waiter = {.name = "waiter", .cpu = waiter_cpu};

START_TEST(waiting_inside)
{
    DA_AUTO da_task *one = NULL, *two = NULL;
    DA_AUTO da_array *a = tiled(1, 1, 1, 1);
    const double x = 1;
    int good = 0;
    ck_ok(DA_SPAWN(&one, &constant, DA_RESULT(double), DA_VALUE(x)));
    ck_ok(DA_SPAWN(&two, &waiter, DA_RESULT(int), DA_VALUE(one), DA_VALUE(a)));
    ck_ok(da_task_fetch(two, &good, sizeof good));
    ck_assert(good);
}
END_TEST

/* ---- several threads ---- */

enum { THREADS = 4, PER_THREAD = 500 };
typedef struct shared {
    da_array *a;
    atomic_int *n;
} shared;

static void spawn_some(const shared *s, int id)
{
    DA_AUTO da_array *own = tiled(2, 2, 1, 1);
    DA_AUTO da_task *total = NULL;
    atomic_int *const n = s->n;
    double x, expected = 0, got[4];
    for (int i = 0; i < PER_THREAD; i++) {
        ck_ok(DA_SPAWN(NULL, &count, DA_READ_WRITE(s->a), DA_VALUE(n))); /* all threads in one line */
        ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(DA_BLOCK(own, 1, 1)), DA_VALUE(i)));
        expected = fmod(3 * expected + i, 1009);
    }
    ck_ok(DA_SPAWN(&total, &sum, DA_READ(own), DA_RESULT(double)));
    ck_ok(da_task_fetch(total, &x, sizeof x));
    ck_assert_double_eq(x, expected);
    ck_ok(da_to_host(own, got, sizeof got, DA_ROW_MAJOR));
    ck_assert_double_eq(got[3], expected);
    ck_assert_double_eq(got[id % 3], 0);
}

static void *thread_main(void *ctx)
{
    spawn_some(ctx, 0);
    return NULL;
}

START_TEST(threads)
{
    DA_AUTO da_array *a = tiled(2, 2, 1, 1);
    atomic_int n = 0;
    shared s = {a, &n};
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, thread_main, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    ck_ok(da_wait_all());
    ck_assert_int_eq(n, THREADS * PER_THREAD);
}
END_TEST

START_TEST(omp_parallel)
{
    DA_AUTO da_array *a = tiled(2, 2, 1, 1);
    atomic_int n = 0;
    const shared s = {a, &n};
#pragma omp parallel num_threads(THREADS)
    {
        spawn_some(&s, omp_get_thread_num());
    }
    ck_ok(da_wait(a));
    ck_assert_int_eq(n, THREADS * PER_THREAD);
}
END_TEST

/* ---- failures ---- */

START_TEST(failure_travels)
{
    DA_AUTO da_array *a = tiled(4, 4, 2, 2), *b = NULL, *c = NULL;
    DA_AUTO da_task *failed = NULL, *dependant = NULL, *further = NULL, *independent = NULL;
    const double four = 4;
    const int k = 1;
    double x;
    static const char sentence[] = "task fail failed: no root in [1.5, 4]";

    ck_ok(DA_SPAWN(&failed, &fail, DA_READ_WRITE(DA_BLOCK(a, 0, 0)), DA_RESULT(double), DA_VALUE(four)));
    ck_ok(DA_SPAWN(&dependant, &combine, DA_READ(failed), DA_READ(failed), DA_RESULT(double)));
    ck_ok(DA_SPAWN(&further, &combine, DA_READ(dependant), DA_READ(dependant), DA_RESULT(double)));
    ck_ok(DA_SPAWN(&independent, &sum, DA_READ(DA_BLOCK(a, 1, 1)), DA_RESULT(double)));
    ck_ok(da_eval(&b, da_add(a, 1)));
    ck_fails(da_task_wait(failed), DA_ERROR_TASK, sentence);
    ck_fails(da_task_wait(dependant), DA_ERROR_TASK, sentence);
    ck_fails(da_task_fetch(further, &x, sizeof x), DA_ERROR_TASK, sentence);
    ck_ok(da_task_fetch(independent, &x, sizeof x));
    ck_assert_double_eq(x, 0);
    ck_fails(da_wait(a), DA_ERROR_TASK, sentence);
    ck_fails(da_wait(b), DA_ERROR_TASK, sentence);
    ck_fails(da_sum_all(&x, a), DA_ERROR_TASK, sentence);
    ck_ok(DA_SLICE(&c, a, DA_FROM(2))); /* tiles that the failed task did not touch */
    ck_ok(da_sum_all(&x, c));
    ck_assert_double_eq(x, 0);

    ck_ok(da_assign(a, 1)); /* overwritten: good again */
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(a), DA_VALUE(k)));
    ck_ok(da_sum_all(&x, a));
    ck_assert_double_eq(x, 64);
}
END_TEST

static da_status complain_cpu(const da_call *call)
{
    return da_task_fail(call, "ran into %d", 7);
}

static const da_codelet complain = {.name = "complain", .cpu = complain_cpu};

START_TEST(own_status)
{
    DA_AUTO da_task *t = NULL;
    ck_ok(da_spawn(&t, &refuse, 0, NULL));
    ck_fails(da_task_wait(t), DA_ERROR_TASK, "task refuse failed");
    /* with no sentence of its own, and none of what its worker did before */
    for (int i = 0; i < 20; i++) {
        da_task_release(&t);
        ck_ok(da_spawn(&t, &complain, 0, NULL));
        ck_fails(da_task_wait(t), DA_ERROR_TASK, "ran into 7");
        da_task_release(&t);
        ck_ok(da_spawn(&t, &refuse, 0, NULL));
        ck_fails(da_task_wait(t), DA_ERROR_TASK, "task refuse failed");
        ck_assert_msg(strstr(da_error(), "ran into 7") == NULL, "%s", da_error());
    }
}
END_TEST

START_TEST(fail_outside)
{
    const da_call call = {0};
    ck_assert_int_ne(da_task_fail(&call, "%d", 1), DA_OK);
    ck_assert_int_ne(da_task_fail(NULL, "%d", 1), DA_OK);
}
END_TEST

START_TEST(faults_of_codelets)
{
    DA_AUTO da_array *a = tiled(4, 4, 2, 2), *b = NULL, *v = NULL;
    DA_AUTO da_task *t = NULL, *s = NULL, *fine = NULL;
    const int64_t info = 5, none = 0;
    double x;

    ck_ok(DA_SPAWN(&fine, &fault, DA_READ_WRITE(DA_BLOCK(a, 0, 0)), DA_VALUE(none)));
    ck_ok(da_task_wait(fine));
    ck_ok(da_wait(a));
    ck_ok(DA_SPAWN(&t, &fault, DA_READ_WRITE(DA_BLOCK(a, 0, 0)), DA_VALUE(info)));
    ck_ok(DA_SPAWN(&s, &sum, DA_READ(DA_BLOCK(a, 0, 0)), DA_RESULT(double)));
    ck_ok(da_eval(&b, da_multiply(a, 2)));
    ck_ok(DA_SLICE(&v, a, DA_EVERY(-1)));
    ck_fails(da_task_wait(t), DA_ERROR_NUMERICAL, "fault: numerical fault 5");
    ck_fails(da_task_fetch(s, &x, sizeof x), DA_ERROR_NUMERICAL, "fault: numerical fault 5");
    ck_fails(da_wait(a), DA_ERROR_NUMERICAL, "numerical fault 5");
    ck_fails(da_wait(b), DA_ERROR_NUMERICAL, "numerical fault 5");
    ck_fails(da_wait(v), DA_ERROR_NUMERICAL, "numerical fault 5");
    ck_ok(DA_SPAWN(NULL, &refuse, DA_READ(DA_BLOCK(a, 1, 1)))); /* a failure that nothing depends on */
    ck_ok(da_wait_all());
    {
        const int k = 0; /* a full overwrite clears the fault */
        static const da_codelet overwrite = {.name = "overwrite", .cpu = scramble_cpu, .nvalues = 1};
        ck_ok(DA_SPAWN(NULL, &overwrite, DA_WRITE(a), DA_VALUE(k)));
        ck_ok(da_wait(a));
        ck_fails(da_wait(b), DA_ERROR_NUMERICAL, "numerical fault 5");
    }
}
END_TEST

/* ---- lifetimes ---- */

START_TEST(release_early)
{
    atomic_int n = 0, *const pn = &n;
    for (int i = 0; i < 30; i++) {
        da_array *a = tiled(50, 50, 25, 25), *v;
        da_task *t;
        ck_ok(DA_SPAWN(NULL, &slow, DA_READ_WRITE(a), DA_VALUE(pn)));
        ck_ok(da_matrix_transpose(&v, a));
        da_array_release(&a);
        ck_ok(DA_SPAWN(&t, &slow, DA_READ(v), DA_RESULT(int), DA_VALUE(pn)));
        da_array_release(&v);
        ck_ok(DA_SPAWN(NULL, &count, DA_READ(t), DA_VALUE(pn)));
        da_task_release(&t);
    }
    ck_ok(da_wait_all());
    ck_assert_int_eq(n, 90);
}
END_TEST

START_TEST(shutdown_and_again)
{
    DA_AUTO da_array *a = tiled(4, 4, 2, 2);
    DA_AUTO da_task *before = NULL, *after = NULL;
    const double one = 1;
    const int k = 1;
    double x;
    unsigned char m = 1;
    ck_ok(DA_SPAWN(&before, &constant, DA_RESULT(double), DA_VALUE(one)));
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(a), DA_VALUE(k)));
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(&m, 1), DA_VALUE(k)));
    ck_ok(da_shutdown());
    ck_assert(da_task_done(before));
    ck_assert_int_eq(m, 4);
    ck_ok(DA_SPAWN(&after, &combine, DA_READ(before), DA_READ(before), DA_RESULT(double)));
    ck_ok(DA_SPAWN(NULL, &scramble, DA_READ_WRITE(a), DA_VALUE(k)));
    ck_ok(da_task_fetch(after, &x, sizeof x));
    ck_assert_double_eq(x, 3);
    ck_ok(da_sum_all(&x, a));
    ck_assert_double_eq(x, 64);
}
END_TEST

START_TEST(da_auto_releases)
{
    atomic_int n = 0, *const pn = &n;
    for (int i = 0; i < 10; i++) {
        DA_AUTO da_task *t = NULL;
        ck_ok(DA_SPAWN(&t, &count, DA_VALUE(pn)));
    }
    ck_ok(da_wait_all());
    ck_assert_int_eq(n, 10);
}
END_TEST

/* ---- out of memory ---- */

static da_status scenario(void)
{
    DA_AUTO da_array *a = NULL;
    DA_AUTO da_task *one = NULL, *two = NULL, *bad = NULL;
    unsigned char bytes[8] = {0};
    const double x = 2;
    const int64_t info = 3;
    const int k = 1;
    double y = 0, many_data[12] = {0};
    da_arg args[13];
    da_status status, other;

    DA_TRY(da_blocks(DA_SHAPE(2, 2)));
    status = da_empty(&a, DA_F64, DA_SHAPE(8, 8));
    DA_TRY(da_blocks(DA_SCALAR_SHAPE));
    DA_TRY(status);
    DA_TRY(DA_SPAWN(NULL, &count, DA_WRITE(a), DA_VALUE(no_counter)));
    DA_TRY(DA_SPAWN(&one, &constant, DA_RESULT(double), DA_VALUE(x)));
    DA_TRY(DA_SPAWN(&two, &combine, DA_READ(one), DA_READ(one), DA_RESULT(double)));
    DA_TRY(DA_SPAWN(&bad, &fault, DA_READ_WRITE(DA_BLOCK(a, 1, 1)), DA_RESULT(int), DA_VALUE(info)));
    DA_TRY(DA_SPAWN(NULL, &fault, DA_READ_WRITE(DA_BLOCK(a, 1, 2)), DA_READ(bad), DA_VALUE(info)));
    for (int i = 0; i < 12; i++)
        args[i] = DA_READ_MEMORY(&many_data[i], sizeof many_data[i]);
    args[12] = DA_VALUE(no_counter);
    /* the stack's memory is used by tasks from here on: wait for it however this ends */
    status = da_spawn(NULL, &count, 13, args);
    if (status == DA_OK)
        status = DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(bytes, 5), DA_VALUE(k));
    if (status == DA_OK)
        status = DA_SPAWN(NULL, &scramble, DA_READ_WRITE_MEMORY(bytes + 3, 5), DA_VALUE(k));
    other = da_wait_all();
    if (status == DA_OK)
        status = other;
    if (status == DA_OK)
        status = da_wait_memory(bytes + 4);
    DA_TRY(status);
    ck_assert_int_eq(bytes[4], 4);
    DA_TRY(da_task_fetch(two, &y, sizeof y));
    ck_assert_double_eq(y, 6);
    ck_assert_int_eq(da_task_wait(bad), DA_ERROR_NUMERICAL);
    ck_assert_int_eq(da_wait(a), DA_ERROR_NUMERICAL);
    return DA_OK;
}

START_TEST(out_of_memory)
{
    ck_assert_int_gt(fail_every_allocation(scenario), 5);
}
END_TEST

DA_TEST_MAIN("task", DA_CASE("arguments", counts_and_modes, arguments, results_and_sizes, many_arguments),
             DA_CASE("order", chain, with_operations),
             DA_CASE_LOOP("random", 5, random_views, memory_overlaps),
             DA_CASE("memory", memory_chain, memory_reused, memory_failures, memory_faults),
             DA_CASE("futures", future_chain, unclaimed_result),
             DA_CASE("nesting", nested_tree, nested_order, waiting_inside),
             DA_CASE("threads", threads, omp_parallel),
             DA_CASE("failures", failure_travels, own_status, fail_outside, faults_of_codelets),
             DA_CASE("lifetimes", release_early, shutdown_and_again, da_auto_releases),
             DA_CASE("out of memory", out_of_memory))
