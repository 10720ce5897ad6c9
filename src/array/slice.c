/* SPDX-License-Identifier: BSD-3-Clause */
/* Views: slices, permutations, flips, new axes, broadcasts. No element moves. */
#include "array/array.h"
#include <string.h>

/* An axis counted from the front; DA_ERROR_INDEX if there is none such among ndim. */
static da_status front_axis(int *out, int axis, int ndim, const char *function)
{
    if (axis < -ndim || axis >= ndim)
        return err_set(DA_ERROR_INDEX, "%s: axis %d of an array of %d dimension%s", function, axis, ndim,
                       ndim == 1 ? "" : "s");
    *out = axis < 0 ? axis + ndim : axis;
    return DA_OK;
}

/* A set of axes as marks; each at most once. */
static da_status mark_axes(bool *marks, const da_axes *axes, int ndim, const char *function)
{
    memset(marks, 0, DA_MAX_NDIM * sizeof *marks);
    if (axes->n < 0) {
        for (int d = 0; d < ndim; d++)
            marks[d] = true;
        return DA_OK;
    }
    for (int i = 0; i < axes->n; i++) {
        int d = 0;
        if (i >= DA_MAX_NDIM)
            return err_set(DA_ERROR_INDEX, "%s: %d axes of an array of %d dimensions", function, axes->n,
                           ndim);
        DA_TRY(front_axis(&d, axes->axis[i], ndim, function));
        if (marks[d])
            return err_set(DA_ERROR_INDEX, "%s: axis %d is given twice", function, axes->axis[i]);
        marks[d] = true;
    }
    return DA_OK;
}

/* start:stop:step on an extent, as Python clips it: the first index and the number. The step is not 0. */
static void resolve_range(const da_range *r, int64_t extent, int64_t *first, int64_t *count)
{
    const bool down = r->step_ < 0;
    const int64_t least = down ? -1 : 0, most = down ? extent - 1 : extent;
    int64_t start = down ? most : least, stop = down ? least : most;

    if (r->has_ & 1) {
        start = r->start_ < 0 ? (r->start_ < -extent ? least : r->start_ + extent) : r->start_;
        start = start < least ? least : start > most ? most : start;
    }
    if (r->has_ & 2) {
        stop = r->stop_ < 0 ? (r->stop_ < -extent ? least : r->stop_ + extent) : r->stop_;
        stop = stop < least ? least : stop > most ? most : stop;
    }
    const uint64_t distance = down           ? (start > stop ? (uint64_t)(start - stop) : 0)
                              : stop > start ? (uint64_t)(stop - start)
                                             : 0;
    const uint64_t step = down ? 0 - (uint64_t)r->step_ : (uint64_t)r->step_;
    *first = start;
    *count = distance == 0 ? 0 : (int64_t)((distance - 1) / step + 1);
}

