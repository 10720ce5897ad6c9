/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tasks are run here one after the other, but cut as for the workers that are asked for; their times are replayed on so many (src/runtime/replay.h). Of
 * several recordings each task's shortest time counts. Times are the thread's CPU time, so that what else the machine does disturbs little.
 */
#include "predict.h"

#include "runtime/replay.h"

#include <stdlib.h>
#include <string.h>

/* A recorded call. */
typedef struct recorded {
    record tasks;
    double *seconds; /* each task's */
    double overhead; /* a task */
    char tile[sizeof((bench *)NULL)->tile];
} recorded;

static void forget(recorded *r)
{
    record_free(&r->tasks);
    free(r->seconds);
    r->seconds = NULL;
}

/* One call; the first one's graph is kept. */
static int record_call(bench *b, recorded *r, bool first)
{
    record now = {0};

    if (b->ours.prepare != NULL && b->ours.prepare(b->ours.ctx) != 0)
        return 1;
    BENCH_TRY(record_begin(b->sampled));
    const int status = b->ours.run(b->ours.ctx);
    BENCH_TRY(record_end(&now));
    if (status != 0) {
        record_free(&now);
        return status;
    }
    const double overhead = record_overhead(&now);
    bool same = first || now.ntasks == r->tasks.ntasks;
    if (first) {
        r->tasks = now;
        r->overhead = overhead;
        r->seconds = calloc((size_t)now.ntasks + 1, sizeof *r->seconds);
        if (r->seconds == NULL)
            return bench_fail("%s: no memory for %lld tasks", b->kase->name, (long long)now.ntasks);
    }
    for (int64_t i = 0; i < now.ntasks && same; i++) {
        const double t = now.tasks[i].cpu_seconds;
        if (t < 0)
            same = false;
        else if (first || t < r->seconds[i])
            r->seconds[i] = t;
        if (!first && now.tasks[i].committed < r->tasks.tasks[i].committed)
            r->tasks.tasks[i].committed = now.tasks[i].committed;
    }
    if (!first) {
        r->overhead = overhead < r->overhead ? overhead : r->overhead;
        record_free(&now);
    }
    return same ? 0
                : bench_fail("%s: not all of its tasks ran on the CPU, or not always the same ones",
                             b->kase->name);
}

/* The call's tasks as for `workers`. */
static int record_for(bench *b, int workers, int repeat, recorded *r)
{
    memset(r, 0, sizeof *r);
    rt_shape_for_workers(workers);
    int status = b->kase->setup(b);
    for (int i = 0; i < repeat && status == 0; i++)
        status = record_call(b, r, i == 0);
    memcpy(r->tile, b->tile, sizeof r->tile);
    b->kase->teardown(b);
    rt_shape_for_workers(0);
    if (status != 0)
        forget(r);
    return status;
}

static void report_json(const bench *b, const char *dtype, const recorded *r, int workers, double one,
                        const replay_result *p)
{
    const double n = (double)p->tasks;
    const harness_field fields[] = {
        {"case", b->kase->name, 0},
        {"n", NULL, (double)b->n},
        {"dtype", dtype, 0},
        {"runtime", b->runtime, 0},
        {"threads", NULL, b->threads},
        {"tile", r->tile, 0},
        {"predict_workers", NULL, workers},
        {"speedup", NULL, one / p->seconds},
        {"seconds", NULL, p->seconds},
        {"one_worker_seconds", NULL, one},
        {"critical_path_seconds", NULL, p->path},
        {"work_seconds", NULL, p->work},
        {"busy", NULL, (p->work + n * r->overhead) / (p->seconds * workers)},
        {"tasks", NULL, n},
        {"critical_path_tasks", NULL, (double)p->path_tasks},
        {"overhead_us", NULL, r->overhead * 1e6},
        {"submit_seconds", NULL, p->tasks > 0 ? r->tasks.tasks[p->tasks - 1].committed : 0},
    };
    enum { COUNT = sizeof fields / sizeof *fields };
    harness_field all[COUNT + 2 * REPLAY_KERNELS];
    char names[2 * REPLAY_KERNELS][64];
    int count = COUNT;

    memcpy(all, fields, sizeof fields);
    for (int k = 0; k < p->nkernels; k++) {
        snprintf(names[2 * k], sizeof names[0], "work_%s", p->kernels[k].name);
        all[count++] = (harness_field){names[2 * k], NULL, p->kernels[k].seconds};
        if (p->kernels[k].path_tasks > 0) {
            snprintf(names[2 * k + 1], sizeof names[0], "critical_path_%s", p->kernels[k].name);
            all[count++] = (harness_field){names[2 * k + 1], NULL, p->kernels[k].path_seconds};
        }
    }
    harness_print_json(stdout, all, count);
}

static void report_text(const bench *b, const recorded *r, int workers, double one, const replay_result *p)
{
    char seconds[24], path[24], work[24], t[24];

    printf("%-17s %10lld %7d %8.2f %10s %10s %10s %6.1f%% %9lld  %s\n", b->kase->name, (long long)b->n,
           workers, one / p->seconds, harness_format_seconds(seconds, p->seconds),
           harness_format_seconds(path, p->path), harness_format_seconds(work, p->work),
           100 * (p->work + (double)p->tasks * r->overhead) / (p->seconds * workers), (long long)p->tasks,
           r->tile);
    for (int k = 0; k < p->nkernels; k++) {
        const replay_kernel *const kernel = &p->kernels[k];
        printf(
            "    %-24s %8lld tasks %5.1f%% of the work, each %9s; %7lld and %5.1f%% of the critical path\n",
            kernel->name, (long long)kernel->tasks, 100 * kernel->seconds / p->work,
            harness_format_seconds(t, kernel->seconds / (double)kernel->tasks), (long long)kernel->path_tasks,
            100 * kernel->path_seconds / p->path);
    }
}

int predict(bench *b, const int *workers, int nworkers, int repeat, bool json)
{
    const char *const dtype = bench_dtype_label(b->dtype);
    replay_result p;
    recorded r;
    double one;
    char t[24];
    da_status status;

    if (record_for(b, 1, repeat, &r) != 0)
        return 1;
    status = replay(&r.tasks, r.seconds, r.overhead, 1, &p);
    one = p.seconds;
    if (!json && status == DA_OK) {
        printf("one worker: %s, %lld tasks, %.2f us a task besides its kernel\n",
               harness_format_seconds(t, one), (long long)p.tasks, r.overhead * 1e6);
        printf("%-17s %10s %7s %8s %10s %10s %10s %7s %9s  %s\n", "case", "n", "workers", "speed-up", "time",
               "crit. path", "work", "busy", "tasks", "tile");
    }
    for (int i = 0; i < nworkers && status == DA_OK; i++) {
        if (workers[i] != 1) {
            forget(&r);
            if (record_for(b, workers[i], repeat, &r) != 0)
                return 1;
        }
        status = replay(&r.tasks, r.seconds, r.overhead, workers[i], &p);
        if (status != DA_OK)
            break;
        if (json)
            report_json(b, dtype, &r, workers[i], one, &p);
        else
            report_text(b, &r, workers[i], one, &p);
        fflush(stdout);
    }
    forget(&r);
    return status == DA_OK ? 0 : bench_fail("%s", da_error());
}
