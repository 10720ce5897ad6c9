/* Views and what is made of them; numpy_compare.py does more of it at random. */
#include "array_check.h"

START_TEST(slices)
{
    da_array *a = counted(DA_F64, DA_SHAPE(4, 5)), *v, *w;
    ck_ok(DA_SLICE(&v, a, DA_RANGE(1, 3), DA_EVERY(2)));
    ck_values(v, DA_SHAPE(2, 3), 5, 7, 9, 10, 12, 14);
    da_array_release(&v);
    ck_ok(DA_SLICE(&v, a, DA_EVERY(-1), DA_AT(-1)));
    ck_values(v, DA_SHAPE(4), 19, 14, 9, 4);
    ck_ok(DA_SLICE(&w, v, DA_RANGE_STEP(3, 0, -2)));
    ck_values(w, DA_SHAPE(2), 4, 14);
    da_array_release(&w);
    da_array_release(&v);
    ck_ok(DA_SLICE(&v, a, DA_ELLIPSIS, DA_NEWAXIS, DA_RANGE(-2, 100)));
    ck_values(v, DA_SHAPE(4, 1, 2), 3, 4, 8, 9, 13, 14, 18, 19);
    da_array_release(&v);
    ck_ok(DA_SLICE(&v, a, DA_FROM(3), DA_UNTIL(1)));
    ck_values(v, DA_SHAPE(1, 1), 15);
    da_array_release(&v);
    ck_ok(DA_SLICE(&v, a, DA_RANGE(3, 1)));
    ck_assert_int_eq(da_array_size(v), 0);
    ck_assert_int_eq(da_array_shape(v).dim[1], 5);
    da_array_release(&v);
    ck_ok(da_slice(&v, a, 0, NULL));
    ck_assert_int_eq(da_array_size(v), 20);
    da_array_release(&v);
    ck_ok(DA_SLICE(&v, a, DA_RANGE_STEP(INT64_MAX, INT64_MIN, INT64_MIN), DA_EVERY(INT64_MAX)));
    ck_values(v, DA_SHAPE(1, 1), 15);
    da_array_release(&v);
    da_array_release(&a);
}
END_TEST

START_TEST(slices_that_fail)
{
    da_array *a = counted(DA_F64, DA_SHAPE(4, 5)), *v, *many;
    ck_makes_nothing(DA_SLICE(&v, a, DA_AT(4)), v, DA_ERROR_INDEX,
                     "index 4 is out of bounds for axis 0 with extent 4");
    ck_makes_nothing(DA_SLICE(&v, a, DA_WHOLE, DA_AT(-6)), v, DA_ERROR_INDEX,
                     "index -6 is out of bounds for axis 1");
    ck_makes_nothing(DA_SLICE(&v, a, DA_EVERY(0)), v, DA_ERROR_INDEX, "step of axis 0 in shape (4, 5) is 0");
    ck_makes_nothing(DA_SLICE(&v, a, DA_WHOLE, DA_WHOLE, DA_AT(0)), v, DA_ERROR_INDEX,
                     "3 indices for an array of 2");
    ck_makes_nothing(DA_SLICE(&v, a, DA_ELLIPSIS, DA_ELLIPSIS), v, DA_ERROR_INDEX, "more than one ellipsis");
    ck_makes_nothing(DA_SLICE(&v, a, (da_range){7, 0, 0, 0, 1}), v, DA_ERROR_ARGUMENT, "index 0 is none");
    ck_makes_nothing(da_slice(&v, a, 1, NULL), v, DA_ERROR_ARGUMENT, "null");
    ck_makes_nothing(da_slice(&v, a, -1, NULL), v, DA_ERROR_ARGUMENT, "-1 indices");
    ck_makes_nothing(DA_SLICE(&v, NULL, DA_AT(4)), v, DA_ERROR_ARGUMENT, "da_slice: a is null");
    ck_ok(da_ones(&many, DA_F64, (da_shape){16, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}));
    ck_makes_nothing(DA_SLICE(&v, many, DA_NEWAXIS), v, DA_ERROR_SHAPE, "17 dimensions");
    ck_makes_nothing(da_expand_dims(&v, many, 0), v, DA_ERROR_SHAPE, "16 dimensions already");
    const da_array *const list[] = {many};
    ck_makes_nothing(da_stack(&v, 1, list, 0), v, DA_ERROR_SHAPE, "17 dimensions");
    da_array_release(&many);
    da_array_release(&a);
}
END_TEST

