/* SPDX-License-Identifier: BSD-3-Clause */
/* QR factorisation, its factors applied and formed. See qr.h. */
#include "linalg/qr.h"
#include "linalg/tiles.h"

#include <string.h>

enum { PRIORITY_PANEL = 1000, PRIORITY_NEXT = 900, PRIORITY_UPDATE = 500, DEVICE_PANEL = 512 };

/* ---- the tiling ---- */

/*
 * How many blocks a panel should be cut into. One after the other, panels take time like m nb / blocks for each of their columns, and
 * updates like m n / workers; more blocks are more work. The factors are list scheduling's with measured kernel times, for n up to 8192.
 */
static int64_t panel_blocks(const qr *f)
{
    const int64_t workers = rt_workers_for_shaping(), factor = rt_few_workers() ? 4 : 8;

    return workers == 1 ? 1 : most(least(factor * f->nb * workers / most(f->n, 1), workers), 1);
}

static da_status run(da_array *const *inputs)
{
    da_qr_factors *factors = NULL;
    const da_status status = da_qr_factor(&factors, inputs[0]);

    da_qr_factors_release(&factors);
    return status;
}

const tile_operation tile_qr = {.name = "qr", .ninputs = 1, .multiple = 1, .run = run};

/* `rated`: perhaps what the models say is faster than the rule's. */
static void choose_tile(qr *f, const da_shape *shape, da_dtype dtype, bool rated)
{
    const int64_t workers = rt_workers_for_shaping();

    f->m = shape->dim[shape->ndim - 2];
    f->n = shape->dim[shape->ndim - 1];
    f->rank = least(f->m, f->n);
    const double flops = 2 * (double)f->m * (double)f->n * (double)f->rank;
    const bool forced = tile_forced(shape, &f->mb, &f->nb);
    if (forced) {
        f->mb = round_up(f->mb, f->nb);
    } else if (f->m <= 16 * f->n && tasks_for_devices(&da_codelet_gemqrt, dtype, flops)) {
        f->nb = DEVICE_PANEL;
        f->mb = round_up(most(f->m, 1), f->nb);
    } else {
        const bool tall = f->m > 16 * f->n;

        f->nb = f->rank <= 128                       ? most(f->rank, 1)
                : f->rank <= 640 && !tall            ? 64
                : f->rank > 3072 && rt_few_workers() ? 192
                                                     : 128;
        if (tall) /* blocks that stay in the cache, for all workers */
            f->mb = round_up(most(least(f->m / (4 * workers), 8000), 2000), f->nb);
        else
            f->mb = round_up(most((f->m + panel_blocks(f) - 1) / panel_blocks(f), 4 * f->nb), f->nb);
    }
    if (rated && !forced && shape->ndim == 2)
        tile_rated(&tile_qr, dtype, (tile_size){f->m, f->n, 0}, flops, &f->mb, &f->nb);
    /* the tree's kernels work best on few reflectors at a time, and so do panels where there is little else; updates on all at once */
    f->tree_ib = least(f->nb <= 64 ? 16 : 32, f->nb);
    f->ib = f->mb < f->m && f->m > 16 * f->n ? f->tree_ib : f->nb;
}

static int64_t blocks_of(const qr *f)
{
    return most((f->m + f->mb - 1) / f->mb, 1);
}

/* Rows of block `block` from row `from` on. */
static span block_rows(const qr *f, int64_t block, int64_t from)
{
    const int64_t at = most(block * f->mb, from);

    return (span){at, least((block + 1) * f->mb, f->m) - at};
}

/* The rows that block `block` has in t and tree_t; in triangles, of which it uses `used`. */
static span t_rows(const qr *f, int64_t block)
{
    return (span){block * f->ib, f->ib};
}
static span tree_t_rows(const qr *f, int64_t block)
{
    return (span){block * f->tree_ib, f->tree_ib};
}
static span triangle_rows(const qr *f, int64_t block, int64_t used)
{
    return (span){block * f->nb, used};
}

