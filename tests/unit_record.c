/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks recorded, and replayed on other numbers of workers: makespans that are known exactly, and one that is measured. */
#include "runtime/replay.h"
#include "unit_runtime.h"

#include <math.h>

/* ---- graphs by hand ---- */

enum { MOST = 4096 };

static record_task tasks[MOST];
static record_access accesses[4 * MOST];
static double seconds[MOST];
static record by_hand;

static void new_graph(void)
{
    by_hand = (record){.tasks = tasks, .accesses = accesses};
}

/* Data are letters: upper case is written, lower case read. */
static void task(double time, int priority, const char *data)
{
    tasks[by_hand.ntasks] = (record_task){
        .name = "x", .priority = priority, .access = by_hand.naccesses, .naccesses = (int)strlen(data)};
    seconds[by_hand.ntasks++] = time;
    for (; *data; data++) {
        const bool written = *data >= 'A' && *data <= 'Z';
        const int64_t datum = *data - (written ? 'A' : 'a');
        accesses[by_hand.naccesses++] = (record_access){datum, written ? DA_MODE_READ_WRITE : DA_MODE_READ};
        by_hand.ndata = datum >= by_hand.ndata ? datum + 1 : by_hand.ndata;
    }
}

#define ck_replay(workers, makespan, longest)                                                                \
    do {                                                                                                     \
        replay_result p_;                                                                                    \
        ck_ok(replay(&by_hand, seconds, 0, workers, &p_));                                                   \
        ck_assert_msg(fabs(p_.seconds - (makespan)) < 1e-9 && fabs(p_.path - (longest)) < 1e-9,              \
                      "on %d workers: %g seconds instead of %g, path %g instead of %g", workers, p_.seconds, \
                      (double)(makespan), p_.path, (double)(longest));                                       \
    } while (0)

START_TEST(no_tasks)
{
    new_graph();
    ck_replay(4, 0, 0);
}
END_TEST

START_TEST(independent)
{
    new_graph();
    for (int i = 0; i < 7; i++)
        task(1, 0, "");
    ck_replay(1, 7, 1);
    ck_replay(2, 4, 1);
    ck_replay(3, 3, 1);
    ck_replay(7, 1, 1);
    ck_replay(100, 1, 1);
}
END_TEST

START_TEST(chains)
{
    new_graph();
    task(1, 0, "A");
    task(2, 0, "A");
    task(3, 0, "A");
    task(4, 0, "B");
    ck_replay(1, 10, 6);
    ck_replay(2, 6, 6);
    ck_replay(8, 6, 6);
}
END_TEST

/* A writer, readers side by side, a writer that waits for them all; readers of what nobody wrote wait for nobody. */
START_TEST(readers)
{
    new_graph();
    task(1, 0, "A");
    task(2, 0, "a");
    task(3, 0, "a");
    task(2, 0, "a");
    task(1, 0, "A");
    task(1, 0, "ab");
    task(1, 0, "b");
    ck_replay(3, 6, 6);
    ck_replay(1, 11, 6);
    /* 1: writer | b; 2-3: two readers; 4-5: 3 long, third reader 3-5; writer; reader */
    ck_replay(2, 7, 6);
}
END_TEST

START_TEST(priorities)
{
    new_graph();
    task(1, 0, "");
    task(1, 0, "");
    task(2, 0, "");
    ck_replay(2, 3, 2); /* as committed */
    new_graph();
    task(1, 0, "");
    task(1, 0, "");
    task(2, 1, "");
    ck_replay(2, 2, 2);
    new_graph();
    task(2, -1, ""); /* below the usual */
    task(1, 0, "");
    task(1, 0, "");
    ck_replay(2, 3, 2);
}
END_TEST

/* With equal priorities that are not 0 the order of commits counts, with 0 the order in which tasks became ready. */
START_TEST(orders)
{
    for (int priority = 0; priority < 2; priority++) {
        new_graph();
        task(2, 3, "A"); /* worker 1: 0-2 */
        task(1, 2, "");  /* worker 2: 0-1, 1-3 */
        task(2, 2, "");
        task(5, priority, "a"); /* ready at 2, committed before the next */
        task(5, priority, "a");
        task(1, priority, ""); /* ready at once */
        /* worker 1 goes on with the first "a" only if nothing more urgent is ready; the last one is as urgent */
        /* 2-7 first a; at 3: by readiness the short one 3-4, then 4-9; by commits 3-8, the short one 7-8 */
        ck_replay(2, priority ? 8 : 9, 7);
    }
}
END_TEST

