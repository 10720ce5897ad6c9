/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The OpenCL implementations against the codelets' CPU functions, with no runtime between them: operands are laid out in host memory, copied
 * to a device as they are, both functions run, and all of the memory is compared, what lies between the elements too.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "array/array.h"
#include "array/codelets.h"
#include "array_kernels.h"
#include "device/cache.h"
#include "device/device.h"
#include "kernels.h"
#include "test.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static cl_context context;
static cl_command_queue queue;

/* ---- operands ---- */

enum { OPERANDS = 3, GAP = 5 };

typedef struct operand {
    da_dtype dtype;
    int ndim;
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM], first; /* first: of element (0, 0, ...) in memory */
    size_t bytes;
    unsigned char *host; /* what the CPU works on */
    cl_mem device;
} operand;

static uint64_t state = 88172645463325252u;

static uint64_t bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Of the magnitudes that conversions care for: [-2^70, 2^70], more often small. */
static double magnitudes(void)
{
    const double x = (double)(int64_t)bits() * 0x1p-63;

    return ldexp(x, (int)(bits() % 140) - 70 + (int)(bits() % 2) * 20);
}

static double unit(void)
{
    return (double)(int64_t)bits() * 0x1p-63;
}

/* Any bits; for floats as often ordinary numbers. */
static void anything(da_dtype dtype, void *at)
{
    const bool ordinary = bits() % 2;
    const uint64_t word[2] = {bits(), bits()};

    memcpy(at, word, da_dtype_size(dtype));
    switch (dtype) {
    case DA_BOOL: *(uint8_t *)at &= 1; break;
    case DA_F32:
    case DA_C64:
        for (size_t i = 0; ordinary && i < da_dtype_size(dtype) / 4; i++)
            ((float *)at)[i] = (float)magnitudes();
        break;
    case DA_F64:
    case DA_C128:
        for (size_t i = 0; ordinary && i < da_dtype_size(dtype) / 8; i++)
            ((double *)at)[i] = magnitudes();
        break;
    default: break;
    }
}

/* In [-1, 1]. */
static void number(da_dtype dtype, void *at)
{
    for (size_t i = 0; i < (dtype == DA_C64 || dtype == DA_C128 ? 2 : 1); i++)
        if (dtype == DA_F32 || dtype == DA_C64)
            ((float *)at)[i] = (float)unit();
        else
            ((double *)at)[i] = unit();
}

/* An operand of these strides, all of its memory filled by `fill`. */
static operand make(da_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides,
                    void (*fill)(da_dtype, void *))
{
    const int64_t size = (int64_t)da_dtype_size(dtype);
    int64_t low = 0, high = 0;
    operand o = {.dtype = dtype, .ndim = ndim};

    for (int d = 0; d < ndim; d++) {
        const int64_t reach = (shape[d] > 0 ? shape[d] - 1 : 0) * strides[d];
        o.shape[d] = shape[d];
        o.strides[d] = strides[d];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    o.first = GAP - low;
    o.bytes = (size_t)((high - low + 1 + 2 * GAP) * size);
    o.host = malloc(o.bytes);
    ck_assert_ptr_nonnull(o.host);
    for (size_t at = 0; at < o.bytes; at += (size_t)size)
        fill(dtype, o.host + at);
    return o;
}

static void upload(operand *o)
{
    cl_int error;

    o->device = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, o->bytes, o->host, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
}

static void *download(const operand *o)
{
    void *const copy = malloc(o->bytes);

    ck_assert_ptr_nonnull(copy);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, o->device, CL_TRUE, 0, o->bytes, copy, 0, NULL, NULL),
                     CL_SUCCESS);
    return copy;
}

static void drop(operand *o)
{
    free(o->host);
    if (o->device)
        clReleaseMemObject(o->device);
}

static da_buffer on_host(const operand *o)
{
    return (da_buffer){
        o->host + o->first * (int64_t)da_dtype_size(o->dtype), o->dtype, o->ndim, o->shape, o->strides, 0};
}

static da_buffer on_device(const operand *o)
{
    return (da_buffer){o->device, o->dtype, o->ndim, o->shape, o->strides, o->first};
}

/* ---- both sides ---- */

/* The largest error that is accepted: 0 bits; ulps of a float; a part of the largest element; half of its digits. */
typedef enum how { SAME_BITS, FEW_ULPS, RELATIVE, ROUGH } how;

static double part(da_dtype dtype, const unsigned char *bytes, size_t i)
{
    return dtype == DA_F32 || dtype == DA_C64 ? (double)((const float *)bytes)[i]
                                              : ((const double *)bytes)[i];
}

static int64_t ordered(da_dtype dtype, const unsigned char *bytes, size_t i)
{
    int64_t x = dtype == DA_F16 || dtype == DA_BF16  ? ((const int16_t *)bytes)[i]
                : dtype == DA_F32 || dtype == DA_C64 ? ((const int32_t *)bytes)[i]
                                                     : ((const int64_t *)bytes)[i];
    const int64_t least = dtype == DA_F16 || dtype == DA_BF16  ? INT16_MIN
                          : dtype == DA_F32 || dtype == DA_C64 ? INT32_MIN
                                                               : INT64_MIN;
    return x < 0 ? least - x : x;
}

static void compare(const char *name, const char *what, const operand *o, const unsigned char *got, how how)
{
    const size_t size = da_dtype_size(o->dtype), parts = o->dtype == DA_C64 || o->dtype == DA_C128 ? 2 : 1;
    const size_t n = o->bytes / size * parts;

    if (how == SAME_BITS) {
        for (size_t at = 0; at < o->bytes; at += size)
            if (memcmp(o->host + at, got + at, size) != 0) {
                uint64_t a[2] = {0, 0}, b[2] = {0, 0};
                memcpy(a, o->host + at, size);
                memcpy(b, got + at, size);
                ck_abort_msg("%s, %s: %s element %zd in memory is %016" PRIx64 "%016" PRIx64
                             " on the CPU and %016" PRIx64 "%016" PRIx64 " on the device",
                             name, what, da_dtype_name(o->dtype), (ssize_t)(at / size) - (ssize_t)o->first,
                             a[1], a[0], b[1], b[0]);
            }
    } else if (how == FEW_ULPS) {
        for (size_t i = 0; i < n; i++) {
            const int64_t a = ordered(o->dtype, o->host, i), b = ordered(o->dtype, got, i);
            ck_assert_msg((a > b ? a - b : b - a) <= 4, "%s, %s: %s part %zu is %" PRId64 " ulps off", name,
                          what, da_dtype_name(o->dtype), i, a - b);
        }
    } else {
        const double epsilon = o->dtype == DA_F32 || o->dtype == DA_C64 ? 0x1p-24 : 0x1p-53;
        const double accepted = how == RELATIVE ? 500 * epsilon : 4 * sqrt(epsilon);
        double most = 1;
        for (size_t i = 0; i < n; i++)
            if (isfinite(part(o->dtype, o->host, i)))
                most = fmax(most, fabs(part(o->dtype, o->host, i)));
        for (size_t i = 0; i < n; i++) {
            const double a = part(o->dtype, o->host, i), b = part(o->dtype, got, i);
            if (!(fabs(a - b) <= accepted * most || a == b || (isnan(a) && isnan(b))))
                ck_abort_msg("%s, %s: %s part %zu is %.17g on the CPU and %.17g on the device", name, what,
                             da_dtype_name(o->dtype), i, a, b);
        }
    }
}

/* Runs the codelet on n operands by its CPU function and on the device; the operands are used up. Whether the device takes it. */
static bool both(const da_codelet *codelet, const char *what, int n, operand *operands, const void *value,
                 size_t value_size, how how)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, codelet->name);
    da_buffer host[OPERANDS], device[OPERANDS];
    const da_value values[1] = {{value, value_size}};
    int64_t info = 0;

    ck_assert_msg(kernel != NULL, "the device has no %s", codelet->name);
    for (int i = 0; i < n; i++) {
        upload(&operands[i]);
        host[i] = on_host(&operands[i]);
        device[i] = on_device(&operands[i]);
    }
    da_call call = {
        .nbuffers = n, .nvalues = value ? 1 : 0, .buffers = host, .values = values, .info = &info};
    const bool taken = !kernel->takes || kernel->takes(ops, &call);
    if (taken) {
        ck_ok(codelet->cpu(&call));
        call.buffers = device;
        call.queue = queue;
        const da_status status = kernel->run(ops, &call);
        ck_assert_msg(status == DA_OK, "%s, %s: status %d", codelet->name, what, (int)status);
        for (int i = 0; i < n; i++) {
            unsigned char *const got = download(&operands[i]);
            compare(codelet->name, what, &operands[i], got, operands[i].dtype == DA_I64 ? SAME_BITS : how);
            free(got);
        }
    }
    for (int i = 0; i < n; i++)
        drop(&operands[i]);
    return taken;
}

