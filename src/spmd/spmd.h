/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to src/spmd/. A collective is a meeting: every rank brings a request and waits; once all are there one of them acts
 * for all: it checks that the requests fit each other and carries them out. Its outcome is everyone's, so that
 * ranks stay in step through errors, too.
 */
#ifndef DARRAY_SRC_SPMD_H
#define DARRAY_SRC_SPMD_H

#include "base/base.h"
#include <darray/spmd.h>

enum { SPMD_SENTENCE = 512 };

typedef struct region region;

/* A collective. */
typedef struct spmd_collective {
    const char *name;
    /* Does it for all ranks; reads their requests. On an error no output was touched. */
    da_status (*act)(const region *g);
    /* Who comes last acts; else rank 0: what is asked of the library is then asked in an order, and under per-thread
     * settings, that do not depend on timing. */
    bool anyone;
} spmd_collective;

typedef struct spmd_request {
    const spmd_collective *what;
    void *out;
    const void *in;
    int64_t count;
    da_dtype dtype;
    da_op op;
    int root;
    da_array **array_out;
    const da_array *array;
} spmd_request;

/* Take part in a meeting. DA_ERROR_CANCELLED if a rank is missing for good. */
da_status spmd_meet(da_rank *rank, const spmd_request *request);

/* ---- for those who act ---- */

int spmd_count(const region *g);
const spmd_request *spmd_request_of(const region *g, int rank);
/* DA_ERROR_ARGUMENT naming the first difference between the ranks' counts, dtypes, operators and roots, or what is wrong with all of
 * them; functions that do not use one of these leave it 0 (root: 0). */
da_status spmd_check_same(const region *g);
/* DA_ERROR_DTYPE, DA_ERROR_ARGUMENT if `op` does not work on `dtype`. */
da_status spmd_check_op(const char *function, da_op op, da_dtype dtype);

#endif
