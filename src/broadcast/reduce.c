/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions of expressions. The expression's box is cut into pieces like its largest operand's tiles; one task per piece computes the
 * expression there and reduces it to a part (codelet reduce); a second task per tile of the result combines the parts in their order and
 * computes what follows, the division of a mean say (codelet reduce_finish). No step depends on timing.
 */
#include "broadcast/graph.h"
#include "codelets/device/device.h"
#include <float.h>
#include <math.h>
#include <string.h>

#undef da_sum
#undef da_prod
#undef da_min
#undef da_max
#undef da_mean
#undef da_any
#undef da_all
#undef da_var
#undef da_std
#undef da_vector_norm
#undef da_argmin
#undef da_argmax
#undef da_sum_all
#undef da_mean_all
#undef da_min_all
#undef da_max_all
#undef da_norm_all

/* ---- tasks ---- */

enum { MAX_ROOTS = DA_EXPR_MAX_ROOTS };

const da_codelet broadcast_codelet_reduce = {.name = "reduce",
                                             .cpu = da_reduce_cpu,
                                             .nvalues = 1,
                                             .value_sizes = {sizeof(da_reduce_args)},
                                             .flops = da_reduce_flops,
                                             .flags = DA_CODELET_OWN | DA_CODELET_REVISION(2)};

const da_codelet broadcast_codelet_reduce_finish = {.name = "reduce_finish",
                                                    .cpu = da_reduce_finish_cpu,
                                                    .nvalues = 1,
                                                    .value_sizes = {sizeof(da_reduce_how)},
                                                    .flops = da_reduce_finish_flops,
                                                    .flags = DA_CODELET_OWN | DA_CODELET_REVISION(2)};

/* ---- a reduction on its way ---- */

typedef struct reduction {
    const char *function;
    graph g;
    int root;
    rt_batch batch;
    bool keepdims;
    int ndim;
    int64_t shape[DA_MAX_NDIM]; /* of the expression */
    bool reduced[DA_MAX_NDIM];
    int64_t count; /* elements of the expression in one of the result */
    bool one_axis; /* axes named exactly one */
} reduction;

static da_status axis_error(const reduction *r, int axis)
{
    return err_set(DA_ERROR_INDEX, "%s: axis %d is out of bounds for an array of %d dimensions", r->function,
                   axis, r->ndim);
}

static da_status set_axes(reduction *r, da_axes axes)
{
    const graph_node *node = &r->g.nodes[r->root];
    r->ndim = node->ndim;
    memcpy(r->shape, node->shape, (size_t)node->ndim * sizeof r->shape[0]);
    for (int d = 0; d < r->ndim; d++)
        r->reduced[d] = axes.n == -1;
    if (axes.n < -1 || axes.n > DA_MAX_NDIM)
        return err_set(DA_ERROR_ARGUMENT, "%s: %d axes; there are -1 (all) and 0 to %d", r->function, axes.n,
                       DA_MAX_NDIM);
    for (int k = 0; k < axes.n; k++) {
        const int axis = axes.axis[k] < 0 ? axes.axis[k] + r->ndim : axes.axis[k];
        if (axis < 0 || axis >= r->ndim)
            return axis_error(r, axes.axis[k]);
        if (r->reduced[axis])
            return err_set(DA_ERROR_INDEX, "%s: axis %d is named twice", r->function, axis);
        r->reduced[axis] = true;
    }
    r->one_axis = axes.n == 1;
    r->count = 1;
    for (int d = 0; d < r->ndim; d++)
        if (r->reduced[d] && !size_mul(r->count, r->shape[d], &r->count))
            return err_set(DA_ERROR_OVERFLOW, "%s: more elements than fit in 64 bits", r->function);
    return DA_OK;
}

/* Takes the expression over, whatever happens; after a failure there is nothing to end. */
static da_status begin(reduction *r, const void *out, da_expr e, da_axes axes, unsigned flags,
                       const char *function)
{
    da_status status;
    r->function = function;
    r->batch = (rt_batch)RT_BATCH_INIT;
    DA_TRY(arena_take(&r->g, &r->root, e, function));
    status = array_check_out(out, function);
    if (status == DA_OK && (flags & ~(unsigned)DA_KEEPDIMS))
        status =
            err_set(DA_ERROR_ARGUMENT, "%s: flags 0x%x; only DA_KEEPDIMS is known here", function, flags);
    if (status == DA_OK)
        status = graph_settle(&r->g, &r->root, function);
    if (status == DA_OK)
        status = set_axes(r, axes);
    if (status == DA_OK && (r->g.nodes[r->root].dtype == DA_F16 || r->g.nodes[r->root].dtype == DA_BF16))
        status =
            err_set(DA_ERROR_DTYPE, "%s: %s is for storage; da_astype() it to float32 to compute with it",
                    function, da_dtype_name(r->g.nodes[r->root].dtype));
    r->keepdims = (flags & DA_KEEPDIMS) != 0;
    if (status != DA_OK)
        graph_drop(&r->g);
    return status;
}

