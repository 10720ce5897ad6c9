/* SPDX-License-Identifier: BSD-3-Clause */
/* The OpenCL module: its one exported function, and what it knows of devices. */
#include "opencl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *opencl_error(cl_int error)
{
    switch (error) {
#define NAME(name)                                                                                           \
    case name: return #name;
        NAME(CL_SUCCESS)
        NAME(CL_DEVICE_NOT_FOUND)
        NAME(CL_DEVICE_NOT_AVAILABLE)
        NAME(CL_COMPILER_NOT_AVAILABLE)
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        NAME(CL_OUT_OF_RESOURCES)
        NAME(CL_OUT_OF_HOST_MEMORY)
        NAME(CL_BUILD_PROGRAM_FAILURE)
        NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        NAME(CL_INVALID_VALUE)
        NAME(CL_INVALID_DEVICE)
        NAME(CL_INVALID_CONTEXT)
        NAME(CL_INVALID_COMMAND_QUEUE)
        NAME(CL_INVALID_MEM_OBJECT)
        NAME(CL_INVALID_BINARY)
        NAME(CL_INVALID_PROGRAM)
        NAME(CL_INVALID_PROGRAM_EXECUTABLE)
        NAME(CL_INVALID_KERNEL_NAME)
        NAME(CL_INVALID_KERNEL)
        NAME(CL_INVALID_ARG_INDEX)
        NAME(CL_INVALID_ARG_VALUE)
        NAME(CL_INVALID_ARG_SIZE)
        NAME(CL_INVALID_KERNEL_ARGS)
        NAME(CL_INVALID_WORK_GROUP_SIZE)
        NAME(CL_INVALID_WORK_ITEM_SIZE)
        NAME(CL_INVALID_GLOBAL_WORK_SIZE)
#undef NAME
    }
    return "unknown error";
}

/* ---- contexts ---- */

typedef struct seen {
    cl_context context;
    struct seen *next;
} seen;

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static seen *seen_contexts;

static bool keep(cl_context context)
{
    bool kept = true;

    pthread_mutex_lock(&seen_lock);
    seen *s = seen_contexts;
    while (s && s->context != context)
        s = s->next;
    if (!s) {
        s = malloc(sizeof *s);
        kept = s && clRetainContext(context) == CL_SUCCESS;
        if (kept) {
            *s = (seen){context, seen_contexts};
            seen_contexts = s;
        } else {
            free(s);
        }
    }
    pthread_mutex_unlock(&seen_lock);
    return kept;
}

da_status opencl_queue(const da_call *call, cl_context *context, cl_device_id *device)
{
    cl_command_queue const queue = call->queue;
    cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof *context, context, NULL);

    if (error == CL_SUCCESS)
        error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof *device, device, NULL);
    if (error != CL_SUCCESS)
        return da_task_fail(call, "OpenCL does not know the queue: %s (%d)", opencl_error(error), (int)error);
    if (!keep(*context))
        return da_task_fail(call, "no memory to keep an OpenCL context");
    return DA_OK;
}

/* ---- devices ---- */

enum { MOST = 64 }; /* platforms, and devices of one */

typedef bool visitor(cl_device_id device, void *ctx);

/* Calls `visit` for the devices of these types until it is true; that device, or null. */
static cl_device_id find(cl_device_type types, visitor *visit, void *ctx)
{
    cl_platform_id platforms[MOST];
    cl_device_id devices[MOST];
    cl_uint nplatforms = 0, ndevices = 0;

    if (clGetPlatformIDs(MOST, platforms, &nplatforms) != CL_SUCCESS)
        return NULL;
    for (cl_uint p = 0; p < nplatforms && p < MOST; p++) {
        if (clGetDeviceIDs(platforms[p], types, MOST, devices, &ndevices) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < ndevices && d < MOST; d++)
            if (visit(devices[d], ctx))
                return devices[d];
    }
    return NULL;
}

static bool any(cl_device_id device, void *ctx)
{
    (void)ctx;
    return device != NULL;
}

cl_device_id opencl_any_device(void)
{
    return find(CL_DEVICE_TYPE_ALL, any, NULL);
}

