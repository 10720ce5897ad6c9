/* SPDX-License-Identifier: BSD-3-Clause */
/* Tall QR, eigenvalues of Hermitian matrices and singular values against LAPACK on threaded OpenBLAS. Both sides begin with a matrix that is
 * kept and end with results in memory of their own. */
#include "bench.h"
#include "reference.h"

#include <stdlib.h>
#include <string.h>

enum { TALL = 64 }; /* columns of a tall matrix */

typedef struct spectral {
    da_dtype dtype;
    int64_t m, n;
    size_t bytes;
    void *a;          /* the input of both sides */
    void *w, *u, *vh; /* the reference's copy of it, and results */
    void *values;     /* eigenvalues, singular values, or tau */
    da_array *x;      /* the input as darray's array */
} spectral;

static void free_spectral(bench *b)
{
    spectral *const s = b->state;
    if (s == NULL)
        return;
    da_array_release(&s->x);
    free(s->a);
    free(s->w);
    free(s->u);
    free(s->vh);
    free(s->values);
    free(s);
    b->state = NULL;
}

/* flops: of a real matrix, 1e-9 times. */
static int setup(bench *b, int64_t m, int64_t n, bool definite, int (*ours)(void *), int (*reference)(void *),
                 const char *name, double flops)
{
    if (m < 1 || m > 100000000 || n < 1 || (m == n && n > 46340)) /* the reference's integers have 32 bits */
        return bench_fail("%s: the size must be from 1 to %d, not %lld", b->kase->name,
                          m == n ? 46340 : 100000000, (long long)b->n);
    spectral *const s = calloc(1, sizeof *s);
    if (s == NULL)
        return bench_fail("%s: no memory", b->kase->name);
    b->state = s;
    s->dtype = b->dtype;
    s->m = m;
    s->n = n;
    s->bytes = (size_t)(m * n) * da_dtype_size(b->dtype);
    s->a = bench_alloc(b, s->bytes);
    s->w = bench_alloc(b, s->bytes);
    s->u = bench_alloc(b, s->bytes);
    s->vh = bench_alloc(b, (size_t)(n * n) * da_dtype_size(b->dtype));
    s->values = bench_alloc(b, (size_t)n * da_dtype_size(b->dtype));
    if (s->a == NULL || s->w == NULL || s->u == NULL || s->vh == NULL || s->values == NULL)
        return 1;
    reference_fill(s->dtype, m * n, s->a, 1, -0.5);
    memset(s->w, 0, s->bytes);
    memset(s->u, 0, s->bytes);
    if (definite) {
        memcpy(s->w, s->a, s->bytes);
        reference_make_spd(s->dtype, n, s->a, s->w);
    }
    BENCH_TRY(da_from_host(&s->x, s->dtype, DA_SHAPE(m, n), s->a, DA_COL_MAJOR));
    BENCH_TRY(da_wait(s->x));
    b->ours.ctx = b->reference.ctx = s;
    b->ours.run = ours;
    b->reference.run = reference;
    b->reference_name = name;
    b->unit = "GFLOP/s";
    b->work = flops * bench_flop_factor(b->dtype);
    bench_set_tile(b, s->x);
    return 0;
}

/* ---- qr_tall ---- */

static int tall_ours(void *ctx)
{
    spectral *const s = ctx;
    da_qr_factors *f = NULL;
    BENCH_TRY(da_qr_factor(&f, s->x));
    BENCH_TRY(da_wait_all());
    da_qr_factors_release(&f);
    return 0;
}

static int tall_reference(void *ctx)
{
    spectral *const s = ctx;
    memcpy(s->w, s->a, s->bytes);
    const int info = reference_geqrf_tall(s->dtype, s->m, s->n, s->w, s->values);
    return info == 0 ? 0 : bench_fail("geqrf: info = %d", info);
}

static int tall_setup(bench *b)
{
    const double m = (double)b->n, n = TALL;
    return setup(b, b->n, TALL, false, tall_ours, tall_reference, "memcpy + LAPACK geqrf on OpenBLAS",
                 (2 * m * n * n - 2 * n * n * n / 3) * 1e-9);
}

static int tall_check(bench *b)
{
    spectral *const s = b->state;
    da_qr_factors *f = NULL;
    da_array *q = NULL, *r = NULL;
    BENCH_TRY(da_qr_factor(&f, s->x));
    BENCH_TRY(da_qr_q(&q, f, 0));
    BENCH_TRY(da_qr_r(&r, f, 0));
    da_qr_factors_release(&f);
    BENCH_TRY(da_to_host(q, s->u, s->bytes, DA_COL_MAJOR));
    BENCH_TRY(da_to_host(r, s->vh, (size_t)(s->n * s->n) * da_dtype_size(s->dtype), DA_COL_MAJOR));
    da_array_release(&q);
    da_array_release(&r);
    b->residual = reference_residual_qr_tall(s->dtype, s->m, s->n, s->a, s->u, s->vh, s->w);
    b->residual_bound = 30;
    return 0;
}

