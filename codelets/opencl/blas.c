/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The codelets of linear algebra that CLBlast can do, alone or one after the other: products, triangular solves and the updates of Cholesky
 * and LU. Integers are multiplied by the common kernel. What neither can is refused by `takes`, and runs on the CPU: empty sums, operands that are not column-major or do
 * not fit each other.
 */
#include "opencl.h"

#ifdef DA_HAVE_CLBLAST

#include <clblast_c.h>
#include <pthread.h>

#include "device/launch.h"
#include "kernels.h"

/* A column-major matrix in device memory. */
typedef struct matrix {
    cl_mem memory;
    size_t offset, ld; /* elements */
    size_t m, n;
} matrix;

static matrix block(matrix a, size_t i, size_t j, size_t m, size_t n)
{
    return (matrix){a.memory, a.offset + i + j * a.ld, a.ld, m, n};
}

/* ---- operands ---- */

/* Number of leading axes, those of a batch; a vector is a column. */
static int leading(const da_buffer *b)
{
    return b->ndim > 2 ? b->ndim - 2 : 0;
}

static int64_t extent(const da_buffer *b, int axis)
{
    return axis < b->ndim - leading(b) ? b->shape[leading(b) + axis] : 1;
}

static bool column_major(const da_buffer *b)
{
    const int64_t m = extent(b, 0), n = extent(b, 1), *strides = b->strides + leading(b);

    return (m <= 1 || strides[0] == 1) && (n <= 1 || (strides[1] >= m && strides[1] >= 1));
}

/* Whether the operands are numbers of one dtype that the device has, and matrices as BLAS takes them; the last one has all matrices of a
 * batch, the others as many or one for all. Skips buffer `pivots`. */
static bool takes(const da_device_ops *ops, const da_call *call, int pivots)
{
    const da_buffer *last = &call->buffers[call->nbuffers - 1];
    const da_dtype dtype = last->dtype;

    if (!(dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128) || !ops->has(dtype))
        return false;
    for (int i = 0; i < call->nbuffers; i++) {
        const da_buffer *b = &call->buffers[i];
        const int more = leading(last) - leading(b);

        if (i == pivots)
            continue;
        if (b->dtype != dtype || more < 0 || !column_major(b))
            return false;
        for (int d = 0; d < leading(b); d++)
            if (b->shape[d] != 1 && b->shape[d] != last->shape[more + d])
                return false;
    }
    return true;
}

/* The matrix of buffer b in the batch of `lead` axes at `index`. */
static matrix matrix_at(const da_buffer *b, int lead, const int64_t *index)
{
    const int more = lead - leading(b);
    int64_t offset = b->offset;

    for (int d = 0; d < leading(b); d++)
        if (b->shape[d] > 1)
            offset += index[more + d] * b->strides[d];
    const int64_t m = extent(b, 0), n = extent(b, 1), ld = n > 1 ? b->strides[leading(b) + 1] : m > 1 ? m : 1;
    return (matrix){b->data, (size_t)offset, (size_t)ld, (size_t)m, (size_t)n};
}

enum { MOST = 3 };
typedef da_status on_matrices(const da_call *call, const matrix *operands);

/* Runs `one` on each matrix of a batch. */
static da_status for_batch(const da_call *call, on_matrices *one)
{
    const da_buffer *last = &call->buffers[call->nbuffers - 1];
    const int lead = leading(last);
    int64_t index[DA_MAX_NDIM] = {0};
    matrix operands[MOST];
    cl_context context;
    cl_device_id device;

    for (int d = 0; d < last->ndim; d++)
        if (last->shape[d] == 0)
            return DA_OK;
    DA_TRY(opencl_queue(call, &context,
                        &device)); /* keeps the context: CLBlast remembers programs by its address */
    for (;;) {
        int d = lead - 1;

        for (int i = 0; i < call->nbuffers && i < MOST; i++)
            operands[i] = matrix_at(&call->buffers[i], lead, index);
        DA_TRY(one(call, operands));
        while (d >= 0 && ++index[d] == last->shape[d])
            index[d--] = 0;
        if (d < 0)
            return DA_OK;
    }
}

