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

static pthread_once_t once = PTHREAD_ONCE_INIT;
enum { SCRATCH, PACKING, PIECES };
static pthread_key_t keys[PIECES]; /* free a thread's memory when it ends */
static _Thread_local struct {
    void *memory;
    size_t bytes;
} pieces[PIECES];

static void make_keys(void)
{
    for (int i = 0; i < PIECES; i++)
        (void)pthread_key_create(&keys[i], free);
}

static void *piece_of(int which, size_t bytes)
{
    const size_t granule = 64 * 1024;

    if (bytes <= pieces[which].bytes)
        return pieces[which].memory;
    if (bytes > SIZE_MAX - 2 * granule)
        return NULL;
    pthread_once(&once, make_keys);
    free(pieces[which].memory);
    bytes = (bytes + granule - 1) / granule * granule;
    pieces[which].memory =
        aligned_alloc(64, bytes + granule); /* OpenBLAS may read what is behind (src/base/memory.c) */
    pieces[which].bytes = pieces[which].memory ? bytes : 0;
    (void)pthread_setspecific(keys[which], pieces[which].memory);
    return pieces[which].memory;
}

void *da_scratch(size_t bytes)
{
    return piece_of(SCRATCH, bytes);
}

void *da_packing(size_t bytes)
{
    return piece_of(PACKING, bytes);
}
