/* SPDX-License-Identifier: BSD-3-Clause */
/* The small kernels between the calls of cuBLAS and cuSOLVER, in the dialect of codelets/device/dialect.h. */
#include "module.h"

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Woverlength-strings"

enum { LANES = 256, SOURCE = 9000 };

/* What the texts are written with: T, its parts REAL, and arithmetic that looks the same for real and complex numbers. */
static const char real_text[] = "#define RE(x) (x)\n"
                                "#define IS_ZERO(x) ((x) == 0)\n"
                                "#define IS_NAN(x) ((x) != (x))\n"
                                "#define IS_FINITE(x) ((x) - (x) == 0)\n"
                                "#define NUMBER(x) ((T)(x))\n"
                                "#define PRODUCT(x, y) ((x) * (y))\n"
                                "#define SUM(x, y) ((x) + (y))\n"
                                "#define COMPLEX 0\n"
                                "#define IM(x) ((REAL)0)\n"
                                "#define MAKE(re, im) ((T)(re))\n"
                                "#define SIZE(x) fabs(x)\n"
                                "#define SIGN(x) ((T)((x) > 0 ? 1 : -1))\n"
                                "#define CONJ(x) (x)\n"
                                "#define QUOTIENT(x, y) ((x) / (y))\n";
static const char complex_text[] =
    "#define RE(x) ((x).re)\n"
    "#define IS_ZERO(x) ((x).re == 0 && (x).im == 0)\n"
    "#define IS_NAN(x) ((x).re != (x).re || (x).im != (x).im)\n"
    "#define IS_FINITE(x) ((x).re - (x).re == 0 && (x).im - (x).im == 0)\n"
    "FUNCTION T NUMBER(REAL x) { T z; z.re = x; z.im = 0; return z; }\n"
    "FUNCTION T PRODUCT(T x, T y)\n"
    "{ T z; z.re = x.re * y.re - x.im * y.im; z.im = x.re * y.im + x.im * y.re; return z; }\n"
    "FUNCTION T SUM(T x, T y) { T z; z.re = x.re + y.re; z.im = x.im + y.im; return z; }\n"
    "#define COMPLEX 1\n"
    "#define IM(x) ((x).im)\n"
    "FUNCTION T MAKE(REAL re, REAL im) { T z; z.re = re; z.im = im; return z; }\n"
    "#define SIZE(x) hypot((x).re, (x).im)\n"
    "FUNCTION T SIGN(T x)\n"
    "{\n"
    "    const REAL size = SIZE(x);\n"
    "    T z;\n"
    "    z.re = size > 0 ? x.re / size : 1;\n"
    "    z.im = size > 0 ? x.im / size : 0;\n"
    "    return z;\n"
    "}\n"
    "FUNCTION T CONJ(T x) { x.im = -x.im; return x; }\n"
    "FUNCTION T QUOTIENT(T x, T y)\n"
    "{\n"
    "    const int flat = fabs(y.re) >= fabs(y.im);\n"
    "    const REAL r = flat ? y.im / y.re : y.re / y.im, d = flat ? y.re + r * y.im : y.im + r * y.re;\n"
    "    T z;\n"
    "    z.re = (flat ? x.re + x.im * r : x.re * r + x.im) / d;\n"
    "    z.im = (flat ? x.im - x.re * r : x.im * r - x.re) / d;\n"
    "    return z;\n"
    "}\n";

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

/* One after the other, as above. Pivots that are no row, which nobody should give, exchange nothing. */
static const char ldl_text[] =
    "KERNEL(ldl_steps)(BUFFER(i64, info), BUFFER(i32, steps), BUFFER(const i64, pivots), BUFFER(const T, a), "
    "VALUE(i64, step),\n"
    "                  VALUE(i64, n), VALUE(i64, ld), VALUE(i64, upper))\n"
    "{\n"
    "    GLOBAL i32 *swap = DATA(i32, steps), *part = swap + n;\n"
    "    i64 zero = n + 1;\n"
    "    for (i64 k = LANE == 0 ? 0 : n; k < n; k++) {\n"
    "        const i64 first = upper ? n - 1 - k : k, pivot = DATA(const i64, pivots)[first * step];\n"
    "        const int pair = pivot < 0 && k + 1 < n;\n"
    "        const i64 at = !pair ? first : upper ? first - 1 : first + 1;\n"
    "        const i64 said = DATA(const i64, pivots)[at * step], row = said < 0 ? ~said : said;\n"
    "        swap[first] = (i32)first;\n"
    "        swap[at] = (i32)(row < n ? row : at);\n"
    "        part[first] = pair;\n"
    "        part[at] = 2 * pair;\n"
    "        k += pair;\n"
    "        const T d = DATA(const T, a)[first + first * ld];\n"
    "        if (!pair && first < zero && (IS_ZERO(d) || IS_NAN(d)))\n"
    "            zero = first + 1;\n"
    "    }\n"
    "    GLOBAL i64 *fault = DATA(i64, info);\n"
    "    if (zero <= n && (*fault == 0 || zero < *fault))\n"
    "        *fault = zero;\n"
    "}\n"
    /* A column a work-item; so are those of ldl_exchange. */
    "KERNEL(ldl_unpack)(BUFFER(T, l), BUFFER(const T, a), BUFFER(const i32, steps), VALUE(i64, n), "
    "VALUE(i64, "
    "ld),\n"
    "                   VALUE(i64, upper))\n"
    "{\n"
    "    GLOBAL const i32 *swap = DATA(const i32, steps), *part = swap + n;\n"
    "    const i64 j = GROUP * LANES + LANE;\n"
    "    GLOBAL T *x = DATA(T, l) + j * n;\n"
    "    for (i64 i = upper ? 0 : j + 1; j < n && i < (upper ? j : n); i++)\n"
    "        x[i] = DATA(const T, a)[i + j * ld];\n"
    "    if (j < n && part[j] == 1)\n"
    "        x[upper ? j - 1 : j + 1] = NUMBER((REAL)0);\n"
    "    for (i64 k = j < n && part[j] == 1 ? 2 : 1; j < n && k < (upper ? j + 1 : n - j); k++) {\n"
    "        const i64 i = upper ? j - k : j + k, row = swap[i];\n"
    "        const T was = x[i];\n"
    "        x[i] = x[row];\n"
    "        x[row] = was;\n"
    "    }\n"
    "}\n"
    "KERNEL(ldl_exchange)(BUFFER(T, b), BUFFER(const i32, steps), VALUE(i64, m), VALUE(i64, n), VALUE(i64, "
    "ld),\n"
    "                     VALUE(i64, from_last))\n"
    "{\n"
    "    const i64 j = GROUP * LANES + LANE;\n"
    "    GLOBAL T *x = DATA(T, b) + j * ld;\n"
    "    for (i64 k = 0; j < n && k < m; k++) {\n"
    "        const i64 i = from_last ? m - 1 - k : k, row = DATA(const i32, steps)[i];\n"
    "        const T was = x[i];\n"
    "        x[i] = x[row];\n"
    "        x[row] = was;\n"
    "    }\n"
    "}\n"
    /* An element a work-item, of blocks of 2 x 2 both are the first one's: of [d0, t; s, d1] with s and t, its conjugate or itself. */
    "KERNEL(ldl_divide)(BUFFER(T, b), BUFFER(const T, a), BUFFER(const i32, steps), VALUE(i64, m), "
    "VALUE(i64, "
    "n),\n"
    "                   VALUE(i64, b_ld), VALUE(i64, ld), VALUE(i64, upper), VALUE(i64, hermitian))\n"
    "{\n"
    "    const i64 at = GROUP * LANES + LANE, j = at / m, i = at - j * m;\n"
    "    const i64 part = at < m * n ? DATA(const i32, steps)[m + i] : 2, low = part && upper ? i - 1 : i;\n"
    "    GLOBAL const T *d = DATA(const T, a) + low * (ld + 1);\n"
    "    GLOBAL T *x = DATA(T, b) + low + j * b_ld;\n"
    "    if (part == 0)\n"
    "        x[0] = QUOTIENT(x[0], hermitian ? NUMBER(RE(d[0])) : d[0]);\n"
    "    if (part == 1) {\n"
    "        const T off = upper ? d[ld] : d[1], s = upper && hermitian ? CONJ(off) : off;\n"
    "        const T t = hermitian ? CONJ(s) : s, minus = NUMBER((REAL)-1);\n"
    "        const T d0 = QUOTIENT(hermitian ? NUMBER(RE(d[0])) : d[0], t);\n"
    "        const T d1 = QUOTIENT(hermitian ? NUMBER(RE(d[ld + 1])) : d[ld + 1], s);\n"
    "        const T det = SUM(PRODUCT(d0, d1), minus), x0 = QUOTIENT(x[0], t), x1 = QUOTIENT(x[1], s);\n"
    "        x[0] = QUOTIENT(SUM(PRODUCT(d1, x0), PRODUCT(minus, x1)), det);\n"
    "        x[1] = QUOTIENT(SUM(PRODUCT(d0, x1), PRODUCT(minus, x0)), det);\n"
    "    }\n"
    "}\n";

