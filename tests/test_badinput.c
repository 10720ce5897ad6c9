/* The k-th allocation failing, for every k, in everything that arrays do: a status, outputs untouched, nothing lost, the library
 * usable. And faults that travel through copies and views, and are reported with outputs untouched. */
#include "array_check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef struct counting {
    _Atomic(int64_t) blocks, bytes, calls, fail_at, fail_to; /* calls in [fail_at, fail_to) fail */
} counting;
static counting count;

typedef struct prefix {
    void *base;
    size_t size;
} prefix;

static void *counting_allocate(void *ctx, size_t size, size_t alignment)
{
    counting *c = ctx;
    const int64_t call = atomic_fetch_add(&c->calls, 1) + 1;
    if (call >= atomic_load(&c->fail_at) && call < atomic_load(&c->fail_to))
        return NULL;
    char *base = malloc(size + alignment + sizeof(prefix));
    if (!base)
        return NULL;
    char *p = (char *)(((uintptr_t)base + sizeof(prefix) + alignment - 1) / alignment * alignment);
    const prefix own = {base, size};
    memcpy(p - sizeof own, &own, sizeof own);
    atomic_fetch_add(&c->blocks, 1);
    atomic_fetch_add(&c->bytes, (int64_t)size);
    return p;
}

static void counting_release(void *ctx, void *p, size_t size)
{
    counting *c = ctx;
    prefix own;
    memcpy(&own, (char *)p - sizeof own, sizeof own);
    ck_assert_uint_eq(own.size, size);
    atomic_fetch_sub(&c->blocks, 1);
    atomic_fetch_sub(&c->bytes, (int64_t)size);
    free(own.base);
}

/* ---- what is tried ---- */

enum { ROWS = 20, COLUMNS = 12, N = ROWS * COLUMNS };
static da_array *a, *b; /* inputs: 0, 1, 2, ... in f64 and i32 */
static double buffer[N];
static double wrapped[N];
static char file[64];

#define OP(name, ...)                                                                                        \
    static da_status name(da_array **out)                                                                    \
    {                                                                                                        \
        (void)out;                                                                                           \
        return __VA_ARGS__;                                                                                  \
    }
OP(op_empty, da_empty(out, DA_F64, DA_SHAPE(ROWS, COLUMNS)))
OP(op_zeros, da_zeros(out, DA_F64, DA_SHAPE(ROWS, COLUMNS)))
OP(op_large, da_ones(out, DA_F64, getenv("DARRAY_TILE") ? DA_SHAPE(50, 20) : DA_SHAPE(500, 500)))
OP(op_arange, da_arange(out, DA_F64, 0, N, 1))
OP(op_linspace, da_linspace(out, DA_F64, 0, 1, N, true))
OP(op_eye, da_eye(out, DA_F64, ROWS, COLUMNS, 0))
OP(op_random, da_random_uniform(out, DA_F64, DA_SHAPE(ROWS, COLUMNS), 1))
OP(op_normal, da_random_normal(out, DA_F64, DA_SHAPE(ROWS, COLUMNS), 1))
OP(op_from_host, da_from_host(out, DA_F64, DA_SHAPE(ROWS, COLUMNS), buffer, DA_ROW_MAJOR))
OP(op_slice, DA_SLICE(out, a, DA_EVERY(-2), DA_AT(3)))
OP(op_permute, da_permute_dims(out, a, DA_AXES(1, 0)))
OP(op_flip, da_flip(out, a, DA_ALL))
OP(op_expand, da_expand_dims(out, a, 0))
OP(op_squeeze, da_squeeze(out, a, DA_ALL))
OP(op_broadcast, da_broadcast_to(out, a, DA_SHAPE(3, ROWS, COLUMNS)))
OP(op_reshape, da_reshape(out, a, DA_SHAPE(COLUMNS, ROWS)))
OP(op_copy, da_copy(out, a))
OP(op_astype, da_astype(out, a, DA_C64))
OP(op_wrap, da_wrap(out, DA_F64, DA_SHAPE(ROWS, COLUMNS), wrapped, DA_ROW_MAJOR, NULL, NULL))
OP(op_load_npy, da_load_npy(out, file))

