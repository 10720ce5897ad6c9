/* SPDX-License-Identifier: BSD-3-Clause */
/* How arrays are cut into tiles, and tiles as views see them. */
#include "array/array.h"
#include <math.h>
#include <string.h>

/* Tiles for elementwise work are not smaller than the one (a task costs a microsecond) and, by choice, not larger than the other. */
static const int64_t least_bytes = 256 * 1024, most_bytes = 16 * 1024 * 1024;
/* Tiles per worker that are aimed at: enough to balance, few enough not to cost. */
enum { TILES_PER_WORKER = 4 };

static _Thread_local da_shape thread_blocks;

da_status da_blocks(da_shape blocks)
{
    char text[SHAPE_TEXT];
    if (blocks.ndim < 0 || blocks.ndim > DA_MAX_NDIM)
        return err_set(DA_ERROR_SHAPE, "da_blocks: %d dimensions; there are 0 to %d", blocks.ndim,
                       DA_MAX_NDIM);
    for (int k = 0; k < blocks.ndim; k++)
        if (blocks.dim[k] < 1)
            return err_set(DA_ERROR_SHAPE, "da_blocks: extent %lld of axis %d in %s is less than 1",
                           (long long)blocks.dim[k], k, shape_text(&blocks, text));
    thread_blocks = blocks;
    return DA_OK;
}

/* Extents given for the last axes. */
static void from_last(const da_shape *shape, int n, const int64_t *given, int64_t *tile)
{
    for (int k = 0; k < shape->ndim; k++) {
        const int at = n - shape->ndim + k;
        tile[k] = at >= 0 ? given[at] : shape->dim[k] > 0 ? shape->dim[k] : 1;
    }
}

bool tiling_forced(const da_shape *shape, int64_t *tile)
{
    if (thread_blocks.ndim > 0) {
        from_last(shape, thread_blocks.ndim, thread_blocks.dim, tile);
        return true;
    }
    const config *c = config_get();
    if (c->tile_ndim == 1)
        for (int k = 0; k < shape->ndim; k++)
            tile[k] = c->tile[0];
    else if (c->tile_ndim > 1)
        from_last(shape, c->tile_ndim, c->tile, tile);
    return c->tile_ndim > 0;
}

/* Equal parts of an extent; of long axes in whole cache lines. */
static int64_t part(int64_t extent, int64_t parts)
{
    int64_t size = (extent + parts - 1) / parts;
    if (size >= 512 && parts > 1)
        size = (size + 15) / 16 * 16;
    return size;
}

/* ---- devices ---- */

/* Less than this all cores do as fast; and the bytes of a tile that keeps a device busy for several times what a task costs. */
static const double device_least_bytes = 32e6, device_least_flops = 1e10;
static const int64_t device_bytes = 128 * 1024 * 1024;

models_advice devices_for(amount all, const da_codelet *kernel, const da_codelet *other, da_dtype dtype,
                          amount task)
{
    const bool wanted = rt_place() == DA_ON_GPU;

    if ((all.bytes < device_least_bytes && all.flops < device_least_flops && !wanted) ||
        rt_place() == DA_ON_CPU)
        return MODELS_CPU;
    rt_want_devices();
    if (rt_devices_for_shaping() == 0)
        return MODELS_CPU;
    if (wanted)
        return MODELS_DEVICES;
    const double tasks = all.flops / task.flops;
    const models_advice advice = models_advise(kernel, dtype, tasks, task.bytes, task.flops);
    return advice == MODELS_UNKNOWN && other ? models_advise(other, dtype, tasks, task.bytes, task.flops)
                                             : advice;
}

bool elements_for_devices(da_dtype dtype, double elements)
{
    const double size = (double)da_dtype_size(dtype), task = fmin(elements, (double)device_bytes / size);

    return devices_for((amount){elements * size, elements}, &array_codelet_copy, NULL, dtype,
                       (amount){2 * task * size, task}) == MODELS_DEVICES; /* reads and writes */
}

