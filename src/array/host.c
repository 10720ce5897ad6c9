/* SPDX-License-Identifier: BSD-3-Clause */
/* Exchange with the host: copies of buffers, wraps, maps, single elements, waiting. */
#include "array/array.h"
#include "base/lock.h"
#include "codelets/array_kernels.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

/* From so many bytes on, host buffers are copied by tasks. */
enum { PARALLEL_BYTES = 4 * 1024 * 1024 };

/* ---- layouts ---- */

/* Strides, in elements, of a host buffer. */
static da_status layout_strides(int64_t *strides, const da_shape *shape, da_layout layout,
                                const char *function)
{
    int64_t next = 1;
    switch (layout.order_) {
    case 1:
        for (int k = shape->ndim - 1; k >= 0; k--) {
            strides[k] = next;
            next *= shape->dim[k];
        }
        return DA_OK;
    case 2:
        for (int k = 0; k < shape->ndim; k++) {
            strides[k] = next;
            next *= shape->dim[k];
        }
        return DA_OK;
    case 3:
        if (!layout.strides_ && shape->ndim > 0)
            return err_set(DA_ERROR_ARGUMENT, "%s: the layout's strides are null", function);
        for (int k = 0; k < shape->ndim; k++)
            strides[k] = layout.strides_[k];
        return DA_OK;
    default:
        return err_set(DA_ERROR_ARGUMENT,
                       "%s: the layout is none; take DA_ROW_MAJOR, DA_COL_MAJOR or DA_STRIDES()", function);
    }
}

/* ---- maps ---- */

struct array_map {
    struct array_map *next;                /* of the same handle */
    struct array_map *all_prev, *all_next; /* of all maps */
    storage *s;
    pthread_t thread;
    da_mode mode;
    data_set data;
    uint64_t number; /* the runtime's */
};

static lock_word maps_lock;
static struct array_map *all_maps;
static _Atomic(int) nmaps;

static void before_fork(void)
{
    lock_acquire(&maps_lock);
}

static void after_fork(void)
{
    lock_release(&maps_lock);
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}

/* The mode in which this thread has some of a storage mapped: 0 if not. */
static int mapped_here(const storage *s)
{
    int mode = 0;
    if (atomic_load_explicit(&nmaps, memory_order_relaxed) == 0)
        return 0;
    lock_acquire(&maps_lock);
    for (const struct array_map *m = all_maps; m; m = m->all_next)
        if (m->s == s && pthread_equal(m->thread, pthread_self()))
            mode |= (int)m->mode;
    lock_release(&maps_lock);
    return mode;
}

/* A thread that waits for what waits for itself would wait for ever. */
static da_status check_not_mapped(const da_array *a, const char *function)
{
    const int mode = mapped_here(a->s);
    bool writers = false;
    if (mode == 0)
        return DA_OK;
    for (int64_t i = 0; i < a->s->ntiles && !writers; i++)
        writers = atomic_load(&a->s->tiles[i].pending_writes) > 0;
    if ((mode & DA_MODE_WRITE) || writers)
        return err_set(DA_ERROR_STATE, "%s: the array is mapped by this thread; call da_unmap() first",
                       function);
    return DA_OK;
}

/* array_wait() for a public function. */
static da_status wait_for(const da_array *a, const char *function)
{
    DA_TRY(rt_check_may_wait(function));
    DA_TRY(check_not_mapped(a, function));
    return array_wait(a, DA_MODE_READ);
}

