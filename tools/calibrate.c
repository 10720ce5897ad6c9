/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * darray calibrate: runs a task of every kind, element type and size on the CPU and on devices, so that the models of the StarPU runtime
 * have measured them. What is measured already is read off the models, so that it goes on where it was stopped.
 */
#include "progress.h"
#include "operations.h"
#include "tool.h"
#include "workloads.h"
#include "codelets/device/device.h"
#include "runtime/models.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAVE_S 2.0    /* how often what was measured is saved */
#define COMPILING 0.3 /* seconds for a kernel of a device, mostly to be compiled, as the models reckon it */
enum { MOST_KERNELS = 256, MOST_SIZES = 24, DTYPES = DA_C128 + 1, LARGEST = 1 << 16, SYMBOL = 128 };

typedef struct options {
    int nkernels;
    const char *kernels[MOST_KERNELS];
    bool dtypes[DTYPES], any_dtype; /* any_dtype: none was named */
    int64_t low, high;
    bool quick, list;
} options;

/* One thing to measure. */
typedef struct item {
    const workload *kind;
    da_dtype dtype;
    da_place place;
    int64_t n;
    bool done; /* in an earlier run */
} item;

/* How long a call of an operation took. */
typedef struct slowness {
    const tile_operation *operation;
    da_dtype dtype;
    int64_t n;
    double seconds;
} slowness;

typedef struct calibration {
    options o;
    models known; /* as they were when it began, and what was measured since */
    item *items;
    int nitems, at;
    int runs;    /* of each item */
    double most; /* seconds of a task: larger ones are left to the curve */
    int measured, before, left_out, elsewhere;
    int tilings, tilings_before;     /* of operations, measured and known already */
    int nseries, series_done, round; /* what was measured may make other tile sizes worth it */
    slowness slow[2];                /* the latest, elsewhere and on the CPU */
    double work, work_done;          /* of all series, in units of their own */
    double estimated, spent;         /* of the items measured: by the estimate alone, and truly */
    int compilations;                /* of kernels on devices so far, */
    double compiling;                /* and seconds of all first runs there */
    double operations;               /* operations_guess() */
    double saved, operations_began;  /* when, by the monotonic clock */
    bool kept, failed;               /* what was measured could be saved; an operation failed */
    progress bar;
} calibration;

static void help(FILE *stream)
{
    fputs(
        "usage: darray calibrate [options]\n"
        "Measures a task of every kind, element type and size on a CPU core and on each kind of device, so\n"
        "that from the first run on tasks go where they are done soonest; then whole operations (cholesky,\n"
        "lu, matmul, qr, solve_triangular, symm, syr2k, syrk, trmm, trsm) with tiles of several sizes, so\n"
        "that the best ones can be told. Leave the machine alone meanwhile. Ctrl-C stops it; what was\n"
        "measured is kept, even if the program is killed, and the same command goes on from there.\n\n"
        "  --kernel NAME     only this one, or this operation; may be given several times (--list shows "
        "them)\n"
        "  --dtype T         only this element type (f32, float64, ...); may be given several times\n"
        "  --size MIN:MAX    tiles from MIN x MIN to MAX x MAX, doubling (default: 32:2048)\n"
        "  --quick           few sizes and runs, f32 and f64: a minute's work\n"
        "  --runtime starpu  the runtime that has models; there is no other\n"
        "  --list            what would be measured, and what is already, without doing it\n"
        "  --help\n\n"
        "Sizes at which one task takes longer than two seconds (--quick: a fifth) are left to the curve. "
        "Sizes are those\n"
        "of square tiles; vectors have as many elements. DARRAY_DEVICE=cpu leaves devices out.\n\n"
        "Exit status: 0 done, 1 a task failed, the runtime does not start or the models cannot be saved, 2 "
        "the "
        "command line is\n"
        "wrong, 130 stopped.\n",
        stream);
}

/* ---- the command line ---- */

static bool names(const workload *kind, const char *text)
{
    return strcmp(kind->name, text) == 0 || strcmp(kind->codelet_name, text) == 0;
}

