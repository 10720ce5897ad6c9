/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops for small products, small matrices and strips of right-hand sides, of every CPU level, dtype and shape: residuals, padding that is not touched, values they must refuse. */
#include "cpu/packed.h"
#include "cpu/products.h"
#include "cpu/small.h"
#include "cpu/strips.h"
#include "expr_program.h"
#include "linalg_check.h"

enum { EDGE = 3 }; /* rows of rubbish below each column */

static const da_strips *strips_of(int level, da_dtype dtype)
{
    const da_strips *table = da_strips_level0;

#ifdef DA_HAVE_CPU_LEVELS
    table = level == 4 ? da_strips_level4 : level == 3 ? da_strips_level3 : da_strips_level0;
#endif
    return &table[dtype - DA_F32];
}

static da_products products_of(int level, da_dtype dtype)
{
    const da_products *table = da_products_level0;

#ifdef DA_HAVE_CPU_LEVELS
    table = level == 4 ? da_products_level4 : level == 3 ? da_products_level3 : da_products_level0;
#endif
    return table[dtype - DA_F32];
}

/* As products, of one matrix. */
static da_packed packed_one;
static void packed(unsigned transa, unsigned transb, const void *alpha, const da_matrix *a,
                   const da_matrix *b, const void *beta, const da_matrix *c, int64_t count,
                   const int64_t step[3])
{
    void *const work = aligned_alloc(64, DA_PACKED_WORK);

    (void)count, (void)step;
    memset(work, -1, DA_PACKED_WORK);
    packed_one(transa, transb, alpha, a, b, beta, c, work);
    free(work);
}

static const da_small *of(int level, da_dtype dtype)
{
    const da_small *table = da_small_level0;

#ifdef DA_HAVE_CPU_LEVELS
    table = level == 4 ? da_small_level4 : level == 3 ? da_small_level3 : da_small_level0;
#endif
    ck_assert(level == 0 || table != da_small_level0);
    return &table[dtype - DA_F32];
}

/* A column-major m x n matrix with EDGE rows of NaN below; or with `turned` its transpose's storage. */
static da_small_matrix matrix_of(da_dtype dtype, int m, int n, const z *values, bool turned)
{
    const int down = turned ? n + EDGE : 1, right = turned ? 1 : m + EDGE;
    const size_t count = turned ? (size_t)m * (size_t)(n + EDGE) : (size_t)n * (size_t)(m + EDGE);
    da_small_matrix a = {malloc(count * da_dtype_size(dtype) + 1), m, n, down, right};

    for (size_t i = 0; i < count; i++)
        put(dtype, a.data, (int64_t)i, NAN);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++)
            put(dtype, a.data, i * a.down + j * a.right, values ? values[i + j * m] : NAN);
    return a;
}

static z get(da_dtype dtype, const void *from, int64_t i)
{
    switch (dtype) {
    case DA_F32: return ((const float *)from)[i];
    case DA_F64: return ((const double *)from)[i];
    case DA_C64: return ((const float _Complex *)from)[i];
    default: return ((const double _Complex *)from)[i];
    }
}

/* Its values, after a look at its edges. */
static z *values_of(da_dtype dtype, da_small_matrix *a)
{
    z *values = new_values(a->m * a->n);

    for (int j = 0; j < a->n; j++)
        for (int i = 0; i < a->m; i++)
            values[i + j * a->m] = get(dtype, a->data, i * a->down + j * a->right);
    for (int j = 0; j < (a->down == 1 ? a->n : a->m); j++)
        for (int i = 0; i < EDGE; i++)
            ck_assert_msg(isnan(creal(get(dtype, a->data,
                                          a->down == 1 ? a->m + i + j * a->right : a->n + i + j * a->down))),
                          "what is behind a column was written");
    free(a->data);
    a->data = NULL;
    return values;
}

static void *work_for(da_dtype dtype, int m, int n, int columns)
{
    void *const work = aligned_alloc(64, (da_small_work(dtype, m, n, columns) + 63) / 64 * 64);

    ck_assert_ptr_nonnull(work);
    return work;
}