da_status da_map(const da_array *a, unsigned flags, void **data, int64_t *strides)
{
    static const char function[] = "da_map";
    const da_mode mode = flags & DA_READ_ONLY ? DA_MODE_READ : DA_MODE_READ_WRITE;
    struct array_map *m;
    da_status status;

    DA_TRY(array_check(a, function, "a"));
    if (!data)
        return err_set(DA_ERROR_ARGUMENT, "%s: the pointer for the address is null", function);
    if (!strides && a->ndim > 0)
        return err_set(DA_ERROR_ARGUMENT, "%s: the pointer for the strides is null", function);
    if (flags & ~(unsigned)DA_READ_ONLY)
        return err_set(DA_ERROR_ARGUMENT, "%s: flags %#x; only DA_READ_ONLY is allowed", function, flags);
    if (a->read_only && mode != DA_MODE_READ)
        return err_set(DA_ERROR_ARGUMENT, "%s: a broadcast view can only be mapped with DA_READ_ONLY",
                       function);
    DA_TRY(rt_check_may_wait(function));
    if (mode != DA_MODE_READ && mapped_here(a->s))
        return err_set(DA_ERROR_STATE, "%s: the array is mapped by this thread; call da_unmap() first",
                       function);
    DA_TRY(check_not_mapped(a, function));
    m = mem_zalloc(sizeof *m);
    if (!m)
        return err_memory(sizeof *m, "a map");
    data_set_init(&m->data);
    status = array_wait(a, DA_MODE_READ);
    if (status == DA_OK)
        status = data_set_add(&m->data, a);
    if (status == DA_OK)
        status = rt_data_map((int)m->data.n, m->data.list, mode, &m->number);
    if (status != DA_OK) {
        data_set_drop(&m->data);
        mem_free(m);
        return status;
    }
    m->s = a->s;
    m->thread = pthread_self();
    m->mode = mode;
    rt_owner_retain(&m->s->owner);
    da_array *handle = (da_array *)(uintptr_t)a;
    lock_acquire(&maps_lock);
    m->next = handle->maps;
    handle->maps = m;
    m->all_next = all_maps;
    if (all_maps)
        all_maps->all_prev = m;
    all_maps = m;
    atomic_fetch_add(&nmaps, 1);
    lock_release(&maps_lock);
    *data = array_pointer(a);
    array_strides(a, strides);
    return DA_OK;
}

/* Takes a map of a handle off the lists: this thread's latest or, if it has none, the latest. */
static struct array_map *take_map(da_array *a)
{
    lock_acquire(&maps_lock);
    struct array_map **link = &a->maps;
    while (*link && !pthread_equal((*link)->thread, pthread_self()))
        link = &(*link)->next;
    if (!*link)
        link = &a->maps;
    struct array_map *m = *link;
    if (m) {
        *link = m->next;
        *(m->all_prev ? &m->all_prev->all_next : &all_maps) = m->all_next;
        if (m->all_next)
            m->all_next->all_prev = m->all_prev;
        atomic_fetch_sub(&nmaps, 1);
    }
    lock_release(&maps_lock);
    return m;
}

static void end_map(struct array_map *m)
{
    rt_data_unmap((int)m->data.n, m->data.list, m->mode, m->number);
    data_set_drop(&m->data);
    rt_owner_release(&m->s->owner);
    mem_free(m);
}

da_status da_unmap(const da_array *a)
{
    DA_TRY(array_check(a, "da_unmap", "a"));
    struct array_map *m = take_map((da_array *)(uintptr_t)a);
    if (!m)
        return err_set(DA_ERROR_STATE, "da_unmap: the array is not mapped through this handle");
    end_map(m);
    return DA_OK;
}

void array_unmap_all(da_array *a)
{
    struct array_map *m;
    while ((m = take_map(a)))
        end_map(m);
}

/* ---- copies of buffers ---- */

/* Tasks that copy between a view and a host buffer; their futures go to a list. */
typedef struct future_list {
    rt_task **tasks;
    int64_t n, capacity;
} future_list;

static da_status add_future(future_list *l, task_builder *t, rt_batch *batch)
{
    if (l->n == l->capacity) {
        const int64_t capacity = l->capacity ? 2 * l->capacity : 64;
        rt_task **grown = mem_realloc(l->tasks, (size_t)capacity * sizeof *grown);
        if (!grown && t->status == DA_OK)
            t->status = err_memory((size_t)capacity * sizeof *grown, "a list of tasks");
        if (grown) {
            l->tasks = grown;
            l->capacity = capacity;
        }
    }
    const da_status status = task_add_future(t, batch, l->n < l->capacity ? &l->tasks[l->n] : NULL);
    if (status == DA_OK)
        l->n++;
    return status;
}

