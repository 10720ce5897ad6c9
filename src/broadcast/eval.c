/* SPDX-License-Identifier: BSD-3-Clause */
/* Expressions into arrays: da_eval, da_assign. One task per tile of the output computes the whole expression there. */
#include "broadcast/graph.h"
#include "codelets/device/device.h"
#include <string.h>

#undef da_eval
#undef da_assign

/* Results of so many bytes are stored past the caches: they would be evicted before anyone reads them. */
static const int64_t stream_bytes = 16 * 1024 * 1024;

/* ---- the task ---- */

const da_codelet broadcast_codelet_expr = {.name = "expr",
                                           .cpu = da_expr_cpu,
                                           .flops = da_expr_flops,
                                           .flags = DA_CODELET_OWN | DA_CODELET_REVISION(2)};

void broadcast_view(da_array *view, const da_array *a, int ndim, const int64_t *shape)
{
    const int missing = ndim - a->ndim;
    *view = *a;
    view->ndim = ndim;
    for (int d = 0; d < ndim; d++) {
        const bool walks = d >= missing && a->shape[d - missing] == shape[d];
        view->shape[d] = shape[d];
        view->axis[d] = walks ? a->axis[d - missing] : -1;
        view->step[d] = walks ? a->step[d - missing] : 0;
    }
}

da_status node_tasks(rt_batch *batch, graph *g, int node, const da_array *dst)
{
    program *p;
    da_array few[4], *views = few;
    da_status status;
    piece_walk w;

    DA_TRY(program_build(&p, g, 1, &node));
    p->p.stream = array_count(dst) * (int64_t)da_dtype_size(dst->s->dtype) >= stream_bytes;
    if (p->ninputs > (int)(sizeof few / sizeof few[0])) {
        const size_t bytes = (size_t)p->ninputs * sizeof *views;
        views = mem_alloc(bytes);
        if (!views) {
            program_release(p);
            return err_memory(bytes, "the operands of an expression");
        }
    }
    for (int k = 0; k < p->ninputs; k++)
        broadcast_view(&views[k], g->nodes[p->inputs[k]].array, dst->ndim, dst->shape);
    status = DA_OK;
    for (bool more = piece_first(&w, dst); more && status == DA_OK; more = piece_next(&w)) {
        task_builder t;
        task_begin(&t, &broadcast_codelet_expr);
        program_operand(&t, p);
        task_access(&t, dst, w.start, w.count, DA_MODE_WRITE);
        for (int k = 0; k < p->ninputs; k++)
            task_access(&t, &views[k], w.start, w.count, DA_MODE_READ);
        status = task_add(&t, batch);
    }
    if (views != few)
        mem_free(views);
    program_release(p);
    return status;
}

/* ---- the output ---- */

static int64_t tiles_of(const da_shape *shape, const int64_t *tile)
{
    int64_t n = 1;
    for (int d = 0; d < shape->ndim; d++)
        n *= (shape->dim[d] + tile[d] - 1) / tile[d];
    return n;
}

/* The array among the operands that has the most elements, if it has the shape of the result and no broadcast axes. */
static const da_array *largest_operand(const graph *g, const da_shape *shape)
{
    const da_array *best = NULL;
    for (int i = 0; i < g->n; i++) {
        const da_array *a = g->nodes[i].kind == NODE_INPUT ? g->nodes[i].array : NULL;
        bool fits = a && a->ndim == shape->ndim;
        for (int d = 0; d < shape->ndim && fits; d++)
            fits = a->shape[d] == shape->dim[d] && a->axis[d] >= 0;
        if (fits && (!best || da_dtype_size(a->s->dtype) > da_dtype_size(best->s->dtype)))
            best = a;
    }
    return best;
}

