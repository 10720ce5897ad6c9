/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiling and launching. A kernel is kept in memory for its context, device, source and entry, and for good; what the driver made of
 * its program is kept on disk. Setting a cl_kernel's arguments and launching it are two steps on one object: each has a lock.
 */
#include "opencl.h"

#include "device/cache.h"
#include "device/dialect.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, LOG = 2048 };

typedef struct kernel {
    cl_context context;
    cl_device_id device;
    da_device_key key; /* of source and entry */
    pthread_mutex_t lock;
    cl_kernel kernel; /* null: not built yet, or it failed */
    size_t most;      /* work-items of a group of it */
    char *complaint;  /* why it failed */
    struct kernel *next;
} kernel;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static kernel *table[BUCKETS];

/* The kernel's entry in the table, made if it is not there; null without memory. */
static kernel *entry_of(cl_context context, cl_device_id device, da_device_key key)
{
    kernel **const bucket = &table[key.word[0] % BUCKETS];

    pthread_mutex_lock(&table_lock);
    kernel *k = *bucket;
    while (k && !(k->context == context && k->device == device && k->key.word[0] == key.word[0] &&
                  k->key.word[1] == key.word[1]))
        k = k->next;
    if (!k) {
        k = calloc(1, sizeof *k);
        if (k) {
            k->context = context;
            k->device = device;
            k->key = key;
            pthread_mutex_init(&k->lock, NULL);
            k->next = *bucket;
            *bucket = k;
        }
    }
    pthread_mutex_unlock(&table_lock);
    return k;
}

/* ---- programs ---- */

static da_device_key hash_info(da_device_key key, cl_device_id device, cl_device_info what)
{
    char text[1024] = "";

    if (clGetDeviceInfo(device, what, sizeof text - 1, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    return da_device_hash_text(key, text);
}

static const char *options_for(cl_device_id device)
{
#define ROUNDED "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt"
    if (opencl_rounds_f32(device))
        return opencl_has_f64(device) ? ROUNDED : ROUNDED " -DDA_NO_F64";
    return opencl_has_f64(device) ? "-cl-std=CL1.2" : "-cl-std=CL1.2 -DDA_NO_F64";
}

/* Everything that a binary depends on. */
static da_device_key binary_key(cl_device_id device, const char *source)
{
    da_device_key key = {{0}};

    key = da_device_hash_text(key, da_dialect_opencl);
    key = da_device_hash_text(key, source);
    key = da_device_hash_text(key, options_for(device));
    key = hash_info(key, device, CL_DEVICE_VENDOR);
    key = hash_info(key, device, CL_DEVICE_NAME);
    key = hash_info(key, device, CL_DEVICE_VERSION);
    return hash_info(key, device, CL_DRIVER_VERSION);
}

/* Whether the driver keeps what it compiled by itself. PoCL does, unless told not to; asked for a binary, it first compiles all kernels once more, for
 * groups of any size, which takes as long again. */
static bool driver_keeps(cl_device_id device)
{
    const char *const told = getenv("POCL_KERNEL_CACHE");
    cl_platform_id platform;

    return clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) == CL_SUCCESS &&
           opencl_is_pocl(platform) && !(told && strcmp(told, "0") == 0);
}

/* The program of a binary from disk, or null: there is none, or the driver does not want it. */
static cl_program load(cl_context context, cl_device_id device, da_device_key key)
{
    void *binary;
    size_t size;
    cl_int status = CL_SUCCESS, error;

    if (!da_device_cache_get("opencl", key, &binary, &size))
        return NULL;
    cl_program program = clCreateProgramWithBinary(context, 1, &device, &size,
                                                   (const unsigned char *[]){binary}, &status, &error);
    free(binary);
    if (error != CL_SUCCESS)
        return NULL;
    if (status == CL_SUCCESS &&
        clBuildProgram(program, 1, &device, options_for(device), NULL, NULL) == CL_SUCCESS)
        return program;
    clReleaseProgram(program);
    return NULL;
}

/* Keeps the program's binary for `device` on disk. */
static void save(cl_program program, cl_device_id device, da_device_key key)
{
    enum { MOST = 64 };
    cl_device_id devices[MOST];
    size_t sizes[MOST], bytes;
    unsigned char *binaries[MOST] = {NULL};
    cl_uint n = 0, mine = 0;

    if (clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof devices, devices, &bytes) != CL_SUCCESS ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL) != CL_SUCCESS)
        return;
    n = (cl_uint)(bytes / sizeof devices[0]);
    while (mine < n && devices[mine] != device)
        mine++;
    if (mine == n || sizes[mine] == 0)
        return;
    binaries[mine] = malloc(sizes[mine]); /* the null ones are not wanted */
    if (binaries[mine] &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, n * sizeof binaries[0], binaries, NULL) == CL_SUCCESS)
        da_device_cache_put("opencl", key, binaries[mine], sizes[mine]);
    free(binaries[mine]);
}

