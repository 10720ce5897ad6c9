/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX c64
#define DA_LETTER C
#define DA_T cuComplex
#define DA_REAL float
#define DA_DTYPE DA_C64
#define DA_COMPLEX 1
#include "all.inc"
