/* SPDX-License-Identifier: BSD-3-Clause */
/* Least squares: R x = Q^H b, or where there are fewer equations than unknowns x = Q^H L^-1 b, the shortest of all solutions. */
#include "linalg/qr.h"

#include <inttypes.h>

/* The top n x n block of R, of which others than its upper triangle may be anything, with the leading axes `lead`. */
static da_status triangle_of(operation *op, const da_array **out, const qr *f, const da_shape *lead)
{
    int64_t start[DA_MAX_NDIM] = {0};
    da_array *r = NULL;

    if (f->triangles) {
        DA_TRY(qr_form_r(op, &r, f, f->n));
    } else {
        const da_shape shape = shape_with(f->v, f->n, f->n);

        DA_TRY(operation_own(op, array_view(&r, f->v), &r));
        array_box(r, start, shape.dim);
    }
    return broadcast_lead(op, out, r, lead);
}

/* x becomes R^-1 (Q^H b), of which the top n rows matter. */
static da_status solve_tall(operation *op, da_array **x, const qr *f, const da_array *triangle,
                            const da_array *b)
{
    const da_shape shape = array_shape_of(b);
    int64_t tile[DA_MAX_NDIM];
    da_array *c = NULL, *top = NULL;

    qr_tile(tile, f, &shape, false);
    DA_TRY(operation_copy(op, &c, b, tile));
    DA_TRY(qr_apply_tasks(op, f, c, DA_CONJ_TRANSPOSE));
    DA_TRY(qr_part(op, &top, c, false, 0, f->n));
    rhs_tile(tile, top, false);
    DA_TRY(operation_copy(op, x, top, tile));
    return solve_triangular_tasks(op, triangle, *x, DA_UPPER);
}

da_status qr_from_row_space(operation *op, da_array **x, const qr *f, const da_array *triangle,
                            const da_array *b)
{
    const da_shape shape = shape_with(b, cols_of(b), f->m);
    int64_t tile[DA_MAX_NDIM];
    da_array *row = NULL, *y = NULL, *rest = NULL;

    qr_tile(tile, f, &shape, true);
    DA_TRY(operation_array(op, x, b->s->dtype, &shape, tile));
    DA_TRY(qr_oriented(op, &row, b, true));
    DA_TRY(qr_part(op, &y, *x, true, 0, f->n));
    DA_TRY(qr_part(op, &rest, *x, true, f->n, f->m - f->n));
    DA_TRY(array_copy_tasks(&op->batch, y, row));
    DA_TRY(array_fill_tasks(&op->batch, rest, DA_NUMBER(0)));
    DA_TRY(solve_triangular_tasks(op, triangle, y, DA_UPPER | DA_RIGHT));
    return qr_apply_tasks(op, f, *x, DA_RIGHT | DA_CONJ_TRANSPOSE);
}

da_status qr_solve(operation *op, da_array **out, const qr *f, bool wide, const da_array *b,
                   const char *function)
{
    const da_array *source, *triangle;
    da_array *matrix = NULL, *x = NULL, *oriented = NULL;
    da_shape lead;
    qr all = *f;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&lead, f->v, matrix, function));
    DA_TRY(broadcast_lead(op, &source, matrix, &lead));
    DA_TRY(triangle_of(op, &triangle, f, &lead));
    if (lead.ndim > 0)
        DA_TRY(qr_broadcast(op, &all, f, &lead));
    DA_TRY((wide ? qr_from_row_space : solve_tall)(op, &x, &all, triangle, source));
    DA_TRY(qr_oriented(op, &oriented, x, wide));
    return as_vector(op, out, oriented, b->ndim == 1, false);
}

static da_status build(operation *op, da_array **out, const da_array *a, const da_array *b)
{
    const da_array *const inputs[] = {a, b};
    const bool wide = rows_of(a) < cols_of(a);
    da_array *matrix = NULL, *result = NULL;
    qr f;

    DA_TRY(qr_oriented(op, &matrix, a, wide));
    DA_TRY(qr_factor(op, &f, matrix));
    DA_TRY(wide ? operation_fault(op, "lstsq" DEPENDENT_ROWS, f.n)
                : operation_fault(op, "lstsq" DEPENDENT_COLUMNS, f.n));
    DA_TRY(qr_solve(op, &result, &f, wide, b, "da_lstsq"));
    return operation_result(op, out, result, 2, inputs);
}

da_status lstsq_check(const da_array *a, const da_array *b, const char *function)
{
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_same_dtype(a, "a", b, "b", function));
    if (rows_of(a) != (b->ndim > 1 ? rows_of(b) : b->shape[0])) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);
        char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s and b has shape %s; b must have as many rows as a",
                       function, shape_text(&as, a_text), shape_text(&bs, b_text));
    }
    return DA_OK;
}

da_status da_lstsq(da_array **x, const da_array *a, const da_array *b)
{
    operation op;

    DA_TRY(array_check_out(x, "da_lstsq"));
    DA_TRY(lstsq_check(a, b, "da_lstsq"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, x, a, b));
}
