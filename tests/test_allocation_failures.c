/* The k-th allocation fails, for every k, alone or with all that follow, in one operation of each kind: a status, outputs untouched,
 * nothing leaked, and the library works afterwards. */
#include "test.h"

#include <stdatomic.h>
#include <unistd.h>

/* ---- an allocator that fails ---- */

static atomic_long countdown = -1; /* allocations that still succeed; -1: all */
static atomic_bool lasting;        /* those behind the one that fails do, too */
static atomic_long failed;
static atomic_long live;

static void *allocate(void *ctx, size_t size, size_t alignment)
{
    void *p = NULL;

    (void)ctx;
    if (atomic_load(&countdown) == 0) {
        atomic_fetch_add(&failed, 1);
        if (!atomic_load(&lasting))
            atomic_store(&countdown, -1);
        return NULL;
    }
    if (atomic_load(&countdown) > 0)
        atomic_fetch_sub(&countdown, 1);
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (posix_memalign(&p, alignment, size ? size : 1) != 0)
        return NULL;
    atomic_fetch_add(&live, 1);
    return p;
}

static void give_back(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    atomic_fetch_sub(&live, 1);
    free(p);
}

/* ---- operations: each makes one array out of the inputs ---- */

enum { N = 24 };
static da_array *a, *spd, *b; /* N x N, N x N positive definite, N */

static da_status do_zeros(da_array **out)
{
    return da_zeros(out, DA_F64, DA_SHAPE(N, N));
}

static da_status do_arange(da_array **out)
{
    return da_arange(out, DA_I32, 0, N * N, 1);
}

static da_status do_random(da_array **out)
{
    return da_random_normal(out, DA_F32, DA_SHAPE(N, N), 3);
}

static da_status do_slice(da_array **out)
{
    return DA_SLICE(out, a, DA_EVERY(-2), DA_RANGE(3, 9));
}

static da_status do_copy(da_array **out)
{
    return da_copy(out, a);
}

static da_status do_astype(da_array **out)
{
    return da_astype(out, a, DA_F32);
}

static da_status do_reshape(da_array **out)
{
    return da_reshape(out, a, DA_SHAPE(N * 2, N / 2));
}

static da_status do_concat(da_array **out)
{
    const da_array *const both[] = {a, spd};

    return da_concat(out, 2, both, 1);
}

static da_status do_eval(da_array **out)
{
    return da_eval(out, da_divide(da_multiply(a, da_sin(spd)), da_add(b, 3)));
}

static da_status do_text(da_array **out)
{
    return DA_EVAL(out, where(a > b, a * b, a - b) * *2, a, b);
}

static da_status do_sum(da_array **out)
{
    return da_sum(out, da_multiply(a, b), DA_AXES(0), 0);
}

static da_status do_std(da_array **out)
{
    return da_std(out, a, DA_ALL, 1, 0);
}

static da_status do_argmax(da_array **out)
{
    return da_argmax(out, a, DA_AXES(1), 0);
}

static da_status do_matmul(da_array **out)
{
    return da_matmul(out, a, spd);
}

static da_status do_tensordot(da_array **out)
{
    return da_tensordot(out, a, spd, 1);
}

static da_status do_power(da_array **out)
{
    return da_matrix_power(out, spd, -3);
}

/* on an array of its own, or a failure would leave its traces */
static da_status do_blas3(da_array **out)
{
    DA_AUTO da_array *c = NULL;

    DA_TRY(da_copy(&c, a));
    DA_TRY(da_syr2k(c, 1, a, spd, 2, DA_LOWER));
    DA_TRY(da_symm(c, 1, spd, a, 2, DA_UPPER));
    DA_TRY(da_trmm(spd, c, 1, DA_UPPER));
    return da_array_retain(out, c);
}

static da_status do_cholesky(da_array **out)
{
    return da_cholesky(out, spd, DA_LOWER);
}

static da_status do_qr(da_array **out)
{
    return da_qr(out, NULL, a);
}

static da_status do_solve(da_array **out)
{
    return da_solve(out, a, b);
}

static da_status do_solve_triangular(da_array **out)
{
    return da_solve_triangular(out, spd, b, DA_UPPER);
}

