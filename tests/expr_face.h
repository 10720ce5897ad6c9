/* SPDX-License-Identifier: BSD-3-Clause */
/* The macros of <darray/expr.h> as a user writes them, in the subset that C11 and C++17 share: included by test_expr.c and
 * test_expr_cpp.cpp. expr_face() returns null, or what went wrong. */
#ifndef DARRAY_TESTS_EXPR_FACE_H
#define DARRAY_TESTS_EXPR_FACE_H

#include <darray/darray.h>

#define FACE_OK(call)                                                                                        \
    do {                                                                                                     \
        if ((call) != DA_OK)                                                                                 \
            return #call;                                                                                    \
    } while (0)
#define FACE_VALUE(array, expected)                                                                          \
    do {                                                                                                     \
        double value_ = 0;                                                                                   \
        FACE_OK(da_max_all(&value_, array));                                                                 \
        if (value_ != (expected))                                                                            \
            return #array " is not " #expected;                                                              \
        FACE_OK(da_min_all(&value_, array));                                                                 \
        if (value_ != (expected))                                                                            \
            return #array " is not " #expected " everywhere";                                                \
    } while (0)

#define FACE_4(x) da_add(da_multiply(da_subtract(da_add(x, 1), 1), 1), 0)
#define FACE_20(x) FACE_4(FACE_4(FACE_4(FACE_4(FACE_4(x)))))

static inline const char *expr_face(void)
{
    DA_AUTO da_array *a = NULL, *b = NULL, *c = NULL, *m = NULL;
    const da_array *constant;
    da_expr e;
    double total = 0;
    const float half = 0.5f;
    const unsigned char one = 1;
    const bool yes = true;

    FACE_OK(da_full(&a, DA_F64, DA_SHAPE(5, 7), 2));
    constant = a;
    FACE_OK(da_eval(&b, da_divide(da_multiply(a, constant), 4))); /* 1 */
    FACE_VALUE(b, 1.0);
    da_array_release(&b);
    FACE_OK(da_eval(&b, da_add(da_pow(a, 3), da_where(da_less(a, 3), half, one)))); /* 8.5 */
    FACE_VALUE(b, 8.5);
    da_array_release(&b);
    FACE_OK(da_eval(&b, FACE_20(a)));
    FACE_VALUE(b, 2.0);
    FACE_OK(da_assign(b, da_logical_and(da_greater(a, 1), yes)));
    FACE_VALUE(b, 1.0);
    FACE_OK(da_assign(b, 3.25));
    FACE_VALUE(b, 3.25);
    FACE_OK(da_assign(b, DA_NUMBER(7u)));
    FACE_VALUE(b, 7.0);
    e = da_sqrt(da_add(a, 2));
    e = da_add(e, a);
    FACE_OK(da_sum_all(&total, e));
    if (total != 35 * 4.0)
        return "da_sum_all";
    FACE_OK(da_sum(&m, da_square(a), DA_AXES(0, -1), DA_KEEPDIMS));
    if (da_array_ndim(m) != 2)
        return "da_sum with DA_KEEPDIMS";
    FACE_VALUE(m, 140.0);
    FACE_OK(DA_EVAL(&c, a * 2 + half - one, a, half, one));
    FACE_VALUE(c, 3.5);
    e = da_exp(a);
    da_expr_discard(e);
    return NULL;
}

#endif
