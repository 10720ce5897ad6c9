/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks on accelerators, with an OpenCL device under StarPU (PoCL will do): the user's codelets, operands as the device sees them,
 * values on their way between memories, what is released meanwhile, failures, idle devices. */
#define CL_TARGET_OPENCL_VERSION 120
#include "runtime/models.h"
#include "runtime/starpu_device.h"
#include "runtime/starpu_models.h"
#include "test.h"

#include <CL/cl.h>
#include <ftw.h>
#include <math.h>
#include <starpu.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

/* ---- where tasks ran, in the order in which they did ---- */

static struct {
    pthread_mutex_t lock;
    int n;
    struct {
        unsigned node; /* of memory */
        bool write;
    } ran[1000];
} history = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(bool write)
{
    const int room = sizeof history.ran / sizeof history.ran[0];

    pthread_mutex_lock(&history.lock);
    if (history.n < room) {
        history.ran[history.n].node = starpu_worker_get_memory_node((unsigned)starpu_worker_get_id());
        history.ran[history.n].write = write;
        history.n++;
    }
    pthread_mutex_unlock(&history.lock);
}

/* ---- a codelet with a kernel of its own: x becomes 2 x + 1, any strides, up to two axes ---- */

static const char source[] =
    "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
    "__kernel void affine(__global double *x, long at, long m, long n, long sm, long sn)\n"
    "{\n"
    "    const long i = get_global_id(0);\n"
    "    if (i < m * n) {\n"
    "        __global double *p = x + at + i / n * sm + i % n * sn;\n"
    "        *p = 2 * *p + 1;\n"
    "    }\n"
    "}\n";

static da_status affine_opencl(const da_call *call)
{
    static _Thread_local cl_kernel kernel; /* a device has one thread and one context */
    static _Thread_local cl_context known;
    const da_buffer *const b = &call->buffers[0];
    const cl_long args[] = {b->offset, b->ndim > 1 ? b->shape[0] : 1, b->shape[b->ndim - 1],
                            b->ndim > 1 ? b->strides[0] : 0, b->strides[b->ndim - 1]};
    const size_t items = (size_t)(args[1] * args[2]);
    cl_context context;
    cl_mem x = b->data;

    note(true);
    if (clGetCommandQueueInfo(call->queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL) != CL_SUCCESS)
        return da_task_fail(call, "no context");
    if (!kernel || context != known) {
        const char *text = source;
        const cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, NULL);
        if (clBuildProgram(program, 0, NULL, NULL, NULL, NULL) != CL_SUCCESS)
            return da_task_fail(call, "the kernel does not compile");
        kernel = clCreateKernel(program, "affine", NULL);
        known = context;
    }
    clSetKernelArg(kernel, 0, sizeof x, &x);
    for (cl_uint i = 0; i < 5; i++)
        clSetKernelArg(kernel, i + 1, sizeof args[i], &args[i]);
    if (clEnqueueNDRangeKernel(call->queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL) != CL_SUCCESS)
        return da_task_fail(call, "the kernel does not start");
    return DA_OK;
}

static da_status affine_cpu(const da_call *call)
{
    const da_buffer *const b = &call->buffers[0];
    const int64_t m = b->ndim > 1 ? b->shape[0] : 1, sm = b->ndim > 1 ? b->strides[0] : 0;

    note(true);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < b->shape[b->ndim - 1]; j++) {
            double *const p = (double *)b->data + i * sm + j * b->strides[b->ndim - 1];
            *p = 2 * *p + 1;
        }
    return DA_OK;
}

static const da_codelet affine = {.name = "affine",
                                  .cpu = affine_cpu,
                                  .opencl = affine_opencl,
                                  .nbuffers = 1,
                                  .modes = {DA_MODE_READ_WRITE}};

/* a = 0, 1, 2, ... in C order */
static void numbers(da_array **a, da_shape shape, da_shape blocks)
{
    int64_t n = 1;
    DA_AUTO da_array *line = NULL;

    for (int d = 0; d < shape.ndim; d++)
        n *= shape.dim[d];
    ck_ok(da_arange(&line, DA_F64, 0, (double)n, 1));
    ck_ok(da_blocks(blocks));
    ck_ok(da_reshape(a, line, shape));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}

