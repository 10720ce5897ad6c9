/* The k-th allocation failing, for every k, in everything that arrays do: a status, outputs untouched, nothing lost, the library
 * usable. Faults that travel through copies and views, and are reported with outputs untouched. And wrong arguments of linear algebra:
 * each operand, output, flag and number of every function. */
#include "array_check.h"
#include <math.h>
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

/* ---- wrong arguments of linear algebra ---- */

enum { OUTS = 3, OPERANDS = 3, ORDER = 4 };

typedef struct arguments {
    da_array **out[OUTS];
    da_array *in[OPERANDS]; /* ORDER x ORDER, definite, of f64; pivots are ORDER of i64 */
    unsigned flags;
} arguments;

/* What is wrong in general is right for some. */
enum {
    ANY_SHAPE = 1 << 0,    /* of matrices */
    ANY_DTYPE = 1 << 1,    /* also different ones */
    INTEGERS = 1 << 2,     /* as well */
    ANY_SIZE = 1 << 3,     /* another check comes first */
    NO_BATCH = 1 << 4,     /* leading axes are none, or pivots would need them too */
    NO_PIVOTS = 1 << 5,    /* they may be null */
    WRITES_FIRST = 1 << 6, /* the first operand */
    WRITES_LAST = 1 << 7   /* the last one */
};

#define TRIANGLE (DA_UPPER | DA_LOWER)
#define TURN (DA_TRANSPOSE | DA_CONJ_TRANSPOSE)
#define OUT(i) g->out[i]
#define IN(i) g->in[i]

/* A function; how many outputs, and which of them must not be null (none: not all); its operands' names; the flags that it takes and what it
 * is called with; what is special; its arguments. */
