/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of linear algebra on devices that need no BLAS: copies of matrices and triangles, the identity, exchanges of rows and columns,
 * numbers that tell of a matrix, products of integers. */
#include "kernels.h"
#include "launch.h"
#include "numbers.h"

#include <float.h>
#include <stdio.h>

static bool takes_dtype(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128;
}

static void define_bytes(char text[32], da_dtype dtype)
{
    snprintf(text, 32, "#define BYTES %zu\n", da_dtype_size(dtype));
}

/* ---- lacpy ---- */

static bool lacpy_takes(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *src = &call->buffers[0], *dst = &call->buffers[1];

    (void)ops;
    return takes_dtype(dst->dtype) && src->dtype == dst->dtype && src->ndim >= 2 && dst->ndim >= 2 &&
           src->shape[src->ndim - 2] == dst->shape[dst->ndim - 2] &&
           src->shape[src->ndim - 1] == dst->shape[dst->ndim - 1] &&
           da_device_fits_batch(src, 2, dst->ndim - 2, dst->shape);
}

/* triangle_t of triangle.kernel. */
typedef struct triangle {
    int64_t step[2], least, greatest, clear;
} triangle;

static da_status lacpy(const da_device_ops *ops, const da_call *call)
{
    const da_lacpy_args *args = call->values[0].data;
    const da_buffer *src = &call->buffers[0], *dst = &call->buffers[1];
    const int lead = dst->ndim - 2, row = lead, column = lead + 1;
    int64_t src_strides[DA_MAX_NDIM];
    char definitions[32];

    da_device_batch_strides(src, 2, lead, src_strides);
    src_strides[row] = src->strides[src->ndim - 2];
    src_strides[column] = src->strides[src->ndim - 1];
    if (!args->uplo)
        return da_device_copy(ops, call, dst, src, src_strides);

    const int64_t down = dst->strides[row] < 0 ? -dst->strides[row] : dst->strides[row];
    const int64_t right = dst->strides[column] < 0 ? -dst->strides[column] : dst->strides[column];
    const int inner = down <= right ? row : column, outer = inner == row ? column : row;
    /* the diagonal is where column - row is `offset` */
    const triangle t = {
        .step = {inner == row ? -1 : 1, inner == row ? 1 : -1},
        .least = args->uplo & DA_UPPER ? args->offset : INT64_MIN,
        .greatest = args->uplo & DA_LOWER ? args->offset : INT64_MAX,
        .clear = args->clear != 0,
    };
    da_device_axes axes = {.ndim = dst->ndim, .total = 1};
    for (int k = 0; k < dst->ndim; k++) {
        const int from = k == 0 ? inner : k == 1 ? outer : k - 2;
        axes.shape[k] = dst->shape[from];
        axes.dst[k] = dst->strides[from];
        axes.src[k] = src_strides[from];
        axes.total *= dst->shape[from];
    }
    define_bytes(definitions, dst->dtype);
    return da_device_launch(
        ops, call, "triangle", definitions, da_text_move, da_text_triangle, axes.total, axes.total, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(dst), DA_BUFFER_ARG(src), DA_VALUE_ARG(axes), DA_VALUE_ARG(t)});
}

/* ---- laset ---- */

static bool laset_takes(const da_device_ops *ops, const da_call *call)
{
    (void)ops;
    return takes_dtype(call->buffers[0].dtype) && call->buffers[0].ndim >= 2;
}

static da_status laset(const da_device_ops *ops, const da_call *call)
{
    const da_laset_args *args = call->values[0].data;
    const da_buffer *dst = &call->buffers[0];
    const bool is_double = dst->dtype == DA_F64 || dst->dtype == DA_C128;
    const da_device_element one = {is_double ? UINT64_C(0x3ff0000000000000) : UINT64_C(0x3f800000), 0};
    int64_t column_minus_row[DA_MAX_NDIM] = {0};

    column_minus_row[dst->ndim - 2] = -1;
    column_minus_row[dst->ndim - 1] = 1;
    return da_device_set_diagonal(ops, call, dst, column_minus_row, args->offset, one);
}