START_TEST(views_of_tiles)
{
    enum { M = 60, N = 44 };
    DA_AUTO da_array *a = NULL, *rows = NULL, *turned = NULL, *one = NULL;
    static double got[M][N], want[M][N];
    int64_t before;

    ck_ok(da_run_on(DA_ON_GPU));
    numbers(&a, DA_SHAPE(M, N), DA_SHAPE(20, 22));
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            want[i][j] = i * N + j;
    ck_ok(da_wait_all());
    before = on_devices();
    /* a tile */
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(DA_BLOCK(a, 1, 1))));
    for (int i = 20; i < 40; i++)
        for (int j = 22; j < N; j++)
            want[i][j] = 2 * want[i][j] + 1;
    /* part of one, backwards in steps of 2 along the rows */
    ck_ok(DA_SLICE(&rows, a, DA_RANGE_STEP(57, 43, -2), DA_RANGE_STEP(3, 19, 3)));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(rows)));
    for (int i = 57; i > 43; i -= 2)
        for (int j = 3; j < 19; j += 3)
            want[i][j] = 2 * want[i][j] + 1;
    /* the same transposed */
    ck_ok(da_matrix_transpose(&turned, rows));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(turned)));
    for (int i = 57; i > 43; i -= 2)
        for (int j = 3; j < 19; j += 3)
            want[i][j] = 2 * want[i][j] + 1;
    /* one element */
    ck_ok(DA_SLICE(&one, a, DA_RANGE(7, 8), DA_RANGE(9, 10)));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(one)));
    want[7][9] = 2 * want[7][9] + 1;
    ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
    ck_assert_int_eq(on_devices() - before, 4);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            ck_assert_msg(got[i][j] == want[i][j], "(%d, %d): %g, not %g", i, j, got[i][j], want[i][j]);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* An operand of several tiles, or where the thread says so, stays on the CPU. */
START_TEST(stays_on_the_cpu)
{
    DA_AUTO da_array *a = NULL;
    double sum;
    int64_t before;

    numbers(&a, DA_SHAPE(64, 64), DA_SHAPE(32, 32));
    ck_ok(da_wait_all());
    ck_ok(da_run_on(DA_ON_GPU));
    before = on_devices();
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
    ck_ok(da_run_on(DA_ON_CPU));
    for (int i = 0; i < 2; i++)
        ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(DA_BLOCK(a, i, 0))));
    ck_ok(da_wait_all());
    ck_assert_int_eq(on_devices(), before);
    ck_ok(da_run_on(DA_ANYWHERE));
    ck_ok(da_sum_all(&sum, a));
    /* all once, the left half twice: 4 x + 3 there, 2 x + 1 elsewhere */
    double want = 0;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++)
            want += j < 32 ? 4.0 * (i * 64 + j) + 3 : 2.0 * (i * 64 + j) + 1;
    ck_assert_double_eq(sum, want);
    ck_fails(da_run_on((da_place)7), DA_ERROR_ARGUMENT, "7");
}
END_TEST

/* ---- transfers ---- */

static int64_t transferred(int from, int to)
{
    struct starpu_profiling_bus_info info;
    const int bus = starpu_bus_get_id(from, to);

    ck_assert_int_ge(bus, 0);
    ck_assert_int_eq(starpu_bus_get_profiling_info(bus, &info), 0); /* and begins anew */
    return (int64_t)info.transfer_count;
}

static da_status look_cpu(const da_call *call)
{
    note(false);
    return *(const double *)call->buffers[0].data == 1e300 ? da_task_fail(call, "1e300") : DA_OK;
}

static _Atomic(int) look_ms; /* on a device */

static da_status look_opencl(const da_call *call)
{
    const struct timespec a_while = {0, 1000000L * look_ms}; /* so that others take some, too */

    (void)call;
    note(false);
    nanosleep(&a_while, NULL);
    return DA_OK;
}

static const da_codelet look = {
    .name = "look", .cpu = look_cpu, .opencl = look_opencl, .nbuffers = 1, .modes = {DA_MODE_READ}};

