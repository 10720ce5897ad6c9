/* SPDX-License-Identifier: BSD-3-Clause */
#include "linalg/tiles.h"
#include "base/lock.h"
#include "codelets/hash.h"
#include "runtime/models.h"
#include "runtime/rehearse.h"

#include <string.h>

/* Below so many operations rehearsals would take longer than they could save. A tiling replaces the rule's if its predicted time is so much
 * shorter, and so much of it was measured: predictions are within some percent. */
static const double least_flops = 1e9, worth = 0.97, least_known = 0.9;

/* The tasks that all rehearsals of a question may have together: they take about two microseconds each, and may take this part of
 * the predicted time; but some thousand there may always be. */
static const double task_seconds = 2e-6, share = 0.1;
enum { LEAST_TASKS = 16000 };

const tile_operation *const tile_operations[] = {
    &tile_cholesky, &tile_lu,   &tile_matmul, &tile_qr, &tile_solve_triangular, &tile_symm, &tile_syr2k,
    &tile_syrk,     &tile_trmm, &tile_trsm,   NULL};

/* Whether the models are asked at all. Who wants tasks on devices, whatever they take, wants the rule's tiles: those that devices can have. */
static bool is_asked(double flops)
{
    return flops >= least_flops && !config_get()->reproducible && rt_place() != DA_ON_GPU;
}

/* ---- what a thread tries ---- */

static _Thread_local struct {
    const tile_operation *operation;
    int64_t mb, nb; /* 0: the rule's, which are to be noted */
    int64_t rule_mb, rule_nb;
    double flops;
} tried;

void tile_try(const tile_operation *operation, int64_t mb, int64_t nb)
{
    tried.operation = mb > 0 ? operation : NULL;
    tried.mb = mb;
    tried.nb = nb;
}

static void try_rule(const tile_operation *operation)
{
    tile_try(NULL, 0, 0);
    tried.operation = operation;
    tried.rule_mb = tried.rule_nb = 0; /* it does not ask: forced tiles, or too little to cut */
}

/* ---- rating ---- */

static da_status run_empty(const tile_operation *o, da_dtype dtype, tile_size size)
{
    DA_AUTO da_array *first = NULL, *second = NULL;
    da_array *inputs[2];

    DA_TRY(da_empty(&first, dtype, DA_SHAPE(size.m, o->ninputs == 2 ? size.k : size.n)));
    if (o->ninputs == 2)
        DA_TRY(da_empty(&second, dtype, DA_SHAPE(size.k, size.n)));
    inputs[0] = first;
    inputs[1] = second;
    return o->run(inputs);
}

/* mb, nb: 0 for the rule's. */
static da_status rate(const tile_operation *o, da_dtype dtype, tile_size size, int64_t mb, int64_t nb,
                      tile_rating *out)
{
    rehearsal r;

    DA_TRY(rehearsal_begin(&r));
    if (mb > 0)
        tile_try(o, mb, nb);
    else
        try_rule(o);
    da_status status = run_empty(o, dtype, size);
    tile_try(NULL, 0, 0);
    const da_status ended = rehearsal_end(&r);
    status = status == DA_OK ? ended : status;
    if (status == DA_OK)
        status = rehearsal_time(&r, rt_workers_for_shaping(), &out->predicted);
    out->mb = mb > 0 ? mb : tried.rule_mb;
    out->nb = mb > 0 ? nb : tried.rule_nb;
    const double unknown = r.by[MODEL_GUESS] + r.by[MODEL_FAR];
    const double all = unknown + r.by[MODEL_CURVE] + r.by[MODEL_SEEN];
    out->known = all > 0 ? 1 - unknown / all : 0;
    out->seen = all > 0 ? r.by[MODEL_SEEN] / all : 0;
    rehearsal_free(&r);
    return status;
}

/* ---- candidates ---- */

typedef struct candidates {
    const tile_operation *operation;
    da_dtype dtype;
    tile_size size;
    tile_rating *at;
    bool whatever;         /* the models know */
    int64_t rows, columns; /* what tiles are multiples of */
    int n, best;
    int64_t tasks; /* that may still be rehearsed */
} candidates;

