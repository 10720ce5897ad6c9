/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations rehearsed: the same tasks as when they run, without memory; and tile sizes by models, whose kernels take what a file says. */
#include "linalg/tiles.h"
#include "runtime/models.h"
#include "runtime/rehearse.h"
#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test in a process of its own: models, choices and the environment are read once. */
__attribute__((constructor)) static void fork_each(void)
{
    setenv("CK_FORK", "yes", 0);
}

/* ---- the same tasks ---- */

static void make_input(da_array **out, const tile_operation *o, da_dtype dtype, int64_t rows, int64_t columns)
{
    DA_AUTO da_array *identity = NULL;

    if (rt_rehearsing()) {
        ck_ok(da_empty(out, dtype, DA_SHAPE(rows, columns)));
        return;
    }
    ck_ok(da_random_uniform(out, dtype, DA_SHAPE(rows, columns), 1));
    if (!o->definite)
        return;
    ck_ok(da_eye(&identity, dtype, rows, columns, 0));
    ck_ok(da_assign(*out, da_add(*out, da_multiply(identity, 2.0 * (double)rows))));
}

static void run(const tile_operation *o, da_dtype dtype, tile_size size, bool recorded, record *r)
{
    da_array *inputs[2] = {NULL, NULL};
    const bool two = o->ninputs == 2;

    make_input(&inputs[0], o, dtype, size.m, two ? size.k : size.n);
    if (two)
        make_input(&inputs[1], o, dtype, size.k, size.n);
    if (recorded)
        ck_ok(record_begin(false));
    ck_ok(o->run(inputs));
    if (recorded)
        ck_ok(record_end(r));
    da_array_release(&inputs[0]);
    da_array_release(&inputs[1]);
}

START_TEST(same_tasks)
{
    static const da_dtype dtypes[] = {DA_F32, DA_F64, DA_C64, DA_C128};
    static const int64_t tiles[][2] = {{64, 64}, {128, 32}, {320, 48}};

    for (const tile_operation *const *o = tile_operations; *o; o++)
        for (int i = 0; i < 12; i++) {
            const bool two = (*o)->ninputs == 2;
            const tile_size size = {300, (*o)->square && !two ? 300 : 270,
                                    !two           ? 0
                                    : (*o)->square ? 300
                                                   : 200};
            const int64_t *const tile = tiles[i % 3];
            const da_dtype dtype = dtypes[i / 3];
            rehearsal r;
            record real;

            tile_try(*o, tile[0], tile[1]);
            run(*o, dtype, size, true, &real);
            ck_ok(rehearsal_begin(&r));
            ck_fails(rehearsal_begin(&(rehearsal){.complete = true}), DA_ERROR_STATE, "within");
            run(*o, dtype, size, false, NULL);
            ck_ok(rehearsal_end(&r));
            tile_try(NULL, 0, 0);

            ck_assert_int_eq((int)r.tasks.ntasks, (int)real.ntasks);
            ck_assert_int_eq((int)r.tasks.ndata, (int)real.ndata);
            ck_assert_int_gt((int)real.ntasks, 3);
            for (int64_t t = 0; t < real.ntasks; t++) {
                const record_task *const a = &r.tasks.tasks[t], *const b = &real.tasks[t];
                ck_assert_str_eq(a->name, b->name);
                ck_assert(a->priority == b->priority && a->bytes == b->bytes && a->flops == b->flops &&
                          a->naccesses == b->naccesses);
                ck_assert(r.seconds[t][DA_DEVICE_CPU] > 0);
                for (int k = 0; k < a->naccesses; k++) {
                    const record_access *const x = &r.tasks.accesses[a->access + k],
                                               *const y = &real.accesses[b->access + k];
                    ck_assert(x->datum == y->datum && x->mode == y->mode && r.bytes[x->datum] > 0);
                }
            }
            record_free(&real);
            rehearsal_free(&r);
        }
}
END_TEST

