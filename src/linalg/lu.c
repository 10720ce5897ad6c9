/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LU with partial pivoting, P a = L U, by column panels: a panel is factored by LAPACK's recursive getrf; each block column to the right
 * takes its row exchanges, a triangular solve and an update, the next panel's first; blocks to the left take their row exchanges
 * at the end. With many workers the update of a column is cut into blocks of rows.
 *
 * In place the array's own tiles serve if they are as wide as panels should be; otherwise it is copied there and back.
 */
#include "linalg/tiles.h"

enum { PRIORITY_PANEL = 1000, PRIORITY_NEXT = 900, PRIORITY_UPDATE = 500, DEVICE_PANEL = 512 };

static da_status run(da_array *const *inputs)
{
    DA_AUTO da_array *lu = NULL, *pivots = NULL;

    return da_lu(&lu, &pivots, inputs[0]);
}

const tile_operation tile_lu = {.name = "lu", .ninputs = 1, .multiple = 1, .run = run};

/* False if the tiling is forced. */
static bool rule(const da_shape *shape, da_dtype dtype, int64_t *mb, int64_t *nb)
{
    const int64_t m = shape->dim[shape->ndim - 2], n = shape->dim[shape->ndim - 1];
    const int64_t workers = rt_workers_for_shaping();
    const double flops = (double)m * (double)n * (double)least(m, n);

    if (tile_forced(shape, mb, nb)) {
        *mb = round_up(*mb, *nb);
        return false;
    }
    if (tasks_for_devices(&da_codelet_lu_update, dtype, flops)) {
        *nb = DEVICE_PANEL;
        *mb = most(m, 1);
    } else {
        *nb = least(m, n) <= 256 ? 256 : rt_few_workers() || least(m, n) <= 3072 ? 192 : 256;
        *mb = rt_few_workers() ? most(m, 1) : round_up(most(m / workers, *nb), *nb);
    }
    return true;
}

/* The same, or what the models say is faster. */
static void choose_tile(const da_shape *shape, da_dtype dtype, int64_t *mb, int64_t *nb)
{
    const int64_t m = shape->dim[shape->ndim - 2], n = shape->dim[shape->ndim - 1];

    if (rule(shape, dtype, mb, nb) && shape->ndim == 2)
        tile_rated(&tile_lu, dtype, (tile_size){m, n, 0}, (double)m * (double)n * (double)least(m, n), mb,
                   nb);
}

/* Whether `a` can be factored where it is: the width of its panels is then that of its tiles. */
static bool own_tile(const da_array *a, int64_t *mb, int64_t *nb)
{
    const int down = a->axis[a->ndim - 2], across = a->axis[a->ndim - 1];
    const int64_t m = rows_of(a), n = cols_of(a);
    const da_shape shape = array_shape_of(a);
    int64_t best;

    rule(&shape, a->s->dtype, mb, nb);
    best = *nb;
    if (!is_column_major(a))
        return false;
    if (tasks_for_devices(&da_codelet_lu_update, a->s->dtype, (double)m * (double)n * (double)least(m, n)))
        return pieces_in_tiles(a, a->ndim - 2, *mb) && pieces_in_tiles(a, a->ndim - 1, *nb);
    if (n <= best) /* one panel */
        return true;
    if (down < 0 || across < 0 || a->step[a->ndim - 1] != 1)
        return false;
    *nb = a->s->tile[across];
    if (*mb < m) { /* rows are cut as well */
        const int64_t most_mb = 2 * *mb;

        *mb = a->s->tile[down];
        if (*mb > most_mb || *mb < best || a->origin[down] % *mb != 0)
            return false;
    }
    return a->origin[across] % *nb == 0 && *nb >= best / 2 && *nb <= 2 * best;
}

