/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Singular values: LAPACK's divide and conquer, a task a matrix. A wide matrix is taken as its transpose, a^T = U S V^H, so that
 * a = conj(V) S U^T: the factors are the other's transposes, which are views.
 */
#include "linalg/linalg.h"

#include <inttypes.h>

#define NOT_FINITE "svd: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "svd: the iteration did not converge (LAPACK's info is %" PRId64 ", n is %" PRId64 ")"

enum { COPIED = 256 }; /* columns of a task that copies */

/* What is to be computed of a matrix that is not wide; u and vh are null if they are not wanted. */
typedef struct factors {
    const da_array *a;
    bool turned; /* a is the user's transpose */
    bool complete;
    da_array *u, *s, *vh;
} factors;

static da_status new_factors(operation *op, factors *f, bool vectors)
{
    const int64_t m = rows_of(f->a), n = cols_of(f->a);
    const da_shape shape = array_shape_of(f->a), u_shape = shape_with(f->a, m, f->complete ? m : n),
                   vh_shape = shape_with(f->a, n, n);
    const double flops = 4 * (double)m * (double)n * (double)n;
    int64_t tile[DA_MAX_NDIM];

    f->u = f->vh = NULL;
    DA_TRY(operation_vectors(op, &f->s, dtype_real(f->a->s->dtype), &shape, n));
    if (!vectors)
        return DA_OK;
    tile_of_whole(tile, &u_shape, flops);
    DA_TRY(operation_array(op, &f->u, f->a->s->dtype, &u_shape, tile));
    tile_of_whole(tile, &vh_shape, flops);
    return operation_array(op, &f->vh, f->a->s->dtype, &vh_shape, tile);
}

/* All at once by LAPACK. */
static da_status svd_tasks(operation *op, const factors *f)
{
    const int64_t m = rows_of(f->a), n = cols_of(f->a);
    const da_gesdd_args args = {.rows = f->turned};
    const da_shape shape = array_shape_of(f->a);
    const span rows = {0, m}, columns = {0, n};
    int64_t tile[DA_MAX_NDIM];
    da_array *x = NULL;
    task_builder t;

    tile_of_whole(tile, &shape, 4 * (double)m * (double)n * (double)n);
    DA_TRY(operation_array(op, &x, f->a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, f->a, 0, false, most(m, 1), COPIED));
    EACH_LEAD (at, x) {
        task_begin(&t, f->u ? &da_codelet_gesdd : &da_codelet_gesdd_values);
        access_block(&t, x, &at, rows, columns, DA_MODE_READ_WRITE);
        access_vector(&t, f->s, &at, columns, DA_MODE_WRITE);
        if (f->u) {
            access_block(&t, f->u, &at, rows, (span){0, cols_of(f->u)}, DA_MODE_WRITE);
            access_block(&t, f->vh, &at, columns, columns, DA_MODE_WRITE);
        }
        task_value(&t, &args, sizeof args);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* The complete U of a matrix without columns. */
static da_status identity_tasks(operation *op, const da_array *u)
{
    const da_laset_args args = {0};
    const span all = {0, cols_of(u)};
    task_builder t;

    if (all.n == 0)
        return DA_OK;
    EACH_LEAD (at, u) {
        task_begin(&t, &da_codelet_laset);
        access_block(&t, u, &at, all, all, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* `factor` or its transpose as a result. */
static da_status give(operation *op, da_array **out, da_array *factor, bool turned, const da_array *a)
{
    da_array *view = factor;

    if (!out)
        return DA_OK;
    if (turned)
        DA_TRY(operation_own(op, da_matrix_transpose(&view, factor), &view));
    return operation_result(op, out, view, 1, &a);
}

static da_status build(operation *op, da_array **u, da_array **s, da_array **vh, const da_array *a,
                       unsigned flags)
{
    factors f = {a, rows_of(a) < cols_of(a), (flags & DA_COMPLETE) != 0, NULL, NULL, NULL};
    da_array *turned = NULL;

    if (f.turned) {
        DA_TRY(operation_own(op, da_matrix_transpose(&turned, a), &turned));
        f.a = turned;
    }
    DA_TRY(new_factors(op, &f, u || vh));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, cols_of(a)));
    if (cols_of(f.a) > 0)
        DA_TRY(svd_tasks(op, &f));
    else if (f.u)
        DA_TRY(identity_tasks(op, f.u));
    DA_TRY(give(op, s, f.s, false, a));
    DA_TRY(give(op, u, f.turned ? f.vh : f.u, f.turned, a));
    return give(op, vh, f.turned ? f.u : f.vh, f.turned, a);
}

static da_status svd(da_array **u, da_array **s, da_array **vh, const da_array *a, unsigned flags,
                     const char *function)
{
    operation op;

    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_flags(flags, DA_COMPLETE, function));
    operation_begin(&op);
    return operation_finish(&op, build(&op, u, s, vh, a, flags));
}

da_status da_svd(da_array **u, da_array **s, da_array **vh, const da_array *a, unsigned flags)
{
    if (!u && !s && !vh)
        return err_set(DA_ERROR_ARGUMENT, "da_svd: neither u nor s nor vh is wanted");
    if ((u && (u == s || u == vh)) || (s && s == vh))
        return err_set(DA_ERROR_ARGUMENT, "da_svd: two of u, s and vh are the same pointer");
    return svd(u, s, vh, a, flags, "da_svd");
}

da_status da_svdvals(da_array **s, const da_array *a)
{
    DA_TRY(array_check_out(s, "da_svdvals"));
    return svd(NULL, s, NULL, a, 0, "da_svdvals");
}
