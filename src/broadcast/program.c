/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From graph to program: the order of instructions, pairs of operations in one instruction, slots.
 *
 * Operands that need more slots come first (Sethi and Ullman), so a tree of n operations needs at most log2(n) + 2 slots however
 * it was written. Nothing here recurses: expressions may be thousands of operations deep.
 */
#include "broadcast/graph.h"
#include <string.h>

/* With more inputs than this each use loads its input anew, so that inputs do not occupy slots between uses. */
enum { KEPT_INPUTS = 12 };

enum { UNSEEN, OPENED, DONE };

typedef struct builder {
    graph *g;
    program *out;
    da_expr_instr *instr;
    unsigned char *input_size;
    da_c128 *constants;
    int nconstants;
    uint64_t free_slots;    /* of those in use so far */
    const graph_node *last; /* what the last instruction computes; null: it loads */
    bool too_many;
} builder;

/* ---- order ---- */

static int need_of(const graph *g, const graph_node *node)
{
    int needs[3], need = 1;
    if (node->kind == NODE_NUMBER)
        return 0;
    for (int k = 0; k < node->nargs; k++) {
        int at = k;
        const int x = g->nodes[node->args[k]].need;
        for (; at > 0 && needs[at - 1] < x; at--)
            needs[at] = needs[at - 1];
        needs[at] = x;
    }
    for (int k = 0; k < node->nargs; k++)
        if (needs[k] + k > need)
            need = needs[k] + k;
    return need;
}

/* Push operands that are not done, the one with the largest need last. */
static int push_operands(const graph *g, const graph_node *node, int *stack, int top)
{
    int args[3];
    for (int k = 0; k < node->nargs; k++) {
        int at = k;
        for (; at > 0 && g->nodes[args[at - 1]].need > g->nodes[node->args[k]].need; at--)
            args[at] = args[at - 1];
        args[at] = node->args[k];
    }
    for (int k = 0; k < node->nargs; k++)
        if (g->nodes[args[k]].slot == UNSEEN)
            stack[top++] = args[k];
    return top;
}

/* The nodes that roots are computed from, in the order of computation; sets their number of uses. */
static int order_nodes(graph *g, int nroots, const int *roots, int *order, int *stack)
{
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        graph_node *node = &g->nodes[i];
        node->uses = 0;
        node->absorbed = -1;
        node->slot = UNSEEN;
        node->need = need_of(g, node);
    }
    for (int r = nroots - 1; r >= 0; r--) { /* root 0 is written last */
        int top = 0;
        stack[top++] = roots[r];
        while (top > 0) {
            const int i = stack[top - 1];
            graph_node *node = &g->nodes[i];
            if (node->slot == UNSEEN) {
                node->slot = OPENED;
                top = push_operands(g, node, stack, top);
                continue;
            }
            top--;
            if (node->slot == OPENED) {
                node->slot = DONE;
                order[n++] = i;
                for (int k = 0; k < node->nargs; k++)
                    g->nodes[node->args[k]].uses++;
            }
        }
        g->nodes[roots[r]].uses++;
    }
    return n;
}

/* ---- pairs ---- */

static const da_expr_kernel *pair_of(const graph *g, const graph_node *node, int k)
{
    const graph_node *arg = &g->nodes[node->args[k]];
    if (node->kind != NODE_OP || node->nargs != 2 || arg->kind != NODE_OP || arg->nargs != 2 ||
        arg->uses != 1)
        return NULL;
    return da_expr_pair_kernel(arg->op, node->op, k == 1, node->dtype);
}

/* Operations that are computed together with their only user. absorbed: which operand of the user that is; of the operand: 2. */
static void find_pairs(graph *g, int n, const int *order)
{
    for (int i = n - 1; i >= 0; i--) {
        graph_node *node = &g->nodes[order[i]];
        for (int k = 0; k < node->nargs && node->absorbed < 0; k++)
            if (pair_of(g, node, k)) {
                node->absorbed = k;
                g->nodes[node->args[k]].absorbed = 2;
            }
    }
}

/* ---- square roots ----
 * They keep one unit of the CPU busy and leave the others idle: computed beside a function that has a vector form they cost nothing. */

static bool is_root_of(const graph_node *node, da_dtype dtype)
{
    return node->kind == NODE_OP && node->op == DA_OP_sqrt && node->dtype == dtype;
}

