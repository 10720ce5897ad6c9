/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions of a program's results over some axes of a box.
 *
 * Elements are combined by the elementwise kernel of the reduction's operation (add for a sum), always pairwise, so that the
 * rounding error of a sum grows with the logarithm of its length. Two ways, by what lies innermost in memory:
 * - along a reduced axis: a block is halved (first half combined with the second) down to a few lanes;
 * - across: a block holds elements of different results, and every lane is a result of its own.
 * What a block gives is a vector of lanes. Vectors are combined like the digits of a binary counter (the pile), and if all lanes
 * belong to one result they are halved down to one in the end.
 */
#include "cpu/expr_machine.h"
#include <assert.h>
#include <string.h>

enum {
    LANES = 64,         /* left of a block that is halved */
    LONG_BLOCK = 16384, /* summed where it lies, if there is nothing to compute; for f32 a quarter of it */
    LEVELS = 24,        /* of the pile */
    GROUP = 8,          /* vectors combined one after the other before they go to the pile */
    PILE_BYTES = 128 * 1024 /* for the piles of all roots */
};

/* ---- piles ---- */

typedef struct pile {
    const da_expr_fn *combine;
    int size;              /* bytes of a lane */
    int64_t capacity;      /* lanes */
    uint64_t count;        /* vectors pushed; its bits say which levels are in use */
    int64_t lanes[LEVELS]; /* of each level */
    char *memory;          /* LEVELS + 1 vectors; the last one is the group */
    int grouped;           /* vectors in the group */
    int64_t group_lanes;
} pile;

static char *pile_level(const pile *p, int level)
{
    return p->memory + level * p->capacity * p->size;
}

/* a = a op b by lanes; returns the number of lanes. */
static int64_t combine(const pile *p, char *a, int64_t a_lanes, const char *b, int64_t b_lanes)
{
    const int64_t common = a_lanes < b_lanes ? a_lanes : b_lanes;
    p->combine[0](a, a, b, NULL, common);
    if (b_lanes > common)
        memcpy(a + common * p->size, b + common * p->size, (size_t)((b_lanes - common) * p->size));
    return a_lanes > b_lanes ? a_lanes : b_lanes;
}

static void pile_push(pile *p, const char *x, int64_t lanes)
{
    int level = 0;
    for (; p->count >> level & 1 && level < LEVELS - 1; level++) {
        lanes = combine(p, pile_level(p, level), p->lanes[level], x, lanes);
        x = pile_level(p, level);
    }
    if (p->count >> level & 1) { /* the top level takes all there is */
        p->lanes[level] = combine(p, pile_level(p, level), p->lanes[level], x, lanes);
        p->count &= ~(((uint64_t)1 << level) - 1);
        return;
    }
    memcpy(pile_level(p, level), x, (size_t)(lanes * p->size));
    p->lanes[level] = lanes;
    p->count++;
}

/* For vectors of equal length: as pile_push(), with fewer steps. */
static void pile_push_group(pile *p, const char *x, int64_t lanes)
{
    char *group = pile_level(p, LEVELS);
    if (p->grouped == 0)
        memcpy(group, x, (size_t)(lanes * p->size));
    else
        p->combine[0](group, group, x, NULL, lanes);
    p->group_lanes = lanes;
    if (++p->grouped == GROUP) {
        pile_push(p, group, lanes);
        p->grouped = 0;
    }
}

/* Combine n lanes to at most `lanes` in `work` (x may be work). */
static int64_t halve(const pile *p, char *work, const char *x, int64_t n, int64_t lanes)
{
    while (n > lanes) {
        const int64_t half = (n + 1) / 2;
        p->combine[0](work, x, x + half * p->size, NULL, n - half);
        if (n % 2 && x != work)
            memcpy(work + (half - 1) * p->size, x + (half - 1) * p->size, (size_t)p->size);
        x = work;
        n = half;
    }
    return n;
}

/* All that was pushed, combined lane by lane; empties the pile. */
static char *pile_take(pile *p, int64_t *lanes)
{
    char *sum = NULL;
    if (p->grouped)
        pile_push(p, pile_level(p, LEVELS), p->group_lanes);
    for (int level = 0; level < LEVELS; level++) {
        if (!(p->count >> level & 1))
            continue;
        if (sum)
            *lanes = combine(p, pile_level(p, level), p->lanes[level], sum, *lanes);
        else
            *lanes = p->lanes[level];
        sum = pile_level(p, level);
    }
    p->count = 0;
    p->grouped = 0;
    return sum;
}

