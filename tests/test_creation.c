/* Arrays made from nothing. */
#include "array_check.h"
#include <inttypes.h>

START_TEST(filled)
{
    const da_dtype dtype = (da_dtype)(_i + 1);
    da_array *a, *b;
    ck_ok(da_zeros(&a, dtype, DA_SHAPE(2, 3)));
    ck_assert_int_eq(da_array_dtype(a), dtype);
    if (dtype < DA_C64)
        ck_values(a, DA_SHAPE(2, 3), 0, 0, 0, 0, 0, 0);
    ck_ok(da_ones_like(&b, a));
    ck_assert_int_eq(da_array_dtype(b), dtype);
    da_array_release(&a);
    if (dtype < DA_C64) {
        ck_values(b, DA_SHAPE(2, 3), 1, 1, 1, 1, 1, 1);
    } else {
        da_c128 z;
        da_array *one;
        ck_ok(DA_SLICE(&one, b, DA_AT(1), DA_AT(2)));
        ck_ok(da_item(&z, one));
        ck_assert(z.re == 1 && z.im == 0);
        da_array_release(&one);
    }
    ck_ok(da_zeros_like(&a, b));
    ck_assert_int_eq(da_array_size(a), 6);
    da_array_release(&a);
    ck_ok(da_empty_like(&a, b));
    ck_assert_int_eq(da_array_size(a), 6);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(full_values)
{
    da_array *a;
    uint64_t u;
    int64_t i;
    da_c128 z;
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(2), -2.5));
    ck_values(a, DA_SHAPE(2), -2.5, -2.5);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_U64, DA_SCALAR_SHAPE, UINT64_MAX));
    ck_ok(da_item(&u, a));
    ck_assert_uint_eq(u, UINT64_MAX);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_I64, DA_SCALAR_SHAPE, INT64_MIN));
    ck_ok(da_item(&i, a));
    ck_assert_int_eq(i, INT64_MIN);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_C64, DA_SCALAR_SHAPE, 1.5 - 2 * I));
    ck_ok(da_item(&z, a));
    ck_assert(z.re == 1.5 && z.im == -2);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_BOOL, DA_SHAPE(2), true));
    ck_values(a, DA_SHAPE(2), 1, 1);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_F32, DA_SHAPE(1), (double)NAN));
    ck_values(a, DA_SHAPE(1), NAN);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_I8, DA_SHAPE(1), 127.0));
    ck_values(a, DA_SHAPE(1), 127);
    ck_ok(da_full_like(&a, a, -128));
    da_array_release(&a);
}
END_TEST

START_TEST(values_that_do_not_fit)
{
    da_array *a;
    ck_makes_nothing(da_full(&a, DA_F64, DA_SHAPE(2), 1 + 2 * I), a, DA_ERROR_DTYPE,
                     "float64 cannot hold the complex number 1+2i");
    ck_makes_nothing(da_full(&a, DA_U8, DA_SHAPE(2), -1), a, DA_ERROR_DTYPE, "uint8 cannot hold -1");
    ck_makes_nothing(da_full(&a, DA_U8, DA_SHAPE(2), 256), a, DA_ERROR_DTYPE, "uint8 cannot hold 256");
    ck_makes_nothing(da_full(&a, DA_I8, DA_SHAPE(2), 128u), a, DA_ERROR_DTYPE, "int8 cannot hold 128");
    ck_makes_nothing(da_full(&a, DA_I32, DA_SHAPE(2), 2.5), a, DA_ERROR_DTYPE, "int32 cannot hold 2.5");
    ck_makes_nothing(da_full(&a, DA_I64, DA_SHAPE(2), 0x1p63), a, DA_ERROR_DTYPE, "int64 cannot hold");
    ck_makes_nothing(da_full(&a, DA_U64, DA_SHAPE(2), 0x1p64), a, DA_ERROR_DTYPE, "uint64 cannot hold");
    ck_makes_nothing(da_full(&a, DA_I64, DA_SHAPE(2), UINT64_MAX), a, DA_ERROR_DTYPE,
                     "int64 cannot hold 18446744073709551615");
    ck_makes_nothing(da_full(&a, DA_I64, DA_SHAPE(2), (double)NAN), a, DA_ERROR_DTYPE,
                     "int64 cannot hold nan");
    ck_makes_nothing(da_full(&a, DA_BOOL, DA_SHAPE(2), 2), a, DA_ERROR_DTYPE, "bool cannot hold 2");
    ck_makes_nothing((da_full)(&a, DA_F64, DA_SHAPE(2), (da_scalar){9, 0, {0}}), a, DA_ERROR_ARGUMENT,
                     "no number");
}
END_TEST

