/* Every factorisation and solver on matrices that are hard, by the residuals of the other tests, and with NaN and infinity anywhere. */
#include "hard_matrices.h"

/* One matrix of the sweep. */
typedef struct matrix {
    int kind, scale;
    double cond, eps; /* of HARD_SPECTRUM, or 0; accuracy */
    da_dtype dtype;
    int64_t m, n;
    z *a;
    da_array *array;
    char what[80];
} matrix;

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static double largest(const z *a, int64_t count)
{
    double x = 0;

    for (int64_t i = 0; i < count; i++)
        x = fmax(x, cabs(a[i]));
    return x;
}

/* The ratio of the smallest and the largest singular value. */
static double relative_smallest(const z *a, int64_t m, int64_t n)
{
    const int64_t k = m < n ? m : n;
    double *s = calloc((size_t)k + 1, sizeof *s), ratio;
    z *copy = new_values(m * n);

    memcpy(copy, a, (size_t)(m * n) * sizeof *a);
    ck_assert_int_eq(LAPACKE_zgesdd(LAPACK_COL_MAJOR, 'N', (int)m, (int)n, copy, (int)m, s, NULL, 1, NULL, 1),
                     0);
    ratio = s[0] > 0 ? s[k - 1] / s[0] : 0;
    free(copy);
    free(s);
    return ratio;
}

/* What elimination makes of the largest element: errors are relative to that. */
static double growth(const matrix *x, const z *lu)
{
    double u = 0;

    if (x->kind != HARD_WILKINSON) /* all others have little */
        return 1;
    for (int64_t j = 0; j < x->n; j++)
        for (int64_t i = 0; i <= j && i < x->m; i++)
            u = fmax(u, cabs(lu[i + j * x->m]));
    return fmax(1, u / largest(x->a, x->m * x->n));
}

static void check_qr(const matrix *x)
{
    const int64_t m = x->m, n = x->n, k = m < n ? m : n;
    DA_AUTO da_array *Q = NULL, *R = NULL;
    z *q, *r, *back, *unit, *id = new_values(k * k);

    ck_ok(da_qr(&Q, &R, x->array));
    ck_ok(da_wait(R));
    q = host_of(Q);
    r = scaled_host(R, x->scale);
    back = product(m, n, k, q, 'N', r, 'N');
    unit = product(k, k, m, q, 'C', q, 'N');
    for (int64_t i = 0; i < k; i++)
        id[i + i * k] = 1;
    ck_below("qr", distance(back, x->a, m * n) / (norm(x->a, m * n) * (double)most(m, n) * x->eps + 1e-300),
             30, "%s", x->what);
    ck_below("q", distance(unit, id, k * k) / ((double)most(m, n) * eps_of(x->dtype)), 30, "%s", x->what);
    free(q);
    free(r);
    free(back);
    free(unit);
    free(id);
}

