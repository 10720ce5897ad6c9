/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file linalg.h
 * Dense linear algebra by tiles, for f32, f64, c64 and c128 (products: every dtype but f16 and bf16). Products with alpha and beta in
 * place are in blas.h.
 *
 * Shapes. Matrices are the last two axes; leading axes are a batch, and the leading axes of several operands
 * broadcast against each other. Operands may be any views (transposed, with steps, of other arrays) and need not
 * share a tiling. Extents may be zero; results are what NumPy gives. At most 2^31-1 rows and columns a matrix.
 *
 * Results are new arrays that the caller releases; they do not share memory with operands. Functions that change an array
 * in place read all operands as if before any write, however they overlap.
 *
 * Faults. Everything is asynchronous: a breakdown (a matrix that is not positive definite, a singular one) is no error of the
 * call; da_wait(), da_item(), da_to_host() report it on whatever was computed from it, as DA_ERROR_NUMERICAL with a
 * sentence such as "cholesky: leading minor 137 of 512 is not positive definite" (in a batch: the lowest index
 * in any of its matrices). The values are then unspecified. NaN and infinities in operands are no faults by themselves.
 *
 * Errors at once, of every function: DA_ERROR_ARGUMENT (null, unknown or contradicting flags), DA_ERROR_STALE, DA_ERROR_SHAPE,
 * DA_ERROR_DTYPE (none of the above, or operands differ: see da_astype()), DA_ERROR_OVERFLOW, DA_ERROR_MEMORY,
 * DA_ERROR_UNSUPPORTED (no BLAS/LAPACK was found), DA_ERROR_RUNTIME, DA_ERROR_FORKED. On an error nothing was submitted
 * and outputs are untouched.
 */
#ifndef DARRAY_LINALG_H
#define DARRAY_LINALG_H

#include <darray/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- products ---- */

/**
 * out = a @ b with NumPy's rules.
 * @param out (..., m, n) for a of (..., m, k) and b of (..., k, n). A 1-d `a` is a row and a 1-d `b` a column, and that axis is
 *            missing in the result.
 * Integers wrap; products of bool are logical. DA_ERROR_SHAPE for 0-d operands and where k or leading axes do not fit.
 */
DA_NODISCARD da_status da_matmul(da_array **out, const da_array *a, const da_array *b);

/**
 * Sums of products over pairs of axes: out[i..., j...] = sum over k... of a[i..., k...] b[k..., j...], the last `axes` axes of a with the
 * first of b; 0 gives all products. dtypes as da_matmul(), no conjugation.
 * @return DA_ERROR_INDEX for more axes than there are, DA_ERROR_SHAPE where extents differ or the result would have too many axes.
 */
DA_NODISCARD da_status da_tensordot(da_array **out, const da_array *a, const da_array *b, int axes);
/** The same over the axes named: a_axes.axis[i] of a with b_axes.axis[i] of b, negative ones from the last. DA_ERROR_SHAPE if they are not as
 *  many (DA_ALL is not taken), DA_ERROR_INDEX for an axis that is none or is named twice. */
DA_NODISCARD da_status da_tensordot_axes(da_array **out, const da_array *a, const da_array *b, da_axes a_axes,
                                         da_axes b_axes);

/**
 * sum conj(a) b along one axis; the other axes broadcast. Of any dtypes, promoted; integers wrap, bool is logical.
 * @param axis negative, from the last (-1): both have it and of one extent. DA_ERROR_INDEX, DA_ERROR_SHAPE.
 */
DA_NODISCARD da_status da_vecdot(da_array **out, const da_array *a, const da_array *b, int axis);

/** a[i] b[j] for two vectors of any dtypes, promoted; no conjugation. DA_ERROR_SHAPE for what is no vector. */
DA_NODISCARD da_status da_outer(da_array **out, const da_array *a, const da_array *b);

/**
 * The n-th power of square matrices of (..., m, m), by repeated squaring; n = 0 gives identities, n < 0 powers of the inverse.
 * dtypes as da_matmul(), for n < 0 without integers and bool (DA_ERROR_DTYPE). Fault for n < 0: as da_solve().
 */
DA_NODISCARD da_status da_matrix_power(da_array **out, const da_array *a, int64_t n);

/* ---- Cholesky ---- */