/* The end: `result` (null after a failure) carries the operands' faults; the batch is committed. */
static da_status end(reduction *r, da_array **out, da_array *result, da_status status)
{
    const da_array **inputs = NULL;
    fault_flow flow;
    int n;
    if (status == DA_OK)
        status = graph_arrays(&r->g, &n, &inputs);
    if (status == DA_OK)
        status = faults_prepare(&flow, result, true, n, inputs, NULL);
    if (status == DA_OK)
        faults_apply(&flow, result); /* nobody sees the array before the commit */
    if (result)
        status = array_finish(out, result, &r->batch, status);
    else
        rt_batch_abandon(&r->batch);
    mem_free(inputs);
    graph_drop(&r->g);
    return status;
}

static da_status apply(reduction *r, int *out, da_expr_op op, int x, int y)
{
    return graph_apply(&r->g, out, op, x, y, 0, r->function);
}

static da_status number(graph *g, int *out, double x)
{
    da_scalar value = {3, 0, {0}};
    value.v_.z.re = x;
    value.v_.z.im = 0;
    return graph_number(g, out, value);
}

static da_dtype root_dtype(const reduction *r)
{
    return r->g.nodes[r->root].dtype;
}

static da_status convert_root(reduction *r, da_dtype dtype)
{
    return graph_convert(&r->g, &r->root, r->root, dtype, r->function);
}

/* ---- geometry ---- */

/* How the expression's box is cut: as its largest operand is, if that has the box's shape. */
static void choose_pieces(const reduction *r, da_dtype dtype, int64_t *tile)
{
    const da_array *like = NULL;
    da_shape shape = {r->ndim, {0}};

    memcpy(shape.dim, r->shape, (size_t)r->ndim * sizeof shape.dim[0]);
    if (tiling_forced(&shape, tile))
        return;
    for (int i = 0; i < r->g.n; i++) {
        const da_array *a = r->g.nodes[i].kind == NODE_INPUT ? r->g.nodes[i].array : NULL;
        bool fits = a && a->ndim == r->ndim;
        for (int d = 0; d < r->ndim && fits; d++)
            fits = a->shape[d] == r->shape[d] && a->axis[d] >= 0;
        if (fits && (!like || a->s->bytes > like->s->bytes))
            like = a;
    }
    tiling_choose(dtype, &shape, tile);
    if (like) {
        const da_shape blocks = da_array_blocks(like);
        int64_t own = 1, automatic = 1;
        for (int d = 0; d < r->ndim; d++) {
            own *= (r->shape[d] + blocks.dim[d] - 1) / blocks.dim[d];
            automatic *= (r->shape[d] + tile[d] - 1) / tile[d];
        }
        if (2 * own >= automatic)
            memcpy(tile, blocks.dim, (size_t)r->ndim * sizeof tile[0]);
    }
}

/* A view of an array that has the kept axes only (behind `before` axes of its own): as seen along the expression's axes. */
static void kept_view(da_array *view, const da_array *a, int before, const reduction *r)
{
    int axis = before;
    *view = *a;
    view->ndim = r->ndim;
    for (int d = 0; d < r->ndim; d++) {
        view->shape[d] = r->reduced[d] ? 1 : r->shape[d];
        view->axis[d] = r->reduced[d] ? -1 : a->axis[axis];
        view->step[d] = r->reduced[d] ? 0 : a->step[axis];
        axis += !r->reduced[d];
    }
}

/* The result's axes without those that keepdims put in. */
static void without_kept_ones(da_array *view, const da_array *result, const reduction *r)
{
    *view = *result;
    if (!r->keepdims)
        return;
    view->ndim = 0;
    for (int d = 0; d < r->ndim; d++) {
        if (r->reduced[d])
            continue;
        view->shape[view->ndim] = result->shape[d];
        view->axis[view->ndim] = result->axis[d];
        view->step[view->ndim] = result->step[d];
        view->ndim++;
    }
}

static da_status new_result(const reduction *r, da_array **out, da_dtype dtype)
{
    da_shape shape = {0, {0}};
    for (int d = 0; d < r->ndim; d++)
        if (!r->reduced[d])
            shape.dim[shape.ndim++] = r->shape[d];
        else if (r->keepdims)
            shape.dim[shape.ndim++] = 1;
    DA_TRY(array_check_shape(&shape, dtype, r->function));
    return array_new(out, dtype, &shape, NULL, NULL);
}

