/* Operations in place on views that overlap their operands, or show one buffer through two wraps: operands are read as if before any write.
 * Random views of one buffer; the host keeps a copy of it, on which the textbook's operation is done. */
#include "linalg_check.h"

enum { SIDE = 32 }; /* the buffer is a SIDE x SIDE matrix, column-major */

/* A view of the buffer on both sides. */
typedef struct view {
    da_array *array;
    int64_t m, n, at, down, right; /* element (i, j) is at + i down + j right */
} view;

static int64_t below(int64_t n)
{
    return (int64_t)((value() + 1) / 2 * (double)n);
}

/* A random m x n view: any place, steps of either sign, sometimes transposed. */
static view random_view(const da_array *base, int64_t m, int64_t n)
{
    const bool turned = below(3) == 0;
    const int64_t rows = turned ? n : m, cols = turned ? m : n;
    int64_t start[2], step[2];
    da_range range[2];
    da_array *turned_view = NULL;
    view v = {NULL, m, n, 0, 0, 0};

    for (int d = 0; d < 2; d++) {
        const int64_t extent = d ? cols : rows, wide = (SIDE - 1) / (extent > 1 ? extent - 1 : 1);
        int64_t size = below(4) == 0 && wide > 1 ? 2 : 1, last;

        last = (extent - 1) * size;
        start[d] = below(SIDE - last);
        step[d] = below(5) == 0 ? -size : size;
        if (step[d] < 0)
            start[d] += last;
        last = start[d] + (extent - 1) * step[d];
        range[d] = step[d] > 0 ? DA_RANGE_STEP(start[d], last + 1, step[d])
                   : last == 0 ? (da_range){1, 1, start[d], 0, step[d]}
                               : DA_RANGE_STEP(start[d], last - 1, step[d]);
    }
    ck_ok(da_slice(&v.array, base, 2, range));
    v.at = start[0] + start[1] * SIDE;
    v.down = turned ? step[1] * SIDE : step[0];
    v.right = turned ? step[0] : step[1] * SIDE;
    if (turned) {
        ck_ok(da_matrix_transpose(&turned_view, v.array));
        da_array_move(&v.array, &turned_view);
    }
    ck_assert_int_eq(da_array_shape(v.array).dim[0], m);
    ck_assert_int_eq(da_array_shape(v.array).dim[1], n);
    return v;
}

/* The same place through another handle. */
static view again(const view *v)
{
    view same = *v;

    same.array = NULL;
    ck_ok(da_array_retain(&same.array, v->array));
    return same;
}

static z *read_view(const z *buffer, const view *v)
{
    z *p = new_values(v->m * v->n);

    for (int64_t j = 0; j < v->n; j++)
        for (int64_t i = 0; i < v->m; i++)
            p[i + j * v->m] = buffer[v->at + i * v->down + j * v->right];
    return p;
}

static void write_view(z *buffer, const view *v, const z *p)
{
    for (int64_t j = 0; j < v->n; j++)
        for (int64_t i = 0; i < v->m; i++)
            buffer[v->at + i * v->down + j * v->right] = p[i + j * v->m];
}

/* The buffer in the library: an array, or two wraps of the same memory, which views take turns with. */
typedef struct shared {
    da_array *one, *other;
    void *memory;
} shared;

static shared share(da_dtype dtype, const z *values, bool wrapped)
{
    shared s = {NULL, NULL, NULL};

    if (!wrapped) {
        s.one = array_of(dtype, SIDE, SIDE, values);
        ck_ok(da_array_retain(&s.other, s.one));
        return s;
    }
    s.memory = calloc(SIDE * SIDE, da_dtype_size(dtype));
    for (int64_t i = 0; i < SIDE * SIDE; i++)
        put(dtype, s.memory, i, values[i]);
    ck_ok(da_wrap(&s.one, dtype, DA_SHAPE(SIDE, SIDE), s.memory, DA_COL_MAJOR, NULL, NULL));
    /* the same rows and columns in another layout, and so another record */
    ck_ok(da_wrap(&s.other, dtype, DA_SHAPE(SIDE, SIDE), s.memory, DA_ROW_MAJOR, NULL, NULL));
    {
        da_array *turned = NULL;
        ck_ok(da_matrix_transpose(&turned, s.other));
        da_array_move(&s.other, &turned);
    }
    return s;
}