enum { NODES = 16 };

/* Which memories have the values, and the transfers of one datum that its history makes necessary: it moves when a task reads it where it
 * is not, from one device to another by way of the host. */
static struct {
    bool valid[NODES];
    int64_t in[NODES], out[NODES];
} flow;

static void flow_read(unsigned node)
{
    if (!flow.valid[node] && !flow.valid[0]) {
        for (unsigned d = 1; d < NODES; d++)
            flow.out[d] += flow.valid[d];
        flow.valid[0] = true;
    }
    flow.in[node] += !flow.valid[node];
    flow.valid[node] = true;
}

/* What the tasks since the last time need, and what was transferred: the same, on each way. `in` and `out`: how much that is if there is one
 * device. */
static void flow_check(const char *what, int tasks, int64_t in, int64_t out)
{
    const unsigned nodes = starpu_memory_nodes_get_count();

    ck_ok(da_wait_all());
    ck_assert_uint_le(nodes, NODES);
    ck_assert_msg(history.n == tasks, "%s: %d tasks, not %d", what, history.n, tasks);
    for (int i = 0; i < history.n; i++) {
        const unsigned node = history.ran[i].node;
        flow_read(node);
        for (unsigned d = 0; d < NODES && history.ran[i].write; d++)
            flow.valid[d] = d == node;
    }
    for (unsigned d = 1; d < nodes; d++) {
        const int64_t came = transferred(0, (int)d), went = transferred((int)d, 0);
        ck_assert_msg(came == flow.in[d] && went == flow.out[d],
                      "%s: %d transfers to device %u, %d from it, where %d and %d are needed", what,
                      (int)came, d, (int)went, (int)flow.in[d], (int)flow.out[d]);
        for (unsigned e = 1; e < nodes; e++)
            ck_assert(e == d || starpu_bus_get_id((int)d, (int)e) < 0 || transferred((int)d, (int)e) == 0);
        ck_assert_msg(nodes > 2 || (came == in && went == out), "%s: %d and %d transfers, not %d and %d",
                      what, (int)came, (int)went, (int)in, (int)out);
    }
    history.n = 0;
    memset(flow.in, 0, sizeof flow.in);
    memset(flow.out, 0, sizeof flow.out);
}

