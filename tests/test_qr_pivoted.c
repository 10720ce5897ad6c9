/* SPDX-License-Identifier: BSD-3-Clause */
/* QR with column exchanges, and least squares of any rank by it. */
#include "linalg_check.h"

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t *numbers_of(const da_array *a)
{
    int64_t *p = calloc((size_t)da_array_size(a) + 1, sizeof *p);

    ck_assert_int_eq(da_array_dtype(a), DA_I64);
    ck_ok(da_to_host(a, p, (size_t)da_array_size(a) * sizeof *p, DA_ROW_MAJOR));
    return p;
}

/* a[:, pivots] = q r; q's columns are orthonormal; r's diagonal is as long as what is right of and below it. */
static void check_factors(const da_array *Q, const da_array *R, const da_array *P, const z *a, int64_t m,
                          int64_t n, const char *what)
{
    const da_dtype dtype = da_array_dtype(Q);
    const double eps = eps_of(dtype);
    const int64_t k = lesser(m, n);
    z *q = host_of(Q), *r = host_of(R), *back = product(m, n, k, q, 'N', r, 'N'), *moved = new_values(m * n);
    z *gram = product(k, k, m, q, 'C', q, 'N');
    int64_t *pivots = numbers_of(P);
    bool *seen = calloc((size_t)n + 1, sizeof *seen);

    ck_assert_int_eq(da_array_size(Q), m * k);
    ck_assert_int_eq(da_array_size(R), k * n);
    ck_assert_int_eq(da_array_size(P), n);
    for (int64_t j = 0; j < n; j++) {
        ck_assert(pivots[j] >= 0 && pivots[j] < n && !seen[pivots[j]]);
        seen[pivots[j]] = true;
        memcpy(moved + j * m, a + pivots[j] * m, (size_t)m * sizeof *a);
        for (int64_t i = j + 1; i < k; i++)
            ck_assert_msg(r[i + j * k] == 0, "%s: r(%d, %d) is not zero", what, (int)i, (int)j);
    }
    if (k > 0 && norm(a, m * n) > 0)
        ck_below(what, distance(back, moved, m * n) / (norm(a, m * n) * (double)(m > n ? m : n) * eps), 30,
                 "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    for (int64_t i = 0; i < k; i++)
        gram[i + i * k] -= 1;
    if (k > 0)
        ck_below(what, norm(gram, k * k) / ((double)(m > n ? m : n) * eps), 30, "%d x %d orthonormal", (int)m,
                 (int)n);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < n; j++)
            ck_assert_msg(norm(&r[i + j * k], lesser(j, k - 1) - i + 1) <=
                              cabs(r[i + i * k]) * (1 + sqrt(eps)) + norm(a, m * n) * (double)(m + n) * eps,
                          "%s, %d x %d: column %d is longer than r(%d, %d)", what, (int)m, (int)n, (int)j,
                          (int)i, (int)i);
    free(q);
    free(r);
    free(back);
    free(moved);
    free(gram);
    free(pivots);
    free(seen);
}

static void check_values(int kind, da_dtype dtype, int64_t m, int64_t n, const z *a, const char *what)
{
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *Q = NULL, *R = NULL, *P = NULL;

    ck_ok(da_qr_pivoted(&Q, &R, &P, A));
    check_factors(Q, R, P, a, m, n, what);
}

static void check_pivoted(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);

    round_values(dtype, a, m * n);
    check_values(kind, dtype, m, n, a, "pivoted");
    free(a);
}

START_TEST(sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_pivoted(kind, dtype, n, n);
        check_pivoted(kind, dtype, n, 5);
        check_pivoted(kind, dtype, 13, n);
        check_pivoted(kind, dtype, 61, n);
        ck_ok(da_blocks(DA_SHAPE(20, 5)));
        check_pivoted(kind, dtype, 61, 40);
        check_pivoted(kind, dtype, 40, 61);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_pivoted(kind, dtype, 97, n);
    }
}
END_TEST

/* with panels of geqp3, reflectors in several blocks, and a triangle made first */
START_TEST(real_tiles)
{
    if (getenv("DARRAY_TILE"))
        return;
    seed_values(9);
    check_pivoted(VIEW_PLAIN, DA_F64, 190, 180);
    check_pivoted(VIEW_PLAIN, DA_F64, 3001, 20);
    check_pivoted(VIEW_PLAIN, DA_C128, 400, 140);
    check_pivoted(VIEW_TRANSPOSED, DA_F32, 150, 400);
}
END_TEST

