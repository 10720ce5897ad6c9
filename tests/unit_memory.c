/* SPDX-License-Identifier: BSD-3-Clause */
/* The budget, the cache of blocks, the allocator hook, handles; the k-th allocation failing while tasks are built. */
#include "unit_runtime.h"
#include "base/base.h"
#include <darray/runtime.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* An allocator that counts, checks sizes, and fails when told to. */
typedef struct counting {
    _Atomic(int64_t) bytes, blocks, calls;
    _Atomic(int64_t) fail_at; /* this call and those after it fail; 0: none */
} counting;

typedef struct prefix {
    size_t size;
    void *base;
} prefix;

static void *counting_allocate(void *ctx, size_t size, size_t alignment)
{
    counting *c = ctx;
    const int64_t call = atomic_fetch_add(&c->calls, 1) + 1;
    char *base, *p;
    prefix own;
    if (c->fail_at && call >= c->fail_at)
        return NULL;
    base = malloc(size + alignment + sizeof own);
    if (!base)
        return NULL;
    p = (char *)(((uintptr_t)base + sizeof own + alignment - 1) / alignment * alignment);
    own.size = size;
    own.base = base;
    memcpy(p - sizeof own, &own, sizeof own);
    atomic_fetch_add(&c->bytes, (int64_t)size);
    atomic_fetch_add(&c->blocks, 1);
    return p;
}

static void counting_release(void *ctx, void *p, size_t size)
{
    counting *c = ctx;
    prefix own;
    memcpy(&own, (char *)p - sizeof own, sizeof own);
    ck_assert_uint_eq(own.size, size);
    atomic_fetch_sub(&c->bytes, (int64_t)size);
    atomic_fetch_sub(&c->blocks, 1);
    free(own.base);
}

static counting count;

static void hook(void)
{
    const da_allocator a = {counting_allocate, counting_release, &count};
    memset(&count, 0, sizeof count);
    ck_ok(da_shutdown());
    ck_ok(da_set_allocator(&a));
}

static void unhook(void)
{
    count.fail_at = 0;
    ck_ok(da_shutdown());
    ck_assert_int_eq(count.blocks, 0);
    ck_assert_int_eq(count.bytes, 0);
    ck_ok(da_set_allocator(NULL));
}

START_TEST(small_objects)
{
    char *p = mem_zalloc(100), *q;
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(count.blocks, 1);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(p[i], 0);
    memset(p, 7, 100);
    ck_fails(da_set_allocator(NULL), DA_ERROR_STATE, "1 blocks");
    q = mem_realloc(p, 1000);
    ck_assert_ptr_nonnull(q);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(q[i], 7);
    q = mem_realloc(q, 10);
    ck_assert_int_eq(q[9], 7);
    mem_free(q);
    mem_free(NULL);
    ck_assert_int_eq(count.blocks, 0);
    ck_assert_ptr_null(mem_alloc(SIZE_MAX - 4));
}
END_TEST

START_TEST(array_data)
{
    static const size_t sizes[] = {0,
                                   1,
                                   63,
                                   64,
                                   65,
                                   1000,
                                   1024,
                                   1025,
                                   4096,
                                   1000000,
                                   (1 << 20) - 1,
                                   (1 << 20),
                                   (1 << 20) + 1,
                                   3 << 20,
                                   (16 << 20) + 5};
    int64_t live, peak, cached;
    da_trim();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *p, *q;
        ck_ok(data_alloc(&p, sizes[i]));
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        if (sizes[i])
            memset(p, 1, sizes[i]);
        data_usage(&live, &peak, &cached);
        ck_assert_int_eq(live, (int64_t)sizes[i]);
        ck_assert_int_ge(peak, live);
        data_free(p, sizes[i]);
        data_usage(&live, &peak, &cached);
        ck_assert_int_eq(live, 0);
        ck_assert_int_ge(cached, (int64_t)sizes[i]);
        /* the same block again */
        ck_ok(data_alloc(&q, sizes[i]));
        ck_assert_ptr_eq(p, q);
        data_free(q, sizes[i]);
    }
    da_trim();
    data_usage(&live, &peak, &cached);
    ck_assert_int_eq(cached, 0);
}
END_TEST

/* BLAS may read more than it was given, up to a column behind a matrix. */
START_TEST(readable_behind)
{
    enum { BLOCKS = 16 };
    static const size_t sizes[] = {1 << 20, 3 << 20, 16 << 20};
    void *p[BLOCKS];

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        for (int i = 0; i < BLOCKS; i++)
            ck_ok(data_alloc(&p[i], sizes[k]));
        for (int i = 0; i < BLOCKS; i++)
            ck_assert_msg(msync((char *)p[i] + sizes[k], 1 << 20, MS_ASYNC) == 0,
                          "nothing behind block %d of %zu bytes", i, sizes[k]);
        for (int i = 0; i < BLOCKS; i++)
            data_free(p[i], sizes[k]);
        da_trim();
    }
}
END_TEST

