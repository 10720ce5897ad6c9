/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions: precision, overflow, ties, empty axes, bits, every error. Values for every dtype and set of axes are compared with NumPy in
 * numpy_expressions.py. */
#include "test.h"

#include <complex.h>
#include <math.h>

static da_array *filled(da_dtype dtype, da_shape shape, double x)
{
    da_array *a = NULL;
    ck_ok(da_full(&a, dtype, shape, x));
    return a;
}

static da_array *vector(const double *x, int64_t n)
{
    da_array *a = NULL;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(n), x, DA_ROW_MAJOR));
    return a;
}

static double item(da_array *a)
{
    double x = -12345;
    ck_ok(da_item(&x, a));
    return x;
}

/* Less where tiny tiles make a task of every few elements. */
static int64_t many(int64_t n)
{
    return getenv("DARRAY_TILE") ? n / 100 : n;
}

/* ---- precision ---- */

START_TEST(sums_of_many)
{
    const int64_t N = many(3000001);
    DA_AUTO da_array *a = filled(DA_F32, DA_SHAPE(N), 0.1), *s = NULL, *rows = NULL, *m = NULL;
    const double exact = (double)N * (double)0.1f;
    double mean;
    ck_ok(da_sum(&s, a, DA_ALL, 0));
    ck_assert_int_eq(da_array_dtype(s), DA_F32);
    ck_assert_double_le(fabs(item(s) / exact - 1), 1e-6);
    ck_ok(da_mean_all(&mean, a));
    ck_assert_double_le(fabs(mean / (double)0.1f - 1), 1e-6);
    /* across: a long reduced axis in front of a short one */
    ck_ok(da_full(&m, DA_F32, DA_SHAPE(many(200000), 20), 0.1f));
    ck_ok(da_sum(&rows, m, DA_AXES(0), 0));
    ck_ok(da_max_all(&mean, rows));
    ck_assert_double_le(fabs(mean / ((double)many(200000) * (double)0.1f) - 1), 1e-6);
}
END_TEST

START_TEST(variance_of_shifted)
{
    const int64_t N = many(100000);
    DA_AUTO da_array *a = NULL, *shifted = NULL, *v = NULL, *w = NULL;
    ck_ok(da_random_normal(&a, DA_F64, DA_SHAPE(N), 5));
    ck_ok(da_eval(&shifted, da_add(a, 1e9)));
    ck_ok(da_var(&v, a, DA_ALL, 1, 0));
    ck_ok(da_var(&w, shifted, DA_ALL, 1, 0));
    ck_assert_double_eq_tol(item(v), 1, 0.1);
    ck_assert_double_eq_tol(item(w), item(v), 1e-6);
}
END_TEST

START_TEST(norms_at_the_edges)
{
    const struct {
        double x[4], norm;
    } cases[] = {
        {{3e200, 4e200, 0, 0}, 5e200},
        {{3e-200, 4e-200, 0, 0}, 5e-200},
        {{3e-320, 4e-320, 0, 0}, 5e-320},
        {{3e300, 4e300, 1, 1e-300}, 5e300},
        {{1e-200, 3, 4, 1e-170}, 5},
        {{INFINITY, 1, 1e-300, 1e300}, INFINITY},
        {{-INFINITY, 1, 1, 1}, INFINITY},
        {{NAN, 1, 1e300, 0}, NAN},
        {{0, 0, 0, 0}, 0},
        {{NAN, 1e-300, 1, 0}, NAN},
        {{1e308, 1e308, 0, 0}, 1.4142135623730951e308},
        {{5e-324, 0, 0, 0}, 5e-324},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        DA_AUTO da_array *a = vector(cases[i].x, 4), *z = NULL;
        double norm;
        ck_ok(da_norm_all(&norm, a));
        ck_assert_msg((isnan(norm) && isnan(cases[i].norm)) ||
                          fabs(norm - cases[i].norm) <= 4e-16 * cases[i].norm + 5e-324 ||
                          norm == cases[i].norm,
                      "case %zu: %g instead of %g", i, norm, cases[i].norm);
        ck_ok(da_vector_norm(&z, da_multiply(a, 1.0 * I), DA_ALL, 2, 0));
        ck_assert_int_eq(da_array_dtype(z), DA_F64);
    }
    DA_AUTO da_array *f = filled(DA_F32, DA_SHAPE(100), 1e30), *n = NULL;
    ck_ok(da_vector_norm(&n, f, DA_ALL, 2, 0));
    ck_assert_int_eq(da_array_dtype(n), DA_F32);
    ck_assert_double_eq_tol(item(n) / 1e31, 1, 1e-6);
}
END_TEST

