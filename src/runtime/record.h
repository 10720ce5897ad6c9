/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tasks of an operation as they were: what each one touched, its priority, and how long it took. Replayed on another number of
 * workers (replay.h) they say what machines would do that are not at hand. For darray-bench and tests; while nothing is
 * recorded it costs a load a commit and a task.
 *
 * To record what the operation would be on a machine of many workers, call rt_shape_for_workers() before the operation's arrays are made, and run on one
 * worker, so that tasks do not disturb each other.
 */
#ifndef DARRAY_SRC_RECORD_H
#define DARRAY_SRC_RECORD_H

#include "runtime/runtime.h"

typedef struct record_access {
    int64_t datum; /* tiles and the like in the order of their first use, from 0 */
    da_mode mode;
} record_access;

typedef struct record_task {
    const char *name; /* the codelet's */
    int priority;
    int naccesses;
    int64_t access;      /* its first one in record.accesses */
    double committed;    /* when, in CPU seconds of the recording thread since record_begin() */
    double seconds;      /* of its kernel, by the clock; < 0 if it never ran on the CPU */
    double cpu_seconds;  /* of the thread that ran it: what else the machine did does not count */
    double between;      /* CPU seconds of that thread since its task before; < 0: there was none */
    double bytes, flops; /* of all operands; flops 0 if unknown */
    uint32_t
        kind; /* alike for tasks of a codelet that compute the same, on operands of equal types and extents */
    bool skipped; /* its kernel was not run, see record_begin() */
} record_task;

typedef struct record {
    record_task *tasks; /* in the order of their commits */
    record_access *accesses;
    int64_t ntasks, naccesses, ndata;
    int64_t tasks_capacity, accesses_capacity;
} record;

/* Starts the runtime if need be. DA_ERROR_STATE if something is recorded already. `sampled`: of tasks of a kind that computes only the first 32 and every
 * 64th run, the others leave their results as they are, and numerical faults are not told; each is taken to last as long as the median of its kind. */
da_status record_begin(bool sampled);
/* All that was committed since, with one reference of the caller's to its memory. Waits for all tasks first. DA_ERROR_MEMORY if there was not enough of
 * it meanwhile, DA_ERROR_STATE if nothing is recorded. */
da_status record_end(record *out);
void record_free(record *r);

/* For rehearse.h: append a task that is not run to a record of one's own, which began as `before_it` was record_numbers(); false if memory is short. */
uint64_t record_numbers(void);
/* Room for `needed` elements in an array that grows; false if memory is short. */
bool record_grow(void *array, int64_t *capacity, int64_t needed, size_t size);
bool record_append(record *r, uint64_t before_it, const rt_task *t, double committed);

/* Median of what lies between two tasks of a worker: what the runtime costs a task. */
double record_overhead(const record *r);

#endif
