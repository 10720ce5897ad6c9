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

static z *transpose_of(const z *a, int64_t m, int64_t n)
{
    z *t = new_values(m * n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            t[j + i * n] = a[i + j * m];
    return t;
}

/* A = L Q is A^T = Q^T L^T, with orthonormal columns */
static void check_lq_factors(const da_array *L, const da_array *Q, const z *a, int64_t m, int64_t n,
                             int64_t k, const char *what)
{
    z *t = transpose_of(a, m, n);
    DA_AUTO da_array *Qt = NULL, *Lt = NULL;

    ck_ok(da_matrix_transpose(&Qt, Q));
    ck_ok(da_matrix_transpose(&Lt, L));
    check_factors(Qt, Lt, t, n, m, k, what);
    free(t);
}

static void check_lq(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *Q = NULL, *L = NULL, *only = NULL;

    ck_ok(da_lq(&L, &Q, A));
    check_lq_factors(L, Q, a, m, n, lesser(m, n), "lq");
    ck_ok(da_lq(NULL, &only, A));
    ck_assert_int_eq(da_array_size(only), da_array_size(Q));
    free(a);
}

static void check_complete(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *Q = NULL, *R = NULL;

    ck_ok(da_qr_complete(&Q, &R, A));
    check_factors(Q, R, a, m, n, m, "qr_complete");
    free(a);
}

/* Factors in the array's own place: whatever view it is, they are those of its values. */
static void check_in_place(int kind, da_dtype dtype, int64_t m, int64_t n)
{
    z *a = random_values(dtype, m, n);
    DA_AUTO da_array *A = view_of(kind, dtype, m, n, a), *Q = NULL, *R = NULL;
    DA_AUTO da_qr_factors *f = NULL;

    ck_ok(da_qr_factor_inplace(&f, A));
    da_array_release(&A);
    ck_ok(da_qr_q(&Q, f, 0));
    ck_ok(da_qr_r(&R, f, 0));
    check_factors(Q, R, a, m, n, lesser(m, n), "in place");
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
        check_lq(kind, dtype, n, 13);
        check_lq(kind, dtype, 5, n);
        check_complete(kind, dtype, n, 5);
        check_in_place(kind, dtype, 21, n);
        ck_ok(da_blocks(DA_SHAPE(200, 8))); /* column panels */
        check_qr(kind, dtype, n, n);
        check_qr(kind, dtype, 97, 61);
        check_qr(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SHAPE(20, 5)));
        check_qr(kind, dtype, 97, 61);
        check_qr(kind, dtype, 61, 97);
        ck_ok(da_blocks(DA_SCALAR_SHAPE));
        check_qr(kind, dtype, 97, n);
        check_lq(kind, dtype, n, 97);
        check_complete(kind, dtype, 13, n);
        check_in_place(kind, dtype, n, 40);
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
    ck_ok(da_blocks(DA_SHAPE(64, 32))); /* the tree applies fewer reflectors at a time than the blocks */
    check_object(dtype, 150, 70);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_object(dtype, 53, 40);
    check_object(dtype, 40, 53);
}
END_TEST

