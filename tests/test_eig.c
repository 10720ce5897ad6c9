#include "spectral_check.h"

/* ---- Hermitian matrices ---- */

/* With these eigenvalues, of either sign; of the dtype's precision. */
static z *hermitian_values(da_dtype dtype, int64_t n, int spectrum, double cond)
{
    z *q = orthonormal_values(dtype, n, n), *scaled = new_values(n * n), *a;

    for (int64_t j = 0; j < n; j++) {
        const double w = spectral_value(spectrum, cond, j, n) * (j % 3 == 1 ? -1 : 1);
        for (int64_t i = 0; i < n; i++)
            scaled[i + j * n] = q[i + j * n] * w;
    }
    a = product(n, n, n, scaled, 'N', q, 'C');
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++) {
            const z mean = (a[i + j * n] + conj(a[j + i * n])) / 2;
            a[i + j * n] = is_complex(dtype) ? mean : creal(mean);
            a[j + i * n] = conj(a[i + j * n]);
        }
    round_values(dtype, a, n * n);
    free(q);
    free(scaled);
    return a;
}

/* ||A V - V W|| / (||A|| n eps), V orthonormal, W ascending and LAPACK's in double precision; A Hermitian. */
static void check_hermitian(const da_array *W, const da_array *V, const z *a, int64_t n, const char *what)
{
    const da_dtype dtype = da_array_dtype(V);
    const double eps = eps_of(dtype), scale = norm(a, n * n) * (double)n * eps + DBL_MIN;
    z *w = host_of(W), *v = host_of(V), *av = product(n, n, n, a, 'N', v, 'N'), *copy = new_values(n * n);
    double *expected = calloc((size_t)n + 1, sizeof *expected);

    ck_assert_int_eq(da_array_dtype(W), dtype == DA_F32 || dtype == DA_C64 ? DA_F32 : DA_F64);
    ck_assert_int_eq(da_array_size(W), n);
    ck_assert_int_eq(da_array_size(V), n * n);
    memcpy(copy, a, (size_t)(n * n) * sizeof *copy);
    if (n > 0)
        ck_assert_int_eq(LAPACKE_zheevd(LAPACK_COL_MAJOR, 'N', 'L', (int)n, copy, (int)n, expected), 0);
    for (int64_t j = 0; j < n; j++) {
        ck_assert_msg(j == 0 || creal(w[j]) >= creal(w[j - 1]), "%s: eigenvalue %d is smaller", what, (int)j);
        for (int64_t i = 0; i < n; i++)
            av[i + j * n] -= v[i + j * n] * w[j];
    }
    ck_below(what, norm(av, n * n) / scale, 30, "%d %s vectors", (int)n, da_dtype_name(dtype));
    ck_below(what, difference(w, expected, n) / scale, 30, "%d %s values", (int)n, da_dtype_name(dtype));
    check_unitary(v, n, n, false, eps, what);
    free(w);
    free(v);
    free(av);
    free(copy);
    free(expected);
}

/* With something else in the triangle that is not to be read. */
static void check_eigh(int kind, da_dtype dtype, int64_t n, const z *a, bool upper, const char *what)
{
    const unsigned flags = upper ? DA_UPPER : n % 2 ? DA_LOWER : 0;
    const double eps = eps_of(dtype), scale = norm(a, n * n) * (double)n * eps + DBL_MIN;
    z *half = new_values(n * n), *w, *only, *v;
    DA_AUTO da_array *A = NULL, *W = NULL, *V = NULL, *Only = NULL, *Vectors = NULL;

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            half[i + j * n] = (upper ? i <= j : i >= j) ? a[i + j * n] : NAN;
    if (is_complex(dtype) && n > 0) /* nor are imaginary parts of the diagonal */
        half[n / 2 * (n + 1)] += 17 * I;
    A = view_of(kind, dtype, n, n, half);
    ck_ok(da_eigh(&W, &V, A, flags));
    check_hermitian(W, V, a, n, what);
    ck_ok(da_eigvalsh(&Only, A, flags));
    ck_ok(da_eigh(NULL, &Vectors, A, flags));
    w = host_of(W);
    only = host_of(Only);
    v = host_of(Vectors);
    ck_below(what, distance(w, only, n) / scale, 30, "%d %s values alone", (int)n, da_dtype_name(dtype));
    check_unitary(v, n, n, false, eps, what);
    free(half);
    free(w);
    free(only);
    free(v);
}

