/* SPDX-License-Identifier: BSD-3-Clause */
#include "numbers.h"

#include "kernels.h"

#include <stdio.h>

bool da_device_fits_batch(const da_buffer *b, int axes, int lead, const int64_t *shape)
{
    const int own = da_device_leading(b, axes);

    for (int d = 0; d < own; d++)
        if (own > lead || (b->shape[d] != 1 && b->shape[d] != shape[lead - own + d]))
            return false;
    return true;
}

void da_device_batch_strides(const da_buffer *b, int axes, int lead, int64_t *strides)
{
    const int own = da_device_leading(b, axes);

    for (int d = 0; d < lead; d++) {
        const int k = d - (lead - own);
        strides[d] = k >= 0 && b->shape[k] > 1 ? b->strides[k] : 0;
    }
}

static bool is_column_major(const da_buffer *b)
{
    const int64_t m = da_device_rows(b), n = da_device_columns(b);

    return (m <= 1 || b->strides[b->ndim - 2] == 1) && (n <= 1 || da_device_stride(b) >= (m > 1 ? m : 1));
}

static int64_t matrices_of(const da_buffer *b, int axes)
{
    int64_t count = 1;

    for (int d = 0; d < da_device_leading(b, axes); d++)
        count *= b->shape[d];
    return count;
}

bool da_device_takes_batch(const da_device_ops *ops, const da_call *call, const unsigned char *kinds)
{
    const int last = call->nbuffers - 1, last_axes = kinds[last] & DA_DEVICE_AXES;
    const da_buffer *const whole = &call->buffers[last];
    const int lead = da_device_leading(whole, last_axes);
    da_dtype dtype = (da_dtype)0;

    for (int i = 0; i <= last; i++) {
        const da_buffer *b = &call->buffers[i];
        const int axes = kinds[i] & DA_DEVICE_AXES;

        for (int d = 0; d < b->ndim; d++)
            if (b->shape[d] == 0)
                return false;
        if (b->ndim < axes || !da_device_fits_batch(b, axes, lead, whole->shape))
            return false;
        if (kinds[i] & DA_DEVICE_WHOLE && matrices_of(b, axes) != matrices_of(whole, last_axes))
            return false;
        if (axes == 1
                ? b->dtype != DA_PIVOT_DTYPE
                : (dtype && b->dtype != dtype) || !(kinds[i] & DA_DEVICE_ANY_STRIDES || is_column_major(b)))
            return false;
        if (axes == 2)
            dtype = b->dtype;
    }
    return ops->has(dtype);
}

da_device_batch da_device_batch_of(const da_call *call, const unsigned char *kinds)
{
    const int last = call->nbuffers - 1;
    da_device_batch b = {.ndim = da_device_leading(&call->buffers[last], kinds[last] & DA_DEVICE_AXES)};

    b.count = matrices_of(&call->buffers[last], kinds[last] & DA_DEVICE_AXES);
    for (int d = 0; d < b.ndim; d++)
        b.shape[d] = call->buffers[last].shape[d];
    for (int i = 0; i <= last; i++)
        da_device_batch_strides(&call->buffers[i], kinds[i] & DA_DEVICE_AXES, (int)b.ndim, b.step[i]);
    return b;
}

da_status da_device_launch_numbers(const da_device_ops *ops, const da_call *call, const char *entry,
                                   const char *text, da_dtype dtype, int64_t items, int nargs,
                                   const da_device_arg *args)
{
    const bool single = dtype == DA_F32 || dtype == DA_C64, complex = dtype == DA_C64 || dtype == DA_C128;
    char definitions[80];

    snprintf(definitions, sizeof definitions, "#define T %s\n#define REAL %s\n#define COMPLEX %d\n",
             complex ? (single ? "c64" : "c128") : (single ? "f32" : "f64"), single ? "f32" : "f64", complex);
    return da_device_launch(ops, call, entry, definitions, da_text_numbers, text, items, items, nargs, args);
}
