/* Matrices with prescribed spectra and what the tests of eigenvalues and singular values check. */
#ifndef DARRAY_SPECTRAL_CHECK_H
#define DARRAY_SPECTRAL_CHECK_H

#include "linalg_check.h"

enum { RANDOM, GEOMETRIC, CLUSTERED, ONE_TINY, REPEATED, ZERO, SPECTRA };
static const char *const spectrum_names[] = {"random",   "geometric", "clustered",
                                             "one tiny", "repeated",  "zero"};

/* Value j of n, of sizes 1 to 1 / cond; the first is 1 unless all are 0. */
static inline double spectral_value(int spectrum, double cond, int64_t j, int64_t n)
{
    switch (spectrum) {
    case RANDOM: return j == 0 ? 1 : fabs(value());
    case GEOMETRIC: return pow(cond, n > 1 ? -(double)j / (double)(n - 1) : 0);
    case CLUSTERED: return j == 0 ? 1 : 1 / cond * (1 + 1e-10 * (double)j);
    case ONE_TINY: return j == n - 1 && n > 1 ? 1 / cond : 1;
    case REPEATED: return j < n / 3 || j == 0 ? 1 : j < n / 2 ? 0.5 : 0;
    default: return 0;
    }
}

/* m x k with orthonormal columns, k <= m. */
static inline z *orthonormal_values(da_dtype dtype, int64_t m, int64_t k)
{
    z *q = random_values(dtype, m, k), *tau = new_values(k);

    if (k > 0) {
        ck_assert_int_eq(LAPACKE_zgeqrf(LAPACK_COL_MAJOR, (int)m, (int)k, q, (int)m, tau), 0);
        ck_assert_int_eq(LAPACKE_zungqr(LAPACK_COL_MAJOR, (int)m, (int)k, (int)k, q, (int)m, tau), 0);
    }
    free(tau);
    return q;
}

/* ||I - Q^H Q|| / (n eps) for the columns of an m x k matrix, or with rows those of its conjugate transpose */
static inline void check_unitary(const z *q, int64_t m, int64_t k, bool rows, double eps, const char *what)
{
    z *gram = rows ? product(m, m, k, q, 'N', q, 'C') : product(k, k, m, q, 'C', q, 'N');
    const int64_t n = rows ? m : k;

    for (int64_t i = 0; i < n; i++)
        gram[i + i * n] -= 1;
    if (n > 0)
        ck_below(what, norm(gram, n * n) / ((double)(m > k ? m : k) * eps), 30, "%d x %d orthonormal", (int)m,
                 (int)k);
    free(gram);
}

/* The largest difference of two lists of reals. */
static inline double difference(const z *got, const double *expected, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, isnan(creal(got[i])) ? INFINITY
                                               : fabs(creal(got[i]) - expected[i]) + fabs(cimag(got[i])));
    return most;
}

#endif
