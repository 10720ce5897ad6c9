/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file array.h
 * Arrays: creation, views, exchange with the host, printing and files.
 *
 * A `da_array *` is a reference-counted handle of a view of some storage. Slices, transposes, permutations,
 * flips and broadcasts are views: they share the storage, cost no copy, and keep it alive. The order of the
 * elements is C order wherever an order can be seen (reshape, printing, flat argmax).
 *
 * Errors that every function here may return: DA_ERROR_ARGUMENT (null where an object is needed),
 * DA_ERROR_STALE (released handle), DA_ERROR_MEMORY, DA_ERROR_FORKED, DA_ERROR_RUNTIME. Others are named
 * with each function. On any error outputs keep their former contents.
 */
#ifndef DARRAY_ARRAY_H
#define DARRAY_ARRAY_H

#include <darray/base.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An array. Owned through da_array_release() or DA_AUTO. */
typedef struct da_array da_array;

/* ---- handles ---- */

/** Release a handle and set it to null; null and pointers to null are fine. Never waits: memory is given
 *  back when the last task that uses it is done. */
DA_API void da_array_release(da_array **a);
/** Another handle of the same view, to be released as well. */
DA_NODISCARD da_status da_array_retain(da_array **out, const da_array *a);
/** Release *dst and move *src there, leaving *src null: for loops that replace an array. */
DA_API void da_array_move(da_array **dst, da_array **src);

/** Number of dimensions; -1 for null or a released handle. */
DA_API int da_array_ndim(const da_array *a);
/** Shape; ndim -1 for null or a released handle. */
DA_API da_shape da_array_shape(const da_array *a);
/** Number of elements; -1 for null or a released handle. */
DA_API int64_t da_array_size(const da_array *a);
/** Element type; 0 for null or a released handle. */
DA_API da_dtype da_array_dtype(const da_array *a);
/** Extents of the tiles along the array's axes; the first and the last tile of an axis may be smaller. Axes along which
 *  elements are repeated (da_broadcast_to()) are not cut. ndim -1 as above. */
DA_API da_shape da_array_blocks(const da_array *a);

/* ---- creation ----
 * `shape` may have zero extents. All return DA_ERROR_SHAPE for a negative extent or more than DA_MAX_NDIM
 * dimensions, DA_ERROR_OVERFLOW where the number of bytes does not fit, DA_ERROR_MEMORY, DA_ERROR_DTYPE. */

/** An array whose elements have unspecified values. */
DA_NODISCARD da_status da_empty(da_array **out, da_dtype dtype, da_shape shape);
/** The same, of a's dtype and shape; so below. */
DA_NODISCARD da_status da_empty_like(da_array **out, const da_array *a);
/** Every element is 0. */
DA_NODISCARD da_status da_zeros(da_array **out, da_dtype dtype, da_shape shape);
DA_NODISCARD da_status da_zeros_like(da_array **out, const da_array *a);
/** Every element is 1. */
DA_NODISCARD da_status da_ones(da_array **out, da_dtype dtype, da_shape shape);
DA_NODISCARD da_status da_ones_like(da_array **out, const da_array *a);
/** Every element is `value`, a number of any C type; DA_ERROR_DTYPE if dtype cannot hold it (a complex number
 *  in a real array, -1 or 2.5 in an unsigned one). Floats take the nearest number they have. */
DA_NODISCARD da_status da_full(da_array **out, da_dtype dtype, da_shape shape, da_scalar value);
DA_NODISCARD da_status da_full_like(da_array **out, const da_array *a, da_scalar value);
/** start, start+step, ... up to but without stop, real numbers; DA_ERROR_ARGUMENT if step is 0 or not finite. Element i is
 *  start + i*step in f64 arithmetic (of integers exact), then rounded to dtype; DA_ERROR_DTYPE if dtype is bool or an integer that cannot hold start, step or the
 *  last element, or one of the three is complex; DA_ERROR_OVERFLOW if the number of elements does not fit. */
