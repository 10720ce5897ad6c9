/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels in the dialect of dialect.h, made of expression programs. A text depends on the program's instructions and on how many axes
 * are left after neighbours were merged, not on extents, strides or constants: those are numbers that the kernel is given.
 *
 * Every kernel takes its outputs, then its inputs (buffers), then one struct of 8-byte words.
 */
#ifndef DA_CODELETS_EXPR_SOURCE_H
#define DA_CODELETS_EXPR_SOURCE_H

#include "expr_program.h"

enum { DA_SOURCE_LOCAL = 256 /* most work-items of a group */ };

/* Its words: see each function. */
typedef enum da_source_kind {
    /* out[i] = program(in[i]). Words: elements; all work-items; extents; for the output, then for each input, strides; constants.
     * Work-item i computes elements i, i + all work-items, ... */
    DA_SOURCE_EXPR,
    /* out[r][i] = combination of root r over the reduced axes. Words: results; reduced elements; chunks that these are cut into; elements of
     * a chunk (chunks * that >= all); extents, kept axes first; for each output strides along kept axes, then that along the chunks;
     * for each input all strides; if arg: the base, then what a step along each reduced axis adds; constants. */
    DA_SOURCE_REDUCE,
    /* The same of parts that are there already: the inputs are roots, or value and index, and the one reduced axis numbers the parts. */
    DA_SOURCE_COMBINE,
    /* The same; then out[i] = final program of the combined roots. */
    DA_SOURCE_FINISH
} da_source_kind;

typedef struct da_source_class {
    da_source_kind kind;
    int kept, reduced; /* axes; of an elementwise kernel kept ones */
    bool wide;         /* numbers of elements may need more than 31 bits */
    /* Reductions: whether a work-item takes a chunk of a result of its own, the results lying side by side; else a work-group takes one,
     * work-group i chunk i % chunks of result i / chunks. Results, then chunks, are numbered by work-items. */
    bool across;
} da_source_class;

/* The text, kept with `keeper` (one of the programs, always the same one for the same others); null: no memory. `p` is null for COMBINE and
 * FINISH, `how` for EXPR, `final` for all but FINISH. */
const char *da_expr_source(const da_expr_program *keeper, const da_source_class *as, const da_expr_program *p,
                           const da_reduce_how *how, const da_expr_program *final);
/* The name of the kernel in it. */
extern const char da_expr_entry[];

/* The constants of a program as words; returns their number. `words` may be null. */
int da_expr_constants(const da_expr_program *p, uint64_t *words);

/* The dtype of what an instruction computes. */
da_dtype da_expr_instr_dtype(const da_expr_instr *instr);

/* The expression of an operation for operands of a dtype, as expr_ops.inc has it; null: there is none. */
const char *da_expr_op_text(da_expr_op op, da_dtype dtype);

#endif