/* ---- row exchanges ---- */

/* exchange_t of exchange.kernel. */
typedef struct exchange {
    int64_t rows, step, count, offset, inverse, stride, phase, first, columns;
} exchange;

enum {
    MAKE,
    TAKE,
    PUT,
    EXCHANGE_BYTES = 1 << 25
}; /* the last: of what moves at once; one column may be more */

bool da_device_exchange_takes(const da_call *call, int pivots, int matrix)
{
    const da_buffer *p = &call->buffers[pivots], *a = &call->buffers[matrix];

    return takes_dtype(a->dtype) && p->dtype == DA_PIVOT_DTYPE && p->ndim >= 1 && a->ndim >= 2 &&
           da_device_fits_batch(p, 1, a->ndim - 2, a->shape);
}

/* What the exchange of a call is of. */
typedef struct exchanged {
    const da_device_ops *ops;
    const da_call *call;
    const da_buffer *a, *pivots;
    da_buffer lists, kept;
    int64_t most; /* elements that may move */
} exchanged;

/* `e` counts its columns along `axes`. One kernel for all phases: where it cannot be compiled nothing has been launched. */
static da_status exchange_phase(const exchanged *x, const da_device_axes *axes, const exchange *e)
{
    char definitions[32];

    define_bytes(definitions, x->a->dtype);
    return da_device_launch(x->ops, x->call, "exchange", definitions, da_text_move, da_text_exchange, x->most,
                            2 * e->count * e->columns, 6,
                            (const da_device_arg[]){DA_BUFFER_ARG(x->a), DA_BUFFER_ARG(&x->kept),
                                                    DA_BUFFER_ARG(&x->lists), DA_BUFFER_ARG(x->pivots),
                                                    DA_VALUE_ARG(*axes), DA_VALUE_ARG(*e)});
}

da_status da_device_exchange(const da_device_ops *ops, const da_call *call, int pivots, int matrix)
{
    const da_pivot_args *args = call->values[0].data;
    const da_buffer *p = &call->buffers[pivots], *a = &call->buffers[matrix];
    const int lead = a->ndim - 2, own = da_device_leading(p, 1);
    exchange e = {
        .rows = a->shape[lead],
        .step = a->strides[lead],
        .count = p->shape[own],
        .offset = args->offset,
        .inverse = args->inverse,
        .stride = p->strides[own],
        .columns = 1,
    };
    const int64_t size = (int64_t)da_dtype_size(a->dtype), column_bytes = 2 * e.count * size;
    int64_t shape[DA_MAX_NDIM], strides[DA_MAX_NDIM], list_strides[DA_MAX_NDIM], list_of[DA_MAX_NDIM];
    const da_buffer lists = {.ndim = p->ndim, .shape = p->shape, .strides = list_strides};
    exchanged x = {.ops = ops, .call = call, .a = a, .pivots = p};
    da_device_axes axes, list_axes;

    for (int k = own - 1; k >= 0; k--) {
        list_strides[k] = 4 * e.count * e.columns;
        e.columns *= p->shape[k];
    }
    da_device_batch_strides(&lists, 1, lead, list_of);
    list_of[lead] = 0;
    for (int k = 0; k <= lead; k++) {
        shape[k] = a->shape[k < lead ? k : lead + 1];
        strides[k] = a->strides[k < lead ? k : lead + 1];
    }
    da_device_axes_of(&axes, lead + 1, shape, strides, list_of, 0);
    da_device_axes_of(&list_axes, own, p->shape, list_strides, p->strides, 0);
    if (e.rows == 0 || e.count == 0 || axes.total == 0)
        return DA_OK;
    const int64_t list_bytes = 4 * e.count * e.columns * (int64_t)sizeof(int64_t);
    const int64_t most = column_bytes < EXCHANGE_BYTES ? EXCHANGE_BYTES / column_bytes : 1;
    const int64_t columns = axes.total < most ? axes.total : most;
    DA_TRY(ops->scratch(call, (size_t)(list_bytes + columns * column_bytes), &x.lists));
    x.most = 2 * e.count * axes.total;
    x.kept = x.lists;
    x.kept.offset = list_bytes / size;
    DA_TRY(exchange_phase(&x, &list_axes, &e));
    for (; e.first < axes.total; e.first += columns) {
        e.columns = axes.total - e.first < columns ? axes.total - e.first : columns;
        for (e.phase = TAKE; e.phase <= PUT; e.phase++)
            DA_TRY(exchange_phase(&x, &axes, &e));
    }
    return DA_OK;
}

