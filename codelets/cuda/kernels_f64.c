/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX f64
#define DA_LETTER D
#define DA_T double
#define DA_REAL double
#define DA_DTYPE DA_F64
#define DA_COMPLEX 0
#include "all.inc"