static void check_buffer(shared *s, const z *expected, double limit, const char *what)
{
    const da_dtype dtype = da_array_dtype(s->one);
    z *one = host_of(s->one), *other = host_of(s->other);

    ck_below(what, distance(one, expected, SIDE * SIDE) / (norm(expected, SIDE * SIDE) * eps_of(dtype)),
             limit, "%s", da_dtype_name(dtype));
    ck_assert_msg(memcmp(one, other, SIDE * SIDE * sizeof *one) == 0, "%s: the two wraps differ", what);
    free(one);
    free(other);
    da_array_release(&s->one);
    da_array_release(&s->other);
    free(s->memory);
}

enum { TILINGS = 3, TRIALS = 90 };
static void set_tiling(int which)
{
    ck_ok(da_blocks(which == 0 ? DA_SCALAR_SHAPE : which == 1 ? DA_SHAPE(8, 8) : DA_SHAPE(5, 3)));
}

START_TEST(products)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(61);
    for (int trial = 0; trial < TRIALS; trial++) {
        const int64_t m = 1 + below(SIDE), n = 1 + below(SIDE), k = 1 + below(SIDE);
        z *buffer = random_values(dtype, SIDE, SIDE);
        const double beta = trial % 3 == 0 ? 0 : 0.5;
        shared s;
        view a, b, c;
        z *pa, *pb, *pc, *result;

        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial % TILINGS);
        s = share(dtype, buffer, trial % 2);
        a = random_view(s.one, m, k);
        b = random_view(s.other, k, n);
        c = random_view(trial % 4 < 2 ? s.one : s.other, m, n);
        ck_ok(da_gemm(c.array, 1.5, a.array, b.array, beta));
        pa = read_view(buffer, &a);
        pb = read_view(buffer, &b);
        pc = read_view(buffer, &c);
        result = product(m, n, k, pa, 'N', pb, 'N');
        for (int64_t i = 0; i < m * n; i++)
            result[i] = 1.5 * result[i] + beta * pc[i];
        write_view(buffer, &c, result);
        check_buffer(&s, buffer, 30, "gemm on overlapping views");
        da_array_release(&a.array);
        da_array_release(&b.array);
        da_array_release(&c.array);
        free(pa);
        free(pb);
        free(pc);
        free(result);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

START_TEST(triangular)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(62);
    for (int trial = 0; trial < TRIALS; trial++) {
        const int64_t n = 1 + below(SIDE), p = 1 + below(SIDE);
        const bool upper = trial % 2, right = trial / 2 % 2, scaled = trial / 8 % 2; /* trsm */
        const CBLAS_TRANSPOSE op = (CBLAS_TRANSPOSE[]){CblasNoTrans, CblasTrans, CblasConjTrans}[below(3)];
        const unsigned flags = DA_UNIT | (upper ? DA_UPPER : DA_LOWER) | (right ? DA_RIGHT : 0) |
                               (op == CblasTrans       ? DA_TRANSPOSE
                                : op == CblasConjTrans ? DA_CONJ_TRANSPOSE
                                                       : 0u);
        const z alpha = scaled ? 1.5 : 1;
        z *buffer = random_values(dtype, SIDE, SIDE), *pt, *pb;
        shared s;
        view t, b;

        for (int64_t i = 0; i < SIDE * SIDE; i++)
            buffer[i] /= 8;
        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial % TILINGS);
        s = share(dtype, buffer, trial / 4 % 2);
        t = random_view(s.one, n, n);
        b = trial % 7 == 0 ? again(&t) : random_view(s.other, right ? p : n, right ? n : p);
        ck_ok(scaled ? da_trsm(t.array, b.array, 1.5, flags)
                     : da_solve_triangular_inplace(t.array, b.array, flags));
        pt = read_view(buffer, &t);
        pb = read_view(buffer, &b);
        cblas_ztrsm(CblasColMajor, right ? CblasRight : CblasLeft, upper ? CblasUpper : CblasLower, op,
                    CblasUnit, (int)b.m, (int)b.n, &alpha, pt, (int)n, pb, (int)b.m);
        write_view(buffer, &b, pb);
        check_buffer(&s, buffer, 200, scaled ? "trsm on overlapping views" : "solve_triangular");
        da_array_release(&t.array);
        da_array_release(&b.array);
        free(pt);
        free(pb);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

