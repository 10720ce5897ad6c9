/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QR with column exchanges, a P = Q R with |r(i, i)| falling, and least squares of any rank by it.
 *
 * Half of LAPACK's geqp3 is matrix times vector, and every column must know all others: it is one task. A matrix with more rows
 * than columns is first made a triangle by plain QR, whose columns have the same lengths and angles (Chan 1982, for the SVD).
 *
 * Least squares of any rank: only the first `rank` rows of R count. The number is known when tasks run, not when they are made; so
 * the others are set to zero, and what follows is done with all rows: R = L Q2 has zeros in the same rows, where the diagonal of L
 * becomes one and the right-hand sides zero.
 */
#include "linalg/qr.h"

#include <math.h>

typedef struct pivoted_qr {
    bool reduced; /* inner is of outer's R, otherwise there is no outer */
    qr outer, inner;
    da_array *pivots; /* (..., n) */
} pivoted_qr;

/* ---- the factorisation ---- */

/* A new array like `a` without its last two axes but with one of `n` elements, of one tile along it. */
static da_status new_vectors(operation *op, da_array **out, const da_array *a, int64_t n)
{
    da_shape shape = shape_with(a, 1, n);
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &shape, 1, n);
    shape.ndim--;
    shape.dim[shape.ndim - 1] = n;
    tile[shape.ndim - 1] = most(n, 1);
    return operation_array(op, out, DA_PIVOT_DTYPE, &shape, tile);
}

