/* SPDX-License-Identifier: BSD-3-Clause */
/* Performance models: what is expected after which samples, what is tried and what that costs, files. */
#include "runtime/models.h"
#include "test.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

static const model_machine peaks = {
    .peak = {[DA_DEVICE_CPU] = {.flops = 1e10, .doubles = 1e10, .bytes = 1e10, .seconds = 1e-6},
             [DA_DEVICE_CUDA] = {.flops = 1e12, .doubles = 1e12, .bytes = 1e11, .seconds = 1e-5},
             [DA_DEVICE_OPENCL] = {.flops = 1e12, .doubles = 1e12, .bytes = 1e11, .seconds = 1e-5}}};

#define CPU DA_DEVICE_CPU
#define GPU DA_DEVICE_CUDA

static model_size size_of(int n)
{
    return (model_size){.footprint = (uint32_t)n, .bytes = 8. * n * n, .flops = 2. * n * n * n};
}

static bool near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * fabs(b);
}

/* A pseudo-random number in [-1, 1]. */
static double noise(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(int64_t)state * 0x1p-63;
}

#define ck_near(a, b, tolerance)                                                                             \
    do {                                                                                                     \
        const double a_ = (a), b_ = (b);                                                                     \
        ck_assert_msg(near(a_, b_, tolerance), "%s is %g, not %g", #a, a_, b_);                              \
    } while (0)

START_TEST(outliers)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size s = size_of(100);
    double mean, deviation;

    /* the first of all */
    model_add(m, CPU, &s, 1000e-3);
    ck_near(model_expect(m, CPU, &s), 1000e-3, 1e-6);
    model_add(m, CPU, &s, 1e-3);
    ck_near(model_expect(m, CPU, &s), 1e-3, 1e-6);
    /* up to three of seven later ones */
    for (int i = 0; i < 40; i++) {
        model_add(m, CPU, &s, 1e-3 * (1 + 0.1 * noise()));
        if (i > 4 && i % 7 < 3)
            model_add(m, CPU, &s, i % 7 == 1 ? 1000e-3 : 1e-6);
        ck_near(model_expect(m, CPU, &s), 1e-3, 0.11);
    }
    ck_assert(model_mean(&m->points[0].on[CPU], &mean, &deviation));
    ck_near(mean, 1e-3, 0.11);
    ck_assert_double_lt(deviation, 0.11e-3);
    /* neither zero nor nonsense */
    model_add(m, GPU, &s, 0);
    ck_assert_double_gt(model_expect(m, GPU, &s), 0);
    model_add(m, GPU, &s, NAN);
    model_add(m, GPU, &s, INFINITY);
    ck_assert(isfinite(model_expect(m, GPU, &s)));
    model_free(m);
}
END_TEST

START_TEST(drift)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size s = size_of(100);

    for (int i = 0; i < 1000; i++)
        model_add(m, CPU, &s, 1e-3);
    for (int i = 0; i < 3; i++) { /* not yet */
        model_add(m, CPU, &s, 5e-3);
        ck_near(model_expect(m, CPU, &s), 1e-3, 1e-6);
    }
    model_add(m, CPU, &s, 5e-3);
    ck_near(model_expect(m, CPU, &s), 5e-3, 1e-6);
    for (int i = 0; i < 4; i++)
        model_add(m, CPU, &s, 0.2e-3);
    ck_near(model_expect(m, CPU, &s), 0.2e-3, 1e-6);
    model_free(m);
}
END_TEST

