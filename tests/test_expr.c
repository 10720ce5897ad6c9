/* SPDX-License-Identifier: BSD-3-Clause */
/* Expressions: values at the edges, precision, bits that depend on nothing, the arena, assignment, every error. What every operation does
 * with every dtype is compared with NumPy in numpy_expressions.py. */
#include "test.h"
#include "expr_face.h"

#include <complex.h>
#include <math.h>
#include <pthread.h>

static da_array *vector(const double *x, int64_t n)
{
    da_array *a = NULL;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(n), x, DA_ROW_MAJOR));
    return a;
}

static void read_all(double *x, const da_array *a)
{
    ck_ok(da_to_host(a, x, (size_t)da_array_size(a) * sizeof *x, DA_ROW_MAJOR));
}

START_TEST(face)
{
    const char *failure = expr_face();
    ck_assert_msg(failure == NULL, "%s: %s", failure, da_error());
}
END_TEST

/* ---- values ---- */

typedef struct special {
    da_expr (*f)(da_expr);
    double x, expected;
} special;

START_TEST(special_values)
{
    const special cases[] = {
        {(da_exp), INFINITY, INFINITY},
        {(da_exp), -INFINITY, 0},
        {(da_exp), NAN, NAN},
        {(da_exp), 710, INFINITY},
        {(da_exp), -746, 0},
        {(da_exp), 0, 1},
        {(da_log), 0, -INFINITY},
        {(da_log), -1, NAN},
        {(da_log), INFINITY, INFINITY},
        {(da_log), 1, 0},
        {(da_sqrt), -1, NAN},
        {(da_sqrt), INFINITY, INFINITY},
        {(da_sqrt), -0.0, -0.0},
        {(da_sin), INFINITY, NAN},
        {(da_sin), 0, 0},
        {(da_cos), -INFINITY, NAN},
        {(da_cos), 0, 1},
        {(da_tanh), INFINITY, 1},
        {(da_tanh), -INFINITY, -1},
        {(da_tanh), NAN, NAN},
        {(da_round), 2.5, 2},
        {(da_round), 3.5, 4},
        {(da_round), -0.5, -0.0},
        {(da_floor), -0.5, -1},
        {(da_ceil), -0.5, -0.0},
        {(da_abs), -0.0, 0},
        {(da_negative), 0, -0.0},
        {(da_square), -1e200, INFINITY},
        {(da_conj), -3, -3},
        {(da_imag), 5, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int64_t n = 1; n < 20; n += 6) { /* in vectors and in tails */
            DA_AUTO da_array *a = NULL, *r = NULL;
            double got[20];
            ck_ok(da_full(&a, DA_F64, DA_SHAPE(n), cases[i].x));
            ck_ok(da_eval(&r, cases[i].f(DA_X(a))));
            read_all(got, r);
            for (int64_t k = 0; k < n; k++)
                ck_assert_msg(
                    (isnan(got[k]) && isnan(cases[i].expected)) ||
                        (got[k] == cases[i].expected && !signbit(got[k]) == !signbit(cases[i].expected)),
                    "case %zu: f(%g) is %g instead of %g", i, cases[i].x, got[k], cases[i].expected);
        }
}
END_TEST

START_TEST(nan_and_signs)
{
    const double xs[4] = {NAN, 1, -1, 2}, ys[4] = {1, NAN, 3, -4};
    DA_AUTO da_array *x = vector(xs, 4), *y = vector(ys, 4), *r = NULL;
    double got[4];
    ck_ok(da_eval(&r, da_minimum(x, y)));
    read_all(got, r);
    ck_assert(isnan(got[0]) && isnan(got[1]) && got[2] == -1 && got[3] == -4);
    ck_ok(da_assign(r, da_maximum(x, y)));
    read_all(got, r);
    ck_assert(isnan(got[0]) && isnan(got[1]) && got[2] == 3 && got[3] == 2);
    ck_ok(da_assign(r, da_pow(-0.0, y))); /* the sign of a number that is one of two operands */
    read_all(got, r);
    ck_assert(got[0] == 0 && signbit(got[0]) && isnan(got[1]) && signbit(got[2]) && got[3] == INFINITY);
}
END_TEST

/* ---- precision: units in the last place against long double ---- */

static double ulp_error(double got, long double exact, int digits)
{
    int exponent;
    if (!isfinite((double)exact) || exact == 0)
        return got == (double)exact || (isnan(got) && isnan((double)exact)) ? 0 : 99;
    frexpl(exact, &exponent);
    return (double)(fabsl((long double)got - exact) / ldexpl(1, exponent - digits));
}

static const struct {
    const char *name;
    da_expr (*f)(da_expr);
    long double (*exact)(long double);
    double lo, hi;
} functions[] = {
    {"exp", (da_exp), expl, -87, 88},         {"log", (da_log), logl, 1e-30, 1e30},
    {"log near 1", (da_log), logl, 0.9, 1.1}, {"sin", (da_sin), sinl, -3000, 3000},
    {"cos", (da_cos), cosl, -3000, 3000},     {"tanh", (da_tanh), tanhl, -4, 4},
    {"sqrt", (da_sqrt), sqrtl, 0, 1e10},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

START_TEST(precision)
{
    enum { N = 20000 };
    const bool single = _i >= FUNCTIONS;
    const int k = _i % FUNCTIONS;
    const double bound = functions[k].f == (da_sqrt) ? 0.5 : 4;
    DA_AUTO da_array *u = NULL, *x = NULL, *y = NULL, *y64 = NULL;
    static double xs[N], got[N];
    double worst = 0;

    ck_ok(da_random_uniform(&u, single ? DA_F32 : DA_F64, DA_SHAPE(N), 7));
    ck_ok(da_eval(&x, da_add(da_multiply(u, functions[k].hi - functions[k].lo), functions[k].lo)));
    ck_ok(da_eval(&y, functions[k].f(DA_X(x))));
    ck_assert_int_eq(da_array_dtype(y), single ? DA_F32 : DA_F64);
    da_array_release(&u);
    ck_ok(da_astype(&u, x, DA_F64));
    ck_ok(da_astype(&y64, y, DA_F64));
    read_all(xs, u);
    read_all(got, y64);
    for (int i = 0; i < N; i++) {
        const double error = ulp_error(got[i], functions[k].exact(xs[i]), single ? 24 : 53);
        worst = error > worst ? error : worst;
    }
    printf("%s of %s: %.2f ulp\n", functions[k].name, single ? "f32" : "f64", worst);
    ck_assert_double_le(worst, bound);
}
END_TEST

START_TEST(precision_of_pow)
{
    enum { N = 20000 };
    DA_AUTO da_array *u = NULL, *v = NULL, *x = NULL, *y = NULL, *r = NULL;
    static double xs[N], ys[N], got[N];
    double worst = 0;
    ck_ok(da_random_uniform(&u, DA_F64, DA_SHAPE(N), 1));
    ck_ok(da_random_uniform(&v, DA_F64, DA_SHAPE(N), 2));
    ck_ok(da_eval(&x, da_multiply(u, 50)));
    ck_ok(da_eval(&y, da_subtract(da_multiply(v, 60), 30)));
    ck_ok(da_eval(&r, da_pow(x, y)));
    read_all(xs, x);
    read_all(ys, y);
    read_all(got, r);
    for (int i = 0; i < N; i++) {
        const double error = ulp_error(got[i], powl(xs[i], ys[i]), 53);
        worst = error > worst ? error : worst;
    }
    printf("pow of f64: %.2f ulp\n", worst);
    ck_assert_double_le(worst, 4);
}
END_TEST

/* ---- the bits of an element depend on the operands' elements alone ---- */

/* Among tasks on CPUs, or on devices of one kind; between those, functions may be 4 ulp from the true value, each its own way. A program
 * that no device takes is the CPU's, so the tiles of one expression may be done by both. */
static int64_t on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

static da_expr everything(da_array *a, da_array *b)
{
    return da_add(
        da_multiply(da_exp(da_divide(a, 3)), da_sin(b)),
        da_add(da_tanh(da_subtract(a, b)), da_pow(da_abs(a), da_add(da_cos(b), da_log(da_abs(b))))));
}

static double element(da_dtype dtype, const void *memory, int64_t i)
{
    return dtype == DA_F32 ? (double)((const float *)memory)[i] : ((const double *)memory)[i];
}

/* How far apart two values of it may be with functions within 4 ulp; everything else has the same bits. */
static double everything_apart(da_dtype dtype, double a, double b)
{
    const double eps = dtype == DA_F32 ? 0x1p-23 : 0x1p-52;
    const double exponents = fabs(cos(b)) + fabs(log(fabs(b)));
    const double power = pow(fabs(a), cos(b) + log(fabs(b))) * (1 + fabs(log(fabs(a))) * exponents);

    return 20 * eps * (fabs(exp(a / 3) * sin(b)) + fabs(tanh(a - b)) + power);
}

START_TEST(bits)
{
    enum { N = 1003, CUT = 401, FROM = 37 };
    static unsigned char x[N * 8], y[N * 8];
    const int64_t before = on_devices();
    const da_dtype dtype = _i ? DA_F32 : DA_F64;
    const size_t size = da_dtype_size(dtype);
    DA_AUTO da_array *a = NULL, *b = NULL, *r = NULL;
    static unsigned char whole[N * 8], part[N * 8];

    ck_ok(da_random_normal(&a, dtype, DA_SHAPE(N), 1));
    ck_ok(da_random_normal(&b, dtype, DA_SHAPE(N), 2));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    ck_ok(da_to_host(b, y, sizeof y, DA_ROW_MAJOR));
    ck_ok(da_eval(&r, everything(a, b)));
    ck_ok(da_to_host(r, whole, sizeof whole, DA_ROW_MAJOR));
    for (int64_t block = 1; block < 70; block += 17) { /* other tiles */
        DA_AUTO da_array *ca = NULL, *cb = NULL, *c = NULL;
        ck_ok(da_blocks(DA_SHAPE(block)));
        ck_ok(da_copy(&ca, a));
        ck_ok(da_blocks(DA_SHAPE(block + 5)));
        ck_ok(da_copy(&cb, b));
        ck_ok(da_eval(&c, everything(ca, cb)));
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        ck_ok(da_to_host(c, part, sizeof part, DA_ROW_MAJOR));
        if (on_devices() == before)
            ck_assert_msg(memcmp(whole, part, N * size) == 0, "tiles of %lld change the bits",
                          (long long)block);
        for (int64_t i = 0; i < N; i++) {
            const double apart = fabs(element(dtype, whole, i) - element(dtype, part, i));
            ck_assert_msg(apart <= everything_apart(dtype, element(dtype, x, i), element(dtype, y, i)),
                          "tiles of %lld change element %lld by %g", (long long)block, (long long)i, apart);
        }
    }
    for (int64_t first = 0; first < 20; first++) { /* another position, direction, length */
        DA_AUTO da_array *va = NULL, *vb = NULL, *c = NULL;
        const int64_t last = FROM + first;
        ck_ok(DA_SLICE(&va, a, DA_RANGE_STEP(CUT, last, -1)));
        ck_ok(DA_SLICE(&vb, b, DA_RANGE_STEP(CUT, last, -1)));
        ck_ok(da_eval(&c, everything(va, vb)));
        ck_ok(da_to_host(c, part, sizeof part, DA_ROW_MAJOR));
        for (int64_t i = CUT; i > last; i--) {
            const double apart = fabs(element(dtype, whole, i) - element(dtype, part, CUT - i));
            if (on_devices() == before)
                ck_assert_msg(memcmp(whole + (size_t)i * size, part + (size_t)(CUT - i) * size, size) == 0,
                              "element %lld differs in a view", (long long)i);
            ck_assert_msg(apart <= everything_apart(dtype, element(dtype, x, i), element(dtype, y, i)),
                          "element %lld differs by %g in a view", (long long)i, apart);
        }
    }
}
END_TEST

/* A product of complex numbers rounds each of its products and sums, wherever it stands. */
START_TEST(complex_bits)
{
    enum { N = 203 };
    DA_AUTO da_array *a = NULL, *b = NULL, *r = NULL;
    static double x[N][2], y[N][2], got[N][2];

    for (int i = 0; i < N; i++)
        for (int k = 0; k < 2; k++) {
            x[i][k] = (i * 37 % 101 + k) * 0.037 + 0.01;
            y[i][k] = (i * 53 % 103 - 40 * k) * 0.029 + 0.01;
        }
    ck_ok(da_from_host(&a, DA_C128, DA_SHAPE(N), x, DA_ROW_MAJOR));
    ck_ok(da_from_host(&b, DA_C128, DA_SHAPE(N), y, DA_ROW_MAJOR));
    ck_ok(da_eval(&r, da_multiply(a, b)));
    ck_ok(da_to_host(r, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++) {
        const volatile double p = x[i][0] * y[i][0], q = x[i][1] * y[i][1], s = x[i][0] * y[i][1],
                              t = x[i][1] * y[i][0];
        ck_assert_msg(got[i][0] == p - q && got[i][1] == s + t,
                      "element %d: (%.17g, %.17g) instead of (%.17g, %.17g)", i, got[i][0], got[i][1], p - q,
                      s + t);
    }
}
END_TEST

/* Square roots that are computed beside another function, or just not: the same bits as alone. */
static da_expr with_roots(int which, da_array *const *x)
{
    switch (which) {
    case 0: return da_add(da_multiply(da_exp(x[0]), da_sin(x[1])), da_sqrt(x[0]));
    case 1: return da_add(da_sqrt(x[0]), da_exp(x[1]));
    case 2: return da_subtract(da_sqrt(da_exp(x[0])), da_sin(da_sqrt(x[1])));
    case 3: return da_divide(da_sqrt(da_add(x[0], x[1])), da_add(da_tanh(x[0]), da_cos(da_sqrt(x[2]))));
    case 4: return da_add(da_add(da_sqrt(x[0]), da_sqrt(x[1])), da_add(da_log(x[2]), da_exp(x[0])));
    case 5: return da_add(da_exp(da_sqrt(x[0])), da_sqrt(da_sqrt(x[0])));
    case 6: return da_sqrt(da_add(da_exp(x[0]), da_sqrt(x[2])));
    default: /* more inputs than are kept */
    {
        da_expr sum = da_add(da_exp(x[0]), da_sqrt(x[0]));
        for (int i = 0; i < 16; i++)
            sum = da_add(sum, da_multiply(da_exp(x[i]), da_sqrt(x[(i + 1) % 16])));
        return sum;
    }
    }
}

/* The same with everything computed one by one. */
static double root_by_root(int which, double (*f)(int, double), const double *x)
{
    enum { SQRT, EXP, SIN, COS, TANH, LOG };
    switch (which) {
    case 0: return f(EXP, x[0]) * f(SIN, x[1]) + f(SQRT, x[0]);
    case 1: return f(SQRT, x[0]) + f(EXP, x[1]);
    case 2: return f(SQRT, f(EXP, x[0])) - f(SIN, f(SQRT, x[1]));
    case 3: return f(SQRT, x[0] + x[1]) / (f(TANH, x[0]) + f(COS, f(SQRT, x[2])));
    case 4: return f(SQRT, x[0]) + f(SQRT, x[1]) + (f(LOG, x[2]) + f(EXP, x[0]));
    case 5: return f(EXP, f(SQRT, x[0])) + f(SQRT, f(SQRT, x[0]));
    case 6: return f(SQRT, f(EXP, x[0]) + f(SQRT, x[2]));
    default: {
        double sum = f(EXP, x[0]) + f(SQRT, x[0]);
        for (int i = 0; i < 16; i++)
            sum += f(EXP, x[i]) * f(SQRT, x[(i + 1) % 16]);
        return sum;
    }
    }
}

static double one_value(int which, double x)
{
    da_expr (*const list[])(da_expr) = {(da_sqrt), (da_exp), (da_sin), (da_cos), (da_tanh), (da_log)};
    da_array *a = vector(&x, 1), *r = NULL;
    ck_ok(da_eval(&r, list[which](DA_X(a))));
    ck_ok(da_to_host(r, &x, sizeof x, DA_ROW_MAJOR));
    da_array_release(&a);
    da_array_release(&r);
    return x;
}

/* Where all was done in one place the bits are the same. Functions are within 4 ulp of the true value in any; 16 of them, added. */
static void same_roots(const double *got, const double *expected, int n, bool bits)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(bits ? got[i] == expected[i]
                           : fabs(got[i] - expected[i]) <= 64 * 0x1p-52 * (4 + fabs(expected[i])),
                      "element %d: %.17g instead of %.17g", i, got[i], expected[i]);
}

START_TEST(square_roots)
{
    enum { N = 267, K = 16 };
    static double x[K][N], expected[N], got[N];
    da_array *a[K], *r = NULL;
    const char *const place = getenv("DARRAY_DEVICE");
    const bool only_devices = place && strcmp(place, "gpu") == 0; /* where a device takes it */
    for (int k = 0; k < K; k++) {
        for (int i = 0; i < N; i++)
            x[k][i] = k == 2 && _i >= 8 ? 1.75 : (i * 37 % 101 + k) * 0.037 + 0.01; /* one value for all */
        a[k] = vector(x[k], N);
        if (k == 2 && _i >= 8) {
            da_array *one = a[k];
            ck_ok(DA_SLICE(&r, one, DA_RANGE(0, 1)));
            ck_ok(da_broadcast_to(&a[k], r, DA_SHAPE(N)));
            da_array_release(&r);
            da_array_release(&one);
        }
    }
    ck_ok(da_wait_all());
    int64_t before = on_devices();
    for (int i = 0; i < N; i++) {
        double at[K];
        for (int k = 0; k < K; k++)
            at[k] = x[k][i];
        expected[i] = root_by_root(_i % 8, one_value, at);
    }
    const int64_t alone = on_devices() - before;
    ck_ok(da_wait_all());
    before = on_devices();
    ck_ok(da_eval(&r, with_roots(_i % 8, a)));
    read_all(got, r);
    const bool one_place = alone == 0 || (on_devices() > before && only_devices);
    same_roots(got, expected, N, one_place);
    for (int k = 0; k < 2; k++) { /* in place */
        ck_ok(da_write(a[k], DA_SHAPE(0), DA_SHAPE(N), x[k], DA_ROW_MAJOR));
        ck_ok(da_assign(a[k], with_roots(_i % 8, a)));
        read_all(got, a[k]);
        same_roots(got, expected, N, one_place);
        ck_ok(da_write(a[k], DA_SHAPE(0), DA_SHAPE(N), x[k], DA_ROW_MAJOR));
    }
    da_array_release(&r);
    for (int k = 0; k < K; k++)
        da_array_release(&a[k]);
}
END_TEST

/* Operands of one shape in all orders of memory and tilings, one broadcast, against a loop. */
START_TEST(mixed_views)
{
    enum { M = 97, N = 61 };
    static double x[M][N], y[N][M], z[N], got[M][N];
    DA_AUTO da_array *a = NULL, *b = NULL, *bt = NULL, *row = NULL, *rev = NULL, *r = NULL;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            x[i][j] = i * 100 + j;
            y[j][i] = i - 3 * j + 0.25;
            z[j] = 1 + j;
        }
    ck_ok(da_blocks(DA_SHAPE(13, 29)));
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(M, N), x, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SHAPE(7, 50)));
    ck_ok(da_from_host(&b, DA_F64, DA_SHAPE(N, M), y, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(da_wrap(&row, DA_F64, DA_SHAPE(N), z, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_matrix_transpose(&bt, b));
    ck_ok(da_flip(&rev, row, DA_ALL));
    ck_ok(da_eval(&r, da_add(da_multiply(a, bt), da_divide(rev, row))));
    ck_ok(da_to_host(r, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            ck_assert_double_eq(got[i][j], x[i][j] * y[j][i] + z[N - 1 - j] / z[j]);
    /* the tiles are one operand's, unless DARRAY_TILE says otherwise */
    const int64_t rows = da_array_blocks(r).dim[0], columns = da_array_blocks(r).dim[1];
    ck_assert((rows == 13 && columns == 29) || (rows == 50 && columns == 7) || getenv("DARRAY_TILE"));
}
END_TEST

START_TEST(sixteen_axes)
{
    DA_AUTO da_array *a = NULL, *r = NULL, *s = NULL;
    da_shape shape = {16, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}};
    da_axes order = {16, {3, 1, 15, 0, 2, 14, 4, 6, 5, 7, 9, 8, 11, 13, 12, 10}};
    double total;
    DA_AUTO da_array *p = NULL;
    ck_ok(da_ones(&a, DA_F64, shape));
    ck_ok(da_permute_dims(&p, a, order));
    ck_ok(da_eval(&r, da_add(a, p)));
    ck_ok(da_sum_all(&total, r));
    ck_assert_double_eq(total, 2 * 65536.0);
    ck_ok(da_sum(&s, r, DA_AXES(3, 7), 0));
    ck_ok(da_max_all(&total, s));
    ck_assert_double_eq(total, 8);
}
END_TEST

START_TEST(no_elements)
{
    DA_AUTO da_array *a = NULL, *row = NULL, *r = NULL;
    ck_ok(da_zeros(&a, DA_F32, DA_SHAPE(0, 3)));
    ck_ok(da_ones(&row, DA_F64, DA_SHAPE(1, 3)));
    ck_ok(da_eval(&r, da_add(a, row)));
    ck_assert_int_eq(da_array_ndim(r), 2);
    ck_assert_int_eq(da_array_shape(r).dim[0], 0);
    ck_assert_int_eq(da_array_dtype(r), DA_F64);
    ck_ok(da_assign(r, row)); /* 1 x 3 goes into 0 x 3 */
    ck_ok(da_assign(a, 2));
}
END_TEST

START_TEST(numbers_alone)
{
    DA_AUTO da_array *i = NULL, *f = NULL, *z = NULL, *b = NULL, *m = NULL;
    int64_t n;
    double x;
    bool yes;
    ck_ok(da_eval(&i, da_add(2, 3)));
    ck_assert_int_eq(da_array_dtype(i), DA_I64);
    ck_assert_int_eq(da_array_ndim(i), 0);
    ck_ok(da_item(&n, i));
    ck_assert_int_eq(n, 5);
    ck_ok(da_eval(&f, da_divide(da_exp(0), 4)));
    ck_assert_int_eq(da_array_dtype(f), DA_F64);
    ck_ok(da_item(&x, f));
    ck_assert_double_eq(x, 0.25);
    ck_ok(da_eval(&z, da_multiply(2.0 * I, 1)));
    ck_assert_int_eq(da_array_dtype(z), DA_C128);
    ck_ok(da_eval(&b, da_less(1, 2)));
    ck_assert_int_eq(da_array_dtype(b), DA_BOOL);
    ck_ok(da_item(&yes, b));
    ck_assert(yes);
    ck_ok(da_full(&m, DA_F32, DA_SHAPE(2), 1.5));
    da_array_release(&f);
    ck_ok(da_eval(&f, da_multiply(m, da_sqrt(2)))); /* what numbers give is a number: weak */
    ck_assert_int_eq(da_array_dtype(f), DA_F32);
}
END_TEST

/* ---- large expressions ---- */

START_TEST(thousands_of_operations)
{
    DA_AUTO da_array *x = NULL, *r = NULL;
    da_expr h = DA_X(0.0);
    double expected = 0, value;
    ck_ok(da_full(&x, DA_F64, DA_SHAPE(3), 0.999));
    for (int i = 0; i < 4000; i++) {
        h = da_add(da_multiply(h, x), i);
        expected = expected * 0.999 + i;
    }
    ck_ok(da_eval(&r, h));
    ck_ok(da_max_all(&value, r));
    ck_assert_double_eq(value, expected);
    /* the other way round: the deep operand on the right */
    h = DA_X(x);
    expected = 0.999;
    for (int i = 0; i < 3000; i++) {
        h = da_subtract(i, da_multiply(x, h));
        expected = i - 0.999 * expected;
    }
    ck_ok(da_assign(r, h));
    ck_ok(da_min_all(&value, r));
    ck_assert_double_eq(value, expected);
}
END_TEST

static da_expr balanced(da_array *x, int depth)
{
    if (depth == 0)
        return DA_X(x);
    const da_expr left = balanced(x, depth - 1);
    return da_add(da_sqrt(da_square(left)), balanced(x, depth - 1));
}

START_TEST(balanced_tree)
{
    DA_AUTO da_array *x = NULL, *r = NULL;
    double value;
    ck_ok(da_ones(&x, DA_F64, DA_SHAPE(300)));
    ck_ok(da_eval(&r, balanced(x, 11)));
    ck_ok(da_min_all(&value, r));
    ck_assert_double_eq(value, 2048);
}
END_TEST

START_TEST(many_arrays)
{
    enum { ARRAYS = 300, N = 50 };
    static da_array *x[ARRAYS];
    DA_AUTO da_array *r = NULL;
    da_expr left = DA_X(0), tree[ARRAYS];
    double value, expected = 0;
    for (int i = 0; i < ARRAYS; i++) {
        ck_ok(da_full(&x[i], DA_F64, DA_SHAPE(N), i % 7));
        left = da_add(left, da_multiply(x[i], i));
        expected += (double)(i % 7) * i;
    }
    ck_ok(da_eval(&r, left));
    ck_ok(da_max_all(&value, r));
    ck_assert_double_eq(value, expected);
    for (int i = 0; i < ARRAYS; i++)
        tree[i] = da_multiply(x[i], i);
    for (int n = ARRAYS; n > 1; n = (n + 1) / 2)
        for (int i = 0; i < n / 2; i++)
            tree[i] = da_add(tree[i], tree[n - 1 - i]);
    ck_ok(da_assign(r, tree[0]));
    ck_ok(da_min_all(&value, r));
    ck_assert_double_eq(value, expected);
    for (int i = 0; i < ARRAYS; i++)
        tree[i] = da_multiply(x[i], i);
    for (int n = ARRAYS; n > 1; n = (n + 1) / 2)
        for (int i = 0; i < n / 2; i++)
            tree[i] = da_add(tree[i], tree[n - 1 - i]);
    ck_ok(da_sum_all(&value, tree[0]));
    ck_assert_double_eq(value, N * expected);
    for (int i = 0; i < ARRAYS; i++)
        tree[i] = da_multiply(x[i], i);
    for (int n = ARRAYS; n > 1; n = (n + 1) / 2)
        for (int i = 0; i < n / 2; i++)
            tree[i] = da_add(tree[i], tree[n - 1 - i]);
    ck_ok(da_norm_all(&value, tree[0]));
    ck_assert_double_eq_tol(value, sqrt(N) * expected, 1e-9 * expected);
    for (int i = 0; i < ARRAYS; i++)
        da_array_release(&x[i]);
}
END_TEST

/* ---- the arena ---- */

START_TEST(released_operands)
{
    DA_AUTO da_array *a = NULL, *r = NULL;
    double value;
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(10), 4));
    da_expr e = da_sqrt(a);
    da_array_release(&a); /* the expression holds it */
    ck_ok(da_eval(&r, e));
    ck_ok(da_max_all(&value, r));
    ck_assert_double_eq(value, 2);
}
END_TEST

static void *use_elsewhere(void *e)
{
    da_array *r = NULL;
    ck_fails(da_eval(&r, *(da_expr *)e), DA_ERROR_STALE, "another thread");
    return NULL;
}

START_TEST(stale_expressions)
{
    DA_AUTO da_array *a = NULL, *r = NULL, *s = NULL;
    pthread_t thread;
    const da_expr nothing = {0};
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(4)));
    da_expr e = da_add(a, 1);
    ck_ok(da_eval(&r, e));
    ck_fails(da_eval(&s, e), DA_ERROR_STALE, "used before");
    ck_fails(da_eval(&s, da_multiply(e, 2)), DA_ERROR_STALE, "da_multiply, first argument");
    e = da_add(a, 1);
    ck_fails(da_eval(&s, da_multiply(e, e)), DA_ERROR_STALE, "da_multiply, second argument");
    ck_fails(da_eval(&s, e), DA_ERROR_STALE, "used before");
    e = da_add(a, 1);
    da_expr_discard(e);
    ck_fails(da_eval(&s, e), DA_ERROR_STALE, "used before");
    da_expr_discard(e);
    da_expr_discard(nothing);
    ck_fails(da_eval(&s, nothing), DA_ERROR_STALE, "used before");
    ck_fails(da_assign(r, nothing), DA_ERROR_STALE, "da_assign");
    e = da_add(a, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_elsewhere, &e), 0);
    pthread_join(thread, NULL);
    ck_ok(da_eval(&s, e)); /* still good in its own thread */
}
END_TEST

