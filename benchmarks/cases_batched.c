/* SPDX-License-Identifier: BSD-3-Clause */
/* Thousands of small matrices in one call, against a parallel loop of plain BLAS and LAPACK calls on one thread each. */
#include "bench.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 1 << 21, MOST = 20000 }; /* of an operand about, and matrices at most */

typedef struct batch {
    da_dtype dtype;
    int64_t n, count;
    size_t bytes; /* of all matrices */
    int threads;
    void *a, *b, *w, *x; /* inputs of both sides, and the reference's outputs */
    int *pivots;
    da_array *da, *db; /* the inputs as darray's arrays */
} batch;

static void free_batch(bench *b)
{
    batch *const s = b->state;
    if (s == NULL)
        return;
    reference_set_threads(s->threads);
    da_array_release(&s->da);
    da_array_release(&s->db);
    free(s->a);
    free(s->b);
    free(s->w);
    free(s->x);
    free(s->pivots);
    free(s);
    b->state = NULL;
}

/* Matrix i of `columns` columns, of some array of them. */
static char *matrix(const batch *s, const void *all, int64_t i, int64_t columns)
{
    return (char *)(uintptr_t)all + (size_t)(i * s->n * columns) * da_dtype_size(s->dtype);
}

/* The host's batches have their matrices one behind the other, column by column. */
static int to_darray(da_array **out, const batch *s, const void *host, int64_t columns)
{
    const int64_t strides[] = {s->n * columns, 1, s->n};
    BENCH_TRY(da_from_host(out, s->dtype, DA_SHAPE(s->count, s->n, columns), host, DA_STRIDES(strides)));
    BENCH_TRY(da_wait(*out));
    return 0;
}

static int to_host(const batch *s, void *host, const da_array *a, int64_t columns)
{
    const int64_t strides[] = {s->n * columns, 1, s->n};
    BENCH_TRY(da_to_host(a, host, s->bytes, DA_STRIDES(strides)));
    return 0;
}

/* `columns` of b; flops: over n^3. */
static int setup(bench *b, bool definite, int64_t columns, int (*ours)(void *), int (*reference)(void *),
                 const char *name, double flops)
{
    if (b->n < 1 || b->n > 4096)
        return bench_fail("%s: the order must be from 1 to 4096, not %lld", b->kase->name, (long long)b->n);
    batch *const s = calloc(1, sizeof *s);
    if (s == NULL)
        return bench_fail("%s: no memory", b->kase->name);
    b->state = s;
    s->dtype = b->dtype;
    s->n = b->n;
    s->count = ELEMENTS / (b->n * b->n) + 1;
    s->count = s->count > MOST ? MOST : s->count;
    s->threads = b->threads;
    s->bytes = (size_t)(s->count * b->n * b->n) * da_dtype_size(b->dtype);
    s->a = bench_alloc(b, s->bytes);
    s->b = bench_alloc(b, s->bytes);
    s->w = bench_alloc(b, s->bytes);
    s->x = bench_alloc(b, s->bytes);
    s->pivots = calloc((size_t)(s->count * s->n), sizeof *s->pivots);
    if (s->a == NULL || s->b == NULL || s->w == NULL || s->x == NULL || s->pivots == NULL)
        return 1;
    reference_fill(s->dtype, s->count * s->n * s->n, s->a, 1, -0.5);
    reference_fill(s->dtype, s->count * s->n * s->n, s->b, 2, -0.5);
    memset(s->w, 0, s->bytes);
    memset(s->x, 0, s->bytes);
    for (int64_t i = 0; i < s->count && definite; i++)
        reference_make_spd(s->dtype, s->n, matrix(s, s->a, i, s->n), matrix(s, s->b, i, s->n));
    if (to_darray(&s->da, s, s->a, s->n) || to_darray(&s->db, s, s->b, columns))
        return 1;
    b->ours.ctx = b->reference.ctx = s;
    b->ours.run = ours;
    b->reference.run = reference;
    b->reference_name = name;
    b->unit = "GFLOP/s";
    b->work =
        flops * (double)s->count * (double)(s->n * s->n) * (double)s->n * bench_flop_factor(b->dtype) * 1e-9;
    b->extra[b->extras++] = (harness_field){"matrices", NULL, (double)s->count};
    bench_set_tile(b, s->da);
    reference_batch_begin(b->threads);
    return 0;
}