/* A work-group a column; `found` begins as zeros. found[j] says that column j has a NaN, found[n] that one of them has. */
static const char nan_text[] =
    "KERNEL(find_nan)(BUFFER(i32, found), BUFFER(const T, a), VALUE(i64, m), VALUE(i64, n), VALUE(i64, ld))\n"
    "{\n"
    "    GLOBAL const T *x = DATA(const T, a) + GROUP * ld;\n"
    "    int any = 0;\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        any |= IS_NAN(x[i]);\n"
    "    if (any)\n"
    "        DATA(i32, found)[GROUP] = DATA(i32, found)[n] = 1;\n"
    "}\n"
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
static const char bad_text[] =
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
    "}\n"
    "KERNEL(clear_bad)(BUFFER(T, a), BUFFER(const i32, found), VALUE(i64, m), VALUE(i64, count), VALUE(i64, "
    "ld))\n"
    "{\n"
    "    if (DATA(const i32, found)[count])\n"
    "        for (i64 i = LANE; i < m; i += LANES)\n"
    "            DATA(T, a)[GROUP * ld + i] = NUMBER((REAL)0);\n"
    "}\n";

/* What cuda_estimate() keeps: the estimate, where x was the largest, whether nothing changes any more, whether there is a zero on the diagonal. */
#define ESTIMATE "typedef struct { f64 estimate; i64 at, done, singular; } estimate_t;\n"

/* One work-group, of which every work-item adds up what all have found. */
static const char estimate_text[] =
    ESTIMATE "enum { BEGIN, MEASURE, PLACE, ALTERNATE, END };\n"
             "KERNEL(estimate)(BUFFER(T, x), BUFFER(T, signs), BUFFER(estimate_t, state), BUFFER(const T, "
             "a), VALUE(i64, n),\n"
             "                 VALUE(i64, ld), VALUE(i64, step))\n"
             "{\n"
             "    LOCAL REAL sums[256], most[256];\n"
             "    LOCAL i64 where[256];\n"
             "    LOCAL int flags[256];\n"
             "    GLOBAL T *v = DATA(T, x), *s = DATA(T, signs);\n"
             "    GLOBAL estimate_t *q = DATA(estimate_t, state);\n"
             "    const i64 last = step == PLACE ? q->at : -1, done = step == BEGIN ? 0 : q->done;\n"
             "    const REAL before = step == BEGIN ? 0 : (REAL)q->estimate;\n"
             "    const REAL there = last < 0 ? -1 : COMPLEX ? SIZE(v[last]) : RE(v[last]);\n"
             "    REAL sum = 0, largest = -1;\n"
             "    i64 at = 0;\n"
             "    int other = 0;\n"
             "    for (i64 i = LANE; i < n; i += LANES) {\n"
             "        const REAL size = step == BEGIN ? 0 : SIZE(v[i]);\n"
             "        sum += size;\n"
             "        at = size > largest ? i : at;\n"
             "        largest = size > largest ? size : largest;\n"
             "        other |= step == BEGIN     ? IS_ZERO(DATA(const T, a)[i + i * ld])\n"
             "                 : step == MEASURE ? COMPLEX || before < 0 || RE(SIGN(v[i])) != RE(s[i])\n"
             "                                   : 0;\n"
             "    }\n"
             "    sums[LANE] = sum;\n"
             "    most[LANE] = largest;\n"
             "    where[LANE] = at;\n"
             "    flags[LANE] = other;\n"
             "    BARRIER();\n"
             "    sum = 0;\n"
             "    largest = -1;\n"
             "    for (int k = 0; k < LANES; k++) {\n"
             "        sum += sums[k];\n"
             "        at = most[k] > largest || (most[k] == largest && where[k] < at) ? where[k] : at;\n"
             "        largest = most[k] > largest ? most[k] : largest;\n"
             "        other |= flags[k];\n"
             "    }\n"
             "    const int grown = before < 0 || (sum > before && other);\n"
             "    const int stop = step == MEASURE ? sum - sum != 0 || !grown : step == PLACE && last >= 0 "
             "&& there == largest;\n"
             "    for (i64 i = LANE; i < n; i += LANES) {\n"
             "        if (step == BEGIN)\n"
             "            v[i] = NUMBER(1 / (REAL)n);\n"
             "        else if (step == ALTERNATE)\n"
             "            v[i] = NUMBER((i % 2 ? -1 : 1) * (1 + (REAL)i / (REAL)(n > 1 ? n - 1 : 1)));\n"
             "        else if (step == MEASURE && !done && !stop)\n"
             "            v[i] = s[i] = SIGN(v[i]);\n"
             "        else if (step == PLACE && !done && !stop)\n"
             "            v[i] = NUMBER((REAL)(i == at));\n"
             "    }\n"
             "    if (LANE == 0 && step == BEGIN) {\n"
             "        q->estimate = -1;\n"
             "        q->at = -1;\n"
             "        q->done = 0;\n"
             "        q->singular = other;\n"
             "    } else if (LANE == 0 && step == END) {\n"
             "        const REAL twice = 2 * (sum / (REAL)(3 * n));\n"
             "        if (n > 1 && twice > before)\n"
             "            q->estimate = twice;\n"
             "    } else if (LANE == 0 && !done && step != ALTERNATE) {\n"
             "        q->estimate = step == MEASURE ? sum : before;\n"
             "        q->at = step == PLACE ? at : q->at;\n"
             "        q->done = stop;\n"
             "    }\n"
             "}\n";
static const char reciprocal_text[] =
    ESTIMATE "KERNEL(reciprocal)(BUFFER(T, y), BUFFER(const T, norms), BUFFER(const i32, found), "
             "BUFFER(const estimate_t, state),\n"
             "                   VALUE(i64, count), VALUE(i64, ld), VALUE(i64, n))\n"
             "{\n"
             "    GLOBAL const estimate_t *q = DATA(const estimate_t, state);\n"
             "    const REAL estimate = (REAL)q->estimate;\n"
             "    REAL norm = 0;\n"
             "    for (i64 j = 0; j < count; j++) {\n"
             "        const REAL one = RE(DATA(const T, norms)[j * ld]);\n"
             "        norm = one <= norm || norm != norm ? norm : one;\n"
             "    }\n"
             "    const int none = DATA(const i32, found)[n] || q->singular || estimate - estimate != 0 || "
             "norm - norm != 0;\n"
             "    if (LANE == 0)\n"
             "        *DATA(T, y) = NUMBER(norm != norm                          ? norm\n"
             "                             : none || estimate == 0 || norm == 0 ? 0\n"
             "                                                                  : 1 / estimate / norm);\n"
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

/* ---- merges of divide and conquer ---- */

/* A work-group a column: of the identity, or from a root, of length 1. */
static const char merge_vectors_text[] =
    "enum { EIGEN, LEFT, RIGHT };\n"
    "FUNCTION T entry(i64 kind, i64 count, i64 i, GLOBAL const T *d, GLOBAL const T *z, T "
    "nearest, T shift, T root)\n"
    "{\n"
    "    if (kind == EIGEN && count <= 2)\n"
    "        return i == 0 ? nearest : shift;\n"
    "    if (kind != EIGEN && count == 1)\n"
    "        return kind == RIGHT ? (T)1 : copysign((T)1, z[0]);\n"
    "    const T y = z[i] / (d[i] - d[(i64)nearest] + shift);\n"
    "    if (kind == EIGEN)\n"
    "        return y;\n"
    "    const T x = y / (d[i] + root);\n"
    "    return kind == RIGHT ? x : i == 0 ? (T)-1 : d[i] * x;\n"
    "}\n"
    "KERNEL(merge_vectors)(BUFFER(T, y), BUFFER(const T, shifts), BUFFER(const T, roots), BUFFER(const T, "
    "kept),\n"
    "                      BUFFER(const T, place), BUFFER(const T, d), BUFFER(const T, z), BUFFER(const T, "
    "row),\n"
    "                      VALUE(i64, m), VALUE(i64, ld), VALUE(i64, kind))\n"
    "{\n"
    "    LOCAL f64 part[256];\n"
    "    const i64 count = (i64)*DATA(const T, kept), mine = (i64)DATA(const T, place)[GROUP];\n"
    "    const int is_root = mine < count;\n"
    "    const T root = is_root && kind != EIGEN ? DATA(const T, roots)[mine] : 0;\n"
    "    GLOBAL T *v = DATA(T, y) + GROUP * m;\n"
    "    const T nearest = is_root ? DATA(const T, shifts)[mine] : 0, shift = is_root ? DATA(const T, "
    "shifts)[mine + ld] : 0;\n"
    "    GLOBAL const T *diagonal = DATA(const T, d), *top = DATA(const T, z);\n"
    "    f64 sum = 0;\n"
    "    for (i64 i = LANE; is_root && i < count; i += LANES) {\n"
    "        const f64 x = entry(kind, count, i, diagonal, top, nearest, shift, root);\n"
    "        sum += x * x;\n"
    "    }\n"
    "    part[LANE] = sum;\n"
    "    BARRIER();\n"
    "    sum = 0;\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        sum += part[k];\n"
    "    const f64 length = sqrt(sum);\n"
    "    for (i64 i = LANE; is_root && i < count; i += LANES)\n"
    "        v[(i64)DATA(const T, row)[i]] = (T)(entry(kind, count, i, diagonal, top, nearest, shift, root) "
    "/ "
    "length);\n"
    "    for (i64 i = is_root ? count + LANE : LANE; i < m; i += LANES)\n"
    "        v[i] = !is_root && i == mine;\n"
    "}\n";

