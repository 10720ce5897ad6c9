/* Breakdowns of linear algebra: which index is told, against the textbook's unblocked loops (reference LAPACK's info); that every operation
 * passes on what its operands carry; that a full overwrite clears it. */
#include "linalg_check.h"

enum { TILINGS = 3 };
static void set_tiling(int which)
{
    ck_ok(da_blocks(which == 0 ? DA_SCALAR_SHAPE : which == 1 ? DA_SHAPE(8, 8) : DA_SHAPE(5, 3)));
}

/* ---- the index ---- */

/* potf2: the first pivot that is not positive, NaN included, from 1; 0 if there is none. */
static int64_t textbook_cholesky(const z *a, int64_t n, bool upper)
{
    z *l = new_values(n * n);
    int64_t info = 0;

    for (int64_t j = 0; j < n && info == 0; j++)
        for (int64_t i = j; i < n; i++) {
            z sum = upper ? conj(a[j + i * n]) : a[i + j * n];

            if (i == j)
                sum = creal(sum);
            for (int64_t k = 0; k < j; k++)
                sum -= l[i + k * n] * conj(l[j + k * n]);
            if (i == j && !(creal(sum) > 0)) {
                info = j + 1;
                break;
            }
            l[i + j * n] = i == j ? (z)sqrt(creal(sum))
                                  : CMPLX(creal(sum) / creal(l[j + j * n]), cimag(sum) / creal(l[j + j * n]));
        }
    free(l);
    return info;
}

/* What was told is the sentence with this info; nothing if it is 0. */
static void check_told(const da_array *a, const char *sentence, int64_t info, int64_t n, const char *what)
{
    char expected[120];

    if (info == 0) {
        const da_status status = da_wait(a);
        ck_assert_msg(status == DA_OK, "%s: %s", what, da_error());
        return;
    }
    snprintf(expected, sizeof expected, sentence, (int)info, (int)n);
    ck_assert_msg(da_wait(a) == DA_ERROR_NUMERICAL, "%s: no \"%s\"", what, expected);
    ck_assert_msg(strstr(da_error(), expected), "%s: \"%s\" instead of \"%s\"", what, da_error(), expected);
}

/* An index below n, often the first or last. */
static int64_t some_index(int64_t n)
{
    const double x = (value() + 1) / 2;

    return x < 0.15 ? 0 : x < 0.3 ? n - 1 : (int64_t)((x - 0.3) / 0.7 * (double)n);
}

/* One, two or more bad entries, on the diagonal or off it. */
START_TEST(leading_minors)
{
    const da_dtype dtype = float_dtypes[_i];
    const double bads[] = {-1, 0, NAN, INFINITY, -INFINITY, -1e-30, 30};
    const int64_t n = 30;

    seed_values(41);
    for (int trial = 0; trial < 150; trial++) {
        const bool upper = trial % 2;
        const unsigned flags = upper ? DA_UPPER : DA_LOWER;
        z *a = definite_values(dtype, n, 10);
        DA_AUTO da_array *A = NULL, *L = NULL;
        char what[100];
        int64_t info;
        int used = 0;

        for (int count = 0; count < trial % 4; count++) {
            const int64_t i = some_index(n), j = value() < 0.4 ? i : some_index(n);
            const double bad = bads[(trial / 4 + count * 3) % 7];
            a[i + j * n] = a[j + i * n] = bad;
            used += snprintf(what + used, sizeof what - (size_t)used, "%g at (%d, %d) ", bad, (int)i, (int)j);
        }
        snprintf(what + used, sizeof what - (size_t)used, "%s %s", upper ? "upper" : "lower",
                 da_dtype_name(dtype));
        info = textbook_cholesky(a, n, upper);
        set_tiling(trial % TILINGS);
        A = view_of(trial / 2 % VIEWS, dtype, n, n, a);
        ck_ok(da_cholesky(&L, A, flags));
        check_told(L, "cholesky: leading minor %d of %d is not positive definite", info, n, what);
        ck_ok(da_cholesky_inplace(A, flags));
        check_told(A, "cholesky: leading minor %d of %d is not positive definite", info, n, what);
        free(a);
    }
    set_tiling(0);
}
END_TEST

/* A pivot that is NaN comes before a later one that is negative, though OpenBLAS only tells the latter; and an infinite pivot makes NaN of an
 * infinity below it, though OpenBLAS makes 0 of it. */
START_TEST(minors_beside_nan)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 9;

    for (int tiling = 0; tiling < TILINGS; tiling++)
        for (int infinite = 0; infinite < 2; infinite++)
            for (int u = 0; u < 2; u++) {
                DA_AUTO da_array *A = NULL, *L = NULL;
                z *a;

                seed_values(42);
                a = definite_values(dtype, n, 10);
                if (infinite) {
                    a[3 + 3 * n] = a[3 + 5 * n] = a[5 + 3 * n] = INFINITY;
                } else {
                    a[1 + 1 * n] = NAN;
                    a[7 + 7 * n] = -1e-30;
                }
                set_tiling(tiling);
                A = array_of(dtype, n, n, a);
                ck_ok(da_cholesky(&L, A, u ? DA_UPPER : DA_LOWER));
                ck_fails(da_wait(L), DA_ERROR_NUMERICAL,
                         infinite ? "leading minor 6 of 9" : "leading minor 2 of 9");
                free(a);
            }
    set_tiling(0);
}
END_TEST

