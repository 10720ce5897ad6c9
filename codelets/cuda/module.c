/* SPDX-License-Identifier: BSD-3-Clause */
/* What the module offers: which calls its kernels take, and the functions that run them. */
#include "module.h"
#include "list.h"

#include "device/launch.h"
#include "kernels.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* What a buffer is, in list.h: written or not, the number of axes that the kernel works on, and whether it is of the real or the complex dtype. */
enum {
    KIND_AXES = 3,
    KIND_WRITTEN = 4,
    KIND_REAL = 8,
    KIND_COMPLEX = 16,
    R = 2,
    W = 2 + KIND_WRITTEN,
    RW = 2 + KIND_WRITTEN,
    RP = 1,
    WP = 1 + KIND_WRITTEN,
    RR = 2 + KIND_REAL,
    WR = 2 + KIND_WRITTEN + KIND_REAL,
    RV = 1 + KIND_REAL,
    WV = 1 + KIND_WRITTEN + KIND_REAL,
    RWV = 1 + KIND_WRITTEN + KIND_REAL,
    WZ = 2 + KIND_WRITTEN + KIND_COMPLEX,
    WZV = 1 + KIND_WRITTEN + KIND_COMPLEX,
    MOST_BUFFERS = 5
};

/* ---- sizes ---- */

typedef struct extents {
    int64_t m, n;
} extents;

/* Rows and columns of buffer `index`; a vector is a column. */
static extents extents_of(const da_call *call, int index)
{
    const da_buffer *const b = &call->buffers[index];
    const int lead = b->ndim > 2 ? b->ndim - 2 : 0;

    return (extents){b->ndim > 0 ? b->shape[lead] : 1, b->ndim > 1 ? b->shape[lead + 1] : 1};
}

static bool are(extents e, int64_t m, int64_t n)
{
    return e.m == m && e.n == n;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool gemm_fits(const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;
    const extents a = extents_of(call, 0), b = extents_of(call, 1), c = extents_of(call, 2);
    const int64_t k = args->transa ? a.m : a.n;

    return k > 0 && are(a, args->transa ? k : c.m, args->transa ? c.m : k) &&
           are(b, args->transb ? c.n : k, args->transb ? k : c.n);
}

static bool syrk_fits(const da_call *call)
{
    const da_syrk_args *args = call->values[0].data;
    const extents a = extents_of(call, 0), c = extents_of(call, 1);
    const int64_t k = args->trans ? a.m : a.n;

    return k > 0 && are(a, args->trans ? k : c.m, args->trans ? c.m : k) && c.m == c.n;
}

static bool symm_fits(const da_call *call)
{
    const da_symm_args *args = call->values[0].data;
    const extents b = extents_of(call, 1), c = extents_of(call, 2);
    const int64_t n = args->flags & DA_RIGHT ? c.n : c.m;

    return are(extents_of(call, 0), n, n) && are(b, c.m, c.n);
}

static bool rank_fits(const da_call *call, extents c)
{
    const da_rank_args *args = call->values[0].data;
    const extents a = extents_of(call, 0);

    return (args->trans ? a.m : a.n) > 0 && (args->trans ? a.n : a.m) == c.m && c.m == c.n;
}

static bool rank_k_fits(const da_call *call)
{
    return rank_fits(call, extents_of(call, 1));
}

static bool rank_2k_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return rank_fits(call, extents_of(call, 2)) && are(extents_of(call, 1), a.m, a.n);
}

static bool triangle_fits(const da_call *call, unsigned flags)
{
    const extents b = extents_of(call, 1);
    const int64_t n = flags & DA_RIGHT ? b.n : b.m;

    return are(extents_of(call, 0), n, n);
}

static bool trmm_fits(const da_call *call)
{
    return triangle_fits(call, ((const da_trsm_args *)call->values[0].data)->flags);
}

static bool trsm_fits(const da_call *call)
{
    return triangle_fits(call, ((const da_trsm_args *)call->values[0].data)->flags);
}

static bool trsm_checked_fits(const da_call *call)
{
    return triangle_fits(call, ((const da_trsm_checked_args *)call->values[0].data)->trsm.flags);
}

static bool potrf_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m == a.n;
}

static bool cholesky_diagonal_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m == a.n && are(extents_of(call, 1), a.m, a.n);
}

