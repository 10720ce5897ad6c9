/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_codelet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A model's version is part of its symbol: raise it when kernels change so much that old measurements mislead. */
#define MODEL_VERSION "v1"

typedef struct kind {
    struct starpu_codelet codelet;
    struct starpu_perfmodel model;
    da_dtype dtype;
    struct kind *next;
    char symbol[]; /* darray_NAME_v1_DTYPE; NAME stands in `name` as it was given */
} kind;

enum { BUCKETS = 256, RECENT = 64 };
static struct {
    kind *bucket[BUCKETS];
    struct {
        const da_codelet *codelet;
        kind *kind;
    } recent[RECENT];
    bool models;
} table;

/* ---- what StarPU calls ---- */

/* Each worker writes to a line of its own. */
static struct {
    _Alignas(64) _Atomic(bool) busy; /* in a kernel */
    _Atomic(int64_t) done;           /* tasks of ours */
} worker[STARPU_NMAXWORKERS + 1];
static _Atomic(bool) exiting;

static int this_worker(void)
{
    const int id = starpu_worker_get_id();

    return id >= 0 && id < STARPU_NMAXWORKERS ? id : STARPU_NMAXWORKERS;
}

static void run_on_cpu(void *buffers[], void *arg)
{
    _Atomic(bool) *const busy = &worker[this_worker()].busy;

    (void)buffers; /* host addresses never change: the task has its own */
    atomic_store(busy, true);
    if (atomic_load(&exiting)) {
        atomic_store(busy, false);
        for (;;)
            pause();
    }
    rt_task_run(arg);
    atomic_store_explicit(busy, false, memory_order_release);
}

/* StarPU calls this when it has released the task's data, in the worker that ran the task. */
static void task_done(void *arg)
{
    _Atomic(int64_t) *const done = &worker[this_worker()].done;

    atomic_store_explicit(done, atomic_load_explicit(done, memory_order_relaxed) + 1, memory_order_relaxed);
    rt_task_finish(arg);
}

int64_t spu_tasks_done(int id)
{
    int64_t n = 0;

    if (id >= 0 && id < STARPU_NMAXWORKERS)
        return atomic_load_explicit(&worker[id].done, memory_order_relaxed);
    for (int i = 0; i <= STARPU_NMAXWORKERS; i++)
        n += atomic_load_explicit(&worker[i].done, memory_order_relaxed);
    return n;
}

void spu_kernels_at_exit(void)
{
    atomic_store(&exiting, true);
    for (int ms = 0; ms < 1000; ms++) {
        bool busy = false;
        for (int i = 0; i <= STARPU_NMAXWORKERS; i++)
            busy |= atomic_load(&worker[i].busy);
        if (!busy)
            return;
        usleep(1000);
    }
}

/* Tasks take equally long when their buffers have equal shapes and they do the same number of operations: by-value arguments
 * count through the latter, since most of them (offsets, factors) change nothing. */
static uint32_t footprint(struct starpu_task *st)
{
    const rt_task *task = st->cl_arg;
    uint32_t crc = 0;

    for (int i = 0; i < task->call.nbuffers; i++) {
        const da_buffer *b = &task->call.buffers[i];
        crc = starpu_hash_crc32c_be((uint32_t)b->dtype, crc);
        crc = starpu_hash_crc32c_be_n(b->shape, (size_t)b->ndim * sizeof b->shape[0], crc);
    }
    if (st->flops > 0)
        crc = starpu_hash_crc32c_be_n(&st->flops, sizeof st->flops, crc);
    return crc;
}

/* ---- the table ---- */

static unsigned hash(const char *name, da_dtype dtype)
{
    unsigned h = (unsigned)dtype;

    for (; *name; name++)
        h = h * 31 + (unsigned char)*name;
    return h % BUCKETS;
}

static kind *kind_new(const char *name, da_dtype dtype)
{
    static const char head[] = "darray_";
    const char *type = dtype ? da_dtype_name(dtype) : "memory";
    const size_t length = strlen(name),
                 bytes = sizeof head + length + sizeof "_" MODEL_VERSION "_" + strlen(type);
    kind *k = mem_zalloc(sizeof *k + bytes + length + 1);
    char *own_name;

    if (!k)
        return NULL;
    k->dtype = dtype;
    snprintf(k->symbol, bytes, "%s%s_" MODEL_VERSION "_%s", head, name, type);
    for (char *c = k->symbol; *c; c++) /* it becomes a file's name */
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
            *c != '_' && *c != '.')
            *c = '-';
    own_name = k->symbol + bytes;
    memcpy(own_name, name, length + 1);
    k->model.type = STARPU_HISTORY_BASED;
    k->model.footprint = footprint;
    k->model.symbol = k->symbol;
    starpu_codelet_init(&k->codelet);
    k->codelet.name = own_name;
    k->codelet.model = table.models ? &k->model : NULL;
    k->codelet.nbuffers = STARPU_VARIABLE_NBUFFERS;
    k->codelet.where = STARPU_CPU; /* a device's implementation is one more member here */
    k->codelet.cpu_funcs[0] = run_on_cpu;
    k->codelet.callback_func = task_done;
    return k;
}

struct starpu_codelet *spu_codelet_of(const rt_task *task)
{
    /* Used when memory is short: no model. */
    static struct starpu_codelet plain = {.where = STARPU_CPU,
                                          .cpu_funcs = {run_on_cpu},
                                          .nbuffers = STARPU_VARIABLE_NBUFFERS,
                                          .name = "darray",
                                          .callback_func = task_done};
    const da_codelet *codelet = task->codelet;
    const da_dtype dtype = task->call.nbuffers > 0 ? task->call.buffers[0].dtype : (da_dtype)0;
    const size_t slot = ((uintptr_t)codelet / 64 + (size_t)dtype) % RECENT;
    kind *k = table.recent[slot].kind;

    /* The user's codelet may have been another one at this address: only its name counts here. */
    if (k && table.recent[slot].codelet == codelet && k->dtype == dtype &&
        strcmp(k->codelet.name, codelet->name) == 0)
        return &k->codelet;
    kind **list = &table.bucket[hash(codelet->name, dtype)];
    for (k = *list; k; k = k->next)
        if (k->dtype == dtype && strcmp(k->codelet.name, codelet->name) == 0)
            break;
    if (!k) {
        k = kind_new(codelet->name, dtype);
        if (!k)
            return &plain;
        k->next = *list;
        *list = k;
    }
    table.recent[slot].codelet = codelet;
    table.recent[slot].kind = k;
    return &k->codelet;
}

void spu_codelets_start(bool models)
{
    table.models = models;
    for (int i = 0; i < BUCKETS; i++)
        for (kind *k = table.bucket[i]; k; k = k->next)
            k->codelet.model = models ? &k->model : NULL;
}

void spu_codelets_free(void)
{
    for (int i = 0; i < BUCKETS; i++)
        for (kind *k = table.bucket[i], *next; k; k = next) {
            next = k->next;
            mem_free(k);
        }
    memset(&table, 0, sizeof table);
}