da_status da_slice(da_array **out, const da_array *a, int n, const da_range *ranges)
{
    static const char function[] = "da_slice";
    int taken = 0, ellipsis = -1, axes = 0;
    da_array *v;
    da_array plan;
    char text[SHAPE_TEXT];

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    const da_shape shape = array_shape_of(a);
    if (n < 0 || (n > 0 && !ranges))
        return err_set(DA_ERROR_ARGUMENT, "%s: %d indices at %s", function, n,
                       ranges ? "an address" : "null");
    for (int i = 0; i < n; i++) {
        if (ranges[i].kind_ < 1 || ranges[i].kind_ > 4)
            return err_set(DA_ERROR_ARGUMENT, "%s: index %d is none", function, i);
        taken += ranges[i].kind_ <= 2;
        axes += ranges[i].kind_ == 1 || ranges[i].kind_ == 3;
        if (ranges[i].kind_ == 4) {
            if (ellipsis >= 0)
                return err_set(DA_ERROR_INDEX, "%s: more than one ellipsis", function);
            ellipsis = i;
        }
    }
    if (taken > a->ndim)
        return err_set(DA_ERROR_INDEX, "%s: %d indices for an array of %d dimension%s", function, taken,
                       a->ndim, a->ndim == 1 ? "" : "s");
    if (axes + a->ndim - taken > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: the view would have %d dimensions; an array has at most %d",
                       function, axes + a->ndim - taken, DA_MAX_NDIM);

    plan.ndim = 0;
    memcpy(plan.origin, a->origin, sizeof plan.origin);
    int d = 0;
    for (int i = 0; i <= n; i++) {
        /* what is missing is everything: at the ellipsis, or at the end */
        int whole = i == ellipsis || (i == n && ellipsis < 0) ? a->ndim - taken : 0;
        for (; whole > 0; whole--, d++, plan.ndim++) {
            plan.shape[plan.ndim] = a->shape[d];
            plan.axis[plan.ndim] = a->axis[d];
            plan.step[plan.ndim] = a->step[d];
        }
        if (i == n || ranges[i].kind_ == 4)
            continue;
        const da_range *r = &ranges[i];
        if (r->kind_ == 3) {
            plan.shape[plan.ndim] = 1;
            plan.axis[plan.ndim] = -1;
            plan.step[plan.ndim++] = 0;
            continue;
        }
        const int k = a->axis[d];
        if (r->kind_ == 2) {
            int64_t at = r->start_;
            if (at < -a->shape[d] || at >= a->shape[d])
                return err_set(DA_ERROR_INDEX, "%s: index %lld is out of bounds for axis %d with extent %lld",
                               function, (long long)at, d, (long long)a->shape[d]);
            if (at < 0)
                at += a->shape[d];
            if (k >= 0)
                plan.origin[k] += at * a->step[d];
        } else {
            int64_t first, count;
            if (r->step_ == 0)
                return err_set(DA_ERROR_INDEX, "%s: the step of axis %d in shape %s is 0", function, d,
                               shape_text(&shape, text));
            resolve_range(r, a->shape[d], &first, &count);
            plan.shape[plan.ndim] = count;
            plan.axis[plan.ndim] = k;
            plan.step[plan.ndim] = k < 0 ? 0 : count <= 1 ? a->step[d] : a->step[d] * r->step_;
            plan.ndim++;
            if (k >= 0 && count > 0)
                plan.origin[k] += first * a->step[d];
        }
        d++;
    }
    DA_TRY(array_view(&v, a));
    v->ndim = plan.ndim;
    memcpy(v->shape, plan.shape, (size_t)plan.ndim * sizeof v->shape[0]);
    memcpy(v->axis, plan.axis, (size_t)plan.ndim * sizeof v->axis[0]);
    memcpy(v->step, plan.step, (size_t)plan.ndim * sizeof v->step[0]);
    memcpy(v->origin, plan.origin, (size_t)a->s->ndim * sizeof v->origin[0]);
    *out = v;
    return DA_OK;
}

static da_status permuted(da_array **out, const da_array *a, const int *order)
{
    da_array *v;
    DA_TRY(array_view(&v, a));
    for (int d = 0; d < a->ndim; d++) {
        v->shape[d] = a->shape[order[d]];
        v->axis[d] = a->axis[order[d]];
        v->step[d] = a->step[order[d]];
    }
    *out = v;
    return DA_OK;
}

da_status da_permute_dims(da_array **out, const da_array *a, da_axes order)
{
    static const char function[] = "da_permute_dims";
    bool marks[DA_MAX_NDIM];
    int axes[DA_MAX_NDIM];

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    if (order.n != a->ndim)
        return err_set(DA_ERROR_INDEX, "%s: %d axes are given for an array of %d dimension%s", function,
                       order.n, a->ndim, a->ndim == 1 ? "" : "s");
    DA_TRY(mark_axes(marks, &order, a->ndim, function));
    for (int d = 0; d < a->ndim; d++)
        DA_TRY(front_axis(&axes[d], order.axis[d], a->ndim, function));
    return permuted(out, a, axes);
}

da_status da_matrix_transpose(da_array **out, const da_array *a)
{
    int axes[DA_MAX_NDIM];

    DA_TRY(array_check_out(out, "da_matrix_transpose"));
    DA_TRY(array_check(a, "da_matrix_transpose", "a"));
    if (a->ndim < 2)
        return err_set(DA_ERROR_SHAPE, "da_matrix_transpose: an array of %d dimension%s is no matrix",
                       a->ndim, a->ndim == 1 ? "" : "s");
    for (int d = 0; d < a->ndim; d++)
        axes[d] = d;
    axes[a->ndim - 2] = a->ndim - 1;
    axes[a->ndim - 1] = a->ndim - 2;
    return permuted(out, a, axes);
}

