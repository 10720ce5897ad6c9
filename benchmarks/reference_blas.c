/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <cblas.h>
#include <complex.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The _work forms of LAPACKE throughout: the others look for NaNs first, which costs a pass over the matrix. */

void reference_set_threads(int threads)
{
    openblas_set_num_threads(threads);
    omp_set_num_threads(threads);
}

const char *reference_blas_core(void)
{
    return openblas_get_corename();
}

const char *reference_blas_config(void)
{
    return openblas_get_config();
}

static size_t size_of(da_dtype dtype)
{
    return dtype == DA_F32 ? 4 : dtype == DA_C128 ? 16 : 8;
}

static bool is_complex(da_dtype dtype)
{
    return dtype == DA_C64 || dtype == DA_C128;
}

static bool is_single(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_C64;
}

static double eps_of(da_dtype dtype)
{
    return is_single(dtype) ? 0x1p-24 : 0x1p-53;
}

/* ---- what is timed ---- */

/* c, m x n, of products of depth k; columns follow one another. */
static void gemm_of(da_dtype dtype, CBLAS_TRANSPOSE transa, CBLAS_TRANSPOSE transb, int m, int n, int k,
                    double alpha, const void *a, const void *b, double beta, void *c)
{
    const int lda = transa == CblasNoTrans ? m : k, ldb = transb == CblasNoTrans ? k : n;
    switch (dtype) {
    case DA_F32:
        cblas_sgemm(CblasColMajor, transa, transb, m, n, k, (float)alpha, a, lda, b, ldb, (float)beta, c, m);
        break;
    case DA_C64: {
        const float _Complex al = (float)alpha, be = (float)beta;
        cblas_cgemm(CblasColMajor, transa, transb, m, n, k, &al, a, lda, b, ldb, &be, c, m);
        break;
    }
    case DA_C128: {
        const double _Complex al = alpha, be = beta;
        cblas_zgemm(CblasColMajor, transa, transb, m, n, k, &al, a, lda, b, ldb, &be, c, m);
        break;
    }
    default: cblas_dgemm(CblasColMajor, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, m); break;
    }
}

static void gemm(da_dtype dtype, CBLAS_TRANSPOSE transa, CBLAS_TRANSPOSE transb, int n, double alpha,
                 const void *a, const void *b, double beta, void *c)
{
    gemm_of(dtype, transa, transb, n, n, n, alpha, a, b, beta, c);
}

void reference_gemm(da_dtype dtype, int64_t n, const void *a, const void *b, void *c)
{
    gemm(dtype, CblasNoTrans, CblasNoTrans, (int)n, 1, a, b, 0, c);
}

int reference_potrf(da_dtype dtype, int64_t size, void *a)
{
    const lapack_int n = (lapack_int)size;
    switch (dtype) {
    case DA_F32: return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', n, a, n);
    case DA_C64: return LAPACKE_cpotrf_work(LAPACK_COL_MAJOR, 'L', n, a, n);
    case DA_C128: return LAPACKE_zpotrf_work(LAPACK_COL_MAJOR, 'L', n, a, n);
    default: return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, a, n);
    }
}

static int geqrf(da_dtype dtype, lapack_int n, void *a, void *tau, void *work, lapack_int lwork)
{
    switch (dtype) {
    case DA_F32: return LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, n, n, a, n, tau, work, lwork);
    case DA_C64: return LAPACKE_cgeqrf_work(LAPACK_COL_MAJOR, n, n, a, n, tau, work, lwork);
    case DA_C128: return LAPACKE_zgeqrf_work(LAPACK_COL_MAJOR, n, n, a, n, tau, work, lwork);
    default: return LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, n, n, a, n, tau, work, lwork);
    }
}

int reference_geqrf(da_dtype dtype, int64_t n, void *a, reference_work *w)
{
    return geqrf(dtype, (lapack_int)n, a, w->tau, w->work, w->lwork);
}

int reference_getrf(da_dtype dtype, int64_t size, void *a, reference_work *w)
{
    const lapack_int n = (lapack_int)size;
    switch (dtype) {
    case DA_F32: return LAPACKE_sgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, w->pivots);
    case DA_C64: return LAPACKE_cgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, w->pivots);
    case DA_C128: return LAPACKE_zgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, w->pivots);
    default: return LAPACKE_dgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, w->pivots);
    }
}

