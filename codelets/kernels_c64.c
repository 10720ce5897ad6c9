/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX c64
#define DA_T float _Complex
#define DA_REAL float
#define DA_COMPLEX 1
#include "cpu/all.inc"
