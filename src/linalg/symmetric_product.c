/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Products with a symmetric or Hermitian matrix of which one triangle is stored: symm, hemm. A tile of the result has a task for each of
 * three parts of the depth: the diagonal block of a by the kernel symm, what stands before it and after it by gemm, directly where it is
 * stored and as the transpose of its mirror image where it is not.
 *
 * A row-major c is done as its transpose: c^T = alpha b^T a^T + beta c^T; a^T is symmetric or Hermitian too and has the other triangle.
 */
#include "linalg/products.h"
#include "linalg/tiles.h"

enum { TRIANGLES = DA_LOWER | DA_UPPER };

static da_status run_new(da_array *const *inputs)
{
    DA_AUTO da_array *c = NULL;

    DA_TRY(da_empty(&c, inputs[1]->s->dtype, array_shape_of(inputs[1])));
    return da_symm(c, 1, inputs[0], inputs[1], 0, DA_LOWER);
}

const tile_operation tile_symm = {
    .name = "symm", .ninputs = 2, .square = true, .rows = true, .columns = true, .run = run_new};

typedef struct symmetric {
    operation *op;
    da_array *c;
    const da_array *a, *b;
    da_symm_args args;
    bool right;
} symmetric;

/* The tile (i, j) of c += the part k of the depth; d is the part of a's axis that belongs to the tile. */
static da_status part(const symmetric *s, const lead *at, span i, span j, span d, span k)
{
    const bool diagonal = k.at == d.at, lower = !(s->args.flags & DA_UPPER);
    const bool direct = ((k.at < d.at) == lower) != s->right; /* a is stored where it is wanted */
    const unsigned trans = direct ? 0 : s->args.hermitian ? DA_CONJ_TRANSPOSE : DA_TRANSPOSE;
    const bool d_first = direct != s->right;
    const da_c128 beta = k.at == 0 ? s->args.beta : (da_c128){1, 0};
    const da_symm_args symm = {s->args.flags, s->args.hermitian, s->args.alpha, beta};
    const da_gemm_args gemm = {
        .transa = s->right ? 0 : trans, .transb = s->right ? trans : 0, .alpha = symm.alpha, .beta = beta};
    task_builder t;

    task_begin(&t, diagonal ? &da_codelet_symm : &da_codelet_gemm);
    if (s->right && !diagonal)
        access_block(&t, s->b, at, i, k, DA_MODE_READ);
    access_block(&t, s->a, at, d_first ? d : k, d_first ? k : d, DA_MODE_READ);
    if (!s->right || diagonal)
        access_block(&t, s->b, at, s->right ? i : k, s->right ? k : j, DA_MODE_READ);
    access_block(&t, s->c, at, i, j, is_zero(beta) ? DA_MODE_WRITE : DA_MODE_READ_WRITE);
    if (diagonal)
        task_value(&t, &symm, sizeof symm);
    else
        task_value(&t, &gemm, sizeof gemm);
    return task_add(&t, &s->op->batch);
}

/* For a column-major c; a and b have any strides, and leading axes that broadcast to c's. */
static da_status symmetric_tasks(operation *op, da_array *c, const da_array *a, const da_array *b,
                                 da_symm_args args)
{
    const bool right = (args.flags & DA_RIGHT) != 0;
    const int64_t n = rows_of(a);
    const double flops = 2 * (double)rows_of(c) * (double)cols_of(c) * (double)n;
    const bool devices = tasks_for_devices(&da_codelet_gemm, c->s->dtype, flops);
    int64_t mb = tile_step(c, c->ndim - 2), nb = tile_step(c, c->ndim - 1);
    symmetric s = {.op = op, .c = c, .args = args, .right = right};
    da_shape batch = array_shape_of(c);
    unsigned turned = 0;

    batch.ndim -= 2;
    if (args.hermitian) /* BLAS has no flag for the conjugate alone */
        DA_TRY(column_major_untransposed(op, &s.a, a, c));
    else
        DA_TRY(column_major(op, &s.a, &turned, a, c));
    if (turned)
        s.args.flags ^= TRIANGLES;
    DA_TRY(column_major_untransposed(op, &s.b, b, c));
    DA_TRY(broadcast_lead(op, &s.a, s.a, &batch));
    DA_TRY(broadcast_lead(op, &s.b, s.b, &batch));
    if (!devices && !right)
        tile_rated_in_place(&tile_symm, c, n, flops, &mb, &nb);
    const int64_t rows = right ? nb : mb; /* of a diagonal block */
    if (devices) {                        /* each operand is one tile */
        DA_TRY(tiled_for(op, &s.a, s.a, rows, rows));
        DA_TRY(tiled_for(op, &s.b, s.b, right ? mb : rows, right ? rows : nb));
    }
    EACH_LEAD (at, c) {
        EACH_SPAN (j, 0, cols_of(c), nb) {
            EACH_SPAN (i, 0, rows_of(c), mb) {
                const span d = right ? j : i;
                int64_t end;

                for (int64_t k = 0; k < n; k = end) {
                    end = k < d.at ? d.at : k == d.at ? d.at + d.n : n;
                    if (devices)
                        end = least(end, k + rows);
                    DA_TRY(part(&s, &at, i, j, d, (span){k, end - k}));
                }
            }
        }
    }
    return DA_OK;
}