static int unknown_kernel(const arguments *a, const char *text)
{
    int n;
    const workload *const all = workloads_all(&n);
    char list[1024];
    size_t used = 0;

    list[0] = '\0';
    for (int i = 0; i < n && used + 32 < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, " %s", all[i].name);
    for (const tile_operation *const *o = tile_operations; *o && used + 32 < sizeof list; o++)
        used += (size_t)snprintf(list + used, sizeof list - used, " %s", (*o)->name);
    if (!text)
        return arguments_wrong(a, "--kernel takes a name; there are%s", list);
    return arguments_wrong(a, "there is no kernel \"%s\"; there are%s", text, list);
}

static bool sizes_of(options *o, const char *text)
{
    char low[TEXT];
    const char *const colon = text ? strchr(text, ':') : NULL;

    if (!colon || (size_t)(colon - text) >= sizeof low)
        return false;
    snprintf(low, sizeof low, "%.*s", (int)(colon - text), text);
    return number_of(low, LARGEST, &o->low) && number_of(colon + 1, LARGEST, &o->high) && o->low <= o->high;
}

static int parse(options *o, arguments *a)
{
    int n;
    const workload *const all = workloads_all(&n);
    const char *value;

    while (arguments_next(a)) {
        if (arguments_flag(a, "--quick")) {
            o->quick = true;
        } else if (arguments_flag(a, "--list")) {
            o->list = true;
        } else if (arguments_value(a, "--kernel", &value)) {
            bool there = value && operation_named(value);
            for (int i = 0; i < n && value; i++)
                there = there || names(&all[i], value);
            if (!there)
                return unknown_kernel(a, value);
            if (o->nkernels == MOST_KERNELS)
                return arguments_wrong(a, "--kernel may be given %d times at most", MOST_KERNELS);
            o->kernels[o->nkernels++] = value;
        } else if (arguments_value(a, "--dtype", &value)) {
            const da_dtype dtype = value ? dtype_of(value) : (da_dtype)0;
            if (dtype == 0)
                return arguments_wrong(
                    a, "--dtype takes an element type such as f32, f64, c64, c128, i32 or bool, not \"%s\"",
                    value ? value : "");
            o->dtypes[dtype] = true;
            o->any_dtype = false;
        } else if (arguments_value(a, "--size", &value)) {
            if (!sizes_of(o, value))
                return arguments_wrong(a, "--size takes MIN:MAX with 1 <= MIN <= MAX <= %d, not \"%s\"",
                                       LARGEST, value ? value : "");
        } else if (arguments_value(a, "--runtime", &value)) {
            if (!value || strcmp(value, "starpu") != 0)
                return arguments_wrong(a, "--runtime takes starpu, not \"%s\": no other runtime has models",
                                       value ? value : "");
        } else {
            return arguments_unknown(a);
        }
    }
    return TOOL_OK;
}

/* ---- what there is to do ---- */

static const char *place_name(da_place place)
{
    return place == DA_ON_CPU ? "cpu" : "device";
}

/* Samples that a model has of tasks of this size on a kind of worker, and the time of one. flops: 0 if unknown. */
static int64_t samples_on(const model *m, da_device_kind kind, double bytes, double flops, double *seconds)
{
    models_point points[MODEL_POINTS];
    const int n = models_points(m, kind, points, MODEL_POINTS);
    int64_t most = 0;

    *seconds = 0;

    for (int i = 0; i < n; i++)
        if (fabs(points[i].bytes - bytes) <= 64 + 1e-6 * bytes && /* programs count a byte each */
            (flops <= 0 || fabs(points[i].flops - flops) <= 1e-3 * flops) && points[i].samples > most) {
            most = points[i].samples; /* the same size in another shape may have fewer */
            *seconds = points[i].mean;
        }
    return most;
}

/* Samples that the models have of such a task: on the CPU, or on that kind of device which has the fewest. *seconds: of one on the
 * slowest, 0 if there are none. */