/* ---- layouts that every kernel must get right ---- */

typedef struct layout {
    const char *name;
    int ndim;
    int64_t shape[5], strides[5], other[5]; /* other: a source's */
} layout;

static const layout layouts[] = {
    {"no axes", 0, {0}, {0}, {0}},
    {"line", 1, {1003}, {1}, {1}},
    {"every third", 1, {300}, {3}, {2}},
    {"backwards", 1, {300}, {-1}, {1}},
    {"both backwards", 1, {300}, {-2}, {-1}},
    {"column-major", 2, {37, 21}, {1, 40}, {1, 37}},
    {"transposed", 2, {70, 45}, {1, 71}, {46, 1}},
    {"transposed, backwards", 2, {70, 45}, {-1, 70}, {45, -1}},
    {"row-major", 2, {33, 70}, {70, 1}, {70, 1}},
    {"a row for all", 2, {33, 20}, {1, 33}, {0, 1}},
    {"a number for all", 2, {9, 8}, {8, 1}, {0, 0}},
    {"batch", 3, {3, 40, 35}, {1500, 1, 41}, {1400, 35, 1}},
    {"five axes", 5, {3, 1, 4, 5, 6}, {1, 7, 30, 6, -150}, {120, 9, 30, 6, 1}},
    {"empty", 2, {0, 5}, {1, 1}, {1, 1}},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static operand written(const layout *l, da_dtype dtype)
{
    return make(dtype, l->ndim, l->shape, l->strides, anything);
}

/* C-order steps of a piece in a larger array. */
static void c_order(const layout *l, int64_t *flat)
{
    int64_t step = 1;

    for (int d = l->ndim - 1; d >= 0; d--) {
        flat[d] = step;
        step *= l->shape[d] + 2;
    }
}

static da_dtype of_size(size_t size)
{
    return size == 1 ? DA_U8 : size == 2 ? DA_F16 : size == 4 ? DA_I32 : size == 8 ? DA_C64 : DA_C128;
}

START_TEST(fills)
{
    for (size_t size = 1; size <= 16; size *= 2)
        for (int i = 0; i < LAYOUTS; i++) {
            kernel_element value;
            operand y = written(&layouts[i], of_size(size));
            anything(DA_C128, &value);
            ck_assert(both(&array_codelet_fill, layouts[i].name, 1, &y, &value, sizeof value, SAME_BITS));
        }
}
END_TEST

START_TEST(moves)
{
    for (size_t size = 1; size <= 16; size *= 2)
        for (int i = 0; i < LAYOUTS; i++) {
            const layout *l = &layouts[i];
            operand o[2] = {written(l, of_size(size)),
                            make(of_size(size), l->ndim, l->shape, l->other, anything)};
            ck_assert(both(&array_codelet_copy, l->name, 2, o, NULL, 0, SAME_BITS));
        }
}
END_TEST

/* the diagonals of 40 x 40 matrices, in both orders and flipped */
START_TEST(diagonals)
{
    static const int64_t shape[3] = {3, 40, 40},
                         strides[][3] = {{1600, 1, 40}, {1600, 40, 1}, {5000, 2, -100}, {1, 3, 120}};
    static const int64_t to_strides[][2] = {{40, 1}, {1, 3}, {-80, -2}};

    for (size_t size = 1; size <= 16; size *= 2)
        for (int s = 0; s < 12; s++) {
            operand o[2] = {make(of_size(size), 2, shape, to_strides[s % 3], anything),
                            make(of_size(size), 3, shape, strides[s / 3], anything)};
            ck_assert(both(&array_codelet_diagonal, "diagonal", 2, o, NULL, 0, SAME_BITS));
        }
}
END_TEST

/* every pair of dtypes, _i the destination's */
START_TEST(conversions)
{
    static const layout line = {"line", 1, {4001}, {1}, {1}};
    const da_dtype to = (da_dtype)(DA_BOOL + _i);

    for (int from = DA_BOOL; from <= DA_C128; from++) {
        operand o[2] = {written(&line, to), make((da_dtype)from, 1, line.shape, line.other, anything)};
        both(&array_codelet_copy, da_dtype_name((da_dtype)from), 2, o, NULL, 0, SAME_BITS);
    }
}
END_TEST

START_TEST(converting_transposes)
{
    static const da_dtype pairs[][2] = {{DA_F32, DA_F64}, {DA_C128, DA_I8}, {DA_BF16, DA_C64}};

    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++)
        for (int i = 0; i < LAYOUTS; i++) {
            const layout *l = &layouts[i];
            operand o[2] = {written(l, pairs[p][0]),
                            make(pairs[p][1], l->ndim, l->shape, l->other, anything)};
            both(&array_codelet_copy, l->name, 2, o, NULL, 0, SAME_BITS);
        }
}
END_TEST

/* the edges of what fits: numbers that random bits do not hit */
START_TEST(edges)
{
    static const double edge[] = {
        0.0, -0.0, 0.5, -0.5, 127.0, 128.0, -128.0, -129.0, 255.5, 256.0, 32767.9, 32768.0, 65504.0, 65519.99,
        65520.0, 65536.0, 2147483647.0, 2147483647.5, 2147483648.0, -2147483648.0, -2147483648.5,
        -2147483649.0, 4294967295.0, 4294967296.0, 9223372036854774784.0, 9223372036854775808.0,
        -9223372036854775808.0, -9223372036854777856.0, 18446744073709549568.0, 18446744073709551616.0,
        0x1p-24, 0x1p-25, 0x1.0000000000001p-25, 0x1.ffp-15, 0x1.ffcp-15, 0x1.ffep-15, 0x1p-133, 0x1p-134,
        0x1.0000000000001p-134, 0x1.fep-127, 0x1.ffp-127, 0x1.fep127, 0x1.fefffffffffffp127, 0x1.ffp127,
        0x1.ffffffp127, 0x1p128, 0x1p-149, 0x1p-1074, INFINITY, -INFINITY, NAN,
        /* halfway between two 16-bit floats: to the even one */
        0x1.002p0, 0x1.006p0, -0x1.002p3, 0x1.01p0, 0x1.03p0, -0x1.01p-9, 0x1.8p-24, 0x1.4p-23, 0x1.8p-133,
        0x1.4p-132};
    const int64_t n = sizeof edge / sizeof edge[0], stride = 1;

    for (int to = DA_BOOL; to <= DA_C128; to++)
        for (int from = DA_F32; from <= DA_F64; from++) {
            operand o[2] = {make((da_dtype)to, 1, &n, &stride, anything),
                            make((da_dtype)from, 1, &n, &stride, anything)};
            for (int64_t i = 0; i < n; i++)
                if (from == DA_F64)
                    ((double *)o[1].host)[GAP + i] = edge[i];
                else
                    ((float *)o[1].host)[GAP + i] = (float)edge[i];
            both(&array_codelet_copy, da_dtype_name((da_dtype)from), 2, o, NULL, 0, SAME_BITS);
        }
}
END_TEST

