/* Solvers beside the general one: definite, symmetric, in mixed precision, op(a) from factors; inverses, determinants, conditions. */
#include "linalg_check.h"

/* ||op(a) x - b|| / ((||a|| ||x|| + ||b||) n eps) */
static double residual(const da_array *X, const z *a, char op, const z *b, int64_t n, int64_t p)
{
    z *x = host_of(X), *back = product(n, p, n, a, op, x, 'N');
    const double scale = norm(a, n * n) * norm(x, n * p) + norm(b, n * p);
    double ratio = 0;

    ck_assert_int_eq(da_array_size(X), n * p);
    if (n > 0 && p > 0)
        ratio = distance(back, b, n * p) / (scale * (double)n * eps_of(da_array_dtype(X)));
    free(x);
    free(back);
    return ratio;
}

#define check(what, X, a, op, b, n, p)                                                                       \
    ck_below(what, residual((X), (a), (op), (b), (n), (p)), 30, "n %d, %d right-hand sides, %s", (int)(n),   \
             (int)(p), da_dtype_name(da_array_dtype(X)))

/* A copy of a whose other triangle is NaN. */
static z *one_triangle(const z *a, int64_t n, bool upper)
{
    z *t = new_values(n * n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            t[i + j * n] = (upper ? i <= j : i >= j) ? a[i + j * n] : (z)NAN;
    return t;
}

/* ---- definite ---- */

static void check_definite(int kind, da_dtype dtype, int64_t n, int64_t p, unsigned flags)
{
    z *a = definite_values(dtype, n, 1e3), *given = one_triangle(a, n, flags == DA_UPPER);
    z *b = random_values(dtype, n, p);
    DA_AUTO da_array *A = view_of(kind, dtype, n, n, given), *X = NULL, *L = NULL, *Y = NULL;
    DA_AUTO da_array *B = view_of((kind + 1) % VIEWS, dtype, n, p, b);

    ck_ok(da_solve_definite(&X, A, B, flags));
    check("solve_definite", X, a, 'N', b, n, p);
    ck_ok(da_cholesky(&L, A, flags));
    ck_ok(da_cholesky_solve(&Y, L, B, flags));
    check("cholesky_solve", Y, a, 'N', b, n, p);
    free(a);
    free(given);
    free(b);
}

START_TEST(definite)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);
    const unsigned uplo[] = {0, DA_LOWER, DA_UPPER};

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_definite(kind, dtype, n, 11, uplo[kind % 3]);
        check_definite(kind, dtype, n, 1, uplo[(kind + 2) % 3]);
        ck_ok(da_blocks(DA_SHAPE(13, 7)));
        check_definite(kind, dtype, 31, 9, uplo[(kind + 1) % 3]);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_definite(kind, dtype, n, 3, uplo[(kind + 2) % 3]);
    }
}
END_TEST