/* A column a work-group; an element a work-item. */
static const char merge_text[] =
    "KERNEL(merge_pack)(BUFFER(T, to), BUFFER(const T, from), BUFFER(const T, source), VALUE(i64, m), "
    "VALUE(i64, to_ld), VALUE(i64, from_ld))\n"
    "{\n"
    "    GLOBAL const T *x = DATA(const T, from) + (i64)DATA(const T, source)[GROUP] * from_ld;\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        DATA(T, to)[i + GROUP * to_ld] = x[i];\n"
    "}\n"
    /* Where each goes is its number among its own kind and how many of the other kind come before it. A NaN, and every root after it, comes last. */
    "KERNEL(merge_order)(BUFFER(T, values), BUFFER(T, place), BUFFER(T, z), BUFFER(const T, d), "
    "BUFFER(const T, roots),\n"
    "                    BUFFER(const T, parts), BUFFER(const T, kept), BUFFER(const T, scale), VALUE(i64, "
    "n),\n"
    "                    VALUE(i64, nparts), VALUE(i64, ld), VALUE(i64, few), VALUE(i64, descending))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE, count = (i64)*DATA(const T, kept);\n"
    "    GLOBAL const T *root = DATA(const T, roots), *aside = DATA(const T, d) + count;\n"
    "    const int is_root = i < count;\n"
    "    i64 before = 0;\n"
    "    if (i >= n)\n"
    "        return;\n"
    "    if (is_root) {\n"
    "        T most = root[i], product = 1;\n"
    "        for (i64 k = 0; k < i; k++)\n"
    "            most = root[k] > most || root[k] != root[k] ? root[k] : most;\n"
    "        while (before < n - count && !(most <= aside[before]))\n"
    "            before++;\n"
    "        for (i64 p = 0; p < nparts && count > few; p++)\n"
    "            product *= DATA(const T, parts)[i + p * ld];\n"
    "        if (count > few)\n"
    "            DATA(T, z)[i] = (T)copysign(sqrt((f64)-product), (f64)DATA(T, z)[i]);\n"
    "    } else {\n"
    "        while (before < count && root[before] <= aside[i - count])\n"
    "            before++;\n"
    "    }\n"
    "    const i64 rank = (is_root ? i : i - count) + before, at = descending ? n - 1 - rank : rank;\n"
    "    DATA(T, place)[at] = (T)i;\n"
    "    DATA(T, values)[at] = (T)scalbn((f64)(is_root ? root[i] : aside[i - count]), "
    "-(int)*DATA(const T, scale));\n"
    "}\n";

/* Half the distance between 1 and the next number. */
#define EPSILON_TEXT                                                                                         \
    "#define EPSILON (sizeof(T) == 4 ? (T)5.9604644775390625e-8 : (T)1.1102230246251565e-16)\n"

/* What is set aside, one value after the other by one work-item, as the CPU decides it (cpu/stedc.inc, cpu/bdsdc.inc); rotations are kept for
 * merge_rotate. A merge of singular values has `u`, and reads v's rows where the other reads Q's. One work-group. */
static const char deflate_text[] = EPSILON_TEXT
    "enum { ABOVE, BOTH, BELOW, KINDS };\n"
    "typedef struct {\n"
    "    i64 n, top, singular, columns, u_ld, v_ld;\n"
    "    i64 d, z, row, source, kept, left, above, rho, scale; /* where the plan has them */\n"
    "    f64 nan;\n"
    "} deflate_t;\n"
    /* NaN where there is one. */
    "FUNCTION T largest_of(LOCAL_POINTER(T) part, T mine)\n"
    "{\n"
    "    part[LANE] = mine;\n"
    "    BARRIER();\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        mine = part[k] > mine || IS_NAN(part[k]) ? part[k] : mine;\n"
    "    BARRIER();\n"
    "    return mine;\n"
    "}\n"
    "FUNCTION void make_plan(GLOBAL T *plan, GLOBAL const T *d, GLOBAL const T *z, GLOBAL const i32 *kind,\n"
    "                        GLOBAL const i32 *kept, i64 nkept, GLOBAL i32 *aside, i64 naside, deflate_t q)\n"
    "{\n"
    "    i64 next[KINDS + 1] = {0, 0, 0, 0};\n"
    "    for (i64 c = 1; c < naside; c++) {\n"
    "        const i32 moved = aside[c];\n"
    "        i64 at = c;\n"
    "        for (; at > 0 && d[aside[at - 1]] > d[moved]; at--)\n"
    "            aside[at] = aside[at - 1];\n"
    "        aside[at] = moved;\n"
    "    }\n"
    "    for (i64 c = 0; c < nkept; c++)\n"
    "        next[kind[kept[c]] + 1]++;\n"
    "    for (int k = ABOVE; k < KINDS; k++)\n"
    "        next[k + 1] += next[k];\n"
    "    plan[q.kept] = (T)nkept;\n"
    "    plan[q.left] = (T)next[BOTH];\n"
    "    plan[q.above] = (T)next[BELOW];\n"
    "    for (i64 c = 0; c < nkept; c++) {\n"
    "        const i64 i = kept[c], row = next[kind[i]]++;\n"
    "        plan[q.d + c] = d[i];\n"
    "        plan[q.z + c] = z[i];\n"
    "        plan[q.row + c] = (T)row;\n"
    "        plan[q.source + row] = (T)i;\n"
    "    }\n"
    "    for (i64 c = 0; c < naside; c++) {\n"
    "        plan[q.d + nkept + c] = d[aside[c]];\n"
    "        plan[q.source + nkept + c] = (T)aside[c];\n"
    "    }\n"
    "}\n"
    "FUNCTION void decide(GLOBAL T *plan, GLOBAL T *d, GLOBAL T *z, GLOBAL T *turns, GLOBAL i32 *pairs,\n"
    "                     GLOBAL i32 *kind, T rho, T negligible, deflate_t q)\n"
    "{\n"
    "    GLOBAL i32 *kept = kind + q.n, *aside = kept + q.n;\n"
    "    const i64 middle = q.top - 1, step = q.singular ? -1 : 1; /* singular values descend */\n"
    "    const i64 a_end = q.singular ? -1 : q.top, b_end = q.singular ? middle : q.n;\n"
    "    i64 a = q.singular ? middle - 1 : 0, b = q.singular ? q.n - 1 : q.top, last = -1;\n"
    "    i64 nkept = 0, naside = 0, nturns = 0;\n"
    "    if (q.singular)\n"
    "        kept[nkept++] = (i32)middle;\n"
    "    while (a != a_end || b != b_end) {\n"
    "        const int upper = b == b_end || (a != a_end && d[a] <= d[b]);\n"
    "        const i64 i = upper ? a : b;\n"
    "        a += upper ? step : 0;\n"
    "        b += upper ? 0 : step;\n"
    "        if (rho * fabs(z[i]) <= negligible) {\n"
    "            aside[naside++] = (i32)i;\n"
    "            continue;\n"
    "        }\n"
    "        if (last >= 0) {\n"
    "            const T length = (T)hypot((f64)z[i], (f64)z[last]);\n"
    "            const T c = z[i] / length, s = -z[last] / length;\n"
    "            const T lower = d[last], gap = d[i] - lower;\n"
    "            if ((q.singular ? gap : fabs(gap * c * s)) <= negligible) {\n"
    "                z[i] = length;\n"
    "                kind[i] = kind[i] == kind[last] ? kind[i] : BOTH;\n"
    "                turns[2 * nturns] = c;\n"
    "                turns[2 * nturns + 1] = s;\n"
    "                pairs[1 + 2 * nturns] = (i32)last;\n"
    "                pairs[2 + 2 * nturns++] = (i32)i;\n"
    "                if (!q.singular) {\n"
    "                    d[last] = lower * c * c + d[i] * s * s;\n"
    "                    d[i] = lower * s * s + d[i] * c * c;\n"
    "                }\n"
    "                aside[naside++] = (i32)last;\n"
    "            } else\n"
    "                kept[nkept++] = (i32)last;\n"
    "        }\n"
    "        last = i;\n"
    "    }\n"
    "    if (last >= 0)\n"
    "        kept[nkept++] = (i32)last;\n"
    "    if (q.singular && nkept > 1 && d[kept[1]] <= negligible / 2)\n"
    "        d[kept[1]] = negligible / 2;\n"
    "    pairs[0] = (i32)nturns;\n"
    "    make_plan(plan, d, z, kind, kept, nkept, aside, naside, q);\n"
    "}\n"
    "KERNEL(merge_deflate)(BUFFER(const T, values), BUFFER(const T, off), BUFFER(T, u), BUFFER(T, v),\n"
    "                      BUFFER(T, plan), BUFFER(T, reals), BUFFER(i32, ints), VALUE(deflate_t, q))\n"
    "{\n"
    "    LOCAL T part[256];\n"
    "    GLOBAL const T *given = DATA(const T, values);\n"
    "    GLOBAL T *p = DATA(T, plan), *w = DATA(T, v), *d = DATA(T, reals), *z = d + q.n, *turns = z + q.n;\n"
    "    GLOBAL i32 *pairs = DATA(i32, ints), *kind = pairs + 1 + 2 * q.n;\n"
    "    const T e = *DATA(const T, off), half = (T)0.70710678118654752440;\n"
    "    const i64 n = q.n, top = q.top, middle = top - 1;\n"
    "    T most = fabs(e);\n"
    "    for (i64 i = LANE; i < n; i += LANES)\n"
    "        most = fabs(given[i]) > most || IS_NAN(given[i]) ? fabs(given[i]) : most;\n"
    "    most = largest_of(part, most);\n"
    "    const int scale = most > 0 ? -ilogb((f64)most) : 0;\n"
    "    const T beta = (T)scalbn((f64)e, scale);\n"
    "    const T above = q.singular ? (T)scalbn((f64)given[middle], scale) : half;\n"
    "    const T below = q.singular ? beta : e < 0 ? -half : half;\n"
    "    const T behind = q.columns > n ? beta * w[top + n * q.v_ld] : 0;\n"
    "    const T zero = above * w[middle + middle * q.v_ld];\n"
    "    T largest = fabs(behind);\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        d[i] = (T)scalbn((f64)given[i], scale);\n"
    "        z[i] = i < top ? above * w[middle + i * q.v_ld] : below * w[top + i * q.v_ld];\n"
    "        kind[i] = q.singular && i == middle ? BOTH : i < top ? ABOVE : BELOW;\n"
    "        const int is_z = q.singular || fabs(z[i]) > fabs(d[i]) || IS_NAN(z[i]);\n"
    "        const T size = fabs(is_z ? z[i] : d[i]);\n"
    "        largest = size > largest || IS_NAN(size) ? size : largest;\n"
    "    }\n"
    "    largest = largest_of(part, largest);\n"
    "    if (!IS_FINITE(most) || !IS_FINITE(largest)) {\n"
    "        for (i64 i = LANE; i < n; i += LANES) {\n"
    "            p[q.d + i] = (T)q.nan;\n"
    "            p[q.source + i] = (T)i;\n"
    "        }\n"
    "        if (LANE == 0) {\n"
    "            p[q.kept] = p[q.left] = p[q.above] = p[q.rho] = p[q.scale] = 0;\n"
    "            pairs[0] = -1;\n"
    "        }\n"
    "        return;\n"
    "    }\n"
    "    const T negligible = 8 * EPSILON * (q.singular ? (T)scalbn((f64)most, scale) : largest);\n"
    "    const T rho = q.singular ? 1 : 2 * fabs(beta), length = (T)hypot((f64)zero, (f64)behind);\n"
    "    if (q.columns > n && length > negligible) {\n"
    "        const T c = zero / length, s = behind / length;\n"
    "        GLOBAL T *x = w + middle * q.v_ld, *y = w + n * q.v_ld;\n"
    "        for (i64 i = LANE; i < q.columns; i += LANES) {\n"
    "            const T was = x[i];\n"
    "            x[i] = c * was + s * y[i];\n"
    "            y[i] = c * y[i] - s * was;\n"
    "        }\n"
    "    }\n"
    "    if (LANE == 0) {\n"
    "        if (q.singular) {\n"
    "            d[middle] = 0;\n"
    "            z[middle] = length <= negligible ? negligible : q.columns > n ? length : zero;\n"
    "            DATA(T, u)[middle + middle * q.u_ld] = 1;\n"
    "        } else\n"
    "            p[q.rho] = rho;\n"
    "        decide(p, d, z, turns, pairs, kind, rho, negligible, q);\n"
    "        p[q.scale] = (T)scale;\n"
    "    }\n"
    "}\n"
    /* A row a work-item; all is NaN if there are fewer than none. */
    "KERNEL(merge_rotate)(BUFFER(T, q), BUFFER(const T, turns), BUFFER(const i32, pairs), VALUE(i64, m),\n"
    "                     VALUE(i64, n), VALUE(i64, ld), VALUE(f64, nan))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE, count = *DATA(const i32, pairs);\n"
    "    GLOBAL T *row = DATA(T, q) + i;\n"
    "    GLOBAL const i32 *pair = DATA(const i32, pairs) + 1;\n"
    "    GLOBAL const T *turn = DATA(const T, turns);\n"
    "    for (i64 k = 0; k < count && i < m; k++) {\n"
    "        GLOBAL T *x = row + pair[2 * k] * ld, *y = row + pair[2 * k + 1] * ld;\n"
    "        const T was = *x, c = turn[2 * k], s = turn[2 * k + 1];\n"
    "        *x = c * was + s * *y;\n"
    "        *y = c * *y - s * was;\n"
    "    }\n"
    "    for (i64 j = 0; j < n && count < 0 && i < m; j++)\n"
    "        row[j * ld] = (T)nan;\n"
    "}\n";

