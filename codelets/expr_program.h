/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The expression machine: a program of elementwise instructions, run over a box of elements in one pass.
 *
 * A program works on slots. It is run block by block (some hundred elements, so that slots stay in the first-level cache); a
 * slot is then a pointer and a step: 1 for a vector of the block's elements, 0 for one value that all of them share (a constant, a
 * broadcast operand, and whatever is computed from such alone). Operands that lie contiguously are used where they are, and the
 * last instruction writes its result where it belongs; anything else goes through a copy in a slot.
 */
#ifndef DARRAY_CODELETS_EXPR_PROGRAM_H
#define DARRAY_CODELETS_EXPR_PROGRAM_H

#include <darray/task.h>
#include <stdatomic.h>

/* The operations of expr_table.inc, and where, the one with three operands. */
typedef enum da_expr_op {
#define OP1(name, b, i, u, r, z, result) DA_OP_##name,
#define OP2(name, b, i, u, r, z, result) DA_OP_##name,
#include "expr_table.inc"
#undef OP1
#undef OP2
    DA_OP_where,
    DA_OP_COUNT
} da_expr_op;

enum { DA_DTYPE_COUNT = DA_C128 + 1 };

/* out[i] = f(a[i], b[i], c[i]) for i < n. `out` may be the same as a vector operand of the same element size. */
typedef void (*da_expr_fn)(void *out, const void *a, const void *b, const void *c, int64_t n);
/* The kernels of one operation: bit k of the index says that operand k is one value instead of a vector. Null where that is not
 * provided for: the value is then copied to a vector. */
typedef da_expr_fn da_expr_kernel[8];

/* out[i] = f(a[i]) and root[i] = sqrt(x[i]) for i < n: the square roots cost nothing while the vector form of f is at work. `root` may
 * be the same as a or x, `out` as a. */
typedef void (*da_expr_sqrt_beside_fn)(void *out, const void *a, void *root, const void *x, int64_t n);

/* ---- what there is ---- */

typedef enum da_op_result { DA_RESULT_SAME, DA_RESULT_BOOL, DA_RESULT_REAL } da_op_result;
typedef enum da_op_support { DA_OP_NO, DA_OP_YES, DA_OP_AS_F64, DA_OP_AS_BOOL } da_op_support;

/* "multiply" */
const char *da_op_name(da_expr_op op);
/* Number of operands. */
int da_op_arity(da_expr_op op);
/* Whether operands of this dtype are taken (AS_F64, AS_BOOL: once converted). */
da_op_support da_op_supports(da_expr_op op, da_dtype dtype);
/* The dtype of the result for operands (of `where`: the last two) of this one. */
da_dtype da_op_result_dtype(da_expr_op op, da_dtype dtype);

/* Bytes of an element. */
int da_dtype_bytes(da_dtype dtype);

/* The kernels for this CPU; null if there are none. */
const da_expr_kernel *da_expr_kernel_of(da_expr_op op, da_dtype dtype);
/* Conversion to the same or a higher kind (bool, integer, real, complex) or to bool; null for others. */
const da_expr_kernel *da_expr_convert_kernel(da_dtype to, da_dtype from);
/* `op2` with the result of `op1` as its first (or, if `reversed`, its second) operand, in one pass and with the same bits; null if
 * there are no such kernels. Operands: those of op1, then the other one of op2. */
const da_expr_kernel *da_expr_pair_kernel(da_expr_op op1, da_expr_op op2, bool reversed, da_dtype dtype);

/* `op` with square roots beside it, with the same bits; null where that is not provided for. */
da_expr_sqrt_beside_fn da_expr_sqrt_beside(da_expr_op op, da_dtype dtype);

/* 0, 3 or 4: the level of the x86-64 architecture whose kernels are used. DARRAY_CPU_LEVEL lowers it. */
int da_cpu_level(void);

/* ---- programs ---- */

/* Source texts that were made of a program, kept as long as it lives. Many threads may add some. */
typedef struct da_expr_texts {
    void *(*allocate)(size_t bytes); /* null: no memory */
    void (*free)(void *memory);
    _Atomic(struct da_expr_text *) first;
} da_expr_texts;
void da_expr_texts_drop(da_expr_texts *texts);

typedef struct da_expr_instr {
    const da_expr_fn *kernel; /* a da_expr_kernel; null: load an input */
    da_expr_sqrt_beside_fn
        beside; /* not null: does this instruction and the next, a square root, if both are of vectors */
    int32_t out, a, b, c; /* slots, or ~k for constant k; of a load `a` is the input; those not used are 0 */
    unsigned char nargs;  /* 1 to 3; 0 for a load */
    unsigned char out_size;   /* bytes of an element of the result */
    unsigned char in_size[3]; /* and of the operands */
    /* What it computes, for those who make kernels of their own (codelets/device): */
    unsigned char op;    /* a da_expr_op (of a pair the first), DA_EXPR_LOAD or DA_EXPR_CONVERT */
    unsigned char dtype; /* of the operands (of where: of the last two); of a load that of the input */
    unsigned char
        then; /* of a conversion the dtype of the result; of a pair the second operation, and DA_EXPR_REVERSED; else 0 */
} da_expr_instr;

