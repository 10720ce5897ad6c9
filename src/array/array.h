/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The array object. da_array (a counted handle) = view -> storage (element type, extents, strides, tile grid, tiles, faults).
 *
 * Storage: owned ones are one allocation, its last two axes column-major, leading axes outermost (each matrix of a batch is
 * BLAS-ready); wraps have the user's strides. The tile grid cuts the storage's axes; a tile is an rt_data, the unit of dependencies,
 * and merely a view of the allocation.
 *
 * View: axis d of the array walks along storage axis axis[d] (or none: -1, step 0, a broadcast or new axis) with step[d], beginning
 * at origin[] (one coordinate per storage axis). No two axes of a view walk along one storage axis.
 */
#ifndef DARRAY_SRC_ARRAY_H
#define DARRAY_SRC_ARRAY_H

#include "base/base.h"
#include "runtime/models.h"
#include "runtime/runtime.h"
#include <darray/array.h>

typedef struct storage {
    rt_owner owner; /* first member */
    da_dtype dtype;
    int ndim;
    int64_t shape[DA_MAX_NDIM];
    int64_t stride[DA_MAX_NDIM]; /* in elements; positive */
    int64_t tile[DA_MAX_NDIM];   /* extents of a full tile, >= 1 */
    int64_t grid[DA_MAX_NDIM];   /* number of tiles along each axis */
    int64_t ntiles;              /* product of grid; 0 if a extent is 0 */
    rt_data *tiles;              /* tile (i0, i1, ...) at index with the last axis fastest */
    void *base;                  /* address of element (0, 0, ...) */
    size_t bytes;                /* of the data */
    rt_fault *faults;            /* guarded by a lock in storage.c: use storage_faults() */
    struct wrap *wrap;           /* the user's memory, or null if owned */
    bool rehearsed;              /* it has no memory: made in a rehearsal (runtime.h) */
    rt_data one_tile;            /* tiles points here if there is just one */
} storage;

struct da_array {
    handle h;
    storage *s;
    int ndim;
    bool read_only; /* broadcast: several elements share memory */
    int64_t shape[DA_MAX_NDIM];
    int axis[DA_MAX_NDIM];
    int64_t step[DA_MAX_NDIM];
    int64_t origin[DA_MAX_NDIM];
    struct array_map *maps; /* da_map()s in force through this handle: host.c; guarded by its lock */
};

/* ---- handles and views (array.c) ---- */

/* DA_ERROR_ARGUMENT or DA_ERROR_STALE naming function and argument: array_check(a, "da_matmul", "b"). */
da_status array_check(const da_array *a, const char *function, const char *argument);
/* The same for an output pointer. */
da_status array_check_out(const void *out, const char *function);
/* DA_ERROR_DTYPE, DA_ERROR_SHAPE, DA_ERROR_OVERFLOW for what cannot be an array. */
da_status array_check_shape(const da_shape *shape, da_dtype dtype, const char *function);

/* A new owned array with unspecified values. `tile`: extents of the tiles (shape->ndim entries; larger than the extent is fine) or null
 * for this thread's da_blocks(), DARRAY_TILE or the automatic choice. `order`: ndim storage axes from outermost to innermost in
 * memory, or null for the usual order. */
da_status array_new(da_array **out, da_dtype dtype, const da_shape *shape, const int64_t *tile,
                    const int *order);
/* A new view handle, a copy of `a`, to be changed by the caller before anyone sees it. */
da_status array_view(da_array **out, const da_array *a);
int64_t array_count(const da_array *a);
da_shape array_shape_of(const da_array *a);
/* Host address of the element with all indices 0 (of base if empty); strides in elements, ndim entries, 0 along broadcast axes. */
void *array_pointer(const da_array *a);
void array_strides(const da_array *a, int64_t *strides);
/* Box [start, start+count) of a view, in place of an existing handle's coordinates (no allocation). */
void array_box(da_array *view, const int64_t *start, const int64_t *count);
/* True if some element of both lies at the same address (exact for boxes with unit steps; may say true for interleaved ones);
 * sees wraps of overlapping memory. */
