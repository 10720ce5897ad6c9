/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_interface.h"
#include "base/lock.h"
#include "codelets/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- copying: from one layout of a shape to another ---- */

/* A copy as nested loops over blocks of bytes, innermost first. */
typedef struct copy_plan {
    size_t block;
    int n;
    int64_t count[DA_MAX_NDIM], from[DA_MAX_NDIM], to[DA_MAX_NDIM]; /* steps in bytes */
} copy_plan;

typedef int (*copy_block)(size_t from, size_t to, size_t count, size_t step_from, size_t step_to,
                          size_t bytes, void *ctx);

/* False if there is nothing to copy. */
static bool copy_plan_make(copy_plan *plan, const spu_piece *a, const spu_piece *b)
{
    const int64_t *shape = spu_piece_shape(a);
    const int64_t size = (int64_t)a->element_size;

    plan->block = a->element_size;
    plan->n = 0;
    for (int i = 0; i < a->ndim; i++) {
        const int64_t from = spu_piece_strides(a)[i] * size, to = spu_piece_strides(b)[i] * size;
        int k;
        if (shape[i] == 0)
            return false;
        if (shape[i] == 1)
            continue;
        for (k = plan->n++; k > 0 && plan->to[k - 1] > to; k--) {
            plan->count[k] = plan->count[k - 1];
            plan->from[k] = plan->from[k - 1];
            plan->to[k] = plan->to[k - 1];
        }
        plan->count[k] = shape[i];
        plan->from[k] = from;
        plan->to[k] = to;
    }
    /* Axes that follow on one another in both layouts become one. */
    int n = 0;
    for (int i = 1; i < plan->n; i++) {
        if (plan->from[i] == plan->from[n] * plan->count[n] && plan->to[i] == plan->to[n] * plan->count[n]) {
            plan->count[n] *= plan->count[i];
        } else {
            n++;
            plan->count[n] = plan->count[i];
            plan->from[n] = plan->from[i];
            plan->to[n] = plan->to[i];
        }
    }
    plan->n = plan->n > 0 ? n + 1 : 0;
    if (plan->n > 0 && plan->from[0] == size && plan->to[0] == size) {
        plan->block = (size_t)(size * plan->count[0]);
        plan->n--;
        memmove(plan->count, plan->count + 1, (size_t)plan->n * sizeof plan->count[0]);
        memmove(plan->from, plan->from + 1, (size_t)plan->n * sizeof plan->from[0]);
        memmove(plan->to, plan->to + 1, (size_t)plan->n * sizeof plan->to[0]);
    }
    return true;
}

/* Calls `copy` for rows of blocks; offsets wrap around below the first element where strides are negative. -EAGAIN if any call said so. */
static int copy_plan_run(const copy_plan *plan, copy_block copy, void *ctx)
{
    int64_t index[DA_MAX_NDIM] = {0};
    size_t from = 0, to = 0;
    int result = 0;

    for (;;) {
        int r, i;
        if (plan->n == 0)
            r = copy(from, to, 1, plan->block, plan->block, plan->block, ctx);
        else
            r = copy(from, to, (size_t)plan->count[0], (size_t)plan->from[0], (size_t)plan->to[0],
                     plan->block, ctx);
        if (r == -EAGAIN)
            result = r;
        else if (r != 0)
            return r;
        for (i = 1; i < plan->n; i++) {
            from += (size_t)plan->from[i];
            to += (size_t)plan->to[i];
            if (++index[i] < plan->count[i])
                break;
            from -= (size_t)(plan->from[i] * plan->count[i]);
            to -= (size_t)(plan->to[i] * plan->count[i]);
            index[i] = 0;
        }
        if (i >= plan->n)
            return result;
    }
}

typedef struct node_copy {
    const spu_piece *from, *to;
    unsigned from_node, to_node;
    void *async;
} node_copy;

