/* SPDX-License-Identifier: BSD-3-Clause */
/* The shapes of tasks where there is a device: those of the CPU until the device is known to be quicker than all cores of the CPU. Operations are
 * rehearsed for 16 cores, with models from a file. */
#include "linalg/linalg.h"
#include "runtime/core.h"
#include "runtime/models.h"
#include "runtime/rehearse.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 16, N = 3200 };

/* ---- models from a file ---- */

static char folder[32];

static void make_folder(void)
{
    strcpy(folder, "/tmp/darray-first-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(setenv("DARRAY_CACHE_DIR", folder, 1), 0);
    rt_shape_for_workers(WORKERS);
}

static void remove_folder(void)
{
    char command[128];

    rt_shape_for_workers(0);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* A file that knows of products and copies on the CPU, and if `faster` is not 0 on the device too: so many times as fast. */
static void know(double faster)
{
    static const da_codelet *const kernels[] = {&da_codelet_gemm, &array_codelet_copy};
    models m = {0};

    models_fit(&m); /* the times are this device's */
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        char symbol[128];

        models_symbol(symbol, sizeof symbol, kernels[i], DA_F64);
        model *const a = models_get(&m, symbol);
        ck_assert_ptr_nonnull(a);
        for (uint32_t n = 64; n <= 2048; n *= 2) {
            const double elements = (double)n * n, flops = i == 0 ? 2 * elements * n : elements;
            const model_size size = {.footprint = n, .bytes = (i == 0 ? 24 : 16) * elements, .flops = flops};
            const double seconds = 1e-6 + flops / (i == 0 ? 30e9 : 1e9);

            model_add(a, DA_DEVICE_CPU, &size, seconds);
            if (faster > 0)
                model_add(a, DA_DEVICE_OPENCL, &size, seconds / faster);
        }
    }
    ck_ok(models_write(&m, NULL));
    models_clear(&m);
    ck_ok(da_shutdown()); /* read anew */
}

/* ---- what is rehearsed ---- */

typedef enum what { MATMUL, CHOLESKY, LU, SOLVE, QR, TALL_QR, EIGH, SVD, INV, SUM, OPERATIONS } what;
static const char *const names[] = {"matmul",     "cholesky", "lu",  "solve", "qr",
                                    "qr of tall", "eigh",     "svd", "inv",   "elementwise"};

static void call(what o)
{
    DA_AUTO da_array *a = NULL, *b = NULL, *x = NULL, *y = NULL, *z = NULL;

    ck_ok(da_empty(&a, DA_F64, DA_SHAPE(o == TALL_QR ? 64 * N : N, o == TALL_QR ? 300 : N)));
    switch (o) {
    case MATMUL: ck_ok(da_matmul(&x, a, a)); break;
    case CHOLESKY: ck_ok(da_cholesky(&x, a, DA_LOWER)); break;
    case LU: ck_ok(da_lu(&x, &y, a)); break;
    case SOLVE:
        ck_ok(da_empty(&b, DA_F64, DA_SHAPE(N, N)));
        ck_ok(da_solve(&x, a, b));
        break;
    case QR:
    case TALL_QR: ck_ok(da_qr(&x, &y, a)); break;
    case EIGH: ck_ok(da_eigh(&x, &y, a, DA_LOWER)); break;
    case SVD: ck_ok(da_svd(&x, &y, &z, a, 0)); break;
    case INV: ck_ok(da_inv(&x, a)); break;
    default: ck_ok(DA_EVAL(&x, a + a, a)); break;
    }
}

/* The tasks of an operation that may run in such a place: how many, and the seconds they take on 16 cores of the CPU alone. */
static int64_t rehearse(what o, da_place place, double *seconds)
{
    replay_result result;
    rehearsal r;

    ck_ok(da_run_on(place));
    ck_ok(rehearsal_begin(&r));
    call(o);
    ck_ok(rehearsal_end(&r));
    ck_ok(da_run_on(DA_ANYWHERE));
    double *const cpu = malloc((size_t)r.tasks.ntasks * sizeof *cpu);
    for (int64_t i = 0; i < r.tasks.ntasks; i++)
        cpu[i] = r.seconds[i][DA_DEVICE_CPU];
    ck_ok(replay(&r.tasks, cpu, 3e-6, WORKERS, &result));
    *seconds = result.seconds;
    free(cpu);
    rehearsal_free(&r);
    return result.tasks;
}

/* Until the device is known to be quicker, and when it is known not to be: a first run takes what it takes without one, since every task that
 * stays on the CPU is as small as there. */
START_TEST(as_without)
{
    static const double faster[] = {0, 0.1, 10}; /* ten times one core is not 16 */

    know(faster[_i]);
    for (what o = MATMUL; o < OPERATIONS; o++) {
        double with, without;
        const int64_t tasks = rehearse(o, DA_ANYWHERE, &with);

        ck_assert_int_eq((int)tasks, (int)rehearse(o, DA_ON_CPU, &without));
        ck_assert_msg(with < 1.001 * without, "%s: %g s instead of %g s", names[o], with, without);
    }
}
END_TEST

/* A device that is quicker gets large tiles, where it has kernels for them: OpenCL has none for QR's panels and updates, nor for eigenvalues. */
START_TEST(as_for_devices)
{
    know(200);
    for (what o = MATMUL; o < OPERATIONS; o++) {
        double with, without, forced;
        const int64_t tasks = rehearse(o, DA_ANYWHERE, &with), few = rehearse(o, DA_ON_GPU, &forced);
        const int64_t many = rehearse(o, DA_ON_CPU, &without);

        if (o == MATMUL || o == CHOLESKY || o == LU || o == SOLVE || o == INV)
            ck_assert_msg(tasks == few && (few != many || o == MATMUL), "%s: %d, %d, %d tasks", names[o],
                          (int)tasks, (int)few, (int)many);
        else if (o == QR || o == EIGH || o == SVD)
            ck_assert_msg(tasks > few, "%s: %d, %d tasks", names[o], (int)tasks, (int)few);
    }
}
END_TEST

/* Vectors in tiles that devices are busy with, but a tile for each core as well. */
START_TEST(tiles)
{
    const int64_t n = (int64_t)1 << 27; /* a GiB */
    static const struct {
        double faster;
        da_place place;
        int64_t least, most;
    } cases[] = {
        {0, DA_ANYWHERE, 64, 64}, {200, DA_ANYWHERE, 16, 16}, {200, DA_ON_CPU, 64, 64}, {0, DA_ON_GPU, 8, 8}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t tile[DA_MAX_NDIM];

        know(cases[i].faster);
        ck_ok(da_run_on(cases[i].place));
        tiling_choose(DA_F64, &DA_SHAPE(n), tile);
        ck_ok(da_run_on(DA_ANYWHERE));
        const int64_t pieces = (n + tile[0] - 1) / tile[0];
        ck_assert_msg(pieces >= cases[i].least && pieces <= cases[i].most, "case %d: %d tiles", (int)i,
                      (int)pieces);
    }
}
END_TEST

static models_advice advice_on(const da_codelet *kernel, da_dtype dtype)
{
    return models_advise(kernel, dtype, 1, 4096, 1e9);
}

/* As if tasks had taken so many seconds. */
static void set_worked(double seconds)
{
    lock_acquire(&spu_models()->lock);
    spu_models()->machine.worked = seconds;
    lock_release(&spu_models()->lock);
}

/* Products in the CPU's shapes cannot be tried on a device. Some that nobody needs are, as soon as what was done pays for it. */
START_TEST(probes)
{
    const da_dtype dtype = DA_F32;
    da_stats before, after;
    DA_AUTO da_array *a = NULL;

    know(0);
    ck_ok(da_ones(&a, dtype, DA_SHAPE(4)));
    ck_ok(da_wait_all()); /* what waited for `a` alone may be counted later */
    ck_assert_int_eq(advice_on(&da_codelet_gemm, dtype), MODELS_UNKNOWN);
    da_get_stats(&before);
    ck_assert(!tasks_for_devices(&da_codelet_gemm, dtype, 1e12));
    ck_ok(da_wait_all());
    da_get_stats(&after);
    ck_assert_int_eq((int)(after.tasks_done - before.tasks_done), 0); /* too early */

    set_worked(1000);
    ck_assert(!tasks_for_devices(&da_codelet_lu_update, dtype, 1e9)); /* too little to ask */
    ck_ok(da_wait_all());
    da_get_stats(&after);
    ck_assert_int_eq((int)(after.tasks_done - before.tasks_done), 0);
    for (int i = 0; i < 2; i++) { /* once */
        (void)tasks_for_devices(&da_codelet_gemm, dtype, 1e12);
        ck_ok(da_wait_all());
        da_get_stats(&after);
        ck_assert_int_eq((int)(after.tasks_done - before.tasks_done), 5);
        ck_assert_int_ge((int)(after.tasks_device - before.tasks_device), 3);
    }
    ck_assert_int_ne(advice_on(&da_codelet_gemm, dtype), MODELS_UNKNOWN);
    ck_assert_int_eq(advice_on(&da_codelet_gemqrt, dtype), MODELS_CPU); /* OpenCL has none */
}
END_TEST

/* Whether something is known of such tasks on this kind of worker. */
static bool known_on(const da_codelet *kernel, da_device_kind kind, double bytes, double flops)
{
    models *const live = spu_models();
    model_basis basis = MODEL_GUESS;

    lock_acquire(&live->lock);
    model *const m = models_of(live, kernel, DA_F64);
    if (m)
        (void)model_expect_like(m, kind, bytes, flops, &basis);
    lock_release(&live->lock);
    return basis != MODEL_GUESS;
}

/* Steps of eigenvalues say nothing of the one task that a device takes. Where devices have a kernel for that (opencl_lapack.c), it is tried
 * likewise, and on the CPU too. */
START_TEST(probes_whole)
{
    static const struct {
        const da_codelet *kernel;
        double n, work; /* n^3 times `work` are just worth asking */
    } kernels[] = {{&da_codelet_heevd, 1400, 4}, {&da_codelet_gesdd, 1000, 12}};

    if (!da_device_find(DA_DEVICE_OPENCL, da_codelet_heevd.name))
        return;
    know(0);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        const da_codelet *const kernel = kernels[i].kernel;
        const double n = kernels[i].n, flops = kernels[i].work * n * n * n;
        DA_AUTO da_array *a = NULL;
        da_stats before, after;

        ck_ok(da_ones(&a, DA_F64, DA_SHAPE(4)));
        ck_ok(da_wait_all()); /* what waited for `a` alone may be counted later */
        set_worked(0);
        da_get_stats(&before);
        ck_assert(!whole_for_devices(kernel, DA_F64, n * n, flops));
        ck_ok(da_wait_all());
        da_get_stats(&after);
        ck_assert_int_eq((int)(after.tasks_done - before.tasks_done), 0); /* too early */

        set_worked(1000);
        (void)whole_for_devices(kernel, DA_F64, n * n, flops);
        ck_ok(da_wait_all());
        da_get_stats(&after);
        ck_assert_int_ge((int)(after.tasks_device - before.tasks_device), 2);
        for (int k = DA_DEVICE_CPU; k <= DA_DEVICE_OPENCL; k += DA_DEVICE_OPENCL - DA_DEVICE_CPU)
            ck_assert_msg(known_on(kernel, (da_device_kind)k, n * n * 8, flops), "%s on %d", kernel->name, k);
        before = after;
        (void)whole_for_devices(kernel, DA_F64, n * n, flops); /* once */
        ck_ok(da_wait_all());
        da_get_stats(&after);
        ck_assert_int_eq((int)(after.tasks_done - before.tasks_done), 0);
    }
}
END_TEST