static da_status refuse(const da_call *call)
{
    return da_task_fail(call, "CLBlast does not take these operands on the device");
}

/* ---- CLBlast ---- */

/* Its tables are not thread-safe when first used: one call at a time. */
static pthread_mutex_t clblast_lock = PTHREAD_MUTEX_INITIALIZER;

/* A number as each dtype's routines take it. */
static float f32_of(da_c128 z)
{
    return (float)z.re;
}

static double f64_of(da_c128 z)
{
    return z.re;
}

static cl_float2 c64_of(da_c128 z)
{
    return (cl_float2){{(float)z.re, (float)z.im}};
}

static cl_double2 c128_of(da_c128 z)
{
    return (cl_double2){{z.re, z.im}};
}

static const da_c128 one = {1, 0}, minus_one = {-1, 0};

static CLBlastTranspose transpose_of(unsigned flags, da_dtype dtype)
{
    const bool is_complex = dtype == DA_C64 || dtype == DA_C128;

    if (flags & DA_CONJ_TRANSPOSE)
        return is_complex ? CLBlastTransposeConjugate : CLBlastTransposeYes;
    return flags & DA_TRANSPOSE ? CLBlastTransposeYes : CLBlastTransposeNo;
}

static CLBlastTriangle triangle_of(unsigned flags)
{
    return flags & DA_UPPER ? CLBlastTriangleUpper : CLBlastTriangleLower;
}

static da_status result(const da_call *call, const char *routine, CLBlastStatusCode status)
{
    if (status == CLBlastSuccess) {
        opencl_outcome |= DA_LAUNCHED;
        return DA_OK;
    }
    /* Its programs are built before it writes to an operand, but memory it may lack in between: of two products, or of a solver's blocks. */
    const unsigned unbuilt = opencl_unbuilt((cl_int)status);
    opencl_outcome |= unbuilt == DA_REFUSED ? DA_REFUSED : DA_LAUNCHED;
    return da_task_fail(call, "CLBlast's %s: status %d", routine, (int)status);
}

/* An operand as three arguments. */
#define OPERAND(a) (a).memory, (a).offset, (a).ld

/* status = ROUTINE(letter, conversion of scalars) for the call's dtype, under the lock. */
#define CALL(status, call, ROUTINE)                                                                          \
    do {                                                                                                     \
        static bool used[DA_C128 + 1];                                                                       \
        pthread_mutex_lock(&clblast_lock);                                                                   \
        switch ((call)->buffers[0].dtype) {                                                                  \
        case DA_F32: status = ROUTINE(S, f32_of); break;                                                     \
        case DA_F64: status = ROUTINE(D, f64_of); break;                                                     \
        case DA_C64: status = ROUTINE(C, c64_of); break;                                                     \
        default: status = ROUTINE(Z, c128_of); break;                                                        \
        }                                                                                                    \
        if (!used[(call)->buffers[0].dtype])                                                                 \
            opencl_compiled++;                                                                               \
        used[(call)->buffers[0].dtype] = true;                                                               \
        pthread_mutex_unlock(&clblast_lock);                                                                 \
    } while (0)

/* c = alpha op(a) op(b) + beta c */
static da_status multiply(const da_call *call, unsigned transa, unsigned transb, da_c128 alpha, matrix a,
                          matrix b, da_c128 beta, matrix c)
{
    const da_dtype dtype = call->buffers[0].dtype;
    const CLBlastTranspose ta = transpose_of(transa, dtype), tb = transpose_of(transb, dtype);
    const size_t k = transa ? a.m : a.n;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

    if (c.m == 0 || c.n == 0)
        return DA_OK;
#define GEMM(letter, number)                                                                                 \
    CLBlast##letter##gemm(CLBlastLayoutColMajor, ta, tb, c.m, c.n, k, number(alpha), OPERAND(a), OPERAND(b), \
                          number(beta), OPERAND(c), &queue, opencl_event(queue))
    CALL(status, call, GEMM);
#undef GEMM
    return result(call, "gemm", status);
}