/* Triangular solves from the right have the tasks of those from the left; in place they have the array's tiles, unless that must be copied. */
START_TEST(solves)
{
    enum { ORDER = 300, SIDES = 270 };
    int64_t tasks[4];

    tile_try(&tile_solve_triangular, 128, 32);
    for (int kind = 0; kind < 4; kind++) {
        const bool right = kind == 1;
        DA_AUTO da_array *t = NULL, *b = NULL, *x = NULL, *all = NULL;
        record r;

        make_input(&t, &tile_solve_triangular, DA_F64, ORDER, ORDER);
        ck_ok(da_zeros(&all, DA_F64, DA_SHAPE(2 * ORDER, 2 * ORDER)));
        ck_ok(DA_SLICE(&b, all, DA_RANGE(0, right ? SIDES : ORDER), DA_RANGE(0, right ? ORDER : SIDES)));
        if (kind == 3) /* steps along both axes are not BLAS's */
            ck_ok(DA_SLICE(&x, all, DA_RANGE_STEP(0, 2 * ORDER, 2), DA_RANGE_STEP(0, 2 * SIDES, 2)));
        ck_ok(record_begin(false));
        if (kind < 2)
            ck_ok(da_solve_triangular(&x, t, b, right ? DA_LOWER | DA_RIGHT : DA_LOWER));
        else
            ck_ok(da_trsm(t, kind == 3 ? x : b, 2, DA_LOWER));
        ck_ok(record_end(&r));
        tasks[kind] = 0;
        for (int64_t i = 0; i < r.ntasks; i++)
            tasks[kind] += strcmp(r.tasks[i].name, "da_trsm_checked") == 0;
        record_free(&r);
    }
    tile_try(NULL, 0, 0);
    ck_assert_int_eq((int)tasks[0], (ORDER + 127) / 128 * ((SIDES + 31) / 32));
    ck_assert_int_eq((int)tasks[1], (int)tasks[0]);
    ck_assert_int_lt((int)tasks[2], (int)tasks[0]);
    ck_assert_int_eq((int)tasks[3], (int)tasks[0]);
}
END_TEST

static const tile_operation *const in_place_operations[] = {&tile_symm, &tile_syr2k, &tile_syrk, &tile_trmm,
                                                            &tile_trsm};
enum { IN_PLACE = 5 };

static da_status call_in_place(const tile_operation *o, da_array *c, const da_array *a, unsigned side)
{
    if (o == &tile_symm)
        return da_symm(c, 1, a, a, 0, DA_LOWER | side);
    if (o == &tile_trmm)
        return da_trmm(a, c, 1, DA_LOWER | side);
    if (o == &tile_trsm)
        return da_trsm(a, c, 1, DA_LOWER | side);
    return o == &tile_syrk ? da_syrk(c, 1, a, 0, DA_LOWER) : da_syr2k(c, 1, a, a, 0, DA_LOWER);
}

/* What was rehearsed with new arrays is not true of others, nor of the right side: there the tiles are the array's. Values are the same. */
START_TEST(tiles_of_arrays)
{
    enum { ORDER = 600, NEW, TILED, VIEW, RIGHT };
    const tile_operation *const o = in_place_operations[_i];
    static double values[2][ORDER * ORDER];

    for (int tried = 0; tried < 2; tried++) {
        int64_t tasks[RIGHT + 1];

        for (int kind = NEW; kind <= RIGHT; kind++) {
            DA_AUTO da_array *a = NULL, *all = NULL, *c = NULL;
            record r;

            make_input(&a, &tile_trsm, DA_F64, ORDER, ORDER);
            if (kind == TILED)
                ck_ok(da_blocks(DA_SHAPE(150, 200)));
            ck_ok(da_random_uniform(&all, DA_F64,
                                    kind == VIEW ? DA_SHAPE(ORDER, 2 * ORDER) : DA_SHAPE(ORDER, ORDER), 2));
            ck_ok(da_blocks(DA_SCALAR_SHAPE));
            ck_ok(DA_SLICE(&c, all, DA_WHOLE, DA_RANGE(0, ORDER)));
            if (tried)
                tile_try(o, o->rows ? ORDER : 128, 100);
            ck_ok(record_begin(false));
            ck_ok(call_in_place(o, c, a, kind == RIGHT ? DA_RIGHT : 0));
            ck_ok(record_end(&r));
            tile_try(NULL, 0, 0);
            tasks[kind] = r.ntasks;
            record_free(&r);
            if (kind == NEW)
                ck_ok(da_to_host(c, values[tried], sizeof values[tried], DA_ROW_MAJOR));
        }
        static int64_t before[RIGHT + 1];
        for (int kind = NEW; kind <= RIGHT; kind++) {
            const bool changes = kind == NEW || (kind == RIGHT && (o == &tile_syrk || o == &tile_syr2k));
            if (tried)
                ck_assert_msg((tasks[kind] != before[kind]) == changes,
                              "%s, array %d: %d tasks, %d by the rule", o->name, kind, (int)tasks[kind],
                              (int)before[kind]);
            before[kind] = tasks[kind];
        }
    }
    for (int i = 0; i < ORDER * ORDER; i++)
        ck_assert_msg(fabs(values[1][i] - values[0][i]) <= 1e-12 * fabs(values[0][i]) + 1e-13,
                      "%s: %g, not %g", o->name, values[1][i], values[0][i]);
}
END_TEST

