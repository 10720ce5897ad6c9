/* SPDX-License-Identifier: BSD-3-Clause */
/* What darray calibrate runs: every kind of task runs at every size, and does the same again each time. */
#include "../tools/workloads.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static size_t bytes_of(const da_array *a)
{
    return (size_t)da_array_size(a) * da_dtype_size(da_array_dtype(a));
}

/* What a run has written, one array after the other; *bytes in all. */
static char *written(const work *w, size_t *bytes)
{
    char *all;

    *bytes = 0;
    for (int i = 0; i < WORK_BUFFERS; i++)
        if (w->kind->buffers[i] & DA_MODE_WRITE)
            *bytes += bytes_of(w->arrays[i]);
    all = malloc(*bytes + 1);
    ck_assert_ptr_nonnull(all);
    *bytes = 0;
    for (int i = 0; i < WORK_BUFFERS; i++)
        if (w->kind->buffers[i] & DA_MODE_WRITE) {
            ck_ok(da_to_host(w->arrays[i], all + *bytes, bytes_of(w->arrays[i]), DA_COL_MAJOR));
            *bytes += bytes_of(w->arrays[i]);
        }
    return all;
}

static void run_twice(const workload *kind, da_dtype dtype, int64_t n)
{
    char *results[2];
    size_t bytes;
    work w;

    ck_ok(work_begin(&w, kind, dtype, n));
    for (int i = 0; i < 2; i++) {
        const da_status status = work_run(&w);
        ck_assert_msg(status == DA_OK, "%s %s %d: %s", kind->name, da_dtype_name(dtype), (int)n, da_error());
        results[i] = written(&w, &bytes);
    }
    ck_assert_msg(memcmp(results[0], results[1], bytes) == 0, "%s %s %d does something else the second time",
                  kind->name, da_dtype_name(dtype), (int)n);
    free(results[0]);
    free(results[1]);
    work_end(&w);
}

START_TEST(again)
{
    static const int64_t sizes[] = {1, 2, 3, 40};
    int nkinds;
    const workload *const all = workloads_all(&nkinds);

    for (int k = 0; k < nkinds; k++)
        for (int d = DA_BOOL; d <= DA_C128; d++)
            if (workload_takes(&all[k], (da_dtype)d))
                run_twice(&all[k], (da_dtype)d, sizes[_i]);
}
END_TEST

DA_TEST_MAIN("workloads", DA_CASE_LOOP("each kind", 4, again))