#define FUNCTIONS(F)                                                                                         \
    F(da_matmul, 1, 1, ("a", "b"), 0, 0, INTEGERS, (OUT(0), IN(0), IN(1)))                                   \
    F(da_tensordot, 1, 1, ("a", "b"), 0, 0, INTEGERS | ANY_SIZE | NO_BATCH, (OUT(0), IN(0), IN(1), 1))       \
    F(da_tensordot_axes, 1, 1, ("a", "b"), 0, 0, INTEGERS | ANY_SIZE | NO_BATCH,                             \
      (OUT(0), IN(0), IN(1), DA_AXES(-1), DA_AXES(0)))                                                       \
    F(da_vecdot, 1, 1, ("a", "b"), 0, 0, ANY_DTYPE | ANY_SIZE | NO_BATCH, (OUT(0), IN(0), IN(1), -1))        \
    F(da_matrix_power, 1, 1, ("a"), 0, 0, INTEGERS | ANY_SIZE, (OUT(0), IN(0), 2))                           \
    F(da_cholesky, 1, 1, ("a"), TRIANGLE, 0, 0, (OUT(0), IN(0), g->flags))                                   \
    F(da_cholesky_inplace, 0, 0, ("a"), TRIANGLE, 0, WRITES_LAST, (IN(0), g->flags))                         \
    F(da_qr, 2, 0, ("a"), 0, 0, ANY_SHAPE, (OUT(0), OUT(1), IN(0)))                                          \
    F(da_qr_complete, 2, 0, ("a"), 0, 0, ANY_SHAPE, (OUT(0), OUT(1), IN(0)))                                 \
    F(da_lq, 2, 0, ("a"), 0, 0, ANY_SHAPE, (OUT(0), OUT(1), IN(0)))                                          \
    F(da_qr_pivoted, 3, 4, ("a"), 0, 0, ANY_SHAPE, (OUT(0), OUT(1), OUT(2), IN(0)))                          \
    F(da_solve_triangular, 1, 1, ("t", "b"), TRIANGLE | DA_UNIT | TURN | DA_RIGHT, DA_UPPER, 0,              \
      (OUT(0), IN(0), IN(1), g->flags))                                                                      \
    F(da_solve_triangular_inplace, 0, 0, ("t", "b"), TRIANGLE | DA_UNIT | TURN | DA_RIGHT, DA_UPPER,         \
      WRITES_LAST, (IN(0), IN(1), g->flags))                                                                 \
    F(da_lu, 2, 3, ("a"), 0, 0, ANY_SHAPE, (OUT(0), OUT(1), IN(0)))                                          \
    F(da_lu_inplace, 1, 1, ("a"), 0, 0, ANY_SHAPE | WRITES_LAST, (IN(0), OUT(0)))                            \
    F(da_lu_nopivot, 1, 1, ("a"), 0, 0, ANY_SHAPE, (OUT(0), IN(0)))                                          \
    F(da_lu_nopivot_inplace, 0, 0, ("a"), 0, 0, ANY_SHAPE | WRITES_LAST, (IN(0)))                            \
    F(da_lu_solve, 1, 1, ("lu", "pivots", "b"), TURN, 0, NO_BATCH | NO_PIVOTS,                               \
      (OUT(0), IN(0), IN(1), IN(2), g->flags))                                                               \
    F(da_solve, 1, 1, ("a", "b"), 0, 0, 0, (OUT(0), IN(0), IN(1)))                                           \
    F(da_solve_mixed, 1, 1, ("a", "b"), 0, 0, 0, (OUT(0), IN(0), IN(1)))                                     \
    F(da_solve_definite, 1, 1, ("a", "b"), TRIANGLE, 0, 0, (OUT(0), IN(0), IN(1), g->flags))                 \
    F(da_cholesky_solve, 1, 1, ("factor", "b"), TRIANGLE, 0, 0, (OUT(0), IN(0), IN(1), g->flags))            \
    F(da_ldl, 2, 3, ("a"), TRIANGLE | DA_TRANSPOSE, 0, 0, (OUT(0), OUT(1), IN(0), g->flags))                 \
    F(da_ldl_solve, 1, 1, ("ldl", "pivots", "b"), TRIANGLE | DA_TRANSPOSE, 0, NO_BATCH,                      \
      (OUT(0), IN(0), IN(1), IN(2), g->flags))                                                               \
    F(da_inv, 1, 1, ("a"), 0, 0, 0, (OUT(0), IN(0)))                                                         \
    F(da_det, 1, 1, ("a"), 0, 0, 0, (OUT(0), IN(0)))                                                         \
    F(da_slogdet, 2, 3, ("a"), 0, 0, 0, (OUT(0), OUT(1), IN(0)))                                             \
    F(da_rcond, 1, 1, ("a"), TRIANGLE, 0, 0, (OUT(0), IN(0), g->flags))                                      \
    F(da_lstsq, 1, 1, ("a", "b"), 0, 0, 0, (OUT(0), IN(0), IN(1)))                                           \
    F(da_lstsq_rank, 2, 1, ("a", "b"), 0, 0, 0, (OUT(0), OUT(1), IN(0), IN(1), -1))                          \
    F(da_eigh, 2, 0, ("a"), TRIANGLE, 0, 0, (OUT(0), OUT(1), IN(0), g->flags))                               \
    F(da_eigvalsh, 1, 1, ("a"), TRIANGLE, 0, 0, (OUT(0), IN(0), g->flags))                                   \
    F(da_eig, 2, 0, ("a"), 0, 0, 0, (OUT(0), OUT(1), IN(0)))                                                 \
    F(da_eigvals, 1, 1, ("a"), 0, 0, 0, (OUT(0), IN(0)))                                                     \
    F(da_svd, 3, 0, ("a"), DA_COMPLETE, 0, ANY_SHAPE, (OUT(0), OUT(1), OUT(2), IN(0), g->flags))             \
    F(da_svdvals, 1, 1, ("a"), 0, 0, ANY_SHAPE, (OUT(0), IN(0)))                                             \
    F(da_matrix_norm, 1, 1, ("a"), DA_KEEPDIMS, 0, ANY_SHAPE | INTEGERS | ANY_SIZE,                          \
      (OUT(0), IN(0), DA_NORM_FRO, g->flags))                                                                \
    F(da_cond, 1, 1, ("a"), 0, 0, 0, (OUT(0), IN(0), DA_NORM_1))                                             \
    F(da_pinv, 1, 1, ("a"), TRIANGLE, DA_LOWER, 0, (OUT(0), IN(0), -1, g->flags))                            \
    F(da_matrix_rank, 1, 1, ("a"), TRIANGLE, DA_UPPER, 0, (OUT(0), IN(0), -1, g->flags))                     \
    F(da_diagonal, 1, 1, ("a"), 0, 0, ANY_SHAPE | ANY_DTYPE | ANY_SIZE, (OUT(0), IN(0), 1))                  \
    F(da_trace, 1, 1, ("a"), 0, 0, ANY_SHAPE | INTEGERS | ANY_SIZE, (OUT(0), IN(0), 1))                      \
    F(da_gemm, 0, 0, ("c", "a", "b"), 0, 0, INTEGERS | WRITES_FIRST, (IN(0), 1, IN(1), IN(2), 0))            \
    F(da_symm, 0, 0, ("c", "a", "b"), TRIANGLE | DA_RIGHT, 0, WRITES_FIRST,                                  \
      (IN(0), 1, IN(1), IN(2), 0, g->flags))                                                                 \
    F(da_hemm, 0, 0, ("c", "a", "b"), TRIANGLE | DA_RIGHT, 0, WRITES_FIRST,                                  \
      (IN(0), 1, IN(1), IN(2), 0, g->flags))                                                                 \
    F(da_syrk, 0, 0, ("c", "a"), TRIANGLE | TURN, 0, WRITES_FIRST, (IN(0), 1, IN(1), 0, g->flags))           \
    F(da_herk, 0, 0, ("c", "a"), TRIANGLE | TURN, 0, WRITES_FIRST, (IN(0), 1, IN(1), 0, g->flags))           \
    F(da_syr2k, 0, 0, ("c", "a", "b"), TRIANGLE | TURN, 0, WRITES_FIRST,                                     \
      (IN(0), 1, IN(1), IN(2), 0, g->flags))                                                                 \
    F(da_her2k, 0, 0, ("c", "a", "b"), TRIANGLE | TURN, 0, WRITES_FIRST,                                     \
      (IN(0), 1, IN(1), IN(2), 0, g->flags))                                                                 \
    F(da_trmm, 0, 0, ("t", "b"), TRIANGLE | DA_UNIT | TURN | DA_RIGHT, DA_UPPER, WRITES_LAST,                \
      (IN(0), IN(1), 1, g->flags))                                                                           \
    F(da_trsm, 0, 0, ("t", "b"), TRIANGLE | DA_UNIT | TURN | DA_RIGHT, DA_LOWER, WRITES_LAST,                \
      (IN(0), IN(1), 1, g->flags))