/* Roots of 1 / rho + sum z_i^2 / (d_i - x) = 0, a work-group each (R.-C. Li: "Solving secular equations stably and efficiently", 1993). Singular values'
 * equation is the same in their squares, with rho 1. Every work-item does what is not a sum, so that all come to the same barriers. */
static const char secular_text[] = EPSILON_TEXT
    "typedef struct {\n"
    "    T left, right, left_slope, right_slope;\n"
    "} sums_t;\n"
    /* Everything is measured from the pole nearest to the root, so that no difference loses digits. */
    "FUNCTION T pole(GLOBAL const T *d, i64 i, i64 nearest, i64 singular)\n"
    "{\n"
    "    const T gap = d[i] - d[nearest];\n"
    "    return singular ? gap * (d[i] + d[nearest]) : gap;\n"
    "}\n"
    "FUNCTION sums_t plus(sums_t a, sums_t b)\n"
    "{\n"
    "    a.left += b.left;\n"
    "    a.right += b.right;\n"
    "    a.left_slope += b.left_slope;\n"
    "    a.right_slope += b.right_slope;\n"
    "    return a;\n"
    "}\n"
    /* The sum's parts and their derivatives: poles up to number `split`, and those after it. */
    "FUNCTION sums_t sums_at(LOCAL_POINTER(sums_t) part, GLOBAL const T *d, GLOBAL const T *z, i64 count,\n"
    "                        i64 split, i64 nearest, i64 singular, T x)\n"
    "{\n"
    "    sums_t sum = {0, 0, 0, 0};\n"
    "    for (i64 i = LANE; i < count; i += LANES) {\n"
    "        const T y = z[i] / (pole(d, i, nearest, singular) - x);\n"
    "        const sums_t left = {z[i] * y, 0, y * y, 0}, right = {0, z[i] * y, 0, y * y};\n"
    "        sum = plus(sum, i <= split ? left : right);\n"
    "    }\n"
    "    part[LANE] = sum;\n"
    "    BARRIER();\n"
    "    if (LANE < 16) {\n"
    "        for (int k = LANE + 16; k < LANES; k += 16)\n"
    "            sum = plus(sum, part[k]);\n"
    "        part[256 + LANE] = sum;\n"
    "    }\n"
    "    BARRIER();\n"
    "    sum = part[256];\n"
    "    for (int k = 1; k < 16; k++)\n"
    "        sum = plus(sum, part[256 + k]);\n"
    "    return sum;\n"
    "}\n"
    /* Where c + s / (l - y) + t / (r - y) is zero, for y between the poles l and r or with `last` above both; a = c (l + r) + s + t, b = c l r +
     * s r + t l. */
    "FUNCTION T zero_of(T a, T b, T c, int last)\n"
    "{\n"
    "    const T root = sqrt(fabs(a * a - 4 * b * c));\n"
    "    if (last)\n"
    "        return a >= 0 ? (a + root) / (2 * c) : 2 * b / (a - root);\n"
    "    return a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root);\n"
    "}\n"
    "KERNEL(secular)(BUFFER(T, shifts), BUFFER(T, roots), BUFFER(const T, poles), BUFFER(const T, weights),\n"
    "                BUFFER(const T, rho), BUFFER(const T, kept), VALUE(i64, ld), VALUE(i64, column),\n"
    "                VALUE(i64, singular), VALUE(f64, nan))\n"
    "{\n"
    "    LOCAL sums_t part[272];\n"
    "    const i64 count = (i64)*DATA(const T, kept), number = column + GROUP;\n"
    "    GLOBAL const T *d = DATA(const T, poles), *z = DATA(const T, weights);\n"
    "    GLOBAL T *mine = DATA(T, shifts) + GROUP, *root = DATA(T, roots) + GROUP;\n"
    "    if (number >= count)\n"
    "        return;\n"
    "    if (count == 1) {\n"
    "        if (LANE == 0) {\n"
    "            *root = singular ? fabs(z[0]) : d[0] + *DATA(const T, rho) * z[0] * z[0];\n"
    "            if (!singular)\n"
    "                mine[0] = 1;\n"
    "        }\n"
    "        return;\n"
    "    }\n"
    "    const int last = number == count - 1;\n"
    "    const i64 l = last ? number - 1 : number, r = l + 1;\n"
    "    const T first = singular ? (T)1 : 1 / *DATA(const T, rho);\n"
    "    i64 nearest = last ? r : l;\n"
    /* The root lies between the nearest pole and the middle of two; the last one no further off than if all weights were the last pole's. */
    "    T far = last ? (T)0 : pole(d, r, l, singular) / 2;\n"
    "    for (i64 i = 0; i < count && last; i++)\n"
    "        far += z[i] * z[i] / first;\n"
    "    sums_t s = sums_at(part, d, z, count, l, nearest, singular, far);\n"
    "    T w = first + s.left + s.right;\n"
    "    const T left = z[l] * z[l], right = z[r] * z[r];\n"
    "    const T rest = w - left / (pole(d, l, nearest, singular) - far)\n"
    "                     - right / (pole(d, r, nearest, singular) - far);\n"
    "    if (!last && w < 0) {\n"
    "        nearest = r;\n"
    "        far = -far;\n"
    "    }\n"
    "    const T l_pole = pole(d, l, nearest, singular), r_pole = pole(d, r, nearest, singular);\n"
    /* Nor is it nearer than where that pole's term would balance the others as they are at the far end, where they count most. */
    "    const T own = nearest == l ? left : right, close = own / (last ? first : w + own / far);\n"
    "    T low = far > 0 ? close : far, high = far > 0 ? far : close;\n"
    "    const T a = rest * (l_pole + r_pole) + left + right, b = left * r_pole + right * l_pole;\n"
    "    T x = zero_of(a, b, rest, last);\n"
    "    for (int step = 0;; step++) {\n"
    "        if (!(x > low && x < high))\n"
    "            x = copysign((T)(sqrt(fabs(low)) * sqrt(fabs(high))), far); /* exponents' middle */\n"
    "        if (!(x > low && x < high))\n"
    "            break;\n"
    "        s = sums_at(part, d, z, count, l, nearest, singular, x);\n"
    "        w = first + s.left + s.right;\n"
    "        const T size = 8 * (fabs(s.left) + fabs(s.right)) + first;\n"
    "        const T slope = s.left_slope + s.right_slope;\n"
    "        if (fabs(w) <= EPSILON * (size + fabs(x) * slope))\n"
    "            break;\n"
    "        low = w < 0 ? x : low;\n"
    "        high = w < 0 ? high : x;\n"
    /* Each half of the sum as one pole and a constant, of the same value and slope. */
    "        const T to_l = l_pole - x, to_r = r_pole - x;\n"
    "        x += zero_of((to_l + to_r) * w - to_l * to_r * slope, to_l * to_r * w,\n"
    "                     w - to_l * s.left_slope - to_r * s.right_slope, last);\n"
    "        if (step >= 20)\n"
    "            x = low; /* bisection comes to an end */\n"
    "    }\n"
    "    const T base = d[nearest], tau = singular ? x / (base + sqrt(base * base + x)) : x;\n"
    "    const T shift = IS_NAN(w) ? (T)nan : tau;\n"
    "    const int is_vector = !singular && count == 2; /* as laed4 leaves it */\n"
    "    const f64 one = z[0] / (d[0] - base - shift), other = z[1] / (d[1] - base - shift);\n"
    "    const f64 length = is_vector ? hypot(one, other) : 1;\n"
    "    if (LANE == 0) {\n"
    "        mine[0] = is_vector ? (T)(one / length) : (T)nearest;\n"
    "        mine[ld] = is_vector ? (T)(other / length) : -shift;\n"
    "        *root = base + shift;\n"
    "    }\n"
    "}\n"
    /* The roots' factors in the products that z is made of, an item each. A root that was not found is a fault, the last one if there are more. */
    "KERNEL(secular_parts)(BUFFER(i64, info), BUFFER(T, parts), BUFFER(const T, shifts),\n"
    "                      BUFFER(const T, roots), BUFFER(const T, poles), BUFFER(const T, kept),\n"
    "                      VALUE(i64, columns), VALUE(i64, ld), VALUE(i64, column), VALUE(i64, singular),\n"
    "                      VALUE(i64, offset))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE, count = (i64)*DATA(const T, kept), few = singular ? 1 : 2;\n"
    "    GLOBAL const T *d = DATA(const T, poles), *root = DATA(const T, roots), *shift = DATA(const T, "
    "shifts);\n"
    "    T product = 1;\n"
    "    if (i >= count || (singular && count == 1))\n"
    "        return;\n"
    "    for (i64 j = 0; j < columns && column + j < count && count > few; j++) {\n"
    "        const i64 at = column + j;\n"
    "        const T delta = d[i] - d[(i64)shift[j]] + shift[j + ld], sum = d[i] + root[j];\n"
    "        if (singular)\n"
    "            product *= i == at ? delta * sum : delta / (d[i] - d[at]) * (sum / (d[i] + d[at]));\n"
    "        else\n"
    "            product *= i == at ? delta : delta / (d[i] - d[at]);\n"
    "        if (i == 0 && IS_NAN(root[j]))\n"
    "            *DATA(i64, info) = offset + at + 1;\n"
    "    }\n"
    "    DATA(T, parts)[i] = product;\n"
    "}\n";

