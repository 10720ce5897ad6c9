/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense linear algebra against threaded OpenBLAS and its LAPACK. What both sides do with inputs and outputs is said with each
 * case; in all of them the same input is there, unchanged, for the next call. */
#include "bench.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct matrices {
    da_dtype dtype;
    int64_t n;
    size_t bytes;
    void *a, *b;     /* inputs of both sides, never changed */
    void *w;         /* the reference's output or what it works on */
    da_array *x, *y; /* a and b as darray's arrays */
    da_array *z;     /* what darray works on in place */
    reference_work lapack;
    void *f; /* what small_matmul's reference allocated */
} matrices;

static void free_matrices(bench *b)
{
    matrices *const m = b->state;
    if (m == NULL)
        return;
    da_array_release(&m->x);
    da_array_release(&m->y);
    da_array_release(&m->z);
    reference_work_free(&m->lapack);
    free(m->a);
    free(m->b);
    free(m->w);
    free(m);
    b->state = NULL;
}

enum { WANT_B = 1, WANT_W = 2 };

/* Allocates and fills a with numbers around 0, b too if wanted. */
static matrices *make_matrices(bench *b, int want)
{
    if (b->n < 1 || b->n > 46340) { /* the reference's integers have 32 bits */
        bench_fail("%s: the order must be from 1 to 46340, not %lld", b->kase->name, (long long)b->n);
        return NULL;
    }
    matrices *const m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    b->state = m;
    m->dtype = b->dtype;
    m->n = b->n;
    m->bytes = (size_t)(b->n * b->n) * da_dtype_size(b->dtype);
    m->a = bench_alloc(b, m->bytes);
    if (want & WANT_B)
        m->b = bench_alloc(b, m->bytes);
    if (want & WANT_W)
        m->w = bench_alloc(b, m->bytes);
    if (m->a == NULL || ((want & WANT_B) && m->b == NULL) || ((want & WANT_W) && m->w == NULL))
        return NULL;
    reference_fill(m->dtype, m->n * m->n, m->a, 1, -0.5);
    if (want & WANT_B)
        reference_fill(m->dtype, m->n * m->n, m->b, 2, -0.5);
    if (want & WANT_W)
        memset(m->w, 0, m->bytes);
    b->unit = "GFLOP/s";
    b->ours.ctx = b->reference.ctx = m;
    return m;
}

static int to_darray(da_array **out, const matrices *m, const void *host)
{
    BENCH_TRY(da_from_host(out, m->dtype, DA_SHAPE(m->n, m->n), host, DA_COL_MAJOR));
    BENCH_TRY(da_wait(*out));
    return 0;
}

/* The values of a darray array in newly allocated memory; null after bench_fail(). */
static void *to_host(const bench *b, const da_array *a)
{
    const matrices *const m = b->state;
    void *const p = bench_alloc(b, m->bytes);
    if (p != NULL && da_to_host(a, p, m->bytes, DA_COL_MAJOR) != DA_OK) {
        bench_fail("da_to_host: %s", da_error());
        free(p);
        return NULL;
    }
    return p;
}

static double cube(const bench *b)
{
    return (double)b->n * (double)b->n * (double)b->n * bench_flop_factor(b->dtype) * 1e-9;
}

/* Seconds of the plain copy that the reference of qr and lu times too, for readers who want to take it off. */
static void publish_copy(bench *b)
{
    const matrices *const m = b->state;
    double times[5];
    for (int i = 0; i < 5; i++) {
        const double start = harness_now();
        memcpy(m->w, m->a, m->bytes);
        times[i] = harness_now() - start;
    }
    b->extra[b->extras++] = (harness_field){"reference_copy_seconds", NULL, harness_quantile(times, 5, 0.5)};
}

/* ---- matmul: da_matmul into a new array, released again, against gemm with beta 0 into a matrix that exists and has been
 * touched. Ours gets recycled memory, so neither side pays for fresh pages. ---- */

static int matmul_ours(void *ctx)
{
    matrices *const m = ctx;
    da_array *c = NULL;
    BENCH_TRY(da_matmul(&c, m->x, m->y));
    BENCH_TRY(da_wait(c));
    da_array_release(&c);
    return 0;
}

static int matmul_reference(void *ctx)
{
    matrices *const m = ctx;
    reference_gemm(m->dtype, m->n, m->a, m->b, m->w);
    return 0;
}