int reference_gesv(da_dtype dtype, int64_t size, void *a, void *b, reference_work *w)
{
    const lapack_int n = (lapack_int)size;
    switch (dtype) {
    case DA_F32: return LAPACKE_sgesv_work(LAPACK_COL_MAJOR, n, 1, a, n, w->pivots, b, n);
    case DA_C64: return LAPACKE_cgesv_work(LAPACK_COL_MAJOR, n, 1, a, n, w->pivots, b, n);
    case DA_C128: return LAPACKE_zgesv_work(LAPACK_COL_MAJOR, n, 1, a, n, w->pivots, b, n);
    default: return LAPACKE_dgesv_work(LAPACK_COL_MAJOR, n, 1, a, n, w->pivots, b, n);
    }
}

int reference_work_init(reference_work *w, da_dtype dtype, int64_t n, void *matrix)
{
    double _Complex best = 0; /* the query's answer has the dtype of the matrix */
    memset(w, 0, sizeof *w);
    w->tau = malloc((size_t)n * size_of(dtype) + 64);
    w->pivots = malloc((size_t)n * sizeof *w->pivots + 64);
    if (w->tau == NULL || w->pivots == NULL || geqrf(dtype, (lapack_int)n, matrix, w->tau, &best, -1) != 0)
        return 1;
    double lwork;
    if (is_single(dtype)) {
        float f;
        memcpy(&f, &best, sizeof f);
        lwork = (double)f;
    } else {
        memcpy(&lwork, &best, sizeof lwork);
    }
    w->lwork = (int)(lwork > (double)n ? lwork : (double)n);
    w->work = malloc((size_t)w->lwork * size_of(dtype) + 64);
    return w->work == NULL;
}

void reference_work_free(reference_work *w)
{
    free(w->tau);
    free(w->work);
    free(w->pivots);
    memset(w, 0, sizeof *w);
}

/* b = op(lower or upper t) b or t^-1 b: for the residuals and trsm */
static void triangular(da_dtype dtype, bool solve, CBLAS_SIDE side, CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans,
                       CBLAS_DIAG diag, int n, const void *t, void *b)
{
    static const float _Complex onef = 1;
    static const double _Complex one = 1;
    switch (dtype) {
    case DA_F32:
        (solve ? cblas_strsm : cblas_strmm)(CblasColMajor, side, uplo, trans, diag, n, n, 1, t, n, b, n);
        break;
    case DA_C64:
        (solve ? cblas_ctrsm : cblas_ctrmm)(CblasColMajor, side, uplo, trans, diag, n, n, &onef, t, n, b, n);
        break;
    case DA_C128:
        (solve ? cblas_ztrsm : cblas_ztrmm)(CblasColMajor, side, uplo, trans, diag, n, n, &one, t, n, b, n);
        break;
    default:
        (solve ? cblas_dtrsm : cblas_dtrmm)(CblasColMajor, side, uplo, trans, diag, n, n, 1, t, n, b, n);
        break;
    }
}

void reference_herk(da_dtype dtype, int64_t size, const void *a, void *c)
{
    const int n = (int)size;
    switch (dtype) {
    case DA_F32: cblas_ssyrk(CblasColMajor, CblasLower, CblasNoTrans, n, n, 1, a, n, 0, c, n); break;
    case DA_C64: cblas_cherk(CblasColMajor, CblasLower, CblasNoTrans, n, n, 1, a, n, 0, c, n); break;
    case DA_C128: cblas_zherk(CblasColMajor, CblasLower, CblasNoTrans, n, n, 1, a, n, 0, c, n); break;
    default: cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, n, n, 1, a, n, 0, c, n); break;
    }
}

void reference_trsm(da_dtype dtype, int64_t n, const void *t, void *b)
{
    triangular(dtype, true, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, t, b);
}

/* ---- inputs ---- */

/* Adds `shift` to the diagonal. */
static void shift_diagonal(da_dtype dtype, int64_t n, void *a, double shift)
{
    for (int64_t i = 0; i < n; i++) {
        const size_t at = (size_t)(i * n + i);
        switch (dtype) {
        case DA_F32: ((float *)a)[at] += (float)shift; break;
        case DA_C64: ((float *)a)[2 * at] += (float)shift; break;
        case DA_C128: ((double *)a)[2 * at] += shift; break;
        default: ((double *)a)[at] += shift; break;
        }
    }
}

void reference_make_spd(da_dtype dtype, int64_t n, void *a, const void *g)
{
    gemm(dtype, CblasNoTrans, CblasConjTrans, (int)n, 1 / (double)(n > 0 ? n : 1), g, g, 0, a);
    shift_diagonal(dtype, n, a, 0.01);
}

