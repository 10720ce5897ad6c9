/* What the tests of linear algebra share: matrices of every dtype as views of every kind, and residuals on the host. Values on
 * the host are complex doubles, column by column. */
#ifndef DARRAY_LINALG_CHECK_H
#define DARRAY_LINALG_CHECK_H

#include "test.h"

#include <cblas.h>
#include <complex.h>
#include <float.h>
#include <inttypes.h>
#include <lapacke.h>
#include <math.h>

typedef double _Complex z;

static const da_dtype float_dtypes[] = {DA_F32, DA_F64, DA_C64, DA_C128};
enum { FLOAT_DTYPES = 4 };

static inline double eps_of(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_C64 ? FLT_EPSILON : DBL_EPSILON;
}

static inline bool is_complex(da_dtype dtype)
{
    return dtype == DA_C64 || dtype == DA_C128;
}

/* ---- values ---- */

/* Uniform in (-1, 1); the same for the same sequence of calls after seed_values(). */
static uint64_t value_state;
static inline void seed_values(uint64_t seed)
{
    value_state = seed * 2654435761u + 12345;
}
static inline double value(void)
{
    value_state = value_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(value_state >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

static inline z *new_values(int64_t count)
{
    /* OpenBLAS 0.3.21's zgemv, called by LAPACK with rows, reads an element in the column behind the last one */
    z *p = calloc(2 * (size_t)count + 1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    return p;
}

static inline z *random_values(da_dtype dtype, int64_t m, int64_t n)
{
    z *p = new_values(m * n);
    for (int64_t i = 0; i < m * n; i++) {
        const double re = value(), im = is_complex(dtype) ? value() : 0;
        p[i] = re + im * I;
    }
    return p;
}

/* Rounds values to what the dtype holds, so that the host's matrix is the library's. */
static inline void round_values(da_dtype dtype, z *p, int64_t count)
{
    for (int64_t i = 0; i < count && eps_of(dtype) > 1e-10; i++)
        p[i] = (double)(float)creal(p[i]) + (double)(float)cimag(p[i]) * I;
}

/* c = op(a) op(b) for m x n, depth k; op 'N', 'T' or 'C'. */
static inline z *product(int64_t m, int64_t n, int64_t k, const z *a, char opa, const z *b, char opb)
{
    const z one = 1, zero = 0;
    z *c = new_values(m * n);
    const CBLAS_TRANSPOSE ta = opa == 'N' ? CblasNoTrans : opa == 'T' ? CblasTrans : CblasConjTrans;
    const CBLAS_TRANSPOSE tb = opb == 'N' ? CblasNoTrans : opb == 'T' ? CblasTrans : CblasConjTrans;

    if (m > 0 && n > 0 && k > 0)
        cblas_zgemm(CblasColMajor, ta, tb, (int)m, (int)n, (int)k, &one, a, (int)(opa == 'N' ? m : k), b,
                    (int)(opb == 'N' ? k : n), &zero, c, (int)m);
    return c;
}

static inline double norm(const z *a, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += creal(a[i]) * creal(a[i]) + cimag(a[i]) * cimag(a[i]);
    return sqrt(sum);
}

static inline double distance(const z *a, const z *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += creal(a[i] - b[i]) * creal(a[i] - b[i]) + cimag(a[i] - b[i]) * cimag(a[i] - b[i]);
    return sqrt(sum);
}

/* Hermitian positive definite with the given condition number: Q diag Q^H. */
static inline z *definite_values(da_dtype dtype, int64_t n, double cond)
{
    z *q = random_values(dtype, n, n), *scaled, *a;
    z *tau = new_values(n);

    if (n > 0) {
        ck_assert_int_eq(LAPACKE_zgeqrf(LAPACK_COL_MAJOR, (int)n, (int)n, q, (int)n, tau), 0);
        ck_assert_int_eq(LAPACKE_zungqr(LAPACK_COL_MAJOR, (int)n, (int)n, (int)n, q, (int)n, tau), 0);
    }
    scaled = new_values(n * n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++)
            scaled[i + j * n] = q[i + j * n] * pow(cond, n > 1 ? -(double)j / (double)(n - 1) : 0);
    a = product(n, n, n, scaled, 'N', q, 'C');
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++) {
            const z mean = (a[i + j * n] + conj(a[j + i * n])) / 2;
            a[i + j * n] = is_complex(dtype) ? mean : creal(mean);
            a[j + i * n] = conj(a[i + j * n]);
        }
    round_values(dtype, a, n * n);
    free(q);
    free(tau);
    free(scaled);
    return a;
}

/* ---- arrays ---- */

static inline void put(da_dtype dtype, void *to, int64_t i, z x)
{
    switch ((int)dtype) {
    case DA_F32: ((float *)to)[i] = (float)creal(x); break;
    case DA_F64: ((double *)to)[i] = creal(x); break;
    case DA_C64: ((da_c64 *)to)[i] = (da_c64){(float)creal(x), (float)cimag(x)}; break;
    case DA_C128: ((da_c128 *)to)[i] = (da_c128){creal(x), cimag(x)}; break;
    default: ck_abort_msg("dtype %d", (int)dtype);
    }
}

/* An m x n array of these values. */
static inline da_array *array_of(da_dtype dtype, int64_t m, int64_t n, const z *values)
{
    void *data = calloc((size_t)(m * n) + 1, da_dtype_size(dtype));
    da_array *a = NULL;

    for (int64_t i = 0; i < m * n; i++)
        put(dtype, data, i, values[i]);
    ck_ok(da_from_host(&a, dtype, DA_SHAPE(m, n), data, DA_COL_MAJOR));
    free(data);
    return a;
}

static inline da_array *vector_of(da_dtype dtype, int64_t n, const z *values)
{
    da_array *column = array_of(dtype, n, 1, values), *v = NULL;
    ck_ok(da_squeeze(&v, column, DA_AXES(1)));
    da_array_release(&column);
    return v;
}

enum { VIEW_PLAIN, VIEW_TRANSPOSED, VIEW_STEPS, VIEW_FLIPPED, VIEW_INSIDE, VIEW_PERMUTED, VIEWS };

/* The same as a view of some kind. */
static inline da_array *view_of(int kind, da_dtype dtype, int64_t m, int64_t n, const z *values)
{
    da_array *view = NULL, *base = NULL, *turned = NULL;
    z *p;

    switch (kind) {
    case VIEW_TRANSPOSED:
        p = new_values(m * n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++)
                p[j + i * n] = values[i + j * m];
        base = array_of(dtype, n, m, p);
        ck_ok(da_matrix_transpose(&view, base));
        break;
    case VIEW_STEPS:
        p = random_values(dtype, 2 * m, 3 * n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++)
                p[2 * i + 1 + (3 * j + 2) * 2 * m] = values[i + j * m];
        base = array_of(dtype, 2 * m, 3 * n, p);
        ck_ok(DA_SLICE(&view, base, DA_RANGE_STEP(1, 2 * m, 2), DA_RANGE_STEP(2, 3 * n, 3)));
        break;
    case VIEW_FLIPPED:
        p = new_values(m * n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++)
                p[m - 1 - i + (n - 1 - j) * m] = values[i + j * m];
        base = array_of(dtype, m, n, p);
        ck_ok(da_flip(&view, base, DA_ALL));
        break;
    case VIEW_INSIDE:
        p = random_values(dtype, m + 5, n + 3);
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++)
                p[i + 3 + (j + 2) * (m + 5)] = values[i + j * m];
        base = array_of(dtype, m + 5, n + 3, p);
        ck_ok(DA_SLICE(&view, base, DA_RANGE(3, m + 3), DA_RANGE(2, n + 2)));
        break;
    case VIEW_PERMUTED: { /* one matrix of (m, 2, n), whose storage has other axes innermost */
        void *data = calloc((size_t)(2 * m * n) + 1, da_dtype_size(dtype));
        p = NULL;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                put(dtype, data, (2 * i + 1) * n + j, values[i + j * m]);
        ck_ok(da_from_host(&base, dtype, DA_SHAPE(m, 2, n), data, DA_ROW_MAJOR));
        ck_ok(da_permute_dims(&turned, base, DA_AXES(1, 0, 2)));
        ck_ok(DA_SLICE(&view, turned, DA_AT(1)));
        free(data);
        break;
    }
    default: return array_of(dtype, m, n, values);
    }
    da_array_release(&base);
    da_array_release(&turned);
    free(p);
    return view;
}

/* The values of a matrix or vector. */
static inline z *host_of(const da_array *a)
{
    da_array *wide = NULL;
    z *p = new_values(da_array_size(a));

    ck_ok(da_astype(&wide, a, DA_C128));
    ck_ok(da_to_host(wide, p, (size_t)da_array_size(a) * sizeof *p, DA_COL_MAJOR));
    da_array_release(&wide);
    return p;
}

/* Entry (i, j) of host values with m rows outside the triangle becomes 0; unit: ones on the diagonal. */
static inline void keep_triangle(z *p, int64_t m, int64_t n, bool upper, bool unit)
{
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            if (upper ? i > j : i < j)
                p[i + j * m] = 0;
            if (unit && i == j)
                p[i + j * m] = 1;
        }
}

#define ck_below(what, ratio, limit, ...)                                                                    \
    do {                                                                                                     \
        const double ratio_ = (ratio);                                                                       \
        char text_[200];                                                                                     \
        snprintf(text_, sizeof text_, __VA_ARGS__);                                                          \
        if (getenv("DARRAY_TEST_RATIOS"))                                                                    \
            printf("%s %s: %.3g of %g\n", what, text_, ratio_, (double)(limit));                             \
        ck_assert_msg(ratio_ < (limit), "%s, %s: residual %g is not below %g", what, text_, ratio_,          \
                      (double)(limit));                                                                      \
    } while (0)

/* Sizes around the tile extent nb. */
static inline int64_t size_around(int i, int64_t nb)
{
    const int64_t sizes[] = {0, 1, nb - 1, nb, nb + 1, 3 * nb + 7};
    return sizes[i];
}
enum { SIZES = 6 };

#endif