int64_t device_step(int64_t extent)
{
    return extent >= 8192 ? 2048 : 1024;
}

bool pieces_in_tiles(const da_array *a, int d, int64_t n)
{
    const int k = a->axis[d];
    if (k < 0 || array_pieces(a, d) <= 1)
        return true;
    return a->step[d] == 1 && a->s->tile[k] % n == 0 && a->origin[k] % n == 0;
}

/* Of an array of `total` bytes: tiles for the CPU's workers too, one each at least, unless all is to run on devices. */
static void tiling_for_devices(da_dtype dtype, const da_shape *shape, int64_t total, int64_t *tile)
{
    const int ndim = shape->ndim;
    const int64_t share = rt_place() == DA_ON_GPU ? device_bytes : total / rt_workers_for_shaping();
    const int64_t most_share = share < most_bytes ? most_bytes : share < device_bytes ? share : device_bytes;
    int64_t bytes = (int64_t)da_dtype_size(dtype);

    /* whole axes from the innermost in memory on, as far as they fit; matrices in squares */
    for (int i = 0; i < ndim; i++) {
        const int k = ndim >= 2 && i < 2 ? ndim - 2 + i : ndim - 1 - i;
        const int64_t extent = shape->dim[k], most = most_share / bytes > 0 ? most_share / bytes : 1;
        tile[k] = extent < most ? extent : most;
        if (ndim >= 2 && i < 2 && shape->dim[ndim - 2] > 1024 && shape->dim[ndim - 1] > 1024)
            tile[k] = device_step(extent);
        bytes *= tile[k];
    }
}

void tiling_choose(da_dtype dtype, const da_shape *shape, int64_t *tile)
{
    const int ndim = shape->ndim;
    int64_t bytes = (int64_t)da_dtype_size(dtype), parts, workers;

    for (int k = 0; k < ndim; k++) {
        tile[k] = shape->dim[k] > 0 ? shape->dim[k] : 1;
        bytes *= shape->dim[k];
    }
    if (bytes < 2 * least_bytes)
        return;
    if (elements_for_devices(dtype, (double)bytes / (double)da_dtype_size(dtype))) {
        tiling_for_devices(dtype, shape, bytes, tile);
        return;
    }
    workers = rt_workers_for_shaping();
    parts = TILES_PER_WORKER * workers;
    if (bytes / most_bytes > parts) /* as many whole rounds of all workers as keep tiles below the limit */
        parts = (bytes / most_bytes + workers - 1) / workers * workers;
    if (parts > bytes / least_bytes)
        parts = bytes / least_bytes;

    /* Leading axes, which are outermost in memory, first. */
    for (int k = 0; k + 2 < ndim && parts > 1; k++) {
        const int64_t extent = shape->dim[k], cut = parts < extent ? parts : extent;
        tile[k] = part(extent, cut);
        parts = parts / cut;
    }
    if (parts <= 1 || ndim == 0)
        return;
    if (ndim == 1) {
        tile[0] = part(shape->dim[0], parts);
        return;
    }
    /* A matrix: tiles about twice as tall as wide, for few workers whole columns, which products with them like best (docs/performance.md); as many
     * as were wanted or a few less, in whole rounds of the workers. */
    const double aspect = rt_few_workers() ? (double)parts : 2;
    const double rows = (double)shape->dim[ndim - 2], columns = (double)shape->dim[ndim - 1];
    int64_t best = 1;
    double least_cost = INFINITY;
    for (int64_t down = 1; down <= parts && (double)down <= rows; down++) {
        const int64_t across = (double)(parts / down) < columns ? parts / down : (int64_t)columns,
                      n = down * across;
        const double ratio = rows / (double)down / (columns / (double)across) / aspect;
        const double cost = (ratio < 1 ? 1 / ratio : ratio) * (1 + 2 * (double)(parts - n) / (double)parts) *
                            (n % workers == 0 ? 1 : 1.25);
        if (cost < least_cost) {
            least_cost = cost;
            best = down;
        }
    }
    const int64_t across = parts / best;
    tile[ndim - 2] = part(shape->dim[ndim - 2], best);
    tile[ndim - 1] =
        part(shape->dim[ndim - 1], across < shape->dim[ndim - 1] ? across : shape->dim[ndim - 1]);
}

