/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both runtimes share: committing, counting, running small work inline, waiting, starting and stopping, fork.
 *
 * Everything that gives a task its place in the order happens under one lock, the commit lock. Before a runtime is started, inline
 * work and host access go through the OpenMP runtime's queues, which need no thread.
 */
#include "base/clock.h"
#include "runtime/core.h"
#include "runtime/rehearse.h"
#include "runtime/topology.h"
#include <darray/runtime.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_FLIGHT_MAX = 1 << 16,               /* tasks committed and not done: more must wait */
    IN_FLIGHT_LOW = IN_FLIGHT_MAX / 4 * 3, /* until this */
    INLINE_TASKS = 16,                     /* most tasks of a batch that is run inline */
    SHAPING_WORKERS = 8,                   /* with DARRAY_REPRODUCIBLE */
};
#define INLINE_SECONDS 200e-6
#define SHARE_SECONDS                                                                                        \
    800e-6 /* of a batch that takes less, one task for each worker, the committing thread does one */
static const double start_of_devices = 1; /* seconds, about */

static lock_word commit_lock;
static _Atomic(const rt_backend *) current; /* null: not started */
static _Atomic(bool) devices_wanted;        /* somebody asked for them, or has work that may be worth them */
static _Atomic(bool)
    provisional; /* OpenMP runs until somebody looks for devices; changed under the commit lock */
static _Atomic(bool) changing; /* a thread waits to put StarPU in its place */
static double look_at;         /* when to think about it again; this and the next two under the commit lock */
static bool tried;             /* since the start */
static int workers_asked;      /* of da_init(), or 0 */
static _Atomic(int) nworkers;
static _Atomic(bool) forked; /* a child of a process that had threads of ours */
static int64_t sequence, submitted, inlined;
static _Atomic(int64_t) in_flight;     /* submitted and not done */
static _Atomic(int64_t) inline_active; /* batches being run inline */
static _Atomic(int) all_waiters;       /* threads that wait for the two counts above */

/* Who places inline work and host access. */
static const rt_backend *placer(void)
{
    const rt_backend *b = atomic_load_explicit(&current, memory_order_acquire);
    return b && !atomic_load_explicit(&forked, memory_order_relaxed) ? b : &rt_openmp;
}

/* ---- sleeping until a condition on some address may have become true ---- */

enum { SLOTS = 64 };
static struct {
    _Alignas(64) _Atomic(int) epoch;
} slots[SLOTS];

static _Atomic(int) *slot_of(const void *address)
{
    return &slots[((uintptr_t)address >> 4) * (uintptr_t)0x9E3779B97F4A7C15u >> 58].epoch;
}

static void wake(const void *address)
{
    _Atomic(int) *epoch = slot_of(address);
    atomic_fetch_add(epoch, 1);
    futex_wake(epoch, INT_MAX);
}

/* Wait until done(what), whose change is told by wake(what) if *waiters is not zero. */
static void sleep_until(bool (*done)(const void *what), const void *what, _Atomic(int) *waiters)
{
    _Atomic(int) *epoch = slot_of(what);
    /* a few microseconds; the worker that looks for work may be on this very core, so let it run */
    for (int i = 0; i < 240; i++) {
        if (done(what))
            return;
        if (i % 12 == 11)
            sched_yield();
        else
            cpu_relax();
    }
    if (waiters)
        atomic_fetch_add(waiters, 1);
    for (;;) {
        const int seen = atomic_load(epoch);
        if (done(what))
            break;
        futex_wait(epoch, seen);
    }
    if (waiters)
        atomic_fetch_sub(waiters, 1);
}

/* Likewise, for at most so many seconds; what is told by wake(&in_flight). */
static bool sleep_within(bool (*done)(const void *what), double seconds)
{
    const double until = now() + seconds;
    _Atomic(int) *const epoch = slot_of(&in_flight);
    bool is_done = done(NULL);

    if (is_done)
        return true;
    atomic_fetch_add(&all_waiters, 1);
    for (double left = seconds; !is_done && left > 0; left = until - now()) {
        const int seen = atomic_load(epoch);
        is_done = done(NULL);
        if (!is_done)
            futex_wait_for(epoch, seen, left);
    }
    atomic_fetch_sub(&all_waiters, 1);
    return is_done;
}

/* ---- conditions ---- */

static bool nothing_written(const void *data)
{
    return atomic_load(&((const rt_data *)data)->pending_writes) == 0;
}

static bool nothing_used(const void *data)
{
    const rt_data *d = data;
    return atomic_load(&d->pending_writes) == 0 && atomic_load(&d->pending_reads) == 0;
}

static bool all_done(const void *what)
{
    (void)what;
    return atomic_load(&in_flight) == 0 && atomic_load(&inline_active) == 0;
}

static bool no_inline_work(const void *what)
{
    (void)what;
    return atomic_load(&inline_active) == 0;
}

static bool room(const void *what)
{
    (void)what;
    return atomic_load(&in_flight) < IN_FLIGHT_LOW;
}

static bool task_done(const void *task)
{
    return atomic_load(&((const rt_task *)task)->state) == RT_DONE;
}

static bool ticket_granted(const void *ticket)
{
    return atomic_load(&((const rt_ticket *)ticket)->missing) == 0;
}

/* ---- fork ---- */

