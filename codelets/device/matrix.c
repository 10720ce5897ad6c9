/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of linear algebra on devices that need no BLAS: copies of matrices and triangles, the identity, row exchanges. */
#include "kernels.h"
#include "launch.h"

#include <stdio.h>

static int leading(const da_buffer *b, int axes)
{
    return b->ndim > axes ? b->ndim - axes : 0;
}

/* Whether `b`, whose last `axes` axes are not of the batch, has one piece for each of the `lead` axes of a batch, or the same for all. */
static bool fits_batch(const da_buffer *b, int axes, int lead, const int64_t *shape)
{
    const int own = leading(b, axes);

    for (int d = 0; d < own; d++)
        if (own > lead || (b->shape[d] != 1 && b->shape[d] != shape[lead - own + d]))
            return false;
    return true;
}

/* The strides of b's leading axes as those of a batch with `lead` axes: 0 where it has one piece for all. */
static void batch_strides(const da_buffer *b, int axes, int lead, int64_t *strides)
{
    const int own = leading(b, axes);

    for (int d = 0; d < lead; d++) {
        const int k = d - (lead - own);
        strides[d] = k >= 0 && b->shape[k] > 1 ? b->strides[k] : 0;
    }
}

static bool takes_dtype(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128;
}

static void define_bytes(char text[32], da_dtype dtype)
{
    snprintf(text, 32, "#define BYTES %zu\n", da_dtype_size(dtype));
}

/* ---- lacpy ---- */

static bool lacpy_takes(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *src = &call->buffers[0], *dst = &call->buffers[1];

    (void)ops;
    return takes_dtype(dst->dtype) && src->dtype == dst->dtype && src->ndim >= 2 && dst->ndim >= 2 &&
           src->shape[src->ndim - 2] == dst->shape[dst->ndim - 2] &&
           src->shape[src->ndim - 1] == dst->shape[dst->ndim - 1] &&
           fits_batch(src, 2, dst->ndim - 2, dst->shape);
}

/* triangle_t of triangle.kernel. */
typedef struct triangle {
    int64_t step[2], least, greatest, clear;
} triangle;

static da_status lacpy(const da_device_ops *ops, const da_call *call)
{
    const da_lacpy_args *args = call->values[0].data;
    const da_buffer *src = &call->buffers[0], *dst = &call->buffers[1];
    const int lead = dst->ndim - 2, row = lead, column = lead + 1;
    int64_t src_strides[DA_MAX_NDIM];
    char definitions[32];

    batch_strides(src, 2, lead, src_strides);
    src_strides[row] = src->strides[src->ndim - 2];
    src_strides[column] = src->strides[src->ndim - 1];
    if (!args->uplo)
        return da_device_copy(ops, call, dst, src, src_strides);

    const int64_t down = dst->strides[row] < 0 ? -dst->strides[row] : dst->strides[row];
    const int64_t right = dst->strides[column] < 0 ? -dst->strides[column] : dst->strides[column];
    const int inner = down <= right ? row : column, outer = inner == row ? column : row;
    /* the diagonal is where column - row is `offset` */
    const triangle t = {
        .step = {inner == row ? -1 : 1, inner == row ? 1 : -1},
        .least = args->uplo & DA_UPPER ? args->offset : INT64_MIN,
        .greatest = args->uplo & DA_LOWER ? args->offset : INT64_MAX,
        .clear = args->clear != 0,
    };
    da_device_axes axes = {.ndim = dst->ndim, .total = 1};
    for (int k = 0; k < dst->ndim; k++) {
        const int from = k == 0 ? inner : k == 1 ? outer : k - 2;
        axes.shape[k] = dst->shape[from];
        axes.dst[k] = dst->strides[from];
        axes.src[k] = src_strides[from];
        axes.total *= dst->shape[from];
    }
    define_bytes(definitions, dst->dtype);
    return da_device_launch(
        ops, call, "triangle", definitions, da_text_move, da_text_triangle, axes.total, axes.total, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(dst), DA_BUFFER_ARG(src), DA_VALUE_ARG(axes), DA_VALUE_ARG(t)});
}

/* ---- laset ---- */

static bool laset_takes(const da_device_ops *ops, const da_call *call)
{
    (void)ops;
    return takes_dtype(call->buffers[0].dtype) && call->buffers[0].ndim >= 2;
}

static da_status laset(const da_device_ops *ops, const da_call *call)
{
    const da_laset_args *args = call->values[0].data;
    const da_buffer *dst = &call->buffers[0];
    const bool is_double = dst->dtype == DA_F64 || dst->dtype == DA_C128;
    const da_device_element one = {is_double ? UINT64_C(0x3ff0000000000000) : UINT64_C(0x3f800000), 0};
    int64_t column_minus_row[DA_MAX_NDIM] = {0};

    column_minus_row[dst->ndim - 2] = -1;
    column_minus_row[dst->ndim - 1] = 1;
    return da_device_set_diagonal(ops, call, dst, column_minus_row, args->offset, one);
}

/* ---- row exchanges ---- */

/* exchange_t of exchange.kernel. */
typedef struct exchange {
    int64_t rows, step, count, offset, inverse, stride;
} exchange;

bool da_device_exchange_takes(const da_call *call, int pivots, int matrix)
{
    const da_buffer *p = &call->buffers[pivots], *a = &call->buffers[matrix];

    return takes_dtype(a->dtype) && p->dtype == DA_PIVOT_DTYPE && p->ndim >= 1 && a->ndim >= 2 &&
           fits_batch(p, 1, a->ndim - 2, a->shape);
}

da_status da_device_exchange(const da_device_ops *ops, const da_call *call, int pivots, int matrix)
{
    const da_pivot_args *args = call->values[0].data;
    const da_buffer *p = &call->buffers[pivots], *a = &call->buffers[matrix];
    const int lead = a->ndim - 2;
    const exchange e = {
        .rows = a->shape[lead],
        .step = a->strides[lead],
        .count = p->shape[p->ndim - 1],
        .offset = args->offset,
        .inverse = args->inverse,
        .stride = p->strides[p->ndim - 1],
    };
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM], pivot_strides[DA_MAX_NDIM];
    char definitions[32];
    da_device_axes axes;

    batch_strides(p, 1, lead, pivot_strides);
    pivot_strides[lead] = 0;
    for (int k = 0; k <= lead; k++) {
        shape[k] = a->shape[k < lead ? k : lead + 1];
        strides[k] = a->strides[k < lead ? k : lead + 1];
    }
    define_bytes(definitions, a->dtype);
    da_device_axes_of(&axes, lead + 1, shape, strides, pivot_strides, 0);
    return da_device_launch(
        ops, call, "exchange", definitions, da_text_move, da_text_exchange, axes.total, axes.total, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(a), DA_BUFFER_ARG(p), DA_VALUE_ARG(axes), DA_VALUE_ARG(e)});
}

static bool laswp_takes(const da_device_ops *ops, const da_call *call)
{
    const da_pivot_args *args = call->values[0].data;

    (void)ops;
    return !args->given && da_device_exchange_takes(call, 0, 1);
}

static da_status laswp(const da_device_ops *ops, const da_call *call)
{
    return da_device_exchange(ops, call, 0, 1);
}

const da_device_kernel da_device_matrix_kernels[] = {
    {"da_lacpy", lacpy_takes, lacpy},
    {"da_laset", laset_takes, laset},
    {"da_laswp", laswp_takes, laswp},
    {NULL, NULL, NULL},
};
