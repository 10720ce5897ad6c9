/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kernel body in cpu/ is written with. The file that includes it has defined
 *   DA_SUFFIX   f32, f64, c64 or c128
 *   DA_T        the element type, a C number
 *   DA_REAL     the type of its parts
 *   DA_COMPLEX  1 if it is complex
 */
#include "array_kernels.h"
#include "cpu/packed.h"
#include "cpu/products.h"
#include "cpu/small.h"
#include "cpu/strips.h"
#include "kernel_support.h"
#include "kernels.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DA_JOIN3_(a, b, c) a##b##c
#define DA_JOIN3(a, b, c) DA_JOIN3_(a, b, c)

/* The function of a kernel for this dtype; a private one of the bodies. */
#define DA_FN(name) DA_JOIN3(da_kernel_##name, _, DA_SUFFIX)

/* A routine of this dtype's BLAS. */
#define DA_BLAS(name) (DA_JOIN3(da_blas, _, DA_SUFFIX).name)

/* Its da_dtype; loops for small matrices (cpu/small.h). */
#define DA_DTYPE (sizeof(DA_REAL) == 4 ? (DA_COMPLEX ? DA_C64 : DA_F32) : (DA_COMPLEX ? DA_C128 : DA_F64))
#define DA_SMALL(name) (da_small_of(DA_DTYPE)->name)

/* A da_c128 as an element; the character of A^H; an element's real part, conjugate and magnitude. */
#if DA_COMPLEX
#define DA_ELEMENT(z) ((DA_T)__builtin_complex((DA_REAL)(z).re, (DA_REAL)(z).im))
#define DA_H "C"
#define DA_RE(x) (((const DA_REAL *)&(x))[0])
#define DA_CONJ(x) ((DA_T)__builtin_conj(x))
#define DA_ABS(x) ((DA_REAL)hypot((double)((const DA_REAL *)&(x))[0], (double)((const DA_REAL *)&(x))[1]))
#else
#define DA_ELEMENT(z) ((DA_T)(z).re)
#define DA_H "T"
#define DA_RE(x) (x)
#define DA_CONJ(x) (x)
#define DA_ABS(x) ((DA_REAL)fabs((double)(x)))
#endif

/* Below this the reciprocal of a number may be infinite; above the other nobody adds up to infinity. */
#define DA_TINY (sizeof(DA_REAL) == 4 ? 0x1p-126 : 0x1p-1022)
#define DA_LARGE (sizeof(DA_REAL) == 4 ? 0x1p60 : 0x1p700)

/* |x| as LAPACK compares it. */
#if DA_COMPLEX
#define DA_SIZE(x) (fabs((double)DA_RE(x)) + fabs((double)((const DA_REAL *)&(x))[1]))
#else
#define DA_SIZE(x) fabs((double)(x))
#endif

/* Element (i, j) of a da_matrix. */
#define DA_ENTRY(matrix, i, j) (((DA_T *)(matrix).data)[(i) + (ptrdiff_t)(j) * (matrix).ld])

/* The m x n block of a matrix that begins at (i, j). */
static inline da_matrix DA_FN(block)(const da_matrix *a, int i, int j, int m, int n)
{
    return (da_matrix){&DA_ENTRY(*a, i, j), m, n, a->ld};
}

/* The same for small.h. */
static inline da_small_matrix DA_FN(small)(const da_matrix *a)
{
    return (da_small_matrix){a->data, a->m, a->n, 1, a->ld};
}