/* The curve meets sizes that it was not made from, whatever the law: between those well, beyond them roughly. */
START_TEST(curves)
{
    static const struct {
        double a, b, c;
        bool flops;
    } laws[] = {{1e-10, 1, 0, true},        {1e-12, 1, 20e-6, true},  {2e-10, 1, 5e-6, false},
                {1e-14, 1.5, 10e-6, false}, {1e-8, 0.5, 1e-6, false}, {0, 1, 30e-6, true}};
    static const int known[] = {20, 50, 100, 200, 500, 1000}, unknown[] = {10, 30, 70, 300, 800, 2000};

    for (size_t law = 0; law < sizeof laws / sizeof laws[0]; law++) {
        model_machine machine = peaks;
        model *const m = model_new(&machine, "darray_x_v1_float64");
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            model_size s = size_of(known[i]);
            s.flops = laws[law].flops ? s.flops : 0;
            const double x = s.flops > 0 ? s.flops : s.bytes,
                         t = laws[law].a * pow(x, laws[law].b) + laws[law].c;
            for (int k = 0; k < 7; k++)
                model_add(m, GPU, &s, k == 3 ? 1000 * t : t * (i % 2 ? 1.08 : 0.95) * (1 + 0.03 * noise()));
        }
        for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
            model_size s = size_of(unknown[i]);
            s.flops = laws[law].flops ? s.flops : 0;
            const double x = s.flops > 0 ? s.flops : s.bytes,
                         t = laws[law].a * pow(x, laws[law].b) + laws[law].c, got = model_expect(m, GPU, &s);
            ck_assert_msg(near(got, t, unknown[i] < 20 || unknown[i] > 1000 ? 0.6 : 0.25),
                          "law %d, n = %d: %g s instead of %g s", (int)law, unknown[i], got, t);
        }
        ck_assert(model_curve_of(m, GPU)->good);
        model_free(m);
    }
}
END_TEST

/* Updates of equal flops that are wide and shallow or narrow and deep: the bytes tell them apart. */
START_TEST(depths)
{
    static const int depths[] = {32, 64, 128, 256, 512}, widths[] = {128, 256, 512, 1024};
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    uint32_t footprint = 0;
    model_basis basis;

    (void)model_expect_like(m, CPU, 1e6, 1e8, &basis);
    ck_assert_int_eq(basis, MODEL_GUESS);
    for (int known = 1; known >= 0; known--)
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 4; j++) {
                const double k = depths[i], n = widths[j];
                const model_size s = {
                    .footprint = ++footprint, .bytes = 8 * (2 * n * k + n * n), .flops = 2 * n * n * k};
                const double t = s.flops / 5e10 + s.bytes / 4e9 + 2e-6;
                if (known != (int)(i + j) % 2)
                    continue;
                if (known)
                    model_add(m, CPU, &s, t);
                const double got = model_expect_like(m, CPU, s.bytes, s.flops, &basis);
                ck_assert_int_eq(basis, known ? MODEL_SEEN : MODEL_CURVE);
                ck_assert_msg(near(got, t, 0.03), "%g x %g, depth %g: %g s instead of %g", n, n, k, got, t);
            }
    model_free(m);
}
END_TEST

START_TEST(priors)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size s = size_of(1000), twice = size_of(1260), odd = {.footprint = 7};

    /* nothing is known: the peaks */
    ck_near(model_expect(m, CPU, &s), 2e9 / 1e10 + 8e6 / 1e10, 0.01);
    ck_near(model_expect(m, GPU, &s), 2e9 / 1e12 + 8e6 / 1e11, 0.01);
    ck_assert_double_gt(model_expect(m, CPU, &odd), 0);
    /* the CPU reaches half of its: so it is assumed of the device */
    model_add(m, CPU, &s, 0.4);
    ck_near(model_expect(m, GPU, &s), 2 * (2e9 / 1e12 + 8e6 / 1e11), 0.05);
    /* one size is known: another one with twice the work */
    ck_near(model_expect(m, CPU, &twice), 0.8, 0.02);
    ck_near(model_expect(m, GPU, &twice), 4 * (2e9 / 1e12), 0.05);
    model_free(m);
}
END_TEST

START_TEST(measured_peaks)
{
    model_machine machine = {.peak = {[DA_DEVICE_OPENCL] = {.bytes = 1e7}}};

    model_machine_measure(&machine);
    for (int k = 0; k < DA_DEVICE_KINDS; k++) {
        ck_assert_double_gt(machine.peak[k].flops, 1e6);
        ck_assert_double_lt(machine.peak[k].flops, 1e16);
        ck_near(machine.peak[k].doubles, machine.peak[k].flops / 2, 1e-12);
        ck_assert_double_gt(machine.peak[k].bytes, 1e6);
        ck_assert_double_lt(machine.peak[k].bytes, 1e16);
        ck_assert_double_gt(machine.peak[k].seconds, 0);
    }
    ck_assert_double_eq(machine.peak[DA_DEVICE_OPENCL].bytes, 1e7); /* what is known stays */
}
END_TEST

