/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of kernel_list.inc: which function runs for which dtype, batches, and how much work a task is. */
#include "cpu/small.h"
#include "device/device.h"
#include "kernel_support.h"
#include "kernels.h"

#include <inttypes.h>

/* ---- declarations of the kernel bodies ---- */

#define KERNEL(name, ...)                                                                                    \
    da_status da_kernel_##name##_f32(const da_call *call);                                                   \
    da_status da_kernel_##name##_f64(const da_call *call);                                                   \
    da_status da_kernel_##name##_c64(const da_call *call);                                                   \
    da_status da_kernel_##name##_c128(const da_call *call);
#define PUBLIC_KERNEL KERNEL
#include "kernel_list.inc"
#undef KERNEL
#undef PUBLIC_KERNEL

/* Kernels that take many matrices at a time, of which the next one's lie step[] bytes behind, a step a buffer. */
typedef da_status (*many_kernel)(const da_call *call, int64_t count, const int64_t *step);
da_status da_kernel_gemm_many_f32(const da_call *call, int64_t count, const int64_t *step);
da_status da_kernel_gemm_many_f64(const da_call *call, int64_t count, const int64_t *step);
da_status da_kernel_gemm_many_c64(const da_call *call, int64_t count, const int64_t *step);
da_status da_kernel_gemm_many_c128(const da_call *call, int64_t count, const int64_t *step);

/* gemm_integer.c */
da_status da_kernel_gemm_bool(const da_call *call);
da_status da_kernel_gemm_u8(const da_call *call);
da_status da_kernel_gemm_u16(const da_call *call);
da_status da_kernel_gemm_u32(const da_call *call);
da_status da_kernel_gemm_u64(const da_call *call);

bool da_kernels_take(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128;
}

da_dtype da_kernels_half(da_dtype dtype)
{
    return dtype == DA_F64 ? DA_F32 : dtype == DA_C128 ? DA_C64 : (da_dtype)0;
}

bool da_kernels_small_qr(int64_t m, int64_t n, int64_t columns)
{
    const int64_t most = n > columns ? n : columns;

    return m > 0 && n > 0 && n <= DA_SMALL_ORDER && m <= DA_SMALL_ELEMENTS && m * most <= DA_SMALL_ELEMENTS;
}

bool da_kernels_multiply(da_dtype dtype)
{
    return da_kernels_take(dtype) || (dtype >= DA_BOOL && dtype <= DA_U64);
}

/* ---- dispatch ---- */

enum { MAX_BUFFERS = 5, DTYPES = DA_C128 + 1 };

/* What a buffer is, in kernel_list.inc: the mode, and the number of axes that the kernel works on. */
#define MODE(kind) ((kind)&3)
#define AXES(kind) ((kind) >> 2 & 3)
#define TYPE(kind) ((kind) >> 4)
enum {
    SAME,
    PIVOTS,
    REAL,
    COMPLEX
}; /* the call's dtype, DA_PIVOT_DTYPE, the dtype of its parts, the complex one of these */
enum {
    R = DA_MODE_READ + 2 * 4,
    W = DA_MODE_WRITE + 2 * 4,
    RW = DA_MODE_READ_WRITE + 2 * 4,
    RP = DA_MODE_READ + 1 * 4 + PIVOTS * 16,
    WP = DA_MODE_WRITE + 1 * 4 + PIVOTS * 16,
    RR = DA_MODE_READ + 2 * 4 + REAL * 16,
    RV = DA_MODE_READ + 1 * 4 + REAL * 16,
    WV = DA_MODE_WRITE + 1 * 4 + REAL * 16,
    RWV = DA_MODE_READ_WRITE + 1 * 4 + REAL * 16,
    WZ = DA_MODE_WRITE + 2 * 4 + COMPLEX * 16,
    WZV = DA_MODE_WRITE + 1 * 4 + COMPLEX * 16
};

typedef struct kernel {
    const char *name;
    unsigned char buffers[MAX_BUFFERS];
    da_kernel run[DTYPES]; /* null where there is none */
} kernel;

/* What does the same for many; null if nothing does. */
static many_kernel many_of(da_kernel run)
{
    static const struct {
        da_kernel one;
        many_kernel many;
    } all[] = {{da_kernel_gemm_f32, da_kernel_gemm_many_f32},
               {da_kernel_gemm_f64, da_kernel_gemm_many_f64},
               {da_kernel_gemm_c64, da_kernel_gemm_many_c64},
               {da_kernel_gemm_c128, da_kernel_gemm_many_c128}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].one == run)
            return all[i].many;
    return NULL;
}