static da_status op_concat(da_array **out)
{
    const da_array *const parts[] = {a, b, a};
    return da_concat(out, 3, parts, 1);
}

static da_status op_stack(da_array **out)
{
    const da_array *const parts[] = {a, b};
    return da_stack(out, 2, parts, 2);
}

static da_status op_to_host(da_array **out)
{
    double x[N];
    (void)out;
    memset(x, 0x77, sizeof x);
    const da_status status = da_to_host(a, x, sizeof x, DA_ROW_MAJOR);
    for (int i = 0; i < N; i++)
        if (status == DA_OK)
            ck_assert(x[i] == i);
        else
            ck_assert_uint_eq(((unsigned char *)x)[i], 0x77);
    return status;
}

static da_status op_read(da_array **out)
{
    double x[6] = {-1, -1, -1, -1, -1, -1};
    (void)out;
    const da_status status = da_read(a, DA_SHAPE(1, 1), DA_SHAPE(2, 3), x, DA_ROW_MAJOR);
    ck_assert(x[0] == (status == DA_OK ? COLUMNS + 1 : -1));
    return status;
}

static da_status op_item(da_array **out)
{
    DA_AUTO da_array *v = NULL;
    double x = -1;
    (void)out;
    DA_TRY(DA_SLICE(&v, a, DA_AT(1), DA_AT(1)));
    const da_status status = da_item(&x, v);
    ck_assert(x == (status == DA_OK ? COLUMNS + 1 : -1));
    return status;
}

static da_status op_map(da_array **out)
{
    void *data = NULL;
    int64_t strides[2];
    (void)out;
    DA_TRY(da_map(a, 0, &data, strides));
    ck_assert_ptr_nonnull(data);
    return da_unmap(a);
}

/* Writes what is there already; whether a failed write has changed anything is seen below. */
static da_status op_write(da_array **out)
{
    (void)out;
    return da_write(a, DA_SHAPE(0, 0), DA_SHAPE(ROWS, COLUMNS), buffer, DA_ROW_MAJOR);
}

static da_status op_write_view(da_array **out)
{
    static const double minus[] = {-1, -1, -1, -1};
    double x[4];
    DA_AUTO da_array *v = NULL;
    (void)out;
    DA_TRY(DA_SLICE(&v, a, DA_EVERY(-10), DA_EVERY(6)));
    const da_status status = da_write(v, DA_SHAPE(0, 0), DA_SHAPE(2, 2), minus, DA_ROW_MAJOR);
    atomic_store(&count.fail_at, INT64_MAX);
    ck_ok(da_read(v, DA_SHAPE(0, 0), DA_SHAPE(2, 2), x, DA_ROW_MAJOR));
    for (int i = 0; i < 4; i++)
        ck_assert((x[i] == -1) == (status == DA_OK));
    const double back[] = {19 * COLUMNS, 19 * COLUMNS + 6, 9 * COLUMNS, 9 * COLUMNS + 6};
    ck_ok(da_write(v, DA_SHAPE(0, 0), DA_SHAPE(2, 2), back, DA_ROW_MAJOR));
    return status;
}

static da_status op_string(da_array **out)
{
    char *s = NULL;
    (void)out;
    const da_status status = da_to_string(&s, a);
    ck_assert((s != NULL) == (status == DA_OK));
    da_string_free(s);
    return status;
}

static da_status op_save_npy(da_array **out)
{
    (void)out;
    return da_save_npy(file, a);
}

static da_status op_csv(da_array **out)
{
    char name[80];
    snprintf(name, sizeof name, "%s.csv", file);
    da_status status = da_save_csv(name, a, NULL);
    if (status == DA_OK)
        status = da_load_csv(out, name, 0);
    unlink(name);
    return status;
}

