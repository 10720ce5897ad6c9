/* SPDX-License-Identifier: BSD-3-Clause */
#include "workloads.h"
#include "array/array.h"
#include "array/codelets.h"
#include "broadcast/graph.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NUMERIC: with bool; NUMBERS: without */
enum work_dtypes { FLOATS, REALS, NUMERIC, NUMBERS, INTEGERS, ANY };

/* What a buffer is, as kernel_list.inc has it. */
enum {
    R = DA_MODE_READ,
    W = DA_MODE_WRITE,
    RW = DA_MODE_READ_WRITE,
    VECTOR = 4,
    PIVOTS = 8 | VECTOR,
    REAL = 16,
    COMPLEX = 32,
    RP = R | PIVOTS,
    WP = W | PIVOTS,
    RR = R | REAL,
    RV = R | VECTOR | REAL,
    WV = W | VECTOR | REAL,
    RWV = RW | VECTOR | REAL,
    WZ = W | COMPLEX,
    WZV = W | VECTOR | COMPLEX
};

/* What an operand holds. Times must not depend on it, but factorisations stop where they fail, and numbers that become tiny are slow. */
enum content {
    RANDOM,
    IDENTITY,
    ZEROS,
    DOMINANT, /* symmetric positive definite, too */
    EXCHANGES,
    PLAN /* of a merge of two eigenvalue problems where nothing is set aside */
};

enum { REFLECTORS = 32 }; /* in a block of them, as src/linalg/qr.c usually has it */

/* ---- linear algebra: the by-value argument, and what is not n x n and random ---- */

static void set_shape(work *w, int buffer, int64_t rows, int64_t columns)
{
    w->shape[buffer][0] = rows;
    w->shape[buffer][1] = columns;
}

static void setup_gemm(work *w)
{
    w->value.gemm = (da_gemm_args){.alpha = {1, 0}, .beta = {1, 0}};
}

static void setup_syrk(work *w)
{
    w->value.syrk = (da_syrk_args){.uplo = DA_LOWER, .alpha = 1, .beta = 1};
}

static void setup_symm(work *w)
{
    w->value.symm = (da_symm_args){.flags = DA_LOWER, .alpha = {1, 0}, .beta = {1, 0}};
}

static void setup_rank_k(work *w)
{
    w->value.rank = (da_rank_args){.uplo = DA_LOWER, .alpha = {1, 0}, .beta = {1, 0}};
}

#define setup_rank_2k setup_rank_k

static void setup_trsm(work *w)
{
    w->value.trsm = (da_trsm_args){.flags = DA_LOWER, .alpha = {1, 0}};
    w->content[0] = IDENTITY;
}

#define setup_trmm setup_trsm

static void setup_trsm_checked(work *w)
{
    w->value.trsm_checked.trsm = (da_trsm_args){.flags = DA_LOWER, .alpha = {1, 0}};
    w->content[0] = IDENTITY;
}

static void setup_lacpy(work *w)
{
    w->value.lacpy = (da_lacpy_args){0};
}

static void setup_laset(work *w)
{
    w->value.laset = (da_laset_args){0};
}

static void setup_potrf(work *w)
{
    w->value.potrf = (da_potrf_args){.uplo = DA_LOWER, .n = w->n};
    w->content[0] = DOMINANT;
}

#define setup_cholesky_diagonal setup_potrf

static void setup_cholesky_update(work *w)
{
    w->value.cholesky_update = (da_cholesky_update_args){0};
}

static int64_t reflectors(const work *w)
{
    return w->n < REFLECTORS ? w->n : REFLECTORS;
}

static void setup_geqrt(work *w)
{
    set_shape(w, 1, reflectors(w), w->n);
}

static void setup_gemqrt(work *w)
{
    w->value.unmqr = (da_unmqr_args){.flags = DA_CONJ_TRANSPOSE};
    set_shape(w, 1, reflectors(w), w->n);
    w->content[1] = ZEROS;
}

static void setup_tpqrt(work *w)
{
    set_shape(w, 2, reflectors(w), w->n);
}

#define setup_tpmqrt setup_gemqrt

static void setup_geqp3(work *w)
{
    set_shape(w, 1, reflectors(w), w->n);
}

static void setup_small_qr(work *w)
{
    w->value.small_qr = (da_small_qr_args){.form_q = 1};
}

