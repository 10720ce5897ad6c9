/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LU with partial pivoting, P a = L U, by column panels: a panel is factored by LAPACK's recursive getrf; each block column to the right
 * takes its row exchanges, a triangular solve and an update, the next panel's first; blocks to the left take their row exchanges
 * at the end. With many workers the update of a column is cut into blocks of rows.
 */
#include "linalg/linalg.h"

enum { PRIORITY_PANEL = 1000, PRIORITY_NEXT = 900, PRIORITY_UPDATE = 500, DEVICE_PANEL = 512 };

static void choose_tile(const da_shape *shape, int64_t *mb, int64_t *nb)
{
    const int64_t m = shape->dim[shape->ndim - 2], n = shape->dim[shape->ndim - 1];
    const int64_t workers = rt_workers_for_shaping();

    if (tile_forced(shape, mb, nb)) {
        *mb = round_up(*mb, *nb);
        return;
    }
    if (devices_for(0, (double)m * (double)n * (double)least(m, n))) {
        *nb = DEVICE_PANEL;
        *mb = most(m, 1);
        return;
    }
    *nb = least(m, n) <= 256 ? 256 : least(m, n) <= 3072 ? 192 : 256;
    *mb = workers <= 4 ? most(m, 1) : round_up(most(m / workers, *nb), *nb);
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

static da_status lu_tasks(operation *op, const da_array *lu, const da_array *pivots, int64_t mb, int64_t nb)
{
    const int64_t m = rows_of(lu), n = cols_of(lu), rank = least(m, n);
    const bool devices = devices_for(0, (double)m * (double)n * (double)rank);
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

da_status lu_factor(operation *op, da_array **lu, da_array **pivots, const da_array *a)
{
    da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM], mb, nb;

    choose_tile(&shape, &mb, &nb);
    tile_with(tile, &shape, mb, nb);
    DA_TRY(operation_array(op, lu, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, *lu, a, 0, false, mb, nb));

    shape.ndim--;
    shape.dim[shape.ndim - 1] = least(rows_of(a), cols_of(a));
    tile[shape.ndim - 1] = nb;
    DA_TRY(operation_array(op, pivots, DA_PIVOT_DTYPE, &shape, tile));
    return lu_tasks(op, *lu, *pivots, mb, nb);
}

da_status lu_solve_tasks(operation *op, const da_array *lu, const da_array *pivots, bool given, da_array *x)
{
    const int64_t n = rows_of(x);
    const bool devices = !given && devices_for(0, (double)n * (double)n * (double)cols_of(x));
    const int64_t step = devices ? tile_step(pivots, pivots->ndim - 1) : most(n, 1);
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    rhs_tile(tile, x, false);
    EACH_LEAD (at, x) {
        EACH_SPAN (p, 0, cols_of(x), tile[x->ndim - 1]) {
            EACH_SPAN (k, 0, n, step) {
                const da_pivot_args args = {.offset = k.at, .given = given};

                task_begin(&t, &da_codelet_laswp);
                access_vector(&t, pivots, &at, k, DA_MODE_READ);
                access_block(&t, x, &at, (span){k.at, n - k.at}, p, DA_MODE_READ_WRITE);
                task_value(&t, &args, sizeof args);
                DA_TRY(task_add(&t, &op->batch));
            }
        }
    }
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
