/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Singular values and vectors of upper bidiagonal matrices by divide and conquer (codelets/cpu/bdsdc.inc), as tridiagonal.c has eigenvalues: block
 * columns of U and V are leaves, which are merged two by two with the row between them. Where V itself is not wanted the last merge leaves V^T in block rows. Values
 * alone are one task.
 */
#include "linalg/linalg.h"

enum { PRIORITY_FIRST = 1000 };

da_status bidiagonal_begin(operation *op, bidiagonal *b, const da_array *values, const da_array *s,
                           const da_array *u, const da_array *vh, const da_array *v, int64_t width,
                           int64_t offset)
{
    const da_shape shape = array_shape_of(values);
    const int64_t n = rows_of(values);
    const da_dtype real = s->s->dtype;
    int64_t tile[DA_MAX_NDIM];

    *b = (bidiagonal){.values = values, .s = s, .u = u, .vh = vh, .v = v, .width = width, .offset = offset};
    if (!u)
        return DA_OK;
    const da_shape square = shape_with(values, n, n), parts = shape_with(values, n, (n + width - 1) / width),
                   plan = shape_with(values, n, DA_PLAN_COLUMNS), shifts = shape_with(values, n, 2);

    DA_TRY(operation_vectors(op, &b->d, real, &shape, n, width));
    DA_TRY(operation_vectors(op, &b->e, real, &shape, n, n));
    DA_TRY(operation_vectors(op, &b->sigma, real, &shape, n, width));
    tile_with(tile, &parts, n, 1);
    DA_TRY(operation_array(op, &b->parts, real, &parts, tile));
    tile_with(tile, &plan, width, DA_PLAN_COLUMNS);
    DA_TRY(operation_array(op, &b->plan, real, &plan, tile));
    tile_with(tile, &shifts, width, 2);
    DA_TRY(operation_array(op, &b->shifts, real, &shifts, tile));
    tile_with(tile, &square, n, width);
    b->vectors[0] = u->s->dtype == real ? u : NULL;
    b->vectors[1] = v;
    DA_TRY(operation_array(op, &b->packed[0], real, &square, tile));
    b->packed[1] = b->packed[0]; /* V's in the place of U's */
    if (n < 2 * rt_workers_for_shaping() * width)
        DA_TRY(operation_array(op, &b->packed[1], real, &square, tile));
    for (int right = 0; right < 2; right++) {
        da_array *vectors;

        if (b->vectors[right])
            continue;
        DA_TRY(operation_array(op, &vectors, real, &square, tile));
        b->vectors[right] = vectors;
    }
    return DA_OK;
}

