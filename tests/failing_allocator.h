/* An allocator whose k-th allocation fails, and the loop over all k. */
#ifndef DARRAY_TESTS_FAILING_ALLOCATOR_H
#define DARRAY_TESTS_FAILING_ALLOCATOR_H

#include "test.h"
#include <stdatomic.h>

static struct {
    _Atomic(int64_t) calls, blocks;
    _Atomic(int64_t) fail_at; /* this call fails; 0: none */
} allocations;

static void *failing_allocate(void *ctx, size_t size, size_t alignment)
{
    void *p = NULL;
    (void)ctx;
    if (atomic_fetch_add(&allocations.calls, 1) + 1 == allocations.fail_at)
        return NULL;
    if (posix_memalign(&p, alignment < sizeof p ? sizeof p : alignment, size ? size : 1) != 0)
        return NULL;
    atomic_fetch_add(&allocations.blocks, 1);
    return p;
}

static void failing_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    atomic_fetch_sub(&allocations.blocks, 1);
    free(p);
}

/* Runs scenario() with the first, second, ... allocation failing until none does; it must return DA_ERROR_MEMORY or succeed, work
 * afterwards, and leave nothing behind. Returns the number of times that it failed. */
static inline int fail_every_allocation(da_status (*scenario)(void))
{
    const da_allocator a = {failing_allocate, failing_release, NULL};
    int failures = 0;
    ck_ok(da_shutdown());
    ck_ok(da_set_allocator(&a));
    ck_ok(scenario()); /* what lives as long as the process is there now */
    for (int64_t k = 1;; k++) {
        da_status status;
        ck_ok(da_wait_all());
        da_trim(); /* nothing is at hand */
        allocations.calls = 0;
        allocations.fail_at = k;
        status = scenario();
        ck_assert_msg(status == DA_OK || status == DA_ERROR_MEMORY, "allocation %d: status %d: %s", (int)k,
                      (int)status, da_error());
        failures += status != DA_OK;
        ck_ok(da_wait_all());
        if (allocations.calls < k)
            break;
        allocations.fail_at = 0;
        ck_ok(scenario());
    }
    allocations.fail_at = 0;
    ck_ok(da_shutdown());
    ck_ok(da_set_allocator(NULL)); /* refuses if anything is left */
    ck_assert_int_eq(allocations.blocks, 0);
    return failures;
}

#endif
