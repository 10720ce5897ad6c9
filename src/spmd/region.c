/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions: ranks as threads, and their meetings (spmd.h). */
#include "spmd/spmd.h"
#include "runtime/runtime.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct da_rank {
    region *region;
    int id;
    pthread_t thread;
    const spmd_request *request; /* while in a meeting */
    bool cancelled;              /* a collective returned DA_ERROR_CANCELLED */
    da_status status;            /* what the function returned, with its sentence */
    char sentence[SPMD_SENTENCE];
    da_array *result;
};

struct region {
    int n;
    da_spmd_fn fn;
    void *ctx;
    da_rank *ranks;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* threads may begin, a meeting is complete or over, or a rank left */
    enum { WAIT, RUN, GIVE_UP } begin;
    /* Changed under the lock; looked at without it by those who have not gone to sleep yet. */
    _Atomic(int) arrived;      /* ranks in the meeting at hand */
    _Atomic(uint64_t) meeting; /* number of meetings that are over */
    _Atomic(int) left;         /* the first rank whose function returned, or -1 */
    da_status outcome;         /* of the latest meeting, with its sentence */
    char sentence[SPMD_SENTENCE];
};

int da_rank_id(const da_rank *rank)
{
    return rank ? rank->id : -1;
}

int da_rank_count(const da_rank *rank)
{
    return rank ? rank->region->n : 0;
}

/* ---- meetings ---- */

int spmd_count(const region *g)
{
    return g->n;
}

const spmd_request *spmd_request_of(const region *g, int rank)
{
    return g->ranks[rank].request;
}

/* Under the lock, with all ranks in the meeting. */
static void act(region *g)
{
    const spmd_collective *what = g->ranks[0].request->what;

    g->outcome = DA_OK;
    for (int r = 1; r < g->n && g->outcome == DA_OK; r++)
        if (g->ranks[r].request->what != what)
            g->outcome = err_set(DA_ERROR_ARGUMENT,
                                 "the ranks call different collectives: rank 0 calls %s, rank %d calls %s",
                                 what->name, r, g->ranks[r].request->what->name);
    if (g->outcome == DA_OK && what->act)
        g->outcome = what->act(g);
    if (g->outcome != DA_OK)
        snprintf(g->sentence, sizeof g->sentence, "%s", da_error());
    g->arrived = 0;
    g->meeting++;
    pthread_cond_broadcast(&g->changed);
}

/* True if a rank that waits in a meeting has something to do. */
static bool stirred(region *g, const da_rank *rank, uint64_t meeting)
{
    return g->meeting != meeting || g->left >= 0 || (rank->id == 0 && g->arrived == g->n);
}

da_status spmd_meet(da_rank *rank, const spmd_request *request)
{
    const char *name = request->what->name;
    region *g;
    uint64_t meeting;
    int turns = 50;
    da_status status;

    if (!rank)
        return err_set(DA_ERROR_ARGUMENT, "%s: the rank is null", name);
    status = rt_check_may_wait(name);
    if (status == DA_OK)
        status = rt_check_forked();
    if (status != DA_OK)
        return status;

    g = rank->region;
    pthread_mutex_lock(&g->lock);
    rank->request = request;
    meeting = g->meeting;
    if (++g->arrived == g->n && !request->what->anyone && rank->id != 0)
        pthread_cond_broadcast(&g->changed);
    while (g->meeting == meeting) {
        if (g->arrived == g->n && (rank->id == 0 || request->what->anyone)) {
            act(g);
        } else if (g->left >= 0) { /* someone will never come */
            const da_rank *gone = &g->ranks[g->left];
            g->arrived--;
            rank->cancelled = true;
            status = err_set(DA_ERROR_CANCELLED, "%s: given up by rank %d: rank %d of %d has %s%s", name,
                             rank->id, gone->id, g->n, gone->status == DA_OK ? "returned" : "failed: ",
                             gone->status == DA_OK ? "" : gone->sentence);
            pthread_mutex_unlock(&g->lock);
            return status;
        } else if (turns > 0) { /* the others are mostly near: let them run */
            pthread_mutex_unlock(&g->lock);
            while (--turns > 0 && !stirred(g, rank, meeting))
                sched_yield();
            pthread_mutex_lock(&g->lock);
        } else {
            pthread_cond_wait(&g->changed, &g->lock);
        }
    }
    status = g->outcome == DA_OK ? DA_OK : err_set(g->outcome, "%s", g->sentence);
    pthread_mutex_unlock(&g->lock);
    return status;
}

