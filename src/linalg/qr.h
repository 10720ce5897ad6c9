/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QR by Householder reflectors on column panels that may be cut into blocks of rows: every block of a panel is factored by itself, and the
 * triangles that this leaves are merged two by two in a tree. One block is the usual column-panel algorithm, many blocks of a narrow
 * matrix are TSQR, and many blocks of a square one keep many workers busy.
 */
#ifndef DARRAY_SRC_LINALG_QR_H
#define DARRAY_SRC_LINALG_QR_H

#include "linalg/linalg.h"

typedef struct qr {
    int64_t m, n, rank;  /* rank = min(m, n): the number of reflectors */
    int64_t mb, nb;      /* rows of a block, a multiple of nb; columns of a panel */
    int64_t ib, tree_ib; /* reflectors that are applied at a time; the tree's */
    da_array *v;         /* m x n: R above the diagonal, the blocks' reflectors below */
    da_array *t;         /* the blocks' T factors: ib rows for each block of rows */
    /* with several blocks only: */
    da_array *
        triangles; /* nb rows for each block: R of the panel in the first one, the tree's reflectors in others */
    da_array *tree_t; /* the tree's T factors: tree_ib rows for each block */
} qr;

/* Factors a into arrays of the operation's. */
da_status qr_factor(operation *op, qr *f, const da_array *a);

/* The same, with v in a's place if `a` is column-major. */
da_status qr_factor_in_place(operation *op, qr *f, da_array *a);

/* The same factors for arrays with the leading axes `shape` has. */
da_status qr_broadcast(operation *op, qr *out, const qr *f, const da_shape *shape);

/* c = op(Q) c, or with DA_RIGHT c op(Q), in place; op(Q) = Q^H with DA_CONJ_TRANSPOSE. For the tiling see qr_tile(). */
da_status qr_apply_tasks(operation *op, const qr *f, da_array *c, unsigned flags);
void qr_tile(int64_t *tile, const qr *f, const da_shape *c, bool right);

/* A view of `a`, or of its transpose: an LQ factorisation is the QR of the transpose. */
da_status qr_oriented(operation *op, da_array **out, const da_array *a, bool transposed);

/* A view of n rows of `a`, or columns, from `at` on. */
da_status qr_part(operation *op, da_array **out, const da_array *a, bool columns, int64_t at, int64_t n);

/* R with `rows` rows (rank, or m with zeros below), and the first `cols` columns of Q (rank or m), as arrays of the operation's. */
da_status qr_form_r(operation *op, da_array **out, const qr *f, int64_t rows);
da_status qr_form_q(operation *op, da_array **out, const qr *f, int64_t cols);

/*
 * *out = x with a x = b, as a view of a new array, from f: if not `wide` the factors of a (m >= n), x minimising |a x - b|; if
 * `wide` those of its transpose (m <= n), x the shortest of all solutions. A zero on the triangle's diagonal goes to the operation's fault.
 */
da_status qr_solve(operation *op, da_array **out, const qr *f, bool wide, const da_array *b,
                   const char *function);

/* Its wide case: *x = (Q^H L^-1 b)^T of all leading axes, with L^T the triangle. */
da_status qr_from_row_space(operation *op, da_array **x, const qr *f, const da_array *triangle,
                            const da_array *b);

/* The operands of a least-squares problem. */
da_status lstsq_check(const da_array *a, const da_array *b, const char *function);

/* The texts of such faults. */
#define DEPENDENT_COLUMNS ": column %" PRId64 " of %" PRId64 " depends on those before it"
#define DEPENDENT_ROWS ": row %" PRId64 " of %" PRId64 " depends on those before it"

#endif
