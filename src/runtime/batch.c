/* SPDX-License-Identifier: BSD-3-Clause */
/* Building tasks: everything that may fail happens here. A task is one block of memory, taken from those that are done. */
#include "runtime/core.h"
#include <darray/runtime.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory of tasks ---- */

enum { STEP = 128, SIZES = 32, KEPT_BYTES = 48 << 20 };

typedef struct block {
    struct block *next;
} block;

static struct {
    _Alignas(64) lock_word guard; /* guards both; they are looked at without it */
    _Atomic(block *) list;
    _Atomic(int) count;
} pools[SIZES];

#if defined(__SANITIZE_ADDRESS__)
static const bool reuse = false;
#else
static const bool reuse = true;
#endif

/* Locked. */
static void set(size_t i, block *list, int change)
{
    atomic_store_explicit(&pools[i].list, list, memory_order_relaxed);
    atomic_store_explicit(&pools[i].count,
                          atomic_load_explicit(&pools[i].count, memory_order_relaxed) + change,
                          memory_order_relaxed);
}

static void *block_new(size_t bytes)
{
    const size_t i = (bytes - 1) / STEP;
    block *b = NULL;
    if (i >= SIZES)
        return mem_alloc(bytes);
    if (atomic_load_explicit(&pools[i].list, memory_order_relaxed)) {
        lock_acquire(&pools[i].guard);
        b = atomic_load_explicit(&pools[i].list, memory_order_relaxed);
        if (b)
            set(i, b->next, -1);
        lock_release(&pools[i].guard);
    }
    return b ? b : mem_alloc((i + 1) * STEP);
}

static void block_free(void *p, size_t bytes)
{
    const size_t i = (bytes - 1) / STEP;
    block *b = p;
    if (i >= SIZES || !reuse ||
        atomic_load_explicit(&pools[i].count, memory_order_relaxed) * (int64_t)((i + 1) * STEP) >
            KEPT_BYTES) {
        mem_free(p);
        return;
    }
    lock_acquire(&pools[i].guard);
    b->next = atomic_load_explicit(&pools[i].list, memory_order_relaxed);
    set(i, b, 1);
    lock_release(&pools[i].guard);
}

static void trim(void)
{
    for (int i = 0; i < SIZES; i++) {
        block *list;
        lock_acquire(&pools[i].guard);
        list = atomic_load_explicit(&pools[i].list, memory_order_relaxed);
        set((size_t)i, NULL, -atomic_load_explicit(&pools[i].count, memory_order_relaxed));
        lock_release(&pools[i].guard);
        while (list) {
            block *next = list->next;
            mem_free(list);
            list = next;
        }
    }
}

__attribute__((constructor)) static void start(void)
{
    mem_on_trim(trim);
}

void batch_fork_lock(void)
{
    for (int i = 0; i < SIZES; i++)
        lock_acquire(&pools[i].guard);
}

void batch_fork_unlock(void)
{
    for (int i = 0; i < SIZES; i++)
        lock_release(&pools[i].guard);
}

/* ---- owners ---- */

void rt_owner_init(rt_owner *owner, const rt_owner_class *cls)
{
    atomic_init(&owner->refs, 1);
    owner->keep = RT_KEEP_NOTHING;
    owner->cls = cls;
    atomic_init(&owner->moves, false);
}

void rt_owner_retain(rt_owner *owner)
{
    atomic_fetch_add_explicit(&owner->refs, 1, memory_order_relaxed);
}

void rt_owner_release(rt_owner *owner)
{
    if (atomic_fetch_sub_explicit(&owner->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!atomic_load_explicit(&owner->moves, memory_order_relaxed) || !runtime_bury(owner))
        owner->cls->destroy(owner);
}

/* ---- tasks ---- */

typedef struct merged {
    rt_data *data;
    unsigned char mode;
} merged;

static int by_datum(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const merged *)a)->data, y = (uintptr_t)((const merged *)b)->data;
    return x < y ? -1 : x > y;
}