/* ---- the loops ---- */

typedef struct reducer {
    machine m;
    nest t;
    int nouts; /* operands of the nest before the inputs */
    pile piles[DA_EXPR_MAX_ROOTS];
    const da_expr_arg *arg; /* or null */
    da_lanes_fn lanes;      /* of root 0, or null */
    alignas(64) char half[BLOCK / 2 * 16];
    alignas(64) char pile_memory[PILE_BYTES];
} reducer;

/* The nest: axes that are reduced, or kept, by ascending strides of the inputs, and which of the two lie innermost. */
static void order(reducer *r, bool *along)
{
    nest *t = &r->t;
    int64_t kept = 1, reduced = 1;
    int front = 0;

    nest_sort(t, r->nouts, t->noperands);
    nest_collapse(t);
    for (int d = 0; d < t->ndim; d++)
        if (t->reduced[d])
            reduced *= t->n[d];
        else
            kept *= t->n[d];
    if (reduced == 1)
        *along = kept == 1;
    else if (kept == 1)
        *along = true;
    else if (t->reduced[0])
        *along = t->n[0] >= SHORT || t->n[0] >= kept;
    else
        *along = t->n[0] < 16 && reduced > kept;
    /* axes walked inside a block and by the inner loop come first */
    for (int d = 0; d < t->ndim; d++)
        if (t->reduced[d] == *along)
            nest_move_axis(t, d, front++);
}

static int count_reduced(const nest *t)
{
    int n = 0;
    for (int d = 0; d < t->ndim; d++)
        n += t->reduced[d];
    return n;
}

/* One axis of extent 1 at position `at`, so that there are always two to make blocks of. */
static void insert_axis(nest *t, int at, bool reduced)
{
    assert(t->ndim < NEST_AXES);
    t->n[t->ndim] = 1;
    t->reduced[t->ndim] = reduced;
    t->index_step[t->ndim] = 0;
    for (int k = 0; k < t->noperands; k++)
        t->stride[k][t->ndim] = 0;
    nest_move_axis(t, t->ndim++, at);
}

static void shift(nest *t, int axis, int64_t by)
{
    for (int k = 0; k < t->noperands; k++)
        t->at[k] += t->stride[k][axis] * by;
}

static int64_t at_most(int64_t x, int64_t limit)
{
    return x < limit ? x : limit;
}

static int64_t index_at(const reducer *r, const odometer *o)
{
    int64_t index = r->arg->base;
    for (int d = 0; d < r->t.ndim; d++)
        index += o->i[d] * r->t.index_step[d];
    return index;
}

/* False if nothing in a vector comes before `value`: by its extreme, which is found much faster than its place. */
static bool may_be_better(reducer *r, const void *x, int64_t n, const void *value)
{
    const da_expr_arg *arg = r->arg;
    pile p = {.combine = *da_expr_kernel_of(arg->max ? DA_OP_maximum : DA_OP_minimum, arg->dtype),
              .size = da_dtype_bytes(arg->dtype)};
    da_c128 best;
    int64_t index = INT64_MAX;
    r->lanes(r->half, x, n);
    halve(&p, r->half, r->half, LANES, 1);
    memcpy(&best, value, (size_t)p.size);
    r->m.level->arg[arg->dtype][arg->max](r->half, 0, NULL, &best, &index, 0, -1, 0, 1); /* wins ties */
    return index == -1;
}

/* The block n0 x n1 at the nest's pointers: compute it and take it in. */
static void take_block(reducer *r, const odometer *o, int64_t n0, int64_t n1, bool along, void *value,
                       int64_t *index)
{
    nest *t = &r->t;
    machine *m = &r->m;
    const da_expr_program *p = m->p;
    const int64_t n = n0 * n1;

    machine_block(m, t->at + r->nouts, t->stride + r->nouts, n0, n1, 0, 1);
    if (r->arg) {
        const int root = p->root[0];
        const void *x = m->at[root];
        int64_t x_step = m->uniform[root] ? 0 : 1;
        const int64_t *from = NULL;
        if (r->arg->from) { /* the last operand */
            const int k = t->noperands - 1;
            m->level->gather[3](r->half, t->at[k], n0, t->stride[k][0] / 8, n1, t->stride[k][1] / 8);
            from = (const int64_t *)(const void *)r->half;
            x = machine_vector(m, root, p->root_size[0], n);
            x_step = 1;
        } else if (along && r->lanes && x_step && n >= LANES && *index != INT64_MAX &&
                   !may_be_better(r, x, n, value)) {
            return;
        }
        m->level->arg[r->arg->dtype][r->arg->max](x, x_step, from, value, index, along ? 0 : 1,
                                                  index_at(r, o), along ? t->index_step[0] : 0, n);
        return;
    }
    for (int k = 0; k < p->nroots; k++) {
        pile *q = &r->piles[k];
        const char *x = machine_vector(m, p->root[k], q->size, n);
        if (along && k == 0 && r->lanes && n >= LANES) {
            r->lanes(r->half, x, n);
            pile_push(q, r->half, LANES);
        } else if (along) {
            const int64_t lanes = halve(q, r->half, x, n, LANES);
            pile_push(q, lanes < n ? r->half : x, lanes);
        } else {
            pile_push_group(q, x, n);
        }
    }
}

