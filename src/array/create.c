/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays made from nothing: empty, filled, sequences. */
#include "array/array.h"
#include "array/codelets.h"
#include "codelets/array_kernels.h"
#include <math.h>
#include <string.h>

#undef da_full
#undef da_full_like
#undef da_arange
#undef da_linspace

bool array_small(size_t bytes)
{
    return bytes <= 128 * 1024 && config_get()->inline_tasks && !rt_rehearsing();
}

/* ---- numbers as elements ---- */

static da_dtype scalar_dtype(da_scalar value)
{
    switch (value.kind_) {
    case 1: return DA_I64;
    case 2: return DA_U64;
    case 4: return DA_C128;
    case 5: return DA_U64;
    default: return DA_F64;
    }
}

void scalar_element(void *element, da_dtype dtype, da_scalar value)
{
    kernel_line_for(dtype, scalar_dtype(value))(1, element, 1, &value.v_, 1);
}

/* The least and the most that an integer dtype holds. */
static void integer_range(da_dtype dtype, int64_t *least, uint64_t *most)
{
    const int bits = 8 * (int)da_dtype_size(dtype);
    if (dtype_is_signed(dtype)) {
        *most = UINT64_MAX >> (65 - bits);
        *least = -(int64_t)*most - 1;
    } else {
        *most = dtype == DA_BOOL ? 1 : UINT64_MAX >> (64 - bits);
        *least = 0;
    }
}

da_status scalar_check(da_dtype dtype, da_scalar value, const char *function)
{
    const char *name = da_dtype_name(dtype);
    int64_t least;
    uint64_t most;

    if (value.kind_ < 1 || value.kind_ > 5)
        return err_set(DA_ERROR_ARGUMENT, "%s: the value is no number", function);
    if (value.kind_ == 4 && !dtype_is_complex(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold the complex number %g%+gi", function, name,
                       value.v_.z.re, value.v_.z.im);
    if (dtype_is_float(dtype) || dtype_is_complex(dtype))
        return DA_OK;
    integer_range(dtype, &least, &most);
    if (value.kind_ == 1 && (value.v_.i < least || (value.v_.i > 0 && (uint64_t)value.v_.i > most)))
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold %lld", function, name, (long long)value.v_.i);
    if ((value.kind_ == 2 || value.kind_ == 5) && value.v_.u > most)
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold %llu", function, name,
                       (unsigned long long)value.v_.u);
    if (value.kind_ == 3) {
        const double x = value.v_.z.re;
        if (!(x >= (double)least && x < (double)most + 1.0 && trunc(x) == x) ||
            (most == UINT64_MAX && x >= 0x1p64) || (most == INT64_MAX && x >= 0x1p63))
            return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold %.17g", function, name, x);
    }
    return DA_OK;
}

/* ---- filling ---- */

da_status array_fill_tasks(rt_batch *batch, da_array *dst, da_scalar value)
{
    kernel_element element = {{0}};
    piece_walk w;

    scalar_element(&element, dst->s->dtype, value);
    for (bool more = piece_first(&w, dst); more; more = piece_next(&w)) {
        task_builder t;
        task_begin(&t, &array_codelet_fill);
        task_access(&t, dst, w.start, w.count, DA_MODE_WRITE);
        task_value(&t, &element, sizeof element);
        DA_TRY(task_add(&t, batch));
    }
    return DA_OK;
}

da_status array_finish(da_array **out, da_array *a, rt_batch *batch, da_status status)
{
    if (status == DA_OK)
        status = rt_batch_commit(batch);
    else
        rt_batch_abandon(batch);
    if (status != DA_OK)
        da_array_release(&a);
    else
        *out = a;
    return status;
}

da_status array_generate(da_array **out, da_dtype dtype, const da_shape *shape, const da_codelet *codelet,
                         void *args, size_t size, void (*place)(void *args, const int64_t *start))
{
    const int64_t origin[DA_MAX_NDIM] = {0};
    rt_batch batch = RT_BATCH_INIT;
    da_status status = DA_OK;
    da_array *a;

    DA_TRY(array_new(&a, dtype, shape, NULL, NULL));
    if (array_small(a->s->bytes)) {
        int64_t strides[DA_MAX_NDIM];
        const da_buffer buffer = {array_pointer(a), dtype, a->ndim, a->shape, strides, 0};
        const da_value value = {args, size};
        const da_call call = {1, 1, &buffer, &value, NULL, NULL, NULL};
        array_strides(a, strides);
        if (place)
            place(args, origin);
        (void)codelet->cpu(&call);
        *out = a;
        return DA_OK;
    }
    piece_walk w;
    for (bool more = piece_first(&w, a); more && status == DA_OK; more = piece_next(&w)) {
        task_builder t;
        if (place)
            place(args, w.start);
        task_begin(&t, codelet);
        task_access(&t, a, w.start, w.count, DA_MODE_WRITE);
        task_value(&t, args, size);
        status = task_add(&t, &batch);
    }
    return array_finish(out, a, &batch, status);
}