bool array_overlaps(const da_array *a, const da_array *b);
/* True if both are the same elements in the same order. */
bool array_identical(const da_array *a, const da_array *b);
/* True if the view is all of its storage (in any axis order or direction). */
bool array_covers_storage(const da_array *a);

/* ---- tiles as a view sees them (tiling.c) ---- */

/* Number of pieces that the tile grid cuts axis d of the view into (1 for broadcast axes; 0 for extent 0), and where piece i, counted
 * in the view's direction, begins and how long it is. */
int64_t array_pieces(const da_array *a, int d);
void array_piece(const da_array *a, int d, int64_t i, int64_t *start, int64_t *count);
/* Where the piece that has element `at` of axis d ends. */
int64_t array_piece_end(const da_array *a, int d, int64_t at);
/* Walk over all pieces of a view:
 *   piece_walk w;
 *   for (bool more = piece_first(&w, a); more; more = piece_next(&w))
 *       task_access(&t, a, w.start, w.count, DA_MODE_WRITE);
 */
typedef struct piece_walk {
    const da_array *a;
    int64_t at[DA_MAX_NDIM], pieces[DA_MAX_NDIM];
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM];
} piece_walk;
bool piece_first(piece_walk *w, const da_array *a); /* false if the view is empty */
bool piece_next(piece_walk *w);
/* Of work. */
typedef struct amount {
    double bytes, flops;
} amount;
/* MODELS_DEVICES if devices are to take part in an operation: each operand of a task should then lie in one tile, and tiles are large. So it is if
 * there is much to do, and if tasks of such a kernel and size are done sooner by the devices, by what was measured, than by all cores of the CPU;
 * a kernel of which no device's time is known counts as the other one (may be null). And always where the thread's tasks are to run on
 * devices. Asks the runtime only if there is enough to do. */
models_advice devices_for(amount all, const da_codelet *kernel, const da_codelet *other, da_dtype dtype,
                          amount task);
/* The same for elementwise work. */
bool elements_for_devices(da_dtype dtype, double elements);
/* The tile extent for an axis of so many elements, of matrices that devices work on: the same for all of them, so that tiles fit. */
int64_t device_step(int64_t extent);
/* Whether the pieces [0, n), [n, 2n), ... of axis d of the view lie in one tile each. */
bool pieces_in_tiles(const da_array *a, int d, int64_t n);

/* Automatic tile extents for elementwise work on such an array. */
void tiling_choose(da_dtype dtype, const da_shape *shape, int64_t *tile);
/* The extents that da_blocks() or DARRAY_TILE force upon an array of this shape: true if there are any. */
bool tiling_forced(const da_shape *shape, int64_t *tile);

/* ---- tasks on arrays (operand.c) ----
 *
 *   task_builder t;
 *   task_begin(&t, &codelet_gemm);
 *   task_access(&t, A, start, count, DA_MODE_READ);    (the box of the view; null, null: all of it)
 *   task_value(&t, &args, sizeof args);
 *   st = task_add(&t, &batch);                          (errors of the calls before surface here; frees the builder)
 */
typedef struct task_builder {
    rt_task_desc desc;
    da_status status;
    int capacity;
    rt_operand *operands; /* grows; inline_ at first */
    struct operand_extents *extents;
    rt_data **data; /* grows */
    int ndata, data_capacity;
    da_value values[DA_MAX_VALUES];
    struct task_builder_inline *inline_;
    max_align_t space_[160];
} task_builder;
void task_begin(task_builder *t, const da_codelet *codelet);
void task_access(task_builder *t, const da_array *a, const int64_t *start, const int64_t *count,
                 da_mode mode);
/* An operand that is not an array (a future's cell, the user's memory). */
void task_operand(task_builder *t, const rt_operand *operand);
void task_value(task_builder *t, const void *value, size_t size); /* `value` must live until task_add() */
void task_priority(task_builder *t, int priority);
void task_fault(task_builder *t, rt_fault *cell, int64_t offset);
da_status task_add(task_builder *t, rt_batch *batch);
da_status task_add_future(task_builder *t, rt_batch *batch, rt_task **task);
void task_drop(task_builder *t); /* instead of task_add(): gives the task up */