static int64_t samples_of(const calibration *c, const item *it, double *seconds)
{
    work w = {.kind = it->kind, .dtype = it->dtype, .n = it->n};
    double bytes, flops;
    char symbol[SYMBOL];
    int64_t least = 0;

    *seconds = 0;
    work_size(&w, &bytes, &flops);
    models_symbol(symbol, sizeof symbol, it->kind->codelet, it->dtype);
    for (const model *m = c->known.first; m; m = m->next) {
        if (strcmp(m->symbol, symbol) != 0)
            continue;
        for (int k = DA_DEVICE_CPU; k < DA_DEVICE_KINDS; k++) {
            double mean = 0;
            const int64_t n = (k == DA_DEVICE_CPU) == (it->place == DA_ON_CPU)
                                  ? samples_on(m, (da_device_kind)k, bytes, flops, &mean)
                                  : 0;
            *seconds = fmax(*seconds, mean);
            least = n > 0 && (least == 0 || n < least) ? n : least;
        }
    }
    return least;
}

static bool is_wanted(const options *o, const workload *kind)
{
    for (int i = 0; i < o->nkernels; i++)
        if (names(kind, o->kernels[i]))
            return true;
    return o->nkernels == 0;
}

static bool dtype_is_wanted(const options *o, da_dtype dtype)
{
    if (o->any_dtype)
        return !o->quick || dtype == DA_F32 || dtype == DA_F64;
    return o->dtypes[dtype];
}

static bool may_run_on_devices(const workload *kind)
{
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const da_device_ops *const ops = da_device_module_of((da_device_kind)k, NULL);
        if (ops && ops->count() > 0 && da_device_find((da_device_kind)k, kind->codelet_name))
            return true;
    }
    return false;
}

static int sizes(const options *o, int64_t *out)
{
    int n = 0;

    for (int64_t size = o->low; size < o->high && n < MOST_SIZES - 1; size *= o->quick ? 4 : 2)
        out[n++] = size;
    out[n++] = o->high;
    return n;
}

/* One list, or only its length with no room for it. */
static int list_items(const options *o, bool devices, item *out)
{
    int nkinds, count = 0;
    const workload *const all = workloads_all(&nkinds);
    int64_t size[MOST_SIZES];
    const int nsizes = sizes(o, size);

    for (int k = 0; k < nkinds; k++)
        for (int d = DA_BOOL; d < DTYPES && is_wanted(o, &all[k]); d++)
            for (da_place place = DA_ON_CPU; place <= (devices ? DA_ON_GPU : DA_ON_CPU); place++) {
                if (!workload_takes(&all[k], (da_dtype)d) || !dtype_is_wanted(o, (da_dtype)d) ||
                    (place == DA_ON_GPU && !may_run_on_devices(&all[k])))
                    continue;
                for (int s = 0; s < nsizes; s++, count++)
                    if (out)
                        out[count] = (item){&all[k], (da_dtype)d, place, size[s], false};
            }
    return count;
}

static bool same_series(const item *a, const item *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->place == b->place;
}

/* ---- whole operations ---- */

enum {
    OPERATION_LEAST = 1024, /* smaller ones are too quick for their tiles to matter */
    TILINGS = 10,           /* tile sizes of one, or a few more */
    ROUNDS = 5              /* so often at most all are gone through */
};

/* One of them on matrices of order n, at a place, with each of its tile sizes. */
typedef struct series {
    const tile_operation *operation;
    da_dtype dtype;
    da_place place;
    int64_t n;
} series;

static bool operation_is_wanted(const options *o, const tile_operation *operation)
{
    for (int i = 0; i < o->nkernels; i++)
        if (strcmp(o->kernels[i], operation->name) == 0)
            return true;
    return o->nkernels == 0;
}

/* All that are wanted, one after the other, until visit() returns false. */
static void each_series(const options *o, bool (*visit)(calibration *c, const series *s), calibration *c)
{
    const bool devices = da_num_devices() > 0;
    int64_t size[MOST_SIZES];
    const int nsizes = sizes(o, size);

    for (const tile_operation *const *at = tile_operations; *at; at++)
        for (int d = DA_BOOL; d < DTYPES && operation_is_wanted(o, *at); d++)
            for (int i = 0; i < nsizes; i++)
                for (int p = 0; p <= devices; p++) {
                    const series s = {*at, (da_dtype)d, p ? DA_ANYWHERE : DA_ON_CPU, size[i]};
                    if (da_kernels_take(s.dtype) && dtype_is_wanted(o, s.dtype) && s.n >= OPERATION_LEAST &&
                        !visit(c, &s))
                        return;
                }
}

