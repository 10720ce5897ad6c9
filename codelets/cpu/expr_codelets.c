/* SPDX-License-Identifier: BSD-3-Clause */
/* The codelets of expressions on the CPU: from a task's operands to programs and boxes. */
#include "expr_program.h"
#include "hash.h"
#include <string.h>

static da_expr_operand operand_of(const da_buffer *b)
{
    return (da_expr_operand){b->data, b->strides};
}

/* ---- expr ---- */

double da_expr_flops(const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    double n = p->ninstr;
    for (int d = 0; d < call->buffers[1].ndim; d++)
        n *= (double)call->buffers[1].shape[d];
    return n;
}

da_status da_expr_cpu(const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_buffer *out = &call->buffers[1];
    da_expr_operand in[DA_EXPR_MAX_INPUTS];
    for (int k = 0; k < p->ninputs; k++)
        in[k] = operand_of(&out[1 + k]);
    da_expr_run(p, out->ndim, out->shape, operand_of(out), in);
    return DA_OK;
}

/* ---- reduce ---- */

static da_expr_reduction reduction_of(const da_reduce_how *how)
{
    da_expr_reduction r;
    memcpy(r.op, how->combine, sizeof r.op);
    memcpy(r.dtype, how->dtype, sizeof r.dtype);
    return r;
}

double da_reduce_flops(const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_reduce_args *args = call->values[0].data;
    double n = p->ninstr + 1;
    for (int d = 0; d < args->ndim; d++)
        n *= (double)args->extent[d];
    return n;
}

/* The plain sums of squares at out[0] are good as they are: nothing overflowed, and what vanished does not count beside them. */
static bool plain_squares_do(const da_reduce_args *args, const da_expr_operand *out)
{
    int64_t at[DA_MAX_NDIM] = {0};
    for (;;) {
        int64_t offset[DA_EXPR_MAX_ROOTS] = {0};
        int d;
        for (int k = 0; k < DA_EXPR_MAX_ROOTS; k++)
            for (d = 0; d < args->ndim; d++)
                offset[k] += at[d] * out[k].strides[d];
        const double x = ((const double *)out[0].data)[offset[0]];
        if (!(x > 0x1p-900 && x < 0x1p1000))
            return false;
        ((double *)out[1].data)[offset[1]] = 0;
        ((double *)out[2].data)[offset[2]] = 0;
        for (d = args->ndim - 1; d >= 0; d--) {
            if (args->reduced[d])
                continue;
            if (++at[d] < args->extent[d])
                break;
            at[d] = 0;
        }
        if (d < 0)
            return true;
    }
}

da_status da_reduce_cpu(const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data;
    const da_reduce_args *args = call->values[0].data;
    const da_buffer *outs = &call->buffers[args->how.norm ? 2 : 1];
    const int nouts = args->how.arg ? 2 : args->how.nroots;
    const da_expr_reduction how = reduction_of(&args->how);
    da_expr_operand out[DA_EXPR_MAX_ROOTS], in[DA_EXPR_MAX_INPUTS];

    for (int k = 0; k < nouts; k++)
        out[k] = operand_of(&outs[k]);
    for (int k = 0; k < p->ninputs; k++)
        in[k] = operand_of(&outs[nouts + k]);
    if (args->how.arg) {
        const da_expr_arg arg = {args->how.dtype[0], args->how.max, args->base, args->index, NULL};
        da_expr_reduce_arg(p, &arg, args->ndim, args->extent, args->reduced, out[0], out[1], in);
        return DA_OK;
    }
    if (args->how.norm) {
        const da_expr_program *squares = call->buffers[1].data;
        da_expr_operand own[DA_EXPR_MAX_INPUTS]; /* the same inputs in another order */
        for (int k = 0; k < squares->ninputs; k++)
            for (int i = 0; i < p->ninputs; i++)
                if (p->input_node[i] == squares->input_node[k])
                    own[k] = in[i];
        da_expr_reduce(squares, &how, args->ndim, args->extent, args->reduced, out, own);
        if (plain_squares_do(args, out))
            return DA_OK;
    }
    da_expr_reduce(p, &how, args->ndim, args->extent, args->reduced, out, in);
    return DA_OK;
}