/* Parts: an array [number of parts, kept axes...], a part in one piece of memory, cut as the expression is. */
static da_status new_parts(const reduction *r, da_array **out, da_dtype dtype, int64_t nparts,
                           const int64_t *piece)
{
    da_shape shape = {1, {nparts}};
    int64_t tile[DA_MAX_NDIM] = {1};
    const int row_major[2] = {0, 1};
    for (int d = 0; d < r->ndim; d++)
        if (!r->reduced[d]) {
            if (shape.ndim == DA_MAX_NDIM)
                return err_set(DA_ERROR_UNSUPPORTED, "%s: no axis of %d is reduced", r->function,
                               DA_MAX_NDIM);
            tile[shape.ndim] = piece[d];
            shape.dim[shape.ndim++] = r->shape[d];
        }
    DA_TRY(array_check_shape(&shape, dtype, r->function));
    return array_new(out, dtype, &shape, tile, shape.ndim == 2 ? row_major : NULL);
}

/* ---- the tasks of a reduction ---- */

/* What follows the combination of parts: a graph whose first nodes stand for the combined roots. */
typedef struct final_step {
    graph g;
    int root;
} final_step;

static da_status final_begin(final_step *f, const reduction *r, int nroots, const int *roots)
{
    const int64_t none[1] = {0};
    da_status status = DA_OK;
    graph_init(&f->g);
    f->root = 0;
    for (int k = 0, node; k < nroots && status == DA_OK;
         k++) /* numbered from 0, as they are the first nodes */
        status = graph_slot(&f->g, &node, r->g.nodes[roots[k]].dtype, 0, none);
    if (status != DA_OK)
        graph_drop(&f->g);
    return status;
}

static da_status final_apply(final_step *f, const reduction *r, da_expr_op op, int x, int y)
{
    return graph_apply(&f->g, &f->root, op, x, y, 0, r->function);
}

typedef struct work {
    da_reduce_how how;
    int nparts_roots; /* arrays of parts: one a root, or value and index */
    da_array *parts[MAX_ROOTS];
    int64_t piece[DA_MAX_NDIM], npieces[DA_MAX_NDIM], nparts;
} work;

/* One task for each piece of the expression. `direct`: it writes the result itself, there is one part. roots[nroots] of a norm: the plain
 * squares. */
static da_status part_tasks(reduction *r, work *w, const int *roots, const da_array *direct)
{
    program *p, *squares = NULL;
    da_array outs[MAX_ROOTS], *views = NULL;
    int64_t at[DA_MAX_NDIM] = {0}, start[DA_MAX_NDIM], count[DA_MAX_NDIM], out_start[DA_MAX_NDIM],
            out_count[DA_MAX_NDIM];
    da_reduce_args args;
    da_status status;

    DA_TRY(program_build(&p, &r->g, w->how.nroots, roots));
    if (w->how.norm) {
        status = program_build(&squares, &r->g, 1, &roots[w->how.nroots]);
        if (status != DA_OK) {
            program_release(p);
            return status;
        }
    }
    views = mem_alloc(((size_t)p->ninputs + 1) * sizeof *views);
    if (!views) {
        status = err_memory(((size_t)p->ninputs + 1) * sizeof *views, "the operands of a reduction");
        program_release(p);
        program_release(squares);
        return status;
    }
    for (int k = 0; k < p->ninputs; k++)
        broadcast_view(&views[k], r->g.nodes[p->inputs[k]].array, r->ndim, r->shape);
    memset(&args, 0, sizeof args);
    args.how = w->how;
    args.ndim = r->ndim;
    memcpy(args.reduced, r->reduced, sizeof r->reduced);
    for (int64_t d = r->ndim - 1, step = 1; d >= 0; d--) {
        args.index[d] = r->reduced[d] ? step : 0;
        step *= r->reduced[d] ? r->shape[d] : 1;
    }
    for (int k = 0; k < w->nparts_roots; k++) {
        if (direct)
            outs[k] = *direct;
        else
            kept_view(&outs[k], w->parts[k], 1, r);
    }
    status = DA_OK;
    for (bool more = true; more && status == DA_OK;) {
        int64_t part = 0;
        task_builder t;
        args.base = 0;
        for (int d = 0; d < r->ndim; d++) {
            start[d] = at[d] * w->piece[d];
            count[d] = r->shape[d] - start[d] < w->piece[d] ? r->shape[d] - start[d] : w->piece[d];
            if (r->reduced[d])
                part = part * w->npieces[d] + at[d];
            out_start[d] = r->reduced[d] ? 0 : start[d];
            out_count[d] = r->reduced[d] ? 1 : count[d];
            args.base += args.index[d] * start[d];
            args.extent[d] = count[d];
        }
        task_begin(&t, &broadcast_codelet_reduce);
        program_operand(&t, p);
        if (squares)
            program_operand(&t, squares);
        for (int k = 0; k < w->nparts_roots; k++) {
            if (!direct)
                outs[k].origin[0] = part;
            task_access(&t, &outs[k], out_start, out_count, DA_MODE_WRITE);
        }
        for (int k = 0; k < p->ninputs; k++)
            task_access(&t, &views[k], start, count, DA_MODE_READ);
        task_value(&t, &args, sizeof args);
        status = task_add(&t, &r->batch);
        more = false;
        for (int d = r->ndim - 1; d >= 0 && !more; d--) {
            more = ++at[d] < w->npieces[d];
            if (!more)
                at[d] = 0;
        }
    }
    mem_free(views);
    program_release(p);
    program_release(squares);
    return status;
}

