/* SPDX-License-Identifier: BSD-3-Clause */
/* darray-bench: one case, measured against what the user would write instead. README.md has the contract. */
#include "bench.h"
#include "predict.h"
#include "reference.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

static const bench_case *const cases[] = {
    &bench_matmul,
    &bench_syrk,
    &bench_cholesky,
    &bench_qr,
    &bench_solve_triangular,
    &bench_lu,
    &bench_expr,
    &bench_expr_assign,
    &bench_expr_math_assign,
    &bench_sum,
    &bench_task_overhead,
    &bench_small_matmul,
    &bench_batched_matmul,
    &bench_batched_cholesky,
    &bench_batched_lu,
    &bench_batched_qr,
    &bench_batched_solve,
    &bench_solve,
    &bench_solve_mixed,
    &bench_qr_tall,
    &bench_eigh,
    &bench_svd,
};
enum { NCASES = sizeof cases / sizeof *cases };

typedef struct arguments {
    const bench_case *kase;
    int64_t size; /* 0: the case's */
    da_dtype dtype;
    const char *runtime; /* null: darray's choice */
    int threads;         /* 0: darray's choice */
    int repeat;          /* 0: the usual number */
    int predict[PREDICT_MOST], predictions;
    const char *reference_core;
    bool json, quick, self, huge_pages, sampled;
} arguments;

/* ---- what cases use ---- */

int bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("darray-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

void *bench_alloc(const bench *b, size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    const size_t alignment = b->huge_pages && bytes >= huge ? huge : 64;
    void *const p = aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
    if (p == NULL)
        bench_fail("%s: no memory for %zu bytes", b->kase->name, bytes);
    else if (alignment == huge)
        (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

double bench_eps(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_C64 ? 0x1p-24 : 0x1p-53;
}

double bench_flop_factor(da_dtype dtype)
{
    return dtype == DA_C64 || dtype == DA_C128 ? 4 : 1;
}

void bench_set_tile(bench *b, const da_array *a)
{
    const da_shape blocks = da_array_blocks(a);
    size_t used = 0;
    b->tile[0] = '\0';
    for (int i = 0; i < blocks.ndim && used + 24 < sizeof b->tile; i++)
        used += (size_t)snprintf(b->tile + used, sizeof b->tile - used, "%s%lld", i > 0 ? "x" : "",
                                 (long long)blocks.dim[i]);
}

/* ---- which BLAS kernels ours runs: the library says so in its log ---- */

static char our_core[64];

/* "BLAS: a copy of PATH (Haswell kernels)" */
static void log_line(void *ctx, int level, const char *line)
{
    (void)ctx;
    (void)level;
    const char *const end = strstr(line, " kernels)");
    if (strncmp(line, "BLAS: ", 6) != 0 || end == NULL)
        return;
    const char *begin = end;
    while (begin > line && begin[-1] != '(')
        begin--;
    snprintf(our_core, sizeof our_core, "%.*s", (int)(end - begin), begin);
}

/* ---- the command line ---- */

static void usage(FILE *stream)
{
    fputs("usage: darray-bench CASE [options]\n"
          "Measures darray and what one would write instead, in alternating pairs; fails if darray's result "
          "is wrong.\n\n"
          "  --size N            order of matrices, number of elements or tasks (K, M, G: powers of 1024)\n"
          "  --dtype T           f32, f64 (default), c64 or c128\n"
          "  --runtime R         openmp or starpu (default: darray's choice)\n"
          "  --threads N         of both sides (default: darray's choice)\n"
          "  --repeat K          pairs (default 11), or recordings for --predict-workers (default 2)\n"
          "  --json              one JSON object on one line\n"
          "  --quick             small, short and noisy: to see that it works\n"
          "  --self              the reference against itself: the noise of this machine in that case\n"
          "  --reference-core X  the reference's OpenBLAS uses the kernels of core X (OPENBLAS_CORETYPE), "
          "ours its own choice\n"
          "  --huge-pages        the reference's memory asks for huge pages, as darray's does\n"
          "  --predict-workers N,M,...  instead: what it would take on so many workers, from times of its "
          "tasks "
          "on one\n"
          "  --sampled           with that, runs only some tasks of each kind and size\n"
          "  --list, --help\n",
          stream);
}

static void list(void)
{
    char size[32];
    printf("%-17s %12s  %s\n", "case", "size", "what");
    for (int i = 0; i < NCASES; i++) {
        snprintf(size, sizeof size, "%lld", (long long)cases[i]->size);
        printf("%-17s %12s  %s\n", cases[i]->name, size, cases[i]->what);
    }
    printf("%-17s %12lld  %s\n", "self", (long long)bench_matmul.size,
           "matmul's reference against itself: noise");
}

static bool parse_number(const char *text, int64_t most, int64_t *value)
{
    char *end;
    errno = 0;
    const long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || n < 1)
        return false;
    int shift = 0;
    if (*end != '\0') {
        shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : -1;
        if (shift < 0 || end[1] != '\0')
            return false;
    }
    if (n > most >> shift)
        return false;
    *value = (int64_t)n << shift;
    return true;
}

/* "16,64" */
static bool parse_workers(const char *text, arguments *args)
{
    char word[16];
    int64_t n;

    for (args->predictions = 0; args->predictions < PREDICT_MOST; text++) {
        const size_t length = strcspn(text, ",");
        if (length >= sizeof word)
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        if (!parse_number(word, 4096, &n))
            return false;
        args->predict[args->predictions++] = (int)n;
        text += length;
        if (*text == '\0')
            return true;
    }
    return false;
}

/* 0: go on; else the exit status + 1 */
static int parse(int argc, char **argv, arguments *args)
{
    memset(args, 0, sizeof *args);
    args->dtype = DA_F64;
    for (int i = 1; i < argc; i++) {
        const char *const option = argv[i];
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            usage(stdout);
            return 1;
        }
        if (strcmp(option, "--list") == 0) {
            list();
            return 1;
        }
        if (strcmp(option, "--json") == 0) {
            args->json = true;
        } else if (strcmp(option, "--quick") == 0) {
            args->quick = true;
        } else if (strcmp(option, "--self") == 0) {
            args->self = true;
        } else if (strcmp(option, "--sampled") == 0) {
            args->sampled = true;
        } else if (strcmp(option, "--huge-pages") == 0) {
            args->huge_pages = true;
        } else if (strncmp(option, "--", 2) == 0) {
            const char *const value = i + 1 < argc ? argv[++i] : NULL;
            int64_t n = 0;
            if (value == NULL) {
                bench_fail("%s is no option, or it needs a value", option);
                return 3;
            }
            if (strcmp(option, "--size") == 0 && parse_number(value, INT64_MAX, &n)) {
                args->size = n;
            } else if (strcmp(option, "--threads") == 0 && parse_number(value, 4096, &n)) {
                args->threads = (int)n;
            } else if (strcmp(option, "--repeat") == 0 && parse_number(value, 100000, &n)) {
                args->repeat = (int)n;
            } else if (strcmp(option, "--predict-workers") == 0 && parse_workers(value, args)) {
                ;
            } else if (strcmp(option, "--runtime") == 0) {
                args->runtime = value;
            } else if (strcmp(option, "--reference-core") == 0) {
                args->reference_core = value;
            } else if (strcmp(option, "--dtype") == 0) {
                args->dtype = strcmp(value, "f32") == 0    ? DA_F32
                              : strcmp(value, "f64") == 0  ? DA_F64
                              : strcmp(value, "c64") == 0  ? DA_C64
                              : strcmp(value, "c128") == 0 ? DA_C128
                                                           : (da_dtype)0;
                if (args->dtype == 0) {
                    bench_fail("--dtype is f32, f64, c64 or c128, not %s", value);
                    return 3;
                }
            } else {
                bench_fail("%s %s: not an option, or not a value of it", option, value);
                return 3;
            }
        } else if (args->kase == NULL) {
            for (int k = 0; k < NCASES; k++)
                if (strcmp(option, cases[k]->name) == 0)
                    args->kase = cases[k];
            if (strcmp(option, "self") == 0) {
                args->kase = &bench_matmul;
                args->self = true;
            }
            if (args->kase == NULL) {
                bench_fail("there is no case %s; --list shows them", option);
                return 3;
            }
        } else {
            bench_fail("one case at a time: %s, or %s?", args->kase->name, option);
            return 3;
        }
    }
    if (args->kase == NULL) {
        usage(stderr);
        return 3;
    }
    if (args->predictions > 0 && args->self) {
        bench_fail("the reference has no tasks: --predict-workers and self do not go together");
        return 3;
    }
    if (args->predictions == 0 && args->sampled) {
        bench_fail("--sampled is for --predict-workers");
        return 3;
    }
    if ((args->kase->flags & BENCH_F64_ONLY) && args->dtype != DA_F64) {
        bench_fail("%s has no element type but f64", args->kase->name);
        return 3;
    }
    return 0;
}

/* OpenBLAS reads OPENBLAS_CORETYPE when it is loaded, before main(): so set it and start again. The second time round the
 * program's own copy has read it, and it is taken back before darray loads its private one. */
static int choose_reference_core(const char *core, char **argv)
{
    static const char variable[] = "OPENBLAS_CORETYPE", marker[] = "DARRAY_BENCH_CORETYPE";
    const char *const former = getenv(marker);
    if (former == NULL) {
        const char *const now = getenv(variable);
        setenv(marker, now != NULL ? now : "", 1);
        setenv(variable, core, 1);
        execv("/proc/self/exe", argv);
        return bench_fail("cannot start again for --reference-core: %s", strerror(errno));
    }
    if (former[0] != '\0')
        setenv(variable, former, 1);
    else
        unsetenv(variable);
    unsetenv(marker);
    if (strcasecmp(reference_blas_core(), core) != 0)
        return bench_fail("--reference-core %s: OpenBLAS took %s", core, reference_blas_core());
    return 0;
}

const char *bench_dtype_label(da_dtype dtype)
{
    return dtype == DA_F32 ? "f32" : dtype == DA_C64 ? "c64" : dtype == DA_C128 ? "c128" : "f64";
}

static void report(const bench *b, const arguments *args, const harness_result *r)
{
    const double units = b->units_per_call;
    const double seconds = r->seconds / units, reference_seconds = r->reference_seconds / units;
    const double rate = r->seconds > 0 ? b->work / r->seconds : (double)NAN;
    const double extra_us = r->difference / units * 1e6;
    const char *const name = args->self ? "self" : b->kase->name;

    if (args->json) {
        const harness_field fields[] = {
            {"case", name, 0},
            {"n", NULL, (double)b->n},
            {"dtype", bench_dtype_label(b->dtype), 0},
            {"runtime", b->runtime, 0},
            {"threads", NULL, b->threads},
            {"tile", b->tile, 0},
            {"seconds", NULL, seconds},
            {"rate", NULL, rate},
            {"unit", b->unit, 0},
            {"reference", b->reference_name, 0},
            {"reference_seconds", NULL, reference_seconds},
            {"ratio", NULL, r->ratio},
            {"ratio_low", NULL, r->ratio_low},
            {"residual", NULL, b->residual},
            /* more than the contract asks for */
            {"of", b->kase->name, 0},
            {"ratio_high", NULL, r->ratio_high},
            {"residual_bound", NULL, b->residual_bound},
            {"extra_us", NULL, extra_us},
            {"pairs", NULL, r->pairs},
            {"calls", NULL, (double)r->calls},
            {"reference_calls", NULL, (double)r->reference_calls},
            {"quick", args->quick ? "yes" : "no", 0},
            {"reference_pages", b->huge_pages ? "huge" : "default", 0},
            {"reference_core", reference_blas_core(), 0},
            {"our_core", our_core[0] != '\0' ? our_core : NULL, (double)NAN},
        };
        enum { COUNT = sizeof fields / sizeof *fields, MOST = COUNT + sizeof b->extra / sizeof *b->extra };
        harness_field all[MOST];
        memcpy(all, fields, sizeof fields);
        memcpy(all + COUNT, b->extra, (size_t)b->extras * sizeof *b->extra);
        harness_print_json(stdout, all, COUNT + b->extras);
        return;
    }
    char ours[24], theirs[24];
    printf("%-17s %10s %-5s %-7s %3s %-12s %10s %10s %18s %7s %15s %9s %9s\n", "case", "n", "dtype",
           "runtime", "thr", "tile", "time", "reference", "rate", "ratio", "quartiles", "extra us",
           "residual");
    printf("%-17s %10lld %-5s %-7s %3d %-12s %10s %10s %9.4g %-8s %7.3f %7.3f-%-7.3f %9.3g %9.3g\n", name,
           (long long)b->n, bench_dtype_label(b->dtype), b->runtime, b->threads, b->tile,
           harness_format_seconds(ours, seconds), harness_format_seconds(theirs, reference_seconds), rate,
           b->unit, r->ratio, r->ratio_low, r->ratio_high, extra_us, b->residual);
    printf("reference: %s%s%s%s%s%s\n", b->reference_name, args->self ? ", on both sides" : "",
           "; its BLAS core ", reference_blas_core(), our_core[0] != '\0' ? ", ours " : "", our_core);
}

static int measure(bench *b, const arguments *args)
{
    int status = b->kase->setup(b);
    if (status != 0)
        return status;
    if (args->self)
        b->ours = b->reference;
    const harness_options options = {args->repeat > 0 ? args->repeat : 11, args->quick ? 0.005 : 0.2,
                                     args->quick ? 0.01 : 0.15, args->quick ? 0.002 : 0.02};
    harness_result result;
    status = harness_compare(&b->ours, &b->reference, &options, &result);
    if (status != 0)
        return status;
    status = b->kase->check(b);
    if (status != 0)
        return status;
    report(b, args, &result);
    if (!(b->residual < b->residual_bound)) /* NaN fails too */
        return bench_fail("%s: the result is wrong: residual %g, bound %g", b->kase->name, b->residual,
                          b->residual_bound);
    return 0;
}

int main(int argc, char **argv)
{
    arguments args;
    const int parsed = parse(argc, argv, &args);
    if (parsed != 0)
        return parsed - 1;
    if (args.reference_core != NULL && choose_reference_core(args.reference_core, argv) != 0)
        return 2;
    if (args.kase->flags & BENCH_NO_INLINE)
        setenv("DARRAY_INLINE", "0", 1);

    da_set_log(log_line, NULL);
    const da_status status =
        da_init(args.runtime, args.predictions > 0 && args.threads == 0 ? 1 : args.threads);
    if (status != DA_OK) {
        bench_fail("%s", da_error());
        return 2;
    }
    bench b = {
        .kase = args.kase,
        .n = args.size > 0 ? args.size
             : args.quick  ? args.kase->quick_size
                           : args.kase->size,
        .dtype = args.dtype,
        .threads = da_num_workers(),
        .runtime = da_runtime_name(),
        .sampled = args.sampled,
        .huge_pages = args.huge_pages,
        .units_per_call = 1,
        .tile = "-",
        .residual = (double)NAN,
    };
    b.starpu = strcmp(b.runtime, "starpu") == 0;
    reference_set_threads(b.threads);

    const int failed = args.predictions > 0 ? predict(&b, args.predict, args.predictions,
                                                      args.repeat > 0 ? args.repeat : 2, args.json)
                                            : measure(&b, &args);
    if (args.predictions == 0)
        b.kase->teardown(&b);
    if (da_shutdown() != DA_OK)
        return bench_fail("da_shutdown: %s", da_error());
    return failed != 0;
}
