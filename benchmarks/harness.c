/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double harness_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void harness_sleep(double seconds)
{
    if (seconds <= 0)
        return;
    struct timespec t;
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static int compare_doubles(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double harness_quantile(double *values, int n, double p)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    const double at = p * (n - 1);
    const int low = (int)floor(at);
    const int high = low + 1 < n ? low + 1 : low;
    return values[low] + (at - low) * (values[high] - values[low]);
}

static int step(harness_step f, void *ctx)
{
    return f != NULL ? f(ctx) : 0;
}

/* `calls` calls, the time of all of them without what prepares them. */
static int run_calls(const harness_side *side, int64_t calls, double *seconds)
{
    int status = 0;
    double total = 0;
    if (side->prepare == NULL) { /* one reading of the clock around them all */
        const double start = harness_now();
        for (int64_t i = 0; i < calls && status == 0; i++)
            status = side->run(side->ctx);
        total = harness_now() - start;
    } else {
        for (int64_t i = 0; i < calls && status == 0; i++) {
            status = side->prepare(side->ctx);
            if (status != 0)
                break;
            const double start = harness_now();
            status = side->run(side->ctx);
            total += harness_now() - start;
        }
    }
    *seconds = total;
    return status;
}

/* Settles, warms up, then measures. */
static int batch(const harness_side *side, int64_t calls, const harness_options *options, double *seconds)
{
    int status = step(side->begin, side->ctx);
    if (status != 0)
        return status;
    harness_sleep(options->settle_seconds);
    const double start = harness_now();
    do
        status = run_calls(side, 1, seconds);
    while (status == 0 && harness_now() - start < options->warm_seconds);
    if (status == 0)
        status = run_calls(side, calls, seconds);
    const int ended = step(side->end, side->ctx);
    return status != 0 ? status : ended;
}

/* Finds how many calls fill min_seconds. */
static int calibrate(const harness_side *side, const harness_options *options, int64_t *calls)
{
    const double min_seconds = options->min_seconds;
    double seconds;
    int status;
    int64_t n = 1;
    for (;;) {
        status = batch(side, n, options, &seconds);
        if (status != 0 || seconds >= 0.25 * min_seconds)
            break;
        const double wanted = seconds > 0 ? 0.4 * min_seconds / seconds * (double)n : 0;
        n = wanted > 8.0 * (double)n ? 8 * n : wanted < 2.0 * (double)n ? 2 * n : (int64_t)wanted;
    }
    *calls = n;
    if (status == 0 && seconds < 1.1 * min_seconds)
        *calls = (int64_t)ceil(1.1 * min_seconds / seconds * (double)n);
    return status;
}

int harness_compare(const harness_side *ours, const harness_side *reference, const harness_options *options,
                    harness_result *result)
{
    const int pairs = options->pairs < 1 ? 1 : options->pairs;
    double *const times = calloc(4 * (size_t)pairs, sizeof *times);
    if (times == NULL)
        return -1;
    double *const our_times = times, *const reference_times = times + pairs;
    double *const ratios = times + 2 * pairs, *const differences = times + 3 * pairs;

    memset(result, 0, sizeof *result);
    int status = calibrate(reference, options, &result->reference_calls);
    if (status == 0)
        status = calibrate(ours, options, &result->calls);

    for (int i = 0; i < pairs && status == 0; i++) {
        for (int turn = 0; turn < 2 && status == 0; turn++) {
            const bool our_turn = (i + turn) % 2 == 0;
            double seconds = 0;
            status = batch(our_turn ? ours : reference, our_turn ? result->calls : result->reference_calls,
                           options, &seconds);
            if (our_turn)
                our_times[i] = seconds / (double)result->calls;
            else
                reference_times[i] = seconds / (double)result->reference_calls;
        }
        ratios[i] = reference_times[i] / our_times[i];
        differences[i] = our_times[i] - reference_times[i];
    }
    if (status == 0) {
        result->pairs = pairs;
        result->seconds = harness_quantile(our_times, pairs, 0.5);
        result->reference_seconds = harness_quantile(reference_times, pairs, 0.5);
        result->ratio = harness_quantile(ratios, pairs, 0.5);
        result->ratio_low = harness_quantile(ratios, pairs, 0.25);
        result->ratio_high = harness_quantile(ratios, pairs, 0.75);
        result->difference = harness_quantile(differences, pairs, 0.5);
    }
    free(times);
    return status;
}

static void print_json_string(FILE *stream, const char *s)
{
    fputc('"', stream);
    for (; *s != '\0'; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(stream, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) /* nothing here is worth more than ASCII */
            fputc(' ', stream);
        else
            fputc(c, stream);
    }
    fputc('"', stream);
}

void harness_print_json(FILE *stream, const harness_field *fields, int n)
{
    fputc('{', stream);
    for (int i = 0; i < n; i++) {
        fputs(i > 0 ? ", " : "", stream);
        print_json_string(stream, fields[i].name);
        fputs(": ", stream);
        const double x = fields[i].number;
        if (fields[i].text != NULL)
            print_json_string(stream, fields[i].text);
        else if (!isfinite(x))
            fputs("null", stream);
        else if (x == floor(x) && fabs(x) < 1e15)
            fprintf(stream, "%.0f", x);
        else
            fprintf(stream, "%.7g", x);
    }
    fputs("}\n", stream);
}

const char *harness_format_seconds(char *buf, double seconds)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
    size_t i = 0;
    while (i < 3 && fabs(seconds) < units[i].unit)
        i++;
    snprintf(buf, 24, "%.4g %s", seconds / units[i].unit, units[i].name);
    return buf;
}