/* Nothing is combined, but the operation is applied: NumPy's axis=(). */
START_TEST(over_no_axes)
{
    DA_AUTO da_array *a = filled(DA_I8, DA_SHAPE(9, 7), -3), *sum = NULL, *norm = NULL, *var = NULL;
    double x;
    ck_ok(da_sum(&sum, a, DA_NO_AXES, 0));
    ck_assert_int_eq(da_array_dtype(sum), DA_I64);
    ck_assert_int_eq(da_array_ndim(sum), 2);
    ck_ok(da_sum_all(&x, da_equal(sum, -3)));
    ck_assert_double_eq(x, 63);
    ck_ok(da_vector_norm(&norm, a, DA_NO_AXES, 2, DA_KEEPDIMS));
    ck_ok(da_sum_all(&x, norm));
    ck_assert_double_eq(x, 3 * 63);
    ck_ok(da_var(&var, a, DA_NO_AXES, 0, 0));
    ck_ok(da_max_all(&x, da_abs(var)));
    ck_assert_double_eq(x, 0);
}
END_TEST

/* ---- order ---- */

static void set(double *x, int64_t n, double value)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
}

START_TEST(places)
{
    enum { M = 37, N = 53 };
    static double x[M * N];
    int64_t at;
    const struct {
        int64_t first, second;
        double value;
    } cases[] = {{700, 1800, -1}, {0, 1, -1}, {1959, 1960, -1}, {100, 1900, NAN}, {1960, 1960, -5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        DA_AUTO da_array *a = NULL, *r = NULL, *t = NULL, *tr = NULL, *columns = NULL;
        set(x, M * N, 2);
        x[cases[i].first] = x[cases[i].second] = cases[i].value; /* the first of two equal ones */
        if (isnan(cases[i].value))
            x[50] = -100; /* NaN wins over it */
        ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(M, N), x, DA_ROW_MAJOR));
        ck_ok(da_argmin(&r, a, DA_ALL, 0));
        ck_assert_int_eq(da_array_dtype(r), DA_I64);
        ck_ok(da_item(&at, r));
        ck_assert_int_eq(at, cases[i].first);
        ck_ok(da_matrix_transpose(&t, a)); /* C order of the transpose */
        ck_ok(da_argmin(&tr, da_negative(da_negative(t)), DA_ALL, DA_KEEPDIMS));
        ck_assert_int_eq(da_array_ndim(tr), 2);
        ck_ok(da_item(&at, tr));
        int64_t best = -1;
        for (int64_t k = 0; k < M * N; k++) {
            const double v = x[k % M * N + k / M], b = best < 0 ? 0 : x[best % M * N + best / M];
            if (best < 0 || (!isnan(b) && (isnan(v) || v < b)))
                best = k;
        }
        ck_assert_int_eq(at, best);
        ck_ok(da_argmin(&columns, a, DA_AXES(0), 0));
        int64_t got[N];
        ck_ok(da_to_host(columns, got, sizeof got, DA_ROW_MAJOR));
        for (int64_t j = 0; j < N; j++) {
            best = 0;
            for (int64_t k = 1; k < M; k++)
                if (!isnan(x[best * N + j]) && (isnan(x[k * N + j]) || x[k * N + j] < x[best * N + j]))
                    best = k;
            ck_assert_int_eq(got[j], best);
        }
    }
}
END_TEST

START_TEST(nan_in_min_and_max)
{
    static double x[5000];
    double value;
    for (int64_t at = 0; at < 5000; at += 1249) {
        set(x, 5000, 1);
        x[at] = NAN;
        DA_AUTO da_array *a = vector(x, 5000);
        ck_ok(da_min_all(&value, a));
        ck_assert(isnan(value));
        ck_ok(da_max_all(&value, a));
        ck_assert(isnan(value));
    }
}
END_TEST

/* ---- the same bits every time, and on views of the same layout ---- */

START_TEST(same_bits)
{
    DA_AUTO da_array *a = NULL;
    double first = 0, other;
    ck_ok(da_random_normal(&a, DA_F64, DA_SHAPE(many(700), 900), 3));
    for (int i = 0; i < 20; i++) {
        ck_ok(da_sum_all(&other, da_multiply(a, a)));
        if (i == 0)
            first = other;
        ck_assert_mem_eq(&first, &other, sizeof first);
    }
}
END_TEST