static bool cholesky_update_fits(const da_call *call)
{
    const da_cholesky_update_args *args = call->values[0].data;
    const extents b = extents_of(call, 1), c = extents_of(call, 2);

    return b.n > 0 && are(extents_of(call, 0), c.m, b.n) && b.m == c.n && (!args->diagonal || c.m >= c.n);
}

static bool geqrt_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return extents_of(call, 1).n == least(a.m, a.n);
}

static bool gemqrt_fits(const da_call *call)
{
    const da_unmqr_args *args = call->values[0].data;
    const extents v = extents_of(call, 0), c = extents_of(call, 2);

    return extents_of(call, 1).n >= least(v.m, v.n) && (args->flags & DA_RIGHT ? c.n : c.m) == v.m;
}

static bool tpmqrt_fits(const da_call *call)
{
    const da_unmqr_args *args = call->values[0].data;
    const extents v = extents_of(call, 0), a = extents_of(call, 2), b = extents_of(call, 3);

    return extents_of(call, 1).n >= v.n && v.m <= v.n &&
           (args->flags & DA_RIGHT ? are(a, b.m, v.n) && b.n == v.m : are(a, v.n, b.n) && b.m == v.m);
}

static bool larft_fits(const da_call *call)
{
    const extents v = extents_of(call, 0), t = extents_of(call, 2);

    return v.m >= t.n && v.n == t.n && are(extents_of(call, 1), t.n, 1);
}

/* Elements of a vector. */
static int64_t length_of(const da_call *call, int index)
{
    return call->buffers[index].shape[call->buffers[index].ndim - 1];
}

static bool getrf_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return length_of(call, 1) == least(a.m, a.n);
}

static bool sytrf_fits(const da_call *call)
{
    const da_ldl_args *args = call->values[0].data;
    const extents a = extents_of(call, 0);
    const da_dtype dtype = call->buffers[0].dtype;

    return a.m == a.n && length_of(call, 1) == a.m && (args->symmetric || dtype == DA_F32 || dtype == DA_F64);
}

static bool sytrs_fits(const da_call *call)
{
    const da_ldl_args *args = call->values[0].data;
    const int64_t n = extents_of(call, 2).m;

    return !args->given && are(extents_of(call, 0), n, n) && length_of(call, 1) == n;
}

static bool rcond_fits(const da_call *call)
{
    const extents factor = extents_of(call, 0);

    return factor.m > 0 && factor.m == factor.n && extents_of(call, 1).m == 1 &&
           are(extents_of(call, 2), 1, 1);
}

static bool lu_update_fits(const da_call *call)
{
    const extents panel = extents_of(call, 0), c = extents_of(call, 2);

    return panel.m >= panel.n && c.m == panel.m && da_device_exchange_takes(call, 1, 2);
}

static bool heevd_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m == a.n && length_of(call, 1) == a.m && da_heevd_one_task(a.n);
}

#if CUDA_HAS_GEEV
static bool geev_values_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m == a.n && length_of(call, 1) == a.n;
}

static bool geev_fits(const da_call *call)
{
    const int64_t n = extents_of(call, 0).n;

    return geev_values_fits(call) && are(extents_of(call, 2), n, n);
}
#endif

static bool gesdd_values_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m >= a.n && length_of(call, 1) == a.n && da_gesdd_one_task(a.m, a.n);
}

static bool gesdd_fits(const da_call *call)
{
    const extents a = extents_of(call, 0), u = extents_of(call, 2);

    return gesdd_values_fits(call) && u.m == a.m && (u.n == a.n || u.n == a.m) &&
           are(extents_of(call, 3), a.n, a.n);
}

static bool hetrd_begin_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m > 0 && a.m == a.n && length_of(call, 1) == a.m;
}

static bool hetrd_column_fits(const da_call *call)
{
    const da_hetrd_args *args = call->values[0].data;
    const extents panel = extents_of(call, 0);

    return panel.m >= panel.n && are(extents_of(call, 1), panel.m, 2 * panel.n) &&
           extents_of(call, 2).m == panel.m && are(extents_of(call, 3), panel.n, 1) && args->column >= 0 &&
           args->column <= panel.n;
}

static bool hetrd_rest_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m == a.n && are(extents_of(call, 1), a.m, 1);
}

static bool hetrd_end_fits(const da_call *call)
{
    return hetrd_begin_fits(call) && length_of(call, 2) == extents_of(call, 0).m;
}

