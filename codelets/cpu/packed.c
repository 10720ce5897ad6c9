/* SPDX-License-Identifier: BSD-3-Clause */
/* See packed.h. Compiled once per CPU level, with multiplications and additions contracted. */
#include "packed.h"

#include <stdlib.h>

#define LEVEL__(level) da_packed_level##level
#define LEVEL_(level) LEVEL__(level)

#if DA_CPU_LEVEL == 4
/* DEPTH: what a block of a and one of b have in common; HEIGHT: rows of a's block; WIDTH: columns of b's. VECTORS x COLUMNS: of the part of c whose sums
 * are in registers. */
#define DA_SUFFIX f64
#define DA_T double
#define DA_COMPLEX 0
#define DEPTH 256
#define HEIGHT 96
#define WIDTH 256
#define VECTORS 3
#define COLUMNS 8
#include "packed.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_COMPLEX
#undef DEPTH
#undef HEIGHT
#undef WIDTH
#undef VECTORS
#undef COLUMNS

#define DA_SUFFIX c128
#define DA_T double _Complex
#define DA_COMPLEX 1
#define DEPTH 192
#define HEIGHT 48
#define WIDTH 192
#define VECTORS 2
#define COLUMNS 4
#include "packed.inc"

const da_packed LEVEL_(DA_CPU_LEVEL)[4] = {NULL, multiply_f64, NULL, multiply_c128};
#else
const da_packed LEVEL_(DA_CPU_LEVEL)[4] = {NULL, NULL, NULL, NULL};
#endif
