/* Random numbers: the generator's published answers, independence of tiling, distributions. */
#include "array_check.h"

/* Philox4x32-10 once more, as in the paper. */
static void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        const uint64_t p = (uint64_t)0xD2511F53 * c[0], q = (uint64_t)0xCD9E8D57 * c[2];
        const uint32_t next[] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q,
                                 (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9;
        k[1] += 0xBB67AE85;
    }
    memcpy(out, c, sizeof c);
}

START_TEST(known_answers)
{
    /* kat_vectors of Random123 */
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4];
    da_array *a;
    uint64_t u;
    for (int i = 0; i < 3; i++) {
        philox(out, known[i].counter, known[i].key);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
    /* element 0 with seed 0 */
    ck_ok(da_random_uniform(&a, DA_U64, DA_SCALAR_SHAPE, 0));
    ck_ok(da_item(&u, a));
    ck_assert_uint_eq(u, 0xe169c58d6627e8d5);
    da_array_release(&a);
}
END_TEST

/* Element `i` of the array that a dtype and seed give. */
static da_c128 reference(da_dtype dtype, uint64_t seed, uint64_t i)
{
    const uint32_t counter[] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0},
                   key[] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t w[4];
    philox(w, counter, key);
    const uint64_t low = (uint64_t)w[1] << 32 | w[0], high = (uint64_t)w[3] << 32 | w[2];
    switch (dtype) {
    case DA_BOOL: return (da_c128){w[0] & 1, 0};
    case DA_I8: return (da_c128){(int8_t)w[0], 0};
    case DA_U8: return (da_c128){(uint8_t)w[0], 0};
    case DA_I16: return (da_c128){(int16_t)w[0], 0};
    case DA_U16: return (da_c128){(uint16_t)w[0], 0};
    case DA_I32: return (da_c128){(int32_t)w[0], 0};
    case DA_U32: return (da_c128){w[0], 0};
    case DA_I64: return (da_c128){(double)(int64_t)low, 0};
    case DA_U64: return (da_c128){(double)low, 0};
    case DA_F16: return (da_c128){ldexp(w[0] >> 21, -11), 0};
    case DA_BF16: return (da_c128){ldexp(w[0] >> 24, -8), 0};
    case DA_F32: return (da_c128){ldexp(w[0] >> 8, -24), 0};
    case DA_C64: return (da_c128){ldexp(w[0] >> 8, -24), ldexp(w[1] >> 8, -24)};
    case DA_C128: return (da_c128){ldexp((double)(low >> 11), -53), ldexp((double)(high >> 11), -53)};
    default: return (da_c128){ldexp((double)(low >> 11), -53), 0};
    }
}

START_TEST(every_dtype)
{
    enum { ROWS = 37, COLUMNS = 53 };
    const da_dtype dtype = (da_dtype)(_i + 1);
    const uint64_t seed = 0x123456789abcdef;
    static da_c128 x[ROWS * COLUMNS];
    da_array *a, *z;
    ck_ok(da_random_uniform(&a, dtype, DA_SHAPE(ROWS, COLUMNS), seed));
    ck_ok(da_astype(&z, a, DA_C128));
    ck_ok(da_to_host(z, x, sizeof x, DA_ROW_MAJOR));
    for (uint64_t i = 0; i < ROWS * COLUMNS; i++) {
        const da_c128 expected = reference(dtype, seed, i);
        ck_assert_msg(x[i].re == expected.re && x[i].im == expected.im, "element %d: %.17g instead of %.17g",
                      (int)i, x[i].re, expected.re);
    }
    da_array_release(&z);
    da_array_release(&a);
}
END_TEST

