#include "spectral_check.h"

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* m x n with these singular values; of the dtype's precision. */
static z *values_with(da_dtype dtype, int64_t m, int64_t n, int spectrum, double cond)
{
    const int64_t k = lesser(m, n);
    z *u = orthonormal_values(dtype, m, k), *v = orthonormal_values(dtype, n, k), *a;

    for (int64_t j = 0; j < k; j++) {
        const double s = spectral_value(spectrum, cond, j, k);
        for (int64_t i = 0; i < m; i++)
            u[i + j * m] *= s;
    }
    a = product(m, n, k, u, 'N', v, 'C');
    round_values(dtype, a, m * n);
    free(u);
    free(v);
    return a;
}

/* ||A - U S V^H|| / (||A|| n eps), U and V orthonormal, S descending and LAPACK's in double precision */
static void check_factors(const da_array *U, const da_array *S, const da_array *Vh, const z *a, int64_t m,
                          int64_t n, bool complete, const char *what)
{
    const int64_t k = lesser(m, n), columns = complete ? m : k, rows = complete ? n : k;
    const da_dtype dtype = da_array_dtype(U);
    const double eps = eps_of(dtype), scale = norm(a, m * n) * (double)(m > n ? m : n) * eps + DBL_MIN;
    z *u = host_of(U), *s = host_of(S), *vh = host_of(Vh), *us = new_values(m * k), *v = new_values(k * n),
      *back;
    z *copy = new_values(m * n);
    double *expected = calloc((size_t)k + 1, sizeof *expected);

    ck_assert_int_eq(da_array_dtype(S), dtype == DA_F32 || dtype == DA_C64 ? DA_F32 : DA_F64);
    ck_assert_int_eq(da_array_dtype(Vh), dtype);
    ck_assert_int_eq(da_array_size(S), k);
    ck_assert_int_eq(da_array_size(U), m * columns);
    ck_assert_int_eq(da_array_size(Vh), rows * n);
    memcpy(copy, a, (size_t)(m * n) * sizeof *copy);
    if (k > 0)
        ck_assert_int_eq(
            LAPACKE_zgesdd(LAPACK_COL_MAJOR, 'N', (int)m, (int)n, copy, (int)m, expected, NULL, 1, NULL, 1),
            0);
    for (int64_t j = 0; j < k; j++) {
        ck_assert_msg(creal(s[j]) >= 0 && (j == 0 || creal(s[j]) <= creal(s[j - 1])), "%s: s(%d) is %g", what,
                      (int)j, creal(s[j]));
        for (int64_t i = 0; i < m; i++)
            us[i + j * m] = u[i + j * m] * s[j];
        for (int64_t i = 0; i < n; i++)
            v[j + i * k] = vh[j + i * rows];
    }
    back = product(m, n, k, us, 'N', v, 'N');
    ck_below(what, distance(back, a, m * n) / scale, 30, "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    ck_below(what, difference(s, expected, k) / scale, 30, "%d x %d %s values", (int)m, (int)n,
             da_dtype_name(dtype));
    check_unitary(u, m, columns, false, eps, what);
    check_unitary(vh, rows, n, true, eps, what);
    free(u);
    free(s);
    free(vh);
    free(us);
    free(v);
    free(back);
    free(copy);
    free(expected);
}

static void check_svd(int kind, da_dtype dtype, int64_t m, int64_t n, const z *a, const char *what)
{
    const double scale = norm(a, m * n) * (double)(m > n ? m : n) * eps_of(dtype) + DBL_MIN;
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *U = NULL, *S = NULL, *Vh = NULL, *Only = NULL,
                     *Uc = NULL, *Sc = NULL, *Vc = NULL, *Left = NULL;
    z *s, *only;

    ck_ok(da_svd(&U, &S, &Vh, A, 0));
    check_factors(U, S, Vh, a, m, n, false, what);
    ck_ok(da_svdvals(&Only, A));
    s = host_of(S);
    only = host_of(Only);
    ck_below(what, distance(s, only, lesser(m, n)) / scale, 30, "%d x %d values alone", (int)m, (int)n);
    ck_ok(da_svd(&Uc, &Sc, &Vc, A, DA_COMPLETE));
    check_factors(Uc, Sc, Vc, a, m, n, true, what);
    ck_ok(da_svd(&Left, NULL, NULL, A, 0));
    ck_assert_int_eq(da_array_size(Left), da_array_size(U));
    ck_ok(da_wait(Left));
    free(s);
    free(only);
}

