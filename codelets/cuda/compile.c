/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiling kernels with NVRTC, and launching them. A program is compiled once for each kind of device and kept on disk; loaded, it is
 * kept for each device. The driver's functions are found through the CUDA runtime, so that the module needs no libcuda to load.
 */
#include "module.h"

#include "device/cache.h"
#include "device/dialect.h"
#include "expr_program.h"

#include <cuda.h>
#include <nvrtc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_ARGS = DA_EXPR_MAX_ROOTS + DA_EXPR_MAX_INPUTS +
                1, /* of an expression or a reduction, the most that any kernel has */
    LOG_SIZE = 1000
};

/* ---- NVRTC ---- */

_Atomic(int64_t) cuda_compiled;
_Thread_local unsigned cuda_outcome;

/* Compiles for an option such as --gpu-architecture=sm_90 to *image, freed with free(); null and the reason in `log` if that fails. */
static char *compile(const char *source, const char *arch, bool cubin, size_t *size, char *log,
                     size_t log_size)
{
    const char *const options[] = {arch, "--fmad=false", "--std=c++17"};
    const int noptions = sizeof options / sizeof options[0];
    const size_t length = strlen(da_dialect_cuda) + strlen(source) + 1;
    char *const text = malloc(length), *image = NULL, *complaints = NULL;
    nvrtcProgram program = NULL;
    nvrtcResult r = NVRTC_ERROR_OUT_OF_MEMORY;
    size_t n = 0;

    log[0] = '\0';
    if (text) {
        snprintf(text, length, "%s%s", da_dialect_cuda, source);
        r = nvrtcCreateProgram(&program, text, "darray.cu", 0, NULL, NULL);
    }
    if (r == NVRTC_SUCCESS) {
        r = nvrtcCompileProgram(program, noptions, options);
        atomic_fetch_add(&cuda_compiled, 1);
        if (r == NVRTC_ERROR_COMPILATION && nvrtcGetProgramLogSize(program, &n) == NVRTC_SUCCESS &&
            (complaints = malloc(n + 1)) != NULL && nvrtcGetProgramLog(program, complaints) == NVRTC_SUCCESS)
            snprintf(log, log_size, "%s", complaints);
    }
    if (r == NVRTC_SUCCESS)
        r = cubin ? nvrtcGetCUBINSize(program, size) : nvrtcGetPTXSize(program, size);
    if (r == NVRTC_SUCCESS) {
        image = malloc(*size + 1);
        r = !image  ? NVRTC_ERROR_OUT_OF_MEMORY
            : cubin ? nvrtcGetCUBIN(program, image)
                    : nvrtcGetPTX(program, image);
    }
    if (r != NVRTC_SUCCESS) {
        free(image);
        image = NULL;
        if (!log[0])
            snprintf(log, log_size, "%s", nvrtcGetErrorString(r));
    }
    if (program)
        (void)nvrtcDestroyProgram(&program);
    free(complaints);
    free(text);
    return image;
}

da_status cuda_compile(const char *source, char *log, size_t log_size)
{
    static const char *const archs[] = {"--gpu-architecture=compute_80", "--gpu-architecture=compute_90"};

    for (int i = 0; i < 2; i++) {
        size_t size;
        char *const image = compile(source, archs[i], false, &size, log, log_size);

        if (!image)
            return DA_ERROR_RUNTIME;
        free(image);
    }
    return DA_OK;
}

bool cuda_architectures(int capability, int *best, int *least)
{
    int count = 0, *known;

    if (nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS || count <= 0)
        return false;
    known = calloc((size_t)count, sizeof *known);
    if (!known || nvrtcGetSupportedArchs(known) != NVRTC_SUCCESS) {
        free(known);
        return false;
    }
    *best = 0;
    *least = known[0];
    for (int i = 0; i < count; i++) {
        if (known[i] <= capability && known[i] > *best)
            *best = known[i];
        if (known[i] < *least)
            *least = known[i];
    }
    free(known);
    return true;
}

cudaError_t cuda_capability(int device, int *capability)
{
    int major = 0, minor = 0;
    cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);

    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    *capability = major * 10 + minor;
    return error;
}

