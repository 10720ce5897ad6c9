/* SPDX-License-Identifier: BSD-3-Clause */
/* darray models: what was measured on this machine. */
#include "curves.h"
#include "operations.h"
#include "tool.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void help(FILE *stream)
{
    fputs(
        "usage: darray models list\n"
        "       darray models show SYMBOL\n"
        "       darray models plot SYMBOL [-o FILE]\n"
        "       darray models predict OPERATION N [--dtype T] [--workers W] [--measure CALLS]\n"
        "       darray models export FILE\n"
        "       darray models import FILE\n"
        "       darray models reset SYMBOL | --all\n\n"
        "The performance models of this machine: how long tasks of each kind and element type take, by size "
        "and by\n"
        "kind of worker. Runs with the StarPU runtime fill them where there are devices; darray calibrate "
        "does it at\n"
        "once.\n\n"
        "  list           the models, with the number of sizes measured on each kind of worker, and on which "
        "devices\n"
        "  show SYMBOL    the measured points, the curves through them, and the size from which another kind "
        "of\n"
        "                 worker is faster\n"
        "  plot SYMBOL    the same as an SVG picture, into SYMBOL.svg; -o FILE: there (-: standard output)\n"
        "  predict OPERATION N\n"
        "                 how long cholesky, lu, matmul, qr, solve_triangular, symm, syr2k, syrk, trmm or\n"
        "                 trsm of N x N matrices would take with tiles of several sizes by the models, and\n"
        "                 which are used; --dtype T: of these elements (f64); --workers W: with so many\n"
        "                 workers; --measure CALLS: runs each so often (1 to 15) and shows the median beside "
        "it\n"
        "  export FILE    all of them into a file (-: standard output)\n"
        "  import FILE    add those of a file (-: standard input); of what both have the file's wins; times\n"
        "                 on other devices are left out\n"
        "  reset SYMBOL   forget one; --all: forget all\n"
        "  --help\n\n"
        "SYMBOL is the name that list shows, or a part of it that no other has.\n\n"
        "Exit status: 0 done, 1 failed (no such model, a file that cannot be used), 2 the command line is "
        "wrong.\n",
        stream);
}

/* The library's sentence, without "models: ", which the command's name says. */
static const char *reason(void)
{
    static const char prefix[] = "models: ";
    const char *const text = da_error();

    return strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
}

int tool_fail_models(const char *command, da_status status)
{
    return tool_fail(command, "%s%s", reason(),
                     status == DA_ERROR_FORMAT ? "; darray models reset --all begins anew" : "");
}

/* This machine's; false after a complaint. */
static bool read_models(models *all)
{
    memset(all, 0, sizeof *all);
    const da_status status = models_read(all, NULL);
    if (status != DA_OK)
        tool_fail_models("models", status);
    return status == DA_OK;
}

/* The model that is meant, or null after a complaint. */
static model *find(const models *all, const char *text)
{
    model *found = NULL;
    int n = 0;

    for (model *m = all->first; m; m = m->next)
        if (strcmp(m->symbol, text) == 0)
            return m;
    for (model *m = all->first; m; m = m->next)
        if (strstr(m->symbol, text)) {
            found = m;
            n++;
        }
    if (n == 1)
        return found;
    if (all->count == 0) {
        tool_fail("models", "there is no model \"%s\", nor any other: run darray calibrate", text);
        return NULL;
    }
    if (n == 0) {
        tool_fail("models", "there is no model \"%s\"; darray models list shows the %d there are", text,
                  all->count);
        return NULL;
    }
    tool_fail("models", "\"%s\" may be any of %d models:", text, n);
    for (const model *m = all->first; m; m = m->next)
        if (strstr(m->symbol, text))
            fprintf(stderr, "  %s\n", m->symbol);
    return NULL;
}

static int list(void)
{
    models all;

    if (!read_models(&all))
        return TOOL_FAILED;
    if (all.count == 0) {
        models_clear(&all);
        puts("no models: nothing was measured on this machine yet; darray calibrate does it");
        return TOOL_OK;
    }
    printf("%-44s", "model");
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        printf(" %8s", models_kind_name((da_device_kind)k));
    puts("   sizes from - to");
    for (model *m = all.first; m; m = m->next) {
        char low[TEXT], high[TEXT];
        curves c;

        curves_of(&c, m);
        printf("%-44s", m->symbol);
        for (int k = 0; k < DA_DEVICE_KINDS; k++)
            printf(" %8d", c.n[k]);
        if (c.high > 0)
            printf("   %s - %s", curves_x_text(&c, low, c.low), curves_x_text(&c, high, c.high));
        putchar('\n');
    }
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++)
        if (all.device[k].name[0])
            printf("%s: %s\n", models_kind_name((da_device_kind)k), all.device[k].name);
    models_clear(&all);
    return TOOL_OK;
}

