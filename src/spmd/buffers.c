/* SPDX-License-Identifier: BSD-3-Clause */
/* Collectives on buffers of the ranks' own memory. */
#include "spmd/spmd.h"
#include <inttypes.h>
#include <string.h>

/* ---- checks ---- */

static const char *op_name(da_op op)
{
    switch (op) {
    case DA_OP_SUM: return "DA_OP_SUM";
    case DA_OP_PROD: return "DA_OP_PROD";
    case DA_OP_MIN: return "DA_OP_MIN";
    case DA_OP_MAX: return "DA_OP_MAX";
    default: return "no operator";
    }
}

da_status spmd_check_same(const region *g)
{
    const spmd_request *first = spmd_request_of(g, 0);
    const char *name = first->what->name;
    const int n = spmd_count(g);

    for (int r = 1; r < n; r++) {
        const spmd_request *other = spmd_request_of(g, r);
        if (other->count != first->count)
            return err_set(DA_ERROR_ARGUMENT,
                           "%s: the ranks differ: the count is %" PRId64 " on rank 0, %" PRId64 " on rank %d",
                           name, first->count, other->count, r);
        if (other->dtype != first->dtype)
            return err_set(DA_ERROR_ARGUMENT,
                           "%s: the ranks differ: the dtype is %s on rank 0, %s on rank %d", name,
                           da_dtype_name(first->dtype), da_dtype_name(other->dtype), r);
        if (other->op != first->op)
            return err_set(DA_ERROR_ARGUMENT,
                           "%s: the ranks differ: the operator is %s on rank 0, %s on rank %d", name,
                           op_name(first->op), op_name(other->op), r);
        if (other->root != first->root)
            return err_set(DA_ERROR_ARGUMENT, "%s: the ranks differ: the root is %d on rank 0, %d on rank %d",
                           name, first->root, other->root, r);
    }
    if (first->root < 0 || first->root >= n)
        return err_set(DA_ERROR_ARGUMENT, "%s: root %d of %d ranks", name, first->root, n);
    return DA_OK;
}

da_status spmd_check_op(const char *function, da_op op, da_dtype dtype)
{
    if (op < DA_OP_SUM || op > DA_OP_MAX)
        return err_set(DA_ERROR_ARGUMENT, "%s: operator %d is none", function, (int)op);
    if (dtype == DA_F16 || dtype == DA_BF16)
        return err_set(DA_ERROR_DTYPE, "%s: %s is for storage; convert to float32 to combine", function,
                       da_dtype_name(dtype));
    if (dtype_is_complex(dtype) && op >= DA_OP_MIN)
        return err_set(DA_ERROR_DTYPE, "%s: %s of %s: complex numbers have no order", function, op_name(op),
                       da_dtype_name(dtype));
    return DA_OK;
}

/* Equal and sensible requests, whose buffers are there: `in` of every rank (or only of root), `out` of root (or of every rank). `total`
 * receives the bytes of each rank's part. */
