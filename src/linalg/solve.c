/* SPDX-License-Identifier: BSD-3-Clause */
/* General linear systems by pivoted LU, from a matrix or from its factors. */
#include "linalg/linalg.h"

#include <inttypes.h>

#define SINGULAR "solve: the matrix is singular: pivot %" PRId64 " of %" PRId64 " is zero"

da_status check_system(const da_array *a, const char *name, const da_array *b, const char *function)
{
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

    DA_TRY(check_matrix(a, false, function, name));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_square(a, function, name));
    DA_TRY(check_same_dtype(a, name, b, "b", function));
    if (rows_of(a) != (b->ndim > 1 ? rows_of(b) : b->shape[0])) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);

        return err_set(DA_ERROR_SHAPE, "%s: %s has shape %s and b has shape %s; b must have as many rows",
                       function, name, shape_text(&as, a_text), shape_text(&bs, b_text));
    }
    return DA_OK;
}

/* Solves with the factors: x becomes a copy of b, then the solution. `given`: the factors are the user's. */
static da_status solve_with(operation *op, da_array **out, const da_array *lu, const da_array *pivots,
                            bool given, const da_array *b, unsigned trans, int ninputs,
                            const da_array *const *inputs, const char *function)
{
    const da_array *source, *factors, *rows;
    da_array *matrix = NULL, *x = NULL, *view = NULL, *result = NULL;
    da_shape shape, pivots_shape;
    int64_t tile[DA_MAX_NDIM];
    unsigned turned;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&shape, lu, matrix, function));
    DA_TRY(broadcast_lead(op, &source, matrix, &shape));
    rhs_tile(tile, source, false);
    if (triangular_for_devices(source, rows_of(lu))) /* exchanges of rows see one tile */
        tile[source->ndim - 2] = most(rows_of(source), 1);
    DA_TRY(operation_copy(op, &x, source, tile));

    DA_TRY(column_major(op, &factors, &turned, lu, NULL));
    if (turned) { /* row-major factors of a user's */
        DA_TRY(operation_copy(op, &view, lu, NULL));
        factors = view;
    }
    DA_TRY(broadcast_lead(op, &factors, factors, &shape));
    pivots_shape = shape;
    pivots_shape.dim[pivots_shape.ndim++] = rows_of(x);
    rows = pivots;
    if (pivots && (pivots->ndim != pivots_shape.ndim || shape.ndim > 0)) {
        da_array *all = NULL;

        DA_TRY(operation_own(op, da_broadcast_to(&all, pivots, pivots_shape), &all));
        rows = all;
    }
    DA_TRY(operation_fault(op, SINGULAR, rows_of(x)));
    DA_TRY(lu_solve_tasks(op, factors, rows, given, x, trans));
    DA_TRY(as_vector(op, &result, x, b->ndim == 1, false));
    return operation_result(op, out, result, ninputs, inputs);
}

da_status check_pivots(const da_array *pivots, const da_array *factors, const char *name,
                       const char *function)
{
    DA_TRY(array_check(pivots, function, "pivots"));
    if (pivots->s->dtype != DA_PIVOT_DTYPE)
        return err_set(DA_ERROR_DTYPE, "%s: pivots is %s; it must be %s", function,
                       da_dtype_name(pivots->s->dtype), da_dtype_name(DA_PIVOT_DTYPE));
    if (pivots->ndim != factors->ndim - 1 || pivots->shape[pivots->ndim - 1] != rows_of(factors)) {
        const da_shape ps = array_shape_of(pivots), fs = array_shape_of(factors);
        char p_text[SHAPE_TEXT], f_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE,
                       "%s: %s has shape %s and pivots has shape %s; they are not of one factorisation",
                       function, name, shape_text(&fs, f_text), shape_text(&ps, p_text));
    }
    return DA_OK;
}

da_status da_lu_solve(da_array **x, const da_array *lu, const da_array *pivots, const da_array *b,
                      unsigned flags)
{
    const da_array *const inputs[] = {lu, b, pivots};
    operation op;

    DA_TRY(array_check_out(x, "da_lu_solve"));
    DA_TRY(check_system(lu, "lu", b, "da_lu_solve"));
    if (pivots)
        DA_TRY(check_pivots(pivots, lu, "lu", "da_lu_solve"));
    DA_TRY(check_flags(flags, DA_TRANSPOSE | DA_CONJ_TRANSPOSE, "da_lu_solve"));
    operation_begin(&op);
    return operation_finish(
        &op, solve_with(&op, x, lu, pivots, true, b, flags, pivots ? 3 : 2, inputs, "da_lu_solve"));
}

static da_status build(operation *op, da_array **x, const da_array *a, const da_array *b)
{
    const da_array *const inputs[] = {a, b};
    da_array *lu = NULL, *pivots = NULL;

    DA_TRY(lu_factor(op, &lu, &pivots, a));
    return solve_with(op, x, lu, pivots, false, b, 0, 2, inputs, "da_solve");
}

da_status da_solve(da_array **x, const da_array *a, const da_array *b)
{
    operation op;

    DA_TRY(array_check_out(x, "da_solve"));
    DA_TRY(check_system(a, "a", b, "da_solve"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, x, a, b));
}
