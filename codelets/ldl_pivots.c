/* SPDX-License-Identifier: BSD-3-Clause */
/* The user's pivots of Bunch-Kaufman: whether they are any, which tasks on devices do not ask. */
#include "kernel_support.h"
#include "kernels.h"

da_status da_ldl_pivots_check(const da_call *call, const int64_t *pivots, int64_t n, int64_t step, bool upper)
{
    bool second = false, fit = true;

    for (int64_t k = 0; k < n; k++) {
        const int64_t pivot = pivots[(upper ? n - 1 - k : k) * step], row = pivot < 0 ? ~pivot : pivot;

        fit = fit && row < n && !(second && pivot >= 0);
        second = !second && pivot < 0;
    }
    return fit && !second ? DA_OK : da_task_fail(call, "pivots name rows that do not exist, or half a block");
}

static da_status run(const da_call *call)
{
    const da_ldl_args *args = call->values[0].data;
    const da_buffer *const from = &call->buffers[0], *const to = &call->buffers[1];
    const int lead = from->ndim - 1;
    const int64_t n = from->shape[lead], from_step = from->strides[lead], to_step = to->strides[lead];
    int64_t count = 1;

    for (int d = 0; d < lead; d++)
        count *= from->shape[d];
    for (int64_t i = 0; i < count; i++) {
        const int64_t *p = from->data;
        int64_t *q = to->data, rest = i;

        for (int d = lead - 1; d >= 0; d--) {
            p += rest % from->shape[d] * from->strides[d];
            q += rest % from->shape[d] * to->strides[d];
            rest /= from->shape[d];
        }
        DA_TRY(da_ldl_pivots_check(call, p, n, from_step, (args->uplo & DA_UPPER) != 0));
        for (int64_t j = 0; j < n; j++)
            q[j * to_step] = p[j * from_step];
    }
    return DA_OK;
}

const da_codelet da_codelet_ldl_pivots = {
    .name = "da_ldl_pivots",
    .cpu = run,
    .nbuffers = 2,
    .modes = {DA_MODE_READ, DA_MODE_WRITE},
    .nvalues = 1,
    .value_sizes = {sizeof(da_ldl_args)},
};