START_TEST(reshapes)
{
    /* pieces of (12, 35, 6), from all of (20, 126), or from the piece of it that they need */
    static const int64_t shape[3] = {5, 20, 4}, strides[][3] = {{80, 4, 1}, {1, 5, 100}, {-80, -4, 1}};
    static const int64_t extent[2] = {20, 126}, src_strides[][2] = {{126, 1}, {1, 20}, {300, 2}};

    for (size_t size = 1; size <= 16; size *= 2)
        for (int s = 0; s < 9; s++) {
            kernel_reshape_args args = {
                .first = 2 * 210 + 7 * 6 + 1, .dst_flat = {210, 6, 1}, .src_extent = {20, 126}};
            operand o[2] = {make(of_size(size), 3, shape, strides[s % 3], anything),
                            make(of_size(size), 2, extent, src_strides[s / 3], anything)};
            if (s % 2) { /* the piece begins at row 2 */
                args.src_start[0] = 2;
                o[1].shape[0] = 18;
                o[1].first += 2 * o[1].strides[0];
            }
            ck_assert(both(&array_codelet_reshape, "(12, 35, 6)", 2, o, &args, sizeof args, SAME_BITS));
        }
    /* to and from no axes */
    const int64_t one[2] = {1, 1};
    const kernel_reshape_args args = {.src_extent = {1, 1}};
    operand o[2] = {make(DA_F64, 0, one, one, anything), make(DA_F64, 2, one, one, anything)};
    ck_assert(both(&array_codelet_reshape, "()", 2, o, &args, sizeof args, SAME_BITS));
}
END_TEST

START_TEST(sequences)
{
    static const int64_t n = 700, steps[] = {1, 3, -2};

    for (int dtype = DA_I8; dtype <= DA_C128; dtype++)
        for (int i = 0; i < 3; i++) {
            const kernel_arange_args a = {.first = 1000,
                                          .start_i = (uint64_t)-77,
                                          .step_i = 12345678901,
                                          .start = {-3.7, 1.1},
                                          .step = {0.1, -0.3}};
            const kernel_linspace_args l = {.first = 1000,
                                            .last = i == 0 ? -1 : 1699,
                                            .start = {-3.7, 1.1},
                                            .step = {0.1, -0.3},
                                            .stop = {99, 98}};
            operand y = make((da_dtype)dtype, 1, &n, &steps[i], anything);
            both(&array_codelet_arange, da_dtype_name((da_dtype)dtype), 1, &y, &a, sizeof a, SAME_BITS);
            y = make((da_dtype)dtype, 1, &n, &steps[i], anything);
            both(&array_codelet_linspace, da_dtype_name((da_dtype)dtype), 1, &y, &l, sizeof l, SAME_BITS);
        }
}
END_TEST

START_TEST(eyes)
{
    for (size_t size = 1; size <= 16; size *= 2)
        for (int i = 0; i < LAYOUTS; i++)
            for (int64_t k = -40; k <= 40 && layouts[i].ndim == 2; k += 8) {
                kernel_eye_args args = {.k = k};
                operand y = written(&layouts[i], of_size(size));
                anything(DA_C128, &args.one);
                ck_assert(both(&array_codelet_eye, layouts[i].name, 1, &y, &args, sizeof args, SAME_BITS));
            }
}
END_TEST

START_TEST(random_numbers)
{
    for (int dtype = DA_BOOL; dtype <= DA_C128; dtype++)
        for (int normal = 0; normal < (dtype >= DA_F16 ? 2 : 1); normal++)
            for (int i = 0; i < LAYOUTS; i++) {
                kernel_random_args args = {.seed = 0xfedcba9876543210, .first = 0xfffffff0, .normal = normal};
                /* anything() could put a NaN between the elements, which has no ulps */
                operand y = written(&layouts[i], (da_dtype)dtype);
                c_order(&layouts[i], args.flat);
                both(&array_codelet_random, da_dtype_name((da_dtype)dtype), 1, &y, &args, sizeof args,
                     normal ? FEW_ULPS : SAME_BITS);
            }
}
END_TEST

/* ---- linear algebra ---- */

static const da_dtype floats[] = {DA_F32, DA_F64, DA_C64, DA_C128};

/* A column-major matrix, or a batch of them. */
static operand matrix_of(da_dtype dtype, int64_t batch, int64_t m, int64_t n, void (*fill)(da_dtype, void *))
{
    const int64_t shape[3] = {batch, m, n}, strides[3] = {(m + 3) * n + 4, 1, m + 3};

    return batch ? make(dtype, 3, shape, strides, fill) : make(dtype, 2, shape + 1, strides + 1, fill);
}

static operand matrix(da_dtype dtype, int64_t batch, int64_t m, int64_t n)
{
    return matrix_of(dtype, batch, m, n, number);
}

START_TEST(triangles)
{
    static const unsigned sides[] = {0, DA_LOWER, DA_UPPER};
    const da_dtype dtype = floats[_i];

    for (int s = 0; s < 3; s++)
        for (unsigned clear = 0; clear < 2; clear++)
            for (int64_t offset = -50; offset <= 50; offset += 25)
                for (int transposed = 0; transposed < 2; transposed++)
                    for (int64_t batch = 0; batch <= 3; batch += 3) {
                        const da_lacpy_args args = {sides[s], clear, offset};
                        operand o[2] = {matrix(dtype, batch ? 1 : 0, 41, 67), matrix(dtype, batch, 41, 67)};
                        if (transposed) {
                            o[1].strides[o[1].ndim - 2] = 67;
                            o[1].strides[o[1].ndim - 1] = 1;
                        }
                        ck_assert(both(&da_codelet_lacpy, "41 x 67", 2, o, &args, sizeof args, SAME_BITS));
                    }
    for (int64_t offset = -50; offset <= 50; offset += 25)
        for (int64_t batch = 0; batch <= 2; batch++) {
            const da_laset_args args = {offset};
            operand y = matrix(dtype, batch, 41, 67);
            ck_assert(both(&da_codelet_laset, "41 x 67", 1, &y, &args, sizeof args, SAME_BITS));
        }
}
END_TEST

/* Pivots 0 ... of `rows` rows, counted from `offset`. */
static operand pivots(int64_t batch, int64_t n, int64_t rows, int64_t offset)
{
    const int64_t shape[2] = {batch, n}, strides[2] = {n + 2, 1};
    operand p =
        batch ? make(DA_I64, 2, shape, strides, anything) : make(DA_I64, 1, shape + 1, strides + 1, anything);

    for (size_t at = 0; at < p.bytes / 8; at++)
        ((int64_t *)p.host)[at] = offset + (rows > 0 ? (int64_t)(bits() % (uint64_t)rows) : 0);
    return p;
}

START_TEST(exchanges)
{
    for (unsigned inverse = 0; inverse < 2; inverse++)
        for (int64_t batch = 0; batch <= 3; batch++) {
            const da_pivot_args args = {.offset = 100, .inverse = inverse};
            operand o[2] = {pivots(batch == 3 ? 1 : batch, 20, 50, 100), matrix(floats[_i], batch, 50, 33)};
            ck_assert(both(&da_codelet_laswp, "50 x 33", 2, o, &args, sizeof args, SAME_BITS));

            operand all[2] = {pivots(batch, 50, 50, 100), matrix(floats[_i], batch, 50, 33)};
            ck_assert(both(&da_codelet_laswp, "50 x 33, all rows", 2, all, &args, sizeof args, SAME_BITS));
        }
    /* more than is exchanged at once */
    const int64_t columns = (1 << 25) / (2 * 300 * (int64_t)da_dtype_size(floats[_i])) + 100;
    const da_pivot_args args = {0};
    operand o[2] = {pivots(0, 300, 310, 0), matrix(floats[_i], 0, 310, columns)};
    ck_assert(both(&da_codelet_laswp, "many columns", 2, o, &args, sizeof args, SAME_BITS));
}
END_TEST

/* The CPU's is told of pivots that are no row as of rows exchanged with themselves. */
START_TEST(exchanges_of_no_rows)
{
    enum { ROWS = 40, COUNT = 30 };
    static const int64_t none[] = {-1, ROWS, INT32_MAX, INT64_MIN / 2, -ROWS};

    for (unsigned inverse = 0; inverse < 2; inverse++) {
        const da_pivot_args args = {.inverse = inverse};
        const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
        const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, da_codelet_laswp.name);
        operand p = pivots(0, COUNT, ROWS, 0), y = matrix(floats[_i], 0, ROWS, 9);
        int64_t *const pivot = (int64_t *)p.host + p.first;
        int64_t info = 0;

        for (int i = 0; i < COUNT; i += 3)
            pivot[i] = none[i / 3 % 5];
        upload(&p);
        upload(&y);
        for (int i = 0; i < COUNT; i += 3)
            pivot[i] = i;
        const da_buffer host[2] = {on_host(&p), on_host(&y)}, device[2] = {on_device(&p), on_device(&y)};
        const da_value values[1] = {{&args, sizeof args}};
        da_call call = {.nbuffers = 2, .nvalues = 1, .buffers = host, .values = values, .info = &info};
        ck_ok(da_codelet_laswp.cpu(&call));
        call.buffers = device;
        call.queue = queue;
        ck_ok(kernel->run(ops, &call));
        unsigned char *const got = download(&y);
        compare(da_codelet_laswp.name, "pivots that are no row", &y, got, SAME_BITS);
        free(got);
        drop(&p);
        drop(&y);
    }
}
END_TEST

