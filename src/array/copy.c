/* SPDX-License-Identifier: BSD-3-Clause */
/* New arrays with the elements of others: copy, astype, reshape, concat, stack. */
#include "array/array.h"
#include "array/codelets.h"
#include "codelets/array_kernels.h"
#include <string.h>

static da_status copy_task(rt_batch *batch, da_array *dst, const da_array *src, const int64_t *start,
                           const int64_t *count)
{
    task_builder t;
    task_begin(&t, &array_codelet_copy);
    task_access(&t, dst, start, count, DA_MODE_WRITE);
    task_access(&t, src, start, count, DA_MODE_READ);
    return task_add(&t, batch);
}

/* A piece of dst, cut where src's tiles are: devices take tasks on one tile each. */
static da_status copy_by_source(rt_batch *batch, da_array *dst, const da_array *src, const piece_walk *piece)
{
    da_array *part;
    piece_walk w;
    da_status status = DA_OK;
    DA_TRY(array_view(&part, src));
    array_box(part, piece->start, piece->count);
    for (bool more = piece_first(&w, part); more && status == DA_OK; more = piece_next(&w)) {
        int64_t start[DA_MAX_NDIM];
        for (int d = 0; d < dst->ndim; d++)
            start[d] = piece->start[d] + w.start[d];
        status = copy_task(batch, dst, src, start, w.count);
    }
    da_array_release(&part);
    return status;
}

da_status array_copy_tasks(rt_batch *batch, da_array *dst, const da_array *src)
{
    const bool split = elements_for_devices(dst->s->dtype, (double)array_count(dst));
    piece_walk w;
    for (bool more = piece_first(&w, dst); more; more = piece_next(&w)) {
        if (split)
            DA_TRY(copy_by_source(batch, dst, src, &w));
        else
            DA_TRY(copy_task(batch, dst, src, w.start, w.count));
    }
    return DA_OK;
}

/* The end of an operation that fills the new array `a` from the inputs by the batch: its faults, the commit. */
static da_status finish_from(da_array **out, da_array *a, rt_batch *batch, int n,
                             const da_array *const *inputs, da_status status)
{
    fault_flow flow;
    if (status == DA_OK)
        status = faults_prepare(&flow, a, true, n, inputs, NULL);
    if (status == DA_OK)
        faults_apply(&flow, a); /* nobody sees the array before the commit */
    return array_finish(out, a, batch, status);
}

static da_status converted(da_array **out, const da_array *a, da_dtype dtype)
{
    rt_batch batch = RT_BATCH_INIT;
    const da_shape shape = array_shape_of(a);
    da_array *b;
    DA_TRY(array_new(&b, dtype, &shape, NULL, NULL));
    return finish_from(out, b, &batch, 1, &a, array_copy_tasks(&batch, b, a));
}

da_status da_copy(da_array **out, const da_array *a)
{
    DA_TRY(array_check_out(out, "da_copy"));
    DA_TRY(array_check(a, "da_copy", "a"));
    return converted(out, a, a->s->dtype);
}

da_status da_astype(da_array **out, const da_array *a, da_dtype dtype)
{
    DA_TRY(array_check_out(out, "da_astype"));
    DA_TRY(array_check(a, "da_astype", "a"));
    if (!dtype_valid(dtype))
        return err_set(DA_ERROR_DTYPE, "da_astype: %d is no dtype", (int)dtype);
    if (dtype_is_complex(a->s->dtype) && !dtype_is_complex(dtype) && dtype != DA_BOOL)
        return err_set(DA_ERROR_DTYPE,
                       "da_astype: %s to %s would lose the imaginary part; take da_real() or da_abs()",
                       da_dtype_name(a->s->dtype), da_dtype_name(dtype));
    const da_shape shape = array_shape_of(a);
    DA_TRY(array_check_shape(&shape, dtype, "da_astype")); /* a broadcast view may be larger than memory */
    return converted(out, a, dtype);
}

/* ---- reshape ---- */