/* The axes of a view from the outermost to the innermost in memory. */
static void order_in_memory(const da_array *a, int *order)
{
    int64_t strides[DA_MAX_NDIM];
    array_strides(a, strides);
    for (int d = 0; d < a->ndim; d++) {
        const int64_t stride = strides[d] < 0 ? -strides[d] : strides[d];
        int at = d;
        strides[d] = stride;
        for (; at > 0 && strides[order[at - 1]] < stride; at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
}

da_status result_array(da_array **out, const graph *g, int node, da_dtype dtype, const char *function)
{
    da_shape shape = {g->nodes[node].ndim, {0}};
    int64_t tile[DA_MAX_NDIM], automatic[DA_MAX_NDIM];
    int order[DA_MAX_NDIM];
    const da_array *like;

    memcpy(shape.dim, g->nodes[node].shape, (size_t)shape.ndim * sizeof shape.dim[0]);
    DA_TRY(array_check_shape(&shape, dtype, function));
    like = largest_operand(g, &shape);
    if (!like || shape.ndim == 0)
        return array_new(out, dtype, &shape, NULL, NULL);
    order_in_memory(like, order);
    if (tiling_forced(&shape, tile))
        return array_new(out, dtype, &shape, NULL, order);
    memcpy(tile, da_array_blocks(like).dim, sizeof tile);
    tiling_choose(dtype, &shape, automatic);
    /* the operand's tiles, unless they are too few to share the work */
    if (2 * tiles_of(&shape, tile) < tiles_of(&shape, automatic))
        return array_new(out, dtype, &shape, NULL, order);
    return array_new(out, dtype, &shape, tile, order);
}

/* ---- expressions of very many arrays ---- */

da_status graph_materialise(rt_batch *batch, graph *g, int i)
{
    da_array *array;
    da_status status;
    DA_TRY(result_array(&array, g, i, g->nodes[i].dtype, "expression"));
    status = node_tasks(batch, g, i, array);
    if (status != DA_OK) {
        da_array_release(&array);
        return status;
    }
    g->nodes[i].kind = NODE_INPUT;
    g->nodes[i].array = array;
    g->nodes[i].nargs = 0;
    return DA_OK;
}

/* Counts the inputs of node i, one for each use; too many of them become arrays first. */
static da_status split_node(rt_batch *batch, graph *g, int i, int *inputs)
{
    for (;;) {
        const graph_node *node = &g->nodes[i];
        int largest = -1;
        inputs[i] = node->kind == NODE_INPUT;
        for (int k = 0; k < node->nargs; k++) {
            const int arg = node->args[k];
            inputs[i] += inputs[arg];
            if (largest < 0 || inputs[arg] > inputs[largest])
                largest = arg;
        }
        if (inputs[i] <= DA_EXPR_MAX_INPUTS)
            return DA_OK;
        DA_TRY(graph_materialise(batch, g, largest));
        inputs[largest] = 1;
    }
}

da_status graph_split(rt_batch *batch, graph *g)
{
    const size_t bytes = (size_t)g->n * sizeof(int);
    int n = 0, *inputs;
    da_status status = DA_OK;
    for (int i = 0; i < g->n; i++)
        n += g->nodes[i].kind == NODE_INPUT;
    if (n <= DA_EXPR_MAX_INPUTS)
        return DA_OK;
    inputs = mem_alloc(bytes);
    if (!inputs)
        return err_memory(bytes, "an expression of many arrays");
    for (int i = 0; i < g->n && status == DA_OK; i++)
        status = split_node(batch, g, i, inputs);
    mem_free(inputs);
    return status;
}

/* ---- da_eval ---- */

da_status da_eval(da_array **out, da_expr e)
{
    static const char function[] = "da_eval";
    rt_batch batch = RT_BATCH_INIT;
    fault_flow flow;
    const da_array **inputs = NULL;
    da_array *result = NULL;
    graph g;
    int root, n;
    da_status status;

    DA_TRY(arena_take(&g, &root, e, function));
    status = array_check_out(out, function);
    if (status == DA_OK)
        status = graph_settle(&g, &root, function);
    if (status == DA_OK)
        status = graph_split(&batch, &g);
    if (status == DA_OK)
        status = result_array(&result, &g, root, g.nodes[root].dtype, function);
    if (status == DA_OK)
        status = node_tasks(&batch, &g, root, result);
    if (status == DA_OK)
        status = graph_arrays(&g, &n, &inputs);
    if (status == DA_OK)
        status = faults_prepare(&flow, result, true, n, inputs, NULL);
    if (status == DA_OK)
        faults_apply(&flow, result); /* nobody sees the array before the commit */
    if (result)
        status = array_finish(out, result, &batch, status);
    else
        rt_batch_abandon(&batch);
    mem_free(inputs);
    graph_drop(&g);
    return status;
}

/* ---- da_assign ---- */

static da_status check_destination(const da_array *dst, const graph *g, int root, const char *function)
{
    const graph_node *node = &g->nodes[root];
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    bool fits = node->ndim <= dst->ndim;

    if (dst->read_only)
        return err_set(DA_ERROR_ARGUMENT,
                       "%s: dst is a broadcast view, whose elements share memory, so it cannot be written",
                       function);
    for (int d = 0; d < node->ndim && fits; d++) {
        const int64_t extent = node->shape[d];
        fits = extent == 1 || extent == dst->shape[dst->ndim - node->ndim + d];
    }
    if (!fits) {
        const da_shape into = array_shape_of(dst);
        da_shape shape = {node->ndim, {0}};
        memcpy(shape.dim, node->shape, (size_t)node->ndim * sizeof shape.dim[0]);
        return err_set(DA_ERROR_SHAPE,
                       "%s: an expression of shape %s does not broadcast into dst of shape %s", function,
                       shape_text(&shape, from), shape_text(&into, to));
    }
    if (node->dtype && kind_of_dtype(node->dtype) > kind_of_dtype(dst->s->dtype))
        return err_set(DA_ERROR_DTYPE,
                       "%s: values of %s do not go into dst of %s without loss of kind; da_astype() says how "
                       "they should",
                       function, da_dtype_name(node->dtype), da_dtype_name(dst->s->dtype));
    return DA_OK;
}

/* True if writing dst tile by tile would change operands that are still to be read. */
static bool must_not_run_in_place(const da_array *dst, const graph *g)
{
    for (int i = 0; i < g->n; i++) {
        const da_array *a = g->nodes[i].kind == NODE_INPUT ? g->nodes[i].array : NULL;
        da_array view;
        if (!a || !array_overlaps(dst, a))
            continue;
        broadcast_view(&view, a, dst->ndim, dst->shape);
        if (!array_identical(&view, dst))
            return true;
    }
    return false;
}

static da_status assign_through_temporary(rt_batch *batch, graph *g, int root, da_array *dst,
                                          const char *function)
{
    da_array *temporary, view;
    da_status status;
    DA_TRY(result_array(&temporary, g, root, dst->s->dtype, function));
    status = node_tasks(batch, g, root, temporary);
    broadcast_view(&view, temporary, dst->ndim, dst->shape);
    if (status == DA_OK)
        status = array_copy_tasks(batch, dst, &view);
    da_array_release(&temporary); /* its tasks keep it */
    return status;
}

da_status da_assign(da_array *dst, da_expr e)
{
    static const char function[] = "da_assign";
    rt_batch batch = RT_BATCH_INIT;
    fault_flow flow;
    const da_array **inputs = NULL;
    graph g;
    int root, n;
    da_status status;

    DA_TRY(arena_take(&g, &root, e, function));
    status = array_check(dst, function, "dst");
    if (status == DA_OK)
        status = check_destination(dst, &g, root, function);
    if (status == DA_OK)
        status = graph_convert(&g, &root, root, dst->s->dtype, function);
    if (status == DA_OK)
        status = graph_split(&batch, &g);
    if (status == DA_OK && must_not_run_in_place(dst, &g))
        status = assign_through_temporary(&batch, &g, root, dst, function);
    else if (status == DA_OK)
        status = node_tasks(&batch, &g, root, dst);
    if (status == DA_OK)
        status = graph_arrays(&g, &n, &inputs);
    if (status == DA_OK)
        status = faults_prepare(&flow, dst, array_covers_storage(dst), n, inputs, NULL);
    if (status == DA_OK) {
        faults_apply(&flow, dst);
        status = rt_batch_commit(&batch);
    } else {
        rt_batch_abandon(&batch);
    }
    mem_free(inputs);
    graph_drop(&g);
    return status;
}
