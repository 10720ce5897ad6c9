/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * least_squares [--poly DEGREE] [--no-intercept] [FILE.csv|FILE.npy]: linear regression by QR.
 *
 * The first column of the file is y, the others are the predictors; --poly takes the powers 1 to DEGREE of a single predictor. Without a
 * file, three reference sets of NIST are fitted, and the coefficients compared with the certified ones.
 *
 * How the digits are found. Filip's set is a polynomial of degree 10 whose matrix has a condition number of 1e15: rounding its entries to
 * double precision alone leaves 7 digits of the coefficients, and plain QR can lose more. So:
 * - the powers are kept exactly enough, as sums of two doubles ("double-double", 32 digits);
 * - columns are scaled to norms near 1 by powers of two, which rounds nothing and leaves Filip a condition number of 1e10;
 * - darray factors the scaled matrix, rounded to double, into Q R, once;
 * - the solution is refined (Bjorck 1967): b and the residual r solve r + X b = y, X' r = 0; the remainders of both equations are computed
 *   in double-double, and Q and R turn them into corrections of b and r, until b stops changing: two to four steps. This converges if
 *   the scaled condition number is well below 1e16, and to the solution for the unrounded powers.
 * The tiling of the factorisation changes the corrections, not what they converge to.
 */
#include <darray/darray.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DARRAY_EXAMPLE_DATA /* the folder of the reference sets: the build says */
#define DARRAY_EXAMPLE_DATA "examples/data"
#endif

/* ---- double-double numbers: the value is hi + lo, |lo| <= ulp(hi) / 2 ---- */

typedef struct dd {
    double hi, lo;
} dd;

static dd dd_of(double x)
{
    const dd r = {x, 0};
    return r;
}

static dd dd_sum(double a, double b) /* exactly */
{
    const double s = a + b, t = s - a;
    const dd r = {s, (a - (s - t)) + (b - t)};
    return r;
}

static dd dd_add(dd a, dd b)
{
    dd s = dd_sum(a.hi, b.hi);
    const dd t = dd_sum(a.lo, b.lo);
    s = dd_sum(s.hi, s.lo + t.hi);
    return dd_sum(s.hi, s.lo + t.lo);
}

static dd dd_multiply(dd a, dd b)
{
    const double p = a.hi * b.hi;
    return dd_sum(p, fma(a.hi, b.hi, -p) + (a.hi * b.lo + a.lo * b.hi));
}

static dd dd_negative(dd a)
{
    const dd r = {-a.hi, -a.lo};
    return r;
}

/* ---- a regression ---- */

typedef struct problem {
    int64_t rows, columns;
    int first_name; /* 0: the first coefficient is the intercept b0 */
    double *y;
    dd *x;             /* rows x columns, row by row */
    double *scale;     /* of each column: a power of two */
    dd *b, *r;         /* coefficients and residuals */
    double *se;        /* standard errors of the coefficients */
    double sigma;      /* residual standard deviation */
    double *f, *g, *h; /* space for refining: rows, columns, rows */
} problem;

/* What went wrong, for main() to print. */
static char message[1024];

__attribute__((format(printf, 1, 2))) static int wrong(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return 1;
}

/* A call of the library inside a function that returns 0 or 1. */
#define TRY(...)                                                                                             \
    do {                                                                                                     \
        const da_status status_ = (__VA_ARGS__);                                                             \
        if (status_ != DA_OK)                                                                                \
            return wrong("%s: %s", da_status_name(status_), da_error());                                     \
    } while (0)

static void *space(int64_t n, size_t size)
{
    return calloc(n > 0 ? (size_t)n : 1, size);
}

static void problem_free(problem *p)
{
    free(p->y);
    free(p->x);
    free(p->scale);
    free(p->b);
    free(p->r);
    free(p->se);
    free(p->f);
    free(p->g);
    free(p->h);
    memset(p, 0, sizeof *p);
}