da_status rt_check_forked(void)
{
    if (atomic_load_explicit(&forked, memory_order_relaxed))
        return err_set(
            DA_ERROR_FORKED,
            "this process was forked after the library had started its threads: it has none to run tasks");
    return DA_OK;
}

bool rt_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}

/* Host access that is held, so that it moves along when a runtime starts or stops. */
typedef struct map {
    struct map *prev, *next;
    rt_data *data;
    da_mode mode;
    bool blocks;     /* tasks were committed behind it */
    uint64_t number; /* of the call; rises */
    const void *thread;
} map;
static map *maps; /* guarded by the commit lock */
static _Atomic(int)
    maps_awaited; /* calls that have none yet: then maps cannot move; rises under the commit lock */

static bool no_map_awaited(const void *what)
{
    (void)what;
    return atomic_load(&maps_awaited) == 0;
}

static uint64_t map_number;
static _Thread_local char this_thread; /* its address names the thread */
static _Thread_local int my_maps;      /* calls of this thread that are, as far as it knows, not undone */

/* ---- tasks behind maps ----
 * A thread that waits for tasks which wait for its own map would wait for ever. So tasks committed behind a map, directly or behind
 * such tasks, carry the map's number (of several, the oldest's), and waiting for them fails in the thread that has it. All this is
 * under the commit lock, and costs nothing while nothing is mapped. */

static bool is_mine(uint64_t number)
{
    for (const map *m = maps; m && number; m = m->next)
        if (m->number == number)
            return m->thread == &this_thread;
    return false;
}

static bool is_live(uint64_t number)
{
    for (const map *m = maps; m && number; m = m->next)
        if (m->number == number)
            return true;
    return false;
}

static uint64_t oldest_live(uint64_t a, uint64_t b)
{
    a = is_live(a) ? a : 0;
    b = is_live(b) ? b : 0;
    return !a ? b : !b || a < b ? a : b;
}

/* The map that an access waits for, or 0. */
static uint64_t map_before(const rt_data *d, da_mode mode)
{
    uint64_t number = oldest_live(d->behind_writes, mode == DA_MODE_READ ? 0 : d->behind_reads);
    for (const map *m = maps; m; m = m->next)
        if (m->data == d && (mode != DA_MODE_READ || m->mode != DA_MODE_READ))
            number = oldest_live(number, m->number);
    return number;
}

static void note_maps_before(rt_task *t)
{
    uint64_t number = 0;
    for (int i = 0; i < t->naccesses; i++)
        number = oldest_live(number, map_before(t->accesses[i].data, (da_mode)t->accesses[i].mode));
    t->behind = number;
    for (map *m = maps; m && number; m = m->next)
        m->blocks = m->blocks || m->number == number;
    for (int i = 0; i < t->naccesses && number; i++)
        *(t->accesses[i].mode == DA_MODE_READ ? &t->accesses[i].data->behind_reads
                                              : &t->accesses[i].data->behind_writes) = number;
}

static da_status behind_own_map(const char *what)
{
    return err_set(
        DA_ERROR_STATE,
        "%s: tasks it has to wait for wait for an array mapped by this thread; call da_unmap() first", what);
}

/* DA_ERROR_STATE if waiting for what is pending on the datum is waiting for this thread. */
static da_status check_datum(const rt_data *d, da_mode mode, const char *what)
{
    bool mine;
    if (my_maps == 0)
        return DA_OK;
    lock_acquire(&commit_lock);
    mine = is_mine(d->behind_writes) || (mode != DA_MODE_READ && is_mine(d->behind_reads));
    lock_release(&commit_lock);
    return mine ? behind_own_map(what) : DA_OK;
}

/* The same for everything that is in flight. */
static bool all_behind_own_map(void)
{
    bool mine = false;
    if (my_maps == 0)
        return false;
    lock_acquire(&commit_lock);
    for (const map *m = maps; m && !mine; m = m->next)
        mine = m->blocks && m->thread == &this_thread;
    lock_release(&commit_lock);
    return mine && !all_done(NULL);
}

static void before_fork(void)
{
    lock_acquire(&commit_lock);
    execute_fork_lock();
    batch_fork_lock();
}

static void after_fork_parent(void)
{
    batch_fork_unlock();
    execute_fork_unlock();
    lock_release(&commit_lock);
}

static void after_fork_child(void)
{
    if (atomic_load(&current) || atomic_load(&inline_active))
        atomic_store(&forked, true);
    after_fork_parent();
}

/* ---- starting and stopping ---- */

static const rt_backend *backend_by_name(const char *name)
{
    if (strcmp(name, "openmp") == 0)
        return &rt_openmp;
#if DA_HAVE_STARPU
    if (strcmp(name, "starpu") == 0)
        return &rt_starpu;
#endif
    return NULL;
}

