#include "linalg_check.h"

/* ||L L^H - A|| / (||A|| n eps), and that the other triangle is zero */
static void check_factor(const da_array *f, const z *a, int64_t n, unsigned flags, const char *what)
{
    const bool upper = (flags & DA_UPPER) != 0;
    const da_dtype dtype = da_array_dtype(f);
    z *l = host_of(f), *back;

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            ck_assert_msg((upper ? i <= j : i >= j) || l[i + j * n] == 0, "%s: entry (%d, %d) is not zero",
                          what, (int)i, (int)j);
    back = upper ? product(n, n, n, l, 'C', l, 'N') : product(n, n, n, l, 'N', l, 'C');
    if (n > 0)
        ck_below(what, distance(back, a, n * n) / (norm(a, n * n) * (double)n * eps_of(dtype)), 30,
                 "n %d dtype %s", (int)n, da_dtype_name(dtype));
    free(l);
    free(back);
}

static void sweep(int64_t n, da_dtype dtype, double cond)
{
    z *a = definite_values(dtype, n, cond);

    for (int kind = 0; kind < VIEWS; kind++)
        for (int u = 0; u < 2; u++) {
            const unsigned flags = u ? DA_UPPER : DA_LOWER;
            DA_AUTO da_array *A = view_of(kind, dtype, n, n, a), *L = NULL;
            ck_ok(da_cholesky(&L, A, flags));
            check_factor(L, a, n, flags, "cholesky");
        }
    free(a);
}

START_TEST(sizes)
{
    seed_values((uint64_t)_i);
    ck_ok(da_blocks(DA_SHAPE(16, 16)));
    sweep(size_around(_i % SIZES, 16), float_dtypes[_i / SIZES], 100);
    ck_ok(da_blocks(DA_SHAPE(13, 7)));
    sweep(61, float_dtypes[_i / SIZES], 1e4);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    sweep(97, float_dtypes[_i / SIZES], 100);
}
END_TEST

START_TEST(real_tiles)
{
    const double conds[] = {1e4, 1e8};
    z *a;

    seed_values(7);
    for (int c = 0; c < 2; c++) {
        DA_AUTO da_array *A = NULL, *L = NULL;
        a = definite_values(DA_F64, 519, conds[c]);
        A = array_of(DA_F64, 519, 519, a);
        ck_ok(da_cholesky(&L, A, 0));
        check_factor(L, a, 519, DA_LOWER, "cholesky, automatic tiles");
        free(a);
    }
}
END_TEST

