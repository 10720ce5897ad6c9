/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures of tasks travel along the data and are cleared by overwriting; numerical faults are sets of cells. */
#include "runtime/core.h"
#include "unit_runtime.h"
#include <inttypes.h>

static da_status set(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data = value_of(call);
    return DA_OK;
}
static const da_codelet codelet_set = {.name = "set", .cpu = set};

static da_status copy(const da_call *call)
{
    *(uint64_t *)call->buffers[0].data = *(const uint64_t *)call->buffers[1].data;
    return DA_OK;
}
static const da_codelet codelet_copy = {.name = "copy", .cpu = copy};

static da_status fail_with(const da_call *call, const char *format, ...)
{
    va_list args;
    da_status status;
    va_start(args, format);
    status = rt_task_fail(call, format, args);
    va_end(args);
    return status;
}

static da_status failing(const da_call *call)
{
    return fail_with(call, "no root in [%d, %d]", (int)value_of(call), 5);
}
static const da_codelet codelet_failing = {.name = "failing", .cpu = failing};

static da_status with_status(const da_call *call)
{
    DA_TRY(rt_check_may_wait("peeping"));
    *(uint64_t *)call->buffers[0].data = 1;
    return DA_OK;
}
static const da_codelet codelet_with_status = {.name = "with_status", .cpu = with_status};

/* a fails; b copied from a, c from b fail with its sentence; d does not. Overwriting heals. */
START_TEST(travels)
{
    const unsigned f = _i ? RT_NO_INLINE : 0;
    pool *p = pool_new();
    ck_ok(spawn(&codelet_failing, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 3, f));
    ck_ok(spawn(&codelet_copy, p, 1, DA_MODE_WRITE, 0, DA_MODE_READ, 0, f));
    ck_ok(spawn(&codelet_copy, p, 2, DA_MODE_WRITE, 1, DA_MODE_READ, 0, f));
    ck_ok(spawn(&codelet_set, p, 3, DA_MODE_WRITE, -1, DA_MODE_READ, 7, f));
    ck_fails(wait_cell(p, 2), DA_ERROR_TASK, "no root in [3, 5]");
    ck_fails(wait_cell(p, 0), DA_ERROR_TASK, "no root in [3, 5]");
    ck_ok(wait_cell(p, 3));
    ck_assert_uint_eq(p->cell[3], 7);
    ck_assert_uint_eq(p->cell[2], 3); /* its kernel did not run */
    /* reading and writing inherits, overwriting clears */
    ck_ok(spawn(&codelet_set, p, 0, DA_MODE_READ_WRITE, -1, DA_MODE_READ, 8, f));
    ck_fails(wait_cell(p, 0), DA_ERROR_TASK, "no root in [3, 5]");
    ck_ok(spawn(&codelet_set, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 9, f));
    ck_ok(wait_cell(p, 0));
    ck_assert_uint_eq(p->cell[0], 9);
    ck_ok(spawn(&codelet_copy, p, 2, DA_MODE_WRITE, 0, DA_MODE_READ, 0, f));
    ck_ok(wait_cell(p, 2));
    ck_assert_uint_eq(p->cell[2], 9);
    ck_fails(wait_cell(p, 1), DA_ERROR_TASK, "no root in [3, 5]");
    /* host access */
    {
        rt_data *d = &p->data[1];
        uint64_t number;
        ck_fails(rt_data_map(1, &d, DA_MODE_READ, &number), DA_ERROR_TASK, "no root");
        ck_ok(rt_data_map(1, &d, DA_MODE_WRITE, &number));
        p->cell[1] = 4;
        rt_data_unmap(1, &d, DA_MODE_WRITE, number);
        ck_ok(wait_cell(p, 1));
    }
    pool_release(p);
}
END_TEST

START_TEST(handles)
{
    pool *p = pool_new();
    rt_batch batch = RT_BATCH_INIT;
    rt_task *good, *bad, *heir;
    ck_ok(add(&batch, &codelet_set, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 1, RT_NO_INLINE, NULL, &good));
    ck_ok(add(&batch, &codelet_failing, p, 1, DA_MODE_WRITE, -1, DA_MODE_READ, 2, RT_NO_INLINE, NULL, &bad));
    ck_ok(add(&batch, &codelet_copy, p, 2, DA_MODE_WRITE, 1, DA_MODE_READ, 2, RT_NO_INLINE, NULL, &heir));
    ck_ok(rt_batch_commit(&batch));
    ck_ok(rt_task_wait(good));
    ck_assert(rt_task_done(good));
    ck_fails(rt_task_wait(heir), DA_ERROR_TASK, "no root in [2, 5]");
    ck_fails(rt_task_wait(bad), DA_ERROR_TASK, "no root in [2, 5]");
    rt_task_release(good);
    rt_task_release(bad);
    rt_task_release(heir);
    pool_release(p);
}
END_TEST

