/* Arrays over the user's memory. */
#include "array_check.h"
#include <pthread.h>
#include <stdatomic.h>

static _Atomic(int) done_calls;
static void *_Atomic done_data;

static void done(void *ctx, void *data)
{
    atomic_fetch_add(&done_calls, *(const int *)ctx);
    atomic_store(&done_data, data);
}

static const int one = 1;

/* Memory with sentinels around it. */
enum { MARGIN = 64, N = 600 };
static double memory[MARGIN + N + MARGIN];

static double *fresh_memory(void)
{
    for (int i = 0; i < MARGIN + N + MARGIN; i++)
        memory[i] = i < MARGIN || i >= MARGIN + N ? -7777 : i - MARGIN;
    atomic_store(&done_calls, 0);
    atomic_store(&done_data, NULL);
    return memory + MARGIN;
}

static void check_margins(void)
{
    for (int i = 0; i < MARGIN; i++)
        ck_assert(memory[i] == -7777 && memory[MARGIN + N + i] == -7777);
}

START_TEST(values_and_done)
{
    double *x = fresh_memory();
    da_array *a, *v;
    double zeros[6] = {0};
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(20, 30), x, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
    double y[600];
    ck_ok(da_to_host(a, y, sizeof y, DA_ROW_MAJOR));
    ck_assert_mem_eq(x, y, sizeof y);
    ck_ok(da_write(a, DA_SHAPE(18, 27), DA_SHAPE(2, 3), zeros, DA_ROW_MAJOR));
    ck_ok(da_wait(a));
    for (int i = 0; i < 20; i++)
        for (int j = 0; j < 30; j++)
            ck_assert(x[30 * i + j] == (i >= 18 && j >= 27 ? 0 : 30 * i + j));
    ck_ok(DA_SLICE(&v, a, DA_AT(0)));
    da_array_release(&a);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 0); /* the view has it */
    da_array_release(&v);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 1);
    ck_assert_ptr_eq(done_data, x);
    check_margins();
}
END_TEST

START_TEST(strides)
{
    double *x = fresh_memory();
    const int64_t back[] = {-30, 2}, gaps[] = {3, 200, 21};
    da_array *a;
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(3, 2), x + 90, DA_STRIDES(back), done, (void *)(uintptr_t)&one));
    ck_values(a, DA_SHAPE(3, 2), 90, 92, 60, 62, 30, 32);
    const double y[] = {1, 2, 3, 4, 5, 6};
    ck_ok(da_write(a, DA_SHAPE(0, 0), DA_SHAPE(3, 2), y, DA_ROW_MAJOR));
    ck_ok(da_wait(a));
    da_array_release(&a);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 1);
    ck_assert_ptr_eq(done_data, x + 90); /* what was given, not the lowest address */
    for (int i = 0; i < N; i++) {
        const double expected = i == 90   ? 1
                                : i == 92 ? 2
                                : i == 60 ? 3
                                : i == 62 ? 4
                                : i == 30 ? 5
                                : i == 32 ? 6
                                          : i;
        ck_assert(x[i] == expected);
    }
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(7, 2, 5), x + 100, DA_STRIDES(gaps), NULL, NULL));
    void *data;
    int64_t strides[3];
    ck_ok(da_map(a, 0, &data, strides));
    ck_assert_ptr_eq(data, x + 100);
    ck_assert(strides[0] == 3 && strides[1] == 200 && strides[2] == 21);
    ck_ok(da_unmap(a));
    da_array_release(&a);
    check_margins();
}
END_TEST

START_TEST(zero_copy)
{
    double *x = fresh_memory();
    da_array *a;
    void *data;
    int64_t strides[2];
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(10, 60), x, DA_COL_MAJOR, NULL, NULL));
    ck_ok(da_map(a, 0, &data, strides));
    ck_assert_ptr_eq(data, x);
    ck_assert(strides[0] == 1 && strides[1] == 10);
    x[11] = -1;
    ck_ok(da_unmap(a));
    double y;
    ck_ok(da_read(a, DA_SHAPE(1, 1), DA_SHAPE(1, 1), &y, DA_ROW_MAJOR));
    ck_assert(y == -1);
    da_array_release(&a);
}
END_TEST