/* Fills in the extent -1 and checks that the number of elements is the same. */
static da_status resolve_shape(da_shape *shape, const da_array *a)
{
    static const char function[] = "da_reshape";
    const int64_t count = array_count(a);
    const da_shape own = array_shape_of(a), asked = *shape;
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    int64_t known = 1;
    int open = -1;

    if (shape->ndim < 0 || shape->ndim > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: %d dimensions; an array has 0 to %d", function, shape->ndim,
                       DA_MAX_NDIM);
    for (int d = 0; d < shape->ndim; d++) {
        if (shape->dim[d] == -1 && open >= 0)
            return err_set(DA_ERROR_SHAPE, "%s: more than one extent of %s is -1", function,
                           shape_text(&asked, to));
        if (shape->dim[d] == -1)
            open = d;
        else if (!size_mul(known, shape->dim[d], &known))
            known = -1;
        if (known < 0)
            break;
    }
    if (open >= 0 && known > 0 && count % known == 0)
        shape->dim[open] = count / known;
    else if (open >= 0 || known != count)
        return err_set(DA_ERROR_SHAPE, "%s: %lld elements of shape %s do not make the shape %s", function,
                       (long long)count, shape_text(&own, from), shape_text(&asked, to));
    return array_check_shape(shape, a->s->dtype, function);
}

/* The box of `a` that holds the elements with flat (C order) indices first..last. */
static void flat_box(const da_array *a, int64_t first, int64_t last, int64_t *start, int64_t *count)
{
    int64_t inner = array_count(a);
    int d = 0;
    for (; d < a->ndim; d++) {
        inner /= a->shape[d];
        start[d] = first / inner;
        count[d] = last / inner - start[d] + 1;
        first %= inner;
        last %= inner;
        if (count[d] > 1) {
            d++;
            break;
        }
    }
    for (; d < a->ndim; d++) {
        start[d] = 0;
        count[d] = a->shape[d];
    }
}

static da_status reshape_tasks(rt_batch *batch, const da_array *b, const da_array *a)
{
    piece_walk w;
    kernel_reshape_args args;
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM];

    for (bool more = piece_first(&w, b); more; more = piece_next(&w)) {
        task_builder t;
        int64_t first = 0, last = 0, stride = 1, dst_at = 0;
        memset(&args, 0, sizeof args);
        for (int d = b->ndim - 1; d >= 0; d--) {
            first += w.start[d] * stride;
            last += (w.start[d] + w.count[d] - 1) * stride;
            args.dst_flat[d] = stride;
            stride *= b->shape[d];
        }
        dst_at = first;
        flat_box(a, first, last, start, count);
        stride = 1;
        for (int d = a->ndim - 1; d >= 0; d--) {
            args.src_extent[d] = a->shape[d];
            args.src_start[d] = start[d];
            stride *= a->shape[d];
        }
        args.first = dst_at;
        task_begin(&t, &array_codelet_reshape);
        task_access(&t, b, w.start, w.count, DA_MODE_WRITE);
        task_access(&t, a, start, count, DA_MODE_READ);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, batch));
    }
    return DA_OK;
}

da_status da_reshape(da_array **out, const da_array *a, da_shape shape)
{
    rt_batch batch = RT_BATCH_INIT;
    da_array *b;
    da_status status;

    DA_TRY(array_check_out(out, "da_reshape"));
    DA_TRY(array_check(a, "da_reshape", "a"));
    DA_TRY(resolve_shape(&shape, a));
    DA_TRY(array_new(&b, a->s->dtype, &shape, NULL, NULL));
    status = reshape_tasks(&batch, b, a);
    return finish_from(out, b, &batch, 1, &a, status);
}

/* ---- joining ---- */

da_dtype dtype_promote(da_dtype a, da_dtype b)
{
    static const da_dtype signed_of[] = {0, DA_I8, DA_I16, 0, DA_I32, 0, 0, 0, DA_I64};
    if (a == b)
        return a;
    if (a == DA_BOOL)
        return b;
    if (b == DA_BOOL)
        return a;
    if (dtype_is_complex(a) || dtype_is_complex(b)) {
        const da_dtype real = dtype_promote(dtype_real(a), dtype_real(b));
        return real == DA_F64 ? DA_C128 : DA_C64;
    }
    if (dtype_is_integer(a) && dtype_is_integer(b)) {
        size_t n = da_dtype_size(a), m = da_dtype_size(b);
        if (dtype_is_signed(a) == dtype_is_signed(b))
            return n > m ? a : b;
        const size_t of_unsigned = dtype_is_signed(a) ? m : n, of_signed = dtype_is_signed(a) ? n : m;
        if (of_unsigned < of_signed)
            return dtype_is_signed(a) ? a : b;
        return of_unsigned == 8 ? DA_F64 : signed_of[2 * of_unsigned];
    }
    if (dtype_is_float(a) && dtype_is_float(b)) {
        if (da_dtype_size(a) == da_dtype_size(b))
            return DA_F32; /* f16 and bf16 */
        return da_dtype_size(a) > da_dtype_size(b) ? a : b;
    }
    /* an integer and a float: the least float that holds both */
    const da_dtype real = dtype_is_float(a) ? a : b, integer = dtype_is_float(a) ? b : a;
    const size_t bytes = da_dtype_size(integer);
    const da_dtype least = bytes == 1 ? DA_F16 : bytes == 2 ? DA_F32 : DA_F64;
    return da_dtype_size(real) >= da_dtype_size(least) ? real : least;
}

