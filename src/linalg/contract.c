/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products of arrays by those of matrices, expressions and reductions: tensordot, vecdot, outer, matrix_power. Nothing here makes tasks
 * itself; intermediate arrays are released at once and live until their tasks are done.
 */
#include "linalg/linalg.h"
#include <darray/expr.h>

#include <inttypes.h>

/* ---- tensordot ---- */

/* The axes of `a` that are summed over, counted from the first, or an error. */
static da_status check_axes(da_axes *out, const da_array *a, da_axes axes, const char *name,
                            const char *function)
{
    bool seen[DA_MAX_NDIM] = {false};

    for (int i = 0; i < axes.n; i++) {
        const int d = axes.axis[i] < 0 ? axes.axis[i] + a->ndim : axes.axis[i];

        if (d < 0 || d >= a->ndim)
            return err_set(DA_ERROR_INDEX, "%s: axis %d of %s, which has %d", function, axes.axis[i], name,
                           a->ndim);
        if (seen[d])
            return err_set(DA_ERROR_INDEX, "%s: axis %d of %s is named twice", function, axes.axis[i], name);
        seen[d] = true;
        out->axis[i] = d;
    }
    out->n = axes.n;
    return DA_OK;
}

/* `a` as a matrix whose columns (or, with `first`, rows) are the axes that are summed over; the extents of the others are appended to
 * `rest`. A view where it is a matrix already. */
static da_status flatten(da_array **out, const da_array *a, da_axes summed, bool first, da_shape *rest)
{
    DA_AUTO da_array *turned = NULL;
    da_axes order = {.n = a->ndim};
    int64_t inner = 1, outer = 1;
    int free_axes = 0;

    for (int d = 0; d < a->ndim; d++) {
        bool is_summed = false;

        for (int i = 0; i < summed.n; i++)
            is_summed = is_summed || summed.axis[i] == d;
        if (is_summed)
            continue;
        order.axis[(first ? summed.n : 0) + free_axes++] = d;
        rest->dim[rest->ndim++] = a->shape[d];
        outer *= a->shape[d];
    }
    for (int i = 0; i < summed.n; i++) {
        order.axis[(first ? 0 : free_axes) + i] = summed.axis[i];
        inner *= a->shape[summed.axis[i]];
    }
    DA_TRY(da_permute_dims(&turned, a, order));
    if (free_axes == 1 && summed.n == 1)
        return array_view(out, turned);
    return da_reshape(out, turned, first ? DA_SHAPE(inner, outer) : DA_SHAPE(outer, inner));
}

static da_status contract(da_array **out, const da_array *a, const da_array *b, da_axes a_axes,
                          da_axes b_axes, const char *function)
{
    DA_AUTO da_array *left = NULL, *right = NULL, *c = NULL;
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];
    da_axes as, bs;
    da_shape shape = {0}, a_shape, b_shape;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    DA_TRY(array_check(b, function, "b"));
    DA_TRY(check_same_dtype(a, "a", b, "b", function));
    if (!da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: a is %s, which cannot be multiplied (see da_astype)", function,
                       da_dtype_name(a->s->dtype));
    if (a_axes.n < 0 || b_axes.n < 0 || a_axes.n != b_axes.n)
        return err_set(DA_ERROR_SHAPE, "%s: %d axes of a and %d of b; they are pairs", function, a_axes.n,
                       b_axes.n);
    DA_TRY(check_axes(&as, a, a_axes, "a", function));
    DA_TRY(check_axes(&bs, b, b_axes, "b", function));
    a_shape = array_shape_of(a);
    b_shape = array_shape_of(b);
    for (int i = 0; i < as.n; i++)
        if (a->shape[as.axis[i]] != b->shape[bs.axis[i]])
            return err_set(
                DA_ERROR_SHAPE, "%s: a has shape %s and b has shape %s; a's axis %d and b's axis %d differ",
                function, shape_text(&a_shape, a_text), shape_text(&b_shape, b_text), as.axis[i], bs.axis[i]);
    if (a->ndim + b->ndim - 2 * as.n > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "%s: the result would have %d axes; %d are possible", function,
                       a->ndim + b->ndim - 2 * as.n, DA_MAX_NDIM);
    DA_TRY(flatten(&left, a, as, false, &shape));
    DA_TRY(flatten(&right, b, bs, true, &shape));
    if (shape.ndim == 2 && a->ndim - as.n == 1)
        return da_matmul(out, left, right);
    DA_TRY(da_matmul(&c, left, right));
    return da_reshape(out, c, shape);
}

da_status da_tensordot_axes(da_array **out, const da_array *a, const da_array *b, da_axes a_axes,
                            da_axes b_axes)
{
    return contract(out, a, b, a_axes, b_axes, "da_tensordot_axes");
}