static da_status do_lu(da_array **out)
{
    DA_AUTO da_array *pivots = NULL;

    return da_lu(out, &pivots, a);
}

static da_status do_lu_inplace(da_array **out)
{
    DA_AUTO da_array *pivots = NULL, *copy = NULL;

    DA_TRY(da_copy(&copy, a));
    DA_TRY(da_lu_inplace(copy, &pivots));
    return da_lu_solve(out, copy, pivots, b, DA_TRANSPOSE);
}

static da_status do_solve_definite(da_array **out)
{
    return da_solve_definite(out, spd, b, DA_UPPER);
}

static da_status do_solve_mixed(da_array **out)
{
    return da_solve_mixed(out, spd, b);
}

static da_status do_ldl(da_array **out)
{
    DA_AUTO da_array *pivots = NULL, *factors = NULL;

    DA_TRY(da_ldl(&factors, &pivots, spd, 0));
    return da_ldl_solve(out, factors, pivots, b, 0);
}

static da_status do_inv(da_array **out)
{
    return da_inv(out, a);
}

static da_status do_slogdet(da_array **out)
{
    DA_AUTO da_array *sign = NULL;

    return da_slogdet(&sign, out, a);
}

static da_status do_rcond(da_array **out)
{
    return da_rcond(out, a, 0);
}

static da_status do_lstsq(da_array **out)
{
    DA_AUTO da_array *tall = NULL;

    DA_TRY(DA_SLICE(&tall, a, DA_WHOLE, DA_UNTIL(5)));
    return da_lstsq(out, tall, b);
}

static da_status do_lstsq_wide(da_array **out)
{
    DA_AUTO da_array *wide = NULL, *rhs = NULL;

    DA_TRY(DA_SLICE(&wide, a, DA_UNTIL(5)));
    DA_TRY(DA_SLICE(&rhs, b, DA_UNTIL(5)));
    return da_lstsq(out, wide, rhs);
}

static da_status do_lq(da_array **out)
{
    DA_AUTO da_array *q = NULL;
    da_array *l = NULL;
    const da_status status = da_lq(&l, &q, a);

    if (status == DA_OK)
        *out = l;
    return status;
}

static da_status do_qr_solve(da_array **out)
{
    DA_AUTO da_array *copy = NULL;
    DA_AUTO da_qr_factors *f = NULL;

    DA_TRY(da_copy(&copy, a));
    DA_TRY(da_qr_factor_inplace(&f, copy));
    return da_qr_solve(out, f, b);
}

static da_status do_qr_pivoted(da_array **out)
{
    DA_AUTO da_array *r = NULL, *pivots = NULL, *tall = NULL;
    da_array *q = NULL;
    da_status status;

    DA_TRY(DA_SLICE(&tall, a, DA_WHOLE, DA_UNTIL(5)));
    status = da_qr_pivoted(&q, &r, &pivots, tall);
    if (status == DA_OK)
        *out = q;
    return status;
}

static da_status do_lstsq_rank(da_array **out)
{
    DA_AUTO da_array *rank = NULL;
    da_array *x = NULL;
    const da_status status = da_lstsq_rank(&x, &rank, a, b, -1);

    if (status == DA_OK)
        *out = x;
    return status;
}

static da_status do_eigh(da_array **out)
{
    DA_AUTO da_array *values = NULL;

    return da_eigh(&values, out, spd, 0);
}

static da_status do_eig(da_array **out)
{
    DA_AUTO da_array *values = NULL;

    return da_eig(&values, out, a);
}

static da_status do_svd(da_array **out)
{
    DA_AUTO da_array *values = NULL, *vh = NULL;

    return da_svd(out, &values, &vh, a, 0);
}

static da_status do_diagonal(da_array **out)
{
    return da_diagonal(out, a, 2);
}

static da_status do_trace(da_array **out)
{
    return da_trace(out, a, -1);
}

static da_status do_matrix_norm(da_array **out)
{
    return da_matrix_norm(out, a, DA_NORM_INF, 0);
}

static da_status do_cross(da_array **out)
{
    DA_AUTO da_array *three = NULL;

    DA_TRY(DA_SLICE(&three, a, DA_UNTIL(3)));
    return da_cross(out, three, three, 0);
}

static da_status do_kron(da_array **out)
{
    return da_kron(out, b, b);
}

