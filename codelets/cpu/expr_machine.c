/* SPDX-License-Identifier: BSD-3-Clause */
#include "cpu/expr_machine.h"
#include <assert.h>
#include <string.h>

/* ---- nests ---- */

void nest_init(nest *t, int ndim, const int64_t *extent, const bool *reduced, const int64_t *index_step)
{
    t->ndim = 0;
    t->noperands = 0;
    for (int d = ndim - 1; d >= 0; d--) {
        if (extent[d] == 1)
            continue;
        t->n[t->ndim] = extent[d];
        t->reduced[t->ndim] = reduced && reduced[d];
        t->index_step[t->ndim] = index_step ? index_step[d] : 0;
        t->ndim++;
    }
}

void nest_add(nest *t, int ndim, const int64_t *extent, da_expr_operand operand, int size, bool kept)
{
    const int k = t->noperands++;
    int axis = 0;
    assert(k < MAX_OPERANDS);
    t->at[k] = operand.data;
    t->size[k] = size;
    for (int d = ndim - 1; d >= 0; d--) {
        if (extent[d] == 1)
            continue;
        t->stride[k][axis] = operand.strides && !(kept && t->reduced[axis]) ? operand.strides[d] * size : 0;
        axis++;
    }
}

static void swap_axes(nest *t, int a, int b)
{
    const int64_t n = t->n[a], step = t->index_step[a];
    const bool reduced = t->reduced[a];
    t->n[a] = t->n[b], t->n[b] = n;
    t->index_step[a] = t->index_step[b], t->index_step[b] = step;
    t->reduced[a] = t->reduced[b], t->reduced[b] = reduced;
    for (int k = 0; k < t->noperands; k++) {
        const int64_t s = t->stride[k][a];
        t->stride[k][a] = t->stride[k][b], t->stride[k][b] = s;
    }
}

