/* SPDX-License-Identifier: BSD-3-Clause */
/* Between memory.c, handle.c and pin.c: the allocator itself. */
#ifndef DARRAY_SRC_MEMORY_H
#define DARRAY_SRC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_take(size_t size, size_t alignment);
void mem_give(void *p, size_t size);
/* False while the user's allocator is in use. */
bool mem_is_default(void);

/* pin.c: lock the pages of a block from the default allocator, unlock them before it goes, whether any block is locked. */
void pin_block(void *block, size_t size);
void pin_drop(void *block);
bool pin_any(void);

/* Live handles. */
int64_t handle_count(void);
/* Cut no more handles from what there is: the allocator changes. There must be no live one. */
void handle_forget_slabs(void);

#endif
