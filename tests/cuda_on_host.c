/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CUDA device that is not there: what codelets/cuda uses of the CUDA runtime, the driver, NVRTC, cuBLAS and cuSOLVER, on host memory, at
 * once, with OpenBLAS and LAPACKE, for LD_PRELOAD. A program is compiled by the host's C++ compiler ($CXX, else c++); work-items of
 * a kernel with barriers take turns, each until its next one. It tests what the module does with its libraries, not the libraries nor what
 * is asynchronous.
 */
#include "cuda_on_host.h"

#include <cblas.h>
#include <lapacke.h>

#include <cublas_v2.h>
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>
#include <nvrtc.h>

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern struct cuda_on_host cuda_on_host;
struct cuda_on_host cuda_on_host = {.capability = 90};

/* ---- the runtime ---- */

static _Thread_local int current;

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = cuda_on_host.first_is_taken ? 2 : 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = current;
    return cudaSuccess;
}

/* Whether what is asked of a device gets nowhere: it is brought up by the first such call, and another process has it. */
static bool is_taken(int device)
{
    return cuda_on_host.first_is_taken && device == 0;
}

cudaError_t cudaSetDevice(int device)
{
    int count;

    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    cuda_on_host.chooser = (unsigned long)pthread_self();
    if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count + cuda_on_host.more)
        return cudaErrorInvalidDevice;
    if (is_taken(device))
        return cudaErrorDevicesUnavailable;
    current = device;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    (void)device;
    switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = cuda_on_host.capability / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = cuda_on_host.capability % 10; break;
    case cudaDevAttrMultiProcessorCount: *value = 10; break;
    case cudaDevAttrClockRate: *value = 1000000; break; /* kHz */
    case cudaDevAttrSingleToDoublePrecisionPerfRatio: *value = 32; break;
    default: return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

/* In front of a piece of memory; so large that the piece is aligned. */
typedef union head {
    struct {
        bool plain; /* from cudaMalloc */
        size_t size;
    } is;
    char bytes[64];
} head;

/* Behind it, where nobody is to write. */
static const char guard[64] = "behind a piece of the pretended device's memory";

/* Whether this call is one of those that are to fail. */
static bool fails(int *left)
{
    return *left > 0 && (*left)-- > 0;
}

/* NaN in what was not written yet */
static cudaError_t allocate(void **p, size_t size, bool plain)
{
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    head *const h = malloc(sizeof *h + size + sizeof guard);
    if (!h)
        return cudaErrorMemoryAllocation;
    h->is.plain = plain;
    h->is.size = size;
    *p = h + 1;
    memset(*p, 0xff, size);
    memcpy((char *)*p + size, guard, sizeof guard);
    return cudaSuccess;
}

static void release(void *p)
{
    head *const h = (head *)p - 1;

    if (memcmp((char *)p + h->is.size, guard, sizeof guard) != 0) {
        fprintf(stderr, "cuda_on_host: something was written behind a piece of %zu bytes\n", h->is.size);
        abort();
    }
    free(h);
}

cudaError_t cudaMalloc(void **p, size_t size)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    return fails(&cuda_on_host.no_plain) ? cudaErrorMemoryAllocation : allocate(p, size, true);
}

cudaError_t cudaFree(void *p)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    if (p) {
        cuda_on_host.frees_plain++;
        release(p);
    }
    return cudaSuccess;
}

cudaError_t cudaMallocAsync(void **p, size_t size, cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)stream;
    return fails(&cuda_on_host.no_async) ? cudaErrorMemoryAllocation : allocate(p, size, false);
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)stream;
    if (!p || ((head *)p - 1)->is.plain)
        return cudaErrorInvalidValue;
    cuda_on_host.frees_async++;
    release(p);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **p, size_t size, unsigned flags)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)flags;
    return allocate(p, size, true);
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t size, enum cudaMemcpyKind kind)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)kind;
    memcpy(dst, src, size);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t size, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    (void)stream;
    return cudaMemcpy(dst, src, size, kind);
}

cudaError_t cudaMemcpy2DAsync(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width,
                              size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)kind, (void)stream;
    for (size_t i = 0; i < height; i++)
        memcpy((char *)dst + i * dst_pitch, (const char *)src + i * src_pitch, width);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    *stream = calloc(1, 1);
    return *stream ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)stream;
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    return cudaSuccess;
}

/* What StarPU wants besides. Everything is done when it is asked for, so every event has come. */

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    (void)device;
    memset(properties, 0, sizeof *properties);
    strcpy(properties->name, "a host that pretends");
    properties->totalGlobalMem = (size_t)1 << 30;
    properties->major = 9;
    properties->concurrentKernels = 1;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    *available = *total = (size_t)1 << 30;
    return cudaSuccess;
}

cudaError_t cudaMemset(void *p, int byte, size_t size)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    memset(p, byte, size);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int byte, size_t size, cudaStream_t stream)
{
    (void)stream;
    return cudaMemset(p, byte, size);
}

cudaError_t cudaMemset2DAsync(void *p, size_t pitch, int byte, size_t width, size_t height,
                              cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)stream;
    for (size_t i = 0; i < height; i++)
        memset((char *)p + i * pitch, byte, width);
    return cudaSuccess;
}

