/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/record.h"
#include "runtime/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Atomic(bool) record_on;

static lock_word guard;               /* of all below */
static record current;                /* what is being recorded */
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
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Room for one more in an array that grows. */
static bool grow(void *array, int64_t *capacity, int64_t needed, size_t size)
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

static bool add(const rt_task *t, double committed)
{
    record *const r = &current;

    if (!grow(&r->tasks, &r->tasks_capacity, r->ntasks + 1, sizeof *r->tasks) ||
        !grow(&r->accesses, &r->accesses_capacity, r->naccesses + t->naccesses, sizeof *r->accesses))
        return false;
    if (r->ntasks == 0)
        base = t->sequence;
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
        if (d->recorded <= first)
            d->recorded = ++numbers;
        r->accesses[r->naccesses++] =
            (record_access){(int64_t)(d->recorded - first) - 1, (da_mode)t->accesses[i].mode};
    }
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

void record_ran(const rt_task *task, double cpu_begin, double seconds)
{
    const double cpu_end = record_clock();
    const uint64_t now = atomic_load(&recording);

    lock_acquire(&guard);
    if (complete && current.ntasks > 0 && task->sequence >= base && task->sequence - base < current.ntasks) {
        record_task *const t = &current.tasks[task->sequence - base];
        t->seconds = seconds;
        t->cpu_seconds = cpu_end - cpu_begin;
        if (last_recording == now)
            t->between = cpu_begin - last_end;
    }
    lock_release(&guard);
    last_recording = now;
    last_end = record_clock();
}

da_status record_begin(void)
{
    DA_TRY(da_init(NULL, 0));
    DA_TRY(da_wait_all());
    if (atomic_load(&record_on))
        return err_set(DA_ERROR_STATE, "record_begin: tasks are being recorded already");
    current = (record){0};
    complete = true;
    first = numbers;
    atomic_fetch_add(&recording, 1);
    began = record_clock();
    atomic_store(&record_on, true);
    return DA_OK;
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
    out->ndata = (int64_t)(numbers - first);
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