static const char widen_text[] =
    "KERNEL(widen)(BUFFER(T, to), BUFFER(const REAL, from), VALUE(i64, m), VALUE(i64, to_ld), VALUE(i64, "
    "from_ld))\n"
    "{\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        DATA(T, to)[i + GROUP * to_ld] = NUMBER(DATA(const REAL, from)[i + GROUP * from_ld]);\n"
    "}\n";

/* A work-group a column. The first of a run of values that are not real is the first of a pair, as in LAPACK's order. `to` and w are complex. */
static const char pairs_text[] =
    "KERNEL(pairs)(BUFFER(T, to), BUFFER(const T, packed), BUFFER(const T, w), VALUE(i64, n), VALUE(i64, "
    "ld))\n"
    "{\n"
    "    GLOBAL const T *im = DATA(const T, w) + 1, *x = DATA(const T, packed) + GROUP * n;\n"
    "    GLOBAL T *y = DATA(T, to) + 2 * GROUP * ld;\n"
    "    i64 before = 0;\n"
    "    while (before < GROUP && im[2 * (GROUP - 1 - before)] != 0)\n"
    "        before++;\n"
    "    const int second = before % 2 != 0, first = !second && im[2 * GROUP] != 0 && GROUP + 1 < n;\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        y[2 * i] = second ? x[i - n] : x[i];\n"
    "        y[2 * i + 1] = second ? -x[i] : first ? x[i + n] : 0;\n"
    "    }\n"
    "}\n";

/* ---- tridiagonal and bidiagonal matrices ---- */

/* A work-group a column, which looks at all of d and e. */
static const char dense_text[] =
    "enum { FAILED, ZEROS };\n"
    "FUNCTION REAL on_diagonal(GLOBAL const REAL *d, GLOBAL const REAL *e, i64 i, i64 n, i64 count, i64 at)\n"
    "{\n"
    "    const REAL above = i == 0 && at > 0 ? fabs(e[at - 1]) : 0;\n"
    "    return d[i] - above - (i == n - 1 && at + n < count ? fabs(e[at + n - 1]) : 0);\n"
    "}\n"
    "KERNEL(dense)(BUFFER(REAL, a), BUFFER(i32, state), BUFFER(const REAL, d), BUFFER(const REAL, e), "
    "VALUE(i64, m),\n"
    "              VALUE(i64, n), VALUE(i64, ld), VALUE(i64, count), VALUE(i64, at))\n"
    "{\n"
    "    LOCAL int flags[256];\n"
    "    GLOBAL const REAL *diagonal = DATA(const REAL, d), *beside = DATA(const REAL, e);\n"
    "    GLOBAL REAL *x = DATA(REAL, a) + GROUP * ld;\n"
    "    int bad = 0;\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        const REAL one = on_diagonal(diagonal, beside, i, n, count, at);\n"
    "        bad |= one - one != 0;\n"
    "    }\n"
    "    for (i64 i = LANE; i < count; i += LANES)\n"
    "        bad |= beside[i] - beside[i] != 0;\n"
    "    flags[LANE] = bad;\n"
    "    BARRIER();\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        bad |= flags[k];\n"
    "    for (i64 i = LANE; i < m; i += LANES)\n"
    "        x[i] = bad            ? 0\n"
    "               : i == GROUP     ? on_diagonal(diagonal, beside, i, n, count, at)\n"
    "               : i == GROUP + 1 ? beside[at + GROUP]\n"
    "                                : 0;\n"
    "    if (GROUP == 0 && LANE == 0)\n"
    "        DATA(i32, state)[ZEROS] = bad;\n"
    "}\n"
    /* `down` and `right` lead to the element below and to the one on the right. */
    "KERNEL(place)(BUFFER(T, to), BUFFER(const REAL, from), BUFFER(const i32, state), VALUE(i64, rows), "
    "VALUE(i64, ld),\n"
    "              VALUE(i64, at), VALUE(i64, m), VALUE(i64, n), VALUE(i64, down), VALUE(i64, right), "
    "VALUE(f64, nan))\n"
    "{\n"
    "    GLOBAL const REAL *x = DATA(const REAL, from) + GROUP * right;\n"
    "    const int none = DATA(const i32, state)[ZEROS] || DATA(const i32, state)[FAILED] > 0;\n"
    "    for (i64 i = LANE; i < rows; i += LANES) {\n"
    "        const int inside = GROUP < n && i >= at && i < at + m;\n"
    "        DATA(T, to)[i + GROUP * ld] = NUMBER(none ? (REAL)nan : inside ? x[(i - at) * down] : 0);\n"
    "    }\n"
    "}\n"
    "KERNEL(state_fault)(BUFFER(i64, info), BUFFER(const i32, state), VALUE(i64, offset), VALUE(i64, "
    "zeros_too))\n"
    "{\n"
    "    GLOBAL const i32 *s = DATA(const i32, state);\n"
    "    GLOBAL i64 *fault = DATA(i64, info);\n"
    "    const i64 mine = s[ZEROS] ? zeros_too : s[FAILED];\n"
    "    if (LANE == 0 && mine > 0 && (*fault == 0 || offset + mine < *fault))\n"
    "        *fault = offset + mine;\n"
    "}\n";

/* ---- steps to tridiagonal and bidiagonal form ---- */

