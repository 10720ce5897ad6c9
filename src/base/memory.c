/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory. Small objects are malloc with a header that remembers the size (the user's allocator wants it back). Array data come
 * in size classes (eight a power of two, so at most an eighth is lost), are charged to the budget by what was asked for, and are
 * kept for reuse, because fresh memory costs more than most arithmetic: small blocks in a stack per class, large ones in
 * one list from the latest to the oldest as well, so that the oldest can be dropped first or told to the system as disposable.
 */
#include "base/base.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN 0
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

#define MB ((size_t)1 << 20)
enum {
    PAGE = 4096,
    LINE = 64,
    CLASSES = 16 + 8 * 40,
    MAX_TRIMS = 16,
};
#define LARGE MB            /* kept in the list by age; mapped by themselves */
#define HUGE_FROM (16 * MB) /* huge pages help from here on, and hurt at half of it */
#define HUGE_PAGE (2 * MB)
#define SMALL_KEPT (64 * MB) /* most bytes kept in small blocks */
#define DISPOSABLE_AFTER 2.0 /* seconds in the list until the system may take the pages */

/* ---- the allocator ---- */

/* Bytes behind a block that can be read, though nobody uses them: OpenBLAS 0.3.21's zgemv reads one element too many of a vector with
 * steps, which for a matrix's last row is in the column behind its last one. Addresses cost nothing, memory does: so small
 * blocks have none, but for AddressSanitizer, whose heap has holes. */
static size_t behind(size_t size)
{
    return size >= LARGE ? LARGE : ASAN ? size : 0;
}

static size_t mapped_length(size_t size)
{
    return (size + behind(size) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *default_allocate(void *ctx, size_t size, size_t alignment)
{
    (void)ctx;
    if (size > SIZE_MAX / 8)
        return NULL;
    if (size >= LARGE && !ASAN) {
        const size_t length = mapped_length(size);
        const size_t align = size >= HUGE_FROM ? HUGE_PAGE : alignment < PAGE ? PAGE : alignment;
        const size_t extra = align > PAGE ? align : 0;
        char *p, *aligned;
        p = mmap(NULL, length + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
        if (p == MAP_FAILED)
            return NULL;
        aligned = (char *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
        if (extra) {
            if (aligned > p)
                munmap(p, (size_t)(aligned - p));
            if (aligned + length < p + length + extra)
                munmap(aligned + length, (size_t)(p + length + extra - (aligned + length)));
        }
        if (size >= HUGE_FROM)
            madvise(aligned, length, MADV_HUGEPAGE);
        return aligned;
    }
    if (alignment <= 16)
        return malloc(size);
    return aligned_alloc(alignment, (size + behind(size) + alignment - 1) & ~(alignment - 1));
}

static void default_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    if (size >= LARGE && !ASAN)
        munmap(p, mapped_length(size));
    else
        free(p);
}

static const da_allocator default_allocator = {default_allocate, default_release, NULL};
static da_allocator allocator = {default_allocate, default_release, NULL};
static _Atomic(int64_t) blocks; /* taken from the allocator and not given back */

static void *take(size_t size, size_t alignment)
{
    void *p = allocator.allocate(allocator.ctx, size, alignment);
    if (p)
        atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    return p;
}

static void give(void *p, size_t size)
{
    if (size >= LARGE)
        pin_drop(p);
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    allocator.release(allocator.ctx, p, size);
}

bool mem_is_default(void)
{
    return allocator.allocate == default_allocate;
}

/* Handles' slabs: the default allocator's are kept for good, and do not count. */
void *mem_take(size_t size, size_t alignment)
{
    return mem_is_default() ? aligned_alloc(alignment, size) : take(size, alignment);
}

void mem_give(void *p, size_t size)
{
    give(p, size);
}

/* ---- small objects ---- */

typedef union header {
    size_t size;
    max_align_t align_;
} header;

void *mem_alloc(size_t bytes)
{
    header *h;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    h = take(sizeof *h + bytes, sizeof *h);
    if (!h)
        return NULL;
    h->size = bytes;
    return h + 1;
}

void *mem_zalloc(size_t bytes)
{
    void *p = mem_alloc(bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

void mem_free(void *p)
{
    if (p) {
        header *h = (header *)p - 1;
        give(h, sizeof *h + h->size);
    }
}

void *mem_realloc(void *p, size_t bytes)
{
    void *fresh;
    if (!p)
        return mem_alloc(bytes);
    fresh = mem_alloc(bytes);
    if (fresh) {
        const size_t old = ((header *)p - 1)->size;
        memcpy(fresh, p, old < bytes ? old : bytes);
        mem_free(p);
    }
    return fresh;
}

/* ---- array data ---- */

/* What lies at the beginning of a block that is kept. */
typedef struct kept {
    struct kept *next; /* of this class, latest first */
    /* large blocks */
    struct kept *previous;
    struct kept *older, *newer;
    size_t size;
    double since;
    bool disposable;
} kept;
_Static_assert(sizeof(kept) <= LINE, "the smallest block is one line");

static lock_word guard;
static kept *classes[CLASSES];
static kept *newest, *oldest;
static int64_t live, peak, cached, cached_small;
static bool (*pressure)(void);

/* The class of a size and its blocks' size; false if there is none. */
static bool classify(size_t bytes, int *index, size_t *size)
{
    int power, step;
    if (bytes <= 1024) {
        *index = bytes == 0 ? 0 : (int)((bytes - 1) / LINE);
        *size = ((size_t)*index + 1) * LINE;
        return true;
    }
    power = 63 - __builtin_clzll(bytes - 1); /* 2^power < bytes <= 2^(power+1) */
    if (power >= 49)
        return false;
    step = (int)((bytes - 1) >> (power - 3)) - 8; /* 0 .. 7 */
    *index = 16 + (power - 10) * 8 + step;
    *size = (size_t)(step + 9) << (power - 3);
    return true;
}

/* Take the latest block of a class from the cache. Locked. */
static void *pop(int index, size_t size)
{
    kept *k = classes[index];
    if (!k)
        return NULL;
    classes[index] = k->next;
    cached -= (int64_t)size;
    if (size < LARGE) {
        cached_small -= (int64_t)size;
        return k;
    }
    if (k->next)
        k->next->previous = NULL;
    *(k->newer ? &k->newer->older : &newest) = k->older;
    *(k->older ? &k->older->newer : &oldest) = k->newer;
    return k;
}

/* Take the oldest large block out of the cache, to be given back by the caller. Locked. */
static kept *pop_oldest(void)
{
    kept *k = oldest;
    int index = 0;
    size_t size = 0;
    if (!k)
        return NULL;
    classify(k->size, &index, &size);
    *(k->previous ? &k->previous->next : &classes[index]) = k->next;
    if (k->next)
        k->next->previous = k->previous;
    *(k->newer ? &k->newer->older : &newest) = NULL;
    oldest = k->newer;
    cached -= (int64_t)k->size;
    k->next = NULL;
    return k;
}

/* Tell the system that it may take the pages of blocks that nobody wanted for a while. Locked. */
static void dispose(double time)
{
#ifdef MADV_FREE
    /* of locked pages it may not, and nobody keeps track of which are while the list is locked */
    if (ASAN || !mem_is_default() || pin_any())
        return;
    for (kept *k = oldest; k && time - k->since > DISPOSABLE_AFTER; k = k->newer) {
        if (!k->disposable)
            madvise((char *)k + PAGE, ((k->size + PAGE - 1) & ~(size_t)(PAGE - 1)) - PAGE, MADV_FREE);
        k->disposable = true;
    }
#else
    (void)time;
#endif
}

static void push(void *p, int index, size_t size)
{
    kept *k = p;
    k->next = classes[index];
    classes[index] = k;
    cached += (int64_t)size;
    if (size < LARGE) {
        cached_small += (int64_t)size;
        return;
    }
    k->previous = NULL;
    if (k->next)
        k->next->previous = k;
    k->size = size;
    k->newer = NULL;
    k->older = newest;
    *(newest ? &newest->newer : &oldest) = k;
    newest = k;
    k->disposable = false;
    k->since = clock_seconds(CLOCK_MONOTONIC_COARSE);
    dispose(k->since);
}

static void give_list(kept *list)
{
    while (list) {
        kept *next = list->next;
        const size_t size = list->size;
        ASAN_UNPOISON_MEMORY_REGION(list, size);
        give(list, size);
        list = next;
    }
}

/* Give back everything that is kept. */
static void data_trim(void)
{
    kept *list = NULL, *k;
    lock_acquire(&guard);
    while ((k = pop_oldest())) {
        k->next = list;
        list = k;
    }
    for (int i = 0; i < CLASSES; i++)
        while ((k = classes[i])) {
            const size_t size =
                i < 16 ? (size_t)(i + 1) * LINE : (size_t)((i - 16) % 8 + 9) << ((i - 16) / 8 + 7);
            pop(i, size);
            k->size = size;
            k->next = list;
            list = k;
        }
    lock_release(&guard);
    give_list(list);
}

da_status data_alloc(void **out, size_t bytes)
{
    const int64_t limit = config_get()->memory_limit;
    int index;
    size_t size;
    void *p;
    kept *drop = NULL;

    if (!classify(bytes, &index, &size))
        return err_memory(bytes, "an array");
    for (int attempt = 0;; attempt++) {
        int64_t used;
        lock_acquire(&guard);
        used = live;
        if ((int64_t)bytes <= limit - live) {
            live += (int64_t)bytes;
            if (live > peak)
                peak = live;
            p = pop(index, size);
            /* what is kept for reuse must not take the place of what is needed */
            while (!p && cached + live > limit && oldest) {
                kept *k = pop_oldest();
                k->next = drop;
                drop = k;
            }
            lock_release(&guard);
            break;
        }
        lock_release(&guard);
        if (attempt == 0 && pressure && (int64_t)bytes <= limit && pressure())
            continue;
        return err_set(
            DA_ERROR_MEMORY,
            "out of memory: an array of %zu bytes does not fit, arrays take %lld bytes of the limit of %lld",
            bytes, (long long)used, (long long)limit);
    }
    give_list(drop);
    if (!p) {
        const size_t alignment = size >= HUGE_FROM ? HUGE_PAGE : size >= LARGE ? PAGE : LINE;
        p = take(size, alignment);
        if (!p) {
            mem_trim();
            p = take(size, alignment);
        }
        if (!p) {
            int64_t used;
            lock_acquire(&guard);
            live -= (int64_t)bytes;
            used = live;
            lock_release(&guard);
            return err_set(DA_ERROR_MEMORY,
                           "out of memory: the allocator has no %zu bytes for an array; arrays take %lld "
                           "bytes of the limit of %lld",
                           bytes, (long long)used, (long long)limit);
        }
    }
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    ASAN_POISON_MEMORY_REGION((char *)p + ((bytes + 7) & ~(size_t)7), size - ((bytes + 7) & ~(size_t)7));
    *out = p;
    return DA_OK;
}

void data_free(void *p, size_t bytes)
{
    const int64_t limit = config_get()->memory_limit;
    const int64_t cap = limit / 4;
    int index;
    size_t size;
    kept *drop = NULL;
    bool keep;

    if (!p || !classify(bytes, &index, &size))
        return;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    lock_acquire(&guard);
    live -= (int64_t)bytes;
    keep = (int64_t)size <= cap && live <= limit - (int64_t)size &&
           (size >= LARGE || cached_small + (int64_t)size <= (int64_t)SMALL_KEPT);
    if (keep) {
        while (oldest && (cached + (int64_t)size > cap || cached + live > limit - (int64_t)size)) {
            kept *k = pop_oldest();
            k->next = drop;
            drop = k;
        }
        push(p, index, size);
        ASAN_POISON_MEMORY_REGION((char *)p + LINE, size - LINE);
    }
    lock_release(&guard);
    give_list(drop);
    if (!keep)
        give(p, size);
}

void data_usage(int64_t *live_bytes, int64_t *peak_bytes, int64_t *cached_bytes)
{
    lock_acquire(&guard);
    *live_bytes = live;
    *peak_bytes = peak;
    *cached_bytes = cached;
    lock_release(&guard);
}

void data_pin(void *p, size_t bytes)
{
    int index;
    size_t size;

    if (mem_is_default() && classify(bytes, &index, &size) && size >= LARGE)
        pin_block(p, size);
}

/* ---- giving back ---- */

static void (*trims[MAX_TRIMS])(void);
static int ntrims;

void mem_on_trim(void (*trim)(void))
{
    lock_acquire(&guard);
    if (ntrims < MAX_TRIMS)
        trims[ntrims++] = trim;
    lock_release(&guard);
}

void mem_on_pressure(bool (*wait)(void))
{
    pressure = wait;
}

void mem_trim(void)
{
    for (int i = 0; i < ntrims; i++)
        trims[i]();
    data_trim();
}

da_status da_set_allocator(const da_allocator *a)
{
    int64_t left;
    if (a && (!a->allocate || !a->release))
        return err_set(DA_ERROR_ARGUMENT, "da_set_allocator: allocate and release must both be given");
    mem_trim();
    left = handle_count();
    if (left != 0)
        return err_set(DA_ERROR_STATE, "da_set_allocator: %lld handles are not released", (long long)left);
    left = atomic_load(&blocks);
    if (left != 0)
        return err_set(DA_ERROR_STATE, "da_set_allocator: %lld blocks of the former allocator are in use",
                       (long long)left);
    handle_forget_slabs();
    allocator = a ? *a : default_allocator;
    return DA_OK;
}

/* ---- fork: nobody else holds the lock in the child ---- */

static void before_fork(void)
{
    lock_acquire(&guard);
}

static void after_fork(void)
{
    lock_release(&guard);
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}