static int copy_between_nodes(size_t from, size_t to, size_t count, size_t step_from, size_t step_to,
                              size_t bytes, void *ctx)
{
    const node_copy *c = ctx;
    int result = 0;

    if ((int64_t)step_from >= (int64_t)bytes && (int64_t)step_to >= (int64_t)bytes)
        return starpu_interface_copy2d(c->from->dev_handle, c->from->offset + from, c->from_node,
                                       c->to->dev_handle, c->to->offset + to, c->to_node, bytes, count,
                                       step_from, step_to, c->async);
    for (; count > 0; count--, from += step_from, to += step_to) {
        const int r =
            starpu_interface_copy(c->from->dev_handle, c->from->offset + from, c->from_node,
                                  c->to->dev_handle, c->to->offset + to, c->to_node, bytes, c->async);
        if (r == -EAGAIN)
            result = r;
        else if (r != 0)
            return r;
    }
    return result;
}

/* Before a copy from or to `other`: CUDA makes callers wait for copies of memory whose pages are not locked. */
static void pin_home(const spu_piece *piece, unsigned other)
{
    if (piece->block_bytes > 0 && starpu_node_get_kind(other) == STARPU_CUDA_RAM)
        data_pin((void *)piece->dev_handle, piece->block_bytes);
}

/* Memory there is none any more: what StarPU still wants to do with it succeeds without being done. */
static bool is_lost(unsigned node)
{
    return rt_devices_are_lost() && starpu_node_get_kind(node) == STARPU_CUDA_RAM;
}
static char nowhere; /* stands for memory of such a node */

static int piece_copy(void *src, unsigned src_node, void *dst, unsigned dst_node, void *async)
{
    copy_plan plan;
    node_copy c = {src, dst, src_node, dst_node, async};

    if (is_lost(src_node) || is_lost(dst_node))
        return 0;
    pin_home(src, dst_node);
    pin_home(dst, src_node);
    return copy_plan_make(&plan, src, dst) ? copy_plan_run(&plan, copy_between_nodes, &c) : 0;
}

static const struct starpu_data_copy_methods piece_copy_methods = {.any_to_any = piece_copy};

/* ---- layouts ---- */