/* A program that loads n inputs of the given dtypes. */
static da_status loading_program(program **p, int n, const da_dtype *dtype)
{
    const int64_t none[1] = {0};
    int roots[MAX_ROOTS];
    graph g;
    da_status status = DA_OK;
    graph_init(&g);
    for (int k = 0; k < n && status == DA_OK; k++)
        status = graph_slot(&g, &roots[k], dtype[k], 0, none);
    if (status == DA_OK)
        status = program_build(p, &g, n, roots);
    graph_drop(&g);
    return status;
}

/* One task for each tile of the result. */
static da_status finish_tasks(reduction *r, work *w, final_step *f, const da_array *result)
{
    program *load, *final;
    da_array view;
    piece_walk walk;
    da_status status;

    DA_TRY(loading_program(&load, w->how.nroots, w->how.dtype));
    status = program_build(&final, &f->g, 1, &f->root);
    if (status != DA_OK) {
        program_release(load);
        return status;
    }
    without_kept_ones(&view, result, r);
    for (bool more = piece_first(&walk, &view); more && status == DA_OK; more = piece_next(&walk)) {
        int64_t start[DA_MAX_NDIM] = {0}, count[DA_MAX_NDIM] = {w->nparts};
        task_builder t;
        memcpy(start + 1, walk.start, (size_t)view.ndim * sizeof start[0]);
        memcpy(count + 1, walk.count, (size_t)view.ndim * sizeof count[0]);
        task_begin(&t, &broadcast_codelet_reduce_finish);
        program_operand(&t, load);
        program_operand(&t, final);
        task_access(&t, &view, walk.start, walk.count, DA_MODE_WRITE);
        for (int k = 0; k < w->nparts_roots; k++)
            task_access(&t, w->parts[k], start, count, DA_MODE_READ_WRITE);
        task_value(&t, &w->how, sizeof w->how);
        status = task_add(&t, &r->batch);
    }
    program_release(load);
    program_release(final);
    return status;
}

/* Tasks that reduce the roots and compute the result from that; `out` is a new array. */
static da_status perform(reduction *r, const da_reduce_how *how, const int *roots, final_step *f,
                         da_array **out)
{
    const da_dtype dtype = how->arg ? DA_I64 : f->g.nodes[f->root].dtype;
    const bool plain = !how->arg && f->root == 0;
    work w = {.how = *how, .nparts_roots = how->arg ? 2 : how->nroots, .nparts = 1};
    da_array *result = NULL, view;
    da_status status;
    bool empty = false;

    DA_TRY(graph_split(&r->batch, &r->g));
    DA_TRY(new_result(r, &result, dtype));
    choose_pieces(r, how->dtype[0], w.piece);
    for (int d = 0; d < r->ndim; d++) {
        w.npieces[d] = (r->shape[d] + w.piece[d] - 1) / w.piece[d];
        empty = empty || r->shape[d] == 0;
        if (r->reduced[d])
            w.nparts *= w.npieces[d];
    }
    status = DA_OK;
    if (!empty && plain && w.nparts == 1) {
        da_array kept;
        without_kept_ones(&kept, result, r);
        kept_view(&view, &kept, 0, r);
        status = part_tasks(r, &w, roots, &view);
    } else if (!empty) {
        for (int k = 0; k < w.nparts_roots && status == DA_OK; k++)
            status =
                new_parts(r, &w.parts[k], how->arg && k == 1 ? DA_I64 : how->dtype[k], w.nparts, w.piece);
        if (status == DA_OK)
            status = part_tasks(r, &w, roots, NULL);
        if (status == DA_OK)
            status = finish_tasks(r, &w, f, result);
        for (int k = 0; k < w.nparts_roots; k++)
            da_array_release(&w.parts[k]); /* the tasks keep them */
    }
    if (status != DA_OK)
        da_array_release(&result);
    else
        *out = result;
    return status;
}

/* The result of reducing no elements: every one is x. */
static da_status filled(reduction *r, da_dtype dtype, double x, da_array **out)
{
    da_scalar value = {3, 0, {0}};
    da_status status;
    value.v_.z.re = x;
    DA_TRY(new_result(r, out, dtype));
    status = array_fill_tasks(&r->batch, *out, value);
    if (status != DA_OK)
        da_array_release(out);
    return status;
}

