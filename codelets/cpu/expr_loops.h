/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Macros that make kernels of the rows of expr_table.inc; expr_type.inc uses them once per element type and says what the names in
 * the table (T, R, U, M and functions in capitals) and these mean:
 *   DTYPE    name of the type, f64 say
 *   FAMILY   BOOLEAN, SIGNED, UNSIGNED, REAL or COMPLEX
 *   VECTOR, MVEC1(f), MVEC2(f)  for REAL with HAVE_VECTOR_MATH: a vector and the vector forms of libm's functions
 */
#ifndef DARRAY_CODELETS_EXPR_LOOPS_H
#define DARRAY_CODELETS_EXPR_LOOPS_H

#include "expr_program.h"
#include "cpu/expr_level.h"
#include <string.h>

#define FN(name) CAT3(name, _, DTYPE)

/* What the table's columns mean: how to define a kernel, and from what. */
#define DO_K(...) DEFINE_LOOP, (__VA_ARGS__)
#define DO_S(...) DEFINE_SCALAR_LOOP, (__VA_ARGS__)
#define DO_V(function) DEFINE_VECTOR, function
#define DO_F64 DEFINE_NOTHING, 0
#define DO_TRUTH DEFINE_NOTHING, 0
#define DO_NO DEFINE_NOTHING, 0
#define DEFINE(nargs, name, result, ...) DEFINE_(nargs, name, result, __VA_ARGS__)
#define DEFINE_(nargs, name, result, how, what) CAT2(how, nargs)(name, CAT2(TYPE_, result), what)
#define DEFINE_NOTHING1(name, type, what)
#define DEFINE_NOTHING2(name, type, what)

#define TYPE_SAME T
#define TYPE_BOOL uint8_t
#define TYPE_REAL R

#define SIMD _Pragma("omp simd")
#define DEFINE_LOOP1(name, type, what) LOOP1(name, type, what, SIMD)
#define DEFINE_SCALAR_LOOP1(name, type, what) LOOP1(name, type, what, )
#define DEFINE_LOOP2(name, type, what) LOOP2(name, type, what, SIMD)
#define DEFINE_SCALAR_LOOP2(name, type, what) LOOP2(name, type, what, )