START_TEST(random_blocks)
{
    enum { N = 200 };
    void *p[N] = {NULL};
    size_t size[N];
    uint64_t seed = 4711;
    int64_t live, peak, cached, sum = 0;
    for (int k = 0; k < 20000; k++) {
        const int i = (int)(seed >> 33) % N;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (p[i]) {
            ck_assert_mem_eq(p[i], &size[i], sizeof size[i]);
            data_free(p[i], size[i]);
            sum -= (int64_t)size[i];
            p[i] = NULL;
        } else {
            size[i] = 8 + ((size_t)(seed >> 20) & (((size_t)1 << (4 + (seed >> 58) % 18)) - 1));
            ck_ok(data_alloc(&p[i], size[i]));
            memcpy(p[i], &size[i], sizeof size[i]);
            sum += (int64_t)size[i];
        }
        if (k % 5000 == 0)
            da_trim();
    }
    data_usage(&live, &peak, &cached);
    ck_assert_int_eq(live, sum);
    for (int i = 0; i < N; i++)
        if (p[i])
            data_free(p[i], size[i]);
}
END_TEST

START_TEST(budget)
{
    void *p = NULL, *q = NULL;
    ck_ok(da_shutdown());
    setenv("DARRAY_MEMORY_LIMIT", "64M", 1);
    config_reload();
    ck_assert_int_eq(config_get()->memory_limit, 64 << 20);
    ck_fails(data_alloc(&p, (size_t)65 << 20), DA_ERROR_MEMORY, "68157440");
    ck_assert_ptr_nonnull(strstr(da_error(), "67108864"));
    ck_assert_ptr_null(p);
    ck_fails(data_alloc(&p, SIZE_MAX / 2), DA_ERROR_MEMORY, "9223372036854775807");
    ck_ok(data_alloc(&p, (size_t)40 << 20));
    ck_fails(data_alloc(&q, (size_t)40 << 20), DA_ERROR_MEMORY, "41943040");
    data_free(p, (size_t)40 << 20);
    ck_ok(data_alloc(&q, (size_t)60 << 20));
    data_free(q, (size_t)60 << 20);
    unsetenv("DARRAY_MEMORY_LIMIT");
    config_reload();
    ck_assert_int_gt(config_get()->memory_limit, 64 << 20);
    /* more than any machine has */
    ck_fails(data_alloc(&p, (size_t)1 << 46), DA_ERROR_MEMORY, "70368744177664 bytes");
}
END_TEST

/* What is in flight gives its memory back before an allocation is refused. */
static da_status slow_free(const da_call *call)
{
    (void)call;
    sleep_ms(50);
    return DA_OK;
}
static const da_codelet codelet_slow = {.name = "slow", .cpu = slow_free};

typedef struct big {
    rt_owner owner;
    rt_data data;
    void *memory;
} big;

static void big_destroy(rt_owner *owner)
{
    big *b = (big *)owner;
    rt_data_forget(&b->data);
    data_free(b->memory, (size_t)40 << 20);
    mem_free(b);
}

static void big_describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    (void)data;
    memset(out, 0, sizeof *out);
    out->ptr = ((const big *)owner)->memory;
    out->element_size = 1;
    out->ndim = 1;
    out->shape[0] = out->strides[0] = 1;
}

START_TEST(pressure)
{
    static const rt_owner_class cls = {big_destroy, big_describe};
    ck_ok(da_shutdown());
    setenv("DARRAY_MEMORY_LIMIT", "64M", 1);
    config_reload();
    for (int i = 0; i < 3; i++) {
        big *b = mem_zalloc(sizeof *b);
        rt_data *d = &b->data;
        rt_operand o;
        rt_task_desc desc = {.codelet = &codelet_slow, .noperands = 1, .operands = &o, .flags = RT_NO_INLINE};
        rt_owner_init(&b->owner, &cls);
        b->data.owner = &b->owner;
        ck_ok(data_alloc(&b->memory, (size_t)40 << 20));
        memset(&o, 0, sizeof o);
        o.mode = DA_MODE_WRITE;
        o.owner = &b->owner;
        o.ptr = b->memory;
        o.ndim = 1;
        o.shape = o.strides = &pool_one;
        o.ndata = 1;
        o.data = &d;
        ck_ok(rt_submit(&desc, NULL));
        rt_owner_release(&b->owner);
    }
    unsetenv("DARRAY_MEMORY_LIMIT");
    ck_ok(da_shutdown());
}
END_TEST