/* the factor object of A = L Q */
static void check_lq_object(da_dtype dtype, int64_t m, int64_t n)
{
    const double eps = eps_of(dtype);
    const int64_t k = lesser(m, n), p = 6;
    z *a = random_values(dtype, m, n), *b = random_values(dtype, n, p), *c = random_values(dtype, p, n), *q;
    DA_AUTO da_array *A = array_of(dtype, m, n, a), *Q = NULL, *L = NULL, *Qc = NULL, *Lc = NULL;
    DA_AUTO da_array *B = view_of(VIEW_FLIPPED, dtype, n, p, b), *C = array_of(dtype, p, n, c);
    DA_AUTO da_qr_factors *f = NULL;

    ck_ok(da_lq_factor(&f, A));
    ck_ok(da_qr_q(&Q, f, 0));
    ck_ok(da_lq_l(&L, f, 0));
    check_lq_factors(L, Q, a, m, n, k, "LQ factors");
    ck_ok(da_qr_q(&Qc, f, DA_COMPLETE));
    ck_ok(da_lq_l(&Lc, f, DA_COMPLETE));
    check_lq_factors(Lc, Qc, a, m, n, n, "LQ complete");
    q = host_of(Qc);
    for (int conj_transposed = 0; conj_transposed < 2; conj_transposed++) {
        const unsigned flags = conj_transposed ? DA_CONJ_TRANSPOSE : 0;
        z *left = product(n, p, n, q, conj_transposed ? 'C' : 'N', b, 'N');
        z *right = product(p, n, n, c, 'N', q, conj_transposed ? 'C' : 'N'), *got;
        DA_AUTO da_array *X = NULL, *Y = NULL, *v = NULL, *w = NULL;

        ck_ok(da_qr_apply(&X, f, B, flags));
        got = host_of(X);
        ck_below("LQ: Q B", distance(got, left, n * p) / (norm(b, n * p) * (double)n * eps), 30, "%d x %d",
                 (int)m, (int)n);
        free(got);
        ck_ok(da_qr_apply(&Y, f, C, flags | DA_RIGHT));
        got = host_of(Y);
        ck_below("LQ: C Q", distance(got, right, n * p) / (norm(c, n * p) * (double)n * eps), 30, "%d x %d",
                 (int)m, (int)n);
        free(got);
        ck_ok(DA_SLICE(&v, B, DA_WHOLE, DA_AT(2)));
        ck_ok(da_qr_apply(&w, f, v, flags));
        ck_assert_int_eq(da_array_ndim(w), 1);
        got = host_of(w);
        ck_below("LQ: Q b", distance(got, left + 2 * n, n) / (norm(b, n * p) * (double)n * eps), 30,
                 "%d x %d", (int)m, (int)n);
        free(got);
        free(left);
        free(right);
    }
    free(a);
    free(b);
    free(c);
    free(q);
}

START_TEST(lq_object)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(11);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    check_lq_object(dtype, 37, 21);
    check_lq_object(dtype, 21, 37);
    check_lq_object(dtype, 1, 9);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_lq_object(dtype, 53, 40);
    check_lq_object(dtype, 40, 53);
}
END_TEST

/* in place of a block of a larger array, in tiles that are not the algorithm's; what is around it stays */
START_TEST(in_place)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t m = 41, n = 29;
    z *a, *part, *left;
    DA_AUTO da_array *A = NULL, *V = NULL, *Q = NULL, *R = NULL;
    DA_AUTO da_qr_factors *f = NULL;

    seed_values(17);
    a = random_values(dtype, m, n);
    part = new_values(30 * 20);
    for (int64_t j = 0; j < 20; j++)
        for (int64_t i = 0; i < 30; i++)
            part[i + j * 30] = a[i + 7 + (j + 3) * m];
    ck_ok(da_blocks(DA_SHAPE(9, 11)));
    A = array_of(dtype, m, n, a);
    ck_ok(da_blocks(DA_SHAPE(16, 4)));
    ck_ok(DA_SLICE(&V, A, DA_RANGE(7, 37), DA_RANGE(3, 23)));
    ck_ok(da_qr_factor_inplace(&f, V));
    ck_ok(da_qr_q(&Q, f, 0));
    ck_ok(da_qr_r(&R, f, 0));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_factors(Q, R, part, 30, 20, 20, "part in place");
    left = host_of(A);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            if (i < 7 || i >= 37 || j < 3 || j >= 23)
                ck_assert(left[i + j * m] == a[i + j * m] || is_complex(dtype) || eps_of(dtype) > 1e-10);
            else if (i - 7 < j - 3)
                part[(i - 7) + (j - 3) * 30] = left[i + j * m];
    free(left);
    left = host_of(R);
    for (int64_t j = 1; j < 20; j++) /* R is where A was, but for the blocks on the diagonal */
        ck_assert(part[0 + j * 30] == left[0 + j * 20] || j < 4);
    free(left);
    free(part);
    free(a);
}
END_TEST

