#include "linalg_check.h"

/* ||a x - b|| / ((||a|| ||x|| + ||b||) n eps) with op(a) on the left or, if `right`, x op(a) */
static void check_solution(const da_array *X, const z *a, char op, const z *b, int64_t n, int64_t p,
                           bool right, const char *what)
{
    const double eps = eps_of(da_array_dtype(X));
    z *x = host_of(X), *back = right ? product(p, n, n, x, 'N', a, op) : product(n, p, n, a, op, x, 'N');

    ck_assert_int_eq(da_array_size(X), n * p);
    if (n > 0 && p > 0)
        ck_below(what,
                 distance(back, b, n * p) /
                     ((norm(a, n * n) * norm(x, n * p) + norm(b, n * p)) * (double)n * eps),
                 30, "n %d, %d right-hand sides, %s", (int)n, (int)p, da_dtype_name(da_array_dtype(X)));
    free(x);
    free(back);
}

/* A well-conditioned triangle; what is on the other side of the diagonal is NaN, and the diagonal too if `unit`. */
static z *triangle(da_dtype dtype, int64_t n, bool upper, bool unit, bool nans)
{
    z *t = random_values(dtype, n, n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) {
            if (i == j)
                t[i + j * n] = unit ? (nans ? NAN : 1) : t[i + j * n] + (creal(t[i + j * n]) > 0 ? 2 : -2);
            else if (upper ? i > j : i < j)
                t[i + j * n] = nans ? NAN : 0;
            else
                t[i + j * n] /= (double)n;
        }
    return t;
}

static void check_triangular(int kind, da_dtype dtype, int64_t n, int64_t p, unsigned flags)
{
    const bool upper = (flags & DA_UPPER) != 0, unit = (flags & DA_UNIT) != 0,
               right = (flags & DA_RIGHT) != 0;
    const char op = flags & DA_TRANSPOSE ? 'T' : flags & DA_CONJ_TRANSPOSE ? 'C' : 'N';
    const int64_t rows = right ? p : n, cols = right ? n : p;
    z *given, *t, *b = random_values(dtype, n, p);
    const uint64_t state = value_state;
    DA_AUTO da_array *T = NULL, *B = NULL, *X = NULL;

    given = triangle(dtype, n, upper, unit, true);
    value_state = state; /* the same again, without NaN */
    t = triangle(dtype, n, upper, unit, false);
    T = view_of(kind, dtype, n, n, given);
    B = view_of((kind + 1) % VIEWS, dtype, rows, cols, b);
    ck_ok(da_solve_triangular(&X, T, B, flags));
    check_solution(X, t, op, b, n, p, right, "solve_triangular");
    ck_ok(da_solve_triangular_inplace(T, B, flags));
    check_solution(B, t, op, b, n, p, right, "solve_triangular_inplace");
    free(given);
    free(t);
    free(b);
}

START_TEST(triangular)
{
    const unsigned ops[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const unsigned flags = (_i / FLOAT_DTYPES & 1 ? DA_UPPER : DA_LOWER) |
                           (_i / FLOAT_DTYPES & 2 ? DA_UNIT : 0) | (_i / FLOAT_DTYPES & 4 ? DA_RIGHT : 0) |
                           ops[_i / FLOAT_DTYPES / 8];

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        for (int i = 0; i < SIZES; i++)
            check_triangular(kind, dtype, size_around(i, 8), 11, flags);
        ck_ok(da_blocks(DA_SHAPE(13, 4)));
        check_triangular(kind, dtype, 61, 17, flags);
        check_triangular(kind, dtype, 31, 1, flags);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_triangular(kind, dtype, 37, 3, flags);
        check_triangular(kind, dtype, 5, 0, flags);
    }
}
END_TEST

START_TEST(large_triangular)
{
    seed_values(5);
    check_triangular(VIEW_PLAIN, DA_F64, 700, 3, DA_LOWER);
    check_triangular(VIEW_PLAIN, DA_F64, 600, 1, DA_UPPER | DA_TRANSPOSE);
    check_triangular(VIEW_PLAIN, DA_F64, 300, 900, DA_UPPER);
    check_triangular(VIEW_PLAIN, DA_C64, 300, 40, DA_LOWER | DA_RIGHT);
}
END_TEST

