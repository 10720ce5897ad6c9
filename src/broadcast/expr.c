/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arena that builders write expressions into: one per thread, growing, emptied when no expression is left.
 *
 * A da_expr is a node's place (low 24 bits) and serial number (40 bits); a node that was taken into another expression or was freed
 * has another serial number, so that a stale id is recognised, whichever thread made it. Nodes hold references to their arrays.
 */
#include "broadcast/graph.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { ARENA_ARRAY, ARENA_NUMBER, ARENA_OP, ARENA_ERROR };

typedef struct arena_node {
    uint64_t serial; /* of the expression that ends here; 0 if it is part of another one */
    unsigned char kind, op, nargs, mark;
    bool dead, bools;
    int args[3];
    union {
        const da_array *array; /* retained */
        da_scalar number;
        struct {
            da_status status;
            char *sentence; /* null if there was no memory for it */
        } error;
    } u;
} arena_node;

enum { FIRST_NODES = 48, PLACE_BITS = 24, MAX_NODES = 1 << PLACE_BITS, SERIALS = 1 << 20 };

typedef struct arena {
    arena_node *nodes;
    int n, capacity, alive;
    uint64_t serial, serials_left;
    arena_node first[FIRST_NODES];
} arena;

static _Thread_local arena mine;

/* An expression that could not even be recorded. */
static const da_expr no_memory = {UINT64_MAX};

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

static void release_node(arena_node *node)
{
    if (node->kind == ARENA_ARRAY) {
        da_array *array = (da_array *)(uintptr_t)node->u.array;
        da_array_release(&array);
    } else if (node->kind == ARENA_ERROR) {
        mem_free(node->u.error.sentence);
    }
}

/* A thread ends: its expressions do, too. */
static void thread_exit(void *arg)
{
    arena *a = arg;
    for (int i = 0; i < a->n; i++)
        if (!a->nodes[i].dead)
            release_node(&a->nodes[i]);
    if (a->nodes != a->first)
        mem_free(a->nodes);
    a->nodes = NULL;
    a->n = 0;
}

static void make_key(void)
{
    pthread_key_create(&exit_key, thread_exit);
}

static uint64_t next_serial(arena *a)
{
    static _Atomic(uint64_t) blocks = 1;
    if (a->serials_left == 0) {
        a->serial = atomic_fetch_add(&blocks, 1) * SERIALS % ((uint64_t)1 << (64 - PLACE_BITS));
        a->serials_left = SERIALS;
    }
    a->serials_left--;
    return ++a->serial;
}

/* A new node's place, or -1. */
static int new_node(arena *a)
{
    if (!a->nodes) {
        a->nodes = a->first;
        a->capacity = FIRST_NODES;
        pthread_once(&exit_once, make_key);
        pthread_setspecific(exit_key, a);
    }
    if (a->n == a->capacity) {
        const size_t bytes = 2 * (size_t)a->capacity * sizeof(arena_node);
        arena_node *grown = NULL;
        if (a->capacity < MAX_NODES)
            grown = a->nodes == a->first ? mem_alloc(bytes) : mem_realloc(a->nodes, bytes);
        if (!grown)
            return -1;
        if (a->nodes == a->first)
            memcpy(grown, a->first, sizeof a->first);
        a->nodes = grown;
        a->capacity *= 2;
    }
    memset(&a->nodes[a->n], 0, sizeof(arena_node));
    a->alive++;
    return a->n++;
}

/* The node goes away; its array or sentence was released or passed on. */
static void bury(arena *a, int i)
{
    a->nodes[i].dead = true;
    a->nodes[i].serial = 0;
    a->alive--;
}

/* Forget dead nodes at the end; when none is left, give the memory back. */
static void shrink(arena *a)
{
    while (a->n > 0 && a->nodes[a->n - 1].dead)
        a->n--;
    if (a->alive == 0 && a->nodes != a->first) {
        if (a->nodes)
            mem_free(a->nodes);
        a->nodes = NULL;
        a->n = 0;
    }
}

static da_expr expression(arena *a, int node)
{
    da_expr e = no_memory;
    if (node >= 0) {
        if (!a->nodes[node].serial)
            a->nodes[node].serial = next_serial(a);
        e.id_ = a->nodes[node].serial << PLACE_BITS | (uint64_t)node;
    }
    return e;
}

/* A node with this thread's latest error. */
static int error_node(arena *a, da_status status)
{
    const char *sentence = da_error();
    const int node = new_node(a);
    if (node < 0)
        return -1;
    a->nodes[node].kind = ARENA_ERROR;
    a->nodes[node].u.error.status = status;
    a->nodes[node].u.error.sentence = mem_alloc(strlen(sentence) + 1);
    if (a->nodes[node].u.error.sentence)
        strcpy(a->nodes[node].u.error.sentence, sentence);
    return node;
}

