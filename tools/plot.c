/* SPDX-License-Identifier: BSD-3-Clause */
/* A model as a picture: SVG with both axes logarithmic; a point for each size that was measured, a line for the curve through them. */
#include "curves.h"
#include "tool.h"
#include <math.h>
#include <string.h>

enum { W = 880, H = 560, LEFT = 92, RIGHT = 28, TOP = 64, BOTTOM = 76, SEGMENTS = 120 };

typedef struct axis {
    double low, high; /* logarithms to the base 10 */
    double from, to;  /* where these lie in the picture */
} axis;

static double place(const axis *a, double value)
{
    return a->from + (log10(value) - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* Distinguishable also for those who see few colours, as are the shapes. */
static const struct {
    const char *colour, *name;
} looks[DA_DEVICE_KINDS] = {
    {"#0072b2", "CPU core"}, {"#d55e00", "CUDA device"}, {"#009e73", "OpenCL device"}};

static void escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&')
            fprintf(out, "&#%d;", *text);
        else
            fputc(*text, out);
    }
}

static void marker(FILE *out, da_device_kind kind, double x, double y)
{
    if (kind == DA_DEVICE_CPU)
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y, looks[kind].colour);
    else if (kind == DA_DEVICE_CUDA)
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"7.5\" height=\"7.5\" fill=\"%s\"/>\n", x - 3.75,
                y - 3.75, looks[kind].colour);
    else
        fprintf(out, "<path d=\"M%.1f %.1fl4.8 8.6h-9.6z\" fill=\"%s\"/>\n", x, y - 5, looks[kind].colour);
}

/* ---- axes ---- */

static void tick_x(FILE *out, const axis *x, double value, const char *label)
{
    const double at = place(x, value);

    if (at < x->from - 0.01 || at > x->to + 0.01)
        return;
    fprintf(out, "<path d=\"M%.1f %dV%d\" class=\"grid\"/>\n", at, TOP, H - BOTTOM);
    fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at, H - BOTTOM + 20, label);
}

static void ticks_x(const curves *c, FILE *out, const axis *x)
{
    const double base = c->by_flops ? 10 : 2;
    const double low = x->low * log(10) / log(base), high = x->high * log(10) / log(base);
    double step = 1;
    char label[TEXT];

    while ((high - low) / step > 9)
        step *= 2;
    if (step == 1 && c->by_flops && high - low < 3) /* few decades: their parts too */
        for (double e = floor(low); e <= high; e++)
            for (int part = 2; part <= 5; part += 3)
                tick_x(out, x, part * pow(10, e), curves_x_text(c, label, part * pow(10, e)));
    for (double e = ceil(low / step - 1e-9) * step; e <= high + 1e-9; e += step)
        tick_x(out, x, pow(base, e), curves_x_text(c, label, pow(base, e)));
}

static void ticks_y(FILE *out, const axis *y)
{
    const bool parts = y->high - y->low < 3;
    char label[TEXT];

    for (double e = floor(y->low); e <= ceil(y->high); e++)
        for (int part = 1; part <= (parts ? 5 : 1); part = part == 1 ? 2 : part == 2 ? 5 : 6) {
            const double value = part * pow(10, e), at = place(y, value);
            if (at > y->from + 0.01 || at < y->to - 0.01)
                continue;
            fprintf(out, "<path d=\"M%d %.1fH%d\" class=\"grid\"/>\n", LEFT, at, W - RIGHT);
            fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, at + 4,
                    seconds_text(label, value));
        }
}

/* ---- what stands in the picture ---- */

static void curve(const curves *c, FILE *out, da_device_kind kind, const axis *x, const axis *y)
{
    bool down = false;

    if (curves_at(c, kind, c->low) <= 0)
        return;
    fputs("<path d=\"", out);
    for (int i = 0; i <= SEGMENTS; i++) {
        const double log_x = x->low + (x->high - x->low) * i / SEGMENTS, at = pow(10, log_x);
        const double seconds = curves_at(c, kind, at);
        const bool inside = seconds > 0 && log10(seconds) >= y->low && log10(seconds) <= y->high;

        if (inside)
            fprintf(out, "%c%.1f %.1f", down ? 'L' : 'M', place(x, at), place(y, seconds));
        down = inside;
    }
    fprintf(out, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\"/>\n", looks[kind].colour);
}

static void points(const curves *c, FILE *out, da_device_kind kind, const axis *x, const axis *y)
{
    const double bottom = pow(10, y->low), top = pow(10, y->high);
    char text[TEXT], size[TEXT];

    for (int i = 0; i < c->n[kind]; i++) {
        const models_point *p = &c->points[kind][i];
        const double at = place(x, curves_x(c, p));

        if (!(p->mean > 0))
            continue;
        fputs("<g>", out);
        fprintf(out, "<title>%s, %s: %s, %lld samples</title>\n", looks[kind].name,
                curves_x_text(c, size, curves_x(c, p)), seconds_text(text, p->mean), (long long)p->samples);
        if (p->deviation > 0.03 * p->mean)
            fprintf(out, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\" stroke-width=\"1.2\"/>\n", at,
                    place(y, fmax(p->mean - p->deviation, bottom)),
                    place(y, fmin(p->mean + p->deviation, top)), looks[kind].colour);
        marker(out, kind, at, place(y, p->mean));
        fputs("</g>\n", out);
    }
}

