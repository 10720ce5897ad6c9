/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The user's own memory as data of tasks.
 *
 * Every distinct range (address, size) that a live task names is a piece with a datum of its own. A task uses the data of all live
 * pieces that overlap its range, its own among them. Two tasks on overlapping ranges are thus ordered whatever their addresses: the
 * later one finds the piece of the earlier one, which that one uses as well.
 *
 * Pieces live in an interval tree (a treap by address, each node knowing the furthest end below it) while tasks use them. The last
 * task takes its piece out, unless the memory carries a failure or a fault: such a piece is kept until a task overwrites it or
 * da_wait_memory() has told it.
 */
#include "task/task.h"
#include <inttypes.h>
#include <pthread.h>

struct memory_piece {
    rt_owner owner; /* first member */
    rt_data data;
    uintptr_t begin, end; /* at least one byte */
    rt_fault *faults;
    /* Guarded by tree_lock from here on. */
    memory_piece *left, *right;
    uintptr_t furthest; /* the largest end in this subtree */
    uint32_t priority;  /* of a heap: no child's is larger */
    int revived;        /* calls of destroy() under way that must do nothing */
    bool kept;          /* no references, but a failure or fault to tell */
    unsigned uses;      /* by tasks so far */
    unsigned building;  /* of those, tasks that are not handed over yet */
    bool unlinked;      /* not in the tree: what happened to it was told */
};

static pthread_mutex_t tree_lock = PTHREAD_MUTEX_INITIALIZER;
static memory_piece *tree;

/* ---- the tree ---- */

static void tree_update(memory_piece *t)
{
    t->furthest = t->end;
    if (t->left && t->left->furthest > t->furthest)
        t->furthest = t->left->furthest;
    if (t->right && t->right->furthest > t->furthest)
        t->furthest = t->right->furthest;
}

static int tree_compare(const memory_piece *a, const memory_piece *b)
{
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end == b->end ? 0 : a->end < b->end ? -1 : 1;
}

static memory_piece *tree_rotate_right(memory_piece *t)
{
    memory_piece *up = t->left;
    t->left = up->right;
    up->right = t;
    tree_update(t);
    return up;
}

static memory_piece *tree_rotate_left(memory_piece *t)
{
    memory_piece *up = t->right;
    t->right = up->left;
    up->left = t;
    tree_update(t);
    return up;
}

static memory_piece *tree_insert(memory_piece *t, memory_piece *piece)
{
    if (!t) {
        tree_update(piece);
        return piece;
    }
    if (tree_compare(piece, t) < 0) {
        t->left = tree_insert(t->left, piece);
        if (t->left->priority > t->priority)
            t = tree_rotate_right(t);
    } else {
        t->right = tree_insert(t->right, piece);
        if (t->right->priority > t->priority)
            t = tree_rotate_left(t);
    }
    tree_update(t);
    return t;
}

/* All of `a` lies before all of `b`. */
static memory_piece *tree_join(memory_piece *a, memory_piece *b)
{
    if (!a || !b)
        return a ? a : b;
    if (a->priority > b->priority) {
        a->right = tree_join(a->right, b);
        tree_update(a);
        return a;
    }
    b->left = tree_join(a, b->left);
    tree_update(b);
    return b;
}

static memory_piece *tree_remove(memory_piece *t, memory_piece *piece)
{
    const int order = tree_compare(piece, t);
    if (order == 0)
        return tree_join(t->left, t->right);
    if (order < 0)
        t->left = tree_remove(t->left, piece);
    else
        t->right = tree_remove(t->right, piece);
    tree_update(t);
    return t;
}

/* Calls visit() for every piece that overlaps [begin, end), by address. */
static void tree_visit(memory_piece *t, uintptr_t begin, uintptr_t end,
                       void (*visit)(void *ctx, memory_piece *piece), void *ctx)
{
    while (t && t->furthest > begin) {
        tree_visit(t->left, begin, end, visit, ctx);
        if (t->begin >= end)
            return;
        if (t->end > begin)
            visit(ctx, t);
        t = t->right;
    }
}

/* ---- pieces ---- */

static void piece_destroy(rt_owner *owner)
{
    memory_piece *piece = (memory_piece *)owner;
    rt_fault *left = NULL;

    pthread_mutex_lock(&tree_lock);
    if (piece->revived > 0) { /* someone found it first */
        piece->revived--;
        pthread_mutex_unlock(&tree_lock);
        return;
    }
    if (!piece->unlinked) {
        if (piece->faults && rt_fault_union(&left, 1, &piece->faults) == DA_OK) {
            rt_fault_release(piece->faults);
            piece->faults = left; /* those that did break down */
        }
        if (rt_data_failed(&piece->data) || piece->faults) {
            piece->kept = true;
            pthread_mutex_unlock(&tree_lock);
            return;
        }
        tree = tree_remove(tree, piece);
    }
    pthread_mutex_unlock(&tree_lock);
    rt_data_forget(&piece->data);
    rt_fault_release(piece->faults);
    mem_free(piece);
}