START_TEST(layouts_that_share_addresses)
{
    double *x = fresh_memory();
    const int64_t zero[] = {5, 0}, overlap[] = {4, 1}, mixed[] = {3, 2}, three[] = {12, 4, 6},
                  huge[] = {INT64_MAX, 1}, least[] = {INT64_MIN, 1};
    da_array *a;
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3, 5), x, DA_STRIDES(zero), done, (void *)(uintptr_t)&one),
                     a, DA_ERROR_SHAPE,
                     "axis 1 of shape (3, 5) has stride 0, so its 5 elements share one address");
    ck_makes_nothing(
        da_wrap(&a, DA_F64, DA_SHAPE(3, 5), x, DA_STRIDES(overlap), NULL, NULL), a, DA_ERROR_SHAPE,
        "with stride 4 of axis 0 and stride 1 of axis 1, two elements of shape (3, 5) share an address");
    /* 3i + 2j meets itself from 3 x 4 on, not before */
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3, 4), x, DA_STRIDES(mixed), NULL, NULL), a, DA_ERROR_SHAPE,
                     "share an address");
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(2, 4), x, DA_STRIDES(mixed), NULL, NULL));
    ck_values(a, DA_SHAPE(2, 4), 0, 2, 4, 6, 3, 5, 7, 9);
    da_array_release(&a);
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(2, 4, 3), x, DA_STRIDES(three), NULL, NULL), a,
                     DA_ERROR_SHAPE, "share an address");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3, 5), x, DA_STRIDES(huge), NULL, NULL), a,
                     DA_ERROR_OVERFLOW, "stride 9223372036854775807 of axis 0 with extent 3");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(2, 5), x, DA_STRIDES(huge), NULL, NULL), a,
                     DA_ERROR_OVERFLOW, "64 bits");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(2, 5), x, DA_STRIDES(least), NULL, NULL), a,
                     DA_ERROR_OVERFLOW, "stride");
    /* an extent of 1 needs no stride */
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(1, 5), x, DA_STRIDES(((int64_t[]){0, 1})), NULL, NULL));
    ck_values(a, DA_SHAPE(1, 5), 0, 1, 2, 3, 4);
    da_array_release(&a);
    ck_assert_int_eq(done_calls, 0); /* what failed is not wrapped */
}
END_TEST

START_TEST(other_failures)
{
    double *x = fresh_memory();
    da_array *a;
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3), (char *)x + 4, DA_ROW_MAJOR, NULL, NULL), a,
                     DA_ERROR_ARGUMENT, "is not a multiple of 8, the alignment of float64");
    ck_ok(da_wrap(&a, DA_C64, DA_SHAPE(3), (char *)x + 4, DA_ROW_MAJOR, NULL, NULL)); /* two floats */
    da_array_release(&a);
    ck_makes_nothing(da_wrap(&a, DA_C128, DA_SHAPE(3), (char *)x + 4, DA_ROW_MAJOR, NULL, NULL), a,
                     DA_ERROR_ARGUMENT, "multiple of 8");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3), NULL, DA_ROW_MAJOR, NULL, NULL), a, DA_ERROR_ARGUMENT,
                     "data is null");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(3), x, (da_layout){0, NULL}, NULL, NULL), a,
                     DA_ERROR_ARGUMENT, "layout");
    ck_makes_nothing(da_wrap(&a, (da_dtype)0, DA_SHAPE(3), x, DA_ROW_MAJOR, NULL, NULL), a, DA_ERROR_DTYPE,
                     "0 is no dtype");
    ck_makes_nothing(da_wrap(&a, DA_F64, DA_SHAPE(-3), x, DA_ROW_MAJOR, NULL, NULL), a, DA_ERROR_SHAPE,
                     "negative");
    ck_makes_nothing(da_wrap(&a, DA_U8, DA_SHAPE(INT64_MAX), x, DA_ROW_MAJOR, NULL, NULL), a,
                     DA_ERROR_OVERFLOW, "address space");
}
END_TEST