static bool is_there(const candidates *c, int64_t mb, int64_t nb)
{
    for (int i = 0; i < c->n; i++)
        if (c->at[i].mb == mb && c->at[i].nb == nb)
            return true;
    return false;
}

/* Rates one more, unless it is none or is there already. */
static da_status add(candidates *c, int64_t mb, int64_t nb)
{
    const int64_t most_rows = c->operation->multiple ? round_up(c->size.m, nb) : c->size.m;

    mb = least(round_up(c->operation->multiple ? round_up(mb, nb) : mb, c->rows), most_rows);
    nb = least(round_up(nb, c->columns), c->size.n);
    if (nb < 32 || mb < 32 || c->n == TILE_RATINGS || c->tasks <= 0 || is_there(c, mb, nb))
        return DA_OK;
    DA_TRY(rate(c->operation, c->dtype, c->size, mb, nb, &c->at[c->n]));
    c->tasks -= c->at[c->n].predicted.tasks;
    if (c->at[c->n].known >= least_known &&
        c->at[c->n].predicted.seconds < (c->best == 0 ? worth : 1) * c->at[c->best].predicted.seconds)
        c->best = c->n;
    c->n++;
    return DA_OK;
}

/* Widths first, near ones first, square tiles with their heights; then heights of the best width. */
static da_status rate_all(candidates *c)
{
    static const double factors[] = {4. / 3, 2. / 3, 2, 0.5, 3, 1. / 3};
    const da_shape shape = DA_SHAPE(c->size.m, c->size.n);
    int64_t tile[DA_MAX_NDIM];

    tiling_choose(c->dtype, &shape, tile);
    c->rows = c->operation->rows ? tile[0] : 1;
    c->columns = c->operation->columns ? tile[1] : 1;
    c->n = c->best = 0;
    DA_TRY(rate(c->operation, c->dtype, c->size, 0, 0, &c->at[0]));
    c->n = 1;
    const int64_t mb = c->at[0].mb, nb = c->at[0].nb;
    const bool square = mb == nb, whole = mb >= c->size.m;
    if (mb == 0)
        return DA_OK;
    if (c->at[0].known < least_known && !c->whatever)
        return DA_OK;
    c->tasks = most(LEAST_TASKS, (int64_t)(share * c->at[0].predicted.seconds / task_seconds)) -
               c->at[0].predicted.tasks;
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        const int64_t width = round_up((int64_t)((double)nb * factors[i]), 32);
        DA_TRY(add(c, square ? width : whole ? c->size.m : mb, width));
    }
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        const tile_rating *const best = &c->at[c->best];
        DA_TRY(add(c, round_up((int64_t)((double)mb * factors[i]), 32), best->nb));
    }
    return DA_OK;
}

/* ---- what was found ---- */

typedef struct answer {
    const tile_operation *operation; /* null: free */
    da_dtype dtype;
    tile_size size;
    int workers, devices;
    int64_t rule_mb, rule_nb, mb, nb;
} answer;

enum { ANSWERS = 1024, NEAR = 16 };
static lock_word guard;
static answer answers[ANSWERS];

static bool same(const answer *a, const answer *b)
{
    return a->operation == b->operation && a->dtype == b->dtype && a->size.m == b->size.m &&
           a->size.n == b->size.n && a->size.k == b->size.k && a->workers == b->workers &&
           a->devices == b->devices && a->rule_mb == b->rule_mb && a->rule_nb == b->rule_nb;
}

/* Where it is, or would be put; null if there is no room near its place. */
static answer *slot_of(const answer *a)
{
    const int64_t key[] = {(int64_t)(uintptr_t)a->operation,
                           a->dtype,
                           a->workers,
                           a->devices,
                           a->size.m,
                           a->size.n,
                           a->size.k,
                           a->rule_mb,
                           a->rule_nb};
    uint64_t h = 0;

    for (size_t i = 0; i < sizeof key / sizeof key[0]; i++)
        h = da_mix(h, (uint64_t)key[i]);
    for (uint64_t i = 0; i < NEAR; i++) {
        answer *const there = &answers[(h + i) % ANSWERS];
        if (!there->operation || same(there, a))
            return there;
    }
    return NULL;
}