_Thread_local unsigned opencl_outcome;

unsigned opencl_unbuilt(cl_int error)
{
    switch (error) {
    case CL_OUT_OF_HOST_MEMORY:
    case CL_OUT_OF_RESOURCES:
    case CL_MEM_OBJECT_ALLOCATION_FAILURE: return DA_SHORT;
    case CL_BUILD_PROGRAM_FAILURE:
    case CL_COMPILER_NOT_AVAILABLE:
    case CL_INVALID_BINARY:
    case CL_INVALID_KERNEL_NAME:
    case CL_INVALID_KERNEL_DEFINITION: return DA_REFUSED;
    default: return 0;
    }
}

/* Compiles a source; null with the compiler's complaint in `log`, and which error it was. */
static cl_program compile(cl_context context, cl_device_id device, const char *source, char *log,
                          size_t log_size, cl_int *which)
{
    const char *const texts[] = {da_dialect_opencl, source};
    cl_int error;
    cl_program program = clCreateProgramWithSource(context, 2, (const char **)texts, NULL, &error);

    *which = error;
    if (error != CL_SUCCESS) {
        snprintf(log, log_size, "clCreateProgramWithSource: %s (%d)", opencl_error(error), (int)error);
        return NULL;
    }
    *which = error = clBuildProgram(program, 1, &device, options_for(device), NULL, NULL);
    if (error == CL_SUCCESS)
        return program;
    const int used = snprintf(log, log_size, "%s: ", opencl_error(error));
    size_t length = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
    char *const text = length ? malloc(length) : NULL;
    if (text && used >= 0 && (size_t)used < log_size &&
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, text, NULL) == CL_SUCCESS)
        snprintf(log + used, log_size - (size_t)used, "%.*s", (int)length, text);
    free(text);
    clReleaseProgram(program);
    return NULL;
}

/* Builds k, or leaves the reason why not, unless memory was short, in `log`, of LOG bytes; k's lock is held. */
static void build(kernel *k, const char *entry, const char *source, char *log)
{
    const da_device_key key = binary_key(k->device, source);
    const bool kept = driver_keeps(k->device);
    cl_program program = kept ? NULL : load(k->context, k->device, key);
    cl_int error = CL_SUCCESS;

    log[0] = '\0';
    if (!program) {
        program = compile(k->context, k->device, source, log, LOG, &error);
        if (program && !kept)
            save(program, k->device, key);
        opencl_compiled++;
    }
    if (program) {
        k->kernel = clCreateKernel(program, entry, &error);
        if (error != CL_SUCCESS) {
            k->kernel = NULL;
            snprintf(log, LOG, "clCreateKernel: %s (%d)", opencl_error(error), (int)error);
        } else if (clGetKernelWorkGroupInfo(k->kernel, k->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof k->most,
                                            &k->most, NULL) != CL_SUCCESS) {
            k->most = SIZE_MAX; /* the launch will tell */
        }
        clReleaseProgram(program); /* the kernel holds it */
    }
    if (k->kernel)
        return;
    const unsigned outcome = opencl_unbuilt(error);
    opencl_outcome |= outcome;
    if (outcome != DA_SHORT)
        k->complaint = strdup(log);
}

