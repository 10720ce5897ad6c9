/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file task.h
 * Tasks: functions spawned on data with declared accesses. Their order follows from the accesses alone: tasks
 * that touch the same tile run as if one after the other in the order they were spawned, all others in
 * parallel. The same API runs the library's own operations.
 *
 * A task may spawn further tasks (ordered at the moment they are spawned) but not wait: da_wait(), da_to_host()
 * and all calls that wait return DA_ERROR_STATE inside a task. Pass a task's result to the next task instead.
 */
#ifndef DARRAY_TASK_H
#define DARRAY_TASK_H

#include <darray/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A spawned task, and the future of its result. Owned through da_task_release() or DA_AUTO. */
typedef struct da_task da_task;

/** What a task may do with a buffer. */
typedef enum da_mode {
    DA_MODE_READ = 1,
    DA_MODE_WRITE = 2, /**< every element is overwritten; what was there is not read */
    DA_MODE_READ_WRITE = 3
} da_mode;

/** A piece of data as a running task sees it. Element (i, j) is at data + (i*strides[0] + j*strides[1]) elements. */
typedef struct da_buffer {
    void *data;     /**< in device memory for a CUDA implementation; the cl_mem for an OpenCL one */
    da_dtype dtype; /**< 0 for the user's own memory */
    int ndim;
    const int64_t *shape;   /**< ndim extents; {bytes} for the user's own memory */
    const int64_t *strides; /**< ndim strides, in elements; a device's copy has its own */
    int64_t
        offset; /**< OpenCL: elements (bytes of memory) from the cl_mem's beginning to element (0, 0); else 0 */
} da_buffer;

/** A by-value argument as a running task sees it. */
typedef struct da_value {
    const void *data;
    size_t size;
} da_value;

/** What a running task is given. Valid until the function returns. */
typedef struct da_call {
    int nbuffers;
    int nvalues;
    const da_buffer *buffers; /**< the accesses and the result, in the order they were spawned with */
    const da_value *values;   /**< the by-value arguments, in the order they were spawned with */
    int64_t *
        info; /**< LAPACK's info, 0 at entry; > 0 is a numerical fault. CUDA: an address that the device can write, too */
    void *task_;
    void *
        queue; /**< CUDA: the cudaStream_t, OpenCL: the cl_command_queue, to enqueue work on; null on the CPU */
} da_call;

/**
 * The code of a task: returns DA_OK, or what da_task_fail() returned. It runs on any thread, must not wait (see above), and
 * must touch nothing that its accesses do not name.
 */
typedef da_status (*da_kernel)(const da_call *call);

/** Most by-value arguments of a codelet. */
#define DA_MAX_VALUES 8

/**
 * A kind of task: a name (the symbol of its performance model) and an implementation per device. Make it static const with
 * designated initialisers; members left out are zero, which always means "unspecified".
 */
typedef struct da_codelet {
    const char *name; /**< needed; also names the performance model */
    da_kernel cpu;    /**< needed */
    /** Number of buffers; 0: any. Checked at spawn. */
    int nbuffers;
    /** Modes that the buffers must be spawned with, where not 0. Checked at spawn. */
    unsigned char modes[8];
    /** Number of by-value arguments; 0: any. Checked at spawn. */
    int nvalues;
    /** sizeof of each by-value argument, where not 0. Checked at spawn. */
    size_t value_sizes[DA_MAX_VALUES];
    /** Floating point operations of one task, or null if unknown: for models and inlining. */
    double (*flops)(const da_call *call);
    unsigned flags; /**< DA_CODELET_* */
    /** Implementations for accelerators, or null. They enqueue work on call->queue and return without waiting for it; the runtime
     *  does. Only a task whose operands are a tile, a whole memory range or a result each runs there. */
    da_kernel cuda, opencl;
} da_codelet;

enum {
    /** Writes LAPACK's info to call->info: a value > 0 is a numerical fault of what it writes. */
    DA_CODELET_FAULTS = 1
};

/** A tile as an argument of da_spawn(); made by DA_BLOCK(). */
typedef struct da_block {
    const da_array *array_;
    int n_;
    int64_t at_[DA_MAX_NDIM];
} da_block;

/** One argument of da_spawn(); made by DA_READ() and its kin. */
typedef struct da_arg {
    int kind_; /**< 1 array, 2 tile, 3 task's result, 4 memory, 5 value, 6 own result */
    int mode_;
    void *p_;
    size_t size_;
    da_block block_;
} da_arg;