/* |P A - L U| and |A x - b|; only what is singular to working precision may be told to be. */
static void check_lu_and_solve(const matrix *x)
{
    const int64_t m = x->m, n = x->n, k = m < n ? m : n;
    DA_AUTO da_array *LU = NULL, *P = NULL, *B = NULL, *X = NULL, *Y = NULL;
    int64_t *rows = calloc((size_t)k + 1, sizeof *rows);
    z *l = new_values(m * k), *u = new_values(k * n), *pa = new_values(m * n), *lu, *back, *b, *solution;
    double grown;

    ck_ok(da_lu(&LU, &P, x->array));
    ck_ok(da_to_host(P, rows, (size_t)k * sizeof *rows, DA_ROW_MAJOR));
    lu = host_of(LU);
    memcpy(pa, x->a, (size_t)(m * n) * sizeof *pa);
    for (int64_t i = 0; i < k; i++) {
        ck_assert_msg(rows[i] >= i && rows[i] < m, "%s: pivot %d is row %d", x->what, (int)i, (int)rows[i]);
        for (int64_t j = 0; j < n; j++) {
            const z t = pa[i + j * m];
            pa[i + j * m] = pa[rows[i] + j * m];
            pa[rows[i] + j * m] = t;
        }
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            z *const e = &lu[i + j * m];
            if (i <= j) /* L has no scale */
                *e = ldexp(creal(*e), -x->scale) + ldexp(cimag(*e), -x->scale) * I;
            if (i <= j && i < k)
                u[i + j * k] = *e;
            if (j < k)
                l[i + j * m] = i > j ? *e : i == j;
        }
    ck_assert_msg(largest(l, m * k) <= 1.5, "%s: a multiplier of %g", x->what, largest(l, m * k));
    back = product(m, n, k, l, 'N', u, 'N');
    grown = growth(x, lu);
    ck_below("lu",
             distance(back, pa, m * n) / (grown * norm(x->a, m * n) * (double)most(m, n) * x->eps + 1e-300),
             30, "%s", x->what);
    if (m == n) {
        b = random_values(x->dtype, n, 3);
        round_scaled(x->dtype, b, n * 3, x->scale);
        B = scaled_array(VIEW_PLAIN, x->dtype, n, 3, b, x->scale);
        ck_ok(da_solve(&X, x->array, B));
        ck_ok(da_lu_solve(&Y, LU, P, B, 0));
        for (int way = 0; way < 2; way++) {
            const da_status status = da_wait(way ? Y : X);
            if (status != DA_OK) {
                ck_assert_msg(status == DA_ERROR_NUMERICAL && strstr(da_error(), "is zero"), "%s: %s",
                              x->what, da_error());
                ck_assert_msg(relative_smallest(x->a, n, n) < (double)n * x->eps, "%s is not singular: %s",
                              x->what, da_error());
                continue;
            }
            solution = host_of(way ? Y : X);
            if (!isfinite(norm(solution, n * 3))) { /* beyond the range of numbers */
                ck_assert_msg(relative_smallest(x->a, n, n) < (double)n * x->eps, "%s: not finite", x->what);
            } else {
                z *ax = product(n, 3, n, x->a, 'N', solution, 'N');
                ck_below("solve",
                         distance(ax, b, n * 3) /
                             ((norm(x->a, n * n) * norm(solution, n * 3) + norm(b, n * 3)) * (double)n *
                              x->eps * grown),
                         30, "%s", x->what);
                free(ax);
            }
            free(solution);
        }
        free(b);
    }
    free(rows);
    free(l);
    free(u);
    free(pa);
    free(lu);
    free(back);
}

/* A^H (b - A x) is small; a fault only for columns that depend on each other. */
static void check_lstsq(const matrix *x)
{
    const int64_t m = x->m, n = x->n;
    DA_AUTO da_array *B = NULL, *X = NULL;
    z *b, *solution, *residual, *normal;
    double size;

    if (m < n)
        return;
    b = random_values(x->dtype, m, 2);
    round_scaled(x->dtype, b, m * 2, x->scale);
    B = scaled_array(VIEW_PLAIN, x->dtype, m, 2, b, x->scale);
    ck_ok(da_lstsq(&X, x->array, B));
    if (da_wait(X) != DA_OK) {
        ck_assert_msg(strstr(da_error(), "depends on those before it"), "%s: %s", x->what, da_error());
        ck_assert_msg(relative_smallest(x->a, m, n) < (double)m * x->eps, "%s: %s", x->what, da_error());
        free(b);
        return;
    }
    solution = host_of(X);
    size = norm(x->a, m * n) * norm(solution, n * 2) + norm(b, m * 2);
    if (!isfinite(size)) {
        ck_assert_msg(relative_smallest(x->a, m, n) < (double)m * x->eps, "%s: not finite", x->what);
    } else {
        residual = product(m, 2, n, x->a, 'N', solution, 'N');
        for (int64_t i = 0; i < m * 2; i++)
            residual[i] -= b[i];
        normal = product(n, 2, m, x->a, 'C', residual, 'N');
        ck_below("lstsq", norm(normal, n * 2) / (norm(x->a, m * n) * size * (double)m * x->eps), 30, "%s",
                 x->what);
        free(residual);
        free(normal);
    }
    free(solution);
    free(b);
}