/* The same numbers in any shape of the same size, on any tiling. */
START_TEST(tiling_and_shape_do_not_matter)
{
    enum { N = 120000 };
    static const da_shape shapes[] = {{1, {N}},    {2, {300, 400}}, {3, {30, 40, 100}},
                                      {2, {1, N}}, {2, {N, 1}},     {4, {2, 300, 2, 100}}};
    static const da_shape blocks[] = {{0, {0}}, {1, {4096}}, {2, {64, 64}}, {2, {97, 61}}, {3, {7, 400, 13}}};
    const bool normal = _i % 2;
    const da_dtype dtype = _i < 2 ? DA_F64 : _i < 4 ? DA_F32 : DA_C128;
    const size_t bytes = N * da_dtype_size(dtype);
    unsigned char *first = malloc(bytes), *other = malloc(bytes);
    da_array *a;
    for (int s = 0; s < 6; s++)
        for (int b = 0; b < 5; b++) {
            ck_ok(da_blocks(blocks[b]));
            if (normal)
                ck_ok(da_random_normal(&a, dtype, shapes[s], 42));
            else
                ck_ok(da_random_uniform(&a, dtype, shapes[s], 42));
            ck_ok(da_to_host(a, s + b ? other : first, bytes, DA_ROW_MAJOR));
            if (s + b)
                ck_assert_mem_eq(first, other, bytes);
            da_array_release(&a);
        }
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    free(first);
    free(other);
}
END_TEST

START_TEST(seeds_matter)
{
    double x[2][100];
    da_array *a;
    for (int i = 0; i < 2; i++) {
        ck_ok(da_random_uniform(&a, DA_F64, DA_SHAPE(100), (uint64_t)i << 40));
        ck_ok(da_to_host(a, x[i], sizeof x[i], DA_ROW_MAJOR));
        da_array_release(&a);
    }
    for (int i = 0; i < 100; i++)
        ck_assert(x[0][i] != x[1][i]);
}
END_TEST

enum { MANY = 1000000 };

START_TEST(uniform_statistics)
{
    static double x[MANY];
    double mean = 0, square = 0, lag = 0;
    int bins[100] = {0}, outside = 0;
    da_array *a;
    ck_ok(da_random_uniform(&a, DA_F64, DA_SHAPE(1000, 1000), 3));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    da_array_release(&a);
    for (int i = 0; i < MANY; i++) {
        outside += !(x[i] >= 0 && x[i] < 1);
        mean += x[i] / MANY;
        square += (x[i] - 0.5) * (x[i] - 0.5) / MANY;
        lag += i ? (x[i] - 0.5) * (x[i - 1] - 0.5) / MANY : 0;
        bins[x[i] >= 0 && x[i] < 1 ? (int)(100 * x[i]) : 0]++;
    }
    ck_assert_int_eq(outside, 0);
    /* five standard deviations */
    ck_assert_msg(fabs(mean - 0.5) < 5 * 0.2887 / 1000, "mean %g", mean);
    ck_assert_msg(fabs(square - 1. / 12) < 5 * 0.0746 / 1000, "variance %g", square);
    ck_assert_msg(fabs(lag) < 5 * (1. / 12) / 1000, "neighbours %g", lag);
    double chi = 0;
    for (int i = 0; i < 100; i++)
        chi += (bins[i] - MANY / 100.) * (bins[i] - MANY / 100.) / (MANY / 100.);
    ck_assert_msg(fabs(chi - 99) < 5 * 14.07, "chi square %g with 99 degrees of freedom", chi);
}
END_TEST

