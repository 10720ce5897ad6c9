/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/about.h"

#include <starpu.h>
#include <stdio.h>

void spu_about(starpu_about *out)
{
    int major, minor, release;

    *out = (starpu_about){.cpus = STARPU_MAXCPUS};
    starpu_get_version(&major, &minor, &release);
    snprintf(out->version, sizeof out->version, "%d.%d.%d", major, minor, release);
#if STARPU_USE_CUDA
    out->cuda = STARPU_MAXCUDADEVS;
#endif
#if STARPU_USE_OPENCL
    out->opencl = STARPU_MAXOPENCLDEVS;
#endif
}
