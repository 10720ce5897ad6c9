/* SPDX-License-Identifier: BSD-3-Clause */
/* What products in place share: factors, shapes, and where their result is computed. */
#include "linalg/products.h"

#include <math.h>

da_status factor_of(da_c128 *out, da_scalar x, da_dtype dtype, bool real, const char *function,
                    const char *name)
{
    const da_c128 z = x.kind_ == 1                   ? (da_c128){(double)x.v_.i, 0}
                      : x.kind_ == 2 || x.kind_ == 5 ? (da_c128){(double)x.v_.u, 0}
                                                     : x.v_.z;
    char text[40];

    snprintf(text, sizeof text, "%s: %s", function, name);
    DA_TRY(scalar_check(dtype, x, text));
    if (!da_kernels_take(dtype) && fabs(z.re) >= 0x1p53) /* 2^53 may have been 2^53 + 1 */
        return err_set(DA_ERROR_DTYPE, "%s: products of %s take factors of less than 2^53, not about %.0f",
                       text, da_dtype_name(dtype), z.re);
    if (real && z.im != 0)
        return err_set(DA_ERROR_DTYPE, "%s is %g%+gi; it must be real", text, z.re, z.im);
    *out = z;
    return DA_OK;
}

da_status check_lead(const da_array *a, const char *a_name, const da_array *c, const char *c_name,
                     const char *function)
{
    const int lead = a->ndim - 2;
    bool fits = a->ndim <= c->ndim;

    for (int d = 0; fits && d < lead; d++)
        fits = a->shape[d] == 1 || a->shape[d] == c->shape[c->ndim - a->ndim + d];
    if (!fits) {
        const da_shape as = array_shape_of(a), cs = array_shape_of(c);
        char a_text[SHAPE_TEXT], c_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE,
                       "%s: %s has shape %s; its leading axes do not broadcast to those of %s, %s", function,
                       a_name, shape_text(&as, a_text), c_name, shape_text(&cs, c_text));
    }
    return DA_OK;
}

da_status place_begin(operation *op, place *p, da_array *c, bool overwritten)
{
    const da_shape shape = array_shape_of(c);
    da_array *turned = NULL;

    *p = (place){.w = c};
    if (is_column_major(c))
        return DA_OK;
    DA_TRY(operation_own(op, da_matrix_transpose(&turned, c), &turned));
    if (is_column_major(turned)) {
        p->w = turned;
        p->transposed = true;
        return DA_OK;
    }
    p->copied = true;
    return overwritten ? operation_array(op, &p->w, c->s->dtype, &shape, NULL)
                       : operation_copy(op, &p->w, c, NULL);
}

da_status place_end(operation *op, const place *p, da_array *c, unsigned uplo)
{
    if (!p->copied)
        return DA_OK;
    if (uplo == 0)
        return array_copy_tasks(&op->batch, c, p->w);
    return copy_triangle(op, c, p->w, uplo, false, tile_step(p->w, p->w->ndim - 2),
                         tile_step(p->w, p->w->ndim - 1));
}

da_status column_major_untransposed(operation *op, const da_array **out, const da_array *a,
                                    const da_array *written)
{
    da_array *copy = NULL;
    unsigned trans;

    if (is_column_major(a))
        return column_major(op, out, &trans, a, written); /* copied only if it overlaps */
    DA_TRY(operation_copy(op, &copy, a, NULL));
    *out = copy;
    return DA_OK;
}
