/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Singular values by LAPACK's divide and conquer. Small matrices, tall ones and what devices may have in one task a matrix, gesdd. Others in its steps,
 * and tall ones whose workspace LAPACK cannot count.
 * a = Q B P^H by gebrd's algorithm (codelets/cpu/gebrd.inc): for each column a task that makes Q's reflector, tasks that multiply the trailing matrix
 * by it, and the same for the row and P's; after each panel the trailing matrix is updated by block columns. B = U S V^T by divide and conquer
 * (bidiagonal.c). Q U in block columns and V^T P^H in block rows.
 *
 * A wide matrix is taken as its transpose, a^T = U S V^H, so that a = conj(V) S U^T: the factors are the other's transposes, which are views.
 */
#include "linalg/linalg.h"

#include <inttypes.h>

#define NOT_FINITE "svd: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "svd: the iteration did not converge (LAPACK's info is %" PRId64 ", n is %" PRId64 ")"

enum {
    COPIED = 256,    /* columns of a task that copies */
    SMALL = 160,     /* order up to which one task is quicker */
    PANEL = 32,      /* columns of a panel */
    UPDATED = 128,   /* columns of a task that updates */
    PART = 1 << 15,  /* elements that are worth a task */
    REFLECTORS = 64, /* that are applied at a time */
    PRIORITY_FIRST = 1000
};

/* What is to be computed of a matrix that is not wide; u and vh are null if they are not wanted. */
typedef struct factors {
    const da_array *a;
    bool turned; /* a is the user's transpose */
    bool complete;
    bool steps;    /* not all at once */
    bool device;   /* devices are known to be quicker at all at once */
    int64_t width; /* of block columns of u and block rows of vh */
    da_array *u, *s, *vh;
    da_array *v; /* of which vh is the transpose, or null */
} factors;

/* Whether devices are known to be quicker at such matrices, a task each, and can be. */
static bool on_a_device(const factors *f)
{
    const double m = (double)rows_of(f->a), n = (double)cols_of(f->a);

    return da_gesdd_one_task(rows_of(f->a), cols_of(f->a)) &&
           whole_for_devices(&da_codelet_gesdd, f->a->s->dtype, m * n, 4 * m * n * n + 8 * n * n * n);
}

/* Whether the steps are for such a matrix; then f->width too: 2 at least, so that parts of the bidiagonal matrix have a row (bidiagonal.c). */
static bool in_steps(factors *f)
{
    const da_shape shape = array_shape_of(f->a);
    const int64_t m = rows_of(f->a), n = cols_of(f->a), share = 4 * rt_workers_for_shaping();
    int64_t mb;

    if (tile_forced(&shape, &mb, &f->width)) {
        f->width = most(f->width, 2);
        return n > f->width;
    }
    f->width = least(most(round_up((n + share - 1) / share, 8), 64), 512);
    if (f->device || n <= SMALL)
        return false;
    return 5 * m < 8 * n || !da_gesdd_on_cpu(dtype_is_complex(f->a->s->dtype), m, n);
}

static da_status new_factors(operation *op, factors *f, bool vectors)
{
    const int64_t m = rows_of(f->a), n = cols_of(f->a);
    const da_shape shape = array_shape_of(f->a), u_shape = shape_with(f->a, m, f->complete ? m : n),
                   vh_shape = shape_with(f->a, n, n);
    int64_t tile[DA_MAX_NDIM];

    f->u = f->vh = f->v = NULL;
    DA_TRY(operation_vectors(op, &f->s, dtype_real(f->a->s->dtype), &shape, n, n));
    if (!vectors)
        return DA_OK;
    if (f->steps)
        tile_with(tile, &u_shape, m, f->width);
    else
        tile_of_whole(tile, &u_shape, f->device);
    DA_TRY(operation_array(op, &f->u, f->a->s->dtype, &u_shape, tile));
    if (f->steps && !dtype_is_complex(f->a->s->dtype)) { /* merges and P's reflectors work on V itself */
        tile_with(tile, &vh_shape, n, f->width);
        DA_TRY(operation_array(op, &f->v, f->a->s->dtype, &vh_shape, tile));
        return operation_own(op, da_matrix_transpose(&f->vh, f->v), &f->vh);
    }
    if (f->steps)
        tile_with(tile, &vh_shape, f->width, n);
    else
        tile_of_whole(tile, &vh_shape, f->device);
    return operation_array(op, &f->vh, f->a->s->dtype, &vh_shape, tile);
}

