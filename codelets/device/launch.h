/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the common implementations launch kernels with: their texts, and the axes of a piece as a kernel walks them. The texts are the files
 * NAME.kernel beside this one, in the dialect; a program is a few definitions, axes.kernel, convert.kernel, move.kernel or numbers.kernel, and one more,
 * which for QR comes after reflectors.kernel.
 */
#ifndef DA_CODELETS_DEVICE_LAUNCH_H
#define DA_CODELETS_DEVICE_LAUNCH_H

#include "device.h"

extern const char da_text_axes[], da_text_convert[], da_text_copy[], da_text_copy_plane[], da_text_det[],
    da_text_exchange[], da_text_fill[], da_text_geqp3[], da_text_move[], da_text_multiply[], da_text_norm1[],
    da_text_numbers[], da_text_place_columns[], da_text_random[], da_text_rank[], da_text_reflectors[],
    da_text_reshape[], da_text_sequence[], da_text_small_qr[], da_text_tpqrt[], da_text_triangle[],
    da_text_truncate[];

/* axes_t of axes.kernel, which says what it is. */
typedef struct da_device_axes {
    int64_t ndim, total, dst_at, src_at;
    int64_t shape[DA_MAX_NDIM], dst[DA_MAX_NDIM], src[DA_MAX_NDIM];
} da_device_axes;

/*
 * The axes of a piece: those of extent 1 are left out, the others sorted from the destination's innermost, turned so that its strides are
 * positive, and merged where they continue each other on both sides. An element's number is src_at + the sum of its index times `src`.
 */
void da_device_axes_of(da_device_axes *axes, int ndim, const int64_t *shape, const int64_t *dst,
                       const int64_t *src, int64_t src_at);

/* bytes16 of move.kernel: an element's bytes. */
typedef struct da_device_element {
    uint64_t low, high;
} da_device_element;

enum { DA_DEVICE_LANES = 256 }; /* work-items of a work-group */

#define DA_BUFFER_ARG(b) ((da_device_arg){.buffer = (b)})
#define DA_VALUE_ARG(v) ((da_device_arg){.value = &(v), .size = sizeof(v)})

/*
 * Launches a work-item for each of `items`: program and entry are `entry`'s text after `definitions`, INDEX (which counts up to `most`), axes.kernel
 * and `elements`, which is da_text_convert, da_text_move or da_text_numbers. Nothing happens if items is 0.
 */
da_status da_device_launch(const da_device_ops *ops, const da_call *call, const char *entry,
                           const char *definitions, const char *elements, const char *text, int64_t most,
                           int64_t items, int nargs, const da_device_arg *args);

/* dst becomes `one` where the sum of index times `slope` is k, elsewhere 0. */
da_status da_device_set_diagonal(const da_device_ops *ops, const da_call *call, const da_buffer *dst,
                                 const int64_t *slope, int64_t k, da_device_element one);

/* dst[...] = src[...] with conversion; src_strides are those of dst's axes. */
da_status da_device_copy(const da_device_ops *ops, const da_call *call, const da_buffer *dst,
                         const da_buffer *src, const int64_t *src_strides);

/* Row exchanges on buffer `matrix`, by the pivots in buffer `pivots`; both may have leading axes. The value is a da_pivot_args. */
da_status da_device_exchange(const da_device_ops *ops, const da_call *call, int pivots, int matrix);
bool da_device_exchange_takes(const da_call *call, int pivots, int matrix);

/* gemm of integers and bool, for modules whose BLAS has the other dtypes. */
bool da_device_multiply_takes(const da_device_ops *ops, const da_call *call);
da_status da_device_multiply(const da_device_ops *ops, const da_call *call);

#endif
