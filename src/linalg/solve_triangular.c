/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triangular solves, op(t) x = b or x op(t) = b: blocked substitution along the triangle, side by side for blocks of right-hand sides.
 * With enough right-hand sides for all workers a block is the whole triangle, one BLAS call a task.
 */
#include "linalg/products.h"

#include <inttypes.h>

#define SINGULAR "solve_triangular: diagonal element %" PRId64 " of %" PRId64 " is zero"

enum { SOLVE_FLAGS = DA_LOWER | DA_UPPER | DA_UNIT | DA_TRANSPOSE | DA_CONJ_TRANSPOSE | DA_RIGHT };

static da_status run(da_array *const *inputs)
{
    DA_AUTO da_array *x = NULL;

    return da_solve_triangular(&x, inputs[0], inputs[1], DA_LOWER);
}

const tile_operation tile_solve_triangular = {
    .name = "solve_triangular", .ninputs = 2, .square = true, .definite = true, .run = run};

static da_status run_in_place(da_array *const *inputs)
{
    DA_AUTO da_array *x = NULL;

    DA_TRY(da_copy(&x, inputs[1]));
    return da_trsm(inputs[0], x, 1, DA_LOWER);
}

const tile_operation tile_trsm = {
    .name = "trsm", .ninputs = 2, .square = true, .definite = true, .columns = true, .run = run_in_place};

bool triangular_for_devices(const da_array *x, int64_t n)
{
    return tasks_for_devices(&da_codelet_gemm, x->s->dtype,
                             (double)n * (double)rows_of(x) * (double)cols_of(x));
}

int64_t triangular_block(const da_array *x, int64_t n, int64_t rhs)
{
    const int64_t workers = rt_workers_for_shaping();
    const da_shape shape = array_shape_of(x);
    int64_t mb, nb;

    if (tile_forced(&shape, &mb, &nb))
        return mb;
    if (triangular_for_devices(x, n))
        return device_step(n);
    return n <= 256 || rhs >= 128 * workers ? most(n, 1) : 256;
}

void rhs_tile(int64_t *tile, const da_array *b, bool right)
{
    const int64_t n = right ? cols_of(b) : rows_of(b), rhs = right ? rows_of(b) : cols_of(b);
    const int64_t share = (rhs + 4 * rt_workers_for_shaping() - 1) / (4 * rt_workers_for_shaping());
    const int64_t block = triangular_block(b, n, rhs);
    const da_shape shape = array_shape_of(b);
    int64_t width = least(most(round_up(share, 8), 64), 512), other;

    if (triangular_for_devices(b, n))
        width = device_step(rhs);
    if (right)
        tile_forced(&shape, &width, &other);
    else
        tile_forced(&shape, &other, &width);
    tile_with(tile, &shape, right ? width : block, right ? block : width);
}

/* Rows of an update where there are devices: as many as lie in one tile of the triangle, along its axis down, and of x. */
static int64_t update_rows(const da_array *t, int down, const da_array *x, int x_down, int64_t block)
{
    const int64_t both = least(tile_step(t, down), tile_step(x, x_down));

    return both > block && pieces_in_tiles(t, down, both) && pieces_in_tiles(x, x_down, both) ? both : block;
}

int64_t triangular_steps(const tile_operation *operation, const da_array *x, bool right, int64_t *width)
{
    const int across = right ? x->ndim - 2 : x->ndim - 1;
    const int64_t n = right ? cols_of(x) : rows_of(x), rhs = x->shape[across];
    int64_t block = triangular_block(x, n, rhs);

    *width = tile_step(x, across);
    if (!right && !triangular_for_devices(x, n))
        tile_rated_in_place(operation, x, n, (double)n * (double)n * (double)rhs, &block, width);
    return block;
}