/**
 * The Cholesky factor of Hermitian positive definite matrices of (..., n, n).
 * @param out   lower triangular with a = L L^H, or with DA_UPPER upper triangular with a = U^H U; zero elsewhere.
 * @param flags DA_LOWER (also meant by 0) or DA_UPPER; only that triangle of `a` is read.
 * Fault: "cholesky: leading minor i of n is not positive definite", also where a pivot is NaN.
 */
DA_NODISCARD da_status da_cholesky(da_array **out, const da_array *a, unsigned flags);

/** The same in place: the triangle that is read becomes the factor, the other one is not touched. */
DA_NODISCARD da_status da_cholesky_inplace(da_array *a, unsigned flags);

/* ---- QR ---- */

/**
 * a = q r for matrices of (..., m, n), by Householder reflectors; k = min(m, n). Unique only up to a sign (complex: phase) of each of r's
 * rows and q's columns: which come out depends on how the work is cut into tiles, and so on the number of workers, the devices and what was
 * measured of them. DARRAY_REPRODUCIBLE keeps them the same.
 * @param q (..., m, k) with orthonormal columns, or null if not wanted.
 * @param r (..., k, n) upper triangular (its diagonal may be negative or complex), or null if not wanted.
 */
DA_NODISCARD da_status da_qr(da_array **q, da_array **r, const da_array *a);

/** The same with all columns of Q (NumPy's mode "complete"): q of (..., m, m), r of (..., m, n). */
DA_NODISCARD da_status da_qr_complete(da_array **q, da_array **r, const da_array *a);

/**
 * a = l q for matrices of (..., m, n); k = min(m, n).
 * @param l (..., m, k) lower triangular, or null if not wanted.
 * @param q (..., k, n) with orthonormal rows, or null if not wanted.
 */
DA_NODISCARD da_status da_lq(da_array **l, da_array **q, const da_array *a);

/**
 * a[:, pivots] = q r for matrices of (..., m, n) by QR with column exchanges, as SciPy's qr(pivoting=True); k = min(m, n).
 * @param q      (..., m, k), or null if not wanted.
 * @param r      (..., k, n) upper triangular, |r(i, i)| not less than the length of any later column from row i on; or null.
 * @param pivots (..., n) of int64: column j of q r is column pivots[j] of a. Where a has a NaN or infinity there are no exchanges.
 * One task does all exchanges, after a plain QR where m is at least 5/4 n.
 */
DA_NODISCARD da_status da_qr_pivoted(da_array **q, da_array **r, da_array **pivots, const da_array *a);

/** A QR or LQ factorisation of one matrix, with Q kept as Householder reflectors. Owned through da_qr_factors_release() or
 *  DA_AUTO. */
typedef struct da_qr_factors da_qr_factors;

/** Factor one matrix of (m, n) (DA_ERROR_SHAPE for a batch: da_qr() takes them). It keeps nothing of `a`. */
DA_NODISCARD da_status da_qr_factor(da_qr_factors **out, const da_array *a);

/**
 * The same in the place of `a`: a column-major `a` is not copied, and holds R and reflectors afterwards. f is valid as long as nobody
 * writes to it; `a` may be released. Of other views (transposed, with steps along columns) a copy is factored. Either way count
 * on no values in `a`. Wants tiles of about 128 columns: in wider ones a panel and the update of its neighbours take turns.
 */
DA_NODISCARD da_status da_qr_factor_inplace(da_qr_factors **out, da_array *a);

/** Factor one matrix of (m, n) as l q. da_qr_q() and da_qr_apply() take the result; its Q is n x n. */
DA_NODISCARD da_status da_lq_factor(da_qr_factors **out, const da_array *a);

/** R: (k, n), or with DA_COMPLETE (m, n), upper triangular. DA_ERROR_ARGUMENT for factors of da_lq_factor(). */
DA_NODISCARD da_status da_qr_r(da_array **r, const da_qr_factors *f, unsigned flags);

/** L of da_lq_factor(): (m, k), or with DA_COMPLETE (m, n), lower triangular. DA_ERROR_ARGUMENT for other factors. */
DA_NODISCARD da_status da_lq_l(da_array **l, const da_qr_factors *f, unsigned flags);

/** Q formed: (m, k), or with DA_COMPLETE (m, m); of an LQ factorisation (k, n) or (n, n). */
DA_NODISCARD da_status da_qr_q(da_array **q, const da_qr_factors *f, unsigned flags);