/* The runtime of a name; null or empty: the environment's choice or the automatic one, StarPU if devices are to count and there are some. */
static da_status choose(const rt_backend **out, const char *name, bool devices)
{
    const char *from = "da_init: runtime";
    if (!name || !*name) {
        name = config_get()->runtime;
        from = "DARRAY_RUNTIME";
    }
    if (!*name) {
        *out = &rt_openmp;
#if DA_HAVE_STARPU
        const config *const c = config_get();
        if (devices && (!c->reproducible || c->device == DA_ON_GPU) && rt_starpu.devices() > 0)
            *out = &rt_starpu;
#else
        (void)devices;
#endif
        return DA_OK;
    }
    *out = backend_by_name(name);
    if (*out)
        return DA_OK;
    if (strcmp(name, "starpu") == 0)
        return err_set(DA_ERROR_UNSUPPORTED, "%s is \"starpu\", but the library was built without StarPU",
                       from);
    return err_set(DA_ERROR_ARGUMENT, "%s is \"%s\"; there are \"openmp\" and \"starpu\"", from, name);
}

/* workers_wanted() when first asked for a shape, until the runtime starts: asking the system takes 80 us. 0: not asked yet. */
static _Atomic(int) shaping_workers;
static _Atomic(int) shaping_asked; /* rt_shape_for_workers() */

static int workers_wanted(void)
{
    const int configured = config_get()->num_threads;
    return configured > 0 ? configured : topology_cores();
}

static void at_exit(void)
{
    static atomic_flag done = ATOMIC_FLAG_INIT;
    const rt_backend *b = atomic_load(&current);
    if (b && b->at_exit && !atomic_load(&forked) && !atomic_flag_test_and_set(&done))
        b->at_exit();
}

void rt_register_exit(void)
{
    atexit(at_exit);
}

/* Host access that is held moves from one placer to another; no conflicting task is in flight, and none is awaited. */
static da_status move_maps(const rt_backend *from, const rt_backend *to)
{
    map *failed = NULL;
    da_status status = DA_OK;
    for (map *m = maps; m; m = m->next) {
        rt_ticket ticket = {1};
        from->release(m->data, m->mode);
        status = to->acquire(1, &m->data, m->mode, &ticket);
        if (status != DA_OK) {
            failed = m;
            break;
        }
        sleep_until(ticket_granted, &ticket, NULL);
    }
    if (failed) { /* as it was: what was given back is there to be taken again */
        rt_ticket ticket = {1};
        for (map *m = maps; m != failed; m = m->next) {
            to->release(m->data, m->mode);
            if (from->acquire(1, &m->data, m->mode, &ticket) != DA_OK)
                log_line(1, "host access was lost: out of memory");
        }
        if (from->acquire(1, &failed->data, failed->mode, &ticket) != DA_OK)
            log_line(1, "host access was lost: out of memory");
    }
    return status;
}

static void set_current(const rt_backend *b, int workers)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, rt_register_exit);
    atomic_store(&nworkers, workers);
    atomic_store(&current, b);
    log_line(1, "runtime %s with %d workers", b->name, workers);
}

/* DARRAY_DEVICE is gpu, but there is none. */
static void tell_no_device(const rt_backend *b)
{
    log_line(1, "DARRAY_DEVICE is gpu, but runtime %s has no device: everything runs on the CPU", b->name);
    if (!DA_HAVE_STARPU || strcmp(config_get()->runtime, "openmp") == 0 || !log_enabled(1))
        return;
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const char *reason = NULL;

        if (!da_device_module_of((da_device_kind)k, &reason))
            log_line(1, "no module for devices: %s", reason);
    }
}

/* Under the commit lock. */
static da_status start(const char *name, int workers)
{
    const rt_backend *b;
    const bool automatic = !(name && *name) && !*config_get()->runtime;
    const bool asked = workers > 0 || config_get()->num_threads > 0;
    int n = workers > 0 ? workers : workers_wanted();

    workers_asked = workers;
    if (config_get()->device == DA_ON_GPU)
        atomic_store(&devices_wanted, true);
    DA_TRY(choose(&b, name, atomic_load(&devices_wanted)));
    const bool later = b != &rt_openmp && !no_map_awaited(NULL);
    if (later && name && *name)
        return err_set(DA_ERROR_STATE,
                       "da_init: runtime %s cannot start while a thread waits for an array that is mapped",
                       name);
    if (later) { /* it takes OpenMP's place when they have it */
        atomic_store(&devices_wanted, true);
        b = &rt_openmp;
    }
    if (b != &rt_openmp) /* those who run inline now hold places in the OpenMP runtime's queues */
        sleep_until(no_inline_work, &in_flight, &all_waiters);
    da_status status = b->start(&n, asked);
    if (status == DA_ERROR_RUNTIME && b != &rt_openmp && automatic) {
        log_line(1, "runtime openmp instead of %s: %s", b->name, da_error());
        err_clear();
        b = &rt_openmp;
        n = workers > 0 ? workers : workers_wanted();
        status = b->start(&n, asked);
    }
    DA_TRY(status);
    if (b != &rt_openmp) {
        status = move_maps(&rt_openmp, b);
        if (status != DA_OK) {
            b->stop();
            return status;
        }
    }
    sequence = submitted = inlined = 0;
    busy_reset();
    set_current(b, n);
    atomic_store(&provisional, later || (DA_HAVE_STARPU && automatic && !atomic_load(&devices_wanted)));
    look_at = later ? 0 : now() + start_of_devices;
    tried = false;
    if (config_get()->device == DA_ON_GPU && !(b->devices && b->devices() > 0))
        tell_no_device(b);
    if (*config_get()->complaints)
        log_line(1, "not understood: %s", config_get()->complaints);
    return DA_OK;
}

