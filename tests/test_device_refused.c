/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device's compiler, or the device, does not take, on OpenCL devices under StarPU (PoCL will do). */
#define CL_TARGET_OPENCL_VERSION 120
#include "test.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* DARRAY_TEST_REFUSE: a word of the sources that are refused; "short": there is no memory for the first one; "no scratch": for the first piece
 * that the module wants; "small groups": all are compiled, but the module's have smaller groups than it wants; "large pieces": devices give
 * LARGEST bytes in one piece; "launch": one launch after the other has no resources. */
static const char *word;
static _Atomic(int) refused;

/* Found before OpenCL's own by the library's module and CLBlast. */
cl_int clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices, const char *options,
                      void(CL_CALLBACK *notify)(cl_program, void *), void *ctx)
{
    static char source[1 << 20];
    cl_int (*real)(cl_program, cl_uint, const cl_device_id *, const char *,
                   void(CL_CALLBACK *)(cl_program, void *), void *);

    *(void **)&real = dlsym(RTLD_NEXT, "clBuildProgram");
    if (strcmp(word, "short") == 0) {
        if (atomic_fetch_add(&refused, 1) == 0)
            return CL_OUT_OF_HOST_MEMORY;
    } else if (clGetProgramInfo(program, CL_PROGRAM_SOURCE, sizeof source, source, NULL) == CL_SUCCESS &&
               strstr(source, word)) {
        atomic_fetch_add(&refused, 1);
        return real(program, n, devices, "-D__kernel=@", notify, ctx); /* which is no C */
    }
    return real(program, n, devices, options, notify, ctx);
}

/* Whether the library's module calls, not CLBlast or StarPU. */
static bool is_module(void *caller)
{
    Dl_info object;

    return dladdr(caller, &object) && strstr(object.dli_fname, "darray_opencl");
}

cl_int clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what,
                                size_t size, void *value, size_t *size_needed)
{
    cl_int (*real)(cl_kernel, cl_device_id, cl_kernel_work_group_info, size_t, void *, size_t *);

    *(void **)&real = dlsym(RTLD_NEXT, "clGetKernelWorkGroupInfo");
    const cl_int error = real(kernel, device, what, size, value, size_needed);
    if (strcmp(word, "small groups") == 0 && what == CL_KERNEL_WORK_GROUP_SIZE &&
        is_module(__builtin_return_address(0))) {
        atomic_fetch_add(&refused, 1);
        *(size_t *)value = 1;
    }
    return error;
}

enum { LARGEST = 4000 };

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t size, void *value,
                       size_t *size_needed)
{
    cl_int (*real)(cl_device_id, cl_device_info, size_t, void *, size_t *);

    *(void **)&real = dlsym(RTLD_NEXT, "clGetDeviceInfo");
    const cl_int error = real(device, what, size, value, size_needed);
    if (what == CL_DEVICE_MAX_MEM_ALLOC_SIZE && strcmp(word, "large pieces") == 0 &&
        is_module(__builtin_return_address(0)))
        *(cl_ulong *)value = LARGEST;
    return error;
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error)
{
    cl_mem (*real)(cl_context, cl_mem_flags, size_t, void *, cl_int *);

    /* without `error` the module asks for what it measures the device with */
    if (strcmp(word, "no scratch") == 0 && error && is_module(__builtin_return_address(0)) &&
        atomic_fetch_add(&refused, 1) == 0) {
        *error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
        return NULL;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateBuffer");
    return real(context, flags, size, host, error);
}

/* Which launch from now on fails, counting from 0; < 0: none. And how many there were. */
static _Atomic(int) failing = -1, launches;

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint ndim, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint n, const cl_event *events,
                              cl_event *event)
{
    cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *,
                   cl_uint, const cl_event *, cl_event *);

    if (atomic_fetch_add(&launches, 1) == atomic_load(&failing))
        return CL_OUT_OF_RESOURCES;
    *(void **)&real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    return real(queue, kernel, ndim, offset, global, local, n, events, event);
}

static char told[1 << 16];