static da_status do_pinv(da_array **out)
{
    return da_pinv(out, a, -1, 0);
}

static da_status do_matrix_rank(da_array **out)
{
    return da_matrix_rank(out, spd, -1, DA_LOWER);
}

static da_status do_cond(da_array **out)
{
    return da_cond(out, a, DA_NORM_1);
}

static da_status do_norm2(da_array **out)
{
    return da_matrix_norm(out, a, DA_NORM_2, DA_KEEPDIMS);
}

static da_status do_npy(da_array **out)
{
    static char path[64];
    da_status status;

    snprintf(path, sizeof path, "/tmp/darray-test-%ld.npy", (long)getpid());
    status = da_save_npy(path, a);
    if (status == DA_OK)
        status = da_load_npy(out, path);
    remove(path);
    return status;
}

static da_status do_csv(da_array **out)
{
    static char path[64];
    da_status status;

    snprintf(path, sizeof path, "/tmp/darray-test-%ld.csv", (long)getpid());
    status = da_save_csv(path, a, "header");
    if (status == DA_OK)
        status = da_load_csv(out, path, 1);
    remove(path);
    return status;
}

static da_status do_string(da_array **out)
{
    char *text;

    DA_TRY(da_to_string(&text, a));
    da_string_free(text);
    return da_copy(out, b);
}

static da_status do_wrap(da_array **out)
{
    static double memory[N * N];

    return da_wrap(out, DA_F64, DA_SHAPE(N, N), memory, DA_ROW_MAJOR, NULL, NULL);
}

static da_status double_it(const da_call *call)
{
    const double *x = call->buffers[0].data;
    double *y = call->buffers[1].data;

    *y = 2 * *x;
    return DA_OK;
}

static const da_codelet codelet_double = {.name = "test_double", .cpu = double_it};

static da_status do_tasks(da_array **out)
{
    DA_AUTO da_task *first = NULL, *second = NULL;
    double result;

    DA_TRY(DA_SPAWN(&first, &codelet_double, DA_READ(a), DA_RESULT(double)));
    DA_TRY(DA_SPAWN(&second, &codelet_double, DA_READ(first), DA_RESULT(double)));
    DA_TRY(da_task_fetch(second, &result, sizeof result));
    return da_copy(out, b);
}

static da_status one_rank(da_rank *rank, void *ctx, da_array **result)
{
    double x = da_rank_id(rank);

    (void)ctx;
    DA_TRY(da_allreduce_f64(rank, &x, DA_OP_SUM));
    return da_allreduce_array(rank, result, a, DA_OP_SUM);
}

static da_status do_spmd(da_array **out)
{
    da_array *results[2];

    DA_TRY(da_spmd(2, one_rank, NULL, results));
    *out = results[0];
    da_array_release(&results[1]);
    return DA_OK;
}

static const struct {
    const char *name;
    da_status (*run)(da_array **out);
} operations[] = {
    {"zeros", do_zeros},
    {"arange", do_arange},
    {"random_normal", do_random},
    {"slice", do_slice},
    {"copy", do_copy},
    {"astype", do_astype},
    {"reshape", do_reshape},
    {"concat", do_concat},
    {"eval", do_eval},
    {"eval_text", do_text},
    {"sum", do_sum},
    {"std", do_std},
    {"argmax", do_argmax},
    {"matmul", do_matmul},
    {"cholesky", do_cholesky},
    {"tensordot", do_tensordot},
    {"matrix_power", do_power},
    {"blas3", do_blas3},
    {"qr", do_qr},
    {"solve", do_solve},
    {"solve_triangular", do_solve_triangular},
    {"lu_inplace", do_lu_inplace},
    {"solve_definite", do_solve_definite},
    {"solve_mixed", do_solve_mixed},
    {"ldl", do_ldl},
    {"inv", do_inv},
    {"slogdet", do_slogdet},
    {"rcond", do_rcond},
    {"lu", do_lu},
    {"lstsq", do_lstsq},
    {"npy", do_npy},
    {"csv", do_csv},
    {"to_string", do_string},
    {"wrap", do_wrap},
    {"tasks", do_tasks},
    {"spmd", do_spmd},
    {"lstsq, wide", do_lstsq_wide},
    {"lq", do_lq},
    {"qr_solve", do_qr_solve},
    {"qr_pivoted", do_qr_pivoted},
    {"lstsq_rank", do_lstsq_rank},
    {"eigh", do_eigh},
    {"eig", do_eig},
    {"svd", do_svd},
    {"diagonal", do_diagonal},
    {"trace", do_trace},
    {"matrix_norm", do_matrix_norm},
    {"cross", do_cross},
    {"kron", do_kron},
    {"pinv", do_pinv},
    {"matrix_rank", do_matrix_rank},
    {"cond", do_cond},
    {"matrix_norm, 2", do_norm2},
};