START_TEST(empty_wraps)
{
    fresh_memory();
    da_array *a;
    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(0, 3), NULL, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
    ck_ok(da_wait(a));
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
    ck_assert_int_eq(done_calls, 1);
    ck_ok(da_wrap(&a, DA_F64, DA_SCALAR_SHAPE, memory + 3, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
    ck_values(a, DA_SCALAR_SHAPE, -7777);
    da_array_release(&a);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 2);
}
END_TEST

/* Chains of copies between overlapping wraps of one buffer must run in the order of the calls. */
START_TEST(overlapping_wraps_are_ordered)
{
    enum { LENGTH = 300, ROUNDS = 40 };
    double *x = fresh_memory();
    da_array *low, *high, *whole, *twin, *copy;
    double y[N], expected[N];
    memcpy(expected, x, sizeof expected);
    ck_ok(da_wrap(&whole, DA_F64, DA_SHAPE(N), x, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
    ck_ok(da_wrap(&twin, DA_F64, DA_SHAPE(N), x, DA_ROW_MAJOR, done,
                  (void *)(uintptr_t)&one)); /* the same layout */
    ck_ok(da_wrap(&low, DA_F64, DA_SHAPE(LENGTH), x + 100, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
    ck_ok(da_wrap(&high, DA_F64, DA_SHAPE(15, 20), x + 250, DA_COL_MAJOR, done, (void *)(uintptr_t)&one));
    for (int round = 0; round < ROUNDS; round++) {
        double value = -round;
        int64_t at = (round * 37) % (LENGTH - 50);
        /* written through one, read through another, without waiting in between */
        ck_ok(da_write(low, DA_SHAPE(at), DA_SHAPE(1), &value, DA_ROW_MAJOR));
        expected[100 + at] = value;
        ck_ok(da_copy(&copy, round % 2 ? whole : twin));
        ck_ok(da_write(high, DA_SHAPE(round % 15, 3), DA_SHAPE(1, 1), &value, DA_ROW_MAJOR));
        ck_ok(da_to_host(copy, y, sizeof y, DA_ROW_MAJOR));
        ck_assert_mem_eq(y, expected, sizeof y);
        expected[250 + round % 15 + 3 * 15] = value;
        da_array_release(&copy);
    }
    ck_ok(da_to_host(whole, y, sizeof y, DA_ROW_MAJOR));
    ck_assert_mem_eq(y, expected, sizeof y);
    ck_ok(da_wait(low));
    ck_ok(da_wait(high));
    ck_assert_mem_eq(x, expected, sizeof y);
    ck_assert_int_eq(done_calls, 0);
    da_array_release(&high);
    da_array_release(&low);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 2);
    da_array_release(&whole);
    da_array_release(&twin);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, 4);
    check_margins();
}
END_TEST

static da_status twice_cpu(const da_call *call)
{
    const da_buffer *b = call->buffers;
    for (int64_t j = 0; j < b->shape[1]; j++)
        for (int64_t i = 0; i < b->shape[0]; i++)
            ((double *)b->data)[i * b->strides[0] + j * b->strides[1]] *= 2;
    return DA_OK;
}

static da_status plus_one_cpu(const da_call *call)
{
    const da_buffer *b = call->buffers;
    for (int64_t j = 0; j < b->shape[1]; j++)
        for (int64_t i = 0; i < b->shape[0]; i++)
            ((double *)b->data)[i * b->strides[0] + j * b->strides[1]] += 1;
    return DA_OK;
}

static const da_codelet twice = {.name = "twice", .cpu = twice_cpu, .nbuffers = 1};
static const da_codelet plus_one = {.name = "plus_one", .cpu = plus_one_cpu, .nbuffers = 1};

/* The same without any waiting at all: asynchronous operations only. */
START_TEST(overlapping_wraps_chain)
{
    enum { SIDE = 200, STEPS = 30 };
    static double x[SIDE * SIDE];
    da_array *left, *right, *l, *joined;
    for (int i = 0; i < SIDE * SIDE; i++)
        x[i] = 1;
    /* two windows of 150 columns of one matrix, 100 of them in common */
    ck_ok(da_wrap(&left, DA_F64, DA_SHAPE(SIDE, 150), x, DA_COL_MAJOR, NULL, NULL));
    ck_ok(da_wrap(&right, DA_F64, DA_SHAPE(SIDE, 150), x + 50 * SIDE, DA_COL_MAJOR, NULL, NULL));
    for (int step = 0; step < STEPS; step++) {
        /* every element of the common columns doubles through one and then the other */
        ck_ok(DA_SPAWN(NULL, &twice, DA_READ_WRITE(left)));
        ck_ok(DA_SPAWN(NULL, &plus_one, DA_READ_WRITE(right)));
    }
    ck_ok(da_copy(&l, left));
    const da_array *const parts[] = {l, right};
    ck_ok(da_concat(&joined, 2, parts, 1));
    ck_ok(da_wait(joined));
    double common = 1, only_left = 1, only_right = 1;
    for (int step = 0; step < STEPS; step++) {
        common = common * 2 + 1;
        only_left *= 2;
        only_right += 1;
    }
    ck_ok(da_wait(left));
    ck_ok(da_wait(right));
    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++)
            ck_assert(x[i + SIDE * j] == (j < 50 ? only_left : j < 150 ? common : only_right));
    da_array_release(&joined);
    da_array_release(&l);
    da_array_release(&left);
    da_array_release(&right);
}
END_TEST

START_TEST(release_while_tasks_run)
{
    enum { SIDE = 700 };
    static double x[SIDE * SIDE];
    atomic_store(&done_calls, 0);
    for (int round = 0; round < 10; round++) {
        da_array *a, *b;
        for (int i = 0; i < SIDE * SIDE; i++)
            x[i] = i + round;
        ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(SIDE, SIDE), x, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
        ck_ok(da_copy(&b, a));
        da_array_release(&a); /* tasks still read the memory */
        double last;
        ck_ok(da_read(b, DA_SHAPE(SIDE - 1, SIDE - 1), DA_SHAPE(1, 1), &last, DA_ROW_MAJOR));
        ck_assert(last == SIDE * SIDE - 1 + round);
        ck_ok(da_wait(b));
        da_array_release(&b);
        ck_ok(da_wait_all());
        ck_assert_int_eq(done_calls, round + 1);
    }
}
END_TEST

/* Several threads wrap, use and let go of pieces of one buffer. */
static void *wrap_and_read(void *p)
{
    const int seed = *(const int *)p;
    for (int round = 0; round < 100; round++) {
        const int64_t at = (seed * 37 + round * 13) % 300, n = round % 3 ? 300 : 200;
        da_array *a, *b;
        double y[300];
        /* every third is the same for all threads */
        double *from = memory + MARGIN + (round % 3 ? at : 0);
        ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(n), from, DA_ROW_MAJOR, done, (void *)(uintptr_t)&one));
        ck_ok(da_copy(&b, a));
        da_array_release(&a);
        ck_ok(da_to_host(b, y, sizeof y, DA_ROW_MAJOR));
        ck_assert_mem_eq(y, from, (size_t)n * sizeof *y);
        da_array_release(&b);
    }
    return NULL;
}

START_TEST(threads)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    int seed[THREADS];
    fresh_memory();
    for (int i = 0; i < THREADS; i++) {
        seed[i] = i;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, wrap_and_read, &seed[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_ok(da_wait_all());
    ck_assert_int_eq(done_calls, THREADS * 100);
    check_margins();
}
END_TEST

DA_TEST_MAIN("wrap", DA_CASE("wraps", values_and_done, strides, zero_copy, empty_wraps),
             DA_CASE("refused", layouts_that_share_addresses, other_failures),
             DA_CASE("overlap", overlapping_wraps_are_ordered, overlapping_wraps_chain),
             DA_CASE("release", release_while_tasks_run, threads))