/* The runtime in use or, before the start and while OpenMP runs provisionally, the one that would be; null if there is none of the name. */
static const rt_backend *in_use(void)
{
    const rt_backend *b = atomic_load(&current);
    if (b && !atomic_load(&provisional))
        return b;
    return choose(&b, NULL, atomic_load(&devices_wanted)) == DA_OK ? b : NULL;
}

/* ---- devices, once they are wanted ----
 * They take a second to start: the vendor's libraries, a context each. A program that is over by then, or that has nothing for them to do,
 * should not pay for it. So the automatic choice begins with OpenMP; StarPU takes its place between two commits, with nothing in flight,
 * once devices are wanted or the program has worked for as long as their start takes. */

void rt_want_devices(void)
{
    if (atomic_load_explicit(&devices_wanted, memory_order_relaxed))
        return;
    lock_acquire(&commit_lock);
    atomic_store(&devices_wanted, true);
    look_at = 0;
    lock_release(&commit_lock);
}

/* StarPU takes OpenMP's place. Under the commit lock, with nothing in flight and no map awaited. */
static da_status change_to_devices(void)
{
#if DA_HAVE_STARPU
    int n = workers_asked > 0 ? workers_asked : workers_wanted();

    atomic_store(&devices_wanted, true);
    atomic_store(&provisional, false);
    DA_TRY(rt_starpu.start(&n, workers_asked > 0 || config_get()->num_threads > 0));
    const da_status status = move_maps(&rt_openmp, &rt_starpu);
    if (status != DA_OK) {
        rt_starpu.stop();
        return status;
    }
    rt_openmp.stop();
    set_current(&rt_starpu, n);
#endif
    return DA_OK;
}

static bool not_changing(const void *what)
{
    (void)what;
    return !atomic_load(&changing);
}

/*
 * Change to devices, if there are any, once nothing is in flight. Waits for that for so many seconds, and so does who else commits, but no longer:
 * a task of the user's may wait for what this thread has yet to do.
 */
static da_status try_devices(double patience)
{
    const rt_backend *b;
    da_status status = choose(&b, NULL, true);
    bool mine = false;

    lock_acquire(&commit_lock);
    if (status != DA_OK || b == &rt_openmp)
        atomic_store(&provisional, false);
    else if (atomic_load(&provisional) && no_map_awaited(NULL))
        mine = !atomic_exchange(&changing, true);
    lock_release(&commit_lock);
    if (mine && !all_behind_own_map())
        (void)sleep_within(all_done, patience);
    if (!mine)
        return status;
    lock_acquire(&commit_lock);
    if (atomic_load(&in_flight) == 0)
        sleep_until(no_inline_work, &in_flight, &all_waiters);
    if (atomic_load(&provisional) && all_done(NULL) && no_map_awaited(NULL))
        status = change_to_devices();
    atomic_store(&changing, false);
    lock_release(&commit_lock);
    wake(&in_flight);
    return status;
}

static void without_devices(void)
{
    log_line(1, "runtime openmp instead of starpu: %s", da_error());
    err_clear();
}

/* Before a commit, while OpenMP runs provisionally. */
static void consider_devices(void)
{
    static const double share_of_waiting = 0.05; /* where nothing is ever at rest */
    const double time = now();
    bool due = false, first = false;

    if (rt_in_task() || atomic_load(&forked))
        return;
    lock_acquire(&commit_lock);
    if (atomic_load(&provisional) && time >= look_at) {
        due = atomic_load(&devices_wanted) || busy_seconds() >= start_of_devices;
        first = due && !tried;
        tried |= due;
        look_at = time + (first ? 2 : due ? 1 : 0.1) * start_of_devices;
    }
    lock_release(&commit_lock);
    if (!due) {
        (void)sleep_within(not_changing, start_of_devices);
    } else if (try_devices((first ? 1 : share_of_waiting) * start_of_devices) != DA_OK) {
        without_devices();
    }
}

da_status da_init(const char *runtime, int workers)
{
    const rt_backend *b, *wanted;
    da_status status = DA_OK;

    DA_TRY(rt_check_may_wait("da_init"));
    DA_TRY(rt_check_forked());
    if (workers < 0 || workers > 4096)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_init: %d workers; there may be 1 to 4096, and 0 leaves the choice to the library",
                       workers);
    const bool named = runtime && *runtime, openmp = named && strcmp(runtime, "openmp") == 0;
    if (!openmp)
        rt_want_devices();
    if (!openmp && atomic_load(&provisional)) {
        lock_acquire(&commit_lock);
        workers_asked = workers > 0 ? workers : workers_asked;
        lock_release(&commit_lock);
        status = try_devices(start_of_devices);
        if (status != DA_OK && named)
            return status;
        if (status != DA_OK)
            without_devices();
        status = DA_OK;
    }
    lock_acquire(&commit_lock);
    b = atomic_load(&current);
    if (!b) {
        status = start(runtime, workers);
    } else {
        wanted = b;
        if (named)
            status = choose(&wanted, runtime, true);
        if (status == DA_OK && (wanted != b || (workers > 0 && workers != atomic_load(&nworkers))))
            status = err_set(DA_ERROR_STATE, "da_init: runtime %s runs already with %d workers", b->name,
                             atomic_load(&nworkers));
        if (status == DA_OK && named)
            atomic_store(&provisional, false);
    }
    lock_release(&commit_lock);
    return status;
}

