/* SPDX-License-Identifier: BSD-3-Clause */
/* Storage: the memory of arrays, the record of wrapped memory, and the faults that a storage carries. */
#include "array/array.h"
#include "base/lock.h"
#include <pthread.h>
#include <string.h>

/* Up to so many bytes a storage and its data are one block of memory. */
enum { TOGETHER = 256 * 1024, HEAD = (sizeof(storage) + 63) & ~(size_t)63 };

/* The address of arrays without memory, in rehearsals: never looked at. */
enum { NOWHERE = 1 << 20 };

/* Most tiles that a storage may have: beyond this their records alone would fill the memory. */
enum { MOST_TILES = 1 << 24 };

/* What became of a da_wrap() call: told when the storage goes. */
typedef struct wrap_call {
    struct wrap_call *next;
    da_done_fn done;
    void *ctx, *data;
} wrap_call;

/* A wrapped interval of the user's memory, in a list of all of them. */
struct wrap {
    storage *s;
    struct wrap *prev, *next;
    const char *lo, *hi; /* the bytes [lo, hi) */
    wrap_call *calls;
};

static lock_word wraps_lock;
static struct wrap *wraps;
static lock_word faults_lock;

static void destroy(rt_owner *owner);
static void describe(const rt_owner *owner, const rt_data *data, rt_piece *out);
static const rt_owner_class storage_class = {destroy, describe};

static void destroy(rt_owner *owner)
{
    storage *s = (storage *)owner;
    struct wrap *w = s->wrap;

    if (w) {
        lock_acquire(&wraps_lock);
        *(w->prev ? &w->prev->next : &wraps) = w->next;
        if (w->next)
            w->next->prev = w->prev;
        lock_release(&wraps_lock);
    }
    for (int64_t i = 0; i < s->ntiles; i++)
        rt_data_forget(&s->tiles[i]);
    rt_fault_release(s->faults);
    if (s->tiles != &s->one_tile)
        mem_free(s->tiles);
    if (w) {
        for (wrap_call *call = w->calls, *next; call; call = next) {
            next = call->next;
            if (call->done)
                call->done(call->ctx, call->data);
            mem_free(call);
        }
        mem_free(w);
        mem_free(s);
    } else if (s->rehearsed) {
        mem_free(s);
    } else if (s->bytes <= TOGETHER) {
        data_free(s, HEAD + s->bytes);
    } else {
        data_free(s->base, s->bytes);
        mem_free(s);
    }
}

static void describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    const storage *s = (const storage *)owner;
    int64_t at = data - s->tiles, offset = 0;

    out->element_size = da_dtype_size(s->dtype);
    out->ndim = s->ndim;
    for (int k = s->ndim - 1; k >= 0; k--) {
        const int64_t start = at % s->grid[k] * s->tile[k];
        at /= s->grid[k];
        offset += start * s->stride[k];
        out->shape[k] = s->shape[k] - start < s->tile[k] ? s->shape[k] - start : s->tile[k];
        out->strides[k] = s->stride[k];
    }
    out->ptr = (char *)s->base + offset * (int64_t)out->element_size;
    if (!s->wrap && s->bytes > TOGETHER) {
        out->block = s->base;
        out->block_bytes = s->bytes;
    }
}