START_TEST(shapes_that_are_none)
{
    da_array *a;
    ck_makes_nothing(da_zeros(&a, DA_F64, DA_SHAPE(3, -4)), a, DA_ERROR_SHAPE,
                     "extent -4 of axis 1 is negative");
    ck_makes_nothing(da_empty(&a, DA_F64, (da_shape){17, {1}}), a, DA_ERROR_SHAPE, "17 dimensions");
    ck_makes_nothing(da_empty(&a, DA_F64, (da_shape){-1, {1}}), a, DA_ERROR_SHAPE, "-1 dimensions");
    ck_makes_nothing(da_empty(&a, (da_dtype)0, DA_SHAPE(1)), a, DA_ERROR_DTYPE, "0 is no dtype");
    ck_makes_nothing(da_zeros(&a, (da_dtype)99, DA_SHAPE(1)), a, DA_ERROR_DTYPE, "99 is no dtype");
    ck_makes_nothing(da_empty(&a, DA_F64, DA_SHAPE(INT64_MAX, 2)), a, DA_ERROR_OVERFLOW,
                     "shape (9223372036854775807, 2) and dtype float64");
    ck_makes_nothing(da_empty(&a, DA_F64, DA_SHAPE(INT64_MAX / 8 + 1)), a, DA_ERROR_OVERFLOW, "64 bits");
    /* even where a zero extent makes the product 0, as NumPy */
    ck_makes_nothing(da_empty(&a, DA_F64, DA_SHAPE(0, INT64_MAX, 4)), a, DA_ERROR_OVERFLOW, "64 bits");
    ck_makes_nothing(da_zeros(&a, DA_F64, DA_SHAPE(1 << 20, 1 << 20, 1 << 10)), a, DA_ERROR_MEMORY,
                     "9007199254740992");
    /* a number of bytes that fits in 64 bits, if in no memory */
    ck_makes_nothing(da_empty(&a, DA_U8, DA_SHAPE(INT64_MAX)), a, DA_ERROR_MEMORY,
                     "9223372036854775807 bytes");
    ck_fails(da_zeros(NULL, DA_F64, DA_SHAPE(2)), DA_ERROR_ARGUMENT,
             "da_zeros: the pointer for the result is null");
    ck_makes_nothing(da_ones_like(&a, NULL), a, DA_ERROR_ARGUMENT, "da_ones_like: a is null");
}
END_TEST

START_TEST(empty_and_scalar)
{
    const da_dtype dtype = (da_dtype)(_i + 1);
    da_array *a;
    char *s;
    ck_ok(da_ones(&a, dtype, DA_SHAPE(0)));
    ck_ok(da_wait(a));
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
    ck_ok(da_zeros(&a, dtype, DA_SHAPE(3, 0, 2)));
    ck_ok(da_to_string(&s, a));
    ck_assert_str_eq(s, "[]");
    da_string_free(s);
    da_array_release(&a);
    ck_ok(da_zeros(&a, dtype, DA_SCALAR_SHAPE));
    ck_assert_int_eq(da_array_size(a), 1);
    ck_assert_int_eq(da_array_ndim(a), 0);
    da_array_release(&a);
    ck_ok(da_random_uniform(&a, dtype, DA_SHAPE(0, 5), 1));
    da_array_release(&a);
    ck_ok(da_eye(&a, dtype, 0, 3, 0));
    da_array_release(&a);
    ck_ok(da_ones(&a, dtype, (da_shape){16, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}}));
    ck_assert_int_eq(da_array_size(a), 2);
    da_array_release(&a);
}
END_TEST

START_TEST(ranges)
{
    da_array *a;
    ck_ok(da_arange(&a, DA_I32, 2, 11, 3));
    ck_values(a, DA_SHAPE(3), 2, 5, 8);
    da_array_release(&a);
    ck_makes_nothing(da_arange(&a, DA_BOOL, 0, 2, 1), a, DA_ERROR_DTYPE, "bool");
    ck_ok(da_arange(&a, DA_I64, 5, -5, -4));
    ck_values(a, DA_SHAPE(3), 5, 1, -3);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_I64, 5, 5, 1));
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_I64, 5, 0, 1));
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_F64, 0, 1, 0.25));
    ck_values(a, DA_SHAPE(4), 0, .25, .5, .75);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_F32, 1, 0, -0.3));
    ck_assert_int_eq(da_array_size(a), 4);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_C128, 0, 3, 1));
    ck_assert_int_eq(da_array_size(a), 3);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_U64, UINT64_MAX - 2, UINT64_MAX, 1));
    ck_assert_int_eq(da_array_size(a), 2);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_U8, 255, -1, -51));
    ck_values(a, DA_SHAPE(6), 255, 204, 153, 102, 51, 0);
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_I8, -128, 128, 1));
    ck_assert_int_eq(da_array_size(a), 256);
    da_array_release(&a);
    ck_makes_nothing(da_arange(&a, DA_U8, 0, 257, 1), a, DA_ERROR_DTYPE,
                     "uint8 cannot hold the last element, 256");
    ck_makes_nothing(da_arange(&a, DA_I8, 0.0, -130.0, -1.0), a, DA_ERROR_DTYPE,
                     "int8 cannot hold the last element, -129");
    ck_makes_nothing(da_arange(&a, DA_U64, 5, -2, -2), a, DA_ERROR_DTYPE, "cannot hold the last element, -1");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, 5, 0), a, DA_ERROR_ARGUMENT, "the step is 0");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, 5, (double)NAN), a, DA_ERROR_ARGUMENT, "the step is nan");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, 5, (double)INFINITY), a, DA_ERROR_ARGUMENT, "the step is inf");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, (double)INFINITY, 1), a, DA_ERROR_ARGUMENT,
                     "no number of steps");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, 1 + I, 1), a, DA_ERROR_DTYPE, "the stop is complex");
    ck_makes_nothing(da_arange(&a, DA_I32, 0, 1, 0.5), a, DA_ERROR_DTYPE, "cannot hold 0.5");
    ck_makes_nothing(da_arange(&a, DA_U8, -3, 1, 1), a, DA_ERROR_DTYPE, "uint8 cannot hold -3");
    ck_makes_nothing(da_arange(&a, DA_F64, 0, 1e300, 1e-10), a, DA_ERROR_OVERFLOW, "do not fit in 64 bits");
    ck_makes_nothing(da_arange(&a, (da_dtype)77, 0, 1, 1), a, DA_ERROR_DTYPE, "77 is no dtype");
}
END_TEST

