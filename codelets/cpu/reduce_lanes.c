/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums and extremes of a long vector in 64 lanes, lane k taking elements k, k + 64, ...: what a reduction of contiguous memory spends its
 * time in. f32 and f64. */
#include "cpu/expr_level.h"

enum { LANES = 64 };

#define ADD(s, x) s + x
/* x where the mask of all ones and zeros says so, else s; NaN stays and spreads */
#define CHOOSE(mask, x, s, V, I) (V)(((I)(x) & (mask)) | ((I)(s) & ~(mask)))
#define LEAST(s, x, V, I) CHOOSE((I)(x < s) | (I)(x != x), x, s, V, I)
#define MOST(s, x, V, I) CHOOSE((I)(x > s) | (I)(x != x), x, s, V, I)

/* eight accumulators of eight elements each; the arrays need not be aligned */
#define LANE_KERNEL(name, T, V, combine, combine_one)                                                        \
    static void name(void *out, const void *in, int64_t n)                                                   \
    {                                                                                                        \
        const T *x = in;                                                                                     \
        const V *v = in;                                                                                     \
        V *lanes = out;                                                                                      \
        T *lane = out;                                                                                       \
        V s0 = v[0], s1 = v[1], s2 = v[2], s3 = v[3], s4 = v[4], s5 = v[5], s6 = v[6], s7 = v[7];            \
        int64_t i = LANES;                                                                                   \
        for (; i + LANES <= n; i += LANES) {                                                                 \
            v += 8;                                                                                          \
            s0 = combine(s0, v[0]), s1 = combine(s1, v[1]), s2 = combine(s2, v[2]), s3 = combine(s3, v[3]);  \
            s4 = combine(s4, v[4]), s5 = combine(s5, v[5]), s6 = combine(s6, v[6]), s7 = combine(s7, v[7]);  \
        }                                                                                                    \
        lanes[0] = s0, lanes[1] = s1, lanes[2] = s2, lanes[3] = s3;                                          \
        lanes[4] = s4, lanes[5] = s5, lanes[6] = s6, lanes[7] = s7;                                          \
        for (int64_t k = 0; i + k < n; k++)                                                                  \
            lane[k] = combine_one(lane[k], x[i + k]);                                                        \
    }
#define LESS_ONE(s, y) ((y) < (s) || (y) != (y) ? (y) : (s))
#define MORE_ONE(s, y) ((y) > (s) || (y) != (y) ? (y) : (s))

typedef double v64 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t i64 __attribute__((vector_size(64)));
typedef float v32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t i32 __attribute__((vector_size(32)));
#define LEAST_F64(s, x) LEAST(s, x, v64, i64)
#define MOST_F64(s, x) MOST(s, x, v64, i64)
#define LEAST_F32(s, x) LEAST(s, x, v32, i32)
#define MOST_F32(s, x) MOST(s, x, v32, i32)

LANE_KERNEL(sum_f64, double, v64, ADD, ADD)
LANE_KERNEL(sum_f32, float, v32, ADD, ADD)
LANE_KERNEL(min_f64, double, v64, LEAST_F64, LESS_ONE)
LANE_KERNEL(max_f64, double, v64, MOST_F64, MORE_ONE)
LANE_KERNEL(min_f32, float, v32, LEAST_F32, LESS_ONE)
LANE_KERNEL(max_f32, float, v32, MOST_F32, MORE_ONE)

const da_lanes_fn LEVEL(da_expr_lanes)[3][DA_DTYPE_COUNT] = {{[DA_F32] = sum_f32, [DA_F64] = sum_f64},
                                                             {[DA_F32] = min_f32, [DA_F64] = min_f64},
                                                             {[DA_F32] = max_f32, [DA_F64] = max_f64}};
