/* Exchange with the host: buffers in any layout, regions, maps, single elements. */
#include "array_check.h"
#include <pthread.h>

/* Bytes that mean something in every dtype. */
static void fill_bytes(unsigned char *p, size_t n, da_dtype dtype)
{
    for (size_t i = 0; i < n; i++)
        p[i] = dtype == DA_BOOL ? (unsigned char)(i % 3 == 0) : (unsigned char)(i * 7 + i / 251);
}

START_TEST(round_trips)
{
    const da_dtype dtype = (da_dtype)(_i + 1);
    const size_t size = da_dtype_size(dtype), n = 5 * 7 * 3;
    unsigned char in[5 * 7 * 3 * 16], out[sizeof in], turned[sizeof in];
    da_array *a, *b;
    fill_bytes(in, n * size, dtype);
    ck_ok(da_from_host(&a, dtype, DA_SHAPE(5, 7, 3), in, DA_ROW_MAJOR));
    memset(out, 0xee, sizeof out);
    ck_ok(da_to_host(a, out, n * size, DA_ROW_MAJOR));
    ck_assert_mem_eq(in, out, n * size);
    for (size_t i = n * size; i < sizeof out; i++)
        ck_assert_uint_eq(out[i], 0xee);
    /* column-major is the transpose */
    ck_ok(da_to_host(a, turned, n * size, DA_COL_MAJOR));
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 7; j++)
            for (size_t k = 0; k < 3; k++)
                ck_assert_mem_eq(turned + (i + 5 * (j + 7 * k)) * size, in + ((i * 7 + j) * 3 + k) * size,
                                 size);
    ck_ok(da_from_host(&b, dtype, DA_SHAPE(5, 7, 3), turned, DA_COL_MAJOR));
    ck_ok(da_to_host(b, out, n * size, DA_ROW_MAJOR));
    ck_assert_mem_eq(in, out, n * size);
    da_array_release(&b);
    da_array_release(&a);
}
END_TEST

START_TEST(strided_buffers)
{
    const int64_t strides[] = {-8, 2};
    int32_t in[40], out[40];
    da_array *a;
    for (int i = 0; i < 40; i++)
        in[i] = i;
    ck_ok(da_from_host(&a, DA_I32, DA_SHAPE(4, 3), in + 25, DA_STRIDES(strides)));
    ck_values(a, DA_SHAPE(4, 3), 25, 27, 29, 17, 19, 21, 9, 11, 13, 1, 3, 5);
    for (int i = 0; i < 40; i++)
        out[i] = -1;
    ck_ok(da_to_host(a, out + 25, 0, DA_STRIDES(strides)));
    for (int i = 0; i < 40; i++) { /* nothing between the elements is touched */
        const bool element = i <= 29 && i % 8 % 2 == 1 && i % 8 <= 5;
        ck_assert_int_eq(out[i], element ? i : -1);
    }
    da_array_release(&a);
}
END_TEST