/* op(T) x = b with a triangle of the matrix, each row's error relative to what was added up in it. */
static void check_triangular(const matrix *x)
{
    const int64_t n = x->n;

    if (x->m != n)
        return;
    for (int way = 0; way < 4; way++) {
        const bool upper = way & 1, transposed = way & 2;
        DA_AUTO da_array *B = NULL, *X = NULL;
        z *t = new_values(n * n), *b = random_values(x->dtype, n, 2), *solution;
        bool zero = false;

        memcpy(t, x->a, (size_t)(n * n) * sizeof *t);
        keep_triangle(t, n, n, upper, false);
        for (int64_t i = 0; i < n; i++)
            zero = zero || t[i + i * n] == 0;
        round_scaled(x->dtype, b, n * 2, x->scale);
        B = scaled_array(VIEW_PLAIN, x->dtype, n, 2, b, x->scale);
        ck_ok(da_solve_triangular(&X, x->array, B,
                                  (upper ? DA_UPPER : DA_LOWER) | (transposed ? DA_CONJ_TRANSPOSE : 0)));
        if (zero) {
            ck_fails(da_wait(X), DA_ERROR_NUMERICAL, "is zero");
        } else {
            ck_ok(da_wait(X));
            solution = host_of(X);
            for (int64_t j = 0; j < 2 && isfinite(norm(solution, n * 2)); j++)
                for (int64_t i = 0; i < n; i++) {
                    z sum = -b[i + j * n];
                    double size = cabs(b[i + j * n]);
                    for (int64_t k = 0; k < n; k++) {
                        const z e = transposed ? conj(t[k + i * n]) : t[i + k * n];
                        sum += e * solution[k + j * n];
                        size += cabs(e * solution[k + j * n]);
                    }
                    ck_below("triangular", cabs(sum) / (size * (double)n * x->eps + 1e-300), 30, "%s row %d",
                             x->what, (int)i);
                }
            if (x->kind == HARD_TRIANGULAR && upper)
                ck_assert(isfinite(norm(solution, n * 2)));
            free(solution);
        }
        free(t);
        free(b);
    }
}

static void check_all(int kind, int spectrum, double cond, da_dtype dtype, int64_t m, int64_t n, int view)
{
    static unsigned calls;
    const char *const sanitizer = getenv("DARRAY_TEST_SANITIZE");
    matrix x = {kind, hard_scale(kind, dtype), cond, hard_eps(kind, dtype), dtype, m, n, NULL, NULL, ""};

    if (sanitizer && strcmp(sanitizer, "none") != 0 && calls++ % 7 != 0) /* which take twenty times as long */
        return;
    snprintf(x.what, sizeof x.what, "%s %d %g, %d x %d %s", hard_names[kind], spectrum, cond, (int)m, (int)n,
             da_dtype_name(dtype));
    x.a = hard_values(kind, spectrum, cond, dtype, m, n);
    x.array = scaled_array(view, dtype, m, n, x.a, x.scale);
    check_qr(&x);
    check_lu_and_solve(&x);
    check_lstsq(&x);
    check_triangular(&x);
    da_array_release(&x.array);
    free(x.a);
}

enum { TILINGS = 3 };
static void set_tiling(int which)
{
    ck_ok(da_blocks(which == 0 ? DA_SCALAR_SHAPE : which == 1 ? DA_SHAPE(8, 8) : DA_SHAPE(5, 3)));
}

START_TEST(spectra)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(21);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        set_tiling(tiling);
        for (int s = 0; s < SPECTRA; s++)
            for (int c = 0; c < HARD_CONDS; c++) {
                check_all(HARD_SPECTRUM, s, hard_conds[c], dtype, 29, 29, (s + c) % VIEWS);
                check_all(HARD_SPECTRUM, s, hard_conds[c], dtype, 41, 13, (s + c) % VIEWS);
                check_all(HARD_SPECTRUM, s, hard_conds[c], dtype, 13, 41, (s + c) % VIEWS);
            }
    }
    set_tiling(0);
}
END_TEST

START_TEST(kinds)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(22);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        set_tiling(tiling);
        for (int kind = HARD_SPECTRUM + 1; kind < HARD_KINDS; kind++) {
            check_all(kind, 0, 0, dtype, 29, 29, kind % VIEWS);
            check_all(kind, 0, 0, dtype, 41, 13, kind % VIEWS);
            check_all(kind, 0, 0, dtype, 13, 41, kind % VIEWS);
        }
    }
    set_tiling(0);
}
END_TEST

