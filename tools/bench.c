/* SPDX-License-Identifier: BSD-3-Clause */
/* darray bench: every case of the benchmark set, each by a darray-bench of its own. */
#include "tool.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The set: benchmarks/run-all has the same, with the targets; tests/tool.py compares them. */
static const struct {
    const char *name;
    const char *more[2];
} set[] = {
    {"self", {NULL}},
    {"expr_assign", {"--self"}},
    {"matmul", {"--size", "128"}},
    {"matmul", {"--size", "256"}},
    {"matmul", {"--size", "1024"}},
    {"matmul", {"--size", "2048"}},
    {"matmul", {"--size", "4096"}},
    {"syrk", {"--size", "2048"}},
    {"solve_triangular", {"--size", "2048"}},
    {"cholesky", {"--size", "128"}},
    {"cholesky", {"--size", "256"}},
    {"cholesky", {"--size", "2048"}},
    {"cholesky", {"--size", "4096"}},
    {"qr", {"--size", "128"}},
    {"qr", {"--size", "256"}},
    {"qr", {"--size", "2048"}},
    {"qr", {"--size", "4096"}},
    {"qr_tall", {NULL}},
    {"lu", {"--size", "128"}},
    {"lu", {"--size", "256"}},
    {"lu", {"--size", "2048"}},
    {"lu", {"--size", "4096"}},
    {"solve", {"--size", "128"}},
    {"solve", {"--size", "256"}},
    {"solve", {"--size", "4096"}},
    {"solve_mixed", {"--size", "4096"}},
    {"eigh", {NULL}},
    {"svd", {NULL}},
    {"batched_matmul", {"--size", "16"}},
    {"batched_solve", {"--size", "16"}},
    {"expr_assign", {NULL}},
    {"sum", {NULL}},
    {"expr", {NULL}},
    {"expr_math_assign", {NULL}},
    {"task_overhead", {NULL}},
    {"small_matmul", {NULL}},
};
enum { CASES = sizeof set / sizeof *set, MOST_NAMES = 64 };

typedef struct options {
    const char *program, *runtimes[2], *repeat, *size;
    int nruntimes, nnames;
    const char *names[MOST_NAMES];
    bool json, quick, list, self;
} options;

static void help(FILE *stream)
{
    fputs("usage: darray bench [options] [CASE...]\n"
          "Measures the library against what one would write instead, case by case, with darray-bench. Leave "
          "the\n"
          "machine alone meanwhile; the case self says how much ratios move when nothing differs.\n\n"
          "  --runtime R       only openmp or only starpu (default: those that are built in)\n"
          "  --quick           small and short: says whether it works, nothing about speed\n"
          "  --size N, --self  only the cases that --list shows with this option\n"
          "  --repeat K        pairs of measurements a case (default: 11)\n"
          "  --json            one JSON object a line, as darray-bench prints it\n"
          "  --program FILE    this darray-bench (default: the one beside this program, in its build "
          "directory, or\n"
          "                    on PATH)\n"
          "  --list            the cases and their options, without running them\n"
          "  --help\n\n"
          "Exit status: 0 done, 1 a case failed or darray-bench is not there, 2 the command line is wrong, "
          "130\n"
          "interrupted.\n",
          stream);
}

static bool runnable(const char *path)
{
    return access(path, X_OK) == 0;
}

/* darray-bench beside this program, installed or built, or on PATH. */
static bool find_program(char path[PATH_MAX])
{
    static const char *const beside[] = {"%.*s/darray-bench", "%.*s/../benchmarks/darray-bench"};
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *search = getenv("PATH");

    if (length > 0) {
        self[length] = '\0';
        const int directory = (int)(strrchr(self, '/') - self);
        for (int i = 0; i < 2; i++) {
            const int n = i == 0 ? snprintf(path, PATH_MAX, beside[0], directory, self)
                                 : snprintf(path, PATH_MAX, beside[1], directory, self);
            if (n < PATH_MAX && runnable(path))
                return true;
        }
    }
    while (search && *search) {
        const char *const end = strchrnul(search, ':');
        const int n = snprintf(path, PATH_MAX, "%.*s/darray-bench", (int)(end - search), search);
        if (n < PATH_MAX && end > search && runnable(path))
            return true;
        search = *end ? end + 1 : end;
    }
    return false;
}

