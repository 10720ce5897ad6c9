/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_models.h"
#include "base/clock.h"
#include "runtime/starpu_device.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const enum starpu_worker_archtype archs[DA_DEVICE_KINDS] = {[DA_DEVICE_CPU] = STARPU_CPU_WORKER,
                                                                   [DA_DEVICE_CUDA] = STARPU_CUDA_WORKER,
                                                                   [DA_DEVICE_OPENCL] = STARPU_OPENCL_WORKER};

static models live;
static _Atomic(bool) on;   /* the models are there; changes under their lock */
static bool peaks_are_new; /* measured by this process, and not saved */

/* What goes with a task: rt_task.backend. */
typedef struct expectation {
    model *of;
    model_size size;
    unsigned kinds; /* that it may run on */
    bool chosen;
    int trial;
    double seconds[DA_DEVICE_KINDS];
    double began, returned; /* on the worker: its function was called, came back */
    double between;         /* the worker's `functions` when it came back */
    int64_t compiled;       /* programs, when it was called */
    bool compiles;          /* some were meanwhile, probably for this task */
} expectation;

/* Each worker writes to a line of its own. */
static struct {
    _Alignas(64) double functions; /* seconds in tasks' functions, ever */
    double ended;                  /* when its latest task was done */
} worker[STARPU_NMAXWORKERS + 1];

static int this_worker(void)
{
    const int id = starpu_worker_get_id();

    return id >= 0 && id < STARPU_NMAXWORKERS ? id : STARPU_NMAXWORKERS;
}

static int kind_of(enum starpu_worker_archtype arch)
{
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (archs[k] == arch)
            return k;
    return -1;
}

models *spu_models(void)
{
    return on ? &live : NULL;
}

model *spu_model_of(const char *symbol)
{
    model *m;

    if (!on)
        return NULL;
    lock_acquire(&live.lock);
    m = models_get(&live, symbol);
    lock_release(&live.lock);
    return m;
}

void spu_model_starts(model *m, da_device_kind kind, double seconds)
{
    if (!m)
        return;
    lock_acquire(&live.lock);
    m->start[kind] = seconds;
    lock_release(&live.lock);
}

/* ---- what StarPU's policy asks ---- */

/* Microseconds. The first question about a task decides for all kinds of worker. */
static double ask(struct starpu_task *st, struct starpu_perfmodel_arch *arch, unsigned implementation)
{
    const rt_task *const task = st->cl_arg;
    expectation *const e = task->backend;
    const int kind = kind_of(arch->devices[0].type);

    (void)implementation;
    if (!e || kind < 0)
        return 1;
    if (!e->chosen) {
        lock_acquire(&live.lock);
        model_choose(e->of, &e->size, e->kinds, e->seconds, &e->trial);
        lock_release(&live.lock);
        e->chosen = true;
    }
    return 1e6 * e->seconds[kind];
}

struct starpu_perfmodel spu_asking_model = {
    .type = STARPU_PER_ARCH, .arch_cost_function = ask, .symbol = "darray"};

void spu_model_task(rt_task *task, struct starpu_task *st, model *m, uint32_t footprint)
{
    static const int32_t places[DA_DEVICE_KINDS] = {
        [DA_DEVICE_CPU] = STARPU_CPU, [DA_DEVICE_CUDA] = STARPU_CUDA, [DA_DEVICE_OPENCL] = STARPU_OPENCL};
    expectation *const e = m ? mem_zalloc(sizeof *e) : NULL;

    task->backend = e;
    if (!e)
        return;
    e->of = m;
    e->trial = -1;
    e->size.footprint = footprint;
    e->size.flops = st->flops > 0 && isfinite(st->flops) ? st->flops : 0;
    for (int i = 0; i < task->call.nbuffers; i++) {
        const da_buffer *const b = &task->call.buffers[i];
        double bytes = b->dtype ? (double)da_dtype_size(b->dtype) : 1;
        for (int d = 0; d < b->ndim; d++)
            bytes *= (double)b->shape[d];
        e->size.bytes += bytes;
    }
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (st->where & places[k] && starpu_worker_get_count_by_type(archs[k]) > 0)
            e->kinds |= 1U << k;
}

/* ---- measuring ---- */

void spu_model_begin(rt_task *task)
{
    expectation *const e = task->backend;

    if (e) {
        e->compiled = spu_programs_compiled();
        e->began = now();
    }
}

void spu_model_end(rt_task *task)
{
    expectation *const e = task->backend;

    if (!e)
        return;
    const int id = this_worker();
    if (!task->on_device && id < STARPU_NMAXWORKERS && kind_of(starpu_worker_get_type(id)) > 0)
        return; /* a device's worker did it on the CPU: a sample of neither */
    e->returned = now();
    worker[id].functions += e->returned - e->began;
    e->between = worker[id].functions;
    e->compiles = task->on_device && spu_programs_compiled() != e->compiled;
}

void spu_model_done(rt_task *task)
{
    expectation *const e = task->backend;
    double took = -1;

    if (!e)
        return;
    task->backend = NULL;
    const int id = this_worker();
    const int kind = id < STARPU_NMAXWORKERS ? kind_of(starpu_worker_get_type(id)) : -1;
    if (e->returned > 0 && !task->failure && kind == DA_DEVICE_CPU) {
        took = e->returned - e->began;
    } else if (e->returned > 0 && kind > 0) {
        /* Several are under way at a time. It may have been done while the worker was in the function of the next one, and before it
         * began the device was busy with the one before. */
        const double end = now() - (worker[id].functions - e->between);
        const double begin = e->began > worker[id].ended ? e->began : worker[id].ended;
        if (!task->failure)
            took = end > begin ? end - begin : 0;
        worker[id].ended = end;
    }
    lock_acquire(&live.lock);
    if (e->compiles && took > 0) {
        model_compiled(e->of, (da_device_kind)kind, took);
        took = -1;
    }
    model_done(e->of, &e->size, kind < 0 ? DA_DEVICE_CPU : (da_device_kind)kind, kind < 0 ? -1 : took,
               e->trial);
    lock_release(&live.lock);
    mem_free(e);
}

