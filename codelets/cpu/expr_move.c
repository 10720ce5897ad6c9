/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels that move elements: conversion, choice, gathering, scattering, streaming, and the place of an extreme value. */
#include "cpu/expr_level.h"
#include "cpu/half.h"
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* loops that do not vectorise */
#endif

typedef float _Complex complex_float;
typedef double _Complex complex_double;

/* ---- conversion ---- */

#define CONVERT(to, TO, from, FROM, value)                                                                   \
    static void convert_##to##_##from(void *out, const void *a, const void *b, const void *c, int64_t n)     \
    {                                                                                                        \
        TO *o = out;                                                                                         \
        const FROM *xs = a;                                                                                  \
        (void)b, (void)c;                                                                                    \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            const FROM x = xs[i];                                                                            \
            o[i] = (TO)(value);                                                                              \
        }                                                                                                    \
    }
/* What each type is converted from. An expression never goes down in kind (bool, integer, real, complex), except to bool; the arguments
 * are name and C type of both, and how to read the value x. */
#define FROM_INTEGER(X, to, TO)                                                                              \
    X(to, TO, boolean, uint8_t, x)                                                                           \
    X(to, TO, i8, int8_t, x)                                                                                 \
    X(to, TO, i16, int16_t, x)                                                                               \
    X(to, TO, i32, int32_t, x)                                                                               \
    X(to, TO, i64, int64_t, x)                                                                               \
    X(to, TO, u8, uint8_t, x)                                                                                \
    X(to, TO, u16, uint16_t, x)                                                                              \
    X(to, TO, u32, uint32_t, x)                                                                              \
    X(to, TO, u64, uint64_t, x)
#define FROM_REAL(X, to, TO)                                                                                 \
    FROM_INTEGER(X, to, TO)                                                                                  \
    X(to, TO, f16, uint16_t, f16_to_f32(x))                                                                  \
    X(to, TO, bf16, uint16_t, bf16_to_f32(x))                                                                \
    X(to, TO, f32, float, x)                                                                                 \
    X(to, TO, f64, double, x)
#define FROM_ANY(X, to, TO)                                                                                  \
    FROM_REAL(X, to, TO)                                                                                     \
    X(to, TO, c64, complex_float, x)                                                                         \
    X(to, TO, c128, complex_double, x)
#define CONVERT_PLAIN(to, TO, from, FROM, value) CONVERT(to, TO, from, FROM, value)
#define CONVERT_TRUTH(to, TO, from, FROM, value) CONVERT(to, TO, from, FROM, (value) != 0)
#define CONVERT_HALF(to, TO, from, FROM, value) CONVERT(to, TO, from, FROM, f64_to_f16((double)(value)))
#define CONVERT_BFLOAT(to, TO, from, FROM, value) CONVERT(to, TO, from, FROM, f64_to_bf16((double)(value)))

FROM_ANY(CONVERT_TRUTH, boolean, uint8_t)
FROM_INTEGER(CONVERT_PLAIN, i8, int8_t)
FROM_INTEGER(CONVERT_PLAIN, i16, int16_t)
FROM_INTEGER(CONVERT_PLAIN, i32, int32_t)
FROM_INTEGER(CONVERT_PLAIN, i64, int64_t)
FROM_INTEGER(CONVERT_PLAIN, u8, uint8_t)
FROM_INTEGER(CONVERT_PLAIN, u16, uint16_t)
FROM_INTEGER(CONVERT_PLAIN, u32, uint32_t)
FROM_INTEGER(CONVERT_PLAIN, u64, uint64_t)
FROM_REAL(CONVERT_HALF, f16, uint16_t)
FROM_REAL(CONVERT_BFLOAT, bf16, uint16_t)
FROM_REAL(CONVERT_PLAIN, f32, float)
FROM_REAL(CONVERT_PLAIN, f64, double)
FROM_ANY(CONVERT_PLAIN, c64, complex_float)
FROM_ANY(CONVERT_PLAIN, c128, complex_double)