static int matmul_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_B | WANT_W);
    if (m == NULL || to_darray(&m->x, m, m->a) || to_darray(&m->y, m, m->b))
        return 1;
    b->ours.run = matmul_ours;
    b->reference.run = matmul_reference;
    b->reference_name = "OpenBLAS gemm into an existing matrix";
    b->work = 2 * cube(b);
    return 0;
}

static int matmul_check(bench *b)
{
    matrices *const m = b->state;
    da_array *c = NULL;
    BENCH_TRY(da_matmul(&c, m->x, m->y));
    bench_set_tile(b, c);
    void *const ours = to_host(b, c), *const reference = bench_alloc(b, m->bytes);
    void *const scratch = bench_alloc(b, m->bytes);
    da_array_release(&c);
    const bool ok = ours != NULL && reference != NULL && scratch != NULL;
    if (ok) {
        reference_gemm(m->dtype, m->n, m->a, m->b, reference);
        b->residual = reference_residual_gemm(m->dtype, m->n, m->a, m->b, ours, reference, scratch);
        b->residual_bound = 3;
    }
    free(ours);
    free(reference);
    free(scratch);
    return ok ? 0 : 1;
}

const bench_case bench_matmul = {"matmul",     "C = A B, n x n", 2048,         96, BENCH_REAL | BENCH_COMPLEX,
                                 matmul_setup, matmul_check,     free_matrices};

/* ---- small_matmul: the same with the output created and released on both sides ---- */

static int small_matmul_reference(void *ctx)
{
    matrices *const m = ctx;
    m->f = malloc(m->bytes); /* kept where the compiler cannot remove it */
    if (m->f == NULL)
        return bench_fail("small_matmul: no memory");
    reference_gemm(m->dtype, m->n, m->a, m->b, m->f);
    free(m->f);
    return 0;
}

static int small_matmul_setup(bench *b)
{
    if (matmul_setup(b) != 0)
        return 1;
    b->reference.run = small_matmul_reference;
    b->reference_name = "malloc + OpenBLAS gemm + free";
    return 0;
}

const bench_case bench_small_matmul = {"small_matmul",
                                       "C = A B, n x n and small, C created and released",
                                       64,
                                       16,
                                       BENCH_REAL | BENCH_COMPLEX,
                                       small_matmul_setup,
                                       matmul_check,
                                       free_matrices};

/* ---- cholesky: in place against in place. Before every call, not timed, both sides copy the input back into the matrix they
 * factor. ---- */

static int restore_ours(void *ctx)
{
    matrices *const m = ctx;
    BENCH_TRY(da_assign(m->z, m->x));
    BENCH_TRY(da_wait(m->z));
    return 0;
}

static int restore_reference(void *ctx)
{
    matrices *const m = ctx;
    memcpy(m->w, m->a, m->bytes);
    return 0;
}

static int cholesky_ours(void *ctx)
{
    matrices *const m = ctx;
    BENCH_TRY(da_cholesky_inplace(m->z, DA_LOWER));
    BENCH_TRY(da_wait(m->z));
    return 0;
}

static int cholesky_reference(void *ctx)
{
    matrices *const m = ctx;
    const int info = reference_potrf(m->dtype, m->n, m->w);
    return info == 0 ? 0 : bench_fail("potrf: info = %d", info);
}

static int cholesky_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_W);
    if (m == NULL)
        return 1;
    memcpy(m->w, m->a, m->bytes);
    reference_make_spd(m->dtype, m->n, m->a, m->w);
    if (to_darray(&m->x, m, m->a))
        return 1;
    BENCH_TRY(da_copy(&m->z, m->x));
    bench_set_tile(b, m->z);
    b->ours.prepare = restore_ours;
    b->ours.run = cholesky_ours;
    b->reference.prepare = restore_reference;
    b->reference.run = cholesky_reference;
    b->reference_name = "OpenBLAS potrf in place";
    b->work = cube(b) / 3;
    return 0;
}

static int cholesky_check(bench *b)
{
    matrices *const m = b->state;
    if (restore_ours(m) || cholesky_ours(m))
        return 1;
    void *const ours = to_host(b, m->z), *const scratch = bench_alloc(b, m->bytes);
    const bool ok = ours != NULL && scratch != NULL;
    if (ok) {
        b->residual = reference_residual_cholesky(m->dtype, m->n, m->a, ours, scratch);
        b->residual_bound = 30;
    }
    free(ours);
    free(scratch);
    return ok ? 0 : 1;
}