static da_status no_elements(const reduction *r)
{
    const da_shape all = {r->ndim, {0}};
    da_shape shape = all;
    char text[SHAPE_TEXT];
    memcpy(shape.dim, r->shape, (size_t)r->ndim * sizeof shape.dim[0]);
    return err_set(DA_ERROR_SHAPE, "%s: no elements to choose from along the reduced axes of shape %s",
                   r->function, shape_text(&shape, text));
}

/* True if elements of the result, if it has any, come from no elements. */
static bool lacks_elements(const reduction *r)
{
    for (int d = 0; d < r->ndim; d++)
        if (r->reduced[d] && r->shape[d] == 0)
            return true;
    return false;
}

/* ---- one operation, the same dtype: sum, prod, min, max, any, all ---- */

enum { NO_ELEMENTS_FAIL = 1 };

static da_status simple(da_array **out, reduction *r, da_expr_op combine, double of_none, unsigned flags)
{
    const da_reduce_how how = {.nroots = 1, .combine = {combine}, .dtype = {root_dtype(r)}};
    da_array *result = NULL;
    final_step f;
    da_status status;

    if (lacks_elements(r)) {
        status = flags & NO_ELEMENTS_FAIL ? no_elements(r) : filled(r, root_dtype(r), of_none, &result);
        return end(r, out, result, status);
    }
    status = final_begin(&f, r, 1, &r->root);
    if (status == DA_OK) {
        status = perform(r, &how, &r->root, &f, &result);
        graph_drop(&f.g);
    }
    return end(r, out, result, status);
}

/* sum and prod widen bool and small integers. */
static da_dtype wide(da_dtype dtype)
{
    if (dtype == DA_BOOL || (dtype_is_integer(dtype) && dtype_is_signed(dtype)))
        return DA_I64;
    return dtype_is_integer(dtype) ? DA_U64 : dtype;
}

static da_status sum_or_prod(da_array **out, da_expr e, da_axes axes, unsigned flags, const char *function,
                             da_expr_op op)
{
    reduction r;
    da_status status;
    DA_TRY(begin(&r, out, e, axes, flags, function));
    status = convert_root(&r, wide(root_dtype(&r)));
    return status == DA_OK ? simple(out, &r, op, op == DA_OP_multiply, 0) : end(&r, out, NULL, status);
}

da_status da_sum(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return sum_or_prod(out, e, axes, flags, "da_sum", DA_OP_add);
}

da_status da_prod(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return sum_or_prod(out, e, axes, flags, "da_prod", DA_OP_multiply);
}

static da_status check_ordered(const reduction *r)
{
    if (da_op_supports(DA_OP_minimum, root_dtype(r)) == DA_OP_YES)
        return DA_OK;
    return err_set(DA_ERROR_DTYPE, "%s: %s numbers have no order", r->function, da_dtype_name(root_dtype(r)));
}

static da_status extreme(da_array **out, da_expr e, da_axes axes, unsigned flags, const char *function,
                         da_expr_op op)
{
    reduction r;
    da_status status;
    DA_TRY(begin(&r, out, e, axes, flags, function));
    status = check_ordered(&r);
    return status == DA_OK ? simple(out, &r, op, 0, NO_ELEMENTS_FAIL) : end(&r, out, NULL, status);
}

da_status da_min(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return extreme(out, e, axes, flags, "da_min", DA_OP_minimum);
}

da_status da_max(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return extreme(out, e, axes, flags, "da_max", DA_OP_maximum);
}

static da_status any_or_all(da_array **out, da_expr e, da_axes axes, unsigned flags, const char *function,
                            da_expr_op op)
{
    reduction r;
    da_status status;
    DA_TRY(begin(&r, out, e, axes, flags, function));
    status = convert_root(&r, DA_BOOL);
    return status == DA_OK ? simple(out, &r, op, op == DA_OP_logical_and, 0) : end(&r, out, NULL, status);
}

da_status da_any(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return any_or_all(out, e, axes, flags, "da_any", DA_OP_logical_or);
}

da_status da_all(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return any_or_all(out, e, axes, flags, "da_all", DA_OP_logical_and);
}

/* ---- mean, var, std ---- */

/* Roots: node; combined by +; then divided by `divisor`, and the square root taken if `root`. */
static da_status divided_sum(reduction *r, int node, double divisor, bool root, da_array **out)
{
    const da_reduce_how how = {.nroots = 1, .combine = {DA_OP_add}, .dtype = {r->g.nodes[node].dtype}};
    final_step f;
    int n;
    da_status status;

    DA_TRY(final_begin(&f, r, 1, &node));
    status = number(&f.g, &n, divisor);
    if (status == DA_OK)
        status = final_apply(&f, r, DA_OP_divide, f.root, n);
    if (status == DA_OK && root)
        status = final_apply(&f, r, DA_OP_sqrt, f.root, 0);
    if (status == DA_OK)
        status = perform(r, &how, &node, &f, out);
    graph_drop(&f.g);
    return status;
}

