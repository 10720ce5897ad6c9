/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The StarPU backend. Tasks are submitted as they are committed, in program order, and StarPU orders them by the handles that they
 * access: every rank of a future StarPU-MPI program then submits the same tasks. A datum gets its handle with its first task.
 *
 * Host access (inline tasks, maps) does not involve StarPU as long as nobody is in the way: a datum counts its holders, and only when
 * a task is submitted that they exclude, or access is asked for that tasks exclude, is the handle acquired for real.
 *
 * What StarPU 1.3 demands of us was found by trying; docs/architecture-starpu.md has the list.
 */
#include "base/lock.h"
#include "runtime/backend.h"
#include "runtime/starpu_codelet.h"
#include "runtime/starpu_device.h"
#include "runtime/starpu_guest.h"
#include "runtime/starpu_interface.h"
#include "runtime/starpu_models.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static struct {
    spu_start start;
    _Atomic(bool) running;
    bool timed; /* tasks are: there are devices */
    pthread_mutex_t
        lock; /* holders and acquisitions of all data, the list of registered data; inside the commit lock */
    rt_data *registered;
} spu = {.lock =
             PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP}; /* recursive: StarPU grants requests within release */

static void lock_data(void)
{
    pthread_mutex_lock(&spu.lock);
}

static void unlock_data(void)
{
    pthread_mutex_unlock(&spu.lock);
}

/* ---- idle workers ----
 *
 * StarPU's CPU workers poll for work, all of them, always (where it was built with non-blocking drivers, as Debian's is). It calls
 * a hook as they do: there they give way to other threads, and sleep once there has been nothing to do for a while. That beats
 * starpu_pause(), which takes milliseconds to undo and would stop tasks of the host program as well.
 */

enum {
    AWAKE_US = 500,          /* without a ready task until a worker sleeps */
    AWAKE_HOST_US = 1000000, /* the same when the host's tasks were seen, of whose coming nobody tells us */
    HOST_LOOKS = 2,          /* looks in a row that find tasks which are not ours */
};
#define LOOK_S 0.1        /* one sleeping worker looks for the host's tasks so often; */
#define LOOK_HOST_S 0.005 /* so often when it had some before; */
#define SLEEP_S 0.25      /* the others wake so often, for StarPU's own needs */

static struct {
    int hook;
    _Atomic(int) epoch;   /* what sleepers wait on */
    _Atomic(bool) asleep; /* some may be asleep */
    _Atomic(bool) quit;
    _Atomic(bool) host;         /* the host initialised StarPU after us and has had tasks */
    _Atomic(int64_t) submitted; /* tasks of ours, ever */
    _Atomic(int) requests;      /* host accesses that wait */
    int looker;                 /* the worker that looks for the host's tasks */
    int looks;                  /* its looks in a row that found some */
} idle;

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* After something became ready. All of them: schedulers that steal do not steal from a worker that sleeps. */
static void idle_wake(void)
{
    /* a worker that did not see it has told us that it will sleep */
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&idle.asleep, memory_order_relaxed) || !atomic_exchange(&idle.asleep, false))
        return;
    atomic_fetch_add(&idle.epoch, 1);
    futex_wake(&idle.epoch, INT_MAX);
}

/* Nothing tells us that the host initialised StarPU as well; but tasks that are there while we have none must be its own. */
static void look_for_host(void)
{
    if (atomic_load(&idle.submitted) != spu_tasks_done(-1) || atomic_load(&idle.requests) > 0 ||
        starpu_task_nsubmitted() == 0) {
        idle.looks = 0;
        return;
    }
    if (++idle.looks == HOST_LOOKS && !atomic_exchange(&idle.host, true))
        log_line(1, "starpu: the program uses StarPU itself: idle workers stay awake longer");
    idle_wake();
}

static unsigned idle_hook(void *arg)
{
    static _Thread_local uint64_t since; /* when it found nothing to do first; 0: not yet */
    static _Thread_local int64_t had_done;
    const bool host = atomic_load(&idle.host);
    const int id = starpu_worker_get_id();
    const int64_t done = spu_tasks_done(id);

    (void)arg;
    if (done != had_done || atomic_load(&idle.quit) || starpu_task_nready() > 0) {
        had_done = done;
        since = 0;
    } else if (since == 0) {
        since = now_us();
    } else if (now_us() - since > (host ? AWAKE_HOST_US : AWAKE_US)) {
        const bool looks = id == idle.looker;
        const int epoch = atomic_load(&idle.epoch);
        atomic_store(&idle.asleep, true);
        if (starpu_task_nready() == 0 && !atomic_load(&idle.quit)) {
            futex_wait_for(&idle.epoch, epoch, !looks ? SLEEP_S : host ? LOOK_HOST_S : LOOK_S);
            if (looks)
                look_for_host();
        }
        return 0;
    }
    sched_yield();
    return 0;
}

