/* SPDX-License-Identifier: BSD-3-Clause */
/* Numerical faults: cells, and immutable sets of them in the order in which they can be affected. */
#include "runtime/fault.h"
#include <stdatomic.h>
#include <string.h>

typedef struct cell {
    _Atomic(int) refs;
    _Atomic(int) reporters;      /* not done yet */
    _Atomic(bool) open;          /* no reporter was added yet */
    _Atomic(int64_t) info;       /* 0: fine so far */
    const char *format, *beyond; /* for info up to n and, if not null, from there on */
    int64_t n;
} cell;

struct rt_fault {
    _Atomic(int) refs;
    int count;
    cell *cells[];
};

static rt_fault *set_new(int count)
{
    rt_fault *f = mem_alloc(sizeof *f + (size_t)count * sizeof f->cells[0]);
    if (f) {
        atomic_init(&f->refs, 1);
        f->count = 0;
    }
    return f;
}

static void cell_release(cell *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        mem_free(c);
}

rt_fault *rt_fault_new(const char *format, int64_t n)
{
    return rt_fault_new_two(format, NULL, n);
}

rt_fault *rt_fault_new_two(const char *format, const char *beyond, int64_t n)
{
    rt_fault *f = set_new(1);
    cell *c = f ? mem_zalloc(sizeof *c) : NULL;
    if (!c) {
        mem_free(f);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    atomic_init(&c->open, true);
    c->format = format;
    c->beyond = beyond;
    c->n = n;
    f->cells[f->count++] = c;
    return f;
}

rt_fault *rt_fault_retain(rt_fault *f)
{
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void rt_fault_release(rt_fault *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < f->count; i++)
        cell_release(f->cells[i]);
    mem_free(f);
}

/* Every task that could have reported is done: what it says now is what it will say. */
static bool settled(cell *c)
{
    return !atomic_load(&c->open) && atomic_load(&c->reporters) == 0;
}

/* Slot of a cell in a table of 2^bits entries, its own or the free one. */
static size_t slot(cell **table, int bits, cell *c)
{
    const size_t mask = ((size_t)1 << bits) - 1;
    size_t i = (size_t)(((uintptr_t)c >> 4) * (uintptr_t)0x9E3779B97F4A7C15u >> 20) & mask;
    while (table[i] && table[i] != c)
        i = (i + 1) & mask;
    return i;
}

da_status rt_fault_union(rt_fault **out, int n, rt_fault *const *sets)
{
    rt_fault *first = NULL, *u;
    cell **table = NULL;
    int total = 0, bits = 0, broken = -1;
    bool same = true;

    for (int i = 0; i < n; i++) {
        if (!sets[i])
            continue;
        if (!first)
            first = sets[i];
        same = same && sets[i] == first;
        total += sets[i]->count;
    }
    if (first && same) {
        total = first->count;
        /* the usual case: a set as it is, unless some of it can go by now */
        bool all = true;
        int faults = 0;
        for (int i = 0; i < total && all; i++)
            if (settled(first->cells[i]))
                all = atomic_load(&first->cells[i]->info) != 0 && ++faults == 1;
        if (all) {
            *out = rt_fault_retain(first);
            return DA_OK;
        }
    }
    if (total == 0) {
        *out = NULL;
        return DA_OK;
    }
    u = set_new(total);
    if (!u)
        return err_memory((size_t)total * sizeof u->cells[0], "a set of faults");
    if (total > 32) {
        for (bits = 6; ((int64_t)1 << bits) < 2 * (int64_t)total; bits++)
            ;
        table = mem_zalloc(sizeof *table << bits);
        if (!table) {
            mem_free(u);
            return err_memory(sizeof *table << bits, "a set of faults");
        }
    }
    for (int i = 0; i < n; i++) {
        if (!sets[i])
            continue;
        for (int j = 0; j < sets[i]->count; j++) {
            cell *c = sets[i]->cells[j];
            if (table) {
                const size_t s = slot(table, bits, c);
                if (table[s])
                    continue;
                table[s] = c;
            } else {
                int k = 0;
                while (k < u->count && u->cells[k] != c)
                    k++;
                if (k < u->count)
                    continue;
            }
            if (settled(c)) {
                const int64_t info = atomic_load(&c->info);
                if (info == 0)
                    continue;
                /* of those that broke down the one with the lowest index is told: one is enough */
                if (broken >= 0) {
                    if (info >= atomic_load(&u->cells[broken]->info))
                        continue;
                    cell_release(u->cells[broken]);
                    u->count--;
                    memmove(&u->cells[broken], &u->cells[broken + 1],
                            (size_t)(u->count - broken) * sizeof u->cells[0]);
                }
                broken = u->count;
            }
            u->cells[u->count++] = c;
            atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
        }
    }
    mem_free(table);
    if (u->count == 0) {
        mem_free(u);
        u = NULL;
    }
    *out = u;
    return DA_OK;
}

void rt_fault_report(rt_fault *f, int64_t info)
{
    cell *c = f->cells[0];
    int64_t known = atomic_load(&c->info);
    while (info > 0 && (known == 0 || info < known) && !atomic_compare_exchange_weak(&c->info, &known, info))
        ;
}

void rt_fault_add_reporter(rt_fault *f)
{
    atomic_fetch_add(&f->cells[0]->reporters, 1);
    atomic_store(&f->cells[0]->open, false);
}

void rt_fault_reporter_done(rt_fault *f)
{
    atomic_fetch_sub(&f->cells[0]->reporters, 1);
}

da_status rt_fault_check(rt_fault *f)
{
    const cell *lowest = NULL;
    int64_t least = 0;

    for (int i = 0; f && i < f->count; i++) {
        const int64_t info = atomic_load(&f->cells[i]->info);
        if (info > 0 && (!lowest || info < least)) {
            lowest = f->cells[i];
            least = info;
        }
    }
    if (!lowest)
        return DA_OK;
    if (lowest->beyond && least > lowest->n)
        return err_set(DA_ERROR_NUMERICAL, lowest->beyond, least - lowest->n, lowest->n);
    return err_set(DA_ERROR_NUMERICAL, lowest->format, least, lowest->n);
}