/* ---- to bidiagonal form ---- */

/* What gebrd's tasks work on. */
typedef struct reduction {
    const factors *f;
    da_array *x,
        *rows; /* a, which keeps the reflectors: Q's below the diagonal, P's behind it in rows; its transpose */
    da_array *values, *parts;
    da_array *ux[2], *yv[2]; /* of this panel, and of the next one */
    int64_t panel, workers;
} reduction;

static da_status reduction_begin(operation *op, reduction *r, const factors *f)
{
    const da_shape shape = array_shape_of(f->a);
    const int64_t m = rows_of(f->a), n = cols_of(f->a);
    const da_dtype dtype = f->a->s->dtype;
    int64_t tile[DA_MAX_NDIM], mb, nb;
    const bool forced = tile_forced(&shape, &mb, &nb);

    r->f = f;
    r->panel = forced ? least(nb, PANEL) : PANEL;
    r->workers = forced ? 2 : rt_workers_for_shaping();
    tile_with(tile, &shape, m, forced ? nb : UPDATED);
    DA_TRY(operation_array(op, &r->x, dtype, &shape, tile));
    DA_TRY(operation_own(op, da_matrix_transpose(&r->rows, r->x), &r->rows));
    DA_TRY(copy_triangle(op, r->x, f->a, 0, false, most(m, 1), COPIED));
    const da_shape values_shape = shape_with(f->a, n, 4), parts_shape = shape_with(f->a, m, r->workers);
    tile_with(tile, &values_shape, n, 4);
    DA_TRY(operation_array(op, &r->values, dtype, &values_shape, tile));
    tile_with(tile, &parts_shape, m, 1);
    DA_TRY(operation_array(op, &r->parts, dtype, &parts_shape, tile));
    for (int i = 0; i < 2; i++) {
        const da_shape ux_shape = shape_with(f->a, m, 2 * r->panel),
                       yv_shape = shape_with(f->a, n, 2 * r->panel);

        tile_with(tile, &ux_shape, m, 2 * r->panel);
        DA_TRY(operation_array(op, &r->ux[i], dtype, &ux_shape, tile));
        tile_with(tile, &yv_shape, n, 2 * r->panel);
        DA_TRY(operation_array(op, &r->yv[i], dtype, &yv_shape, tile));
    }
    return DA_OK;
}

/* One panel's work. */
typedef struct panel {
    const reduction *r;
    const lead *at;
    const da_array *ux, *yv;
    span k, down, across; /* its columns; the rows and columns from there on */
    int64_t nparts;       /* of the latest product */
} panel;

