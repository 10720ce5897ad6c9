/* SPDX-License-Identifier: BSD-3-Clause */
/* Norms, diagonals, traces, cross and Kronecker products: extreme values, faults, overlap, every error. Values for every dtype are compared with
 * NumPy in numpy_norms.py. */
#include "linalg_check.h"

enum { ALL_NORMS = DA_NORM_MINUS_INF };

static double item(const da_array *a)
{
    double x = -12345;
    ck_ok(da_item(&x, a));
    return x;
}

/* ---- values ---- */

/* Numbers whose squares overflow or vanish, NaN, and the others' order. */
START_TEST(extreme_values)
{
    for (int d = 0; d < FLOAT_DTYPES; d++) {
        const da_dtype dtype = float_dtypes[d];
        const bool single = eps_of(dtype) > 1e-10;
        const double sizes[] = {single ? 1e38 : 1e307, single ? 1e-38 : 1e-300};
        for (int s = 0; s < 2; s++) {
            DA_AUTO da_array *a = NULL, *n = NULL;
            ck_ok(da_full(&a, dtype, DA_SHAPE(2, 2), sizes[s]));
            ck_ok(da_matrix_norm(&n, a, DA_NORM_FRO, 0));
            ck_assert_double_le(fabs(item(n) / sizes[s] - 2), 8 * eps_of(dtype));
        }
        for (int norm = DA_NORM_FRO; norm <= ALL_NORMS; norm++) {
            DA_AUTO da_array *a = NULL, *one = NULL, *n = NULL;
            ck_ok(da_ones(&a, dtype, DA_SHAPE(40, 40)));
            ck_ok(DA_SLICE(&one, a, DA_AT(7), DA_AT(33)));
            ck_ok(da_assign(one, NAN));
            ck_ok(da_matrix_norm(&n, a, (da_norm)norm, 0));
            ck_assert_double_nan(item(n));
        }
    }
}
END_TEST

/* A diagonal through many tiles of another shape, of a view, in a batch; as it was before what is written later. */
START_TEST(through_tiles)
{
    enum { M = 150, N = 97, BATCH = 2 };
    double *values = malloc(BATCH * M * N * sizeof *values), got[BATCH * N];
    DA_AUTO da_array *a = NULL, *view = NULL, *d = NULL, *t = NULL;

    for (int i = 0; i < BATCH * M * N; i++)
        values[i] = i;
    ck_ok(da_blocks(DA_SHAPE(33, 20)));
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(BATCH, M, N), values, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(da_flip(&view, a, DA_AXES(1)));
    for (int64_t k = -149; k < 97; k += 41) {
        const int64_t row = k < 0 ? -k : 0, column = k > 0 ? k : 0;
        const int64_t n = M - row < N - column ? M - row : N - column;
        double sums[BATCH];

        ck_ok(da_diagonal(&d, view, k));
        ck_ok(da_trace(&t, view, k));
        ck_assert_int_eq(da_array_shape(d).ndim, 2);
        ck_assert_int_eq(da_array_shape(d).dim[1], n);
        ck_ok(da_to_host(d, got, sizeof got, DA_ROW_MAJOR));
        ck_ok(da_to_host(t, sums, sizeof sums, DA_ROW_MAJOR));
        for (int64_t b = 0; b < BATCH; b++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++) {
                const double x = values[(b * M + M - 1 - row - i) * N + column + i];
                ck_assert_double_eq(got[b * n + i], x);
                sum += x;
            }
            ck_assert_double_eq(sums[b], sum); /* whole numbers: exact */
        }
        da_array_release(&d);
        da_array_release(&t);
    }
    ck_ok(da_diagonal(&d, a, 0));
    ck_ok(da_assign(a, -1.0));
    ck_ok(da_to_host(d, got, sizeof got, DA_ROW_MAJOR));
    for (int64_t i = 0; i < N; i++)
        ck_assert_double_eq(got[i], values[i * N + i]);
    free(values);
}
END_TEST