START_TEST(errors_stick)
{
    DA_AUTO da_array *a = NULL, *b = NULL, *r = NULL;
    da_array *gone = NULL, *none = NULL;
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(2, 3)));
    ck_ok(da_ones(&b, DA_F64, DA_SHAPE(4)));
    ck_ok(da_ones(&gone, DA_F64, DA_SHAPE(4)));
    da_array *const stale = gone;
    da_array_release(&gone);
    ck_fails(da_eval(&r, da_sqrt(da_add(none, 1))), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_eval(&r, da_sqrt(da_add(stale, 1))), DA_ERROR_STALE, "released");
    da_expr e = da_add(da_sqrt(stale), 1); /* keeps its error, whatever comes between */
    ck_fails(da_eval(&r, da_add(none, 1)), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_eval(&r, e), DA_ERROR_STALE, "released");
    ck_fails(da_eval(&r, da_multiply(da_add(a, b), 2)), DA_ERROR_SHAPE,
             "da_add: shapes (2, 3) and (4,) do not broadcast");
    ck_fails(da_eval(&r, da_where(b, a, 1)), DA_ERROR_SHAPE, "da_where: shapes (4,), (2, 3) and ()");
    ck_assert_ptr_null(r);
    const da_scalar foreign = {9, 0, {0}};
    ck_fails(da_eval(&r, da_add(a, foreign)), DA_ERROR_ARGUMENT, "da_scalar");
    ck_fails(da_eval(NULL, da_add(a, 1)), DA_ERROR_ARGUMENT, "null");
}
END_TEST

