/* SPDX-License-Identifier: BSD-3-Clause */
/* What a task costs: n tasks with two accesses each, as good as empty, submitted by one thread and waited for. The reference
 * does the same with the runtime that darray runs on: `omp task depend` in a parallel region, or starpu_task_insert.
 *
 * Task i adds 1 to counter i % 64 (read and write) and reads datum (5 i) % 64: 64 chains, as many tasks ready. All run as
 * tasks (DARRAY_INLINE=0), and the counters show that all ran, in order where they must be.
 *
 * Beside StarPU of darray's there cannot be another one in the process that is measured fairly (darray pauses its own when
 * idle): before every batch the one is shut down and the other started, not timed, and warmed up. */
#include "bench.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 64, STRIDE = 16 /* doubles: two cache lines */ };

typedef struct counters {
    int64_t tasks;
    int threads;
    bool starpu;
    const char *runtime;
    da_array *x, *y; /* counters and data, CHAINS tiles of STRIDE elements */
    double *a, *b;   /* the same for the reference */
    bool started;    /* the reference's StarPU */
} counters;

static da_status count_kernel(const da_call *call)
{
    *(double *)call->buffers[0].data += *(const double *)call->buffers[1].data;
    return DA_OK;
}

static const da_codelet count_codelet = {
    .name = "bench_add",
    .cpu = count_kernel,
    .nbuffers = 2,
    .modes = {DA_MODE_READ_WRITE, DA_MODE_READ},
};

static int tasks_ours(counters *c, int64_t tasks)
{
    for (int64_t i = 0; i < tasks; i++)
        BENCH_TRY(DA_SPAWN(NULL, &count_codelet, DA_READ_WRITE(DA_BLOCK(c->x, i % CHAINS)),
                           DA_READ(DA_BLOCK(c->y, 5 * i % CHAINS))));
    BENCH_TRY(da_wait_all());
    return 0;
}

static int ours_begin(void *ctx)
{
    counters *const c = ctx;
    if (c->starpu)
        BENCH_TRY(da_init(c->runtime, c->threads));
    return tasks_ours(c, 1000);
}

static int ours_run(void *ctx)
{
    counters *const c = ctx;
    return tasks_ours(c, c->tasks);
}

static int reference_begin(void *ctx)
{
    counters *const c = ctx;
    if (!c->starpu) {
        reference_tasks_openmp(1000, CHAINS, STRIDE, c->a, c->b, c->threads);
        return 0;
    }
#if DA_HAVE_STARPU
    BENCH_TRY(da_shutdown());
    if (reference_starpu_start(c->threads, CHAINS, STRIDE, c->a, c->b) != 0)
        return bench_fail("task_overhead: the reference's StarPU does not start");
    c->started = true;
    if (reference_starpu_run(1000, CHAINS) != 0)
        return bench_fail("task_overhead: starpu_task_insert failed");
#endif
    return 0;
}

static int reference_run(void *ctx)
{
    counters *const c = ctx;
    if (!c->starpu) {
        reference_tasks_openmp(c->tasks, CHAINS, STRIDE, c->a, c->b, c->threads);
        return 0;
    }
#if DA_HAVE_STARPU
    if (reference_starpu_run(c->tasks, CHAINS) != 0)
        return bench_fail("task_overhead: starpu_task_insert failed");
#endif
    return 0;
}

static int reference_end(void *ctx)
{
    counters *const c = ctx;
#if DA_HAVE_STARPU
    if (c->started)
        reference_starpu_stop(CHAINS);
#endif
    c->started = false;
    return 0;
}

static void tasks_teardown(bench *b)
{
    counters *const c = b->state;
    if (c == NULL)
        return;
    reference_end(c);
    da_array_release(&c->x);
    da_array_release(&c->y);
    free(c->a);
    free(c->b);
    free(c);
    b->state = NULL;
}

static int tasks_setup(bench *b)
{
    if (b->n < 1 || b->n > 100000000)
        return bench_fail("task_overhead: the number of tasks must be from 1 to 1e8, not %lld",
                          (long long)b->n);
    counters *const c = calloc(1, sizeof *c);
    if (c == NULL)
        return bench_fail("no memory");
    b->state = c;
    c->tasks = b->n;
    c->threads = b->threads;
    c->starpu = b->starpu;
    c->runtime = b->runtime;
    const size_t bytes = CHAINS * STRIDE * sizeof(double);
    c->a = bench_alloc(b, bytes);
    c->b = bench_alloc(b, bytes);
    if (c->a == NULL || c->b == NULL)
        return 1;
    for (int i = 0; i < CHAINS * STRIDE; i++) {
        c->a[i] = 0;
        c->b[i] = 1;
    }
    BENCH_TRY(da_blocks(DA_SHAPE(STRIDE)));
    BENCH_TRY(da_zeros(&c->x, DA_F64, DA_SHAPE(CHAINS * STRIDE)));
    BENCH_TRY(da_ones(&c->y, DA_F64, DA_SHAPE(CHAINS * STRIDE)));
    BENCH_TRY(da_blocks(DA_SCALAR_SHAPE));
    BENCH_TRY(da_wait_all());
    bench_set_tile(b, c->x);
    b->ours = (harness_side){ours_begin, NULL, ours_run, NULL, c};
    b->reference = (harness_side){reference_begin, NULL, reference_run, reference_end, c};
    b->reference_name = c->starpu ? "starpu_task_insert, 2 handles" : "omp task depend, 2 dependences";
    b->unit = "Mtasks/s";
    b->work = (double)c->tasks * 1e-6;
    b->units_per_call = (double)c->tasks;
    return 0;
}

/* Residual: tasks that the counters miss, or that did not go through the runtime. */
static int tasks_check(bench *b)
{
    counters *const c = b->state;
    const size_t bytes = CHAINS * STRIDE * sizeof(double);
    double before[CHAINS * STRIDE], after[CHAINS * STRIDE];
    if (ours_begin(c) != 0)
        return 1;
    da_stats start, end;
    BENCH_TRY(da_to_host(c->x, before, bytes, DA_ROW_MAJOR));
    da_get_stats(&start);
    if (ours_run(c) != 0)
        return 1;
    da_get_stats(&end);
    BENCH_TRY(da_to_host(c->x, after, bytes, DA_ROW_MAJOR));
    double missed = 0;
    for (int i = 0; i < CHAINS; i++) {
        const double wanted = (double)(c->tasks / CHAINS + (i < c->tasks % CHAINS));
        missed += fabs(after[i * STRIDE] - before[i * STRIDE] - wanted);
    }
    b->residual = missed + fabs((double)(end.tasks_submitted - start.tasks_submitted - c->tasks));
    b->residual_bound = 0.5;
    return 0;
}

const bench_case bench_task_overhead = {"task_overhead",
                                        "n tasks with two accesses each; seconds are per task",
                                        100000,
                                        2000,
                                        BENCH_F64_ONLY | BENCH_NO_INLINE,
                                        tasks_setup,
                                        tasks_check,
                                        tasks_teardown};