/* A worker goes on with what it made ready, but not before something more urgent. */
START_TEST(handing_over)
{
    new_graph();
    task(1, 5, "A");
    task(1, 0, "a"); /* made ready by the first task's worker, which prefers the next */
    task(3, 1, "");
    task(1, 4, "B");
    task(1, 1, "b"); /* as urgent as the one above: taken at once by the worker that made it ready */
    /* 0-1: first and fourth; 1: the first's worker takes the long one, the fourth's its own, then the rest */
    ck_replay(2, 4, 3);
    ck_replay(1, 7, 3);
}
END_TEST

START_TEST(commits)
{
    new_graph();
    task(1, 0, "A");
    task(1, 0, "a");
    task(1, 0, "");
    tasks[1].committed = tasks[2].committed = 5;
    ck_replay(4, 6, 2);
    ck_replay(1, 7, 2);
}
END_TEST

START_TEST(overheads)
{
    replay_result p;

    new_graph();
    task(1, 0, "A");
    task(1, 0, "A");
    ck_ok(replay(&by_hand, seconds, 0.25, 4, &p));
    ck_assert_msg(fabs(p.seconds - 2.5) < 1e-9 && fabs(p.path - 2.5) < 1e-9 && fabs(p.work - 2) < 1e-9,
                  "%g seconds, path %g, work %g", p.seconds, p.path, p.work);
}
END_TEST

START_TEST(kernels)
{
    replay_result p;

    new_graph();
    task(3, 0, "A");
    task(1, 0, "A");
    task(2, 0, "B");
    tasks[1].name = "y";
    ck_ok(replay(&by_hand, seconds, 0, 2, &p));
    ck_assert_int_eq(p.nkernels, 2);
    ck_assert_str_eq(p.kernels[0].name, "x");
    ck_assert_int_eq((int)p.kernels[0].tasks, 2);
    ck_assert_int_eq((int)p.kernels[0].path_tasks, 1);
    ck_assert(fabs(p.kernels[0].seconds - 5) < 1e-9 && fabs(p.kernels[0].path_seconds - 3) < 1e-9);
    ck_assert_str_eq(p.kernels[1].name, "y");
    ck_assert(fabs(p.kernels[1].seconds - 1) < 1e-9 && fabs(p.kernels[1].path_seconds - 1) < 1e-9);
}
END_TEST

/* On a machine with devices, by hand: 1 CPU, devices ten times faster, data of 8e9 bytes over a bus of 1e9 a second. */
static replay_result on_devices(int workers, int ndevices, double latency)
{
    static double both[MOST][DA_DEVICE_KINDS], bytes[26];
    const replay_machine machine = {.workers = workers,
                                    .devices = {[DA_DEVICE_CUDA] = ndevices},
                                    .bytes = bytes,
                                    .latency = latency,
                                    .bandwidth = 1e9};
    replay_result p;

    for (int64_t i = 0; i < by_hand.ntasks; i++) {
        both[i][DA_DEVICE_CPU] = seconds[i];
        both[i][DA_DEVICE_CUDA] = strcmp(tasks[i].name, "cpu") == 0 ? 0 : seconds[i] / 10;
    }
    for (int i = 0; i < 26; i++)
        bytes[i] = 8e9;
    ck_ok(replay_on(&by_hand, (const double(*)[DA_DEVICE_KINDS])both, 0, &machine, &p));
    return p;
}

#define ck_time(p, expected)                                                                                 \
    do {                                                                                                     \
        const double t_ = (p).seconds;                                                                       \
        ck_assert_msg(fabs(t_ - (expected)) < 1e-9, "%g seconds instead of %g", t_, (double)(expected));     \
    } while (0)