static da_status check_buffers(const region *g, bool every_in, bool every_out, int64_t parts, int64_t *total)
{
    const spmd_request *first = spmd_request_of(g, 0);
    const char *name = first->what->name;
    int64_t all;
    da_status status = spmd_check_same(g);

    if (status != DA_OK)
        return status;
    if (first->count < 0)
        return err_set(DA_ERROR_ARGUMENT, "%s: a count of %" PRId64, name, first->count);
    if (!dtype_valid(first->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: dtype %d is none", name, (int)first->dtype);
    if (!size_mul(first->count, (int64_t)da_dtype_size(first->dtype), total) ||
        !size_mul(*total, parts, &all))
        return err_set(DA_ERROR_OVERFLOW, "%s: %" PRId64 " elements of %s from each of %d ranks overflow",
                       name, first->count, da_dtype_name(first->dtype), spmd_count(g));
    for (int r = 0; r < spmd_count(g) && *total > 0; r++) {
        const spmd_request *q = spmd_request_of(g, r);
        if ((every_in || r == q->root) && !q->in)
            return err_set(DA_ERROR_ARGUMENT, "%s: the input of rank %d is null", name, r);
        if ((every_out || r == q->root) && !q->out)
            return err_set(DA_ERROR_ARGUMENT, "%s: the output of rank %d is null", name, r);
    }
    return DA_OK;
}

/* ---- combining ---- */

typedef void (*combine_fn)(void *acc, const void *x, int64_t n);

#define COMBINE(name, T, expression)                                                                         \
    static void name(void *acc_, const void *x_, int64_t n)                                                  \
    {                                                                                                        \
        T *acc = acc_;                                                                                       \
        const T *x = x_;                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const T a = acc[i], b = x[i];                                                                    \
            acc[i] = (expression);                                                                           \
        }                                                                                                    \
    }
/* Integers wrap around; NaN wins. */
#define COMBINE_INTEGER(T)                                                                                   \
    COMBINE(T##_sum, T, (T)((uint64_t)a + (uint64_t)b))                                                      \
    COMBINE(T##_prod, T, (T)((uint64_t)a * (uint64_t)b))                                                     \
    COMBINE(T##_min, T, b < a ? b : a)                                                                       \
    COMBINE(T##_max, T, b > a ? b : a)
#define COMBINE_REAL(T)                                                                                      \
    COMBINE(T##_sum, T, a + b)                                                                               \
    COMBINE(T##_prod, T, a *b)                                                                               \
    COMBINE(T##_min, T, b < a || b != b ? b : a)                                                             \
    COMBINE(T##_max, T, b > a || b != b ? b : a)
#define COMBINE_COMPLEX(T)                                                                                   \
    COMBINE(T##_sum, T, ((T){a.re + b.re, a.im + b.im}))                                                     \
    COMBINE(T##_prod, T, ((T){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}))

COMBINE(any, bool, a || b)
COMBINE(all, bool, (a) && (b))
COMBINE_INTEGER(int8_t)
COMBINE_INTEGER(int16_t)
COMBINE_INTEGER(int32_t)
COMBINE_INTEGER(int64_t)
COMBINE_INTEGER(uint8_t)
COMBINE_INTEGER(uint16_t)
COMBINE_INTEGER(uint32_t)
COMBINE_INTEGER(uint64_t)
COMBINE_REAL(float)
COMBINE_REAL(double)
COMBINE_COMPLEX(da_c64)
COMBINE_COMPLEX(da_c128)

#define ROW(T)                                                                                               \
    {                                                                                                        \
        T##_sum, T##_prod, T##_min, T##_max                                                                  \
    }
static const combine_fn combiners[][4] = {
    [DA_BOOL] = {any, all, all, any},
    [DA_I8] = ROW(int8_t),
    [DA_I16] = ROW(int16_t),
    [DA_I32] = ROW(int32_t),
    [DA_I64] = ROW(int64_t),
    [DA_U8] = ROW(uint8_t),
    [DA_U16] = ROW(uint16_t),
    [DA_U32] = ROW(uint32_t),
    [DA_U64] = ROW(uint64_t),
    [DA_F32] = ROW(float),
    [DA_F64] = ROW(double),
    [DA_C64] = {da_c64_sum, da_c64_prod},
    [DA_C128] = {da_c128_sum, da_c128_prod},
};

static da_status combine(const region *g, bool everywhere)
{
    const spmd_request *first = spmd_request_of(g, 0);
    const int64_t size = (int64_t)da_dtype_size(first->dtype);
    max_align_t block[4096 / sizeof(max_align_t)];
    const int n = spmd_count(g);
    combine_fn fn;
    int64_t bytes;
    da_status status = check_buffers(g, true, everywhere, 1, &bytes);

    if (status == DA_OK)
        status = spmd_check_op(first->what->name, first->op, first->dtype);
    if (status != DA_OK)
        return status;
    fn = combiners[first->dtype][first->op - DA_OP_SUM];
    for (int64_t at = 0; at < bytes; at += (int64_t)sizeof block) {
        const int64_t some = bytes - at < (int64_t)sizeof block ? bytes - at : (int64_t)sizeof block;
        memcpy(block, (const char *)first->in + at, (size_t)some);
        for (int r = 1; r < n; r++)
            fn(block, (const char *)spmd_request_of(g, r)->in + at, some / size);
        for (int r = 0; r < n; r++)
            if (everywhere || r == first->root)
                memcpy((char *)spmd_request_of(g, r)->out + at, block, (size_t)some);
    }
    return DA_OK;
}

static da_status act_allreduce(const region *g)
{
    return combine(g, true);
}

static da_status act_reduce(const region *g)
{
    return combine(g, false);
}

/* ---- copying ---- */

static da_status act_broadcast(const region *g)
{
    const spmd_request *root;
    int64_t bytes;
    const da_status status = check_buffers(g, false, true, 1, &bytes);

    if (status != DA_OK)
        return status;
    root = spmd_request_of(g, spmd_request_of(g, 0)->root);
    for (int r = 0; r < spmd_count(g); r++)
        if (bytes > 0 && spmd_request_of(g, r)->out != root->out)
            memmove(spmd_request_of(g, r)->out, root->out, (size_t)bytes);
    return DA_OK;
}

static da_status act_gather(const region *g)
{
    const spmd_request *root;
    int64_t bytes;
    const int n = spmd_count(g);
    const da_status status = check_buffers(g, true, false, n, &bytes);

    if (status != DA_OK)
        return status;
    root = spmd_request_of(g, spmd_request_of(g, 0)->root);
    if (bytes == 0)
        return DA_OK;
    /* root's own part first: its input may lie in its output */
    memmove((char *)root->out + root->root * bytes, root->in, (size_t)bytes);
    for (int r = 0; r < n; r++)
        if (r != root->root)
            memcpy((char *)root->out + r * bytes, spmd_request_of(g, r)->in, (size_t)bytes);
    return DA_OK;
}

/* ---- the functions ---- */

da_status da_allreduce(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype, da_op op)
{
    static const spmd_collective what = {"da_allreduce", act_allreduce, true};
    const spmd_request request = {
        .what = &what, .out = out, .in = in, .count = count, .dtype = dtype, .op = op};
    return spmd_meet(rank, &request);
}

da_status da_reduce(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype, da_op op,
                    int root)
{
    static const spmd_collective what = {"da_reduce", act_reduce, true};
    const spmd_request request = {
        .what = &what, .out = out, .in = in, .count = count, .dtype = dtype, .op = op, .root = root};
    return spmd_meet(rank, &request);
}

da_status da_broadcast(da_rank *rank, void *data, int64_t count, da_dtype dtype, int root)
{
    static const spmd_collective what = {"da_broadcast", act_broadcast, true};
    const spmd_request request = {
        .what = &what, .out = data, .in = data, .count = count, .dtype = dtype, .root = root};
    return spmd_meet(rank, &request);
}

da_status da_gather(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype, int root)
{
    static const spmd_collective what = {"da_gather", act_gather, true};
    const spmd_request request = {
        .what = &what, .out = out, .in = in, .count = count, .dtype = dtype, .root = root};
    return spmd_meet(rank, &request);
}

da_status da_allreduce_f64(da_rank *rank, double *value, da_op op)
{
    static const spmd_collective what = {"da_allreduce_f64", act_allreduce, true};
    const spmd_request request = {
        .what = &what, .out = value, .in = value, .count = 1, .dtype = DA_F64, .op = op};
    return spmd_meet(rank, &request);
}
