/* SPDX-License-Identifier: BSD-3-Clause */
/* The object that keeps a QR or an LQ factorisation. */
#include "linalg/qr.h"

#include <inttypes.h>

struct da_qr_factors {
    handle h;
    qr f;    /* owns its arrays */
    bool lq; /* f is of the transpose */
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

static da_status build(operation *op, qr *out, const da_array *a, bool lq)
{
    da_array *matrix = NULL;
    qr f;

    DA_TRY(qr_oriented(op, &matrix, a, lq));
    DA_TRY(qr_factor(op, &f, matrix));
    DA_TRY(keep(out, &f));
    return operation_in_place(op, out->v, true, 1, &a);
}

static da_status build_in_place(operation *op, qr *out, da_array *a)
{
    const da_array *const input = a;
    qr f;

    DA_TRY(qr_factor_in_place(op, &f, a));
    DA_TRY(keep(out, &f));
    return operation_in_place(op, out->v, false, 1, &input);
}

static da_status check_one(const da_array *a, const char *function)
{
    char text[SHAPE_TEXT];
    da_shape shape;

    DA_TRY(check_matrix(a, false, function, "a"));
    shape = array_shape_of(a);
    if (a->ndim != 2)
        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s; it must be one matrix", function,
                       shape_text(&shape, text));
    return DA_OK;
}

/* Of `a`, or in the place of `taken`. */
static da_status factors_of(da_qr_factors **out, const da_array *a, da_array *taken, bool lq)
{
    da_qr_factors *f = handle_new(HANDLE_QR, sizeof *f);
    operation op;
    da_status status;

    if (!f)
        return err_memory(sizeof *f, "a QR factorisation");
    f->lq = lq;
    operation_begin(&op);
    status = operation_finish(&op, taken ? build_in_place(&op, &f->f, taken) : build(&op, &f->f, a, lq));
    if (status == DA_OK)
        *out = f;
    else
        da_qr_factors_release(&f);
    return status;
}

da_status da_qr_factor(da_qr_factors **out, const da_array *a)
{
    DA_TRY(array_check_out(out, "da_qr_factor"));
    DA_TRY(check_one(a, "da_qr_factor"));
    return factors_of(out, a, NULL, false);
}

da_status da_qr_factor_inplace(da_qr_factors **out, da_array *a)
{
    DA_TRY(array_check_out(out, "da_qr_factor_inplace"));
    DA_TRY(check_one(a, "da_qr_factor_inplace"));
    DA_TRY(check_writable(a, "da_qr_factor_inplace", "a"));
    return factors_of(out, NULL, a, false);
}

da_status da_lq_factor(da_qr_factors **out, const da_array *a)
{
    DA_TRY(array_check_out(out, "da_lq_factor"));
    DA_TRY(check_one(a, "da_lq_factor"));
    return factors_of(out, a, NULL, true);
}

static da_status build_triangle(operation *op, da_array **r, const da_qr_factors *factors, unsigned flags)
{
    const qr *const f = &factors->f;
    const da_array *const input = f->v;
    da_array *formed = NULL, *result = NULL;

    DA_TRY(qr_form_r(op, &formed, f, flags & DA_COMPLETE ? f->m : f->rank));
    DA_TRY(qr_oriented(op, &result, formed, factors->lq));
    return operation_result(op, r, result, 1, &input);
}

static da_status triangle_of(da_array **out, const da_qr_factors *f, unsigned flags, bool lq,
                             const char *function)
{
    operation op;

    DA_TRY(array_check_out(out, function));
    DA_TRY(check_factors(f, function));
    DA_TRY(check_flags(flags, DA_COMPLETE, function));
    if (f->lq != lq)
        return err_set(DA_ERROR_ARGUMENT, "%s: f is %s factorisation; see %s", function,
                       f->lq ? "an LQ" : "a QR", f->lq ? "da_lq_l" : "da_qr_r");
    operation_begin(&op);
    return operation_finish(&op, build_triangle(&op, out, f, flags));
}

da_status da_qr_r(da_array **r, const da_qr_factors *f, unsigned flags)
{
    return triangle_of(r, f, flags, false, "da_qr_r");
}

da_status da_lq_l(da_array **l, const da_qr_factors *f, unsigned flags)
{
    return triangle_of(l, f, flags, true, "da_lq_l");
}