cudaError_t cudaMemcpy2D(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width,
                         size_t height, enum cudaMemcpyKind kind)
{
    return cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, height, kind, NULL);
}

cudaError_t cudaFreeHost(void *p)
{
    return cudaFree(p);
}

/* Locked ranges, which must not overlap. With CUDA_ON_HOST_PINS in the environment their numbers are told at the end. */
static struct {
    pthread_mutex_t lock;
    struct {
        uintptr_t at;
        size_t size;
        unsigned flags;
    } range[4096];
    int n, made, unmade, refused;
} locked = {.lock = PTHREAD_MUTEX_INITIALIZER};

cudaError_t cudaHostRegister(void *p, size_t size, unsigned flags)
{
    const uintptr_t at = (uintptr_t)p;
    cudaError_t error = size == 0 ? cudaErrorInvalidValue : cudaSuccess;

    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    pthread_mutex_lock(&locked.lock);
    for (int i = 0; i < locked.n; i++)
        if (at < locked.range[i].at + locked.range[i].size && locked.range[i].at < at + size)
            error = cudaErrorHostMemoryAlreadyRegistered;
    if (error == cudaSuccess && locked.n == sizeof locked.range / sizeof locked.range[0])
        error = cudaErrorMemoryAllocation;
    if (error == cudaSuccess) {
        locked.range[locked.n].at = at;
        locked.range[locked.n].flags = flags;
        locked.range[locked.n++].size = size;
    }
    *(error == cudaSuccess ? &locked.made : &locked.refused) += 1;
    pthread_mutex_unlock(&locked.lock);
    return error;
}

cudaError_t cudaHostUnregister(void *p)
{
    cudaError_t error = cudaErrorHostMemoryNotRegistered;

    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    pthread_mutex_lock(&locked.lock);
    for (int i = 0; i < locked.n; i++)
        if (locked.range[i].at == (uintptr_t)p) {
            locked.range[i] = locked.range[--locked.n];
            error = cudaSuccess;
            break;
        }
    *(error == cudaSuccess ? &locked.unmade : &locked.refused) += 1;
    pthread_mutex_unlock(&locked.lock);
    return error;
}

/* Of ranges' beginnings alone. */
cudaError_t cudaHostGetDevicePointer(void **there, void *p, unsigned flags)
{
    cudaError_t error = cudaErrorInvalidValue;

    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    if (is_taken(current))
        return cudaErrorDevicesUnavailable;
    pthread_mutex_lock(&locked.lock);
    for (int i = 0; i < locked.n && flags == 0; i++)
        if (locked.range[i].at == (uintptr_t)p && locked.range[i].flags & cudaHostRegisterMapped) {
            *there = (char *)p + (cuda_on_host.elsewhere ? 1 << 12 : 0);
            error = cudaSuccess;
        }
    pthread_mutex_unlock(&locked.lock);
    return error;
}

__attribute__((destructor)) static void tell_locked(void)
{
    if (getenv("CUDA_ON_HOST_PINS"))
        fprintf(stderr, "cuda_on_host: %d ranges locked, %d unlocked, %d calls refused\n", locked.made,
                locked.unmade, locked.refused);
}

cudaError_t cudaDeviceReset(void)
{
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer)
{
    (void)device, (void)peer;
    *can = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    return cudaStreamCreate(stream);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    free(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)stream;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)flags;
    *event = calloc(1, 1);
    return *event ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)event, (void)stream;
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)event;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (cuda_on_host.lost)
        return cudaErrorLaunchFailure;
    (void)event;
    return cudaSuccess;
}

/* ---- NVRTC: the text is the image ---- */