static da_matrix plain(const da_small_matrix *a)
{
    return (da_matrix){a->data, a->m, a->n, (int)a->right};
}

static void check_multiply(da_products multiply, da_dtype dtype, int m, int n, int k, unsigned ta,
                           unsigned tb)
{
    const char opa = ta & DA_CONJ_TRANSPOSE ? 'C'
                     : ta                   ? 'T'
                                            : 'N',
               opb = tb & DA_CONJ_TRANSPOSE ? 'C'
                     : tb                   ? 'T'
                                            : 'N';
    z *a = random_values(dtype, ta ? k : m, ta ? m : k), *b = random_values(dtype, tb ? n : k, tb ? k : n);
    z *c = random_values(dtype, m, n), *ab = product(m, n, k, a, opa, b, opb);
    static const int64_t none[3] = {0};

    for (int how = 0; how < 4; how++) { /* c += a b, c = z a b, c *= z without a look at a and b, c = a b */
        const z some = dtype == DA_C64 || dtype == DA_C128 ? -1 + 2 * I : -1;
        const z alpha = how == 1 ? some : how == 2 ? 0 : 1, beta = how == 0 ? 1 : how == 2 ? some : 0;
        unsigned char alpha_[16], beta_[16];

        if (alpha == 0 && multiply == packed)
            continue;
        da_small_matrix A = matrix_of(dtype, ta ? k : m, ta ? m : k, how == 2 ? NULL : a, false);
        da_small_matrix B = matrix_of(dtype, tb ? n : k, tb ? k : n, how == 2 ? NULL : b, false);
        da_small_matrix C = matrix_of(dtype, m, n, how % 2 ? NULL : c, false);
        const da_matrix pa = plain(&A), pb = plain(&B), pc = plain(&C);
        z *got;

        put(dtype, alpha_, 0, alpha);
        put(dtype, beta_, 0, beta);
        multiply(ta, tb, alpha_, &pa, &pb, beta_, &pc, 1, none);
        got = values_of(dtype, &C);
        for (int i = 0; i < m * n; i++)
            got[i] -= (how == 2 ? 0 : alpha * ab[i]) + (how % 2 ? 0 : beta * c[i]);
        ck_below("multiply",
                 norm(got, m * n) /
                     ((k + 2) * eps_of(dtype) * (norm(a, m * k) * norm(b, k * n) + norm(c, m * n))),
                 4, "%d x %d x %d %c %c %s", m, n, k, opa, opb, da_dtype_name(dtype));
        free(got);
        free(A.data);
        free(B.data);
    }
    free(a);
    free(b);
    free(c);
    free(ab);
}

/* Square matrices one behind the other, or one matrix a for all: with NaN where the results come, and behind them. */
static void check_many(da_products multiply, da_dtype dtype, int n, int count, bool same)
{
    const size_t size = da_dtype_size(dtype), bytes = (size_t)(n * n) * size;
    const int64_t step[3] = {same ? 0 : (int64_t)bytes, (int64_t)bytes, (int64_t)bytes};
    char *const a = malloc(bytes * (size_t)count), *const b = malloc(bytes * (size_t)count);
    char *const c = malloc(bytes * (size_t)(count + 1));
    const da_matrix pa = {a, n, n, n}, pb = {b, n, n, n}, pc = {c, n, n, n};
    z *const x = random_values(dtype, n * n, count), *const y = random_values(dtype, n * n, count);
    unsigned char one[16], zero[16];

    put(dtype, one, 0, 1);
    put(dtype, zero, 0, 0);
    for (int64_t i = 0; i < (int64_t)n * n * count; i++) {
        put(dtype, a, i, x[i]);
        put(dtype, b, i, y[i]);
    }
    for (int64_t i = 0; i < (int64_t)n * n * (count + 1); i++)
        put(dtype, c, i, NAN);
    multiply(0, 0, one, &pa, &pb, zero, &pc, count, step);
    for (int q = 0; q < count; q++) {
        const z *const left = x + (same ? 0 : q * n * n), *const right = y + q * n * n;
        z *const expected = product(n, n, n, left, 'N', right, 'N');

        for (int i = 0; i < n * n; i++)
            expected[i] -= get(dtype, c, q * n * n + i);
        ck_below("multiply",
                 norm(expected, n * n) / ((n + 2) * eps_of(dtype) * norm(left, n * n) * norm(right, n * n)),
                 4, "%d of %d, order %d, %s", q, count, n, da_dtype_name(dtype));
        free(expected);
    }
    for (int i = 0; i < n * n; i++)
        ck_assert_msg(isnan(creal(get(dtype, c, count * n * n + i))), "what is behind the last was written");
    free(a);
    free(b);
    free(c);
    free(x);
    free(y);
}

