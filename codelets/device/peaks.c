/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <time.h>

static double seconds_of(da_device_copier *copy, void *ctx, size_t bytes)
{
    enum { ROUNDS = 5 }; /* the first one may find things asleep */
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct timespec begin, end;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        if (!copy(ctx, bytes))
            return 0;
        clock_gettime(CLOCK_MONOTONIC, &end);
        const double t = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        if (t > 0 && (best == 0 || t < best))
            best = t;
    }
    return best;
}

bool da_device_time_copies(da_device_copier *copy, void *ctx, size_t most, double *seconds, double *bytes)
{
    const double small = seconds_of(copy, ctx, 1), large = small > 0 ? seconds_of(copy, ctx, most) : 0;

    if (large <= small)
        return false;
    *seconds = small;
    *bytes = 2 * (double)most / (large - small); /* read and written */
    return true;
}
