/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Systems of equations by iterative refinement: factors in single precision, residuals and corrections of the solution in double. The
 * criterion is that of LAPACK's dsgesv: |b - a x| <= |x| |a| sqrt(n) eps for each right-hand side, in the maximum norm. It is some ten times
 * what factors in double leave; so up to two corrections more are made, while they halve the residual. Where one does not before the
 * criterion holds, or anything is not finite, or a's factors are singular in single precision, all is done in double.
 */
#include "linalg/linalg.h"

#include <darray/blas.h>
#include <darray/expr.h>
#include <float.h>
#include <math.h>

enum { MOST_CORRECTIONS = 30, MOST_MORE = 2 };

/* The largest of all right-hand sides' |b - a x| / (|x| |a| sqrt(n) eps); r becomes b - a x. */
static da_status residual(double *worst, da_array *r, const da_array *a, const da_array *x, const da_array *b,
                          const da_array *norm)
{
    const double limit = sqrt((double)rows_of(x)) * DBL_EPSILON / 2;
    DA_AUTO da_array *r_norm = NULL, *x_norm = NULL, *ratio = NULL;

    DA_TRY(da_assign(r, b));
    DA_TRY(da_gemm(r, -1, a, x, 1));
    DA_TRY(da_max(&r_norm, da_abs(r), DA_AXES(-2), 0));
    DA_TRY(da_max(&x_norm, da_abs(x), DA_AXES(-2), 0));
    DA_TRY(da_max(&ratio,
                  da_divide(r_norm, da_maximum(da_multiply(da_multiply(x_norm, norm), limit), DBL_MIN)),
                  DA_ALL, 0));
    return da_item(worst, ratio);
}

/* x, or null if double precision is wanted all the way. */
static da_status refine(da_array **out, const da_array *a, const da_array *b)
{
    const da_dtype dtype = a->s->dtype, low = da_kernels_half(dtype);
    DA_AUTO da_array *factors = NULL, *pivots = NULL, *sums = NULL, *norm = NULL, *largest = NULL;
    DA_AUTO da_array *b_low = NULL, *x_low = NULL, *x = NULL, *r = NULL;
    double previous = INFINITY;
    int more = 0;
    float size;

    DA_TRY(da_astype(&factors, a, low));
    DA_TRY(da_sum(&sums, da_abs(factors), DA_AXES(-1), DA_KEEPDIMS));
    DA_TRY(da_max(&norm, sums, DA_AXES(-2), 0));
    DA_TRY(da_max(&largest, norm, DA_ALL, 0));
    DA_TRY(da_lu_inplace(factors, &pivots));
    DA_TRY(da_astype(&b_low, b, low));
    DA_TRY(da_lu_solve(&x_low, factors, pivots, b_low, 0));
    DA_TRY(da_astype(&x, x_low, dtype));
    DA_TRY(da_empty_like(&r, x));
    DA_TRY(da_item(&size, largest));
    if (!isfinite(size)) /* in single precision */
        return DA_OK;
    for (int i = 0; i <= MOST_CORRECTIONS; i++) {
        DA_AUTO da_array *correction = NULL, *r_low = NULL;
        double worst;

        DA_TRY(residual(&worst, r, a, x, b, norm));
        if (worst <= 1 && (worst > previous / 2 || more++ == MOST_MORE)) {
            da_array_move(out, &x);
            return DA_OK;
        }
        if (!(worst <= previous / 2) || !isfinite(worst))
            return DA_OK;
        previous = worst;
        DA_TRY(da_astype(&r_low, r, low));
        DA_TRY(da_lu_solve(&correction, factors, pivots, r_low, 0));
        DA_TRY(da_assign(x, da_add(x, correction)));
    }
    return DA_OK;
}

da_status da_solve_mixed(da_array **x, const da_array *a, const da_array *b)
{
    DA_AUTO da_array *matrix = NULL, *refined = NULL;
    da_status status;
    da_shape lead;

    DA_TRY(array_check_out(x, "da_solve_mixed"));
    DA_TRY(check_system(a, "a", b, "da_solve_mixed"));
    if (da_kernels_half(a->s->dtype) == (da_dtype)0)
        return err_set(DA_ERROR_DTYPE, "da_solve_mixed: a is %s; it must be float64 or complex128",
                       da_dtype_name(a->s->dtype));
    DA_TRY(common_lead(&lead, a, b, "da_solve_mixed"));
    DA_TRY(rt_check_may_wait("da_solve_mixed"));
    if (array_count(a) == 0 || array_count(b) == 0)
        return da_solve(x, a, b);
    DA_TRY(b->ndim > 1 ? array_view(&matrix, b) : da_expand_dims(&matrix, b, 1));
    status = refine(&refined, a, matrix);
    /* faults of the operands and tasks that failed are the solution's, as da_solve() has them */
    if (status == DA_ERROR_NUMERICAL || status == DA_ERROR_TASK || (status == DA_OK && !refined))
        return da_solve(x, a, b);
    DA_TRY(status);
    return b->ndim > 1 ? da_array_retain(x, refined) : da_squeeze(x, refined, DA_AXES(-1));
}
