/* SPDX-License-Identifier: BSD-3-Clause */
/* Norms of matrices: reductions over the two last axes (that of all elements is da_vector_norm()). */
#include "linalg/linalg.h"

#include <darray/expr.h>

/* Norms that are the largest or the least of one value for each column or row; those by singular values need both. */
static bool chooses_columns(da_norm norm)
{
    return norm == DA_NORM_1 || norm == DA_NORM_MINUS_1 || norm == DA_NORM_2 || norm == DA_NORM_MINUS_2;
}
static bool chooses_rows(da_norm norm)
{
    return norm == DA_NORM_INF || norm == DA_NORM_MINUS_INF || norm == DA_NORM_2 || norm == DA_NORM_MINUS_2;
}

static da_status check(const da_array *a, da_norm norm, unsigned flags)
{
    static const char function[] = "da_matrix_norm";
    char text[SHAPE_TEXT];
    da_shape shape;

    DA_TRY(array_check(a, function, "a"));
    shape = array_shape_of(a);
    if (norm < DA_NORM_FRO || norm > DA_NORM_NUC)
        return err_set(DA_ERROR_ARGUMENT, "%s: %d is no norm", function, (int)norm);
    DA_TRY(check_flags(flags, DA_KEEPDIMS, function));
    if (a->ndim < 2)
        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s; it must be a matrix", function,
                       shape_text(&shape, text));
    if (!da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: a is %s, which is for storage; da_astype() it to compute with it",
                       function, da_dtype_name(a->s->dtype));
    if ((chooses_columns(norm) && cols_of(a) == 0) || (chooses_rows(norm) && rows_of(a) == 0))
        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s: no %s to choose from", function,
                       shape_text(&shape, text),
                       chooses_columns(norm) && cols_of(a) == 0 ? "columns" : "rows");
    return DA_OK;
}

/* The largest or least of the sums of absolute values along an axis. */
static da_status extreme_sum(operation *op, da_array **out, const da_array *a, int axis, bool largest,
                             unsigned flags)
{
    const da_axes other = flags & DA_KEEPDIMS && axis == -1 ? DA_AXES(-2) : DA_AXES(-1);
    da_array *sums = NULL;

    DA_TRY(operation_own(op, da_vector_norm(&sums, a, DA_AXES(axis), 1, flags), &sums));
    return (largest ? (da_max) : (da_min))(out, DA_X(sums), other, flags);
}

/* The largest, the least or the sum of the singular values. */
static da_status of_singular_values(operation *op, da_array **out, const da_array *a, da_norm norm,
                                    unsigned flags)
{
    da_array *floating = NULL, *values = NULL, *reduced = NULL;

    if (!da_kernels_take(a->s->dtype)) {
        DA_TRY(operation_own(op, da_eval(&floating, da_multiply(a, 1.0)), &floating));
        a = floating;
    }
    DA_TRY(operation_own(op, da_svdvals(&values, a), &values));
    const da_expr e = DA_X(values);
    if (!(flags & DA_KEEPDIMS))
        return (norm == DA_NORM_NUC ? (da_sum)
                : norm == DA_NORM_2 ? (da_max)
                                    : (da_min))(out, e, DA_AXES(-1), 0);
    DA_TRY(operation_own(op,
                         (norm == DA_NORM_NUC ? (da_sum)
                          : norm == DA_NORM_2 ? (da_max)
                                              : (da_min))(&reduced, e, DA_AXES(-1), DA_KEEPDIMS),
                         &reduced));
    return da_expand_dims(out, reduced, -1);
}

static da_status norm_of(operation *op, da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    switch (norm) {
    case DA_NORM_1: return extreme_sum(op, out, a, -2, true, flags);
    case DA_NORM_MINUS_1: return extreme_sum(op, out, a, -2, false, flags);
    case DA_NORM_INF: return extreme_sum(op, out, a, -1, true, flags);
    case DA_NORM_MINUS_INF: return extreme_sum(op, out, a, -1, false, flags);
    case DA_NORM_2:
    case DA_NORM_MINUS_2:
    case DA_NORM_NUC: return of_singular_values(op, out, a, norm, flags);
    case DA_NORM_FRO: break;
    }
    return da_vector_norm(out, a, DA_AXES(-2, -1), 2, flags);
}

static da_status build(operation *op, da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    da_array *result = NULL;

    DA_TRY(operation_own(op, norm_of(op, &result, a, norm, flags), &result));
    return operation_made(op, out, result);
}

da_status da_matrix_norm(da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(out, "da_matrix_norm"));
    DA_TRY(check(a, norm, flags));
    operation_begin(&op);
    return operation_finish(&op, build(&op, out, a, norm, flags));
}