START_TEST(devices)
{
    /* a chain on one datum: brought there once, at 8 s */
    new_graph();
    task(100, 0, "A");
    task(100, 0, "A");
    ck_time(on_devices(1, 0, 0), 200);
    ck_time(on_devices(1, 1, 0), 28);
    ck_time(on_devices(1, 1, 1), 29);
    /* a task too short to be worth that */
    new_graph();
    task(5, 0, "A");
    ck_time(on_devices(1, 1, 0), 5);
    /* there and back: what the CPU alone can do */
    new_graph();
    task(100, 0, "A");
    task(3, 0, "A");
    tasks[1].name = "cpu";
    ck_time(on_devices(1, 1, 0), 8 + 10 + 8 + 3);
    /* independent ones: 10 devices' worth of speed beside the CPU, which gets the last of them */
    new_graph();
    for (int i = 0; i < 11; i++)
        task(10, 0, "");
    ck_time(on_devices(1, 1, 0), 10);
    ck_time(on_devices(1, 2, 0), 6);
    /* written on one device, read on two: by way of the host */
    new_graph();
    task(1000, 0, "A");
    task(1000, 0, "aB");
    task(1000, 0, "aC");
    ck_time(on_devices(1, 2, 0), 8 + 100 + 16 + 8 + 100);
    const replay_result p = on_devices(1, 2, 0);
    ck_assert_msg(fabs(p.path - 200) < 1e-9 && fabs(p.work - 300) < 1e-9, "path %g, work %g", p.path, p.work);
}
END_TEST

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Graham: no list schedule is shorter than the path or the work's share, or longer than a sum of the two. */
START_TEST(bounds)
{
    for (int round = 0; round < 20; round++) {
        new_graph();
        for (int i = 0; i < 500; i++) {
            char data[4] = "";
            for (int k = 0; k < (int)(next_random() % 4); k++) {
                data[k] = (char)((next_random() % 2 ? 'a' : 'A') + 4 * (int)(next_random() % 6) + k);
                data[k + 1] = '\0';
            }
            task(1 + (double)(next_random() % 1000) / 100, (int)(next_random() % 5) - 1, data);
        }
        for (int workers = 1; workers <= 64; workers *= 4) {
            replay_result p;
            ck_ok(replay(&by_hand, seconds, 0, workers, &p));
            const double share = p.work / workers;
            ck_assert_msg(p.seconds > fmax(share, p.path) * (1 - 1e-9) &&
                              p.seconds < share + p.path * (1 - 1. / workers) + 1e-9 * share,
                          "%d workers: %g seconds, work %g, path %g", workers, p.seconds, p.work, p.path);
        }
    }
}
END_TEST

/* ---- tasks that run ---- */

static da_status spin(const da_call *call)
{
    const double until = seconds_now(CLOCK_THREAD_CPUTIME_ID) + 1e-6 * (double)value_of(call);

    while (seconds_now(CLOCK_THREAD_CPUTIME_ID) < until)
        ;
    return DA_OK;
}

static da_status doze(const da_call *call)
{
    const struct timespec t = {0, 1000 * (long)value_of(call)};

    nanosleep(&t, NULL);
    return DA_OK;
}

static double flops(const da_call *call)
{
    return 7 * (double)value_of(call);
}

static const da_codelet spinning = {.name = "spin", .cpu = spin, .nvalues = 1, .flops = flops},
                        dozing = {.name = "doze", .cpu = doze, .nvalues = 1};

/* One writer, four readers, then a task that waits for all of them; and one that waits for nothing. `us`: time of each. */
static da_status submit(pool *p, const da_codelet *codelet, uint64_t us)
{
    rt_batch batch = RT_BATCH_INIT;

    DA_TRY(add(&batch, codelet, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, us, RT_NO_INLINE, NULL, NULL));
    for (int i = 1; i <= 4; i++)
        DA_TRY(add(&batch, codelet, p, 0, DA_MODE_READ, i, DA_MODE_WRITE, us, RT_NO_INLINE, NULL, NULL));
    DA_TRY(add(&batch, codelet, p, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, us, RT_NO_INLINE, NULL, NULL));
    DA_TRY(add(&batch, codelet, p, 9, DA_MODE_WRITE, -1, DA_MODE_READ, us, RT_NO_INLINE, NULL, NULL));
    return rt_batch_commit(&batch);
}
enum { SUBMITTED = 7 };