/* Each device's thread has a core of its own, where the number of workers is the library's choice. */
START_TEST(workers)
{
    char threads[16];

    snprintf(threads, sizeof threads, "%s", getenv("DARRAY_NUM_THREADS"));
    unsetenv("DARRAY_NUM_THREADS");
    ck_ok(da_shutdown());
    const int cores = da_num_workers(), left = cores - da_num_devices(), half = (cores + 1) / 2;
    ck_ok(da_init(NULL, 0));
    ck_assert_int_eq(da_num_workers(), left > half ? left : half);
    ck_ok(da_shutdown());
    ck_ok(da_init(NULL, cores)); /* the user's */
    ck_assert_int_eq(da_num_workers(), cores);
    setenv("DARRAY_NUM_THREADS", threads, 1);
    ck_ok(da_shutdown());
}
END_TEST

int main(void)
{
    const da_test_case cases[] = {
        DA_CASE_LOOP_WITH("until it is known", 3, make_folder, remove_folder, as_without),
        DA_CASE_WITH("when it is", make_folder, remove_folder, as_for_devices, tiles, probes, probes_whole,
                     workers),
    };

    if (da_num_devices() == 0) {
        fprintf(stderr, "no OpenCL device: skipped\n");
        return 77;
    }
    return da_test_run("first runs", cases, sizeof cases / sizeof cases[0]);
}