/* Sets (i, j) in matrix b of a batch. */
static void set(operand *o, int64_t b, int64_t i, int64_t j, double re, double im)
{
    const int64_t at = o->first + (o->ndim > 2 ? b * o->strides[0] : 0) + i * o->strides[o->ndim - 2] +
                       j * o->strides[o->ndim - 1];

    switch (o->dtype) {
    case DA_F32: ((float *)o->host)[at] = (float)re; break;
    case DA_F64: ((double *)o->host)[at] = re; break;
    case DA_C64: ((da_c64 *)o->host)[at] = (da_c64){(float)re, (float)im}; break;
    default: ((da_c128 *)o->host)[at] = (da_c128){re, im}; break;
    }
}

/* Numbers among which a sum, a product or a comparison goes its own way. */
static const double extremes[][2] = {{0, 0},        {-0.0, 0},      {NAN, 0}, {0, NAN},
                                     {INFINITY, 0}, {-INFINITY, 2}, {0, -3},  {1, -INFINITY},
                                     {1e30, 1e-30}, {NAN, INFINITY}};
enum { EXTREMES = sizeof extremes / sizeof extremes[0] };

START_TEST(norms)
{
    static const unsigned sides[] = {0, DA_LOWER, DA_UPPER};
    static const int64_t sizes[][2] = {{41, 67}, {300, 20}, {1, 1}, {0, 5}, {5, 0}};
    const da_dtype dtype = floats[_i];

    for (int s = 0; s < 3; s++) {
        const da_norm1_args args = {sides[s], 0};

        for (int64_t batch = 0; batch <= 3; batch++) {
            for (int i = 0; i < 5; i++) {
                const int64_t m = sizes[i][0], n = s ? m : sizes[i][1];
                operand o[2] = {matrix(dtype, batch == 2 ? 1 : batch, m, n), matrix(dtype, batch, 1, 1)};
                ck_assert(both(&da_codelet_norm1, "a norm", 2, o, &args, sizeof args, RELATIVE) ==
                          (m > 0 && n > 0));
            }
            for (int e = 0; e < EXTREMES; e++)
                for (int64_t column = 0; column < 50; column += 49) {
                    operand o[2] = {matrix(dtype, batch, 50, 50), matrix(dtype, batch, 1, 1)};
                    set(&o[0], batch > 1, column, column, extremes[e][0], extremes[e][1]);
                    set(&o[0], batch > 2, 23, 23, extremes[(e + 2) % EXTREMES][0], 1);
                    ck_assert(both(&da_codelet_norm1, "extremes", 2, o, &args, sizeof args, RELATIVE));
                }
        }
    }
    const da_norm1_args lower = {DA_LOWER, 0};
    operand tall[2] = {matrix(dtype, 0, 7, 5), matrix(dtype, 0, 1, 1)};
    ck_assert(!both(&da_codelet_norm1, "no square", 2, tall, &lower, sizeof lower, RELATIVE));
}
END_TEST

START_TEST(determinants)
{
    static const int64_t sizes[] = {0, 1, 3, 50, 400};
    const da_dtype dtype = floats[_i];

    for (unsigned logarithm = 0; logarithm < 2; logarithm++) {
        const da_det_args args = {logarithm, 0};

        for (int64_t batch = 0; batch <= 3; batch++) {
            for (int i = 0; i < 5; i++) {
                operand o[3] = {matrix(dtype, batch, sizes[i], sizes[i]),
                                pivots(batch == 2 ? 1 : batch, sizes[i], sizes[i], 0),
                                matrix(dtype, batch, 1, 1 + logarithm)};
                ck_assert(both(&da_codelet_lu_det, "a determinant", 3, o, &args, sizeof args, RELATIVE) ==
                          (sizes[i] > 0));
            }
            for (int e = 0; e < EXTREMES; e++)
                for (int64_t at = 0; at < 20; at += 19) {
                    operand o[3] = {matrix(dtype, batch, 20, 20), pivots(batch, 20, 4, 0),
                                    matrix(dtype, batch, 1, 1 + logarithm)};
                    set(&o[0], batch > 1, at, at, extremes[e][0], extremes[e][1]);
                    set(&o[0], batch > 1, 11, 11, extremes[(e + 3) % EXTREMES][0], 1);
                    ck_assert(both(&da_codelet_lu_det, "extremes", 3, o, &args, sizeof args, RELATIVE));
                }
        }
    }
}
END_TEST

/* Triangles whose rows become smaller, with a row that is nothing, small ones, and extremes. */
START_TEST(ranks)
{
    static const int64_t sizes[][2] = {{41, 67}, {67, 41}, {300, 280}, {2, 1}, {1, 2}};
    static const double rconds[] = {-1, 1e-2, 1e-5, 0.5, 0};
    const da_dtype dtype = floats[_i];

    for (int i = 0; i < 5; i++)
        for (int c = 0; c < 5; c++)
            for (int64_t batch = 0; batch <= 2; batch++)
                for (int e = -6; e < EXTREMES; e++) {
                    const da_numerical_rank_args args = {rconds[c]};
                    const int64_t m = sizes[i][0], n = sizes[i][1], k = m < n ? m : n;
                    operand o[2] = {matrix(dtype, batch, m, n), pivots(batch, 1, 1, 0)};
                    for (int64_t b = 0; b < (batch ? batch : 1); b++)
                        for (int64_t j = 0; j < k; j++) {
                            const double size = e == -6 ? 1 : pow(e & 1 ? 0.9 : 0.5, (double)j);
                            for (int64_t l = j; l < n; l++)
                                set(&o[0], b, j, l, size * (l == j ? 1 : 0.4 * unit()),
                                    size * (l == j ? 0.1 : 0.4 * unit()));
                        }
                    if (e >= 0)
                        set(&o[0], 0, e < 5 ? k / 3 : 0, e < 5 ? k / 3 : n - 1, extremes[e][0],
                            extremes[e][1]);
                    ck_assert(
                        both(&da_codelet_numerical_rank, "a rank", 2, o, &args, sizeof args, SAME_BITS));
                }
}
END_TEST

/* Ranks: in the middle of the rows, before and behind them. */
START_TEST(truncations)
{
    static const int64_t ranks[] = {0, 1, 30, 40, 41, 70, 100};
    const da_dtype dtype = floats[_i];

    for (int64_t rank = 0; rank < 7; rank++)
        for (unsigned how = 0; how < 4; how++)
            for (int64_t batch = 0; batch <= 3; batch++) {
                const da_truncate_args args = {.unit = how & 1, .offset = how & 2 ? 35 : 0};
                operand o[2] = {pivots(batch == 3 ? 1 : batch, 1, 1, 0), matrix(dtype, batch, 41, 33)};
                for (size_t at = 0; at < o[0].bytes / 8; at++)
                    ((int64_t *)o[0].host)[at] = ranks[(rank + (int64_t)at) % 7];
                ck_assert(both(&da_codelet_truncate, "41 x 33", 2, o, &args, sizeof args, SAME_BITS));
            }
}
END_TEST

START_TEST(placed_columns)
{
    const da_dtype dtype = floats[_i];

    for (int64_t batch = 0; batch <= 3; batch++)
        for (int64_t m = 1; m <= 300; m += 299) {
            operand o[3] = {pivots(batch == 3 ? 1 : batch, 33, 33, 0), matrix(dtype, batch, m, 33),
                            matrix(dtype, batch, m, 33)};
            for (size_t at = 0; at < o[0].bytes / 8; at++) /* every column once, in any order */
                ((int64_t *)o[0].host)[at] = (int64_t)(5 * at + 3) % 33;
            ck_assert(both(&da_codelet_place_columns, "33 columns", 3, o, NULL, 0, SAME_BITS));
        }
}
END_TEST

/* ---- QR ---- */

