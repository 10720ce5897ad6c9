/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LU without exchanges, a = L U, right-looking. With few workers a panel is a whole block column, so that a step on a column further right
 * is one solve and one product; with many, and on devices, everything is cut into square tiles as for Cholesky.
 */
#include "linalg/linalg.h"

#include <inttypes.h>

#define ZERO_PIVOT "lu_nopivot: pivot %" PRId64 " of %" PRId64 " is zero"

enum { PRIORITY_PANEL = 1000, PRIORITY_SOLVE = 950, PRIORITY_NEXT = 900, PRIORITY_UPDATE = 500 };

static void choose_tile(const da_shape *shape, da_dtype dtype, int64_t *mb, int64_t *nb)
{
    const int64_t m = shape->dim[shape->ndim - 2], n = shape->dim[shape->ndim - 1], rank = least(m, n);
    int64_t rows;

    if (tile_forced(shape, &rows, nb)) {
        *mb = rows >= m ? most(m, 1) : *nb;
    } else if (tasks_for_devices(&da_codelet_gemm, dtype, (double)m * (double)n * (double)rank)) {
        *mb = *nb = device_step(rank);
    } else {
        *nb = rank <= 256 ? 256 : rank <= 3072 ? 192 : 256;
        *mb = rt_few_workers() ? most(m, 1) : *nb;
    }
}

/* Whether `a` can be factored where it is; the tiles are then its own. */
static bool own_tile(const da_array *a, int64_t *mb, int64_t *nb)
{
    const int down = a->axis[a->ndim - 2], across = a->axis[a->ndim - 1];
    const int64_t m = rows_of(a), n = cols_of(a);
    const da_shape shape = array_shape_of(a);
    int64_t best;

    choose_tile(&shape, a->s->dtype, mb, nb);
    best = *nb;
    if (!is_column_major(a))
        return false;
    if (m <= best && n <= best)
        return true;
    if (down < 0 || across < 0 || a->step[a->ndim - 1] != 1)
        return false;
    *nb = a->s->tile[across];
    if (*mb < m) {
        *mb = *nb;
        if (a->s->tile[down] != *nb || a->step[a->ndim - 2] != 1 || a->origin[down] % *nb != 0)
            return false;
    }
    return a->origin[across] % *nb == 0 && *nb >= best / 2 && *nb <= 2 * best;
}

static da_status add(operation *op, task_builder *t, const void *value, size_t size, int priority)
{
    task_value(t, value, size);
    task_priority(t, priority);
    return task_add(t, &op->batch);
}

/* What panel k does to the columns j on its right. */
static da_status update_columns(operation *op, const da_array *lu, const lead *at, span k, span j, int64_t mb,
                                int priority)
{
    const da_trsm_args left = {.flags = DA_LOWER | DA_UNIT, .alpha = {1, 0}};
    const da_gemm_args minus = {.alpha = {-1, 0}, .beta = {1, 0}};
    task_builder t;

    task_begin(&t, &da_codelet_trsm);
    access_block(&t, lu, at, k, k, DA_MODE_READ);
    access_block(&t, lu, at, k, j, DA_MODE_READ_WRITE);
    DA_TRY(add(op, &t, &left, sizeof left, priority));
    EACH_SPAN (i, k.at + k.n, rows_of(lu), mb) {
        task_begin(&t, &da_codelet_gemm);
        access_block(&t, lu, at, i, k, DA_MODE_READ);
        access_block(&t, lu, at, k, j, DA_MODE_READ);
        access_block(&t, lu, at, i, j, DA_MODE_READ_WRITE);
        DA_TRY(add(op, &t, &minus, sizeof minus, priority));
    }
    return DA_OK;
}

static da_status factor_tasks(operation *op, const da_array *lu, int64_t mb, int64_t nb)
{
    const int64_t m = rows_of(lu), n = cols_of(lu), rank = least(m, n);
    const da_trsm_args right = {.flags = DA_RIGHT | DA_UPPER, .alpha = {1, 0}};
    const bool whole = mb >= m;
    task_builder t;

    DA_TRY(operation_fault(op, ZERO_PIVOT, rank));
    EACH_LEAD (at, lu) {
        EACH_SPAN (k, 0, rank, nb) {
            const int64_t next = k.at + k.n;
            const da_pivot_args args = {.offset = k.at};

            task_begin(&t, &da_codelet_getrf_nopivot);
            access_block(&t, lu, &at, whole ? (span){k.at, m - k.at} : k, k, DA_MODE_READ_WRITE);
            task_fault(&t, op->fault, 0);
            DA_TRY(add(op, &t, &args, sizeof args, PRIORITY_PANEL));
            EACH_SPAN (i, whole ? m : next, m, mb) {
                task_begin(&t, &da_codelet_trsm);
                access_block(&t, lu, &at, k, k, DA_MODE_READ);
                access_block(&t, lu, &at, i, k, DA_MODE_READ_WRITE);
                DA_TRY(add(op, &t, &right, sizeof right, PRIORITY_SOLVE));
            }
            EACH_SPAN (j, next, n, nb) {
                const int64_t later = least((j.at - next) / nb, PRIORITY_UPDATE);

                DA_TRY(update_columns(op, lu, &at, k, j, mb,
                                      j.at == next ? PRIORITY_NEXT : PRIORITY_UPDATE - (int)later));
            }
        }
    }
    return DA_OK;
}

/* The factors of a in an array of the operation's. */
static da_status factor(operation *op, da_array **lu, const da_array *a, int64_t mb, int64_t nb)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &shape, mb, nb);
    DA_TRY(operation_array(op, lu, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, *lu, a, 0, false, mb, nb));
    return factor_tasks(op, *lu, mb, nb);
}

static da_status build(operation *op, da_array **out, const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    da_array *lu = NULL;
    int64_t mb, nb;

    choose_tile(&shape, a->s->dtype, &mb, &nb);
    DA_TRY(factor(op, &lu, a, mb, nb));
    return operation_result(op, out, lu, 1, &a);
}

da_status da_lu_nopivot(da_array **lu, const da_array *a)
{
    operation op;

    DA_TRY(array_check_out(lu, "da_lu_nopivot"));
    DA_TRY(check_matrix(a, false, "da_lu_nopivot", "a"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, lu, a));
}

static da_status build_in_place(operation *op, da_array *a)
{
    const da_shape shape = array_shape_of(a);
    da_array *w = NULL;
    int64_t mb, nb;

    if (own_tile(a, &mb, &nb)) {
        DA_TRY(factor_tasks(op, a, mb, nb));
    } else {
        choose_tile(&shape, a->s->dtype, &mb, &nb);
        DA_TRY(factor(op, &w, a, mb, nb));
        DA_TRY(copy_triangle(op, a, w, 0, false, mb, nb));
    }
    return operation_in_place(op, a, false, 0, NULL);
}

da_status da_lu_nopivot_inplace(da_array *a)
{
    operation op;

    DA_TRY(check_matrix(a, false, "da_lu_nopivot_inplace", "a"));
    DA_TRY(check_writable(a, "da_lu_nopivot_inplace", "a"));
    operation_begin(&op);
    return operation_finish(&op, build_in_place(&op, a));
}