START_TEST(hermitian_sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++)
        for (int upper = 0; upper < 2; upper++) {
            z *a = hermitian_values(dtype, n, RANDOM, 1);

            ck_ok(da_blocks(kind % 2 ? DA_SHAPE(8, 8) : DA_SHAPE(5, 20)));
            check_eigh(kind, dtype, n, a, upper, "eigh");
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            check_eigh(kind, dtype, n, a, upper, "eigh");
            free(a);
        }
}
END_TEST

START_TEST(hermitian_spectra)
{
    const da_dtype dtype = float_dtypes[_i / SPECTRA];
    static const double conds[] = {1, 1e4, 1e8, 1e12};

    seed_values((uint64_t)_i);
    for (int c = 0; c < 4; c++) {
        z *a = hermitian_values(dtype, 61, _i % SPECTRA, conds[c]);

        check_eigh(VIEW_PLAIN, dtype, 61, a, c % 2, spectrum_names[_i % SPECTRA]);
        free(a);
    }
}
END_TEST

/* entries of very different sizes, of very large and very small matrices, and some with names */
START_TEST(hermitian_special)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 40;
    const double ends[] = {eps_of(dtype) > 1e-10 ? 1e30 : 1e300, eps_of(dtype) > 1e-10 ? 1e-36 : 1e-300};
    z *a;

    seed_values(5);
    a = hermitian_values(dtype, n, RANDOM, 1);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] *= pow(10, -0.2 * (double)(i + j));
    round_values(dtype, a, n * n);
    check_eigh(VIEW_PLAIN, dtype, n, a, false, "graded");
    for (int e = 0; e < 2; e++) {
        z *scaled = new_values(n * n);
        double largest = 0;
        DA_AUTO da_array *A = NULL, *W = NULL, *V = NULL;
        z *w, *v;

        for (int64_t i = 0; i < n * n; i++)
            scaled[i] = a[i] * ends[e];
        A = array_of(dtype, n, n, scaled);
        ck_ok(da_eigh(&W, &V, A, 0));
        w = host_of(W);
        v = host_of(V);
        check_unitary(v, n, n, false, eps_of(dtype), "scaled");
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(creal(w[i]) / ends[e]));
        z *plain = host_of(W);
        DA_AUTO da_array *B = array_of(dtype, n, n, a), *U = NULL;
        ck_ok(da_eigvalsh(&U, B, 0));
        z *u = host_of(U);
        for (int64_t i = 0; i < n; i++)
            plain[i] = w[i] / ends[e];
        ck_below("scaled", distance(plain, u, n) / (norm(a, n * n) * (double)n * eps_of(dtype)), 30, "by %g",
                 ends[e]);
        ck_assert(largest > 0);
        free(scaled);
        free(w);
        free(v);
        free(plain);
        free(u);
    }
    for (int64_t j = 0; j < n; j++) /* Hilbert's */
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] = 1 / (double)(i + j + 1);
    round_values(dtype, a, n * n);
    check_eigh(VIEW_PLAIN, dtype, n, a, true, "Hilbert");
    for (int64_t j = 0; j < n; j++) /* Wilkinson's: pairs that agree in all digits */
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] = i == j ? fabs((double)(n - 1) / 2 - (double)i) : llabs(i - j) == 1;
    check_eigh(VIEW_PLAIN, dtype, n, a, false, "Wilkinson");
    free(a);
}
END_TEST