const bench_case bench_cholesky = {"cholesky",
                                   "A = L L^H in place, n x n",
                                   4096,
                                   96,
                                   BENCH_REAL | BENCH_COMPLEX,
                                   cholesky_setup,
                                   cholesky_check,
                                   free_matrices};

/* ---- syrk: the lower triangle of C = A A^T (herk: A A^H), in place with beta 0 on both sides ---- */

static int syrk_ours(void *ctx)
{
    matrices *const m = ctx;
    BENCH_TRY(da_herk(m->z, 1, m->x, 0, DA_LOWER));
    BENCH_TRY(da_wait(m->z));
    return 0;
}

static int syrk_reference(void *ctx)
{
    matrices *const m = ctx;
    reference_herk(m->dtype, m->n, m->a, m->w);
    return 0;
}

static int syrk_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_W);
    if (m == NULL || to_darray(&m->x, m, m->a) || to_darray(&m->z, m, m->w))
        return 1;
    bench_set_tile(b, m->z);
    b->ours.run = syrk_ours;
    b->reference.run = syrk_reference;
    b->reference_name = "OpenBLAS syrk (herk) into an existing matrix";
    b->work = cube(b);
    return 0;
}

/* The other triangles of both are zeros. */
static int syrk_check(bench *b)
{
    matrices *const m = b->state;
    if (syrk_ours(m))
        return 1;
    memset(m->w, 0, m->bytes);
    reference_herk(m->dtype, m->n, m->a, m->w);
    void *const ours = to_host(b, m->z), *const scratch = bench_alloc(b, m->bytes);
    const bool ok = ours != NULL && scratch != NULL;
    if (ok) {
        b->residual = reference_residual_gemm(m->dtype, m->n, m->a, m->a, ours, m->w, scratch);
        b->residual_bound = 3;
    }
    free(ours);
    free(scratch);
    return ok ? 0 : 1;
}

const bench_case bench_syrk = {"syrk",
                               "a triangle of C = A A^H, n x n",
                               2048,
                               96,
                               BENCH_REAL | BENCH_COMPLEX,
                               syrk_setup,
                               syrk_check,
                               free_matrices};

/* ---- solve_triangular: n right-hand sides, in place against trsm in place, restored as for cholesky ---- */

static int solve_restore_ours(void *ctx)
{
    matrices *const m = ctx;
    BENCH_TRY(da_assign(m->z, m->y));
    BENCH_TRY(da_wait(m->z));
    return 0;
}

static int solve_restore_reference(void *ctx)
{
    matrices *const m = ctx;
    memcpy(m->w, m->b, m->bytes);
    return 0;
}

static int solve_ours(void *ctx)
{
    matrices *const m = ctx;
    BENCH_TRY(da_solve_triangular_inplace(m->x, m->z, DA_LOWER));
    BENCH_TRY(da_wait(m->z));
    return 0;
}

static int solve_reference(void *ctx)
{
    matrices *const m = ctx;
    reference_trsm(m->dtype, m->n, m->a, m->w);
    return 0;
}

static int solve_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_B | WANT_W);
    if (m == NULL)
        return 1;
    reference_make_triangle(m->dtype, m->n, m->a);
    if (to_darray(&m->x, m, m->a) || to_darray(&m->y, m, m->b))
        return 1;
    BENCH_TRY(da_copy(&m->z, m->y));
    bench_set_tile(b, m->z);
    b->ours.prepare = solve_restore_ours;
    b->ours.run = solve_ours;
    b->reference.prepare = solve_restore_reference;
    b->reference.run = solve_reference;
    b->reference_name = "OpenBLAS trsm in place";
    b->work = cube(b);
    return 0;
}

static int solve_check(bench *b)
{
    matrices *const m = b->state;
    if (solve_restore_ours(m) || solve_ours(m))
        return 1;
    void *const ours = to_host(b, m->z), *const scratch = bench_alloc(b, m->bytes);
    const bool ok = ours != NULL && scratch != NULL;
    if (ok) {
        b->residual = reference_residual_solve(m->dtype, m->n, m->a, ours, m->b, scratch);
        b->residual_bound = 30;
    }
    free(ours);
    free(scratch);
    return ok ? 0 : 1;
}

