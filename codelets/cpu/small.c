/* SPDX-License-Identifier: BSD-3-Clause */
/* See small.h. Compiled once per CPU level. */
#include "small.h"

#include <math.h>
#include <string.h>

/* Of a vector register. */
#define VECTOR_BYTES (DA_CPU_LEVEL == 4 ? 64 : DA_CPU_LEVEL == 3 ? 32 : 16)

#define DA_SUFFIX f32
#define DA_T float
#define DA_REAL float
#define DA_COMPLEX 0
#include "small.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX f64
#define DA_T double
#define DA_REAL double
#include "small.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL
#undef DA_COMPLEX

#define DA_SUFFIX c64
#define DA_T float _Complex
#define DA_REAL float
#define DA_COMPLEX 1
#include "small.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX c128
#define DA_T double _Complex
#define DA_REAL double
#include "small.inc"

#define TABLE_(suffix, both_)                                                                                \
    {                                                                                                        \
        solve_##suffix, cholesky_##suffix, lu_##suffix, qr_##suffix, both_                                   \
    }
#define LEVEL__(level) da_small_level##level
#define LEVEL_(level) LEVEL__(level)
const da_small LEVEL_(DA_CPU_LEVEL)[4] = {TABLE_(f32, multiply_both_f32), TABLE_(f64, multiply_both_f64),
                                          TABLE_(c64, NULL), TABLE_(c128, NULL)};
