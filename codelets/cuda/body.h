/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kernel body (*.inc) is written with; it is compiled once per dtype. The file that includes it has defined
 *   DA_SUFFIX   f32, f64, c64 or c128
 *   DA_LETTER   S, D, C or Z
 *   DA_T        the element type
 *   DA_REAL     the type of its parts
 *   DA_DTYPE    DA_F32 ...
 *   DA_COMPLEX  1 if it is complex
 */
#include "module.h"
#include "list.h"

#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define DA_PASTE2_(a, b) a##b
#define DA_PASTE3_(a, b, c) a##b##c
#define DA_PASTE4_(a, b, c, d) a##b##c##d
#define DA_PASTE2(a, b) DA_PASTE2_(a, b)
#define DA_PASTE3(a, b, c) DA_PASTE3_(a, b, c)

/* The function of a kernel for this dtype. */
#define DA_FN(name) DA_PASTE3(cuda_##name, _, DA_SUFFIX)

/* Calls of this dtype's cuBLAS and cuSOLVER routines on the lane; they return from the enclosing function if that fails. ASK
 * enqueues nothing. */
#define DA_NAME_(library, letter, name) DA_PASTE3_(library, letter, name)
#define DA_BLAS(name, ...)                                                                                   \
    BLAS_TRY(call, "cublas" #name, DA_NAME_(cublas, DA_LETTER, name), lane->blas, __VA_ARGS__)
#define DA_SOLVER(name, ...)                                                                                 \
    SOLVER_TRY(call, "cusolverDn" #name, DA_NAME_(cusolverDn, DA_LETTER, name), lane->solver, __VA_ARGS__)
#define DA_SOLVER_ASK(name, ...)                                                                             \
    SOLVER_ASK(call, "cusolverDn" #name, DA_NAME_(cusolverDn, DA_LETTER, name), lane->solver, __VA_ARGS__)

/* The same of the parts' dtype. */
#define DA_REAL_OF_S S
#define DA_REAL_OF_D D
#define DA_REAL_OF_C S
#define DA_REAL_OF_Z D
#define DA_REAL_DTYPE (sizeof(DA_REAL) == 4 ? DA_F32 : DA_F64)
#define DA_REAL_BLAS(name, ...)                                                                              \
    BLAS_TRY(call, "cublas" #name, DA_NAME_(cublas, DA_PASTE2(DA_REAL_OF_, DA_LETTER), name), lane->blas,    \
             __VA_ARGS__)
#define DA_REAL_SOLVER(name, ...)                                                                            \
    SOLVER_TRY(call, "cusolverDn" #name, DA_NAME_(cusolverDn, DA_PASTE2(DA_REAL_OF_, DA_LETTER), name),      \
               lane->solver, __VA_ARGS__)
#define DA_REAL_SOLVER_ASK(name, ...)                                                                        \
    SOLVER_ASK(call, "cusolverDn" #name, DA_NAME_(cusolverDn, DA_PASTE2(DA_REAL_OF_, DA_LETTER), name),      \
               lane->solver, __VA_ARGS__)

#if DA_COMPLEX
#define DA_ELEMENT(z) ((DA_T){(DA_REAL)(z).re, (DA_REAL)(z).im})
#define DA_H CUBLAS_OP_C
#define DA_HERK(...) DA_BLAS(herk, __VA_ARGS__)
#define DA_HER2K(...) DA_BLAS(her2k, __VA_ARGS__)
#define DA_HEMM(...) DA_BLAS(hemm, __VA_ARGS__)
#define DA_HEMV(...) DA_BLAS(hemv, __VA_ARGS__)
#else
#define DA_ELEMENT(z) ((DA_T)(z).re)
#define DA_H CUBLAS_OP_T
#define DA_HERK(...) DA_BLAS(syrk, __VA_ARGS__)
#define DA_HER2K(...) DA_BLAS(syr2k, __VA_ARGS__)
#define DA_HEMM(...) DA_BLAS(symm, __VA_ARGS__)
#define DA_HEMV(...) DA_BLAS(symv, __VA_ARGS__)
#endif
#define DA_CONST(x) DA_ELEMENT(((da_c128){(x), 0}))

/* The address of element (i, j) of a matrix. */
#define DA_PLACE(matrix, i, j) ((DA_T *)(matrix).data + (i) + (ptrdiff_t)(j) * (matrix).ld)

static inline cublasOperation_t DA_FN(op)(unsigned flags)
{
    return flags & DA_CONJ_TRANSPOSE ? DA_H : flags & DA_TRANSPOSE ? CUBLAS_OP_T : CUBLAS_OP_N;
}

static inline cublasFillMode_t DA_FN(fill)(unsigned flags)
{
    return flags & DA_UPPER ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
}

static inline int DA_FN(least)(int a, int b)
{
    return a < b ? a : b;
}

/* The m x n block of a matrix that begins at (i, j). */
static inline cuda_matrix DA_FN(block)(const cuda_matrix *a, int i, int j, int m, int n)
{
    return (cuda_matrix){DA_PLACE(*a, i, j), m, n, a->ld};
}
