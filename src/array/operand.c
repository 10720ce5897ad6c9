/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays as operands of tasks: which data (tiles) a view touches, and the builder of tasks on views. */
#include "array/array.h"
#include <string.h>

struct operand_extents {
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM];
    int first_data; /* where the operand's data begin in the builder's list */
    bool joint;     /* the owner is a reference of the builder's */
};

/* What fits a builder without taking memory. */
enum { INLINE_OPERANDS = 12, INLINE_DATA = 100 };
struct task_builder_inline {
    rt_operand operands[INLINE_OPERANDS];
    struct operand_extents extents[INLINE_OPERANDS];
    rt_data *data[INLINE_DATA];
};
_Static_assert(sizeof(struct task_builder_inline) <= sizeof((task_builder *)0)->space_,
               "the builder's space is too small");

/* ---- owner of several owners: an operand on wraps that overlap keeps all of them ---- */

typedef struct joint {
    rt_owner owner;
    int n;
    rt_owner *parts[];
} joint;

static void joint_destroy(rt_owner *owner)
{
    joint *j = (joint *)owner;
    for (int i = 0; i < j->n; i++)
        rt_owner_release(j->parts[i]);
    mem_free(j);
}

static void joint_describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    (void)owner;
    data->owner->cls->describe(data->owner, data, out);
}

static const rt_owner_class joint_class = {joint_destroy, joint_describe};

/* ---- the tiles of a view ---- */

/* A view's piece reduced to what tiles matter: per storage axis the coordinates first..last in steps. */
typedef struct span {
    int64_t first, last, step;
} span;

static bool spans_of(const da_array *a, const int64_t *start, const int64_t *count, span *p)
{
    for (int k = 0; k < a->s->ndim; k++)
        p[k] = (span){a->origin[k], a->origin[k], 1};
    for (int d = 0; d < a->ndim; d++) {
        const int64_t n = count ? count[d] : a->shape[d];
        const int k = a->axis[d];
        if (n == 0)
            return false;
        if (k < 0)
            continue;
        const int64_t x = a->origin[k] + (start ? start[d] : 0) * a->step[d], y = x + (n - 1) * a->step[d];
        p[k].first = x < y ? x : y;
        p[k].last = x < y ? y : x;
        p[k].step = n == 1 ? 1 : a->step[d] < 0 ? -a->step[d] : a->step[d];
    }
    return true;
}

/* True if every tile that the spans touch lies in them whole. */
static bool whole_tiles(const storage *s, const span *p)
{
    for (int k = 0; k < s->ndim; k++) {
        const int64_t tile = s->tile[k], end = (p[k].last / tile + 1) * tile;
        if (p[k].first % tile != 0 || p[k].last + 1 != (end < s->shape[k] ? end : s->shape[k]))
            return false;
        if (p[k].step != 1)
            return false;
    }
    return true;
}

static void bytes_of(const storage *s, const span *p, const char **lo, const char **hi)
{
    const int64_t size = (int64_t)da_dtype_size(s->dtype);
    int64_t first = 0, last = 0;
    for (int k = 0; k < s->ndim; k++) {
        first += p[k].first * s->stride[k];
        last += p[k].last * s->stride[k];
    }
    *lo = (const char *)s->base + first * size;
    *hi = (const char *)s->base + (last + 1) * size;
}

/* A list of data that grows out of the space it begins in. */
typedef struct data_list {
    rt_data ***list, **space;
    int64_t n, capacity;
} data_list;

static da_status list_add(data_list *l, rt_data *data)
{
    if (l->n == l->capacity) {
        const size_t bytes = 2 * (size_t)l->capacity * sizeof **l->list;
        rt_data **grown = *l->list == l->space ? mem_alloc(bytes) : mem_realloc(*l->list, bytes);
        if (!grown)
            return err_memory(bytes, "the tiles of a task");
        if (*l->list == l->space)
            memcpy(grown, l->space, (size_t)l->n * sizeof *grown);
        *l->list = grown;
        l->capacity *= 2;
    }
    (*l->list)[l->n++] = data;
    return DA_OK;
}

static da_status add_tiles(data_list *l, storage *s, const span *p)
{
    int64_t tile[DA_MAX_NDIM];
    if (s->ntiles == 1)
        return list_add(l, &s->tiles[0]);
    for (int k = 0; k < s->ndim; k++)
        tile[k] = p[k].first / s->tile[k];
    for (;;) {
        int64_t at = 0;
        int k;
        for (k = 0; k < s->ndim; k++)
            at = at * s->grid[k] + tile[k];
        DA_TRY(list_add(l, &s->tiles[at]));
        for (k = s->ndim - 1; k >= 0; k--) {
            if (p[k].step <= s->tile[k]) { /* every tile on the way is touched */
                tile[k]++;
            } else { /* the tile of the next element */
                const int64_t begin = tile[k] * s->tile[k], past = begin + s->tile[k] - p[k].first;
                tile[k] = (p[k].first + (past + p[k].step - 1) / p[k].step * p[k].step) / s->tile[k];
            }
            if (tile[k] <= p[k].last / s->tile[k])
                break;
            tile[k] = p[k].first / s->tile[k];
        }
        if (k < 0)
            return DA_OK;
    }
}