static void inputs(void)
{
    DA_AUTO da_array *eye = NULL, *t = NULL;

    ck_ok(da_random_uniform(&a, DA_F64, DA_SHAPE(N, N), 1));
    ck_ok(da_random_uniform(&b, DA_F64, DA_SHAPE(N), 2));
    ck_ok(da_matrix_transpose(&t, a));
    ck_ok(da_matmul(&spd, a, t));
    ck_ok(da_eye(&eye, DA_F64, N, N, 0));
    ck_ok(da_assign(spd, da_add(spd, eye)));
    ck_ok(da_wait(spd));
}

static void no_inputs(void)
{
    da_array_release(&a);
    da_array_release(&b);
    da_array_release(&spd);
}

/* Everything taken is given back, once the runtime has stopped and the caches are empty. */
static void check_balance(const char *name, long before)
{
    ck_ok(da_shutdown());
    da_trim();
    ck_assert_msg(atomic_load(&live) <= before, "%s: %ld allocations more than before", name,
                  atomic_load(&live) - before);
}

/* Returns how often the operation reported a failure. */
static long fail_at_every_k(const char *name, da_status (*run)(da_array **out))
{
    da_array *const untouched = (da_array *)(void *)&countdown;
    long failures = 0;

    for (long k = 0;; k++) {
        da_array *out = untouched;
        da_status status;

        da_trim(); /* or the free lists would hide most allocations */
        atomic_store(&failed, 0);
        atomic_store(&countdown, k);
        status = run(&out);
        atomic_store(&countdown, -1);
        if (status == DA_OK) {
            /* asked for fewer, or did without what failed */
            ck_ok(da_wait(out));
            da_array_release(&out);
            if (atomic_load(&failed) == 0)
                return failures;
            continue;
        }
        failures++;
        ck_assert_msg(status == DA_ERROR_MEMORY, "%s, allocation %ld: %s: %s", name, k,
                      da_status_name(status), da_error());
        ck_assert_msg(strlen(da_error()) > 0, "%s, allocation %ld: no sentence", name, k);
        ck_assert_msg(out == untouched, "%s, allocation %ld: the output was written", name, k);
        ck_ok(da_wait_all());
        ck_assert_int_lt(k, 5000);
    }
}

START_TEST(every_allocation)
{
    const char *name = operations[_i].name;
    da_array *out = NULL;
    long before;

    inputs();
    ck_ok(operations[_i].run(&out));
    ck_ok(da_wait(out));
    da_array_release(&out);
    ck_ok(da_shutdown());
    da_trim();
    before = atomic_load(&live);

    atomic_store(&lasting, false);
    (void)fail_at_every_k(name, operations[_i].run);
    atomic_store(&lasting, true);
    ck_assert_msg(fail_at_every_k(name, operations[_i].run) > 0 ||
                      strcmp(name, "slice") == 0 /* handles come from a slab */,
                  "%s: no allocation failed", name);

    /* and the library is as usable as before */
    ck_ok(operations[_i].run(&out));
    ck_ok(da_wait(out));
    da_array_release(&out);
    check_balance(name, before);
    no_inputs();
    check_balance("inputs", before);
}
END_TEST

int main(void)
{
    static const da_allocator failing = {allocate, give_back, NULL};
    const da_test_case cases[] = {
        DA_CASE_LOOP("every k", (int)(sizeof operations / sizeof *operations), every_allocation)};

    if (da_set_allocator(&failing) != DA_OK) {
        fprintf(stderr, "%s\n", da_error());
        return 1;
    }
    return da_test_run("allocation failures", cases, 1);
}