/* Whether a thread waits for what this one has mapped; under the commit lock. */
static bool my_map_awaited(void)
{
    for (const map *m = maps; m && my_maps > 0 && !no_map_awaited(NULL); m = m->next)
        for (const map *later = maps; m->thread == &this_thread && later != m; later = later->next)
            if (later->data == m->data && later->thread != m->thread &&
                (later->mode != DA_MODE_READ || m->mode != DA_MODE_READ))
                return true;
    return false;
}

da_status da_shutdown(void)
{
    const rt_backend *b;
    da_status status = DA_OK;

    DA_TRY(rt_check_may_wait("da_shutdown"));
    DA_TRY(rt_check_forked());
    for (;;) {
        if (all_behind_own_map())
            return behind_own_map("da_shutdown");
        sleep_until(all_done, &in_flight, &all_waiters);
        lock_acquire(&commit_lock);
        b = atomic_load(&current);
        if (all_done(NULL) && (!b || b == &rt_openmp || no_map_awaited(NULL)))
            break;
        const bool mine = my_map_awaited();
        lock_release(&commit_lock);
        if (mine)
            return err_set(DA_ERROR_STATE, "da_shutdown: another thread waits for an array mapped by this "
                                           "thread; call da_unmap() first");
        if (b && b != &rt_openmp)
            sleep_until(no_map_awaited, &in_flight, &all_waiters);
    }
    if (b) {
        if (b != &rt_openmp)
            status = move_maps(b, &rt_openmp);
        if (status == DA_OK) {
            b->stop();
            atomic_store(&current, NULL);
            atomic_store(&provisional, false);
            log_line(1, "runtime %s stopped", b->name);
        }
    }
    if (status == DA_OK) {
        config_reload();
        atomic_store(&shaping_workers, 0);
    }
    lock_release(&commit_lock);
    mem_trim();
    return status;
}

const char *da_runtime_name(void)
{
    rt_want_devices();
    const rt_backend *const b = in_use();
    return b ? b->name : "none";
}

static int devices_in_use(void)
{
    const rt_backend *const b = in_use();
    return b && b->devices ? b->devices() : 0;
}

int da_num_devices(void)
{
    rt_want_devices();
    return devices_in_use();
}

int rt_devices_for_shaping(void)
{
    return config_get()->reproducible || rt_place() == DA_ON_CPU ? 0 : devices_in_use();
}

bool rt_is_starpu(void)
{
    const rt_backend *const b = in_use();
    return b && strcmp(b->name, "starpu") == 0;
}

int rt_devices_of(da_device_kind kind)
{
#if DA_HAVE_STARPU
    if (rt_devices_for_shaping() > 0)
        return spu_devices_of(kind);
#endif
    (void)kind;
    return 0;
}

void rt_bus(double *latency, double *bandwidth)
{
    /* PCI Express of the fourth generation, until it is measured */
    *latency = 10e-6;
    *bandwidth = 20e9;
#if DA_HAVE_STARPU
    if (rt_devices_for_shaping() > 0)
        (void)spu_bus(latency, bandwidth);
#endif
}

int da_num_workers(void)
{
    return atomic_load(&current) ? atomic_load(&nworkers) : workers_wanted();
}

int rt_workers_for_shaping(void)
{
    int n;
    if (config_get()->reproducible)
        return SHAPING_WORKERS;
    n = atomic_load_explicit(&shaping_asked, memory_order_relaxed);
    if (n > 0)
        return n;
    if (atomic_load(&current))
        return atomic_load(&nworkers);
    n = atomic_load(&shaping_workers);
    if (n == 0) {
        n = workers_wanted();
        atomic_store(&shaping_workers, n);
    }
    return n;
}

bool rt_few_workers(void)
{
    enum { FEW = 4 };

    return rt_workers_for_shaping() <= FEW;
}

void rt_shape_for_workers(int workers)
{
    atomic_store(&shaping_asked, workers);
}

/* ---- committing ---- */

static void counts_up(rt_task *t)
{
    for (int i = 0; i < t->naccesses; i++) {
        rt_data *d = t->accesses[i].data;
        atomic_fetch_add_explicit(t->accesses[i].mode & DA_MODE_WRITE ? &d->pending_writes
                                                                      : &d->pending_reads,
                                  1, memory_order_relaxed);
    }
}

/* No committed task and no host access conflicts with any of the tasks. In a forked child what others did stays as it was. */
static bool conflict_free(const rt_task *t)
{
    const bool child = atomic_load_explicit(&forked, memory_order_relaxed);
    for (; t; t = t->next)
        for (int i = 0; i < t->naccesses; i++) {
            const rt_data *d = t->accesses[i].data;
            if (atomic_load_explicit(&d->pending_writes, memory_order_acquire) != 0 ||
                atomic_load_explicit(&d->mapped_writes, memory_order_relaxed) != 0)
                return false;
            if ((child || t->accesses[i].mode != DA_MODE_READ) &&
                (atomic_load_explicit(&d->pending_reads, memory_order_acquire) != 0 ||
                 atomic_load_explicit(&d->mapped_reads, memory_order_relaxed) != 0))
                return false;
            if (child && d->handle)
                return false;
        }
    return true;
}