/* The largest part of each row's numbers, a row a work-item. */
static const char range_text[] =
    "KERNEL(row_sizes)(BUFFER(REAL, sizes), BUFFER(const T, a), VALUE(i64, m), VALUE(i64, n), VALUE(i64, "
    "ld), VALUE(i64, lower))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    GLOBAL const T *x = DATA(const T, a) + i;\n"
    "    REAL size = 0;\n"
    "    for (i64 j = 0; i < m && j < n && (!lower || j <= i); j++) {\n"
    "        const REAL re = fabs(RE(x[j * ld])), im = fabs(IM(x[j * ld]));\n"
    "        size = re > size ? re : size;\n"
    "        size = im > size ? im : size;\n"
    "    }\n"
    "    if (i < m)\n"
    "        DATA(REAL, sizes)[i] = size;\n"
    "}\n"
    /* What brings them in range, to sizes[m]; also to *told, NaN where something is not finite. */
    "KERNEL(range_factor)(BUFFER(REAL, told), BUFFER(REAL, sizes), BUFFER(const i32, bad), VALUE(i64, m), "
    "VALUE(f64, least), VALUE(f64, nan))\n"
    "{\n"
    "    GLOBAL REAL *s = DATA(REAL, sizes);\n"
    "    const REAL lowest = (REAL)least;\n"
    "    REAL most = 0;\n"
    "    for (i64 i = 0; i < m && LANE == 0; i++)\n"
    "        most = s[i] > most ? s[i] : most;\n"
    "    if (LANE == 0) {\n"
    "        const REAL factor = most > 0 && most < lowest ? lowest / most : most > 1 / lowest ? 1 / lowest "
    "/ most : 1;\n"
    "        s[m] = *DATA(const i32, bad) ? 1 : factor;\n"
    "        *DATA(REAL, told) = *DATA(const i32, bad) ? (REAL)nan : factor;\n"
    "    }\n"
    "}\n"
    "KERNEL(scale_columns)(BUFFER(T, a), BUFFER(const REAL, factor), VALUE(i64, m), VALUE(i64, ld), "
    "VALUE(i64, lower))\n"
    "{\n"
    "    GLOBAL T *x = DATA(T, a) + GROUP * ld;\n"
    "    const REAL by = *DATA(const REAL, factor);\n"
    "    for (i64 i = (lower ? GROUP : 0) + LANE; i < m && by != 1; i += LANES)\n"
    "        x[i] = MAKE(RE(x[i]) * by, IM(x[i]) * by);\n"
    "}\n"
    /* The lower triangle as the upper one says, a work-group a column. */
    "KERNEL(mirror)(BUFFER(T, a), VALUE(i64, n), VALUE(i64, ld))\n"
    "{\n"
    "    GLOBAL T *x = DATA(T, a);\n"
    "    for (i64 i = GROUP + 1 + LANE; i < n; i += LANES)\n"
    "        x[i + GROUP * ld] = CONJ(x[GROUP + i * ld]);\n"
    "}\n";

/* y = the columns' sum, or with `pieces` row i of that column which has it: column p rows [m p / parts, m (p + 1) / parts). */
static const char column_text[] =
    "KERNEL(gather)(BUFFER(T, y), BUFFER(const T, a), VALUE(i64, m), VALUE(i64, parts), VALUE(i64, ld), "
    "VALUE(i64, pieces))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    T sum = NUMBER((REAL)0);\n"
    "    for (i64 p = 0; p < parts && i < m; p++)\n"
    "        if (!pieces || (i >= m * p / parts && i < m * (p + 1) / parts))\n"
    "            sum = pieces ? DATA(const T, a)[i + p * ld] : SUM(sum, DATA(const T, a)[i + p * ld]);\n"
    "    if (i < m)\n"
    "        DATA(T, y)[i] = sum;\n"
    "}\n"
    "KERNEL(scale_by)(BUFFER(T, x), BUFFER(const T, factor), VALUE(i64, n), VALUE(i64, divide))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    const T by = *DATA(const T, factor);\n"
    "    if (i < n)\n"
    "        DATA(T, x)[i] = divide ? QUOTIENT(DATA(T, x)[i], by) : PRODUCT(by, DATA(T, x)[i]);\n"
    "}\n"
    "KERNEL(conj_row)(BUFFER(T, y), BUFFER(const T, x), VALUE(i64, n), VALUE(i64, ld))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    if (i < n)\n"
    "        DATA(T, y)[i] = CONJ(DATA(const T, x)[i * ld]);\n"
    "}\n"
    "KERNEL(bidiagonal)(BUFFER(REAL, d), BUFFER(REAL, e), BUFFER(const T, diagonal), BUFFER(const T, "
    "above), VALUE(i64, n),\n"
    "                   VALUE(i64, divide))\n"
    "{\n"
    "    const i64 i = GROUP * LANES + LANE;\n"
    "    if (i < n) {\n"
    "        const REAL last = RE(DATA(const T, above)[n - 1]), factor = divide ? last : 1;\n"
    "        DATA(REAL, d)[i] = RE(DATA(const T, diagonal)[i]) / factor;\n"
    "        DATA(REAL, e)[i] = (i + 1 < n || !divide ? RE(DATA(const T, above)[i]) : 0) / factor;\n"
    "    }\n"
    "}\n";

/* y = tau y - tau / 2 ((tau y)^H x) x; one work-group. */
static const char reflector_text[] =
    "KERNEL(finish_w)(BUFFER(T, y), BUFFER(const T, x), BUFFER(const T, tau), VALUE(i64, n))\n"
    "{\n"
    "    LOCAL T part[256];\n"
    "    GLOBAL T *w = DATA(T, y);\n"
    "    GLOBAL const T *v = DATA(const T, x);\n"
    "    const T t = *DATA(const T, tau);\n"
    "    T sum = NUMBER((REAL)0);\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        w[i] = PRODUCT(t, w[i]);\n"
    "        sum = SUM(sum, PRODUCT(CONJ(w[i]), v[i]));\n"
    "    }\n"
    "    part[LANE] = sum;\n"
    "    BARRIER();\n"
    "    sum = NUMBER((REAL)0);\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        sum = SUM(sum, part[k]);\n"
    "    const T factor = PRODUCT(PRODUCT(NUMBER((REAL)-0.5), t), sum);\n"
    "    for (i64 i = LANE; i < n; i += LANES)\n"
    "        w[i] = SUM(w[i], PRODUCT(factor, v[i]));\n"
    "}\n"
    /* As LAPACK's larfg, of numbers divided by the largest of them instead of trying again where they are tiny. One work-group. */
    "KERNEL(reflect)(BUFFER(T, x), BUFFER(T, v), BUFFER(T, tau), BUFFER(T, beta), VALUE(i64, n))\n"
    "{\n"
    "    LOCAL REAL part[256], sums[256];\n"
    "    GLOBAL T *a = DATA(T, x), *to = DATA(T, v);\n"
    "    REAL big = 0, sum = 0;\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        const REAL re = fabs(RE(a[i])), im = fabs(IM(a[i]));\n"
    "        big = re > big ? re : big;\n"
    "        big = im > big ? im : big;\n"
    "    }\n"
    "    part[LANE] = big;\n"
    "    BARRIER();\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        big = part[k] > big ? part[k] : big;\n"
    "    big = big > 0 ? big : 1;\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        const REAL re = RE(a[i]) / big, im = IM(a[i]) / big;\n"
    "        sum += i > 0 ? re * re + im * im : 0;\n"
    "    }\n"
    "    const REAL re = RE(a[0]) / big, im = IM(a[0]) / big;\n"
    "    sums[LANE] = sum;\n"
    "    BARRIER();\n"
    "    sum = 0;\n"
    "    for (int k = 0; k < LANES; k++)\n"
    "        sum += sums[k];\n"
    "    const int none = sum == 0 && im == 0;\n"
    "    const REAL b = none ? re : -copysign((REAL)sqrt(re * re + im * im + sum), re);\n"
    "    const T factor = none ? NUMBER((REAL)1) : QUOTIENT(NUMBER((REAL)1), MAKE(re - b, im));\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        if (i > 0 && !none)\n"
    "            a[i] = PRODUCT(factor, MAKE(RE(a[i]) / big, IM(a[i]) / big));\n"
    "        if (i > 0)\n"
    "            to[i] = a[i];\n"
    "    }\n"
    "    if (LANE == 0) {\n"
    "        a[0] = *DATA(T, beta) = NUMBER(none ? RE(a[0]) : b * big);\n"
    "        *DATA(T, tau) = none ? NUMBER((REAL)0) : MAKE((b - re) / b, -im / b);\n"
    "        to[0] = NUMBER((REAL)1);\n"
    "    }\n"
    "}\n"
    /* One work-group, of which all know the factor before it is overwritten. */
    "KERNEL(tridiagonal)(BUFFER(REAL, d), BUFFER(REAL, e), BUFFER(const T, a), VALUE(i64, n), VALUE(i64, "
    "ld))\n"
    "{\n"
    "    GLOBAL const T *x = DATA(const T, a);\n"
    "    const REAL factor = DATA(REAL, e)[n - 1];\n"
    "    BARRIER();\n"
    "    for (i64 i = LANE; i < n; i += LANES) {\n"
    "        DATA(REAL, d)[i] = RE(x[i + i * ld]) / factor;\n"
    "        DATA(REAL, e)[i] = i + 1 < n ? RE(x[i + 1 + i * ld]) / factor : 0;\n"
    "    }\n"
    "}\n";

static const char *word_of(da_dtype dtype)
{
    return dtype == DA_F32 ? "f32" : dtype == DA_F64 ? "f64" : dtype == DA_C64 ? "c64" : "c128";
}

static void write_source(char source[SOURCE], da_dtype dtype, const char *text)
{
    const bool wide = dtype == DA_F64 || dtype == DA_C128, complex = dtype == DA_C64 || dtype == DA_C128;

    snprintf(source, SOURCE, "#define T %s\n#define REAL %s\n%s%s", word_of(dtype), wide ? "f64" : "f32",
             complex ? complex_text : real_text, text);
}

static da_status launch(const da_call *call, da_dtype dtype, const char *entry, const char *text,
                        int64_t groups, int nargs, const da_device_arg *args)
{
    char source[SOURCE];

    write_source(source, dtype, text);
    return cuda_launch(call, entry, source, groups, LANES, nargs, args);
}

