/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * distribution_analysis [FILE.csv]: nested loops of tasks. For each of several distributions, a task computes mean and standard deviation
 * of a large sample; for each length, a further task takes them, as the first one's future, and computes the largest of many standardised
 * means of so many draws. Everything is spawned before anything is waited for; then the table is printed and saved.
 */
#include <darray/darray.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS 200
#define LONGEST 2000
enum { UNIFORM, NORMAL, EXPONENTIAL, LAPLACE, LOG_NORMAL, CHI_SQUARED, DISTRIBUTIONS };
enum { LENGTHS = 4 };

static const char *const names[DISTRIBUTIONS] = {"uniform", "normal",     "exponential",
                                                 "Laplace", "log-normal", "chi-squared"};
static const double true_std[DISTRIBUTIONS] = {
    0.28867513459481287, 1, 1, 1.4142135623730951, 2.1611974158950877, 1.4142135623730951};
static const int64_t lengths[LENGTHS] = {10, 100, 500, LONGEST};

typedef struct moments {
    double mean, std;
} moments;

/* ---- the tasks ---- */

/* READ a matrix of draws; WRITE moments (the result). */
static da_status compute_moments(const da_call *call)
{
    const da_buffer *in = &call->buffers[0];
    const double *x = (const double *)in->data;
    moments *out = (moments *)call->buffers[1].data;
    const int64_t rows = in->shape[0], columns = in->shape[1];
    const double n = (double)rows * (double)columns;
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            sum += x[i * in->strides[0] + j * in->strides[1]];
    out->mean = sum / n;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const double d = x[i * in->strides[0] + j * in->strides[1]] - out->mean;
            squares += d * d;
        }
    out->std = sqrt(squares / n);
    return isfinite(out->std) ? DA_OK : da_task_fail(call, "the sample's standard deviation is %g", out->std);
}

/* READ a matrix of draws, READ moments; WRITE the largest standardised mean of a row (the result). */
static da_status max_of_means(const da_call *call)
{
    const da_buffer *in = &call->buffers[0];
    const double *x = (const double *)in->data;
    const moments *m = (const moments *)call->buffers[1].data;
    double *largest = (double *)call->buffers[2].data;

    *largest = -INFINITY;
    for (int64_t i = 0; i < in->shape[0]; i++) {
        double sum = 0;
        for (int64_t j = 0; j < in->shape[1]; j++)
            sum += x[i * in->strides[0] + j * in->strides[1]];
        *largest = fmax(*largest, (sum / (double)in->shape[1] - m->mean) / m->std);
    }
    return DA_OK;
}

/* without the members' names, which C++17 does not take */
static const da_codelet moments_codelet = {
    "moments", compute_moments, 2, {DA_MODE_READ, DA_MODE_WRITE}, 0, {0}, NULL, 0, NULL, NULL};
static const da_codelet max_of_means_codelet = {
    "max_of_means", max_of_means, 3, {DA_MODE_READ, DA_MODE_READ, DA_MODE_WRITE}, 0, {0}, NULL, 0,
    NULL,           NULL};

/* ---- the samples ---- */

static da_status draw(da_array **out, int distribution)
{
    DA_AUTO da_array *U = NULL, *V = NULL, *Z = NULL;
    const da_shape shape = DA_SHAPE(REPEATS, LONGEST);
    const uint64_t seed = 10 * (uint64_t)distribution;

    DA_TRY(da_random_uniform(&U, DA_F64, shape, seed + 1)); /* in [0, 1) */
    DA_TRY(da_random_uniform(&V, DA_F64, shape, seed + 2));
    DA_TRY(da_random_normal(&Z, DA_F64, shape, seed + 3));
    switch (distribution) {
    case UNIFORM: return da_copy(out, U);
    case NORMAL: return da_copy(out, Z);
    case EXPONENTIAL: return da_eval(out, da_negative(da_log(da_subtract(1, U))));
    case LAPLACE: return da_eval(out, da_log(da_divide(da_subtract(1, U), da_subtract(1, V))));
    case LOG_NORMAL: return da_eval(out, da_exp(Z));
    default: return da_eval(out, da_square(Z));
    }
}

/* ---- the analysis ---- */

typedef struct table {
    moments of[DISTRIBUTIONS];
    double largest[DISTRIBUTIONS][LENGTHS];
} table;

static da_status analyse(table *t, da_array **samples)
{
    da_task *sigma[DISTRIBUTIONS] = {NULL}, *largest[DISTRIBUTIONS][LENGTHS] = {{NULL}};
    da_status status = DA_OK;

    for (int d = 0; d < DISTRIBUTIONS && status == DA_OK; d++) {
        status = draw(&samples[d], d);
        if (status == DA_OK)
            status = DA_SPAWN(&sigma[d], &moments_codelet, DA_READ(samples[d]), DA_RESULT(moments));
        for (int l = 0; l < LENGTHS && status == DA_OK; l++) {
            DA_AUTO da_array *part = NULL; /* released at once: the task keeps what it needs */
            status = DA_SLICE(&part, samples[d], DA_WHOLE, DA_UNTIL(lengths[l]));
            if (status == DA_OK)
                status = DA_SPAWN(&largest[d][l], &max_of_means_codelet, DA_READ(part), DA_READ(sigma[d]),
                                  DA_RESULT(double));
        }
    }
    for (int d = 0; d < DISTRIBUTIONS; d++) {
        if (status == DA_OK)
            status = da_task_fetch(sigma[d], &t->of[d], sizeof t->of[d]);
        da_task_release(&sigma[d]);
        for (int l = 0; l < LENGTHS; l++) {
            if (status == DA_OK)
                status = da_task_fetch(largest[d][l], &t->largest[d][l], sizeof(double));
            da_task_release(&largest[d][l]);
        }
    }
    return status;
}

