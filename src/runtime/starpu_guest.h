/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting StarPU within somebody else's process: its environment, signals, files and perhaps its own use of StarPU. */
#ifndef DARRAY_SRC_STARPU_GUEST_H
#define DARRAY_SRC_STARPU_GUEST_H

#include "base/base.h"
#include <signal.h>

typedef struct spu_start {
    int workers; /* CPU workers wanted, then those there are */
    bool asked;  /* by the user: no fewer */
    bool shared; /* the host program had initialised StarPU before: its configuration holds */
    bool models; /* performance models are used or recorded */
    int min_priority, max_priority;
} spu_start;

/* The process's signal handlers, to be put back after something that replaces them. */
typedef struct spu_signals {
    struct sigaction action[NSIG];
} spu_signals;
void spu_signals_note(spu_signals *before);
void spu_signals_restore(const spu_signals *before);

/* Initialise StarPU, or join the host's. */
da_status spu_guest_start(spu_start *s);
/* Take back our share; true if that stopped it. */
bool spu_guest_stop(void);

#endif