da_status cuda_ready(const da_call *call, da_dtype dtype, unsigned programs)
{
    static const struct {
        unsigned program;
        da_dtype dtype; /* 0: the call's */
        const char *text;
    } all[] = {{CUDA_CHECK, 0, check_text},
               {CUDA_TRIANGLE, 0, triangle_text},
               {CUDA_FACTOR, 0, factor_text},
               {CUDA_PIVOTS, DA_F64, pivots_text},
               {CUDA_BLOCK_PIVOTS, DA_F64, block_pivots_text},
               {CUDA_NAN, 0, nan_text},
               {CUDA_BAD, 0, bad_text},
               {CUDA_FAULT, DA_F64, spectral_fault_text},
               {CUDA_RANGE, 0, range_text},
               {CUDA_COLUMN, 0, column_text},
               {CUDA_REFLECTOR, 0, reflector_text},
               {CUDA_DENSE, 0, dense_text},
               {CUDA_PAIRS, 0, pairs_text}};
    char source[SOURCE];

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (programs & all[i].program) {
            write_source(source, all[i].dtype ? all[i].dtype : dtype, all[i].text);
            DA_TRY(cuda_prepare(call, source));
        }
    return DA_OK;
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

da_status cuda_ldl_steps(const da_call *call, da_dtype dtype, const int *steps, const int64_t *pivots,
                         int64_t step, const cuda_matrix *a, bool upper)
{
    const int64_t n = a->m, ld = a->ld, backwards = upper;

    return launch(call, dtype, "ldl_steps", ldl_text, 1, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(call->info), CUDA_ADDRESS(steps), CUDA_ADDRESS(pivots),
                                          CUDA_ADDRESS(a->data), CUDA_VALUE(step), CUDA_VALUE(n),
                                          CUDA_VALUE(ld), CUDA_VALUE(backwards)});
}

da_status cuda_ldl_unpack(const da_call *call, da_dtype dtype, const cuda_matrix *l, const cuda_matrix *a,
                          const int *steps, bool upper)
{
    const int64_t n = a->m, ld = a->ld, backwards = upper;

    return launch(call, dtype, "ldl_unpack", ldl_text, (n + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(l->data), CUDA_ADDRESS(a->data), CUDA_ADDRESS(steps),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(backwards)});
}

da_status cuda_ldl_exchange(const da_call *call, da_dtype dtype, const cuda_matrix *b, const int *steps,
                            bool from_last)
{
    const int64_t m = b->m, n = b->n, ld = b->ld, backwards = from_last;

    return launch(call, dtype, "ldl_exchange", ldl_text, (n + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(b->data), CUDA_ADDRESS(steps), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(backwards)});
}

da_status cuda_ldl_divide(const da_call *call, da_dtype dtype, const cuda_matrix *b, const cuda_matrix *a,
                          const int *steps, bool upper, bool hermitian)
{
    const int64_t m = b->m, n = b->n, b_ld = b->ld, ld = a->ld, backwards = upper, conj = hermitian;

    return launch(call, dtype, "ldl_divide", ldl_text, (m * n + LANES - 1) / LANES, 9,
                  (const da_device_arg[]){CUDA_ADDRESS(b->data), CUDA_ADDRESS(a->data), CUDA_ADDRESS(steps),
                                          CUDA_VALUE(m), CUDA_VALUE(n), CUDA_VALUE(b_ld), CUDA_VALUE(ld),
                                          CUDA_VALUE(backwards), CUDA_VALUE(conj)});
}

da_status cuda_estimate(const da_call *call, da_dtype dtype, cuda_step step, const cuda_matrix *factor,
                        const void *x, const void *signs, const void *state)
{
    const int64_t n = factor->m, ld = factor->ld, which = step;

    return launch(call, dtype, "estimate", estimate_text, 1, 7,
                  (const da_device_arg[]){CUDA_ADDRESS(x), CUDA_ADDRESS(signs), CUDA_ADDRESS(state),
                                          CUDA_ADDRESS(factor->data), CUDA_VALUE(n), CUDA_VALUE(ld),
                                          CUDA_VALUE(which)});
}

da_status cuda_reciprocal(const da_call *call, da_dtype dtype, const cuda_matrix *norms, const int *found,
                          int n, const void *state, const void *out)
{
    const int64_t count = norms->n, ld = norms->ld, columns = n;

    return launch(call, dtype, "reciprocal", reciprocal_text, 1, 7,
                  (const da_device_arg[]){CUDA_ADDRESS(out), CUDA_ADDRESS(norms->data), CUDA_ADDRESS(found),
                                          CUDA_ADDRESS(state), CUDA_VALUE(count), CUDA_VALUE(ld),
                                          CUDA_VALUE(columns)});
}

da_status cuda_spread_nan(const da_call *call, da_dtype dtype, const cuda_matrix *a, const int *found)
{
    const int64_t m = a->m, n = a->n, ld = a->ld;
    const double nan = (double)NAN;

    DA_TRY(launch(call, dtype, "find_nan", nan_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(found), CUDA_ADDRESS(a->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld)}));
    return launch(call, dtype, "spread_nan", nan_text, n, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_ADDRESS(found), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(nan)});
}

da_status cuda_find_bad(const da_call *call, da_dtype dtype, const cuda_matrix *a, unsigned uplo, bool by_row,
                        const int *found)
{
    const int64_t m = a->m, n = a->n, ld = a->ld, lower = (uplo & DA_UPPER) == 0,
                  upper = (uplo & DA_LOWER) == 0, rows = by_row;

    return launch(call, dtype, "find_bad", bad_text, n, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(found), CUDA_ADDRESS(a->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(lower), CUDA_VALUE(upper),
                                          CUDA_VALUE(rows)});
}

da_status cuda_clean(const da_call *call, da_dtype dtype, const cuda_matrix *a, unsigned uplo, bool by_row,
                     const int *found)
{
    const int64_t m = a->m, n = a->n, ld = a->ld, count = by_row ? m : n;

    DA_TRY(cuda_find_bad(call, dtype, a, uplo, by_row, found));
    return launch(call, dtype, "clear_bad", bad_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_ADDRESS(found), CUDA_VALUE(m),
                                          CUDA_VALUE(count), CUDA_VALUE(ld)});
}

/* Of a plan's columns, which have dtype, from row `at` on. */
static void *plan_column(const cuda_matrix *plan, da_dtype dtype, int what, int64_t at)
{
    return (char *)plan->data + (at + (int64_t)what * plan->ld) * (int64_t)da_dtype_size(dtype);
}

#define PLAN(what, at) CUDA_ADDRESS(plan_column(plan, dtype, DA_PLAN_##what, at))

da_status cuda_merge_vectors(const da_call *call, da_dtype dtype, cuda_vectors kind,
                             const cuda_matrix *vectors, const cuda_matrix *plan, int64_t column,
                             const cuda_matrix *shifts, const void *roots)
{
    const int64_t m = vectors->m, ld = shifts->ld, which = kind;

    return launch(call, dtype, "merge_vectors", merge_vectors_text, vectors->n, 11,
                  (const da_device_arg[]){CUDA_ADDRESS(vectors->data), CUDA_ADDRESS(shifts->data),
                                          CUDA_ADDRESS(roots), PLAN(KEPT, 0), PLAN(PLACE, column), PLAN(D, 0),
                                          PLAN(Z, 0), PLAN(ROW, 0), CUDA_VALUE(m), CUDA_VALUE(ld),
                                          CUDA_VALUE(which)});
}

da_status cuda_merge_pack(const da_call *call, da_dtype dtype, const cuda_matrix *packed,
                          const cuda_matrix *plan, int64_t column, const cuda_matrix *q)
{
    const int64_t m = packed->m, to_ld = packed->ld, from_ld = q->ld;

    return launch(call, dtype, "merge_pack", merge_text, packed->n, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(packed->data), CUDA_ADDRESS(q->data),
                                          PLAN(SOURCE, column), CUDA_VALUE(m), CUDA_VALUE(to_ld),
                                          CUDA_VALUE(from_ld)});
}

da_status cuda_merge_order(const da_call *call, da_dtype dtype, bool singular, const cuda_matrix *plan,
                           const cuda_matrix *parts, const void *roots, const void *values)
{
    const int64_t n = plan->m, nparts = parts->n, ld = parts->ld, few = singular ? 1 : 2,
                  descending = singular;

    return launch(call, dtype, "merge_order", merge_text, (n + LANES - 1) / LANES, 13,
                  (const da_device_arg[]){CUDA_ADDRESS(values), PLAN(PLACE, 0), PLAN(Z, 0), PLAN(D, 0),
                                          CUDA_ADDRESS(roots), CUDA_ADDRESS(parts->data), PLAN(KEPT, 0),
                                          PLAN(SCALE, 0), CUDA_VALUE(n), CUDA_VALUE(nparts), CUDA_VALUE(ld),
                                          CUDA_VALUE(few), CUDA_VALUE(descending)});
}

da_status cuda_merge_deflate(const da_call *call, da_dtype dtype, const cuda_matrix *plan, int64_t top,
                             const void *values, const void *off, const cuda_matrix *u, const cuda_matrix *v,
                             void *reals, int *ints)
{
    const int64_t n = plan->m, ld = plan->ld;
    const struct {
        int64_t n, top, singular, columns, u_ld, v_ld, d, z, row, source, kept, left, above, rho, scale;
        double nan;
    } about = {n,
               top,
               u != NULL,
               v->n,
               u ? u->ld : 1,
               v->ld,
               DA_PLAN_D * ld,
               DA_PLAN_Z * ld,
               DA_PLAN_ROW * ld,
               DA_PLAN_SOURCE * ld,
               DA_PLAN_KEPT * ld,
               DA_PLAN_LEFT * ld,
               DA_PLAN_ABOVE * ld,
               DA_PLAN_RHO * ld,
               DA_PLAN_SCALE * ld,
               (double)NAN};
    const void *const turns = (char *)reals + 2 * (size_t)n * da_dtype_size(dtype);

    DA_TRY(launch(call, dtype, "merge_deflate", deflate_text, 1, 8,
                  (const da_device_arg[]){CUDA_ADDRESS(values), CUDA_ADDRESS(off),
                                          CUDA_ADDRESS(u ? u->data : NULL), CUDA_ADDRESS(v->data),
                                          CUDA_ADDRESS(plan->data), CUDA_ADDRESS(reals), CUDA_ADDRESS(ints),
                                          CUDA_VALUE(about)}));
    for (int which = u ? 0 : 1; which < 2; which++) {
        const cuda_matrix *const q = which ? v : u;
        const int64_t m = q->m, columns = q->n, q_ld = q->ld;

        DA_TRY(launch(call, dtype, "merge_rotate", deflate_text, (m + LANES - 1) / LANES, 7,
                      (const da_device_arg[]){CUDA_ADDRESS(q->data), CUDA_ADDRESS(turns), CUDA_ADDRESS(ints),
                                              CUDA_VALUE(m), CUDA_VALUE(columns), CUDA_VALUE(q_ld),
                                              CUDA_VALUE(about.nan)}));
    }
    return DA_OK;
}

