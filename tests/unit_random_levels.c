/* SPDX-License-Identifier: BSD-3-Clause */
/* The random kernel gives the same bits at every CPU level. */
#include "array_kernels.h"
#include "test.h"

typedef void random_line(int64_t n, da_dtype dtype, size_t size, void *dst, int64_t stride, uint64_t first,
                         uint64_t step, const kernel_random_args *args);
random_line random_line_level0;
#if DA_HAVE_CPU_LEVELS
random_line random_line_level3, random_line_level4;
#endif

enum { N = 100003 };
static unsigned char expected[N * 16], got[N * 16];

static void compare(random_line *line)
{
    for (int dtype = DA_BOOL; dtype <= DA_C128; dtype++) {
        const size_t size = da_dtype_size((da_dtype)dtype);
        for (int normal = 0; normal < (dtype >= DA_F16 ? 2 : 1); normal++) {
            const kernel_random_args args = {.seed = 0xfedcba9876543210, .normal = normal};
            random_line_level0(N, (da_dtype)dtype, size, expected, 1, 12345, 7, &args);
            line(N, (da_dtype)dtype, size, got, 1, 12345, 7, &args);
            ck_assert_msg(!memcmp(expected, got, N * size), "%s differs", da_dtype_name((da_dtype)dtype));
            /* a part of it, beginning anywhere */
            line(1001, (da_dtype)dtype, size, got, 1, 12345 + 7 * 333, 7, &args);
            ck_assert(!memcmp(expected + 333 * size, got, 1001 * size));
        }
    }
}

START_TEST(levels)
{
    compare(random_line_level0);
#if DA_HAVE_CPU_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        compare(random_line_level3);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        compare(random_line_level4);
#endif
}
END_TEST

DA_TEST_MAIN("random kernels", DA_CASE("levels", levels))