#define LOOP1(name, type, what, pragma)                                                                      \
    static void FN(name##_v)(void *out, const void *a, const void *b, const void *c, int64_t n)              \
    {                                                                                                        \
        type *o = out;                                                                                       \
        const T *xs = a;                                                                                     \
        (void)b, (void)c;                                                                                    \
        pragma for (int64_t i = 0; i < n; i++)                                                               \
        {                                                                                                    \
            const T x = xs[i];                                                                               \
            (void)x;                                                                                         \
            o[i] = (type)what;                                                                               \
        }                                                                                                    \
    }

/* x_at and y_at: what element i of the operands is. */
#define LOOP2_VARIANT(name, type, what, pragma, x_at, y_at)                                                  \
    static void FN(name)(void *out, const void *a, const void *b, const void *c, int64_t n)                  \
    {                                                                                                        \
        type *o = out;                                                                                       \
        const T *xs = a, *ys = b;                                                                            \
        const T x0 = *xs, y0 = *ys;                                                                          \
        (void)c, (void)x0, (void)y0;                                                                         \
        pragma for (int64_t i = 0; i < n; i++)                                                               \
        {                                                                                                    \
            const T x = x_at, y = y_at;                                                                      \
            o[i] = (type)what;                                                                               \
        }                                                                                                    \
    }
#define LOOP2(name, type, what, pragma)                                                                      \
    LOOP2_VARIANT(name##_vv, type, what, pragma, xs[i], ys[i])                                               \
    LOOP2_VARIANT(name##_sv, type, what, pragma, x0, ys[i])                                                  \
    LOOP2_VARIANT(name##_vs, type, what, pragma, xs[i], y0)

/* Functions that have a vector form: chunks of whole vectors, the last one filled up with its first element, so that every element
 * goes through the same function. */
#ifdef HAVE_VECTOR_MATH
#define DEFINE_VECTOR1(name, type, function)                                                                 \
    static void FN(name##_v)(void *out, const void *a, const void *b, const void *c, int64_t n)              \
    {                                                                                                        \
        enum { W = sizeof(VECTOR) / sizeof(T) };                                                             \
        T *o = out;                                                                                          \
        const T *xs = a;                                                                                     \
        int64_t i = 0;                                                                                       \
        (void)b, (void)c;                                                                                    \
        for (; i + W <= n; i += W) {                                                                         \
            VECTOR x;                                                                                        \
            memcpy(&x, xs + i, sizeof x);                                                                    \
            x = MVEC1(function)(x);                                                                          \
            memcpy(o + i, &x, sizeof x);                                                                     \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            VECTOR x = xs[i] - (VECTOR){0};                                                                  \
            memcpy(&x, xs + i, (size_t)(n - i) * sizeof(T));                                                 \
            x = MVEC1(function)(x);                                                                          \
            memcpy(o + i, &x, (size_t)(n - i) * sizeof(T));                                                  \
        }                                                                                                    \
    }                                                                                                        \
    static void FN(name##_beside)(void *out, const void *a, void *root, const void *x, int64_t n)            \
    {                                                                                                        \
        enum { W = sizeof(VECTOR) / sizeof(T) };                                                             \
        T *o = out, *r = root;                                                                               \
        const T *as = a, *xs = x;                                                                            \
        const int64_t whole = n - n % W;                                                                     \
        for (int64_t i = 0; i < whole; i += W) {                                                             \
            VECTOR v;                                                                                        \
            T s[W];                                                                                          \
            memcpy(&v, as + i, sizeof v);                                                                    \
            SIMD for (int k = 0; k < W; k++) s[k] = M(sqrt)(xs[i + k]);                                      \
            memcpy(r + i, s, sizeof s);                                                                      \
            v = MVEC1(function)(v);                                                                          \
            memcpy(o + i, &v, sizeof v);                                                                     \
        }                                                                                                    \
        if (whole < n) {                                                                                     \
            FN(name##_v)(o + whole, as + whole, NULL, NULL, n - whole);                                      \
            FN(sqrt_v)(r + whole, xs + whole, NULL, NULL, n - whole);                                        \
        }                                                                                                    \
    }
#define VECTOR2_VARIANT(name, function, x_step, y_step)                                                      \
    static void FN(name)(void *out, const void *a, const void *b, const void *c, int64_t n)                  \
    {                                                                                                        \
        enum { W = sizeof(VECTOR) / sizeof(T) };                                                             \
        T *o = out;                                                                                          \
        const T *xs = a, *ys = b;                                                                            \
        VECTOR x = *xs - (VECTOR){0}, y = *ys - (VECTOR){0};                                                 \
        int64_t i = 0;                                                                                       \
        (void)c;                                                                                             \
        for (; i + W <= n; i += W) {                                                                         \
            VECTOR r;                                                                                        \
            if (x_step)                                                                                      \
                memcpy(&x, xs + i, sizeof x);                                                                \
            if (y_step)                                                                                      \
                memcpy(&y, ys + i, sizeof y);                                                                \
            r = MVEC2(function)(x, y);                                                                       \
            memcpy(o + i, &r, sizeof r);                                                                     \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            const size_t bytes = (size_t)(n - i) * sizeof(T);                                                \
            VECTOR r;                                                                                        \
            if (x_step)                                                                                      \
                memcpy(&x, xs + i, bytes);                                                                   \
            if (y_step)                                                                                      \
                memcpy(&y, ys + i, bytes);                                                                   \
            r = MVEC2(function)(x, y);                                                                       \
            memcpy(o + i, &r, bytes);                                                                        \
        }                                                                                                    \
    }
#define DEFINE_VECTOR2(name, type, function)                                                                 \
    VECTOR2_VARIANT(name##_vv, function, 1, 1)                                                               \
    VECTOR2_VARIANT(name##_sv, function, 0, 1)                                                               \
    VECTOR2_VARIANT(name##_vs, function, 1, 0)
#else
#define DEFINE_VECTOR1(name, type, function) LOOP1(name, type, M(function)(x), )
#define DEFINE_VECTOR2(name, type, function) LOOP2(name, type, M(function)(x, y), )
#endif

/* The table's column of this family. */
#define COLUMN_BOOLEAN(b, i, u, r, z) DO_##b
#define COLUMN_SIGNED(b, i, u, r, z) DO_##i
#define COLUMN_UNSIGNED(b, i, u, r, z) DO_##u
#define COLUMN_REAL(b, i, u, r, z) DO_##r
#define COLUMN_COMPLEX(b, i, u, r, z) DO_##z
#define COLUMN CAT2(COLUMN_, FAMILY)

/* For a second pass over the table: the kernels' names. */
#define NAME(nargs, name, ...) NAME_(nargs, name, __VA_ARGS__)
#define NAME_(nargs, name, how, what) CAT3(how, _NAME, nargs)(name)
#define DEFINE_LOOP_NAME1(name) [DA_OP_##name] = {FN(name##_v)},
#define DEFINE_LOOP_NAME2(name) [DA_OP_##name] = {FN(name##_vv), FN(name##_sv), FN(name##_vs)},
#define DEFINE_SCALAR_LOOP_NAME1(name) DEFINE_LOOP_NAME1(name)
#define DEFINE_SCALAR_LOOP_NAME2(name) DEFINE_LOOP_NAME2(name)
#define DEFINE_VECTOR_NAME1(name) DEFINE_LOOP_NAME1(name)
#define DEFINE_VECTOR_NAME2(name) DEFINE_LOOP_NAME2(name)
#define DEFINE_NOTHING_NAME1(name)
#define DEFINE_NOTHING_NAME2(name)

/* And for a third: the kernels with square roots beside them. */
#define BESIDE(nargs, name, ...) BESIDE_(nargs, name, __VA_ARGS__)
#define BESIDE_(nargs, name, how, what) CAT3(how, _BESIDE, nargs)(name)
#define DEFINE_LOOP_BESIDE1(name)
#define DEFINE_LOOP_BESIDE2(name)
#define DEFINE_SCALAR_LOOP_BESIDE1(name)
#define DEFINE_SCALAR_LOOP_BESIDE2(name)
#define DEFINE_VECTOR_BESIDE1(name) [DA_OP_##name] = BESIDE_KERNEL(name),
#define DEFINE_VECTOR_BESIDE2(name)
#define DEFINE_NOTHING_BESIDE1(name)
#define DEFINE_NOTHING_BESIDE2(name)
#ifdef HAVE_VECTOR_MATH
#define BESIDE_KERNEL(name) FN(name##_beside)
#else
#define BESIDE_KERNEL(name) NULL
#endif

#endif
