/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of arrays on devices: what codelets/cpu/copy.c, convert.c, sequence.c and random.c do, with the same bits. */
#include "array_kernels.h"
#include "launch.h"

#include <stdio.h>
#include <string.h>

enum { DEFINITIONS = 128, SIDE = 32 };

static const int64_t no_numbers[DA_MAX_NDIM]; /* strides that give all elements the same number */

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

static da_device_element element_of(const void *bytes, size_t size)
{
    da_device_element e = {0, 0};

    memcpy(&e, bytes, size);
    return e;
}

/* ---- dtypes in the texts' words ---- */

static bool is_real(da_dtype dtype)
{
    return dtype >= DA_F16 && dtype <= DA_F64;
}

static bool is_complex(da_dtype dtype)
{
    return dtype == DA_C64 || dtype == DA_C128;
}

static bool is_wide(da_dtype dtype)
{
    return dtype == DA_F64 || dtype == DA_C128;
}

static const char *word_of(da_dtype dtype)
{
    static const char *const words[] = {"",    "b8",  "i8",  "i16",  "i32", "i64", "u8",  "u16",
                                        "u32", "u64", "f16", "bf16", "f32", "f64", "c64", "c128"};

    return words[dtype];
}

/* What convert.kernel wants defined. */
static void define_conversion(char text[DEFINITIONS], da_dtype dst, da_dtype src)
{
    const char *const kind = is_complex(src) ? "C" : is_real(src) ? "F" : "I";
    const char *const real = is_wide(src)                      ? "#define REAL f64\n#define REAL_IS_F64\n"
                             : is_real(src) || is_complex(src) ? "#define REAL f32\n"
                                                               : "";

    snprintf(text, DEFINITIONS, "#define DST %s\n#define SRC %s\n#define SRC_KIND %s\n%s", word_of(dst),
             word_of(src), kind, real);
}

/* Whether the device converts: integers reach 16-bit floats through f64. */
static bool converts(const da_device_ops *ops, da_dtype dst, da_dtype src)
{
    const bool is_integer = !is_real(src) && !is_complex(src), to_half = dst == DA_F16 || dst == DA_BF16;

    return dst == src || ops->has(DA_F64) || !(is_wide(dst) || is_wide(src) || (is_integer && to_half));
}

static void define_bytes(char text[DEFINITIONS], da_dtype dtype)
{
    snprintf(text, DEFINITIONS, "#define BYTES %zu\n", da_dtype_size(dtype));
}

/* ---- fill, eye ---- */

da_status da_device_set_diagonal(const da_device_ops *ops, const da_call *call, const da_buffer *dst,
                                 const int64_t *slope, int64_t k, da_device_element one)
{
    const da_device_element zero = {0, 0};
    char definitions[DEFINITIONS];
    da_device_axes axes;

    define_bytes(definitions, dst->dtype);
    da_device_axes_of(&axes, dst->ndim, dst->shape, dst->strides, slope, 0);
    return da_device_launch(ops, call, "fill", definitions, da_text_move, da_text_fill, axes.total,
                            axes.total, 5,
                            (const da_device_arg[]){DA_BUFFER_ARG(dst), DA_VALUE_ARG(axes), DA_VALUE_ARG(k),
                                                    DA_VALUE_ARG(one), DA_VALUE_ARG(zero)});
}

static da_status fill(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *dst = call->buffers;

    return da_device_set_diagonal(ops, call, dst, no_numbers, 0,
                                  element_of(call->values[0].data, da_dtype_size(dst->dtype)));
}

static da_status eye(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *dst = call->buffers;
    const kernel_eye_args *args = call->values[0].data;
    const int64_t column_minus_row[2] = {-1, 1};

    return da_device_set_diagonal(ops, call, dst, column_minus_row, args->k,
                                  element_of(&args->one, da_dtype_size(dst->dtype)));
}

/* ---- copy, reshape ---- */

