/* SPDX-License-Identifier: BSD-3-Clause */
/* StarPU as a guest of the host's process: files, output, signals, threads, environment, and the host's own StarPU. Every scenario
 * runs in a child that has no runtime yet; what it prints is collected. */
#include "unit_runtime.h"
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <starpu.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[4096];
static char folder[64]; /* a fresh one for each scenario */

/* Run `scenario` in a child; its result is the exit status. */
static int run(int (*scenario)(void))
{
    int ends[2], status;
    size_t used = 0;
    pid_t child;

    snprintf(folder, sizeof folder, "/tmp/darray-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(pipe(ends), 0);
    fflush(stdout);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(60);
        exit(scenario());
    }
    close(ends[1]);
    for (ssize_t n;
         used < sizeof output - 1 && (n = read(ends[0], output + used, sizeof output - 1 - used)) > 0;)
        used += (size_t)n;
    output[used] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    {
        char command[128];
        snprintf(command, sizeof command, "rm -rf %s", folder);
        ck_assert_int_eq(system(command), 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define ck_runs(scenario)                                                                                    \
    do {                                                                                                     \
        const int result_ = run(scenario);                                                                   \
        ck_assert_msg(result_ == 0, "%s: %d (a line, or 1000 + a signal); it printed: %s", #scenario,        \
                      result_, output);                                                                      \
        ck_assert_msg(output[0] == '\0', "%s printed: %s", #scenario, output);                               \
    } while (0)

/* In scenarios: exit with the line that failed. */
#define need(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, da_error());                          \
            return __LINE__ % 1000;                                                                          \
        }                                                                                                    \
    } while (0)

static da_status increment(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data += 1;
    return DA_OK;
}
static const da_codelet codelet_increment = {.name = "increment", .cpu = increment};

static pool *cells;

static bool work(int n)
{
    const uint64_t before = cells ? cells->cell[0] : 1;
    if (!cells)
        cells = pool_new();
    for (int i = 0; i < n; i++)
        if (spawn(&codelet_increment, cells, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE) !=
            DA_OK)
            return false;
    return wait_cell(cells, 0) == DA_OK && cells->cell[0] == before + (uint64_t)n;
}

static void forget_settings(void)
{
    static const char *const names[] = {"XDG_CACHE_HOME", "STARPU_HOME", "STARPU_PERF_MODEL_DIR",
                                        "STARPU_SILENT", "DARRAY_VERBOSE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
}

/* ---- files and output ---- */

static bool exists(const char *below)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, below);
    return access(path, F_OK) == 0;
}

static int no_home(void)
{
    char expected[64];
    forget_settings();
    setenv("HOME", "/proc/nothing", 1);
    setenv("TMPDIR", folder, 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(100));
    need(!getenv("STARPU_SILENT") && !getenv("STARPU_PERF_MODEL_DIR"));
    need(da_shutdown() == DA_OK);
    snprintf(expected, sizeof expected, "darray-starpu-%u/codelets", (unsigned)geteuid());
    need(exists(expected));
    return 0;
}

static int no_models_folder(void)
{
    forget_settings();
    setenv("STARPU_PERF_MODEL_DIR", "/proc/nothing", 1);
    setenv("TMPDIR", folder, 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(strcmp(getenv("STARPU_PERF_MODEL_DIR"), "/proc/nothing") == 0);
    need(da_shutdown() == DA_OK);
    return 0;
}

static int fresh_home(void)
{
    forget_settings();
    setenv("HOME", folder, 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    need(exists(".starpu/sampling/bus"));
    return 0;
}

/* Variables that are empty do not count, as they do for StarPU. */
static int empty_variables(void)
{
    forget_settings();
    setenv("STARPU_PERF_MODEL_DIR", "", 1);
    setenv("XDG_CACHE_HOME", "", 1);
    setenv("HOME", folder, 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    need(exists(".starpu/sampling/bus"));
    need(strcmp(getenv("STARPU_PERF_MODEL_DIR"), "") == 0);
    return 0;
}

/* Somebody else's folder of that name is not used. */
static int foreign_folder(void)
{
    char path[128];
    forget_settings();
    setenv("HOME", "/proc/nothing", 1);
    setenv("TMPDIR", folder, 1);
    snprintf(path, sizeof path, "%s/darray-starpu-%u", folder, (unsigned)geteuid());
    need(mkdir(path, 0777) == 0 && chmod(path, 0777) == 0);
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    snprintf(path, sizeof path, "darray-starpu-%u/codelets", (unsigned)geteuid());
    need(!exists(path));
    return 0;
}

START_TEST(files)
{
    ck_runs(no_home);
    ck_runs(no_models_folder);
    ck_runs(fresh_home);
    ck_runs(empty_variables);
    ck_runs(foreign_folder);
}
END_TEST

static int calibrates(void)
{
    char path[128];
    DIR *dir;
    bool found = false;
    forget_settings();
    setenv("STARPU_PERF_MODEL_DIR", folder, 1);
    setenv("STARPU_CALIBRATE", "1", 1);
    setenv("STARPU_SCHED", "dmdas", 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(100));
    need(da_shutdown() == DA_OK);
    snprintf(path, sizeof path, "%s/codelets/45", folder);
    need((dir = opendir(path)) != NULL);
    for (struct dirent *e; (e = readdir(dir));)
        found |= strncmp(e->d_name, "darray_increment_v1_uint64.", 27) == 0;
    closedir(dir);
    need(found);
    return 0;
}

START_TEST(models)
{
    ck_runs(calibrates);
}
END_TEST

/* ---- the process ---- */

static void handler(int number)
{
    (void)number;
}

static int signals_with(const char *runtime)
{
    struct sigaction before[65], after, mine = {.sa_handler = handler};
    sigset_t mask, mask_after;
    cpu_set_t cores, cores_after;
    const int libc_flag = 0x04000000; /* SA_RESTORER: there after a handler was put back, and means nothing */
    sigaction(SIGINT, &mine, NULL);
    sigaction(SIGSEGV, &mine, NULL);
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &before[i]);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    sched_getaffinity(0, sizeof cores, &cores);
    need(da_init(runtime, 2) == DA_OK);
    need(work(100));
    pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
    sched_getaffinity(0, sizeof cores_after, &cores_after);
    for (int i = 1; i < 65; i++)
        need(sigismember(&mask, i) == sigismember(&mask_after, i));
    need(CPU_EQUAL(&cores, &cores_after));
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < 65; i++)
            if (sigaction(i, NULL, &after) == 0)
                need(after.sa_handler == before[i].sa_handler &&
                     ((after.sa_flags ^ before[i].sa_flags) & ~libc_flag) == 0);
        need(da_shutdown() == DA_OK);
    }
    return 0;
}

static int signals(void)
{
    return signals_with("starpu");
}

/* OpenMP, too, looks at the machine; with no runtime named a device is looked for. */
static int signals_openmp(void)
{
    return signals_with("openmp");
}

static int signals_any(void)
{
    unsetenv("DARRAY_RUNTIME");
    return signals_with(NULL);
}

/* Signals to the process are handled by the host's thread, not by a worker. */
static volatile pthread_t handled_by;
static void note_thread(int number)
{
    (void)number;
    handled_by = pthread_self();
}

static int signal_threads(void)
{
    struct sigaction mine = {.sa_handler = note_thread};
    sigset_t usr1;
    sigaction(SIGUSR1, &mine, NULL);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    need(da_init("starpu", 2) == DA_OK);
    for (int i = 0; i < 5; i++) {
        pthread_sigmask(SIG_BLOCK, &usr1, NULL);
        kill(getpid(), SIGUSR1);
        need(work(10));
        sleep_ms(20);
        need(!handled_by);
        pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
        need(pthread_equal(handled_by, pthread_self()));
        handled_by = 0;
    }
    need(da_shutdown() == DA_OK);
    return 0;
}

static int count_of(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int restarts(void)
{
    int threads, files;
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    threads = count_of("/proc/self/task");
    files = count_of("/proc/self/fd");
    for (int round = 0; round < 20; round++) {
        need(da_init("starpu", 2) == DA_OK);
        need(work(10));
        need(da_shutdown() == DA_OK);
    }
    need(count_of("/proc/self/task") == threads);
    need(count_of("/proc/self/fd") == files);
    need(cells->cell[0] == 1 + 21 * 10);
    need(da_init("openmp", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    pool_release(cells);
    return 0;
}

static int many_workers(void)
{
    need(da_init("starpu", 1000) == DA_OK);
    need(da_num_workers() == STARPU_MAXCPUS);
    need(work(100));
    need(da_shutdown() == DA_OK);
    return 0;
}

START_TEST(process)
{
    ck_runs(signals);
    ck_runs(signals_openmp);
    ck_runs(signals_any);
    ck_runs(signal_threads);
    ck_runs(restarts);
    ck_runs(many_workers);
}
END_TEST

/* ---- the host's own StarPU ---- */

static void host_kernel(void *buffers[], void *arg)
{
    (void)arg;
    *(int *)STARPU_VARIABLE_GET_PTR(buffers[0]) += 1;
}
static struct starpu_codelet host_codelet = {
    .cpu_funcs = {host_kernel}, .nbuffers = 1, .modes = {STARPU_RW}, .name = "host"};

/* n tasks in a chain, waited for as a host does; how long it took. */
static double host_work(int n)
{
    static int value;
    const double begin = seconds_now(CLOCK_MONOTONIC);
    const int before = value;
    starpu_data_handle_t h;
    starpu_variable_data_register(&h, STARPU_MAIN_RAM, (uintptr_t)&value, sizeof value);
    for (int i = 0; i < n; i++)
        if (starpu_task_insert(&host_codelet, STARPU_RW, h, 0) != 0)
            return -1;
    starpu_task_wait_for_all();
    starpu_data_unregister(h);
    return value == before + n ? seconds_now(CLOCK_MONOTONIC) - begin : -1;
}

static int host_init(void)
{
    struct starpu_conf conf;
    starpu_conf_init(&conf);
    conf.ncpus = 1;
    conf.catch_signals = 0;
    return starpu_init(&conf);
}

/* The host's is there first: its configuration holds, and it is still there after our shutdown. */
static int host_first(void)
{
    need(host_init() == 0);
    need(host_work(100) >= 0);
    need(da_init("starpu", 2) == DA_OK);
    need(da_num_workers() == 1);
    need(work(100) && host_work(100) >= 0 && work(100));
    need(da_shutdown() == DA_OK);
    need(starpu_is_initialized());
    need(host_work(100) >= 0);
    need(da_init("starpu", 2) == DA_OK);
    need(work(100));
    starpu_shutdown(); /* the host is done, we are not */
    need(work(100));
    need(da_shutdown() == DA_OK);
    need(!starpu_is_initialized());
    need(da_init("starpu", 2) == DA_OK);
    need(da_num_workers() == 2);
    need(work(100));
    need(da_shutdown() == DA_OK);
    return 0;
}

/* The host initialises StarPU after us: its tasks run though our workers sleep. */
static int host_second(void)
{
    double first;
    need(da_init("starpu", 2) == DA_OK);
    need(work(100));
    need(host_init() == 0);
    for (int i = 0; i < 3; i++) {
        sleep_ms(200);
        first = host_work(10);
        need(first >= 0 && first < 1);
        need(work(10));
    }
    need(da_shutdown() == DA_OK);
    need(starpu_is_initialized());
    sleep_ms(200);
    first = host_work(1000);
    need(first >= 0 && first < 1);
    need(da_init("starpu", 2) == DA_OK);
    need(work(100));
    need(da_shutdown() == DA_OK);
    starpu_shutdown();
    need(!starpu_is_initialized());
    return 0;
}

/* The host pauses its StarPU while we have tasks: they wait, no more. */
static int host_pauses(void)
{
    need(host_init() == 0);
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    starpu_pause();
    for (int i = 0; i < 10; i++)
        need(spawn(&codelet_increment, cells, 1, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE) ==
             DA_OK);
    starpu_resume();
    need(wait_cell(cells, 1) == DA_OK && cells->cell[1] == 12);
    need(da_shutdown() == DA_OK);
    starpu_shutdown();
    return 0;
}

static int host_without_cpus(void)
{
    struct starpu_conf conf;
    setenv("STARPU_NCPU", "0", 1);
    starpu_conf_init(&conf);
    need(da_init("starpu", 2) == DA_ERROR_RUNTIME);
    need(!starpu_is_initialized());
    unsetenv("STARPU_NCPU");
    need(da_init("starpu", 2) == DA_OK);
    need(work(10));
    need(da_shutdown() == DA_OK);
    return 0;
}

START_TEST(host)
{
    ck_runs(host_first);
    ck_runs(host_second);
    ck_runs(host_pauses);
    ck_runs(host_without_cpus);
}
END_TEST

DA_TEST_MAIN("starpu as a guest", DA_CASE("files", files, models), DA_CASE("process", process),
             DA_CASE("host", host))
