/* SPDX-License-Identifier: BSD-3-Clause */
/* Hermitian positive definite systems by Cholesky, from a matrix or from its factor: L y = b, L^H x = y. */
#include "linalg/linalg.h"
#include "linalg/products.h"

#include <darray/expr.h>
#include <inttypes.h>

#define SINGULAR "cholesky_solve: diagonal element %" PRId64 " of %" PRId64 " of the factor is zero"

/* x becomes a copy of b, with the leading axes that it shares with the factor, and then the solution. */
static da_status solve_with(operation *op, da_array **x, const da_array *factor, const da_array *b,
                            unsigned flags, const char *function)
{
    const unsigned turned = dtype_is_complex(b->s->dtype) ? DA_CONJ_TRANSPOSE : DA_TRANSPOSE;
    const unsigned first = flags & DA_UPPER ? DA_UPPER | turned : DA_LOWER;
    const unsigned second = flags & DA_UPPER ? DA_UPPER : DA_LOWER | turned;
    const da_array *source, *triangle;
    da_array *matrix = NULL;
    int64_t tile[DA_MAX_NDIM];
    da_shape shape;

    DA_TRY(as_matrix(op, &matrix, b, false));
    DA_TRY(common_lead(&shape, factor, matrix, function));
    DA_TRY(broadcast_lead(op, &source, matrix, &shape));
    rhs_tile(tile, source, false);
    DA_TRY(operation_copy(op, x, source, tile));
    for (int i = 0; i < 2; i++) {
        unsigned how = i == 0 ? first : second;

        DA_TRY(prepare_triangle(op, &triangle, &how, factor, NULL, *x));
        DA_TRY(solve_triangular_tasks(op, triangle, *x, how));
    }
    return DA_OK;
}

static da_status give(operation *op, da_array **out, const da_array *x, const da_array *a, const da_array *b)
{
    const da_array *const inputs[] = {a, b};
    da_array *result = NULL;

    DA_TRY(as_vector(op, &result, x, b->ndim == 1, false));
    return operation_result(op, out, result, 2, inputs);
}

static da_status build_from_factor(operation *op, da_array **out, const da_array *factor, const da_array *b,
                                   unsigned flags)
{
    da_array *x = NULL;

    DA_TRY(operation_fault(op, SINGULAR, rows_of(factor)));
    DA_TRY(solve_with(op, &x, factor, b, flags, "da_cholesky_solve"));
    return give(op, out, x, factor, b);
}

da_status da_cholesky_solve(da_array **x, const da_array *factor, const da_array *b, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(x, "da_cholesky_solve"));
    DA_TRY(check_system(factor, "factor", b, "da_cholesky_solve"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER, "da_cholesky_solve"));
    operation_begin(&op);
    return operation_finish(&op, build_from_factor(&op, x, factor, b, flags));
}

/* The lower triangle of a, of which the upper one is given: a view, or for complex numbers a copy. */
static da_status lower_of(operation *op, const da_array **out, const da_array *a)
{
    da_array *view = NULL, *conjugate = NULL;

    DA_TRY(operation_own(op, da_matrix_transpose(&view, a), &view));
    *out = view;
    if (dtype_is_complex(a->s->dtype)) {
        DA_TRY(operation_own(op, da_eval(&conjugate, da_conj(view)), &conjugate));
        *out = conjugate;
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **out, const da_array *a, const da_array *b, unsigned flags)
{
    const da_array *lower = a;
    da_array *w = NULL, *x = NULL;
    int64_t mb, nb;

    if (flags & DA_UPPER)
        DA_TRY(lower_of(op, &lower, a));
    DA_TRY(cholesky_begin(op, &w, lower, &mb, &nb));
    DA_TRY(cholesky_tasks(op, w, mb, nb));
    DA_TRY(solve_with(op, &x, w, b, DA_LOWER, "da_solve_definite"));
    return give(op, out, x, a, b);
}

da_status da_solve_definite(da_array **x, const da_array *a, const da_array *b, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(x, "da_solve_definite"));
    DA_TRY(check_system(a, "a", b, "da_solve_definite"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER, "da_solve_definite"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, x, a, b, flags));
}