START_TEST(vectors)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 23;
    z *t, *a, *b;
    DA_AUTO da_array *T = NULL, *A = NULL, *B = NULL, *X = NULL, *Y = NULL, *W = NULL, *L = NULL;

    seed_values(6);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    t = triangle(dtype, n, true, false, false);
    a = random_values(dtype, n, n);
    b = random_values(dtype, n, 1);
    T = array_of(dtype, n, n, t);
    A = array_of(dtype, n, n, a);
    B = vector_of(dtype, n, b);
    ck_ok(da_solve_triangular(&X, T, B, DA_UPPER));
    ck_assert_int_eq(da_array_ndim(X), 1);
    check_solution(X, t, 'N', b, n, 1, false, "vector");
    ck_ok(da_solve_triangular(&Y, T, B, DA_UPPER | DA_RIGHT));
    ck_assert_int_eq(da_array_ndim(Y), 1);
    check_solution(Y, t, 'N', b, n, 1, true, "vector on the left");
    ck_ok(da_solve(&W, A, B));
    ck_assert_int_eq(da_array_ndim(W), 1);
    check_solution(W, a, 'N', b, n, 1, false, "solve, vector");
    ck_ok(da_lstsq(&L, A, B));
    ck_assert_int_eq(da_array_ndim(L), 1);
    check_solution(L, a, 'N', b, n, 1, false, "lstsq, vector");
    ck_ok(da_solve_triangular_inplace(T, B, DA_UPPER));
    check_solution(B, t, 'N', b, n, 1, false, "vector in place");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(t);
    free(a);
    free(b);
}
END_TEST

static void check_general(int kind, da_dtype dtype, int64_t n, int64_t p)
{
    z *a = random_values(dtype, n, n), *b = random_values(dtype, n, p);
    DA_AUTO da_array *A = NULL, *B = view_of((kind + 2) % VIEWS, dtype, n, p, b), *X = NULL, *LU = NULL,
                     *P = NULL, *Y = NULL;

    for (int64_t i = 0; i < n; i++)
        a[i + i * n] += 3; /* not so that no rows are exchanged */
    A = view_of(kind, dtype, n, n, a);
    ck_ok(da_solve(&X, A, B));
    check_solution(X, a, 'N', b, n, p, false, "solve");
    ck_ok(da_lu(&LU, &P, A));
    ck_ok(da_lu_solve(&Y, LU, P, B, 0));
    check_solution(Y, a, 'N', b, n, p, false, "lu_solve");
    free(a);
    free(b);
}

START_TEST(general)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_general(kind, dtype, n, 11);
        check_general(kind, dtype, n, 1);
        ck_ok(da_blocks(DA_SHAPE(13, 7)));
        check_general(kind, dtype, 61, 9);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_general(kind, dtype, n, 3);
    }
}
END_TEST

/* the residual is orthogonal to a's columns: ||a^H (a x - b)|| / (||a|| (||a|| ||x|| + ||b||) m eps) */
static void check_least_squares(int kind, da_dtype dtype, int64_t m, int64_t n, int64_t p)
{
    const double eps = eps_of(dtype);
    z *a = random_values(dtype, m, n), *b = random_values(dtype, m, p), *x, *r, *s;
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *B = view_of((kind + 1) % VIEWS, dtype, m, p, b),
                     *X = NULL;

    ck_ok(da_lstsq(&X, A, B));
    ck_assert_int_eq(da_array_size(X), n * p);
    x = host_of(X);
    r = product(m, p, n, a, 'N', x, 'N');
    for (int64_t i = 0; i < m * p; i++)
        r[i] -= b[i];
    s = product(n, p, m, a, 'C', r, 'N');
    if (n > 0 && p > 0)
        ck_below("lstsq",
                 norm(s, n * p) /
                     (norm(a, m * n) * (norm(a, m * n) * norm(x, n * p) + norm(b, m * p)) * (double)m * eps),
                 30, "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    free(a);
    free(b);
    free(x);
    free(r);
    free(s);
}

/* fewer equations than unknowns: they hold, and x is as short as LAPACK's */
static void check_shortest(int kind, da_dtype dtype, int64_t m, int64_t n, int64_t p)
{
    const double eps = eps_of(dtype);
    z *a = random_values(dtype, m, n), *b = random_values(dtype, m, p), *x, *r, *copy, *best;
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *B = view_of((kind + 1) % VIEWS, dtype, m, p, b),
                     *X = NULL;

    ck_ok(da_lstsq(&X, A, B));
    ck_assert_int_eq(da_array_size(X), n * p);
    x = host_of(X);
    r = product(m, p, n, a, 'N', x, 'N');
    if (m > 0 && p > 0)
        ck_below("shortest, residual",
                 distance(r, b, m * p) /
                     ((norm(a, m * n) * norm(x, n * p) + norm(b, m * p)) * (double)n * eps),
                 30, "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    copy = new_values(m * n);
    memcpy(copy, a, (size_t)(m * n) * sizeof *a);
    best = new_values(n * p);
    for (int64_t j = 0; j < p; j++)
        memcpy(best + j * n, b + j * m, (size_t)m * sizeof *b);
    if (m > 0) {
        ck_assert_int_eq(
            LAPACKE_zgels(LAPACK_COL_MAJOR, 'N', (int)m, (int)n, (int)p, copy, (int)m, best, (int)n), 0);
        /* random matrices with twice as many columns as rows are well-conditioned */
        ck_below("shortest", distance(x, best, n * p) / (norm(best, n * p) * (double)n * eps), 1000,
                 "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    } else {
        ck_assert(norm(x, n * p) == 0);
    }
    free(a);
    free(b);
    free(x);
    free(r);
    free(copy);
    free(best);
}

START_TEST(underdetermined)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(19);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_shortest(kind, dtype, 17, 61, 3);
        check_shortest(kind, dtype, 1, 9, 2);
        check_shortest(kind, dtype, 0, 3, 2);
        ck_ok(da_blocks(DA_SHAPE(200, 8)));
        check_shortest(kind, dtype, 31, 97, 1);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_shortest(kind, dtype, 31, 97, 5);
    }
}
END_TEST

START_TEST(least_squares)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(13);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_least_squares(kind, dtype, 61, 17, 3);
        check_least_squares(kind, dtype, 40, 40, 1);
        check_least_squares(kind, dtype, 9, 1, 2);
        check_least_squares(kind, dtype, 3, 0, 2);
        ck_ok(da_blocks(DA_SHAPE(200, 8)));
        check_least_squares(kind, dtype, 97, 61, 3);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_least_squares(kind, dtype, 97, 61, 5);
    }
}
END_TEST

