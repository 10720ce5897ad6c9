/* SPDX-License-Identifier: BSD-3-Clause */
/* The runtime through the public interface: arrays across shutdown and runtimes, counters, memory, fork, exit. */
#include "test.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 700 };

/* A chain of operations on arrays of several tiles, all in flight: the result is 4 times the identity. */
static da_status elementwise(da_array **out)
{
    DA_AUTO da_array *eye = NULL, *a = NULL, *b = NULL;
    DA_TRY(da_eye(&eye, DA_F64, N, N, 0));
    DA_TRY(da_copy(&a, eye));
    for (int i = 0; i < 30; i++) {
        DA_TRY(da_eval(&b, da_add(a, da_multiply(eye, 0.1))));
        da_array_move(&a, &b);
    }
    DA_TRY(da_assign(a, da_floor(da_add(a, 0.5))));
    da_array_move(out, &a);
    return DA_OK;
}

/* The same with products. */
static da_status chain(da_array **out)
{
    DA_AUTO da_array *eye = NULL, *a = NULL, *b = NULL;
    DA_TRY(da_eye(&eye, DA_F64, N, N, 0));
    DA_TRY(da_matmul(&a, eye, eye));
    for (int i = 0; i < 3; i++) {
        DA_TRY(da_eval(&b, da_add(a, eye)));
        da_array_move(&a, &b);
    }
    DA_TRY(da_matmul(&b, a, eye));
    da_array_move(out, &b);
    return DA_OK;
}

static void check_chain(const da_array *a)
{
    double *host = malloc(sizeof(double) * N * N);
    ck_assert_ptr_nonnull(host);
    ck_ok(da_to_host(a, host, sizeof(double) * N * N, DA_ROW_MAJOR));
    int wrong = 0; /* an assertion each would take Check minutes */
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            wrong += !(host[i * N + j] == (i == j ? 4 : 0));
    ck_assert_int_eq(wrong, 0);
    free(host);
}

START_TEST(across_shutdown)
{
    DA_AUTO da_array *a = NULL, *view = NULL, *b = NULL;
    const char *name = da_runtime_name();
    ck_ok(da_blocks(DA_SHAPE(128, 128)));
    ck_ok(chain(&a));
    ck_ok(da_matrix_transpose(&view, a));
    ck_ok(da_shutdown()); /* waits for what is in flight */
    check_chain(a);
    ck_ok(da_shutdown());
    check_chain(view);
    ck_assert_str_eq(da_runtime_name(), name);
    ck_ok(da_assign(a, da_add(a, view)));
    ck_ok(da_eval(&b, da_divide(a, 2)));
    check_chain(b);
    ck_ok(da_blocks((da_shape){0, {0}}));
}
END_TEST

/* From one runtime to the other and back, computing on each. */
START_TEST(across_runtimes)
{
    DA_AUTO da_array *a = NULL, *b = NULL;
    static const char *const names[] = {"openmp", "starpu", "openmp"};
    ck_ok(da_blocks(DA_SHAPE(100, 300)));
    ck_ok(chain(&a));
    for (int i = 0; i < 3; i++) {
        da_status status;
        ck_ok(da_shutdown());
        status = da_init(names[i], 2);
        if (status == DA_ERROR_UNSUPPORTED)
            continue;
        ck_ok(status);
        ck_assert_str_eq(da_runtime_name(), names[i]);
        if (DA_HAVE_STARPU)
            ck_fails(da_init(names[1 - i % 2], 0), DA_ERROR_STATE, names[i]);
        else
            ck_fails(da_init("starpu", 0), DA_ERROR_UNSUPPORTED, "built without StarPU");
        ck_ok(da_eval(&b, da_multiply(da_add(a, a), 0.5)));
        da_array_move(&a, &b);
        check_chain(a);
    }
    ck_ok(da_shutdown());
    check_chain(a);
    ck_ok(da_blocks((da_shape){0, {0}}));
}
END_TEST

START_TEST(mapped_across)
{
    DA_AUTO da_array *a = NULL;
    void *p;
    int64_t strides[2];
    ck_ok(chain(&a));
    ck_ok(da_map(a, 0, &p, strides));
    ck_ok(da_shutdown());
    ck_assert_double_eq(*(double *)p, 4);
    ((double *)p)[strides[0]] = 7;
    ck_ok(da_unmap(a));
    {
        DA_AUTO da_array *v = NULL;
        double x;
        ck_ok(DA_SLICE(&v, a, DA_AT(1), DA_AT(0)));
        ck_ok(da_item(&x, v));
        ck_assert_double_eq(x, 7);
    }
}
END_TEST

