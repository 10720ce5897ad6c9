/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CUDA module. Without a device: it loads, and NVRTC compiles its own kernels in all dtypes (the common ones: unit_device_texts.c). With
 * one: its implementations against the codelets' CPU functions, with no runtime between them; all of the operands' memory is compared, what
 * lies between the elements too. cuda_on_host.c pretends to be a device where there is none. Exit status 77: built without CUDA.
 */
#include "test.h"

#ifndef DA_TEST_CUDA
int main(void)
{
    puts("built without CUDA");
    return 77;
}
#else
#include "cuda_on_host.h"

#include "broadcast/graph.h"
#include "cuda/module.h"
#include "device/cache.h"
#include "device/device.h"
#include "expr_program.h"
#include "kernels.h"

#include <complex.h>
#undef I
#include <dlfcn.h>
#include <float.h>
#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static const da_device_ops *ops;
static cudaStream_t stream;
static int64_t *device_info; /* the device writes it */
static const da_dtype dtypes[] = {DA_F32, DA_F64, DA_C64, DA_C128};
enum { DTYPES = 4, OPERANDS = 5, GAP = 3 };

#define cuda_ok(call)                                                                                        \
    do {                                                                                                     \
        const cudaError_t e_ = (call);                                                                       \
        ck_assert_msg(e_ == cudaSuccess, "%s: %s", #call, cudaGetErrorString(e_));                           \
    } while (0)

/* ---- operands: matrices, batches of them, pivots ---- */

typedef struct operand {
    da_dtype dtype;
    int ndim;
    int64_t shape[3], strides[3];
    size_t bytes;
    char *host, *got; /* what the CPU works on; what the device made of the same */
} operand;

static bool is_complex(da_dtype t)
{
    return t == DA_C64 || t == DA_C128;
}

static bool is_single(da_dtype t)
{
    return t == DA_F32 || t == DA_C64;
}

static double unit(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(int64_t)state * 0x1p-63;
}

/* Part `part` of the element at a place in memory. */
static double get(da_dtype t, const char *memory, int64_t at, int part)
{
    const int64_t i = is_complex(t) ? 2 * at + part : at;

    return is_single(t) ? (double)((const float *)memory)[i] : ((const double *)memory)[i];
}

static void put(da_dtype t, char *memory, int64_t at, double re, double im)
{
    const double x[2] = {re, im};

    for (int part = 0; part <= is_complex(t); part++) {
        const int64_t i = is_complex(t) ? 2 * at + part : at;
        if (is_single(t))
            ((float *)memory)[i] = (float)x[part];
        else
            ((double *)memory)[i] = x[part];
    }
}

static int64_t place(const operand *o, int64_t b, int64_t i, int64_t j)
{
    return GAP + (o->ndim == 3 ? b * o->strides[0] : 0) + i + j * o->strides[o->ndim - 1];
}

static int64_t batch_of(const operand *o)
{
    return o->ndim == 3 ? o->shape[0] : 1;
}

/* batch x m x n matrices (batch 0: no such axis) of numbers in [-1, 1], columns and matrices apart from each other. */
static operand matrices(da_dtype t, int64_t batch, int64_t m, int64_t n)
{
    const int64_t ld = m + GAP, size = ld * n + GAP, count = batch ? batch : 1;
    operand o = {.dtype = t, .ndim = batch ? 3 : 2};
    int64_t *shape = o.shape, *strides = o.strides;

    if (batch) {
        *shape++ = batch;
        *strides++ = size;
    }
    shape[0] = m;
    shape[1] = n;
    strides[0] = 1;
    strides[1] = ld;
    o.bytes = (size_t)(count * size + 2 * GAP) * da_dtype_size(t);
    o.host = malloc(o.bytes);
    ck_assert_ptr_nonnull(o.host);
    for (int64_t i = 0; i < count * size + 2 * GAP; i++)
        put(t, o.host, i, unit(), unit());
    return o;
}

static operand matrix(da_dtype t, int64_t m, int64_t n)
{
    return matrices(t, 0, m, n);
}

static operand pivots(int64_t n)
{
    operand o = {.dtype = DA_I64, .ndim = 1, .shape = {n}, .strides = {2}};

    o.bytes = (size_t)(2 * n + 2 * GAP) * sizeof(int64_t);
    o.host = calloc(1, o.bytes);
    ck_assert_ptr_nonnull(o.host);
    return o;
}

/* batch (or 0: no such axis) vectors of zeros */
static operand vectors(da_dtype t, int64_t batch, int64_t n)
{
    operand o = {.dtype = t, .ndim = batch ? 2 : 1};

    o.shape[0] = batch ? batch : n;
    o.shape[1] = n;
    o.strides[0] = batch ? n : 1;
    o.strides[1] = 1;
    o.bytes = (size_t)((batch ? batch : 1) * n + 2 * GAP) * da_dtype_size(o.dtype);
    o.host = calloc(1, o.bytes);
    ck_assert_ptr_nonnull(o.host);
    return o;
}

/* of the real dtype that belongs to t, or the complex one */
static operand reals(da_dtype t, int64_t batch, int64_t n)
{
    return vectors(is_single(t) ? DA_F32 : DA_F64, batch, n);
}

#if CUDA_HAS_GEEV
static da_dtype complex_of(da_dtype t)
{
    return is_single(t) ? DA_C64 : DA_C128;
}

static operand complexes(da_dtype t, int64_t batch, int64_t n)
{
    return vectors(complex_of(t), batch, n);
}
#endif

/* Numbers in [-1, 1]. */
static operand random_reals(da_dtype t, int64_t n)
{
    operand o = reals(t, 0, n);

    for (int64_t i = 0; i < n; i++)
        put(o.dtype, o.host, GAP + i, unit(), 0);
    return o;
}

static operand copy_of(const operand *o)
{
    operand r = *o;

    r.host = malloc(o->bytes);
    ck_assert_ptr_nonnull(r.host);
    memcpy(r.host, o->host, o->bytes);
    r.got = NULL;
    return r;
}

static void drop(operand *o)
{
    free(o->host);
    free(o->got);
    o->host = o->got = NULL;
}

static void drop_all(int n, operand *o)
{
    for (int i = 0; i < n; i++)
        drop(&o[i]);
}

/* Hermitian with a diagonal of at least n: positive definite. */
static operand positive(da_dtype t, int64_t batch, int64_t n)
{
    operand o = matrices(t, batch, n, n);

    for (int64_t b = 0; b < batch_of(&o); b++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i <= j; i++) {
                const double re = get(t, o.host, place(&o, b, i, j), 0) + (i == j ? (double)n + 1 : 0);
                const double im = is_complex(t) && i != j ? get(t, o.host, place(&o, b, i, j), 1) : 0;
                put(t, o.host, place(&o, b, i, j), re, im);
                put(t, o.host, place(&o, b, j, i), re, -im);
            }
    return o;
}

/* A triangle that solves well, whichever half is used. */
static operand triangle(da_dtype t, int64_t n)
{
    operand o = matrix(t, n, n);

    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = place(&o, 0, i, j);
            const double scale = i == j ? 1 : 1 / (double)n, shift = i == j ? 2 : 0;
            put(t, o.host, at, shift + scale * get(t, o.host, at, 0),
                scale * (is_complex(t) ? get(t, o.host, at, 1) : 0));
        }
    return o;
}

/* ---- both sides ---- */

static da_buffer buffer_of(const operand *o, void *data, int64_t offset)
{
    return (da_buffer){data, o->dtype, o->ndim, o->shape, o->strides, offset};
}

static void on_cpu(const da_codelet *codelet, int n, const operand *operands, const void *value, size_t size,
                   int64_t *info)
{
    da_buffer buffers[OPERANDS];
    const da_value values[1] = {{value, size}};
    const da_call call = {
        .nbuffers = n, .nvalues = value ? 1 : 0, .buffers = buffers, .values = values, .info = info};

    for (int i = 0; i < n; i++)
        buffers[i] = buffer_of(&operands[i], operands[i].host + GAP * da_dtype_size(operands[i].dtype), 0);
    *info = 0;
    ck_ok(codelet->cpu(&call));
}

static bool on_device(const da_codelet *codelet, int n, operand *operands, const void *value, size_t size)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, codelet->name);
    da_buffer buffers[OPERANDS];
    const da_value values[1] = {{value, size}};
    const da_call call = {.nbuffers = n,
                          .nvalues = value ? 1 : 0,
                          .buffers = buffers,
                          .values = values,
                          .info = device_info,
                          .queue = stream};

    ck_assert_msg(kernel != NULL, "the device has no %s", codelet->name);
    for (int i = 0; i < n; i++)
        buffers[i] = buffer_of(&operands[i], NULL, 0);
    if (kernel->takes && !kernel->takes(ops, &call))
        return false;
    for (int i = 0; i < n; i++) {
        void *p;
        cuda_ok(cudaMalloc(&p, operands[i].bytes));
        cuda_ok(cudaMemcpy(p, operands[i].host, operands[i].bytes, cudaMemcpyHostToDevice));
        /* the first element by the offset, as for a part of a larger piece, or by the address */
        buffers[i] = i % 2 ? buffer_of(&operands[i], (char *)p + GAP * da_dtype_size(operands[i].dtype), 0)
                           : buffer_of(&operands[i], p, GAP);
    }
    *device_info = 0;
    const da_status status = kernel->run(ops, &call);
    ck_assert_msg(status == DA_OK, "%s: status %d: %s", codelet->name, (int)status, da_error());
    cuda_ok(cudaStreamSynchronize(stream));
    for (int i = 0; i < n; i++) {
        void *const p = (char *)buffers[i].data - (i % 2 ? GAP * da_dtype_size(operands[i].dtype) : 0);
        operands[i].got = realloc(operands[i].got, operands[i].bytes);
        ck_assert_ptr_nonnull(operands[i].got);
        cuda_ok(cudaMemcpy(operands[i].got, p, operands[i].bytes, cudaMemcpyDeviceToHost));
        cuda_ok(cudaFree(p));
    }
    return true;
}

/* All of the memory, to some hundred roundings of the largest number in it. */
static void same(const char *name, const char *what, const operand *o)
{
    if (o->dtype == DA_I64) {
        for (size_t i = 0; i < o->bytes / sizeof(int64_t); i++)
            ck_assert_msg(((const int64_t *)o->host)[i] == ((const int64_t *)o->got)[i],
                          "%s, %s: number %zu is %lld on the CPU, %lld on the device", name, what, i,
                          (long long)((const int64_t *)o->host)[i], (long long)((const int64_t *)o->got)[i]);
        return;
    }
    const int64_t n = (int64_t)(o->bytes / da_dtype_size(o->dtype));
    const double eps = is_single(o->dtype) ? FLT_EPSILON : DBL_EPSILON;
    double most = 1;

    for (int64_t i = 0; i < n; i++)
        for (int part = 0; part <= is_complex(o->dtype); part++)
            most = fmax(most, fabs(get(o->dtype, o->host, i, part)));
    for (int64_t i = 0; i < n; i++)
        for (int part = 0; part <= is_complex(o->dtype); part++) {
            const double a = get(o->dtype, o->host, i, part), b = get(o->dtype, o->got, i, part);
            if (!(fabs(a - b) <= 300 * eps * most))
                ck_abort_msg("%s, %s: part %d of %s %lld is %.17g on the CPU and %.17g on the device", name,
                             what, part, da_dtype_name(o->dtype), (long long)i - GAP, a, b);
        }
}

/* Runs both; info must be the same, and the operands too unless there was a fault. They are used up. */
static void both_keep(const da_codelet *codelet, const char *what, int n, operand *operands,
                      const void *value, size_t size)
{
    int64_t info;

    ck_assert_msg(on_device(codelet, n, operands, value, size), "%s, %s: not taken", codelet->name, what);
    on_cpu(codelet, n, operands, value, size, &info);
    ck_assert_msg(info == *device_info, "%s, %s: info %lld on the CPU, %lld on the device", codelet->name,
                  what, (long long)info, (long long)*device_info);
    for (int i = 0; i < n && info == 0; i++)
        same(codelet->name, what, &operands[i]);
}

static void both(const da_codelet *codelet, const char *what, int n, operand *operands, const void *value,
                 size_t size)
{
    both_keep(codelet, what, n, operands, value, size);
    drop_all(n, operands);
}

#define BOTH(codelet, what, args, ...)                                                                       \
    both(&(codelet), what, (int)(sizeof((operand[]){__VA_ARGS__}) / sizeof(operand)),                        \
         (operand[]){__VA_ARGS__}, &(args), sizeof(args))

static const unsigned transposes[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};

/* ---- products and solves ---- */

START_TEST(gemm)
{
    const da_dtype t = dtypes[_i];

    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int zero = 0; zero < 2; zero++) {
                const da_gemm_args args = {
                    transposes[a], transposes[b], {0.5, -2}, {zero ? 0 : -1.5, 0.25 * !zero}};
                BOTH(da_codelet_gemm, "a product", args, a ? matrix(t, 19, 33) : matrix(t, 33, 19),
                     b ? matrix(t, 27, 19) : matrix(t, 19, 27), matrix(t, 33, 27));
            }
}
END_TEST

/* Nothing of a batch. */
static operand none_of(operand o)
{
    o.shape[0] = 0;
    return o;
}

START_TEST(gemm_of_batches)
{
    const da_dtype t = dtypes[_i];
    const da_gemm_args args = {0, DA_TRANSPOSE, {1, 1}, {2, 0}};

    BOTH(da_codelet_gemm, "a batch", args, matrices(t, 5, 7, 9), matrices(t, 5, 8, 9), matrices(t, 5, 7, 8));
    BOTH(da_codelet_gemm, "one b for all", args, matrices(t, 5, 7, 9), matrix(t, 8, 9), matrices(t, 5, 7, 8));
    BOTH(da_codelet_gemm, "one a of a batch", args, matrices(t, 1, 7, 9), matrices(t, 4, 8, 9),
         matrices(t, 4, 7, 8));
    BOTH(da_codelet_gemm, "no matrices", args, none_of(matrices(t, 1, 7, 9)), none_of(matrices(t, 1, 8, 9)),
         none_of(matrices(t, 1, 7, 8)));
}
END_TEST

/* by the common kernel, which the module hands them to */
START_TEST(gemm_of_integers)
{
    const da_gemm_args args = {DA_TRANSPOSE, 0, {3, 0}, {-2, 0}};

    BOTH(da_codelet_gemm, "integers", args, matrices(DA_I64, 2, 19, 17), matrix(DA_I64, 19, 20),
         matrices(DA_I64, 2, 17, 20));
}
END_TEST

START_TEST(syrk)
{
    const da_dtype t = dtypes[_i];

    for (int upper = 0; upper < 2; upper++)
        for (int trans = 0; trans < 2; trans++) {
            const da_syrk_args args = {upper ? DA_UPPER : DA_LOWER, trans ? DA_CONJ_TRANSPOSE : 0, -0.5, 2};
            operand o[2] = {trans ? matrix(t, 11, 24) : matrix(t, 24, 11), positive(t, 0, 24)};
            both(&da_codelet_syrk, "a triangle", 2, o, &args, sizeof args);
        }
}
END_TEST

START_TEST(symm)
{
    const da_dtype t = dtypes[_i];

    for (unsigned how = 0; how < 8; how++) {
        const unsigned right = how & 2 ? DA_RIGHT : 0;
        const da_symm_args args = {(how & 1 ? DA_UPPER : DA_LOWER) | right, how & 4, {0.5, -2}, {-1.5, 0.25}};

        BOTH(da_codelet_symm, "one triangle of a", args, positive(t, 0, 24),
             right ? matrix(t, 11, 24) : matrix(t, 24, 11), right ? matrix(t, 11, 24) : matrix(t, 24, 11));
    }
}
END_TEST

START_TEST(rank_updates)
{
    const da_dtype t = dtypes[_i];

    for (unsigned how = 0; how < 8; how++) {
        const unsigned trans = how & 2, hermitian = how & 4;
        const da_rank_args args = {how & 1 ? DA_UPPER : DA_LOWER, trans,    hermitian, 0,
                                   {0.5, hermitian ? 0 : -2},     {-1.5, 0}};
        const da_rank_args args2 = {how & 1 ? DA_UPPER : DA_LOWER, trans, hermitian, 0, {0.5, -2}, {-1.5, 0}};
        const da_rank_args nothing = {how & 1 ? DA_UPPER : DA_LOWER, trans, hermitian, 0, {0, 0}, {1, 0}};

        BOTH(da_codelet_rank_k, "a triangle", args, trans ? matrix(t, 11, 24) : matrix(t, 24, 11),
             positive(t, 0, 24));
        BOTH(da_codelet_rank_2k, "a triangle", args2, trans ? matrix(t, 11, 24) : matrix(t, 24, 11),
             trans ? matrix(t, 11, 24) : matrix(t, 24, 11), positive(t, 0, 24));
        /* which makes the diagonal of a Hermitian c real */
        BOTH(da_codelet_rank_k, "nothing added", nothing, trans ? matrix(t, 11, 24) : matrix(t, 24, 11),
             matrix(t, 24, 24));
        BOTH(da_codelet_rank_2k, "nothing added", nothing, trans ? matrix(t, 11, 24) : matrix(t, 24, 11),
             trans ? matrix(t, 11, 24) : matrix(t, 24, 11), matrix(t, 24, 24));
    }
}
END_TEST

START_TEST(trmm)
{
    const da_dtype t = dtypes[_i];

    for (int how = 0; how < 24; how++) {
        const unsigned flags = (how & 1 ? DA_UPPER : DA_LOWER) | (how & 2 ? DA_RIGHT : 0) |
                               (how & 4 ? DA_UNIT : 0) | transposes[how / 8];
        const da_trsm_args args = {flags, 0, {1.5, -0.5}};
        BOTH(da_codelet_trmm, "a product", args, triangle(t, 23),
             flags & DA_RIGHT ? matrix(t, 9, 23) : matrix(t, 23, 9));
    }
}
END_TEST

START_TEST(trsm)
{
    const da_dtype t = dtypes[_i];

    for (int how = 0; how < 24; how++) {
        const unsigned flags = (how & 1 ? DA_UPPER : DA_LOWER) | (how & 2 ? DA_RIGHT : 0) |
                               (how & 4 ? DA_UNIT : 0) | transposes[how / 8];
        const da_trsm_args args = {flags, 0, {1.5, -0.5}};
        BOTH(da_codelet_trsm, "a solve", args, triangle(t, 23),
             flags & DA_RIGHT ? matrix(t, 9, 23) : matrix(t, 23, 9));
    }
}
END_TEST

START_TEST(trsm_reports_zeros)
{
    const da_dtype t = dtypes[_i];

    for (int zero = -1; zero < 23; zero += 8)
        for (int unit_diagonal = 0; unit_diagonal < 2; unit_diagonal++) {
            const da_trsm_checked_args args = {{DA_LOWER | (unit_diagonal ? DA_UNIT : 0), 0, {1, 0}}, 100};
            operand o[2] = {triangle(t, 23), matrix(t, 23, 9)};

            if (zero >= 0) {
                put(t, o[0].host, place(&o[0], 0, zero, zero), 0, 0);
                put(t, o[0].host, place(&o[0], 0, 22, 22), 0, 0); /* the first one counts */
            }
            both(&da_codelet_trsm_checked, "zeros on the diagonal", 2, o, &args, sizeof args);
            ck_assert_int_eq(*device_info, zero >= 0 && !unit_diagonal ? 100 + zero + 1 : 0);
        }
}
END_TEST

/* ---- Cholesky ---- */

START_TEST(potrf)
{
    const da_dtype t = dtypes[_i];

    for (int upper = 0; upper < 2; upper++) {
        const da_potrf_args args = {upper ? DA_UPPER : DA_LOWER, 0, 1000, 2000};

        for (int n = 1; n < 60; n += 19) {
            BOTH(da_codelet_potrf, "definite", args, positive(t, 0, n));
            for (int bad = 0; bad < n; bad += 7)
                for (int nan = 0; nan < 2; nan++) {
                    operand a = positive(t, 0, n);
                    put(t, a.host, place(&a, 0, bad, bad), nan ? NAN : -1, 0);
                    both(&da_codelet_potrf, nan ? "NaN" : "indefinite", 1, &a, &args, sizeof args);
                    ck_assert_int_eq(*device_info, 1000 + bad + 1);
                }
        }
        operand batch = positive(t, 3, 12);
        put(t, batch.host, place(&batch, 1, 9, 9), -1, 0);
        put(t, batch.host, place(&batch, 2, 4, 4), -1, 0);
        both(&da_codelet_potrf, "the least fault of a batch", 1, &batch, &args, sizeof args);
        ck_assert_int_eq(*device_info, 1005);
    }
}
END_TEST

