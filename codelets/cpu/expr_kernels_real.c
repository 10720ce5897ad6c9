/* SPDX-License-Identifier: BSD-3-Clause */
/* Elementwise kernels of f32 and f64. */
#include <math.h>
#include <float.h>

/* glibc's vector functions (libmvec), at most 4 ulp. gcc uses them under -ffast-math only, clang not at all, so they are declared
 * here by their names in the x86-64 vector ABI. Elsewhere it is libm, element by element. */
#if defined(DA_HAVE_LIBMVEC) && defined(__x86_64__) && defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 35)
#define HAVE_VECTOR_MATH 1
#endif
#endif

#include "cpu/expr_loops.h"

#ifdef HAVE_VECTOR_MATH
#if DA_CPU_LEVEL >= 4
#define VECTOR_BYTES 64
#define MVEC_F64(kind, f) CAT3(_ZGVeN8, kind, f)
#define MVEC_F32(kind, name) CAT3(_ZGVeN16, kind, name##f)
#elif DA_CPU_LEVEL >= 3
#define VECTOR_BYTES 32
#define MVEC_F64(kind, f) CAT3(_ZGVdN4, kind, f)
#define MVEC_F32(kind, name) CAT3(_ZGVdN8, kind, name##f)
#else
#define VECTOR_BYTES 16
#define MVEC_F64(kind, f) CAT3(_ZGVbN2, kind, f)
#define MVEC_F32(kind, name) CAT3(_ZGVbN4, kind, name##f)
#endif
typedef double vector_f64 __attribute__((vector_size(VECTOR_BYTES)));
typedef float vector_f32 __attribute__((vector_size(VECTOR_BYTES)));
#define DECLARE_VECTOR1(f)                                                                                   \
    vector_f64 MVEC_F64(v_, f)(vector_f64) __attribute__((const));                                           \
    vector_f32 MVEC_F32(v_, f)(vector_f32) __attribute__((const));
DECLARE_VECTOR1(exp)
DECLARE_VECTOR1(log)
DECLARE_VECTOR1(sin)
DECLARE_VECTOR1(cos)
DECLARE_VECTOR1(tanh)
vector_f64 MVEC_F64(vv_, pow)(vector_f64, vector_f64) __attribute__((const));
vector_f32 MVEC_F32(vv_, pow)(vector_f32, vector_f32) __attribute__((const));
#endif

#define WITH_BESIDE
#define FAMILY REAL
#define DTYPE f64
#define T double
#define R double
#define U double
#define M(name) name
#define HUGEST DBL_MAX
#define VECTOR vector_f64
#define MVEC1(f) MVEC_F64(v_, f)
#define MVEC2(f) MVEC_F64(vv_, f)
#include "expr_type.inc"

#undef HUGEST
#undef VECTOR
#undef MVEC1
#undef MVEC2
#define DTYPE f32
#define T float
#define R float
#define U float
#define M(name) name##f
#define HUGEST FLT_MAX
#define VECTOR vector_f32
#define MVEC1(f) MVEC_F32(v_, f)
#define MVEC2(f) MVEC_F32(vv_, f)
#include "expr_type.inc"
