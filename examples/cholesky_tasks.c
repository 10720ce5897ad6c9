/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tiled Cholesky factorisation, its tasks spawned by hand: M = L L^T. The loops say what each task reads and writes; the order
 * and the parallelism follow from that. Then the same on a matrix that is not positive definite, to see the fault arrive.
 */
#include <darray/darray.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000
#define TILE 128 /* the last tile is smaller */

static da_status cholesky(da_array *M)
{
    const da_shape shape = da_array_shape(M), blocks = da_array_blocks(M);
    const int64_t n = shape.dim[0], tile = blocks.dim[0], nt = (n + tile - 1) / tile;
    const da_trsm_args solve = {DA_LOWER | DA_RIGHT | DA_TRANSPOSE, 0, {1, 0}};
    const da_syrk_args update = {DA_LOWER, 0, -1, 1};
    const da_gemm_args product = {0, DA_TRANSPOSE, {-1, 0}, {1, 0}};

    for (int64_t k = 0; k < nt; k++) {
        const da_potrf_args factor = {DA_LOWER, 0, k * tile, n};
        DA_TRY(DA_SPAWN(NULL, &da_codelet_potrf, DA_READ_WRITE(DA_BLOCK(M, k, k)), DA_VALUE(factor)));
        for (int64_t m = k + 1; m < nt; m++)
            DA_TRY(DA_SPAWN(NULL, &da_codelet_trsm, DA_READ(DA_BLOCK(M, k, k)),
                            DA_READ_WRITE(DA_BLOCK(M, m, k)), DA_VALUE(solve)));
        for (int64_t m = k + 1; m < nt; m++) {
            DA_TRY(DA_SPAWN(NULL, &da_codelet_syrk, DA_READ(DA_BLOCK(M, m, k)),
                            DA_READ_WRITE(DA_BLOCK(M, m, m)), DA_VALUE(update)));
            for (int64_t j = k + 1; j < m; j++)
                DA_TRY(DA_SPAWN(NULL, &da_codelet_gemm, DA_READ(DA_BLOCK(M, m, k)),
                                DA_READ(DA_BLOCK(M, j, k)), DA_READ_WRITE(DA_BLOCK(M, m, j)),
                                DA_VALUE(product)));
        }
    }
    return DA_OK; /* everything is spawned; da_wait(M) reports a matrix that is not positive definite */
}

/* A symmetric matrix from the caller's formula: positive definite, with a condition number of about N^2, unless `spoil`: then its
 * leading minor of that order is not. */
static void fill(double *a, int spoil)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i * N + j] = (double)(i < j ? i + 1 : j + 1) / N; /* min(i, j): the Brownian covariance */
    if (spoil)
        a[(spoil - 1) * N + (spoil - 1)] = -1;
}

/* |L L^T - A| / (|A| n eps), in Frobenius norms, for a row-major L whose upper triangle is not looked at. */
static double residual(const double *l, const double *a)
{
    double error = 0, size = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = 0; k <= j; k++)
                sum += l[i * N + k] * l[j * N + k];
            error += (i == j ? 1 : 2) * (sum - a[i * N + j]) * (sum - a[i * N + j]);
            size += (i == j ? 1 : 2) * a[i * N + j] * a[i * N + j];
        }
    return sqrt(error / size) / (N * 2.220446049250313e-16);
}

static da_status run(double *a, int *good)
{
    DA_AUTO da_array *M = NULL, *bad = NULL;
    const int minor = 613;
    const char *expected = "leading minor 613 of 1000 is not positive definite";
    double *l = a + N * N;
    double ratio;
    da_status status;

    DA_TRY(da_blocks(DA_SHAPE(TILE, TILE)));
    fill(a, 0);
    DA_TRY(da_from_host(&M, DA_F64, DA_SHAPE(N, N), a, DA_ROW_MAJOR));
    DA_TRY(cholesky(M));
    DA_TRY(da_to_host(M, l, sizeof(double) * N * N, DA_ROW_MAJOR));
    ratio = residual(l, a);
    *good = ratio < 30;
    printf("Cholesky of a %d x %d matrix by tasks on tiles of %d x %d, runtime %s\n", N, N, TILE, TILE,
           da_runtime_name());
    printf("  |L L' - M| / (|M| n eps) = %.3g  (below 30)%s\n", ratio, *good ? "" : "  WRONG");

    fill(a, minor);
    DA_TRY(da_from_host(&bad, DA_F64, DA_SHAPE(N, N), a, DA_ROW_MAJOR));
    DA_TRY(cholesky(bad));
    status = da_wait(bad);
    printf("  with M[%d, %d] = -1: %s: %s\n", minor - 1, minor - 1, da_status_name(status), da_error());
    if (status != DA_ERROR_NUMERICAL || !strstr(da_error(), expected)) {
        printf("  WRONG: expected \"%s\"\n", expected);
        *good = 0;
    }
    return DA_OK;
}

int main(void)
{
    double *space = (double *)malloc(2 * sizeof(double) * N * N); /* the matrix and its factor */
    int good = 0;
    const da_status status = space ? run(space, &good) : DA_ERROR_MEMORY;

    free(space);
    if (status != DA_OK)
        fprintf(stderr, "cholesky_tasks: %s: %s\n", da_status_name(status), da_error());
    else
        puts(good ? "cholesky_tasks: all checks passed" : "cholesky_tasks: a check FAILED");
    return status == DA_OK && good ? 0 : 1;
}