START_TEST(cholesky_steps)
{
    const da_dtype t = dtypes[_i];
    const da_potrf_args potrf_args = {DA_LOWER, 0, 7, 2000};

    BOTH(da_codelet_cholesky_diagonal, "and a copy", potrf_args, positive(t, 0, 31), matrix(t, 31, 31));
    for (unsigned diagonal = 0; diagonal < 2; diagonal++) {
        const da_cholesky_update_args args = {diagonal, 0};
        operand a = matrix(t, 40, 13), b = matrix(t, 17, 13), c = matrix(t, 40, 17);

        for (int j = 0; j < 17; j++) /* a Hermitian matrix has no imaginary diagonal */
            put(t, c.host, place(&c, 0, j, j), 1, 0);
        both(&da_codelet_cholesky_update, diagonal ? "with the diagonal" : "below it", 3,
             (operand[]){a, b, c}, &args, sizeof args);
    }
}
END_TEST

/* ---- QR ---- */

/* m, n, reflectors in a block */
static const int qr_shapes[][3] = {{40, 23, 8}, {23, 40, 5},  {16, 16, 16},    {30, 1, 4},
                                   {1, 6, 3},   {33, 32, 32}, {205, 200, 200}, {150, 200, 130}};
enum { QR_SHAPES = sizeof qr_shapes / sizeof qr_shapes[0] };

/* Reflectors and factors that the device made take the original to R by the CPU's gemqrt; its elements are at most `most`. The operands are used up. */
static void makes_r(operand o[2], operand original, double most)
{
    const da_dtype t = o[0].dtype;
    const da_unmqr_args apply = {DA_CONJ_TRANSPOSE, 0};
    const int64_t m = o[0].shape[0], n = o[0].shape[1];
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON;
    int64_t info;

    for (int i = 0; i < 2; i++)
        memcpy(o[i].host, o[i].got, o[i].bytes);
    operand c[3] = {copy_of(&o[0]), copy_of(&o[1]), original};
    on_cpu(&da_codelet_gemqrt, 3, c, &apply, sizeof apply, &info);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++)
            for (int part = 0; part <= is_complex(t); part++) {
                const double r = i <= j ? get(t, o[0].host, place(&o[0], 0, i, j), part) : 0;
                const double x = get(t, c[2].host, place(&c[2], 0, i, j), part);
                if (!(fabs(x - r) <= 300 * eps * most))
                    ck_abort_msg("%d x %d %s: element (%d, %d) of Q^H A is %.17g, of R %.17g", (int)m, (int)n,
                                 da_dtype_name(t), (int)i, (int)j, x, r);
            }
    drop_all(2, o);
    drop_all(3, c);
}

START_TEST(geqrt)
{
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < QR_SHAPES; s++) {
        const int m = qr_shapes[s][0], n = qr_shapes[s][1];
        operand o[2] = {matrix(t, m, n), matrix(t, qr_shapes[s][2], m < n ? m : n)};
        const operand original = copy_of(&o[0]);

        ck_assert(on_device(&da_codelet_geqrt, 2, o, NULL, 0));
        makes_r(o, original, 6);
    }
}
END_TEST

/* NaN where a kernel has no business: the lower triangle of each block of t. */
static void spoil(operand *t)
{
    for (int64_t j = 0; j < t->shape[1]; j++)
        for (int64_t i = j % t->shape[0] + 1; i < t->shape[0]; i++)
            put(t->dtype, t->host, place(t, 0, i, j), NAN, NAN);
}

/* Compares operand `which` of those that the kernel got, which hold NaN elsewhere. */
static void both_but_spoilt(const da_codelet *codelet, int n, operand *o, const da_unmqr_args *args,
                            int first)
{
    int64_t info;

    ck_assert_msg(on_device(codelet, n, o, args, sizeof *args), "%s: not taken", codelet->name);
    on_cpu(codelet, n, o, args, sizeof *args, &info);
    for (int i = first; i < n; i++)
        same(codelet->name, args->flags & DA_RIGHT ? "right" : "left", &o[i]);
    drop_all(n, o);
}

START_TEST(gemqrt)
{
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < QR_SHAPES; s++)
        for (int how = 0; how < 4; how++) {
            const int m = qr_shapes[s][0], n = qr_shapes[s][1], k = m < n ? m : n;
            const da_unmqr_args args = {(how & 1 ? DA_CONJ_TRANSPOSE : 0) | (how & 2 ? DA_RIGHT : 0), 0};
            operand o[3] = {matrix(t, m, n), matrix(t, qr_shapes[s][2], k),
                            how & 2 ? matrix(t, 11, m) : matrix(t, m, 11)};
            int64_t info;

            on_cpu(&da_codelet_geqrt, 2, o, NULL, 0, &info);
            spoil(&o[1]);
            both_but_spoilt(&da_codelet_gemqrt, 3, o, &args, 2);
        }
}
END_TEST

START_TEST(tpmqrt)
{
    static const int shapes[][3] = {{20, 20, 6}, {9, 20, 4}, {16, 16, 16}, {1, 5, 2}};
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 4; s++)
        for (int how = 0; how < 4; how++) {
            const int m = shapes[s][0], n = shapes[s][1];
            const bool right = (how & 2) != 0;
            const da_unmqr_args args = {(how & 1 ? DA_CONJ_TRANSPOSE : 0) | (right ? DA_RIGHT : 0), 0};
            operand f[3] = {triangle(t, n), matrix(t, m, n), matrix(t, shapes[s][2], n)};
            int64_t info;

            on_cpu(&da_codelet_tpqrt, 3, f, NULL, 0, &info);
            spoil(&f[2]);
            operand o[4] = {f[1], f[2], right ? matrix(t, 11, n) : matrix(t, n, 11),
                            right ? matrix(t, 11, m) : matrix(t, m, 11)};
            both_but_spoilt(&da_codelet_tpmqrt, 4, o, &args, 2);
            drop(&f[0]);
        }
}
END_TEST

/* of the reflectors and tau of a QR, which t's of one reflector each tell; some of them are none */
START_TEST(larft)
{
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < QR_SHAPES; s++) {
        const int n = qr_shapes[s][0] < qr_shapes[s][1] ? qr_shapes[s][0] : qr_shapes[s][1];
        operand f[2] = {matrix(t, qr_shapes[s][0], n), matrix(t, 1, n)};
        operand tau = matrix(t, n, 1), factor = matrix(t, qr_shapes[s][2], n);
        int64_t info;

        on_cpu(&da_codelet_geqrt, 2, f, NULL, 0, &info);
        for (int j = 0; j < n; j++) {
            const bool none = j % 7 == 3;
            put(t, tau.host, place(&tau, 0, j, 0), none ? 0 : get(t, f[1].host, place(&f[1], 0, 0, j), 0),
                none || !is_complex(t) ? 0 : get(t, f[1].host, place(&f[1], 0, 0, j), 1));
        }
        for (int j = 0; j < n;
             j++) /* below the diagonal of a block are zeros, which LAPACK leaves as they are */
            for (int i = j % qr_shapes[s][2] + 1; i < qr_shapes[s][2]; i++)
                put(t, factor.host, place(&factor, 0, i, j), 0, 0);
        both(&da_codelet_larft, "factors", 3, (operand[]){f[0], tau, factor}, NULL, 0);
        drop(&f[1]);
    }
}
END_TEST

/* ---- LU ---- */

static const int lu_shapes[][2] = {{30, 30}, {41, 12}, {12, 41}, {1, 1}};

START_TEST(getrf)
{
    const da_pivot_args args = {70, 0, 0};

    for (int s = 0; s < 4; s++) {
        const int m = lu_shapes[s][0], n = lu_shapes[s][1];
        BOTH(da_codelet_getrf, "a panel", args, matrix(dtypes[_i], m, n), pivots(m < n ? m : n));
    }
}
END_TEST

START_TEST(getrf_nopivot)
{
    const da_dtype t = dtypes[_i];
    const da_pivot_args args = {70, 0, 0};

    for (int n = 1; n < 60; n += 19) {
        BOTH(da_codelet_getrf_nopivot, "a definite matrix", args, positive(t, 0, n));
        operand tall = matrix(t, n + 30, n), zero = positive(t, 0, n);

        for (int i = 0; i < n; i++)
            put(t, tall.host, place(&tall, 0, i, i), 3.0 * n, 0);
        both(&da_codelet_getrf_nopivot, "a panel", 1, &tall, &args, sizeof args);
        for (int i = 0; i < n; i++)
            put(t, zero.host, place(&zero, 0, i, 0), 0, 0);
        ck_assert(on_device(&da_codelet_getrf_nopivot, 1, &zero, &args, sizeof args));
        ck_assert_int_eq(*device_info, 71);
        drop_all(1, &zero);
    }
}
END_TEST

/* The first column of the factors in `memory` with a NaN, or as many as there are. */
static int64_t first_nan(const operand *o, const char *memory)
{
    for (int64_t j = 0; j < o->shape[1]; j++)
        for (int64_t i = 0; i < o->shape[0]; i++)
            if (isnan(get(o->dtype, memory, place(o, 0, i, j), 0)) ||
                (is_complex(o->dtype) && isnan(get(o->dtype, memory, place(o, 0, i, j), 1))))
                return j;
    return o->shape[1];
}

/* Up to the first column with a NaN as on the CPU, then NaN from the diagonal down, and pivots that are rows. */
START_TEST(getrf_of_nan)
{
    const da_dtype t = dtypes[_i];
    const da_pivot_args args = {70, 0, 0};
    static const int at[][3] = {
        {0, 0, 0}, {1, 2, 1}, {2, 1, 0}, {2, 2, 1}}; /* row, column: first, middle, last; part */

    for (int s = 0; s < 3; s++)
        for (int k = 0; k < 8; k++) {
            const int64_t m = lu_shapes[s][0], n = lu_shapes[s][1], rank = m < n ? m : n;
            const int64_t row = at[k / 2][0] * (m - 1) / 2, column = at[k / 2][1] * (rank - 1) / 2;
            operand o[2] = {matrix(t, m, n), pivots(rank)};
            int64_t info;

            for (int64_t i = 0; i < m && k % 2; i++) /* beside zeros */
                put(t, o[0].host, place(&o[0], 0, i, column), 0, 0);
            put(t, o[0].host, place(&o[0], 0, row, column), at[k / 2][2] ? 0 : NAN, at[k / 2][2] ? NAN : 0);
            if (!is_complex(t))
                put(t, o[0].host, place(&o[0], 0, row, column), NAN, 0);
            ck_assert(on_device(&da_codelet_getrf, 2, o, &args, sizeof args));
            on_cpu(&da_codelet_getrf, 2, o, &args, sizeof args, &info);
            ck_assert_int_eq(*device_info, info);
            const int64_t first = first_nan(&o[0], o[0].host);
            ck_assert_int_eq(first, column);
            ck_assert_int_eq(first_nan(&o[0], o[0].got), first);
            for (int64_t j = 0; j < n; j++)
                for (int64_t i = 0; i < m; i++) {
                    const double cpu = get(t, o[0].host, place(&o[0], 0, i, j), 0),
                                 got = get(t, o[0].got, place(&o[0], 0, i, j), 0);
                    if (i < first && j < first)
                        ck_assert_msg(fabs(cpu - got) <= (is_single(t) ? 1e-3 : 1e-11) * (1 + fabs(cpu)),
                                      "%s: element (%d, %d) is %g on the CPU and %g on the device",
                                      da_dtype_name(t), (int)i, (int)j, cpu, got);
                    else if (i >= first && j >= first)
                        ck_assert_msg(isnan(cpu) && isnan(got), "%s: element (%d, %d) is %g and %g",
                                      da_dtype_name(t), (int)i, (int)j, cpu, got);
                }
            for (int64_t i = 0; i < rank; i++) {
                const int64_t cpu = ((const int64_t *)o[1].host)[GAP + 2 * i] - args.offset,
                              got = ((const int64_t *)o[1].got)[GAP + 2 * i] - args.offset;
                ck_assert_msg(i < first ? cpu == got : got >= i && got < m,
                              "pivot %d is %d on the CPU and %d on the device", (int)i, (int)cpu, (int)got);
            }
            drop_all(2, o);
        }
}
END_TEST

START_TEST(lu_update)
{
    const da_dtype t = dtypes[_i];
    const da_pivot_args args = {70, 0, 0};

    for (int s = 0; s < 2; s++) {
        const int m = lu_shapes[s][0], n = lu_shapes[s][1];
        operand o[3] = {matrix(t, m, n), pivots(n), matrix(t, m, 17)};
        int64_t info;

        on_cpu(&da_codelet_getrf, 2, o, &args, sizeof args, &info);
        both(&da_codelet_lu_update, "a block column", 3, o, &args, sizeof args);
    }
}
END_TEST

/* An estimate, which jumps where two elements are equally large; `exact`: what it must be, or -1. */
static void rcond_of(unsigned uplo, const char *what, operand factor, operand norms, double exact)
{
    const da_norm1_args args = {uplo, 0};
    operand o[3] = {factor, norms, matrix(factor.dtype, 1, 1)};
    int64_t info;

    ck_assert(on_device(&da_codelet_rcond, 3, o, &args, sizeof args));
    on_cpu(&da_codelet_rcond, 3, o, &args, sizeof args, &info);
    const double x = get(factor.dtype, o[2].got, GAP, 0), cpu = get(factor.dtype, o[2].host, GAP, 0);
    ck_assert_msg(fabs(x - cpu) <= 1e-3 * cpu || (isnan(x) && isnan(cpu)),
                  "%s, %s, uplo %u, order %d: %g on the CPU, %g on the device", what,
                  da_dtype_name(factor.dtype), uplo, (int)factor.shape[0], cpu, x);
    ck_assert_msg(exact < 0 || x == exact, "%s: %g", what, x);
    drop_all(3, o);
}

START_TEST(rcond)
{
    static const unsigned kinds[] = {0, DA_LOWER, DA_UPPER};
    static const int orders[] = {1, 30, 314};
    const da_dtype t = dtypes[_i];

    for (int kind = 0; kind < 3; kind++) {
        for (int n = kind > 0; n < 3; n++) {
            operand f = triangle(t, orders[n]);

            for (int j = 0; j < orders[n]; j++) /* not of one size */
                put(t, f.host, place(&f, 0, j, j), (j % 2 ? 1 : -2) / (1.0 + j % 7), 0.1);
            rcond_of(kinds[kind], "a factor", f, matrix(t, 1, 5), -1);
        }
        for (int bad = kind; bad < 5; bad += 3) { /* zero, NaN, infinite: no condition */
            const double values[] = {0, NAN, INFINITY, 1, 1};
            operand f = triangle(t, 9), norms = matrix(t, 1, 3);

            put(t, f.host, place(&f, 0, bad + 2, bad + 2), values[bad], 0);
            put(t, norms.host, place(&norms, 0, 0, 1), bad == 3 ? NAN : bad == 4 ? INFINITY : 2, 0);
            rcond_of(kinds[kind], "no condition", f, norms, bad == 3 ? -1 : 0);
        }
    }
    operand batch[3] = {matrices(t, 2, 5, 5), matrix(t, 1, 2), matrices(t, 2, 1, 1)};
    const da_norm1_args args = {0, 0};
    both(&da_codelet_rcond, "a batch", 3, batch, &args, sizeof args);
}
END_TEST

/* ---- Bunch-Kaufman ---- */

START_TEST(sytrf)
{
    const da_dtype t = dtypes[_i];

    for (unsigned how = 0; how < 4; how++)
        for (int n = 1; n < 100; n += 33) {
            const da_ldl_args args = {how & 1 ? DA_UPPER : DA_LOWER, how & 2, 0, 0};

            if (is_complex(t) && !args.symmetric) {
                operand o[2] = {positive(t, 0, n), pivots(n)};
                ck_assert(!on_device(&da_codelet_sytrf, 2, o, &args, sizeof args));
                drop_all(2, o);
            } else
                BOTH(da_codelet_sytrf, "an indefinite matrix", args, matrix(t, n, n), pivots(n));
        }
}
END_TEST

/* It stays in the factors, and the pivots are some that the CPU takes. */
START_TEST(sytrf_of_nan)
{
    const da_dtype t = dtypes[_i];
    enum { ORDER = 20 };

    for (unsigned upper = 0; upper < 2; upper++)
        for (int column = 0; column < ORDER; column++) {
            const da_ldl_args args = {upper ? DA_UPPER : DA_LOWER, 1, 0, 0};
            operand o[3] = {matrix(t, ORDER, ORDER), pivots(ORDER), matrix(t, ORDER, 1)};
            int64_t info;
            bool nan = false;

            put(t, o[0].host, place(&o[0], 0, column, column), NAN, 0);
            ck_assert(on_device(&da_codelet_sytrf, 2, o, &args, sizeof args));
            for (int i = 0; i < 2; i++)
                memcpy(o[i].host, o[i].got, o[i].bytes);
            on_cpu(&da_codelet_sytrs, 3, o, &args, sizeof args, &info);
            for (int64_t j = 0; j < ORDER; j++)
                for (int64_t i = upper ? 0 : j; i < (upper ? j + 1 : ORDER); i++)
                    nan = nan || isnan(get(t, o[0].got, place(&o[0], 0, i, j), 0));
            ck_assert_msg(nan, "%s: a NaN in column %d is lost", da_dtype_name(t), column);
            drop_all(3, o);
        }
}
END_TEST

/* Blocks of both sizes, rows that are exchanged from afar. */
static operand indefinite(da_dtype t, int n, bool hermitian)
{
    operand o = triangle(t, n);

    for (int j = 0; j < n; j++)
        for (int i = 0; i <= j; i++) {
            const double re = i == j           ? (j % 3 ? 0.1 : -2)
                              : i + j == n - 1 ? 2
                                               : get(t, o.host, place(&o, 0, i, j), 0);
            const double im = i == j && hermitian ? 0 : i + j == n - 1 ? 0.5 : 0.1 / n;

            put(t, o.host, place(&o, 0, i, j), re, im);
            put(t, o.host, place(&o, 0, j, i), re, hermitian ? -im : im);
        }
    return o;
}

START_TEST(sytrs)
{
    const da_dtype t = dtypes[_i];

    for (unsigned how = 0; how < 4; how++)
        for (int n = 1; n < 330; n = n < 60 ? n + 19 : n + 250) {
            const da_ldl_args args = {how & 1 ? DA_UPPER : DA_LOWER, how & 2, 0, 0};
            const da_ldl_args given = {how & 1 ? DA_UPPER : DA_LOWER, how & 2, 1, 0};
            operand f[2] = {indefinite(t, n, !args.symmetric), pivots(n)};
            int64_t info;

            on_cpu(&da_codelet_sytrf, 2, f, &args, sizeof args, &info);
            BOTH(da_codelet_sytrs, "a solve", args, copy_of(&f[0]), copy_of(&f[1]), matrix(t, n, 3));
            BOTH(da_codelet_sytrs, "two b", args, copy_of(&f[0]), copy_of(&f[1]), matrices(t, 2, n, 7));
            operand b = matrix(t, n, 1);
            ck_assert(!on_device(&da_codelet_sytrs, 3, (operand[]){f[0], f[1], b}, &given, sizeof given));
            drop(&b);
            int first = n;
            for (int i = n - 1; i >= 0; i--) /* of several zeros and NaN the first one counts */
                if (((const int64_t *)f[1].host)[GAP + 2 * i] >= 0) {
                    put(t, f[0].host, place(&f[0], 0, i, i), how % 2 ? NAN : 0, 0);
                    first = i;
                }
            BOTH(da_codelet_sytrs, "blocks of zero and NaN", args, f[0], f[1], matrix(t, n, 3));
            ck_assert_int_eq(*device_info, first < n ? first + 1 : 0);
        }
}
END_TEST

/* ---- common kernels that compute with elements; unit_device_opencl.c has more of them ---- */

START_TEST(common_kernels)
{
    const da_dtype t = dtypes[_i];
    const da_norm1_args all = {0}, upper = {DA_UPPER, 0};
    const da_det_args det = {.logarithm = 1};
    const da_truncate_args truncate = {.unit = 1, .offset = 3};
    enum { COLUMNS = 13 };
    operand order = pivots(COLUMNS), rank = pivots(1);

    BOTH(da_codelet_norm1, "all of a matrix", all, matrix(t, 300, COLUMNS), matrix(t, 1, 1));
    BOTH(da_codelet_norm1, "a triangle", upper, matrices(t, 2, 9, 9), matrices(t, 2, 1, 1));
    BOTH(da_codelet_lu_det, "a batch", det, matrices(t, 3, 15, 15), pivots(15), matrices(t, 3, 1, 2));
    for (int i = 0; i < 2; i++) {
        const da_numerical_rank_args rcond = {i ? 0.4 : 1e-4};

        BOTH(da_codelet_numerical_rank, "a triangle", rcond, triangle(t, COLUMNS), pivots(1));
    }
    ((int64_t *)rank.host)[GAP] = 7;
    BOTH(da_codelet_truncate, "rows from 4", truncate, rank, matrix(t, COLUMNS, 6));
    for (int i = 0; i < COLUMNS; i++)
        ((int64_t *)order.host)[GAP + 2 * i] = (5 * i + 3) % COLUMNS;
    both(&da_codelet_place_columns, "in another order", 3,
         (operand[]){order, matrix(t, 9, COLUMNS), matrix(t, 9, COLUMNS)}, NULL, 0);
}
END_TEST

