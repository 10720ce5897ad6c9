/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/model.h"
#include "base/base.h"
#include "base/clock.h"

#include <math.h>
#include <string.h>

static const double
    incredible = 20, /* a single sample so many times worse than another kind's is tried again at once */
    unknown = 4,     /* what may be lost by trying what nothing is known of, in tasks of the best kind */
    allowance = 1e-3, share = 0.1, /* what trials may waste: seconds, and of all tasks' time */
    shortest = 1e-9;
enum {
    PATIENCE = 8,
    PATIENCE_MOST =
        4096, /* tasks until a kind that looks bad is tried again: doubled as that finds nothing new */
    NEWS = 16 /* samples that a curve may miss */
};

/* ---- the machine ---- */

void model_machine_measure(model_machine *machine)
{
    enum { N = 1 << 12, ROUNDS = 8 };
    float x[N] = {0}, y[N] = {0}; /* in a cache: what tiles are */
    double best = 1;

    for (int round = 0; round < ROUNDS; round++) {
        const double start = now();
        for (int i = 0; i < N; i++)
            y[i] = y[i] * 0.5F + x[i];
        __asm__ volatile("" : : "r"(y) : "memory"); /* somebody may look at them */
        const double t = now() - start;
        if (t > 0 && t < best)
            best = t;
    }
    const double bytes = 3 * sizeof(float) * N / best;
    const double flops = 8 * 2 * N / best; /* several in registers for each one in a cache */
    machine->peak[DA_DEVICE_CPU] = (model_peak){flops, flops / 2, bytes, 1e-6};
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        model_peak *const peak = &machine->peak[k];

        peak->flops = peak->flops > 0 ? peak->flops : 10 * flops;
        peak->doubles = peak->doubles > 0 ? peak->doubles : peak->flops / 2;
        peak->bytes = peak->bytes > 0 ? peak->bytes : 10 * bytes;
        peak->seconds = peak->seconds > 0 ? peak->seconds : 10e-6;
    }
}

/* What is unknown of them is measured, or assumed, when first asked for. */
static const model_peak *peak_of(const model *m, int kind)
{
    const model_peak *const peak = &m->machine->peak[kind];

    if (!(peak->flops > 0 && peak->doubles > 0 && peak->bytes > 0 && peak->seconds > 0))
        model_machine_measure(m->machine);
    return peak;
}

static double clean(double seconds)
{
    return seconds > shortest ? seconds < MODEL_NEVER ? seconds : MODEL_NEVER : shortest;
}

/* From the peaks alone. */
static double prior(const model *m, int kind, const model_size *size)
{
    const model_peak *const peak = peak_of(m, kind);
    const double flops = m->doubles ? peak->doubles : peak->flops;
    double t = peak->seconds;

    if (peak->bytes > 0 && size->bytes > 0)
        t += size->bytes / peak->bytes;
    if (flops > 0 && size->flops > 0)
        t += size->flops / flops;
    return clean(t);
}

/* ---- models and points ---- */

model *model_new(model_machine *machine, const char *symbol)
{
    const size_t length = strlen(symbol) + 1;
    const char *const last = strrchr(symbol, '_'), *const dtype = last ? last + 1 : symbol;
    model *const m = mem_zalloc(sizeof *m + length);

    if (!m)
        return NULL;
    m->machine = machine;
    m->doubles = strcmp(dtype, da_dtype_name(DA_F64)) == 0 || strcmp(dtype, da_dtype_name(DA_C128)) == 0;
    memcpy(m->symbol, symbol, length);
    return m;
}

void model_free(model *m)
{
    if (m) {
        mem_free(m->points);
        mem_free(m->footprints);
    }
    mem_free(m);
}

static model_point *find(model *m, const model_size *size)
{
    for (int i = 0; i < m->npoints; i++)
        if (m->footprints[i] == size->footprint)
            return &m->points[i];
    return NULL;
}