da_status cuda_secular(const da_call *call, da_dtype dtype, bool singular, const cuda_matrix *plan,
                       int64_t column, const cuda_matrix *shifts, const void *parts, const void *roots)
{
    const int64_t m = plan->m, columns = shifts->m, ld = shifts->ld, squares = singular,
                  offset = singular ? 0 : m;
    const double nan = (double)NAN;

    DA_TRY(launch(call, dtype, "secular", secular_text, columns, 10,
                  (const da_device_arg[]){CUDA_ADDRESS(shifts->data), CUDA_ADDRESS(roots), PLAN(D, 0),
                                          PLAN(Z, 0), PLAN(RHO, 0), PLAN(KEPT, 0), CUDA_VALUE(ld),
                                          CUDA_VALUE(column), CUDA_VALUE(squares), CUDA_VALUE(nan)}));
    return launch(call, dtype, "secular_parts", secular_text, (m + LANES - 1) / LANES, 11,
                  (const da_device_arg[]){CUDA_ADDRESS(call->info), CUDA_ADDRESS(parts),
                                          CUDA_ADDRESS(shifts->data), CUDA_ADDRESS(roots), PLAN(D, 0),
                                          PLAN(KEPT, 0), CUDA_VALUE(columns), CUDA_VALUE(ld),
                                          CUDA_VALUE(column), CUDA_VALUE(squares), CUDA_VALUE(offset)});
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

da_status cuda_pairs(const da_call *call, da_dtype dtype, const cuda_matrix *v, const cuda_matrix *packed,
                     const void *w)
{
    const int64_t n = v->n, ld = v->ld;

    return launch(call, dtype, "pairs", pairs_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(v->data), CUDA_ADDRESS(packed->data), CUDA_ADDRESS(w),
                                          CUDA_VALUE(n), CUDA_VALUE(ld)});
}

da_status cuda_dense(const da_call *call, da_dtype dtype, const cuda_matrix *a, const void *d, const void *e,
                     int count, int64_t at, const int *state)
{
    const int64_t m = a->m, n = a->n, ld = a->ld, length = count;

    return launch(call, dtype, "dense", dense_text, n, 9,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_ADDRESS(state), CUDA_ADDRESS(d),
                                          CUDA_ADDRESS(e), CUDA_VALUE(m), CUDA_VALUE(n), CUDA_VALUE(ld),
                                          CUDA_VALUE(length), CUDA_VALUE(at)});
}

da_status cuda_place(const da_call *call, da_dtype dtype, const cuda_matrix *to, int64_t at,
                     const cuda_matrix *from, bool turned, const int *state)
{
    const int64_t rows = to->m, ld = to->ld, m = turned ? from->n : from->m, n = turned ? from->m : from->n,
                  down = turned ? from->ld : 1, right = turned ? 1 : from->ld;
    const double nan = (double)NAN;

    return launch(call, dtype, "place", dense_text, to->n, 11,
                  (const da_device_arg[]){CUDA_ADDRESS(to->data), CUDA_ADDRESS(from->data),
                                          CUDA_ADDRESS(state), CUDA_VALUE(rows), CUDA_VALUE(ld),
                                          CUDA_VALUE(at), CUDA_VALUE(m), CUDA_VALUE(n), CUDA_VALUE(down),
                                          CUDA_VALUE(right), CUDA_VALUE(nan)});
}

da_status cuda_state_fault(const da_call *call, da_dtype dtype, const int *state, int64_t offset,
                           bool zeros_too)
{
    const int64_t zeros = zeros_too;

    return launch(call, dtype, "state_fault", dense_text, 1, 4,
                  (const da_device_arg[]){CUDA_ADDRESS(call->info), CUDA_ADDRESS(state), CUDA_VALUE(offset),
                                          CUDA_VALUE(zeros)});
}

da_status cuda_bring_in_range(const da_call *call, da_dtype dtype, const cuda_matrix *a, bool lower,
                              double lowest, const int *bad, void *sizes, const void *told)
{
    const int64_t m = a->m, n = a->n, ld = a->ld, triangle = lower;
    const double nan = (double)NAN;
    const size_t size = dtype == DA_F32 || dtype == DA_C64 ? sizeof(float) : sizeof(double);

    DA_TRY(launch(call, dtype, "row_sizes", range_text, (m + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(sizes), CUDA_ADDRESS(a->data), CUDA_VALUE(m),
                                          CUDA_VALUE(n), CUDA_VALUE(ld), CUDA_VALUE(triangle)}));
    DA_TRY(launch(call, dtype, "range_factor", range_text, 1, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(told), CUDA_ADDRESS(sizes), CUDA_ADDRESS(bad),
                                          CUDA_VALUE(m), CUDA_VALUE(lowest), CUDA_VALUE(nan)}));
    return launch(call, dtype, "scale_columns", range_text, n, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data),
                                          CUDA_ADDRESS((char *)sizes + (size_t)m * size), CUDA_VALUE(m),
                                          CUDA_VALUE(ld), CUDA_VALUE(triangle)});
}

da_status cuda_mirror(const da_call *call, da_dtype dtype, const cuda_matrix *a)
{
    const int64_t n = a->n, ld = a->ld;

    return launch(call, dtype, "mirror", range_text, n, 3,
                  (const da_device_arg[]){CUDA_ADDRESS(a->data), CUDA_VALUE(n), CUDA_VALUE(ld)});
}

da_status cuda_gather(const da_call *call, da_dtype dtype, const cuda_matrix *parts, bool pieces,
                      const void *y)
{
    const int64_t m = parts->m, count = parts->n, ld = parts->ld, apart = pieces;

    return launch(call, dtype, "gather", column_text, (m + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(y), CUDA_ADDRESS(parts->data), CUDA_VALUE(m),
                                          CUDA_VALUE(count), CUDA_VALUE(ld), CUDA_VALUE(apart)});
}

da_status cuda_scale_by(const da_call *call, da_dtype dtype, int n, const void *x, const void *factor,
                        bool divide)
{
    const int64_t count = n, by = divide;

    return launch(
        call, dtype, "scale_by", column_text, (count + LANES - 1) / LANES, 4,
        (const da_device_arg[]){CUDA_ADDRESS(x), CUDA_ADDRESS(factor), CUDA_VALUE(count), CUDA_VALUE(by)});
}

da_status cuda_conj_row(const da_call *call, da_dtype dtype, const cuda_matrix *row, const void *y)
{
    const int64_t n = row->n, ld = row->ld;

    return launch(
        call, dtype, "conj_row", column_text, (n + LANES - 1) / LANES, 4,
        (const da_device_arg[]){CUDA_ADDRESS(y), CUDA_ADDRESS(row->data), CUDA_VALUE(n), CUDA_VALUE(ld)});
}

da_status cuda_bidiagonal(const da_call *call, da_dtype dtype, int n, const void *d, const void *e,
                          const void *diagonal, const void *above, bool divide)
{
    const int64_t count = n, by = divide;

    return launch(call, dtype, "bidiagonal", column_text, (count + LANES - 1) / LANES, 6,
                  (const da_device_arg[]){CUDA_ADDRESS(d), CUDA_ADDRESS(e), CUDA_ADDRESS(diagonal),
                                          CUDA_ADDRESS(above), CUDA_VALUE(count), CUDA_VALUE(by)});
}

da_status cuda_finish_w(const da_call *call, da_dtype dtype, int n, const void *y, const void *x,
                        const void *tau)
{
    const int64_t count = n;

    return launch(
        call, dtype, "finish_w", reflector_text, 1, 4,
        (const da_device_arg[]){CUDA_ADDRESS(y), CUDA_ADDRESS(x), CUDA_ADDRESS(tau), CUDA_VALUE(count)});
}

da_status cuda_reflect(const da_call *call, da_dtype dtype, int n, const void *x, const void *v,
                       const void *tau, const void *beta)
{
    const int64_t count = n;

    return launch(call, dtype, "reflect", reflector_text, 1, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(x), CUDA_ADDRESS(v), CUDA_ADDRESS(tau),
                                          CUDA_ADDRESS(beta), CUDA_VALUE(count)});
}

da_status cuda_tridiagonal(const da_call *call, da_dtype dtype, const cuda_matrix *a, const void *d,
                           const void *e)
{
    const int64_t n = a->n, ld = a->ld;

    return launch(call, dtype, "tridiagonal", reflector_text, 1, 5,
                  (const da_device_arg[]){CUDA_ADDRESS(d), CUDA_ADDRESS(e), CUDA_ADDRESS(a->data),
                                          CUDA_VALUE(n), CUDA_VALUE(ld)});
}