/* BLAS 3's operations with one triangle: trmm, symm and hemm, of which one is read, and syrk and its kin, of which one is written. */
enum { TRMM, SYMM, HEMM, SYRK, HERK, SYR2K, HER2K, ONE_TRIANGLE };
static const char *const one_triangle_names[] = {"trmm on overlapping views", "symm on overlapping views",
                                                 "hemm on overlapping views", "syrk on overlapping views",
                                                 "herk on overlapping views", "syr2k on overlapping views",
                                                 "her2k on overlapping views"};

/* c (of trmm b) in the library; alpha is real where it must be, beta 0.5 or 0. */
static da_status in_library(int what, const view *a, const view *b, const view *c, da_scalar alpha,
                            double beta, unsigned flags)
{
    switch (what) {
    case TRMM: return da_trmm(a->array, b->array, alpha, flags);
    case SYMM: return da_symm(c->array, alpha, a->array, b->array, beta, flags);
    case HEMM: return da_hemm(c->array, alpha, a->array, b->array, beta, flags);
    case SYRK: return da_syrk(c->array, alpha, a->array, beta, flags);
    case HERK: return da_herk(c->array, alpha, a->array, beta, flags);
    case SYR2K: return da_syr2k(c->array, alpha, a->array, b->array, beta, flags);
    default: return da_her2k(c->array, alpha, a->array, b->array, beta, flags);
    }
}

/* The same of values, column by column; `k` is the depth of a rank update. */
static void on_host(int what, int m, int n, int k, z alpha, double real_beta, const z *a, const z *b,
                    z *b_or_c, unsigned flags)
{
    const CBLAS_UPLO uplo = flags & DA_UPPER ? CblasUpper : CblasLower;
    const CBLAS_SIDE side = flags & DA_RIGHT ? CblasRight : CblasLeft;
    const CBLAS_TRANSPOSE op = flags & DA_TRANSPOSE        ? CblasTrans
                               : flags & DA_CONJ_TRANSPOSE ? CblasConjTrans
                                                           : CblasNoTrans;
    const CBLAS_LAYOUT layout = CblasColMajor;
    const int order = flags & DA_RIGHT ? n : m, lda = op == CblasNoTrans ? n : k;
    const z beta = real_beta;
    z *c = b_or_c;

    switch (what) {
    case TRMM:
        cblas_ztrmm(layout, side, uplo, op, flags & DA_UNIT ? CblasUnit : CblasNonUnit, m, n, &alpha, a,
                    order, c, m);
        break;
    case SYMM: cblas_zsymm(layout, side, uplo, m, n, &alpha, a, order, b, m, &beta, c, m); break;
    case HEMM: cblas_zhemm(layout, side, uplo, m, n, &alpha, a, order, b, m, &beta, c, m); break;
    case SYRK: cblas_zsyrk(layout, uplo, op, n, k, &alpha, a, lda, &beta, c, n); break;
    case HERK: cblas_zherk(layout, uplo, op, n, k, creal(alpha), a, lda, real_beta, c, n); break;
    case SYR2K: cblas_zsyr2k(layout, uplo, op, n, k, &alpha, a, lda, b, lda, &beta, c, n); break;
    default: cblas_zher2k(layout, uplo, op, n, k, &alpha, a, lda, b, lda, real_beta, c, n); break;
    }
}