/* Makes the second axis the one that is innermost in the source, if that is worth it: whether copy_plane is to be used. */
static bool make_plane(da_device_axes *axes)
{
    int inner = 0;

    for (int k = 1; k < axes->ndim; k++)
        if (axes->src[k] != 0 && magnitude(axes->src[k]) < magnitude(axes->src[inner]))
            inner = k;
    if (inner == 0 || magnitude(axes->src[0]) == 1)
        return false;
    const int64_t n = axes->shape[inner], d = axes->dst[inner], s = axes->src[inner];
    for (int k = inner; k > 1; k--) {
        axes->shape[k] = axes->shape[k - 1];
        axes->dst[k] = axes->dst[k - 1];
        axes->src[k] = axes->src[k - 1];
    }
    axes->shape[1] = n;
    axes->dst[1] = d;
    axes->src[1] = s;
    return true;
}

da_status da_device_copy(const da_device_ops *ops, const da_call *call, const da_buffer *dst,
                         const da_buffer *src, const int64_t *src_strides)
{
    const char *elements = da_text_convert;
    char definitions[DEFINITIONS];
    da_device_axes axes;

    if (dst->dtype == src->dtype) {
        define_bytes(definitions, dst->dtype);
        elements = da_text_move;
    } else {
        define_conversion(definitions, dst->dtype, src->dtype);
    }
    da_device_axes_of(&axes, dst->ndim, dst->shape, dst->strides, src_strides, 0);
    const bool plane = axes.total > 0 && make_plane(&axes);
    const da_device_arg args[] = {DA_BUFFER_ARG(dst), DA_BUFFER_ARG(src), DA_VALUE_ARG(axes)};
    if (!plane)
        return da_device_launch(ops, call, "copy", definitions, elements, da_text_copy, axes.total,
                                axes.total, 3, args);
    /* a work-group of as many lanes as launch() uses for a square */
    const int64_t across = (axes.shape[0] + SIDE - 1) / SIDE, down = (axes.shape[1] + SIDE - 1) / SIDE;
    const int64_t squares = across * down * (axes.total / (axes.shape[0] * axes.shape[1]));
    return da_device_launch(ops, call, "copy_plane", definitions, elements, da_text_copy_plane, axes.total,
                            squares * DA_DEVICE_LANES, 3, args);
}

static bool copy_takes(const da_device_ops *ops, const da_call *call)
{
    return converts(ops, call->buffers[0].dtype, call->buffers[1].dtype);
}

static da_status copy(const da_device_ops *ops, const da_call *call)
{
    return da_device_copy(ops, call, &call->buffers[0], &call->buffers[1], call->buffers[1].strides);
}

static da_status diagonal(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *dst = &call->buffers[0], *src = &call->buffers[1];
    const int last = dst->ndim - 1;
    int64_t strides[DA_MAX_NDIM];

    memcpy(strides, src->strides, (size_t)last * sizeof strides[0]);
    strides[last] = src->strides[last] + src->strides[last + 1];
    return da_device_copy(ops, call, dst, src, strides);
}

/* c_order_t of reshape.kernel: where the element with a C-order index is. */
typedef struct c_order {
    int64_t ndim, at;
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM];
} c_order;

static da_status reshape(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *dst = &call->buffers[0], *src = &call->buffers[1];
    const kernel_reshape_args *args = call->values[0].data;
    char definitions[DEFINITIONS];
    da_device_axes axes;
    c_order from = {0};
    int64_t most = 1;

    for (int k = 0; k < src->ndim; k++) {
        const int64_t n = args->src_extent[k], stride = src->strides[k];
        const int last = (int)from.ndim - 1;

        most *= n;
        from.at -= args->src_start[k] * stride;
        if (n == 1)
            continue;
        if (last >= 0 && from.strides[last] == stride * n) {
            from.shape[last] *= n;
            from.strides[last] = stride;
        } else {
            from.shape[from.ndim] = n;
            from.strides[from.ndim++] = stride;
        }
    }
    define_bytes(definitions, dst->dtype);
    da_device_axes_of(&axes, dst->ndim, dst->shape, dst->strides, args->dst_flat, args->first);
    return da_device_launch(ops, call, "reshape", definitions, da_text_move, da_text_reshape, most,
                            axes.total, 4,
                            (const da_device_arg[]){DA_BUFFER_ARG(dst), DA_BUFFER_ARG(src),
                                                    DA_VALUE_ARG(axes), DA_VALUE_ARG(from)});
}

/* ---- arange, linspace ---- */

