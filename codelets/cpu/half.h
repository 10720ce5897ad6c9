/* SPDX-License-Identifier: BSD-3-Clause */
/* 16-bit floats in software: IEEE binary16 and bfloat16, rounding to nearest even. */
#ifndef DARRAY_CODELETS_HALF_H
#define DARRAY_CODELETS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t half_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* The sign, 5 bits of exponent and 10 of mantissa are moved to where f32 has them; the product with 2^112 mends the exponent and
 * normalises subnormals exactly. */
static inline float f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t rest = (uint32_t)(h & 0x7fffu) << 13;
    const float scaled = half_from_bits(rest) * half_from_bits(0x77800000u);
    const uint32_t special = rest | 0x7f800000u;
    return half_from_bits((rest >= 0x0f800000u ? special : half_bits(scaled)) | sign);
}

/* Rounds the exact value of a double once. */
static inline uint16_t f64_to_f16(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 48 & 0x8000u);
    bits &= 0x7fffffffffffffffu;
    if (bits > 0x7ff0000000000000u) /* NaN: keep the top of its payload */
        return (uint16_t)(sign | 0x7c00u | ((bits >> 42 & 0x3ffu) ? (bits >> 42 & 0x3ffu) : 0x200u));
    if (bits >= 0x40effe0000000000u) /* 65520 and more */
        return (uint16_t)(sign | 0x7c00u);
    const int exponent = (int)(bits >> 52) - 1023;
    if (exponent >= -14) {
        const uint64_t keep = bits - ((uint64_t)1008 << 52);
        return (uint16_t)(sign + (uint16_t)((keep + 0x1ffffffffffu + (keep >> 42 & 1u)) >> 42));
    }
    if (exponent < -25)
        return sign;
    const uint64_t mantissa = (bits & 0xfffffffffffffu) | 0x10000000000000u;
    const int shift = 28 - exponent; /* 2^-24 is the last place: 52 - 24 - exponent */
    const uint64_t half = (uint64_t)1 << (shift - 1);
    return (uint16_t)(sign + (uint16_t)((mantissa + half - 1 + (mantissa >> shift & 1u)) >> shift));
}

static inline float bf16_to_f32(uint16_t h)
{
    return half_from_bits((uint32_t)h << 16);
}

static inline uint16_t f32_to_bf16(float f)
{
    const uint32_t bits = half_bits(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Rounds once: to f32 with the last bit sticky ("round to odd"), which is exact for a second rounding to fewer bits. */
static inline uint16_t f64_to_bf16(double x)
{
    float f = (float)x;
    uint32_t bits = half_bits(f);
    if (x != x || (double)f == x)
        return f32_to_bf16(f);
    if ((bits & 0x7f800000u) == 0x7f800000u) /* overflow of a finite number: bf16 has f32's range */
        return f32_to_bf16(f);
    const double magnitude = x < 0 ? -x : x, rounded = f < 0 ? -(double)f : (double)f;
    if (rounded > magnitude)
        bits -= 1;
    return f32_to_bf16(half_from_bits(bits | 1u));
}

#endif