/* The largest of the matrices' residuals; NaN stays. */
static void worst_of(bench *b, double residual)
{
    if (isnan(b->residual) && b->residual_bound == 0)
        b->residual = 0;
    b->residual_bound = 30;
    if (!(residual <= b->residual))
        b->residual = residual;
}

/* ---- matmul: into a new array, released again, against gemm into memory that has been touched ---- */

static int matmul_ours(void *ctx)
{
    batch *const s = ctx;
    da_array *c = NULL;
    BENCH_TRY(da_matmul(&c, s->da, s->db));
    BENCH_TRY(da_wait(c));
    da_array_release(&c);
    return 0;
}

static int matmul_reference(void *ctx)
{
    batch *const s = ctx;
    reference_batch_gemm(s->dtype, s->count, s->n, s->a, s->b, s->w);
    return 0;
}

static int matmul_setup(bench *b)
{
    return setup(b, false, b->n, matmul_ours, matmul_reference, "parallel loop of OpenBLAS gemm", 2);
}

static int matmul_check(bench *b)
{
    batch *const s = b->state;
    da_array *c = NULL;
    BENCH_TRY(da_matmul(&c, s->da, s->db));
    if (to_host(s, s->x, c, s->n))
        return 1;
    da_array_release(&c);
    matmul_reference(s);
    void *const scratch = bench_alloc(b, s->bytes);
    for (int64_t i = 0; i < s->count && scratch != NULL; i++)
        worst_of(b,
                 reference_residual_gemm(s->dtype, s->n, matrix(s, s->a, i, s->n), matrix(s, s->b, i, s->n),
                                         matrix(s, s->x, i, s->n), matrix(s, s->w, i, s->n), scratch));
    free(scratch);
    b->residual_bound = 3;
    return scratch == NULL;
}

const bench_case bench_batched_matmul = {
    "batched_matmul", "C = A B for many n x n", 16, 4, BENCH_REAL | BENCH_COMPLEX, matmul_setup, matmul_check,
    free_batch};

/* ---- cholesky, lu, qr: factors of matrices that are kept, on both sides ---- */

static int cholesky_ours(void *ctx)
{
    batch *const s = ctx;
    da_array *l = NULL;
    BENCH_TRY(da_cholesky(&l, s->da, DA_LOWER));
    BENCH_TRY(da_wait(l));
    da_array_release(&l);
    return 0;
}

static int cholesky_reference(void *ctx)
{
    batch *const s = ctx;
    return reference_batch_potrf(s->dtype, s->count, s->n, s->a, s->w) ? bench_fail("potrf: info is not 0")
                                                                       : 0;
}

static int cholesky_setup(bench *b)
{
    return setup(b, true, b->n, cholesky_ours, cholesky_reference, "parallel loop of memcpy + OpenBLAS potrf",
                 1.0 / 3);
}

static int cholesky_check(bench *b)
{
    batch *const s = b->state;
    da_array *l = NULL;
    BENCH_TRY(da_cholesky(&l, s->da, DA_LOWER));
    if (to_host(s, s->x, l, s->n))
        return 1;
    da_array_release(&l);
    for (int64_t i = 0; i < s->count; i++)
        worst_of(b, reference_residual_cholesky(s->dtype, s->n, matrix(s, s->a, i, s->n),
                                                matrix(s, s->x, i, s->n), s->w));
    return 0;
}

const bench_case bench_batched_cholesky = {"batched_cholesky",
                                           "A = L L^H for many n x n",
                                           16,
                                           4,
                                           BENCH_REAL | BENCH_COMPLEX,
                                           cholesky_setup,
                                           cholesky_check,
                                           free_batch};

static int lu_ours(void *ctx)
{
    batch *const s = ctx;
    da_array *lu = NULL, *pivots = NULL;
    BENCH_TRY(da_lu(&lu, &pivots, s->da));
    BENCH_TRY(da_wait(lu));
    BENCH_TRY(da_wait(pivots));
    da_array_release(&lu);
    da_array_release(&pivots);
    return 0;
}

static int lu_reference(void *ctx)
{
    batch *const s = ctx;
    return reference_batch_getrf(s->dtype, s->count, s->n, s->a, s->w, s->pivots)
               ? bench_fail("getrf: info is not 0")
               : 0;
}

static int lu_setup(bench *b)
{
    return setup(b, false, b->n, lu_ours, lu_reference, "parallel loop of memcpy + OpenBLAS getrf", 2.0 / 3);
}