/* As in BLAS infinity in c stays what it is where c is not to be multiplied. */
static void check_infinity(da_products multiply, da_dtype dtype, int n)
{
    z *a = random_values(dtype, n, n), *c = new_values(n * n), *got;
    const int64_t none[3] = {0};
    unsigned char one[16];

    for (int i = 0; i < n * n; i++)
        c[i] = INFINITY;
    da_small_matrix A = matrix_of(dtype, n, n, a, false), C = matrix_of(dtype, n, n, c, false);
    const da_matrix pa = plain(&A), pc = plain(&C);

    put(dtype, one, 0, 1);
    multiply(0, 0, one, &pa, &pa, one, &pc, 1, none);
    got = values_of(dtype, &C);
    for (int i = 0; i < n * n; i++)
        ck_assert_msg(isinf(creal(got[i])) && isfinite(cimag(got[i])), "%g + %g i of order %d, %s",
                      creal(got[i]), cimag(got[i]), n, da_dtype_name(dtype));
    free(A.data);
    free(a);
    free(c);
    free(got);
}

/* By `strips`, or if that is null by s. */
static void check_solve(const da_small *s, const da_strips *strips, da_dtype dtype, int m, int n,
                        unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const int order = right ? n : m;
    const char op = flags & DA_CONJ_TRANSPOSE ? 'C' : flags & DA_TRANSPOSE ? 'T' : 'N';
    z *t = random_values(dtype, order, order), *b = random_values(dtype, m, n), *x, *back;
    unsigned char alpha[16];

    for (int i = 0; i < order; i++)
        t[i + i * order] += 3 * (order + 1);
    round_values(dtype, t, order * order);
    da_small_matrix T = matrix_of(dtype, order, order, t, false), B = matrix_of(dtype, m, n, b, false);
    const da_matrix pt = plain(&T), pb = plain(&B);
    put(dtype, alpha, 0, -2);
    if (strips) {
        void *const work = aligned_alloc(64, (da_strips_work(dtype, order) + 63) / 64 * 64);

        strips->solve(flags, alpha, &pt, &pb, work);
        free(work);
    } else
        s->solve(flags, alpha, &pt, &pb);
    x = values_of(dtype, &B);
    keep_triangle(t, order, order, (flags & DA_UPPER) != 0, (flags & DA_UNIT) != 0);
    back = right ? product(m, n, n, x, 'N', t, op) : product(m, n, m, t, op, x, 'N');
    for (int i = 0; i < m * n; i++)
        back[i] += 2 * b[i];
    ck_below("solve", norm(back, m * n) / (order * eps_of(dtype) * norm(t, order * order) * norm(x, m * n)),
             4, "%d x %d, flags %u, %s", m, n, flags, da_dtype_name(dtype));
    free(T.data);
    free(t);
    free(b);
    free(x);
    free(back);
}

