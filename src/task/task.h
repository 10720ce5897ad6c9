/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to src/task/: the handle of a spawned task, the cell of its result, and the pieces of the user's memory. */
#ifndef DARRAY_SRC_TASK_H
#define DARRAY_SRC_TASK_H

#include "base/base.h"
#include "runtime/runtime.h"

/* ---- results (future.c) ---- */

/* Where a task leaves its result: one datum. Written by its own task alone, so that everything but the bytes is constant from the
 * moment the task is committed. Kept alive by the handle and by the tasks that use it. */
typedef struct result_cell {
    rt_owner owner; /* first member */
    rt_data data;
    rt_fault *faults; /* what the result may be affected by */
    int64_t size;     /* in bytes: the operand's extent */
    rt_data *self;    /* &data, for operands */
    max_align_t bytes[];
} result_cell;

/* A new cell with one reference, or NULL with the error set. */
result_cell *result_cell_new(size_t size);
/* The cell as an operand; points into the cell. */
void result_cell_operand(rt_operand *out, result_cell *cell, da_mode mode);

struct da_task {
    handle h;
    rt_task *task;
    const char *name;  /* of its codelet */
    result_cell *cell; /* or null */
    rt_fault *faults;  /* what the task's outputs may be affected by */
};

/* A new handle without a task, for a codelet of that name, or NULL with the error set. */
da_task *future_new(const char *name);
/* DA_ERROR_ARGUMENT or DA_ERROR_STALE naming the function. */
da_status future_check(const da_task *task, const char *function);

/* ---- the user's memory (memory.c) ---- */

typedef struct memory_piece memory_piece;

/* The use of a range of the user's memory by a task that is being built. */
typedef struct memory_use {
    rt_operand operand; /* for task_operand(); points into this struct */
    int64_t shape, stride;
    memory_piece *piece; /* the range itself; kept alive by operand.owner, as is all that overlaps */
    rt_data *one;
    rt_data **many; /* null unless pieces overlap */
} memory_use;

/* Find or make the piece [p, p + size) and all that overlap it. Holds references until memory_end(). */
da_status memory_begin(memory_use *use, void *p, size_t size, da_mode mode);
void memory_end(memory_use *use);
/* The faults that reading the range inherits: a reference of the caller's. */
da_status memory_faults(rt_fault **out, const memory_use *use);
/* From here on the range carries `faults`, and what it carried before unless `overwritten`. */
da_status memory_set_faults(const memory_use *use, rt_fault *faults, bool overwritten);

#endif