/* What was taken for this thread. */
static void run_inline(rt_task *first, const rt_backend *p)
{
    for (rt_task *t = first; t; t = t->next)
        rt_task_run(t);
    p->drop(first);
    while (first) {
        rt_task *next = first->next;
        rt_task_finish(first);
        first = next;
    }
    if (atomic_fetch_sub(&inline_active, 1) == 1 && atomic_load(&all_waiters) > 0)
        wake(&in_flight);
}

static bool commit_inline(rt_batch *batch)
{
    static const rt_batch empty = RT_BATCH_INIT;
    rt_task *first = batch->first;
    const rt_backend *p;

    lock_acquire(&commit_lock);
    p = placer();
    if (!conflict_free(first) || !p->take(first)) {
        lock_release(&commit_lock);
        return false;
    }
    for (rt_task *t = first; t; t = t->next) {
        t->sequence = ++sequence;
        t->flags |= RT_INLINE;
        atomic_store_explicit(&t->state, RT_COMMITTED, memory_order_relaxed);
        counts_up(t);
    }
    if (atomic_load_explicit(&record_on, memory_order_relaxed))
        record_committed(first);
    inlined += batch->count;
    atomic_fetch_add_explicit(&inline_active, 1, memory_order_relaxed);
    lock_release(&commit_lock);

    *batch = empty;
    run_inline(first, p);
    return true;
}

/* Whether the committing thread does the last task of a batch, beside the workers, rather than wait for them. Not with StarPU, where a worker of this
 * thread's core may have been given what another one could do at once. */
static bool has_share(const rt_batch *batch, const rt_backend *b)
{
    return b == &rt_openmp && !batch->no_inline && batch->count > 1 && batch->count <= INLINE_TASKS &&
           batch->count == atomic_load_explicit(&nworkers, memory_order_relaxed) &&
           batch->seconds < SHARE_SECONDS && config_get()->inline_tasks && !rt_in_task() &&
           atomic_load(&in_flight) == 0;
}

/* Under the commit lock, when all before it are submitted. */
static bool take_share(rt_task *t, const rt_backend *b)
{
    if (!conflict_free(t) || !b->take(t))
        return false;
    t->flags |= RT_INLINE;
    inlined++;
    atomic_fetch_add_explicit(&inline_active, 1, memory_order_relaxed);
    return true;
}

static void submit_under_lock(rt_task *first, int count, const rt_backend *b)
{
    for (rt_task *t = first; t; t = t->next)
        counts_up(t);
    submitted += count;
    atomic_fetch_add(&in_flight, count);
    b->submit(first);
}

/* Whether a task of the list is to run on a device, and the choice of a runtime is still open. */
static bool wants_devices(const rt_task *t)
{
    if (atomic_load_explicit(&current, memory_order_relaxed) &&
        !atomic_load_explicit(&provisional, memory_order_relaxed))
        return false;
    while (t && t->where != DA_ON_GPU)
        t = t->next;
    return t;
}

da_status rt_batch_commit(rt_batch *batch)
{
    static const rt_batch empty = RT_BATCH_INIT;
    da_status status;

    if (batch->count == 0)
        return DA_OK;
    if (rt_rehearsing()) {
        rehearsal_take(batch);
        return DA_OK;
    }
    if (!batch->no_inline && batch->count <= INLINE_TASKS && batch->seconds < INLINE_SECONDS &&
        config_get()->inline_tasks && commit_inline(batch))
        return DA_OK;
    status = rt_check_forked();
    if (status != DA_OK) {
        rt_batch_abandon(batch);
        return status;
    }
    if (!atomic_load_explicit(&devices_wanted, memory_order_relaxed) && wants_devices(batch->first))
        rt_want_devices();
    if (atomic_load_explicit(&provisional, memory_order_relaxed))
        consider_devices();
    if (!rt_in_task() && atomic_load_explicit(&in_flight, memory_order_relaxed) >= IN_FLIGHT_MAX &&
        !all_behind_own_map())
        sleep_until(room, &in_flight, &all_waiters);
    lock_acquire(&commit_lock);
    if (!atomic_load_explicit(&current, memory_order_relaxed)) {
        status = start(NULL, 0);
        if (status != DA_OK) {
            lock_release(&commit_lock);
            rt_batch_abandon(batch);
            return status;
        }
    }
    for (rt_task *t = batch->first; t; t = t->next) {
        t->sequence = ++sequence;
        atomic_store_explicit(&t->state, RT_COMMITTED, memory_order_relaxed);
        if (maps)
            note_maps_before(t);
    }
    if (atomic_load_explicit(&record_on, memory_order_relaxed))
        record_committed(batch->first);
    const rt_backend *const b = atomic_load_explicit(&current, memory_order_relaxed);
    rt_task *share = NULL;
    if (has_share(batch, b)) {
        rt_task *before = batch->first;
        while (before->next != batch->last)
            before = before->next;
        before->next = NULL;
        share = batch->last;
        submit_under_lock(batch->first, batch->count - 1, b);
        if (take_share(share, b)) {
            counts_up(share);
        } else {
            submit_under_lock(share, 1, b);
            share = NULL;
        }
    } else {
        submit_under_lock(batch->first, batch->count, b);
    }
    lock_release(&commit_lock);
    *batch = empty;
    if (share)
        run_inline(share, b);
    return DA_OK;
}