static bool laswp_takes(const da_device_ops *ops, const da_call *call)
{
    const da_pivot_args *args = call->values[0].data;

    (void)ops;
    return !args->given && da_device_exchange_takes(call, 0, 1);
}

static da_status laswp(const da_device_ops *ops, const da_call *call)
{
    return da_device_exchange(ops, call, 0, 1);
}

/* ---- the 1-norm ---- */

static const unsigned char norm1_axes[] = {2, 2};

static bool norm1_takes(const da_device_ops *ops, const da_call *call)
{
    const da_norm1_args *args = call->values[0].data;
    const da_buffer *a = &call->buffers[0], *out = &call->buffers[1];

    return da_device_takes_batch(ops, call, norm1_axes) && takes_dtype(a->dtype) &&
           da_device_rows(out) == 1 && da_device_columns(out) == 1 &&
           (!args->uplo || da_device_rows(a) == da_device_columns(a));
}

/* norm1_t of norm1.kernel. */
typedef struct norm1_values {
    int64_t m, n, column, lower, upper;
} norm1_values;

static da_status norm1(const da_device_ops *ops, const da_call *call)
{
    const da_norm1_args *args = call->values[0].data;
    const da_buffer *a = &call->buffers[0], *out = &call->buffers[1];
    const da_device_batch b = da_device_batch_of(call, norm1_axes);
    const norm1_values q = {da_device_rows(a), da_device_columns(a), da_device_stride(a),
                            args->uplo != DA_UPPER, args->uplo != DA_LOWER};
    const size_t bytes = (size_t)(b.count * q.n) * da_dtype_size(a->dtype);
    da_buffer sums;

    DA_TRY(ops->scratch(call, bytes, &sums));
    DA_TRY(da_device_launch_numbers(
        ops, call, "column_sums", da_text_norm1, a->dtype, b.count * q.n * DA_DEVICE_LANES, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(&sums), DA_BUFFER_ARG(a), DA_VALUE_ARG(b), DA_VALUE_ARG(q)}));
    return da_device_launch_numbers(
        ops, call, "largest_sum", da_text_norm1, a->dtype, b.count * DA_DEVICE_LANES, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(&sums), DA_BUFFER_ARG(out), DA_VALUE_ARG(b), DA_VALUE_ARG(q)});
}

/* ---- determinants ---- */

static const unsigned char det_axes[] = {2, 1, 2};

/* The product is kept in doubles, whatever it is of. */
static bool lu_det_takes(const da_device_ops *ops, const da_call *call)
{
    const da_det_args *args = call->values[0].data;
    const da_buffer *lu = &call->buffers[0], *pivots = &call->buffers[1], *out = &call->buffers[2];

    return da_device_takes_batch(ops, call, det_axes) && takes_dtype(lu->dtype) && ops->has(DA_F64) &&
           da_device_rows(lu) == da_device_columns(lu) && da_device_columns(pivots) == da_device_rows(lu) &&
           da_device_rows(out) == 1 && da_device_columns(out) == (args->logarithm ? 2 : 1);
}

/* det_t of det.kernel. */
typedef struct det_values {
    int64_t n, diagonal, stride, column, logarithm;
} det_values;

