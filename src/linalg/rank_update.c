/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Updates of one triangle: syrk, herk, syr2k, her2k. Tasks are those of a product on c's tiles: what of a tile lies beside the diagonal is
 * computed by gemm, what lies on it by rank_k or rank_2k.
 *
 * A row-major c is done as its transpose, whose triangle is the other one. For symmetric c the operands stay as they are; c^T of a Hermitian
 * c is its conjugate: (a a^H)^T = (a^T)^H a^T, so the operands are transposed too and stand on the other side, and alpha becomes its conjugate.
 */
#include "linalg/products.h"
#include "linalg/tiles.h"

/* Of an update with the first input, or with that twice. */
static da_status run_new(da_array *const *inputs, bool twice)
{
    const int64_t n = rows_of(inputs[0]);
    DA_AUTO da_array *c = NULL;

    DA_TRY(da_empty(&c, inputs[0]->s->dtype, DA_SHAPE(n, n)));
    return twice ? da_syr2k(c, 1, inputs[0], inputs[0], 0, DA_LOWER) : da_syrk(c, 1, inputs[0], 0, DA_LOWER);
}

static da_status run_syrk(da_array *const *inputs)
{
    return run_new(inputs, false);
}

static da_status run_syr2k(da_array *const *inputs)
{
    return run_new(inputs, true);
}

const tile_operation tile_syrk = {
    .name = "syrk", .ninputs = 2, .rows = true, .columns = true, .run = run_syrk};
const tile_operation tile_syr2k = {
    .name = "syr2k", .ninputs = 2, .rows = true, .columns = true, .run = run_syr2k};

static da_c128 conjugate(da_c128 z)
{
    return (da_c128){z.re, -z.im};
}

typedef struct update {
    operation *op;
    da_array *c;
    const da_array *a, *b; /* b is null for rank_k */
    da_rank_args args;
    int64_t depth, step; /* of which a task takes so much */
} update;

/* The next operand: the rows `i` and the depth `k` of op(a). */
static void access_operand(task_builder *t, const update *u, const da_array *a, const lead *at, span i,
                           span k)
{
    access_block(t, a, at, u->args.trans ? k : i, u->args.trans ? i : k, DA_MODE_READ);
}

/* The block (i, j) beside the diagonal += alpha op(a) op(b)^T, or beta of it first. */
static da_status beside(const update *u, const lead *at, span i, span j, const da_array *a, const da_array *b,
                        da_c128 alpha, da_c128 beta)
{
    const unsigned transpose = u->args.hermitian ? DA_CONJ_TRANSPOSE : DA_TRANSPOSE;
    da_gemm_args args = {.transa = u->args.trans ? transpose : 0,
                         .transb = u->args.trans ? 0 : transpose,
                         .alpha = alpha,
                         .beta = beta};
    span k = span_from(0, u->depth, u->step);
    task_builder t;

    do {
        task_begin(&t, &da_codelet_gemm);
        access_operand(&t, u, a, at, i, k);
        access_operand(&t, u, b, at, j, k);
        access_block(&t, u->c, at, i, j, is_zero(args.beta) ? DA_MODE_WRITE : DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &u->op->batch));
        args.beta = (da_c128){1, 0};
        k = span_from(k.at + k.n, u->depth, u->step);
    } while (k.n > 0);
    return DA_OK;
}

static da_status block(const update *u, const lead *at, span i, span j)
{
    if (i.n <= 0 || j.n <= 0)
        return DA_OK;
    if (!u->b)
        return beside(u, at, i, j, u->a, u->a, u->args.alpha, u->args.beta);
    DA_TRY(beside(u, at, i, j, u->a, u->b, u->args.alpha, u->args.beta));
    return beside(u, at, i, j, u->b, u->a, u->args.hermitian ? conjugate(u->args.alpha) : u->args.alpha,
                  (da_c128){1, 0});
}

/* The block (d, d) on the diagonal. */
static da_status diagonal(const update *u, const lead *at, span d)
{
    da_rank_args args = u->args;
    span k = span_from(0, u->depth, u->step);
    task_builder t;

    do {
        task_begin(&t, u->b ? &da_codelet_rank_2k : &da_codelet_rank_k);
        access_operand(&t, u, u->a, at, d, k);
        if (u->b)
            access_operand(&t, u, u->b, at, d, k);
        access_block(&t, u->c, at, d, d, DA_MODE_READ_WRITE);
        task_value(&t, &args, sizeof args);
        DA_TRY(task_add(&t, &u->op->batch));
        args.beta = (da_c128){1, 0};
        k = span_from(k.at + k.n, u->depth, u->step);
    } while (k.n > 0);
    return DA_OK;
}

