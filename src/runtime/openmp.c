/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The OpenMP runtime. Dependencies are counted here: every datum has a queue of accesses in commit order, the records of which lie
 * within the tasks, so nothing is allocated. The accesses that may go ahead are at its front: one that excludes others, or
 * readers. A task whose accesses all may go ahead is ready. Commits append under the commit lock, hence in one order over all
 * data; completions need the locks of single data only.
 *
 * Ready tasks wait in a first-in-first-out list (priority 0) and a heap (others). The workers are the team of one parallel region, which
 * a thread of the library's own opens, so that its size and place have nothing to do with the user's regions and threads. A worker
 * takes ready tasks, looks for more for a short while, then sleeps. A task that makes another one ready hands its worker over.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "runtime/backend.h"
#include "runtime/topology.h"
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_WORKERS = 4096,
    PUSH_AT_ONCE = 32, /* ready tasks gathered by a commit before the workers see them */
};
#define SPIN_SECONDS 30e-6 /* looking for work before sleeping */
#define EXIT_SECONDS 5.0   /* waiting for kernels at exit */

/* ---- queues of data ---- */

/* Host access: a place in a queue without a task. */
typedef struct hold {
    rt_access access; /* first member; task is null */
    rt_ticket *ticket;
} hold;

/* Tasks that became ready, linked by `next`. */
typedef struct ready_list {
    rt_task *first, *last;
    int count;
} ready_list;

static void ready_add(ready_list *r, rt_task *t)
{
    t->next = NULL;
    *(r->last ? &r->last->next : &r->first) = t;
    r->last = t;
    r->count++;
}

/* The next five: the datum is locked. */
static void append(rt_access *a)
{
    rt_data *d = a->data;
    a->next = NULL;
    a->prev = d->tail;
    *(d->tail ? &d->tail->next : &d->head) = a;
    d->tail = a;
}

static void remove_access(rt_access *a)
{
    rt_data *d = a->data;
    *(a->prev ? &a->prev->next : &d->head) = a->next;
    *(a->next ? &a->next->prev : &d->tail) = a->prev;
}

/* True if an access may go ahead when it is appended. */
static bool may_join(const rt_access *a)
{
    const rt_access *tail = a->data->tail;
    return !tail || (tail->granted && !tail->exclusive && !a->exclusive);
}

static void grant(rt_access *a, ready_list *ready)
{
    a->granted = true;
    if (!a->task)
        rt_granted(((hold *)a)->ticket);
    else if (atomic_fetch_sub_explicit(&a->task->waiting_for, 1, memory_order_acq_rel) == 1)
        ready_add(ready, a->task);
}

/* After a removal: whoever is in front now may go ahead. */
static void advance(rt_data *d, ready_list *ready)
{
    rt_access *a = d->head;
    if (!a || a->granted)
        return;
    grant(a, ready);
    if (!a->exclusive)
        for (a = a->next; a && !a->exclusive && !a->granted; a = a->next)
            grant(a, ready);
}

static void complete(rt_task *t, ready_list *ready)
{
    for (int i = 0; i < t->naccesses; i++) {
        rt_data *d = t->accesses[i].data;
        lock_acquire(&d->lock);
        remove_access(&t->accesses[i]);
        advance(d, ready);
        lock_release(&d->lock);
    }
}

/* ---- ready tasks ---- */

typedef struct worker {
    _Alignas(128) _Atomic(int) awake; /* set to 1 by who wakes it */
    _Atomic(int) cpu;
    _Atomic(bool) looking; /* for work */
    _Atomic(bool) busy;    /* in a kernel */
} worker;

static worker workers[MAX_WORKERS];
static _Atomic(int) team; /* workers that there are */
static _Thread_local worker *self;

static struct {
    _Alignas(128) lock_word lock; /* guards all but the atomic ones */
    rt_task *first, *last;        /* priority 0 */
    rt_task *heap;                /* others; a pairing heap */
    int idle[MAX_WORKERS];        /* sleeping workers */
    int nidle;
    _Alignas(128) _Atomic(int) nready;
    _Atomic(int) top; /* highest priority that is ready; INT_MIN if there is none */
    _Atomic(int) spinning;
    _Atomic(bool) stop;
} queue;

static bool before(const rt_task *a, const rt_task *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence;
}

static rt_task *meld(rt_task *a, rt_task *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (before(b, a)) {
        rt_task *c = a;
        a = b;
        b = c;
    }
    b->next = a->child;
    a->child = b;
    return a;
}