static da_expr_sqrt_beside_fn beside_of(const graph_node *node)
{
    return node->kind == NODE_OP && node->nargs == 1 ? da_expr_sqrt_beside(node->op, node->dtype) : NULL;
}

static bool uses(const graph *g, int user, int i)
{
    const graph_node *node = &g->nodes[user];
    for (int k = 0; k < node->nargs; k++)
        if (node->args[k] == i)
            return true;
    return false;
}

/* Whether what stands at `from` may stand right behind `to`: not before what it needs, not behind what needs it. Inputs are loaded
 * when they are needed. */
static bool may_move(const graph *g, const int *order, int from, int to)
{
    for (int i = to + 1; i < from; i++)
        if (uses(g, order[from], order[i]) && g->nodes[order[i]].kind != NODE_INPUT)
            return false;
    for (int i = from + 1; i <= to; i++)
        if (uses(g, order[i], order[from]))
            return false;
    return !uses(g, order[from], order[to]);
}

/* Square roots go right behind a function which they have nothing to do with, one behind each. The last operation stays the last. */
static void move_square_roots(const graph *g, int n, int *order)
{
    uint64_t settled = 0; /* nodes that have a partner */
    if (g->n > DA_EXPR_MAX_SLOTS)
        return; /* results that wait longer take more slots */
    for (int from = 0; from < n - 1; from++) {
        const int root = order[from];
        int to = 0;
        if (!is_root_of(&g->nodes[root], g->nodes[root].dtype) || settled >> root & 1)
            continue;
        while (to < n && !(beside_of(&g->nodes[order[to]]) && !(settled >> order[to] & 1) &&
                           g->nodes[order[to]].dtype == g->nodes[root].dtype && may_move(g, order, from, to)))
            to++;
        if (to == n)
            continue;
        settled |= (uint64_t)1 << root | (uint64_t)1 << order[to];
        if (to < from) {
            memmove(order + to + 2, order + to + 1, (size_t)(from - to - 1) * sizeof *order);
            order[to + 1] = root;
        } else {
            memmove(order + from, order + from + 1, (size_t)(to - from) * sizeof *order);
            order[to] = root;
            from--;
        }
    }
}

/* ---- instructions ---- */

static int take_slot(builder *b, bool fresh)
{
    da_expr_program *p = &b->out->p;
    if (!fresh && b->free_slots) {
        const int slot = __builtin_ctzll(b->free_slots);
        b->free_slots &= b->free_slots - 1;
        return slot;
    }
    if (p->nslots == DA_EXPR_MAX_SLOTS) {
        b->too_many = true;
        return 0;
    }
    return p->nslots++;
}

static int size_of_node(const graph_node *node)
{
    return da_dtype_bytes(node->dtype);
}

static void note_size(builder *b, int size)
{
    if (size > b->out->p.max_size)
        b->out->p.max_size = size;
}

static da_expr_instr *next_instr(builder *b, const graph_node *node)
{
    da_expr_instr *instr = &b->instr[b->out->p.ninstr++];
    memset(instr, 0, sizeof *instr);
    b->last = node->kind == NODE_INPUT ? NULL : node;
    instr->out_size = (unsigned char)size_of_node(node);
    note_size(b, instr->out_size);
    return instr;
}

static void load(builder *b, int i)
{
    program *out = b->out;
    graph_node *node = &b->g->nodes[i];
    int input = 0;
    while (input < out->ninputs && out->inputs[input] != i)
        input++;
    if (input == DA_EXPR_MAX_INPUTS) {
        b->too_many = true;
        input = 0;
    } else if (input == out->ninputs) {
        out->inputs[out->ninputs++] = i;
        b->input_size[input] = (unsigned char)size_of_node(node);
    }
    node->slot = take_slot(b, false);
    da_expr_instr *instr = next_instr(b, node);
    instr->a = input;
    instr->out = node->slot;
    instr->op = DA_EXPR_LOAD;
    instr->dtype = (unsigned char)node->dtype;
}

/* Where an operand is: a slot, or ~k for constant k. */
static int place_of(builder *b, int i)
{
    graph_node *node = &b->g->nodes[i];
    if (node->kind == NODE_NUMBER) {
        scalar_element(&b->constants[b->nconstants], node->dtype, node->number);
        return ~b->nconstants++;
    }
    if (node->kind == NODE_INPUT && node->slot < 0)
        load(b, i);
    return node->slot;
}

