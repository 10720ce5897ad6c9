/* The library as a guest: the host's BLAS, threads and affinity stay as they are. */
#include "test.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

/* OpenBLAS's own; cblas.h of other implementations lacks them. */
extern int openblas_get_num_threads(void);
extern void openblas_set_num_threads(int);

static da_status factor(int64_t n, uint64_t seed, double *first)
{
    DA_AUTO da_array *a = NULL, *at = NULL, *s = NULL, *eye = NULL, *l = NULL, *v = NULL;

    DA_TRY(da_random_uniform(&a, DA_F64, DA_SHAPE(n, n), seed));
    DA_TRY(da_matrix_transpose(&at, a));
    DA_TRY(da_matmul(&s, a, at));
    DA_TRY(da_eye(&eye, DA_F64, n, n, 0));
    DA_TRY(da_assign(s, da_add(s, eye)));
    DA_TRY(da_cholesky(&l, s, DA_LOWER));
    DA_TRY(DA_SLICE(&v, l, DA_AT(n - 1), DA_AT(n - 1)));
    return da_item(first, v);
}

START_TEST(blas_threads)
{
    const int n = 400;
    double *a = malloc(sizeof(double) * (size_t)n * (size_t)n),
           *c = malloc(sizeof(double) * (size_t)n * (size_t)n);
    double last;

    ck_assert(a && c);
    for (int i = 0; i < n * n; i++)
        a[i] = i % 7;
    for (int threads = 1; threads <= 3; threads++) {
        openblas_set_num_threads(threads);
        const int before = openblas_get_num_threads();

        ck_ok(factor(900, 1, &last));
        ck_assert_int_eq(openblas_get_num_threads(), before);
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, a, n, 0, c, n);
        ck_assert_int_eq(openblas_get_num_threads(), before);
        double expected = 0;
        for (int k = 0; k < n; k++)
            expected += a[k * n] * a[k];
        ck_assert_double_eq_tol(c[0], expected, 1e-9 * expected);
    }
    free(a);
    free(c);
}
END_TEST

static void *host_blas(void *stop)
{
    enum { N = 200 };
    static double a[N * N], c[N * N];
    bool same = true;

    for (int i = 0; i < N * N; i++)
        a[i] = i % 5;
    while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE)) {
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, a, N, 0, c, N);
        same = same && openblas_get_num_threads() == 2;
    }
    return same ? stop : NULL;
}

START_TEST(blas_side_by_side)
{
    pthread_t host;
    int stop = 0;
    void *same;
    double alone, beside;

    ck_ok(factor(700, 2, &alone));
    openblas_set_num_threads(2);
    ck_assert_int_eq(pthread_create(&host, NULL, host_blas, &stop), 0);
    for (int i = 0; i < 3; i++) {
        ck_ok(factor(700, 2, &beside));
        ck_assert_double_eq_tol(beside, alone, 1e-9 * fabs(alone));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(host, &same);
    ck_assert_msg(same != NULL, "the host's BLAS saw another number of threads");
}
END_TEST

START_TEST(affinity)
{
    cpu_set_t before, after;
    double last;

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    ck_ok(factor(700, 3, &last));
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

static void *user(void *seed)
{
    double last = 0;

    for (int i = 0; i < 3; i++)
        if (factor(300, (uint64_t)(uintptr_t)seed, &last) != DA_OK || !(last > 0))
            return NULL;
    return seed;
}

START_TEST(several_user_threads)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, user, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *fine;

        pthread_join(threads[i], &fine);
        ck_assert_ptr_nonnull(fine);
    }
}
END_TEST

DA_TEST_MAIN("guest", DA_CASE("blas", blas_threads, blas_side_by_side),
             DA_CASE("threads", affinity, several_user_threads))
