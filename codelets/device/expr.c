/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of expressions on accelerators: programs become kernels (expr_source.c), operands buffers and words. */
#include "device.h"

#include "cpu/expr_machine.h"
#include "device/expr_source.h"

#include <string.h>

enum {
    CUDA_BYTES = 4096, /* of a kernel's parameters, that every device takes */
    OPENCL_BYTES = 1024,
    MAX_ARGUMENTS = 256,
    MAX_WORDS = CUDA_BYTES / 8,
    MAX_INSTRUCTIONS = 1024, /* of a kernel: compilers take their time */
    CHAIN = 64,              /* elements that a work-item combines one after the other */
    PER_ITEM = 4             /* elements that a work-item computes, at least, where there are many */
};

/* ---- what a device can do ---- */

static bool has(const da_device_ops *ops, da_dtype dtype)
{
    switch (dtype) {
    case DA_F16:
    case DA_BF16: return false;
    case DA_C64: return ops->has(DA_F32);
    case DA_C128: return ops->has(DA_F64);
    default: return ops->has(dtype);
    }
}

static bool takes_program(const da_device_ops *ops, const da_expr_program *p)
{
    if (p->ninstr > MAX_INSTRUCTIONS)
        return false;
    for (int i = 0; i < p->ninstr; i++) {
        const da_expr_instr *instr = &p->instr[i];
        if (!has(ops, (da_dtype)instr->dtype) || !has(ops, da_expr_instr_dtype(instr)))
            return false;
    }
    return true;
}

/* Whether so many buffers and words can be given to a kernel: an address and an offset each. */
static bool takes_arguments(const da_device_ops *ops, int buffers, int words)
{
    const int bytes = ops->kind == DA_DEVICE_CUDA ? CUDA_BYTES : OPENCL_BYTES;
    return 16 * buffers + 8 * words <= bytes && 2 * buffers + 1 <= MAX_ARGUMENTS;
}

/* Axes that have to be walked: no more than these are left when a device's strides are known. */
static int long_axes(int ndim, const int64_t *extent)
{
    int n = 0;
    for (int d = 0; d < ndim; d++)
        n += extent[d] != 1;
    return n;
}

/* ---- launching ---- */

typedef struct launch {
    const da_call *call;
    const da_device_ops *ops;
    int nargs, nwords;
    da_device_arg args[DA_EXPR_MAX_ROOTS + DA_EXPR_MAX_INPUTS + 1];
    int64_t words[MAX_WORDS];
} launch;

static void give_buffer(launch *l, const da_buffer *buffer)
{
    l->args[l->nargs++] = (da_device_arg){.buffer = buffer};
}

static void give_word(launch *l, int64_t word)
{
    l->words[l->nwords++] = word;
}

static void give_constants(launch *l, const da_expr_program *p)
{
    l->nwords += da_expr_constants(p, (uint64_t *)l->words + l->nwords);
}

static da_status go(launch *l, const char *source, int64_t groups, int local)
{
    if (!source)
        return da_task_fail(l->call, "no memory for the source of a kernel");
    l->args[l->nargs++] = (da_device_arg){.value = l->words, .size = (size_t)l->nwords * sizeof l->words[0]};
    return l->ops->launch(l->call, da_expr_entry, source, groups, local, l->nargs, l->args);
}