static void setup_numerical_rank(work *w)
{
    w->value.numerical_rank = (da_numerical_rank_args){.rcond = 1e-16};
    set_shape(w, 1, 1, 0);
    w->content[0] = IDENTITY;
}

static void setup_truncate(work *w)
{
    w->value.truncate = (da_truncate_args){0};
    set_shape(w, 0, 1, 0);
}

static void setup_place_columns(work *w)
{
    w->value_size = 0;
}

static void setup_getrf(work *w)
{
    w->value.pivot = (da_pivot_args){0};
    w->content[0] = DOMINANT;
}

static void setup_laswp(work *w)
{
    w->value.pivot = (da_pivot_args){0};
    w->content[0] = EXCHANGES;
}

static void setup_lu_update(work *w)
{
    w->value.pivot = (da_pivot_args){0};
    set_shape(w, 0, 2 * w->n, w->n);
    set_shape(w, 2, 2 * w->n, w->n);
    w->content[0] = IDENTITY;
    w->content[1] = EXCHANGES;
}

static void setup_heevd(work *w)
{
    w->value.heevd = (da_heevd_args){.uplo = DA_LOWER, .vectors = 1};
    w->content[0] = DOMINANT;
}

#define setup_hetrd_begin setup_heevd

static void setup_hetrd_column(work *w)
{
    const int64_t width = reflectors(w);

    w->value.hetrd = (da_hetrd_args){.column = width / 2};
    set_shape(w, 0, w->n, width);
    set_shape(w, 1, w->n, 2 * width);
    set_shape(w, 2, w->n, 1);
    set_shape(w, 3, width, 1);
    w->content[0] = IDENTITY;
    w->content[1] = ZEROS;
    w->content[3] = ZEROS;
}

static void setup_hetrd_multiply(work *w)
{
    set_shape(w, 1, w->n, 1);
    set_shape(w, 2, w->n, 1);
}

static void setup_hetrd_update(work *w)
{
    set_shape(w, 0, w->n, 2 * reflectors(w));
}

static void setup_hetrd_rest(work *w)
{
    set_shape(w, 1, w->n, 1);
    w->content[0] = DOMINANT;
}

static void setup_hetrd_end(work *w)
{
    w->content[2] = RANDOM;
}

static void setup_sterf(work *w)
{
    w->content[0] = w->content[1] = RANDOM;
}

static void setup_stedc(work *w)
{
    w->value.stedc = (da_stedc_args){0};
    setup_sterf(w);
}

static void setup_merge(work *w, int plan)
{
    w->value.merge = (da_merge_args){.top = (w->n + 1) / 2};
    set_shape(w, plan, w->n, DA_PLAN_COLUMNS);
    w->content[plan] = PLAN;
}

static void setup_stedc_deflate(work *w)
{
    setup_merge(w, 3);
    set_shape(w, 1, 1, 0);
    w->content[2] = IDENTITY;
}

static void setup_merge_pack(work *w)
{
    setup_merge(w, 0);
}

static void setup_stedc_secular(work *w)
{
    setup_merge(w, 0);
    set_shape(w, 1, w->n, 2);
    set_shape(w, 2, w->n, 1);
}

static void setup_stedc_order(work *w)
{
    setup_merge(w, 0);
    set_shape(w, 1, w->n, 1);
}

static void setup_stedc_product(work *w)
{
    setup_merge(w, 0);
    set_shape(w, 2, w->n, 2);
    w->content[2] = RANDOM;
}

static void setup_larft(work *w)
{
    set_shape(w, 1, w->n, 1);
    set_shape(w, 2, reflectors(w), w->n);
}

static void setup_gebrd_begin(work *w)
{
    w->value.gesdd = (da_gesdd_args){0};
    set_shape(w, 1, w->n, 4);
}

/* The middle of a panel. */
static void setup_gebrd_column(work *w)
{
    const int64_t width = reflectors(w);

    w->value.hetrd = (da_hetrd_args){.column = width / 2};
    set_shape(w, 0, w->n, width);
    set_shape(w, 1, w->n, 2 * width);
    set_shape(w, 2, w->n, 2 * width);
    set_shape(w, 3, w->n, 1);
    set_shape(w, 4, width, 4);
    for (int i = 1; i < 5; i++)
        w->content[i] = ZEROS;
}

