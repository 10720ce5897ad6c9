/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long recorded tasks would take on so many workers: list scheduling, in the order in which the OpenMP runtime takes ready tasks (by priority, then by
 * commit, or where the priority is 0 as they became ready; a worker goes on with what it made ready itself unless something more urgent is). Workers are
 * alike, and memory is not shared out among them: a machine whose memory is the limit is slower than predicted.
 */
#ifndef DARRAY_SRC_REPLAY_H
#define DARRAY_SRC_REPLAY_H

#include "codelets/device/device.h"
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

/* A machine with devices, each with a memory of its own. */
typedef struct replay_machine {
    int workers;                  /* of the CPU */
    int devices[DA_DEVICE_KINDS]; /* none of kind DA_DEVICE_CPU */
    const double *bytes;          /* of each datum */
    double latency, bandwidth;    /* of a transfer to or from a device: seconds, and bytes a second */
} replay_machine;

/*
 * The same there, with each task's time on every kind of worker (0: it cannot run on it). With devices a task goes, as it becomes ready, where it is done
 * soonest, the transfers of what is missing there included, as StarPU's policy dmdas has it: by H. Topcuoglu et al., "Performance-effective and
 * low-complexity task scheduling for heterogeneous computing", 2002. Memories are never full. Work and path are those of each task's
 * fastest kind of worker.
 */
da_status replay_on(const record *r, const double (*seconds)[DA_DEVICE_KINDS], double overhead,
                    const replay_machine *machine, replay_result *out);

#endif
