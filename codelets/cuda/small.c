/* SPDX-License-Identifier: BSD-3-Clause */
/* The small kernels between the calls of cuBLAS and cuSOLVER, in the dialect of codelets/device/dialect.h. */
#include "module.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LANES = 256, SOURCE = 4000 };

/* What the texts are written with: T, its parts REAL, and arithmetic that looks the same for real and complex numbers. */
static const char real_text[] = "#define RE(x) (x)\n"
                                "#define IS_ZERO(x) ((x) == 0)\n"
                                "#define IS_NAN(x) ((x) != (x))\n"
                                "#define IS_FINITE(x) ((x) - (x) == 0)\n"
                                "#define NUMBER(x) ((T)(x))\n"
                                "#define PRODUCT(x, y) ((x) * (y))\n"
                                "#define SUM(x, y) ((x) + (y))\n";
static const char complex_text[] =
    "#define RE(x) ((x).re)\n"
    "#define IS_ZERO(x) ((x).re == 0 && (x).im == 0)\n"
    "#define IS_NAN(x) ((x).re != (x).re || (x).im != (x).im)\n"
    "#define IS_FINITE(x) ((x).re - (x).re == 0 && (x).im - (x).im == 0)\n"
    "FUNCTION T NUMBER(REAL x) { T z; z.re = x; z.im = 0; return z; }\n"
    "FUNCTION T PRODUCT(T x, T y)\n"
    "{ T z; z.re = x.re * y.re - x.im * y.im; z.im = x.re * y.im + x.im * y.re; return z; }\n"
    "FUNCTION T SUM(T x, T y) { T z; z.re = x.re + y.re; z.im = x.im + y.im; return z; }\n";

/* One work-group. `found` is read if use_found is not 0. */
static const char check_text[] =
    "KERNEL(check_diagonal)(BUFFER(i64, info), BUFFER(const T, a), BUFFER(const i32, found), VALUE(i64, n),\n"
    "                       VALUE(i64, ld), VALUE(i64, offset), VALUE(i64, use_found), VALUE(i64, "
    "positive))\n"
    "{\n"
    "    LOCAL i64 least[256];\n"
    "    GLOBAL const T *x = DATA(const T, a);\n"
    "    i64 mine = n + 1;\n"
    "    if (LANE == 0 && use_found && *DATA(const i32, found) > 0)\n"
    "        mine = *DATA(const i32, found);\n"
    "    for (i64 i = LANE; i < n && i + 1 < mine; i += LANES) {\n"
    "        const T d = x[i + i * ld];\n"
    "        if (positive ? !(RE(d) > 0) : IS_ZERO(d))\n"
    "            mine = i + 1;\n"
    "    }\n"
    "    least[LANE] = mine;\n"
    "    BARRIER();\n"
    "    if (LANE == 0) {\n"
    "        GLOBAL i64 *fault = DATA(i64, info);\n"
    "        for (int k = 1; k < LANES; k++)\n"
    "            mine = least[k] < mine ? least[k] : mine;\n"
    "        if (mine <= n && (*fault == 0 || offset + mine < *fault))\n"
    "            *fault = offset + mine;\n"
    "    }\n"
    "}\n";

static const char triangle_text[] =
    "KERNEL(copy_triangle)(BUFFER(T, to), BUFFER(const T, from), VALUE(i64, m), VALUE(i64, n), VALUE(i64, "
    "to_ld),\n"
    "                      VALUE(i64, from_ld), VALUE(i64, lower_unit))\n"
    "{\n"
    "    const i64 at = GROUP * LANES + LANE, j = at / m, i = at - j * m;\n"
    "    if (at < m * n) {\n"
    "        const int inside = lower_unit ? i > j : i <= j;\n"
    "        DATA(T, to)[i + j * to_ld] = inside ? DATA(const T, from)[i + j * from_ld]\n"
    "                                            : NUMBER((REAL)(lower_unit && i == j));\n"
    "    }\n"
    "}\n";