/* a matrix of rank r */
static z *deficient(da_dtype dtype, int64_t m, int64_t n, int64_t r)
{
    z *left = random_values(dtype, m, r), *right = random_values(dtype, r, n);
    z *a = product(m, n, r, left, 'N', right, 'N');

    round_values(dtype, a, m * n);
    free(left);
    free(right);
    return a;
}

/* Kahan's: every column is as long as the others of what is left, so nothing is exchanged, and the last elements of the diagonal are
 * far larger than the smallest singular value. The diagonal is moved a little so that rounding does not decide. */
static z *kahan(int64_t n)
{
    const double c = 0.285, s = sqrt(1 - c * c);
    z *a = new_values(n * n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++)
            a[i + j * n] =
                pow(s, (double)i) * (i < j ? -c : 1) + (i == j ? 25 * DBL_EPSILON * (double)(n - i) : 0);
    return a;
}

START_TEST(hard_matrices)
{
    const da_dtype dtype = float_dtypes[_i];
    const double huge = eps_of(dtype) > 1e-10 ? 1e38 : 1e308, tiny = eps_of(dtype) > 1e-10 ? 1e-36 : 1e-306;
    const int64_t shapes[][2] = {{40, 40}, {60, 20}, {20, 60}};

    seed_values(20);
    for (int tiles = 0; tiles < 2; tiles++) {
        ck_ok(da_blocks(tiles ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
        for (int s = 0; s < 3; s++) {
            const int64_t m = shapes[s][0], n = shapes[s][1];
            z *a = deficient(dtype, m, n, 7);

            check_values(0, dtype, m, n, a, "rank 7");
            memset(a, 0, (size_t)(m * n) * sizeof *a);
            check_values(0, dtype, m, n, a, "zeros");
            free(a);
            a = random_values(dtype, m, n);
            for (int64_t j = 0; j < n; j++)
                for (int64_t i = 0; i < m; i++)
                    a[i + j * m] *= ldexp(1, (int)((i * 7 + j * 5) % 40) - 20);
            round_values(dtype, a, m * n);
            check_values(0, dtype, m, n, a, "graded");
            free(a);
            a = random_values(dtype, m, n);
            for (int64_t i = 0; i < m * n; i++)
                a[i] *= tiny;
            round_values(dtype, a, m * n);
            check_values(0, dtype, m, n, a, "tiny");
            free(a);
        }
    }
    { /* lengths near the largest number, which only a longer format can check: R and Q of A / 2^20 are R / 2^20 and Q */
        z *a = random_values(dtype, 12, 9), *r, *s;
        DA_AUTO da_array *A = NULL, *S = NULL, *R = NULL, *Rs = NULL, *P = NULL, *Ps = NULL;
        int64_t *p, *ps;

        for (int64_t i = 0; i < 12 * 9; i++)
            a[i] = (creal(a[i]) + cimag(a[i])) * huge / 30;
        round_values(dtype, a, 12 * 9);
        A = array_of(dtype, 12, 9, a);
        for (int64_t i = 0; i < 12 * 9; i++)
            a[i] *= 0x1p-20;
        S = array_of(dtype, 12, 9, a);
        ck_ok(da_qr_pivoted(NULL, &R, &P, A));
        ck_ok(da_qr_pivoted(NULL, &Rs, &Ps, S));
        p = numbers_of(P);
        ps = numbers_of(Ps);
        ck_assert_int_eq(memcmp(p, ps, 9 * sizeof *p), 0);
        r = host_of(R);
        s = host_of(Rs);
        for (int64_t i = 0; i < 81; i++)
            r[i] = r[i] * 0x1p-20 / (huge * 0x1p-20);
        for (int64_t i = 0; i < 81; i++)
            s[i] /= huge * 0x1p-20;
        ck_below("huge", distance(r, s, 81) / (norm(s, 81) * eps_of(dtype)), 30, "%s", da_dtype_name(dtype));
        free(a);
        free(r);
        free(s);
        free(p);
        free(ps);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* the same exchanges and lengths as LAPACK's */
START_TEST(as_lapack)
{
    const int64_t m = _i == 0 ? 50 : 64, n = _i == 0 ? 70 : 64;
    z *a, *tau = new_values(n), *r;
    lapack_int order[70] = {0};
    int64_t *pivots;
    DA_AUTO da_array *A = NULL, *R = NULL, *P = NULL;

    seed_values(21);
    a = _i == 0 ? random_values(DA_C128, m, n) : kahan(n);
    A = array_of(DA_C128, m, n, a);
    ck_ok(da_qr_pivoted(NULL, &R, &P, A));
    ck_assert_int_eq(LAPACKE_zgeqp3(LAPACK_COL_MAJOR, (int)m, (int)n, a, (int)m, order, tau), 0);
    pivots = numbers_of(P);
    r = host_of(R);
    for (int64_t j = 0; j < n; j++)
        ck_assert_int_eq(pivots[j], order[j] - 1);
    for (int64_t i = 0; i < lesser(m, n); i++)
        ck_below("as LAPACK",
                 fabs(cabs(r[i + i * lesser(m, n)]) - cabs(a[i + i * m])) / (cabs(a[0]) * DBL_EPSILON), 100,
                 "r(%d, %d)", (int)i, (int)i);
    free(a);
    free(tau);
    free(r);
    free(pivots);
}
END_TEST

/* NaN and infinity neither hang nor crash, and show; pivots stay a permutation */
START_TEST(not_numbers)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const double bad = _i / FLOAT_DTYPES % 2 ? (double)INFINITY : (double)NAN;
    const int64_t m = 30, n = _i < 2 * FLOAT_DTYPES ? 20 : 50;
    z *a, *b, *x;
    int64_t *pivots;
    bool seen[50] = {false}, shows = false;
    DA_AUTO da_array *A = NULL, *B = NULL, *Q = NULL, *R = NULL, *P = NULL, *X = NULL, *rank = NULL;

    seed_values(22);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    a = random_values(dtype, m, n);
    b = random_values(dtype, m, 2);
    a[17 + 9 * m] = bad;
    A = array_of(dtype, m, n, a);
    B = array_of(dtype, m, 2, b);
    ck_ok(da_qr_pivoted(&Q, &R, &P, A));
    pivots = numbers_of(P);
    for (int64_t j = 0; j < n; j++) {
        ck_assert(pivots[j] >= 0 && pivots[j] < n && !seen[pivots[j]]);
        seen[pivots[j]] = true;
    }
    x = host_of(R);
    for (int64_t i = 0; i < da_array_size(R); i++)
        shows = shows || isnan(creal(x[i])) || isinf(creal(x[i]));
    ck_assert(shows);
    ck_ok(da_wait(Q));
    free(x);
    ck_ok(da_lstsq_rank(&X, &rank, A, B, -1));
    x = host_of(X);
    shows = false;
    for (int64_t i = 0; i < da_array_size(X); i++)
        shows = shows || isnan(creal(x[i])) || isinf(creal(x[i]));
    ck_assert(shows);
    ck_ok(da_wait(rank));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(pivots);
    free(a);
    free(b);
    free(x);
}
END_TEST

/* ---- least squares ---- */

/* x and the rank are LAPACK's (gelsy's; the rank also gelsd's, by singular values) */
static void check_lstsq(int kind, da_dtype dtype, int64_t m, int64_t n, int64_t p, int64_t r)
{
    const double eps = eps_of(dtype), rcond = sqrt(eps) / 10;
    const int64_t most = m > n ? m : n;
    z *a = deficient(dtype, m, n, r), *b = random_values(dtype, m, p), *x, *best = new_values(most * p),
      *copy = new_values(m * n);
    double *values = calloc((size_t)lesser(m, n) + 1, sizeof *values);
    lapack_int found = -1, *order = calloc((size_t)n + 1, sizeof *order);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *B = view_of((kind + 1) % VIEWS, dtype, m, p, b),
                     *X = NULL, *rank = NULL;
    int64_t *ours;

    ck_ok(da_lstsq_rank(&X, &rank, A, B, rcond));
    ck_assert_int_eq(da_array_ndim(rank), 0);
    ck_assert_int_eq(da_array_size(X), n * p);
    ours = numbers_of(rank);
    x = host_of(X);
    if (m > 0 && n > 0 && p > 0) {
        for (int64_t j = 0; j < p; j++)
            memcpy(best + j * most, b + j * m, (size_t)m * sizeof *b);
        memcpy(copy, a, (size_t)(m * n) * sizeof *a);
        ck_assert_int_eq(LAPACKE_zgelsd(LAPACK_COL_MAJOR, (int)m, (int)n, (int)p, copy, (int)m, best,
                                        (int)most, values, rcond, &found),
                         0);
        ck_assert_int_eq(ours[0], found);
        for (int64_t j = 0; j < p; j++)
            memcpy(best + j * most, b + j * m, (size_t)m * sizeof *b);
        memcpy(copy, a, (size_t)(m * n) * sizeof *a);
        ck_assert_int_eq(LAPACKE_zgelsy(LAPACK_COL_MAJOR, (int)m, (int)n, (int)p, copy, (int)m, best,
                                        (int)most, order, rcond, &found),
                         0);
        ck_assert_int_eq(ours[0], found);
        ck_assert_int_eq(found, lesser(r, lesser(m, n)));
        for (int64_t j = 0; j < p; j++)
            memmove(best + j * n, best + j * most, (size_t)n * sizeof *b);
        if (r > 0) {
            const double cond = values[0] / values[found - 1];

            ck_below("lstsq_rank",
                     distance(x, best, n * p) / (norm(best, n * p) * cond * cond * (double)most * eps), 30,
                     "%d x %d of rank %d %s", (int)m, (int)n, (int)r, da_dtype_name(dtype));
        }
    }
    if (r == 0 || m == 0) {
        ck_assert_int_eq(ours[0], 0);
        ck_assert(norm(x, n * p) == 0);
    }
    free(a);
    free(b);
    free(x);
    free(best);
    free(copy);
    free(values);
    free(order);
    free(ours);
}

START_TEST(least_squares)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(23);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_lstsq(kind, dtype, 61, 17, 3, 17);
        check_lstsq(kind, dtype, 61, 17, 3, 5);
        check_lstsq(kind, dtype, 17, 61, 2, 17);
        check_lstsq(kind, dtype, 17, 61, 2, 9);
        check_lstsq(kind, dtype, 30, 30, 1, 8);
        check_lstsq(kind, dtype, 9, 1, 2, 1);
        check_lstsq(kind, dtype, 12, 10, 2, 0);
        check_lstsq(kind, dtype, 3, 0, 2, 0);
        check_lstsq(kind, dtype, 0, 3, 2, 0);
        check_lstsq(kind, dtype, 5, 3, 0, 2);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_lstsq(kind, dtype, 61, 40, 3, 23);
        check_lstsq(kind, dtype, 40, 61, 3, 23);
    }
}
END_TEST

/* where the diagonal of R does not show the rank */
START_TEST(hidden_rank)
{
    const int64_t n = 90;
    z *a = kahan(n), *copy = kahan(n), *b = random_values(DA_F64, n, 1), *best = new_values(n), *x;
    lapack_int order[90] = {0}, found = 0;
    int64_t *ours;
    DA_AUTO da_array *A = array_of(DA_F64, n, n, a), *B = vector_of(DA_F64, n, b), *X = NULL, *rank = NULL,
                     *R = NULL, *P = NULL;

    ck_ok(da_lstsq_rank(&X, &rank, A, B, 1e-8));
    ck_assert_int_eq(da_array_ndim(X), 1);
    memcpy(best, b, (size_t)n * sizeof *b);
    ck_assert_int_eq(
        LAPACKE_zgelsy(LAPACK_COL_MAJOR, (int)n, (int)n, 1, copy, (int)n, best, (int)n, order, 1e-8, &found),
        0);
    ours = numbers_of(rank);
    ck_assert_int_eq(ours[0], found);
    ck_assert_int_lt(found, n);
    ck_ok(da_qr_pivoted(NULL, &R, &P, A));
    x = host_of(R);
    ck_assert(cabs(x[n * n - 1]) > 1e-3 * cabs(x[0]));
    free(x);
    free(a);
    free(copy);
    free(b);
    free(best);
    free(ours);
}
END_TEST

START_TEST(batches)
{
    const int64_t m = 9, n = 6, p = 2;
    double a[2 * 1 * 9 * 6], b[3 * 9 * 2];
    DA_AUTO da_array *A = NULL, *B = NULL, *Q = NULL, *R = NULL, *P = NULL, *X = NULL, *rank = NULL;
    int64_t *ranks;

    seed_values(24);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = value();
    for (int64_t i = 0; i < m; i++) /* the second matrix has a column twice */
        a[(m + i) * n + 4] = a[(m + i) * n + 1];
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        b[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 1, m, n), a, DA_ROW_MAJOR));
    ck_ok(da_from_host(&B, DA_F64, DA_SHAPE(3, m, p), b, DA_ROW_MAJOR));
    ck_ok(da_qr_pivoted(&Q, &R, &P, A));
    ck_ok(da_lstsq_rank(&X, &rank, A, B, -1));
    ck_assert_int_eq(da_array_ndim(X), 4);
    ck_assert_int_eq(da_array_ndim(rank), 2);
    ranks = numbers_of(rank);
    ck_assert_int_eq(ranks[0], n);
    ck_assert_int_eq(ranks[1], n - 1);
    free(ranks);
    for (int64_t i = 0; i < 6; i++) {
        z *ma = new_values(m * n), *mb = new_values(m * p), *x, *y;
        DA_AUTO da_array *q = NULL, *r = NULL, *v = NULL, *alone = NULL, *batch = NULL, *one = NULL,
                         *rhs = NULL;

        for (int64_t e = 0; e < m; e++) {
            for (int64_t c = 0; c < n; c++)
                ma[e + c * m] = a[(i / 3 * m + e) * n + c];
            for (int64_t c = 0; c < p; c++)
                mb[e + c * m] = b[(i % 3 * m + e) * p + c];
        }
        ck_ok(DA_SLICE(&q, Q, DA_AT(i / 3), DA_AT(0)));
        ck_ok(DA_SLICE(&r, R, DA_AT(i / 3), DA_AT(0)));
        ck_ok(DA_SLICE(&v, P, DA_AT(i / 3), DA_AT(0)));
        check_factors(q, r, v, ma, m, n, "batch");
        one = array_of(DA_F64, m, n, ma);
        rhs = array_of(DA_F64, m, p, mb);
        ck_ok(da_lstsq_rank(&alone, NULL, one, rhs, -1));
        ck_ok(DA_SLICE(&batch, X, DA_AT(i / 3), DA_AT(i % 3)));
        x = host_of(batch);
        y = host_of(alone);
        ck_below("batch", distance(x, y, n * p) / (norm(y, n * p) * DBL_EPSILON), 1000, "%d", (int)i);
        free(ma);
        free(mb);
        free(x);
        free(y);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

START_TEST(faults_and_arguments)
{
    DA_AUTO da_array *A = NULL, *L = NULL, *Q = NULL, *R = NULL, *P = NULL, *X = NULL, *rank = NULL,
                     *V = NULL, *J = NULL, *T = NULL;
    da_array *out = NULL, *other = NULL;

    ck_ok(da_full(&A, DA_F64, DA_SHAPE(6, 6), -1));
    ck_ok(da_cholesky(&L, A, 0));
    ck_ok(da_qr_pivoted(&Q, &R, &P, L));
    ck_fails(da_wait(P), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
    ck_fails(da_wait(Q), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
    ck_ok(da_lstsq_rank(&X, &rank, A, L, -1)); /* b's faults are not the rank's */
    ck_fails(da_wait(X), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
    ck_ok(da_wait(rank));

    ck_ok(da_ones(&V, DA_F64, DA_SHAPE(3)));
    ck_ok(da_ones(&J, DA_I32, DA_SHAPE(3, 3)));
    ck_ok(da_ones(&T, DA_F64, DA_SHAPE(4, 3)));
    ck_fails(da_qr_pivoted(&out, NULL, NULL, A), DA_ERROR_ARGUMENT, "da_qr_pivoted");
    ck_fails(da_qr_pivoted(&out, &out, &other, A), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_qr_pivoted(&out, NULL, &out, A), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_qr_pivoted(NULL, NULL, &out, V), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_qr_pivoted(NULL, NULL, &out, J), DA_ERROR_DTYPE, "int32");
    ck_fails(da_qr_pivoted(NULL, NULL, &out, NULL), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_lstsq_rank(&out, &out, A, A, 0), DA_ERROR_ARGUMENT, "same pointer");
    ck_fails(da_lstsq_rank(&out, NULL, A, A, (double)NAN), DA_ERROR_ARGUMENT, "NaN");
    ck_fails(da_lstsq_rank(&out, NULL, T, A, 0), DA_ERROR_SHAPE, "(6, 6)");
    ck_fails(da_lstsq_rank(&out, NULL, V, V, 0), DA_ERROR_SHAPE, "(3,)");
    ck_assert_ptr_null(out);
}
END_TEST

DA_TEST_MAIN("qr pivoted", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes),
             DA_CASE("real tiles", real_tiles), DA_CASE_LOOP("hard matrices", FLOAT_DTYPES, hard_matrices),
             DA_CASE_LOOP("as LAPACK", 2, as_lapack),
             DA_CASE_SWEEP("not numbers", 4 * FLOAT_DTYPES, not_numbers),
             DA_CASE_LOOP("least squares", FLOAT_DTYPES, least_squares), DA_CASE("hidden rank", hidden_rank),
             DA_CASE_LOOP("batches", 2, batches), DA_CASE("faults and arguments", faults_and_arguments))
