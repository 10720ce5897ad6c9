/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gpu-bench [CASE...] [--size N] [--repeat K] [--json]: darray on one GPU against the vendor's call, f64.
 *
 * Data are resident on both sides: ours were made there by the library and are never looked at from the host while the clock runs, the
 * vendor's lie in memory of the device. The harness measures alternating pairs after calls that are not timed; what restores an
 * operand that is worked on in place is not timed either. Then ours is judged by its action on a vector. Exit status 77: no device.
 *
 * xt_* and nvblas_*: cublasXt and NVBLAS on matrices in host memory; theirs is page-locked beforehand. Ours are at home before each call, and
 * the result is at the end. large_*, both_*, small_*: darray against itself as it is started otherwise, anew for each side of a pair: with
 * device memory for half of the operands against all resident, on CPU and GPU against the GPU alone, with a GPU against without.
 */
#include "harness.h"

#include <darray/darray.h>

#include <cublasXt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>
#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How the library is started. */
typedef struct session {
    const char *device;  /* DARRAY_DEVICE */
    const char *runtime; /* null: what is taken of itself */
    bool limited;        /* the device's memory: half of the operands */
} session;

typedef struct bench {
    const struct gpu_case *kase;
    int64_t n;
    da_array *a, *b, *c;  /* ours */
    double *da, *db, *dc; /* the vendor's, n x n or n each */
    double *ha, *hb, *hc; /* the peers', in host memory */
    double *work, *tau;   /* cuSOLVER's */
    int work_size, *info;
    cublasHandle_t blas;
    cusolverDnHandle_t solver;
    cublasXtHandle_t xt;
    double sum;
    double residual, bound;
} bench;

typedef struct gpu_case {
    const char *name, *vendor, *unit;
    int64_t size;
    bool is_matrix;           /* operands of n x n, else of n */
    double (*work)(double n); /* of a call */
    int (*setup)(bench *b);
    harness_step ours_prepare, ours, vendor_prepare, vendor_run;
    int (*check)(bench *b);
    const session *session,
        *reference; /* of a case without a vendor: the two sides; setup is called in each */
    int operands;
    int64_t last_size; /* the size doubles up to here */
} gpu_case;

enum { SKIPPED = 77 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "gpu-bench: %s: %s\n", what, why);
    return 1;
}