START_TEST(dtype_errors)
{
    DA_AUTO da_array *u8 = NULL, *i32 = NULL, *z = NULL, *flag = NULL, *half = NULL, *f32 = NULL, *r = NULL;
    ck_ok(da_ones(&u8, DA_U8, DA_SHAPE(3)));
    ck_ok(da_ones(&i32, DA_I32, DA_SHAPE(3)));
    ck_ok(da_ones(&z, DA_C64, DA_SHAPE(3)));
    ck_ok(da_ones(&flag, DA_BOOL, DA_SHAPE(3)));
    ck_ok(da_ones(&half, DA_F16, DA_SHAPE(3)));
    ck_ok(da_ones(&f32, DA_F32, DA_SHAPE(3)));
    ck_fails(da_eval(&r, da_add(u8, 300)), DA_ERROR_DTYPE, "uint8 cannot hold 300");
    ck_fails(da_eval(&r, da_add(u8, -1)), DA_ERROR_DTYPE, "uint8 cannot hold -1");
    ck_fails(da_eval(&r, da_less(z, z)), DA_ERROR_DTYPE, "da_less: not defined for complex64");
    ck_fails(da_eval(&r, da_floor(z)), DA_ERROR_DTYPE, "da_floor");
    ck_fails(da_eval(&r, da_subtract(flag, flag)), DA_ERROR_DTYPE, "da_subtract: not defined for bool");
    ck_fails(da_eval(&r, da_negative(flag)), DA_ERROR_DTYPE, "da_negative");
    ck_fails(da_eval(&r, da_pow(i32, -1)), DA_ERROR_ARGUMENT, "negative integer power -1");
    ck_fails(da_eval(&r, da_add(half, half)), DA_ERROR_DTYPE, "float16 is for storage");
    ck_fails(DA_EVAL(&r, u8 & flag, u8, flag), DA_ERROR_DTYPE, "bool operands");
    ck_assert_ptr_null(r);
    ck_ok(da_eval(&r, da_add(half, f32))); /* meets f32 there */
    ck_assert_int_eq(da_array_dtype(r), DA_F32);
}
END_TEST