/* One use of an operand is over. Only slots of elements of `size` bytes are given back, or (0) all. */
static void release_operands(builder *b, int n, const int *args, int size)
{
    for (int k = 0; k < n; k++) {
        graph_node *node = &b->g->nodes[args[k]];
        const bool over = node->uses == 0 || (node->kind == NODE_INPUT && b->out->ninputs > KEPT_INPUTS);
        if (node->kind == NODE_NUMBER || node->slot < 0 || !over || (size && size_of_node(node) != size))
            continue;
        b->free_slots |= (uint64_t)1 << node->slot;
        node->slot = -1;
    }
}

static const da_expr_fn *kernel_of(const graph *g, const graph_node *node)
{
    if (node->kind == NODE_CONVERT)
        return *da_expr_convert_kernel(node->dtype, g->nodes[node->args[0]].dtype);
    /* the kernel is chosen by the dtype of the operands; of where by that of the values */
    return *da_expr_kernel_of(node->op, g->nodes[node->args[node->nargs - 1]].dtype);
}

/* The instruction as data: see da_expr_instr. */
static void describe_instr(da_expr_instr *instr, const graph *g, const graph_node *node)
{
    const graph_node *first = node->absorbed >= 0 ? &g->nodes[node->args[node->absorbed]] : node;
    instr->dtype = (unsigned char)g->nodes[first->args[first->nargs - 1]].dtype;
    instr->op = node->kind == NODE_CONVERT ? DA_EXPR_CONVERT : (unsigned char)first->op;
    if (node->kind == NODE_CONVERT)
        instr->then = (unsigned char)node->dtype;
    else if (node->absorbed >= 0)
        instr->then = (unsigned char)(node->op | (node->absorbed == 1 ? DA_EXPR_REVERSED : 0));
}

static void emit(builder *b, int i, bool root)
{
    graph *g = b->g;
    graph_node *node = &g->nodes[i];
    int args[3], places[3] = {0, 0, 0}, n = 0;

    if (node->absorbed >= 0) {
        const graph_node *inner = &g->nodes[node->args[node->absorbed]];
        args[n++] = inner->args[0];
        args[n++] = inner->args[1];
        args[n++] = node->args[1 - node->absorbed];
    } else {
        for (; n < node->nargs; n++)
            args[n] = node->args[n];
    }
    for (int k = 0; k < n; k++)
        places[k] = place_of(b, args[k]);
    for (int k = 0; k < n; k++)
        g->nodes[args[k]].uses--;
    /* the result may lie where an operand was, element by element */
    release_operands(b, n, args, size_of_node(node));
    node->slot = take_slot(b, root);
    release_operands(b, n, args, 0);

    const graph_node *before = b->last;
    da_expr_instr *instr = next_instr(b, node);
    if (before && is_root_of(node, before->dtype) && places[0] != instr[-1].out)
        instr[-1].beside = beside_of(before);
    instr->kernel = node->absorbed >= 0 ? *pair_of(g, node, node->absorbed) : kernel_of(g, node);
    describe_instr(instr, g, node);
    instr->out = node->slot;
    instr->nargs = (unsigned char)n;
    instr->a = places[0];
    instr->b = places[1];
    instr->c = places[2];
    for (int k = 0; k < n; k++)
        instr->in_size[k] = (unsigned char)size_of_node(&g->nodes[args[k]]);
}

/* A root that is a number: a copy of a constant. */
static void emit_number(builder *b, int i)
{
    graph_node *node = &b->g->nodes[i];
    const int place = place_of(b, i);
    da_expr_instr *instr = next_instr(b, node);
    instr->kernel = *da_expr_convert_kernel(node->dtype, node->dtype);
    instr->out = node->slot = take_slot(b, true);
    instr->nargs = 1;
    instr->a = place;
    instr->in_size[0] = instr->out_size;
    instr->op = DA_EXPR_CONVERT;
    instr->dtype = instr->then = (unsigned char)node->dtype;
}

static bool is_root(int i, int nroots, const int *roots)
{
    for (int r = 0; r < nroots; r++)
        if (roots[r] == i)
            return true;
    return false;
}

