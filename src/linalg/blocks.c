/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of matrices as operands, checks of arguments, and views that BLAS can take. */
#include "linalg/linalg.h"

#include "codelets/blas.h"
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

/* ---- blocks ---- */

int64_t lead_chunk(const da_shape *shape)
{
    const int64_t enough = 32 * 1024; /* elements that make a task worth its overhead */
    const int64_t *dim = shape->dim + shape->ndim;
    const int64_t size = most(dim[-2], 1) * most(dim[-1], 1);
    const int64_t share = 2 * rt_workers_for_shaping();

    if (shape->ndim < 3)
        return 1;
    return most(least(enough / size, (dim[-3] + share - 1) / share), 1);
}

lead lead_first(const da_array *a)
{
    const da_shape shape = array_shape_of(a);
    lead at;

    at.ndim = a->ndim - 2;
    at.more = true;
    at.chunk = lead_chunk(&shape);
    for (int d = 0; d < at.ndim; d++) {
        at.shape[d] = a->shape[d];
        at.start[d] = 0;
        at.count[d] = d == at.ndim - 1 ? least(at.chunk, a->shape[d]) : 1;
        at.more = at.more && a->shape[d] > 0;
    }
    return at;
}

void lead_next(lead *at)
{
    for (int d = at->ndim - 1; d >= 0; d--) {
        const int64_t step = d == at->ndim - 1 ? at->chunk : 1;

        at->start[d] += step;
        if (at->start[d] < at->shape[d]) {
            at->count[d] = least(step, at->shape[d] - at->start[d]);
            return;
        }
        at->start[d] = 0;
        at->count[d] = least(step, at->shape[d]);
    }
    at->more = false;
}

static void access_box(task_builder *t, const da_array *a, const lead *at, int nspans, const span *spans,
                       da_mode mode)
{
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM];

    for (int d = 0; d < at->ndim; d++) {
        start[d] = at->start[d];
        count[d] = at->count[d];
    }
    for (int s = 0; s < nspans; s++) {
        start[at->ndim + s] = spans[s].at;
        count[at->ndim + s] = spans[s].n;
    }
    task_access(t, a, start, count, mode);
}

void access_block(task_builder *t, const da_array *a, const lead *at, span rows, span cols, da_mode mode)
{
    access_box(t, a, at, 2, (const span[]){rows, cols}, mode);
}

void access_vector(task_builder *t, const da_array *a, const lead *at, span rows, da_mode mode)
{
    access_box(t, a, at, 1, &rows, mode);
}

/* ---- shapes ---- */

da_shape shape_with(const da_array *a, int64_t rows, int64_t cols)
{
    da_shape shape = array_shape_of(a);

    shape.dim[shape.ndim - 2] = rows;
    shape.dim[shape.ndim - 1] = cols;
    return shape;
}

void tile_with(int64_t *tile, const da_shape *shape, int64_t mb, int64_t nb)
{
    for (int d = 0; d < shape->ndim - 3; d++)
        tile[d] = 1;
    if (shape->ndim > 2)
        tile[shape->ndim - 3] = lead_chunk(shape);
    tile[shape->ndim - 2] = most(mb, 1);
    tile[shape->ndim - 1] = most(nb, 1);
}

bool tile_forced(const da_shape *shape, int64_t *mb, int64_t *nb)
{
    int64_t tile[DA_MAX_NDIM];

    if (!tiling_forced(shape, tile))
        return false;
    *mb = tile[shape->ndim - 2];
    *nb = tile[shape->ndim - 1];
    return true;
}

bool tasks_for_devices(const da_codelet *kernel, da_dtype dtype, double flops)
{
    const double step = (double)device_step(0), most_flops = 2 * step * step * step;
    const amount task = {4 * step * step * (double)da_dtype_size(dtype),
                         flops < most_flops ? flops : most_flops};
    const models_advice advice = devices_for((amount){0, flops}, kernel, &da_codelet_gemm, dtype, task);

    if (advice == MODELS_UNKNOWN)
        probe_products(dtype);
    return advice == MODELS_DEVICES;
}

bool whole_for_devices(const da_codelet *kernel, da_dtype dtype, double elements, double flops)
{
    const amount task = {elements * (double)da_dtype_size(dtype), flops};

    const models_advice advice = devices_for(task, kernel, NULL, dtype, task);

    if (advice == MODELS_UNKNOWN)
        probe_whole(kernel, dtype, elements, flops);
    return advice == MODELS_DEVICES;
}