static da_status build_q(operation *op, da_array **q, const da_qr_factors *factors, unsigned flags)
{
    const qr *const f = &factors->f;
    const da_array *const input = f->v;
    da_array *formed = NULL, *result = NULL;

    DA_TRY(qr_form_q(op, &formed, f, flags & DA_COMPLETE ? f->m : f->rank));
    DA_TRY(qr_oriented(op, &result, formed, factors->lq));
    return operation_result(op, q, result, 1, &input);
}

da_status da_qr_q(da_array **q, const da_qr_factors *f, unsigned flags)
{
    operation op;

    DA_TRY(array_check_out(q, "da_qr_q"));
    DA_TRY(check_factors(f, "da_qr_q"));
    DA_TRY(check_flags(flags, DA_COMPLETE, "da_qr_q"));
    operation_begin(&op);
    return operation_finish(&op, build_q(&op, q, f, flags));
}

/* An LQ factorisation's Q is the transpose of f's: Q b is (b^T Q')^T. */
static da_status build_apply(operation *op, da_array **out, const da_qr_factors *factors, const da_array *b,
                             unsigned flags)
{
    const bool given_right = (flags & DA_RIGHT) != 0, right = given_right != factors->lq;
    const qr *const f = &factors->f;
    const da_array *const inputs[] = {f->v, b};
    da_array *given = NULL, *matrix = NULL, *c = NULL, *oriented = NULL, *result = NULL;
    int64_t tile[DA_MAX_NDIM];
    da_shape shape;
    qr all = *f;

    DA_TRY(as_matrix(op, &given, b, given_right));
    DA_TRY(qr_oriented(op, &matrix, given, factors->lq));
    shape = array_shape_of(matrix);
    qr_tile(tile, f, &shape, right);
    DA_TRY(operation_copy(op, &c, matrix, tile));
    shape.ndim -= 2;
    if (shape.ndim > 0)
        DA_TRY(qr_broadcast(op, &all, f, &shape));
    DA_TRY(qr_apply_tasks(op, &all, c, (flags & DA_CONJ_TRANSPOSE) | (right ? DA_RIGHT : 0)));
    DA_TRY(qr_oriented(op, &oriented, c, factors->lq));
    DA_TRY(as_vector(op, &result, oriented, b->ndim == 1, given_right));
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
    return operation_finish(&op, build_apply(&op, out, f, b, flags));
}

static da_status build_solve(operation *op, da_array **x, const da_qr_factors *f, const da_array *b)
{
    const da_array *const inputs[] = {f->f.v, b};
    da_array *result = NULL;

    DA_TRY(f->lq ? operation_fault(op, "qr_solve" DEPENDENT_ROWS, f->f.rank)
                 : operation_fault(op, "qr_solve" DEPENDENT_COLUMNS, f->f.rank));
    DA_TRY(qr_solve(op, &result, &f->f, f->lq, b, "da_qr_solve"));
    return operation_result(op, x, result, 2, inputs);
}

da_status da_qr_solve(da_array **x, const da_qr_factors *f, const da_array *b)
{
    const char *const function = "da_qr_solve";
    int64_t rows;
    operation op;

    DA_TRY(array_check_out(x, function));
    DA_TRY(check_factors(f, function));
    DA_TRY(check_matrix(b, true, function, "b"));
    DA_TRY(check_same_dtype(f->f.v, "f", b, "b", function));
    rows = f->lq ? f->f.n : f->f.m;
    if (f->f.m < f->f.n)
        return err_set(DA_ERROR_SHAPE, "%s: f is %s factorisation of a %lld x %lld matrix; this one takes %s",
                       function, f->lq ? "an LQ" : "a QR", (long long)rows,
                       (long long)(f->lq ? f->f.m : f->f.n), f->lq ? "da_qr_factor" : "da_lq_factor");
    if (rows != (b->ndim > 1 ? rows_of(b) : b->shape[0])) {
        const da_shape shape = array_shape_of(b);
        char text[SHAPE_TEXT];

        return err_set(DA_ERROR_SHAPE, "%s: the matrix is %lld x %lld and b has shape %s", function,
                       (long long)rows, (long long)(f->lq ? f->f.m : f->f.n), shape_text(&shape, text));
    }
    operation_begin(&op);
    return operation_finish(&op, build_solve(&op, x, f, b));
}