/* Room for one more. */
static bool grow(model *m)
{
    const int capacity = m->capacity ? 2 * m->capacity : 4;
    model_point *const points = mem_realloc(m->points, (size_t)capacity * sizeof *points);

    if (points)
        m->points = points;
    uint32_t *const footprints =
        points ? mem_realloc(m->footprints, (size_t)capacity * sizeof *footprints) : NULL;
    if (!footprints)
        return false;
    m->footprints = footprints;
    m->capacity = capacity;
    return true;
}

/* The point of this size, new if need be; null if memory is short. */
static model_point *point_of(model *m, const model_size *size)
{
    model_point *p = find(m, size);

    if (!p && m->npoints < MODEL_POINTS) {
        if (m->npoints == m->capacity && !grow(m))
            return NULL;
        p = &m->points[m->npoints++];
        *p = (model_point){.size = *size};
    } else if (!p) {
        p = &m->points[0];
        for (int i = 1; i < m->npoints; i++)
            if (m->points[i].used < p->used)
                p = &m->points[i];
        *p = (model_point){.size = *size};
        for (int k = 0; k < DA_DEVICE_KINDS; k++)
            m->news[k] = NEWS;
    }
    m->footprints[p - m->points] = size->footprint;
    p->used = ++m->clock;
    return p;
}