/* trtrs, getrf and gels: the first zero on the diagonal, one or several, NaN not among them */
START_TEST(zero_pivots)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 26;

    seed_values(43);
    for (int trial = 0; trial < 120; trial++) {
        const bool upper = trial % 2;
        z *t = random_values(dtype, n, n), *a = random_values(dtype, n + 4, n),
          *b = random_values(dtype, n + 4, 2);
        DA_AUTO da_array *T = NULL, *A = NULL, *S = NULL, *B = NULL, *C = NULL, *X = NULL, *Y = NULL,
                         *Z = NULL, *U = NULL, *P = NULL, *V = NULL;
        int64_t info = 0;

        for (int64_t i = 0; i < n; i++)
            t[i + i * n] += 4;
        for (int count = 0; count < trial % 4; count++) {
            const int64_t i = some_index(n);

            t[i + i * n] = count == 1 ? -0.0 : 0;
            for (int64_t k = 0; k < n + 4;
                 k++) /* what stands in this column is zero from the beginning to the end */
                a[k + i * (n + 4)] = 0;
            info = info == 0 || i + 1 < info ? i + 1 : info;
        }
        set_tiling(trial / 3 % TILINGS);
        T = view_of(trial % VIEWS, dtype, n, n, t);
        A = view_of(trial % VIEWS, dtype, n + 4, n, a);
        B = array_of(dtype, n, 2, b);
        C = array_of(dtype, n + 4, 2, b);
        ck_ok(da_solve_triangular(&X, T, B, upper ? DA_UPPER : DA_LOWER | DA_TRANSPOSE));
        check_told(X, "solve_triangular: diagonal element %d of %d is zero", info, n, "triangular");
        ck_ok(DA_SLICE(&S, A, DA_RANGE(2, n + 2)));
        ck_ok(da_solve(&Y, S, B));
        check_told(Y, "solve: the matrix is singular: pivot %d of %d is zero", info, n, "solve");
        ck_ok(da_lu(&U, &P, S));
        ck_ok(da_lu_solve(&V, U, P, B, 0));
        check_told(V, "solve: the matrix is singular: pivot %d of %d is zero", info, n, "lu_solve");
        ck_ok(da_wait(U));
        ck_ok(da_lstsq(&Z, A, C));
        check_told(Z, "lstsq: column %d of %d depends on those before it", info, n, "lstsq");
        /* in place */
        ck_ok(da_solve_triangular_inplace(T, B, upper ? DA_UPPER : DA_LOWER | DA_TRANSPOSE));
        check_told(B, "solve_triangular: diagonal element %d of %d is zero", info, n, "triangular in place");
        free(t);
        free(a);
        free(b);
    }
    set_tiling(0);
}
END_TEST

static void check_result(da_array **out, const char *sentence, int64_t info, int64_t n, const char *what)
{
    check_told(*out, sentence, info, n, what);
    da_array_release(out);
}

/* The same of what solves by other means, or with factors made before. */
START_TEST(zero_pivots_elsewhere)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 26, m = n + 4;

    seed_values(47);
    for (int trial = 0; trial < 48; trial++) {
        const bool upper = trial % 2, symmetric = trial % 3 == 0;
        const unsigned flags = upper ? DA_UPPER : DA_LOWER,
                       ldl_flags = flags | (symmetric ? DA_TRANSPOSE : 0);
        z *t = random_values(dtype, n, n), *a = random_values(dtype, m, n), *d = new_values(n * n),
          *b = random_values(dtype, m, 2);
        DA_AUTO da_array *T = NULL, *A = NULL, *Ah = NULL, *S = NULL, *D = NULL, *B = NULL, *C = NULL,
                         *F = NULL, *P = NULL, *out = NULL, *other = NULL;
        DA_AUTO da_qr_factors *tall = NULL, *wide = NULL;
        int64_t info = 0;

        for (int64_t i = 0; i < n; i++) {
            t[i + i * n] += 4;
            d[i + i * n] = value() < 0 ? -2 : 3;
        }
        for (int count = 0; count < trial % 4; count++) {
            const int64_t i = some_index(n);

            t[i + i * n] = d[i + i * n] = 0;
            for (int64_t k = 0; k < m; k++)
                a[k + i * m] = 0;
            info = info == 0 || i + 1 < info ? i + 1 : info;
        }
        set_tiling(trial / 3 % TILINGS);
        T = view_of(trial % VIEWS, dtype, n, n, t);
        A = view_of(trial % VIEWS, dtype, m, n, a);
        D = view_of(trial % VIEWS, dtype, n, n, d);
        B = array_of(dtype, n, 2, b);
        C = array_of(dtype, m, 2, b);
        ck_ok(da_matrix_transpose(&Ah, A));
        ck_ok(DA_SLICE(&S, A, DA_RANGE(2, n + 2)));

        ck_ok(da_copy(&out, B));
        ck_ok(da_trsm(T, out, 2, flags | (trial % 4 < 2 ? DA_CONJ_TRANSPOSE : 0)));
        check_result(&out, "solve_triangular: diagonal element %d of %d is zero", info, n, "trsm");
        ck_ok(da_cholesky_solve(&out, T, B, flags));
        check_result(&out, "cholesky_solve: diagonal element %d of %d of the factor is zero", info, n,
                     "cholesky_solve");
        ck_ok(da_inv(&out, S));
        check_result(&out, "inv: the matrix is singular: pivot %d of %d is zero", info, n, "inv");
        ck_ok(da_matrix_power(&out, S, -3));
        check_result(&out, "the matrix is singular: pivot %d of %d is zero", info, n, "matrix_power");
        if (eps_of(dtype) < 1e-10) {
            ck_ok(da_solve_mixed(&out, S, B));
            check_result(&out, "solve: the matrix is singular: pivot %d of %d is zero", info, n,
                         "solve_mixed");
        }
        ck_ok(da_lu_nopivot(&out, A)); /* of 30 x 26 */
        check_result(&out, "lu_nopivot: pivot %d of %d is zero", info, n, "lu_nopivot");
        ck_ok(da_copy(&out, S));
        ck_ok(da_lu_nopivot_inplace(out));
        check_result(&out, "lu_nopivot: pivot %d of %d is zero", info, n, "lu_nopivot_inplace");
        /* a zero pivot is a fault of what is solved with it, not of the factors */
        ck_ok(da_lu(&F, &P, S));
        ck_ok(da_lu_solve(&out, F, P, B, upper ? DA_TRANSPOSE : DA_CONJ_TRANSPOSE));
        check_result(&out, "solve: the matrix is singular: pivot %d of %d is zero", info, n,
                     "lu_solve, transposed");
        ck_ok(da_lu_solve(&out, F, NULL, B, 0));
        check_result(&out, "solve: the matrix is singular: pivot %d of %d is zero", info, n,
                     "lu_solve without pivots");
        da_array_release(&F);
        da_array_release(&P);
        ck_ok(da_ldl(&F, &P, D, ldl_flags));
        ck_ok(da_ldl_solve(&out, F, P, B, ldl_flags));
        check_result(&out, "ldl_solve: the matrix is singular: block %d of %d of D is zero or NaN", info, n,
                     "ldl_solve");
        ck_ok(da_wait(F));
        ck_ok(da_wait(P));
        /* least squares of either shape, and from factors */
        ck_ok(da_lstsq(&out, Ah, B));
        check_result(&out, "lstsq: row %d of %d depends on those before it", info, n, "lstsq, wide");
        ck_ok(da_qr_factor(&tall, A));
        ck_ok(da_qr_solve(&out, tall, C));
        check_result(&out, "qr_solve: column %d of %d depends on those before it", info, n, "qr_solve");
        ck_ok(da_lq_factor(&wide, Ah));
        ck_ok(da_qr_solve(&out, wide, B));
        check_result(&out, "qr_solve: row %d of %d depends on those before it", info, n, "qr_solve, wide");
        /* for which singular is no fault */
        ck_ok(da_det(&out, S));
        check_result(&out, "", 0, n, "det");
        ck_ok(da_slogdet(&out, &other, S));
        check_result(&out, "", 0, n, "slogdet's sign");
        check_result(&other, "", 0, n, "slogdet");
        ck_ok(da_rcond(&out, S, 0));
        check_result(&out, "", 0, n, "rcond");
        ck_ok(da_cond(&out, S, DA_NORM_1));
        check_result(&out, "", 0, n, "cond");
        ck_ok(da_lstsq_rank(&out, NULL, A, C, -1));
        check_result(&out, "", 0, n, "lstsq_rank");
        ck_ok(da_pinv(&out, A, -1, 0));
        check_result(&out, "", 0, n, "pinv");
        free(t);
        free(a);
        free(d);
        free(b);
    }
    set_tiling(0);
}
END_TEST

