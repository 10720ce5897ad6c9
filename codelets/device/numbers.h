/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches of matrices whose elements are computed with: which calls' operands are such, and launching kernels in numbers.kernel's words on them. */
#ifndef DA_CODELETS_DEVICE_NUMBERS_H
#define DA_CODELETS_DEVICE_NUMBERS_H

#include "launch.h"

/* batch_t of numbers.kernel: at most three operands, and for each what lies between its matrices. */
typedef struct da_device_batch {
    int64_t ndim, count;
    int64_t shape[DA_MAX_NDIM], step[3][DA_MAX_NDIM];
} da_device_batch;

/* What an operand is: the number of its axes that are not of the batch, 1 for int64 vectors and 2 for matrices, all of one dtype; and more. */
enum {
    DA_DEVICE_AXES = 3,
    DA_DEVICE_ANY_STRIDES = 4, /* the matrix need not be column-major */
    DA_DEVICE_WHOLE = 8        /* it has every matrix of the batch, as the last operand always has */
};

/* Whether `b`, whose last `axes` axes are not of the batch, has one piece for each of the `lead` axes of a batch, or the same for all. */
bool da_device_fits_batch(const da_buffer *b, int axes, int lead, const int64_t *shape);

/* The strides of b's leading axes as those of a batch with `lead` axes: 0 where it has one piece for all. */
void da_device_batch_strides(const da_buffer *b, int axes, int lead, int64_t *strides);

/* Whether all operands are what kinds[] say; the last one, which is written, has every matrix of the batch. An empty operand has no memory on the
 * device: what is made of nothing is made on the CPU. */
bool da_device_takes_batch(const da_device_ops *ops, const da_call *call, const unsigned char *kinds);

/* The batch of operands that are taken. */
da_device_batch da_device_batch_of(const da_call *call, const unsigned char *kinds);

/* Launches `entry` of `text` with `items` work-items, T being a number of this dtype: f32, f64, c64 or c128. */
da_status da_device_launch_numbers(const da_device_ops *ops, const da_call *call, const char *entry,
                                   const char *text, da_dtype dtype, int64_t items, int nargs,
                                   const da_device_arg *args);

/* The number of axes of the batch that an operand has, whose last `axes` axes are not of it. */
static inline int da_device_leading(const da_buffer *b, int axes)
{
    return b->ndim > axes ? b->ndim - axes : 0;
}

/* Extents of the matrices in a buffer, and the stride between their columns; that of a vector's elements. */
static inline int64_t da_device_rows(const da_buffer *b)
{
    return b->shape[b->ndim - 2];
}

static inline int64_t da_device_columns(const da_buffer *b)
{
    return b->shape[b->ndim - 1];
}

static inline int64_t da_device_stride(const da_buffer *b)
{
    return b->strides[b->ndim - 1];
}

#endif
