/* SPDX-License-Identifier: BSD-3-Clause */
#include "curves.h"
#include "tool.h"
#include <math.h>

void curves_of(curves *c, model *m)
{
    *c = (curves){.m = m, .by_flops = true};
    for (int k = 0; k < DA_DEVICE_KINDS; k++) {
        c->n[k] = models_points(m, (da_device_kind)k, c->points[k], MODEL_POINTS);
        for (int i = 0; i < c->n[k]; i++)
            c->by_flops = c->by_flops && c->points[k][i].flops > 0;
    }
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        for (int i = 0; i < c->n[k]; i++) {
            const double x = curves_x(c, &c->points[k][i]);
            c->low = c->low > 0 && c->low < x ? c->low : x;
            c->high = c->high > x ? c->high : x;
        }
}

double curves_x(const curves *c, const models_point *p)
{
    return c->by_flops ? p->flops : p->bytes > 1 ? p->bytes : 1;
}

/* Operands of tasks of so many operations: as the points on both sides have, along a power law. */
static double bytes_at(const curves *c, double flops)
{
    const models_point *low = NULL, *high = NULL;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        for (int i = 0; i < c->n[k]; i++) {
            const models_point *const p = &c->points[k][i];
            if (p->flops <= flops && (!low || p->flops > low->flops))
                low = p;
            if (p->flops >= flops && (!high || p->flops < high->flops))
                high = p;
        }
    if (!low || !high)
        return low ? low->bytes : high ? high->bytes : 0;
    if (low->flops == high->flops || low->bytes <= 0)
        return low->bytes;
    return low->bytes *
           pow(high->bytes / low->bytes, log(flops / low->flops) / log(high->flops / low->flops));
}

double curves_at(const curves *c, da_device_kind kind, double x)
{
    if (c->n[kind] == 0)
        return 0;
    return c->by_flops ? models_predict(c->m, kind, bytes_at(c, x), x) : models_predict(c->m, kind, x, 0);
}

const char *curves_x_text(const curves *c, char buffer[TEXT], double x)
{
    char number[TEXT];

    if (!c->by_flops)
        return bytes_text(buffer, x);
    count_text(number, x);
    snprintf(buffer, TEXT, "%.20s%sflop", number, x < 999.5 ? " " : "");
    return buffer;
}

static void range_of(const curves *c, da_device_kind kind, double *low, double *high)
{
    *low = INFINITY;
    *high = 0;
    for (int i = 0; i < c->n[kind]; i++) {
        const double x = curves_x(c, &c->points[kind][i]);
        *low = fmin(*low, x);
        *high = fmax(*high, x);
    }
}

int curves_crossings(const curves *c, da_device_kind a, da_device_kind b, double *x, int max,
                     da_device_kind *first)
{
    enum { STEPS = 400 };
    double low_a, low_b, high_a, high_b, before = 0, before_x = 0;
    int n = 0;

    range_of(c, a, &low_a, &high_a);
    range_of(c, b, &low_b, &high_b);
    const double low = fmax(low_a, low_b), high = fmin(high_a, high_b);
    if (c->n[a] == 0 || c->n[b] == 0 || low > high || curves_at(c, a, low) <= 0 || curves_at(c, b, low) <= 0)
        return -1;
    for (int i = 0; i <= STEPS; i++) {
        const double at = low * pow(high / low, (double)i / STEPS);
        const double difference = curves_at(c, a, at) - curves_at(c, b, at);

        if (i == 0)
            *first = difference <= 0 ? a : b;
        if (i > 0 && (difference < 0) != (before < 0) && n < max) {
            double left = before_x, right = at;
            for (int k = 0; k < 40; k++) {
                const double middle = sqrt(left * right);
                if ((curves_at(c, a, middle) - curves_at(c, b, middle) < 0) == (before < 0))
                    left = middle;
                else
                    right = middle;
            }
            x[n++] = sqrt(left * right);
        }
        before = difference;
        before_x = at;
    }
    return n;
}