/* The model: an intercept unless told otherwise, then the predictors, or the powers of the only one. */
static int problem_build(problem *p, const double *data, int64_t rows, int64_t columns, int degree,
                         int intercept, const char *source)
{
    const int64_t predictors = columns - 1, terms = degree > 0 ? degree : predictors;

    if (columns < 1)
        return wrong("%s has no column", source);
    if (degree > 0 && predictors != 1)
        return wrong("--poly %d needs a file with one predictor, %s has %lld", degree, source,
                     (long long)predictors);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            if (!isfinite(data[i * columns + j]))
                return wrong("%s: the number in row %lld, column %lld is %g", source, (long long)i + 1,
                             (long long)j + 1, data[i * columns + j]);
    p->rows = rows;
    p->columns = terms + intercept;
    p->first_name = intercept ? 0 : 1;
    if (p->columns == 0)
        return wrong("%s has one column, y, and without an intercept there is nothing to fit it with",
                     source);
    if (rows < p->columns)
        return wrong("%s has %lld rows, too few for %lld coefficients", source, (long long)rows,
                     (long long)p->columns);
    p->y = (double *)space(rows, sizeof *p->y);
    p->x = (dd *)space(rows * p->columns, sizeof *p->x);
    p->r = (dd *)space(rows, sizeof *p->r);
    p->f = (double *)space(rows, sizeof *p->f);
    p->h = (double *)space(rows, sizeof *p->h);
    p->b = (dd *)space(p->columns, sizeof *p->b);
    p->g = (double *)space(p->columns, sizeof *p->g);
    p->se = (double *)space(p->columns, sizeof *p->se);
    p->scale = (double *)space(p->columns, sizeof *p->scale);
    if (!p->y || !p->x || !p->r || !p->f || !p->h || !p->b || !p->g || !p->se || !p->scale)
        return wrong("not enough memory for %lld rows and %lld columns", (long long)rows,
                     (long long)p->columns);

    for (int64_t i = 0; i < rows; i++) {
        const double *row = &data[i * columns];
        dd *to = &p->x[i * p->columns], power = dd_of(1);
        p->y[i] = row[0];
        if (intercept)
            *to++ = power;
        for (int64_t j = 0; j < terms; j++) {
            power = degree > 0 ? dd_multiply(power, dd_of(row[1])) : dd_of(row[1 + j]);
            if (!isfinite(power.hi))
                return wrong("%s: row %lld: %g to the power %lld is too large", source, (long long)i + 1,
                             row[1], (long long)j + 1);
            *to++ = power;
        }
    }
    return 0;
}

/* ---- the fit ---- */

/* R of the scaled matrix is tested on the host: the distance of each column, of norm about 1, from the span of the others is 1 over the
 * norm of a row of R's inverse. */
static int check_rank(const problem *p, const da_array *R, double *inverse_norms)
{
    DA_AUTO da_array *unit = NULL, *inverse = NULL;
    const int64_t n = p->columns;
    const double limit =
        (double)(p->rows + 30) * 2.220446049250313e-16; /* a little more than rounding does */
    double *r = (double *)space(n * n, sizeof *r), nearest = 1;
    int64_t worst = -1;
    da_status status;

    if (!r)
        return wrong("not enough memory for %lld x %lld numbers", (long long)n, (long long)n);
    status = da_to_host(R, r, (size_t)(n * n) * sizeof *r, DA_ROW_MAJOR);
    for (int64_t j = 0; j < n && status == DA_OK && worst < 0; j++)
        if (!(fabs(r[j * n + j]) > limit)) {
            worst = j;
            nearest = fabs(r[j * n + j]);
        }
    if (status == DA_OK && worst < 0) {
        status = da_eye(&unit, DA_F64, n, n, 0);
        if (status == DA_OK)
            status = da_solve_triangular(&inverse, R, unit, DA_UPPER);
        if (status == DA_OK)
            status = da_to_host(inverse, r, (size_t)(n * n) * sizeof *r, DA_ROW_MAJOR);
        for (int64_t j = 0; j < n && status == DA_OK; j++) {
            double sum = 0;
            for (int64_t k = j; k < n; k++)
                sum += r[j * n + k] * r[j * n + k];
            inverse_norms[j] = sqrt(sum);
            if (!(1 / inverse_norms[j] > limit) && worst < 0) {
                worst = j;
                nearest = 1 / inverse_norms[j];
            }
        }
    }
    free(r);
    TRY(status);
    if (worst >= 0)
        return wrong(
            "the predictors do not determine the coefficients: the column of b%lld is a combination of the "
            "others (to %.1e of its size; %lld rows, %lld columns)",
            (long long)(worst + p->first_name), nearest, (long long)p->rows, (long long)n);
    return 0;
}

