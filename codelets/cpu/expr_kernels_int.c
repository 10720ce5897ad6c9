/* SPDX-License-Identifier: BSD-3-Clause */
/* Elementwise kernels of bool and the integers. Integers wrap around. */
#include "cpu/expr_loops.h"

/* x**y by squaring, wrapping; 1/x**-y cut to an integer for y < 0. NAME, type, unsigned type. */
#define INTEGER_POWER(name, type, wrap)                                                                      \
    static inline type name(type x, type y)                                                                  \
    {                                                                                                        \
        wrap result = 1, base = (wrap)x;                                                                     \
        if (y < 0)                                                                                           \
            return (type)(x == 1 ? 1 : x == (type)-1 ? ((y & 1) ? x : 1) : 0);                               \
        for (; y > 0; y = (type)(y / 2)) {                                                                   \
            if (y & 1)                                                                                       \
                result = (wrap)(result * base);                                                              \
            base = (wrap)(base * base);                                                                      \
        }                                                                                                    \
        return (type)result;                                                                                 \
    }
/* y < 0 is never true in the unsigned ones */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"
#endif
INTEGER_POWER(power_i8, int8_t, uint32_t)
INTEGER_POWER(power_i16, int16_t, uint32_t)
INTEGER_POWER(power_i32, int32_t, uint32_t)
INTEGER_POWER(power_i64, int64_t, uint64_t)
INTEGER_POWER(power_u8, uint8_t, uint32_t)
INTEGER_POWER(power_u16, uint16_t, uint32_t)
INTEGER_POWER(power_u32, uint32_t, uint32_t)
INTEGER_POWER(power_u64, uint64_t, uint64_t)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#define POWER FN(power)

#define FAMILY BOOLEAN
#define DTYPE boolean
#define T uint8_t
#define R uint8_t
#define U uint8_t
#include "expr_type.inc"
#undef FAMILY

#define FAMILY SIGNED
#define DTYPE i8
#define T int8_t
#define R int8_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE i16
#define T int16_t
#define R int16_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE i32
#define T int32_t
#define R int32_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE i64
#define T int64_t
#define R int64_t
#define U uint64_t
#include "expr_type.inc"
#undef FAMILY

#define FAMILY UNSIGNED
#define DTYPE u8
#define T uint8_t
#define R uint8_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE u16
#define T uint16_t
#define R uint16_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE u32
#define T uint32_t
#define R uint32_t
#define U uint32_t
#include "expr_type.inc"
#define DTYPE u64
#define T uint64_t
#define R uint64_t
#define U uint64_t
#include "expr_type.inc"