/* Two wraps that overlap, and work on both. */
static da_status op_overlapping_wraps(da_array **out)
{
    DA_AUTO da_array *low = NULL, *high = NULL;
    DA_TRY(da_wrap(&low, DA_F64, DA_SHAPE(N / 2 + 50), wrapped, DA_ROW_MAJOR, NULL, NULL));
    DA_TRY(da_wrap(&high, DA_F64, DA_SHAPE(N / 2), wrapped + N / 2, DA_ROW_MAJOR, NULL, NULL));
    DA_TRY(da_write(low, DA_SHAPE(N / 2), DA_SHAPE(1), buffer, DA_ROW_MAJOR));
    return da_copy(out, high);
}

static const struct {
    const char *name;
    da_status (*run)(da_array **out);
} operations[] = {
    {"empty", op_empty},
    {"zeros", op_zeros},
    {"ones, large", op_large},
    {"arange", op_arange},
    {"linspace", op_linspace},
    {"eye", op_eye},
    {"uniform", op_random},
    {"normal", op_normal},
    {"from_host", op_from_host},
    {"slice", op_slice},
    {"permute", op_permute},
    {"flip", op_flip},
    {"expand_dims", op_expand},
    {"squeeze", op_squeeze},
    {"broadcast_to", op_broadcast},
    {"reshape", op_reshape},
    {"copy", op_copy},
    {"astype", op_astype},
    {"wrap", op_wrap},
    {"concat", op_concat},
    {"stack", op_stack},
    {"to_host", op_to_host},
    {"read", op_read},
    {"item", op_item},
    {"map", op_map},
    {"write", op_write},
    {"write to a view", op_write_view},
    {"to_string", op_string},
    {"save_npy", op_save_npy},
    {"load_npy", op_load_npy},
    {"csv", op_csv},
    {"overlapping wraps", op_overlapping_wraps},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static void setup(void)
{
    const da_allocator hook = {counting_allocate, counting_release, &count};
    memset(&count, 0, sizeof count);
    atomic_store(&count.fail_at, INT64_MAX);
    atomic_store(&count.fail_to, INT64_MAX);
    ck_ok(da_shutdown());
    ck_ok(da_set_allocator(&hook));
    for (int i = 0; i < N; i++)
        buffer[i] = i;
    memcpy(wrapped, buffer, sizeof wrapped);
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(ROWS, COLUMNS), buffer, DA_ROW_MAJOR));
    ck_ok(da_astype(&b, a, DA_I32));
    strcpy(file, "/tmp/darray-bad-XXXXXX");
    close(mkstemp(file));
    ck_ok(da_save_npy(file, a));
    ck_ok(da_init(NULL, 0)); /* what the runtime takes to start is not in question here */
    ck_ok(da_wait_all());
}

static void teardown(void)
{
    atomic_store(&count.fail_at, INT64_MAX);
    unlink(file);
    da_array_release(&a);
    da_array_release(&b);
    ck_ok(da_shutdown());
    ck_ok(da_set_allocator(NULL));
    ck_assert_int_eq(count.blocks, 0);
    ck_assert_int_eq(count.bytes, 0);
}

static void check_inputs(const char *what)
{
    static double x[N];
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert_msg(x[i] == i, "after %s element %d is %g", what, i, x[i]);
}

START_TEST(every_allocation_fails)
{
    const bool once = _i % 2; /* only the k-th fails, or all from there on */
    const char *name = operations[_i / 2].name;
    int failures = 0;
    for (int k = 1;; k++) {
        da_array *const untouched = (da_array *)(uintptr_t)0x1234;
        da_array *out = untouched;
        ck_ok(da_wait_all());
        da_trim(); /* nothing kept for reuse helps */
        const int64_t next = atomic_load(&count.calls) + k;
        atomic_store(&count.fail_to, once ? next + 1 : INT64_MAX);
        atomic_store(&count.fail_at, next);
        const da_status status = operations[_i / 2].run(&out);
        const bool reached = atomic_load(&count.calls) >= next;
        atomic_store(&count.fail_at, INT64_MAX);
        if (status == DA_OK) {
            if (out != untouched)
                da_array_release(&out);
            if (!reached)
                break;
            continue; /* it was survived */
        }
        failures++;
        ck_assert_msg(status == DA_ERROR_MEMORY, "%s, allocation %d: %s: %s", name, k, da_status_name(status),
                      da_error());
        ck_assert_msg(strstr(da_error(), "memory") != NULL, "%s, allocation %d: %s", name, k, da_error());
        ck_assert_msg(out == untouched, "%s, allocation %d: the output was written", name, k);
        ck_assert_msg(k < 3000, "%s never succeeds", name);
        check_inputs(name);
    }
    check_inputs(name);
    if (getenv("DARRAY_TILE"))
        ck_assert_msg(failures > 0 || strcmp(name, "item") == 0 || strcmp(name, "read") == 0 || _i / 2 >= 9,
                      "%s takes no memory?", name);
}
END_TEST