static void check_cholesky(const da_small *s, da_dtype dtype, int n, bool turned)
{
    z *a = definite_values(dtype, n, 100), *l, *back;
    da_small_matrix A = matrix_of(dtype, n, n, a, turned);
    void *const work = work_for(dtype, n, n, 0);

    for (int j = 0; j < n; j++) /* is not read */
        for (int i = 0; i < j; i++)
            put(dtype, A.data, i * A.down + j * A.right, NAN);
    ck_assert_int_eq(s->cholesky(&A, work), 0);
    for (int j = 0; j < n; j++) /* nor written */
        for (int i = 0; i < j; i++) {
            ck_assert(isnan(creal(get(dtype, A.data, i * A.down + j * A.right))));
            put(dtype, A.data, i * A.down + j * A.right, 0);
        }
    l = values_of(dtype, &A);
    back = product(n, n, n, l, 'N', l, 'C');
    ck_below("cholesky", distance(back, a, n * n) / (n * eps_of(dtype) * norm(a, n * n)), 4, "%d %s", n,
             da_dtype_name(dtype));
    free(l);
    free(back);
    for (int bad = 0; bad < n; bad += 1 + n / 3) { /* told by its number, NaN too */
        z *spoilt = new_values(n * n);

        memcpy(spoilt, a, (size_t)(n * n) * sizeof *a);
        spoilt[bad + bad * n] = bad % 2 ? NAN : -1;
        A = matrix_of(dtype, n, n, spoilt, turned);
        ck_assert_int_eq(s->cholesky(&A, work), bad + 1);
        free(values_of(dtype, &A));
        free(spoilt);
    }
    free(a);
    free(work);
}

static void check_lu(const da_small *s, da_dtype dtype, int m, int n)
{
    const int k = m < n ? m : n;
    z *a = random_values(dtype, m, n), *l = new_values(m * k), *u = new_values(k * n), *f, *back;
    void *const work = work_for(dtype, m, n, 0);
    int rows[DA_SMALL_ELEMENTS];

    if (n > 2) /* a column of zeros is passed over */
        for (int i = 0; i < m; i++)
            a[i + 2 * m] = 0;
    da_small_matrix A = matrix_of(dtype, m, n, a, false);
    s->lu(&A, rows, work);
    f = values_of(dtype, &A);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            const z x = f[i + j * m];

            if (i > j) {
                l[i + j * m] = x;
                ck_assert_msg(cabs(x) <= (is_complex(dtype) ? 1.5 : 1), "l(%d, %d) is %g", i, j, cabs(x));
            } else {
                u[i + j * k] = x;
            }
        }
    for (int i = 0; i < k; i++) {
        ck_assert(rows[i] > i && rows[i] <= m);
        l[i + i * m] = 1;
        for (int j = 0; j < n; j++) {
            const z x = a[i + j * m];

            a[i + j * m] = a[rows[i] - 1 + j * m];
            a[rows[i] - 1 + j * m] = x;
        }
    }
    back = product(m, n, k, l, 'N', u, 'N');
    ck_below("lu", distance(back, a, m * n) / ((m + n) * eps_of(dtype) * norm(a, m * n)), 4, "%d x %d %s", m,
             n, da_dtype_name(dtype));
    free(a);
    free(l);
    free(u);
    free(f);
    free(back);
    free(work);
}

static void check_both(const da_small *s, da_dtype dtype, int m, int n)
{
    z *a = random_values(dtype, m, n), *x = random_values(dtype, n, 1), *u = random_values(dtype, m, 1);
    z *y = random_values(dtype, m, 1), *w = random_values(dtype, n, 1), *got_y, *got_w;
    da_small_matrix A = matrix_of(dtype, m, n, a, false), X = matrix_of(dtype, n, 1, x, false),
                    U = matrix_of(dtype, m, 1, u, false), Y = matrix_of(dtype, m, 1, y, false),
                    W = matrix_of(dtype, n, 1, w, false);
    const da_matrix pa = plain(&A);
    double off = 0;

    s->multiply_both(&pa, X.data, Y.data, U.data, W.data);
    got_y = values_of(dtype, &Y);
    got_w = values_of(dtype, &W);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++)
            y[i] += a[i + j * m] * x[j];
        off = fmax(off, cabs(got_y[i] - y[i]));
    }
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < m; i++)
            w[j] += a[i + j * m] * u[i];
        off = fmax(off, cabs(got_w[j] - w[j]));
    }
    ck_below("multiply_both", off / ((m + n + 2) * eps_of(dtype)), 4, "%d x %d %s", m, n,
             da_dtype_name(dtype));
    free(a), free(x), free(u), free(y), free(w), free(got_y), free(got_w);
    free(A.data), free(X.data), free(U.data), free(Y.data), free(W.data);
}