/* A kernel that returns an error and says nothing more; waiting inside a task. */
START_TEST(plain_status)
{
    pool *p = pool_new();
    ck_ok(spawn(&codelet_with_status, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 0, RT_NO_INLINE));
    ck_fails(wait_cell(p, 0), DA_ERROR_TASK, "task with_status failed: ");
    ck_assert_ptr_nonnull(strstr(da_error(), "peeping: waiting is not allowed inside a task"));
    pool_release(p);
}
END_TEST

/* ---- numerical faults ---- */

#define FORMAT "minor %" PRId64 " of %" PRId64 " is bad"

static da_status report(const da_call *call)
{
    *call->info = (int64_t)value_of(call);
    return DA_OK;
}
static const da_codelet codelet_report = {.name = "report", .cpu = report, .flags = DA_CODELET_FAULTS};

START_TEST(cells)
{
    pool *p = pool_new();
    rt_batch batch = RT_BATCH_INIT;
    rt_fault *f = rt_fault_new(FORMAT, 512);
    ck_ok(rt_fault_check(f));
    ck_ok(add(&batch, &codelet_report, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 200, RT_NO_INLINE, f, NULL));
    ck_ok(add(&batch, &codelet_report, p, 1, DA_MODE_WRITE, -1, DA_MODE_READ, 137, RT_NO_INLINE, f, NULL));
    ck_ok(add(&batch, &codelet_report, p, 2, DA_MODE_WRITE, -1, DA_MODE_READ, 300, 0, f, NULL));
    ck_ok(rt_batch_commit(&batch));
    ck_ok(rt_data_wait_range(p->data, 3, DA_MODE_READ));
    ck_fails(rt_fault_check(f), DA_ERROR_NUMERICAL, "minor 137 of 512 is bad");
    rt_fault_release(f);
    pool_release(p);

    f = rt_fault_new_two(FORMAT, "step %" PRId64 " of %" PRId64 " failed", 512);
    rt_fault_report(f, 520);
    ck_fails(rt_fault_check(f), DA_ERROR_NUMERICAL, "step 8 of 512 failed");
    rt_fault_report(f, 512);
    ck_fails(rt_fault_check(f), DA_ERROR_NUMERICAL, "minor 512 of 512 is bad");
    rt_fault_release(f);
}
END_TEST

START_TEST(unions)
{
    rt_fault *f[100], *u, *v, *w;
    for (int i = 0; i < 100; i++) {
        f[i] = rt_fault_new(FORMAT, i);
        rt_fault_add_reporter(f[i]);
    }
    ck_ok(rt_fault_union(&u, 0, NULL));
    ck_assert_ptr_null(u);
    {
        rt_fault *none[2] = {NULL, NULL};
        ck_ok(rt_fault_union(&u, 2, none));
        ck_assert_ptr_null(u);
    }
    ck_ok(rt_fault_union(&u, 100, f));
    ck_ok(rt_fault_check(u));
    rt_fault_report(f[70], 7);
    rt_fault_report(f[70], 9);
    ck_fails(rt_fault_check(u), DA_ERROR_NUMERICAL, "minor 7 of 70 is bad");
    rt_fault_report(f[40], 4);
    ck_fails(rt_fault_check(u), DA_ERROR_NUMERICAL, "minor 4 of 40 is bad");
    /* a finished cell without a fault drops out, one that is not finished stays */
    rt_fault_reporter_done(f[3]);
    {
        rt_fault *few[4] = {f[3], NULL, f[3], f[5]};
        ck_ok(rt_fault_union(&v, 4, few));
        ck_ok(rt_fault_union(&w, 3, few));
        ck_assert_ptr_null(w);
    }
    ck_ok(rt_fault_check(v));
    rt_fault_report(f[5], 1);
    ck_fails(rt_fault_check(v), DA_ERROR_NUMERICAL, "minor 1 of 5 is bad");
    rt_fault_release(v);
    /* the same set again costs nothing */
    {
        rt_fault *same[2] = {f[6], f[6]};
        ck_ok(rt_fault_union(&v, 2, same));
        ck_assert_ptr_eq(v, f[6]);
        rt_fault_release(v);
    }
    rt_fault_release(u);
    for (int i = 0; i < 100; i++)
        rt_fault_release(f[i]);
    rt_fault_release(NULL);
}
END_TEST