START_TEST(batches)
{
    const int64_t n = 5, p = 3;
    double a[2 * 1 * 5 * 5], b[4 * 5 * 3];
    DA_AUTO da_array *A = NULL, *B = NULL, *X = NULL, *T = NULL, *L = NULL, *v = NULL, *V = NULL;

    seed_values(14);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = value() + (i % 25 % 6 == 0 ? 3 : 0);
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        b[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(2, 2)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 1, n, n), a, DA_ROW_MAJOR));
    ck_ok(da_from_host(&B, DA_F64, DA_SHAPE(4, n, p), b, DA_ROW_MAJOR));
    ck_ok(da_solve(&X, A, B));
    ck_ok(da_lstsq(&L, A, B));
    ck_ok(da_solve_triangular(&T, A, B, DA_LOWER));
    ck_assert_int_eq(da_array_ndim(X), 4);
    for (int64_t i = 0; i < 8; i++) {
        z *ma = new_values(n * n), *mb = new_values(n * p);
        DA_AUTO da_array *x = NULL, *l = NULL, *t = NULL;

        for (int64_t r = 0; r < n; r++) {
            for (int64_t c = 0; c < n; c++)
                ma[r + c * n] = a[(i / 4 * n + r) * n + c];
            for (int64_t c = 0; c < p; c++)
                mb[r + c * n] = b[(i % 4 * n + r) * p + c];
        }
        ck_ok(DA_SLICE(&x, X, DA_AT(i / 4), DA_AT(i % 4)));
        ck_ok(DA_SLICE(&l, L, DA_AT(i / 4), DA_AT(i % 4)));
        ck_ok(DA_SLICE(&t, T, DA_AT(i / 4), DA_AT(i % 4)));
        check_solution(x, ma, 'N', mb, n, p, false, "batch");
        check_solution(l, ma, 'N', mb, n, p, false, "batch, lstsq");
        keep_triangle(ma, n, n, false, false);
        check_solution(t, ma, 'N', mb, n, p, false, "batch, triangular");
        free(ma);
        free(mb);
    }
    /* one vector for all matrices, as NumPy 2 */
    ck_ok(DA_SLICE(&v, B, DA_AT(0), DA_WHOLE, DA_AT(0)));
    ck_ok(da_solve(&V, A, v));
    ck_assert_int_eq(da_array_ndim(V), 3);
    ck_ok(da_wait(V));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* exact zeros on the diagonal are faults of the solution, wherever they are */