START_TEST(no_transfer_too_many)
{
    DA_AUTO da_array *a = NULL;
    bool used[NODES] = {false};
    double got[100], want = 1;
    int devices = 0, looks = 0;

    numbers(&a, DA_SHAPE(100), DA_SHAPE(100));
    ck_ok(da_wait_all());
    ck_ok(da_run_on(DA_ON_GPU));
    starpu_profiling_status_set(STARPU_PROFILING_ENABLE);
    for (unsigned d = 1; d < starpu_memory_nodes_get_count(); d++) {
        transferred(0, (int)d);
        transferred((int)d, 0);
    }
    history.n = 0;
    memset(&flow, 0, sizeof flow);
    flow.valid[0] = true;

    /* the first ones are placed by guess, perhaps all where the value went first; then it is known what they take, and more than transfers, even
     * if StarPU measured these while the machine was busy */
    look_ms = 2;
    for (; looks < 48 && devices < 2 && (looks == 0 || da_num_devices() > 1); looks += 12) {
        for (int i = 0; i < 12; i++)
            ck_ok(DA_SPAWN(NULL, &look, DA_READ(a)));
        ck_ok(da_wait_all());
        for (int i = looks; i < history.n; i++) {
            devices += !used[history.ran[i].node];
            used[history.ran[i].node] = true;
        }
        look_ms *= 4;
    }
    ck_assert_msg(devices > 1 || da_num_devices() == 1, "of %d devices one had all tasks", da_num_devices());
    flow_check("read only", looks, 1, 0);

    for (int i = 0; i < 8; i++) {
        ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
        want = 2 * want + 1;
    }
    flow_check("read and written", 8, 0, 0);

    for (int i = 0; i < 5; i++) {
        ck_ok(DA_SPAWN(NULL, &look, DA_READ(a)));
        ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
        want = 2 * want + 1;
        for (int k = 0; k < 4; k++)
            ck_ok(DA_SPAWN(NULL, &look, DA_READ(a)));
    }
    flow_check("read after it was written", 30, 0, 0);

    /* home once, for two readers */
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
    want = 2 * want + 1;
    flow_check("written", 1, 0, 0);
    ck_ok(da_wait(a));
    for (int i = 0; i < 2; i++) {
        ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
        flow_read(0);
        flow.in[0] = 0;
        ck_assert_double_eq(got[1], want);
    }
    flow_check("read by the host", 0, 0, 1);

    /* read on the device: its copy is still good; written by the CPU: once more, one way */
    ck_ok(DA_SPAWN(NULL, &look, DA_READ(a)));
    flow_check("read again", 1, 0, 0);
    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
    ck_ok(da_run_on(DA_ON_GPU));
    for (int i = 0; i < 4; i++)
        ck_ok(DA_SPAWN(NULL, &look, DA_READ(a)));
    flow_check("read after the CPU wrote it", 5, 1, 0);
    starpu_profiling_status_set(STARPU_PROFILING_DISABLE);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* ---- memory ---- */

/* Several times what the devices may have (STARPU_LIMIT_OPENCL_MEM), released while it is in use: every value is right, though nearly all
 * had to leave its device before anybody asked for it. */
START_TEST(more_than_the_device_has)
{
    enum { ARRAYS = 12, TILES = 4, N = 1 << 17 }; /* 1 MiB each */
    static double got[N];
    da_array *a[ARRAYS] = {NULL};
    const char *const limit = getenv("STARPU_LIMIT_OPENCL_MEM");
    da_stats s;

    ck_assert_ptr_nonnull(limit);
    const int fit = (int)strtol(limit, NULL, 10) * TILES * da_num_devices(); /* tiles, at most */
    ck_assert_int_lt(fit, ARRAYS * TILES);
    ck_ok(da_run_on(DA_ON_GPU));
    for (int round = 0; round < 3; round++) {
        int64_t left = 0;
        for (int k = 0; k < ARRAYS; k++)
            numbers(&a[k], DA_SHAPE(N), DA_SHAPE(N / TILES));
        ck_ok(da_wait_all());
        starpu_profiling_status_set(STARPU_PROFILING_ENABLE);
        for (unsigned d = 1; d < starpu_memory_nodes_get_count(); d++)
            transferred((int)d, 0);
        const int64_t before = on_devices();
        for (int twice = 0; twice < 2; twice++)
            for (int k = 0; k < ARRAYS; k++)
                for (int t = 0; t < TILES; t++)
                    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(DA_BLOCK(a[k], t))));
        if (round == 0) {
            ck_ok(da_wait_all());
            for (unsigned d = 1; d < starpu_memory_nodes_get_count(); d++)
                left += transferred((int)d, 0);
            ck_assert_msg(left >= ARRAYS * TILES - fit, "%d of %d tiles left the devices, where %d fit",
                          (int)left, ARRAYS * TILES, fit);
        }
        starpu_profiling_status_set(STARPU_PROFILING_DISABLE);
        for (int k = 0; k < ARRAYS && round > 0; k += 2) /* half of them while tasks run */
            da_array_release(&a[k]);
        for (int k = 0; k < ARRAYS; k++) {
            if (!a[k])
                continue;
            ck_ok(da_to_host(a[k], got, sizeof got, DA_ROW_MAJOR));
            for (int i = 0; i < N; i++)
                ck_assert_msg(got[i] == 4.0 * i + 3, "round %d, array %d: element %d is %g, not %g", round, k,
                              i, got[i], 4.0 * i + 3);
            da_array_release(&a[k]);
        }
        ck_ok(da_wait_all());
        ck_assert_int_eq(on_devices() - before, 2 * ARRAYS * TILES);
    }
    da_get_stats(&s);
    ck_assert_int_eq(s.bytes_live, 0);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* What fits on no device: one tile, as a wrap is, of all the memory that the device may have. */