START_TEST(not_definite)
{
    const int64_t n = 20, bads[] = {0, 9, 19}, bad = bads[_i % 3];
    char text[80];
    z *a;
    DA_AUTO da_array *A = NULL, *B = NULL, *X = NULL, *Y = NULL, *L = NULL, *R = NULL;

    snprintf(text, sizeof text, "leading minor %d of 20 is not positive definite", (int)bad + 1);
    seed_values(5);
    ck_ok(da_blocks(_i / 3 ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
    a = definite_values(DA_C128, n, 10);
    a[bad + bad * n] = -1;
    A = array_of(DA_C128, n, n, a);
    ck_ok(da_ones(&B, DA_C128, DA_SHAPE(n)));
    for (int upper = 0; upper < 2; upper++) {
        da_array_release(&X);
        da_array_release(&R);
        ck_ok(da_solve_definite(&X, A, B, upper ? DA_UPPER : DA_LOWER));
        ck_fails(da_wait(X), DA_ERROR_NUMERICAL, text);
        ck_ok(da_rcond(&R, A, upper ? DA_UPPER : DA_LOWER));
        ck_fails(da_wait(R), DA_ERROR_NUMERICAL, text);
    }
    ck_ok(da_eye(&L, DA_C128, n, n, 0));
    DA_AUTO da_array *element = NULL;
    ck_ok(DA_SLICE(&element, L, DA_AT(bad), DA_AT(bad)));
    ck_ok(da_assign(element, 0));
    ck_ok(da_cholesky_solve(&Y, L, B, 0));
    snprintf(text, sizeof text, "cholesky_solve: diagonal element %d of 20", (int)bad + 1);
    ck_fails(da_wait(Y), DA_ERROR_NUMERICAL, text);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
}
END_TEST

/* ---- op(a), from factors ---- */

static void check_op(int kind, da_dtype dtype, int64_t n, int64_t p, unsigned flags, bool pivots)
{
    const char op = flags & DA_TRANSPOSE ? 'T' : flags & DA_CONJ_TRANSPOSE ? 'C' : 'N';
    z *a = random_values(dtype, n, n), *b = random_values(dtype, n, p);
    DA_AUTO da_array *A = NULL, *B = view_of(kind, dtype, n, p, b), *LU = NULL, *P = NULL, *X = NULL;

    for (int64_t i = 0; i < n; i++)
        a[i + i * n] += pivots ? 3 : (double)n;
    A = array_of(dtype, n, n, a);
    if (pivots)
        ck_ok(da_lu(&LU, &P, A));
    else
        ck_ok(da_lu_nopivot(&LU, A));
    ck_ok(da_lu_solve(&X, LU, P, B, flags));
    check("lu_solve", X, a, op, b, n, p);
    free(a);
    free(b);
}

START_TEST(ops)
{
    const da_dtype dtype = float_dtypes[_i];
    const unsigned flags[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};

    seed_values(21);
    for (int f = 0; f < 3; f++)
        for (int pivots = 0; pivots < 2; pivots++)
            for (int i = 0; i < SIZES; i++) {
                ck_ok(da_blocks(DA_SHAPE(8, 8)));
                check_op(i, dtype, size_around(i, 8), 5, flags[f], pivots);
                ck_ok(da_blocks(DA_SCALAR_SHAPE));
                check_op(i, dtype, 37, 1, flags[f], pivots);
            }
}
END_TEST

/* ---- inv ---- */

/* ||a x - 1|| / (||a|| ||x|| n eps) */
static void check_inverse(int kind, da_dtype dtype, int64_t n)
{
    z *a = random_values(dtype, n, n), *x, *back;
    DA_AUTO da_array *A = NULL, *X = NULL;

    for (int64_t i = 0; i < n; i++)
        a[i + i * n] += 3;
    A = view_of(kind, dtype, n, n, a);
    ck_ok(da_inv(&X, A));
    ck_assert_int_eq(da_array_size(X), n * n);
    x = host_of(X);
    back = product(n, n, n, a, 'N', x, 'N');
    for (int64_t i = 0; i < n; i++)
        back[i + i * n] -= 1;
    if (n > 0)
        ck_below("inv", norm(back, n * n) / (norm(a, n * n) * norm(x, n * n) * (double)n * eps_of(dtype)), 30,
                 "%d %s", (int)n, da_dtype_name(dtype));
    free(a);
    free(x);
    free(back);
}

START_TEST(inverses)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(22);
    for (int kind = 0; kind < VIEWS; kind++)
        for (int i = 0; i < SIZES; i++) {
            ck_ok(da_blocks(DA_SHAPE(8, 8)));
            check_inverse(kind, dtype, size_around(i, 8));
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            check_inverse(kind, dtype, size_around(i, 8));
        }
    check_inverse(VIEW_PLAIN, dtype, 300);
}
END_TEST

/* ---- det, slogdet ---- */

/* The determinant by LAPACK: its sign, and the logarithm of its magnitude. */
static z reference_det(const z *a, int64_t n, double *logarithm)
{
    z *lu = new_values(n * n), sign = 1;
    lapack_int *rows = calloc((size_t)n + 1, sizeof *rows);

    memcpy(lu, a, (size_t)(n * n) * sizeof *lu);
    if (n > 0)
        ck_assert_int_ge(LAPACKE_zgetrf(LAPACK_COL_MAJOR, (int)n, (int)n, lu, (int)n, rows), 0);
    *logarithm = 0;
    for (int64_t i = 0; i < n; i++) {
        const z d = lu[i + i * n];

        sign *= d == 0 ? 0 : d / cabs(d) * (rows[i] == i + 1 ? 1 : -1);
        *logarithm += log(cabs(d));
    }
    free(lu);
    free(rows);
    return sign;
}

static void check_det(int kind, da_dtype dtype, int64_t n, double scale)
{
    const double eps = eps_of(dtype), tolerance = 100 * ((double)n + 1) * eps;
    z *a = random_values(dtype, n, n), *sign, *size, *det, expected;
    DA_AUTO da_array *A = NULL, *S = NULL, *L = NULL, *D = NULL;
    double logarithm;

    for (int64_t i = 0; i < n * n; i++)
        a[i] *= scale;
    for (int64_t i = 0; i < n; i++)
        a[i + i * n] += 3 * scale;
    round_values(dtype, a, n * n);
    A = view_of(kind, dtype, n, n, a);
    expected = reference_det(a, n, &logarithm);
    ck_ok(da_slogdet(&S, &L, A));
    ck_ok(da_det(&D, A));
    ck_assert_int_eq(da_array_ndim(S), 0);
    ck_assert_int_eq(da_array_ndim(L), 0);
    ck_assert_int_eq(da_array_ndim(D), 0);
    ck_assert_int_eq(da_array_dtype(S), dtype);
    ck_assert_int_eq(da_array_dtype(L), dtype == DA_C64 ? DA_F32 : dtype == DA_C128 ? DA_F64 : dtype);
    sign = host_of(S);
    size = host_of(L);
    det = host_of(D);
    ck_below("slogdet", cabs(*sign - expected), tolerance, "sign, %d %s", (int)n, da_dtype_name(dtype));
    ck_below("slogdet", fabs(creal(*size) - logarithm) / (1 + fabs(logarithm)), tolerance, "%d %s", (int)n,
             da_dtype_name(dtype));
    if (fabs(logarithm) < 80)
        ck_below("det", cabs(*det - expected * exp(logarithm)) / exp(logarithm), 100 * tolerance, "%d %s",
                 (int)n, da_dtype_name(dtype));
    free(a);
    free(sign);
    free(size);
    free(det);
}

START_TEST(determinants)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(23);
    for (int kind = 0; kind < VIEWS; kind++)
        for (int i = 0; i < SIZES; i++) {
            ck_ok(da_blocks(DA_SHAPE(8, 8)));
            check_det(kind, dtype, size_around(i, 8), 1);
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            check_det(kind, dtype, size_around(i, 8), 1);
        }
    check_det(VIEW_PLAIN, dtype, 200, 1e5); /* neither of these fits */
    check_det(VIEW_PLAIN, dtype, 200, 1e-5);
}
END_TEST