/* ---- tiles as a view sees them ---- */

/* Smallest i >= 0 with i * step >= x, for step > 0. */
static int64_t ceil_div(int64_t x, int64_t step)
{
    return x <= 0 ? 0 : (x + step - 1) / step;
}

int64_t array_pieces(const da_array *a, int d)
{
    const int k = a->axis[d];
    if (a->shape[d] == 0)
        return 0;
    if (k < 0 || a->shape[d] == 1)
        return 1;
    const int64_t tile = a->s->tile[k], step = a->step[d];
    if (step > tile || -step > tile)
        return a->shape[d];
    const int64_t first = a->origin[k] / tile, last = (a->origin[k] + (a->shape[d] - 1) * step) / tile;
    return (last > first ? last - first : first - last) + 1;
}

void array_piece(const da_array *a, int d, int64_t i, int64_t *start, int64_t *count)
{
    const int k = a->axis[d];
    *start = 0;
    *count = a->shape[d];
    if (k < 0 || a->shape[d] <= 1)
        return;
    const int64_t tile = a->s->tile[k], step = a->step[d], origin = a->origin[k];
    if (step > tile || -step > tile) {
        *start = i;
        *count = 1;
        return;
    }
    int64_t end;
    if (step > 0) {
        const int64_t t = origin / tile + i;
        *start = ceil_div(t * tile - origin, step);
        end = ceil_div((t + 1) * tile - origin, step);
    } else { /* the same, seen from the other side of the axis */
        const int64_t t = origin / tile - i;
        *start = ceil_div(origin - ((t + 1) * tile - 1), -step);
        end = ceil_div(origin - (t * tile - 1), -step);
    }
    *count = (end < a->shape[d] ? end : a->shape[d]) - *start;
}

int64_t array_piece_end(const da_array *a, int d, int64_t at)
{
    const int k = a->axis[d];
    int64_t end;
    if (k < 0)
        return a->shape[d];
    const int64_t tile = a->s->tile[k], step = a->step[d], origin = a->origin[k];
    const int64_t t = (origin + at * step) / tile;
    if (step == 0)
        return a->shape[d];
    end = step > 0 ? ceil_div((t + 1) * tile - origin, step) : ceil_div(origin - (t * tile - 1), -step);
    return end < a->shape[d] ? end : a->shape[d];
}

bool array_tile_range(const da_array *a, int64_t *lo, int64_t *hi)
{
    const storage *s = a->s;
    for (int k = 0; k < s->ndim; k++)
        lo[k] = hi[k] = s->tile[k] >= s->shape[k] ? 0 : a->origin[k] / s->tile[k];
    for (int d = 0; d < a->ndim; d++) {
        const int k = a->axis[d];
        if (a->shape[d] == 0)
            return false;
        if (k < 0 || s->grid[k] <= 1)
            continue;
        const int64_t last = (a->origin[k] + (a->shape[d] - 1) * a->step[d]) / s->tile[k];
        if (last > hi[k])
            hi[k] = last;
        else
            lo[k] = last;
    }
    return true;
}

static void set_piece(piece_walk *w, int d)
{
    array_piece(w->a, d, w->at[d], &w->start[d], &w->count[d]);
}

bool piece_first(piece_walk *w, const da_array *a)
{
    w->a = a;
    for (int d = 0; d < a->ndim; d++) {
        w->at[d] = 0;
        w->pieces[d] = array_pieces(a, d);
        if (w->pieces[d] == 0)
            return false;
        set_piece(w, d);
    }
    return true;
}

bool piece_next(piece_walk *w)
{
    for (int d = w->a->ndim - 1; d >= 0; d--) {
        const bool more = ++w->at[d] < w->pieces[d];
        if (!more)
            w->at[d] = 0;
        set_piece(w, d);
        if (more)
            return true;
    }
    return false;
}
