/* SPDX-License-Identifier: BSD-3-Clause */
/* The automatic choice of a runtime: OpenMP until devices are wanted, then StarPU in its place. Each test in a process of its own. */
#include "test.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what is logged: it tells which runtime runs; da_runtime_name() would ask for devices ---- */

static char told[4096];

static void note(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    strncat(told, text, sizeof told - strlen(told) - 2);
    strcat(told, "\n");
}

static bool runs(const char *runtime)
{
    char sentence[64];

    snprintf(sentence, sizeof sentence, "runtime %s with", runtime);
    return strstr(told, sentence);
}

/* Whether the library of OpenCL devices is loaded. */
static bool has_looked(void)
{
    FILE *const maps = fopen("/proc/self/maps", "re");
    char line[1024];
    bool found = false;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, "libpocl") != NULL;
    fclose(maps);
    return found;
}

/* ---- work ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Small, and whether it is right. */
static void work(void)
{
    DA_AUTO da_array *a = NULL;
    double sum = 0;

    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(1000)));
    ck_ok(da_assign(a, da_add(a, 1)));
    ck_ok(da_sum_all(&sum, a));
    ck_assert(sum == 2000);
}

/* OpenMP runs, and nobody has looked for devices. */
static void begin(void)
{
    da_set_log(note, NULL);
    work();
    ck_assert_msg(runs("openmp") && !runs("starpu"), "told: %s", told);
    ck_assert(!has_looked());
}

static void end(void)
{
    ck_ok(da_shutdown());
    da_set_log(NULL, NULL);
}

static int64_t tasks_on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

/* ---- tests ---- */

START_TEST(small_work)
{
    begin();
    for (int i = 0; i < 100; i++)
        work();
    ck_ok(da_shutdown());
    work();
    ck_assert(!runs("starpu") && !has_looked());
    end();
}
END_TEST

START_TEST(asked_for)
{
    da_stats before, after;

    begin();
    da_get_stats(&before);
    ck_assert_int_gt(da_num_devices(), 0);
    ck_assert_str_eq(da_runtime_name(), "starpu");
    ck_assert(!runs("starpu")); /* with the next task */
    work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    da_get_stats(&after);
    ck_assert_int_gt((int)after.tasks_submitted, (int)before.tasks_submitted);
    ck_ok(da_shutdown());
    told[0] = '\0';
    work(); /* they are still wanted */
    ck_assert_msg(runs("starpu") && !runs("openmp"), "told: %s", told);
    end();
}
END_TEST

START_TEST(asked_by_init)
{
    begin();
    ck_ok(da_init(NULL, 0));
    work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_ok(da_init("starpu", 0));
    end();
}
END_TEST

START_TEST(named)
{
    begin();
    ck_fails(da_init("openmp", 3), DA_ERROR_STATE, "openmp runs already with");
    ck_ok(da_init("starpu", 0));
    work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_fails(da_init("openmp", 0), DA_ERROR_STATE, "starpu runs already");
    end();
}
END_TEST

START_TEST(named_openmp)
{
    begin();
    ck_ok(da_init("openmp", 0)); /* then it stays */
    ck_assert_int_eq(da_num_devices(), 0);
    work();
    ck_assert_msg(!runs("starpu") && !has_looked(), "told: %s", told);
    end();
}
END_TEST

START_TEST(asked_by_place)
{
    begin();
    ck_ok(da_run_on(DA_ON_GPU));
    work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_assert_int_gt((int)tasks_on_devices(), 0);
    end();
}
END_TEST

START_TEST(asked_by_environment)
{
    ck_assert_int_eq(setenv("DARRAY_DEVICE", "gpu", 1), 0);
    da_set_log(note, NULL);
    work();
    ck_assert_msg(runs("starpu") && !strstr(told, "has no device"), "told: %s", told);
    ck_assert_int_gt((int)tasks_on_devices(), 0);
    end();
}
END_TEST

/* A number of workers that was asked for is kept. */
START_TEST(workers)
{
    begin();
    ck_ok(da_init(NULL, 3));
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_assert_int_eq(da_num_workers(), 3);
    ck_fails(da_init(NULL, 2), DA_ERROR_STATE, "starpu runs already with 3");
    end();
}
END_TEST

START_TEST(cannot_start)
{
    ck_assert_int_eq(setenv("STARPU_NCPU", "0", 1), 0);
    begin();
    ck_fails(da_init("starpu", 0), DA_ERROR_RUNTIME, "no CPU worker");
    work();
    ck_ok(da_init(NULL, 0));
    ck_assert_str_eq(da_runtime_name(), "openmp");
    work();
    ck_assert(!runs("starpu"));
    end();
}
END_TEST