/* Diagonals whose product fits although no way of multiplying them from left to right does; singular, infinite and NaN ones. */
START_TEST(special_determinants)
{
    const z values[][4] = {{1e200, 1e200, 1e-300, 1e-100},
                           {1e-200, 1e-200, 1e300, -1e100},
                           {1, 0, 5, 2},
                           {1, INFINITY, -1, 1},
                           {1, NAN, 1, 1}};
    const double dets[] = {1, -1, 0, -INFINITY, NAN}, logs[] = {0, 0, -INFINITY, INFINITY, NAN};
    const double signs[] = {1, -1, 0, -1, NAN};

    for (int k = 0; k < 5; k++) {
        z a[16] = {0}, *s, *l, *d;
        DA_AUTO da_array *A = NULL, *S = NULL, *L = NULL, *D = NULL;

        for (int i = 0; i < 4; i++)
            a[5 * i] = values[k][i];
        A = array_of(DA_F64, 4, 4, a);
        ck_ok(da_slogdet(&S, &L, A));
        ck_ok(da_det(&D, A));
        ck_ok(da_wait(S));
        s = host_of(S);
        l = host_of(L);
        d = host_of(D);
        ck_assert_msg(creal(*s) == signs[k] || (isnan(creal(*s)) && k >= 3), "%d: sign %g", k, creal(*s));
        ck_assert_msg(creal(*l) == logs[k] || fabs(creal(*l) - logs[k]) < 1e-13 ||
                          (isnan(creal(*l)) && k >= 3),
                      "%d: logarithm %g", k, creal(*l));
        ck_assert_msg(fabs(creal(*d) - dets[k]) < 1e-13 || creal(*d) == dets[k] ||
                          (isnan(creal(*d)) && k >= 3),
                      "%d: det %g", k, creal(*d));
        free(s);
        free(l);
        free(d);
    }
}
END_TEST

/* ---- rcond ---- */

static z *with_condition(int64_t n, double cond)
{
    return definite_values(DA_C128, n, cond);
}

