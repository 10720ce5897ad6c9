/* SPDX-License-Identifier: BSD-3-Clause */
/* StarPU's interface for strided pieces: layouts, copies, footprints, packing, and a second memory node. */
#include "unit_runtime.h"
#include "runtime/starpu_interface.h"
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENTINEL = 0x5a, ROOM = 4096 };

/* A piece within a buffer of sentinels, whose element (i, j, ...) holds its logical index. */
typedef struct box {
    rt_piece piece;
    unsigned char bytes[ROOM];
    starpu_data_handle_t handle;
} box;

static int64_t elements(const rt_piece *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->ndim; i++)
        n *= p->shape[i];
    return n;
}

static unsigned char *element(const rt_piece *p, int64_t index)
{
    int64_t offset = 0;
    for (int i = p->ndim - 1; i >= 0; i--) {
        offset += index % p->shape[i] * p->strides[i];
        index /= p->shape[i];
    }
    return (unsigned char *)p->ptr + offset * (int64_t)p->element_size;
}

static void element_set(const rt_piece *p, int64_t index, int64_t salt)
{
    for (size_t b = 0; b < p->element_size; b++)
        element(p, index)[b] = (unsigned char)(index * 31 + salt + (int64_t)b * 7);
}

static bool element_is(const rt_piece *p, int64_t index, int64_t salt)
{
    for (size_t b = 0; b < p->element_size; b++)
        if (element(p, index)[b] != (unsigned char)(index * 31 + salt + (int64_t)b * 7))
            return false;
    return true;
}

static void box_fill(box *x, int64_t salt)
{
    memset(x->bytes, SENTINEL, sizeof x->bytes);
    for (int64_t i = 0; i < elements(&x->piece); i++)
        element_set(&x->piece, i, salt);
}

/* The elements are those of box_fill(salt), and nothing else was touched. */
static void box_check(box *x, int64_t salt)
{
    box *clean = malloc(sizeof *clean);
    for (int64_t i = 0; i < elements(&x->piece); i++)
        ck_assert_msg(element_is(&x->piece, i, salt), "element %d differs", (int)i);
    *clean = *x;
    clean->piece.ptr = clean->bytes + ((unsigned char *)x->piece.ptr - x->bytes);
    box_fill(clean, salt);
    ck_assert_msg(memcmp(clean->bytes, x->bytes, ROOM) == 0, "bytes around the piece were written");
    free(clean);
}

static void box_make(box *x, size_t element_size, int ndim, const int64_t *shape, const int64_t *strides,
                     int64_t first)
{
    memset(x, 0, sizeof *x);
    x->piece.ptr = x->bytes + first * (int64_t)element_size;
    x->piece.element_size = element_size;
    x->piece.ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        x->piece.shape[i] = shape[i];
        x->piece.strides[i] = strides[i];
    }
}

