/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_codelet.h"
#include "codelets/expr_program.h"
#include "runtime/core.h"
#include "runtime/starpu_device.h"
#include "runtime/starpu_models.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct kind {
    struct starpu_codelet codelet;
    struct starpu_perfmodel model; /* StarPU's own, where there are no devices */
    struct model *times;           /* ours, where there are */
    spu_implementations implementations;
    bool told; /* the model knows of compilers, in this start of the runtime */
    da_dtype dtype;
    struct kind *next;
    char symbol[]; /* darray_NAME_vREVISION_DTYPE; NAME stands in `name` as it was given */
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
    rt_task *const task = arg;

    (void)buffers; /* host addresses never change: the task has its own */
    atomic_store(busy, true);
    if (atomic_load(&exiting)) {
        atomic_store(busy, false);
        for (;;)
            pause();
    }
    for (int i = 0; i < task->naccesses; i++)
        if (task->accesses[i].mode & DA_MODE_READ)
            rt_data_is_home(task->accesses[i].data);
    spu_model_begin(task);
    rt_task_run(task);
    spu_model_end(task);
    atomic_store_explicit(busy, false, memory_order_release);
}

/* Run a task on a device; the codelet is the first member of its kind. */
static void run_on_device(da_device_kind device, void *buffers[], rt_task *task, void *queue)
{
    _Atomic(bool) *const busy = &worker[this_worker()].busy;
    const kind *const k = (const kind *)(const void *)starpu_task_get_current()->cl;

    atomic_store(busy, true);
    if (atomic_load(&exiting)) {
        atomic_store(busy, false);
        for (;;)
            pause();
    }
    spu_model_begin(task);
    spu_run_on(device, &k->implementations, buffers, task, queue);
    spu_model_end(task);
    atomic_store_explicit(busy, false, memory_order_release);
}

#if STARPU_USE_CUDA
static void run_on_cuda(void *buffers[], void *arg)
{
    run_on_device(DA_DEVICE_CUDA, buffers, arg, starpu_cuda_get_local_stream());
}
#endif

#if STARPU_USE_OPENCL
static void run_on_opencl(void *buffers[], void *arg)
{
    cl_command_queue queue;

    starpu_opencl_get_queue(starpu_worker_get_devid(starpu_worker_get_id_check()), &queue);
    run_on_device(DA_DEVICE_OPENCL, buffers, arg, queue);
}
#endif

/* StarPU calls this when it has released the task's data, in the worker that ran the task. */
static void task_done(void *arg)
{
    _Atomic(int64_t) *const done = &worker[this_worker()].done;

    atomic_store_explicit(done, atomic_load_explicit(done, memory_order_relaxed) + 1, memory_order_relaxed);
    spu_device_done(arg);
    spu_model_done(arg);
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
    const int most_ms = spu_devices() > 0 ? 10000 : 1000; /* kernels for devices may be compiling */

    atomic_store(&exiting, true);
    for (int ms = 0; ms < most_ms; ms++) {
        bool busy = false;
        for (int i = 0; i <= STARPU_NMAXWORKERS; i++)
            busy |= atomic_load(&worker[i].busy);
        if (!busy)
            return;
        usleep(1000);
    }
}

/* Tasks take equally long when their buffers have equal shapes and they do the same number of operations: by-value arguments
 * count through the latter, since most of them (offsets, factors) change nothing. Operations of an expression are not equally long. */
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
    if (da_expr_is(task->codelet->cpu)) {
        const uint64_t computes = da_expr_likeness(&task->call);
        crc = starpu_hash_crc32c_be_n(&computes, sizeof computes, crc);
    }
    return crc;
}

/* ---- the table ---- */

/* Seconds that a kernel's first use on a device may take, by NVRTC's and LLVM's compilers and vendors' libraries that load theirs. */
static const double COMPILING = 0.3;

static unsigned hash(const char *name, da_dtype dtype)
{
    unsigned h = (unsigned)dtype;

    for (; *name; name++)
        h = h * 31 + (unsigned char)*name;
    return h % BUCKETS;
}

