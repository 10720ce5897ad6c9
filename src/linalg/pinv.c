/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What singular values tell: the pseudo-inverse, V diag(1/s) U^H without the smallest ones, and the rank. For Hermitian matrices by
 * eigenvalues, whose magnitudes are the singular values.
 */
#include "linalg/linalg.h"

#include <darray/expr.h>
#include <float.h>

static da_status check(const da_array *a, double rtol, unsigned flags, const char *function)
{
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER, function));
    if (flags)
        DA_TRY(check_square(a, function, "a"));
    if (rtol != rtol)
        return err_set(DA_ERROR_ARGUMENT, "%s: rtol is not a number", function);
    return DA_OK;
}

/* Whether each of the values counts: is larger in magnitude than rtol times the largest. */
static da_status those_that_count(operation *op, da_expr *out, const da_array *a, const da_array *values,
                                  double rtol)
{
    const double eps = da_dtype_size(values->s->dtype) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
    da_array *largest = NULL;

    if (rtol < 0)
        rtol = eps * (double)most(rows_of(a), cols_of(a));
    DA_TRY(operation_own(op, da_max(&largest, da_abs(values), DA_AXES(-1), DA_KEEPDIMS), &largest));
    *out = da_greater(da_abs(values), da_multiply(largest, rtol));
    return DA_OK;
}

/* ---- pinv ---- */

/* out = left diag(values)^-1 right^H over the values that count. */
static da_status inverted(operation *op, da_array **out, const da_array *a, const da_array *left,
                          const da_array *values, const da_array *right, double rtol)
{
    da_array *inverses = NULL, *row = NULL, *scaled = NULL, *turned = NULL, *conjugate = NULL;
    da_expr counts;

    DA_TRY(those_that_count(op, &counts, a, values, rtol));
    DA_TRY(operation_own(op, da_eval(&inverses, da_where(counts, da_divide(1, values), 0)), &inverses));
    DA_TRY(operation_own(op, da_expand_dims(&row, inverses, -2), &row));
    DA_TRY(operation_own(op, da_eval(&scaled, da_multiply(left, row)), &scaled));
    DA_TRY(operation_own(op, da_matrix_transpose(&turned, right), &turned));
    if (dtype_is_complex(a->s->dtype))
        DA_TRY(operation_own(op, da_eval(&conjugate, da_conj(turned)), &conjugate));
    return operation_own(op, da_matmul(out, scaled, conjugate ? conjugate : turned), out);
}

static da_status build_pinv(operation *op, da_array **out, const da_array *a, double rtol, unsigned flags)
{
    const da_shape shape = shape_with(a, cols_of(a), rows_of(a));
    da_array *u = NULL, *s = NULL, *vh = NULL, *turned = NULL, *v = NULL, *result = NULL;

    if (rows_of(a) == 0 || cols_of(a) == 0) {
        DA_TRY(operation_array(op, &result, a->s->dtype, &shape, NULL));
        return operation_result(op, out, result, 1, &a);
    }
    if (flags) {
        DA_TRY(da_eigh(&s, &v, a, flags));
        DA_TRY(operation_own(op, DA_OK, &s));
        DA_TRY(operation_own(op, DA_OK, &v));
        DA_TRY(inverted(op, &result, a, v, s, v, rtol));
    } else {
        DA_TRY(da_svd(&u, &s, &vh, a, 0));
        DA_TRY(operation_own(op, DA_OK, &u));
        DA_TRY(operation_own(op, DA_OK, &s));
        DA_TRY(operation_own(op, DA_OK, &vh));
        DA_TRY(operation_own(op, da_matrix_transpose(&turned, vh), &turned));
        DA_TRY(operation_own(op, da_eval(&v, da_conj(turned)), &v));
        DA_TRY(inverted(op, &result, a, v, s, u, rtol));
    }
    return operation_made(op, out, result);
}

da_status da_pinv(da_array **out, const da_array *a, double rtol, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(out, "da_pinv"));
    DA_TRY(check(a, rtol, flags, "da_pinv"));
    operation_begin(&op);
    return operation_finish(&op, build_pinv(&op, out, a, rtol, flags));
}

/* ---- matrix_rank ---- */

static da_status build_rank(operation *op, da_array **out, const da_array *a, double rtol, unsigned flags)
{
    da_array *values = NULL, *result = NULL;
    da_expr counts;

    DA_TRY(operation_own(op, flags ? da_eigvalsh(&values, a, flags) : da_svdvals(&values, a), &values));
    if (values->shape[values->ndim - 1] > 0)
        DA_TRY(those_that_count(op, &counts, a, values, rtol));
    else
        counts = da_not_equal(values, 0);
    DA_TRY(operation_own(op, da_sum(&result, counts, DA_AXES(-1), 0), &result));
    return operation_made(op, out, result);
}

da_status da_matrix_rank(da_array **out, const da_array *a, double rtol, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(out, "da_matrix_rank"));
    DA_TRY(check(a, rtol, flags, "da_matrix_rank"));
    operation_begin(&op);
    return operation_finish(&op, build_rank(&op, out, a, rtol, flags));
}
