/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What operations would take, without doing them. Between rehearsal_begin() and rehearsal_end() new arrays of this thread get no memory, and the
 * tasks of its operations are recorded (record.h), with the times that this machine's models expect of them, and dropped. What waits for values
 * cannot be rehearsed, and operands must be arrays that the rehearsal made.
 */
#ifndef DARRAY_SRC_REHEARSE_H
#define DARRAY_SRC_REHEARSE_H

#include "codelets/device/device.h"
#include "runtime/model.h"
#include "runtime/replay.h"

typedef struct rehearsal {
    record tasks;
    double (
        *seconds)[DA_DEVICE_KINDS]; /* expected of each task on each kind of worker; 0 where it cannot run */
    double *bytes;                  /* of each datum */
    int64_t seconds_capacity, bytes_capacity;
    double
        by[MODEL_SEEN +
           1]; /* CPU seconds of tasks, by what is known of them on the kind of worker where that is least */
    uint64_t before_it;
    bool complete; /* memory sufficed */
} rehearsal;

/* DA_ERROR_STATE in a rehearsal. */
da_status rehearsal_begin(rehearsal *r);
/* DA_ERROR_MEMORY if there was not enough of it; rehearsal_free() all the same. */
da_status rehearsal_end(rehearsal *r);
void rehearsal_free(rehearsal *r);

/* What the tasks would take: on this machine's devices and so many cores of the CPU. */
da_status rehearsal_time(const rehearsal *r, int workers, replay_result *out);

/* For runtime.c: takes the tasks of a batch, in a rehearsal of this thread. */
void rehearsal_take(rt_batch *batch);

#endif
