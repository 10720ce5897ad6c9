/* SPDX-License-Identifier: BSD-3-Clause */
/* QR by kernels of our own, whose columns come one after the other: the same on devices of both kinds, and of whole batches at once. */
#include "kernels.h"
#include "numbers.h"

#include <stdio.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A kernel of `text`, with what reflectors.kernel has before it. */
static da_status launch(const da_device_ops *ops, const da_call *call, const char *entry, const char *text,
                        int64_t groups, int nargs, const da_device_arg *args)
{
    char source[16 * 1024];
    const int length = snprintf(source, sizeof source, "%s%s", da_text_reflectors, text);

    if (length < 0 || (size_t)length >= sizeof source)
        return da_task_fail(call, "%s has %d characters, more than %zu", entry, length, sizeof source);
    return da_device_launch_numbers(ops, call, entry, source, call->buffers[0].dtype,
                                    groups * DA_DEVICE_LANES, nargs, args);
}

/* ---- Q and R of small matrices ---- */

static const unsigned char small_qr_kinds[] = {
    2 | DA_DEVICE_ANY_STRIDES, 2 | DA_DEVICE_ANY_STRIDES | DA_DEVICE_WHOLE, 2 | DA_DEVICE_ANY_STRIDES};

static bool small_qr_takes(const da_device_ops *ops, const da_call *call)
{
    const da_small_qr_args *args = call->values[0].data;
    const da_buffer *a = &call->buffers[0], *q = &call->buffers[1], *r = &call->buffers[2];

    if (!da_device_takes_batch(ops, call, small_qr_kinds) || !da_kernels_take(a->dtype))
        return false;
    const int64_t m = da_device_rows(a), n = da_device_columns(a), rows = da_device_rows(r);
    return da_device_columns(r) == n && rows >= least(m, n) && rows <= m &&
           (!args->form_q || (da_device_rows(q) == m && da_device_columns(q) == rows));
}

/* small_qr_t of small_qr.kernel. */
typedef struct small_qr_values {
    int64_t m, n, rank, rows, form_q, down[3], right[3], first;
} small_qr_values;

enum { SMALL_QR_BYTES = 1 << 25 }; /* of copies at once; one matrix may have more */

static da_status small_qr(const da_device_ops *ops, const da_call *call)
{
    const da_small_qr_args *args = call->values[0].data;
    const da_buffer *const a = &call->buffers[0], *const q = &call->buffers[1], *const r = &call->buffers[2];
    const da_device_batch b = da_device_batch_of(call, small_qr_kinds);
    small_qr_values s = {.m = da_device_rows(a),
                         .n = da_device_columns(a),
                         .rank = least(da_device_rows(a), da_device_columns(a)),
                         .rows = da_device_rows(r),
                         .form_q = args->form_q != 0};
    const int64_t bytes = (s.m * s.n + s.rank) * (int64_t)da_dtype_size(a->dtype);
    const int64_t step = least(b.count, bytes < SMALL_QR_BYTES ? SMALL_QR_BYTES / bytes : 1);
    da_buffer memory;

    for (int i = 0; i < 3; i++) {
        s.down[i] = call->buffers[i].strides[call->buffers[i].ndim - 2];
        s.right[i] = da_device_stride(&call->buffers[i]);
    }
    DA_TRY(ops->scratch(call, (size_t)(step * bytes), &memory));
    for (; s.first < b.count; s.first += step)
        DA_TRY(launch(ops, call, "small_qr", da_text_small_qr, least(step, b.count - s.first), 6,
                      (const da_device_arg[]){DA_BUFFER_ARG(a), DA_BUFFER_ARG(q), DA_BUFFER_ARG(r),
                                              DA_BUFFER_ARG(&memory), DA_VALUE_ARG(b), DA_VALUE_ARG(s)}));
    return DA_OK;
}

/* Whether there may be so many work-groups, one for each column of a batch. */
static bool are_few(int64_t matrices, int64_t n)
{
    return matrices <= INT32_MAX / n;
}

/* ---- triangles on top of each other ---- */

static const unsigned char tpqrt_kinds[] = {2 | DA_DEVICE_WHOLE, 2 | DA_DEVICE_WHOLE, 2};

static bool tpqrt_takes(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *t = &call->buffers[2];

    if (!da_device_takes_batch(ops, call, tpqrt_kinds) || !da_kernels_take(a->dtype))
        return false;
    const int64_t n = da_device_columns(b);
    return da_device_rows(a) == n && da_device_columns(a) == n && da_device_rows(b) <= n &&
           da_device_columns(t) >= n && are_few(da_device_batch_of(call, tpqrt_kinds).count, n);
}

/* tpqrt_t of tpqrt.kernel. */
typedef struct tpqrt_values {
    int64_t phase, groups, m, n, a_column, b_column, t_column, first, end, block;
} tpqrt_values;

enum { TPQRT_PANEL, TPQRT_APPLY, TPQRT_PRODUCTS, TPQRT_FACTORS, TPQRT_COLUMNS = 16 /* of a panel */ };