/* ---- faults ---- */

/* An array that carries one: its Cholesky factor does not exist. */
static da_array *faulty(void)
{
    const double x[] = {1, 2, 2, 1};
    da_array *m, *l;
    ck_ok(da_from_host(&m, DA_F64, DA_SHAPE(2, 2), x, DA_ROW_MAJOR));
    ck_ok(da_cholesky(&l, m, DA_LOWER));
    da_array_release(&m);
    return l;
}
#define FAULT "leading minor 2 of 2 is not positive definite"

START_TEST(faults_are_reported)
{
    da_array *l = faulty(), *v, *c, *t;
    double x[4] = {7, 7, 7, 7}, d = 7;
    void *data = &d;
    int64_t strides[2];
    char *s = (char *)(uintptr_t)0x1234;
    ck_fails(da_wait(l), DA_ERROR_NUMERICAL, FAULT);
    ck_fails(da_to_host(l, x, sizeof x, DA_ROW_MAJOR), DA_ERROR_NUMERICAL, FAULT);
    ck_fails(da_read(l, DA_SHAPE(0, 0), DA_SHAPE(1, 1), x, DA_ROW_MAJOR), DA_ERROR_NUMERICAL, FAULT);
    ck_fails(da_map(l, 0, &data, strides), DA_ERROR_NUMERICAL, FAULT);
    ck_assert_ptr_eq(data, &d);
    ck_fails(da_to_string(&s, l), DA_ERROR_NUMERICAL, FAULT);
    ck_assert_ptr_eq(s, (char *)(uintptr_t)0x1234);
    ck_fails(da_save_npy("/tmp/darray-never-written", l), DA_ERROR_NUMERICAL, FAULT);
    ck_fails(da_save_csv("/tmp/darray-never-written", l, NULL), DA_ERROR_NUMERICAL, FAULT);
    ck_assert_int_ne(access("/tmp/darray-never-written", F_OK), 0);
    ck_ok(DA_SLICE(&v, l, DA_AT(0), DA_AT(0))); /* on a view of an element that is fine, too */
    ck_fails(da_item(&d, v), DA_ERROR_NUMERICAL, FAULT);
    ck_assert(d == 7 && x[0] == 7);
    /* inherited by what is computed from it */
    ck_ok(da_copy(&c, v));
    ck_fails(da_wait(c), DA_ERROR_NUMERICAL, FAULT);
    da_array_release(&c);
    ck_ok(da_astype(&c, l, DA_F32));
    ck_ok(da_reshape(&t, c, DA_SHAPE(4)));
    ck_fails(da_wait(t), DA_ERROR_NUMERICAL, FAULT);
    const da_array *const parts[] = {c, c};
    da_array_release(&t);
    ck_ok(da_concat(&t, 2, parts, 0));
    ck_fails(da_wait(t), DA_ERROR_NUMERICAL, FAULT);
    da_array_release(&t);
    da_array_release(&c);
    da_array_release(&v);
    da_array_release(&l);
}
END_TEST