START_TEST(the_buffer_may_be_reused)
{
    enum { N = 1 << 20 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    da_array *a;
    for (int i = 0; i < N; i++)
        x[i] = i;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(1024, 1024), x, DA_ROW_MAJOR));
    memset(x, 0xff, N * sizeof *x);
    ck_ok(da_to_host(a, y, N * sizeof *y, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert(y[i] == i);
    ck_ok(da_write(a, DA_SHAPE(0, 0), DA_SHAPE(1024, 1024), y, DA_COL_MAJOR));
    memset(y, 0xff, N * sizeof *y);
    ck_ok(da_to_host(a, x, N * sizeof *x, DA_COL_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert(x[i] == i);
    da_array_release(&a);
    free(x);
    free(y);
}
END_TEST

START_TEST(regions)
{
    double x[12], y[6] = {-1, -2, -3, -4, -5, -6};
    da_array *a = counted(DA_F64, DA_SHAPE(4, 5));
    ck_ok(da_read(a, DA_SHAPE(1, 2), DA_SHAPE(2, 3), x, DA_ROW_MAJOR));
    ck_assert(x[0] == 7 && x[1] == 8 && x[2] == 9 && x[3] == 12 && x[5] == 14);
    ck_ok(da_write(a, DA_SHAPE(2, 0), DA_SHAPE(2, 3), y, DA_COL_MAJOR));
    ck_values(a, DA_SHAPE(4, 5), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -3, -5, 13, 14, -2, -4, -6, 18, 19);
    ck_ok(da_read(a, DA_SHAPE(4, 5), DA_SHAPE(0, 0), NULL, DA_ROW_MAJOR));
    ck_ok(da_write(a, DA_SHAPE(4, 0), DA_SHAPE(0, 5), NULL, DA_ROW_MAJOR));
    ck_fails(da_read(a, DA_SHAPE(1, 2), DA_SHAPE(2, 4), x, DA_ROW_MAJOR), DA_ERROR_INDEX,
             "the box of extents (2, 4) at (1, 2) does not lie in shape (4, 5)");
    ck_fails(da_read(a, DA_SHAPE(-1, 2), DA_SHAPE(2, 3), x, DA_ROW_MAJOR), DA_ERROR_INDEX, "(-1, 2)");
    ck_fails(da_read(a, DA_SHAPE(1), DA_SHAPE(2), x, DA_ROW_MAJOR), DA_ERROR_INDEX, "(2,) at (1,)");
    ck_fails(da_write(a, DA_SHAPE(5, 0), DA_SHAPE(0, 0), x, DA_ROW_MAJOR), DA_ERROR_INDEX, "(5, 0)");
    ck_fails(da_write(a, DA_SHAPE(1, 1), DA_SHAPE(INT64_MAX, 1), x, DA_ROW_MAJOR), DA_ERROR_INDEX,
             "does not lie");
    ck_fails(da_write(a, DA_SHAPE(0, 0), DA_SHAPE(1, -1), x, DA_ROW_MAJOR), DA_ERROR_INDEX, "(1, -1)");
    ck_fails(da_read(a, DA_SHAPE(0, 0), DA_SHAPE(1, 1), NULL, DA_ROW_MAJOR), DA_ERROR_ARGUMENT,
             "da_read: data is null");
    ck_fails(da_write(a, DA_SHAPE(0, 0), DA_SHAPE(1, 1), NULL, DA_ROW_MAJOR), DA_ERROR_ARGUMENT,
             "da_write: data is null");
    ck_fails(da_read(a, (da_shape){40, {0}}, DA_SHAPE(1, 1), x, DA_ROW_MAJOR), DA_ERROR_INDEX,
             "start has 40 dimensions");
    da_array_release(&a);
}
END_TEST

START_TEST(buffers_that_fail)
{
    double x[12];
    da_array *a, *b;
    ck_makes_nothing(da_from_host(&b, DA_F64, DA_SHAPE(2), NULL, DA_ROW_MAJOR), b, DA_ERROR_ARGUMENT,
                     "data is null");
    ck_makes_nothing(da_from_host(&b, DA_F64, DA_SHAPE(2), x, (da_layout){0, NULL}), b, DA_ERROR_ARGUMENT,
                     "the layout is none");
    ck_makes_nothing(da_from_host(&b, DA_F64, DA_SHAPE(2), x, DA_STRIDES(NULL)), b, DA_ERROR_ARGUMENT,
                     "strides are null");
    ck_makes_nothing(da_from_host(&b, (da_dtype)16, DA_SHAPE(2), x, DA_ROW_MAJOR), b, DA_ERROR_DTYPE,
                     "16 is no dtype");
    ck_makes_nothing(da_from_host(&b, DA_F64, DA_SHAPE(-2), x, DA_ROW_MAJOR), b, DA_ERROR_SHAPE, "negative");
    a = counted(DA_F64, DA_SHAPE(3, 4));
    memset(x, 0x55, sizeof x);
    ck_fails(da_to_host(a, x, 95, DA_ROW_MAJOR), DA_ERROR_SHAPE,
             "a buffer of 95 bytes is too small for shape (3, 4) of float64, which takes 96");
    ck_fails(da_to_host(a, NULL, 96, DA_ROW_MAJOR), DA_ERROR_ARGUMENT, "data is null");
    ck_fails(da_to_host(a, x, 96, (da_layout){4, NULL}), DA_ERROR_ARGUMENT, "layout");
    for (size_t i = 0; i < sizeof x; i++)
        ck_assert_uint_eq(((unsigned char *)x)[i], 0x55);
    da_array_release(&a);
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(0, 4), NULL, DA_ROW_MAJOR));
    ck_ok(da_to_host(a, NULL, 0, DA_ROW_MAJOR));
    da_array_release(&a);
}
END_TEST

START_TEST(items)
{
    da_array *a;
    double d = 77;
    float f = 77;
    int64_t i = 77;
    uint64_t u = 77;
    bool b = true;
    da_c128 z = {77, 77};
    ck_ok(da_full(&a, DA_F32, DA_SHAPE(1, 1), -2.75));
    ck_ok(da_item(&d, a));
    ck_ok(da_item(&f, a));
    ck_ok(da_item(&i, a));
    ck_ok(da_item(&z, a));
    ck_ok(da_item(&b, a));
    ck_assert(d == -2.75 && f == -2.75f && i == -2 && z.re == -2.75 && z.im == 0 && b);
    u = 77;
    ck_fails(da_item(&u, a), DA_ERROR_OVERFLOW, "-2.75 does not fit uint64");
    ck_assert_uint_eq(u, 77);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_C64, DA_SCALAR_SHAPE, 1 + 2 * I));
    ck_ok(da_item(&z, a));
    ck_assert(z.re == 1 && z.im == 2);
    ck_fails(da_item(&d, a), DA_ERROR_DTYPE, "the complex number 1+2i does not convert");
    ck_assert(d == -2.75);
    ck_ok(da_item(&b, a));
    da_array_release(&a);
    ck_ok(da_full(&a, DA_F64, DA_SCALAR_SHAPE, 1e300));
    ck_fails(da_item(&f, a), DA_ERROR_OVERFLOW, "does not fit float32");
    ck_fails(da_item(&i, a), DA_ERROR_OVERFLOW, "does not fit int64");
    da_array_release(&a);
    ck_ok(da_full(&a, DA_F64, DA_SCALAR_SHAPE, (double)NAN));
    ck_ok(da_item(&f, a));
    ck_assert(isnan(f));
    ck_fails(da_item(&i, a), DA_ERROR_OVERFLOW, "nan does not fit int64");
    ck_ok(da_item(&b, a));
    ck_assert(b);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_U64, DA_SCALAR_SHAPE, UINT64_MAX));
    ck_fails(da_item(&i, a), DA_ERROR_OVERFLOW, "18446744073709551615 does not fit int64");
    ck_ok(da_item(&u, a));
    ck_assert_uint_eq(u, UINT64_MAX);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_I8, DA_SCALAR_SHAPE, -1));
    ck_fails(da_item(&u, a), DA_ERROR_OVERFLOW, "-1 does not fit uint64");
    ck_ok(da_item(&d, a));
    ck_assert(d == -1);
    da_array_release(&a);
    ck_ok(da_full(&a, DA_BOOL, DA_SCALAR_SHAPE, true));
    ck_ok(da_item(&i, a));
    ck_assert_int_eq(i, 1);
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(2, 3)));
    ck_fails(da_item(&d, a), DA_ERROR_SHAPE, "an array of shape (2, 3) has 6 elements, not one");
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(0)));
    ck_fails(da_item(&d, a), DA_ERROR_SHAPE, "0 elements");
    ck_fails(da_item_f64(NULL, a), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_item(&d, NULL), DA_ERROR_ARGUMENT, "da_item_f64: a is null");
    da_array_release(&a);
}
END_TEST

