/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernels of this module: K(name, kinds of its buffers as in kernel_list.inc), a body in one of the *.inc each. */
#ifndef DA_CODELETS_CUDA_LIST_H
#define DA_CODELETS_CUDA_LIST_H

#include <darray/task.h>

/* clang-format off */
#define CUDA_KERNELS(K)              \
    K(gemm,              R, R, RW)   \
    K(syrk,              R, RW)      \
    K(symm,              R, R, RW)   \
    K(rank_k,            R, RW)      \
    K(rank_2k,           R, R, RW)   \
    K(trmm,              R, RW)      \
    K(trsm,              R, RW)      \
    K(trsm_checked,      R, RW)      \
    K(potrf,             RW)         \
    K(cholesky_diagonal, RW, W)      \
    K(cholesky_update,   R, R, RW)   \
    K(geqrt,             RW, W)      \
    K(gemqrt,            R, R, RW)   \
    K(tpmqrt,            R, R, RW, RW) \
    K(larft,             R, R, W)    \
    K(getrf,             RW, WP)     \
    K(sytrf,             RW, WP)     \
    K(sytrs,             R, RP, RW)  \
    K(rcond,             R, R, W)    \
    K(lu_update,         R, RP, RW)  \
    K(heevd,             RW, WV)     \
    K(gesdd,             RW, WV, W, W) \
    K(gesdd_values,      RW, WV)     \
    K(hetrd_begin,       RW, WV)     \
    K(hetrd_column,      RW, RW, R, RW) \
    K(hetrd_rest,        RW, W)      \
    K(hetrd_end,         R, WV, WV)  \
    K(gebrd_begin,       RW, W)      \
    K(gebrd_column,      RW, RW, R, R, RW) \
    K(gebrd_row,         R, R, RW, R, RW) \
    K(hetrd_multiply,    R, R, W)    \
    K(hetrd_update,      R, RW)      \
    K(gebrd_multiply,    R, R, W)    \
    K(stedc_product,     RR, RR, RR, W) \
    K(bdsdc_begin,       R, WV, WV)  \
    K(bdsdc_product,     RR, RR, RR, RV, W) \
    K(stedc,             RWV, RV, W) \
    K(sterf,             RWV, RWV)   \
    K(bdsdc_values,      R, WV)      \
    K(getrf_nopivot,     RW)
#if CUDA_HAS_GEEV
#define CUDA_GENERAL_KERNELS(K)      \
    K(geev,              RW, WZV, WZ) \
    K(geev_values,       RW, WZV)
#else
#define CUDA_GENERAL_KERNELS(K)
#endif
/* of real dtypes alone */
#define CUDA_REAL_KERNELS(K)         \
    K(bdsdc_leaf,        RWV, RV, W, W) \
    K(merge_pack,        RR, RR, WR) \
    K(stedc_deflate,     RV, RV, WR, WR) \
    K(bdsdc_deflate,     RV, RV, WR, WR, WR) \
    K(stedc_secular,     RR, WR, WR, WV) \
    K(bdsdc_secular,     RR, WR, WR, WV) \
    K(stedc_order,       WR, RR, RV, WV) \
    K(bdsdc_order,       WR, RR, RV, WV)
/* clang-format on */

/* cuda_NAME_takes: whether the sizes fit, for one matrix of the batch; cuda_NAME_DTYPE: what runs */
#define CUDA_DECLARE_(name, ...)                                                                             \
    da_status cuda_##name##_f32(const da_call *call);                                                        \
    da_status cuda_##name##_f64(const da_call *call);                                                        \
    da_status cuda_##name##_c64(const da_call *call);                                                        \
    da_status cuda_##name##_c128(const da_call *call);
#define CUDA_DECLARE_REAL_(name, ...)                                                                        \
    da_status cuda_##name##_f32(const da_call *call);                                                        \
    da_status cuda_##name##_f64(const da_call *call);
CUDA_KERNELS(CUDA_DECLARE_)
CUDA_GENERAL_KERNELS(CUDA_DECLARE_)
CUDA_REAL_KERNELS(CUDA_DECLARE_REAL_)

/* gemm on every matrix of a batch, whose axes are those before the last two. */
da_status cuda_gemm_batch_f32(const da_call *call);
da_status cuda_gemm_batch_f64(const da_call *call);
da_status cuda_gemm_batch_c64(const da_call *call);
da_status cuda_gemm_batch_c128(const da_call *call);

#endif