/* A matrix that is stored by rows, or whose rows lie two elements apart and backwards. */
static operand strided(da_dtype dtype, int64_t batch, int64_t m, int64_t n, bool backwards)
{
    const int64_t shape[3] = {batch, m, n}, by_rows[3] = {m * (n + 1), n + 1, 1},
                  two_apart[3] = {(2 * m + 1) * n, -2, 2 * m + 1};
    const int64_t *strides = backwards ? two_apart : by_rows;

    return batch ? make(dtype, 3, shape, strides, number) : make(dtype, 2, shape + 1, strides + 1, number);
}

static void multiply_column(operand *o, int64_t b, int64_t j, double factor)
{
    const int64_t first = o->first + (o->ndim > 2 ? b * o->strides[0] : 0) + j * o->strides[o->ndim - 1];

    for (int64_t i = 0; i < o->shape[o->ndim - 2]; i++) {
        const int64_t at = first + i * o->strides[o->ndim - 2];
        for (int part = 0; part < 2; part++)
            switch (o->dtype) {
            case DA_F32: ((float *)o->host)[at] *= part ? 1 : (float)factor; break;
            case DA_F64: ((double *)o->host)[at] *= part ? 1 : factor; break;
            case DA_C64: ((float *)o->host)[2 * at + part] *= (float)factor; break;
            default: ((double *)o->host)[2 * at + part] *= factor; break;
            }
    }
}

/* Any strides, Q with as many columns as R has rows, or none; a column that is nothing, columns whose squares are, or are infinite, a NaN. */
START_TEST(small_qrs)
{
    static const int64_t sizes[][3] = {{8, 8, 8},  {1, 1, 1},    {5, 1, 1},   {1, 5, 1},    {20, 7, 20},
                                       {7, 20, 7}, {64, 40, 40}, {300, 3, 3}, {40, 33, 35}, {0, 3, 0}};
    const da_dtype dtype = floats[_i];
    const double large = dtype == DA_F32 || dtype == DA_C64 ? 0x1p100 : 0x1p800;

    for (int i = 0; i < 10; i++)
        for (int64_t batch = 0; batch <= 3; batch += batch ? 1 : 2)
            for (unsigned how = 0; how < 8; how++) {
                const da_small_qr_args args = {.form_q = how % 4 != 3};
                const int64_t m = sizes[i][0], n = sizes[i][1], rows = sizes[i][2];
                operand o[3] = {
                    how & 1 ? strided(dtype, batch == 2 ? 1 : batch, m, n, false)
                            : matrix(dtype, batch == 2 ? 1 : batch, m, n),
                    how & 2 ? strided(dtype, batch, m, rows, true) : matrix(dtype, batch, m, rows),
                    how & 1 ? strided(dtype, batch, rows, n, how & 2) : matrix(dtype, batch, rows, n)};
                const int64_t b = batch == 3;
                const char *what = "matrices";

                if (how == 4) {
                    multiply_column(&o[0], b, n / 2, 0);
                    what = "a column of zeros";
                } else if (how == 5 || how == 6) {
                    for (int64_t j = 0; j < n; j++)
                        multiply_column(&o[0], b, j, how == 6 && j % 2 ? 1 / large : large);
                    what = "large and small numbers";
                } else if (how == 7 && m > 0) {
                    set(&o[0], b, m / 2, n - 1, NAN, 0);
                    what = "NaN in the last column";
                }
                ck_assert(both(&da_codelet_small_qr, what, 3, o, &args, sizeof args, RELATIVE) == (m > 0));
            }
    const da_small_qr_args args = {.form_q = 1};
    operand many[3] = {matrix(dtype, 600, 4096, 1), matrix(dtype, 600, 4096, 1), matrix(dtype, 600, 1, 1)};
    ck_assert(
        both(&da_codelet_small_qr, "more than is copied at once", 3, many, &args, sizeof args, RELATIVE));
}
END_TEST

static void zeros(da_dtype dtype, void *at)
{
    memset(at, 0, da_dtype_size(dtype));
}

/* What columns of numbers may be like, and NaN in the last one, so that all others are as they were. */
enum { ORDINARY, LARGE, GRADED, ONE_OF_ZEROS, NAN_AT_THE_END, COLUMNS };

static const char *make_columns(operand *o, int64_t b, int kind)
{
    static const char *const names[] = {"ordinary numbers", "large ones", "large and small ones", "zeros",
                                        "NaN"};
    const int64_t n = o->shape[o->ndim - 1];
    const double large = o->dtype == DA_F32 || o->dtype == DA_C64 ? 0x1p100 : 0x1p800;

    for (int64_t j = 0; j < n && (kind == LARGE || kind == GRADED); j++)
        multiply_column(o, b, j, kind == GRADED && j % 2 ? 1 / large : large);
    if (kind == ONE_OF_ZEROS)
        multiply_column(o, b, n / 2, 0);
    if (kind == NAN_AT_THE_END)
        set(o, b, 0, n - 1, NAN, 0);
    return names[kind];
}

/* T in blocks that are narrower than what is done at once, as wide, wider, or wider than the triangle. */
START_TEST(triangles_on_triangles)
{
    static const int64_t sizes[][3] = {{20, 20, 6},  {9, 20, 4},    {16, 16, 16}, {1, 5, 2},
                                       {64, 64, 32}, {40, 100, 16}, {33, 33, 50}, {300, 300, 290}};
    const da_dtype dtype = floats[_i];

    for (int i = 0; i < 8; i++)
        for (int64_t batch = 0; batch <= (i < 7 ? 3 : 0); batch += 3)
            for (int kind = 0; kind < (i < 7 ? NAN_AT_THE_END : LARGE); kind++) {
                const int64_t m = sizes[i][0], n = sizes[i][1];
                operand o[3] = {matrix(dtype, batch, n, n), matrix(dtype, batch, m, n),
                                matrix_of(dtype, batch, sizes[i][2], n, zeros)};

                for (int64_t b = 0; b < (batch ? batch : 1); b++)
                    for (int64_t j = 0; j < n; j++) /* so that results depend little on roundings */
                        set(&o[0], b, j, j, j % 3 ? 8 : -8, j % 2);
                if (kind == LARGE || kind == GRADED)
                    make_columns(&o[0], batch > 0, kind);
                const char *const what = make_columns(&o[1], batch > 0, kind);
                ck_assert(both(&da_codelet_tpqrt, what, 3, o, NULL, 0, RELATIVE));
            }
    operand apart[3] = {matrix(dtype, 1, 5, 5), matrix(dtype, 2, 5, 5), matrix(dtype, 2, 3, 5)};
    ck_assert(!both(&da_codelet_tpqrt, "one a for two", 3, apart, NULL, 0, RELATIVE));
    operand tall[3] = {matrix(dtype, 0, 5, 5), matrix(dtype, 0, 6, 5), matrix(dtype, 0, 3, 5)};
    ck_assert(!both(&da_codelet_tpqrt, "no triangle", 3, tall, NULL, 0, RELATIVE));
    operand nothing[3] = {matrix(dtype, 0, 5, 5), matrix(dtype, 0, 0, 5), matrix(dtype, 0, 3, 5)};
    ck_assert(!both(&da_codelet_tpqrt, "nothing", 3, nothing, NULL, 0, RELATIVE));
}
END_TEST

