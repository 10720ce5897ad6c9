/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/replay.h"

#include <math.h>
#include <string.h>

/* ---- the graph ---- */

typedef struct graph {
    const record *r;
    const double *seconds;
    double overhead;
    int64_t *offset, *next; /* the tasks that wait for task i: next[offset[i] .. offset[i + 1]) */
    int *missing;           /* of how many tasks task i waits for the end */
} graph;

/* Data in commit order: who wrote it last, and who has read it since. */
typedef struct readers {
    int64_t task, before; /* index of another one in the list, or -1 */
} readers;

typedef struct edges {
    graph *g;
    bool counting; /* else filling in */
    int64_t n;
} edges;

static void edge(edges *e, int64_t from, int64_t to)
{
    graph *const g = e->g;

    if (e->counting) {
        g->offset[from + 1]++;
        g->missing[to]++;
        e->n++;
    } else {
        g->next[g->offset[from]++] = to;
    }
}

/* Once to count and once to fill in. `writer` and `head` have an entry a datum, `list` one an access. */
static void find_edges(edges *e, int64_t *writer, int64_t *head, readers *list)
{
    const record *const r = e->g->r;

    for (int64_t d = 0; d < r->ndata; d++)
        writer[d] = head[d] = -1;
    for (int64_t i = 0; i < r->ntasks; i++)
        for (int64_t k = r->tasks[i].access; k < r->tasks[i].access + r->tasks[i].naccesses; k++) {
            const int64_t d = r->accesses[k].datum;

            if (r->accesses[k].mode == DA_MODE_READ) {
                if (writer[d] >= 0)
                    edge(e, writer[d], i);
                list[k] = (readers){i, head[d]};
                head[d] = k;
                continue;
            }
            if (head[d] < 0 && writer[d] >= 0)
                edge(e, writer[d], i);
            for (int64_t j = head[d]; j >= 0; j = list[j].before)
                edge(e, list[j].task, i);
            writer[d] = i;
            head[d] = -1;
        }
}

static void graph_free(graph *g)
{
    mem_free(g->offset);
    mem_free(g->next);
    mem_free(g->missing);
}

static da_status graph_make(graph *g)
{
    const record *const r = g->r;
    const size_t data = (size_t)r->ndata + 1, tasks = (size_t)r->ntasks + 1;
    int64_t *const writer = mem_alloc(data * sizeof *writer), *const head = mem_alloc(data * sizeof *head);
    readers *const list = mem_alloc(((size_t)r->naccesses + 1) * sizeof *list);
    edges e = {.g = g, .counting = true};
    bool ok;

    g->offset = mem_zalloc(tasks * sizeof *g->offset);
    g->missing = mem_zalloc(tasks * sizeof *g->missing);
    ok = writer && head && list && g->offset && g->missing;
    if (ok) {
        find_edges(&e, writer, head, list);
        for (int64_t i = 0; i < r->ntasks; i++)
            g->offset[i + 1] += g->offset[i];
        g->next = mem_alloc(((size_t)e.n + 1) * sizeof *g->next);
        ok = g->next != NULL;
    }
    if (ok) {
        e.counting = false;
        find_edges(&e, writer, head, list);
        for (int64_t i = r->ntasks; i > 0; i--) /* filling in moved each to the next one's place */
            g->offset[i] = g->offset[i - 1];
        g->offset[0] = 0;
    }
    mem_free(writer);
    mem_free(head);
    mem_free(list);
    return ok ? DA_OK : err_memory(tasks * sizeof *g->next, "the graph of recorded tasks");
}

static double time_of(const graph *g, int64_t i)
{
    return g->seconds[i] + g->overhead;
}

/* ---- the critical path ---- */

static replay_kernel *kernel_of(replay_result *out, const char *name)
{
    for (int k = 0; k < out->nkernels; k++)
        if (strcmp(out->kernels[k].name, name) == 0)
            return &out->kernels[k];
    if (out->nkernels == REPLAY_KERNELS)
        return &out->kernels[REPLAY_KERNELS - 1];
    out->kernels[out->nkernels].name = name;
    return &out->kernels[out->nkernels++];
}

