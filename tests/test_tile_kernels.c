/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's tile kernels spawned by a user: gemm, syrk, trsm, potrf in the four dtypes, and the tiled Cholesky built of them. */
#include "test.h"
#include <complex.h>
#include <float.h>
#include <math.h>
#undef I

typedef double _Complex z;
static const da_dtype dtypes[] = {DA_F32, DA_F64, DA_C64, DA_C128};
enum { DTYPES = 4 };

static bool is_complex(da_dtype t)
{
    return t == DA_C64 || t == DA_C128;
}

static double eps_of(da_dtype t)
{
    return t == DA_F32 || t == DA_C64 ? FLT_EPSILON : DBL_EPSILON;
}

static z conj_of(z x)
{
    return conj(x);
}

/* ---- matrices on the host, row by row ---- */

typedef struct matrix {
    int m, n;
    z *x;
} matrix;

static matrix matrix_new(int m, int n)
{
    matrix a = {m, n, calloc((size_t)(m * n) + 1, sizeof(z))};
    ck_assert_ptr_nonnull(a.x);
    return a;
}

static z *at(const matrix *a, int i, int j)
{
    return &a->x[i * a->n + j];
}

static matrix filled(int m, int n, da_dtype t, int seed)
{
    matrix a = matrix_new(m, n);
    for (int i = 0; i < m * n; i++) {
        const double re = sin(1.0 + seed + 2.7 * i), im = is_complex(t) ? cos(2.0 * seed + 1.3 * i) : 0;
        a.x[i] = eps_of(t) > 1e-10 ? CMPLX((double)(float)re, (double)(float)im) : CMPLX(re, im);
    }
    return a;
}

/* op(a): 0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE; a new matrix. */
static matrix op(const matrix *a, unsigned how)
{
    matrix r = how ? matrix_new(a->n, a->m) : matrix_new(a->m, a->n);
    for (int i = 0; i < r.m; i++)
        for (int j = 0; j < r.n; j++)
            *at(&r, i, j) = !how ? *at(a, i, j) : how == DA_TRANSPOSE ? *at(a, j, i) : conj_of(*at(a, j, i));
    return r;
}

static matrix product(const matrix *a, const matrix *b)
{
    matrix r = matrix_new(a->m, b->n);
    ck_assert_int_eq(a->n, b->m);
    for (int i = 0; i < r.m; i++)
        for (int k = 0; k < a->n; k++)
            for (int j = 0; j < r.n; j++)
                *at(&r, i, j) += *at(a, i, k) * *at(b, k, j);
    return r;
}

static double norm(const matrix *a)
{
    double sum = 0;
    for (int i = 0; i < a->m * a->n; i++)
        sum += creal(a->x[i]) * creal(a->x[i]) + cimag(a->x[i]) * cimag(a->x[i]);
    return sqrt(sum);
}

/* |a - b| / (scale n eps), to be below 30. */
static void close_to(const matrix *a, const matrix *b, double scale, int n, da_dtype t, const char *what)
{
    matrix d = matrix_new(a->m, a->n);
    double ratio;
    for (int i = 0; i < a->m * a->n; i++)
        d.x[i] = a->x[i] - b->x[i];
    ratio = norm(&d) / (scale * (n + 1) * eps_of(t));
    ck_assert_msg(ratio < 30, "%s, %s: ratio %g", what, da_dtype_name(t), ratio);
    free(d.x);
}

/* ---- to and from arrays ---- */

static void *packed(const matrix *a, da_dtype t, size_t *bytes)
{
    const int n = a->m * a->n;
    char *p;
    *bytes = (size_t)n * da_dtype_size(t);
    p = malloc(*bytes + 16);
    ck_assert_ptr_nonnull(p);
    for (int i = 0; i < n; i++)
        switch (t) {
        case DA_F32: ((float *)p)[i] = (float)creal(a->x[i]); break;
        case DA_F64: ((double *)p)[i] = creal(a->x[i]); break;
        case DA_C64: ((da_c64 *)p)[i] = (da_c64){(float)creal(a->x[i]), (float)cimag(a->x[i])}; break;
        default: ((da_c128 *)p)[i] = (da_c128){creal(a->x[i]), cimag(a->x[i])};
        }
    return p;
}