da_status rt_submit(const rt_task_desc *desc, rt_task **task)
{
    rt_batch batch = RT_BATCH_INIT;
    rt_task *t;
    da_status status;
    if (!task) {
        DA_TRY(rt_batch_add(&batch, desc, NULL));
        return rt_batch_commit(&batch);
    }
    DA_TRY(rt_batch_add(&batch, desc, &t));
    status = rt_batch_commit(&batch);
    if (status == DA_OK)
        *task = t;
    else
        rt_task_release(t);
    return status;
}

void rt_task_finish(rt_task *task)
{
    const bool submitted_task = !(task->flags & RT_INLINE);

    if (task->fault)
        rt_fault_reporter_done(task->fault);
    for (int i = 0; i < task->naccesses; i++) {
        rt_data *d = task->accesses[i].data;
        if (atomic_fetch_sub(task->accesses[i].mode & DA_MODE_WRITE ? &d->pending_writes : &d->pending_reads,
                             1) == 1 &&
            atomic_load(&d->waiters) > 0)
            wake(d);
    }
    if (atomic_exchange(&task->state, RT_DONE) == RT_AWAITED)
        wake(task);
    task_let_go(task);
    rt_task_release(task);
    if (submitted_task) {
        const int64_t before = atomic_fetch_sub(&in_flight, 1);
        if ((before == 1 || before == IN_FLIGHT_LOW) && atomic_load(&all_waiters) > 0)
            wake(&in_flight);
    }
}

void rt_granted(rt_ticket *ticket)
{
    if (atomic_fetch_sub(&ticket->missing, 1) == 1)
        wake(ticket);
}

/* ---- waiting ---- */

/* Until nothing conflicts; *settled stays as it is if that was so at once. */
static da_status wait_datum(rt_data *d, da_mode mode, bool *settled)
{
    bool (*const done)(const void *) = mode == DA_MODE_READ ? nothing_written : nothing_used;
    if (done(d))
        return DA_OK;
    DA_TRY(check_datum(d, mode, "waiting for data"));
    sleep_until(done, d, &d->waiters);
    *settled = false;
    return DA_OK;
}

static rt_data *datum(rt_data *const *list, rt_data *range, int64_t i)
{
    return list ? list[i] : &range[i];
}

/* Of a list or, where that is null, of a range. */
static da_status wait_data(rt_data *const *list, rt_data *range, int64_t n, da_mode mode)
{
    const bool child = atomic_load_explicit(&forked, memory_order_relaxed);
    bool settled;

    DA_TRY(rt_check_may_wait("waiting for data"));
    do { /* tasks that ran meanwhile may have spawned others */
        settled = true;
        for (int64_t i = 0; i < n; i++) {
            rt_data *d = datum(list, range, i);
            if (child && (!nothing_used(d) || d->handle))
                return rt_check_forked();
            DA_TRY(wait_datum(d, mode, &settled));
        }
    } while (!settled);
    for (int64_t i = 0; i < n; i++) {
        rt_poison *p = poison_of(datum(list, range, i));
        if (p) {
            const da_status status = poison_error(p);
            poison_release(p);
            return status;
        }
    }
    return DA_OK;
}

da_status rt_data_wait(int n, rt_data *const *data, da_mode mode)
{
    return wait_data(data, NULL, n, mode);
}

da_status rt_data_wait_range(rt_data *data, int64_t n, da_mode mode)
{
    return wait_data(NULL, data, n, mode);
}

bool rt_task_done(const rt_task *task)
{
    return task_done(task);
}

da_status rt_task_wait(rt_task *task)
{
    int committed = RT_COMMITTED;
    DA_TRY(rt_check_may_wait("waiting for a task"));
    if (!task_done(task)) {
        DA_TRY(rt_check_forked());
        if (my_maps > 0) {
            bool mine;
            lock_acquire(&commit_lock);
            mine = is_mine(task->behind);
            lock_release(&commit_lock);
            if (mine && !task_done(task))
                return behind_own_map("waiting for a task");
        }
        /* whether this or another thread was first to say so: the end of the task wakes us */
        atomic_compare_exchange_strong(&task->state, &committed, RT_AWAITED);
        sleep_until(task_done, task, NULL);
    }
    return task->failure ? poison_error(task->failure) : DA_OK;
}

const char *runtime_place(char *text, size_t size)
{
    const rt_backend *b = atomic_load(&current);
    return b ? b->place(text, size) : "a thread";
}

bool runtime_bury(rt_owner *owner)
{
    const rt_backend *b = atomic_load(&current);
    if (!b || !b->bury || atomic_load(&forked))
        return false;
    b->bury(owner);
    return true;
}

/* Wait until owners that were left to the backend are destroyed; true if there were some. */
static bool settle(void)
{
    const rt_backend *b = atomic_load(&current);
    return b && b->settle && b->settle();
}

da_status da_wait_all(void)
{
    DA_TRY(rt_check_may_wait("da_wait_all"));
    DA_TRY(rt_check_forked());
    if (all_behind_own_map())
        return behind_own_map("da_wait_all");
    sleep_until(all_done, &in_flight, &all_waiters);
    settle();
    return DA_OK;
}

