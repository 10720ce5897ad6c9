/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products of integer matrices, which no BLAS has. Arithmetic wraps, as NumPy's, and is done in unsigned types: modulo 2^n signed and
 * unsigned are the same. Products of bool are logical: or of ands.
 */
#include "kernel_support.h"

/* Element (i, j) of a da_matrix. */
#define DA_ENTRY(matrix, i, j) (((DA_T *)(matrix).data)[(i) + (ptrdiff_t)(j) * (matrix).ld])

#define DA_FN(name) da_kernel_##name##_u8
#define DA_T uint8_t
#define DA_WIDE uint32_t
#include "cpu/gemm_integer.inc"
#undef DA_FN
#undef DA_T

#define DA_FN(name) da_kernel_##name##_u16
#define DA_T uint16_t
#include "cpu/gemm_integer.inc"
#undef DA_FN
#undef DA_T

#define DA_FN(name) da_kernel_##name##_u32
#define DA_T uint32_t
#include "cpu/gemm_integer.inc"
#undef DA_FN
#undef DA_T
#undef DA_WIDE

#define DA_FN(name) da_kernel_##name##_u64
#define DA_T uint64_t
#define DA_WIDE uint64_t
#include "cpu/gemm_integer.inc"
#undef DA_FN
#undef DA_T
#undef DA_WIDE

da_status da_kernel_gemm_bool(const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;
    const bool add = args->alpha.re != 0, keep = args->beta.re != 0;
    da_matrix a, b, c;
    int k;

    DA_TRY(da_matrix_of(&a, call, 0));
    DA_TRY(da_matrix_of(&b, call, 1));
    DA_TRY(da_matrix_of(&c, call, 2));
    k = args->transa ? a.m : a.n;
    DA_TRY(da_matrix_check(call, 0, &a, args->transa ? k : c.m, args->transa ? c.m : k));
    DA_TRY(da_matrix_check(call, 1, &b, args->transb ? c.n : k, args->transb ? k : c.n));

#define DA_T bool
    for (int j = 0; j < c.n; j++)
        for (int i = 0; i < c.m; i++) {
            bool any = keep && DA_ENTRY(c, i, j);

            for (int l = 0; add && !any && l < k; l++)
                any = (args->transa ? DA_ENTRY(a, l, i) : DA_ENTRY(a, i, l)) &&
                      (args->transb ? DA_ENTRY(b, j, l) : DA_ENTRY(b, l, j));
            DA_ENTRY(c, i, j) = any;
        }
#undef DA_T
    return DA_OK;
}
