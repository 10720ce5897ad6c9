/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX c128
#define DA_LETTER Z
#define DA_T cuDoubleComplex
#define DA_REAL double
#define DA_DTYPE DA_C128
#define DA_COMPLEX 1
#include "all.inc"