da_status da_flip(da_array **out, const da_array *a, da_axes axes)
{
    bool marks[DA_MAX_NDIM];
    da_array *v;

    DA_TRY(array_check_out(out, "da_flip"));
    DA_TRY(array_check(a, "da_flip", "a"));
    DA_TRY(mark_axes(marks, &axes, a->ndim, "da_flip"));
    DA_TRY(array_view(&v, a));
    for (int d = 0; d < a->ndim; d++)
        if (marks[d] && a->axis[d] >= 0 && a->shape[d] > 0) {
            v->origin[a->axis[d]] += (a->shape[d] - 1) * a->step[d];
            v->step[d] = -a->step[d];
        }
    *out = v;
    return DA_OK;
}

da_status da_expand_dims(da_array **out, const da_array *a, int axis)
{
    static const char function[] = "da_expand_dims";
    da_array *v;
    int at = 0;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    if (a->ndim == DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: the array has %d dimensions already, the most there may be",
                       function, a->ndim);
    DA_TRY(front_axis(&at, axis, a->ndim + 1, function));
    DA_TRY(array_view(&v, a));
    for (int d = a->ndim; d > at; d--) {
        v->shape[d] = v->shape[d - 1];
        v->axis[d] = v->axis[d - 1];
        v->step[d] = v->step[d - 1];
    }
    v->shape[at] = 1;
    v->axis[at] = -1;
    v->step[at] = 0;
    v->ndim++;
    *out = v;
    return DA_OK;
}

da_status da_squeeze(da_array **out, const da_array *a, da_axes axes)
{
    static const char function[] = "da_squeeze";
    bool marks[DA_MAX_NDIM];
    char text[SHAPE_TEXT];
    da_array *v;
    int n = 0;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    const da_shape shape = array_shape_of(a);
    DA_TRY(mark_axes(marks, &axes, a->ndim, function));
    for (int d = 0; d < a->ndim; d++) {
        if (axes.n < 0)
            marks[d] = a->shape[d] == 1; /* all that can go */
        else if (marks[d] && a->shape[d] != 1)
            return err_set(DA_ERROR_SHAPE, "%s: axis %d of shape %s has extent %lld, not 1", function, d,
                           shape_text(&shape, text), (long long)a->shape[d]);
    }
    DA_TRY(array_view(&v, a));
    for (int d = 0; d < a->ndim; d++) {
        if (marks[d])
            continue;
        v->shape[n] = a->shape[d];
        v->axis[n] = a->axis[d];
        v->step[n++] = a->step[d];
    }
    v->ndim = n;
    *out = v;
    return DA_OK;
}

da_status da_broadcast_to(da_array **out, const da_array *a, da_shape shape)
{
    static const char function[] = "da_broadcast_to";
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    da_array *v;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    DA_TRY(array_check_shape(&shape, a->s->dtype, function));
    const da_shape own = array_shape_of(a);
    const int more = shape.ndim - a->ndim;
    bool fits = more >= 0;
    for (int d = 0; d < a->ndim && fits; d++)
        fits = a->shape[d] == 1 || a->shape[d] == shape.dim[d + more];
    if (!fits)
        return err_set(DA_ERROR_SHAPE, "%s: shape %s does not broadcast to %s", function,
                       shape_text(&own, from), shape_text(&shape, to));
    DA_TRY(array_view(&v, a));
    for (int d = shape.ndim - 1; d >= 0; d--) {
        const int from_axis = d - more;
        const bool repeat = from_axis < 0 || a->shape[from_axis] != shape.dim[d];
        v->shape[d] = shape.dim[d];
        v->axis[d] = repeat ? -1 : a->axis[from_axis];
        v->step[d] = repeat ? 0 : a->step[from_axis];
        if (repeat && shape.dim[d] > 1)
            v->read_only = true;
    }
    v->ndim = shape.ndim;
    *out = v;
    return DA_OK;
}
