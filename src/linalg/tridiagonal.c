/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eigenvalues and eigenvectors of symmetric tridiagonal matrices by divide and conquer (codelets/cpu/stedc.inc): block columns of Z are
 * leaves, which are merged two by two. The tasks of a merge are as many whatever the values are; they find little to do where much is deflated.
 */
#include "linalg/linalg.h"

enum { PRIORITY_FIRST = 1000 };

da_status tridiagonal_begin(operation *op, tridiagonal *t, const da_array *x, const da_array *w,
                            const da_array *z, int64_t width)
{
    const da_shape shape = array_shape_of(x);
    const int64_t n = rows_of(x);
    const da_dtype real = w->s->dtype;
    int64_t tile[DA_MAX_NDIM], mb, nb;
    const bool cut = z && width < n && (tile_forced(&shape, &mb, &nb) || rt_workers_for_shaping() > 1);

    *t = (tridiagonal){.w = w, .z = z, .d = w, .width = cut ? width : n};
    DA_TRY(operation_vectors(op, &t->e, real, &shape, n, n));
    if (!cut)
        return DA_OK;
    const da_shape parts = shape_with(x, n, (n + width - 1) / width),
                   plan = shape_with(x, n, DA_PLAN_COLUMNS), shifts = shape_with(x, n, 2);
    da_array *d;

    DA_TRY(operation_vectors(op, &d, real, &shape, n, width));
    t->d = d;
    DA_TRY(operation_vectors(op, &t->lambda, real, &shape, n, width));
    tile_with(tile, &parts, n, 1);
    DA_TRY(operation_array(op, &t->parts, real, &parts, tile));
    tile_with(tile, &plan, width, DA_PLAN_COLUMNS);
    DA_TRY(operation_array(op, &t->plan, real, &plan, tile));
    tile_with(tile, &shifts, width, 2);
    DA_TRY(operation_array(op, &t->shifts, real, &shifts, tile));
    tile_with(tile, &shape, n, width);
    DA_TRY(operation_array(op, &t->packed, real, &shape, tile));
    if (z->s->dtype == real) {
        t->q = z;
        return DA_OK;
    }
    da_array *q;
    DA_TRY(operation_array(op, &q, real, &shape, tile));
    t->q = q;
    return DA_OK;
}

/* Rows p of T with what they are coupled to left out. */
static da_status leaf(operation *op, const tridiagonal *t, const lead *at, span p)
{
    const int64_t n = rows_of(t->z);
    const da_stedc_args args = {.at = p.at};
    task_builder b;

    task_begin(&b, &da_codelet_stedc);
    access_vector(&b, t->d, at, p, DA_MODE_READ_WRITE);
    access_vector(&b, t->e, at, (span){0, n}, DA_MODE_READ);
    access_block(&b, p.n < n ? t->q : t->z, at, (span){0, n}, p, DA_MODE_WRITE);
    task_value(&b, &args, sizeof args);
    task_priority(&b, PRIORITY_FIRST);
    task_fault(&b, op->fault, 0);
    return task_add(&b, &op->batch);
}

/* Which eigenvalues and columns of q stay as they are, in the plan. */
static da_status deflate(operation *op, const tridiagonal *t, const lead *at, span all, int64_t top)
{
    const da_merge_args args = {.top = top};
    task_builder b;

    task_begin(&b, &da_codelet_stedc_deflate);
    access_vector(&b, t->d, at, all, DA_MODE_READ);
    access_vector(&b, t->e, at, (span){all.at + top - 1, 1}, DA_MODE_READ);
    access_block(&b, t->q, at, all, all, DA_MODE_READ_WRITE);
    access_block(&b, t->plan, at, all, (span){0, DA_PLAN_COLUMNS}, DA_MODE_WRITE);
    task_value(&b, &args, sizeof args);
    task_priority(&b, PRIORITY_FIRST);
    return task_add(&b, &op->batch);
}

