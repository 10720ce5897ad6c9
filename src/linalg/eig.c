/* SPDX-License-Identifier: BSD-3-Clause */
/* Eigenvalues of general matrices: LAPACK's QR algorithm, a task a matrix. */
#include "linalg/linalg.h"

#include <inttypes.h>

#define NOT_FINITE "eig: column %" PRId64 " of %" PRId64 " has a NaN or an infinity"
#define NOT_CONVERGED "eig: eigenvalues 1 to %" PRId64 " of %" PRId64 " did not converge"

enum { COPIED = 256 }; /* columns of a task that copies */

/* w and, unless it is null, v of x, which is used up. */
static da_status eig_tasks(operation *op, const da_array *x, const da_array *w, const da_array *v)
{
    const span all = {0, rows_of(x)};
    task_builder t;

    if (all.n == 0)
        return DA_OK;
    EACH_LEAD (at, x) {
        task_begin(&t, v ? &da_codelet_geev : &da_codelet_geev_values);
        access_block(&t, x, &at, all, all, DA_MODE_READ_WRITE);
        access_vector(&t, w, &at, all, DA_MODE_WRITE);
        if (v)
            access_block(&t, v, &at, all, all, DA_MODE_WRITE);
        task_fault(&t, op->fault, 0);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **w, da_array **v, const da_array *a)
{
    const da_dtype result = dtype_complex(a->s->dtype);
    const da_shape shape = array_shape_of(a);
    const int64_t n = rows_of(a);
    da_array *x = NULL, *values = NULL, *vectors = NULL;
    int64_t tile[DA_MAX_NDIM];

    tile_of_whole(tile, &shape,
                  whole_for_devices(&da_codelet_geev, a->s->dtype, (double)n * (double)n,
                                    25 * (double)n * (double)n * (double)n));
    DA_TRY(operation_array(op, &x, a->s->dtype, &shape, tile));
    DA_TRY(copy_triangle(op, x, a, 0, false, most(n, 1), COPIED));
    if (v)
        DA_TRY(operation_array(op, &vectors, result, &shape, tile));
    DA_TRY(operation_vectors(op, &values, result, &shape, n, n));
    DA_TRY(operation_fault_two(op, NOT_FINITE, NOT_CONVERGED, n));
    DA_TRY(eig_tasks(op, x, values, vectors));
    if (w)
        DA_TRY(operation_result(op, w, values, 1, &a));
    return v ? operation_result(op, v, vectors, 1, &a) : DA_OK;
}

static da_status eig(da_array **w, da_array **v, const da_array *a, const char *function)
{
    operation op;

    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_square(a, function, "a"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, w, v, a));
}

da_status da_eig(da_array **w, da_array **v, const da_array *a)
{
    if (!w && !v)
        return err_set(DA_ERROR_ARGUMENT, "da_eig: neither w nor v is wanted");
    if (w == v)
        return err_set(DA_ERROR_ARGUMENT, "da_eig: w and v are the same pointer");
    return eig(w, v, a, "da_eig");
}

da_status da_eigvals(da_array **w, const da_array *a)
{
    DA_TRY(array_check_out(w, "da_eigvals"));
    return eig(w, NULL, a, "da_eigvals");
}
