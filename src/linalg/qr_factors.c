/* SPDX-License-Identifier: BSD-3-Clause */
/* The object that keeps a QR factorisation. */
#include "linalg/qr.h"

struct da_qr_factors {
    handle h;
    qr f; /* owns its arrays */
};

void da_qr_factors_release(da_qr_factors **f)
{
    da_qr_factors *factors = f ? *f : NULL;

    if (!factors)
        return;
    *f = NULL;
    if (factors->h.kind != HANDLE_QR)
        return;
    da_array_release(&factors->f.v);
    da_array_release(&factors->f.t);
    da_array_release(&factors->f.triangles);
    da_array_release(&factors->f.tree_t);
    handle_free(factors, sizeof *factors);
}

static void release_any(void *pointer_address)
{
    da_qr_factors_release(pointer_address);
}

__attribute__((constructor)) static void register_kind(void)
{
    handle_register(HANDLE_QR, release_any);
}

static da_status check_factors(const da_qr_factors *f, const char *function)
{
    if (f && f->h.kind == HANDLE_QR)
        return DA_OK;
    if (f && f->h.kind == HANDLE_FREE)
        return err_set(DA_ERROR_STALE, "%s: f was released", function);
    return err_set(DA_ERROR_ARGUMENT, "%s: f is %s", function, f ? "not a QR factorisation" : "null");
}

/* The factorisation holds on to its arrays; the operation releases its own references. */
static da_status keep(qr *out, const qr *f)
{
    *out = *f;
    out->v = out->t = out->triangles = out->tree_t = NULL;
    DA_TRY(da_array_retain(&out->v, f->v));
    DA_TRY(da_array_retain(&out->t, f->t));
    if (f->triangles)
        DA_TRY(da_array_retain(&out->triangles, f->triangles));
    return f->tree_t ? da_array_retain(&out->tree_t, f->tree_t) : DA_OK;
}

static da_status build(operation *op, qr *out, const da_array *a)
{
    qr f;

    DA_TRY(qr_factor(op, &f, a));
    DA_TRY(keep(out, &f));
    return operation_in_place(op, out->v, true, 1, &a);
}

da_status da_qr_factor(da_qr_factors **out, const da_array *a)
{
    da_qr_factors *f;
    operation op;
    da_status status;

    DA_TRY(array_check_out(out, "da_qr_factor"));
    DA_TRY(check_matrix(a, false, "da_qr_factor", "a"));
    if (a->ndim != 2) {
        const da_shape shape = array_shape_of(a);
        char text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "da_qr_factor: a has shape %s; it must be one matrix",
                       shape_text(&shape, text));
    }
    f = handle_new(HANDLE_QR, sizeof *f);
    if (!f)
        return err_memory(sizeof *f, "a QR factorisation");
    operation_begin(&op);
    status = operation_finish(&op, build(&op, &f->f, a));
    if (status == DA_OK)
        *out = f;
    else
        da_qr_factors_release(&f);
    return status;
}

static da_status build_r(operation *op, da_array **r, const qr *f, unsigned flags)
{
    const da_array *const input = f->v;
    da_array *formed = NULL;

    DA_TRY(qr_form_r(op, &formed, f, flags & DA_COMPLETE ? f->m : f->rank));
    return operation_result(op, r, formed, 1, &input);
}

da_status da_qr_r(da_array **r, const da_qr_factors *f, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(r, "da_qr_r"));
    DA_TRY(check_factors(f, "da_qr_r"));
    DA_TRY(check_flags(flags, DA_COMPLETE, "da_qr_r"));
    operation_begin(&op);
    return operation_finish(&op, build_r(&op, r, &f->f, flags));
}

static da_status build_q(operation *op, da_array **q, const qr *f, unsigned flags)
{
    const da_array *const input = f->v;
    da_array *formed = NULL;

    DA_TRY(qr_form_q(op, &formed, f, flags & DA_COMPLETE ? f->m : f->rank));
    return operation_result(op, q, formed, 1, &input);
}

da_status da_qr_q(da_array **q, const da_qr_factors *f, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(q, "da_qr_q"));
    DA_TRY(check_factors(f, "da_qr_q"));
    DA_TRY(check_flags(flags, DA_COMPLETE, "da_qr_q"));
    operation_begin(&op);
    return operation_finish(&op, build_q(&op, q, &f->f, flags));
}

static da_status build_apply(operation *op, da_array **out, const qr *f, const da_array *b, unsigned flags)
{
    const bool right = (flags & DA_RIGHT) != 0;
    const da_array *const inputs[] = {f->v, b};
    da_array *matrix = NULL, *c = NULL, *result = NULL;
    int64_t tile[DA_MAX_NDIM];
    da_shape shape;
    qr all = *f;

    DA_TRY(as_matrix(op, &matrix, b, right));
    shape = array_shape_of(matrix);
    qr_tile(tile, f, &shape, right);
    DA_TRY(operation_copy(op, &c, matrix, tile));
    shape.ndim -= 2;
    if (shape.ndim > 0)
        DA_TRY(qr_broadcast(op, &all, f, &shape));
    DA_TRY(qr_apply_tasks(op, &all, c, flags));
    DA_TRY(as_vector(op, &result, c, b->ndim == 1, right));
    return operation_result(op, out, result, 2, inputs);
}

da_status da_qr_apply(da_array **out, const da_qr_factors *f, const da_array *b, unsigned flags)
{
    const char *const function = "da_qr_apply";
    operation op;
    int64_t extent;

    DA_TRY(array_check_out(out, function));
    DA_TRY(check_factors(f, function));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_same_dtype(f->f.v, "f", b, "b", function));
    DA_TRY(check_flags(flags, DA_RIGHT | DA_TRANSPOSE | DA_CONJ_TRANSPOSE, function));
    if (flags & DA_TRANSPOSE) {
        if (dtype_is_complex(b->s->dtype))
            return err_set(DA_ERROR_ARGUMENT,
                           "%s: DA_TRANSPOSE of a complex Q; DA_CONJ_TRANSPOSE is its inverse", function);
        flags ^= DA_TRANSPOSE | DA_CONJ_TRANSPOSE;
    }
    extent = flags & DA_RIGHT || b->ndim == 1 ? cols_of(b) : rows_of(b);
    if (extent != f->f.m) {
        const da_shape shape = array_shape_of(b);
        char text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "%s: Q is %lld x %lld and b has shape %s", function, (long long)f->f.m,
                       (long long)f->f.m, shape_text(&shape, text));
    }
    operation_begin(&op);
    return operation_finish(&op, build_apply(&op, out, &f->f, b, flags));
}
