#include "linalg_check.h"

/* ||I - Q^H Q|| / (n eps) */
static void check_orthonormal(const z *q, int64_t m, int64_t k, double eps, const char *what)
{
    z *gram = product(k, k, m, q, 'C', q, 'N');

    for (int64_t i = 0; i < k; i++)
        gram[i + i * k] -= 1;
    if (k > 0)
        ck_below(what, norm(gram, k * k) / ((double)(m > k ? m : k) * eps), 30, "%d x %d orthonormal", (int)m,
                 (int)k);
    free(gram);
}

/* ||A - Q R|| / (||A|| n eps), R upper triangular */
static void check_factors(const da_array *Q, const da_array *R, const z *a, int64_t m, int64_t n, int64_t k,
                          const char *what)
{
    const double eps = eps_of(da_array_dtype(Q));
    z *q = host_of(Q), *r = host_of(R), *back = product(m, n, k, q, 'N', r, 'N');

    ck_assert_int_eq(da_array_size(Q), m * k);
    ck_assert_int_eq(da_array_size(R), k * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = j + 1; i < k; i++)
            ck_assert_msg(r[i + j * k] == 0, "%s: r(%d, %d) is not zero", what, (int)i, (int)j);
    if (m > 0 && n > 0)
        ck_below(what, distance(back, a, m * n) / (norm(a, m * n) * (double)(m > n ? m : n) * eps), 30,
                 "%d x %d %s", (int)m, (int)n, da_dtype_name(da_array_dtype(Q)));
    check_orthonormal(q, m, k, eps, what);
    free(q);
    free(r);
    free(back);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void check_qr(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *Q = NULL, *R = NULL, *only = NULL;

    ck_ok(da_qr(&Q, &R, A));
    check_factors(Q, R, a, m, n, lesser(m, n), "qr");
    ck_ok(da_qr(NULL, &only, A));
    ck_assert_int_eq(da_array_size(only), da_array_size(R));
    free(a);
}

START_TEST(sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 8);

    seed_values((uint64_t)_i);
    for (int kind = 0; kind < VIEWS; kind++) {
        ck_ok(da_blocks(DA_SHAPE(8, 8))); /* many blocks of rows */
        check_qr(kind, dtype, n, n);
        check_qr(kind, dtype, n, 5);
        check_qr(kind, dtype, 13, n);
        check_qr(kind, dtype, 61, n);
        ck_ok(da_blocks(DA_SHAPE(200, 8))); /* column panels */
        check_qr(kind, dtype, n, n);
        check_qr(kind, dtype, 97, 61);
        check_qr(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SHAPE(20, 5)));
        check_qr(kind, dtype, 97, 61);
        check_qr(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_qr(kind, dtype, 97, n);
    }
}
END_TEST

START_TEST(real_tiles)
{
    if (getenv("DARRAY_TILE")) /* these sizes are for the automatic tiles */
        return;
    seed_values(9);
    check_qr(VIEW_PLAIN, DA_F64, 300, 300);
    check_qr(VIEW_PLAIN, DA_F64, 9001, 30); /* a tree */
    check_qr(VIEW_PLAIN, DA_C128, 4100, 130);
    check_qr(VIEW_PLAIN, DA_F64, 130, 700);
}
END_TEST

/* the factor object: complete forms, Q applied from either side, to vectors */
static void check_object(da_dtype dtype, int64_t m, int64_t n)
{
    const double eps = eps_of(dtype);
    const int64_t k = lesser(m, n), p = 7;
    z *a = random_values(dtype, m, n), *b = random_values(dtype, m, p), *c = random_values(dtype, p, m), *q;
    DA_AUTO da_array *A = array_of(dtype, m, n, a), *Q = NULL, *R = NULL, *Qc = NULL, *Rc = NULL;
    DA_AUTO da_array *B = view_of(VIEW_STEPS, dtype, m, p, b), *C = array_of(dtype, p, m, c);
    DA_AUTO da_qr_factors *f = NULL;

    ck_ok(da_qr_factor(&f, A));
    ck_ok(da_qr_q(&Q, f, 0));
    ck_ok(da_qr_r(&R, f, 0));
    check_factors(Q, R, a, m, n, k, "factors");
    ck_ok(da_qr_q(&Qc, f, DA_COMPLETE));
    ck_ok(da_qr_r(&Rc, f, DA_COMPLETE));
    check_factors(Qc, Rc, a, m, n, m, "complete");

    q = host_of(Qc);
    for (int conj_transposed = 0; conj_transposed < 2; conj_transposed++) {
        const unsigned flags = conj_transposed ? DA_CONJ_TRANSPOSE : 0;
        z *left = product(m, p, m, q, conj_transposed ? 'C' : 'N', b, 'N');
        z *right = product(p, m, m, c, 'N', q, conj_transposed ? 'C' : 'N'), *got;
        DA_AUTO da_array *L = NULL, *X = NULL, *v = NULL, *w = NULL;

        ck_ok(da_qr_apply(&L, f, B, flags));
        got = host_of(L);
        ck_below("Q B", distance(got, left, m * p) / (norm(b, m * p) * (double)m * eps), 30, "%d x %d",
                 (int)m, (int)n);
        free(got);
        ck_ok(da_qr_apply(&X, f, C, flags | DA_RIGHT));
        got = host_of(X);
        ck_below("C Q", distance(got, right, m * p) / (norm(c, m * p) * (double)m * eps), 30, "%d x %d",
                 (int)m, (int)n);
        free(got);
        ck_ok(DA_SLICE(&v, B, DA_WHOLE, DA_AT(2)));
        ck_ok(da_qr_apply(&w, f, v, flags));
        ck_assert_int_eq(da_array_ndim(w), 1);
        got = host_of(w);
        ck_below("Q b", distance(got, left + 2 * m, m) / (norm(b, m * p) * (double)m * eps), 30, "%d x %d",
                 (int)m, (int)n);
        free(got);
        free(left);
        free(right);
    }
    free(a);
    free(b);
    free(c);
    free(q);
}

