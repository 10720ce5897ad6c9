/* SPDX-License-Identifier: BSD-3-Clause */
/* The variant of packed.c that fits this CPU. */
#include "packed.h"

#include "../expr_program.h"

da_packed da_packed_here(void)
{
#ifdef DA_HAVE_CPU_LEVELS
    if (da_cpu_level() == 4)
        return da_packed_level4;
    if (da_cpu_level() == 3)
        return da_packed_level3;
#endif
    return da_packed_level0;
}