/* v, to be a copy of a. */
static da_status new_copy(operation *op, qr *f, const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &shape, f->mb, f->nb);
    DA_TRY(operation_array(op, &f->v, a->s->dtype, &shape, tile));
    return copy_triangle(op, f->v, a, 0, false, f->mb, f->nb);
}

/* What v has beside it. */
static da_status new_arrays(operation *op, qr *f)
{
    const da_dtype dtype = f->v->s->dtype;
    const da_shape t_shape = shape_with(f->v, blocks_of(f) * f->ib, f->rank);
    const da_shape tree_t_shape = shape_with(f->v, blocks_of(f) * f->tree_ib, f->rank);
    const da_shape triangles_shape = shape_with(f->v, blocks_of(f) * f->nb, f->rank);
    int64_t tile[DA_MAX_NDIM];

    f->triangles = f->tree_t = NULL;
    tile_with(tile, &t_shape, f->ib, f->nb);
    DA_TRY(operation_array(op, &f->t, dtype, &t_shape, tile));
    if (blocks_of(f) == 1)
        return DA_OK;
    tile_with(tile, &tree_t_shape, f->tree_ib, f->nb);
    DA_TRY(operation_array(op, &f->tree_t, dtype, &tree_t_shape, tile));
    tile_with(tile, &triangles_shape, f->nb, f->nb);
    return operation_array(op, &f->triangles, dtype, &triangles_shape, tile);
}

/* ---- the factorisation ---- */

/* The tree that merges blocks first .. last of a panel: each loop body merges block `lower` into `upper`. */
#define EACH_MERGE(upper, lower, first, last)                                                                \
    for (int64_t step_ = 1; (first) + step_ <= (last); step_ *= 2)                                           \
        for (int64_t upper = (first), lower = (first) + step_; lower <= (last);                              \
             upper += 2 * step_, lower += 2 * step_)

/* The next panel's columns first, then what is left of earlier panels: with the columns next to the panel first, those far on the
 * right would be left for the end, one update after the other. */
static int update_priority(const qr *f, span k, span j)
{
    return j.at == k.at + k.n ? PRIORITY_NEXT : PRIORITY_UPDATE - (int)least(k.at / f->nb, PRIORITY_UPDATE);
}

