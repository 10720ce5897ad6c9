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

static void check_lu(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *LU = NULL, *P = NULL;

    ck_ok(da_lu(&LU, &P, A));
    ck_assert_int_eq(da_array_dtype(P), DA_I64);
    check_factors(LU, P, a, m, n, "lu");
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

START_TEST(bad_arguments)
{
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
    ck_assert_ptr_null(lu);
    ck_assert_ptr_null(p);
}
END_TEST

DA_TEST_MAIN("lu", DA_CASE_LOOP("sizes", SIZES *FLOAT_DTYPES, sizes), DA_CASE("real tiles", real_tiles),
             DA_CASE_LOOP("singular", 2, singular), DA_CASE_LOOP("batches", 2, batches),
             DA_CASE("arguments", bad_arguments))