static void *map_too(void *array)
{
    double *p;
    int64_t strides[2];
    ck_ok(da_map(array, 0, (void **)&p, strides));
    *p += 1;
    ck_ok(da_unmap(array));
    return NULL;
}

/* The runtime starts, and stops, while a thread waits for what another has mapped. */
START_TEST(awaited_across)
{
    DA_AUTO da_array *a = NULL, *b = NULL;
    const bool starpu = strcmp(da_runtime_name(), "starpu") == 0;
    pthread_t other;
    double *p;
    int64_t strides[2];
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(8, 8)));
    ck_ok(da_shutdown());
    for (int i = 0; i < 4; i++) {
        const bool running = i % 2 == 1;
        if (running)
            ck_ok(da_init(starpu ? "starpu" : "openmp", 2));
        ck_ok(da_map(a, 0, (void **)&p, strides));
        ck_assert_int_eq(pthread_create(&other, NULL, map_too, a), 0);
        usleep(30000); /* it waits */
        if (starpu && running)
            ck_fails(da_shutdown(), DA_ERROR_STATE, "another thread waits");
        else if (starpu)
            ck_fails(da_init("starpu", 2), DA_ERROR_STATE, "is mapped");
        ck_ok(chain(&b));
        check_chain(b);
        ck_assert_double_eq(*p, 2 * i);
        *p += 1;
        ck_ok(da_unmap(a));
        ck_assert_int_eq(pthread_join(other, NULL), 0);
        ck_ok(chain(&b));
        check_chain(b);
        ck_ok(da_init(starpu ? "starpu" : "openmp", 0)); /* the one that was wanted */
        ck_ok(da_shutdown());
    }
    ck_ok(da_map(a, DA_READ_ONLY, (void **)&p, strides));
    ck_assert_double_eq(*p, 8);
    ck_ok(da_unmap(a));
}
END_TEST

START_TEST(counters)
{
    da_array *a = NULL;
    da_stats before, after;
    ck_ok(da_shutdown());
    ck_ok(da_init(NULL, 2));
    da_get_stats(&before);
    ck_assert_int_eq(before.tasks_submitted, 0);
    ck_ok(da_blocks(DA_SHAPE(128, 128)));
    ck_ok(chain(&a));
    ck_ok(da_wait_all());
    da_get_stats(&after);
    ck_assert_int_gt(after.tasks_submitted + after.tasks_inline, 30);
    ck_assert_int_eq(after.tasks_submitted, after.tasks_done);
    ck_assert_int_ge(after.bytes_live - before.bytes_live, (int64_t)sizeof(double) * N * N);
    ck_assert_int_ge(after.bytes_peak, after.bytes_live);
    ck_assert(after.seconds_busy > 0 && after.seconds_busy < 1000);
    da_array_release(&a);
    da_get_stats(&after);
    ck_assert_int_eq(after.bytes_live, before.bytes_live);
    ck_assert_int_gt(after.bytes_cached, 0);
    da_trim();
    da_get_stats(&after);
    ck_assert_int_eq(after.bytes_cached, 0);
    ck_ok(da_blocks((da_shape){0, {0}}));
}
END_TEST

/* Of a batch that is soon done and has a task for each worker the committing thread does one; its order with others is theirs, also when it does
 * so again and again. */
START_TEST(callers_share)
{
    const char *const inline_tasks = getenv("DARRAY_INLINE");
    bool shares = !inline_tasks || strcmp(inline_tasks, "0") != 0;
    DA_AUTO da_array *a = NULL, *b = NULL;
    da_stats before, after;
    double sum;

    ck_ok(da_shutdown());
    ck_ok(da_init(NULL, 2));
    shares = shares && strcmp(da_runtime_name(), "openmp") == 0; /* with StarPU all are its workers' */
    ck_ok(da_blocks(DA_SHAPE(150, 512)));
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(300, 512)));
    ck_ok(da_zeros(&b, DA_F64, DA_SHAPE(300, 512)));
    ck_ok(da_wait_all());
    da_get_stats(&before);
    ck_ok(da_assign(b, da_add(b, a)));
    ck_ok(da_wait(b));
    da_get_stats(&after);
    ck_assert_int_eq(after.tasks_inline - before.tasks_inline, shares);
    ck_assert_int_eq(after.tasks_submitted - before.tasks_submitted, 2 - shares);
    for (int i = 0; i < 300; i++) {
        ck_ok(da_assign(b, da_add(b, a)));
        if (i % 3 == 0)
            ck_ok(da_wait(b));
    }
    ck_ok(da_sum_all(&sum, b));
    ck_assert_double_eq(sum, 301.0 * 300 * 512);
    ck_ok(da_blocks((da_shape){0, {0}}));
}
END_TEST

