/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the algorithms of linear algebra are written with. One algorithm a file, without dtypes (kernels have them) and without
 * a runtime's names:
 *
 *   1. check the arguments;
 *   2. operation_begin(); create results and temporaries with the tiling that the algorithm wants; build tasks on blocks of them;
 *   3. operation_finish(): hands everything over, or nothing.
 *
 * A block is named by rows and columns of a matrix, whatever tiles these touch: tasks are ordered by tiles.
 */
#ifndef DARRAY_SRC_LINALG_H
#define DARRAY_SRC_LINALG_H

#include "array/array.h"
#include "base/base.h"
#include "codelets/kernels.h"
#include "runtime/runtime.h"
#include <darray/linalg.h>

/* ---- operations ---- */

enum { MAX_ARRAYS = 64, MAX_RESULTS = 3 };

typedef struct operation {
    rt_batch batch;
    rt_fault *fault; /* its own fault cell, or null */
    int narrays, nresults;
    da_array
        *arrays[MAX_ARRAYS]; /* released at the end: temporaries, views, results that did not come about */
    struct {
        da_array *array;
        da_array **out; /* where it goes; null for an array changed in place */
        fault_flow flow;
    } results[MAX_RESULTS];
} operation;

void operation_begin(operation *op);

/* A new array that the operation owns. `tile` as array_new(). */
da_status operation_array(operation *op, da_array **out, da_dtype dtype, const da_shape *shape,
                          const int64_t *tile);

/* A vector of n contiguous elements for each matrix of an array of this shape, in tiles of this length, as tile_with() has them for the
 * matrices. */
da_status operation_vectors(operation *op, da_array **out, da_dtype dtype, const da_shape *matrices,
                            int64_t n, int64_t length);

/* Gives `status` on if it is an error, else makes the operation own `*array`: for views made by the public functions,
 * operation_own(op, da_matrix_transpose(&view, a), &view). */
da_status operation_own(operation *op, da_status status, da_array *const *array);

/* The same with the values of `a`. */
da_status operation_copy(operation *op, da_array **out, const da_array *a, const int64_t *tile);

/* The operation's own fault; text and n as rt_fault_new(). */
da_status operation_fault(operation *op, const char *format, int64_t n);
/* The same with a second sentence for indices above n, as rt_fault_new_two(). */
da_status operation_fault_two(operation *op, const char *format, const char *beyond, int64_t n);

/* `array`, one of the operation's own, goes to *out when it succeeds, with the faults of the inputs and the operation's own. */
da_status operation_result(operation *op, da_array **out, da_array *array, int ninputs,
                           const da_array *const *inputs);

/* The same for an array that public functions have made, with the faults that they gave it. */
da_status operation_made(operation *op, da_array **out, da_array *array);

/* The same for an array of the caller's that is changed in place; `overwritten`: all of it, without its values being used. */
da_status operation_in_place(operation *op, da_array *array, bool overwritten, int ninputs,
                             const da_array *const *inputs);

/* If `status` is DA_OK commits the tasks and hands over the results; otherwise drops everything. Releases what the operation owns. */
da_status operation_finish(operation *op, da_status status);

/* ---- blocks ---- */

/* Rows or columns [at, at + n). */
typedef struct span {
    int64_t at, n;
} span;

/* The first piece of [at, end), cut at multiples of `step`; empty at the end. */
static inline span span_from(int64_t at, int64_t end, int64_t step)
{
    const int64_t next = at - at % step + step;

    return (span){at, at >= end ? 0 : (next < end ? next : end) - at};
}

/* for each such piece s of [from, to) */
#define EACH_SPAN(s, from, to, step)                                                                         \
    for (span s = span_from((from), (to), (step)); s.n > 0; s = span_from(s.at + s.n, (to), (step)))

/* Some matrices of a batch: a box of the axes before the last two. */
typedef struct lead {
    int ndim;
    bool more;
    int64_t chunk; /* matrices along the last of these axes in one box */
    int64_t shape[DA_MAX_NDIM], start[DA_MAX_NDIM], count[DA_MAX_NDIM];
} lead;

/* Matrices that one task should take together: several only if they are small. */
int64_t lead_chunk(const da_shape *shape);

/* for each box `at` of lead_chunk() matrices of `a`; all operands have the same leading axes */
#define EACH_LEAD(at, a) for (lead at = lead_first(a); at.more; lead_next(&at))
lead lead_first(const da_array *a);
void lead_next(lead *at);

/* The next operand of a task: the block (rows, cols) of the matrices `at` of `a`; the part `rows` of vectors. */
void access_block(task_builder *t, const da_array *a, const lead *at, span rows, span cols, da_mode mode);
void access_vector(task_builder *t, const da_array *a, const lead *at, span rows, da_mode mode);

/* ---- shapes ---- */