/* The columns j, right of panel k: exchanges, solve, update. */
static da_status update_columns(operation *op, const da_array *lu, const da_array *pivots, const lead *at,
                                span k, span j, int64_t mb, int priority)
{
    const int64_t m = rows_of(lu), below = k.at + k.n;
    const bool whole = mb >= m; /* one task does it all */
    const da_pivot_args args = {.offset = k.at};
    const da_gemm_args minus = {.alpha = {-1, 0}, .beta = {1, 0}};
    const span rows = {k.at, m - k.at};
    task_builder t;

    task_begin(&t, &da_codelet_lu_update);
    access_block(&t, lu, at, whole ? rows : k, k, DA_MODE_READ);
    access_vector(&t, pivots, at, k, DA_MODE_READ);
    access_block(&t, lu, at, rows, j, DA_MODE_READ_WRITE);
    task_value(&t, &args, sizeof args);
    task_priority(&t, priority);
    DA_TRY(task_add(&t, &op->batch));

    EACH_SPAN (i, whole ? m : below, m, mb) {
        task_begin(&t, &da_codelet_gemm);
        access_block(&t, lu, at, i, k, DA_MODE_READ);
        access_block(&t, lu, at, k, j, DA_MODE_READ);
        access_block(&t, lu, at, i, j, DA_MODE_READ_WRITE);
        task_value(&t, &minus, sizeof minus);
        task_priority(&t, priority);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

da_status lu_tasks(operation *op, const da_array *lu, const da_array *pivots, int64_t mb, int64_t nb)
{
    const int64_t m = rows_of(lu), n = cols_of(lu), rank = least(m, n);
    const bool devices =
        tasks_for_devices(&da_codelet_lu_update, lu->s->dtype, (double)m * (double)n * (double)rank);
    task_builder t;

    EACH_LEAD (at, lu) {
        EACH_SPAN (k, 0, rank, nb) {
            const int64_t right = k.at + k.n;
            const da_pivot_args args = {.offset = k.at};

            task_begin(&t, &da_codelet_getrf);
            access_block(&t, lu, &at, (span){k.at, m - k.at}, k, DA_MODE_READ_WRITE);
            access_vector(&t, pivots, &at, k, DA_MODE_WRITE);
            task_value(&t, &args, sizeof args);
            task_priority(&t, PRIORITY_PANEL);
            DA_TRY(task_add(&t, &op->batch));
            EACH_SPAN (j, right, n, nb) {
                const int64_t later = least((j.at - right) / nb, PRIORITY_UPDATE);

                DA_TRY(update_columns(op, lu, pivots, &at, k, j, mb,
                                      j.at == right ? PRIORITY_NEXT : PRIORITY_UPDATE - (int)later));
            }
        }
        EACH_SPAN (j, 0, rank, nb) {
            const int64_t below = j.at + j.n;

            if (below >= rank)
                break;
            EACH_SPAN (k, below, rank, devices ? nb : rank) { /* a tile of pivots each time, or all at once */
                const da_pivot_args args = {.offset = k.at};

                task_begin(&t, &da_codelet_laswp);
                access_vector(&t, pivots, &at, k, DA_MODE_READ);
                access_block(&t, lu, &at, (span){k.at, m - k.at}, j, DA_MODE_READ_WRITE);
                task_value(&t, &args, sizeof args);
                DA_TRY(task_add(&t, &op->batch));
            }
        }
    }
    return DA_OK;
}

/* An array for the pivots of a, panels of nb columns. */
static da_status new_pivots(operation *op, da_array **pivots, const da_array *a, int64_t nb)
{
    da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &shape, 1, nb);
    shape.ndim--;
    shape.dim[shape.ndim - 1] = least(rows_of(a), cols_of(a));
    tile[shape.ndim - 1] = most(nb, 1);
    return operation_array(op, pivots, DA_PIVOT_DTYPE, &shape, tile);
}

da_status lu_begin(operation *op, da_array **lu, da_array **pivots, const da_array *a, int64_t *mb,
                   int64_t *nb)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    choose_tile(&shape, a->s->dtype, mb, nb);
    tile_with(tile, &shape, *mb, *nb);
    DA_TRY(operation_array(op, lu, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, *lu, a, 0, false, *mb, *nb));
    return new_pivots(op, pivots, a, *nb);
}

da_status lu_factor(operation *op, da_array **lu, da_array **pivots, const da_array *a)
{
    int64_t mb, nb;

    DA_TRY(lu_begin(op, lu, pivots, a, &mb, &nb));
    return lu_tasks(op, *lu, *pivots, mb, nb);
}

