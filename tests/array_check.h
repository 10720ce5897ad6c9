/* What tests of arrays share. */
#ifndef DARRAY_ARRAY_CHECK_H
#define DARRAY_ARRAY_CHECK_H

#include "test.h"
#include <complex.h>
#include <math.h>
#include <stdint.h>

/* Every dtype, for tests that loop. */
enum { DTYPES = DA_C128 };

/* 0, 1, 2, ... as an array of the shape. */
static inline da_array *counted(da_dtype dtype, da_shape shape)
{
    int64_t n = 1;
    da_array *flat, *wide, *a;
    for (int k = 0; k < shape.ndim; k++)
        n *= shape.dim[k];
    ck_ok(da_arange(&flat, DA_I64, 0, n, 1));
    ck_ok(da_astype(&wide, flat, dtype));
    ck_ok(da_reshape(&a, wide, shape));
    da_array_release(&flat);
    da_array_release(&wide);
    return a;
}

/* The array has these values, given in C order, and this shape. */
#define ck_values(a, shape, ...) ck_values_(a, shape, (const double[]){__VA_ARGS__}, __FILE__, __LINE__)
static inline void ck_values_(const da_array *a, da_shape shape, const double *expected, const char *file,
                              int line)
{
    double values[4096];
    da_array *wide;
    const da_shape own = da_array_shape(a);
    ck_assert_msg(own.ndim == shape.ndim, "%s:%d: %d dimensions instead of %d", file, line, own.ndim,
                  shape.ndim);
    for (int k = 0; k < shape.ndim; k++)
        ck_assert_msg(own.dim[k] == shape.dim[k], "%s:%d: extent %lld of axis %d instead of %lld", file, line,
                      (long long)own.dim[k], k, (long long)shape.dim[k]);
    ck_ok(da_astype(&wide, a, DA_F64));
    ck_ok(da_to_host(wide, values, sizeof values, DA_ROW_MAJOR));
    da_array_release(&wide);
    for (int64_t i = 0; i < da_array_size(a); i++)
        ck_assert_msg(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])),
                      "%s:%d: element %lld is %.17g instead of %.17g", file, line, (long long)i, values[i],
                      expected[i]);
}

/* The call fails as expected and does not touch the output, which is `out`. */
#define ck_makes_nothing(call, out, expected, text)                                                          \
    do {                                                                                                     \
        da_array *const before_ = (da_array *)(uintptr_t)0x1234;                                             \
        (out) = before_;                                                                                     \
        ck_fails(call, expected, text);                                                                      \
        ck_assert_ptr_eq(out, before_);                                                                      \
        (out) = NULL;                                                                                        \
    } while (0)

#endif