/* in batches of small ones, and one that is large enough for blocks */
static void check_batch(da_dtype dtype, int64_t n)
{
    const int64_t count = 6;
    DA_AUTO da_array *All = NULL, *W = NULL, *V = NULL, *Flipped = NULL;
    z *a[6];

    ck_ok(da_zeros(&All, dtype, DA_SHAPE(2, 3, n, n)));
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *place = NULL, *A = NULL;

        a[b] = hermitian_values(dtype, n, RANDOM, 1);
        A = array_of(dtype, n, n, a[b]);
        ck_ok(DA_SLICE(&place, All, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(da_assign(place, A));
    }
    ck_ok(da_flip(&Flipped, All, DA_AXES(1)));
    ck_ok(da_eigh(&W, &V, Flipped, DA_UPPER));
    ck_assert_int_eq(da_array_ndim(W), 3);
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *w = NULL, *v = NULL;

        ck_ok(DA_SLICE(&w, W, DA_AT(b / 3), DA_AT(2 - b % 3)));
        ck_ok(DA_SLICE(&v, V, DA_AT(b / 3), DA_AT(2 - b % 3)));
        check_hermitian(w, v, a[b], n, "batch");
        free(a[b]);
    }
}

START_TEST(hermitian_batches)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    DA_AUTO da_array *None = NULL, *W = NULL, *V = NULL;

    seed_values(7);
    if (_i >= FLOAT_DTYPES)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    check_batch(dtype, 7);
    check_batch(dtype, 1);
    check_batch(dtype, 0);
    ck_ok(da_zeros(&None, dtype, DA_SHAPE(0, 3, 3)));
    ck_ok(da_eigh(&W, &V, None, 0));
    ck_assert_int_eq(da_array_shape(W).dim[1], 3);
    ck_ok(da_wait(V));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* large enough for steps, with every spectrum: what divide and conquer sets aside differs */
START_TEST(hermitian_large)
{
    const da_dtype dtype = float_dtypes[_i / SPECTRA];
    const int64_t n = 330 - 30 * (_i / SPECTRA);

    seed_values(8 + (uint64_t)_i);
    z *a = hermitian_values(dtype, n, _i % SPECTRA, 1e5);
    check_eigh(VIEW_TRANSPOSED, dtype, n, a, _i % 2, spectrum_names[_i % SPECTRA]);
    free(a);
}
END_TEST

/* Wilkinson's matrices in a row, coupled by little: pairs of eigenvalues that agree in many digits, each of many copies */
START_TEST(hermitian_glued)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 294;
    z *a = new_values(n * n);

    for (int64_t i = 0; i < n; i++) {
        a[i + i * n] = fabs((double)(i % 21) - 10);
        if (i + 1 < n)
            a[i + 1 + i * n] = a[i + (i + 1) * n] = i % 21 == 20 ? 64 * eps_of(dtype) : 1;
    }
    check_eigh(VIEW_PLAIN, dtype, n, a, false, "glued Wilkinson");
    free(a);
}
END_TEST

/* ---- general matrices ---- */

/* ||A V - V W|| / (||A|| n eps), columns of length 1, conjugate pairs for real A */
static void check_pairs(const da_array *W, const da_array *V, da_dtype dtype, const z *a, int64_t n,
                        const char *what)
{
    const double eps = eps_of(dtype), scale = norm(a, n * n) * (double)n * eps + DBL_MIN;
    z *w = host_of(W), *v = host_of(V), *av = product(n, n, n, a, 'N', v, 'N'), trace = 0;

    ck_assert_int_eq(da_array_dtype(W), eps > 1e-10 ? DA_C64 : DA_C128);
    ck_assert_int_eq(da_array_dtype(V), da_array_dtype(W));
    ck_assert_int_eq(da_array_size(W), n);
    ck_assert_int_eq(da_array_size(V), n * n);
    for (int64_t j = 0; j < n; j++) {
        trace += a[j + j * n] - w[j];
        ck_below(what, fabs(norm(v + j * n, n) - 1) / ((double)n * eps), 30, "length of %d", (int)j);
        for (int64_t i = 0; i < n; i++)
            av[i + j * n] -= v[i + j * n] * w[j];
        if (!is_complex(dtype) && cimag(w[j]) > 0) {
            ck_assert_msg(j + 1 < n && w[j + 1] == conj(w[j]), "%s: %d and the next are no pair", what,
                          (int)j);
            for (int64_t i = 0; i < n; i++)
                ck_assert(v[i + (j + 1) * n] == conj(v[i + j * n]));
        }
    }
    ck_below(what, norm(av, n * n) / scale, 30, "%d %s vectors", (int)n, da_dtype_name(dtype));
    ck_below(what, cabs(trace) / scale, 30, "%d %s trace", (int)n, da_dtype_name(dtype));
    free(w);
    free(v);
    free(av);
}