/* What a device reaches counts; of doubles it may compute far less. What is unknown is as if it were ten times the CPU's. */
START_TEST(devices_peaks)
{
    static const char *const symbols[] = {"darray_x_v1_float32", "darray_x_v1_complex64",
                                          "darray_x_v1_float64", "darray_x_v1_complex128"};
    const model_size s = size_of(1000);

    for (int i = 0; i < 4; i++) {
        model_machine machine = peaks;
        machine.peak[GPU].doubles = machine.peak[GPU].flops / 32;
        model *const m = model_new(&machine, symbols[i]);
        ck_near(model_expect(m, GPU, &s), 1e-5 + (i < 2 ? 1 : 32) * 2e9 / 1e12 + 8e6 / 1e11, 1e-9);
        model_free(m);

        machine = (model_machine){.peak = {[DA_DEVICE_CUDA] = {.bytes = 2e6}}};
        model *const unknown = model_new(&machine, symbols[i]);
        const double t = model_expect(unknown, GPU, &s);
        const model_peak *const cpu = &machine.peak[CPU];
        ck_near(t, 1e-5 + 2e9 / (10 * (i < 2 ? cpu->flops : cpu->doubles)) + 8e6 / 2e6, 1e-9);
        model_free(unknown);
    }
}
END_TEST

START_TEST(memory_is_bounded)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size often = size_of(5);

    for (int n = 10; n < 10 + 50 * MODEL_POINTS; n++) {
        const model_size s = size_of(n);
        model_add(m, CPU, &s, 1e-9 * s.flops);
        model_add(m, CPU, &often, 1);
        ck_assert(isfinite(model_expect(m, GPU, &s)));
    }
    ck_assert_int_eq(m->npoints, MODEL_POINTS);
    ck_near(model_expect(m, CPU, &often), 1, 1e-6); /* what is in use stays */
    for (int i = 0; i < m->npoints; i++)
        if (m->points[i].size.footprint == often.footprint)
            ck_assert_int_eq((int)m->points[i].on[CPU].samples, 50 * MODEL_POINTS);
    model_free(m);
}
END_TEST

/* ---- choosing: a chain of tasks that take cpu or gpu seconds, each done before the next one is placed ---- */

typedef struct run {
    double seconds;
    int on_gpu;
} run;

static run chain(model *m, const model_size *s, double cpu, double gpu, int n)
{
    run r = {0};

    for (int i = 0; i < n; i++) {
        double seconds[DA_DEVICE_KINDS];
        int trial;
        model_choose(m, s, 1U << CPU | 1U << GPU, seconds, &trial);
        const int kind = seconds[GPU] < seconds[CPU] ? GPU : CPU;
        if (trial >= 0)
            ck_assert_int_eq(kind, trial);
        const double t = kind == GPU ? gpu : cpu;
        model_done(m, s, (da_device_kind)kind, t, trial);
        r.seconds += t;
        r.on_gpu += kind == GPU;
    }
    return r;
}

static model_machine promising(double factor)
{
    model_machine machine = peaks;
    model_peak *const p = &machine.peak[GPU];

    *p = (model_peak){factor * p->flops, factor * p->doubles, factor * p->bytes, p->seconds / factor};
    return machine;
}

