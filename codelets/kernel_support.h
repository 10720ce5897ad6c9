/* SPDX-License-Identifier: BSD-3-Clause */
/* What kernel bodies stand on: operands as LAPACK wants them, scratch memory, the characters of BLAS's options. */
#ifndef DA_CODELETS_KERNEL_SUPPORT_H
#define DA_CODELETS_KERNEL_SUPPORT_H

#include <darray/task.h>

#include "blas.h"

#include <limits.h>

/* A column-major matrix, as BLAS takes it. */
typedef struct da_matrix {
    void *data;
    int m, n, ld;
} da_matrix;

/* da_task_fail() of what da_matrix_of() and da_matrix_check() do not take. */
void da_matrix_unfit(const da_call *call, int index);
void da_matrix_differs(const da_call *call, int index, const da_matrix *matrix, int m, int n);

/*
 * Buffer number `index` of the call as a matrix; a vector is one column. Fails (da_task_fail) if its columns are not
 * contiguous, if it has more than two axes, or if an extent does not fit BLAS's integers.
 */
static inline da_status da_matrix_of(da_matrix *out, const da_call *call, int index)
{
    const da_buffer *buffer = &call->buffers[index];
    const int64_t m = buffer->ndim > 0 ? buffer->shape[0] : 1, n = buffer->ndim > 1 ? buffer->shape[1] : 1;
    const int64_t least_ld = m > 1 ? m : 1, ld = n > 1 ? buffer->strides[1] : least_ld;

    if (m > INT_MAX || n > INT_MAX || ld > INT_MAX || (m > 1 && n > 0 && buffer->strides[0] != 1) ||
        (m > 0 && n > 1 && ld < least_ld))
        return da_matrix_unfit(call, index), DA_ERROR_TASK;
    out->data = buffer->data;
    out->m = (int)m;
    out->n = (int)n;
    out->ld = (int)(ld < least_ld ? least_ld : ld);
    return DA_OK;
}

/* Fails the task, naming the sizes, unless `matrix` is m x n. */
static inline da_status da_matrix_check(const da_call *call, int index, const da_matrix *matrix, int m, int n)
{
    return matrix->m == m && matrix->n == n ? DA_OK
                                            : (da_matrix_differs(call, index, matrix, m, n), DA_ERROR_TASK);
}

/*
 * `bytes` of this thread's scratch memory, aligned to a cache line, or null. Its contents are lost at the next call.
 * It is kept until the thread ends.
 */
void *da_scratch(size_t bytes);

/* Another such piece, for products, whose callers may be using scratch memory. */
void *da_packing(size_t bytes);

/* The next `bytes` of one allocation of several pieces, each of which takes da_aligned(bytes). */
static inline size_t da_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
static inline void *da_carve(char **memory, size_t bytes)
{
    void *const p = *memory;

    *memory += da_aligned(bytes);
    return p;
}

/* As BLAS's characters: flags of DA_LOWER or DA_UPPER; of DA_TRANSPOSE or DA_CONJ_TRANSPOSE. */
static inline const char *da_uplo_char(unsigned flags)
{
    return flags & DA_UPPER ? "U" : "L";
}
static inline const char *da_trans_char(unsigned flags)
{
    return flags & DA_CONJ_TRANSPOSE ? "C" : flags & DA_TRANSPOSE ? "T" : "N";
}

/* min() and max() of int */
static inline int da_min_(int a, int b)
{
    return a < b ? a : b;
}
static inline int da_max_(int a, int b)
{
    return a > b ? a : b;
}

#endif