static bool gebrd_begin_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.n > 0 && a.m >= a.n && are(extents_of(call, 1), a.n, 4);
}

static bool gebrd_column_fits(const da_call *call)
{
    const da_hetrd_args *args = call->values[0].data;
    const extents panel = extents_of(call, 0), yv = extents_of(call, 2);

    return panel.m >= panel.n && are(extents_of(call, 1), panel.m, 2 * panel.n) && yv.m >= panel.n &&
           yv.n == 2 * panel.n && extents_of(call, 3).m >= panel.m && are(extents_of(call, 4), panel.n, 4) &&
           args->column >= 0 && args->column <= panel.n;
}

static bool gebrd_row_fits(const da_call *call)
{
    const da_hetrd_args *args = call->values[0].data;
    const extents row = extents_of(call, 0), ux = extents_of(call, 1), yv = extents_of(call, 2);
    const int64_t k = ux.n / 2;

    return row.m == 1 && args->column >= 0 && args->column < k && ux.m > args->column &&
           are(yv, args->column + 1 + row.n, 2 * k) && extents_of(call, 3).m >= yv.m &&
           are(extents_of(call, 4), k, 4);
}

static bool hetrd_multiply_fits(const da_call *call)
{
    const extents a = extents_of(call, 0), y = extents_of(call, 2);

    return a.m >= a.n && are(extents_of(call, 1), a.m, 1) && y.m >= a.m && y.n == 1;
}

static bool hetrd_update_fits(const da_call *call)
{
    const extents c = extents_of(call, 1);

    return c.m >= c.n && extents_of(call, 0).m == c.m;
}

static bool gebrd_multiply_fits(const da_call *call)
{
    const da_unmqr_args *args = call->values[0].data;
    const extents a = extents_of(call, 0);
    const bool conj = (args->flags & DA_CONJ_TRANSPOSE) != 0;

    return are(extents_of(call, 1), conj ? a.m : a.n, 1) && are(extents_of(call, 2), conj ? a.n : a.m, 1);
}

/* Whether there is a plan of n values, of which `columns` from args->column on are meant. */
static bool plan_fits(const da_call *call, int64_t n, int64_t columns)
{
    const da_merge_args *args = call->values[0].data;

    return are(extents_of(call, 0), n, DA_PLAN_COLUMNS) && args->column >= 0 && args->column <= n - columns;
}

static bool stedc_product_fits(const da_call *call)
{
    const extents z = extents_of(call, 3);

    return plan_fits(call, z.m, z.n) && are(extents_of(call, 1), z.m, z.m) &&
           are(extents_of(call, 2), z.m, 2);
}

static bool bdsdc_product_fits(const da_call *call)
{
    const da_merge_args *args = call->values[0].data;
    const extents packed = extents_of(call, 1), z = extents_of(call, 4);
    const int64_t n = packed.n;

    return plan_fits(call, n, args->turned ? z.m : z.n) && (args->turned ? z.n : z.m) == packed.m &&
           are(extents_of(call, 2), n, 2) && length_of(call, 3) == n;
}

static bool bdsdc_begin_fits(const da_call *call)
{
    const int64_t n = extents_of(call, 0).m;

    return n > 0 && are(extents_of(call, 0), n, 4) && length_of(call, 1) == n && length_of(call, 2) == n;
}

static bool stedc_fits(const da_call *call)
{
    const da_stedc_args *args = call->values[0].data;
    const extents z = extents_of(call, 2);

    return length_of(call, 0) == z.n && length_of(call, 1) == z.m && args->at >= 0 && args->at <= z.m - z.n &&
           da_heevd_one_task(z.n);
}

static bool sterf_fits(const da_call *call)
{
    const int64_t n = length_of(call, 0);

    return length_of(call, 1) == n && da_heevd_one_task(n);
}

static bool bdsdc_values_fits(const da_call *call)
{
    const int64_t n = extents_of(call, 0).m;

    return are(extents_of(call, 0), n, 4) && length_of(call, 1) == n && da_gesdd_one_task(n, n);
}