/* The part that has rows p of B and these columns. */
static da_status leaf(operation *op, const bidiagonal *b, const lead *at, span p, span columns)
{
    const int64_t n = rows_of(b->values);
    const da_stedc_args args = {.at = p.at};
    task_builder t;

    task_begin(&t, &da_codelet_bdsdc_leaf);
    access_vector(&t, b->d, at, p, DA_MODE_READ_WRITE);
    access_vector(&t, b->e, at, (span){0, n}, DA_MODE_READ);
    for (int right = 0; right < 2; right++)
        access_block(&t, b->vectors[right], at, (span){0, n}, columns, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    task_fault(&t, op->fault, b->offset);
    return task_add(&t, &op->batch);
}

/* Two parts as one: rows p and these columns of B, of which `top` are the upper part's. */
typedef struct merger {
    span p, columns;
    int64_t top;
} merger;

static da_status deflate(operation *op, const bidiagonal *b, const lead *at, const merger *w)
{
    const da_merge_args args = {.top = w->top};
    task_builder t;

    task_begin(&t, &da_codelet_bdsdc_deflate);
    access_vector(&t, b->d, at, w->p, DA_MODE_READ);
    access_vector(&t, b->e, at, (span){w->p.at + w->top - 1, 1}, DA_MODE_READ);
    access_block(&t, b->vectors[0], at, w->p, w->p, DA_MODE_READ_WRITE);
    access_block(&t, b->vectors[1], at, w->columns, w->columns, DA_MODE_READ_WRITE);
    access_block(&t, b->plan, at, w->p, (span){0, DA_PLAN_COLUMNS}, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

/* The merge's tasks for a block column each. */
static da_status solve(operation *op, const bidiagonal *b, const lead *at, const merger *w, span block)
{
    const da_merge_args args = {.column = block.at - w->p.at};
    task_builder t;

    task_begin(&t, &da_codelet_bdsdc_secular);
    access_block(&t, b->plan, at, w->p, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ);
    access_block(&t, b->shifts, at, block, (span){0, 2}, DA_MODE_WRITE);
    access_block(&t, b->parts, at, w->p, (span){block.at / b->width, 1}, DA_MODE_WRITE);
    access_vector(&t, b->sigma, at, block, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    task_fault(&t, op->fault, b->offset);
    return task_add(&t, &op->batch);
}

static da_status pack(operation *op, const bidiagonal *b, const lead *at, const merger *w, span block,
                      bool right)
{
    const da_merge_args args = {.column = block.at - w->p.at};
    const span rows = right ? w->columns : w->p;
    task_builder t;

    task_begin(&t, &da_codelet_merge_pack);
    access_block(&t, b->plan, at, w->p, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ);
    access_block(&t, b->vectors[right], at, rows, w->p, DA_MODE_READ);
    access_block(&t, b->packed[right], at, rows, block, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

static da_status product(operation *op, const bidiagonal *b, const lead *at, const merger *w, span block,
                         bool right)
{
    const bool last = w->p.n == rows_of(b->values), turned = last && right && !b->v;
    const span rows = right ? w->columns : w->p;
    const da_merge_args args = {
        .top = w->top, .column = block.at - w->p.at, .right = right, .turned = turned};
    task_builder t;

    task_begin(&t, &da_codelet_bdsdc_product);
    access_block(&t, b->plan, at, w->p, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ);
    access_block(&t, b->packed[right], at, rows, w->p, DA_MODE_READ);
    access_block(&t, b->shifts, at, w->p, (span){0, 2}, DA_MODE_READ);
    access_vector(&t, b->sigma, at, w->p, DA_MODE_READ);
    if (turned)
        access_block(&t, b->vh, at, block, rows, DA_MODE_WRITE);
    else
        access_block(&t, last && !right ? b->u : b->vectors[right], at, rows, block, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

static da_status merge(operation *op, const bidiagonal *b, const lead *at, const merger *w)
{
    const int64_t end = w->p.at + w->p.n;
    const span blocks = {w->p.at / b->width, (w->p.n + b->width - 1) / b->width};
    task_builder t;

    DA_TRY(deflate(op, b, at, w));
    EACH_SPAN (block, w->p.at, end, b->width)
        DA_TRY(solve(op, b, at, w, block));
    task_begin(&t, &da_codelet_bdsdc_order);
    access_block(&t, b->plan, at, w->p, (span){0, DA_PLAN_COLUMNS}, DA_MODE_READ_WRITE);
    access_block(&t, b->parts, at, w->p, blocks, DA_MODE_READ);
    access_vector(&t, b->sigma, at, w->p, DA_MODE_READ);
    access_vector(&t, w->p.n == rows_of(b->values) ? b->s : b->d, at, w->p, DA_MODE_WRITE);
    task_priority(&t, PRIORITY_FIRST);
    DA_TRY(task_add(&t, &op->batch));
    for (int right = 0; right < 2; right++) {
        EACH_SPAN (block, w->p.at, end, b->width)
            DA_TRY(pack(op, b, at, w, block, right));
        EACH_SPAN (block, w->p.at, end, b->width)
            DA_TRY(product(op, b, at, w, block, right));
    }
    return DA_OK;
}

static da_status conquer(operation *op, const bidiagonal *b, const lead *at, span columns)
{
    const int64_t n = rows_of(b->values), blocks = (columns.n + b->width - 1) / b->width;
    const merger w = {.columns = columns,
                      .p = {columns.at, columns.n - (columns.at + columns.n < n)},
                      .top = blocks / 2 * b->width};

    if (blocks <= 1)
        return leaf(op, b, at, w.p, columns);
    DA_TRY(conquer(op, b, at, (span){columns.at, w.top}));
    DA_TRY(conquer(op, b, at, (span){columns.at + w.top, columns.n - w.top}));
    return merge(op, b, at, &w);
}

static da_status values_alone(operation *op, const bidiagonal *b, const lead *at)
{
    const da_bdsdc_args args = {.offset = b->offset};
    const span all = {0, rows_of(b->values)};
    task_builder t;

    task_begin(&t, &da_codelet_bdsdc_values);
    access_block(&t, b->values, at, all, (span){0, 4}, DA_MODE_READ);
    access_vector(&t, b->s, at, all, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    task_fault(&t, op->fault, 0);
    return task_add(&t, &op->batch);
}

/* What U has besides B's: zeros, and columns of the identity. */
static da_status identity(operation *op, const bidiagonal *b, const lead *at, span rows, span columns)
{
    const da_laset_args args = {.offset = rows.at - columns.at};
    task_builder t;

    task_begin(&t, &da_codelet_laset);
    access_block(&t, b->u, at, rows, columns, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    return task_add(&t, &op->batch);
}

static da_status rest_of_u(operation *op, const bidiagonal *b, const lead *at)
{
    const int64_t n = rows_of(b->values), m = rows_of(b->u);

    EACH_SPAN (columns, 0, m > n ? n : 0, b->width)
        DA_TRY(identity(op, b, at, (span){n, m - n}, columns));
    EACH_SPAN (columns, n, cols_of(b->u), b->width)
        DA_TRY(identity(op, b, at, (span){0, m}, columns));
    return DA_OK;
}

da_status bidiagonal_tasks(operation *op, const bidiagonal *b, const lead *at)
{
    const span all = {0, rows_of(b->values)};
    task_builder t;

    if (!b->u)
        return values_alone(op, b, at);
    task_begin(&t, &da_codelet_bdsdc_begin);
    access_block(&t, b->values, at, all, (span){0, 4}, DA_MODE_READ);
    access_vector(&t, b->d, at, all, DA_MODE_WRITE);
    access_vector(&t, b->e, at, all, DA_MODE_WRITE);
    task_priority(&t, PRIORITY_FIRST);
    DA_TRY(task_add(&t, &op->batch));
    DA_TRY(rest_of_u(op, b, at));
    return conquer(op, b, at, all);
}