/* Elements whose lengths are infinite; columns that are so alike that what is left of them has to be measured again. */
START_TEST(column_exchanges)
{
    static const int64_t sizes[][3] = {{40, 23, 8}, {23, 40, 5},   {16, 16, 16},  {30, 1, 4},
                                       {1, 6, 3},   {300, 70, 32}, {70, 90, 128}, {280, 280, 280}};
    enum { LARGEST = COLUMNS, ALIKE };
    const da_dtype dtype = floats[_i];
    const bool single = dtype == DA_F32 || dtype == DA_C64;

    for (int i = 0; i < 8; i++)
        for (int64_t batch = 0; batch <= (i < 7 ? 3 : 0); batch += 3)
            for (int kind = 0; kind <= (i < 4 ? ALIKE : i < 7 ? LARGEST : ORDINARY); kind++) {
                const int64_t m = sizes[i][0], n = sizes[i][1], k = m < n ? m : n, b = batch > 0;

                if (kind == NAN_AT_THE_END && m >= n)
                    continue; /* LAPACK has it in T's other columns, too */
                operand o[3] = {matrix(dtype, batch, m, n), matrix_of(dtype, batch, sizes[i][2], k, zeros),
                                pivots(batch, n, 0, 0)};
                const char *what = kind == LARGEST ? "the largest there are" : "columns that are alike";

                for (int64_t c = 0; c < batch * n || c < n;
                     c++) /* so that no two lengths are almost the same */
                    multiply_column(&o[0], c / n, c % n, pow(0.9, (double)(11 * c % n)));
                if (kind < COLUMNS)
                    what = make_columns(&o[0], b, kind);
                for (int64_t j = 0; j < n && kind == LARGEST; j++)
                    multiply_column(&o[0], b, j, single ? 0x1p126 : 0x1p1022);
                for (int64_t row = 0; row < m && kind == ALIKE; row++) {
                    const double common = (single ? 1e2 : 1e5) * unit();

                    for (int64_t j = 0; j < n; j++) {
                        const double apart = pow(0.9, (double)(11 * j % n));
                        set(&o[0], b, row, j, common + apart * unit(), apart * unit());
                    }
                }
                /* without exchanges triangles are less well conditioned */
                const bool rough = kind == ALIKE || kind == NAN_AT_THE_END;

                ck_assert(both(&da_codelet_geqp3, what, 3, o, NULL, 0, rough ? ROUGH : RELATIVE));
            }
    operand narrow[3] = {matrix(dtype, 0, 5, 7), matrix(dtype, 0, 3, 4), pivots(0, 7, 0, 0)};
    ck_assert(!both(&da_codelet_geqp3, "too few in T", 3, narrow, NULL, 0, RELATIVE));
    operand few[3] = {matrix(dtype, 0, 5, 7), matrix(dtype, 0, 3, 5), pivots(0, 6, 0, 0)};
    ck_assert(!both(&da_codelet_geqp3, "too few pivots", 3, few, NULL, 0, RELATIVE));
}
END_TEST

static const unsigned transposes[] = {0, DA_TRANSPOSE, DA_CONJ_TRANSPOSE};

START_TEST(products)
{
    const da_dtype dtype = floats[_i % 4];
    const int64_t batch = _i / 4 ? 2 : 0, m = 45, n = 33, k = 70;

    for (int s = 0; s < 9; s++) {
        const unsigned ta = transposes[s % 3], tb = transposes[s / 3];
        const da_gemm_args args = {ta, tb, {0.7, -0.4}, {s % 2 ? 0.0 : 0.5, s % 2 ? 0.0 : 0.25}};
        operand o[3] = {ta ? matrix(dtype, batch, k, m) : matrix(dtype, batch, m, k),
                        tb ? matrix(dtype, batch ? 1 : 0, n, k) : matrix(dtype, batch ? 1 : 0, k, n),
                        matrix(dtype, batch, m, n)};
        ck_assert(both(&da_codelet_gemm, "45 x 70 x 33", 3, o, &args, sizeof args, RELATIVE));
    }
}
END_TEST

/* _i is a dtype, from 0; sums of nothing are not for the device */
START_TEST(integer_products)
{
    static const int64_t sizes[][3] = {{45, 33, 70}, {16, 16, 16}, {1, 100, 3},
                                       {17, 1, 33},  {5, 4, 0},    {0, 3, 3}};
    static const double factors[][2] = {{1, 0}, {1, 1}, {-3, 0}, {0, -2}, {1234567, 89}};
    const da_dtype dtype = (da_dtype)(DA_BOOL + _i);

    for (int i = 0; i < 6; i++)
        for (int s = 0; s < 9; s++)
            for (int64_t batch = 0; batch <= 3; batch++) {
                const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                const unsigned ta = transposes[s % 3], tb = transposes[s / 3];
                const double *const factor = factors[(s + batch) % 5];
                const da_gemm_args args = {ta, tb, {factor[0], 0}, {factor[1], 0}};
                operand o[3] = {matrix_of(dtype, batch == 3 ? 1 : batch, ta ? k : m, ta ? m : k, anything),
                                matrix_of(dtype, batch == 2 ? 0 : batch, tb ? n : k, tb ? k : n, anything),
                                matrix_of(dtype, batch, m, n, anything)};
                ck_assert(both(&da_codelet_gemm, "integers", 3, o, &args, sizeof args, SAME_BITS) ==
                          (m > 0 && k > 0));
            }
}
END_TEST

/* with beta 0 the values of c are not used */
START_TEST(products_over_nan)
{
    const da_gemm_args args = {0, 0, {1, 0}, {0, 0}};
    operand o[3] = {matrix(DA_F64, 0, 20, 10), matrix(DA_F64, 0, 10, 30), matrix(DA_F64, 0, 20, 30)};

    for (int64_t j = 0; j < 30; j++)
        for (int64_t i = 0; i < 20; i++)
            ((double *)o[2].host)[o[2].first + i + j * o[2].strides[1]] = NAN;
    ck_assert(both(&da_codelet_gemm, "20 x 10 x 30", 3, o, &args, sizeof args, RELATIVE));
}
END_TEST

START_TEST(symmetric_products)
{
    const da_dtype dtype = floats[_i];

    for (int s = 0; s < 8; s++) {
        const bool trans = s & 1;
        const da_syrk_args args = {s & 2 ? DA_UPPER : DA_LOWER, trans ? DA_CONJ_TRANSPOSE : 0, -0.7,
                                   s & 4 ? 0.5 : 0};
        operand o[2] = {trans ? matrix(dtype, 0, 60, 37) : matrix(dtype, 0, 37, 60),
                        matrix(dtype, 0, 37, 37)};
        ck_assert(both(&da_codelet_syrk, "37 x 60", 2, o, &args, sizeof args, RELATIVE));
    }
}
END_TEST

/* rank_k, rank_2k and symm, with the conjugation and without */
START_TEST(rank_updates)
{
    const da_dtype dtype = floats[_i];

    for (unsigned s = 0; s < 8; s++) {
        const unsigned uplo = s & 1 ? DA_UPPER : DA_LOWER, hermitian = s & 2, other = s & 4;
        const da_rank_args rank = {uplo, other, hermitian, 0, {-0.7, hermitian ? 0 : 0.4}, {0.5, 0}};
        const da_rank_args rank2 = {uplo, other, hermitian, 0, {-0.7, 0.4}, {0.5, 0}};
        const da_symm_args product = {uplo | (other ? DA_RIGHT : 0u), hermitian, {-0.7, 0.4}, {0.5, 0.1}};
        operand k[2] = {other ? matrix(dtype, 2, 29, 37) : matrix(dtype, 2, 37, 29),
                        matrix(dtype, 2, 37, 37)};
        operand k2[3] = {other ? matrix(dtype, 0, 29, 37) : matrix(dtype, 0, 37, 29),
                         other ? matrix(dtype, 0, 29, 37) : matrix(dtype, 0, 37, 29),
                         matrix(dtype, 0, 37, 37)};
        operand m[3] = {matrix(dtype, 0, 37, 37), other ? matrix(dtype, 0, 29, 37) : matrix(dtype, 0, 37, 29),
                        other ? matrix(dtype, 0, 29, 37) : matrix(dtype, 0, 37, 29)};

        ck_assert(both(&da_codelet_rank_k, "37 x 29", 2, k, &rank, sizeof rank, RELATIVE));
        ck_assert(both(&da_codelet_rank_2k, "37 x 29", 3, k2, &rank2, sizeof rank2, RELATIVE));
        ck_assert(both(&da_codelet_symm, "37 x 29", 3, m, &product, sizeof product, RELATIVE));
    }
}
END_TEST

START_TEST(triangular_products)
{
    const da_dtype dtype = floats[_i];

    for (unsigned s = 0; s < 24; s++) {
        const bool right = s & 1;
        const da_trsm_args args = {(right ? DA_RIGHT : 0u) | (s & 2 ? DA_UPPER : DA_LOWER) |
                                       (s & 4 ? DA_UNIT : 0u) | transposes[s / 8],
                                   0,
                                   {0.7, -0.4}};
        operand o[2] = {matrix(dtype, 0, 37, 37),
                        right ? matrix(dtype, 0, 21, 37) : matrix(dtype, 0, 37, 21)};
        ck_assert(both(&da_codelet_trmm, "37 x 37", 2, o, &args, sizeof args, RELATIVE));
    }
}
END_TEST