/* One kernel for all phases: where it cannot be compiled nothing has been launched. */
static da_status tpqrt_phase(const da_device_ops *ops, const da_call *call, tpqrt_values *q, int phase,
                             int64_t groups)
{
    const da_device_batch batch = da_device_batch_of(call, tpqrt_kinds);

    q->phase = phase;
    q->groups = groups;
    return launch(ops, call, "tpqrt", da_text_tpqrt, batch.count * groups, 5,
                  (const da_device_arg[]){DA_BUFFER_ARG(&call->buffers[0]), DA_BUFFER_ARG(&call->buffers[1]),
                                          DA_BUFFER_ARG(&call->buffers[2]), DA_VALUE_ARG(batch),
                                          DA_VALUE_ARG(*q)});
}

static da_status tpqrt(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *const a = &call->buffers[0], *const b = &call->buffers[1], *const t = &call->buffers[2];
    tpqrt_values q = {.m = da_device_rows(b),
                      .n = da_device_columns(b),
                      .a_column = da_device_stride(a),
                      .b_column = da_device_stride(b),
                      .t_column = da_device_stride(t),
                      .block = least(da_device_rows(t), da_device_columns(b))};

    for (; q.first < q.n; q.first = q.end) {
        q.end = least(least(q.first + TPQRT_COLUMNS, (q.first / q.block + 1) * q.block), q.n);
        DA_TRY(tpqrt_phase(ops, call, &q, TPQRT_PANEL, 1));
        DA_TRY(tpqrt_phase(ops, call, &q, TPQRT_APPLY, q.n - q.end));
    }
    if (q.block <= TPQRT_COLUMNS)
        return DA_OK;
    DA_TRY(tpqrt_phase(ops, call, &q, TPQRT_PRODUCTS, q.n));
    return tpqrt_phase(ops, call, &q, TPQRT_FACTORS, (q.n + q.block - 1) / q.block);
}

/* ---- QR with column exchanges ---- */

static const unsigned char geqp3_kinds[] = {2 | DA_DEVICE_WHOLE, 2 | DA_DEVICE_WHOLE, 1};

static bool geqp3_takes(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *a = &call->buffers[0], *t = &call->buffers[1], *pivots = &call->buffers[2];

    if (!da_device_takes_batch(ops, call, geqp3_kinds) || !da_kernels_take(a->dtype))
        return false;
    const int64_t n = da_device_columns(a);
    return da_device_columns(t) == least(da_device_rows(a), n) && da_device_columns(pivots) == n &&
           are_few(da_device_batch_of(call, geqp3_kinds).count, n);
}

/* geqp3_t of geqp3.kernel. */
typedef struct geqp3_values {
    int64_t phase, groups, m, n, a_column, t_column, block, step, column;
} geqp3_values;

enum { GEQP3_MEASURE, GEQP3_BEGIN, GEQP3_COLUMN, GEQP3_APPLY, GEQP3_END, GEQP3_PRODUCTS, GEQP3_FACTORS };

static da_status geqp3_phase(const da_device_ops *ops, const da_call *call, const da_buffer *memory,
                             geqp3_values *q, int phase, int64_t groups)
{
    const da_device_batch batch = da_device_batch_of(call, geqp3_kinds);

    q->phase = phase;
    q->groups = groups;
    return launch(ops, call, "geqp3", da_text_geqp3, batch.count * groups, 6,
                  (const da_device_arg[]){DA_BUFFER_ARG(&call->buffers[0]), DA_BUFFER_ARG(&call->buffers[1]),
                                          DA_BUFFER_ARG(&call->buffers[2]), DA_BUFFER_ARG(memory),
                                          DA_VALUE_ARG(batch), DA_VALUE_ARG(*q)});
}

static da_status geqp3(const da_device_ops *ops, const da_call *call)
{
    const da_buffer *const a = &call->buffers[0], *const t = &call->buffers[1];
    const int64_t m = da_device_rows(a), n = da_device_columns(a), k = least(m, n);
    const size_t reals = (size_t)(da_device_batch_of(call, geqp3_kinds).count * (1 + 3 * n));
    geqp3_values q = {.m = m,
                      .n = n,
                      .a_column = da_device_stride(a),
                      .t_column = da_device_stride(t),
                      .block = least(da_device_rows(t), k),
                      .step = da_device_stride(&call->buffers[2])};
    da_buffer memory;

    DA_TRY(ops->scratch(call, reals * da_dtype_size(a->dtype), &memory));
    DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_MEASURE, n));
    DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_BEGIN, n));
    for (; q.column < k; q.column++) {
        DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_COLUMN, 1));
        DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_APPLY, n - q.column - 1));
    }
    DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_END, n));
    DA_TRY(geqp3_phase(ops, call, &memory, &q, GEQP3_PRODUCTS, k));
    return geqp3_phase(ops, call, &memory, &q, GEQP3_FACTORS, (k + q.block - 1) / q.block);
}

const da_device_kernel da_device_qr_kernels[] = {
    {"da_geqp3", geqp3_takes, geqp3},
    {"da_tpqrt", tpqrt_takes, tpqrt},
    {"da_small_qr", small_qr_takes, small_qr},
    {NULL, NULL, NULL},
};