/* Views of one array, and an array with itself. */
START_TEST(same_array_twice)
{
    const double values[] = {1, 2, 3, 4, 5, 6}, expected[] = {-3, 6, -3};
    double got[36];
    DA_AUTO da_array *a = NULL, *x = NULL, *y = NULL, *c = NULL, *k = NULL;

    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(2, 3), values, DA_ROW_MAJOR));
    ck_ok(DA_SLICE(&x, a, DA_AT(0)));
    ck_ok(DA_SLICE(&y, a, DA_AT(1)));
    ck_ok(da_cross(&c, x, y, 0));
    ck_ok(da_to_host(c, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(got[i], expected[i]);
    ck_ok(da_kron(&k, a, a));
    ck_ok(da_to_host(k, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 9; j++)
            ck_assert_double_eq(got[i * 9 + j], values[i / 2 * 3 + j / 3] * values[i % 2 * 3 + j % 3]);
}
END_TEST

/* What is computed from the factor of a matrix that has none. */
START_TEST(faults_are_inherited)
{
    DA_AUTO da_array *a = NULL, *l = NULL, *v = NULL, *r[9] = {0};
    const char *const text = "leading minor 3 of 3";

    ck_ok(da_eye(&a, DA_F64, 3, 3, 0));
    ck_ok(DA_SLICE(&v, a, DA_AT(2), DA_AT(2)));
    ck_ok(da_assign(v, -1.0));
    ck_ok(da_cholesky(&l, a, DA_LOWER));
    ck_ok(da_matrix_norm(&r[0], l, DA_NORM_1, 0));
    ck_ok(da_diagonal(&r[1], l, 0));
    ck_ok(da_trace(&r[2], l, 0));
    ck_ok(da_cross(&r[3], a, l, -1));
    ck_ok(da_kron(&r[4], l, a));
    ck_ok(da_pinv(&r[5], l, -1, 0));
    ck_ok(da_matrix_rank(&r[6], l, -1, DA_LOWER));
    ck_ok(da_cond(&r[7], l, DA_NORM_1));
    ck_ok(da_matrix_norm(&r[8], l, DA_NORM_NUC, DA_KEEPDIMS));
    for (int i = 0; i < 9; i++) {
        ck_fails(da_wait(r[i]), DA_ERROR_NUMERICAL, text);
        da_array_release(&r[i]);
    }
}
END_TEST

/* A NaN is a fault of whatever needs singular values, of nothing else; a singular matrix is none. */
START_TEST(faults_of_their_own)
{
    DA_AUTO da_array *a = NULL, *one = NULL, *r = NULL;

    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(3, 3)));
    for (int norm = DA_NORM_FRO; norm <= DA_NORM_NUC; norm++) {
        ck_ok(da_cond(&r, a, (da_norm)norm));
        const double x = item(r);
        ck_assert_msg(norm == DA_NORM_MINUS_2 ? isnan(x) : x == INFINITY, "norm %d: %g", norm, x);
        da_array_release(&r);
    }
    ck_ok(DA_SLICE(&one, a, DA_AT(0), DA_AT(1)));
    ck_ok(da_assign(one, NAN));
    for (int norm = DA_NORM_2; norm <= DA_NORM_NUC; norm++) {
        ck_ok(da_matrix_norm(&r, a, (da_norm)norm, 0));
        ck_fails(da_wait(r), DA_ERROR_NUMERICAL, "svd: column 2 of 3 has a NaN");
        da_array_release(&r);
    }
    ck_ok(da_pinv(&r, a, -1, 0));
    ck_fails(da_wait(r), DA_ERROR_NUMERICAL, "svd: column 2 of 3 has a NaN");
    da_array_release(&r);
    ck_ok(da_cond(&r, a, DA_NORM_1));
    ck_assert_double_nan(item(r));
}
END_TEST

/* ---- errors ---- */