static bool bdsdc_leaf_fits(const da_call *call)
{
    const da_stedc_args *args = call->values[0].data;
    const extents u = extents_of(call, 2), v = extents_of(call, 3);
    const int64_t n = length_of(call, 0), columns = v.n;

    return n > 0 && (columns == n || columns == n + 1) && u.n == columns && args->at >= 0 &&
           args->at <= least(u.m, v.m) - columns && args->at <= length_of(call, 1) - (columns - 1) &&
           da_gesdd_one_task(columns, n);
}

static bool merge_pack_fits(const da_call *call)
{
    const extents q = extents_of(call, 1), packed = extents_of(call, 2);

    return plan_fits(call, q.n, packed.n) && q.m == packed.m;
}

/* Whether there are n values in parts of which the upper one is of order args->top, a number between them, and a plan. */
static bool parts_fit(const da_call *call, int64_t n, int plan)
{
    const da_merge_args *args = call->values[0].data;

    return length_of(call, 0) == n && length_of(call, 1) == 1 &&
           are(extents_of(call, plan), n, DA_PLAN_COLUMNS) && args->top > 0 && args->top <= n;
}

static bool stedc_deflate_fits(const da_call *call)
{
    const extents q = extents_of(call, 2);

    return q.m == q.n && parts_fit(call, q.n, 3);
}

static bool bdsdc_deflate_fits(const da_call *call)
{
    const extents u = extents_of(call, 2), v = extents_of(call, 3);

    return u.m == u.n && v.m == v.n && (v.n == u.n || v.n == u.n + 1) && parts_fit(call, u.n, 4);
}

static bool secular_fits(const da_call *call)
{
    const extents shifts = extents_of(call, 1);
    const int64_t n = extents_of(call, 0).m;

    return plan_fits(call, n, shifts.m) && shifts.n == 2 && are(extents_of(call, 2), n, 1) &&
           length_of(call, 3) == shifts.m;
}

static bool stedc_secular_fits(const da_call *call)
{
    return secular_fits(call);
}

static bool bdsdc_secular_fits(const da_call *call)
{
    return secular_fits(call);
}

static bool order_fits(const da_call *call)
{
    const int64_t n = length_of(call, 3);

    return are(extents_of(call, 0), n, DA_PLAN_COLUMNS) && extents_of(call, 1).m == n &&
           length_of(call, 2) == n;
}

static bool stedc_order_fits(const da_call *call)
{
    return order_fits(call);
}

static bool bdsdc_order_fits(const da_call *call)
{
    return order_fits(call);
}

static bool getrf_nopivot_fits(const da_call *call)
{
    const extents a = extents_of(call, 0);

    return a.m >= a.n;
}

/* ---- running ---- */

static da_status each(const da_call *call, const unsigned char *kinds, const da_kernel run[4])
{
    unsigned char axes[MOST_BUFFERS];
    da_dtype dtype = call->buffers[0].dtype; /* if no operand says more */

    for (int i = call->nbuffers - 1; i >= 0; i--) {
        axes[i] = kinds[i] & KIND_AXES;
        dtype = axes[i] > 1 && !(kinds[i] & (KIND_REAL | KIND_COMPLEX)) ? call->buffers[i].dtype : dtype;
    }
    return cuda_each(call, axes, run[dtype == DA_F32 ? 0 : dtype == DA_F64 ? 1 : dtype == DA_C64 ? 2 : 3]);
}

static bool takes(const da_call *call, int n, const unsigned char *kinds)
{
    unsigned char axes[MOST_BUFFERS], written[MOST_BUFFERS];
    cuda_kin kin[MOST_BUFFERS];

    for (int i = 0; i < n; i++) {
        axes[i] = kinds[i] & KIND_AXES;
        written[i] = kinds[i] & KIND_WRITTEN;
        kin[i] = kinds[i] & KIND_REAL ? CUDA_REAL : kinds[i] & KIND_COMPLEX ? CUDA_COMPLEX : CUDA_SAME;
    }
    return cuda_takes(call, n, axes, written, kin);
}

