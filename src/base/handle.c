/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handles, cut from slabs that are never given back (unless to a user's allocator, at da_shutdown() with no live handle), so that a
 * stale pointer still points at a word that says so. A released one is used again as late as is cheap.
 */
#include "base/base.h"
#include "base/lock.h"
#include "base/memory.h"
#include <pthread.h>
#include <string.h>

enum { STEP = 64, SIZES = 1024 / STEP, SLAB = 64 * 1024, RESERVE = 16 };

typedef struct free_handle {
    handle h;
    struct free_handle *next;
} free_handle;

typedef struct slab {
    struct slab *next;
    char pad_[STEP - sizeof(struct slab *)];
} slab;

static struct {
    free_handle *first, *last; /* longest released first */
    int count;
    char *fresh, *end; /* of the latest slab */
} sizes[SIZES];
static slab *slabs, *retired; /* retired: the default allocator's, from before a user's came */
static int64_t live;
static lock_word guard;

void *handle_new(enum handle_kind kind, size_t bytes)
{
    const size_t i = bytes ? (bytes - 1) / STEP : 0;
    const size_t size = (i + 1) * STEP;
    handle *h = NULL;

    if (i >= SIZES)
        return NULL;
    lock_acquire(&guard);
    if (sizes[i].count <= RESERVE && (size_t)(sizes[i].end - sizes[i].fresh) < size) {
        slab *s = mem_take(SLAB, STEP);
        if (s) {
            s->next = slabs;
            slabs = s;
            sizes[i].fresh = (char *)(s + 1);
            sizes[i].end = (char *)s + SLAB;
        }
    }
    if (sizes[i].count <= RESERVE && (size_t)(sizes[i].end - sizes[i].fresh) >= size) {
        h = (handle *)(void *)sizes[i].fresh;
        sizes[i].fresh += size;
    } else if (sizes[i].first) {
        free_handle *f = sizes[i].first;
        sizes[i].first = f->next;
        if (--sizes[i].count == 0)
            sizes[i].last = NULL;
        h = &f->h;
    }
    if (h)
        live++;
    lock_release(&guard);
    if (!h)
        return NULL;
    memset(h, 0, bytes);
    h->kind = kind;
    atomic_init(&h->refs, 1);
    return h;
}

void handle_free(void *p, size_t bytes)
{
    const size_t i = bytes ? (bytes - 1) / STEP : 0;
    free_handle *f = p;
    if (!p)
        return;
    f->h.kind = HANDLE_FREE;
    lock_acquire(&guard);
    f->next = NULL;
    *(sizes[i].last ? &sizes[i].last->next : &sizes[i].first) = f;
    sizes[i].last = f;
    sizes[i].count++;
    live--;
    lock_release(&guard);
}

static void trim(void)
{
    slab *list = NULL;
    if (mem_is_default())
        return;
    lock_acquire(&guard);
    if (live == 0) {
        list = slabs;
        slabs = NULL;
        memset(sizes, 0, sizeof sizes);
    }
    lock_release(&guard);
    while (list) {
        slab *next = list->next;
        mem_give(list, SLAB);
        list = next;
    }
}

int64_t handle_count(void)
{
    int64_t n;
    lock_acquire(&guard);
    n = live;
    lock_release(&guard);
    return n;
}

void handle_forget_slabs(void)
{
    lock_acquire(&guard);
    while (slabs) {
        slab *next = slabs->next;
        slabs->next = retired;
        retired = slabs;
        slabs = next;
    }
    memset(sizes, 0, sizeof sizes);
    lock_release(&guard);
}

/* ---- releasing by kind ---- */

enum { MAX_KINDS = 16 };
static struct {
    enum handle_kind kind;
    void (*release)(void *pointer_address);
} kinds[MAX_KINDS];
static int nkinds;

void handle_register(enum handle_kind kind, void (*release)(void *pointer_address))
{
    lock_acquire(&guard);
    if (nkinds < MAX_KINDS) {
        kinds[nkinds].kind = kind;
        kinds[nkinds].release = release;
        nkinds++;
    }
    lock_release(&guard);
}

void da_release_any_(void *address)
{
    void *p;
    uint32_t kind;
    if (!address)
        return;
    memcpy(&p, address, sizeof p);
    if (!p)
        return;
    kind = ((const handle *)p)->kind;
    for (int i = 0; i < nkinds; i++)
        if ((uint32_t)kinds[i].kind == kind) {
            kinds[i].release(address);
            return;
        }
    log_line(1, "a handle that is released already, or none, was given to DA_AUTO");
    p = NULL;
    memcpy(address, &p, sizeof p);
}

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
    mem_on_trim(trim);
    pthread_atfork(before_fork, after_fork, after_fork);
}
