/* SPDX-License-Identifier: BSD-3-Clause */
/* See strips.h. Compiled once per CPU level, with multiplications and additions contracted. */
#include "strips.h"

#include <string.h>

/* Of a vector register. */
#define VECTOR_BYTES (DA_CPU_LEVEL == 4 ? 64 : DA_CPU_LEVEL == 3 ? 32 : 16)
/* Unknowns in registers: two vectors each. */
#define BLOCK (DA_CPU_LEVEL == 4 ? 8 : 4)
/* Unknowns that are copied at a time where they are contiguous: a cache line. */
#define LINE 8

#if DA_CPU_LEVEL > 0
#define DA_SUFFIX f32
#define DA_T float
#define DA_REAL float
#define DA_COMPLEX 0
#include "strips.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX f64
#define DA_T double
#define DA_REAL double
#include "strips.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL
#undef DA_COMPLEX

#define DA_SUFFIX c64
#define DA_T float _Complex
#define DA_REAL float
#define DA_COMPLEX 1
#include "strips.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX c128
#define DA_T double _Complex
#define DA_REAL double
#include "strips.inc"

#define STRIPS(suffix)                                                                                       \
    {                                                                                                        \
        solve_##suffix, DA_CPU_LEVEL == 4 ? DA_STRIPS_ORDER : 32, 512                                        \
    }
#else /* too few registers, or none that are known */
#define STRIPS(suffix)                                                                                       \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }
#endif

#define LEVEL__(level) da_strips_level##level
#define LEVEL_(level) LEVEL__(level)
const da_strips LEVEL_(DA_CPU_LEVEL)[4] = {STRIPS(f32), STRIPS(f64), STRIPS(c64), STRIPS(c128)};