/* The node that an expression ends in, now the caller's, or -1 with the error set. */
static int take(arena *a, da_expr e, const char *function, const char *argument)
{
    const uint64_t place = e.id_ & (MAX_NODES - 1), serial = e.id_ >> PLACE_BITS;
    if (e.id_ == no_memory.id_) {
        err_set(DA_ERROR_MEMORY, "%s%s: out of memory for an expression", function, argument);
        return -1;
    }
    if (serial != 0 && a->nodes && place < (uint64_t)a->n && a->nodes[place].serial == serial) {
        a->nodes[place].serial = 0;
        return (int)place;
    }
    err_set(DA_ERROR_STALE,
            "%s%s: this expression was used before, or made by another thread; an expression is used up by "
            "the call that "
            "evaluates it or takes it into another one (da_eval() it into an array to use it twice)",
            function, argument);
    return -1;
}

/* Free a node and all that it alone leads to. */
static void discard(arena *a, int root)
{
    int pending = 1;
    if (root < 0)
        return;
    a->nodes[root].mark = 1;
    for (int i = root; pending > 0; i--) {
        arena_node *node = &a->nodes[i];
        if (node->dead || !node->mark)
            continue;
        pending--;
        for (int k = 0; k < node->nargs; k++) {
            arena_node *arg = &a->nodes[node->args[k]];
            pending += !arg->mark;
            arg->mark = 1;
        }
        release_node(node);
        bury(a, i);
    }
    shrink(a);
}

/* ---- builders ---- */

#undef DA_X
da_expr da_x_array(const da_array *array)
{
    arena *a = &mine;
    da_array *kept;
    const da_status status = array_check(array, "expression", "an array");
    int node;
    if (status != DA_OK)
        return expression(a, error_node(a, status));
    node = new_node(a);
    if (node < 0)
        return no_memory;
    if (da_array_retain(&kept, array) != DA_OK) { /* released just now by another thread */
        a->nodes[node].kind = ARENA_ERROR;
        a->nodes[node].u.error.status = DA_ERROR_STALE;
        return expression(a, node);
    }
    a->nodes[node].kind = ARENA_ARRAY;
    a->nodes[node].u.array = kept;
    return expression(a, node);
}

int arena_number(da_scalar value)
{
    arena *a = &mine;
    int node;
    if (value.kind_ < 1 || value.kind_ > 5)
        return error_node(
            a, err_set(DA_ERROR_ARGUMENT, "expression: a da_scalar that was not made by DA_NUMBER()"));
    node = new_node(a);
    if (node >= 0) {
        a->nodes[node].kind = ARENA_NUMBER;
        a->nodes[node].u.number = value;
    }
    return node;
}

da_expr da_x_number(da_scalar value)
{
    return expression(&mine, arena_number(value));
}

int arena_apply_bool(da_expr_op op, int x, int y)
{
    const int node = arena_apply(op, x, y, 0);
    if (node >= 0)
        mine.nodes[node].bools = true;
    return node;
}

int arena_apply(da_expr_op op, int x, int y, int z)
{
    arena *a = &mine;
    const int node = new_node(a);
    if (node < 0)
        return -1;
    a->nodes[node].kind = ARENA_OP;
    a->nodes[node].op = (unsigned char)op;
    a->nodes[node].nargs = (unsigned char)da_op_arity(op);
    a->nodes[node].args[0] = x;
    a->nodes[node].args[1] = y;
    a->nodes[node].args[2] = z;
    return node;
}

static da_expr build(da_expr_op op, int n, const da_expr *args)
{
    static const char *const ordinal[] = {", first argument", ", second argument", ", third argument"};
    arena *a = &mine;
    int nodes[3] = {0, 0, 0}, failed = -1;
    char function[32] = "da_";
    strcat(function, da_op_name(op));
    for (int k = 0; k < n; k++) {
        nodes[k] = take(a, args[k], function, n == 1 ? "" : ordinal[k]);
        if (nodes[k] < 0) { /* the first error is the one that counts */
            const int error = error_node(a, args[k].id_ == no_memory.id_ ? DA_ERROR_MEMORY : DA_ERROR_STALE);
            nodes[k] = error;
            if (error < 0)
                failed = k;
        }
    }
    if (failed < 0) {
        const int node = arena_apply(op, nodes[0], nodes[1], nodes[2]);
        if (node >= 0)
            return expression(a, node);
    }
    for (int k = 0; k < n; k++)
        discard(a, nodes[k]);
    return no_memory;
}

