/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file base.h
 * What every other header stands on: status codes, element types, shapes, scalars, hooks.
 *
 * Conventions of the whole library:
 * - A function that can fail returns ::da_status; outputs come first, need no initialising and are
 *   written only on success. da_error() then gives a sentence with the actual values.
 * - Shapes, extents, strides and indices are int64_t and count elements, never bytes, unless said.
 * - All functions are thread-safe unless said otherwise; calls on one array take effect in call order.
 * - Names ending in an underscore are private.
 */
#ifndef DARRAY_BASE_H
#define DARRAY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DA_VERSION_MAJOR 0
#define DA_VERSION_MINOR 1
#define DA_VERSION_PATCH 0
#define DA_VERSION_STRING "0.1.0"

/** Most dimensions an array may have. */
#define DA_MAX_NDIM 16

#if defined(__GNUC__)
#define DA_API __attribute__((visibility("default")))
#define DA_PRINTF_(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define DA_API
#define DA_PRINTF_(fmt, args)
#endif

#ifdef __cplusplus
#define DA_NODISCARD [[nodiscard]] DA_API
extern "C" {
#else
#define DA_NODISCARD __attribute__((warn_unused_result)) DA_API
#endif

/** Every status there is: X(name, value, "what it means"). */
#define DA_STATUS_LIST(X)                                                                                    \
    X(DA_OK, 0, "success")                                                                                   \
    X(DA_ERROR_ARGUMENT, 1, "an argument is null, unknown or contradicts another")                           \
    X(DA_ERROR_SHAPE, 2, "shapes do not fit the operation or each other")                                    \
    X(DA_ERROR_DTYPE, 3, "element types do not fit the operation or each other")                             \
    X(DA_ERROR_INDEX, 4, "an index, axis or range lies outside the array")                                   \
    X(DA_ERROR_OVERFLOW, 5, "a size does not fit the integers that must hold it")                            \
    X(DA_ERROR_MEMORY, 6, "more memory was needed than there is or than the budget allows")                  \
    X(DA_ERROR_STALE, 7, "a handle was released, or an expression was used twice")                           \
    X(DA_ERROR_NUMERICAL, 8, "a value in the array comes from a factorisation that broke down")              \
    X(DA_ERROR_TASK, 9, "a task, or one it depends on, failed")                                              \
    X(DA_ERROR_CANCELLED, 10, "another rank failed or left early, so this collective was given up")          \
    X(DA_ERROR_IO, 11, "a file could not be opened, read or written")                                        \
    X(DA_ERROR_FORMAT, 12, "a file or text does not follow its format")                                      \
    X(DA_ERROR_STATE, 13, "the call is not allowed here and now (inside a task, while mapped, ...)")         \
    X(DA_ERROR_RUNTIME, 14, "the task runtime could not be started or failed")                               \
    X(DA_ERROR_FORKED, 15, "this process was forked after the library had started its threads")              \
    X(DA_ERROR_UNSUPPORTED, 16, "valid, but this build or machine cannot do it")

/** Result of every call that can fail. */
typedef enum da_status {
#define DA_STATUS_ITEM_(name, value, text) name = value,
    DA_STATUS_LIST(DA_STATUS_ITEM_)
#undef DA_STATUS_ITEM_
} da_status;

/** Element types: the 13 of the array API standard, and two 16-bit floats for storage. */
typedef enum da_dtype {
    DA_BOOL =
        1, /**< one byte, 0 or 1; other bytes in memory that is handed in are not looked for, and what they count as is undefined */
    DA_I8,
    DA_I16,
    DA_I32,
    DA_I64,
    DA_U8,
    DA_U16,
    DA_U32,
    DA_U64,
    DA_F16,  /**< IEEE binary16: storage, conversion and I/O only */
    DA_BF16, /**< bfloat16: storage, conversion and I/O only */
    DA_F32,
    DA_F64,
    DA_C64, /**< two f32 */
    DA_C128 /**< two f64 */
} da_dtype;

/** A c64 or c128 element as it crosses the library's binary interface (layout of C's complex types). */
typedef struct da_c64 {
    float re, im;
} da_c64;
typedef struct da_c128 {
    double re, im;
} da_c128;

/** A shape: `ndim` extents, the first `ndim` entries of `dim`. Extents may be zero. */
typedef struct da_shape {
    int ndim;
    int64_t dim[DA_MAX_NDIM];
} da_shape;

/** A set of axes; n = -1 means all of them. Negative axes count from the last. */
typedef struct da_axes {
    int n;
    int axis[DA_MAX_NDIM];
} da_axes;

/** How a host buffer is laid out; see DA_ROW_MAJOR, DA_COL_MAJOR, DA_STRIDES. */
typedef struct da_layout {
    int order_;
    const int64_t *strides_;
} da_layout;

/** A number of any type, made by DA_NUMBER(x) or by the macros that lift their arguments. */
typedef struct da_scalar {
    int kind_; /**< 1 signed, 2 unsigned, 3 real, 4 complex, 5 bool */
    int pad_;
    union {
        int64_t i;
        uint64_t u;
        da_c128 z;
    } v_;
} da_scalar;

/** Flags of operations; each function says which it takes. */
enum {
    DA_KEEPDIMS = 1 << 0,       /**< reductions: keep reduced axes with extent 1 */
    DA_UPPER = 1 << 1,          /**< the upper triangle is meant */
    DA_LOWER = 1 << 2,          /**< the lower triangle is meant */
    DA_UNIT = 1 << 3,           /**< the diagonal is taken as ones and not read */
    DA_TRANSPOSE = 1 << 4,      /**< op(A) = A^T */
    DA_CONJ_TRANSPOSE = 1 << 5, /**< op(A) = A^H */
    DA_RIGHT = 1 << 6,          /**< the matrix stands on the right: X op(A) = B */
    DA_COMPLETE = 1 << 7,       /**< QR, SVD: all columns of the square factors */
    DA_READ_ONLY = 1 << 8       /**< da_map: the values will not be changed */
};

/* ---- version, errors, dtypes ---- */

/** Version of the library at run time, e.g. "0.1.0". Static; never null. */
DA_API const char *da_version(void);

/**
 * The sentence of this thread's latest failed call, naming actual shapes and values.
 * @return a string owned by the library, valid until this thread's next failing call; "" if none failed.
 */
DA_API const char *da_error(void);

/** Name of a status, e.g. "DA_ERROR_SHAPE"; "unknown status" for a number that is none. Static; never null. */
DA_API const char *da_status_name(da_status status);

/** What a status means in general, e.g. "shapes do not fit the operation or each other". Static; never null. */
DA_API const char *da_status_text(da_status status);

/** Bytes of one element; 0 if `dtype` is none. */
DA_API size_t da_dtype_size(da_dtype dtype);

/** NumPy's name of a dtype, e.g. "float64"; "invalid" if `dtype` is none. Static. */
DA_API const char *da_dtype_name(da_dtype dtype);

/* ---- hooks ---- */

/**
 * Receives one line (no newline) of what the library has to say; may be called from any thread, several at once.
 * @param level 1: decisions and fallbacks, failed tasks; 2: every task.
 * @param line valid during the call. The function must not call the library.
 */
typedef void (*da_log_fn)(void *ctx, int level, const char *line);

/**
 * Set where log lines go. With a hook, lines of level 1 go there, and those of level 2 with DARRAY_VERBOSE=2.
 * Without one (or `fn` null) lines up to the level that DARRAY_VERBOSE says go to stderr: none by default.
 * A call that is under way on another thread may still reach the former hook.
 */
DA_API void da_set_log(da_log_fn fn, void *ctx);

/**
 * The allocator behind every byte that the library itself takes (not what OpenMP, StarPU, hwloc or the C library take).
 * Functions must be thread-safe, must not call the library, and may be called from any thread.
 */
typedef struct da_allocator {
    /** `size` bytes (never 0) aligned to `alignment` (a power of two), or null: the call then fails with DA_ERROR_MEMORY. */
    void *(*allocate)(void *ctx, size_t size, size_t alignment);
    /** gives back what allocate() returned for this `size`; `p` is never null. */
    void (*release)(void *ctx, void *p, size_t size);
    void *ctx; /**< passed to both */
} da_allocator;

/**
 * Replace the allocator, before anything was allocated or after da_shutdown() with no live handle. No other thread may be
 * calling the library. Everything is given back by da_shutdown() once all handles are released. (The default one keeps
 * the memory of released handles for good, so that a stale handle is recognised. After da_shutdown() with an allocator of
 * one's own, released handles must not be touched.)
 * @param allocator copied; null restores the default.
 * @return DA_ERROR_ARGUMENT if one of its functions is null; DA_ERROR_STATE while memory of the former one is in use (nothing
 *         is changed).
 */
DA_NODISCARD da_status da_set_allocator(const da_allocator *allocator);

/**
 * Release whatever handle `*handle` is (array, task, factors, ...) and set it to null. What DA_AUTO calls.
 * @param handle the address of the pointer; null, and the address of a null pointer, are fine. A handle that is released already is
 *               recognised, set to null, and told to the log.
 */
DA_API void da_release_any_(void *handle);

#ifdef __cplusplus
}
#endif