static rt_task *heap_pop(void)
{
    rt_task *top = queue.heap, *list = top->child, *pairs = NULL, *heap = NULL;
    while (list) {
        rt_task *a = list, *b = a->next;
        list = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        rt_task *a = pairs;
        pairs = a->next;
        a->next = NULL;
        heap = meld(heap, a);
    }
    queue.heap = heap;
    top->child = NULL;
    return top;
}

/* The next three: the queue is locked. */
static void set_top(void)
{
    int top = queue.first ? 0 : INT_MIN;
    if (queue.heap && (!queue.first || queue.heap->priority > 0))
        top = queue.heap->priority;
    atomic_store_explicit(&queue.top, top, memory_order_relaxed);
}

static rt_task *pop(void)
{
    rt_task *t;
    if (queue.heap && (queue.heap->priority > 0 || !queue.first)) {
        t = heap_pop();
    } else {
        t = queue.first;
        if (!t)
            return NULL;
        queue.first = t->next;
        if (!queue.first)
            queue.last = NULL;
    }
    t->next = NULL;
    set_top();
    atomic_fetch_sub_explicit(&queue.nready, 1, memory_order_relaxed);
    return t;
}

/* 1 if a worker is looking for work on that core: it will find none while the user's thread there goes on. */
static int starved(int cpu)
{
    const int n = atomic_load_explicit(&team, memory_order_relaxed);
    for (int i = 0; i < n; i++)
        if (atomic_load_explicit(&workers[i].cpu, memory_order_relaxed) == cpu)
            return atomic_load_explicit(&workers[i].looking, memory_order_relaxed);
    return 0;
}

/* A sleeping worker to be woken if more is ready than workers are looking: not one whose core is `cpu`, if there is another. It counts
 * as looking from now on. */
static worker *choose(int cpu)
{
    int i;
    if (queue.nidle == 0 ||
        atomic_load_explicit(&queue.nready, memory_order_relaxed) <=
            atomic_load_explicit(&queue.spinning, memory_order_relaxed) - (cpu >= 0 ? starved(cpu) : 0))
        return NULL;
    i = queue.nidle - 1;
    if (queue.nidle > 1 && atomic_load_explicit(&workers[queue.idle[i]].cpu, memory_order_relaxed) == cpu)
        i--;
    {
        worker *w = &workers[queue.idle[i]];
        queue.idle[i] = queue.idle[--queue.nidle];
        atomic_fetch_add_explicit(&queue.spinning, 1, memory_order_relaxed);
        return w;
    }
}

static void rouse(worker *w)
{
    if (w) {
        atomic_store(&w->awake, 1);
        futex_wake(&w->awake, 1);
    }
}

static void push(ready_list *ready)
{
    worker *a, *b;
    int cpu = -1;
    if (!ready->first)
        return;
    lock_acquire(&queue.lock);
    if (!self && queue.nidle > 0)
        cpu = sched_getcpu();
    for (rt_task *t = ready->first, *next; t; t = next) {
        next = t->next;
        t->next = NULL;
        if (t->priority != 0) {
            queue.heap = meld(queue.heap, t);
        } else {
            *(queue.last ? &queue.last->next : &queue.first) = t;
            queue.last = t;
        }
    }
    set_top();
    atomic_fetch_add_explicit(&queue.nready, ready->count, memory_order_relaxed);
    a = choose(cpu);
    b = a ? choose(cpu) : NULL; /* further ones are woken by these */
    lock_release(&queue.lock);
    rouse(a);
    rouse(b);
    ready->first = ready->last = NULL;
    ready->count = 0;
}

/* ---- workers ---- */