/* Column i of a diagonal block of t, above the diagonal, is -tau_i t(0:i, 0:i) gram(0:i, i), and 0 below it, down to t's last row: a work-group
 * a block, a row a work-item, which reads no other row of t. */
static const char factor_text[] =
    "KERNEL(reflector_factor)(BUFFER(T, t), BUFFER(const T, gram), BUFFER(const T, tau), VALUE(i64, k), "
    "VALUE(i64, ld),\n"
    "                         VALUE(i64, block))\n"
    "{\n"
    "    const i64 first = GROUP * block, end = first + block < k ? first + block : k;\n"
    "    GLOBAL T *y = DATA(T, t);\n"
    "    GLOBAL const T *g = DATA(const T, gram);\n"
    "    for (i64 i = first; i < end; i++) {\n"
    "        const T factor = DATA(const T, tau)[i];\n"
    "        for (i64 r = first + LANE; r < k; r += LANES) {\n"
    "            T sum = NUMBER((REAL)0);\n"
    "            for (i64 c = r; c < i; c++)\n"
    "                sum = SUM(sum, PRODUCT(y[r + c * ld], g[c + i * k]));\n"
    "            y[r + i * ld] = r == i ? factor : r < i ? PRODUCT(PRODUCT(NUMBER((REAL)-1), factor), sum)\n"
    "                                                    : NUMBER((REAL)0);\n"
    "        }\n"
    "    }\n"
    "}\n";

/* What cuSOLVER tells beside a NaN may be no row at all: then there is no exchange. */
static const char pivots_text[] =
    "KERNEL(pivots)(BUFFER(i64, to), BUFFER(const i32, rows), VALUE(i64, step), VALUE(i64, offset), "
    "VALUE(i64, n),\n"
    "               VALUE(i64, m))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    if (i < n) {\n"
    "        const i64 row = (i64)DATA(const i32, rows)[i] - 1;\n"
    "        DATA(i64, to)[i * step] = offset + (row >= i && row < m ? row : i);\n"
    "    }\n"
    "}\n";

/* One after the other, as LAPACK went, since a run of negative numbers falls into pairs from where it begins. */
static const char block_pivots_text[] =
    "KERNEL(block_pivots)(BUFFER(i64, to), BUFFER(const i32, rows), VALUE(i64, step), VALUE(i64, n), "
    "VALUE(i64, "
    "upper))\n"
    "{\n"
    "    for (i64 k = LANE == 0 ? 0 : n; k < n; k++) {\n"
    "        const i64 at = upper ? n - 1 - k : k, next = upper ? at - 1 : at + 1;\n"
    "        const i64 row = (i64)DATA(const i32, rows)[at];\n"
    "        const i64 second = k + 1 < n ? (i64)DATA(const i32, rows)[next] : 0;\n"
    "        const int pair = row < 0 && row >= -n && second < 0 && second >= -n;\n"
    "        DATA(i64, to)[at * step] = pair ? row : row > 0 && row <= n ? row - 1 : at;\n"
    "        if (pair) {\n"
    "            DATA(i64, to)[next * step] = second;\n"
    "            k++;\n"
    "        }\n"
    "    }\n"
    "}\n";

/* A work-group a column; `found` begins as zeros. found[j] says that column j has a NaN, found[n] that one of them has. */
static const char find_nan_text[] =
    "KERNEL(find_nan)(BUFFER(i32, found), BUFFER(const T, a), VALUE(i64, m), VALUE(i64, n), VALUE(i64, ld))\n"
    "{\n"
    "    GLOBAL const T *x = DATA(const T, a) + GROUP * ld;\n"
    "    int any = 0;\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        any |= IS_NAN(x[i]);\n"
    "    if (any)\n"
    "        DATA(i32, found)[GROUP] = DATA(i32, found)[n] = 1;\n"
    "}\n";
