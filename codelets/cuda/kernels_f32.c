/* SPDX-License-Identifier: BSD-3-Clause */
#define DA_SUFFIX f32
#define DA_LETTER S
#define DA_T float
#define DA_REAL float
#define DA_DTYPE DA_F32
#define DA_COMPLEX 0
#include "all.inc"
