/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying and filling of strided N-d pieces: axes are sorted and merged, then lines are copied; where the two sides are contiguous
 * along different axes, in blocks that fit the cache. */
#include "array_kernels.h"
#include <string.h>

typedef struct element16 {
    uint64_t part[2];
} element16;

typedef struct axis {
    int64_t n, d, s; /* extent, strides of destination and source */
} axis;

/* Transposing goes by square blocks through a buffer: each side is touched in whole lines, whatever its leading dimension. Measured: 32 x 32
 * with a padded pitch is best for 8 bytes, 64 x 64 for less. */
#define BLOCK_OF(size) ((size) < 8 ? 64 : 32)
#define PITCH_OF(size) ((size) < 8 ? 64 : 32 + 64 / (size))

/* The body of kernels on elements that are moved as they are, per size. */
#define MOVE_T uint8_t
#define MOVE_FN(name) name##_1
#include "move.inc"
#define MOVE_T uint16_t
#define MOVE_FN(name) name##_2
#include "move.inc"
#define MOVE_T uint32_t
#define MOVE_FN(name) name##_4
#include "move.inc"
#define MOVE_T uint64_t
#define MOVE_FN(name) name##_8
#include "move.inc"
#define MOVE_T element16
#define MOVE_FN(name) name##_16
#include "move.inc"

static size_t size_of(da_dtype dtype)
{
    static const unsigned char sizes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
    return sizes[dtype];
}

