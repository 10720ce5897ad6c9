/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts that elementwise runs and reductions share: loops over boxes, and one block of a program. */
#ifndef DARRAY_CODELETS_EXPR_MACHINE_H
#define DARRAY_CODELETS_EXPR_MACHINE_H

#include "cpu/expr_level.h"
#include <stdalign.h>

enum {
    BLOCK = 256,            /* most elements of a block */
    SLOT_BYTES = 64 * 1024, /* memory for slots */
    SQUARE = 1024,          /* most elements of a block where some operand is transposed */
    EDGE = 64,              /* its extent along the output's innermost axis */
    SHORT = 32,             /* rows shorter than this share a block with others */
    MAX_OPERANDS = DA_EXPR_MAX_ROOTS + DA_EXPR_MAX_INPUTS,
    NEST_AXES = DA_MAX_NDIM + 2 /* blocks are cut from two axes, if need be of extent 1 */
};

/* ---- a nest of loops: the axes of a box, innermost first, with the byte strides of every operand ---- */

typedef struct nest {
    int ndim, noperands;
    int64_t n[NEST_AXES];
    bool reduced[NEST_AXES];
    int64_t index_step[NEST_AXES]; /* argmin, argmax */
    char *at[MAX_OPERANDS];        /* first element */
    int size[MAX_OPERANDS];        /* bytes of an element */
    int64_t stride[MAX_OPERANDS][NEST_AXES];
} nest;

/* An empty nest over a box, without the axes of extent 1. Operands are added after it. */
void nest_init(nest *t, int ndim, const int64_t *extent, const bool *reduced, const int64_t *index_step);
/* An operand; one that is `kept` has stride 0 along reduced axes. */
void nest_add(nest *t, int ndim, const int64_t *extent, da_expr_operand operand, int size, bool kept);
/* Order axes from the smallest stride (summed over operands first .. last-1) to the largest. */
void nest_sort(nest *t, int first, int last);
/* Move axis `from` to position `to`. */
void nest_move_axis(nest *t, int from, int to);
/* Make one axis of neighbours that all operands walk through evenly. */
void nest_collapse(nest *t);

/* Steps through axes [first, last) of a nest: false when all is done, with the pointers back where they began. */
typedef struct odometer {
    int64_t i[NEST_AXES];
} odometer;
bool nest_next(nest *t, odometer *o, int first, int last);

/* ---- a block ---- */

typedef struct machine {
    const da_expr_program *p;
    const da_expr_level *level;
    int64_t capacity; /* most elements of a block: a multiple of 64 */
    void *memory[DA_EXPR_MAX_SLOTS];
    const void *at[DA_EXPR_MAX_SLOTS]; /* the block's values */
    bool uniform[DA_EXPR_MAX_SLOTS];   /* one value for all */
    void *spare[2];
    alignas(64) char bytes[SLOT_BYTES];
} machine;

/* Blocks of at most `block` elements. */
void machine_init(machine *m, const da_expr_program *p, int64_t block);
/* Run the program on a block of n0 x n1 elements. Input k begins at at[k] with byte strides stride[k][axis0] and stride[k][axis1]. */
void machine_block(machine *m, char *const *at, int64_t (*stride)[NEST_AXES], int64_t n0, int64_t n1,
                   int axis0, int axis1);
/* The block's values of a slot as a vector. */
const void *machine_vector(machine *m, int slot, int size, int64_t n);

#endif