/* The data of all operands, each once with its modes together, into list[total]. */
static int merge(const rt_task_desc *desc, merged *list, int total)
{
    int n = 0;
    if (total <= 16) {
        for (int i = 0; i < desc->noperands; i++) {
            const rt_operand *o = &desc->operands[i];
            for (int j = 0; j < o->ndata; j++) {
                int k = 0;
                while (k < n && list[k].data != o->data[j])
                    k++;
                if (k == n) {
                    list[n].data = o->data[j];
                    list[n++].mode = 0;
                }
                list[k].mode |= (unsigned char)o->mode;
            }
        }
        return n;
    }
    for (int i = 0; i < desc->noperands; i++)
        for (int j = 0; j < desc->operands[i].ndata; j++) {
            list[n].data = desc->operands[i].data[j];
            list[n++].mode = (unsigned char)desc->operands[i].mode;
        }
    qsort(list, (size_t)n, sizeof *list, by_datum);
    n = 0;
    for (int i = 0; i < total; i++) {
        if (n > 0 && list[n - 1].data == list[i].data)
            list[n - 1].mode |= list[i].mode;
        else
            list[n++] = list[i];
    }
    return n;
}

static double elements(const rt_operand *o)
{
    double n = 1;
    for (int i = 0; i < o->ndim; i++)
        n *= (double)o->shape[i];
    return n;
}

static size_t align16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

static int datum_of(const rt_task *t, const rt_operand *o)
{
    if (o->ndata == 0)
        return DATUM_NONE;
    for (int i = 0; i < t->naccesses && i < 16 && o->ndata == 1; i++)
        if (t->accesses[i].data == o->data[0])
            return i;
    return DATUM_SEVERAL;
}

static _Thread_local da_place where; /* da_run_on() */

da_status da_run_on(da_place device)
{
    if (device != DA_ANYWHERE && device != DA_ON_CPU && device != DA_ON_GPU)
        return err_set(DA_ERROR_ARGUMENT, "da_run_on: %d is none of DA_ANYWHERE, DA_ON_CPU, DA_ON_GPU",
                       (int)device);
    where = device;
    return DA_OK;
}

da_place da_runs_on(void)
{
    return where;
}

da_place rt_place_swap(da_place place)
{
    const da_place before = where;

    where = place;
    return before;
}

da_place rt_place(void)
{
    return where ? where : (da_place)config_get()->device;
}

