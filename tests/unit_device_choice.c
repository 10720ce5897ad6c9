/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where tasks run when they may run anywhere: codelets that take a known time on the CPU and another on a device, because they sleep. One
 * OpenCL device under StarPU, which PoCL makes; it needs no core of its own as long as it sleeps.
 */
#include "runtime/models.h"
#include "runtime/starpu_models.h"
#include "test.h"

#include <math.h>
#include <stdatomic.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

/* ---- codelets that sleep for {CPU, device} ---- */

typedef struct costs {
    double cpu, device; /* seconds */
} costs;

/* What the sleeps took in fact. */
static struct {
    pthread_mutex_t lock;
    double sum[2];
    int count[2];
} slept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static da_status nap(const da_call *call, int device)
{
    const costs *const c = call->values[0].data;
    const double begin = now(), t = device ? c->device : c->cpu;
    const struct timespec span = {(time_t)t, (long)((t - floor(t)) * 1e9)};

    nanosleep(&span, NULL);
    pthread_mutex_lock(&slept.lock);
    slept.sum[device] += now() - begin;
    slept.count[device]++;
    pthread_mutex_unlock(&slept.lock);
    return DA_OK;
}

static da_status nap_cpu(const da_call *call)
{
    return nap(call, 0);
}

static da_status nap_device(const da_call *call)
{
    return nap(call, 1);
}

static double nap_flops(const da_call *call)
{
    return 1e3 * (double)call->buffers[0].shape[0];
}

/* A codelet of this name, which no other test uses; so it has models of its own. */
static da_codelet sleeper(const char *name)
{
    return (da_codelet){.name = name,
                        .cpu = nap_cpu,
                        .opencl = nap_device,
                        .nbuffers = 1,
                        .nvalues = 1,
                        .value_sizes = {sizeof(costs)},
                        .modes = {DA_MODE_READ_WRITE}};
}

/* n tasks one after the other; *devices: how many a device did. */
static void chain(const da_codelet *codelet, costs c, int n, int64_t *devices)
{
    DA_AUTO da_array *a = NULL;
    const int64_t before = on_devices();

    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(16)));
    ck_ok(da_wait(a));
    for (int i = 0; i < n; i++)
        ck_ok(DA_SPAWN(NULL, codelet, DA_READ_WRITE(a), DA_VALUE(c)));
    ck_ok(da_wait_all());
    *devices = on_devices() - before;
}

/* n tasks that do not depend on each other; the seconds that they took. */
static double crowd(const da_codelet *codelet, costs c, int n)
{
    da_array **const a = calloc((size_t)n, sizeof *a);
    double t;

    for (int i = 0; i < n; i++) {
        ck_ok(da_zeros(&a[i], DA_F64, DA_SHAPE(16)));
        ck_ok(da_wait(a[i]));
    }
    memset(slept.sum, 0, sizeof slept.sum);
    memset(slept.count, 0, sizeof slept.count);
    t = now();
    for (int i = 0; i < n; i++)
        ck_ok(DA_SPAWN(NULL, codelet, DA_READ_WRITE(a[i]), DA_VALUE(c)));
    ck_ok(da_wait_all());
    t = now() - t;
    for (int i = 0; i < n; i++)
        da_array_release(&a[i]);
    free(a);
    return t;
}

/* ---- a machine that others use ---- */

/* Beside a test: how many short sleeps, which need a moment of a core at their end, were late by as much as a fast task here takes. */
static struct {
    pthread_t thread;
    atomic_bool stop;
    int count, late;
} watch;

static void *watching(void *unused)
{
    const struct timespec span = {0, 500000};

    (void)unused;
    while (!atomic_load(&watch.stop)) {
        const double begin = now();
        nanosleep(&span, NULL);
        watch.count++;
        watch.late += now() - begin > 1e-3;
    }
    return NULL;
}

enum { WHAT = 200, TRIES = 12 };