/* What the triangle has of the tile (i, j). */
static da_status tile(const update *u, const lead *at, span i, span j)
{
    const bool upper = u->args.uplo == DA_UPPER;
    const int64_t bottom = i.at + i.n, right = j.at + j.n;
    const int64_t first = most(i.at, j.at), last = least(bottom, right); /* of the diagonal */

    if (upper)
        DA_TRY(block(u, at, (span){i.at, least(bottom, j.at) - i.at}, j));
    else
        DA_TRY(block(u, at, i, (span){j.at, least(right, i.at) - j.at}));
    if (first >= last)
        return DA_OK;
    DA_TRY(diagonal(u, at, (span){first, last - first}));
    if (upper)
        return block(u, at, (span){first, last - first}, (span){last, right - last});
    return block(u, at, (span){last, bottom - last}, (span){first, last - first});
}

/* a as BLAS can take it; *trans is whether the transpose then stands on the left. */
static da_status prepare(operation *op, const da_array **out, unsigned *trans, const da_array *a,
                         const da_rank_args *args, const da_array *c)
{
    unsigned turned = 0;

    if (args->hermitian) /* BLAS has no flag for the conjugate alone */
        DA_TRY(column_major_untransposed(op, out, a, c));
    else
        DA_TRY(column_major(op, out, &turned, a, c));
    *trans = (args->trans != 0) != (turned != 0);
    return DA_OK;
}

/* Where few workers' tiles are whole columns, two block columns of several tiles for each worker: of w workers one has the first, the others the second and the
 * last, the third and the last but one and so on, which are equally long. */
static int64_t columns_of_a_task(const da_array *c)
{
    const int64_t nb = tile_step(c, c->ndim - 1), workers = rt_workers_for_shaping();

    if (!rt_few_workers() || tile_step(c, c->ndim - 2) < rows_of(c))
        return nb;
    return most(round_up(cols_of(c) / (workers > 1 ? 2 * workers : 1), nb), nb);
}

da_status rank_update_tasks(operation *op, da_array *c, const da_array *a, const da_array *b,
                            da_rank_args args)
{
    const int64_t depth = args.trans ? rows_of(a) : cols_of(a);
    update u = {.op = op, .c = c, .args = args, .depth = depth, .step = most(depth, 1)};
    int64_t mb = tile_step(c, c->ndim - 2), nb = tile_step(c, c->ndim - 1);
    da_shape batch = array_shape_of(c);
    unsigned trans, other;

    batch.ndim -= 2;
    DA_TRY(prepare(op, &u.a, &trans, a, &args, c));
    if (b) {
        DA_TRY(prepare(op, &u.b, &other, b, &args, c));
        if (trans != other) { /* both must stand on the same side */
            const bool first = trans != args.trans;
            da_array *copy = NULL;

            DA_TRY(operation_copy(op, &copy, first ? a : b, NULL));
            *(first ? &u.a : &u.b) = copy;
            trans = args.trans;
        }
        DA_TRY(broadcast_lead(op, &u.b, u.b, &batch));
    }
    DA_TRY(broadcast_lead(op, &u.a, u.a, &batch));
    u.args.trans = trans;
    if (tasks_for_devices(&da_codelet_gemm, c->s->dtype,
                          (double)rows_of(c) * (double)cols_of(c) *
                              (double)depth)) { /* each operand is one tile */
        const int64_t rows = most(mb, nb);

        u.step = device_step(depth);
        DA_TRY(tiled_for(op, &u.a, u.a, trans ? u.step : rows, trans ? rows : u.step));
        if (b)
            DA_TRY(tiled_for(op, &u.b, u.b, trans ? u.step : rows, trans ? rows : u.step));
    } else {
        nb = columns_of_a_task(c);
        tile_rated_in_place(b ? &tile_syr2k : &tile_syrk, c, depth,
                            (b ? 2 : 1) * (double)rows_of(c) * (double)rows_of(c) * (double)depth, &mb, &nb);
    }
    EACH_LEAD (at, c) {
        EACH_SPAN (j, 0, cols_of(c), nb) {
            EACH_SPAN (i, 0, rows_of(c), mb) {
                DA_TRY(tile(&u, &at, i, j));
            }
        }
    }
    return DA_OK;
}

