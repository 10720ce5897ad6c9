/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a program elementwise over a box. */
#include "cpu/expr_machine.h"
#include <string.h>

/* Loops are ordered by the output's strides; where these are negative the loop runs backwards. */
static void order_by_output(nest *t)
{
    nest_sort(t, 0, 1);
    for (int d = 0; d < t->ndim; d++) {
        if (t->stride[0][d] >= 0)
            continue;
        for (int k = 0; k < t->noperands; k++) {
            t->at[k] += t->stride[k][d] * (t->n[d] - 1);
            t->stride[k][d] = -t->stride[k][d];
        }
    }
    nest_collapse(t);
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* The axis along which some operand lies closer together than along the first one, or 0: a transposed operand. */
static int transposed_axis(const nest *t)
{
    for (int k = 0; k < t->noperands; k++) {
        int best = 0;
        if (t->ndim == 0 || magnitude(t->stride[k][0]) <= t->size[k])
            continue;
        for (int d = 1; d < t->ndim; d++)
            if (t->stride[k][d] != 0 && magnitude(t->stride[k][d]) < magnitude(t->stride[k][best]))
                best = d;
        if (best)
            return best;
    }
    return 0;
}

static int64_t at_most(int64_t x, int64_t limit)
{
    return x < limit ? x : limit;
}

/* One block: n0 x n1 elements beginning where the nest's pointers are. */
static void run_block(machine *m, nest *t, int64_t n0, int64_t n1)
{
    const da_expr_program *p = m->p;
    const int root = p->root[0], size = p->root_size[0];
    const int64_t s0 = t->stride[0][0], s1 = t->stride[0][1];
    const bool contiguous = n1 == 1   ? n0 == 1 || s0 == size
                            : n0 == 1 ? s1 == size
                                      : s0 == size && s1 == n0 * size;
    void *const memory = m->memory[root];
    void *const out = t->at[0];

    if (contiguous && !p->stream)
        m->memory[root] = out;
    machine_block(m, t->at + 1, t->stride + 1, n0, n1, 0, 1);
    m->memory[root] = memory;
    if (contiguous && m->uniform[root])
        m->level->gather[da_size_class(size)](out, m->at[root], n0 * n1, 0, 1, 0);
    else if (contiguous && m->at[root] == out)
        return;
    else if (contiguous && p->stream)
        m->level->stream(out, m->at[root], (size_t)(n0 * n1 * size));
    else if (contiguous)
        memmove(out, m->at[root], (size_t)(n0 * n1 * size));
    else
        m->level->scatter[da_size_class(size)](out, s0 / size, s1 / size,
                                               machine_vector(m, root, size, n0 * n1), n0, n1);
}

static void shift(nest *t, int axis, int64_t by)
{
    for (int k = 0; k < t->noperands; k++)
        t->at[k] += t->stride[k][axis] * by;
}

void da_expr_run(const da_expr_program *p, int ndim, const int64_t *extent, da_expr_operand out,
                 const da_expr_operand *in)
{
    nest t;
    machine m;
    odometer o = {{0}};
    int64_t b0, b1;
    int transposed;

    for (int d = 0; d < ndim; d++)
        if (extent[d] == 0)
            return;
    nest_init(&t, ndim, extent, NULL, NULL);
    nest_add(&t, ndim, extent, out, p->root_size[0], false);
    for (int k = 0; k < p->ninputs; k++)
        nest_add(&t, ndim, extent, in[k], p->input_size[k], false);
    order_by_output(&t);
    transposed = transposed_axis(&t);
    if (transposed)
        nest_move_axis(&t, transposed, 1);
    for (; t.ndim < 2; t.ndim++) {
        t.n[t.ndim] = 1;
        for (int k = 0; k < t.noperands; k++)
            t.stride[k][t.ndim] = 0;
    }
    machine_init(&m, p, transposed ? SQUARE : BLOCK);
    b0 = at_most(t.n[0], transposed ? EDGE : m.capacity);
    b1 = transposed || b0 < SHORT ? at_most(t.n[1], m.capacity / b0) : 1;
    do {
        for (int64_t i1 = 0; i1 < t.n[1]; i1 += b1) {
            const int64_t n1 = at_most(b1, t.n[1] - i1);
            for (int64_t i0 = 0; i0 < t.n[0]; i0 += b0) {
                run_block(&m, &t, at_most(b0, t.n[0] - i0), n1);
                shift(&t, 0, b0);
            }
            shift(&t, 0, -((t.n[0] + b0 - 1) / b0 * b0));
            shift(&t, 1, b1);
        }
        shift(&t, 1, -((t.n[1] + b1 - 1) / b1 * b1));
    } while (nest_next(&t, &o, 2, t.ndim));
    if (p->stream)
        m.level->stream_end();
}
