#include "linalg_check.h"

/* ||C - Cref||_F / (sqrt(k+2) ||A||_F ||B||_F), below 3 eps */
static void check_product(const da_array *C, int64_t m, int64_t n, int64_t k, const z *a, const z *b,
                          const char *what)
{
    z *c = host_of(C), *ref = product(m, n, k, a, 'N', b, 'N');
    const double scale = sqrt((double)k + 2) * norm(a, m * k) * norm(b, k * n);

    ck_assert_int_eq(da_array_size(C), m * n);
    ck_below(what, scale > 0 ? distance(c, ref, m * n) / scale / eps_of(da_array_dtype(C)) : norm(c, m * n),
             3, "%d x %d x %d %s", (int)m, (int)n, (int)k, da_dtype_name(da_array_dtype(C)));
    free(c);
    free(ref);
}

static void sweep(da_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    z *a = random_values(dtype, m, k), *b = random_values(dtype, k, n);

    for (int ka = 0; ka < VIEWS; ka++)
        for (int kb = 0; kb < VIEWS; kb++) {
            DA_AUTO da_array *A = view_of(ka, dtype, m, k, a), *B = view_of(kb, dtype, k, n, b), *C = NULL;
            ck_ok(da_matmul(&C, A, B));
            check_product(C, m, n, k, a, b, "matmul");
        }
    free(a);
    free(b);
}

START_TEST(sizes)
{
    const da_dtype dtype = float_dtypes[_i / SIZES];
    const int64_t n = size_around(_i % SIZES, 16);

    seed_values((uint64_t)_i);
    ck_ok(da_blocks(DA_SHAPE(16, 16)));
    sweep(dtype, n, n, n);
    sweep(dtype, n, 5, 19);
    sweep(dtype, 3, n, 2);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    sweep(dtype, 97, 61, n);
}
END_TEST

/* a different tiling on every operand */
START_TEST(tilings)
{
    const da_dtype dtype = float_dtypes[_i];
    z *a, *b;
    DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL;

    seed_values(1);
    a = random_values(dtype, 97, 61);
    b = random_values(dtype, 61, 83);
    ck_ok(da_blocks(DA_SHAPE(13, 60)));
    A = array_of(dtype, 97, 61, a);
    ck_ok(da_blocks(DA_SHAPE(7, 5)));
    B = array_of(dtype, 61, 83, b);
    ck_ok(da_blocks(DA_SHAPE(20, 200)));
    ck_ok(da_matmul(&C, A, B));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    check_product(C, 97, 83, 61, a, b, "tilings");
    free(a);
    free(b);
}
END_TEST

/* alpha a b + beta c in place, c a view of any kind */
static void check_gemm(da_dtype dtype, int kind, double alpha, double beta)
{
    const int64_t m = 37, n = 29, k = 23;
    z *a = random_values(dtype, m, k), *b = random_values(dtype, k, n), *c = random_values(dtype, m, n);
    z *ref = product(m, n, k, a, 'N', b, 'N'), *got, *given = new_values(m * n);
    DA_AUTO da_array *A = array_of(dtype, m, k, a), *B = array_of(dtype, k, n, b), *C = NULL;

    for (int64_t i = 0; i < m * n; i++) {
        ref[i] = alpha * ref[i] + beta * c[i];
        given[i] = beta == 0 ? NAN : c[i]; /* with beta 0 it is not read */
    }
    C = view_of(kind, dtype, m, n, given);
    ck_ok(da_gemm(C, alpha, A, B, beta));
    got = host_of(C);
    ck_below("gemm",
             distance(got, ref, m * n) /
                 (sqrt((double)k + 2) * fabs(alpha) * norm(a, m * k) * norm(b, k * n) +
                  2 * fabs(beta) * norm(c, m * n) + 1e-300) /
                 eps_of(dtype),
             3, "kind %d alpha %g beta %g %s", kind, alpha, beta, da_dtype_name(dtype));
    free(a);
    free(b);
    free(c);
    free(ref);
    free(got);
    free(given);
}

