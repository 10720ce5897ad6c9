/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page-locked blocks. A driver copies from and to such memory by itself, other memory through buffers of its own while the caller waits.
 * Locking is expected to cost more than a copy, so a block stays locked in the list of free ones, until it is given back to
 * the system. Without a runtime that wants it nothing here runs but one look at a count.
 */
#include "base/base.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { BUCKETS = 1024 };

typedef struct pin {
    struct pin *next;
    void *block;
    size_t size;
    bool locked; /* else the driver refused, and is not asked again */
} pin;

static struct {
    pthread_mutex_t lock;
    bool (*lock_pages)(void *block, size_t size);
    void (*unlock_pages)(void *block);
    _Atomic(bool) on;
    _Atomic(int64_t) count; /* of records */
    int64_t bytes;          /* of locked blocks */
    pin *buckets[BUCKETS];
} pins = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The place of the record of a block, or where it would be. */
static pin **find(const void *block)
{
    pin **p = &pins.buckets[((uintptr_t)block >> 12) * 0x9e3779b97f4a7c15u >> 54];

    while (*p && (*p)->block != block)
        p = &(*p)->next;
    return p;
}

static void drop(pin **place)
{
    pin *const p = *place;

    if (p->locked) {
        pins.unlock_pages(p->block);
        pins.bytes -= (int64_t)p->size;
    }
    *place = p->next;
    atomic_fetch_sub(&pins.count, 1);
    mem_free(p);
}

void pin_block(void *block, size_t size)
{
    if (!atomic_load_explicit(&pins.on, memory_order_relaxed))
        return;
    pthread_mutex_lock(&pins.lock);
    pin **const place = find(block);
    /* what is locked cannot be swapped out: half of what arrays may take */
    if (atomic_load(&pins.on) && !*place && (int64_t)size <= config_get()->memory_limit / 2 - pins.bytes) {
        pin *const p = mem_alloc(sizeof *p);
        if (p) {
            *p = (pin){NULL, block, size, pins.lock_pages(block, size)};
            pins.bytes += p->locked ? (int64_t)size : 0;
            atomic_fetch_add(&pins.count, 1);
            *place = p;
        }
    }
    pthread_mutex_unlock(&pins.lock);
}

void pin_drop(void *block)
{
    if (!pin_any())
        return;
    pthread_mutex_lock(&pins.lock);
    pin **const place = find(block);
    if (*place)
        drop(place);
    pthread_mutex_unlock(&pins.lock);
}

bool pin_any(void)
{
    return atomic_load_explicit(&pins.count, memory_order_relaxed) > 0;
}

void mem_pins_start(bool (*lock_pages)(void *block, size_t size), void (*unlock_pages)(void *block))
{
    pthread_mutex_lock(&pins.lock);
    pins.lock_pages = lock_pages;
    pins.unlock_pages = unlock_pages;
    atomic_store(&pins.on, true);
    pthread_mutex_unlock(&pins.lock);
}

void mem_pins_stop(void)
{
    pthread_mutex_lock(&pins.lock);
    atomic_store(&pins.on, false);
    for (int i = 0; i < BUCKETS && pin_any(); i++)
        while (pins.buckets[i])
            drop(&pins.buckets[i]);
    pthread_mutex_unlock(&pins.lock);
}

/* The child has no driver: there is nothing to unlock. */
static void after_fork_in_child(void)
{
    memset(pins.buckets, 0, sizeof pins.buckets);
    atomic_store(&pins.on, false);
    atomic_store(&pins.count, 0);
    pins.bytes = 0;
    pthread_mutex_init(&pins.lock, NULL);
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}