/* try() is true if all is as it should be, else it says what is not. That counts if the machine was the test's: where others made sleeps
 * late it is tried again, with codelets of other names, but not for ever. */
static void undisturbed(bool (*try)(int attempt, char *what))
{
    char what[WHAT] = "";
    int attempt = 0;
    bool good, disturbed = true;

    do {
        const struct timespec pause = {attempt > 0, 0};
        nanosleep(&pause, NULL);
        watch.count = watch.late = 0;
        atomic_store(&watch.stop, false);
        ck_assert_int_eq(pthread_create(&watch.thread, NULL, watching, NULL), 0);
        good = try(attempt, what);
        atomic_store(&watch.stop, true);
        pthread_join(watch.thread, NULL);
        disturbed = watch.late > watch.count / 200; /* one late task among the first is enough to mislead */
    } while (!good && disturbed && ++attempt < TRIES);
    ck_assert_msg(good, "%s; %d of %d short sleeps were late, attempt %d", what, watch.late, watch.count,
                  attempt < TRIES ? attempt + 1 : TRIES);
}

/* ---- tests ---- */

static const costs faster = {5e-3, 0.5e-3}, slower = {0.5e-3, 5e-3};

/* Nothing is known at first, and a device ten times slower costs little nevertheless. Here and below costs are those that the codelets
 * are given: what other processes do to the machine makes sleeps longer, but is not what is tested. */
static bool try_first_run(int attempt, char *what)
{
    enum { N = 200 };
    const costs c[] = {{2e-3, 20e-3}, {2e-3, 0.2e-3}};
    char name[2][20];
    int64_t devices[2];

    for (int k = 0; k < 2; k++) {
        snprintf(name[k], sizeof name[k], "first_%s%d", k ? "fast" : "slow", attempt);
        const da_codelet codelet = sleeper(name[k]);
        chain(&codelet, c[k], N, &devices[k]);
    }
    const double cost = (double)(N - devices[0]) * c[0].cpu + (double)devices[0] * c[0].device;
    snprintf(what, WHAT, "slow: %d of %d tasks, %g s, %g s on the CPU alone; fast: %d of %d tasks",
             (int)devices[0], N, cost, N * c[0].cpu, (int)devices[1], N);
    return cost <= 1.5 * N * c[0].cpu && devices[0] >= 1 /* it was tried */ &&
           devices[1] >= N * 3 / 4 /* and used within the run */;
}

START_TEST(first_run)
{
    undisturbed(try_first_run);
}
END_TEST

/* The same with tasks that are all there at once, before any was measured. */
START_TEST(first_crowd)
{
    enum { N = 100 };
    const da_codelet slow = sleeper("crowd_slow");
    const costs c = {2e-3, 20e-3};
    const double alone = c.cpu * N / da_num_workers();

    crowd(&slow, c, N);
    ck_assert_msg(slept.count[1] * c.device <= 1.5 * alone,
                  "%d tasks on the device: %g s, %g s on the CPU alone", slept.count[1],
                  slept.count[1] * c.device, alone);
}
END_TEST

/* On a busy machine a sleep of half a millisecond may take several: a good run of a few is proof, as below. */
START_TEST(a_chain_goes_where_it_is_fast)
{
    enum { N = 300, TRIES = 4 };
    const da_codelet fast = sleeper("chain_fast"), slow = sleeper("chain_slow");
    int64_t devices = 0;

    chain(&fast, faster, 100, &devices);
    for (int i = 0; i < TRIES && (i == 0 || devices < N * 95 / 100); i++)
        chain(&fast, faster, N, &devices);
    ck_assert_msg(devices >= N * 95 / 100, "%d of %d tasks", (int)devices, N);
    chain(&slow, slower, 100, &devices);
    for (int i = 0; i < TRIES && (i == 0 || devices > N * 5 / 100); i++)
        chain(&slow, slower, N, &devices);
    ck_assert_msg(devices <= N * 5 / 100, "%d of %d tasks", (int)devices, N);
}
END_TEST