static void piece_describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    const memory_piece *piece = (const memory_piece *)owner;
    (void)data;
    *out = (rt_piece){.ptr = (void *)piece->begin, .element_size = 1, .ndim = 1};
    out->shape[0] = (int64_t)(piece->end - piece->begin);
    out->strides[0] = 1;
}

static const rt_owner_class piece_class = {piece_destroy, piece_describe};

/* Under the lock: another reference, also if the last one was just given up. */
static void piece_retain(memory_piece *piece)
{
    int refs = atomic_load_explicit(&piece->owner.refs, memory_order_relaxed);
    while (refs > 0)
        if (atomic_compare_exchange_weak_explicit(&piece->owner.refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
    if (piece->kept)
        piece->kept = false;
    else
        piece->revived++; /* its destroy() waits for the lock */
    atomic_store_explicit(&piece->owner.refs, 1, memory_order_relaxed);
}

static memory_piece *piece_new(uintptr_t begin, uintptr_t end)
{
    memory_piece *piece = mem_zalloc(sizeof *piece);
    if (!piece)
        return NULL;
    rt_owner_init(&piece->owner, &piece_class);
    piece->owner.keep = RT_KEEP_FIXED;
    piece->data.owner = &piece->owner;
    piece->begin = begin;
    piece->end = end;
    /* any well-mixed number will do */
    piece->priority =
        (uint32_t)(((uint64_t)begin * 0x9e3779b97f4a7c15u ^ (uint64_t)end * 0xc2b2ae3d27d4eb4fu) >> 32);
    tree = tree_insert(tree, piece);
    return piece;
}

/* ---- several pieces as one owner ---- */

typedef struct piece_set {
    rt_owner owner; /* first member */
    int n;
    memory_piece *pieces[];
} piece_set;

static void set_destroy(rt_owner *owner)
{
    piece_set *set = (piece_set *)owner;
    for (int i = 0; i < set->n; i++)
        rt_owner_release(&set->pieces[i]->owner);
    mem_free(set);
}

static const rt_owner_class set_class = {set_destroy, NULL}; /* owns no data */

/* ---- uses ---- */

typedef struct overlap {
    uintptr_t begin, end;
    memory_piece *exact;
    int n, partial; /* pieces found, and those of them that reach beyond the range */
    piece_set *set; /* filled if there are several */
    rt_data **data;
    unsigned *seen; /* da_wait_memory(): the uses that it waits for */
} overlap;

static void overlap_count(void *ctx, memory_piece *piece)
{
    overlap *o = ctx;
    o->n++;
    if (piece->begin == o->begin && piece->end == o->end)
        o->exact = piece;
    else if (piece->begin < o->begin || piece->end > o->end)
        o->partial++;
}

static void overlap_collect(void *ctx, memory_piece *piece)
{
    overlap *o = ctx;
    piece_retain(piece);
    if (o->seen) {
        o->seen[o->set->n] = piece->uses;
    } else {
        piece->uses++;
        piece->building++;
    }
    o->data[o->set->n] = &piece->data;
    o->set->pieces[o->set->n++] = piece;
}

da_status memory_begin(memory_use *use, void *p, size_t size, da_mode mode)
{
    overlap o = {.begin = (uintptr_t)p};

    if (__builtin_add_overflow(o.begin, size ? size : 1, &o.end) || size > INT64_MAX)
        return err_set(DA_ERROR_OVERFLOW, "da_spawn: %zu bytes at %p do not fit the address space", size, p);
    *use = (memory_use){.shape = (int64_t)size, .stride = 1};
    pthread_mutex_lock(&tree_lock);
    tree_visit(tree, o.begin, o.end, overlap_count, &o);
    if (o.n + !o.exact > 1) { /* room for all of them and a new one */
        const size_t most = (size_t)o.n + 1;
        o.set = mem_zalloc(sizeof *o.set + most * sizeof *o.set->pieces);
        use->many = mem_alloc(most * sizeof *use->many);
        if (!o.set || !use->many)
            goto no_memory;
    }
    if (!o.exact) {
        o.exact = piece_new(o.begin, o.end);
        if (!o.exact)
            goto no_memory;
        if (o.set) { /* the set will count its own */
            atomic_store_explicit(&o.exact->owner.refs, 0, memory_order_relaxed);
            o.exact->kept = true;
        }
    } else if (!o.set) {
        piece_retain(o.exact);
    }
    if (!o.set) {
        o.exact->uses++;
        o.exact->building++;
    }
    use->piece = o.exact;
    use->one = &o.exact->data;
    use->operand = (rt_operand){.mode = mode,
                                .owner = &o.exact->owner,
                                .ptr = p,
                                .ndim = 1,
                                .shape = &use->shape,
                                .strides = &use->stride,
                                .ndata = 1,
                                .data = &use->one};
    if (o.set) {
        o.data = use->many;
        rt_owner_init(&o.set->owner, &set_class);
        tree_visit(tree, o.begin, o.end, overlap_collect, &o);
        use->operand.owner = &o.set->owner;
        use->operand.ndata = o.set->n;
        use->operand.data = use->many;
        if (o.partial && mode == DA_MODE_WRITE) /* what lies beyond the range stays */
            use->operand.mode = DA_MODE_READ_WRITE;
    }
    pthread_mutex_unlock(&tree_lock);
    return DA_OK;

no_memory:
    pthread_mutex_unlock(&tree_lock);
    mem_free(o.set);
    mem_free(use->many);
    return err_memory(sizeof(memory_piece), "a task's use of the user's memory");
}

/* The pieces of a use. */
static int use_pieces(const memory_use *use, memory_piece *const **pieces)
{
    if (!use->many) {
        *pieces = &use->piece;
        return 1;
    }
    const piece_set *set = (const piece_set *)use->operand.owner;
    *pieces = set->pieces;
    return set->n;
}

void memory_end(memory_use *use)
{
    memory_piece *const *pieces;
    const int n = use_pieces(use, &pieces);

    pthread_mutex_lock(&tree_lock);
    for (int i = 0; i < n; i++)
        pieces[i]->building--;
    pthread_mutex_unlock(&tree_lock);
    rt_owner_release(use->operand.owner);
    mem_free(use->many);
}

da_status memory_faults(rt_fault **out, const memory_use *use)
{
    memory_piece *const *pieces;
    const int n = use_pieces(use, &pieces);
    da_status status = DA_OK;

    *out = NULL;
    pthread_mutex_lock(&tree_lock);
    for (int i = 0; i < n && status == DA_OK; i++)
        if (pieces[i]->faults) {
            rt_fault *const both[] = {*out, pieces[i]->faults};
            rt_fault *sum;
            status = rt_fault_union(&sum, 2, both);
            if (status == DA_OK) {
                rt_fault_release(*out);
                *out = sum;
            }
        }
    pthread_mutex_unlock(&tree_lock);
    if (status != DA_OK) {
        rt_fault_release(*out);
        *out = NULL;
    }
    return status;
}

da_status memory_set_faults(const memory_use *use, rt_fault *faults, bool overwritten)
{
    memory_piece *const *pieces;
    const int n = use_pieces(use, &pieces);
    da_status status = DA_OK;

    pthread_mutex_lock(&tree_lock);
    for (int i = 0; i < n && status == DA_OK; i++) {
        memory_piece *piece = pieces[i];
        const bool all = overwritten && piece->begin >= use->piece->begin && piece->end <= use->piece->end;
        rt_fault *const both[] = {faults, all ? NULL : piece->faults};
        rt_fault *sum;
        if (piece->faults == faults)
            continue;
        status = rt_fault_union(&sum, 2, both);
        if (status == DA_OK) {
            rt_fault_release(piece->faults);
            piece->faults = sum;
        }
    }
    pthread_mutex_unlock(&tree_lock);
    return status;
}

/* ---- waiting ---- */

da_status da_wait_memory(const void *p)
{
    overlap o = {.begin = (uintptr_t)p, .end = (uintptr_t)p + 1};
    da_status status;

    if (!p)
        return err_set(DA_ERROR_ARGUMENT, "da_wait_memory: the address is null");
    status = rt_check_may_wait("da_wait_memory");
    if (status == DA_OK)
        status = rt_check_forked();
    if (status != DA_OK)
        return status;

    pthread_mutex_lock(&tree_lock);
    tree_visit(tree, o.begin, o.end, overlap_count, &o);
    if (o.n == 0) {
        pthread_mutex_unlock(&tree_lock);
        return DA_OK;
    }
    o.set = mem_zalloc(sizeof *o.set + (size_t)o.n * sizeof *o.set->pieces);
    o.data = mem_alloc((size_t)o.n * sizeof *o.data);
    o.seen = mem_alloc((size_t)o.n * sizeof *o.seen);
    if (!o.set || !o.data || !o.seen) {
        pthread_mutex_unlock(&tree_lock);
        mem_free(o.set);
        mem_free(o.data);
        mem_free(o.seen);
        return err_memory((size_t)o.n * sizeof *o.data, "waiting for the user's memory");
    }
    rt_owner_init(&o.set->owner, &set_class);
    tree_visit(tree, o.begin, o.end, overlap_collect, &o);
    pthread_mutex_unlock(&tree_lock);

    status = rt_data_wait(o.set->n, o.data, DA_MODE_READ_WRITE);
    pthread_mutex_lock(&tree_lock);
    for (int i = 0; i < o.set->n; i++) {
        memory_piece *piece = o.set->pieces[i];
        if (status == DA_OK)
            status = rt_fault_check(piece->faults);
        /* What happened to it is told: who uses the address from here on begins anew. Not if others have come since. */
        if (piece->uses == o.seen[i] && piece->building == 0 && !piece->unlinked) {
            tree = tree_remove(tree, piece);
            piece->unlinked = true;
        }
    }
    pthread_mutex_unlock(&tree_lock);
    rt_owner_release(&o.set->owner);
    mem_free(o.data);
    mem_free(o.seen);
    return status;
}
