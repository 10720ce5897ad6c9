/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products of double complex matrices with AVX-512, where OpenBLAS's zgemm (0.3.21) reaches two thirds of what a core can: blocks of a and b are
 * copied to where they are contiguous and sums stay in registers, as Goto and van de Geijn have it (Anatomy of High-Performance Matrix
 * Multiplication, 2008). Compiled once per CPU level.
 */
#ifndef DARRAY_CODELETS_CPU_PACKED_H
#define DARRAY_CODELETS_CPU_PACKED_H

#include "../kernel_support.h"

/* c = alpha op(a) op(b) + beta c for column-major matrices: op by DA_TRANSPOSE, DA_CONJ_TRANSPOSE. alpha is not 0; c is not read if beta is. `work` has
 * DA_PACKED_WORK bytes, aligned to 64. */
typedef void (*da_packed)(unsigned transa, unsigned transb, double _Complex alpha, const da_matrix *a,
                          const da_matrix *b, double _Complex beta, const da_matrix *c, void *work);

/* Of a block of a, of a block of b: their common extent, a's rows and b's columns. */
enum { DA_PACKED_DEPTH = 192, DA_PACKED_ROWS = 48, DA_PACKED_COLUMNS = 192 };
#define DA_PACKED_WORK                                                                                       \
    ((size_t)DA_PACKED_DEPTH * (DA_PACKED_ROWS + DA_PACKED_COLUMNS) * sizeof(double _Complex))

/* Null where BLAS is as fast. */
extern const da_packed da_packed_level0, da_packed_level3, da_packed_level4;

/* That for this CPU. */
da_packed da_packed_here(void);

#endif