static void setup_gebrd_row(work *w)
{
    const int64_t width = reflectors(w), before = width / 2 + 1;
    const int64_t length = w->n > before ? w->n - before : 1;

    setup_gebrd_column(w);
    set_shape(w, 0, 1, length);
    set_shape(w, 2, before + length, 2 * width);
    set_shape(w, 3, before + length, 1);
}

static void setup_gebrd_multiply(work *w)
{
    w->value.unmqr = (da_unmqr_args){0};
    set_shape(w, 1, w->n, 1);
    set_shape(w, 2, w->n, 1);
}

static void setup_bdsdc_values(work *w)
{
    w->value.bdsdc = (da_bdsdc_args){0};
    set_shape(w, 0, w->n, 4);
    w->content[0] = DOMINANT;
}

#define setup_bdsdc_begin setup_bdsdc_values

static void setup_bdsdc_leaf(work *w)
{
    w->value.stedc = (da_stedc_args){0};
    w->content[0] = w->content[1] = RANDOM;
}

static void setup_bdsdc_deflate(work *w)
{
    setup_merge(w, 4);
    set_shape(w, 1, 1, 0);
    w->content[2] = w->content[3] = IDENTITY;
}

#define setup_bdsdc_secular setup_stedc_secular
#define setup_bdsdc_order setup_stedc_order

static void setup_bdsdc_product(work *w)
{
    setup_stedc_product(w);
    w->content[3] = RANDOM;
}

static void setup_geev(work *w)
{
    w->content[0] = DOMINANT;
}

#define setup_geev_values setup_geev

static void setup_gesdd(work *w)
{
    w->value.gesdd = (da_gesdd_args){0};
    w->content[0] = DOMINANT;
}

#define setup_gesdd_values setup_gesdd

static void setup_getrf_nopivot(work *w)
{
    w->value.pivot = (da_pivot_args){0};
    w->content[0] = DOMINANT;
}

static void setup_lu_det(work *w)
{
    w->value.det = (da_det_args){.logarithm = 1};
    set_shape(w, 2, 1, 2);
    w->content[0] = IDENTITY;
    w->content[1] = EXCHANGES;
}

static void setup_norm1(work *w)
{
    w->value.norm1 = (da_norm1_args){0};
    set_shape(w, 1, 1, 1);
}

static void setup_rcond(work *w)
{
    w->value.norm1 = (da_norm1_args){0};
    set_shape(w, 1, 1, 1);
    set_shape(w, 2, 1, 1);
    w->content[0] = IDENTITY;
}

static void setup_sytrf(work *w)
{
    w->value.ldl = (da_ldl_args){.uplo = DA_LOWER};
    w->content[0] = DOMINANT;
}

static void setup_sytrs(work *w)
{
    w->value.ldl = (da_ldl_args){.uplo = DA_LOWER};
    w->content[0] = IDENTITY;
    w->content[1] = EXCHANGES;
}

/* ---- arrays ---- */

static void setup_fill(work *w)
{
    w->value.element = (kernel_element){.u = 0};
}

static void setup_copy(work *w)
{
    w->value_size = 0;
}

static void setup_diagonal(work *w)
{
    w->value_size = 0;
    set_shape(w, 0, w->n, 0);
}

static void setup_reshape(work *w)
{
    w->value.reshape = (kernel_reshape_args){.dst_flat = {w->n, 1}, .src_extent = {w->n, w->n}};
}

static void setup_arange(work *w)
{
    w->value.arange = (kernel_arange_args){.step_i = 1, .step = {1, 0}};
}

static void setup_linspace(work *w)
{
    w->value.linspace = (kernel_linspace_args){.last = -1, .step = {1, 0}};
}

static void setup_eye(work *w)
{
    w->value.eye = (kernel_eye_args){.one = {.u = 1}};
}

static void setup_random(work *w)
{
    w->value.random = (kernel_random_args){.seed = 1, .flat = {w->n, 1}};
}

/* ---- expressions and reductions ---- */

static da_status eval_add(da_array **out, work *w)
{
    return da_eval(out, da_add(w->arrays[0], w->arrays[1]));
}

static da_status eval_fused(da_array **out, work *w)
{
    return da_eval(out, da_add(da_multiply(w->arrays[0], w->arrays[1]), da_multiply(w->arrays[2], 3)));
}

static da_status eval_exp(da_array **out, work *w)
{
    return da_eval(out, da_exp(w->arrays[0]));
}