/* ---- assignment ---- */

START_TEST(assign_errors)
{
    DA_AUTO da_array *a = NULL, *i = NULL, *u = NULL, *wide = NULL, *narrow = NULL;
    da_array *gone = NULL, *none = NULL;
    double x[6];
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(2, 3), 5));
    ck_ok(da_full(&i, DA_I32, DA_SHAPE(2, 3), 5));
    ck_ok(da_full(&u, DA_U8, DA_SHAPE(3), 5));
    ck_ok(da_full(&gone, DA_F64, DA_SHAPE(3), 5));
    da_array *const stale = gone;
    da_array_release(&gone);
    ck_ok(da_ones(&narrow, DA_F64, DA_SHAPE(3)));
    ck_ok(da_broadcast_to(&wide, narrow, DA_SHAPE(2, 3)));
    ck_fails(da_assign(none, a), DA_ERROR_ARGUMENT, "dst is null");
    ck_fails(da_assign(stale, a), DA_ERROR_STALE, "dst was released");
    ck_fails(da_assign(wide, a), DA_ERROR_ARGUMENT, "broadcast view");
    ck_fails(da_assign(narrow, a), DA_ERROR_SHAPE, "(2, 3) does not broadcast into dst of shape (3,)");
    ck_fails(da_assign(i, a), DA_ERROR_DTYPE, "float64 do not go into dst of int32");
    ck_fails(da_assign(i, 2.5), DA_ERROR_DTYPE, "int32 cannot hold 2.5");
    ck_fails(da_assign(u, 256), DA_ERROR_DTYPE, "uint8 cannot hold 256");
    ck_fails(da_assign(a, 1.0 * I), DA_ERROR_DTYPE, "complex");
    read_all(x, a);
    for (int k = 0; k < 6; k++)
        ck_assert_double_eq(x[k], 5);
    ck_ok(da_assign(a, da_add(i, u)));
    ck_ok(da_assign(i, u));
}
END_TEST