/* Independent tasks share all workers; by the times that they took, no other division would have been much better. Other processes
 * can make the run longer and its sleeps unequal, never better than it is: so one that is good enough, of a few, is proof. */
START_TEST(makespan)
{
    static const struct {
        const char *name;
        costs c;
    } cases[] = {
        {"span_equal", {40e-3, 40e-3}}, {"span_fast", {60e-3, 15e-3}}, {"span_slow", {20e-3, 100e-3}}};
    enum { N = 60, ATTEMPTS = 6 };
    const da_codelet codelet = sleeper(cases[_i].name);
    const int workers = da_num_workers();
    double best = INFINITY;
    char what[200] = "";
    int64_t devices;

    for (int d = 0; d < 2; d++) {
        ck_ok(da_run_on(d ? DA_ON_GPU : DA_ON_CPU));
        chain(&codelet, cases[_i].c, 5, &devices);
    }
    ck_ok(da_run_on(DA_ANYWHERE));
    for (int attempt = 0; attempt < ATTEMPTS && best > 1.1; attempt++) {
        const double t = crowd(&codelet, cases[_i].c, N);
        double each[2], optimum = INFINITY;
        for (int d = 0; d < 2; d++) {
            ck_assert_int_gt(slept.count[d], 0);
            each[d] = slept.sum[d] / slept.count[d];
        }
        for (int n = 0; n <= N; n++) /* by devices */
            optimum = fmin(optimum, fmax(each[0] * ceil((double)(N - n) / workers),
                                         each[1] * ceil((double)n / da_num_devices())));
        if (t / optimum < best) {
            best = t / optimum;
            snprintf(what, sizeof what, "%g s, at best %g s: CPU %d of %g s, device %d of %g s", t, optimum,
                     slept.count[0], each[0], slept.count[1], each[1]);
        }
    }
    ck_assert_msg(best <= 1.1, "%s", what);
}
END_TEST

/* Sizes of one codelet go different ways. */
static bool try_sizes(int attempt, char *what)
{
    enum { SMALL = 16, LARGE = 4096, N = 100 };
    char name[20];
    const costs small = {0.2e-3, 2e-3}, large = {10e-3, 1e-3};
    DA_AUTO da_array *a = NULL, *b = NULL;
    int64_t devices[2];

    snprintf(name, sizeof name, "sizes%d", attempt);
    da_codelet codelet = sleeper(name);
    codelet.flops = nap_flops;
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(SMALL)));
    ck_ok(da_zeros(&b, DA_F64, DA_SHAPE(LARGE)));
    for (int again = 0; again < 2; again++) {
        devices[0] = on_devices();
        for (int i = 0; i < N; i++)
            ck_ok(DA_SPAWN(NULL, &codelet, DA_READ_WRITE(a), DA_VALUE(small)));
        ck_ok(da_wait_all());
        devices[0] = on_devices() - devices[0];
        devices[1] = on_devices();
        for (int i = 0; i < N; i++)
            ck_ok(DA_SPAWN(NULL, &codelet, DA_READ_WRITE(b), DA_VALUE(large)));
        ck_ok(da_wait_all());
        devices[1] = on_devices() - devices[1];
    }
    snprintf(what, WHAT, "%d of %d small, %d of %d large tasks", (int)devices[0], N, (int)devices[1], N);
    return devices[0] <= 5 && devices[1] >= 95;
}

START_TEST(sizes_part)
{
    undisturbed(try_sizes);
}
END_TEST