START_TEST(recorded)
{
    pool *const p = pool_new();
    double ones[2 * SUBMITTED];
    record r;
    replay_result result;

    ck_ok(submit(p, &spinning, 10)); /* before: not recorded, but its data have numbers */
    for (int round = 0; round < 2; round++) {
        ck_ok(record_begin(false));
        ck_fails(record_begin(false), DA_ERROR_STATE, "already");
        ck_ok(submit(p, &spinning, 2000));
        ck_ok(submit(p, &spinning, 1000));
        ck_ok(record_end(&r));
        ck_fails(record_end(&r), DA_ERROR_STATE, "nothing");
        ck_ok(submit(p, &spinning, 10));
        ck_assert_int_eq((int)r.ntasks, 2 * SUBMITTED);
        ck_assert_int_eq((int)r.ndata, 6);
        ck_assert_int_eq((int)r.naccesses, 2 * (3 + 4 * 2));
        for (int i = 0; i < 2 * SUBMITTED; i++) {
            const record_task *const t = &r.tasks[i];
            const double expected = i < SUBMITTED ? 2e-3 : 1e-3;
            ck_assert_str_eq(t->name, "spin");
            ck_assert_msg(t->cpu_seconds >= expected && t->seconds > 0.9 * t->cpu_seconds,
                          "task %d: %g s, %g of them CPU time, instead of %g", i, t->seconds, t->cpu_seconds,
                          expected);
            ck_assert(t->flops == 7e6 * expected);
            ck_assert(t->bytes == (i % SUBMITTED >= 1 && i % SUBMITTED <= 4 ? 16 : 8));
            ck_assert(t->committed >= 0);
            ones[i] = 1;
        }
        ck_assert(r.tasks[SUBMITTED - 1].committed <= r.tasks[SUBMITTED].committed);
        for (int i = 0; i < 2 * SUBMITTED; i++)
            r.tasks[i].committed = 0;
        /* in each half: 3 layers of 1, 4, 1 and the one outside */
        ck_ok(replay(&r, ones, 0, 8, &result));
        ck_assert_msg(result.seconds == 6 && result.path == 6, "%g seconds", result.seconds);
        ck_ok(replay(&r, ones, 0, 1, &result));
        ck_assert_msg(result.seconds == 2 * SUBMITTED, "%g seconds", result.seconds);
        record_free(&r);
    }
    pool_release(p);
}
END_TEST

/* Of each kind the first 32 and every 64th run. */
START_TEST(sampled)
{
    enum { N = 200 };
    pool *const p = pool_new();
    int skipped[2] = {0};
    record r;

    ck_ok(record_begin(true));
    for (uint64_t i = 0; i < N; i++) {
        ck_ok(spawn(&spinning, p, 1, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 100, RT_NO_INLINE));
        ck_ok(spawn(&spinning, p, 1, DA_MODE_READ_WRITE, 2, DA_MODE_READ, 300, RT_NO_INLINE));
        ck_ok(spawn(&dozing, p, 3, DA_MODE_WRITE, -1, DA_MODE_READ, 1, RT_NO_INLINE)); /* computes nothing */
    }
    ck_ok(record_end(&r));
    ck_assert_int_eq((int)r.ntasks, 3 * N);
    for (int i = 0; i < 3 * N; i++) {
        const record_task *const t = &r.tasks[i];
        ck_assert_uint_eq(t->kind, r.tasks[i % 3].kind);
        ck_assert(i % 3 < 2 || !t->skipped);
        if (i % 3 == 2)
            continue;
        skipped[i % 3] += t->skipped;
        ck_assert_msg(t->cpu_seconds >= (i % 3 ? 300e-6 : 100e-6) &&
                          t->cpu_seconds == r.tasks[i % 3].cpu_seconds,
                      "task %d took %g s", i, t->cpu_seconds);
    }
    ck_assert_uint_ne(r.tasks[0].kind, r.tasks[1].kind);
    ck_assert_int_eq(skipped[0], N - 32 - 3);
    ck_assert_int_eq(skipped[1], N - 32 - 3);
    record_free(&r);
    pool_release(p);
}
END_TEST