static void show_points(const curves *c)
{
    printf("  %-8s %12s %12s %12s %12s %9s %12s\n", "worker", "operations", "operands", "mean", "deviation",
           "samples", "curve says");
    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        for (int i = 0; i < c->n[k]; i++) {
            const models_point *p = &c->points[k][i];
            const double curve = models_predict(c->m, (da_device_kind)k, p->bytes, p->flops);
            char flops[TEXT], bytes[TEXT], mean[TEXT], deviation[TEXT], says[TEXT];

            printf("  %-8s %12s %12s %12s %12s %9lld %12s\n", models_kind_name((da_device_kind)k),
                   p->flops > 0 ? count_text(flops, p->flops) : "-", bytes_text(bytes, p->bytes),
                   seconds_text(mean, p->mean), seconds_text(deviation, p->deviation), (long long)p->samples,
                   curve > 0 ? seconds_text(says, curve) : "-");
        }
}

static void show_crossings(const curves *c)
{
    bool any = false;

    for (int a = 0; a < DA_DEVICE_KINDS; a++)
        for (int b = a + 1; b < DA_DEVICE_KINDS; b++) {
            double x[4];
            da_device_kind faster = DA_DEVICE_CPU;
            const int n = curves_crossings(c, (da_device_kind)a, (da_device_kind)b, x, 4, &faster);
            const char *names[DA_DEVICE_KINDS];
            char text[TEXT];

            for (int k = 0; k < DA_DEVICE_KINDS; k++)
                names[k] = models_kind_name((da_device_kind)k);
            if (n < 0)
                continue;
            any = true;
            if (n == 0)
                printf("crossover: none, %s is faster than %s at all sizes that both were measured at\n",
                       names[faster], names[faster == (da_device_kind)a ? b : a]);
            for (int i = 0; i < n; i++) {
                const da_device_kind other = faster;
                faster = faster == (da_device_kind)a ? (da_device_kind)b : (da_device_kind)a;
                printf("crossover: %s is faster than %s from %s\n", names[faster], names[other],
                       curves_x_text(c, text, x[i]));
            }
        }
    if (!any)
        puts("crossover: unknown, only one kind of worker was measured");
}

static int show(const char *text)
{
    models all;
    model *m;
    curves c;
    int status = TOOL_FAILED;

    if (!read_models(&all))
        return TOOL_FAILED;
    m = find(&all, text);
    if (m) {
        curves_of(&c, m);
        printf("%s\n", m->symbol);
        show_points(&c);
        for (int k = 0; k < DA_DEVICE_KINDS; k++) {
            const model_curve *const curve = model_curve_of(m, (da_device_kind)k);
            if (c.n[k] > 0 && curve->npoints > 0)
                printf("curve on %s: %.3g %s^%.3g + %.3g + %.3g bytes seconds; from %d sizes%s\n",
                       models_kind_name((da_device_kind)k), curve->a,
                       curve->by_flops ? "operations" : "bytes", curve->b, curve->c, curve->d, curve->npoints,
                       curve->good ? "" : ", which it does not meet well");
        }
        show_crossings(&c);
        status = TOOL_OK;
    }
    models_clear(&all);
    return status;
}

static int plot(const char *text, const char *path)
{
    char own_path[PATH_MAX];
    models all;
    model *m;
    curves c;
    int status = TOOL_FAILED;

    if (!read_models(&all))
        return TOOL_FAILED;
    m = find(&all, text);
    if (m) {
        curves_of(&c, m);
        snprintf(own_path, sizeof own_path, "%s.svg", m->symbol);
        path = path ? path : own_path;
        FILE *const out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
        if (out)
            curves_plot(&c, out);
        if (!out || fflush(out) != 0 || (out != stdout && fclose(out) != 0)) {
            tool_fail("models", "%s cannot be written: %s", path, strerror(errno));
        } else {
            status = TOOL_OK;
            if (out != stdout)
                printf("%s\n", path);
        }
    }
    models_clear(&all);
    return status;
}

static int reset(const char *text)
{
    models all;
    const model *m;
    char symbol[PATH_MAX];

    if (!text) {
        if (models_reset(NULL) != DA_OK)
            return tool_fail("models", "%s", reason());
        puts("all models are forgotten");
        return TOOL_OK;
    }
    if (!read_models(&all))
        return TOOL_FAILED;
    m = find(&all, text);
    if (m)
        snprintf(symbol, sizeof symbol, "%s", m->symbol);
    models_clear(&all);
    if (!m)
        return TOOL_FAILED;
    if (models_reset(symbol) != DA_OK)
        return tool_fail("models", "%s", reason());
    printf("%s is forgotten\n", symbol);
    return TOOL_OK;
}

