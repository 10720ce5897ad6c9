/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the CUDA module: what a thread has on a device, operands, and launching.
 *
 * A thread that runs kernels has for each stream it is given (StarPU's workers: one) handles of cuBLAS and cuSOLVER bound to it
 * and scratch memory. Whatever uses the scratch is enqueued on that one stream, so what the next kernel writes there comes after
 * what the last one reads. Nothing here waits for the device but geev, half of which cuSOLVER does on the host.
 */
#ifndef DA_CODELETS_CUDA_H
#define DA_CODELETS_CUDA_H

#include "device/device.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>
#include <stdatomic.h>
#include <stddef.h>

/* Xgeev came with CUDA 12.6.2. */
#define CUDA_HAS_GEEV (CUSOLVER_VERSION >= 11701)

/* ---- a thread's things on a stream ---- */

typedef struct cuda_lane {
    struct cuda_lane *next;
    int device;
    cudaStream_t stream;
    cublasHandle_t blas;
    cusolverDnHandle_t solver; /* null until wanted; so is the next */
    cusolverDnParams_t params;
    char *scratch;
    size_t scratch_bytes;
    bool scratch_is_plain; /* from cudaMalloc */
} cuda_lane;

/* The lane of the call's queue on the thread's current device. */
da_status cuda_lane_of(cuda_lane **lane, const da_call *call);

/* Makes sure of lane->solver. */
da_status cuda_solver(cuda_lane *lane, const da_call *call);

/* Makes sure of lane->params. */
da_status cuda_params(cuda_lane *lane, const da_call *call);

/* At least `bytes` of device memory for what this call enqueues; lost at the next request. A piece is carved off by cuda_carve(). Where
 * there is not so much, cuda_outcome says that it is short. */
da_status cuda_scratch(char **memory, cuda_lane *lane, const da_call *call, size_t bytes);

/* da_device_ops's leave: gives back this thread's scratch where that is much. */
da_status cuda_leave(const da_call *call);

/* Rounds up to what pieces of scratch are aligned to. */
static inline size_t cuda_aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* The next `bytes` of scratch. */
static inline void *cuda_carve(char **memory, size_t bytes)
{
    void *const p = *memory;

    *memory += cuda_aligned(bytes);
    return p;
}

/* ---- failures ---- */

/* They also say in cuda_outcome whether memory was short or the device is none for what was called. */
da_status cuda_fail(const da_call *call, const char *what, cudaError_t error);
da_status cuda_fail_blas(const da_call *call, const char *what, cublasStatus_t status);
da_status cuda_fail_solver(const da_call *call, const char *what, cusolverStatus_t status);

static inline bool cuda_blas_refuses(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_ARCH_MISMATCH || status == CUBLAS_STATUS_NOT_SUPPORTED;
}

static inline bool cuda_solver_refuses(cusolverStatus_t status)
{
    return status == CUSOLVER_STATUS_ARCH_MISMATCH || status == CUSOLVER_STATUS_NOT_SUPPORTED;
}

/* What enqueues work counts as launched (da_device_ops.outcome); CUDA_ASK is for what does not. */
extern _Thread_local unsigned cuda_outcome;
#define CUDA_ASK(call, f, ...)                                                                               \
    do {                                                                                                     \
        const cudaError_t e_ = f(__VA_ARGS__);                                                               \
        if (e_ != cudaSuccess)                                                                               \
            return cuda_fail(call, #f, e_);                                                                  \
    } while (0)
#define CUDA_TRY(call, f, ...)                                                                               \
    do {                                                                                                     \
        cuda_outcome |= DA_LAUNCHED;                                                                         \
        CUDA_ASK(call, f, __VA_ARGS__);                                                                      \
    } while (0)
/* `name` is cuBLAS's or cuSOLVER's function as it is to be named, f what is called. What they cannot do on a device they say before they enqueue
 * anything. */
#define BLAS_TRY(call, name, f, ...)                                                                         \
    do {                                                                                                     \
        const cublasStatus_t e_ = f(__VA_ARGS__);                                                            \
        cuda_outcome |= cuda_blas_refuses(e_) ? 0 : DA_LAUNCHED;                                             \
        if (e_ != CUBLAS_STATUS_SUCCESS)                                                                     \
            return cuda_fail_blas(call, name, e_);                                                           \
    } while (0)
/* Nothing has been enqueued, so the CPU may do it: where workspace cannot be counted cuSOLVER says that a value is invalid. */
#define SOLVER_ASK(call, name, f, ...)                                                                       \
    do {                                                                                                     \
        const cusolverStatus_t e_ = f(__VA_ARGS__);                                                          \
        if (e_ != CUSOLVER_STATUS_SUCCESS) {                                                                 \
            cuda_outcome |= cuda_solver_refuses(e_) ? 0 : DA_SHORT;                                          \
            return cuda_fail_solver(call, name, e_);                                                         \
        }                                                                                                    \
    } while (0)
#define SOLVER_TRY(call, name, f, ...)                                                                       \
    do {                                                                                                     \
        const cusolverStatus_t e_ = f(__VA_ARGS__);                                                          \
        cuda_outcome |= cuda_solver_refuses(e_) ? 0 : DA_LAUNCHED;                                           \
        if (e_ != CUSOLVER_STATUS_SUCCESS)                                                                   \
            return cuda_fail_solver(call, name, e_);                                                         \
    } while (0)

/* ---- operands ---- */

/* A column-major matrix in device memory. */
typedef struct cuda_matrix {
    void *data;
    int m, n, ld;
} cuda_matrix;

/* Buffer `index`, whose strides cuda_takes() has looked at, as a matrix; a vector is one column. */
cuda_matrix cuda_matrix_of(const da_call *call, int index);

/* Which dtype beside the common one. */
typedef enum cuda_kin { CUDA_SAME, CUDA_REAL, CUDA_COMPLEX } cuda_kin;

/*
 * Whether buffers 0 .. n-1 are what a kernel here can use: axes[i] is 2 for a matrix (column-major, of the common dtype f32, f64, c64 or
 * c128, or as kin[i] says of that dtype's real or complex one) and 1 for pivots, or as kin[i] says for contiguous elements of the real or complex
 * dtype; leading axes are a batch in which those that are written (written[i]) have every matrix; all fits int.
 */
bool cuda_takes(const da_call *call, int n, const unsigned char *axes, const unsigned char *written,
                const cuda_kin *kin);

/* Runs a kernel on each matrix of a batch; axes as above. */
da_status cuda_each(const da_call *call, const unsigned char *axes, da_kernel run);

/* ---- launching ---- */

/* da_device_ops's launch and compile; has. */
da_status cuda_launch(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                      int nargs, const da_device_arg *args);
/* Makes sure of a program that cuda_launch() will want, so that one that cannot be had fails with nothing launched. */
da_status cuda_prepare(const da_call *call, const char *source);
/* Of the architectures that NVRTC compiles for (90 is compute capability 9.0) the newest that a device of this capability runs, 0 if none, and
 * the least of all; false if it does not say. */
bool cuda_architectures(int capability, int *best, int *least);
cudaError_t cuda_capability(int device, int *capability);

/* Programs that NVRTC has compiled. */
extern _Atomic(int64_t) cuda_compiled;
da_status cuda_compile(const char *source, char *log, size_t log_size);

/* A device address as a kernel's BUFFER. */
#define CUDA_ADDRESS(p) ((da_device_arg){.buffer = &(da_buffer){.data = (void *)(uintptr_t)(p)}})
#define CUDA_VALUE(v) ((da_device_arg){.value = &(v), .size = sizeof(v)})

/* ---- our own kernels: small.c ---- */

/* Makes sure of the programs of kernels below; before anything is enqueued that writes to an operand that is read too. */
enum {
    CUDA_CHECK = 1,         /* cuda_check_diagonal() */
    CUDA_TRIANGLE = 2,      /* cuda_copy_triangle() */
    CUDA_FACTOR = 4,        /* cuda_reflector_factor() */
    CUDA_PIVOTS = 8,        /* cuda_pivots() */
    CUDA_BLOCK_PIVOTS = 16, /* cuda_block_pivots() */
    CUDA_NAN = 32,          /* cuda_spread_nan() */
    CUDA_BAD = 64,          /* cuda_find_bad(), cuda_clean() */
    CUDA_FAULT = 128,       /* cuda_spectral_fault() */
    CUDA_RANGE = 256,       /* cuda_bring_in_range(), cuda_mirror() */
    CUDA_COLUMN = 512,      /* cuda_gather(), cuda_scale_by(), cuda_conj_row() */
    CUDA_REFLECTOR = 1024,  /* cuda_finish_w(), cuda_reflect() */
    CUDA_DENSE = 2048,      /* cuda_dense(), cuda_place(), cuda_state_fault() */
    CUDA_PAIRS = 4096       /* cuda_pairs(), of the real dtype */
};
da_status cuda_ready(const da_call *call, da_dtype dtype, unsigned programs);

/* Merges a fault into *call->info, on the device: where `found`, a cuSOLVER devInfo or null, is > 0, or where the test fails for a
 * diagonal element of a, the lowest index (from 1) + offset. */
typedef enum cuda_diagonal_test {
    CUDA_NOT_ZERO,
    CUDA_POSITIVE /* the real part */
} cuda_diagonal_test;
da_status cuda_check_diagonal(const da_call *call, da_dtype dtype, const cuda_matrix *a, const int *found,
                              int64_t offset, cuda_diagonal_test test);

/* dst = src, of which only rows from the diagonal on count: with lower (row >= column, the diagonal itself is 1) or without
 * (row <= column); the rest becomes 0. */
da_status cuda_copy_triangle(const da_call *call, da_dtype dtype, const cuda_matrix *dst,
                             const cuda_matrix *src, bool lower_unit);

/* The diagonal blocks of t, k x k, of as many columns, become the upper triangular factors of their reflectors' I - v t v^H, from
 * gram = v^H v and the k reflectors' tau; 0 below. What is right of the blocks stays. */
enum { CUDA_FACTOR_BLOCK = 64 };
da_status cuda_reflector_factor(const da_call *call, da_dtype dtype, const cuda_matrix *t, const void *gram,
                                const void *tau);

/* pivots[i * step] = offset + rows[i] - 1, or offset + i where that is none of the rows from i to m */
da_status cuda_pivots(const da_call *call, int64_t *pivots, int64_t step, int64_t offset, const int *rows,
                      int n, int m);

/* pivots[i * step] = sytrf's, of n rows: rows[i] - 1, or of a block of 2 x 2 the two negative numbers as they are; i where rows has neither */
da_status cuda_block_pivots(const da_call *call, int64_t *pivots, int64_t step, const int *rows, int n,
                            bool upper);

/* What to do with each of n rows, in the order of LAPACK's factorization: steps[i] is the row to exchange row i with, steps[n + i] is 0 for a block
 * of 1 x 1, 1 for the first row of one of 2 x 2, 2 for the second. A block of 1 x 1 that is zero is merged into *call->info. */
da_status cuda_ldl_steps(const da_call *call, da_dtype dtype, const int *steps, const int64_t *pivots,
                         int64_t step, const cuda_matrix *a, bool upper);

/* The triangle of l beside its diagonal becomes that of the factors a, without D, its rows exchanged. */
da_status cuda_ldl_unpack(const da_call *call, da_dtype dtype, const cuda_matrix *l, const cuda_matrix *a,
                          const int *steps, bool upper);

/* b's rows are exchanged, from the first step on or from the last row's. */
da_status cuda_ldl_exchange(const da_call *call, da_dtype dtype, const cuda_matrix *b, const int *steps,
                            bool from_last);

/* b = D^-1 b */
da_status cuda_ldl_divide(const da_call *call, da_dtype dtype, const cuda_matrix *b, const cuda_matrix *a,
                          const int *steps, bool upper, bool hermitian);

/* From the first column with a NaN on everything from the diagonal down and to the right becomes NaN; found has a->n + 1 zeros. */
da_status cuda_spread_nan(const da_call *call, da_dtype dtype, const cuda_matrix *a, const int *found);

/* Steps of the estimate of an inverse's 1-norm (rcond.inc), each of what x has become; `state` is CUDA_ESTIMATE_BYTES. */
enum { CUDA_ESTIMATE_BYTES = 64 };
typedef enum cuda_step {
    CUDA_BEGIN,   /* x of equal elements; a zero on the diagonal of `factor` decides everything */
    CUDA_MEASURE, /* the estimate is x's size, and unless it is the last one x becomes its signs */
    CUDA_PLACE, /* x becomes the column of the identity where it is the largest, unless that was the last one */
    CUDA_ALTERNATE, /* x of elements of both signs */
    CUDA_END        /* whose size may be more */
} cuda_step;
da_status cuda_estimate(const da_call *call, da_dtype dtype, cuda_step step, const cuda_matrix *factor,
                        const void *x, const void *signs, const void *state);

/* *out becomes 1 / (the estimate times the largest of `norms`); 0 where found[n] says that there is no such factor, or what is infinite; NaN
 * from a norm stays. */
da_status cuda_reciprocal(const da_call *call, da_dtype dtype, const cuda_matrix *norms, const int *found,
                          int n, const void *state, const void *out);

/* The part of cuda_clean() that finds, and makes the diagonal real. */
da_status cuda_find_bad(const da_call *call, da_dtype dtype, const cuda_matrix *a, unsigned uplo, bool by_row,
                        const int *found);

/* found[j], for j < a->n, and found[a->n], all 0, become 1 if column j (with by_row: row j, and a->m in place of a->n) or any of them has a NaN
 * or an infinity in the triangle `uplo` (0: in all of it); then all of a becomes 0, which every routine comes to an end with. With a
 * triangle the diagonal's imaginary parts become 0. */
da_status cuda_clean(const da_call *call, da_dtype dtype, const cuda_matrix *a, unsigned uplo, bool by_row,
                     const int *found);

/* Merges of divide and conquer, whose plan kernels.h has; all is of the real dtype. */

/* Column j of `vectors` becomes the vector that is the result's column `column` + j, in terms of the packed Q. Eigenvectors have no use for
 * the roots themselves. */
typedef enum cuda_vectors { CUDA_EIGEN, CUDA_LEFT, CUDA_RIGHT } cuda_vectors;
da_status cuda_merge_vectors(const da_call *call, da_dtype dtype, cuda_vectors kind,
                             const cuda_matrix *vectors, const cuda_matrix *plan, int64_t column,
                             const cuda_matrix *shifts, const void *roots);

/* packed = q's columns in the plan's order, from the packed Q's number `column` on. */
da_status cuda_merge_pack(const da_call *call, da_dtype dtype, const cuda_matrix *packed,
                          const cuda_matrix *plan, int64_t column, const cuda_matrix *q);

/* The plan's z and places, and the values in their order: eigenvalues ascending, or singular values descending. */
da_status cuda_merge_order(const da_call *call, da_dtype dtype, bool singular, const cuda_matrix *plan,
                           const cuda_matrix *parts, const void *roots, const void *values);

/* Makes the plan of two parts, of which the upper one is of order `top` (kernels.h), and of the vectors what it says: of eigenvalues v, of singular values
 * u and v. `reals` and `ints` have room for as many as these give, of n values. */
static inline size_t cuda_deflate_reals(int n)
{
    return 4 * (size_t)n;
}
static inline size_t cuda_deflate_ints(int n)
{
    return 1 + 5 * (size_t)n;
}
da_status cuda_merge_deflate(const da_call *call, da_dtype dtype, const cuda_matrix *plan, int64_t top,
                             const void *values, const void *off, const cuda_matrix *u, const cuda_matrix *v,
                             void *reals, int *ints);

/* The plan's roots from number `column` on, and what they say of z. A root that is not found is NaN and merged into *call->info. */
da_status cuda_secular(const da_call *call, da_dtype dtype, bool singular, const cuda_matrix *plan,
                       int64_t column, const cuda_matrix *shifts, const void *parts, const void *roots);

/* dst = src, which has dst's dtype's parts. */
da_status cuda_widen(const da_call *call, da_dtype dtype, const cuda_matrix *dst, const cuda_matrix *src);

/* v = the complex eigenvectors of a real matrix, of which geev keeps a conjugate pair as its real and its imaginary parts in two columns of
 * `packed`; w has the eigenvalues. */
da_status cuda_pairs(const da_call *call, da_dtype dtype, const cuda_matrix *v, const cuda_matrix *packed,
                     const void *w);

/* ---- tridiagonal and bidiagonal matrices ---- */

/* What is kept of a solver: cuSOLVER's devInfo, and whether it got zeros. */
enum { CUDA_FAILED, CUDA_ZEROS, CUDA_STATE };

/* a = d on its diagonal and below it e from `at` on, the rest zeros; d's ends less what e has beside them (cpu/stedc.inc). All of a is zeros if
 * any of these, or of e's `count` elements, is not finite. The dtype is real. */
da_status cuda_dense(const da_call *call, da_dtype dtype, const cuda_matrix *a, const void *d, const void *e,
                     int count, int64_t at, const int *state);

/* to, of dtype, has `from`, of its parts, or with `turned` its transpose, from row `at` on, and zeros beside it. Without a result it is all NaN. */
da_status cuda_place(const da_call *call, da_dtype dtype, const cuda_matrix *to, int64_t at,
                     const cuda_matrix *from, bool turned, const int *state);

/* Merges into *call->info offset + devInfo if that is > 0, or with zeros_too offset + 1 if the solver got zeros. */
da_status cuda_state_fault(const da_call *call, da_dtype dtype, const int *state, int64_t offset,
                           bool zeros_too);

/* ---- the steps of hetrd and gebrd ---- */

/* All of a, or its lower triangle, times what brings its largest part between `lowest` and 1 / lowest; *told, of the real dtype, becomes that number,
 * or NaN where *bad, and then a stays. `sizes` has room for a->m + 1 reals. */
da_status cuda_bring_in_range(const da_call *call, da_dtype dtype, const cuda_matrix *a, bool lower,
                              double lowest, const int *bad, void *sizes, const void *told);

/* The lower triangle as the upper one of a Hermitian matrix says. */
da_status cuda_mirror(const da_call *call, da_dtype dtype, const cuda_matrix *a);

/* y = the sum of a product's parts, or with `pieces` what each has of it: see cpu/gebrd.inc. */
da_status cuda_gather(const da_call *call, da_dtype dtype, const cuda_matrix *parts, bool pieces,
                      const void *y);

/* x *= *factor, or x /= *factor */
da_status cuda_scale_by(const da_call *call, da_dtype dtype, int n, const void *x, const void *factor,
                        bool divide);

/* y = a row's conjugate */
da_status cuda_conj_row(const da_call *call, da_dtype dtype, const cuda_matrix *row, const void *y);

/* d and e, of n reals each, from what gebrd has on and above the diagonal: divided by the last number above, or as they are with that number at
 * e's end. */
da_status cuda_bidiagonal(const da_call *call, da_dtype dtype, int n, const void *d, const void *e,
                          const void *diagonal, const void *above, bool divide);

/* y = tau y - tau / 2 ((tau y)^H x) x */
da_status cuda_finish_w(const da_call *call, da_dtype dtype, int n, const void *y, const void *x,
                        const void *tau);

/* The reflector that makes zero of x but for its first element, which becomes *beta; v gets it with its one, and may be x. n > 0. */
da_status cuda_reflect(const da_call *call, da_dtype dtype, int n, const void *x, const void *v,
                       const void *tau, const void *beta);

/* d and e: what a has on and below its diagonal, divided by e's last element. */
da_status cuda_tridiagonal(const da_call *call, da_dtype dtype, const cuda_matrix *a, const void *d,
                           const void *e);

/* Merges what cuda_clean() found of n columns into *call->info, on the device, or if that is nothing, n + *failed if that is > 0. */
da_status cuda_spectral_fault(const da_call *call, const int *found, int n, const int *failed);

#endif