static double work_of(const series *s)
{
    return (dtype_is_complex(s->dtype) ? 4 : 1) * pow((double)s->n, 3);
}

static int calls_of(const calibration *c)
{
    return c->o.quick ? 1 : 3;
}

static bool count_one(calibration *c, const series *s)
{
    c->nseries++;
    c->work += work_of(s);
    return true;
}

/* ---- measuring ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of one run before anything was measured: a rough guess, which `spent / estimated` corrects. */
static double guess(const item *it)
{
    return 1e-4 + work_estimate(it->kind, it->dtype, it->n) / (it->kind->power == 3 ? 4e9 : 2e8);
}

/* What `spent / estimated` makes of guesses. */
static double factor_of(const calibration *c)
{
    return c->estimated > 0 ? c->spent / c->estimated : 1;
}

static bool guess_one(calibration *c, const series *s)
{
    const double seconds = factor_of(c) * work_of(s) / (4e9 * da_num_workers());

    c->operations += seconds <= c->most ? TILINGS * calls_of(c) * seconds : 0;
    return true;
}

/* Seconds of all series, before one was measured. */
static double operations_guess(calibration *c)
{
    c->operations = 0;
    each_series(&c->o, guess_one, c);
    return c->operations;
}

/* Whether the item's kernel is yet to be compiled, for a device. */
static bool is_first_on_device(const calibration *c, int i)
{
    return c->items[i].place == DA_ON_GPU && (i == 0 || !same_series(&c->items[i], &c->items[i - 1]));
}

/* Seconds; negative before anything was measured: the guesses alone may be far off. */
static double time_left(calibration *c)
{
    const double compiling = c->compilations > 0 ? c->compiling / c->compilations : COMPILING;
    double left = 0;

    if (c->estimated <= 0)
        return -1;
    for (int i = c->at; i < c->nitems; i++)
        if (!c->items[i].done) {
            const double seconds = factor_of(c) * guess(&c->items[i]);
            left += seconds <= c->most ? c->runs * seconds : 0;
            left += is_first_on_device(c, i) ? compiling : 0;
        }
    return left + operations_guess(c);
}

/* Measures one; DA_OK with *there false if no device runs it. */
static da_status measure(calibration *c, const item *it, bool *there)
{
    double began = now();
    /* a run that compiles kernels is none that counts */
    const int runs = c->runs + (it->place == DA_ON_GPU);
    da_stats before, after;
    da_status status;
    work w;

    *there = true;
    DA_TRY(work_begin(&w, it->kind, it->dtype, it->n));
    da_get_stats(&before);
    status = da_run_on(it->place);
    for (int i = 0; i < runs && status == DA_OK && !tool_interrupted && *there; i++) {
        const double run_began = now();
        status = work_run(&w);
        if (it->place == DA_ON_GPU && i == 0 && status == DA_OK) {
            da_get_stats(&after);
            *there = after.tasks_device - before.tasks_device > work_copies(&w);
            c->compiling += now() - run_began;
            began += now() - run_began;
        }
    }
    if (da_run_on(DA_ANYWHERE) != DA_OK && status == DA_OK)
        status = DA_ERROR_ARGUMENT;
    work_end(&w);
    if (status == DA_OK && *there && !tool_interrupted) {
        c->spent += now() - began;
        c->estimated += c->runs * guess(it);
    }
    return status;
}

/* Take over what the runtime measured of such tasks. */
static da_status take(calibration *c, const item *it)
{
#if DA_HAVE_STARPU
    char symbol[SYMBOL];

    models_symbol(symbol, sizeof symbol, it->kind->codelet, it->dtype);
    return spu_models_measured(&c->known, symbol);
#else
    (void)c, (void)it;
    return DA_OK;
#endif
}