START_TEST(axes)
{
    da_array *a = counted(DA_I64, DA_SHAPE(2, 3, 1)), *v;
    ck_ok(da_permute_dims(&v, a, DA_AXES(1, -1, 0)));
    ck_values(v, DA_SHAPE(3, 1, 2), 0, 3, 1, 4, 2, 5);
    da_array_release(&v);
    ck_ok(da_matrix_transpose(&v, a));
    ck_values(v, DA_SHAPE(2, 1, 3), 0, 1, 2, 3, 4, 5);
    da_array_release(&v);
    ck_ok(da_flip(&v, a, DA_AXES(1)));
    ck_values(v, DA_SHAPE(2, 3, 1), 2, 1, 0, 5, 4, 3);
    da_array_release(&v);
    ck_ok(da_flip(&v, a, DA_ALL));
    ck_values(v, DA_SHAPE(2, 3, 1), 5, 4, 3, 2, 1, 0);
    da_array_release(&v);
    ck_ok(da_expand_dims(&v, a, -1));
    ck_assert_int_eq(da_array_ndim(v), 4);
    da_array_release(&v);
    ck_ok(da_squeeze(&v, a, DA_AXES(2)));
    ck_values(v, DA_SHAPE(2, 3), 0, 1, 2, 3, 4, 5);
    da_array_release(&v);
    ck_ok(da_squeeze(&v, a, DA_ALL));
    ck_assert_int_eq(da_array_ndim(v), 2);
    da_array_release(&v);

    ck_makes_nothing(da_permute_dims(&v, a, DA_AXES(0, 1)), v, DA_ERROR_INDEX,
                     "2 axes are given for an array of 3");
    ck_makes_nothing(da_permute_dims(&v, a, DA_AXES(0, 1, 1)), v, DA_ERROR_INDEX, "axis 1 is given twice");
    ck_makes_nothing(da_permute_dims(&v, a, DA_AXES(0, 1, 3)), v, DA_ERROR_INDEX, "axis 3 of an array of 3");
    ck_makes_nothing(da_permute_dims(&v, a, DA_ALL), v, DA_ERROR_INDEX, "-1 axes");
    ck_makes_nothing(da_flip(&v, a, DA_AXES(-4)), v, DA_ERROR_INDEX, "axis -4");
    ck_makes_nothing(da_flip(&v, a, DA_AXES(1, -2)), v, DA_ERROR_INDEX, "given twice");
    ck_makes_nothing(da_expand_dims(&v, a, 4), v, DA_ERROR_INDEX, "axis 4");
    ck_makes_nothing(da_squeeze(&v, a, DA_AXES(1)), v, DA_ERROR_SHAPE,
                     "axis 1 of shape (2, 3, 1) has extent 3, not 1");
    da_array_release(&a);
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(3)));
    ck_makes_nothing(da_matrix_transpose(&v, a), v, DA_ERROR_SHAPE, "1 dimension is no matrix");
    da_array_release(&a);
}
END_TEST

