/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels that fail while they run, after their task has begun: the task fails as one does on the CPU, and nobody waits for ever. With PoCL's
 * threads as the device. */
#define CL_TARGET_OPENCL_VERSION 120
#include "test.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* A command that waits for an event which ends with an error, and so ends with one itself: a while later, or at once. Both events are kept:
 * PoCL 3.1 touches them after others see how they ended. */
enum { MOST = 100 };
static struct {
    cl_event cause, command;
} failed[MOST];
static int nfailed;

static void *fail_it(void *later)
{
    const struct timespec a_while = {0, 50000000};

    if (later)
        nanosleep(&a_while, NULL);
    clSetUserEventStatus(failed[nfailed - 1].cause, CL_OUT_OF_RESOURCES);
    return NULL;
}

static cl_int failing_command(cl_command_queue queue, bool later, cl_event *event)
{
    cl_event *const cause = &failed[nfailed].cause, *const command = &failed[nfailed].command;
    cl_context context;
    pthread_t thread;
    cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);

    nfailed++;
    if (error == CL_SUCCESS)
        *cause = clCreateUserEvent(context, &error);
    if (error == CL_SUCCESS)
        error = clEnqueueMarkerWithWaitList(queue, 1, cause, command);
    if (event)
        *event = *command;
    if (error == CL_SUCCESS && event)
        error = clRetainEvent(*command);
    if (later && pthread_create(&thread, NULL, fail_it, failed) == 0)
        pthread_detach(thread);
    else
        fail_it(NULL);
    return error;
}

/* Which of the library's launches from now on fails so, counting from 0; < 0: none. Found before OpenCL's own by the library's module. */
static _Atomic(int) failing = -1, launches;

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint ndim, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint n, const cl_event *events,
                              cl_event *event)
{
    cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *,
                   cl_uint, const cl_event *, cl_event *);

    if (atomic_fetch_add(&launches, 1) == atomic_load(&failing))
        return failing_command(queue, false, event);
    *(void **)&real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    return real(queue, kernel, ndim, offset, global, local, n, events, event);
}

static da_status breaks_opencl(const da_call *call)
{
    return failing_command(call->queue, true, NULL) == CL_SUCCESS ? DA_OK
                                                                  : da_task_fail(call, "it does not start");
}

static da_status nothing(const da_call *call)
{
    (void)call;
    return DA_OK;
}

static const da_codelet breaks = {
    .name = "breaks", .cpu = nothing, .opencl = breaks_opencl, .nbuffers = 1, .modes = {DA_MODE_READ_WRITE}};

START_TEST(of_the_program)
{
    static const char sentence[] = "task breaks failed: its OpenCL kernels ended with ";
    DA_AUTO da_array *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
    da_task *task;
    da_stats before, then;
    double sum;

    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(16), 1));
    ck_ok(da_full(&b, DA_F64, DA_SHAPE(16), 2));
    ck_ok(da_wait(b));
    da_get_stats(&before);
    ck_ok(DA_SPAWN(&task, &breaks, DA_READ_WRITE(a)));
    ck_ok(da_eval(&c, da_add(a, 1))); /* on the device */
    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(da_eval(&d, da_add(a, b)));
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_eval(&e, da_add(b, 1)));
    ck_fails(da_task_wait(task), DA_ERROR_TASK, sentence);
    ck_fails(da_wait(a), DA_ERROR_TASK, sentence);
    ck_fails(da_wait(c), DA_ERROR_TASK, sentence);
    ck_fails(da_wait(d), DA_ERROR_TASK, sentence);
    da_task_release(&task);
    ck_ok(da_sum_all(&sum, e)); /* others go on */
    ck_assert_double_eq(sum, 16 * 3);
    ck_ok(da_assign(a, 4)); /* and what is overwritten is fine again */
    ck_ok(da_sum_all(&sum, a));
    ck_assert_double_eq(sum, 16 * 4);
    da_get_stats(&then);
    ck_assert_int_ge(then.tasks_device - before.tasks_device, 3);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* One after the other of an operation's kernels. */
START_TEST(of_the_library)
{
    int failed = 0;

    ck_ok(da_run_on(DA_ON_GPU));
    for (int k = 0; k <= failed; k++) {
        DA_AUTO da_array *a = NULL, *b = NULL;
        double sum = 0;

        atomic_store(&launches, 0);
        atomic_store(&failing, k);
        ck_ok(da_random_uniform(&a, DA_F64, DA_SHAPE(20, 20), 7));
        ck_ok(da_eval(&b, da_add(a, 1)));
        const da_status status = da_sum_all(&sum, b);
        atomic_store(&failing, -1);
        if (atomic_load(&launches) > k) {
            failed++;
            ck_assert_msg(status == DA_ERROR_TASK && strstr(da_error(), "its OpenCL kernels ended with "),
                          "launch %d: status %d, sum %g: %s", k, (int)status, sum, da_error());
        } else {
            ck_assert_msg(status == DA_OK && sum > 400 && sum < 800, "status %d, sum %g: %s", (int)status,
                          sum, da_error());
        }
    }
    ck_assert_int_ge(failed, 3);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

int main(void)
{
    if (da_num_devices() == 0) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    const da_test_case cases[] = {DA_CASE("while it runs", of_the_program, of_the_library)};
    return da_test_run("failing devices", cases, sizeof cases / sizeof cases[0]);
}