static int size_index(size_t size)
{
    return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* Axes of extent 1 go, destination strides become positive, axes are sorted from the innermost in the destination, and those that
 * continue each other on both sides are merged. Returns their number, or -1 if there is nothing to do. */
static int simplify(int ndim, const int64_t *shape, char **dst, const int64_t *ds, size_t dsize,
                    const char **src, const int64_t *ss, size_t ssize, axis *a)
{
    int n = 0;
    for (int k = 0; k < ndim; k++) {
        axis x = {shape[k], ds[k], ss ? ss[k] : 0};
        if (x.n == 0)
            return -1;
        if (x.n == 1)
            continue;
        if (x.d < 0) {
            *dst += x.d * (x.n - 1) * (int64_t)dsize;
            if (src)
                *src += x.s * (x.n - 1) * (int64_t)ssize;
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
    int m = 0;
    for (int k = 1; k < n; k++) {
        if (a[k].d == a[m].d * a[m].n && a[k].s == a[m].s * a[m].n)
            a[m].n *= a[k].n;
        else
            a[++m] = a[k];
    }
    return n == 0 ? 0 : m + 1;
}

/* Counts through the axes a[first..n), two of which (or none) are left out, moving both pointers; false at the end. */
static int advance(int n, const axis *a, int skip, int64_t *index, char **dst, size_t dsize, const char **src,
                   size_t ssize)
{
    for (int k = 1; k < n; k++) {
        if (k == skip)
            continue;
        if (++index[k] < a[k].n) {
            *dst += a[k].d * (int64_t)dsize;
            *src += a[k].s * (int64_t)ssize;
            return 1;
        }
        *dst -= a[k].d * (a[k].n - 1) * (int64_t)dsize;
        *src -= a[k].s * (a[k].n - 1) * (int64_t)ssize;
        index[k] = 0;
    }
    return 0;
}

/* The plane of axes x (innermost in the destination) and y (innermost in the source). */
static void copy_plane(const axis *x, const axis *y, char *dst, size_t dsize, const char *src, size_t ssize,
                       kernel_line line)
{
    static void (*const unpacks[])(int64_t, int64_t, void *, int64_t, int64_t, const void *) = {
        unpack_1, unpack_2, unpack_4, unpack_8, unpack_16,
    };
    void (*const unpack)(int64_t, int64_t, void *, int64_t, int64_t, const void *) =
        unpacks[size_index(dsize)];
    const int64_t block = BLOCK_OF(dsize), pitch = PITCH_OF(dsize);
    element16 buffer[32 * PITCH_OF(16)]; /* the largest of all sizes */
    _Static_assert(sizeof buffer >= 64 * 64 * 4 && sizeof buffer >= 32 * PITCH_OF(8) * 8,
                   "room for a block of every size");
    for (int64_t j = 0; j < y->n; j += block) {
        const int64_t nj = y->n - j < block ? y->n - j : block;
        for (int64_t i = 0; i < x->n; i += block) {
            const int64_t ni = x->n - i < block ? x->n - i : block;
            const char *s = src + (i * x->s + j * y->s) * (int64_t)ssize;
            for (int64_t p = 0; p < ni; p++)
                line(nj, (char *)buffer + p * pitch * (int64_t)dsize, 1, s + p * x->s * (int64_t)ssize, y->s);
            unpack(ni, nj, dst + (i * x->d + j * y->d) * (int64_t)dsize, x->d, y->d, buffer);
        }
    }
}

void kernel_copy(int ndim, const int64_t *shape, da_dtype dst_dtype, void *dst, const int64_t *dst_strides,
                 da_dtype src_dtype, const void *src, const int64_t *src_strides)
{
    static const kernel_line move_lines[] = {line_1, line_2, line_4, line_8, line_16};
    const size_t dsize = size_of(dst_dtype), ssize = size_of(src_dtype);
    const int same = dst_dtype == src_dtype;
    const kernel_line line = same ? move_lines[size_index(dsize)] : kernel_line_for(dst_dtype, src_dtype);
    char *d = dst;
    const char *s = src;
    axis a[DA_MAX_NDIM + 1];
    int64_t index[DA_MAX_NDIM + 1] = {0};
    int n = simplify(ndim, shape, &d, dst_strides, dsize, &s, src_strides, ssize, a);
    int inner = 0;

    if (n < 0)
        return;
    if (n == 0) {
        line(1, d, 1, s, 1);
        return;
    }
    for (int k = 1; k < n; k++)
        if (a[k].s != 0 && (magnitude(a[k].s) < magnitude(a[inner].s)))
            inner = k;
    if (inner > 0 && magnitude(a[0].s) > 1) {
        do
            copy_plane(&a[0], &a[inner], d, dsize, s, ssize, line);
        while (advance(n, a, inner, index, &d, dsize, &s, ssize));
    } else {
        do
            line(a[0].n, d, a[0].d, s, a[0].s);
        while (advance(n, a, 0, index, &d, dsize, &s, ssize));
    }
}

void kernel_fill(int ndim, const int64_t *shape, size_t size, void *dst, const int64_t *strides,
                 const kernel_element *value)
{
    static void (*const fills[])(int64_t, void *, int64_t, const kernel_element *) = {
        fill_1, fill_2, fill_4, fill_8, fill_16,
    };
    char *d = dst;
    const char *s = d; /* moves along, never read */
    axis a[DA_MAX_NDIM + 1];
    int64_t index[DA_MAX_NDIM + 1] = {0};
    const int n = simplify(ndim, shape, &d, strides, size, NULL, NULL, 0, a);
    int zero = 1;

    if (n < 0)
        return;
    if (n == 0) {
        memcpy(d, value, size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        zero = zero && value->bytes[i] == 0;
    do {
        if (zero && a[0].d == 1)
            memset(d, 0, (size_t)a[0].n * size);
        else
            fills[size_index(size)](a[0].n, d, a[0].d, value);
    } while (advance(n, a, 0, index, &d, size, &s, 0));
}

void kernel_reshape(da_dtype dtype, int ndim, const int64_t *shape, void *dst, const int64_t *dst_strides,
                    int src_ndim, const void *src, const int64_t *src_strides,
                    const kernel_reshape_args *args)
{
    static const kernel_line move_lines[] = {line_1, line_2, line_4, line_8, line_16};
    const size_t size = size_of(dtype);
    const kernel_line line = move_lines[size_index(size)];
    const int64_t run = ndim ? shape[ndim - 1] : 1, run_stride = ndim ? dst_strides[ndim - 1] : 1;
    const int64_t src_run = src_ndim ? args->src_extent[src_ndim - 1] : 1,
                  src_stride = src_ndim ? src_strides[src_ndim - 1] : 1;
    int64_t index[DA_MAX_NDIM] = {0}, flat = args->first, at = 0;

    for (int k = 0; k < ndim; k++)
        if (shape[k] == 0)
            return;
    for (;;) {
        /* a line along the last axis, in the segments that are lines of src as well */
        for (int64_t done = 0; done < run;) {
            int64_t rest = flat + done, from = 0, column = 0;
            for (int k = src_ndim - 1; k >= 0; k--) {
                const int64_t i = rest % args->src_extent[k];
                rest /= args->src_extent[k];
                from += (i - args->src_start[k]) * src_strides[k];
                if (k == src_ndim - 1)
                    column = i;
            }
            const int64_t n = run - done < src_run - column ? run - done : src_run - column;
            line(n, (char *)dst + (at + done * run_stride) * (int64_t)size, run_stride,
                 (const char *)src + from * (int64_t)size, src_stride);
            done += n;
        }
        int k = ndim - 2;
        for (; k >= 0; k--) {
            flat += args->dst_flat[k];
            at += dst_strides[k];
            if (++index[k] < shape[k])
                break;
            flat -= args->dst_flat[k] * shape[k];
            at -= dst_strides[k] * shape[k];
            index[k] = 0;
        }
        if (k < 0)
            return;
    }
}