static bool count_one(cl_device_id device, void *ctx)
{
    (void)device;
    ++*(int *)ctx;
    return false;
}

static bool is_on(const char *variable)
{
    const char *const value = getenv(variable);

    return value && strtol(value, NULL, 10) > 0;
}

/* Those that StarPU would drive. */
static cl_device_type driven(void)
{
    cl_device_type types = CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR;

    if (is_on("STARPU_OPENCL_ON_CPUS"))
        types |= CL_DEVICE_TYPE_CPU;
    if (is_on("STARPU_OPENCL_ONLY_ON_CPUS"))
        types = CL_DEVICE_TYPE_CPU;
    return types;
}

static int count(void)
{
    int n = 0;

    find(driven(), count_one, &n);
    return n;
}

/* Counts down to the device that is wanted. */
static bool count_down(cl_device_id device, void *ctx)
{
    (void)device;
    return --*(int *)ctx < 0;
}

/* 0 if the device does not say. */
static double number(cl_device_id device, cl_device_info which)
{
    cl_uint value = 0;

    return clGetDeviceInfo(device, which, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

/* Floats that a compute unit multiplies and adds in each cycle: two vectors of a CPU, the usual number of a GPU's lanes. */
static double lanes_of(cl_device_id device)
{
    enum { INTEL = 0x8086 };
    cl_device_type type = 0;

    if (clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL) == CL_SUCCESS &&
        type & CL_DEVICE_TYPE_CPU)
        return 2 * number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    return number(device, CL_DEVICE_VENDOR_ID) == INTEL ? 8 : 64;
}

static bool describe(int index, da_device_about *about)
{
    cl_device_id const device = find(driven(), count_down, &index);
    char full[1024] = "";
    cl_ulong bytes = 0;

    if (!device || clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof full, full, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL) != CL_SUCCESS)
        return false;
    *about = (da_device_about){.memory = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes};
    snprintf(about->name, sizeof about->name, "%.*s", (int)sizeof about->name - 1, full);
    about->flops = 2e6 * number(device, CL_DEVICE_MAX_CLOCK_FREQUENCY) *
                   number(device, CL_DEVICE_MAX_COMPUTE_UNITS) * lanes_of(device);
    return true; /* how many doubles it computes OpenCL does not say */
}

typedef struct copies {
    cl_command_queue queue;
    cl_mem from, to;
} copies;

static bool copy_within(void *ctx, size_t bytes)
{
    const copies *const c = ctx;

    return clEnqueueCopyBuffer(c->queue, c->from, c->to, 0, 0, bytes, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(c->queue) == CL_SUCCESS;
}

static bool measure(int index, double *seconds, double *bytes)
{
    enum { COPIED = 1 << 24 };
    cl_device_id const device = find(driven(), count_down, &index);
    copies c = {NULL, NULL, NULL};
    cl_context const context = device ? clCreateContext(NULL, 1, &device, NULL, NULL, NULL) : NULL;

    if (!context)
        return false;
    c.queue = clCreateCommandQueue(context, device, 0, NULL);
    c.from = clCreateBuffer(context, CL_MEM_READ_WRITE, COPIED, NULL, NULL);
    c.to = clCreateBuffer(context, CL_MEM_READ_WRITE, COPIED, NULL, NULL);
    const bool measured =
        c.queue && c.from && c.to && da_device_time_copies(copy_within, &c, COPIED, seconds, bytes);
    if (c.to)
        clReleaseMemObject(c.to);
    if (c.from)
        clReleaseMemObject(c.from);
    if (c.queue)
        clReleaseCommandQueue(c.queue);
    clReleaseContext(context);
    return measured;
}

static bool usable(int index, bool *starts, char *why, size_t size)
{
    cl_device_id const device = find(driven(), count_down, &index);
    cl_command_queue queue = NULL;
    cl_int error = CL_DEVICE_NOT_FOUND;
    cl_context const context = device ? clCreateContext(NULL, 1, &device, NULL, NULL, &error) : NULL;

    if (context)
        queue = clCreateCommandQueue(context, device, 0, &error);
    if (queue)
        clReleaseCommandQueue(queue);
    if (context)
        clReleaseContext(context);
    if (!queue)
        snprintf(why, size, "%s (%d)", opencl_error(error), (int)error);
    *starts = queue != NULL;
    return queue;
}

bool opencl_has_f64(cl_device_id device)
{
    cl_device_fp_config config = 0;

    return clGetDeviceInfo(device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof config, &config, NULL) == CL_SUCCESS &&
           config;
}

bool opencl_rounds_f32(cl_device_id device)
{
    cl_device_fp_config config = 0;

    return clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL) == CL_SUCCESS &&
           (config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT);
}

