/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <complex.h>
#include <math.h>

typedef long double LD;

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double uniform(uint64_t seed, int64_t i)
{
    return (double)(mix(seed * 0x100000001b3u + (uint64_t)i) >> 11) * 0x1p-53;
}

void reference_fill(da_dtype dtype, int64_t count, void *x, uint64_t seed, double low)
{
    const bool single = dtype == DA_F32 || dtype == DA_C64;
    const int64_t reals = dtype == DA_C64 || dtype == DA_C128 ? 2 * count : count;
    if (single) {
        float *const p = x;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < reals; i++) /* 24 bits: rounding up would reach low + 1 */
            p[i] = (float)low + (float)floor(uniform(seed, i) * 0x1p24) * 0x1p-24f;
    } else {
        double *const p = x;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < reals; i++)
            p[i] = low + uniform(seed, i);
    }
}

/* Real types: X, the type of exact results, is long double; W, that of functions, double. */
#define X LD
#define XABS fabsl
#define W double
#define WEXP exp
#define WSIN sin
#define WSQRT sqrt
#define WABS fabs

#define T float
#define R float
#define FN(name) name##_f32
#include "reference_loops.inc"
#undef T
#undef R
#undef FN

#define T double
#define R double
#define FN(name) name##_f64
#include "reference_loops.inc"
#undef T
#undef R
#undef FN

#undef X
#undef XABS
#undef W
#undef WEXP
#undef WSIN
#undef WSQRT
#undef WABS

#define COMPLEX 1
#define X long double _Complex
#define XABS cabsl
#define W double _Complex
#define WEXP cexp
#define WSIN csin
#define WSQRT csqrt
#define WABS cabs

#define T float _Complex
#define R float
#define FN(name) name##_c64
#include "reference_loops.inc"
#undef T
#undef R
#undef FN

#define T double _Complex
#define R double
#define FN(name) name##_c128
#include "reference_loops.inc"

/* Calls the function of the dtype; `result` is empty or an assignment. */
#define DISPATCH(result, name, ...)                                                                          \
    switch (dtype) {                                                                                         \
    case DA_F32: result name##_f32(__VA_ARGS__); break;                                                      \
    case DA_C64: result name##_c64(__VA_ARGS__); break;                                                      \
    case DA_C128: result name##_c128(__VA_ARGS__); break;                                                    \
    default: result name##_f64(__VA_ARGS__); break;                                                          \
    }

static double eps_of(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_C64 ? 0x1p-24 : 0x1p-53;
}

void reference_expr(da_dtype dtype, int64_t n, const void *a, const void *b,
                    void *c){DISPATCH(, expr, n, a, b, c)}

da_c128 reference_sum(da_dtype dtype, int64_t n, const void *a)
{
    da_c128 sum;
    DISPATCH(sum =, sum, n, a)
    return sum;
}

double reference_residual_expr(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c)
{
    double residual;
    DISPATCH(residual =, residual_expr, n, a, b, c, eps_of(dtype))
    return residual;
}

double reference_residual_expr_math(da_dtype dtype, int64_t n, const void *a, const void *b, const void *c)
{
    double residual;
    DISPATCH(residual =, residual_expr_math, n, a, b, c, eps_of(dtype))
    return residual;
}

double reference_residual_sum(da_dtype dtype, int64_t n, const void *a, da_c128 sum)
{
    double residual;
    DISPATCH(residual =, residual_sum, n, a, sum, eps_of(dtype))
    return residual;
}
