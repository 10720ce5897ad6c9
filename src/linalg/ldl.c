/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bunch-Kaufman: a = L D L^H or L D L^T with blocks of 1 x 1 and 2 x 2 in D, by LAPACK in one task a matrix: which columns a panel takes, and
 * how many, depends on values, so there is no cutting it into tasks beforehand. Matrices of a batch, and right-hand sides, go side by side.
 */
#include "linalg/linalg.h"

#include <inttypes.h>

#define SINGULAR "ldl_solve: the matrix is singular: block %" PRId64 " of %" PRId64 " of D is zero or NaN"

enum { LDL_FLAGS = DA_LOWER | DA_UPPER | DA_TRANSPOSE };

static da_ldl_args args_of(unsigned flags)
{
    return (da_ldl_args){.uplo = flags & DA_UPPER ? DA_UPPER : DA_LOWER,
                         .symmetric = (flags & DA_TRANSPOSE) != 0};
}

static da_status build(operation *op, da_array **ldl, da_array **pivots, const da_array *a, unsigned flags)
{
    const int64_t n = rows_of(a);
    const da_ldl_args args = args_of(flags);
    const span all = {0, n};
    da_array *w = NULL, *rows = NULL;
    da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    tile_with(tile, &shape, n, n);
    DA_TRY(operation_array(op, &w, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, w, a, args.uplo, true, most(n, 1), most(n, 1)));
    shape.ndim--;
    DA_TRY(operation_array(op, &rows, DA_PIVOT_DTYPE, &shape, tile));
    EACH_LEAD (at, w) {
        task_begin(&t, &da_codelet_sytrf);
        access_block(&t, w, &at, all, all, DA_MODE_READ_WRITE);
        access_vector(&t, rows, &at, all, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    DA_TRY(operation_result(op, ldl, w, 1, &a));
    return operation_result(op, pivots, rows, 1, &a);
}

da_status da_ldl(da_array **ldl, da_array **pivots, const da_array *a, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(ldl, "da_ldl"));
    DA_TRY(array_check_out(pivots, "da_ldl"));
    if (ldl == pivots)
        return err_set(DA_ERROR_ARGUMENT, "da_ldl: ldl and pivots are the same pointer");
    DA_TRY(check_matrix(a, false, "da_ldl", "a"));
    DA_TRY(check_square(a, "da_ldl", "a"));
    DA_TRY(check_flags(flags, LDL_FLAGS, "da_ldl"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, ldl, pivots, a, flags));
}

/* A copy of the user's pivots, which is not made of wrong ones, and nothing after it runs. */
static da_status checked_pivots(operation *op, da_array **copy, const da_array *pivots, const da_array *ldl,
                                const da_ldl_args *args)
{
    const span all = {0, rows_of(ldl)};
    da_shape shape = array_shape_of(ldl);
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    tile_with(tile, &shape, all.n, all.n);
    shape.ndim--;
    DA_TRY(operation_array(op, copy, DA_PIVOT_DTYPE, &shape, tile));
    EACH_LEAD (at, ldl) {
        task_begin(&t, &da_codelet_ldl_pivots);
        access_vector(&t, pivots, &at, all, DA_MODE_READ);
        access_vector(&t, *copy, &at, all, DA_MODE_WRITE);
        task_value(&t, args, sizeof *args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

static da_status build_solve(operation *op, da_array **out, const da_array *ldl, const da_array *pivots,
                             const da_array *b, unsigned flags)
{
    const da_array *const inputs[] = {ldl, pivots, b}, *source, *factors, *rows = pivots;
    const span all = {0, rows_of(ldl)};
    da_ldl_args args = args_of(flags);
    da_array *matrix = NULL, *x = NULL, *copy = NULL, *checked = NULL, *result = NULL;
    da_shape shape, pivots_shape;
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&shape, ldl, matrix, "da_ldl_solve"));
    DA_TRY(broadcast_lead(op, &source, matrix, &shape));
    rhs_tile(tile, source, false);
    tile[source->ndim - 2] = most(rows_of(source), 1);
    DA_TRY(operation_copy(op, &x, source, tile));
    factors = ldl;
    if (!is_column_major(ldl)) {
        DA_TRY(operation_copy(op, &copy, ldl, NULL));
        factors = copy;
    }
    DA_TRY(broadcast_lead(op, &factors, factors, &shape));
    args.given = all.n == 0 || !triangular_for_devices(x, all.n);
    if (!args.given) {
        DA_TRY(checked_pivots(op, &checked, pivots, ldl, &args));
        rows = checked;
    }
    pivots_shape = shape;
    pivots_shape.dim[pivots_shape.ndim++] = rows_of(x);
    if (shape.ndim > 0) {
        da_array *each = NULL;

        DA_TRY(operation_own(op, da_broadcast_to(&each, rows, pivots_shape), &each));
        rows = each;
    }
    DA_TRY(operation_fault(op, SINGULAR, rows_of(x)));
    EACH_LEAD (at, x) {
        EACH_SPAN (p, 0, cols_of(x), tile[x->ndim - 1]) {
            task_begin(&t, &da_codelet_sytrs);
            access_block(&t, factors, &at, all, all, DA_MODE_READ);
            access_vector(&t, rows, &at, all, DA_MODE_READ);
            access_block(&t, x, &at, all, p, DA_MODE_READ_WRITE);
            task_value(&t, &args, sizeof args);
            task_fault(&t, op->fault, 0);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    DA_TRY(as_vector(op, &result, x, b->ndim == 1, false));
    return operation_result(op, out, result, 3, inputs);
}

da_status da_ldl_solve(da_array **x, const da_array *ldl, const da_array *pivots, const da_array *b,
                       unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(x, "da_ldl_solve"));
    DA_TRY(check_system(ldl, "ldl", b, "da_ldl_solve"));
    DA_TRY(check_pivots(pivots, ldl, "ldl", "da_ldl_solve"));
    DA_TRY(check_flags(flags, LDL_FLAGS, "da_ldl_solve"));
    operation_begin(&op);
    return operation_finish(&op, build_solve(&op, x, ldl, pivots, b, flags));
}
