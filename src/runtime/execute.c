/* SPDX-License-Identifier: BSD-3-Clause */
/* Running one task: poison in, the kernel, faults, poison out. And the time that kernels take. */
#include "runtime/core.h"
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static _Thread_local rt_task *running;

bool rt_in_task(void)
{
    return running != NULL;
}

da_status rt_check_may_wait(const char *what)
{
    if (running)
        return err_set(DA_ERROR_STATE, "%s: waiting is not allowed inside a task (task %s)", what,
                       running->codelet->name);
    return DA_OK;
}

/* ---- poison ---- */

/* for a failure without memory for its sentence */
static const char no_memory_sentence[] = "a task failed, and there was no memory for its sentence";
static _Alignas(rt_poison) char no_memory_space[sizeof(rt_poison) + sizeof no_memory_sentence];
static rt_poison *const no_memory = (rt_poison *)(void *)no_memory_space;

static lock_word guard; /* the poison of any datum: rare */

void poison_retain(rt_poison *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void poison_release(rt_poison *p)
{
    if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        mem_free(p);
}

static rt_poison *poison_new(const char *sentence)
{
    const size_t n = strlen(sentence) + 1;
    rt_poison *p = mem_alloc(sizeof *p + n);
    if (!p) {
        poison_retain(no_memory);
        return no_memory;
    }
    atomic_init(&p->refs, 1);
    memcpy(p->sentence, sentence, n);
    return p;
}

/* What was only on devices that are lost. */
static rt_poison *loss;

static bool is_lost(const rt_data *data)
{
    return atomic_load(&data->abroad) && __atomic_load_n(&loss, __ATOMIC_ACQUIRE);
}

/* In this order: rt_data_is_home() sets the one before it takes the other away. */
bool rt_data_failed(rt_data *data)
{
    return is_lost(data) || __atomic_load_n(&data->poison, __ATOMIC_ACQUIRE);
}

rt_poison *poison_of(rt_data *data)
{
    rt_poison *p;
    if (!rt_data_failed(data))
        return NULL;
    lock_acquire(&guard);
    p = data->poison ? data->poison : is_lost(data) ? loss : NULL;
    poison_retain(p);
    lock_release(&guard);
    return p;
}

void poison_set(rt_data *data, rt_poison *p)
{
    rt_poison *old;
    lock_acquire(&guard);
    old = data->poison;
    __atomic_store_n(&data->poison, p, __ATOMIC_RELEASE);
    lock_release(&guard);
    poison_release(old);
}

bool rt_devices_lost(const char *sentence)
{
    rt_poison *const p = poison_new(sentence);
    lock_acquire(&guard);
    const bool first = !loss;
    if (first)
        __atomic_store_n(&loss, p, __ATOMIC_RELEASE);
    lock_release(&guard);
    if (!first)
        poison_release(p);
    return first;
}

bool rt_devices_are_lost(void)
{
    return __atomic_load_n(&loss, __ATOMIC_ACQUIRE);
}

void rt_devices_anew(void)
{
    rt_poison *const p = loss;
    lock_acquire(&guard);
    __atomic_store_n(&loss, NULL, __ATOMIC_RELEASE);
    lock_release(&guard);
    poison_release(p);
}

void rt_data_is_home(rt_data *data)
{
    if (!atomic_load(&data->abroad))
        return;
    lock_acquire(&guard);
    if (is_lost(data) && !data->poison) {
        poison_retain(loss);
        __atomic_store_n(&data->poison, loss, __ATOMIC_RELEASE);
    }
    atomic_store(&data->abroad, false);
    lock_release(&guard);
}

void rt_task_lost(rt_task *task)
{
    if (!task->failure) {
        task->failure = loss;
        poison_retain(loss);
    }
}

da_status poison_error(const rt_poison *p)
{
    return err_set(DA_ERROR_TASK, "%s", p->sentence);
}

da_status rt_task_fail(const da_call *call, const char *format, va_list args)
{
    char sentence[1024];
    rt_task *task = call ? call->task_ : NULL;
    int n;
    if (!task || task != running)
        return err_set(DA_ERROR_ARGUMENT, "da_task_fail: call is not that of the running task");
    n = snprintf(sentence, sizeof sentence / 2, "task %s failed: ", task->codelet->name);
    if (n >= (int)sizeof sentence / 2)
        n = (int)sizeof sentence / 2 - 1;
    vsnprintf(sentence + n, sizeof sentence - (size_t)n, format, args);
    if (!task->failure)
        task->failure = poison_new(sentence);
    return err_set(DA_ERROR_TASK, "%s", sentence);
}

/* ---- time in kernels: ticks of a cheap clock, in a slot a thread, made seconds by comparison with a real one ---- */

enum { SLOTS = 64 };
static struct {
    _Alignas(64) _Atomic(uint64_t) ticks;
} slots[SLOTS];
static _Atomic(int) next_slot;
static _Thread_local int my_slot = -1;
static uint64_t ticks_start, ns_start;

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return nanoseconds();
#endif
}

