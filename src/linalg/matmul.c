/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products: one task a block of the result, which multiplies whole rows with whole columns in one BLAS call, so blocks are as large as
 * keeps all workers busy. Transposed operands are flags; operands that BLAS cannot take are copied first.
 */
#include "linalg/products.h"
#include "linalg/tiles.h"

#include <inttypes.h>
#include <math.h>

/* Rows and columns of exactly `blocks` tiles that are nearest to twice as tall as wide: of many workers, those that wait for the last few tiles
 * are many. Leaves *rows and *columns alone where that gives bad shapes only. */
static void whole_rounds(double m, double n, int64_t blocks, double *rows, double *columns)
{
    double best = log(4.5); /* the shape's ratio, off what it should be */

    for (int64_t c = 1; c <= blocks; c++) {
        const double r = (double)(blocks / c), off = fabs(log(m / r / (n / (double)c) / 2));

        if (blocks % c == 0 && off < best) {
            best = off;
            *rows = r;
            *columns = (double)c;
        }
    }
}

static da_status run(da_array *const *inputs)
{
    DA_AUTO da_array *c = NULL;

    return da_matmul(&c, inputs[0], inputs[1]);
}

const tile_operation tile_matmul = {.name = "matmul", .ninputs = 2, .run = run};

/* `rated`: perhaps what the models say is faster. Tiles of a result with `depth` products an element: 2 a worker, 4 of more
 * than 4 workers, tall ones, none below 4 million operations. */
static void choose_tile(const da_shape *shape, da_dtype dtype, int64_t depth, bool rated, int64_t *mb,
                        int64_t *nb)
{
    const double m = (double)most(shape->dim[shape->ndim - 2], 1),
                 n = (double)most(shape->dim[shape->ndim - 1], 1);
    const int workers = rt_workers_for_shaping();
    const bool few = rt_few_workers();
    const double most_blocks = workers == 1 ? 1 : (few ? 2 : 4) * workers;
    const double many = fmin(fmax(2 * m * n * (double)depth / 4e6, 1), most_blocks);
    const double blocks = few ? ceil(many) : many;
    /* a block's part of a and of b is packed for it: for few workers whole columns, which pack all of a for each, cost least */
    const double wanted = few ? round(n / 64) : round(sqrt(blocks * 2 * n / m));
    double columns = fmin(fmax(wanted, 1), blocks), rows = ceil(blocks / columns);

    if (tile_forced(shape, mb, nb))
        return;
    const double flops = 2 * m * n * (double)depth;
    if (tasks_for_devices(&da_codelet_gemm, dtype, flops)) {
        *mb = device_step(shape->dim[shape->ndim - 2]);
        *nb = device_step(shape->dim[shape->ndim - 1]);
    } else {
        if (!few)
            whole_rounds(m, n, (int64_t)blocks, &rows, &columns);
        *mb = least(round_up((int64_t)ceil(m / rows), 8), 2048);
        *nb = least(round_up((int64_t)ceil(n / columns), 8), 1024);
    }
    if (rated && shape->ndim == 2)
        tile_rated(&tile_matmul, dtype, (tile_size){(int64_t)m, (int64_t)n, depth}, flops, mb, nb);
}

/* c = alpha a b + beta c for a column-major c; a and b have any strides, and leading axes that broadcast to c's. */
static da_status product_tasks(operation *op, da_array *c, da_c128 alpha, const da_array *a,
                               const da_array *b, da_c128 beta)
{
    const bool write_only = beta.re == 0 && beta.im == 0;
    const int64_t mb = tile_step(c, c->ndim - 2), nb = tile_step(c, c->ndim - 1);
    const int64_t depth = cols_of(a);
    const bool devices = tasks_for_devices(&da_codelet_gemm, c->s->dtype,
                                           2 * (double)rows_of(c) * (double)cols_of(c) * (double)depth);
    const da_c128 one = {1, 0};
    da_shape batch = array_shape_of(c);
    da_gemm_args args = {.alpha = alpha};
    int64_t kb = most(depth, 1);
    task_builder t;

    batch.ndim -= 2;
    DA_TRY(column_major(op, &a, &args.transa, a, c));
    DA_TRY(column_major(op, &b, &args.transb, b, c));
    DA_TRY(broadcast_lead(op, &a, a, &batch));
    DA_TRY(broadcast_lead(op, &b, b, &batch));
    if (devices) { /* steps along the depth, so that each operand is one tile */
        const da_shape shape = array_shape_of(a);
        int64_t other;

        kb = device_step(depth);
        if (args.transa)
            tile_forced(&shape, &kb, &other);
        else
            tile_forced(&shape, &other, &kb);
        DA_TRY(tiled_for(op, &a, a, args.transa ? kb : mb, args.transa ? mb : kb));
        DA_TRY(tiled_for(op, &b, b, args.transb ? nb : kb, args.transb ? kb : nb));
    }
    EACH_LEAD (at, c) {
        EACH_SPAN (j, 0, cols_of(c), nb) {
            EACH_SPAN (i, 0, rows_of(c), mb) {
                span k = span_from(0, depth, kb);

                do {
                    const bool first = k.at == 0;

                    args.beta = first ? beta : one;
                    task_begin(&t, &da_codelet_gemm);
                    access_block(&t, a, &at, args.transa ? k : i, args.transa ? i : k, DA_MODE_READ);
                    access_block(&t, b, &at, args.transb ? j : k, args.transb ? k : j, DA_MODE_READ);
                    access_block(&t, c, &at, i, j, first && write_only ? DA_MODE_WRITE : DA_MODE_READ_WRITE);
                    task_value(&t, &args, sizeof args);
                    DA_TRY(task_add(&t, &op->batch));
                    k = span_from(k.at + k.n, depth, kb);
                } while (k.n > 0);
            }
        }
    }
    return DA_OK;
}