da_status rt_batch_add(rt_batch *batch, const rt_task_desc *desc, rt_task **out)
{
    merged few[16], *data = few;
    size_t bytes, extents = 0, values = 0;
    int total = 0, n, nops = desc->noperands;
    double seconds = 0;
    rt_task *t;
    char *p;
    da_buffer *buffers;
    da_value *value;

    for (int i = 0; i < nops; i++) {
        total += desc->operands[i].ndata;
        extents += 2 * (size_t)desc->operands[i].ndim;
    }
    for (int i = 0; i < desc->nvalues; i++)
        values += align16(desc->values[i].size);
    if (total > 16) {
        data = mem_alloc((size_t)total * sizeof *data);
        if (!data)
            return err_memory((size_t)total * sizeof *data, "the accesses of a task");
    }
    n = merge(desc, data, total);

    bytes = align16(sizeof *t) + align16((size_t)n * sizeof(rt_access)) +
            align16((size_t)nops * sizeof(da_buffer)) + align16(extents * sizeof(int64_t)) +
            align16((size_t)nops * sizeof(rt_owner *)) + align16((size_t)nops * sizeof(int)) +
            align16((size_t)desc->nvalues * sizeof(da_value)) + values;
    t = block_new(bytes);
    if (!t) {
        if (data != few)
            mem_free(data);
        return err_memory(bytes, "a task");
    }
    memset(t, 0, sizeof *t);
    p = (char *)t + align16(sizeof *t);
    atomic_init(&t->refs, out ? 2 : 1);
    t->codelet = desc->codelet;
    t->priority = desc->priority;
    t->flags = desc->flags;
    t->bytes = bytes;
    t->naccesses = n;
    t->noperands = nops;

    t->accesses = (rt_access *)(void *)p;
    p += align16((size_t)n * sizeof(rt_access));
    for (int i = 0; i < n; i++) {
        rt_access *a = &t->accesses[i];
        a->task = t;
        a->data = data[i].data;
        a->prev = a->next = NULL;
        a->mode = data[i].mode;
        a->granted = false;
        a->exclusive = a->mode != DA_MODE_READ;
    }
    if (data != few)
        mem_free(data);
    t->where = where;

    t->call.buffers = buffers = (da_buffer *)(void *)p;
    p += align16((size_t)nops * sizeof(da_buffer));
    t->call.nbuffers = nops;
    {
        int64_t *extent = (int64_t *)(void *)p;
        p += align16(extents * sizeof(int64_t));
        t->owners = (rt_owner **)(void *)p;
        p += align16((size_t)nops * sizeof(rt_owner *));
        t->datum = (int *)(void *)p;
        p += align16((size_t)nops * sizeof(int));
        for (int i = 0; i < nops; i++) {
            const rt_operand *o = &desc->operands[i];
            const size_t d = (size_t)o->ndim;
            buffers[i].data = o->ptr;
            buffers[i].offset = 0;
            buffers[i].dtype = o->dtype;
            buffers[i].ndim = o->ndim;
            buffers[i].shape = extent;
            for (size_t k = 0; k < d; k++)
                *extent++ = o->shape[k];
            buffers[i].strides = extent;
            for (size_t k = 0; k < d; k++)
                *extent++ = o->strides[k];
            t->owners[i] = o->owner;
            t->datum[i] = datum_of(t, o);
            if (o->owner)
                rt_owner_retain(o->owner);
            seconds += elements(o) * (double)(o->dtype ? da_dtype_size(o->dtype) : 1) / 6e9;
        }
    }
    t->call.values = value = (da_value *)(void *)p;
    p += align16((size_t)desc->nvalues * sizeof(da_value));
    t->call.nvalues = desc->nvalues;
    for (int i = 0; i < desc->nvalues; i++) {
        value[i].data = p;
        value[i].size = desc->values[i].size;
        memcpy(p, desc->values[i].data, desc->values[i].size);
        p += align16(desc->values[i].size);
    }
    t->call.info = &t->info;
    t->call.task_ = t;
    t->fault = rt_fault_retain(desc->fault);
    t->fault_offset = desc->fault_offset;
    if (t->fault)
        rt_fault_add_reporter(t->fault);

    if (desc->flags & RT_NO_INLINE)
        batch->no_inline = true;
    else if (desc->codelet->flops)
        seconds = fmax(seconds, desc->codelet->flops(&t->call) / 15e9);
    batch->seconds += seconds;
    batch->count++;
    *(batch->last ? &batch->last->next : &batch->first) = t;
    batch->last = t;
    if (out)
        *out = t;
    return DA_OK;
}

da_dtype rt_task_dtype(const rt_task *task)
{
    da_dtype found = (da_dtype)0;

    for (int i = 0; i < task->call.nbuffers; i++) {
        const da_dtype dtype = task->call.buffers[i].dtype;
        if (dtype && dtype != DA_I64)
            return dtype;
        found = dtype ? dtype : found;
    }
    return found;
}

void rt_task_retain(rt_task *task)
{
    atomic_fetch_add_explicit(&task->refs, 1, memory_order_relaxed);
}

void rt_task_release(rt_task *task)
{
    /* the only reference needs no atomic operation to go away */
    if (atomic_load_explicit(&task->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel) != 1)
        return;
    poison_release(task->failure);
    block_free(task, task->bytes);
}

void task_let_go(rt_task *task)
{
    if (task->fault) {
        rt_fault_release(task->fault);
        task->fault = NULL;
    }
    for (int i = 0; i < task->noperands; i++)
        if (task->owners[i])
            rt_owner_release(task->owners[i]);
    task->noperands = 0;
}

void rt_batch_abandon(rt_batch *batch)
{
    static const rt_batch empty = RT_BATCH_INIT;
    rt_task *t = batch->first;
    *batch = empty;
    while (t) {
        rt_task *next = t->next;
        if (t->fault)
            rt_fault_reporter_done(t->fault);
        task_let_go(t);
        rt_task_release(t);
        t = next;
    }
}