#define NAMES(...)                                                                                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define CALL(function, outs, required, names, flags, needed, special, args)                                  \
    static da_status call_##function(const arguments *g)                                                     \
    {                                                                                                        \
        return function args;                                                                                \
    }
FUNCTIONS(CALL)

typedef struct function {
    const char *name;
    da_status (*call)(const arguments *);
    int outs;
    unsigned required;
    const char *operands[OPERANDS];
    unsigned flags, needed, special;
} function;

#define ROW(function, outs, required, names, flags, needed, special, args)                                   \
    {#function, call_##function, outs, required, NAMES names, flags, needed, special},
static const function functions[] = {FUNCTIONS(ROW)};
enum { NFUNCTIONS = sizeof functions / sizeof functions[0] };

static da_array *const untouched = (da_array *)(uintptr_t)0x1234;
static da_array *results[OUTS];

/* The call fails at once: function and text in its sentence, nothing submitted, no output set. */
static void check_refused(const function *f, const arguments *g, da_status expected, const char *text,
                          const char *what)
{
    da_stats before, after;
    da_status status;

    for (int i = 0; i < OUTS; i++)
        results[i] = untouched;
    da_get_stats(&before);
    status = f->call(g);
    da_get_stats(&after);
    ck_assert_msg(status == expected, "%s, %s: %s instead of %s: %s", f->name, what, da_status_name(status),
                  da_status_name(expected), status ? da_error() : "no error");
    ck_assert_msg(strncmp(da_error(), f->name, strlen(f->name)) == 0 && strstr(da_error(), text),
                  "%s, %s: \"%s\" does not tell \"%s\"", f->name, what, da_error(), text);
    for (int i = 0; i < OUTS; i++)
        ck_assert_msg(results[i] == untouched, "%s, %s: output %d was written", f->name, what, i);
    ck_assert_msg(before.tasks_submitted == after.tasks_submitted &&
                      before.tasks_inline == after.tasks_inline,
                  "%s, %s: a task was submitted", f->name, what);
}

/* Zeros. */
static da_array *zeros(da_dtype dtype, da_shape shape)
{
    da_array *z = NULL;

    ck_ok(da_zeros(&z, dtype, shape));
    return z;
}

/* Operand k wrong in every way. */
static void check_operand(const function *f, const arguments *good, int k)
{
    const char *const name = f->operands[k];
    const bool pivots = strcmp(name, "pivots") == 0, lone = f->operands[1] == NULL;
    const bool written = (f->special & WRITES_FIRST && k == 0) ||
                         (f->special & WRITES_LAST && (k + 1 == OPERANDS || !f->operands[k + 1]));
    const da_shape shape = pivots ? DA_SHAPE(ORDER) : DA_SHAPE(ORDER, ORDER);
    DA_AUTO da_array *half = zeros(DA_F16, shape), *ints = zeros(DA_I32, shape),
                     *single = zeros(DA_F32, shape);
    DA_AUTO da_array *vector = zeros(pivots ? DA_I64 : DA_F64, DA_SHAPE(3));
    DA_AUTO da_array *oblong = zeros(pivots ? DA_I64 : DA_F64, DA_SHAPE(3, 5));
    DA_AUTO da_array *point = zeros(DA_F64, DA_SHAPE(1, 1)), *huge = NULL, *shared = NULL;
    arguments g = *good;
    da_array *stale = NULL;
    char text[80];

    ck_ok(da_broadcast_to(&huge, point, DA_SHAPE(INT64_C(3000000000), ORDER)));
    ck_ok(da_broadcast_to(&shared, point, DA_SHAPE(ORDER, ORDER)));
    if (!(pivots && f->special & NO_PIVOTS)) {
        g.in[k] = NULL;
        snprintf(text, sizeof text, "%s is null", name);
        check_refused(f, &g, DA_ERROR_ARGUMENT, text, name);
    }
    ck_ok(da_copy(&stale, good->in[k]));
    g.in[k] = stale;
    da_array_release(&stale);
    snprintf(text, sizeof text, "%s was released", name);
    check_refused(f, &g, DA_ERROR_STALE, text, name);
    if (!(f->special & ANY_DTYPE)) {
        g.in[k] = half;
        check_refused(f, &g, DA_ERROR_DTYPE, "float16", name);
        g.in[k] = ints;
        if (!(f->special & INTEGERS && lone))
            check_refused(f, &g, DA_ERROR_DTYPE, "int32", name);
        g.in[k] = single;
        if (!lone)
            check_refused(f, &g, DA_ERROR_DTYPE, "float32", name);
    }
    g.in[k] = vector;
    check_refused(f, &g, DA_ERROR_SHAPE, "(3,)", name);
    g.in[k] = oblong;
    if (!(f->special & ANY_SHAPE))
        check_refused(f, &g, DA_ERROR_SHAPE, "(3, 5)", name);
    g.in[k] = shared;
    snprintf(text, sizeof text, "%s is a broadcast view", name);
    if (written)
        check_refused(f, &g, DA_ERROR_ARGUMENT, text, name);
    g.in[k] = huge;
    if (!written && !pivots && !(f->special & ANY_SIZE))
        check_refused(f, &g, DA_ERROR_OVERFLOW, "3000000000", name);
}

static void check_outs(const function *f, const arguments *good)
{
    arguments g = *good;

    for (int i = 0; i < f->outs; i++) {
        g.out[i] = NULL;
        if (f->required & 1u << i)
            check_refused(f, &g, DA_ERROR_ARGUMENT, "null", "an output");
        for (int j = 0; j < i; j++) {
            g.out[i] = g.out[j];
            check_refused(f, &g, DA_ERROR_ARGUMENT, "same pointer", "outputs");
        }
        g.out[i] = good->out[i];
    }
    if (f->outs > 0 && f->required == 0) {
        memset(g.out, 0, sizeof g.out);
        check_refused(f, &g, DA_ERROR_ARGUMENT, "neither", "outputs");
    }
}

static void check_flags(const function *f, const arguments *good)
{
    arguments g = *good;
    char text[20];

    for (unsigned flag = 1; flag <= 1u << 12 && f->flags; flag <<= 1) {
        g.flags = f->needed | flag;
        snprintf(text, sizeof text, "0x%x", flag);
        if (!(f->flags & flag))
            check_refused(f, &g, DA_ERROR_ARGUMENT, text, "flags");
    }
    g.flags = TRIANGLE;
    if ((f->flags & TRIANGLE) == TRIANGLE)
        check_refused(f, &g, DA_ERROR_ARGUMENT, "both DA_UPPER and DA_LOWER", "flags");
    g.flags = f->needed | TURN;
    if ((f->flags & TURN) == TURN)
        check_refused(f, &g, DA_ERROR_ARGUMENT, "both DA_TRANSPOSE and DA_CONJ_TRANSPOSE", "flags");
    g.flags = 0;
    if (f->flags & DA_UNIT) /* one of the triangles must be named */
        check_refused(f, &g, DA_ERROR_ARGUMENT, "neither DA_UPPER nor DA_LOWER", "flags");
}

START_TEST(wrong_arguments)
{
    const function *f = &functions[_i];
    static const int64_t rows[ORDER] = {0, 1, 2, 3};
    double values[ORDER * ORDER], after[ORDER * ORDER];
    DA_AUTO da_array *matrix = NULL, *pivots = NULL, *two = zeros(DA_F64, DA_SHAPE(2, ORDER, ORDER)),
                     *three = zeros(DA_F64, DA_SHAPE(3, ORDER, ORDER));
    arguments good = {{NULL}, {NULL}, f->needed}, g;

    for (int i = 0; i < ORDER * ORDER; i++)
        values[i] = i % (ORDER + 1) == 0 ? 7 : 1;
    ck_ok(da_from_host(&matrix, DA_F64, DA_SHAPE(ORDER, ORDER), values, DA_ROW_MAJOR));
    ck_ok(da_from_host(&pivots, DA_I64, DA_SHAPE(ORDER), rows, DA_ROW_MAJOR));
    for (int i = 0; i < f->outs; i++)
        good.out[i] = &results[i];
    for (int k = 0; k < OPERANDS && f->operands[k]; k++)
        good.in[k] = strcmp(f->operands[k], "pivots") == 0 ? pivots : matrix;

    for (int k = 0; k < OPERANDS && f->operands[k]; k++)
        check_operand(f, &good, k);
    check_outs(f, &good);
    check_flags(f, &good);
    if (f->operands[1] && !(f->special & NO_BATCH)) {
        g = good;
        g.in[0] = two;
        g.in[1] = three;
        check_refused(f, &g, DA_ERROR_SHAPE, "4, 4)", "leading axes");
    }
    ck_ok(da_to_host(matrix, after, sizeof after, DA_ROW_MAJOR));
    ck_assert_mem_eq(values, after, sizeof values);
    /* and with right ones it works, on copies of what it may write */
    for (int k = 0; k < OPERANDS && good.in[k]; k++) {
        da_array *const original = good.in[k];
        ck_ok(da_copy(&good.in[k], original));
    }
    ck_ok(f->call(&good));
    for (int i = 0; i < f->outs; i++) {
        ck_ok(da_wait(results[i]));
        da_array_release(&results[i]);
    }
    for (int k = 0; k < OPERANDS && good.in[k]; k++) {
        ck_ok(da_wait(good.in[k]));
        da_array_release(&good.in[k]);
    }
}
END_TEST

/* Numbers, axes and norms: the sentence has what was given. */
START_TEST(wrong_numbers)
{
    const da_scalar z = da_number_z_(CMPLX(1, 2));
    DA_AUTO da_array *s = zeros(DA_F64, DA_SHAPE(4, 4)), *c = zeros(DA_C128, DA_SHAPE(4, 4)),
                     *n = zeros(DA_U8, DA_SHAPE(4, 4)), *v = zeros(DA_F64, DA_SHAPE(3)),
                     *w = zeros(DA_F64, DA_SHAPE(5)), *t = zeros(DA_BOOL, DA_SHAPE(3)),
                     *h = zeros(DA_F16, DA_SHAPE(4, 4)), *r = zeros(DA_F64, DA_SHAPE(2, 4));
    da_array *out;

    ck_fails(da_gemm(s, z, s, s, 0), DA_ERROR_DTYPE,
             "da_gemm: alpha: float64 cannot hold the complex number 1+2i");
    ck_fails(da_gemm(s, 1, s, s, z), DA_ERROR_DTYPE,
             "da_gemm: beta: float64 cannot hold the complex number 1+2i");
    ck_fails(da_gemm(n, 300, n, n, 0), DA_ERROR_DTYPE, "da_gemm: alpha: uint8 cannot hold 300");
    ck_fails(da_gemm(n, 1, n, n, 0.5), DA_ERROR_DTYPE, "da_gemm: beta: uint8 cannot hold 0.5");
    ck_fails(da_symm(s, z, s, s, 0, 0), DA_ERROR_DTYPE, "da_symm: alpha");
    ck_fails(da_symm(s, 1, s, s, z, 0), DA_ERROR_DTYPE, "da_symm: beta");
    ck_fails(da_hemm(s, z, s, s, 0, 0), DA_ERROR_DTYPE, "da_hemm: alpha");
    ck_fails(da_syrk(s, z, s, 0, 0), DA_ERROR_DTYPE, "da_syrk: alpha");
    ck_fails(da_syrk(s, 1, s, z, 0), DA_ERROR_DTYPE, "da_syrk: beta");
    ck_fails(da_syr2k(s, z, s, s, 0, 0), DA_ERROR_DTYPE, "da_syr2k: alpha");
    ck_fails(da_syr2k(s, 1, s, s, z, 0), DA_ERROR_DTYPE, "da_syr2k: beta");
    ck_fails(da_herk(c, z, c, 0, 0), DA_ERROR_DTYPE, "da_herk: alpha is 1+2i; it must be real");
    ck_fails(da_herk(c, 1, c, z, 0), DA_ERROR_DTYPE, "da_herk: beta is 1+2i; it must be real");
    ck_fails(da_her2k(c, 1, c, c, z, 0), DA_ERROR_DTYPE, "da_her2k: beta is 1+2i; it must be real");
    ck_fails(da_her2k(s, z, s, s, 0, 0), DA_ERROR_DTYPE, "da_her2k: alpha");
    ck_fails(da_trmm(s, s, z, DA_LOWER), DA_ERROR_DTYPE, "da_trmm: alpha");
    ck_fails(da_trsm(s, s, z, DA_LOWER), DA_ERROR_DTYPE, "da_trsm: alpha");
    ck_makes_nothing(da_tensordot(&out, s, s, 3), out, DA_ERROR_INDEX, "3 axes");
    ck_makes_nothing(da_tensordot(&out, s, v, -1), out, DA_ERROR_INDEX, "-1 axes");
    ck_makes_nothing(da_tensordot_axes(&out, s, s, DA_AXES(2), DA_AXES(0)), out, DA_ERROR_INDEX, "2");
    ck_makes_nothing(da_tensordot_axes(&out, s, s, DA_AXES(0, 1), DA_AXES(-1, 1)), out, DA_ERROR_INDEX,
                     "twice");
    ck_makes_nothing(da_tensordot_axes(&out, h, h, DA_AXES(0), DA_AXES(1)), out, DA_ERROR_DTYPE,
                     "da_tensordot_axes: a is float16");
    ck_makes_nothing(da_vecdot(&out, s, s, -3), out, DA_ERROR_INDEX, "-3");
    ck_makes_nothing(da_vecdot(&out, s, r, -1), out, DA_ERROR_SHAPE,
                     "da_vecdot: a has shape (4, 4) and b has shape (2, 4); their axes -2 differ");
    ck_makes_nothing(da_vecdot(&out, s, v, -1), out, DA_ERROR_SHAPE, "(3,)");
    ck_makes_nothing(da_outer(&out, s, v), out, DA_ERROR_SHAPE, "(4, 4)");
    ck_makes_nothing(da_outer(&out, v, NULL), out, DA_ERROR_ARGUMENT, "da_outer: b is null");
    ck_makes_nothing(da_matrix_power(&out, n, -7), out, DA_ERROR_DTYPE,
                     "uint8, of which there is no power -7");
    ck_makes_nothing(da_lstsq_rank(&out, NULL, s, s, NAN), out, DA_ERROR_ARGUMENT, "da_lstsq_rank");
    ck_makes_nothing(da_matrix_norm(&out, s, (da_norm)99, 0), out, DA_ERROR_ARGUMENT, "99");
    ck_makes_nothing(da_cond(&out, s, (da_norm)99), out, DA_ERROR_ARGUMENT, "99");
    ck_makes_nothing(da_cross(&out, v, v, 1), out, DA_ERROR_INDEX, "1");
    ck_makes_nothing(da_cross(&out, v, w, 0), out, DA_ERROR_SHAPE, "(5,)");
    ck_makes_nothing(da_cross(&out, t, t, 0), out, DA_ERROR_DTYPE, "bool");
    ck_makes_nothing(da_cross(&out, v, NULL, 0), out, DA_ERROR_ARGUMENT, "da_cross: b is null");
    ck_makes_nothing(da_kron(&out, NULL, v), out, DA_ERROR_ARGUMENT, "da_kron: a is null");
    ck_fails(da_cross(NULL, v, v, 0), DA_ERROR_ARGUMENT, "da_cross");
    ck_fails(da_kron(NULL, v, v), DA_ERROR_ARGUMENT, "da_kron");
    ck_fails(da_outer(NULL, v, v), DA_ERROR_ARGUMENT, "da_outer");
    ck_ok(da_outer(&out, v, w));
    ck_ok(da_wait(out));
    da_array_release(&out);
}
END_TEST

/* QR and LQ factors: null, released, of the other kind. */
START_TEST(wrong_factors)
{
    DA_AUTO da_array *s = NULL, *shared = NULL, *point = zeros(DA_F64, DA_SHAPE(1, 1)),
                     *vector = zeros(DA_F64, DA_SHAPE(3)), *ints = zeros(DA_I32, DA_SHAPE(4, 4)),
                     *single = zeros(DA_F32, DA_SHAPE(4, 4)), *batch = zeros(DA_F64, DA_SHAPE(2, 4, 4)),
                     *oblong = zeros(DA_F64, DA_SHAPE(3, 5));
    da_qr_factors *const no_factors = (da_qr_factors *)(uintptr_t)0x1234;
    da_qr_factors *f = NULL, *g = NULL, *stale;
    da_array *out;

    ck_ok(da_eye(&s, DA_F64, 4, 4, 0));
    ck_ok(da_broadcast_to(&shared, point, DA_SHAPE(4, 4)));
    for (int i = 0; i < 3; i++) {
        da_status (*const make)(da_qr_factors **, const da_array *) = i ? da_lq_factor : da_qr_factor;
        const char *const name = i == 2 ? "da_qr_factor_inplace" : i ? "da_lq_factor" : "da_qr_factor";
        da_array *const wrong[] = {NULL, ints, vector, batch, shared};
        const da_status status[] = {DA_ERROR_ARGUMENT, DA_ERROR_DTYPE, DA_ERROR_SHAPE, DA_ERROR_SHAPE,
                                    DA_ERROR_ARGUMENT};
        const char *const text[] = {"a is null", "int32", "(3,)", "(2, 4, 4)", "a is a broadcast view"};

        for (int k = 0; k < (i == 2 ? 5 : 4); k++) {
            f = no_factors;
            ck_fails(i == 2 ? da_qr_factor_inplace(&f, wrong[k]) : make(&f, wrong[k]), status[k], text[k]);
            ck_assert_msg(strncmp(da_error(), name, strlen(name)) == 0, "%s: %s", name, da_error());
            ck_assert_ptr_eq(f, no_factors);
        }
        ck_fails(i == 2 ? da_qr_factor_inplace(NULL, s) : make(NULL, s), DA_ERROR_ARGUMENT, name);
    }
    ck_ok(da_qr_factor(&f, s));
    ck_ok(da_lq_factor(&g, s));
    ck_makes_nothing(da_qr_r(&out, NULL, 0), out, DA_ERROR_ARGUMENT, "da_qr_r: f is null");
    ck_makes_nothing(da_qr_q(&out, NULL, 0), out, DA_ERROR_ARGUMENT, "da_qr_q: f is null");
    ck_makes_nothing(da_lq_l(&out, NULL, 0), out, DA_ERROR_ARGUMENT, "da_lq_l: f is null");
    ck_makes_nothing(da_qr_apply(&out, NULL, s, 0), out, DA_ERROR_ARGUMENT, "da_qr_apply: f is null");
    ck_makes_nothing(da_qr_solve(&out, NULL, s), out, DA_ERROR_ARGUMENT, "da_qr_solve: f is null");
    ck_makes_nothing(da_qr_r(&out, g, 0), out, DA_ERROR_ARGUMENT, "da_qr_r");
    ck_makes_nothing(da_lq_l(&out, f, 0), out, DA_ERROR_ARGUMENT, "da_lq_l");
    ck_makes_nothing(da_qr_r(&out, f, DA_RIGHT), out, DA_ERROR_ARGUMENT, "0x40");
    ck_makes_nothing(da_qr_q(&out, g, DA_TRANSPOSE), out, DA_ERROR_ARGUMENT, "0x10");
    ck_makes_nothing(da_lq_l(&out, g, DA_UPPER), out, DA_ERROR_ARGUMENT, "0x2");
    ck_makes_nothing(da_qr_apply(&out, f, s, DA_COMPLETE), out, DA_ERROR_ARGUMENT, "0x80");
    ck_makes_nothing(da_qr_apply(&out, f, s, TURN), out, DA_ERROR_ARGUMENT, "both");
    ck_makes_nothing(da_qr_apply(&out, f, NULL, 0), out, DA_ERROR_ARGUMENT, "da_qr_apply: b is null");
    ck_makes_nothing(da_qr_apply(&out, g, oblong, 0), out, DA_ERROR_SHAPE, "(3, 5)");
    ck_makes_nothing(da_qr_apply(&out, f, vector, 0), out, DA_ERROR_SHAPE, "(3,)");
    ck_makes_nothing(da_qr_apply(&out, f, single, 0), out, DA_ERROR_DTYPE, "float32");
    ck_makes_nothing(da_qr_solve(&out, f, NULL), out, DA_ERROR_ARGUMENT, "da_qr_solve: b is null");
    ck_makes_nothing(da_qr_solve(&out, g, oblong), out, DA_ERROR_SHAPE, "(3, 5)");
    ck_makes_nothing(da_qr_solve(&out, f, single), out, DA_ERROR_DTYPE, "float32");
    ck_fails(da_qr_r(NULL, f, 0), DA_ERROR_ARGUMENT, "da_qr_r");
    ck_fails(da_qr_q(NULL, f, 0), DA_ERROR_ARGUMENT, "da_qr_q");
    ck_fails(da_lq_l(NULL, g, 0), DA_ERROR_ARGUMENT, "da_lq_l");
    ck_fails(da_qr_apply(NULL, f, s, 0), DA_ERROR_ARGUMENT, "da_qr_apply");
    ck_fails(da_qr_solve(NULL, f, s), DA_ERROR_ARGUMENT, "da_qr_solve");
    ck_ok(da_qr_solve(&out, f, s)); /* they are none the worse */
    ck_ok(da_wait(out));
    da_array_release(&out);
    stale = g;
    da_qr_factors_release(&g);
    ck_makes_nothing(da_lq_l(&out, stale, 0), out, DA_ERROR_STALE, "da_lq_l: f was released");
    ck_makes_nothing(da_qr_q(&out, stale, 0), out, DA_ERROR_STALE, "da_qr_q: f was released");
    ck_makes_nothing(da_qr_apply(&out, stale, s, 0), out, DA_ERROR_STALE, "da_qr_apply: f was released");
    ck_makes_nothing(da_qr_solve(&out, stale, s), out, DA_ERROR_STALE, "da_qr_solve: f was released");
    da_qr_factors_release(&f);
    da_qr_factors_release(&f); /* null by now */
    da_qr_factors_release(NULL);
}
END_TEST

DA_TEST_MAIN("badinput", DA_CASE_LOOP_WITH("memory", 2 * OPERATIONS, setup, teardown, every_allocation_fails),
             DA_CASE("faults", faults_are_reported, overwriting_clears_a_fault, failed_tasks_are_reported,
                     tasks_must_not_wait),
             DA_CASE_LOOP_WITH("arguments of linear algebra", NFUNCTIONS, setup, teardown, wrong_arguments),
             DA_CASE_WITH("linear algebra", setup, teardown, wrong_numbers, wrong_factors))
