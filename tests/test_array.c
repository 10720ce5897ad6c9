/* Handles: their life, what can be asked of them, tile extents. */
#include "array_check.h"

START_TEST(release_and_retain)
{
    da_array *a, *b, *none = NULL;
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(3, 4)));
    ck_ok(da_array_retain(&b, a));
    da_array_release(&a);
    ck_assert_ptr_null(a);
    ck_assert_int_eq(da_array_size(b), 12);
    da_array_release(&b);
    da_array_release(&b);
    da_array_release(&none);
    da_array_release(NULL);
}
END_TEST

START_TEST(released_handles_are_recognised)
{
    da_array *a, *stale, *b;
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(2)));
    stale = a;
    da_array_release(&a);
    ck_assert_int_eq(da_array_ndim(stale), -1);
    ck_assert_int_eq(da_array_size(stale), -1);
    ck_assert_int_eq(da_array_shape(stale).ndim, -1);
    ck_assert_int_eq(da_array_blocks(stale).ndim, -1);
    ck_assert_int_eq(da_array_dtype(stale), 0);
    ck_makes_nothing(da_copy(&b, stale), b, DA_ERROR_STALE, "da_copy: a was released");
    ck_fails(da_wait(stale), DA_ERROR_STALE, "da_wait: a was released");
    da_array_release(&stale); /* not worse than nothing */
    ck_assert_ptr_null(stale);
}
END_TEST

START_TEST(null_handles)
{
    da_array *b;
    ck_assert_int_eq(da_array_ndim(NULL), -1);
    ck_assert_int_eq(da_array_size(NULL), -1);
    ck_assert_int_eq(da_array_shape(NULL).ndim, -1);
    ck_assert_int_eq(da_array_blocks(NULL).ndim, -1);
    ck_assert_int_eq(da_array_dtype(NULL), 0);
    ck_makes_nothing(da_array_retain(&b, NULL), b, DA_ERROR_ARGUMENT, "da_array_retain: a is null");
    ck_fails(da_array_retain(NULL, NULL), DA_ERROR_ARGUMENT, "pointer for the result is null");
}
END_TEST

START_TEST(moving)
{
    da_array *a, *b;
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(2), 1));
    ck_ok(da_full(&b, DA_F64, DA_SHAPE(3), 2));
    da_array_move(&a, &b);
    ck_assert_ptr_null(b);
    ck_assert_int_eq(da_array_size(a), 3);
    da_array_move(&a, &a);
    ck_assert_int_eq(da_array_size(a), 3);
    da_array_move(&a, &b);
    ck_assert_ptr_null(a);
    da_array_move(NULL, NULL);
}
END_TEST

START_TEST(automatic_release)
{
    da_stats before, after;
    ck_ok(da_wait_all());
    da_get_stats(&before);
    {
        DA_AUTO da_array *a = NULL, *b = NULL, *never = NULL;
        ck_ok(da_ones(&a, DA_F64, DA_SHAPE(100, 100)));
        ck_ok(da_copy(&b, a));
        (void)never;
    }
    ck_ok(da_wait_all());
    da_get_stats(&after);
    ck_assert_int_eq(before.bytes_live, after.bytes_live);
}
END_TEST

START_TEST(a_view_keeps_the_storage)
{
    da_array *a, *v;
    a = counted(DA_I32, DA_SHAPE(3, 4));
    ck_ok(DA_SLICE(&v, a, DA_AT(-1)));
    da_array_release(&a);
    ck_values(v, DA_SHAPE(4), 8, 9, 10, 11);
    da_array_release(&v);
}
END_TEST

START_TEST(tile_extents)
{
    da_array *a, *t, *v;
    da_shape tiles;
    ck_ok(da_blocks(DA_SHAPE(3, 5)));
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(2, 10, 4)));
    tiles = da_array_blocks(a);
    ck_assert_int_eq(tiles.ndim, 3);
    ck_assert_int_eq(tiles.dim[0], 2);
    ck_assert_int_eq(tiles.dim[1], 3);
    ck_assert_int_eq(tiles.dim[2], 4); /* 5 is more than there is */
    ck_ok(da_matrix_transpose(&t, a));
    tiles = da_array_blocks(t);
    ck_assert_int_eq(tiles.dim[1], 4);
    ck_assert_int_eq(tiles.dim[2], 3);
    ck_ok(DA_SLICE(&v, a, DA_WHOLE, DA_EVERY(-2)));
    ck_assert_int_eq(da_array_blocks(v).dim[1], 2);
    da_array_release(&v);
    da_array_release(&t);
    da_array_release(&a);
    ck_fails(da_blocks(DA_SHAPE(3, 0)), DA_ERROR_SHAPE, "extent 0 of axis 1 in (3, 0)");
    ck_fails(da_blocks((da_shape){17, {0}}), DA_ERROR_SHAPE, "17 dimensions");
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(7)));
    ck_assert_int_eq(da_array_blocks(a).dim[0], 5); /* a failed call changes nothing */
    da_array_release(&a);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

START_TEST(automatic_tiles)
{
    da_array *a;
    da_shape tiles;
    const char *const place = getenv("DARRAY_DEVICE");
    const bool for_devices = place && strcmp(place, "gpu") == 0 && da_num_devices() > 0;
    if (getenv("DARRAY_TILE"))
        return;
    /* too little to cut */
    ck_ok(da_empty(&a, DA_F64, DA_SHAPE(200, 200)));
    tiles = da_array_blocks(a);
    ck_assert_int_eq(tiles.dim[0], 200);
    ck_assert_int_eq(tiles.dim[1], 200);
    da_array_release(&a);
    ck_ok(da_empty(&a, DA_F64, DA_SHAPE(2048, 2048)));
    tiles = da_array_blocks(a);
    if (for_devices) { /* fewer and larger, whatever the number of workers */
        ck_assert_int_eq(tiles.dim[0], 1024);
        ck_assert_int_eq(tiles.dim[1], 1024);
        da_array_release(&a);
        ck_ok(da_empty(&a, DA_F32, DA_SHAPE(4000000)));
        ck_assert_int_eq(da_array_blocks(a).dim[0], 4000000);
        da_array_release(&a);
        return;
    }
    /* a few tiles a worker, of equal size, about twice as tall as wide */
    const int64_t n = 2048 / tiles.dim[0] * (2048 / tiles.dim[1]);
    ck_assert_int_ge(n, 2 * da_num_workers());
    ck_assert_int_le(n, 4 * da_num_workers() > 32 ? 4 * da_num_workers() : 32);
    ck_assert_int_ge(tiles.dim[0], tiles.dim[1]);
    da_array_release(&a);
    ck_ok(da_empty(&a, DA_F32, DA_SHAPE(4000000)));
    ck_assert_int_lt(da_array_blocks(a).dim[0], 4000000);
    ck_assert_int_ge(da_array_blocks(a).dim[0], 65536);
    da_array_release(&a);
}
END_TEST

START_TEST(too_many_tiles)
{
    da_array *a;
    ck_ok(da_blocks(DA_SHAPE(1)));
    ck_makes_nothing(da_empty(&a, DA_U8, DA_SHAPE(1 << 25)), a, DA_ERROR_MEMORY,
                     "tiles of (1,) cut the array into more");
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
}
END_TEST

DA_TEST_MAIN("array",
             DA_CASE("handles", release_and_retain, released_handles_are_recognised, null_handles, moving,
                     automatic_release, a_view_keeps_the_storage),
             DA_CASE("tiles", tile_extents, automatic_tiles, too_many_tiles))