/* One triangle of c = alpha a a^H + beta c, or with trans of alpha a^H a + beta c. */
static da_status herk(const da_call *call, unsigned uplo, bool trans, double alpha, matrix a, double beta,
                      matrix c)
{
    const CLBlastTriangle triangle = triangle_of(uplo);
    const CLBlastTranspose ta = transpose_of(trans ? DA_CONJ_TRANSPOSE : 0, call->buffers[0].dtype);
    const size_t k = trans ? a.m : a.n;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define CLBlastSherk CLBlastSsyrk
#define CLBlastDherk CLBlastDsyrk
#define PARTS_f32_of float
#define PARTS_c64_of float
#define PARTS_f64_of double
#define PARTS_c128_of double
#define HERK(letter, number)                                                                                 \
    CLBlast##letter##herk(CLBlastLayoutColMajor, triangle, ta, c.n, k, (PARTS_##number)alpha, OPERAND(a),    \
                          (PARTS_##number)beta, OPERAND(c), &queue, opencl_event(queue))
    CALL(status, call, HERK);
#undef HERK
    return result(call, "herk", status);
}

static da_status syrk_plain(const da_call *call, const da_rank_args *args, matrix a, matrix c)
{
    const CLBlastTriangle triangle = triangle_of(args->uplo);
    const CLBlastTranspose ta = args->trans ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t k = args->trans ? a.m : a.n;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define SYRK(letter, number)                                                                                 \
    CLBlast##letter##syrk(CLBlastLayoutColMajor, triangle, ta, c.n, k, number(args->alpha), OPERAND(a),      \
                          number(args->beta), OPERAND(c), &queue, opencl_event(queue))
    CALL(status, call, SYRK);
#undef SYRK
    return result(call, "syrk", status);
}

static da_status syr2k(const da_call *call, const da_rank_args *args, matrix a, matrix b, matrix c)
{
    const CLBlastTriangle triangle = triangle_of(args->uplo);
    const CLBlastTranspose ta = args->trans ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t k = args->trans ? a.m : a.n;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define SYR2K(letter, number)                                                                                \
    CLBlast##letter##syr2k(CLBlastLayoutColMajor, triangle, ta, c.n, k, number(args->alpha), OPERAND(a),     \
                           OPERAND(b), number(args->beta), OPERAND(c), &queue, opencl_event(queue))
    CALL(status, call, SYR2K);
#undef SYR2K
    return result(call, "syr2k", status);
}

/* The same for Hermitian c; for real dtypes there is no such routine. */
static da_status her2k(const da_call *call, const da_rank_args *args, matrix a, matrix b, matrix c)
{
    const CLBlastTriangle triangle = triangle_of(args->uplo);
    const CLBlastTranspose ta = transpose_of(args->trans ? DA_CONJ_TRANSPOSE : 0, call->buffers[0].dtype);
    const size_t k = args->trans ? a.m : a.n;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define CLBlastSher2k CLBlastSsyr2k
#define CLBlastDher2k CLBlastDsyr2k
#define HER2K(letter, number)                                                                                \
    CLBlast##letter##her2k(CLBlastLayoutColMajor, triangle, ta, c.n, k, number(args->alpha), OPERAND(a),     \
                           OPERAND(b), (PARTS_##number)args->beta.re, OPERAND(c), &queue,                    \
                           opencl_event(queue))
    CALL(status, call, HER2K);
#undef HER2K
    return result(call, "her2k", status);
}

/* c = alpha a b + beta c, or with DA_RIGHT alpha b a + beta c */
static da_status symmetric(const da_call *call, const da_symm_args *args, matrix a, matrix b, matrix c)
{
    const CLBlastSide side = args->flags & DA_RIGHT ? CLBlastSideRight : CLBlastSideLeft;
    const CLBlastTriangle triangle = triangle_of(args->flags);
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define CLBlastShemm CLBlastSsymm
#define CLBlastDhemm CLBlastDsymm
#define SYMM(letter, number)                                                                                 \
    (args->hermitian ? CLBlast##letter##hemm : CLBlast##letter##symm)(                                       \
        CLBlastLayoutColMajor, side, triangle, c.m, c.n, number(args->alpha), OPERAND(a), OPERAND(b),        \
        number(args->beta), OPERAND(c), &queue, opencl_event(queue))
    CALL(status, call, SYMM);
#undef SYMM
    return result(call, args->hermitian ? "hemm" : "symm", status);
}