/**
 * Spawn a task.
 * @param task receives a handle to wait for it or to pass its result on; may be null.
 * @param args accesses and values in the order in which the codelet sees them (buffers and values are numbered apart).
 * @return DA_ERROR_ARGUMENT if number, modes or sizes are not what the codelet declares; DA_ERROR_INDEX for a tile
 *         outside the grid; DA_ERROR_STALE, DA_ERROR_MEMORY, ... On an error nothing was spawned.
 */
DA_NODISCARD da_status da_spawn(da_task **task, const da_codelet *codelet, int n, const da_arg *args);

/**
 * Fail from inside a task: `return da_task_fail(call, "no root in [%g, %g]", a, b);`. Everything that depends on what
 * this task writes fails with the same sentence without running; other tasks go on.
 */
DA_API da_status da_task_fail(const da_call *call, const char *format, ...) DA_PRINTF_(2, 3);

/** Wait for a task; DA_ERROR_TASK if it failed, DA_ERROR_NUMERICAL if its codelet reported a fault. */
DA_NODISCARD da_status da_task_wait(const da_task *task);
/** True if the task is done; never waits. */
DA_API bool da_task_done(const da_task *task);
/** Wait for a task and copy its result of exactly `size` bytes (DA_ERROR_ARGUMENT otherwise, or if it has none). */
DA_NODISCARD da_status da_task_fetch(const da_task *task, void *result, size_t size);
/** Release a handle and set it to null; never waits, the task still runs. */
DA_API void da_task_release(da_task **task);

/** Wait until no task uses the user's own memory at `p` any more. Reports the fault of a task that failed to write it. */
DA_NODISCARD da_status da_wait_memory(const void *p);

/* ---- the library's tile kernels, to be spawned by users as well ----
 * Buffers are column-major matrices of one dtype (f32, f64, c64, c128; gemm also integers and bool): tiles of matrices, whole
 * matrices, not transposed views. A vector is one column. With more than two axes they are batches, and the kernel runs on each
 * matrix. Sizes that do not fit, other strides and other dtypes fail the task (DA_ERROR_TASK). Values are the structs below, whose
 * members at 0 mean the usual case: as it is, lower, from the left, with its diagonal. */

/** c = alpha op(a) op(b) + beta c. With beta 0 the values of c are not used. */
typedef struct da_gemm_args {
    unsigned transa, transb; /**< 0, DA_TRANSPOSE or DA_CONJ_TRANSPOSE */
    da_c128 alpha, beta;     /**< with real dtypes the imaginary parts are ignored */
} da_gemm_args;

/** One triangle of c = alpha a a^H + beta c, or with `trans` of alpha a^H a + beta c (BLAS's syrk for real, herk for complex dtypes). */
typedef struct da_syrk_args {
    unsigned uplo;  /**< the triangle of c: DA_LOWER or DA_UPPER */
    unsigned trans; /**< 0 or DA_CONJ_TRANSPOSE */
    double alpha, beta;
} da_syrk_args;

/** b becomes the x of op(t) x = alpha b, or with DA_RIGHT of x op(t) = alpha b, for a triangular t. Zeros on t's diagonal give
 *  infinities, no fault. */
typedef struct da_trsm_args {
    unsigned flags; /**< DA_LOWER or DA_UPPER; DA_RIGHT, DA_UNIT, DA_TRANSPOSE, DA_CONJ_TRANSPOSE */
    unsigned pad;
    da_c128 alpha;
} da_trsm_args;

/** The lower triangle of a becomes L with a = L L^H, or the upper one U with a = U^H U; the other is not touched. */
typedef struct da_potrf_args {
    unsigned uplo; /**< DA_LOWER or DA_UPPER */
    unsigned pad;
    int64_t offset; /**< row of the tile's first element in the whole matrix, for the fault's sentence */
    int64_t n;      /**< order of the whole matrix, or 0 */
} da_potrf_args;

extern DA_API const da_codelet da_codelet_gemm;  /**< READ a, READ b, READ_WRITE c; da_gemm_args */
extern DA_API const da_codelet da_codelet_syrk;  /**< READ a, READ_WRITE c; da_syrk_args */
extern DA_API const da_codelet da_codelet_trsm;  /**< READ t, READ_WRITE b; da_trsm_args */
extern DA_API const da_codelet da_codelet_potrf; /**< READ_WRITE a; da_potrf_args; a leading minor that is not
                                                      positive definite is a fault of a: offset + its order */