nvrtcResult nvrtcVersion(int *major, int *minor)
{
    *major = *minor = 0;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetNumSupportedArchs(int *n)
{
    *n = 1;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int *archs)
{
    *archs = 90;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *text, const char *name, int nheaders,
                               const char *const *headers, const char *const *names)
{
    (void)name, (void)nheaders, (void)headers, (void)names;
    *program = (nvrtcProgram)(void *)strdup(text);
    return *program ? NVRTC_SUCCESS : NVRTC_ERROR_OUT_OF_MEMORY;
}

static bool program_refused(void)
{
    return cuda_on_host.refused_from > 0 && cuda_on_host.programs + 1 >= cuda_on_host.refused_from;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int noptions, const char *const *options)
{
    (void)program, (void)noptions, (void)options;
    return program_refused() ? NVRTC_ERROR_BUILTIN_OPERATION_FAILURE : NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *size)
{
    *size = strlen((const char *)program) + 1;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *image)
{
    strcpy(image, (const char *)program);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program)
{
    free(*program);
    return NVRTC_SUCCESS;
}

/* ---- the driver ---- */

typedef void (*launcher)(void (*kernel)(void **), void **params, unsigned groups, unsigned local);
typedef struct entry {
    void (*kernel)(void **params);
    launcher launch;
} entry;

static const char before[] =
    "#define __global__\n#define __shared__ static\n#define __device__\n#define __forceinline__ inline\n"
    "#include <cmath>\n#include <cstdio>\n#include <cstdlib>\n#include <tuple>\n#include <type_traits>\n"
    "#include <ucontext.h>\n#include <utility>\n"
    "struct index_t { unsigned x; };\n"
    "static index_t threadIdx, blockIdx, blockDim;\n"
    "enum { MOST_LANES_ = 256, STACK_ = 1 << 16 };\n"
    "static ucontext_t lanes_[MOST_LANES_], end_;\n"
    "static unsigned ended_;\n"
    "static void parted_() { fputs(\"cuda_on_host: not every lane comes to a barrier\\n\", stderr); abort(); "
    "}\n"
    "static void __syncthreads()\n"
    "{\n"
    "    const unsigned me = threadIdx.x, next = (me + 1) % blockDim.x;\n"
    "    if (ended_) parted_();\n"
    "    threadIdx.x = next;\n"
    "    if (next != me) swapcontext(&lanes_[me], &lanes_[next]);\n"
    "}\n"
    "static inline double __longlong_as_double(long long w) { return __builtin_bit_cast(double, w); }\n"
    "static inline float __uint_as_float(unsigned w) { return __builtin_bit_cast(float, w); }\n"
    "#define random random_\n"; /* stdlib.h has a function of a kernel's name */
static const char after[] =
    "template <class... A, size_t... I> static void call_(void (*f)(A...), void **p, "
    "std::index_sequence<I...>)\n"
    "{ f(*static_cast<std::remove_reference_t<A> *>(p[I])...); }\n"
    "template <class... A> static void call_(void (*f)(A...), void **p)\n"
    "{ call_(f, p, std::index_sequence_for<A...>()); }\n"
    "static void (*kernel_)(void **); static void **params_;\n"
    "static void lane_() { kernel_(params_); ended_++; threadIdx.x++; }\n"
    "extern \"C\" void launch_(void (*kernel)(void **), void **params, unsigned groups, unsigned local)\n"
    "{\n"
    "    blockDim.x = local;\n"
    "    for (unsigned g = 0; g < groups; g++) {\n"
    "        blockIdx.x = g;\n"
    "        if (HAS_BARRIER) {\n"
    "            static char stacks[MOST_LANES_][STACK_];\n"
    "            if (local > MOST_LANES_) abort();\n"
    "            kernel_ = kernel; params_ = params; threadIdx.x = ended_ = 0;\n"
    "            for (unsigned i = 0; i < local; i++) {\n"
    "                getcontext(&lanes_[i]);\n"
    "                lanes_[i].uc_stack.ss_sp = stacks[i];\n"
    "                lanes_[i].uc_stack.ss_size = STACK_;\n"
    "                lanes_[i].uc_link = i + 1 < local ? &lanes_[i + 1] : &end_;\n"
    "                makecontext(&lanes_[i], lane_, 0);\n"
    "            }\n"
    "            swapcontext(&end_, &lanes_[0]);\n"
    "            if (ended_ != local) parted_();\n"
    "        } else {\n"
    "            for (unsigned i = 0; i < local; i++) { threadIdx.x = i; kernel(params); }\n"
    "        }\n"
    "    }\n"
    "}\n";

static CUmodule compile(const char *text)
{
    const char *const cxx = getenv("CXX");
    const char *const program = strstr(text, "typedef"); /* the prelude's macros are past */
    char folder[] = "/tmp/cuda-on-host-XXXXXX", path[80], library[80], command[400];

    if (!program || !mkdtemp(folder))
        return NULL;
    snprintf(path, sizeof path, "%s/p.cpp", folder);
    snprintf(library, sizeof library, "%s/p.so", folder);
    FILE *const file = fopen(path, "w");
    if (!file)
        return NULL;
    fprintf(file, "%s%s\n#define HAS_BARRIER %d\n%s", before, text, strstr(program, "BARRIER()") != NULL,
            after);
    for (const char *k = strstr(program, "KERNEL("); k; k = strstr(k + 1, "KERNEL(")) {
        const int length = (int)strcspn(k + 7, ")");
        fprintf(file, "extern \"C\" void run_%.*s(void **p) { call_(%.*s, p); }\n", length, k + 7, length,
                k + 7);
    }
    fclose(file);
    snprintf(command, sizeof command,
             "LD_PRELOAD= %s -std=c++17 -w -O1 -ffp-contract=off -fPIC -shared -o %s %s", cxx ? cxx : "c++",
             library, path);
    const int failed = system(command);
    const CUmodule module = failed ? NULL : dlopen(library, RTLD_NOW | RTLD_LOCAL);
    unlink(library);
    if (!failed) {
        unlink(path);
        rmdir(folder);
    }
    return module;
}

/* A text is compiled once, for all devices. Never freed, nor are functions: there are a handful. */
static CUresult module_load(CUmodule *module, const void *image)
{
    typedef struct known {
        struct known *next;
        char *text;
        CUmodule module;
    } known;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static known *all;

    if (program_refused())
        return CUDA_ERROR_INVALID_IMAGE;
    pthread_mutex_lock(&lock);
    known *k = all;
    while (k && strcmp(k->text, image) != 0)
        k = k->next;
    if (!k && (k = calloc(1, sizeof *k)) != NULL) {
        k->text = strdup(image);
        k->module = k->text ? compile(image) : NULL;
        if (k->module) {
            k->next = all;
            all = k;
        }
    }
    *module = k ? k->module : NULL;
    cuda_on_host.programs += *module != NULL;
    pthread_mutex_unlock(&lock);
    return *module ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

static CUresult get_function(CUfunction *function, CUmodule module, const char *name)
{
    char symbol[100];
    entry *const e = calloc(1, sizeof *e);

    snprintf(symbol, sizeof symbol, "run_%s", name);
    if (!e)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *(void **)&e->kernel = dlsym(module, symbol);
    *(void **)&e->launch = dlsym(module, "launch_");
    *function = (CUfunction)(void *)e;
    return e->kernel && e->launch ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult launch(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                       unsigned bz, unsigned shared, CUstream stream, void **params, void **extra)
{
    const entry *const e = (const void *)function;

    (void)stream;
    if (gx == 0 || gy != 1 || gz != 1 || bx == 0 || by != 1 || bz != 1 || shared != 0 || extra)
        return CUDA_ERROR_INVALID_VALUE;
    if (cuda_on_host.lost)
        return CUDA_ERROR_LAUNCH_FAILED;
    if (cuda_on_host.sound_launches > 0 && --cuda_on_host.sound_launches == 0)
        cuda_on_host.lost = 1;
    else
        e->launch(e->kernel, params, gx, bx);
    return CUDA_SUCCESS;
}

static CUresult error_string(CUresult error, const char **text)
{
    (void)error;
    *text = "not on this device";
    return CUDA_SUCCESS;
}

static cudaError_t find(const char *name, void **p)
{
    *p = NULL;
    if (strcmp(name, "cuModuleLoadData") == 0)
        *p = (void *)(uintptr_t)module_load;
    else if (strcmp(name, "cuModuleGetFunction") == 0)
        *p = (void *)(uintptr_t)get_function;
    else if (strcmp(name, "cuLaunchKernel") == 0)
        *p = (void *)(uintptr_t)launch;
    else if (strcmp(name, "cuGetErrorString") == 0)
        *p = (void *)(uintptr_t)error_string;
    return cudaSuccess;
}

#if CUDART_VERSION >= 12050
cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **p, unsigned version,
                                             unsigned long long flags,
                                             enum cudaDriverEntryPointQueryResult *result)
{
    (void)version, (void)flags, (void)result;
    return find(name, p);
}
#elif CUDART_VERSION >= 12000
cudaError_t cudaGetDriverEntryPoint(const char *name, void **p, unsigned long long flags,
                                    enum cudaDriverEntryPointQueryResult *result)
{
    (void)flags, (void)result;
    return find(name, p);
}
#else
cudaError_t cudaGetDriverEntryPoint(const char *name, void **p, unsigned long long flags)
{
    (void)flags;
    return find(name, p);
}
#endif

/* ---- cuBLAS and cuSOLVER ---- */

/* LAPACKE looks for NaN first, and leaves a matrix that has one as it was. */
__attribute__((constructor)) static void compute_with_nan(void)
{
    LAPACKE_set_nancheck(0);
}

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    *handle = fails(&cuda_on_host.no_blas) ? NULL : calloc(1, 1);
    return *handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    (void)handle, (void)stream;
    return CUBLAS_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *handle)
{
    *handle = fails(&cuda_on_host.no_solver) ? NULL : calloc(1, 1);
    return *handle ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_ALLOC_FAILED;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    free(handle);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream)
{
    (void)handle, (void)stream;
    return CUSOLVER_STATUS_SUCCESS;
}

static CBLAS_TRANSPOSE op(cublasOperation_t o)
{
    return o == CUBLAS_OP_N ? CblasNoTrans : o == CUBLAS_OP_T ? CblasTrans : CblasConjTrans;
}

static CBLAS_UPLO fill(cublasFillMode_t f)
{
    return f == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper;
}

/* How cblas takes a scalar: real ones by value. */
#define VALUE(x) (*(x))
#define POINTER(x) (x)

#define ROUTINES(L, l, T, R, S, rank, C, he)                                                                 \
    cublasStatus_t cublas##L##gemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,   \
                                      int n, int k, const T *alpha, const T *a, int lda, const T *b,         \
                                      int ldb, const T *beta, T *c, int ldc)                                 \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##gemm(CblasColMajor, op(ta), op(tb), m, n, k, S(alpha), (const void *)a, lda,              \
                        (const void *)b, ldb, S(beta), (void *)c, ldc);                                      \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cublasStatus_t cublas##L##gemmStridedBatched(                                                            \
        cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const T *alpha,   \
        const T *a, int lda, long long sa, const T *b, int ldb, long long sb, const T *beta, T *c, int ldc,  \
        long long sc, int count)                                                                             \
    {                                                                                                        \
        for (int i = 0; i < count; i++)                                                                      \
            cublas##L##gemm_v2(h, ta, tb, m, n, k, alpha, a + i * sa, lda, b + i * sb, ldb, beta,            \
                               c + i * sc, ldc);                                                             \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cublasStatus_t cublas##L##trsm_v2(cublasHandle_t h, cublasSideMode_t side, cublasFillMode_t uplo,        \
                                      cublasOperation_t trans, cublasDiagType_t diag, int m, int n,          \
                                      const T *alpha, const T *t, int ldt, T *b, int ldb)                    \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##trsm(CblasColMajor, side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight, fill(uplo),        \
                        op(trans), diag == CUBLAS_DIAG_UNIT ? CblasUnit : CblasNonUnit, m, n, S(alpha),      \
                        (const void *)t, ldt, (void *)b, ldb);                                               \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cublasStatus_t cublas##L##rank##_v2(cublasHandle_t h, cublasFillMode_t uplo, cublasOperation_t trans,    \
                                        int n, int k, const R *alpha, const T *a, int lda, const R *beta,    \
                                        T *c, int ldc)                                                       \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##rank(CblasColMajor, fill(uplo), op(trans), n, k, *alpha, (const void *)a, lda, *beta,     \
                        (void *)c, ldc);                                                                     \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    /* what the module needs of it: c = alpha a + beta b of the same places, alpha 1, beta -1 */             \
    cublasStatus_t cublas##L##geam(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,      \
                                   int n, const T *alpha, const T *a, int lda, const T *beta, const T *b,    \
                                   int ldb, T *c, int ldc)                                                   \
    {                                                                                                        \
        (void)h;                                                                                             \
        if (a != c || lda != ldc || ta != CUBLAS_OP_N || tb != CUBLAS_OP_N || *(const R *)alpha != 1)        \
            return CUBLAS_STATUS_NOT_SUPPORTED;                                                              \
        for (int j = 0; j < n; j++)                                                                          \
            cblas_##l##axpy(m, S(beta), (const void *)(b + (ptrdiff_t)j * ldb), 1,                           \
                            (void *)(c + (ptrdiff_t)j * ldc), 1);                                            \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##potrf_bufferSize(cusolverDnHandle_t h, cublasFillMode_t uplo, int n,     \
                                                     T *a, int lda, int *size)                               \
    {                                                                                                        \
        (void)h, (void)uplo, (void)n, (void)a, (void)lda;                                                    \
        *size = 1;                                                                                           \
        return fails(&cuda_on_host.no_size) ? CUSOLVER_STATUS_INVALID_VALUE : CUSOLVER_STATUS_SUCCESS;       \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##potrf(cusolverDnHandle_t h, cublasFillMode_t uplo, int n, T *a, int lda, \
                                          T *work, int size, int *info)                                      \
    {                                                                                                        \
        (void)h, (void)work, (void)size;                                                                     \
        if (fails(&cuda_on_host.no_potrf))                                                                   \
            return CUSOLVER_STATUS_ARCH_MISMATCH;                                                            \
        *info = LAPACKE_##l##potrf(LAPACK_COL_MAJOR, uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U', n, (C *)a,  \
                                   lda);                                                                     \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##getrf_bufferSize(cusolverDnHandle_t h, int m, int n, T *a, int lda,      \
                                                     int *size)                                              \
    {                                                                                                        \
        (void)h, (void)m, (void)n, (void)a, (void)lda;                                                       \
        *size = 1;                                                                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##getrf(cusolverDnHandle_t h, int m, int n, T *a, int lda, T *work,        \
                                          int *rows, int *info)                                              \
    {                                                                                                        \
        bool nan = false;                                                                                    \
        C *const p = (C *)a;                                                                                 \
        (void)h, (void)work;                                                                                 \
        if (!rows) { /* no exchanges */                                                                      \
            *info = 0;                                                                                       \
            for (ptrdiff_t k = 0; k < n && k < m; k++) {                                                     \
                const C pivot = p[k + k * lda];                                                              \
                *info = pivot == 0 && *info == 0 ? (int)k + 1 : *info;                                       \
                for (ptrdiff_t i = k + 1; i < m; i++)                                                        \
                    p[i + k * lda] /= pivot == 0 ? 1 : pivot;                                                \
                for (ptrdiff_t j = k + 1; j < n; j++)                                                        \
                    for (ptrdiff_t i = k + 1; i < m; i++)                                                    \
                        p[i + j * lda] -= p[i + k * lda] * p[k + j * lda];                                   \
            }                                                                                                \
            return CUSOLVER_STATUS_SUCCESS;                                                                  \
        }                                                                                                    \
        *info = LAPACKE_##l##getrf_work(LAPACK_COL_MAJOR, m, n, (C *)a, lda, rows);                          \
        /* nothing is promised of the pivots beside a NaN */                                                 \
        for (int j = 0; j < n && j < m; j++) {                                                               \
            const R *parts = (const R *)(const void *)(a + (ptrdiff_t)j * lda);                              \
            for (size_t i = 0; i < (size_t)m * sizeof(T) / sizeof(R); i++)                                   \
                nan = nan || parts[i] != parts[i];                                                           \
            if (nan)                                                                                         \
                rows[j] = j % 2 ? 0 : INT_MAX;                                                               \
        }                                                                                                    \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##sytrf_bufferSize(cusolverDnHandle_t h, int n, T *a, int lda, int *size)  \
    {                                                                                                        \
        (void)h, (void)a, (void)lda;                                                                         \
        *size = n;                                                                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##sytrf(cusolverDnHandle_t h, cublasFillMode_t uplo, int n, T *a, int lda, \
                                          int *rows, T *work, int size, int *info)                           \
    {                                                                                                        \
        (void)h;                                                                                             \
        *info = LAPACKE_##l##sytrf_work(LAPACK_COL_MAJOR, uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U', n,     \
                                        (C *)a, lda, rows, (C *)work, size);                                 \
        for (int j = 0; j < n; j++) { /* nor is anything of these */                                         \
            const R *const d = (const R *)(const void *)(a + j + (ptrdiff_t)j * lda);                        \
            if (*d != *d)                                                                                    \
                rows[j] = j % 3 == 0 ? 0 : j % 3 == 1 ? INT_MIN : -1;                                        \
        }                                                                                                    \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##geqrf_bufferSize(cusolverDnHandle_t h, int m, int n, T *a, int lda,      \
                                                     int *size)                                              \
    {                                                                                                        \
        (void)h, (void)m, (void)n, (void)a, (void)lda;                                                       \
        *size = 1;                                                                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##geqrf(cusolverDnHandle_t h, int m, int n, T *a, int lda, T *tau,         \
                                          T *work, int size, int *info)                                      \
    {                                                                                                        \
        (void)h, (void)work, (void)size;                                                                     \
        *info = LAPACKE_##l##geqrf(LAPACK_COL_MAJOR, m, n, (C *)a, lda, (C *)tau);                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##he##_bufferSize(cusolverDnHandle_t h, cusolverEigMode_t mode,            \
                                                    cublasFillMode_t uplo, int n, const T *a, int lda,       \
                                                    const R *w, int *size)                                   \
    {                                                                                                        \
        (void)h, (void)mode, (void)uplo, (void)n, (void)a, (void)lda, (void)w;                               \
        *size = 1;                                                                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##he(cusolverDnHandle_t h, cusolverEigMode_t mode, cublasFillMode_t uplo,  \
                                       int n, T *a, int lda, R *w, T *work, int size, int *info)             \
    {                                                                                                        \
        (void)h, (void)work, (void)size;                                                                     \
        *info = LAPACKE_##l##he(LAPACK_COL_MAJOR, mode == CUSOLVER_EIG_MODE_VECTOR ? 'V' : 'N',              \
                                uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U', n, (C *)a, lda, w);              \
        if (fails(&cuda_on_host.not_converged))                                                              \
            *info = 2;                                                                                       \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##gesvd_bufferSize(cusolverDnHandle_t h, int m, int n, int *size)          \
    {                                                                                                        \
        (void)h;                                                                                             \
        *size = 1;                                                                                           \
        return m >= n ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_INVALID_VALUE;                             \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##gesvd(cusolverDnHandle_t h, signed char job_u, signed char job_vt,       \
                                          int m, int n, T *a, int lda, R *s, T *u, int ldu, T *vt, int ldvt, \
                                          T *work, int size, R *rwork, int *info)                            \
    {                                                                                                        \
        (void)h, (void)work, (void)size;                                                                     \
        if (m < n)                                                                                           \
            return CUSOLVER_STATUS_INVALID_VALUE;                                                            \
        *info = LAPACKE_##l##gesvd(LAPACK_COL_MAJOR, (char)job_u, (char)job_vt, m, n, (C *)a, lda, s,        \
                                   (C *)u, ldu, (C *)vt, ldvt, rwork);                                       \
        if (fails(&cuda_on_host.not_converged))                                                              \
            *info = 2;                                                                                       \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }

/* symmetric (kind sy) or Hermitian (he): mm, rank k and rank 2k, where K is the type of beta, SK how cblas takes it */
#define SYMMETRIC(L, l, T, kind, K, S, SK)                                                                   \
    cublasStatus_t cublas##L##kind##mm_v2(cublasHandle_t h, cublasSideMode_t side, cublasFillMode_t uplo,    \
                                          int m, int n, const T *alpha, const T *a, int lda, const T *b,     \
                                          int ldb, const T *beta, T *c, int ldc)                             \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##kind##mm(CblasColMajor, side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight, fill(uplo), m, \
                            n, S(alpha), (const void *)a, lda, (const void *)b, ldb, S(beta), (void *)c,     \
                            ldc);                                                                            \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cublasStatus_t cublas##L##kind##r2k_v2(cublasHandle_t h, cublasFillMode_t uplo, cublasOperation_t trans, \
                                           int n, int k, const T *alpha, const T *a, int lda, const T *b,    \
                                           int ldb, const K *beta, T *c, int ldc)                            \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##kind##r2k(CblasColMajor, fill(uplo), op(trans), n, k, S(alpha), (const void *)a, lda,     \
                             (const void *)b, ldb, SK(beta), (void *)c, ldc);                                \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }

#define SYRK(L, l, T)                                                                                        \
    cublasStatus_t cublas##L##syrk_v2(cublasHandle_t h, cublasFillMode_t uplo, cublasOperation_t trans,      \
                                      int n, int k, const T *alpha, const T *a, int lda, const T *beta,      \
                                      T *c, int ldc)                                                         \
    {                                                                                                        \
        (void)h;                                                                                             \
        cblas_##l##syrk(CblasColMajor, fill(uplo), op(trans), n, k, alpha, a, lda, beta, c, ldc);            \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }

/* in place, as the module has it */
#define TRMM(L, l, T, S)                                                                                     \
    cublasStatus_t cublas##L##trmm_v2(cublasHandle_t h, cublasSideMode_t side, cublasFillMode_t uplo,        \
                                      cublasOperation_t trans, cublasDiagType_t diag, int m, int n,          \
                                      const T *alpha, const T *t, int ldt, const T *b, int ldb, T *c,        \
                                      int ldc)                                                               \
    {                                                                                                        \
        (void)h;                                                                                             \
        if (b != c || ldb != ldc)                                                                            \
            return CUBLAS_STATUS_NOT_SUPPORTED;                                                              \
        cblas_##l##trmm(CblasColMajor, side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight, fill(uplo),        \
                        op(trans), diag == CUBLAS_DIAG_UNIT ? CblasUnit : CblasNonUnit, m, n, S(alpha),      \
                        (const void *)t, ldt, (void *)c, ldc);                                               \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }

#define TRIDIAGONAL(L, l, T, R, C, hetrd)                                                                    \
    cusolverStatus_t cusolverDn##L##hetrd##_bufferSize(cusolverDnHandle_t h, cublasFillMode_t uplo, int n,   \
                                                       const T *a, int lda, const R *d, const R *e,          \
                                                       const T *tau, int *size)                              \
    {                                                                                                        \
        (void)h, (void)uplo, (void)a, (void)lda, (void)d, (void)e, (void)tau;                                \
        *size = n;                                                                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }                                                                                                        \
    cusolverStatus_t cusolverDn##L##hetrd(cusolverDnHandle_t h, cublasFillMode_t uplo, int n, T *a, int lda, \
                                          R *d, R *e, T *tau, T *work, int size, int *info)                  \
    {                                                                                                        \
        (void)h;                                                                                             \
        *info = LAPACKE_##l##hetrd##_work(LAPACK_COL_MAJOR, uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U', n,   \
                                          (C *)a, lda, d, e, (C *)tau, (C *)work, size);                     \
        return CUSOLVER_STATUS_SUCCESS;                                                                      \
    }

/* y = alpha op(a) x + beta y; what y has is not read where beta is 0 */
#define TIMES_VECTOR(L, l, T, S, hemv)                                                                       \
    static void start_##l(int n, T *y, int incy, const T *beta)                                              \
    {                                                                                                        \
        static const T zero;                                                                                 \
        for (int i = 0; i < n && memcmp(beta, &zero, sizeof zero) == 0; i++)                                 \
            y[(ptrdiff_t)i * incy] = zero;                                                                   \
    }                                                                                                        \
    cublasStatus_t cublas##L##gemv_v2(cublasHandle_t h, cublasOperation_t trans, int m, int n,               \
                                      const T *alpha, const T *a, int lda, const T *x, int incx,             \
                                      const T *beta, T *y, int incy)                                         \
    {                                                                                                        \
        (void)h;                                                                                             \
        start_##l(trans == CUBLAS_OP_N ? m : n, y, incy, beta);                                              \
        cblas_##l##gemv(CblasColMajor, op(trans), m, n, S(alpha), (const void *)a, lda, (const void *)x,     \
                        incx, S(beta), (void *)y, incy);                                                     \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }                                                                                                        \
    cublasStatus_t cublas##L##hemv##_v2(cublasHandle_t h, cublasFillMode_t uplo, int n, const T *alpha,      \
                                        const T *a, int lda, const T *x, int incx, const T *beta, T *y,      \
                                        int incy)                                                            \
    {                                                                                                        \
        (void)h;                                                                                             \
        start_##l(n, y, incy, beta);                                                                         \
        cblas_##l##hemv(CblasColMajor, fill(uplo), n, S(alpha), (const void *)a, lda, (const void *)x, incx, \
                        S(beta), (void *)y, incy);                                                           \
        return CUBLAS_STATUS_SUCCESS;                                                                        \
    }