START_TEST(small_qr)
{
    const da_dtype t = dtypes[_i];
    const da_small_qr_args both_of_them = {.form_q = 1}, r_alone = {0};

    BOTH(da_codelet_small_qr, "tall matrices", both_of_them, matrices(t, 3, 20, 7), matrices(t, 3, 20, 7),
         matrices(t, 3, 7, 7));
    BOTH(da_codelet_small_qr, "a wide one, R alone", r_alone, matrix(t, 18, 30), matrix(t, 18, 18),
         matrix(t, 18, 30));
    BOTH(da_codelet_small_qr, "all of Q", both_of_them, matrix(t, 30, 18), matrix(t, 30, 30),
         matrix(t, 30, 18));
}
END_TEST

/* Zeros below the diagonals of its blocks, which LAPACK may make, or leave as they are. */
static operand factors(da_dtype t, int64_t batch, int64_t block, int64_t n)
{
    operand o = matrices(t, batch, block, n);

    for (int64_t b = 0; b < batch_of(&o); b++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = j % block + 1; i < block; i++)
                put(t, o.host, place(&o, b, i, j), 0, 0);
    return o;
}

/* A triangle that is well conditioned, and what it has below its diagonal, which is another's. */
static operand heavy(da_dtype t, int64_t batch, int64_t n)
{
    operand o = matrices(t, batch, n, n);

    for (int64_t b = 0; b < batch_of(&o); b++)
        for (int64_t j = 0; j < n; j++)
            put(t, o.host, place(&o, b, j, j), j % 2 ? 8 : -8, 1);
    return o;
}

START_TEST(tpqrt)
{
    static const int shapes[][3] = {{20, 20, 6}, {9, 20, 32}, {48, 48, 16}, {1, 5, 2}, {70, 70, 70}};
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 5; s++)
        for (int batch = 0; batch < 3; batch += 2) {
            const int m = shapes[s][0], n = shapes[s][1];

            both(
                &da_codelet_tpqrt, "triangles", 3,
                (operand[]){heavy(t, batch, n), matrices(t, batch, m, n), factors(t, batch, shapes[s][2], n)},
                NULL, 0);
        }
}
END_TEST

/* Columns before it are as on the CPU, and it is in R. */
START_TEST(tpqrt_of_nan)
{
    const da_dtype t = dtypes[_i];
    enum { ORDER = 40 };

    for (int column = 0; column < ORDER; column += 13) {
        operand o[3] = {heavy(t, 0, ORDER), matrix(t, ORDER, ORDER), factors(t, 0, 16, ORDER)};
        int64_t info;

        put(t, o[1].host, place(&o[1], 0, 0, column), NAN, 0);
        ck_assert(on_device(&da_codelet_tpqrt, 3, o, NULL, 0));
        on_cpu(&da_codelet_tpqrt, 3, o, NULL, 0, &info);
        ck_assert_int_eq(first_nan(&o[0], o[0].host), column);
        ck_assert_int_eq(first_nan(&o[0], o[0].got), column);
        for (int i = 0; i < 2; i++) {
            o[i].bytes = (size_t)(GAP + column * o[i].strides[1]) * da_dtype_size(t);
            same("tpqrt", "columns before a NaN", &o[i]);
        }
        drop_all(3, o);
    }
}
END_TEST

/* `column` of what a permuted matrix was goes where the device has put it. */
static operand permuted(const operand *a, const operand *order)
{
    operand o = copy_of(a);

    for (int64_t j = 0; j < a->shape[1]; j++)
        memcpy(o.host + (size_t)place(&o, 0, 0, j) * da_dtype_size(o.dtype),
               a->host + (size_t)place(a, 0, 0, ((const int64_t *)order->got)[GAP + 2 * j]) *
                             da_dtype_size(o.dtype),
               (size_t)a->shape[0] * da_dtype_size(o.dtype));
    return o;
}

START_TEST(geqp3)
{
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < QR_SHAPES - 2; s++) {
        const int m = qr_shapes[s][0], n = qr_shapes[s][1], k = m < n ? m : n;

        both(&da_codelet_geqp3, "a matrix", 3,
             (operand[]){matrix(t, m, n), factors(t, 0, qr_shapes[s][2], k), pivots(n)}, NULL, 0);
    }
}
END_TEST

/* What is left of columns after the first one is so little that a length made from the former one tells nothing. */
START_TEST(geqp3_of_columns_alike)
{
    const da_dtype t = dtypes[_i];
    const double much = is_single(t) ? 1e3 : 1e7;
    enum { ROWS = 50, WIDTH = 30 };

    operand o[3] = {matrix(t, ROWS, WIDTH), factors(t, 0, 8, WIDTH), pivots(WIDTH)};
    int64_t info;

    for (int i = 0; i < ROWS; i++) {
        const double common = much * unit();

        for (int j = 0; j < WIDTH; j++)
            put(t, o[0].host, place(&o[0], 0, i, j), common + (1 + 0.1 * j) * unit(), unit());
    }
    const operand original = copy_of(&o[0]);
    ck_assert(on_device(&da_codelet_geqp3, 3, o, NULL, 0));
    const operand in_order = permuted(&original, &o[2]);
    on_cpu(&da_codelet_geqp3, 3, o, NULL, 0, &info);
    same("geqp3", "columns that are alike", &o[2]);
    makes_r(o, in_order, much * 10);
    drop(&o[2]);
    operand before = original;
    drop(&before);
}
END_TEST

/* No column is exchanged; those before it are as on the CPU, and it is in R. */
START_TEST(geqp3_of_nan)
{
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 6; s++) {
        const int m = qr_shapes[s][0], n = qr_shapes[s][1], k = m < n ? m : n, column = k / 2;

        for (int infinite = 0; infinite < 2; infinite++) {
            operand o[3] = {matrix(t, m, n), factors(t, 0, qr_shapes[s][2], k), pivots(n)};
            int64_t info;

            put(t, o[0].host, place(&o[0], 0, m / 2, column), infinite ? INFINITY : NAN, 0);
            ck_assert(on_device(&da_codelet_geqp3, 3, o, NULL, 0));
            on_cpu(&da_codelet_geqp3, 3, o, NULL, 0, &info);
            same("geqp3", "exchanges beside a NaN", &o[2]);
            for (int j = 0; j < n; j++)
                ck_assert_int_eq(((const int64_t *)o[2].got)[GAP + 2 * j], j);
            if (!infinite)
                ck_assert_int_eq(first_nan(&o[0], o[0].got), column);
            o[0].bytes = (size_t)(GAP + column * o[0].strides[1]) * da_dtype_size(t);
            same("geqp3", "columns before a NaN", &o[0]);
            drop_all(3, o);
        }
    }
}
END_TEST

/* ---- eigenvalues and singular values ---- */

/* An element of the device's result. */
static double _Complex got(const operand *o, int64_t i, int64_t j)
{
    const int64_t at = place(o, 0, i, j);
    double _Complex z = get(o->dtype, o->got, at, 0);

    if (is_complex(o->dtype))
        ((double *)&z)[1] = get(o->dtype, o->got, at, 1);
    return z;
}

/* Of a value in the device's vector. */
static double got_real(const operand *o, int64_t i)
{
    return get(o->dtype, o->got, GAP + i, 0);
}

/* Element (i, j) of the operand that there was. */
static double _Complex was(const operand *o, int64_t i, int64_t j)
{
    operand before = *o;

    before.got = o->host;
    return got(&before, i, j);
}

/* What the device made of rows of a matrix. */
static double _Complex *rows_of(const operand *o, int at, int m, int n)
{
    double _Complex *const x = calloc((size_t)m * (size_t)n + 1, sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++)
            x[i + j * m] = got(o, at + i, j);
    return x;
}

/* ||a b - c||_F / (scale k eps), with a^H for a if it is that of a k x m matrix: a product of k terms an element. */
static double residual(da_dtype t, int m, int n, int k, const double _Complex *a, bool adjoint,
                       const double _Complex *b, const double _Complex *c, double scale)
{
    double squares = 0;

    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            double _Complex sum = -c[i + j * m];
            for (int l = 0; l < k; l++)
                sum += (adjoint ? conj(a[l + i * k]) : a[i + l * m]) * b[l + j * k];
            squares += creal(sum) * creal(sum) + cimag(sum) * cimag(sum);
        }
    return sqrt(squares) / (scale * k * (is_single(t) ? FLT_EPSILON : DBL_EPSILON));
}

/* ||I - q^H q||_F / (n eps) of an n x n matrix */
static double not_unitary(da_dtype t, int n, const double _Complex *q)
{
    double _Complex *const identity = calloc((size_t)n * (size_t)n, sizeof *identity);

    ck_assert_ptr_nonnull(identity);
    for (int i = 0; i < n; i++)
        identity[i + i * n] = 1;
    const double ratio = residual(t, n, n, n, q, true, q, identity, 1);
    free(identity);
    return ratio;
}

static double norm_of(int64_t n, const double _Complex *x)
{
    double squares = 0;

    for (int64_t i = 0; i < n; i++)
        squares += creal(x[i]) * creal(x[i]) + cimag(x[i]) * cimag(x[i]);
    return sqrt(squares);
}

/* Of a matrix's memory only the elements changed; rows beside [at, at + m) are zeros. */
static void zeros_and_gaps(const char *name, const operand *o, int at, int m)
{
    const int64_t n = (int64_t)(o->bytes / da_dtype_size(o->dtype));
    const size_t size = da_dtype_size(o->dtype);

    for (int64_t i = 0; i < n; i++) {
        const int64_t from = i - GAP, row = from < 0 ? -1 : from % o->strides[1],
                      column = from < 0 ? 0 : from / o->strides[1];
        const bool element = row >= 0 && row < o->shape[0] && column < o->shape[1];

        if (!element)
            ck_assert_msg(memcmp(o->got + (size_t)i * size, o->host + (size_t)i * size, size) == 0,
                          "%s: number %lld, between the elements", name, (long long)i);
        else if (row < at || row >= at + m)
            ck_assert_msg(got(o, row, column) == 0, "%s: element (%lld, %lld)", name, (long long)row,
                          (long long)column);
    }
}

/* All NaN, of a vector or a matrix. */
static void no_numbers(const char *name, const operand *o)
{
    for (int64_t j = 0; j < (o->ndim > 1 ? o->shape[1] : 1); j++)
        for (int64_t i = 0; i < o->shape[0]; i++)
            ck_assert_msg(isnan(get(o->dtype, o->got, place(o, 0, i, j), 0)), "%s: element (%lld, %lld)",
                          name, (long long)i, (long long)j);
}

/* Values as the CPU's, vectors that belong to them. */
START_TEST(heevd)
{
    const da_dtype t = dtypes[_i];
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON;

    for (int how = 0; how < 4; how++)
        for (int n = 1; n < 42; n += 20) {
            const da_heevd_args args = {how & 1 ? DA_UPPER : DA_LOWER, how & 2 ? 1 : 0};
            operand o[2] = {positive(t, 0, n), reals(t, 0, n)}, original = copy_of(&o[0]);
            int64_t info;

            for (int j = 0; j < n; j++) { /* what is not to be read */
                if (is_complex(t))
                    put(t, o[0].host, place(&o[0], 0, j, j), get(t, o[0].host, place(&o[0], 0, j, j), 0),
                        NAN);
                for (int i = 0; i < n; i++)
                    if (how & 1 ? i > j : i < j)
                        put(t, o[0].host, place(&o[0], 0, i, j), NAN, NAN);
            }
            ck_assert(on_device(&da_codelet_heevd, 2, o, &args, sizeof args));
            on_cpu(&da_codelet_heevd, 2, o, &args, sizeof args, &info);
            ck_assert_int_eq(info, 0);
            ck_assert_int_eq(*device_info, 0);
            same("heevd", "values", &o[1]);
            for (int j = 0; j < n && args.vectors; j++)
                for (int i = 0; i < n; i++) {
                    double _Complex sum = 0;
                    for (int k = 0; k < n; k++)
                        sum += was(&original, i, k) * got(&o[0], k, j);
                    ck_assert_msg(cabs(sum - got_real(&o[1], j) * got(&o[0], i, j)) <=
                                      300 * eps * (2 * n + 2),
                                  "vector %d of %d %s: %g", j, n, da_dtype_name(t),
                                  cabs(sum - got_real(&o[1], j) * got(&o[0], i, j)));
                }
            drop_all(2, o);
            drop(&original);
        }
}
END_TEST

START_TEST(heevd_of_nan)
{
    const da_dtype t = dtypes[_i];
    const da_heevd_args args = {DA_LOWER, 1};

    for (int column = 0; column < 23; column += 11)
        for (int infinite = 0; infinite < 2; infinite++) {
            operand o[2] = {positive(t, 0, 23), reals(t, 0, 23)};
            int64_t info;

            put(t, o[0].host, place(&o[0], 0, 22, column), infinite ? INFINITY : NAN, 0);
            ck_assert(on_device(&da_codelet_heevd, 2, o, &args, sizeof args));
            on_cpu(&da_codelet_heevd, 2, o, &args, sizeof args, &info);
            ck_assert_int_eq(info, column + 1);
            ck_assert_int_eq(*device_info, info);
            drop_all(2, o);
        }
    operand batch[2] = {positive(t, 3, 12), reals(t, 3, 12)};
    put(t, batch[0].host, place(&batch[0], 1, 9, 8), NAN, 0);
    put(t, batch[0].host, place(&batch[0], 2, 9, 4), NAN, 0);
    both(&da_codelet_heevd, "the least fault of a batch", 2, batch, &args, sizeof args);
    ck_assert_int_eq(*device_info, 5);
    operand fine[2] = {positive(t, 3, 12), reals(t, 3, 12)};
    int64_t info;
    ck_assert(on_device(&da_codelet_heevd, 2, fine, &args, sizeof args));
    on_cpu(&da_codelet_heevd, 2, fine, &args, sizeof args, &info);
    same("heevd", "values of a batch", &fine[1]);
    drop_all(2, fine);
}
END_TEST

START_TEST(gesdd)
{
    const da_dtype t = dtypes[_i];
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON;
    static const int shapes[][3] = {{30, 30, 30}, {41, 12, 12}, {41, 12, 41}, {5, 1, 5}};
    const da_gesdd_args args = {0, 0};

    for (int s = 0; s < 4; s++) {
        const int m = shapes[s][0], n = shapes[s][1];
        operand o[4] = {matrix(t, m, n), reals(t, 0, n), matrix(t, m, shapes[s][2]), matrix(t, n, n)};
        operand original = copy_of(&o[0]), values[2] = {copy_of(&o[0]), reals(t, 0, n)};
        int64_t info;

        ck_assert(on_device(&da_codelet_gesdd, 4, o, &args, sizeof args));
        ck_assert_int_eq(*device_info, 0);
        on_cpu(&da_codelet_gesdd, 4, o, &args, sizeof args, &info);
        same("gesdd", "values", &o[1]);
        for (int j = 0; j < n; j++)
            for (int i = 0; i < m; i++) {
                double _Complex sum = 0;
                for (int k = 0; k < n; k++)
                    sum += got(&o[2], i, k) * got_real(&o[1], k) * got(&o[3], k, j);
                ck_assert_msg(cabs(sum - was(&original, i, j)) <= 300 * eps * m, "%d x %d %s: (%d, %d): %g",
                              m, n, da_dtype_name(t), i, j, cabs(sum - was(&original, i, j)));
            }
        ck_assert(on_device(&da_codelet_gesdd_values, 2, values, &args, sizeof args));
        on_cpu(&da_codelet_gesdd_values, 2, values, &args, sizeof args, &info);
        same("gesdd_values", "values", &values[1]);
        drop_all(4, o);
        drop_all(2, values);
        drop(&original);
    }
}
END_TEST

START_TEST(gesdd_of_nan)
{
    const da_dtype t = dtypes[_i];

    for (unsigned rows = 0; rows < 2; rows++) {
        const da_gesdd_args args = {rows, 0};
        operand o[2] = {matrix(t, 30, 20), reals(t, 0, 20)};
        int64_t info;

        put(t, o[0].host, place(&o[0], 0, 12, 19), is_complex(t) ? 1 : NAN, NAN);
        put(t, o[0].host, place(&o[0], 0, 29, 7), -INFINITY, 0);
        ck_assert(on_device(&da_codelet_gesdd_values, 2, o, &args, sizeof args));
        on_cpu(&da_codelet_gesdd_values, 2, o, &args, sizeof args, &info);
        ck_assert_int_eq(info, rows ? 13 : 8);
        ck_assert_int_eq(*device_info, info);
        drop_all(2, o);
    }
}
END_TEST

#if CUDA_HAS_GEEV

enum { MOST_VALUES = 370 };

static double _Complex value_of(const operand *w, const char *memory, int64_t i)
{
    double _Complex z = get(w->dtype, memory, GAP + i, 0);

    ((double *)&z)[1] = get(w->dtype, memory, GAP + i, 1);
    return z;
}

/* The same values in any order. */
static void same_values(int n, const operand *a, const char *a_memory, const operand *b, const char *b_memory,
                        double tolerance)
{
    bool used[MOST_VALUES] = {false};

    for (int i = 0; i < n; i++) {
        const double _Complex value = value_of(a, a_memory, i);
        int nearest = -1;

        for (int j = 0; j < n; j++)
            if (!used[j] && (nearest < 0 || cabs(value - value_of(b, b_memory, j)) <
                                                cabs(value - value_of(b, b_memory, nearest))))
                nearest = j;
        used[nearest] = true;
        ck_assert_msg(cabs(value - value_of(b, b_memory, nearest)) <= tolerance,
                      "value %d of %d is off by %g", i, n, cabs(value - value_of(b, b_memory, nearest)));
    }
}

/* Vectors of length 1, whose largest part is real. */
static void normalized(da_dtype t, int n, const double _Complex *v)
{
    const double slack = 30 * n * (is_single(t) ? FLT_EPSILON : DBL_EPSILON);

    for (int j = 0; j < n; j++) {
        const double _Complex *const x = v + (ptrdiff_t)j * n;
        double most = 0, most_real = 0;

        for (int i = 0; i < n; i++) {
            most = fmax(most, cabs(x[i]));
            most_real = fmax(most_real, fabs(cimag(x[i])) <= slack ? cabs(x[i]) : 0);
        }
        ck_assert_msg(fabs(norm_of(n, x) - 1) <= slack, "vector %d of %d is of length %g", j, n,
                      norm_of(n, x));
        ck_assert_msg(most_real >= most - slack, "vector %d of %d: a larger part is not real", j, n);
    }
}

/* Real matrices have pairs: at once, after a real value, last. The last order is more than a work-group has lanes. */
START_TEST(geev)
{
    static const int orders[] = {0, 1, 2, 3, 20, 21, MOST_VALUES};
    const da_dtype t = dtypes[_i];
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON;

    for (int c = 0; c < 7; c++) {
        const int n = orders[c];
        operand o[3] = {matrix(t, n, n), complexes(t, 0, n), matrix(complex_of(t), n, n)};
        int64_t info;

        for (int j = 0; j < n && n <= 3; j++) /* a rotation, and 2 */
            for (int i = 0; i < n; i++)
                put(t, o[0].host, place(&o[0], 0, i, j),
                    i == j ? (i == n - 3 ? 2
                              : n > 1    ? 0.6
                                         : -3)
                           : (n - 1 - i < 2 && n - 1 - j < 2 ? (i < j ? -0.8 : 0.8) : 0),
                    0);
        operand values[2] = {copy_of(&o[0]), complexes(t, 0, n)};
        ck_assert(on_device(&da_codelet_geev, 3, o, NULL, 0));
        ck_assert_int_eq(*device_info, 0);
        ck_assert(on_device(&da_codelet_geev_values, 2, values, NULL, 0));
        ck_assert_int_eq(*device_info, 0);
        zeros_and_gaps("geev", &o[2], 0, n);
        if (n > 0) {
            operand original = o[0];
            original.got = o[0].host;
            double _Complex *const a = rows_of(&original, 0, n, n), *const v = rows_of(&o[2], 0, n, n),
                                   *const scaled = rows_of(&o[2], 0, n, n);
            const double size = norm_of(n * n, a);
            double _Complex trace = 0;

            for (int j = 0; j < n; j++) {
                trace += a[j + j * n] - value_of(&o[1], o[1].got, j);
                for (int i = 0; i < n; i++)
                    scaled[i + j * n] *= value_of(&o[1], o[1].got, j);
            }
            const double ratio = residual(t, n, n, n, a, false, v, scaled, size);
            ck_assert_msg(ratio < 30, "order %d %s: a v - v w: %g", n, da_dtype_name(t), ratio);
            ck_assert(cabs(trace) < 30 * n * eps * size);
            normalized(t, n, v);
            same_values(n, &o[1], o[1].got, &values[1], values[1].got, 300 * n * eps * size);
            on_cpu(&da_codelet_geev, 3, o, NULL, 0, &info);
            same_values(n, &o[1], o[1].host, &o[1], o[1].got, 300 * n * eps * size);
            free(a);
            free(v);
            free(scaled);
        }
        drop_all(3, o);
        drop_all(2, values);
    }
}
END_TEST