/* Writes zeros above (or below) the diagonal. */
static void clear_triangle(da_dtype dtype, int64_t n, void *a, bool above)
{
    const size_t size = size_of(dtype);
    for (int64_t j = 0; j < n; j++) {
        char *const column = (char *)a + (size_t)(j * n) * size;
        if (above)
            memset(column, 0, (size_t)j * size);
        else
            memset(column + (size_t)(j + 1) * size, 0, (size_t)(n - j - 1) * size);
    }
}

void reference_make_triangle(da_dtype dtype, int64_t n, void *a)
{
    const int64_t reals = n * n * (is_complex(dtype) ? 2 : 1);
    for (int64_t i = 0; i < reals; i++) {
        if (is_single(dtype))
            ((float *)a)[i] /= (float)n;
        else
            ((double *)a)[i] /= (double)n;
    }
    clear_triangle(dtype, n, a, true);
    shift_diagonal(dtype, n, a, 1.5);
}

/* ---- residuals ---- */

/* x -= y */
static void subtract(da_dtype dtype, int64_t n, void *x, const void *y)
{
    const int64_t reals = n * n * (is_complex(dtype) ? 2 : 1);
    if (is_single(dtype)) {
        float *const p = x;
        const float *const q = y;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < reals; i++)
            p[i] -= q[i];
    } else {
        double *const p = x;
        const double *const q = y;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < reals; i++)
            p[i] -= q[i];
    }
}

/* The 1-norm, or Frobenius's. By hand: LAPACK's norms may lose a NaN. */
static double norm(da_dtype dtype, int64_t n, const void *a, char which)
{
    const int64_t rows = n * (is_complex(dtype) ? 2 : 1);
    double worst = 0, squares = 0;
    for (int64_t j = 0; j < n; j++) {
        double column = 0;
        for (int64_t i = 0; i < rows; i += is_complex(dtype) ? 2 : 1) {
            const size_t at = (size_t)(j * rows + i);
            double re, im = 0;
            if (is_single(dtype)) {
                re = (double)((const float *)a)[at];
                if (is_complex(dtype))
                    im = (double)((const float *)a)[at + 1];
            } else {
                re = ((const double *)a)[at];
                if (is_complex(dtype))
                    im = ((const double *)a)[at + 1];
            }
            column += im == 0 ? fabs(re) : sqrt(re * re + im * im);
            squares += re * re + im * im;
        }
        if (isnan(column))
            return (double)NAN;
        worst = column > worst ? column : worst;
    }
    return which == 'F' ? sqrt(squares) : worst;
}

double reference_residual_gemm(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c,
                               const void *reference_c, void *scratch)
{
    memcpy(scratch, c, (size_t)(n * n) * size_of(dtype));
    subtract(dtype, n, scratch, reference_c);
    const double scale = sqrt((double)n + 2) * norm(dtype, n, a, 'F') * norm(dtype, n, b, 'F');
    return norm(dtype, n, scratch, 'F') / (scale * eps_of(dtype));
}

double reference_residual_cholesky(da_dtype dtype, int64_t n, const void *a, const void *l, void *scratch)
{
    memcpy(scratch, l, (size_t)(n * n) * size_of(dtype));
    clear_triangle(dtype, n, scratch, true);
    triangular(dtype, false, CblasRight, CblasLower, CblasConjTrans, CblasNonUnit, (int)n, l, scratch);
    subtract(dtype, n, scratch, a);
    return norm(dtype, n, scratch, '1') / (norm(dtype, n, a, '1') * (double)n * eps_of(dtype));
}

double reference_residual_qr(da_dtype dtype, int64_t n, const void *a, const void *q, const void *r,
                             void *scratch)
{
    const double scale = (double)n * eps_of(dtype);
    gemm(dtype, CblasNoTrans, CblasNoTrans, (int)n, 1, q, r, 0, scratch);
    subtract(dtype, n, scratch, a);
    const double factors = norm(dtype, n, scratch, '1') / (norm(dtype, n, a, '1') * scale);
    gemm(dtype, CblasConjTrans, CblasNoTrans, (int)n, 1, q, q, 0, scratch);
    shift_diagonal(dtype, n, scratch, -1);
    const double orthogonality = norm(dtype, n, scratch, '1') / scale;
    return isnan(factors) || factors > orthogonality ? factors : orthogonality;
}

static void swap_rows(da_dtype dtype, int64_t n, void *a, const int64_t *pivots)
{
    const size_t size = size_of(dtype);
    for (int64_t j = 0; j < n; j++) {
        char *const column = (char *)a + (size_t)(j * n) * size;
        for (int64_t i = 0; i < n; i++) {
            char t[16];
            char *const x = column + (size_t)i * size, *const y = column + (size_t)pivots[i] * size;
            memcpy(t, x, size);
            memmove(x, y, size);
            memcpy(y, t, size);
        }
    }
}

