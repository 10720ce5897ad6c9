/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cholesky: a = L L^H, right-looking, on tiles of mb x nb with mb a multiple of nb.
 *
 * Few workers get tall tiles (block columns, each cut into a few blocks of rows), many get square ones. A diagonal block lies in the
 * same tile as rows below it, which are solved with it at the same time; so its factor is also copied to where the
 * others read it from.
 *
 * The upper factor, a = U^H U, is the lower one of a^T: U = L^T. Both transposes are views.
 */
#include "linalg/tiles.h"

#include <inttypes.h>

#define NOT_DEFINITE "cholesky: leading minor %" PRId64 " of %" PRId64 " is not positive definite"

enum { PRIORITY_PANEL = 1000, PRIORITY_SOLVE = 950, PRIORITY_NEXT = 900, PRIORITY_UPDATE = 500 };

static da_status run(da_array *const *inputs)
{
    DA_AUTO da_array *factor = NULL;

    return da_cholesky(&factor, inputs[0], DA_LOWER);
}

const tile_operation tile_cholesky = {
    .name = "cholesky", .ninputs = 1, .square = true, .definite = true, .multiple = 1, .run = run};

/* The tiling for n x n: one tile while a single task is fastest. False if it is forced. */
static bool rule(const da_shape *shape, da_dtype dtype, int64_t *mb, int64_t *nb)
{
    const int64_t n = shape->dim[shape->ndim - 1], workers = rt_workers_for_shaping();
    const double flops = (double)n * (double)n * (double)n / 3;

    if (tile_forced(shape, mb, nb)) {
        *mb = round_up(*mb, *nb);
        return false;
    }
    if (tasks_for_devices(&da_codelet_cholesky_update, dtype, flops)) {
        *mb = *nb = device_step(n);
    } else {
        *nb = n <= 256 ? most(n, 1) : !rt_few_workers() ? 256 : n < 2048 ? 128 : n < 4096 ? 192 : 352;
        *mb = most(round_up(n / (rt_few_workers() ? workers : 2 * workers), *nb), *nb);
    }
    return true;
}

/* The same, or what the models say is faster. */
static void choose_tile(const da_shape *shape, da_dtype dtype, int64_t *mb, int64_t *nb)
{
    const int64_t n = shape->dim[shape->ndim - 1];

    if (rule(shape, dtype, mb, nb) && shape->ndim == 2)
        tile_rated(&tile_cholesky, dtype, (tile_size){n, n, 0}, (double)n * (double)n * (double)n / 3, mb,
                   nb);
}

/* The tiling that `w` has, if it serves as well as the rule's: then nothing need be copied. */
static bool own_tile(const da_array *w, int64_t *mb, int64_t *nb)
{
    const int down = w->axis[w->ndim - 2], across = w->axis[w->ndim - 1];
    const da_shape shape = array_shape_of(w);
    int64_t best_mb, best_nb;

    if (!is_column_major(w))
        return false;
    rule(&shape, w->s->dtype, &best_mb, &best_nb);
    if (rows_of(w) <= best_nb) { /* one task */
        *mb = best_mb;
        *nb = best_nb;
        return true;
    }
    if (down < 0 || across < 0)
        return false;
    *mb = w->s->tile[down];
    *nb = w->s->tile[across];
    return *mb % *nb == 0 && w->origin[down] % *mb == 0 && w->origin[across] % *nb == 0 &&
           *nb >= best_nb / 2 && *nb <= 2 * best_nb && *mb <= best_mb + best_mb / 2;
}

