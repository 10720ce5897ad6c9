/* SPDX-License-Identifier: BSD-3-Clause */
/* Parallel loops over many small matrices, each of which a plain BLAS or LAPACK call works on. */
#include "reference.h"

#include <cblas.h>
#include <complex.h>
#include <lapacke.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

void reference_batch_begin(int threads)
{
    openblas_set_num_threads(1);
    omp_set_num_threads(threads);
}

static size_t size_of(da_dtype dtype)
{
    return dtype == DA_F32 ? 4 : dtype == DA_C128 ? 16 : 8;
}

/* LAPACK's routine of this dtype; all but the letter is the same. */
#define CALL(dtype, name, ...)                                                                               \
    ((dtype) == DA_F32   ? LAPACKE_s##name(LAPACK_COL_MAJOR, __VA_ARGS__)                                    \
     : (dtype) == DA_C64 ? LAPACKE_c##name(LAPACK_COL_MAJOR, __VA_ARGS__)                                    \
     : (dtype) == DA_F64 ? LAPACKE_d##name(LAPACK_COL_MAJOR, __VA_ARGS__)                                    \
                         : LAPACKE_z##name(LAPACK_COL_MAJOR, __VA_ARGS__))

void reference_batch_gemm(da_dtype dtype, int64_t count, int64_t order, const void *a, const void *b, void *c)
{
    const int n = (int)order;
    const size_t bytes = (size_t)(order * order) * size_of(dtype);
    const float _Complex onef = 1, zerof = 0;
    const double _Complex one = 1, zero = 0;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        const void *const x = (const char *)a + (size_t)i * bytes, *const y =
                                                                       (const char *)b + (size_t)i * bytes;
        void *const z = (char *)c + (size_t)i * bytes;
        switch (dtype) {
        case DA_F32:
            cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, x, n, y, n, 0, z, n);
            break;
        case DA_C64:
            cblas_cgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, &onef, x, n, y, n, &zerof, z, n);
            break;
        case DA_C128:
            cblas_zgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, &one, x, n, y, n, &zero, z, n);
            break;
        default:
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, x, n, y, n, 0, z, n);
            break;
        }
    }
}

int reference_batch_potrf(da_dtype dtype, int64_t count, int64_t order, const void *a, void *w)
{
    const lapack_int n = (lapack_int)order;
    const size_t bytes = (size_t)(order * order) * size_of(dtype);
    int failed = 0;
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t i = 0; i < count; i++) {
        void *const x = (char *)w + (size_t)i * bytes;
        memcpy(x, (const char *)a + (size_t)i * bytes, bytes);
        failed |= CALL(dtype, potrf_work, 'L', n, x, n);
    }
    return failed;
}

int reference_batch_getrf(da_dtype dtype, int64_t count, int64_t order, const void *a, void *w, int *pivots)
{
    const lapack_int n = (lapack_int)order;
    const size_t bytes = (size_t)(order * order) * size_of(dtype);
    int failed = 0;
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t i = 0; i < count; i++) {
        void *const x = (char *)w + (size_t)i * bytes;
        memcpy(x, (const char *)a + (size_t)i * bytes, bytes);
        failed |= CALL(dtype, getrf_work, n, n, x, n, pivots + i * order);
    }
    return failed;
}

int reference_batch_gesv(da_dtype dtype, int64_t count, int64_t order, const void *a, void *w, int *pivots,
                         const void *b, void *x)
{
    const lapack_int n = (lapack_int)order;
    const size_t bytes = (size_t)(order * order) * size_of(dtype), column = (size_t)order * size_of(dtype);
    int failed = 0;
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t i = 0; i < count; i++) {
        void *const f = (char *)w + (size_t)i * bytes, *const y = (char *)x + (size_t)i * column;
        memcpy(f, (const char *)a + (size_t)i * bytes, bytes);
        memcpy(y, (const char *)b + (size_t)i * column, column);
        failed |= CALL(dtype, gesv_work, n, 1, f, n, pivots + i * order, y, n);
    }
    return failed;
}

/* Both factors, R in the upper triangle of r. */
int reference_batch_qr(da_dtype dtype, int64_t count, int64_t order, const void *a, void *q, void *r)
{
    const lapack_int n = (lapack_int)order, lwork = 64 * n;
    const size_t size = size_of(dtype), bytes = (size_t)(order * order) * size;
    int failed = 0;
#pragma omp parallel reduction(| : failed)
    {
        void *const tau = malloc((size_t)n * size), *const work = malloc((size_t)lwork * size);
        if (tau == NULL || work == NULL)
            failed = 1;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < count; i++) {
            void *const x = (char *)q + (size_t)i * bytes;
            char *const y = (char *)r + (size_t)i * bytes;
            if (failed)
                continue;
            memcpy(x, (const char *)a + (size_t)i * bytes, bytes);
            failed |= CALL(dtype, geqrf_work, n, n, x, n, tau, work, lwork);
            for (int64_t j = 0; j < order; j++) {
                memcpy(y + (size_t)(j * order) * size, (char *)x + (size_t)(j * order) * size,
                       (size_t)(j + 1) * size);
                memset(y + (size_t)(j * order + j + 1) * size, 0, (size_t)(order - j - 1) * size);
            }
            failed |=
                dtype == DA_F32   ? LAPACKE_sorgqr_work(LAPACK_COL_MAJOR, n, n, n, x, n, tau, work, lwork)
                : dtype == DA_C64 ? LAPACKE_cungqr_work(LAPACK_COL_MAJOR, n, n, n, x, n, tau, work, lwork)
                : dtype == DA_F64 ? LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, n, n, n, x, n, tau, work, lwork)
                                  : LAPACKE_zungqr_work(LAPACK_COL_MAJOR, n, n, n, x, n, tau, work, lwork);
        }
        free(tau);
        free(work);
    }
    return failed;
}

static double _Complex element(da_dtype dtype, const void *x, int64_t i)
{
    switch (dtype) {
    case DA_F32: return (double)((const float *)x)[i];
    case DA_C64: return ((const float _Complex *)x)[i];
    case DA_C128: return ((const double _Complex *)x)[i];
    default: return ((const double *)x)[i];
    }
}

double reference_residual_system(da_dtype dtype, int64_t n, const void *a, const void *x, const void *b)
{
    const double eps = dtype == DA_F32 || dtype == DA_C64 ? 0x1p-24 : 0x1p-53;
    double residual = 0, size_a = 0, size_x = 0, size_b = 0;
    for (int64_t j = 0; j < n; j++) {
        double column = 0;
        for (int64_t i = 0; i < n; i++)
            column += cabs(element(dtype, a, j * n + i));
        size_a = column > size_a ? column : size_a;
        size_x += cabs(element(dtype, x, j));
        size_b += cabs(element(dtype, b, j));
    }
    for (int64_t i = 0; i < n; i++) {
        double _Complex sum = -element(dtype, b, i);
        for (int64_t j = 0; j < n; j++)
            sum += element(dtype, a, j * n + i) * element(dtype, x, j);
        residual += cabs(sum);
    }
    return residual / ((size_a * size_x + size_b) * (double)n * eps);
}
