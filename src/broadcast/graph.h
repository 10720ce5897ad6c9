/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expressions on their way from the arena to tasks.
 *
 *   arena (expr.c)      what builders write: operations on arrays and numbers, nothing checked
 *   graph (graph.c)     the same with shapes, dtypes and conversions; where errors are found
 *   program (program.c) instructions for the machine in codelets/expr_program.h
 *   tasks (eval.c, reduce.c)
 */
#ifndef DARRAY_SRC_BROADCAST_GRAPH_H
#define DARRAY_SRC_BROADCAST_GRAPH_H

#include "array/array.h"
#include "codelets/expr_program.h"
#include <darray/expr.h>

/* What expressions and reductions are computed by, in tasks. */
extern const da_codelet broadcast_codelet_expr, broadcast_codelet_reduce, broadcast_codelet_reduce_finish;

/* ---- dtypes (promote.c) ---- */

/* What takes part in the choice of a dtype: an array's dtype, or a number, which is weak: it gives way to the arrays of its kind. */
typedef struct operand_type {
    da_dtype dtype; /* 0 for a number */
    int kind;       /* of a number: as in da_scalar */
} operand_type;

/* bool 0, integer 1, real 2, complex 3 */
int kind_of_dtype(da_dtype dtype);
/* The dtype in which operands meet, as in NumPy 2. */
da_dtype promote_operands(int n, const operand_type *operands);
/* The dtype of a number with no array beside it. */
da_dtype dtype_of_number(da_scalar value);

/* ---- graphs ---- */

typedef enum node_kind { NODE_INPUT, NODE_NUMBER, NODE_CONVERT, NODE_OP } node_kind;

typedef struct graph_node {
    node_kind kind;
    da_expr_op op;
    da_dtype dtype; /* 0 for a number */
    int nargs;
    int args[3];
    const da_array *array; /* of an input: a reference; null for one that the caller provides for */
    da_scalar number;
    int uses; /* scratch of program.c from here */
    int need;
    int slot;
    int absorbed; /* computed by the instruction of its user */
    int ndim;
    int64_t shape[DA_MAX_NDIM];
} graph_node;

/* Nodes come after their operands. */
typedef struct graph {
    graph_node *nodes;
    int n, capacity;
    graph_node space[12];
} graph;

void graph_init(graph *g);
/* Releases the arrays. */
void graph_drop(graph *g);

/* Each appends a node (or finds one) and gives its number; errors are set with the sentence beginning with `function`. */
da_status graph_input(graph *g, int *out,
                      const da_array *array); /* takes over a reference, also on failure */
da_status graph_slot(graph *g, int *out, da_dtype dtype, int ndim, const int64_t *shape);
da_status graph_number(graph *g, int *out, da_scalar value);
da_status graph_convert(graph *g, int *out, int node, da_dtype dtype, const char *function);
da_status graph_apply(graph *g, int *out, da_expr_op op, int x, int y, int z, const char *function);
/* A number becomes an operand of its own dtype. */
da_status graph_settle(graph *g, int *node, const char *function);

/* ---- arena (expr.c) ---- */

/* Move an expression into a new graph. The expression is used up, also on failure; then the graph is empty. */
da_status arena_take(graph *g, int *root, da_expr e, const char *function);

/* For eval_text.c, which names one value several times: nodes of the arena by number, -1 if there was no memory. */
da_status arena_own(int *node, da_expr e, const char *function); /* from here on the caller's */
int arena_number(da_scalar value);
int arena_apply(da_expr_op op, int x, int y, int z);
int arena_apply_bool(da_expr_op op, int x, int y); /* an error later, unless both are bool */
da_expr arena_expression(int node);
void arena_discard(int node);
/* Drop all nodes made since arena_top() was `top`. */
int arena_top(void);
void arena_cut(int top);

/* ---- programs (program.c) ---- */

/* A program with what it needs, kept alive by the tasks that run it. */
typedef struct program {
    rt_owner owner;
    da_expr_program p;
    da_expr_texts texts;
    int ninputs;
    int inputs
        []; /* the graph's nodes that are the program's inputs, in their order; then instructions, constants */
} program;

/* Roots must not be numbers. The caller's reference goes back by program_release(). */
da_status program_build(program **out, graph *g, int nroots, const int *roots);
void program_release(program *p);
/* An operand of a task: the program itself. */
void program_operand(task_builder *t, program *p);

/* ---- evaluation (eval.c) ---- */

/* A view of an input along the axes of a result of this shape. */
void broadcast_view(da_array *view, const da_array *a, int ndim, const int64_t *shape);
/* A new array for the values of a node: like its largest operand. */
da_status result_array(da_array **out, const graph *g, int node, da_dtype dtype, const char *function);
/* Tasks that compute a node into an array of its shape. */
da_status node_tasks(rt_batch *batch, graph *g, int node, const da_array *dst);
/* A subexpression becomes an array of its own. */
da_status graph_materialise(rt_batch *batch, graph *g, int node);
/* Compute subexpressions into arrays of their own until no node needs more than DA_EXPR_MAX_INPUTS inputs; arrays only. */
da_status graph_split(rt_batch *batch, graph *g);
/* The arrays among a graph's nodes: for faults. */
da_status graph_arrays(const graph *g, int *n, const da_array ***arrays); /* mem_free() */

#endif