#ifdef __cplusplus
}
#include <cstring>
template <class... I> static inline da_block da_block_of_(const da_array *a, I... i)
{
    return da_block{a, int(sizeof...(i)), {int64_t(i)...}};
}
static inline da_arg da_arg_(int mode, da_block b)
{
    return da_arg{2, mode, nullptr, 0, b};
}
static inline da_arg da_arg_(int mode, const da_array *a)
{
    return da_arg{1, mode, const_cast<da_array *>(a), 0, {}};
}
static inline da_arg da_arg_(int mode, const da_task *t)
{
    return da_arg{3, mode, const_cast<da_task *>(t), 0, {}};
}
template <class... V>
[[nodiscard]] static inline da_status da_spawn_(da_task **task, const da_codelet *codelet, const V &...v)
{
    const da_arg list[] = {v...};
    return da_spawn(task, codelet, int(sizeof...(v)), list);
}
#define DA_BLOCK(a, ...) da_block_of_((a), __VA_ARGS__)
#define DA_ACCESS_(mode, x) da_arg_((mode), (x))
#define DA_ARG_(kind, mode, p, size)                                                                         \
    (da_arg{(kind), (mode), const_cast<void *>(static_cast<const void *>(p)), (size), {}})
#define DA_SPAWN(task, codelet, ...) da_spawn_((task), (codelet), __VA_ARGS__)
#else
static inline da_arg da_arg_block_(int mode, da_block b)
{
    const da_arg r = {2, mode, NULL, 0, b};
    return r;
}
static inline da_arg da_arg_array_(int mode, const da_array *a)
{
    const da_arg r = {1, mode, (void *)(uintptr_t)a, 0, {NULL, 0, {0}}};
    return r;
}
static inline da_arg da_arg_task_(int mode, const da_task *t)
{
    const da_arg r = {3, mode, (void *)(uintptr_t)t, 0, {NULL, 0, {0}}};
    return r;
}
/** Tile (i, j, ...) of an array's tile grid. */
#define DA_BLOCK(a, ...) ((da_block){(a), DA_COUNT_(int64_t, __VA_ARGS__), {__VA_ARGS__}})
#define DA_ACCESS_(mode, x)                                                                                  \
    _Generic((x), da_block                                                                                   \
             : da_arg_block_, da_array *                                                                     \
             : da_arg_array_, const da_array *                                                               \
             : da_arg_array_, da_task *                                                                      \
             : da_arg_task_, const da_task *                                                                 \
             : da_arg_task_)((mode), (x))
#define DA_ARG_(kind, mode, p, size)                                                                         \
    ((da_arg){(kind), (mode), (void *)(uintptr_t)(p), (size), {NULL, 0, {0}}})
/** Spawn with the arguments written out: DA_SPAWN(NULL, &codelet, DA_READ(a), DA_WRITE(b), DA_VALUE(x)). */
#define DA_SPAWN(task, codelet, ...)                                                                         \
    da_spawn((task), (codelet), DA_COUNT_(da_arg, __VA_ARGS__), (const da_arg[]){__VA_ARGS__})
#endif

/** Access a tile (DA_BLOCK), an array or view, or (read only) another task's result. */
#define DA_READ(x) DA_ACCESS_(DA_MODE_READ, x)
#define DA_WRITE(x) DA_ACCESS_(DA_MODE_WRITE, x)
#define DA_READ_WRITE(x) DA_ACCESS_(DA_MODE_READ_WRITE, x)
/** Access `size` bytes of the user's own memory at `p`; tasks are ordered by the address `p`. */
#define DA_READ_MEMORY(p, size) DA_ARG_(4, DA_MODE_READ, (p), (size))
#define DA_WRITE_MEMORY(p, size) DA_ARG_(4, DA_MODE_WRITE, (p), (size))
#define DA_READ_WRITE_MEMORY(p, size) DA_ARG_(4, DA_MODE_READ_WRITE, (p), (size))
/** Pass the variable `v` by value: copied when the task is spawned. */
#define DA_VALUE(v) DA_ARG_(5, 0, &(v), sizeof(v))
/** The task returns a value of this type: a buffer to write, read by da_task_fetch() and by DA_READ(task). */
#define DA_RESULT(type) DA_ARG_(6, DA_MODE_WRITE, NULL, sizeof(type))

#endif
