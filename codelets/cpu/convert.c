/* SPDX-License-Identifier: BSD-3-Clause */
/* Conversion of a line of elements between any two element types: one ordinary body (convert_line.inc) compiled for every pair. */
#include "array_kernels.h"
#include "cpu/half.h"

/* How C casts a floating number to an integer, but defined for every value: what does not fit becomes what x86 gives. */
static inline int32_t f_to_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}
static inline int64_t f_to_i64(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}
static inline uint64_t f_to_u64(double x)
{
    if (x >= 9223372036854775808.0)
        return x < 18446744073709551616.0 ? (uint64_t)x : 0;
    return (uint64_t)f_to_i64(x);
}

#define D_FROM_F_i8(x) ((int8_t)f_to_i32(x))
#define D_FROM_F_i16(x) ((int16_t)f_to_i32(x))
#define D_FROM_F_i32(x) f_to_i32(x)
#define D_FROM_F_i64(x) f_to_i64(x)
#define D_FROM_F_u8(x) ((uint8_t)f_to_i32(x))
#define D_FROM_F_u16(x) ((uint16_t)f_to_i32(x))
#define D_FROM_F_u32(x) ((uint32_t)f_to_i64(x))
#define D_FROM_F_u64(x) f_to_u64(x)

#define DST b8
#define D_T uint8_t
#define D_FROM_I(x) ((uint8_t)((x) != 0))
#define D_FROM_F(x) ((uint8_t)((x) != 0))
#define D_FROM_C(z) ((uint8_t)((z).re != 0 || (z).im != 0))
#include "convert_to.inc"

#define DST i8
#define D_T int8_t
#define D_FROM_I(x) ((int8_t)(x))
#define D_FROM_F D_FROM_F_i8
#include "convert_to.inc"

#define DST i16
#define D_T int16_t
#define D_FROM_I(x) ((int16_t)(x))
#define D_FROM_F D_FROM_F_i16
#include "convert_to.inc"

#define DST i32
#define D_T int32_t
#define D_FROM_I(x) ((int32_t)(x))
#define D_FROM_F D_FROM_F_i32
#include "convert_to.inc"

#define DST i64
#define D_T int64_t
#define D_FROM_I(x) ((int64_t)(x))
#define D_FROM_F D_FROM_F_i64
#include "convert_to.inc"

#define DST u8
#define D_T uint8_t
#define D_FROM_I(x) ((uint8_t)(x))
#define D_FROM_F D_FROM_F_u8
#include "convert_to.inc"

#define DST u16
#define D_T uint16_t
#define D_FROM_I(x) ((uint16_t)(x))
#define D_FROM_F D_FROM_F_u16
#include "convert_to.inc"

#define DST u32
#define D_T uint32_t
#define D_FROM_I(x) ((uint32_t)(x))
#define D_FROM_F D_FROM_F_u32
#include "convert_to.inc"

#define DST u64
#define D_T uint64_t
#define D_FROM_I(x) ((uint64_t)(x))
#define D_FROM_F D_FROM_F_u64
#include "convert_to.inc"

#define DST f16
#define D_T uint16_t
#define D_FROM_I(x) f64_to_f16((double)(x))
#define D_FROM_F(x) f64_to_f16((double)(x))
#include "convert_to.inc"

#define DST bf16
#define D_T uint16_t
#define D_FROM_I(x) f64_to_bf16((double)(x))
#define D_FROM_F(x) f64_to_bf16((double)(x))
#include "convert_to.inc"

#define DST f32
#define D_T float
#define D_FROM_I(x) ((float)(x))
#define D_FROM_F(x) ((float)(x))
#include "convert_to.inc"

#define DST f64
#define D_T double
#define D_FROM_I(x) ((double)(x))
#define D_FROM_F(x) ((double)(x))
#include "convert_to.inc"

#define DST c64
#define D_T da_c64
#define D_FROM_I(x) ((da_c64){(float)(x), 0})
#define D_FROM_F(x) ((da_c64){(float)(x), 0})
#define D_FROM_C(z) ((da_c64){(float)(z).re, (float)(z).im})
#include "convert_to.inc"

#define DST c128
#define D_T da_c128
#define D_FROM_I(x) ((da_c128){(double)(x), 0})
#define D_FROM_F(x) ((da_c128){(double)(x), 0})
#define D_FROM_C(z) ((da_c128){(double)(z).re, (double)(z).im})
#include "convert_to.inc"

kernel_line kernel_line_for(da_dtype dst_dtype, da_dtype src_dtype)
{
    static const kernel_line *const table[] = {
        to_b8,  to_i8,  to_i16,  to_i32, to_i64, to_u8,  to_u16,  to_u32,
        to_u64, to_f16, to_bf16, to_f32, to_f64, to_c64, to_c128,
    };
    return table[dst_dtype - DA_BOOL][src_dtype - DA_BOOL];
}