/* The merge's tasks for a block column each, up to the roots. */
static da_status pack_and_solve(operation *op, const tridiagonal *t, const lead *at, span all, span p)
{
    const da_merge_args args = {.column = p.at - all.at};
    const span plan = {0, DA_PLAN_COLUMNS};
    task_builder b;

    task_begin(&b, &da_codelet_stedc_secular);
    access_block(&b, t->plan, at, all, plan, DA_MODE_READ);
    access_block(&b, t->shifts, at, p, (span){0, 2}, DA_MODE_WRITE);
    access_block(&b, t->parts, at, all, (span){p.at / t->width, 1}, DA_MODE_WRITE);
    access_vector(&b, t->lambda, at, p, DA_MODE_WRITE);
    task_value(&b, &args, sizeof args);
    task_priority(&b, PRIORITY_FIRST);
    task_fault(&b, op->fault, rows_of(t->z) - all.n);
    DA_TRY(task_add(&b, &op->batch));

    task_begin(&b, &da_codelet_merge_pack);
    access_block(&b, t->plan, at, all, plan, DA_MODE_READ);
    access_block(&b, t->q, at, all, all, DA_MODE_READ);
    access_block(&b, t->packed, at, all, p, DA_MODE_WRITE);
    task_value(&b, &args, sizeof args);
    task_priority(&b, PRIORITY_FIRST);
    return task_add(&b, &op->batch);
}

static da_status product(operation *op, const tridiagonal *t, const lead *at, span all, span p, int64_t top)
{
    const da_merge_args args = {.top = top, .column = p.at - all.at};
    task_builder b;

    task_begin(&b, &da_codelet_stedc_product);
    access_block(&b, t->plan, at, all, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ);
    access_block(&b, t->packed, at, all, all, DA_MODE_READ);
    access_block(&b, t->shifts, at, all, (span){0, 2}, DA_MODE_READ);
    access_block(&b, all.n < rows_of(t->z) ? t->q : t->z, at, all, p, DA_MODE_WRITE);
    task_value(&b, &args, sizeof args);
    task_priority(&b, PRIORITY_FIRST);
    return task_add(&b, &op->batch);
}

/* The rows `all` of T, which are cut at `top`. */
static da_status merge(operation *op, const tridiagonal *t, const lead *at, span all, int64_t top)
{
    const span blocks = {all.at / t->width, (all.n + t->width - 1) / t->width};
    const bool last = all.n == rows_of(t->z);
    task_builder b;

    DA_TRY(deflate(op, t, at, all, top));
    EACH_SPAN (p, all.at, all.at + all.n, t->width)
        DA_TRY(pack_and_solve(op, t, at, all, p));
    task_begin(&b, &da_codelet_stedc_order);
    access_block(&b, t->plan, at, all, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ_WRITE);
    access_block(&b, t->parts, at, all, blocks, DA_MODE_READ);
    access_vector(&b, t->lambda, at, all, DA_MODE_READ);
    access_vector(&b, last ? t->w : t->d, at, all, DA_MODE_WRITE);
    task_priority(&b, PRIORITY_FIRST);
    DA_TRY(task_add(&b, &op->batch));
    EACH_SPAN (p, all.at, all.at + all.n, t->width)
        DA_TRY(product(op, t, at, all, p, top));
    return DA_OK;
}

static da_status conquer(operation *op, const tridiagonal *t, const lead *at, span all)
{
    const int64_t blocks = (all.n + t->width - 1) / t->width, top = blocks / 2 * t->width;

    if (blocks <= 1)
        return leaf(op, t, at, all);
    DA_TRY(conquer(op, t, at, (span){all.at, top}));
    DA_TRY(conquer(op, t, at, (span){all.at + top, all.n - top}));
    return merge(op, t, at, all, top);
}

da_status tridiagonal_tasks(operation *op, const tridiagonal *t, const lead *at)
{
    const span all = {0, t->w->shape[t->w->ndim - 1]};
    task_builder b;

    if (t->z)
        return conquer(op, t, at, all);
    task_begin(&b, &da_codelet_sterf);
    access_vector(&b, t->w, at, all, DA_MODE_READ_WRITE);
    access_vector(&b, t->e, at, all, DA_MODE_READ_WRITE);
    task_priority(&b, PRIORITY_FIRST);
    task_fault(&b, op->fault, 0);
    return task_add(&b, &op->batch);
}