/* solving again and again with the same factors */
START_TEST(solve_with_factors)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const int64_t m = _i < FLOAT_DTYPES ? 37 : 21, n = _i < FLOAT_DTYPES ? 21 : 37, p = 5;
    const bool wide = m < n;
    z *a, *b;
    DA_AUTO da_array *A = NULL, *X = NULL, *v = NULL, *w = NULL;
    DA_AUTO da_qr_factors *f = NULL, *other = NULL;
    da_array *out = NULL;

    seed_values(18);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    a = random_values(dtype, m, n);
    A = array_of(dtype, m, n, a);
    ck_ok(wide ? da_lq_factor(&f, A) : da_qr_factor(&f, A));
    ck_ok(wide ? da_qr_factor(&other, A) : da_lq_factor(&other, A));
    for (int again = 0; again < 2; again++) {
        DA_AUTO da_array *B = NULL, *Y = NULL;
        z *x, *y;

        b = random_values(dtype, m, p);
        B = view_of(VIEW_STEPS, dtype, m, p, b);
        da_array_release(&X);
        ck_ok(da_qr_solve(&X, f, B));
        ck_ok(da_lstsq(&Y, A, B));
        x = host_of(X);
        y = host_of(Y);
        ck_assert_int_eq(da_array_size(X), n * p);
        ck_below("qr_solve", distance(x, y, n * p) / (norm(y, n * p) * (double)n * eps_of(dtype)), 30, "%d",
                 (int)m);
        free(x);
        free(y);
        free(b);
        if (again == 0) {
            ck_ok(DA_SLICE(&v, B, DA_WHOLE, DA_AT(1)));
            ck_ok(da_qr_solve(&w, f, v));
            ck_assert_int_eq(da_array_ndim(w), 1);
            ck_ok(da_wait(w));
        }
        ck_fails(da_qr_solve(&out, other, B), DA_ERROR_SHAPE, wide ? "da_lq_factor" : "da_qr_factor");
    }
    ck_fails(da_qr_solve(&out, f, X), DA_ERROR_SHAPE, "b has shape");
    ck_fails(wide ? da_qr_r(&out, f, 0) : da_lq_l(&out, f, 0), DA_ERROR_ARGUMENT,
             wide ? "da_lq_l" : "da_qr_r");
    ck_assert_ptr_null(out);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
}
END_TEST