/* Nothing known: {CPU, device}. Whatever its peaks promise, a device is tried, and costs no more. */
START_TEST(first_runs)
{
    static const double promises[] = {1, 1e-4, 1e4};
    static const double costs[][2] = {{1e-3, 10e-3}, {1e-3, 0.1e-3}, {20e-6, 200e-6}, {20e-6, 2e-6},
                                      {0.1, 1},      {0.1, 0.01},    {1e-3, 1e-3},    {1e-6, 50e-6}};

    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
        for (int flops = 0; flops < 2; flops++) {
            static const int lengths[] = {1, 5, 20, 50, 100};
            for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
                model_machine machine = promising(promises[_i]);
                model *const m = model_new(&machine, "darray_x_v1_float64");
                model_size s = size_of(10);
                s.flops = flops ? s.flops : 0;
                const double alone = lengths[j] * costs[i][0],
                             t = chain(m, &s, costs[i][0], costs[i][1], lengths[j]).seconds;
                ck_assert_msg(t <= fmax(1.5 * alone, alone + 3e-3),
                              "%g and %g s, %d tasks: %g s, %g s on the CPU alone", costs[i][0], costs[i][1],
                              lengths[j], t, alone);
                model_free(m);
            }
            model_machine machine = promising(promises[_i]);
            model *const m = model_new(&machine, "darray_x_v1_float64");
            const double cpu = costs[i][0], gpu = costs[i][1];
            model_size s = size_of(100);
            s.flops = flops ? s.flops : 0;
            run r = chain(m, &s, cpu, gpu, 200);
            ck_assert_msg(r.seconds <= fmax(1.5 * 200 * cpu, 200 * cpu + 3e-3),
                          "%g and %g s: %g s, %g s on the CPU alone", cpu, gpu, r.seconds, 200 * cpu);
            chain(m, &s, cpu, gpu, 200);
            r = chain(m, &s, cpu, gpu, 1000);
            if (gpu < cpu)
                ck_assert_msg(r.on_gpu >= 950, "%g and %g s: %d of 1000", cpu, gpu, r.on_gpu);
            if (gpu > cpu)
                ck_assert_msg(r.on_gpu <= 50, "%g and %g s: %d of 1000", cpu, gpu, r.on_gpu);
            model_free(m);
        }
}
END_TEST

/* A device whose kernels must be compiled first is not tried before that would be a tenth of all work. */
START_TEST(compilers)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size s = size_of(20);

    m->start[GPU] = 0.3;
    ck_assert_int_eq(chain(m, &s, 10e-3, 1e-3, 290).on_gpu, 0);
    ck_assert_int_ge(chain(m, &s, 10e-3, 1e-3, 200).on_gpu, 100);
    ck_assert(m->start[GPU] == 0);
    model_free(m);
}
END_TEST

/* Of tasks that are placed before any is done, one at most tries what is not known. */
START_TEST(one_trial_at_a_time)
{
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    const model_size s = size_of(20);
    int trials = 0;

    model_add(m, CPU, &s, 1e-6); /* before that nothing tells what a trial may cost */
    for (int i = 0; i < 100; i++) {
        double seconds[DA_DEVICE_KINDS];
        int trial;
        model_choose(m, &s, 1U << CPU | 1U << GPU, seconds, &trial);
        trials += trial == GPU;
        ck_assert(trial == GPU ? seconds[CPU] >= MODEL_NEVER : seconds[GPU] >= MODEL_NEVER);
    }
    ck_assert_int_eq(trials, 1);
    /* it failed: another one may */
    model_done(m, &s, GPU, -1, GPU);
    double seconds[DA_DEVICE_KINDS];
    int trial;
    model_choose(m, &s, 1U << CPU | 1U << GPU, seconds, &trial);
    ck_assert_int_eq(trial, GPU);
    /* only one kind may run it: no choice */
    model_choose(m, &s, 1U << GPU, seconds, &trial);
    ck_assert_int_eq(trial, -1);
    ck_assert_double_lt(seconds[GPU], MODEL_NEVER);
    model_free(m);
}
END_TEST

/* Bad samples, or models of an earlier run that are wrong now, of either kind. */
START_TEST(recovers)
{
    const model_size s = size_of(100);
    run r;

    for (int recalled = 0; recalled < 2; recalled++)
        for (int fast = 0; fast < 2; fast++) {
            model_machine machine = peaks;
            model *const m = model_new(&machine, "darray_x_v1_float64");
            const double t[2] = {fast == CPU ? 1e-3 : 10e-3, fast == CPU ? 10e-3 : 1e-3};
            for (int k = 0; k < 2; k++) {
                const double bad = k == fast ? 1000 * t[k] : t[k];
                if (recalled)
                    model_recall(m, (da_device_kind)k, &s, bad, 0, 1000);
                else
                    model_add(m, (da_device_kind)k, &s, bad);
            }
            chain(m, &s, t[0], t[1], 100);
            r = chain(m, &s, t[0], t[1], 100);
            ck_assert_msg(fast ? r.on_gpu >= 95 : r.on_gpu <= 5, "fast %d, recalled %d: %d of 100", fast,
                          recalled, r.on_gpu);
            model_free(m);
        }
    /* the device becomes ten times slower, then as fast as before */
    model_machine machine = peaks;
    model *const m = model_new(&machine, "darray_x_v1_float64");
    chain(m, &s, 2e-3, 1e-3, 1000);
    r = chain(m, &s, 2e-3, 10e-3, 1000);
    ck_assert_int_le(r.on_gpu, 50);
    chain(m, &s, 2e-3, 1e-3, 5000);
    r = chain(m, &s, 2e-3, 1e-3, 1000);
    ck_assert_int_ge(r.on_gpu, 950);
    model_free(m);
}
END_TEST

