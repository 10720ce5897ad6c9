/* SPDX-License-Identifier: BSD-3-Clause */
#include "operations.h"
#include <darray/darray.h>
#include <string.h>
#include <time.h>

const tile_operation *operation_named(const char *name)
{
    for (const tile_operation *const *o = tile_operations; *o; o++)
        if (strcmp((*o)->name, name) == 0)
            return *o;
    return NULL;
}

tile_size operation_size(const tile_operation *operation, int64_t n)
{
    return (tile_size){n, n, operation->ninputs == 2 ? n : 0};
}

/* Well-conditioned where it must be definite: its diagonal dominates. */
static da_status make(da_array **out, const operation_run *r, int64_t rows, int64_t columns, uint64_t seed)
{
    DA_AUTO da_array *identity = NULL;

    DA_TRY(da_random_uniform(out, r->dtype, DA_SHAPE(rows, columns), seed));
    if (!r->operation->definite)
        return DA_OK;
    DA_TRY(da_eye(&identity, r->dtype, rows, columns, 0));
    return da_assign(*out, da_add(*out, da_multiply(identity, 2.0 * (double)rows)));
}

da_status operation_prepare(operation_run *r, const tile_operation *operation, da_dtype dtype, tile_size size)
{
    const bool two = operation->ninputs == 2;
    da_status status;

    *r = (operation_run){.operation = operation, .dtype = dtype, .size = size};
    status = make(&r->inputs[0], r, size.m, two ? size.k : size.n, 1);
    if (status == DA_OK && two)
        status = make(&r->inputs[1], r, size.k, size.n, 2);
    if (status == DA_OK)
        status = da_wait_all();
    if (status != DA_OK)
        operation_release(r);
    return status;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

da_status operation_measure(const operation_run *r, int64_t mb, int64_t nb, double *seconds)
{
    const double began = now();

    tile_try(r->operation, mb, nb);
    da_status status = r->operation->run(r->inputs);
    tile_try(NULL, 0, 0);
    if (status == DA_OK)
        status = da_wait_all();
    *seconds = now() - began;
    return status;
}

void operation_release(operation_run *r)
{
    da_array_release(&r->inputs[0]);
    da_array_release(&r->inputs[1]);
}
