/* SPDX-License-Identifier: BSD-3-Clause */
/* See products.h. Compiled once per CPU level, with multiplications and additions contracted. */
#include "products.h"

/* Of a vector register. */
#define VECTOR_BYTES (DA_CPU_LEVEL == 4 ? 64 : DA_CPU_LEVEL == 3 ? 32 : 16)

#define DA_SUFFIX f32
#define DA_T float
#define DA_REAL float
#define DA_COMPLEX 0
#include "products.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX f64
#define DA_T double
#define DA_REAL double
#include "products.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL
#undef DA_COMPLEX

#define DA_SUFFIX c64
#define DA_T float _Complex
#define DA_REAL float
#define DA_COMPLEX 1
#include "products.inc"
#undef DA_SUFFIX
#undef DA_T
#undef DA_REAL

#define DA_SUFFIX c128
#define DA_T double _Complex
#define DA_REAL double
#include "products.inc"

#define LEVEL__(level) da_products_level##level
#define LEVEL_(level) LEVEL__(level)
const da_products LEVEL_(DA_CPU_LEVEL)[4] = {products_f32, products_f64, products_c64, products_c128};