/* Integers and bool become f64. */
static da_status begin_floating(reduction *r, da_array **out, da_expr e, da_axes axes, unsigned flags,
                                const char *function)
{
    da_status status = begin(r, out, e, axes, flags, function);
    if (status == DA_OK && kind_of_dtype(root_dtype(r)) < kind_of_dtype(DA_F64)) {
        status = convert_root(r, DA_F64);
        if (status != DA_OK)
            status = end(r, out, NULL, status);
    }
    return status;
}

da_status da_mean(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    reduction r;
    da_array *result = NULL;
    da_status status;
    DA_TRY(begin_floating(&r, out, e, axes, flags, "da_mean"));
    if (lacks_elements(&r))
        status = filled(&r, root_dtype(&r), NAN, &result);
    else
        status = divided_sum(&r, r.root, (double)r.count, false, &result);
    return end(&r, out, result, status);
}

/* |x|^2, without a square root on the way for complex numbers. */
static da_status squared_size(reduction *r, int *out, int x)
{
    int re, im;
    if (!dtype_is_complex(r->g.nodes[x].dtype))
        return apply(r, out, DA_OP_square, x, 0);
    DA_TRY(apply(r, &re, DA_OP_real, x, 0));
    DA_TRY(apply(r, &im, DA_OP_imag, x, 0));
    DA_TRY(apply(r, &re, DA_OP_square, re, 0));
    DA_TRY(apply(r, &im, DA_OP_square, im, 0));
    return apply(r, out, DA_OP_add, re, im);
}

/* Two passes in one batch: the mean, then the mean of the squared deviations. */
static da_status spread(da_array **out, da_expr e, da_axes axes, double correction, unsigned flags,
                        const char *function, bool root)
{
    reduction r;
    da_array *result = NULL, *mean = NULL;
    da_status status;
    int node;
    bool keepdims;
    double divisor;

    DA_TRY(begin_floating(&r, out, e, axes, flags, function));
    if (correction != correction)
        return end(&r, out, NULL, err_set(DA_ERROR_ARGUMENT, "%s: correction is not a number", function));
    if (lacks_elements(&r)) {
        status = filled(&r, dtype_real(root_dtype(&r)), NAN, &result);
        return end(&r, out, result, status);
    }
    keepdims = r.keepdims;
    r.keepdims = true;
    status = divided_sum(&r, r.root, (double)r.count, false, &mean);
    r.keepdims = keepdims;
    if (status == DA_OK)
        status = graph_input(&r.g, &node, mean); /* takes the reference over */
    if (status == DA_OK)
        status = apply(&r, &node, DA_OP_subtract, r.root, node);
    if (status == DA_OK)
        status = squared_size(&r, &node, node);
    divisor = (double)r.count - correction;
    if (status == DA_OK)
        status = divided_sum(&r, node, divisor > 0 ? divisor : 0, root, &result);
    return end(&r, out, result, status);
}

da_status da_var(da_array **out, da_expr e, da_axes axes, double correction, unsigned flags)
{
    return spread(out, e, axes, correction, flags, "da_var", false);
}

da_status da_std(da_array **out, da_expr e, da_axes axes, double correction, unsigned flags)
{
    return spread(out, e, axes, correction, flags, "da_std", true);
}

/* ---- norms ---- */

/* Blue's method: squares of large, middling and small numbers are summed apart, the first and last scaled, so that none overflows or
 * vanishes. The limits and scales are LAPACK's for f64. A task first tries plain squares, which mostly do. */
static const double large_limit = 0x1p486, small_limit = 0x1p-511, large_scale = 0x1p-538,
                    small_scale = 0x1p537;

static da_status safe_parts(reduction *r, int x, int *roots)
{
    int limit, zero, scale, is_large, is_small, square, scaled;
    DA_TRY(number(&r->g, &zero, 0));
    DA_TRY(number(&r->g, &limit, large_limit));
    DA_TRY(apply(r, &is_large, DA_OP_greater, x, limit));
    DA_TRY(number(&r->g, &limit, small_limit));
    DA_TRY(apply(r, &is_small, DA_OP_less, x, limit));
    DA_TRY(apply(r, &square, DA_OP_square, x, 0));
    DA_TRY(graph_apply(&r->g, &square, DA_OP_where, is_large, zero, square, r->function));
    DA_TRY(graph_apply(&r->g, &roots[0], DA_OP_where, is_small, zero, square, r->function));
    DA_TRY(number(&r->g, &scale, large_scale));
    DA_TRY(apply(r, &scaled, DA_OP_multiply, x, scale));
    DA_TRY(apply(r, &scaled, DA_OP_square, scaled, 0));
    DA_TRY(graph_apply(&r->g, &roots[1], DA_OP_where, is_large, scaled, zero, r->function));
    DA_TRY(number(&r->g, &scale, small_scale));
    DA_TRY(apply(r, &scaled, DA_OP_multiply, x, scale));
    DA_TRY(apply(r, &scaled, DA_OP_square, scaled, 0));
    return graph_apply(&r->g, &roots[2], DA_OP_where, is_small, scaled, zero, r->function);
}