/* A matrix of 3 TB. */
START_TEST(without_memory)
{
    const int64_t n = 600000;
    rehearsal r;
    replay_result result;

    ck_ok(rehearsal_begin(&r));
    tile_try(&tile_cholesky, 50000, 50000);
    run(&tile_cholesky, DA_F64, (tile_size){n, n, 0}, false, NULL);
    tile_try(NULL, 0, 0);
    ck_ok(rehearsal_end(&r));
    ck_ok(rehearsal_time(&r, 4, &result));
    ck_assert_int_gt((int)result.tasks, 12 * 13 * 14 / 6);
    ck_assert(result.seconds >= result.path && result.seconds >= result.work / 4);
    rehearsal_free(&r);
    /* and arrays have memory again */
    run(&tile_cholesky, DA_F64, (tile_size){100, 100, 0}, false, NULL);
    ck_ok(da_wait_all());
}
END_TEST

/* Tall matrices are one task, but for those whose workspace LAPACK cannot count. */
START_TEST(beyond_lapack)
{
    static const struct {
        da_dtype dtype;
        int64_t m, n;
        bool whole;
    } cases[] = {{DA_C128, 100000, 10000, true}, /* 2 n (m + n) reals, but it begins with QR */
                 {DA_C64, 36000, 20000, false},  /* it does not */
                 {DA_F64, 36000, 20000, true},
                 {DA_F32, 50000, 24000, false}}; /* 4 n^2 */

    for (int i = 0; i < 4; i++) {
        da_array *a = NULL, *u = NULL, *s = NULL, *vh = NULL;
        rehearsal r;

        ck_ok(rehearsal_begin(&r));
        ck_ok(da_empty(&a, cases[i].dtype, DA_SHAPE(cases[i].m, cases[i].n)));
        ck_ok(da_svd(&u, &s, &vh, a, 0));
        da_array_release(&a);
        da_array_release(&u);
        da_array_release(&s);
        da_array_release(&vh);
        ck_ok(rehearsal_end(&r));
        ck_assert_msg((r.tasks.ntasks < 2000) == cases[i].whole, "case %d has %lld tasks", i,
                      (long long)r.tasks.ntasks);
        rehearsal_free(&r);
    }
}
END_TEST

/* ---- models from a file ---- */

static char folder[] = "/tmp/darray-rehearse-XXXXXX";

/* Models of cholesky's kernels for f64: `fixed` seconds a task, and a Gflop a second for each of them. */
static void write_models_up_to(uint32_t largest, double fixed)
{
    static const da_codelet *const kernels[] = {&da_codelet_potrf, &da_codelet_cholesky_diagonal,
                                                &da_codelet_trsm, &da_codelet_cholesky_update,
                                                &da_codelet_lacpy};
    models m = {0};

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(setenv("DARRAY_CACHE_DIR", folder, 1), 0);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        char symbol[128];

        models_symbol(symbol, sizeof symbol, kernels[i], DA_F64);
        model *const a = models_get(&m, symbol);
        ck_assert_ptr_nonnull(a);
        for (uint32_t n = 16; n <= largest; n *= 2) {
            const bool moves = kernels[i] == &da_codelet_lacpy;
            const double flops = moves ? 0 : (double)n * n * n, bytes = 16.0 * n * n;
            const model_size size = {.footprint = n, .bytes = bytes, .flops = flops};
            model_add(a, DA_DEVICE_CPU, &size, fixed + (moves ? bytes / 10e9 : flops / 1e9));
        }
    }
    ck_ok(models_write(&m, NULL));
    models_clear(&m);
}