/* Into this machine's file; false after a complaint. */
static bool save(calibration *c)
{
    c->saved = now();
    if (models_save(&c->known) == DA_OK)
        return true;
    progress_clear(&c->bar);
    tool_fail("calibrate", "what is measured cannot be kept: %s", da_error());
    return false;
}

/* Whether a run would take longer than is allowed, by the time that the models have of a smaller size. Only that: whoever goes on later
 * comes to the same result. */
static bool is_too_slow(const calibration *c, const item *it, const item *smaller)
{
    double seconds;

    return samples_of(c, smaller, &seconds) > 0 &&
           seconds * pow((double)it->n / (double)smaller->n, it->kind->power) > c->most;
}

/* Whether an item is left to the curve, its time being too long or that of a smaller one, which was `before`. `last`: the latest that was
 * measured or could not be. */
static bool is_left_out(const calibration *c, const item *it, const item *last, bool before)
{
    return last && same_series(last, it) && (before || (!it->done && is_too_slow(c, it, last)));
}

static int measure_all(calibration *c)
{
    const item *last = NULL; /* that was measured, now or earlier, or could not be */
    bool too_slow = false, nowhere = false;
    int status = TOOL_OK;

    progress_begin(&c->bar, stderr);
    c->kept = save(c); /* before the time is spent */
    for (c->at = 0; c->at < c->nitems && c->kept && !tool_interrupted; c->at++) {
        const item *const it = &c->items[c->at];
        char what[96];
        bool there;

        too_slow = is_left_out(c, it, last, too_slow);
        nowhere = nowhere && same_series(last, it);
        if (it->done) {
            last = it;
            continue;
        }
        if (too_slow || nowhere) {
            c->left_out += too_slow;
            c->elsewhere += nowhere;
            continue;
        }
        snprintf(what, sizeof what, "%s %s %lld on %s", it->kind->name, dtype_label(it->dtype),
                 (long long)it->n, place_name(it->place));
        progress_show(&c->bar, c->at, c->nitems + c->nseries, time_left(c), what);
        c->compilations += is_first_on_device(c, c->at);
        da_status failure = measure(c, it, &there);
        if (failure == DA_OK)
            failure = take(c, it);
        last = it;
        if (failure == DA_ERROR_MEMORY) {
            progress_clear(&c->bar);
            fprintf(stderr, "darray calibrate: %s: left out: %s\n", what, da_error());
            too_slow = true;
            c->left_out++;
        } else if (failure != DA_OK) {
            progress_clear(&c->bar);
            tool_fail("calibrate", "%s: %s", what, da_error());
            nowhere = true; /* nor at larger sizes */
            status = TOOL_FAILED;
        } else if (!there) {
            nowhere = true;
            c->elsewhere++;
        } else if (!tool_interrupted) {
            c->measured++;
        }
        if (now() - c->saved >= SAVE_S)
            c->kept = save(c);
    }
    c->kept = c->kept && save(c);
    progress_clear(&c->bar);
    return status;
}

/* ---- measuring whole operations ---- */

static const char *where_text(da_place place)
{
    return place == DA_ON_CPU ? "cpu" : "any";
}

/* The tile sizes of a series. */
static da_status ratings_of(const series *s, tile_rating *ratings, int *n)
{
    int best;

    DA_TRY(da_run_on(s->place));
    const da_status status =
        tile_ratings(s->operation, s->dtype, operation_size(s->operation, s->n), ratings, n, &best);
    DA_TRY(da_run_on(DA_ANYWHERE));
    return status;
}

static bool is_known(const tile_rating *rating)
{
    return rating->seen >= 0.9;
}

/* Seconds, as the series before went, if there were some; negative if nobody knows. */
static double operations_left(calibration *c)
{
    if (c->round > 0 || (c->work_done <= 0 && c->estimated <= 0))
        return -1;
    return c->work_done > 0 ? (now() - c->operations_began) * (c->work - c->work_done) / c->work_done
                            : operations_guess(c);
}

/* Whether a call would take longer than is allowed, by the latest series of this operation, smaller. */
static bool series_is_too_slow(const calibration *c, const series *s)
{
    const slowness *const last = &c->slow[s->place == DA_ON_CPU];

    return last->operation == s->operation && last->dtype == s->dtype && last->n < s->n &&
           last->seconds * pow((double)s->n / (double)last->n, 3) > c->most;
}