/* The tile grid of a storage whose dtype and shape are set; `tile` null: as forced or chosen. Allocates the tiles. */
static da_status make_tiles(storage *s, const int64_t *tile)
{
    da_shape shape;
    int64_t chosen[DA_MAX_NDIM];

    if (!tile) {
        shape.ndim = s->ndim;
        memcpy(shape.dim, s->shape, (size_t)s->ndim * sizeof shape.dim[0]);
        if (!tiling_forced(&shape, chosen))
            tiling_choose(s->dtype, &shape, chosen);
        tile = chosen;
    }
    s->ntiles = 1;
    for (int k = 0; k < s->ndim; k++) {
        const int64_t most = s->shape[k] > 0 ? s->shape[k] : 1;
        s->tile[k] = tile[k] < 1 ? 1 : tile[k] > most ? most : tile[k];
        s->grid[k] = s->shape[k] / s->tile[k] + (s->shape[k] % s->tile[k] != 0);
        if (!size_mul(s->ntiles, s->grid[k], &s->ntiles))
            s->ntiles = INT64_MAX;
    }
    s->tiles = &s->one_tile;
    if (s->ntiles > 1) {
        char text[SHAPE_TEXT];
        shape.ndim = s->ndim;
        memcpy(shape.dim, s->tile, (size_t)s->ndim * sizeof shape.dim[0]);
        if (s->ntiles > MOST_TILES)
            return err_set(DA_ERROR_MEMORY, "tiles of %s cut the array into more than %d tiles",
                           shape_text(&shape, text), MOST_TILES);
        s->tiles = mem_zalloc((size_t)s->ntiles * sizeof *s->tiles);
        if (!s->tiles)
            return err_memory((size_t)s->ntiles * sizeof *s->tiles, "the tiles of an array");
        for (int64_t i = 0; i < s->ntiles; i++)
            s->tiles[i].owner = &s->owner;
    } else {
        memset(&s->one_tile, 0, sizeof s->one_tile);
        s->one_tile.owner = &s->owner;
    }
    return DA_OK;
}

da_status array_new(da_array **out, da_dtype dtype, const da_shape *shape, const int64_t *tile,
                    const int *order)
{
    const int ndim = shape->ndim;
    int64_t stride[DA_MAX_NDIM], next = 1, bytes;
    bool empty = false, fits = true;
    storage *s;
    void *block;
    char text[SHAPE_TEXT];

    /* Strides from the innermost axis on; also of an empty array, whose other extents could overflow all the same. */
    for (int i = 0; i < ndim; i++) {
        int k = ndim - 1 - i;
        if (order)
            k = order[k];
        else if (ndim >= 2 && i < 2)
            k = ndim - 2 + i;
        stride[k] = next;
        empty = empty || shape->dim[k] == 0;
        fits = fits && size_mul(next, shape->dim[k] > 0 ? shape->dim[k] : 1, &next);
    }
    if (!fits || !size_mul(next, (int64_t)da_dtype_size(dtype), &bytes))
        return err_set(DA_ERROR_OVERFLOW,
                       "an array of shape %s and dtype %s has more bytes than fit in 64 bits",
                       shape_text(shape, text), da_dtype_name(dtype));
    if (empty)
        bytes = 0;
    if (rt_rehearsing()) {
        s = mem_alloc(sizeof *s);
        if (!s)
            return err_memory(sizeof *s, "an array");
        s->base = (void *)(uintptr_t)NOWHERE;
    } else if (bytes <= TOGETHER) {
        DA_TRY(data_alloc(&block, HEAD + (size_t)bytes));
        s = block;
        s->base = (char *)block + HEAD;
    } else {
        s = mem_alloc(sizeof *s);
        if (!s)
            return err_memory(sizeof *s, "an array");
        const da_status status = data_alloc(&s->base, (size_t)bytes);
        if (status != DA_OK) {
            mem_free(s);
            return status;
        }
    }
    rt_owner_init(&s->owner, &storage_class);
    s->rehearsed = rt_rehearsing();
    s->dtype = dtype;
    s->ndim = ndim;
    memcpy(s->shape, shape->dim, (size_t)ndim * sizeof s->shape[0]);
    memcpy(s->stride, stride, (size_t)ndim * sizeof s->stride[0]);
    s->bytes = (size_t)bytes;
    s->faults = NULL;
    s->wrap = NULL;
    const da_status status = make_tiles(s, tile);
    if (status != DA_OK) {
        s->ntiles = 0;
        s->tiles = &s->one_tile;
        destroy(&s->owner);
        return status;
    }
    return array_of_storage(out, s);
}

/* ---- wrapped memory ---- */