START_TEST(in_place)
{
    seed_values(2);
    for (int blocks = 0; blocks < 2; blocks++) {
        ck_ok(da_blocks(blocks ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
        for (int kind = 0; kind < VIEWS; kind++) {
            check_gemm(float_dtypes[_i], kind, 1, 0);
            check_gemm(float_dtypes[_i], kind, -0.5, 1);
            check_gemm(float_dtypes[_i], kind, 2, -3);
            check_gemm(float_dtypes[_i], kind, 0, 0.5);
        }
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* operands are read as if before any write */
START_TEST(overlaps)
{
    const int64_t n = 31;
    const da_dtype dtype = float_dtypes[_i];
    z *a, *ref;
    DA_AUTO da_array *A = NULL, *T = NULL, *base = NULL, *left = NULL, *right = NULL;

    seed_values(4);
    a = random_values(dtype, n, n);
    ck_ok(da_blocks(DA_SHAPE(8, 8)));
    A = array_of(dtype, n, n, a);
    ck_ok(da_gemm(A, 1, A, A, 0));
    check_product(A, n, n, n, a, a, "a = a a");
    free(a);

    a = random_values(dtype, n, n);
    da_array_release(&A);
    A = array_of(dtype, n, n, a);
    ck_ok(da_matrix_transpose(&T, A));
    ck_ok(da_gemm(A, 1, T, A, 0));
    ref = new_values(n * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            ref[i + j * n] = a[j + i * n];
    check_product(A, n, n, n, ref, a, "a = a^T a");
    free(ref);
    free(a);

    a = random_values(dtype, n, n + 3);
    base = array_of(dtype, n, n + 3, a);
    ck_ok(DA_SLICE(&left, base, DA_WHOLE, DA_RANGE(0, n)));
    ck_ok(DA_SLICE(&right, base, DA_WHOLE, DA_RANGE(3, n + 3)));
    ck_ok(da_gemm(left, 1, right, right, 0));
    check_product(left, n, n, n, a + 3 * n, a + 3 * n, "shifted views");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
}
END_TEST

START_TEST(vectors)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t m = 33, k = 21;
    z *a, *x, *y, *got, *ref;
    DA_AUTO da_array *A = NULL, *X = NULL, *Y = NULL, *AX = NULL, *YA = NULL, *XX = NULL, *batch = NULL,
                     *R = NULL;

    seed_values(6);
    a = random_values(dtype, m, k);
    x = random_values(dtype, k, 1);
    y = random_values(dtype, m, 1);
    A = array_of(dtype, m, k, a);
    X = vector_of(dtype, k, x);
    Y = vector_of(dtype, m, y);
    ck_ok(da_matmul(&AX, A, X));
    ck_assert_int_eq(da_array_ndim(AX), 1);
    check_product(AX, m, 1, k, a, x, "matrix @ vector");
    ck_ok(da_matmul(&YA, Y, A));
    ck_assert_int_eq(da_array_ndim(YA), 1);
    check_product(YA, 1, k, m, y, a, "vector @ matrix");
    ck_ok(da_matmul(&XX, X, X));
    ck_assert_int_eq(da_array_ndim(XX), 0);
    check_product(XX, 1, 1, k, x, x, "vector @ vector");
    /* a batch of one broadcast against a vector */
    ck_ok(da_expand_dims(&batch, A, 0));
    ck_ok(da_matmul(&R, batch, X));
    ck_assert_int_eq(da_array_ndim(R), 2);
    got = host_of(R);
    ref = product(m, 1, k, a, 'N', x, 'N');
    ck_assert(distance(got, ref, m) < 100 * eps_of(dtype) * norm(ref, m));
    free(got);
    free(ref);
    free(a);
    free(x);
    free(y);
}
END_TEST

/* leading axes broadcast: (2, 1, 3, 4) @ (5, 4, 6) */
START_TEST(batches)
{
    const int64_t m = 3, k = 4, n = 6;
    double a[2 * 3 * 4], b[5 * 4 * 6], c[2 * 5 * 3 * 6];
    DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL, *Bt = NULL, *Bp = NULL, *D = NULL, *rows = NULL;

    seed_values(8);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = value();
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        b[i] = value();
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(2, 2)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 1, m, k), a, DA_ROW_MAJOR));
    ck_ok(da_from_host(&B, DA_F64, DA_SHAPE(5, k, n), b, DA_ROW_MAJOR));
    ck_ok(da_matmul(&C, A, B));
    ck_assert_int_eq(da_array_ndim(C), 4);
    ck_ok(da_to_host(C, c, sizeof c, DA_ROW_MAJOR));
    for (int64_t p = 0; p < 10; p++)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++)
                    sum += a[(p / 5 * m + i) * k + l] * b[(p % 5 * k + l) * n + j];
                ck_assert_double_eq_tol(c[(p * m + i) * n + j], sum, 1e-14);
            }
    /* permuted batch axes and transposed matrices */
    ck_ok(da_permute_dims(&Bp, B, DA_AXES(0, 2, 1)));
    ck_ok(da_matrix_transpose(&Bt, Bp));
    ck_ok(da_matmul(&D, A, Bt));
    ck_ok(DA_SLICE(&rows, D, DA_AT(1), DA_AT(4)));
    {
        double last[3 * 6];
        ck_ok(da_to_host(rows, last, sizeof last, DA_ROW_MAJOR));
        for (int i = 0; i < 18; i++)
            ck_assert_double_eq_tol(last[i], c[9 * 18 + i], 1e-14);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* a a^T and a^T a of one array are symmetric to the last bit, for complex numbers without a conjugate */
START_TEST(own_transposes)
{
    const da_dtype dtype = float_dtypes[_i];
    const int64_t m = 270, k = 19;

    seed_values((uint64_t)_i);
    for (int how = 0; how < 4; how++) {
        const bool tall = how & 1, in_place = how & 2;
        z *a = tall ? random_values(dtype, k, m) : random_values(dtype, m, k), *got, *ref;
        DA_AUTO da_array *A = view_of(how, dtype, tall ? k : m, tall ? m : k, a), *T = NULL, *C = NULL;

        ck_ok(da_blocks(how < 2 ? DA_SCALAR_SHAPE : DA_SHAPE(100, 64)));
        ck_ok(da_matrix_transpose(&T, A));
        if (in_place) {
            ck_ok(da_full(&C, dtype, DA_SHAPE(m, m), NAN));
            ck_ok(tall ? da_gemm(C, 1, T, A, 0) : da_gemm(C, 1, A, T, 0));
        } else {
            ck_ok(tall ? da_matmul(&C, T, A) : da_matmul(&C, A, T));
        }
        got = host_of(C);
        ref = product(m, m, k, a, tall ? 'T' : 'N', a, tall ? 'N' : 'T');
        ck_below("own transpose",
                 distance(got, ref, m * m) / (sqrt((double)k + 2) * norm(a, m * k) * norm(a, m * k)) /
                     eps_of(dtype),
                 3, "how %d %s", how, da_dtype_name(dtype));
        for (int64_t j = 0; j < m; j++)
            for (int64_t i = 0; i < j; i++)
                ck_assert(got[i + j * m] == got[j + i * m]);
        free(a), free(got), free(ref);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* integers wrap as NumPy's, bool is logical */
START_TEST(integers)
{
    const int8_t a8[] = {100, 3, -7, 100}, b8[] = {2, 1, 5, -128};
    int8_t c8[4];
    const uint16_t a16[] = {65535, 2}, b16[] = {65535, 3};
    uint16_t c16[1];
    const int64_t a64[] = {INT64_MAX, 1}, b64[] = {2, 5};
    int64_t c64[1];
    const bool ab[] = {true, false, false, false}, bb[] = {false, true, true, true};
    bool cb[4];
    DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL, *D = NULL, *E = NULL, *F = NULL, *G = NULL, *H = NULL,
                     *K = NULL, *L = NULL, *M = NULL, *N = NULL;

    ck_ok(da_from_host(&A, DA_I8, DA_SHAPE(2, 2), a8, DA_ROW_MAJOR));
    ck_ok(da_from_host(&B, DA_I8, DA_SHAPE(2, 2), b8, DA_ROW_MAJOR));
    ck_ok(da_matmul(&C, A, B));
    ck_ok(da_to_host(C, c8, sizeof c8, DA_ROW_MAJOR));
    ck_assert_int_eq(c8[0], (int8_t)(215 - 256));
    ck_assert_int_eq(c8[1], (int8_t)(100 - 384 + 256));
    ck_assert_int_eq(c8[2], (int8_t)(486 - 512));
    ck_assert_int_eq(c8[3], (int8_t)(-7 - 12800 + 50 * 256));
    ck_ok(da_from_host(&D, DA_U16, DA_SHAPE(2), a16, DA_ROW_MAJOR));
    ck_ok(da_from_host(&E, DA_U16, DA_SHAPE(2), b16, DA_ROW_MAJOR));
    ck_ok(da_matmul(&F, D, E));
    ck_ok(da_to_host(F, c16, sizeof c16, DA_ROW_MAJOR));
    ck_assert_uint_eq(c16[0], 7);
    ck_ok(da_from_host(&G, DA_I64, DA_SHAPE(2), a64, DA_ROW_MAJOR));
    ck_ok(da_from_host(&H, DA_I64, DA_SHAPE(2), b64, DA_ROW_MAJOR));
    ck_ok(da_matmul(&K, G, H));
    ck_ok(da_to_host(K, c64, sizeof c64, DA_ROW_MAJOR));
    ck_assert_int_eq(c64[0], 3);
    ck_ok(da_from_host(&L, DA_BOOL, DA_SHAPE(2, 2), ab, DA_ROW_MAJOR));
    ck_ok(da_from_host(&M, DA_BOOL, DA_SHAPE(2, 2), bb, DA_ROW_MAJOR));
    ck_ok(da_matmul(&N, L, M));
    ck_ok(da_to_host(N, cb, sizeof cb, DA_ROW_MAJOR));
    ck_assert(!cb[0] && cb[1] && !cb[2] && !cb[3]);
    /* in place: c = 2 a b - c */
    ck_ok(da_gemm(C, 2, A, B, -1));
    ck_ok(da_to_host(C, c8, sizeof c8, DA_ROW_MAJOR));
    ck_assert_int_eq(c8[0], (int8_t)(215 - 256));
    ck_fails(da_gemm(C, 0.5, A, B, 0), DA_ERROR_DTYPE, "0.5");
    /* what the dtype does not hold, and what products do not take exactly */
    static const struct {
        da_dtype dtype;
        int64_t alpha;
        const char *text;
    } wrong[] = {{DA_U8, 300, "alpha: uint8 cannot hold 300"},
                 {DA_U8, -1, "alpha: uint8 cannot hold -1"},
                 {DA_I32, (int64_t)1 << 40, "alpha: int32 cannot hold 1099511627776"},
                 {DA_BOOL, 300, "alpha: bool cannot hold 300"},
                 {DA_I64, ((int64_t)1 << 53) + 1, "less than 2^53"}, /* the next double is 2^53 */
                 {DA_I64, -((int64_t)1 << 53) - 2, "less than 2^53, not about -9007199254740994"},
                 {DA_U64, INT64_MAX, "less than 2^53"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        DA_AUTO da_array *ones = NULL, *product = NULL;
        ck_ok(da_ones(&ones, wrong[i].dtype, DA_SHAPE(2, 2)));
        ck_ok(da_ones(&product, wrong[i].dtype, DA_SHAPE(2, 2)));
        ck_fails(da_gemm(product, wrong[i].alpha, ones, ones, 1), DA_ERROR_DTYPE, wrong[i].text);
        ck_fails(da_gemm(product, 1, ones, ones, wrong[i].alpha), DA_ERROR_DTYPE, "beta");
    }
    {
        const int64_t most = ((int64_t)1 << 53) - 1;
        DA_AUTO da_array *ones = NULL, *product = NULL;
        int64_t p[4];
        ck_ok(da_ones(&ones, DA_I64, DA_SHAPE(2, 2)));
        ck_ok(da_full(&product, DA_I64, DA_SHAPE(2, 2), 3));
        ck_ok(da_gemm(product, most, ones, ones, -most));
        ck_ok(da_to_host(product, p, sizeof p, DA_ROW_MAJOR));
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(p[i], -most);
    }
}
END_TEST

/* a transposed operand gives what its copy does, also where there is more of it than the kernel turns at a time */
START_TEST(integers_transposed)
{
    const da_dtype dtypes[] = {DA_U8, DA_I16, DA_U32, DA_I64, DA_BOOL};

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        DA_AUTO da_array *a = NULL, *b = NULL, *turned = NULL, *copied = NULL, *c = NULL, *d = NULL;
        double differ;

        ck_ok(da_random_uniform(&a, dtypes[i], DA_SHAPE(150, 300), 1));
        ck_ok(da_random_uniform(&b, dtypes[i], DA_SHAPE(150, 9), 2));
        ck_ok(da_matrix_transpose(&turned, a));
        ck_ok(da_copy(&copied, turned));
        ck_ok(da_matmul(&c, turned, b));
        ck_ok(da_matmul(&d, copied, b));
        ck_ok(da_sum_all(&differ, da_not_equal(c, d)));
        ck_assert(differ == 0);
    }
}
END_TEST

/* NaN and infinities are numbers like others; a sum over nothing is 0 */
START_TEST(special_values)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL, *E = NULL, *F = NULL, *G = NULL;
    const double a[] = {1, NAN, 2, INFINITY}, b[] = {1, 0, 0, 1};
    double c[4];
    float g[6] = {1, 1, 1, 1, 1, 1};

    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(2, 2), a, DA_COL_MAJOR));
    ck_ok(da_from_host(&B, DA_F64, DA_SHAPE(2, 2), b, DA_COL_MAJOR));
    ck_ok(da_matmul(&C, A, B));
    ck_ok(da_to_host(C, c, sizeof c, DA_COL_MAJOR));
    ck_assert_double_eq(c[0], 1);
    ck_assert(isnan(c[1]));
    ck_assert_double_eq(c[2], 2);
    ck_ok(da_empty(&E, DA_F32, DA_SHAPE(2, 0)));
    ck_ok(da_empty(&F, DA_F32, DA_SHAPE(0, 3)));
    ck_ok(da_matmul(&G, E, F));
    ck_ok(da_to_host(G, g, sizeof g, DA_ROW_MAJOR));
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(g[i], 0);
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *F = NULL, *H = NULL, *S = NULL, *X = NULL, *Y = NULL, *R = NULL;
    da_array *out = NULL;

    ck_ok(da_zeros(&A, DA_F64, DA_SHAPE(3, 4)));
    ck_ok(da_zeros(&B, DA_F64, DA_SHAPE(5, 3)));
    ck_fails(da_matmul(&out, A, B), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_matmul(&out, A, NULL), DA_ERROR_ARGUMENT, "b is null");
    ck_fails(da_matmul(NULL, B, A), DA_ERROR_ARGUMENT, "da_matmul");
    ck_ok(da_zeros(&F, DA_F32, DA_SHAPE(4, 3)));
    ck_fails(da_matmul(&out, A, F), DA_ERROR_DTYPE, "float32");
    ck_ok(da_zeros(&H, DA_F16, DA_SHAPE(4, 3)));
    ck_fails(da_matmul(&out, H, H), DA_ERROR_DTYPE, "float16");
    ck_ok(da_zeros(&S, DA_F64, DA_SCALAR_SHAPE));
    ck_fails(da_matmul(&out, A, S), DA_ERROR_SHAPE, "b has shape (); it must be a vector or matrix");
    ck_ok(da_zeros(&X, DA_F64, DA_SHAPE(2, 3, 4)));
    ck_ok(da_zeros(&Y, DA_F64, DA_SHAPE(3, 4, 3)));
    ck_fails(da_matmul(&out, X, Y), DA_ERROR_SHAPE, "(2, 3, 4)");
    ck_fails(da_gemm(A, 1, A, A, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_ok(da_matmul(&R, B, A));
    ck_fails(da_gemm(R, da_number_z_(CMPLX(0, 1)), B, A, 0), DA_ERROR_DTYPE, "alpha");
    da_array_release(&R);
    ck_ok(da_broadcast_to(&R, S, DA_SHAPE(5, 4)));
    ck_fails(da_gemm(R, 1, B, A, 0), DA_ERROR_ARGUMENT, "broadcast");
    ck_assert_ptr_null(out);
    ck_ok(da_wait_all()); /* a device's compiler may not survive exit(): docs/architecture-starpu.md */
}
END_TEST

DA_TEST_MAIN("matmul", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes),
             DA_CASE_LOOP("tilings", FLOAT_DTYPES, tilings), DA_CASE_LOOP("in place", FLOAT_DTYPES, in_place),
             DA_CASE_LOOP("overlaps", FLOAT_DTYPES, overlaps, own_transposes),
             DA_CASE_LOOP("vectors", FLOAT_DTYPES, vectors), DA_CASE_LOOP("batches", 2, batches),
             DA_CASE("integers", integers), DA_CASE("integers transposed", integers_transposed),
             DA_CASE("special values", special_values), DA_CASE("arguments", bad_arguments))
