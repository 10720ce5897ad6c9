/* SPDX-License-Identifier: BSD-3-Clause */
/* Products of elements that are not sums: Kronecker's, and the cross product of vectors of three. */
#include "linalg/linalg.h"

#include <darray/expr.h>
#include <string.h>

/* ---- kron: element (i, j) of block (p, q) is a[p, q] b[i, j]: the outer product of interleaved axes, reshaped ---- */

/* A view with a new axis of extent 1 behind each axis of `a`, or in front of it; and in front of all as many as bring it to `ndim`. */
static da_status interleaved(operation *op, da_array **out, const da_array *a, int ndim, bool behind)
{
    da_range index[2 * DA_MAX_NDIM];
    da_array *view = NULL;
    int n = 0;

    for (int d = 0; d < 2 * (ndim - a->ndim); d++)
        index[n++] = DA_NEWAXIS;
    for (int d = 0; d < a->ndim; d++) {
        index[n++] = behind ? DA_WHOLE : DA_NEWAXIS;
        index[n++] = behind ? DA_NEWAXIS : DA_WHOLE;
    }
    DA_TRY(operation_own(op, da_slice(&view, a, n, index), &view));
    *out = view;
    return DA_OK;
}

static da_status build_kron(operation *op, da_array **out, const da_array *a, const da_array *b)
{
    const int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    da_array *left = NULL, *right = NULL, *product = NULL, *result = NULL;
    da_shape shape = {ndim, {0}};

    for (int d = 0; d < ndim; d++) {
        const int i = d - (ndim - a->ndim), j = d - (ndim - b->ndim);

        if (!size_mul(i < 0 ? 1 : a->shape[i], j < 0 ? 1 : b->shape[j], &shape.dim[d]))
            return err_set(DA_ERROR_OVERFLOW, "da_kron: more elements than fit in 64 bits");
    }
    DA_TRY(interleaved(op, &left, a, ndim, true));
    DA_TRY(interleaved(op, &right, b, ndim, false));
    DA_TRY(operation_own(op, da_eval(&product, da_multiply(left, right)), &product));
    DA_TRY(operation_own(op, da_reshape(&result, product, shape), &result));
    return operation_made(op, out, result);
}

da_status da_kron(da_array **out, const da_array *a, const da_array *b)
{
    operation op;

    DA_TRY(array_check_out(out, "da_kron"));
    DA_TRY(array_check(a, "da_kron", "a"));
    DA_TRY(array_check(b, "da_kron", "b"));
    if (a->ndim > DA_MAX_NDIM / 2 || b->ndim > DA_MAX_NDIM / 2)
        return err_set(DA_ERROR_SHAPE, "da_kron: a has %d axes and b has %d; it takes up to %d", a->ndim,
                       b->ndim, DA_MAX_NDIM / 2);
    operation_begin(&op);
    return operation_finish(&op, build_kron(&op, out, a, b));
}

/* ---- cross ---- */

/* The components of the vectors along an axis, one view each. `axis` is counted from the front, or from the last if negative. */
static da_status components(operation *op, da_array **out, const da_array *a, int axis, const char *name)
{
    const int at = axis < 0 ? axis + a->ndim : axis;
    const da_shape shape = array_shape_of(a);
    char text[SHAPE_TEXT];
    da_range index[DA_MAX_NDIM];

    if (at < 0 || at >= a->ndim)
        return err_set(DA_ERROR_INDEX, "da_cross: axis %d of %s, which has shape %s", axis, name,
                       shape_text(&shape, text));
    if (a->shape[at] != 3)
        return err_set(DA_ERROR_SHAPE, "da_cross: %s has shape %s; axis %d must have extent 3", name,
                       shape_text(&shape, text), axis);
    for (int d = 0; d < at; d++)
        index[d] = DA_WHOLE;
    for (int i = 0; i < 3; i++) {
        index[at] = DA_AT(i);
        DA_TRY(operation_own(op, da_slice(&out[i], a, at + 1, index), &out[i]));
    }
    return DA_OK;
}

static da_status broadcast_shapes(da_shape *out, const da_array *a, const da_array *b)
{
    const da_array *const longer = a->ndim >= b->ndim ? a : b, *const shorter = longer == a ? b : a;

    *out = array_shape_of(longer);
    for (int d = 0; d < shorter->ndim; d++) {
        int64_t *const n = &out->dim[longer->ndim - shorter->ndim + d];
        const int64_t own = shorter->shape[d];

        if (own != *n && own != 1 && *n != 1) {
            const da_shape as = array_shape_of(a), bs = array_shape_of(b);
            char at[SHAPE_TEXT], bt[SHAPE_TEXT];

            return err_set(DA_ERROR_SHAPE,
                           "da_cross: without the vectors' axis a has shape %s and b has shape %s, "
                           "which do not broadcast",
                           shape_text(&as, at), shape_text(&bs, bt));
        }
        *n = *n == 1 ? own : *n;
    }
    return DA_OK;
}

static da_status build_cross(operation *op, da_array **out, const da_array *a, const da_array *b, int axis)
{
    const da_dtype dtype = dtype_promote(a->s->dtype, b->s->dtype);
    da_array *x[3], *y[3], *z[3], *result = NULL;
    da_shape shape;
    int at;

    DA_TRY(components(op, x, a, axis, "a"));
    DA_TRY(components(op, y, b, axis, "b"));
    DA_TRY(broadcast_shapes(&shape, x[0], y[0]));
    at = axis < 0 ? axis + shape.ndim + 1 : axis;
    memmove(&shape.dim[at + 1], &shape.dim[at], (size_t)(shape.ndim - at) * sizeof shape.dim[0]);
    shape.dim[at] = 3;
    shape.ndim++;
    DA_TRY(array_check_shape(&shape, dtype, "da_cross"));
    DA_TRY(operation_array(op, &result, dtype, &shape, NULL));
    DA_TRY(components(op, z, result, at, "the result"));
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;

        DA_TRY(da_assign(z[i], da_subtract(da_multiply(x[j], y[k]), da_multiply(x[k], y[j]))));
    }
    return operation_made(op, out, result);
}

da_status da_cross(da_array **out, const da_array *a, const da_array *b, int axis)
{
    operation op;

    DA_TRY(array_check_out(out, "da_cross"));
    DA_TRY(array_check(a, "da_cross", "a"));
    DA_TRY(array_check(b, "da_cross", "b"));
    operation_begin(&op);
    return operation_finish(&op, build_cross(&op, out, a, b, axis));
}
