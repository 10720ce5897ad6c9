/* SPDX-License-Identifier: BSD-3-Clause */
/* The order of tasks: random graphs against sequential execution, from several threads, nested, inline; and plain speed. */
#include "unit_runtime.h"

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t mixed(uint64_t x, uint64_t y)
{
    return (x ^ (y + 0x9e3779b97f4a7c15u + (x << 6) + (x >> 2))) * 0x2545f4914f6cdd1du;
}

/* Buffers: the first is written, the others are read. Value: a salt, and for how long to spin. */
typedef struct salt {
    uint64_t salt;
    int spin;
} salt;

static da_status mix(const da_call *call)
{
    const salt *s = call->values[0].data;
    uint64_t *out = call->buffers[0].data;
    uint64_t x = mixed(*out, s->salt);
    for (volatile int i = 0; i < s->spin; i++)
        ;
    for (int i = 1; i < call->nbuffers; i++)
        x = mixed(x, *(const uint64_t *)call->buffers[i].data);
    *out = x;
    return DA_OK;
}
static const da_codelet codelet_mix = {.name = "mix", .cpu = mix};

/* A random task on p, done at once to `reference` as well. */
static void add_random(rt_batch *batch, pool *p, uint64_t *reference, uint64_t *seed, int spin,
                       unsigned flags)
{
    rt_operand o[4];
    rt_data *d[4];
    int cell[4];
    const int n = 1 + (int)(random_next(seed) % 4);
    salt s = {random_next(seed), spin ? (int)(random_next(seed) % (unsigned)spin) : 0};
    da_value v = {&s, sizeof s};
    da_buffer b[4];
    rt_task_desc desc;
    memset(&desc, 0, sizeof desc);
    for (int i = 0; i < n; i++) {
        cell[i] = (int)(random_next(seed) % CELLS);
        o[i] = operand(p, &d[i], cell[i], i == 0 ? DA_MODE_READ_WRITE : DA_MODE_READ);
        b[i].data = &reference[cell[i]];
    }
    desc.codelet = &codelet_mix;
    desc.noperands = n;
    desc.operands = o;
    desc.nvalues = 1;
    desc.values = &v;
    desc.priority = random_next(seed) % 3 ? 0 : (int)(random_next(seed) % 5) - 2;
    desc.flags = flags;
    ck_ok(rt_batch_add(batch, &desc, NULL));
    {
        salt quick = {s.salt, 0};
        da_value value = {&quick, sizeof quick};
        da_call call = {n, 1, b, &value, NULL, NULL, NULL};
        ck_assert_int_eq(mix(&call), DA_OK);
    }
}

static void wait_pool(pool *p)
{
    ck_ok(rt_data_wait_range(p->data, CELLS, DA_MODE_READ_WRITE));
}

static void compare(pool *p, const uint64_t *reference)
{
    for (int i = 0; i < CELLS; i++)
        ck_assert_msg(p->cell[i] == reference[i], "cell %d differs from sequential execution", i);
}

static void fill(uint64_t *reference)
{
    for (int i = 0; i < CELLS; i++)
        reference[i] = (uint64_t)i + 1;
}

/* One thread: batches of several sizes, some of them small enough to run inline. */
START_TEST(random_graph)
{
    uint64_t seed = 88172645463325252u + (uint64_t)_i, reference[CELLS];
    pool *p = pool_new();
    fill(reference);
    for (int round = 0; round < 300; round++) {
        rt_batch batch = RT_BATCH_INIT;
        const int n = 1 + (int)(random_next(&seed) % 20);
        for (int i = 0; i < n; i++)
            add_random(&batch, p, reference, &seed, _i % 2 ? 3000 : 0,
                       random_next(&seed) % 3 ? RT_NO_INLINE : 0);
        ck_ok(rt_batch_commit(&batch));
        ck_assert(batch.count == 0 && !batch.first);
        if (round % 50 == 0) {
            wait_pool(p);
            compare(p, reference);
        }
    }
    wait_pool(p);
    compare(p, reference);
    pool_release(p);
}
END_TEST

