/* SPDX-License-Identifier: BSD-3-Clause */
/* A CUDA device that is lost in the middle of a program, with a StarPU that tells of it, on the device that cuda_on_host.c pretends to be. */
#include "cuda_on_host.h"
#include "test.h"

#include <dlfcn.h>
#include <string.h>

static struct cuda_on_host *device;

static const char sentence[] = "a CUDA device is lost, with all that was on devices only";

/* As in a new process. */
static void have_device(void)
{
    device->lost = device->sound_launches = 0;
    ck_ok(da_shutdown());
    ck_ok(da_init("starpu", 0));
    ck_assert_int_eq(da_num_devices(), 1);
}

static void leave_device(void)
{
    device->lost = 0;
    ck_ok(da_run_on(DA_ANYWHERE));
}

/* What was read there, or was home again, is as it was; what was there alone has failed, also what is in the middle of being computed. */
START_TEST(values)
{
    DA_AUTO da_array *home = NULL, *kept = NULL, *there = NULL, *back = NULL, *next = NULL, *host = NULL,
                     *over = NULL;
    double x = 0;
    bool failed = false;

    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(da_full(&home, DA_F64, DA_SHAPE(300, 300), 2));
    ck_ok(da_full(&kept, DA_F64, DA_SHAPE(300, 300), 3));
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_eval(&there, da_add(home, 1)));
    ck_ok(da_eval(&back, da_add(home, 2)));
    ck_ok(da_eval(&over, da_add(home, 3)));
    ck_ok(da_sum_all(&x, home));
    ck_assert_double_eq(x, 2.0 * 300 * 300);
    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(da_assign(over, 6));
    ck_ok(da_eval(&host, da_add(back, 1))); /* brings it home */
    ck_ok(da_wait(host));
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_wait(there));
    ck_assert_int_eq(device->lost, 0);

    device->sound_launches = 1 + _i;
    for (int k = 0; k < 8 && !failed; k++) {
        da_array_release(&next);
        ck_ok(da_eval(&next, da_add(kept, k)));
        failed = da_wait(next) != DA_OK;
    }
    ck_assert_int_eq(device->lost, 1);
    ck_assert_msg(failed && strstr(da_error(), sentence), "%s", da_error());
    ck_fails(da_wait(next), DA_ERROR_TASK, sentence);
    ck_fails(da_sum_all(&x, next), DA_ERROR_TASK, sentence);
    ck_fails(da_sum_all(&x, there), DA_ERROR_TASK, sentence);
    ck_ok(da_sum_all(&x, home));
    ck_assert_double_eq(x, 2.0 * 300 * 300);
    ck_ok(da_sum_all(&x, kept));
    ck_assert_double_eq(x, 3.0 * 300 * 300);
    ck_ok(da_sum_all(&x, back));
    ck_assert_double_eq(x, 4.0 * 300 * 300);
    ck_ok(da_sum_all(&x, host));
    ck_assert_double_eq(x, 5.0 * 300 * 300);
    ck_ok(da_sum_all(&x, over));
    ck_assert_double_eq(x, 6.0 * 300 * 300);

    /* the program goes on, on the CPU, with what is overwritten as well */
    da_array_release(&next);
    ck_ok(da_eval(&next, da_multiply(kept, 2)));
    ck_ok(da_sum_all(&x, next));
    ck_assert_double_eq(x, 6.0 * 300 * 300);
    ck_ok(da_assign(there, 1));
    ck_ok(da_sum_all(&x, there));
    ck_assert_double_eq(x, 300.0 * 300);
    ck_ok(da_matmul(&host, kept, there));
    ck_ok(da_sum_all(&x, host));
    ck_assert_double_eq(x, 3.0 * 300 * 300 * 300);

    /* and begins anew */
    ck_ok(da_shutdown());
    ck_ok(da_sum_all(&x, kept));
    ck_assert_double_eq(x, 3.0 * 300 * 300);
    ck_assert_int_eq(da_num_devices(), 0);
}
END_TEST

/* Many tasks of which the device has some, when it is lost: each array is right or has failed, whatever was under way, and nobody waits for ever. */
START_TEST(in_the_middle)
{
    enum { N = 40 };
    da_array *a[N] = {NULL}, *b[N] = {NULL};
    int right = 0, failed = 0;

    ck_ok(da_run_on(DA_ON_GPU));
    device->sound_launches = 3 + 11 * _i;
    for (int i = 0; i < N; i++) {
        ck_ok(da_random_uniform(&a[i], DA_F64, DA_SHAPE(50, 50), 5));
        ck_ok(da_eval(&b[i], da_subtract(da_add(a[i], i), a[0])));
    }
    for (int i = 0; i < N; i++) {
        double x = 0;
        const da_status status = da_sum_all(&x, b[i]);

        if (status == DA_OK) {
            ck_assert_double_eq_tol(x, 2500.0 * i, 1e-9 * 2500 * (i + 1));
            right++;
        } else {
            ck_assert_msg(status == DA_ERROR_TASK && strstr(da_error(), sentence), "%s", da_error());
            failed++;
        }
    }
    ck_assert_int_eq(device->lost, 1);
    ck_assert_int_gt(failed, 0);
    ck_assert_int_eq(right + failed, N);
    for (int i = 0; i < N; i++) {
        da_array_release(&a[i]);
        da_array_release(&b[i]);
    }
    ck_ok(da_shutdown());
}
END_TEST

/* The program's own memory, to which the device wrote: its failure is told to whoever waits for it, and the program has its memory back. */
START_TEST(memory)
{
    static double w[400];
    DA_AUTO da_array *a = NULL;
    double x;

    for (int i = 0; i < 400; i++)
        w[i] = i;
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(20, 20), w, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_assign(a, da_multiply(a, 2)));
    ck_ok(da_sum_all(&x, a));
    ck_assert_double_eq(x, 400.0 * 399);
    ck_ok(da_assign(a, da_multiply(a, 2)));
    device->sound_launches = 1;
    ck_ok(da_assign(a, da_multiply(a, 2)));
    ck_fails(da_wait(a), DA_ERROR_TASK, sentence);
    ck_fails(da_sum_all(&x, a), DA_ERROR_TASK, sentence);
    ck_ok(da_assign(a, 7));
    ck_ok(da_wait(a));
    ck_assert_double_eq(w[399], 7);
    ck_ok(da_shutdown());
}
END_TEST

int main(void)
{
    device = dlsym(RTLD_DEFAULT, "cuda_on_host");
    if (!device || da_num_devices() == 0) {
        fprintf(stderr, "no StarPU with CUDA: skipped\n");
        return 77;
    }
    if (!dlsym(RTLD_DEFAULT, "starpu_cuda_error_hook")) {
        fprintf(stderr, "a StarPU that does not tell of lost devices: skipped\n");
        return 77;
    }
    const da_test_case cases[] = {
        DA_CASE_LOOP_WITH("values", 2, have_device, leave_device, values),
        DA_CASE_LOOP_WITH("in the middle", 8, have_device, leave_device, in_the_middle),
        DA_CASE_WITH("memory", have_device, leave_device, memory)};
    return da_test_run("lost devices", cases, sizeof cases / sizeof cases[0]);
}