static void print_table(FILE *file, const table *t, const char *format, int csv)
{
    for (int d = 0; d < DISTRIBUTIONS; d++)
        for (int l = 0; l < LENGTHS; l++) {
            fprintf(file, format, names[d], (long long)lengths[l], t->of[d].mean, t->of[d].std,
                    t->largest[d][l]);
            if (!csv)
                fprintf(file, "  %12.6f", t->largest[d][l] * sqrt((double)lengths[l]));
            fputc('\n', file);
        }
}

static int save(const char *path, const table *t)
{
    FILE *file = fopen(path, "w");
    int good;

    if (!file) {
        perror(path);
        return 0;
    }
    fputs("distribution,length,mean,std,max_of_mean\n", file);
    print_table(file, t, "%s,%lld,%.17g,%.17g,%.17g", 1);
    good = !ferror(file);
    good &= fclose(file) == 0;
    return good;
}

/* ---- the same by plain loops on the host, and from the file ---- */

static int near(const char *what, int d, double value, double expected, double tolerance)
{
    const int good = fabs(value - expected) <= tolerance * fabs(expected); /* false for NaN */
    if (!good)
        printf("WRONG: %s of %s: %.17g, expected %.17g\n", what, names[d], value, expected);
    return good;
}

static int check(const table *t, da_array *const *samples, const char *path)
{
    const size_t bytes = sizeof(double) * REPEATS * LONGEST;
    double *x = (double *)malloc(bytes);
    FILE *file = fopen(path, "r");
    char line[256], name[32];
    int good = x && file && fgets(line, sizeof line, file);

    for (int d = 0; d < DISTRIBUTIONS && good; d++) {
        double mean = 0, variance = 0;
        if (da_to_host(samples[d], x, bytes, DA_ROW_MAJOR) != DA_OK) {
            printf("WRONG: %s\n", da_error());
            good = 0;
            break;
        }
        for (int k = 0; k < REPEATS * LONGEST; k++)
            mean += x[k] / (REPEATS * LONGEST);
        for (int k = 0; k < REPEATS * LONGEST; k++)
            variance += (x[k] - mean) * (x[k] - mean) / (REPEATS * LONGEST);
        good &= near("mean", d, t->of[d].mean + 1, mean + 1, 1e-12);
        good &= near("standard deviation", d, t->of[d].std, sqrt(variance), 1e-11);
        good &= near("standard deviation (as in theory)", d, t->of[d].std, true_std[d], 0.05);
        for (int l = 0; l < LENGTHS && good; l++) {
            double largest = -INFINITY, scaled, saved = NAN;
            long long length = 0;
            for (int i = 0; i < REPEATS; i++) {
                double sum = 0;
                for (int64_t j = 0; j < lengths[l]; j++)
                    sum += x[i * LONGEST + j];
                largest = fmax(largest, (sum / (double)lengths[l] - mean) / sqrt(variance));
            }
            good &= near("largest mean", d, t->largest[d][l], largest, 1e-10);
            scaled =
                t->largest[d][l] * sqrt((double)lengths[l]); /* of 200 nearly normal numbers: about 2.7 */
            if (!(scaled > 1.2 && scaled < 9)) {
                printf("WRONG: largest mean of %lld draws of %s: %g deviations\n", (long long)lengths[l],
                       names[d], scaled);
                good = 0;
            }
            if (!fgets(line, sizeof line, file) ||
                sscanf(line, "%31[^,],%lld,%*[^,],%*[^,],%lg", name, &length, &saved) != 3 ||
                strcmp(name, names[d]) != 0 || length != lengths[l] || !(saved == t->largest[d][l])) {
                printf("WRONG: %s does not say what was computed: %s", path, line);
                good = 0;
            }
        }
    }
    if (file)
        fclose(file);
    free(x);
    return good;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "distribution_analysis.csv";
    da_array *samples[DISTRIBUTIONS] = {NULL};
    table t;
    int good = 0;
    const da_status status = analyse(&t, samples);

    if (status != DA_OK) {
        fprintf(stderr, "distribution_analysis: %s: %s\n", da_status_name(status), da_error());
    } else {
        printf("%d tasks on %d x %d draws of each of %d distributions, runtime %s\n",
               DISTRIBUTIONS * (1 + LENGTHS), REPEATS, LONGEST, (int)DISTRIBUTIONS, da_runtime_name());
        printf("%-12s %7s  %12s  %12s  %12s  %12s\n", "distribution", "length", "mean", "std", "max of mean",
               "* sqrt(len)");
        print_table(stdout, &t, "%-12s %7lld  %12.6f  %12.6f  %12.6f", 0);
        good = save(path, &t) && check(&t, samples, path);
        if (good)
            printf("saved as %s; distribution_analysis: all checks passed\n", path);
        else
            puts("distribution_analysis: a check FAILED");
    }
    for (int d = 0; d < DISTRIBUTIONS; d++)
        da_array_release(&samples[d]);
    return good ? 0 : 1;
}
