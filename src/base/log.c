/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the library's lines go: the user's hook; without one stderr, if DARRAY_VERBOSE asks for it. */
#include "base/base.h"
#include "base/lock.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static lock_word guard;
static da_log_fn hook;
static void *hook_ctx;
static _Atomic(bool) hooked;

void da_set_log(da_log_fn fn, void *ctx)
{
    lock_acquire(&guard);
    hook = fn;
    hook_ctx = ctx;
    atomic_store(&hooked, fn != NULL);
    lock_release(&guard);
}

bool log_enabled(int level)
{
    const int verbose = config_get()->verbose;
    if (atomic_load_explicit(&hooked, memory_order_relaxed))
        return level <= (verbose > 1 ? verbose : 1);
    return level <= verbose;
}

void log_line(int level, const char *format, ...)
{
    char line[1024];
    da_log_fn fn;
    void *ctx;
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    lock_acquire(&guard);
    fn = hook;
    ctx = hook_ctx;
    lock_release(&guard);
    if (fn)
        fn(ctx, level, line);
    else
        fprintf(stderr, "darray: %s\n", line);
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
    pthread_atfork(before_fork, after_fork, after_fork);
}