/* Expressions of one shape are of one kind only if they compute the same. */
START_TEST(expressions)
{
    enum { SAME = 3, DIFFERENT = 4 };
    DA_AUTO da_array *a = NULL;
    record r;

    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(300, 300)));
    ck_ok(da_blocks(DA_SHAPE(300, 300)));
    ck_ok(record_begin(false));
    for (int i = 0; i < SAME; i++) {
        DA_AUTO da_array *sum = NULL, *quotient = NULL, *total = NULL, *largest = NULL;
        ck_ok(da_eval(&sum, da_add(a, a)));
        ck_ok(da_eval(&quotient, da_divide(a, a)));
        ck_ok(da_sum(&total, a, DA_ALL, 0));
        ck_ok(da_max(&largest, a, DA_ALL, 0));
        ck_ok(da_wait_all());
    }
    ck_ok(record_end(&r));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_assert_int_eq((int)r.ntasks, SAME * DIFFERENT);
    for (int i = 0; i < SAME * DIFFERENT; i++)
        for (int k = 0; k < i; k++)
            ck_assert_msg((r.tasks[i].kind == r.tasks[k].kind) == (i % DIFFERENT == k % DIFFERENT),
                          "%s %d and %s %d", r.tasks[i].name, i, r.tasks[k].name, k);
    record_free(&r);
}
END_TEST

/* The median over tasks, so that a machine that is busy now and then does not matter. */
START_TEST(overhead_of_a_task)
{
    pool *const p = pool_new();
    record r;

    ck_ok(record_begin(false));
    for (int i = 0; i < 50; i++)
        ck_ok(submit(p, &spinning, 1));
    ck_ok(record_end(&r));
    ck_assert_msg(record_overhead(&r) > 0 && record_overhead(&r) < 1e-3, "%g seconds", record_overhead(&r));
    record_free(&r);
    pool_release(p);
}
END_TEST

/* Recorded on one worker, the same graph takes on two what was predicted. Tasks sleep, so that a busy machine matters little; and there are
 * several tries. */
START_TEST(two_workers)
{
    enum { TRIES = 5, ROUNDS = 4 };
    pool *const p = pool_new();
    double ratio = 0, predicted, times[SUBMITTED * ROUNDS];
    replay_result result;
    record r;

    for (int i = 0; i < TRIES && !(ratio > 0.8 && ratio < 1.25); i++) {
        ck_ok(da_shutdown());
        ck_ok(da_init(NULL, 1));
        ck_ok(record_begin(false));
        for (int k = 0; k < ROUNDS; k++)
            ck_ok(submit(p, &dozing, 2000));
        ck_ok(record_end(&r));
        for (int64_t k = 0; k < r.ntasks; k++)
            times[k] = r.tasks[k].seconds;
        ck_ok(replay(&r, times, record_overhead(&r), 2, &result));
        predicted = result.seconds;
        record_free(&r);

        ck_ok(da_shutdown());
        ck_ok(da_init(NULL, 2));
        const double begin = seconds_now(CLOCK_MONOTONIC);
        for (int k = 0; k < ROUNDS; k++)
            ck_ok(submit(p, &dozing, 2000));
        ck_ok(da_wait_all());
        ratio = (seconds_now(CLOCK_MONOTONIC) - begin) / predicted;
    }
    ck_assert_msg(ratio > 0.8 && ratio < 1.25, "two workers took %.2f of what was predicted", ratio);
    pool_release(p);
}
END_TEST

/* ---- shapes for other machines ---- */

START_TEST(shapes)
{
    da_array *a = NULL, *b = NULL;

    rt_shape_for_workers(64);
    ck_assert_int_eq(rt_workers_for_shaping(), 64);
    ck_ok(da_empty(&a, DA_F64, DA_SHAPE(4096, 4096)));
    rt_shape_for_workers(0);
    ck_assert_int_lt(rt_workers_for_shaping(), 64);
    ck_ok(da_empty(&b, DA_F64, DA_SHAPE(4096, 4096)));
    ck_assert_int_lt((int)da_array_blocks(a).dim[0], (int)da_array_blocks(b).dim[0]);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

DA_TEST_MAIN("record",
             DA_CASE("by hand", no_tasks, independent, chains, readers, priorities, orders, handing_over,
                     commits, overheads, kernels, devices, bounds),
             DA_CASE("recorded", recorded, sampled, expressions, overhead_of_a_task, two_workers),
             DA_CASE("shapes", shapes))