/* A reduction of views against sums by hand, with different tilings. */
START_TEST(mixed_tilings)
{
    enum { L = 5, M = 67, N = 45 };
    static double x[L][M][N], got[M];
    DA_AUTO da_array *a = NULL, *b = NULL, *p = NULL, *r = NULL;
    for (int i = 0; i < L; i++)
        for (int j = 0; j < M; j++)
            for (int k = 0; k < N; k++)
                x[i][j][k] = i + 2 * j - 3 * k;
    ck_ok(da_blocks(DA_SHAPE(2, 10, 11)));
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(L, M, N), x, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SHAPE(4, 64, 7)));
    ck_ok(da_copy(&b, a));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(DA_SLICE(&p, b, DA_EVERY(-1), DA_WHOLE, DA_EVERY(-1)));
    ck_ok(da_sum(&r, da_multiply(a, p), DA_AXES(0, 2), 0));
    ck_ok(da_to_host(r, got, sizeof got, DA_ROW_MAJOR));
    for (int j = 0; j < M; j++) {
        double sum = 0;
        for (int i = 0; i < L; i++)
            for (int k = 0; k < N; k++)
                sum += x[i][j][k] * x[L - 1 - i][j][N - 1 - k];
        ck_assert_double_eq(got[j], sum);
    }
}
END_TEST

START_TEST(of_broadcast)
{
    DA_AUTO da_array *column = filled(DA_F64, DA_SHAPE(300, 1), 2), *row = filled(DA_F64, DA_SHAPE(400), 3),
                     *r = NULL;
    double sum;
    ck_ok(da_sum_all(&sum, da_multiply(column, row)));
    ck_assert_double_eq(sum, 300 * 400 * 6.0);
    ck_ok(da_sum(&r, da_add(column, row), DA_AXES(1), 0));
    ck_ok(da_min_all(&sum, r));
    ck_assert_double_eq(sum, 2000);
    ck_ok(da_sum_all(&sum, 7)); /* a number alone */
    ck_assert_double_eq(sum, 7);
}
END_TEST

/* ---- no elements ---- */

START_TEST(nothing_to_reduce)
{
    DA_AUTO da_array *a = filled(DA_F64, DA_SHAPE(0, 3), 0), *r = NULL;
    double value;
    ck_ok(da_sum_all(&value, a));
    ck_assert_double_eq(value, 0);
    ck_ok(da_norm_all(&value, a));
    ck_assert_double_eq(value, 0);
    ck_ok(da_mean_all(&value, a));
    ck_assert(isnan(value));
    ck_ok(da_prod(&r, a, DA_AXES(0), 0));
    ck_ok(da_min_all(&value, r));
    ck_assert_double_eq(value, 1);
    da_array_release(&r);
    ck_ok(da_any(&r, a, DA_ALL, 0));
    ck_assert_double_eq(item(r), 0);
    da_array_release(&r);
    ck_ok(da_all(&r, a, DA_ALL, 0));
    ck_assert_double_eq(item(r), 1);
    da_array_release(&r);
    ck_ok(da_std(&r, a, DA_ALL, 0, 0));
    ck_assert(isnan(item(r)));
    da_array_release(&r);
    ck_fails(da_min_all(&value, a), DA_ERROR_SHAPE,
             "da_min: no elements to choose from along the reduced axes of shape (0, 3)");
    ck_fails(da_argmax(&r, a, DA_AXES(0), 0), DA_ERROR_SHAPE, "da_argmax: no elements");
    ck_fails(da_vector_norm(&r, a, DA_ALL, INFINITY, 0), DA_ERROR_SHAPE, "no elements");
    {
        DA_AUTO da_array *none = NULL;
        ck_ok(da_zeros(&none, DA_F64, DA_SHAPE(0, 0))); /* as NumPy: whether there are results or not */
        ck_fails(da_max(&r, none, DA_AXES(0), 0), DA_ERROR_SHAPE, "da_max: no elements");
        ck_fails(da_argmax(&r, none, DA_AXES(0), 0), DA_ERROR_SHAPE, "da_argmax: no elements");
        ck_ok(da_sum(&r, none, DA_AXES(0), 0));
        ck_assert_int_eq(da_array_size(r), 0);
        da_array_release(&r);
    }
    ck_ok(da_max(&r, a, DA_AXES(1), 0)); /* no result lacks elements */
    ck_assert_int_eq(da_array_size(r), 0);
    da_array_release(&r);
    ck_ok(da_argmin(&r, a, DA_AXES(1), DA_KEEPDIMS));
    ck_assert_int_eq(da_array_ndim(r), 2);
    da_array_release(&r);
    ck_ok(da_var(&r, a, DA_AXES(1), 1, 0));
    ck_assert_int_eq(da_array_size(r), 0);
}
END_TEST

