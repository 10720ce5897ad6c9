/* SPDX-License-Identifier: BSD-3-Clause */
/* Graphs: every node with its shape and dtype, conversions made explicit, operations on numbers alone computed at once. */
#include "broadcast/graph.h"
#include <string.h>

void graph_init(graph *g)
{
    g->nodes = g->space;
    g->n = 0;
    g->capacity = (int)(sizeof g->space / sizeof g->space[0]);
}

void graph_drop(graph *g)
{
    for (int i = 0; i < g->n; i++)
        if (g->nodes[i].kind == NODE_INPUT && g->nodes[i].array) {
            da_array *array = (da_array *)(uintptr_t)g->nodes[i].array;
            da_array_release(&array);
        }
    if (g->nodes != g->space)
        mem_free(g->nodes);
    graph_init(g);
}

static da_status append(graph *g, int *out, node_kind kind)
{
    if (g->n == g->capacity) {
        const size_t bytes = 2 * (size_t)g->capacity * sizeof *g->nodes;
        graph_node *grown = g->nodes == g->space ? mem_alloc(bytes) : mem_realloc(g->nodes, bytes);
        if (!grown)
            return err_memory(bytes, "an expression");
        if (g->nodes == g->space)
            memcpy(grown, g->space, sizeof g->space);
        g->nodes = grown;
        g->capacity *= 2;
    }
    graph_node *node = &g->nodes[g->n];
    node->kind = kind;
    node->nargs = 0;
    node->dtype = 0;
    node->array = NULL;
    node->ndim = 0;
    *out = g->n++;
    return DA_OK;
}

da_status graph_input(graph *g, int *out, const da_array *array)
{
    enum { LOOK_BACK = 64 };
    da_array *reference = (da_array *)(uintptr_t)array;
    da_status status;
    int node;

    for (int i = g->n - 1, looked = 0; i >= 0 && looked < LOOK_BACK; i--) {
        const graph_node *other = &g->nodes[i];
        if (other->kind != NODE_INPUT || !other->array)
            continue;
        looked++;
        if (other->array == array || (other->array->s == array->s && array_identical(other->array, array))) {
            da_array_release(&reference);
            *out = i;
            return DA_OK;
        }
    }
    status = append(g, &node, NODE_INPUT);
    if (status != DA_OK) {
        da_array_release(&reference);
        return status;
    }
    g->nodes[node].array = array;
    g->nodes[node].dtype = array->s->dtype;
    g->nodes[node].ndim = array->ndim;
    memcpy(g->nodes[node].shape, array->shape, (size_t)array->ndim * sizeof array->shape[0]);
    *out = node;
    return DA_OK;
}

da_status graph_slot(graph *g, int *out, da_dtype dtype, int ndim, const int64_t *shape)
{
    DA_TRY(append(g, out, NODE_INPUT));
    g->nodes[*out].dtype = dtype;
    g->nodes[*out].ndim = ndim;
    memcpy(g->nodes[*out].shape, shape, (size_t)ndim * sizeof shape[0]);
    return DA_OK;
}

da_status graph_number(graph *g, int *out, da_scalar value)
{
    DA_TRY(append(g, out, NODE_NUMBER));
    g->nodes[*out].number = value;
    return DA_OK;
}

/* ---- conversion ---- */

/* A number as an element, as an input of dtype `dtype` that has no array: program.c makes a constant of it. */
static da_status convert_number(graph *g, int *out, int node, da_dtype dtype, const char *function)
{
    const da_scalar value = g->nodes[node].number;
    DA_TRY(scalar_check(dtype, value, function));
    DA_TRY(append(g, out, NODE_NUMBER));
    g->nodes[*out].number = value;
    g->nodes[*out].dtype = dtype;
    return DA_OK;
}

/* True if x != 0, for a number of any kind. */
static bool truth(da_scalar value)
{
    return value.kind_ == 3   ? value.v_.z.re != 0
           : value.kind_ == 4 ? value.v_.z.re != 0 || value.v_.z.im != 0
                              : value.v_.u != 0;
}