/* x = P x or, if `inverse`, P^-1 x. */
static da_status exchange_tasks(operation *op, const da_array *pivots, bool given, da_array *x, bool inverse)
{
    const int64_t n = rows_of(x);
    const bool devices = !given && triangular_for_devices(x, n);
    const int64_t step = devices ? tile_step(pivots, pivots->ndim - 1) : most(n, 1);
    const int64_t steps = (n + step - 1) / step;
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    rhs_tile(tile, x, false);
    EACH_LEAD (at, x) {
        EACH_SPAN (p, 0, cols_of(x), tile[x->ndim - 1]) {
            for (int64_t s = 0; s < steps; s++) {
                const span k = span_from((inverse ? steps - 1 - s : s) * step, n, step);
                const da_pivot_args args = {.offset = k.at, .inverse = inverse, .given = given};

                task_begin(&t, &da_codelet_laswp);
                access_vector(&t, pivots, &at, k, DA_MODE_READ);
                access_block(&t, x, &at, (span){k.at, n - k.at}, p, DA_MODE_READ_WRITE);
                task_value(&t, &args, sizeof args);
                DA_TRY(task_add(&t, &op->batch));
            }
        }
    }
    return DA_OK;
}

da_status lu_solve_tasks(operation *op, const da_array *lu, const da_array *pivots, bool given, da_array *x,
                         unsigned trans)
{
    if (trans) { /* U^T L^T P x = b */
        DA_TRY(solve_triangular_tasks(op, lu, x, DA_UPPER | trans));
        DA_TRY(solve_triangular_tasks(op, lu, x, DA_LOWER | DA_UNIT | trans));
        return pivots ? exchange_tasks(op, pivots, given, x, true) : DA_OK;
    }
    if (pivots)
        DA_TRY(exchange_tasks(op, pivots, given, x, false));
    DA_TRY(solve_triangular_tasks(op, lu, x, DA_LOWER | DA_UNIT));
    return solve_triangular_tasks(op, lu, x, DA_UPPER);
}

static da_status build(operation *op, da_array **lu, da_array **pivots, const da_array *a)
{
    da_array *factors = NULL, *exchanges = NULL;

    DA_TRY(lu_factor(op, &factors, &exchanges, a));
    DA_TRY(operation_result(op, lu, factors, 1, &a));
    return operation_result(op, pivots, exchanges, 1, &a);
}

da_status da_lu(da_array **lu, da_array **pivots, const da_array *a)
{
    operation op;

    DA_TRY(array_check_out(lu, "da_lu"));
    DA_TRY(array_check_out(pivots, "da_lu"));
    if (lu == pivots)
        return err_set(DA_ERROR_ARGUMENT, "da_lu: lu and pivots are the same pointer");
    DA_TRY(check_matrix(a, false, "da_lu", "a"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, lu, pivots, a));
}

static da_status build_in_place(operation *op, da_array *a, da_array **pivots)
{
    const da_array *const input = a;
    da_array *w = NULL, *exchanges = NULL;
    int64_t mb, nb;

    if (own_tile(a, &mb, &nb)) {
        DA_TRY(new_pivots(op, &exchanges, a, nb));
        DA_TRY(lu_tasks(op, a, exchanges, mb, nb));
    } else {
        DA_TRY(lu_begin(op, &w, &exchanges, a, &mb, &nb));
        DA_TRY(lu_tasks(op, w, exchanges, mb, nb));
        DA_TRY(copy_triangle(op, a, w, 0, false, mb, nb));
    }
    DA_TRY(operation_result(op, pivots, exchanges, 1, &input));
    return operation_in_place(op, a, false, 0, NULL);
}

da_status da_lu_inplace(da_array *a, da_array **pivots)
{
    operation op;

    DA_TRY(check_matrix(a, false, "da_lu_inplace", "a"));
    DA_TRY(array_check_out(pivots, "da_lu_inplace"));
    DA_TRY(check_writable(a, "da_lu_inplace", "a"));
    operation_begin(&op);
    return operation_finish(&op, build_in_place(&op, a, pivots));
}
