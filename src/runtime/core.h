/* SPDX-License-Identifier: BSD-3-Clause */
/* Between batch.c, execute.c and runtime.c, what both backends share. */
#ifndef DARRAY_SRC_CORE_H
#define DARRAY_SRC_CORE_H

#include "base/lock.h"
#include "runtime/backend.h"

/* In rt_task.flags: run by the committing thread. */
enum { RT_INLINE = 1 << 16 };

/* Sentence of a failure; both may be null. */
void poison_retain(rt_poison *p);
void poison_release(rt_poison *p);
/* The datum's poison with a reference, or null. */
rt_poison *poison_of(rt_data *data);
/* Replace the datum's poison (null: none), taking over the caller's reference. */
void poison_set(rt_data *data, rt_poison *p);
/* DA_ERROR_TASK with the sentence. */
da_status poison_error(const rt_poison *p);

/* The last reference to an owner that moves is gone; false if the caller must destroy it. */
bool runtime_bury(rt_owner *owner);

/* What runs this task, for the log. */
const char *runtime_place(char *text, size_t size);

/* The element type that its model is for: that of the first operand that has one; i64, which row exchanges have, only if there is no other. */
da_dtype rt_task_dtype(const rt_task *task);

/* For rehearsals. Devices of a kind that the runtime uses or would; 0 with DARRAY_REPRODUCIBLE. What transfers to them take: seconds each, bytes a
 * second. Whether the runtime is StarPU, or would be. */
int rt_devices_of(da_device_kind kind);
void rt_bus(double *latency, double *bandwidth);
bool rt_is_starpu(void);

/* Give up what a task holds of others: owners, fault. */
void task_let_go(rt_task *task);

/* Time in kernels since the last reset. */
double busy_seconds(void);
void busy_reset(void);

/* For record.h. While record_on: called under the commit lock with the tasks of a batch, and after each task on the CPU. */
extern _Atomic(bool) record_on;
double record_clock(void); /* CPU seconds of this thread */
bool record_is_sampled(void);
bool record_skips(const rt_task *task); /* its kernel is not to be run */
void record_committed(const rt_task *list);
void record_ran(const rt_task *task, double cpu_begin, double seconds);

/* Locks that a fork must not leave held. */
void batch_fork_lock(void);
void batch_fork_unlock(void);
void execute_fork_lock(void);
void execute_fork_unlock(void);

#endif
