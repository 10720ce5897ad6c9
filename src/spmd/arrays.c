/* SPDX-License-Identifier: BSD-3-Clause */
/* Collectives on arrays: rank 0 asks the library for the operations, in rank order; they run as every array operation. */
#include "array/array.h"
#include "spmd/spmd.h"
#include <darray/expr.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- checks ---- */

static da_status check_array(const region *g, int rank)
{
    char label[48];
    snprintf(label, sizeof label, "the array of rank %d", rank);
    return array_check(spmd_request_of(g, rank)->array, spmd_request_of(g, rank)->what->name, label);
}

/* Equal requests with outputs, and arrays (of every rank, or only of root) of one shape and dtype. */
static da_status check_arrays(const region *g, bool every)
{
    const spmd_request *first = spmd_request_of(g, 0);
    const char *name = first->what->name;
    char one[SHAPE_TEXT], other[SHAPE_TEXT];
    da_status status = spmd_check_same(g);

    for (int r = 0; r < spmd_count(g) && status == DA_OK; r++) {
        if (!spmd_request_of(g, r)->array_out)
            return err_set(DA_ERROR_ARGUMENT, "%s: the output of rank %d is null", name, r);
        if (every || r == first->root)
            status = check_array(g, r);
    }
    for (int r = 1; r < spmd_count(g) && every && status == DA_OK; r++) {
        const da_array *a = first->array, *b = spmd_request_of(g, r)->array;
        const da_shape sa = array_shape_of(a), sb = array_shape_of(b);
        if (sa.ndim != sb.ndim || memcmp(sa.dim, sb.dim, (size_t)sa.ndim * sizeof *sa.dim) != 0)
            return err_set(DA_ERROR_SHAPE, "%s: the ranks differ: the shape is %s on rank 0, %s on rank %d",
                           name, shape_text(&sa, one), shape_text(&sb, other), r);
        if (a->s->dtype != b->s->dtype)
            return err_set(DA_ERROR_DTYPE, "%s: the ranks differ: the dtype is %s on rank 0, %s on rank %d",
                           name, da_dtype_name(a->s->dtype), da_dtype_name(b->s->dtype), r);
    }
    return status;
}

/* ---- combining ---- */

static da_expr apply(da_op op, da_dtype dtype, da_expr x, da_expr y)
{
    if (dtype == DA_BOOL)
        return op == DA_OP_SUM || op == DA_OP_MAX ? (da_logical_or)(x, y) : (da_logical_and)(x, y);
    switch (op) {
    case DA_OP_PROD: return (da_multiply)(x, y);
    case DA_OP_MIN: return (da_minimum)(x, y);
    case DA_OP_MAX: return (da_maximum)(x, y);
    default: return (da_add)(x, y);
    }
}

/* ((a0 op a1) op a2) ..., in fused passes over a few arrays each. */
static da_status combine(da_array **out, const region *g)
{
    enum { TOGETHER = 8 };
    const spmd_request *first = spmd_request_of(g, 0);
    const da_dtype dtype = first->array->s->dtype;
    da_array *sum = NULL;
    da_status status = spmd_check_op(first->what->name, first->op, dtype);

    if (status == DA_OK && spmd_count(g) == 1)
        return da_copy(out, first->array);
    for (int r = 1; r < spmd_count(g) && status == DA_OK;) {
        da_expr e = da_x_array(sum ? sum : first->array);
        for (int k = 0; k < TOGETHER && r < spmd_count(g); k++, r++)
            e = apply(first->op, dtype, e, da_x_array(spmd_request_of(g, r)->array));
        status = sum ? (da_assign)(sum, e) : (da_eval)(&sum, e);
    }
    if (status == DA_OK)
        *out = sum;
    else
        da_array_release(&sum);
    return status;
}

/* A copy for each rank; `first` (may be null) becomes rank 0's. */
static da_status give_copies(const region *g, da_array *first, const da_array *source)
{
    const int n = spmd_count(g);
    da_array **copies = mem_zalloc((size_t)n * sizeof(da_array *));
    da_status status = copies ? DA_OK : err_memory((size_t)n * sizeof *copies, "the results of a collective");

    for (int r = first ? 1 : 0; r < n && status == DA_OK; r++)
        status = da_copy(&copies[r], source);
    if (copies)
        copies[0] = first ? first : copies[0];
    for (int r = 0; r < n && copies; r++) {
        if (status == DA_OK)
            *spmd_request_of(g, r)->array_out = copies[r];
        else
            da_array_release(&copies[r]);
    }
    if (!copies)
        da_array_release(&first);
    mem_free(copies);
    return status;
}

/* The array for root, null for the others. */
static void give_root(const region *g, da_array *a)
{
    for (int r = 0; r < spmd_count(g); r++)
        *spmd_request_of(g, r)->array_out = r == spmd_request_of(g, r)->root ? a : NULL;
}

static da_status act_allreduce(const region *g)
{
    da_array *sum = NULL;
    da_status status = check_arrays(g, true);

    if (status == DA_OK)
        status = combine(&sum, g);
    return status == DA_OK ? give_copies(g, sum, sum) : status;
}

static da_status act_reduce(const region *g)
{
    da_array *sum = NULL;
    da_status status = check_arrays(g, true);

    if (status == DA_OK)
        status = combine(&sum, g);
    if (status == DA_OK)
        give_root(g, sum);
    return status;
}

static da_status act_broadcast(const region *g)
{
    const da_status status = check_arrays(g, false);
    return status == DA_OK ? give_copies(g, NULL, spmd_request_of(g, spmd_request_of(g, 0)->root)->array)
                           : status;
}

static da_status act_gather(const region *g)
{
    const int n = spmd_count(g);
    const da_array **parts;
    da_array *all = NULL;
    da_status status = check_arrays(g, true);

    if (status != DA_OK)
        return status;
    parts = mem_alloc((size_t)n * sizeof *parts);
    if (!parts)
        return err_memory((size_t)n * sizeof *parts, "a gathered array");
    for (int r = 0; r < n; r++)
        parts[r] = spmd_request_of(g, r)->array;
    status = da_stack(&all, n, parts, 0);
    mem_free(parts);
    if (status == DA_OK)
        give_root(g, all);
    return status;
}

/* ---- the functions ---- */

da_status da_allreduce_array(da_rank *rank, da_array **out, const da_array *a, da_op op)
{
    static const spmd_collective what = {"da_allreduce_array", act_allreduce, false};
    const spmd_request request = {.what = &what, .array_out = out, .array = a, .op = op};
    return spmd_meet(rank, &request);
}

da_status da_reduce_array(da_rank *rank, da_array **out, const da_array *a, da_op op, int root)
{
    static const spmd_collective what = {"da_reduce_array", act_reduce, false};
    const spmd_request request = {.what = &what, .array_out = out, .array = a, .op = op, .root = root};
    return spmd_meet(rank, &request);
}

da_status da_broadcast_array(da_rank *rank, da_array **out, const da_array *a, int root)
{
    static const spmd_collective what = {"da_broadcast_array", act_broadcast, false};
    const spmd_request request = {.what = &what, .array_out = out, .array = a, .root = root};
    return spmd_meet(rank, &request);
}

da_status da_gather_array(da_rank *rank, da_array **out, const da_array *a, int root)
{
    static const spmd_collective what = {"da_gather_array", act_gather, false};
    const spmd_request request = {.what = &what, .array_out = out, .array = a, .root = root};
    return spmd_meet(rank, &request);
}
