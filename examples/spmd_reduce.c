/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An SPMD region: power iteration for the largest eigenvalue of a symmetric matrix whose rows are shared out over the ranks. In every
 * round each rank multiplies its rows with the vector; two collectives, on an array and on a number, put the result together. Every
 * rank hands an array back: its part of the eigenvector.
 */
#include <darray/darray.h>
#include <math.h>
#include <stdio.h>

#define RANKS 4
#define EACH 100
#define N (RANKS * EACH)
#define ROUNDS 60

/* The matrix: second differences, whose eigenvalues are 2 - 2 cos(k pi / (N+1)), plus a constant that is 10 on the first element, so
 * that the largest one stands apart. */
static double element(int64_t i, int64_t j)
{
    if (i == j)
        return i == 0 ? 12 : 2;
    return i - j == 1 || j - i == 1 ? -1 : 0;
}

/* Shared by the ranks: each writes its own entry. */
typedef struct outcome {
    double eigenvalue[RANKS];
} outcome;

static da_status work(da_rank *rank, void *ctx, da_array **result)
{
    outcome *out = (outcome *)ctx;
    const int id = da_rank_id(rank);
    const int64_t first = (int64_t)id * EACH;
    DA_AUTO da_array *rows = NULL, *x = NULL, *mine = NULL, *padded = NULL;
    static const double zeros[N] = {0};
    double block[EACH * N], length = 0;

    for (int64_t i = 0; i < EACH; i++)
        for (int64_t j = 0; j < N; j++)
            block[i * N + j] = element(first + i, j);
    DA_TRY(da_from_host(&rows, DA_F64, DA_SHAPE(EACH, N), block, DA_ROW_MAJOR));
    DA_TRY(da_ones(&x, DA_F64, DA_SHAPE(N)));

    for (int round = 0; round < ROUNDS; round++) {
        DA_AUTO da_array *part = NULL, *slot = NULL, *sum = NULL;
        double square;
        DA_TRY(da_matmul(&part, rows, x)); /* this rank's elements of A x */
        DA_TRY(da_sum_all(&square, da_square(part)));
        DA_TRY(da_allreduce_f64(rank, &square, DA_OP_SUM)); /* |A x|^2 over all ranks */
        length = sqrt(square);
        DA_TRY(da_eval(&mine, da_divide(part, length)));
        DA_TRY(da_from_host(&padded, DA_F64, DA_SHAPE(N), zeros, DA_ROW_MAJOR));
        DA_TRY(DA_SLICE(&slot, padded, DA_RANGE(first, first + EACH)));
        DA_TRY(da_assign(slot, mine));
        DA_TRY(da_allreduce_array(rank, &sum, padded, DA_OP_SUM)); /* all parts, on every rank */
        da_array_move(&x, &sum);
        da_array_release(&padded);
        if (round + 1 < ROUNDS)
            da_array_release(&mine);
    }
    out->eigenvalue[id] = length;
    da_array_move(result, &mine); /* becomes the caller's */
    return DA_OK;
}

static da_status run(int *good)
{
    da_array *parts[RANKS];
    outcome out = {{0}};
    double v[N], residual = 0, size = 0, largest = 0;
    da_status status = da_spmd(RANKS, work, &out, parts);

    if (status != DA_OK)
        return status;
    for (int r = 0; r < RANKS; r++) {
        if (status == DA_OK)
            status = da_to_host(parts[r], v + r * EACH, EACH * sizeof(double), DA_ROW_MAJOR);
        da_array_release(&parts[r]);
    }
    if (status != DA_OK)
        return status;

    /* A v = lambda v, by plain loops; and every rank found the same lambda, to the bit. */
    *good = 1;
    for (int64_t i = 0; i < N; i++) {
        double sum = 0;
        for (int64_t j = 0; j < N; j++)
            sum += element(i, j) * v[j];
        residual += pow(sum - out.eigenvalue[0] * v[i], 2);
        size += v[i] * v[i];
    }
    residual = sqrt(residual / size) / out.eigenvalue[0];
    for (int r = 0; r < RANKS; r++) {
        *good &= out.eigenvalue[r] == out.eigenvalue[0];
        largest = fmax(largest, fabs(out.eigenvalue[r] - out.eigenvalue[0]));
    }
    *good &= residual < 1e-10 && fabs(sqrt(size) - 1) < 1e-10;
    printf("power iteration on a %d x %d matrix, %d rows on each of %d ranks, %d rounds, runtime %s\n", N, N,
           EACH, RANKS, ROUNDS, da_runtime_name());
    printf("  largest eigenvalue %.15g on every rank (difference %g)\n", out.eigenvalue[0], largest);
    printf("  |A v - lambda v| / (lambda |v|) = %.2e (at most 1e-10), |v| = %.15g\n", residual, sqrt(size));
    return DA_OK;
}

int main(void)
{
    int good = 0;
    const da_status status = run(&good);

    if (status != DA_OK)
        fprintf(stderr, "spmd_reduce: %s: %s\n", da_status_name(status), da_error());
    else
        puts(good ? "spmd_reduce: all checks passed" : "spmd_reduce: a check FAILED");
    return status == DA_OK && good ? 0 : 1;
}
