/* SPDX-License-Identifier: BSD-3-Clause */
/* Inverses, determinants and condition numbers, by pivoted LU. */
#include "linalg/linalg.h"

#include <darray/expr.h>
#include <inttypes.h>

#define SINGULAR "inv: the matrix is singular: pivot %" PRId64 " of %" PRId64 " is zero"

/* ---- inv: n right-hand sides, the columns of the identity matrix ---- */

da_status inverse_of(operation *op, da_array **out, const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    da_array *lu = NULL, *pivots = NULL, *x;
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    DA_TRY(lu_factor(op, &lu, &pivots, a));
    rhs_tile(tile, lu, false);
    if (triangular_for_devices(lu, rows_of(a))) /* exchanges of rows see one tile */
        tile[shape.ndim - 2] = most(rows_of(a), 1);
    DA_TRY(operation_array(op, out, a->s->dtype, &shape, tile));
    x = *out;
    EACH_LEAD (at, x) {
        EACH_SPAN (j, 0, cols_of(x), tile[shape.ndim - 1]) {
            EACH_SPAN (i, 0, rows_of(x), tile[shape.ndim - 2]) {
                const da_laset_args args = {.offset = i.at - j.at};

                task_begin(&t, &da_codelet_laset);
                access_block(&t, x, &at, i, j, DA_MODE_WRITE);
                task_value(&t, &args, sizeof args);
                DA_TRY(task_add(&t, &op->batch));
            }
        }
    }
    return lu_solve_tasks(op, lu, pivots, false, x, 0);
}

static da_status build_inverse(operation *op, da_array **out, const da_array *a)
{
    da_array *x = NULL;

    DA_TRY(operation_fault(op, SINGULAR, rows_of(a)));
    DA_TRY(inverse_of(op, &x, a));
    return operation_result(op, out, x, 1, &a);
}

da_status da_inv(da_array **out, const da_array *a)
{
    operation op;

    DA_TRY(array_check_out(out, "da_inv"));
    DA_TRY(check_matrix(a, false, "da_inv", "a"));
    DA_TRY(check_square(a, "da_inv", "a"));
    operation_begin(&op);
    return operation_finish(&op, build_inverse(&op, out, a));
}

/* ---- determinants ---- */