enum { DA_EXPR_LOAD = DA_OP_COUNT, DA_EXPR_CONVERT, DA_EXPR_REVERSED = 128 };

enum { DA_EXPR_MAX_SLOTS = 64, DA_EXPR_MAX_INPUTS = 64, DA_EXPR_MAX_ROOTS = 3 };

typedef struct da_expr_program {
    int ninstr, ninputs, nslots;
    int nroots;                  /* results: one, or several that a reduction accumulates in one pass */
    int root[DA_EXPR_MAX_ROOTS]; /* their slots; not used for anything else, and root[0] is written last */
    int root_size[DA_EXPR_MAX_ROOTS]; /* bytes of their elements */
    int max_size;                     /* bytes of the largest element type in it */
    bool stream;                      /* the result does not fit the caches: store past them */
    const da_expr_instr *instr;
    const unsigned char *input_size;
    const int
        *input_node; /* the graph's number of each input: tells which input of another program is the same */
    const da_c128 *constants; /* 16 bytes each, beginning with the value */
    da_expr_texts *texts;     /* never null */
} da_expr_program;

/* A piece of memory as a program sees it: element (i0, i1, ...) at data + (i0*strides[0] + ...) elements. */
typedef struct da_expr_operand {
    void *data;
    const int64_t *strides; /* null: all 0 */
} da_expr_operand;

/* out[i] = program(in[0][i], ...) for all i of a box. `out` may coincide with an input of the same strides and element size. */
void da_expr_run(const da_expr_program *p, int ndim, const int64_t *extent, da_expr_operand out,
                 const da_expr_operand *in);

/* ---- reductions ---- */

/* The operations that combine elements: associative rows of the table. */
typedef struct da_expr_reduction {
    da_expr_op op[DA_EXPR_MAX_ROOTS];
    da_dtype dtype[DA_EXPR_MAX_ROOTS]; /* of the roots */
} da_expr_reduction;

/*
 * out[r][i] = combination of root r of the program over all reduced axes. A reduced axis is one with reduced[d]; the strides of
 * `out` are not used there. Elements are combined pairwise, in an order that depends on the box and the strides alone. Every reduced
 * extent must be > 0.
 */
void da_expr_reduce(const da_expr_program *p, const da_expr_reduction *how, int ndim, const int64_t *extent,
                    const bool *reduced, const da_expr_operand *out, const da_expr_operand *in);

/* The place of the minimum or maximum. */
typedef struct da_expr_arg {
    da_dtype dtype; /* of the values */
    bool max;
    int64_t base;         /* index of the box's first element */
    const int64_t *index; /* by how much one step along each axis advances the index (0 for kept axes) */
    const da_expr_operand *from; /* not null: the elements' indices (i64) are read from here instead */
} da_expr_arg;
/* value[i], index[i]: the extreme element over the reduced axes and the lowest index where it stands; NaN wins. */
void da_expr_reduce_arg(const da_expr_program *p, const da_expr_arg *how, int ndim, const int64_t *extent,
                        const bool *reduced, da_expr_operand value, da_expr_operand index,
                        const da_expr_operand *in);

/* ---- codelets ---- */

/* How a reduction's results are accumulated: by an operation each, or the place of an extreme value. */
typedef struct da_reduce_how {
    int nroots;
    da_expr_op combine[DA_EXPR_MAX_ROOTS];
    da_dtype dtype[DA_EXPR_MAX_ROOTS];
    bool arg, max;
    bool
        norm; /* three sums of squares: of what is neither large nor small, of the large, of the small, the latter two scaled. There
                * is a second program, of all squares, whose sum may stand for the first root, with 0 for the others, if it is good */
} da_reduce_how;

/* The value of codelet reduce; that of reduce_finish is a da_reduce_how. */
typedef struct da_reduce_args {
    da_reduce_how how;
    int ndim;
    int64_t extent[DA_MAX_NDIM];
    bool reduced[DA_MAX_NDIM];
    int64_t base, index[DA_MAX_NDIM]; /* argmin, argmax: see da_expr_arg */
} da_reduce_args;

/* A buffer that is a program is a da_expr_program.
 * expr: READ the program, WRITE the output, READ the program's inputs. */
da_status da_expr_cpu(const da_call *call);
double da_expr_flops(const da_call *call);
/* reduce: READ the program; of a norm READ the one of all squares, of the same inputs in another order; WRITE a part for each root, or
 * value and index; READ the program's inputs. */
da_status da_reduce_cpu(const da_call *call);
double da_reduce_flops(const da_call *call);
/* reduce_finish: READ a program that loads each part, READ the final program, WRITE the result, READ_WRITE all parts: axis 0 numbers
 * them. Input nodes are the roots' numbers; of the final program of an argmin 0 is the index. */
da_status da_reduce_finish_cpu(const da_call *call);
double da_reduce_finish_flops(const da_call *call);

/* Whether a codelet with this function is one of the three. */
bool da_expr_is(da_kernel cpu);
/* A hash of what a call of one computes, whatever its shapes: instructions, dtypes and how a reduction combines. */
uint64_t da_expr_likeness(const da_call *call);

#endif