static inline int64_t rows_of(const da_array *a)
{
    return a->shape[a->ndim - 2];
}
static inline int64_t cols_of(const da_array *a)
{
    return a->shape[a->ndim - 1];
}
static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static inline int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* The shape of `a` with the last two extents replaced. */
da_shape shape_with(const da_array *a, int64_t rows, int64_t cols);

/* Tile extents for an array: mb x nb in the last two axes, lead_chunk() in the one before, 1 in others. */
void tile_with(int64_t *tile, const da_shape *shape, int64_t mb, int64_t nb);

/* The tile that the user forces (DARRAY_TILE, da_blocks) upon the last two axes of such an array; false if none. */
bool tile_forced(const da_shape *shape, int64_t *mb, int64_t *nb);

/* Have devices do some products, if that can be afforded: once for each dtype (probe.c). */
void probe_products(da_dtype dtype);
/* Likewise matrices that are a task of a kernel each: heevd or gesdd of about so many elements and flops. */
void probe_whole(const da_codelet *kernel, da_dtype dtype, double elements, double flops);

/* devices_for() operations of so many flops in tiles, which are mostly this kernel's; one that nothing is known of counts as a product. */
bool tasks_for_devices(const da_codelet *kernel, da_dtype dtype, double flops);
/* devices_for() operations whose matrices are a task of this kernel each, of so many elements and flops. */
bool whole_for_devices(const da_codelet *kernel, da_dtype dtype, double elements, double flops);

/* Tile extents for arrays whose matrices are made by one task each: one tile for devices, else block columns. */
void tile_of_whole(int64_t *tile, const da_shape *shape, bool devices);

/* Q, a product of reflectors: one in each of v's columns from `lower` rows below the diagonal on, but for the last `lower` columns. */
typedef struct reflectors {
    const da_array *v, *tau, *factors; /* factors: room for their T, ib x as many */
    int64_t lower, ib;                 /* ib: of them are applied at a time */
    int64_t column;                    /* of tau */
} reflectors;
/* c = Q c in block columns of this width or, with `right`, c Q^H in block rows; c is not touched above, or left of, row `lower`. */
da_status apply_reflectors(operation *op, const lead *at, const reflectors *q, const da_array *c, bool right,
                           int64_t width);

/* The extent of the tiles that axis d of a view has. */
int64_t tile_step(const da_array *a, int d);

/* `a`, or a copy of it, of which every block of mb x nb lies in one tile, so that devices can have it. */
da_status tiled_for(operation *op, const da_array **out, const da_array *a, int64_t mb, int64_t nb);

/* A new array of 1 x n for each matrix of a, cut in boxes of matrices as a is. */
da_status row_each(operation *op, da_array **out, const da_array *a, int64_t n);

/* ---- checks; `function` and `name` are for the sentence ---- */

/* A matrix or a batch of them (a vector if `vector`) of a dtype with kernels, at most INT_MAX rows and columns. */
da_status check_matrix(const da_array *a, bool vector, const char *function, const char *name);
da_status check_square(const da_array *a, const char *function, const char *name);
da_status check_same_dtype(const da_array *a, const char *a_name, const da_array *b, const char *b_name,
                           const char *function);
/* For flags that are not among `allowed`. */
da_status check_flags(unsigned flags, unsigned allowed, const char *function);
/* For arrays that share elements: broadcast views cannot be written. */
da_status check_writable(const da_array *a, const char *function, const char *name);
/* Whether the kernels' BLAS could be loaded. */
da_status check_kernels(void);

/* ---- operands that BLAS can take ---- */

/* True if the matrices of `a` are column-major as they are. */
bool is_column_major(const da_array *a);

/*
 * A view of `a` that is column-major. *trans: 0, or DA_TRANSPOSE if the view is a's transpose. A matrix whose axes both
 * have steps is copied; so is one that overlaps `written` (may be null), the array that the operation changes.
 */
da_status column_major(operation *op, const da_array **out, unsigned *trans, const da_array *a,
                       const da_array *written);

/* `a`, or a view of it, with the leading axes that `shape` has. */
da_status broadcast_lead(operation *op, const da_array **out, const da_array *a, const da_shape *shape);
/* A view of b as a matrix: a vector is one column, or one row if `row`. And back: a view of x as a vector if `vector`. */
da_status as_matrix(operation *op, da_array **out, const da_array *b, bool row);
da_status as_vector(operation *op, da_array **out, const da_array *x, bool vector, bool row);
/* The leading axes of a and b broadcast against each other; ndim counts only them. */
da_status common_lead(da_shape *out, const da_array *a, const da_array *b, const char *function);

/* ---- steps that several algorithms share ---- */

/* dst = src, both of the same shape, of one triangle (DA_LOWER, DA_UPPER) or all (0); what is not copied is set to 0 or left alone. One
 * task a piece of mb x nb; where there are devices, cut at the tiles of both as well. */
