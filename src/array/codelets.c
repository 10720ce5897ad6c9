/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernels of codelets/ as codelets. */
#include "array/array.h"
#include "array/codelets.h"
#include "codelets/array_kernels.h"
#include "codelets/device/device.h"
#include <string.h>

static double elements(const da_call *call)
{
    double n = 1;
    for (int d = 0; d < call->buffers[0].ndim; d++)
        n *= (double)call->buffers[0].shape[d];
    return n;
}

static da_status fill(const da_call *call)
{
    const da_buffer *b = call->buffers;
    kernel_fill(b->ndim, b->shape, da_dtype_size(b->dtype), b->data, b->strides, call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_fill = {
    .name = "fill",
    .cpu = fill,
    .nbuffers = 1,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_element)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status copy(const da_call *call)
{
    const da_buffer *d = &call->buffers[0], *s = &call->buffers[1];
    kernel_copy(d->ndim, d->shape, d->dtype, d->data, d->strides, s->dtype, s->data, s->strides);
    return DA_OK;
}

const da_codelet array_codelet_copy = {
    .name = "copy",
    .cpu = copy,
    .nbuffers = 2,
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

/* copy, where the last two axes of the source are walked along at once */
static da_status diagonal(const da_call *call)
{
    const da_buffer *d = &call->buffers[0], *s = &call->buffers[1];
    const int last = d->ndim - 1;
    int64_t strides[DA_MAX_NDIM];

    memcpy(strides, s->strides, (size_t)last * sizeof strides[0]);
    strides[last] = s->strides[last] + s->strides[last + 1];
    kernel_copy(d->ndim, d->shape, d->dtype, d->data, d->strides, s->dtype, s->data, strides);
    return DA_OK;
}

const da_codelet array_codelet_diagonal = {
    .name = "diagonal",
    .cpu = diagonal,
    .nbuffers = 2,
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status reshape(const da_call *call)
{
    const da_buffer *d = &call->buffers[0], *s = &call->buffers[1];
    kernel_reshape(d->dtype, d->ndim, d->shape, d->data, d->strides, s->ndim, s->data, s->strides,
                   call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_reshape = {
    .name = "reshape",
    .cpu = reshape,
    .nbuffers = 2,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_reshape_args)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status arange(const da_call *call)
{
    const da_buffer *b = call->buffers;
    kernel_arange(b->dtype, b->shape[0], b->data, b->strides[0], call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_arange = {
    .name = "arange",
    .cpu = arange,
    .nbuffers = 1,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_arange_args)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status linspace(const da_call *call)
{
    const da_buffer *b = call->buffers;
    kernel_linspace(b->dtype, b->shape[0], b->data, b->strides[0], call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_linspace = {
    .name = "linspace",
    .cpu = linspace,
    .nbuffers = 1,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_linspace_args)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status eye(const da_call *call)
{
    const da_buffer *b = call->buffers;
    kernel_eye(da_dtype_size(b->dtype), b->shape, b->data, b->strides, call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_eye = {
    .name = "eye",
    .cpu = eye,
    .nbuffers = 1,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_eye_args)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};

static da_status random_numbers(const da_call *call)
{
    const da_buffer *b = call->buffers;
    kernel_random(b->dtype, da_dtype_size(b->dtype), b->ndim, b->shape, b->data, b->strides,
                  call->values[0].data);
    return DA_OK;
}

const da_codelet array_codelet_random = {
    .name = "random",
    .cpu = random_numbers,
    .nbuffers = 1,
    .nvalues = 1,
    .value_sizes = {sizeof(kernel_random_args)},
    .flops = elements,
    .flags = DA_CODELET_OWN,
};