/* The device's own architecture, or, where this NVRTC does not know it, the newest before it that it does, as code that the driver
 * translates. */
static da_status architecture(const da_call *call, int device, char option[40], bool *cubin)
{
    int capability, best, least;

    CUDA_ASK(call, cuda_capability, device, &capability);
    if (!cuda_architectures(capability, &best, &least))
        return da_task_fail(call, "NVRTC does not say for which architectures it compiles");
    if (best == 0)
        return da_task_fail(call, "NVRTC does not compile for a device of compute capability %d.%d",
                            capability / 10, capability % 10);
    *cubin = best == capability;
    snprintf(option, 40, "--gpu-architecture=%s_%d", *cubin ? "sm" : "compute", best);
    return DA_OK;
}

/* ---- the driver ---- */

static struct {
    cudaError_t status;
    CUresult (*module_load)(CUmodule *, const void *);
    CUresult (*get_function)(CUfunction *, CUmodule, const char *);
    CUresult (*launch)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                       CUstream, void **, void **);
    CUresult (*error_string)(CUresult, const char **);
} driver;

static void *entry_point(const char *name)
{
    void *p = NULL;
#if CUDART_VERSION >= 12050
    const cudaError_t e = cudaGetDriverEntryPointByVersion(name, &p, 11000, cudaEnableDefault, NULL);
#elif CUDART_VERSION >= 12000
    const cudaError_t e = cudaGetDriverEntryPoint(name, &p, cudaEnableDefault, NULL);
#else
    const cudaError_t e = cudaGetDriverEntryPoint(name, &p, cudaEnableDefault);
#endif
    if (e != cudaSuccess)
        driver.status = e;
    else if (!p)
        driver.status = cudaErrorSymbolNotFound;
    return p;
}

static void find_driver(void)
{
    *(void **)&driver.module_load = entry_point("cuModuleLoadData");
    *(void **)&driver.get_function = entry_point("cuModuleGetFunction");
    *(void **)&driver.launch = entry_point("cuLaunchKernel");
    *(void **)&driver.error_string = entry_point("cuGetErrorString");
}

static const char *driver_error(CUresult r)
{
    const char *text = NULL;

    return driver.error_string(r, &text) == CUDA_SUCCESS && text ? text : "unknown error";
}

/* ---- programs, by what they are made of ---- */

typedef struct program {
    struct program *next;
    da_device_key key; /* of the text and the device's number */
    enum { COMPILING, READY, FAILED } state;
    CUmodule module;
    char *failure; /* null: no memory for it */
} program;

