/* SPDX-License-Identifier: BSD-3-Clause */
/* The variant of strips.c that fits this CPU. */
#include "strips.h"

#include "../expr_program.h"

const da_strips *da_strips_of(da_dtype dtype)
{
    const da_strips *level = da_strips_level0;

#ifdef DA_HAVE_CPU_LEVELS
    if (da_cpu_level() == 4)
        level = da_strips_level4;
    else if (da_cpu_level() == 3)
        level = da_strips_level3;
#endif
    return &level[dtype - DA_F32];
}

size_t da_strips_work(da_dtype dtype, int n)
{
    const size_t size = da_dtype_size(dtype),
                 whole = (size_t)n + 8; /* blocks of 8 at most, vectors of 64 bytes */

    return da_aligned(whole * size) + da_aligned(whole * 2 * 64) + whole * (whole + 8) / 2 * size;
}