START_TEST(geev_of_nan)
{
    const da_dtype t = dtypes[_i];

    for (int column = 0; column < 23; column += 11)
        for (int infinite = 0; infinite < 2; infinite++) {
            const double bad = infinite ? INFINITY : NAN;
            operand o[3] = {matrix(t, 23, 23), complexes(t, 0, 23), matrix(complex_of(t), 23, 23)};

            put(t, o[0].host, place(&o[0], 0, 22 - column, column), is_complex(t) ? 1 : bad, bad);
            both_keep(&da_codelet_geev, "no number", 3, o, NULL, 0);
            ck_assert_int_eq(*device_info, column + 1);
            both_keep(&da_codelet_geev_values, "no number", 2, o, NULL, 0);
            drop_all(3, o);
        }
    operand batch[3] = {matrices(t, 3, 12, 12), complexes(t, 3, 12), matrices(complex_of(t), 3, 12, 12)};
    put(t, batch[0].host, place(&batch[0], 1, 9, 8), NAN, 0);
    put(t, batch[0].host, place(&batch[0], 2, 9, 4), NAN, 0);
    both(&da_codelet_geev, "the least fault of a batch", 3, batch, NULL, 0);
    ck_assert_int_eq(*device_info, 5);
}
END_TEST

#endif

/* ---- steps of eigenvalue and singular value solvers ---- */

/* with more of y on top, which becomes zeros whatever it was */
START_TEST(hetrd_multiply)
{
    static const int shapes[][3] = {{40, 13, 45}, {30, 30, 30}, {30, 30, 33}, {1, 1, 4}};
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 4; s++) {
        const int m = shapes[s][0], n = shapes[s][1];
        operand o[3] = {matrix(t, m, n), matrix(t, m, 1), matrix(t, shapes[s][2], 1)};
        int64_t info;

        for (int j = 0; j < n;
             j++) { /* nobody reads the upper triangle, nor the diagonal's imaginary parts */
            for (int i = 0; i < j; i++)
                put(t, o[0].host, place(&o[0], 0, i, j), NAN, NAN);
            put(t, o[0].host, place(&o[0], 0, j, j), 3, 100);
        }
        for (int i = 0; i < shapes[s][2]; i++)
            put(t, o[2].host, place(&o[2], 0, i, 0), NAN, NAN);
        ck_assert(on_device(&da_codelet_hetrd_multiply, 3, o, NULL, 0));
        on_cpu(&da_codelet_hetrd_multiply, 3, o, NULL, 0, &info);
        same("hetrd_multiply", "some columns", &o[2]);
        drop_all(3, o);
    }
    both(&da_codelet_hetrd_multiply, "a batch", 3,
         (operand[]){matrices(t, 2, 21, 8), matrices(t, 2, 21, 1), matrices(t, 2, 25, 1)}, NULL, 0);
}
END_TEST

START_TEST(hetrd_update)
{
    static const int shapes[][3] = {{40, 13, 8}, {17, 17, 3}, {9, 4, 0}, {1, 1, 1}};
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 4; s++)
        both(&da_codelet_hetrd_update, "a block column", 2,
             (operand[]){matrix(t, shapes[s][0], 2 * shapes[s][2]), matrix(t, shapes[s][0], shapes[s][1])},
             NULL, 0);
}
END_TEST

START_TEST(gebrd_multiply)
{
    static const int shapes[][2] = {{40, 13}, {13, 40}, {7, 1}, {1, 1}, {5, 0}};
    const da_dtype t = dtypes[_i];

    for (int s = 0; s < 5; s++)
        for (int conj = 0; conj < 2; conj++) {
            const da_unmqr_args args = {conj ? DA_CONJ_TRANSPOSE : 0, 0};
            const int m = shapes[s][0], n = shapes[s][1];
            operand y = matrix(t, conj ? n : m, 1);

            for (int i = 0; i < (conj ? n : m); i++)
                put(t, y.host, place(&y, 0, i, 0), NAN, NAN);
            BOTH(da_codelet_gebrd_multiply, "a product", args, matrix(t, m, n), matrix(t, conj ? m : n, 1),
                 y);
        }
}
END_TEST

/* A number of great or small size, and what is not to be read of the other triangle. */
START_TEST(hetrd_begin_and_end)
{
    const da_dtype t = dtypes[_i];
    static const double sizes[] = {1, 1e-25, 1e25};
    enum { ORDER = 19 };

    for (int how = 0; how < 6; how++) {
        const da_heevd_args args = {how % 2 ? DA_UPPER : DA_LOWER, 0};
        operand a = positive(t, 0, ORDER);

        for (int j = 0; j < ORDER; j++)
            for (int i = 0; i < ORDER; i++) {
                const bool read = how % 2 ? i <= j : i >= j;
                const double scale = pow(sizes[how / 2], is_single(t) ? 1 : 6);
                const int64_t at = place(&a, 0, i, j);
                put(t, a.host, at, read ? scale * get(t, a.host, at, 0) : 0,
                    i == j                  ? 7
                    : read && is_complex(t) ? scale * get(t, a.host, at, 1)
                                            : 0);
            }
        BOTH(da_codelet_hetrd_begin, "in range", args, a, reals(t, 0, ORDER));
    }
    for (int column = 0; column < ORDER; column += 9) {
        const da_heevd_args args = {DA_LOWER, 0};
        operand o[2] = {positive(t, 0, ORDER), reals(t, 0, ORDER)};

        put(t, o[0].host, place(&o[0], 0, ORDER - 1, column), column ? INFINITY : NAN, 0);
        both_keep(&da_codelet_hetrd_begin, "no number", 2, o, &args, sizeof args);
        ck_assert_int_eq(*device_info, column + 1);
        ck_assert(isnan(got_real(&o[1], ORDER - 1)));
        drop_all(2, o);
    }
    for (int n = 1; n < 300; n += 270) {
        operand e = reals(t, 0, n);

        put(e.dtype, e.host, GAP + n - 1, 0.25, 0);
        both(&da_codelet_hetrd_end, "a diagonal", 3, (operand[]){matrix(t, n, n), reals(t, 0, n), e}, NULL,
             0);
    }
}
END_TEST

START_TEST(hetrd_column)
{
    const da_dtype t = dtypes[_i];

    for (int m = 6; m < 310; m += 300)
        for (int64_t j = 0; j <= 6; j += j == 3 ? 2 : j == 0 || j == 5 ? 1 : 2) {
            const da_hetrd_args args = {j};
            BOTH(da_codelet_hetrd_column, "a column", args, matrix(t, m, 6), matrix(t, m, 12),
                 matrix(t, m, 3), matrix(t, 6, 1));
        }
}
END_TEST

/* x = (I - tau v v^H) x (I - tau v v^H)^H for reflector k of an order n. */
static void reflect(double _Complex *x, int n, const operand *v, const operand *tau, int k)
{
    for (int side = 0; side < 2; side++) /* from the left, and the conjugate transpose of that again */
        for (int j = 0; j < n; j++) {
            double _Complex *const column = x + (ptrdiff_t)j * n, sum = column[k + 1];

            for (int i = k + 2; i < n; i++)
                sum += conj(got(v, i, k)) * column[i];
            sum *= got(tau, k, 0);
            column[k + 1] -= sum;
            for (int i = k + 2; i < n; i++)
                column[i] -= got(v, i, k) * sum;
            for (int i = 0; i < n && j == n - 1; i++)
                for (int c = 0; c <= i; c++) {
                    const double _Complex upper = x[c + i * n];
                    x[c + i * n] = conj(x[i + c * n]);
                    x[i + c * n] = conj(upper);
                }
        }
}

/* Reflectors and their factors make the original of T. */
START_TEST(hetrd_rest)
{
    const da_dtype t = dtypes[_i];
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON;

    for (int n = 1; n < 60; n += 19) {
        operand o[2] = {positive(t, 0, n), matrix(t, n, 1)};
        double _Complex *const x = calloc((size_t)n * (size_t)n, sizeof *x);

        ck_assert_ptr_nonnull(x);
        ck_assert(on_device(&da_codelet_hetrd_rest, 2, o, NULL, 0));
        ck_assert(got(&o[1], n - 1, 0) == 0);
        for (int i = 0; i < n; i++) {
            x[i + i * n] = creal(got(&o[0], i, i));
            if (i + 1 < n)
                x[i + 1 + i * n] = x[i + (i + 1) * n] = creal(got(&o[0], i + 1, i));
        }
        for (int k = n - 2; k >= 0; k--)
            reflect(x, n, &o[0], &o[1], k);
        for (int j = 0; j < n; j++)
            for (int i = 0; i < n; i++)
                ck_assert_msg(cabs(x[i + j * n] - was(&o[0], i, j)) <= 300 * eps * (2 * n + 2),
                              "order %d %s: element (%d, %d) is off by %g", n, da_dtype_name(t), i, j,
                              cabs(x[i + j * n] - was(&o[0], i, j)));
        free(x);
        drop_all(2, o);
    }
}
END_TEST

/* Zeros need no reflector, and tiny numbers have squares that are none. */
START_TEST(reflectors)
{
    const da_dtype t = dtypes[_i];
    const da_hetrd_args args = {0};
    const double tiny = is_single(t) ? 1e-35 : 1e-280;

    for (int how = 0; how < 3; how++) {
        operand panel = matrix(t, 9, 2);

        for (int i = 0; i < 9; i++) {
            const int64_t at = place(&panel, 0, i, 0);
            const double factor = how < 2 && i > 1 ? 0 : how < 2 ? 1 : tiny;
            put(t, panel.host, at, factor * get(t, panel.host, at, 0),
                is_complex(t) && how != 1 ? factor * get(t, panel.host, at, 1) : 0);
        }
        BOTH(da_codelet_hetrd_column, how < 2 ? "zeros" : "tiny numbers", args, panel, matrix(t, 9, 4),
             matrix(t, 9, 1), matrix(t, 2, 1));
    }
}
END_TEST

START_TEST(gebrd_begin)
{
    const da_dtype t = dtypes[_i];

    for (int how = 0; how < 6; how++) {
        const da_gesdd_args args = {how % 2, 0};
        const double size = how / 2 == 0 ? 1 : pow(10, (how / 2 == 1 ? 1 : -1) * (is_single(t) ? 30 : 250));
        operand o[2] = {matrix(t, 23, 17), matrix(t, 17, 4)};

        for (int j = 0; j < 17; j++)
            for (int i = 0; i < 23; i++) {
                const int64_t at = place(&o[0], 0, i, j);
                put(t, o[0].host, at, size * get(t, o[0].host, at, 0),
                    is_complex(t) ? size * get(t, o[0].host, at, 1) : 0);
            }
        BOTH(da_codelet_gebrd_begin, "in range", args, copy_of(&o[0]), copy_of(&o[1]));
        put(t, o[0].host, place(&o[0], 0, 12, 16), is_complex(t) ? 1 : NAN, NAN);
        put(t, o[0].host, place(&o[0], 0, 22, 7), -INFINITY, 0);
        both_keep(&da_codelet_gebrd_begin, "no number", 2, o, &args, sizeof args);
        ck_assert_int_eq(*device_info, how % 2 ? 13 : 8);
        ck_assert(isnan(creal(got(&o[1], 16, 3))));
        drop_all(2, o);
    }
}
END_TEST

START_TEST(gebrd_columns_and_rows)
{
    const da_dtype t = dtypes[_i];
    enum { PANEL = 5 };

    for (int m = PANEL; m < 320; m += 290) {
        const int n = m > PANEL ? PANEL + 9 : PANEL;

        for (int64_t j = 0; j <= PANEL; j += j < 1 ? 1 : 2) {
            const da_hetrd_args args = {j};

            BOTH(da_codelet_gebrd_column, "a column", args, matrix(t, m, PANEL), matrix(t, m, 2 * PANEL),
                 matrix(t, n, 2 * PANEL), matrix(t, m + 3, 3), matrix(t, PANEL, 4));
            if (j < PANEL)
                BOTH(da_codelet_gebrd_row, "a row", args, matrix(t, 1, n - j - 1), matrix(t, m, 2 * PANEL),
                     matrix(t, n, 2 * PANEL), matrix(t, n + 3, 3), matrix(t, PANEL, 4));
        }
    }
}
END_TEST

/* A step that has real numbers alone on the device too, if t has; the CPU's result stays. */
static void step_of(da_dtype t, const da_codelet *codelet, int n, const operand *operands, const void *value,
                    size_t size)
{
    operand copies[OPERANDS];
    int64_t info;

    for (int i = 0; i < n; i++)
        copies[i] = copy_of(&operands[i]);
    if (is_complex(t)) {
        for (int i = 0; i < n; i++)
            copies[i].dtype = t; /* there is none for these */
        ck_assert(!on_device(codelet, n, copies, value, size));
        drop_all(n, copies);
    } else
        both(codelet, "a step of a merge", n, copies, value, size);
    on_cpu(codelet, n, operands, value, size, &info);
}

/* Where both have NaN, or the same infinity, both get 0. */
static void made_finite(operand *o)
{
    for (int64_t i = 0; i < (int64_t)(o->bytes / da_dtype_size(o->dtype)); i++) {
        const double a = get(o->dtype, o->host, i, 0), b = get(o->dtype, o->got, i, 0);

        if ((isnan(a) && isnan(b)) || (isinf(a) && a == b)) {
            put(o->dtype, o->host, i, 0, 0);
            put(o->dtype, o->got, i, 0, 0);
        }
    }
}

/* What is set aside on both, of what stays as it is. same() tells numbers of columns apart. */
static void deflated(const char *what, const da_codelet *codelet, int n, const operand *o,
                     const da_merge_args *args)
{
    operand copies[OPERANDS];
    int64_t info;

    for (int i = 0; i < n; i++)
        copies[i] = copy_of(&o[i]);
    ck_assert_msg(on_device(codelet, n, copies, args, sizeof *args), "%s: not taken", codelet->name);
    on_cpu(codelet, n, copies, args, sizeof *args, &info);
    for (int i = 0; i < n; i++) {
        made_finite(&copies[i]);
        same(codelet->name, what, &copies[i]);
    }
    drop_all(n, copies);
}

/* Parts that say what z did not; and a root that was not found is behind all, and so are those after it. */
static void order_of_nan(da_dtype t, const da_codelet *codelet, operand *o)
{
    const int64_t kept = (int64_t)get(o[0].dtype, o[0].host, place(&o[0], 0, 0, DA_PLAN_KEPT), 0);
    operand copies[4];
    int64_t info;

    if (is_complex(t) || kept == 0)
        return;
    for (int i = 0; i < 4; i++)
        copies[i] = copy_of(&o[i]);
    for (int64_t i = 0; i < kept; i++)
        put(t, copies[1].host, place(&copies[1], 0, i, 0), -2 - (double)i, 0);
    put(t, copies[2].host, GAP + kept / 2, NAN, 0);
    ck_assert(on_device(codelet, 4, copies, NULL, 0));
    on_cpu(codelet, 4, copies, NULL, 0, &info);
    same(codelet->name, "a root that is not there", &copies[0]);
    drop_all(4, copies);
}

/* Two parts of order `top` and n - top, and what they are coupled by; what other tests look at on the CPU. */
static void merge(da_dtype t, int top, int n, double coupling, bool even)
{
    const da_dtype real = is_single(t) ? DA_F32 : DA_F64;
    const da_merge_args all = {.top = top};
    operand d = reals(t, 0, n), e = reals(t, 0, n), off = reals(t, 0, 1), q = matrix(real, n, n);
    operand plan = matrix(real, n, DA_PLAN_COLUMNS), packed = matrix(real, n, n), lambda = reals(t, 0, n),
            shifts = matrix(real, n, 2), parts = matrix(real, n, 1), values = reals(t, 0, n);
    int64_t info;

    for (int i = 0; i < n; i++) {
        put(real, d.host, GAP + i, even ? 1 : unit(), 0);
        put(real, e.host, GAP + i, even ? 0 : unit(), 0);
        for (int j = 0; j < 2; j++)
            put(real, shifts.host, place(&shifts, 0, i, j), NAN, 0);
        for (int j = 0; j < n; j++)
            put(real, q.host, place(&q, 0, i, j), 0, 0);
    }
    put(real, off.host, GAP, coupling, 0);
    for (int part = 0; part < 2; part++) {
        const da_stedc_args args = {part ? top : 0};
        const int64_t order = part ? n - top : top;
        operand own = reals(t, 0, order), z = matrix(real, n, order);

        for (int i = 0; i < order; i++)
            put(real, own.host, GAP + i, get(real, d.host, GAP + args.at + i, 0), 0);
        on_cpu(&da_codelet_stedc, 3, (operand[]){own, e, z}, &args, sizeof args, &info);
        for (int j = 0; j < order; j++) {
            put(real, d.host, GAP + args.at + j, get(real, own.host, GAP + j, 0), 0);
            for (int i = 0; i < n; i++)
                put(real, q.host, place(&q, 0, i, args.at + j), get(real, z.host, place(&z, 0, i, j), 0), 0);
        }
        drop(&own);
        drop(&z);
    }
    on_cpu(&da_codelet_stedc_deflate, 4, (operand[]){d, off, q, plan}, &all, sizeof all, &info);
    if (isnan(coupling))
        on_cpu(&da_codelet_merge_pack, 3, (operand[]){plan, q, packed}, &all, sizeof all, &info);
    else
        step_of(t, &da_codelet_merge_pack, 3, (operand[]){plan, q, packed}, &all, sizeof all);
    on_cpu(&da_codelet_stedc_secular, 4, (operand[]){plan, shifts, parts, lambda}, &all, sizeof all, &info);
    order_of_nan(t, &da_codelet_stedc_order, (operand[]){plan, parts, lambda, values});
    if (isnan(coupling))
        on_cpu(&da_codelet_stedc_order, 4, (operand[]){plan, parts, lambda, values}, NULL, 0, &info);
    else
        step_of(t, &da_codelet_stedc_order, 4, (operand[]){plan, parts, lambda, values}, NULL, 0);
    for (int at = n > 100 ? n - 30 : 0; at < n; at += 20) {
        const da_merge_args args = {.top = top, .column = at};
        const int width = n - at < 20 ? n - at : 20;
        operand o[4] = {copy_of(&plan), copy_of(&packed), copy_of(&shifts), matrix(t, n, width)};

        ck_assert(on_device(&da_codelet_stedc_product, 4, o, &args, sizeof args));
        on_cpu(&da_codelet_stedc_product, 4, o, &args, sizeof args, &info);
        if (isnan(coupling))
            ck_assert_int_eq(first_nan(&o[3], o[3].got), 0);
        else
            same("stedc_product", "a merge", &o[3]);
        drop_all(4, o);
    }
    drop_all(10, (operand[]){d, e, off, q, plan, packed, lambda, shifts, parts, values});
}

START_TEST(stedc_product)
{
    static const struct {
        int top, n;
        double coupling;
        bool even;
    } cases[] = {{17, 40, 0.5, false}, {300, 320, -0.5, false}, {20, 40, 0, false}, /* nothing is kept */
                 {20, 40, 0.5, true},                                               /* little is */
                 {1, 2, 0.7, false},   {20, 40, NAN, false}};

    for (int c = 0; c < 6; c++)
        merge(dtypes[_i], cases[c].top, cases[c].n, cases[c].coupling, cases[c].even);
}
END_TEST

/* A leaf of the bidiagonal matrix d, e: its rows from `at` on, and columns of u and v. */
static void singular_leaf(const operand *d, const operand *e, int at, int rows, int columns, const operand *u,
                          const operand *v)
{
    const da_dtype real = d->dtype;
    const da_stedc_args args = {at};
    operand o[4] = {reals(real, 0, rows), *e, matrix(real, e->shape[0], columns),
                    matrix(real, e->shape[0], columns)};
    int64_t info;

    for (int i = 0; i < rows; i++)
        put(real, o[0].host, GAP + i, get(real, d->host, GAP + at + i, 0), 0);
    on_cpu(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args, &info);
    for (int i = 0; i < rows; i++)
        put(real, d->host, GAP + at + i, get(real, o[0].host, GAP + i, 0), 0);
    for (int right = 0; right < 2; right++) {
        const operand *const from = &o[2 + right], *const to = right ? v : u;

        for (int j = 0; j < columns && at + j < to->shape[1]; j++)
            for (int i = 0; i < to->shape[0]; i++)
                put(real, to->host, place(to, 0, i, at + j), get(real, from->host, place(from, 0, i, j), 0),
                    0);
    }
    drop(&o[0]);
    drop_all(2, &o[2]);
}

