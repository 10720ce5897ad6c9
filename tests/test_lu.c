#include "linalg_check.h"

/* ||P A - L U|| / (||A|| n eps), |L| <= 1 */
static void check_factors(const da_array *LU, const da_array *pivots, const z *a, int64_t m, int64_t n,
                          const char *what)
{
    const int64_t k = m < n ? m : n;
    const double eps = eps_of(da_array_dtype(LU));
    int64_t *rows = calloc((size_t)k + 1, sizeof *rows);
    z *lu = host_of(LU), *l = new_values(m * k), *u = new_values(k * n), *back, *pa = new_values(m * n);

    ck_assert_int_eq(da_array_size(pivots), k);
    ck_ok(da_to_host(pivots, rows, (size_t)k * sizeof *rows, DA_ROW_MAJOR));
    memcpy(pa, a, (size_t)(m * n) * sizeof *pa);
    for (int64_t i = 0; i < k; i++) {
        ck_assert_msg(rows[i] >= i && rows[i] < m, "%s: pivot %d is row %d", what, (int)i, (int)rows[i]);
        for (int64_t j = 0; j < n; j++) {
            const z x = pa[i + j * m];
            pa[i + j * m] = pa[rows[i] + j * m];
            pa[rows[i] + j * m] = x;
        }
    }
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < m; i++) {
            l[i + j * m] = i > j ? lu[i + j * m] : i == j;
            ck_assert(cabs(l[i + j * m]) <= (is_complex(da_array_dtype(LU)) ? sqrt(2) : 1) * (1 + 4 * eps));
        }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j && i < k; i++)
            u[i + j * k] = lu[i + j * m];
    back = product(m, n, k, l, 'N', u, 'N');
    if (m > 0 && n > 0)
        ck_below(what, distance(back, pa, m * n) / (norm(a, m * n) * (double)(m > n ? m : n) * eps), 30,
                 "%d x %d %s", (int)m, (int)n, da_dtype_name(da_array_dtype(LU)));
    free(rows);
    free(lu);
    free(l);
    free(u);
    free(back);
    free(pa);
}

/* ||A - L U|| / (||A|| n eps) */
static void check_unpivoted(const da_array *LU, const z *a, int64_t m, int64_t n, const char *what)
{
    const int64_t k = m < n ? m : n;
    z *l = host_of(LU), *u = host_of(LU), *back, *top = new_values(k * n);

    keep_triangle(l, m, k, false, true); /* the first k columns */
    keep_triangle(u, m, n, true, false);
    for (int64_t j = 0; j < n; j++)
        memcpy(top + j * k, u + j * m, (size_t)k * sizeof *top);
    back = product(m, n, k, l, 'N', top, 'N');
    if (m > 0 && n > 0)
        ck_below(what,
                 distance(back, a, m * n) /
                     (norm(a, m * n) * (double)(m > n ? m : n) * eps_of(da_array_dtype(LU))),
                 30, "%d x %d %s", (int)m, (int)n, da_dtype_name(da_array_dtype(LU)));
    free(l);
    free(u);
    free(back);
    free(top);
}

/* P = a, which is left alone, and A in place; the same without exchanges for a diagonally dominant matrix. */
static void check_lu(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n), *same;
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *LU = NULL, *P = NULL, *Q = NULL;
    DA_AUTO da_array *B = NULL, *N = NULL;

    ck_ok(da_lu(&LU, &P, A));
    ck_assert_int_eq(da_array_dtype(P), DA_I64);
    check_factors(LU, P, a, m, n, "lu");
    same = host_of(A);
    ck_assert(distance(same, a, m * n) == 0 || eps_of(dtype) > 1e-10);
    ck_ok(da_lu_inplace(A, &Q));
    check_factors(A, Q, a, m, n, "lu_inplace");
    free(same);

    for (int64_t i = 0; i < m && i < n; i++)
        a[i + i * m] += (double)(m > n ? m : n);
    B = view_of(kind, dtype, m, n, a);
    ck_ok(da_lu_nopivot(&N, B));
    check_unpivoted(N, a, m, n, "lu_nopivot");
    ck_ok(da_lu_nopivot_inplace(B));
    check_unpivoted(B, a, m, n, "lu_nopivot_inplace");
    free(a);
}

START_TEST(sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8)));
        check_lu(kind, dtype, n, n);
        check_lu(kind, dtype, n, 13);
        check_lu(kind, dtype, 13, n);
        ck_ok(da_blocks(DA_SHAPE(200, 8)));
        check_lu(kind, dtype, n, n);
        check_lu(kind, dtype, 97, 61);
        check_lu(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SHAPE(20, 5)));
        check_lu(kind, dtype, 97, 61);
        check_lu(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_lu(kind, dtype, n, n);
    }
}
END_TEST