START_TEST(maps)
{
    da_array *a = counted(DA_F64, DA_SHAPE(6, 5)), *v;
    void *data;
    int64_t strides[2];
    double *x;
    ck_ok(DA_SLICE(&v, a, DA_EVERY(-2), DA_RANGE(1, 4)));
    ck_ok(da_map(v, 0, &data, strides));
    x = data;
    for (int64_t i = 0; i < 3; i++)
        for (int64_t j = 0; j < 3; j++) {
            ck_assert(x[i * strides[0] + j * strides[1]] == (double)((5 - 2 * i) * 5 + 1 + j));
            x[i * strides[0] + j * strides[1]] = -1;
        }
    ck_ok(da_unmap(v));
    ck_fails(da_unmap(v), DA_ERROR_STATE, "not mapped through this handle");
    ck_values(v, DA_SHAPE(3, 3), -1, -1, -1, -1, -1, -1, -1, -1, -1);
    ck_ok(da_map(a, DA_READ_ONLY, &data, strides));
    ck_ok(da_map(v, DA_READ_ONLY, &data, strides));
    ck_fails(da_map(a, 0, &data, strides), DA_ERROR_STATE, "mapped by this thread");
    ck_ok(da_unmap(a));
    ck_ok(da_unmap(v));
    ck_fails(da_map(a, 7, &data, strides), DA_ERROR_ARGUMENT, "only DA_READ_ONLY is allowed");
    ck_fails(da_map(a, 0, NULL, strides), DA_ERROR_ARGUMENT, "pointer for the address is null");
    ck_fails(da_map(a, 0, &data, NULL), DA_ERROR_ARGUMENT, "pointer for the strides is null");
    ck_fails(da_map(NULL, 0, &data, strides), DA_ERROR_ARGUMENT, "da_map: a is null");
    da_array_release(&v);
    da_array_release(&a);
}
END_TEST