static int transfer(bool out, const char *path)
{
    char told[1024] = "";
    const da_status status = out ? models_export(path) : models_import(path, told, sizeof told);
    struct stat about;

    if (status != DA_OK)
        return out ? tool_fail_models("models", status) : tool_fail("models", "%s", reason());
    if (!out || (strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISREG(about.st_mode)))
        printf("%s %s%s%s\n", out ? "exported to" : "imported from", path, told[0] ? "; " : "", told);
    return TOOL_OK;
}

/* predict's words. */
typedef struct question {
    const char *operation, *n, *dtype, *workers, *calls;
} question;

/* The one that the current option sets, and sets it; null if it is none of them. */
static const char **option_of(arguments *a, question *q)
{
    const char **const slots[] = {&q->dtype, &q->workers, &q->calls};
    static const char *const names[] = {"--dtype", "--workers", "--measure"};

    for (int i = 0; i < 3; i++)
        if (arguments_value(a, names[i], slots[i]))
            return slots[i];
    return NULL;
}

static int predict(const arguments *a, const question *q)
{
    const da_dtype dtype = q->dtype ? dtype_of(q->dtype) : DA_F64;
    int64_t n, workers = 0, calls = 0;
    models all;

    if (!q->operation || !q->n)
        return arguments_wrong(a, "predict takes an operation and the order of its matrices");
    if (!operation_named(q->operation))
        return arguments_wrong(a,
                               "there is no operation \"%s\"; there are cholesky, lu, matmul, qr, "
                               "solve_triangular, symm, syr2k, syrk, trmm and trsm",
                               q->operation);
    if (!number_of(q->n, 1 << 20, &n))
        return arguments_wrong(a, "the order of the matrices is a number from 1 to 1M, not \"%s\"", q->n);
    if (!da_kernels_take(dtype))
        return arguments_wrong(a, "--dtype takes f32, f64, c64 or c128, not \"%s\"", q->dtype);
    if (q->workers && !number_of(q->workers, 1 << 16, &workers))
        return arguments_wrong(a, "--workers takes a number from 1 to 64K, not \"%s\"", q->workers);
    if (q->calls && !number_of(q->calls, TOOL_CALLS, &calls))
        return arguments_wrong(a, "--measure takes a number from 1 to %d, not \"%s\"", TOOL_CALLS, q->calls);
    if (workers > 0 && calls > 0)
        return arguments_wrong(a, "--measure goes with the workers that there are: without --workers");
    if (!read_models(&all))
        return TOOL_FAILED;
    models_clear(&all);
    return tool_predict(q->operation, n, dtype, (int)workers, (int)calls);
}

int tool_models(int argc, char **argv)
{
    static const char *const actions[] = {"list", "show", "plot", "predict", "export", "import", "reset"};
    enum { LIST, SHOW, PLOT, PREDICT, EXPORT, IMPORT, RESET, ACTIONS };
    arguments a = {.command = "models", .argc = argc, .argv = argv};
    const char *what = NULL, *output = NULL;
    const char **slot;
    question q = {.n = NULL};
    bool all = false;
    int action = -1;

    while (arguments_next(&a)) {
        const char *const option = a.word;
        if (arguments_flag(&a, "--help") || arguments_flag(&a, "-h")) {
            help(stdout);
            return TOOL_OK;
        }
        if (action == PLOT &&
            (arguments_value(&a, "-o", &output) || arguments_value(&a, "--output", &output))) {
            if (!output || !*output)
                return arguments_wrong(&a, "-o needs a file");
        } else if (action == RESET && arguments_flag(&a, "--all")) {
            all = true;
        } else if (action == PREDICT && (slot = option_of(&a, &q))) {
            if (!*slot)
                return arguments_wrong(&a, "%s needs a value", option);
        } else if (action == PREDICT && !a.is_option && !q.n) {
            *(q.operation ? &q.n : &q.operation) = a.word;
        } else if (a.is_option || what || action == LIST || action == PREDICT) {
            return arguments_unknown(&a);
        } else if (action >= 0) {
            what = a.word;
        } else {
            for (int i = 0; i < ACTIONS; i++)
                if (strcmp(a.word, actions[i]) == 0)
                    action = i;
            if (action < 0)
                return arguments_wrong(
                    &a, "\"%s\" is none of list, show, plot, predict, export, import and reset", a.word);
        }
    }
    if (action < 0)
        return arguments_wrong(&a, "what: list, show, plot, predict, export, import or reset?");
    if ((action == SHOW || action == PLOT) && !what)
        return arguments_wrong(&a, "%s which model? darray models list shows them", actions[action]);
    if ((action == EXPORT || action == IMPORT) && !what)
        return arguments_wrong(&a, "%s needs a file", actions[action]);
    if (action == RESET && !what == !all)
        return arguments_wrong(&a, "reset takes either one model or --all");
    switch (action) {
    case LIST: return list();
    case SHOW: return show(what);
    case PLOT: return plot(what, output);
    case PREDICT: return predict(&a, &q);
    case RESET: return reset(what);
    default: return transfer(action == EXPORT, what);
    }
}