static da_status filled(da_array **out, da_dtype dtype, const da_shape *shape, da_scalar value,
                        const char *function)
{
    kernel_element element = {{0}};

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(shape, dtype, function));
    DA_TRY(scalar_check(dtype, value, function));
    scalar_element(&element, dtype, value);
    return array_generate(out, dtype, shape, &array_codelet_fill, &element, sizeof element, NULL);
}

da_status da_empty(da_array **out, da_dtype dtype, da_shape shape)
{
    DA_TRY(array_check_out(out, "da_empty"));
    DA_TRY(array_check_shape(&shape, dtype, "da_empty"));
    return array_new(out, dtype, &shape, NULL, NULL);
}

da_status da_empty_like(da_array **out, const da_array *a)
{
    DA_TRY(array_check(a, "da_empty_like", "a"));
    return da_empty(out, a->s->dtype, array_shape_of(a));
}

da_status da_zeros(da_array **out, da_dtype dtype, da_shape shape)
{
    return filled(out, dtype, &shape, DA_NUMBER(0), "da_zeros");
}

da_status da_zeros_like(da_array **out, const da_array *a)
{
    DA_TRY(array_check(a, "da_zeros_like", "a"));
    return da_zeros(out, a->s->dtype, array_shape_of(a));
}

da_status da_ones(da_array **out, da_dtype dtype, da_shape shape)
{
    return filled(out, dtype, &shape, DA_NUMBER(1), "da_ones");
}

da_status da_ones_like(da_array **out, const da_array *a)
{
    DA_TRY(array_check(a, "da_ones_like", "a"));
    return da_ones(out, a->s->dtype, array_shape_of(a));
}

da_status da_full(da_array **out, da_dtype dtype, da_shape shape, da_scalar value)
{
    return filled(out, dtype, &shape, value, "da_full");
}

da_status da_full_like(da_array **out, const da_array *a, da_scalar value)
{
    DA_TRY(array_check(a, "da_full_like", "a"));
    return da_full(out, a->s->dtype, array_shape_of(a), value);
}

/* ---- sequences ---- */

static da_c128 as_complex(da_scalar x)
{
    da_c128 z;
    scalar_element(&z, DA_C128, x);
    return z;
}

static bool is_integer_number(da_scalar x)
{
    return x.kind_ == 1 || x.kind_ == 2 || x.kind_ == 5;
}

__extension__ typedef __int128 wide;

/* A number without a fraction, within the range of 64 bits. */
static wide as_wide(da_scalar x)
{
    return x.kind_ == 1 ? (wide)x.v_.i : x.kind_ == 3 ? (wide)x.v_.z.re : (wide)x.v_.u;
}

/* start, stop and step of arange all integers: the exact number of elements, or -1 if it does not fit. */
static int64_t integer_count(da_scalar start, da_scalar stop, da_scalar step)
{
    const wide a = as_wide(start), b = as_wide(stop), s = as_wide(step);
    const wide distance = s > 0 ? b - a : a - b, width = s > 0 ? s : -s;
    const wide n = distance <= 0 ? 0 : (distance + width - 1) / width;
    return n > INT64_MAX ? -1 : (int64_t)n;
}

static da_status check_last(da_dtype dtype, wide last, const char *function)
{
    int64_t least;
    uint64_t most;
    integer_range(dtype, &least, &most);
    if (last < least || last > most)
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold the last element, %.17g", function,
                       da_dtype_name(dtype), (double)last);
    return DA_OK;
}

static void place_arange(void *args, const int64_t *start)
{
    ((kernel_arange_args *)args)->first = start[0];
}

