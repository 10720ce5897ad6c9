/* SPDX-License-Identifier: BSD-3-Clause */
/* The runtime as a guest of its process: idle, fork, exit, shutdown and restart, the user's own threads and regions. */
#include "unit_runtime.h"
#include "base/base.h"
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static da_status increment(const da_call *call)
{
    for (uint64_t i = value_of(call); i > 0; i--)
        __asm__ __volatile__("");
    *(uint64_t *)call->buffers[0].data += 1;
    return DA_OK;
}
static const da_codelet codelet_increment = {.name = "increment", .cpu = increment};

static da_status sleeping(const da_call *call)
{
    sleep_ms((int)value_of(call));
    *(uint64_t *)call->buffers[0].data += 1;
    return DA_OK;
}
static const da_codelet codelet_sleeping = {.name = "sleeping", .cpu = sleeping};

static da_status bump(pool *p, int i, uint64_t work)
{
    return spawn(&codelet_increment, p, i, DA_MODE_READ_WRITE, -1, DA_MODE_READ, work, RT_NO_INLINE);
}

static double cpu_used(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

START_TEST(idle)
{
    /* A worker that polls takes 2 s. A bare wake-up takes up to 0.4 ms on virtual machines whose memory has been idle. */
    const double limit = 0.06;
    pool *p = pool_new();
    double used = 1;
    for (int i = 0; i < 10000; i++)
        ck_ok(bump(p, i % CELLS, 100));
    ck_ok(da_wait_all());
    sleep_ms(100);
    for (int window = 0; window < 3 && used >= limit;
         window++) { /* a busy machine is late in coming to rest */
        const double before = cpu_used();
        sleep_ms(2000);
        used = cpu_used() - before;
    }
    ck_assert_msg(used < limit, "%.3f s of CPU in two idle seconds", used);
    pool_release(p);
}
END_TEST

START_TEST(restart)
{
    pool *p = pool_new();
    char first[16];
    da_stats stats;
    snprintf(first, sizeof first, "%s", da_runtime_name());
    ck_ok(da_shutdown());
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            ck_ok(bump(p, i % CELLS, 1000));
        ck_assert_str_eq(da_runtime_name(), first);
        da_get_stats(&stats);
        ck_assert_int_eq(stats.tasks_submitted, 100);
        ck_ok(da_shutdown());
        ck_ok(da_shutdown());
    }
    /* the values are there without a runtime, and inline work starts none */
    ck_ok(rt_data_wait_range(p->data, CELLS, DA_MODE_READ));
    for (int i = 0; i < CELLS; i++)
        ck_assert_uint_eq(p->cell[i], (uint64_t)i + 1 + 5 * (100 / CELLS + (i < 100 % CELLS)));
    if (config_get()->inline_tasks)
        ck_ok(spawn(&codelet_increment, p, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, 0));
    ck_ok(da_init(NULL, 1));
    ck_assert_int_eq(da_num_workers(), 1);
    ck_fails(da_init(NULL, 3), DA_ERROR_STATE, "runs already with 1 workers");
    ck_ok(da_init(NULL, 0));
    ck_ok(da_init(first, 1));
    ck_ok(bump(p, 0, 0));
    ck_ok(da_shutdown());
    ck_fails(da_init("cray", 0), DA_ERROR_ARGUMENT, "cray");
    ck_fails(da_init(NULL, -1), DA_ERROR_ARGUMENT, "-1 workers");
    pool_release(p);
}
END_TEST

/* The runtime stops at the moment when a worker gives up looking for work. */
START_TEST(stop_at_any_moment)
{
    pool *p = pool_new();
    const int rounds =
        strcmp(da_runtime_name(), "openmp") == 0 ? 2000 : 200; /* StarPU takes longer to start */
    ck_ok(da_shutdown());
    for (int i = 0; i < rounds; i++) {
        ck_ok(da_init(NULL, 2));
        ck_ok(bump(p, i % CELLS, 0));
        ck_ok(da_wait_all());
        const double begin = seconds_now(CLOCK_MONOTONIC);
        while (seconds_now(CLOCK_MONOTONIC) - begin < 1e-6 * (i % 100))
            ;
        ck_ok(da_shutdown());
    }
    pool_release(p);
}
END_TEST