static da_status factor_in_one(operation *op, qr *f, da_array **pivots, const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM], mb;
    da_shape t_shape;
    task_builder t;

    *f = (qr){.m = rows_of(a), .n = cols_of(a), .rank = least(rows_of(a), cols_of(a))};
    if (!tile_forced(&shape, &mb, &f->nb))
        f->nb = least(most(f->rank, 1), 128);
    f->ib = f->nb;
    f->mb = round_up(most(f->m, 1), f->nb);
    tile_with(tile, &shape, f->mb, f->nb);
    DA_TRY(operation_array(op, &f->v, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, f->v, a, 0, false, f->mb, f->nb));
    t_shape = shape_with(a, f->ib, f->rank);
    tile_with(tile, &t_shape, f->ib, f->nb);
    DA_TRY(operation_array(op, &f->t, a->s->dtype, &t_shape, tile));
    DA_TRY(new_vectors(op, pivots, a, f->n));
    EACH_LEAD (at, f->v) {
        task_begin(&t, &da_codelet_geqp3);
        access_block(&t, f->v, &at, (span){0, f->m}, (span){0, f->n}, DA_MODE_READ_WRITE);
        access_block(&t, f->t, &at, (span){0, f->ib}, (span){0, f->rank}, DA_MODE_WRITE);
        access_vector(&t, *pivots, &at, (span){0, f->n}, DA_MODE_WRITE);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

static da_status factor(operation *op, pivoted_qr *f, const da_array *a)
{
    const int64_t m = rows_of(a), n = cols_of(a);
    const da_shape shape = array_shape_of(a);
    int64_t mb, nb;
    da_array *r = NULL;

    f->reduced = n > 0 && 4 * m >= 5 * n && (m * n >= 128 * 128 || tile_forced(&shape, &mb, &nb));
    if (!f->reduced)
        return factor_in_one(op, &f->inner, &f->pivots, a);
    DA_TRY(qr_factor(op, &f->outer, a));
    DA_TRY(qr_form_r(op, &r, &f->outer, n));
    return factor_in_one(op, &f->inner, &f->pivots, r);
}

/* The first min(m, n) columns of Q. */
static da_status form_q(operation *op, da_array **out, const pivoted_qr *f)
{
    da_array *inner = NULL, *top = NULL, *rest = NULL;
    int64_t tile[DA_MAX_NDIM];
    da_shape shape;

    if (!f->reduced)
        return qr_form_q(op, out, &f->inner, f->inner.rank);
    DA_TRY(qr_form_q(op, &inner, &f->inner, f->inner.n));
    shape = shape_with(inner, f->outer.m, f->outer.n);
    tile_with(tile, &shape, f->outer.mb, f->outer.nb);
    DA_TRY(operation_array(op, out, inner->s->dtype, &shape, tile));
    DA_TRY(qr_part(op, &top, *out, false, 0, f->outer.n));
    DA_TRY(qr_part(op, &rest, *out, false, f->outer.n, f->outer.m - f->outer.n));
    DA_TRY(array_copy_tasks(&op->batch, top, inner));
    DA_TRY(array_fill_tasks(&op->batch, rest, DA_NUMBER(0)));
    return qr_apply_tasks(op, &f->outer, *out, 0);
}

static da_status build(operation *op, da_array **q, da_array **r, da_array **pivots, const da_array *a)
{
    da_array *formed = NULL;
    pivoted_qr f;

    DA_TRY(factor(op, &f, a));
    if (r) {
        DA_TRY(qr_form_r(op, &formed, &f.inner, f.inner.rank));
        DA_TRY(operation_result(op, r, formed, 1, &a));
    }
    if (q) {
        DA_TRY(form_q(op, &formed, &f));
        DA_TRY(operation_result(op, q, formed, 1, &a));
    }
    return operation_result(op, pivots, f.pivots, 1, &a);
}

da_status da_qr_pivoted(da_array **q, da_array **r, da_array **pivots, const da_array *a)
{
    operation op;

    DA_TRY(array_check_out(pivots, "da_qr_pivoted"));
    if (q == pivots || r == pivots || (q && q == r))
        return err_set(DA_ERROR_ARGUMENT, "da_qr_pivoted: two of q, r and pivots are the same pointer");
    DA_TRY(check_matrix(a, false, "da_qr_pivoted", "a"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, q, r, pivots, a));
}

/* ---- least squares ---- */

/* Sets rows of `a` from the rank on to zero, or to those of the identity. */
static da_status truncate_rows(operation *op, const da_array *rank, const da_array *a, bool unit)
{
    const da_truncate_args args = {.unit = unit};
    const int64_t step = unit ? most(cols_of(a), 1) : tile_step(a, a->ndim - 1);
    task_builder t;

    EACH_LEAD (at, a) {
        EACH_SPAN (j, 0, cols_of(a), step) {
            task_begin(&t, &da_codelet_truncate);
            access_vector(&t, rank, &at, (span){0, 1}, DA_MODE_READ);
            access_block(&t, a, &at, (span){0, rows_of(a)}, j, DA_MODE_READ_WRITE);
            task_value(&t, &args, sizeof args);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

static da_status find_rank(operation *op, const da_array *rank, const da_array *r, double rcond)
{
    const da_numerical_rank_args args = {.rcond = rcond};
    task_builder t;

    EACH_LEAD (at, r) {
        task_begin(&t, &da_codelet_numerical_rank);
        access_block(&t, r, &at, (span){0, rows_of(r)}, (span){0, cols_of(r)}, DA_MODE_READ);
        access_vector(&t, rank, &at, (span){0, 1}, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* Column j of `from` becomes column pivots[j] of *out. */
static da_status place_columns(operation *op, da_array **out, const da_array *pivots, const da_array *from)
{
    const da_shape shape = array_shape_of(from);
    const int64_t step = tile_step(from, from->ndim - 2);
    const span columns = {0, cols_of(from)};
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    tile_with(tile, &shape, step, columns.n);
    DA_TRY(operation_array(op, out, from->s->dtype, &shape, tile));
    EACH_LEAD (at, from) {
        EACH_SPAN (i, 0, rows_of(from), step) {
            task_begin(&t, &da_codelet_place_columns);
            access_vector(&t, pivots, &at, columns, DA_MODE_READ);
            access_block(&t, from, &at, i, columns, DA_MODE_READ);
            access_block(&t, *out, &at, i, columns, DA_MODE_WRITE);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

/* `vectors` with the leading axes `lead`. */
static da_status vectors_for(operation *op, da_array **out, const da_array *vectors, const da_shape *lead)
{
    da_shape all = *lead;

    all.dim[all.ndim++] = vectors->shape[vectors->ndim - 1];
    return operation_own(op, da_broadcast_to(out, vectors, all), out);
}

/* (Q^H b), of which only the rows below the rank are kept: k of them and zeros. */
static da_status right_sides(operation *op, da_array **out, const pivoted_qr *f, const da_array *b,
                             const da_array *rank, const da_shape *lead)
{
    const qr *const first = f->reduced ? &f->outer : &f->inner;
    const da_shape shape = array_shape_of(b);
    int64_t tile[DA_MAX_NDIM];
    da_array *c = NULL, *top = NULL, *ranks = NULL;
    qr all = *first;

    qr_tile(tile, first, &shape, false);
    DA_TRY(operation_copy(op, &c, b, tile));
    if (lead->ndim > 0)
        DA_TRY(qr_broadcast(op, &all, first, lead));
    DA_TRY(qr_apply_tasks(op, &all, c, DA_CONJ_TRANSPOSE));
    if (f->reduced) {
        all = f->inner;
        if (lead->ndim > 0)
            DA_TRY(qr_broadcast(op, &all, &f->inner, lead));
        DA_TRY(qr_part(op, &top, c, false, 0, f->inner.m));
        DA_TRY(qr_apply_tasks(op, &all, top, DA_CONJ_TRANSPOSE));
    }
    DA_TRY(qr_part(op, out, c, false, 0, f->inner.rank));
    DA_TRY(vectors_for(op, &ranks, rank, lead));
    return truncate_rows(op, ranks, *out, false);
}

/* *x = (pinv(a) b)^T */
static da_status solve(operation *op, da_array **x, const da_array *rank, const da_array *a,
                       const da_array *b, const da_shape *lead, double rcond)
{
    const da_array *triangle;
    da_array *r = NULL, *turned = NULL, *l = NULL, *c = NULL, *y = NULL, *pivots = NULL;
    pivoted_qr f;
    qr g, all;

    DA_TRY(factor(op, &f, a));
    DA_TRY(qr_form_r(op, &r, &f.inner, f.inner.rank));
    DA_TRY(find_rank(op, rank, r, rcond));
    DA_TRY(truncate_rows(op, rank, r, false));
    DA_TRY(qr_oriented(op, &turned, r, true));
    DA_TRY(qr_factor(op, &g, turned));
    DA_TRY(qr_form_r(op, &l, &g, g.n)); /* transposed */
    DA_TRY(truncate_rows(op, rank, l, true));

    DA_TRY(right_sides(op, &c, &f, b, rank, lead));
    DA_TRY(broadcast_lead(op, &triangle, l, lead));
    all = g;
    if (lead->ndim > 0)
        DA_TRY(qr_broadcast(op, &all, &g, lead));
    DA_TRY(qr_from_row_space(op, &y, &all, triangle, c));
    DA_TRY(vectors_for(op, &pivots, f.pivots, lead));
    return place_columns(op, x, pivots, y);
}

static da_status build_lstsq(operation *op, da_array **out, da_array **rank_out, const da_array *a,
                             const da_array *b, double rcond)
{
    const da_array *const inputs[] = {a, b}, *source;
    da_array *matrix = NULL, *rank = NULL, *x = NULL, *column = NULL, *result = NULL;
    da_shape lead, shape;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&lead, a, matrix, "da_lstsq_rank"));
    DA_TRY(broadcast_lead(op, &source, matrix, &lead));
    DA_TRY(new_vectors(op, &rank, a, 1));
    if (least(rows_of(a), cols_of(a)) == 0) {
        shape = shape_with(source, cols_of(source), cols_of(a));
        DA_TRY(operation_array(op, &x, a->s->dtype, &shape, NULL));
        DA_TRY(array_fill_tasks(&op->batch, x, DA_NUMBER(0)));
        DA_TRY(array_fill_tasks(&op->batch, rank, DA_NUMBER(0)));
    } else {
        DA_TRY(solve(op, &x, rank, a, source, &lead, rcond));
    }
    DA_TRY(qr_oriented(op, &column, x, true));
    DA_TRY(as_vector(op, &result, column, b->ndim == 1, false));
    DA_TRY(operation_result(op, out, result, 2, inputs));
    if (!rank_out)
        return DA_OK;
    DA_TRY(as_vector(op, &result, rank, true, false));
    return operation_result(op, rank_out, result, 1, &a);
}

da_status da_lstsq_rank(da_array **x, da_array **rank, const da_array *a, const da_array *b, double rcond)
{
    const char *const function = "da_lstsq_rank";
    operation op;

    DA_TRY(array_check_out(x, function));
    if (x == rank)
        return err_set(DA_ERROR_ARGUMENT, "%s: x and rank are the same pointer", function);
    DA_TRY(lstsq_check(a, b, function));
    if (isnan(rcond))
        return err_set(DA_ERROR_ARGUMENT, "%s: rcond is NaN", function);
    if (rcond < 0)
        rcond = -(double)most(rows_of(a), cols_of(a)); /* so many eps */
    operation_begin(&op);
    return operation_finish(&op, build_lstsq(&op, x, rank, a, b, rcond));
}
