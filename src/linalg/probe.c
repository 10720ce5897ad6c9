/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that nobody needs, to try what devices are worth. In the CPU's shapes operands of products, and of the updates of triangular solves, lie in several
 * tiles each, so that no device can have them; eigenvalues and singular values come in steps that devices have no kernels for. Their times
 * there would never be known. So once it can be afforded, some are done there.
 */
#include "linalg/linalg.h"

#include <math.h>
#include <stdatomic.h>

/* c = a b, again and again: the first of them may have to wait for a compiler, and then says nothing. */
static da_status product_tasks(operation *op, da_dtype dtype, int64_t n)
{
    enum { PRODUCTS = 3 };
    const da_shape shape = DA_SHAPE(n, n);
    const int64_t tile[] = {n, n};
    const span all = {0, n};
    const da_laset_args identity = {.offset = 0};
    const da_gemm_args args = {.alpha = {1, 0}};
    da_array *x[3] = {NULL};
    task_builder t;

    for (int i = 0; i < 3; i++)
        DA_TRY(operation_array(op, &x[i], dtype, &shape, tile));
    EACH_LEAD (at, x[0]) {
        for (int i = 0; i < 2; i++) {
            task_begin(&t, &da_codelet_laset);
            access_block(&t, x[i], &at, all, all, DA_MODE_WRITE);
            task_value(&t, &identity, sizeof identity);
            DA_TRY(task_add(&t, &op->batch));
        }
        for (int i = 0; i < PRODUCTS; i++) {
            task_begin(&t, &da_codelet_gemm);
            access_block(&t, x[0], &at, all, all, DA_MODE_READ);
            access_block(&t, x[1], &at, all, all, DA_MODE_READ);
            access_block(&t, x[2], &at, all, all, DA_MODE_WRITE);
            task_value(&t, &args, sizeof args);
            DA_TRY(task_add(&t, &op->batch));
        }
    }
    return DA_OK;
}

/* Whether the trial of a bit is due, and nobody else's. */
static bool due(_Atomic(unsigned) *tried, unsigned bit, const da_codelet *kernel, da_dtype dtype,
                double bytes, double flops)
{
    return !(atomic_load(tried) & bit) && !rt_rehearsing() && !rt_forked() &&
           models_may_try(kernel, dtype, bytes, flops) && !(atomic_fetch_or(tried, bit) & bit);
}

void probe_products(da_dtype dtype)
{
    const int64_t n = device_step(0);
    const double elements = (double)n * (double)n, bytes = 3 * elements * (double)da_dtype_size(dtype);
    static _Atomic(unsigned) tried; /* dtypes, a bit each */
    operation op;

    if (!due(&tried, 1U << dtype, &da_codelet_gemm, dtype, bytes, 2 * elements * (double)n))
        return;
    const da_place place = rt_place_swap(DA_ON_GPU);
    operation_begin(&op);
    if (operation_finish(&op, product_tasks(&op, dtype, n)) != DA_OK)
        err_clear(); /* short of memory: nobody asked for it */
    (void)rt_place_swap(place);
}

/* ---- eigenvalues and singular values ---- */

static da_status eigh_of(const da_array *a)
{
    DA_AUTO da_array *w = NULL, *v = NULL;

    return da_eigh(&w, &v, a, DA_LOWER);
}

static da_status svd_of(const da_array *a)
{
    DA_AUTO da_array *u = NULL, *s = NULL, *vh = NULL;

    return da_svd(&u, &s, &vh, a, 0);
}

/* Of a random matrix, so often and in such a place. */
static da_status spectral(da_status (*of)(const da_array *a), da_dtype dtype, int64_t n, int times,
                          da_place place)
{
    DA_AUTO da_array *a = NULL;
    const da_place before = rt_place_swap(place);
    da_status status = da_random_uniform(&a, dtype, DA_SHAPE(n, n), 0);

    for (int i = 0; i < times && status == DA_OK; i++)
        status = of(a);
    (void)rt_place_swap(before);
    return status;
}

void probe_whole(const da_codelet *kernel, da_dtype dtype, double elements, double flops)
{
    enum {
        LARGEST = 2048, /* extent: what is larger is said by the models' curves */
        SMALL = 150,    /* of what the CPU, too, does all at once: less than SMALL in eigh.c and svd.c */
        TIMES = 2       /* the first of them may have to wait for a compiler, and then says nothing */
    };
    static struct {
        const da_codelet *kernel;
        da_status (*of)(const da_array *a);
        _Atomic(unsigned) tried; /* dtypes, a bit each */
    } known[] = {{&da_codelet_heevd, eigh_of, 0}, {&da_codelet_gesdd, svd_of, 0}};
    const int64_t extent = (int64_t)sqrt(elements), n = least(extent, LARGEST);
    const double scale = (double)n / (double)extent;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].kernel != kernel ||
            !due(&known[i].tried, 1U << dtype, kernel, dtype,
                 (double)n * (double)n * (double)da_dtype_size(dtype), flops * scale * scale * scale))
            continue;
        if (spectral(known[i].of, dtype, SMALL, TIMES, DA_ON_CPU) != DA_OK ||
            spectral(known[i].of, dtype, n, TIMES, DA_ON_GPU) != DA_OK)
            err_clear(); /* short of memory: nobody asked for it */
    }
}