START_TEST(larger_than_the_device)
{
    enum { N = 2 << 17 };
    double *const x = calloc(N, sizeof *x);
    da_array *w;
    int64_t before;
    double sum;

    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_wrap(&w, DA_F64, DA_SHAPE(N), x, DA_ROW_MAJOR, NULL, NULL));
    before = on_devices();
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(w)));
    ck_ok(da_assign(w, da_add(w, 1)));
    ck_ok(da_sum_all(&sum, w));
    ck_assert_double_eq(sum, 2.0 * N);
    ck_assert_int_eq(on_devices() - before, 0);
    da_array_release(&w);
    ck_ok(da_wait_all());
    ck_ok(da_run_on(DA_ANYWHERE));
    free(x);
}
END_TEST

static void done(void *ctx, void *data)
{
    (void)data;
    ++*(int *)ctx;
}

/* The user's memory has the values after da_wait(), and when the library lets it go without one. */
START_TEST(wrapped_memory)
{
    double x[64];
    int told = 0;
    da_array *w = NULL;

    for (int i = 0; i < 64; i++)
        x[i] = i;
    ck_ok(da_wrap(&w, DA_F64, DA_SHAPE(64), x, DA_ROW_MAJOR, done, &told));
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(w)));
    ck_ok(da_wait(w));
    ck_assert_double_eq(x[10], 21);
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(w)));
    da_array_release(&w);
    ck_ok(da_wait_all());
    ck_assert_int_eq(told, 1);
    ck_assert_double_eq(x[10], 43);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

static da_status put_cpu(const da_call *call)
{
    *(double *)call->buffers[0].data = 7;
    return DA_OK;
}

static da_status put_opencl(const da_call *call)
{
    const double seven = 7;
    const da_buffer *const b = &call->buffers[0];

    /* the result is bytes, so offsets are, too */
    return clEnqueueFillBuffer(call->queue, b->data, &seven, sizeof seven, (size_t)b->offset, sizeof seven, 0,
                               NULL, NULL) == CL_SUCCESS
               ? DA_OK
               : da_task_fail(call, "not filled");
}

static const da_codelet put = {.name = "put", .cpu = put_cpu, .opencl = put_opencl, .nbuffers = 1};

/* Results of tasks go through devices as well; the user's memory is never written by one. */
START_TEST(results_and_memory)
{
    DA_AUTO da_task *task = NULL;
    double seven = 0, mine = 0;
    int64_t before;

    ck_ok(da_run_on(DA_ON_GPU));
    before = on_devices();
    ck_ok(DA_SPAWN(&task, &put, DA_RESULT(double)));
    ck_ok(da_task_fetch(task, &seven, sizeof seven));
    ck_assert_double_eq(seven, 7);
    ck_assert_int_eq(on_devices() - before, 1);
    ck_ok(DA_SPAWN(NULL, &put, DA_WRITE_MEMORY(&mine, sizeof mine)));
    ck_ok(da_wait_memory(&mine));
    ck_assert_double_eq(mine, 7);
    ck_assert_int_eq(on_devices() - before, 1);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* One kind of worker for all, or bits would depend on times. */
START_TEST(reproducible)
{
    setenv("DARRAY_REPRODUCIBLE", "1", 1);
    ck_ok(da_shutdown()); /* the environment is read again */
    ck_assert_int_eq(da_num_devices(), 0);
    setenv("DARRAY_DEVICE", "gpu", 1);
    ck_ok(da_shutdown());
    ck_assert_int_gt(da_num_devices(), 0);
    unsetenv("DARRAY_REPRODUCIBLE");
    unsetenv("DARRAY_DEVICE");
    ck_ok(da_shutdown());
    ck_assert_int_gt(da_num_devices(), 0);
}
END_TEST

START_TEST(values_survive_shutdown)
{
    DA_AUTO da_array *a = NULL;
    double x;

    numbers(&a, DA_SHAPE(1000), DA_SHAPE(250));
    ck_ok(da_run_on(DA_ON_GPU));
    for (int t = 0; t < 4; t++)
        ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(DA_BLOCK(a, t))));
    ck_ok(da_shutdown());
    ck_ok(da_run_on(DA_ANYWHERE));
    ck_ok(da_init("openmp", 2));
    ck_assert_int_eq(da_num_devices(), 0);
    ck_ok(da_sum_all(&x, a));
    ck_assert_double_eq(x, 1000.0 * 999 + 1000);
    ck_ok(da_shutdown());
    ck_ok(da_init("starpu", 0));
    ck_assert_int_gt(da_num_devices(), 0);
}
END_TEST