static void check_random(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);

    round_values(dtype, a, m * n);
    check_svd(kind, dtype, m, n, a, "svd");
    free(a);
}

START_TEST(sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(kind % 2 ? DA_SHAPE(8, 8) : DA_SHAPE(200, 8)));
        check_random(kind, dtype, n, n);
        check_random(kind, dtype, 13, n);
        check_random(kind, dtype, n, 5);
        ck_ok(da_blocks(kind % 2 ? DA_SHAPE(20, 5) : DA_SCALAR_SHAPE));
        check_random(kind, dtype, 61, n);
        check_random(kind, dtype, n, 40);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_random(_i % VIEWS, dtype, 97, 61);
    check_random(_i % VIEWS, dtype, 61, 97);
}
END_TEST

START_TEST(spectra)
{
    const da_dtype dtype = float_dtypes[_i / SPECTRA];
    static const double conds[] = {1, 1e4, 1e8, 1e12};

    seed_values((uint64_t)_i);
    for (int c = 0; c < 4; c++) {
        const int64_t m = c % 2 ? 61 : 40, n = c % 2 ? 40 : 61;
        z *a = values_with(dtype, m, n, _i % SPECTRA, conds[c]);

        check_svd(VIEW_PLAIN, dtype, m, n, a, spectrum_names[_i % SPECTRA]);
        free(a);
        a = values_with(dtype, 130, 20, _i % SPECTRA, conds[c]);
        check_svd(VIEW_PLAIN, dtype, c % 2 ? 130 : 130, 20, a, spectrum_names[_i % SPECTRA]);
        free(a);
    }
}
END_TEST

/* rank one, graded, Hilbert's and Kahan's matrices, very large and very small ones */
START_TEST(special)
{
    const da_dtype dtype = float_dtypes[_i];
    const double ends[] = {eps_of(dtype) > 1e-10 ? 1e30 : 1e300, eps_of(dtype) > 1e-10 ? 1e-34 : 1e-300};
    const int64_t m = 50, n = 30;
    z *a = new_values(m * n);

    seed_values(4);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            a[i + j * m] = 1;
    check_svd(VIEW_PLAIN, dtype, m, n, a, "rank one");
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            a[i + j * m] = 1 / (double)(i + j + 1);
    round_values(dtype, a, m * n);
    check_svd(VIEW_PLAIN, dtype, m, n, a, "Hilbert");
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            a[i + j * m] = i > j ? 0 : pow(0.8, (double)i) * (i == j ? 1 : -0.6);
    round_values(dtype, a, m * n);
    check_svd(VIEW_PLAIN, dtype, m, n, a, "Kahan");
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            a[i + j * m] = value() * pow(10, -0.2 * (double)(i + j));
    round_values(dtype, a, m * n);
    check_svd(VIEW_PLAIN, dtype, m, n, a, "graded");
    for (int e = 0; e < 2; e++) {
        z *scaled = new_values(m * n), *s, *t;
        DA_AUTO da_array *A = array_of(dtype, m, n, a), *B = NULL, *S = NULL, *T = NULL;

        for (int64_t i = 0; i < m * n; i++)
            scaled[i] = a[i] * ends[e];
        B = array_of(dtype, m, n, scaled);
        ck_ok(da_svdvals(&S, A));
        ck_ok(da_svdvals(&T, B));
        s = host_of(S);
        t = host_of(T);
        for (int64_t i = 0; i < n; i++)
            t[i] /= ends[e];
        ck_below("scaled", distance(s, t, n) / (norm(a, m * n) * (double)m * eps_of(dtype)), 30, "by %g",
                 ends[e]);
        free(scaled);
        free(s);
        free(t);
    }
    free(a);
}
END_TEST

