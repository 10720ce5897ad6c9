/* tensordot, vecdot, outer, matrix_power. */
#include "linalg_check.h"

/* c is the array of these values, row by row. */
static void equals(const da_array *c, da_shape shape, const double *want, const char *what)
{
    const da_shape got_shape = da_array_shape(c);
    const int64_t n = da_array_size(c);
    DA_AUTO da_array *wide = NULL;
    double *got = calloc((size_t)n + 1, sizeof *got);

    ck_assert_ptr_nonnull(got);
    ck_assert_msg(got_shape.ndim == shape.ndim, "%s: %d axes", what, got_shape.ndim);
    for (int d = 0; d < shape.ndim; d++)
        ck_assert_msg(got_shape.dim[d] == shape.dim[d], "%s: axis %d has %d", what, d, (int)got_shape.dim[d]);
    ck_ok(da_astype(&wide, c, DA_F64));
    ck_ok(da_to_host(wide, got, (size_t)n * sizeof *got, DA_ROW_MAJOR));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "%s: element %d is %g, not %g", what, (int)i, got[i], want[i]);
    free(got);
}

/* 0, 1, 2, ... modulo 7, less 3: exact in every dtype */
static da_array *numbers(da_dtype dtype, da_shape shape, double *values)
{
    DA_AUTO da_array *a = NULL;
    da_array *out = NULL;
    int64_t n = 1;

    for (int d = 0; d < shape.ndim; d++)
        n *= shape.dim[d];
    for (int64_t i = 0; i < n; i++)
        values[i] = (double)((i * 5 + 1) % 7) - 3;
    ck_ok(da_from_host(&a, DA_F64, shape, values, DA_ROW_MAJOR));
    ck_ok(da_astype(&out, a, dtype));
    return out;
}

static const da_dtype exact_dtypes[] = {DA_F32, DA_F64, DA_C64, DA_C128, DA_I8, DA_I32, DA_I64};
enum { EXACT_DTYPES = 7 };

static da_array *real_of(const da_array *c)
{
    da_array *real = NULL;

    ck_ok(da_eval(&real, da_real(c)));
    return real;
}

/* (2, 3, 4) and (4, 3, 5) */
START_TEST(tensordot)
{
    const da_dtype dtype = exact_dtypes[_i];
    double a[24], b[60], want[240];
    DA_AUTO da_array *A = numbers(dtype, DA_SHAPE(2, 3, 4), a), *B = numbers(dtype, DA_SHAPE(4, 3, 5), b);
    DA_AUTO da_array *one = NULL, *two = NULL, *none = NULL, *all = NULL, *At = NULL, *v = NULL, *w = NULL,
                     *product = NULL, *dot = NULL;
    DA_AUTO da_array *one_r = NULL, *two_r = NULL, *none_r = NULL, *all_r = NULL, *product_r = NULL,
                     *dot_r = NULL;

    for (int i = 0; i < 6; i++) /* axes=1 */
        for (int j = 0; j < 15; j++) {
            want[i * 15 + j] = 0;
            for (int k = 0; k < 4; k++)
                want[i * 15 + j] += a[i * 4 + k] * b[k * 15 + j];
        }
    ck_ok(da_tensordot(&one, A, B, 1));
    one_r = real_of(one);
    equals(one_r, DA_SHAPE(2, 3, 3, 5), want, "one axis");
    ck_assert_int_eq(da_array_dtype(one), dtype);

    for (int i = 0; i < 2; i++) /* a's 3 with b's 3, a's 4 with b's 4 */
        for (int j = 0; j < 5; j++) {
            want[i * 5 + j] = 0;
            for (int k = 0; k < 3; k++)
                for (int l = 0; l < 4; l++)
                    want[i * 5 + j] += a[(i * 3 + k) * 4 + l] * b[(l * 3 + k) * 5 + j];
        }
    ck_ok(da_tensordot_axes(&two, A, B, DA_AXES(1, -1), DA_AXES(1, 0)));
    two_r = real_of(two);
    equals(two_r, DA_SHAPE(2, 5), want, "two axes");

    ck_ok(DA_SLICE(&v, A, DA_AT(0), DA_AT(1))); /* a view of 4 */
    ck_ok(DA_SLICE(&w, B, DA_AT(2), DA_AT(0))); /* of 5 */
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 5; j++)
            want[i * 5 + j] = a[4 + i] * b[30 + j];
    ck_ok(da_tensordot(&none, v, w, 0));
    none_r = real_of(none);
    equals(none_r, DA_SHAPE(4, 5), want, "no axis");
    ck_ok(da_outer(&product, v, w));
    product_r = real_of(product);
    equals(product_r, DA_SHAPE(4, 5), want, "outer");

    ck_ok(da_permute_dims(&At, A, DA_AXES(2, 0, 1))); /* (4, 2, 3) with itself over everything */
    want[0] = 0;
    for (int i = 0; i < 24; i++)
        want[0] += a[i] * a[i];
    ck_ok(da_tensordot_axes(&all, At, A, DA_AXES(0, 1, 2), DA_AXES(2, 0, 1)));
    all_r = real_of(all);
    if (dtype == DA_I8)
        want[0] = (int8_t)want[0];
    equals(all_r, DA_SCALAR_SHAPE, want, "all axes");
    ck_ok(da_vecdot(&dot, v, v, -1));
    dot_r = real_of(dot);
    want[0] = 0;
    for (int i = 0; i < 4; i++)
        want[0] += a[4 + i] * a[4 + i];
    equals(dot_r, DA_SCALAR_SHAPE, want, "vecdot");
    ck_assert_int_eq(da_array_dtype(dot), dtype);
}
END_TEST