START_TEST(overlaps)
{
    enum { N = 50 };
    double x[N], expected[N], square[N * N], got[N * N];
    DA_AUTO da_array *a = NULL, *head = NULL, *tail = NULL, *m = NULL, *mt = NULL, *back = NULL;
    for (int i = 0; i < N; i++)
        x[i] = i * i;
    for (int i = 0; i < N * N; i++)
        square[i] = i;
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(N), x, DA_ROW_MAJOR));
    ck_ok(da_from_host(&m, DA_F64, DA_SHAPE(N, N), square, DA_ROW_MAJOR));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(DA_SLICE(&head, a, DA_UNTIL(-1)));
    ck_ok(DA_SLICE(&tail, a, DA_FROM(1)));
    ck_ok(da_flip(&back, a, DA_ALL));
    ck_ok(da_assign(tail, head)); /* a[1:] = a[:-1] */
    read_all(expected, a);
    for (int i = 1; i < N; i++)
        ck_assert_double_eq(expected[i], x[i - 1]);
    ck_ok(da_assign(head, da_add(tail, head))); /* and the other way */
    for (int i = 0; i + 1 < N; i++)
        x[i] = expected[i] + expected[i + 1];
    x[N - 1] = expected[N - 1];
    read_all(expected, a);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq(expected[i], x[i]);
    ck_ok(da_assign(a, da_subtract(back, a))); /* a = a[::-1] - a */
    read_all(expected, a);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq(expected[i], x[N - 1 - i] - x[i]);
    ck_ok(da_matrix_transpose(&mt, m));
    ck_ok(da_assign(m, da_add(m, mt))); /* m = m + m^T */
    read_all(got, m);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            ck_assert_double_eq(got[i * N + j], square[i * N + j] + square[j * N + i]);
    ck_ok(da_assign(mt, da_multiply(mt, 2))); /* in place through a view */
    DA_AUTO da_array *row = NULL;
    ck_ok(DA_SLICE(&row, m, DA_AT(3)));
    ck_ok(da_assign(m, da_add(row, m))); /* an operand broadcast out of the destination */
    read_all(x, row);
    for (int j = 0; j < N; j++)
        ck_assert_double_eq(x[j], 4 * (square[3 * N + j] + square[j * N + 3]));
}
END_TEST