/* solve_triangular_tasks() with a factor of the right-hand sides, in steps of `chosen`, for so many of them at a time. */
static da_status scaled_tasks(operation *op, const da_array *t, da_array *x, da_c128 alpha, int64_t chosen,
                              int64_t width, unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const unsigned trans = flags & (DA_TRANSPOSE | DA_CONJ_TRANSPOSE);
    const bool lower = ((flags & DA_UPPER) == 0) == (trans == 0); /* op(t) is */
    const bool forwards = lower != right;                         /* the first unknowns come first */
    const int64_t n = rows_of(t), rhs = right ? rows_of(x) : cols_of(x);
    const bool devices = triangular_for_devices(x, n);
    const int64_t own = tile_step(t, t->ndim - 1);
    const int64_t block =
        devices && chosen % own == 0 && own >= 256 ? own : chosen; /* LU's factors have panels */
    const int64_t steps = (n + block - 1) / block;
    int64_t tall = most(round_up(n / (2 * rt_workers_for_shaping()), block), block); /* rows of an update */
    const da_c128 one = {1, 0};
    task_builder task;

    if (devices) {
        DA_TRY(tiled_for(op, &t, t, block, block));
        tall = update_rows(t, right == (trans != 0) ? t->ndim - 2 : t->ndim - 1, x,
                           right ? x->ndim - 1 : x->ndim - 2, block);
    }
    EACH_LEAD (at, x) {
        for (int64_t step = 0; step < steps; step++) {
            const span k = span_from((forwards ? step : steps - 1 - step) * block, n, block);
            const int64_t first = forwards ? k.at + k.n : 0, last = forwards ? n : k.at; /* still unknown */
            const da_c128 factor = step == 0 ? alpha : one; /* of what nothing was done to before */
            const da_trsm_checked_args solve = {.trsm = {.flags = flags, .alpha = factor}, .offset = k.at};
            const da_gemm_args update = {
                .transa = right ? 0 : trans, .transb = right ? trans : 0, .alpha = {-1, 0}, .beta = factor};

            EACH_SPAN (p, 0, rhs, width) {
                task_begin(&task, &da_codelet_trsm_checked);
                access_block(&task, t, &at, k, k, DA_MODE_READ);
                access_block(&task, x, &at, right ? p : k, right ? k : p, DA_MODE_READ_WRITE);
                task_value(&task, &solve, sizeof solve);
                task_fault(&task, op->fault, 0);
                task_priority(&task, 1);
                DA_TRY(task_add(&task, &op->batch));
            }
            EACH_SPAN (i, first, last, tall) {
                EACH_SPAN (p, 0, rhs, width) {
                    const span tr = right == (trans != 0) ? i : k, tc = right == (trans != 0) ? k : i;

                    task_begin(&task, &da_codelet_gemm);
                    if (right) {
                        access_block(&task, x, &at, p, k, DA_MODE_READ);
                        access_block(&task, t, &at, tr, tc, DA_MODE_READ);
                        access_block(&task, x, &at, p, i, DA_MODE_READ_WRITE);
                    } else {
                        access_block(&task, t, &at, tr, tc, DA_MODE_READ);
                        access_block(&task, x, &at, k, p, DA_MODE_READ);
                        access_block(&task, x, &at, i, p, DA_MODE_READ_WRITE);
                    }
                    task_value(&task, &update, sizeof update);
                    DA_TRY(task_add(&task, &op->batch));
                }
            }
        }
    }
    return DA_OK;
}

da_status solve_triangular_tasks(operation *op, const da_array *t, da_array *x, unsigned flags)
{
    const int across = flags & DA_RIGHT ? x->ndim - 2 : x->ndim - 1;

    return scaled_tasks(op, t, x, (da_c128){1, 0}, triangular_block(x, rows_of(t), x->shape[across]),
                        tile_step(x, across), flags);
}

/* rhs_tile() and triangular_block(), or what the models say is faster, from the right as from the left. */
static void choose_tile(int64_t *tile, int64_t *block, int64_t *width, const da_array *b, bool right)
{
    const int across = right ? b->ndim - 2 : b->ndim - 1;
    const int64_t n = right ? cols_of(b) : rows_of(b), rhs = b->shape[across];
    const da_shape shape = array_shape_of(b);
    int64_t other;

    rhs_tile(tile, b, right);
    *width = tile[across];
    *block = triangular_block(b, n, rhs);
    if (b->ndim > 2 || tile_forced(&shape, &other, &other))
        return;
    tile_rated(&tile_solve_triangular, b->s->dtype, (tile_size){n, rhs, n},
               (double)n * (double)n * (double)rhs, block, width);
    tile_with(tile, &shape, right ? *width : *block, right ? *block : *width);
}

da_status prepare_triangle(operation *op, const da_array **out, unsigned *flags, const da_array *t,
                           const da_array *written, const da_array *x)
{
    const bool is_complex = dtype_is_complex(t->s->dtype);
    da_shape shape = array_shape_of(x);
    da_array *copy = NULL;
    unsigned trans;

    if (!is_complex && (*flags & DA_CONJ_TRANSPOSE))
        *flags ^= DA_CONJ_TRANSPOSE | DA_TRANSPOSE;
    if ((*flags & DA_CONJ_TRANSPOSE) && !is_column_major(t)) { /* the transpose's conjugate is not BLAS's */
        DA_TRY(operation_copy(op, &copy, t, NULL));
        t = copy;
    }
    DA_TRY(column_major(op, out, &trans, t, written));
    if (trans)
        *flags ^= DA_TRANSPOSE | DA_LOWER | DA_UPPER;
    shape.ndim -= 2;
    return broadcast_lead(op, out, *out, &shape);
}

da_status check_triangular(const da_array *t, const da_array *b, unsigned flags, const char *function)
{
    const char *const names = flags & DA_RIGHT ? "columns" : "rows";
    char t_text[SHAPE_TEXT], b_text[SHAPE_TEXT];
    da_shape ts, bs;

    DA_TRY(check_matrix(t, false, function, "t"));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_square(t, function, "t"));
    DA_TRY(check_same_dtype(t, "t", b, "b", function));
    DA_TRY(check_flags(flags, SOLVE_FLAGS, function));
    if (!(flags & (DA_LOWER | DA_UPPER)))
        return err_set(DA_ERROR_ARGUMENT, "%s: neither DA_UPPER nor DA_LOWER is given", function);
    if (rows_of(t) != (b->ndim > 1 && !(flags & DA_RIGHT) ? rows_of(b) : cols_of(b))) {
        ts = array_shape_of(t);
        bs = array_shape_of(b);
        return err_set(DA_ERROR_SHAPE, "%s: t has shape %s and b has shape %s; b must have as many %s as t",
                       function, shape_text(&ts, t_text), shape_text(&bs, b_text),
                       b->ndim > 1 ? names : "elements");
    }
    return DA_OK;
}