/* (..., 1, 1) with the determinants, or (..., 1, 2): the sign and the logarithm */
static da_status build_det(operation *op, da_array **out, const da_array *a, bool logarithm)
{
    const int64_t n = rows_of(a), columns = logarithm ? 2 : 1;
    const da_det_args args = {.logarithm = logarithm};
    const span all = {0, n};
    da_array *lu = NULL, *pivots = NULL, *values = NULL;
    task_builder t;

    DA_TRY(lu_factor(op, &lu, &pivots, a));
    DA_TRY(row_each(op, &values, a, columns));
    EACH_LEAD (at, lu) {
        task_begin(&t, &da_codelet_lu_det);
        access_block(&t, lu, &at, all, all, DA_MODE_READ);
        access_vector(&t, pivots, &at, all, DA_MODE_READ);
        access_block(&t, values, &at, (span){0, 1}, (span){0, columns}, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return operation_result(op, out, values, 1, &a);
}

static da_status check(const da_array *a, const char *function)
{
    DA_TRY(check_matrix(a, false, function, "a"));
    return check_square(a, function, "a");
}

/* Column `at` of (..., 1, n), as a view without the last two axes. */
static da_status column_of(da_array **out, const da_array *values, int64_t at)
{
    int64_t start[DA_MAX_NDIM] = {0};
    da_shape shape = shape_with(values, 1, 1);
    DA_AUTO da_array *column = NULL;

    start[shape.ndim - 1] = at;
    DA_TRY(array_view(&column, values));
    array_box(column, start, shape.dim);
    return da_squeeze(out, column, DA_AXES(-2, -1));
}

da_status da_det(da_array **out, const da_array *a)
{
    DA_AUTO da_array *values = NULL;
    operation op;

    DA_TRY(array_check_out(out, "da_det"));
    DA_TRY(check(a, "da_det"));
    operation_begin(&op);
    DA_TRY(operation_finish(&op, build_det(&op, &values, a, false)));
    return column_of(out, values, 0);
}

da_status da_slogdet(da_array **sign, da_array **logabsdet, const da_array *a)
{
    DA_AUTO da_array *values = NULL, *first = NULL, *second = NULL, *copy = NULL;
    operation op;

    DA_TRY(array_check_out(sign, "da_slogdet"));
    DA_TRY(array_check_out(logabsdet, "da_slogdet"));
    if (sign == logabsdet)
        return err_set(DA_ERROR_ARGUMENT, "da_slogdet: sign and logabsdet are the same pointer");
    DA_TRY(check(a, "da_slogdet"));
    operation_begin(&op);
    DA_TRY(operation_finish(&op, build_det(&op, &values, a, true)));
    DA_TRY(column_of(&first, values, 0));
    DA_TRY(column_of(&second, values, 1));
    DA_TRY(da_copy(&copy, first));
    DA_TRY(da_eval(logabsdet, da_real(second)));
    *sign = copy; /* whatever stood there */
    copy = NULL;
    return DA_OK;
}

/* ---- rcond ---- */

static da_status add_norm(operation *op, const da_array *a, const da_array *norms, const lead *at, span cols,
                          int64_t index, unsigned uplo)
{
    const da_norm1_args args = {.uplo = uplo};
    task_builder t;

    task_begin(&t, &da_codelet_norm1);
    access_block(&t, a, at, (span){0, rows_of(a)}, cols, DA_MODE_READ);
    access_block(&t, norms, at, (span){0, 1}, (span){index, 1}, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    return task_add(&t, &op->batch);
}

/* The norms of what is in w, before it is factored: of panels of nb columns, or from one triangle of the whole. */
static da_status norm_tasks(operation *op, da_array **norms, const da_array *w, int64_t nb, unsigned uplo)
{
    const int64_t n = cols_of(w);

    DA_TRY(row_each(op, norms, w, uplo ? 1 : (n + nb - 1) / nb));
    EACH_LEAD (at, w) {
        if (uplo)
            DA_TRY(add_norm(op, w, *norms, &at, (span){0, n}, 0, uplo));
        else
            EACH_SPAN (k, 0, n, nb)
                DA_TRY(add_norm(op, w, *norms, &at, k, k.at / nb, 0));
    }
    return DA_OK;
}

static da_status build_rcond(operation *op, da_array **out, const da_array *a, unsigned flags)
{
    const da_norm1_args args = {.uplo = flags ? DA_LOWER : 0};
    const span all = {0, rows_of(a)};
    da_array *w = NULL, *pivots = NULL, *view = NULL, *norms = NULL, *values = NULL;
    int64_t mb, nb;
    task_builder t;

    if (flags) {
        /* the transpose of a Hermitian matrix has the same condition */
        DA_TRY(operation_own(op, flags & DA_UPPER ? da_matrix_transpose(&view, a) : array_view(&view, a),
                             &view));
        DA_TRY(cholesky_begin(op, &w, view, &mb, &nb));
        DA_TRY(norm_tasks(op, &norms, w, nb, DA_LOWER));
        DA_TRY(cholesky_tasks(op, w, mb, nb));
    } else {
        DA_TRY(lu_begin(op, &w, &pivots, a, &mb, &nb));
        DA_TRY(norm_tasks(op, &norms, w, nb, 0));
        DA_TRY(lu_tasks(op, w, pivots, mb, nb));
    }
    DA_TRY(row_each(op, &values, a, 1));
    EACH_LEAD (at, w) {
        task_begin(&t, &da_codelet_rcond);
        access_block(&t, w, &at, all, all, DA_MODE_READ);
        access_block(&t, norms, &at, (span){0, 1}, (span){0, cols_of(norms)}, DA_MODE_READ);
        access_block(&t, values, &at, (span){0, 1}, (span){0, 1}, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return operation_result(op, out, values, 1, &a);
}

da_status da_rcond(da_array **out, const da_array *a, unsigned flags)
{
    DA_AUTO da_array *values = NULL, *view = NULL;
    operation op;

    DA_TRY(array_check_out(out, "da_rcond"));
    DA_TRY(check(a, "da_rcond"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER, "da_rcond"));
    operation_begin(&op);
    DA_TRY(operation_finish(&op, build_rcond(&op, &values, a, flags)));
    DA_TRY(column_of(&view, values, 0));
    return da_eval(out, da_real(view));
}
