/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles and views. */
#include "array/array.h"
#include <string.h>

static void release(void *pointer_address)
{
    da_array_release(pointer_address);
}

__attribute__((constructor)) static void register_arrays(void)
{
    handle_register(HANDLE_ARRAY, release);
}

/* ---- checks ---- */

da_status array_check(const da_array *a, const char *function, const char *argument)
{
    if (a && a->h.kind == HANDLE_ARRAY)
        return DA_OK;
    if (!a)
        return err_set(DA_ERROR_ARGUMENT, "%s: %s is null", function, argument);
    if (a->h.kind == HANDLE_FREE)
        return err_set(DA_ERROR_STALE, "%s: %s was released", function, argument);
    return err_set(DA_ERROR_ARGUMENT, "%s: %s is not an array", function, argument);
}

da_status array_check_out(const void *out, const char *function)
{
    return out ? DA_OK : err_set(DA_ERROR_ARGUMENT, "%s: the pointer for the result is null", function);
}

da_status array_check_shape(const da_shape *shape, da_dtype dtype, const char *function)
{
    int64_t bytes = (int64_t)da_dtype_size(dtype);
    char text[SHAPE_TEXT];

    if (!dtype_valid(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %d is no dtype", function, (int)dtype);
    if (shape->ndim < 0 || shape->ndim > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: %d dimensions; an array has 0 to %d", function, shape->ndim,
                       DA_MAX_NDIM);
    for (int k = 0; k < shape->ndim; k++)
        if (shape->dim[k] < 0)
            return err_set(DA_ERROR_SHAPE, "%s: extent %lld of axis %d is negative in the shape %s", function,
                           (long long)shape->dim[k], k, shape_text(shape, text));
    for (int k = 0; k < shape->ndim; k++)
        if (!size_mul(bytes, shape->dim[k] > 0 ? shape->dim[k] : 1, &bytes))
            return err_set(DA_ERROR_OVERFLOW,
                           "%s: an array of shape %s and dtype %s has more bytes than fit in 64 bits",
                           function, shape_text(shape, text), da_dtype_name(dtype));
    return DA_OK;
}

/* ---- handles ---- */

da_status array_of_storage(da_array **out, storage *s)
{
    da_array *a = handle_new(HANDLE_ARRAY, sizeof *a);
    if (!a) {
        rt_owner_release(&s->owner);
        return err_memory(sizeof *a, "an array's handle");
    }
    a->s = s;
    a->ndim = s->ndim;
    for (int k = 0; k < s->ndim; k++) {
        a->shape[k] = s->shape[k];
        a->axis[k] = k;
        a->step[k] = 1;
        a->origin[k] = 0;
    }
    *out = a;
    return DA_OK;
}

da_status array_view(da_array **out, const da_array *a)
{
    da_array *v = handle_new(HANDLE_ARRAY, sizeof *v);
    if (!v)
        return err_memory(sizeof *v, "a view");
    v->s = a->s;
    v->ndim = a->ndim;
    v->read_only = a->read_only;
    memcpy(v->shape, a->shape, (size_t)a->ndim * sizeof v->shape[0]);
    memcpy(v->axis, a->axis, (size_t)a->ndim * sizeof v->axis[0]);
    memcpy(v->step, a->step, (size_t)a->ndim * sizeof v->step[0]);
    memcpy(v->origin, a->origin, (size_t)a->s->ndim * sizeof v->origin[0]);
    rt_owner_retain(&v->s->owner);
    *out = v;
    return DA_OK;
}

void da_array_release(da_array **a)
{
    da_array *handle = a ? *a : NULL;
    if (!handle)
        return;
    *a = NULL;
    if (handle->h.kind != HANDLE_ARRAY || atomic_fetch_sub(&handle->h.refs, 1) != 1)
        return;
    if (handle->maps)
        array_unmap_all(handle);
    storage *s = handle->s;
    handle_free(handle, sizeof *handle);
    rt_owner_release(&s->owner);
}

da_status da_array_retain(da_array **out, const da_array *a)
{
    DA_TRY(array_check_out(out, "da_array_retain"));
    DA_TRY(array_check(a, "da_array_retain", "a"));
    da_array *handle = (da_array *)(uintptr_t)a;
    atomic_fetch_add(&handle->h.refs, 1);
    *out = handle;
    return DA_OK;
}

void da_array_move(da_array **dst, da_array **src)
{
    if (!dst || !src || dst == src)
        return;
    da_array *moved = *src;
    *src = NULL;
    da_array_release(dst);
    *dst = moved;
}

/* ---- questions ---- */

static bool is_array(const da_array *a)
{
    return a && a->h.kind == HANDLE_ARRAY;
}

int da_array_ndim(const da_array *a)
{
    return is_array(a) ? a->ndim : -1;
}

da_shape da_array_shape(const da_array *a)
{
    return is_array(a) ? array_shape_of(a) : (da_shape){-1, {0}};
}

int64_t da_array_size(const da_array *a)
{
    return is_array(a) ? array_count(a) : -1;
}

da_dtype da_array_dtype(const da_array *a)
{
    return is_array(a) ? a->s->dtype : (da_dtype)0;
}

da_shape da_array_blocks(const da_array *a)
{
    da_shape blocks = {-1, {0}};
    if (!is_array(a))
        return blocks;
    blocks.ndim = a->ndim;
    for (int d = 0; d < a->ndim; d++) {
        const int64_t most = a->shape[d] > 0 ? a->shape[d] : 1;
        int64_t extent = most;
        if (a->axis[d] >= 0) {
            const int64_t step = a->step[d] < 0 ? -a->step[d] : a->step[d];
            extent = step ? (a->s->tile[a->axis[d]] + step - 1) / step : most;
        }
        blocks.dim[d] = extent < most ? extent : most;
    }
    return blocks;
}

int64_t array_count(const da_array *a)
{
    int64_t count = 1;
    for (int d = 0; d < a->ndim; d++)
        count *= a->shape[d];
    return count;
}

da_shape array_shape_of(const da_array *a)
{
    da_shape shape = {a->ndim, {0}};
    memcpy(shape.dim, a->shape, (size_t)a->ndim * sizeof shape.dim[0]);
    return shape;
}

void *array_pointer(const da_array *a)
{
    const storage *s = a->s;
    int64_t offset = 0;
    for (int d = 0; d < a->ndim; d++)
        if (a->shape[d] == 0)
            return s->base;
    for (int k = 0; k < s->ndim; k++)
        offset += a->origin[k] * s->stride[k];
    return (char *)s->base + offset * (int64_t)da_dtype_size(s->dtype);
}

void array_strides(const da_array *a, int64_t *strides)
{
    for (int d = 0; d < a->ndim; d++)
        strides[d] = a->axis[d] < 0 ? 0 : a->step[d] * a->s->stride[a->axis[d]];
}

void array_box(da_array *view, const int64_t *start, const int64_t *count)
{
    for (int d = 0; d < view->ndim; d++) {
        if (view->axis[d] >= 0 && count[d] > 0)
            view->origin[view->axis[d]] += start[d] * view->step[d];
        view->shape[d] = count[d];
    }
}

/* ---- which elements two views have in common ---- */

/* The arithmetic progression of coordinates that a view takes on each storage axis: lo, lo + step, ..., hi. False if empty. */
typedef struct progression {
    int64_t lo, hi, step;
} progression;

static bool progressions(const da_array *a, progression *p)
{
    for (int k = 0; k < a->s->ndim; k++)
        p[k] = (progression){a->origin[k], a->origin[k], 1};
    for (int d = 0; d < a->ndim; d++) {
        const int k = a->axis[d];
        if (a->shape[d] == 0)
            return false;
        if (k < 0 || a->shape[d] == 1)
            continue;
        const int64_t other = a->origin[k] + (a->shape[d] - 1) * a->step[d];
        p[k].lo = other < a->origin[k] ? other : a->origin[k];
        p[k].hi = other < a->origin[k] ? a->origin[k] : other;
        p[k].step = a->step[d] < 0 ? -a->step[d] : a->step[d];
    }
    return true;
}

/* True if two progressions share a number: those of both are a progression of step lcm, if there are any. */
static bool meet(progression a, progression b)
{
    const int64_t lo = a.lo > b.lo ? a.lo : b.lo, hi = a.hi < b.hi ? a.hi : b.hi;
    if (lo > hi)
        return false;
    if (a.step == 1 && b.step == 1)
        return true;
    if (a.step < b.step) {
        const progression c = a;
        a = b;
        b = c;
    }
    /* Walk along the longer steps: after b.step of them the remainders repeat. */
    int64_t x = a.lo + (lo - a.lo + a.step - 1) / a.step * a.step;
    for (int64_t i = 0; i < b.step && x <= hi; i++, x += a.step) {
        if ((x - b.lo) % b.step == 0)
            return true;
        if (i > 100000)
            return true; /* not worth more */
    }
    return false;
}

/* The bytes [lo, hi) between which a view lies. */
static void byte_range(const da_array *a, const progression *p, const char **lo, const char **hi)
{
    const int64_t size = (int64_t)da_dtype_size(a->s->dtype);
    int64_t first = 0, last = 0;
    for (int k = 0; k < a->s->ndim; k++) {
        first += p[k].lo * a->s->stride[k];
        last += p[k].hi * a->s->stride[k];
    }
    *lo = (const char *)a->s->base + first * size;
    *hi = (const char *)a->s->base + (last + 1) * size;
}

bool array_overlaps(const da_array *a, const da_array *b)
{
    progression p[DA_MAX_NDIM], q[DA_MAX_NDIM];
    const char *alo, *ahi, *blo, *bhi;

    if (a->s != b->s && !(a->s->wrap && b->s->wrap))
        return false;
    if (!progressions(a, p) || !progressions(b, q))
        return false;
    if (a->s == b->s) {
        for (int k = 0; k < a->s->ndim; k++)
            if (!meet(p[k], q[k]))
                return false;
        return true;
    }
    byte_range(a, p, &alo, &ahi);
    byte_range(b, q, &blo, &bhi);
    return alo < bhi && blo < ahi;
}

bool array_identical(const da_array *a, const da_array *b)
{
    if (a == b)
        return true;
    if (a->s != b->s || a->ndim != b->ndim)
        return false;
    for (int d = 0; d < a->ndim; d++)
        if (a->shape[d] != b->shape[d] ||
            (a->shape[d] > 1 && (a->axis[d] != b->axis[d] || a->step[d] != b->step[d])))
            return false;
    for (int k = 0; k < a->s->ndim; k++)
        if (a->origin[k] != b->origin[k])
            return false;
    return true;
}

bool array_covers_storage(const da_array *a)
{
    bool walked[DA_MAX_NDIM] = {false};
    for (int d = 0; d < a->ndim; d++) {
        const int k = a->axis[d];
        if (a->shape[d] == 0)
            return a->s->ntiles == 0;
        if (k < 0)
            continue;
        if (a->shape[d] != a->s->shape[k])
            return false;
        walked[k] = true;
    }
    for (int k = 0; k < a->s->ndim; k++)
        if (!walked[k] && a->s->shape[k] != 1)
            return false;
    return true;
}