static da_status host_tasks(rt_batch *batch, future_list *l, const da_array *a, da_dtype dtype, void *host,
                            const int64_t *strides, bool to_host)
{
    piece_walk w;
    for (bool more = piece_first(&w, a); more; more = piece_next(&w)) {
        task_builder t;
        int64_t offset = 0;
        for (int d = 0; d < a->ndim; d++)
            offset += w.start[d] * strides[d];
        const rt_operand operand = {
            .mode = to_host ? DA_MODE_WRITE : DA_MODE_READ,
            .ptr = (char *)host + offset * (int64_t)da_dtype_size(dtype),
            .dtype = dtype,
            .ndim = a->ndim,
            .shape = w.count,
            .strides = strides,
        };
        task_begin(&t, &array_codelet_copy);
        if (to_host)
            task_operand(&t, &operand);
        task_access(&t, a, w.start, w.count, to_host ? DA_MODE_READ : DA_MODE_WRITE);
        if (!to_host)
            task_operand(&t, &operand);
        DA_TRY(add_future(l, &t, batch));
    }
    return DA_OK;
}

static da_status wait_for_futures(future_list *l)
{
    da_status status = DA_OK;
    for (int64_t i = 0; i < l->n; i++) {
        const da_status one = rt_task_wait(l->tasks[i]);
        status = status == DA_OK ? one : status;
    }
    return status;
}

static void drop_futures(future_list *l)
{
    for (int64_t i = 0; i < l->n; i++)
        rt_task_release(l->tasks[i]);
    mem_free(l->tasks);
}

/* The caller itself copies. */
static void copy_here(const da_array *a, da_dtype host_dtype, void *host, const int64_t *host_strides,
                      bool to_host)
{
    int64_t strides[DA_MAX_NDIM];
    const da_dtype dtype = a->s->dtype;
    void *p = array_pointer(a);
    array_strides(a, strides);
    if (to_host)
        kernel_copy(a->ndim, a->shape, host_dtype, host, host_strides, dtype, p, strides);
    else
        kernel_copy(a->ndim, a->shape, dtype, p, strides, host_dtype, host, host_strides);
}

static int64_t bytes_of(const da_array *a)
{
    return array_count(a) * (int64_t)da_dtype_size(a->s->dtype);
}

/* Host memory into a view: by tasks that are waited for. */
static da_status write_view(da_array *v, const void *data, const int64_t *strides)
{
    rt_batch batch = RT_BATCH_INIT;
    future_list futures = {NULL, 0, 0};
    fault_flow flow;
    da_status status = host_tasks(&batch, &futures, v, v->s->dtype, (void *)(uintptr_t)data, strides, false);

    if (status == DA_OK)
        status = faults_prepare(&flow, v, array_covers_storage(v), 0, NULL, NULL);
    if (status == DA_OK) {
        faults_apply(&flow, v);
        status = rt_batch_commit(&batch);
    } else {
        rt_batch_abandon(&batch);
    }
    if (status == DA_OK)
        status = wait_for_futures(&futures);
    drop_futures(&futures);
    return status;
}

da_status da_from_host(da_array **out, da_dtype dtype, da_shape shape, const void *data, da_layout layout)
{
    static const char function[] = "da_from_host";
    int64_t strides[DA_MAX_NDIM];
    da_array *a;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(&shape, dtype, function));
    DA_TRY(layout_strides(strides, &shape, layout, function));
    DA_TRY(array_new(&a, dtype, &shape, NULL, NULL));
    const int64_t bytes = bytes_of(a);
    if (!data && bytes > 0) {
        da_array_release(&a);
        return err_set(DA_ERROR_ARGUMENT, "%s: data is null", function);
    }
    if (bytes < PARALLEL_BYTES || a->s->ntiles < 2 || rt_in_task()) {
        copy_here(a, dtype, (void *)(uintptr_t)data, strides, false);
    } else {
        const da_status status = write_view(a, data, strides);
        if (status != DA_OK) {
            da_array_release(&a);
            return status;
        }
    }
    *out = a;
    return DA_OK;
}