START_TEST(overwriting_clears_a_fault)
{
    const double x[] = {1, 2, 3, 4};
    da_array *l = faulty(), *t;
    double y[4];
    /* a part merges, the whole clears, through any view that covers it */
    ck_ok(da_write(l, DA_SHAPE(0, 0), DA_SHAPE(2, 1), x, DA_ROW_MAJOR));
    ck_fails(da_wait(l), DA_ERROR_NUMERICAL, FAULT);
    ck_ok(da_matrix_transpose(&t, l));
    ck_ok(da_write(t, DA_SHAPE(0, 0), DA_SHAPE(2, 2), x, DA_ROW_MAJOR));
    ck_ok(da_wait(l));
    ck_ok(da_to_host(l, y, sizeof y, DA_COL_MAJOR));
    ck_assert_mem_eq(x, y, sizeof y);
    da_array_release(&t);
    da_array_release(&l);
}
END_TEST

static da_status fails(const da_call *call)
{
    return da_task_fail(call, "no luck with %d", 42);
}

START_TEST(failed_tasks_are_reported)
{
    static const da_codelet codelet = {.name = "unlucky", .cpu = fails, .nbuffers = 1};
    const double x[] = {1, 2, 3, 4};
    double y[4] = {7, 7, 7, 7};
    da_array *m, *c;
    ck_ok(da_zeros(&m, DA_F64, DA_SHAPE(2, 2)));
    ck_ok(DA_SPAWN(NULL, &codelet, DA_READ_WRITE(m)));
    ck_fails(da_wait(m), DA_ERROR_TASK, "no luck with 42");
    ck_fails(da_to_host(m, y, sizeof y, DA_ROW_MAJOR), DA_ERROR_TASK, "no luck with 42");
    ck_assert(y[0] == 7 && y[3] == 7);
    ck_ok(da_copy(&c, m));
    ck_fails(da_wait(c), DA_ERROR_TASK, "no luck with 42");
    da_array_release(&c);
    ck_ok(da_write(m, DA_SHAPE(0, 0), DA_SHAPE(2, 2), x, DA_ROW_MAJOR)); /* a full overwrite heals */
    ck_ok(da_to_host(m, y, sizeof y, DA_ROW_MAJOR));
    ck_assert_mem_eq(x, y, sizeof y);
    da_array_release(&m);
}
END_TEST

static da_status waits(const da_call *call)
{
    da_array *const *arrays = *(da_array *const *const *)call->values[0].data;
    double x[4];
    da_array *made = NULL;
    void *data;
    int64_t strides[2];
    char *s;
    ck_fails(da_wait(arrays[0]), DA_ERROR_STATE, "da_wait");
    ck_fails(da_to_host(arrays[0], x, sizeof x, DA_ROW_MAJOR), DA_ERROR_STATE, "da_to_host");
    ck_fails(da_write(arrays[0], DA_SHAPE(0, 0), DA_SHAPE(2, 2), x, DA_ROW_MAJOR), DA_ERROR_STATE,
             "da_write");
    ck_fails(da_map(arrays[0], 0, &data, strides), DA_ERROR_STATE, "da_map");
    ck_fails(da_to_string(&s, arrays[0]), DA_ERROR_STATE, "");
    /* making arrays is fine */
    memset(x, 0, sizeof x);
    ck_ok(da_from_host(&made, DA_F64, DA_SHAPE(2, 2), x, DA_ROW_MAJOR));
    da_array_release(&made);
    return DA_OK;
}

START_TEST(tasks_must_not_wait)
{
    static const da_codelet codelet = {
        .name = "waits", .cpu = waits, .nvalues = 1, .value_sizes = {sizeof(void *)}};
    da_array *m, **arrays = &m;
    DA_AUTO da_task *task = NULL;
    ck_ok(da_zeros(&m, DA_F64, DA_SHAPE(2, 2)));
    ck_ok(DA_SPAWN(&task, &codelet, DA_VALUE(arrays)));
    ck_ok(da_task_wait(task));
    da_array_release(&m);
}
END_TEST

DA_TEST_MAIN("badinput",
             ((da_test_case){"memory", (const TTest *const[]){every_allocation_fails, NULL}, 2 * OPERATIONS,
                             setup, teardown}),
             DA_CASE("faults", faults_are_reported, overwriting_clears_a_fault, failed_tasks_are_reported,
                     tasks_must_not_wait))