/* A reference to a storage that may be going away; false if it is. */
static bool retain_if_alive(storage *s)
{
    int refs = atomic_load(&s->owner.refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&s->owner.refs, &refs, refs + 1))
            return true;
    return false;
}

static bool same_layout(const storage *a, const storage *b)
{
    return a->base == b->base && a->dtype == b->dtype && a->ndim == b->ndim &&
           !memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]) &&
           !memcmp(a->stride, b->stride, (size_t)a->ndim * sizeof a->stride[0]) &&
           !memcmp(a->tile, b->tile, (size_t)a->ndim * sizeof a->tile[0]);
}

da_status storage_wrap(storage **out, da_dtype dtype, const da_shape *shape, void *base,
                       const int64_t *strides, da_done_fn done, void *ctx, void *data)
{
    storage *s = mem_zalloc(sizeof *s);
    struct wrap *w = mem_zalloc(sizeof *w), *other;
    wrap_call *call = mem_zalloc(sizeof *call);
    int64_t last = 0;
    da_status status = DA_OK;

    if (!s || !w || !call) {
        status = err_memory(sizeof *s + sizeof *w + sizeof *call, "a wrap");
        goto failed;
    }
    *call = (wrap_call){NULL, done, ctx, data};
    rt_owner_init(&s->owner, &storage_class);
    s->dtype = dtype;
    s->ndim = shape->ndim;
    s->base = base;
    s->wrap = w;
    s->owner.keep = RT_KEEP_HOME;
    for (int k = 0; k < s->ndim; k++) {
        s->shape[k] = shape->dim[k];
        s->stride[k] = strides[k];
        last += (shape->dim[k] - 1) * strides[k];
        if (shape->dim[k] == 0)
            s->bytes = 1; /* a mark: empty */
    }
    s->bytes = s->bytes ? 0 : (size_t)(last + 1) * da_dtype_size(dtype);
    status = make_tiles(s, NULL);
    if (status != DA_OK)
        goto failed;
    w->s = s;
    w->lo = base;
    w->hi = w->lo + s->bytes;
    w->calls = call;

    lock_acquire(&wraps_lock);
    if (s->bytes > 0)
        for (other = wraps; other; other = other->next)
            if (same_layout(s, other->s) && retain_if_alive(other->s)) {
                call->next = other->calls;
                other->calls = call;
                lock_release(&wraps_lock);
                if (s->tiles != &s->one_tile)
                    mem_free(s->tiles);
                mem_free(s);
                mem_free(w);
                *out = other->s;
                return DA_OK;
            }
    w->next = wraps;
    if (wraps)
        wraps->prev = w;
    wraps = w;
    lock_release(&wraps_lock);
    *out = s;
    return DA_OK;

failed:
    mem_free(s);
    mem_free(w);
    mem_free(call);
    return status;
}

da_status storage_partners(storage *s, const char *lo, const char *hi, int *n, storage ***out)
{
    da_status status = DA_OK;
    int capacity = 0;
    storage **list = NULL;

    *n = 0;
    *out = NULL;
    if (!s->wrap || lo == hi)
        return DA_OK;
    lock_acquire(&wraps_lock);
    for (const struct wrap *w = wraps; w; w = w->next) {
        if (w->s == s || w->lo >= hi || w->hi <= lo || !retain_if_alive(w->s))
            continue;
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            storage **grown = mem_realloc(list, (size_t)capacity * sizeof *list);
            if (!grown) {
                rt_owner *owner = &w->s->owner;
                lock_release(&wraps_lock);
                status = err_memory((size_t)capacity * sizeof *list, "overlapping wraps");
                rt_owner_release(owner);
                for (int i = 0; i < *n; i++)
                    rt_owner_release(&list[i]->owner);
                mem_free(list);
                *n = 0;
                return status;
            }
            list = grown;
        }
        list[(*n)++] = w->s;
    }
    lock_release(&wraps_lock);
    *out = list;
    return DA_OK;
}

