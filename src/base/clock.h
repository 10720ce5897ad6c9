/* SPDX-License-Identifier: BSD-3-Clause */
/* Time in seconds. */
#ifndef DARRAY_SRC_CLOCK_H
#define DARRAY_SRC_CLOCK_H

#include <time.h>

static inline double clock_seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Since some moment in the past; never goes back. */
static inline double now(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

#endif
