/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only task interface that the rest of src/ calls. Two runtimes implement it (backend.h): openmp.c and
 * starpu.c, both compiled in, picked at run time.
 *
 * A datum (rt_data) is the unit of dependencies: one tile of a storage, one future's result, one piece of user
 * memory. A task names the data that each of its operands touches and the mode. Tasks that share a datum run in the
 * order of their commits (readers side by side). Operands also carry the host address and strides of the piece that the
 * kernel works on: on one node a tile never moves in host memory, so these are known when the task is built. (A runtime that
 * runs a task on a device translates them to the device's copy; that needs every operand within one datum.)
 *
 * An operation builds a batch of tasks and commits it. Building may fail (then nothing was submitted); committing cannot.
 * A small batch whose data nobody uses is run by the committing thread itself.
 */
#ifndef DARRAY_SRC_RUNTIME_H
#define DARRAY_SRC_RUNTIME_H

#include "base/base.h"
#include "runtime/fault.h"
#include <darray/runtime.h>
#include <darray/task.h>
#include <stdarg.h>
#include <stdatomic.h>

typedef struct rt_task rt_task;
typedef struct rt_access rt_access;
typedef struct rt_data rt_data;

/* ---- data ---- */

/* What keeps data alive: embedded as the first member of a storage, a future's cell, a piece of user memory. Every task holds a
 * reference until it is done. destroy() is called with the last one, by any thread, outside all locks; it must call
 * rt_data_forget() for every datum. */
typedef struct rt_owner rt_owner;
typedef struct rt_piece {
    void *ptr; /* address of the datum's first element in host memory */
    size_t element_size;
    int ndim;
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM]; /* in elements */
    void *
        block; /* data_alloc()'s, in which it lies, for data_pin(); null: it is somebody else's memory, or small */
    size_t block_bytes; /* as data_alloc() was asked for */
} rt_piece;
typedef struct rt_owner_class {
    void (*destroy)(rt_owner *owner);
    /* Where a datum's elements are: for runtimes that move data. */
    void (*describe)(const rt_owner *owner, const rt_data *data, rt_piece *out);
} rt_owner_class;
/* What becomes of values that a device has as the last reference goes. */
typedef enum rt_keep {
    RT_KEEP_NOTHING, /* the memory goes with the owner */
    RT_KEEP_HOME,    /* the memory is the user's: values are brought home first */
    RT_KEEP_FIXED    /* it is the user's, who may look at it without asking: devices may only read it */
} rt_keep;
struct rt_owner {
    _Atomic(int) refs;
    rt_keep keep;
    const rt_owner_class *cls;
    _Atomic(bool)
        moves; /* a device may have values of it, and transfers may be going on: destroying it may have to wait */
    rt_owner *next_buried; /* the backend's list of those it is to destroy */
};
void rt_owner_init(rt_owner *owner, const rt_owner_class *cls); /* one reference */
void rt_owner_retain(rt_owner *owner);
void rt_owner_release(rt_owner *owner);

/* Zero-initialised is valid: no task has touched it. Embedded in its owner. Registered with a runtime at its first task. */
struct rt_data {
    rt_owner *owner;            /* set by the owner before the first task */
    _Atomic(int) pending_reads; /* committed tasks that are not done */
    _Atomic(int) pending_writes;
    _Atomic(int) mapped_reads; /* rt_data_map() */
    _Atomic(int) mapped_writes;
    uint64_t
        behind_reads; /* a map that a pending reader or writer waits for, as far as known; guarded by the commit lock */
    uint64_t behind_writes;
    _Atomic(int) waiters;     /* threads to be woken as a pending count reaches zero */
    struct rt_poison *poison; /* set where a user's task failed to write this; guarded by the dependencies */
    _Atomic(bool) abroad;   /* starpu: a device has written it, and host memory may not have the value yet */
    rt_access *head, *tail; /* openmp: accesses in commit order, those running first */
    _Atomic(int) lock;      /* openmp: guards head and tail */
    void *handle;           /* starpu: starpu_data_handle_t, or null */
    rt_data *prev, *next;   /* starpu: list of registered data */
    _Atomic(int) holders;   /* starpu: inline tasks and maps that hold this: n readers, or -1 for a writer */
    int asked;              /* starpu: host accesses that are not granted yet */
    int acquired;           /* starpu: acquisitions of the handle that stand for these holders */
    rt_task *holder;        /* starpu: first task of the inline batch that is the writer */
    _Atomic(bool)
        moves;         /* starpu: tasks on it may have run on a device; set under the commit lock, for good */
    uint64_t recorded; /* record.c: its number, or a former record's */
};

/* Whether what was last to be written there could not be. */
bool rt_data_failed(rt_data *data);
/* The owner is going away and no task uses the datum: drop what runtimes hold of it. */
void rt_data_forget(rt_data *data);

/* ---- batches ---- */

