/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel_support.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

void da_matrix_unfit(const da_call *call, int index)
{
    const da_buffer *buffer = &call->buffers[index];
    const int64_t m = buffer->ndim > 0 ? buffer->shape[0] : 1, n = buffer->ndim > 1 ? buffer->shape[1] : 1;
    const int64_t ld = n > 1 ? buffer->strides[1] : (m > 1 ? m : 1);

    if (m > INT_MAX || n > INT_MAX || ld > INT_MAX)
        (void)da_task_fail(call,
                           "buffer %d: %" PRId64 " x %" PRId64 " with columns %" PRId64
                           " apart does not fit BLAS's 32-bit integers",
                           index, m, n, ld);
    else
        (void)da_task_fail(call,
                           "buffer %d: not column-major: %" PRId64 " x %" PRId64 " with strides %" PRId64
                           " and %" PRId64,
                           index, m, n, m > 1 ? buffer->strides[0] : 1, ld);
}

void da_matrix_differs(const da_call *call, int index, const da_matrix *matrix, int m, int n)
{
    (void)da_task_fail(call, "buffer %d is %d x %d where the others need %d x %d", index, matrix->m,
                       matrix->n, m, n);
}

/* ---- scratch memory ---- */

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key; /* frees a thread's memory when it ends */
static _Thread_local void *scratch;
static _Thread_local size_t scratch_bytes;

static void make_key(void)
{
    (void)pthread_key_create(&scratch_key, free);
}

void *da_scratch(size_t bytes)
{
    const size_t granule = 64 * 1024;

    if (bytes <= scratch_bytes)
        return scratch;
    if (bytes > SIZE_MAX - 2 * granule)
        return NULL;
    pthread_once(&scratch_once, make_key);
    free(scratch);
    scratch_bytes = (bytes + granule - 1) / granule * granule;
    scratch =
        aligned_alloc(64, scratch_bytes + granule); /* OpenBLAS may read what is behind (src/base/memory.c) */
    if (!scratch)
        scratch_bytes = 0;
    (void)pthread_setspecific(scratch_key, scratch);
    return scratch;
}