/* What a member of a flat JSON object is; false if there is none. */
static const char *member(const char *json, const char *key)
{
    char quoted[64];
    const char *found;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    found = strstr(json, quoted);
    return found ? found + strlen(quoted) + strspn(found + strlen(quoted), " ") : NULL;
}

static double number(const char *json, const char *key)
{
    const char *const at = member(json, key);

    return at ? strtod(at, NULL) : (double)NAN;
}

static const char *word(const char *json, const char *key, char buffer[TEXT])
{
    const char *const at = member(json, key);

    snprintf(buffer, TEXT, "%.*s", at && *at == '"' ? (int)strcspn(at + 1, "\"") : 0, at ? at + 1 : "");
    return buffer;
}

/* Whether darray-bench has printed what it should: all that a row needs. */
static bool is_result(const char *json)
{
    static const char *const numbers[] = {"n",     "seconds",   "reference_seconds", "rate",
                                          "ratio", "ratio_low", "ratio_high"};
    bool good = *json == '{';

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        good = good && isfinite(number(json, numbers[i]));
    return good;
}

static void print_row(const char *name, const char *json)
{
    char ours[TEXT], theirs[TEXT], unit[TEXT], runtime[TEXT], rate[TEXT + 16];

    snprintf(rate, sizeof rate, "%.4g %s", number(json, "rate"), word(json, "unit", unit));
    printf("%-18s %10.0f %-7s %10s %10s %18s %7.3f %7.3f-%.3f\n", name, number(json, "n"),
           word(json, "runtime", runtime), seconds_text(ours, number(json, "seconds")),
           seconds_text(theirs, number(json, "reference_seconds")), rate, number(json, "ratio"),
           number(json, "ratio_low"), number(json, "ratio_high"));
}

