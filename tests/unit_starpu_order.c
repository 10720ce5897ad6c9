/* SPDX-License-Identifier: BSD-3-Clause */
/* What StarPU could get wrong: more data a task than it has room for, writers without readers, host access among tasks, codelets that
 * share an address, data that goes while others come. */
#include "unit_runtime.h"
#include <starpu.h>

static da_status increment(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data += 1;
    return DA_OK;
}
static const da_codelet codelet_increment = {.name = "increment", .cpu = increment};

static da_status slowly(const da_call *call)
{
    sleep_ms((int)value_of(call));
    return increment(call);
}
static const da_codelet codelet_slowly = {.name = "slowly", .cpu = slowly};

static da_status set(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data = value_of(call);
    return DA_OK;
}
static const da_codelet codelet_set = {.name = "set", .cpu = set};

static da_status bump(pool *p, int i)
{
    return spawn(&codelet_increment, p, i, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE);
}

/* The first buffer becomes the sum of all. */
static da_status sum(const da_call *call)
{
    uint64_t s = 0;
    for (int i = 0; i < call->nbuffers; i++)
        s += *(const uint64_t *)call->buffers[i].data;
    *(uint64_t *)call->buffers[0].data = s;
    return DA_OK;
}
static const da_codelet codelet_sum = {.name = "sum", .cpu = sum};

START_TEST(many_accesses)
{
    pool *p = pool_new();
    uint64_t reference[CELLS];
    ck_assert_int_gt(CELLS, 2 * STARPU_NMAXBUFS);
    memcpy(reference, p->cell, sizeof reference);
    for (int round = 0; round < 50; round++) {
        const int n = 1 + (round * 7) % CELLS;
        rt_operand o[CELLS];
        rt_data *d[CELLS];
        uint64_t s = 0;
        rt_task_desc desc = {.codelet = &codelet_sum, .noperands = n, .operands = o, .flags = RT_NO_INLINE};
        for (int i = 0; i < n; i++) {
            const int cell = (round + i) % CELLS;
            o[i] = operand(p, &d[i], cell, i == 0 ? DA_MODE_READ_WRITE : DA_MODE_READ);
            s += reference[cell];
        }
        reference[round % CELLS] = s;
        ck_ok(rt_submit(&desc, NULL));
        ck_ok(bump(p, (round + 3) % CELLS));
        reference[(round + 3) % CELLS]++;
    }
    ck_ok(rt_data_wait_range(p->data, CELLS, DA_MODE_READ));
    ck_assert_mem_eq(reference, p->cell, sizeof reference);
    pool_release(p);
}
END_TEST

/* One operand that touches every datum. */
START_TEST(one_wide_operand)
{
    pool *p = pool_new();
    rt_data *d[CELLS];
    for (int i = 0; i < CELLS; i++) {
        d[i] = &p->data[i];
        ck_ok(bump(p, i));
    }
    {
        const uint64_t ms = 20;
        const da_value v = {&ms, sizeof ms};
        rt_operand o = operand(p, &d[0], 0, DA_MODE_READ_WRITE);
        rt_task_desc desc = {.codelet = &codelet_slowly,
                             .noperands = 1,
                             .operands = &o,
                             .nvalues = 1,
                             .values = &v,
                             .flags = RT_NO_INLINE};
        o.ndata = CELLS;
        o.data = d;
        ck_ok(rt_submit(&desc, NULL));
    }
    ck_ok(wait_cell(p, CELLS - 1)); /* the last cell waits for it too */
    ck_assert_uint_eq(p->cell[0], 3);
    pool_release(p);
}
END_TEST

/* Writers that read nothing still wait for readers and writers before them. */
START_TEST(writers)
{
    pool *p = pool_new();
    for (int round = 0; round < 200; round++) {
        ck_ok(spawn(&codelet_set, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, (uint64_t)round, RT_NO_INLINE));
        for (int i = 1; i < 4; i++)
            ck_ok(spawn(&codelet_sum, p, i, DA_MODE_READ_WRITE, 0, DA_MODE_READ, 0, RT_NO_INLINE));
    }
    ck_ok(rt_data_wait_range(p->data, 4, DA_MODE_READ));
    for (int i = 1; i < 4; i++)
        ck_assert_uint_eq(p->cell[i], (uint64_t)i + 1 + 199 * 200 / 2);
    pool_release(p);
}
END_TEST

