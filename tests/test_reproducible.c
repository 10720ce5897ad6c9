/* DARRAY_REPRODUCIBLE=1: the same bits on both runtimes and on any number of workers. */
#include "test.h"

#define MOST_BYTES (1 << 24)

typedef struct result {
    const char *name;
    uint64_t hash;
} result;

static uint64_t fnv1a(const unsigned char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static uint64_t hash_of(const da_array *a)
{
    const size_t bytes = (size_t)da_array_size(a) * da_dtype_size(da_array_dtype(a));
    unsigned char *copy = malloc(bytes + 1);
    uint64_t h;

    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_le(bytes, MOST_BYTES);
    ck_ok(da_to_host(a, copy, bytes, DA_ROW_MAJOR));
    h = fnv1a(copy, bytes);
    free(copy);
    return h;
}

enum { MOST_RESULTS = 64 };
static int count;
static result results[MOST_RESULTS];

static void record(const char *name, const da_array *a)
{
    ck_assert_int_lt(count, MOST_RESULTS);
    results[count].name = name;
    results[count++].hash = hash_of(a);
}

/* Every kind of operation, large enough for many tiles. */
static void compute(da_dtype dtype)
{
    const int64_t n = 700;
    DA_AUTO da_array *a = NULL, *b = NULL, *s = NULL, *l = NULL, *q = NULL, *r = NULL, *x = NULL, *lu = NULL;
    DA_AUTO da_array *p = NULL, *at = NULL, *e = NULL, *sum = NULL, *mean = NULL, *sd = NULL, *norm = NULL;
    DA_AUTO da_array *tall = NULL, *fit = NULL, *rhs = NULL, *y = NULL, *normal = NULL, *all = NULL;

    ck_ok(da_random_uniform(&a, dtype, DA_SHAPE(n, n), 1));
    record("random_uniform", a);
    ck_ok(da_random_normal(&normal, dtype, DA_SHAPE(1000, 37), 2));
    record("random_normal", normal);
    ck_ok(da_matmul(&b, a, a));
    record("matmul", b);
    ck_ok(da_matrix_transpose(&at, a));
    ck_ok(da_matmul(&s, a, at));
    ck_ok(da_eval(&e, da_divide(da_multiply(da_exp(a), da_sin(b)), 3)));
    record("eval", e);
    ck_ok(da_sum(&all, da_sqrt(da_abs(b)), DA_ALL, 0));
    record("sum over all", all);
    ck_ok(da_sum(&sum, b, DA_AXES(0), 0));
    record("sum over axis 0", sum);
    ck_ok(da_mean(&mean, da_multiply(a, b), DA_AXES(1), 0));
    record("mean", mean);
    ck_ok(da_std(&sd, normal, DA_AXES(0), 1, 0));
    record("std", sd);
    ck_ok(da_vector_norm(&norm, b, DA_ALL, 2, 0));
    record("norm", norm);
    ck_ok(da_qr(&q, &r, a));
    record("q", q);
    record("r", r);
    ck_ok(da_lu(&lu, &p, a));
    record("lu", lu);
    record("pivots", p);
    ck_ok(da_solve(&x, a, b));
    record("solve", x);
    ck_ok(da_solve_triangular(&y, lu, b, DA_UPPER));
    record("solve_triangular", y);
    ck_ok(da_random_uniform(&tall, dtype, DA_SHAPE(20000, 12), 3));
    ck_ok(da_random_uniform(&rhs, dtype, DA_SHAPE(20000), 4));
    ck_ok(da_lstsq(&fit, tall, rhs));
    record("lstsq", fit);
    if (dtype == DA_F64 || dtype == DA_F32) {
        DA_AUTO da_array *eye = NULL;

        ck_ok(da_eye(&eye, dtype, n, n, 0));
        ck_ok(da_assign(s, da_add(s, da_multiply(eye, n))));
        ck_ok(da_cholesky(&l, s, DA_LOWER));
        record("cholesky", l);
    }
}

START_TEST(same_bits)
{
    static const da_dtype dtypes[] = {DA_F32, DA_F64, DA_C128};
    static const char *const runtimes[] = {"openmp", "starpu"};
    static const int workers[] = {1, 2, 4};
    result first[MOST_RESULTS];
    int first_count = 0, runs = 0;

    for (size_t r = 0; r < 2; r++) {
        for (size_t w = 0; w < 3; w++) {
            const da_status status = da_init(runtimes[r], workers[w]);

            if (status == DA_ERROR_UNSUPPORTED)
                continue; /* built without this runtime */
            ck_ok(status);
            ck_assert_str_eq(da_runtime_name(), runtimes[r]);
            count = 0;
            compute(dtypes[_i]);
            ck_ok(da_shutdown());
            if (runs++ == 0) {
                memcpy(first, results, sizeof first);
                first_count = count;
                continue;
            }
            ck_assert_int_eq(count, first_count);
            for (int i = 0; i < count; i++)
                ck_assert_msg(results[i].hash == first[i].hash, "%s of %s: other bits on %s with %d workers",
                              results[i].name, da_dtype_name(dtypes[_i]), runtimes[r], workers[w]);
        }
    }
    ck_assert_int_ge(runs, 3);
}
END_TEST

static void set_reproducible(void)
{
    setenv("DARRAY_REPRODUCIBLE", "1", 1);
    setenv("DARRAY_INLINE", "0", 1);
}

int main(void)
{
    const da_test_case cases[] = {DA_CASE_LOOP("same bits", 3, same_bits)};

    set_reproducible();
    return da_test_run("reproducible", cases, 1);
}