START_TEST(broadcasts)
{
    da_array *a = counted(DA_F32, DA_SHAPE(2, 1)), *v, *w;
    const float x[6] = {0};
    void *data;
    int64_t strides[3];
    ck_ok(da_broadcast_to(&v, a, DA_SHAPE(2, 2, 3)));
    ck_values(v, DA_SHAPE(2, 2, 3), 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1);
    ck_ok(da_flip(&w, v, DA_ALL));
    ck_values(w, DA_SHAPE(2, 2, 3), 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0);
    da_array_release(&w);
    ck_ok(DA_SLICE(&w, v, DA_AT(1), DA_EVERY(-1), DA_RANGE(1, 2)));
    ck_values(w, DA_SHAPE(2, 1), 1, 0);
    da_array_release(&w);
    ck_fails(da_write(v, DA_SHAPE(0, 0, 0), DA_SHAPE(1, 2, 3), x, DA_ROW_MAJOR), DA_ERROR_ARGUMENT,
             "read-only");
    ck_fails(da_map(v, 0, &data, strides), DA_ERROR_ARGUMENT, "DA_READ_ONLY");
    ck_ok(da_map(v, DA_READ_ONLY, &data, strides));
    ck_assert_int_eq(strides[0], 0);
    ck_assert_int_eq(strides[2], 0);
    ck_ok(da_unmap(v));
    da_array_release(&v);
    ck_makes_nothing(da_broadcast_to(&v, a, DA_SHAPE(3, 1)), v, DA_ERROR_SHAPE,
                     "shape (2, 1) does not broadcast to (3, 1)");
    ck_makes_nothing(da_broadcast_to(&v, a, DA_SHAPE(2)), v, DA_ERROR_SHAPE, "does not broadcast to (2,)");
    ck_makes_nothing(da_broadcast_to(&v, a, DA_SHAPE(2, -3)), v, DA_ERROR_SHAPE, "negative");
    ck_makes_nothing(da_broadcast_to(&v, a, DA_SHAPE(INT64_MAX, 2, 3)), v, DA_ERROR_OVERFLOW, "64 bits");
    ck_ok(da_broadcast_to(&v, a, DA_SHAPE(1 << 30, 2, 1)));
    ck_assert_int_eq(da_array_size(v), (int64_t)1 << 31);
    ck_makes_nothing(da_broadcast_to(&w, v, DA_SHAPE(1 << 30, 2, 1 << 30)), w, DA_ERROR_OVERFLOW, "64 bits");
    da_array_release(&v);
    da_array_release(&a);
}
END_TEST

START_TEST(writes_go_through_views)
{
    const double x[] = {-1, -2, -3, -4};
    da_array *a = counted(DA_F64, DA_SHAPE(4, 4)), *v, *t;
    ck_ok(DA_SLICE(&v, a, DA_EVERY(-2), DA_RANGE_STEP(0, 4, 3)));
    ck_ok(da_matrix_transpose(&t, v)); /* rows 3, 1; columns 0, 3 */
    ck_ok(da_write(t, DA_SHAPE(0, 0), DA_SHAPE(2, 2), x, DA_ROW_MAJOR));
    ck_values(a, DA_SHAPE(4, 4), 0, 1, 2, 3, -2, 5, 6, -4, 8, 9, 10, 11, -1, 13, 14, -3);
    da_array_release(&t);
    da_array_release(&v);
    da_array_release(&a);
}
END_TEST