/** Declares handles that are released when their scope is left: `DA_AUTO da_array *a = NULL, *b = NULL;` */
#define DA_AUTO __attribute__((cleanup(da_release_any_)))

/** Evaluates a call; if it failed, returns its status from the enclosing function. */
#define DA_TRY(...)                                                                                          \
    do {                                                                                                     \
        const da_status da_s_ = (__VA_ARGS__);                                                               \
        if (da_s_ != DA_OK)                                                                                  \
            return da_s_;                                                                                    \
    } while (0)

/* ---- values: shapes, axes, layouts, numbers ---- */

#ifdef __cplusplus
#include <complex>
#include <type_traits>
template <class... I> static inline da_shape da_make_shape_(I... i)
{
    return da_shape{int(sizeof...(i)), {int64_t(i)...}};
}
template <class... I> static inline da_axes da_make_axes_(I... i)
{
    return da_axes{int(sizeof...(i)), {int(i)...}};
}
template <class T> static inline da_scalar da_number_(std::complex<T> z)
{
    da_scalar s{4, 0, {}};
    s.v_.z = da_c128{double(z.real()), double(z.imag())};
    return s;
}
static inline da_scalar da_number_(da_scalar s)
{
    return s;
}
template <class T, class = typename std::enable_if<std::is_arithmetic<T>::value>::type>
static inline da_scalar da_number_(T x)
{
    da_scalar s{1, 0, {}};
    if constexpr (std::is_same<T, bool>::value) {
        s.kind_ = 5;
        s.v_.u = x;
    } else if constexpr (std::is_floating_point<T>::value) {
        s.kind_ = 3;
        s.v_.z = da_c128{double(x), 0};
    } else if constexpr (std::is_unsigned<T>::value) {
        s.kind_ = 2;
        s.v_.u = x;
    } else {
        s.v_.i = x;
    }
    return s;
}
#define DA_SHAPE(...) da_make_shape_(__VA_ARGS__)
#define DA_AXES(...) da_make_axes_(__VA_ARGS__)
#define DA_SCALAR_SHAPE (da_shape{0, {}})
#define DA_ALL (da_axes{-1, {}})
#define DA_NO_AXES (da_axes{0, {}})
#define DA_ROW_MAJOR (da_layout{1, nullptr})
#define DA_COL_MAJOR (da_layout{2, nullptr})
#define DA_STRIDES(p) (da_layout{3, (p)})
#define DA_NUMBER(x) da_number_(x)
#else
static inline da_scalar da_number_i_(int64_t x)
{
    da_scalar s = {1, 0, {0}};
    s.v_.i = x;
    return s;
}
static inline da_scalar da_number_u_(uint64_t x)
{
    da_scalar s = {2, 0, {0}};
    s.v_.u = x;
    return s;
}
static inline da_scalar da_number_f_(double x)
{
    da_scalar s = {3, 0, {0}};
    s.v_.z.re = x;
    s.v_.z.im = 0;
    return s;
}
static inline da_scalar da_number_z_(double _Complex x)
{
    da_scalar s = {4, 0, {0}};
    s.v_.z.re = __builtin_creal(x); /* <complex.h> would take the name I away from the user */
    s.v_.z.im = __builtin_cimag(x);
    return s;
}
static inline da_scalar da_number_b_(bool x)
{
    da_scalar s = {5, 0, {0}};
    s.v_.u = x;
    return s;
}
static inline da_scalar da_number_s_(da_scalar x)
{
    return x;
}
/* clang-format off */
#define DA_NUMBER_CASES_                                                                                     \
    _Bool : da_number_b_, char : da_number_i_, signed char : da_number_i_, short : da_number_i_,             \
    int : da_number_i_, long : da_number_i_, long long : da_number_i_, unsigned char : da_number_u_,         \
    unsigned short : da_number_u_, unsigned : da_number_u_, unsigned long : da_number_u_,                    \
    unsigned long long : da_number_u_, float : da_number_f_, double : da_number_f_,                          \
    float _Complex : da_number_z_, double _Complex : da_number_z_, da_scalar : da_number_s_
