/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const labels[] = {
    [DA_BOOL] = "bool", [DA_I8] = "i8",   [DA_I16] = "i16", [DA_I32] = "i32", [DA_I64] = "i64",
    [DA_U8] = "u8",     [DA_U16] = "u16", [DA_U32] = "u32", [DA_U64] = "u64", [DA_F16] = "f16",
    [DA_BF16] = "bf16", [DA_F32] = "f32", [DA_F64] = "f64", [DA_C64] = "c64", [DA_C128] = "c128",
};

const char *dtype_label(da_dtype dtype)
{
    return dtype >= DA_BOOL && dtype <= DA_C128 ? labels[dtype] : "?";
}

da_dtype dtype_of(const char *text)
{
    for (int d = DA_BOOL; d <= DA_C128; d++)
        if (strcmp(text, labels[d]) == 0 || strcmp(text, da_dtype_name((da_dtype)d)) == 0)
            return (da_dtype)d;
    return (da_dtype)0;
}

bool number_of(const char *text, int64_t most, int64_t *out)
{
    char *end;
    long long n;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (const char *unit = "KMG"; *unit && *end; unit++) {
        if (n > INT64_MAX / 1024)
            return false;
        n *= 1024;
        if (toupper((unsigned char)*end) == *unit) {
            end++;
            break;
        }
        if (unit[1] == '\0')
            return false;
    }
    if (*end || n < 1 || n > most)
        return false;
    *out = n;
    return true;
}

const char *seconds_text(char buffer[TEXT], double seconds)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
    size_t i = 0;

    while (i < 3 && seconds < 0.9995 * units[i].unit)
        i++;
    snprintf(buffer, TEXT, "%.3g %s", seconds / units[i].unit, units[i].name);
    if (seconds >= 999.5)
        snprintf(buffer, TEXT, "%.0f s", seconds);
    return buffer;
}

const char *bytes_text(char buffer[TEXT], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;

    while (i < 5 && bytes >= 1023.5) {
        bytes /= 1024;
        i++;
    }
    snprintf(buffer, TEXT, bytes < 99.95 && bytes != floor(bytes) ? "%.3g %s" : "%.0f %s", bytes, units[i]);
    return buffer;
}

const char *duration_text(char buffer[TEXT], double seconds)
{
    const long s = lround(fmin(fmax(seconds, 0), 359999));

    if (s >= 3600)
        snprintf(buffer, TEXT, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buffer, TEXT, "%ld:%02ld", s / 60, s % 60);
    return buffer;
}

const char *count_text(char buffer[TEXT], double n)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    size_t i = 0;

    while (i < 5 && n >= 999.5) {
        n /= 1000;
        i++;
    }
    snprintf(buffer, TEXT, "%.3g%s", n, units[i]);
    return buffer;
}