static da_array *to_array(const matrix *a, da_dtype t, int tile_m, int tile_n)
{
    size_t bytes;
    void *p = packed(a, t, &bytes);
    da_array *r;
    ck_ok(da_blocks(DA_SHAPE(tile_m, tile_n)));
    ck_ok(da_from_host(&r, t, DA_SHAPE(a->m, a->n), p, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(p);
    return r;
}

static matrix from_array(const da_array *a)
{
    const da_shape s = da_array_shape(a);
    const da_dtype t = da_array_dtype(a);
    matrix r = matrix_new((int)s.dim[0], (int)s.dim[1]);
    size_t bytes;
    char *p = packed(&r, t, &bytes);
    ck_ok(da_to_host(a, p, bytes, DA_ROW_MAJOR));
    for (int i = 0; i < r.m * r.n; i++)
        switch (t) {
        case DA_F32: r.x[i] = (double)((float *)p)[i]; break;
        case DA_F64: r.x[i] = ((double *)p)[i]; break;
        case DA_C64: r.x[i] = CMPLX((double)((da_c64 *)p)[i].re, (double)((da_c64 *)p)[i].im); break;
        default: r.x[i] = CMPLX(((da_c128 *)p)[i].re, ((da_c128 *)p)[i].im);
        }
    free(p);
    return r;
}

/* ---- one kernel on one tile of a larger array ---- */

static const unsigned ops[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};

START_TEST(gemm)
{
    const da_dtype t = dtypes[_i];
    const int m = 7, n = 5, k = 6;
    for (int ta = 0; ta < 3; ta++)
        for (int tb = 0; tb < 3; tb++) {
            matrix a = ta ? filled(k, m, t, 1) : filled(m, k, t, 1);
            matrix b = tb ? filled(n, k, t, 2) : filled(k, n, t, 2);
            matrix c = filled(m, n, t, 3), oa = op(&a, ops[ta]), ob = op(&b, ops[tb]),
                   want = product(&oa, &ob);
            DA_AUTO da_array *A = to_array(&a, t, 100, 100), *B = to_array(&b, t, 100, 100);
            DA_AUTO da_array *C = to_array(&c, t, 100, 100);
            const da_gemm_args args = {ops[ta], ops[tb], {2, is_complex(t) ? -1 : 0}, {0.5, 0}};
            matrix got;
            for (int i = 0; i < m * n; i++)
                want.x[i] = CMPLX(2, is_complex(t) ? -1 : 0) * want.x[i] + 0.5 * c.x[i];
            ck_ok(DA_SPAWN(NULL, &da_codelet_gemm, DA_READ(DA_BLOCK(A, 0, 0)), DA_READ(DA_BLOCK(B, 0, 0)),
                           DA_READ_WRITE(DA_BLOCK(C, 0, 0)), DA_VALUE(args)));
            got = from_array(C);
            close_to(&got, &want, norm(&a) * norm(&b), k, t, "gemm");
            free(a.x), free(b.x), free(c.x), free(oa.x), free(ob.x), free(want.x), free(got.x);
        }
}
END_TEST

START_TEST(syrk)
{
    const da_dtype t = dtypes[_i];
    const int n = 6, k = 4;
    for (int upper = 0; upper < 2; upper++)
        for (int trans = 0; trans < 2; trans++) {
            matrix a = trans ? filled(k, n, t, 4) : filled(n, k, t, 4), ah = op(&a, DA_CONJ_TRANSPOSE);
            matrix full = trans ? product(&ah, &a) : product(&a, &ah), c = filled(n, n, t, 5), want, got;
            DA_AUTO da_array *A = to_array(&a, t, 9, 9), *C = NULL;
            const da_syrk_args args = {upper ? DA_UPPER : DA_LOWER, trans ? DA_CONJ_TRANSPOSE : 0, -1.5, 2};
            for (int i = 0; i < n; i++)
                *at(&c, i, i) = creal(*at(&c, i, i)); /* Hermitian: a real diagonal */
            want = op(&c, 0);
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    if (upper ? j >= i : j <= i) /* the other triangle is not touched */
                        *at(&want, i, j) = -1.5 * *at(&full, i, j) + 2 * *at(&c, i, j);
            C = to_array(&c, t, 9, 9);
            ck_ok(DA_SPAWN(NULL, &da_codelet_syrk, DA_READ(A), DA_READ_WRITE(C), DA_VALUE(args)));
            got = from_array(C);
            close_to(&got, &want, norm(&a) * norm(&a), k, t, "syrk");
            free(a.x), free(ah.x), free(full.x), free(c.x), free(want.x), free(got.x);
        }
}
END_TEST

START_TEST(trsm)
{
    const da_dtype t = dtypes[_i];
    const int m = 6, n = 4;
    for (int upper = 0; upper < 2; upper++)
        for (int right = 0; right < 2; right++)
            for (int unit = 0; unit < 2; unit++)
                for (int how = 0; how < 3; how++) {
                    const int order = right ? n : m;
                    matrix tri = filled(order, order, t, 6), clean = op(&tri, 0), b = filled(m, n, t, 7);
                    matrix ot, x, back;
                    DA_AUTO da_array *T = NULL, *B = to_array(&b, t, 8, 8);
                    const da_trsm_args args = {(upper ? DA_UPPER : DA_LOWER) | (right ? DA_RIGHT : 0u) |
                                                   (unit ? DA_UNIT : 0u) | ops[how],
                                               0,
                                               {3, 0}};
                    for (int i = 0; i < order; i++) {
                        *at(&tri, i, i) += 4;
                        *at(&clean, i, i) = unit ? 1 : *at(&tri, i, i);
                        for (int j = 0; j < order; j++)
                            if (upper ? j < i : j > i)
                                *at(&clean, i, j) = 0;
                    }
                    T = to_array(&tri, t, 8, 8); /* rubbish in the triangle that is not meant */
                    ck_ok(DA_SPAWN(NULL, &da_codelet_trsm, DA_READ(T), DA_READ_WRITE(B), DA_VALUE(args)));
                    x = from_array(B);
                    ot = op(&clean, ops[how]);
                    back = right ? product(&x, &ot) : product(&ot, &x);
                    for (int i = 0; i < m * n; i++)
                        b.x[i] *= 3;
                    close_to(&back, &b, norm(&ot) * norm(&x) + norm(&b), order, t, "trsm");
                    free(tri.x), free(clean.x), free(b.x), free(ot.x), free(x.x), free(back.x);
                }
}
END_TEST

/* alpha 0: as in BLAS, what is in t and b does not count, for any way in which the kernel would solve. */
START_TEST(trsm_by_zero)
{
    static const int sizes[][2] = {{6, 3}, {20, 12}, {40, 9}, {70, 600}};
    const da_dtype t = dtypes[_i];

    for (int i = 0; i < 4; i++)
        for (int right = 0; right < 2; right++) {
            const int order = sizes[i][0], others = sizes[i][1], m = right ? others : order,
                      n = right ? order : others;
            const da_trsm_args args = {DA_LOWER | (right ? DA_RIGHT : 0u), 0, {0, 0}};
            matrix tri = filled(order, order, t, 6), b = filled(m, n, t, 7), x;

            *at(&tri, order - 1, 0) = *at(&b, 0, 0) = NAN;
            *at(&tri, 0, 0) = 0;
            DA_AUTO da_array *T = to_array(&tri, t, 1000, 1000), *B = to_array(&b, t, 1000, 1000);
            ck_ok(DA_SPAWN(NULL, &da_codelet_trsm, DA_READ(T), DA_READ_WRITE(B), DA_VALUE(args)));
            x = from_array(B);
            for (int k = 0; k < m * n; k++)
                ck_assert(x.x[k] == 0);
            free(tri.x), free(b.x), free(x.x);
        }
}
END_TEST

/* Hermitian, positive definite; exact in single precision. */
static matrix definite(int n, da_dtype t)
{
    matrix a = matrix_new(n, n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const double im = is_complex(t) ? 0.25 * (j > i) - 0.25 * (i > j) : 0;
            *at(&a, i, j) = CMPLX((i == j ? 4 : 0) + ldexp(1, -abs(i - j) % 20), ldexp(im, -abs(i - j) % 20));
        }
    return a;
}

START_TEST(potrf)
{
    const da_dtype t = dtypes[_i];
    const int n = 9;
    for (int upper = 0; upper < 2; upper++) {
        matrix a = definite(n, t), l, lh, back;
        DA_AUTO da_array *A = to_array(&a, t, 20, 20);
        DA_AUTO da_task *task = NULL;
        const da_potrf_args args = {upper ? DA_UPPER : DA_LOWER, 0, 0, n};
        ck_ok(DA_SPAWN(&task, &da_codelet_potrf, DA_READ_WRITE(DA_BLOCK(A, 0, 0)), DA_VALUE(args)));
        ck_ok(da_task_wait(task));
        l = from_array(A);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                if (upper ? j < i : j > i) {
                    ck_assert(*at(&l, i, j) == *at(&a, i, j)); /* not touched */
                    *at(&l, i, j) = 0;
                }
        lh = op(&l, DA_CONJ_TRANSPOSE);
        back = upper ? product(&lh, &l) : product(&l, &lh);
        close_to(&back, &a, norm(&a), n, t, "potrf");
        free(a.x), free(l.x), free(lh.x), free(back.x);
    }
}
END_TEST

/* ---- what kernels refuse ---- */

START_TEST(refused)
{
    matrix a = filled(4, 4, DA_F64, 1), b = filled(5, 3, DA_F64, 1);
    DA_AUTO da_array *A = to_array(&a, DA_F64, 9, 9), *S = to_array(&a, DA_F32, 9, 9),
                     *B = to_array(&b, DA_F64, 9, 9);
    DA_AUTO da_array *H = NULL;
    const da_gemm_args product_args = {0, 0, {1, 0}, {0, 0}};
    const da_potrf_args factor = {DA_LOWER, 0, 0, 0};
    double own[16] = {0};

    ck_fails(DA_SPAWN(NULL, &da_codelet_gemm, DA_READ(A), DA_READ(A), DA_READ(A), DA_VALUE(product_args)),
             DA_ERROR_ARGUMENT, "buffer 2 is to be spawned with READ_WRITE");
    ck_fails(DA_SPAWN(NULL, &da_codelet_potrf, DA_READ_WRITE(A), DA_VALUE(product_args)), DA_ERROR_ARGUMENT,
             "value 0 has 40 bytes, the codelet takes 24");
    ck_fails(DA_SPAWN(NULL, &da_codelet_potrf, DA_READ_WRITE(A)), DA_ERROR_ARGUMENT, "0 values");
    /* dtypes and shapes are seen as the task runs: it fails, and what it would have written with it */
    {
        DA_AUTO da_task *task = NULL;
        ck_ok(DA_SPAWN(&task, &da_codelet_gemm, DA_READ(A), DA_READ(S), DA_READ_WRITE(A),
                       DA_VALUE(product_args)));
        ck_fails(da_task_wait(task), DA_ERROR_TASK, "gemm failed");
        ck_fails(da_wait(A), DA_ERROR_TASK, "gemm failed");
        ck_ok(da_wait(S));
    }
    ck_ok(da_copy(&H, S));
    {
        DA_AUTO da_task *task = NULL, *task2 = NULL;
        ck_ok(DA_SPAWN(&task, &da_codelet_gemm, DA_READ(B), DA_READ(B), DA_READ_WRITE(B),
                       DA_VALUE(product_args)));
        ck_fails(da_task_wait(task), DA_ERROR_TASK, "gemm failed");
        ck_ok(DA_SPAWN(&task2, &da_codelet_potrf, DA_READ_WRITE_MEMORY(own, sizeof own), DA_VALUE(factor)));
        ck_fails(da_task_wait(task2), DA_ERROR_TASK, "potrf failed");
        ck_fails(da_wait_memory(own), DA_ERROR_TASK, "potrf failed");
    }
    ck_ok(da_wait(H));
    free(a.x), free(b.x);
}
END_TEST

/* ---- the tiled Cholesky ---- */

static da_status cholesky(da_array *M)
{
    const da_shape shape = da_array_shape(M), blocks = da_array_blocks(M);
    const int64_t n = shape.dim[0], tile = blocks.dim[0], nt = (n + tile - 1) / tile;
    const da_trsm_args solve = {DA_LOWER | DA_RIGHT | DA_CONJ_TRANSPOSE, 0, {1, 0}};
    const da_syrk_args update = {DA_LOWER, 0, -1, 1};
    const da_gemm_args multiply = {0, DA_CONJ_TRANSPOSE, {-1, 0}, {1, 0}};
    for (int64_t k = 0; k < nt; k++) {
        const da_potrf_args factor = {DA_LOWER, 0, k * tile, n};
        DA_TRY(DA_SPAWN(NULL, &da_codelet_potrf, DA_READ_WRITE(DA_BLOCK(M, k, k)), DA_VALUE(factor)));
        for (int64_t m = k + 1; m < nt; m++)
            DA_TRY(DA_SPAWN(NULL, &da_codelet_trsm, DA_READ(DA_BLOCK(M, k, k)),
                            DA_READ_WRITE(DA_BLOCK(M, m, k)), DA_VALUE(solve)));
        for (int64_t m = k + 1; m < nt; m++) {
            DA_TRY(DA_SPAWN(NULL, &da_codelet_syrk, DA_READ(DA_BLOCK(M, m, k)),
                            DA_READ_WRITE(DA_BLOCK(M, m, m)), DA_VALUE(update)));
            for (int64_t j = k + 1; j < m; j++)
                DA_TRY(DA_SPAWN(NULL, &da_codelet_gemm, DA_READ(DA_BLOCK(M, m, k)),
                                DA_READ(DA_BLOCK(M, j, k)), DA_READ_WRITE(DA_BLOCK(M, m, j)),
                                DA_VALUE(multiply)));
        }
    }
    return DA_OK;
}

START_TEST(tiled)
{
    const da_dtype t = dtypes[_i];
    static const int sizes[][2] = {{1, 1}, {7, 8}, {8, 8}, {9, 8}, {41, 8}, {30, 1}, {97, 13}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int n = sizes[k][0], tile = sizes[k][1];
        matrix a = definite(n, t), l, lh, back;
        DA_AUTO da_array *A = to_array(&a, t, tile, tile);
        ck_ok(cholesky(A));
        ck_ok(da_wait(A));
        l = from_array(A);
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                *at(&l, i, j) = 0;
        lh = op(&l, DA_CONJ_TRANSPOSE);
        back = product(&l, &lh);
        close_to(&back, &a, norm(&a), n, t, "tiled Cholesky");
        free(a.x), free(l.x), free(lh.x), free(back.x);
    }
}
END_TEST

/* The first minor that is not positive definite, wherever it lies; views and copies carry it, other arrays do not; a good matrix in the
 * same storage is good again. */
START_TEST(bad_minors)
{
    const da_dtype t = dtypes[_i];
    const int n = 25, minors[] = {1, 4, 5, 6, 13, 24, 25};
    for (size_t k = 0; k < sizeof minors / sizeof *minors; k++)
        for (int nan_ = 0; nan_ < 2; nan_++) {
            matrix a = definite(n, t), good = definite(n, t);
            DA_AUTO da_array *A = NULL, *G = to_array(&good, t, 6, 6), *v = NULL, *copy = NULL, *later = NULL;
            char text[80];
            *at(&a, minors[k] - 1, minors[k] - 1) = nan_ ? (double)NAN : -1;
            A = to_array(&a, t, 6, 6);
            snprintf(text, sizeof text, "potrf: leading minor %d of %d is not positive definite", minors[k],
                     n);
            ck_ok(cholesky(A));
            ck_ok(cholesky(G));
            ck_ok(DA_SLICE(&v, A, DA_RANGE(0, 1), DA_RANGE(0, 1)));
            ck_ok(da_copy(&copy, A));
            ck_fails(da_wait(A), DA_ERROR_NUMERICAL, text);
            ck_fails(da_wait(v), DA_ERROR_NUMERICAL, text);
            ck_fails(da_wait(copy), DA_ERROR_NUMERICAL, text);
            ck_ok(da_wait(G));
            ck_ok(da_copy(&later, copy));
            ck_fails(da_wait(later), DA_ERROR_NUMERICAL, text);
            {
                size_t bytes;
                void *p = packed(&good, t, &bytes);
                ck_ok(da_write(A, DA_SHAPE(0, 0), DA_SHAPE(n, n), p, DA_ROW_MAJOR));
                free(p);
            }
            ck_ok(da_wait(A));
            ck_fails(da_wait(later), DA_ERROR_NUMERICAL, text);
            free(a.x), free(good.x);
        }
}
END_TEST

/* Without the order of the matrix the sentence does without it; users' own sizes are as they say. */
START_TEST(sentences)
{
    matrix a = definite(3, DA_F64);
    DA_AUTO da_array *A = NULL, *B = NULL;
    DA_AUTO da_task *task = NULL;
    const da_potrf_args unknown = {DA_LOWER, 0, 0, 0}, known = {DA_LOWER, 0, 100, 512};
    *at(&a, 1, 1) = -1;
    A = to_array(&a, DA_F64, 5, 5);
    ck_ok(da_copy(&B, A));
    ck_ok(DA_SPAWN(&task, &da_codelet_potrf, DA_READ_WRITE(A), DA_VALUE(unknown)));
    ck_fails(da_task_wait(task), DA_ERROR_NUMERICAL, "potrf: leading minor 2 is not positive definite");
    ck_ok(DA_SPAWN(NULL, &da_codelet_potrf, DA_READ_WRITE(B), DA_VALUE(known)));
    ck_fails(da_wait(B), DA_ERROR_NUMERICAL, "potrf: leading minor 102 of 512 is not positive definite");
    free(a.x);
}
END_TEST

DA_TEST_MAIN("tile kernels", DA_CASE_LOOP("kernels", DTYPES, gemm, syrk, trsm, trsm_by_zero, potrf),
             DA_CASE("refused", refused), DA_CASE_LOOP("cholesky", DTYPES, tiled, bad_minors),
             DA_CASE("sentences", sentences))