/* From the three sums (nodes 0 middling, 1 large, 2 small) to the norm. */
static da_status safe_norm(final_step *f, const reduction *r)
{
    graph *g = &f->g;
    int zero, scale, large, small, both, only, any_large, any_middle;
    DA_TRY(number(g, &zero, 0));
    DA_TRY(graph_apply(g, &any_large, DA_OP_not_equal, 1, zero, 0,
                       r->function)); /* NaN is among the middling ones */
    DA_TRY(graph_apply(g, &any_middle, DA_OP_not_equal, 0, zero, 0, r->function));
    DA_TRY(number(g, &scale, large_scale));
    DA_TRY(graph_apply(g, &large, DA_OP_multiply, 0, scale, 0, r->function));
    DA_TRY(graph_apply(g, &large, DA_OP_multiply, large, scale, 0, r->function));
    DA_TRY(graph_apply(g, &large, DA_OP_add, large, 1, 0, r->function));
    DA_TRY(graph_apply(g, &large, DA_OP_sqrt, large, 0, 0, r->function));
    DA_TRY(graph_apply(g, &large, DA_OP_divide, large, scale, 0, r->function));
    DA_TRY(number(g, &scale, 1 / small_scale));
    DA_TRY(graph_apply(g, &small, DA_OP_multiply, 2, scale, 0, r->function));
    DA_TRY(graph_apply(g, &small, DA_OP_multiply, small, scale, 0, r->function));
    DA_TRY(graph_apply(g, &both, DA_OP_add, 0, small, 0, r->function));
    DA_TRY(graph_apply(g, &both, DA_OP_sqrt, both, 0, 0, r->function));
    DA_TRY(graph_apply(g, &only, DA_OP_sqrt, 2, 0, 0, r->function));
    DA_TRY(graph_apply(g, &only, DA_OP_multiply, only, scale, 0, r->function));
    DA_TRY(graph_apply(g, &both, DA_OP_where, any_middle, both, only, r->function));
    return graph_apply(g, &f->root, DA_OP_where, any_large, large, both, r->function);
}

/* Euclidean norm: f32 in f64, where squares neither overflow nor vanish; f64 by Blue's method. */
static da_status norm2(reduction *r, da_array **out)
{
    const da_dtype dtype = dtype_real(root_dtype(r));
    da_reduce_how how = {
        .nroots = 1, .combine = {DA_OP_add, DA_OP_add, DA_OP_add}, .dtype = {DA_F64, DA_F64, DA_F64}};
    int x = r->root, roots[MAX_ROOTS + 1];
    final_step f;
    da_status status;

    if (dtype == DA_F32) {
        DA_TRY(graph_convert(&r->g, &x, x, dtype_is_complex(root_dtype(r)) ? DA_C128 : DA_F64, r->function));
        DA_TRY(squared_size(r, &roots[0], x));
    } else {
        how.nroots = 3; /* each made of x: together they must not need more inputs than one program has */
        DA_TRY(graph_split(&r->batch, &r->g));
        DA_TRY(apply(r, &x, DA_OP_abs, x, 0));
        if (r->g.n > DA_EXPR_MAX_INPUTS)
            DA_TRY(graph_materialise(&r->batch, &r->g, x));
        DA_TRY(safe_parts(r, x, roots));
        DA_TRY(apply(r, &roots[MAX_ROOTS], DA_OP_square, x, 0));
        how.norm = true;
    }
    DA_TRY(final_begin(&f, r, how.nroots, roots));
    status = how.nroots == 3 ? safe_norm(&f, r) : final_apply(&f, r, DA_OP_sqrt, 0, 0);
    if (status == DA_OK)
        status = graph_convert(&f.g, &f.root, f.root, dtype, r->function);
    if (status == DA_OK)
        status = perform(r, &how, roots, &f, out);
    graph_drop(&f.g);
    return status;
}

/* (sum of |x|^ord)^(1/ord) for any other ord. */
static da_status norm_power(reduction *r, double ord, da_array **out)
{
    da_reduce_how how = {.nroots = 1, .combine = {DA_OP_add}};
    int x, n;
    final_step f;
    da_status status;

    DA_TRY(apply(r, &x, DA_OP_abs, r->root, 0));
    DA_TRY(number(&r->g, &n, ord));
    DA_TRY(apply(r, &x, DA_OP_pow, x, n));
    how.dtype[0] = r->g.nodes[x].dtype;
    DA_TRY(final_begin(&f, r, 1, &x));
    status = number(&f.g, &n, 1 / ord);
    if (status == DA_OK)
        status = final_apply(&f, r, DA_OP_pow, 0, n);
    if (status == DA_OK)
        status = perform(r, &how, &x, &f, out);
    graph_drop(&f.g);
    return status;
}