/* conjugates the first, broadcasts, promotes, wraps; bool is logical */
START_TEST(vecdot)
{
    const da_c128 x[] = {{1, 2}, {0, -1}}, y[] = {{3, -1}, {2, 5}};
    const int8_t big[] = {100, 100};
    const bool p[] = {true, false}, q[] = {false, true};
    double a[12], b[4], want[3];
    da_c128 z;
    bool truth;
    DA_AUTO da_array *X = NULL, *Y = NULL, *Z = NULL, *A = numbers(DA_F64, DA_SHAPE(3, 4), a),
                     *B = numbers(DA_F32, DA_SHAPE(4), b), *C = NULL, *D = NULL, *E = NULL, *F = NULL,
                     *P = NULL, *Q = NULL, *R = NULL, *G = NULL, *H = NULL;

    ck_ok(da_from_host(&X, DA_C128, DA_SHAPE(2), x, DA_ROW_MAJOR));
    ck_ok(da_from_host(&Y, DA_C128, DA_SHAPE(2), y, DA_ROW_MAJOR));
    ck_ok(da_vecdot(&Z, X, Y, -1));
    ck_ok(da_item(&z, Z)); /* (1-2i)(3-i) + i(2+5i) = 1-7i + -5+2i */
    ck_assert_double_eq(z.re, -4);
    ck_assert_double_eq(z.im, -5);
    ck_ok(da_vecdot(&C, A, B, -1));
    ck_assert_int_eq(da_array_dtype(C), DA_F64);
    for (int i = 0; i < 3; i++) {
        want[i] = 0;
        for (int k = 0; k < 4; k++)
            want[i] += a[4 * i + k] * b[k];
    }
    equals(C, DA_SHAPE(3), want, "broadcast");
    ck_ok(da_vecdot(&D, A, A, -2));
    ck_assert_int_eq(da_array_size(D), 4);
    ck_ok(da_from_host(&E, DA_I8, DA_SHAPE(2), big, DA_ROW_MAJOR));
    ck_ok(da_vecdot(&F, E, E, -1));
    want[0] = (int8_t)20000;
    equals(F, DA_SCALAR_SHAPE, want, "wraps");
    ck_ok(da_from_host(&P, DA_BOOL, DA_SHAPE(2), p, DA_ROW_MAJOR));
    ck_ok(da_from_host(&Q, DA_BOOL, DA_SHAPE(2), q, DA_ROW_MAJOR));
    ck_ok(da_vecdot(&R, P, Q, -1));
    ck_assert_int_eq(da_array_dtype(R), DA_BOOL);
    ck_ok(da_item(&truth, R));
    ck_assert(!truth);
    ck_ok(da_vecdot(&G, P, P, -1));
    ck_ok(da_item(&truth, G));
    ck_assert(truth);
    ck_ok(da_outer(&H, E, B)); /* int8 by float32 */
    ck_assert_int_eq(da_array_dtype(H), DA_F32);
}
END_TEST

/* against repeated products, on the host */
START_TEST(power)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 9;
    const int64_t exponents[] = {0, 1, 2, 3, 7, 10, -1, -2, -5};
    z *a, *want;
    DA_AUTO da_array *A = NULL;

    seed_values((uint64_t)_i);
    a = random_values(dtype, n, n);
    for (int64_t i = 0; i < n; i++)
        a[i + i * n] += 4;
    A = view_of(VIEW_TRANSPOSED, dtype, n, n, a);
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
        const int64_t p = exponents[e];
        DA_AUTO da_array *P = NULL;
        z *got, *next;

        ck_ok(da_matrix_power(&P, A, p));
        ck_assert_int_eq(da_array_dtype(P), dtype);
        got = host_of(P);
        want = new_values(n * n);
        for (int64_t i = 0; i < n; i++)
            want[i + i * n] = 1;
        for (int64_t k = 0; k < (p < 0 ? -p : p); k++) {
            next = product(n, n, n, want, 'N', a, 'N');
            free(want);
            want = next;
        }
        if (p < 0) { /* a^-p a^p = I */
            next = product(n, n, n, want, 'N', got, 'N');
            free(got);
            got = next;
            for (int64_t i = 0; i < n * n; i++)
                want[i] = i % (n + 1) == 0;
        }
        ck_below("power", distance(got, want, n * n) / norm(want, n * n) / ((double)n * eps_of(dtype)), 1000,
                 "%d %s", (int)p, da_dtype_name(dtype));
        free(got);
        free(want);
    }
    free(a);
}
END_TEST