static int64_t product(int n, const int64_t *extent)
{
    int64_t p = 1;
    for (int d = 0; d < n; d++)
        p *= extent[d];
    return p;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* A nest's operand: only its strides are used, addresses are the device's. */
static void add_operand(nest *t, int ndim, const int64_t *extent, const int64_t *strides, bool kept)
{
    nest_add(t, ndim, extent, (da_expr_operand){NULL, strides}, 1, kept);
}

/* ---- expr ---- */

static bool takes_expr(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const int axes = long_axes(call->buffers[1].ndim, call->buffers[1].shape);
    return takes_program(ops, p) &&
           takes_arguments(ops, 1 + p->ninputs, 2 + axes * (2 + p->ninputs) + da_expr_constants(p, NULL));
}

static da_status run_expr(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_buffer *out = &call->buffers[1];
    const int64_t n = product(out->ndim, out->shape);
    launch l = {.call = call, .ops = ops};
    int64_t groups = divide_up(n, DA_SOURCE_LOCAL);
    nest t;

    if (n == 0)
        return DA_OK;
    nest_init(&t, out->ndim, out->shape, NULL, NULL);
    for (int k = 0; k <= p->ninputs; k++) {
        add_operand(&t, out->ndim, out->shape, out[k].strides, false);
        give_buffer(&l, &out[k]);
    }
    nest_sort(&t, 0, 1);
    nest_collapse(&t);
    if (n >= (int64_t)1 << 20)
        groups = divide_up(groups, PER_ITEM);
    give_word(&l, n);
    give_word(&l, groups * DA_SOURCE_LOCAL);
    for (int d = 0; d < t.ndim; d++)
        give_word(&l, t.n[d]);
    for (int k = 0; k <= p->ninputs; k++)
        for (int d = 0; d < t.ndim; d++)
            give_word(&l, t.stride[k][d]);
    give_constants(&l, p);
    const da_source_class as = {DA_SOURCE_EXPR, t.ndim, 0, n >= (int64_t)1 << 30, false};
    return go(&l, da_expr_source(p, &as, p, NULL, NULL), groups, DA_SOURCE_LOCAL);
}

/* ---- reductions ----
 * In passes: each reduces chunks of what there is, the last one has one chunk a result. What lies in between is scratch memory. */

enum { MAX_PASSES = 12 }; /* each leaves at most a 16th of the elements */

typedef struct pass {
    bool across;
    int local;
    int64_t elements, chunks, length; /* of a result */
    da_buffer out[DA_EXPR_MAX_ROOTS]; /* of the last pass the reduction's, else scratch memory: */
    int64_t result_stride, chunk_stride;
} pass;

typedef struct reduction {
    const da_device_ops *ops;
    const da_call *call;
    const da_expr_program *keeper, *p, *final; /* p, final: may be null */
    const da_reduce_args *args;                /* of a program p: null for parts */
    const da_reduce_how *how;
    const da_buffer *outs, *ins;
    int nouts, nins;
    nest t; /* the outputs, then the inputs; kept axes first */
    int kept;
    int64_t results;
    int npasses;
    pass passes[MAX_PASSES];
} reduction;

static int values_of(const da_reduce_how *how)
{
    return how->arg ? 2 : how->nroots;
}

static da_dtype value_dtype(const da_reduce_how *how, int r)
{
    return how->arg && r == 1 ? DA_I64 : how->dtype[r];
}

/* Chunks so short that errors grow with the logarithm of the number of elements. */
static void plan(reduction *q, int64_t elements, bool reduced_innermost)
{
    pass *s;
    do {
        s = &q->passes[q->npasses++];
        s->across = !reduced_innermost || elements < 16;
        s->local = DA_SOURCE_LOCAL;
        if (!s->across) /* no more work-items than have something to do */
            for (s->local = 32; s->local < DA_SOURCE_LOCAL && s->local * 8 < elements;)
                s->local *= 2;
        s->elements = elements;
        s->length = s->across ? CHAIN : (int64_t)CHAIN * s->local;
        s->chunks = divide_up(elements, s->length);
        s->result_stride = s->across ? 1 : s->chunks;
        s->chunk_stride = s->across ? q->results : 1;
        elements = s->chunks;
    } while (s->chunks > 1);
}

static size_t scratch_bytes(const reduction *q, const pass *s, int value)
{
    const size_t bytes =
        (size_t)(q->results * s->chunks) * (size_t)da_dtype_bytes(value_dtype(q->how, value));
    return (bytes + 15) / 16 * 16;
}

/* Where passes leave what the next one reads: two places by turns, the first ones need the most. */
static da_status find_scratch(reduction *q)
{
    size_t place[2] = {0, 0}, bytes = 0;
    da_buffer memory;
    if (q->npasses == 1)
        return DA_OK;
    for (int i = 0; i < 2 && i < q->npasses - 1; i++) {
        place[i] = bytes;
        for (int r = 0; r < values_of(q->how); r++)
            bytes += scratch_bytes(q, &q->passes[i], r);
    }
    DA_TRY(q->ops->scratch(q->call, bytes, &memory));
    for (int i = 0; i < q->npasses - 1; i++) {
        size_t at = place[i % 2];
        for (int r = 0; r < values_of(q->how); r++) {
            const da_dtype dtype = value_dtype(q->how, r);
            q->passes[i].out[r] = (da_buffer){
                .data = memory.data, .dtype = dtype, .offset = (int64_t)at / da_dtype_bytes(dtype)};
            at += scratch_bytes(q, &q->passes[i], r);
        }
    }
    return DA_OK;
}

static da_status run_pass(reduction *q, int number)
{
    const pass *s = &q->passes[number], *before = number ? s - 1 : NULL;
    const bool last = number == q->npasses - 1;
    const int reduced = before ? 1 : q->t.ndim - q->kept, nouts = last ? q->nouts : values_of(q->how);
    const int nins = before ? values_of(q->how) : q->nins;
    const da_expr_program *const p = before ? NULL : q->p, *const final = last ? q->final : NULL;
    launch l = {.call = q->call, .ops = q->ops};
    da_source_class as = {.kind = p       ? DA_SOURCE_REDUCE
                                  : final ? DA_SOURCE_FINISH
                                          : DA_SOURCE_COMBINE,
                          .kept = q->kept,
                          .reduced = reduced,
                          .wide = q->results * s->elements >= (int64_t)1 << 30,
                          .across = s->across};

    give_word(&l, q->results);
    give_word(&l, s->elements);
    give_word(&l, s->chunks);
    give_word(&l, s->length);
    for (int d = 0; d < q->kept; d++)
        give_word(&l, q->t.n[d]);
    for (int d = 0; d < reduced; d++)
        give_word(&l, before ? s->elements : q->t.n[q->kept + d]);
    for (int r = 0; r < nouts; r++) {
        give_buffer(&l, last ? &q->outs[r] : &s->out[r]);
        for (int d = 0; d < q->kept; d++)
            give_word(&l, last ? q->t.stride[r][d] : product(d, q->t.n) * s->result_stride);
        give_word(&l, last ? 0 : s->chunk_stride);
    }
    for (int k = 0; k < nins; k++) {
        give_buffer(&l, before ? &before->out[k] : &q->ins[k]);
        for (int d = 0; d < q->kept; d++)
            give_word(&l, before ? product(d, q->t.n) * before->result_stride : q->t.stride[q->nouts + k][d]);
        for (int d = 0; d < reduced; d++)
            give_word(&l, before ? before->chunk_stride : q->t.stride[q->nouts + k][q->kept + d]);
    }
    if (p && q->how->arg) {
        give_word(&l, q->args->base);
        for (int d = 0; d < reduced; d++)
            give_word(&l, q->t.index_step[q->kept + d]);
    }
    if (p)
        give_constants(&l, p);
    if (final)
        give_constants(&l, final);
    return go(&l, da_expr_source(q->keeper, &as, p, q->how, final),
              s->across ? divide_up(q->results * s->chunks, s->local) : q->results * s->chunks, s->local);
}

/* The nest has its operands. */
static da_status run_reduction(reduction *q)
{
    nest *t = &q->t;
    bool reduced_innermost;

    nest_sort(t, q->nouts, t->noperands);
    nest_collapse(t);
    reduced_innermost = t->ndim > 0 && t->reduced[0];
    for (int d = 0; d < t->ndim; d++)
        if (!t->reduced[d])
            nest_move_axis(t, d, q->kept++);
    q->results = product(q->kept, t->n);
    if (q->results == 0)
        return DA_OK;
    plan(q, product(t->ndim - q->kept, t->n + q->kept), reduced_innermost);
    DA_TRY(find_scratch(q));
    for (int i = 0; i < q->npasses; i++)
        DA_TRY(run_pass(q, i));
    return DA_OK;
}

/* Words of a pass, at most. */
static int reduction_words(int axes, int nouts, int nins)
{
    return 5 + axes * (2 + nouts + nins) + nouts;
}

static bool takes_values(const da_device_ops *ops, const da_reduce_how *how)
{
    for (int r = 0; r < values_of(how); r++)
        if (!has(ops, value_dtype(how, r)))
            return false;
    return true;
}

static bool takes_reduce(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_reduce_args *args = call->values[0].data;
    const int axes = long_axes(args->ndim, args->extent), nouts = values_of(&args->how);
    return takes_program(ops, p) && takes_values(ops, &args->how) &&
           takes_arguments(ops, nouts + p->ninputs,
                           reduction_words(axes, nouts, p->ninputs) + da_expr_constants(p, NULL));
}

/* Of a norm it computes the three sums at once: they cost nothing beside the memory's speed. */
static da_status run_reduce(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_reduce_args *args = call->values[0].data;
    reduction q = {.ops = ops, .call = call, .keeper = p, .p = p, .args = args, .how = &args->how};

    q.outs = &call->buffers[args->how.norm ? 2 : 1];
    q.nouts = values_of(&args->how);
    q.ins = q.outs + q.nouts;
    q.nins = p->ninputs;
    nest_init(&q.t, args->ndim, args->extent, args->reduced, args->how.arg ? args->index : NULL);
    for (int k = 0; k < q.nouts + q.nins; k++)
        add_operand(&q.t, args->ndim, args->extent, q.outs[k].strides, k < q.nouts);
    return run_reduction(&q);
}

/* ---- reduce_finish ---- */

static bool takes_finish(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *final = call->buffers[1].data;
    const da_reduce_how *how = call->values[0].data;
    const int axes = long_axes(call->buffers[3].ndim, call->buffers[3].shape), nins = values_of(how);
    return takes_program(ops, final) && takes_values(ops, how) &&
           takes_arguments(ops, 1 + nins, reduction_words(axes, 1, nins) + da_expr_constants(final, NULL));
}

static da_status run_finish(const da_device_ops *ops, const da_call *call)
{
    const da_expr_program *final = call->buffers[1].data;
    const da_buffer *result = &call->buffers[2], *parts = &call->buffers[3];
    const bool parts_axis[DA_MAX_NDIM] = {true};
    int64_t strides[DA_MAX_NDIM] = {0};
    reduction q = {.ops = ops, .call = call, .keeper = final, .final = final, .how = call->values[0].data};

    q.outs = result;
    q.nouts = 1;
    q.ins = parts;
    q.nins = values_of(q.how);
    memcpy(strides + 1, result->strides, (size_t)result->ndim * sizeof strides[0]);
    nest_init(&q.t, parts->ndim, parts->shape, parts_axis, NULL);
    add_operand(&q.t, parts->ndim, parts->shape, strides, true);
    for (int k = 0; k < q.nins; k++)
        add_operand(&q.t, parts->ndim, parts->shape, parts[k].strides, false);
    return run_reduction(&q);
}

const da_device_kernel da_device_expr_kernels[] = {{"expr", takes_expr, run_expr},
                                                   {"reduce", takes_reduce, run_reduce},
                                                   {"reduce_finish", takes_finish, run_finish},
                                                   {0}};

/* ---- which programs a call needs ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) /* FNV-1a */
        h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t da_device_likeness(const da_device_kernel *kernel, const da_call *call)
{
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), kernel->name, strlen(kernel->name));
    bool expression = false;

    for (const da_device_kernel *k = da_device_expr_kernels; k->name; k++)
        expression = expression || k == kernel;
    if (expression) {
        const uint64_t computes = da_expr_likeness(call);
        return mix(h, &computes, sizeof computes);
    }
    for (int i = 0; i < call->nbuffers; i++)
        h = mix(h, &call->buffers[i].dtype, sizeof call->buffers[i].dtype);
    return h;
}
