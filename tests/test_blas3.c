/* BLAS 3 in place against the host's BLAS in complex double: symm, hemm, syrk, herk, syr2k, her2k, trmm, trsm. */
#include "linalg_check.h"

/* Rubbish where a triangle is not to be read. */
static z *with_rubbish(const z *p, int64_t n, bool upper, bool diagonal)
{
    z *q = new_values(n * n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            q[i + j * n] = (upper ? i > j : i < j) || (diagonal && i == j) ? NAN : p[i + j * n];
    return q;
}

static char letter(unsigned trans)
{
    return trans & DA_CONJ_TRANSPOSE ? 'C' : trans & DA_TRANSPOSE ? 'T' : 'N';
}

static z factor(da_dtype dtype, double re, double im)
{
    return is_complex(dtype) ? CMPLX(re, im) : re;
}

static da_scalar scalar(da_dtype dtype, z x)
{
    return is_complex(dtype) ? da_number_z_(x) : da_number_f_(creal(x));
}

/* ---- symm, hemm ---- */

static void check_symm(da_dtype dtype, int64_t m, int64_t n, unsigned flags, bool hermitian, z alpha, z beta,
                       int ka, int kb, int kc)
{
    const bool right = flags & DA_RIGHT, upper = flags & DA_UPPER;
    const int64_t order = right ? n : m;
    z *a = random_values(dtype, order, order), *b = random_values(dtype, m, n),
      *c = random_values(dtype, m, n);
    z *given = new_values(m * n), *stored, *ref, *got;

    for (int64_t j = 0; j < order; j++) {
        for (int64_t i = 0; i < j; i++)
            a[j + i * order] = hermitian ? conj(a[i + j * order]) : a[i + j * order];
        if (hermitian)
            a[j + j * order] = creal(a[j + j * order]);
    }
    stored = with_rubbish(a, order, upper, false);
    if (hermitian && is_complex(dtype)) /* is not read */
        for (int64_t i = 0; i < order; i++)
            stored[i + i * order] += 5 * I;
    for (int64_t i = 0; i < m * n; i++)
        given[i] = beta == 0 ? NAN : c[i];
    ref = right ? product(m, n, order, b, 'N', a, 'N') : product(m, n, order, a, 'N', b, 'N');
    for (int64_t i = 0; i < m * n; i++)
        ref[i] = alpha * ref[i] + beta * c[i];

    DA_AUTO da_array *A = view_of(ka, dtype, order, order, stored), *B = view_of(kb, dtype, m, n, b);
    DA_AUTO da_array *C = view_of(kc, dtype, m, n, given);
    if (hermitian)
        ck_ok(da_hemm(C, scalar(dtype, alpha), A, B, scalar(dtype, beta), flags));
    else
        ck_ok(da_symm(C, scalar(dtype, alpha), A, B, scalar(dtype, beta), flags));
    got = host_of(C);
    ck_below(hermitian ? "hemm" : "symm",
             distance(got, ref, m * n) /
                 (sqrt((double)order + 2) * cabs(alpha) * norm(a, order * order) * norm(b, m * n) +
                  2 * cabs(beta) * norm(c, m * n) + 1e-300) /
                 eps_of(dtype),
             3, "%d x %d flags 0x%x views %d %d %d %s", (int)m, (int)n, flags, ka, kb, kc,
             da_dtype_name(dtype));
    free(a), free(b), free(c), free(given), free(stored), free(ref), free(got);
}

START_TEST(symmetric)
{
    const da_dtype dtype = float_dtypes[_i / 2];
    const z alpha = factor(dtype, 1.5, -0.5), beta = factor(dtype, -0.75, 2);

    seed_values((uint64_t)_i);
    for (int blocks = 0; blocks < 2; blocks++) {
        ck_ok(da_blocks(blocks ? DA_SHAPE(8, 5) : DA_SCALAR_SHAPE));
        for (unsigned how = 0; how < 8; how++)
            for (int kind = 0; kind < VIEWS; kind++) {
                const unsigned flags = (how & 1 ? DA_UPPER : DA_LOWER) | (how & 2 ? DA_RIGHT : 0);
                check_symm(dtype, 29, 21, flags, _i % 2, alpha, how & 4 ? 0 : beta, kind,
                           (kind + (int)how) % VIEWS, (kind + blocks) % VIEWS);
            }
    }
    ck_ok(da_blocks(DA_SHAPE(16, 16)));
    for (int i = 0; i < SIZES; i++) {
        const int64_t n = size_around(i, 16);
        check_symm(dtype, n, 5, 0, _i % 2, alpha, beta, 0, 0, 0);
        check_symm(dtype, n, 18, DA_UPPER | DA_RIGHT, _i % 2, alpha, 0, 1, 0, 1);
        check_symm(dtype, 3, n, DA_RIGHT, _i % 2, 0, beta, 0, 2, 3);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_symm(dtype, 97, 61, DA_LOWER, _i % 2, alpha, beta, 0, 1, 0);
}
END_TEST

/* ---- syrk, herk, syr2k, her2k ---- */

static void check_rank(da_dtype dtype, int64_t n, int64_t k, bool hermitian, bool twice, bool trans,
                       bool upper, z alpha, z beta, int ka, int kb, int kc)
{
    const int64_t rows = trans ? k : n, cols = trans ? n : k;
    const char how = hermitian ? 'C' : 'T';
    const unsigned flags =
        (upper ? DA_UPPER : DA_LOWER) | (trans ? (hermitian ? DA_CONJ_TRANSPOSE : DA_TRANSPOSE) : 0u);
    z *a = random_values(dtype, rows, cols), *b = twice ? random_values(dtype, rows, cols) : a;
    z *c = random_values(dtype, n, n), *given, *got, *first, *second, *difference = new_values(n * n);
    double triangle = 0;

    given = beta == 0 ? with_rubbish(c, n, !upper, true) : new_values(n * n);
    if (beta != 0)
        memcpy(given, c, (size_t)(n * n) * sizeof *c);
    first = product(n, n, k, a, trans ? how : 'N', b, trans ? 'N' : how);
    second = product(n, n, k, b, trans ? how : 'N', a, trans ? 'N' : how);

    DA_AUTO da_array *A = view_of(ka, dtype, rows, cols, a), *B = view_of(kb, dtype, rows, cols, b);
    DA_AUTO da_array *C = view_of(kc, dtype, n, n, given);
    const da_scalar x = scalar(dtype, alpha), y = scalar(dtype, beta);
    if (twice)
        ck_ok(hermitian ? da_her2k(C, x, A, B, y, flags) : da_syr2k(C, x, A, B, y, flags));
    else
        ck_ok(hermitian ? da_herk(C, x, A, y, flags) : da_syrk(C, x, A, y, flags));
    got = host_of(C);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = i + j * n;
            const z before = hermitian && i == j ? creal(c[at]) : c[at];
            z sum = alpha * first[at];

            if (upper ? i > j : i < j) {                               /* is not touched */
                const double lost = distance(&got[at], &given[at], 1); /* what the dtype does not hold */
                ck_assert_msg(lost <= eps_of(dtype) * cabs(c[at]), "(%d, %d) of the other triangle", (int)i,
                              (int)j);
                continue;
            }
            if (twice)
                sum += (hermitian ? conj(alpha) : alpha) * second[at];
            difference[at] = got[at] - sum - (beta == 0 ? 0 : beta * before);
            triangle += cabs(before) * cabs(before);
            if (hermitian && i == j)
                ck_assert_double_eq(cimag(got[at]), 0);
        }
    ck_below(twice ? "rank 2k" : "rank k",
             norm(difference, n * n) /
                 ((twice ? 2 : 1) * sqrt((double)k + 2) * cabs(alpha) * norm(a, n * k) * norm(b, n * k) +
                  2 * cabs(beta) * sqrt(triangle) + 1e-300) /
                 eps_of(dtype),
             3, "%d by %d %s flags 0x%x views %d %d %d %s", (int)n, (int)k,
             hermitian ? "hermitian" : "symmetric", flags, ka, kb, kc, da_dtype_name(dtype));
    if (twice)
        free(b);
    free(a), free(c), free(given), free(got), free(first), free(second), free(difference);
}

START_TEST(rank_updates)
{
    const da_dtype dtype = float_dtypes[_i / 4];
    const bool hermitian = _i & 1, twice = _i & 2;
    const z alpha = factor(dtype, 1.5, hermitian && !twice ? 0 : -0.5);
    const z beta = factor(dtype, -0.75, hermitian ? 0 : 2);

    seed_values((uint64_t)_i);
    for (int blocks = 0; blocks < 2; blocks++) {
        ck_ok(da_blocks(blocks ? DA_SHAPE(8, 5) : DA_SCALAR_SHAPE));
        for (int how = 0; how < 8; how++)
            for (int kind = 0; kind < VIEWS; kind++)
                check_rank(dtype, 29, 21, hermitian, twice, how & 1, how & 2, alpha, how & 4 ? 0 : beta, kind,
                           (kind + how) % VIEWS, (kind + blocks) % VIEWS);
    }
    ck_ok(da_blocks(DA_SHAPE(16, 16)));
    for (int i = 0; i < SIZES; i++) {
        const int64_t n = size_around(i, 16);
        check_rank(dtype, n, 5, hermitian, twice, false, false, alpha, beta, 0, 0, 0);
        check_rank(dtype, 18, n, hermitian, twice, true, true, alpha, beta, 1, 0, 1);
        check_rank(dtype, n, 3, hermitian, twice, true, false, 0, beta, 0, 2, 3);
        check_rank(dtype, n, 0, hermitian, twice, false, true, alpha, 0, 0, 0, 0);
        /* nothing is added to c, whose diagonal becomes real all the same where it is Hermitian */
        check_rank(dtype, n, 3, hermitian, twice, false, false, 0, 1, 0, 1, 0);
        check_rank(dtype, n, 0, hermitian, twice, true, true, alpha, 1, 0, 0, 1);
    }
    ck_ok(da_blocks(DA_SHAPE(30, 11)));
    check_rank(dtype, 97, 61, hermitian, twice, false, true, alpha, beta, 0, 1, 0);
    ck_ok(da_blocks(DA_SHAPE(7, 31)));
    check_rank(dtype, 97, 61, hermitian, twice, false, false, alpha, beta, 0, 1, 0);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* ---- trmm, trsm ---- */

static void check_triangular(da_dtype dtype, bool solve, int64_t m, int64_t n, unsigned flags, z alpha,
                             int kt, int kb)
{
    const bool right = flags & DA_RIGHT, upper = flags & DA_UPPER;
    const int64_t order = right ? n : m;
    const char op = letter(flags);
    z *t = random_values(dtype, order, order), *b = random_values(dtype, m, n), *stored, *got, *back;

    for (int64_t i = 0; i < order; i++)
        for (int64_t j = 0; j < order; j++) /* well conditioned, with a unit diagonal, too */
            t[i + j * order] = i == j ? t[i + j * order] + 2 : t[i + j * order] / (double)order;
    stored = with_rubbish(t, order, upper, flags & DA_UNIT);
    keep_triangle(t, order, order, upper, flags & DA_UNIT);
    DA_AUTO da_array *T = view_of(kt, dtype, order, order, stored), *B = view_of(kb, dtype, m, n, b);
    if (solve)
        ck_ok(da_trsm(T, B, scalar(dtype, alpha), flags));
    else
        ck_ok(da_trmm(T, B, scalar(dtype, alpha), flags));
    got = host_of(B);
    back = solve ? got : b;
    back = right ? product(m, n, n, back, 'N', t, op) : product(m, n, m, t, op, back, 'N');
    for (int64_t i = 0; i < m * n; i++) {
        b[i] *= alpha;
        back[i] *= solve ? 1 : alpha;
    }
    if (solve)
        ck_below("trsm",
                 distance(back, b, m * n) /
                     ((norm(t, order * order) * norm(got, m * n) + norm(b, m * n) + 1e-300) *
                      (double)(order + 1) * eps_of(dtype)),
                 30, "%d x %d flags 0x%x views %d %d %s", (int)m, (int)n, flags, kt, kb,
                 da_dtype_name(dtype));
    else
        ck_below("trmm",
                 distance(back, got, m * n) /
                     (sqrt((double)order + 2) * norm(t, order * order) * norm(b, m * n) + 1e-300) /
                     eps_of(dtype),
                 3, "%d x %d flags 0x%x views %d %d %s", (int)m, (int)n, flags, kt, kb, da_dtype_name(dtype));
    free(t), free(b), free(stored), free(got), free(back);
}

START_TEST(triangular)
{
    static const unsigned transposes[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};
    const da_dtype dtype = float_dtypes[_i / 2];
    const bool solve = _i % 2;
    const z alpha = factor(dtype, 1.5, -0.5);

    seed_values((uint64_t)_i);
    for (int blocks = 0; blocks < 2; blocks++) {
        ck_ok(da_blocks(blocks ? DA_SHAPE(8, 5) : DA_SCALAR_SHAPE));
        for (unsigned how = 0; how < 24; how++)
            for (int kind = 0; kind < VIEWS; kind++)
                check_triangular(dtype, solve, 29, 21,
                                 (how & 1 ? DA_UPPER : DA_LOWER) | (how & 2 ? DA_RIGHT : 0u) |
                                     (how & 4 ? DA_UNIT : 0u) | transposes[how / 8],
                                 alpha, kind, (kind + blocks + (int)how) % VIEWS);
    }
    ck_ok(da_blocks(DA_SHAPE(16, 16)));
    for (int i = 0; i < SIZES; i++) {
        const int64_t n = size_around(i, 16);
        check_triangular(dtype, solve, n, 5, DA_LOWER, alpha, 0, 0);
        check_triangular(dtype, solve, 18, n, DA_UPPER, alpha, 1, 0);
        check_triangular(dtype, solve, 3, n, DA_RIGHT | DA_UPPER | DA_TRANSPOSE, alpha, 0, 1);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_triangular(dtype, solve, 97, 61, DA_LOWER | DA_CONJ_TRANSPOSE, alpha, 0, 0);
    check_triangular(dtype, solve, 300, 7, DA_UPPER, alpha, 0, 0); /* in steps */
    check_triangular(dtype, solve, 7, 300, DA_LOWER | DA_RIGHT, alpha, 1, 0);
}
END_TEST

/* ---- batches ---- */

static da_array *batch_of(da_dtype dtype, int64_t p, int64_t q, int64_t m, int64_t n, uint64_t seed)
{
    da_array *a = NULL;

    ck_ok(p > 0 ? da_random_normal(&a, dtype, DA_SHAPE(p, q, m, n), seed)
                : da_random_normal(&a, dtype, DA_SHAPE(q, m, n), seed));
    return a;
}

static z *matrix_at(const da_array *a, int64_t p, int64_t q)
{
    DA_AUTO da_array *one = NULL;

    ck_ok(da_array_ndim(a) == 4 ? DA_SLICE(&one, a, DA_AT(p), DA_AT(q)) : DA_SLICE(&one, a, DA_AT(q)));
    return host_of(one);
}

/* (2, 3, n, n) with what has leading axes (3) or (2, 1): every matrix as the call on it alone */
START_TEST(batches)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 13, k = 7;
    DA_AUTO da_array *a = batch_of(dtype, 0, 3, n, k, 1), *b = batch_of(dtype, 2, 1, n, k, 2);
    DA_AUTO da_array *s = batch_of(dtype, 2, 1, n, n, 3), *t = batch_of(dtype, 0, 3, n, n, 4);

    ck_ok(da_assign(t, da_multiply(t, 0.05)));
    for (int what = 0; what < 5; what++) {
        DA_AUTO da_array *c = what < 2 ? batch_of(dtype, 2, 3, n, n, 5) : batch_of(dtype, 2, 3, n, k, 5);
        DA_AUTO da_array *before = NULL;

        ck_ok(da_copy(&before, c));
        switch (what) {
        case 0: ck_ok(da_herk(c, 2, a, -1, DA_UPPER)); break;
        case 1: ck_ok(da_syr2k(c, 2, a, b, -1, DA_LOWER)); break;
        case 2: ck_ok(da_hemm(c, 2, s, a, -1, DA_UPPER)); break;
        case 3: ck_ok(da_trmm(t, c, 2, DA_LOWER)); break;
        default: ck_ok(da_trsm(t, c, 2, DA_LOWER | DA_UNIT)); break;
        }
        for (int64_t p = 0; p < 2; p++)
            for (int64_t q = 0; q < 3; q++) {
                z *x = matrix_at(a, p, q), *y = matrix_at(b, p, 0), *u = matrix_at(s, p, 0),
                  *v = matrix_at(t, p, q), *was = matrix_at(before, p, q), *got = matrix_at(c, p, q), *want;
                DA_AUTO da_array *A = array_of(dtype, n, k, x), *B = array_of(dtype, n, k, y);
                DA_AUTO da_array *S = array_of(dtype, n, n, u), *T = array_of(dtype, n, n, v);
                DA_AUTO da_array *C = array_of(dtype, n, what < 2 ? n : k, was);

                switch (what) {
                case 0: ck_ok(da_herk(C, 2, A, -1, DA_UPPER)); break;
                case 1: ck_ok(da_syr2k(C, 2, A, B, -1, DA_LOWER)); break;
                case 2: ck_ok(da_hemm(C, 2, S, A, -1, DA_UPPER)); break;
                case 3: ck_ok(da_trmm(T, C, 2, DA_LOWER)); break;
                default: ck_ok(da_trsm(T, C, 2, DA_LOWER | DA_UNIT)); break;
                }
                want = host_of(C);
                ck_below("batch",
                         distance(got, want, n * (what < 2 ? n : k)) / norm(want, n * (what < 2 ? n : k)) /
                             eps_of(dtype),
                         30, "what %d matrix %d %d %s", what, (int)p, (int)q, da_dtype_name(dtype));
                free(x), free(y), free(u), free(v), free(was), free(got), free(want);
            }
    }
}
END_TEST

/* ---- overlap: all operands are read as if before any write ---- */

static void same(const da_array *a, const da_array *b, const char *what)
{
    z *x = host_of(a), *y = host_of(b);
    const int64_t count = da_array_size(a);

    ck_assert_msg(norm(y, count) > 0, "%s: nothing to compare", what);
    ck_below(what, distance(x, y, count) / norm(y, count) / eps_of(da_array_dtype(a)), 30, "%s",
             da_dtype_name(da_array_dtype(a)));
    free(x);
    free(y);
}

enum { OVERLAPS = 8 };

/* c is x or, where nothing is to overlap, a copy of it; x and y overlap, t is x's transpose. */
static da_status overlap(int what, da_array *c, const da_array *x, const da_array *y, const da_array *t)
{
    switch (what) {
    case 0: return da_syrk(c, 1, y, 2, DA_LOWER);
    case 1: return da_herk(c, 1, x, 0, DA_UPPER);
    case 2: return da_syr2k(c, 1, t, y, 1, DA_UPPER | DA_TRANSPOSE);
    case 3: return da_symm(c, 1, x, x, 0, DA_LOWER);
    case 4: return da_hemm(c, 1, y, t, 1, DA_RIGHT);
    case 5: return da_trmm(x, c, 1, DA_UPPER);
    case 6: return da_trmm(y, c, 1, DA_LOWER | DA_RIGHT);
    default: return da_trsm(y, c, 1, DA_LOWER | DA_UNIT);
    }
}

START_TEST(overlaps)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t n = 27;

    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    for (int what = 0; what < OVERLAPS; what++) {
        DA_AUTO da_array *base = NULL, *copy = NULL, *x = NULL, *y = NULL, *t = NULL;

        ck_ok(da_random_uniform(&base, dtype, DA_SHAPE(n, n + 5), (uint64_t)what));
        ck_ok(DA_SLICE(&x, base, DA_WHOLE, DA_RANGE(0, n)));
        ck_ok(DA_SLICE(&y, base, DA_WHOLE, DA_RANGE(5, n + 5)));
        ck_ok(da_matrix_transpose(&t, x));
        ck_ok(da_copy(&copy, x));
        ck_ok(overlap(what, copy, x, y, t));
        ck_ok(overlap(what, x, x, y, t));
        same(x, copy, "overlap");
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* ---- special values, faults, wrong arguments ---- */

/* with alpha 0 the other operands are not used, and b is overwritten */
START_TEST(alpha_zero)
{
    for (int solve = 0; solve < 2; solve++) {
        DA_AUTO da_array *t = NULL, *b = NULL, *c = NULL, *s = NULL;
        double got[12];

        ck_ok(da_full(&t, DA_F64, DA_SHAPE(4, 4), solve ? 0.0 : NAN));
        ck_ok(da_full(&b, DA_F64, DA_SHAPE(4, 3), NAN));
        ck_ok(solve ? da_trsm(t, b, 0, DA_LOWER) : da_trmm(t, b, 0, DA_LOWER));
        ck_ok(da_to_host(b, got, sizeof got, DA_ROW_MAJOR));
        for (int i = 0; i < 12; i++)
            ck_assert_double_eq(got[i], 0);
        ck_ok(da_full(&s, DA_F64, DA_SHAPE(4, 4), NAN));
        ck_ok(da_full(&c, DA_F64, DA_SHAPE(4, 3), 2));
        ck_ok(da_symm(c, 0, s, c, 3, 0));
        ck_ok(da_to_host(c, got, sizeof got, DA_ROW_MAJOR));
        for (int i = 0; i < 12; i++)
            ck_assert_double_eq(got[i], 6);
    }
    for (int64_t n = 2; n <= 40; n++) { /* OpenBLAS has kernels for small orders */
        DA_AUTO da_array *a = NULL, *c = NULL;
        double got[40 * 40];

        ck_ok(da_full(&a, DA_F64, DA_SHAPE(n, n), NAN));
        ck_ok(da_full(&c, DA_F64, DA_SHAPE(n, n), 2));
        ck_ok(da_gemm(c, 0, a, a, 3));
        ck_ok(da_to_host(c, got, sizeof got, DA_ROW_MAJOR));
        for (int64_t i = 0; i < n * n; i++)
            ck_assert_msg(got[i] == 6, "n = %d: element %d is %g", (int)n, (int)i, got[i]);
    }
}
END_TEST

START_TEST(faults)
{
    const int64_t n = 20;
    DA_AUTO da_array *t = NULL, *row = NULL, *b = NULL, *c = NULL, *x = NULL;

    ck_ok(da_eye(&t, DA_F64, n, n, 0));
    ck_ok(DA_SLICE(&row, t, DA_AT(11)));
    ck_ok(da_assign(row, 0));
    ck_ok(da_ones(&b, DA_F64, DA_SHAPE(n, 2)));
    ck_ok(da_trsm(t, b, 2, DA_LOWER));
    ck_fails(da_wait(b), DA_ERROR_NUMERICAL, "diagonal element 12 of 20 is zero");
    ck_ok(da_zeros(&c, DA_F64, DA_SHAPE(n, n)));
    ck_ok(da_syrk(c, 1, b, 1, DA_LOWER)); /* inherited */
    ck_fails(da_wait(c), DA_ERROR_NUMERICAL, "diagonal element 12 of 20 is zero");
    ck_ok(da_ones(&x, DA_F64, DA_SHAPE(n, 2)));
    ck_ok(da_trsm(t, x, 2, DA_LOWER | DA_UNIT));
    ck_ok(da_wait(x));
    ck_ok(da_trmm(t, b, 0, DA_LOWER)); /* overwritten */
    ck_ok(da_wait(b));
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *s = NULL, *w = NULL, *f = NULL, *i = NULL, *v = NULL, *batch = NULL, *z4 = NULL,
                     *wide = NULL, *one = NULL;
    const da_scalar imaginary = da_number_z_(CMPLX(1, 2));

    ck_ok(da_zeros(&s, DA_F64, DA_SHAPE(4, 4)));
    ck_ok(da_zeros(&w, DA_F64, DA_SHAPE(4, 3)));
    ck_ok(da_zeros(&f, DA_F32, DA_SHAPE(4, 4)));
    ck_ok(da_zeros(&i, DA_I32, DA_SHAPE(4, 4)));
    ck_ok(da_zeros(&v, DA_F64, DA_SHAPE(4)));
    ck_ok(da_zeros(&batch, DA_F64, DA_SHAPE(2, 4, 4)));
    ck_ok(da_zeros(&z4, DA_C128, DA_SHAPE(4, 4)));
    ck_ok(da_zeros(&one, DA_F64, DA_SHAPE(1, 4)));
    ck_ok(da_broadcast_to(&wide, one, DA_SHAPE(4, 4)));

    ck_fails(da_symm(NULL, 1, s, w, 0, 0), DA_ERROR_ARGUMENT, "da_symm: c is null");
    ck_fails(da_symm(w, 1, w, w, 0, 0), DA_ERROR_SHAPE, "a has shape (4, 3); it must be square");
    ck_fails(da_symm(w, 1, s, s, 0, 0), DA_ERROR_SHAPE, "does not fit c");
    ck_fails(da_symm(w, 1, s, w, 0, DA_RIGHT), DA_ERROR_SHAPE,
             "a has shape (4, 4) and b has shape (4, 3); b must have as many columns as a");
    ck_fails(da_symm(s, 1, f, s, 0, 0), DA_ERROR_DTYPE, "float32");
    ck_fails(da_symm(i, 1, i, i, 0, 0), DA_ERROR_DTYPE, "int32");
    ck_fails(da_symm(s, 1, s, s, 0, DA_UNIT), DA_ERROR_ARGUMENT, "flags");
    ck_fails(da_symm(s, 1, s, s, 0, DA_LOWER | DA_UPPER), DA_ERROR_ARGUMENT, "both");
    ck_fails(da_symm(s, imaginary, s, s, 0, 0), DA_ERROR_DTYPE, "da_symm: alpha");
    ck_fails(da_hemm(s, 1, s, s, imaginary, 0), DA_ERROR_DTYPE, "da_hemm: beta");
    ck_fails(da_symm(s, 1, batch, s, 0, 0), DA_ERROR_SHAPE, "leading axes");
    ck_fails(da_symm(wide, 1, s, s, 0, 0), DA_ERROR_ARGUMENT, "broadcast");
    ck_fails(da_syrk(w, 1, s, 0, 0), DA_ERROR_SHAPE, "c has shape (4, 3); it must be square");
    ck_fails(da_syrk(s, 1, w, 0, DA_TRANSPOSE), DA_ERROR_SHAPE, "columns");
    ck_fails(da_syrk(s, 1, v, 0, 0), DA_ERROR_SHAPE, "(4,)");
    ck_fails(da_syrk(s, 1, batch, 0, 0), DA_ERROR_SHAPE, "(2, 4, 4)");
    ck_fails(da_syrk(wide, 1, s, 0, 0), DA_ERROR_ARGUMENT, "broadcast");
    ck_fails(da_syrk(z4, 1, z4, 0, DA_CONJ_TRANSPOSE), DA_ERROR_ARGUMENT,
             "DA_CONJ_TRANSPOSE with complex128");
    ck_fails(da_herk(z4, 1, z4, 0, DA_TRANSPOSE), DA_ERROR_ARGUMENT, "DA_TRANSPOSE with complex128");
    ck_fails(da_herk(z4, imaginary, z4, 0, 0), DA_ERROR_DTYPE, "alpha is 1+2i; it must be real");
    ck_fails(da_her2k(z4, 1, z4, z4, imaginary, 0), DA_ERROR_DTYPE, "beta is 1+2i; it must be real");
    ck_ok(da_her2k(z4, imaginary, z4, z4, 0, 0));
    ck_fails(da_syr2k(s, 1, s, NULL, 0, 0), DA_ERROR_ARGUMENT, "b is null");
    ck_fails(da_syr2k(s, 1, s, w, 0, 0), DA_ERROR_SHAPE, "alike");
    ck_fails(da_trmm(s, w, 1, 0), DA_ERROR_ARGUMENT, "DA_UPPER");
    ck_fails(da_trmm(w, w, 1, DA_UPPER), DA_ERROR_SHAPE, "square");
    ck_fails(da_trmm(s, w, 1, DA_UPPER | DA_RIGHT), DA_ERROR_SHAPE, "columns");
    ck_fails(da_trmm(batch, w, 1, DA_UPPER), DA_ERROR_SHAPE, "more matrices");
    ck_fails(da_trmm(s, wide, 1, DA_UPPER), DA_ERROR_ARGUMENT, "broadcast");
    ck_fails(da_trsm(s, w, imaginary, DA_UPPER), DA_ERROR_DTYPE, "da_trsm: alpha");
    ck_fails(da_trsm(f, w, 1, DA_UPPER), DA_ERROR_DTYPE, "float32");
    ck_ok(da_trmm(s, v, 1, DA_UPPER)); /* a vector */
    ck_ok(da_wait_all());
}
END_TEST

DA_TEST_MAIN("blas3", DA_CASE_SWEEP("symmetric", 2 * FLOAT_DTYPES, symmetric),
             DA_CASE_SWEEP("rank updates", 4 * FLOAT_DTYPES, rank_updates),
             DA_CASE_SWEEP("triangular", 2 * FLOAT_DTYPES, triangular),
             DA_CASE_LOOP("batches", FLOAT_DTYPES, batches), DA_CASE_LOOP("overlaps", FLOAT_DTYPES, overlaps),
             DA_CASE("special", alpha_zero, faults, bad_arguments))
