/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels of arrays: filling, copying with conversion, sequences, random numbers. They work on strided N-d pieces: element
 * (i, j, ...) lies at p + (i*strides[0] + j*strides[1] + ...) elements; strides may be negative, or 0 in a source.
 */
#ifndef DARRAY_CODELETS_ARRAY_KERNELS_H
#define DARRAY_CODELETS_ARRAY_KERNELS_H

#include <darray/base.h>

/* One element of any type. */
typedef union kernel_element {
    unsigned char bytes[16];
    int64_t i;
    uint64_t u;
    double d;
    float f;
    da_c64 c;
    da_c128 z;
} kernel_element;

/* dst[...] = src[...] with conversion as a C cast does it (float to integer out of range: the machine's indefinite value, but
 * defined here; anything to bool: != 0; complex to real: the real part). dst and src do not overlap. */
void kernel_copy(int ndim, const int64_t *shape, da_dtype dst_dtype, void *dst, const int64_t *dst_strides,
                 da_dtype src_dtype, const void *src, const int64_t *src_strides);

/* dst[...] = value, of `size` bytes. */
void kernel_fill(int ndim, const int64_t *shape, size_t size, void *dst, const int64_t *strides,
                 const kernel_element *value);

/* Element i of the piece is start + (first + i) * step, computed in the type that its dtype is: integers modulo 2^64. */
typedef struct kernel_arange_args {
    int64_t first;
    uint64_t start_i, step_i; /* integers */
    da_c128 start, step;      /* the rest */
} kernel_arange_args;
void kernel_arange(da_dtype dtype, int64_t n, void *dst, int64_t stride, const kernel_arange_args *args);

/* Element i is start + (first + i) * step; the one with the number `last` is stop exactly. */
typedef struct kernel_linspace_args {
    int64_t first, last; /* last: -1 for none */
    da_c128 start, step, stop;
} kernel_linspace_args;
void kernel_linspace(da_dtype dtype, int64_t n, void *dst, int64_t stride, const kernel_linspace_args *args);

/* A rows x columns piece of zeros, with `one` where column - row is k. */
typedef struct kernel_eye_args {
    int64_t k;
    int64_t diagonal; /* the caller's */
    kernel_element one;
} kernel_eye_args;
void kernel_eye(size_t size, const int64_t *shape, void *dst, const int64_t *strides,
                const kernel_eye_args *args);

/* The elements of dst, a piece of an array, from the array src of another shape with the same elements in C order. */
typedef struct kernel_reshape_args {
    int64_t first;                   /* C-order index of the piece's first element in its array */
    int64_t dst_flat[DA_MAX_NDIM];   /* how far each axis of dst moves in C order */
    int64_t src_extent[DA_MAX_NDIM]; /* of all of src */
    int64_t src_start[DA_MAX_NDIM];  /* where the piece of src that is given begins */
} kernel_reshape_args;
void kernel_reshape(da_dtype dtype, int ndim, const int64_t *shape, void *dst, const int64_t *dst_strides,
                    int src_ndim, const void *src, const int64_t *src_strides,
                    const kernel_reshape_args *args);

/* Random numbers, of which element (i, j, ...) has the C-order index first + i*flat[0] + j*flat[1] + ...: uniform ones (of [0, 1), or over
 * all of an integer type) or normal ones. */
typedef struct kernel_random_args {
    uint64_t seed, first;
    int64_t normal;
    int64_t flat[DA_MAX_NDIM]; /* 0 beyond the last axis */
} kernel_random_args;
void kernel_random(da_dtype dtype, size_t size, int ndim, const int64_t *shape, void *dst,
                   const int64_t *strides, const kernel_random_args *args);

/* n elements of one type to another: what kernel_copy() does on a line. Strides in elements. */
typedef void (*kernel_line)(int64_t n, void *dst, int64_t dst_stride, const void *src, int64_t src_stride);
kernel_line kernel_line_for(da_dtype dst_dtype, da_dtype src_dtype);

#endif