START_TEST(one_triangle)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(64);
    for (int trial = 0; trial < 8 * 3 * ONE_TRIANGLE; trial++) {
        const int64_t n = 1 + below(SIDE), p = below(4) == 0 ? n : 1 + below(SIDE);
        const int what = trial % ONE_TRIANGLE;
        const bool update = what >= SYRK, right = !update && below(2),
                   turned = (update || what == TRMM) && below(2);
        const bool conjugates = what == HERK || what == HER2K || (what == TRMM && below(2));
        const unsigned flags = (below(2) ? DA_UPPER : DA_LOWER) | (right ? DA_RIGHT : 0u) |
                               (turned ? conjugates ? DA_CONJ_TRANSPOSE : DA_TRANSPOSE : 0u) |
                               (what == TRMM && below(2) ? DA_UNIT : 0u);
        const z alpha = is_complex(dtype) && what != HERK ? CMPLX(1.5, -0.5) : 1.5;
        const double beta = trial % 3 == 0 ? 0 : 0.5;
        z *buffer = random_values(dtype, SIDE, SIDE), *pa, *pb, *pc;
        shared s;
        view a, b, c;

        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial / ONE_TRIANGLE % TILINGS);
        s = share(dtype, buffer, trial / (ONE_TRIANGLE * TILINGS) % 2);
        a = update ? random_view(s.other, turned ? p : n, turned ? n : p) : random_view(s.other, n, n);
        b = update ? below(4) == 0 ? again(&a) : random_view(s.one, a.m, a.n)
                   : random_view(s.one, right ? p : n, right ? n : p);
        if (!update && below(4) == 0) { /* what is written is an operand */
            c = again(&b);
        } else if (update && n == p) {
            c = again(&a);
        } else {
            c = update ? random_view(s.one, n, n) : random_view(s.one, b.m, b.n);
        }
        pa = read_view(buffer, &a);
        pb = read_view(buffer, &b);
        pc = read_view(buffer, what == TRMM ? &b : &c);
        ck_ok(in_library(what, &a, &b, &c, is_complex(dtype) ? da_number_z_(alpha) : da_number_f_(1.5), beta,
                         flags));
        on_host(what, (int)(update ? n : b.m), (int)(update ? n : b.n), (int)p, alpha, beta, pa, pb, pc,
                flags);
        write_view(buffer, what == TRMM ? &b : &c, pc);
        check_buffer(&s, buffer, 30, one_triangle_names[what]);
        da_array_release(&a.array);
        da_array_release(&b.array);
        da_array_release(&c.array);
        free(pa);
        free(pb);
        free(pc);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

/* A block of a larger array, in whatever layout; nothing around the triangle changes. */
START_TEST(cholesky)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(63);
    for (int trial = 0; trial < TRIALS; trial++) {
        const int64_t n = 1 + below(20);
        const bool upper = trial % 2;
        z *buffer = random_values(dtype, SIDE, SIDE), *a = definite_values(dtype, n, 20),
          *l = new_values(n * n);
        shared s;
        view v;

        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial % TILINGS);
        s = share(dtype, buffer, trial / 2 % 2);
        v = random_view(s.one, n, n);
        write_view(buffer, &v, a);
        {
            DA_AUTO da_array *values = array_of(dtype, n, n, a);
            ck_ok(da_assign(v.array, values));
        }
        ck_ok(da_cholesky_inplace(v.array, upper ? DA_UPPER : DA_LOWER));
        memcpy(l, a, (size_t)(n * n) * sizeof *l);
        ck_assert_int_eq(LAPACKE_zpotrf(LAPACK_COL_MAJOR, upper ? 'U' : 'L', (int)n, l, (int)n), 0);
        write_view(buffer, &v, l);
        check_buffer(&s, buffer, 300, "cholesky of a view");
        da_array_release(&v.array);
        free(a);
        free(l);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

/* LU and QR of a view: factors of what it showed; nothing around it changes, seen through either wrap. */
enum { LU, LU_NOPIVOT, QR, FACTORISATIONS };

static void check_factors(int what, da_dtype dtype, const z *a, int64_t m, int64_t n, const z *left,
                          const z *right)
{
    const int64_t k = m < n ? m : n;
    z *back = product(m, n, k, left, 'N', right, 'N');

    ck_below(what == QR ? "qr_factor_inplace of a view" : "lu of a view",
             distance(back, a, m * n) / (norm(a, m * n) * (double)(m > n ? m : n) * eps_of(dtype)), 30,
             "%d x %d %s", (int)m, (int)n, da_dtype_name(dtype));
    free(back);
}

