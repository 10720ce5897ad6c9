/* SPDX-License-Identifier: BSD-3-Clause */
/* What one CPU level provides. Everything here is compiled once per level; da_expr_levelN and the tables it names are the only names that leave. */
#ifndef DARRAY_CODELETS_EXPR_LEVEL_H
#define DARRAY_CODELETS_EXPR_LEVEL_H

#include "expr_program.h"

#ifndef DA_CPU_LEVEL
#define DA_CPU_LEVEL 0
#endif
#define CAT2_(a, b) a##b
#define CAT2(a, b) CAT2_(a, b)
#define CAT3_(a, b, c) a##b##c
#define CAT3(a, b, c) CAT3_(a, b, c)
#define LEVEL(name) CAT3(name, _level, DA_CPU_LEVEL)

/* dst[i + j*n0] = src[i*s0 + j*s1] for i < n0, j < n1; strides in elements. */
typedef void (*da_gather_fn)(void *dst, const void *src, int64_t n0, int64_t s0, int64_t n1, int64_t s1);
/* The other way round. */
typedef void (*da_scatter_fn)(void *dst, int64_t s0, int64_t s1, const void *src, int64_t n0, int64_t n1);
/* Keeps the better of x[i*x_step] (its index: x_index[i*x_step], or if that is null first + i*advance) and value[i*step],
 * index[i*step]. */
typedef void (*da_arg_fn)(const void *x, int64_t x_step, const int64_t *x_index, void *value, int64_t *index,
                          int64_t step, int64_t first, int64_t advance, int64_t n);

/* lanes[k] = x[k] op x[k+64] op ...: 64 reductions of n >= 64 elements. */
typedef void (*da_lanes_fn)(void *lanes, const void *x, int64_t n);

typedef struct da_expr_level {
    const da_expr_kernel *op[DA_DTYPE_COUNT];                 /* [dtype][operation] */
    const da_expr_kernel *convert;                            /* [to * DA_DTYPE_COUNT + from] */
    const da_expr_kernel *where;                              /* [log2 of the element size] */
    const da_gather_fn *gather;                               /* [log2 of the element size] */
    const da_scatter_fn *scatter;                             /* [log2 of the element size] */
    void (*stream)(void *dst, const void *src, size_t bytes); /* copy past the caches */
    void (*stream_end)(void);                                 /* after the last of them */
    const da_arg_fn (*arg)[2];                                /* [dtype][max] */
    const da_expr_kernel (*pairs)[4][6];                      /* see expr_pairs.c */
    const da_expr_sqrt_beside_fn *beside[2];                  /* [f64][operation], or null */
    const da_lanes_fn (*lanes)[DA_DTYPE_COUNT];               /* [add, minimum, maximum][dtype], or null */
} da_expr_level;

extern const da_expr_level da_expr_level0;
#ifdef DA_HAVE_CPU_LEVELS
extern const da_expr_level da_expr_level3, da_expr_level4;
#endif
/* The one for this CPU. */
const da_expr_level *da_expr_level_get(void);

/* log2 of an element size: 1, 2, 4, 8 or 16. */
static inline int da_size_class(int size)
{
    return size >= 16 ? 4 : size >= 8 ? 3 : size >= 4 ? 2 : size >= 2 ? 1 : 0;
}

#endif
