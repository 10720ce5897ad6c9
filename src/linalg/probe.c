/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products that try what devices are worth. In the CPU's shapes operands of products, and of the updates of triangular solves, lie in several tiles
 * each, so that no device can have them, and their times there would never be known. So once it can be afforded, some products of
 * matrices that nobody needs are done there.
 */
#include "linalg/linalg.h"

#include <stdatomic.h>

/* c = a b, again and again: the first of them may have to wait for a compiler, and then says nothing. */
static da_status product_tasks(operation *op, da_dtype dtype, int64_t n)
{
    enum { PRODUCTS = 3 };
    const da_shape shape = DA_SHAPE(n, n);
    const int64_t tile[] = {n, n};
    const span all = {0, n};
    const da_laset_args identity = {.offset = 0};
    const da_gemm_args args = {.alpha = {1, 0}};
    da_array *x[3] = {NULL};
    task_builder t;

    for (int i = 0; i < 3; i++)
        DA_TRY(operation_array(op, &x[i], dtype, &shape, tile));
    EACH_LEAD (at, x[0]) {
        for (int i = 0; i < 2; i++) {
            task_begin(&t, &da_codelet_laset);
            access_block(&t, x[i], &at, all, all, DA_MODE_WRITE);
            task_value(&t, &identity, sizeof identity);
            DA_TRY(task_add(&t, &op->batch));
        }
        for (int i = 0; i < PRODUCTS; i++) {
            task_begin(&t, &da_codelet_gemm);
            access_block(&t, x[0], &at, all, all, DA_MODE_READ);
            access_block(&t, x[1], &at, all, all, DA_MODE_READ);
            access_block(&t, x[2], &at, all, all, DA_MODE_WRITE);
            task_value(&t, &args, sizeof args);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

void probe_products(da_dtype dtype)
{
    const int64_t n = device_step(0);
    const double elements = (double)n * (double)n, bytes = 3 * elements * (double)da_dtype_size(dtype);
    static _Atomic(unsigned) probed; /* dtypes, a bit each */
    const unsigned bit = 1U << dtype;
    operation op;

    if (atomic_load(&probed) & bit || rt_rehearsing() || rt_forked() ||
        !models_may_try(&da_codelet_gemm, dtype, bytes, 2 * elements * (double)n) ||
        atomic_fetch_or(&probed, bit) & bit)
        return;
    const da_place place = rt_place_swap(DA_ON_GPU);
    operation_begin(&op);
    if (operation_finish(&op, product_tasks(&op, dtype, n)) != DA_OK)
        err_clear(); /* short of memory: nobody asked for it */
    (void)rt_place_swap(place);
}