const bench_case bench_solve_triangular = {"solve_triangular",
                                           "T X = B in place, n right-hand sides",
                                           2048,
                                           96,
                                           BENCH_REAL | BENCH_COMPLEX,
                                           solve_setup,
                                           solve_check,
                                           free_matrices};

/* ---- solve and solve_mixed: one right-hand side; both sides keep their inputs. darray makes a new solution; who calls LAPACK copies
 * matrix and right-hand side into buffers that exist and have been touched. The reference of both is gesv. ---- */

static da_status system_solution(da_array **x, const bench *b)
{
    const matrices *const m = b->state;
    return (b->kase == &bench_solve_mixed ? da_solve_mixed : da_solve)(x, m->x, m->y);
}

static int system_ours(void *ctx)
{
    da_array *x = NULL;
    BENCH_TRY(system_solution(&x, ctx));
    BENCH_TRY(da_wait(x));
    da_array_release(&x);
    return 0;
}

static int system_reference(void *ctx)
{
    matrices *const m = ((bench *)ctx)->state;
    const size_t bytes = (size_t)m->n * da_dtype_size(m->dtype);
    memcpy(m->w, m->a, m->bytes);
    memcpy((char *)m->b + bytes, m->b, bytes);
    const int info = reference_gesv(m->dtype, m->n, m->w, (char *)m->b + bytes, &m->lapack);
    return info == 0 ? 0 : bench_fail("gesv: info = %d", info);
}

static int system_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_B | WANT_W);
    if (m == NULL)
        return 1;
    if (b->n < 2)
        return bench_fail("%s: the order must be at least 2", b->kase->name);
    if (reference_work_init(&m->lapack, m->dtype, m->n, m->w))
        return bench_fail("%s: no memory for LAPACK's workspace", b->kase->name);
    if (to_darray(&m->x, m, m->a))
        return 1;
    BENCH_TRY(da_from_host(&m->y, m->dtype, DA_SHAPE(m->n), m->b, DA_COL_MAJOR));
    BENCH_TRY(da_wait(m->y));
    bench_set_tile(b, m->x);
    publish_copy(b);
    b->ours.ctx = b->reference.ctx = b;
    b->ours.run = system_ours;
    b->reference.run = system_reference;
    b->reference_name = "memcpy + OpenBLAS gesv, one right-hand side";
    b->work = cube(b) * 2 / 3;
    return 0;
}

static int system_check(bench *b)
{
    matrices *const m = b->state;
    const size_t bytes = (size_t)m->n * da_dtype_size(m->dtype);
    da_array *x = NULL;
    BENCH_TRY(system_solution(&x, b));
    void *const ours = bench_alloc(b, bytes);
    const bool ok = ours != NULL && da_to_host(x, ours, bytes, DA_COL_MAJOR) == DA_OK;
    if (ok) {
        b->residual = reference_residual_system(m->dtype, m->n, m->a, ours, m->b);
        b->residual_bound = 30;
    } else if (ours != NULL) {
        bench_fail("da_to_host: %s", da_error());
    }
    da_array_release(&x);
    free(ours);
    return ok ? 0 : 1;
}

const bench_case bench_solve = {"solve",
                                "A x = b, n unknowns, pivoted LU",
                                4096,
                                96,
                                BENCH_REAL | BENCH_COMPLEX,
                                system_setup,
                                system_check,
                                free_matrices};
const bench_case bench_solve_mixed = {"solve_mixed",
                                      "A x = b, n unknowns, factors in half the precision",
                                      4096,
                                      96,
                                      BENCH_REAL | BENCH_COMPLEX,
                                      system_setup,
                                      system_check,
                                      free_matrices};

/* ---- qr and lu: factors of a matrix that is kept. darray makes new factors (in recycled memory) from its array; who calls
 * LAPACK copies the matrix into a buffer that exists and has been touched, and factors that. The copy is timed on both
 * sides; reference_copy_seconds says how much of the reference's time it is. ---- */

static int qr_ours(void *ctx)
{
    matrices *const m = ctx;
    da_qr_factors *f = NULL;
    BENCH_TRY(da_qr_factor(&f, m->x));
    BENCH_TRY(da_wait_all());
    da_qr_factors_release(&f);
    return 0;
}