/**
 * op(Q) b, or with DA_RIGHT b op(Q), for the whole square Q (m x m; n x n of an LQ factorisation), without forming it.
 * @param b     (..., m, p), with DA_RIGHT (..., p, m), or a vector of m elements.
 * @param flags DA_RIGHT; DA_CONJ_TRANSPOSE for op(Q) = Q^H; DA_TRANSPOSE means the same for real Q and is
 *              DA_ERROR_ARGUMENT for complex Q.
 */
DA_NODISCARD da_status da_qr_apply(da_array **out, const da_qr_factors *f, const da_array *b, unsigned flags);

/**
 * x with a x = b from a's factors, as da_lstsq(): of da_qr_factor() if m >= n, of da_lq_factor() if m <= n (DA_ERROR_SHAPE otherwise).
 * @param b (..., m, p), or a vector of m elements.
 * Fault: as da_lstsq()'s, beginning "qr_solve:".
 */
DA_NODISCARD da_status da_qr_solve(da_array **x, const da_qr_factors *f, const da_array *b);

/** Release a factorisation and set it to null; null and pointers to null are fine. Never waits. */
DA_API void da_qr_factors_release(da_qr_factors **f);

/* ---- systems of equations ---- */

/**
 * Solve op(t) x = b, or with DA_RIGHT x op(t) = b, for triangular matrices t of (..., n, n).
 * @param x     a new array like b (with the broadcast leading axes).
 * @param b     (..., n, p), with DA_RIGHT (..., p, n), or a vector of n elements.
 * @param flags DA_UPPER or DA_LOWER (one is needed): the triangle of t that is read; DA_UNIT: its diagonal is taken as ones and
 *              not read; DA_TRANSPOSE or DA_CONJ_TRANSPOSE: op; DA_RIGHT.
 * Fault: "solve_triangular: diagonal element i of n is zero".
 */
DA_NODISCARD da_status da_solve_triangular(da_array **x, const da_array *t, const da_array *b,
                                           unsigned flags);

/** The same in place: b becomes x. The leading axes of t broadcast to b's (DA_ERROR_SHAPE otherwise). */
DA_NODISCARD da_status da_solve_triangular_inplace(const da_array *t, da_array *b, unsigned flags);

/**
 * P a = L U by partial pivoting, for matrices of (..., m, n); k = min(m, n).
 * @param lu     (..., m, n): L below the diagonal (its ones are not stored), U on and above it.
 * @param pivots (..., k) of int64: for i = 0, 1, ... row i was exchanged with row pivots[i], as LAPACK's getrf but counted from 0.
 * A zero pivot is a fault of what is solved with it, not of the factors.
 */
DA_NODISCARD da_status da_lu(da_array **lu, da_array **pivots, const da_array *a);

/** The same in place: a becomes its factors. DA_ERROR_ARGUMENT for a broadcast view. */
DA_NODISCARD da_status da_lu_inplace(da_array *a, da_array **pivots);

/**
 * a = L U without exchanges, for matrices of (..., m, n) that are known not to need them: diagonally dominant ones, definite ones. On others
 * L and U may be so much larger than a that no digit of a solution is right; nothing tells.
 * Fault: "lu_nopivot: pivot i of k is zero", k = min(m, n).
 */
DA_NODISCARD da_status da_lu_nopivot(da_array **lu, const da_array *a);

/** The same in place. DA_ERROR_ARGUMENT for a broadcast view. */
DA_NODISCARD da_status da_lu_nopivot_inplace(da_array *a);

/**
 * x with op(a) x = b, from the factors of a square a.
 * @param lu     of da_lu() or da_lu_nopivot().
 * @param pivots of da_lu(); null for factors without exchanges.
 * @param b      (..., n, p), or a vector of n elements.
 * @param flags  DA_TRANSPOSE or DA_CONJ_TRANSPOSE: op.
 * Fault: "solve: the matrix is singular: pivot i of n is zero". Pivots that name no row fail the task: DA_ERROR_TASK.
 */
DA_NODISCARD da_status da_lu_solve(da_array **x, const da_array *lu, const da_array *pivots,
                                   const da_array *b, unsigned flags);

/** x with a x = b for square a of (..., n, n), by pivoted LU. `b` and the fault as da_lu_solve(): a vector only if it has one axis,
 *  as NumPy 2. */