START_TEST(powers_of_others)
{
    const int64_t fibonacci[] = {1, 1, 1, 0};
    const double tenth[] = {89, 55, 55, 34}, zero[] = {1, 0, 0, 1, 1, 0, 0, 1};
    const bool path[] = {false, true, true, false};
    const double back[] = {1, 0, 0, 1};
    DA_AUTO da_array *F = NULL, *P = NULL, *B = NULL, *Q = NULL, *S = NULL, *Z = NULL, *N = NULL, *K = NULL,
                     *E = NULL, *W = NULL;

    ck_ok(da_from_host(&F, DA_I64, DA_SHAPE(2, 2), fibonacci, DA_ROW_MAJOR));
    ck_ok(da_matrix_power(&P, F, 10));
    equals(P, DA_SHAPE(2, 2), tenth, "Fibonacci's numbers");
    ck_ok(da_from_host(&B, DA_BOOL, DA_SHAPE(2, 2), path, DA_ROW_MAJOR));
    ck_ok(da_matrix_power(&Q, B, 2));
    equals(Q, DA_SHAPE(2, 2), back, "bool");
    ck_fails(da_matrix_power(&W, F, -1), DA_ERROR_DTYPE, "a is int64, of which there is no power -1");
    ck_ok(da_full(&N, DA_F32, DA_SHAPE(2, 2, 2), NAN));
    ck_ok(da_matrix_power(&K, N, 0));
    equals(K, DA_SHAPE(2, 2, 2), zero, "identities");
    ck_ok(da_zeros(&S, DA_F64, DA_SHAPE(3, 3)));
    ck_ok(da_matrix_power(&Z, S, -3));
    ck_fails(da_wait(Z), DA_ERROR_NUMERICAL, "pivot 1 of 3 is zero");
    ck_ok(da_zeros(&E, DA_F64, DA_SHAPE(0, 0)));
    ck_ok(da_matrix_power(&W, E, 3));
    ck_assert_int_eq(da_array_size(W), 0);
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *a = NULL, *b = NULL, *v = NULL, *f = NULL, *nine = NULL;
    da_array *out = NULL;

    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(2, 3)));
    ck_ok(da_zeros(&b, DA_F64, DA_SHAPE(4, 3)));
    ck_ok(da_zeros(&v, DA_F64, DA_SHAPE(3)));
    ck_ok(da_zeros(&f, DA_F32, DA_SHAPE(3)));
    ck_ok(da_zeros(&nine, DA_F64, DA_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)));
    ck_fails(da_tensordot(&out, a, b, 1), DA_ERROR_SHAPE, "a's axis 1 and b's axis 0 differ");
    ck_fails(da_tensordot(&out, a, v, 2), DA_ERROR_INDEX, "2 axes of arrays that have 2 and 1");
    ck_fails(da_tensordot(&out, a, v, -1), DA_ERROR_INDEX, "-1 axes");
    ck_fails(da_tensordot(&out, a, f, 1), DA_ERROR_DTYPE, "float32");
    ck_fails(da_tensordot(&out, a, NULL, 1), DA_ERROR_ARGUMENT, "b is null");
    ck_fails(da_tensordot(NULL, a, b, 0), DA_ERROR_ARGUMENT, "da_tensordot");
    ck_fails(da_tensordot_axes(&out, a, b, DA_AXES(1), DA_AXES(0, 1)), DA_ERROR_SHAPE,
             "1 axes of a and 2 of b");
    ck_fails(da_tensordot_axes(&out, a, b, DA_ALL, DA_ALL), DA_ERROR_SHAPE, "axes");
    ck_fails(da_tensordot_axes(&out, a, b, DA_AXES(2), DA_AXES(1)), DA_ERROR_INDEX,
             "axis 2 of a, which has 2");
    ck_fails(da_tensordot_axes(&out, a, a, DA_AXES(1, -1), DA_AXES(0, 1)), DA_ERROR_INDEX, "twice");
    ck_fails(da_tensordot(&out, nine, nine, 0), DA_ERROR_SHAPE, "18 axes");
    ck_fails(da_vecdot(&out, a, b, 0), DA_ERROR_INDEX, "axis 0");
    ck_fails(da_vecdot(&out, a, v, -2), DA_ERROR_INDEX, "axis -2");
    ck_fails(da_vecdot(&out, a, b, -1), DA_ERROR_SHAPE, "(2, 3)");
    ck_fails(da_vecdot(&out, a, b, -2), DA_ERROR_SHAPE, "axes -2 differ");
    ck_fails(da_outer(&out, a, v), DA_ERROR_SHAPE, "(2, 3)");
    ck_fails(da_matrix_power(&out, a, 2), DA_ERROR_SHAPE, "square");
    ck_fails(da_matrix_power(&out, v, 2), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_matrix_power(&out, NULL, 2), DA_ERROR_ARGUMENT, "a is null");
    ck_assert_ptr_null(out);
}
END_TEST

DA_TEST_MAIN("products", DA_CASE_LOOP("exact", EXACT_DTYPES, tensordot), DA_CASE("vecdot", vecdot),
             DA_CASE_LOOP("power", FLOAT_DTYPES, power), DA_CASE("others", powers_of_others, bad_arguments))