#define OURS(call)                                                                                           \
    do {                                                                                                     \
        if ((call) != DA_OK)                                                                                 \
            return fail(#call, da_error());                                                                  \
    } while (0)
#define CUDA(call)                                                                                           \
    do {                                                                                                     \
        const cudaError_t e_ = (call);                                                                       \
        if (e_ != cudaSuccess)                                                                               \
            return fail(#call, cudaGetErrorString(e_));                                                      \
    } while (0)
#define BLAS(call)                                                                                           \
    do {                                                                                                     \
        const cublasStatus_t e_ = (call);                                                                    \
        if (e_ != CUBLAS_STATUS_SUCCESS)                                                                     \
            return fail(#call, cublasGetStatusString(e_));                                                   \
    } while (0)
#define SOLVER(call)                                                                                         \
    do {                                                                                                     \
        if ((call) != CUSOLVER_STATUS_SUCCESS)                                                               \
            return fail(#call, "cuSOLVER failed");                                                           \
    } while (0)

static size_t bytes_of(const bench *b)
{
    return (size_t)b->n * (size_t)(b->kase->is_matrix ? b->n : 1) * sizeof(double);
}

static int finish(void)
{
    CUDA(cudaDeviceSynchronize());
    return 0;
}

/* ---- operands ---- */

/* Random numbers in [-0.5, 0.5) */
static int random_operand(bench *b, da_array **a, uint64_t seed)
{
    if (b->kase->is_matrix)
        OURS(da_random_uniform(a, DA_F64, DA_SHAPE(b->n, b->n), seed));
    else
        OURS(da_random_uniform(a, DA_F64, DA_SHAPE(b->n), seed));
    OURS(da_assign(*a, da_subtract(*a, 0.5)));
    OURS(da_wait(*a));
    return 0;
}

/* The same, and memory for the vendor's. */
static int operand(bench *b, da_array **a, double **device, uint64_t seed)
{
    if (random_operand(b, a, seed))
        return 1;
    CUDA(cudaMalloc((void **)device, bytes_of(b)));
    return 0;
}

static void release_arrays(bench *b)
{
    da_array_release(&b->a);
    da_array_release(&b->b);
    da_array_release(&b->c);
}

/* Gives the vendor ours, column by column. */
static int hand_over(const bench *b, double *device, const da_array *a)
{
    double *const host = malloc(bytes_of(b));

    if (!host)
        return fail("malloc", "no memory");
    const da_status status = da_to_host(a, host, bytes_of(b), DA_COL_MAJOR);
    const cudaError_t copied =
        status == DA_OK ? cudaMemcpy(device, host, bytes_of(b), cudaMemcpyHostToDevice) : cudaSuccess;
    free(host);
    OURS(status);
    CUDA(copied);
    return 0;
}

/* a becomes itself plus n on the diagonal. */
static int dominant(const bench *b, da_array *a)
{
    DA_AUTO da_array *eye = NULL;

    OURS(da_eye(&eye, DA_F64, b->n, b->n, 0));
    OURS(da_assign(a, da_add(a, da_multiply(eye, (double)b->n))));
    OURS(da_wait(a));
    return 0;
}

/* ---- judging by the action on a vector ---- */

static int ones(const bench *b, da_array **x)
{
    OURS(da_full(x, DA_F64, DA_SHAPE(b->n), 1.0));
    return 0;
}

/* |got - expected| / (|expected| n eps), largest elements, to be below 30 */
static int judge(bench *b, const da_array *got, const da_array *expected)
{
    double difference, size;

    OURS(da_max_all(&difference, da_abs(da_subtract(got, expected))));
    OURS(da_max_all(&size, da_abs(expected)));
    b->residual = difference / (size * (double)b->n * DBL_EPSILON);
    b->bound = 30;
    return 0;
}

/* ---- matmul ---- */

static double cubed(double n)
{
    return n * n * n;
}

static double matmul_work(double n)
{
    return 2 * cubed(n);
}

static int matmul_setup(bench *b)
{
    if (operand(b, &b->a, &b->da, 1) || operand(b, &b->b, &b->db, 2) || operand(b, &b->c, &b->dc, 3))
        return 1;
    return hand_over(b, b->da, b->a) || hand_over(b, b->db, b->b);
}

static int matmul_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_gemm(b->c, 1, b->a, b->b, 0));
    OURS(da_wait(b->c));
    return 0;
}

static int matmul_vendor(void *ctx)
{
    bench *const b = ctx;
    const double one = 1, zero = 0;
    const int n = (int)b->n;

    BLAS(cublasDgemm(b->blas, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, b->da, n, b->db, n, &zero, b->dc, n));
    return finish();
}

static int matmul_check(bench *b)
{
    DA_AUTO da_array *x = NULL, *bx = NULL, *abx = NULL, *cx = NULL;

    if (ones(b, &x))
        return 1;
    OURS(da_matmul(&bx, b->b, x));
    OURS(da_matmul(&abx, b->a, bx));
    OURS(da_matmul(&cx, b->c, x));
    return judge(b, cx, abx);
}

/* ---- cholesky ---- */

static double cholesky_work(double n)
{
    return cubed(n) / 3;
}

/* Symmetric and positive definite: the mean of a and its transpose, with a dominant diagonal. */
static int definite(bench *b)
{
    DA_AUTO da_array *transposed = NULL, *symmetric = NULL;

    OURS(da_matrix_transpose(&transposed, b->a));
    OURS(da_eval(&symmetric, da_multiply(da_add(b->a, transposed), 0.5)));
    OURS(da_assign(b->a, symmetric));
    return dominant(b, b->a);
}

static int cholesky_setup(bench *b)
{
    int elements;
    const int n = (int)b->n;

    if (operand(b, &b->a, &b->da, 1) || operand(b, &b->c, &b->dc, 2) || definite(b))
        return 1;
    SOLVER(cusolverDnDpotrf_bufferSize(b->solver, CUBLAS_FILL_MODE_LOWER, n, b->dc, n, &elements));
    b->work_size = elements;
    CUDA(cudaMalloc((void **)&b->work, (size_t)elements * sizeof(double)));
    return hand_over(b, b->da, b->a);
}

static int restore_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_assign(b->c, b->a));
    OURS(da_wait(b->c));
    return 0;
}