static da_status measure_series(calibration *c, const series *s)
{
    slowness *const slow = &c->slow[s->place == DA_ON_CPU];
    tile_rating ratings[TILE_RATINGS];
    operation_run run;
    da_status status;
    int n;

    if (series_is_too_slow(c, s)) {
        c->left_out++;
        return DA_OK;
    }
    DA_TRY(ratings_of(s, ratings, &n));
    DA_TRY(operation_prepare(&run, s->operation, s->dtype, operation_size(s->operation, s->n)));
    status = da_run_on(s->place);
    for (int i = 0; i < n && status == DA_OK && !tool_interrupted; i++) {
        char what[96];
        double seconds = 0;

        if (is_known(&ratings[i])) {
            c->tilings_before += c->round == 0;
            *slow = (slowness){s->operation, s->dtype, s->n, ratings[i].predicted.seconds};
            continue;
        }
        snprintf(what, sizeof what, "%s %s %lld on %s, tiles %lldx%lld", s->operation->name,
                 dtype_label(s->dtype), (long long)s->n, where_text(s->place), (long long)ratings[i].mb,
                 (long long)ratings[i].nb);
        progress_show(&c->bar, c->nitems + (c->round > 0 ? c->nseries : c->series_done),
                      c->nitems + c->nseries, operations_left(c), what);
        for (int k = 0; k < calls_of(c) && status == DA_OK && !tool_interrupted; k++)
            status = operation_measure(&run, ratings[i].mb, ratings[i].nb, &seconds);
        c->tilings += status == DA_OK && !tool_interrupted;
        *slow = (slowness){s->operation, s->dtype, s->n, seconds};
    }
    if (da_run_on(DA_ANYWHERE) != DA_OK && status == DA_OK)
        status = DA_ERROR_ARGUMENT;
    operation_release(&run);
    return status;
}

/* False ends it: models cannot be kept, or Ctrl-C. */
static bool measure_one(calibration *c, const series *s)
{
    da_status failure = measure_series(c, s);

#if DA_HAVE_STARPU
    if (failure == DA_OK)
        failure = spu_models_measured(&c->known, NULL);
#endif
    if (failure == DA_ERROR_MEMORY) {
        progress_clear(&c->bar);
        fprintf(stderr, "darray calibrate: %s %s %lld: left out: %s\n", s->operation->name,
                dtype_label(s->dtype), (long long)s->n, da_error());
        c->left_out++;
    } else if (failure != DA_OK) {
        progress_clear(&c->bar);
        tool_fail("calibrate", "%s %s %lld: %s", s->operation->name, dtype_label(s->dtype), (long long)s->n,
                  da_error());
        c->failed = true;
    }
    c->series_done++;
    c->work_done += work_of(s);
    c->kept = save(c);
    return c->kept && !tool_interrupted;
}

/* Until what was measured asks for no more tile sizes. */
static void measure_operations(calibration *c)
{
    const int left_out = c->left_out;
    int before;

    c->operations_began = now();
    do {
        before = c->tilings;
        c->left_out = left_out; /* the latest round says which series are too slow */
        if (!c->kept || tool_interrupted)
            break;
        each_series(&c->o, measure_one, c);
    } while (c->tilings > before && ++c->round < ROUNDS);
}

static bool list_one(calibration *c, const series *s)
{
    tile_rating ratings[TILE_RATINGS];
    int n = 0, known = 0;

    (void)c;
    if (ratings_of(s, ratings, &n) != DA_OK)
        n = 0;
    for (int i = 0; i < n; i++)
        known += is_known(&ratings[i]);
    printf("%-18s %-5s %6lld  %-7s %d of %d tile sizes\n", s->operation->name, dtype_label(s->dtype),
           (long long)s->n, where_text(s->place), known, n);
    return true;
}

