/* SPDX-License-Identifier: BSD-3-Clause */
/* The variant of products.c that fits this CPU. */
#include "products.h"

#include "../expr_program.h"

da_products da_products_of(da_dtype dtype)
{
    const da_products *level = da_products_level0;

#ifdef DA_HAVE_CPU_LEVELS
    if (da_cpu_level() == 4)
        level = da_products_level4;
    else if (da_cpu_level() == 3)
        level = da_products_level3;
#endif
    return level[dtype - DA_F32];
}