DA_NODISCARD da_status da_solve(da_array **x, const da_array *a, const da_array *b);

/**
 * The same for float64 and complex128 (DA_ERROR_DTYPE) by factors in half the precision and iterative refinement, as LAPACK's dsgesv: on
 * large matrices of moderate condition with few right-hand sides it takes little more than half the time. It stops when
 * max|b - a x| <= max|x| |a| sqrt(n) eps in the maximum norm for every right-hand side, and computes da_solve()'s answer if that
 * cannot be reached (a condition beyond 1e7 or so, numbers outside float32's range), for all matrices of a batch if for one.
 * What is computed depends on values, so this function waits for its operands and its result: DA_ERROR_STATE inside a task.
 * Fault as da_solve().
 */
DA_NODISCARD da_status da_solve_mixed(da_array **x, const da_array *a, const da_array *b);

/**
 * x with a x = b for Hermitian positive definite matrices a of (..., n, n), by Cholesky: half the work of da_solve().
 * @param flags DA_LOWER (also meant by 0) or DA_UPPER; only that triangle of `a` is read.
 * Fault as da_cholesky().
 */
DA_NODISCARD da_status da_solve_definite(da_array **x, const da_array *a, const da_array *b, unsigned flags);

/**
 * x with a x = b, from da_cholesky() of a.
 * @param factor L with a = L L^H or, with DA_UPPER, U with a = U^H U; the other triangle is not read.
 * @param b      (..., n, p), or a vector of n elements.
 * @param flags  as da_cholesky() had them: DA_LOWER (also meant by 0) or DA_UPPER.
 * Fault: "cholesky_solve: diagonal element i of n of the factor is zero", and those of the factor.
 */
DA_NODISCARD da_status da_cholesky_solve(da_array **x, const da_array *factor, const da_array *b,
                                         unsigned flags);

/**
 * a = L D L^H for Hermitian matrices of (..., n, n) that need not be definite, by Bunch and Kaufman's pivoting; D has blocks of 1 x 1 and
 * 2 x 2. LAPACK's hetrf (sytrf for real and symmetric ones), in one task a matrix: a batch goes side by side, one matrix does not.
 * @param ldl    (..., n, n): L and D in the triangle that is read, as LAPACK has them; zero elsewhere.
 * @param pivots (..., n) of int64: row i was exchanged with row pivots[i] for a block of 1 x 1; for each of the two rows of a block of
 *               2 x 2 it is ~row, which is LAPACK's negative number.
 * @param flags  DA_LOWER (also meant by 0) or DA_UPPER (a = U D U^H): the triangle that is read. DA_TRANSPOSE: complex a is symmetric,
 *               a = L D L^T.
 * A block of D that is zero is a fault of what is solved with it, not of the factors. So is one of 1 x 1 that is NaN: like one that is zero
 * it is left out, and the columns after it are factored without it.
 */
DA_NODISCARD da_status da_ldl(da_array **ldl, da_array **pivots, const da_array *a, unsigned flags);

/**
 * x with a x = b, from da_ldl() of a.
 * @param b     (..., n, p), or a vector of n elements.
 * @param flags as da_ldl() had them.
 * Fault: "ldl_solve: the matrix is singular: block i of n of D is zero or NaN", i being its row. Pivots that are not of da_ldl() fail the
 * task: DA_ERROR_TASK.
 */
DA_NODISCARD da_status da_ldl_solve(da_array **x, const da_array *ldl, const da_array *pivots,
                                    const da_array *b, unsigned flags);

/** The inverse of square matrices of (..., n, n), by pivoted LU. Fault: "inv: the matrix is singular: pivot i of n is zero". To solve
 *  equations da_solve() is faster and more accurate. */
DA_NODISCARD da_status da_inv(da_array **out, const da_array *a);

/** The determinants, (...), of square matrices of (..., n, n), by pivoted LU: 0 for singular ones, which is no fault; 1 for n = 0. They
 *  may overflow, what they are computed from does not. */
DA_NODISCARD da_status da_det(da_array **out, const da_array *a);

/**
 * The determinants of square matrices of (..., n, n) as sign exp(logabsdet), which do not overflow.
 * @param sign      (...) of a's dtype: 1, -1, or a complex number of magnitude 1; 0 for a singular matrix, which is no fault.
 * @param logabsdet (...) of a's real dtype: the logarithm of the magnitude; minus infinity for a singular matrix.
 */