da_status da_tensordot(da_array **out, const da_array *a, const da_array *b, int axes)
{
    da_axes last = {.n = axes}, first = {.n = axes};

    DA_TRY(array_check(a, "da_tensordot", "a"));
    DA_TRY(array_check(b, "da_tensordot", "b"));
    if (axes < 0 || axes > a->ndim || axes > b->ndim)
        return err_set(DA_ERROR_INDEX, "da_tensordot: %d axes of arrays that have %d and %d", axes, a->ndim,
                       b->ndim);
    for (int i = 0; i < axes; i++) {
        last.axis[i] = a->ndim - axes + i;
        first.axis[i] = i;
    }
    return contract(out, a, b, last, first, "da_tensordot");
}

/* ---- vecdot, outer ---- */

da_status da_vecdot(da_array **out, const da_array *a, const da_array *b, int axis)
{
    DA_AUTO da_array *sum = NULL;
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];
    da_shape a_shape, b_shape;
    da_dtype dtype;

    DA_TRY(array_check_out(out, "da_vecdot"));
    DA_TRY(array_check(a, "da_vecdot", "a"));
    DA_TRY(array_check(b, "da_vecdot", "b"));
    if (axis >= 0 || axis < -a->ndim || axis < -b->ndim)
        return err_set(DA_ERROR_INDEX,
                       "da_vecdot: axis %d of arrays that have %d and %d; it is counted from the last, -1",
                       axis, a->ndim, b->ndim);
    for (int d = -1; d >= -a->ndim && d >= -b->ndim; d--) {
        const int64_t m = a->shape[a->ndim + d], n = b->shape[b->ndim + d];

        if (m == n || (d != axis && (m == 1 || n == 1)))
            continue;
        a_shape = array_shape_of(a);
        b_shape = array_shape_of(b);
        return err_set(DA_ERROR_SHAPE, "da_vecdot: a has shape %s and b has shape %s; their axes %d differ",
                       shape_text(&a_shape, a_text), shape_text(&b_shape, b_text), d);
    }
    dtype = dtype_promote(a->s->dtype, b->s->dtype);
    DA_TRY(da_sum(&sum, dtype_is_complex(a->s->dtype) ? da_multiply(da_conj(a), b) : da_multiply(a, b),
                  DA_AXES(axis), 0));
    /* sums of small integers and of bool are wider: here they wrap, or are true if not 0 */
    return sum->s->dtype == dtype ? da_array_retain(out, sum) : da_astype(out, sum, dtype);
}

da_status da_outer(da_array **out, const da_array *a, const da_array *b)
{
    DA_AUTO da_array *column = NULL;

    DA_TRY(array_check_out(out, "da_outer"));
    DA_TRY(array_check(a, "da_outer", "a"));
    DA_TRY(array_check(b, "da_outer", "b"));
    if (a->ndim != 1 || b->ndim != 1) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);
        char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "da_outer: a has shape %s and b has shape %s; they must be vectors",
                       shape_text(&as, a_text), shape_text(&bs, b_text));
    }
    DA_TRY(da_expand_dims(&column, a, 1));
    return da_eval(out, da_multiply(column, b));
}

/* ---- matrix_power ---- */

/* a^-1, or the identity */
static da_status identity_or_inverse(da_array **out, const da_array *a, bool inverse)
{
    DA_AUTO da_array *eye = NULL, *all = NULL;

    DA_TRY(da_eye(&eye, a->s->dtype, rows_of(a), rows_of(a), 0));
    if (inverse)
        return da_solve(out, a, eye);
    DA_TRY(da_broadcast_to(&all, eye, array_shape_of(a)));
    return da_copy(out, all);
}

da_status da_matrix_power(da_array **out, const da_array *a, int64_t n)
{
    DA_AUTO da_array *square = NULL, *power = NULL, *next = NULL;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    DA_TRY(array_check_out(out, "da_matrix_power"));
    DA_TRY(array_check(a, "da_matrix_power", "a"));
    if (a->ndim < 2) {
        const da_shape shape = array_shape_of(a);
        char text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "da_matrix_power: a has shape %s; it must be a matrix",
                       shape_text(&shape, text));
    }
    DA_TRY(check_square(a, "da_matrix_power", "a"));
    if (n < 0 ? !da_kernels_take(a->s->dtype) : !da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "da_matrix_power: a is %s, of which there is no power %" PRId64,
                       da_dtype_name(a->s->dtype), n);
    if (n == 0)
        return identity_or_inverse(out, a, false);
    if (n < 0)
        DA_TRY(identity_or_inverse(&square, a, true));
    else
        DA_TRY(da_array_retain(&square, a));
    for (;;) { /* a^n = power * square^rest */
        if (rest % 2 == 1 && !power) {
            DA_TRY(da_array_retain(&power, square));
        } else if (rest % 2 == 1) {
            DA_TRY(da_matmul(&next, power, square));
            da_array_move(&power, &next);
        }
        rest /= 2;
        if (rest == 0)
            break;
        DA_TRY(da_matmul(&next, square, square));
        da_array_move(&square, &next);
    }
    if (n == 1)
        return da_copy(out, a);
    *out = power;
    power = NULL;
    return DA_OK;
}