/* Which of several is told does not depend on when which of them was known. */
START_TEST(lowest)
{
    enum { FIRST, SECOND, THIRD };
    const int64_t info[] = {5, 3, 3};
    rt_fault *f[3], *u;

    /* what is known at the union: bits of `reported`; of that, what no task can change any more: bits of `done` */
    for (int reported = 0; reported < 8; reported++)
        for (int done = 0; done < 8; done++) {
            if (done & ~reported)
                continue;
            for (int i = 0; i < 3; i++) {
                f[i] = rt_fault_new(FORMAT, 10 + i);
                rt_fault_add_reporter(f[i]);
                if (reported & 1 << i)
                    rt_fault_report(f[i], info[i]);
                if (done & 1 << i)
                    rt_fault_reporter_done(f[i]);
            }
            ck_ok(rt_fault_union(&u, 3, f));
            for (int i = 0; i < 3; i++)
                if (!(reported & 1 << i))
                    rt_fault_report(f[i], info[i]);
            ck_fails(rt_fault_check(u), DA_ERROR_NUMERICAL, "minor 3 of 11 is bad");
            if (!(done & 1 << FIRST)) { /* another of its tasks finds less */
                rt_fault_report(f[FIRST], 2);
                ck_fails(rt_fault_check(u), DA_ERROR_NUMERICAL, "minor 2 of 10 is bad");
            }
            if (!(done & 1 << THIRD)) {
                rt_fault_report(f[THIRD], 1);
                ck_fails(rt_fault_check(u), DA_ERROR_NUMERICAL, "minor 1 of 12 is bad");
            }
            for (int i = 0; i < 3; i++)
                rt_fault_release(f[i]);
            rt_fault_release(u);
        }
}
END_TEST

/* Of any number that broke down one stays: what is reported to the others then shows nowhere. */
START_TEST(bounded)
{
    rt_fault *f[100], *set = NULL;

    for (int i = 0; i < 100; i++) {
        rt_fault *former = set;

        f[i] = rt_fault_new(FORMAT, i);
        rt_fault_add_reporter(f[i]);
        rt_fault_report(f[i], 2 + (i * 37 + 50) % 100);
        rt_fault_reporter_done(f[i]);
        ck_ok(rt_fault_union(&set, 2, (rt_fault *[]){former, f[i]}));
        rt_fault_release(former);
    }
    for (int i = 0; i < 100; i++)
        if (i != 50)
            rt_fault_report(f[i], 1);
    ck_fails(rt_fault_check(set), DA_ERROR_NUMERICAL, "minor 2 of 50 is bad");
    rt_fault_release(set);
    for (int i = 0; i < 100; i++)
        rt_fault_release(f[i]);
}
END_TEST

/* Tasks that never run because what they read failed do not leave their cell open; neither do abandoned ones. */
START_TEST(reporters)
{
    pool *p = pool_new();
    rt_batch batch = RT_BATCH_INIT;
    rt_fault *f = rt_fault_new(FORMAT, 5), *u;
    ck_ok(add(&batch, &codelet_failing, p, 0, DA_MODE_WRITE, -1, DA_MODE_READ, 1, RT_NO_INLINE, NULL, NULL));
    ck_ok(add(&batch, &codelet_report, p, 1, DA_MODE_WRITE, 0, DA_MODE_READ, 3, RT_NO_INLINE, f, NULL));
    ck_ok(rt_fault_union(&u, 1, &f));
    ck_assert_ptr_nonnull(u);
    rt_fault_release(u);
    ck_ok(rt_batch_commit(&batch));
    ck_fails(wait_cell(p, 1), DA_ERROR_TASK, "no root");
    ck_ok(rt_fault_union(&u, 1, &f));
    ck_assert_ptr_null(u);
    rt_fault_release(f);
    f = rt_fault_new(FORMAT, 5);
    ck_ok(add(&batch, &codelet_report, p, 1, DA_MODE_WRITE, 0, DA_MODE_READ, 3, RT_NO_INLINE, f, NULL));
    rt_batch_abandon(&batch);
    ck_ok(rt_fault_union(&u, 1, &f));
    ck_assert_ptr_null(u);
    rt_fault_release(f);
    pool_release(p);
}
END_TEST

/* ---- what was only on devices that are lost ---- */

enum { LOST = 100000 };
static rt_data lost[LOST];

/* Readers that find one datum home at the same moment: each is to know that it is not. */
static void *read_lost(void *good)
{
    for (int i = 0; i < LOST; i++) {
        rt_data_is_home(&lost[i]);
        rt_poison *const p = poison_of(&lost[i]);

        if (p)
            poison_release(p);
        else
            *(int *)good += 1;
    }
    return NULL;
}

START_TEST(lost_for_all)
{
    pthread_t other;
    int good[2] = {0};

    for (int round = 0; round < 5; round++) {
        ck_assert(rt_devices_lost("gone"));
        ck_assert(!rt_devices_lost("gone again"));
        for (int i = 0; i < LOST; i++)
            atomic_store(&lost[i].abroad, true);
        ck_assert_int_eq(pthread_create(&other, NULL, read_lost, &good[1]), 0);
        read_lost(&good[0]);
        pthread_join(other, NULL);
        ck_assert_int_eq(good[0] + good[1], 0);
        rt_devices_anew();
        for (int i = 0; i < LOST; i++) {
            ck_assert(rt_data_failed(&lost[i])); /* for good */
            poison_set(&lost[i], NULL);
            ck_assert(!rt_data_failed(&lost[i]));
        }
    }
}
END_TEST

DA_TEST_MAIN("poison", DA_CASE_LOOP("travels", 2, travels), DA_CASE("tasks", handles, plain_status),
             DA_CASE("faults", cells, unions, lowest, bounded, reporters), DA_CASE("devices", lost_for_all))