/* b = alpha op(t) b, or with DA_RIGHT alpha b op(t) */
static da_status triangular(const da_call *call, const da_trsm_args *args, matrix t, matrix b)
{
    const CLBlastSide side = args->flags & DA_RIGHT ? CLBlastSideRight : CLBlastSideLeft;
    const CLBlastTriangle triangle = triangle_of(args->flags);
    const CLBlastTranspose transpose = transpose_of(args->flags, call->buffers[0].dtype);
    const CLBlastDiagonal diagonal = args->flags & DA_UNIT ? CLBlastDiagonalUnit : CLBlastDiagonalNonUnit;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define TRMM(letter, number)                                                                                 \
    CLBlast##letter##trmm(CLBlastLayoutColMajor, side, triangle, transpose, diagonal, b.m, b.n,              \
                          number(args->alpha), OPERAND(t), OPERAND(b), &queue, opencl_event(queue))
    CALL(status, call, TRMM);
#undef TRMM
    return result(call, "trmm", status);
}

/* b becomes the x of op(t) x = alpha b or, with DA_RIGHT, of x op(t) = alpha b. */
static da_status solve(const da_call *call, unsigned flags, da_c128 alpha, matrix t, matrix b)
{
    const CLBlastSide side = flags & DA_RIGHT ? CLBlastSideRight : CLBlastSideLeft;
    const CLBlastTriangle triangle = triangle_of(flags);
    const CLBlastTranspose transpose = transpose_of(flags, call->buffers[0].dtype);
    const CLBlastDiagonal diagonal = flags & DA_UNIT ? CLBlastDiagonalUnit : CLBlastDiagonalNonUnit;
    cl_command_queue queue = call->queue;
    CLBlastStatusCode status;

#define TRSM(letter, number)                                                                                 \
    CLBlast##letter##trsm(CLBlastLayoutColMajor, side, triangle, transpose, diagonal, b.m, b.n,              \
                          number(alpha), OPERAND(t), OPERAND(b), &queue, opencl_event(queue))
    CALL(status, call, TRSM);
#undef TRSM
    return result(call, "trsm", status);
}

/* BLAS does not read what it multiplies by 0; CLBlast does, and its NaN become the result's. */
static bool adds_nothing(da_c128 alpha)
{
    return alpha.re == 0 && alpha.im == 0;
}

/* ---- gemm: a, b, c ---- */

static bool gemm_takes(const da_device_ops *ops, const da_call *call)
{
    const da_gemm_args *args = call->values[0].data;

    if (call->nbuffers != 3 || !takes(ops, call, -1) || adds_nothing(args->alpha))
        return false;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *c = &call->buffers[2];
    const int64_t k = extent(a, args->transa ? 0 : 1);
    return k > 0 && extent(a, args->transa ? 1 : 0) == extent(c, 0) && extent(b, args->transb ? 1 : 0) == k &&
           extent(b, args->transb ? 0 : 1) == extent(c, 1);
}

static da_status gemm_one(const da_call *call, const matrix *operands)
{
    const da_gemm_args *args = call->values[0].data;

    return multiply(call, args->transa, args->transb, args->alpha, operands[0], operands[1], args->beta,
                    operands[2]);
}

static da_status gemm(const da_device_ops *ops, const da_call *call)
{
    return gemm_takes(ops, call) ? for_batch(call, gemm_one) : refuse(call);
}

static bool product_takes(const da_device_ops *ops, const da_call *call)
{
    return da_device_multiply_takes(ops, call) || gemm_takes(ops, call);
}

static da_status product(const da_device_ops *ops, const da_call *call)
{
    return (da_device_multiply_takes(ops, call) ? da_device_multiply : gemm)(ops, call);
}

/* ---- syrk: a, c ---- */