DA_NODISCARD da_status da_slogdet(da_array **sign, da_array **logabsdet, const da_array *a);

/**
 * Estimates of 1 / (|a| |a^-1|) in the 1-norm, (...) of a's real dtype, for square matrices of (..., n, n): near 1 all is well, and a
 * solution has lost about -log10(rcond) digits. LAPACK's gecon on the factors of pivoted LU, rarely more than 3 times too large; 0
 * for singular matrices, which is no fault, and for those with an infinity; NaN where a has one.
 * @param flags 0; or DA_LOWER or DA_UPPER: a is Hermitian positive definite, only that triangle is read, and it is pocon on the Cholesky
 *              factor (fault as da_cholesky()).
 */
DA_NODISCARD da_status da_rcond(da_array **out, const da_array *a, unsigned flags);

/**
 * x with a x = b for matrices a of (..., m, n) of full rank: for m >= n the x that minimises |a x - b|, by QR; for m < n the shortest
 * of all solutions, by LQ. Where the rank is in doubt see da_lstsq_rank().
 * @param x (..., n, p) for b of (..., m, p), or n elements for a vector of m.
 * Fault: "lstsq: column i of n depends on those before it", where R has an exact zero on its diagonal; for m < n
 * "lstsq: row i of m ...".
 */
DA_NODISCARD da_status da_lstsq(da_array **x, const da_array *a, const da_array *b);

/**
 * The shortest x of all that minimise |a x - b|, for matrices a of (..., m, n) and any rank, by QR with column exchanges (LAPACK's
 * gelsy: a complete orthogonal factorisation, the rank by incremental condition estimation).
 * @param x     as da_lstsq()'s; no faults of its own.
 * @param rank  int64, the leading axes of a (0-d for one matrix), or null if not wanted: how many columns count as independent.
 * @param rcond a's part that is taken for it has a condition of at most 1 / rcond (estimated, not by singular values); negative: the
 *              dtype's eps times max(m, n). DA_ERROR_ARGUMENT if NaN.
 */
DA_NODISCARD da_status da_lstsq_rank(da_array **x, da_array **rank, const da_array *a, const da_array *b,
                                     double rcond);

/* ---- eigenvalues and singular values ---- */

/**
 * a v = v diag(w) for Hermitian (real: symmetric) matrices a of (..., n, n).
 * @param w     (..., n), ascending, of the real dtype: f32 for f32 and c64, f64 for f64 and c128. Null if not wanted.
 * @param v     (..., n, n) with orthonormal columns; column j belongs to w[..., j]. Null if not wanted, which is much cheaper.
 * @param flags DA_LOWER (also meant by 0) or DA_UPPER; only that triangle of `a` is read, and only the real part of its diagonal.
 * Faults: "eigh: column i of n has a NaN or an infinity"; "eigh: the iteration did not converge (LAPACK's info is i, n is n)".
 */
DA_NODISCARD da_status da_eigh(da_array **w, da_array **v, const da_array *a, unsigned flags);

/** The eigenvalues alone. */
DA_NODISCARD da_status da_eigvalsh(da_array **w, const da_array *a, unsigned flags);

/**
 * a v = v diag(w) for any square matrices a of (..., n, n).
 * @param w (..., n) in no particular order, of the complex dtype also where `a` is real: c64 for f32, c128 for f64. Null if not wanted.
 * @param v (..., n, n), complex as w, with columns of length 1; column j belongs to w[..., j]. Null if not wanted.
 * Faults: "eig: column i of n has a NaN or an infinity"; "eig: eigenvalues 1 to i of n did not converge".
 */
DA_NODISCARD da_status da_eig(da_array **w, da_array **v, const da_array *a);

/** The eigenvalues alone. */
DA_NODISCARD da_status da_eigvals(da_array **w, const da_array *a);

/**
 * a = u diag(s) vh for matrices a of (..., m, n); k = min(m, n).
 * @param u     (..., m, k), with DA_COMPLETE (..., m, m), with orthonormal columns. Null if not wanted.
 * @param s     (..., k), descending, of the real dtype (see da_eigh()). Null if not wanted.
 * @param vh    (..., k, n), with DA_COMPLETE (..., n, n), with orthonormal rows. Null if not wanted; without u and vh it is much cheaper.
 * @param flags DA_COMPLETE.
 * Faults: "svd: column i of n has a NaN or an infinity"; "svd: the iteration did not converge (LAPACK's info is i, n is n)".
 */