static const char spread_nan_text[] =
    "KERNEL(spread_nan)(BUFFER(T, a), BUFFER(const i32, found), VALUE(i64, m), VALUE(i64, n), VALUE(i64, "
    "ld),\n"
    "                   VALUE(f64, nan))\n"
    "{\n"
    "    GLOBAL T *x = DATA(T, a) + GROUP * ld;\n"
    "    i64 first = DATA(const i32, found)[n] ? 0 : n;\n"
    "    while (first <= GROUP && !DATA(const i32, found)[first])\n"
    "        first++;\n"
    "    for (i64 i = first + LANE; first <= GROUP && i < m; i += LANES)\n"
    "        x[i] = NUMBER((REAL)nan);\n"
    "}\n";

/* A work-group a column. lower, upper: whether that triangle counts, of which the diagonal is made real unless both do. */
static const char find_bad_text[] =
    "KERNEL(find_bad)(BUFFER(i32, found), BUFFER(T, a), VALUE(i64, m), VALUE(i64, n), VALUE(i64, ld),\n"
    "                 VALUE(i64, lower), VALUE(i64, upper), VALUE(i64, by_row))\n"
    "{\n"
    "    GLOBAL T *x = DATA(T, a) + GROUP * ld;\n"
    "    const i64 first = upper ? 0 : GROUP, end = lower || GROUP + 1 > m ? m : GROUP + 1;\n"
    "    for (i64 i = first + LANE; i < end; i += LANES) {\n"
    "        if (i == GROUP && !(lower && upper))\n"
    "            x[i] = NUMBER(RE(x[i]));\n"
    "        if (!IS_FINITE(x[i]))\n"
    "            DATA(i32, found)[by_row ? i : GROUP] = DATA(i32, found)[by_row ? m : n] = 1;\n"
    "    }\n"
    "}\n";
static const char clear_bad_text[] = "KERNEL(clear_bad)(BUFFER(T, a), BUFFER(const i32, found), VALUE(i64, "
                                     "m), VALUE(i64, count), VALUE(i64, ld))\n"
                                     "{\n"
                                     "    if (DATA(const i32, found)[count])\n"
                                     "        for (i64 i = LANE; i < m; i += LANES)\n"
                                     "            DATA(T, a)[GROUP * ld + i] = NUMBER((REAL)0);\n"
                                     "}\n";
static const char spectral_fault_text[] =
    "KERNEL(spectral_fault)(BUFFER(i64, info), BUFFER(const i32, found), BUFFER(const i32, failed), "
    "VALUE(i64, "
    "n))\n"
    "{\n"
    "    GLOBAL i64 *fault = DATA(i64, info);\n"
    "    i64 mine = *DATA(const i32, failed) > 0 ? n + *DATA(const i32, failed) : 0;\n"
    "    if (DATA(const i32, found)[n])\n"
    "        for (mine = 1; !DATA(const i32, found)[mine - 1];)\n"
    "            mine++;\n"
    "    if (LANE == 0 && mine > 0 && (*fault == 0 || mine < *fault))\n"
    "        *fault = mine;\n"
    "}\n";

