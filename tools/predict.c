/* SPDX-License-Identifier: BSD-3-Clause */
/* darray models predict: what the models say of an operation's tile sizes, and beside it what is true. */
#include "operations.h"
#include "tool.h"
#include <darray/darray.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median call with each candidate's tiles. The candidates take turns, so that what else the machine does meets all of them. */
static da_status measure(const tile_operation *operation, da_dtype dtype, tile_size size, int calls,
                         const tile_rating *ratings, int n, double *seconds)
{
    static double all[TILE_RATINGS][TOOL_CALLS];
    operation_run run;
    da_status status = operation_prepare(&run, operation, dtype, size);

    if (status != DA_OK)
        return status;
    status = operation_measure(&run, ratings[0].mb, ratings[0].nb, &seconds[0]); /* a start */
    for (int k = 0; k < calls; k++)
        for (int i = 0; i < n && status == DA_OK; i++)
            status = operation_measure(&run, ratings[i].mb, ratings[i].nb, &all[i][k]);
    operation_release(&run);
    for (int i = 0; i < n; i++) {
        qsort(all[i], (size_t)calls, sizeof all[i][0], by_value);
        seconds[i] = all[i][calls / 2];
    }
    return status;
}

static void print(const tile_rating *ratings, int n, int best, const double *measured)
{
    printf("%-13s %8s %12s %12s %12s %9s", "tile", "tasks", "predicted", "crit. path", "all tasks",
           "measured");
    printf(measured ? " %12s %8s\n" : "\n", "true", "ratio");
    for (int i = 0; i < n; i++) {
        const replay_result *const p = &ratings[i].predicted;
        char tile[TEXT], predicted[TEXT], path[TEXT], work[TEXT], is[TEXT];

        snprintf(tile, sizeof tile, "%lldx%lld", (long long)ratings[i].mb, (long long)ratings[i].nb);
        printf("%-13s %8lld %12s %12s %12s %8.0f%%", tile, (long long)p->tasks,
               seconds_text(predicted, p->seconds), seconds_text(path, p->path), seconds_text(work, p->work),
               100 * ratings[i].seen);
        if (measured)
            printf(" %12s %8.2f", seconds_text(is, measured[i]), measured[i] / p->seconds);
        printf("%s%s\n", i == 0 ? "  rule" : "", i == best ? "  used" : "");
    }
}

static void sum_up(const tile_rating *ratings, int n, int best, const double *measured)
{
    double least = INFINITY;

    for (int i = 0; i < n; i++)
        least = fmin(least, measured[i]);
    printf("the tiles used take %.2f of their prediction, and %.2f of the best tiles' time\n",
           measured[best] / ratings[best].predicted.seconds, measured[best] / least);
}

int tool_predict(const char *name, int64_t n, da_dtype dtype, int workers, int calls)
{
    const tile_operation *const operation = operation_named(name);
    const tile_size size = operation_size(operation, n);
    tile_rating ratings[TILE_RATINGS];
    double measured[TILE_RATINGS];
    int64_t forced[DA_MAX_NDIM];
    int count, best;

    rt_want_devices(); /* what is predicted runs after their start */
    if (calls > 0 && da_init(NULL, 0) != DA_OK)
        return tool_fail("models", "%s", da_error());
    rt_shape_for_workers(workers);
    if (tile_ratings(operation, dtype, size, ratings, &count, &best) != DA_OK)
        return tool_fail("models", "%s", da_error());
    if (ratings[0].mb == 0)
        return tool_fail("models", "nothing to choose: %s",
                         tiling_forced(&DA_SHAPE(n, n), forced) ? "DARRAY_TILE forces the tiles"
                                                                : "a device's task takes one tile");
    printf("%s of %lld x %lld %s, %d workers, %s\n", name, (long long)n, (long long)n, dtype_label(dtype),
           rt_workers_for_shaping(), da_runtime_name());
    if (calls > 0 && measure(operation, dtype, size, calls, ratings, count, measured) != DA_OK)
        return tool_fail("models", "%s", da_error());
    print(ratings, count, best, calls > 0 ? measured : NULL);
    if (ratings[0].known < 0.9)
        printf("only %.0f %% of the time is of kernels that were measured, so the rule's tiles are used; "
               "darray calibrate "
               "measures them\n",
               100 * ratings[0].known);
    else if (!tile_is_asked())
        printf("below 1 Gflop, with DARRAY_REPRODUCIBLE and with DARRAY_DEVICE=gpu the models are not asked, "
               "so the "
               "rule's tiles are used\n");
    if (calls > 0)
        sum_up(ratings, count, best, measured);
    return TOOL_OK;
}
