/* What every Check test here needs. A test program is
 *
 *     #include "test.h"
 *     START_TEST(zeros) { ... } END_TEST
 *     START_TEST(ones) { ... } END_TEST
 *     DA_TEST_MAIN("creation", DA_CASE("filled", zeros, ones))
 *
 * Tests run in one process (the runtimes have threads, which a fork would lose): CK_FORK=yes changes that,
 * CK_RUN_CASE=filled runs one case, CK_VERBOSITY=verbose names every test.
 * DARRAY_TEST_THIN=1: of sweeps not all rounds run, for machines and tools that take minutes for them.
 * DARRAY_TEST_DEVICE=CUDA says that the run is about devices of that kind: it is skipped without one, and fails if no task ran there. */
#ifndef DARRAY_TEST_H
#define DARRAY_TEST_H

#include <check.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <darray/darray.h>

/* C11's, which glibc defines for gcc only. */
#if defined(__clang__) && !defined(CMPLX)
#define CMPLX(re, im) __builtin_complex((double)(re), (double)(im))
#endif

/* A failed assertion jumps back to Check's loop, which must not happen on another thread than Check's: there it says what failed
 * and ends the program. */
static pthread_t da_test_thread_;

#define _ck_assert_failed(...)                                                                               \
    (pthread_equal(pthread_self(), da_test_thread_) ? (void)0 : da_test_failed_elsewhere(__VA_ARGS__, NULL), \
     (_ck_assert_failed)(__VA_ARGS__))

static inline void da_test_failed_elsewhere(const char *file, int line, const char *what, const char *format,
                                            ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s:%d: in another thread: %s: ", file, line, what);
    if (format)
        vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

typedef struct da_test_case {
    const char *name;
    const TTest *const *tests; /* ends with NULL */
    int loops;                 /* each test runs with _i = 0 .. loops-1 */
    bool sweep;                /* it need not run with all of them */
    void (*setup)(void);       /* before and after each test; NULL: nothing */
    void (*teardown)(void);
} da_test_case;

/* What follows the name are tests; LOOP's run n times with _i = 0 .. n-1; SWEEP's likewise, of combinations of kinds and dtypes; WITH's between
 * setup and teardown. */
#define DA_CASE(name, ...) DA_CASE_LOOP(name, 1, __VA_ARGS__)
#define DA_CASE_LOOP(name, n, ...)                                                                           \
    ((da_test_case){name, (const TTest *const[]){__VA_ARGS__, NULL}, n, false, NULL, NULL})
#define DA_CASE_SWEEP(name, n, ...)                                                                          \
    ((da_test_case){name, (const TTest *const[]){__VA_ARGS__, NULL}, n, true, NULL, NULL})
#define DA_CASE_LOOP_WITH(name, n, setup, teardown, ...)                                                     \
    ((da_test_case){name, (const TTest *const[]){__VA_ARGS__, NULL}, n, false, setup, teardown})
#define DA_CASE_WITH(name, setup, teardown, ...) DA_CASE_LOOP_WITH(name, 1, setup, teardown, __VA_ARGS__)

/* main() of a suite of the given cases. */
#define DA_TEST_MAIN(suite, ...)                                                                             \
    int main(void)                                                                                           \
    {                                                                                                        \
        const da_test_case cases_[] = {__VA_ARGS__};                                                         \
        return da_test_run(suite, cases_, sizeof cases_ / sizeof cases_[0]);                                 \
    }

/* Rounds from one to the next that runs. No divisor of how many kinds or dtypes there are, so that they vary; a thin sweep has not all of them. */
static inline int da_test_stride_(const da_test_case *c)
{
    return !c->sweep || !getenv("DARRAY_TEST_THIN") ? 1 : c->loops % 3 ? 3 : 5;
}

static inline int da_test_run(const char *name, const da_test_case *cases, size_t count)
{
    Suite *suite = suite_create(name);
    SRunner *runner = srunner_create(suite);
    const char *const device = getenv("DARRAY_TEST_DEVICE");
    int failed;

    if (device && da_num_devices() == 0) {
        fprintf(stderr, "no %s device: skipped\n", device);
        return 77;
    }
    da_test_thread_ = pthread_self();
    for (size_t i = 0; i < count; i++) {
        TCase *tcase = tcase_create(cases[i].name);
        tcase_set_timeout(tcase, 0); /* meson has the clock */
        if (cases[i].setup || cases[i].teardown)
            tcase_add_checked_fixture(tcase, cases[i].setup, cases[i].teardown);
        for (const TTest *const *test = cases[i].tests; *test; test++)
            for (int k = 0; k < cases[i].loops; k += da_test_stride_(&cases[i]))
                tcase_add_loop_test(tcase, *test, k, k + 1);
        suite_add_tcase(suite, tcase);
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was printed before a crash is in the log */
    if (!getenv("CK_FORK"))
        srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (device) {
        da_stats stats;
        da_get_stats(&stats);
        printf("%lld tasks on the %s device\n", (long long)stats.tasks_device, device);
        failed += stats.tasks_device == 0;
    }
    /* PoCL's compiler does not bear exit() (docs/architecture-starpu.md) */
    if (getenv("POCL_DEVICES") && da_shutdown() != DA_OK)
        failed++;
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The call succeeds; otherwise its text, status and sentence are the message. */
#define ck_ok(call)                                                                                          \
    do {                                                                                                     \
        da_status ck_status_ = (call);                                                                       \
        ck_assert_msg(ck_status_ == DA_OK, "%s: status %d: %s", #call, (int)ck_status_, da_error());         \
    } while (0)

/* The call fails with this status, and its sentence contains the text. */
#define ck_fails(call, expected, text)                                                                       \
    do {                                                                                                     \
        da_status ck_status_ = (call);                                                                       \
        ck_assert_msg(ck_status_ == (expected), "%s: status %d instead of %s (%d): %s", #call,               \
                      (int)ck_status_, #expected, (int)(expected), ck_status_ ? da_error() : "no error");    \
        ck_assert_msg(strstr(da_error(), (text)) != NULL, "%s: \"%s\" does not contain \"%s\"", #call,       \
                      da_error(), (text));                                                                   \
    } while (0)

#endif