/* ---- locked pages ---- */

enum { MARK = 4096 }; /* a byte that the list of free blocks does not use */

static struct {
    int locks, unlocks, refusals;
    bool refuse;
    void *block;
    size_t size;
} pages;

static bool lock_pages(void *block, size_t size)
{
    if (pages.refuse) {
        pages.refusals++;
        return false;
    }
    pages.locks++;
    pages.block = block;
    pages.size = size;
    return true;
}

static void unlock_pages(void *block)
{
    pages.unlocks++;
    ck_assert_ptr_eq(block, pages.block);
    ck_assert_int_eq(((volatile char *)block)[MARK], 5); /* it is there until it is unlocked */
}

START_TEST(locked_pages)
{
    const size_t large = (2 << 20) - 1000, small = 500000;
    void *p, *q;

    memset(&pages, 0, sizeof pages);
    da_trim();
    ck_ok(data_alloc(&p, large));
    data_pin(p, large); /* nobody wants it */
    mem_pins_start(lock_pages, unlock_pages);
    ck_assert_int_eq(pages.locks, 0);
    data_pin(p, large);
    data_pin(p, large);
    ck_assert_int_eq(pages.locks, 1);
    ck_assert_ptr_eq(pages.block, p);
    ck_assert_uint_eq(pages.size, 2 << 20);
    /* it stays locked as it is recycled */
    data_free(p, large);
    ck_ok(data_alloc(&q, large + 500));
    ck_assert_ptr_eq(p, q);
    data_pin(q, large + 500);
    ck_assert_int_eq(pages.locks, 1);
    ck_assert_int_eq(pages.unlocks, 0);
    ((char *)q)[MARK] = 5;
    /* and is unlocked before it goes */
    if (_i == 0) {
        data_free(q, large + 500);
        da_trim();
        ck_assert_int_eq(pages.unlocks, 1);
        mem_pins_stop();
        ck_assert_int_eq(pages.unlocks, 1);
    } else {
        mem_pins_stop();
        ck_assert_int_eq(pages.unlocks, 1);
        data_pin(q, large + 500);
        data_free(q, large + 500);
        da_trim();
        ck_assert_int_eq(pages.unlocks, 1);
    }
    ck_assert_int_eq(pages.locks, 1);

    /* not small ones, not once more what was refused */
    mem_pins_start(lock_pages, unlock_pages);
    ck_ok(data_alloc(&p, small));
    data_pin(p, small);
    data_free(p, small);
    pages.refuse = true;
    ck_ok(data_alloc(&p, large));
    data_pin(p, large);
    data_pin(p, large);
    ck_assert_int_eq(pages.refusals, 1);
    data_free(p, large);
    da_trim();
    mem_pins_stop();
    ck_assert_int_eq(pages.locks, 1);
    ck_assert_int_eq(pages.unlocks, 1);
}
END_TEST

/* Nor a block of the user's allocator. */
START_TEST(locked_pages_hook)
{
    const size_t large = 2 << 20;
    void *p;

    memset(&pages, 0, sizeof pages);
    mem_pins_start(lock_pages, unlock_pages);
    ck_ok(data_alloc(&p, large));
    data_pin(p, large);
    data_free(p, large);
    mem_pins_stop();
    ck_assert_int_eq(pages.locks, 0);
}
END_TEST