START_TEST(normal_statistics)
{
    static double x[2 * MANY];
    const da_dtype dtype = _i == 0 ? DA_F64 : _i == 1 ? DA_F32 : _i == 2 ? DA_C128 : DA_C64;
    const bool is_complex = _i >= 2;
    const double variance = is_complex ? 0.5 : 1;
    double mean = 0, m2 = 0, m3 = 0, m4 = 0, lag = 0;
    int beyond[5] = {0}, wrong = 0;
    da_array *a, *wide;
    ck_ok(da_random_normal(&a, dtype, DA_SHAPE(1000, is_complex ? 500 : 1000), 5));
    ck_ok(da_astype(&wide, a, is_complex ? DA_C128 : DA_F64));
    ck_ok(da_to_host(wide, x, sizeof x, DA_ROW_MAJOR));
    da_array_release(&a);
    da_array_release(&wide);
    for (int i = 0; i < MANY; i++) {
        const double z = x[i] / sqrt(variance);
        wrong += !isfinite(z);
        mean += z / MANY;
        m2 += z * z / MANY;
        m3 += z * z * z / MANY;
        m4 += z * z * z * z / MANY;
        lag += i ? z * x[i - 1] / sqrt(variance) / MANY : 0;
        for (int k = 1; k < 5; k++)
            beyond[k] += fabs(z) > k;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_msg(fabs(mean) < 5e-3, "mean %g", mean);
    ck_assert_msg(fabs(m2 - 1) < 5e-3 * sqrt(2), "variance %g", m2);
    ck_assert_msg(fabs(m3) < 5e-3 * sqrt(15), "third moment %g", m3);
    ck_assert_msg(fabs(m4 - 3) < 5e-3 * sqrt(96), "fourth moment %g", m4);
    ck_assert_msg(fabs(lag) < 5e-3, "neighbours %g", lag);
    for (int k = 1; k < 5; k++) {
        const double p = erfc(k / sqrt(2)) * MANY;
        ck_assert_msg(fabs(beyond[k] - p) < 5 * sqrt(p), "%d beyond %d, %g expected", beyond[k], k, p);
    }
}
END_TEST

/* The polynomials against the C library's functions. */
START_TEST(normal_values)
{
    enum { N = 100000 };
    static da_c128 x[N];
    const uint32_t key[] = {9, 0};
    double worst = 0;
    da_array *a;
    ck_ok(da_random_normal(&a, DA_C128, DA_SHAPE(N), 9));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    da_array_release(&a);
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t counter[] = {i, 0, 1, 0};
        uint32_t w[4];
        philox(w, counter, key);
        const double u1 = (double)((((uint64_t)w[1] << 32 | w[0]) >> 11) + 1) * 0x1p-53;
        const double u2 = (double)(((uint64_t)w[3] << 32 | w[2]) >> 11) * 0x1p-53;
        const double r = sqrt(-log(u1)), re = r * cos(2 * M_PI * u2), im = r * sin(2 * M_PI * u2);
        worst = fmax(worst, fmax(fabs(re - x[i].re), fabs(im - x[i].im)) / r);
    }
    ck_assert_msg(worst < 8 * 2.2e-16, "relative error %g", worst);
}
END_TEST

START_TEST(failures)
{
    da_array *a;
    ck_makes_nothing(da_random_normal(&a, DA_I32, DA_SHAPE(3), 1), a, DA_ERROR_DTYPE,
                     "int32 cannot hold normal random numbers");
    ck_makes_nothing(da_random_normal(&a, DA_BOOL, DA_SHAPE(3), 1), a, DA_ERROR_DTYPE, "bool cannot hold");
    ck_makes_nothing(da_random_uniform(&a, DA_F64, DA_SHAPE(-3), 1), a, DA_ERROR_SHAPE, "negative");
    ck_makes_nothing(da_random_uniform(&a, (da_dtype)0, DA_SHAPE(3), 1), a, DA_ERROR_DTYPE, "no dtype");
    ck_fails(da_random_uniform(NULL, DA_F64, DA_SHAPE(3), 1), DA_ERROR_ARGUMENT,
             "da_random_uniform: the pointer");
}
END_TEST

DA_TEST_MAIN("random", DA_CASE("generator", known_answers, seeds_matter, failures),
             DA_CASE_LOOP("dtypes", DTYPES, every_dtype),
             DA_CASE_LOOP("tilings", 6, tiling_and_shape_do_not_matter),
             DA_CASE("values", uniform_statistics, normal_values),
             DA_CASE_LOOP("normal", 4, normal_statistics))