/* Codelets on the stack: the same address, then another one. */
START_TEST(codelets)
{
    pool *p = pool_new();
    for (int i = 0; i < 600; i++) {
        char name[32];
        da_codelet c = codelet_increment;
        snprintf(name, sizeof name, "kind/%d of tasks", i % 300);
        c.name = name;
        ck_ok(spawn(&c, p, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE));
        ck_ok(wait_cell(p, 0));
    }
    ck_assert_uint_eq(p->cell[0], 601);
    pool_release(p);
}
END_TEST

/* ---- host access ---- */

START_TEST(map_excludes)
{
    pool *p = pool_new();
    rt_data *d[2] = {&p->data[0], &p->data[1]};
    const bool registered = _i & 1, write = _i & 2;
    const da_mode mode = write ? DA_MODE_READ_WRITE : DA_MODE_READ;
    uint64_t number;
    if (registered)
        for (int i = 0; i < 2; i++)
            ck_ok(spawn(&codelet_slowly, p, i, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 5, RT_NO_INLINE));
    ck_ok(rt_data_map(2, d, mode, &number));
    const uint64_t value = registered ? 2 : 1;
    ck_assert_uint_eq(p->cell[0], value);
    ck_assert_uint_eq(p->cell[1], value + 1);
    for (int i = 0; i < 10; i++)
        ck_ok(bump(p, i % 3));
    ck_ok(wait_cell(p, 2)); /* not held */
    ck_assert_uint_eq(p->cell[2], 3 + 3);
    sleep_ms(10);
    ck_assert_uint_eq(p->cell[0], value);
    ck_assert_uint_eq(p->cell[1], value + 1);
    rt_data_unmap(2, d, mode, number);
    ck_ok(rt_data_wait_range(p->data, 3, DA_MODE_READ));
    ck_assert_uint_eq(p->cell[0], value + 4);
    ck_assert_uint_eq(p->cell[1], value + 1 + 3);
    pool_release(p);
}
END_TEST

/* Readers of the host and of tasks go side by side; a writer waits for all of them. */
START_TEST(readers)
{
    pool *p = pool_new();
    rt_data *d = &p->data[0];
    for (int round = 0; round < 50; round++) {
        uint64_t first, second;
        ck_ok(rt_data_map(1, &d, DA_MODE_READ, &first));
        ck_ok(spawn(&codelet_sum, p, 1, DA_MODE_READ_WRITE, 0, DA_MODE_READ, 0, RT_NO_INLINE));
        ck_ok(wait_cell(p, 1));
        ck_ok(rt_data_map(1, &d, DA_MODE_READ, &second));
        ck_ok(bump(p, 0));
        rt_data_unmap(1, &d, DA_MODE_READ, round % 2 ? first : second);
        ck_ok(spawn(&codelet_sum, p, 2, DA_MODE_READ_WRITE, 0, DA_MODE_READ, 0, RT_NO_INLINE));
        ck_assert_uint_eq(p->cell[0], (uint64_t)round + 1);
        rt_data_unmap(1, &d, DA_MODE_READ, round % 2 ? second : first);
    }
    ck_ok(rt_data_wait_range(p->data, 3, DA_MODE_READ));
    ck_assert_uint_eq(p->cell[0], 51);
    ck_assert_uint_eq(p->cell[1], 2 + 50 * 51 / 2);
    ck_assert_uint_eq(p->cell[2], 3 + 50 * 51 / 2 + 50);
    pool_release(p);
}
END_TEST

/* Threads that map several data in opposite orders, and tasks on both data in between: nobody waits for ever. */
static pool *common;

static void *mapper(void *arg)
{
    const int swap = arg != NULL;
    rt_data *d[2] = {&common->data[swap], &common->data[!swap]};
    for (int i = 0; i < 300; i++) {
        const da_mode mode = i % 3 ? DA_MODE_READ_WRITE : DA_MODE_READ;
        uint64_t number;
        ck_ok(rt_data_map(2, d, mode, &number));
        ck_assert_uint_eq(common->cell[0], common->cell[1]);
        if (mode != DA_MODE_READ) {
            common->cell[0]++;
            common->cell[1]++;
        }
        rt_data_unmap(2, d, mode, number);
    }
    return NULL;
}

