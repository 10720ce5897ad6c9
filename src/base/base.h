/* SPDX-License-Identifier: BSD-3-Clause */
/* What every room of the library stands on: the error sentence, logging, memory, element types, settings. */
#ifndef DARRAY_SRC_BASE_H
#define DARRAY_SRC_BASE_H

#include <darray/base.h>

/* ---- errors (error.c) ---- */

/* Store this thread's sentence and return `status`: `return err_set(DA_ERROR_SHAPE, "...", ...)`. */
da_status err_set(da_status status, const char *format, ...) DA_PRINTF_(2, 3);
/* Forget this thread's sentence. */
void err_clear(void);
/* err_set() for an allocation of `bytes` that failed, `what` saying for what. */
da_status err_memory(size_t bytes, const char *what);
/* Writes "(3, 4)" for a shape; returns buffer. Long enough for any shape: SHAPE_TEXT. */
enum { SHAPE_TEXT = DA_MAX_NDIM * 22 + 4 };
const char *shape_text(const da_shape *shape, char buffer[SHAPE_TEXT]);

/* ---- log (log.c) ---- */

/* Nothing is formatted unless someone listens at this level (1: decisions and fallbacks, 2: every task). */
bool log_enabled(int level);
void log_line(int level, const char *format, ...) DA_PRINTF_(2, 3);

/* ---- memory (memory.c) ----
 * Everything the library takes comes from here, hence from the user's allocator. */

/* Small objects: as malloc, calloc, realloc and free; mem_free(NULL) is fine. Return NULL with no error set. */
void *mem_alloc(size_t bytes);
void *mem_zalloc(size_t bytes);
void *mem_realloc(void *p, size_t bytes);
void mem_free(void *p);

/* Array data: aligned to 64 bytes (large blocks to pages), charged to the budget, recycled through a capped
 * free list. Sets the error: DA_ERROR_MEMORY naming size, use and limit. `bytes` may be 0. */
da_status data_alloc(void **out, size_t bytes);
void data_free(void *p, size_t bytes);
void data_usage(int64_t *live, int64_t *peak, int64_t *cached);
/* The block, from data_alloc() with as many bytes, is copied to or from a device: its pages are locked in memory until it goes back to
 * the system. Nothing happens to small blocks, nor with the user's allocator, nor if it fails. */
void data_pin(void *p, size_t bytes);
/* From here on data_pin() calls lock_pages(), which may fail, and who gives a block back unlock_pages(); until mem_pins_stop(), which
 * unlocks all. */
void mem_pins_start(bool (*lock_pages)(void *block, size_t size), void (*unlock_pages)(void *block));
void mem_pins_stop(void);

/* Rooms that keep memory for reuse register, once, from a constructor, how to give it back: called by da_trim(), da_shutdown() and
 * da_set_allocator(). */
void mem_on_trim(void (*trim)(void));
/* Gives back all that is kept for reuse. */
void mem_trim(void);
/* Set by the runtime: called when the budget is used up; waits for work in flight and returns true if trying again makes sense. */
void mem_on_pressure(bool (*wait)(void));

/* ---- element types (dtype.c) ---- */

bool dtype_valid(da_dtype dtype);
bool dtype_is_float(da_dtype dtype);   /* f16, bf16, f32, f64 */
bool dtype_is_complex(da_dtype dtype); /* c64, c128 */
bool dtype_is_integer(da_dtype dtype); /* without bool */
bool dtype_is_signed(da_dtype dtype);
/* The real type of a complex one; other types as they are. */
da_dtype dtype_real(da_dtype dtype);
/* The complex type of f32 and f64; other types as they are. */
da_dtype dtype_complex(da_dtype dtype);

/* a * b and a + b of sizes; false (and *out untouched) on overflow or a negative operand. */
bool size_mul(int64_t a, int64_t b, int64_t *out);
bool size_add(int64_t a, int64_t b, int64_t *out);

/* ---- settings (config.c): the environment, read once and again after da_shutdown() ---- */

typedef struct config {
    const char *runtime; /* DARRAY_RUNTIME or "" */
    int num_threads;     /* DARRAY_NUM_THREADS, else OMP_NUM_THREADS, else 0 */
    int tile_ndim;       /* DARRAY_TILE: number of extents, 0 if unset */
    int64_t tile[DA_MAX_NDIM];
    int device;             /* DARRAY_DEVICE: a da_place */
    bool reproducible;      /* DARRAY_REPRODUCIBLE */
    bool inline_tasks;      /* DARRAY_INLINE, default true */
    int verbose;            /* DARRAY_VERBOSE */
    int64_t memory_limit;   /* DARRAY_MEMORY_LIMIT or the machine's/cgroup's, in bytes */
    const char *complaints; /* variables that were not understood, and so count as not set; "" */
} config;
const config *config_get(void);
void config_reload(void);
/* Cores' worth of time that this process's cgroup allows, rounded up; 0 without a limit. */
int config_cpu_quota(void);

/* ---- handles ---- */

/* First word of every handle, so that a stale or foreign pointer is recognised and da_release_any_() knows its kind. Handles live
 * in memory that is never unmapped (handle.c), so that reading the word of a released one is safe. */
enum handle_kind {
    HANDLE_FREE = 0x0da0dead,
    HANDLE_ARRAY = 0x0da0a77a,
    HANDLE_TASK = 0x0da07a5c,
    HANDLE_QR = 0x0da00412
};
typedef struct handle {
    uint32_t kind;
    _Atomic(int) refs;
} handle;
/* A zeroed handle of `bytes` bytes in all (at most 1024) with one reference, from per-size free lists; NULL if out of memory. */
void *handle_new(enum handle_kind kind, size_t bytes);
void handle_free(void *h, size_t bytes);
/* Rooms register how a kind is released, once, from a constructor: called by da_release_any_() with the address of the pointer. */
void handle_register(enum handle_kind kind, void (*release)(void *pointer_address));

#endif
