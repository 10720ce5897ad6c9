/* SPDX-License-Identifier: BSD-3-Clause */
/* Condition numbers: from singular values, or norms of the matrix and of its inverse. */
#include "linalg/linalg.h"

#include <darray/expr.h>
#include <math.h>

static da_status check(const da_array *a, da_norm norm)
{
    static const char function[] = "da_cond";
    char text[SHAPE_TEXT];

    DA_TRY(check_matrix(a, false, function, "a"));
    if (norm < DA_NORM_FRO || norm > DA_NORM_NUC)
        return err_set(DA_ERROR_ARGUMENT, "%s: %d is no norm", function, (int)norm);
    if (norm != DA_NORM_2 && norm != DA_NORM_MINUS_2)
        DA_TRY(check_square(a, function, "a"));
    if (rows_of(a) == 0 || cols_of(a) == 0) {
        const da_shape shape = array_shape_of(a);

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s: nothing has no condition", function,
                       shape_text(&shape, text));
    }
    return DA_OK;
}

/* The inverses of matrices; infinities and NaNs where there are none, which is no fault here. */
static da_status build_inverse(operation *op, da_array **out, const da_array *a)
{
    da_array *x = NULL;

    DA_TRY(inverse_of(op, &x, a));
    return operation_result(op, out, x, 1, &a);
}

static da_status inverse(da_array **out, const da_array *a)
{
    operation op;

    operation_begin(&op);
    return operation_finish(&op, build_inverse(&op, out, a));
}

/* From the singular values, which come in descending order; those of the inverse are one over them. */
static da_status by_singular_values(operation *op, da_array **out, const da_array *a, da_norm norm)
{
    da_array *s = NULL, *first = NULL, *last = NULL, *own = NULL, *other = NULL;

    DA_TRY(operation_own(op, da_svdvals(&s, a), &s));
    DA_TRY(operation_own(op, DA_SLICE(&first, s, DA_ELLIPSIS, DA_AT(0)), &first));
    DA_TRY(operation_own(op, DA_SLICE(&last, s, DA_ELLIPSIS, DA_AT(-1)), &last));
    if (norm == DA_NORM_MINUS_2)
        return da_eval(out, da_divide(last, first));
    if (norm == DA_NORM_2)
        return da_eval(out, da_where(da_equal(last, 0), INFINITY, da_divide(first, last)));
    DA_TRY(operation_own(op, da_sum(&own, s, DA_AXES(-1), 0), &own));
    DA_TRY(operation_own(op, da_sum(&other, da_divide(1, s), DA_AXES(-1), 0), &other));
    return da_eval(out, da_where(da_equal(last, 0), INFINITY, da_multiply(own, other)));
}

/* A singular matrix has infinities or NaNs in every column of its inverse, which not every norm sees. */
static da_status product(operation *op, da_array **out, const da_array *a, da_norm norm)
{
    da_array *inverted = NULL, *own = NULL, *other = NULL, *largest = NULL;
    da_expr known;

    DA_TRY(operation_own(op, inverse(&inverted, a), &inverted));
    DA_TRY(operation_own(op, da_matrix_norm(&own, a, norm, 0), &own));
    DA_TRY(operation_own(op, da_matrix_norm(&largest, inverted, DA_NORM_1, 0), &largest));
    DA_TRY(operation_own(op, da_matrix_norm(&other, inverted, norm, 0), &other));
    known = da_logical_or(da_isfinite(largest), da_isnan(own));
    return da_eval(out, da_where(known, da_multiply(own, other), INFINITY));
}

static da_status build(operation *op, da_array **out, const da_array *a, da_norm norm)
{
    da_array *result = NULL;

    if (norm == DA_NORM_2 || norm == DA_NORM_MINUS_2 || norm == DA_NORM_NUC)
        DA_TRY(operation_own(op, by_singular_values(op, &result, a, norm), &result));
    else
        DA_TRY(operation_own(op, product(op, &result, a, norm), &result));
    return operation_made(op, out, result);
}

da_status da_cond(da_array **out, const da_array *a, da_norm norm)
{
    operation op;

    DA_TRY(array_check_out(out, "da_cond"));
    DA_TRY(check(a, norm));
    operation_begin(&op);
    return operation_finish(&op, build(&op, out, a, norm));
}