void tile_of_whole(int64_t *tile, const da_shape *shape, bool devices)
{
    int64_t mb = shape->dim[shape->ndim - 2], nb = 256;

    if (!tile_forced(shape, &mb, &nb) && devices)
        nb = shape->dim[shape->ndim - 1];
    tile_with(tile, shape, mb, nb);
}

da_status apply_reflectors(operation *op, const lead *at, const reflectors *q, const da_array *c, bool right,
                           int64_t width)
{
    const da_unmqr_args args = {.flags = right ? DA_RIGHT | DA_CONJ_TRANSPOSE : 0};
    const int64_t n = cols_of(q->v) - q->lower, m = rows_of(q->v) - q->lower;
    const int64_t across = right ? rows_of(c) : cols_of(c);
    const span rows = {q->lower, m}, all = {0, n}, top = {0, q->ib};
    task_builder t;

    EACH_SPAN (k, 0, n, q->ib) {
        task_begin(&t, &da_codelet_larft);
        access_block(&t, q->v, at, (span){k.at + q->lower, m - k.at}, k, DA_MODE_READ);
        access_block(&t, q->tau, at, k, (span){q->column, 1}, DA_MODE_READ);
        access_block(&t, q->factors, at, top, k, DA_MODE_WRITE);
        DA_TRY(task_add(&t, &op->batch));
    }
    EACH_SPAN (p, 0, n > 0 ? across : 0, width) {
        task_begin(&t, &da_codelet_gemqrt);
        access_block(&t, q->v, at, rows, all, DA_MODE_READ);
        access_block(&t, q->factors, at, top, all, DA_MODE_READ);
        access_block(&t, c, at, right ? p : rows, right ? rows : p, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &op->batch));
    }
    return DA_OK;
}

int64_t tile_step(const da_array *x, int d)
{
    const int axis = x->axis[d];
    const int64_t step = x->step[d] < 0 ? -x->step[d] : x->step[d];

    return axis < 0 || step == 0 ? most(x->shape[d], 1) : most(x->s->tile[axis] / step, 1);
}

da_status tiled_for(operation *op, const da_array **out, const da_array *a, int64_t mb, int64_t nb)
{
    const da_shape shape = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];
    da_array *copy;

    *out = a;
    if (pieces_in_tiles(a, a->ndim - 2, mb) && pieces_in_tiles(a, a->ndim - 1, nb))
        return DA_OK;
    tile_with(tile, &shape, mb, nb);
    DA_TRY(operation_copy(op, &copy, a, tile));
    *out = copy;
    return DA_OK;
}

da_status row_each(operation *op, da_array **out, const da_array *a, int64_t n)
{
    const da_shape shape = shape_with(a, 1, n), all = array_shape_of(a);
    int64_t tile[DA_MAX_NDIM];

    tile_with(tile, &all, 1, 1);
    return operation_array(op, out, a->s->dtype, &shape, tile);
}

/* ---- checks ---- */

da_status check_kernels(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (da_blas_load() != DA_OK)
        return err_set(DA_ERROR_UNSUPPORTED, "%s", da_blas_text());
    if (log_enabled(1) && !atomic_flag_test_and_set(&told))
        log_line(1, "%s", da_blas_text());
    return DA_OK;
}

