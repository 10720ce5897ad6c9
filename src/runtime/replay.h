/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long recorded tasks would take on so many workers: list scheduling, in the order in which the OpenMP runtime takes ready tasks (by priority, then by
 * commit, or where the priority is 0 as they became ready; a worker goes on with what it made ready itself unless something more urgent is). Workers are
 * alike, and memory is not shared out among them: a machine whose memory is the limit is slower than predicted.
 */
#ifndef DARRAY_SRC_REPLAY_H
#define DARRAY_SRC_REPLAY_H

#include "runtime/record.h"

enum { REPLAY_KERNELS = 24 }; /* kinds of tasks told apart; the rest is counted with the last */

typedef struct replay_kernel {
    const char *name;
    int64_t tasks, path_tasks;
    double seconds, path_seconds; /* of all; of those on the critical path */
} replay_kernel;

typedef struct replay_result {
    double seconds; /* from the first commit's beginning to the end of the last task */
    double work;    /* of all tasks */
    double path;    /* the longest chain of tasks that wait for each other */
    int64_t tasks, path_tasks;
    int nkernels;
    replay_kernel kernels[REPLAY_KERNELS];
} replay_result;

/* `seconds`: how long each task takes; `overhead` is added to every one. DA_ERROR_MEMORY. */
da_status replay(const record *r, const double *seconds, double overhead, int workers, replay_result *out);

#endif
