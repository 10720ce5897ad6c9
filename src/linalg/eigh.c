/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eigenvalues of Hermitian matrices: small ones, eigenvalues alone and what devices may have in one task a matrix, LAPACK's heevd. Larger ones in its
 * three steps: a = Q T Q^H by hetrd, T = Z W Z^H by divide and conquer, a task each, and Q Z in block columns, for all workers, in
 * blocks of more reflectors than LAPACK takes. Their T factors are made beside the second step.
 */
#include "linalg/linalg.h"

#include <inttypes.h>

#define NOT_FINITE "eigh: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "eigh: the iteration did not converge (LAPACK's info is %" PRId64 ", n is %" PRId64 ")"

enum {
    COPIED = 256,    /* columns of a task that copies */
    SMALL = 200,     /* order up to which one task is quicker */
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

/* Whether the three steps are for such a matrix; then the width of the block columns too. */
static bool in_steps(const da_shape *shape, int64_t *width)
{
    const int64_t n = shape->dim[shape->ndim - 1], share = 4 * rt_workers_for_shaping();
    int64_t mb;

    if (tile_forced(shape, &mb, width))
        return n > *width;
    *width = least(most(round_up((n + share - 1) / share, 8), 64), 512);
    return n > SMALL && !devices_for(0, 4 * (double)n * (double)n * (double)n);
}

/* z, in block columns of this width, becomes the eigenvectors of the matrices of which x has one triangle, which is used up; w their
 * eigenvalues. */
static da_status steps(operation *op, const da_array *x, const da_array *w, const da_array *z, unsigned uplo,
                       int64_t width)
{
    const da_heevd_args args = {.uplo = uplo};
    const da_unmqr_args apply = {0};
    const da_shape shape = array_shape_of(x);
    const int64_t n = rows_of(x), ib = least(REFLECTORS, width);
    const da_shape tau_shape = shape_with(x, n, 1), t_shape = shape_with(x, ib, n);
    const span all = {0, n}, below = {1, n - 1}, reflectors = {0, n - 1}, one = {0, 1}, top = {0, ib};
    da_array *off = NULL, *tau = NULL, *factors = NULL;
    int64_t tile[DA_MAX_NDIM];
    task_builder t;

    DA_TRY(operation_vectors(op, &off, w->s->dtype, &shape, n));
    tile_with(tile, &tau_shape, n, 1);
    DA_TRY(operation_array(op, &tau, x->s->dtype, &tau_shape, tile));
    tile_with(tile, &t_shape, ib, ib);
    DA_TRY(operation_array(op, &factors, x->s->dtype, &t_shape, tile));
    EACH_LEAD (at, x) {
        task_begin(&t, &da_codelet_hetrd);
        access_block(&t, x, &at, all, all, DA_MODE_READ_WRITE);
        access_vector(&t, w, &at, all, DA_MODE_WRITE);
        access_vector(&t, off, &at, all, DA_MODE_WRITE);
        access_block(&t, tau, &at, all, one, DA_MODE_WRITE);
        task_value(&t, &args, sizeof args);
        task_priority(&t, PRIORITY_FIRST);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));

        task_begin(&t, &da_codelet_stedc);
        access_vector(&t, w, &at, all, DA_MODE_READ_WRITE);
        access_vector(&t, off, &at, all, DA_MODE_READ_WRITE);
        access_block(&t, z, &at, all, all, DA_MODE_WRITE);
        task_priority(&t, PRIORITY_FIRST);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));

        EACH_SPAN (k, 0, n - 1, ib) {
            task_begin(&t, &da_codelet_larft);
            access_block(&t, x, &at, (span){k.at + 1, n - 1 - k.at}, k, DA_MODE_READ);
            access_block(&t, tau, &at, k, one, DA_MODE_READ);
            access_block(&t, factors, &at, top, k, DA_MODE_WRITE);
            DA_TRY(task_add(&t, &op->batch));
        }
        EACH_SPAN (p, 0, n, width) {
            task_begin(&t, &da_codelet_gemqrt);
            access_block(&t, x, &at, below, reflectors, DA_MODE_READ);
            access_block(&t, factors, &at, top, reflectors, DA_MODE_READ);
            access_block(&t, z, &at, below, p, DA_MODE_READ_WRITE);
            task_value(&t, &apply, sizeof apply);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **w, da_array **v, const da_array *a, unsigned flags)
{
    const unsigned uplo = flags & DA_UPPER ? DA_UPPER : DA_LOWER;
    const da_shape shape = array_shape_of(a);
    const int64_t n = rows_of(a);
    da_array *x = NULL, *values = NULL, *vectors = NULL;
    int64_t tile[DA_MAX_NDIM], width;

    tile_of_whole(tile, &shape, 4 * (double)n * (double)n * (double)n);
    DA_TRY(operation_array(op, &x, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, a, uplo, false, most(n, 1), COPIED));
    DA_TRY(operation_vectors(op, &values, dtype_real(a->s->dtype), &shape, n));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, n));
    if (v && in_steps(&shape, &width)) {
        tile_with(tile, &shape, n, width);
        DA_TRY(operation_array(op, &vectors, a->s->dtype, &shape, tile));
        DA_TRY(steps(op, x, values, vectors, uplo, width));
    } else {
        vectors = x;
        DA_TRY(eigh_tasks(op, x, values, uplo, v != NULL));
    }
    if (w)
        DA_TRY(operation_result(op, w, values, 1, &a));
    return v ? operation_result(op, v, vectors, 1, &a) : DA_OK;
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