/* ---- files ---- */

static char folder[] = "/tmp/darray-models-XXXXXX";

static void fill(models *m)
{
    m->machine = peaks;
    for (int i = 0; i < 3; i++) {
        static const char *const symbols[] = {"darray_b_v1_float64", "darray_a_v1_float32",
                                              "darray_c_v2_memory"};
        model *const a = models_get(m, symbols[i]);
        for (int n = 40; n >= 10; n -= 10) {
            const model_size s = size_of(n);
            for (int k = 0; k < 5; k++)
                model_add(a, CPU, &s, 1e-6 * n * (1 + 0.01 * k));
            if (i == 1)
                model_add(a, GPU, &s, 1e-7 * n);
        }
    }
}

static int lines_of(const char *path)
{
    FILE *const f = fopen(path, "r");
    int n = 0;

    for (int c; f && (c = fgetc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

START_TEST(files)
{
    models m = {0}, back = {0};
    models_point p[8];
    char path[PATH_MAX], copy[PATH_MAX], told[100];

    fill(&m);
    ck_assert_int_eq(m.count, 3);
    ck_assert_str_eq(m.first->symbol, "darray_a_v1_float32");
    ck_assert_str_eq(models_dtype(m.first), "float32");
    ck_ok(models_path(path, sizeof path));
    ck_assert(strncmp(path, folder, strlen(folder)) == 0);
    ck_ok(models_reset(NULL));
    ck_ok(models_save(&m));
    ck_assert_int_eq(lines_of(path), 1 + 3 * 4 + 4);
    ck_ok(models_save(&m)); /* replaces what is there */
    ck_assert_int_eq(lines_of(path), 1 + 3 * 4 + 4);

    ck_ok(models_read(&back, NULL));
    ck_assert_int_eq(back.count, 3);
    ck_assert_int_eq(models_points(back.first, DA_DEVICE_OPENCL, p, 8), 0);
    ck_assert_int_eq(models_points(back.first, GPU, p, 8), 4);
    ck_assert_int_eq(models_points(back.first, CPU, p, 2), 4);
    ck_assert_int_eq(models_points(back.first, CPU, p, 8), 4);
    for (int i = 0; i < 4; i++) {
        const model_size s = size_of(10 * (i + 1));
        ck_assert_uint_eq(p[i].footprint, s.footprint);
        ck_near(p[i].flops, s.flops, 1e-12);
        ck_near(p[i].bytes, s.bytes, 1e-12);
        ck_near(p[i].mean, 1.02e-5 * (i + 1), 1e-3);
        ck_near(p[i].deviation, 1e-5 * (i + 1) * 0.01 * sqrt(2), 0.02);
        ck_assert_int_eq((int)p[i].samples, 5);
    }
    ck_assert_double_gt(models_predict(back.first, CPU, 8 * 25 * 25, 2 * 25 * 25 * 25), p[1].mean);
    ck_assert_double_lt(models_predict(back.first, CPU, 8 * 25 * 25, 2 * 25 * 25 * 25), p[3].mean);
    ck_assert_double_eq(models_predict(back.first, DA_DEVICE_OPENCL, 1, 1), 0);

    /* saving adds what this process measured, and nothing else of what it read */
    ck_ok(models_reset("darray_b_v1_float64"));
    ck_ok(models_save(&back));
    ck_assert_int_eq(lines_of(path), 1 + 2 * 4 + 4);
    ck_fails(models_reset("darray_b_v1_float64"), DA_ERROR_ARGUMENT, "darray_b_v1_float64");

    snprintf(copy, sizeof copy, "%s/copy", folder);
    ck_ok(models_export(copy));
    ck_ok(models_reset(NULL));
    ck_assert_int_eq(lines_of(path), 1);
    ck_ok(models_import(copy, told, sizeof told));
    ck_assert_int_eq(lines_of(path), 1 + 2 * 4 + 4);
    models_clear(&m);
    models_clear(&back);
}
END_TEST

/* ---- devices ---- */

/* As where they are. */
static const models_device card = {"Card 1 (fast)", {4e12, 2e12, 5e11, 7e-6}, true},
                           other_card = {"Card 2", {.flops = 8e12}, true};

/* Sizes of the models on that kind of worker. */
static int sizes_on(const models *m, da_device_kind kind)
{
    models_point p;
    int n = 0;

    for (const model *a = m->first; a; a = a->next)
        n += models_points(a, kind, &p, 1);
    return n;
}

static void read_own(models *m)
{
    models_clear(m);
    ck_ok(models_read(m, NULL));
}

/* The times of a kind of device are those of the card that the file names, and of no other. */
START_TEST(devices)
{
    models m = {0}, back = {0}, late = {0};
    char path[PATH_MAX];

    ck_ok(models_path(path, sizeof path));
    ck_ok(models_reset(NULL));
    fill(&m);
    ck_assert_int_eq(models_set_device(&m, GPU, &card), 4); /* they were of an unknown one */
    models_clear(&m);
    models_set_device(&m, GPU, &card);
    fill(&m);
    ck_ok(models_save(&m));
    ck_assert_int_eq(lines_of(path), 1 + 1 + 3 * 4 + 4);

    read_own(&back);
    ck_assert_str_eq(back.device[GPU].name, card.name);
    ck_near(back.device[GPU].peak.flops, card.peak.flops, 1e-9);
    ck_near(back.device[GPU].peak.doubles, card.peak.doubles, 1e-9);
    ck_near(back.device[GPU].peak.bytes, card.peak.bytes, 1e-9);
    ck_near(back.device[GPU].peak.seconds, card.peak.seconds, 1e-9);
    ck_near(back.machine.peak[GPU].bytes, card.peak.bytes, 1e-9);
    /* the same one again: it keeps its times, and what is not told anew */
    ck_assert_int_eq(
        models_set_device(&back, GPU, &(models_device){.name = "Card 1 (fast)", .peak = {.flops = 5e12}}), 0);
    ck_assert_int_eq(sizes_on(&back, GPU), 4);
    ck_near(back.machine.peak[GPU].flops, 5e12, 1e-9);
    ck_near(back.machine.peak[GPU].bytes, card.peak.bytes, 1e-9);
    /* in its place another one */
    ck_assert_int_eq(models_set_device(&back, GPU, &other_card), 4);
    ck_assert_int_eq(sizes_on(&back, GPU), 0);
    ck_assert_int_eq(sizes_on(&back, CPU), 12);
    ck_assert_double_eq(back.machine.peak[GPU].bytes, 0);
    ck_near(back.machine.peak[GPU].flops, 8e12, 1e-9);
    model_basis basis;
    (void)model_expect_like(back.first, GPU, 800, 2000, &basis);
    ck_assert_int_eq(basis, MODEL_GUESS);
    ck_assert(model_curve_of(back.first, GPU)->npoints == 0);

    /* what it saves replaces the other one's; a process without any leaves them */
    models_clear(&m);
    m.machine = peaks;
    model_add(models_get(&m, "darray_b_v1_float64"), CPU, &(model_size){.footprint = 99, .bytes = 1}, 1e-3);
    ck_ok(models_save(&m));
    read_own(&back);
    ck_assert_int_eq(sizes_on(&back, GPU), 4);
    read_own(&late);
    models_set_device(&m, GPU, &other_card);
    ck_ok(models_save(&m));
    read_own(&back);
    ck_assert_str_eq(back.device[GPU].name, other_card.name);
    ck_assert_int_eq(sizes_on(&back, GPU), 0);
    ck_assert_int_eq(sizes_on(&back, CPU), 13);
    /* nor does one that has only read of the former one's put them back */
    model_add(models_get(&m, "darray_b_v1_float64"), GPU, &(model_size){.footprint = 99, .bytes = 1}, 1e-3);
    ck_ok(models_save(&m));
    model_add(models_get(&late, "darray_b_v1_float64"), CPU, &(model_size){.footprint = 98, .bytes = 2},
              1e-3);
    ck_ok(models_save(&late));
    read_own(&back);
    ck_assert_str_eq(back.device[GPU].name, other_card.name);
    ck_assert_int_eq(sizes_on(&back, GPU), 1);
    ck_assert_int_eq(sizes_on(&back, CPU), 14);
    models_clear(&late);
    models_clear(&m);
    models_clear(&back);
}
END_TEST

/* Where this process sees no device: those of its file count, or, if that knows none, the other file's. */
START_TEST(other_machines)
{
    models m = {0}, back = {0};
    char copy[PATH_MAX], told[200];

    setenv("DARRAY_DEVICE", "cpu", 1);
    ck_ok(da_shutdown());
    snprintf(copy, sizeof copy, "%s/copy", folder);
    models_set_device(&m, GPU, &card);
    fill(&m);
    ck_ok(models_write(&m, copy));
    ck_ok(models_reset(NULL));
    for (int again = 0; again < 2; again++) {
        ck_ok(models_import(copy, told, sizeof told));
        ck_assert_str_eq(told, "");
        read_own(&back);
        ck_assert_str_eq(back.device[GPU].name, card.name);
        ck_assert_int_eq(sizes_on(&back, GPU), 4);
    }

    models_clear(&m);
    models_set_device(&m, GPU, &other_card);
    fill(&m);
    model_add(m.first, DA_DEVICE_OPENCL, &(model_size){.footprint = 99, .bytes = 1}, 1e-3);
    model_add(m.first, GPU, &(model_size){.footprint = 99, .bytes = 1}, 1e-3);
    ck_ok(models_reset(NULL));
    ck_ok(models_write(&m, NULL));
    ck_ok(models_import(copy, told, sizeof told));
    ck_assert_str_eq(told, "times on cuda are left out: of Card 1 (fast), not of Card 2");
    read_own(&back);
    ck_assert_str_eq(back.device[GPU].name, other_card.name);
    ck_assert_int_eq(sizes_on(&back, GPU), 5);
    ck_assert_int_eq(sizes_on(&back, DA_DEVICE_OPENCL), 1);

    /* of no known device */
    models_clear(&m);
    fill(&m);
    ck_ok(models_write(&m, copy));
    ck_ok(models_import(copy, told, sizeof told));
    ck_assert_str_eq(told, "times on cuda are left out: of unknown devices, not of Card 2");
    models_clear(&m);
    models_clear(&back);
    unsetenv("DARRAY_DEVICE");
    ck_ok(da_shutdown());
}
END_TEST

START_TEST(long_names)
{
    enum { LENGTH = 699 };
    const model_size s = size_of(10);
    models m = {.machine = peaks}, back = {0};
    char name[LENGTH + 1], symbol[LENGTH + 32];
    const da_codelet codelet = {.name = name};
    char path[PATH_MAX];
    FILE *f;

    memset(name, 'x', LENGTH);
    name[1] = '/';
    name[LENGTH] = '\0';
    ck_assert_int_eq(models_symbol(symbol, sizeof symbol, &codelet, DA_F64), LENGTH + 18);
    ck_assert_str_eq(symbol + LENGTH + 7, "_v1_float64");
    ck_assert(strncmp(symbol, "darray_x-x", 10) == 0);
    ck_ok(models_reset(NULL));
    model_add(models_get(&m, symbol), CPU, &s, 1e-6);
    ck_ok(models_save(&m));
    ck_ok(models_read(&back, NULL));
    ck_assert_int_eq(back.count, 1);
    ck_assert_str_eq(back.first->symbol, symbol);

    /* no command line has room for this one */
    ck_ok(models_path(path, sizeof path));
    f = fopen(path, "a");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%0*d cpu 0000000a 800 2000 1000 10 5\n", 300000, 7);
    fclose(f);
    read_own(&back);
    ck_assert_int_eq(back.count, 1);
    models_clear(&m);
    models_clear(&back);
}
END_TEST

START_TEST(damaged_files)
{
    static const char text[] = "darray models 1\n"
                               "darray_\x01_v1_float64 cpu 0000000a 800 2000 1000 10 5\n"
                               "../x_v1_float64 cpu 0000000a 800 2000 1000 10 5\n"
                               "darray_x_v1_float64 cpu 0000000a 800 2000 1000 10 5\n"
                               "darray_x_v1_float64 abacus 0000000b 800 2000 1000 10 5\n"
                               "darray_x_v1_float64 cpu zebra 800 2000 1000 10 5\n"
                               "device cpu 1 2 3 4 a processor\n"
                               "device cuda 1 2 3 4 \n"
                               "device cuda 1 2 3 a card\n"
                               "device cuda 1 2 3 4 a\tcard\n"
                               "device opencl 0 0 0 0 another card-2\n"
                               "device cuda -1 2 3 4 a card\n"
                               "darray_x_v1_float64 cpu 0000000e -5 2000 1000 10 5\n"
                               "darray_x_v1_float64 cpu 0000000f 800 2000 1000 -10 5\n"
                               "darray_x_v1_float64 cpu 0000000c 800 2000 0 10 5\n"
                               "darray_x_v1_float64 cpu 0000000d 800 2000 1000 10 5 more\n"
                               "\n"
                               "darray_x_v1_float64 cuda 0000000a 800 2000 100 1 2\n"
                               "darray_y_v1_float64 cpu 0000000a 800 20"; /* cut off */
    models m = {0}, live = {0};
    models_point p;
    char path[PATH_MAX], foreign[PATH_MAX], aside[PATH_MAX + 16], told[100];
    FILE *f;

    ck_ok(models_reset(NULL));
    ck_ok(models_path(path, sizeof path));
    snprintf(aside, sizeof aside, "%s.unreadable", path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    fclose(f);
    ck_ok(models_read(&m, NULL));
    ck_assert_str_eq(m.device[GPU].name, "");
    ck_assert_str_eq(m.device[DA_DEVICE_OPENCL].name, "another card-2");
    ck_assert_int_eq(m.count, 1);
    ck_assert_int_eq(models_points(m.first, CPU, &p, 1), 1);
    ck_near(p.mean, 1e-6, 1e-6);
    ck_assert_int_eq(models_points(m.first, GPU, &p, 1), 1);
    ck_near(p.mean, 1e-7, 1e-6);
    models_clear(&m);

    f = fopen(path, "w");
    fputs("something else\n", f);
    fclose(f);
    ck_fails(models_read(&m, NULL), DA_ERROR_FORMAT, path);
    snprintf(foreign, sizeof foreign, "%s/nowhere", folder);
    ck_fails(models_read(&m, foreign), DA_ERROR_IO, foreign);
    ck_fails(models_import(foreign, told, sizeof told), DA_ERROR_IO, foreign);
    snprintf(foreign, sizeof foreign, "%s/nowhere/file", folder);
    ck_fails(models_write(&m, foreign), DA_ERROR_IO, foreign);
    fill(&live); /* what is of no use is replaced, but kept aside */
    ck_assert_int_ne(access(aside, F_OK), 0);
    ck_ok(models_save(&live));
    ck_ok(models_read(&m, NULL));
    ck_assert_int_eq(m.count, 3);
    ck_assert_int_eq(lines_of(aside), 1);
    ck_fails(models_read(&m, aside), DA_ERROR_FORMAT, aside);
    snprintf(foreign, sizeof foreign, "%s/copy", folder);
    ck_ok(models_export(foreign));
    f = fopen(path, "w");
    fputs("darray models 3\nmore\n", f);
    fclose(f);
    ck_ok(models_import(foreign, told, sizeof told));
    ck_assert_int_eq(lines_of(aside), 2); /* the latest */
    ck_assert_int_gt(lines_of(path), 2);
    ck_assert_int_eq(unlink(aside), 0);
    models_clear(&m);
    models_clear(&live);
}
END_TEST

int main(void)
{
    char command[100];
    const da_test_case cases[] = {
        DA_CASE("times", outliers, drift, curves, depths, priors, measured_peaks, devices_peaks,
                memory_is_bounded),
        DA_CASE_LOOP("first runs", 3, first_runs),
        DA_CASE("choice", compilers, one_trial_at_a_time, recovers),
        DA_CASE("files", files, devices, other_machines, long_names, damaged_files),
    };

    if (!mkdtemp(folder) || setenv("DARRAY_CACHE_DIR", folder, 1) != 0)
        return EXIT_FAILURE;
    const int result = da_test_run("models", cases, sizeof cases / sizeof cases[0]);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? result : EXIT_FAILURE;
}