static int restore_vendor(void *ctx)
{
    bench *const b = ctx;

    CUDA(cudaMemcpy(b->dc, b->da, bytes_of(b), cudaMemcpyDeviceToDevice));
    return finish();
}

static int cholesky_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_cholesky_inplace(b->c, DA_LOWER));
    OURS(da_wait(b->c));
    return 0;
}

static int cholesky_vendor(void *ctx)
{
    bench *const b = ctx;
    const int n = (int)b->n;

    SOLVER(cusolverDnDpotrf(b->solver, CUBLAS_FILL_MODE_LOWER, n, b->dc, n, b->work, b->work_size, b->info));
    return finish();
}

/* Solves with the factor for a vector of ones. */
static int cholesky_check(bench *b)
{
    DA_AUTO da_array *x = NULL, *ax = NULL;

    if (ones(b, &x))
        return 1;
    OURS(da_matmul(&ax, b->a, x));
    OURS(da_solve_triangular_inplace(b->c, ax, DA_LOWER));
    OURS(da_solve_triangular_inplace(b->c, ax, DA_LOWER | DA_TRANSPOSE));
    return judge(b, ax, x);
}

/* ---- qr: both copy the input, which stays as it is ---- */

static double qr_work(double n)
{
    return 4 * cubed(n) / 3;
}

static int qr_setup(bench *b)
{
    const int n = (int)b->n;

    if (operand(b, &b->a, &b->da, 1))
        return 1;
    CUDA(cudaMalloc((void **)&b->dc, bytes_of(b)));
    CUDA(cudaMalloc((void **)&b->tau, (size_t)n * sizeof(double)));
    SOLVER(cusolverDnDgeqrf_bufferSize(b->solver, n, n, b->dc, n, &b->work_size));
    CUDA(cudaMalloc((void **)&b->work, (size_t)b->work_size * sizeof(double)));
    return hand_over(b, b->da, b->a);
}

static int qr_ours(void *ctx)
{
    bench *const b = ctx;
    DA_AUTO da_qr_factors *f = NULL;

    OURS(da_qr_factor(&f, b->a));
    OURS(da_wait_all());
    return 0;
}

static int qr_vendor(void *ctx)
{
    bench *const b = ctx;
    const int n = (int)b->n;

    CUDA(cudaMemcpyAsync(b->dc, b->da, bytes_of(b), cudaMemcpyDeviceToDevice, NULL));
    SOLVER(cusolverDnDgeqrf(b->solver, n, n, b->dc, n, b->tau, b->work, b->work_size, b->info));
    return finish();
}

static int qr_check(bench *b)
{
    DA_AUTO da_qr_factors *f = NULL;
    DA_AUTO da_array *x = NULL, *r = NULL, *rx = NULL, *qrx = NULL, *ax = NULL;

    if (ones(b, &x))
        return 1;
    OURS(da_qr_factor(&f, b->a));
    OURS(da_qr_r(&r, f, 0));
    OURS(da_matmul(&rx, r, x));
    OURS(da_qr_apply(&qrx, f, rx, 0));
    OURS(da_matmul(&ax, b->a, x));
    return judge(b, qrx, ax);
}

/* ---- solve: a lower triangle, n right-hand sides ---- */

static int solve_setup(bench *b)
{
    if (operand(b, &b->b, &b->db, 1) || dominant(b, b->b) || operand(b, &b->a, &b->da, 2) ||
        operand(b, &b->c, &b->dc, 3))
        return 1;
    return hand_over(b, b->db, b->b) || hand_over(b, b->da, b->a);
}

static int solve_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_solve_triangular_inplace(b->b, b->c, DA_LOWER));
    OURS(da_wait(b->c));
    return 0;
}

static int solve_vendor(void *ctx)
{
    bench *const b = ctx;
    const double one = 1;
    const int n = (int)b->n;

    BLAS(cublasDtrsm(b->blas, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, n,
                     n, &one, b->db, n, b->dc, n));
    return finish();
}