/* The dtype that holds all: floats and complex numbers first, so that (uint16, int16, float32) gives float32 in any order. */
static da_dtype common_dtype(int n, const da_array *const *arrays)
{
    da_dtype all = (da_dtype)0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n; i++) {
            const da_dtype own = arrays[i]->s->dtype;
            if ((dtype_is_float(own) || dtype_is_complex(own)) == (pass == 0))
                all = all == 0 ? own : dtype_promote(all, own);
        }
    return all;
}

/* Joins along axis `axis` of the result; `fresh`: the axis is new, each array has extent 1 there. */
static da_status joined(da_array **out, int n, const da_array *const *arrays, int axis, bool fresh,
                        const char *function)
{
    rt_batch batch = RT_BATCH_INIT;
    char one[SHAPE_TEXT], other[SHAPE_TEXT], name[32];
    da_array *b = NULL, *part = NULL;
    da_status status = DA_OK;

    DA_TRY(array_check_out(out, function));
    if (n < 1 || !arrays)
        return err_set(DA_ERROR_ARGUMENT, "%s: %d arrays are given", function, n);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "arrays[%d]", i);
        DA_TRY(array_check(arrays[i], function, name));
    }
    da_shape shape = array_shape_of(arrays[0]);
    const da_dtype dtype = common_dtype(n, arrays);
    const int ndim = shape.ndim + (fresh ? 1 : 0);
    if (ndim == 0)
        return err_set(DA_ERROR_SHAPE, "%s: arrays without dimensions have no axis to be joined along",
                       function);
    if (ndim > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: the result would have %d dimensions; an array has at most %d",
                       function, ndim, DA_MAX_NDIM);
    if (axis < -ndim || axis >= ndim)
        return err_set(DA_ERROR_INDEX, "%s: axis %d of a result of %d dimension%s", function, axis, ndim,
                       ndim == 1 ? "" : "s");
    if (axis < 0)
        axis += ndim;
    for (int i = 1; i < n; i++) {
        const da_shape own = array_shape_of(arrays[i]);
        bool same = own.ndim == arrays[0]->ndim;
        for (int d = 0; d < own.ndim && same; d++)
            same = own.dim[d] == shape.dim[d] || (!fresh && d == axis);
        if (!same) {
            const da_shape first = array_shape_of(arrays[0]);
            return err_set(DA_ERROR_SHAPE, "%s: arrays[%d] has shape %s, arrays[0] has %s", function, i,
                           shape_text(&own, one), shape_text(&first, other));
        }
        if (!fresh && !size_add(shape.dim[axis], own.dim[axis], &shape.dim[axis]))
            return err_set(DA_ERROR_OVERFLOW,
                           "%s: the extents along axis %d add up to more than 64 bits hold", function, axis);
    }
    if (fresh) {
        memmove(&shape.dim[axis + 1], &shape.dim[axis], (size_t)(ndim - 1 - axis) * sizeof shape.dim[0]);
        shape.dim[axis] = n;
        shape.ndim = ndim;
    }
    DA_TRY(array_check_shape(&shape, dtype, function));
    DA_TRY(array_new(&b, dtype, &shape, NULL, NULL));
    int64_t start[DA_MAX_NDIM] = {0};
    for (int i = 0; i < n && status == DA_OK; i++) {
        const da_array *a = arrays[i];
        da_array *view = NULL;
        int64_t count[DA_MAX_NDIM];
        memcpy(count, shape.dim, sizeof count);
        count[axis] = fresh ? 1 : a->shape[axis];
        status = array_view(&part, b);
        if (status == DA_OK && fresh)
            status = da_expand_dims(&view, a, axis);
        if (status == DA_OK) {
            array_box(part, start, count);
            status = array_copy_tasks(&batch, part, fresh ? view : a);
        }
        start[axis] += count[axis];
        da_array_release(&view);
        da_array_release(&part);
    }
    return finish_from(out, b, &batch, n, arrays, status);
}

da_status da_concat(da_array **out, int n, const da_array *const *arrays, int axis)
{
    return joined(out, n, arrays, axis, false, "da_concat");
}

da_status da_stack(da_array **out, int n, const da_array *const *arrays, int axis)
{
    return joined(out, n, arrays, axis, true, "da_stack");
}