START_TEST(conditions)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 50;

    seed_values(24);
    for (int i = 0; i < 4; i++) {
        const double cond = pow(10, i);
        z *a = with_condition(n, cond), *r, *q;
        DA_AUTO da_array *A = NULL, *R = NULL, *Q = NULL;

        for (int64_t k = 0; k < n * n && !is_complex(dtype); k++)
            a[k] = creal(a[k]);
        ck_ok(da_blocks(i % 2 ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
        A = view_of(i, dtype, n, n, a);
        ck_ok(da_rcond(&R, A, 0));
        ck_ok(da_rcond(&Q, A, i % 2 ? DA_UPPER : DA_LOWER));
        ck_assert_int_eq(da_array_ndim(R), 0);
        ck_assert_int_eq(da_array_dtype(R), dtype == DA_C64 ? DA_F32 : dtype == DA_C128 ? DA_F64 : dtype);
        r = host_of(R);
        q = host_of(Q);
        /* in the 1-norm, which is within n of the 2-norm; LAPACK's own answer is the exact thing to ask */
        z *lu = new_values(n * n);
        lapack_int rows[50];
        double expected = 0;
        memcpy(lu, a, (size_t)(n * n) * sizeof *lu);
        const double one = LAPACKE_zlange(LAPACK_COL_MAJOR, '1', (int)n, (int)n, a, (int)n);
        ck_assert_int_eq(LAPACKE_zgetrf(LAPACK_COL_MAJOR, (int)n, (int)n, lu, (int)n, rows), 0);
        ck_assert_int_eq(LAPACKE_zgecon(LAPACK_COL_MAJOR, '1', (int)n, lu, (int)n, one, &expected), 0);
        ck_below("rcond", fabs(creal(*r) - expected) / expected, 0.5, "cond %g %s", cond,
                 da_dtype_name(dtype));
        ck_below("rcond", fabs(creal(*q) - expected) / expected, 0.5, "definite, cond %g %s", cond,
                 da_dtype_name(dtype));
        free(a);
        free(r);
        free(q);
        free(lu);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

START_TEST(special_conditions)
{
    const double odd[] = {0, INFINITY, NAN}, expected[] = {0, 0, NAN};

    for (int k = 0; k < 3; k++)
        for (int64_t at = 0; at < 9; at++) {
            const z zero[9] = {0};
            z a[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, *r;
            DA_AUTO da_array *A = NULL, *R = NULL;

            a[at] = odd[k];
            A = array_of(DA_F32, 3, 3, k == 0 && at == 1 ? zero : a);
            ck_ok(da_rcond(&R, A, 0));
            ck_ok(da_wait(R));
            r = host_of(R);
            if (k > 0 || at % 4 == 0 || at == 1)
                ck_assert_msg(creal(*r) == expected[k] || (isnan(creal(*r)) && isnan(expected[k])), "%d: %g",
                              k, creal(*r));
            free(r);
        }
}
END_TEST

/* ---- Bunch-Kaufman ---- */

/* A Hermitian or, if `symmetric`, a symmetric matrix that is not definite; its other triangle, in *given, is NaN. */
static z *indefinite(da_dtype dtype, int64_t n, bool symmetric)
{
    z *a = random_values(dtype, n, n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++)
            a[i + j * n] = i < j       ? symmetric ? a[j + i * n] : conj(a[j + i * n])
                                 : symmetric ? a[i + j * n]
                                       : creal(a[i + j * n]);
    return a;
}

static void check_ldl(int kind, da_dtype dtype, int64_t n, int64_t p, double factor, unsigned flags)
{
    const bool symmetric = (flags & DA_TRANSPOSE) != 0, upper = (flags & DA_UPPER) != 0;
    z *a = indefinite(dtype, n, symmetric), *given, *b = random_values(dtype, n, p);

    for (int64_t i = 0; i < n * n; i++)
        a[i] *= factor;
    given = one_triangle(a, n, upper);
    DA_AUTO da_array *A = view_of(kind, dtype, n, n, given), *B = view_of((kind + 2) % VIEWS, dtype, n, p, b);
    DA_AUTO da_array *F = NULL, *P = NULL, *X = NULL;

    ck_ok(da_ldl(&F, &P, A, flags));
    ck_ok(da_ldl_solve(&X, F, P, B, flags));
    check("ldl", X, a, 'N', b, n, p);
    if (n > 0 && dtype == DA_C128) { /* LAPACK's own pivots */
        lapack_int *rows = calloc((size_t)n, sizeof *rows);
        int64_t *got = calloc((size_t)n, sizeof *got);

        ck_assert_int_eq((symmetric ? LAPACKE_zsytrf : LAPACKE_zhetrf)(LAPACK_COL_MAJOR, upper ? 'U' : 'L',
                                                                       (int)n, a, (int)n, rows),
                         0);
        ck_ok(da_to_host(P, got, (size_t)n * sizeof *got, DA_ROW_MAJOR));
        for (int64_t i = 0; i < n; i++)
            ck_assert_int_eq(got[i], rows[i] > 0 ? rows[i] - 1 : rows[i]);
        free(rows);
        free(got);
    }
    free(a);
    free(given);
    free(b);
}

START_TEST(symmetric)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)(100 + _i));
    for (int kind = 0; kind < VIEWS; kind++)
        for (unsigned flags = 0; flags < 4; flags++) {
            const unsigned how = (flags & 1 ? DA_UPPER : 0) | (flags & 2 ? DA_TRANSPOSE : 0);

            ck_ok(da_blocks(DA_SHAPE(8, 8)));
            check_ldl(kind, dtype, n, 9, 1, how);
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            check_ldl(kind, dtype, n, 1, 1, how);
            if (dtype == DA_F32 || dtype == DA_C64) /* so large that sums may be infinite: column by column */
                check_ldl(kind, dtype, n, 3, 0x1p70, how);
        }
    check_ldl(VIEW_PLAIN, dtype, 150, 3, 1, DA_LOWER);
}
END_TEST

START_TEST(singular_symmetric)
{
    const int64_t n = 12, bads[] = {0, 5, 11}, bad = bads[_i];
    z *a = new_values(n * n), *b = new_values(n);
    char text[80];
    DA_AUTO da_array *A = NULL, *B = vector_of(DA_F64, n, b), *F = NULL, *P = NULL, *X = NULL, *Q = NULL,
                     *Y = NULL;

    snprintf(text, sizeof text, "block %d of 12 of D is zero or NaN", (int)bad + 1);
    for (int64_t i = 0; i < n; i++)
        a[i + i * n] = i >= bad && (i - bad) % 3 == 0 ? 0 : i % 2 ? 1 : -1;
    A = array_of(DA_F64, n, n, a);
    ck_ok(da_ldl(&F, &P, A, 0));
    ck_ok(da_wait(F));
    ck_ok(da_ldl_solve(&X, F, P, B, 0));
    ck_fails(da_wait(X), DA_ERROR_NUMERICAL, text);
    /* pivots that are none */
    for (int wrong = 0; wrong < 3; wrong++) {
        int64_t *pivots = calloc((size_t)n, sizeof *pivots);

        ck_assert_ptr_nonnull(pivots);
        pivots[wrong == 1 ? 0 : n - 1] = wrong ? -1 : n; /* half a block, in front and at the end */
        ck_ok(da_from_host(&Q, DA_I64, DA_SHAPE(n), pivots, DA_ROW_MAJOR));
        ck_ok(da_ldl_solve(&Y, F, Q, B, 0));
        ck_fails(da_wait(Y), DA_ERROR_TASK, "pivots");
        da_array_release(&Q);
        da_array_release(&Y);
        free(pivots);
    }
    free(a);
    free(b);
}
END_TEST

/* ---- mixed precision ---- */

/* Q1 diag Q2 with singular values from 1 to 1/cond: geometric, or one tiny one. */
static z *with_spectrum(da_dtype dtype, int64_t n, double cond, bool one_tiny)
{
    z *q[2], *a;

    for (int k = 0; k < 2; k++) {
        z *tau = new_values(n);

        q[k] = random_values(dtype, n, n);
        ck_assert_int_eq(LAPACKE_zgeqrf(LAPACK_COL_MAJOR, (int)n, (int)n, q[k], (int)n, tau), 0);
        ck_assert_int_eq(LAPACKE_zungqr(LAPACK_COL_MAJOR, (int)n, (int)n, (int)n, q[k], (int)n, tau), 0);
        free(tau);
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            q[0][i + j * n] *=
                one_tiny ? (j == n - 1 ? 1 / cond : 1) : pow(cond, -(double)j / (double)(n - 1));
    a = product(n, n, n, q[0], 'N', q[1], 'N');
    for (int64_t i = 0; i < n * n && !is_complex(dtype); i++)
        a[i] = creal(a[i]);
    free(q[0]);
    free(q[1]);
    return a;
}

START_TEST(mixed)
{
    const da_dtype dtype = _i % 2 ? DA_C128 : DA_F64;
    const int exponents[] = {0, 3, 6, 7, 9, 12};
    const int64_t n = 60, p = _i / 2 ? 4 : 1;

    seed_values((uint64_t)(200 + _i));
    ck_ok(da_blocks(_i / 2 ? DA_SHAPE(16, 16) : DA_SCALAR_SHAPE));
    for (int e = 0; e < 6; e++)
        for (int one_tiny = 0; one_tiny < 2; one_tiny++) {
            z *a = with_spectrum(dtype, n, pow(10, exponents[e]), one_tiny), *b = random_values(dtype, n, p);
            DA_AUTO da_array *A = view_of(e, dtype, n, n, a), *B = view_of((e + 1) % VIEWS, dtype, n, p, b);
            DA_AUTO da_array *X = NULL, *Y = NULL;
            double full, refined;

            ck_ok(da_solve_mixed(&X, A, B));
            ck_ok(da_solve(&Y, A, B));
            refined = residual(X, a, 'N', b, n, p);
            full = residual(Y, a, 'N', b, n, p);
            ck_below("solve_mixed", refined, 1, "cond 1e%d %s", exponents[e], da_dtype_name(dtype));
            if (exponents[e] <= 6)
                ck_below("solve_mixed", refined / full, 3, "against full precision, cond 1e%d %s",
                         exponents[e], da_dtype_name(dtype));
            free(a);
            free(b);
        }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* Numbers that single precision cannot hold, on either side; zeros; vectors; batches; empty matrices; singular ones; NaN. */
START_TEST(mixed_specially)
{
    const double scales[] = {1e-300, 1e-50, 1e-20, 1e20, 1e50, 1e150};
    const int64_t n = 20;
    z *a, *b;

    seed_values(32);
    a = random_values(DA_F64, n, n);
    b = random_values(DA_F64, n, 1);
    for (int s = 0; s < 6; s++)
        for (int which = 0; which < 4; which++) {
            z *sa = new_values(n * n), *sb = new_values(n);
            DA_AUTO da_array *A = NULL, *B = NULL, *X = NULL;

            for (int64_t i = 0; i < n * n; i++)
                sa[i] =
                    a[i] *
                    (which == 1 || (which == 2 && i % n < 3) || (which == 3 && i / n < 3) ? scales[s] : 1);
            for (int64_t i = 0; i < n; i++)
                sb[i] = b[i] * (which == 0 || (which == 2 && i < 3) ? scales[s] : 1);
            A = array_of(DA_F64, n, n, sa);
            B = vector_of(DA_F64, n, sb);
            ck_ok(da_solve_mixed(&X, A, B));
            ck_assert_int_eq(da_array_ndim(X), 1);
            ck_ok(da_wait(X));
            if (which < 2) { /* compared without the scale: its squares overflow */
                z *x = host_of(X), *back;
                for (int64_t i = 0; i < n; i++)
                    x[i] *= which == 0 ? 1 / scales[s] : scales[s];
                back = product(n, 1, n, a, 'N', x, 'N');
                ck_below("scaled",
                         distance(back, b, n) /
                             ((norm(a, n * n) * norm(x, n) + norm(b, n)) * 20 * DBL_EPSILON),
                         30, "%g", scales[s]);
                free(x);
                free(back);
            }
            free(sa);
            free(sb);
        }
    /* zeros on the right; a batch with one matrix that needs all digits; nothing */
    z *zeros = new_values(n);
    DA_AUTO da_array *A = array_of(DA_F64, n, n, a), *Z = vector_of(DA_F64, n, zeros), *X = NULL, *E = NULL,
                     *W = NULL;
    DA_AUTO da_array *S = NULL, *T = NULL, *N = NULL, *U = NULL, *both = NULL, *V = NULL, *H = NULL,
                     *B = vector_of(DA_F64, n, b);
    z *x;
    ck_ok(da_solve_mixed(&X, A, Z));
    x = host_of(X);
    ck_assert(norm(x, n) == 0);
    ck_ok(da_zeros(&E, DA_F64, DA_SHAPE(0, 0)));
    ck_ok(da_solve_mixed(&W, E, E));
    ck_assert_int_eq(da_array_size(W), 0);
    ck_ok(da_ones(&S, DA_F64, DA_SHAPE(n, n)));
    ck_ok(da_solve_mixed(&T, S, B));
    ck_fails(da_wait(T), DA_ERROR_NUMERICAL, "pivot 2 of 20 is zero");
    ck_ok(da_full(&N, DA_F64, DA_SHAPE(n, n), NAN));
    ck_ok(da_solve_mixed(&U, N, B));
    ck_ok(da_wait(U));
    ck_ok(da_random_normal(&both, DA_F64, DA_SHAPE(3, n, n), 5));
    ck_ok(DA_SLICE(&H, both, DA_AT(1)));
    ck_ok(da_assign(H, da_multiply(H, 1e100)));
    ck_ok(da_solve_mixed(&V, both, B));
    ck_assert_int_eq(da_array_ndim(V), 2);
    for (int k = 0; k < 3; k++) {
        DA_AUTO da_array *one = NULL, *v = NULL;
        z *ha, *hv, *back;

        ck_ok(DA_SLICE(&one, both, DA_AT(k)));
        ck_ok(DA_SLICE(&v, V, DA_AT(k)));
        ha = host_of(one);
        hv = host_of(v);
        back = product(n, 1, n, ha, 'N', hv, 'N');
        ck_below("batch", distance(back, b, n) / (norm(b, n) * 1e4 * DBL_EPSILON), 30, "%d", k);
        free(ha);
        free(hv);
        free(back);
    }
    free(a);
    free(b);
    free(x);
    free(zeros);
}
END_TEST

static da_status inside(const da_call *call)
{
    da_array *const *in = call->values[0].data;
    da_array *x = NULL;
    const da_status status = da_solve_mixed(&x, in[0], in[0]);

    *(int64_t *)call->buffers[0].data = status;
    return DA_OK;
}

START_TEST(mixed_in_a_task)
{
    static const da_codelet codelet = {.name = "test_inside", .cpu = inside};
    DA_AUTO da_array *A = NULL;
    DA_AUTO da_task *t = NULL;
    int64_t status = 0;

    ck_ok(da_ones(&A, DA_F64, DA_SHAPE(3, 3)));
    ck_ok(DA_SPAWN(&t, &codelet, DA_RESULT(int64_t), DA_VALUE(A)));
    ck_ok(da_task_fetch(t, &status, sizeof status));
    ck_assert_int_eq(status, DA_ERROR_STATE);
}
END_TEST

/* ---- all of them ---- */

/* (2, 1) matrices and (3,) right-hand sides */
START_TEST(batches)
{
    const int64_t n = 6, p = 2;
    DA_AUTO da_array *A = NULL, *T = NULL, *M = NULL, *B = NULL, *eye = NULL;
    DA_AUTO da_array *D = NULL, *C = NULL, *CS = NULL, *F = NULL, *P = NULL, *LS = NULL, *Inv = NULL,
                     *X = NULL;
    DA_AUTO da_array *det = NULL, *sign = NULL, *logabs = NULL, *R = NULL, *LU = NULL, *PV = NULL, *OT = NULL;

    if (_i)
        ck_ok(da_blocks(DA_SHAPE(2, 2)));
    ck_ok(da_random_normal(&A, DA_F64, DA_SHAPE(2, 1, n, n), 7));
    ck_ok(da_random_normal(&B, DA_F64, DA_SHAPE(3, n, p), 8));
    ck_ok(da_matrix_transpose(&T, A));
    ck_ok(da_matmul(&M, A, T));
    ck_ok(da_eye(&eye, DA_F64, n, n, 0));
    ck_ok(da_assign(M, da_add(M, eye)));
    ck_ok(da_solve_definite(&D, M, B, 0));
    ck_ok(da_cholesky(&C, M, DA_UPPER));
    ck_ok(da_cholesky_solve(&CS, C, B, DA_UPPER));
    ck_ok(da_ldl(&F, &P, M, 0));
    ck_ok(da_ldl_solve(&LS, F, P, B, 0));
    ck_ok(da_solve_mixed(&X, M, B));
    ck_ok(da_lu(&LU, &PV, M));
    ck_ok(da_lu_solve(&OT, LU, PV, B, DA_TRANSPOSE));
    ck_ok(da_inv(&Inv, M));
    ck_ok(da_det(&det, M));
    ck_ok(da_slogdet(&sign, &logabs, M));
    ck_ok(da_rcond(&R, M, 0));
    ck_assert_int_eq(da_array_ndim(Inv), 4);
    const da_array *const each[] = {det, sign, logabs, R};
    for (int k = 0; k < 4; k++) {
        ck_assert_int_eq(da_array_ndim(each[k]), 2);
        ck_assert_int_eq(da_array_shape(each[k]).dim[0], 2);
        ck_assert_int_eq(da_array_shape(each[k]).dim[1], 1);
    }
    for (int k = 0; k < 6; k++) {
        DA_AUTO da_array *m = NULL, *b = NULL, *x = NULL, *inverse = NULL, *d = NULL, *l = NULL;
        const da_array *const all[] = {D, CS, LS, X, OT};
        z *ha, *hb, *hi, *back, *hd, *hl;
        double logarithm;

        ck_ok(DA_SLICE(&m, M, DA_AT(k / 3), DA_AT(0)));
        ck_ok(DA_SLICE(&b, B, DA_AT(k % 3)));
        ha = host_of(m);
        hb = host_of(b);
        for (int which = 0; which < 5; which++) {
            ck_assert_int_eq(da_array_ndim(all[which]), 4);
            ck_ok(DA_SLICE(&x, all[which], DA_AT(k / 3), DA_AT(k % 3)));
            check("batch", x, ha, 'N', hb, n, p);
            da_array_release(&x);
        }
        ck_ok(DA_SLICE(&inverse, Inv, DA_AT(k / 3), DA_AT(0)));
        hi = host_of(inverse);
        back = product(n, n, n, ha, 'N', hi, 'N');
        for (int64_t i = 0; i < n; i++)
            back[i + i * n] -= 1;
        ck_assert(norm(back, n * n) < 1e-10);
        ck_ok(DA_SLICE(&d, det, DA_AT(k / 3), DA_AT(0)));
        ck_ok(DA_SLICE(&l, logabs, DA_AT(k / 3), DA_AT(0)));
        hd = host_of(d);
        hl = host_of(l);
        ck_assert(creal(reference_det(ha, n, &logarithm)) > 0);
        ck_assert(fabs(creal(*hl) - logarithm) < 1e-12 * (1 + fabs(logarithm)));
        ck_assert(fabs(creal(*hd) - exp(logarithm)) < 1e-11 * exp(logarithm));
        free(ha);
        free(hb);
        free(hi);
        free(back);
        free(hd);
        free(hl);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* Many small matrices, one of them singular. */
START_TEST(many)
{
    enum { MATRICES = 3000 };
    DA_AUTO da_array *A = NULL, *one = NULL, *Inv = NULL, *S = NULL, *L = NULL, *R = NULL, *zero = NULL;
    double sign;

    ck_ok(da_random_normal(&A, DA_F64, DA_SHAPE(MATRICES, 3, 3), 9));
    ck_ok(DA_SLICE(&one, A, DA_AT(2000), DA_WHOLE, DA_FROM(1)));
    ck_ok(da_assign(one, 0));
    ck_ok(da_inv(&Inv, A));
    ck_fails(da_wait(Inv), DA_ERROR_NUMERICAL, "inv: the matrix is singular: pivot 2 of 3 is zero");
    ck_ok(da_slogdet(&S, &L, A));
    ck_ok(da_rcond(&R, A, 0));
    ck_ok(da_wait(S));
    ck_ok(da_wait(R));
    ck_ok(DA_SLICE(&zero, S, DA_AT(2000)));
    ck_ok(da_item(&sign, zero));
    ck_assert(sign == 0);
    da_array_release(&zero);
    ck_ok(DA_SLICE(&zero, R, DA_AT(2000)));
    ck_ok(da_item(&sign, zero));
    ck_assert(sign == 0);
}
END_TEST

/* Faults of operands are the results'. */
START_TEST(inherited)
{
    DA_AUTO da_array *A = NULL, *F = NULL, *out[9] = {NULL}, *P = NULL, *Inv = NULL;
    const char *const text = "cholesky: leading minor 2 of 4";

    ck_ok(da_ones(&A, DA_F64, DA_SHAPE(4, 4)));
    ck_ok(da_cholesky(&F, A, 0));
    ck_ok(da_eye(&Inv, DA_F64, 4, 4, 0));
    ck_ok(da_solve_mixed(&out[0], F, Inv));
    ck_ok(da_solve_mixed(&out[1], Inv, F));
    ck_ok(da_inv(&out[2], F));
    ck_ok(da_det(&out[3], F));
    ck_ok(da_slogdet(&out[4], &out[5], F));
    ck_ok(da_rcond(&out[6], F, 0));
    ck_ok(da_ldl(&out[7], &P, F, 0));
    ck_ok(da_cholesky_solve(&out[8], F, Inv, 0));
    for (int i = 0; i < 9; i++) {
        ck_fails(da_wait(out[i]), DA_ERROR_NUMERICAL, text);
        da_array_release(&out[i]);
    }
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *F = NULL, *R = NULL, *V = NULL, *P = NULL, *Q = NULL, *H = NULL;
    da_array *out = NULL, *two = NULL;

    ck_ok(da_ones(&A, DA_F64, DA_SHAPE(3, 3)));
    ck_ok(da_ones(&B, DA_F64, DA_SHAPE(4, 2)));
    ck_ok(da_ones(&F, DA_F32, DA_SHAPE(3, 3)));
    ck_ok(da_ones(&R, DA_F64, DA_SHAPE(3, 4)));
    ck_ok(da_ones(&V, DA_F64, DA_SHAPE(3)));
    ck_ok(da_ones(&H, DA_F16, DA_SHAPE(3, 3)));
    ck_ok(da_zeros(&P, DA_I32, DA_SHAPE(3)));
    ck_ok(da_zeros(&Q, DA_I64, DA_SHAPE(4)));
    ck_fails(da_solve_definite(&out, R, B, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_solve_definite(&out, A, B, 0), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_solve_definite(&out, A, F, 0), DA_ERROR_DTYPE, "float32");
    ck_fails(da_solve_definite(&out, A, A, DA_UPPER | DA_LOWER), DA_ERROR_ARGUMENT, "both");
    ck_fails(da_solve_definite(&out, A, A, DA_UNIT), DA_ERROR_ARGUMENT, "0x8");
    ck_fails(da_solve_definite(NULL, A, A, 0), DA_ERROR_ARGUMENT, "da_solve_definite");
    ck_fails(da_cholesky_solve(&out, A, B, 0), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_cholesky_solve(&out, A, A, DA_TRANSPOSE), DA_ERROR_ARGUMENT, "0x10");
    ck_fails(da_cholesky_solve(&out, NULL, A, 0), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_lu_solve(&out, A, NULL, A, DA_RIGHT), DA_ERROR_ARGUMENT, "0x40");
    ck_fails(da_lu_solve(&out, A, NULL, A, DA_TRANSPOSE | DA_CONJ_TRANSPOSE), DA_ERROR_ARGUMENT, "both");
    ck_fails(da_solve_mixed(&out, F, F), DA_ERROR_DTYPE, "float32");
    ck_fails(da_solve_mixed(&out, A, B), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_solve_mixed(NULL, A, A), DA_ERROR_ARGUMENT, "da_solve_mixed");
    ck_fails(da_inv(&out, R), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_inv(&out, V), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_inv(&out, H), DA_ERROR_DTYPE, "float16");
    ck_fails(da_inv(NULL, A), DA_ERROR_ARGUMENT, "da_inv");
    ck_fails(da_det(&out, R), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_det(&out, NULL), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_slogdet(&out, &out, A), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_slogdet(&out, NULL, A), DA_ERROR_ARGUMENT, "da_slogdet");
    ck_fails(da_slogdet(&out, &two, R), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_rcond(&out, R, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_rcond(&out, A, DA_UNIT), DA_ERROR_ARGUMENT, "0x8");
    ck_fails(da_ldl(&out, &out, A, 0), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_ldl(&out, &two, R, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_ldl(&out, &two, A, DA_CONJ_TRANSPOSE), DA_ERROR_ARGUMENT, "0x20");
    ck_fails(da_ldl_solve(&out, A, P, A, 0), DA_ERROR_DTYPE, "int32");
    ck_fails(da_ldl_solve(&out, A, Q, A, 0), DA_ERROR_SHAPE, "(4,)");
    ck_fails(da_ldl_solve(&out, A, NULL, A, 0), DA_ERROR_ARGUMENT, "null");
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(two);
}
END_TEST

DA_TEST_MAIN("solvers", DA_CASE_SWEEP("definite", SIZES *FLOAT_DTYPES, definite),
             DA_CASE_LOOP("not definite", 6, not_definite), DA_CASE_LOOP("ops", FLOAT_DTYPES, ops),
             DA_CASE_LOOP("inverses", FLOAT_DTYPES, inverses),
             DA_CASE_LOOP("determinants", FLOAT_DTYPES, determinants),
             DA_CASE("special determinants", special_determinants),
             DA_CASE_LOOP("conditions", FLOAT_DTYPES, conditions),
             DA_CASE("special conditions", special_conditions),
             DA_CASE_SWEEP("symmetric", SIZES *FLOAT_DTYPES, symmetric),
             DA_CASE_LOOP("singular symmetric", 3, singular_symmetric), DA_CASE_LOOP("mixed", 4, mixed),
             DA_CASE("mixed, specially", mixed_specially, mixed_in_a_task),
             DA_CASE_LOOP("batches", 2, batches), DA_CASE("many", many, inherited),
             DA_CASE("arguments", bad_arguments))