da_status da_arange(da_array **out, da_dtype dtype, da_scalar start, da_scalar stop, da_scalar step)
{
    static const char function[] = "da_arange";
    kernel_arange_args args;
    da_shape shape = {1, {0}};

    DA_TRY(array_check_out(out, function));
    if (!dtype_valid(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %d is no dtype", function, (int)dtype);
    if (dtype == DA_BOOL)
        return err_set(DA_ERROR_DTYPE, "%s: bool cannot hold numbers that follow each other", function);
    const da_scalar numbers[] = {start, stop, step};
    for (int i = 0; i < 3; i++) {
        if (numbers[i].kind_ < 1 || numbers[i].kind_ > 5)
            return err_set(DA_ERROR_ARGUMENT, "%s: the %s is no number", function,
                           i == 0   ? "start"
                           : i == 1 ? "stop"
                                    : "step");
        if (numbers[i].kind_ == 4)
            return err_set(DA_ERROR_DTYPE, "%s: the %s is complex", function,
                           i == 0   ? "start"
                           : i == 1 ? "stop"
                                    : "step");
    }
    memset(&args, 0, sizeof args);
    args.start = as_complex(start);
    args.step = as_complex(step);
    const double distance = as_complex(stop).re - args.start.re;
    if (args.step.re == 0 || !isfinite(args.step.re))
        return err_set(DA_ERROR_ARGUMENT, "%s: the step is %g", function, args.step.re);
    if (is_integer_number(start) && is_integer_number(stop) && is_integer_number(step)) {
        shape.dim[0] = integer_count(start, stop, step);
        if (shape.dim[0] < 0)
            return err_set(DA_ERROR_OVERFLOW, "%s: the number of elements does not fit in 64 bits", function);
    } else {
        const double n = ceil(distance / args.step.re);
        if (!isfinite(distance))
            return err_set(DA_ERROR_ARGUMENT, "%s: from %g to %g there is no number of steps", function,
                           args.start.re, as_complex(stop).re);
        if (n >= 0x1p63)
            return err_set(DA_ERROR_OVERFLOW, "%s: %g elements do not fit in 64 bits", function, n);
        shape.dim[0] = n > 0 ? (int64_t)n : 0;
    }
    DA_TRY(array_check_shape(&shape, dtype, function));
    if (!dtype_is_float(dtype) && !dtype_is_complex(dtype)) {
        if (shape.dim[0] > 0) {
            DA_TRY(scalar_check(dtype, start, function));
            DA_TRY(scalar_check(DA_I64, step, function));
            DA_TRY(check_last(dtype, as_wide(start) + (shape.dim[0] - 1) * as_wide(step), function));
        }
        scalar_element(&args.start_i, start.kind_ == 2 ? DA_U64 : DA_I64, start);
        scalar_element(&args.step_i, step.kind_ == 2 ? DA_U64 : DA_I64, step);
    }
    return array_generate(out, dtype, &shape, &array_codelet_arange, &args, sizeof args, place_arange);
}

static void place_linspace(void *args, const int64_t *start)
{
    ((kernel_linspace_args *)args)->first = start[0];
}

da_status da_linspace(da_array **out, da_dtype dtype, da_scalar start, da_scalar stop, int64_t num,
                      bool endpoint)
{
    static const char function[] = "da_linspace";
    kernel_linspace_args args;
    const da_shape shape = {1, {num}};

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(&shape, dtype, function));
    if (!dtype_is_float(dtype) && !dtype_is_complex(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold evenly spaced numbers", function,
                       da_dtype_name(dtype));
    DA_TRY(scalar_check(dtype, start, function));
    DA_TRY(scalar_check(dtype, stop, function));
    memset(&args, 0, sizeof args);
    args.start = as_complex(start);
    args.stop = as_complex(stop);
    const double divisions = (double)(endpoint ? num - 1 : num);
    if (divisions > 0) {
        args.step.re = (args.stop.re - args.start.re) / divisions;
        args.step.im = (args.stop.im - args.start.im) / divisions;
    }
    args.last = endpoint && num > 1 ? num - 1 : -1;
    return array_generate(out, dtype, &shape, &array_codelet_linspace, &args, sizeof args, place_linspace);
}

static void place_eye(void *args, const int64_t *start)
{
    kernel_eye_args *e = args;
    e->k = e->diagonal + start[0] - start[1];
}

da_status da_eye(da_array **out, da_dtype dtype, int64_t n_rows, int64_t n_cols, int64_t k)
{
    static const char function[] = "da_eye";
    kernel_eye_args args;
    const da_shape shape = {2, {n_rows, n_cols}};

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(&shape, dtype, function));
    /* beyond the corners every diagonal is the same: none */
    k = k > n_cols ? n_cols : k < -n_rows ? -n_rows : k;
    memset(&args, 0, sizeof args);
    args.diagonal = k;
    scalar_element(&args.one, dtype, DA_NUMBER(1));
    return array_generate(out, dtype, &shape, &array_codelet_eye, &args, sizeof args, place_eye);
}