static int qr_reference(void *ctx)
{
    matrices *const m = ctx;
    memcpy(m->w, m->a, m->bytes);
    const int info = reference_geqrf(m->dtype, m->n, m->w, &m->lapack);
    return info == 0 ? 0 : bench_fail("geqrf: info = %d", info);
}

static int lu_ours(void *ctx)
{
    matrices *const m = ctx;
    da_array *lu = NULL, *pivots = NULL;
    BENCH_TRY(da_lu(&lu, &pivots, m->x));
    BENCH_TRY(da_wait(lu));
    BENCH_TRY(da_wait(pivots));
    da_array_release(&lu);
    da_array_release(&pivots);
    return 0;
}

static int lu_reference(void *ctx)
{
    matrices *const m = ctx;
    memcpy(m->w, m->a, m->bytes);
    const int info = reference_getrf(m->dtype, m->n, m->w, &m->lapack);
    return info == 0 ? 0 : bench_fail("getrf: info = %d", info);
}

static int factor_setup(bench *b)
{
    matrices *const m = make_matrices(b, WANT_W);
    if (m == NULL)
        return 1;
    if (reference_work_init(&m->lapack, m->dtype, m->n, m->w))
        return bench_fail("%s: no memory for LAPACK's workspace", b->kase->name);
    if (to_darray(&m->x, m, m->a))
        return 1;
    bench_set_tile(b, m->x);
    publish_copy(b);
    return 0;
}

static int qr_setup(bench *b)
{
    if (factor_setup(b) != 0)
        return 1;
    b->ours.run = qr_ours;
    b->reference.run = qr_reference;
    b->reference_name = "memcpy + LAPACK geqrf on OpenBLAS";
    b->work = cube(b) * 4 / 3;
    return 0;
}

static int qr_check(bench *b)
{
    matrices *const m = b->state;
    da_qr_factors *f = NULL;
    da_array *q = NULL, *r = NULL;
    BENCH_TRY(da_qr_factor(&f, m->x));
    BENCH_TRY(da_qr_q(&q, f, 0));
    BENCH_TRY(da_qr_r(&r, f, 0));
    da_qr_factors_release(&f);
    void *const host_q = to_host(b, q), *const host_r = to_host(b, r),
                *const scratch = bench_alloc(b, m->bytes);
    da_array_release(&q);
    da_array_release(&r);
    const bool ok = host_q != NULL && host_r != NULL && scratch != NULL;
    if (ok) {
        b->residual = reference_residual_qr(m->dtype, m->n, m->a, host_q, host_r, scratch);
        b->residual_bound = 30;
    }
    free(host_q);
    free(host_r);
    free(scratch);
    return ok ? 0 : 1;
}

static int lu_setup(bench *b)
{
    if (factor_setup(b) != 0)
        return 1;
    b->ours.run = lu_ours;
    b->reference.run = lu_reference;
    b->reference_name = "memcpy + OpenBLAS getrf";
    b->work = cube(b) * 2 / 3;
    return 0;
}

static int lu_check(bench *b)
{
    matrices *const m = b->state;
    da_array *lu = NULL, *pivots = NULL;
    BENCH_TRY(da_lu(&lu, &pivots, m->x));
    void *const ours = to_host(b, lu), *const scratch = bench_alloc(b, m->bytes);
    int64_t *const rows = calloc((size_t)m->n, sizeof *rows);
    bool ok = ours != NULL && scratch != NULL && rows != NULL;
    if (ok && da_to_host(pivots, rows, (size_t)m->n * sizeof *rows, DA_ROW_MAJOR) != DA_OK) {
        bench_fail("da_to_host: %s", da_error());
        ok = false;
    }
    da_array_release(&lu);
    da_array_release(&pivots);
    if (ok) {
        b->residual = reference_residual_lu(m->dtype, m->n, m->a, ours, rows, scratch);
        b->residual_bound = 30;
    }
    free(ours);
    free(scratch);
    free(rows);
    return ok ? 0 : 1;
}

const bench_case bench_qr = {
    "qr",         "A = Q R, compact Q, n x n", 2048, 96, BENCH_REAL | BENCH_COMPLEX, qr_setup, qr_check,
    free_matrices};
const bench_case bench_lu = {"lu",     "P A = L U, n x n", 4096,         96, BENCH_REAL | BENCH_COMPLEX,
                             lu_setup, lu_check,           free_matrices};
