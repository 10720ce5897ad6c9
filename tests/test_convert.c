/* Conversion between dtypes where NumPy's answer is the machine's, and exhaustively for 16-bit floats. numpy_compare.py does the rest. */
#include "array_check.h"

/* out of `a`, converted, as raw bits */
static void converted(void *out, size_t bytes, const void *in, int64_t n, da_dtype from, da_dtype to)
{
    da_array *a, *b;
    ck_ok(da_from_host(&a, from, DA_SHAPE(n), in, DA_ROW_MAJOR));
    ck_ok(da_astype(&b, a, to));
    ck_ok(da_to_host(b, out, bytes, DA_ROW_MAJOR));
    da_array_release(&a);
    da_array_release(&b);
}

START_TEST(every_pair_of_small_numbers)
{
    static const double values[] = {0, 1, 2, 3, 5, 7, 100, 127};
    const da_dtype from = (da_dtype)(_i + 1);
    unsigned char raw[8 * 16];
    da_array *a, *b, *c;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(8), values, DA_ROW_MAJOR));
    ck_ok(da_astype(&b, a, from));
    (void)raw;
    for (int to = 1; to <= DTYPES; to++) {
        if (from >= DA_C64 && to < DA_C64 && to != DA_BOOL) {
            ck_makes_nothing(da_astype(&c, b, (da_dtype)to), c, DA_ERROR_DTYPE,
                             "would lose the imaginary part");
            continue;
        }
        ck_ok(da_astype(&c, b, (da_dtype)to));
        ck_assert_int_eq(da_array_dtype(c), to);
        for (int i = 0; i < 8; i++) {
            da_array *one;
            da_c128 z;
            const double expected = from == DA_BOOL || to == DA_BOOL ? values[i] != 0 : values[i];
            ck_ok(DA_SLICE(&one, c, DA_AT(i)));
            ck_ok(da_item(&z, one));
            ck_assert(z.re == expected && z.im == 0);
            da_array_release(&one);
        }
        da_array_release(&c);
    }
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(floats_to_integers)
{
    const double x[] = {0.9,   -0.9,     -1,        1e10, -1e10,        1e30,
                        -1e30, INFINITY, -INFINITY, NAN,  2147483647.5, -2147483648.9};
    int32_t i32[12];
    int64_t i64[12];
    uint8_t u8[12];
    uint64_t u64[12];
    const int32_t e32[] = {0,         0,         -1,        INT32_MIN, INT32_MIN, INT32_MIN,
                           INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MAX, INT32_MIN};
    converted(i32, sizeof i32, x, 12, DA_F64, DA_I32);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(i32[i], e32[i]);
    converted(i64, sizeof i64, x, 12, DA_F64, DA_I64);
    ck_assert(i64[3] == 10000000000 && i64[4] == -10000000000 && i64[5] == INT64_MIN && i64[9] == INT64_MIN);
    converted(u8, sizeof u8, x, 12, DA_F64, DA_U8);
    ck_assert(u8[2] == 255 && u8[5] == 0 && u8[9] == 0);
    converted(u64, sizeof u64, x, 12, DA_F64, DA_U64);
    ck_assert(u64[2] == UINT64_MAX && u64[3] == 10000000000);
    const double big[] = {0x1p63, 0x1.fffffffffffffp63, 0x1p64};
    converted(u64, 24, big, 3, DA_F64, DA_U64);
    ck_assert(u64[0] == (uint64_t)1 << 63 && u64[1] == 0xfffffffffffff800);
}
END_TEST

START_TEST(integers_wrap_around)
{
    const int64_t x[] = {-1, 256, 65537, INT64_MIN, INT64_MAX};
    uint8_t u8[5];
    int16_t i16[5];
    uint64_t u64[5];
    bool b[5];
    converted(u8, sizeof u8, x, 5, DA_I64, DA_U8);
    ck_assert(u8[0] == 255 && u8[1] == 0 && u8[2] == 1 && u8[3] == 0 && u8[4] == 255);
    converted(i16, sizeof i16, x, 5, DA_I64, DA_I16);
    ck_assert(i16[0] == -1 && i16[1] == 256 && i16[2] == 1 && i16[3] == 0 && i16[4] == -1);
    converted(u64, sizeof u64, x, 5, DA_I64, DA_U64);
    ck_assert(u64[0] == UINT64_MAX && u64[3] == (uint64_t)1 << 63);
    converted(b, sizeof b, x, 5, DA_I64, DA_BOOL);
    for (int i = 0; i < 5; i++)
        ck_assert(b[i]);
}
END_TEST

START_TEST(to_bool)
{
    const double x[] = {0, -0.0, 1e-300, NAN};
    const da_c64 z[] = {{0, 0}, {0, 1}, {-0.0f, NAN}, {2, 0}};
    bool b[4];
    converted(b, sizeof b, x, 4, DA_F64, DA_BOOL);
    ck_assert(!b[0] && !b[1] && b[2] && b[3]);
    converted(b, sizeof b, z, 4, DA_C64, DA_BOOL);
    ck_assert(!b[0] && b[1] && b[2] && b[3]);
}
END_TEST