/* The solution applied to a vector is the solution for one right-hand side. */
static int solve_check(bench *b)
{
    DA_AUTO da_array *x = NULL, *cx = NULL, *ax = NULL;

    if (restore_ours(b) || solve_ours(b) || ones(b, &x))
        return 1;
    OURS(da_matmul(&cx, b->c, x));
    OURS(da_matmul(&ax, b->a, x));
    OURS(da_solve_triangular_inplace(b->b, ax, DA_LOWER));
    return judge(b, cx, ax);
}

/* ---- expressions and reductions, against copies that move as many bytes ---- */

static double expr_work(double n)
{
    return 24 * n;
}

static double sum_work(double n)
{
    return 8 * n;
}

static int expr_setup(bench *b)
{
    return operand(b, &b->a, &b->da, 1) || operand(b, &b->b, &b->db, 2) || operand(b, &b->c, &b->dc, 3);
}

static int expr_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_assign(b->c, da_divide(da_multiply(b->b, b->a), 3)));
    OURS(da_wait(b->c));
    return 0;
}

static int copy_bytes(bench *b, size_t bytes)
{
    CUDA(cudaMemcpyAsync(b->dc, b->da, bytes, cudaMemcpyDeviceToDevice, NULL));
    return finish();
}

/* Two operands read and one written: one and a half copies of one. */
static int expr_vendor(void *ctx)
{
    return copy_bytes(ctx, bytes_of(ctx)) || copy_bytes(ctx, bytes_of(ctx) / 2);
}

static int expr_check(bench *b)
{
    double worst;

    OURS(da_max_all(&worst, da_abs(da_subtract(da_multiply(b->c, 3), da_multiply(b->a, b->b)))));
    b->residual = worst / (0.25 * DBL_EPSILON);
    b->bound = 4;
    return 0;
}

static int sum_setup(bench *b)
{
    if (operand(b, &b->a, &b->da, 1))
        return 1;
    CUDA(cudaMalloc((void **)&b->dc, bytes_of(b)));
    return 0;
}

static int sum_ours(void *ctx)
{
    bench *const b = ctx;

    OURS(da_sum_all(&b->sum, b->a));
    return 0;
}

/* A copy of half of it reads and writes as many bytes as a sum reads. */
static int sum_vendor(void *ctx)
{
    return copy_bytes(ctx, bytes_of(ctx) / 2);
}

static int sum_check(bench *b)
{
    double expected = 0, carry = 0;
    double *const host = malloc(bytes_of(b));

    if (!host)
        return fail("malloc", "no memory");
    const da_status status = da_to_host(b->a, host, bytes_of(b), DA_ROW_MAJOR);
    for (int64_t i = 0; i < b->n; i++) { /* Kahan's */
        const double y = host[i] - carry, t = expected + y;
        carry = (t - expected) - y;
        expected = t;
    }
    free(host);
    OURS(status);
    b->residual = fabs(b->sum - expected) / (0.25 * (double)b->n * DBL_EPSILON);
    b->bound = 3;
    return 0;
}

/* ---- peers: matrices in host memory ---- */

/* Ours in the host's memory: to be written there too, so that the device's copy is gone, or to be read only. */
static int bring_home(const da_array *a, unsigned flags)
{
    int64_t strides[2];
    void *data;

    OURS(da_map(a, flags, &data, strides));
    OURS(da_unmap(a));
    return 0;
}

/* The peer's copy of ours, in memory that is page-locked, which is the best for it. */
static int host_operand(const bench *b, double **host, const da_array *a)
{
    CUDA(cudaHostAlloc((void **)host, bytes_of(b), cudaHostAllocPortable));
    OURS(da_to_host(a, *host, bytes_of(b), DA_COL_MAJOR));
    return 0;
}

static int xt_handle(bench *b)
{
    int device = 0;

    BLAS(cublasXtCreate(&b->xt));
    BLAS(cublasXtDeviceSelect(b->xt, 1, &device));
    return 0;
}

static int peer_matmul_setup(bench *b)
{
    return random_operand(b, &b->a, 1) || random_operand(b, &b->b, 2) || random_operand(b, &b->c, 3) ||
           host_operand(b, &b->ha, b->a) || host_operand(b, &b->hb, b->b) || host_operand(b, &b->hc, b->c);
}