/* Tasks that copy src to dst elementwise, converting the dtype: one per tile of dst. Same shapes; no overlap. */
da_status array_copy_tasks(rt_batch *batch, da_array *dst, const da_array *src);
/* Tasks that set every element of dst; the number is converted as by a C cast. */
da_status array_fill_tasks(rt_batch *batch, da_array *dst, da_scalar value);
/* A number as an element of a dtype (16 bytes of room), by a C cast; and whether the dtype holds it: DA_ERROR_DTYPE. */
void scalar_element(void *element, da_dtype dtype, da_scalar value);
da_status scalar_check(da_dtype dtype, da_scalar value, const char *function);
/* The dtype that NumPy gives to a mix of two. */
da_dtype dtype_promote(da_dtype a, da_dtype b);

/* The end of an operation that makes a new array: commits the batch and gives `a` out, or, if `status` or the commit is a failure, drops
 * both. */
da_status array_finish(da_array **out, da_array *a, rt_batch *batch, da_status status);

/* Codelets of this room (codelets.c): fill: WRITE dst; an element of 16 bytes. copy: WRITE dst, READ src. diagonal: the same, where src has
 * square matrices of which dst gets the diagonals. */
extern const da_codelet array_codelet_fill, array_codelet_copy, array_codelet_diagonal;

/* ---- faults (fault flow of an operation; storage.c) ---- */

/* Called by every operation between building and committing its batch: the storage of `out` now carries the inputs' faults, `own` (or
 * null), and, unless `overwritten` says that all of the storage is overwritten, what it carried before. Cannot fail after
 * faults_prepare() has made the union: */
typedef struct fault_flow {
    rt_fault *result;
} fault_flow;
da_status faults_prepare(fault_flow *flow, const da_array *out, bool overwritten, int n,
                         const da_array *const *inputs, rt_fault *own);
void faults_apply(fault_flow *flow, da_array *out); /* consumes the flow */
void faults_drop(fault_flow *flow);
/* The fault an array carries, as DA_ERROR_NUMERICAL with its sentence. */
da_status array_check_faults(const da_array *a);
/* Wait for the tiles that the view touches; then poison and faults as da_wait(). */
da_status array_wait(const da_array *a, da_mode mode);

/* ---- storage (storage.c) ---- */

/* The set of faults that reading the storage inherits, a reference of the caller's. */
da_status storage_faults(storage *s, rt_fault **out);
/* A storage over the user's memory, or the one that a wrap of the very same layout has already: strides positive. */
da_status storage_wrap(storage **out, da_dtype dtype, const da_shape *shape, void *base,
                       const int64_t *strides, da_done_fn done, void *ctx, void *data);
/* Storages of other wraps that overlap bytes [lo, hi) of this one, retained, in a list of the caller's (mem_free); *n = 0 and NULL mostly. */
da_status storage_partners(storage *s, const char *lo, const char *hi, int *n, storage ***out);
/* Handle of all of a storage; takes over the caller's reference, also on failure. */
da_status array_of_storage(da_array **out, storage *s);

/* True if work on fresh, unseen arrays of so many bytes is done at once by the caller, without a task. */
bool array_small(size_t bytes);
/* The tiles [lo, hi] of each storage axis that a view touches; false if it is empty. */
bool array_tile_range(const da_array *a, int64_t *lo, int64_t *hi);

/* The data of all tiles that a view touches, those of overlapping wraps included: to wait for or to hold. */
typedef struct data_set {
    rt_data **list;
    int64_t n, capacity;
    storage **partners; /* retained */
    int npartners;
    rt_data *space[32];
} data_set;
void data_set_init(data_set *set);
da_status data_set_add(data_set *set, const da_array *a);
void data_set_drop(data_set *set);
/* Wait for a view and copy it, converted, into host memory of these strides; faults as da_wait(). Not inside a task (host.c). */
da_status array_read(const da_array *a, da_dtype dtype, void *data, const int64_t *strides,
                     const char *function);
/* Ends every da_map() through a handle that goes away (host.c). */
void array_unmap_all(da_array *a);

#endif