enum {
    dtype_boolean = DA_BOOL,
    dtype_i8 = DA_I8,
    dtype_i16 = DA_I16,
    dtype_i32 = DA_I32,
    dtype_i64 = DA_I64,
    dtype_u8 = DA_U8,
    dtype_u16 = DA_U16,
    dtype_u32 = DA_U32,
    dtype_u64 = DA_U64,
    dtype_f16 = DA_F16,
    dtype_bf16 = DA_BF16,
    dtype_f32 = DA_F32,
    dtype_f64 = DA_F64,
    dtype_c64 = DA_C64,
    dtype_c128 = DA_C128
};
#define ENTRY(to, TO, from, FROM, value)                                                                     \
    [dtype_##to * DA_DTYPE_COUNT + dtype_##from] = {convert_##to##_##from},
static const da_expr_kernel convert_table[DA_DTYPE_COUNT * DA_DTYPE_COUNT] = {
    FROM_ANY(ENTRY, boolean, ) FROM_INTEGER(ENTRY, i8, ) FROM_INTEGER(ENTRY, i16, ) FROM_INTEGER(ENTRY, i32, )
        FROM_INTEGER(ENTRY, i64, ) FROM_INTEGER(ENTRY, u8, ) FROM_INTEGER(ENTRY, u16, )
            FROM_INTEGER(ENTRY, u32, ) FROM_INTEGER(ENTRY, u64, ) FROM_REAL(ENTRY, f16, )
                FROM_REAL(ENTRY, bf16, ) FROM_REAL(ENTRY, f32, ) FROM_REAL(ENTRY, f64, )
                    FROM_ANY(ENTRY, c64, ) FROM_ANY(ENTRY, c128, )};

/* ---- by element size ---- */

#define WHERE(name, T, x_at, y_at)                                                                           \
    static void name(void *out, const void *a, const void *b, const void *c, int64_t n)                      \
    {                                                                                                        \
        T *o = out;                                                                                          \
        const uint8_t *condition = a;                                                                        \
        const T *xs = b, *ys = c;                                                                            \
        const T x0 = *xs, y0 = *ys;                                                                          \
        (void)x0, (void)y0;                                                                                  \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            const T x = x_at, y = y_at;                                                                      \
            o[i] = condition[i] ? x : y;                                                                     \
        }                                                                                                    \
    }
#define GATHER(name, T)                                                                                      \
    static void name(void *dst, const void *src, int64_t n0, int64_t s0, int64_t n1, int64_t s1)             \
    {                                                                                                        \
        T *d = dst;                                                                                          \
        const T *s = src;                                                                                    \
        if (s0 == 1) {                                                                                       \
            for (int64_t j = 0; j < n1; j++)                                                                 \
                memcpy(d + j * n0, s + j * s1, (size_t)n0 * sizeof(T));                                      \
        } else if (s1 == 1 && n1 > 1) {                                                                      \
            for (int64_t i = 0; i < n0; i++)                                                                 \
                for (int64_t j = 0; j < n1; j++)                                                             \
                    d[j * n0 + i] = s[i * s0 + j];                                                           \
        } else {                                                                                             \
            for (int64_t j = 0; j < n1; j++)                                                                 \
                for (int64_t i = 0; i < n0; i++)                                                             \
                    d[j * n0 + i] = s[i * s0 + j * s1];                                                      \
        }                                                                                                    \
    }
#define SCATTER(name, T)                                                                                     \
    static void name(void *dst, int64_t s0, int64_t s1, const void *src, int64_t n0, int64_t n1)             \
    {                                                                                                        \
        T *d = dst;                                                                                          \
        const T *s = src;                                                                                    \
        for (int64_t j = 0; j < n1; j++) {                                                                   \
            if (s0 == 1)                                                                                     \
                memcpy(d + j * s1, s + j * n0, (size_t)n0 * sizeof(T));                                      \
            else                                                                                             \
                for (int64_t i = 0; i < n0; i++)                                                             \
                    d[i * s0 + j * s1] = s[j * n0 + i];                                                      \
        }                                                                                                    \
    }