da_status array_read(const da_array *a, da_dtype dtype, void *data, const int64_t *strides,
                     const char *function)
{
    da_status status;
    DA_TRY(wait_for(a, function));
    if (array_count(a) == 0)
        return DA_OK;
    if (mapped_here(a->s)) {
        copy_here(a, dtype, data, strides, true);
        return DA_OK;
    }
    if (bytes_of(a) >= PARALLEL_BYTES && a->s->ntiles > 1) {
        rt_batch batch = RT_BATCH_INIT;
        future_list futures = {NULL, 0, 0};
        status = host_tasks(&batch, &futures, a, dtype, data, strides, true);
        if (status == DA_OK)
            status = rt_batch_commit(&batch);
        else
            rt_batch_abandon(&batch);
        if (status == DA_OK)
            status = wait_for_futures(&futures);
        drop_futures(&futures);
        return status;
    }
    data_set set;
    uint64_t number = 0;
    data_set_init(&set);
    status = data_set_add(&set, a);
    if (status == DA_OK)
        status = rt_data_map((int)set.n, set.list, DA_MODE_READ, &number);
    if (status == DA_OK) {
        copy_here(a, dtype, data, strides, true);
        rt_data_unmap((int)set.n, set.list, DA_MODE_READ, number);
    }
    data_set_drop(&set);
    return status;
}

da_status da_to_host(const da_array *a, void *data, size_t bytes, da_layout layout)
{
    static const char function[] = "da_to_host";
    int64_t strides[DA_MAX_NDIM];
    char text[SHAPE_TEXT];

    DA_TRY(array_check(a, function, "a"));
    const da_shape shape = array_shape_of(a);
    DA_TRY(layout_strides(strides, &shape, layout, function));
    if (!data && array_count(a) > 0)
        return err_set(DA_ERROR_ARGUMENT, "%s: data is null", function);
    if (layout.order_ != 3 && (uint64_t)bytes_of(a) > bytes)
        return err_set(
            DA_ERROR_SHAPE, "%s: a buffer of %zu bytes is too small for shape %s of %s, which takes %lld",
            function, bytes, shape_text(&shape, text), da_dtype_name(a->s->dtype), (long long)bytes_of(a));
    return array_read(a, a->s->dtype, data, strides, function);
}

/* The box of a view as a view of its own, released by the caller. */
static da_status box_of(da_array **out, const da_array *a, const da_shape *start, const da_shape *count,
                        const char *function)
{
    char from[SHAPE_TEXT], extents[SHAPE_TEXT], whole[SHAPE_TEXT];
    const da_shape shape = array_shape_of(a);
    bool inside = start->ndim == a->ndim && count->ndim == a->ndim;

    if (start->ndim < 0 || start->ndim > DA_MAX_NDIM || count->ndim < 0 || count->ndim > DA_MAX_NDIM)
        return err_set(DA_ERROR_INDEX, "%s: start has %d dimensions and count has %d", function, start->ndim,
                       count->ndim);
    for (int d = 0; d < a->ndim && inside; d++)
        inside = start->dim[d] >= 0 && count->dim[d] >= 0 && start->dim[d] <= a->shape[d] &&
                 count->dim[d] <= a->shape[d] - start->dim[d];
    if (!inside)
        return err_set(DA_ERROR_INDEX, "%s: the box of extents %s at %s does not lie in shape %s", function,
                       shape_text(count, extents), shape_text(start, from), shape_text(&shape, whole));
    DA_TRY(array_view(out, a));
    array_box(*out, start->dim, count->dim);
    return DA_OK;
}

da_status da_read(const da_array *a, da_shape start, da_shape count, void *data, da_layout layout)
{
    int64_t strides[DA_MAX_NDIM];
    da_array *v;

    DA_TRY(array_check(a, "da_read", "a"));
    DA_TRY(box_of(&v, a, &start, &count, "da_read"));
    da_status status = layout_strides(strides, &count, layout, "da_read");
    if (status == DA_OK && !data && array_count(v) > 0)
        status = err_set(DA_ERROR_ARGUMENT, "da_read: data is null");
    if (status == DA_OK)
        status = array_read(v, v->s->dtype, data, strides, "da_read");
    da_array_release(&v);
    return status;
}