/* Any axes before the kernel's own are a batch: run it for each of its matrices. */
static da_status run_batch(const da_call *call, const kernel *k, da_kernel run)
{
    da_buffer buffers[MAX_BUFFERS];
    int64_t shape[DA_MAX_NDIM] = {0}, index[DA_MAX_NDIM] = {0}, info = 0;
    int64_t step[DA_MAX_NDIM][MAX_BUFFERS] = {{0}}; /* bytes from one matrix to the next */
    da_call one = *call;
    int ndim = 0;

    for (int b = 0; b < call->nbuffers; b++) {
        const int lead = call->buffers[b].ndim - AXES(k->buffers[b]);

        ndim = lead > ndim ? lead : ndim;
    }
    for (int d = 0; d < ndim; d++)
        shape[d] = 1;
    for (int b = 0; b < call->nbuffers; b++) {
        const da_buffer *all = &call->buffers[b];
        const int lead = all->ndim - AXES(k->buffers[b]) > 0 ? all->ndim - AXES(k->buffers[b]) : 0;

        for (int d = 0; d < lead; d++) {
            const int64_t extent = all->shape[d];
            int64_t *common = &shape[ndim - lead + d];

            if (extent != *common && *common != 1 && extent != 1)
                return da_task_fail(
                    call, "buffer %d has %" PRId64 " matrices along an axis where others have %" PRId64, b,
                    extent, *common);
            *common = extent == 1 ? *common : extent;
            if (extent > 1)
                step[ndim - lead + d][b] = all->strides[d] * (int64_t)da_dtype_size(all->dtype);
        }
        buffers[b] = *all;
        buffers[b].ndim -= lead;
        buffers[b].shape += lead;
        buffers[b].strides += lead;
    }
    for (int d = 0; d < ndim; d++)
        if (shape[d] == 0)
            return DA_OK;

    one.buffers = buffers;
    one.info = &info;
    const many_kernel many = many_of(run);
    for (;;) {
        int d = many ? ndim - 2 : ndim - 1;

        info = 0;
        DA_TRY(many ? many(&one, shape[ndim - 1], step[ndim - 1]) : run(&one));
        if (info > 0 && (*call->info == 0 || info < *call->info))
            *call->info = info;
        for (; d >= 0; d--) {
            const int64_t back = ++index[d] < shape[d] ? 0 : shape[d];

            for (int b = 0; b < call->nbuffers; b++)
                buffers[b].data = (char *)buffers[b].data + step[d][b] * (1 - back);
            if (back == 0)
                break;
            index[d] = 0;
        }
        if (d < 0)
            return DA_OK;
    }
}

/* The call's dtype: that of the first buffer which has it. */
static da_dtype dtype_of(const da_call *call, const kernel *k)
{
    int b = 0;

    while (b < call->nbuffers - 1 && TYPE(k->buffers[b]) != SAME)
        b++;
    return call->buffers[b].dtype;
}

/* What a buffer of this kind has in a call of this dtype. */
static da_dtype dtype_for(unsigned char kind, da_dtype dtype)
{
    const bool single = dtype == DA_F32 || dtype == DA_C64;

    switch (TYPE(kind)) {
    case PIVOTS: return DA_PIVOT_DTYPE;
    case REAL: return single ? DA_F32 : DA_F64;
    case COMPLEX: return single ? DA_C64 : DA_C128;
    default: return dtype;
    }
}

static da_status dispatch(const da_call *call, const kernel *k)
{
    const da_dtype dtype = dtype_of(call, k);
    bool batch = false;

    for (int b = 0; b < call->nbuffers && b < MAX_BUFFERS; b++) {
        const da_buffer *buffer = &call->buffers[b];
        const da_dtype wanted = dtype_for(k->buffers[b], dtype);

        if (buffer->dtype != wanted)
            return da_task_fail(call, "buffer %d is %s, not %s", b, da_dtype_name(buffer->dtype),
                                da_dtype_name(wanted));
        batch = batch || buffer->ndim > AXES(k->buffers[b]);
    }
    if (dtype < DA_BOOL || dtype > DA_C128 || !k->run[dtype])
        return da_task_fail(call, "no kernel for %s", da_dtype_name(dtype));
    if (da_kernels_take(dtype) && da_blas_load() != DA_OK)
        return da_task_fail(call, "%s", da_blas_text());
    return batch ? run_batch(call, k, k->run[dtype]) : k->run[dtype](call);
}