da_status cholesky_tasks(operation *op, da_array *w, int64_t mb, int64_t nb)
{
    const int64_t n = rows_of(w);
    const da_trsm_args solve = {.flags = DA_RIGHT | DA_LOWER | DA_CONJ_TRANSPOSE, .alpha = {1, 0}};
    da_array *diagonal = NULL; /* block k's factor in columns of the same number */
    task_builder t;

    DA_TRY(operation_fault(op, NOT_DEFINITE, n));
    if (n > nb) {
        const da_shape shape = shape_with(w, nb, n);
        int64_t tile[DA_MAX_NDIM];

        tile_with(tile, &shape, nb, nb);
        DA_TRY(operation_array(op, &diagonal, w->s->dtype, &shape, tile));
    }
    EACH_LEAD (at, w) {
        EACH_SPAN (k, 0, n, nb) {
            const int64_t below = k.at + k.n;
            const da_potrf_args args = {.uplo = DA_LOWER, .offset = k.at, .n = n};
            const span top = {0, k.n};

            task_begin(&t, below < n ? &da_codelet_cholesky_diagonal : &da_codelet_potrf);
            access_block(&t, w, &at, k, k, DA_MODE_READ_WRITE);
            if (below < n)
                access_block(&t, diagonal, &at, top, k, DA_MODE_WRITE);
            task_value(&t, &args, sizeof args);
            task_priority(&t, PRIORITY_PANEL);
            task_fault(&t, op->fault, 0);
            DA_TRY(task_add(&t, &op->batch));

            EACH_SPAN (i, below, n, mb) {
                task_begin(&t, &da_codelet_trsm);
                access_block(&t, diagonal, &at, top, k, DA_MODE_READ);
                access_block(&t, w, &at, i, k, DA_MODE_READ_WRITE);
                task_value(&t, &solve, sizeof solve);
                task_priority(&t, PRIORITY_SOLVE);
                DA_TRY(task_add(&t, &op->batch));
            }
            EACH_SPAN (j, below, n, nb) {
                const int64_t later = least((j.at - below) / nb, PRIORITY_UPDATE);

                EACH_SPAN (i, j.at, n, mb) {
                    const da_cholesky_update_args update = {.diagonal = i.at == j.at};

                    task_begin(&t, &da_codelet_cholesky_update);
                    access_block(&t, w, &at, i, k, DA_MODE_READ);
                    access_block(&t, w, &at, j, k, DA_MODE_READ);
                    access_block(&t, w, &at, i, j, DA_MODE_READ_WRITE);
                    task_value(&t, &update, sizeof update);
                    task_priority(&t, (j.at == below ? PRIORITY_NEXT : PRIORITY_UPDATE - (int)later) +
                                          (int)update.diagonal);
                    DA_TRY(task_add(&t, &op->batch));
                }
            }
        }
    }
    return DA_OK;
}

/* A view of a whose lower factor is wanted: a itself, or for the upper factor its transpose. */
static da_status lower_view(operation *op, da_array **out, const da_array *a, unsigned flags)
{
    return operation_own(op, flags & DA_UPPER ? da_matrix_transpose(out, a) : array_view(out, a), out);
}

static da_status check(const da_array *a, unsigned flags, const char *function)
{
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_square(a, function, "a"));
    return check_flags(flags, DA_LOWER | DA_UPPER, function);
}

da_status cholesky_begin(operation *op, da_array **w, const da_array *a, int64_t *mb, int64_t *nb)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    choose_tile(&shape, a->s->dtype, mb, nb);
    tile_with(tile, &shape, *mb, *nb);
    DA_TRY(operation_array(op, w, a->s->dtype, &shape, tile));
    return copy_triangle(op, *w, a, DA_LOWER, true, *mb, *nb);
}

static da_status build(operation *op, da_array **out, const da_array *a, unsigned flags)
{
    da_array *source = NULL, *w = NULL, *factor = NULL;
    int64_t mb, nb;

    DA_TRY(lower_view(op, &source, a, flags));
    DA_TRY(cholesky_begin(op, &w, source, &mb, &nb));
    DA_TRY(cholesky_tasks(op, w, mb, nb));
    DA_TRY(lower_view(op, &factor, w, flags));
    return operation_result(op, out, factor, 1, &a);
}

da_status da_cholesky(da_array **out, const da_array *a, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(out, "da_cholesky"));
    DA_TRY(check(a, flags, "da_cholesky"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, out, a, flags));
}

static da_status build_in_place(operation *op, da_array *a, unsigned flags)
{
    const da_shape shape = array_shape_of(a);
    da_array *own = NULL, *w = NULL;
    int64_t tile[DA_MAX_NDIM], mb, nb;

    DA_TRY(lower_view(op, &own, a, flags));
    if (own_tile(own, &mb, &nb)) {
        DA_TRY(cholesky_tasks(op, own, mb, nb));
    } else {
        choose_tile(&shape, a->s->dtype, &mb, &nb);
        tile_with(tile, &shape, mb, nb);
        DA_TRY(operation_array(op, &w, a->s->dtype, &shape, tile));
        DA_TRY(copy_triangle(op, w, own, DA_LOWER, false, mb, nb)); /* its other triangle is never read */
        DA_TRY(cholesky_tasks(op, w, mb, nb));
        /* by its own tiles: tasks that wrote to one tile would wait for each other */
        DA_TRY(copy_triangle(op, own, w, DA_LOWER, false, tile_step(own, own->ndim - 2),
                             tile_step(own, own->ndim - 1)));
    }
    return operation_in_place(op, a, false, 0, NULL);
}

da_status da_cholesky_inplace(da_array *a, unsigned flags)
{
    operation op;

    DA_TRY(check(a, flags, "da_cholesky_inplace"));
    DA_TRY(check_writable(a, "da_cholesky_inplace", "a"));
    operation_begin(&op);
    return operation_finish(&op, build_in_place(&op, a, flags));
}