DA_NODISCARD da_status da_svd(da_array **u, da_array **s, da_array **vh, const da_array *a, unsigned flags);

/** The singular values alone. */
DA_NODISCARD da_status da_svdvals(da_array **s, const da_array *a);

/* ---- norms, diagonals and products of elements: of any dtype but f16 and bf16 (diagonal: of any) ---- */

/** Norms of matrices. */
typedef enum da_norm {
    DA_NORM_FRO = 1,   /**< root of the sum of |x|^2, which neither overflows nor vanishes on the way */
    DA_NORM_1,         /**< largest sum of |x| along a column */
    DA_NORM_MINUS_1,   /**< least such sum */
    DA_NORM_INF,       /**< largest sum of |x| along a row */
    DA_NORM_MINUS_INF, /**< least such sum */
    DA_NORM_2,         /**< largest singular value */
    DA_NORM_MINUS_2,   /**< least one */
    DA_NORM_NUC        /**< their sum */
} da_norm;

/**
 * A norm of the matrices of (..., m, n): (...), or with DA_KEEPDIMS (..., 1, 1); real, f64 for integers and bool.
 * DA_ERROR_SHAPE where there are no columns or rows to choose from; the faults of da_svdvals() where it is needed. (For vectors, and all
 * elements: da_vector_norm().)
 */
DA_NODISCARD da_status da_matrix_norm(da_array **out, const da_array *a, da_norm norm, unsigned flags);

/**
 * The condition numbers of matrices of (..., m, n), of the dtypes of linear algebra: (...), real.
 * @param norm with DA_NORM_2 and DA_NORM_MINUS_2 the quotient of the extreme singular values, of matrices of any shape; with others the
 *             norm of the square matrix times that of its inverse, which is computed. Infinity for singular matrices.
 * DA_ERROR_SHAPE for matrices without rows or columns; the faults of da_svdvals() where it is needed, no others.
 */
DA_NODISCARD da_status da_cond(da_array **out, const da_array *a, da_norm norm);

/**
 * The Moore-Penrose inverses of matrices of (..., m, n), of the dtypes of linear algebra: (..., n, m).
 * @param rtol  singular values of at most rtol times the largest count as zero; negative: eps of the dtype times max(m, n).
 * @param flags DA_LOWER or DA_UPPER: the matrices are Hermitian, only that triangle is read, and eigenvalues are taken; 0 otherwise.
 * Faults: those of da_svd(), or da_eigh().
 */
DA_NODISCARD da_status da_pinv(da_array **out, const da_array *a, double rtol, unsigned flags);

/** How many singular values of such matrices count in that sense: (...), int64. */
DA_NODISCARD da_status da_matrix_rank(da_array **out, const da_array *a, double rtol, unsigned flags);

/**
 * The diagonals of matrices of (..., m, n), copied.
 * @param out    (..., k): a[..., i, i + offset], or a[..., i - offset, i] for a negative offset; one beyond the matrix gives k = 0.
 */
DA_NODISCARD da_status da_diagonal(da_array **out, const da_array *a, int64_t offset);

/** The sums of such diagonals: (...), in the dtype that da_sum() gives. */
DA_NODISCARD da_status da_trace(da_array **out, const da_array *a, int64_t offset);

/**
 * The cross products of vectors of three elements.
 * @param axis where the vectors are, in a, b and the result alike, counted from the front or, if negative, from the last axis. The
 *             other axes broadcast, and dtypes are promoted as for da_multiply(). DA_ERROR_INDEX; DA_ERROR_SHAPE; DA_ERROR_DTYPE for bool.
 */
DA_NODISCARD da_status da_cross(da_array **out, const da_array *a, const da_array *b, int axis);

/** The Kronecker product: blocks a[i, j, ...] b in the place of a's elements. The one with fewer axes gets more in front; up to 8
 *  each (DA_ERROR_SHAPE). dtypes are promoted as for da_multiply(). */
DA_NODISCARD da_status da_kron(da_array **out, const da_array *a, const da_array *b);

#ifdef __cplusplus
}
#endif

#endif