/* The next ready task, or null when the team stops. */
static rt_task *get(worker *w)
{
    bool spinning = false; /* counted in queue.spinning */
    int rounds = 0;
    double since = 0;

    for (;;) {
        bool stop = atomic_load_explicit(&queue.stop, memory_order_relaxed);
        bool give_up = false;
        if (spinning && ++rounds > 64) {
            if (rounds % 8 == 0) {
                const double t = now();
                if (since == 0)
                    since = t;
                give_up = t - since > SPIN_SECONDS;
            }
            if (!give_up)
                sched_yield();
        }
        if (stop || give_up || atomic_load_explicit(&queue.nready, memory_order_relaxed) > 0) {
            rt_task *t;
            worker *other = NULL;
            lock_acquire(&queue.lock);
            stop = atomic_load_explicit(&queue.stop, memory_order_relaxed); /* who sets it wakes once */
            t = stop ? NULL : pop();
            if (t || stop || give_up) {
                if (spinning)
                    atomic_fetch_sub_explicit(&queue.spinning, 1, memory_order_relaxed);
                atomic_store_explicit(&w->looking, false, memory_order_relaxed);
                if (t)
                    other = choose(-1);
                else if (!stop) {
                    atomic_store_explicit(&w->awake, 0, memory_order_relaxed);
                    queue.idle[queue.nidle++] = (int)(w - workers);
                }
                lock_release(&queue.lock);
                rouse(other);
                if (t || stop)
                    return t;
                while (atomic_load(&w->awake) == 0)
                    futex_wait(&w->awake, 0);
                atomic_store_explicit(&w->looking, true, memory_order_relaxed);
                spinning = true;
                rounds = 0;
                since = 0;
                continue;
            }
            lock_release(&queue.lock);
        }
        if (!spinning) {
            atomic_fetch_add_explicit(&queue.spinning, 1, memory_order_relaxed);
            atomic_store_explicit(&w->looking, true, memory_order_relaxed);
            spinning = true;
        }
        cpu_relax();
    }
}

static void work(worker *w)
{
    rt_task *t = NULL;
    while (t || (t = get(w))) {
        ready_list ready = {NULL, NULL, 0};
        rt_task *next = NULL;
        atomic_store(&w->busy, true);
        if (!atomic_load(&queue.stop)) /* else the process exits */
            rt_task_run(t);
        atomic_store(&w->busy, false);
        complete(t, &ready);
        rt_task_finish(t);
        /* a task that this one made ready finds its data in this core's caches */
        if (ready.first && ready.first->priority >= atomic_load_explicit(&queue.top, memory_order_relaxed)) {
            next = ready.first;
            ready.first = next->next;
            if (!ready.first)
                ready.last = NULL;
            ready.count--;
            next->next = NULL;
        }
        push(&ready);
        t = next;
    }
}

/* ---- the team ---- */

static pthread_t thread;
static int wanted;
static _Atomic(int) started; /* workers that are there; -1 if there is no thread */

static void *open_region(void *unused)
{
    (void)unused;
    omp_set_dynamic(0);
#pragma omp parallel num_threads(wanted)
    {
        const int i = omp_get_thread_num();
        char name[16];
        worker *w = &workers[i];
        topology_bind(i, omp_get_num_threads());
        snprintf(name, sizeof name, "darray-%d", i);
        pthread_setname_np(pthread_self(), name);
        atomic_store(&w->cpu, sched_getcpu());
        self = w;
        atomic_store(&team, omp_get_num_threads());
        atomic_fetch_add(&started, 1);
        futex_wake(&started, INT_MAX);
        work(w);
        self = NULL;
    }
    return NULL;
}