/* Each of n numbers has one of the others nearby. */
static void check_matched(const z *got, const z *expected, int64_t n, double within, const char *what)
{
    bool *used = calloc((size_t)n + 1, sizeof *used);

    for (int64_t i = 0; i < n; i++) {
        int64_t nearest = -1;

        for (int64_t j = 0; j < n; j++)
            if (!used[j] && (nearest < 0 || cabs(got[i] - expected[j]) < cabs(got[i] - expected[nearest])))
                nearest = j;
        used[nearest] = true;
        ck_below(what, cabs(got[i] - expected[nearest]) / within, 1, "eigenvalue %d of %d", (int)i, (int)n);
    }
    free(used);
}

/* `sensitive`: how many times more than the matrix eigenvalues may change */
static void check_eig(int kind, da_dtype dtype, int64_t n, const z *a, double sensitive, const char *what)
{
    const double within = 30 * sensitive * (norm(a, n * n) * (double)n * eps_of(dtype) + DBL_MIN);
    DA_AUTO da_array *A = view_of(kind, dtype, n, n, a), *W = NULL, *V = NULL, *Only = NULL, *Vectors = NULL;
    z *w, *only, *copy = new_values(n * n), *expected = new_values(n);

    ck_ok(da_eig(&W, &V, A));
    check_pairs(W, V, dtype, a, n, what);
    ck_ok(da_eigvals(&Only, A));
    ck_ok(da_eig(NULL, &Vectors, A));
    check_pairs(W, Vectors, dtype, a, n, what);
    memcpy(copy, a, (size_t)(n * n) * sizeof *copy);
    if (n > 0)
        ck_assert_int_eq(
            LAPACKE_zgeev(LAPACK_COL_MAJOR, 'N', 'N', (int)n, copy, (int)n, expected, NULL, 1, NULL, 1), 0);
    w = host_of(W);
    only = host_of(Only);
    check_matched(w, expected, n, within, what);
    check_matched(only, expected, n, within, what);
    free(w);
    free(only);
    free(copy);
    free(expected);
}