static da_scalar number_of_bool(bool b)
{
    da_scalar value = {5, 0, {0}};
    value.v_.u = b;
    return value;
}

da_status graph_convert(graph *g, int *out, int node, da_dtype dtype, const char *function)
{
    const graph_node *from = &g->nodes[node];
    if (from->dtype == dtype) {
        *out = node;
        return DA_OK;
    }
    if (from->kind == NODE_NUMBER && dtype == DA_BOOL && from->number.kind_ != 5) {
        DA_TRY(graph_number(g, out, number_of_bool(truth(from->number))));
        g->nodes[*out].dtype = DA_BOOL;
        return DA_OK;
    }
    if (from->kind == NODE_NUMBER)
        return convert_number(g, out, node, dtype, function);
    if (!da_expr_convert_kernel(dtype, from->dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s does not convert to %s here; da_astype() says how it should",
                       function, da_dtype_name(from->dtype), da_dtype_name(dtype));
    DA_TRY(append(g, out, NODE_CONVERT));
    from = &g->nodes[node];
    graph_node *to = &g->nodes[*out];
    to->dtype = dtype;
    to->nargs = 1;
    to->args[0] = node;
    to->ndim = from->ndim;
    memcpy(to->shape, from->shape, (size_t)from->ndim * sizeof from->shape[0]);
    return DA_OK;
}

da_status graph_settle(graph *g, int *node, const char *function)
{
    if (g->nodes[*node].dtype)
        return DA_OK;
    return graph_convert(g, node, *node, dtype_of_number(g->nodes[*node].number), function);
}

/* ---- shapes ---- */

/* The shape of node `to` grows to hold that of node `from`. */
static bool join_shapes(graph *g, int to, int from)
{
    graph_node *a = &g->nodes[to];
    const graph_node *b = &g->nodes[from];
    if (b->ndim > a->ndim) {
        memmove(a->shape + (b->ndim - a->ndim), a->shape, (size_t)a->ndim * sizeof a->shape[0]);
        for (int d = 0; d < b->ndim - a->ndim; d++)
            a->shape[d] = 1;
        a->ndim = b->ndim;
    }
    for (int d = 0; d < b->ndim; d++) {
        int64_t *extent = &a->shape[a->ndim - b->ndim + d];
        if (*extent == 1)
            *extent = b->shape[d];
        else if (b->shape[d] != 1 && b->shape[d] != *extent)
            return false;
    }
    return true;
}

static da_status shape_error(const graph *g, int n, const int *args, const char *function)
{
    char text[3 * (SHAPE_TEXT + 8)] = "", one[SHAPE_TEXT];
    for (int k = 0; k < n; k++) {
        const graph_node *node = &g->nodes[args[k]];
        da_shape shape = {node->ndim, {0}};
        memcpy(shape.dim, node->shape, (size_t)node->ndim * sizeof shape.dim[0]);
        strcat(text, k == 0 ? "" : k == n - 1 ? " and " : ", ");
        strcat(text, shape_text(&shape, one));
    }
    return err_set(DA_ERROR_SHAPE, "%s: shapes %s do not broadcast to a common shape", function, text);
}

/* ---- operations ---- */

static bool is_comparison(da_expr_op op)
{
    return op >= DA_OP_equal && op <= DA_OP_greater_equal;
}

static bool is_signed_integer(da_dtype dtype)
{
    return dtype_is_integer(dtype) && dtype_is_signed(dtype);
}

static bool is_integer_number(const graph_node *node)
{
    return node->kind == NODE_NUMBER && !node->dtype && (node->number.kind_ == 1 || node->number.kind_ == 2);
}

/* An operation whose operands have their dtype and whose kernel exists. */
static da_status append_op(graph *g, int *out, da_expr_op op, int n, const int *args, da_dtype dtype,
                           const char *function)
{
    DA_TRY(append(g, out, NODE_OP));
    graph_node *node = &g->nodes[*out];
    node->op = op;
    node->dtype = da_op_result_dtype(op, dtype);
    node->nargs = n;
    memcpy(node->args, args, (size_t)n * sizeof args[0]);
    for (int k = 0; k < n; k++)
        if (!join_shapes(g, *out, args[k])) {
            g->n--;
            return shape_error(g, n, args, function);
        }
    return DA_OK;
}

/* The operation on numbers that were converted to `dtype`: a number again, weak. */
static da_status fold(graph *g, int *out, da_expr_op op, int n, const int *args, da_dtype dtype)
{
    da_c128 operands[3] = {{0, 0}}, result = {0, 0};
    da_scalar value = {0, 0, {0}};
    const da_dtype to = da_op_result_dtype(op, dtype);
    const int first = op == DA_OP_where;

    for (int k = 0; k < n; k++)
        scalar_element(&operands[k], g->nodes[args[k]].dtype, g->nodes[args[k]].number);
    if (first)
        result = operands[*(const unsigned char *)&operands[0] ? 1 : 2];
    else
        (*da_expr_kernel_of(op, dtype))[0](&result, &operands[0], &operands[1], &operands[2], 1);
    switch (to) {
    case DA_BOOL:
        value.kind_ = 5;
        value.v_.u = *(const unsigned char *)&result;
        break;
    case DA_I64:
        value.kind_ = 1;
        memcpy(&value.v_.i, &result, sizeof value.v_.i);
        break;
    case DA_U64:
        value.kind_ = 2;
        memcpy(&value.v_.u, &result, sizeof value.v_.u);
        break;
    case DA_C128:
        value.kind_ = 4;
        value.v_.z = result;
        break;
    default:
        value.kind_ = 3;
        value.v_.z.re = result.re;
        break;
    }
    return graph_number(g, out, value);
}

/* Comparison of a signed integer with u64, which no common integer type holds: by the sign first. */
static da_status compare_mixed(graph *g, int *out, da_expr_op op, int x, int y, const char *function)
{
    static const da_expr_op swapped[] = {
        [DA_OP_equal] = DA_OP_equal,  [DA_OP_not_equal] = DA_OP_not_equal,
        [DA_OP_less] = DA_OP_greater, [DA_OP_less_equal] = DA_OP_greater_equal,
        [DA_OP_greater] = DA_OP_less, [DA_OP_greater_equal] = DA_OP_less_equal};
    const bool negative_wins = op == DA_OP_not_equal || op == DA_OP_less || op == DA_OP_less_equal;
    const da_scalar nought = {1, 0, {0}};
    int zero, wide, sign, plain;

    if (g->nodes[x].dtype == DA_U64)
        return compare_mixed(g, out, swapped[op], y, x, function);
    DA_TRY(graph_convert(g, &wide, x, DA_I64, function));
    DA_TRY(graph_number(g, &zero, nought));
    DA_TRY(graph_apply(g, &sign, negative_wins ? DA_OP_less : DA_OP_greater_equal, wide, zero, 0, function));
    if (g->nodes[wide].kind == NODE_NUMBER) { /* the same bits */
        da_scalar bits = {2, 0, {0}};
        bits.v_.u = g->nodes[wide].number.v_.u;
        DA_TRY(graph_number(g, &wide, bits));
    }
    DA_TRY(graph_convert(g, &wide, wide, DA_U64, function));
    DA_TRY(graph_apply(g, &plain, op, wide, y, 0, function));
    return graph_apply(g, out, negative_wins ? DA_OP_logical_or : DA_OP_logical_and, sign, plain, 0,
                       function);
}

/* A comparison with an integer that the other operand's dtype cannot hold is exact: the number counts as i64 or u64. */
static da_status widen_numbers(graph *g, int *args, const char *function)
{
    for (int k = 0; k < 2; k++) {
        const graph_node *number = &g->nodes[args[k]], *other = &g->nodes[args[1 - k]];
        da_dtype dtype;
        if (!is_integer_number(number) || !dtype_is_integer(other->dtype))
            continue;
        if (scalar_check(other->dtype, number->number, function) == DA_OK)
            continue;
        dtype = number->number.kind_ == 2 && number->number.v_.u > INT64_MAX ? DA_U64 : DA_I64;
        DA_TRY(graph_convert(g, &args[k], args[k], dtype, function));
    }
    return DA_OK;
}

static bool is_number_two(const graph_node *node)
{
    return node->kind == NODE_NUMBER && ((node->number.kind_ == 3 && node->number.v_.z.re == 2.0) ||
                                         (node->number.kind_ <= 2 && node->number.v_.u == 2));
}

static da_status check_power(const graph *g, const int *args, da_dtype dtype, const char *function)
{
    const graph_node *exponent = &g->nodes[args[1]];
    if (dtype_is_integer(dtype) && exponent->kind == NODE_NUMBER && exponent->number.kind_ == 1 &&
        exponent->number.v_.i < 0)
        return err_set(
            DA_ERROR_ARGUMENT,
            "%s: integers to the negative integer power %lld are no integers; make one of them a float",
            function, (long long)exponent->number.v_.i);
    return DA_OK;
}

static da_status unsupported(da_expr_op op, da_dtype dtype, const char *function)
{
    (void)op;
    if (dtype == DA_F16 || dtype == DA_BF16)
        return err_set(DA_ERROR_DTYPE, "%s: %s is for storage; da_astype() it to float32 to compute with it",
                       function, da_dtype_name(dtype));
    return err_set(DA_ERROR_DTYPE, "%s: not defined for %s", function, da_dtype_name(dtype));
}

da_status graph_apply(graph *g, int *out, da_expr_op op, int x, int y, int z, const char *function)
{
    const int n = da_op_arity(op), first = op == DA_OP_where; /* where's condition has a dtype of its own */
    int args[3] = {x, y, z};
    operand_type types[3];
    bool numbers = true;
    da_dtype dtype;

    if (is_comparison(op)) {
        DA_TRY(widen_numbers(g, args, function));
        const da_dtype a = g->nodes[args[0]].dtype, b = g->nodes[args[1]].dtype;
        if ((a == DA_U64 && is_signed_integer(b)) || (b == DA_U64 && is_signed_integer(a)))
            return compare_mixed(g, out, op, args[0], args[1], function);
    }
    for (int k = 0; k < n; k++) {
        const graph_node *node = &g->nodes[args[k]];
        numbers = numbers && node->kind == NODE_NUMBER;
        types[k] = (operand_type){node->dtype, node->number.kind_};
    }
    dtype = promote_operands(n - first, types + first);
    for (int k = first; k < n && numbers; k++) /* only numbers: one may need u64 */
        if (dtype == DA_I64 && dtype_of_number(g->nodes[args[k]].number) == DA_U64)
            dtype = DA_U64;
    switch (da_op_supports(op, dtype)) {
    case DA_OP_AS_F64: dtype = DA_F64; break;
    case DA_OP_AS_BOOL: dtype = DA_BOOL; break;
    case DA_OP_NO: return unsupported(op, dtype, function);
    default: break;
    }
    if (op == DA_OP_pow) {
        DA_TRY(check_power(g, args, dtype, function));
        if (!numbers && is_number_two(&g->nodes[args[1]]) &&
            da_op_supports(DA_OP_square, dtype) == DA_OP_YES) {
            DA_TRY(graph_convert(g, &args[0], args[0], dtype, function));
            return append_op(g, out, DA_OP_square, 1, args, dtype, function);
        }
    }
    if (first)
        DA_TRY(graph_convert(g, &args[0], args[0], DA_BOOL, function));
    for (int k = first; k < n; k++)
        DA_TRY(graph_convert(g, &args[k], args[k], dtype, function));
    if (numbers)
        return fold(g, out, op, n, args, dtype);
    return append_op(g, out, op, n, args, dtype, function);
}

da_status graph_arrays(const graph *g, int *n, const da_array ***arrays)
{
    const size_t bytes = (size_t)(g->n + 1) * sizeof **arrays;
    *n = 0;
    *arrays = mem_alloc(bytes);
    if (!*arrays)
        return err_memory(bytes, "the operands of an expression");
    for (int i = 0; i < g->n; i++)
        if (g->nodes[i].kind == NODE_INPUT && g->nodes[i].array)
            (*arrays)[(*n)++] = g->nodes[i].array;
    return DA_OK;
}