/* Parts of top - 1 and n - top rows with the row between them; there may be a column more than rows. */
static void merge_singular(da_dtype t, int top, int n, bool more, double coupling, bool even)
{
    const da_dtype real = is_single(t) ? DA_F32 : DA_F64;
    const da_merge_args all = {.top = top};
    const int columns = n + more;
    const bool finite = isfinite(coupling);
    operand d = reals(t, 0, n), e = reals(t, 0, columns), off = reals(t, 0, 1), u = matrix(real, n, n),
            v = matrix(real, columns, columns), plan = matrix(real, n, DA_PLAN_COLUMNS);
    operand shifts = matrix(real, n, 2), parts = matrix(real, n, 1), sigma = reals(t, 0, n),
            values = reals(t, 0, n);
    int64_t info;

    for (int i = 0; i < n; i++) {
        put(real, d.host, GAP + i, even ? 1 : unit(), 0);
        put(real, e.host, GAP + i, even ? 0 : unit(), 0);
        for (int j = 0; j < 2; j++)
            put(real, shifts.host, place(&shifts, 0, i, j), NAN, 0);
    }
    put(real, off.host, GAP, coupling, 0);
    singular_leaf(&d, &e, 0, top - 1, top, &u, &v);
    singular_leaf(&d, &e, top, n - top, columns - top, &u, &v);
    on_cpu(&da_codelet_bdsdc_deflate, 5, (operand[]){d, off, u, v, plan}, &all, sizeof all, &info);
    on_cpu(&da_codelet_bdsdc_secular, 4, (operand[]){plan, shifts, parts, sigma}, &all, sizeof all, &info);
    order_of_nan(t, &da_codelet_bdsdc_order, (operand[]){plan, parts, sigma, values});
    if (finite)
        step_of(t, &da_codelet_bdsdc_order, 4, (operand[]){plan, parts, sigma, values}, NULL, 0);
    else
        on_cpu(&da_codelet_bdsdc_order, 4, (operand[]){plan, parts, sigma, values}, NULL, 0, &info);
    for (int right = 0; right < 2; right++) {
        const int m = right ? columns : n;
        operand q = right ? v : u, packed = matrix(real, m, n);

        q.shape[1] = n; /* not that of the singular value 0 */
        on_cpu(&da_codelet_merge_pack, 3, (operand[]){plan, q, packed}, &all, sizeof all, &info);
        for (int last = 0; last < 2; last++) {
            const int width = n < 6 ? n : 6, at = last ? n - width : 0;
            const da_merge_args own = {.top = top, .column = at};
            operand some = matrix(real, m, width);

            if (finite)
                step_of(t, &da_codelet_merge_pack, 3, (operand[]){plan, q, some}, &own, sizeof own);
            drop(&some);
            for (unsigned turned = 0; turned <= (unsigned)right; turned++) {
                const da_merge_args args = {
                    .top = top, .column = at, .right = (unsigned)right, .turned = turned};
                operand o[5] = {copy_of(&plan), copy_of(&packed), copy_of(&shifts), copy_of(&sigma),
                                turned ? matrix(t, width, m) : matrix(t, m, width)};

                ck_assert(on_device(&da_codelet_bdsdc_product, 5, o, &args, sizeof args));
                on_cpu(&da_codelet_bdsdc_product, 5, o, &args, sizeof args, &info);
                if (finite)
                    same("bdsdc_product", turned ? "turned" : "a merge", &o[4]);
                else
                    ck_assert_int_eq(first_nan(&o[4], o[4].got), 0);
                drop_all(5, o);
            }
        }
        drop(&packed);
    }
    drop_all(10, (operand[]){d, e, off, u, v, plan, shifts, parts, sigma, values});
}

START_TEST(bdsdc_product)
{
    static const struct {
        int top, n;
        bool more;
        double coupling;
        bool even;
    } cases[] = {{18, 40, false, 0.5, false}, {18, 41, true, 0.5, false}, {300, 320, true, -0.5, false},
                 {20, 40, false, 0, true}, /* little is kept */
                 {2, 3, false, 0.7, false},   {2, 3, false, 0, false},    {20, 40, true, NAN, false}};

    for (int c = 0; c < 7; c++)
        merge_singular(dtypes[_i], cases[c].top, cases[c].n, cases[c].more, cases[c].coupling, cases[c].even);
}
END_TEST

/* ---- what merges begin with ---- */

/* One has more numbers than a work-group has lanes. */
static const struct {
    int n, at, beside;
} parts_of[] = {{1, 0, 0},  {1, 2, 3},   {2, 0, 1}, {2, 4, 0}, {21, 0, 0},
                {21, 5, 4}, {370, 7, 1}, {0, 3, 2}, {0, 0, 0}};
enum { PARTS = 9 };

/* d on the diagonal of an m x n matrix, e's part from `at` on above it, or with `both` on both sides. */
static double _Complex *bands(int m, int n, const operand *d, const operand *e, int at, bool both_sides)
{
    double _Complex *const x = calloc((size_t)m * (size_t)n, sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (int i = 0; i < m; i++) {
        x[i + i * m] = get(d->dtype, d->host, GAP + i, 0);
        if (i + 1 < n)
            x[i + (i + 1) * m] = get(e->dtype, e->host, GAP + at + i, 0);
        if (i + 1 < n && both_sides)
            x[i + 1 + i * m] = x[i + (i + 1) * m];
    }
    return x;
}

START_TEST(stedc)
{
    const da_dtype t = dtypes[_i];

    for (int c = 0; c < PARTS; c++) {
        const int n = parts_of[c].n, at = parts_of[c].at, m = at + n + parts_of[c].beside;
        const da_stedc_args args = {at};
        operand o[3] = {random_reals(t, n), random_reals(t, m), matrix(t, m, n)};
        int64_t info;

        ck_assert(on_device(&da_codelet_stedc, 3, o, &args, sizeof args));
        ck_assert_int_eq(*device_info, 0);
        zeros_and_gaps("stedc", &o[2], at, n);
        if (n > 0) {
            double _Complex *const a = bands(n, n, &o[0], &o[1], at, true),
                                   *const z = rows_of(&o[2], at, n, n), *const zw = rows_of(&o[2], at, n, n);

            a[0] -= at > 0 ? fabs(get(o[1].dtype, o[1].host, GAP + at - 1, 0)) : 0;
            a[n * n - 1] -= at + n < m ? fabs(get(o[1].dtype, o[1].host, GAP + at + n - 1, 0)) : 0;
            for (int j = 0; j < n; j++)
                for (int i = 0; i < n; i++)
                    zw[i + j * n] *= got_real(&o[0], j);
            const double ratio = residual(t, n, n, n, a, false, z, zw, norm_of(n * n, a));
            ck_assert_msg(ratio < 30, "order %d %s: T z - z w: %g", n, da_dtype_name(t), ratio);
            ck_assert_msg(not_unitary(t, n, z) < 30, "order %d %s: %g", n, da_dtype_name(t),
                          not_unitary(t, n, z));
            free(a);
            free(z);
            free(zw);
        }
        on_cpu(&da_codelet_stedc, 3, o, &args, sizeof args, &info);
        same("stedc", "values", &o[0]);
        drop_all(3, o);
    }
}
END_TEST

/* whose second operand is used up */
START_TEST(sterf)
{
    const da_dtype t = dtypes[_i];

    for (int c = 0; c < PARTS; c++) {
        operand o[2] = {random_reals(t, parts_of[c].n), random_reals(t, parts_of[c].n)};
        int64_t info;

        if (is_complex(t)) {
            o[0].dtype = t; /* T is real */
            ck_assert(!on_device(&da_codelet_sterf, 2, o, NULL, 0));
        } else {
            ck_assert(on_device(&da_codelet_sterf, 2, o, NULL, 0));
            on_cpu(&da_codelet_sterf, 2, o, NULL, 0, &info);
            ck_assert_int_eq(*device_info, info);
            same("sterf", "values", &o[0]);
        }
        drop_all(2, o);
    }
}
END_TEST

/* In the first place of d and of e, in the middle and in the last one, which lies beside the part. */
START_TEST(tridiagonal_of_nan)
{
    enum { N = 21, HEIGHT = 31 };
    const da_dtype t = dtypes[_i];
    const da_stedc_args args = {6};

    for (int where = 0; where < 2; where++)
        for (int p = 0; p < 3; p++) {
            operand o[3] = {random_reals(t, N), random_reals(t, HEIGHT), matrix(t, HEIGHT, N)},
                    alone[2] = {random_reals(t, N), random_reals(t, N)};
            const double bad = p == 1 ? -INFINITY : NAN;

            put(o[where].dtype, o[where].host, GAP + p * (o[where].shape[0] - 1) / 2, bad, 0);
            put(o[where].dtype, alone[where].host, GAP + p * (N - 1) / 2, bad, 0);
            both_keep(&da_codelet_stedc, "no number", 3, o, &args, sizeof args);
            ck_assert_int_eq(*device_info, HEIGHT + 1);
            no_numbers("stedc", &o[0]);
            no_numbers("stedc", &o[2]);
            if (!is_complex(t)) {
                both_keep(&da_codelet_sterf, "no number", 2, alone, NULL, 0);
                ck_assert_int_eq(*device_info, N + 1);
                no_numbers("sterf", &alone[0]);
            }
            drop_all(3, o);
            drop_all(2, alone);
        }
}
END_TEST

START_TEST(bdsdc_values)
{
    const da_dtype t = dtypes[_i];
    const da_bdsdc_args args = {.offset = 1000};

    for (int c = 0; c < PARTS; c++) {
        const int n = parts_of[c].n;
        operand values = matrix(t, n, 4);

        if (n > 0)
            put(t, values.host, place(&values, 0, n - 1, 3), 0.25, 7);
        BOTH(da_codelet_bdsdc_values, "values alone", args, values, reals(t, 0, n));
    }
    BOTH(da_codelet_bdsdc_values, "a batch", args, matrices(t, 2, 7, 4), reals(t, 2, 7));
    for (int column = 2; column < 4; column++)
        for (int i = 0; i < 21; i += 10) {
            operand o[2] = {matrix(t, 21, 4), reals(t, 0, 21)};

            put(t, o[0].host, place(&o[0], 0, i, column), i == 10 ? INFINITY : NAN, 0);
            both_keep(&da_codelet_bdsdc_values, "no number", 2, o, &args, sizeof args);
            ck_assert_int_eq(*device_info, 1001);
            no_numbers("bdsdc_values", &o[1]);
            drop_all(2, o);
        }
}
END_TEST

/* With a column more than rows there is a vector of the singular value 0, too. */
static void leaf(da_dtype t, int n, int at, int beside, bool more)
{
    const int columns = n + more, height = at + columns + beside;
    const da_stedc_args args = {at};
    operand o[4] = {random_reals(t, n), random_reals(t, height), matrix(t, height, columns),
                    matrix(t, height, columns)};
    int64_t info;

    if (at > 0)
        put(t, o[1].host, GAP + at - 1, NAN, 0); /* which is not read, nor is the next */
    if (beside > 0)
        put(t, o[1].host, GAP + at + columns - 1, NAN, 0);
    ck_assert(on_device(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args));
    ck_assert_int_eq(*device_info, 0);
    zeros_and_gaps("bdsdc_leaf", &o[2], at, n);
    zeros_and_gaps("bdsdc_leaf", &o[3], at, columns);
    double _Complex *const b = bands(n, columns, &o[0], &o[1], at, false),
                           *const u = rows_of(&o[2], at, n, n), *const us = rows_of(&o[2], at, n, columns),
                           *const v = rows_of(&o[3], at, columns, columns);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++)
            us[i + j * n] *= got_real(&o[0], j);
    const double ratio = residual(t, n, columns, columns, b, false, v, us, norm_of(n * columns, b));
    ck_assert_msg(ratio < 30, "%d x %d %s: B v - u s: %g", n, columns, da_dtype_name(t), ratio);
    ck_assert_msg(not_unitary(t, n, u) < 30, "%d x %d %s: u: %g", n, columns, da_dtype_name(t),
                  not_unitary(t, n, u));
    ck_assert_msg(not_unitary(t, columns, v) < 30, "%d x %d %s: v: %g", n, columns, da_dtype_name(t),
                  not_unitary(t, columns, v));
    on_cpu(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args, &info);
    same("bdsdc_leaf", "values", &o[0]);
    free(b);
    free(u);
    free(us);
    free(v);
    drop_all(4, o);
}

/* of real dtypes alone */
START_TEST(bdsdc_leaf)
{
    const da_dtype t = dtypes[_i];

    for (int c = 0; c < PARTS && !is_complex(t); c++)
        for (int more = 0; more < 2 && parts_of[c].n > 0; more++)
            leaf(t, parts_of[c].n, parts_of[c].at, parts_of[c].beside, more);
}
END_TEST

/* No fault, since gebrd has told what there is to tell. */
START_TEST(bdsdc_leaf_of_nan)
{
    enum { N = 21, AT = 3 };
    const da_dtype t = dtypes[_i];
    const da_stedc_args args = {AT};

    for (int in_e = 0; in_e < 2 && !is_complex(t); in_e++)
        for (int i = 0; i < N; i += 10) {
            operand o[4] = {random_reals(t, N), random_reals(t, N + 5), matrix(t, N + 5, N + 1),
                            matrix(t, N + 5, N + 1)};
            int64_t info;

            put(t, o[in_e].host, GAP + i + (in_e ? AT : 0), i == 10 ? INFINITY : NAN, 0);
            ck_assert(on_device(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args));
            on_cpu(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args, &info);
            ck_assert_int_eq(info, 0);
            ck_assert_int_eq(*device_info, 0);
            no_numbers("bdsdc_leaf", &o[0]);
            no_numbers("bdsdc_leaf", &o[2]);
            no_numbers("bdsdc_leaf", &o[3]);
            drop_all(4, o);
        }
}
END_TEST

START_TEST(bdsdc_begin)
{
    const da_dtype t = dtypes[_i];

    for (int n = 1; n < 300; n += 289)
        both(&da_codelet_bdsdc_begin, "B", 3, (operand[]){matrix(t, n, 4), reals(t, 0, n), reals(t, 0, n)},
             NULL, 0);
    both(&da_codelet_bdsdc_begin, "a batch", 3,
         (operand[]){matrices(t, 2, 7, 4), reals(t, 2, 7), reals(t, 2, 7)}, NULL, 0);
}
END_TEST

/* A step on the device, whose results become the operands'. */
static void step_there(const da_codelet *codelet, int n, operand *o, const void *value, size_t size)
{
    ck_assert_msg(on_device(codelet, n, o, value, size), "%s: not taken", codelet->name);
    ck_assert_msg(*device_info == 0, "%s: info %lld", codelet->name, (long long)*device_info);
    for (int i = 0; i < n; i++) {
        memcpy(o[i].host, o[i].got, o[i].bytes);
        free(o[i].got);
        o[i].got = NULL;
    }
}

/* ||I - Q^T Q|| / (n eps) */
static double skewness(const operand *q)
{
    const int64_t m = q->shape[0], n = q->shape[1];
    double squares = 0;

    for (int64_t j = 0; j < n; j++)
        for (int64_t k = 0; k <= j; k++) {
            double sum = j == k ? -1 : 0;

            for (int64_t i = 0; i < m; i++)
                sum += get(q->dtype, q->host, place(q, 0, i, j), 0) *
                       get(q->dtype, q->host, place(q, 0, i, k), 0);
            squares += (j == k ? 1 : 2) * sum * sum;
        }
    return sqrt(squares) / ((double)n * (is_single(q->dtype) ? FLT_EPSILON : DBL_EPSILON));
}

/* Number i of a vector, 0 beside it. */
static double number(const operand *o, int64_t i)
{
    return i < 0 || i >= o->shape[0] ? 0 : get(o->dtype, o->host, GAP + i, 0);
}

/* ||A X - Y S|| / (||A|| n eps), where A has rows of three numbers, before, on and behind its diagonal. */
static double misfit(const operand *before, const operand *on, const operand *behind, const operand *x,
                     const operand *y, const operand *s)
{
    const int64_t m = y->shape[0], n = s->shape[0];
    double squares = 0, norm = 0;

    for (int64_t i = 0; i < m; i++) {
        const double row[3] = {before ? number(before, i - 1) : 0, number(on, i),
                               i + 1 < x->shape[0] ? number(behind, i) : 0};

        for (int k = 0; k < 3; k++)
            norm += row[k] * row[k];
        for (int64_t j = 0; j < n; j++) {
            double sum = -number(s, j) * get(y->dtype, y->host, place(y, 0, i, j), 0);

            for (int k = 0; k < 3; k++)
                if (i + k > 0 && i + k - 1 < x->shape[0])
                    sum += row[k] * get(x->dtype, x->host, place(x, 0, i + k - 1, j), 0);
            squares += sum * sum;
        }
    }
    return sqrt(squares / norm) / ((double)n * (is_single(y->dtype) ? FLT_EPSILON : DBL_EPSILON));
}

/* Values of kind `kind`, of matrices that are set aside in part, or graded, or have clusters. */
static double number_of_kind(int kind, int i)
{
    switch (kind) {
    case 0: return unit();
    case 1: return 1 + 1e-3 * unit();
    case 2: return (i % 3 ? 1e-4 : 1) * unit();
    default: return unit() * pow(0.8, i);
    }
}

/* All steps of a merge of eigenvalues on the device. */
static void whole_merge(da_dtype t, int top, int n, int kind, double coupling)
{
    const da_merge_args all = {.top = top};
    operand d = reals(t, 0, n), e = reals(t, 0, n), off = reals(t, 0, 1), q = matrix(t, n, n);
    operand plan = matrix(t, n, DA_PLAN_COLUMNS), packed = matrix(t, n, n), lambda = reals(t, 0, n),
            shifts = matrix(t, n, 2), parts = matrix(t, n, 1), values = reals(t, 0, n), z = matrix(t, n, n);
    int64_t info;

    for (int i = 0; i < n; i++) {
        put(t, d.host, GAP + i, number_of_kind(kind, i), 0);
        put(t, e.host, GAP + i, (kind == 1 ? 1e-3 : 1) * number_of_kind(kind, i), 0);
    }
    put(t, e.host, GAP + top - 1, coupling, 0);
    put(t, off.host, GAP, coupling, 0);
    operand diagonal = copy_of(&d);
    for (int part = 0; part < 2; part++) {
        const da_stedc_args args = {part ? top : 0};
        const int64_t order = part ? n - top : top;
        operand own = reals(t, 0, order), leaf = matrix(t, n, order);
        const size_t size = da_dtype_size(t);

        memcpy(own.host + GAP * size, d.host + (size_t)(GAP + args.at) * size, (size_t)order * size);
        on_cpu(&da_codelet_stedc, 3, (operand[]){own, e, leaf}, &args, sizeof args, &info);
        memcpy(d.host + (size_t)(GAP + args.at) * size, own.host + GAP * size, (size_t)order * size);
        for (int64_t j = 0; j < order; j++)
            memcpy(q.host + (size_t)place(&q, 0, 0, args.at + j) * size,
                   leaf.host + (size_t)place(&leaf, 0, 0, j) * size, (size_t)n * size);
        drop(&own);
        drop(&leaf);
    }
    deflated("a merge", &da_codelet_stedc_deflate, 4, (operand[]){d, off, q, plan}, &all);
    step_there(&da_codelet_stedc_deflate, 4, (operand[]){d, off, q, plan}, &all, sizeof all);
    step_there(&da_codelet_merge_pack, 3, (operand[]){plan, q, packed}, &all, sizeof all);
    step_there(&da_codelet_stedc_secular, 4, (operand[]){plan, shifts, parts, lambda}, &all, sizeof all);
    step_there(&da_codelet_stedc_order, 4, (operand[]){plan, parts, lambda, values}, NULL, 0);
    step_there(&da_codelet_stedc_product, 4, (operand[]){plan, packed, shifts, z}, &all, sizeof all);
    const double skew = skewness(&z), wrong = misfit(&e, &diagonal, &e, &z, &z, &values);
    ck_assert_msg(skew < 30 && wrong < 30, "%d and %d of kind %d: vectors %g, residual %g", top, n - top,
                  kind, skew, wrong);
    drop_all(12, (operand[]){d, e, off, q, plan, packed, lambda, shifts, parts, values, z, diagonal});
}

