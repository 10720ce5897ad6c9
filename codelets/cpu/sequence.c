/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequences: arange, linspace, eye. They are computed in the widest type of their kind and converted. */
#include "array_kernels.h"
#include <string.h>

enum { CHUNK = 256 };

static size_t size_of(da_dtype dtype)
{
    static const unsigned char sizes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
    return sizes[dtype];
}

static char *at(void *dst, da_dtype dtype, int64_t i, int64_t stride)
{
    return (char *)dst + i * stride * (int64_t)size_of(dtype);
}

static void reals(double *x, int64_t n, int64_t first, double start, double step)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = start + (double)(first + i) * step;
}

static void complexes(da_c128 *x, int64_t n, int64_t first, da_c128 start, da_c128 step)
{
    for (int64_t i = 0; i < n; i++) {
        x[i].re = start.re + (double)(first + i) * step.re;
        x[i].im = start.im + (double)(first + i) * step.im;
    }
}

void kernel_arange(da_dtype dtype, int64_t n, void *dst, int64_t stride, const kernel_arange_args *args)
{
    const int is_complex = dtype == DA_C64 || dtype == DA_C128;
    const int is_real = dtype >= DA_F16 && dtype <= DA_F64;
    const da_dtype wide = is_complex ? DA_C128 : is_real ? DA_F64 : DA_U64;
    const kernel_line convert = kernel_line_for(dtype, wide);
    union {
        uint64_t u[CHUNK];
        double d[CHUNK];
        da_c128 z[CHUNK];
    } x;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        const int64_t m = n - begin < CHUNK ? n - begin : CHUNK, first = args->first + begin;
        if (is_complex)
            complexes(x.z, m, first, args->start, args->step);
        else if (is_real)
            reals(x.d, m, first, args->start.re, args->step.re);
        else
            for (int64_t i = 0; i < m; i++)
                x.u[i] = args->start_i + (uint64_t)(first + i) * args->step_i;
        convert(m, at(dst, dtype, begin, stride), stride, &x, 1);
    }
}

void kernel_linspace(da_dtype dtype, int64_t n, void *dst, int64_t stride, const kernel_linspace_args *args)
{
    const int is_complex = dtype == DA_C64 || dtype == DA_C128;
    const kernel_line convert = kernel_line_for(dtype, is_complex ? DA_C128 : DA_F64);
    union {
        double d[CHUNK];
        da_c128 z[CHUNK];
    } x;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        const int64_t m = n - begin < CHUNK ? n - begin : CHUNK, first = args->first + begin;
        const int64_t last = args->last - first;
        if (is_complex) {
            complexes(x.z, m, first, args->start, args->step);
            if (last >= 0 && last < m)
                x.z[last] = args->stop;
        } else {
            reals(x.d, m, first, args->start.re, args->step.re);
            if (last >= 0 && last < m)
                x.d[last] = args->stop.re;
        }
        convert(m, at(dst, dtype, begin, stride), stride, &x, 1);
    }
}

void kernel_eye(size_t size, const int64_t *shape, void *dst, const int64_t *strides,
                const kernel_eye_args *args)
{
    const kernel_element zero = {{0}};
    kernel_fill(2, shape, size, dst, strides, &zero);
    for (int64_t i = args->k < 0 ? -args->k : 0; i < shape[0] && i + args->k < shape[1]; i++)
        memcpy((char *)dst + (i * strides[0] + (i + args->k) * strides[1]) * (int64_t)size, &args->one, size);
}
