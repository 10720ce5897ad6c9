/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file reference.h
 * What the user would write instead of calling darray: BLAS and LAPACK calls, OpenMP loops, tasks of the raw runtimes.
 * Compiled for the machine it is built on. Matrices are column-major and square of order n with leading dimension n.
 */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include <darray/base.h>

/** Use this many threads: OpenBLAS (the program's own copy) and OpenMP regions of the calling thread. */
void reference_set_threads(int threads);
/** The kernels that the program's OpenBLAS picked, e.g. "SkylakeX", and what it is, e.g. "OpenBLAS 0.3.21 ...". */
const char *reference_blas_core(void);
const char *reference_blas_config(void);

/** Fill with numbers in [low, low+1) (both parts of complex ones) that depend on seed and index only. */
void reference_fill(da_dtype dtype, int64_t count, void *x, uint64_t seed, double low);

/* ---- BLAS and LAPACK (reference_blas.c) ---- */

/** What LAPACK needs beside the matrix, allocated ahead of the timing. */
typedef struct reference_work {
    void *tau, *work;
    int lwork;
    int *pivots;
} reference_work;
/** Ask geqrf for its best workspace and allocate it; 0 or 1. */
int reference_work_init(reference_work *w, da_dtype dtype, int64_t n, void *matrix);
void reference_work_free(reference_work *w);

/** c = a b */
void reference_gemm(da_dtype dtype, int64_t n, const void *a, const void *b, void *c);
/** a becomes its lower Cholesky factor. LAPACK's info. */
int reference_potrf(da_dtype dtype, int64_t n, void *a);
int reference_geqrf(da_dtype dtype, int64_t n, void *a, reference_work *w);
int reference_getrf(da_dtype dtype, int64_t n, void *a, reference_work *w);
/** b = inverse(a) b for one vector b; a becomes its factors. */
int reference_gesv(da_dtype dtype, int64_t n, void *a, void *b, reference_work *w);
/** b = inverse(lower triangle of t) b */
/* The lower triangle of c = a a^H. */
void reference_herk(da_dtype dtype, int64_t n, const void *a, void *c);
void reference_trsm(da_dtype dtype, int64_t n, const void *t, void *b);

/** a = (g g^H)/n + I/100, Hermitian positive definite with a condition number of some hundreds. */
void reference_make_spd(da_dtype dtype, int64_t n, void *a, const void *g);
/** Zeros above the diagonal, numbers of order 1/n below, about 1.5 on it: a triangle whose inverse stays small. */
void reference_make_triangle(da_dtype dtype, int64_t n, void *a);

/* Residuals, in the 1-norm unless said, divided by n eps; the bound is 30, for gemm 3. Each overwrites its `scratch` of n*n
 * elements. NaN where anything is NaN. */

/** |c - reference|_F / (sqrt(n+2) |a|_F |b|_F eps) */
double reference_residual_gemm(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c,
                               const void *reference_c, void *scratch);
/** |l l^H - a| / (|a| n eps); only l's lower triangle is looked at */
double reference_residual_cholesky(da_dtype dtype, int64_t n, const void *a, const void *l, void *scratch);
/** The larger one of |a - q r| / (|a| n eps) and |I - q^H q| / (n eps) */
double reference_residual_qr(da_dtype dtype, int64_t n, const void *a, const void *q, const void *r,
                             void *scratch);
/** |P a - l u| / (|a| n eps); pivots count from 0 */
double reference_residual_lu(da_dtype dtype, int64_t n, const void *a, const void *lu, const int64_t *pivots,
                             void *scratch);
/** |t x - b| / ((|t| |x| + |b|) n eps) */
double reference_residual_solve(da_dtype dtype, int64_t n, const void *t, const void *x, const void *b,
                                void *scratch);

/* ---- tall QR, eigenvalues, singular values (reference_blas.c) ---- */