/* clang-format on */
/** A number of any C type as a da_scalar. */
#define DA_NUMBER(x) _Generic((x), DA_NUMBER_CASES_)(x)
#define DA_COUNT_(T, ...) (int)(sizeof((T[]){__VA_ARGS__}) / sizeof(T))
/** The shape with these extents, at least one: DA_SHAPE(3, 4). */
#define DA_SHAPE(...) ((da_shape){DA_COUNT_(int64_t, __VA_ARGS__), {__VA_ARGS__}})
/** These axes: DA_AXES(0, -1). */
#define DA_AXES(...) ((da_axes){DA_COUNT_(int, __VA_ARGS__), {__VA_ARGS__}})
/** The shape of an array with no dimensions and one element. */
#define DA_SCALAR_SHAPE ((da_shape){0, {0}})
/** All axes. */
#define DA_ALL ((da_axes){-1, {0}})
/** No axis, NumPy's axis=(). */
#define DA_NO_AXES ((da_axes){0, {0}})
/** Last index fastest (C order). */
#define DA_ROW_MAJOR ((da_layout){1, NULL})
/** First index fastest (Fortran order). */
#define DA_COL_MAJOR ((da_layout){2, NULL})
/** Element (i, j, ...) lies at i*p[0] + j*p[1] + ... elements from the buffer's pointer; may be negative. */
#define DA_STRIDES(p) ((da_layout){3, (p)})
#endif

#endif
