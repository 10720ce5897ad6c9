/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eigenvalues of Hermitian matrices: small ones and what devices may have in one task a matrix, LAPACK's heevd. Larger ones in its three steps.
 * a = Q T Q^H by hetrd's algorithm (codelets/cpu/hetrd.inc): for each column a task that makes the reflector, then tasks that multiply the trailing
 * matrix by it, a part each; after each panel the trailing matrix is updated by block columns. T = Z W Z^H by divide and conquer (tridiagonal.c). Q Z in block
 * columns, in blocks of more reflectors than LAPACK takes, whose T factors are made beside the second step.
 */
#include "linalg/linalg.h"

#include <inttypes.h>
#include <math.h>

#define NOT_FINITE "eigh: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "eigh: the iteration did not converge (LAPACK's info is %" PRId64 ", n is %" PRId64 ")"

enum {
    COPIED = 256,    /* columns of a task that copies */
    SMALL = 200,     /* order up to which one task is quicker */
    PANEL = 32,      /* columns of a panel */
    REST = 192,      /* order of the last block */
    UPDATED = 128,   /* columns of a task that updates */
    PART = 1 << 16,  /* elements, of both triangles, that are worth a task */
    REFLECTORS = 64, /* that are applied at a time */
    PRIORITY_FIRST = 1000
};

