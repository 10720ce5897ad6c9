/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/replay.h"

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

da_status replay(const record *r, const double *seconds, double overhead, int workers, replay_result *out)
{
    graph g = {.r = r, .seconds = seconds, .overhead = overhead};
    schedule s = {.g = &g, .idle = workers < 1 ? 1 : workers};
    da_status status = graph_make(&g);

    memset(out, 0, sizeof *out);
    out->tasks = r->ntasks;
    s.ready.at = mem_alloc(((size_t)r->ntasks + 1) * sizeof *s.ready.at);
    s.running.at = mem_alloc(((size_t)r->ntasks + 1) * sizeof *s.running.at);
    if (status == DA_OK && (!s.ready.at || !s.running.at))
        status = err_memory((size_t)r->ntasks * sizeof *s.ready.at, "a schedule");
    if (status == DA_OK)
        status = find_path(&g, out);
    if (status == DA_OK) {
        for (int64_t i = 0; i < r->ntasks; i++)
            g.missing[i]++; /* and for its commit */
        run(&s);
        out->seconds = s.now;
    }
    mem_free(s.ready.at);
    mem_free(s.running.at);
    graph_free(&g);
    return status;
}
