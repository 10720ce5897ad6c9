/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file blas.h
 * BLAS 3 in place: products with alpha and beta, for f32, f64, c64 and c128 (da_gemm: also integers and bool).
 *
 * Shapes, batches, views, faults and errors are linalg.h's. The array that is written may be any view but a broadcast one
 * (DA_ERROR_ARGUMENT); leading axes of the others broadcast to its own (DA_ERROR_SHAPE otherwise). All operands are read as if before
 * any write, however they overlap it.
 *
 * alpha and beta are numbers of any C type that the dtype holds (DA_ERROR_DTYPE for a complex one with reals). As in BLAS, with beta 0
 * what is written is not read before, and with alpha 0 the other operands' values are not used, nor are their faults told. Transposed
 * operands are views (da_matrix_transpose()) except where a flag is described.
 *
 * Triangles: DA_LOWER (also meant by 0) or DA_UPPER; nothing of the other one is read or written.
 */
#ifndef DARRAY_BLAS_H
#define DARRAY_BLAS_H

#include <darray/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * c = alpha a b + beta c.
 * @param c     (..., m, n) for a of (..., m, k) and b of (..., k, n).
 * @param alpha with integers a number less than 2^53 that c's dtype holds (DA_ERROR_DTYPE for 0.5 or 300 with uint8).
 * @param beta  likewise.
 * With beta 0 and b a's own transpose (a view of the same array) one triangle is computed, as by da_syrk(), and mirrored.
 */
DA_NODISCARD da_status da_gemm(da_array *c, da_scalar alpha, const da_array *a, const da_array *b,
                               da_scalar beta);

/**
 * c = alpha a b + beta c, or with DA_RIGHT alpha b a + beta c, for a symmetric (da_symm) or Hermitian (da_hemm) a of (..., n, n).
 * @param c     (..., m, n), as b.
 * @param flags the triangle of a that is read (the imaginary parts of a Hermitian diagonal are not); DA_RIGHT.
 */
DA_NODISCARD da_status da_symm(da_array *c, da_scalar alpha, const da_array *a, const da_array *b,
                               da_scalar beta, unsigned flags);
DA_NODISCARD da_status da_hemm(da_array *c, da_scalar alpha, const da_array *a, const da_array *b,
                               da_scalar beta, unsigned flags);

/**
 * One triangle of c = alpha a a^T + beta c, or with DA_TRANSPOSE of alpha a^T a + beta c.
 * @param c     (..., n, n) for a of (..., n, k), with DA_TRANSPOSE (..., k, n).
 * @param flags the triangle of c; DA_TRANSPOSE. DA_CONJ_TRANSPOSE means the same for real dtypes and is DA_ERROR_ARGUMENT for complex
 *              ones.
 */
DA_NODISCARD da_status da_syrk(da_array *c, da_scalar alpha, const da_array *a, da_scalar beta,
                               unsigned flags);

/**
 * One triangle of c = alpha a a^H + beta c, or with DA_CONJ_TRANSPOSE of alpha a^H a + beta c; alpha and beta are real (DA_ERROR_DTYPE
 * otherwise). The imaginary parts of c's diagonal are not read and become 0.
 * @param flags the triangle of c; DA_CONJ_TRANSPOSE. DA_TRANSPOSE as da_syrk()'s other flag.
 */
DA_NODISCARD da_status da_herk(da_array *c, da_scalar alpha, const da_array *a, da_scalar beta,
                               unsigned flags);

/** One triangle of c = alpha a b^T + alpha b a^T + beta c, or with DA_TRANSPOSE of alpha a^T b + alpha b^T a + beta c; b has a's
 *  shape. Flags as da_syrk(). */
DA_NODISCARD da_status da_syr2k(da_array *c, da_scalar alpha, const da_array *a, const da_array *b,
                                da_scalar beta, unsigned flags);

/** One triangle of c = alpha a b^H + conj(alpha) b a^H + beta c, or with DA_CONJ_TRANSPOSE of alpha a^H b + conj(alpha) b^H a +
 *  beta c; beta is real. Flags as da_herk(). */
DA_NODISCARD da_status da_her2k(da_array *c, da_scalar alpha, const da_array *a, const da_array *b,
                                da_scalar beta, unsigned flags);

/**
 * b = alpha op(t) b, or with DA_RIGHT alpha b op(t), for a triangular t of (..., n, n).
 * @param b     (..., n, p), with DA_RIGHT (..., p, n), or a vector of n elements.
 * @param flags DA_UPPER or DA_LOWER (one is needed): the triangle of t that is read; DA_UNIT: its diagonal is taken as ones and
 *              not read; DA_TRANSPOSE or DA_CONJ_TRANSPOSE: op; DA_RIGHT.
 */
DA_NODISCARD da_status da_trmm(const da_array *t, da_array *b, da_scalar alpha, unsigned flags);

/**
 * b becomes the x of op(t) x = alpha b, or with DA_RIGHT of x op(t) = alpha b: da_solve_triangular_inplace() with a factor, arguments as
 * da_trmm().
 * Fault (BLAS would give infinities), unless alpha is 0: "solve_triangular: diagonal element i of n is zero".
 */
DA_NODISCARD da_status da_trsm(const da_array *t, da_array *b, da_scalar alpha, unsigned flags);

#ifdef __cplusplus
}
#endif

#define da_gemm(c, alpha, a, b, beta) (da_gemm)((c), DA_NUMBER(alpha), (a), (b), DA_NUMBER(beta))
#define da_symm(c, alpha, a, b, beta, flags)                                                                 \
    (da_symm)((c), DA_NUMBER(alpha), (a), (b), DA_NUMBER(beta), (flags))
#define da_hemm(c, alpha, a, b, beta, flags)                                                                 \
    (da_hemm)((c), DA_NUMBER(alpha), (a), (b), DA_NUMBER(beta), (flags))
#define da_syrk(c, alpha, a, beta, flags) (da_syrk)((c), DA_NUMBER(alpha), (a), DA_NUMBER(beta), (flags))
#define da_herk(c, alpha, a, beta, flags) (da_herk)((c), DA_NUMBER(alpha), (a), DA_NUMBER(beta), (flags))
#define da_syr2k(c, alpha, a, b, beta, flags)                                                                \
    (da_syr2k)((c), DA_NUMBER(alpha), (a), (b), DA_NUMBER(beta), (flags))
#define da_her2k(c, alpha, a, b, beta, flags)                                                                \
    (da_her2k)((c), DA_NUMBER(alpha), (a), (b), DA_NUMBER(beta), (flags))
#define da_trmm(t, b, alpha, flags) (da_trmm)((t), (b), DA_NUMBER(alpha), (flags))
#define da_trsm(t, b, alpha, flags) (da_trsm)((t), (b), DA_NUMBER(alpha), (flags))

#endif
