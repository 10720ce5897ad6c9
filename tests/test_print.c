/* Printing, by what NumPy prints; numpy_compare.py compares thousands of arrays with a NumPy that is there. */
#include "array_check.h"
#include <errno.h>
#include <locale.h>

static void prints(const da_array *a, const char *expected)
{
    char *s;
    ck_ok(da_to_string(&s, a));
    ck_assert_str_eq(s, expected);
    da_string_free(s);
}

static void prints_numbers(da_dtype dtype, da_shape shape, const double *x, const char *expected)
{
    da_array *wide, *a;
    ck_ok(da_from_host(&wide, DA_F64, shape, x, DA_ROW_MAJOR));
    ck_ok(da_astype(&a, wide, dtype));
    prints(a, expected);
    da_array_release(&a);
    da_array_release(&wide);
}
#define X(...) ((const double[]){__VA_ARGS__})

START_TEST(numbers)
{
    prints_numbers(DA_F64, DA_SHAPE(3), X(1, 2.5, -3), "[ 1.   2.5 -3. ]");
    prints_numbers(DA_F64, DA_SHAPE(2, 2), X(0.1, 1e-5, 1, 1000), "[[1.e-01 1.e-05]\n [1.e+00 1.e+03]]");
    prints_numbers(DA_F64, DA_SHAPE(2), X(1. / 3, 2. / 3), "[0.33333333 0.66666667]");
    prints_numbers(DA_F32, DA_SHAPE(2), X(1. / 3, 16777216), "[3.3333334e-01 1.6777216e+07]");
    prints_numbers(DA_F16, DA_SHAPE(2), X(0.1, 3), "[0.1 3. ]");
    prints_numbers(DA_BF16, DA_SHAPE(2), X(0.1, 3), "[0.1 3. ]");
    prints_numbers(DA_F64, DA_SHAPE(5), X(NAN, INFINITY, -INFINITY, 1.25, -0.0),
                   "[  nan   inf  -inf  1.25 -0.  ]");
    prints_numbers(DA_F64, DA_SHAPE(2), X(NAN, INFINITY), "[nan inf]");
    prints_numbers(DA_F64, DA_SHAPE(2), X(1e300, 1), "[1.e+300 1.e+000]");
    prints_numbers(DA_F64, DA_SHAPE(1), X(123456789), "[1.23456789e+08]");
    prints_numbers(DA_I8, DA_SHAPE(3), X(1, -128, 10), "[   1 -128   10]");
    prints_numbers(DA_U8, DA_SHAPE(2, 2), X(1, 2, 30, 255), "[[  1   2]\n [ 30 255]]");
    prints_numbers(DA_BOOL, DA_SHAPE(2), X(1, 0), "[ True False]");
    prints_numbers(DA_C128, DA_SHAPE(2), X(1, 2.5), "[1. +0.j 2.5+0.j]");
}
END_TEST

START_TEST(scalars)
{
    da_array *a;
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(1. / 3), "0.3333333333333333");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(1e16), "1e+16");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(100), "100.0");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(1.5e-5), "1.5e-05");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(0x1p-44), "5.684341886080802e-14");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(5e-324), "5e-324");
    prints_numbers(DA_F32, DA_SCALAR_SHAPE, X(0.1), "0.1");
    prints_numbers(DA_F16, DA_SCALAR_SHAPE, X(65504), "65500.0");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(-INFINITY), "-inf");
    prints_numbers(DA_BOOL, DA_SCALAR_SHAPE, X(1), "True");
    prints_numbers(DA_I64, DA_SCALAR_SHAPE, X(-7), "-7");
    ck_ok(da_full(&a, DA_C128, DA_SCALAR_SHAPE, 1.5 - 2 * I));
    prints(a, "(1.5-2j)");
    da_array_release(&a);
    ck_ok(da_full(&a, DA_C64, DA_SCALAR_SHAPE, 2 * I));
    prints(a, "2j");
    da_array_release(&a);
}
END_TEST

START_TEST(long_and_deep)
{
    da_array *a;
    ck_ok(da_arange(&a, DA_I64, 0, 1001, 1));
    prints(a, "[   0    1    2 ...  998  999 1000]");
    da_array_release(&a);
    ck_ok(da_arange(&a, DA_I64, 0, 30, 1));
    prints(a,
           "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29]");
    da_array_release(&a);
    a = counted(DA_I32, DA_SHAPE(2, 2, 2));
    prints(a, "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
    da_array_release(&a);
    a = counted(DA_I32, DA_SHAPE(40, 40));
    prints(a, "[[   0    1    2 ...   37   38   39]\n [  40   41   42 ...   77   78   79]\n"
              " [  80   81   82 ...  117  118  119]\n ...\n [1480 1481 1482 ... 1517 1518 1519]\n"
              " [1520 1521 1522 ... 1557 1558 1559]\n [1560 1561 1562 ... 1597 1598 1599]]");
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(2, 0)));
    prints(a, "[]");
    da_array_release(&a);
}
END_TEST

START_TEST(a_huge_view)
{
    da_array *a, *v;
    ck_ok(da_full(&a, DA_I8, DA_SCALAR_SHAPE, 7));
    ck_ok(da_broadcast_to(&v, a, DA_SHAPE((int64_t)1 << 40)));
    prints(v, "[7 7 7 ... 7 7 7]");
    da_array_release(&v);
    da_array_release(&a);
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    /* tests/meson.build makes it where locales can be made */
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        ck_assert_msg(!getenv("LOCPATH"), "the locale that was made for this test is not there");
    prints_numbers(DA_F64, DA_SHAPE(2), X(1.5, 2.25), "[1.5  2.25]");
    prints_numbers(DA_F64, DA_SCALAR_SHAPE, X(1.5), "1.5");
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(to_a_stream)
{
    char text[64] = "";
    da_array *a = counted(DA_I32, DA_SHAPE(3));
    char *s = (char *)(uintptr_t)0x1234;
    FILE *f = fmemopen(text, sizeof text, "w");
    ck_ok(da_print(f, a));
    fclose(f);
    ck_assert_str_eq(text, "[0 1 2]\n");
    ck_fails(da_print(NULL, a), DA_ERROR_ARGUMENT, "the stream is null");
    ck_fails(da_print(stdout, NULL), DA_ERROR_ARGUMENT, "da_print: a is null");
    f = fopen("/dev/full", "w");
    if (f) {
        setvbuf(f, NULL, _IONBF, 0);
        ck_fails(da_print(f, a), DA_ERROR_IO, strerror(ENOSPC));
        fclose(f);
    }
    ck_fails(da_to_string(&s, NULL), DA_ERROR_ARGUMENT, "da_to_string: a is null");
    ck_assert_ptr_eq(s, (char *)(uintptr_t)0x1234);
    ck_fails(da_to_string(NULL, a), DA_ERROR_ARGUMENT, "null");
    da_string_free(NULL);
    da_array_release(&a);
}
END_TEST

DA_TEST_MAIN("print", DA_CASE("numbers", numbers, scalars), DA_CASE("arrays", long_and_deep, a_huge_view),
             DA_CASE("streams", the_locale_does_not_matter, to_a_stream))
