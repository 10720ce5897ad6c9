/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file spmd.h
 * SPMD regions: one function run by n ranks at once, each a thread with rank-local arrays, and collectives
 * among them. Every rank must call the same collectives in the same order.
 *
 * A rank that returns an error (or whose arguments to a collective do not fit the others') frees the others:
 * their collectives return DA_ERROR_CANCELLED at once.
 */
#ifndef DARRAY_SPMD_H
#define DARRAY_SPMD_H

#include <darray/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A rank's place in its region; valid until the rank's function returns. */
typedef struct da_rank da_rank;

/** What each rank runs. `result` receives the array that the rank hands back (may stay null); it becomes the caller's. */
typedef da_status (*da_spmd_fn)(da_rank *rank, void *ctx, da_array **result);

/** Reduction operators. */
typedef enum da_op { DA_OP_SUM = 1, DA_OP_PROD, DA_OP_MIN, DA_OP_MAX } da_op;

/**
 * Run `fn` on `n` ranks and wait for all.
 * @param results n handles (or null): each rank's array, null for ranks that returned none; on an error all are null.
 * @return the status and sentence of the lowest rank that failed by itself; DA_ERROR_CANCELLED if none did
 *         but one returned before a collective that others called; DA_ERROR_ARGUMENT for n < 1 or
 *         n > 65536; DA_ERROR_MEMORY if the system gives no more threads (then no rank runs); DA_ERROR_STATE inside a task.
 */
DA_NODISCARD da_status da_spmd(int n, da_spmd_fn fn, void *ctx, da_array **results);

DA_API int da_rank_id(const da_rank *rank);
DA_API int da_rank_count(const da_rank *rank);

/** Wait for all ranks. */
DA_NODISCARD da_status da_barrier(da_rank *rank);
/** Combine `count` elements elementwise over all ranks, in rank order (the result is the same bits on every rank).
 *  `in` and `out` may be the same. DA_ERROR_DTYPE for min/max of complex. */
DA_NODISCARD da_status da_allreduce(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype,
                                    da_op op);
/** The same, with the result on `root` only; `out` is not touched elsewhere (may be null). */
DA_NODISCARD da_status da_reduce(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype,
                                 da_op op, int root);
/** Copy root's buffer to all ranks. */
DA_NODISCARD da_status da_broadcast(da_rank *rank, void *data, int64_t count, da_dtype dtype, int root);
/** Concatenate `count` elements from each rank on `root` (n * count elements), in rank order. */
DA_NODISCARD da_status da_gather(da_rank *rank, void *out, const void *in, int64_t count, da_dtype dtype,
                                 int root);

/** Combine one double over all ranks. */
DA_NODISCARD da_status da_allreduce_f64(da_rank *rank, double *value, da_op op);
/** Elementwise combination of every rank's array (same shape and dtype): a new array on every rank. Asynchronous as
 *  every array operation. */
DA_NODISCARD da_status da_allreduce_array(da_rank *rank, da_array **out, const da_array *a, da_op op);
/** The same on `root` only; *out is set to null elsewhere. */
DA_NODISCARD da_status da_reduce_array(da_rank *rank, da_array **out, const da_array *a, da_op op, int root);
/** A copy of root's array on every rank (`a` is only looked at on root). */
DA_NODISCARD da_status da_broadcast_array(da_rank *rank, da_array **out, const da_array *a, int root);
/** Every rank's array stacked along a new first axis, on `root`; *out is set to null elsewhere. */
DA_NODISCARD da_status da_gather_array(da_rank *rank, da_array **out, const da_array *a, int root);

#ifdef __cplusplus
}
#endif
#endif