da_status check_matrix(const da_array *a, bool vector, const char *function, const char *name)
{
    char text[SHAPE_TEXT];
    da_shape shape;

    DA_TRY(array_check(a, function, name));
    shape = array_shape_of(a);
    if (!da_kernels_take(a->s->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s is %s; it must be float32, float64, complex64 or complex128",
                       function, name, da_dtype_name(a->s->dtype));
    if (a->ndim < (vector ? 1 : 2))
        return err_set(DA_ERROR_SHAPE, "%s: %s has shape %s; it must be a %s", function, name,
                       shape_text(&shape, text), vector ? "vector or matrix" : "matrix");
    for (int d = a->ndim > 2 ? a->ndim - 2 : 0; d < a->ndim; d++)
        if (a->shape[d] > INT_MAX)
            return err_set(DA_ERROR_OVERFLOW, "%s: %s has shape %s; BLAS takes at most %d rows and columns",
                           function, name, shape_text(&shape, text), INT_MAX);
    return check_kernels();
}

da_status check_square(const da_array *a, const char *function, const char *name)
{
    char text[SHAPE_TEXT];
    const da_shape shape = array_shape_of(a);

    if (rows_of(a) != cols_of(a))
        return err_set(DA_ERROR_SHAPE, "%s: %s has shape %s; it must be square", function, name,
                       shape_text(&shape, text));
    return DA_OK;
}

da_status check_same_dtype(const da_array *a, const char *a_name, const da_array *b, const char *b_name,
                           const char *function)
{
    if (a->s->dtype != b->s->dtype)
        return err_set(DA_ERROR_DTYPE, "%s: %s is %s and %s is %s; they must have one dtype (see da_astype)",
                       function, a_name, da_dtype_name(a->s->dtype), b_name, da_dtype_name(b->s->dtype));
    return DA_OK;
}

/* "DA_UPPER | DA_UNIT | 0x400" */
static const char *flags_text(unsigned flags, char *text, size_t size)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{DA_KEEPDIMS, "DA_KEEPDIMS"},   {DA_UPPER, "DA_UPPER"},
                 {DA_LOWER, "DA_LOWER"},         {DA_UNIT, "DA_UNIT"},
                 {DA_TRANSPOSE, "DA_TRANSPOSE"}, {DA_CONJ_TRANSPOSE, "DA_CONJ_TRANSPOSE"},
                 {DA_RIGHT, "DA_RIGHT"},         {DA_COMPLETE, "DA_COMPLETE"},
                 {DA_READ_ONLY, "DA_READ_ONLY"}};
    size_t used = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (flags & names[i].flag) {
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " | " : "", names[i].name);
            flags &= ~names[i].flag;
        }
    if (flags || used == 0)
        snprintf(text + used, size - used, "%s%#x", used ? " | " : "", flags);
    return text;
}

da_status check_flags(unsigned flags, unsigned allowed, const char *function)
{
    char wrong[160], right[160]; /* of all their names */

    if (flags & ~allowed)
        return err_set(DA_ERROR_ARGUMENT, "%s: flags 0x%x (%s); it takes %s", function, flags & ~allowed,
                       flags_text(flags & ~allowed, wrong, sizeof wrong),
                       flags_text(allowed, right, sizeof right));
    if ((flags & DA_UPPER) && (flags & DA_LOWER))
        return err_set(DA_ERROR_ARGUMENT, "%s: both DA_UPPER and DA_LOWER are given", function);
    if ((flags & DA_TRANSPOSE) && (flags & DA_CONJ_TRANSPOSE))
        return err_set(DA_ERROR_ARGUMENT, "%s: both DA_TRANSPOSE and DA_CONJ_TRANSPOSE are given", function);
    return DA_OK;
}

da_status check_writable(const da_array *a, const char *function, const char *name)
{
    if (a->read_only)
        return err_set(DA_ERROR_ARGUMENT, "%s: %s is a broadcast view, whose elements share memory", function,
                       name);
    return DA_OK;
}

/* ---- operands that BLAS can take ---- */

/* Does axis `down` have contiguous elements and axis `across` no overlapping ones? */
static bool is_major(const da_array *a, const int64_t *strides, int down, int across)
{
    const int64_t m = a->shape[down], n = a->shape[across];

    return (m <= 1 || strides[down] == 1) &&
           (n <= 1 || (strides[across] >= most(m, 1) && strides[across] <= INT_MAX));
}

bool is_column_major(const da_array *a)
{
    int64_t strides[DA_MAX_NDIM];

    array_strides(a, strides);
    return is_major(a, strides, a->ndim - 2, a->ndim - 1);
}

da_status column_major(operation *op, const da_array **out, unsigned *trans, const da_array *a,
                       const da_array *written)
{
    const bool safe = !written || !array_overlaps(a, written);
    int64_t strides[DA_MAX_NDIM];
    da_array *view = NULL;

    *trans = 0;
    *out = a;
    array_strides(a, strides);
    if (safe && is_major(a, strides, a->ndim - 2, a->ndim - 1))
        return DA_OK;
    if (safe && is_major(a, strides, a->ndim - 1, a->ndim - 2)) {
        DA_TRY(operation_own(op, da_matrix_transpose(&view, a), &view));
        *trans = DA_TRANSPOSE;
    } else {
        DA_TRY(operation_copy(op, &view, a, NULL));
    }
    *out = view;
    return DA_OK;
}

da_status common_lead(da_shape *out, const da_array *a, const da_array *b, const char *function)
{
    const da_array *const longer = a->ndim >= b->ndim ? a : b, *const shorter = a->ndim >= b->ndim ? b : a;
    const int shift = longer->ndim - shorter->ndim;

    out->ndim = longer->ndim > 2 ? longer->ndim - 2 : 0;
    for (int d = 0; d < out->ndim; d++) {
        const int64_t m = longer->shape[d], n = d < shift ? 1 : shorter->shape[d - shift];

        if (m != n && m != 1 && n != 1) {
            const da_shape as = array_shape_of(a), bs = array_shape_of(b);
            char at[SHAPE_TEXT], bt[SHAPE_TEXT];

            return err_set(DA_ERROR_SHAPE, "%s: the leading axes of %s and %s do not broadcast", function,
                           shape_text(&as, at), shape_text(&bs, bt));
        }
        out->dim[d] = m == 1 ? n : m;
    }
    return DA_OK;
}