/* More than there is, said at once, with the sizes; everything goes on. */
START_TEST(too_large)
{
    da_array *a = NULL;
    ck_fails(da_zeros(&a, DA_F64, DA_SHAPE(1 << 22, 1 << 22)), DA_ERROR_MEMORY, "140737488355328 bytes");
    ck_assert_ptr_null(a);
    ck_ok(da_shutdown());
    setenv("DARRAY_MEMORY_LIMIT", "40M", 1);
    ck_ok(da_shutdown()); /* reads it */
    ck_fails(da_zeros(&a, DA_F64, DA_SHAPE(3000, 3000)), DA_ERROR_MEMORY, "41943040");
    ck_assert_ptr_nonnull(strstr(da_error(), "72000000"));
    ck_assert_ptr_null(a);
    for (int i = 0; i < 20; i++) { /* what is released while tasks use it comes back in time */
        da_array *b = NULL;
        ck_ok(da_ones(&b, DA_F64, DA_SHAPE(2000, 1000)));
        ck_ok(da_assign(b, da_add(b, 1)));
        da_array_release(&b);
    }
    unsetenv("DARRAY_MEMORY_LIMIT");
    ck_ok(da_shutdown());
    ck_ok(chain(&a));
    check_chain(a);
    da_array_release(&a);
}
END_TEST

/* ---- every byte through the hook ---- */

static struct {
    _Atomic(int64_t) bytes, blocks, largest;
} taken;

static void *hook_allocate(void *ctx, size_t size, size_t alignment)
{
    void *p = NULL;
    if (ctx != &taken || posix_memalign(&p, alignment < sizeof p ? sizeof p : alignment, size))
        return NULL;
    taken.bytes += (int64_t)size;
    taken.blocks += 1;
    if ((int64_t)size > taken.largest)
        taken.largest = (int64_t)size;
    return p;
}

static void hook_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    taken.bytes -= (int64_t)size;
    taken.blocks -= 1;
    free(p);
}

START_TEST(hook)
{
    const da_allocator mine = {hook_allocate, hook_release, &taken}, half = {hook_allocate, NULL, NULL};
    da_array *a = NULL;
    ck_ok(da_shutdown());
    ck_fails(da_set_allocator(&half), DA_ERROR_ARGUMENT, "release");
    ck_ok(da_set_allocator(&mine));
    ck_ok(chain(&a));
    ck_assert_int_ge(taken.bytes, (int64_t)sizeof(double) * N * N);
    ck_assert_int_ge(taken.largest, (int64_t)sizeof(double) * N * N);
    ck_fails(da_set_allocator(NULL), DA_ERROR_STATE, "not released");
    check_chain(a);
    da_array_release(&a);
    ck_ok(da_shutdown());
    ck_assert_int_eq(taken.blocks, 0);
    ck_assert_int_eq(taken.bytes, 0);
    ck_ok(da_set_allocator(NULL));
}
END_TEST

/* ---- fork and exit ---- */