static da_dtype sequence_dtype(da_dtype dtype, bool integers)
{
    return is_complex(dtype) ? DA_C128 : integers && !is_real(dtype) ? DA_U64 : DA_F64;
}

/* sequence_t of sequence.kernel: `last` and three numbers of the dtype the sequence is computed in. */
static da_status sequence(const da_device_ops *ops, const da_call *call, da_dtype wide, int64_t first,
                          int64_t last, const void *start, const void *step, const void *stop)
{
    const da_buffer *dst = call->buffers;
    const size_t size = da_dtype_size(wide);
    unsigned char numbers[sizeof last + 3 * sizeof(da_c128)];
    char definitions[DEFINITIONS + 32];
    da_device_axes axes;
    const int64_t one = 1;

    memcpy(numbers, &last, sizeof last);
    memcpy(numbers + sizeof last, start, size);
    memcpy(numbers + sizeof last + size, step, size);
    memcpy(numbers + sizeof last + 2 * size, stop, size);
    define_conversion(definitions, dst->dtype, wide);
    if (wide == DA_C128)
        strcat(definitions, "#define SEQUENCE_OF_C128\n");
    da_device_axes_of(&axes, 1, dst->shape, dst->strides, &one, first);
    return da_device_launch(
        ops, call, "sequence", definitions, da_text_convert, da_text_sequence, axes.total, axes.total, 3,
        (const da_device_arg[]){
            DA_BUFFER_ARG(dst), DA_VALUE_ARG(axes), {.value = numbers, .size = sizeof last + 3 * size}});
}

static bool arange_takes(const da_device_ops *ops, const da_call *call)
{
    const da_dtype dtype = call->buffers[0].dtype;

    return converts(ops, dtype, sequence_dtype(dtype, true));
}

static da_status arange(const da_device_ops *ops, const da_call *call)
{
    const kernel_arange_args *args = call->values[0].data;
    const da_dtype wide = sequence_dtype(call->buffers[0].dtype, true);
    const bool integers = wide == DA_U64;
    const void *const start = integers ? (const void *)&args->start_i : &args->start;
    const void *const step = integers ? (const void *)&args->step_i : &args->step;

    return sequence(ops, call, wide, args->first, INT64_MIN, start, step, start);
}

static bool linspace_takes(const da_device_ops *ops, const da_call *call)
{
    const da_dtype dtype = call->buffers[0].dtype;

    return converts(ops, dtype, sequence_dtype(dtype, false));
}

static da_status linspace(const da_device_ops *ops, const da_call *call)
{
    const kernel_linspace_args *args = call->values[0].data;
    const da_dtype wide = sequence_dtype(call->buffers[0].dtype, false);

    return sequence(ops, call, wide, args->first, args->last, &args->start, &args->step, &args->stop);
}

/* ---- random numbers ---- */

static bool random_takes(const da_device_ops *ops, const da_call *call)
{
    const kernel_random_args *args = call->values[0].data;

    return ops->has(DA_F64) || !(args->normal || is_wide(call->buffers[0].dtype));
}

static da_status random_numbers(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *dst = call->buffers;
    const kernel_random_args *args = call->values[0].data;
    const uint64_t seed = args->seed, stream = (uint64_t)args->normal;
    char definitions[DEFINITIONS + 32];
    da_device_axes axes;

    define_conversion(definitions, dst->dtype, dst->dtype);
    if (args->normal)
        strcat(definitions, "#define NORMAL\n");
    da_device_axes_of(&axes, dst->ndim, dst->shape, dst->strides, args->flat, (int64_t)args->first);
    return da_device_launch(ops, call, "random", definitions, da_text_convert, da_text_random, axes.total,
                            axes.total, 4,
                            (const da_device_arg[]){DA_BUFFER_ARG(dst), DA_VALUE_ARG(axes),
                                                    DA_VALUE_ARG(seed), DA_VALUE_ARG(stream)});
}

const da_device_kernel da_device_array_kernels[] = {
    {"fill", NULL, fill},
    {"copy", copy_takes, copy},
    {"diagonal", copy_takes, diagonal},
    {"reshape", NULL, reshape},
    {"arange", arange_takes, arange},
    {"linspace", linspace_takes, linspace},
    {"eye", NULL, eye},
    {"random", random_takes, random_numbers},
    {NULL, NULL, NULL},
};