/* Small work is in flight as the large array comes. */
START_TEST(large_work)
{
    DA_AUTO da_array *small = NULL, *large = NULL;
    double sum = 0;

    begin();
    ck_ok(da_ones(&small, DA_F64, DA_SHAPE(1000)));
    for (int i = 0; i < 200; i++)
        ck_ok(da_assign(small, da_add(small, 1)));
    ck_ok(da_ones(&large, DA_F64, DA_SHAPE(6000000)));
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_ok(da_sum_all(&sum, large));
    ck_assert(sum == 6e6);
    ck_ok(da_sum_all(&sum, small));
    ck_assert(sum == 201e3);
    end();
}
END_TEST

/* Only the CPU is allowed to this thread. */
START_TEST(large_work_on_cpu)
{
    DA_AUTO da_array *large = NULL;

    begin();
    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(da_ones(&large, DA_F64, DA_SHAPE(6000000)));
    ck_ok(da_wait_all());
    ck_assert(!runs("starpu") && !has_looked());
    end();
}
END_TEST

static da_status spin(const da_call *call)
{
    const double until = now() + 0.05;

    (void)call;
    while (now() < until)
        ;
    return DA_OK;
}

static const da_codelet codelet_spin = {.name = "spin", .cpu = spin};

/* Many small tasks: after a second. */
START_TEST(long_work)
{
    const double start = now();
    double changed = 0;

    begin();
    while (!runs("starpu") && now() - start < 60) {
        da_task *task = NULL;

        ck_ok(DA_SPAWN(&task, &codelet_spin, DA_RESULT(double)));
        changed = now() - start;
        ck_ok(da_task_wait(task));
        da_task_release(&task);
    }
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_assert_msg(changed >= 1, "after %g s", changed);
    work();
    end();
}
END_TEST

/* What is mapped stays so, and what waits for it waits on. */
START_TEST(mapped)
{
    DA_AUTO da_array *a = NULL, *b = NULL;
    double *data, *other, sum = 0;
    int64_t stride;

    begin();
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(1000)));
    ck_ok(da_ones(&b, DA_F64, DA_SHAPE(1000)));
    ck_ok(da_map(a, 0, (void **)&data, &stride));
    ck_ok(da_map(b, DA_READ_ONLY, (void **)&other, &stride));
    ck_assert_int_gt(da_num_devices(), 0);
    work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_ok(da_assign(a, da_add(a, 1)));
    ck_ok(da_assign(b, da_add(b, 1)));
    usleep(50000);
    for (int i = 0; i < 1000; i++) {
        ck_assert(data[i] == 1 && other[i] == 1);
        data[i] = i;
    }
    ck_ok(da_unmap(a));
    ck_ok(da_unmap(b));
    ck_ok(da_sum_all(&sum, a));
    ck_assert(sum == 999 * 500 + 1000);
    ck_ok(da_sum_all(&sum, b));
    ck_assert(sum == 2000);
    end();
}
END_TEST

static _Atomic(bool) open_gate;

static da_status wait_for_gate(const da_call *call)
{
    (void)call;
    while (!atomic_load(&open_gate))
        usleep(1000);
    return DA_OK;
}

static const da_codelet codelet_gate = {.name = "gate", .cpu = wait_for_gate};

/* A task in flight waits for this thread: the change is put off. */
START_TEST(never_at_rest)
{
    DA_AUTO da_array *a = NULL;
    da_task *task = NULL;
    double sum = 0;

    begin();
    ck_ok(DA_SPAWN(&task, &codelet_gate, DA_RESULT(double)));
    ck_assert_int_gt(da_num_devices(), 0);
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(1000)));
    ck_assert(!runs("starpu"));
    atomic_store(&open_gate, true);
    ck_ok(da_task_wait(task));
    da_task_release(&task);
    for (double start = now(); !runs("starpu") && now() - start < 60; usleep(1000))
        work();
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_ok(da_sum_all(&sum, a));
    ck_assert(sum == 1000);
    end();
}
END_TEST