/* Exit status of a child; -1 if it hangs. */
static int child_status(pid_t child)
{
    int status;
    for (int i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
        if (i > 6000) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        usleep(5000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int in_child(da_array *settled, da_array *running)
{
    double x;
    da_status status;
    DA_AUTO da_array *v = NULL, *w = NULL;
    if (DA_SLICE(&v, settled, DA_AT(3), DA_AT(3)) != DA_OK)
        return 1;
    status = da_item(&x, v);
    if (status == DA_OK ? x != 4 : status != DA_ERROR_FORKED)
        return 2;
    status = da_wait(running);
    if (status != DA_OK && status != DA_ERROR_FORKED)
        return 3;
    status = chain(&w);
    if (status != DA_OK && (status != DA_ERROR_FORKED || !strstr(da_error(), "fork")))
        return 4;
    return 0;
}

/* Lines of the log about tasks of one codelet, by what ran them. */
typedef struct placed {
    const char *codelet;
    _Atomic(int) by_workers, by_caller, other;
} placed;

static void note_place(void *ctx, int level, const char *line)
{
    placed *const p = ctx;
    char name[32];
    long long number;
    int worker;

    if (level < 2 || sscanf(line, "task %31s (number %lld)", name, &number) != 2 ||
        strcmp(name, p->codelet) != 0)
        return;
    if (strstr(line, ") done by the caller"))
        p->by_caller++;
    else if (sscanf(strchr(line, ')'), ") done by worker %d", &worker) == 1 && worker >= 0 && worker < 2)
        p->by_workers++;
    else
        p->other++;
}

static da_status refuse(const da_call *call)
{
    return da_task_fail(call, "refused");
}
static const da_codelet refusing = {
    .name = "refusing", .cpu = refuse, .nbuffers = 1, .modes = {DA_MODE_READ_WRITE}};

/* With DARRAY_VERBOSE=2 the log says where every task ran, one that failed too, and of none that did not run. */
START_TEST(placement)
{
    DA_AUTO da_array *large = NULL, *small = NULL;
    placed p = {.codelet = "fill"};
    char *const inlined = getenv("DARRAY_INLINE");

    setenv("DARRAY_VERBOSE", "2", 1);
    setenv("DARRAY_DEVICE", "cpu", 1);
    ck_ok(da_shutdown()); /* reads them */
    da_set_log(note_place, &p);
    ck_ok(da_init(NULL, 2));
    ck_ok(da_blocks(DA_SHAPE(1000, 100)));
    ck_ok(da_full(&large, DA_F64, DA_SHAPE(1000, 1000), 1));
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(da_wait(large));
    ck_assert_int_eq(p.by_workers, 10);
    ck_assert_int_eq(p.by_caller, 0);
    ck_ok(da_empty(&small, DA_F64, DA_SHAPE(200, 200)));
    ck_ok(da_full(&small, DA_F64, DA_SHAPE(200, 200), 2));
    ck_ok(da_wait(small));
    if (inlined && strcmp(inlined, "0") == 0)
        ck_assert_int_ge(p.by_workers, 11);
    else
        ck_assert_int_eq(p.by_caller, 1);
    ck_assert_int_eq(p.other, 0);

    p = (placed){.codelet = "refusing"};
    ck_ok(DA_SPAWN(NULL, &refusing, DA_READ_WRITE(small)));
    ck_ok(DA_SPAWN(NULL, &refusing, DA_READ_WRITE(small))); /* its operand is not there: it does not run */
    ck_fails(da_wait(small), DA_ERROR_TASK, "refused");
    ck_assert_int_eq(p.by_workers + p.by_caller, 1);
    ck_assert_int_eq(p.other, 0);
    da_set_log(NULL, NULL);
    unsetenv("DARRAY_VERBOSE");
    unsetenv("DARRAY_DEVICE");
    ck_ok(da_shutdown());
}
END_TEST

START_TEST(forked)
{
    DA_AUTO da_array *settled = NULL, *running = NULL;
    ck_ok(da_blocks(DA_SHAPE(128, 128)));
    ck_ok(chain(&settled));
    ck_ok(da_wait(settled));
    for (int i = 0; i < 5; i++) {
        pid_t child;
        da_array_release(&running);
        /* no products: sanitizers refuse the private BLAS, and forking stops a threaded OpenBLAS in the middle of its work */
        ck_ok(elementwise(&running));
        child = fork();
        if (child == 0)
            _exit(in_child(settled, running));
        ck_assert_int_eq(child_status(child), 0);
    }
    check_chain(running);
    ck_ok(da_blocks((da_shape){0, {0}}));
}
END_TEST

START_TEST(exits)
{
    pid_t child;
    ck_ok(da_shutdown());
    child = fork();
    if (child == 0) {
        DA_AUTO da_array *a = NULL;
        if (da_blocks(DA_SHAPE(64, 64)) != DA_OK || chain(&a) != DA_OK || (_i == 1 && da_wait(a) != DA_OK))
            exit(50);
        if (_i == 2)
            da_array_release(&a);
        exit(7);
    }
    ck_assert_int_eq(child_status(child), 7);
}
END_TEST

DA_TEST_MAIN("runtime", DA_CASE("lifetimes", across_shutdown, across_runtimes, mapped_across, awaited_across),
             DA_CASE("memory", counters, callers_share, too_large, hook), DA_CASE("log", placement),
             DA_CASE("fork", forked), DA_CASE_LOOP("exit", 3, exits))