/* Anew with each start of the runtime. */
static void set_model(kind *k)
{
    k->times = spu_model_of(k->symbol);
    k->told = false;
    k->codelet.model = !table.models ? NULL : k->times ? &spu_asking_model : &k->model;
}

static kind *kind_new(const da_codelet *codelet, da_dtype dtype)
{
    const char *const name = codelet->name;
    const size_t length = strlen(name), bytes = (size_t)models_symbol(NULL, 0, codelet, dtype) + 1;
    kind *k = mem_zalloc(sizeof *k + bytes + length + 1);
    char *own_name;

    if (!k)
        return NULL;
    k->dtype = dtype;
    models_symbol(k->symbol, bytes, codelet, dtype);
    own_name = k->symbol + bytes;
    memcpy(own_name, name, length + 1);
    k->model.type = STARPU_HISTORY_BASED;
    k->model.footprint = footprint;
    k->model.symbol = k->symbol;
    starpu_codelet_init(&k->codelet);
    k->codelet.name = own_name;
    set_model(k);
    k->codelet.nbuffers = STARPU_VARIABLE_NBUFFERS;
    k->codelet.where = STARPU_CPU; /* of those below; each task says where it may run */
    k->codelet.cpu_funcs[0] = run_on_cpu;
#if STARPU_USE_CUDA
    k->codelet.where |= STARPU_CUDA;
    k->codelet.cuda_funcs[0] = run_on_cuda;
    k->codelet.cuda_flags[0] = STARPU_CUDA_ASYNC;
#endif
#if STARPU_USE_OPENCL
    k->codelet.where |= STARPU_OPENCL;
    k->codelet.opencl_funcs[0] = run_on_opencl;
    k->codelet.opencl_flags[0] = STARPU_OPENCL_ASYNC;
#endif
    k->codelet.callback_func = task_done;
    return k;
}

/* Used when memory is short: no model. */
static struct starpu_codelet plain = {.where = STARPU_CPU,
                                      .cpu_funcs = {run_on_cpu},
                                      .nbuffers = STARPU_VARIABLE_NBUFFERS,
                                      .name = "darray",
                                      .callback_func = task_done};

void spu_codelet_times(rt_task *task, struct starpu_task *st)
{
    const kind *const k = (const kind *)(const void *)st->cl;

    if (st->cl != &plain)
        spu_model_task(task, st, k->times, footprint(st));
}

struct starpu_codelet *spu_codelet_of(const rt_task *task, const spu_implementations **implementations)
{
    const da_codelet *codelet = task->codelet;
    const da_dtype dtype = rt_task_dtype(task);
    const size_t slot = ((uintptr_t)codelet / 64 + (size_t)dtype) % RECENT;
    kind *k = table.recent[slot].kind;

    /* The user's codelet may have been another one at this address: only its name counts here. */
    if (k && table.recent[slot].codelet == codelet && k->dtype == dtype &&
        strcmp(k->codelet.name, codelet->name) == 0) {
        *implementations = &k->implementations;
        return &k->codelet;
    }
    kind **list = &table.bucket[hash(codelet->name, dtype)];
    for (k = *list; k; k = k->next)
        if (k->dtype == dtype && strcmp(k->codelet.name, codelet->name) == 0)
            break;
    if (!k) {
        k = kind_new(codelet, dtype);
        if (!k) {
            *implementations = NULL;
            return &plain;
        }
        k->next = *list;
        *list = k;
    }
    table.recent[slot].codelet = codelet;
    table.recent[slot].kind = k;
    spu_implementations_of(&k->implementations, codelet);
    *implementations = &k->implementations;
    for (int d = DA_DEVICE_CUDA; !k->told && d < DA_DEVICE_KINDS; d++)
        if (k->implementations.on[d])
            spu_model_starts(k->times, (da_device_kind)d, COMPILING);
    k->told = true;
    return &k->codelet;
}

void spu_codelets_start(bool models)
{
    table.models = models;
    memset(table.recent, 0, sizeof table.recent); /* there may be other devices than before */
    for (int i = 0; i < BUCKETS; i++)
        for (kind *k = table.bucket[i]; k; k = k->next)
            set_model(k);
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