/* A piece of data as an operand: what the kernel sees, and the data that it lies in. Copied by rt_batch_add(). */
typedef struct rt_operand {
    da_mode mode;    /* WRITE only if all of each datum is overwritten, else READ_WRITE */
    rt_owner *owner; /* retained until the task is done; may be null if data is empty */
    void *ptr;       /* host address of the element with all indices 0 */
    da_dtype dtype;
    int ndim;
    const int64_t *shape, *strides; /* ndim entries, strides in elements */
    int ndata;
    rt_data *const *data; /* every datum that the operand touches */
} rt_operand;

enum {
    RT_NO_INLINE = 1 /* never run by the committing thread (users' tasks) */
};

typedef struct rt_task_desc {
    const da_codelet *codelet; /* must outlive the task */
    int noperands;
    const rt_operand *operands;
    int nvalues;
    const da_value *values; /* copied, each aligned to 16 bytes */
    int priority;           /* higher runs first among ready tasks; 0 is usual */
    unsigned flags;
    rt_fault *fault; /* retained; receives call->info if > 0, plus fault_offset; may be null */
    int64_t fault_offset;
} rt_task_desc;

typedef struct rt_batch {
    rt_task *first, *last;
    int64_t count;
    double seconds; /* estimated work */
    bool no_inline;
} rt_batch;
#define RT_BATCH_INIT                                                                                        \
    {                                                                                                        \
        0                                                                                                    \
    }

/* Append a task. On failure the error is set and the batch unchanged. `task` (may be null) receives a reference to the task, to be
 * released with rt_task_release(). */
da_status rt_batch_add(rt_batch *batch, const rt_task_desc *desc, rt_task **task);
/* Start the runtime if need be and hand over all tasks in order; leaves the batch empty. Fails only before anything was submitted
 * (DA_ERROR_FORKED, DA_ERROR_RUNTIME; the batch is then abandoned). */
da_status rt_batch_commit(rt_batch *batch);
/* Drop all tasks. */
void rt_batch_abandon(rt_batch *batch);
/* Done in one call for a single task. */
da_status rt_submit(const rt_task_desc *desc, rt_task **task);

/* ---- waiting; all return DA_ERROR_STATE inside a task, and DA_ERROR_FORKED in a forked child of a started library unless nothing was
 * going on with the data when it forked ---- */

/* Until no committed task writes (mode READ) or uses (else) any of the data; then the sentence of a poisoned datum as DA_ERROR_TASK. The
 * values may still be on a device. */
da_status rt_data_wait(int n, rt_data *const *data, da_mode mode);
/* The same for data[0..n) in one array. */
da_status rt_data_wait_range(rt_data *data, int64_t n, da_mode mode);
/* Wait until the values of data are home in host memory. Costs nothing where no device has been at work. */
da_status rt_data_home(int n, rt_data *const *data);
/* Hold data for the host, with their values in host memory, from here to rt_data_unmap(), which takes the same arguments and the *number set here, in any thread:
 * conflicting tasks committed later wait. */
da_status rt_data_map(int n, rt_data *const *data, da_mode mode, uint64_t *number);
void rt_data_unmap(int n, rt_data *const *data, da_mode mode, uint64_t number);

void rt_task_retain(rt_task *task);
void rt_task_release(rt_task *task);
bool rt_task_done(const rt_task *task);
/* DA_ERROR_TASK with the sentence if the task failed or was poisoned. */
da_status rt_task_wait(rt_task *task);

/* What da_task_fail() does: stores the sentence for what this task writes; returns DA_ERROR_TASK. */
da_status rt_task_fail(const da_call *call, const char *format, va_list args);

/* True in a thread that is running a task's kernel. */
bool rt_in_task(void);
/* DA_ERROR_STATE naming `what` if rt_in_task(). */
da_status rt_check_may_wait(const char *what);
/* DA_ERROR_FORKED in a child of a process whose runtime was started before the fork. */
da_status rt_check_forked(void);

/* The same without an error. */
bool rt_forked(void);

/* Where this thread's tasks run: da_run_on(), else DARRAY_DEVICE. */
da_place rt_place(void);
/* Sets da_run_on()'s place and returns the former. */
da_place rt_place_swap(da_place place);

/* Number of devices that tasks may run on besides the CPU's cores, or would; 0 with DARRAY_REPRODUCIBLE. Where there are some, what shapes the
 * task graph gives every operand of large tasks a tile of its own, because only such tasks can run there. */
int rt_devices_for_shaping(void);

/* There is work that may be worth devices: the automatic choice of a runtime looks for them. */
void rt_want_devices(void);

/* Whether this thread rehearses (rehearse.h): arrays get no memory, tasks are not run. */
bool rt_rehearsing(void);

/* Workers that there are or would be; with DARRAY_REPRODUCIBLE a constant. What shapes the task graph asks this. */
int rt_workers_for_shaping(void);

/* Whether those are so few that they gain more by large tasks, whole columns above all, than they lose by waiting for the last of them. */
bool rt_few_workers(void);

/* Tasks are shaped as if there were so many workers (0: as many as there are), for predictions (record.h). Does not outdo DARRAY_REPRODUCIBLE. */
void rt_shape_for_workers(int workers);

#endif
