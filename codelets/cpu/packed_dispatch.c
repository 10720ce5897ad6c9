/* SPDX-License-Identifier: BSD-3-Clause */
/* The variant of packed.c that fits this CPU. */
#include "packed.h"

#include "../expr_program.h"

da_packed da_packed_of(da_dtype dtype)
{
#ifdef DA_HAVE_CPU_LEVELS
    /* OpenBLAS's kernels for AVX-512 are made for Intel's cores: there nobody has measured these. */
    if (da_cpu_level() == 4 && __builtin_cpu_is("amd"))
        return da_packed_level4[dtype - DA_F32];
    if (da_cpu_level() == 3)
        return da_packed_level3[dtype - DA_F32];
#endif
    return da_packed_level0[dtype - DA_F32];
}