/* only the named triangle is read, and only it is written in place */
START_TEST(triangles)
{
    const da_dtype dtype = float_dtypes[_i % FLOAT_DTYPES];
    const unsigned flags = _i / FLOAT_DTYPES ? DA_UPPER : DA_LOWER;
    const int64_t n = 41;
    z *a, *half, *after;

    seed_values(3);
    a = definite_values(dtype, n, 50);
    half = new_values(n * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            half[i + j * n] = (flags == DA_UPPER ? i <= j : i >= j) ? a[i + j * n] : NAN;
    for (int kind = 0; kind < VIEWS; kind++)
        for (int blocks = 0; blocks < 2; blocks++) {
            DA_AUTO da_array *A = NULL, *L = NULL;
            ck_ok(da_blocks(blocks ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
            A = view_of(kind, dtype, n, n, half);
            ck_ok(da_cholesky(&L, A, flags));
            check_factor(L, a, n, flags, "half a matrix");
            ck_ok(da_cholesky_inplace(A, flags));
            after = host_of(A);
            for (int64_t j = 0; j < n; j++)
                for (int64_t i = 0; i < n; i++)
                    if (flags == DA_UPPER ? i > j : i < j)
                        ck_assert_msg(isnan(creal(after[i + j * n])), "(%d, %d) was touched", (int)i, (int)j);
            keep_triangle(after, n, n, flags == DA_UPPER, false);
            {
                DA_AUTO da_array *F = array_of(dtype, n, n, after);
                check_factor(F, a, n, flags, "in place");
            }
            free(after);
        }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(a);
    free(half);
}
END_TEST

START_TEST(batches)
{
    const int64_t n = 9;
    double *data = calloc((size_t)(3 * 5 * n * n), sizeof *data);
    z *a[15];
    DA_AUTO da_array *A = NULL, *L = NULL, *U = NULL;

    seed_values(11);
    for (int b = 0; b < 15; b++) {
        a[b] = definite_values(DA_F64, n, 30);
        for (int64_t k = 0; k < n * n; k++)
            data[b * n * n + k] = creal(a[b][k]);
    }
    if (_i)
        ck_ok(da_blocks(DA_SHAPE(4, 4)));
    ck_ok(da_from_host(&A, DA_F64, DA_SHAPE(3, 5, n, n), data, DA_ROW_MAJOR));
    ck_ok(da_cholesky(&L, A, DA_LOWER));
    ck_ok(da_cholesky(&U, A, DA_UPPER));
    ck_ok(da_cholesky_inplace(A, DA_UPPER));
    for (int b = 0; b < 15; b++) {
        DA_AUTO da_array *l = NULL, *u = NULL, *w = NULL;
        z *p, *q;
        ck_ok(DA_SLICE(&l, L, DA_AT(b / 5), DA_AT(b % 5)));
        ck_ok(DA_SLICE(&u, U, DA_AT(b / 5), DA_AT(b % 5)));
        ck_ok(DA_SLICE(&w, A, DA_AT(b / 5), DA_AT(b % 5)));
        check_factor(l, a[b], n, DA_LOWER, "batch, lower");
        check_factor(u, a[b], n, DA_UPPER, "batch, upper");
        p = host_of(u);
        q = host_of(w);
        keep_triangle(q, n, n, true, false);
        ck_assert(distance(p, q, n * n) <= 1e-14 * norm(p, n * n));
        free(p);
        free(q);
        free(a[b]);
    }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(data);
}
END_TEST

/* the sentence names the minor, at the first, a middle and the last one, however it is tiled, and for NaN */
START_TEST(faults)
{
    const int64_t n = 41, bads[] = {0, 20, 40};
    const int64_t bad = bads[_i % 3];
    const bool nan_pivot = _i / 3 == 1;
    char sentence[100];

    snprintf(sentence, sizeof sentence, "cholesky: leading minor %d of 41 is not positive definite",
             (int)bad + 1);
    for (int blocks = 0; blocks < 2; blocks++)
        for (int d = 0; d < FLOAT_DTYPES; d++)
            for (int u = 0; u < 2; u++) {
                const unsigned flags = u ? DA_UPPER : DA_LOWER;
                DA_AUTO da_array *A = NULL, *L = NULL, *view = NULL, *B = NULL, *other = NULL, *copy = NULL,
                                 *first = NULL;
                z *a;
                double item;

                seed_values(5);
                a = definite_values(float_dtypes[d], n, 10);
                a[bad + bad * n] = nan_pivot ? NAN : -1;
                ck_ok(da_blocks(blocks ? DA_SHAPE(8, 8) : DA_SCALAR_SHAPE));
                A = array_of(float_dtypes[d], n, n, a);
                ck_ok(da_cholesky(&L, A, flags));
                ck_fails(da_wait(L), DA_ERROR_NUMERICAL, sentence);
                /* again and again, through views, and in what is computed from it */
                ck_fails(da_wait(L), DA_ERROR_NUMERICAL, sentence);
                ck_ok(DA_SLICE(&view, L, DA_AT(0)));
                ck_fails(da_wait(view), DA_ERROR_NUMERICAL, sentence);
                ck_ok(da_matmul(&B, L, A));
                ck_fails(da_wait(B), DA_ERROR_NUMERICAL, sentence);
                ck_ok(da_copy(&copy, B));
                ck_fails(da_wait(copy), DA_ERROR_NUMERICAL, sentence);
                ck_ok(da_wait(A));
                ck_ok(da_matmul(&other, A, A));
                ck_ok(da_wait(other));
                ck_ok(DA_SLICE(&first, L, DA_AT(0), DA_AT(0)));
                ck_fails(da_item(&item, first), DA_ERROR_NUMERICAL, sentence);
                /* a full overwrite clears it */
                ck_ok(da_gemm(L, 1, A, A, 0));
                ck_ok(da_wait(L));
                /* in place */
                ck_ok(da_cholesky_inplace(A, flags));
                ck_fails(da_wait(A), DA_ERROR_NUMERICAL, sentence);
                free(a);
            }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

/* Of two faults in one array the lowest index is told, whichever came first, also in what is computed from it. */
START_TEST(two_faults)
{
    const int64_t n = 10, bad[] = {8, 2};
    DA_AUTO da_array *base = NULL, *sum = NULL;

    ck_ok(da_zeros(&base, DA_F64, DA_SHAPE(2 * n, n)));
    for (int turn = 0; turn < 2; turn++) {
        const int which = _i ? 1 - turn : turn;
        DA_AUTO da_array *half = NULL;
        double a[10 * 10] = {0};

        for (int64_t i = 0; i < n; i++)
            a[i * (n + 1)] = i == bad[which] ? -1 : 4;
        ck_ok(DA_SLICE(&half, base, DA_RANGE(which * n, which * n + n)));
        ck_ok(da_write(half, DA_SHAPE(0, 0), DA_SHAPE(n, n), a, DA_ROW_MAJOR));
        ck_ok(da_cholesky_inplace(half, DA_LOWER));
        if (turn == 0 && _i) /* known by now, or not yet */
            ck_fails(da_wait(base), DA_ERROR_NUMERICAL, "minor 3 of 10");
    }
    ck_fails(da_wait(base), DA_ERROR_NUMERICAL, "minor 3 of 10");
    ck_ok(da_eval(&sum, da_add(base, 1)));
    ck_fails(da_wait(sum), DA_ERROR_NUMERICAL, "minor 3 of 10");
}
END_TEST

START_TEST(bad_arguments)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *J = NULL, *V = NULL, *R = NULL;
    da_array *out = NULL;

    ck_ok(da_zeros(&A, DA_F64, DA_SHAPE(3, 4)));
    ck_fails(da_cholesky(&out, A, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_cholesky_inplace(A, 0), DA_ERROR_SHAPE, "(3, 4)");
    ck_fails(da_cholesky(&out, NULL, 0), DA_ERROR_ARGUMENT, "da_cholesky");
    ck_fails(da_cholesky(NULL, A, 0), DA_ERROR_ARGUMENT, "da_cholesky");
    ck_ok(da_zeros(&J, DA_I32, DA_SHAPE(3, 3)));
    ck_fails(da_cholesky(&out, J, 0), DA_ERROR_DTYPE, "int32");
    ck_ok(da_zeros(&V, DA_F64, DA_SHAPE(3)));
    ck_fails(da_cholesky(&out, V, 0), DA_ERROR_SHAPE, "(3,)");
    ck_ok(da_ones(&B, DA_F64, DA_SHAPE(1, 1)));
    ck_fails(da_cholesky(&out, B, DA_UNIT), DA_ERROR_ARGUMENT, "flags");
    ck_fails(da_cholesky(&out, B, DA_UPPER | DA_LOWER), DA_ERROR_ARGUMENT, "DA_UPPER");
    ck_ok(da_broadcast_to(&R, B, DA_SHAPE(2, 2)));
    ck_fails(da_cholesky_inplace(R, 0), DA_ERROR_ARGUMENT, "broadcast");
    ck_assert_ptr_null(out);
}
END_TEST

DA_TEST_MAIN("cholesky", DA_CASE_SWEEP("sizes", SIZES *FLOAT_DTYPES, sizes),
             DA_CASE("real tiles", real_tiles), DA_CASE_SWEEP("triangles", 2 * FLOAT_DTYPES, triangles),
             DA_CASE_LOOP("batches", 2, batches), DA_CASE_LOOP("faults", 6, faults),
             DA_CASE_LOOP("two faults", 2, two_faults), DA_CASE("arguments", bad_arguments))