/* One block of panel k, and what its reflectors do to the columns on the right. */
static da_status factor_block(operation *op, const qr *f, const lead *at, span k, int64_t block)
{
    const da_unmqr_args args = {.flags = DA_CONJ_TRANSPOSE};
    const da_lacpy_args upper = {.uplo = DA_UPPER, .clear = 1};
    const span rows = block_rows(f, block, k.at);
    const span reflectors = {k.at, least(rows.n, k.n)};
    task_builder t;

    task_begin(&t, &da_codelet_geqrt);
    access_block(&t, f->v, at, rows, k, DA_MODE_READ_WRITE);
    access_block(&t, f->t, at, t_rows(f, block), reflectors, DA_MODE_WRITE);
    task_priority(&t, PRIORITY_PANEL);
    DA_TRY(task_add(&t, &op->batch));
    if (f->triangles) {
        task_begin(&t, &da_codelet_lacpy);
        access_block(&t, f->v, at, (span){rows.at, reflectors.n}, k, DA_MODE_READ);
        access_block(&t, f->triangles, at, triangle_rows(f, block, reflectors.n), k, DA_MODE_WRITE);
        task_value(&t, &upper, sizeof upper);
        task_priority(&t, PRIORITY_PANEL);
        DA_TRY(task_add(&t, &op->batch));
    }
    EACH_SPAN (j, k.at + k.n, f->n, f->nb) {
        task_begin(&t, &da_codelet_gemqrt);
        access_block(&t, f->v, at, rows, k, DA_MODE_READ);
        access_block(&t, f->t, at, t_rows(f, block), reflectors, DA_MODE_READ);
        access_block(&t, f->v, at, rows, j, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        task_priority(&t, update_priority(f, k, j));
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* Merges the triangle of block `lower` into that of block `upper`, and what this does to the columns on the right. */
static da_status merge_blocks(operation *op, const qr *f, const lead *at, span k, int64_t upper,
                              int64_t lower)
{
    const da_unmqr_args args = {.flags = DA_CONJ_TRANSPOSE};
    const span top = {block_rows(f, upper, k.at).at, k.n}, rows = block_rows(f, lower, k.at);
    const span bottom = {rows.at, least(rows.n, k.n)};
    task_builder t;

    task_begin(&t, &da_codelet_tpqrt);
    access_block(&t, f->triangles, at, triangle_rows(f, upper, top.n), k, DA_MODE_READ_WRITE);
    access_block(&t, f->triangles, at, triangle_rows(f, lower, bottom.n), k, DA_MODE_READ_WRITE);
    access_block(&t, f->tree_t, at, tree_t_rows(f, lower), k, DA_MODE_WRITE);
    task_priority(&t, PRIORITY_PANEL);
    DA_TRY(task_add(&t, &op->batch));
    EACH_SPAN (j, k.at + k.n, f->n, f->nb) {
        task_begin(&t, &da_codelet_tpmqrt);
        access_block(&t, f->triangles, at, triangle_rows(f, lower, bottom.n), k, DA_MODE_READ);
        access_block(&t, f->tree_t, at, tree_t_rows(f, lower), k, DA_MODE_READ);
        access_block(&t, f->v, at, top, j, DA_MODE_READ_WRITE);
        access_block(&t, f->v, at, bottom, j, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        task_priority(&t, update_priority(f, k, j));
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* v holds the matrix and becomes its factors. */
static da_status factor_v(operation *op, qr *f)
{
    DA_TRY(new_arrays(op, f));
    EACH_LEAD (at, f->v) {
        EACH_SPAN (k, 0, f->rank, f->nb) {
            const int64_t first = k.at / f->mb, last = blocks_of(f) - 1;

            for (int64_t block = first; block <= last; block++)
                DA_TRY(factor_block(op, f, &at, k, block));
            EACH_MERGE (upper, lower, first, last)
                DA_TRY(merge_blocks(op, f, &at, k, upper, lower));
        }
    }
    return DA_OK;
}

da_status qr_factor(operation *op, qr *f, const da_array *a)
{
    const da_shape shape = array_shape_of(a);

    choose_tile(f, &shape, a->s->dtype, true);
    DA_TRY(new_copy(op, f, a));
    return factor_v(op, f);
}

da_status qr_factor_in_place(operation *op, qr *f, da_array *a)
{
    const da_shape shape = array_shape_of(a);

    if (!is_column_major(a))
        return qr_factor(op, f, a);
    choose_tile(f, &shape, a->s->dtype, false); /* by the array's own tiles */
    DA_TRY(operation_own(op, array_view(&f->v, a), &f->v));
    return factor_v(op, f);
}

da_status qr_broadcast(operation *op, qr *out, const qr *f, const da_shape *shape)
{
    da_array **const arrays[] = {&out->v, &out->t, &out->triangles, &out->tree_t};

    *out = *f;
    for (int i = 0; i < 4; i++)
        if (*arrays[i]) {
            da_shape all = *shape;
            da_array *view = NULL;

            all.dim[all.ndim++] = rows_of(*arrays[i]);
            all.dim[all.ndim++] = cols_of(*arrays[i]);
            DA_TRY(operation_own(op, da_broadcast_to(&view, *arrays[i], all), &view));
            *arrays[i] = view;
        }
    return DA_OK;
}

/* ---- Q applied ---- */

void qr_tile(int64_t *tile, const qr *f, const da_shape *c, bool right)
{
    const int64_t across = c->dim[right ? c->ndim - 2 : c->ndim - 1], share = 4 * rt_workers_for_shaping();
    const int64_t width = least(most(round_up((across + share - 1) / share, 8), 64), 512);
    int64_t mb, nb;

    if (!tile_forced(c, &mb, &nb))
        mb = nb = tasks_for_devices(&da_codelet_gemqrt, f->v->s->dtype,
                                    4 * (double)f->m * (double)f->rank * (double)across)
                      ? device_step(across)
                      : width;
    tile_with(tile, c, right ? mb : f->mb, right ? f->mb : nb);
}

/* What the reflectors of panel k do to the columns p of c, or with DA_RIGHT to its rows p: those of the blocks, ... */
static da_status apply_blocks(operation *op, const qr *f, const lead *at, span k, da_array *c, span p,
                              unsigned flags)
{
    const da_unmqr_args args = {.flags = flags};
    const bool right = (flags & DA_RIGHT) != 0;
    task_builder t;

    for (int64_t block = k.at / f->mb; block < blocks_of(f); block++) {
        const span rows = block_rows(f, block, k.at);
        const span reflectors = {k.at, least(rows.n, k.n)};

        task_begin(&t, &da_codelet_gemqrt);
        access_block(&t, f->v, at, rows, k, DA_MODE_READ);
        access_block(&t, f->t, at, t_rows(f, block), reflectors, DA_MODE_READ);
        access_block(&t, c, at, right ? p : rows, right ? rows : p, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* ... and that of one merge of the tree. */
static da_status apply_merge(operation *op, const qr *f, const lead *at, span k, int64_t upper, int64_t lower,
                             da_array *c, span p, unsigned flags)
{
    const da_unmqr_args args = {.flags = flags};
    const bool right = (flags & DA_RIGHT) != 0;
    const span top = {block_rows(f, upper, k.at).at, k.n}, rows = block_rows(f, lower, k.at);
    const span bottom = {rows.at, least(rows.n, k.n)};
    task_builder t;

    task_begin(&t, &da_codelet_tpmqrt);
    access_block(&t, f->triangles, at, triangle_rows(f, lower, bottom.n), k, DA_MODE_READ);
    access_block(&t, f->tree_t, at, tree_t_rows(f, lower), k, DA_MODE_READ);
    access_block(&t, c, at, right ? p : top, right ? top : p, DA_MODE_READ_WRITE);
    access_block(&t, c, at, right ? p : bottom, right ? bottom : p, DA_MODE_READ_WRITE);
    task_value(&t, &args, sizeof args);
    return task_add(&t, &op->batch);
}

/* The reflectors of panel k, in the order of the factorisation or the other way round. */
static da_status apply_panel(operation *op, const qr *f, const lead *at, span k, da_array *c, span p,
                             unsigned flags, bool forwards)
{
    const int64_t first = k.at / f->mb, last = blocks_of(f) - 1;
    int64_t step = 1;

    if (forwards) {
        DA_TRY(apply_blocks(op, f, at, k, c, p, flags));
        EACH_MERGE (upper, lower, first, last)
            DA_TRY(apply_merge(op, f, at, k, upper, lower, c, p, flags));
        return DA_OK;
    }
    while (first + 2 * step <= last)
        step *= 2;
    for (; step > 0; step /= 2)
        for (int64_t upper = first; upper + step <= last; upper += 2 * step)
            DA_TRY(apply_merge(op, f, at, k, upper, upper + step, c, p, flags));
    return apply_blocks(op, f, at, k, c, p, flags);
}

/* As qr_apply_tasks(); with `only_right_of` panel k is not applied to columns before its own, which it would not change. */
static da_status apply(operation *op, const qr *f, da_array *c, unsigned flags, bool only_right_of)
{
    const bool right = (flags & DA_RIGHT) != 0, transposed = (flags & DA_CONJ_TRANSPOSE) != 0;
    const bool forwards = right != transposed;
    const int64_t across = right ? rows_of(c) : cols_of(c);
    const int64_t width = tile_step(c, right ? c->ndim - 2 : c->ndim - 1);
    const int64_t panels = (f->rank + f->nb - 1) / f->nb;

    EACH_LEAD (at, c) {
        for (int64_t i = 0; i < panels; i++) {
            const span k = span_from((forwards ? i : panels - 1 - i) * f->nb, f->rank, f->nb);

            EACH_SPAN (p, only_right_of ? k.at : 0, across, width)
                DA_TRY(apply_panel(op, f, &at, k, c, p, flags, forwards));
        }
    }
    return DA_OK;
}

da_status qr_apply_tasks(operation *op, const qr *f, da_array *c, unsigned flags)
{
    return apply(op, f, c, flags, false);
}

/* ---- R and Q formed ---- */

da_status qr_form_r(operation *op, da_array **out, const qr *f, int64_t rows)
{
    const da_shape shape = shape_with(f->v, rows, f->n);
    const da_lacpy_args upper = {.uplo = DA_UPPER};
    int64_t tile[DA_MAX_NDIM], start[DA_MAX_NDIM] = {0};
    da_array *top = NULL;
    task_builder t;

    tile_with(tile, &shape, f->mb, f->nb);
    DA_TRY(operation_array(op, out, f->v->s->dtype, &shape, tile));
    DA_TRY(operation_own(op, array_view(&top, f->v), &top));
    array_box(top, start, shape.dim);
    DA_TRY(copy_triangle(op, *out, top, DA_UPPER, true, f->mb, f->nb));
    if (!f->triangles)
        return DA_OK;
    EACH_LEAD (at, f->v) { /* the tree changed the diagonal blocks elsewhere */
        EACH_SPAN (k, 0, f->rank, f->nb) {
            task_begin(&t, &da_codelet_lacpy);
            access_block(&t, f->triangles, &at, triangle_rows(f, k.at / f->mb, k.n), k, DA_MODE_READ);
            access_block(&t, *out, &at, k, k, DA_MODE_READ_WRITE);
            task_value(&t, &upper, sizeof upper);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

da_status qr_form_q(operation *op, da_array **out, const qr *f, int64_t cols)
{
    const da_shape shape = shape_with(f->v, f->m, cols);
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    tile_with(tile, &shape, f->mb, f->nb);
    DA_TRY(operation_array(op, out, f->v->s->dtype, &shape, tile));
    EACH_LEAD (at, *out) {
        EACH_SPAN (j, 0, cols, f->nb) {
            EACH_SPAN (i, 0, f->m, f->mb) {
                const da_laset_args args = {.offset = i.at - j.at};

                task_begin(&t, &da_codelet_laset);
                access_block(&t, *out, &at, i, j, DA_MODE_WRITE);
                task_value(&t, &args, sizeof args);
                DA_TRY(task_add(&t, &op->batch));
            }
        }
    }
    return apply(op, f, *out, 0, true);
}

/* ---- da_qr, da_lq ---- */

da_status qr_oriented(operation *op, da_array **out, const da_array *a, bool transposed)
{
    return operation_own(op, transposed ? da_matrix_transpose(out, a) : array_view(out, a), out);
}

da_status qr_part(operation *op, da_array **out, const da_array *a, bool columns, int64_t at, int64_t n)
{
    const int axis = columns ? a->ndim - 1 : a->ndim - 2;
    int64_t start[DA_MAX_NDIM] = {0};
    da_shape shape = array_shape_of(a);

    start[axis] = at;
    shape.dim[axis] = n;
    DA_TRY(operation_own(op, array_view(out, a), out));
    array_box(*out, start, shape.dim);
    return DA_OK;
}

/* One task for many small matrices: a call of LAPACK for each step of each of them takes far longer than its arithmetic. */
static da_status build_small(operation *op, da_array **q, da_array **r, const da_array *a, int64_t columns,
                             bool form_q)
{
    const da_shape q_shape = shape_with(a, rows_of(a), columns), r_shape = shape_with(a, columns, cols_of(a));
    const da_small_qr_args args = {.form_q = form_q};
    const span all = {0, rows_of(a)}, top = {0, columns}, across = {0, cols_of(a)};
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    tile_with(tile, &q_shape, all.n, columns);
    DA_TRY(operation_array(op, q, a->s->dtype, &q_shape, tile));
    tile_with(tile, &r_shape, columns, across.n);
    DA_TRY(operation_array(op, r, a->s->dtype, &r_shape, tile));
    EACH_LEAD (at, a) {
        task_begin(&t, &da_codelet_small_qr);
        access_block(&t, a, &at, all, across, DA_MODE_READ);
        access_block(&t, *q, &at, all, top, DA_MODE_WRITE);
        access_block(&t, *r, &at, top, across, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

static bool is_small(const da_array *a, int64_t columns)
{
    const da_shape shape = array_shape_of(a);
    int64_t mb, nb;

    return da_kernels_small_qr(rows_of(a), cols_of(a), columns) && !tile_forced(&shape, &mb, &nb);
}

/* Q and R of a, or with DA_TRANSPOSE of its transpose, both transposed: a = L Q for L = R^T. That Q's rows are orthonormal as
 * Q's columns were, so complex matrices need no conjugates. */
static da_status build(operation *op, da_array **q, da_array **r, const da_array *a, unsigned flags)
{
    const bool transposed = (flags & DA_TRANSPOSE) != 0;
    da_array *matrix = NULL, *formed_q = NULL, *formed_r = NULL, *result = NULL;

    DA_TRY(qr_oriented(op, &matrix, a, transposed));
    const int64_t rank = least(rows_of(matrix), cols_of(matrix));
    const int64_t columns = flags & DA_COMPLETE ? rows_of(matrix) : rank;

    if (is_small(matrix, columns)) {
        DA_TRY(build_small(op, &formed_q, &formed_r, matrix, columns, q != NULL));
    } else {
        qr f;

        DA_TRY(qr_factor(op, &f, matrix));
        if (r)
            DA_TRY(qr_form_r(op, &formed_r, &f, columns));
        if (q)
            DA_TRY(qr_form_q(op, &formed_q, &f, columns));
    }
    if (r) {
        DA_TRY(qr_oriented(op, &result, formed_r, transposed));
        DA_TRY(operation_result(op, r, result, 1, &a));
    }
    if (q) {
        DA_TRY(qr_oriented(op, &result, formed_q, transposed));
        DA_TRY(operation_result(op, q, result, 1, &a));
    }
    return DA_OK;
}

static da_status factors_of(da_array **q, da_array **r, const da_array *a, unsigned flags,
                            const char *function)
{
    const char *const triangle = flags & DA_TRANSPOSE ? "l" : "r";
    operation op;

    if (!q && !r)
        return err_set(DA_ERROR_ARGUMENT, "%s: neither q nor %s is wanted", function, triangle);
    if (q == r)
        return err_set(DA_ERROR_ARGUMENT, "%s: q and %s are the same pointer", function, triangle);
    DA_TRY(check_matrix(a, false, function, "a"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, q, r, a, flags));
}

da_status da_qr(da_array **q, da_array **r, const da_array *a)
{
    return factors_of(q, r, a, 0, "da_qr");
}

da_status da_qr_complete(da_array **q, da_array **r, const da_array *a)
{
    return factors_of(q, r, a, DA_COMPLETE, "da_qr_complete");
}

da_status da_lq(da_array **l, da_array **q, const da_array *a)
{
    return factors_of(q, l, a, DA_TRANSPOSE, "da_lq");
}