static da_status check(const da_array *c, const da_array *a, const da_array *b, unsigned flags,
                       const char *function)
{
    const bool right = (flags & DA_RIGHT) != 0;
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT], c_text[SHAPE_TEXT];

    DA_TRY(check_matrix(c, false, function, "c"));
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_matrix(b, false, function, "b"));
    DA_TRY(check_same_dtype(c, "c", a, "a", function));
    DA_TRY(check_same_dtype(c, "c", b, "b", function));
    DA_TRY(check_square(a, function, "a"));
    DA_TRY(check_writable(c, function, "c"));
    DA_TRY(check_flags(flags, TRIANGLES | DA_RIGHT, function));
    if ((right ? cols_of(b) : rows_of(b)) != rows_of(a)) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s and b has shape %s; b must have as many %s as a",
                       function, shape_text(&as, a_text), shape_text(&bs, b_text),
                       right ? "columns" : "rows");
    }
    if (rows_of(b) != rows_of(c) || cols_of(b) != cols_of(c)) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b), cs = array_shape_of(c);

        return err_set(DA_ERROR_SHAPE,
                       "%s: a has shape %s and b has shape %s; their product does not fit c's %s", function,
                       shape_text(&as, a_text), shape_text(&bs, b_text), shape_text(&cs, c_text));
    }
    DA_TRY(check_lead(a, "a", c, "c", function));
    return check_lead(b, "b", c, "c", function);
}

static da_status build(operation *op, da_array *c, const da_array *a, const da_array *b, da_symm_args args)
{
    const da_array *const inputs[] = {a, b};
    const bool overwritten = is_zero(args.beta);
    da_array *at = NULL, *bt = NULL;
    place p;

    DA_TRY(place_begin(op, &p, c, overwritten));
    if (p.transposed) {
        DA_TRY(operation_own(op, da_matrix_transpose(&at, a), &at));
        DA_TRY(operation_own(op, da_matrix_transpose(&bt, b), &bt));
        args.flags ^= TRIANGLES | DA_RIGHT;
        a = at;
        b = bt;
    }
    DA_TRY(symmetric_tasks(op, p.w, a, b, args));
    DA_TRY(place_end(op, &p, c, 0));
    return operation_in_place(op, c, overwritten, is_zero(args.alpha) ? 0 : 2, inputs);
}

static da_status run(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta,
                     unsigned flags, bool hermitian, const char *function)
{
    da_symm_args args = {.flags = flags & DA_UPPER ? flags : flags | DA_LOWER};
    operation op;

    DA_TRY(check(c, a, b, flags, function));
    DA_TRY(factor_of(&args.alpha, alpha, c->s->dtype, false, function, "alpha"));
    DA_TRY(factor_of(&args.beta, beta, c->s->dtype, false, function, "beta"));
    args.hermitian = hermitian && dtype_is_complex(c->s->dtype);
    operation_begin(&op);
    return operation_finish(&op, build(&op, c, a, b, args));
}

da_status(da_symm)(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta,
                   unsigned flags)
{
    return run(c, alpha, a, b, beta, flags, false, "da_symm");
}

da_status(da_hemm)(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta,
                   unsigned flags)
{
    return run(c, alpha, a, b, beta, flags, true, "da_hemm");
}
