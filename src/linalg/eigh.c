/* SPDX-License-Identifier: BSD-3-Clause */
/* Eigenvalues of Hermitian matrices: LAPACK's divide and conquer, a task a matrix. */
#include "linalg/linalg.h"

#include <inttypes.h>

#define NOT_FINITE "eigh: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "eigh: the iteration did not converge (LAPACK's info is %" PRId64 ", n is %" PRId64 ")"

enum { COPIED = 256 }; /* columns of a task that copies */

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

static da_status build(operation *op, da_array **w, da_array **v, const da_array *a, unsigned flags)
{
    const unsigned uplo = flags & DA_UPPER ? DA_UPPER : DA_LOWER;
    const da_shape shape = array_shape_of(a);
    const int64_t n = rows_of(a);
    da_array *x = NULL, *values = NULL;
    int64_t tile[DA_MAX_NDIM];

    tile_of_whole(tile, &shape, 4 * (double)n * (double)n * (double)n);
    DA_TRY(operation_array(op, &x, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, a, uplo, false, most(n, 1), COPIED));
    DA_TRY(operation_vectors(op, &values, dtype_real(a->s->dtype), &shape, n));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, n));
    DA_TRY(eigh_tasks(op, x, values, uplo, v != NULL));
    if (w)
        DA_TRY(operation_result(op, w, values, 1, &a));
    return v ? operation_result(op, v, x, 1, &a) : DA_OK;
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