static const spmd_collective barrier = {.name = "da_barrier", .anyone = true};

da_status da_barrier(da_rank *rank)
{
    const spmd_request request = {.what = &barrier};
    return spmd_meet(rank, &request);
}

/* ---- ranks ---- */

static void *run_rank(void *argument)
{
    da_rank *rank = argument;
    region *g = rank->region;
    da_array *result = NULL;
    da_status status;
    bool give_up;

    pthread_mutex_lock(&g->lock);
    while (g->begin == WAIT)
        pthread_cond_wait(&g->changed, &g->lock);
    give_up = g->begin == GIVE_UP;
    pthread_mutex_unlock(&g->lock);
    if (give_up)
        return NULL;

    status = g->fn(rank, g->ctx, &result);
    if (status == DA_OK && result && da_array_ndim(result) < 0) {
        status = err_set(DA_ERROR_STALE, "the array that it hands back was released");
        result = NULL;
    }
    pthread_mutex_lock(&g->lock);
    rank->status = status;
    rank->result = result;
    if (status != DA_OK) {
        const char *sentence = da_error();
        snprintf(rank->sentence, sizeof rank->sentence, "%s", *sentence ? sentence : da_status_text(status));
    }
    if (g->left < 0)
        g->left = rank->id;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* The rank that the region's status comes from: the lowest one that failed by itself, else the lowest one that was cancelled, else
 * null. */
static const da_rank *failed_rank(const region *g)
{
    const da_rank *cancelled = NULL;

    for (int r = 0; r < g->n; r++) {
        const da_rank *rank = &g->ranks[r];
        if (rank->status == DA_OK)
            continue;
        if (!rank->cancelled && rank->status != DA_ERROR_CANCELLED)
            return rank;
        if (!cancelled)
            cancelled = rank;
    }
    return cancelled;
}

enum { MOST_RANKS = 65536 }; /* beyond what systems give a process in threads */

da_status da_spmd(int n, da_spmd_fn fn, void *ctx, da_array **results)
{
    region g = {.n = n, .fn = fn, .ctx = ctx, .left = -1};
    const da_rank *failed;
    int started = 0;
    da_status status;

    if (!fn)
        return err_set(DA_ERROR_ARGUMENT, "da_spmd: the function is null");
    if (n < 1 || n > MOST_RANKS)
        return err_set(DA_ERROR_ARGUMENT, "da_spmd: %d ranks; there may be 1 to %d", n, MOST_RANKS);
    status = rt_check_may_wait("da_spmd");
    if (status == DA_OK)
        status = rt_check_forked();
    if (status != DA_OK)
        return status;
    g.ranks = mem_zalloc((size_t)n * sizeof *g.ranks);
    if (!g.ranks)
        return err_memory((size_t)n * sizeof *g.ranks, "the ranks of a region");
    pthread_mutex_init(&g.lock, NULL);
    pthread_cond_init(&g.changed, NULL);

    for (; started < n; started++) {
        g.ranks[started].region = &g;
        g.ranks[started].id = started;
        if (pthread_create(&g.ranks[started].thread, NULL, run_rank, &g.ranks[started]) != 0)
            break;
    }
    pthread_mutex_lock(&g.lock);
    g.begin = started == n ? RUN : GIVE_UP;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    for (int r = 0; r < started; r++)
        pthread_join(g.ranks[r].thread, NULL);

    failed = failed_rank(&g);
    if (started < n)
        status = err_set(DA_ERROR_MEMORY, "da_spmd: the system refused thread %d of %d", started + 1, n);
    else if (failed)
        status = err_set(failed->status, "rank %d of %d: %s", failed->id, n, failed->sentence);
    for (int r = 0; r < n; r++) {
        if (results)
            results[r] = status == DA_OK ? g.ranks[r].result : NULL;
        if (!results || status != DA_OK)
            da_array_release(&g.ranks[r].result);
    }
    pthread_cond_destroy(&g.changed);
    pthread_mutex_destroy(&g.lock);
    mem_free(g.ranks);
    return status;
}