/* ---- failures ---- */

static da_status fail_opencl(const da_call *call)
{
    return da_task_fail(call, "device %d is tired", 3);
}

static const da_codelet fails = {
    .name = "fails", .cpu = put_cpu, .opencl = fail_opencl, .nbuffers = 1, .modes = {DA_MODE_READ_WRITE}};

START_TEST(failure_on_a_device)
{
    DA_AUTO da_array *a = NULL, *b = NULL;

    numbers(&a, DA_SHAPE(16), DA_SHAPE(16));
    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(DA_SPAWN(NULL, &fails, DA_READ_WRITE(a)));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
    ck_fails(da_wait(a), DA_ERROR_TASK, "task fails failed: device 3 is tired");
    numbers(&b, DA_SHAPE(16), DA_SHAPE(16));
    ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(b)));
    ck_ok(da_wait(b));
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* ---- nothing to do ---- */

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

START_TEST(idle_devices_sleep)
{
    const struct timespec before = {0, 500000000}, idle = {2, 0};
    DA_AUTO da_array *a = NULL;
    double used;

    numbers(&a, DA_SHAPE(16), DA_SHAPE(16));
    for (int again = 0; again < 2; again++) { /* also after having slept */
        ck_ok(da_run_on(DA_ON_GPU));
        ck_ok(DA_SPAWN(NULL, &affine, DA_READ_WRITE(a)));
        ck_ok(da_wait_all());
        nanosleep(&before, NULL);
        used = cpu_seconds();
        nanosleep(&idle, NULL);
        used = cpu_seconds() - used;
        ck_assert_msg(used < 0.2, "%g s of CPU time in 2 idle seconds", used);
    }
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* ---- places ---- */

static atomic_int place_found;

/* Two of them, one after the other on the same data: the first says where its own tasks run. */
static da_status says_where(const da_call *call)
{
    (void)call;
    atomic_store(&place_found, (int)da_runs_on());
    return da_run_on(DA_ON_GPU);
}

START_TEST(place_of_a_task_ends_with_it)
{
    static const da_codelet saying = {
        .name = "saying", .cpu = says_where, .nbuffers = 1, .modes = {DA_MODE_READ_WRITE}};
    static const da_place places[] = {DA_ANYWHERE, DA_ON_CPU, DA_ON_GPU};
    DA_AUTO da_array *a = NULL;

    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(4096)));
    for (int p = 0; p < 3; p++) {
        ck_ok(da_run_on(places[p]));
        ck_assert_int_eq(da_runs_on(), places[p]);
        for (int i = 0; i < 40; i++) { /* every worker has one after another */
            ck_ok(DA_SPAWN(NULL, &saying, DA_READ_WRITE(a)));
            ck_ok(da_wait_all());
            ck_assert_int_eq(atomic_load(&place_found), places[p]);
        }
        ck_assert_int_eq(da_runs_on(), places[p]);
    }
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

/* ---- exit while a device's compiler is at work ---- */

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s;
    (void)type;
    (void)at;
    return remove(path);
}

static const char *program; /* as the module is found beside it, by its path */

/* What another process does: the compiler has been used, and is in use again. */
static int leave_early(void)
{
    const struct timespec a_while = {0, 20000000};
    da_array *a = NULL, *b = NULL, *c = NULL;

    if (da_run_on(DA_ON_GPU) != DA_OK || da_ones(&a, DA_F64, DA_SHAPE(64)) != DA_OK ||
        DA_EVAL(&b, a + 1, a) != DA_OK || da_wait_all() != DA_OK ||
        DA_EVAL(&c, sin(a) * exp(b) + sqrt(a), a, b) != DA_OK) {
        fprintf(stderr, "%s\n", da_error());
        return 1;
    }
    if (on_devices() < 2) {
        fprintf(stderr, "%d tasks on the device\n", (int)on_devices());
        return 1;
    }
    nanosleep(&a_while, NULL);
    return 0; /* and exit() */
}