/* Tiles of another wrap that lie in the bytes [lo, hi), as far as their first and last bytes tell. */
static da_status add_tiles_between(data_list *l, storage *s, const char *lo, const char *hi)
{
    for (int64_t i = 0; i < s->ntiles; i++) {
        rt_piece piece;
        int64_t last = 0;
        s->owner.cls->describe(&s->owner, &s->tiles[i], &piece);
        for (int k = 0; k < piece.ndim; k++)
            last += (piece.shape[k] - 1) * piece.strides[k];
        const char *begin = piece.ptr, *end = begin + (last + 1) * (int64_t)piece.element_size;
        if (begin < hi && lo < end)
            DA_TRY(list_add(l, &s->tiles[i]));
    }
    return DA_OK;
}

/* ---- sets of data ---- */

void data_set_init(data_set *set)
{
    set->list = set->space;
    set->n = 0;
    set->capacity = (int64_t)(sizeof set->space / sizeof set->space[0]);
    set->partners = NULL;
    set->npartners = 0;
}

da_status data_set_add(data_set *set, const da_array *a)
{
    data_list l = {&set->list, set->space, set->n, set->capacity};
    span p[DA_MAX_NDIM];
    da_status status = DA_OK;

    if (!spans_of(a, NULL, NULL, p))
        return DA_OK;
    status = add_tiles(&l, a->s, p);
    if (status == DA_OK && a->s->wrap) {
        const char *lo, *hi;
        bytes_of(a->s, p, &lo, &hi);
        status = storage_partners(a->s, lo, hi, &set->npartners, &set->partners);
        for (int i = 0; i < set->npartners && status == DA_OK; i++)
            status = add_tiles_between(&l, set->partners[i], lo, hi);
    }
    set->n = l.n;
    set->capacity = l.capacity;
    return status;
}

void data_set_drop(data_set *set)
{
    for (int i = 0; i < set->npartners; i++)
        rt_owner_release(&set->partners[i]->owner);
    mem_free(set->partners);
    if (set->list != set->space)
        mem_free(set->list);
    data_set_init(set);
}

da_status array_wait(const da_array *a, da_mode mode)
{
    da_status status;

    if (!a->s->wrap && array_covers_storage(a)) {
        DA_TRY(rt_data_wait_range(a->s->tiles, a->s->ntiles, mode));
    } else {
        data_set set;
        data_set_init(&set);
        status = data_set_add(&set, a);
        if (status == DA_OK)
            status = rt_data_wait((int)set.n, set.list, mode);
        if (status == DA_OK && a->s->wrap) /* the user reads it where it is */
            status = rt_data_home((int)set.n, set.list);
        data_set_drop(&set);
        if (status != DA_OK)
            return status;
    }
    return array_check_faults(a);
}

/* ---- the builder ---- */

void task_begin(task_builder *t, const da_codelet *codelet)
{
    struct task_builder_inline *space = (struct task_builder_inline *)(void *)t->space_;
    memset(&t->desc, 0, sizeof t->desc);
    t->desc.codelet = codelet;
    t->status = DA_OK;
    t->inline_ = space;
    t->capacity = INLINE_OPERANDS;
    t->operands = space->operands;
    t->extents = space->extents;
    t->data = space->data;
    t->ndata = 0;
    t->data_capacity = INLINE_DATA;
}

/* Room for one more operand; null if the builder failed. */
static rt_operand *next_operand(task_builder *t)
{
    const int n = t->desc.noperands;
    if (t->status != DA_OK)
        return NULL;
    if (n == t->capacity) {
        const size_t capacity = 2 * (size_t)n;
        const bool first = t->operands == t->inline_->operands;
        rt_operand *operands = first ? mem_alloc(capacity * sizeof *operands)
                                     : mem_realloc(t->operands, capacity * sizeof *operands);
        if (operands) {
            if (first)
                memcpy(operands, t->operands, (size_t)n * sizeof *operands);
            t->operands = operands;
        }
        struct operand_extents *extents = NULL;
        if (operands)
            extents = t->extents == t->inline_->extents ? mem_alloc(capacity * sizeof *extents)
                                                        : mem_realloc(t->extents, capacity * sizeof *extents);
        if (extents) {
            if (t->extents == t->inline_->extents)
                memcpy(extents, t->extents, (size_t)n * sizeof *extents);
            t->extents = extents;
            t->capacity = (int)capacity;
        } else {
            t->status = err_memory(capacity * (sizeof *operands + sizeof *extents), "the operands of a task");
            return NULL;
        }
    }
    t->extents[n].joint = false;
    t->extents[n].first_data = t->ndata;
    return &t->operands[n];
}