/* Makes solves with a triangle well conditioned. */
static void strengthen(operand *t)
{
    const int64_t n = t->shape[t->ndim - 1], batch = t->ndim > 2 ? t->shape[0] : 1;

    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < n; i++) {
            const int64_t at =
                t->first + (t->ndim > 2 ? b * t->strides[0] : 0) + i * (1 + t->strides[t->ndim - 1]);
            switch (t->dtype) {
            case DA_F32: ((float *)t->host)[at] = 20; break;
            case DA_F64: ((double *)t->host)[at] = 20; break;
            case DA_C64: ((da_c64 *)t->host)[at] = (da_c64){20, 3}; break;
            default: ((da_c128 *)t->host)[at] = (da_c128){20, 3}; break;
            }
        }
}

/* Makes what a unit triangle is solved with small. */
static void weaken(operand *t)
{
    const bool is_float = t->dtype == DA_F32 || t->dtype == DA_C64;

    for (size_t i = 0; i < t->bytes / (is_float ? sizeof(float) : sizeof(double)); i++)
        if (is_float)
            ((float *)t->host)[i] *= 0.03f;
        else
            ((double *)t->host)[i] *= 0.03;
}

START_TEST(solves)
{
    const da_dtype dtype = floats[_i % 4];
    const int64_t batch = _i / 4 ? 2 : 0;

    for (unsigned s = 0; s < 24; s++) {
        const bool right = s & 1, unit_diagonal = s & 4;
        const da_trsm_args args = {(right ? DA_RIGHT : 0u) | (s & 2 ? DA_UPPER : DA_LOWER) |
                                       (unit_diagonal ? DA_UNIT : 0u) | transposes[s / 8],
                                   0,
                                   {0.7, -0.4}};
        operand o[2] = {matrix(dtype, batch, 50, 50),
                        right ? matrix(dtype, batch, 21, 50) : matrix(dtype, batch, 50, 21)};
        if (unit_diagonal)
            weaken(&o[0]);
        else
            strengthen(&o[0]);
        ck_assert(both(&da_codelet_trsm, "50 x 50", 2, o, &args, sizeof args, RELATIVE));
    }
}
END_TEST

START_TEST(updates)
{
    const da_dtype dtype = floats[_i];

    for (unsigned diagonal = 0; diagonal < 2; diagonal++) {
        const da_cholesky_update_args args = {diagonal, 0};
        operand o[3] = {matrix(dtype, 0, 60, 25), matrix(dtype, 0, 20, 25), matrix(dtype, 0, 60, 20)};
        if (diagonal) /* a begins with b */
            for (int64_t j = 0; j < 25; j++)
                memcpy(o[1].host + (o[1].first + j * o[1].strides[1]) * (int64_t)da_dtype_size(dtype),
                       o[0].host + (o[0].first + j * o[0].strides[1]) * (int64_t)da_dtype_size(dtype),
                       20 * da_dtype_size(dtype));
        ck_assert(both(&da_codelet_cholesky_update, "60 x 20", 3, o, &args, sizeof args, RELATIVE));
    }
    for (int64_t rows = 24; rows <= 60; rows += 36) {
        const da_pivot_args args = {.offset = 8};
        operand o[3] = {matrix(dtype, 0, rows, 24), pivots(0, 24, rows, 8), matrix(dtype, 0, rows, 31)};
        weaken(&o[0]);
        ck_assert(both(&da_codelet_lu_update, "24 columns", 3, o, &args, sizeof args, RELATIVE));
    }
}
END_TEST

/* ---- what is not for the device ---- */

static bool takes(const da_codelet *codelet, int n, operand *operands, const void *value)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, codelet->name);
    const da_value values[1] = {{value, 0}};
    da_buffer buffers[OPERANDS];

    for (int i = 0; i < n; i++)
        buffers[i] = on_host(&operands[i]);
    const da_call call = {.nbuffers = n, .nvalues = 1, .buffers = buffers, .values = values};
    const bool taken = kernel->takes(ops, &call);
    for (int i = 0; i < n; i++)
        drop(&operands[i]);
    return taken;
}

START_TEST(refused)
{
    const da_gemm_args gemm = {.alpha = {1, 0}};
    const int64_t shape[2] = {6, 6}, good[2] = {1, 6}, rows[2] = {6, 1};
    operand o[3];

    for (int i = 0; i < 3; i++)
        o[i] = make(DA_F64, 2, shape, good, number);
    ck_assert(takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(DA_F16, 2, shape, good, anything);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(DA_I32, 2, shape, good, anything);
    ck_assert(takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(DA_I32, 2, shape, i == 2 ? rows : good, anything);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(i == 1 ? DA_U32 : DA_I32, 2, shape, good, anything);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(DA_F64, 2, shape, i == 1 ? rows : good, number);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    for (int i = 0; i < 3; i++)
        o[i] = make(i == 1 ? DA_F32 : DA_F64, 2, shape, good, number);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    /* sizes that do not fit, and a sum of nothing */
    o[0] = matrix(DA_F64, 0, 6, 5), o[1] = matrix(DA_F64, 0, 6, 6), o[2] = matrix(DA_F64, 0, 6, 6);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    o[0] = matrix(DA_F64, 0, 6, 0), o[1] = matrix(DA_F64, 0, 0, 6), o[2] = matrix(DA_F64, 0, 6, 6);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    /* two matrices against three */
    o[0] = matrix(DA_F64, 2, 6, 6), o[1] = matrix(DA_F64, 3, 6, 6), o[2] = matrix(DA_F64, 3, 6, 6);
    ck_assert(!takes(&da_codelet_gemm, 3, o, &gemm));
    ck_assert_ptr_null(da_device_find(DA_DEVICE_OPENCL, "no such codelet"));
    ck_assert_ptr_null(da_device_find(DA_DEVICE_CPU, "fill"));
}
END_TEST

START_TEST(complaints)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
    char log[4096];
    const da_call call = {.queue = queue};

    ck_assert_int_eq(ops->compile("KERNEL(good)(BUFFER(f32, x)) { DATA(f32, x)[0] = 1; }\n", log, sizeof log),
                     DA_OK);
    ck_assert_str_eq(log, "");
    ck_assert_int_ne(ops->compile("KERNEL(bad)(BUFFER(f32, x)) { nonsense; }\n", log, sizeof log), DA_OK);
    ck_assert_msg(strstr(log, "nonsense") != NULL, "%s", log);
    /* a launch fails each time, and the one after it is not disturbed */
    for (int i = 0; i < 2; i++)
        ck_assert_int_ne(
            ops->launch(&call, "bad", "KERNEL(bad)(VALUE(i64, x)) { nonsense; }\n", 1, 1, 0, NULL), DA_OK);
    ck_assert_int_ne(ops->launch(&call, "none", "KERNEL(some)(VALUE(i64, x)) { }\n", 1, 1, 0, NULL), DA_OK);
    const int64_t x = 1;
    ck_assert_int_eq(ops->launch(&call, "some", "KERNEL(some)(VALUE(i64, x)) { }\n", 1, 1, 1,
                                 &(da_device_arg){.value = &x, .size = sizeof x}),
                     DA_OK);
    ck_assert_int_eq(clFinish(queue), CL_SUCCESS);
}
END_TEST

/* PoCL's devices are CPUs, and StarPU takes these only when told so. */
START_TEST(counts)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);

    unsetenv("STARPU_OPENCL_ON_CPUS");
    const int without = ops->count();
    setenv("STARPU_OPENCL_ON_CPUS", "0", 1);
    ck_assert_int_eq(ops->count(), without);
    setenv("STARPU_OPENCL_ON_CPUS", "1", 1);
    const int with = ops->count();
    setenv("STARPU_OPENCL_ONLY_ON_CPUS", "1", 1);
    const int cpus = ops->count();
    unsetenv("STARPU_OPENCL_ONLY_ON_CPUS");
    ck_assert_int_ge(without, 0);
    ck_assert_int_ge(with, 1);
    ck_assert_int_eq(with, without + cpus);
}
END_TEST

