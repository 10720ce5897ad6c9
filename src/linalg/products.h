/* SPDX-License-Identifier: BSD-3-Clause */
/* What products in place share: factors, shapes, and where their result is computed. */
#ifndef DARRAY_SRC_LINALG_PRODUCTS_H
#define DARRAY_SRC_LINALG_PRODUCTS_H

#include "linalg/tiles.h"
#include <darray/blas.h>

static inline bool is_zero(da_c128 z)
{
    return z.re == 0 && z.im == 0;
}

/* A factor as the kernel takes it, or DA_ERROR_DTYPE if the dtype cannot hold it, or not that exactly, or it must be real and is not. */
da_status factor_of(da_c128 *out, da_scalar x, da_dtype dtype, bool real, const char *function,
                    const char *name);

/* DA_ERROR_SHAPE unless the leading axes of `a` broadcast to those of `c`. */
da_status check_lead(const da_array *a, const char *a_name, const da_array *c, const char *c_name,
                     const char *function);

/* Where an algorithm computes c: a column-major view of c or of its transpose, or a copy. */
typedef struct place {
    da_array *w;
    bool transposed, copied;
} place;

/* `overwritten`: the values of c are not wanted. */
da_status place_begin(operation *op, place *p, da_array *c, bool overwritten);
/* Copies back what was copied: one triangle of c, or all (0). */
da_status place_end(operation *op, const place *p, da_array *c, unsigned uplo);

/* A column-major view of `a`, not of its transpose, or a copy; as column_major(). */
da_status column_major_untransposed(operation *op, const da_array **out, const da_array *a,
                                    const da_array *written);

/* One triangle of c = alpha a a^T + beta c and so on, as the kernels rank_k (b is null) and rank_2k, for a column-major c; a and b have any
 * strides, and leading axes that broadcast to c's. */
da_status rank_update_tasks(operation *op, da_array *c, const da_array *a, const da_array *b,
                            da_rank_args args);

/* A triangle as BLAS can take it, with the flags that then apply and the leading axes of x; copied if it overlaps `written`. */
da_status prepare_triangle(operation *op, const da_array **out, unsigned *flags, const da_array *t,
                           const da_array *written, const da_array *x);

/* Checks of da_trmm(), da_trsm(), da_solve_triangular(). */
da_status check_triangular(const da_array *t, const da_array *b, unsigned flags, const char *function);
/* DA_ERROR_SHAPE unless t has no more matrices than b, a matrix or vector that is changed in place. */
da_status check_triangles(const da_array *t, const da_array *b, const char *function);

/* How many unknowns or rows are taken at a time, of the n that a triangle has, with `rhs` columns of x. */
int64_t triangular_block(const da_array *x, int64_t n, int64_t rhs);
/* The same for x in place, and in *width how many of the columns (from the right, rows) a task takes: what x's tiles have, or what the models
 * say is faster. */
int64_t triangular_steps(const tile_operation *operation, const da_array *x, bool right, int64_t *width);
/* Whether tasks can work on x where it is; `tile` is rhs_tile()'s. */
bool triangular_in_place(const da_array *x, const int64_t *tile, int64_t n);

#endif