double reference_residual_lu(da_dtype dtype, int64_t n, const void *a, const void *lu, const int64_t *pivots,
                             void *scratch)
{
    const size_t bytes = (size_t)(n * n) * size_of(dtype);
    for (int64_t i = 0; i < n; i++)
        if (pivots[i] < i || pivots[i] >= n)
            return (double)NAN;
    void *const pa = malloc(bytes + 64);
    if (pa == NULL)
        return (double)NAN;
    memcpy(pa, a, bytes);
    swap_rows(dtype, n, pa, pivots);
    memcpy(scratch, lu, bytes);
    clear_triangle(dtype, n, scratch, false);
    triangular(dtype, false, CblasLeft, CblasLower, CblasNoTrans, CblasUnit, (int)n, lu, scratch);
    subtract(dtype, n, scratch, pa);
    free(pa);
    return norm(dtype, n, scratch, '1') / (norm(dtype, n, a, '1') * (double)n * eps_of(dtype));
}

double reference_residual_solve(da_dtype dtype, int64_t n, const void *t, const void *x, const void *b,
                                void *scratch)
{
    memcpy(scratch, x, (size_t)(n * n) * size_of(dtype));
    triangular(dtype, false, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, t, scratch);
    subtract(dtype, n, scratch, b);
    const double scale = norm(dtype, n, t, '1') * norm(dtype, n, x, '1') + norm(dtype, n, b, '1');
    return norm(dtype, n, scratch, '1') / (scale * (double)n * eps_of(dtype));
}

/* ---- tall QR, eigenvalues, singular values ---- */

/* Bytes of workspace for a query's answer, which has the dtype of the matrix. */
static size_t work_bytes(da_dtype dtype, const double _Complex *best)
{
    double length;
    if (is_single(dtype)) {
        float f;
        memcpy(&f, best, sizeof f);
        length = (double)f;
    } else {
        memcpy(&length, best, sizeof length);
    }
    return ((size_t)length + 1) * size_of(dtype) + 64;
}

int reference_geqrf_tall(da_dtype dtype, int64_t rows, int64_t columns, void *a, void *tau)
{
    const lapack_int m = (lapack_int)rows, n = (lapack_int)columns;
    double _Complex best = 0;
    void *work = &best;
    lapack_int lwork = -1;
    int info = 0;

    for (int query = 1; query >= 0 && info == 0; query--) {
        switch (dtype) {
        case DA_F32: info = LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, m, n, a, m, tau, work, lwork); break;
        case DA_C64: info = LAPACKE_cgeqrf_work(LAPACK_COL_MAJOR, m, n, a, m, tau, work, lwork); break;
        case DA_C128: info = LAPACKE_zgeqrf_work(LAPACK_COL_MAJOR, m, n, a, m, tau, work, lwork); break;
        default: info = LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, m, n, a, m, tau, work, lwork); break;
        }
        if (query) {
            const size_t bytes = work_bytes(dtype, &best);
            lwork = (lapack_int)(bytes / size_of(dtype));
            work = malloc(bytes);
            if (work == NULL)
                return -1;
        }
    }
    free(work == &best ? NULL : work);
    return info;
}

int reference_heevd(da_dtype dtype, int64_t size, void *a, void *w)
{
    const lapack_int n = (lapack_int)size;
    switch (dtype) {
    case DA_F32: return LAPACKE_ssyevd(LAPACK_COL_MAJOR, 'V', 'L', n, a, n, w);
    case DA_C64: return LAPACKE_cheevd(LAPACK_COL_MAJOR, 'V', 'L', n, a, n, w);
    case DA_C128: return LAPACKE_zheevd(LAPACK_COL_MAJOR, 'V', 'L', n, a, n, w);
    default: return LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', n, a, n, w);
    }
}

int reference_gesdd(da_dtype dtype, int64_t size, void *a, void *s, void *u, void *vh)
{
    const lapack_int n = (lapack_int)size;
    switch (dtype) {
    case DA_F32: return LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'S', n, n, a, n, s, u, n, vh, n);
    case DA_C64: return LAPACKE_cgesdd(LAPACK_COL_MAJOR, 'S', n, n, a, n, s, u, n, vh, n);
    case DA_C128: return LAPACKE_zgesdd(LAPACK_COL_MAJOR, 'S', n, n, a, n, s, u, n, vh, n);
    default: return LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', n, n, a, n, s, u, n, vh, n);
    }
}