/* What all devices that are used can do: a task is not asked again when it is known where it runs. */
typedef struct limits {
    bool f64;
    int64_t largest; /* bytes of one piece */
} limits;

static pthread_once_t looked = PTHREAD_ONCE_INIT;
static limits used;

/* No more than this device can do. */
static bool narrow(cl_device_id device, void *ctx)
{
    limits *const l = ctx;
    cl_ulong bytes = 0;

    l->f64 = l->f64 && opencl_has_f64(device);
    if (clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof bytes, &bytes, NULL) == CL_SUCCESS &&
        bytes < (cl_ulong)l->largest)
        l->largest = (int64_t)bytes;
    return false;
}

static void look(void)
{
    used = (limits){true, INT64_MAX};
    find(driven(), narrow, &used);
}

static void use(const int *indices, int n)
{
    limits l = {true, INT64_MAX};

    for (int i = 0; i < n; i++) {
        int left = indices[i];
        cl_device_id const device = find(driven(), count_down, &left);
        if (device)
            narrow(device, &l);
    }
    pthread_once(&looked, look); /* which would otherwise undo this later */
    used = l;
}

/* 16-bit floats are storage only, in integers. */
static bool has(da_dtype dtype)
{
    pthread_once(&looked, look);
    return used.f64 || !(dtype == DA_F64 || dtype == DA_C128);
}

static int64_t largest(void)
{
    pthread_once(&looked, look);
    return used.largest;
}

/* ---- compilers ---- */

_Atomic(int64_t) opencl_compiled;

static int64_t compiled(void)
{
    return atomic_load_explicit(&opencl_compiled, memory_order_relaxed);
}

static unsigned outcome(void)
{
    const unsigned bits = opencl_outcome;

    opencl_outcome = 0;
    return bits;
}

/* ---- PoCL ---- */

bool opencl_is_pocl(cl_platform_id platform)
{
    char name[64] = "";

    return clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL) == CL_SUCCESS &&
           strcmp(name, "Portable Computing Language") == 0;
}

/*
 * PoCL before version 6 counts the uses of a compiled kernel by the kernel and the size of its groups alone, though it keeps several versions
 * of it, for different sizes of the range (pocl_release_dlhandle_cache() in lib/CL/devices/common.c). When two of its devices run one kernel
 * at the same time it can count down the wrong version, and aborts. So its devices take turns where there are several of them.
 */
static pthread_mutex_t pocl_turn = PTHREAD_MUTEX_INITIALIZER;
static cl_platform_id pocl; /* such a platform with several devices, or null */

static void look_for_pocl(void)
{
    enum { FIRST_SOUND = 6 };
    cl_platform_id platforms[MOST];
    cl_uint nplatforms = 0;

    if (clGetPlatformIDs(MOST, platforms, &nplatforms) != CL_SUCCESS)
        return;
    for (cl_uint p = 0; p < nplatforms && p < MOST && !pocl; p++) {
        char version[256]; /* "OpenCL 3.0 PoCL 3.1+debian ..."; another spelling before version 3 */
        const char *number;
        cl_uint ndevices = 0;

        if (!opencl_is_pocl(platforms[p]) ||
            clGetPlatformInfo(platforms[p], CL_PLATFORM_VERSION, sizeof version, version, NULL) !=
                CL_SUCCESS ||
            clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 0, NULL, &ndevices) != CL_SUCCESS)
            continue;
        number = strstr(version, "PoCL ");
        if (ndevices > 1 && (!number || strtol(number + strlen("PoCL "), NULL, 10) < FIRST_SOUND))
            pocl = platforms[p];
    }
}

