/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory operations need beside their operands: their results, what a few panels need, and 64 MB for each worker. By the kernel's own count of
 * resident pages, whose peak is reset before each call. */
#include "base/base.h"
#include "test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MB (1024.0 * 1024.0)

/* Of /proc/self/status, in bytes. */
static double status_of(const char *name)
{
    FILE *const file = fopen("/proc/self/status", "re");
    const size_t length = strlen(name);
    char line[256];
    double bytes = -1;

    ck_assert_ptr_nonnull(file);
    while (bytes < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0)
            bytes = strtod(line + length, NULL) * 1024;
    fclose(file);
    ck_assert_msg(bytes >= 0, "no %s", name);
    return bytes;
}

/* The peak is what is resident now; false if the kernel does not do that. */
static bool reset_peak(void)
{
    FILE *const file = fopen("/proc/self/clear_refs", "we");
    const bool written = file && fputs("5", file) >= 0;

    return file && fclose(file) == 0 && written;
}

/* ---- operations on an n x n matrix ---- */

typedef struct call {
    const char *name;
    int64_t n;
    double matrices;  /* of that size that they may need: results and, where that cannot be helped, others */
    int64_t block[2]; /* tiles of the operands; 0: the usual ones */
    da_status (*run)(da_array *a, da_array *b);
} call;

/* Each waits, so that the peak is that of its tasks, and gives its results back. */
static da_status done(da_status status, da_array *x, da_array *y, da_array *z)
{
    da_array *const results[] = {x, y, z};

    for (int i = 0; i < 3 && status == DA_OK; i++)
        if (results[i])
            status = da_wait(results[i]);
    da_array_release(&x);
    da_array_release(&y);
    da_array_release(&z);
    return status;
}

static da_status matmul(da_array *a, da_array *b)
{
    da_array *x = NULL;
    const da_status status = da_matmul(&x, a, b);

    return done(status, x, NULL, NULL);
}

static da_status cholesky(da_array *a, da_array *b)
{
    da_array *x = NULL;
    const da_status status = da_cholesky(&x, a, DA_LOWER);

    (void)b;
    return done(status, x, NULL, NULL);
}

static da_status cholesky_inplace(da_array *a, da_array *b)
{
    const da_status status = da_cholesky_inplace(a, DA_LOWER);

    (void)b;
    return status == DA_OK ? da_wait(a) : status;
}

static da_status lu(da_array *a, da_array *b)
{
    da_array *x = NULL, *pivots = NULL;
    const da_status status = da_lu(&x, &pivots, a);

    (void)b;
    return done(status, x, pivots, NULL);
}

static da_status solve(da_array *a, da_array *b)
{
    da_array *x = NULL;
    const da_status status = da_solve(&x, a, b);

    return done(status, x, NULL, NULL);
}

static da_status solve_triangular(da_array *a, da_array *b)
{
    da_array *x = NULL;
    const da_status status = da_solve_triangular(&x, a, b, DA_LOWER);

    return done(status, x, NULL, NULL);
}

static da_status qr(da_array *a, da_array *b)
{
    da_array *q = NULL, *r = NULL;
    const da_status status = da_qr(&q, &r, a);

    (void)b;
    return done(status, q, r, NULL);
}

static da_status eigh(da_array *a, da_array *b)
{
    da_array *w = NULL, *v = NULL;
    const da_status status = da_eigh(&w, &v, a, DA_LOWER);

    (void)b;
    return done(status, w, v, NULL);
}

static da_status svd(da_array *a, da_array *b)
{
    da_array *u = NULL, *s = NULL, *vh = NULL;
    const da_status status = da_svd(&u, &s, &vh, a, 0);

    (void)b;
    return done(status, u, s, vh);
}

static da_status expression(da_array *a, da_array *b)
{
    da_array *x = NULL;
    const da_status status = da_eval(&x, da_add(da_multiply(a, b), da_exp(a)));

    return done(status, x, NULL, NULL);
}

static da_status sums(da_array *a, da_array *b)
{
    double sum;

    (void)b;
    return da_sum_all(&sum, a);
}

static const call calls[] = {
    {"matmul", 4096, 1, {0}, matmul},
    {"cholesky", 4096, 1, {0}, cholesky},
    {"cholesky_inplace", 8192, 0, {4224, 192}, cholesky_inplace},
    {"lu", 4096, 1, {0}, lu},
    {"solve", 4096, 2, {0}, solve}, /* a copy is factored */
    {"solve_triangular", 4096, 1, {0}, solve_triangular},
    {"qr", 4096, 3, {0}, qr},     /* likewise */
    {"eigh", 2048, 2, {0}, eigh}, /* divide and conquer has one more */
    {"svd", 2048, 4, {0}, svd},   /* likewise, beside the reflectors */
    {"expression", 8192, 1, {0}, expression},
    {"sum", 8192, 0, {0}, sums},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

START_TEST(growth)
{
    const call *const c = &calls[_i];
    const double n = (double)c->n, matrix = 8 * n * n, panel = 8 * n * 512;
    const double most =
        (c->matrices + (c->matrices == 0 ? 0.1 : 0)) * matrix + panel + 64 * MB * da_num_workers();
    DA_AUTO da_array *a = NULL, *b = NULL, *identity = NULL;

    if (c->block[0] > 0)
        ck_ok(da_blocks(DA_SHAPE(c->block[0], c->block[1])));
    ck_ok(da_random_uniform(&a, DA_F64, DA_SHAPE(c->n, c->n), 1));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(da_eye(&identity, DA_F64, c->n, c->n, 0));
    ck_ok(da_assign(a, da_add(a, da_multiply(identity, n))));
    da_array_release(&identity);
    if (c->n <= 4096)
        ck_ok(da_random_uniform(&b, DA_F64, DA_SHAPE(c->n, c->n), 2));
    else
        ck_ok(da_copy(&b, a));
    ck_ok(da_wait_all());
    mem_trim(); /* blocks that are kept for the next arrays */
    if (!reset_peak())
        return; /* no such kernel */
    const double before = status_of("VmRSS:");
    ck_ok(c->run(a, b));
    const double grown = status_of("VmHWM:") - before;
    printf("%s: %.0f MB for matrices of %.0f MB, at most %.0f\n", c->name, grown / MB, matrix / MB,
           most / MB);
    ck_assert_msg(grown <= most, "%s: %.0f MB instead of at most %.0f", c->name, grown / MB, most / MB);
    if (c->matrices > 0)
        ck_assert_msg(grown >= 0.9 * matrix, "%s: %.0f MB are less than a result", c->name, grown / MB);
}
END_TEST

DA_TEST_MAIN("memory", DA_CASE_LOOP("growth", CALLS, growth))