/* A zero pivot and a NaN: the zero is told where it comes before the NaN has reached its place, as LAPACK would. */
START_TEST(zero_before_nan)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 18;

    seed_values(44);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        z *t = random_values(dtype, n, n), *b = random_values(dtype, n, 2);
        DA_AUTO da_array *T = NULL, *B = NULL, *X = NULL, *Y = NULL;

        keep_triangle(t, n, n, true, false);
        for (int64_t i = 0; i < n; i++)
            t[i + i * n] += 4;
        t[3 + 3 * n] = 0;
        t[11 + 11 * n] = NAN;
        t[15 + 15 * n] = 0;
        set_tiling(tiling);
        T = array_of(dtype, n, n, t);
        B = array_of(dtype, n, 2, b);
        ck_ok(da_solve_triangular(&X, T, B, DA_UPPER));
        check_told(X, "solve_triangular: diagonal element %d of %d is zero", 4, n, "triangular");
        ck_ok(da_solve(&Y, T, B));
        check_told(Y, "solve: the matrix is singular: pivot %d of %d is zero", 4, n, "solve");
        free(t);
        free(b);
    }
    set_tiling(0);
}
END_TEST

/* Bunch-Kaufman leaves out a column with NaN on the diagonal, however many columns LAPACK's panels have, and goes on; infinity is a pivot. */
START_TEST(ldl_of_nan)
{
    enum { MOST = 100 };
    const da_dtype dtype = float_dtypes[_i];
    const double bads[] = {NAN, INFINITY, -INFINITY};

    seed_values(49);
    for (int trial = 0; trial < 36; trial++) {
        const int64_t n = trial % 2 ? MOST : 9, at = trial / 2 % 3 * (n - 1) / 2;
        const bool upper = trial / 6 % 2, symmetric = trial % 5 < 2;
        const unsigned flags = (upper ? DA_UPPER : DA_LOWER) | (symmetric ? DA_TRANSPOSE : 0);
        const double bad = bads[trial / 12];
        z *a = random_values(dtype, n, n), *b = random_values(dtype, n, 2), *f;
        DA_AUTO da_array *A = NULL, *B = NULL, *F = NULL, *P = NULL, *X = NULL;
        int64_t pivots[MOST], nans = 0;

        for (int64_t i = 0; i < n; i++)
            a[i + i * n] = (double)(i % 2 ? 2 * n : -2 * n);
        a[at + at * n] = bad;
        if (at + 3 < n)
            a[at + 3 + (at + 3) * n] = bad; /* the first one is told */
        set_tiling(trial / 6 % TILINGS);
        A = view_of(trial % VIEWS, dtype, n, n, a);
        B = array_of(dtype, n, 2, b);
        ck_ok(da_ldl(&F, &P, A, flags));
        ck_ok(da_ldl_solve(&X, F, P, B, flags));
        check_told(X, "ldl_solve: the matrix is singular: block %d of %d of D is zero or NaN",
                   isnan(bad) ? at + 1 : 0, n, "ldl_solve");
        f = host_of(F);
        for (int64_t i = 0; i < n * n; i++)
            nans += isnan(creal(f[i])) || isnan(cimag(f[i]));
        ck_assert_int_eq((int)nans, isnan(bad) ? 1 + (at + 3 < n) : 0);
        ck_ok(da_to_host(P, pivots, (size_t)n * sizeof *pivots, DA_ROW_MAJOR));
        for (int64_t i = 0; i < n; i++)
            ck_assert_int_eq((int)pivots[i], (int)i);
        free(a);
        free(b);
        free(f);
    }
    set_tiling(0);
}
END_TEST

/* The columns of Hermitian matrices are divided by real numbers: NaN in one part of an element stays in that part. */
START_TEST(ldl_of_half_nan)
{
    const da_dtype dtype = _i ? DA_C128 : DA_C64;
    const z half = CMPLX(1, NAN), a[9] = {4, 1, half, 1, 4, 1, half, 1, 4};

    for (int upper = 0; upper < 2; upper++) {
        DA_AUTO da_array *A = array_of(dtype, 3, 3, a), *F = NULL, *P = NULL;
        z *f;

        ck_ok(da_ldl(&F, &P, A, upper ? DA_UPPER : DA_LOWER));
        f = host_of(F);
        ck_assert_double_eq(creal(f[upper ? 6 : 2]), 0.25);
        ck_assert(isnan(cimag(f[upper ? 6 : 2])));
        free(f);
    }
}
END_TEST