static da_status lu_det(const da_device_ops *ops, const da_call *call)
{
    const da_det_args *args = call->values[0].data;
    const da_buffer *lu = &call->buffers[0], *pivots = &call->buffers[1], *out = &call->buffers[2];
    const da_device_batch b = da_device_batch_of(call, det_axes);
    const det_values q = {da_device_rows(lu), da_device_stride(lu) + 1, da_device_stride(pivots),
                          da_device_stride(out), args->logarithm != 0};

    return da_device_launch_numbers(ops, call, "lu_det", da_text_det, lu->dtype, b.count, 5,
                                    (const da_device_arg[]){DA_BUFFER_ARG(lu), DA_BUFFER_ARG(pivots),
                                                            DA_BUFFER_ARG(out), DA_VALUE_ARG(b),
                                                            DA_VALUE_ARG(q)});
}

/* ---- after QR with column exchanges ---- */

static const unsigned char rank_axes[] = {2, 1};

/* rcond is a double. */
static bool numerical_rank_takes(const da_device_ops *ops, const da_call *call)
{
    return da_device_takes_batch(ops, call, rank_axes) && takes_dtype(call->buffers[0].dtype) &&
           ops->has(DA_F64);
}

/* rank_t of rank.kernel. */
typedef struct rank_values {
    int64_t k, column;
    double rcond;
} rank_values;

static da_status numerical_rank(const da_device_ops *ops, const da_call *call)
{
    const da_numerical_rank_args *args = call->values[0].data;
    const da_buffer *r = &call->buffers[0], *rank = &call->buffers[1];
    const double eps = r->dtype == DA_F32 || r->dtype == DA_C64 ? FLT_EPSILON : DBL_EPSILON;
    const da_device_batch b = da_device_batch_of(call, rank_axes);
    const rank_values q = {da_device_rows(r) < da_device_columns(r) ? da_device_rows(r)
                                                                    : da_device_columns(r),
                           da_device_stride(r), args->rcond < 0 ? -args->rcond * eps : args->rcond};
    da_buffer vectors;

    DA_TRY(ops->scratch(call, (size_t)(b.count * 2 * q.k) * da_dtype_size(r->dtype), &vectors));
    return da_device_launch_numbers(
        ops, call, "numerical_rank", da_text_rank, r->dtype, b.count * DA_DEVICE_LANES, 5,
        (const da_device_arg[]){DA_BUFFER_ARG(r), DA_BUFFER_ARG(rank), DA_BUFFER_ARG(&vectors),
                                DA_VALUE_ARG(b), DA_VALUE_ARG(q)});
}

static const unsigned char truncate_axes[] = {1, 2};

static bool truncate_takes(const da_device_ops *ops, const da_call *call)
{
    return da_device_takes_batch(ops, call, truncate_axes) && takes_dtype(call->buffers[1].dtype);
}

/* truncate_t of truncate.kernel. */
typedef struct truncate_values {
    int64_t m, n, column, offset, unit;
} truncate_values;

static da_status truncate_rows(const da_device_ops *ops, const da_call *call)
{
    const da_truncate_args *args = call->values[0].data;
    const da_buffer *rank = &call->buffers[0], *a = &call->buffers[1];
    const da_device_batch b = da_device_batch_of(call, truncate_axes);
    const truncate_values q = {da_device_rows(a), da_device_columns(a), da_device_stride(a), args->offset,
                               args->unit != 0};

    return da_device_launch_numbers(
        ops, call, "truncate_rows", da_text_truncate, a->dtype, b.count * q.m * q.n, 4,
        (const da_device_arg[]){DA_BUFFER_ARG(rank), DA_BUFFER_ARG(a), DA_VALUE_ARG(b), DA_VALUE_ARG(q)});
}

static const unsigned char place_axes[] = {1, 2, 2};

static bool place_columns_takes(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *pivots = &call->buffers[0], *from = &call->buffers[1], *to = &call->buffers[2];

    return da_device_takes_batch(ops, call, place_axes) && takes_dtype(from->dtype) &&
           da_device_rows(from) == da_device_rows(to) && da_device_columns(from) == da_device_columns(to) &&
           da_device_columns(pivots) == da_device_columns(from);
}

/* place_t of place_columns.kernel. */
typedef struct place_values {
    int64_t m, n, from, to, stride;
} place_values;