static bool syrk_takes(const da_device_ops *ops, const da_call *call)
{
    const da_syrk_args *args = call->values[0].data;

    if (call->nbuffers != 2 || !takes(ops, call, -1) || args->alpha == 0)
        return false;
    const da_buffer *a = &call->buffers[0], *c = &call->buffers[1];
    return extent(a, args->trans ? 0 : 1) > 0 && extent(a, args->trans ? 1 : 0) == extent(c, 0) &&
           extent(c, 0) == extent(c, 1);
}

static da_status syrk_one(const da_call *call, const matrix *operands)
{
    const da_syrk_args *args = call->values[0].data;

    return herk(call, args->uplo, args->trans != 0, args->alpha, operands[0], args->beta, operands[1]);
}

static da_status syrk(const da_device_ops *ops, const da_call *call)
{
    return syrk_takes(ops, call) ? for_batch(call, syrk_one) : refuse(call);
}

/* ---- rank_k: a, c; rank_2k: a, b, c ---- */

static bool rank_takes(const da_device_ops *ops, const da_call *call, int n)
{
    const da_rank_args *args = call->values[0].data;

    if (call->nbuffers != n || !takes(ops, call, -1) || adds_nothing(args->alpha))
        return false;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[n - 2], *c = &call->buffers[n - 1];
    return extent(a, args->trans ? 0 : 1) > 0 && extent(a, args->trans ? 1 : 0) == extent(c, 0) &&
           extent(c, 0) == extent(c, 1) && extent(b, 0) == extent(a, 0) && extent(b, 1) == extent(a, 1);
}

static bool rank_k_takes(const da_device_ops *ops, const da_call *call)
{
    return rank_takes(ops, call, 2);
}

static bool rank_2k_takes(const da_device_ops *ops, const da_call *call)
{
    return rank_takes(ops, call, 3);
}

static da_status rank_k_one(const da_call *call, const matrix *operands)
{
    const da_rank_args *args = call->values[0].data;

    return args->hermitian ? herk(call, args->uplo, args->trans != 0, args->alpha.re, operands[0],
                                  args->beta.re, operands[1])
                           : syrk_plain(call, args, operands[0], operands[1]);
}

static da_status rank_2k_one(const da_call *call, const matrix *operands)
{
    const da_rank_args *args = call->values[0].data;

    return (args->hermitian ? her2k : syr2k)(call, args, operands[0], operands[1], operands[2]);
}

static da_status rank_k(const da_device_ops *ops, const da_call *call)
{
    return rank_k_takes(ops, call) ? for_batch(call, rank_k_one) : refuse(call);
}

static da_status rank_2k(const da_device_ops *ops, const da_call *call)
{
    return rank_2k_takes(ops, call) ? for_batch(call, rank_2k_one) : refuse(call);
}

/* ---- symm: a, b, c ---- */

static bool symm_takes(const da_device_ops *ops, const da_call *call)
{
    const da_symm_args *args = call->values[0].data;

    if (call->nbuffers != 3 || !takes(ops, call, -1) || adds_nothing(args->alpha))
        return false;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *c = &call->buffers[2];
    return extent(a, 0) == extent(a, 1) && extent(a, 0) == extent(c, args->flags & DA_RIGHT ? 1 : 0) &&
           extent(b, 0) == extent(c, 0) && extent(b, 1) == extent(c, 1);
}

static da_status symm_one(const da_call *call, const matrix *operands)
{
    return symmetric(call, call->values[0].data, operands[0], operands[1], operands[2]);
}

static da_status symm(const da_device_ops *ops, const da_call *call)
{
    return symm_takes(ops, call) ? for_batch(call, symm_one) : refuse(call);
}

/* ---- trmm, trsm: t, b ---- */

static bool trsm_takes(const da_device_ops *ops, const da_call *call)
{
    const da_trsm_args *args = call->values[0].data;

    if (call->nbuffers != 2 || !takes(ops, call, -1))
        return false;
    const da_buffer *t = &call->buffers[0], *b = &call->buffers[1];
    return extent(t, 0) == extent(t, 1) && extent(t, 0) == extent(b, args->flags & DA_RIGHT ? 1 : 0);
}