static da_status find_path(const graph *g, replay_result *out)
{
    const record *const r = g->r;
    double *const end = mem_zalloc(((size_t)r->ntasks + 1) * sizeof *end); /* of the longest chain to it */
    int64_t *const from = mem_alloc(((size_t)r->ntasks + 1) * sizeof *from), last = -1;

    if (!end || !from) {
        mem_free(end);
        mem_free(from);
        return err_memory((size_t)r->ntasks * sizeof *end, "a critical path");
    }
    for (int64_t i = 0; i < r->ntasks; i++)
        from[i] = -1;
    for (int64_t i = 0; i < r->ntasks; i++) { /* they wait only for earlier ones */
        replay_kernel *const k = kernel_of(out, r->tasks[i].name);

        k->tasks++;
        k->seconds += g->seconds[i];
        out->work += g->seconds[i];
        end[i] += time_of(g, i);
        if (last < 0 || end[i] > end[last])
            last = i;
        for (int64_t e = g->offset[i]; e < g->offset[i + 1]; e++)
            if (end[i] > end[g->next[e]]) {
                end[g->next[e]] = end[i];
                from[g->next[e]] = i;
            }
    }
    out->path = last >= 0 ? end[last] : 0;
    for (; last >= 0; last = from[last]) {
        replay_kernel *const k = kernel_of(out, r->tasks[last].name);

        k->path_tasks++;
        k->path_seconds += g->seconds[last];
        out->path_tasks++;
    }
    mem_free(end);
    mem_free(from);
    return DA_OK;
}

/* ---- list scheduling ---- */

/* A heap of tasks or of events: the first one is on top. */
typedef struct entry {
    double key;
    int64_t order, what;
} entry;

typedef struct heap {
    entry *at;
    int64_t n;
} heap;