/* Results: each one from all blocks along the reduced axes. Reduced axes come first, the blocks are cut from the first two. */
static void reduce_along(reducer *r)
{
    nest *t = &r->t;
    const da_expr_program *p = r->m.p;
    const int nreduced = count_reduced(t);
    const bool plain = r->lanes && p->ninstr == 1 && t->stride[r->nouts][0] == p->root_size[0];
    const int64_t b0 = at_most(t->n[0], plain ? LONG_BLOCK / (p->root_size[0] == 4 ? 4 : 1) : r->m.capacity);
    const int64_t b1 = b0 < SHORT && !r->arg ? at_most(t->n[1], r->m.capacity / b0) : 1;
    odometer o = {{0}};

    do {
        da_c128 value = {0, 0}; /* an element of any type; stored at the end: parts are combined in place */
        int64_t index = INT64_MAX;
        bool first = true;
        do {
            for (o.i[1] = 0; o.i[1] < t->n[1]; o.i[1] += b1) {
                for (o.i[0] = 0; o.i[0] < t->n[0]; o.i[0] += b0) {
                    if (r->arg && first) { /* begin with the first element */
                        machine_block(&r->m, t->at + r->nouts, t->stride + r->nouts, 1, 1, 0, 1);
                        memcpy(&value, r->m.at[p->root[0]], (size_t)p->root_size[0]);
                        first = false;
                    }
                    take_block(r, &o, at_most(b0, t->n[0] - o.i[0]), at_most(b1, t->n[1] - o.i[1]), true,
                               &value, &index);
                    shift(t, 0, b0);
                }
                shift(t, 0, -((t->n[0] + b0 - 1) / b0 * b0));
                shift(t, 1, b1);
            }
            shift(t, 1, -((t->n[1] + b1 - 1) / b1 * b1));
            o.i[0] = o.i[1] = 0;
        } while (nest_next(t, &o, 2, nreduced));
        if (r->arg) {
            memcpy(t->at[0], &value, (size_t)p->root_size[0]);
            memcpy(t->at[1], &index, sizeof index);
        }
        for (int k = 0; k < p->nroots && !r->arg; k++) {
            int64_t lanes = 0;
            char *sum = pile_take(&r->piles[k], &lanes);
            halve(&r->piles[k], sum, sum, lanes, 1);
            memcpy(t->at[k], sum, (size_t)r->piles[k].size);
        }
    } while (nest_next(t, &o, nreduced, t->ndim));
}

/* Blocks of results, cut from the first two axes, which are kept ones; the reduced ones are last. */
static void reduce_across(reducer *r)
{
    nest *t = &r->t;
    machine *m = &r->m;
    const da_expr_program *p = m->p;
    const int nkept = t->ndim - count_reduced(t);
    /* operands used where they lie need no slots */
    const bool plain = !r->arg && p->ninstr == 1 && t->stride[r->nouts][0] == p->root_size[0];
    int64_t most = plain ? r->piles[0].capacity : m->capacity;
    int64_t b0, b1;
    odometer o = {{0}};

    for (int k = 0; k < p->nroots && !r->arg; k++)
        most = at_most(most, r->piles[k].capacity);
    b0 = at_most(t->n[0], most);
    b1 = b0 < SHORT ? at_most(t->n[1], at_most(most, m->capacity) / b0) : 1;
    do {
        for (int64_t i1 = 0; i1 < t->n[1]; i1 += b1) {
            const int64_t n1 = at_most(b1, t->n[1] - i1);
            for (int64_t i0 = 0; i0 < t->n[0]; i0 += b0) {
                const int64_t n0 = at_most(b0, t->n[0] - i0);
                char *value = r->pile_memory;
                int64_t *index = (int64_t *)(void *)(r->pile_memory + BLOCK * 16);
                if (r->arg) { /* begin with the first elements */
                    machine_block(m, t->at + r->nouts, t->stride + r->nouts, n0, n1, 0, 1);
                    memcpy(value, machine_vector(m, p->root[0], p->root_size[0], n0 * n1),
                           (size_t)(n0 * n1 * p->root_size[0]));
                    for (int64_t i = 0; i < n0 * n1; i++)
                        index[i] = INT64_MAX;
                }
                do {
                    take_block(r, &o, n0, n1, false, value, index);
                } while (nest_next(t, &o, nkept, t->ndim));
                for (int k = 0; k < r->nouts; k++) {
                    const int size = t->size[k];
                    int64_t lanes;
                    const void *from = !r->arg ? pile_take(&r->piles[k], &lanes)
                                       : k     ? (char *)(void *)index
                                               : value;
                    m->level->scatter[da_size_class(size)](t->at[k], t->stride[k][0] / size,
                                                           t->stride[k][1] / size, from, n0, n1);
                }
                shift(t, 0, b0);
            }
            shift(t, 0, -((t->n[0] + b0 - 1) / b0 * b0));
            shift(t, 1, b1);
        }
        shift(t, 1, -((t->n[1] + b1 - 1) / b1 * b1));
    } while (nest_next(t, &o, 2, nkept));
}