/* Strides of a packed copy: axes from innermost to outermost as the given strides have them; of equal ones the later axis is inner. */
static void pack_strides(int ndim, const int64_t *shape, const int64_t *strides, int64_t *packed)
{
    int order[DA_MAX_NDIM];
    int64_t step = 1;

    for (int i = 0; i < ndim; i++) {
        int k;
        for (k = i; k > 0 && imaxabs(strides[order[k - 1]]) >= imaxabs(strides[i]); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (int k = 0; k < ndim; k++) {
        packed[order[k]] = step;
        if (shape[order[k]] == 0 || __builtin_mul_overflow(step, shape[order[k]], &step))
            step = 0; /* never used: see spu_piece_size() */
    }
}

bool spu_piece_size(const spu_piece *p, size_t *bytes)
{
    int64_t size = (int64_t)p->element_size;

    for (int i = 0; i < p->ndim; i++)
        if (spu_piece_shape(p)[i] == 0) {
            *bytes = 0;
            return true;
        }
    for (int i = 0; i < p->ndim; i++)
        if (!size_mul(size, spu_piece_shape(p)[i], &size))
            return false;
    *bytes = (size_t)size;
    return true;
}

typedef union any_piece {
    spu_piece piece;
    char space[sizeof(spu_piece) + 2 * DA_MAX_NDIM * sizeof(int64_t)];
} any_piece;

static spu_piece *piece_of(starpu_data_handle_t h)
{
    return starpu_data_get_interface_on_node(h, STARPU_MAIN_RAM);
}

/* ---- the methods ---- */

#if STARPU_MAJOR_VERSION > 1 || STARPU_MINOR_VERSION >= 4
typedef int node_number;
#else
typedef unsigned node_number;
#endif

static void piece_register_handle(starpu_data_handle_t h, node_number home_node, void *data_interface)
{
    const spu_piece *piece = data_interface;
    const size_t bytes = sizeof *piece + 2 * (size_t)piece->ndim * sizeof(int64_t);
    any_piece copy;

    memcpy(&copy, piece, bytes);
    copy.piece.ptr = copy.piece.dev_handle = 0;
    copy.piece.offset = copy.piece.block_bytes = 0;
    pack_strides(piece->ndim, spu_piece_shape(piece), spu_piece_strides(piece),
                 copy.piece.extents + piece->ndim);
    for (unsigned node = 0; node < STARPU_MAXNODES; node++)
        memcpy(starpu_data_get_interface_on_node(h, node), node == (unsigned)home_node ? piece : &copy.piece,
               bytes);
}

static starpu_ssize_t piece_allocate(void *data_interface, unsigned node)
{
    spu_piece *piece = data_interface;
    size_t bytes;

    if (!spu_piece_size(piece, &bytes))
        return -ENOMEM;
    const uintptr_t memory =
        is_lost(node) ? (uintptr_t)&nowhere : starpu_malloc_on_node(node, bytes > 0 ? bytes : 1);
    if (!memory)
        return -ENOMEM;
    piece->ptr = starpu_node_get_kind(node) == STARPU_OPENCL_RAM ? 0 : memory;
    piece->dev_handle = memory;
    piece->offset = 0;
    return (starpu_ssize_t)bytes;
}

static void piece_free(void *data_interface, unsigned node)
{
    spu_piece *piece = data_interface;
    size_t bytes;

    if (spu_piece_size(piece, &bytes) && piece->dev_handle != (uintptr_t)&nowhere)
        starpu_free_on_node(node, piece->dev_handle, bytes > 0 ? bytes : 1);
    piece->ptr = piece->dev_handle = 0;
}

static size_t piece_get_size(starpu_data_handle_t h)
{
    size_t bytes;

    return spu_piece_size(piece_of(h), &bytes) ? bytes : SIZE_MAX;
}

static uint32_t piece_footprint(starpu_data_handle_t h)
{
    const spu_piece *piece = piece_of(h);
    uint32_t crc =
        starpu_hash_crc32c_be_n(&piece->element_size, sizeof piece->element_size, (uint32_t)piece->ndim);

    return starpu_hash_crc32c_be_n(piece->extents, (size_t)piece->ndim * sizeof(int64_t), crc);
}

/* Whether one's memory on a device will do for the other. StarPU hands on the strides with it; those of a copy are to have the order of the
 * values at home, by which it was decided what the device can do with them. */
static int piece_compare(void *data_interface_a, void *data_interface_b)
{
    const spu_piece *a = data_interface_a, *b = data_interface_b;
    int64_t packed_a[DA_MAX_NDIM], packed_b[DA_MAX_NDIM];
    const size_t bytes = (size_t)a->ndim * sizeof(int64_t);

    if (a->element_size != b->element_size || a->ndim != b->ndim ||
        memcmp(a->extents, b->extents, bytes) != 0)
        return 0;
    pack_strides(a->ndim, spu_piece_shape(a), spu_piece_strides(a), packed_a);
    pack_strides(b->ndim, spu_piece_shape(b), spu_piece_strides(b), packed_b);
    return memcmp(packed_a, packed_b, bytes) == 0;
}

static void piece_display(starpu_data_handle_t h, FILE *file)
{
    const spu_piece *piece = piece_of(h);

    for (int i = 0; i < piece->ndim; i++)
        fprintf(file, "%" PRId64 "\t", spu_piece_shape(piece)[i]);
}

static starpu_ssize_t piece_describe(void *data_interface, char *buffer, size_t size)
{
    const spu_piece *piece = data_interface;
    size_t used = (size_t)snprintf(buffer, size, "P");

    for (int i = 0; i < piece->ndim; i++)
        used += (size_t)snprintf(used < size ? buffer + used : NULL, used < size ? size - used : 0,
                                 i ? "x%" PRId64 : "%" PRId64, spu_piece_shape(piece)[i]);
    return (starpu_ssize_t)used;
}

/* ---- packing into one buffer, for messages and disks ---- */

typedef struct buffer_copy {
    const char *from;
    char *to;
} buffer_copy;

static int copy_in_memory(size_t from, size_t to, size_t count, size_t step_from, size_t step_to,
                          size_t bytes, void *ctx)
{
    const buffer_copy *c = ctx;

    for (; count > 0; count--, from += step_from, to += step_to)
        memcpy(c->to + (ptrdiff_t)to, c->from + (ptrdiff_t)from, bytes);
    return 0;
}

/* A description of the buffer that holds a packed copy of h's piece. */
static void packed_like(any_piece *out, starpu_data_handle_t h)
{
    const spu_piece *home = piece_of(h);

    memcpy(out, home, sizeof *home + 2 * (size_t)home->ndim * sizeof(int64_t));
    pack_strides(home->ndim, spu_piece_shape(home), spu_piece_strides(home), out->piece.extents + home->ndim);
}

static int piece_pack(starpu_data_handle_t h, unsigned node, void **ptr, starpu_ssize_t *count)
{
    const spu_piece *piece = starpu_data_get_interface_on_node(h, node);
    any_piece packed;
    copy_plan plan;
    size_t bytes;

    if (!spu_piece_size(piece, &bytes))
        return -1;
    *count = (starpu_ssize_t)bytes;
    if (!ptr)
        return 0;
    if (starpu_malloc_flags(ptr, bytes > 0 ? bytes : 1, 0) != 0)
        return -1;
    packed_like(&packed, h);
    if (copy_plan_make(&plan, piece, &packed.piece)) {
        buffer_copy c = {(const char *)piece->ptr, *ptr};
        copy_plan_run(&plan, copy_in_memory, &c);
    }
    return 0;
}

static int piece_peek(starpu_data_handle_t h, unsigned node, void *ptr, size_t count)
{
    const spu_piece *piece = starpu_data_get_interface_on_node(h, node);
    any_piece packed;
    copy_plan plan;
    size_t bytes;

    if (!spu_piece_size(piece, &bytes) || bytes != count)
        return -1;
    packed_like(&packed, h);
    if (copy_plan_make(&plan, &packed.piece, piece)) {
        buffer_copy c = {ptr, (char *)piece->ptr};
        copy_plan_run(&plan, copy_in_memory, &c);
    }
    return 0;
}

static int piece_unpack(starpu_data_handle_t h, unsigned node, void *ptr, size_t count)
{
    const int result = piece_peek(h, node, ptr, count);

    starpu_free_flags(ptr, count > 0 ? count : 1, 0);
    return result;
}

/* No to_pointer method: StarPU would keep a table of host addresses, in which data with one address (empty pieces, the next piece in
 * recycled memory) collide. */
#if STARPU_MAJOR_VERSION > 1 || STARPU_MINOR_VERSION >= 4
#define PIECE_OPS_1_4 .peek_data = piece_peek,
#else
#define PIECE_OPS_1_4
#endif
#define PIECE_OPS(max_ndim)                                                                                  \
    {                                                                                                        \
        .register_data_handle = piece_register_handle, .allocate_data_on_node = piece_allocate,              \
        .free_data_on_node = piece_free, .copy_methods = &piece_copy_methods, .get_size = piece_get_size,    \
        .footprint = piece_footprint, .compare = piece_compare, .display = piece_display,                    \
        .describe = piece_describe, .interfaceid = STARPU_UNKNOWN_INTERFACE_ID,                              \
        .interface_size = sizeof(spu_piece) + 2 * (max_ndim) * sizeof(int64_t), .pack_data = piece_pack,     \
        .unpack_data = piece_unpack, .name = (char *)(uintptr_t) "DARRAY_PIECE", PIECE_OPS_1_4               \
    }
/* StarPU keeps one interface a memory node (16 in Debian's build) for every handle: the usual ones are kept small. */
static struct starpu_data_interface_ops piece_ops[] = {PIECE_OPS(2), PIECE_OPS(4), PIECE_OPS(DA_MAX_NDIM)};

/* ---- handles that are kept ----
 *
 * StarPU's handle is kilobytes in a dozen allocations, all of which registering writes; in caches that tasks have been using that takes several
 * microseconds. The handle of a datum that goes serves the next one with the same layout: only where it lies is another.
 */

enum { KEPT = 1024, LISTS = 64, LOOKED_AT = 4 };
static struct {
    lock_word lock;
    int n, turn;                       /* of which the list is the next to lose one */
    starpu_data_handle_t lists[LISTS]; /* by layout, chained by their pieces' `kept` */
} kept;

static starpu_data_handle_t *list_of(const spu_piece *p)
{
    uint64_t hash = da_mix((uint64_t)p->ndim, p->element_size);

    for (int i = 0; i < 2 * p->ndim; i++)
        hash = da_mix(hash, (uint64_t)p->extents[i]);
    return &kept.lists[hash % LISTS];
}

static bool same_layout(const spu_piece *a, const spu_piece *b)
{
    return a->id == b->id && a->ndim == b->ndim && a->element_size == b->element_size &&
           memcmp(a->extents, b->extents, 2 * (size_t)a->ndim * sizeof(int64_t)) == 0;
}

static starpu_data_handle_t take_kept(const spu_piece *like)
{
    starpu_data_handle_t found = NULL;

    lock_acquire(&kept.lock);
    starpu_data_handle_t *at = list_of(like);
    for (int i = 0; i < LOOKED_AT && *at; i++, at = &piece_of(*at)->kept)
        if (same_layout(piece_of(*at), like)) {
            found = *at;
            *at = piece_of(found)->kept;
            kept.n--;
            break;
        }
    lock_release(&kept.lock);
    return found;
}

void spu_piece_unregister(starpu_data_handle_t h)
{
    starpu_data_set_sequential_consistency_flag(h, 0);
    starpu_data_unregister_no_coherency(h);
}

static void drop_one_locked(void)
{
    while (!kept.lists[kept.turn])
        kept.turn = (kept.turn + 1) % LISTS;
    starpu_data_handle_t h = kept.lists[kept.turn];
    kept.lists[kept.turn] = piece_of(h)->kept;
    kept.turn = (kept.turn + 1) % LISTS;
    kept.n--;
    spu_piece_unregister(h);
}

void spu_pieces_drop(void)
{
    lock_acquire(&kept.lock);
    while (kept.n > 0)
        drop_one_locked();
    lock_release(&kept.lock);
}

void spu_piece_done(starpu_data_handle_t h)
{
    spu_piece *const piece = piece_of(h);
    starpu_data_handle_t *const list = list_of(piece);

    lock_acquire(&kept.lock);
    if (kept.n == KEPT)
        drop_one_locked();
    piece->kept = *list;
    *list = h;
    kept.n++;
    lock_release(&kept.lock);
}

/* In a forked child StarPU's locks, and ours, may be held by threads that are not there. */
static void trim(void)
{
    if (!rt_forked())
        spu_pieces_drop();
}

__attribute__((constructor)) static void start(void)
{
    mem_on_trim(trim);
}

void spu_piece_register(starpu_data_handle_t *h, const rt_piece *piece)
{
    struct starpu_data_interface_ops *ops = &piece_ops[piece->ndim <= 2 ? 0 : piece->ndim <= 4 ? 1 : 2];
    any_piece home;

    if (ops->interfaceid == STARPU_UNKNOWN_INTERFACE_ID)
        ops->interfaceid = (enum starpu_data_interface_id)starpu_data_interface_get_next_id();
    home.piece = (spu_piece){.id = ops->interfaceid,
                             .ndim = piece->ndim,
                             .ptr = (uintptr_t)piece->ptr,
                             .dev_handle = (uintptr_t)piece->ptr,
                             .element_size = piece->element_size};
    if (piece->block) {
        home.piece.dev_handle = (uintptr_t)piece->block;
        home.piece.offset = (uintptr_t)piece->ptr - (uintptr_t)piece->block;
        home.piece.block_bytes = piece->block_bytes;
    }
    for (int i = 0; i < piece->ndim; i++) {
        home.piece.extents[i] = piece->shape[i];
        home.piece.extents[piece->ndim + i] = piece->strides[i];
    }
    *h = take_kept(&home.piece);
    if (*h)
        memcpy(piece_of(*h), &home, sizeof home.piece);
    else
        starpu_data_register(h, STARPU_MAIN_RAM, &home, ops);
}
