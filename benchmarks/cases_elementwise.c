/* SPDX-License-Identifier: BSD-3-Clause */
/* Elementwise expressions and reductions over n elements, against OpenMP loops with as many threads. */
#include "bench.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct vectors {
    da_dtype dtype;
    int64_t n;
    size_t bytes;
    void *a, *b;     /* inputs of both sides */
    void *c;         /* the reference's output, touched; null if it makes its own */
    da_array *x, *y; /* a and b as darray's arrays */
    da_array *z;     /* darray's output, touched; null if it makes its own */
    da_c128 sum;     /* where a sum goes, so that it is used */
} vectors;

static void free_vectors(bench *b)
{
    vectors *const v = b->state;
    if (v == NULL)
        return;
    da_array_release(&v->x);
    da_array_release(&v->y);
    da_array_release(&v->z);
    free(v->a);
    free(v->b);
    free(v->c);
    free(v);
    b->state = NULL;
}

/* inputs: 1 or 2; output: whether it exists before. moved: arrays read and written by one call, for the rate. */
static int make_vectors(bench *b, int inputs, bool output, int moved)
{
    if (b->n < 1 || b->n > INT64_C(1) << 40)
        return bench_fail("%s: the number of elements must be from 1 to 2^40, not %lld", b->kase->name,
                          (long long)b->n);
    vectors *const v = calloc(1, sizeof *v);
    if (v == NULL)
        return bench_fail("no memory");
    b->state = v;
    v->dtype = b->dtype;
    v->n = b->n;
    v->bytes = (size_t)b->n * da_dtype_size(b->dtype);

    v->a = bench_alloc(b, v->bytes);
    if (v->a == NULL)
        return 1;
    reference_fill(v->dtype, v->n, v->a, 1, 0);
    BENCH_TRY(da_from_host(&v->x, v->dtype, DA_SHAPE(v->n), v->a, DA_ROW_MAJOR));
    if (inputs > 1) {
        v->b = bench_alloc(b, v->bytes);
        if (v->b == NULL)
            return 1;
        reference_fill(v->dtype, v->n, v->b, 2, 0);
        BENCH_TRY(da_from_host(&v->y, v->dtype, DA_SHAPE(v->n), v->b, DA_ROW_MAJOR));
    }
    if (output) {
        v->c = bench_alloc(b, v->bytes);
        if (v->c == NULL)
            return 1;
        reference_fill(v->dtype, v->n, v->c, 3, 0);
        BENCH_TRY(da_zeros(&v->z, v->dtype, DA_SHAPE(v->n)));
    }
    BENCH_TRY(da_wait_all());
    bench_set_tile(b, v->x);
    b->unit = "GB/s";
    b->work = (double)moved * (double)v->bytes * 1e-9;
    b->ours.ctx = b->reference.ctx = v;
    return 0;
}

/* ---- expr: da_eval into a new array against what C users write without thinking: malloc, one fused loop, free ---- */

static int expr_ours(void *ctx)
{
    vectors *const v = ctx;
    da_array *c = NULL;
    BENCH_TRY(da_eval(&c, da_divide(da_multiply(v->y, v->x), 3)));
    BENCH_TRY(da_wait(c));
    da_array_release(&c);
    return 0;
}

static int expr_reference(void *ctx)
{
    vectors *const v = ctx;
    v->c = malloc(v->bytes); /* kept where the compiler cannot remove it */
    if (v->c == NULL)
        return bench_fail("expr: no memory");
    reference_expr(v->dtype, v->n, v->a, v->b, v->c);
    free(v->c);
    v->c = NULL;
    return 0;
}

static int expr_setup(bench *b)
{
    if (make_vectors(b, 2, false, 3) != 0)
        return 1;
    b->ours.run = expr_ours;
    b->reference.run = expr_reference;
    b->reference_name = "malloc + fused OpenMP loop + free";
    return 0;
}

/* The values of `c` judged by `residual`. */
static int check_values(bench *b, const da_array *c, double bound,
                        double (*residual)(da_dtype, int64_t, const void *, const void *, const void *))
{
    vectors *const v = b->state;
    void *const ours = bench_alloc(b, v->bytes);
    if (ours == NULL)
        return 1;
    memset(ours, 0xff, v->bytes); /* NaNs */
    const da_status status = da_to_host(c, ours, v->bytes, DA_ROW_MAJOR);
    if (status == DA_OK) {
        b->residual = residual(v->dtype, v->n, v->a, v->b, ours);
        b->residual_bound = bound;
    }
    free(ours);
    return status == DA_OK ? 0 : bench_fail("da_to_host: %s", da_error());
}

static int expr_check(bench *b)
{
    vectors *const v = b->state;
    da_array *c = NULL;
    BENCH_TRY(da_eval(&c, da_divide(da_multiply(v->y, v->x), 3)));
    bench_set_tile(b, c);
    const int status = check_values(b, c, 5, reference_residual_expr);
    da_array_release(&c);
    return status;
}