/* The budget of memory is used up: what is in flight may give some back. */
static bool wait_for_memory(void)
{
    if (rt_in_task() || atomic_load(&forked))
        return false;
    if (all_done(NULL) || all_behind_own_map())
        return settle();
    sleep_until(all_done, &in_flight, &all_waiters);
    settle();
    return true;
}

/* ---- host access ---- */

da_status rt_data_home(int n, rt_data *const *data)
{
    uint64_t number;
    int moving = 0;
    for (int i = 0; i < n; i++)
        moving += data[i]->moves;
    if (moving == 0)
        return DA_OK;
    DA_TRY(rt_data_map(n, data, DA_MODE_READ, &number));
    rt_data_unmap(n, data, DA_MODE_READ, number);
    return DA_OK;
}

static void count_map(rt_data *d, da_mode mode, int by)
{
    atomic_fetch_add_explicit(mode == DA_MODE_READ ? &d->mapped_reads : &d->mapped_writes, by,
                              memory_order_relaxed);
}

static void unlink_map(map *m)
{
    *(m->prev ? &m->prev->next : &maps) = m->next;
    if (m->next)
        m->next->prev = m->prev;
}

da_status rt_data_map(int n, rt_data *const *data, da_mode mode, uint64_t *number)
{
    rt_ticket ticket;
    map *list = NULL;
    da_status status;

    DA_TRY(rt_check_may_wait("mapping data"));
    for (int i = 0; i < n && atomic_load(&forked); i++)
        if (!nothing_used(data[i]) || data[i]->handle || atomic_load(&data[i]->mapped_writes) != 0 ||
            atomic_load(&data[i]->mapped_reads) != 0)
            return rt_check_forked();
    for (int i = 0; i < n; i++) {
        map *m = mem_alloc(sizeof *m);
        if (!m) {
            status = err_memory(sizeof *m, "host access");
            goto fail;
        }
        m->data = data[i];
        m->mode = mode;
        m->blocks = false;
        m->thread = &this_thread;
        m->next = list;
        list = m;
    }
    atomic_init(&ticket.missing, n);
    lock_acquire(&commit_lock);
    status = DA_OK;
    for (int i = 0; i < n && my_maps > 0 && status == DA_OK; i++)
        if (is_mine(map_before(data[i], mode)))
            status = behind_own_map("mapping data");
    if (status == DA_OK)
        status = placer()->acquire(n, data, mode, &ticket);
    if (status != DA_OK) {
        lock_release(&commit_lock);
        goto fail;
    }
    atomic_fetch_add(&maps_awaited, 1);
    *number = ++map_number;
    my_maps++;
    while (list) {
        map *m = list;
        list = m->next;
        m->number = map_number;
        count_map(m->data, mode, 1);
        if (m->data->owner)
            rt_owner_retain(m->data->owner);
        m->prev = NULL;
        m->next = maps;
        if (maps)
            maps->prev = m;
        maps = m;
    }
    lock_release(&commit_lock);
    sleep_until(ticket_granted, &ticket, NULL);
    if (atomic_fetch_sub(&maps_awaited, 1) == 1 && atomic_load(&all_waiters) > 0)
        wake(&in_flight);
    for (int i = 0; i < n; i++) {
        rt_data_is_home(data[i]);
        rt_poison *p = poison_of(data[i]);
        if (!p)
            continue;
        if (mode == DA_MODE_WRITE) {
            poison_set(data[i], NULL);
            poison_release(p);
            continue;
        }
        status = poison_error(p);
        poison_release(p);
        rt_data_unmap(n, data, mode, *number);
        return status;
    }
    return DA_OK;
fail:
    while (list) {
        map *next = list->next;
        mem_free(list);
        list = next;
    }
    return status;
}

void rt_data_unmap(int n, rt_data *const *data, da_mode mode, uint64_t number)
{
    bool mine = false;
    for (int i = 0; i < n; i++) {
        map *m;
        lock_acquire(&commit_lock);
        for (m = maps; m && (m->data != data[i] || m->number != number); m = m->next)
            ;
        if (m) {
            mine = mine || m->thread == &this_thread;
            unlink_map(m);
            placer()->release(m->data, mode);
            count_map(m->data, mode, -1);
        }
        lock_release(&commit_lock);
        if (m && m->data->owner)
            rt_owner_release(m->data->owner);
        mem_free(m);
    }
    my_maps -= mine;
}

void rt_data_forget(rt_data *data)
{
    const rt_backend *b = atomic_load_explicit(&current, memory_order_acquire);
    if (b && b->forget && !atomic_load_explicit(&forked, memory_order_relaxed))
        b->forget(data);
    if (data->poison)
        poison_set(data, NULL);
}

/* ---- counters ---- */

void da_get_stats(da_stats *out)
{
    da_stats s;
    memset(&s, 0, sizeof s);
    lock_acquire(&commit_lock);
    s.tasks_submitted = submitted;
    s.tasks_inline = inlined;
    s.tasks_done = submitted - atomic_load(&in_flight);
    lock_release(&commit_lock);
    data_usage(&s.bytes_live, &s.bytes_peak, &s.bytes_cached);
#if DA_HAVE_STARPU
    s.tasks_device = spu_tasks_on_devices();
#endif
    s.seconds_busy = busy_seconds();
    *out = s;
}

void da_trim(void)
{
    mem_trim();
}

__attribute__((constructor)) static void prepare(void)
{
    mem_on_pressure(wait_for_memory);
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