void busy_reset(void)
{
    for (int i = 0; i < SLOTS; i++)
        atomic_store_explicit(&slots[i].ticks, 0, memory_order_relaxed);
    ticks_start = ticks();
    ns_start = nanoseconds();
}

double busy_seconds(void)
{
    const uint64_t elapsed = ticks() - ticks_start, ns = nanoseconds() - ns_start;
    uint64_t sum = 0;
    for (int i = 0; i < SLOTS; i++)
        sum += atomic_load_explicit(&slots[i].ticks, memory_order_relaxed);
    return elapsed ? (double)sum / (double)elapsed * (double)ns * 1e-9 : 0;
}

__attribute__((constructor)) static void start(void)
{
    busy_reset();
    atomic_init(&no_memory->refs, 1);
    memcpy(no_memory->sentence, no_memory_sentence, sizeof no_memory_sentence);
}

/* ---- one task ---- */

static void log_done(const rt_task *task)
{
    char text[128];

    if (task->flags & RT_INLINE)
        log_line(2, "task %s (number %lld) done by the caller", task->codelet->name,
                 (long long)task->sequence);
    else
        log_line(2, "task %s (number %lld) %s by %s", task->codelet->name, (long long)task->sequence,
                 task->on_device ? "begun" : "done", runtime_place(text, sizeof text));
}

static da_status run_on_cpu(const da_call *call, void *task)
{
    return ((const rt_task *)task)->codelet->cpu(call);
}

void rt_task_run(rt_task *task)
{
    rt_task_run_as(task, &task->call, run_on_cpu, task);
}

void rt_task_run_as(rt_task *task, const da_call *call, da_status (*run)(const da_call *call, void *ctx),
                    void *ctx)
{
    rt_task *const outer = running;
    bool ran;

    for (int i = 0; i < task->naccesses && !task->failure; i++)
        if (task->accesses[i].mode & DA_MODE_READ)
            task->failure = poison_of(task->accesses[i].data);
    ran = !task->failure;
    if (ran) {
        da_status status;
        const bool recorded = run == run_on_cpu && atomic_load_explicit(&record_on, memory_order_relaxed);
        const double cpu_begin = recorded ? record_clock() : 0;
        const uint64_t ns_begin = recorded ? nanoseconds() : 0;
        const uint64_t begin = ticks();
        const da_place place = rt_place_swap(task->where); /* what it says of its own tasks ends with it */
        bool skipped;
        running = task;
        if (!(task->flags & RT_INLINE)) /* a worker's: what is there afterwards is this kernel's */
            err_clear();
        skipped = recorded && record_skips(task);
        status = skipped ? DA_OK : run(call, ctx);
        running = outer;
        (void)rt_place_swap(place);
        if (my_slot < 0)
            my_slot = atomic_fetch_add(&next_slot, 1) % SLOTS;
        atomic_fetch_add_explicit(&slots[my_slot].ticks, ticks() - begin, memory_order_relaxed);
        if (recorded && record_is_sampled())
            task->info = 0; /* it works on garbage */
        if (recorded && !skipped)
            record_ran(task, cpu_begin, 1e-9 * (double)(nanoseconds() - ns_begin));
        if (status != DA_OK && !task->failure) {
            char sentence[1024];
            snprintf(sentence, sizeof sentence, "task %s failed: %s%s%s", task->codelet->name,
                     da_status_text(status), *da_error() ? ": " : "", da_error());
            task->failure = poison_new(sentence);
        }
        if (task->info > 0 && task->fault)
            rt_fault_report(task->fault, task->fault_offset + task->info);
    }
    if (task->failure && log_enabled(1))
        log_line(1, "task %s: %s", task->codelet->name, task->failure->sentence);
    if (ran && log_enabled(2))
        log_done(task);
    for (int i = 0; i < task->naccesses; i++) {
        const rt_access *a = &task->accesses[i];
        if (!(a->mode & DA_MODE_WRITE))
            continue;
        if (task->failure) {
            poison_retain(task->failure);
            poison_set(a->data, task->failure);
        } else if (a->mode == DA_MODE_WRITE) {
            if (atomic_load_explicit(&a->data->abroad,
                                     memory_order_relaxed)) /* of a device's: it says so itself */
                atomic_store(&a->data->abroad, false);
            if (a->data->poison)
                poison_set(a->data, NULL);
        }
    }
}

void execute_fork_lock(void)
{
    lock_acquire(&guard);
}

void execute_fork_unlock(void)
{
    lock_release(&guard);
}