static da_status start(int *nworkers, bool asked)
{
    sigset_t all, before_;
    int failed, n;

    (void)asked;
    wanted = *nworkers < 1 ? 1 : *nworkers > MAX_WORKERS ? MAX_WORKERS : *nworkers;
    atomic_store(&started, 0);
    atomic_store(&team, 0);
    atomic_store(&queue.stop, false);
    atomic_store(&queue.spinning, 0);
    queue.nidle = 0;
    /* the user's signal handlers run in the user's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
    failed = pthread_create(&thread, NULL, open_region, NULL);
    pthread_sigmask(SIG_SETMASK, &before_, NULL);
    if (failed)
        return err_set(DA_ERROR_RUNTIME, "the OpenMP runtime's thread could not be created: %s",
                       strerror(failed));
    while ((n = atomic_load(&started)) == 0 || n != atomic_load(&team))
        futex_wait(&started, n);
    if (n != wanted)
        log_line(1, "OpenMP gave %d threads instead of %d", n, wanted);
    *nworkers = n;
    return DA_OK;
}

static void stop(void)
{
    lock_acquire(&queue.lock);
    atomic_store(&queue.stop, true);
    lock_release(&queue.lock);
    for (int i = 0; i < atomic_load(&team); i++)
        rouse(&workers[i]);
    pthread_join(thread, NULL);
}

static const char *place(char *text, size_t size)
{
    snprintf(text, size, "worker %d", (int)(self - workers));
    return text;
}

static void at_exit(void)
{
    const double begin = now();
    const int n = atomic_load(&team);
    atomic_store(&queue.stop, true);
    for (int i = 0; i < n; i++)
        while (&workers[i] != self && atomic_load(&workers[i].busy) && now() - begin < EXIT_SECONDS) {
            const struct timespec pause = {0, 200000};
            nanosleep(&pause, NULL);
        }
}

/* ---- the interface ---- */

static void submit(rt_task *first)
{
    ready_list ready = {NULL, NULL, 0};
    for (rt_task *t = first, *next; t; t = next) {
        int granted = 1;
        next = t->next;
        atomic_store_explicit(&t->waiting_for, t->naccesses + 1, memory_order_relaxed);
        for (int i = 0; i < t->naccesses; i++) {
            rt_access *a = &t->accesses[i];
            lock_acquire(&a->data->lock);
            a->granted = may_join(a);
            granted += a->granted;
            append(a);
            lock_release(&a->data->lock);
        }
        if (atomic_fetch_sub_explicit(&t->waiting_for, granted, memory_order_acq_rel) == granted)
            ready_add(&ready, t);
        if (ready.count >= PUSH_AT_ONCE)
            push(&ready);
    }
    push(&ready);
}

/* The tasks of an inline batch run one after the other, so they do not exclude each other: all accesses are granted at once, and
 * once one of them excludes others, those behind it in the datum's queue do too. */
static bool take_one(rt_access *a, const rt_task *first)
{
    rt_data *d = a->data;
    bool mine, ok = true;
    lock_acquire(&d->lock);
    mine = d->tail && d->tail->task && d->tail->task->backend == (const void *)first;
    if (mine && d->tail->exclusive) {
        a->exclusive = true;
    } else if (!may_join(a)) {
        ok = mine && d->tail->granted;
        for (const rt_access *b = d->head; b && ok; b = b->next)
            ok = b->task && b->task->backend == (const void *)first;
    }
    if (ok) {
        a->granted = true;
        append(a);
    }
    lock_release(&d->lock);
    return ok;
}

static bool take(rt_task *first)
{
    for (rt_task *t = first; t; t = t->next) {
        t->backend = first;
        for (int i = 0; i < t->naccesses; i++) {
            if (take_one(&t->accesses[i], first))
                continue;
            /* give the places back: nobody came behind them, commits are locked out */
            for (rt_task *u = first;; u = u->next) {
                const int n = u == t ? i : u->naccesses;
                u->backend = NULL;
                for (int j = 0; j < n; j++) {
                    rt_access *a = &u->accesses[j];
                    lock_acquire(&a->data->lock);
                    remove_access(a);
                    lock_release(&a->data->lock);
                    a->granted = false;
                    a->exclusive = a->mode != DA_MODE_READ;
                }
                if (u == t)
                    return false;
            }
        }
    }
    return true;
}

static void drop(rt_task *first)
{
    ready_list ready = {NULL, NULL, 0};
    for (rt_task *t = first; t; t = t->next)
        complete(t, &ready);
    push(&ready);
}

static da_status acquire(int n, rt_data *const *data, da_mode mode, rt_ticket *ticket)
{
    rt_access *list = NULL; /* linked by next */
    for (int i = 0; i < n; i++) {
        hold *h = mem_zalloc(sizeof *h);
        if (!h) {
            while (list) {
                rt_access *next = list->next;
                mem_free(list);
                list = next;
            }
            return err_memory(sizeof *h, "host access");
        }
        h->access.mode = (unsigned char)mode;
        h->access.exclusive = mode != DA_MODE_READ;
        h->ticket = ticket;
        h->access.next = list;
        list = &h->access;
    }
    for (int i = 0; i < n; i++) {
        rt_access *a = list;
        bool granted;
        list = a->next;
        a->data = data[i];
        lock_acquire(&a->data->lock);
        granted = a->granted = may_join(a);
        append(a);
        lock_release(&a->data->lock);
        if (granted)
            rt_granted(ticket);
    }
    return DA_OK;
}

static void release(rt_data *data, da_mode mode)
{
    ready_list ready = {NULL, NULL, 0};
    rt_access *a;
    lock_acquire(&data->lock);
    for (a = data->head; a && (a->task || !a->granted || a->mode != mode); a = a->next)
        ;
    if (a) {
        remove_access(a);
        advance(data, &ready);
    }
    lock_release(&data->lock);
    mem_free(a);
    push(&ready);
}

const rt_backend rt_openmp = {
    .name = "openmp",
    .start = start,
    .stop = stop,
    .submit = submit,
    .take = take,
    .drop = drop,
    .acquire = acquire,
    .release = release,
    .place = place,
    .at_exit = at_exit,
};