static void check_batch(const da_array *A, const da_array *B)
{
    DA_AUTO da_array *out = NULL, *lu = NULL, *pivots = NULL, *ldl = NULL, *rows = NULL, *wide = NULL,
                     *columns = NULL;

    ck_ok(da_solve_definite(&out, A, B, DA_UPPER));
    check_result(&out, "leading minor %d of %d", 3, 7, "solve_definite");
    ck_ok(da_cholesky_solve(&out, A, B, DA_UPPER));
    check_result(&out, "cholesky_solve: diagonal element %d of %d", 3, 7, "cholesky_solve");
    ck_ok(da_rcond(&out, A, DA_LOWER));
    check_result(&out, "leading minor %d of %d", 3, 7, "rcond");
    ck_ok(da_inv(&out, A));
    check_result(&out, "inv: the matrix is singular: pivot %d of %d", 3, 7, "inv");
    ck_ok(da_solve_mixed(&out, A, B));
    check_result(&out, "solve: the matrix is singular: pivot %d of %d", 3, 7, "solve_mixed");
    ck_ok(da_lu_nopivot(&out, A));
    check_result(&out, "lu_nopivot: pivot %d of %d", 3, 7, "lu_nopivot");
    ck_ok(da_lu(&lu, &pivots, A));
    ck_ok(da_lu_solve(&out, lu, pivots, B, DA_TRANSPOSE));
    check_result(&out, "solve: the matrix is singular: pivot %d of %d", 3, 7, "lu_solve");
    ck_ok(da_ldl(&ldl, &rows, A, 0));
    ck_ok(da_ldl_solve(&out, ldl, rows, B, 0));
    check_result(&out, "ldl_solve: the matrix is singular: block %d of %d", 3, 7, "ldl_solve");
    ck_ok(da_broadcast_to(&columns, B, DA_SHAPE(5, 8, 7, 3)));
    ck_ok(da_copy(&out, columns));
    ck_ok(da_trsm(A, out, 1, DA_UPPER | DA_TRANSPOSE));
    check_result(&out, "diagonal element %d of %d", 3, 7, "trsm");
    ck_ok(DA_SLICE(&wide, B, DA_RANGE(0, 2))); /* beside two rows of A */
    {
        DA_AUTO da_array *two = NULL;

        ck_ok(DA_SLICE(&two, A, DA_WHOLE, DA_WHOLE, DA_RANGE(2, 4)));
        ck_ok(da_lstsq(&out, two, wide));
        check_result(&out, "lstsq: row %d of %d", 1, 2, "lstsq, wide");
    }
}

/* NaN or infinite in columns 6, 3, 7 and 3 of some. */
static void check_batch_of_nan(const da_array *A)
{
    static const char column[] = ": column %d of %d has a NaN or an infinity";
    DA_AUTO da_array *out = NULL, *other = NULL;

    ck_ok(da_eigh(&out, &other, A, DA_UPPER));
    check_result(&out, column, 3, 7, "eigh");
    check_result(&other, column, 3, 7, "eigh's vectors");
    ck_ok(da_eigvalsh(&out, A, 0));
    check_result(&out, column, 3, 7, "eigvalsh");
    ck_ok(da_eig(&out, &other, A));
    check_result(&out, column, 3, 7, "eig");
    check_result(&other, column, 3, 7, "eig's vectors");
    ck_ok(da_eigvals(&out, A));
    check_result(&out, column, 3, 7, "eigvals");
    ck_ok(da_svd(&out, NULL, &other, A, DA_COMPLETE));
    check_result(&out, column, 3, 7, "svd's u");
    check_result(&other, column, 3, 7, "svd's vh");
    ck_ok(da_svdvals(&out, A));
    check_result(&out, column, 3, 7, "svdvals");
    ck_ok(da_matrix_norm(&out, A, DA_NORM_NUC, 0));
    check_result(&out, column, 3, 7, "matrix_norm");
    ck_ok(da_cond(&out, A, DA_NORM_2));
    check_result(&out, column, 3, 7, "cond");
    ck_ok(da_pinv(&out, A, -1, 0));
    check_result(&out, column, 3, 7, "pinv");
    ck_ok(da_pinv(&out, A, -1, DA_LOWER));
    check_result(&out, column, 3, 7, "pinv of Hermitian ones");
    ck_ok(da_matrix_rank(&out, A, -1, DA_UPPER));
    check_result(&out, column, 3, 7, "matrix_rank");
}

/* Of a batch the lowest index in any matrix. */
START_TEST(batches)
{
    const int64_t n = 7, count = 40, bad[][2] = {{31, 5}, {8, 2}, {39, 6}, {17, 2}};
    double *a = calloc((size_t)(count * n * n), sizeof *a);
    DA_AUTO da_array *A = NULL, *B = NULL, *L = NULL, *X = NULL, *T = NULL, *S = NULL;

    for (int64_t k = 0; k < count; k++)
        for (int64_t i = 0; i < n; i++)
            a[k * n * n + i * (n + 1)] = 2;
    for (int k = 0; k < 4; k++)
        a[bad[k][0] * n * n + bad[k][1] * (n + 1)] = 0;
    set_tiling(_i);
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(5, 8, n, n), a, DA_ROW_MAJOR));
    ck_ok(da_ones(&B, DA_F64, DA_SHAPE(n, 3)));
    ck_ok(da_cholesky(&L, A, DA_LOWER));
    ck_fails(da_wait(L), DA_ERROR_NUMERICAL, "leading minor 3 of 7");
    ck_ok(da_solve(&X, A, B));
    ck_fails(da_wait(X), DA_ERROR_NUMERICAL, "pivot 3 of 7");
    ck_ok(da_solve_triangular(&T, A, B, DA_LOWER));
    ck_fails(da_wait(T), DA_ERROR_NUMERICAL, "diagonal element 3 of 7");
    ck_ok(da_lstsq(&S, A, B));
    ck_fails(da_wait(S), DA_ERROR_NUMERICAL, "lstsq: column 3 of 7");
    check_batch(A, B);
    for (int k = 0; k < 4; k++)
        a[bad[k][0] * n * n + bad[k][1] * (n + 1)] = k % 2 ? NAN : -INFINITY;
    da_array_release(&A);
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(5, 8, n, n), a, DA_ROW_MAJOR));
    check_batch_of_nan(A);
    set_tiling(0);
    free(a);
}
END_TEST