/* ---- eigh ---- */

static int eigh_ours(void *ctx)
{
    spectral *const s = ctx;
    da_array *w = NULL, *v = NULL;
    BENCH_TRY(da_eigh(&w, &v, s->x, DA_LOWER));
    BENCH_TRY(da_wait(v));
    da_array_release(&w);
    da_array_release(&v);
    return 0;
}

static int eigh_reference(void *ctx)
{
    spectral *const s = ctx;
    memcpy(s->w, s->a, s->bytes);
    const int info = reference_heevd(s->dtype, s->n, s->w, s->values);
    return info == 0 ? 0 : bench_fail("heevd: info = %d", info);
}

static int eigh_setup(bench *b)
{
    const double n = (double)b->n;
    return setup(b, b->n, b->n, true, eigh_ours, eigh_reference, "memcpy + LAPACK heevd on OpenBLAS",
                 4 * n * n * n * 1e-9);
}

static int eigh_check(bench *b)
{
    spectral *const s = b->state;
    da_array *w = NULL, *v = NULL;
    BENCH_TRY(da_eigh(&w, &v, s->x, DA_LOWER));
    BENCH_TRY(da_to_host(v, s->u, s->bytes, DA_COL_MAJOR));
    BENCH_TRY(da_to_host(w, s->values, (size_t)s->n * da_dtype_size(da_array_dtype(w)), DA_COL_MAJOR));
    da_array_release(&w);
    da_array_release(&v);
    b->residual = reference_residual_eigh(s->dtype, s->n, s->a, s->values, s->u, s->w);
    b->residual_bound = 30;
    return 0;
}

/* ---- svd ---- */

static int svd_ours(void *ctx)
{
    spectral *const s = ctx;
    da_array *u = NULL, *values = NULL, *vh = NULL;
    BENCH_TRY(da_svd(&u, &values, &vh, s->x, 0));
    BENCH_TRY(da_wait(vh));
    da_array_release(&u);
    da_array_release(&values);
    da_array_release(&vh);
    return 0;
}

static int svd_reference(void *ctx)
{
    spectral *const s = ctx;
    memcpy(s->w, s->a, s->bytes);
    const int info = reference_gesdd(s->dtype, s->n, s->w, s->values, s->u, s->vh);
    return info == 0 ? 0 : bench_fail("gesdd: info = %d", info);
}

static int svd_setup(bench *b)
{
    const double n = (double)b->n;
    return setup(b, b->n, b->n, false, svd_ours, svd_reference, "memcpy + LAPACK gesdd on OpenBLAS",
                 12 * n * n * n * 1e-9);
}

static int svd_check(bench *b)
{
    spectral *const s = b->state;
    da_array *u = NULL, *values = NULL, *vh = NULL;
    BENCH_TRY(da_svd(&u, &values, &vh, s->x, 0));
    BENCH_TRY(da_to_host(u, s->u, s->bytes, DA_COL_MAJOR));
    BENCH_TRY(da_to_host(vh, s->vh, s->bytes, DA_COL_MAJOR));
    BENCH_TRY(
        da_to_host(values, s->values, (size_t)s->n * da_dtype_size(da_array_dtype(values)), DA_COL_MAJOR));
    da_array_release(&u);
    da_array_release(&values);
    da_array_release(&vh);
    b->residual = reference_residual_svd(s->dtype, s->n, s->a, s->values, s->u, s->vh, s->w);
    b->residual_bound = 30;
    return 0;
}

const bench_case bench_qr_tall = {"qr_tall",
                                  "A = Q R, compact Q, n x 64",
                                  200000,
                                  3000,
                                  BENCH_REAL | BENCH_COMPLEX,
                                  tall_setup,
                                  tall_check,
                                  free_spectral};
const bench_case bench_eigh = {"eigh",
                               "A v = w v with vectors, n x n, Hermitian",
                               2000,
                               96,
                               BENCH_REAL | BENCH_COMPLEX,
                               eigh_setup,
                               eigh_check,
                               free_spectral};
const bench_case bench_svd = {"svd",
                              "A = U S V^H with vectors, n x n",
                              1500,
                              96,
                              BENCH_REAL | BENCH_COMPLEX,
                              svd_setup,
                              svd_check,
                              free_spectral};
