/* SPDX-License-Identifier: BSD-3-Clause */
/* Codelets that only this room spawns: WRITE out; the kernel's args. */
#ifndef DARRAY_SRC_ARRAY_CODELETS_H
#define DARRAY_SRC_ARRAY_CODELETS_H

#include <darray/task.h>

/* WRITE dst, READ src; kernel_reshape_args */
extern const da_codelet array_codelet_reshape;
extern const da_codelet array_codelet_arange, array_codelet_linspace, array_codelet_eye, array_codelet_random;

/* A new array whose elements a codelet writes (its one operand) from args of `size` bytes, which place() (may be null) tells where the
 * piece begins (create.c). */
da_status array_generate(da_array **out, da_dtype dtype, const da_shape *shape, const da_codelet *codelet,
                         void *args, size_t size, void (*place)(void *args, const int64_t *start));

#endif