/* And of singular values. */
static void whole_singular_merge(da_dtype t, int top, int n, bool more, int kind, double coupling)
{
    const da_merge_args all = {.top = top};
    const int columns = n + more;
    operand d = reals(t, 0, n), e = reals(t, 0, columns), off = reals(t, 0, 1), u = matrix(t, n, n),
            v = matrix(t, columns, columns), plan = matrix(t, n, DA_PLAN_COLUMNS);
    operand shifts = matrix(t, n, 2), parts = matrix(t, n, 1), sigma = reals(t, 0, n),
            values = reals(t, 0, n);
    operand y = matrix(t, n, n), x = matrix(t, columns, columns);

    for (int i = 0; i < columns; i++) {
        if (i < n)
            put(t, d.host, GAP + i, number_of_kind(kind, i), 0);
        put(t, e.host, GAP + i, (kind == 1 ? 1e-3 : 1) * number_of_kind(kind, i), 0);
    }
    put(t, e.host, GAP + top - 1, coupling, 0);
    put(t, off.host, GAP, coupling, 0);
    operand diagonal = copy_of(&d);
    singular_leaf(&d, &e, 0, top - 1, top, &u, &v);
    singular_leaf(&d, &e, top, n - top, columns - top, &u, &v);
    deflated("a merge", &da_codelet_bdsdc_deflate, 5, (operand[]){d, off, u, v, plan}, &all);
    step_there(&da_codelet_bdsdc_deflate, 5, (operand[]){d, off, u, v, plan}, &all, sizeof all);
    step_there(&da_codelet_bdsdc_secular, 4, (operand[]){plan, shifts, parts, sigma}, &all, sizeof all);
    step_there(&da_codelet_bdsdc_order, 4, (operand[]){plan, parts, sigma, values}, NULL, 0);
    if (more) /* the last column of V is that of the singular value 0 */
        memcpy(x.host + (size_t)place(&x, 0, 0, n) * da_dtype_size(t),
               v.host + (size_t)place(&v, 0, 0, n) * da_dtype_size(t), (size_t)columns * da_dtype_size(t));
    for (unsigned right = 0; right < 2; right++) {
        const da_merge_args args = {.top = top, .right = right};
        operand q = right ? v : u, packed = matrix(t, right ? columns : n, n), to = right ? x : y;

        q.shape[1] = to.shape[1] = n;
        step_there(&da_codelet_merge_pack, 3, (operand[]){plan, q, packed}, &all, sizeof all);
        step_there(&da_codelet_bdsdc_product, 5, (operand[]){plan, packed, shifts, sigma, to}, &args,
                   sizeof args);
        drop(&packed);
    }
    const double left = skewness(&y), right = skewness(&x),
                 wrong = misfit(NULL, &diagonal, &e, &x, &y, &values);
    ck_assert_msg(left < 30 && right < 30 && wrong < 30,
                  "%d of %d (%d), kind %d: vectors %g, %g, residual %g", top, n, columns, kind, left, right,
                  wrong);
    drop_all(13, (operand[]){d, e, off, u, v, plan, shifts, parts, sigma, values, y, x, diagonal});
}

/* Values of both parts in their order, some of them alike, times a number; vectors that are none, with rows whose numbers are of all sizes; or something
 * that is not finite in one of the places that count. */
static void deflate_of(da_dtype t, bool singular, int top, int n, bool more, double factor, int bad_place)
{
    static const char *const places[] = {"nothing",   "off",          "a value",       "a row above",
                                         "one below", "infinite off", "infinite value"};
    const int columns = n + more, middle = top - 1;
    const da_merge_args args = {.top = top};
    operand values = reals(t, 0, n), off = reals(t, 0, 1), u = matrix(t, n, n),
            v = matrix(t, columns, columns), plan = matrix(t, n, DA_PLAN_COLUMNS);
    char what[80];

    snprintf(what, sizeof what, "%d of %d and %d, times %g, not finite: %s", top, n, more, factor,
             places[bad_place]);
    for (int i = 0, first = 0; i < n; i++) {
        const bool begins = i == 0 || i == top, between = singular && i == middle;

        first = begins ? i : first;
        const double step = (i - first) / 3 * 0.02, ascending = step - 0.4 + 0.01 * unit() * (i % 3 == 2);
        put(t, values.host, GAP + i, factor * (between ? 0.7 : singular ? 0.9 - step : ascending), 0);
    }
    for (int i = 1; i < n && !singular; i++) /* ascending */
        if (i != top && number(&values, i) < number(&values, i - 1))
            put(t, values.host, GAP + i, number(&values, i - 1), 0);
    put(t, off.host, GAP, factor * 0.3 * (unit() < 0 ? -1 : 1), 0);
    for (int j = 0; j < columns; j++)
        for (int row = top - 1; row <= top && row < columns; row++) {
            const int64_t at = place(&v, 0, row, j);

            put(t, v.host, at, get(t, v.host, at, 0) * (j % 4 == 1 ? 1e-17 : j % 4 == 3 ? 1e-5 : 1), 0);
        }
    switch (bad_place) {
    case 0: break;
    case 1: put(t, off.host, GAP, NAN, 0); break;
    case 2: put(t, values.host, GAP + n - 1, NAN, 0); break;
    case 3: put(t, v.host, place(&v, 0, top - 1, 0), NAN, 0); break;
    case 4: put(t, v.host, place(&v, 0, top, columns - 1), INFINITY, 0); break;
    case 5: put(t, off.host, GAP, -INFINITY, 0); break;
    default: put(t, values.host, GAP, INFINITY, 0); break;
    }
    if (singular)
        deflated(what, &da_codelet_bdsdc_deflate, 5, (operand[]){values, off, u, v, plan}, &args);
    else
        deflated(what, &da_codelet_stedc_deflate, 4, (operand[]){values, off, v, plan}, &args);
    drop_all(5, (operand[]){values, off, u, v, plan});
}

START_TEST(deflate)
{
    const da_dtype t = dtypes[_i];
    const double factors[] = {1, is_single(t) ? 1e-42 : 1e-318, is_single(t) ? 1e38 : 1e308, 0};

    for (int f = 0; f < 4; f++) {
        deflate_of(t, false, 13, 40, false, factors[f], 0);
        deflate_of(t, false, 300, 301, false, factors[f], 0);
        for (int more = 0; more < 2; more++) {
            deflate_of(t, true, 13, 40, more, factors[f], 0);
            deflate_of(t, true, 1, 300, more, factors[f], 0);
        }
    }
    for (int bad_place = 1; bad_place < 7; bad_place++)
        for (int more = 0; more < 2; more++) {
            if (!more)
                deflate_of(t, false, 8, 17, more, 1, bad_place);
            deflate_of(t, true, 8, 17, more, 1, bad_place);
        }
}
END_TEST

START_TEST(whole_merges)
{
    static const int sizes[][2] = {{1, 2}, {1, 3}, {17, 40}, {39, 40}, {150, 280}};

    for (int kind = 0; kind < 4; kind++)
        for (int c = 0; c < 5; c++)
            for (int sign = -1; sign < 2; sign++) {
                const int top = sizes[c][0], n = sizes[c][1];
                const double coupling = sign * (kind == 3 ? 1e-3 : 0.7);

                if (n > 100 && sign == 0)
                    continue;
                whole_merge(dtypes[_i], top, n, kind, coupling);
                if (n > 2 && top > 1)
                    for (int more = 0; more < 2; more++)
                        whole_singular_merge(dtypes[_i], top, n, more, kind, coupling);
            }
}
END_TEST

/* ---- roots ---- */

/* Poles d and weights z of `kept` values, and rho, put to a plan of n; poles no nearer to each other than those that are kept. */
static operand plan_of_kind(da_dtype t, int kind, int n, int kept, bool singular, double rho)
{
    const double eps = is_single(t) ? FLT_EPSILON : DBL_EPSILON, least = 32 * eps;
    operand plan = matrix(t, n, DA_PLAN_COLUMNS);
    double at = singular ? 0 : unit(), squares = 0;
    double *const z = calloc((size_t)kept + 1, sizeof *z);

    ck_assert_ptr_nonnull(z);
    for (int i = 0; i < kept; i++) {
        const double tiny = pow(least, fabs(unit()));
        double gap = fabs(unit());

        z[i] = unit();
        switch (kind) {
        case 0: break;
        case 1: gap = i % 5 == 4 ? gap : 0; break;                   /* clusters */
        case 2: z[i] *= tiny; break;                                 /* weights of all sizes */
        case 3: z[i] *= i == kept / 2 ? 1 : least; break;            /* one of them counts */
        case 4: gap = pow(least, 1 - (i + 1.) / kept); break;        /* graded */
        case 5: gap = tiny, z[i] *= pow(least, fabs(unit())); break; /* both of all sizes */
        default: gap = 1 + i % 2, z[i] = i % 2 ? 1e-3 : 1; break;
        }
        if (fabs(z[i]) < least)
            z[i] = least;
        squares += z[i] * z[i];
        put(t, plan.host, place(&plan, 0, i, DA_PLAN_D), at, 0);
        at += (gap + least) * (kind == 4 ? 1 : 1. / kept) + 2 * eps * fabs(at);
    }
    for (int i = 0; i < kept; i++)
        put(t, plan.host, place(&plan, 0, i, DA_PLAN_Z), z[i] * sqrt((singular ? rho : 1) / squares), 0);
    put(t, plan.host, place(&plan, 0, 0, DA_PLAN_RHO), rho, 0);
    put(t, plan.host, place(&plan, 0, 0, DA_PLAN_KEPT), kept, 0);
    free(z);
    return plan;
}

/* d_i - root as the device has it in row j of shifts, rounded as there. */
static double delta_of(const operand *plan, const operand *shifts, int64_t j, int i)
{
    const int s = (int)get(plan->dtype, shifts->got, place(shifts, 0, j, 0), 0);
    const double d = get(plan->dtype, plan->host, place(plan, 0, i, DA_PLAN_D), 0),
                 nearest = get(plan->dtype, plan->host, place(plan, 0, s, DA_PLAN_D), 0),
                 shift = get(plan->dtype, shifts->got, place(shifts, 0, j, 1), 0);

    return is_single(plan->dtype) ? (float)d - (float)nearest + (float)shift : d - nearest + shift;
}

/* The secular function of a row of shifts, its slope, and what its rounding errors are measured by. */
typedef struct root_is {
    long double value, slope, size;
} root_is;

static root_is judged(const operand *plan, int kept, bool singular, const operand *shifts, int64_t j,
                      double root)
{
    const da_dtype t = plan->dtype;
    const long double first =
        singular ? 1 : 1 / (long double)get(t, plan->host, place(plan, 0, 0, DA_PLAN_RHO), 0);
    root_is r = {first, 0, first};
    long double nearest = INFINITY;

    for (int i = 0; i < kept; i++) {
        const long double d = get(t, plan->host, place(plan, 0, i, DA_PLAN_D), 0),
                          z = get(t, plan->host, place(plan, 0, i, DA_PLAN_Z), 0),
                          delta = delta_of(plan, shifts, j, i), sum = d + root,
                          y = z / delta / (singular ? sum : 1);

        r.value += z * z / delta / (singular ? sum : 1);
        r.slope += y * y * (singular ? 2 * (long double)root : 1);
        r.size += fabsl(z * z / delta / (singular ? sum : 1));
        nearest = fminl(nearest, fabsl(delta));
    }
    r.size += nearest * r.slope;
    return r;
}

/* What has been compared is no more. */
static void compared(operand *o, int64_t at)
{
    put(o->dtype, o->host, at, 0, 0);
    put(o->dtype, o->got, at, 0, 0);
}

/* Row j of shifts, of root number `which`. d_i - root is (d_i - d_s) - tau, where d_s is the nearest pole: two roundings, the first one of what is at most 3.5 times the
 * result (squares have the nearest pole in the middle of theirs), so it is right to a few roundings for one tau. This itself is as good as the function tells: with u for
 * half an epsilon, it is done once that is no more than 8 u of its terms' sizes, which has errors of some roundings of each term and as many as the sums are deep. */
static root_is check_shifts(const operand *plan, const char *what, int kept, bool singular,
                            const operand *shifts, int64_t j, int which, double root)
{
    const da_dtype t = plan->dtype;
    const long double u = (is_single(t) ? FLT_EPSILON : DBL_EPSILON) / 2;
    const root_is r = judged(plan, kept, singular, shifts, j, root);
    const int s = (int)get(t, shifts->got, place(shifts, 0, j, 0), 0);

    ck_assert_msg(fabsl(r.value) <= 32 * u * r.size, "%s, root %d of %d: %Lg u of %Lg", what, which, kept,
                  r.value / u, r.size);
    for (int i = 0; i < kept; i++) {
        const double delta = delta_of(plan, shifts, j, i),
                     gap = get(t, plan->host, place(plan, 0, i, DA_PLAN_D), 0) -
                           get(t, plan->host, place(plan, 0, s, DA_PLAN_D), 0);

        ck_assert_msg(fabs(gap) <= 3.5 * fabs(delta), "%s, root %d of %d: pole %d is not the nearest one",
                      what, which, kept, s);
        ck_assert_msg(i <= which ? delta < 0 : delta > 0, "%s: root %d of %d is not in its place", what,
                      which, kept);
    }
    return r;
}

/* Roots from number `at` on as both find them, and their factors. */
static void roots_of(const operand *plan, const char *what, int kept, bool singular, int at, int width)
{
    const da_codelet *const codelet = singular ? &da_codelet_bdsdc_secular : &da_codelet_stedc_secular;
    const da_dtype t = plan->dtype;
    const int n = (int)plan->shape[0], roots = at + width < kept ? width : kept - at;
    const bool vectors = kept == 1 || (kept == 2 && !singular);
    const double u = (is_single(t) ? FLT_EPSILON : DBL_EPSILON) / 2;
    const da_merge_args args = {.column = at};
    operand o[4] = {copy_of(plan), matrix(t, width, 2), matrix(t, n, 1), reals(t, 0, width)};
    int64_t info;

    ck_assert(on_device(codelet, 4, o, &args, sizeof args));
    on_cpu(codelet, 4, o, &args, sizeof args, &info);
    ck_assert_msg(info == 0 && *device_info == 0, "%s: %lld and %lld", what, (long long)info,
                  (long long)*device_info);
    for (int i = 0; i < kept && !(singular && kept == 1); i++) {
        const int64_t where = place(&o[2], 0, i, 0);
        long double product = 1;

        for (int j = 0; j < roots && !vectors; j++) {
            const long double di = get(t, plan->host, place(plan, 0, i, DA_PLAN_D), 0),
                              dj = get(t, plan->host, place(plan, 0, at + j, DA_PLAN_D), 0),
                              delta = delta_of(plan, &o[1], j, i),
                              sum = singular ? di + get(t, o[3].got, GAP + j, 0) : 1;

            product *= delta * sum / (i == at + j ? 1 : (di - dj) * (singular ? di + dj : 1));
        }
        ck_assert_msg(fabsl(get(t, o[2].got, where, 0) - product) <= 8 * u * (roots + 1) * fabsl(product),
                      "%s, factors of row %d of %d: %g, not %Lg", what, i, kept, get(t, o[2].got, where, 0),
                      product);
        compared(&o[2], where);
    }
    for (int j = 0; j < roots; j++) {
        const double theirs = number(&o[3], j), ours = get(t, o[3].got, GAP + j, 0);
        double bound = 8 * u * (fabs(theirs) + 1);

        if (!vectors) {
            const root_is r = check_shifts(plan, what, kept, singular, &o[1], j, at + j, ours);
            /* each is as good; lasd4 rounds the root itself at each step */
            bound = 8 * u * fabs(theirs) + (double)(64 * u * r.size / r.slope);
        }
        ck_assert_msg(fabs(ours - theirs) <= bound,
                      "%s, root %d of %d: %.17g on the CPU, %.17g on the device", what, at + j, kept, theirs,
                      ours);
        compared(&o[3], GAP + j);
        for (int i = 0; i < (kept == 1 ? 1 : 2) && !(singular && kept == 1); i++) {
            const int64_t where = place(&o[1], 0, j, i);

            ck_assert_msg(!vectors ||
                              fabs(get(t, o[1].host, where, 0) - get(t, o[1].got, where, 0)) <= 16 * u,
                          "%s, root %d of %d, row %d of its vector: %.17g on the CPU, %.17g on the device",
                          what, at + j, kept, i, get(t, o[1].host, where, 0), get(t, o[1].got, where, 0));
            compared(&o[1], where);
        }
    }
    for (int i = 0; i < 4; i++)
        ck_assert_msg(memcmp(o[i].host, o[i].got, o[i].bytes) == 0,
                      "%s: operand %d has something else beside its %d roots", what, i, roots);
    drop_all(4, o);
}

START_TEST(roots)
{
    static const double rhos[] = {1, 1e-3, 1e3};
    char what[60];

    for (int singular = 0; singular < 2; singular++)
        for (int kind = 0; kind < 7; kind++)
            for (int r = 0; r < 3; r++) {
                snprintf(what, sizeof what, "%s values of kind %d, rho %g", singular ? "singular" : "eigen",
                         kind, rhos[r]);
                for (int kept = 0; kept < 5; kept++) {
                    operand plan = plan_of_kind(dtypes[_i], kind, 7, kept, singular, rhos[r]);

                    roots_of(&plan, what, kept, singular, 0, 7);
                    if (kept == 4)
                        roots_of(&plan, what, kept, singular, 2, 3);
                    drop(&plan);
                }
                operand plan = plan_of_kind(dtypes[_i], kind, 301, 290, singular, rhos[r]);
                roots_of(&plan, what, 290, singular, 0, 6);
                roots_of(&plan, what, 290, singular, 143, 5);
                roots_of(&plan, what, 290, singular, 284, 17);
                drop(&plan);
            }
}
END_TEST

/* A root that is not found, as beside a NaN, is a fault. */
START_TEST(roots_of_nan)
{
    const da_dtype t = dtypes[_i];

    for (int singular = 0; singular < 2; singular++)
        for (int what = DA_PLAN_D; what <= DA_PLAN_Z; what++)
            for (int i = 0; i < 9; i += 4) {
                const da_codelet *const codelet =
                    singular ? &da_codelet_bdsdc_secular : &da_codelet_stedc_secular;
                const da_merge_args args = {.column = 5};
                operand plan = plan_of_kind(t, 0, 10, 9, singular, 1);
                operand o[4] = {plan, matrix(t, 3, 2), matrix(t, 10, 1), reals(t, 0, 3)};
                int64_t info;

                put(t, plan.host, place(&plan, 0, i, what), NAN, 0);
                ck_assert(on_device(codelet, 4, o, &args, sizeof args));
                on_cpu(codelet, 4, o, &args, sizeof args, &info);
                ck_assert_int_eq(*device_info, info);
                ck_assert_int_eq(*device_info, (singular ? 0 : 10) + 8);
                for (int j = 0; j < 3; j++)
                    ck_assert(isnan(get(t, o[3].got, GAP + j, 0)) &&
                              isnan(get(t, o[1].got, place(&o[1], 0, j, 1), 0)));
                drop_all(4, o);
            }
}
END_TEST

/* ---- expressions ---- */

enum { WIDE = 5 };

/* x0 + x1 + ..., of `ninputs` inputs, as a program; or its sum over all elements. */
static void sum_of_inputs(int ninputs, bool reduce)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, reduce ? "reduce" : "expr");
    const int64_t shape[1] = {WIDE}, stride[1] = {1}, kept[1] = {0};
    const da_reduce_args args = {.how = {.nroots = 1, .combine = {DA_OP_add}, .dtype = {DA_F64}},
                                 .ndim = 1,
                                 .extent = {WIDE},
                                 .reduced = {true}};
    const da_value values[1] = {{&args, sizeof args}};
    da_buffer buffers[DA_EXPR_MAX_INPUTS + 2];
    double *memory, want = 0;
    program *p;
    graph g;
    int sum, x;

    cuda_ok(cudaHostAlloc((void **)&memory, (size_t)(ninputs + 1) * WIDE * sizeof *memory,
                          cudaHostAllocPortable));
    graph_init(&g);
    ck_ok(graph_slot(&g, &sum, DA_F64, 0, NULL));
    for (int k = 1; k < ninputs; k++) {
        ck_ok(graph_slot(&g, &x, DA_F64, 0, NULL));
        ck_ok(graph_apply(&g, &sum, DA_OP_add, sum, x, 0, "test"));
    }
    ck_ok(program_build(&p, &g, 1, &sum));
    ck_assert_int_eq(p->p.ninputs, ninputs);
    buffers[0] = (da_buffer){.data = &p->p};
    for (int k = 0; k <= ninputs; k++) {
        for (int i = 0; i < WIDE; i++)
            memory[k * WIDE + i] = k * 10 + i;
        buffers[k + 1] = (da_buffer){&memory[k * WIDE], DA_F64, 1, shape, stride, 0};
    }
    if (reduce)
        buffers[1].strides = kept;
    const da_call call = {
        .nbuffers = ninputs + 2, .nvalues = reduce, .buffers = buffers, .values = values, .queue = stream};
    ck_assert_msg(kernel->takes(ops, &call), "%d inputs are not taken", ninputs);
    const da_status status = kernel->run(ops, &call);
    ck_assert_msg(status == DA_OK, "%d inputs: status %d: %s", ninputs, (int)status, da_error());
    cuda_ok(cudaStreamSynchronize(stream));
    for (int i = 0; i < WIDE; i++) {
        const double element = 10.0 * ninputs * (ninputs + 1) / 2 + ninputs * i;
        want += element;
        ck_assert_msg(reduce || memory[i] == element, "%d inputs: element %d is %g, not %g", ninputs, i,
                      memory[i], element);
    }
    ck_assert_msg(!reduce || memory[0] == want, "%d inputs: the sum is %g, not %g", ninputs, memory[0], want);
    program_release(p);
    graph_drop(&g);
    cuda_ok(cudaFreeHost(memory));
}