/* A child has no driver, and still may release what it has. */
START_TEST(locked_pages_fork)
{
    const size_t large = 2 << 20;
    void *p;
    int status;

    memset(&pages, 0, sizeof pages);
    da_trim();
    mem_pins_start(lock_pages, unlock_pages);
    ck_ok(data_alloc(&p, large));
    memset(p, 5, large);
    data_pin(p, large);
    const pid_t child = fork();
    if (child == 0) {
        data_free(p, large);
        mem_trim();
        mem_pins_stop();
        _exit(pages.unlocks != 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(pages.unlocks, 0);
    data_free(p, large);
    mem_trim();
    ck_assert_int_eq(pages.unlocks, 1);
    mem_pins_stop();
}
END_TEST

START_TEST(handle_words)
{
    handle *h = handle_new(HANDLE_QR, 200);
    const handle *stale = h;
    ck_assert_ptr_nonnull(h);
    ck_assert_uint_eq(h->kind, HANDLE_QR);
    ck_assert_int_eq(h->refs, 1);
    for (size_t i = sizeof *h; i < 200; i++)
        ck_assert_int_eq(((char *)h)[i], 0);
    memset((char *)h + sizeof *h, 7, 200 - sizeof *h);
    handle_free(h, 200);
    ck_assert_uint_eq(stale->kind, HANDLE_FREE);
    for (int i = 0; i < 5; i++) { /* it is not the next one to be used again */
        handle *other = handle_new(HANDLE_QR, 200);
        ck_assert_ptr_ne(other, stale);
        handle_free(other, 200);
    }
    ck_assert_ptr_null(handle_new(HANDLE_QR, 2000));
    {
        void *p = (void *)(uintptr_t)stale;
        da_release_any_(&p); /* said in the log, no more */
        ck_assert_ptr_null(p);
        da_release_any_(&p);
        da_release_any_(NULL);
    }
}
END_TEST

/* Every allocation of a batch fails once: nothing was submitted, nothing leaks, and the library goes on. */
static da_status set(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data = value_of(call);
    return DA_OK;
}
static const da_codelet codelet_set = {.name = "set", .cpu = set};

static da_status build(pool *p, int tasks)
{
    rt_batch batch = RT_BATCH_INIT;
    rt_fault *f = rt_fault_new("%" PRId64 " of %" PRId64, 1);
    da_status status = f ? DA_OK : err_memory(1, "a fault");
    rt_data *all[CELLS];
    rt_operand o = operand(p, all, 0, DA_MODE_READ);
    const uint64_t v = 5;
    const da_value value = {&v, sizeof v};
    rt_task_desc wide = {
        .codelet = &codelet_set, .noperands = 1, .operands = &o, .nvalues = 1, .values = &value};
    wide.flags = RT_NO_INLINE;
    for (int i = 0; i < CELLS; i++)
        all[i] = &p->data[i];
    o.mode = DA_MODE_READ_WRITE;
    o.ndata = CELLS; /* more than fit on the stack */
    for (int i = 0; i < tasks && status == DA_OK; i++)
        status = add(&batch, &codelet_set, p, i % CELLS, DA_MODE_WRITE, -1, DA_MODE_READ, 100, RT_NO_INLINE,
                     f, NULL);
    if (status == DA_OK)
        status = rt_batch_add(&batch, &wide, NULL);
    if (status != DA_OK) {
        rt_batch_abandon(&batch);
        rt_fault_release(f);
        return status;
    }
    /* commits fail for no lack of memory */
    count.fail_at = 1;
    status = rt_batch_commit(&batch);
    count.fail_at = 0;
    rt_fault_release(f);
    return status;
}

START_TEST(every_allocation)
{
    pool *p = pool_new();
    da_stats before, after;
    int k, failures = 0;
    ck_ok(da_init(NULL, 2));
    for (k = 1; k < 1000; k++) {
        da_status status;
        int64_t blocks;
        ck_ok(da_wait_all());
        da_trim();
        blocks = count.blocks;
        da_get_stats(&before);
        count.calls = 0;
        count.fail_at = k;
        status = build(p, 20);
        count.fail_at = 0;
        da_get_stats(&after);
        if (status == DA_OK)
            break;
        failures++;
        ck_assert_int_eq(status, DA_ERROR_MEMORY);
        ck_assert_ptr_nonnull(strstr(da_error(), "out of memory"));
        ck_assert_int_eq(before.tasks_submitted, after.tasks_submitted);
        da_trim();
        ck_assert_int_eq(count.blocks, blocks);
        ck_assert_uint_eq(p->cell[3], 4);
    }
    ck_assert_int_ge(failures, 20);
    ck_ok(da_wait_all());
    ck_assert_uint_eq(p->cell[0], 5);
    ck_assert_uint_eq(p->cell[3], 100);
    pool_release(p);
}
END_TEST

/* ---- settings ---- */

static void environment(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    config_reload();
}

START_TEST(settings)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {
        {"1", 1}, {"12k", 12 << 10}, {"3M", 3 << 20}, {"2GiB", (int64_t)2 << 30}, {" 1T ", (int64_t)1 << 40},
        {"0", 0}};
    int64_t otherwise;
    environment("DARRAY_MEMORY_LIMIT", NULL);
    otherwise = config_get()->memory_limit;
    ck_assert_int_gt(otherwise, (int64_t)16 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        environment("DARRAY_MEMORY_LIMIT", sizes[i].text);
        ck_assert_int_eq(config_get()->memory_limit, sizes[i].bytes);
    }
    ck_assert_str_eq(config_get()->complaints, "");
    environment("DARRAY_MEMORY_LIMIT", "lots");
    ck_assert_str_eq(config_get()->complaints, "DARRAY_MEMORY_LIMIT=lots");
    ck_assert_int_eq(config_get()->memory_limit, otherwise);
    environment("DARRAY_MEMORY_LIMIT", "99999999999999999999");
    ck_assert_int_eq(config_get()->memory_limit, otherwise);
    environment("DARRAY_MEMORY_LIMIT", NULL);
    environment("DARRAY_TILE", "512x128");
    ck_assert_int_eq(config_get()->tile_ndim, 2);
    ck_assert_int_eq(config_get()->tile[0], 512);
    ck_assert_int_eq(config_get()->tile[1], 128);
    environment("DARRAY_TILE", "0");
    ck_assert_int_eq(config_get()->tile_ndim, 0);
    environment("DARRAY_TILE", "4x");
    ck_assert_int_eq(config_get()->tile_ndim, 0);
    environment("DARRAY_TILE", NULL);
    environment("DARRAY_NUM_THREADS", "3");
    environment("OMP_NUM_THREADS", "5,2");
    ck_assert_int_eq(config_get()->num_threads, 3);
    environment("DARRAY_NUM_THREADS", NULL);
    ck_assert_int_eq(config_get()->num_threads, 5);
    environment("OMP_NUM_THREADS", NULL);
    ck_assert_int_eq(config_get()->num_threads, 0);
    ck_assert_int_ge(da_num_workers(), 1);
    environment("DARRAY_REPRODUCIBLE", "1");
    environment("DARRAY_NUM_THREADS", "1");
    ck_assert_int_eq(rt_workers_for_shaping(), 8);
    environment("DARRAY_REPRODUCIBLE", NULL);
    ck_assert_int_eq(rt_workers_for_shaping(), 1);
    environment("DARRAY_NUM_THREADS", "2");
}
END_TEST

static void collect(void *ctx, int level, const char *line)
{
    snprintf(ctx, 200, "%d %s", level, line);
}

START_TEST(log_hook)
{
    char line[200] = "";
    da_set_log(collect, line);
    log_line(1, "seven is %d", 7);
    ck_assert_str_eq(line, "1 seven is 7");
    log_line(2, "not at this level");
    ck_assert_str_eq(line, "1 seven is 7");
    da_set_log(NULL, NULL);
    log_line(1, "nobody listens");
    ck_assert_str_eq(line, "1 seven is 7");
}
END_TEST

START_TEST(texts)
{
    char text[SHAPE_TEXT];
    da_shape s = DA_SHAPE(3, 4), one = DA_SHAPE(7), none = DA_SCALAR_SHAPE, worst;
    ck_assert_str_eq(shape_text(&s, text), "(3, 4)");
    ck_assert_str_eq(shape_text(&one, text), "(7,)");
    ck_assert_str_eq(shape_text(&none, text), "()");
    worst.ndim = DA_MAX_NDIM;
    for (int i = 0; i < DA_MAX_NDIM; i++)
        worst.dim[i] = INT64_MIN;
    ck_assert_uint_eq(strlen(shape_text(&worst, text)), 16 * 20 + 15 * 2 + 2);
    ck_assert_str_eq(da_status_name(DA_ERROR_FORKED), "DA_ERROR_FORKED");
    ck_assert_str_eq(da_status_name((da_status)99), "unknown status");
    ck_assert_str_eq(da_version(), DA_VERSION_STRING);
    ck_assert_str_eq(da_dtype_name(DA_C64), "complex64");
    ck_assert_str_eq(da_dtype_name((da_dtype)0), "invalid");
    ck_assert_uint_eq(da_dtype_size(DA_C128), 16);
    ck_assert_uint_eq(da_dtype_size((da_dtype)16), 0);
    ck_assert_int_eq(err_set(DA_ERROR_SHAPE, "first %d", 1), DA_ERROR_SHAPE);
    ck_assert_int_eq(err_set(DA_ERROR_SHAPE, "within %s", da_error()), DA_ERROR_SHAPE);
    ck_assert_str_eq(da_error(), "within first 1");
}
END_TEST

DA_TEST_MAIN("memory",
             DA_CASE_WITH("hook", hook, unhook, small_objects, array_data, random_blocks, every_allocation),
             DA_CASE_WITH("budget, hook", hook, unhook, pressure, locked_pages_hook),
             DA_CASE_LOOP("locked pages", 2, locked_pages), DA_CASE("locked pages, fork", locked_pages_fork),
             DA_CASE("plain", array_data, readable_behind, random_blocks, budget, pressure),
             DA_CASE_WITH("handles, hook", hook, unhook, handle_words), DA_CASE("handles", handle_words),
             DA_CASE("settings", settings, log_hook), DA_CASE("texts", texts))
