/* SPDX-License-Identifier: BSD-3-Clause */
/* Norms of matrices: reductions over the two last axes (that of all elements is da_vector_norm()). */
#include "linalg/linalg.h"

#include <darray/expr.h>

static da_status check(const da_array *a, da_norm norm, unsigned flags)
{
    static const char function[] = "da_matrix_norm";
    char text[SHAPE_TEXT];
    da_shape shape;

    DA_TRY(array_check(a, function, "a"));
    shape = array_shape_of(a);
    if (norm < DA_NORM_FRO || norm > DA_NORM_MINUS_INF)
        return err_set(DA_ERROR_ARGUMENT, "%s: %d is no norm", function, (int)norm);
    if (flags & ~(unsigned)DA_KEEPDIMS)
        return err_set(DA_ERROR_ARGUMENT, "%s: flags 0x%x; only DA_KEEPDIMS is known here", function, flags);
    if (a->ndim < 2)
        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s; it must be a matrix", function,
                       shape_text(&shape, text));
    if (!da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: a is %s, which is for storage; da_astype() it to compute with it",
                       function, da_dtype_name(a->s->dtype));
    if ((norm == DA_NORM_1 || norm == DA_NORM_MINUS_1 ? cols_of(a)
         : norm == DA_NORM_FRO                        ? 1
                                                      : rows_of(a)) == 0)
        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s: no %s to choose from", function,
                       shape_text(&shape, text),
                       norm == DA_NORM_1 || norm == DA_NORM_MINUS_1 ? "columns" : "rows");
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

static da_status norm_of(operation *op, da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    switch (norm) {
    case DA_NORM_1: return extreme_sum(op, out, a, -2, true, flags);
    case DA_NORM_MINUS_1: return extreme_sum(op, out, a, -2, false, flags);
    case DA_NORM_INF: return extreme_sum(op, out, a, -1, true, flags);
    case DA_NORM_MINUS_INF: return extreme_sum(op, out, a, -1, false, flags);
    case DA_NORM_FRO: break;
    }
    return da_vector_norm(out, a, DA_AXES(-2, -1), 2, flags);
}

static da_status build(operation *op, da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    da_array *result = NULL;

    DA_TRY(operation_own(op, norm_of(op, &result, a, norm, flags), &result));
    return operation_result(op, out, result, 1, &a);
}

da_status da_matrix_norm(da_array **out, const da_array *a, da_norm norm, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(out, "da_matrix_norm"));
    DA_TRY(check(a, norm, flags));
    operation_begin(&op);
    return operation_finish(&op, build(&op, out, a, norm, flags));
}