/* Several threads, each with data of its own and tasks that read data common to all. */
static pool *common;

static void *user(void *arg)
{
    uint64_t seed = 1234567u + (uint64_t)(uintptr_t)arg, reference[CELLS];
    pool *p = pool_new();
    fill(reference);
    for (int round = 0; round < 400; round++) {
        rt_batch batch = RT_BATCH_INIT;
        const int n = 1 + (int)(random_next(&seed) % 8);
        for (int i = 0; i < n; i++)
            add_random(&batch, p, reference, &seed, 500, random_next(&seed) % 2 ? RT_NO_INLINE : 0);
        {
            rt_operand o[2];
            rt_data *d[2];
            salt s = {1, 0};
            da_value v = {&s, sizeof s};
            rt_task_desc desc = {
                .codelet = &codelet_mix, .noperands = 2, .operands = o, .nvalues = 1, .values = &v};
            const int i = (int)(random_next(&seed) % CELLS), j = (int)(random_next(&seed) % CELLS);
            o[0] = operand(p, &d[0], i, DA_MODE_READ_WRITE);
            o[1] = operand(common, &d[1], j, DA_MODE_READ);
            ck_ok(rt_batch_add(&batch, &desc, NULL));
            reference[i] = mixed(mixed(reference[i], 1), (uint64_t)j + 1);
        }
        ck_ok(rt_batch_commit(&batch));
    }
    wait_pool(p);
    compare(p, reference);
    pool_release(p);
    return NULL;
}

START_TEST(many_threads)
{
    pthread_t t[4];
    common = pool_new();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, user, (void *)(uintptr_t)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    pool_release(common);
}
END_TEST

/* Several threads add one to the same data: nothing is lost, and two data updated by one task never differ. */
static da_status increment(const da_call *call)
{
    uint64_t *a = call->buffers[0].data, *b = call->buffers[1].data;
    const uint64_t x = *a;
    if (*b != x)
        return DA_ERROR_ARGUMENT;
    for (volatile int i = 0; i < 100; i++)
        ;
    *a = x + 1;
    *b = x + 1;
    return DA_OK;
}
static const da_codelet codelet_increment = {.name = "increment", .cpu = increment};

static void *incrementer(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        rt_operand o[2];
        rt_data *d[2];
        const int swap = i % 2;
        rt_task_desc desc = {.codelet = &codelet_increment, .noperands = 2, .operands = o};
        o[0] = operand(common, &d[0], swap, DA_MODE_READ_WRITE);
        o[1] = operand(common, &d[1], !swap, DA_MODE_READ_WRITE);
        desc.flags = i % 3 ? 0 : RT_NO_INLINE;
        ck_ok(rt_submit(&desc, NULL));
    }
    return arg;
}

START_TEST(shared_counters)
{
    pthread_t t[4];
    common = pool_new();
    common->cell[0] = common->cell[1] = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, incrementer, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_ok(rt_data_wait_range(common->data, 2, DA_MODE_READ));
    ck_assert_uint_eq(common->cell[0], 8000);
    ck_assert_uint_eq(common->cell[1], 8000);
    pool_release(common);
}
END_TEST

/* Tasks that spawn tasks: waiting sees them all, and each spawn takes its place in the order as it happens. */
static pool *nested_pool;

static da_status spawner(const da_call *call)
{
    const salt *s = call->values[0].data;
    rt_operand o;
    rt_data *d;
    rt_task_desc desc = {.codelet = &codelet_mix, .noperands = 1, .operands = &o, .nvalues = 1};
    salt next = {s->salt, 200};
    da_value v = {&next, sizeof next};
    desc.values = &v;
    desc.flags = RT_NO_INLINE;
    o = operand(nested_pool, &d, 1, DA_MODE_READ_WRITE);
    if (!rt_in_task() || rt_check_may_wait("test") != DA_ERROR_STATE)
        return DA_ERROR_STATE;
    return rt_submit(&desc, NULL);
}
static const da_codelet codelet_spawner = {.name = "spawner", .cpu = spawner};