START_TEST(general_sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        z *a = random_values(dtype, n, n);

        round_values(dtype, a, n * n);
        ck_ok(da_blocks(kind % 2 ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
        check_eig(kind, dtype, n, a, 100, "eig");
        free(a);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* normal matrices, whose eigenvalues are as well determined as a Hermitian one's, and defective ones, whose are not */
START_TEST(general_special)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 61;
    z *q, *scaled, *a;

    seed_values(11);
    q = orthonormal_values(dtype, n, n);
    for (int spectrum = 0; spectrum < SPECTRA; spectrum++) {
        scaled = new_values(n * n);
        for (int64_t j = 0; j < n; j++) { /* Q D Q^H, D of 2 x 2 rotations, times numbers of this size */
            const double size = spectral_value(spectrum, 1e6, j / 2 * 2, n);

            for (int64_t i = 0; i < n; i++)
                scaled[i + j * n] = size * (j % 2       ? 0.6 * q[i + j * n] - 0.8 * q[i + (j - 1) * n]
                                            : j + 1 < n ? 0.6 * q[i + j * n] + 0.8 * q[i + (j + 1) * n]
                                                        : q[i + j * n]);
        }
        a = product(n, n, n, scaled, 'N', q, 'C');
        round_values(dtype, a, n * n);
        if (spectrum != RANDOM) /* whose pairs have two sizes */
            check_eig(VIEW_PLAIN, dtype, n, a, 1, spectrum_names[spectrum]);
        free(scaled);
        free(a);
    }
    free(q);
    a = new_values(n * n); /* one Jordan block */
    for (int64_t i = 0; i < n; i++) {
        a[i + i * n] = 2;
        if (i > 0)
            a[i - 1 + i * n] = 1;
    }
    check_eig(VIEW_PLAIN, dtype, n, a, 1e16, "Jordan");
    free(a);
}
END_TEST

START_TEST(general_batches)
{
    const int64_t n = 5, count = 6;
    float *data = calloc((size_t)(count * n * n), sizeof *data);
    DA_AUTO da_array *A = NULL, *W = NULL, *V = NULL, *None = NULL, *E = NULL;

    seed_values(12);
    for (int64_t i = 0; i < count * n * n; i++)
        data[i] = (float)value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F32, DA_SHAPE(2, 3, n, n), data, DA_ROW_MAJOR));
    ck_ok(da_eig(&W, &V, A));
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *w = NULL, *v = NULL;
        z *a = new_values(n * n);

        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                a[i + j * n] = data[(b * n + i) * n + j];
        ck_ok(DA_SLICE(&w, W, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&v, V, DA_AT(b / 3), DA_AT(b % 3)));
        check_pairs(w, v, DA_F32, a, n, "batch");
        free(a);
    }
    ck_ok(da_zeros(&None, DA_F64, DA_SHAPE(2, 0, 3, 3)));
    ck_ok(da_eigvals(&E, None));
    ck_assert_int_eq(da_array_dtype(E), DA_C128);
    ck_assert_int_eq(da_array_ndim(E), 3);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

/* ---- faults and errors ---- */

START_TEST(not_finite)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 9;
    static const double bad[] = {NAN, INFINITY, -INFINITY};

    for (int b = 0; b < 3; b++)
        for (int64_t j = 0; j < n; j += 4) {
            z *a = hermitian_values(dtype, n, RANDOM, 1);
            DA_AUTO da_array *A = NULL, *W = NULL, *V = NULL, *E = NULL, *X = NULL, *Y = NULL, *Z = NULL;
            char expected[80];

            a[n - 1 + j * n] = is_complex(dtype) && j < n - 1 ? 1 + bad[b] * I : bad[b];
            A = array_of(dtype, n, n, a);
            snprintf(expected, sizeof expected, "eigh: column %d of 9 has a NaN or an infinity", (int)j + 1);
            ck_ok(da_eigh(&W, &V, A, DA_LOWER));
            ck_fails(da_wait(W), DA_ERROR_NUMERICAL, expected);
            ck_fails(da_wait(V), DA_ERROR_NUMERICAL, expected);
            ck_ok(da_eval(&Z, da_add(W, 1))); /* inherited */
            ck_fails(da_wait(Z), DA_ERROR_NUMERICAL, expected);
            ck_ok(da_eig(&X, &Y, A));
            snprintf(expected, sizeof expected, "eig: column %d of 9 has a NaN or an infinity", (int)j + 1);
            ck_fails(da_wait(X), DA_ERROR_NUMERICAL, expected);
            ck_fails(da_wait(Y), DA_ERROR_NUMERICAL, expected);
            if (j < n - 1) { /* not in the triangle that is read */
                ck_ok(da_eigvalsh(&E, A, DA_UPPER));
                ck_ok(da_wait(E));
            }
            free(a);
        }
}
END_TEST