static int peer_matmul_prepare(void *ctx)
{
    const bench *const b = ctx;

    return bring_home(b->a, 0) || bring_home(b->b, 0) || bring_home(b->c, 0);
}

static int peer_matmul_ours(void *ctx)
{
    const bench *const b = ctx;

    return matmul_ours(ctx) || bring_home(b->c, DA_READ_ONLY);
}

static int xt_matmul_setup(bench *b)
{
    return peer_matmul_setup(b) || xt_handle(b);
}

static int xt_matmul(void *ctx)
{
    bench *const b = ctx;
    const double one = 1, zero = 0;
    const size_t n = (size_t)b->n;

    BLAS(cublasXtDgemm(b->xt, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, b->ha, n, b->hb, n, &zero, b->hc, n));
    return finish();
}

/* b x = c, in place of c, which begins as a */
static int peer_solve_setup(bench *b)
{
    return random_operand(b, &b->b, 1) || dominant(b, b->b) || random_operand(b, &b->a, 2) ||
           random_operand(b, &b->c, 3) || host_operand(b, &b->ha, b->a) || host_operand(b, &b->hb, b->b) ||
           host_operand(b, &b->hc, b->c);
}

static int peer_solve_prepare(void *ctx)
{
    const bench *const b = ctx;

    return restore_ours(ctx) || bring_home(b->b, 0) || bring_home(b->c, 0);
}

static int peer_solve_restore(void *ctx)
{
    const bench *const b = ctx;

    memcpy(b->hc, b->ha, bytes_of(b));
    return 0;
}

static int peer_solve_ours(void *ctx)
{
    const bench *const b = ctx;

    return solve_ours(ctx) || bring_home(b->c, DA_READ_ONLY);
}

static int xt_solve_setup(bench *b)
{
    return peer_solve_setup(b) || xt_handle(b);
}

static int xt_solve(void *ctx)
{
    bench *const b = ctx;
    const double one = 1;
    const size_t n = (size_t)b->n;

    BLAS(cublasXtDtrsm(b->xt, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, n,
                       n, &one, b->hb, n, b->hc, n));
    return finish();
}

/* NVBLAS: the BLAS of Fortran, which reads a file that its environment names. */
static struct {
    void *library;
    void (*dgemm)(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                  const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
                  const double *beta, double *c, const int *ldc);
    void (*dtrsm)(const char *side, const char *uplo, const char *trans, const char *diag, const int *m,
                  const int *n, const double *alpha, const double *a, const int *lda, double *b,
                  const int *ldb);
} nvblas;

static int skip(const char *what, const char *why)
{
    fail(what, why);
    return SKIPPED;
}

static int load_nvblas(void)
{
    const char *const cpu = getenv("DARRAY_BLAS");
    char path[] = "/tmp/gpu-bench-nvblas-XXXXXX", versioned[32];

    if (nvblas.library)
        return 0;
    if (!getenv("NVBLAS_CONFIG_FILE")) {
        const int fd = mkstemp(path);
        FILE *const file = fd < 0 ? NULL : fdopen(fd, "w");

        if (!file)
            return fail("NVBLAS", "its configuration cannot be written to /tmp");
        fprintf(file, "NVBLAS_LOGFILE /dev/null\nNVBLAS_CPU_BLAS_LIB %s\nNVBLAS_GPU_LIST 0\n",
                cpu ? cpu : "libopenblas.so.0");
        fclose(file);
        setenv("NVBLAS_CONFIG_FILE", path, 1);
    } else {
        path[0] = '\0';
    }
    snprintf(versioned, sizeof versioned, "libnvblas.so.%d", CUDART_VERSION / 1000);
    nvblas.library = dlopen("libnvblas.so", RTLD_NOW | RTLD_LOCAL);
    if (!nvblas.library)
        nvblas.library = dlopen(versioned, RTLD_NOW | RTLD_LOCAL);
    if (nvblas.library) {
        *(void **)&nvblas.dgemm = dlsym(nvblas.library, "dgemm_");
        *(void **)&nvblas.dtrsm = dlsym(nvblas.library, "dtrsm_");
    }
    const char *const why = nvblas.library ? "it has no dgemm_ or dtrsm_" : dlerror();
    if (nvblas.dgemm && nvblas.dtrsm) { /* the file is read at the first call, at the latest */
        const int one = 1;
        const double x = 1;
        double y = 0;
        nvblas.dgemm("N", "N", &one, &one, &one, &x, &x, &one, &x, &one, &x, &y, &one);
    }
    if (path[0])
        unlink(path);
    return nvblas.dgemm && nvblas.dtrsm ? 0 : skip("no NVBLAS, not compared", why);
}