enum { BUCKETS = 256 };
static program *programs[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t compiled = PTHREAD_COND_INITIALIZER;

/* The image of a program for a device: from the disk, if `cached`, or compiled. Null and the reason in `log` if that fails. */
static char *image_of(const char *source, const char *arch, bool cubin, bool *cached, char *log,
                      size_t log_size)
{
    da_device_key key = {{0}};
    int version[2] = {0, 0};
    void *image = NULL;
    size_t size;

    (void)nvrtcVersion(&version[0], &version[1]);
    key = da_device_hash(key, version, sizeof version);
    key = da_device_hash_text(key, arch);
    key = da_device_hash_text(key, da_dialect_cuda);
    key = da_device_hash_text(key, source);
    *cached = *cached && da_device_cache_get("cuda", key, &image, &size);
    if (*cached)
        return image;
    image = compile(source, arch, cubin, &size, log, log_size);
    if (image)
        (void)da_device_cache_put("cuda", key, image, size);
    return image;
}

/* Fills the program in; the failure in `log` if it cannot be. */
static bool make_program(program *p, const char *source, const char *arch, bool cubin, char *log)
{
    bool cached = true;
    char *image = image_of(source, arch, cubin, &cached, log, LOG_SIZE);
    CUresult r;

    if (!image)
        return false;
    r = driver.module_load(&p->module, image);
    free(image);
    if (r != CUDA_SUCCESS && cached) { /* the driver does not want what lay on the disk: compiled anew */
        cached = false;
        image = image_of(source, arch, cubin, &cached, log, LOG_SIZE);
        if (!image)
            return false;
        r = driver.module_load(&p->module, image);
        free(image);
    }
    if (r != CUDA_SUCCESS)
        snprintf(log, LOG_SIZE, "cuModuleLoadData: %s", driver_error(r));
    return r == CUDA_SUCCESS;
}

/* The program of this text on the current device; compiled by the first who asks, whom the others wait for. */
static da_status program_of(program **found, const da_call *call, const char *source)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    da_device_key key = {{0}};
    char option[40], log[LOG_SIZE];
    bool cubin = false;
    int device;
    program *p;

    CUDA_ASK(call, cudaFree, NULL); /* makes the device's context the thread's */
    pthread_once(&once, find_driver);
    if (driver.status != cudaSuccess)
        return cuda_fail(call, "cudaGetDriverEntryPoint", driver.status);
    CUDA_ASK(call, cudaGetDevice, &device);
    key = da_device_hash_text(da_device_hash(key, &device, sizeof device), source);
    program **const bucket = &programs[key.word[0] % BUCKETS];
    pthread_mutex_lock(&lock);
    for (p = *bucket; p; p = p->next)
        if (memcmp(&p->key, &key, sizeof key) == 0)
            break;
    while (p && p->state == COMPILING)
        pthread_cond_wait(&compiled, &lock);
    const bool first = !p;
    if (first && (p = calloc(1, sizeof *p)) != NULL) {
        p->key = key;
        p->next = *bucket;
        *bucket = p;
    }
    pthread_mutex_unlock(&lock);
    if (!p)
        return da_task_fail(call, "no memory for a program");
    if (first) {
        da_status status = architecture(call, device, option, &cubin);
        const bool made = status == DA_OK && make_program(p, source, option, cubin, log);

        if (status != DA_OK)
            snprintf(log, sizeof log, "its device's architecture is not known");
        pthread_mutex_lock(&lock);
        if (!made)
            p->failure = strdup(log);
        p->state = made ? READY : FAILED;
        pthread_cond_broadcast(&compiled);
        pthread_mutex_unlock(&lock);
        if (status != DA_OK) {
            cuda_outcome |= DA_REFUSED;
            return status;
        }
    }
    if (p->state == FAILED) {
        cuda_outcome |= DA_REFUSED;
        return da_task_fail(call, "the device's compiler: %s", p->failure ? p->failure : "no memory");
    }
    *found = p;
    return DA_OK;
}

da_status cuda_prepare(const da_call *call, const char *source)
{
    program *p;

    return program_of(&p, call, source);
}

da_status cuda_launch(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                      int nargs, const da_device_arg *args)
{
    void *params[2 * MOST_ARGS], *addresses[MOST_ARGS];
    long long offsets[MOST_ARGS];
    program *p = NULL;
    CUfunction function;
    CUresult r;
    int n = 0;

    if (groups == 0)
        return DA_OK;
    if (nargs > MOST_ARGS || groups < 0 || groups > INT32_MAX)
        return da_task_fail(call, "%s: %d arguments and %lld work-groups are too many", entry, nargs,
                            (long long)groups);
    DA_TRY(program_of(&p, call, source));
    r = driver.get_function(&function, p->module, entry);
    if (r != CUDA_SUCCESS)
        return da_task_fail(call, "cuModuleGetFunction of %s: %s", entry, driver_error(r));
    for (int i = 0; i < nargs; i++) {
        if (args[i].buffer) {
            addresses[i] = args[i].buffer->data;
            offsets[i] = args[i].buffer->offset;
            params[n++] = &addresses[i];
            params[n++] = &offsets[i];
        } else {
            params[n++] = (void *)(uintptr_t)args[i].value;
        }
    }
    cuda_outcome |= DA_LAUNCHED;
    r = driver.launch(function, (unsigned)groups, 1, 1, (unsigned)local, 1, 1, 0, call->queue, params, NULL);
    if (r != CUDA_SUCCESS)
        return da_task_fail(call, "launching %s: %s", entry, driver_error(r));
    return DA_OK;
}