/* ---- a a^T ---- */

/* From this order on, one triangle and its mirroring are faster than the whole product. */
enum { GRAM_LEAST = 256 };

/* Is b the transpose of a, and worth to be noticed? Conjugates are no views, so for complex numbers, too, a^T is meant. */
static bool is_gram(const da_array *a, const da_array *b)
{
    da_array turned;

    if (a->ndim < 2 || a->ndim != b->ndim || a->s != b->s || rows_of(a) < GRAM_LEAST ||
        !da_kernels_take(a->s->dtype))
        return false;
    turned = *b;
    for (int i = 0; i < 2; i++) {
        const int from = b->ndim - 1 - i, to = b->ndim - 2 + i;

        turned.shape[to] = b->shape[from];
        turned.axis[to] = b->axis[from];
        turned.step[to] = b->step[from];
    }
    return array_identical(a, &turned);
}

/* c = alpha a a^T for a column-major c: one triangle, which is then copied to the other. */
static da_status gram_tasks(operation *op, da_array *c, da_c128 alpha, const da_array *a)
{
    const da_rank_args args = {.uplo = DA_LOWER, .alpha = alpha};
    da_array *mirror = NULL;

    DA_TRY(rank_update_tasks(op, c, a, NULL, args));
    DA_TRY(operation_own(op, da_matrix_transpose(&mirror, c), &mirror));
    return copy_triangle(op, c, mirror, DA_UPPER, false, tile_step(c, c->ndim - 2),
                         tile_step(c, c->ndim - 1));
}

static da_status check_operand(const da_array *a, bool vector, const char *function, const char *name)
{
    char text[SHAPE_TEXT];

    DA_TRY(array_check(a, function, name));
    if (!da_kernels_multiply(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s is %s, which cannot be multiplied (see da_astype)", function,
                       name, da_dtype_name(a->s->dtype));
    if (a->ndim < (vector ? 1 : 2)) {
        const da_shape shape = array_shape_of(a);

        return err_set(DA_ERROR_SHAPE, "%s: %s has shape %s; it must be a %s", function, name,
                       shape_text(&shape, text), vector ? "vector or matrix" : "matrix");
    }
    return da_kernels_take(a->s->dtype) ? check_matrix(a, true, function, name) : DA_OK;
}

static da_status check_inner(const da_array *a, const da_array *b, const char *function)
{
    const int64_t k = b->ndim > 1 ? rows_of(b) : b->shape[0];
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

    DA_TRY(check_same_dtype(a, "a", b, "b", function));
    if (cols_of(a) != k) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);

        return err_set(DA_ERROR_SHAPE,
                       "%s: a has shape %s and b has shape %s; a's columns (%" PRId64
                       ") and b's rows (%" PRId64 ") differ",
                       function, shape_text(&as, a_text), shape_text(&bs, b_text), cols_of(a), k);
    }
    return DA_OK;
}