/* Hermitian positive definite ones: whatever is so to working precision is factored. */
START_TEST(definite)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 29;
    const int scales[] = {0, hard_scale(HARD_HUGE, dtype), hard_scale(HARD_TINY, dtype)};

    seed_values(23);
    for (int tiling = 0; tiling < TILINGS; tiling++)
        for (int s = 0; s < SPECTRA; s++)
            for (int c = 0; c < HARD_CONDS; c++)
                for (int scale = 0; scale < (c == 1 ? 3 : 1); scale++) {
                    const bool upper = (s + c) % 2;
                    z *a = with_spectrum(dtype, n, n, s, hard_conds[c], true), *l, *back;
                    DA_AUTO da_array *A = NULL, *L = NULL;

                    set_tiling(tiling);
                    A = scaled_array((s + tiling) % VIEWS, dtype, n, n, a, scales[scale]);
                    ck_ok(da_cholesky(&L, A, upper ? DA_UPPER : DA_LOWER));
                    if (hard_conds[c] < 0.1 / ((double)n * eps_of(dtype))) {
                        ck_ok(da_wait(L));
                    } else if (da_wait(L) != DA_OK) {
                        ck_assert_msg(strstr(da_error(), "is not positive definite"), "%s", da_error());
                        free(a);
                        continue;
                    }
                    l = scaled_host(L, scales[scale] / 2);
                    back = upper ? product(n, n, n, l, 'C', l, 'N') : product(n, n, n, l, 'N', l, 'C');
                    ck_below("cholesky",
                             distance(back, a, n * n) / (norm(a, n * n) * (double)n * eps_of(dtype)), 30,
                             "spectrum %d cond %g scale %d %s", s, hard_conds[c], scales[scale],
                             da_dtype_name(dtype));
                    free(a);
                    free(l);
                    free(back);
                }
    set_tiling(0);
}
END_TEST

/* True if some value is not finite. */
static bool spoilt(const da_array *a)
{
    z *p = host_of(a);
    bool any = false;

    for (int64_t i = 0; i < da_array_size(a); i++)
        any = any || !isfinite(creal(p[i])) || !isfinite(cimag(p[i]));
    free(p);
    return any;
}

/* NaN and infinities, one or several, anywhere: no hang, no crash, no fault but the documented ones, pivots in range, and a NaN stays seen. */
START_TEST(not_finite)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const double bads[] = {NAN, INFINITY, -INFINITY}, bad = bads[_i / FLOAT_DTYPES];
    const int64_t sizes[][2] = {{1, 1}, {14, 14}, {31, 9}, {9, 31}};

    seed_values(24 + (uint64_t)_i);
    for (int trial = 0; trial < 48; trial++) {
        const int64_t m = sizes[trial % 4][0], n = sizes[trial % 4][1], k = m < n ? m : n;
        DA_AUTO da_array *A = NULL, *Q = NULL, *R = NULL, *LU = NULL, *P = NULL, *B = NULL, *X = NULL,
                         *Y = NULL, *T = NULL, *U = NULL, *L = NULL, *S = NULL, *W = NULL;
        DA_AUTO da_qr_factors *F = NULL;
        int64_t rows[40];
        z *a = random_values(dtype, m, n), *b = random_values(dtype, m, 2);

        set_tiling(trial / 4 % TILINGS);
        for (int count = 0; count < 1 + trial % 5 * (trial % 5); count++) {
            const int64_t i = (int64_t)((value() + 1) / 2 * (double)m),
                          j = (int64_t)((value() + 1) / 2 * (double)n);
            a[i + j * m] = count % 2 && is_complex(dtype) ? CMPLX(1, bad) : (z)bad;
        }
        A = view_of(trial % VIEWS, dtype, m, n, a);
        B = array_of(dtype, m, 2, b);
        ck_ok(da_qr(&Q, &R, A));
        ck_ok(da_wait(Q));
        ck_assert_msg(spoilt(Q) || spoilt(R), "qr of %g", bad);
        ck_ok(da_qr_factor(&F, A));
        ck_ok(da_qr_apply(&W, F, B, DA_CONJ_TRANSPOSE));
        ck_ok(da_wait(W));
        ck_ok(da_lu(&LU, &P, A));
        ck_ok(da_to_host(P, rows, sizeof rows, DA_ROW_MAJOR));
        for (int64_t i = 0; i < k; i++)
            ck_assert_msg(rows[i] >= i && rows[i] < m, "pivot %d is row %d", (int)i, (int)rows[i]);
        ck_assert_msg(spoilt(LU), "lu of %g", bad);
        if (m >= n) {
            ck_ok(da_lstsq(&S, A, B));
            if (da_wait(S) != DA_OK)
                ck_assert_msg(strstr(da_error(), "lstsq: column"), "%s", da_error());
            else if (isnan(bad))
                ck_assert_msg(spoilt(S), "least squares with a NaN");
        }
        if (m == n) {
            ck_ok(da_solve(&X, A, B));
            ck_ok(da_lu_solve(&Y, LU, P, B, 0));
            if (isnan(bad)) { /* a NaN is no zero pivot */
                ck_ok(da_wait(X));
                ck_assert(spoilt(X));
                ck_ok(da_wait(Y));
                ck_assert(spoilt(Y));
            } else if (da_wait(X) != DA_OK) {
                ck_assert_msg(strstr(da_error(), "solve: the matrix is singular"), "%s", da_error());
            }
            ck_ok(da_solve_triangular(&T, A, B, DA_UPPER));
            ck_ok(da_wait(T));
            ck_ok(da_solve_triangular(&U, A, B, DA_LOWER | DA_TRANSPOSE));
            ck_ok(da_wait(U));
            ck_ok(da_cholesky(&L, A, DA_LOWER));
            if (da_wait(L) != DA_OK)
                ck_assert_msg(strstr(da_error(), "cholesky: leading minor"), "%s", da_error());
        }
        free(a);
        free(b);
    }
    set_tiling(0);
}
END_TEST