START_TEST(batches)
{
    const int64_t m = 9, n = 5, count = 6;
    double *data = calloc((size_t)(count * m * n), sizeof *data);
    DA_AUTO da_array *A = NULL, *Q = NULL, *R = NULL, *L = NULL, *LQ = NULL;

    seed_values(12);
    for (int64_t i = 0; i < count * m * n; i++)
        data[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 3, m, n), data, DA_ROW_MAJOR));
    ck_ok(da_qr(&Q, &R, A));
    ck_ok(da_lq(&L, &LQ, A));
    for (int64_t b = 0; b < count; b++) {
        DA_AUTO da_array *q = NULL, *r = NULL, *l = NULL, *lq = NULL;
        z *a = new_values(m * n);

        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                a[i + j * m] = data[(b * m + i) * n + j];
        ck_ok(DA_SLICE(&q, Q, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&r, R, DA_AT(b / 3), DA_AT(b % 3)));
        check_factors(q, r, a, m, n, n, "batch");
        ck_ok(DA_SLICE(&l, L, DA_AT(b / 3), DA_AT(b % 3)));
        ck_ok(DA_SLICE(&lq, LQ, DA_AT(b / 3), DA_AT(b % 3)));
        check_lq_factors(l, lq, a, m, n, n, "batch, lq");
        free(a);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

/* Small matrices whose columns' lengths cannot be had from plain sums of squares. */
START_TEST(extreme_values)
{
    const da_dtype dtype = float_dtypes[_i];
    const bool single = dtype == DA_F32 || dtype == DA_C64;
    const double scales[] = {single ? 0x1p100 : 0x1p900, single ? 0x1p-100 : 0x1p-900};
    const int64_t m = 9, n = 5;

    seed_values(99);
    for (int i = 0; i < 6; i++) {
        z *a = random_values(dtype, m, n), *scaled = new_values(m * n);
        DA_AUTO da_array *A = NULL, *Q = NULL, *R = NULL;

        /* all of it, one column, one row */
        for (int64_t k = 0; k < m * n; k++)
            scaled[k] = a[k] * (i < 2 || (i < 4 ? k / m == 2 : k % m == 3) ? scales[i % 2] : 1);
        A = array_of(dtype, m, n, scaled);
        ck_ok(da_qr(&Q, &R, A));
        if (i < 2) { /* R is the scaled matrix's */
            z *r = host_of(R);
            DA_AUTO da_array *back = NULL;

            for (int64_t k = 0; k < n * n; k++)
                r[k] /= scales[i];
            back = array_of(dtype, n, n, r);
            check_factors(Q, back, a, m, n, n, "extreme");
            free(r);
        } else {
            z *q = host_of(Q), *r = host_of(R), *back;

            check_orthonormal(q, m, n, eps_of(dtype), "extreme");
            back = product(m, n, n, q, 'N', r, 'N');
            for (int64_t j = 0; j < n; j++) { /* column by column */
                double largest = 0, error = 0;

                for (int64_t k = 0; k < m; k++) {
                    largest = fmax(largest, cabs(scaled[k + j * m]));
                    error = fmax(error, cabs(back[k + j * m] - scaled[k + j * m]));
                }
                ck_below("extreme", error / (largest * (double)m * eps_of(dtype)), 30, "column %d, %s",
                         (int)j, da_dtype_name(dtype));
            }
            free(q);
            free(r);
            free(back);
        }
        free(a);
        free(scaled);
    }
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
    DA_AUTO da_array *A = NULL, *V = NULL, *J = NULL, *B = NULL, *S = NULL, *Z = NULL, *huge = NULL,
                     *wide = NULL;
    DA_AUTO da_qr_factors *f = NULL, *g = NULL;
    da_qr_factors *stale = NULL, *alias;
    da_array *out = NULL;

    ck_fails(da_qr(&out, NULL, NULL), DA_ERROR_ARGUMENT, "da_qr");
    ck_fails(da_qr(NULL, NULL, NULL), DA_ERROR_ARGUMENT, "neither");
    ck_ok(da_zeros(&V, DA_F64, DA_SHAPE(3)));
    ck_fails(da_qr(&out, NULL, V), DA_ERROR_SHAPE, "(3,)");
    ck_fails(da_qr(&out, &out, A), DA_ERROR_ARGUMENT, "q and r are the same pointer");
    ck_fails(da_lq(&out, &out, A), DA_ERROR_ARGUMENT, "q and l are the same pointer");
    ck_fails(da_lq(NULL, NULL, A), DA_ERROR_ARGUMENT, "neither q nor l");
    ck_fails(da_qr_complete(NULL, NULL, A), DA_ERROR_ARGUMENT, "da_qr_complete");
    ck_fails(da_lq(&out, NULL, V), DA_ERROR_SHAPE, "(3,)");
    ck_ok(da_zeros(&J, DA_I64, DA_SHAPE(3, 3)));
    ck_fails(da_qr(&out, NULL, J), DA_ERROR_DTYPE, "int64");
    ck_ok(da_zeros(&B, DA_F64, DA_SHAPE(2, 3, 3)));
    ck_fails(da_qr_factor(&f, B), DA_ERROR_SHAPE, "(2, 3, 3)");
    ck_fails(da_lq_factor(&f, B), DA_ERROR_SHAPE, "(2, 3, 3)");
    ck_fails(da_qr_factor_inplace(&f, B), DA_ERROR_SHAPE, "(2, 3, 3)");
    ck_ok(da_broadcast_to(&wide, V, DA_SHAPE(4, 3)));
    ck_fails(da_qr_factor_inplace(&f, wide), DA_ERROR_ARGUMENT, "broadcast");
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

DA_TEST_MAIN("qr", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes), DA_CASE("real tiles", real_tiles),
             DA_CASE_LOOP("object", FLOAT_DTYPES, object), DA_CASE_LOOP("lq object", FLOAT_DTYPES, lq_object),
             DA_CASE_LOOP("in place", FLOAT_DTYPES, in_place),
             DA_CASE_SWEEP("solve", 2 * FLOAT_DTYPES, solve_with_factors),
             DA_CASE_LOOP("batches", 2, batches),
             DA_CASE_LOOP("extreme values", FLOAT_DTYPES, extreme_values),
             DA_CASE("faults", inherited_faults), DA_CASE("arguments", bad_arguments))
