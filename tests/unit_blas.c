/* The kernels' private BLAS: several threads at once, apart from the host's; and what is said where there is none.
 * Which case is meant follows from DARRAY_BLAS, which tests/meson.build sets. */
#include "test.h"

#include "codelets/blas.h"
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>

extern void dgemm_(void); /* the host's */

/* DARRAY_BLAS names no usable library */
static bool none_expected(void)
{
    return getenv("DARRAY_BLAS") != NULL;
}

START_TEST(is_apart)
{
    Dl_info ours, hosts;

    if (none_expected())
        return;
    ck_assert_int_eq(da_blas_load(), DA_OK);
    ck_assert_msg(strncmp(da_blas_text(), "BLAS: ", 6) == 0, "%s", da_blas_text());
    ck_assert_int_ne(dladdr((void *)(uintptr_t)da_blas_f64.gemm, &ours), 0);
    ck_assert_int_ne(dladdr((void *)(uintptr_t)dgemm_, &hosts), 0);
    if (strstr(da_blas_text(), "a copy of") != NULL)
        ck_assert_ptr_ne(ours.dli_fbase, hosts.dli_fbase);
    else /* AddressSanitizer */
        ck_assert_ptr_nonnull(strstr(da_blas_text(), "not private"));
}
END_TEST

enum { THREADS = 4, N = 70, ROUNDS = 200 };
static double a[N * N], b[N * N], expected[N * N];

/* products and solves, which use OpenBLAS's buffers; the number of wrong results */
static void *work(void *unused)
{
    static const int n = N;
    static const double one = 1, zero = 0;
    double *c = malloc(sizeof expected), *x = malloc(sizeof expected);
    intptr_t wrong = 0;

    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        da_blas_f64.gemm("N", "N", &n, &n, &n, &one, a, &n, b, &n, &zero, c, &n, 1, 1);
        wrong += memcmp(c, expected, sizeof expected) != 0;
        memcpy(x, c, sizeof expected);
        da_blas_f64.trsm("L", "L", "N", "N", &n, &n, &one, a, &n, x, &n, 1, 1, 1, 1);
        cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, n, 1, a, n, x, n);
        for (int i = 0; i < N * N; i++)
            wrong += !(x[i] - c[i] < 1e-9 && c[i] - x[i] < 1e-9);
    }
    free(c);
    free(x);
    return (void *)wrong;
}

START_TEST(several_threads)
{
    static const int n = N;
    static const double one = 1, zero = 0;
    pthread_t threads[THREADS];

    if (none_expected())
        return;
    ck_assert_int_eq(da_blas_load(), DA_OK);
    for (int i = 0; i < N * N; i++) {
        a[i] = (double)(i * 7919 % 1009) / 1009 / N + (i % (N + 1) == 0);
        b[i] = (double)(i * 104729 % 1013) / 1013;
    }
    da_blas_f64.gemm("N", "N", &n, &n, &n, &one, a, &n, b, &n, &zero, expected, &n, 1, 1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_msg(wrong == NULL, "%ld wrong results", (long)(intptr_t)wrong);
    }
}
END_TEST

/* without BLAS: an error at once, and integers still work */
START_TEST(none)
{
    const int8_t ones[] = {1, 1, 1, 1};
    int8_t twos[4];
    DA_AUTO da_array *A = NULL, *J = NULL, *C = NULL;
    da_array *out = NULL, *second = NULL;

    if (!none_expected())
        return;
    ck_ok(da_eye(&A, DA_F64, 3, 3, 0));
    ck_fails(da_matmul(&out, A, A), DA_ERROR_UNSUPPORTED, getenv("DARRAY_BLAS"));
    ck_fails(da_matmul(&out, A, A), DA_ERROR_UNSUPPORTED, getenv("DARRAY_TEST_REASON"));
    const char *const reason = strstr(da_blas_text(), getenv("DARRAY_TEST_REASON"));
    ck_assert_msg(reason && !strstr(reason + 1, getenv("DARRAY_TEST_REASON")), "said twice: %s",
                  da_blas_text());
    ck_fails(da_cholesky(&out, A, 0), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_fails(da_qr(&out, NULL, A), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_fails(da_lu(&out, &second, A), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_fails(da_eigh(&out, &second, A, 0), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_fails(da_eig(&out, &second, A), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_fails(da_svd(&out, &second, NULL, A, 0), DA_ERROR_UNSUPPORTED, "no BLAS/LAPACK");
    ck_assert_ptr_null(out);
    ck_ok(da_from_host(&J, DA_I8, DA_SHAPE(2, 2), ones, DA_ROW_MAJOR));
    ck_ok(da_matmul(&C, J, J));
    ck_ok(da_to_host(C, twos, sizeof twos, DA_ROW_MAJOR));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(twos[i], 2);
}
END_TEST

DA_TEST_MAIN("blas", DA_CASE("loaded", is_apart, several_threads), DA_CASE("none", none))
