/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels of two arithmetic operations in one loop, for f32 and f64: (x op1 y) op2 z, and z op2 (x op1 y) where that differs. They
 * save a store and a load of an intermediate value; every operation still rounds by itself, so the bits are the same.
 */
#include "cpu/expr_level.h"

#define PAIR_LOOP(name, T, op1, result, x_at, y_at, z_at)                                                    \
    static void name(void *out, const void *a, const void *b, const void *c, int64_t n)                      \
    {                                                                                                        \
        T *o = out;                                                                                          \
        const T *xs = a, *ys = b, *zs = c;                                                                   \
        const T x0 = *xs, y0 = *ys, z0 = *zs;                                                                \
        (void)x0, (void)y0, (void)z0;                                                                        \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            const T t = x_at op1 y_at, z = z_at;                                                             \
            o[i] = result;                                                                                   \
        }                                                                                                    \
    }
/* letters: vector or single value, for x, y and z */
#define PAIR(T, name1, op1, name2, result)                                                                   \
    PAIR_LOOP(name1##_##name2##_##T##_vvv, T, op1, result, xs[i], ys[i], zs[i])                              \
    PAIR_LOOP(name1##_##name2##_##T##_svv, T, op1, result, x0, ys[i], zs[i])                                 \
    PAIR_LOOP(name1##_##name2##_##T##_vsv, T, op1, result, xs[i], y0, zs[i])                                 \
    PAIR_LOOP(name1##_##name2##_##T##_vvs, T, op1, result, xs[i], ys[i], z0)                                 \
    PAIR_LOOP(name1##_##name2##_##T##_svs, T, op1, result, x0, ys[i], z0)                                    \
    PAIR_LOOP(name1##_##name2##_##T##_vss, T, op1, result, xs[i], y0, z0)
#define PAIRS(T, name1, op1)                                                                                 \
    PAIR(T, name1, op1, add, t + z)                                                                          \
    PAIR(T, name1, op1, subtract, t - z)                                                                     \
    PAIR(T, name1, op1, multiply, t *z)                                                                      \
    PAIR(T, name1, op1, divide, t / z)                                                                       \
    PAIR(T, name1, op1, subtract_from, z - t)                                                                \
    PAIR(T, name1, op1, divide_into, z / t)
#define PAIRS_OF(T) PAIRS(T, add, +) PAIRS(T, subtract, -) PAIRS(T, multiply, *) PAIRS(T, divide, /)
PAIRS_OF(float)
PAIRS_OF(double)

#define ENTRY(T, name1, name2)                                                                               \
    {                                                                                                        \
        [0] = name1##_##name2##_##T##_vvv, [1] = name1##_##name2##_##T##_svv,                                \
        [2] = name1##_##name2##_##T##_vsv, [4] = name1##_##name2##_##T##_vvs,                                \
        [5] = name1##_##name2##_##T##_svs, [6] = name1##_##name2##_##T##_vss                                 \
    }
/* columns in the order of da_expr_pair_kernel() */
#define ROW(T, name1)                                                                                        \
    {                                                                                                        \
        ENTRY(T, name1, add), ENTRY(T, name1, subtract), ENTRY(T, name1, multiply), ENTRY(T, name1, divide), \
            ENTRY(T, name1, subtract_from), ENTRY(T, name1, divide_into)                                     \
    }
#define ROWS(T)                                                                                              \
    {                                                                                                        \
        ROW(T, add), ROW(T, subtract), ROW(T, multiply), ROW(T, divide)                                      \
    }
const da_expr_kernel LEVEL(da_expr_pairs)[2][4][6] = {ROWS(float), ROWS(double)};
