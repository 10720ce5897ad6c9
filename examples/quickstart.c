/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The array demo: a chain of operations on whole arrays, each of which becomes a graph of tile tasks. Nothing waits until a number is
 * asked for. The total is not the same everywhere: the signs of R's rows, on which it depends, follow from how many workers there are. The
 * second half checks every step on the host, by loops of its own.
 */
#include <darray/darray.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define N 1024

typedef struct results {
    double *a, *b, *c, *c_text, *d, *x, *y; /* row-major copies */
    double total;
} results;

/* A row-major copy of an array, to be freed. */
static da_status copy_out(double **out, const da_array *a)
{
    const size_t bytes = (size_t)da_array_size(a) * sizeof(double);
    double *p = (double *)malloc(bytes);
    if (!p)
        return DA_ERROR_MEMORY;
    *out = p;
    return da_to_host(a, p, bytes, DA_ROW_MAJOR);
}

static da_status demo(results *r)
{
    DA_AUTO da_array *A = NULL, *B = NULL, *C = NULL, *C2 = NULL, *D = NULL, *X = NULL, *Y = NULL;

    DA_TRY(da_random_uniform(&A, DA_F64, DA_SHAPE(N, N), 1)); /* A = rand(N, N)                     */
    DA_TRY(da_matmul(&B, A, A));                              /* B = A @ A                          */
    DA_TRY(da_eval(&C, da_divide(da_multiply(B, A), 3)));     /* C = B * A / 3, one fused pass      */
    DA_TRY(DA_EVAL(&C2, B * A / 3, B, A));                    /* the same from text                 */
    DA_TRY(da_qr(NULL, &D, C));                               /* D = qr(C).R                        */
    DA_TRY(da_random_uniform(&X, DA_F64, DA_SHAPE(N), 2));
    DA_TRY(da_solve_triangular(&Y, D, X, DA_UPPER));  /* Y = D \ X                              */
    DA_TRY(da_assign(X, da_add(X, 2)));               /* X += 2, in place, once Y has read it   */
    DA_TRY(da_sum_all(&r->total, da_multiply(X, Y))); /* a C double: waits, and reports faults  */
    DA_TRY(da_wait(Y));                               /* a singular D would be reported here    */

    DA_TRY(copy_out(&r->a, A));
    DA_TRY(copy_out(&r->b, B));
    DA_TRY(copy_out(&r->c, C));
    DA_TRY(copy_out(&r->c_text, C2));
    DA_TRY(copy_out(&r->d, D));
    DA_TRY(copy_out(&r->x, X));
    return copy_out(&r->y, Y);
}

/* ---- the same on the host ---- */

/* y = m x, or m^T x. */
static void times(double *y, const double *m, const double *x, int transposed)
{
    for (int i = 0; i < N; i++)
        y[i] = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            if (transposed)
                y[j] += m[i * N + j] * x[i];
            else
                y[i] += m[i * N + j] * x[j];
        }
}

static double norm(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static double distance(const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sqrt(sum);
}

static int check(const char *what, double error, double limit)
{
    const int good = error <= limit; /* false for NaN */
    printf("  %-44s %9.2e  (at most %.0e)%s\n", what, error, limit, good ? "" : "  WRONG");
    return good;
}

static int check_all(const results *r)
{
    static double v[N], p[N], q[N], s[N], t[N];
    const double eps = 2.220446049250313e-16;
    double worst = 0, below = 0, total = 0, size = 0;
    int good = 1, differ = 0;

    for (int i = 0; i < N; i++)
        v[i] = cos(1.0 + 3.0 * i); /* products of a matrix are checked by what they do to a vector */
    times(p, r->b, v, 0);
    times(q, r->a, v, 0);
    times(s, r->a, q, 0);
    good &= check("B = A @ A:  |Bv - A(Av)| / (|A|^2 |v|)",
                  distance(p, s) / (pow(norm(r->a, N * N), 2) * norm(v, N)), 10 * N * eps);

    for (int i = 0; i < N * N; i++) {
        const double expected = r->b[i] * r->a[i] / 3;
        worst = fmax(worst, fabs(r->c[i] - expected) / fabs(expected));
        differ += !(r->c[i] == r->c_text[i]);
    }
    good &= check("C = B * A / 3:  largest relative error", worst, 2 * eps);
    good &= check("C from text:  elements that differ", differ, 0);

    times(p, r->d, v, 0);
    times(q, r->d, p, 1);
    times(p, r->c, v, 0);
    times(s, r->c, p, 1);
    good &= check("D = qr(C).R:  |D'Dv - C'Cv| / (|C|^2 |v|)",
                  distance(q, s) / (pow(norm(r->c, N * N), 2) * norm(v, N)), 30 * N * eps);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            below = fmax(below, fabs(r->d[i * N + j]));
    good &= check("D = qr(C).R:  largest element below diagonal", below, 0);

    times(p, r->d, r->y, 0);
    for (int i = 0; i < N; i++)
        t[i] = r->x[i] - 2; /* X as it was */
    good &= check("Y = D \\ X:  |DY - X| / (|D| |Y|)", distance(p, t) / (norm(r->d, N * N) * norm(r->y, N)),
                  30 * N * eps);

    for (int i = 0; i < N; i++) {
        total += r->x[i] * r->y[i];
        size += fabs(r->x[i] * r->y[i]);
    }
    good &= check("sum(X * Y):  relative error", fabs(total - r->total) / size, N * eps);
    return good;
}

int main(void)
{
    results r = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0};
    const da_status status = demo(&r);
    int good = 0;

    if (status == DA_OK) {
        printf("A = rand(%d, %d); B = A @ A; C = B * A / 3; D = qr(C).R; Y = D \\ X; X += 2\n", N, N);
        printf("sum(X * Y) = %.17g  on runtime %s with %d workers\n", r.total, da_runtime_name(),
               da_num_workers());
        good = check_all(&r);
        puts(good ? "quickstart: all checks passed" : "quickstart: a check FAILED");
    } else {
        fprintf(stderr, "quickstart: %s: %s\n", da_status_name(status), da_error());
    }
    free(r.a);
    free(r.b);
    free(r.c);
    free(r.c_text);
    free(r.d);
    free(r.x);
    free(r.y);
    return good ? 0 : 1;
}