START_TEST(small_divisors)
{
    DA_AUTO da_array *one = filled(DA_F64, DA_SHAPE(1), 3), *r = NULL, *two = filled(DA_F64, DA_SHAPE(2), 3),
                     *s = NULL;
    ck_ok(da_var(&r, one, DA_ALL, 1, 0));
    ck_assert(isnan(item(r)));
    ck_ok(da_std(&s, two, DA_ALL, 1, 0));
    ck_assert_double_eq(item(s), 0);
}
END_TEST

START_TEST(dtypes)
{
    DA_AUTO da_array *u = filled(DA_U8, DA_SHAPE(1000), 255), *s = NULL, *m = NULL, *b = NULL;
    ck_ok(da_sum(&s, u, DA_ALL, 0));
    ck_assert_int_eq(da_array_dtype(s), DA_U64);
    ck_assert_double_eq(item(s), 255000);
    ck_ok(da_mean(&m, u, DA_ALL, 0));
    ck_assert_int_eq(da_array_dtype(m), DA_F64);
    ck_ok(da_sum(&b, da_equal(u, 255), DA_ALL, 0));
    ck_assert_int_eq(da_array_dtype(b), DA_I64);
    ck_assert_double_eq(item(b), 1000);
}
END_TEST

/* ---- errors ---- */

START_TEST(errors)
{
    DA_AUTO da_array *a = filled(DA_F64, DA_SHAPE(2, 3), 1), *z = filled(DA_C128, DA_SHAPE(3), 1), *r = NULL,
                     *half = filled(DA_F16, DA_SHAPE(3), 1), *two = filled(DA_F64, DA_SHAPE(2), 1);
    const da_axes strange = {17, {0}}, negative = {-2, {0}};
    double value = 42;
    ck_fails(da_sum(&r, a, DA_AXES(2), 0), DA_ERROR_INDEX,
             "da_sum: axis 2 is out of bounds for an array of 2 dimensions");
    ck_fails(da_sum(&r, a, DA_AXES(-3), 0), DA_ERROR_INDEX, "axis -3");
    ck_fails(da_max(&r, a, DA_AXES(1, -1), 0), DA_ERROR_INDEX, "axis 1 is named twice");
    ck_fails(da_sum(&r, a, strange, 0), DA_ERROR_ARGUMENT, "17 axes");
    ck_fails(da_sum(&r, a, negative, 0), DA_ERROR_ARGUMENT, "-2 axes");
    ck_fails(da_sum(&r, a, DA_ALL, DA_UPPER), DA_ERROR_ARGUMENT, "flags 0x2");
    ck_fails(da_sum(NULL, a, DA_ALL, 0), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_argmax(&r, a, DA_AXES(0, 1), 0), DA_ERROR_ARGUMENT, "2 axes");
    ck_fails(da_min(&r, z, DA_ALL, 0), DA_ERROR_DTYPE, "da_min: complex128 numbers have no order");
    ck_fails(da_argmin(&r, z, DA_ALL, 0), DA_ERROR_DTYPE, "no order");
    ck_fails(da_sum(&r, half, DA_ALL, 0), DA_ERROR_DTYPE, "float16 is for storage");
    ck_fails(da_sum_all(NULL, a), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_sum_all(&value, z), DA_ERROR_DTYPE, "complex");
    ck_fails(da_vector_norm(&r, a, DA_ALL, NAN, 0), DA_ERROR_ARGUMENT, "ord");
    ck_fails(da_var(&r, a, DA_ALL, NAN, 0), DA_ERROR_ARGUMENT, "correction");
    ck_fails(da_sum(&r, da_add(a, two), DA_ALL, 0), DA_ERROR_SHAPE, "(2, 3) and (2,) do not broadcast");
    ck_assert_ptr_null(r);
    ck_assert_double_eq(value, 42);
    ck_ok(da_sum_all(&value, a)); /* and the library goes on */
    ck_assert_double_eq(value, 6);
}
END_TEST

DA_TEST_MAIN("reductions",
             DA_CASE("precision", sums_of_many, variance_of_shifted, norms_at_the_edges, over_no_axes),
             DA_CASE("order", places, nan_in_min_and_max),
             DA_CASE("bits", same_bits, mixed_tilings, of_broadcast),
             DA_CASE("empty", nothing_to_reduce, small_divisors, dtypes), DA_CASE("errors", errors))