static void reduce(reducer *r)
{
    bool along;
    int wanted;
    order(r, &along);
    wanted = along ? count_reduced(&r->t) : r->t.ndim - count_reduced(&r->t);
    for (; wanted < 2; wanted++)
        insert_axis(&r->t, wanted, along);
    if (along)
        reduce_along(r);
    else
        reduce_across(r);
}

static bool is_empty(int ndim, const int64_t *extent)
{
    for (int d = 0; d < ndim; d++)
        if (extent[d] == 0)
            return true;
    return false;
}

static da_lanes_fn lanes_of(da_expr_op op, da_dtype dtype)
{
    const da_expr_level *level = da_expr_level_get();
    switch (op) {
    case DA_OP_add: return level->lanes[0][dtype];
    case DA_OP_minimum: return level->lanes[1][dtype];
    case DA_OP_maximum: return level->lanes[2][dtype];
    default: return NULL;
    }
}

void da_expr_reduce(const da_expr_program *p, const da_expr_reduction *how, int ndim, const int64_t *extent,
                    const bool *reduced, const da_expr_operand *out, const da_expr_operand *in)
{
    reducer r;
    char *memory = r.pile_memory;

    if (is_empty(ndim, extent))
        return;
    r.arg = NULL;
    r.lanes = lanes_of(how->op[0], how->dtype[0]);
    r.nouts = p->nroots;
    nest_init(&r.t, ndim, extent, reduced, NULL);
    for (int k = 0; k < p->nroots; k++) {
        pile *q = &r.piles[k];
        q->combine = *da_expr_kernel_of(how->op[k], how->dtype[k]);
        q->size = p->root_size[k];
        q->capacity = PILE_BYTES / p->nroots / (LEVELS + 1) / q->size / 64 * 64;
        q->count = 0;
        q->grouped = 0;
        q->memory = memory;
        memory += q->capacity * q->size * (LEVELS + 1);
        nest_add(&r.t, ndim, extent, out[k], q->size, true);
    }
    for (int k = 0; k < p->ninputs; k++)
        nest_add(&r.t, ndim, extent, in[k], p->input_size[k], false);
    machine_init(&r.m, p, BLOCK);
    reduce(&r);
}

void da_expr_reduce_arg(const da_expr_program *p, const da_expr_arg *how, int ndim, const int64_t *extent,
                        const bool *reduced, da_expr_operand value, da_expr_operand index,
                        const da_expr_operand *in)
{
    reducer r;

    if (is_empty(ndim, extent))
        return;
    r.arg = how;
    r.lanes = lanes_of(how->max ? DA_OP_maximum : DA_OP_minimum, how->dtype);
    r.nouts = 2;
    nest_init(&r.t, ndim, extent, reduced, how->index);
    nest_add(&r.t, ndim, extent, value, p->root_size[0], true);
    nest_add(&r.t, ndim, extent, index, (int)sizeof(int64_t), true);
    for (int k = 0; k < p->ninputs; k++)
        nest_add(&r.t, ndim, extent, in[k], p->input_size[k], false);
    if (how->from)
        nest_add(&r.t, ndim, extent, *how->from, (int)sizeof(int64_t), false);
    machine_init(&r.m, p, BLOCK);
    reduce(&r);
}