/* ---- faults ---- */

static rt_fault *own_faults(storage *s)
{
    rt_fault *f = NULL;
    if (__atomic_load_n(&s->faults, __ATOMIC_ACQUIRE)) {
        lock_acquire(&faults_lock);
        f = rt_fault_retain(s->faults);
        lock_release(&faults_lock);
    }
    return f;
}

/* Puts a set, whose reference it takes over, in the place of the former one. */
static void set_faults(storage *s, rt_fault *f)
{
    if (!f && !__atomic_load_n(&s->faults, __ATOMIC_ACQUIRE))
        return;
    lock_acquire(&faults_lock);
    rt_fault *former = s->faults;
    __atomic_store_n(&s->faults, f, __ATOMIC_RELEASE);
    lock_release(&faults_lock);
    rt_fault_release(former);
}

da_status storage_faults(storage *s, rt_fault **out)
{
    rt_fault *all = own_faults(s);
    storage **partners;
    int n;
    da_status status = storage_partners(s, s->base, (const char *)s->base + s->bytes, &n, &partners);

    for (int i = 0; i < n; i++) {
        rt_fault *both[2] = {all, own_faults(partners[i])}, *joined;
        if (status == DA_OK && both[1]) {
            status = rt_fault_union(&joined, 2, both);
            if (status == DA_OK) {
                rt_fault_release(all);
                all = joined;
            }
        }
        rt_fault_release(both[1]);
        rt_owner_release(&partners[i]->owner);
    }
    mem_free(partners);
    if (status != DA_OK) {
        rt_fault_release(all);
        all = NULL;
    }
    *out = all;
    return status;
}

da_status faults_prepare(fault_flow *flow, const da_array *out, bool overwritten, int n,
                         const da_array *const *inputs, rt_fault *own)
{
    enum { FEW = 16 };
    rt_fault *few[FEW], **sets = few;
    da_status status = DA_OK;
    int count = 0;

    flow->result = NULL;
    if (n + 2 > FEW) {
        sets = mem_alloc(((size_t)n + 2) * sizeof *sets);
        if (!sets)
            return err_memory(((size_t)n + 2) * sizeof *sets, "a list of faults");
    }
    for (int i = 0; i <= n && status == DA_OK; i++) {
        const da_array *a = i < n ? inputs[i] : overwritten ? NULL : out;
        if (!a || (!a->s->wrap && !__atomic_load_n(&a->s->faults, __ATOMIC_ACQUIRE)))
            continue;
        status = storage_faults(a->s, &sets[count]);
        if (status == DA_OK && sets[count])
            count++;
    }
    if (status == DA_OK && own)
        sets[count++] = rt_fault_retain(own);
    if (status == DA_OK && count == 1)
        flow->result = rt_fault_retain(sets[0]);
    else if (status == DA_OK && count > 1)
        status = rt_fault_union(&flow->result, count, sets);
    for (int i = 0; i < count; i++)
        rt_fault_release(sets[i]);
    if (sets != few)
        mem_free(sets);
    return status;
}

void faults_apply(fault_flow *flow, da_array *out)
{
    set_faults(out->s, flow->result);
    flow->result = NULL;
}

void faults_drop(fault_flow *flow)
{
    rt_fault_release(flow->result);
    flow->result = NULL;
}

da_status array_check_faults(const da_array *a)
{
    rt_fault *f;
    if (!a->s->wrap && !__atomic_load_n(&a->s->faults, __ATOMIC_ACQUIRE))
        return DA_OK;
    DA_TRY(storage_faults(a->s, &f));
    const da_status status = rt_fault_check(f);
    rt_fault_release(f);
    return status;
}

/* ---- fork: nobody else holds the locks in the child ---- */

static void before_fork(void)
{
    lock_acquire(&wraps_lock);
    lock_acquire(&faults_lock);
}

static void after_fork(void)
{
    lock_release(&faults_lock);
    lock_release(&wraps_lock);
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}