START_TEST(large)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(9);
    check_random(VIEW_TRANSPOSED, dtype, 150, 140);
    check_random(VIEW_PLAIN, dtype, 250, 181);
    check_random(VIEW_TRANSPOSED, dtype, 193, 230);
    check_random(VIEW_PLAIN, dtype, 800, 40);
    check_random(VIEW_PLAIN, dtype, 40, 700);
}
END_TEST

/* Row i of a bidiagonal matrix: on the diagonal, and beside it. */
static double row_of(int kind, int64_t i, int64_t n, double eps, double *beside)
{
    *beside = 0;
    switch (kind) {
    case 0: return 0;
    case 1: return 1;
    case 2: return (double)((7 * i) % n);             /* diagonal: with a zero, and in no order */
    case 3: *beside = 1; return 1;                    /* a Jordan block */
    case 4: *beside = 1; return 0;                    /* its nilpotent one: a singular value 0 */
    case 5: *beside = i % 7 == 6 ? 0 : 0.5; return 1; /* parts that are not coupled: equal singular values */
    case 6: *beside = i % 21 == 20 ? 64 * eps : 1; return fabs((double)(i % 21) - 10); /* coupled by little */
    case 7: *beside = pow(10, -(double)i / 3); return pow(10, -(double)i / 4);         /* graded */
    case 8: *beside = pow(10, (double)(i - n) / 3); return pow(10, (double)(i - n) / 4);
    case 9: *beside = i < n / 2 ? 0 : 1; return i < n / 2 ? 0 : 2; /* the upper half is zero */
    case 10: *beside = i < n / 2 ? 1 : 0; return i < n / 2 ? 2 : 0;
    default: *beside = value() * eps; return value();
    }
}