/* ---- inherited ---- */

enum { N = 12 };
static const char sentence[] = "cholesky: leading minor 3 of 12 is not positive definite";

/* A matrix of which a part of the storage broke down, though the values that it shows are good: n I + small numbers, lower triangle
 * dominant too. */
static da_array *carrying(da_dtype dtype)
{
    DA_AUTO da_array *base = NULL;
    da_array *square = NULL;
    z *a = random_values(dtype, N, N);
    void *data = calloc(N * N, da_dtype_size(dtype));

    for (int bad = 1; bad >= 0; bad--) {
        for (int64_t j = 0; j < N; j++)
            for (int64_t i = 0; i < N; i++) {
                z x = i == j ? (z)(bad && i == 2 ? -1 : N) : a[(i > j ? i : j) + (i > j ? j : i) * N] / 4;
                if (is_complex(dtype))
                    x = i < j ? conj(x) : i == j ? creal(x) : x;
                put(dtype, data, i + j * N, x);
            }
        if (bad) {
            ck_ok(da_zeros(&base, dtype, DA_SHAPE(N, N + 1)));
            ck_ok(DA_SLICE(&square, base, DA_WHOLE, DA_RANGE(1, N + 1)));
        }
        ck_ok(da_write(square, DA_SHAPE(0, 0), DA_SHAPE(N, N), data, DA_COL_MAJOR));
        if (bad)
            ck_ok(da_cholesky_inplace(square, DA_LOWER));
    }
    ck_fails(da_wait(square), DA_ERROR_NUMERICAL, sentence);
    free(data);
    free(a);
    return square;
}

static da_array *good(da_dtype dtype)
{
    DA_AUTO da_array *eye = NULL;
    da_array *a = NULL;

    ck_ok(da_eye(&eye, dtype, N, N, 0));
    ck_ok(da_eval(&a, da_multiply(eye, N)));
    return a;
}

