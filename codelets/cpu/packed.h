/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products of double and double complex matrices with AVX-512, where OpenBLAS (0.3.21) reaches three quarters of what an AMD core can: blocks of a
 * and b are copied to where they are contiguous and sums stay in registers, as Goto and van de Geijn have it (Anatomy of High-Performance
 * Matrix Multiplication, 2008). Compiled once per CPU level.
 */
#ifndef DARRAY_CODELETS_CPU_PACKED_H
#define DARRAY_CODELETS_CPU_PACKED_H

#include "../kernel_support.h"

/* c = alpha op(a) op(b) + beta c for column-major matrices: op by DA_TRANSPOSE, DA_CONJ_TRANSPOSE. alpha is not 0; c is not read if beta is. `work` has
 * DA_PACKED_WORK bytes, aligned to 64. */
typedef void (*da_packed)(unsigned transa, unsigned transb, const void *alpha, const da_matrix *a,
                          const da_matrix *b, const void *beta, const da_matrix *c, void *work);

enum { DA_PACKED_WORK = 192 * (48 + 192) * 16 };

/* [DA_F32 - DA_F32] .. [DA_C128 - DA_F32]; null where there is none. */
extern const da_packed da_packed_level0[4], da_packed_level3[4], da_packed_level4[4];

/* That for this CPU and one of the four dtypes; null where BLAS is as fast, or nobody knows. */
da_packed da_packed_of(da_dtype dtype);

#endif
