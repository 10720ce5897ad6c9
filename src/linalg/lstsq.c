/* SPDX-License-Identifier: BSD-3-Clause */
/* Least squares by QR: R x = Q^H b. */
#include "linalg/qr.h"

#include <inttypes.h>

#define DEPENDENT "lstsq: column %" PRId64 " of %" PRId64 " depends on those before it"

static da_status build(operation *op, da_array **out, const da_array *a, const da_array *b)
{
    const da_array *const inputs[] = {a, b}, *source, *triangle;
    da_array *matrix = NULL, *c = NULL, *top = NULL, *r = NULL, *x = NULL, *result = NULL;
    int64_t tile[DA_MAX_NDIM], start[DA_MAX_NDIM] = {0};
    da_shape lead, shape;
    qr f, all;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&lead, a, matrix, "da_lstsq"));
    DA_TRY(broadcast_lead(op, &source, matrix, &lead));

    DA_TRY(qr_factor(op, &f, a));
    DA_TRY(qr_form_r(op, &r, &f, f.n));
    all = f;
    if (lead.ndim > 0)
        DA_TRY(qr_broadcast(op, &all, &f, &lead));
    shape = array_shape_of(source);
    qr_tile(tile, &f, &shape, false);
    DA_TRY(operation_copy(op, &c, source, tile));
    DA_TRY(qr_apply_tasks(op, &all, c, DA_CONJ_TRANSPOSE));

    shape = shape_with(c, f.n, cols_of(c));
    DA_TRY(operation_own(op, array_view(&top, c), &top));
    array_box(top, start, shape.dim);
    rhs_tile(tile, top, false);
    DA_TRY(operation_copy(op, &x, top, tile));
    DA_TRY(broadcast_lead(op, &triangle, r, &lead));
    DA_TRY(operation_fault(op, DEPENDENT, f.n));
    DA_TRY(solve_triangular_tasks(op, triangle, x, DA_UPPER));
    DA_TRY(as_vector(op, &result, x, b->ndim == 1, false));
    return operation_result(op, out, result, 2, inputs);
}

da_status da_lstsq(da_array **x, const da_array *a, const da_array *b)
{
    const char *const function = "da_lstsq";
    operation op;

    DA_TRY(array_check_out(x, function));
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_same_dtype(a, "a", b, "b", function));
    if (rows_of(a) < cols_of(a) || rows_of(a) != (b->ndim > 1 ? rows_of(b) : b->shape[0])) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);
        char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s and b has shape %s; %s", function,
                       shape_text(&as, a_text), shape_text(&bs, b_text),
                       rows_of(a) < cols_of(a) ? "a must not have fewer rows than columns"
                                               : "b must have as many rows as a");
    }
    operation_begin(&op);
    return operation_finish(&op, build(&op, x, a, b));
}