DA_NODISCARD da_status da_arange(da_array **out, da_dtype dtype, da_scalar start, da_scalar stop,
                                 da_scalar step);
/** `num` evenly spaced values from start to stop; the last is exactly stop if `endpoint`.
 *  DA_ERROR_DTYPE for an integer or bool dtype. */
DA_NODISCARD da_status da_linspace(da_array **out, da_dtype dtype, da_scalar start, da_scalar stop,
                                   int64_t num, bool endpoint);
/** n_rows x n_cols with ones on the k-th diagonal (k > 0 above the main one), zeros elsewhere. */
DA_NODISCARD da_status da_eye(da_array **out, da_dtype dtype, int64_t n_rows, int64_t n_cols, int64_t k);

/**
 * Uniform random numbers in [0, 1) for floats (and for both parts of c64, c128), multiples of 2^-53 for f64, 2^-24
 * for f32, 2^-11 for f16, 2^-8 for bf16; over the full range of the type for integers and bool.
 * Philox4x32-10 (Salmon et al., SC'11) keyed by `seed` with the C-order index of the element as counter, one block of
 * four words an element: the values depend on seed, dtype and index only, never on shape, tiling or workers.
 */
DA_NODISCARD da_status da_random_uniform(da_array **out, da_dtype dtype, da_shape shape, uint64_t seed);
/** Standard normal numbers (Box-Muller on the generator above, another stream than da_random_uniform()'s); for complex
 *  dtypes both parts have variance 1/2. The same bits on every CPU. DA_ERROR_DTYPE for integers and bool. */
DA_NODISCARD da_status da_random_normal(da_array **out, da_dtype dtype, da_shape shape, uint64_t seed);

/**
 * Set the tile extents of arrays that this thread creates from here on; ndim 0 (DA_SCALAR_SHAPE) goes back to
 * automatic (or DARRAY_TILE). For an array with more axes the extents go to its last ones and the others are not cut; for
 * one with fewer axes the last extents count. Extents larger than the array's are fine. DA_ERROR_SHAPE for extents < 1.
 */
DA_NODISCARD da_status da_blocks(da_shape blocks);

/* ---- exchange with the host ---- */

/** A new array with a copy of a host buffer; the buffer may be reused when the call returns. DA_ERROR_ARGUMENT if `data`
 *  is null (and the array not empty) or the layout none; the errors of creation. */
DA_NODISCARD da_status da_from_host(da_array **out, da_dtype dtype, da_shape shape, const void *data,
                                    da_layout layout);
/** Wait for `a` and copy it into a host buffer of `bytes` bytes; DA_ERROR_SHAPE if too small, DA_ERROR_NUMERICAL
 *  or DA_ERROR_TASK if `a` carries a fault (the buffer is then not touched). With DA_STRIDES `bytes` is not checked. */
DA_NODISCARD da_status da_to_host(const da_array *a, void *data, size_t bytes, da_layout layout);
/** Copy the box of extents `count` beginning at `start` (both of a's ndim) to a host buffer, which has the box's shape.
 *  DA_ERROR_INDEX if the box does not lie in `a`; faults as da_to_host(). */
DA_NODISCARD da_status da_read(const da_array *a, da_shape start, da_shape count, void *data,
                               da_layout layout);
/** Copy a host buffer into the box of extents `count` beginning at `start`; the buffer may be reused when the call returns.
 *  DA_ERROR_INDEX; DA_ERROR_ARGUMENT if `a` is a broadcast view; DA_ERROR_STATE inside a task. */
DA_NODISCARD da_status da_write(da_array *a, da_shape start, da_shape count, const void *data,
                                da_layout layout);

/** Called once when the library no longer uses a wrapped buffer; from whatever thread lets go last. */
typedef void (*da_done_fn)(void *ctx, void *data);