START_TEST(described)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);

    setenv("STARPU_OPENCL_ON_CPUS", "1", 1);
    const int n = ops->count();
    for (int i = 0; i <= n; i++) {
        da_device_about about;
        double seconds = 0, bytes = 0;
        ck_assert(ops->describe(i, &about) == (i < n));
        ck_assert(ops->measure(i, &seconds, &bytes) == (i < n));
        if (i == n)
            continue;
        ck_assert(about.name[0] && about.memory > 0);
        ck_assert(about.flops > 1e8 && about.flops < 1e16);
        ck_assert(seconds > 0 && seconds < 1e-2);
        ck_assert(bytes > 1e8 && bytes < 1e14);
    }
}
END_TEST

/* ---- several threads launch one kernel ---- */

enum { THREADS = 4, ROUNDS = 200 };

static void *fill_own(void *seed)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, "fill");
    const int64_t n = 1000, stride = 1;
    cl_mem const memory = clCreateBuffer(context, CL_MEM_READ_WRITE, (size_t)n * 8, NULL, NULL);
    static int64_t got[THREADS][1000];
    int64_t *const mine = got[(intptr_t)seed];
    intptr_t wrong = 0;

    for (int64_t round = 0; round < ROUNDS; round++) {
        const kernel_element value = {.i = (int64_t)(intptr_t)seed * 1000000 + round};
        const da_value values[1] = {{&value, sizeof value}};
        const da_buffer buffer = {memory, DA_I64, 1, &n, &stride, 0};
        const da_call call = {
            .nbuffers = 1, .nvalues = 1, .buffers = &buffer, .values = values, .queue = queue};
        wrong += kernel->run(ops, &call) != DA_OK;
        wrong +=
            clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, (size_t)n * 8, mine, 0, NULL, NULL) != CL_SUCCESS;
        for (int64_t i = 0; i < n; i++)
            wrong += mine[i] != value.i;
    }
    clReleaseMemObject(memory);
    return (void *)wrong;
}

START_TEST(threads)
{
    pthread_t thread[THREADS];

    for (intptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, fill_own, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        ck_assert_int_eq((intptr_t)wrong, 0);
    }
}
END_TEST

/* ---- the disk cache: other processes, which run this program with an argument ---- */

static char cache_folder[] = "/tmp/darray-opencl-test-XXXXXX", usual_folder[4096], program[4096];

/* What such a process does: a fill, of which it checks the result. */
static int child(void)
{
    return fill_own((void *)1) == NULL ? 0 : 1;
}

static pid_t start_child(void)
{
    const pid_t process = fork();

    if (process == 0) {
        execl(program, program, "child", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(process, 0);
    return process;
}

static void end_child(pid_t process)
{
    int status;

    ck_assert_int_eq(waitpid(process, &status, 0), process);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

/* The one file that they made. */
static struct stat cache_file(char path[4096])
{
    char name[256];
    struct stat status = {0};
    int n = 0;

    snprintf(name, sizeof name, "%s/opencl", cache_folder);
    DIR *const directory = opendir(name);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *e; (e = readdir(directory));)
        if (e->d_name[0] != '.') {
            snprintf(path, 4096, "%s/%s", name, e->d_name);
            n++;
        }
    closedir(directory);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(stat(path, &status), 0);
    return status;
}

static void make_cache(void)
{
    strcpy(cache_folder + strlen(cache_folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(cache_folder));
    ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof program - 1), 0);
    snprintf(usual_folder, sizeof usual_folder, "%s",
             getenv("DARRAY_CACHE_DIR") ? getenv("DARRAY_CACHE_DIR") : "");
    setenv("DARRAY_CACHE_DIR", cache_folder, 1);
    setenv("POCL_KERNEL_CACHE", "0", 1); /* ours */
}

static void drop_cache(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", cache_folder);
    setenv("DARRAY_CACHE_DIR", usual_folder, 1);
    ck_assert_int_eq(system(command), 0);
}

/* A program that is read is not written again; the file keeps its inode. */
START_TEST(second_process)
{
    char path[4096];

    end_child(start_child());
    const struct stat first = cache_file(path);
    end_child(start_child());
    const struct stat second = cache_file(path);
    ck_assert(first.st_ino == second.st_ino && first.st_size == second.st_size);
    /* cut, it is replaced by a whole one */
    ck_assert_int_eq(truncate(path, first.st_size / 2), 0);
    end_child(start_child());
    const struct stat third = cache_file(path);
    ck_assert_int_eq(third.st_size, first.st_size);
}
END_TEST

/* A whole file of what is no program: the driver does not want it, and it is replaced, too. */
START_TEST(not_a_program)
{
    char path[4096];
    da_device_key key;

    end_child(start_child());
    cache_file(path);
    ck_assert_int_eq(sscanf(strrchr(path, '/'), "/%16" SCNx64 "%16" SCNx64, &key.word[0], &key.word[1]), 2);
    ck_assert(da_device_cache_put("opencl", key, "no program", 10));
    const struct stat before = cache_file(path);
    end_child(start_child());
    const struct stat after = cache_file(path);
    ck_assert(after.st_ino != before.st_ino && after.st_size != before.st_size);
    void *data;
    size_t size;
    ck_assert(da_device_cache_get("opencl", key, &data, &size));
    ck_assert_uint_gt(size, 10);
    free(data);
}
END_TEST

START_TEST(at_once)
{
    pid_t children[4];
    char path[4096];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++)
            children[i] = start_child();
        for (int i = 0; i < 4; i++)
            end_child(children[i]);
        cache_file(path);
    }
}
END_TEST

/* Without a folder nothing is kept, and everything works. */
START_TEST(no_cache)
{
    const pid_t process = fork();

    if (process == 0) {
        unsetenv("DARRAY_CACHE_DIR");
        unsetenv("XDG_CACHE_HOME");
        unsetenv("HOME");
        execl(program, program, "child", (char *)NULL);
        _exit(127);
    }
    end_child(process);
}
END_TEST

/* A context and a queue on the first device there is; false without one. */
static bool start(void)
{
    cl_platform_id platforms[16];
    cl_device_id device = NULL;
    cl_uint n = 0;
    cl_int error;

    if (clGetPlatformIDs(16, platforms, &n) != CL_SUCCESS)
        return false;
    for (cl_uint i = 0; i < n && i < 16 && !device; i++)
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device, NULL) != CL_SUCCESS)
            device = NULL;
    if (!device)
        return false;
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return false;
    queue = clCreateCommandQueue(context, device, 0, &error);
    return error == CL_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *reason;

    if (!start()) {
        printf("skipped: there is no OpenCL device\n");
        return 77;
    }
    if (!da_device_module_of(DA_DEVICE_OPENCL, &reason)) {
        printf("the OpenCL module cannot be loaded: %s\n", reason);
        return EXIT_FAILURE;
    }
    if (argc > 1 && !strcmp(argv[1], "child"))
        return child();
    const bool blas = da_device_find(DA_DEVICE_OPENCL, "da_trsm") != NULL;
    const da_test_case cases[] = {
        DA_CASE("array", fills, moves, diagonals, edges, reshapes, sequences, eyes, random_numbers,
                converting_transposes),
        DA_CASE_LOOP("conversions", DA_C128, conversions),
        DA_CASE_LOOP("matrix", 4, triangles, exchanges, exchanges_of_no_rows, norms, determinants, ranks,
                     truncations, placed_columns, small_qrs, triangles_on_triangles, column_exchanges),
        DA_CASE_LOOP("integers", DA_U64, integer_products),
        DA_CASE("module", counts, described, complaints, threads),
        DA_CASE_WITH("disk cache", make_cache, drop_cache, second_process, not_a_program, at_once, no_cache),
        DA_CASE("refused", refused),
        DA_CASE("products over NaN", products_over_nan),
        DA_CASE_LOOP("blas", 4, symmetric_products, rank_updates, triangular_products, updates),
        DA_CASE_LOOP("batches", 8, products, solves),
    };
    /* compiling CLBlast within a sanitized program takes more than ten minutes: one of its products must do */
    const char *const sanitize = getenv("DARRAY_TEST_SANITIZE");
    const bool sanitized = sanitize && strcmp(sanitize, "none") != 0;
    const size_t all = sizeof cases / sizeof cases[0];
    const int status = da_test_run("OpenCL kernels", cases, !blas ? all - 4 : sanitized ? all - 2 : all);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return status;
}