START_TEST(wrong_arguments)
{
    DA_AUTO da_array *a = NULL, *line = NULL, *half = NULL, *empty = NULL, *flat = NULL, *pairs = NULL,
                     *yes = NULL, *deep = NULL, *wide = NULL, *huge = NULL;
    da_array *const untouched = (da_array *)(void *)&a, *out = untouched;
    da_array *stale = NULL, *none = NULL;

    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(4, 3)));
    ck_ok(da_zeros(&line, DA_F64, DA_SHAPE(3)));
    ck_ok(da_zeros(&half, DA_F16, DA_SHAPE(3, 3)));
    ck_ok(da_zeros(&empty, DA_F64, DA_SHAPE(4, 0)));
    ck_ok(da_zeros(&flat, DA_F64, DA_SHAPE(0, 4)));
    ck_ok(da_zeros(&pairs, DA_F64, DA_SHAPE(3, 2)));
    ck_ok(da_zeros(&yes, DA_BOOL, DA_SHAPE(4, 3)));
    ck_ok(da_zeros(&deep, DA_F64, DA_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)));
    ck_ok(da_copy(&stale, a));
    none = stale;
    da_array_release(&stale);

    ck_fails((da_matrix_norm)(NULL, a, DA_NORM_1, 0), DA_ERROR_ARGUMENT, "da_matrix_norm");
    ck_fails(da_matrix_norm(&out, NULL, DA_NORM_1, 0), DA_ERROR_ARGUMENT, "da_matrix_norm");
    ck_fails(da_matrix_norm(&out, none, DA_NORM_1, 0), DA_ERROR_STALE, "da_matrix_norm");
    ck_fails(da_matrix_norm(&out, a, (da_norm)0, 0), DA_ERROR_ARGUMENT, "0 is no norm");
    ck_fails(da_matrix_norm(&out, a, (da_norm)77, 0), DA_ERROR_ARGUMENT, "77 is no norm");
    ck_fails(da_matrix_norm(&out, a, DA_NORM_1, DA_UPPER), DA_ERROR_ARGUMENT,
             "flags 0x2 (DA_UPPER); it takes DA_KEEPDIMS");
    ck_fails(da_matrix_norm(&out, line, DA_NORM_1, 0), DA_ERROR_SHAPE, "a has shape (3,)");
    ck_fails(da_matrix_norm(&out, half, DA_NORM_1, 0), DA_ERROR_DTYPE, "float16");
    ck_fails(da_matrix_norm(&out, empty, DA_NORM_1, 0), DA_ERROR_SHAPE, "(4, 0): no columns");
    ck_fails(da_matrix_norm(&out, flat, DA_NORM_MINUS_INF, 0), DA_ERROR_SHAPE, "(0, 4): no rows");

    ck_fails(da_matrix_norm(&out, flat, DA_NORM_2, 0), DA_ERROR_SHAPE, "(0, 4): no rows");
    ck_fails(da_matrix_norm(&out, empty, DA_NORM_MINUS_2, 0), DA_ERROR_SHAPE, "(4, 0): no columns");

    ck_fails(da_cond(NULL, a, DA_NORM_2), DA_ERROR_ARGUMENT, "da_cond");
    ck_fails(da_cond(&out, none, DA_NORM_2), DA_ERROR_STALE, "da_cond");
    ck_fails(da_cond(&out, a, (da_norm)0), DA_ERROR_ARGUMENT, "0 is no norm");
    ck_fails(da_cond(&out, a, DA_NORM_1), DA_ERROR_SHAPE, "da_cond: a has shape (4, 3); it must be square");
    ck_fails(da_cond(&out, empty, DA_NORM_2), DA_ERROR_SHAPE, "a has shape (4, 0)");
    ck_fails(da_cond(&out, yes, DA_NORM_2), DA_ERROR_DTYPE, "bool");
    ck_fails(da_pinv(NULL, a, -1, 0), DA_ERROR_ARGUMENT, "da_pinv");
    ck_fails(da_pinv(&out, none, -1, 0), DA_ERROR_STALE, "da_pinv");
    ck_fails(da_pinv(&out, a, NAN, 0), DA_ERROR_ARGUMENT, "rtol is not a number");
    ck_fails(da_pinv(&out, a, -1, DA_UNIT), DA_ERROR_ARGUMENT,
             "da_pinv: flags 0x8 (DA_UNIT); it takes DA_UPPER | DA_LOWER");
    ck_fails(da_pinv(&out, a, -1, DA_LOWER), DA_ERROR_SHAPE, "(4, 3); it must be square");
    ck_fails(da_pinv(&out, half, -1, 0), DA_ERROR_DTYPE, "float16");
    ck_fails(da_pinv(&out, line, -1, 0), DA_ERROR_SHAPE, "a has shape (3,)");
    ck_fails(da_matrix_rank(NULL, a, -1, 0), DA_ERROR_ARGUMENT, "da_matrix_rank");
    ck_fails(da_matrix_rank(&out, none, -1, 0), DA_ERROR_STALE, "da_matrix_rank");
    ck_fails(da_matrix_rank(&out, a, NAN, 0), DA_ERROR_ARGUMENT, "rtol is not a number");
    ck_fails(da_matrix_rank(&out, a, -1, DA_UPPER), DA_ERROR_SHAPE, "(4, 3); it must be square");

    ck_fails(da_diagonal(NULL, a, 0), DA_ERROR_ARGUMENT, "da_diagonal");
    ck_fails(da_diagonal(&out, NULL, 0), DA_ERROR_ARGUMENT, "da_diagonal");
    ck_fails(da_diagonal(&out, none, 0), DA_ERROR_STALE, "da_diagonal");
    ck_fails(da_diagonal(&out, line, 0), DA_ERROR_SHAPE, "a has shape (3,)");
    ck_fails(da_trace(NULL, a, 0), DA_ERROR_ARGUMENT, "da_trace");
    ck_fails(da_trace(&out, none, 0), DA_ERROR_STALE, "da_trace");
    ck_fails(da_trace(&out, line, 0), DA_ERROR_SHAPE, "da_trace: a has shape (3,)");
    ck_fails(da_trace(&out, half, 0), DA_ERROR_DTYPE, "float16");

    ck_fails(da_cross(NULL, a, a, -1), DA_ERROR_ARGUMENT, "da_cross");
    ck_fails(da_cross(&out, a, NULL, -1), DA_ERROR_ARGUMENT, "b");
    ck_fails(da_cross(&out, none, a, -1), DA_ERROR_STALE, "a");
    ck_fails(da_cross(&out, a, a, 2), DA_ERROR_INDEX, "axis 2 of a");
    ck_fails(da_cross(&out, a, line, -2), DA_ERROR_SHAPE, "a has shape (4, 3); axis -2 must have extent 3");
    ck_fails(da_cross(&out, line, pairs, -2), DA_ERROR_INDEX, "axis -2 of a");
    ck_ok(da_zeros(&wide, DA_F64, DA_SHAPE(3, 5)));
    ck_fails(da_cross(&out, pairs, wide, 0), DA_ERROR_SHAPE, "a has shape (2,) and b has shape (5,)");
    ck_fails(da_cross(&out, yes, yes, -1), DA_ERROR_DTYPE, "bool");
    ck_fails(da_cross(&out, half, half, -1), DA_ERROR_DTYPE, "float16");
    ck_fails(da_kron(NULL, a, a), DA_ERROR_ARGUMENT, "da_kron");
    ck_fails(da_kron(&out, none, a), DA_ERROR_STALE, "a");
    ck_fails(da_kron(&out, a, deep), DA_ERROR_SHAPE, "b has 9");
    ck_fails(da_kron(&out, half, half), DA_ERROR_DTYPE, "float16");
    ck_ok(da_broadcast_to(&huge, line, DA_SHAPE(INT64_C(1) << 40, 3)));
    ck_fails(da_kron(&out, huge, huge), DA_ERROR_OVERFLOW, "");
    ck_assert_ptr_eq(out, untouched);
}
END_TEST

DA_TEST_MAIN("norms", DA_CASE("values", extreme_values, through_tiles, same_array_twice),
             DA_CASE("faults", faults_are_inherited, faults_of_their_own), DA_CASE("errors", wrong_arguments))