static da_status eval_sum(da_array **out, work *w)
{
    return da_sum(out, w->arrays[0], DA_ALL, 0);
}

static da_status eval_minimum(da_array **out, work *w)
{
    return da_min(out, w->arrays[0], DA_ALL, 0);
}

enum { PARTS = 4 };

/* Of an array in PARTS tiles, whose sums are then added up. */
static da_status eval_parts(da_array **out, work *w)
{
    return da_sum(out, w->arrays[0], DA_AXES(0), 0);
}

static da_status eval_sum_columns(da_array **out, work *w)
{
    return da_sum(out, w->arrays[0], DA_AXES(0), 0);
}

/* ---- the table ---- */

#define NO_VALUE 0
#define VALUE(type) sizeof(type)
#define KERNEL(name_, dtypes_, value_, flags_, work_, ...)                                                   \
    {.name = #name_,                                                                                         \
     .codelet_name = "da_" #name_,                                                                           \
     .codelet = &da_codelet_##name_,                                                                         \
     .dtypes = dtypes_,                                                                                      \
     .power = 3,                                                                                             \
     .buffers = {__VA_ARGS__},                                                                               \
     .value_size = value_,                                                                                   \
     .setup = setup_##name_},
#define PUBLIC_KERNEL KERNEL
#define ARRAY(name_, value_, ...)                                                                            \
    {.name = #name_,                                                                                         \
     .codelet_name = #name_,                                                                                 \
     .codelet = &array_codelet_##name_,                                                                      \
     .dtypes = ANY,                                                                                          \
     .power = 2,                                                                                             \
     .buffers = {__VA_ARGS__},                                                                               \
     .value_size = value_,                                                                                   \
     .setup = setup_##name_},
#define EXPRESSION(name_, codelet_, dtypes_, inputs_)                                                        \
    {.name = #name_,                                                                                         \
     .codelet_name = #codelet_,                                                                              \
     .codelet = &broadcast_codelet_##codelet_,                                                               \
     .dtypes = dtypes_,                                                                                      \
     .power = 2,                                                                                             \
     .eval = eval_##name_,                                                                                   \
     .inputs = inputs_},

/* clang-format off */
static const workload table[] = {
#include "codelets/kernel_list.inc"
    ARRAY(fill, sizeof(kernel_element),       W)
    ARRAY(copy, 0,                            W, R)
    ARRAY(diagonal, 0,                        W | VECTOR, R)
    ARRAY(reshape, sizeof(kernel_reshape_args),  W, R)
    ARRAY(arange, sizeof(kernel_arange_args),   W | VECTOR)
    ARRAY(linspace, sizeof(kernel_linspace_args), W | VECTOR)
    ARRAY(eye, sizeof(kernel_eye_args),      W)
    ARRAY(random, sizeof(kernel_random_args),   W)
    EXPRESSION(add,         expr,          NUMBERS, 2)
    EXPRESSION(fused,       expr,          NUMBERS, 3)
    EXPRESSION(exp,         expr,          FLOATS,  1)
    EXPRESSION(sum,         reduce,        FLOATS,  1)
    EXPRESSION(sum_columns, reduce,        FLOATS,  1)
    EXPRESSION(minimum,     reduce,        INTEGERS, 1)
    EXPRESSION(parts,       reduce_finish, FLOATS,  1)
};
/* clang-format on */

const workload *workloads_all(int *n)
{
    *n = sizeof table / sizeof *table;
    return table;
}

bool workload_takes(const workload *kind, da_dtype dtype)
{
    switch (kind->dtypes) {
    case FLOATS: return da_kernels_take(dtype);
    case REALS: return da_kernels_take(dtype) && dtype_real(dtype) == dtype;
    case NUMERIC: return da_kernels_multiply(dtype);
    case NUMBERS: return da_kernels_multiply(dtype) && dtype != DA_BOOL;
    case INTEGERS: return da_kernels_multiply(dtype) && !da_kernels_take(dtype) && dtype != DA_BOOL;
    default:
        return dtype_valid(dtype) &&
               ((dtype != DA_F16 && dtype != DA_BF16 && dtype != DA_BOOL) || kind->setup == setup_fill ||
                kind->setup == setup_copy || kind->setup == setup_diagonal);
    }
}

/* ---- making operands ---- */

static bool is_used(const work *w, int buffer)
{
    return w->kind->eval ? buffer < w->kind->inputs : w->kind->buffers[buffer] != 0;
}

static bool is_pivots(const work *w, int buffer)
{
    return (w->kind->buffers[buffer] & PIVOTS) == PIVOTS;
}

static da_dtype dtype_in(const work *w, int buffer)
{
    if (is_pivots(w, buffer))
        return DA_PIVOT_DTYPE;
    if (w->kind->buffers[buffer] & COMPLEX)
        return dtype_complex(w->dtype);
    return w->kind->buffers[buffer] & REAL ? dtype_real(w->dtype) : w->dtype;
}

static void describe(work *w)
{
    w->value_size = w->kind->value_size;
    for (int i = 0; i < WORK_BUFFERS; i++) {
        set_shape(w, i, w->n, w->n);
        w->content[i] = w->kind->dtypes == ANY ? ZEROS : RANDOM;
        if (is_pivots(w, i))
            w->content[i] = ZEROS;
        if (w->kind->buffers[i] & VECTOR)
            set_shape(w, i, w->kind->power == 3 ? w->n : w->n * w->n, 0);
    }
    if (w->kind->setup)
        w->kind->setup(w);
}

static da_shape shape_of(const work *w, int buffer)
{
    const int64_t *const s = w->shape[buffer];

    return s[1] == 0 ? DA_SHAPE(s[0]) : DA_SHAPE(s[0], s[1]);
}

static da_status exchanges(da_array **out, int64_t n)
{
    int64_t *const rows = malloc((size_t)n * sizeof *rows);
    da_status status;

    if (!rows)
        return err_memory((size_t)n * sizeof *rows, "row exchanges");
    for (int64_t i = 0; i < n; i++)
        rows[i] = i + (i * 7919 + 13) % (n - i);
    status = da_from_host(out, DA_PIVOT_DTYPE, DA_SHAPE(n), rows, DA_ROW_MAJOR);
    free(rows);
    return status;
}

static da_status plan(da_array **out, da_dtype dtype, int64_t n)
{
    double *const p = calloc((size_t)n * DA_PLAN_COLUMNS, sizeof *p);
    DA_AUTO da_array *numbers = NULL;
    da_status status;

    if (!p)
        return err_memory((size_t)n * DA_PLAN_COLUMNS * sizeof *p, "the plan of a merge");
    for (int64_t i = 0; i < n; i++) {
        p[DA_PLAN_D * n + i] = (double)i / (double)n;
        p[DA_PLAN_Z * n + i] = 1 / sqrt((double)n);
        p[DA_PLAN_ROW * n + i] = p[DA_PLAN_SOURCE * n + i] = p[DA_PLAN_PLACE * n + i] = (double)i;
    }
    p[DA_PLAN_KEPT * n] = (double)n;
    p[DA_PLAN_LEFT * n] = p[DA_PLAN_ABOVE * n] = (double)((n + 1) / 2);
    p[DA_PLAN_RHO * n] = 1;
    status = da_from_host(&numbers, DA_F64, DA_SHAPE(n, DA_PLAN_COLUMNS), p, DA_COL_MAJOR);
    free(p);
    return status == DA_OK ? da_astype(out, numbers, dtype) : status;
}

static da_status make(da_array **out, const work *w, int buffer)
{
    const da_dtype dtype = dtype_in(w, buffer);
    const da_shape shape = shape_of(w, buffer);
    DA_AUTO da_array *identity = NULL;

    switch (w->content[buffer]) {
    case RANDOM: return da_random_uniform(out, dtype, shape, 1 + (uint64_t)buffer);
    case IDENTITY: return da_eye(out, dtype, shape.dim[0], shape.dim[1], 0);
    case ZEROS: return da_zeros(out, dtype, shape);
    case EXCHANGES: return exchanges(out, shape.dim[0]);
    case PLAN: return plan(out, dtype, shape.dim[0]);
    default: break;
    }
    DA_TRY(da_eye(&identity, dtype, shape.dim[0], shape.dim[1], 0));
    DA_TRY(da_random_uniform(out, dtype, shape, 1));
    return da_assign(*out, da_add(*out, da_multiply(identity, 2.0 * (double)w->n)));
}

/* Operands that a run reads and changes: the next one would do something else, such as factor what is factored already. */
static bool is_spoilt(const work *w, int buffer)
{
    return (w->kind->buffers[buffer] & RW) == RW;
}

da_status work_begin(work *w, const workload *kind, da_dtype dtype, int64_t n)
{
    const int64_t whole = INT64_C(1) << 40;
    da_status status;

    *w = (work){.kind = kind, .dtype = dtype, .n = n};
    describe(w);
    status = da_blocks(DA_SHAPE(kind->eval == eval_parts ? (n + PARTS - 1) / PARTS : whole, whole));
    for (int i = 0; i < WORK_BUFFERS && status == DA_OK; i++) {
        if (!is_used(w, i))
            continue;
        status = make(&w->arrays[i], w, i);
        if (status == DA_OK && is_spoilt(w, i))
            status = da_copy(&w->originals[i], w->arrays[i]);
    }
    if (status == DA_OK)
        status = da_wait_all();
    if (status != DA_OK)
        work_end(w);
    return status;
}

void work_end(work *w)
{
    for (int i = 0; i < WORK_BUFFERS; i++) {
        da_array_release(&w->arrays[i]);
        da_array_release(&w->originals[i]);
    }
}

int work_copies(const work *w)
{
    int n = 0;

    for (int i = 0; i < WORK_BUFFERS; i++)
        n += w->originals[i] != NULL;
    return n;
}

/* ---- running ---- */

da_status work_run(work *w)
{
    da_arg args[WORK_BUFFERS + 1];
    DA_AUTO da_array *out = NULL;
    int n = 0;

    if (w->kind->eval) {
        DA_TRY(w->kind->eval(&out, w));
        return da_wait(out);
    }
    for (int i = 0; i < WORK_BUFFERS; i++)
        if (w->originals[i])
            DA_TRY(DA_SPAWN(NULL, &array_codelet_copy, DA_WRITE(w->arrays[i]), DA_READ(w->originals[i])));
    for (int i = 0; i < WORK_BUFFERS && is_used(w, i); i++)
        args[n++] = da_arg_array_(w->kind->buffers[i] & 3, w->arrays[i]);
    if (w->value_size > 0)
        args[n++] = DA_ARG_(5, 0, &w->value, w->value_size);
    DA_TRY(da_spawn(NULL, w->kind->codelet, n, args));
    for (int i = 0; i < WORK_BUFFERS && is_used(w, i); i++)
        if (w->kind->buffers[i] & DA_MODE_WRITE)
            DA_TRY(da_wait(w->arrays[i]));
    return DA_OK;
}

/* ---- sizes ---- */

void work_size(work *w, double *bytes, double *flops)
{
    da_buffer buffers[WORK_BUFFERS];
    int64_t strides[WORK_BUFFERS][2];
    const da_value value = {&w->value, w->value_size};
    da_call call = {.buffers = buffers, .values = &value, .nvalues = w->value_size > 0};

    *bytes = *flops = 0;
    describe(w);
    if (w->kind->eval) {
        const bool reduces = strcmp(w->kind->codelet_name, "reduce") == 0;

        if (w->kind->eval == eval_parts) {
            *bytes = (PARTS + 1) * (double)w->n * (double)da_dtype_size(w->dtype);
            return;
        }
        *bytes = (double)(w->kind->inputs + !reduces) * (double)w->n * (double)w->n *
                 (double)da_dtype_size(w->dtype);
        if (w->kind->eval == eval_sum_columns)
            *bytes += (double)w->n * (double)da_dtype_size(w->dtype);
        return;
    }
    for (int i = 0; i < WORK_BUFFERS && is_used(w, i); i++) {
        const da_shape shape = shape_of(w, i);
        strides[i][0] = 1;
        strides[i][1] = shape.dim[0];
        buffers[i] = (da_buffer){
            .dtype = dtype_in(w, i), .ndim = shape.ndim, .shape = w->shape[i], .strides = strides[i]};
        *bytes += (double)shape.dim[0] * (double)(shape.ndim > 1 ? shape.dim[1] : 1) *
                  (double)da_dtype_size(buffers[i].dtype);
        call.nbuffers++;
    }
    *flops = w->kind->codelet->flops ? w->kind->codelet->flops(&call) : 0;
}

double work_estimate(const workload *kind, da_dtype dtype, int64_t n)
{
    const double complex = dtype_is_complex(dtype) ? 4 : 1;

    return complex * pow((double)n, kind->power);
}