/* Remainders of r + X b = y and X' r = 0, rounded from double-double. */
static void remainders(problem *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        dd sum = dd_add(dd_of(p->y[i]), dd_negative(p->r[i]));
        for (int64_t j = 0; j < p->columns; j++)
            sum = dd_add(sum, dd_negative(dd_multiply(p->x[i * p->columns + j], p->b[j])));
        p->f[i] = sum.hi;
    }
    for (int64_t j = 0; j < p->columns; j++) {
        dd sum = dd_of(0);
        for (int64_t i = 0; i < p->rows; i++)
            sum = dd_add(sum, dd_negative(dd_multiply(p->x[i * p->columns + j], p->r[i])));
        p->g[j] = sum.hi * p->scale[j];
    }
}

/* One step: corrections from the remainders f and g. With X S = Q R (S the scales), they solve dr + X db = f, X' dr = g / S:
 * d = R'^-1 g;  h = Q' f;  db = S R^-1 (h_top - d);  dr = Q (d over h_rest). Receives the largest relative change of b. */
static int refine(problem *p, const da_qr_factors *QR, const da_array *R, double *change)
{
    DA_AUTO da_array *F = NULL, *G = NULL, *D = NULL, *H = NULL, *top = NULL, *difference = NULL, *Z = NULL;
    DA_AUTO da_array *correction = NULL;
    const size_t n = (size_t)p->columns, m = (size_t)p->rows;
    double largest = 0;

    remainders(p);
    TRY(da_from_host(&F, DA_F64, DA_SHAPE(p->rows, 1), p->f, DA_ROW_MAJOR));
    TRY(da_from_host(&G, DA_F64, DA_SHAPE(p->columns, 1), p->g, DA_ROW_MAJOR));
    TRY(da_solve_triangular(&D, R, G, DA_UPPER | DA_TRANSPOSE));
    TRY(da_qr_apply(&H, QR, F, DA_TRANSPOSE));
    TRY(DA_SLICE(&top, H, DA_UNTIL(p->columns)));
    TRY(da_eval(&difference, da_subtract(top, D)));
    TRY(da_solve_triangular(&Z, R, difference, DA_UPPER));
    TRY(da_assign(top, D));
    TRY(da_qr_apply(&correction, QR, H, 0));
    TRY(da_to_host(Z, p->g, n * sizeof *p->g, DA_ROW_MAJOR));
    TRY(da_to_host(correction, p->h, m * sizeof *p->h, DA_ROW_MAJOR));

    for (int64_t j = 0; j < p->columns; j++) {
        p->b[j] = dd_add(p->b[j], dd_of(p->g[j] * p->scale[j]));
        largest = fmax(largest, fabs(p->b[j].hi / p->scale[j]));
    }
    *change = 0; /* a coefficient that is nothing beside the others counts as their last digit */
    for (int64_t j = 0; j < p->columns; j++)
        if (p->g[j] != 0)
            *change = fmax(*change, fabs(p->g[j]) / fmax(fabs(p->b[j].hi / p->scale[j]), largest * 1e-16));
    for (int64_t i = 0; i < p->rows; i++)
        p->r[i] = dd_add(p->r[i], dd_of(p->h[i]));
    return 0;
}