#define OFFERED_(name, c64, c128, ...)                                                                       \
    static const unsigned char kinds_##name[] = {__VA_ARGS__};                                               \
    static const da_kernel run_##name[4] = {cuda_##name##_f32, cuda_##name##_f64, c64, c128};                \
    static bool name##_takes(const da_device_ops *ops, const da_call *call)                                  \
    {                                                                                                        \
        (void)ops;                                                                                           \
        return takes(call, sizeof kinds_##name, kinds_##name) && name##_fits(call);                          \
    }                                                                                                        \
    static da_status name##_each(const da_call *call)                                                        \
    {                                                                                                        \
        return each(call, kinds_##name, run_##name);                                                         \
    }
#define KERNEL_(name, ...) OFFERED_(name, cuda_##name##_c64, cuda_##name##_c128, __VA_ARGS__)
#define REAL_KERNEL_(name, ...) OFFERED_(name, NULL, NULL, __VA_ARGS__)
CUDA_KERNELS(KERNEL_)
CUDA_GENERAL_KERNELS(KERNEL_)
CUDA_REAL_KERNELS(REAL_KERNEL_)

#define RUN_(name)                                                                                           \
    static da_status name##_run(const da_device_ops *ops, const da_call *call)                               \
    {                                                                                                        \
        (void)ops;                                                                                           \
        return name##_each(call);                                                                            \
    }
RUN_(syrk)
RUN_(symm)
RUN_(rank_k)
RUN_(rank_2k)
RUN_(trmm)
RUN_(trsm)
RUN_(trsm_checked)
RUN_(potrf)
RUN_(cholesky_diagonal)
RUN_(cholesky_update)
RUN_(geqrt)
RUN_(gemqrt)
RUN_(tpmqrt)
RUN_(larft)
RUN_(getrf)
RUN_(sytrf)
RUN_(sytrs)
RUN_(rcond)
RUN_(heevd)
RUN_(gesdd)
RUN_(gesdd_values)
RUN_(hetrd_begin)
RUN_(hetrd_column)
RUN_(hetrd_rest)
RUN_(hetrd_end)
RUN_(gebrd_begin)
RUN_(gebrd_column)
RUN_(gebrd_row)
RUN_(hetrd_multiply)
RUN_(hetrd_update)
RUN_(gebrd_multiply)
RUN_(stedc_product)
RUN_(bdsdc_begin)
RUN_(bdsdc_product)
RUN_(stedc)
RUN_(sterf)
RUN_(bdsdc_values)
RUN_(bdsdc_leaf)
RUN_(merge_pack)
RUN_(stedc_deflate)
RUN_(bdsdc_deflate)
RUN_(stedc_secular)
RUN_(bdsdc_secular)
RUN_(stedc_order)
RUN_(bdsdc_order)
RUN_(getrf_nopivot)
#if CUDA_HAS_GEEV
RUN_(geev)
RUN_(geev_values)
#endif

/* The last axis of a batch goes to cuBLAS in one call if no matrix is before the first one and they are not too many. */
static da_status gemm_run(const da_device_ops *ops, const da_call *call)
{
    static const unsigned char inner[] = {3, 3, 3};
    static const da_kernel batched[4] = {cuda_gemm_batch_f32, cuda_gemm_batch_f64, cuda_gemm_batch_c64,
                                         cuda_gemm_batch_c128};
    bool one_call = call->buffers[2].ndim > 2;

    (void)ops;
    for (int i = 0; i < 3; i++) {
        const da_buffer *const b = &call->buffers[i];

        one_call =
            one_call && (b->ndim < 3 || (b->strides[b->ndim - 3] >= 0 && b->shape[b->ndim - 3] <= INT_MAX));
    }
    return one_call ? each(call, inner, batched) : gemm_each(call);
}

/* cuBLAS has no integers: these are the common kernel's. */
static bool product_takes(const da_device_ops *ops, const da_call *call)
{
    return da_device_multiply_takes(ops, call) || gemm_takes(ops, call);
}

static da_status product_run(const da_device_ops *ops, const da_call *call)
{
    return (da_device_multiply_takes(ops, call) ? da_device_multiply : gemm_run)(ops, call);
}

static da_status lu_update_run(const da_device_ops *ops, const da_call *call)
{
    cuda_lane *lane;

    DA_TRY(cuda_lane_of(&lane, call)); /* nothing has been launched if there is none */
    DA_TRY(da_device_exchange(ops, call, 1, 2));
    return lu_update_each(call);
}

static int count(void)
{
    int n = 0;

    if (cudaGetDeviceCount(&n) == cudaSuccess)
        return n;
    (void)cudaGetLastError();
    return 0;
}

/* 0 if the driver does not say. */
static double attribute(enum cudaDeviceAttr which, int index)
{
    int value = 0;

    if (cudaDeviceGetAttribute(&value, which, index) == cudaSuccess)
        return value;
    (void)cudaGetLastError();
    return 0;
}

/* Units of a multiprocessor that multiply and add two floats in each cycle. */
static double lanes_of(int capability)
{
    if (capability < 50)
        return 192;
    return capability == 60 || (capability >= 70 && capability <= 80) ? 64 : 128;
}

static bool describe(int index, da_device_about *about)
{
    struct cudaDeviceProp is;
    int capability = 0;

    if (cudaGetDeviceProperties(&is, index) != cudaSuccess ||
        cuda_capability(index, &capability) != cudaSuccess) {
        (void)cudaGetLastError();
        return false;
    }
    const double ratio = attribute(cudaDevAttrSingleToDoublePrecisionPerfRatio, index);
    *about = (da_device_about){.memory = (int64_t)is.totalGlobalMem};
    snprintf(about->name, sizeof about->name, "%s", is.name);
    about->flops = 2e3 * attribute(cudaDevAttrClockRate, index) *
                   attribute(cudaDevAttrMultiProcessorCount, index) * lanes_of(capability);
    about->doubles = ratio > 0 ? about->flops / ratio : 0;
    return true;
}

typedef struct copies {
    cudaStream_t stream;
    char *memory; /* both pieces */
} copies;

enum { COPIED = 1 << 26 }; /* more than caches hold, mostly */

static bool copy_within(void *ctx, size_t bytes)
{
    const copies *const c = ctx;

    return cudaMemcpyAsync(c->memory + COPIED, c->memory, bytes, cudaMemcpyDeviceToDevice, c->stream) ==
               cudaSuccess &&
           cudaStreamSynchronize(c->stream) == cudaSuccess;
}

/* Devices are brought up in threads of their own, so that the caller's device stays what it is: from CUDA 12 on, going back to that one would
 * bring it up as well, used or not. No signal's handler runs there. False if there is no such thread. */
static bool run_aside(void *(*run)(void *), void *ctx)
{
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const bool ran = pthread_create(&thread, NULL, run, ctx) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ran && pthread_join(thread, NULL) == 0;
}

typedef struct measuring {
    int index;
    double *seconds, *bytes;
    bool done;
} measuring;

static void *measure_aside(void *ctx)
{
    measuring *const m = ctx;
    copies c = {.memory = NULL};

    if (cudaSetDevice(m->index) == cudaSuccess &&
        cudaStreamCreateWithFlags(&c.stream, cudaStreamNonBlocking) == cudaSuccess) {
        m->done = cudaMalloc((void **)&c.memory, 2 * (size_t)COPIED) == cudaSuccess &&
                  da_device_time_copies(copy_within, &c, COPIED, m->seconds, m->bytes);
        (void)cudaFree(c.memory);
        (void)cudaStreamDestroy(c.stream);
    }
    return NULL;
}

static bool measure(int index, double *seconds, double *bytes)
{
    measuring m = {index, seconds, bytes, false};

    return run_aside(measure_aside, &m) && m.done;
}

typedef struct start {
    int index, capability;
    bool starts;
    cudaError_t error;
} start;

/* The context stays: the runtime uses the same one. */
static void *start_aside(void *ctx)
{
    start *const s = ctx;

    s->error = cudaSetDevice(s->index);
    if (s->error == cudaSuccess)
        s->error = cudaFree(NULL);
    s->starts = s->error == cudaSuccess;
    if (s->starts)
        s->error = cuda_capability(s->index, &s->capability);
    return NULL;
}

/* Devices older than the toolkit knows start, but there are no kernels for them. */
static bool usable(int index, bool *starts, char *why, size_t size)
{
    start s = {.index = index, .error = cudaErrorUnknown};
    int best = 0, oldest = 0;

    if (!run_aside(start_aside, &s))
        s.error = cudaErrorOperatingSystem;
    *starts = s.starts;
    const bool old = s.error == cudaSuccess && cuda_architectures(s.capability, &best, &oldest) && best == 0;
    if (old)
        snprintf(why, size, "its compute capability is %d.%d, and this CUDA toolkit's least is %d.%d",
                 s.capability / 10, s.capability % 10, oldest / 10, oldest % 10);
    else if (s.error != cudaSuccess)
        snprintf(why, size, "%s (%d)", cudaGetErrorString(s.error), (int)s.error);
    return s.error == cudaSuccess && !old;
}

static int64_t compiled(void)
{
    return atomic_load(&cuda_compiled);
}

static unsigned outcome(void)
{
    const unsigned bits = cuda_outcome;

    cuda_outcome = 0;
    return bits;
}

/* ---- host memory ---- */

static int used[64], nused; /* the devices that are; 0: all of them */

static void use(const int *indices, int n)
{
    nused = (int)least(n, sizeof used / sizeof used[0]);
    for (int i = 0; i < nused; i++)
        used[i] = indices[i];
}

static bool is_used(int device)
{
    bool found = nused == 0;

    for (int i = 0; i < nused; i++)
        found = found || used[i] == device;
    return found;
}

/* What is asked of CUDA about memory of the host's. */
typedef struct pages {
    cudaError_t (*ask)(const struct pages *);
    void *p;
    size_t bytes;
    cudaError_t error;
} pages;

static void *ask_aside(void *ctx)
{
    pages *const g = ctx;

    g->error = cudaSetDevice(used[0]);
    if (g->error == cudaSuccess)
        g->error = g->ask(g);
    return NULL;
}

/* That brings up the thread's device. So it is asked here where that is one that is used, as in workers, else aside, unless there is no thread
 * for it. */
static bool ask(pages g)
{
    int current = 0;
    const bool here = cudaGetDevice(&current) == cudaSuccess && is_used(current);

    if (here || !run_aside(ask_aside, &g)) {
        g.error = g.ask(&g);
        if (g.error != cudaSuccess)
            (void)cudaGetLastError();
    }
    return g.error == cudaSuccess;
}

/* Mapped: for kernels, which write info there. The default flags, 0, are said to map as well where host and devices share their addresses;
 * Portable alone is not. */
static cudaError_t lock(const pages *g)
{
    return cudaHostRegister(g->p, g->bytes, cudaHostRegisterPortable | cudaHostRegisterMapped);
}

/* Where they share their addresses, as they do in 64 bits, the answer is that of all devices. */
static cudaError_t reach(const pages *g)
{
    void *there = NULL;
    const cudaError_t error = cudaHostGetDevicePointer(&there, g->p, 0);

    return error == cudaSuccess && there != g->p ? cudaErrorInvalidValue : error;
}

static cudaError_t unlock(const pages *g)
{
    return cudaHostUnregister(g->p);
}

static bool lock_pages(void *p, size_t bytes)
{
    return ask((pages){.ask = lock, .p = p, .bytes = bytes});
}

static bool reaches_pages(void *p)
{
    return ask((pages){.ask = reach, .p = p});
}

static void unlock_pages(void *p)
{
    (void)ask((pages){.ask = unlock, .p = p});
}

static bool has(da_dtype dtype)
{
    (void)dtype; /* they have them all */
    return true;
}

static da_status scratch(const da_call *call, size_t bytes, da_buffer *memory)
{
    cuda_lane *lane;
    char *data;

    DA_TRY(cuda_lane_of(&lane, call));
    DA_TRY(cuda_scratch(&data, lane, call, bytes));
    *memory = (da_buffer){.data = data};
    return DA_OK;
}

DA_API const da_device_ops *da_device_module(void);

const da_device_ops *da_device_module(void)
{
#define ENTRY_(name, ...) {"da_" #name, name##_takes, name##_run},
    /* of two with one name the first counts */
    static const da_device_kernel kernels[] = {{"da_gemm", product_takes, product_run},
                                               CUDA_KERNELS(ENTRY_) CUDA_GENERAL_KERNELS(ENTRY_)
                                                   CUDA_REAL_KERNELS(ENTRY_){NULL, NULL, NULL}};
    static const da_device_ops ops = {
        .version = DA_DEVICE_VERSION,
        .kind = DA_DEVICE_CUDA,
        .count = count,
        .kernels = kernels,
        .launch = cuda_launch,
        .scratch = scratch,
        .has = has,
        .use = use,
        .compile = cuda_compile,
        .describe = describe,
        .measure = measure,
        .usable = usable,
        .compiled = compiled,
        .leave = cuda_leave,
        .outcome = outcome,
        .lock_pages = lock_pages,
        .reaches_pages = reaches_pages,
        .unlock_pages = unlock_pages,
    };

    return &ops;
}