const bench_case bench_expr = {"expr",
                               "b * a / 3 into a new array, n elements",
                               32 << 20,
                               100003,
                               BENCH_REAL | BENCH_COMPLEX,
                               expr_setup,
                               expr_check,
                               free_vectors};

/* ---- expr_assign and expr_math_assign: into an array that exists, against the fused loop into memory that has been touched ---- */

static int expr_assign_ours(void *ctx)
{
    vectors *const v = ctx;
    BENCH_TRY(da_assign(v->z, da_divide(da_multiply(v->y, v->x), 3)));
    BENCH_TRY(da_wait(v->z));
    return 0;
}

static int expr_assign_reference(void *ctx)
{
    vectors *const v = ctx;
    reference_expr(v->dtype, v->n, v->a, v->b, v->c);
    return 0;
}

static int expr_assign_setup(bench *b)
{
    if (make_vectors(b, 2, true, 3) != 0)
        return 1;
    b->ours.run = expr_assign_ours;
    b->reference.run = expr_assign_reference;
    b->reference_name = "fused OpenMP loop into touched memory";
    return 0;
}

static int expr_assign_check(bench *b)
{
    vectors *const v = b->state;
    BENCH_TRY(da_assign(v->z, 0));
    return expr_assign_ours(v) != 0 || check_values(b, v->z, 5, reference_residual_expr) != 0;
}

const bench_case bench_expr_assign = {"expr_assign",
                                      "b * a / 3 into an existing array, n elements",
                                      32 << 20,
                                      100003,
                                      BENCH_REAL | BENCH_COMPLEX,
                                      expr_assign_setup,
                                      expr_assign_check,
                                      free_vectors};

static int expr_math_ours(void *ctx)
{
    vectors *const v = ctx;
    BENCH_TRY(da_assign(v->z, da_add(da_multiply(da_exp(v->x), da_sin(v->y)), da_sqrt(v->x))));
    BENCH_TRY(da_wait(v->z));
    return 0;
}

static int expr_math_reference(void *ctx)
{
    vectors *const v = ctx;
    reference_expr_math(v->dtype, v->n, v->a, v->b, v->c);
    return 0;
}

static int expr_math_setup(bench *b)
{
    if (make_vectors(b, 2, true, 3) != 0)
        return 1;
    b->ours.run = expr_math_ours;
    b->reference.run = expr_math_reference;
    b->reference_name = "fused OpenMP loop with -ffast-math into touched memory";
    return 0;
}

static int expr_math_check(bench *b)
{
    vectors *const v = b->state;
    BENCH_TRY(da_assign(v->z, 0));
    /* two functions of up to 4 ulp each, a product, a sum */
    return expr_math_ours(v) != 0 || check_values(b, v->z, 20, reference_residual_expr_math) != 0;
}

const bench_case bench_expr_math_assign = {"expr_math_assign",
                                           "exp(a) * sin(b) + sqrt(a) into an existing array, n elements",
                                           32 << 20,
                                           100003,
                                           BENCH_REAL | BENCH_COMPLEX,
                                           expr_math_setup,
                                           expr_math_check,
                                           free_vectors};

/* ---- sum: all elements into a C number, on both sides ---- */

static int sum_ours(void *ctx)
{
    vectors *const v = ctx;
    v->sum = (da_c128){0, 0};
    if (v->dtype == DA_F32 || v->dtype == DA_F64) {
        BENCH_TRY(da_sum_all(&v->sum.re, v->x));
        return 0;
    }
    da_array *s = NULL;
    BENCH_TRY(da_sum(&s, v->x, DA_ALL, 0));
    BENCH_TRY(da_item(&v->sum, s));
    da_array_release(&s);
    return 0;
}

static int sum_reference(void *ctx)
{
    vectors *const v = ctx;
    v->sum = reference_sum(v->dtype, v->n, v->a);
    return 0;
}

static int sum_setup(bench *b)
{
    if (make_vectors(b, 1, false, 1) != 0)
        return 1;
    b->ours.run = sum_ours;
    b->reference.run = sum_reference;
    b->reference_name = "OpenMP loop with simd reduction";
    return 0;
}

static int sum_check(bench *b)
{
    vectors *const v = b->state;
    if (sum_ours(v) != 0)
        return 1;
    b->residual = reference_residual_sum(v->dtype, v->n, v->a, v->sum);
    b->residual_bound = 3;
    return 0;
}

const bench_case bench_sum = {"sum",
                              "sum of n elements into a C number",
                              32 << 20,
                              100003,
                              BENCH_REAL | BENCH_COMPLEX,
                              sum_setup,
                              sum_check,
                              free_vectors};