ROUTINES(S, s, float, float, VALUE, syrk, float, syevd)
ROUTINES(D, d, double, double, VALUE, syrk, double, syevd)
ROUTINES(C, c, cuComplex, float, POINTER, herk, lapack_complex_float, heevd)
ROUTINES(Z, z, cuDoubleComplex, double, POINTER, herk, lapack_complex_double, heevd)

SYMMETRIC(S, s, float, sy, float, VALUE, VALUE)
SYMMETRIC(D, d, double, sy, double, VALUE, VALUE)
SYMMETRIC(C, c, cuComplex, sy, cuComplex, POINTER, POINTER)
SYMMETRIC(Z, z, cuDoubleComplex, sy, cuDoubleComplex, POINTER, POINTER)
SYMMETRIC(C, c, cuComplex, he, float, POINTER, VALUE)
SYMMETRIC(Z, z, cuDoubleComplex, he, double, POINTER, VALUE)
SYRK(C, c, cuComplex)
SYRK(Z, z, cuDoubleComplex)
TRMM(S, s, float, VALUE)
TRMM(D, d, double, VALUE)
TRMM(C, c, cuComplex, POINTER)
TRMM(Z, z, cuDoubleComplex, POINTER)
TIMES_VECTOR(S, s, float, VALUE, symv)
TIMES_VECTOR(D, d, double, VALUE, symv)
TIMES_VECTOR(C, c, cuComplex, POINTER, hemv)
TIMES_VECTOR(Z, z, cuDoubleComplex, POINTER, hemv)
TRIDIAGONAL(S, s, float, float, float, sytrd)
TRIDIAGONAL(D, d, double, double, double, sytrd)
TRIDIAGONAL(C, c, cuComplex, float, lapack_complex_float, hetrd)
TRIDIAGONAL(Z, z, cuDoubleComplex, double, lapack_complex_double, hetrd)

cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t *params)
{
    *params = calloc(1, 1);
    return *params ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_ALLOC_FAILED;
}

cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params)
{
    free(params);
    return CUSOLVER_STATUS_SUCCESS;
}

#if CUSOLVER_VERSION >= 11701
enum { GEEV_DEVICE = 300, GEEV_HOST = 500 };

/* Right vectors alone, with complex values of a real matrix, too, as the module has it. */
cusolverStatus_t cusolverDnXgeev_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t params,
                                            cusolverEigMode_t left, cusolverEigMode_t right, int64_t n,
                                            cudaDataType a_type, const void *a, int64_t lda,
                                            cudaDataType w_type, const void *w, cudaDataType vl_type,
                                            const void *vl, int64_t ldvl, cudaDataType vr_type,
                                            const void *vr, int64_t ldvr, cudaDataType type, size_t *device,
                                            size_t *host)
{
    const bool single = a_type == CUDA_R_32F || a_type == CUDA_C_32F;

    (void)h, (void)vl;
    *device = GEEV_DEVICE;
    *host = GEEV_HOST;
    return params && a && w && left == CUSOLVER_EIG_MODE_NOVECTOR && lda >= n && ldvl >= 1 &&
                   ldvr >= (right == CUSOLVER_EIG_MODE_VECTOR ? n : 1) &&
                   (right == CUSOLVER_EIG_MODE_NOVECTOR || vr) && vl_type == a_type && vr_type == a_type &&
                   type == a_type && w_type == (single ? CUDA_C_32F : CUDA_C_64F)
               ? CUSOLVER_STATUS_SUCCESS
               : CUSOLVER_STATUS_INVALID_VALUE;
}