da_status opencl_compile(const char *source, char *log, size_t log_size)
{
    cl_device_id const device = opencl_any_device();
    cl_int error;

    if (log_size)
        log[0] = '\0';
    if (!device) {
        snprintf(log, log_size, "there is no OpenCL device");
        return DA_ERROR_UNSUPPORTED;
    }
    cl_context const context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        snprintf(log, log_size, "clCreateContext: %s (%d)", opencl_error(error), (int)error);
        return DA_ERROR_RUNTIME;
    }
    cl_program const program = compile(context, device, source, log, log_size, &error);
    if (program)
        clReleaseProgram(program);
    clReleaseContext(context);
    return program ? DA_OK : DA_ERROR_ARGUMENT;
}

/* ---- launches ---- */

static cl_int set_arguments(cl_kernel kernel, int nargs, const da_device_arg *args)
{
    cl_uint at = 0;
    cl_int error = CL_SUCCESS;

    for (int i = 0; i < nargs && error == CL_SUCCESS; i++) {
        if (args[i].buffer) {
            cl_mem const memory = args[i].buffer->data;
            const cl_long offset = args[i].buffer->offset;

            error = clSetKernelArg(kernel, at++, sizeof memory, &memory);
            if (error == CL_SUCCESS)
                error = clSetKernelArg(kernel, at++, sizeof offset, &offset);
        } else {
            error = clSetKernelArg(kernel, at++, args[i].size, args[i].value);
        }
    }
    return error;
}

da_status opencl_launch(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                        int nargs, const da_device_arg *args)
{
    const size_t local_size = (size_t)local, global_size = (size_t)groups * local_size;
    cl_context context;
    cl_device_id device;
    char log[LOG];
    cl_int error;

    if (groups == 0)
        return DA_OK;
    DA_TRY(opencl_queue(call, &context, &device));
    const da_device_key key = da_device_hash_text(da_device_hash_text((da_device_key){{0}}, source), entry);
    kernel *const k = entry_of(context, device, key);
    if (!k)
        return da_task_fail(call, "no memory for the OpenCL kernel %s", entry);

    pthread_mutex_lock(&k->lock);
    if (!k->kernel && !k->complaint)
        build(k, entry, source, log);
    else if (!k->kernel)
        opencl_outcome |= DA_REFUSED;
    if (!k->kernel) {
        pthread_mutex_unlock(&k->lock); /* the complaint stays as it is */
        return da_task_fail(call, "the OpenCL kernel %s cannot be built: %s", entry,
                            k->complaint ? k->complaint : log);
    }
    if (k->most < local_size) {
        const size_t most = k->most;

        pthread_mutex_unlock(&k->lock);
        opencl_outcome |= DA_REFUSED;
        return da_task_fail(
            call, "the OpenCL kernel %s has groups of at most %zu work-items on this device, not %d", entry,
            most, local);
    }
    opencl_outcome |= DA_LAUNCHED;
    error = set_arguments(k->kernel, nargs, args);
    if (error == CL_SUCCESS)
        error = clEnqueueNDRangeKernel(call->queue, k->kernel, 1, NULL, &global_size, &local_size, 0, NULL,
                                       opencl_event(call->queue));
    pthread_mutex_unlock(&k->lock);
    if (error != CL_SUCCESS)
        return da_task_fail(call, "launching the OpenCL kernel %s in %" PRId64 " groups of %d: %s (%d)",
                            entry, groups, local, opencl_error(error), (int)error);
    return DA_OK;
}