/* Data goes on from one runtime to the other. */
START_TEST(other_runtime)
{
    pool *p = pool_new();
    rt_data *d = &p->data[3];
    uint64_t number;
    ck_ok(da_shutdown());
    ck_ok(da_init("openmp", 2));
    ck_ok(bump(p, 3, 0));
    ck_ok(rt_data_map(1, &d, DA_MODE_READ, &number)); /* host access that is held goes along */
    ck_ok(da_shutdown());
    if (da_init("starpu", 2) == DA_OK) {
        rt_task *task;
        rt_batch batch = RT_BATCH_INIT;
        ck_assert_str_eq(da_runtime_name(), "starpu");
        ck_ok(add(&batch, &codelet_increment, p, 3, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE,
                  NULL, &task));
        ck_ok(rt_batch_commit(&batch));
        sleep_ms(20);
        ck_assert(!rt_task_done(task));
        ck_assert_uint_eq(p->cell[3], 5);
        rt_data_unmap(1, &d, DA_MODE_READ, number);
        ck_ok(rt_task_wait(task));
        rt_task_release(task);
        ck_ok(da_shutdown());
    } else {
        rt_data_unmap(1, &d, DA_MODE_READ, number);
        ck_ok(bump(p, 3, 0));
        ck_ok(da_shutdown());
    }
    ck_assert_uint_eq(p->cell[3], 6);
    pool_release(p);
}
END_TEST

/* Exit status of a child, which must end within `seconds`; -1 if it did not. */
static int child_status(pid_t child, double seconds)
{
    const double begin = seconds_now(CLOCK_MONOTONIC);
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (seconds_now(CLOCK_MONOTONIC) - begin > seconds) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        sleep_ms(2);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What a child may do: numbers say where it went wrong. */
static int in_child(pool *p, bool started)
{
    void *memory;
    if (wait_cell(p, 0) != DA_OK && wait_cell(p, 0) != DA_ERROR_FORKED)
        return 1;
    /* inline work on idle data goes on */
    if (started) {
        if (bump(p, 1, 0) != DA_ERROR_FORKED || !strstr(da_error(), "forked"))
            return 3;
        if (da_wait_all() != DA_ERROR_FORKED || da_shutdown() != DA_ERROR_FORKED ||
            da_init(NULL, 0) != DA_ERROR_FORKED)
            return 4;
    } else {
        if (bump(p, 1, 0) != DA_OK || wait_cell(p, 1) != DA_OK || da_shutdown() != DA_OK)
            return 5;
    }
    if (data_alloc(&memory, 100000) != DA_OK)
        return 6;
    data_free(memory, 100000);
    return 0;
}

START_TEST(fork_started)
{
    pool *p = pool_new();
    ck_ok(bump(p, 0, 0));
    ck_ok(da_wait_all());
    for (int i = 0; i < 20; i++) {
        pid_t child;
        for (int k = 2; k < CELLS; k++) /* in flight while it forks */
            ck_ok(bump(p, k, 20000));
        child = fork();
        if (child == 0)
            _exit(in_child(p, true));
        ck_assert_int_eq(child_status(child, 20), 0);
    }
    ck_ok(da_wait_all());
    ck_assert_uint_eq(p->cell[2], 23);
    pool_release(p);
}
END_TEST

START_TEST(fork_inline)
{
    pool *p = pool_new();
    pid_t child;
    ck_ok(bump(p, 0, 0));
    ck_ok(da_wait_all());
    child = fork();
    if (child == 0) {
        if (!config_get()->inline_tasks)
            _exit(0);
        if (strcmp(da_runtime_name(), "openmp") != 0)
            _exit(0);
        if (spawn(&codelet_increment, p, 5, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, 0) != DA_OK ||
            p->cell[5] != 7)
            _exit(1);
        _exit(wait_cell(p, 5) != DA_OK);
    }
    ck_assert_int_eq(child_status(child, 20), 0);
    pool_release(p);
}
END_TEST

START_TEST(fork_stopped)
{
    pool *p = pool_new();
    pid_t child;
    ck_ok(bump(p, 0, 0));
    ck_ok(da_shutdown());
    child = fork();
    if (child == 0)
        _exit(in_child(p, false));
    ck_assert_int_eq(child_status(child, 20), 0);
    pool_release(p);
}
END_TEST

/* Exit with tasks running, waiting and queued; by the main thread, and from inside a task. */
static da_status exiting(const da_call *call)
{
    (void)call;
    exit(7);
}
static const da_codelet codelet_exiting = {.name = "exiting", .cpu = exiting};

static void exit_child(int how)
{
    pool *p = pool_new();
    if (da_init(NULL, 2) != DA_OK)
        _exit(50);
    for (int i = 0; i < 40; i++)
        if (spawn(&codelet_sleeping, p, i % 3, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 30, RT_NO_INLINE) !=
            DA_OK)
            _exit(51);
    if (how == 1) {
        if (spawn(&codelet_exiting, p, 5, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 30, RT_NO_INLINE) != DA_OK)
            _exit(52);
        sleep_ms(20000);
    }
    if (how == 2) { /* idle */
        if (da_wait_all() != DA_OK)
            _exit(53);
    }
    exit(7);
}

START_TEST(exit_without_shutdown)
{
    pid_t child;
    ck_ok(da_shutdown());
    child = fork();
    if (child == 0)
        exit_child(_i);
    ck_assert_int_eq(child_status(child, 20), 7);
}
END_TEST

/* From inside the user's own parallel region, with all of its threads busy. */
START_TEST(user_region)
{
    pool *p = pool_new();
    int failures = 0;
#pragma omp parallel num_threads(4) reduction(+ : failures)
    {
        for (int i = 0; i < 500; i++) {
            if (bump(p, i % 4, 200) != DA_OK)
                failures++;
            if (i % 50 == 0 && wait_cell(p, i % 4) != DA_OK)
                failures++;
        }
    }
    ck_assert_int_eq(failures, 0);
    ck_ok(da_wait_all());
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(p->cell[i], (uint64_t)i + 1 + 500);
    pool_release(p);
}
END_TEST

/* Who runs tasks is bound; who waits for them is not, nor are threads that the user starts later. */
static da_status where(const da_call *call)
{
    cpu_set_t set;
    sigset_t signals;
    sched_getaffinity(0, sizeof set, &set);
    pthread_sigmask(SIG_SETMASK, NULL, &signals);
    ((uint64_t *)call->buffers[0].data)[0] =
        (uint64_t)CPU_COUNT(&set) + (sigismember(&signals, SIGUSR1) ? 1000 : 0);
    return DA_OK;
}
static const da_codelet codelet_where = {.name = "where", .cpu = where};

static void *count_cpus(void *out)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    *(int *)out = CPU_COUNT(&set);
    return NULL;
}

