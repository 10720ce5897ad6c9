/* SPDX-License-Identifier: BSD-3-Clause */
/* Where there are devices, linear algebra is cut into tasks that they can take: how many run on an OpenCL device, and that the others are
 * those without an implementation for one. */
#include "linalg_check.h"

enum { ANY = -1 };
static da_stats before;
static int64_t tasks; /* that were counted last */

/* Everything until ran() is counted. */
static void count_from_here(void)
{
    ck_ok(da_wait_all());
    da_get_stats(&before);
}

static void ran(const char *what, int64_t on_cpu, int64_t least_on_device)
{
    da_stats now;

    ck_ok(da_wait_all());
    da_get_stats(&now);
    const int64_t device = now.tasks_device - before.tasks_device;
    const int64_t cpu = now.tasks_done - before.tasks_done - device;
    tasks = cpu + device;
    ck_assert_msg((cpu == on_cpu || on_cpu == ANY) && device >= least_on_device,
                  "%s: %" PRId64 " tasks on the CPU and %" PRId64 " on the device instead of %" PRId64
                  " and at least %" PRId64,
                  what, cpu, device, on_cpu, least_on_device);
}

/* An array in tiles that fit no other's. */
static da_array *odd(int kind, int64_t m, int64_t n, const z *values)
{
    da_array *a;

    ck_ok(da_blocks(DA_SHAPE(17, 31)));
    a = view_of(kind, DA_F64, m, n, values);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    return a;
}

static void on_gpu(void)
{
    ck_ok(da_run_on(DA_ON_GPU));
}

static void anywhere(void)
{
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(da_run_on(DA_ANYWHERE));
}

START_TEST(copies)
{
    z *values = random_values(DA_F64, 70, 50), *got;
    DA_AUTO da_array *a = odd(VIEW_PLAIN, 70, 50, values), *b = NULL;

    count_from_here();
    ck_ok(da_blocks(DA_SHAPE(24, 24)));
    ck_ok(da_copy(&b, a));
    ran("copy", 0, (5 + 3 - 1) * (2 + 3 - 1)); /* a task where a tile of the one meets one of the other */
    got = host_of(b);
    ck_assert(distance(got, values, 70 * 50) == 0);
    free(values);
    free(got);
}
END_TEST

static void check_product(int kind, int64_t on_cpu, int64_t on_device)
{
    enum { M = 70, N = 60, K = 50 };
    z *a = random_values(DA_F64, M, K), *b = random_values(DA_F64, K, N);
    z *c = product(M, N, K, a, 'N', b, 'N'), *got;
    DA_AUTO da_array *A = odd(kind, M, K, a), *B = odd((kind + 1) % VIEWS, K, N, b), *C = NULL;

    count_from_here();
    ck_ok(da_blocks(DA_SHAPE(24, 24)));
    ck_ok(da_matmul(&C, A, B));
    ran("matmul", on_cpu, on_device);
    got = host_of(C);
    ck_below("matmul", distance(got, c, M * N) / (norm(a, M * K) * norm(b, K * N) * DBL_EPSILON), 10,
             "view %d", kind);
    free(a);
    free(b);
    free(c);
    free(got);
}

START_TEST(products)
{
    check_product(_i, 0, 3 * 3 * 3);
}
END_TEST

/* 40 million bytes are worth a device, which takes them in one piece. */
START_TEST(vectors)
{
    DA_AUTO da_array *a = NULL, *b = NULL;

    count_from_here();
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(5000000)));
    ran("zeros", 0, 1);
    ck_assert_int_eq(tasks, 1);
    ck_ok(da_run_on(DA_ON_CPU));
    count_from_here();
    ck_ok(da_zeros(&b, DA_F64, DA_SHAPE(5000000)));
    ran("zeros", ANY, 0);
    ck_assert_int_gt(tasks, 1);
}
END_TEST

/* As without devices: where the thread says so, and for what is too small to be worth one. */
START_TEST(products_without)
{
    ck_ok(da_run_on(_i == 0 ? DA_ON_CPU : DA_ANYWHERE));
    check_product(VIEW_PLAIN, _i == 0 ? 3 * 3 : ANY, 0);
    ck_assert_int_eq(tasks, 3 * 3);
}
END_TEST