/* sqrt of the sum of |x|^2 */
static double length(da_dtype dtype, int64_t count, const void *x)
{
    const int64_t parts = count * (is_complex(dtype) ? 2 : 1);
    double sum = 0;
    for (int64_t i = 0; i < parts; i++) {
        const double e = is_single(dtype) ? (double)((const float *)x)[i] : ((const double *)x)[i];
        sum += e * e;
    }
    return sqrt(sum);
}

/* x -= y */
static void take_off(da_dtype dtype, int64_t count, void *x, const void *y)
{
    const int64_t parts = count * (is_complex(dtype) ? 2 : 1);
    for (int64_t i = 0; i < parts; i++) {
        if (is_single(dtype))
            ((float *)x)[i] -= ((const float *)y)[i];
        else
            ((double *)x)[i] -= ((const double *)y)[i];
    }
}

/* Column j of q, of `rows` rows, times d[j], real. */
static void scale_columns(da_dtype dtype, int64_t rows, int64_t columns, void *q, const void *d)
{
    const int64_t parts = rows * (is_complex(dtype) ? 2 : 1);
    for (int64_t i = 0; i < parts * columns; i++) {
        if (is_single(dtype))
            ((float *)q)[i] *= ((const float *)d)[i / parts];
        else
            ((double *)q)[i] *= ((const double *)d)[i / parts];
    }
}

/* |I - q^H q| in the Frobenius norm; NaN without memory */
static double not_orthonormal(da_dtype dtype, int64_t rows, int64_t columns, const void *q)
{
    void *const gram = malloc((size_t)(columns * columns) * size_of(dtype) + 64);
    if (gram == NULL)
        return (double)NAN;
    gemm_of(dtype, CblasConjTrans, CblasNoTrans, (int)columns, (int)columns, (int)rows, 1, q, q, 0, gram);
    shift_diagonal(dtype, columns, gram, -1);
    const double distance = length(dtype, columns * columns, gram);
    free(gram);
    return distance;
}

static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

double reference_residual_qr_tall(da_dtype dtype, int64_t m, int64_t n, const void *a, const void *q,
                                  const void *r, void *scratch)
{
    const double scale = (double)n * eps_of(dtype);
    gemm_of(dtype, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)n, 1, q, r, 0, scratch);
    take_off(dtype, m * n, scratch, a);
    return larger(length(dtype, m * n, scratch) / (length(dtype, m * n, a) * scale),
                  not_orthonormal(dtype, m, n, q) / scale);
}

double reference_residual_eigh(da_dtype dtype, int64_t n, const void *a, const void *w, const void *v,
                               void *scratch)
{
    const double scale = (double)n * eps_of(dtype);
    void *const scaled = malloc((size_t)(n * n) * size_of(dtype) + 64);
    if (scaled == NULL)
        return (double)NAN;
    memcpy(scaled, v, (size_t)(n * n) * size_of(dtype));
    scale_columns(dtype, n, n, scaled, w);
    gemm(dtype, CblasNoTrans, CblasNoTrans, (int)n, 1, a, v, 0, scratch);
    take_off(dtype, n * n, scratch, scaled);
    free(scaled);
    return larger(length(dtype, n * n, scratch) / (length(dtype, n * n, a) * scale),
                  not_orthonormal(dtype, n, n, v) / scale);
}

double reference_residual_svd(da_dtype dtype, int64_t n, const void *a, const void *s, const void *u,
                              const void *vh, void *scratch)
{
    const double scale = (double)n * eps_of(dtype);
    void *const scaled = malloc((size_t)(n * n) * size_of(dtype) + 64);
    if (scaled == NULL)
        return (double)NAN;
    memcpy(scaled, u, (size_t)(n * n) * size_of(dtype));
    scale_columns(dtype, n, n, scaled, s);
    gemm(dtype, CblasNoTrans, CblasNoTrans, (int)n, 1, scaled, vh, 0, scratch);
    take_off(dtype, n * n, scratch, a);
    gemm(dtype, CblasNoTrans, CblasConjTrans, (int)n, 1, vh, vh, 0, scaled);
    shift_diagonal(dtype, n, scaled, -1);
    const double rows = length(dtype, n * n, scaled) / scale;
    free(scaled);
    return larger(larger(length(dtype, n * n, scratch) / (length(dtype, n * n, a) * scale), rows),
                  not_orthonormal(dtype, n, n, u) / scale);
}