/* What operation i makes of x, which carries something or not, and of good operands; false beyond the last one. `other` may be another result. */
#define OPERATIONS(OP)                                                                                       \
    OP("matmul's a", da_matmul(out, x, g))                                                                   \
    OP("matmul's b", da_matmul(out, g, x))                                                                   \
    OP("gemm's a", in_place(out, g, (da_gemm)(*out, one, x, g, zero)))                                       \
    OP("gemm's b", in_place(out, g, (da_gemm)(*out, one, g, x, one)))                                        \
    OP("gemm's c", in_place(out, x, (da_gemm)(*out, one, g, g, one)))                                        \
    OP("cholesky", da_cholesky(out, x, DA_LOWER))                                                            \
    OP("cholesky, upper", da_cholesky(out, x, DA_UPPER))                                                     \
    OP("cholesky_inplace", in_place(out, x, da_cholesky_inplace(*out, DA_UPPER)))                            \
    OP("qr's q", da_qr(out, NULL, x))                                                                        \
    OP("qr's r", da_qr(NULL, out, x))                                                                        \
    OP("qr's both", da_qr(other, out, x))                                                                    \
    OP("qr_q", factored(out, x, g, 0))                                                                       \
    OP("qr_r", factored(out, x, g, 1))                                                                       \
    OP("qr_apply's f", factored(out, x, g, 2))                                                               \
    OP("qr_apply's b", factored(out, g, x, 2))                                                               \
    OP("lu", da_lu(out, other, x))                                                                           \
    OP("lu's pivots", da_lu(other, out, x))                                                                  \
    OP("lu_solve's lu", solved(out, x, g, g))                                                                \
    OP("lu_solve's pivots", solved(out, g, x, g))                                                            \
    OP("lu_solve's b", solved(out, g, g, x))                                                                 \
    OP("solve's a", da_solve(out, x, g))                                                                     \
    OP("solve's b", da_solve(out, g, x))                                                                     \
    OP("solve_triangular's t", da_solve_triangular(out, x, g, DA_LOWER))                                     \
    OP("solve_triangular's b", da_solve_triangular(out, g, x, DA_UPPER | DA_RIGHT))                          \
    OP("solve_triangular_inplace's t", in_place(out, g, da_solve_triangular_inplace(x, *out, DA_UPPER)))     \
    OP("solve_triangular_inplace's b", in_place(out, x, da_solve_triangular_inplace(g, *out, DA_UPPER)))     \
    OP("lstsq's a", da_lstsq(out, x, g))                                                                     \
    OP("lstsq's b", da_lstsq(out, g, x))                                                                     \
    OP("qr_complete", da_qr_complete(other, out, x))                                                         \
    OP("tensordot's a", da_tensordot(out, x, g, 1))                                                          \
    OP("tensordot_axes' b", da_tensordot_axes(out, g, x, DA_AXES(0), DA_AXES(1)))                            \
    OP("vecdot's a", da_vecdot(out, x, g, -1))                                                               \
    OP("vecdot's b", da_vecdot(out, g, x, -2))                                                               \
    OP("outer's a", outer(out, x, g))                                                                        \
    OP("outer's b", outer(out, g, x))                                                                        \
    OP("matrix_power", da_matrix_power(out, x, 3))                                                           \
    OP("matrix_power, negative", da_matrix_power(out, x, -2))                                                \
    OP("symm's a", in_place(out, g, da_symm(*out, 1, x, g, 0, 0)))                                           \
    OP("symm's b", in_place(out, g, da_symm(*out, 1, g, x, 1, DA_RIGHT)))                                    \
    OP("symm's c", in_place(out, x, da_symm(*out, 1, g, g, 1, 0)))                                           \
    OP("hemm's a", in_place(out, g, da_hemm(*out, 1, x, g, 1, DA_UPPER)))                                    \
    OP("hemm's b", in_place(out, g, da_hemm(*out, 1, g, x, 0, 0)))                                           \
    OP("syrk's a", in_place(out, g, da_syrk(*out, 1, x, 0, 0)))                                              \
    OP("syrk's c", in_place(out, x, da_syrk(*out, 1, g, 0, 0)))                                              \
    OP("herk's a", in_place(out, g, da_herk(*out, 1, x, 1, DA_UPPER)))                                       \
    OP("herk's c", in_place(out, x, da_herk(*out, 1, g, 1, 0)))                                              \
    OP("syr2k's a", in_place(out, g, da_syr2k(*out, 1, x, g, 1, 0)))                                         \
    OP("syr2k's b", in_place(out, g, da_syr2k(*out, 1, g, x, 0, DA_UPPER)))                                  \
    OP("her2k's a", in_place(out, g, da_her2k(*out, 1, x, g, 1, 0)))                                         \
    OP("her2k's b", in_place(out, g, da_her2k(*out, 1, g, x, 0, DA_UPPER)))                                  \
    OP("trmm's t", in_place(out, g, da_trmm(x, *out, 1, DA_LOWER)))                                          \
    OP("trmm's b", in_place(out, x, da_trmm(g, *out, 1, DA_UPPER)))                                          \
    OP("trsm's t", in_place(out, g, da_trsm(x, *out, 2, DA_LOWER | DA_RIGHT)))                               \
    OP("trsm's b", in_place(out, x, da_trsm(g, *out, 2, DA_UPPER)))                                          \
    OP("lu_inplace", in_place(out, x, da_lu_inplace(*out, other)))                                           \
    OP("lu_nopivot", da_lu_nopivot(out, x))                                                                  \
    OP("lu_nopivot_inplace", in_place(out, x, da_lu_nopivot_inplace(*out)))                                  \
    OP("lu_solve without pivots", da_lu_solve(out, x, NULL, g, 0))                                           \
    OP("solve_mixed's a", mixed(out, x, g))                                                                  \
    OP("solve_mixed's b", mixed(out, g, x))                                                                  \
    OP("solve_definite's a", da_solve_definite(out, x, g, DA_LOWER))                                         \
    OP("solve_definite's b", da_solve_definite(out, g, x, DA_UPPER))                                         \
    OP("cholesky_solve's factor", da_cholesky_solve(out, x, g, DA_LOWER))                                    \
    OP("cholesky_solve's b", da_cholesky_solve(out, g, x, DA_UPPER))                                         \
    OP("ldl", da_ldl(out, other, x, 0))                                                                      \
    OP("ldl_solve's ldl", ldl_solved(out, x, g, g))                                                          \
    OP("ldl_solve's pivots", ldl_solved(out, g, x, g))                                                       \
    OP("ldl_solve's b", ldl_solved(out, g, g, x))                                                            \
    OP("inv", da_inv(out, x))                                                                                \
    OP("det", da_det(out, x))                                                                                \
    OP("slogdet", da_slogdet(out, other, x))                                                                 \
    OP("rcond", da_rcond(out, x, 0))                                                                         \
    OP("rcond, definite", da_rcond(out, x, DA_UPPER))                                                        \
    OP("lq's q", da_lq(NULL, out, x))                                                                        \
    OP("lq, q formed", factored(out, x, g, 5))                                                               \
    OP("lq, q applied", factored(out, x, g, 6))                                                              \
    OP("qr_solve's f, of lq", factored(out, x, g, 7))                                                        \
    OP("qr_factor_inplace", factored(out, x, g, 8))                                                          \
    OP("qr_pivoted's q", da_qr_pivoted(out, NULL, other, x))                                                 \
    OP("lstsq_rank's rank", da_lstsq_rank(other, out, x, g, -1))                                             \
    OP("eig's vectors", da_eig(NULL, out, x))                                                                \
    OP("svd's s", da_svd(other, out, NULL, x, DA_COMPLETE))                                                  \
    OP("matrix_norm 2", da_matrix_norm(out, x, DA_NORM_2, 0))                                                \
    OP("cond, 1", da_cond(out, x, DA_NORM_1))                                                                \
    OP("cond", da_cond(out, x, DA_NORM_2))                                                                   \
    OP("pinv", da_pinv(out, x, -1, 0))                                                                       \
    OP("pinv, Hermitian", da_pinv(out, x, -1, DA_LOWER))                                                     \
    OP("matrix_rank", da_matrix_rank(out, x, -1, 0))                                                         \
    OP("cross's a", cross(out, x, g))                                                                        \
    OP("cross's b", cross(out, g, x))                                                                        \
    OP("lq", da_lq(out, other, x))                                                                           \
    OP("qr_pivoted's r", da_qr_pivoted(NULL, out, other, x))                                                 \
    OP("qr_solve's f", factored(out, x, g, 3))                                                               \
    OP("qr_solve's b", factored(out, g, x, 3))                                                               \
    OP("lq_l", factored(out, x, g, 4))                                                                       \
    OP("lstsq_rank's a", da_lstsq_rank(out, other, x, g, -1))                                                \
    OP("lstsq_rank's b", da_lstsq_rank(out, NULL, g, x, -1))                                                 \
    OP("eigh", da_eigh(out, other, x, DA_LOWER))                                                             \
    OP("eigvalsh", da_eigvalsh(out, x, DA_UPPER))                                                            \
    OP("eig", da_eig(out, other, x))                                                                         \
    OP("eigvals", da_eigvals(out, x))                                                                        \
    OP("svd", da_svd(out, other, NULL, x, 0))                                                                \
    OP("svd's vh", da_svd(NULL, other, out, x, 0))                                                           \
    OP("svdvals", da_svdvals(out, x))                                                                        \
    OP("matrix_norm", da_matrix_norm(out, x, DA_NORM_FRO, 0))                                                \
    OP("trace", da_trace(out, x, 0))                                                                         \
    OP("diagonal", da_diagonal(out, x, 0))                                                                   \
    OP("kron's a", da_kron(out, x, g))                                                                       \
    OP("kron's b", da_kron(out, g, x))