/**
 * An array over the user's own memory, without a copy. The memory must stay valid until `done` (may be null) is
 * called, exactly once, when the last handle and the last task that use it are gone; its values are the user's again after
 * da_wait() or while mapped. Strides may be negative and leave gaps. Overlapping wraps of one buffer are recognised and
 * ordered against each other; those of the very same layout share one record, and let go together.
 * @return DA_ERROR_SHAPE, naming the axes, if the layout maps two elements to one address;
 *         DA_ERROR_ARGUMENT if the pointer is null or not aligned to the element type; DA_ERROR_OVERFLOW if the layout
 *         leaves the address space. After an error `done` is not called.
 */
DA_NODISCARD da_status da_wrap(da_array **out, da_dtype dtype, da_shape shape, void *data, da_layout layout,
                               da_done_fn done, void *ctx);

/**
 * Wait for `a` and give the host its elements in place.
 * @param data    address of the element with all indices zero.
 * @param strides receives one stride in elements per axis (at least a's ndim entries).
 * @param flags   DA_READ_ONLY or 0. Until da_unmap() tasks on the same storage that conflict with this wait. A thread that would
 *                wait for them itself meanwhile, for the array, for what is computed from it or for everything, gets
 *                DA_ERROR_STATE.
 * @return DA_ERROR_NUMERICAL or DA_ERROR_TASK if `a` carries a fault; DA_ERROR_ARGUMENT if a broadcast view is to be
 *         written; DA_ERROR_STATE inside a task, or if this thread has it mapped already and one of the two maps writes.
 */
DA_NODISCARD da_status da_map(const da_array *a, unsigned flags, void **data, int64_t *strides);
/** End the latest da_map() through this handle, this thread's own before another's; DA_ERROR_STATE if there is none. Releasing the handle ends all of them. */
DA_NODISCARD da_status da_unmap(const da_array *a);

/** Wait for `a`; reports a fault it carries: DA_ERROR_NUMERICAL or DA_ERROR_TASK with its sentence. */
DA_NODISCARD da_status da_wait(const da_array *a);

/** The one element of an array of size 1, converted as by a C cast; waits. DA_ERROR_SHAPE if size is not 1, DA_ERROR_DTYPE if
 *  the value's kind does not convert (complex to real), DA_ERROR_OVERFLOW if it does not fit, faults as da_wait(). */
DA_NODISCARD da_status da_item_f64(double *value, const da_array *a);
DA_NODISCARD da_status da_item_f32(float *value, const da_array *a);
DA_NODISCARD da_status da_item_i64(int64_t *value, const da_array *a);
DA_NODISCARD da_status da_item_u64(uint64_t *value, const da_array *a);
DA_NODISCARD da_status da_item_bool(bool *value, const da_array *a);
DA_NODISCARD da_status da_item_c128(da_c128 *value, const da_array *a);

/* ---- views and copies ---- */

/** One index of da_slice(); made by the macros below. */
typedef struct da_range {
    int kind_; /**< 1 range, 2 one index, 3 new axis, 4 ellipsis */
    int has_;  /**< bit 0: start given, bit 1: stop given */
    int64_t start_, stop_, step_;
} da_range;

/**
 * NumPy's basic indexing: a view of a[r0, r1, ...]. Missing trailing indices mean everything.
 * @return DA_ERROR_INDEX for an index out of bounds, a zero step, or more indices than axes.
 */
