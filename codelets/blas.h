/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels' own BLAS and LAPACK: loaded when first needed, one thread a call, invisible to the host program.
 *
 * Routines are the Fortran ones, one table a dtype. Matrices and scalars are passed as void pointers, so all four tables
 * have the same type and a kernel body is the same text for every dtype. The size_t at the end are the lengths of
 * the character arguments, which Fortran compilers pass there.
 */
#ifndef DA_CODELETS_BLAS_H
#define DA_CODELETS_BLAS_H

#include <darray/base.h>

/* X(name, symbol in f32 and f64, symbol in c64 and c128, parameters); the symbols without letter and underscore, "" where the dtypes
 * have none: those of real and of complex numbers may take different parameters. */
#define DA_BLAS_ROUTINES(X)                                                                                  \
    X(gemm, "gemm", "gemm",                                                                                  \
      (const char *transa, const char *transb, const int *m, const int *n, const int *k, const void *alpha,  \
       const void *a, const int *lda, const void *b, const int *ldb, const void *beta, void *c,              \
       const int *ldc, size_t, size_t))                                                                      \
    X(gemv, "gemv", "gemv",                                                                                  \
      (const char *trans, const int *m, const int *n, const void *alpha, const void *a, const int *lda,      \
       const void *x, const int *incx, const void *beta, void *y, const int *incy, size_t))                  \
    X(herk, "syrk", "herk",                                                                                  \
      (const char *uplo, const char *trans, const int *n, const int *k, const void *alpha, const void *a,    \
       const int *lda, const void *beta, void *c, const int *ldc, size_t, size_t))                           \
    X(syrk, "syrk", "syrk",                                                                                  \
      (const char *uplo, const char *trans, const int *n, const int *k, const void *alpha, const void *a,    \
       const int *lda, const void *beta, void *c, const int *ldc, size_t, size_t))                           \
    X(her2k, "syr2k", "her2k",                                                                               \
      (const char *uplo, const char *trans, const int *n, const int *k, const void *alpha, const void *a,    \
       const int *lda, const void *b, const int *ldb, const void *beta, void *c, const int *ldc, size_t,     \
       size_t))                                                                                              \
    X(syr2k, "syr2k", "syr2k",                                                                               \
      (const char *uplo, const char *trans, const int *n, const int *k, const void *alpha, const void *a,    \
       const int *lda, const void *b, const int *ldb, const void *beta, void *c, const int *ldc, size_t,     \
       size_t))                                                                                              \
    X(hemm, "symm", "hemm",                                                                                  \
      (const char *side, const char *uplo, const int *m, const int *n, const void *alpha, const void *a,     \
       const int *lda, const void *b, const int *ldb, const void *beta, void *c, const int *ldc, size_t,     \
       size_t))                                                                                              \
    X(symm, "symm", "symm",                                                                                  \
      (const char *side, const char *uplo, const int *m, const int *n, const void *alpha, const void *a,     \
       const int *lda, const void *b, const int *ldb, const void *beta, void *c, const int *ldc, size_t,     \
       size_t))                                                                                              \
    X(trmm, "trmm", "trmm",                                                                                  \
      (const char *side, const char *uplo, const char *trans, const char *diag, const int *m, const int *n,  \
       const void *alpha, const void *t, const int *ldt, void *b, const int *ldb, size_t, size_t, size_t,    \
       size_t))                                                                                              \
    X(trsm, "trsm", "trsm",                                                                                  \
      (const char *side, const char *uplo, const char *trans, const char *diag, const int *m, const int *n,  \
       const void *alpha, const void *t, const int *ldt, void *b, const int *ldb, size_t, size_t, size_t,    \
       size_t))                                                                                              \
    X(getrf, "getrf", "getrf",                                                                               \
      (const int *m, const int *n, void *a, const int *lda, int *pivots, int *info))                         \
    X(gecon, "gecon", "gecon",                                                                               \
      (const char *norm, const int *n, const void *a, const int *lda, const void *anorm, void *rcond,        \
       void *work, void *more, int *info, size_t))                                                           \
    X(pocon, "pocon", "pocon",                                                                               \
      (const char *uplo, const int *n, const void *a, const int *lda, const void *anorm, void *rcond,        \
       void *work, void *more, int *info, size_t))                                                           \
    X(sytrf, "sytrf", "sytrf",                                                                               \
      (const char *uplo, const int *n, void *a, const int *lda, int *pivots, void *work, const int *lwork,   \
       int *info, size_t))                                                                                   \
    X(hetrf, "sytrf", "hetrf",                                                                               \
      (const char *uplo, const int *n, void *a, const int *lda, int *pivots, void *work, const int *lwork,   \
       int *info, size_t))                                                                                   \
    X(sytrs, "sytrs", "sytrs",                                                                               \
      (const char *uplo, const int *n, const int *nrhs, const void *a, const int *lda, const int *pivots,    \
       void *b, const int *ldb, int *info, size_t))                                                          \
    X(hetrs, "sytrs", "hetrs",                                                                               \
      (const char *uplo, const int *n, const int *nrhs, const void *a, const int *lda, const int *pivots,    \
       void *b, const int *ldb, int *info, size_t))                                                          \
    X(laswp, "laswp", "laswp",                                                                               \
      (const int *n, void *a, const int *lda, const int *first, const int *last, const int *pivots,          \
       const int *step))                                                                                     \
    X(geqrt, "geqrt", "geqrt",                                                                               \
      (const int *m, const int *n, const int *ib, void *a, const int *lda, void *t, const int *ldt,          \
       void *work, int *info))                                                                               \
    X(gemqrt, "gemqrt", "gemqrt",                                                                            \
      (const char *side, const char *trans, const int *m, const int *n, const int *k, const int *ib,         \
       const void *v, const int *ldv, const void *t, const int *ldt, void *c, const int *ldc, void *work,    \
       int *info, size_t, size_t))                                                                           \
    X(tpqrt, "tpqrt", "tpqrt",                                                                               \
      (const int *m, const int *n, const int *l, const int *ib, void *a, const int *lda, void *b,            \
       const int *ldb, void *t, const int *ldt, void *work, int *info))                                      \
    X(tpmqrt, "tpmqrt", "tpmqrt",                                                                            \
      (const char *side, const char *trans, const int *m, const int *n, const int *k, const int *l,          \
       const int *ib, const void *v, const int *ldv, const void *t, const int *ldt, void *a, const int *lda, \
       void *b, const int *ldb, void *work, int *info, size_t, size_t))                                      \
    X(geqp3, "geqp3", "geqp3", /* real ones have no rwork: see cpu/qr_pivoted.inc */                         \
      (const int *m, const int *n, void *a, const int *lda, int *pivots, void *tau, void *work,              \
       const int *length, void *rwork, int *info))                                                           \
    X(larft, "larft", "larft",                                                                               \
      (const char *direct, const char *storev, const int *n, const int *k, const void *v, const int *ldv,    \
       const void *tau, void *t, const int *ldt, size_t, size_t))                                            \
    X(laic1, "laic1", "laic1",                                                                               \
      (const int *job, const int *j, const void *x, const void *estimate, const void *w, const void *gamma,  \
       void *next, void *s, void *c))                                                                        \
    X(hetrd, "sytrd", "hetrd",                                                                               \
      (const char *uplo, const int *n, void *a, const int *lda, void *d, void *e, void *tau, void *work,     \
       const int *lwork, int *info, size_t))                                                                 \
    X(hemv, "symv", "hemv",                                                                                  \
      (const char *uplo, const int *n, const void *alpha, const void *a, const int *lda, const void *x,      \
       const int *incx, const void *beta, void *y, const int *incy, size_t))                                 \
    X(larfg, "larfg", "larfg", (const int *n, void *alpha, void *x, const int *incx, void *tau))             \
    X(bdsdc, "bdsdc", "",                                                                                    \
      (const char *uplo, const char *job, const int *n, void *d, void *e, void *u, const int *ldu, void *vt, \
       const int *ldvt, void *q, int *iq, void *work, int *iwork, int *info, size_t, size_t))                \
    X(sterf, "sterf", "", (const int *n, void *d, void *e, int *info))                                       \
    X(stedc, "stedc", "",                                                                                    \
      (const char *job, const int *n, void *d, void *e, void *z, const int *ldz, void *work,                 \
       const int *lwork, int *iwork, const int *liwork, int *info, size_t))                                  \
    X(laed4, "laed4", "",                                                                                    \
      (const int *n, const int *i, const void *d, const void *z, void *delta, const void *rho, void *lambda, \
       int *info))                                                                                           \
    X(lasd4, "lasd4", "",                                                                                    \
      (const int *n, const int *i, const void *d, const void *z, void *delta, const void *rho, void *sigma,  \
       void *work, int *info))                                                                               \
    X(syevd, "syevd", "",                                                                                    \
      (const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,        \
       const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t))                          \
    X(heevd, "", "heevd",                                                                                    \
      (const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,        \
       const int *lwork, void *rwork, const int *lrwork, int *iwork, const int *liwork, int *info, size_t,   \
       size_t))                                                                                              \
    X(geev_real, "geev", "",                                                                                 \
      (const char *left, const char *right, const int *n, void *a, const int *lda, void *re, void *im,       \
       void *vl, const int *ldvl, void *vr, const int *ldvr, void *work, const int *lwork, int *info,        \
       size_t, size_t))                                                                                      \
    X(geev_complex, "", "geev",                                                                              \
      (const char *left, const char *right, const int *n, void *a, const int *lda, void *w, void *vl,        \
       const int *ldvl, void *vr, const int *ldvr, void *work, const int *lwork, void *rwork, int *info,     \
       size_t, size_t))                                                                                      \
    X(gesdd_real, "gesdd", "",                                                                               \
      (const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u,               \
       const int *ldu, void *vh, const int *ldvh, void *work, const int *lwork, int *iwork, int *info,       \
       size_t))                                                                                              \
    X(gesdd_complex, "", "gesdd",                                                                            \
      (const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u,               \
       const int *ldu, void *vh, const int *ldvh, void *work, const int *lwork, void *rwork, int *iwork,     \
       int *info, size_t))

/* One dtype's routines. */
typedef struct da_blas {
#define DA_BLAS_MEMBER_(name, real, complex, parameters) void(*name) parameters;
    DA_BLAS_ROUTINES(DA_BLAS_MEMBER_)
#undef DA_BLAS_MEMBER_
} da_blas;

/* The tables; valid once da_blas_load() returned DA_OK. */
extern da_blas da_blas_f32, da_blas_f64, da_blas_c64, da_blas_c128;

/*
 * Load the library if that was not tried yet; thread-safe and, once loaded, the cost of a test.
 * Returns DA_ERROR_UNSUPPORTED if there is none that has all routines: da_blas_text() then says what was tried.
 */
da_status da_blas_load(void);

/* What was loaded and how, or why nothing was, in one sentence. Static; valid after da_blas_load(). */
const char *da_blas_text(void);

/* Its file (or files), or "" if none was loaded; and which of its kernels OpenBLAS chose for this CPU, "unknown" if it does not say. As
 * above. */
const char *da_blas_file(void);
const char *da_blas_core(void);

/* Up to this order plain loops (cpu/products.h) multiply faster than it does. */
int da_blas_small_order(da_dtype dtype);

#endif