#define UNARY(name)                                                                                          \
    da_expr(da_##name)(da_expr x)                                                                            \
    {                                                                                                        \
        return build(DA_OP_##name, 1, &x);                                                                   \
    }
#define BINARY(name)                                                                                         \
    da_expr(da_##name)(da_expr x, da_expr y)                                                                 \
    {                                                                                                        \
        const da_expr args[] = {x, y};                                                                       \
        return build(DA_OP_##name, 2, args);                                                                 \
    }
DA_UNARY_LIST(UNARY)
DA_BINARY_LIST(BINARY)

da_expr(da_where)(da_expr condition, da_expr x, da_expr y)
{
    const da_expr args[] = {condition, x, y};
    return build(DA_OP_where, 3, args);
}

void da_expr_discard(da_expr e)
{
    arena *a = &mine;
    const uint64_t place = e.id_ & (MAX_NODES - 1), serial = e.id_ >> PLACE_BITS;
    if (e.id_ == no_memory.id_ || serial == 0 || !a->nodes || place >= (uint64_t)a->n ||
        a->nodes[place].serial != serial)
        return;
    discard(a, (int)place);
}

/* ---- out of the arena ---- */

da_status arena_own(int *node, da_expr e, const char *function)
{
    *node = take(&mine, e, function, "");
    return *node >= 0 ? DA_OK : e.id_ == no_memory.id_ ? DA_ERROR_MEMORY : DA_ERROR_STALE;
}

da_expr arena_expression(int node)
{
    return expression(&mine, node);
}

void arena_discard(int node)
{
    discard(&mine, node);
}

int arena_top(void)
{
    return mine.n;
}

void arena_cut(int top)
{
    arena *a = &mine;
    for (int i = top; i < a->n; i++)
        if (!a->nodes[i].dead) {
            release_node(&a->nodes[i]);
            bury(a, i);
        }
    shrink(a);
}

/* & | ^ in text are for bool; on integers they would mean bits. */
static da_status check_bool(const graph *g, const int *args)
{
    for (int k = 0; k < 2; k++) {
        const graph_node *node = &g->nodes[args[k]];
        if (node->dtype != DA_BOOL && !(node->kind == NODE_NUMBER && node->number.kind_ == 5))
            return err_set(DA_ERROR_DTYPE, "DA_EVAL: & | ^ take bool operands, not %s",
                           node->dtype ? da_dtype_name(node->dtype) : "numbers");
    }
    return DA_OK;
}

/* One node as a node of the graph; `to` says what became of its operands. */
static da_status transfer(graph *g, arena_node *node, const int *to, int *out)
{
    char function[32] = "da_";
    switch (node->kind) {
    case ARENA_ARRAY: {
        const da_array *array = node->u.array;
        node->kind = ARENA_NUMBER; /* the reference goes over */
        return graph_input(g, out, array);
    }
    case ARENA_NUMBER: return graph_number(g, out, node->u.number);
    case ARENA_ERROR:
        if (node->u.error.sentence)
            return err_set(node->u.error.status, "%s", node->u.error.sentence);
        return err_set(node->u.error.status, "expression: an argument was released, or there was no memory");
    default:
        if (node->bools)
            DA_TRY(check_bool(g, to));
        strcat(function, da_op_name((da_expr_op)node->op));
        return graph_apply(g, out, (da_expr_op)node->op, to[0], to[1], to[2], function);
    }
}

da_status arena_take(graph *g, int *root, da_expr e, const char *function)
{
    arena *a = &mine;
    const int last = take(a, e, function, "");
    int first = last, pending = 1;
    int few[64], *became = few; /* what node first + i became in the graph */
    da_status status = DA_OK;

    graph_init(g);
    if (last < 0)
        return e.id_ == no_memory.id_ ? DA_ERROR_MEMORY : DA_ERROR_STALE;
    a->nodes[last].mark = 1;
    for (int i = last; pending > 0; i--) {
        const arena_node *node = &a->nodes[i];
        if (node->dead || !node->mark)
            continue;
        first = i;
        pending--;
        for (int k = 0; k < node->nargs; k++) {
            arena_node *arg = &a->nodes[node->args[k]];
            pending += !arg->mark;
            arg->mark = 1;
        }
    }
    if (last - first >= (int)(sizeof few / sizeof few[0])) {
        const size_t bytes = (size_t)(last - first + 1) * sizeof *became;
        became = mem_alloc(bytes);
        if (!became) {
            status = err_memory(bytes, "an expression");
            became = few;
        }
    }
    for (int i = first; i <= last; i++) {
        arena_node *node = &a->nodes[i];
        int to[3] = {0, 0, 0};
        if (node->dead || !node->mark)
            continue;
        if (status == DA_OK) {
            for (int k = 0; k < node->nargs; k++)
                to[k] = became[node->args[k] - first];
            status = transfer(g, node, to, &became[i - first]);
        }
        release_node(node);
        bury(a, i);
    }
    shrink(a);
    if (status == DA_OK)
        *root = became[last - first];
    else
        graph_drop(g);
    if (became != few)
        mem_free(became);
    return status;
}