DA_NODISCARD da_status da_slice(da_array **out, const da_array *a, int n, const da_range *ranges);
/** View with axes in the given order (a permutation of all axes). DA_ERROR_INDEX. */
DA_NODISCARD da_status da_permute_dims(da_array **out, const da_array *a, da_axes order);
/** View with the last two axes exchanged; DA_ERROR_SHAPE for fewer than two. */
DA_NODISCARD da_status da_matrix_transpose(da_array **out, const da_array *a);
/** View with the given axes reversed. DA_ERROR_INDEX. */
DA_NODISCARD da_status da_flip(da_array **out, const da_array *a, da_axes axes);
/** View with a new axis of extent 1 at position `axis` of the result. DA_ERROR_INDEX; DA_ERROR_SHAPE beyond DA_MAX_NDIM. */
DA_NODISCARD da_status da_expand_dims(da_array **out, const da_array *a, int axis);
/** View without the given axes, which must have extent 1 (DA_ERROR_SHAPE); DA_ALL: without all that have. DA_ERROR_INDEX. */
DA_NODISCARD da_status da_squeeze(da_array **out, const da_array *a, da_axes axes);
/** Read-only view broadcast to `shape`; DA_ERROR_SHAPE if it does not broadcast. */
DA_NODISCARD da_status da_broadcast_to(da_array **out, const da_array *a, da_shape shape);
/** A new array with the elements in C order and another shape; one extent may be -1. DA_ERROR_SHAPE. */
DA_NODISCARD da_status da_reshape(da_array **out, const da_array *a, da_shape shape);
/** A new array with the same values. */
DA_NODISCARD da_status da_copy(da_array **out, const da_array *a);
/** A new array converted to another dtype, as NumPy's astype: a C cast; what does not fit an integer becomes what x86 makes
 *  of it, everywhere; anything but 0 is true. DA_ERROR_DTYPE for complex to real (take da_real() or da_abs()). */
DA_NODISCARD da_status da_astype(da_array **out, const da_array *a, da_dtype dtype);
/** Join n >= 1 arrays along an existing axis; dtypes are promoted as NumPy does. DA_ERROR_SHAPE if they differ in another axis or
 *  have none, DA_ERROR_INDEX for an axis that is none. */
DA_NODISCARD da_status da_concat(da_array **out, int n, const da_array *const *arrays, int axis);
/** Join n >= 1 arrays of one shape along a new axis, at position `axis` of the result. DA_ERROR_SHAPE, DA_ERROR_INDEX. */
DA_NODISCARD da_status da_stack(da_array **out, int n, const da_array *const *arrays, int axis);

/* ---- text and files ---- */

/** The array as NumPy's str() gives it by default (8 digits, lines of 75 characters, above 1000 elements only the first and last
 *  three of every axis), whatever the locale, in a string to be freed with da_string_free(). Faults as da_wait(). */
DA_NODISCARD da_status da_to_string(char **out, const da_array *a);
/** Free a string of the library; null is fine. */
DA_API void da_string_free(char *s);
/** Print da_to_string() and a newline to a stream the caller chose. DA_ERROR_IO. */
DA_NODISCARD da_status da_print(FILE *stream, const da_array *a);

/** Read a NumPy .npy file (format 1 to 3, both orders, both byte orders). DA_ERROR_IO; DA_ERROR_FORMAT with the reason for a
 *  file that is none, is truncated, or has a dtype that is none of darray's. Nothing is allocated on a header's word alone. */
DA_NODISCARD da_status da_load_npy(da_array **out, const char *path);
/** Write a NumPy .npy file, C order, completely or not at all (a temporary file beside it takes its place; a link to a file stays one, a
 *  link to none is replaced). DA_ERROR_IO, faults as da_wait(). bf16 is written as void16 ('|V2'), as ml_dtypes does. */
DA_NODISCARD da_status da_save_npy(const char *path, const da_array *a);
/** Read comma-separated numbers, one row a line, into an f64 matrix, whatever the locale. Numbers may be quoted and
 *  surrounded by blanks, lines may be blank or end with CR LF, a byte order mark is skipped; a file without numbers gives
 *  shape (0, 0).
 *  @param skip_rows lines to skip first (headers). DA_ERROR_IO; DA_ERROR_FORMAT names line and column. */
DA_NODISCARD da_status da_load_csv(da_array **out, const char *path, int64_t skip_rows);
/** Write a matrix, or a vector as a column, as comma-separated numbers that read back exactly, completely or not at all.
 *  @param header a first line without newline, or null. DA_ERROR_SHAPE above two dimensions, DA_ERROR_DTYPE for complex
 *         numbers, DA_ERROR_IO, faults as da_wait(). */
