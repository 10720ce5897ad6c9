/* SPDX-License-Identifier: BSD-3-Clause */
/* Array notation: DA_EVAL() and da_eval_text(). */
#include "test.h"

#include <math.h>

enum { N = 7 };
static const double xs[N] = {-2.5, -1, -0.25, 0, 0.5, 1, 3};
static const double ys[N] = {1, 2, 4, 0.5, -2, 3, -1};
static da_array *x, *y;

static void make(void)
{
    ck_ok(da_from_host(&x, DA_F64, DA_SHAPE(N), xs, DA_ROW_MAJOR));
    ck_ok(da_from_host(&y, DA_F64, DA_SHAPE(N), ys, DA_ROW_MAJOR));
}

static void unmake(void)
{
    da_array_release(&x);
    da_array_release(&y);
}

/* The same expressions as text and as C. */
typedef struct sample {
    const char *text;
    double (*c)(double x, double y);
} sample;

#define SAMPLE(name, expression)                                                                             \
    static double c_##name(double x, double y)                                                               \
    {                                                                                                        \
        (void)x;                                                                                             \
        (void)y;                                                                                             \
        return (double)(expression);                                                                         \
    }
SAMPLE(precedence, x + y * x - y / 2.0 - x * y / 4.0)
SAMPLE(left, x - y - 1 - x)
SAMPLE(division, x / y / 2.0)
SAMPLE(minus, -x * -y - -x)
SAMPLE(parentheses, (x + y) * (x - (y + (x))))
SAMPLE(comparison, (x < y) + (x <= 0) * 2 + (x > y) * 4 + (x >= 1) * 8)
SAMPLE(equality, (x == 1) + (x != y) * 2)
SAMPLE(logic, (x > 0 && y > 0) + (x > 0 || y > 0) * 2 + !(x > 0) * 4)
SAMPLE(logic_order, x > 0 || (y > 0 && x < -1))
SAMPLE(choice, x > 0 ? y : x < -1 ? 2.0 : -x)
SAMPLE(numbers, x * 0x10 + 1.5e-1 + .25 + 3. + 1e+2f + 010)
SAMPLE(spaces, x + y)
#undef SAMPLE

static const sample as_c[] = {
    {"x + y * x - y / 2.0 - x * y / 4.0", c_precedence},
    {"x - y - 1 - x", c_left},
    {"x / y / 2.0", c_division},
    {"-x * -y - -x", c_minus},
    {"(x + y) * (x - (y + (x)))", c_parentheses},
    {"where(x < y, 1.0, 0.0) + where(x <= 0, 2.0, 0.0) + where(x > y, 4.0, 0.0) + where(x >= 1, 8.0, 0.0)",
     c_comparison},
    {"where(x == 1, 1.0, 0.0) + where(x != y, 2.0, 0.0)", c_equality},
    {"where(x > 0 && y > 0, 1.0, 0.0) + where(x > 0 || y > 0, 2.0, 0.0) + where(!(x > 0), 4.0, 0.0)",
     c_logic},
    {"where(x > 0 & y > 0, 1.0, 0.0) + where(x > 0 | y > 0, 2.0, 0.0) + where(!(x > 0), 4.0, 0.0)", c_logic},
    {"where(x > 0 || y > 0 && x < -1, 1.0, 0.0)", c_logic_order},
    {"x > 0 ? y : x < -1 ? 2.0 : -x", c_choice},
    {"x * 0x10 + 1.5e-1 + .25 + 3. + 1e+2f + 010", c_numbers},
    {" x   +\ty ", c_spaces},
};