START_TEST(long_range)
{
    enum { N = 300000 };
    static int64_t values[N];
    da_array *a;
    ck_ok(da_arange(&a, DA_I64, 7, 7 + 3 * (int64_t)N, 3));
    ck_ok(da_to_host(a, values, sizeof values, DA_ROW_MAJOR));
    for (int64_t i = 0; i < N; i++)
        ck_assert_int_eq(values[i], 7 + 3 * i);
    da_array_release(&a);
}
END_TEST

START_TEST(spaced)
{
    da_array *a;
    double x[100000];
    ck_ok(da_linspace(&a, DA_F64, 0, 1, 5, true));
    ck_values(a, DA_SHAPE(5), 0, .25, .5, .75, 1);
    da_array_release(&a);
    ck_ok(da_linspace(&a, DA_F64, 0, 1, 4, false));
    ck_values(a, DA_SHAPE(4), 0, .25, .5, .75);
    da_array_release(&a);
    ck_ok(da_linspace(&a, DA_F32, 3, 7, 1, true));
    ck_values(a, DA_SHAPE(1), 3);
    da_array_release(&a);
    ck_ok(da_linspace(&a, DA_F64, 3, 7, 0, true));
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
    ck_ok(da_linspace(&a, DA_F64, 0.1, 0.7, 100000, true));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    ck_assert(x[0] == 0.1 && x[99999] == 0.7); /* exactly */
    for (int i = 1; i < 100000; i++)
        ck_assert(x[i] > x[i - 1]);
    da_array_release(&a);
    ck_makes_nothing(da_linspace(&a, DA_I32, 0, 1, 5, true), a, DA_ERROR_DTYPE,
                     "int32 cannot hold evenly spaced numbers");
    ck_makes_nothing(da_linspace(&a, DA_F64, 0, 1, -5, true), a, DA_ERROR_SHAPE, "extent -5");
    ck_makes_nothing(da_linspace(&a, DA_F64, 0, 1 + I, 5, true), a, DA_ERROR_DTYPE, "complex");
}
END_TEST

START_TEST(identities)
{
    da_array *a;
    ck_ok(da_eye(&a, DA_F64, 3, 3, 0));
    ck_values(a, DA_SHAPE(3, 3), 1, 0, 0, 0, 1, 0, 0, 0, 1);
    da_array_release(&a);
    ck_ok(da_eye(&a, DA_I16, 2, 4, 1));
    ck_values(a, DA_SHAPE(2, 4), 0, 1, 0, 0, 0, 0, 1, 0);
    da_array_release(&a);
    ck_ok(da_eye(&a, DA_F16, 4, 2, -2));
    ck_values(a, DA_SHAPE(4, 2), 0, 0, 0, 0, 1, 0, 0, 1);
    da_array_release(&a);
    ck_ok(da_eye(&a, DA_F32, 2, 2, INT64_MAX));
    ck_values(a, DA_SHAPE(2, 2), 0, 0, 0, 0);
    da_array_release(&a);
    ck_ok(da_eye(&a, DA_F32, 2, 2, INT64_MIN));
    ck_values(a, DA_SHAPE(2, 2), 0, 0, 0, 0);
    da_array_release(&a);
    ck_makes_nothing(da_eye(&a, DA_F32, 2, -2, 0), a, DA_ERROR_SHAPE, "extent -2");
}
END_TEST

START_TEST(large_identity)
{
    enum { M = 400, N = 500, K = 37 };
    static float x[M][N];
    da_array *a;
    ck_ok(da_eye(&a, DA_F32, M, N, K));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            ck_assert(x[i][j] == (j - i == K ? 1.0f : 0.0f));
    da_array_release(&a);
}
END_TEST

DA_TEST_MAIN("creation", DA_CASE_LOOP("dtypes", DTYPES, filled, empty_and_scalar),
             DA_CASE("values", full_values, values_that_do_not_fit, shapes_that_are_none),
             DA_CASE("sequences", ranges, long_range, spaced, identities, large_identity))