/* What moving the operand costs counts: where a task would be done sooner elsewhere by less than that it stays. */
static bool try_transfers(int attempt, char *what)
{
    enum { TINY = 16, BIG = 1 << 23, N = 40, SAMPLES = 10 };
    static const char *const sizes[] = {"tiny", "big"};
    const costs c[] = {{1e-3, 3e-3}, {3e-3, 1e-3}}; /* faster on the CPU, on the device */
    int64_t moved[2][2];

    for (int big = 0; big < 2; big++)
        for (int from = 0; from < 2;
             from++) { /* 0: the values are on the device and it is slower; 1: the CPU */
            char name[30];
            DA_AUTO da_array *a = NULL;
            const int64_t n = big ? BIG : TINY;

            snprintf(name, sizeof name, "moves_%s%d_%d", sizes[big], from, attempt);
            const da_codelet codelet = sleeper(name);
            ck_ok(da_blocks(DA_SHAPE(n)));
            ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(n)));
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            for (int k = 0; k < 2; k++) { /* both are known; last they are where they begin */
                ck_ok(da_run_on(k == from ? DA_ON_CPU : DA_ON_GPU));
                for (int i = 0; i < SAMPLES; i++)
                    ck_ok(DA_SPAWN(NULL, &codelet, DA_READ_WRITE(a), DA_VALUE(c[from])));
                ck_ok(da_wait_all());
            }
            ck_ok(da_run_on(DA_ANYWHERE));
            const int64_t before = on_devices();
            for (int i = 0; i < N; i++)
                ck_ok(DA_SPAWN(NULL, &codelet, DA_READ_WRITE(a), DA_VALUE(c[from])));
            ck_ok(da_wait_all());
            moved[big][from] = from ? on_devices() - before : N - (on_devices() - before);
        }
    snprintf(what, WHAT, "of %d tasks %d tiny ones left the device and %d the CPU, big ones %d and %d", N,
             (int)moved[0][0], (int)moved[0][1], (int)moved[1][0], (int)moved[1][1]);
    return moved[0][0] >= N * 9 / 10 && moved[0][1] >= N * 9 / 10 && moved[1][0] <= N / 10 &&
           moved[1][1] <= N / 10;
}

START_TEST(transfers_count)
{
    undisturbed(try_transfers);
}
END_TEST

/* The live model of a codelet whose first buffer is float64, and its only size. */
static model *live_model(const char *name, model_size *size)
{
    char symbol[100];
    models *const m = spu_models();

    ck_assert_ptr_nonnull(m);
    snprintf(symbol, sizeof symbol, "darray_%s_v1_float64", name);
    for (model *a = m->first; a; a = a->next)
        if (strcmp(a->symbol, symbol) == 0) {
            ck_assert_int_eq(a->npoints, 1);
            *size = a->points[0].size;
            return a;
        }
    ck_abort_msg("no model %s", symbol);
}

/* One sample a thousand times too slow, of a size that was measured once or never before, or often. */
static int poisoned_how;

static bool try_poisoned(int attempt, char *what)
{
    enum { N = 300 };
    char name[30];
    int64_t devices;
    model_size size;

    snprintf(name, sizeof name, "poisoned%d_%d", poisoned_how, attempt);
    const da_codelet codelet = sleeper(name);
    ck_ok(da_run_on(poisoned_how == 1 ? DA_ON_GPU : DA_ON_CPU));
    chain(&codelet, faster, 1, &devices);
    ck_ok(da_run_on(DA_ANYWHERE));
    if (poisoned_how == 2)
        chain(&codelet, faster, 100, &devices);
    model *const m = live_model(name, &size);
    lock_acquire(&spu_models()->lock);
    model_add(m, DA_DEVICE_OPENCL, &size, 1000 * faster.device);
    lock_release(&spu_models()->lock);
    chain(&codelet, faster, 100, &devices);
    chain(&codelet, faster, N, &devices);
    snprintf(what, WHAT, "%d of %d tasks", (int)devices, N);
    return devices >= N * 95 / 100;
}

START_TEST(poisoned)
{
    poisoned_how = _i;
    undisturbed(try_poisoned);
}
END_TEST