static void check_qr(const da_small *s, da_dtype dtype, int m, int n, bool complete, bool turned)
{
    const int k = complete ? m : m < n ? m : n;
    z *a = random_values(dtype, m, n), *q, *r, *back, *gram;
    void *const work = work_for(dtype, m, n, k);

    if (n > 2) /* no reflector */
        for (int i = 0; i < m; i++)
            a[i + 1 * m] = 0;
    da_small_matrix A = matrix_of(dtype, m, n, a, turned), Q = matrix_of(dtype, m, k, NULL, turned),
                    R = matrix_of(dtype, k, n, NULL, turned), only = matrix_of(dtype, k, n, NULL, false);
    ck_assert(s->qr(&A, &Q, &R, work));
    ck_assert(s->qr(&A, NULL, &only, work));
    free(values_of(dtype, &A));
    q = values_of(dtype, &Q);
    r = values_of(dtype, &R);
    back = values_of(dtype, &only);
    for (int i = 0; i < k * n; i++)
        ck_assert(back[i] == r[i]);
    free(back);
    for (int j = 0; j < n; j++)
        for (int i = j; i < k; i++)
            ck_assert(i == j ? cimag(r[i + j * k]) == 0 : r[i + j * k] == 0);
    back = product(m, n, k, q, 'N', r, 'N');
    gram = product(k, k, m, q, 'C', q, 'N');
    for (int i = 0; i < k; i++)
        gram[i + i * k] -= 1;
    ck_below("qr", distance(back, a, m * n) / ((m + n) * eps_of(dtype) * norm(a, m * n)), 4, "%d x %d %s", m,
             n, da_dtype_name(dtype));
    ck_below("orthonormal", norm(gram, k * k) / ((m + k) * eps_of(dtype)), 4, "%d x %d %s", m, n,
             da_dtype_name(dtype));
    free(a);
    free(q);
    free(r);
    free(back);
    free(gram);
    free(work);
}

/* What has squares that overflow, underflow or are NaN is refused. */
static void check_refused(const da_small *s, da_dtype dtype)
{
    const bool single = dtype == DA_F32 || dtype == DA_C64;
    const double values[] = {NAN, INFINITY, single ? 1e25 : 1e200, single ? 1e-30 : 1e-200};
    void *const work = work_for(dtype, 5, 3, 3);

    for (int i = 0; i < 4; i++)
        for (int at = 0; at < 15; at++) {
            z a[15] = {0};

            a[at] = values[i];
            if (i >= 2 && at % 5 <= at / 5) /* alone on the diagonal or above it nothing has to be done */
                continue;
            da_small_matrix A = matrix_of(dtype, 5, 3, a, false), Q = matrix_of(dtype, 5, 3, NULL, false),
                            R = matrix_of(dtype, 3, 3, NULL, false);
            ck_assert_msg(!s->qr(&A, &Q, &R, work), "%g at %d is taken", values[i], at);
            free(A.data);
            free(Q.data);
            free(R.data);
        }
    free(work);
}

