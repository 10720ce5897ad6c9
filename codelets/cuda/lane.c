/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread has on a stream, and failures in words. */
#include "module.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* gives a thread's lanes back when it ends */
static _Thread_local cuda_lane *lanes;

/* Frees without caring for errors: the runtime may have shut the device down. */
static void free_lanes(void *first)
{
    for (cuda_lane *lane = first, *next; lane; lane = next) {
        next = lane->next;
        if (cudaSetDevice(lane->device) == cudaSuccess) {
            if (lane->params)
                (void)cusolverDnDestroyParams(lane->params);
            if (lane->solver)
                (void)cusolverDnDestroy(lane->solver);
            if (lane->blas)
                (void)cublasDestroy(lane->blas);
            (void)cudaFree(lane->scratch);
        }
        free(lane);
    }
}

static void make_key(void)
{
    (void)pthread_key_create(&key, free_lanes);
}

da_status cuda_lane_of(cuda_lane **lane, const da_call *call)
{
    const cudaStream_t stream = call->queue;
    int device;

    CUDA_ASK(call, cudaGetDevice, &device);
    for (cuda_lane *l = lanes; l; l = l->next)
        if (l->device == device && l->stream == stream) {
            *lane = l;
            return DA_OK;
        }
    cuda_lane *const l = calloc(1, sizeof *l);
    if (!l)
        return da_task_fail(call, "no memory for what a thread has on a device");
    l->device = device;
    l->stream = stream;
    cublasStatus_t status = cublasCreate(&l->blas);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasSetStream(l->blas, stream);
    if (status != CUBLAS_STATUS_SUCCESS) {
        if (l->blas)
            (void)cublasDestroy(l->blas);
        free(l);
        return cuda_fail_blas(call, "cublasCreate", status);
    }
    pthread_once(&once, make_key);
    l->next = lanes;
    lanes = l;
    (void)pthread_setspecific(key, lanes);
    *lane = l;
    return DA_OK;
}

da_status cuda_solver(cuda_lane *lane, const da_call *call)
{
    if (lane->solver)
        return DA_OK;
    cusolverDnHandle_t solver;

    SOLVER_ASK(call, "cusolverDnCreate", cusolverDnCreate, &solver);
    const cusolverStatus_t status = cusolverDnSetStream(solver, lane->stream);
    if (status != CUSOLVER_STATUS_SUCCESS) {
        (void)cusolverDnDestroy(solver);
        return cuda_fail_solver(call, "cusolverDnSetStream", status);
    }
    lane->solver = solver;
    return DA_OK;
}

da_status cuda_params(cuda_lane *lane, const da_call *call)
{
    cusolverDnParams_t params;

    if (lane->params)
        return DA_OK;
    SOLVER_ASK(call, "cusolverDnCreateParams", cusolverDnCreateParams, &params);
    lane->params = params;
    return DA_OK;
}

/* Waits for the device where the memory is plain. */
static cudaError_t free_scratch(cuda_lane *lane)
{
    char *const old = lane->scratch;

    lane->scratch = NULL;
    lane->scratch_bytes = 0;
    if (!old)
        return cudaSuccess;
    return lane->scratch_is_plain ? cudaFree(old) : cudaFreeAsync(old, lane->stream);
}

da_status cuda_scratch(char **memory, cuda_lane *lane, const da_call *call, size_t bytes)
{
    const size_t granule = (size_t)1 << 20;

    if (bytes > lane->scratch_bytes) {
        void *p = NULL;

        bytes = (bytes + granule - 1) / granule * granule;
        CUDA_ASK(call, free_scratch, lane);
        lane->scratch_is_plain = cudaMallocAsync(&p, bytes, lane->stream) != cudaSuccess;
        if (lane->scratch_is_plain) { /* its pool is not all of the memory, and not every device has one */
            (void)cudaGetLastError();
            CUDA_ASK(call, cudaMalloc, &p, bytes);
        }
        lane->scratch = p;
        lane->scratch_bytes = bytes;
    }
    *memory = lane->scratch;
    return DA_OK;
}

da_status cuda_leave(const da_call *call)
{
    const size_t much = (size_t)256 << 20;

    (void)call;
    for (cuda_lane *l = lanes; l; l = l->next)
        if (l->scratch_bytes > much && free_scratch(l) != cudaSuccess)
            (void)cudaGetLastError(); /* which the next call of the runtime says again if it matters */
    return DA_OK;
}

/* ---- failures ---- */

da_status cuda_fail(const da_call *call, const char *what, cudaError_t error)
{
    if (error == cudaErrorMemoryAllocation)
        cuda_outcome |= DA_SHORT;
    (void)cudaGetLastError(); /* so that the runtime does not find it at its next call */
    return da_task_fail(call, "%s: %s", what, cudaGetErrorString(error));
}

/* Where there is no memory for the first things on a device that starts, libraries may say that they are not initialised. */
da_status cuda_fail_blas(const da_call *call, const char *what, cublasStatus_t status)
{
    if (status == CUBLAS_STATUS_ALLOC_FAILED || status == CUBLAS_STATUS_NOT_INITIALIZED)
        cuda_outcome |= DA_SHORT;
    else if (cuda_blas_refuses(status))
        cuda_outcome |= DA_REFUSED;
    (void)cudaGetLastError();
    return da_task_fail(call, "%s: %s", what, cublasGetStatusString(status));
}

da_status cuda_fail_solver(const da_call *call, const char *what, cusolverStatus_t status)
{
    if (status == CUSOLVER_STATUS_ALLOC_FAILED || status == CUSOLVER_STATUS_NOT_INITIALIZED)
        cuda_outcome |= DA_SHORT;
    else if (cuda_solver_refuses(status))
        cuda_outcome |= DA_REFUSED;
    (void)cudaGetLastError();
    return da_task_fail(call, "%s: cuSOLVER's status %d", what, (int)status);
}
