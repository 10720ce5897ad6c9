/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX c128
#define DA_T double _Complex
#define DA_REAL double
#define DA_COMPLEX 1
#include "cpu/all.inc"