START_TEST(reshapes)
{
    da_array *a = counted(DA_F64, DA_SHAPE(3, 4)), *t, *b;
    ck_ok(da_reshape(&b, a, DA_SHAPE(2, -1)));
    ck_values(b, DA_SHAPE(2, 6), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    da_array_release(&b);
    ck_ok(da_matrix_transpose(&t, a));
    ck_ok(da_reshape(&b, t, DA_SHAPE(12)));
    ck_values(b, DA_SHAPE(12), 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11);
    da_array_release(&b);
    da_array_release(&t);
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(5, 2)), b, DA_ERROR_SHAPE,
                     "12 elements of shape (3, 4) do not make the shape (5, 2)");
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(-1, 5)), b, DA_ERROR_SHAPE, "do not make the shape (-1, 5)");
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(-1, -1)), b, DA_ERROR_SHAPE, "more than one extent");
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(-2, -6)), b, DA_ERROR_SHAPE, "(-2, -6)");
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(INT64_MAX, 3)), b, DA_ERROR_SHAPE, "do not make");
    ck_makes_nothing(da_reshape(&b, a, (da_shape){17, {1}}), b, DA_ERROR_SHAPE, "17 dimensions");
    da_array_release(&a);
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(0, 3)));
    ck_ok(da_reshape(&b, a, DA_SHAPE(4, 0, -1 + 1)));
    ck_assert_int_eq(da_array_size(b), 0);
    da_array_release(&b);
    ck_makes_nothing(da_reshape(&b, a, DA_SHAPE(0, -1)), b, DA_ERROR_SHAPE,
                     "do not make"); /* could be anything */
    da_array_release(&a);
    ck_ok(da_full(&a, DA_I32, DA_SCALAR_SHAPE, 7));
    ck_ok(da_reshape(&b, a, DA_SHAPE(1, 1)));
    ck_values(b, DA_SHAPE(1, 1), 7);
    da_array_release(&a);
    ck_ok(da_reshape(&a, b, DA_SCALAR_SHAPE));
    ck_assert_int_eq(da_array_ndim(a), 0);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(joins)
{
    da_array *a = counted(DA_I32, DA_SHAPE(2, 2)), *b, *c, *f;
    ck_ok(da_full(&b, DA_U8, DA_SHAPE(2, 1), 9));
    ck_ok(da_full(&f, DA_F32, DA_SHAPE(3, 2), 1.5));
    const da_array *const both[] = {a, b}, *const tall[] = {a, f}, *const twice[] = {a, a},
                          *const hole[] = {a, NULL};
    ck_ok(da_concat(&c, 2, both, -1));
    ck_assert_int_eq(da_array_dtype(c), DA_I32);
    ck_values(c, DA_SHAPE(2, 3), 0, 1, 9, 2, 3, 9);
    da_array_release(&c);
    ck_ok(da_concat(&c, 2, tall, 0));
    ck_assert_int_eq(da_array_dtype(c), DA_F64); /* int32 and float32 */
    ck_values(c, DA_SHAPE(5, 2), 0, 1, 2, 3, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5);
    da_array_release(&c);
    ck_ok(da_stack(&c, 2, twice, 1));
    ck_values(c, DA_SHAPE(2, 2, 2), 0, 1, 0, 1, 2, 3, 2, 3);
    da_array_release(&c);
    ck_makes_nothing(da_concat(&c, 2, both, 0), c, DA_ERROR_SHAPE,
                     "arrays[1] has shape (2, 1), arrays[0] has (2, 2)");
    ck_makes_nothing(da_stack(&c, 2, both, 0), c, DA_ERROR_SHAPE, "arrays[1] has shape (2, 1)");
    ck_makes_nothing(da_concat(&c, 2, both, 2), c, DA_ERROR_INDEX, "axis 2 of a result of 2");
    ck_makes_nothing(da_concat(&c, 0, both, 0), c, DA_ERROR_ARGUMENT, "0 arrays");
    ck_makes_nothing(da_concat(&c, 2, NULL, 0), c, DA_ERROR_ARGUMENT, "2 arrays");
    ck_makes_nothing(da_concat(&c, 2, hole, 0), c, DA_ERROR_ARGUMENT, "arrays[1] is null");
    da_array_release(&f);
    ck_ok(da_full(&f, DA_F32, DA_SCALAR_SHAPE, 1.5));
    const da_array *const scalars[] = {f, f};
    ck_makes_nothing(da_concat(&c, 2, scalars, 0), c, DA_ERROR_SHAPE, "without dimensions");
    ck_ok(da_stack(&c, 2, scalars, 0));
    ck_values(c, DA_SHAPE(2), 1.5, 1.5);
    da_array_release(&c);
    da_array_release(&f);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(copies_are_their_own)
{
    const double x[] = {7};
    da_array *a = counted(DA_F64, DA_SHAPE(3, 3)), *b;
    ck_ok(da_copy(&b, a));
    ck_ok(da_write(a, DA_SHAPE(1, 1), DA_SHAPE(1, 1), x, DA_ROW_MAJOR));
    ck_values(b, DA_SHAPE(3, 3), 0, 1, 2, 3, 4, 5, 6, 7, 8);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

DA_TEST_MAIN("views", DA_CASE("slices", slices, slices_that_fail), DA_CASE("axes", axes, broadcasts),
             DA_CASE("writes", writes_go_through_views),
             DA_CASE("copies", reshapes, joins, copies_are_their_own))