/* ---- files ---- */

/* What StarPU 1.3 and 1.4 read and write as version 45 of their models: its tools show then what we measured. */
static void write_starpu(FILE *file, const model *m)
{
    int combinations = 0;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        combinations += k == DA_DEVICE_CPU ? 1 : starpu_worker_get_count_by_type(archs[k]);
    fprintf(file, "##################\n# Performance Model Version\n45\n\n");
    fprintf(file, "####################\n# COMBs\n# number of combinations\n%d\n", combinations);
    for (int k = 0, comb = 0; k < DA_DEVICE_KINDS; k++)
        for (int d = 0; d < (k == DA_DEVICE_CPU ? 1 : starpu_worker_get_count_by_type(archs[k]));
             d++, comb++) {
            models_point points[MODEL_POINTS];
            const int n = models_points(m, (da_device_kind)k, points, MODEL_POINTS);
            fprintf(file, "####################\n# COMB_%d\n# number of types devices\n1\n", comb);
            fprintf(file, "####################\n# DEV_0\n# device type\n%d\n", (int)archs[k]);
            fprintf(file, "####################\n# DEV_0\n# device id\n%d\n", d);
            fprintf(file, "####################\n# DEV_0\n# number of cores\n1\n");
            fprintf(file, "##########\n# number of implementations\n1\n");
            fprintf(file, "#####\n# Model for %s%d\n# number of entries\n%d\n",
                    models_kind_name((da_device_kind)k), d, n);
            fprintf(file, "# sumlnx sumlnx2 sumlny sumlnxlny alpha beta n minx maxx\n");
            fprintf(file, "0.0e+00 0.0e+00 0.0e+00 0.0e+00 nan nan 0 0 0\n# a b c\nnan nan nan\n");
            fprintf(file, "# not multiple-regression-base\n0\n");
            fprintf(file, "# hash size flops mean (us) dev (us) sum sum2 n\n");
            for (int i = 0; i < n; i++) {
                const models_point *const p = &points[i];
                const double mean = 1e6 * p->mean, deviation = 1e6 * p->deviation,
                             samples = (double)p->samples;
                fprintf(file, "%08" PRIx32 " %.0f %e %e %e %e %e %" PRId64 "\n", p->footprint, p->bytes,
                        p->flops, mean, deviation, samples * mean,
                        samples * (mean * mean + deviation * deviation), p->samples);
            }
            fprintf(file, "\n");
        }
}

static void keep_starpu(const model *m)
{
    char path[PATH_MAX] = "", temporary[PATH_MAX + 16];
    FILE *file;

    starpu_perfmodel_get_model_path(m->symbol, path, sizeof path - 1);
    if (!strstr(path, "/45/")) /* another version */
        return;
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    file = fopen(temporary, "we");
    if (!file)
        return;
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = c ? uselocale(c) : (locale_t)0;
    write_starpu(file, m);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    const bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed || rename(temporary, path) != 0)
        unlink(temporary);
}

static bool fresh(const model *m)
{
    for (int i = 0; i < m->npoints; i++)
        for (int k = 0; k < DA_DEVICE_KINDS; k++)
            if (m->points[i].on[k].fresh)
                return true;
    return false;
}

static bool any_fresh(void)
{
    for (const model *m = live.first; m; m = m->next)
        if (fresh(m))
            return true;
    return false;
}

static void save(void)
{
    if (!any_fresh() && !peaks_are_new)
        return;
    peaks_are_new = false;
    if (models_save(&live) != DA_OK) {
        log_line(1, "starpu: measured times are not kept: %s", da_error());
        err_clear();
    }
}

da_status spu_models_measured(models *to, const char *symbol)
{
    da_status status = DA_OK;

    lock_acquire(&live.lock);
    models_take_devices(to, &live, true);
    for (const model *m = live.first; m && status == DA_OK; m = m->next)
        if (!symbol || strcmp(m->symbol, symbol) == 0)
            status = models_add(to, m, false);
    lock_release(&live.lock);
    return status;
}

/* Once for each device: the file keeps it. */
static void measure_devices(void)
{
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        models_device *const d = &live.device[k], now_known = *d;

        if (!d->name[0] || d->peak.bytes > 0 || !spu_device_measure((da_device_kind)k, &now_known))
            continue;
        models_set_device(&live, (da_device_kind)k, &now_known);
        peaks_are_new = true;
    }
}

void spu_models_start(void)
{
    if (spu_devices() == 0 && !models_always)
        return;
    memset(worker, 0, sizeof worker);
    if (models_read(&live, NULL) != DA_OK) {
        log_line(1, "starpu: times measured earlier are not known: %s", da_error());
        err_clear();
    }
    models_fit(&live);
    measure_devices();
    lock_acquire(&live.lock); /* rehearsals in other threads may look at them from now on */
    on = true;
    lock_release(&live.lock);
}

void spu_models_stop(void)
{
    if (!on)
        return;
    lock_acquire(&live.lock);
    on = false;
    save();
    for (const model *m = live.first; m; m = m->next)
        if (fresh(m))
            keep_starpu(m);
    models_clear(&live);
    lock_release(&live.lock);
}

void spu_models_at_exit(void)
{
    if (!on || !lock_try(&live.lock))
        return;
    save();
    lock_release(&live.lock);
}