/* A work-group a column: of the identity, or from a root's deltas, of length 1. */
static const char merge_vectors_text[] =
    "KERNEL(merge_vectors)(BUFFER(T, y), BUFFER(const T, deltas), BUFFER(const T, kept), BUFFER(const T, "
    "place),\n"
    "                      BUFFER(const T, z), BUFFER(const T, row), VALUE(i64, m), VALUE(i64, ld))\n"
    "{\n"
    "    LOCAL T part[256];\n"
    "    const i64 count = (i64)*DATA(const T, kept), mine = (i64)DATA(const T, place)[GROUP];\n"
    "    const int root = mine < count;\n"
    "    GLOBAL T *v = DATA(T, y) + GROUP * m;\n"
    "    GLOBAL const T *delta = DATA(const T, deltas) + mine * ld, *top = DATA(const T, z);\n"
    "    T sum = 0;\n"
    "    for (i64 i = LANE; root && i < count; i += LANES) {\n"
    "        const T x = count <= 2 ? delta[i] : top[i] / delta[i];\n"
    "        sum += x * x;\n"
    "    }\n"
    "    part[LANE] = sum;\n"
    "    BARRIER();\n"
    "    for (int width = LANES / 2; width > 0; width /= 2) {\n"
    "        if (LANE < width)\n"
    "            part[LANE] += part[LANE + width];\n"
    "        BARRIER();\n"
    "    }\n"
    "    const T factor = 1 / sqrt(part[0]);\n"
    "    for (i64 i = LANE; root && i < count; i += LANES)\n"
    "        v[(i64)DATA(const T, row)[i]] = (count <= 2 ? delta[i] : top[i] / delta[i]) * factor;\n"
    "    for (i64 i = root ? count + LANE : LANE; i < m; i += LANES)\n"
    "        v[i] = !root && i == mine;\n"
    "}\n";

static const char widen_text[] =
    "KERNEL(widen)(BUFFER(T, to), BUFFER(const REAL, from), VALUE(i64, m), VALUE(i64, to_ld), VALUE(i64, "
    "from_ld))\n"
    "{\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        DATA(T, to)[i + GROUP * to_ld] = NUMBER(DATA(const REAL, from)[i + GROUP * from_ld]);\n"
    "}\n";

static const char *word_of(da_dtype dtype)
{
    return dtype == DA_F32 ? "f32" : dtype == DA_F64 ? "f64" : dtype == DA_C64 ? "c64" : "c128";
}

static da_status launch(const da_call *call, da_dtype dtype, const char *entry, const char *text,
                        int64_t groups, int nargs, const da_device_arg *args)
{
    const bool wide = dtype == DA_F64 || dtype == DA_C128, complex = dtype == DA_C64 || dtype == DA_C128;
    char source[SOURCE];

    snprintf(source, sizeof source, "#define T %s\n#define REAL %s\n%s%s", word_of(dtype),
             wide ? "f64" : "f32", complex ? complex_text : real_text, text);
    return cuda_launch(call, entry, source, groups, LANES, nargs, args);
}

da_status cuda_check_diagonal(const da_call *call, da_dtype dtype, const cuda_matrix *a, const int *found,
                              int64_t offset, cuda_diagonal_test test)
{
    const int64_t n = a->m < a->n ? a->m : a->n, ld = a->ld, use_found = found != NULL,
                  positive = test == CUDA_POSITIVE;

    return launch(call, dtype, "check_diagonal", check_text, n > 0, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(call->info), CUDA_ADDRESS(a->data),
                                          CUDA_ADDRESS(found), CUDA_VALUE(n), CUDA_VALUE(ld),
                                          CUDA_VALUE(offset), CUDA_VALUE(use_found), CUDA_VALUE(positive)});
}

da_status cuda_copy_triangle(const da_call *call, da_dtype dtype, const cuda_matrix *dst,
                             const cuda_matrix *src, bool lower_unit)
{
    const int64_t m = dst->m, n = dst->n, dst_ld = dst->ld, src_ld = src->ld, lower = lower_unit;

    return launch(call, dtype, "copy_triangle", triangle_text, (m * n + LANES - 1) / LANES, 7,
                  (const da_device_arg[]){CUDA_ADDRESS(dst->data), CUDA_ADDRESS(src->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(dst_ld), CUDA_VALUE(src_ld),
                                          CUDA_VALUE(lower)});
}

da_status cuda_reflector_factor(const da_call *call, da_dtype dtype, const cuda_matrix *t, const void *gram,
                                const void *tau)
{
    const int64_t k = t->n, ld = t->ld, block = CUDA_FACTOR_BLOCK;

    return launch(call, dtype, "reflector_factor", factor_text, (k + block - 1) / block, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(t->data), CUDA_ADDRESS(gram), CUDA_ADDRESS(tau),
                                          CUDA_VALUE(k), CUDA_VALUE(ld), CUDA_VALUE(block)});
}

