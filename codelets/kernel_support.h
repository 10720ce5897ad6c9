/* SPDX-License-Identifier: BSD-3-Clause */
/* What kernel bodies stand on: operands as LAPACK wants them, scratch memory, the characters of BLAS's options. */
#ifndef DA_CODELETS_KERNEL_SUPPORT_H
#define DA_CODELETS_KERNEL_SUPPORT_H

#include <darray/task.h>

#include "blas.h"

/* A column-major matrix, as BLAS takes it. */
typedef struct da_matrix {
    void *data;
    int m, n, ld;
} da_matrix;

/*
 * Buffer number `index` of the call as a matrix; a vector is one column. Fails (da_task_fail) if its columns are not
 * contiguous, if it has more than two axes, or if an extent does not fit BLAS's integers.
 */
da_status da_matrix_of(da_matrix *out, const da_call *call, int index);

/* Fails the task, naming the sizes, unless `matrix` is m x n. */
da_status da_matrix_check(const da_call *call, int index, const da_matrix *matrix, int m, int n);

/*
 * `bytes` of this thread's scratch memory, aligned to a cache line, or null. Its contents are lost at the next call.
 * It is kept until the thread ends.
 */
void *da_scratch(size_t bytes);

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