START_TEST(real_tiles)
{
    seed_values(9);
    check_lu(VIEW_PLAIN, DA_F64, 600, 600);
    check_lu(VIEW_PLAIN, DA_C64, 400, 700);
    check_lu(VIEW_PLAIN, DA_F64, 900, 300);
}
END_TEST

/* a zero pivot is no fault of the factors */
START_TEST(singular)
{
    z *a;
    DA_AUTO da_array *A = NULL, *LU = NULL, *P = NULL;

    seed_values(3);
    ck_ok(da_blocks(_i ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
    a = random_values(DA_F64, 30, 30);
    for (int64_t i = 0; i < 30; i++)
        a[i + 30 * 20] = 0;
    A = array_of(DA_F64, 30, 30, a);
    ck_ok(da_lu(&LU, &P, A));
    ck_ok(da_wait(LU));
    check_factors(LU, P, a, 30, 30, "singular");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
}
END_TEST

START_TEST(batches)
{
    const int64_t m = 7, n = 9, count = 6;
    float *data = calloc((size_t)(count * m * n), sizeof *data);
    DA_AUTO da_array *A = NULL, *LU = NULL, *P = NULL;

    seed_values(12);
    for (int64_t i = 0; i < count * m * n; i++)
        data[i] = (float)value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F32, DA_SHAPE(2, 3, m, n), data, DA_ROW_MAJOR));
    ck_ok(da_lu(&LU, &P, A));
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *lu = NULL, *p = NULL;
        z *a = new_values(m * n);

        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                a[i + j * m] = data[(b * m + i) * n + j];
        ck_ok(DA_SLICE(&lu, LU, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&p, P, DA_AT(b / 3), DA_AT(b % 3)));
        check_factors(lu, p, a, m, n, "batch");
        free(a);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

/* In place in a window of a larger array, whose other elements stay. */
START_TEST(windows)
{
    const da_dtype dtype = float_dtypes[_i];
    z *all = random_values(dtype, 60, 50), *inner = new_values(30 * 20), *after;
    DA_AUTO da_array *A = NULL, *W = NULL, *P = NULL;

    round_values(dtype, all, 60 * 50);
    ck_ok(da_blocks(DA_SHAPE(16, 8)));
    A = array_of(dtype, 60, 50, all);
    ck_ok(DA_SLICE(&W, A, DA_RANGE(9, 39), DA_RANGE(8, 28)));
    for (int64_t j = 0; j < 20; j++)
        memcpy(inner + j * 30, all + 9 + (j + 8) * 60, 30 * sizeof *inner);
    ck_ok(da_lu_inplace(W, &P));
    check_factors(W, P, inner, 30, 20, "window");
    after = host_of(A);
    for (int64_t j = 0; j < 50; j++)
        for (int64_t i = 0; i < 60; i++)
            if (i < 9 || i >= 39 || j < 8 || j >= 28)
                ck_assert(after[i + j * 60] == all[i + j * 60]);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(all);
    free(inner);
    free(after);
}
END_TEST

/* The first zero pivot, as LAPACK counts it, is a fault of factors without exchanges; a NaN is none. */
START_TEST(zero_pivots)
{
    const int64_t n = 20, bads[] = {0, 9, 19}, bad = bads[_i % 3];
    char text[80];
    z *a;

    snprintf(text, sizeof text, "lu_nopivot: pivot %d of 20 is zero", (int)bad + 1);
    seed_values(4);
    ck_ok(da_blocks(_i / 3 ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
    a = new_values(n * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++)
            a[i + j * n] = i < j ? value() : 1;
    for (int64_t i = bad; i < n; i += 7)
        a[i + i * n] = 0;
    for (int d = 0; d < FLOAT_DTYPES; d++) {
        DA_AUTO da_array *A = array_of(float_dtypes[d], n, n, a), *LU = NULL, *S = NULL, *B = NULL, *X = NULL;

        ck_ok(da_lu_nopivot(&LU, A));
        ck_fails(da_wait(LU), DA_ERROR_NUMERICAL, text);
        ck_ok(da_ones(&B, float_dtypes[d], DA_SHAPE(n)));
        ck_ok(da_lu_solve(&X, LU, NULL, B, 0));
        ck_fails(da_wait(X), DA_ERROR_NUMERICAL, text);
        ck_ok(da_lu_nopivot_inplace(A));
        ck_fails(da_wait(A), DA_ERROR_NUMERICAL, text);
        ck_ok(DA_SLICE(&S, A, DA_AT(0), DA_AT(0))); /* wherever it stands */
        ck_fails(da_wait(S), DA_ERROR_NUMERICAL, text);
    }
    a[bad + bad * n] = NAN;
    for (int64_t i = bad + 1; i < n; i++)
        a[i + i * n] = 1;
    DA_AUTO da_array *A = array_of(DA_F64, n, n, a), *LU = NULL;
    ck_ok(da_lu_nopivot(&LU, A));
    ck_ok(da_wait(LU));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
}
END_TEST

/* Wilkinson's matrix, whose factors grow by 2^(n-1); graded ones; denormal numbers. */
START_TEST(hard)
{
    const int64_t n = 40;
    z *a = new_values(n * n);
    DA_AUTO da_array *A = NULL, *LU = NULL, *P = NULL, *Q = NULL, *last = NULL;
    double growth;

    seed_values(31);
    ck_ok(da_blocks(_i ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] = j == n - 1 || i == j ? 1 : i > j ? -1 : 0;
    A = array_of(DA_F64, n, n, a);
    ck_ok(da_lu(&LU, &P, A));
    ck_ok(DA_SLICE(&last, LU, DA_AT(n - 1), DA_AT(n - 1)));
    ck_ok(da_item(&growth, last));
    ck_assert(growth == ldexp(1, (int)n - 1));
    da_array_release(&A);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] = value() * pow(10, -(double)(3 * i + 2 * j) / 4);
    A = array_of(DA_F64, n, n, a);
    ck_ok(da_lu_inplace(A, &Q));
    check_factors(A, Q, a, n, n, "graded");
    da_array_release(&A);
    da_array_release(&Q);
    for (int64_t i = 0; i < n * n; i++)
        a[i] = value() * 1e-306;
    A = array_of(DA_F64, n, n, a);
    ck_ok(da_lu_inplace(A, &Q));
    z *lu = host_of(A), *scaled = new_values(n * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) {
            lu[i + j * n] *= i <= j ? 1e306 : 1;
            scaled[i + j * n] = a[i + j * n] * 1e306;
        }
    DA_AUTO da_array *S = array_of(DA_F64, n, n, lu);
    check_factors(S, Q, scaled, n, n, "tiny numbers");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
    free(lu);
    free(scaled);
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *row = NULL, *wide = NULL;
    DA_AUTO da_array *V = NULL, *B = NULL, *A = NULL;
    da_array *lu = NULL, *p = NULL;

    ck_ok(da_zeros(&V, DA_F64, DA_SHAPE(3)));
    ck_fails(da_lu(&lu, &p, V), DA_ERROR_SHAPE, "(3,)");
    ck_ok(da_zeros(&B, DA_BOOL, DA_SHAPE(3, 3)));
    ck_fails(da_lu(&lu, &p, B), DA_ERROR_DTYPE, "bool");
    ck_ok(da_zeros(&A, DA_F64, DA_SHAPE(3, 3)));
    ck_fails(da_lu(&lu, NULL, A), DA_ERROR_ARGUMENT, "da_lu");
    ck_fails(da_lu(&lu, &lu, A), DA_ERROR_ARGUMENT, "lu and pivots are the same pointer");
    ck_fails(da_lu(NULL, &p, A), DA_ERROR_ARGUMENT, "da_lu");
    ck_fails(da_lu(&lu, &p, NULL), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_lu_inplace(V, &p), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_lu_inplace(B, &p), DA_ERROR_DTYPE, "bool");
    ck_fails(da_lu_inplace(A, NULL), DA_ERROR_ARGUMENT, "da_lu_inplace");
    ck_fails(da_lu_inplace(NULL, &p), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_lu_nopivot(&lu, V), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_lu_nopivot(NULL, A), DA_ERROR_ARGUMENT, "da_lu_nopivot");
    ck_fails(da_lu_nopivot_inplace(B), DA_ERROR_DTYPE, "bool");
    ck_ok(da_zeros(&row, DA_F64, DA_SHAPE(1, 3)));
    ck_ok(da_broadcast_to(&wide, row, DA_SHAPE(3, 3)));
    ck_fails(da_lu_inplace(wide, &p), DA_ERROR_ARGUMENT, "broadcast");
    ck_fails(da_lu_nopivot_inplace(wide), DA_ERROR_ARGUMENT, "broadcast");
    ck_assert_ptr_null(lu);
    ck_assert_ptr_null(p);
}
END_TEST

DA_TEST_MAIN("lu", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes), DA_CASE("real tiles", real_tiles),
             DA_CASE_LOOP("singular", 2, singular), DA_CASE_LOOP("batches", 2, batches),
             DA_CASE_LOOP("windows", FLOAT_DTYPES, windows), DA_CASE_LOOP("zero pivots", 6, zero_pivots),
             DA_CASE_LOOP("hard", 2, hard), DA_CASE("arguments", bad_arguments))