START_TEST(overlapping_wraps)
{
    enum { N = 64 };
    double memory[N + 1], x[N + 1];
    DA_AUTO da_array *low = NULL, *high = NULL;
    for (int i = 0; i <= N; i++)
        memory[i] = x[i] = i;
    ck_ok(da_wrap(&low, DA_F64, DA_SHAPE(N), memory, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_wrap(&high, DA_F64, DA_SHAPE(N), memory + 1, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_assign(high, da_multiply(low, 2)));
    ck_ok(da_wait(high));
    ck_ok(da_wait(low));
    for (int i = 1; i <= N; i++)
        ck_assert_double_eq(memory[i], 2 * x[i - 1]);
}
END_TEST

START_TEST(in_loops)
{
    enum { N = 1000 };
    DA_AUTO da_array *x = NULL, *y = NULL;
    double value;
    ck_ok(da_ones(&x, DA_F64, DA_SHAPE(N)));
    ck_ok(da_zeros(&y, DA_F64, DA_SHAPE(N)));
    for (int i = 0; i < 200; i++) {
        ck_ok(da_assign(y, da_add(y, x)));
        ck_ok(da_assign(x, da_subtract(y, x)));
    }
    ck_ok(da_assign(x, 1));
    for (int i = 0; i < 50; i++) {
        da_array *next = NULL;
        ck_ok(da_eval(&next, da_add(x, i)));
        da_array_move(&x, &next);
    }
    ck_ok(da_max_all(&value, x));
    ck_assert_double_eq(value, 1 + 49 * 25);
}
END_TEST

/* ---- numerical faults ---- */

START_TEST(faults)
{
    const double bad[4] = {1, 2, 2, 1};
    double value;
    DA_AUTO da_array *a = NULL, *l = NULL, *x = NULL, *y = NULL, *part = NULL;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(2, 2), bad, DA_ROW_MAJOR));
    ck_ok(da_cholesky(&l, a, DA_LOWER));
    ck_ok(da_eval(&x, da_add(l, 1)));
    ck_fails(da_wait(x), DA_ERROR_NUMERICAL, "not positive definite");
    ck_fails(da_sum_all(&value, da_multiply(x, 2)), DA_ERROR_NUMERICAL, "not positive definite");
    ck_ok(da_zeros(&y, DA_F64, DA_SHAPE(2, 2)));
    ck_ok(DA_SLICE(&part, y, DA_AT(0)));
    ck_ok(da_assign(y, x)); /* inherits */
    ck_fails(da_wait(y), DA_ERROR_NUMERICAL, "not positive definite");
    ck_ok(da_assign(part, 1)); /* a part of it is overwritten */
    ck_fails(da_wait(y), DA_ERROR_NUMERICAL, "not positive definite");
    ck_ok(da_assign(y, 1)); /* all of it */
    ck_ok(da_wait(y));
}
END_TEST

DA_TEST_MAIN("expressions", DA_CASE("face", face), DA_CASE("values", special_values, nan_and_signs),
             DA_CASE_LOOP("precision", 2 * FUNCTIONS, precision), DA_CASE("pow", precision_of_pow),
             DA_CASE_LOOP("bits", 2, bits), DA_CASE("complex bits", complex_bits),
             DA_CASE_LOOP("square roots", 16, square_roots),
             DA_CASE("shapes", mixed_views, sixteen_axes, no_elements, numbers_alone),
             DA_CASE("large", thousands_of_operations, balanced_tree, many_arrays),
             DA_CASE("arena", released_operands, stale_expressions, errors_stick, dtype_errors),
             DA_CASE("assign", assign_errors, overlaps, overlapping_wraps, in_loops),
             DA_CASE("faults", faults))