/* The lower median: of two samples the smaller one, since what disturbs makes slower. */
static double median(const model_times *t)
{
    float sorted[MODEL_WINDOW];
    int n = 0;

    for (int i = 0; i < t->nrecent; i++) {
        int k = n++;
        for (; k > 0 && sorted[k - 1] > t->recent[i]; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = t->recent[i];
    }
    return sorted[(n - 1) / 2];
}

bool model_mean(const model_times *t, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    int n = 0;

    if (t->nrecent == 0)
        return false;
    const double middle = median(t);
    for (int i = 0; i < t->nrecent; i++)
        if (t->recent[i] <= 3 * middle && 3 * t->recent[i] >= middle) {
            sum += t->recent[i];
            n++;
        }
    *mean = sum / n;
    for (int i = 0; i < t->nrecent; i++)
        if (t->recent[i] <= 3 * middle && 3 * t->recent[i] >= middle)
            squares += (t->recent[i] - *mean) * (t->recent[i] - *mean);
    *deviation = t->fresh ? sqrt(squares / n) : t->deviation;
    return true;
}

static void add(model *m, int kind, model_times *t, double seconds)
{
    t->recent[t->next] = (float)clean(seconds);
    t->next = (t->next + 1) % MODEL_WINDOW;
    m->news[kind] += t->nrecent == 0 ? NEWS : 1;
    if (t->nrecent == 0)
        t->patience = PATIENCE;
    if (t->nrecent < MODEL_WINDOW)
        t->nrecent++;
}

void model_add(model *m, da_device_kind kind, const model_size *size, double seconds)
{
    model_point *const p = point_of(m, size);

    if (!p)
        return;
    add(m, (int)kind, &p->on[kind], seconds);
    p->on[kind].samples++;
    p->on[kind].fresh = true;
}

void model_recall(model *m, da_device_kind kind, const model_size *size, double seconds, double deviation,
                  int64_t samples)
{
    model_point *const p = point_of(m, size);

    if (!p || p->on[kind].nrecent > 0)
        return;
    add(m, (int)kind, &p->on[kind], seconds);
    p->on[kind].deviation = (float)deviation;
    p->on[kind].samples = samples;
}

int model_forget(model *m, da_device_kind kind)
{
    int sizes = 0;

    for (int i = 0; i < m->npoints; i++) {
        sizes += m->points[i].on[kind].nrecent > 0;
        m->points[i].on[kind] = (model_times){.nrecent = 0};
    }
    m->curve[kind] = (model_curve){.npoints = 0};
    m->news[kind] = 0;
    return sizes;
}

bool model_copy(model *m, da_device_kind kind, const model_size *size, const model_times *times)
{
    model_point *const p = point_of(m, size);

    if (!p)
        return false;
    p->on[kind] = *times;
    m->news[kind] += NEWS;
    return true;
}

/* ---- the curve ---- */

double model_curve_at(const model_curve *curve, double bytes, double flops)
{
    const double x = curve->by_flops ? flops : bytes;

    return clean((x > 0 ? curve->a * pow(x, curve->b) : 0) + curve->c + curve->d * bytes);
}

/* What a curve is made from. */
typedef struct measurements {
    int n;
    double x[MODEL_POINTS], bytes[MODEL_POINTS], y[MODEL_POINTS];
} measurements;

enum { TERMS = 3 };

/* The terms of a point by the curve's exponent, as parts of its time. */
static void terms_of(const model_curve *curve, const measurements *p, int i, double t[TERMS])
{
    t[0] = pow(p->x[i], curve->b) / p->y[i];
    t[1] = 1 / p->y[i];
    t[2] = p->bytes[i] / p->y[i];
}

/* x of a symmetric positive definite system of n <= TERMS equations, which is lost; false if it is nearly singular. */
static bool solve(int n, double a[TERMS][TERMS], double x[TERMS])
{
    for (int k = 0; k < n; k++) {
        if (!(a[k][k] > 1e-9))
            return false;
        for (int i = k + 1; i < n; i++) {
            const double f = a[i][k] / a[k][k];
            for (int j = k; j < n; j++)
                a[i][j] -= f * a[k][j];
            x[i] -= f * x[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++)
            x[k] -= a[k][j] * x[j];
        x[k] /= a[k][k];
    }
    return true;
}

/* Least squares of relative errors for the curve's exponent, no factor below 0: of all choices of terms the best one. Returns the mean
 * square. */
static double fit(model_curve *curve, const measurements *p)
{
    double products[TERMS][TERMS] = {{0}}, sums[TERMS] = {0}, scale[TERMS], least = INFINITY;
    const model_curve as_given = *curve;

    for (int i = 0; i < p->n; i++) {
        double t[TERMS];
        terms_of(curve, p, i, t);
        for (int j = 0; j < TERMS; j++) {
            sums[j] += t[j];
            for (int k = 0; k < TERMS; k++)
                products[j][k] += t[j] * t[k];
        }
    }
    for (int j = 0; j < TERMS; j++)
        scale[j] = products[j][j] > 0 ? sqrt(products[j][j]) : 1;
    for (unsigned terms = 1; terms < 1U << (TERMS - !curve->by_flops); terms++) {
        double a[TERMS][TERMS], x[TERMS], factor[TERMS] = {0}, error = p->n;
        int n = 0, which[TERMS];
        bool positive = true;

        for (int j = 0; j < TERMS; j++)
            if (terms >> j & 1)
                which[n++] = j;
        for (int j = 0; j < n; j++) {
            x[j] = sums[which[j]] / scale[which[j]];
            for (int k = 0; k < n; k++)
                a[j][k] = products[which[j]][which[k]] / scale[which[j]] / scale[which[k]];
        }
        if (!solve(n, a, x))
            continue;
        for (int j = 0; j < n; j++) {
            positive = positive && x[j] >= 0;
            factor[which[j]] = x[j] / scale[which[j]];
        }
        /* the sum of squares of 1 - terms * factors, multiplied out */
        for (int j = 0; j < TERMS; j++) {
            error -= 2 * factor[j] * sums[j];
            for (int k = 0; k < TERMS; k++)
                error += factor[j] * factor[k] * products[j][k];
        }
        error = error > 0 ? error : 0;
        if (positive && error < 0.98 * least - 1e-9 * p->n) { /* fewer terms where more do not help */
            least = error;
            *curve = as_given;
            curve->a = factor[0];
            curve->c = factor[1];
            curve->d = factor[2];
        }
    }
    return least / p->n;
}

static void make_curve(model *m, int kind)
{
    static const double exponents[] = {1, 0.75, 1.25, 0.5, 1.5, 2}; /* the first wins where several do */
    model_curve best = {.by_flops = true, .b = 1};
    measurements p = {.n = 0};
    double least = 0, low = 0, high = 0;

    for (int i = 0; i < m->npoints; i++)
        if (m->points[i].on[kind].nrecent > 0 && !(m->points[i].size.flops > 0))
            best.by_flops = false;
    for (int i = 0; i < m->npoints; i++)
        if (m->points[i].on[kind].nrecent > 0) {
            const model_size *const size = &m->points[i].size;
            const double x = best.by_flops ? size->flops : size->bytes;
            p.x[p.n] = x > 1 ? x : 1;
            p.bytes[p.n] = size->bytes;
            low = p.n == 0 || p.x[p.n] < low ? p.x[p.n] : low;
            high = p.n == 0 || p.x[p.n] > high ? p.x[p.n] : high;
            p.y[p.n++] = median(&m->points[i].on[kind]);
        }
    if (p.n > 0 &&
        low == high) { /* one size: as if a part of it were there for every task, the rest grew with it */
        const double fixed = peak_of(m, kind)->seconds;
        double mean = 0;
        for (int i = 0; i < p.n; i++)
            mean += p.y[i] / p.n;
        best.c = fixed < mean / 2 ? fixed : mean / 2;
        best.a = (mean - best.c) / low;
    } else if (p.n > 0) {
        for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
            model_curve c = {.by_flops = best.by_flops, .b = exponents[i]};
            const double error = fit(&c, &p);
            if (i == 0 || error < 0.8 * least - 1e-6) {
                best = c;
                least = error;
            }
        }
        best.good = sqrt(least) < 0.5;
    }
    best.npoints = p.n;
    m->curve[kind] = best;
    m->news[kind] = 0;
}

const model_curve *model_curve_of(model *m, da_device_kind kind)
{
    if (m->news[kind] >= NEWS * (1 + m->npoints / 64) || (m->news[kind] > 0 && m->curve[kind].npoints == 0))
        make_curve(m, (int)kind);
    return &m->curve[kind];
}

/* ---- expecting ---- */

/* By a sample or the curve; 0 if nothing was measured. *sure: worth acting upon. */
static double measured(model *m, int kind, const model_point *p, const model_size *size, bool *sure)
{
    if (p && p->on[kind].nrecent > 0) {
        *sure = true;
        return median(&p->on[kind]);
    }
    const model_curve *const curve = model_curve_of(m, (da_device_kind)kind);
    *sure = curve->good;
    return curve->npoints > 0 ? model_curve_at(curve, size->bytes, size->flops) : 0;
}

static double expect(model *m, int kind, const model_point *p, const model_size *size, bool *sure)
{
    double t = measured(m, kind, p, size, sure);

    /* a device: what another kind takes, by the ratio of what the peaks say. The CPU: it is where tasks go that nothing is known of. */
    for (int k = 0; k < DA_DEVICE_KINDS && t == 0 && kind != DA_DEVICE_CPU; k++) {
        bool other;
        if (k != kind)
            t = measured(m, k, p, size, &other) * prior(m, kind, size) / prior(m, k, size);
    }
    *sure |= kind == DA_DEVICE_CPU;
    return t > 0 ? clean(t) : prior(m, kind, size);
}

double model_expect(model *m, da_device_kind kind, const model_size *size)
{
    bool sure;

    return expect(m, (int)kind, find(m, size), size, &sure);
}

/* Whether a size is near one that was measured: four times as many rows and columns, or a quarter of them, at most. */
static bool near_measured(const model *m, da_device_kind kind, double bytes)
{
    const double factor = 16;

    for (int i = 0; i < m->npoints; i++) {
        const model_point *const p = &m->points[i];
        if (p->on[kind].nrecent > 0 && bytes <= factor * p->size.bytes && p->size.bytes <= factor * bytes)
            return true;
    }
    return false;
}

double model_expect_like(model *m, da_device_kind kind, double bytes, double flops, model_basis *basis)
{
    const model_size size = {.bytes = bytes, .flops = flops};
    const model_point *same = NULL;
    double mean, deviation;
    bool sure;

    for (int i = 0; i < m->npoints && !same; i++) {
        const model_point *const p = &m->points[i];
        /* files have whole numbers */
        if (p->on[kind].nrecent > 0 && fabs(p->size.bytes - bytes) <= 1 && fabs(p->size.flops - flops) <= 1)
            same = p;
    }
    *basis = same                                   ? MODEL_SEEN
             : near_measured(m, kind, bytes)        ? MODEL_CURVE
             : model_curve_of(m, kind)->npoints > 0 ? MODEL_FAR
                                                    : MODEL_GUESS;
    if (same && model_mean(&same->on[kind], &mean, &deviation))
        return clean(mean);
    return expect(m, (int)kind, same, &size, &sure);
}

/* ---- choosing ---- */

static bool has(unsigned kinds, int k)
{
    return kinds >> k & 1;
}

/* The best of the kinds that are known, or else the first. */
static int best_of(unsigned kinds, const double seconds[DA_DEVICE_KINDS], const bool sure[DA_DEVICE_KINDS])
{
    int best = -1;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (has(kinds, k) && sure[k] && (best < 0 || seconds[k] < seconds[best]))
            best = k;
    for (int k = 0; k < DA_DEVICE_KINDS && best < 0; k++)
        if (has(kinds, k))
            best = k;
    return best;
}

static bool may_waste(const model_machine *machine, double risk)
{
    return machine->wasted + risk <= allowance + share * machine->worked;
}

bool model_may_try(model *m, da_device_kind kind, const model_size *size)
{
    return may_waste(m->machine, unknown * model_expect(m, DA_DEVICE_CPU, size) + m->start[kind]);
}

void model_choose(model *m, const model_size *size, unsigned kinds, double seconds[DA_DEVICE_KINDS],
                  int *trial)
{
    model_point *const p = point_of(m, size);
    bool sure[DA_DEVICE_KINDS] = {false}, any;

    *trial = -1;
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        seconds[k] = has(kinds, k) ? expect(m, k, p, size, &sure[k]) : MODEL_NEVER;
    const int best = best_of(kinds, seconds, sure);
    if (best < 0)
        return;
    /* nothing is tried before it is known what it may cost */
    const bool can_tell = measured(m, best, p, size, &any) > 0;
    for (int k = 0; k < DA_DEVICE_KINDS && p && can_tell && *trial < 0; k++) {
        const model_times *const t = &p->on[k];
        if (!has(kinds, k) || k == best || t->trying)
            continue;
        const bool once = t->nrecent == 1 && seconds[k] > incredible * seconds[best];
        const double risk =
            (!sure[k] || once ? unknown * seconds[best] : seconds[k] - seconds[best]) + m->start[k];
        if ((!sure[k] || once || t->since >= t->patience) && may_waste(m->machine, risk))
            *trial = k;
    }
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (has(kinds, k) && (*trial >= 0 ? k != *trial : k != best && !sure[k]))
            seconds[k] = MODEL_NEVER;
    if (*trial >= 0)
        p->on[*trial].trying = true;
}

void model_done(model *m, const model_size *size, da_device_kind kind, double seconds, int trial)
{
    model_point *const p = point_of(m, size);

    if (!p)
        return;
    model_times *const t = &p->on[kind];
    if (trial >= 0)
        p->on[trial].trying = false;
    if (seconds < 0)
        return;
    if (trial == (int)kind) {
        double best = seconds;
        for (int k = 0; k < DA_DEVICE_KINDS; k++) {
            bool sure;
            const double other = k == trial ? 0 : measured(m, k, p, size, &sure);
            best = other > 0 && other < best ? other : best;
        }
        /* what is incredible was a start, or somebody else's doing */
        m->machine->wasted += (seconds < incredible * best ? seconds : incredible * best) - best;
        if (t->nrecent > 0) {
            const double before = median(t);
            const bool as_expected = seconds < 2 * before && before < 2 * seconds;
            t->patience = !as_expected                  ? PATIENCE
                          : t->patience < PATIENCE_MOST ? 2 * t->patience
                                                        : PATIENCE_MOST;
        }
    }
    m->machine->worked += seconds;
    m->start[kind] = 0;
    model_add(m, kind, size, seconds);
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (p->on[k].since < PATIENCE_MOST)
            p->on[k].since += k != (int)kind;
    t->since = 0;
}

void model_compiled(model *m, da_device_kind kind, double seconds)
{
    m->machine->wasted += seconds;
    m->machine->worked += seconds;
    m->start[kind] = 0;
}
