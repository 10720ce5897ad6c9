/* Matrices that factorisations find hard: prescribed spectra, grading, dependence, growth, and the ends of the range of numbers. Values on
 * the host are of size 1; an array has them times a power of two (hard_scale()), so that residuals can be computed without overflow. */
#ifndef DARRAY_HARD_MATRICES_H
#define DARRAY_HARD_MATRICES_H

#include "linalg_check.h"

/* Singular values, largest first, of condition `cond`. */
enum {
    SPECTRUM_RANDOM,
    SPECTRUM_GEOMETRIC,
    SPECTRUM_ARITHMETIC,
    SPECTRUM_CLUSTERED,
    SPECTRUM_ONE_LARGE,
    SPECTRA
};

static inline double singular_value(int spectrum, double cond, int64_t i, int64_t k)
{
    const double at = k > 1 ? (double)i / (double)(k - 1) : 0;

    if (k < 2)
        return 1;
    switch (spectrum) {
    case SPECTRUM_RANDOM: return i == 0 ? 1 : i == k - 1 ? 1 / cond : pow(cond, -(value() + 1) / 2);
    case SPECTRUM_GEOMETRIC: return pow(cond, -at);
    case SPECTRUM_ARITHMETIC: return 1 - at * (1 - 1 / cond);
    case SPECTRUM_CLUSTERED: return i < k - 1 ? 1 : 1 / cond;
    default: return i > 0 ? 1 / cond : 1;
    }
}

/* m x k with orthonormal columns; m >= k. */
static inline z *orthonormal(da_dtype dtype, int64_t m, int64_t k)
{
    z *q = random_values(dtype, m, k), *tau = new_values(k);

    if (k > 0) {
        ck_assert_int_eq(LAPACKE_zgeqrf(LAPACK_COL_MAJOR, (int)m, (int)k, q, (int)m, tau), 0);
        ck_assert_int_eq(LAPACKE_zungqr(LAPACK_COL_MAJOR, (int)m, (int)k, (int)k, q, (int)m, tau), 0);
    }
    free(tau);
    return q;
}

/* U diag(s) V^H; Hermitian positive definite (V = U) if `definite`. */
static inline z *with_spectrum(da_dtype dtype, int64_t m, int64_t n, int spectrum, double cond, bool definite)
{
    const int64_t k = m < n ? m : n;
    z *u = orthonormal(dtype, m, k), *v = definite ? u : orthonormal(dtype, n, k),
      *scaled = new_values(m * k), *a;

    for (int64_t j = 0; j < k; j++) {
        const double s = singular_value(spectrum, cond, j, k);
        for (int64_t i = 0; i < m; i++)
            scaled[i + j * m] = s * u[i + j * m];
    }
    a = product(m, n, k, scaled, 'N', v, 'C');
    for (int64_t j = 0; j < n && definite; j++)
        for (int64_t i = 0; i <= j; i++) {
            a[i + j * n] = i == j ? creal(a[i + j * n]) : (a[i + j * n] + conj(a[j + i * n])) / 2;
            a[j + i * n] = conj(a[i + j * n]);
        }
    round_values(dtype, a, m * n);
    if (!definite)
        free(v);
    free(u);
    free(scaled);
    return a;
}

enum {
    HARD_SPECTRUM, /* of these there are SPECTRA for each of HARD_CONDS */
    HARD_GRADED_ROWS,
    HARD_GRADED_COLUMNS,
    HARD_DEPENDENT,
    HARD_ONES,
    HARD_HILBERT,
    HARD_KAHAN,
    HARD_WILKINSON,
    HARD_VANDERMONDE,
    HARD_TRIANGULAR,
    HARD_PERMUTATION,
    HARD_ZERO,
    HARD_ZERO_ROW,
    HARD_ZERO_COLUMN,
    HARD_ZERO_BLOCK,
    HARD_HUGE,
    HARD_TINY,
    HARD_DENORMAL,
    HARD_KINDS
};
static const double hard_conds[] = {1, 1e4, 1e8, 1e12};
enum { HARD_CONDS = 4 };

static const char *const hard_names[] = {"of a given spectrum",
                                         "graded rows",
                                         "graded columns",
                                         "dependent columns",
                                         "ones",
                                         "Hilbert's",
                                         "Kahan's",
                                         "Wilkinson's",
                                         "Vandermonde's",
                                         "triangular",
                                         "permuted",
                                         "zero",
                                         "a zero row",
                                         "zero column",
                                         "zero blocks",
                                         "huge",
                                         "tiny",
                                         "denormal"};