/* Commits for some seconds beside a task that does not end; how often that took half a second. */
static int stalls_beside_gate(double seconds)
{
    const double start = now();
    da_task *task = NULL;
    int stalls = 0;

    atomic_store(&open_gate, false);
    ck_ok(DA_SPAWN(&task, &codelet_gate, DA_RESULT(double)));
    (void)da_num_devices();
    while (now() - start < seconds) {
        const double before = now();

        work();
        stalls += now() - before > 0.5;
        usleep(5000);
    }
    atomic_store(&open_gate, true);
    ck_ok(da_task_wait(task));
    da_task_release(&task);
    return stalls;
}

/* Where there can be no change nobody waits for one. */
START_TEST(without_devices)
{
    static const char *const names[] = {"DARRAY_DEVICE", "DARRAY_REPRODUCIBLE"}, *const values[] = {"cpu",
                                                                                                    "1"};

    ck_assert_int_eq(setenv(names[_i], values[_i], 1), 0);
    ck_assert_int_eq(setenv("DARRAY_NUM_THREADS", "2", 1), 0);
    begin();
    ck_assert_int_le(stalls_beside_gate(5), 1); /* one of a busy machine's */
    ck_assert(!runs("starpu") && !has_looked());
    end();
}
END_TEST

/* And where there can be one, but never is, a second at first and then little. */
START_TEST(seldom)
{
    ck_assert_int_eq(setenv("DARRAY_NUM_THREADS", "2", 1), 0);
    begin();
    ck_assert_int_le(stalls_beside_gate(7), 2);
    ck_assert(!runs("starpu"));
    end();
}
END_TEST

/* ---- other threads ---- */

static _Atomic(bool) enough;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static da_array *shared;
static _Atomic(int) additions;

/* On its own, and host access to what all share. */
static void *other_thread(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough)) {
        double *data;
        int64_t stride;

        work();
        ck_ok(da_map(shared, 0, (void **)&data, &stride));
        data[0]++;
        ck_ok(da_unmap(shared));
        pthread_mutex_lock(&shared_lock);
        ck_ok(da_assign(shared, da_add(shared, 1)));
        pthread_mutex_unlock(&shared_lock);
        atomic_fetch_add(&additions, 1);
    }
    return NULL;
}

START_TEST(threads)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    double sum = 0;

    begin();
    ck_ok(da_zeros(&shared, DA_F64, DA_SHAPE(1000)));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, other_thread, NULL), 0);
    usleep(20000);
    ck_assert_int_gt(da_num_devices(), 0);
    for (double start = now(); !runs("starpu") && now() - start < 60; usleep(1000))
        work();
    usleep(20000);
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_msg(runs("starpu"), "told: %s", told);
    ck_ok(da_sum_all(&sum, shared));
    ck_assert_msg(sum == 1001.0 * additions, "%g of %d additions", sum, additions);
    da_array_release(&shared);
    end();
}
END_TEST

/* Keeps tasks in flight all the time. */
static void *busy_thread(void *unused)
{
    enum { QUEUE = 8 };
    da_task *tasks[QUEUE] = {NULL};

    (void)unused;
    for (int i = 0; !atomic_load(&enough); i = (i + 1) % QUEUE) {
        if (tasks[i])
            ck_ok(da_task_wait(tasks[i]));
        da_task_release(&tasks[i]);
        ck_ok(DA_SPAWN(&tasks[i], &codelet_spin, DA_RESULT(double)));
    }
    for (int i = 0; i < QUEUE; i++)
        da_task_release(&tasks[i]);
    return NULL;
}

START_TEST(busy)
{
    enum { THREADS = 2 };
    pthread_t thread[THREADS];

    begin();
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, busy_thread, NULL), 0);
    for (double start = now(); !runs("starpu") && now() - start < 60;)
        usleep(10000);
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_msg(runs("starpu"), "told: %s", told);
    end();
}
END_TEST

int main(void)
{
    const da_test_case cases[] = {
        DA_CASE("not wanted", small_work, large_work_on_cpu),
        DA_CASE("wanted", asked_for, asked_by_init, named, named_openmp, asked_by_place, asked_by_environment,
                workers, cannot_start, large_work, long_work),
        DA_CASE("in the middle of something", mapped, never_at_rest, seldom, threads, busy),
        DA_CASE_LOOP("in the middle of something, without devices", 2, without_devices),
    };
    const pid_t child = fork(); /* this process must not ask */
    int status = 1;

    if (child == 0)
        _exit(da_num_devices() > 0 ? 0 : 77);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return EXIT_FAILURE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    if (setenv("CK_FORK", "yes", 1) != 0)
        return EXIT_FAILURE;
    return da_test_run("late devices", cases, sizeof cases / sizeof cases[0]);
}