static da_status check(const da_array *c, const da_array *a, const da_array *b, unsigned flags,
                       bool hermitian, const char *function)
{
    const unsigned wrong = hermitian ? DA_TRANSPOSE : DA_CONJ_TRANSPOSE;
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];

    DA_TRY(check_matrix(c, false, function, "c"));
    DA_TRY(check_matrix(a, false, function, "a"));
    DA_TRY(check_same_dtype(c, "c", a, "a", function));
    DA_TRY(check_square(c, function, "c"));
    DA_TRY(check_writable(c, function, "c"));
    DA_TRY(check_flags(flags, DA_LOWER | DA_UPPER | DA_TRANSPOSE | DA_CONJ_TRANSPOSE, function));
    if ((flags & wrong) && dtype_is_complex(c->s->dtype))
        return err_set(DA_ERROR_ARGUMENT, "%s: %s with %s: it takes %s", function,
                       hermitian ? "DA_TRANSPOSE" : "DA_CONJ_TRANSPOSE", da_dtype_name(c->s->dtype),
                       hermitian ? "DA_CONJ_TRANSPOSE" : "DA_TRANSPOSE");
    if ((flags & (DA_TRANSPOSE | DA_CONJ_TRANSPOSE) ? cols_of(a) : rows_of(a)) != rows_of(c)) {
        const da_shape as = array_shape_of(a), cs = array_shape_of(c);

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s and c has shape %s; a must have as many %s as c",
                       function, shape_text(&as, a_text), shape_text(&cs, b_text),
                       flags & (DA_TRANSPOSE | DA_CONJ_TRANSPOSE) ? "columns" : "rows");
    }
    DA_TRY(check_lead(a, "a", c, "c", function));
    if (!b)
        return DA_OK;
    DA_TRY(check_matrix(b, false, function, "b"));
    DA_TRY(check_same_dtype(c, "c", b, "b", function));
    if (rows_of(a) != rows_of(b) || cols_of(a) != cols_of(b)) {
        const da_shape as = array_shape_of(a), bs = array_shape_of(b);

        return err_set(DA_ERROR_SHAPE, "%s: a has shape %s and b has shape %s; they must be alike", function,
                       shape_text(&as, a_text), shape_text(&bs, b_text));
    }
    return check_lead(b, "b", c, "c", function);
}

static da_status build(operation *op, da_array *c, const da_array *a, const da_array *b, da_rank_args args)
{
    const da_array *const inputs[] = {a, b};
    const unsigned uplo = args.uplo;
    da_array *at = NULL, *bt = NULL;
    place p;

    DA_TRY(place_begin(op, &p, c, false));
    if (p.transposed)
        args.uplo = uplo == DA_UPPER ? DA_LOWER : DA_UPPER;
    if (p.transposed && args.hermitian) {
        DA_TRY(operation_own(op, da_matrix_transpose(&at, a), &at));
        if (b)
            DA_TRY(operation_own(op, da_matrix_transpose(&bt, b), &bt));
        args.trans = !args.trans;
        args.alpha = conjugate(args.alpha);
        a = at;
        b = bt;
    }
    DA_TRY(rank_update_tasks(op, p.w, a, b, args));
    DA_TRY(place_end(op, &p, c, uplo));
    return operation_in_place(op, c, false, is_zero(args.alpha) ? 0 : inputs[1] ? 2 : 1, inputs);
}

/* b is null for syrk and herk. */
static da_status run(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, bool twice,
                     da_scalar beta, unsigned flags, bool hermitian, const char *function)
{
    da_rank_args args = {.uplo = flags & DA_UPPER ? DA_UPPER : DA_LOWER,
                         .trans = (flags & (DA_TRANSPOSE | DA_CONJ_TRANSPOSE)) != 0};
    operation op;

    if (twice)
        DA_TRY(array_check(b, function, "b"));
    DA_TRY(check(c, a, b, flags, hermitian, function));
    DA_TRY(factor_of(&args.alpha, alpha, c->s->dtype, hermitian && !twice, function, "alpha"));
    DA_TRY(factor_of(&args.beta, beta, c->s->dtype, hermitian, function, "beta"));
    args.hermitian = hermitian && dtype_is_complex(c->s->dtype);
    operation_begin(&op);
    return operation_finish(&op, build(&op, c, a, b, args));
}

da_status(da_syrk)(da_array *c, da_scalar alpha, const da_array *a, da_scalar beta, unsigned flags)
{
    return run(c, alpha, a, NULL, false, beta, flags, false, "da_syrk");
}

da_status(da_herk)(da_array *c, da_scalar alpha, const da_array *a, da_scalar beta, unsigned flags)
{
    return run(c, alpha, a, NULL, false, beta, flags, true, "da_herk");
}

da_status(da_syr2k)(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta,
                    unsigned flags)
{
    return run(c, alpha, a, b, true, beta, flags, false, "da_syr2k");
}

da_status(da_her2k)(da_array *c, da_scalar alpha, const da_array *a, const da_array *b, da_scalar beta,
                    unsigned flags)
{
    return run(c, alpha, a, b, true, beta, flags, true, "da_her2k");
}