da_status cuda_pivots(const da_call *call, int64_t *pivots, int64_t step, int64_t offset, const int *rows,
                      int n, int m)
{
    const int64_t count = n, most = m;

    return launch(call, DA_F64, "pivots", pivots_text, (count + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(pivots), CUDA_ADDRESS(rows), CUDA_VALUE(step),
                                          CUDA_VALUE(offset), CUDA_VALUE(count), CUDA_VALUE(most)});
}

da_status cuda_block_pivots(const da_call *call, int64_t *pivots, int64_t step, const int *rows, int n,
                            bool upper)
{
    const int64_t count = n, backwards = upper;

    return launch(call, DA_F64, "block_pivots", block_pivots_text, 1, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(pivots), CUDA_ADDRESS(rows), CUDA_VALUE(step),
                                          CUDA_VALUE(count), CUDA_VALUE(backwards)});
}

da_status cuda_spread_nan(const da_call *call, da_dtype dtype, const cuda_matrix *a, const int *found)
{
    const int64_t m = a->m, n = a->n, ld = a->ld;
    const double nan = (double)NAN;

    DA_TRY(launch(call, dtype, "find_nan", find_nan_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(found), CUDA_ADDRESS(a->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld)}));
    return launch(call, dtype, "spread_nan", spread_nan_text, n, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_ADDRESS(found), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(nan)});
}

da_status cuda_clean(const da_call *call, da_dtype dtype, const cuda_matrix *a, unsigned uplo, bool by_row,
                     const int *found)
{
    const int64_t m = a->m, n = a->n, ld = a->ld, lower = (uplo & DA_UPPER) == 0,
                  upper = (uplo & DA_LOWER) == 0, rows = by_row, count = by_row ? m : n;

    DA_TRY(launch(call, dtype, "find_bad", find_bad_text, n, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(found), CUDA_ADDRESS(a->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(lower), CUDA_VALUE(upper),
                                          CUDA_VALUE(rows)}));
    return launch(call, dtype, "clear_bad", clear_bad_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_ADDRESS(found), CUDA_VALUE(m),
                                          CUDA_VALUE(count), CUDA_VALUE(ld)});
}

da_status cuda_merge_vectors(const da_call *call, da_dtype dtype, const cuda_matrix *vectors,
                             const cuda_matrix *deltas, const void *kept, const void *place, const void *z,
                             const void *row)
{
    const int64_t m = vectors->m, ld = deltas->ld;

    return launch(call, dtype, "merge_vectors", merge_vectors_text, vectors->n, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(vectors->data), CUDA_ADDRESS(deltas->data),
                                          CUDA_ADDRESS(kept), CUDA_ADDRESS(place), CUDA_ADDRESS(z),
                                          CUDA_ADDRESS(row), CUDA_VALUE(m), CUDA_VALUE(ld)});
}

da_status cuda_widen(const da_call *call, da_dtype dtype, const cuda_matrix *dst, const cuda_matrix *src)
{
    const int64_t m = dst->m, dst_ld = dst->ld, src_ld = src->ld;

    return launch(call, dtype, "widen", widen_text, dst->n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(dst->data), CUDA_ADDRESS(src->data), CUDA_VALUE(m),
                                          CUDA_VALUE(dst_ld), CUDA_VALUE(src_ld)});
}

da_status cuda_spectral_fault(const da_call *call, const int *found, int n, const int *failed)
{
    const int64_t count = n;

    return launch(call, DA_F64, "spectral_fault", spectral_fault_text, 1, 4,
                  (const da_device_arg[]){CUDA_ADDRESS(call->info), CUDA_ADDRESS(found), CUDA_ADDRESS(failed),
                                          CUDA_VALUE(count)});
}