static int fit(problem *p)
{
    DA_AUTO da_array *A = NULL, *R = NULL;
    DA_AUTO da_qr_factors *QR = NULL;
    const int64_t n = p->columns, m = p->rows;
    double *scaled = (double *)space(m * n, sizeof *scaled), before = INFINITY, change = INFINITY, sum = 0;
    da_status status;

    if (!scaled)
        return wrong("not enough memory for %lld x %lld numbers", (long long)m, (long long)n);
    for (int64_t j = 0; j < n; j++) {
        double largest = 0;
        int exponent;
        for (int64_t i = 0; i < m; i++)
            largest = fmax(largest, fabs(p->x[i * n + j].hi));
        for (int64_t i = 0; i < m && largest > 0; i++)
            sum += (p->x[i * n + j].hi / largest) * (p->x[i * n + j].hi / largest);
        (void)frexp(largest * sqrt(sum), &exponent);
        p->scale[j] = largest > 0 ? ldexp(1, -exponent) : 1;
        sum = 0;
        for (int64_t i = 0; i < m; i++)
            scaled[i * n + j] = p->x[i * n + j].hi * p->scale[j];
    }
    status = da_from_host(&A, DA_F64, DA_SHAPE(m, n), scaled, DA_ROW_MAJOR);
    free(scaled);
    TRY(status);
    TRY(da_qr_factor(&QR, A));
    TRY(da_qr_r(&R, QR, 0));
    if (check_rank(p, R, p->se))
        return 1;

    for (int steps = 0; change > 1e-16 && steps < 40; steps++) {
        if (refine(p, QR, R, &change))
            return 1;
        if (steps > 2 && !(change < before / 2)) /* as good as it gets */
            break;
        before = change;
    }
    if (!(change < 1e-6))
        return wrong(
            "the predictors are so nearly dependent that the coefficients stay uncertain to %.1e of their "
            "size",
            change);

    for (int64_t i = 0; i < m; i++)
        sum += p->r[i].hi * p->r[i].hi;
    p->sigma = m > n ? sqrt(sum / (double)(m - n)) : NAN; /* no degrees of freedom: no estimate */
    for (int64_t j = 0; j < n; j++)
        p->se[j] *= p->sigma * p->scale[j];
    return 0;
}

static void print_fit(const problem *p)
{
    for (int64_t j = 0; j < p->columns; j++)
        printf("b%lld = %.17g  se = %.17g\n", (long long)(j + p->first_name), p->b[j].hi, p->se[j]);
    printf("residual standard deviation = %.17g\n", p->sigma);
}

/* ---- files ---- */

static int ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* 1 if the file's first line does not begin with a number. */
static int has_header(const char *path)
{
    char line[256], *end;
    FILE *file = fopen(path, "r");
    int header = 0;

    if (file && fgets(line, sizeof line, file)) {
        (void)strtod(line, &end);
        header = end == line;
    }
    if (file)
        fclose(file);
    return header;
}

/* Reads a table of numbers, row by row, to be freed. */
static int load(const char *path, double **data, int64_t *rows, int64_t *columns)
{
    DA_AUTO da_array *raw = NULL, *table = NULL;
    da_shape shape;
    size_t bytes;

    if (ends_with(path, ".npy"))
        TRY(da_load_npy(&raw, path));
    else
        TRY(da_load_csv(&raw, path, has_header(path)));
    shape = da_array_shape(raw);
    if (shape.ndim != 2)
        return wrong("%s has %d axes, a table has 2", path, shape.ndim);
    if (shape.dim[0] == 0 || shape.dim[1] == 0)
        return wrong("%s is empty: %lld rows, %lld columns", path, (long long)shape.dim[0],
                     (long long)shape.dim[1]);
    TRY(da_astype(&table, raw, DA_F64));
    bytes = (size_t)da_array_size(table) * sizeof **data;
    *data = (double *)malloc(bytes);
    if (!*data)
        return wrong("not enough memory for %zu bytes of %s", bytes, path);
    *rows = shape.dim[0];
    *columns = shape.dim[1];
    TRY(da_to_host(table, *data, bytes, DA_ROW_MAJOR));
    return 0;
}

static int fit_file(problem *p, const char *path, int degree, int intercept)
{
    double *data = NULL;
    int64_t rows = 0, columns = 0;
    const int bad = load(path, &data, &rows, &columns) ||
                    problem_build(p, data, rows, columns, degree, intercept, path) || fit(p);
    free(data);
    return bad;
}

/* ---- the reference sets ---- */

