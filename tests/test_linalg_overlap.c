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
        const bool upper = trial % 2, right = trial / 2 % 2;
        z *buffer = random_values(dtype, SIDE, SIDE), *pt, *pb;
        const z one = 1;
        shared s;
        view t, b;

        for (int64_t i = 0; i < SIDE * SIDE; i++)
            buffer[i] /= 8;
        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial % TILINGS);
        s = share(dtype, buffer, trial / 4 % 2);
        t = random_view(s.one, n, n);
        b = random_view(s.other, right ? p : n, right ? n : p);
        ck_ok(da_solve_triangular_inplace(t.array, b.array,
                                          DA_UNIT | (upper ? DA_UPPER : DA_LOWER) |
                                              (right ? DA_RIGHT | DA_CONJ_TRANSPOSE : 0)));
        pt = read_view(buffer, &t);
        pb = read_view(buffer, &b);
        cblas_ztrsm(CblasColMajor, right ? CblasRight : CblasLeft, upper ? CblasUpper : CblasLower,
                    right ? CblasConjTrans : CblasNoTrans, CblasUnit, (int)b.m, (int)b.n, &one, pt, (int)n,
                    pb, (int)b.m);
        write_view(buffer, &b, pb);
        check_buffer(&s, buffer, 200, "triangular solve on overlapping views");
        da_array_release(&t.array);
        da_array_release(&b.array);
        free(pt);
        free(pb);
        free(buffer);
    }
    set_tiling(0);
}
END_TEST

/* BLAS 3's operations with one triangle: trmm, symm, and syrk, of which only a triangle is written. */
START_TEST(one_triangle)
{
    const da_dtype dtype = float_dtypes[_i];
    const z alpha = 1.5, beta = 0.5;

    seed_values(64);
    for (int trial = 0; trial < TRIALS; trial++) {
        const int64_t n = 1 + below(SIDE), p = 1 + below(SIDE);
        const bool upper = trial % 2, right = trial / 2 % 2;
        const int what = trial / 4 % 3;
        const CBLAS_UPLO uplo = upper ? CblasUpper : CblasLower;
        const CBLAS_SIDE side = right ? CblasRight : CblasLeft;
        const unsigned flags = (upper ? DA_UPPER : DA_LOWER) | (right && what < 2 ? DA_RIGHT : 0);
        z *buffer = random_values(dtype, SIDE, SIDE), *pa, *pb, *pc;
        shared s;
        view a, b, c;

        round_values(dtype, buffer, SIDE * SIDE);
        set_tiling(trial % TILINGS);
        s = share(dtype, buffer, trial / 12 % 2);
        a = what == 2 ? random_view(s.other, n, p) : random_view(s.other, n, n);
        b = random_view(s.one, right ? p : n, right ? n : p);
        c = what == 2 ? random_view(s.one, n, n) : random_view(s.one, b.m, b.n);
        pa = read_view(buffer, &a);
        pb = read_view(buffer, &b);
        pc = read_view(buffer, &c);
        switch (what) {
        case 0:
            ck_ok(da_trmm(a.array, b.array, 1.5, flags));
            cblas_ztrmm(CblasColMajor, side, uplo, CblasNoTrans, CblasNonUnit, (int)b.m, (int)b.n, &alpha, pa,
                        (int)n, pb, (int)b.m);
            write_view(buffer, &b, pb);
            break;
        case 1:
            ck_ok(da_symm(c.array, 1.5, a.array, b.array, 0.5, flags));
            cblas_zsymm(CblasColMajor, side, uplo, (int)b.m, (int)b.n, &alpha, pa, (int)n, pb, (int)b.m,
                        &beta, pc, (int)b.m);
            write_view(buffer, &c, pc);
            break;
        default:
            ck_ok(da_syrk(c.array, 1.5, a.array, 0.5, flags));
            cblas_zsyrk(CblasColMajor, uplo, CblasNoTrans, (int)n, (int)p, &alpha, pa, (int)n, &beta, pc,
                        (int)n);
            write_view(buffer, &c, pc);
        }
        check_buffer(&s, buffer, 30, what == 0 ? "trmm on overlapping views" : what == 1 ? "symm" : "syrk");
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

DA_TEST_MAIN("linalg_overlap", DA_CASE_LOOP("products", FLOAT_DTYPES, products),
             DA_CASE_LOOP("triangular", FLOAT_DTYPES, triangular),
             DA_CASE_LOOP("one triangle", FLOAT_DTYPES, one_triangle),
             DA_CASE_LOOP("cholesky", FLOAT_DTYPES, cholesky))