START_TEST(batch_faults)
{
    double data[3 * 16];
    DA_AUTO da_array *A = NULL, *W = NULL, *L = NULL, *F = NULL, *E = NULL;

    for (int i = 0; i < 48; i++)
        data[i] = i;
    data[16 + 3 * 4 + 3] = NAN;
    data[32 + 2 * 4 + 1] = INFINITY;
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(3, 4, 4), data, DA_ROW_MAJOR));
    ck_ok(da_eigvalsh(&W, A, 0));
    ck_fails(da_wait(W), DA_ERROR_NUMERICAL, "eigh: column 2 of 4 has");
    ck_ok(da_full(&F, DA_F64, DA_SHAPE(4, 4), -1));
    ck_ok(da_cholesky(&L, F, 0));
    ck_ok(da_eigvals(&E, L));
    ck_fails(da_wait(E), DA_ERROR_NUMERICAL, "leading minor 1 of 4");
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *Vec = NULL, *Wide = NULL, *Ints = NULL, *A = NULL;
    da_array *w = NULL, *v = NULL;

    ck_ok(da_zeros(&A, DA_F64, DA_SHAPE(3, 3)));
    ck_ok(da_zeros(&Vec, DA_F64, DA_SHAPE(3)));
    ck_ok(da_zeros(&Wide, DA_F64, DA_SHAPE(2, 3, 4)));
    ck_ok(da_zeros(&Ints, DA_I32, DA_SHAPE(3, 3)));
    ck_fails(da_eigh(NULL, NULL, A, 0), DA_ERROR_ARGUMENT, "neither w nor v");
    ck_fails(da_eig(NULL, NULL, A), DA_ERROR_ARGUMENT, "neither w nor v");
    ck_fails(da_eigh(&w, &w, A, 0), DA_ERROR_ARGUMENT, "w and v are the same pointer");
    ck_fails(da_eig(&w, &w, A), DA_ERROR_ARGUMENT, "w and v are the same pointer");
    ck_fails(da_eigh(&w, &v, NULL, 0), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_eigvals(NULL, A), DA_ERROR_ARGUMENT, "da_eigvals");
    ck_fails(da_eigvalsh(NULL, A, 0), DA_ERROR_ARGUMENT, "da_eigvalsh");
    ck_fails(da_eigh(&w, &v, Vec, 0), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_eig(&w, &v, Wide), DA_ERROR_SHAPE, "(2, 3, 4)");
    ck_fails(da_eigvals(&w, Ints), DA_ERROR_DTYPE, "int32");
    ck_fails(da_eigvalsh(&w, Ints, 0), DA_ERROR_DTYPE, "int32");
    ck_fails(da_eigh(&w, &v, A, DA_UPPER | DA_LOWER), DA_ERROR_ARGUMENT, "both DA_UPPER and DA_LOWER");
    ck_fails(da_eigvalsh(&w, A, DA_UNIT), DA_ERROR_ARGUMENT, "flags");
    ck_assert_ptr_null(w);
    ck_assert_ptr_null(v);
}
END_TEST

DA_TEST_MAIN("eig", DA_CASE_SWEEP("hermitian sizes", SIZES *FLOAT_DTYPES, hermitian_sizes),
             DA_CASE_SWEEP("hermitian spectra", SPECTRA *FLOAT_DTYPES, hermitian_spectra),
             DA_CASE_LOOP("hermitian special", FLOAT_DTYPES, hermitian_special, hermitian_glued),
             DA_CASE_SWEEP("hermitian large", SPECTRA *FLOAT_DTYPES, hermitian_large),
             DA_CASE_SWEEP("hermitian batches", 2 * FLOAT_DTYPES, hermitian_batches),
             DA_CASE_SWEEP("general sizes", SIZES *FLOAT_DTYPES, general_sizes),
             DA_CASE_LOOP("general special", FLOAT_DTYPES, general_special),
             DA_CASE_LOOP("general batches", 2, general_batches),
             DA_CASE_LOOP("faults", FLOAT_DTYPES, not_finite), DA_CASE("batch faults", batch_faults),
             DA_CASE("arguments", bad_arguments))