/* Layouts of one shape, from and to each of which is copied. */
typedef struct layout {
    int64_t strides[6], first;
} layout;
typedef struct shape_case {
    size_t element_size;
    int ndim;
    int64_t shape[6];
    layout layouts[5];
} shape_case;
static const shape_case cases[] = {
    {8, 0, {0}, {{{0}, 0}, {{0}, 5}}},
    {4, 1, {7}, {{{1}, 0}, {{3}, 2}, {{-1}, 6}, {{-2}, 20}}},
    {8, 2, {5, 4}, {{{1, 5}, 0}, {{1, 9}, 3}, {{4, 1}, 0}, {{11, 2}, 1}, {{-1, 6}, 10}}},
    {16, 2, {1, 6}, {{{1, 1}, 0}, {{100, 3}, 0}}},
    {2, 3, {3, 4, 5}, {{{20, 1, 4}, 0}, {{20, 5, 1}, 0}, {{40, 1, 8}, 7}, {{1, 3, 12}, 0}}},
    {8, 3, {2, 0, 3}, {{{1, 2, 2}, 0}, {{3, 3, 1}, 0}}},
    {1, 5, {2, 3, 2, 1, 4}, {{{1, 2, 6, 12, 12}, 0}, {{24, 8, 4, 4, 1}, 0}, {{200, 40, 17, 9, 2}, 1}}},
    {4,
     6,
     {2, 2, 2, 2, 2, 2},
     {{{32, 16, 8, 4, 2, 1}, 0}, {{1, 2, 4, 8, 16, 32}, 0}, {{300, 100, 40, 16, 5, 2}, 0}}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static int layouts_of(const shape_case *c)
{
    int n = 1;
    while (n < 5 && (c->layouts[n].strides[0] != 0 || c->layouts[n].first != 0))
        n++;
    return n;
}

static void box_of(box *x, const shape_case *c, int k)
{
    box_make(x, c->element_size, c->ndim, c->shape, c->layouts[k].strides, c->layouts[k].first);
    spu_piece_register(&x->handle, &x->piece);
}

static void start(void)
{
    ck_ok(da_init("starpu", 2));
}

static void stop(void)
{
    ck_ok(da_shutdown());
}

START_TEST(copies)
{
    const shape_case *c = &cases[_i];
    for (int from = 0; from < layouts_of(c); from++)
        for (int to = 0; to < layouts_of(c); to++) {
            box a, b;
            box_of(&a, c, from);
            box_of(&b, c, to);
            box_fill(&a, 1);
            box_fill(&b, 2);
            ck_assert_int_eq(
                starpu_data_get_interface_ops(a.handle)->copy_methods->any_to_any(
                    starpu_data_get_interface_on_node(a.handle, STARPU_MAIN_RAM), STARPU_MAIN_RAM,
                    starpu_data_get_interface_on_node(b.handle, STARPU_MAIN_RAM), STARPU_MAIN_RAM, NULL),
                0);
            starpu_data_unregister(a.handle);
            starpu_data_unregister(b.handle);
            box_check(&a, 1);
            box_check(&b, 1);
        }
}
END_TEST

START_TEST(packing)
{
    const shape_case *c = &cases[_i];
    for (int k = 0; k < layouts_of(c); k++) {
        box a;
        void *buffer = NULL;
        starpu_ssize_t count = -1;
        box_of(&a, c, k);
        box_fill(&a, 3);
        ck_assert_int_eq(starpu_data_pack(a.handle, NULL, &count), 0);
        ck_assert_int_eq(count, elements(&a.piece) * (int64_t)a.piece.element_size);
        ck_assert_int_eq(starpu_data_pack(a.handle, &buffer, &count), 0);
        ck_assert_ptr_nonnull(buffer);
        box_fill(&a, 4);
        ck_assert_int_eq(starpu_data_unpack(a.handle, buffer, (size_t)count), 0);
        starpu_data_unregister(a.handle);
        box_check(&a, 3);
    }
}
END_TEST

/* A packed tile of a column-major matrix is column-major whatever its leading dimension was; elements come in the order of memory. */
START_TEST(packed_order)
{
    const int64_t shape[2] = {3, 2}, strides[2] = {1, 10};
    const spu_piece *elsewhere;
    box a;
    box_make(&a, 8, 2, shape, strides, 0);
    spu_piece_register(&a.handle, &a.piece);
    for (unsigned node = 1; node < 3; node++) {
        elsewhere = starpu_data_get_interface_on_node(a.handle, node);
        ck_assert_int_eq(spu_piece_strides(elsewhere)[0], 1);
        ck_assert_int_eq(spu_piece_strides(elsewhere)[1], 3);
        ck_assert_uint_eq(elsewhere->ptr, 0);
    }
    elsewhere = starpu_data_get_interface_on_node(a.handle, STARPU_MAIN_RAM);
    ck_assert_int_eq(spu_piece_strides(elsewhere)[1], 10);
    ck_assert_ptr_eq((void *)elsewhere->ptr, a.bytes);
    starpu_data_unregister(a.handle);
}
END_TEST

/* Equal for equal shapes of equal elements whatever the strides; different otherwise. Bytes beyond 32 bits are counted. */
START_TEST(footprints)
{
    const int64_t a_shape[2] = {3, 4}, b_shape[2] = {4, 3}, packed[2] = {1, 3}, loose[2] = {1, 20};
    const int64_t huge[3] = {70000, 70000, 3}, huge_strides[3] = {1, 70000, (int64_t)70000 * 70000};
    starpu_data_handle_t h[5];
    char text[64];
    box x;
    box_make(&x, 8, 2, a_shape, packed, 0);
    spu_piece_register(&h[0], &x.piece);
    box_make(&x, 8, 2, a_shape, loose, 0);
    spu_piece_register(&h[1], &x.piece);
    box_make(&x, 8, 2, b_shape, packed, 0);
    spu_piece_register(&h[2], &x.piece);
    box_make(&x, 4, 2, a_shape, packed, 0);
    spu_piece_register(&h[3], &x.piece);
    box_make(&x, 16, 3, huge, huge_strides, 0); /* never touched */
    spu_piece_register(&h[4], &x.piece);
    {
        const struct starpu_data_interface_ops *ops = starpu_data_get_interface_ops(h[0]);
        const uint32_t f = ops->footprint(h[0]);
        ck_assert_uint_eq(f, ops->footprint(h[1]));
        ck_assert_uint_ne(f, ops->footprint(h[2]));
        ck_assert_uint_ne(f, ops->footprint(h[3]));
        ck_assert_int_eq(ops->compare(starpu_data_get_interface_on_node(h[0], 0),
                                      starpu_data_get_interface_on_node(h[1], 0)),
                         1);
        ck_assert_int_eq(ops->compare(starpu_data_get_interface_on_node(h[0], 0),
                                      starpu_data_get_interface_on_node(h[2], 0)),
                         0);
        ck_assert_int_eq(ops->describe(starpu_data_get_interface_on_node(h[2], 0), text, sizeof text), 4);
        ck_assert_str_eq(text, "P4x3");
        ck_assert_int_eq(ops->describe(starpu_data_get_interface_on_node(h[2], 0), text, 3),
                         4); /* as snprintf */
        ck_assert_str_eq(text, "P4");
    }
    ck_assert_uint_eq(starpu_data_get_size(h[0]), 96);
    ck_assert_uint_eq(starpu_data_get_size(h[4]), (size_t)70000 * 70000 * 48);
    {
        const int64_t beyond[2] = {INT64_C(1) << 40, INT64_C(1) << 40}, none[2] = {0, 0},
                      empty[2] = {INT64_C(1) << 62, 0};
        spu_piece *p = malloc(sizeof *p + 4 * sizeof(int64_t));
        size_t bytes;
        p->ndim = 2;
        p->element_size = 8;
        memcpy(p->extents, beyond, sizeof beyond);
        memcpy(p->extents + 2, none, sizeof none);
        ck_assert(!spu_piece_size(p, &bytes));
        memcpy(p->extents, empty, sizeof empty);
        ck_assert(spu_piece_size(p, &bytes) && bytes == 0);
        free(p);
    }
    for (int i = 0; i < 5; i++)
        starpu_data_unregister_no_coherency(h[i]);
}
END_TEST

static void doubles_at(box *x, int64_t rows, int64_t ld, int64_t first)
{
    box_make(x, 8, 2, (int64_t[]){rows, 2}, (int64_t[]){1, ld}, first);
}

/* A datum that goes leaves its handle to the next one of the same layout, wherever that lies, and to no other. */
START_TEST(kept)
{
    starpu_data_handle_t was;
    box a, b, c;

    doubles_at(&a, 3, 10, 0);
    spu_piece_register(&a.handle, &a.piece);
    was = a.handle;
    spu_piece_done(a.handle);
    doubles_at(&b, 3, 11, 0);
    spu_piece_register(&b.handle, &b.piece);
    ck_assert_ptr_ne(b.handle, was);
    doubles_at(&c, 3, 10, 2);
    spu_piece_register(&c.handle, &c.piece);
    ck_assert_ptr_eq(c.handle, was);

    const spu_piece *home = starpu_data_get_interface_on_node(c.handle, STARPU_MAIN_RAM);
    ck_assert_ptr_eq((void *)home->ptr, c.bytes + 2 * 8);
    ck_assert_int_eq(spu_piece_strides(home)[1], 10);
    box_fill(&c, 1);
    ck_assert_int_eq(starpu_data_acquire(c.handle, STARPU_RW), 0);
    box_fill(&c, 2);
    starpu_data_release(c.handle);
    box_check(&c, 2);
    spu_piece_done(b.handle);
    spu_piece_done(c.handle);
    da_trim();
    spu_piece_register(&a.handle, &a.piece);
    spu_piece_done(a.handle);
}
END_TEST

/* However many go, a bounded number is kept: what a datum of one layout leaves then makes room for others' in time. */
START_TEST(kept_many)
{
    enum { MANY = 3000, LAYOUTS = 200 };
    starpu_data_handle_t *h = calloc(MANY, sizeof *h);
    struct mallinfo2 before, after;
    box x;

    da_trim();
    before = mallinfo2();
    for (int i = 0; i < MANY; i++) {
        doubles_at(&x, 1 + i % LAYOUTS, 300, 0);
        spu_piece_register(&h[i], &x.piece);
    }
    for (int i = 0; i < MANY; i++)
        spu_piece_done(h[i]);
    after = mallinfo2();
    ck_assert_msg(after.uordblks - before.uordblks < 1100 * 8000, "%zu bytes are kept",
                  after.uordblks - before.uordblks);
    doubles_at(&x, 250, 300, 0);
    spu_piece_register(&h[0], &x.piece);
    spu_piece_done(h[0]);
    spu_piece_register(&h[1], &x.piece);
    ck_assert_ptr_eq(h[1], h[0]);
    spu_piece_done(h[1]);
    da_trim();
    after = mallinfo2();
    ck_assert_msg(after.uordblks < before.uordblks + 100000, "%zu bytes stay",
                  after.uordblks - before.uordblks);
    free(h);
}
END_TEST

/* A child has them, but not the StarPU that they are of: it leaves them alone. */
START_TEST(kept_in_child)
{
    enum { MANY = 100 };
    starpu_data_handle_t h[MANY];
    pid_t child;
    int status;
    box x;

    da_trim();
    doubles_at(&x, 3, 10, 0);
    for (int i = 0; i < MANY; i++)
        spu_piece_register(&h[i], &x.piece);
    for (int i = 0; i < MANY; i++)
        spu_piece_done(h[i]);
    child = fork();
    if (child == 0) {
        const size_t before = mallinfo2().uordblks;
        alarm(20);
        da_trim();
        _exit(mallinfo2().uordblks + 100000 < before);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* A second memory node, on disk: pieces go there and come back. */
START_TEST(second_node)
{
    char path[] = "/tmp/darray-test-XXXXXX";
    int node;
    ck_assert_ptr_nonnull(mkdtemp(path));
    node = starpu_disk_register(&starpu_disk_unistd_ops, path, STARPU_DISK_SIZE_MIN);
    if (node < 0) {
        printf("no disk node: %s\n", strerror(-node));
        rmdir(path);
        return;
    }
    for (int i = 0; i < CASES; i++)
        for (int k = 0; k < layouts_of(&cases[i]); k++) {
            box a;
            box_of(&a, &cases[i], k);
            box_fill(&a, 5);
            ck_assert_int_eq(starpu_data_acquire_on_node(a.handle, node, STARPU_RW), 0);
            box_fill(&a, 6); /* nobody's value now */
            starpu_data_release_on_node(a.handle, node);
            ck_assert_int_eq(starpu_data_acquire(a.handle, STARPU_R), 0);
            box_check(&a, 5);
            starpu_data_release(a.handle);
            starpu_data_unregister(a.handle);
        }
    ck_ok(da_shutdown()); /* unlinks what is on disk */
    rmdir(path);
}
END_TEST

DA_TEST_MAIN("starpu pieces", DA_CASE_LOOP_WITH("copies", CASES, start, stop, copies, packing),
             DA_CASE_WITH("layouts", start, stop, packed_order, footprints, kept, kept_many, kept_in_child,
                          second_node))