static void emit_all(builder *b, int n, const int *order, int nroots, const int *roots)
{
    graph *g = b->g;
    for (int i = 0; i < n; i++)
        g->nodes[order[i]].slot = -1;
    for (int i = 0; i < n; i++) {
        const graph_node *node = &g->nodes[order[i]];
        const bool root = is_root(order[i], nroots, roots);
        if (node->absorbed == 2)
            continue;
        if (beside_of(node) && i + 1 < n && is_root_of(&g->nodes[order[i + 1]], node->dtype) &&
            g->nodes[g->nodes[order[i + 1]].args[0]].kind == NODE_INPUT)
            place_of(b, g->nodes[order[i + 1]].args[0]); /* loaded before, so that nothing comes in between */
        if (node->kind == NODE_OP || node->kind == NODE_CONVERT)
            emit(b, order[i], root);
        else if (root && node->kind == NODE_NUMBER)
            emit_number(b, order[i]);
        else if (root && node->slot < 0)
            load(b, order[i]);
    }
}

/* ---- programs ---- */

static void destroy(rt_owner *owner)
{
    da_expr_texts_drop(&((program *)owner)->texts);
    mem_free(owner);
}

static void describe(const rt_owner *owner, const rt_data *data, rt_piece *piece)
{
    (void)owner, (void)data, (void)piece; /* a program has no data */
}

static const rt_owner_class program_class = {destroy, describe};

/* The memory of a program for n nodes: as much as it may need. */
static da_status allocate(builder *b, int n, int edges, int nroots)
{
    const size_t inputs = (size_t)(n < DA_EXPR_MAX_INPUTS ? n : DA_EXPR_MAX_INPUTS) + 1;
    const size_t ninstr = (size_t)(n + edges + nroots), nconstants = (size_t)(edges + nroots);
    const size_t at_instr = (sizeof(program) + inputs * sizeof(int) + 15) / 16 * 16;
    const size_t at_constants = (at_instr + ninstr * sizeof(da_expr_instr) + 15) / 16 * 16;
    const size_t at_sizes = at_constants + nconstants * sizeof(da_c128);
    const size_t bytes = at_sizes + inputs;
    char *memory = mem_zalloc(bytes);
    if (!memory)
        return err_memory(bytes, "the program of an expression");
    b->out = (program *)(void *)memory;
    rt_owner_init(&b->out->owner, &program_class);
    b->out->texts.allocate = mem_alloc;
    b->out->texts.free = mem_free;
    b->instr = (da_expr_instr *)(void *)(memory + at_instr);
    b->constants = (da_c128 *)(void *)(memory + at_constants);
    b->input_size = (unsigned char *)memory + at_sizes;
    return DA_OK;
}

da_status program_build(program **out, graph *g, int nroots, const int *roots)
{
    builder b = {.g = g};
    int few[5 * 64], *scratch = few;
    int n, edges = 0;
    da_status status;

    for (int i = 0; i < g->n; i++)
        edges += g->nodes[i].nargs;
    if (g->n + edges + 2 > (int)(sizeof few / sizeof few[0])) {
        const size_t bytes = (size_t)(g->n + edges + 2) * sizeof *scratch;
        scratch = mem_alloc(bytes);
        if (!scratch)
            return err_memory(bytes, "the order of an expression");
    }
    n = order_nodes(g, nroots, roots, scratch, scratch + g->n);
    find_pairs(g, n, scratch);
    move_square_roots(g, n, scratch);
    status = allocate(&b, g->n, edges, nroots);
    if (status == DA_OK) {
        da_expr_program *p = &b.out->p;
        p->nroots = nroots;
        p->instr = b.instr;
        p->input_size = b.input_size;
        p->input_node = b.out->inputs;
        p->texts = &b.out->texts;
        p->constants = b.constants;
        emit_all(&b, n, scratch, nroots, roots);
        p->ninputs = b.out->ninputs;
        for (int r = 0; r < nroots; r++) {
            p->root[r] = g->nodes[roots[r]].slot;
            p->root_size[r] = size_of_node(&g->nodes[roots[r]]);
        }
        if (b.too_many) {
            program_release(b.out);
            status = err_set(DA_ERROR_UNSUPPORTED,
                             "an expression with more than %d inputs or intermediate results at a time",
                             (int)DA_EXPR_MAX_SLOTS);
        } else {
            *out = b.out;
        }
    }
    if (scratch != few)
        mem_free(scratch);
    return status;
}

void program_release(program *p)
{
    if (p)
        rt_owner_release(&p->owner);
}

void program_operand(task_builder *t, program *p)
{
    const rt_operand operand = {.mode = DA_MODE_READ, .owner = &p->owner, .ptr = &p->p};
    task_operand(t, &operand);
}