static da_status build_matmul(operation *op, da_array **out, const da_array *a, const da_array *b)
{
    const da_array *const inputs[] = {a, b};
    const da_c128 one = {1, 0}, zero = {0, 0};
    da_array *row = NULL, *column = NULL, *c = NULL, *result = NULL;
    int64_t tile[DA_MAX_NDIM], mb, nb;
    da_shape shape;

    if (a->ndim == 1) {
        DA_TRY(as_matrix(op, &row, a, true));
        a = row;
    }
    if (b->ndim == 1) {
        DA_TRY(as_matrix(op, &column, b, false));
        b = column;
    }
    DA_TRY(common_lead(&shape, a, b, "da_matmul"));
    shape.dim[shape.ndim++] = rows_of(a);
    shape.dim[shape.ndim++] = cols_of(b);
    choose_tile(&shape, a->s->dtype, cols_of(a), !is_gram(a, b), &mb, &nb);
    tile_with(tile, &shape, mb, nb);
    DA_TRY(operation_array(op, &c, a->s->dtype, &shape, tile));
    if (is_gram(a, b))
        DA_TRY(gram_tasks(op, c, one, a));
    else
        DA_TRY(product_tasks(op, c, one, a, b, zero));
    result = c;
    if (row || column)
        DA_TRY(operation_own(op,
                             da_squeeze(&result, c,
                                        row && column ? DA_AXES(-2, -1)
                                        : row         ? DA_AXES(-2)
                                                      : DA_AXES(-1)),
                             &result));
    return operation_result(op, out, result, 2, inputs);
}

da_status da_matmul(da_array **out, const da_array *a, const da_array *b)
{
    operation op;

    DA_TRY(array_check_out(out, "da_matmul"));
    DA_TRY(check_operand(a, true, "da_matmul", "a"));
    DA_TRY(check_operand(b, true, "da_matmul", "b"));
    DA_TRY(check_inner(a, b, "da_matmul"));
    operation_begin(&op);
    return operation_finish(&op, build_matmul(&op, out, a, b));
}

static da_status check_gemm(const da_array *c, const da_array *a, const da_array *b)
{
    const char *const function = "da_gemm";
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT], c_text[SHAPE_TEXT];
    da_shape lead;
    bool fits;

    DA_TRY(check_operand(c, false, function, "c"));
    DA_TRY(check_operand(a, false, function, "a"));
    DA_TRY(check_operand(b, false, function, "b"));
    DA_TRY(check_inner(a, b, function));
    DA_TRY(check_same_dtype(c, "c", a, "a", function));
    DA_TRY(check_writable(c, function, "c"));
    DA_TRY(common_lead(&lead, a, b, function));
    fits = rows_of(c) == rows_of(a) && cols_of(c) == cols_of(b) && lead.ndim <= c->ndim - 2;
    for (int d = 0; fits && d < lead.ndim; d++)
        fits = lead.dim[d] == 1 || lead.dim[d] == c->shape[c->ndim - 2 - lead.ndim + d];
    if (!fits) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b), cs = array_shape_of(c);

        return err_set(DA_ERROR_SHAPE,
                       "%s: a has shape %s and b has shape %s; their product does not fit c's %s", function,
                       shape_text(&as, a_text), shape_text(&bs, b_text), shape_text(&cs, c_text));
    }
    return DA_OK;
}

static da_status build_gemm(operation *op, da_array *c, da_c128 alpha, const da_array *a, const da_array *b,
                            da_c128 beta)
{
    const da_array *const inputs[] = {a, b};
    const bool overwritten = is_zero(beta);
    da_array *at = NULL, *bt = NULL;
    place p;

    DA_TRY(place_begin(op, &p, c, overwritten));
    if (overwritten && is_gram(a, b)) {
        DA_TRY(gram_tasks(op, p.w, alpha, a));
    } else if (p.transposed) { /* c^T = alpha b^T a^T + beta c^T */
        DA_TRY(operation_own(op, da_matrix_transpose(&at, a), &at));
        DA_TRY(operation_own(op, da_matrix_transpose(&bt, b), &bt));
        DA_TRY(product_tasks(op, p.w, alpha, bt, at, beta));
    } else {
        DA_TRY(product_tasks(op, p.w, alpha, a, b, beta));
    }
    DA_TRY(place_end(op, &p, c, 0));
    return operation_in_place(op, c, overwritten, is_zero(alpha) ? 0 : 2, inputs);
}

da_status(da_gemm)(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta)
{
    da_c128 alpha_z, beta_z;
    operation op;

    DA_TRY(check_gemm(c, a, b));
    DA_TRY(factor_of(&alpha_z, alpha, c->s->dtype, false, "da_gemm", "alpha"));
    DA_TRY(factor_of(&beta_z, beta, c->s->dtype, false, "da_gemm", "beta"));
    operation_begin(&op);
    return operation_finish(&op, build_gemm(&op, c, alpha_z, a, b, beta_z));
}
