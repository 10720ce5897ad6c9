/* SPDX-License-Identifier: BSD-3-Clause */
/* Diagonals and traces of matrices of any dtype. A view cannot walk along two axes at once, so a diagonal is a copy. */
#include "linalg/linalg.h"

#include <darray/expr.h>
#include <string.h>

static da_status check(const da_array *a, const char *function)
{
    char text[SHAPE_TEXT];

    DA_TRY(array_check(a, function, "a"));
    if (a->ndim < 2) {
        const da_shape shape = array_shape_of(a);

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s; it must be a matrix", function,
                       shape_text(&shape, text));
    }
    return DA_OK;
}

/* One task for each piece of the diagonal that lies in one tile of all three: the result, and the matrix's rows and columns. The diagonal
 * begins at (row, column). */
static da_status diagonal_tasks(operation *op, const da_array *d, const da_array *a, int64_t row,
                                int64_t column)
{
    const int last = d->ndim - 1;
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM];
    piece_walk w;

    for (bool more = piece_first(&w, d); more; more = piece_next(&w)) {
        const int64_t end = w.start[last] + w.count[last];
        int64_t n;

        memcpy(start, w.start, sizeof start);
        memcpy(count, w.count, sizeof count);
        for (int64_t at = w.start[last]; at < end; at += n) {
            task_builder t;

            n = least(array_piece_end(a, last, row + at) - row,
                      array_piece_end(a, last + 1, column + at) - column);
            n = least(n, end) - at;
            w.start[last] = at;
            w.count[last] = n;
            start[last] = row + at;
            start[last + 1] = column + at;
            count[last] = count[last + 1] = n;
            task_begin(&t, &array_codelet_diagonal);
            task_access(&t, d, w.start, w.count, DA_MODE_WRITE);
            task_access(&t, a, start, count, DA_MODE_READ);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **out, const da_array *a, int64_t offset)
{
    const int64_t m = rows_of(a), n = cols_of(a);
    const int64_t row = offset < 0 ? (offset < -m ? m : -offset) : 0;
    const int64_t column = offset > 0 ? least(offset, n) : 0;
    da_shape shape = array_shape_of(a);
    da_array *d = NULL;

    shape.ndim--;
    shape.dim[shape.ndim - 1] = least(m - row, n - column);
    DA_TRY(array_check_shape(&shape, a->s->dtype,
                             "da_diagonal")); /* a broadcast view may be larger than memory */
    DA_TRY(operation_array(op, &d, a->s->dtype, &shape, NULL));
    DA_TRY(diagonal_tasks(op, d, a, row, column));
    return operation_result(op, out, d, 1, &a);
}

da_status da_diagonal(da_array **out, const da_array *a, int64_t offset)
{
    operation op;

    DA_TRY(array_check_out(out, "da_diagonal"));
    DA_TRY(check(a, "da_diagonal"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, out, a, offset));
}

da_status da_trace(da_array **out, const da_array *a, int64_t offset)
{
    da_array *diagonal = NULL;
    da_status status;

    DA_TRY(array_check_out(out, "da_trace"));
    DA_TRY(check(a, "da_trace"));
    if (!da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE,
                       "da_trace: a is %s, which is for storage; da_astype() it to compute with it",
                       da_dtype_name(a->s->dtype));
    DA_TRY(da_diagonal(&diagonal, a, offset));
    status = da_sum(out, diagonal, DA_AXES(-1), 0);
    da_array_release(&diagonal);
    return status;
}