START_TEST(what_waits_for_a_map_of_ones_own)
{
    const double one[] = {1};
    da_array *a = counted(DA_F64, DA_SHAPE(9, 9)), *b;
    double x[81];
    void *data;
    int64_t strides[2];
    ck_ok(da_map(a, 0, &data, strides));
    ck_fails(da_wait(a), DA_ERROR_STATE, "da_wait: the array is mapped by this thread");
    ck_fails(da_to_host(a, x, sizeof x, DA_ROW_MAJOR), DA_ERROR_STATE, "mapped by this thread");
    ck_fails(da_write(a, DA_SHAPE(0, 0), DA_SHAPE(1, 1), one, DA_ROW_MAJOR), DA_ERROR_STATE,
             "mapped by this thread");
    ck_ok(da_copy(&b, a)); /* will wait, not we */
    *(double *)data = 5;
    ck_ok(da_unmap(a));
    ck_ok(da_to_host(b, x, sizeof x, DA_ROW_MAJOR));
    ck_assert(x[0] == 5 && x[80] == 80);
    da_array_release(&b);
    /* a read-only one lets others read, us too */
    ck_ok(da_map(a, DA_READ_ONLY, &data, strides));
    ck_ok(da_to_host(a, x, sizeof x, DA_ROW_MAJOR));
    ck_assert(x[0] == 5);
    ck_ok(da_copy(&b, a));
    ck_ok(da_wait(b));
    da_array_release(&b);
    /* released while mapped: the map ends */
    ck_ok(da_array_retain(&b, a));
    da_array_release(&b);
    ck_ok(DA_SLICE(&b, a, DA_FROM(3)));
    ck_ok(da_unmap(a));
    ck_ok(da_map(b, 0, &data, strides));
    da_array_release(&b);
    ck_ok(da_wait(a));
    da_array_release(&a);
}
END_TEST