/* The matrix from (i, j) on times a vector, in parts of its rows; or conjugate transposed, in parts of its columns. */
static da_status multiply(operation *op, panel *w, int64_t i, int64_t j, bool conj)
{
    const reduction *const r = w->r;
    const da_unmqr_args args = {.flags = conj ? DA_CONJ_TRANSPOSE : 0};
    const span rows = {i, rows_of(r->x) - i}, columns = {j, cols_of(r->x) - j}, out = conj ? columns : rows;
    task_builder t;

    w->nparts = most(least(rows.n * columns.n / PART, r->workers), 1);
    for (int64_t p = 0; p < w->nparts; p++) {
        const int64_t first = out.n * p / w->nparts, end = out.n * (p + 1) / w->nparts;
        const span part = {out.at + first, end - first};

        if (part.n == 0)
            continue;
        task_begin(&t, &da_codelet_gebrd_multiply);
        access_block(&t, r->x, w->at, conj ? rows : part, conj ? part : columns, DA_MODE_READ);
        if (conj)
            access_block(&t, w->ux, w->at, rows, (span){i - w->k.at, 1}, DA_MODE_READ);
        else
            access_block(&t, w->yv, w->at, columns, (span){w->k.n + j - 1 - w->k.at, 1}, DA_MODE_READ);
        access_block(&t, r->parts, w->at, part, (span){p, 1}, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        task_priority(&t, PRIORITY_FIRST);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* Column j of the panel, or if it is its width what is left to be done behind the last one. */
static da_status reduce_column(operation *op, const panel *w, int64_t j)
{
    const da_hetrd_args args = {.column = j};
    task_builder t;

    task_begin(&t, &da_codelet_gebrd_column);
    access_block(&t, w->r->x, w->at, w->down, w->k, DA_MODE_READ_WRITE);
    access_block(&t, w->ux, w->at, w->down, (span){0, 2 * w->k.n}, DA_MODE_READ_WRITE);
    access_block(&t, w->yv, w->at, w->across, (span){0, 2 * w->k.n}, DA_MODE_READ);
    access_block(&t, w->r->parts, w->at, w->down, (span){0, w->nparts}, DA_MODE_READ);
    access_block(&t, w->r->values, w->at, w->k, (span){0, 4}, DA_MODE_READ_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

static da_status reduce_row(operation *op, const panel *w, int64_t j)
{
    const da_hetrd_args args = {.column = j};
    const int64_t i = w->k.at + j;
    task_builder t;

    task_begin(&t, &da_codelet_gebrd_row);
    access_block(&t, w->r->x, w->at, (span){i, 1}, (span){i + 1, cols_of(w->r->x) - i - 1}, DA_MODE_READ);
    access_block(&t, w->ux, w->at, w->down, (span){0, 2 * w->k.n}, DA_MODE_READ);
    access_block(&t, w->yv, w->at, w->across, (span){0, 2 * w->k.n}, DA_MODE_READ_WRITE);
    access_block(&t, w->r->parts, w->at, w->across, (span){0, w->nparts}, DA_MODE_READ);
    access_block(&t, w->r->values, w->at, w->k, (span){0, 4}, DA_MODE_READ_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

static da_status reduce_panel(operation *op, panel *w)
{
    const reduction *const r = w->r;
    const int64_t m = rows_of(r->x), n = cols_of(r->x), right = w->k.at + w->k.n;
    const int64_t width = tile_step(r->x, r->x->ndim - 1);
    const da_gemm_args update = {.transb = DA_CONJ_TRANSPOSE, .alpha = {-1, 0}, .beta = {1, 0}};
    const da_lacpy_args behind = {.uplo = DA_LOWER, .offset = -1}; /* the diagonal */
    task_builder t;

    for (int64_t j = 0; j < w->k.n; j++) {
        const int64_t i = w->k.at + j;

        DA_TRY(reduce_column(op, w, j));
        if (i + 1 == n)
            break;
        DA_TRY(multiply(op, w, i, i + 1, true));
        DA_TRY(reduce_row(op, w, j));
        if (i + 1 < m)
            DA_TRY(multiply(op, w, i + 1, i + 1, false));
    }
    if (right < n && right < m)
        DA_TRY(reduce_column(op, w, w->k.n));
    task_begin(&t, &da_codelet_lacpy);
    access_block(&t, w->yv, w->at, w->across, (span){w->k.n, w->k.n}, DA_MODE_READ);
    access_block(&t, r->rows, w->at, w->across, w->k, DA_MODE_READ_WRITE);
    task_value(&t, &behind, sizeof behind);
    task_priority(&t, PRIORITY_FIRST);
    DA_TRY(task_add(&t, &op->batch));
    EACH_SPAN (j, right, n, width) {
        task_begin(&t, &da_codelet_gemm);
        access_block(&t, w->ux, w->at, (span){right, m - right}, (span){0, 2 * w->k.n}, DA_MODE_READ);
        access_block(&t, w->yv, w->at, j, (span){0, 2 * w->k.n}, DA_MODE_READ);
        access_block(&t, r->x, w->at, (span){right, m - right}, j, DA_MODE_READ_WRITE);
        task_value(&t, &update, sizeof update);
        task_priority(&t, PRIORITY_FIRST);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

static da_status bidiagonal_form(operation *op, const reduction *r, const lead *at)
{
    const da_gesdd_args args = {.rows = r->f->turned};
    const int64_t m = rows_of(r->x), n = cols_of(r->x);
    task_builder t;
    int turn = 0;

    task_begin(&t, &da_codelet_gebrd_begin);
    access_block(&t, r->x, at, (span){0, m}, (span){0, n}, DA_MODE_READ_WRITE);
    access_block(&t, r->values, at, (span){0, n}, (span){0, 4}, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    task_fault(&t, op->fault, 0);
    DA_TRY(task_add(&t, &op->batch));
    EACH_SPAN (k, 0, n, r->panel) {
        panel w = {.r = r,
                   .at = at,
                   .ux = r->ux[turn],
                   .yv = r->yv[turn],
                   .k = k,
                   .down = {k.at, m - k.at},
                   .across = {k.at, n - k.at},
                   .nparts = 1};

        DA_TRY(reduce_panel(op, &w));
        turn = 1 - turn;
    }
    return DA_OK;
}

/* ---- the steps ---- */

/* P's reflectors in columns, a row lower than QR's: where B's parts were packed, if these are of that dtype. */
static da_status columns_of_p(operation *op, da_array **p, const reduction *r, const bidiagonal *b)
{
    const int64_t n = cols_of(r->x);
    const da_shape shape = shape_with(r->x, n, n);
    int64_t tile[DA_MAX_NDIM];

    *p = b->packed[0];
    if ((*p)->s->dtype != r->x->s->dtype) {
        tile_with(tile, &shape, n, REFLECTORS);
        DA_TRY(operation_array(op, p, r->x->s->dtype, &shape, tile));
    }
    return copy_triangle(op, *p, r->rows, DA_LOWER, false, COPIED, COPIED);
}

/* U = Q U, V = P V */
static da_status back(operation *op, const factors *f, const reduction *r, const bidiagonal *b)
{
    const int64_t n = cols_of(f->a), ib = least(REFLECTORS, f->width);
    const da_shape t_shape = shape_with(f->a, ib, n);
    da_array *columns, *tq, *tp;
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &t_shape, ib, ib);
    DA_TRY(operation_array(op, &tq, f->a->s->dtype, &t_shape, tile));
    DA_TRY(operation_array(op, &tp, f->a->s->dtype, &t_shape, tile));
    DA_TRY(columns_of_p(op, &columns, r, b));
    const reflectors q = {.v = r->x, .tau = r->values, .column = 0, .factors = tq, .ib = ib};
    const reflectors p = {.v = columns, .lower = 1, .tau = r->values, .column = 1, .factors = tp, .ib = ib};
    EACH_LEAD (at, r->x) {
        DA_TRY(apply_reflectors(op, &at, &q, f->u, false, f->width));
        DA_TRY(apply_reflectors(op, &at, &p, f->v ? f->v : f->vh, !f->v, f->width));
    }
    return DA_OK;
}

static da_status svd_steps(operation *op, const factors *f)
{
    const int64_t n = cols_of(f->a);
    reduction r;
    bidiagonal b;

    DA_TRY(reduction_begin(op, &r, f));
    DA_TRY(
        bidiagonal_begin(op, &b, r.values, f->s, f->u, f->vh, f->v, f->width, f->turned ? rows_of(f->a) : n));
    EACH_LEAD (at, r.x) {
        DA_TRY(bidiagonal_form(op, &r, &at));
        DA_TRY(bidiagonal_tasks(op, &b, &at));
    }
    return f->u ? back(op, f, &r, &b) : DA_OK;
}

/* ---- all at once ---- */

static da_status svd_tasks(operation *op, const factors *f)
{
    const int64_t m = rows_of(f->a), n = cols_of(f->a);
    const da_gesdd_args args = {.rows = f->turned};
    const da_shape shape = array_shape_of(f->a);
    const span rows = {0, m}, columns = {0, n};
    int64_t tile[DA_MAX_NDIM];
    da_array *x = NULL;
    task_builder t;

    tile_of_whole(tile, &shape, f->device);
    DA_TRY(operation_array(op, &x, f->a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, f->a, 0, false, most(m, 1), COPIED));
    EACH_LEAD (at, x) {
        task_begin(&t, f->u ? &da_codelet_gesdd : &da_codelet_gesdd_values);
        access_block(&t, x, &at, rows, columns, DA_MODE_READ_WRITE);
        access_vector(&t, f->s, &at, columns, DA_MODE_WRITE);
        if (f->u) {
            access_block(&t, f->u, &at, rows, (span){0, cols_of(f->u)}, DA_MODE_WRITE);
            access_block(&t, f->vh, &at, columns, columns, DA_MODE_WRITE);
        }
        task_value(&t, &args, sizeof args);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* The complete U of a matrix without columns. */
static da_status identity_tasks(operation *op, const da_array *u)
{
    const da_laset_args args = {0};
    const span all = {0, cols_of(u)};
    task_builder t;

    if (all.n == 0)
        return DA_OK;
    EACH_LEAD (at, u) {
        task_begin(&t, &da_codelet_laset);
        access_block(&t, u, &at, all, all, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* `factor` or its transpose as a result. */
static da_status give(operation *op, da_array **out, da_array *factor, bool turned, const da_array *a)
{
    da_array *view = factor;

    if (!out)
        return DA_OK;
    if (turned)
        DA_TRY(operation_own(op, da_matrix_transpose(&view, factor), &view));
    return operation_result(op, out, view, 1, &a);
}

static da_status build(operation *op, da_array **u, da_array **s, da_array **vh, const da_array *a,
                       unsigned flags)
{
    factors f = {.a = a, .turned = rows_of(a) < cols_of(a), .complete = (flags & DA_COMPLETE) != 0};
    da_array *turned = NULL;

    if (f.turned) {
        DA_TRY(operation_own(op, da_matrix_transpose(&turned, a), &turned));
        f.a = turned;
    }
    f.device = on_a_device(&f);
    f.steps = in_steps(&f);
    DA_TRY(new_factors(op, &f, u || vh));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, cols_of(a)));
    if (f.steps)
        DA_TRY(svd_steps(op, &f));
    else if (cols_of(f.a) > 0)
        DA_TRY(svd_tasks(op, &f));
    else if (f.u)
        DA_TRY(identity_tasks(op, f.u));
    DA_TRY(give(op, s, f.s, false, a));
    DA_TRY(give(op, u, f.turned ? f.vh : f.u, f.turned, a));
    return give(op, vh, f.turned ? f.u : f.vh, f.turned, a);
}

static da_status svd(da_array **u, da_array **s, da_array **vh, const da_array *a, unsigned flags,
                     const char *function)
{
    operation op;

    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_flags(flags, DA_COMPLETE, function));
    operation_begin(&op);
    return operation_finish(&op, build(&op, u, s, vh, a, flags));
}

da_status da_svd(da_array **u, da_array **s, da_array **vh, const da_array *a, unsigned flags)
{
    if (!u && !s && !vh)
        return err_set(DA_ERROR_ARGUMENT, "da_svd: neither u nor s nor vh is wanted");
    if ((u && (u == s || u == vh)) || (s && s == vh))
        return err_set(DA_ERROR_ARGUMENT, "da_svd: two of u, s and vh are the same pointer");
    return svd(u, s, vh, a, flags, "da_svd");
}

da_status da_svdvals(da_array **s, const da_array *a)
{
    DA_TRY(array_check_out(s, "da_svdvals"));
    return svd(NULL, s, NULL, a, 0, "da_svdvals");
}