static bool takes_turns(const da_call *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cl_device_id device;
    cl_platform_id platform;

    pthread_once(&once, look_for_pocl);
    return pocl &&
           clGetCommandQueueInfo(call->queue, CL_QUEUE_DEVICE, sizeof(cl_device_id), &device, NULL) ==
               CL_SUCCESS &&
           clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) == CL_SUCCESS &&
           platform == pocl;
}

/* ---- kernels that fail while they run ----
 *
 * A device that is the CPU does nothing beside the thread that waits for it, which then sees how its kernels have ended. Others are left to the
 * runtime, which does not look.
 */

static bool is_cpu(const da_call *call)
{
    cl_device_id device;
    cl_device_type type;

    return clGetCommandQueueInfo(call->queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL) == CL_SUCCESS &&
           clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL) == CL_SUCCESS &&
           type & CL_DEVICE_TYPE_CPU;
}

enum { MOST_EVENTS = 64 };
static _Thread_local struct {
    bool wanted, turn;
    int n;
    cl_event events[MOST_EVENTS];
    cl_int ended; /* what the first one that failed did with */
} kernels;

/* An event that failed, for good: PoCL 3.1 touches it after others may see how it ended. */
static void keep_event(cl_event event)
{
    typedef struct kept {
        cl_event event;
        struct kept *next;
    } kept;
    static _Atomic(kept *) all;
    kept *const k = malloc(sizeof *k);

    if (!k)
        return; /* nothing points at it now: it stays as well */
    *k = (kept){event, atomic_load(&all)};
    while (!atomic_compare_exchange_weak(&all, &k->next, k))
        ;
}

/* Of an error of its commands clFinish() says nothing. */
static void wait_for(cl_command_queue queue)
{
    const cl_int error = clFinish(queue);

    if (kernels.ended == CL_SUCCESS)
        kernels.ended = error;
    for (int i = 0; i < kernels.n; i++) {
        cl_int status = CL_SUCCESS;

        if (!kernels.events[i])
            continue;
        clGetEventInfo(kernels.events[i], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
        if (kernels.ended == CL_SUCCESS && status < 0)
            kernels.ended = status;
        if (status < 0)
            keep_event(kernels.events[i]);
        else
            clReleaseEvent(kernels.events[i]);
    }
    kernels.n = 0;
}

cl_event *opencl_event(cl_command_queue queue)
{
    if (!kernels.wanted)
        return NULL;
    if (kernels.n == MOST_EVENTS)
        wait_for(queue);
    kernels.events[kernels.n] = NULL;
    return &kernels.events[kernels.n++];
}

static void enter(const da_call *call)
{
    kernels.turn = takes_turns(call);
    kernels.wanted = kernels.turn || is_cpu(call);
    kernels.ended = CL_SUCCESS;
    if (kernels.turn)
        pthread_mutex_lock(&pocl_turn);
}

static da_status leave(const da_call *call)
{
    if (!kernels.wanted)
        return DA_OK;
    clEnqueueMarkerWithWaitList(call->queue, 0, NULL, opencl_event(call->queue)); /* for the user's kernels */
    wait_for(call->queue);
    kernels.wanted = false;
    if (kernels.turn)
        pthread_mutex_unlock(&pocl_turn);
    if (kernels.ended != CL_SUCCESS)
        return da_task_fail(call, "its OpenCL kernels ended with %s (%d)", opencl_error(kernels.ended),
                            (int)kernels.ended);
    return DA_OK;
}

const da_device_ops opencl_ops = {
    .version = DA_DEVICE_VERSION,
    .kind = DA_DEVICE_OPENCL,
    .count = count,
    .kernels = opencl_blas_kernels,
    .launch = opencl_launch,
    .scratch = opencl_scratch,
    .has = has,
    .use = use,
    .compile = opencl_compile,
    .describe = describe,
    .measure = measure,
    .largest = largest,
    .usable = usable,
    .compiled = compiled,
    .outcome = outcome,
    .enter = enter,
    .leave = leave,
};

DA_API const da_device_ops *da_device_module(void);

const da_device_ops *da_device_module(void)
{
    return &opencl_ops;
}
