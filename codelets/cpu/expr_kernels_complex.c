/* SPDX-License-Identifier: BSD-3-Clause */
/* Elementwise kernels of c64 and c128. */
#include <complex.h>
#include <math.h>
#include "cpu/expr_loops.h"

/* Products by the schoolbook formula, as NumPy does (C's operator repairs infinities, slowly); quotients by Smith's method, which
 * does not overflow on the way; powers with small integer exponents by squaring, else libm's.
 * gcc 12 makes fused operations of a * c - b * d beside a * d + b * c even where contraction is off; a sign that it does not see
 * through keeps it from that. */
#define COMPLEX_FUNCTIONS(name, real, bits)                                                                  \
    static inline real minus_##name(real x)                                                                  \
    {                                                                                                        \
        bits u;                                                                                              \
        memcpy(&u, &x, sizeof u);                                                                            \
        u ^= (bits)1 << (8 * sizeof u - 1);                                                                  \
        memcpy(&x, &u, sizeof x);                                                                            \
        return x;                                                                                            \
    }                                                                                                        \
    static inline real _Complex multiply_##name(real _Complex x, real _Complex y)                            \
    {                                                                                                        \
        const real a = __real__ x, b = __imag__ x, c = __real__ y, d = __imag__ y;                           \
        return __builtin_complex(a * c + minus_##name(b * d), a * d + b * c);                                \
    }                                                                                                        \
    static inline real _Complex divide_##name(real _Complex x, real _Complex y)                              \
    {                                                                                                        \
        const real a = __real__ x, b = __imag__ x, c = __real__ y, d = __imag__ y;                           \
        const real size_c = c < 0 ? -c : c, size_d = d < 0 ? -d : d;                                         \
        if (size_c >= size_d) {                                                                              \
            real ratio, scale;                                                                               \
            if (size_c == 0 && size_d == 0)                                                                  \
                return __builtin_complex(a / size_c, b / size_c);                                            \
            ratio = d / c;                                                                                   \
            scale = 1 / (c + d * ratio);                                                                     \
            return __builtin_complex((a + b * ratio) * scale, (b - a * ratio) * scale);                      \
        } else {                                                                                             \
            const real ratio = c / d, scale = 1 / (c * ratio + d);                                           \
            return __builtin_complex((a * ratio + b) * scale, (b * ratio - a) * scale);                      \
        }                                                                                                    \
    }                                                                                                        \
    static inline real _Complex power_##name(real _Complex x, real _Complex y)                               \
    {                                                                                                        \
        const real c = __real__ y, d = __imag__ y;                                                           \
        if (c == 0 && d == 0)                                                                                \
            return 1;                                                                                        \
        if (x == 0)                                                                                          \
            return c > 0 && d == 0 ? 0 : M(cpow)(x, y);                                                      \
        if (d == 0 && c > -100 && c < 100 && c == (real)(int)c) {                                            \
            real _Complex result = 1, base = x;                                                              \
            for (int n = (int)(c < 0 ? -c : c); n > 0; n /= 2) {                                             \
                if (n & 1)                                                                                   \
                    result = multiply_##name(result, base);                                                  \
                base = multiply_##name(base, base);                                                          \
            }                                                                                                \
            return c < 0 ? divide_##name(1, result) : result;                                                \
        }                                                                                                    \
        return M(cpow)(x, y);                                                                                \
    }                                                                                                        \
    static inline real _Complex round_##name(real _Complex x)                                                \
    {                                                                                                        \
        return __builtin_complex(M(rint)(__real__ x), M(rint)(__imag__ x));                                  \
    }                                                                                                        \
    static inline int finite_##name(real _Complex x)                                                         \
    {                                                                                                        \
        return isfinite(__real__ x) && isfinite(__imag__ x);                                                 \
    }
#define MULTIPLY FN(multiply)
#define DIVIDE FN(divide)
#define POWER FN(power)
#define ROUND FN(round)
#define FINITE FN(finite)

#define FAMILY COMPLEX
#define DTYPE c128
#define T double _Complex
#define R double
#define U double _Complex
#define M(name) name
COMPLEX_FUNCTIONS(c128, double, uint64_t)
#include "expr_type.inc"
#define DTYPE c64
#define T float _Complex
#define R float
#define U float _Complex
#define M(name) name##f
COMPLEX_FUNCTIONS(c64, float, uint32_t)
#include "expr_type.inc"
