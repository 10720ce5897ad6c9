/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11). An element's C-order
 * index is the counter, the seed the key; each element takes one block of four 32-bit words, of which a type uses what it needs. So
 * an element depends on nothing but its index, and any device can compute it.
 *
 * Compiled once per CPU level. Logarithm, sine and cosine are polynomials written out here (Sun's fdlibm, on ranges that need no exact
 * reduction): loops over them are vectorised, and give the same bits at every level.
 */
#include "array_kernels.h"
#include "cpu/half.h"
#include <math.h>
#include <string.h>

#define CAT2_(a, b) a##b
#define CAT_(a, b) CAT2_(a, b)
#define LEVEL_(name) CAT_(name##_level, DA_CPU_LEVEL)

enum { CHUNK = 64 };

typedef struct words {
    uint32_t w[4][CHUNK];
} words;

/* The blocks of CHUNK counters. */
static void philox(words *x, const uint64_t *counter, uint32_t stream, uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t *restrict a = x->w[0], *restrict b = x->w[1], *restrict c = x->w[2], *restrict d = x->w[3];
    for (int i = 0; i < CHUNK; i++) {
        a[i] = (uint32_t)counter[i];
        b[i] = (uint32_t)(counter[i] >> 32);
        c[i] = stream;
        d[i] = 0;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CHUNK; i++) {
            const uint64_t p = (uint64_t)0xD2511F53u * a[i], q = (uint64_t)0xCD9E8D57u * c[i];
            a[i] = (uint32_t)(q >> 32) ^ b[i] ^ k0;
            c[i] = (uint32_t)(p >> 32) ^ d[i] ^ k1;
            b[i] = (uint32_t)q;
            d[i] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static inline uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

/* [0, 1) from 53 and 24 bits */
static inline double unit53(uint32_t low, uint32_t high)
{
    return (double)(int64_t)(pair(low, high) >> 11) * 0x1p-53;
}
static inline float unit24(uint32_t word)
{
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

/* ln u for 0 < u <= 1, normal */
static inline double log_unit(double u)
{
    uint64_t bits;
    double m;
    memcpy(&bits, &u, sizeof bits);
    /* u = m * 2^k with sqrt(1/2) <= m < sqrt(2) */
    const uint64_t shifted = bits - 0x3fe6a09e667f3bcdu;
    const int64_t k = (int64_t)shifted >> 52;
    const uint64_t mantissa = bits - ((uint64_t)k << 52);
    memcpy(&m, &mantissa, sizeof m);
    const double n = (double)(int32_t)k, f = m - 1.0, s = f / (2.0 + f), z = s * s, w = z * z;
    const double t1 =
        w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double t2 =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half = 0.5 * f * f;
    return n * 6.93147180369123816490e-01 -
           ((half - (s * (half + (t1 + t2)) + n * 1.90821492927058770002e-10)) - f);
}

/* cos and sin of 2 pi u for 0 <= u < 1 */
static inline void turn(double u, double *cosine, double *sine)
{
    const int32_t q = (int32_t)(4.0 * u + 0.5);
    const double x = (u - 0.25 * (double)q) * 6.283185307179586477; /* the difference is exact */
    const double z = x * x, v = z * x, half = 0.5 * z, w = 1.0 - half;
    const double r = 8.33333333332248946124e-03 +
                     z * (-1.98412698298579493134e-04 +
                          z * (2.75573137070700676789e-06 +
                               z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    const double s = x + v * (-1.66666666666666324348e-01 + z * r);
    const double p =
        z * (4.16666666666666019037e-02 +
             z * (-1.38888888888741095749e-03 +
                  z * (2.48015872894767294178e-05 +
                       z * (-2.75573143513906633035e-07 +
                            z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    const double c = w + (((1.0 - w) - half) + z * p);
    const double even = q & 1 ? s : c, odd = q & 1 ? c : s;
    *cosine = ((q + 1) & 2) ? -even : even;
    *sine = (q & 2) ? -odd : odd;
}

/* Standard normal numbers (Box and Muller) from u1 in (0, 1] and u2 in [0, 1): the pair has variance `variance` each. */
static void normals(double *re, double *im, const double *u1, const double *u2, double variance)
{
    for (int i = 0; i < CHUNK; i++) {
        double c, s;
        const double radius = sqrt(-2.0 * variance * log_unit(u1[i]));
        turn(u2[i], &c, &s);
        re[i] = radius * c;
        im[i] = radius * s;
    }
}

/* The values of a chunk in memory order; any type fits 16 bytes. */
typedef union values {
    uint8_t u8[CHUNK];
    uint16_t u16[CHUNK];
    uint32_t u32[CHUNK];
    uint64_t u64[CHUNK];
    float f32[CHUNK];
    double f64[CHUNK];
    da_c64 c64[CHUNK];
    da_c128 c128[CHUNK];
} values;

static void uniform(values *v, const words *x, da_dtype dtype)
{
    const uint32_t *a = x->w[0], *b = x->w[1], *c = x->w[2], *d = x->w[3];
    switch (dtype) {
    case DA_BOOL:
        for (int i = 0; i < CHUNK; i++)
            v->u8[i] = (uint8_t)(a[i] & 1u);
        break;
    case DA_I8:
    case DA_U8:
        for (int i = 0; i < CHUNK; i++)
            v->u8[i] = (uint8_t)a[i];
        break;
    case DA_I16:
    case DA_U16:
        for (int i = 0; i < CHUNK; i++)
            v->u16[i] = (uint16_t)a[i];
        break;
    case DA_I32:
    case DA_U32: memcpy(v->u32, a, sizeof v->u32); break;
    case DA_I64:
    case DA_U64:
        for (int i = 0; i < CHUNK; i++)
            v->u64[i] = pair(a[i], b[i]);
        break;
    case DA_F16: /* 11 bits, as many as the type has */
        for (int i = 0; i < CHUNK; i++)
            v->u16[i] = f64_to_f16((double)(a[i] >> 21) * 0x1p-11);
        break;
    case DA_BF16: /* 8 bits */
        for (int i = 0; i < CHUNK; i++)
            v->u16[i] = f32_to_bf16((float)(a[i] >> 24) * 0x1p-8f);
        break;
    case DA_F32:
        for (int i = 0; i < CHUNK; i++)
            v->f32[i] = unit24(a[i]);
        break;
    case DA_F64:
        for (int i = 0; i < CHUNK; i++)
            v->f64[i] = unit53(a[i], b[i]);
        break;
    case DA_C64:
        for (int i = 0; i < CHUNK; i++)
            v->c64[i] = (da_c64){unit24(a[i]), unit24(b[i])};
        break;
    case DA_C128:
        for (int i = 0; i < CHUNK; i++)
            v->c128[i] = (da_c128){unit53(a[i], b[i]), unit53(c[i], d[i])};
        break;
    }
}

static void normal(values *v, const words *x, da_dtype dtype)
{
    const uint32_t *a = x->w[0], *b = x->w[1], *c = x->w[2], *d = x->w[3];
    double u1[CHUNK], u2[CHUNK], re[CHUNK], im[CHUNK];
    const int wide = dtype == DA_F64 || dtype == DA_C128;
    if (wide)
        for (int i = 0; i < CHUNK; i++) {
            u1[i] = (double)(int64_t)((pair(a[i], b[i]) >> 11) + 1) * 0x1p-53;
            u2[i] = unit53(c[i], d[i]);
        }
    else
        for (int i = 0; i < CHUNK; i++) {
            u1[i] = ((double)a[i] + 1.0) * 0x1p-32;
            u2[i] = (double)b[i] * 0x1p-32;
        }
    normals(re, im, u1, u2, dtype == DA_C64 || dtype == DA_C128 ? 0.5 : 1.0);
    for (int i = 0; i < CHUNK; i++) {
        switch (dtype) {
        case DA_F16: v->u16[i] = f64_to_f16(re[i]); break;
        case DA_BF16: v->u16[i] = f64_to_bf16(re[i]); break;
        case DA_F32: v->f32[i] = (float)re[i]; break;
        case DA_C64: v->c64[i] = (da_c64){(float)re[i], (float)im[i]}; break;
        case DA_C128: v->c128[i] = (da_c128){re[i], im[i]}; break;
        default: v->f64[i] = re[i]; break;
        }
    }
}

void LEVEL_(random_line)(int64_t n, da_dtype dtype, size_t size, void *dst, int64_t stride, uint64_t first,
                         uint64_t step, const kernel_random_args *args);

/* n elements whose C-order indices are first, first + step, ... */
void LEVEL_(random_line)(int64_t n, da_dtype dtype, size_t size, void *dst, int64_t stride, uint64_t first,
                         uint64_t step, const kernel_random_args *args)
{
    const kernel_line move = kernel_line_for(dtype, dtype);
    uint64_t counter[CHUNK];
    words x;
    values v;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        const int64_t m = n - begin < CHUNK ? n - begin : CHUNK;
        /* a tail is computed like all others, and cut */
        for (int i = 0; i < CHUNK; i++)
            counter[i] = first + (uint64_t)(begin + i) * step;
        philox(&x, counter, (uint32_t)args->normal, args->seed);
        if (args->normal)
            normal(&v, &x, dtype);
        else
            uniform(&v, &x, dtype);
        char *d = (char *)dst + begin * stride * (int64_t)size;
        if (stride == 1)
            memcpy(d, &v, (size_t)m * size);
        else
            move(m, d, stride, &v, 1);
    }
}