/* The operand's owner becomes one that keeps all the wraps that overlap here; their tiles join its data. */
static da_status add_partners(rt_operand *o, struct operand_extents *e, data_list *l, storage *s,
                              const span *p)
{
    const char *lo, *hi;
    storage **partners;
    int n;
    da_status status = DA_OK;
    joint *j = NULL;

    bytes_of(s, p, &lo, &hi);
    DA_TRY(storage_partners(s, lo, hi, &n, &partners));
    if (n == 0)
        return DA_OK;
    j = mem_alloc(sizeof *j + ((size_t)n + 1) * sizeof j->parts[0]);
    if (!j)
        status = err_memory(sizeof *j + ((size_t)n + 1) * sizeof j->parts[0], "overlapping wraps");
    for (int i = 0; i < n && status == DA_OK; i++)
        status = add_tiles_between(l, partners[i], lo, hi);
    if (status == DA_OK) {
        rt_owner_init(&j->owner, &joint_class);
        rt_owner_retain(&s->owner);
        j->parts[0] = &s->owner;
        for (int i = 0; i < n; i++)
            j->parts[i + 1] = &partners[i]->owner;
        j->n = n + 1;
        o->owner = &j->owner;
        e->joint = true;
        if (o->mode & DA_MODE_WRITE)
            o->mode = DA_MODE_READ_WRITE;
    } else {
        mem_free(j);
        for (int i = 0; i < n; i++)
            rt_owner_release(&partners[i]->owner);
    }
    mem_free(partners);
    return status;
}

void task_access(task_builder *t, const da_array *a, const int64_t *start, const int64_t *count, da_mode mode)
{
    rt_operand *o = next_operand(t);
    storage *s = a->s;
    span p[DA_MAX_NDIM];

    if (!o)
        return;
    struct operand_extents *e = &t->extents[t->desc.noperands];
    int64_t offset = 0;
    o->mode = mode;
    o->owner = &s->owner;
    o->dtype = s->dtype;
    o->ndim = a->ndim;
    o->ndata = 0;
    for (int k = 0; k < s->ndim; k++)
        offset += a->origin[k] * s->stride[k];
    for (int d = 0; d < a->ndim; d++) {
        e->shape[d] = count ? count[d] : a->shape[d];
        e->strides[d] = a->axis[d] < 0 ? 0 : a->step[d] * s->stride[a->axis[d]];
        if (start)
            offset += start[d] * e->strides[d];
    }
    if (spans_of(a, start, count, p)) {
        data_list l = {&t->data, t->inline_->data, t->ndata, t->data_capacity};
        o->ptr = (char *)s->base + offset * (int64_t)da_dtype_size(s->dtype);
        /* A datum of which only a part is written keeps the rest. */
        if (mode == DA_MODE_WRITE && !whole_tiles(s, p))
            o->mode = DA_MODE_READ_WRITE;
        t->status = add_tiles(&l, s, p);
        if (t->status == DA_OK && s->wrap)
            t->status = add_partners(o, e, &l, s, p);
        o->ndata = (int)(l.n - t->ndata);
        t->ndata = (int)l.n;
        t->data_capacity = (int)l.capacity;
    } else {
        o->ptr = s->base;
    }
    t->desc.noperands++;
}

void task_operand(task_builder *t, const rt_operand *operand)
{
    rt_operand *o = next_operand(t);
    if (!o)
        return;
    struct operand_extents *e = &t->extents[t->desc.noperands];
    data_list l = {&t->data, t->inline_->data, t->ndata, t->data_capacity};
    *o = *operand;
    if (operand->ndim > 0) { /* else both may be null */
        memcpy(e->shape, operand->shape, (size_t)operand->ndim * sizeof e->shape[0]);
        memcpy(e->strides, operand->strides, (size_t)operand->ndim * sizeof e->strides[0]);
    }
    for (int i = 0; i < operand->ndata && t->status == DA_OK; i++)
        t->status = list_add(&l, operand->data[i]);
    t->ndata = (int)l.n;
    t->data_capacity = (int)l.capacity;
    t->desc.noperands++;
}

void task_value(task_builder *t, const void *value, size_t size)
{
    t->values[t->desc.nvalues++] = (da_value){value, size};
}

void task_priority(task_builder *t, int priority)
{
    t->desc.priority = priority;
}

void task_fault(task_builder *t, rt_fault *cell, int64_t offset)
{
    t->desc.fault = cell;
    t->desc.fault_offset = offset;
}

void task_drop(task_builder *t)
{
    for (int i = 0; i < t->desc.noperands; i++)
        if (t->extents[i].joint)
            rt_owner_release(t->operands[i].owner);
    if (t->operands != t->inline_->operands)
        mem_free(t->operands);
    if (t->extents != t->inline_->extents)
        mem_free(t->extents);
    if (t->data != t->inline_->data)
        mem_free(t->data);
}

da_status task_add_future(task_builder *t, rt_batch *batch, rt_task **task)
{
    if (t->status == DA_OK) {
        for (int i = 0; i < t->desc.noperands; i++) {
            t->operands[i].shape = t->extents[i].shape;
            t->operands[i].strides = t->extents[i].strides;
            t->operands[i].data = t->data + t->extents[i].first_data;
        }
        t->desc.operands = t->operands;
        t->desc.values = t->values;
        t->status = rt_batch_add(batch, &t->desc, task);
    }
    task_drop(t);
    return t->status;
}

da_status task_add(task_builder *t, rt_batch *batch)
{
    return task_add_future(t, batch, NULL);
}