/* ---- amount of work ---- */

static double extent(const da_call *call, int b, int axis_from_last)
{
    const da_buffer *buffer = &call->buffers[b];

    if (buffer->ndim < 2) /* a vector is a column */
        return axis_from_last == 2 && buffer->ndim == 1 ? (double)buffer->shape[0] : 1;
    return (double)buffer->shape[buffer->ndim - axis_from_last];
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double gemm_depth(const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;

    return extent(call, 0, args->transa ? 2 : 1);
}

/* Times the cube of the order: to tridiagonal form, and with vectors about as much again twice. */
static double heevd_work(const da_call *call)
{
    const da_heevd_args *args = call->values[0].data;

    return args->vectors ? 4 : 4.0 / 3;
}

static double gesdd_work(const da_call *call, bool vectors)
{
    const double m = extent(call, 0, 2), n = extent(call, 0, 1), k = least(m, n);

    return vectors ? 4 * m * n * k + 8 * k * k * k : 4 * m * n * k - 4.0 / 3 * k * k * k;
}

/* Times the number of matrices, and 4 for complex numbers. */
static double scaled(const da_call *call, const kernel *k, double flops)
{
    const int last = call->nbuffers - 1;
    const da_buffer *buffer = &call->buffers[last];

    for (int d = 0; d < buffer->ndim - AXES(k->buffers[last]); d++)
        flops *= (double)buffer->shape[d];
    return dtype_of(call, k) == DA_C64 || dtype_of(call, k) == DA_C128 ? 4 * flops : flops;
}

/* ---- the codelets ---- */

#define M(b) extent(call, (b), 2)
#define N(b) extent(call, (b), 1)
enum { FAULTS = DA_CODELET_FAULTS };
#define REVISION DA_CODELET_REVISION

#define REALS(name) [DA_F32] = da_kernel_##name##_f32, [DA_F64] = da_kernel_##name##_f64
#define FLOATS(name)                                                                                         \
    [DA_F32] = da_kernel_##name##_f32, [DA_F64] = da_kernel_##name##_f64, [DA_C64] = da_kernel_##name##_c64, \
    [DA_C128] = da_kernel_##name##_c128
/* wrapping arithmetic is the same for signed and unsigned */
#define NUMERIC(name)                                                                                        \
    FLOATS(name), [DA_BOOL] = da_kernel_##name##_bool, [DA_I8] = da_kernel_##name##_u8,                      \
                  [DA_I16] = da_kernel_##name##_u16, [DA_I32] = da_kernel_##name##_u32,                      \
                  [DA_I64] = da_kernel_##name##_u64, [DA_U8] = da_kernel_##name##_u8,                        \
                  [DA_U16] = da_kernel_##name##_u16, [DA_U32] = da_kernel_##name##_u32,                      \
                  [DA_U64] = da_kernel_##name##_u64

#define MODES(...) MODES_(__VA_ARGS__, 0, 0, 0, 0, 0)
#define MODES_(a, b, c, d, e, ...) MODE(a), MODE(b), MODE(c), MODE(d), MODE(e)
#define NO_VALUE
#define VALUE(type) .nvalues = 1, .value_sizes = {sizeof(type)},

#define KERNEL(name_, dtypes, values, flags_, work, ...)                                                     \
    static const kernel kernel_##name_ = {#name_, {__VA_ARGS__}, {dtypes(name_)}};                           \
    static da_status run_##name_(const da_call *call)                                                        \
    {                                                                                                        \
        return dispatch(call, &kernel_##name_);                                                              \
    }                                                                                                        \
    static double flops_##name_(const da_call *call)                                                         \
    {                                                                                                        \
        return scaled(call, &kernel_##name_, work);                                                          \
    }                                                                                                        \
    const da_codelet da_codelet_##name_ = {                                                                  \
        .name = "da_" #name_,                                                                                \
        .cpu = run_##name_,                                                                                  \
        .nbuffers = sizeof((const unsigned char[]){__VA_ARGS__}),                                            \
        .modes = {MODES(__VA_ARGS__)},                                                                       \
        values.flops = flops_##name_,                                                                        \
        .flags = flags_ | DA_CODELET_OWN,                                                                    \
    };
#define PUBLIC_KERNEL KERNEL
#include "kernel_list.inc"
