/* SPDX-License-Identifier: BSD-3-Clause */
/* What the table of operations says, and the kernels for this CPU. */
#include "cpu/expr_level.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES = 5 }; /* the table's columns: bool, signed, unsigned, real, complex */

typedef struct op_info {
    const char *name;
    int arity;
    da_op_result result;
    unsigned char support[FAMILIES];
} op_info;

#define DO_K(...) DA_OP_YES
#define DO_S(...) DA_OP_YES
#define DO_V(...) DA_OP_YES
#define DO_F64 DA_OP_AS_F64
#define DO_TRUTH DA_OP_AS_BOOL
#define DO_NO DA_OP_NO
#define SUPPORT(b, i, u, r, z)                                                                               \
    {                                                                                                        \
        DO_##b, DO_##i, DO_##u, DO_##r, DO_##z                                                               \
    }
#define OP1(name, b, i, u, r, z, result) {#name, 1, DA_RESULT_##result, SUPPORT(b, i, u, r, z)},
#define OP2(name, b, i, u, r, z, result) {#name, 2, DA_RESULT_##result, SUPPORT(b, i, u, r, z)},
static const op_info ops[DA_OP_COUNT] = {
#include "expr_table.inc"
    {"where", 3, DA_RESULT_SAME, {DA_OP_YES, DA_OP_YES, DA_OP_YES, DA_OP_YES, DA_OP_YES}}};

static int family(da_dtype dtype)
{
    switch (dtype) {
    case DA_BOOL: return 0;
    case DA_I8:
    case DA_I16:
    case DA_I32:
    case DA_I64: return 1;
    case DA_U8:
    case DA_U16:
    case DA_U32:
    case DA_U64: return 2;
    case DA_F32:
    case DA_F64: return 3;
    case DA_C64:
    case DA_C128: return 4;
    default: return -1;
    }
}

const char *da_op_name(da_expr_op op)
{
    return ops[op].name;
}

int da_op_arity(da_expr_op op)
{
    return ops[op].arity;
}

da_op_support da_op_supports(da_expr_op op, da_dtype dtype)
{
    const int f = family(dtype);
    return f < 0 ? DA_OP_NO : (da_op_support)ops[op].support[f];
}

da_dtype da_op_result_dtype(da_expr_op op, da_dtype dtype)
{
    switch (ops[op].result) {
    case DA_RESULT_BOOL: return DA_BOOL;
    case DA_RESULT_REAL: return dtype == DA_C64 ? DA_F32 : dtype == DA_C128 ? DA_F64 : dtype;
    default: return dtype;
    }
}

int da_dtype_bytes(da_dtype dtype)
{
    static const unsigned char bytes[DA_DTYPE_COUNT] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
    return bytes[dtype];
}

/* ---- this CPU ---- */

static int detect_level(void)
{
    int level = 0;
#ifdef DA_HAVE_CPU_LEVELS
    const char *wanted = getenv("DARRAY_CPU_LEVEL");
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2"))
        level = 3;
    if (level == 3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        level = 4;
    if (wanted && *wanted && strchr("034", *wanted) && !wanted[1] && *wanted - '0' < level)
        level = *wanted - '0';
#endif
    return level;
}

int da_cpu_level(void)
{
    static _Atomic(int) known = -1;
    int level = atomic_load_explicit(&known, memory_order_relaxed);
    if (level < 0) {
        level = detect_level();
        atomic_store_explicit(&known, level, memory_order_relaxed);
    }
    return level;
}

const da_expr_level *da_expr_level_get(void)
{
#ifdef DA_HAVE_CPU_LEVELS
    switch (da_cpu_level()) {
    case 4: return &da_expr_level4;
    case 3: return &da_expr_level3;
    default: break;
    }
#endif
    return &da_expr_level0;
}

const da_expr_kernel *da_expr_kernel_of(da_expr_op op, da_dtype dtype)
{
    const da_expr_level *level = da_expr_level_get();
    const da_expr_kernel *kernel;
    if (op == DA_OP_where)
        return &level->where[da_size_class(da_dtype_bytes(dtype))];
    kernel = level->op[dtype] ? &level->op[dtype][op] : NULL;
    return kernel && (*kernel)[0] ? kernel : NULL;
}

const da_expr_kernel *da_expr_convert_kernel(da_dtype to, da_dtype from)
{
    const da_expr_kernel *kernel = &da_expr_level_get()->convert[to * DA_DTYPE_COUNT + from];
    return (*kernel)[0] ? kernel : NULL;
}

da_expr_sqrt_beside_fn da_expr_sqrt_beside(da_expr_op op, da_dtype dtype)
{
    const da_expr_sqrt_beside_fn *table =
        dtype == DA_F32 || dtype == DA_F64 ? da_expr_level_get()->beside[dtype == DA_F64] : NULL;
    return table ? table[op] : NULL;
}

/* Position in the table of pairs, or -1. */
static int pair_row(da_expr_op op)
{
    switch (op) {
    case DA_OP_add: return 0;
    case DA_OP_subtract: return 1;
    case DA_OP_multiply: return 2;
    case DA_OP_divide: return 3;
    default: return -1;
    }
}

const da_expr_kernel *da_expr_pair_kernel(da_expr_op op1, da_expr_op op2, bool reversed, da_dtype dtype)
{
    const int row = pair_row(op1);
    int column = pair_row(op2);
    if (row < 0 || column < 0 || (dtype != DA_F32 && dtype != DA_F64))
        return NULL;
    if (reversed && op2 == DA_OP_subtract)
        column = 4;
    if (reversed && op2 == DA_OP_divide)
        column = 5;
    return &da_expr_level_get()->pairs[dtype == DA_F64][row][column];
}