static bool try_scopes(int attempt, char *what)
{
    enum { N = 40 };
    char fast_name[20], slow_name[20];
    int64_t devices;

    snprintf(fast_name, sizeof fast_name, "scope_fast%d", attempt);
    snprintf(slow_name, sizeof slow_name, "scope_slow%d", attempt);
    const da_codelet fast = sleeper(fast_name), slow = sleeper(slow_name);
    chain(&fast, faster, 50, &devices);
    ck_ok(da_run_on(DA_ON_CPU));
    chain(&fast, faster, N, &devices);
    ck_assert_int_eq(devices, 0);
    ck_ok(da_run_on(DA_ON_GPU));
    chain(&slow, slower, N, &devices);
    ck_assert_int_eq(devices, N);
    ck_ok(da_run_on(DA_ANYWHERE));
    chain(&fast, faster, N, &devices);
    snprintf(what, WHAT, "%d of %d tasks that may run anywhere", (int)devices, N);
    return devices >= N - 4;
}

START_TEST(scopes)
{
    enum { N = 40 };
    const da_codelet fast = sleeper("scope_fast0"), slow = sleeper("scope_slow0");
    int64_t devices;

    undisturbed(try_scopes);
    setenv("DARRAY_DEVICE", "gpu", 1);
    ck_ok(da_shutdown());
    chain(&slow, slower, N, &devices);
    ck_assert_int_eq(devices, N);
    setenv("DARRAY_DEVICE", "cpu", 1);
    ck_ok(da_shutdown());
    chain(&fast, faster, N, &devices);
    ck_assert_int_eq(devices, 0);
    unsetenv("DARRAY_DEVICE");
    ck_ok(da_shutdown());
}
END_TEST

/* A second run knows what the first one measured; StarPU's tools see it, too. */
static bool try_kept(int attempt, char *what)
{
    enum { N = 60 };
    char name[20], symbol[50];
    models m = {0};
    models_point p[2];
    int64_t devices;

    snprintf(name, sizeof name, "kept%d", attempt);
    snprintf(symbol, sizeof symbol, "darray_%s_v1_float64", name);
    const da_codelet codelet = sleeper(name);

    chain(&codelet, faster, 100, &devices);
    ck_ok(da_shutdown());
    ck_ok(models_read(&m, NULL));
    const model *const a = models_get(&m, symbol);
    ck_assert_int_eq(models_points(a, DA_DEVICE_CPU, &p[0], 1), 1);
    ck_assert_int_eq(models_points(a, DA_DEVICE_OPENCL, &p[1], 1), 1);
    models_clear(&m);
    ck_assert(p[0].mean >= faster.cpu && p[0].samples >= 1); /* no sleep is shorter than it should be */
    ck_assert(p[1].mean >= faster.device);

    chain(&codelet, faster, N, &devices);
    snprintf(what, WHAT, "%g s on a device, %d samples; then %d of %d tasks", p[1].mean, (int)p[1].samples,
             (int)devices, N);

    struct starpu_perfmodel theirs = {0};
    struct starpu_perfmodel_arch *arch = starpu_worker_get_perf_archtype(
        starpu_worker_get_by_type(STARPU_OPENCL_WORKER, 0), STARPU_NMAX_SCHED_CTXS);
    ck_assert_int_eq(starpu_perfmodel_load_symbol(symbol, &theirs), 0);
    const struct starpu_perfmodel_per_arch *const per = starpu_perfmodel_get_model_per_arch(&theirs, arch, 0);
    ck_assert_ptr_nonnull(per);
    ck_assert_ptr_nonnull(per->list);
    ck_assert_double_ge(per->list->entry->mean, 0.5e3);
    const double told = 1e-6 * per->list->entry->mean;
    starpu_perfmodel_unload_model(&theirs);
    return p[1].mean < faster.cpu && p[1].samples >= 20 && told < faster.cpu && devices >= N * 95 / 100;
}

START_TEST(kept)
{
    undisturbed(try_kept);
}
END_TEST

