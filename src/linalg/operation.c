/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations: building tasks and arrays so that either everything happens or nothing. */
#include "linalg/linalg.h"

#include <assert.h>
#include <string.h>

void operation_begin(operation *op)
{
    op->batch = (rt_batch)RT_BATCH_INIT;
    op->fault = NULL;
    op->narrays = 0;
    op->nresults = 0;
}

da_status operation_own(operation *op, da_status status, da_array *const *array)
{
    if (status == DA_OK) {
        assert(op->narrays < MAX_ARRAYS);
        op->arrays[op->narrays++] = *array;
    }
    return status;
}

da_status operation_array(operation *op, da_array **out, da_dtype dtype, const da_shape *shape,
                          const int64_t *tile)
{
    return operation_own(op, array_new(out, dtype, shape, tile, NULL), out);
}

da_status operation_vectors(operation *op, da_array **out, da_dtype dtype, const da_shape *matrices,
                            int64_t n, int64_t length)
{
    int64_t tile[DA_MAX_NDIM];
    da_shape shape = *matrices;
    int order[DA_MAX_NDIM];

    tile_with(tile, matrices, length, 1);
    shape.ndim--;
    shape.dim[shape.ndim - 1] = n;
    for (int d = 0; d < shape.ndim; d++)
        order[d] = d;
    return operation_own(op, array_new(out, dtype, &shape, tile, order), out);
}

da_status operation_copy(operation *op, da_array **out, const da_array *a, const int64_t *tile)
{
    const da_shape shape = array_shape_of(a);

    DA_TRY(operation_array(op, out, a->s->dtype, &shape, tile));
    return array_copy_tasks(&op->batch, *out, a);
}

da_status operation_fault(operation *op, const char *format, int64_t n)
{
    return operation_fault_two(op, format, NULL, n);
}

da_status operation_fault_two(operation *op, const char *format, const char *beyond, int64_t n)
{
    op->fault = rt_fault_new_two(format, beyond, n);
    return op->fault ? DA_OK : err_memory(64, "a fault cell");
}

static da_status add_result(operation *op, da_array **out, da_array *array, bool overwritten, int ninputs,
                            const da_array *const *inputs)
{
    assert(op->nresults < MAX_RESULTS);
    DA_TRY(faults_prepare(&op->results[op->nresults].flow, array, overwritten, ninputs, inputs, op->fault));
    op->results[op->nresults].array = array;
    op->results[op->nresults].out = out;
    op->nresults++;
    return DA_OK;
}

da_status operation_result(operation *op, da_array **out, da_array *array, int ninputs,
                           const da_array *const *inputs)
{
    return add_result(op, out, array, true, ninputs, inputs);
}

da_status operation_made(operation *op, da_array **out, da_array *array)
{
    return add_result(op, out, array, false, 0, NULL);
}

da_status operation_in_place(operation *op, da_array *array, bool overwritten, int ninputs,
                             const da_array *const *inputs)
{
    return add_result(op, NULL, array, overwritten && array_covers_storage(array), ninputs, inputs);
}

da_status operation_finish(operation *op, da_status status)
{
    if (status == DA_OK) {
        for (int r = 0; r < op->nresults; r++)
            faults_apply(&op->results[r].flow, op->results[r].array);
        status = rt_batch_commit(&op->batch);
    } else {
        for (int r = 0; r < op->nresults; r++)
            faults_drop(&op->results[r].flow);
        rt_batch_abandon(&op->batch);
    }
    for (int i = 0; i < op->narrays; i++) {
        for (int r = 0; r < op->nresults && status == DA_OK; r++)
            if (op->results[r].out && op->results[r].array == op->arrays[i]) {
                *op->results[r].out = op->arrays[i];
                op->arrays[i] = NULL;
            }
        da_array_release(&op->arrays[i]);
    }
    rt_fault_release(op->fault);
    return status;
}
