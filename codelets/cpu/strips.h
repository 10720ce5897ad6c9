/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triangular solves for many right-hand sides: strips of as many of them as two vector registers hold are copied to where they are contiguous, and
 * blocks of unknowns stay in registers while the unknowns before them are taken out. BLAS's trsm is slower than its gemm the smaller the
 * triangle is; this is not. Compiled once per CPU level.
 */
#ifndef DARRAY_CODELETS_CPU_STRIPS_H
#define DARRAY_CODELETS_CPU_STRIPS_H

#include "../kernel_support.h"

#include <stddef.h>

/* The largest order of a triangle: a strip of it fits a first-level cache. */
enum { DA_STRIPS_ORDER = 192 };

/* Of one dtype. */
typedef struct da_strips {
    /* op(t) x = alpha b or, with DA_RIGHT, x op(t) = alpha b, for column-major matrices; x replaces b. Multiplies by reciprocals of the
     * diagonal. `work` has da_strips_work() bytes, aligned to 64. Null where BLAS is faster. */
    void (*solve)(unsigned flags, const void *alpha, const da_matrix *t, const da_matrix *b, void *work);
    int order, many; /* the order that is best for so many right-hand sides; 32 for fewer */
} da_strips;

/* [DA_F32 - DA_F32] .. [DA_C128 - DA_F32] */
extern const da_strips da_strips_level0[4], da_strips_level3[4], da_strips_level4[4];

/* Those for this CPU and one of the four dtypes. */
const da_strips *da_strips_of(da_dtype dtype);

/* Bytes that a triangle of order n needs. */
size_t da_strips_work(da_dtype dtype, int n);

#endif