START_TEST(singular)
{
    const int64_t n = 20, bads[] = {0, 9, 19}, bad = bads[_i % 3];
    char triangular_text[80], solve_text[80];
    z *t, *a, *b;
    DA_AUTO da_array *T = NULL, *A = NULL, *B = NULL, *X = NULL, *Y = NULL, *Z = NULL, *W = NULL, *L = NULL,
                     *At = NULL, *top = NULL, *S = NULL, *Sf = NULL;
    DA_AUTO da_qr_factors *f = NULL;

    snprintf(triangular_text, sizeof triangular_text, "solve_triangular: diagonal element %d of 20 is zero",
             (int)bad + 1);
    snprintf(solve_text, sizeof solve_text, "pivot %d of 20 is zero", (int)bad + 1);
    ck_ok(da_blocks(_i / 3 ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
    seed_values(15);
    t = triangle(DA_F64, n, true, false, false);
    b = random_values(DA_F64, n, 2);
    t[bad + bad * n] = 0;
    T = array_of(DA_F64, n, n, t);
    B = array_of(DA_F64, n, 2, b);
    ck_ok(da_solve_triangular(&X, T, B, DA_UPPER));
    ck_fails(da_wait(X), DA_ERROR_NUMERICAL, triangular_text);
    ck_ok(da_solve_triangular(&Y, T, B, DA_UPPER | DA_UNIT));
    ck_ok(da_wait(Y));
    /* LU of an upper triangle exchanges nothing, so the same pivot is zero */
    ck_ok(da_solve(&Z, T, B));
    ck_fails(da_wait(Z), DA_ERROR_NUMERICAL, solve_text);
    ck_ok(da_wait(T));
    ck_ok(da_solve_triangular_inplace(T, B, DA_UPPER));
    ck_fails(da_wait(B), DA_ERROR_NUMERICAL, triangular_text);
    ck_ok(da_matmul(&W, T, B));
    ck_fails(da_wait(W), DA_ERROR_NUMERICAL, triangular_text);
    /* a column of zeros */
    a = random_values(DA_F64, n, 4);
    for (int64_t i = 0; i < n; i++)
        a[i + 2 * n] = 0;
    A = array_of(DA_F64, n, 4, a);
    da_array_release(&B);
    B = array_of(DA_F64, n, 2, b);
    ck_ok(da_lstsq(&L, A, B));
    ck_fails(da_wait(L), DA_ERROR_NUMERICAL, "lstsq: column 3 of 4");
    ck_ok(da_matrix_transpose(&At, A));
    ck_ok(DA_SLICE(&top, B, DA_UNTIL(4)));
    ck_ok(da_lstsq(&S, At, top));
    ck_fails(da_wait(S), DA_ERROR_NUMERICAL, "lstsq: row 3 of 4");
    ck_ok(da_lq_factor(&f, At));
    ck_ok(da_qr_solve(&Sf, f, top));
    ck_fails(da_wait(Sf), DA_ERROR_NUMERICAL, "qr_solve: row 3 of 4");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(t);
    free(a);
    free(b);
}
END_TEST

/* A NaN propagates: it is no fault, wherever it stands, whatever stands beside it, also in panels further right. */
START_TEST(not_numbers)
{
    const da_dtype dtype = float_dtypes[_i / 4];
    const double beside = _i & 1 ? 0 : 0.01;
    const int64_t sizes[] = {9, 16, 40};

    if (_i & 2)
        ck_ok(da_blocks(DA_SHAPE(3, 3)));
    for (int s = 0; s < (_i & 2 ? 2 : 3); s++)
        for (int64_t at = 0; at < 2 * sizes[s]; at++) {
            const int64_t n = sizes[s], row = at / 2, column = at % 2 ? (row * 7 + 3) % n : row;
            DA_AUTO da_array *A = NULL, *B = NULL, *X = NULL, *lu = NULL, *pivots = NULL, *Y = NULL;
            z *a = calloc((size_t)(n * n), sizeof *a), *b = calloc((size_t)n, sizeof *b);

            for (int64_t i = 0; i < n * n; i++)
                a[i] = i % (n + 1) == 0 ? 4.01 : beside;
            a[row + column * n] = NAN;
            for (int64_t i = 0; i < n; i++)
                b[i] = 1;
            A = array_of(dtype, n, n, a);
            B = array_of(dtype, n, 1, b);
            ck_ok(da_solve(&X, A, B));
            ck_ok(da_lu(&lu, &pivots, A));
            ck_ok(da_lu_solve(&Y, lu, pivots, B, 0));
            for (int k = 0; k < 2; k++) {
                DA_AUTO da_array *nan = NULL;
                da_array *const x = k ? Y : X;
                bool any;

                ck_ok(da_wait(x));
                ck_ok(da_any(&nan, da_isnan(x), DA_ALL, 0));
                ck_ok(da_item(&any, nan));
                ck_assert(any);
            }
            free(a);
            free(b);
        }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* t and b overlap: t is read as it was */
START_TEST(overlaps)
{
    const int64_t n = 12;
    z *t, *b;
    DA_AUTO da_array *T = NULL, *B = NULL;

    seed_values(16);
    ck_ok(da_blocks(DA_SHAPE(4, 4)));
    t = triangle(DA_F64, n, false, false, false);
    T = array_of(DA_F64, n, n, t);
    ck_ok(DA_SLICE(&B, T, DA_WHOLE, DA_RANGE(0, 3)));
    b = host_of(B);
    ck_ok(da_solve_triangular_inplace(T, B, DA_LOWER));
    check_solution(B, t, 'N', b, n, 3, false, "overlap");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(t);
    free(b);
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *F = NULL, *R = NULL, *V = NULL, *P = NULL, *M = NULL, *N = NULL;
    da_array *out = NULL;

    ck_ok(da_ones(&A, DA_F64, DA_SHAPE(3, 3)));
    ck_ok(da_ones(&B, DA_F64, DA_SHAPE(4, 2)));
    ck_ok(da_ones(&F, DA_F32, DA_SHAPE(3, 2)));
    ck_ok(da_ones(&R, DA_F64, DA_SHAPE(3, 4)));
    ck_ok(da_ones(&V, DA_F64, DA_SHAPE(4)));
    ck_fails(da_solve_triangular(&out, A, B, DA_UPPER), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_solve_triangular(&out, A, V, DA_UPPER), DA_ERROR_SHAPE, "(4,)");
    ck_fails(da_solve_triangular(&out, R, B, DA_UPPER), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_solve_triangular(&out, A, F, DA_UPPER), DA_ERROR_DTYPE, "float32");
    ck_fails(da_solve_triangular(&out, A, A, 0), DA_ERROR_ARGUMENT, "DA_UPPER");
    ck_fails(da_solve_triangular(&out, A, A, DA_UPPER | DA_LOWER), DA_ERROR_ARGUMENT, "both");
    ck_fails(da_solve_triangular(&out, A, A, DA_LOWER | DA_TRANSPOSE | DA_CONJ_TRANSPOSE), DA_ERROR_ARGUMENT,
             "both");
    ck_fails(da_solve_triangular_inplace(A, B, DA_UPPER), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_solve(&out, R, B), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_solve(&out, A, B), DA_ERROR_SHAPE, "(4, 2)");
    ck_fails(da_lstsq(&out, R, B), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_lstsq(&out, A, B), DA_ERROR_SHAPE, "(4, 2)");
    ck_ok(da_zeros(&P, DA_I32, DA_SHAPE(3)));
    ck_fails(da_lu_solve(&out, A, P, A, 0), DA_ERROR_DTYPE, "int32");
    da_array_release(&P);
    ck_ok(da_zeros(&P, DA_I64, DA_SHAPE(4)));
    ck_fails(da_lu_solve(&out, A, P, A, 0), DA_ERROR_SHAPE, "(4,)");
    /* rows that do not exist are an error of the task that meets them */
    da_array_release(&P);
    ck_ok(da_full(&P, DA_I64, DA_SHAPE(3), 7));
    ck_ok(da_lu_solve(&N, A, P, A, 0));
    ck_fails(da_wait(N), DA_ERROR_TASK, "row 7");
    ck_ok(da_ones(&M, DA_F64, DA_SHAPE(2, 3, 3)));
    ck_fails(da_solve_triangular_inplace(M, A, DA_UPPER), DA_ERROR_SHAPE, "(2, 3, 3)");
    ck_assert_ptr_null(out);
}
END_TEST

DA_TEST_MAIN("solve", DA_CASE_SWEEP("triangular", 24 * FLOAT_DTYPES, triangular),
             DA_CASE("large", large_triangular), DA_CASE_LOOP("vectors", FLOAT_DTYPES, vectors),
             DA_CASE_SWEEP("general", SIZES *FLOAT_DTYPES, general),
             DA_CASE_LOOP("least squares", FLOAT_DTYPES, least_squares),
             DA_CASE_LOOP("underdetermined", FLOAT_DTYPES, underdetermined),
             DA_CASE_LOOP("batches", 2, batches), DA_CASE_LOOP("singular", 6, singular),
             DA_CASE_SWEEP("not numbers", 4 * FLOAT_DTYPES, not_numbers), DA_CASE("overlaps", overlaps),
             DA_CASE("arguments", bad_arguments))