static da_status trsm_one(const da_call *call, const matrix *operands)
{
    const da_trsm_args *args = call->values[0].data;

    return solve(call, args->flags, args->alpha, operands[0], operands[1]);
}

static da_status trsm(const da_device_ops *ops, const da_call *call)
{
    return trsm_takes(ops, call) ? for_batch(call, trsm_one) : refuse(call);
}

static da_status trmm_one(const da_call *call, const matrix *operands)
{
    return triangular(call, call->values[0].data, operands[0], operands[1]);
}

static da_status trmm(const da_device_ops *ops, const da_call *call)
{
    return trsm_takes(ops, call) ? for_batch(call, trmm_one) : refuse(call);
}

/* ---- cholesky_update: a, b, c ---- */

static bool cholesky_update_takes(const da_device_ops *ops, const da_call *call)
{
    const da_cholesky_update_args *args = call->values[0].data;

    if (call->nbuffers != 3 || !takes(ops, call, -1))
        return false;
    const da_buffer *a = &call->buffers[0], *b = &call->buffers[1], *c = &call->buffers[2];
    const int64_t k = extent(b, 1);
    return k > 0 && extent(a, 1) == k && extent(a, 0) == extent(c, 0) && extent(b, 0) == extent(c, 1) &&
           (!args->diagonal || extent(c, 0) >= extent(c, 1));
}

static da_status cholesky_update_one(const da_call *call, const matrix *operands)
{
    const da_cholesky_update_args *args = call->values[0].data;
    matrix a = operands[0], c = operands[2];

    if (args->diagonal) {
        DA_TRY(herk(call, DA_LOWER, false, -1, block(a, 0, 0, c.n, a.n), 1, block(c, 0, 0, c.n, c.n)));
        a = block(a, c.n, 0, a.m - c.n, a.n);
        c = block(c, c.n, 0, c.m - c.n, c.n);
    }
    return multiply(call, 0, DA_CONJ_TRANSPOSE, minus_one, a, operands[1], one, c);
}

static da_status cholesky_update(const da_device_ops *ops, const da_call *call)
{
    return cholesky_update_takes(ops, call) ? for_batch(call, cholesky_update_one) : refuse(call);
}

/* ---- lu_update: panel, pivots, c ---- */

static bool lu_update_takes(const da_device_ops *ops, const da_call *call)
{
    if (call->nbuffers != 3 || !takes(ops, call, 1) || !da_device_exchange_takes(call, 1, 2))
        return false;
    const da_buffer *panel = &call->buffers[0], *c = &call->buffers[2];
    return extent(panel, 1) > 0 && extent(panel, 0) >= extent(panel, 1) && extent(panel, 0) == extent(c, 0);
}

static da_status lu_update_one(const da_call *call, const matrix *operands)
{
    const matrix panel = operands[0], c = operands[2];
    const size_t k = panel.n;

    DA_TRY(solve(call, DA_LOWER | DA_UNIT, one, block(panel, 0, 0, k, k), block(c, 0, 0, k, c.n)));
    return multiply(call, 0, 0, minus_one, block(panel, k, 0, panel.m - k, k), block(c, 0, 0, k, c.n), one,
                    block(c, k, 0, c.m - k, c.n));
}

static da_status lu_update(const da_device_ops *ops, const da_call *call)
{
    if (!lu_update_takes(ops, call))
        return refuse(call);
    DA_TRY(da_device_exchange(ops, call, 1, 2));
    return for_batch(call, lu_update_one);
}

#endif

const da_device_kernel opencl_blas_kernels[] = {
#ifdef DA_HAVE_CLBLAST
    {"da_gemm", product_takes, product},
    {"da_syrk", syrk_takes, syrk},
    {"da_rank_k", rank_k_takes, rank_k},
    {"da_rank_2k", rank_2k_takes, rank_2k},
    {"da_symm", symm_takes, symm},
    {"da_trmm", trsm_takes, trmm},
    {"da_trsm", trsm_takes, trsm},
    {"da_cholesky_update", cholesky_update_takes, cholesky_update},
    {"da_lu_update", lu_update_takes, lu_update},
#endif
    {NULL, NULL, NULL},
};