static void write_models(double fixed)
{
    write_models_up_to(2048, fixed);
}

static void remove_models(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

enum { N = 2304 };

static int64_t tasks_of_a_call(void)
{
    record r;
    int64_t n;

    run(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, true, &r);
    n = r.ntasks;
    record_free(&r);
    return n;
}

static void check_choice(tile_rating *best_of_all)
{
    tile_rating ratings[TILE_RATINGS];
    int n, best;

    ck_ok(tile_ratings(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, ratings, &n, &best));
    ck_assert_int_gt(n, 6);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(ratings[i].known > 0.99, "%g known", ratings[i].known);
        ck_assert(ratings[i].predicted.seconds > 0 &&
                  ratings[i].predicted.seconds >= ratings[i].predicted.path);
        ck_assert_msg(ratings[i].predicted.seconds >=
                          (best == 0 ? 0.97 : 1) * ratings[best].predicted.seconds,
                      "%d x %d is better", (int)ratings[i].mb, (int)ratings[i].nb);
        for (int j = 0; j < i; j++)
            ck_assert(ratings[i].mb != ratings[j].mb || ratings[i].nb != ratings[j].nb);
    }
    /* a call uses them */
    ck_assert_int_eq((int)tasks_of_a_call(), (int)ratings[best].predicted.tasks);
    *best_of_all = ratings[best];
}

/* Tasks that cost much beside their work: few of them. */
START_TEST(costly_tasks)
{
    tile_rating best, rule;
    int n, at;

    tile_rating before[TILE_RATINGS];
    ck_assert_int_eq(setenv("DARRAY_CACHE_DIR", "/proc/nowhere", 1), 0);
    ck_ok(tile_ratings(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, before, &n, &at));
    ck_assert_int_eq(at, 0); /* nothing is known: the rule */
    rule = before[0];
    ck_ok(da_shutdown());
    write_models(0.1);
    check_choice(&best);
    ck_assert_int_lt((int)best.predicted.tasks, (int)rule.predicted.tasks);
    remove_models();
}
END_TEST

/* Tasks that cost nothing: with many workers small tiles, since they keep the path short. */
START_TEST(free_tasks)
{
    tile_rating best;

    write_models(0);
    rt_shape_for_workers(64);
    check_choice(&best);
    ck_assert_int_lt((int)best.nb, 256);
    rt_shape_for_workers(0);
    remove_models();
}
END_TEST

/* Two tasks in one tile would wait for each other. */
START_TEST(whole_tiles)
{
    const tile_operation *const o = in_place_operations[_i];
    const tile_size size = {2304, 2304, 2304};
    DA_AUTO da_array *c = NULL;
    tile_rating ratings[TILE_RATINGS];
    int n, best;

    write_models(0.1);
    rt_shape_for_workers(2 << 2 * (_i % 2));
    ck_ok(da_empty(&c, DA_F64, DA_SHAPE(size.m, size.n)));
    ck_ok(tile_ratings(o, DA_F64, size, ratings, &n, &best));
    ck_assert_int_gt(n, 2);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(ratings[i].nb % c->s->tile[1] == 0 || ratings[i].nb == size.n, "%s: %d columns",
                      o->name, (int)ratings[i].nb);
        ck_assert(!o->rows || ratings[i].mb % c->s->tile[0] == 0 || ratings[i].mb == size.m);
    }
    rt_shape_for_workers(0);
    remove_models();
}
END_TEST

START_TEST(reproducible)
{
    int64_t ruled;

    ck_assert_int_eq(setenv("DARRAY_REPRODUCIBLE", "1", 1), 0);
    ruled = tasks_of_a_call();
    ck_ok(da_shutdown());
    write_models(0.1);
    ck_assert_int_eq((int)tasks_of_a_call(), (int)ruled);
    remove_models();
}
END_TEST