static void idle_start(void)
{
    atomic_store(&idle.quit, false);
    atomic_store(&idle.host, false);
    idle.looker = starpu_worker_get_by_type(STARPU_CPU_WORKER, 0);
    idle.looks = 0;
    idle.hook = -1;
#ifdef STARPU_NON_BLOCKING_DRIVERS
    if (!spu.start.shared)
        idle.hook = starpu_idle_hook_register(idle_hook, NULL);
    if (!spu.start.shared && idle.hook < 0)
        log_line(1, "starpu: no idle hook is free: idle workers poll");
#endif
}

static void idle_stop(void)
{
    if (idle.hook < 0)
        return;
    atomic_store(&idle.quit, true);
    idle_wake();
    starpu_idle_hook_deregister(idle.hook);
}

/* ---- data ---- */

static starpu_data_handle_t handle_of(rt_data *data)
{
    if (!data->handle) {
        starpu_data_handle_t h;
        rt_piece piece = {.ptr = data, .element_size = 1}; /* stands for something that never moves */
        if (data->owner && data->owner->cls->describe)
            data->owner->cls->describe(data->owner, data, &piece);
        spu_piece_register(&h, &piece);
        lock_data();
        data->handle = h;
        data->prev = NULL;
        data->next = spu.registered;
        if (data->next)
            data->next->prev = data;
        spu.registered = data;
        unlock_data();
    }
    return data->handle;
}

/* Takes the datum off the list; null if it is not there. */
static starpu_data_handle_t forget_locked(rt_data *data)
{
    starpu_data_handle_t h = data->handle;

    if (!h)
        return NULL;
    *(data->prev ? &data->prev->next : &spu.registered) = data->next;
    if (data->next)
        data->next->prev = data->prev;
    data->prev = data->next = NULL;
    data->handle = NULL;
    return h;
}

static void spu_forget(rt_data *data)
{
    starpu_data_handle_t h;

    if (!data->handle)
        return;
    lock_data();
    h = forget_locked(data);
    unlock_data();
    if (!h)
        return;
    /* Where there may be other copies than at home the keeper is calling. */
    if (!data->moves)
        spu_piece_done(h);
    else if (data->owner->keep != RT_KEEP_NOTHING)
        starpu_data_unregister(h);
    else
        spu_piece_unregister(h);
}

static enum starpu_data_access_mode starpu_mode(unsigned mode)
{
    return mode == DA_MODE_READ ? STARPU_R : mode == DA_MODE_WRITE ? STARPU_W : STARPU_RW;
}

/* ---- holders ---- */

static bool excluded_by_holders(const rt_data *data, unsigned mode)
{
    return data->asked > 0 || data->holders < 0 || (data->holders > 0 && mode != DA_MODE_READ) || data->moves;
}

static void hold_locked(rt_data *data, unsigned mode)
{
    if (mode == DA_MODE_READ)
        atomic_fetch_add(&data->holders, 1);
    else
        atomic_store(&data->holders, -1);
}

