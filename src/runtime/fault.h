/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numerical faults are data. A factorisation makes a cell; its panel kernels write LAPACK's info into it; the storage that the
 * result lives in carries the set of cells it may be affected by, everything computed from it inherits the set as the operation is
 * called, and da_wait() looks at the cells once the data is there. Sets are immutable, shared and counted; NULL is the empty one.
 * Nothing here depends on when tasks run.
 */
#ifndef DARRAY_SRC_FAULT_H
#define DARRAY_SRC_FAULT_H

#include "base/base.h"

typedef struct rt_fault rt_fault;

/* A set of one new cell. `format` is a static string with two PRId64 conversions: the index (1-based, as info), then n:
 * "cholesky: leading minor %" PRId64 " of %" PRId64 " is not positive definite". NULL if out of memory. */
rt_fault *rt_fault_new(const char *format, int64_t n);
/* The same where there are two ways to break down: info > n is told as info - n by the second format. */
rt_fault *rt_fault_new_two(const char *format, const char *beyond, int64_t n);
rt_fault *rt_fault_retain(rt_fault *f); /* NULL is fine */
void rt_fault_release(rt_fault *f);     /* NULL is fine */
/* *out: the union of n sets (each may be NULL), a reference of the caller's; cells known to be fine are left out, and of those
 * whose tasks are done and that broke down the one with the lowest index stays (of equals the first). DA_ERROR_MEMORY. */
da_status rt_fault_union(rt_fault **out, int n, rt_fault *const *sets);
/* Record info > 0; the lowest stays. */
void rt_fault_report(rt_fault *cell, int64_t info);
/* Every task that may report to the cell is counted, so that a finished cell is known to be fine. */
void rt_fault_add_reporter(rt_fault *cell);
void rt_fault_reporter_done(rt_fault *cell);
/* DA_ERROR_NUMERICAL with the sentence of the cell with the lowest index (of equals the first), else DA_OK. Call when the data is there. */
da_status rt_fault_check(rt_fault *f);

#endif
