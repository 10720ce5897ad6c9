/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triangular products, b = alpha op(t) b or alpha b op(t), in place: as solve_triangular.c, side by side for blocks of columns, and along
 * the triangle from the end, so that what a block takes from others has not been changed yet.
 */
#include "linalg/products.h"

static da_status run(da_array *const *inputs)
{
    DA_AUTO da_array *x = NULL;

    DA_TRY(da_copy(&x, inputs[1]));
    return da_trmm(inputs[0], x, 1, DA_LOWER);
}

const tile_operation tile_trmm = {.name = "trmm", .ninputs = 2, .square = true, .columns = true, .run = run};

static da_status triangular_product_tasks(operation *op, const da_array *t, da_array *x, da_c128 alpha,
                                          unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const unsigned trans = flags & (DA_TRANSPOSE | DA_CONJ_TRANSPOSE);
    const bool lower = ((flags & DA_UPPER) == 0) == (trans == 0); /* op(t) is */
    const bool before = lower != right;                           /* a block takes from those before it */
    const int64_t n = rows_of(t), rhs = right ? rows_of(x) : cols_of(x);
    const bool devices = triangular_for_devices(x, n);
    int64_t width;
    const int64_t block = triangular_steps(&tile_trmm, x, right, &width), steps = (n + block - 1) / block;
    const da_trsm_args product = {.flags = flags, .alpha = alpha};
    const da_gemm_args rest = {
        .transa = right ? 0 : trans, .transb = right ? trans : 0, .alpha = alpha, .beta = {1, 0}};
    task_builder task;

    if (devices)
        DA_TRY(tiled_for(op, &t, t, block, block));
    EACH_LEAD (at, x) {
        for (int64_t step = 0; step < steps; step++) {
            const span i = span_from((before ? steps - 1 - step : step) * block, n, block);
            const int64_t first = before ? 0 : i.at + i.n, last = before ? i.at : n;

            EACH_SPAN (p, 0, rhs, width) {
                task_begin(&task, &da_codelet_trmm);
                access_block(&task, t, &at, i, i, DA_MODE_READ);
                access_block(&task, x, &at, right ? p : i, right ? i : p, DA_MODE_READ_WRITE);
                task_value(&task, &product, sizeof product);
                DA_TRY(task_add(&task, &op->batch));
                EACH_SPAN (k, first, last, devices ? block : n) {
                    const bool i_first = right == (trans != 0);

                    task_begin(&task, &da_codelet_gemm);
                    if (right)
                        access_block(&task, x, &at, p, k, DA_MODE_READ);
                    access_block(&task, t, &at, i_first ? i : k, i_first ? k : i, DA_MODE_READ);
                    if (!right)
                        access_block(&task, x, &at, k, p, DA_MODE_READ);
                    access_block(&task, x, &at, right ? p : i, right ? i : p, DA_MODE_READ_WRITE);
                    task_value(&task, &rest, sizeof rest);
                    DA_TRY(task_add(&task, &op->batch));
                }
            }
        }
    }
    return DA_OK;
}

static da_status build(operation *op, const da_array *t, da_array *b, da_c128 alpha, unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const da_array *triangle;
    da_array *matrix = NULL, *x = NULL;
    int64_t tile[DA_MAX_NDIM];

    if (is_zero(alpha)) {
        DA_TRY(array_fill_tasks(&op->batch, b, DA_NUMBER(0)));
        return operation_in_place(op, b, true, 0, NULL);
    }
    DA_TRY(as_matrix(op, &matrix, b, right));
    DA_TRY(prepare_triangle(op, &triangle, &flags, t, b, matrix));
    rhs_tile(tile, matrix, right);
    if (triangular_in_place(matrix, tile, rows_of(t))) {
        DA_TRY(triangular_product_tasks(op, triangle, matrix, alpha, flags));
    } else {
        DA_TRY(operation_copy(op, &x, matrix, tile));
        DA_TRY(triangular_product_tasks(op, triangle, x, alpha, flags));
        DA_TRY(array_copy_tasks(&op->batch, matrix, x));
    }
    return operation_in_place(op, b, false, 1, &t);
}

da_status(da_trmm)(const da_array *t, da_array *b, da_scalar alpha, unsigned flags)
{
    da_c128 factor;
    operation op;

    DA_TRY(check_triangular(t, b, flags, "da_trmm"));
    DA_TRY(check_writable(b, "da_trmm", "b"));
    DA_TRY(check_triangles(t, b, "da_trmm"));
    DA_TRY(factor_of(&factor, alpha, b->s->dtype, false, "da_trmm", "alpha"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, t, b, factor, flags));
}