/* A holder goes; the last one hands the datum back to StarPU, which may grant it to a request right here. True if it did so. */
static bool holder_gone_locked(rt_data *data)
{
    bool handed_back = false;
    int acquired = 0;

    if (data->holders < 0 || data->holders == 1) {
        acquired = data->acquired;
        data->acquired = 0;
        atomic_store(&data->holders, 0);
    } else {
        atomic_fetch_sub(&data->holders, 1);
    }
    for (; acquired > 0; acquired--, handed_back = true)
        starpu_data_release_on_node(data->handle, STARPU_MAIN_RAM);
    return handed_back;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Tell StarPU of the datum's holders, before a task or request that they exclude is submitted. */
static void acquire_for_holders(rt_data *data)
{
    starpu_data_handle_t h = handle_of(data);

    lock_data();
    const int holders = data->holders;
    if (holders != 0 && data->acquired == 0) {
        data->acquired = 1;
        /* Granted at once: when they took the datum no task was in their way, and none has been submitted since. */
        starpu_data_acquire_on_node_cb(h, STARPU_MAIN_RAM, holders < 0 ? STARPU_RW : STARPU_R, nothing, NULL);
    }
    unlock_data();
}

/* ---- inline work ---- */

static bool spu_take(rt_task *first)
{
    lock_data();
    for (const rt_task *t = first; t; t = t->next)
        for (int i = 0; i < t->naccesses; i++)
            if (excluded_by_holders(t->accesses[i].data, t->accesses[i].mode)) {
                unlock_data();
                return false;
            }
    for (int reads = 0; reads < 2; reads++)
        for (const rt_task *t = first; t; t = t->next)
            for (int i = 0; i < t->naccesses; i++) {
                rt_data *data = t->accesses[i].data;
                if ((t->accesses[i].mode == DA_MODE_READ) != reads || data->holder == first)
                    continue;
                hold_locked(data, t->accesses[i].mode);
                if (!reads)
                    data->holder = first;
            }
    unlock_data();
    return true;
}

static void spu_drop(rt_task *first)
{
    bool handed_back = false;

    lock_data();
    for (int reads = 1; reads >= 0; reads--)
        for (const rt_task *t = first; t; t = t->next)
            for (int i = 0; i < t->naccesses; i++) {
                rt_data *data = t->accesses[i].data;
                if ((t->accesses[i].mode == DA_MODE_READ) != reads || (data->holder == first) == reads)
                    continue;
                if (!reads)
                    data->holder = NULL;
                handed_back |= holder_gone_locked(data);
            }
    unlock_data();
    if (handed_back)
        idle_wake();
}

/* ---- host access ---- */

typedef struct request {
    rt_data *data;
    da_mode mode;
    rt_ticket *ticket;
    struct requests *all;
} request;
typedef struct requests {
    _Atomic(int) left;
    request each[];
} requests;

static void request_granted(void *arg)
{
    const request r = *(request *)arg;

    lock_data();
    r.data->asked--;
    r.data->acquired++;
    hold_locked(r.data, r.mode);
    unlock_data();
    atomic_fetch_sub(&idle.requests, 1);
    if (atomic_fetch_sub(&r.all->left, 1) == 1)
        mem_free(r.all);
    rt_granted(r.ticket);
}

static bool in_the_way(const rt_data *data, da_mode mode)
{
    return data->pending_writes > 0 || (mode != DA_MODE_READ && data->pending_reads > 0) ||
           excluded_by_holders(data, mode);
}

static da_status spu_acquire(int n, rt_data *const *data, da_mode mode, rt_ticket *ticket)
{
    requests *all = NULL;
    int asked = 0;

    lock_data();
    for (int i = 0; i < n && !all; i++)
        if (in_the_way(data[i], mode)) {
            const size_t bytes = sizeof *all + (size_t)(n - i) * sizeof all->each[0];
            all = mem_alloc(bytes);
            if (!all) {
                unlock_data();
                return err_memory(bytes, "host access");
            }
        }
    for (int i = 0; i < n; i++)
        if (all && in_the_way(data[i], mode)) {
            data[i]->asked++;
            all->each[asked++] = (request){data[i], mode, ticket, all};
        } else {
            hold_locked(data[i], mode);
        }
    unlock_data();
    if (asked > 0) {
        atomic_init(&all->left, asked);
        atomic_fetch_add(&idle.requests, asked);
        spu_devices_wake();
    } else {
        mem_free(all);
    }
    for (int i = asked; i < n; i++)
        rt_granted(ticket);
    for (int i = 0; i < asked; i++) { /* `all` goes with the last one */
        rt_data *const d = all->each[i].data;
        acquire_for_holders(d);
        starpu_data_acquire_on_node_cb(handle_of(d), STARPU_MAIN_RAM, starpu_mode(mode), request_granted,
                                       &all->each[i]);
    }
    return DA_OK;
}

static void spu_release(rt_data *data, da_mode mode)
{
    bool handed_back;

    (void)mode;
    lock_data();
    handed_back = holder_gone_locked(data);
    unlock_data();
    if (handed_back)
        idle_wake();
}

/* ---- tasks ---- */

static void submit_one(rt_task *task)
{
    struct starpu_task *st = starpu_task_create();
    const spu_implementations *implementations;
    const int n = task->naccesses;
    int result;

    st->cl = spu_codelet_of(task, &implementations);
    st->where = (int32_t)spu_where(task, implementations);
    st->cl_arg = task;
    st->callback_arg = task;
    st->nbuffers = n;
    st->priority = task->priority < spu.start.min_priority   ? spu.start.min_priority
                   : task->priority > spu.start.max_priority ? spu.start.max_priority
                                                             : task->priority;
    if (task->codelet->flops)
        st->flops = task->codelet->flops(&task->call);
    if (n > STARPU_NMAXBUFS) { /* freed by StarPU */
        st->dyn_handles = malloc((size_t)n * sizeof st->dyn_handles[0]);
        st->dyn_modes = malloc((size_t)n * sizeof st->dyn_modes[0]);
        if (!st->dyn_handles || !st->dyn_modes)
            abort(); /* as StarPU does when it is out of memory */
    }
    for (int i = 0; i < n; i++) {
        rt_data *const data = task->accesses[i].data;
        const unsigned mode = task->accesses[i].mode;
        if (data->holders < 0 || (data->holders > 0 && mode != DA_MODE_READ))
            acquire_for_holders(data);
        if (n > STARPU_NMAXBUFS) {
            st->dyn_handles[i] = handle_of(data);
            st->dyn_modes[i] = starpu_mode(mode);
        } else {
            st->handles[i] = handle_of(data);
            st->modes[i] = starpu_mode(mode);
        }
    }
    if (spu.timed)
        spu_codelet_times(task, st);
    result = starpu_task_submit(st);
    assert(result == 0); /* there is a CPU worker */
    (void)result;
}

static void spu_submit(rt_task *first)
{
    for (rt_task *t = first, *next; t; t = next) {
        next = t->next;
        atomic_store_explicit(&idle.submitted,
                              atomic_load_explicit(&idle.submitted, memory_order_relaxed) + 1,
                              memory_order_relaxed); /* under the commit lock */
        spu_devices_wake();
        submit_one(t);
        idle_wake();
    }
}

/* ---- start and stop ---- */

static const char *place(char *text, size_t size)
{
    const int id = starpu_worker_get_id_check();
    char name[64];

    starpu_worker_get_name(id, name, sizeof name);
    snprintf(text, size, "worker %d (%s)", id, name);
    return text;
}

static int devices(void)
{
    return spu.running ? spu_devices() : spu_devices_there(DA_DEVICE_CPU);
}

bool spu_idle(void)
{
    return atomic_load(&idle.submitted) == spu_tasks_done(-1) && atomic_load(&idle.requests) == 0;
}

static da_status spu_start_backend(int *workers, bool asked)
{
    spu.start = (spu_start){.workers = *workers, .asked = asked};
    DA_TRY(spu_guest_start(&spu.start));
    *workers = spu.start.workers;
    const da_status status = spu_devices_start(spu.start.shared);
    if (status != DA_OK) {
        spu_guest_stop();
        return status;
    }
    spu_models_start();
    spu.timed = spu_models() != NULL;
    spu_codelets_start(spu.start.models);
    idle_start();
    spu.running = true;
    return DA_OK;
}

static void spu_stop_backend(void)
{
    spu_devices_stop();
    spu.running = false;
    idle_stop();
    for (;;) {
        starpu_data_handle_t h = NULL;
        bool abroad = false; /* its owner stays then, since it moves */
        lock_data();
        rt_data *const data = spu.registered;
        if (data) {
            abroad = atomic_load(&data->abroad);
            while (data->acquired > 0) {
                data->acquired--;
                starpu_data_release_on_node(data->handle, STARPU_MAIN_RAM);
            }
            h = forget_locked(data);
        }
        unlock_data();
        if (!h)
            break;
        starpu_data_unregister(h);
        if (abroad)
            rt_data_is_home(data);
    }
    spu_pieces_drop();
    mem_pins_stop();
    spu_models_stop();
    if (spu_guest_stop())
        spu_codelets_free();
    spu_devices_stopped();
}

static void at_exit(void)
{
    spu_kernels_at_exit();
    spu_models_at_exit();
}

const rt_backend rt_starpu = {
    .name = "starpu",
    .start = spu_start_backend,
    .stop = spu_stop_backend,
    .submit = spu_submit,
    .take = spu_take,
    .drop = spu_drop,
    .acquire = spu_acquire,
    .release = spu_release,
    .forget = spu_forget,
    .bury = spu_bury,
    .settle = spu_settle,
    .devices = devices,
    .place = place,
    .at_exit = at_exit,
};
