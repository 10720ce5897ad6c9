/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers for strided pieces, by the variant of random.c that fits this CPU. */
#include "array_kernels.h"

typedef void random_line(int64_t n, da_dtype dtype, size_t size, void *dst, int64_t stride, uint64_t first,
                         uint64_t step, const kernel_random_args *args);
random_line random_line_level0;
#if DA_HAVE_CPU_LEVELS
random_line random_line_level3, random_line_level4;
#endif

static random_line *choose(void)
{
#if DA_HAVE_CPU_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return random_line_level4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return random_line_level3;
#endif
    return random_line_level0;
}

void kernel_random(da_dtype dtype, size_t size, int ndim, const int64_t *shape, void *dst,
                   const int64_t *strides, const kernel_random_args *args)
{
    random_line *const line = choose();
    const int64_t *flat = args->flat;
    int64_t index[DA_MAX_NDIM] = {0};
    uint64_t counter = args->first;
    char *d = dst;
    int inner = 0;

    for (int k = 0; k < ndim; k++) {
        if (shape[k] == 0)
            return;
        /* lines along the axis that is contiguous in memory */
        if (shape[k] > 1 && (shape[inner] == 1 || strides[k] < strides[inner]))
            inner = k;
    }
    if (ndim == 0) {
        line(1, dtype, size, d, 1, counter, 1, args);
        return;
    }
    for (;;) {
        int k = ndim - 1;
        line(shape[inner], dtype, size, d, strides[inner], counter, (uint64_t)flat[inner], args);
        for (; k >= 0; k--) {
            if (k == inner)
                continue;
            counter += (uint64_t)flat[k];
            d += strides[k] * (int64_t)size;
            if (++index[k] < shape[k])
                break;
            counter -= (uint64_t)(flat[k] * shape[k]);
            d -= strides[k] * shape[k] * (int64_t)size;
            index[k] = 0;
        }
        if (k < 0)
            return;
    }
}