/** a, rows x columns, becomes its factors; tau: as many elements as columns. LAPACK's info, -1 without memory. */
int reference_geqrf_tall(da_dtype dtype, int64_t rows, int64_t columns, void *a, void *tau);
/** The lower triangle of a; a becomes the eigenvectors, w the eigenvalues. LAPACK's info. */
int reference_heevd(da_dtype dtype, int64_t n, void *a, void *w);
/** a is used up. LAPACK's info. */
int reference_gesdd(da_dtype dtype, int64_t n, void *a, void *s, void *u, void *vh);
/* In the Frobenius norm: |a - q r| / (|a| n eps) or |I - q^H q| / (n eps); |a v - v w| ..., |a - u s vh| ... alike. */
double reference_residual_qr_tall(da_dtype dtype, int64_t m, int64_t n, const void *a, const void *q,
                                  const void *r, void *scratch);
double reference_residual_eigh(da_dtype dtype, int64_t n, const void *a, const void *w, const void *v,
                               void *scratch);
double reference_residual_svd(da_dtype dtype, int64_t n, const void *a, const void *s, const void *u,
                              const void *vh, void *scratch);

/* ---- batches (reference_batched.c): `count` matrices one behind the other ---- */

/** From here on OpenBLAS has one thread, the loops have so many; until reference_set_threads(). */
void reference_batch_begin(int threads);
/** c = a b */
void reference_batch_gemm(da_dtype dtype, int64_t count, int64_t n, const void *a, const void *b, void *c);
/* These copy each matrix of `a` and factor the copy; 0 if every info was. pivots: n ints a matrix; b and x: one column a matrix. */
int reference_batch_potrf(da_dtype dtype, int64_t count, int64_t n, const void *a, void *w);
int reference_batch_getrf(da_dtype dtype, int64_t count, int64_t n, const void *a, void *w, int *pivots);
int reference_batch_gesv(da_dtype dtype, int64_t count, int64_t n, const void *a, void *w, int *pivots,
                         const void *b, void *x);
/** Q and R by geqrf and orgqr */
int reference_batch_qr(da_dtype dtype, int64_t count, int64_t n, const void *a, void *q, void *r);
/** |a x - b| / ((|a| |x| + |b|) n eps) for one matrix and one right-hand side */
double reference_residual_system(da_dtype dtype, int64_t n, const void *a, const void *x, const void *b);

/* ---- loops (reference_loops.c; the mathematical functions in reference_math.c, with -ffast-math) ---- */

/** c = b * a / 3 */
void reference_expr(da_dtype dtype, int64_t n, const void *a, const void *b, void *c);
/** c = exp(a) * sin(b) + sqrt(a) */
void reference_expr_math(da_dtype dtype, int64_t n, const void *a, const void *b, void *c);
/** The sum of all elements, as two doubles. */
da_c128 reference_sum(da_dtype dtype, int64_t n, const void *a);

/** Largest error of `c` over all elements: |c - exact| / (eps * the magnitude of the terms), computed without -ffast-math. */
double reference_residual_expr(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c);
double reference_residual_expr_math(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c);
/** |sum - exact| / (sqrt(n) eps sum|a|), with sums in long double */
double reference_residual_sum(da_dtype dtype, int64_t n, const void *a, da_c128 sum);

/* ---- tasks (reference_tasks_*.c) ----
 * Task i adds 1 to counter i % chains and reads datum (5 i) % chains: both are arrays of `stride` doubles apart. */

void reference_tasks_openmp(int64_t tasks, int chains, int stride, double *counters, const double *data,
                            int threads);

#if DA_HAVE_STARPU
/** A StarPU of the program's own, as long as darray's is shut down. 0 or 1. */
int reference_starpu_start(int threads, int chains, int stride, double *counters, double *data);
/** Insert the tasks and wait for all of them. */
int reference_starpu_run(int64_t tasks, int chains);
/** Counters and data are the host's again. */
void reference_starpu_stop(int chains);
#endif

#endif