static void crossings(const curves *c, FILE *out, const axis *x)
{
    int row = 0;

    for (int a = 0; a < DA_DEVICE_KINDS; a++)
        for (int b = a + 1; b < DA_DEVICE_KINDS; b++) {
            double at[4];
            da_device_kind faster = DA_DEVICE_CPU;
            const int n = curves_crossings(c, (da_device_kind)a, (da_device_kind)b, at, 4, &faster);

            for (int i = 0; i < n; i++) {
                const double px = place(x, at[i]);
                const bool left = px > (LEFT + W - RIGHT) / 2.0;
                char text[TEXT];

                const da_device_kind other = faster;
                faster = faster == (da_device_kind)a ? (da_device_kind)b : (da_device_kind)a;
                fprintf(out,
                        "<path d=\"M%.1f %dV%d\" stroke=\"#444\" stroke-width=\"1.2\" stroke-dasharray=\"5 "
                        "4\"/>\n",
                        px, TOP, H - BOTTOM);
                fprintf(out,
                        "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\" class=\"note\">%s faster than %s from "
                        "%s</text>\n",
                        left ? px - 6 : px + 6, H - BOTTOM - 10 - 18 * row++, left ? "end" : "start",
                        looks[faster].name, looks[other].name, curves_x_text(c, text, at[i]));
            }
        }
}

static void legend(const curves *c, FILE *out)
{
    int rows = 0, y = TOP + 12;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        rows += c->n[k] > 0;
    fprintf(out,
            "<rect x=\"%d\" y=\"%d\" width=\"330\" height=\"%d\" fill=\"#fff\" fill-opacity=\"0.93\" "
            "stroke=\"#bbb\"/>\n",
            LEFT + 10, y, 22 * rows + 10);
    for (int k = 0; k < DA_DEVICE_KINDS; k++) {
        if (c->n[k] == 0)
            continue;
        y += 22;
        fprintf(out, "<path d=\"M%d %dh30\" stroke=\"%s\" stroke-width=\"1.8\"/>\n", LEFT + 20, y - 5,
                looks[k].colour);
        marker(out, (da_device_kind)k, LEFT + 35, y - 5);
        fprintf(out, "<text x=\"%d\" y=\"%d\">%s: %d size%s measured, curve</text>\n", LEFT + 58, y,
                looks[k].name, c->n[k], c->n[k] == 1 ? "" : "s");
    }
}

/* The ends of the axis, a little beyond what lies on it. */
static axis axis_of(double low, double high, double from, double to)
{
    double a = log10(low), b = log10(high);

    if (b - a < 0.5) {
        a -= 0.25;
        b += 0.25;
    }
    return (axis){a - 0.04 * (b - a), b + 0.04 * (b - a), from, to};
}

void curves_plot(const curves *c, FILE *out)
{
    double fastest = INFINITY, slowest = 0;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        for (int i = 0; i < c->n[k]; i++)
            if (c->points[k][i].mean > 0) {
                fastest = fmin(fastest, c->points[k][i].mean);
                slowest = fmax(slowest, c->points[k][i].mean);
            }
    if (slowest <= 0)
        fastest = slowest = 1e-3;
    const axis x = axis_of(c->low > 0 ? c->low : 1, c->high > 0 ? c->high : 1, LEFT, W - RIGHT);
    const axis y = axis_of(fastest, slowest, H - BOTTOM, TOP);

    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
            W, H, W, H);
    fputs("<style>text{font:13px "
          "sans-serif;fill:#222}.grid{stroke:#e2e2e2;fill:none}.note{font-size:12px;fill:#444;paint-order:"
          "stroke;stroke:#fff;stroke-width:4px}"
          ".title{font-size:17px}.frame{fill:none;stroke:#666}</style>\n<title>",
          out);
    escaped(out, c->m->symbol);
    fprintf(out, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", W, H);
    fprintf(out, "<text x=\"%d\" y=\"30\" class=\"title\">", LEFT);
    escaped(out, c->m->symbol);
    fprintf(out,
            "</text>\n<text x=\"%d\" y=\"50\" class=\"note\">mean time of a task by its size; bars: standard "
            "deviation</text>\n",
            LEFT);
    ticks_x(c, out, &x);
    ticks_y(out, &y);
    fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"frame\"/>\n", LEFT, TOP,
            W - LEFT - RIGHT, H - TOP - BOTTOM);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + W - RIGHT) / 2,
            H - BOTTOM + 48,
            c->by_flops ? "floating point operations of a task" : "bytes of a task's operands");
    fprintf(out,
            "<text transform=\"translate(22 %d) rotate(-90)\" text-anchor=\"middle\">time of a task</text>\n",
            (TOP + H - BOTTOM) / 2);
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        curve(c, out, (da_device_kind)k, &x, &y);
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        points(c, out, (da_device_kind)k, &x, &y);
    crossings(c, out, &x);
    legend(c, out);
    fputs("</svg>\n", out);
}