static int lu_check(bench *b)
{
    batch *const s = b->state;
    da_array *lu = NULL, *pivots = NULL;
    int64_t *const rows = calloc((size_t)(s->count * s->n), sizeof *rows);
    if (rows == NULL)
        return bench_fail("%s: no memory", b->kase->name);
    BENCH_TRY(da_lu(&lu, &pivots, s->da));
    BENCH_TRY(da_to_host(pivots, rows, (size_t)(s->count * s->n) * sizeof *rows, DA_ROW_MAJOR));
    if (to_host(s, s->x, lu, s->n))
        return 1;
    da_array_release(&lu);
    da_array_release(&pivots);
    for (int64_t i = 0; i < s->count; i++)
        worst_of(b, reference_residual_lu(s->dtype, s->n, matrix(s, s->a, i, s->n), matrix(s, s->x, i, s->n),
                                          rows + i * s->n, s->w));
    free(rows);
    return 0;
}

const bench_case bench_batched_lu = {
    "batched_lu", "P A = L U for many n x n", 16, 4, BENCH_REAL | BENCH_COMPLEX, lu_setup, lu_check,
    free_batch};

static int qr_ours(void *ctx)
{
    batch *const s = ctx;
    da_array *q = NULL, *r = NULL;
    BENCH_TRY(da_qr(&q, &r, s->da));
    BENCH_TRY(da_wait(q));
    BENCH_TRY(da_wait(r));
    da_array_release(&q);
    da_array_release(&r);
    return 0;
}

static int qr_reference(void *ctx)
{
    batch *const s = ctx;
    return reference_batch_qr(s->dtype, s->count, s->n, s->a, s->w, s->x)
               ? bench_fail("geqrf or orgqr: info is not 0")
               : 0;
}

static int qr_setup(bench *b)
{
    return setup(b, false, b->n, qr_ours, qr_reference, "parallel loop of memcpy + LAPACK geqrf + orgqr",
                 8.0 / 3);
}

static int qr_check(bench *b)
{
    batch *const s = b->state;
    da_array *q = NULL, *r = NULL;
    BENCH_TRY(da_qr(&q, &r, s->da));
    if (to_host(s, s->w, q, s->n) || to_host(s, s->x, r, s->n))
        return 1;
    da_array_release(&q);
    da_array_release(&r);
    void *const scratch = bench_alloc(b, s->bytes);
    for (int64_t i = 0; i < s->count && scratch != NULL; i++)
        worst_of(b, reference_residual_qr(s->dtype, s->n, matrix(s, s->a, i, s->n), matrix(s, s->w, i, s->n),
                                          matrix(s, s->x, i, s->n), scratch));
    free(scratch);
    return scratch == NULL;
}

const bench_case bench_batched_qr = {"batched_qr",
                                     "A = Q R, both formed, for many n x n",
                                     16,
                                     4,
                                     BENCH_REAL | BENCH_COMPLEX,
                                     qr_setup,
                                     qr_check,
                                     free_batch};

/* ---- solve: one right-hand side a matrix ---- */

static int solve_ours(void *ctx)
{
    batch *const s = ctx;
    da_array *x = NULL;
    BENCH_TRY(da_solve(&x, s->da, s->db));
    BENCH_TRY(da_wait(x));
    da_array_release(&x);
    return 0;
}

static int solve_reference(void *ctx)
{
    batch *const s = ctx;
    return reference_batch_gesv(s->dtype, s->count, s->n, s->a, s->w, s->pivots, s->b, s->x)
               ? bench_fail("gesv: info is not 0")
               : 0;
}

static int solve_setup(bench *b)
{
    return setup(b, false, 1, solve_ours, solve_reference, "parallel loop of memcpy + OpenBLAS gesv",
                 2.0 / 3);
}

static int solve_check(bench *b)
{
    batch *const s = b->state;
    da_array *x = NULL;
    BENCH_TRY(da_solve(&x, s->da, s->db));
    if (to_host(s, s->x, x, 1))
        return 1;
    da_array_release(&x);
    for (int64_t i = 0; i < s->count; i++)
        worst_of(b, reference_residual_system(s->dtype, s->n, matrix(s, s->a, i, s->n), matrix(s, s->x, i, 1),
                                              matrix(s, s->b, i, 1)));
    return 0;
}

const bench_case bench_batched_solve = {
    "batched_solve", "A x = b for many n x n", 16, 4, BENCH_REAL | BENCH_COMPLEX, solve_setup, solve_check,
    free_batch};