typedef struct reference {
    const char *name;
    int degree;
    double digits; /* that must be right */
} reference;

static const reference references[] = {{"longley", 0, 10}, {"wampler1", 5, 8.5}, {"filip", 10, 6}};

/* The certified coefficients of a set: lines `set,bK,value`. */
static int certified(const char *name, int64_t n, double *values)
{
    const char *path = DARRAY_EXAMPLE_DATA "/certified.csv";
    FILE *file = fopen(path, "r");
    char line[256];
    int64_t found = 0;
    const size_t length = strlen(name);

    if (!file)
        return wrong("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        char *end;
        long long k;
        if (strncmp(line, name, length) != 0 || strncmp(line + length, ",b", 2) != 0)
            continue;
        k = strtoll(line + length + 2, &end, 10);
        if (*end == ',' && k >= 0 && k < n) {
            values[k] = strtod(end + 1, NULL);
            found++;
        }
    }
    fclose(file);
    return found == n
               ? 0
               : wrong("%s has %lld of %lld coefficients of %s", path, (long long)found, (long long)n, name);
}

/* Digits that agree: -log10 of the relative error, 16 at most. */
static double digits(double value, double exact)
{
    const double error = fabs(value - exact) / fabs(exact);
    return error > 1e-16 ? -log10(error) : isnan(error) ? 0 : 16;
}

static int run_reference(const reference *set, int *good)
{
    char path[1024];
    problem p;
    double exact[16], fewest = 16;
    int bad;

    memset(&p, 0, sizeof p);
    snprintf(path, sizeof path, "%s/%s.csv", DARRAY_EXAMPLE_DATA, set->name);
    printf("%s", set->name);
    if (set->degree)
        printf(", polynomial of degree %d", set->degree);
    puts(":");
    bad = fit_file(&p, path, set->degree, 1) || certified(set->name, p.columns, exact);
    if (!bad) {
        print_fit(&p);
        printf("correct digits:");
        for (int64_t j = 0; j < p.columns; j++) {
            const double right = digits(p.b[j].hi, exact[j]);
            printf(" %.1f", right);
            fewest = fmin(fewest, right);
        }
        printf("\nfewest %.2f, wanted %g%s\n\n", fewest, set->digits,
               fewest >= set->digits ? "" : ": TOO FEW");
        *good &= fewest >= set->digits;
    }
    problem_free(&p);
    return bad;
}

/* ---- the command ---- */

static const char command[] = "least_squares [--poly DEGREE] [--no-intercept] [FILE.csv|FILE.npy]";

static int usage(const char *complaint, const char *what)
{
    fprintf(stderr, "least_squares: %s%s\nusage: %s\n", complaint, what, command);
    return 2;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    int degree = 0, intercept = 1, good = 1, bad = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-intercept") == 0) {
            intercept = 0;
        } else if (strcmp(argv[i], "--poly") == 0) {
            char *end;
            long value;
            if (++i == argc)
                return usage("--poly needs a degree", "");
            value = strtol(argv[i], &end, 10);
            if (*end || end == argv[i] || value < 1 || value > 100)
                return usage("a degree is a number from 1 to 100, not ", argv[i]);
            degree = (int)value;
        } else if (strcmp(argv[i], "--help") == 0) {
            printf("usage: %s\n", command);
            return 0;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return usage("unknown option ", argv[i]);
        } else if (path) {
            return usage("one file at a time, not also ", argv[i]);
        } else {
            path = argv[i];
        }
    }
    if (!path && (degree || !intercept))
        return usage("options go with a file", "");

    if (path) {
        problem p;
        memset(&p, 0, sizeof p);
        bad = fit_file(&p, path, degree, intercept);
        if (!bad)
            print_fit(&p);
        problem_free(&p);
    } else {
        for (size_t i = 0; i < sizeof references / sizeof *references && !bad; i++)
            bad = run_reference(&references[i], &good);
        if (!bad)
            puts(good ? "least_squares: all digits wanted are right" : "least_squares: digits are MISSING");
    }
    if (bad)
        fprintf(stderr, "least_squares: %s\n", message);
    return bad || !good ? 1 : 0;
}