/* The array has the values times 2 to this. */
static inline int hard_scale(int kind, da_dtype dtype)
{
    const bool wide = eps_of(dtype) < 1e-10;

    switch (kind) {
    case HARD_HUGE: return wide ? 996 : 120;   /* 1e300, 1e36 */
    case HARD_TINY: return wide ? -996 : -116; /* 1e-300, 1e-35 */
    case HARD_DENORMAL:
        return wide ? -1044 : -134; /* below the smallest normal number; it leaves 30 and 15 bits */
    default: return 0;
    }
}

/* The relative accuracy that numbers of this size have. */
static inline double hard_eps(int kind, da_dtype dtype)
{
    return kind != HARD_DENORMAL ? eps_of(dtype) : eps_of(dtype) < 1e-10 ? 0x1p-30 : 0x1p-15;
}

/* What the dtype makes of values times 2^scale, again of size 1. */
static inline void round_scaled(da_dtype dtype, z *p, int64_t count, int scale)
{
    for (int64_t i = 0; i < count; i++)
        p[i] = ldexp(creal(p[i]), scale) + ldexp(cimag(p[i]), scale) * I;
    round_values(dtype, p, count);
    for (int64_t i = 0; i < count; i++)
        p[i] = ldexp(creal(p[i]), -scale) + ldexp(cimag(p[i]), -scale) * I;
}

/* A column-major m x n matrix of a kind; spectrum and cond are HARD_SPECTRUM's. */
static inline z *hard_values(int kind, int spectrum, double cond, da_dtype dtype, int64_t m, int64_t n)
{
    const int64_t k = m < n ? m : n;
    z *a;

    if (kind == HARD_SPECTRUM)
        return with_spectrum(dtype, m, n, spectrum, cond, false);
    a = random_values(dtype, m, n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            z *const x = &a[i + j * m];
            const double turn = 1.2;

            switch (kind) {
            case HARD_GRADED_ROWS: *x *= exp2(-20.0 * (double)i / (double)m); break;
            case HARD_GRADED_COLUMNS: *x *= exp2(-20.0 * (double)j / (double)n); break;
            case HARD_DEPENDENT: /* small integers: column 3 + 2c is 2 column 2c - column 2c + 1 */
                *x = round(8 * creal(*x)) + (is_complex(dtype) ? round(8 * cimag(*x)) * I : 0);
                if (j >= 3 && j % 2 == 1)
                    *x = 2 * a[i + (j - 3) * m] - a[i + (j - 2) * m];
                break;
            case HARD_ONES: *x = 1; break;
            case HARD_HILBERT: *x = 1 / (double)(i + j + 1); break;
            case HARD_KAHAN: *x = pow(sin(turn), (double)i) * (i == j ? 1 : i < j ? -cos(turn) : 0); break;
            case HARD_WILKINSON:
                *x = (i == j || j == n - 1) ? 1 + *x / 1000 : i > j ? -1 + *x / 1000 : 0;
                break;
            case HARD_VANDERMONDE: *x = pow(cos((double)i + 0.5), (double)j); break;
            case HARD_TRIANGULAR: *x = i > j ? 0 : i == j ? 2 + *x : *x / 4; break;
            case HARD_PERMUTATION: *x = i == (j * 5 + 2) % m; break;
            case HARD_ZERO: *x = 0; break;
            case HARD_ZERO_ROW: *x = i == m / 2 || i == 0 ? 0 : *x; break;
            case HARD_ZERO_COLUMN: *x = j == n / 2 || j == n - 1 ? 0 : *x; break;
            case HARD_ZERO_BLOCK: *x = i / 5 % 2 == j / 5 % 2 ? *x : 0; break;
            default: break;
            }
        }
    for (int64_t i = 0; i < k && kind == HARD_ZERO_BLOCK; i++)
        a[i + i * m] += 3;
    round_scaled(dtype, a, m * n, hard_scale(kind, dtype));
    return a;
}

/* An array with these values times 2^scale, as a view of some kind, and back. */
static inline da_array *scaled_array(int view, da_dtype dtype, int64_t m, int64_t n, const z *values,
                                     int scale)
{
    z *p = new_values(m * n);
    da_array *a;

    for (int64_t i = 0; i < m * n; i++)
        p[i] = ldexp(creal(values[i]), scale) + ldexp(cimag(values[i]), scale) * I;
    a = view_of(view, dtype, m, n, p);
    free(p);
    return a;
}

static inline z *scaled_host(const da_array *a, int scale)
{
    z *p = host_of(a);

    for (int64_t i = 0; i < da_array_size(a); i++)
        p[i] = ldexp(creal(p[i]), -scale) + ldexp(cimag(p[i]), -scale) * I;
    return p;
}

#endif