/* Bidiagonal matrices that divide and conquer finds much to set aside in. */
START_TEST(bidiagonal)
{
    enum { KINDS = 12 };
    const da_dtype dtype = float_dtypes[_i % 4];
    static const int64_t sizes[] = {200, 61, 23, 3, 2};
    const int64_t n = sizes[_i / 4], m = n + 3;

    seed_values((uint64_t)_i);
    if (_i / 4 > 0)
        ck_ok(da_blocks(_i / 4 == 1 ? DA_SHAPE(8, 8) : DA_SHAPE(1, 1)));
    for (int kind = 0; kind < KINDS; kind++) {
        z *a = new_values(m * n);
        char what[40];

        for (int64_t i = 0; i < n; i++) {
            double beside;

            a[i + i * m] = row_of(kind, i, n, eps_of(dtype), &beside);
            if (i + 1 < n)
                a[i + (i + 1) * m] = beside;
        }
        round_values(dtype, a, m * n);
        snprintf(what, sizeof what, "bidiagonal, kind %d", kind);
        check_svd(VIEW_PLAIN, dtype, m, n, a, what);
        free(a);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

START_TEST(batches)
{
    const int64_t m = 9, n = 5, count = 6;
    double *data = calloc((size_t)(count * m * n), sizeof *data);
    DA_AUTO da_array *A = NULL, *U = NULL, *S = NULL, *Vh = NULL, *None = NULL, *N0 = NULL, *N1 = NULL,
                     *N2 = NULL;

    seed_values(12);
    for (int64_t i = 0; i < count * m * n; i++)
        data[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 3, m, n), data, DA_ROW_MAJOR));
    ck_ok(da_svd(&U, &S, &Vh, A, 0));
    ck_assert_int_eq(da_array_ndim(S), 3);
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *u = NULL, *s = NULL, *vh = NULL;
        z *a = new_values(m * n);

        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                a[i + j * m] = data[(b * m + i) * n + j];
        ck_ok(DA_SLICE(&u, U, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&s, S, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&vh, Vh, DA_AT(b / 3), DA_AT(b % 3)));
        check_factors(u, s, vh, a, m, n, false, "batch");
        free(a);
    }
    ck_ok(da_zeros(&None, DA_C64, DA_SHAPE(3, 0, 4)));
    ck_ok(da_svd(&N0, &N1, &N2, None, DA_COMPLETE));
    ck_assert_int_eq(da_array_shape(N2).dim[1], 4);
    {
        DA_AUTO da_array *one = NULL;
        z *vh;

        ck_ok(DA_SLICE(&one, N2, DA_AT(2)));
        vh = host_of(one);
        for (int64_t i = 0; i < 16; i++)
            ck_assert(vh[i] == (i % 5 == 0));
        free(vh);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

START_TEST(not_finite)
{
    const da_dtype dtype = float_dtypes[_i];
    static const double bad[] = {NAN, INFINITY, -INFINITY};

    for (int b = 0; b < 3; b++)
        for (int turned = 0; turned < 2; turned++) {
            const int64_t m = turned ? 7 : 30, n = turned ? 30 : 7;
            z *a = random_values(dtype, m, n);
            DA_AUTO da_array *A = NULL, *U = NULL, *S = NULL, *Vh = NULL, *Only = NULL, *L = NULL;
            char expected[80];

            a[3 + 4 * m] = is_complex(dtype) ? 1 + bad[b] * I : bad[b];
            a[1 + 6 * m] = NAN;
            A = array_of(dtype, m, n, a);
            snprintf(expected, sizeof expected, "svd: column 5 of %d has a NaN or an infinity", (int)n);
            ck_ok(da_svd(&U, &S, &Vh, A, 0));
            ck_fails(da_wait(U), DA_ERROR_NUMERICAL, expected);
            ck_fails(da_wait(S), DA_ERROR_NUMERICAL, expected);
            ck_fails(da_wait(Vh), DA_ERROR_NUMERICAL, expected);
            ck_ok(da_svdvals(&Only, A));
            ck_fails(da_wait(Only), DA_ERROR_NUMERICAL, expected);
            ck_ok(da_matmul(&L, U, Vh)); /* inherited */
            ck_fails(da_wait(L), DA_ERROR_NUMERICAL, expected);
            free(a);
        }
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *Vec = NULL, *Ints = NULL, *A = NULL;
    da_array *u = NULL, *s = NULL, *v = NULL;

    ck_ok(da_zeros(&A, DA_F64, DA_SHAPE(3, 2)));
    ck_ok(da_zeros(&Vec, DA_F64, DA_SHAPE(3)));
    ck_ok(da_zeros(&Ints, DA_U8, DA_SHAPE(3, 3)));
    ck_fails(da_svd(NULL, NULL, NULL, A, 0), DA_ERROR_ARGUMENT, "neither u nor s nor vh");
    ck_fails(da_svd(&u, &u, &v, A, 0), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_svd(&u, &s, &u, A, 0), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_svd(NULL, &s, &s, A, 0), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_svd(&u, &s, &v, NULL, 0), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_svd(&u, &s, &v, Vec, 0), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_svd(&u, &s, &v, Ints, 0), DA_ERROR_DTYPE, "uint8");
    ck_fails(da_svd(&u, &s, &v, A, DA_UPPER), DA_ERROR_ARGUMENT,
             "da_svd: flags 0x2 (DA_UPPER); it takes DA_COMPLETE");
    ck_fails(da_svdvals(NULL, A), DA_ERROR_ARGUMENT, "da_svdvals");
    ck_assert_ptr_null(u);
    ck_assert_ptr_null(s);
    ck_assert_ptr_null(v);
}
END_TEST

DA_TEST_MAIN("svd", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes),
             DA_CASE_SWEEP("spectra", SPECTRA *FLOAT_DTYPES, spectra),
             DA_CASE_LOOP("special", FLOAT_DTYPES, special, large, not_finite),
             DA_CASE_LOOP("bidiagonal", FLOAT_DTYPES * 5, bidiagonal), DA_CASE_LOOP("batches", 2, batches),
             DA_CASE("arguments", bad_arguments))