/* Waiting for oneself through other arrays, overlapping wraps, or everything. */
START_TEST(what_waits_for_a_map_of_ones_own_indirectly)
{
    static double buffer[100];
    static const char sentence[] = "mapped by this thread";
    da_array *a, *b, *x = NULL, *y = NULL;
    DA_AUTO da_array *other = NULL;
    void *data;
    int64_t strides[1];
    double sum;

    ck_ok(da_wrap(&a, DA_F64, DA_SHAPE(50), buffer, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_wrap(&b, DA_F64, DA_SHAPE(50), buffer + 25, DA_ROW_MAJOR, NULL, NULL));
    ck_ok(da_map(_i ? b : a, 0, &data, strides));
    ck_ok(da_wait_all()); /* nothing is behind the map yet */
    if (_i) {
        ck_fails(da_map(a, 0, &data, strides), DA_ERROR_STATE, sentence);
        ck_ok(da_wait(a));
    }
    ck_ok(da_assign(a, 1));
    ck_ok(da_eval(&x, da_add(a, 1)));
    ck_ok(da_eval(&y, da_multiply(x, 2)));
    ck_fails(da_wait(x), DA_ERROR_STATE, sentence);
    ck_fails(da_wait(y), DA_ERROR_STATE, sentence);
    ck_fails(da_wait(a), DA_ERROR_STATE, sentence);
    ck_fails(da_sum_all(&sum, a), DA_ERROR_STATE, sentence);
    ck_fails(da_sum_all(&sum, da_add(y, 1)), DA_ERROR_STATE, sentence);
    ck_fails(da_map(y, DA_READ_ONLY, &data, strides), DA_ERROR_STATE, sentence);
    ck_fails(da_wait_all(), DA_ERROR_STATE, sentence);
    ck_fails(da_shutdown(), DA_ERROR_STATE, sentence);
    /* what is not behind it can be waited for */
    ck_ok(da_full(&other, DA_F64, DA_SHAPE(9), 3));
    ck_ok(da_sum_all(&sum, da_multiply(other, 2)));
    ck_assert_double_eq(sum, 54);
    ck_ok(da_unmap(_i ? b : a));
    ck_ok(da_sum_all(&sum, y));
    ck_assert_double_eq(sum, 200);
    ck_ok(da_wait_all());
    da_array_release(&a);
    da_array_release(&b);
    da_array_release(&x);
    da_array_release(&y);
}
END_TEST

static pthread_barrier_t meeting;

static void *copy_meanwhile(void *p)
{
    da_array **arrays = p;
    ck_ok(da_copy(&arrays[1], arrays[0]));
    ck_ok(da_wait(arrays[1]));
    return NULL;
}

START_TEST(others_wait_for_a_map)
{
    da_array *arrays[2] = {counted(DA_F64, DA_SHAPE(9)), NULL};
    void *data;
    int64_t strides[1];
    pthread_t thread;
    ck_ok(da_map(arrays[0], 0, &data, strides));
    ck_assert_int_eq(pthread_create(&thread, NULL, copy_meanwhile, arrays), 0);
    for (int i = 0; i < 9; i++)
        ((double *)data)[i * strides[0]] = -1;
    ck_ok(da_unmap(arrays[0]));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    /* the copy came before the writes or after them, not in between */
    double x[9];
    ck_ok(da_to_host(arrays[1], x, sizeof x, DA_ROW_MAJOR));
    for (int i = 1; i < 9; i++)
        ck_assert((x[i] == -1) == (x[0] == -1));
    da_array_release(&arrays[0]);
    da_array_release(&arrays[1]);
}
END_TEST

/* Two threads that read: each ends its own map, whoever came first. */
static void *map_and_wait(void *p)
{
    da_array *a = p, *b;
    void *data;
    int64_t strides[1];
    double x[9];
    ck_ok(da_map(a, DA_READ_ONLY, &data, strides));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* the other has its map as well */
    ck_ok(da_unmap(a));
    ck_ok(da_assign(a, 7)); /* waits for the other's map, not for one of ours */
    ck_ok(da_eval(&b, da_add(a, 1)));
    pthread_barrier_wait(&meeting);
    ck_ok(da_to_host(b, x, sizeof x, DA_ROW_MAJOR));
    ck_assert(x[0] == 8 && x[8] == 8);
    da_array_release(&b);
    return NULL;
}

START_TEST(readers_end_their_own_maps)
{
    da_array *const a = counted(DA_F64, DA_SHAPE(9));
    da_array *other = a;
    void *data;
    int64_t strides[1];
    pthread_t thread;
    if (_i)
        ck_ok(da_array_retain(&other, a)); /* through a handle of its own */
    pthread_barrier_init(&meeting, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, map_and_wait, a), 0);
    pthread_barrier_wait(&meeting);
    ck_ok(da_map(other, DA_READ_ONLY, &data, strides));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* its tasks wait for our map */
    ck_fails(da_wait(a), DA_ERROR_STATE, "mapped by this thread");
    ck_assert(*(double *)data == 0);
    ck_ok(da_unmap(other));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_ok(da_wait_all());
    pthread_barrier_destroy(&meeting);
    if (_i)
        da_array_release(&other);
    other = a;
    da_array_release(&other);
}
END_TEST

DA_TEST_MAIN("host", DA_CASE_LOOP("dtypes", DTYPES, round_trips),
             DA_CASE("buffers", strided_buffers, the_buffer_may_be_reused, regions, buffers_that_fail),
             DA_CASE("items", items),
             DA_CASE_LOOP("maps of one's own", 2, what_waits_for_a_map_of_ones_own_indirectly),
             DA_CASE("maps", maps, what_waits_for_a_map_of_ones_own, others_wait_for_a_map),
             DA_CASE_LOOP("two readers", 2, readers_end_their_own_maps))