/* What is kept in one matrix: L below the diagonal, with ones on it, and U. */
static void check_lu(int what, da_dtype dtype, z *a, const da_array *packed, const da_array *pivots)
{
    const int64_t m = da_array_shape(packed).dim[0], n = da_array_shape(packed).dim[1], k = m < n ? m : n;
    z *lu = host_of(packed), *l = new_values(m * k), *u = new_values(k * n),
      *rows = pivots ? host_of(pivots) : NULL;

    memcpy(l, lu, (size_t)(m * k) * sizeof *l);
    keep_triangle(l, m, k, false, true);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < k; i++)
            u[i + j * k] = i <= j ? lu[i + j * m] : 0;
    for (int64_t i = 0; pivots && i < k; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t other = (int64_t)creal(rows[i]);
            const z x = a[i + j * m];

            a[i + j * m] = a[other + j * m];
            a[other + j * m] = x;
        }
    check_factors(what, dtype, a, m, n, l, u);
    free(lu);
    free(l);
    free(u);
    free(rows);
}

static void check_qr(da_dtype dtype, const z *a, int64_t m, int64_t n, const da_qr_factors *f)
{
    DA_AUTO da_array *q = NULL, *r = NULL;
    z *left, *right;

    ck_ok(da_qr_q(&q, f, 0));
    ck_ok(da_qr_r(&r, f, 0));
    left = host_of(q);
    right = host_of(r);
    check_factors(QR, dtype, a, m, n, left, right);
    free(left);
    free(right);
}

START_TEST(factorisations)
{
    const da_dtype dtype = float_dtypes[_i];

    seed_values(65);
    for (int trial = 0; trial < 8 * 3 * FACTORISATIONS; trial++) {
        const int64_t m = 1 + below(SIDE), n = 1 + below(SIDE);
        const int what = trial % FACTORISATIONS;
        z *buffer = random_values(dtype, SIDE, SIDE), *a, *after, *other;
        DA_AUTO da_array *pivots = NULL;
        DA_AUTO da_qr_factors *f = NULL;
        shared s;
        view v;

        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial / FACTORISATIONS % TILINGS);
        s = share(dtype, buffer, trial / (FACTORISATIONS * TILINGS) % 2);
        v = random_view(s.one, m, n);
        a = read_view(buffer, &v);
        if (what == LU_NOPIVOT) { /* needs no exchanges */
            DA_AUTO da_array *values = NULL;

            for (int64_t i = 0; i < m && i < n; i++)
                a[i + i * m] += 2 * SIDE;
            round_values(dtype, a, m * n);
            values = array_of(dtype, m, n, a);
            ck_ok(da_assign(v.array, values));
        }
        switch (what) {
        case LU: ck_ok(da_lu_inplace(v.array, &pivots)); break;
        case LU_NOPIVOT: ck_ok(da_lu_nopivot_inplace(v.array)); break;
        default: ck_ok(da_qr_factor_inplace(&f, v.array)); break;
        }
        if (what == QR)
            check_qr(dtype, a, m, n, f);
        else
            check_lu(what, dtype, a, v.array, pivots);
        after = host_of(s.one);
        other = host_of(s.other);
        ck_assert(memcmp(after, other, SIDE * SIDE * sizeof *after) == 0);
        free(a);
        a = read_view(after, &v);
        write_view(buffer, &v, a); /* whatever that is */
        ck_assert_msg(memcmp(after, buffer, SIDE * SIDE * sizeof *after) == 0,
                      "factorisation %d: written around the view", what);
        da_array_release(&v.array);
        da_array_release(&s.one);
        da_array_release(&s.other);
        da_qr_factors_release(&f);
        free(s.memory);
        free(a);
        free(after);
        free(other);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

DA_TEST_MAIN("linalg_overlap", DA_CASE_LOOP("products", FLOAT_DTYPES, products),
             DA_CASE_LOOP("triangular", FLOAT_DTYPES, triangular),
             DA_CASE_LOOP("one triangle", FLOAT_DTYPES, one_triangle),
             DA_CASE_LOOP("cholesky", FLOAT_DTYPES, cholesky),
             DA_CASE_LOOP("factorisations", FLOAT_DTYPES, factorisations))