static da_status place_columns(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *pivots = &call->buffers[0], *from = &call->buffers[1], *to = &call->buffers[2];
    const da_device_batch b = da_device_batch_of(call, place_axes);
    const place_values q = {da_device_rows(to), da_device_columns(to), da_device_stride(from),
                            da_device_stride(to), da_device_stride(pivots)};

    return da_device_launch_numbers(
        ops, call, "place_columns", da_text_place_columns, to->dtype, b.count * q.m * q.n, 5,
        (const da_device_arg[]){DA_BUFFER_ARG(pivots), DA_BUFFER_ARG(from), DA_BUFFER_ARG(to),
                                DA_VALUE_ARG(b), DA_VALUE_ARG(q)});
}

/* ---- products of integers and bool ---- */

static const unsigned char multiply_axes[] = {2, 2, 2};

static bool is_integer(da_dtype dtype)
{
    return dtype >= DA_BOOL && dtype <= DA_U64;
}

bool da_device_multiply_takes(const da_device_ops *ops, const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *c = &call->buffers[2];

    if (!da_device_takes_batch(ops, call, multiply_axes) || !is_integer(c->dtype))
        return false;
    const int64_t k = args->transa ? da_device_rows(a) : da_device_columns(a);
    return (args->transa ? da_device_columns(a) : da_device_rows(a)) == da_device_rows(c) &&
           (args->transb ? da_device_columns(b) : da_device_rows(b)) == k &&
           (args->transb ? da_device_rows(b) : da_device_columns(b)) == da_device_columns(c);
}

/* multiply_t of multiply.kernel. */
typedef struct multiply_values {
    int64_t m, n, k, a_row, a_column, b_row, b_column, column;
    uint64_t alpha, beta;
} multiply_values;

da_status da_device_multiply(const da_device_ops *ops, const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *c = &call->buffers[2];
    const da_device_batch all = da_device_batch_of(call, multiply_axes);
    const size_t bytes = da_dtype_size(c->dtype);
    const bool logical = c->dtype == DA_BOOL;
    const multiply_values q = {
        .m = da_device_rows(c),
        .n = da_device_columns(c),
        .k = args->transa ? da_device_rows(a) : da_device_columns(a),
        .a_row = args->transa ? da_device_stride(a) : 1,
        .a_column = args->transa ? 1 : da_device_stride(a),
        .b_row = args->transb ? da_device_stride(b) : 1,
        .b_column = args->transb ? 1 : da_device_stride(b),
        .column = da_device_stride(c),
        .alpha = logical ? args->alpha.re != 0 : (uint64_t)(int64_t)args->alpha.re,
        .beta = logical ? args->beta.re != 0 : (uint64_t)(int64_t)args->beta.re,
    };
    const int64_t items = all.count * ((q.m + 15) / 16) * ((q.n + 15) / 16) * DA_DEVICE_LANES;
    char definitions[100];

    snprintf(definitions, sizeof definitions,
             "#define T u%zu\n#define WIDE %s\n#define LOGICAL %d\n#define COMPLEX 0\n#define REAL T\n",
             8 * bytes, bytes == 8 ? "u64" : "u32", logical);
    return da_device_launch(ops, call, "multiply", definitions, da_text_numbers, da_text_multiply, items,
                            items, 5,
                            (const da_device_arg[]){DA_BUFFER_ARG(a), DA_BUFFER_ARG(b), DA_BUFFER_ARG(c),
                                                    DA_VALUE_ARG(all), DA_VALUE_ARG(q)});
}

const da_device_kernel da_device_matrix_kernels[] = {
    {"da_lacpy", lacpy_takes, lacpy},
    {"da_laset", laset_takes, laset},
    {"da_laswp", laswp_takes, laswp},
    {"da_norm1", norm1_takes, norm1},
    {"da_lu_det", lu_det_takes, lu_det},
    {"da_gemm", da_device_multiply_takes, da_device_multiply},
    {"da_numerical_rank", numerical_rank_takes, numerical_rank},
    {"da_truncate", truncate_takes, truncate_rows},
    {"da_place_columns", place_columns_takes, place_columns},
    {NULL, NULL, NULL},
};