#define BY_SIZE(size, T)                                                                                     \
    WHERE(where_vv_##size, T, xs[i], ys[i])                                                                  \
    WHERE(where_sv_##size, T, x0, ys[i])                                                                     \
    WHERE(where_vs_##size, T, xs[i], y0)                                                                     \
    WHERE(where_ss_##size, T, x0, y0)                                                                        \
    GATHER(gather_##size, T)                                                                                 \
    SCATTER(scatter_##size, T)
BY_SIZE(1, uint8_t)
BY_SIZE(2, uint16_t)
BY_SIZE(4, uint32_t)
BY_SIZE(8, uint64_t)
BY_SIZE(16, complex_double)

/* operand 0 is the condition: bit 1 for x, bit 2 for y */
#define WHERE_ENTRY(size)                                                                                    \
    {                                                                                                        \
        [0] = where_vv_##size, [2] = where_sv_##size, [4] = where_vs_##size, [6] = where_ss_##size           \
    }
static const da_expr_kernel where_table[5] = {WHERE_ENTRY(1), WHERE_ENTRY(2), WHERE_ENTRY(4), WHERE_ENTRY(8),
                                              WHERE_ENTRY(16)};
static const da_gather_fn gather_table[5] = {gather_1, gather_2, gather_4, gather_8, gather_16};
static const da_scatter_fn scatter_table[5] = {scatter_1, scatter_2, scatter_4, scatter_8, scatter_16};

/* Whole cache lines go to memory without being read first. */
static void stream(void *dst, const void *src, size_t bytes)
{
#if defined(__SSE2__)
    enum { LINE = 64 };
    char *d = dst;
    const char *s = src;
    size_t head = (size_t)(-(uintptr_t)d) % LINE;
    if (bytes < 2 * LINE) {
        memcpy(dst, src, bytes);
        return;
    }
    memcpy(d, s, head);
    d += head, s += head, bytes -= head;
    for (; bytes >= LINE; bytes -= LINE, d += LINE, s += LINE) {
#if DA_CPU_LEVEL >= 4
        _mm512_stream_si512((void *)d, _mm512_loadu_si512(s));
#elif DA_CPU_LEVEL >= 3
        for (int k = 0; k < LINE; k += 32)
            _mm256_stream_si256((__m256i *)(void *)(d + k),
                                _mm256_loadu_si256((const __m256i *)(const void *)(s + k)));
#else
        for (int k = 0; k < LINE; k += 16)
            _mm_stream_si128((__m128i *)(void *)(d + k),
                             _mm_loadu_si128((const __m128i *)(const void *)(s + k)));
#endif
    }
    memcpy(d, s, bytes);
#else
    memcpy(dst, src, bytes);
#endif
}

/* After the last stream(): what was stored becomes visible before whatever is stored next. */
static void stream_end(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

/* ---- the place of the extreme ---- */

/* Keeps the better of x[i*x_step] at its index and value[i*step] at index[i*step]: NaN before numbers, then the more extreme, then
 * the lower index. */
#define ARG(name, T, better)                                                                                 \
    static void name(const void *x, int64_t x_step, const int64_t *x_index, void *value, int64_t *index,     \
                     int64_t step, int64_t first, int64_t advance, int64_t n)                                \
    {                                                                                                        \
        const T *xs = x;                                                                                     \
        T *vs = value;                                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const T new = xs[i * x_step], old = vs[i * step];                                                \
            const int64_t at = x_index ? x_index[i * x_step] : first + i * advance;                          \
            const int nan_new = new != new, nan_old = old != old;                                            \
            const int tie = at < index[i * step];                                                            \
            if (nan_old ? nan_new && tie : nan_new || new better old || (new == old &&tie)) {                \
                vs[i * step] = new;                                                                          \
                index[i * step] = at;                                                                        \
            }                                                                                                \
        }                                                                                                    \
    }
#define ARGS(name, T) ARG(argmin_##name, T, <) ARG(argmax_##name, T, >)
ARGS(i8, int8_t)
ARGS(i16, int16_t)
ARGS(i32, int32_t)
ARGS(i64, int64_t)
ARGS(u8, uint8_t)
ARGS(u16, uint16_t)
ARGS(u32, uint32_t)
ARGS(u64, uint64_t)
ARGS(f32, float)
ARGS(f64, double)
#define ARG_ENTRY(dtype, name) [dtype] = {argmin_##name, argmax_##name}
static const da_arg_fn arg_table[DA_DTYPE_COUNT][2] = {
    ARG_ENTRY(DA_BOOL, u8), ARG_ENTRY(DA_I8, i8),   ARG_ENTRY(DA_I16, i16), ARG_ENTRY(DA_I32, i32),
    ARG_ENTRY(DA_I64, i64), ARG_ENTRY(DA_U8, u8),   ARG_ENTRY(DA_U16, u16), ARG_ENTRY(DA_U32, u32),
    ARG_ENTRY(DA_U64, u64), ARG_ENTRY(DA_F32, f32), ARG_ENTRY(DA_F64, f64)};

/* ---- this level ---- */

#define TABLE(name) LEVEL(da_expr_table_##name)
extern const da_expr_kernel TABLE(boolean)[], TABLE(i8)[], TABLE(i16)[], TABLE(i32)[], TABLE(i64)[],
    TABLE(u8)[], TABLE(u16)[], TABLE(u32)[], TABLE(u64)[], TABLE(f32)[], TABLE(f64)[], TABLE(c64)[],
    TABLE(c128)[];
extern const da_expr_kernel LEVEL(da_expr_pairs)[2][4][6];
extern const da_expr_sqrt_beside_fn LEVEL(da_expr_beside_f32)[], LEVEL(da_expr_beside_f64)[];
extern const da_lanes_fn LEVEL(da_expr_lanes)[3][DA_DTYPE_COUNT];

const da_expr_level LEVEL(da_expr) = {
    .op = {[DA_BOOL] = TABLE(boolean),
           [DA_I8] = TABLE(i8),
           [DA_I16] = TABLE(i16),
           [DA_I32] = TABLE(i32),
           [DA_I64] = TABLE(i64),
           [DA_U8] = TABLE(u8),
           [DA_U16] = TABLE(u16),
           [DA_U32] = TABLE(u32),
           [DA_U64] = TABLE(u64),
           [DA_F32] = TABLE(f32),
           [DA_F64] = TABLE(f64),
           [DA_C64] = TABLE(c64),
           [DA_C128] = TABLE(c128)},
    .convert = convert_table,
    .where = where_table,
    .gather = gather_table,
    .scatter = scatter_table,
    .stream = stream,
    .stream_end = stream_end,
    .arg = arg_table,
    .pairs = LEVEL(da_expr_pairs),
    .beside = {LEVEL(da_expr_beside_f32), LEVEL(da_expr_beside_f64)},
    .lanes = LEVEL(da_expr_lanes),
};