/* Runs this program again with that argument and empty caches; its wait status. */
static int with_cold_caches(const char *argument)
{
    char folder[] = "/tmp/darray-exit-XXXXXX";
    int status = -1;
    pid_t child;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    child = fork();
    if (child == 0) { /* nothing is in a cache */
        setenv("POCL_CACHE_DIR", folder, 1);
        setenv("DARRAY_CACHE_DIR", folder, 1);
        setenv("DARRAY_INLINE", "0", 1);
        execl(program, program, argument, (char *)NULL);
        _exit(2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

START_TEST(exit_while_compiling)
{
    const int status = with_cold_caches("early");

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
}
END_TEST

/* ---- a device compiles while the CPU works ---- */

static atomic_int overlap; /* 1: the CPU's task runs, 2: it may end */

static da_status overlapped_cpu(const da_call *call)
{
    const struct timespec a_while = {0, 1000000};

    (void)call;
    atomic_store(&overlap, 1);
    while (atomic_load(&overlap) != 2)
        nanosleep(&a_while, NULL);
    return DA_OK;
}

/* What another process does; 0 if the time of the CPU's task has become a sample. */
static int work_beside_compiler(void)
{
    static const da_codelet overlapped = {
        .name = "overlapped", .cpu = overlapped_cpu, .nbuffers = 1, .modes = {DA_MODE_READ_WRITE}};
    const struct timespec a_while = {0, 1000000};
    da_array *a = NULL, *b = NULL, *c = NULL;
    models_point point;

    if (da_zeros(&c, DA_F64, DA_SHAPE(64)) != DA_OK || da_ones(&a, DA_F64, DA_SHAPE(64)) != DA_OK ||
        DA_SPAWN(NULL, &overlapped, DA_READ_WRITE(c)) != DA_OK)
        return 2;
    while (atomic_load(&overlap) != 1)
        nanosleep(&a_while, NULL);
    if (da_run_on(DA_ON_GPU) != DA_OK || DA_EVAL(&b, a + 1, a) != DA_OK || da_wait(b) != DA_OK)
        return 2;
    const bool compiled = spu_programs_compiled() > 0;
    atomic_store(&overlap, 2);
    if (da_wait_all() != DA_OK)
        return 2;
    const model *const m = spu_model_of("darray_overlapped_v1_float64");
    const int n = m ? models_points(m, DA_DEVICE_CPU, &point, 1) : 0;
    if (da_shutdown() != DA_OK || !compiled)
        return 2;
    return n == 1 && point.samples == 1 ? 0 : 1;
}

START_TEST(others_compile)
{
    const int status = with_cold_caches("beside");

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
}
END_TEST

int main(int argc, char **argv)
{
    const da_test_case cases[] = {
        DA_CASE("operands", views_of_tiles, stays_on_the_cpu),
        DA_CASE("transfers", no_transfer_too_many),
        DA_CASE("memory", more_than_the_device_has, larger_than_the_device, wrapped_memory,
                results_and_memory, values_survive_shutdown),
        DA_CASE("reproducible", reproducible),
        DA_CASE("failures", failure_on_a_device),
        DA_CASE("places", place_of_a_task_ends_with_it),
        DA_CASE("idle", idle_devices_sleep),
        DA_CASE("exit", exit_while_compiling),
        DA_CASE("samples", others_compile),
    };

    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "early") == 0)
        return leave_early();
    if (argc > 1 && strcmp(argv[1], "beside") == 0)
        return work_beside_compiler();
    /* StarPU writes nothing back but what must give way: transfers are counted */
    setenv("STARPU_MINIMUM_CLEAN_BUFFERS", "0", 1);
    setenv("STARPU_TARGET_CLEAN_BUFFERS", "0", 1);
    if (da_num_devices() == 0) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    return da_test_run("device tasks", cases, sizeof cases / sizeof cases[0]);
}