START_TEST(as_many_inputs_as_there_may_be)
{
    static const int ninputs[] = {1, 31, 40, DA_EXPR_MAX_INPUTS};

    sum_of_inputs(ninputs[_i], false);
    sum_of_inputs(ninputs[_i], true);
}
END_TEST

/* ---- programs on disk ---- */

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s;
    (void)type;
    (void)at;
    return remove(path);
}

static int replaced; /* entries by sound ones that no driver loads */

/* The entry keeps its key and gets a checksum that fits. */
static int make_useless(const char *path, const struct stat *s, int type, struct FTW *at)
{
    static const char useless[] = "no program";
    da_device_key key;

    (void)s;
    (void)at;
    if (type != FTW_F)
        return 0;
    FILE *const file = fopen(path, "rb");
    if (!file)
        return 1;
    const bool read = fseek(file, 8, SEEK_SET) == 0 && fread(&key, sizeof key, 1, file) == 1;
    fclose(file);
    replaced++;
    return !read || !da_device_cache_put("cuda", key, useless, sizeof useless);
}

/* What a process of its own does, as a program is loaded once in one: a kernel runs; status 0 if its result is right. */
static int run_a_program(void)
{
    double *x;
    const int64_t shape[1] = {WIDE}, stride[1] = {1};
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, "expr");
    const char *reason;
    da_buffer buffers[3];
    program *p;
    graph g;
    int root;

    ops = da_device_module_of(DA_DEVICE_CUDA, &reason);
    if (!ops || cudaStreamCreate(&stream) != cudaSuccess ||
        cudaHostAlloc((void **)&x, 2 * WIDE * sizeof *x, cudaHostAllocPortable) != cudaSuccess)
        return 2;
    graph_init(&g);
    if (graph_slot(&g, &root, DA_F64, 0, NULL) != DA_OK ||
        graph_apply(&g, &root, DA_OP_add, root, root, 0, "test") != DA_OK ||
        program_build(&p, &g, 1, &root) != DA_OK)
        return 2;
    buffers[0] = (da_buffer){.data = &p->p};
    for (int k = 0; k < 2; k++)
        buffers[k + 1] = (da_buffer){&x[k * WIDE], DA_F64, 1, shape, stride, 0};
    for (int i = 0; i < WIDE; i++)
        x[WIDE + i] = 7 + i;
    const da_call call = {.nbuffers = 3, .buffers = buffers, .queue = stream};
    if (kernel->run(ops, &call) != DA_OK || cudaStreamSynchronize(stream) != cudaSuccess) {
        fprintf(stderr, "%s\n", da_error());
        return 1;
    }
    for (int i = 0; i < WIDE; i++)
        if (x[i] != 2 * (7 + i))
            return 1;
    return 0;
}

static const char *this_program;

static int another_process(void)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        execl(this_program, this_program, "program", (char *)NULL);
        _exit(2);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A sound entry that the driver refuses is compiled anew, and replaced. */
START_TEST(refused_by_the_driver)
{
    char folder[] = "/tmp/darray-refused-XXXXXX", *const caches = getenv("DARRAY_CACHE_DIR");
    char *const kept = caches ? strdup(caches) : NULL;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    setenv("DARRAY_CACHE_DIR", folder, 1);
    const int first = another_process();
    const int walked = nftw(folder, make_useless, 16, FTW_PHYS);
    const int second = another_process();
    if (kept)
        setenv("DARRAY_CACHE_DIR", kept, 1);
    else
        unsetenv("DARRAY_CACHE_DIR");
    free(kept);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    ck_assert_int_eq(first, 0);
    ck_assert_int_eq(walked, 0);
    ck_assert_int_ge(replaced, 1);
    ck_assert_int_eq(second, 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(locked_pages)
{
    const size_t size = 1 << 20;
    char *const p = aligned_alloc(4096, size);

    ck_assert_ptr_nonnull(p);
    for (int i = 0; i < 2; i++) {
        ck_assert(ops->lock_pages(p, size));
        ck_assert(!ops->lock_pages(p, size));
        ck_assert(ops->reaches_pages(p));
        cuda_ok(cudaGetLastError());
        ops->unlock_pages(p);
    }
    ops->unlock_pages(p);
    cuda_ok(cudaGetLastError());
    free(p);
}
END_TEST

/* ---- what it refuses ---- */

static bool takes(const da_codelet *codelet, int n, operand *o, const void *value, size_t size)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, codelet->name);
    da_buffer buffers[OPERANDS];
    const da_value values[1] = {{value, size}};
    const da_call call = {.nbuffers = n, .nvalues = 1, .buffers = buffers, .values = values};

    ck_assert(kernel && kernel->takes);
    for (int i = 0; i < n; i++)
        buffers[i] = buffer_of(&o[i], NULL, 0);
    return kernel->takes(ops, &call);
}

START_TEST(refusals)
{
    const da_gemm_args args = {0, 0, {1, 0}, {0, 0}};
    operand o[3] = {matrix(DA_F64, 4, 5), matrix(DA_F64, 5, 6), matrix(DA_F64, 4, 6)}, changed[3];

    ck_assert(takes(&da_codelet_gemm, 3, o, &args, sizeof args));
    for (int i = 0; i < 6; i++) {
        memcpy(changed, o, sizeof o);
        switch (i) {
        case 0: changed[1].dtype = DA_F32; break;
        case 1: changed[0].dtype = changed[1].dtype = changed[2].dtype = DA_F16; break;
        case 2: changed[0].strides[0] = 2; break;
        case 3: changed[2].strides[1] = 3; break;
        case 4: changed[1].shape[0] = 4; break;
        default: changed[2].strides[1] = (int64_t)1 << 33; break;
        }
        ck_assert_msg(!takes(&da_codelet_gemm, 3, changed, &args, sizeof args), "change %d is taken", i);
    }
    operand broadcast[3] = {matrices(DA_F64, 3, 4, 5), o[1], o[2]};
    ck_assert(!takes(&da_codelet_gemm, 3, broadcast, &args, sizeof args)); /* three products in one c */
    drop(&broadcast[0]);
    drop_all(3, o);
}
END_TEST

/* Which operands belong together. */
START_TEST(leaves_refused)
{
    static const struct {
        int n, e, height, columns, at;
        bool tridiagonal, bidiagonal;
    } cases[] = {{5, 9, 9, 5, 3, true, true},    {5, 9, 9, 5, 4, true, true},   {5, 9, 9, 5, 5, false, false},
                 {5, 9, 9, 5, -1, false, false}, {5, 8, 9, 5, 0, false, true},  {5, 3, 9, 5, 0, false, false},
                 {5, 9, 9, 6, 3, false, true},   {5, 9, 9, 6, 4, false, false}, {5, 9, 9, 7, 0, false, false},
                 {5, 9, 9, 4, 0, false, false},  {0, 9, 9, 1, 0, false, false}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const da_stedc_args args = {cases[i].at};
        operand o[4] = {reals(DA_F64, 0, cases[i].n), reals(DA_F64, 0, cases[i].e),
                        matrix(DA_F64, cases[i].height, cases[i].columns),
                        matrix(DA_F64, cases[i].height, cases[i].columns)};

        ck_assert_msg(takes(&da_codelet_stedc, 3, o, &args, sizeof args) == cases[i].tridiagonal,
                      "stedc, case %zu", i);
        ck_assert_msg(takes(&da_codelet_bdsdc_leaf, 4, o, &args, sizeof args) == cases[i].bidiagonal,
                      "bdsdc_leaf, case %zu", i);
        drop_all(4, o);
    }
}
END_TEST

#if CUDA_HAS_GEEV
START_TEST(geev_refused)
{
    operand o[3] = {matrix(DA_F32, 5, 5), complexes(DA_F32, 0, 5), matrix(DA_C64, 5, 5)}, changed[3];

    ck_assert(takes(&da_codelet_geev, 3, o, NULL, 0));
    ck_assert(takes(&da_codelet_geev_values, 2, o, NULL, 0));
    for (int i = 0; i < 5; i++) {
        memcpy(changed, o, sizeof o);
        switch (i) {
        case 0: changed[1].dtype = DA_F32; break;
        case 1: changed[1].dtype = DA_C128; break;
        case 2: changed[0].shape[0] = 4; break;
        case 3: changed[1].strides[0] = 2; break;
        default: changed[1].shape[0] = 4; break;
        }
        ck_assert_msg(!takes(&da_codelet_geev, 3, changed, NULL, 0), "change %d is taken", i);
        ck_assert_msg(!takes(&da_codelet_geev_values, 2, changed, NULL, 0), "change %d is taken", i);
    }
    for (int i = 0; i < 2; i++) {
        memcpy(changed, o, sizeof o);
        if (i)
            changed[2].shape[1] = 4;
        else
            changed[2].dtype = DA_F32;
        ck_assert_msg(!takes(&da_codelet_geev, 3, changed, NULL, 0), "change %d of v is taken", i);
    }
    drop_all(3, o);
}
END_TEST
#endif

/* Merges of which an operand is longer than the others, or complex; that begin before the first root or end behind the last one, or have one part alone. */
START_TEST(merges_refused)
{
    enum { N = 6, ROOTS = 3 };
    operand plan = matrix(DA_F64, N, DA_PLAN_COLUMNS), square = matrix(DA_F64, N, N), d = reals(DA_F64, 0, N),
            off = reals(DA_F64, 0, 1), shifts = matrix(DA_F64, ROOTS, 2), parts = matrix(DA_F64, N, 1),
            roots = reals(DA_F64, 0, ROOTS);
    const struct {
        const da_codelet *codelet;
        int n;
        operand o[OPERANDS];
        da_merge_args most, wrong[2];
    } cases[] = {
        {&da_codelet_stedc_deflate, 4, {d, off, square, plan}, {.top = N}, {{.top = 0}, {.top = N + 1}}},
        {&da_codelet_bdsdc_deflate,
         5,
         {d, off, square, square, plan},
         {.top = N},
         {{.top = 0}, {.top = N + 1}}},
        {&da_codelet_stedc_secular,
         4,
         {plan, shifts, parts, roots},
         {.column = N - ROOTS},
         {{.column = -1}, {.column = N - ROOTS + 1}}},
        {&da_codelet_bdsdc_secular,
         4,
         {plan, shifts, parts, roots},
         {.column = N - ROOTS},
         {{.column = -1}, {.column = N - ROOTS + 1}}},
    };

    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        operand o[OPERANDS];

        memcpy(o, cases[c].o, sizeof o);
        ck_assert(takes(cases[c].codelet, cases[c].n, o, &cases[c].most, sizeof cases[c].most));
        for (int i = 0; i < 2; i++)
            ck_assert_msg(!takes(cases[c].codelet, cases[c].n, o, &cases[c].wrong[i], sizeof cases[c].most),
                          "%s is taken, %d", cases[c].codelet->name, i);
        for (int i = 0; i < cases[c].n; i++)
            for (int axis = 0; axis < o[i].ndim; axis++) {
                o[i].shape[axis]++;
                ck_assert_msg(!takes(cases[c].codelet, cases[c].n, o, &cases[c].most, sizeof cases[c].most),
                              "%s is taken, axis %d of operand %d", cases[c].codelet->name, axis, i);
                o[i].shape[axis]--;
            }
        for (int i = 0; i < cases[c].n; i++)
            o[i].dtype = DA_C128;
        ck_assert(!takes(cases[c].codelet, cases[c].n, o, &cases[c].most, sizeof cases[c].most));
    }
    drop_all(7, (operand[]){plan, square, d, off, shifts, parts, roots});
}
END_TEST

/* Matrices whose eigenvalues or singular values take more workspace than 32 bits count. */
START_TEST(too_large)
{
    enum { GESDD, HEEVD, LEAF };
    static const struct {
        int what;
        int64_t m, n;
        bool fits;
    } cases[] = {{HEEVD, 23000, 23000, true}, {HEEVD, 23300, 23300, false}, {HEEVD, 40000, 40000, false},
                 {GESDD, 20000, 20000, true}, {GESDD, 21000, 21000, false}, {GESDD, 46000, 30, true},
                 {GESDD, 65536, 399, false},  {GESDD, 100000, 100, false},  {LEAF, 20000, 20000, true},
                 {LEAF, 30000, 20000, true},  {LEAF, 23300, 23300, false}};
    const da_heevd_args heevd = {DA_LOWER, 1};
    const da_gesdd_args gesdd = {0};
    const da_stedc_args leaf_args = {0};
    const da_bdsdc_args values = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t m = cases[i].m, n = cases[i].n;
        operand o[] = {{.dtype = DA_F64, .ndim = 2, .shape = {m, n}, .strides = {1, m}},
                       {.dtype = DA_F64, .ndim = 1, .shape = {n}, .strides = {1}},
                       {.dtype = DA_F64, .ndim = 2, .shape = {m, n}, .strides = {1, m}},
                       {.dtype = DA_F64, .ndim = 2, .shape = {n, n}, .strides = {1, n}}};

        if (cases[i].what == HEEVD) {
            ck_assert_int_eq(takes(&da_codelet_heevd, 2, o, &heevd, sizeof heevd), cases[i].fits);
        } else if (cases[i].what == LEAF) {
            const operand d = {.dtype = DA_F64, .ndim = 1, .shape = {n}, .strides = {1}},
                          e = {.dtype = DA_F64, .ndim = 1, .shape = {m}, .strides = {1}},
                          four = {.dtype = DA_F64, .ndim = 2, .shape = {n, 4}, .strides = {1, n}};

            ck_assert_int_eq(
                takes(&da_codelet_stedc, 3, (operand[]){d, e, o[0]}, &leaf_args, sizeof leaf_args),
                cases[i].fits);
            ck_assert_int_eq(takes(&da_codelet_sterf, 2, (operand[]){d, d}, NULL, 0), cases[i].fits);
            ck_assert_int_eq(
                takes(&da_codelet_bdsdc_leaf, 4, (operand[]){d, e, o[0], o[0]}, &leaf_args, sizeof leaf_args),
                cases[i].fits);
            ck_assert_int_eq(takes(&da_codelet_bdsdc_values, 2, (operand[]){four, d}, &values, sizeof values),
                             cases[i].fits);
        } else {
            ck_assert_int_eq(takes(&da_codelet_gesdd, 4, o, &gesdd, sizeof gesdd), cases[i].fits);
            ck_assert_int_eq(takes(&da_codelet_gesdd_values, 2, o, &gesdd, sizeof gesdd), cases[i].fits);
        }
    }
}
END_TEST

/* ---- on the pretended device alone ---- */

static struct cuda_on_host *pretended;

/* A device that the toolkit knows no more is not used, and what nevertheless comes to one is refused, not an error of the kernel's. */
START_TEST(too_old)
{
    static const char source[] = "KERNEL(nothing)(BUFFER(f32, x)) { }\n";
    const da_buffer x = {.dtype = DA_F32};
    const da_device_arg args[] = {{.buffer = &x}};
    const da_call call = {.queue = stream};
    char why[128] = "";
    bool starts = false;

    pretended->chooser = 0;
    ck_assert(ops->usable(0, &starts, why, sizeof why) && starts);
    ck_assert(pretended->chooser != 0 && pretended->chooser != (unsigned long)pthread_self());
    pretended->capability = 52;
    ck_assert(!ops->usable(0, &starts, why, sizeof why));
    ck_assert(starts);
    ck_assert_str_eq(why, "its compute capability is 5.2, and this CUDA toolkit's least is 9.0");
    for (int i = 0; i < 2; i++) {
        (void)ops->outcome();
        ck_assert_int_ne(ops->launch(&call, "nothing", source, 1, 1, 1, args), DA_OK);
        ck_assert_uint_eq(ops->outcome(), DA_REFUSED);
    }
    pretended->capability = 90;
}
END_TEST

/* Where the first of two devices is another process's, threads that have not chosen the other one lock and unlock by it nevertheless. */
START_TEST(first_is_taken)
{
    const size_t size = 1 << 20;
    char *const p = aligned_alloc(4096, size), why[128];
    bool starts;

    ck_assert_ptr_nonnull(p);
    *pretended = (struct cuda_on_host){.capability = 90, .first_is_taken = 1};
    ck_assert(!ops->usable(0, &starts, why, sizeof why) && !starts);
    ck_assert(ops->usable(1, &starts, why, sizeof why));
    ops->use((const int[]){1}, 1);
    for (int i = 0; i < 2; i++) {
        ck_assert(ops->lock_pages(p, size));
        ck_assert(!ops->lock_pages(p, size));
        ck_assert(ops->reaches_pages(p));
        ops->unlock_pages(p);
        ck_assert(!ops->reaches_pages(p));
    }
    cuda_ok(cudaSetDevice(1)); /* as in a worker: no other thread chooses it */
    ck_assert(ops->lock_pages(p, size));
    ops->unlock_pages(p);
    ck_assert_uint_eq(pretended->chooser, (unsigned long)pthread_self());
    *pretended = (struct cuda_on_host){.capability = 90};
    cuda_ok(cudaSetDevice(0));
    ops->use((const int[]){0}, 1);
    ck_assert(ops->lock_pages(p, size));
    ck_assert_uint_eq(pretended->chooser, (unsigned long)pthread_self());
    pretended->elsewhere = 1;
    ck_assert(!ops->reaches_pages(p));
    pretended->elsewhere = 0;
    ops->unlock_pages(p);
    free(p);
}
END_TEST

/* Its peaks are those of ten multiprocessors of this capability at 1 GHz; f64 is a 32nd. */
START_TEST(described)
{
    static const struct {
        int capability, lanes;
    } cases[] = {{37, 192}, {52, 128}, {60, 64},  {61, 128}, {75, 64},
                 {80, 64},  {86, 128}, {90, 128}, {120, 128}};
    da_device_about about;
    double seconds = 0, bytes = 0;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pretended->capability = cases[i].capability;
        ck_assert(ops->describe(0, &about));
        ck_assert_double_eq(about.flops, 2e10 * cases[i].lanes);
        ck_assert_double_eq(about.doubles, about.flops / 32);
    }
    pretended->capability = 90;
    ck_assert_str_eq(about.name, "a host that pretends");
    ck_assert_int_eq(about.memory, 1 << 30);
    pretended->chooser = 0;
    ck_assert(ops->measure(0, &seconds, &bytes));
    ck_assert(pretended->chooser != 0 && pretended->chooser != (unsigned long)pthread_self());
    ck_assert(seconds > 0 && seconds < 1e-2);
    ck_assert(bytes > 1e7 && bytes < 1e14);
    pretended->no_plain = 1;
    ck_assert(!ops->measure(0, &seconds, &bytes));
    ck_assert_int_eq(pretended->no_plain, 0);
}
END_TEST

static da_status potrf_on(cudaStream_t queue, operand *a, void *data)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, da_codelet_potrf.name);
    const da_potrf_args args = {DA_LOWER, 0, 0, 0};
    const da_value values[1] = {{&args, sizeof args}};
    const da_buffer buffers[1] = {buffer_of(a, data, GAP)};
    const da_call call = {.nbuffers = 1,
                          .nvalues = 1,
                          .buffers = buffers,
                          .values = values,
                          .info = device_info,
                          .queue = queue};

    *device_info = 0;
    (void)ops->outcome();
    return kernel->run(ops, &call);
}

/* Without memory for handles or scratch, where cuSOLVER tells no size, or with a device that is none for it, nothing has been launched, and the
 * operand is as it was. Later there may be memory. */