static da_status build(operation *op, da_array **out, const da_array *t, const da_array *b, unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const da_array *const inputs[] = {t, b}, *source, *triangle;
    da_array *matrix = NULL, *x = NULL, *result = NULL;
    da_shape shape;
    int64_t tile[DA_MAX_NDIM], block, width;

    DA_TRY(as_matrix(op, &matrix, b, right));
    DA_TRY(common_lead(&shape, t, matrix, "da_solve_triangular"));
    DA_TRY(broadcast_lead(op, &source, matrix, &shape));
    choose_tile(tile, &block, &width, source, right);
    DA_TRY(operation_copy(op, &x, source, tile));
    DA_TRY(prepare_triangle(op, &triangle, &flags, t, NULL, x));
    DA_TRY(operation_fault(op, SINGULAR, rows_of(t)));
    DA_TRY(scaled_tasks(op, triangle, x, (da_c128){1, 0}, block, width, flags));
    DA_TRY(as_vector(op, &result, x, b->ndim == 1, right));
    return operation_result(op, out, result, 2, inputs);
}

da_status da_solve_triangular(da_array **x, const da_array *t, const da_array *b, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(x, "da_solve_triangular"));
    DA_TRY(check_triangular(t, b, flags, "da_solve_triangular"));
    operation_begin(&op);
    return operation_finish(&op, build(&op, x, t, b, flags));
}

bool triangular_in_place(const da_array *x, const int64_t *tile, int64_t n)
{
    const int row = x->ndim - 2, column = x->ndim - 1;

    return is_column_major(x) &&
           (!triangular_for_devices(x, n) ||
            (pieces_in_tiles(x, row, tile[row]) && pieces_in_tiles(x, column, tile[column])));
}

da_status check_triangles(const da_array *t, const da_array *b, const char *function)
{
    const int lead = t->ndim - 2, own = b->ndim > 2 ? b->ndim - 2 : 0;
    bool fits = lead <= own;

    for (int d = 0; fits && d < lead; d++)
        fits = t->shape[d] == 1 || t->shape[d] == b->shape[own - lead + d];
    if (!fits) {
        const da_shape ts = array_shape_of(t), bs = array_shape_of(b);
        char t_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "%s: t of shape %s has more matrices than b of shape %s", function,
                       shape_text(&ts, t_text), shape_text(&bs, b_text));
    }
    return DA_OK;
}

static da_status build_in_place(operation *op, const da_array *t, da_array *b, da_c128 alpha, unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const da_array *triangle;
    da_array *matrix = NULL, *x = NULL;
    int64_t tile[DA_MAX_NDIM], block, width;

    if (is_zero(alpha)) {
        DA_TRY(array_fill_tasks(&op->batch, b, DA_NUMBER(0)));
        return operation_in_place(op, b, true, 0, NULL);
    }
    DA_TRY(as_matrix(op, &matrix, b, right));
    DA_TRY(prepare_triangle(op, &triangle, &flags, t, b, matrix));
    DA_TRY(operation_fault(op, SINGULAR, rows_of(t)));
    rhs_tile(tile, matrix, right);
    if (triangular_in_place(matrix, tile, rows_of(t))) {
        block = triangular_steps(&tile_trsm, matrix, right, &width);
        DA_TRY(scaled_tasks(op, triangle, matrix, alpha, block, width, flags));
    } else {
        choose_tile(tile, &block, &width, matrix, right);
        DA_TRY(operation_copy(op, &x, matrix, tile));
        DA_TRY(scaled_tasks(op, triangle, x, alpha, block, width, flags));
        DA_TRY(array_copy_tasks(&op->batch, matrix, x));
    }
    return operation_in_place(op, b, false, 1, &t);
}

static da_status in_place(const da_array *t, da_array *b, da_scalar alpha, unsigned flags,
                          const char *function)
{
    da_c128 factor;
    operation op;

    DA_TRY(check_triangular(t, b, flags, function));
    DA_TRY(check_writable(b, function, "b"));
    DA_TRY(check_triangles(t, b, function));
    DA_TRY(factor_of(&factor, alpha, b->s->dtype, false, function, "alpha"));
    operation_begin(&op);
    return operation_finish(&op, build_in_place(&op, t, b, factor, flags));
}

da_status da_solve_triangular_inplace(const da_array *t, da_array *b, unsigned flags)
{
    return in_place(t, b, DA_NUMBER(1), flags, "da_solve_triangular_inplace");
}

da_status(da_trsm)(const da_array *t, da_array *b, da_scalar alpha, unsigned flags)
{
    return in_place(t, b, alpha, flags, "da_trsm");
}