/* In place an array whose tiles serve by the rule is not copied, whatever the models would rather have. */
START_TEST(in_place)
{
    tile_rating ratings[TILE_RATINGS];
    da_array *a = NULL;
    int n, best;
    record r;

    write_models(0.1);
    ck_ok(tile_ratings(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, ratings, &n, &best));
    ck_assert_msg(ratings[best].nb > 2 * ratings[0].nb, "%d x %d is best", (int)ratings[best].mb,
                  (int)ratings[best].nb);
    ck_ok(da_blocks(DA_SHAPE(ratings[0].mb, ratings[0].nb)));
    make_input(&a, &tile_cholesky, DA_F64, N, N);
    ck_ok(da_blocks(DA_SCALAR_SHAPE));
    ck_ok(record_begin(false));
    ck_ok(da_cholesky_inplace(a, DA_LOWER));
    ck_ok(record_end(&r));
    ck_assert_int_gt((int)r.ntasks, 10);
    for (int64_t t = 0; t < r.ntasks; t++)
        ck_assert_str_ne(r.tasks[t].name, "da_lacpy");
    record_free(&r);
    da_array_release(&a);
    remove_models();
}
END_TEST

/* Whoever wants tasks on devices, whatever they take, gets tiles that devices can have: the rule's. */
START_TEST(on_devices_only)
{
    int64_t mb = 192, nb = 192;

    write_models(0.1);
    ck_ok(da_run_on(DA_ON_GPU));
    tile_rated(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, 1e10, &mb, &nb);
    ck_assert(mb == 192 && nb == 192);
    ck_ok(da_run_on(DA_ON_CPU));
    tile_rated(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, 1e10, &mb, &nb);
    ck_assert(nb > 192);
    ck_ok(da_run_on(DA_ANYWHERE));
    remove_models();
}
END_TEST

/* Threads that ask the same at once get the same answer; as many questions as there is no room for are answered, too. */
static void *ask(void *tiles)
{
    int64_t *t = tiles;

    for (int64_t n = 1500; n < 1520; n++) {
        t[0] = t[1] = 192;
        tile_rated(&tile_cholesky, DA_F64, (tile_size){n, n, 0}, 1e9, &t[0], &t[1]);
        t += 2;
    }
    return NULL;
}

START_TEST(threads)
{
    enum { THREADS = 4 };
    static int64_t tiles[THREADS][40], again[40];
    pthread_t thread[THREADS];

    write_models(0.1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask, tiles[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 1; i < THREADS; i++)
        ck_assert_mem_eq(tiles[i], tiles[0], sizeof tiles[0]);
    for (int64_t n = 257; n < 1400; n++) {
        int64_t mb = n, nb = n;
        tile_rated(&tile_cholesky, DA_F64, (tile_size){n, n, 0}, 1e9, &mb, &nb);
        ck_assert(mb > 0 && nb > 0);
    }
    ask(again);
    ck_assert_mem_eq(again, tiles[0], sizeof tiles[0]);
    remove_models();
}
END_TEST

/* Curves through sizes that are far from a tile's say nothing of it. */
START_TEST(far_sizes)
{
    tile_rating ratings[TILE_RATINGS];
    int n, best;

    write_models_up_to(32, 0.1);
    ck_ok(tile_ratings(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, ratings, &n, &best));
    ck_assert_int_gt(n, 1);
    ck_assert_int_eq(best, 0);
    ck_assert(ratings[0].known < 0.5);
    remove_models();
}
END_TEST

/* What is forced is not asked about. */
START_TEST(forced)
{
    tile_rating ratings[TILE_RATINGS];
    int n, best;

    write_models(0.1);
    ck_ok(da_blocks(DA_SHAPE(256, 128)));
    ck_ok(tile_ratings(&tile_cholesky, DA_F64, (tile_size){N, N, 0}, ratings, &n, &best));
    ck_assert(n == 1 && ratings[0].mb == 0);
    const int64_t tasks = tasks_of_a_call();
    ck_assert_int_eq((int)tasks, (int)ratings[0].predicted.tasks);
    remove_models();
}
END_TEST

DA_TEST_MAIN("rehearse", DA_CASE("rehearsals", same_tasks, solves, without_memory, beyond_lapack),
             DA_CASE_LOOP("in place", IN_PLACE, tiles_of_arrays, whole_tiles),
             DA_CASE("tile sizes", costly_tasks, free_tasks, reproducible, in_place, on_devices_only, threads,
                     far_sizes, forced))