START_TEST(nested)
{
    uint64_t expected = 2;
    nested_pool = pool_new();
    for (int i = 0; i < 500; i++) {
        rt_operand o;
        rt_data *d;
        salt s = {(uint64_t)i, 0};
        da_value v = {&s, sizeof s};
        rt_task_desc desc = {
            .codelet = &codelet_spawner, .noperands = 1, .operands = &o, .nvalues = 1, .values = &v};
        desc.flags = RT_NO_INLINE;
        o = operand(nested_pool, &d, 0, DA_MODE_READ_WRITE);
        ck_ok(rt_submit(&desc, NULL));
        expected = mixed(expected, (uint64_t)i);
    }
    ck_ok(da_wait_all());
    ck_assert(nested_pool->cell[1] == expected);
    pool_release(nested_pool);
}
END_TEST

/* The owner lives as long as its last task, and no longer. */
START_TEST(owner_lives)
{
    _Atomic(int) destroyed = 0;
    uint64_t seed = 99, reference[CELLS];
    rt_batch batch = RT_BATCH_INIT;
    pool *p = pool_new();
    p->destroyed = &destroyed;
    fill(reference);
    for (int i = 0; i < 50; i++)
        add_random(&batch, p, reference, &seed, 10000, RT_NO_INLINE);
    ck_ok(rt_batch_commit(&batch));
    pool_release(p);
    ck_ok(da_wait_all());
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

/* A batch that is given up runs nothing and holds nothing. */
START_TEST(abandoned)
{
    _Atomic(int) destroyed = 0;
    uint64_t seed = 99, reference[CELLS];
    rt_batch batch = RT_BATCH_INIT;
    pool *p = pool_new();
    p->destroyed = &destroyed;
    fill(reference);
    for (int i = 0; i < 50; i++)
        add_random(&batch, p, reference, &seed, 0, 0);
    rt_batch_abandon(&batch);
    ck_assert(!batch.first && batch.count == 0);
    for (int i = 0; i < CELLS; i++)
        ck_assert(p->cell[i] == (uint64_t)i + 1);
    pool_release(p);
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

/* Host access is a place in the order like any other. */
START_TEST(mapped)
{
    pool *p = pool_new();
    rt_data *list[CELLS];
    for (int i = 0; i < CELLS; i++)
        list[i] = &p->data[i];
    for (int round = 0; round < 200; round++) {
        uint64_t seen[CELLS];
        uint64_t seed = (uint64_t)round + 7, reference[CELLS], number;
        rt_batch batch = RT_BATCH_INIT;
        memcpy(reference, p->cell, sizeof reference);
        for (int i = 0; i < 10; i++)
            add_random(&batch, p, reference, &seed, 1000, round % 2 ? RT_NO_INLINE : 0);
        ck_ok(rt_batch_commit(&batch));
        ck_ok(rt_data_map(CELLS, list, DA_MODE_READ_WRITE, &number));
        compare(p, reference);
        memcpy(seen, p->cell, sizeof seen);
        {
            rt_batch later = RT_BATCH_INIT;
            for (int i = 0; i < 5; i++)
                add_random(&later, p, reference, &seed, 0, round % 3 ? RT_NO_INLINE : 0);
            ck_ok(rt_batch_commit(&later));
        }
        for (volatile int i = 0; i < 2000; i++)
            ;
        ck_assert_mem_eq(seen, p->cell, sizeof seen);
        rt_data_unmap(CELLS, list, DA_MODE_READ_WRITE, number);
        wait_pool(p);
        compare(p, reference);
    }
    pool_release(p);
}
END_TEST

DA_TEST_MAIN("tracker", DA_CASE_LOOP("random graphs", 4, random_graph),
             DA_CASE("threads", many_threads, shared_counters), DA_CASE("nesting", nested),
             DA_CASE("owners", owner_lives, abandoned), DA_CASE("host access", mapped))
