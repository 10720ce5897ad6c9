/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/record.h"
#include "base/clock.h"
#include "codelets/expr_program.h"
#include "codelets/hash.h"
#include "runtime/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Atomic(bool) record_on;

static lock_word guard;               /* of all below */
static record current;                /* what is being recorded */
static bool sampled;                  /* not all of them run */
static bool complete;                 /* memory sufficed so far */
static int64_t base;                  /* sequence number of the first task */
static uint64_t first;                /* data with smaller numbers are of former records */
static uint64_t numbers;              /* given to data, ever */
static double began;                  /* CPU time of the recording thread */
static _Thread_local double last_end; /* CPU time at which this thread's latest task ended, while recording */
static _Atomic(uint64_t) recording;   /* counts records */
static _Thread_local uint64_t last_recording;

double record_clock(void)
{
    return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

bool record_grow(void *array, int64_t *capacity, int64_t needed, size_t size)
{
    void **const at = array;

    if (needed <= *capacity)
        return true;
    const int64_t more = needed < 1024 ? 1024 : 2 * needed;
    void *const p = mem_realloc(*at, (size_t)more * size);
    if (!p)
        return false;
    *at = p;
    *capacity = more;
    return true;
}

static double operand_bytes(const da_call *call)
{
    double bytes = 0;

    for (int i = 0; i < call->nbuffers; i++) {
        const da_buffer *const b = &call->buffers[i];
        double n = b->dtype ? (double)da_dtype_size(b->dtype) : 1;
        for (int d = 0; d < b->ndim; d++)
            n *= (double)b->shape[d];
        bytes += n;
    }
    return bytes;
}

/* ---- kinds of tasks ---- */

enum { KINDS = 1 << 14 }; /* more are taken for one */
static struct {
    uint64_t footprint; /* 0: free */
    int64_t count;
} kinds[KINDS];

/* Where the task's kind is. */
static uint32_t kind_of(const rt_task *t)
{
    uint64_t hash = da_mix(1, (uintptr_t)t->codelet);
    uint32_t at;

    for (int i = 0; i < t->call.nbuffers; i++) {
        const da_buffer *const b = &t->call.buffers[i];
        hash = da_mix(hash, (uint64_t)b->dtype);
        for (int d = 0; d < b->ndim; d++)
            hash = da_mix(hash, (uint64_t)b->shape[d]);
    }
    if (t->codelet->flops) {
        const double flops = t->codelet->flops(&t->call);
        hash = da_mix(hash, (uint64_t)flops);
    }
    if (da_expr_is(t->codelet->cpu))
        hash = da_mix(hash, da_expr_likeness(&t->call));
    hash |= 1;
    at = (uint32_t)(hash >> 32) % KINDS;
    for (int i = 0; i < 64 && kinds[at].footprint && kinds[at].footprint != hash; i++)
        at = (at + 1) % KINDS;
    if (!kinds[at].footprint)
        kinds[at].footprint = hash;
    return at;
}

/* Whether a task is run: of those that only move numbers all are, so that no other meets garbage. */
static bool is_sample(const record_task *t)
{
    const int64_t ordinal = kinds[t->kind].count++;

    return !sampled || t->flops == 0 || ordinal < 32 || ordinal % 64 == 0;
}

/* The guard is held. Data whose numbers are not above `before_it` are of former records. */
static bool append(record *r, uint64_t before_it, const rt_task *t, double committed)
{
    if (!record_grow(&r->tasks, &r->tasks_capacity, r->ntasks + 1, sizeof *r->tasks) ||
        !record_grow(&r->accesses, &r->accesses_capacity, r->naccesses + t->naccesses, sizeof *r->accesses))
        return false;
    r->tasks[r->ntasks++] = (record_task){
        .name = t->codelet->name,
        .priority = t->priority,
        .naccesses = t->naccesses,
        .access = r->naccesses,
        .committed = committed,
        .seconds = -1,
        .cpu_seconds = -1,
        .between = -1,
        .bytes = operand_bytes(&t->call),
        .flops = t->codelet->flops ? t->codelet->flops(&t->call) : 0,
    };
    for (int i = 0; i < t->naccesses; i++) {
        rt_data *const d = t->accesses[i].data;
        if (d->recorded <= before_it)
            d->recorded = ++numbers;
        r->accesses[r->naccesses++] =
            (record_access){(int64_t)(d->recorded - before_it) - 1, (da_mode)t->accesses[i].mode};
    }
    r->ndata = (int64_t)(numbers - before_it);
    return true;
}

uint64_t record_numbers(void)
{
    lock_acquire(&guard);
    const uint64_t n = numbers;
    lock_release(&guard);
    return n;
}

bool record_append(record *r, uint64_t before_it, const rt_task *t, double committed)
{
    lock_acquire(&guard);
    const bool there = append(r, before_it, t, committed);
    lock_release(&guard);
    return there;
}

static bool add(const rt_task *t, double committed)
{
    if (current.ntasks == 0)
        base = t->sequence;
    if (!append(&current, first, t, committed))
        return false;
    record_task *const added = &current.tasks[current.ntasks - 1];
    added->kind = kind_of(t);
    added->skipped = !is_sample(added);
    return true;
}

void record_committed(const rt_task *list)
{
    const double committed = record_clock() - began;

    lock_acquire(&guard);
    for (const rt_task *t = list; t && complete; t = t->next)
        complete = add(t, committed);
    lock_release(&guard);
}

/* The guard is held. */
static record_task *task_of(const rt_task *task)
{
    const int64_t i = task->sequence - base;

    return complete && i >= 0 && i < current.ntasks ? &current.tasks[i] : NULL;
}

bool record_is_sampled(void)
{
    return sampled;
}

bool record_skips(const rt_task *task)
{
    bool skips;

    lock_acquire(&guard);
    const record_task *const t = task_of(task);
    skips = t && t->skipped;
    lock_release(&guard);
    return skips;
}

void record_ran(const rt_task *task, double cpu_begin, double seconds)
{
    const double cpu_end = record_clock();
    const uint64_t now = atomic_load(&recording);

    lock_acquire(&guard);
    record_task *const t = task_of(task);
    if (t) {
        t->seconds = seconds;
        t->cpu_seconds = cpu_end - cpu_begin;
        if (last_recording == now)
            t->between = cpu_begin - last_end;
    }
    lock_release(&guard);
    last_recording = now;
    last_end = record_clock();
}

da_status record_begin(bool some)
{
    DA_TRY(da_init(NULL, 0));
    DA_TRY(da_wait_all());
    if (atomic_load(&record_on))
        return err_set(DA_ERROR_STATE, "record_begin: tasks are being recorded already");
    current = (record){0};
    complete = true;
    sampled = some;
    memset(kinds, 0, sizeof kinds);
    first = record_numbers();
    atomic_fetch_add(&recording, 1);
    began = record_clock();
    atomic_store(&record_on, true);
    return DA_OK;
}

typedef struct sample {
    uint32_t kind;
    double cpu_seconds, seconds;
} sample;

static int by_kind(const void *a, const void *b)
{
    const sample *const p = a, *const q = b;

    return p->kind != q->kind ? (p->kind > q->kind ? 1 : -1)
                              : (p->cpu_seconds > q->cpu_seconds) - (p->cpu_seconds < q->cpu_seconds);
}

/* Every task of a kind takes as long as the median of those that ran. */
static bool spread_medians(const record *r)
{
    sample *const all = mem_alloc(((size_t)r->ntasks + 1) * sizeof *all);
    const sample **const medians = mem_zalloc(KINDS * sizeof *medians);
    size_t n = 0;

    if (all && medians) {
        for (int64_t i = 0; i < r->ntasks; i++)
            if (r->tasks[i].cpu_seconds >= 0)
                all[n++] = (sample){r->tasks[i].kind, r->tasks[i].cpu_seconds, r->tasks[i].seconds};
        qsort(all, n, sizeof *all, by_kind);
        for (size_t i = 0, end; i < n; i = end) {
            for (end = i; end < n && all[end].kind == all[i].kind; end++)
                ;
            medians[all[i].kind] = &all[(i + end - 1) / 2];
        }
        for (int64_t i = 0; i < r->ntasks; i++) {
            const sample *const s = medians[r->tasks[i].kind];
            if (s) {
                r->tasks[i].cpu_seconds = s->cpu_seconds;
                r->tasks[i].seconds = s->seconds;
            }
        }
    }
    mem_free(all);
    mem_free(medians);
    return all && medians;
}

da_status record_end(record *out)
{
    DA_TRY(da_wait_all());
    if (!atomic_exchange(&record_on, false))
        return err_set(DA_ERROR_STATE, "record_end: nothing is being recorded");
    lock_acquire(&guard);
    *out = current;
    current = (record){0};
    lock_release(&guard);
    if (sampled)
        complete = complete && spread_medians(out);
    if (complete)
        return DA_OK;
    record_free(out);
    return err_memory(sizeof *out->tasks, "a record of tasks");
}

void record_free(record *r)
{
    mem_free(r->tasks);
    mem_free(r->accesses);
    *r = (record){0};
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double record_overhead(const record *r)
{
    double *const all = mem_alloc((size_t)(r->ntasks + 1) * sizeof *all);
    double median = 0;
    size_t n = 0;

    if (!all)
        return 0;
    for (int64_t i = 0; i < r->ntasks; i++)
        if (r->tasks[i].between >= 0)
            all[n++] = r->tasks[i].between;
    qsort(all, n, sizeof *all, by_value);
    if (n > 0)
        median = all[n / 2];
    mem_free(all);
    return median;
}