START_TEST(cholesky)
{
    const bool in_place = _i == 2;
    const int64_t n = _i != 1 ? 70 : 1100; /* 1100: in the tiles that are chosen for devices */
    z *a = new_values(n * n), *l, *llt;
    DA_AUTO da_array *A = NULL, *L = NULL;

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            a[i + j * n] = i == j ? 3 : 1.0 / (double)(1 + (i > j ? i - j : j - i) * (i > j ? i - j : j - i));
    A = odd(VIEW_TRANSPOSED, n, n, a);
    if (_i != 1)
        ck_ok(da_blocks(DA_SHAPE(24, 24)));
    count_from_here();
    if (in_place)
        ck_ok(da_cholesky_inplace(A, DA_LOWER));
    else
        ck_ok(da_cholesky(&L, A, DA_LOWER));
    /* the diagonal blocks; copies, solves, updates */
    ran("cholesky", _i != 1 ? 3 : 2, _i != 1 ? 6 + 3 + 4 : 3 + 1 + 1);
    l = host_of(in_place ? A : L);
    keep_triangle(l, n, n, false, false);
    llt = product(n, n, n, l, 'N', l, 'C');
    ck_below("cholesky", distance(llt, a, n * n) / (norm(a, n * n) * (double)n * DBL_EPSILON), 1, "n = %d",
             (int)n);
    free(a);
    free(l);
    free(llt);
}
END_TEST

START_TEST(triangular)
{
    static const unsigned flags[] = {DA_LOWER, DA_UPPER, DA_LOWER | DA_TRANSPOSE, DA_UPPER | DA_RIGHT,
                                     DA_LOWER | DA_RIGHT | DA_TRANSPOSE};
    enum { N = 60, P = 50 };
    const unsigned how = flags[_i % 5];
    const bool right = (how & DA_RIGHT) != 0, in_place = _i >= 5;
    const int64_t m = right ? P : N, n = right ? N : P;
    z *t = random_values(DA_F64, N, N), *b = random_values(DA_F64, m, n), *x, *product_;
    DA_AUTO da_array *T = NULL, *B = odd(VIEW_PLAIN, m, n, b), *X = NULL;

    keep_triangle(t, N, N, (how & DA_UPPER) != 0, false);
    for (int64_t i = 0; i < N; i++)
        t[i + i * N] = 10;
    T = odd(VIEW_PLAIN, N, N, t);
    ck_ok(da_blocks(DA_SHAPE(24, 24)));
    count_from_here();
    if (in_place)
        ck_ok(da_solve_triangular_inplace(T, B, how));
    else
        ck_ok(da_solve_triangular(&X, T, B, how));
    ran("solve_triangular", 3 * 3,
        3 * 3); /* OpenCL has no solve that reports zeros; there are as many updates */
    x = host_of(in_place ? B : X);
    product_ = right ? product(m, n, N, x, 'N', t, how & DA_TRANSPOSE ? 'T' : 'N')
                     : product(m, n, N, t, how & DA_TRANSPOSE ? 'T' : 'N', x, 'N');
    ck_below("solve_triangular",
             distance(product_, b, m * n) / (norm(t, N * N) * norm(x, m * n) * DBL_EPSILON), 10, "flags 0x%x",
             how);
    free(t);
    free(b);
    free(x);
    free(product_);
}
END_TEST

START_TEST(systems)
{
    const int64_t n = _i == 0 ? 90 : 1100, p = 50;
    z *a = random_values(DA_F64, n, n), *b = random_values(DA_F64, n, p), *x, *ax;
    DA_AUTO da_array *A = odd(VIEW_PLAIN, n, n, a), *B = odd(VIEW_PLAIN, n, p, b), *X = NULL, *LU = NULL,
                     *pivots = NULL, *Y = NULL;

    if (_i == 0)
        ck_ok(da_blocks(DA_SHAPE(96, 24))); /* four panels in a tile each, three blocks of right-hand sides */
    count_from_here();
    ck_ok(da_solve(&X, A, B));
    /* panels, and in both triangles as many steps as they have panels (but one of 96 unknowns) */
    ran("solve", _i == 0 ? 4 + 2 * 3 : 3 + 2 * 3, 1);
    x = host_of(X);
    ax = product(n, p, n, a, 'N', x, 'N');
    ck_below("solve", distance(ax, b, n * p) / (norm(a, n * n) * norm(x, n * p) * (double)n * DBL_EPSILON), 1,
             "n = %d", (int)n);
    free(x);
    free(ax);
    /* pivots of the user's are checked, which the CPU does */
    ck_ok(da_lu(&LU, &pivots, A));
    count_from_here();
    ck_ok(da_lu_solve(&Y, LU, pivots, B, 0));
    ran("lu_solve", _i == 0 ? 3 + 2 * 3 : 1 + 2 * 3, 1);
    if (_i == 1) /* b is copied; an update for each panel but the last, with all the rows that are left */
        ck_assert_int_eq(tasks, 65 * 2 + 1 + 2 * (3 + 2));
    x = host_of(Y);
    ax = product(n, p, n, a, 'N', x, 'N');
    ck_below("lu_solve", distance(ax, b, n * p) / (norm(a, n * n) * norm(x, n * p) * (double)n * DBL_EPSILON),
             1, "n = %d", (int)n);
    free(x);
    free(ax);
    free(a);
    free(b);
}
END_TEST

