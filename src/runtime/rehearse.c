/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/rehearse.h"
#include "runtime/backend.h"
#include "runtime/core.h"
#include "runtime/models.h"

#include <stdio.h>
#include <string.h>

/* What a runtime needs for a task besides its kernel, and to hand it over. */
static const double openmp_overhead = 1e-6, starpu_overhead = 3e-6, handing_over = 0.5e-6;

static _Thread_local rehearsal *current;

bool rt_rehearsing(void)
{
    return current != NULL;
}

/* ---- times ---- */

/* Whether devices of a kind could run the task, as far as can be told before it runs. */
static bool may_run_on(const rt_task *t, da_device_kind kind)
{
    const char *const name = t->codelet->name;

    if (rt_devices_of(kind) == 0 || rt_place() == DA_ON_CPU || !(t->codelet->flags & DA_CODELET_OWN))
        return false;
    for (int i = 0; i < t->noperands; i++)
        if (t->datum[i] == DATUM_SEVERAL)
            return false;
    const da_device_kernel *const kernel = da_device_find(kind, name);
    return kernel && (!kernel->takes || kernel->takes(da_device_module_of(kind, NULL), &t->call));
}

/* False if memory is short. */
static bool expect(rehearsal *r, const rt_task *t, const record_task *recorded,
                   double seconds[DA_DEVICE_KINDS])
{
    models *const all = models_here();

    model_basis worst = MODEL_SEEN;
    lock_acquire(&all->lock);
    model *const m = models_of(all, t->codelet, rt_task_dtype(t));
    for (int k = 0; k < DA_DEVICE_KINDS; k++) {
        model_basis basis = MODEL_SEEN;
        seconds[k] = m && (k == DA_DEVICE_CPU || may_run_on(t, (da_device_kind)k))
                         ? model_expect_like(m, (da_device_kind)k, recorded->bytes, recorded->flops, &basis)
                         : 0;
        worst = basis < worst ? basis : worst;
    }
    lock_release(&all->lock);
    r->by[worst] += seconds[DA_DEVICE_CPU];
    return m != NULL;
}

static double bytes_of(const rt_data *d)
{
    rt_piece piece;
    double bytes;

    d->owner->cls->describe(d->owner, d, &piece);
    bytes = (double)piece.element_size;
    for (int k = 0; k < piece.ndim; k++)
        bytes *= (double)piece.shape[k];
    return bytes;
}

static bool take(rehearsal *r, const rt_task *t)
{
    const double committed = handing_over * (double)r->tasks.ntasks;

    if (!record_append(&r->tasks, r->before_it, t, committed) ||
        !record_grow(&r->seconds, &r->seconds_capacity, r->tasks.ntasks, sizeof *r->seconds) ||
        !record_grow(&r->bytes, &r->bytes_capacity, r->tasks.ndata, sizeof *r->bytes))
        return false;
    const record_task *const recorded = &r->tasks.tasks[r->tasks.ntasks - 1];
    if (!expect(r, t, recorded, r->seconds[r->tasks.ntasks - 1]))
        return false;
    for (int i = 0; i < t->naccesses; i++)
        r->bytes[r->tasks.accesses[recorded->access + i].datum] = bytes_of(t->accesses[i].data);
    return true;
}

void rehearsal_take(rt_batch *batch)
{
    for (const rt_task *t = batch->first; t && current->complete; t = t->next)
        current->complete = take(current, t);
    rt_batch_abandon(batch);
}

/* ---- the rehearsal ---- */

da_status rehearsal_begin(rehearsal *r)
{
    *r = (rehearsal){.before_it = record_numbers(), .complete = true};
    if (current)
        return err_set(DA_ERROR_STATE, "a rehearsal within a rehearsal");
    current = r;
    return DA_OK;
}

da_status rehearsal_end(rehearsal *r)
{
    current = NULL;
    return r->complete ? DA_OK : err_memory(sizeof *r->tasks.tasks, "a rehearsal");
}

void rehearsal_free(rehearsal *r)
{
    record_free(&r->tasks);
    mem_free(r->seconds);
    mem_free(r->bytes);
    *r = (rehearsal){.complete = true};
}

da_status rehearsal_time(const rehearsal *r, int workers, replay_result *out)
{
    const bool starpu = rt_is_starpu();
    replay_machine machine = {.workers = workers, .bytes = r->bytes};

    for (int k = DA_DEVICE_CPU + 1; k < DA_DEVICE_KINDS; k++)
        machine.devices[k] = rt_devices_of((da_device_kind)k);
    rt_bus(&machine.latency, &machine.bandwidth);
    return replay_on(&r->tasks, (const double(*)[DA_DEVICE_KINDS])r->seconds,
                     starpu ? starpu_overhead : openmp_overhead, &machine, out);
}