START_TEST(nothing_launched)
{
    enum { ALWAYS = 1 << 30 };
    static const struct {
        struct cuda_on_host how;
        int times;
        unsigned outcome;
    } cases[] = {{{.capability = 90, .no_blas = 1}, 1, DA_SHORT},
                 {{.capability = 90, .no_solver = 1}, 1, DA_SHORT},
                 {{.capability = 90, .no_async = 1, .no_plain = 1}, 1, DA_SHORT},
                 {{.capability = 90, .no_async = ALWAYS, .no_plain = ALWAYS}, 3, DA_SHORT},
                 {{.capability = 90, .no_size = ALWAYS}, 3, DA_SHORT},
                 {{.capability = 90, .no_potrf = ALWAYS}, 3, DA_REFUSED}};
    operand a = positive(DA_F64, 0, 30);
    void *data;

    cuda_ok(cudaMalloc(&data, a.bytes));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cudaStream_t fresh; /* for which no handle has been kept */

        cuda_ok(cudaStreamCreate(&fresh));
        cuda_ok(cudaMemcpy(data, a.host, a.bytes, cudaMemcpyHostToDevice));
        *pretended = cases[i].how;
        for (int k = 0; k < cases[i].times; k++) {
            ck_assert_int_ne(potrf_on(fresh, &a, data), DA_OK);
            ck_assert_uint_eq(ops->outcome(), cases[i].outcome);
            ck_assert_mem_eq(data, a.host, a.bytes);
        }
        *pretended = (struct cuda_on_host){.capability = 90};
        ck_ok(potrf_on(fresh, &a, data));
        ck_assert_uint_eq(ops->outcome(), DA_LAUNCHED);
        ck_assert_mem_ne(data, a.host, a.bytes);
    }
    cuda_ok(cudaFree(data));
    drop(&a);
}
END_TEST

/* Runs a kernel on copies of the operands, as the device's memory is the host's; false if its programs are refused: then they are as they were. */
static bool runs(const da_codelet *codelet, int n, operand *o, const void *value, size_t size)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_CUDA, codelet->name);
    const da_value values[1] = {{value, size}};
    operand copies[OPERANDS];
    da_buffer buffers[OPERANDS];
    const da_call call = {.nbuffers = n,
                          .nvalues = value ? 1 : 0,
                          .buffers = buffers,
                          .values = values,
                          .info = device_info,
                          .queue = stream};

    ck_assert_msg(takes(codelet, n, o, value, size), "%s is not taken", codelet->name);
    for (int i = 0; i < n; i++) {
        copies[i] = copy_of(&o[i]);
        buffers[i] = buffer_of(&o[i], copies[i].host, GAP);
    }
    *device_info = 0;
    (void)ops->outcome();
    const bool done = kernel->run(ops, &call) == DA_OK;
    ck_assert_msg(ops->outcome() == (done ? DA_LAUNCHED : DA_REFUSED), "%s", codelet->name);
    for (int i = 0; i < n; i++)
        ck_assert_msg(done || memcmp(copies[i].host, o[i].host, o[i].bytes) == 0, "%s: operand %d",
                      codelet->name, i);
    drop_all(n, copies);
    return done;
}

/* The first of a kernel's programs that cannot be had, whichever it is, is missed before anything is launched. */
START_TEST(programs_refused)
{
    enum { ROWS = 20, N = 12, PANEL = 4 };
    static int device;
    const da_dtype t = dtypes[_i], real = is_single(t) ? DA_F32 : DA_F64;
    const da_potrf_args potrf_args = {DA_LOWER, 0, 0, 0};
    const da_trsm_checked_args trsm_args = {{DA_LOWER, 0, {1, 0}}, 0};
    const da_pivot_args pivot_args = {0};
    const da_ldl_args ldl_args = {DA_LOWER, 1, 0, 0};
    const da_heevd_args heevd_args = {DA_UPPER, 1};
    const da_gesdd_args gesdd_args = {0};
    const da_hetrd_args column = {.column = 1};
    const da_stedc_args leaf_args = {2};
    struct {
        const da_codelet *codelet;
        const void *value;
        size_t size;
        int n;
        operand o[OPERANDS];
    } cases[] = {
        {&da_codelet_potrf, &potrf_args, sizeof potrf_args, 1, {positive(t, 0, N)}},
        {&da_codelet_cholesky_diagonal,
         &potrf_args,
         sizeof potrf_args,
         2,
         {positive(t, 0, N), matrix(t, N, N)}},
        {&da_codelet_trsm_checked, &trsm_args, sizeof trsm_args, 2, {triangle(t, N), matrix(t, N, 3)}},
        {&da_codelet_geqrt, NULL, 0, 2, {matrix(t, ROWS, N), matrix(t, PANEL, N)}},
        {&da_codelet_getrf, &pivot_args, sizeof pivot_args, 2, {matrix(t, ROWS, N), pivots(N)}},
        {&da_codelet_getrf_nopivot, &pivot_args, sizeof pivot_args, 1, {positive(t, 0, N)}},
        {&da_codelet_sytrf, &ldl_args, sizeof ldl_args, 2, {positive(t, 0, N), pivots(N)}},
        {&da_codelet_heevd, &heevd_args, sizeof heevd_args, 2, {positive(t, 0, N), reals(t, 0, N)}},
        {&da_codelet_gesdd,
         &gesdd_args,
         sizeof gesdd_args,
         4,
         {matrix(t, ROWS, N), reals(t, 0, N), matrix(t, ROWS, N), matrix(t, N, N)}},
        {&da_codelet_gesdd_values, &gesdd_args, sizeof gesdd_args, 2, {matrix(t, ROWS, N), reals(t, 0, N)}},
        {&da_codelet_hetrd_begin, &heevd_args, sizeof heevd_args, 2, {positive(t, 0, N), reals(t, 0, N)}},
        {&da_codelet_hetrd_column,
         &column,
         sizeof column,
         4,
         {matrix(t, ROWS, PANEL), matrix(t, ROWS, 2 * PANEL), matrix(t, ROWS, 2), matrix(t, PANEL, 1)}},
        {&da_codelet_gebrd_begin, &gesdd_args, sizeof gesdd_args, 2, {matrix(t, ROWS, N), matrix(t, N, 4)}},
        {&da_codelet_gebrd_column,
         &column,
         sizeof column,
         5,
         {matrix(t, ROWS, PANEL), matrix(t, ROWS, 2 * PANEL), matrix(t, N, 2 * PANEL), matrix(t, ROWS, 2),
          matrix(t, PANEL, 4)}},
        {&da_codelet_gebrd_row,
         &column,
         sizeof column,
         5,
         {matrix(t, 1, N - 2), matrix(t, ROWS, 2 * PANEL), matrix(t, N, 2 * PANEL), matrix(t, ROWS, 2),
          matrix(t, PANEL, 4)}},
        {&da_codelet_stedc,
         &leaf_args,
         sizeof leaf_args,
         3,
         {random_reals(t, N), random_reals(t, ROWS), matrix(t, ROWS, N)}},
        {&da_codelet_sterf, NULL, 0, 2, {random_reals(t, N), random_reals(t, N)}},
        {&da_codelet_bdsdc_leaf,
         &leaf_args,
         sizeof leaf_args,
         4,
         {random_reals(t, N), random_reals(t, ROWS), matrix(real, ROWS, N), matrix(real, ROWS, N)}},
#if CUDA_HAS_GEEV
        {&da_codelet_geev, NULL, 0, 3, {matrix(t, N, N), complexes(t, 0, N), matrix(complex_of(t), N, N)}},
        {&da_codelet_geev_values, NULL, 0, 2, {matrix(t, N, N), complexes(t, 0, N)}},
#endif
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int from = 0;

        do {
            *pretended = (struct cuda_on_host){.capability = 90, .more = ++device, .refused_from = ++from};
            cuda_ok(cudaSetDevice(device)); /* for which nothing was compiled yet */
        } while (!runs(cases[i].codelet, cases[i].n, cases[i].o, cases[i].value, cases[i].size));
        ck_assert_msg(from > 1, "%s has no program", cases[i].codelet->name);
        drop_all(cases[i].n, cases[i].o);
    }
    cuda_ok(cudaSetDevice(0));
    *pretended = (struct cuda_on_host){.capability = 90};
}
END_TEST

/* Solvers that find no result: their devInfo is 2. */
START_TEST(not_converged)
{
    enum { ROWS = 20, N = 12 };
    const da_dtype t = dtypes[_i], real = is_single(t) ? DA_F32 : DA_F64;
    const da_heevd_args heevd_args = {DA_LOWER, 1};
    const da_gesdd_args gesdd_args = {0};
    const da_stedc_args leaf_args = {2};
    const da_bdsdc_args values_args = {100};
    struct {
        const da_codelet *codelet;
        const void *value;
        size_t size;
        int n, fault;
        bool nan; /* in all that is written */
        operand o[OPERANDS];
    } cases[] = {
        {&da_codelet_heevd,
         &heevd_args,
         sizeof heevd_args,
         2,
         N + 2,
         false,
         {positive(t, 0, N), reals(t, 0, N)}},
        {&da_codelet_gesdd_values,
         &gesdd_args,
         sizeof gesdd_args,
         2,
         N + 2,
         false,
         {matrix(t, ROWS, N), reals(t, 0, N)}},
        {&da_codelet_stedc,
         &leaf_args,
         sizeof leaf_args,
         3,
         ROWS + 2,
         true,
         {random_reals(t, N), random_reals(t, ROWS), matrix(t, ROWS, N)}},
        {&da_codelet_sterf, NULL, 0, 2, N + 2, true, {random_reals(t, N), random_reals(t, N)}},
        {&da_codelet_bdsdc_values,
         &values_args,
         sizeof values_args,
         2,
         102,
         true,
         {matrix(t, N, 4), reals(t, 0, N)}},
        {&da_codelet_bdsdc_leaf,
         &leaf_args,
         sizeof leaf_args,
         4,
         2,
         true,
         {random_reals(t, N), random_reals(t, ROWS), matrix(real, ROWS, N), matrix(real, ROWS, N)}},
#if CUDA_HAS_GEEV
        {&da_codelet_geev,
         NULL,
         0,
         3,
         N + 2,
         false,
         {matrix(t, N, N), complexes(t, 0, N), matrix(complex_of(t), N, N)}},
        {&da_codelet_geev_values, NULL, 0, 2, N + 2, false, {matrix(t, N, N), complexes(t, 0, N)}},
#endif
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        operand *const o = cases[i].o;

        pretended->not_converged = 1;
        ck_assert(on_device(cases[i].codelet, cases[i].n, o, cases[i].value, cases[i].size));
        ck_assert_int_eq(pretended->not_converged, 0);
        ck_assert_msg(*device_info == cases[i].fault, "%s: %lld", cases[i].codelet->name,
                      (long long)*device_info);
        if (cases[i].nan)
            no_numbers(cases[i].codelet->name, &o[cases[i].codelet == &da_codelet_bdsdc_values]);
        for (int k = 2; k < cases[i].n && cases[i].nan; k++)
            no_numbers(cases[i].codelet->name, &o[k]);
        drop_all(cases[i].n, o);
    }
}
END_TEST

/* Where there is none by cudaMallocAsync cudaMalloc's is taken, and each goes back the way it came. Much is not kept. */
START_TEST(scratch_of_two_kinds)
{
    enum { MUCH = (256 << 20) + 1 };
    cudaStream_t fresh;
    da_buffer first, second;

    cuda_ok(cudaStreamCreate(&fresh));
    const da_call call = {.queue = fresh};
    *pretended = (struct cuda_on_host){.capability = 90, .no_async = 1};
    ck_ok(ops->scratch(&call, 1000, &first));
    ck_ok(ops->leave(&call));
    ck_ok(ops->scratch(&call, 1000, &second));
    ck_assert_ptr_eq(first.data, second.data);
    ck_assert_int_eq(pretended->frees_plain + pretended->frees_async, 0);
    ck_ok(ops->scratch(&call, MUCH, &first));
    ck_assert_int_eq(pretended->frees_plain, 1);
    ck_ok(ops->leave(&call));
    ck_assert_int_eq(pretended->frees_async, 1);
    pretended->no_async = 1;
    ck_ok(ops->scratch(&call, MUCH, &first));
    ck_ok(ops->leave(&call));
    ck_assert_int_eq(pretended->frees_plain, 2);
    ck_ok(ops->leave(&call));
    ck_assert_int_eq(pretended->frees_plain + pretended->frees_async, 3);
}
END_TEST

/* ---- compiling small.c's kernels, which this program is linked with ---- */

static int compiled;

da_status cuda_launch(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                      int nargs, const da_device_arg *args)
{
    static char log[4000];

    (void)call, (void)groups, (void)local, (void)nargs, (void)args;
    ck_assert_msg(ops->compile(source, log, sizeof log) == DA_OK, "%s: %s\n%s", entry, log, source);
    compiled++;
    return DA_OK;
}

da_status cuda_prepare(const da_call *call, const char *source)
{
    return cuda_launch(call, "what is made sure of", source, 0, 0, 0, NULL);
}

START_TEST(compiles_own)
{
    const da_dtype real = is_single(dtypes[_i]) ? DA_F32 : DA_F64;
    const cuda_matrix a = {NULL, 4, 4, 4};
    const da_call call = {0};

    compiled = 0;
    ck_ok(cuda_check_diagonal(&call, dtypes[_i], &a, NULL, 0, CUDA_POSITIVE));
    ck_ok(cuda_copy_triangle(&call, dtypes[_i], &a, &a, true));
    ck_ok(cuda_reflector_factor(&call, dtypes[_i], &a, NULL, NULL));
    ck_ok(cuda_pivots(&call, NULL, 1, 0, NULL, 4, 4));
    ck_ok(cuda_spread_nan(&call, dtypes[_i], &a, NULL));
    ck_ok(cuda_clean(&call, dtypes[_i], &a, DA_LOWER, false, NULL));
    ck_ok(cuda_spectral_fault(&call, NULL, 4, NULL));
    ck_ok(cuda_block_pivots(&call, NULL, 1, NULL, 4, false));
    ck_ok(cuda_bring_in_range(&call, dtypes[_i], &a, true, 1e-9, NULL, NULL, NULL));
    ck_ok(cuda_mirror(&call, dtypes[_i], &a));
    ck_ok(cuda_gather(&call, dtypes[_i], &a, true, NULL));
    ck_ok(cuda_scale_by(&call, dtypes[_i], 4, NULL, NULL, true));
    ck_ok(cuda_conj_row(&call, dtypes[_i], &a, NULL));
    ck_ok(cuda_finish_w(&call, dtypes[_i], 4, NULL, NULL, NULL));
    ck_ok(cuda_reflect(&call, dtypes[_i], 4, NULL, NULL, NULL, NULL));
    ck_ok(cuda_tridiagonal(&call, dtypes[_i], &a, NULL, NULL));
    ck_ok(cuda_estimate(&call, dtypes[_i], CUDA_BEGIN, &a, NULL, NULL, NULL));
    ck_ok(cuda_reciprocal(&call, dtypes[_i], &a, NULL, 4, NULL, NULL));
    ck_ok(cuda_ldl_steps(&call, dtypes[_i], NULL, NULL, 1, &a, false));
    ck_ok(cuda_ldl_unpack(&call, dtypes[_i], &a, &a, NULL, false));
    ck_ok(cuda_ldl_exchange(&call, dtypes[_i], &a, NULL, false));
    ck_ok(cuda_ldl_divide(&call, dtypes[_i], &a, &a, NULL, false, false));
    ck_ok(cuda_bidiagonal(&call, dtypes[_i], 4, NULL, NULL, NULL, NULL, true));
    ck_ok(cuda_merge_vectors(&call, real, CUDA_EIGEN, &a, &a, 0, &a, NULL));
    ck_ok(cuda_merge_pack(&call, real, &a, &a, 0, &a));
    ck_ok(cuda_merge_deflate(&call, real, &a, 2, NULL, NULL, &a, &a, NULL, NULL));
    ck_ok(cuda_secular(&call, real, false, &a, 0, &a, NULL, NULL));
    ck_ok(cuda_merge_order(&call, real, false, &a, &a, NULL, NULL));
    ck_ok(cuda_dense(&call, real, &a, NULL, NULL, 4, 0, NULL));
    ck_ok(cuda_place(&call, dtypes[_i], &a, 0, &a, true, NULL));
    ck_ok(cuda_state_fault(&call, real, NULL, 0, true));
    if (is_complex(dtypes[_i]))
        ck_ok(cuda_widen(&call, dtypes[_i], &a, &a));
    else
        ck_ok(cuda_pairs(&call, dtypes[_i], &a, &a, NULL));
    ck_assert_int_eq(compiled, 39);
}
END_TEST

START_TEST(compiler_complains)
{
    char log[1000] = "";

    ck_assert_int_ne(ops->compile("KERNEL(wrong)(BUFFER(f32, x)) { no_such_name(x); }\n", log, sizeof log),
                     DA_OK);
    ck_assert_msg(strstr(log, "no_such_name") != NULL, "%s", log);
}
END_TEST

int main(int argc, char **argv)
{
    const char *reason = NULL;
    const da_test_case compiling[] = {
        DA_CASE_LOOP("compiles", DTYPES, compiles_own),
        DA_CASE("compiler", compiler_complains, refusals),
    };
    const da_test_case running[] = {
        DA_CASE_LOOP("kernels", DTYPES, gemm, gemm_of_batches, syrk, symm, rank_updates, trmm, trsm,
                     trsm_reports_zeros, potrf, cholesky_steps, geqrt, gemqrt, tpmqrt, larft, getrf,
                     getrf_nopivot, getrf_of_nan, sytrf, sytrf_of_nan, lu_update, heevd, heevd_of_nan, gesdd,
                     gesdd_of_nan),
        DA_CASE_LOOP("indefinite", DTYPES, sytrs),
        DA_CASE_LOOP("conditions", DTYPES, rcond),
        DA_CASE_LOOP("steps", DTYPES, hetrd_multiply, hetrd_update, gebrd_multiply),
        DA_CASE_LOOP("merges", DTYPES, stedc_product, bdsdc_begin, bdsdc_product),
        DA_CASE_LOOP("whole merges", 2, deflate, whole_merges), /* of real numbers */
        DA_CASE_LOOP("roots", 2, roots, roots_of_nan),
        DA_CASE_LOOP("leaves", DTYPES, stedc, sterf, tridiagonal_of_nan, bdsdc_values, bdsdc_leaf,
                     bdsdc_leaf_of_nan),
#if CUDA_HAS_GEEV
        DA_CASE_LOOP("general", DTYPES, geev, geev_of_nan),
        DA_CASE("general, refused", geev_refused),
#endif
        DA_CASE_LOOP("panels", DTYPES, hetrd_begin_and_end, hetrd_column, hetrd_rest, reflectors, gebrd_begin,
                     gebrd_columns_and_rows),
        DA_CASE("integers", gemm_of_integers),
        DA_CASE("sizes", too_large, leaves_refused, merges_refused),
        DA_CASE_LOOP("common", DTYPES, common_kernels, small_qr, tpqrt, tpqrt_of_nan, geqp3,
                     geqp3_of_columns_alike, geqp3_of_nan),
    };
    const da_test_case expressions[] = {DA_CASE_LOOP("expressions", 4, as_many_inputs_as_there_may_be)};
    const da_test_case memory[] = {DA_CASE("memory", locked_pages), DA_CASE("kept", refused_by_the_driver)};
    const da_test_case pretending[] = {
        DA_CASE("device", too_old, first_is_taken, described, nothing_launched, scratch_of_two_kinds),
        DA_CASE_LOOP("programs", DTYPES, programs_refused), DA_CASE_LOOP("no result", DTYPES, not_converged)};
    int devices = 0, status = EXIT_SUCCESS;

    this_program = argv[0];
    if (argc > 1 && strcmp(argv[1], "program") == 0)
        return run_a_program();
    ops = da_device_module_of(DA_DEVICE_CUDA, &reason);
    if (!ops) {
        printf("the module does not load: %s\n", reason);
        return EXIT_FAILURE;
    }
    /* what pretends to be a device compiles no CUDA */
    if (!getenv("DARRAY_TEST_CUDA_ON_HOST"))
        status = da_test_run("CUDA, compiling", compiling, sizeof compiling / sizeof compiling[0]);
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        puts("no CUDA device: the kernels were compiled, not run");
        return status;
    }
    if (cudaStreamCreate(&stream) != cudaSuccess ||
        cudaHostAlloc((void **)&device_info, sizeof *device_info, cudaHostAllocPortable) != cudaSuccess) {
        puts("the device gives no stream or no memory");
        return EXIT_FAILURE;
    }
    int ran = da_test_run("CUDA", running, sizeof running / sizeof running[0]);
    if (ran == EXIT_SUCCESS)
        ran = da_test_run("CUDA, expressions", expressions, 1);
    if (ran == EXIT_SUCCESS)
        ran = da_test_run("CUDA, memory", memory, 2);
    pretended = dlsym(RTLD_DEFAULT, "cuda_on_host");
    if (ran == EXIT_SUCCESS && pretended)
        ran = da_test_run("CUDA, pretended", pretending, sizeof pretending / sizeof pretending[0]);
    return ran == EXIT_SUCCESS ? status : ran;
}
#endif
