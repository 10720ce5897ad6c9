/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole operations whose tiles the models choose (src/linalg/tiles.h), run on matrices of the tool's. */
#ifndef DARRAY_TOOLS_OPERATIONS_H
#define DARRAY_TOOLS_OPERATIONS_H

#include "linalg/tiles.h"

typedef struct operation_run {
    const tile_operation *operation;
    da_dtype dtype;
    tile_size size;
    da_array *inputs[2];
} operation_run;

/* Null if there is none of this name. */
const tile_operation *operation_named(const char *name);
/* Matrices of n x n. */
tile_size operation_size(const tile_operation *operation, int64_t n);

/* Makes the inputs; on failure there is nothing to free. */
da_status operation_prepare(operation_run *r, const tile_operation *operation, da_dtype dtype,
                            tile_size size);
/* One call with these tiles (0, 0: the library's choice), and how long it took until everything was done. */
da_status operation_measure(const operation_run *r, int64_t mb, int64_t nb, double *seconds);
void operation_release(operation_run *r);

#endif