da_status da_write(da_array *a, da_shape start, da_shape count, const void *data, da_layout layout)
{
    int64_t strides[DA_MAX_NDIM];
    da_array *v;

    DA_TRY(array_check(a, "da_write", "a"));
    if (a->read_only)
        return err_set(DA_ERROR_ARGUMENT, "da_write: a broadcast view is read-only");
    DA_TRY(box_of(&v, a, &start, &count, "da_write"));
    da_status status = layout_strides(strides, &count, layout, "da_write");
    if (status == DA_OK && !data && array_count(v) > 0)
        status = err_set(DA_ERROR_ARGUMENT, "da_write: data is null");
    if (status == DA_OK)
        status = rt_check_may_wait("da_write");
    if (status == DA_OK && mapped_here(a->s))
        status =
            err_set(DA_ERROR_STATE, "da_write: the array is mapped by this thread; call da_unmap() first");
    if (status == DA_OK && array_count(v) > 0)
        status = write_view(v, data, strides);
    da_array_release(&v);
    return status;
}

/* ---- wraps ---- */

typedef struct wrap_axis {
    int64_t n, stride;
    int axis;
} wrap_axis;

/* True if some non-zero d with |d[k]| < a[k].n gives sum d[k]*stride[k] == target, axes sorted by falling stride. Gives up (true) after
 * a million steps. */
static bool reaches(const wrap_axis *a, int n, int64_t target, bool nonzero, int64_t *steps)
{
    int64_t rest = 0;
    if (--*steps < 0)
        return true;
    if (n == 0)
        return target == 0 && nonzero;
    for (int k = 1; k < n; k++)
        rest += (a[k].n - 1) * a[k].stride;
    for (int64_t d = -(a[0].n - 1); d < a[0].n; d++) {
        /* what is left must be within reach of the smaller strides */
        const int64_t left = target - d * a[0].stride;
        if (left > rest) {
            d += (left - rest) / a[0].stride > 1 ? (left - rest) / a[0].stride - 1 : 0;
            continue;
        }
        if (left < -rest)
            break;
        if (reaches(a + 1, n - 1, left, nonzero || d != 0, steps))
            return true;
    }
    return false;
}

/* DA_ERROR_SHAPE if two elements lie at one address. Strides are positive. */
static da_status check_distinct(const da_shape *shape, const int64_t *strides, const int64_t *given)
{
    wrap_axis a[DA_MAX_NDIM];
    int64_t span = 0, steps = 1000000;
    int n = 0, blame = -1;
    char text[SHAPE_TEXT];

    for (int k = 0; k < shape->ndim; k++) {
        if (shape->dim[k] <= 1)
            continue;
        if (strides[k] == 0)
            return err_set(
                DA_ERROR_SHAPE,
                "da_wrap: axis %d of shape %s has stride 0, so its %lld elements share one address", k,
                shape_text(shape, text), (long long)shape->dim[k]);
        int at = n++;
        while (at > 0 && a[at - 1].stride < strides[k]) {
            a[at] = a[at - 1];
            at--;
        }
        a[at] = (wrap_axis){shape->dim[k], strides[k], k};
    }
    /* The usual case: each stride steps over all that the smaller ones reach. */
    for (int i = n - 1; i >= 0; i--) {
        if (a[i].stride <= span && blame < 0)
            blame = i;
        span += (a[i].n - 1) * a[i].stride;
    }
    if (blame < 0 || !reaches(a, n, 0, false, &steps))
        return DA_OK;
    return err_set(DA_ERROR_SHAPE,
                   "da_wrap: with stride %lld of axis %d and stride %lld of axis %d, two elements of shape "
                   "%s share an address",
                   (long long)given[a[blame].axis], a[blame].axis, (long long)given[a[blame + 1].axis],
                   a[blame + 1].axis, shape_text(shape, text));
}

static size_t alignment_of(da_dtype dtype)
{
    return da_dtype_size(dtype_real(dtype));
}