#define REAL_GEEV(l, R)                                                                                      \
    static int l##geev(char job, int n, void *a, int lda, R *w, void *v, int ldv)                            \
    {                                                                                                        \
        R *const re = calloc(2 * (size_t)n, sizeof *re), *const im = re + n;                                 \
        const int info = LAPACKE_##l##geev(LAPACK_COL_MAJOR, 'N', job, n, a, lda, re, im, NULL, 1, v, ldv);  \
        for (int i = 0; i < n; i++) {                                                                        \
            w[2 * i] = re[i];                                                                                \
            w[2 * i + 1] = im[i];                                                                            \
        }                                                                                                    \
        free(re);                                                                                            \
        return info;                                                                                         \
    }
REAL_GEEV(s, float)
REAL_GEEV(d, double)

cusolverStatus_t cusolverDnXgeev(cusolverDnHandle_t h, cusolverDnParams_t params, cusolverEigMode_t left,
                                 cusolverEigMode_t right, int64_t n, cudaDataType a_type, void *a,
                                 int64_t lda, cudaDataType w_type, void *w, cudaDataType vl_type, void *vl,
                                 int64_t ldvl, cudaDataType vr_type, void *vr, int64_t ldvr,
                                 cudaDataType type, void *device, size_t device_bytes, void *host,
                                 size_t host_bytes, int *info)
{
    const char job = right == CUSOLVER_EIG_MODE_VECTOR ? 'V' : 'N';
    const int order = (int)n, ld = (int)lda, ldv = (int)ldvr;
    size_t device_least, host_least;
    const cusolverStatus_t status =
        cusolverDnXgeev_bufferSize(h, params, left, right, n, a_type, a, lda, w_type, w, vl_type, vl, ldvl,
                                   vr_type, vr, ldvr, type, &device_least, &host_least);

    if (status != CUSOLVER_STATUS_SUCCESS || device_bytes < device_least || host_bytes < host_least)
        return CUSOLVER_STATUS_INVALID_VALUE;
    memset(device, 0xff, device_bytes);
    memset(host, 0xff, host_bytes);
    switch (a_type) {
    case CUDA_R_32F: *info = sgeev(job, order, a, ld, w, vr, ldv); break;
    case CUDA_R_64F: *info = dgeev(job, order, a, ld, w, vr, ldv); break;
    case CUDA_C_32F:
        *info = LAPACKE_cgeev(LAPACK_COL_MAJOR, 'N', job, order, a, ld, w, NULL, 1, vr, ldv);
        break;
    default: *info = LAPACKE_zgeev(LAPACK_COL_MAJOR, 'N', job, order, a, ld, w, NULL, 1, vr, ldv); break;
    }
    if (fails(&cuda_on_host.not_converged))
        *info = 2;
    return CUSOLVER_STATUS_SUCCESS;
}
#endif