/* For operations in place: what they change is a copy, which carries what x does, and is a part of a larger array. */
#define in_place(out, x, call) (copy_inside((out), (x)) == DA_OK ? (call) : DA_ERROR_ARGUMENT)

static da_status copy_inside(da_array **out, const da_array *x)
{
    da_array *view = NULL;

    DA_TRY(da_copy(out, x));
    DA_TRY(DA_SLICE(&view, *out, DA_EVERY(-1), DA_EVERY(-1))); /* n I stays what it is, in another layout */
    da_array_move(out, &view);
    return DA_OK;
}

static da_status factored(da_array **out, const da_array *x, const da_array *b, int what)
{
    DA_AUTO da_qr_factors *f = NULL;
    DA_AUTO da_array *copy = NULL;

    if (what == 8) {
        DA_TRY(da_copy(&copy, x));
        DA_TRY(da_qr_factor_inplace(&f, copy));
        return da_qr_r(out, f, DA_COMPLETE);
    }
    DA_TRY(what >= 4 ? da_lq_factor(&f, x) : da_qr_factor(&f, x));
    switch (what) {
    case 0: return da_qr_q(out, f, DA_COMPLETE);
    case 1: return da_qr_r(out, f, 0);
    case 2: return da_qr_apply(out, f, b, 0);
    case 3: return da_qr_solve(out, f, b);
    case 4: return da_lq_l(out, f, 0);
    case 5: return da_qr_q(out, f, 0);
    case 6: return da_qr_apply(out, f, b, DA_RIGHT);
    default: return da_qr_solve(out, f, b);
    }
}

static da_status solved(da_array **out, const da_array *of_lu, const da_array *of_pivots, const da_array *b)
{
    DA_AUTO da_array *lu = NULL, *pivots = NULL, *other = NULL, *more = NULL;

    DA_TRY(da_lu(&lu, &more, of_lu));
    DA_TRY(da_lu(&other, &pivots, of_pivots));
    return da_lu_solve(out, lu, pivots, b, 0);
}

static da_status ldl_solved(da_array **out, const da_array *of_ldl, const da_array *of_pivots,
                            const da_array *b)
{
    DA_AUTO da_array *ldl = NULL, *pivots = NULL, *other = NULL, *more = NULL;

    DA_TRY(da_ldl(&ldl, &more, of_ldl, 0));
    DA_TRY(da_ldl(&other, &pivots, of_pivots, 0));
    return da_ldl_solve(out, ldl, pivots, b, 0);
}

/* da_solve() where it takes the dtype. */
static da_status mixed(da_array **out, const da_array *a, const da_array *b)
{
    return eps_of(da_array_dtype(a)) < 1e-10 ? da_solve_mixed(out, a, b) : da_solve(out, a, b);
}

static da_status outer(da_array **out, const da_array *a, const da_array *b)
{
    DA_AUTO da_array *row = NULL, *column = NULL;

    DA_TRY(DA_SLICE(&row, a, DA_AT(2)));
    DA_TRY(DA_SLICE(&column, b, DA_WHOLE, DA_AT(2)));
    return da_outer(out, row, column);
}

static da_status cross(da_array **out, const da_array *a, const da_array *b)
{
    DA_AUTO da_array *first = NULL, *second = NULL;

    DA_TRY(DA_SLICE(&first, a, DA_WHOLE, DA_RANGE(1, 4)));
    DA_TRY(DA_SLICE(&second, b, DA_WHOLE, DA_RANGE(1, 4)));
    return da_cross(out, first, second, -1);
}

static bool operation(int i, da_array **out, da_array **other, const da_array *x, const da_array *g,
                      const char **name)
{
    const da_scalar one = DA_NUMBER(1), zero = DA_NUMBER(0);
    int at = 0;

#define OP(text, call)                                                                                       \
    if (i == at++) {                                                                                         \
        da_status status;                                                                                    \
        *name = text;                                                                                        \
        status = (call);                                                                                     \
        ck_assert_msg(status == DA_OK, "%s: %s", text, da_error());                                          \
        return true;                                                                                         \
    }
    OPERATIONS(OP)
#undef OP
    return false;
}

START_TEST(inherited)
{
    const da_dtype dtype = float_dtypes[_i];
    const char *name = "";

    seed_values(45);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        DA_AUTO da_array *x = NULL, *g = NULL;

        set_tiling(tiling);
        x = carrying(dtype);
        g = good(dtype);
        for (int i = 0;; i++) {
            DA_AUTO da_array *out = NULL, *other = NULL, *fresh = NULL, *view = NULL, *after = NULL;

            if (!operation(i, &out, &other, x, g, &name))
                break;
            ck_assert_msg(da_wait(out) == DA_ERROR_NUMERICAL && strstr(da_error(), sentence),
                          "%s tells \"%s\"", name, da_error());
            if (other)
                ck_fails(da_wait(other), DA_ERROR_NUMERICAL, sentence);
            ck_ok(da_matrix_transpose(&view, x));
            ck_fails(da_wait(view), DA_ERROR_NUMERICAL, sentence);
            /* what is good stays so, and the library works */
            ck_ok(da_wait(g));
            operation(i, &fresh, &after, g, g, &name);
            ck_assert_msg(da_wait(fresh) == DA_OK, "%s with good operands afterwards: %s", name, da_error());
        }
    }
    set_tiling(0);
}
END_TEST