da_status copy_triangle(operation *op, da_array *dst, const da_array *src, unsigned uplo, bool clear,
                        int64_t mb, int64_t nb);

/* x = op(t)^-1 x in place, as da_solve_triangular(); all column-major and with the same leading axes. Reports zeros on the
 * diagonal to the operation's fault. */
da_status solve_triangular_tasks(operation *op, const da_array *t, da_array *x, unsigned flags);

/* The factors of a and its pivots, as da_lu(), both the operation's own. lu_begin() is all but the factorisation of what is now a copy of a;
 * lu_tasks() is that, in place. */
da_status lu_factor(operation *op, da_array **lu, da_array **pivots, const da_array *a);
da_status lu_begin(operation *op, da_array **lu, da_array **pivots, const da_array *a, int64_t *mb,
                   int64_t *nb);
da_status lu_tasks(operation *op, const da_array *lu, const da_array *pivots, int64_t mb, int64_t nb);
/* x = op(a)^-1 x in place, with the factors; all with the same leading axes. pivots: null if no rows were exchanged; `given`: they are the
 * user's, who may have changed them. trans: 0, DA_TRANSPOSE or DA_CONJ_TRANSPOSE. */
da_status lu_solve_tasks(operation *op, const da_array *lu, const da_array *pivots, bool given, da_array *x,
                         unsigned trans);
/* The inverses of a, a new array of the operation's; zero pivots go to its fault, if it has one. */
da_status inverse_of(operation *op, da_array **out, const da_array *a);

/* The lower Cholesky factor of w in place, whose other triangle is not touched; it makes the operation's fault. cholesky_begin(): w
 * becomes a copy of a's lower triangle, with the tiling that this takes. */
da_status cholesky_begin(operation *op, da_array **w, const da_array *a, int64_t *mb, int64_t *nb);
da_status cholesky_tasks(operation *op, da_array *w, int64_t mb, int64_t nb);

/* Whether the shapes and dtypes of a (square) and b make a system of equations. */
da_status check_system(const da_array *a, const char *name, const da_array *b, const char *function);
/* Whether pivots that the user gives belong to such (square) factors. */
da_status check_pivots(const da_array *pivots, const da_array *factors, const char *name,
                       const char *function);

/* tasks_for_devices() of a solve with, or a product of, a triangle of n x n and the matrices of x. */
bool triangular_for_devices(const da_array *x, int64_t n);
/* Tile extents for the right-hand sides b of solve_triangular_tasks(). */
void rhs_tile(int64_t *tile, const da_array *b, bool right);

/* ---- symmetric tridiagonal matrices (tridiagonal.c) ---- */

/* What their tasks work on: d, on the diagonal, and e, beside it, vectors of the real dtype that the caller's tasks write first. */
typedef struct tridiagonal {
    const da_array *w, *z; /* the eigenvalues; the eigenvectors, or null */
    const da_array *d;     /* w itself where one task does it all */
    da_array *e;
    const da_array *q; /* the parts' eigenvectors: z, if that is real */
    da_array *packed, *shifts, *parts, *lambda, *plan;
    int64_t width;
} tridiagonal;

/* For matrices of x's shape: w gets their eigenvalues; z, in block columns of this width, their eigenvectors, if it is not null. */
da_status tridiagonal_begin(operation *op, tridiagonal *t, const da_array *x, const da_array *w,
                            const da_array *z, int64_t width);

/* The tasks for the matrices `at`. Faults, of an index beyond n: what is not finite, or does not converge. */
da_status tridiagonal_tasks(operation *op, const tridiagonal *t, const lead *at);

/* ---- bidiagonal matrices (bidiagonal.c) ---- */

/* What their tasks work on. */
typedef struct bidiagonal {
    const da_array *values, *s, *u, *vh, *v; /* as below */
    const da_array *vectors[2];              /* the parts' left and right ones, in columns */
    da_array *packed[2]; /* the same one if each side has tasks enough for all workers; free after them */
    da_array *d, *e, *shifts, *parts, *sigma, *plan;
    int64_t width, offset;
} bidiagonal;

/* `values` are what gebrd's tasks write; s gets the singular values; u, in block columns of this width, which is at least 2, and vh, in block rows, the vectors, or
 * both are null. If v is not null vh is its transpose, and both are real. LAPACK's info is told as a fault of this offset more. */
da_status bidiagonal_begin(operation *op, bidiagonal *b, const da_array *values, const da_array *s,
                           const da_array *u, const da_array *vh, const da_array *v, int64_t width,
                           int64_t offset);

/* The tasks for the matrices `at`. */
da_status bidiagonal_tasks(operation *op, const bidiagonal *b, const lead *at);

#endif