/* ---- reduce_finish ---- */

double da_reduce_finish_flops(const da_call *call)
{
    double n = 4;
    for (int d = 0; d < call->buffers[3].ndim; d++)
        n *= (double)call->buffers[3].shape[d];
    return n;
}

da_status da_reduce_finish_cpu(const da_call *call)
{
    const da_expr_program *p = call->buffers[0].data, *final = call->buffers[1].data;
    const da_buffer *result = &call->buffers[2], *parts = &call->buffers[3];
    const da_reduce_how *how = call->values[0].data;
    const int nouts = how->arg ? 2 : how->nroots, ndim = parts->ndim;
    const bool reduced[DA_MAX_NDIM] = {true};
    int64_t strides[DA_EXPR_MAX_ROOTS][DA_MAX_NDIM];
    da_expr_operand in[DA_EXPR_MAX_ROOTS], out[DA_EXPR_MAX_ROOTS], first[DA_EXPR_MAX_ROOTS];

    for (int k = 0; k < nouts; k++) { /* the parts are combined into the first one */
        memcpy(strides[k], parts[k].strides, (size_t)ndim * sizeof strides[k][0]);
        strides[k][0] = 0;
        out[k] = (da_expr_operand){parts[k].data, strides[k]};
        first[k] = (da_expr_operand){parts[k].data, parts[k].strides + 1};
    }
    /* inputs are numbered as the programs met them; their nodes, as the parts */
    for (int k = 0; k < p->ninputs; k++)
        in[k] = operand_of(&parts[p->input_node[k]]);
    if (how->arg) {
        const int64_t index[DA_MAX_NDIM] = {0};
        const da_expr_operand indices = operand_of(&parts[1]);
        const da_expr_arg arg = {how->dtype[0], how->max, 0, index, &indices};
        da_expr_reduce_arg(p, &arg, ndim, parts->shape, reduced, out[0], out[1], in);
        first[0] = first[1];
    } else {
        const da_expr_reduction combine = reduction_of(how);
        da_expr_reduce(p, &combine, ndim, parts->shape, reduced, out, in);
    }
    for (int k = 0; k < final->ninputs; k++)
        in[k] = first[final->input_node[k]];
    da_expr_run(final, result->ndim, result->shape, operand_of(result), in);
    return DA_OK;
}

/* ---- what tells their calls apart ---- */

bool da_expr_is(da_kernel cpu)
{
    return cpu == da_expr_cpu || cpu == da_reduce_cpu || cpu == da_reduce_finish_cpu;
}

uint64_t da_expr_likeness(const da_call *call)
{
    uint64_t hash = 1;

    for (int i = 0; i < call->nbuffers; i++) {
        const da_buffer *const b = &call->buffers[i];
        const da_expr_program *const p = b->dtype == 0 ? b->data : NULL;
        hash = da_mix(hash, (uint64_t)b->dtype);
        for (int k = 0; p && k < p->ninstr; k++) {
            const da_expr_instr *const in = &p->instr[k];
            hash = da_mix(hash, in->op | (uint64_t)in->dtype << 8 | (uint64_t)in->then << 16 |
                                    (uint64_t)(uint32_t)in->out << 32);
            hash = da_mix(hash, (uint32_t)in->a | (uint64_t)(uint32_t)in->b << 32);
            hash = da_mix(hash, (uint32_t)in->c);
        }
    }
    if (call->nvalues > 0) { /* both kinds of reductions begin with it */
        const da_reduce_how *const how = call->values[0].data;
        for (int r = 0; r < how->nroots; r++)
            hash = da_mix(hash, (uint64_t)how->combine[r] << 8 | (uint64_t)how->dtype[r]);
        hash = da_mix(hash, how->arg | how->max << 1U | how->norm << 2U);
    }
    return hash;
}