START_TEST(operators)
{
    const sample *s = &as_c[_i];
    DA_AUTO da_array *r = NULL;
    const da_expr values[] = {DA_X(x), DA_X(y)};
    double got[N];

    ck_ok(da_eval_text(&r, s->text, "x,y", 2, values));
    ck_assert_int_eq(da_array_dtype(r), DA_F64);
    ck_ok(da_to_host(r, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++) {
        const double expected = s->c(xs[i], ys[i]);

        ck_assert_msg(got[i] == expected || (isnan(got[i]) && isnan(expected)),
                      "%s at x = %g, y = %g: %.17g instead of %.17g", s->text, xs[i], ys[i], got[i],
                      expected);
    }
}
END_TEST

static double scalar_of(const char *text)
{
    DA_AUTO da_array *r = NULL, *half = NULL;
    double value;

    ck_ok(da_full(&half, DA_F64, DA_SCALAR_SHAPE, 0.5));
    const da_expr values[] = {DA_X(half)};
    ck_ok(da_eval_text(&r, text, "half", 1, values));
    ck_ok(da_item(&value, r));
    return value;
}

START_TEST(power)
{
    ck_assert_double_eq(scalar_of("(half + 1.5) ** 3"), 8);
    ck_assert_double_eq(scalar_of("(half + 1.5) * *3"), 8); /* as formatters write it */
    ck_assert_double_eq(scalar_of("-(half * 4) ** 2"), -4);
    ck_assert_double_eq(scalar_of("(half * 4) ** 3 ** 2"), 512);
    ck_assert_double_eq(scalar_of("(half * 4) ** -2"), 0.25);
    ck_assert_double_eq(scalar_of("2 * half ** 2"), 0.5);
    ck_assert_double_eq(scalar_of("pow(half, 2)"), 0.25);
}
END_TEST

START_TEST(functions)
{
    ck_assert_double_eq(scalar_of("sqrt(half * 8)"), 2);
    ck_assert_double_eq(scalar_of("maximum(half, minimum(3, 2))"), 2);
    ck_assert_double_eq(scalar_of("floor(half) + ceil(half)"), 1);
    ck_assert_double_eq_tol(scalar_of("exp(log(half))"), 0.5, 1e-15);
    ck_assert_double_eq_tol(scalar_of("sin(half * pi) ** 2 + cos(half * pi) ** 2"), 1, 1e-15);
    ck_assert_double_eq_tol(scalar_of("log(half * 2 * e)"), 1, 1e-15);
    ck_assert(isinf(scalar_of("half * inf")));
    ck_assert(isnan(scalar_of("half * nan")));
    ck_assert_double_eq(scalar_of("where(isnan(half * nan), 7, 8) * (half * 2)"), 7);
}
END_TEST

START_TEST(kinds_of_numbers)
{
    DA_AUTO da_array *f = NULL, *r = NULL, *z = NULL, *q = NULL;
    da_c128 value;
    double quotient;
    const int three = 3;

    ck_ok(da_full(&f, DA_F32, DA_SCALAR_SHAPE, 2));
    ck_ok(DA_EVAL(&r, f * 3.5 + 1, f));
    ck_assert_int_eq(da_array_dtype(r), DA_F32); /* numbers are weak */
    ck_ok(DA_EVAL(&z, f + 1.5i, f));
    ck_assert_int_eq(da_array_dtype(z), DA_C64);
    ck_ok(da_item_c128(&value, z));
    ck_assert_double_eq(value.re, 2);
    ck_assert_double_eq(value.im, 1.5);
    ck_ok(DA_EVAL(&q, three / 2 * f, f, three)); /* "/" divides truly */
    ck_ok(da_item(&quotient, q));
    ck_assert_double_eq(quotient, 3);
}
END_TEST

START_TEST(names)
{
    DA_AUTO da_array *r = NULL, *longer_name_2 = NULL;
    const double a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12,
                 m = 13, n = 14, o = 15;
    double value;

    ck_ok(da_full(&longer_name_2, DA_F64, DA_SCALAR_SHAPE, 100));
    ck_ok(DA_EVAL(&r, longer_name_2 + a + b + c + d + e + f + g + h + i + j + k + l + m + n + o,
                  longer_name_2, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o));
    ck_ok(da_item(&value, r));
    ck_assert_double_eq(value, 220); /* e is the variable, not the constant */
    da_array_release(&r);
    {
        const da_expr s = da_add(longer_name_2, 1); /* an expression, named twice */

        ck_ok(DA_EVAL(&r, s * s, s));
        ck_ok(da_item(&value, r));
        ck_assert_double_eq(value, 10201);
    }
}
END_TEST

typedef struct bad {
    const char *text, *sentence;
} bad;
static const bad wrong[] = {
    {"", "column 1"},
    {"x +", "column 4"},
    {"x + * y", "column 5"},
    {"(x + y", "\")\" expected"},
    {"x + y)", "column 6"},
    {"x y", "an operator expected"},
    {"x + unknown", "unknown is neither"},
    {"sqrt x", "\"(\" expected"},
    {"sqrt(x, y)", "sqrt takes 1 argument, not 2"},
    {"pow(x)", "pow takes 2 arguments, not 1"},
    {"where(x > 0, x)", "where takes 3 arguments, not 2"},
    {"sqrt()", "column 6"},
    {"x ? y", "\":\" expected"},
    {"x % y", "column 3"},
    {"x << 2", "column 3"},
    {"x + 3abc", "not a number"},
    {"x + 1.2.3", "not a number"},
    {"x + 99999999999999999999", "does not fit 64 bits"},
    {"x = y", "column 3"},
    {"x + 089", "not a number"},
};

START_TEST(syntax_errors)
{
    da_array *const untouched = (da_array *)(void *)&wrong, *r = untouched;
    const da_expr values[] = {DA_X(x), DA_X(y)};

    ck_fails(da_eval_text(&r, wrong[_i].text, "x, y", 2, values), DA_ERROR_FORMAT, wrong[_i].sentence);
    ck_assert_ptr_eq(r, untouched);
}
END_TEST

START_TEST(other_errors)
{
    da_array *r = NULL;
    char deep[2001];

    {
        const da_expr values[] = {DA_X(x), DA_X(y)};
        ck_fails(da_eval_text(NULL, "x", "x, y", 2, values), DA_ERROR_ARGUMENT, "out is null");
    }
    {
        const da_expr values[] = {DA_X(x), DA_X(y)};
        ck_fails(da_eval_text(&r, "x", "x", 2, values), DA_ERROR_FORMAT, "not a list of 2 names");
    }
    {
        const da_expr values[] = {DA_X(x), DA_X(y)};
        ck_fails(da_eval_text(&r, "x", "x, x", 2, values), DA_ERROR_FORMAT, "names x twice");
    }
    {
        const da_expr values[] = {DA_X(x), DA_X(y)};
        ck_fails(da_eval_text(&r, "x", "x, 2*y", 2, values), DA_ERROR_FORMAT, "not a list");
    }
    ck_fails(da_eval_text(&r, "1", "", -1, NULL), DA_ERROR_ARGUMENT, "n is -1");
    memset(deep, '(', 1000);
    strcpy(deep + 1000, "x");
    {
        const da_expr values[] = {DA_X(x)};
        ck_fails(da_eval_text(&r, deep, "x", 1, values), DA_ERROR_FORMAT, "nested more than 200 deep");
    }
    {
        static char powers[2 * 200000 + 2 + 1];
        for (int i = 0; i < 100000; i++)
            memcpy(powers + 3 * i, "2**", 3);
        strcpy(powers + 300000, "1");
        ck_fails(da_eval_text(&r, powers, "", 0, NULL), DA_ERROR_FORMAT, "nested more than 200 deep");
        ck_fails(da_eval_text(&r, "a+1", "", 0, NULL), DA_ERROR_FORMAT, "among the values ()");
    }
    ck_assert_ptr_null(r);
    {
        /* a failing builder's error comes through */
        DA_AUTO da_array *other = NULL;
        ck_ok(da_zeros(&other, DA_F64, DA_SHAPE(N + 1)));
        ck_fails(DA_EVAL(&r, x + other, x, other), DA_ERROR_SHAPE, "8");
    }
}
END_TEST

DA_TEST_MAIN("eval_text", DA_CASE_WITH("values", make, unmake, power, functions, kinds_of_numbers, names),
             DA_CASE_LOOP_WITH("operators", sizeof as_c / sizeof *as_c, make, unmake, operators),
             DA_CASE_LOOP_WITH("syntax errors", sizeof wrong / sizeof *wrong, make, unmake, syntax_errors),
             DA_CASE_WITH("other errors", make, unmake, other_errors))