/* x becomes the eigenvectors, if they are wanted, of the matrices of which it has one triangle; w their eigenvalues. */
static da_status eigh_tasks(operation *op, const da_array *x, const da_array *w, unsigned uplo, bool vectors)
{
    const da_heevd_args args = {.uplo = uplo, .vectors = vectors};
    const span all = {0, rows_of(x)};
    task_builder t;

    if (all.n == 0)
        return DA_OK;
    EACH_LEAD (at, x) {
        task_begin(&t, &da_codelet_heevd);
        access_block(&t, x, &at, all, all, DA_MODE_READ_WRITE);
        access_vector(&t, w, &at, all, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

/* Whether devices are known to be quicker at such matrices, a task each, and can be. */
static bool on_a_device(const da_array *a)
{
    const double n = (double)rows_of(a);

    return da_heevd_one_task(rows_of(a)) &&
           whole_for_devices(&da_codelet_heevd, a->s->dtype, n * n, 4 * n * n * n);
}

/* Whether the steps are for such a matrix; then the width of the block columns too. */
static bool in_steps(const da_array *a, bool device, int64_t *width)
{
    const da_shape shape = array_shape_of(a);
    const int64_t n = rows_of(a), share = 4 * rt_workers_for_shaping();
    int64_t mb;

    if (tile_forced(&shape, &mb, width))
        return n > *width;
    *width = least(most(round_up((n + share - 1) / share, 8), 64), 512);
    return n > SMALL && !device;
}

/* ---- to tridiagonal form ---- */

/* What hetrd's tasks work on. */
typedef struct reduction {
    const da_array *x, *tau;
    da_array *vw[2];     /* of this panel, and of the next one */
    da_array *parts;     /* of a product, a column each */
    int64_t panel, rest; /* widths of a panel, and of the last block, which is one task */
    int64_t workers;
} reduction;

static da_status reduction_begin(operation *op, reduction *r, const da_array *x, const da_array *tau)
{
    const da_shape shape = array_shape_of(x);
    const int64_t n = rows_of(x);
    int64_t tile[DA_MAX_NDIM], mb, nb;
    const bool forced = tile_forced(&shape, &mb, &nb);

    r->x = x;
    r->tau = tau;
    r->panel = forced ? least(nb, PANEL) : PANEL;
    r->rest = forced ? nb : REST;
    r->workers = forced ? 2 : rt_workers_for_shaping();
    const da_shape vw_shape = shape_with(x, n, 2 * r->panel), parts_shape = shape_with(x, n, r->workers);
    for (int i = 0; i < 2; i++) {
        tile_with(tile, &vw_shape, n, 2 * r->panel);
        DA_TRY(operation_array(op, &r->vw[i], x->s->dtype, &vw_shape, tile));
    }
    tile_with(tile, &parts_shape, n, 1);
    return operation_array(op, &r->parts, x->s->dtype, &parts_shape, tile);
}

/* The trailing matrix, from row and column `from` on, times a reflector: in parts of equal area, as many as are worth a task. */
static da_status multiply(operation *op, const reduction *r, const lead *at, const da_array *vw, span k,
                          int64_t from, int64_t *nparts)
{
    const int64_t n = rows_of(r->x), left = n - from, column = from - 1 - k.at;
    int64_t first = from;
    task_builder t;

    *nparts = most(least(left * left / PART, r->workers), 1);
    for (int64_t p = 0; p < *nparts; p++) {
        /* columns on the right of an edge have a triangle of its share of the area */
        const double share = (double)(*nparts - p - 1) / (double)*nparts;
        const int64_t end = p + 1 == *nparts ? n : most(n - (int64_t)((double)left * sqrt(share)), first + 1);

        task_begin(&t, &da_codelet_hetrd_multiply);
        access_block(&t, r->x, at, (span){first, n - first}, (span){first, end - first}, DA_MODE_READ);
        access_block(&t, vw, at, (span){first, n - first}, (span){column, 1}, DA_MODE_READ);
        access_block(&t, r->parts, at, (span){from, left}, (span){p, 1}, DA_MODE_WRITE);
        task_priority(&t, PRIORITY_FIRST);
        DA_TRY(task_add(&t, &op->batch));
        first = end;
    }
    return DA_OK;
}

static da_status reduce_panel(operation *op, const reduction *r, const lead *at, const da_array *vw, span k)
{
    const int64_t n = rows_of(r->x);
    const span rows = {k.at, n - k.at};
    int64_t nparts = 1;
    task_builder t;

    for (int64_t j = 0; j <= k.n; j++) {
        const da_hetrd_args args = {.column = j};

        task_begin(&t, &da_codelet_hetrd_column);
        access_block(&t, r->x, at, rows, k, DA_MODE_READ_WRITE);
        access_block(&t, vw, at, rows, (span){0, 2 * k.n}, DA_MODE_READ_WRITE);
        access_block(&t, r->parts, at, rows, (span){0, nparts}, DA_MODE_READ);
        access_block(&t, r->tau, at, k, (span){0, 1}, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        task_priority(&t, PRIORITY_FIRST);
        DA_TRY(task_add(&t, &op->batch));
        if (j < k.n)
            DA_TRY(multiply(op, r, at, vw, k, k.at + j + 1, &nparts));
    }
    return DA_OK;
}

/* x's lower triangle becomes reflectors, whose factors go to tau; d and e what is left on and below the diagonal. */
static da_status tridiagonal_form(operation *op, const lead *at, const reduction *r, const da_array *d,
                                  const da_array *e, unsigned uplo)
{
    const da_heevd_args args = {.uplo = uplo};
    const int64_t n = rows_of(r->x), width = tile_step(r->x, r->x->ndim - 1);
    const span all = {0, n};
    int64_t done = 0;
    task_builder t;

    task_begin(&t, &da_codelet_hetrd_begin);
    access_block(&t, r->x, at, all, all, DA_MODE_READ_WRITE);
    access_vector(&t, e, at, all, DA_MODE_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, PRIORITY_FIRST);
    task_fault(&t, op->fault, 0);
    DA_TRY(task_add(&t, &op->batch));
    for (int panel = 0; n - done > r->rest; panel++, done += r->panel) {
        const da_array *const vw = r->vw[panel % 2];
        const span k = {done, r->panel};

        DA_TRY(reduce_panel(op, r, at, vw, k));
        EACH_SPAN (j, k.at + k.n, n, width) {
            task_begin(&t, &da_codelet_hetrd_update);
            access_block(&t, vw, at, (span){j.at, n - j.at}, (span){0, 2 * k.n}, DA_MODE_READ);
            access_block(&t, r->x, at, (span){j.at, n - j.at}, j, DA_MODE_READ_WRITE);
            task_priority(&t, PRIORITY_FIRST);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    const span rest = {done, n - done};
    task_begin(&t, &da_codelet_hetrd_rest);
    access_block(&t, r->x, at, rest, rest, DA_MODE_READ_WRITE);
    access_block(&t, r->tau, at, rest, (span){0, 1}, DA_MODE_WRITE);
    task_priority(&t, PRIORITY_FIRST);
    DA_TRY(task_add(&t, &op->batch));

    task_begin(&t, &da_codelet_hetrd_end);
    access_block(&t, r->x, at, all, all, DA_MODE_READ);
    access_vector(&t, d, at, all, DA_MODE_WRITE);
    access_vector(&t, e, at, all, DA_MODE_READ_WRITE);
    task_priority(&t, PRIORITY_FIRST);
    return task_add(&t, &op->batch);
}

/* ---- the steps ---- */

/* z, in block columns of this width, or null, becomes the eigenvectors of the matrices of which x has one triangle, which is used up; w
 * their eigenvalues. */
static da_status steps(operation *op, const da_array *x, const da_array *w, const da_array *z, unsigned uplo,
                       int64_t width)
{
    const int64_t n = rows_of(x), ib = least(REFLECTORS, width);
    const da_shape tau_shape = shape_with(x, n, 1), t_shape = shape_with(x, ib, n);
    da_array *tau = NULL, *factors = NULL;
    int64_t tile[DA_MAX_NDIM];
    tridiagonal t;
    reduction r;

    tile_with(tile, &tau_shape, n, 1);
    DA_TRY(operation_array(op, &tau, x->s->dtype, &tau_shape, tile));
    DA_TRY(reduction_begin(op, &r, x, tau));
    DA_TRY(tridiagonal_begin(op, &t, x, w, z, width));
    if (z) {
        tile_with(tile, &t_shape, ib, ib);
        DA_TRY(operation_array(op, &factors, x->s->dtype, &t_shape, tile));
    }
    const reflectors q = {.v = x, .lower = 1, .tau = tau, .factors = factors, .ib = ib};
    EACH_LEAD (at, x) {
        DA_TRY(tridiagonal_form(op, &at, &r, t.d, t.e, uplo));
        DA_TRY(tridiagonal_tasks(op, &t, &at));
        if (z)
            DA_TRY(apply_reflectors(op, &at, &q, z, false, width));
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **w, da_array **v, const da_array *a, unsigned flags)
{
    const unsigned uplo = flags & DA_UPPER ? DA_UPPER : DA_LOWER;
    const da_shape shape = array_shape_of(a);
    const int64_t n = rows_of(a);
    da_array *x = NULL, *values = NULL, *vectors = NULL;
    int64_t tile[DA_MAX_NDIM], width, mb, nb;
    const bool device = on_a_device(a), cut = in_steps(a, device, &width);

    if (cut)
        tile_with(tile, &shape, n, tile_forced(&shape, &mb, &nb) ? nb : UPDATED);
    else
        tile_of_whole(tile, &shape, device);
    DA_TRY(operation_array(op, &x, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, a, uplo, false, most(n, 1), COPIED));
    DA_TRY(operation_vectors(op, &values, dtype_real(a->s->dtype), &shape, n, n));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, n));
    if (cut && v) {
        tile_with(tile, &shape, n, width);
        DA_TRY(operation_array(op, &vectors, a->s->dtype, &shape, tile));
    }
    if (cut)
        DA_TRY(steps(op, x, values, vectors, uplo, width));
    else
        DA_TRY(eigh_tasks(op, x, values, uplo, v != NULL));
    if (w)
        DA_TRY(operation_result(op, w, values, 1, &a));
    return v ? operation_result(op, v, cut ? vectors : x, 1, &a) : DA_OK;
}

static da_status eigh(da_array **w, da_array **v, const da_array *a, unsigned flags, const char *function)
{
    operation op;

    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_square(a, function, "a"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER, function));
    operation_begin(&op);
    return operation_finish(&op, build(&op, w, v, a, flags));
}

da_status da_eigh(da_array **w, da_array **v, const da_array *a, unsigned flags)
{
    if (!w && !v)
        return err_set(DA_ERROR_ARGUMENT, "da_eigh: neither w nor v is wanted");
    if (w == v)
        return err_set(DA_ERROR_ARGUMENT, "da_eigh: w and v are the same pointer");
    return eigh(w, v, a, flags, "da_eigh");
}

da_status da_eigvalsh(da_array **w, const da_array *a, unsigned flags)
{
    DA_TRY(array_check_out(w, "da_eigvalsh"));
    return eigh(w, NULL, a, flags, "da_eigvalsh");
}