static void note(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    strncat(told, text, sizeof told - strlen(told) - 2);
    strcat(told, "\n");
}

/* How often the log has it. */
static int lines(const char *sentence)
{
    int n = 0;

    for (const char *at = told; (at = strstr(at, sentence)) != NULL; at++)
        n++;
    return n;
}

static int64_t tasks_on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

#define PERMANENT "the CPU does what no OpenCL device can be given: "
#define THIS_TIME "the CPU does this time what a OpenCL device could not be given: "

/* In place and into new arrays, whole and through a view with steps: a is 0, 1, ... before, 2 more afterwards, but even ones 3 more. */
static void expressions(void)
{
    enum { N = 1000 };
    static double got[N];
    DA_AUTO da_array *a = NULL, *even = NULL, *b = NULL;

    ck_ok(da_arange(&a, DA_F64, 0, N, 1));
    ck_ok(da_assign(a, da_add(a, 2)));
    ck_ok(DA_SLICE(&even, a, DA_RANGE_STEP(0, N, 2)));
    ck_ok(da_assign(even, da_add(even, 1)));
    ck_ok(da_eval(&b, da_multiply(a, a)));
    ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert_msg(got[i] == i + 2 + (i % 2 == 0), "a[%d] is %g", i, got[i]);
    ck_ok(da_to_host(b, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert_msg(got[i] == (i + 2 + (i % 2 == 0)) * (i + 2 + (i % 2 == 0)), "b[%d] is %g", i, got[i]);
}

/* Of so many numbers that there are several passes. */
static void reductions(void)
{
    enum { M = 500, N = 400 };
    DA_AUTO da_array *a = NULL, *rows = NULL;
    static float got[M];
    double sum = 0;

    ck_ok(da_ones(&a, DA_F32, DA_SHAPE(M, N)));
    ck_ok(da_sum_all(&sum, a));
    ck_assert_double_eq(sum, M * N);
    ck_ok(da_sum(&rows, a, DA_AXES(1), 0));
    ck_ok(da_to_host(rows, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < M; i++)
        ck_assert_float_eq(got[i], N);
}

static void copies(void)
{
    enum { M = 30, N = 20 };
    DA_AUTO da_array *a = NULL, *t = NULL, *turned = NULL, *single = NULL;
    static float got[N][M];

    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(M, N)));
    ck_ok(da_matrix_transpose(&t, a));
    ck_ok(da_copy(&turned, t));
    ck_ok(da_astype(&single, turned, DA_F32));
    ck_ok(da_to_host(single, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < M; j++)
            ck_assert_float_eq(got[i][j], 1);
}

static void products(void)
{
    DA_AUTO da_array *a = NULL, *b = NULL, *c = NULL;
    double got[16 * 8];

    ck_ok(da_full(&a, DA_F64, DA_SHAPE(16, 12), 2));
    ck_ok(da_full(&b, DA_F64, DA_SHAPE(12, 8), 3));
    ck_ok(da_full(&c, DA_F64, DA_SHAPE(16, 8), 1));
    ck_ok(da_gemm(c, 1, a, b, 5));
    ck_ok(da_to_host(c, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < 16 * 8; i++)
        ck_assert_double_eq(got[i], 77);
}

START_TEST(falls_back)
{
    const bool brief = strcmp(word, "short") == 0 || strcmp(word, "no scratch") == 0;
    int64_t before;
    int told_before, refused_before;

    da_set_log(note, NULL);
    ck_ok(da_run_on(DA_ON_GPU));
    for (int round = 0; round < 2; round++) {
        expressions();
        reductions();
        copies();
        products();
    }
    ck_assert_msg(atomic_load(&refused) > 0, "nothing was refused");
    ck_assert_msg(lines(brief ? THIS_TIME : PERMANENT) > 0, "nothing was told, but:\n%s", told);
    if (brief)
        ck_assert_int_eq(lines(THIS_TIME), 1);

    /* Nobody asks again, and nothing is told twice. */
    told_before = lines(PERMANENT);
    refused_before = atomic_load(&refused);
    before = tasks_on_devices();
    expressions();
    reductions();
    copies();
    products();
    if (!brief) {
        ck_assert_int_eq(lines(PERMANENT), told_before);
        ck_assert_int_eq(atomic_load(&refused), refused_before);
    }
    ck_assert_int_eq(lines("\ntask "), 0); /* of failures */
    if (strcmp(word, "kernel") == 0)       /* all of them */
        ck_assert_int_eq(tasks_on_devices(), before);
    else
        ck_assert(tasks_on_devices() > before);
    ck_ok(da_run_on(DA_ANYWHERE));
    da_set_log(NULL, NULL);
}
END_TEST

/* c += a b^T + b a^T, which is several launches that all write to c. */
static da_status two_products(double *got, size_t bytes)
{
    enum { N = 32, K = 8 };
    DA_AUTO da_array *a = NULL, *b = NULL, *c = NULL;

    ck_ok(da_full(&a, DA_F64, DA_SHAPE(N, K), 1));
    ck_ok(da_full(&b, DA_F64, DA_SHAPE(N, K), 2));
    ck_ok(da_full(&c, DA_F64, DA_SHAPE(N, N), 3));
    ck_ok(da_wait_all());
    atomic_store(&launches, 0);
    da_status status = da_syr2k(c, 1, a, b, 1, DA_LOWER);
    if (status == DA_OK)
        status = da_wait(c);
    const int failed_at = atomic_exchange(&failing, -1);
    if (status == DA_OK)
        status = da_to_host(c, got, bytes, DA_COL_MAJOR);
    atomic_store(&failing, failed_at);
    return status;
}

/* Where something was written already, there is no falling back: an error, or the right result. */
START_TEST(fails_in_the_middle)
{
    enum { N = 32 };
    static double got[N * N];
    int most, errors = 0;

    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(two_products(got, sizeof got));
    most = atomic_load(&launches);
    ck_assert_int_gt(most, 1);
    for (int k = 0; k <= most; k++) {
        da_status status;

        atomic_store(&failing, k);
        status = two_products(got, sizeof got);
        atomic_store(&failing, -1);
        errors += status != DA_OK;
        for (int j = 0; j < N && status == DA_OK; j++)
            for (int i = j; i < N; i++)
                ck_assert_msg(got[i + j * N] == 3 + 2 * 8 * 2, "launch %d failed, and c(%d, %d) is %g", k, i,
                              j, got[i + j * N]);
    }
    ck_assert_int_gt(errors, 0);
    ck_ok(da_run_on(DA_ANYWHERE));
}
END_TEST

START_TEST(large_pieces)
{
    enum { FEW = LARGEST / 8 };
    static double got[FEW];
    DA_AUTO da_array *a = NULL;
    const int64_t before = tasks_on_devices();

    da_set_log(note, NULL);
    ck_ok(da_run_on(DA_ON_GPU));
    expressions(); /* on 8000 bytes, or every other element of them */
    ck_assert_int_eq(tasks_on_devices(), before);
    ck_assert_int_eq(lines("stays on the CPU: an operand takes 8000 bytes"), 1);
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(FEW), 3));
    ck_ok(da_to_host(a, got, sizeof got, DA_ROW_MAJOR));
    for (int i = 0; i < FEW; i++)
        ck_assert_double_eq(got[i], 3);
    ck_assert_int_eq(tasks_on_devices(), before + 1);
    ck_ok(da_run_on(DA_ANYWHERE));
    da_set_log(NULL, NULL);
}
END_TEST

int main(void)
{
    const da_test_case refusals[] = {DA_CASE("refused", falls_back)};
    const da_test_case failures[] = {DA_CASE("launches", fails_in_the_middle)};
    const da_test_case pieces[] = {DA_CASE("pieces", large_pieces)};

    word = getenv("DARRAY_TEST_REFUSE");
    if (!word)
        word = "da_expr_kernel";
    return da_test_run("refused kernels",
                       strcmp(word, "launch") == 0         ? failures
                       : strcmp(word, "large pieces") == 0 ? pieces
                                                           : refusals,
                       1);
}
