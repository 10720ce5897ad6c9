/* SPDX-License-Identifier: BSD-3-Clause */
#include "launch.h"

#include <stdio.h>
#include <string.h>

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

typedef struct axis {
    int64_t n, d, s; /* extent, strides of destination and source */
} axis;

void da_device_axes_of(da_device_axes *axes, int ndim, const int64_t *shape, const int64_t *dst,
                       const int64_t *src, int64_t src_at)
{
    axis a[DA_MAX_NDIM + 1];
    int n = 0, m = 0;

    *axes = (da_device_axes){.ndim = 1, .total = 1, .src_at = src_at, .shape = {1}};
    for (int k = 0; k < ndim; k++) {
        axis x = {shape[k], dst[k], src[k]};

        axes->total *= x.n;
        if (x.n <= 1)
            continue;
        if (x.d < 0) {
            axes->dst_at += x.d * (x.n - 1);
            axes->src_at += x.s * (x.n - 1);
            x.d = -x.d;
            x.s = -x.s;
        }
        int at = n++;
        while (at > 0 &&
               (a[at - 1].d > x.d || (a[at - 1].d == x.d && magnitude(a[at - 1].s) > magnitude(x.s)))) {
            a[at] = a[at - 1];
            at--;
        }
        a[at] = x;
    }
    if (n == 0 || axes->total == 0)
        return;
    for (int k = 1; k < n; k++) {
        if (a[k].d == a[m].d * a[m].n && a[k].s == a[m].s * a[m].n)
            a[m].n *= a[k].n;
        else
            a[++m] = a[k];
    }
    axes->ndim = m + 1;
    for (int k = 0; k <= m; k++) {
        axes->shape[k] = a[k].n;
        axes->dst[k] = a[k].d;
        axes->src[k] = a[k].s;
    }
}

da_status da_device_launch(const da_device_ops *ops, const da_call *call, const char *entry,
                           const char *definitions, const char *elements, const char *text, int64_t most,
                           int64_t items, int nargs, const da_device_arg *args)
{
    char source[24 * 1024];
    const int length = snprintf(source, sizeof source, "#define INDEX %s\n%s%s%s%s",
                                most < INT32_MAX - DA_DEVICE_LANES ? "u32" : "u64", definitions, da_text_axes,
                                elements, text);

    if (length < 0 || (size_t)length >= sizeof source)
        return da_task_fail(call, "the program of %s has %d characters, more than %zu", entry, length,
                            sizeof source);
    if (items == 0)
        return DA_OK;
    return ops->launch(call, entry, source, (items + DA_DEVICE_LANES - 1) / DA_DEVICE_LANES, DA_DEVICE_LANES,
                       nargs, args);
}
