/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * StarPU's view of a datum: a strided piece with any number of dimensions. StarPU 1.3 has no such interface, and those of 1.4 hold
 * 32-bit extents. In host memory the piece lies where the owner says; a copy on another node is packed, its axes in the order of the
 * host's strides, so that a column-major tile stays one.
 */
#ifndef DARRAY_SRC_STARPU_INTERFACE_H
#define DARRAY_SRC_STARPU_INTERFACE_H

#include "runtime/backend.h"
#include <starpu.h>

/* What StarPU keeps per memory node, and what a device's kernel is given. */
typedef struct spu_piece {
    enum starpu_data_interface_id id;
    int ndim;
    uintptr_t ptr;        /* of the first element, where a pointer will do; else 0 */
    uintptr_t dev_handle; /* what the node's driver calls the memory (OpenCL: a cl_mem) */
    size_t offset;        /* of the first element in dev_handle, in bytes */
    size_t block_bytes;   /* at home, where dev_handle is a block of the library's own: its size; else 0 */
    size_t element_size;
    starpu_data_handle_t kept; /* at home, while no datum has the handle: the next such */
    int64_t extents[];         /* ndim extents, then ndim strides of this node's copy, in elements */
} spu_piece;

static inline const int64_t *spu_piece_shape(const spu_piece *p)
{
    return p->extents;
}
static inline const int64_t *spu_piece_strides(const spu_piece *p)
{
    return p->extents + p->ndim;
}

/* A handle for the piece with the host's memory as its home. */
void spu_piece_register(starpu_data_handle_t *h, const rt_piece *piece);

/* A datum goes whose tasks are all done. Without sequential consistency unregistering waits for nothing but requests in flight; where the only copy
 * is at home there are none, and this is safe within a callback. */
void spu_piece_unregister(starpu_data_handle_t h);

/* A datum goes whose tasks are all done and of which no device ever had a copy: kept for another one of the same layout. */
void spu_piece_done(starpu_data_handle_t h);

/* Unregisters all that are kept; before StarPU stops, and when memory is to be given back. */
void spu_pieces_drop(void);

/* Bytes of a packed copy; false if they do not fit a size_t. */
bool spu_piece_size(const spu_piece *p, size_t *bytes);

#endif