/* Run one case; its exit status, or -1 if it was ended. What it prints goes to `line`. */
static int run_case(char *const *command, char *line, size_t size)
{
    int ends[2], status;
    pid_t child;
    size_t used = 0;

    if (pipe(ends) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(command[0], command);
        fprintf(stderr, "darray bench: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    while (child > 0) {
        const ssize_t n = read(ends[0], line + used, size - 1 - used);
        if (n < 0 && errno == EINTR && !tool_interrupted)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    line[used] = '\0';
    close(ends[0]);
    if (child < 0)
        return -1;
    if (tool_interrupted)
        kill(child, SIGTERM); /* a terminal's Ctrl-C has reached it already */
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_wanted(const options *o, int i)
{
    const char *const option = set[i].more[0] ? set[i].more[0] : "";

    if ((o->size && (strcmp(option, "--size") != 0 || strcmp(o->size, set[i].more[1]) != 0)) ||
        (o->self && strcmp(option, "--self") != 0))
        return false;
    for (int k = 0; k < o->nnames; k++)
        if (strcmp(o->names[k], set[i].name) == 0)
            return true;
    return o->nnames == 0;
}

static int parse(options *o, arguments *a)
{
    const char *value;
    int64_t n;

    while (arguments_next(a)) {
        if (arguments_flag(a, "--json")) {
            o->json = true;
        } else if (arguments_flag(a, "--quick")) {
            o->quick = true;
        } else if (arguments_flag(a, "--list")) {
            o->list = true;
        } else if (arguments_flag(a, "--self")) {
            o->self = true;
        } else if (arguments_value(a, "--size", &value)) {
            if (!value)
                return arguments_wrong(a, "--size needs a number");
            o->size = value;
        } else if (arguments_value(a, "--program", &value)) {
            if (!value)
                return arguments_wrong(a, "--program needs a file");
            o->program = value;
        } else if (arguments_value(a, "--repeat", &value)) {
            if (!value || !number_of(value, 100000, &n))
                return arguments_wrong(a, "--repeat takes a number from 1 to 100000, not \"%s\"",
                                       value ? value : "");
            o->repeat = value;
        } else if (arguments_value(a, "--runtime", &value)) {
            if (!value || (strcmp(value, "openmp") != 0 && strcmp(value, "starpu") != 0))
                return arguments_wrong(a, "--runtime takes openmp or starpu, not \"%s\"", value ? value : "");
            o->runtimes[0] = value;
            o->nruntimes = 1;
        } else if (a->is_option) {
            return arguments_unknown(a);
        } else {
            bool there = false;
            for (int i = 0; i < CASES; i++)
                there = there || strcmp(set[i].name, a->word) == 0;
            if (!there)
                return arguments_wrong(a, "there is no case \"%s\"; --list shows them", a->word);
            if (o->nnames < MOST_NAMES)
                o->names[o->nnames++] = a->word;
        }
    }
    for (int i = 0; i < CASES; i++)
        if (is_wanted(o, i))
            return TOOL_OK;
    return arguments_wrong(a, "there is no such case with %s%s; --list shows them",
                           o->size ? "--size " : "--self", o->size ? o->size : "");
}

/* --quick leaves sizes out: a case with several is run once. */
static bool is_again(const options *o, int i)
{
    return o->quick && !o->size && i > 0 && strcmp(set[i].name, set[i - 1].name) == 0;
}

static int run_set(const options *o)
{
    bool failed = false;

    if (!o->json)
        printf("%-18s %10s %-7s %10s %10s %18s %7s %15s\n", "case", "n", "runtime", "ours", "reference",
               "rate", "ratio", "quartiles");
    for (int i = 0; i < CASES; i++) {
        if (!is_wanted(o, i) || is_again(o, i))
            continue;
        for (int r = 0; r < o->nruntimes && !tool_interrupted; r++) {
            const char *command[16] = {o->program, set[i].name, "--json", "--runtime", o->runtimes[r]};
            int n = 5, status;
            char line[8192];

            if (o->repeat) {
                command[n++] = "--repeat";
                command[n++] = o->repeat;
            }
            for (int k = 0; k < 2 && set[i].more[k]; k++)
                if (!o->quick || strcmp(set[i].more[0], "--size") != 0)
                    command[n++] = set[i].more[k];
            if (o->quick)
                command[n++] = "--quick";
            status = run_case((char *const *)(uintptr_t)command, line, sizeof line);
            if (tool_interrupted)
                break;
            if (status != 0) {
                tool_fail("bench", "%s on %s: darray-bench failed with status %d", set[i].name,
                          o->runtimes[r], status);
                failed = true;
            } else if (!is_result(line)) {
                tool_fail("bench", "%s on %s: %s printed no result", set[i].name, o->runtimes[r], o->program);
                failed = true;
            } else if (o->json) {
                fputs(line, stdout);
            } else {
                print_row(set[i].name, line);
            }
            fflush(stdout);
        }
    }
    return tool_interrupted ? TOOL_INTERRUPTED : failed ? TOOL_FAILED : TOOL_OK;
}

int tool_bench(int argc, char **argv)
{
    arguments a = {.command = "bench", .argc = argc, .argv = argv};
    options o = {.runtimes = {"openmp"}, .nruntimes = 1};
    char path[PATH_MAX];

#if DA_HAVE_STARPU
    o.runtimes[o.nruntimes++] = "starpu";
#endif
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(stdout);
            return TOOL_OK;
        }
    const int status = parse(&o, &a);
    if (status != TOOL_OK)
        return status;
    if (o.list) {
        for (int i = 0; i < CASES; i++)
            if (is_wanted(&o, i))
                printf("%s%s%s%s%s\n", set[i].name, set[i].more[0] ? " " : "",
                       set[i].more[0] ? set[i].more[0] : "", set[i].more[1] ? " " : "",
                       set[i].more[1] ? set[i].more[1] : "");
        return TOOL_OK;
    }
    if (!o.program) {
        if (!find_program(path))
            return tool_fail(
                "bench", "there is no darray-bench beside this program, in its build directory or on PATH; "
                         "build it (it needs OpenBLAS and LAPACKE) or name it with --program");
        o.program = path;
    } else if (!runnable(o.program)) {
        return tool_fail("bench", "%s: %s", o.program, strerror(errno));
    }
    tool_catch_signals();
    return run_set(&o);
}