START_TEST(binding)
{
    pool *p = pool_new();
    pthread_t t;
    int before, after, later;
    ck_ok(da_shutdown());
    count_cpus(&before);
    ck_ok(spawn(&codelet_where, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE));
    ck_ok(wait_cell(p, 0));
    count_cpus(&after);
    ck_assert_int_eq(before, after);
    ck_assert_int_eq(pthread_create(&t, NULL, count_cpus, &later), 0);
    pthread_join(t, NULL);
    ck_assert_int_eq(before, later);
    if (strcmp(da_runtime_name(), "openmp") == 0) {
        ck_assert_uint_ge(p->cell[0], 1000); /* signals are the user's threads' business */
        if (da_num_workers() <= before)      /* at least a core each */
            ck_assert_uint_le(p->cell[0] - 1000, (uint64_t)(before > 1 ? before - 1 : 1));
    }
    pool_release(p);
}
END_TEST

/* More tasks than may be in flight: the committing thread waits, nothing is lost. */
START_TEST(throttle)
{
    pool *p = pool_new();
    da_stats stats;
    ck_ok(spawn(&codelet_sleeping, p, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 100, RT_NO_INLINE));
    for (int i = 0; i < 150000; i++)
        ck_ok(bump(p, 0, 0));
    da_get_stats(&stats);
    ck_assert_int_le(stats.tasks_submitted - stats.tasks_done, 1 << 16);
    ck_ok(da_wait_all());
    ck_assert_uint_eq(p->cell[0], 150002);
    da_get_stats(&stats);
    ck_assert_int_eq(stats.tasks_submitted, stats.tasks_done);
    pool_release(p);
}
END_TEST

DA_TEST_MAIN("process", DA_CASE("idle", idle), DA_CASE("restart", restart, stop_at_any_moment, other_runtime),
             DA_CASE("fork", fork_started, fork_inline, fork_stopped),
             DA_CASE_LOOP("exit", 3, exit_without_shutdown), DA_CASE("user's threads", user_region, binding),
             DA_CASE("throttle", throttle))