static bool before(const entry *a, const entry *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void heap_push(heap *h, entry e)
{
    int64_t i = h->n++;

    for (; i > 0 && before(&e, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = e;
}

static entry heap_pop(heap *h)
{
    const entry top = h->at[0], e = h->at[--h->n];
    int64_t i = 0;

    for (int64_t child = 1; child < h->n; child = 2 * i + 1) {
        if (child + 1 < h->n && before(&h->at[child + 1], &h->at[child]))
            child++;
        if (!before(&h->at[child], &e))
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = e;
    return top;
}

typedef struct schedule {
    const graph *g;
    heap ready;   /* by priority */
    heap running; /* by their ends */
    int64_t readied, idle;
    double now;
} schedule;

static void make_ready(schedule *s, int64_t i)
{
    const int priority = s->g->r->tasks[i].priority;

    heap_push(&s->ready, (entry){-(double)priority, priority == 0 ? s->readied++ : i, i});
}

static void begin(schedule *s, int64_t i)
{
    heap_push(&s->running, (entry){s->now + time_of(s->g, i), i, i});
    s->idle--;
}

/* The task ends, and its worker goes on with the first one that it made ready, if nothing is more urgent. */
static void finish(schedule *s, int64_t i)
{
    const graph *const g = s->g;
    int64_t mine = -1;

    s->idle++;
    for (int64_t e = g->offset[i]; e < g->offset[i + 1]; e++) {
        const int64_t j = g->next[e];
        const double key = -(double)g->r->tasks[j].priority;

        if (--g->missing[j] > 0)
            continue;
        if (mine < 0 && (s->ready.n == 0 || key <= s->ready.at[0].key))
            mine = j;
        else
            make_ready(s, j);
    }
    if (mine >= 0)
        begin(s, mine);
}

/* Events are the ends of tasks, and commits: for each batch its first task waits for it, the others are committed with it. */
static void run(schedule *s)
{
    const graph *const g = s->g;
    const int64_t n = g->r->ntasks;
    int64_t committed = 0;

    while (committed < n || s->running.n > 0 || s->ready.n > 0) {
        while (s->idle > 0 && s->ready.n > 0)
            begin(s, heap_pop(&s->ready).what);
        const double commit = committed < n ? g->r->tasks[committed].committed : -1;
        if (committed < n && (s->running.n == 0 || commit <= s->running.at[0].key)) {
            s->now = commit > s->now ? commit : s->now;
            for (; committed < n && g->r->tasks[committed].committed <= commit; committed++)
                if (--g->missing[committed] == 0)
                    make_ready(s, committed);
        } else if (s->running.n > 0) {
            const entry e = heap_pop(&s->running);
            s->now = e.key;
            finish(s, e.what);
        }
    }
}

/* `simulate`, if not null, instead of run(). */
static da_status replay_graph(graph *g, int workers, da_status (*simulate)(schedule *s, void *ctx), void *ctx,
                              replay_result *out)
{
    const record *const r = g->r;
    schedule s = {.g = g, .idle = workers < 1 ? 1 : workers};
    da_status status = graph_make(g);

    memset(out, 0, sizeof *out);
    out->tasks = r->ntasks;
    s.ready.at = mem_alloc(((size_t)r->ntasks + 1) * sizeof *s.ready.at);
    s.running.at = mem_alloc(((size_t)r->ntasks + 1) * sizeof *s.running.at);
    if (status == DA_OK && (!s.ready.at || !s.running.at))
        status = err_memory((size_t)r->ntasks * sizeof *s.ready.at, "a schedule");
    if (status == DA_OK)
        status = find_path(g, out);
    if (status == DA_OK) {
        for (int64_t i = 0; i < r->ntasks; i++)
            g->missing[i]++; /* and for its commit */
        if (simulate)
            status = simulate(&s, ctx);
        else
            run(&s);
        out->seconds = s.now;
    }
    mem_free(s.ready.at);
    mem_free(s.running.at);
    graph_free(g);
    return status;
}

da_status replay(const record *r, const double *seconds, double overhead, int workers, replay_result *out)
{
    graph g = {.r = r, .seconds = seconds, .overhead = overhead};

    return replay_graph(&g, workers, NULL, NULL, out);
}

/* ---- with devices ---- */

enum { HOST = 0 }; /* the memory of that number; device d, from 0 on, has memory d + 1 */

typedef struct devices {
    const replay_machine *machine;
    const double (*seconds)[DA_DEVICE_KINDS];
    int workers, total;
    double *idle_from; /* when each worker of the CPU, then each device, is done with what it was given */
    bool *valid;       /* for each datum: in which memories its value is */
} devices;

static da_device_kind kind_of_worker(const devices *d, int worker)
{
    int first = d->workers;

    for (int k = DA_DEVICE_CPU + 1; k < DA_DEVICE_KINDS; k++) {
        if (worker >= first && worker < first + d->machine->devices[k])
            return (da_device_kind)k;
        first += d->machine->devices[k];
    }
    return DA_DEVICE_CPU;
}

static bool *valid_in(const devices *d, int64_t datum, int memory)
{
    return &d->valid[datum * (d->total - d->workers + 1) + memory];
}

/* What must be brought to a memory before a task can run there. */
static double transfers(const devices *d, const record *r, const record_task *t, int memory)
{
    double seconds = 0;

    for (int64_t k = t->access; k < t->access + t->naccesses; k++) {
        const record_access *const a = &r->accesses[k];
        if (a->mode & DA_MODE_READ && !*valid_in(d, a->datum, memory)) {
            const bool home = memory == HOST || *valid_in(d, a->datum, HOST);
            seconds +=
                (home ? 1 : 2) * (d->machine->latency + d->machine->bytes[a->datum] / d->machine->bandwidth);
        }
    }
    return seconds;
}

/* Gives the task to the worker that will have done it first; its end becomes an event. */
static void place(schedule *s, const devices *d, int64_t i)
{
    const graph *const g = s->g;
    const record_task *const t = &g->r->tasks[i];
    double best_end = INFINITY;
    int best = 0;

    for (int w = 0; w < d->total; w++) {
        const double took = d->seconds[i][kind_of_worker(d, w)];
        if (took <= 0)
            continue;
        const double there = s->now + transfers(d, g->r, t, w < d->workers ? HOST : w - d->workers + 1);
        const double end = (there > d->idle_from[w] ? there : d->idle_from[w]) + took + g->overhead;
        if (end < best_end) {
            best_end = end;
            best = w;
        }
    }
    const int memory = best < d->workers ? HOST : best - d->workers + 1;
    for (int64_t k = t->access; k < t->access + t->naccesses; k++) {
        const record_access *const a = &g->r->accesses[k];
        for (int other = 0; other <= d->total - d->workers && a->mode & DA_MODE_WRITE; other++)
            *valid_in(d, a->datum, other) = false;
        *valid_in(d, a->datum, memory) = true;
    }
    d->idle_from[best] = best_end;
    heap_push(&s->running, (entry){best_end, i, i});
}

static void run_with_devices(schedule *s, const devices *d)
{
    const graph *const g = s->g;
    const int64_t n = g->r->ntasks;
    int64_t committed = 0;

    while (committed < n || s->running.n > 0) {
        const double commit = committed < n ? g->r->tasks[committed].committed : INFINITY;
        const double end = s->running.n > 0 ? s->running.at[0].key : INFINITY;

        s->now = fmax(s->now, fmin(commit, end));
        for (; committed < n && g->r->tasks[committed].committed <= s->now; committed++)
            if (--g->missing[committed] == 0)
                make_ready(s, committed);
        while (s->running.n > 0 && s->running.at[0].key <= s->now) {
            const int64_t i = heap_pop(&s->running).what;
            for (int64_t e = g->offset[i]; e < g->offset[i + 1]; e++)
                if (--g->missing[g->next[e]] == 0)
                    make_ready(s, g->next[e]);
        }
        while (s->ready.n > 0)
            place(s, d, heap_pop(&s->ready).what);
    }
}

static da_status simulate_devices(schedule *s, void *ctx)
{
    devices *const d = ctx;
    const size_t memories = (size_t)(d->total - d->workers + 1), data = (size_t)s->g->r->ndata;

    d->idle_from = mem_zalloc((size_t)d->total * sizeof *d->idle_from);
    d->valid = mem_zalloc((data + 1) * memories * sizeof *d->valid);
    if (d->idle_from && d->valid) {
        for (size_t i = 0; i < data; i++)
            d->valid[i * memories + HOST] = true;
        run_with_devices(s, d);
    }
    const bool there = d->idle_from && d->valid;
    mem_free(d->idle_from);
    mem_free(d->valid);
    return there ? DA_OK : err_memory(data * memories, "a schedule for devices");
}

da_status replay_on(const record *r, const double (*seconds)[DA_DEVICE_KINDS], double overhead,
                    const replay_machine *machine, replay_result *out)
{
    devices d = {
        .machine = machine, .seconds = seconds, .workers = machine->workers < 1 ? 1 : machine->workers};
    double *const best = mem_alloc(((size_t)r->ntasks + 1) * sizeof *best);
    graph g = {.r = r, .seconds = best, .overhead = overhead};
    da_status status;

    d.total = d.workers;
    for (int k = DA_DEVICE_CPU + 1; k < DA_DEVICE_KINDS; k++)
        d.total += machine->devices[k];
    if (!best)
        return err_memory((size_t)r->ntasks * sizeof *best, "the times of tasks");
    for (int64_t i = 0; i < r->ntasks; i++) {
        best[i] = seconds[i][DA_DEVICE_CPU];
        for (int k = DA_DEVICE_CPU + 1; k < DA_DEVICE_KINDS; k++)
            if (machine->devices[k] > 0 && seconds[i][k] > 0 && (best[i] <= 0 || seconds[i][k] < best[i]))
                best[i] = seconds[i][k];
    }
    status = replay_graph(&g, d.workers, d.total > d.workers ? simulate_devices : NULL, &d, out);
    mem_free(best);
    return status;
}