START_TEST(object)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(10);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    check_object(dtype, 37, 21);
    check_object(dtype, 21, 37);
    check_object(dtype, 16, 16);
    check_object(dtype, 1, 1);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_object(dtype, 53, 40);
    check_object(dtype, 40, 53);
}
END_TEST

START_TEST(batches)
{
    const int64_t m = 9, n = 5, count = 6;
    double *data = calloc((size_t)(count * m * n), sizeof *data);
    DA_AUTO da_array *A = NULL, *Q = NULL, *R = NULL;

    seed_values(12);
    for (int64_t i = 0; i < count * m * n; i++)
        data[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 3, m, n), data, DA_ROW_MAJOR));
    ck_ok(da_qr(&Q, &R, A));
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *q = NULL, *r = NULL;
        z *a = new_values(m * n);

        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                a[i + j * m] = data[(b * m + i) * n + j];
        ck_ok(DA_SLICE(&q, Q, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&r, R, DA_AT(b / 3), DA_AT(b % 3)));
        check_factors(q, r, a, m, n, n, "batch");
        free(a);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

START_TEST(inherited_faults)
{
    DA_AUTO da_array *A = NULL, *L = NULL, *Q = NULL, *R = NULL, *R2 = NULL;
    DA_AUTO da_qr_factors *f = NULL;

    ck_ok(da_full(&A, DA_F64, DA_SHAPE(6, 6), -1));
    ck_ok(da_cholesky(&L, A, 0));
    ck_ok(da_qr(&Q, &R, L));
    ck_fails(da_wait(Q), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
    ck_fails(da_wait(R), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
    ck_ok(da_qr_factor(&f, L));
    ck_ok(da_qr_r(&R2, f, 0));
    ck_fails(da_wait(R2), DA_ERROR_NUMERICAL, "leading minor 1 of 6");
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *A = NULL, *V = NULL, *J = NULL, *B = NULL, *S = NULL, *Z = NULL, *huge = NULL;
    DA_AUTO da_qr_factors *f = NULL, *g = NULL;
    da_qr_factors *stale = NULL, *alias;
    da_array *out = NULL;

    ck_fails(da_qr(&out, NULL, NULL), DA_ERROR_ARGUMENT, "da_qr");
    ck_fails(da_qr(NULL, NULL, NULL), DA_ERROR_ARGUMENT, "neither");
    ck_ok(da_zeros(&V, DA_F64, DA_SHAPE(3)));
    ck_fails(da_qr(&out, NULL, V), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_qr(&out, &out, A), DA_ERROR_ARGUMENT, "q and r are the same pointer");
    ck_ok(da_zeros(&J, DA_I64, DA_SHAPE(3, 3)));
    ck_fails(da_qr(&out, NULL, J), DA_ERROR_DTYPE, "int64");
    ck_ok(da_zeros(&B, DA_F64, DA_SHAPE(2, 3, 3)));
    ck_fails(da_qr_factor(&f, B), DA_ERROR_SHAPE, "(2, 3, 3)");
    ck_ok(da_broadcast_to(&huge, V, DA_SHAPE(3000000000, 3)));
    ck_fails(da_qr(&out, NULL, huge), DA_ERROR_OVERFLOW, "3000000000");
    ck_ok(da_ones(&A, DA_F64, DA_SHAPE(4, 3)));
    ck_ok(da_qr_factor(&f, A));
    ck_fails(da_qr_apply(&out, f, A, DA_RIGHT), DA_ERROR_SHAPE, "(4, 3)");
    ck_fails(da_qr_apply(&out, f, A, DA_UPPER), DA_ERROR_ARGUMENT, "flags");
    ck_fails(da_qr_r(&out, f, DA_RIGHT), DA_ERROR_ARGUMENT, "flags");
    ck_fails(da_qr_q(&out, NULL, 0), DA_ERROR_ARGUMENT, "null");
    ck_ok(da_ones(&S, DA_F32, DA_SHAPE(4, 3)));
    ck_fails(da_qr_apply(&out, f, S, 0), DA_ERROR_DTYPE, "float32");
    ck_ok(da_ones(&Z, DA_C128, DA_SHAPE(4, 3)));
    ck_ok(da_qr_factor(&g, Z));
    ck_fails(da_qr_apply(&out, g, Z, DA_TRANSPOSE), DA_ERROR_ARGUMENT, "DA_CONJ_TRANSPOSE");
    ck_ok(da_qr_factor(&stale, A));
    alias = stale;
    da_qr_factors_release(&stale);
    ck_assert_ptr_null(stale);
    ck_fails(da_qr_q(&out, alias, 0), DA_ERROR_STALE, "released");
    da_qr_factors_release(&stale);
    ck_assert_ptr_null(out);
}
END_TEST

DA_TEST_MAIN("qr", DA_CASE_LOOP("sizes", SIZES *FLOAT_DTYPES, sizes), DA_CASE("real tiles", real_tiles),
             DA_CASE_LOOP("object", FLOAT_DTYPES, object), DA_CASE_LOOP("batches", 2, batches),
             DA_CASE("faults", inherited_faults), DA_CASE("arguments", bad_arguments))