void nest_move_axis(nest *t, int from, int to)
{
    for (; from > to; from--)
        swap_axes(t, from, from - 1);
    for (; from < to; from++)
        swap_axes(t, from, from + 1);
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

void nest_sort(nest *t, int first, int last)
{
    int64_t key[NEST_AXES];
    for (int d = 0; d < t->ndim; d++) {
        key[d] = 0;
        for (int k = first; k < last; k++)
            key[d] += magnitude(t->stride[k][d]);
    }
    for (int d = 1; d < t->ndim; d++)
        for (int e = d; e > 0 && key[e] < key[e - 1]; e--) {
            const int64_t swap = key[e];
            key[e] = key[e - 1], key[e - 1] = swap;
            swap_axes(t, e, e - 1);
        }
}

static bool collapses(const nest *t, int d)
{
    if (t->reduced[d] != t->reduced[d + 1] || t->index_step[d + 1] != t->n[d] * t->index_step[d])
        return false;
    for (int k = 0; k < t->noperands; k++)
        if (t->stride[k][d + 1] != t->n[d] * t->stride[k][d])
            return false;
    return true;
}

void nest_collapse(nest *t)
{
    for (int d = 0; d + 1 < t->ndim;) {
        if (!collapses(t, d)) {
            d++;
            continue;
        }
        t->n[d + 1] *= t->n[d];
        t->index_step[d + 1] = t->index_step[d];
        for (int k = 0; k < t->noperands; k++)
            t->stride[k][d + 1] = t->stride[k][d];
        nest_move_axis(t, d, t->ndim - 1);
        t->ndim--;
    }
}

bool nest_next(nest *t, odometer *o, int first, int last)
{
    for (int d = first; d < last; d++) {
        if (++o->i[d] < t->n[d]) {
            for (int k = 0; k < t->noperands; k++)
                t->at[k] += t->stride[k][d];
            return true;
        }
        for (int k = 0; k < t->noperands; k++)
            t->at[k] -= t->stride[k][d] * (t->n[d] - 1);
        o->i[d] = 0;
    }
    return false;
}

/* ---- blocks ---- */

void machine_init(machine *m, const da_expr_program *p, int64_t block)
{
    const int64_t most = SLOT_BYTES / ((p->nslots + 2) * (int64_t)p->max_size) / 64 * 64;
    assert(p->nslots <= DA_EXPR_MAX_SLOTS && most >= 64);
    m->p = p;
    m->level = da_expr_level_get();
    m->capacity = most < block ? most : block;
    for (int k = 0; k < p->nslots + 2; k++) {
        void *memory = m->bytes + k * m->capacity * p->max_size;
        if (k < p->nslots)
            m->memory[k] = memory;
        else
            m->spare[k - p->nslots] = memory;
    }
}

static void load(machine *m, const da_expr_instr *instr, const char *at, int64_t n0, int64_t s0, int64_t n1,
                 int64_t s1)
{
    const int64_t size = instr->out_size;
    if (n0 == 1) { /* one loop is enough */
        n0 = n1, s0 = s1;
        n1 = 1;
    }
    if (n1 == 1)
        s1 = n0 * s0;
    m->uniform[instr->out] = s0 == 0 && s1 == 0;
    if (n0 == 1 || s1 == n0 * s0) {
        if (n0 * n1 == 1)
            m->uniform[instr->out] = true;
        if (m->uniform[instr->out] || s0 == size) {
            m->at[instr->out] = at;
            return;
        }
    }
    m->level->gather[da_size_class((int)size)](m->memory[instr->out], at, n0, s0 / size, n1, s1 / size);
    m->at[instr->out] = m->memory[instr->out];
}

static void fill(machine *m, void *to, const void *value, int size, int64_t n)
{
    m->level->gather[da_size_class(size)](to, value, n, 0, 1, 0);
}

static void compute(machine *m, const da_expr_instr *instr, int64_t n)
{
    const int32_t slots[3] = {instr->a, instr->b, instr->c};
    const void *x[3] = {NULL, NULL, NULL};
    void *out = m->memory[instr->out];
    unsigned mask = 0;
    const unsigned all = (1u << instr->nargs) - 1;

    for (int k = 0; k < instr->nargs; k++) {
        if (slots[k] < 0) {
            x[k] = &m->p->constants[~slots[k]];
            mask |= 1u << k;
        } else {
            x[k] = m->at[slots[k]];
            mask |= (unsigned)m->uniform[slots[k]] << k;
        }
    }
    m->at[instr->out] = out;
    m->uniform[instr->out] = mask == all;
    if (mask == all) {
        instr->kernel[0](out, x[0], x[1], x[2], 1);
        return;
    }
    if (!instr->kernel[mask]) { /* no kernel for such operands: make vectors of the values */
        int spare = 0;
        for (int k = 0; k < instr->nargs && !instr->kernel[mask]; k++) {
            if (!(mask >> k & 1))
                continue;
            fill(m, m->spare[spare], x[k], instr->in_size[k], n);
            x[k] = m->spare[spare++];
            mask &= ~(1u << k);
        }
    }
    instr->kernel[mask](out, x[0], x[1], x[2], n);
}

/* The instruction and the next in one pass, if their operands are vectors. */
static bool compute_beside(machine *m, const da_expr_instr *instr, int64_t n)
{
    const da_expr_instr *next = instr + 1;

    if (instr->a < 0 || next->a < 0 || m->uniform[instr->a] || m->uniform[next->a])
        return false;
    instr->beside(m->memory[instr->out], m->at[instr->a], m->memory[next->out], m->at[next->a], n);
    for (int k = 0; k < 2; k++) {
        m->at[instr[k].out] = m->memory[instr[k].out];
        m->uniform[instr[k].out] = false;
    }
    return true;
}

void machine_block(machine *m, char *const *at, int64_t (*stride)[NEST_AXES], int64_t n0, int64_t n1,
                   int axis0, int axis1)
{
    const da_expr_program *p = m->p;
    for (int i = 0; i < p->ninstr; i++) {
        const da_expr_instr *instr = &p->instr[i];
        if (instr->beside && compute_beside(m, instr, n0 * n1))
            i++;
        else if (instr->kernel)
            compute(m, instr, n0 * n1);
        else
            load(m, instr, at[instr->a], n0, n0 == 1 ? 0 : stride[instr->a][axis0], n1,
                 n1 == 1 ? 0 : stride[instr->a][axis1]);
    }
}

const void *machine_vector(machine *m, int slot, int size, int64_t n)
{
    if (m->uniform[slot] && n > 1) {
        fill(m, m->spare[0], m->at[slot], size, n);
        return m->spare[0];
    }
    return m->at[slot];
}