static int nvblas_matmul_setup(bench *b)
{
    const int status = load_nvblas();

    return status ? status : peer_matmul_setup(b);
}

static int nvblas_matmul(void *ctx)
{
    bench *const b = ctx;
    const double one = 1, zero = 0;
    const int n = (int)b->n;

    nvblas.dgemm("N", "N", &n, &n, &n, &one, b->ha, &n, b->hb, &n, &zero, b->hc, &n);
    return finish();
}

static int nvblas_solve_setup(bench *b)
{
    const int status = load_nvblas();

    return status ? status : peer_solve_setup(b);
}

static int nvblas_solve(void *ctx)
{
    bench *const b = ctx;
    const double one = 1;
    const int n = (int)b->n;

    nvblas.dtrsm("L", "L", "N", "N", &n, &n, &one, b->hb, &n, b->hc, &n);
    return finish();
}

/* ---- darray against itself, started otherwise ---- */

static session usual = {"gpu", "starpu", false}; /* of cases with a vendor; DARRAY_DEVICE if that is set */
static const session on_gpu = {"gpu", "starpu", false}, on_both = {"auto", "starpu", false},
                     on_cpu = {"cpu", NULL, false}, short_of_memory = {"gpu", "starpu", true};
static const session *current;

/* The library as `s` says, if it is not; what there is of arrays goes. True in *anew if it was started. */
static int enter(bench *b, const session *s, bool *anew)
{
    *anew = s != current;
    if (s == current)
        return 0;
    release_arrays(b);
    setenv("DARRAY_DEVICE", s->device, 1);
    unsetenv("STARPU_LIMIT_CUDA_MEM");
    if (s->limited) {
        char megabytes[32];
        snprintf(megabytes, sizeof megabytes, "%zu", (bytes_of(b) * (size_t)b->kase->operands / 2 >> 20) + 1);
        setenv("STARPU_LIMIT_CUDA_MEM", megabytes, 1);
    }
    current = NULL;
    OURS(da_shutdown()); /* reads the environment again */
    OURS(da_init(s->runtime, 0));
    current = s;
    return 0;
}

static int begin(bench *b, const session *s)
{
    bool anew;

    return enter(b, s, &anew) || ((anew || !b->a) && b->kase->setup(b));
}

static int begin_ours(void *ctx)
{
    return begin(ctx, ((const bench *)ctx)->kase->session);
}

static int begin_reference(void *ctx)
{
    return begin(ctx, ((const bench *)ctx)->kase->reference);
}

static int own_matmul_setup(bench *b)
{
    return random_operand(b, &b->a, 1) || random_operand(b, &b->b, 2) || random_operand(b, &b->c, 3);
}

static int own_cholesky_setup(bench *b)
{
    return random_operand(b, &b->a, 1) || random_operand(b, &b->c, 2) || definite(b);
}

/* ---- the program ---- */

#define MATMUL_ITSELF                                                                                        \
    .unit = "GFLOP/s", .is_matrix = true, .work = matmul_work, .setup = own_matmul_setup,                    \
    .ours = matmul_ours, .check = matmul_check, .operands = 3
#define CHOLESKY_ITSELF                                                                                      \
    .unit = "GFLOP/s", .is_matrix = true, .work = cholesky_work, .setup = own_cholesky_setup,                \
    .ours_prepare = restore_ours, .ours = cholesky_ours, .check = cholesky_check, .operands = 2
#define LARGE .size = 16384, .session = &short_of_memory, .reference = &on_gpu, .vendor = "all resident"
#define BOTH .size = 8192, .session = &on_both, .reference = &on_gpu, .vendor = "the GPU alone"
#define SMALL                                                                                                \
    .size = 64, .last_size = 512, .session = &on_both, .reference = &on_cpu, .vendor = "without a GPU"