static void list(calibration *c)
{
    const item *last = NULL; /* that was measured */
    bool too_slow = false;

    printf("%-18s %-5s %6s  %-7s %s\n", "kernel", "dtype", "size", "on", "measured");
    for (int i = 0; i < c->nitems; i++) {
        const item *const it = &c->items[i];

        too_slow = is_left_out(c, it, last, too_slow);
        last = it->done ? it : last;
        printf("%-18s %-5s %6lld  %-7s %s\n", it->kind->name, dtype_label(it->dtype), (long long)it->n,
               place_name(it->place),
               it->done   ? "yes"
               : too_slow ? "curve"
                          : "no");
    }
    each_series(&c->o, list_one, c);
}

static int finish(const calibration *c, int status)
{
    char elapsed[TEXT];

    printf("%d measured in %s", c->measured, duration_text(elapsed, progress_elapsed(&c->bar)));
    if (c->before > 0)
        printf(", %d were before", c->before);
    if (c->left_out > 0)
        printf(", %d left to the curve", c->left_out);
    if (c->elsewhere > 0)
        printf(", %d that no device runs", c->elsewhere);
    if (c->tilings + c->tilings_before > 0)
        printf(", %d tile sizes of operations", c->tilings);
    if (c->tilings_before > 0)
        printf(" (%d were before)", c->tilings_before);
    puts("");
    if (!tool_interrupted)
        return status;
    printf("stopped: the same command goes on from here\n");
    return TOOL_INTERRUPTED;
}

static int run(calibration *c)
{
    const bool devices = da_num_devices() > 0;
    int status;

    const da_status known = models_read(&c->known, NULL);
    if (known != DA_OK)
        return tool_fail_models("calibrate", known);
    models_fit(&c->known);
    c->runs = c->o.quick ? 3 : MODEL_WINDOW;
    c->most = c->o.quick ? 0.2 : 2;
    c->nitems = list_items(&c->o, devices, NULL);
    each_series(&c->o, count_one, c);
    if (c->nitems + c->nseries == 0)
        return tool_fail("calibrate", "no kernel of those takes such elements: nothing to measure");
    c->items = calloc((size_t)c->nitems + 1, sizeof *c->items);
    if (!c->items)
        return tool_fail("calibrate", "out of memory");
    list_items(&c->o, devices, c->items);
    for (int i = 0; i < c->nitems; i++) {
        double seconds;
        c->items[i].done = samples_of(c, &c->items[i], &seconds) >= c->runs;
        c->before += c->items[i].done;
    }
    models_always = true;
    if (da_init("starpu", 0) != DA_OK) /* for --list, too: tile sizes depend on the number of workers */
        return tool_fail("calibrate", "%s", da_error());
    if (c->o.list) {
        list(c);
        return da_shutdown() == DA_OK ? TOOL_OK : tool_fail("calibrate", "%s", da_error());
    }
    tool_catch_signals();
    status = measure_all(c);
    if (da_blocks((da_shape){.ndim = 0}) != DA_OK) /* that kernels were forced into */
        return tool_fail("calibrate", "%s", da_error());
    measure_operations(c);
    progress_clear(&c->bar);
    status = c->failed ? TOOL_FAILED : status;
    if (da_shutdown() != DA_OK)
        return tool_fail("calibrate", "%s", da_error());
    return c->kept ? finish(c, status) : TOOL_FAILED;
}

int tool_calibrate(int argc, char **argv)
{
    arguments a = {.command = "calibrate", .argc = argc, .argv = argv};
    calibration c = {.o = {.any_dtype = true, .low = 32, .high = 2048}};
    int status;

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(stdout);
            return TOOL_OK;
        }
    status = parse(&c.o, &a);
    if (status != TOOL_OK)
        return status;
#if !DA_HAVE_STARPU
    return tool_fail("calibrate", "the library was built without StarPU: without it there are no models");
#endif
    /* one task at a time, each of them a task */
    setenv("DARRAY_RUNTIME", "starpu", 1);
    setenv("DARRAY_INLINE", "0", 1);
    unsetenv("DARRAY_TILE");
    unsetenv("DARRAY_REPRODUCIBLE");
    status = run(&c);
    free(c.items);
    models_clear(&c.known);
    return status;
}