da_status broadcast_lead(operation *op, const da_array **out, const da_array *a, const da_shape *shape)
{
    da_shape all = *shape;
    da_array *view = NULL;
    bool same = a->ndim == shape->ndim + 2;

    for (int d = 0; same && d < shape->ndim; d++)
        same = a->shape[d] == shape->dim[d];
    *out = a;
    if (same)
        return DA_OK;
    all.dim[all.ndim++] = rows_of(a);
    all.dim[all.ndim++] = cols_of(a);
    DA_TRY(operation_own(op, da_broadcast_to(&view, a, all), &view));
    *out = view;
    return DA_OK;
}

da_status as_matrix(operation *op, da_array **out, const da_array *b, bool row)
{
    return operation_own(op, b->ndim > 1 ? array_view(out, b) : da_expand_dims(out, b, row ? 0 : 1), out);
}

da_status as_vector(operation *op, da_array **out, const da_array *x, bool vector, bool row)
{
    return operation_own(op, vector ? da_squeeze(out, x, DA_AXES(row ? -2 : -1)) : array_view(out, x), out);
}

/* ---- copies ---- */

/* One task of copy_triangle(). */
static da_status copy_block(operation *op, da_array *dst, const da_array *src, unsigned uplo, bool clear,
                            const lead *at, span i, span j)
{
    const da_lacpy_args args = {.uplo = uplo, .clear = clear, .offset = i.at - j.at};
    const bool below = i.at >= j.at + j.n, above = i.at + i.n <= j.at;
    const bool inside = uplo == 0 || (uplo == DA_LOWER && below) || (uplo == DA_UPPER && above);
    const bool outside = (uplo == DA_LOWER && above) || (uplo == DA_UPPER && below);
    task_builder t;

    if (outside && !clear)
        return DA_OK;
    task_begin(&t, &da_codelet_lacpy);
    access_block(&t, src, at, i, j, DA_MODE_READ);
    access_block(&t, dst, at, i, j, inside || clear ? DA_MODE_WRITE : DA_MODE_READ_WRITE);
    task_value(&t, &args, sizeof args);
    return task_add(&t, &op->batch);
}

/* The first piece of [at, end) that lies in one tile of both along axis d. */
static span tile_from(const da_array *a, const da_array *b, int d, int64_t at, int64_t end)
{
    if (at >= end)
        return (span){at, 0};
    return (span){at, least(least(array_piece_end(a, d, at), array_piece_end(b, d, at)), end) - at};
}

/* copy_block() for each pair of tiles of which the block (i, j) has some of both. */
static da_status copy_tiles(operation *op, da_array *dst, const da_array *src, unsigned uplo, bool clear,
                            const lead *at, span i, span j)
{
    const int row = dst->ndim - 2, column = dst->ndim - 1;
    const int64_t bottom = i.at + i.n, right = j.at + j.n;
    span p, q;

    for (q = tile_from(dst, src, column, j.at, right); q.n > 0;
         q = tile_from(dst, src, column, q.at + q.n, right))
        for (p = tile_from(dst, src, row, i.at, bottom); p.n > 0;
             p = tile_from(dst, src, row, p.at + p.n, bottom))
            DA_TRY(copy_block(op, dst, src, uplo, clear, at, p, q));
    return DA_OK;
}

da_status copy_triangle(operation *op, da_array *dst, const da_array *src, unsigned uplo, bool clear,
                        int64_t mb, int64_t nb)
{
    const double elements = (double)array_count(dst);
    const bool devices = elements_for_devices(dst->s->dtype, elements) ||
                         tasks_for_devices(&da_codelet_gemm, dst->s->dtype,
                                           (double)rows_of(dst) * (double)cols_of(dst) *
                                               (double)least(rows_of(dst), cols_of(dst)));

    EACH_LEAD (at, dst) {
        EACH_SPAN (j, 0, cols_of(dst), nb) {
            EACH_SPAN (i, 0, rows_of(dst), mb) {
                DA_TRY((devices ? copy_tiles : copy_block)(op, dst, src, uplo, clear, &at, i, j));
            }
        }
    }
    return DA_OK;
}