/* What begins a sentence that an operation has about a NaN or infinity in x; null if they are no fault to it. */
static const char *objection(const char *name, bool infinite)
{
    static const char *const list[][2] = {
        {"cholesky_solve", NULL},
        {"cholesky", "cholesky: leading minor "},
        {"solve_definite's a", "cholesky: leading minor "},
        {"rcond, definite", "cholesky: leading minor "},
        {"eigh", "eigh: column "},
        {"eigvalsh", "eigh: column "},
        {"eig", "eig: column "},
        {"svd", "svd: column "},
        {"matrix_norm 2", "svd: column "},
        {"cond, 1", NULL},
        {"cond", "svd: column "},
        {"pinv, Hermitian", "eigh: column "},
        {"pinv", "svd: column "},
        {"matrix_rank", "svd: column "},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (strncmp(name, list[i][0], strlen(list[i][0])) == 0)
            return list[i][1];
    return strcmp(name, "ldl_solve's ldl") == 0 && !infinite
               ? "ldl_solve: the matrix is singular: block 5 of "
               : NULL;
}

/* They are no faults by themselves, but to those who say so. */
START_TEST(nan_and_infinity)
{
    const da_dtype dtype = float_dtypes[_i];
    const char *name = "";

    for (int kind = 0; kind < 2; kind++) {
        DA_AUTO da_array *x = NULL, *g = NULL;
        z *values = new_values(N * N);

        for (int64_t i = 0; i < N; i++)
            values[i + i * N] = N;
        values[4 + 4 * N] = kind ? -INFINITY : NAN;
        set_tiling(1 + kind);
        x = array_of(dtype, N, N, values);
        g = good(dtype);
        for (int i = 0;; i++) {
            DA_AUTO da_array *out = NULL, *other = NULL;
            const char *expected;

            if (!operation(i, &out, &other, x, g, &name))
                break;
            expected = objection(name, kind);
            if (expected)
                ck_assert_msg(da_wait(out) == DA_ERROR_NUMERICAL && strstr(da_error(), expected),
                              "%s tells \"%s\"", name, da_error());
            else
                ck_assert_msg(da_wait(out) == DA_OK, "%s of %s: %s", name, kind ? "infinity" : "NaN",
                              da_error());
            ck_ok(da_wait(x));
        }
        free(values);
    }
    set_tiling(0);
}
END_TEST

/* With alpha 0 the other operands' values are not used, nor are their faults. */
START_TEST(alpha_zero)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(48);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        DA_AUTO da_array *x = NULL, *g = NULL;

        set_tiling(tiling);
        x = carrying(dtype);
        g = good(dtype);
        for (int what = 0; what < 9; what++) {
            DA_AUTO da_array *c = NULL;

            ck_ok(da_copy(&c, g));
            switch (what) {
            case 0: ck_ok(da_gemm(c, 0, x, x, 2)); break;
            case 1: ck_ok(da_symm(c, 0, x, x, 2, 0)); break;
            case 2: ck_ok(da_hemm(c, 0, x, x, 2, DA_UPPER)); break;
            case 3: ck_ok(da_syrk(c, 0, x, 2, 0)); break;
            case 4: ck_ok(da_herk(c, 0, x, 2, DA_UPPER)); break;
            case 5: ck_ok(da_syr2k(c, 0, x, g, 2, 0)); break;
            case 6: ck_ok(da_her2k(c, 0, g, x, 0, 0)); break;
            case 7: ck_ok(da_trmm(x, c, 0, DA_LOWER)); break;
            default: ck_ok(da_trsm(x, c, 0, DA_LOWER)); break;
            }
            ck_assert_msg(da_wait(c) == DA_OK, "operation %d: %s", what, da_error());
            ck_fails(da_wait(x), DA_ERROR_NUMERICAL, sentence);
        }
    }
    set_tiling(0);
}
END_TEST

/* All of an array written without its values being used: nothing is left of its faults. A part of it, or with its values: they stay. */
START_TEST(cleared)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const int transposed = _i / FLOAT_DTYPES;

    for (int how = 0; how < 4; how++) {
        DA_AUTO da_array *x = NULL, *g = NULL, *c = NULL, *part = NULL, *sum = NULL, *view = NULL,
                         *x_part = NULL;
        da_array *target;

        seed_values(46);
        set_tiling(how % TILINGS);
        x = carrying(dtype);
        g = good(dtype);
        ck_ok(da_copy(&c, x));
        ck_fails(da_wait(c), DA_ERROR_NUMERICAL, sentence);
        ck_ok(da_matrix_transpose(&view, c));
        target = transposed ? view : c;
        switch (how) {
        case 0: /* all of it */
            ck_ok(da_gemm(target, 1, g, g, 0));
            ck_ok(da_wait(c));
            ck_ok(da_matmul(&sum, c, g));
            ck_ok(da_wait(sum));
            break;
        case 1: /* with its values */ ck_ok(da_gemm(target, 1, g, g, 1)); break;
        case 2: /* a part */
            ck_ok(DA_SLICE(&part, target, DA_RANGE(0, N - 1)));
            ck_ok(DA_SLICE(&x_part, g, DA_RANGE(0, N - 1)));
            ck_ok(da_gemm(part, 1, x_part, g, 0));
            break;
        default: /* by something that carries it */ ck_ok(da_gemm(target, 1, g, x, 0)); break;
        }
        if (how > 0)
            ck_fails(da_wait(c), DA_ERROR_NUMERICAL, sentence);
    }
    set_tiling(0);
}
END_TEST

DA_TEST_MAIN("linalg_faults", DA_CASE_LOOP("leading minors", FLOAT_DTYPES, leading_minors),
             DA_CASE_LOOP("minors beside NaN", FLOAT_DTYPES, minors_beside_nan),
             DA_CASE_LOOP("zero pivots", FLOAT_DTYPES, zero_pivots),
             DA_CASE_LOOP("zero pivots elsewhere", FLOAT_DTYPES, zero_pivots_elsewhere),
             DA_CASE_LOOP("zero before NaN", FLOAT_DTYPES, zero_before_nan),
             DA_CASE_LOOP("Bunch-Kaufman beside NaN", FLOAT_DTYPES, ldl_of_nan),
             DA_CASE_LOOP("Bunch-Kaufman of half a NaN", 2, ldl_of_half_nan),
             DA_CASE_LOOP("batches", TILINGS, batches), DA_CASE_LOOP("inherited", FLOAT_DTYPES, inherited),
             DA_CASE_LOOP("NaN and infinity", FLOAT_DTYPES, nan_and_infinity),
             DA_CASE_LOOP("alpha 0", FLOAT_DTYPES, alpha_zero),
             DA_CASE_SWEEP("cleared", 2 * FLOAT_DTYPES, cleared))