START_TEST(levels)
{
    static const int levels[] = {0, 3, 4}, sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64};
    const int level = levels[_i % 3], count = sizeof sizes / sizeof *sizes;
    const da_dtype dtype = float_dtypes[_i / 3];

    if (level > da_cpu_level())
        return;
    const da_small *const s = of(level, dtype);
    const da_products multiply = products_of(level, dtype);
    seed_values(77 + (uint64_t)_i);
    for (int m = 1; m <= 8; m++)
        for (int n = 1; n <= 8; n++)
            for (int op = 0; op < 9; op++) {
                static const unsigned trans[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};

                check_multiply(multiply, dtype, m, n, 1 + (m + n + op) % 8, trans[op % 3], trans[op / 3]);
            }
    static const int larger[] = {9, 13, 16, 17, 31, 32, 47, 63, DA_PRODUCT_ORDER};
    const int nlarger = (int)(sizeof larger / sizeof larger[0]);
    for (int i = 0; i < nlarger * nlarger; i++)
        for (int op = 0; op < 4; op++)
            check_multiply(multiply, dtype, larger[i % nlarger], larger[i / nlarger],
                           larger[(i + op) % nlarger], op % 2 ? DA_TRANSPOSE : 0,
                           op / 2 ? DA_CONJ_TRANSPOSE : 0);
    for (int n = 1; n <= 20; n++) {
        check_infinity(multiply, dtype, n);
        for (int same = 0; same < 2; same++)
            check_many(multiply, dtype, n, 1 + n % 4, same);
    }
    check_multiply(multiply, dtype, 4, 3, 0, 0, 0);
    for (int i = 0; i < count; i++) {
        for (unsigned how = 0; how < 24; how++) {
            static const unsigned trans[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};
            const unsigned flags = (how & 1 ? DA_UPPER : DA_LOWER) | (how & 2 ? DA_UNIT : 0) |
                                   (how & 4 ? DA_RIGHT : 0) | trans[how / 8];

            check_solve(s, NULL, dtype, how & 4 ? 3 : sizes[i], how & 4 ? sizes[i] : 3, flags);
        }
        check_cholesky(s, dtype, sizes[i], false);
        check_cholesky(s, dtype, sizes[i], true);
        for (int j = 0; j < count; j++) {
            check_lu(s, dtype, sizes[i], sizes[j]);
            check_qr(s, dtype, sizes[i], sizes[j], (i + j) % 2, j % 2);
            if (s->multiply_both)
                check_both(s, dtype, 5 * sizes[i], sizes[j]);
        }
    }
    ck_assert((s->multiply_both != NULL) == (dtype == DA_F32 || dtype == DA_F64));
    check_lu(s, dtype, DA_SMALL_ELEMENTS / 4, 4);
    check_qr(s, dtype, DA_SMALL_ELEMENTS / 4, 4, false, false);
    check_refused(s, dtype);
}
END_TEST

/* Triangles of up to the largest order, and numbers of right-hand sides about those of a strip. */
START_TEST(strips)
{
    static const int levels[] = {3, 4}, orders[] = {1, 3, 8, 9, 31, 64, 100, DA_STRIPS_ORDER},
                     counts[] = {1, 7, 8, 15, 16, 17, 33, 64};
    const int level = levels[_i % 2];
    const da_dtype dtype = float_dtypes[_i / 2];

    if (level > da_cpu_level())
        return;
    const da_strips *const s = strips_of(level, dtype);
    ck_assert(s->solve != NULL);
    ck_assert(s->order <= DA_STRIPS_ORDER);
    for (int i = 0; i < 8; i++)
        for (int how = 0; how < 24; how++) {
            const unsigned trans[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};
            const bool right = (how & 1) != 0;
            const unsigned flags = (right ? DA_RIGHT : 0) | (how & 2 ? DA_UPPER : DA_LOWER) |
                                   (how & 4 ? DA_UNIT : 0) | trans[how / 8];
            const int count = counts[(i + how) % 8];

            check_solve(NULL, s, dtype, right ? count : orders[i], right ? orders[i] : count, flags);
        }
}
END_TEST

START_TEST(packing)
{
    static const int sizes[] = {1, 7, 8, 9, 24, 47, 48, 95, 97, 191, 193, 256, 257, 400};
    static const unsigned trans[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    const da_dtype dtype = float_dtypes[_i];

#ifdef DA_HAVE_CPU_LEVELS
    packed_one = da_cpu_level() == 4 ? da_packed_level4[_i] : NULL;
#endif
    if (!packed_one)
        return;
    seed_values(7);
    for (int i = 0; i < SIZES * SIZES; i++)
        check_multiply(packed, dtype, sizes[i % SIZES], sizes[i / SIZES], sizes[(i + i / SIZES) % SIZES],
                       trans[i % 3], trans[i / 3 % 3]);
}
END_TEST

DA_TEST_MAIN("small matrices", DA_CASE_LOOP("levels", 12, levels), DA_CASE_LOOP("strips", 8, strips),
             DA_CASE_LOOP("packing", 4, packing))
