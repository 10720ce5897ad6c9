/* SPDX-License-Identifier: BSD-3-Clause */
/* The variant of small.c that fits this CPU. */
#include "small.h"

#include "../expr_program.h"

const da_small *da_small_of(da_dtype dtype)
{
    const da_small *level = da_small_level0;

#ifdef DA_HAVE_CPU_LEVELS
    if (da_cpu_level() == 4)
        level = da_small_level4;
    else if (da_cpu_level() == 3)
        level = da_small_level3;
#endif
    return &level[dtype - DA_F32];
}

size_t da_small_work(da_dtype dtype, int m, int n, int columns)
{
    const size_t size = da_dtype_size(dtype), lanes = 64 / (dtype == DA_F32 || dtype == DA_C64 ? 4 : 8);

    return ((size_t)m + lanes - 1) / lanes * lanes * (size_t)(n + (columns > 1 ? columns : 1)) * size;
}
