/* SPDX-License-Identifier: BSD-3-Clause */
/* Operands: what the kernels here take, matrices of buffers, batches. */
#include "module.h"

#include <limits.h>

enum { MOST_BUFFERS = 5 };

/* The axis of b's batch that is axis `d` of `ndim` common ones, or -1 where b has none or one matrix for all of it. */
static int batch_axis(const da_buffer *b, int axes, int d, int ndim)
{
    const int own = d - (ndim - (b->ndim - axes));

    return own >= 0 && b->shape[own] != 1 ? own : -1;
}

static int batch_ndim(const da_call *call, const unsigned char *axes)
{
    int ndim = 0;

    for (int i = 0; i < call->nbuffers; i++)
        if (call->buffers[i].ndim - axes[i] > ndim)
            ndim = call->buffers[i].ndim - axes[i];
    return ndim;
}

static bool is_matrix(const da_buffer *b)
{
    const int lead = b->ndim > 2 ? b->ndim - 2 : 0;
    const int64_t m = b->ndim > 0 ? b->shape[lead] : 1, n = b->ndim > 1 ? b->shape[lead + 1] : 1;

    if (m > INT_MAX || n > INT_MAX)
        return false;
    if (m > 1 && n > 0 && b->strides[lead] != 1)
        return false;
    return n <= 1 || m == 0 || (b->strides[lead + 1] >= m && b->strides[lead + 1] <= INT_MAX);
}

static bool is_vector(const da_buffer *b)
{
    return b->ndim > 0 && (b->shape[b->ndim - 1] <= 1 || b->strides[b->ndim - 1] == 1) &&
           b->shape[b->ndim - 1] <= INT_MAX;
}

bool cuda_takes(const da_call *call, int n, const unsigned char *axes, const unsigned char *written,
                const cuda_kin *kin)
{
    if (call->nbuffers != n)
        return false;
    const int ndim = batch_ndim(call, axes);
    da_dtype dtype = call->buffers[0].dtype; /* if no operand says more */
    for (int i = n - 1; i >= 0; i--)
        dtype = axes[i] > 1 && kin[i] == CUDA_SAME ? call->buffers[i].dtype : dtype;
    const bool single = dtype == DA_F32 || dtype == DA_C64;
    const da_dtype dtypes[] = {dtype, single ? DA_F32 : DA_F64, single ? DA_C64 : DA_C128};
    for (int i = 0; i < n; i++) {
        const da_buffer *const b = &call->buffers[i];

        if (axes[i] == 1 && kin[i] == CUDA_SAME) {
            if (b->dtype != DA_I64 || b->ndim < 1)
                return false;
        } else if (b->dtype != dtypes[kin[i]] || !(axes[i] == 1 ? is_vector(b) : is_matrix(b)))
            return false;
    }
    for (int d = 0; d < ndim; d++) {
        int64_t extent = 1;

        for (int i = 0; i < n; i++) {
            const int own = batch_axis(&call->buffers[i], axes[i], d, ndim);

            if (own < 0)
                continue;
            if (extent != 1 && call->buffers[i].shape[own] != extent)
                return false;
            extent = call->buffers[i].shape[own];
        }
        for (int i = 0; i < n; i++)
            if (written[i] && extent != 1 && batch_axis(&call->buffers[i], axes[i], d, ndim) < 0)
                return false;
    }
    return dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128;
}

cuda_matrix cuda_matrix_of(const da_call *call, int index)
{
    const da_buffer *const b = &call->buffers[index];
    const int64_t m = b->ndim > 0 ? b->shape[0] : 1, n = b->ndim > 1 ? b->shape[1] : 1;
    const int64_t least = m > 1 ? m : 1, ld = n > 1 ? b->strides[1] : least;

    return (cuda_matrix){(char *)b->data + b->offset * (int64_t)da_dtype_size(b->dtype), (int)m, (int)n,
                         (int)(ld < least ? least : ld)};
}

da_status cuda_each(const da_call *call, const unsigned char *axes, da_kernel run)
{
    const int ndim = batch_ndim(call, axes);
    int64_t shape[DA_MAX_NDIM] = {0}, index[DA_MAX_NDIM] = {0};
    da_buffer buffers[MOST_BUFFERS];
    da_call one = *call;

    if (ndim == 0)
        return run(call);
    for (int d = 0; d < ndim; d++) {
        shape[d] = 1;
        for (int i = 0; i < call->nbuffers; i++) {
            const int own = batch_axis(&call->buffers[i], axes[i], d, ndim);

            if (own >= 0)
                shape[d] = call->buffers[i].shape[own];
        }
        if (shape[d] == 0)
            return DA_OK;
    }
    one.buffers = buffers;
    for (;;) {
        int d = ndim - 1;

        for (int i = 0; i < call->nbuffers; i++) {
            const da_buffer *const all = &call->buffers[i];
            const int lead = all->ndim > axes[i] ? all->ndim - axes[i] : 0;

            buffers[i] = *all;
            buffers[i].ndim -= lead;
            buffers[i].shape += lead;
            buffers[i].strides += lead;
            for (int e = 0; e < ndim; e++) {
                const int own = batch_axis(all, axes[i], e, ndim);

                if (own >= 0)
                    buffers[i].offset += index[e] * all->strides[own];
            }
        }
        DA_TRY(run(&one));
        while (d >= 0 && ++index[d] == shape[d])
            index[d--] = 0;
        if (d < 0)
            return DA_OK;
    }
}
