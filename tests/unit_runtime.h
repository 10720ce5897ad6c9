/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of the runtime: data to work on, and tasks on it with few words. */
#ifndef DARRAY_UNIT_RUNTIME_H
#define DARRAY_UNIT_RUNTIME_H

#include "test.h"
#include "runtime/runtime.h"
#include <darray/runtime.h>
#include <inttypes.h>
#include <pthread.h>
#include <time.h>

enum { CELLS = 24 };

/* Each cell is a number, with a datum of its own. */
typedef struct pool {
    rt_owner owner;
    rt_data data[CELLS];
    uint64_t cell[CELLS];
    _Atomic(int) *destroyed; /* counts, if not null */
} pool;

static inline void pool_destroy(rt_owner *owner)
{
    pool *p = (pool *)owner;
    for (int i = 0; i < CELLS; i++)
        rt_data_forget(&p->data[i]);
    if (p->destroyed)
        atomic_fetch_add(p->destroyed, 1);
    free(p);
}

static inline void pool_describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    const pool *p = (const pool *)owner;
    memset(out, 0, sizeof *out);
    out->ptr = (void *)(uintptr_t)&p->cell[data - p->data];
    out->element_size = sizeof p->cell[0];
    out->ndim = 1;
    out->shape[0] = out->strides[0] = 1;
}

static const rt_owner_class pool_class = {pool_destroy, pool_describe};

static inline pool *pool_new(void)
{
    pool *p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    rt_owner_init(&p->owner, &pool_class);
    for (int i = 0; i < CELLS; i++) {
        p->data[i].owner = &p->owner;
        p->cell[i] = (uint64_t)i + 1;
    }
    return p;
}

static inline void pool_release(pool *p)
{
    rt_owner_release(&p->owner);
}

static const int64_t pool_one = 1;

static inline rt_operand operand(pool *p, rt_data **datum, int i, da_mode mode)
{
    rt_operand o;
    memset(&o, 0, sizeof o);
    *datum = &p->data[i];
    o.mode = mode;
    o.owner = &p->owner;
    o.ptr = &p->cell[i];
    o.dtype = DA_U64;
    o.ndim = 1;
    o.shape = o.strides = &pool_one;
    o.ndata = 1;
    o.data = datum;
    return o;
}

/* One task on one or two cells (second < 0: one) with one by-value argument. */
static inline da_status add(rt_batch *batch, const da_codelet *codelet, pool *p, int first,
                            da_mode first_mode, int second, da_mode second_mode, uint64_t value,
                            unsigned flags, rt_fault *fault, rt_task **task)
{
    rt_operand o[2];
    rt_data *d[2];
    const da_value v = {&value, sizeof value};
    rt_task_desc desc;
    memset(&desc, 0, sizeof desc);
    o[0] = operand(p, &d[0], first, first_mode);
    if (second >= 0)
        o[1] = operand(p, &d[1], second, second_mode);
    desc.codelet = codelet;
    desc.noperands = second >= 0 ? 2 : 1;
    desc.operands = o;
    desc.nvalues = 1;
    desc.values = &v;
    desc.flags = flags;
    desc.fault = fault;
    return rt_batch_add(batch, &desc, task);
}

static inline da_status spawn(const da_codelet *codelet, pool *p, int first, da_mode first_mode, int second,
                              da_mode second_mode, uint64_t value, unsigned flags)
{
    rt_batch batch = RT_BATCH_INIT;
    DA_TRY(add(&batch, codelet, p, first, first_mode, second, second_mode, value, flags, NULL, NULL));
    return rt_batch_commit(&batch);
}

static inline da_status wait_cell(pool *p, int i)
{
    return rt_data_wait_range(&p->data[i], 1, DA_MODE_READ);
}

static inline double seconds_now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void sleep_ms(int ms)
{
    const struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

static inline uint64_t value_of(const da_call *call)
{
    uint64_t v;
    memcpy(&v, call->values[0].data, sizeof v);
    return v;
}

#endif