da_status da_wrap(da_array **out, da_dtype dtype, da_shape shape, void *data, da_layout layout,
                  da_done_fn done, void *ctx)
{
    static const char function[] = "da_wrap";
    int64_t given[DA_MAX_NDIM], strides[DA_MAX_NDIM], back = 0, forth = 0, bytes;
    bool flipped[DA_MAX_NDIM], empty = false;
    char text[SHAPE_TEXT];
    storage *s;
    da_array *a;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(&shape, dtype, function));
    DA_TRY(layout_strides(given, &shape, layout, function));
    for (int k = 0; k < shape.ndim; k++)
        empty = empty || shape.dim[k] == 0;
    if (!data && !empty)
        return err_set(DA_ERROR_ARGUMENT, "%s: data is null", function);
    if ((uintptr_t)data % alignment_of(dtype) != 0)
        return err_set(DA_ERROR_ARGUMENT, "%s: the address %p is not a multiple of %zu, the alignment of %s",
                       function, data, alignment_of(dtype), da_dtype_name(dtype));
    for (int k = 0; k < shape.ndim; k++) {
        int64_t reach;
        flipped[k] = given[k] < 0 && shape.dim[k] > 1;
        if (given[k] == INT64_MIN)
            return err_set(DA_ERROR_OVERFLOW, "%s: stride %lld of axis %d", function, (long long)given[k], k);
        strides[k] = given[k] < 0 ? -given[k] : given[k];
        if (shape.dim[k] <= 1)
            strides[k] = strides[k] == 0 ? 1 : strides[k]; /* never used */
        if (empty)
            continue;
        if (shape.dim[k] > 1 && !size_mul(shape.dim[k] - 1, strides[k], &reach))
            return err_set(DA_ERROR_OVERFLOW,
                           "%s: stride %lld of axis %d with extent %lld goes beyond 64 bits", function,
                           (long long)given[k], k, (long long)shape.dim[k]);
        if (shape.dim[k] > 1 && !size_add(flipped[k] ? back : forth, reach, flipped[k] ? &back : &forth))
            return err_set(
                DA_ERROR_OVERFLOW,
                "%s: the strides of axes 0 to %d, the last of them %lld, together go beyond 64 bits",
                function, k, (long long)given[k]);
    }
    if (!size_add(back, forth, &bytes) || !size_add(bytes, 1, &bytes) ||
        !size_mul(bytes, (int64_t)da_dtype_size(dtype), &bytes) ||
        (uint64_t)back * da_dtype_size(dtype) > (uintptr_t)data ||
        (uint64_t)(forth + 1) * da_dtype_size(dtype) > (uint64_t)INTPTR_MAX - (uintptr_t)data)
        return err_set(DA_ERROR_OVERFLOW, "%s: shape %s with these strides goes beyond the address space",
                       function, shape_text(&shape, text));
    if (!empty)
        DA_TRY(check_distinct(&shape, strides, given));
    else
        for (int k = 0; k < shape.ndim; k++)
            strides[k] = 0; /* nothing is ever there */
    DA_TRY(storage_wrap(&s, dtype, &shape, (char *)data - back * (int64_t)da_dtype_size(dtype), strides, done,
                        ctx, data));
    da_status status = array_of_storage(&a, s);
    if (status != DA_OK)
        return status;
    for (int k = 0; k < shape.ndim && !empty; k++)
        if (flipped[k]) {
            a->origin[k] = shape.dim[k] - 1;
            a->step[k] = -1;
        }
    *out = a;
    return DA_OK;
}

/* ---- waiting and single elements ---- */

da_status da_wait(const da_array *a)
{
    DA_TRY(array_check(a, "da_wait", "a"));
    return wait_for(a, "da_wait");
}

