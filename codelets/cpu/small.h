/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linear algebra of matrices so small that a call of BLAS or LAPACK costs more than their arithmetic: plain loops, compiled once per CPU
 * level. Factorisations work on a copy whose columns are padded to whole vectors, real and imaginary parts apart.
 */
#ifndef DARRAY_CODELETS_CPU_SMALL_H
#define DARRAY_CODELETS_CPU_SMALL_H

#include "../kernel_support.h"

#include <stddef.h>

/* Factorisations take matrices of up to so many elements, and order at most so large. */
enum { DA_SMALL_ORDER = 64, DA_SMALL_ELEMENTS = DA_SMALL_ORDER * DA_SMALL_ORDER };
/* A matrix of any strides, in elements. */
typedef struct da_small_matrix {
    void *data;
    int m, n;
    ptrdiff_t down, right;
} da_small_matrix;

/* The loops of one dtype. `work` has da_small_work() bytes, aligned to 64. */
typedef struct da_small {
    /* op(t) x = alpha b or, with DA_RIGHT, x op(t) = alpha b, for column-major matrices; x replaces b. Divides by the diagonal. */
    void (*solve)(unsigned flags, const void *alpha, const da_matrix *t, const da_matrix *b);
    /* The lower Cholesky factor; the order of the first leading minor that is not positive (or NaN), or 0. The upper triangle is not
     * touched. */
    int (*cholesky)(const da_small_matrix *a, void *work);
    /* P a = L U; rows[i]: what row i was exchanged with, from 1 on. A column that is zero from the diagonal down is left out. */
    void (*lu)(const da_small_matrix *a, int *rows, void *work);
    /* a = q r: q with orthonormal columns, as many as it has, or null; r with as many rows. False, and q and r undefined, if sums of squares
     * would overflow or underflow, or there is a NaN. */
    bool (*qr)(const da_small_matrix *a, const da_small_matrix *q, const da_small_matrix *r, void *work);
    /* y += a x and z += a^T u of real numbers for a column-major matrix of any size, which is read once; null for complex ones. */
    void (*multiply_both)(const da_matrix *a, const void *x, void *y, const void *u, void *z);
} da_small;

/* [DA_F32 - DA_F32] .. [DA_C128 - DA_F32] */
extern const da_small da_small_level0[4], da_small_level3[4], da_small_level4[4];

/* Those for this CPU and one of the four dtypes. */
const da_small *da_small_of(da_dtype dtype);

/* Bytes that a factorisation of an m x n matrix needs, with q of `columns` columns. */
size_t da_small_work(da_dtype dtype, int m, int n, int columns);

#endif
