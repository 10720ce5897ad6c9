/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled with -ffast-math: without it gcc calls exp and sin once an element, and the reference would be several times slower
 * than what a C programmer who cares gets from glibc's vector functions. */
#include "reference.h"

#include <complex.h>
#include <math.h>

void reference_expr_math(da_dtype dtype, int64_t n, const void *a, const void *b, void *c)
{
    switch (dtype) {
    case DA_F32: {
        const float *restrict x = a, *restrict y = b;
        float *restrict z = c;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            z[i] = expf(x[i]) * sinf(y[i]) + sqrtf(x[i]);
        break;
    }
    case DA_C64: {
        const float _Complex *restrict x = a, *restrict y = b;
        float _Complex *restrict z = c;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < n; i++)
            z[i] = cexpf(x[i]) * csinf(y[i]) + csqrtf(x[i]);
        break;
    }
    case DA_C128: {
        const double _Complex *restrict x = a, *restrict y = b;
        double _Complex *restrict z = c;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < n; i++)
            z[i] = cexp(x[i]) * csin(y[i]) + csqrt(x[i]);
        break;
    }
    default: {
        const double *restrict x = a, *restrict y = b;
        double *restrict z = c;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            z[i] = exp(x[i]) * sin(y[i]) + sqrt(x[i]);
        break;
    }
    }
}