/* OpenCL has no solve, but pivots of the user's are looked at before, by a task of their own for each matrix; wrong ones end it there. */
START_TEST(indefinite)
{
    enum { N = 60, P = 50 };
    const unsigned flags = _i == 0 ? DA_LOWER : DA_UPPER;
    z *a = random_values(DA_F64, N, N), *b = random_values(DA_F64, N, P), *x, *ax;
    int64_t pivots[N] = {0};
    DA_AUTO da_array *A = NULL, *B = odd(VIEW_PLAIN, N, P, b), *F = NULL, *rows = NULL, *X = NULL;

    for (int j = 0; j < N; j++)
        for (int i = 0; i < j; i++)
            a[i + j * N] = a[j + i * N];
    A = odd(VIEW_PLAIN, N, N, a);
    ck_ok(da_ldl(&F, &rows, A, flags));
    ck_ok(da_blocks(DA_SHAPE(24, 24)));
    count_from_here();
    ck_ok(da_ldl_solve(&X, F, rows, B, flags));
    ran("ldl_solve", 1 + 3, 1);
    x = host_of(X);
    ax = product(N, P, N, a, 'N', x, 'N');
    ck_below("ldl_solve", distance(ax, b, N * P) / (norm(a, N * N) * norm(x, N * P) * N * DBL_EPSILON), 1,
             "flags 0x%x", flags);
    for (int wrong = 0; wrong < 3; wrong++) {
        DA_AUTO da_array *none = NULL, *Y = NULL;

        memset(pivots, 0, sizeof pivots);
        pivots[wrong == 1 ? 0 : N - 1] = wrong ? -1 : N; /* half a block, in front and at the end */
        ck_ok(da_from_host(&none, DA_I64, DA_SHAPE(N), pivots, DA_ROW_MAJOR));
        ck_ok(da_ldl_solve(&Y, F, none, B, flags));
        ck_fails(da_wait(Y), DA_ERROR_TASK, "da_ldl_pivots");
    }
    free(a);
    free(b);
    free(x);
    free(ax);
}
END_TEST

START_TEST(least_squares)
{
    enum { M = 60, N = 40 };
    z *a = random_values(DA_F64, M, N), *q, *r, *qr;
    DA_AUTO da_array *A = odd(VIEW_PLAIN, M, N, a), *Q = NULL, *R = NULL;

    ck_ok(da_blocks(DA_SHAPE(72, 24)));
    count_from_here();
    ck_ok(da_qr(NULL, &R, A));
    ran("qr", 2 + 1,
        2 * 3 + 4); /* two panels and an update have no OpenCL kernel; A and R are copied on the device */
    ck_ok(da_qr(&Q, NULL, A));
    q = host_of(Q);
    r = host_of(R);
    qr = product(M, N, N, q, 'N', r, 'N');
    ck_below("qr", distance(qr, a, M * N) / (norm(a, M * N) * M * DBL_EPSILON), 1, "%d x %d", M, N);
    free(a);
    free(q);
    free(r);
    free(qr);
}
END_TEST

/* StarPU gives memory of the device that one array had to another one of the same shape, which may lie in another order. */
START_TEST(reused_memory)
{
    enum { N = 24 };

    for (int round = 0; round < 4; round++) {
        DA_AUTO da_array *columns = NULL, *turned = NULL, *rows = NULL, *back = NULL, *product = NULL;
        double sum = 0;

        ck_ok(da_ones(&columns, DA_F64, DA_SHAPE(N, N)));
        ck_ok(da_assign(columns, da_add(columns, 1)));
        ck_ok(da_wait(columns));
        ck_ok(da_matrix_transpose(&turned, columns));
        da_array_release(&columns);
        ck_ok(DA_EVAL(&rows, turned + 1, turned));
        ck_ok(da_matrix_transpose(&back, rows)); /* column-major */
        ck_ok(da_wait(rows));
        da_array_release(&turned);
        ck_ok(da_matmul(&product, back, back));
        ck_ok(da_sum_all(&sum, product));
        ck_assert(sum == 9.0 * N * N * N);
    }
}
END_TEST

static da_test_case on_devices(da_test_case c, int loops)
{
    c.loops = loops;
    c.setup = on_gpu;
    c.teardown = anywhere;
    return c;
}

int main(void)
{
    const da_test_case cases[] = {
        on_devices(DA_CASE("copies", copies), 1),        on_devices(DA_CASE("products", products), VIEWS),
        on_devices(DA_CASE("vectors", vectors), 1),      on_devices(DA_CASE("without", products_without), 2),
        on_devices(DA_CASE("cholesky", cholesky), 3),    on_devices(DA_CASE("triangular", triangular), 10),
        on_devices(DA_CASE("systems", systems), 2),      on_devices(DA_CASE("qr", least_squares), 1),
        on_devices(DA_CASE("memory", reused_memory), 1), on_devices(DA_CASE("indefinite", indefinite), 2),
    };

    if (da_num_devices() == 0) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    return da_test_run("device shapes", cases, sizeof cases / sizeof cases[0]);
}