/* The file's models as if they were of another device, or of one that reaches something else. */
static void rename_device(const char *name, double bytes)
{
    models m = {0};

    ck_ok(models_read(&m, NULL));
    models_device *const d = &m.device[DA_DEVICE_OPENCL];
    ck_assert_str_ne(d->name, "");
    ck_assert_double_gt(d->peak.bytes, 1e7);
    ck_assert_double_gt(d->peak.seconds, 1e-8);
    if (name)
        snprintf(d->name, sizeof d->name, "%s", name);
    d->peak.bytes = bytes;
    ck_ok(models_write(&m, NULL));
    models_clear(&m);
}

/* What is known of this device when StarPU has started. */
static int sizes_of(const char *symbol, da_device_kind kind)
{
    models *const m = spu_models();
    models_point p;
    int n = 0;

    ck_assert_ptr_nonnull(m);
    lock_acquire(&m->lock);
    for (model *a = m->first; a; a = a->next)
        n += strcmp(a->symbol, symbol) == 0 ? models_points(a, kind, &p, 1) : 0;
    lock_release(&m->lock);
    return n;
}

/* The device's peaks are measured once. Times and peaks of another device are not used, but replaced. */
START_TEST(replaced)
{
    static const char symbol[] = "darray_replaced_v1_float64";
    const da_codelet codelet = sleeper("replaced");
    models m = {0};
    char told[300], copy[100];
    int64_t devices;

    for (int d = 0; d < 2; d++) {
        ck_ok(da_run_on(d ? DA_ON_GPU : DA_ON_CPU));
        chain(&codelet, faster, 3, &devices);
    }
    ck_ok(da_run_on(DA_ANYWHERE));
    ck_assert_double_gt(spu_models()->device[DA_DEVICE_OPENCL].peak.flops, 1e6);
    ck_ok(da_shutdown());
    snprintf(copy, sizeof copy, "%s/copy", getenv("DARRAY_CACHE_DIR"));

    rename_device(NULL, 2e8);
    ck_ok(da_init(NULL, 0));
    ck_assert_double_eq(spu_models()->machine.peak[DA_DEVICE_OPENCL].bytes, 2e8);
    ck_assert_int_eq(sizes_of(symbol, DA_DEVICE_CPU), 1);
    ck_assert_int_eq(sizes_of(symbol, DA_DEVICE_OPENCL), 1);
    ck_ok(da_shutdown());

    rename_device("another device", 3e8);
    ck_ok(models_export(copy));
    ck_ok(da_init(NULL, 0));
    ck_assert(spu_models()->machine.peak[DA_DEVICE_OPENCL].bytes != 3e8);
    ck_assert_int_eq(sizes_of(symbol, DA_DEVICE_CPU), 1);
    ck_assert_int_eq(sizes_of(symbol, DA_DEVICE_OPENCL), 0);
    ck_ok(da_shutdown());
    ck_ok(models_read(&m, NULL));
    ck_assert_str_ne(m.device[DA_DEVICE_OPENCL].name, "another device");
    for (const model *a = m.first; a; a = a->next) {
        models_point p;
        ck_assert_int_eq(models_points(a, DA_DEVICE_OPENCL, &p, 1), 0);
    }
    models_clear(&m);

    /* nor are they imported */
    ck_ok(models_import(copy, told, sizeof told));
    ck_assert_msg(strstr(told, "times on opencl are left out: of another device, not of "), "told: %s", told);
    ck_ok(da_init(NULL, 0));
    ck_assert_int_eq(sizes_of(symbol, DA_DEVICE_OPENCL), 0);
    ck_ok(da_shutdown());
}
END_TEST

/* A library's codelet whose kernel changed has models of its own. */
START_TEST(revisions)
{
    da_codelet codelet = sleeper("revised");
    int64_t devices;
    int found = 0;

    for (unsigned revision = 1; revision <= 3; revision += 2) {
        codelet.flags = DA_CODELET_OWN | DA_CODELET_REVISION(revision);
        chain(&codelet, faster, 1, &devices);
        ck_ok(da_shutdown()); /* a codelet's revision is that of its first task */
    }
    ck_ok(da_init(NULL, 0));
    for (const model *a = spu_models()->first; a; a = a->next)
        found += strcmp(a->symbol, "darray_revised_v1_float64") == 0 ||
                 strcmp(a->symbol, "darray_revised_v3_float64") == 0;
    ck_assert_int_eq(found, 2);
}
END_TEST