static const gpu_case cases[] = {
    {"matmul", "cublasDgemm", "GFLOP/s", 8192, true, matmul_work, matmul_setup, NULL, matmul_ours, NULL,
     matmul_vendor, matmul_check, NULL, NULL, 0, 0},
    {"cholesky", "cusolverDnDpotrf", "GFLOP/s", 8192, true, cholesky_work, cholesky_setup, restore_ours,
     cholesky_ours, restore_vendor, cholesky_vendor, cholesky_check, NULL, NULL, 0, 0},
    {"qr", "cusolverDnDgeqrf", "GFLOP/s", 8192, true, qr_work, qr_setup, NULL, qr_ours, NULL, qr_vendor,
     qr_check, NULL, NULL, 0, 0},
    {"solve", "cublasDtrsm", "GFLOP/s", 8192, true, cubed, solve_setup, restore_ours, solve_ours,
     restore_vendor, solve_vendor, solve_check, NULL, NULL, 0, 0},
    {"expr", "copies of as many bytes", "GB/s", 1 << 28, false, expr_work, expr_setup, NULL, expr_ours, NULL,
     expr_vendor, expr_check, NULL, NULL, 0, 0},
    {"sum", "a copy of as many bytes", "GB/s", 1 << 28, false, sum_work, sum_setup, NULL, sum_ours, NULL,
     sum_vendor, sum_check, NULL, NULL, 0, 0},
    {"xt_matmul", "cublasXtDgemm", "GFLOP/s", 8192, true, matmul_work, xt_matmul_setup, peer_matmul_prepare,
     peer_matmul_ours, NULL, xt_matmul, matmul_check, NULL, NULL, 0, 0},
    {"xt_solve", "cublasXtDtrsm", "GFLOP/s", 8192, true, cubed, xt_solve_setup, peer_solve_prepare,
     peer_solve_ours, peer_solve_restore, xt_solve, solve_check, NULL, NULL, 0, 0},
    {"nvblas_matmul", "NVBLAS dgemm", "GFLOP/s", 8192, true, matmul_work, nvblas_matmul_setup,
     peer_matmul_prepare, peer_matmul_ours, NULL, nvblas_matmul, matmul_check, NULL, NULL, 0, 0},
    {"nvblas_solve", "NVBLAS dtrsm", "GFLOP/s", 8192, true, cubed, nvblas_solve_setup, peer_solve_prepare,
     peer_solve_ours, peer_solve_restore, nvblas_solve, solve_check, NULL, NULL, 0, 0},
    {.name = "large_matmul", LARGE, MATMUL_ITSELF},
    {.name = "large_cholesky", LARGE, CHOLESKY_ITSELF},
    {.name = "both_matmul", BOTH, MATMUL_ITSELF},
    {.name = "both_cholesky", BOTH, CHOLESKY_ITSELF},
    {.name = "small_matmul", SMALL, MATMUL_ITSELF},
    {.name = "small_cholesky", SMALL, CHOLESKY_ITSELF},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void release(bench *b)
{
    double *const memory[] = {b->da, b->db, b->dc, b->work, b->tau}, *const host[] = {b->ha, b->hb, b->hc};

    release_arrays(b);
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        (void)cudaFree(memory[i]);
    for (size_t i = 0; i < sizeof host / sizeof host[0]; i++)
        if (host[i])
            (void)cudaFreeHost(host[i]);
    (void)cudaFree(b->info);
    if (b->solver)
        (void)cusolverDnDestroy(b->solver);
    if (b->blas)
        (void)cublasDestroy(b->blas);
    if (b->xt)
        (void)cublasXtDestroy(b->xt);
}

static int measure(bench *b, int repeat, harness_result *result)
{
    const gpu_case *const k = b->kase;
    const harness_options options = {repeat, 0.2, 0.05, 0.2};
    const harness_side ours = {.prepare = k->ours_prepare, .run = k->ours, .ctx = b},
                       vendor = {.prepare = k->vendor_prepare, .run = k->vendor_run, .ctx = b};
    bool anew;

    if (k->session) {
        const harness_side one = {begin_ours, k->ours_prepare, k->ours, NULL, b},
                           other = {begin_reference, k->ours_prepare, k->ours, NULL, b};
        return harness_compare(&one, &other, &options, result) || begin_ours(b) ||
               (k->ours_prepare && k->ours_prepare(b)) || k->ours(b) || k->check(b);
    }
    if (enter(b, &usual, &anew))
        return 1;
    BLAS(cublasCreate(&b->blas));
    SOLVER(cusolverDnCreate(&b->solver));
    CUDA(cudaMalloc((void **)&b->info, sizeof *b->info));
    const int status = k->setup(b);
    return status ? status : harness_compare(&ours, &vendor, &options, result) || k->check(b);
}

static int run(const gpu_case *k, int64_t n, int repeat, bool json)
{
    bench b = {.kase = k, .n = n, .residual = (double)NAN};
    harness_result r;

    if (k->is_matrix && b.n > 46340)
        return fail(k->name, "the vendor's workspaces count in 32 bits: at most 46340");
    const int failed = measure(&b, repeat, &r);
    release(&b);
    if (failed)
        return failed != SKIPPED;
    const double rate = k->work((double)b.n) * 1e-9;
    if (json) {
        const harness_field fields[] = {
            {"case", k->name, 0},
            {"n", NULL, (double)b.n},
            {"dtype", "f64", 0},
            {"runtime", da_runtime_name(), 0},
            {"seconds", NULL, r.seconds},
            {"rate", NULL, rate / r.seconds},
            {"unit", k->unit, 0},
            {"reference", k->vendor, 0},
            {"reference_seconds", NULL, r.reference_seconds},
            {"reference_rate", NULL, rate / r.reference_seconds},
            {"ratio", NULL, r.ratio},
            {"ratio_low", NULL, r.ratio_low},
            {"ratio_high", NULL, r.ratio_high},
            {"residual", NULL, b.residual},
            {"residual_bound", NULL, b.bound},
            {"pairs", NULL, r.pairs},
        };
        harness_print_json(stdout, fields, (int)(sizeof fields / sizeof fields[0]));
    } else {
        printf("%-14s %10lld  %9.1f %-7s  %9.1f %-25s %6.3f  %6.3f\n", k->name, (long long)b.n,
               rate / r.seconds, k->unit, rate / r.reference_seconds, k->vendor, r.ratio, r.ratio_low);
    }
    fflush(stdout);
    if (!(b.residual < b.bound)) {
        fprintf(stderr, "gpu-bench: %s: the result is wrong: residual %g, bound %g\n", k->name, b.residual,
                b.bound);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const gpu_case *chosen[CASES];
    int count = 0, repeat = 7, failed = 0, devices = 0;
    int64_t n = 0;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        const gpu_case *k = NULL;

        for (int c = 0; c < CASES; c++)
            if (strcmp(argv[i], cases[c].name) == 0)
                k = &cases[c];
        if (k && count < CASES) {
            chosen[count++] = k;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--size") == 0 && i + 1 < argc && atoll(argv[i + 1]) > 0) {
            n = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            repeat = atoi(argv[++i]);
        } else {
            fprintf(stderr, "gpu-bench: '%s'? usage: gpu-bench [", argv[i]);
            for (int c = 0; c < CASES; c++)
                fprintf(stderr, "%s%s", c ? "|" : "", cases[c].name);
            fprintf(stderr, " ...] [--size N] [--repeat K] [--json]\n");
            return 2;
        }
    }
    if (count == 0)
        for (; count < CASES; count++)
            chosen[count] = &cases[count];
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        fail("there is no CUDA device", "nothing to measure");
        return 77;
    }
    if (getenv("DARRAY_DEVICE"))
        usual.device = strdup(getenv("DARRAY_DEVICE"));
    if (!json)
        printf("%-14s %10s  %17s  %35s %6s  %6s\n", "case", "n", "darray", "vendor", "ratio", "low");
    for (int c = 0; c < count; c++) {
        const int64_t first = n > 0 ? n : chosen[c]->size, last = n > 0 ? n : chosen[c]->last_size;

        for (int64_t size = first; size == first || size <= last; size *= 2)
            failed |= run(chosen[c], size, repeat, json);
    }
    if (da_shutdown() != DA_OK)
        return fail("da_shutdown", da_error());
    return failed;
}