/* A NaN or an infinity in one right-hand side leaves the others alone. */
START_TEST(columns_apart)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 21, p = 6;

    seed_values(30);
    for (int tiling = 0; tiling < TILINGS; tiling++) {
        DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL, *X[4] = {NULL}, *Y[4] = {NULL};
        z *a = hard_values(HARD_TRIANGULAR, 0, 0, dtype, n, n), *b = random_values(dtype, n, p);

        set_tiling(tiling);
        A = array_of(dtype, n, n, a);
        B = array_of(dtype, n, p, b);
        b[3 + 2 * n] = NAN;
        b[n - 1 + 4 * n] = INFINITY;
        C = array_of(dtype, n, p, b);
        for (int bad = 0; bad < 2; bad++) {
            da_array **const to = bad ? Y : X, *const rhs = bad ? C : B;
            ck_ok(da_solve(&to[0], A, rhs));
            ck_ok(da_solve_triangular(&to[1], A, rhs, DA_UPPER));
            ck_ok(da_lstsq(&to[2], A, rhs));
            ck_ok(da_matmul(&to[3], A, rhs));
        }
        for (int i = 0; i < 4; i++) {
            z *x = host_of(X[i]), *y = host_of(Y[i]);
            for (int64_t j = 0; j < p; j++) {
                const bool bad = j == 2 || j == 4;
                ck_assert_msg(bad ? !isfinite(norm(y + j * n, n))
                                  : distance(x + j * n, y + j * n, n) <= 1e3 * eps_of(dtype) * norm(x, n * p),
                              "operation %d, column %d", i, (int)j);
            }
            free(x);
            free(y);
        }
        da_array_release(&X[0]);
        da_array_release(&X[1]);
        da_array_release(&X[2]);
        da_array_release(&X[3]);
        da_array_release(&Y[0]);
        da_array_release(&Y[1]);
        da_array_release(&Y[2]);
        da_array_release(&Y[3]);
        free(a);
        free(b);
    }
    set_tiling(0);
}
END_TEST

DA_TEST_MAIN("hard", DA_CASE_LOOP("spectra", FLOAT_DTYPES, spectra),
             DA_CASE_LOOP("kinds", FLOAT_DTYPES, kinds), DA_CASE_LOOP("definite", FLOAT_DTYPES, definite),
             DA_CASE_SWEEP("not finite", 3 * FLOAT_DTYPES, not_finite),
             DA_CASE_LOOP("columns apart", FLOAT_DTYPES, columns_apart))