/* Points of the live model of a float64 codelet of the library's. */
static int points_of(const char *name)
{
    char symbol[100];

    snprintf(symbol, sizeof symbol, "darray_%s_v2_float64", name);
    for (const model *a = spu_models()->first; a; a = a->next)
        if (strcmp(a->symbol, symbol) == 0)
            return a->npoints;
    return 0;
}

/* What an expression or a reduction computes decides how long it takes: no two of these share what was measured; the same ones do. */
START_TEST(expressions)
{
    enum { N = 64 };
    DA_AUTO da_array *a = NULL, *b = NULL;

    setenv("DARRAY_INLINE", "0", 1);
    ck_ok(da_shutdown());
    ck_ok(da_init(NULL, 0));
    ck_ok(da_run_on(DA_ON_CPU));
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(N)));
    ck_ok(da_ones(&b, DA_F64, DA_SHAPE(N)));
    ck_ok(da_wait_all());
    const int before[] = {points_of("expr"), points_of("reduce")};
    for (int again = 0; again < 2; again++) {
        DA_AUTO da_array *sum = NULL, *quotient = NULL, *exponential = NULL, *negative = NULL, *total = NULL,
                         *largest = NULL;
        ck_ok(da_eval(&sum, da_add(a, b)));
        ck_ok(da_eval(&quotient, da_divide(a, b)));
        ck_ok(da_eval(&exponential, da_exp(a)));
        ck_ok(da_eval(&negative, da_negative(a)));
        ck_ok(da_sum(&total, a, DA_ALL, 0));
        ck_ok(da_max(&largest, a, DA_ALL, 0));
        ck_ok(da_wait_all());
    }
    unsetenv("DARRAY_INLINE");
    ck_ok(da_run_on(DA_ANYWHERE));
    ck_assert_int_eq(points_of("expr") - before[0], 4);
    ck_assert_int_eq(points_of("reduce") - before[1], 2);
}
END_TEST

int main(void)
{
    static char folder[] = "/tmp/darray-choice-XXXXXX";
    char command[100];
    int result = 77;
    const da_test_case cases[] = {
        DA_CASE("first run", first_run, first_crowd),
        DA_CASE("chains", a_chain_goes_where_it_is_fast, sizes_part),
        DA_CASE("transfers", transfers_count),
        DA_CASE_LOOP("makespan", 3, makespan),
        DA_CASE_LOOP("poisoned", 3, poisoned),
        DA_CASE("scopes", scopes),
        DA_CASE("kept", kept, revisions),
        DA_CASE("expressions", expressions),
        DA_CASE("replaced", replaced),
    };

    setenv("STARPU_OPENCL_ON_CPUS", "1", 0);
    setenv("POCL_DEVICES", "basic", 0);
    setenv("STARPU_WORKERS_NOBIND", "1", 0);
    if (da_num_devices() == 0) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    /* nothing is known from earlier runs */
    if (!mkdtemp(folder) || setenv("DARRAY_CACHE_DIR", folder, 1) != 0)
        return EXIT_FAILURE;
    if (da_init(NULL, 0) != DA_OK) { /* StarPU's first start takes seconds: it measures transfers */
        fprintf(stderr, "%s\n", da_error());
        return EXIT_FAILURE;
    }
    if (starpu_worker_get_count_by_type(STARPU_OPENCL_WORKER) > 0)
        result = da_test_run("device choice", cases, sizeof cases / sizeof cases[0]);
    else
        fprintf(stderr, "no OpenCL device but others: skipped\n");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return da_shutdown() == DA_OK && system(command) == 0 ? result : EXIT_FAILURE;
}
