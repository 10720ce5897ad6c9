/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#if DA_HAVE_STARPU

#include <starpu.h>
#include <stdlib.h>

static void add(void *buffers[], void *unused)
{
    (void)unused;
    double *const counter = (double *)STARPU_VECTOR_GET_PTR(buffers[0]);
    const double *const datum = (const double *)STARPU_VECTOR_GET_PTR(buffers[1]);
    *counter += *datum;
}

static struct starpu_codelet codelet;
static starpu_data_handle_t *handles; /* counters, then data */

int reference_starpu_start(int threads, int chains, int stride, double *counters, double *data)
{
    struct starpu_conf conf;
    starpu_conf_init(&conf);
    conf.ncpus = threads;
    conf.ncuda = 0;
    conf.nopencl = 0;
    conf.catch_signals = 0;
    handles = calloc(2 * (size_t)chains, sizeof *handles);
    if (handles == NULL || starpu_init(&conf) != 0) {
        free(handles);
        return 1;
    }
    starpu_codelet_init(&codelet);
    codelet.cpu_funcs[0] = add;
    codelet.nbuffers = 2;
    codelet.modes[0] = STARPU_RW;
    codelet.modes[1] = STARPU_R;
    codelet.name = "raw_add";
    for (int i = 0; i < 2 * chains; i++) {
        double *const p =
            i < chains ? counters + (size_t)i * (size_t)stride : data + (size_t)(i - chains) * (size_t)stride;
        starpu_vector_data_register(&handles[i], STARPU_MAIN_RAM, (uintptr_t)p, (uint32_t)stride,
                                    sizeof(double));
    }
    return 0;
}

int reference_starpu_run(int64_t tasks, int chains)
{
    for (int64_t i = 0; i < tasks; i++) {
        const int status = starpu_task_insert(&codelet, STARPU_RW, handles[i % chains], STARPU_R,
                                              handles[chains + 5 * i % chains], 0);
        if (status != 0)
            return 1;
    }
    return starpu_task_wait_for_all() != 0;
}

void reference_starpu_stop(int chains)
{
    for (int i = 0; i < 2 * chains; i++)
        starpu_data_unregister(handles[i]);
    starpu_shutdown();
    free(handles);
    handles = NULL;
}

#else
typedef int reference_no_starpu;
#endif
