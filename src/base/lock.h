/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lock of four bytes, valid when zero: held for tens of nanoseconds, it spins briefly and then sleeps, so that a holder that lost
 * its core does not burn others'. And the futex calls it is made of.
 */
#ifndef DARRAY_SRC_LOCK_H
#define DARRAY_SRC_LOCK_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* Sleep while *word is `expected`; may return for no reason. */
static inline void futex_wait(_Atomic(int) *word, int expected)
{
    const int saved = errno;
    syscall(SYS_futex, (int *)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
    errno = saved;
}

/* The same for at most `seconds`. */
static inline void futex_wait_for(_Atomic(int) *word, int expected, double seconds)
{
    const int saved = errno;
    struct timespec t;
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    syscall(SYS_futex, (int *)word, FUTEX_WAIT_PRIVATE, expected, &t, NULL, 0);
    errno = saved;
}

static inline void futex_wake(_Atomic(int) *word, int count)
{
    const int saved = errno;
    syscall(SYS_futex, (int *)word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

/* 0 free, 1 held, 2 held and somebody sleeps */
typedef _Atomic(int) lock_word;

static inline bool lock_try(lock_word *lock)
{
    int zero = 0;
    return atomic_compare_exchange_strong_explicit(lock, &zero, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void lock_acquire(lock_word *lock)
{
    if (lock_try(lock))
        return;
    for (int i = 0; i < 100; i++) {
        if (atomic_load_explicit(lock, memory_order_relaxed) == 0 && lock_try(lock))
            return;
        cpu_relax();
    }
    while (atomic_exchange_explicit(lock, 2, memory_order_acquire) != 0)
        futex_wait(lock, 2);
}

static inline void lock_release(lock_word *lock)
{
    if (atomic_exchange_explicit(lock, 0, memory_order_release) == 2)
        futex_wake(lock, 1);
}

#endif