DA_NODISCARD da_status da_save_csv(const char *path, const da_array *a, const char *header);

#ifdef __cplusplus
}
#define DA_RANGE_(kind, has, start, stop, step) (da_range{(kind), (has), (start), (stop), (step)})
static inline da_status da_item(double *v, const da_array *a)
{
    return da_item_f64(v, a);
}
static inline da_status da_item(float *v, const da_array *a)
{
    return da_item_f32(v, a);
}
static inline da_status da_item(int64_t *v, const da_array *a)
{
    return da_item_i64(v, a);
}
static inline da_status da_item(uint64_t *v, const da_array *a)
{
    return da_item_u64(v, a);
}
static inline da_status da_item(bool *v, const da_array *a)
{
    return da_item_bool(v, a);
}
static inline da_status da_item(da_c128 *v, const da_array *a)
{
    return da_item_c128(v, a);
}
#else
#define DA_RANGE_(kind, has, start, stop, step) ((da_range){(kind), (has), (start), (stop), (step)})
/** da_item(&x, a) for x of type double, float, int64_t, uint64_t, bool or da_c128. */
#define da_item(v, a)                                                                                        \
    _Generic((v), double *                                                                                   \
             : da_item_f64, float *                                                                          \
             : da_item_f32, int64_t *                                                                        \
             : da_item_i64, uint64_t *                                                                       \
             : da_item_u64, bool *                                                                           \
             : da_item_bool, da_c128 *                                                                       \
             : da_item_c128)((v), (a))
#endif

/** start:stop */
#define DA_RANGE(start, stop) DA_RANGE_(1, 3, (start), (stop), 1)
/** start:stop:step */
#define DA_RANGE_STEP(start, stop, step) DA_RANGE_(1, 3, (start), (stop), (step))
/** start: */
#define DA_FROM(start) DA_RANGE_(1, 1, (start), 0, 1)
/** :stop */
#define DA_UNTIL(stop) DA_RANGE_(1, 2, 0, (stop), 1)
/** ::step */
#define DA_EVERY(step) DA_RANGE_(1, 0, 0, 0, (step))
/** : */
#define DA_WHOLE DA_RANGE_(1, 0, 0, 0, 1)
/** one index; its axis disappears */
#define DA_AT(index) DA_RANGE_(2, 0, (index), 0, 1)
/** a new axis of extent 1 */
#define DA_NEWAXIS DA_RANGE_(3, 0, 0, 0, 1)
/** as many ":" as are missing */
#define DA_ELLIPSIS DA_RANGE_(4, 0, 0, 0, 1)

#ifdef __cplusplus
template <class... R> static inline da_status da_slice_(da_array **out, const da_array *a, const R &...r)
{
    const da_range list[] = {r...};
    return da_slice(out, a, int(sizeof...(r)), list);
}
#define DA_SLICE(out, a, ...) da_slice_((out), (a), __VA_ARGS__)
#else
/** DA_SLICE(&v, a, DA_RANGE(0, 10), DA_EVERY(-1), DA_AT(3)): the view a[0:10, ::-1, 3]. */
#define DA_SLICE(out, a, ...)                                                                                \
    da_slice((out), (a), DA_COUNT_(da_range, __VA_ARGS__), (const da_range[]){__VA_ARGS__})
#endif

/* Numbers of any C type lift to da_scalar; each macro has the function of the same name behind it. */
#define da_full(out, dtype, shape, value) (da_full)((out), (dtype), (shape), DA_NUMBER(value))
#define da_full_like(out, a, value) (da_full_like)((out), (a), DA_NUMBER(value))
#define da_arange(out, dtype, start, stop, step)                                                             \
    (da_arange)((out), (dtype), DA_NUMBER(start), DA_NUMBER(stop), DA_NUMBER(step))
#define da_linspace(out, dtype, start, stop, num, endpoint)                                                  \
    (da_linspace)((out), (dtype), DA_NUMBER(start), DA_NUMBER(stop), (num), (endpoint))

#endif