da_status da_vector_norm(da_array **out, da_expr e, da_axes axes, double ord, unsigned flags)
{
    static const char function[] = "da_vector_norm";
    reduction r;
    da_array *result = NULL;
    da_status status;
    int zero;

    DA_TRY(begin_floating(&r, out, e, axes, flags, function));
    if (ord != ord)
        return end(&r, out, NULL, err_set(DA_ERROR_ARGUMENT, "%s: ord is not a number", function));
    if (ord == 0 || ord == 1 || isinf(ord)) { /* reductions of another kind */
        const da_dtype dtype = dtype_real(root_dtype(&r));
        status = DA_OK;
        if (ord == 0) {
            status = number(&r.g, &zero, 0);
            if (status == DA_OK)
                status = apply(&r, &r.root, DA_OP_not_equal, r.root, zero);
            if (status == DA_OK)
                status = convert_root(&r, dtype);
        } else {
            status = apply(&r, &r.root, DA_OP_abs, r.root, 0);
        }
        if (status != DA_OK)
            return end(&r, out, NULL, status);
        return simple(out, &r,
                      !isinf(ord) ? DA_OP_add
                      : ord > 0   ? DA_OP_maximum
                                  : DA_OP_minimum,
                      0, isinf(ord) ? NO_ELEMENTS_FAIL : 0);
    }
    if (lacks_elements(&r))
        status = filled(&r, dtype_real(root_dtype(&r)), ord < 0 ? INFINITY : 0, &result);
    else
        status = ord == 2 ? norm2(&r, &result) : norm_power(&r, ord, &result);
    return end(&r, out, result, status);
}

/* ---- argmin, argmax ---- */

static da_status place(da_array **out, da_expr e, da_axes axes, unsigned flags, const char *function,
                       bool max)
{
    reduction r;
    da_reduce_how how = {.nroots = 1, .arg = true, .max = max};
    da_array *result = NULL;
    final_step f;
    da_status status;
    const int64_t none[1] = {0};

    DA_TRY(begin(&r, out, e, axes, flags, function));
    status = check_ordered(&r);
    if (status == DA_OK && axes.n != -1 && !r.one_axis)
        status = err_set(DA_ERROR_ARGUMENT, "%s: %d axes; it takes one, or DA_ALL", function, axes.n);
    if (status == DA_OK && lacks_elements(&r))
        status = no_elements(&r);
    if (status != DA_OK)
        return end(&r, out, NULL, status);
    how.dtype[0] = root_dtype(&r);
    graph_init(&f.g);
    status = graph_slot(&f.g, &f.root, DA_I64, 0, none);
    if (status == DA_OK)
        status = perform(&r, &how, &r.root, &f, &result);
    graph_drop(&f.g);
    return end(&r, out, result, status);
}

da_status da_argmin(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return place(out, e, axes, flags, "da_argmin", false);
}

da_status da_argmax(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return place(out, e, axes, flags, "da_argmax", true);
}

/* ---- into a C number ---- */

typedef da_status (*reduce_fn)(da_array **out, da_expr e, da_axes axes, unsigned flags);

static da_status into_number(double *value, da_expr e, reduce_fn fn, const char *function)
{
    da_array *result;
    da_status status = value ? rt_check_may_wait(function)
                             : err_set(DA_ERROR_ARGUMENT, "%s: the pointer for the value is null", function);
    if (status != DA_OK) {
        da_expr_discard(e);
        return status;
    }
    DA_TRY(fn(&result, e, DA_ALL, 0));
    if (dtype_is_complex(result->s->dtype))
        status = err_set(DA_ERROR_DTYPE,
                         "%s: the result is complex; use the form with an array and da_item()", function);
    else
        status = da_item_f64(value, result);
    da_array_release(&result);
    return status;
}

static da_status euclidean(da_array **out, da_expr e, da_axes axes, unsigned flags)
{
    return da_vector_norm(out, e, axes, 2, flags);
}

da_status da_sum_all(double *value, da_expr e)
{
    return into_number(value, e, da_sum, "da_sum_all");
}

da_status da_mean_all(double *value, da_expr e)
{
    return into_number(value, e, da_mean, "da_mean_all");
}

da_status da_min_all(double *value, da_expr e)
{
    return into_number(value, e, da_min, "da_min_all");
}

da_status da_max_all(double *value, da_expr e)
{
    return into_number(value, e, da_max, "da_max_all");
}

da_status da_norm_all(double *value, da_expr e)
{
    return into_number(value, e, euclidean, "da_norm_all");
}
