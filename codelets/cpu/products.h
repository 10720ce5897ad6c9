/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products of matrices so small that a call of BLAS costs more than their arithmetic, one or many in a call: sums stay in registers. Compiled
 * once per CPU level.
 */
#ifndef DARRAY_CODELETS_CPU_PRODUCTS_H
#define DARRAY_CODELETS_CPU_PRODUCTS_H

#include "../kernel_support.h"

/* The largest number of rows, columns and of what is summed. */
enum { DA_PRODUCT_ORDER = 64 };

/* c = alpha op(a) op(b) + beta c for `count` products of column-major matrices, of which the next one's lie step[] bytes behind: op by
 * DA_TRANSPOSE, DA_CONJ_TRANSPOSE. As in BLAS, what is multiplied by 0 is not read. */
typedef void (*da_products)(unsigned transa, unsigned transb, const void *alpha, const da_matrix *a,
                            const da_matrix *b, const void *beta, const da_matrix *c, int64_t count,
                            const int64_t step[3]);

/* [DA_F32 - DA_F32] .. [DA_C128 - DA_F32] */
extern const da_products da_products_level0[4], da_products_level3[4], da_products_level4[4];

/* Those for this CPU and one of the four dtypes. */
da_products da_products_of(da_dtype dtype);

#endif