/* The one element as the widest of its kind: kind as in da_scalar. */
static da_status only_element(da_scalar *value, const da_array *a, const char *function)
{
    kernel_element element = {{0}};
    const int64_t strides[DA_MAX_NDIM] = {0};
    char text[SHAPE_TEXT];

    DA_TRY(array_check(a, function, "a"));
    const da_shape shape = array_shape_of(a);
    if (array_count(a) != 1)
        return err_set(DA_ERROR_SHAPE, "%s: an array of shape %s has %lld elements, not one", function,
                       shape_text(&shape, text), (long long)array_count(a));
    DA_TRY(array_read(a, a->s->dtype, &element, strides, function));
    const da_dtype dtype = a->s->dtype;
    memset(value, 0, sizeof *value);
    if (dtype == DA_BOOL) {
        value->kind_ = 5;
        value->v_.u = element.bytes[0] != 0;
    } else if (dtype_is_integer(dtype)) {
        value->kind_ = dtype_is_signed(dtype) ? 1 : 2;
        kernel_line_for(DA_I64, dtype)(1, &value->v_.i, 1, &element, 1);
    } else {
        value->kind_ = dtype_is_complex(dtype) ? 4 : 3;
        kernel_line_for(DA_C128, dtype)(1, &value->v_.z, 1, &element, 1);
    }
    return DA_OK;
}

static da_status real_element(da_scalar *value, const da_array *a, const char *function)
{
    DA_TRY(only_element(value, a, function));
    if (value->kind_ == 4)
        return err_set(DA_ERROR_DTYPE, "%s: the complex number %g%+gi does not convert to a real one",
                       function, value->v_.z.re, value->v_.z.im);
    return DA_OK;
}

static double as_double(const da_scalar *value)
{
    return value->kind_ == 1                        ? (double)value->v_.i
           : value->kind_ >= 3 && value->kind_ <= 4 ? value->v_.z.re
                                                    : (double)value->v_.u;
}

da_status da_item_f64(double *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_f64"));
    DA_TRY(real_element(&x, a, "da_item_f64"));
    *out = as_double(&x);
    return DA_OK;
}

da_status da_item_f32(float *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_f32"));
    DA_TRY(real_element(&x, a, "da_item_f32"));
    const double d = as_double(&x);
    if (isfinite(d) && isinf((float)d))
        return err_set(DA_ERROR_OVERFLOW, "da_item_f32: %.17g does not fit float32", d);
    *out = (float)d;
    return DA_OK;
}

da_status da_item_i64(int64_t *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_i64"));
    DA_TRY(real_element(&x, a, "da_item_i64"));
    if (x.kind_ == 3 && !(x.v_.z.re >= -0x1p63 && x.v_.z.re < 0x1p63))
        return err_set(DA_ERROR_OVERFLOW, "da_item_i64: %.17g does not fit int64", x.v_.z.re);
    if (x.kind_ == 2 && x.v_.u > INT64_MAX)
        return err_set(DA_ERROR_OVERFLOW, "da_item_i64: %llu does not fit int64", (unsigned long long)x.v_.u);
    *out = x.kind_ == 3 ? (int64_t)x.v_.z.re : x.v_.i;
    return DA_OK;
}

da_status da_item_u64(uint64_t *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_u64"));
    DA_TRY(real_element(&x, a, "da_item_u64"));
    if (x.kind_ == 3 && !(x.v_.z.re > -1 && x.v_.z.re < 0x1p64))
        return err_set(DA_ERROR_OVERFLOW, "da_item_u64: %.17g does not fit uint64", x.v_.z.re);
    if (x.kind_ == 1 && x.v_.i < 0)
        return err_set(DA_ERROR_OVERFLOW, "da_item_u64: %lld does not fit uint64", (long long)x.v_.i);
    *out = x.kind_ == 3 ? (uint64_t)x.v_.z.re : x.v_.u;
    return DA_OK;
}

da_status da_item_bool(bool *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_bool"));
    DA_TRY(only_element(&x, a, "da_item_bool"));
    *out = x.kind_ == 3 || x.kind_ == 4 ? x.v_.z.re != 0 || x.v_.z.im != 0 : x.v_.u != 0;
    return DA_OK;
}

da_status da_item_c128(da_c128 *out, const da_array *a)
{
    da_scalar x;
    DA_TRY(array_check_out(out, "da_item_c128"));
    DA_TRY(only_element(&x, a, "da_item_c128"));
    out->re = as_double(&x);
    out->im = x.kind_ == 4 ? x.v_.z.im : 0;
    return DA_OK;
}