enum found { FOUND, NEW, NO_ROOM };

static enum found find(answer *a)
{
    enum found found = NO_ROOM;

    lock_acquire(&guard);
    const answer *const there = slot_of(a);
    if (there) {
        found = there->operation ? FOUND : NEW;
        if (found == FOUND)
            *a = *there;
    }
    lock_release(&guard);
    return found;
}

/* If another thread was quicker, its answer is taken. */
static void keep(answer *a)
{
    lock_acquire(&guard);
    answer *const there = slot_of(a);
    if (there && there->operation)
        *a = *there;
    else if (there)
        *there = *a;
    lock_release(&guard);
}

/* Whether the models have measured anything at all. */
static bool any_models(void)
{
    models *const all = models_here();

    lock_acquire(&all->lock);
    const bool any = all->count > 0;
    lock_release(&all->lock);
    return any;
}

void tile_rated(const tile_operation *operation, da_dtype dtype, tile_size size, double flops, int64_t *mb,
                int64_t *nb)
{
    if (tried.operation == operation && tried.mb > 0) {
        *mb = tried.mb;
        *nb = tried.nb;
        return;
    }
    if (tried.operation == operation) {
        tried.rule_mb = *mb;
        tried.rule_nb = *nb;
        tried.flops = flops;
        return;
    }
    if (!is_asked(flops) || rt_rehearsing() || rt_forked())
        return;
    answer a = {.operation = operation,
                .dtype = dtype,
                .size = size,
                .workers = rt_workers_for_shaping(),
                .devices = rt_devices_for_shaping(),
                .rule_mb = *mb,
                .rule_nb = *nb};
    const enum found found = find(&a);
    if (found == NO_ROOM) /* by the rule: an answer that is not kept may be another one next time */
        return;
    if (found == NEW) {
        tile_rating ratings[TILE_RATINGS];
        candidates c = {.operation = operation, .dtype = dtype, .size = size, .at = ratings};

        a.mb = *mb;
        a.nb = *nb;
        if (any_models()) {
            if (rate_all(&c) == DA_OK) {
                a.mb = ratings[c.best].mb;
                a.nb = ratings[c.best].nb;
                log_line(2,
                         "%s of %lld x %lld: tiles of %lld x %lld, predicted %.3g ms; %lld x %lld by rule, "
                         "%.3g ms",
                         operation->name, (long long)size.m, (long long)size.n, (long long)a.mb,
                         (long long)a.nb, 1e3 * ratings[c.best].predicted.seconds, (long long)*mb,
                         (long long)*nb, 1e3 * ratings[0].predicted.seconds);
            } else {
                err_clear(); /* short of memory: by the rule */
            }
        }
        keep(&a);
    }
    *mb = a.mb;
    *nb = a.nb;
}

/* Whether it is all of a matrix that is like one of da_empty(). */
static bool is_like_new(const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    if (a->ndim != 2 || a->s->ndim != 2 || tiling_forced(&shape, tile))
        return false;
    tiling_choose(a->s->dtype, &shape, tile);
    for (int d = 0; d < 2; d++)
        if (a->axis[d] != d || a->step[d] != 1 || a->shape[d] != a->s->shape[d] || a->s->tile[d] != tile[d])
            return false;
    return true;
}

void tile_rated_in_place(const tile_operation *operation, const da_array *c, int64_t k, double flops,
                         int64_t *mb, int64_t *nb)
{
    if (is_like_new(c))
        tile_rated(operation, c->s->dtype, (tile_size){c->shape[0], c->shape[1], k}, flops, mb, nb);
}

da_status tile_ratings(const tile_operation *operation, da_dtype dtype, tile_size size, tile_rating *out,
                       int *n, int *best)
{
    candidates c = {.operation = operation, .dtype = dtype, .size = size, .at = out, .whatever = true};
    const da_status status = rate_all(&c);

    if (c.n > 0 && (out[0].known < least_known || !is_asked(tried.flops)))
        c.best = 0;
    *n = c.n;
    *best = c.best;
    return status;
}

bool tile_is_asked(void)
{
    return is_asked(tried.flops);
}