/* What binary16 means, the slow way. */
static double half_value(uint16_t h)
{
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const double magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                             : exponent == 0 ? ldexp(mantissa, -24)
                                             : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

START_TEST(every_half)
{
    static uint16_t all[65536], back[65536];
    static float f[65536];
    static double d[65536];
    for (int i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    converted(f, sizeof f, all, 65536, DA_F16, DA_F32);
    converted(d, sizeof d, all, 65536, DA_F16, DA_F64);
    for (int i = 0; i < 65536; i++) {
        const double expected = half_value(all[i]);
        ck_assert(isnan(expected) ? isnan(f[i]) && isnan(d[i]) : f[i] == expected && d[i] == expected);
        ck_assert(isnan(expected) || !signbit(f[i]) == !signbit(expected));
    }
    for (int wide = 0; wide < 2; wide++) {
        converted(back, sizeof back, wide ? (const void *)d : f, 65536, wide ? DA_F64 : DA_F32, DA_F16);
        for (int i = 0; i < 65536; i++) /* a signalling NaN may become a quiet one */
            ck_assert_msg(back[i] == all[i] || (isnan(f[i]) && back[i] == (all[i] | 0x200)),
                          "%04x came back as %04x", all[i], back[i]);
    }
}
END_TEST

START_TEST(every_bfloat16)
{
    static uint16_t all[65536], back[65536];
    static float f[65536];
    for (int i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    converted(f, sizeof f, all, 65536, DA_BF16, DA_F32);
    for (int i = 0; i < 65536; i++) {
        uint32_t bits;
        memcpy(&bits, &f[i], sizeof bits);
        ck_assert_uint_eq(bits, (uint32_t)i << 16);
    }
    converted(back, sizeof back, f, 65536, DA_F32, DA_BF16);
    for (int i = 0; i < 65536; i++)
        ck_assert(back[i] == all[i] || (isnan(f[i]) && back[i] == (all[i] | 0x40)));
}
END_TEST

/* Between each two neighbours: below, at and above the middle. */
START_TEST(rounding_to_half)
{
    static double x[3 * 31744];
    static uint16_t out[3 * 31744];
    for (int i = 0; i < 31744; i++) {
        const double low = half_value((uint16_t)i), high = i == 31743 ? 65536 : half_value((uint16_t)(i + 1));
        const double middle = (low + high) / 2;
        x[3 * i] = nextafter(middle, 0);
        x[3 * i + 1] = middle;
        x[3 * i + 2] = nextafter(middle, INFINITY);
    }
    converted(out, sizeof out, x, 3 * 31744, DA_F64, DA_F16);
    for (int i = 0; i < 31744; i++) {
        ck_assert_msg(out[3 * i] == i, "%.17g became %04x", x[3 * i], out[3 * i]);
        ck_assert_msg(out[3 * i + 1] == (i % 2 ? i + 1 : i), "the tie %.17g became %04x", x[3 * i + 1],
                      out[3 * i + 1]);
        ck_assert_msg(out[3 * i + 2] == i + 1, "%.17g became %04x", x[3 * i + 2], out[3 * i + 2]);
    }
}
END_TEST

START_TEST(rounding_to_bfloat16_is_done_once)
{
    /* 1 + 2^-8 is a tie between 1 and 1 + 2^-7; a bit more must go up although f32 does not see it */
    const double x[] = {1 + 0x1p-8,
                        1 + 0x1p-8 + 0x1p-40,
                        1 + 0x1p-8 - 0x1p-40,
                        -(1 + 0x1p-8 + 0x1p-40),
                        1 + 3 * 0x1p-8,
                        3.4e38,
                        1e300};
    uint16_t out[7];
    converted(out, sizeof out, x, 7, DA_F64, DA_BF16);
    ck_assert_uint_eq(out[0], 0x3f80);
    ck_assert_uint_eq(out[1], 0x3f81);
    ck_assert_uint_eq(out[2], 0x3f80);
    ck_assert_uint_eq(out[3], 0xbf81);
    ck_assert_uint_eq(out[4], 0x3f82);
    ck_assert_uint_eq(out[5], 0x7f80);
    ck_assert_uint_eq(out[6], 0x7f80);
}
END_TEST

START_TEST(through_views)
{
    da_array *a = counted(DA_I32, DA_SHAPE(70, 90)), *v, *f;
    static float x[35 * 30];
    ck_ok(DA_SLICE(&v, a, DA_EVERY(-2), DA_EVERY(3)));
    ck_ok(da_matrix_transpose(&f, v));
    da_array_move(&v, &f);
    ck_ok(da_astype(&f, v, DA_F32));
    ck_ok(da_to_host(f, x, sizeof x, DA_ROW_MAJOR));
    for (int j = 0; j < 30; j++)
        for (int i = 0; i < 35; i++)
            ck_assert(x[35 * j + i] == (float)((69 - 2 * i) * 90 + 3 * j));
    da_array_release(&f);
    da_array_release(&v);
    ck_makes_nothing(da_astype(&f, a, (da_dtype)-1), f, DA_ERROR_DTYPE, "-1 is no dtype");
    ck_makes_nothing(da_astype(&f, NULL, DA_F32), f, DA_ERROR_ARGUMENT, "da_astype: a is null");
    da_array_release(&a);
}
END_TEST

DA_TEST_MAIN("convert", DA_CASE_LOOP("pairs", DTYPES, every_pair_of_small_numbers),
             DA_CASE("edges", floats_to_integers, integers_wrap_around, to_bool),
             DA_CASE("halves", every_half, every_bfloat16, rounding_to_half,
                     rounding_to_bfloat16_is_done_once),
             DA_CASE("views", through_views))