static da_status both(const da_call *call)
{
    uint64_t *a = call->buffers[0].data, *b = call->buffers[1].data;
    if (*a != *b)
        return DA_ERROR_ARGUMENT;
    *a += 1;
    *b += 1;
    return DA_OK;
}
static const da_codelet codelet_both = {.name = "both", .cpu = both};

static void *spawner(void *arg)
{
    for (int i = 0; i < 1000; i++)
        ck_ok(spawn(&codelet_both, common, i % 2, DA_MODE_READ_WRITE, !(i % 2), DA_MODE_READ_WRITE, 0,
                    i % 3 ? RT_NO_INLINE : 0));
    return arg;
}

START_TEST(crossing_maps)
{
    pthread_t t[4];
    common = pool_new();
    common->cell[0] = common->cell[1] = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, i < 2 ? mapper : spawner, i % 2 ? common : NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_ok(rt_data_wait_range(common->data, 2, DA_MODE_READ));
    ck_assert_uint_eq(common->cell[0], 2 * 200 + 2 * 1000);
    ck_assert_uint_eq(common->cell[1], 2 * 200 + 2 * 1000);
    pool_release(common);
}
END_TEST

/* A map that is held while the runtime stops and starts holds on. */
START_TEST(map_across_restart)
{
    pool *p = pool_new();
    rt_data *d = &p->data[0];
    uint64_t number;
    ck_ok(bump(p, 0));
    ck_ok(rt_data_map(1, &d, DA_MODE_READ_WRITE, &number));
    ck_ok(da_shutdown());
    p->cell[0] = 10;
    ck_ok(bump(p, 0));
    ck_ok(bump(p, 1));
    ck_ok(wait_cell(p, 1));
    sleep_ms(5);
    ck_assert_uint_eq(p->cell[0], 10);
    rt_data_unmap(1, &d, DA_MODE_READ_WRITE, number);
    ck_ok(wait_cell(p, 0));
    ck_assert_uint_eq(p->cell[0], 11);
    pool_release(p);
}
END_TEST

/* ---- coming and going ---- */

/* Owners that are released at once by several threads, so that workers unregister while others register. */
static void *churn(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 300; i++) {
        pool *p = pool_new();
        for (int k = 0; k < 6; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            ck_ok(bump(p, (int)(seed >> 33) % CELLS));
        }
        pool_release(p);
        if (i % 10 == 0)
            ck_ok(bump(common, 0));
    }
    return NULL;
}

START_TEST(release_while_running)
{
    pthread_t t[3];
    common = pool_new();
    for (uintptr_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ck_ok(da_wait_all());
    ck_assert_uint_eq(common->cell[0], 1 + 90);
    pool_release(common);
}
END_TEST

/* Workers that sleep are woken by one task, by many, by the end of a map; and quickly. */
START_TEST(waking)
{
    pool *p = pool_new();
    rt_data *d = &p->data[0];
    double worst = 0;
    for (int round = 0; round < 30; round++) {
        double begin;
        sleep_ms(5);
        begin = seconds_now(CLOCK_MONOTONIC);
        if (round % 3 == 0) {
            ck_ok(bump(p, 0));
        } else if (round % 3 == 1) {
            for (int i = 0; i < 20; i++)
                ck_ok(bump(p, i));
        } else {
            uint64_t number;
            ck_ok(rt_data_map(1, &d, DA_MODE_READ_WRITE, &number));
            ck_ok(bump(p, 0));
            sleep_ms(5);
            begin = seconds_now(CLOCK_MONOTONIC);
            rt_data_unmap(1, &d, DA_MODE_READ_WRITE, number);
        }
        ck_ok(rt_data_wait_range(p->data, CELLS, DA_MODE_READ));
        begin = seconds_now(CLOCK_MONOTONIC) - begin;
        if (begin > worst)
            worst = begin;
    }
    printf("slowest round trip to sleeping workers: %.0f us\n", worst * 1e6);
    ck_assert_double_lt(worst,
                        0.2); /* unwoken ones look after 25 and 250 ms; a busy machine takes its time */
    ck_assert_uint_eq(p->cell[0], 31);
    pool_release(p);
}
END_TEST

DA_TEST_MAIN("starpu's order", DA_CASE("accesses", many_accesses, one_wide_operand, writers, codelets),
             DA_CASE_LOOP("maps", 4, map_excludes),
             DA_CASE("host access", readers, crossing_maps, map_across_restart),
             DA_CASE("life", release_while_running, waking))
