/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tile sizes by the machine's performance models. Each algorithm has a rule for the extents of its tiles; where the models know its kernels,
 * it is rehearsed (runtime/rehearse.h) with that tiling and others, and the one with the shortest predicted time is used. That is done once for each
 * operation, dtype, size and number of workers in a process, so equal calls give equal results; never with DARRAY_REPRODUCIBLE, forced
 * tiles, batches, or small matrices.
 */
#ifndef DARRAY_SRC_TILES_H
#define DARRAY_SRC_TILES_H

#include "linalg/linalg.h"
#include "runtime/replay.h"

/* An operation whose tiles can be chosen so: on an m x n matrix, or on m x k and k x n. In place it is how many tiles a task takes. */
typedef struct tile_operation {
    const char *name;
    int ninputs;
    bool square, definite; /* the first input must be */
    int multiple;          /* 1: the height of a tile is a multiple of its width; 0: it may be any */
    bool rows, columns;    /* of tasks in place: whole tiles of a new m x n array, one or several */
    da_status (*run)(da_array *const *inputs); /* makes the results and releases them, without waiting */
} tile_operation;

typedef struct tile_size {
    int64_t m, n, k; /* k: 0 where there is none */
} tile_size;

extern const tile_operation tile_cholesky, tile_lu, tile_matmul, tile_qr, tile_solve_triangular, tile_symm,
    tile_syr2k, tile_syrk, tile_trmm, tile_trsm;
/* All of them, and a null pointer. */
extern const tile_operation *const tile_operations[];

/* What the algorithms call: *mb and *nb are what the rule says, and become what is best. `flops`: of the whole operation. */
void tile_rated(const tile_operation *operation, da_dtype dtype, tile_size size, double flops, int64_t *mb,
                int64_t *nb);

/* The same in place, on all of c, or a part of it; the rule's unless c is a whole matrix with the tiles of a new one, as what is rehearsed is. */
void tile_rated_in_place(const tile_operation *operation, const da_array *c, int64_t k, double flops,
                         int64_t *mb, int64_t *nb);

/* ---- for the tool and tests ---- */

typedef struct tile_rating {
    int64_t mb, nb;
    double known,
        seen; /* shares of the kernels' time: of kernels that were measured, and with operands of these sizes */
    replay_result predicted;
} tile_rating;
enum { TILE_RATINGS = 24 };

/* The candidates in the order in which they were rated, the rule's first, at most TILE_RATINGS; their number in *n, and the index of the one that calls
 * use in *best. Only one, with mb 0, where tiles are forced. DA_ERROR_MEMORY, and what the operation itself has. */
da_status tile_ratings(const tile_operation *operation, da_dtype dtype, tile_size size, tile_rating *out,
                       int *n, int *best);

/* Whether calls of what this thread's last tile_ratings() was about ask the models at all, whatever those know. */
bool tile_is_asked(void);

/* From here on this thread's calls of the operation use these tiles, whatever the models say; 0, 0: as usual again. */
void tile_try(const tile_operation *operation, int64_t mb, int64_t nb);

#endif
