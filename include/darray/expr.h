/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file expr.h
 * Elementwise expressions and reductions.
 *
 * Elementwise functions build expressions; nothing is computed until da_eval(), da_assign() or a reduction runs the
 * whole expression in one fused pass, a task per tile. Arguments are arrays, expressions and numbers of any C type,
 * lifted by macros: da_eval(&c, da_divide(da_multiply(b, a), 3)).
 *
 * Shapes broadcast as in NumPy: aligned at the last axis, an extent 1 stretches. dtypes are promoted as in NumPy 2;
 * numbers are weak: they take the dtype of the arrays if it is of their kind or a higher one (bool, integer, real,
 * complex), so that f32 + 3.0 is f32, i32 + 3.0 is f64, f32 + 1i is c64, and u8 + 300 is an error. An operation on
 * numbers alone gives a number. Functions of real numbers (sqrt, exp, divide, ...) turn bool and integers into f64.
 * f16 and bf16 are for storage: beside a wider type they are converted, alone they are DA_ERROR_DTYPE.
 *
 * A da_expr is a value used up by the call that evaluates it (or by the builder that takes it in); it belongs to the
 * thread that made it and holds references to its arrays, which may be released meanwhile. A builder that fails
 * returns an expression that carries the error, with its sentence: da_eval() and the others report it.
 *
 * Precision: + - * / sqrt and conversions are rounded correctly, operation by operation (nothing is contracted). exp,
 * log, sin, cos, tanh and pow are within 4 ulp in f32 and f64 (largest seen: exp 2.9, log 3.8, sin and cos 3.4, tanh 1.4,
 * pow 1.0); where glibc's vector functions are missing they are libm's. Complex functions are libm's; complex products
 * and quotients are the schoolbook formula and Smith's method. The bits of an element depend on its operands' elements
 * alone, never on tiling, position, view, runtime or number of workers; accelerators keep the same bounds, not the same bits.
 */
#ifndef DARRAY_EXPR_H
#define DARRAY_EXPR_H

#include <darray/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An expression; opaque. {0} is none: using it is DA_ERROR_STALE. */
typedef struct da_expr {
    uint64_t id_;
} da_expr;

/** An array as an expression, as DA_X() makes it; holds a reference. Carries DA_ERROR_ARGUMENT for null and DA_ERROR_STALE
 *  for a released handle. */
DA_API da_expr da_x_array(const da_array *a);
/** A number as an expression. */
DA_API da_expr da_x_number(da_scalar value);
/** An expression as it is: for DA_X(). */
static inline da_expr da_x_expr(da_expr e)
{
    return e;
}
/** Give up an expression that will not be evaluated. None, and one that was used up, are fine. */
DA_API void da_expr_discard(da_expr e);

/* clang-format off */
/**
 * The elementwise functions of one argument: X(name) is da_name(x). Result of x's dtype unless said.
 * - negative, square: not for bool (DA_ERROR_DTYPE); integers wrap around.
 * - abs: real for complex x, without overflow on the way.
 * - sqrt, exp, log, sin, cos, tanh: of reals and complex numbers; bool and integers become f64. Outside of a real
 *   function's domain NaN, as in C.
 * - floor, ceil, round (half to even): integers as they are; floor and ceil not for complex.
 * - logical_not, isnan, isfinite: bool. conj, real, imag: for every dtype; real and imag of complex x are real.
 */
#define DA_UNARY_LIST(X)                                                                                     \
    X(negative) X(abs) X(sqrt) X(square) X(exp) X(log) X(sin) X(cos) X(tanh) X(floor) X(ceil) X(round)       \
    X(logical_not) X(isnan) X(isfinite) X(conj) X(real) X(imag)
/**
 * The elementwise functions of two arguments: X(name) is da_name(x, y). Shapes broadcast (DA_ERROR_SHAPE), dtypes are
 * promoted.
 * - add (or, for bool), subtract (not for bool), multiply (and, for bool): integers wrap around.
 * - divide: true division; bool and integers give f64.
 * - pow: integers wrap around, a negative exponent in an array of integers gives 1/x cut to an integer, a negative integer
 *   number as exponent is DA_ERROR_ARGUMENT; not for bool. x**2 is square(x).
 * - minimum, maximum: NaN if one of the two is; not for complex.
 * - equal, not_equal, less, less_equal, greater, greater_equal: bool; exact also between signed and unsigned integers and
 *   with numbers that the other's dtype cannot hold; only the first two for complex.
 * - logical_and, logical_or, logical_xor: bool, of x != 0 and y != 0.
 */
#define DA_BINARY_LIST(X)                                                                                    \
    X(add) X(subtract) X(multiply) X(divide) X(pow) X(minimum) X(maximum)                                    \
    X(equal) X(not_equal) X(less) X(less_equal) X(greater) X(greater_equal)                                  \
    X(logical_and) X(logical_or) X(logical_xor)
/* clang-format on */

#define DA_DECLARE_UNARY_(name) DA_API da_expr da_##name(da_expr x);
#define DA_DECLARE_BINARY_(name) DA_API da_expr da_##name(da_expr x, da_expr y);
DA_UNARY_LIST(DA_DECLARE_UNARY_)
DA_BINARY_LIST(DA_DECLARE_BINARY_)
#undef DA_DECLARE_UNARY_
#undef DA_DECLARE_BINARY_
/** x where `condition` (of any dtype: != 0) holds, y elsewhere, in the dtype that x and y are promoted to. */
DA_API da_expr da_where(da_expr condition, da_expr x, da_expr y);

/**
 * Evaluate into a new array, with the tiling and the order of memory of its largest operand.
 * @param out receives the array; left alone on an error. The values are there after da_wait() or whatever reads them.
 * @param e   an expression, array or number; used up, also on an error. A number alone gives an array without
 *            dimensions: bool, i64 (u64 where needed), f64 or c128.
 * @return the error that `e` carries; DA_ERROR_SHAPE, DA_ERROR_DTYPE, DA_ERROR_STALE (e was used before or by another
 *         thread), DA_ERROR_ARGUMENT, DA_ERROR_MEMORY, DA_ERROR_OVERFLOW. Faults of the operands pass on to the result.
 */
DA_NODISCARD da_status da_eval(da_array **out, da_expr e);
/**
 * Evaluate into an existing array or view, as dst[...] = e. All of `e` is read as if before any write: operands may
 * overlap dst in any way. (One that is dst itself is worked on in place, any other overlap goes through a temporary.)
 * @param dst keeps its dtype: values are converted if their kind (bool, integer, real, complex) is dst's or a lower one,
 *            DA_ERROR_DTYPE otherwise; a number must fit. Must not be a broadcast view (DA_ERROR_ARGUMENT).
 * @param e   its shape must broadcast to dst's (DA_ERROR_SHAPE); used up, also on an error.
 * @return as da_eval(); on an error dst is unchanged. A fault in dst goes away if all of its storage is overwritten.
 */
DA_NODISCARD da_status da_assign(da_array *dst, da_expr e);

/**
 * Evaluate text, what DA_EVAL() expands to. From the loosest to the tightest:
 * `?:`, `||`, `&&`, `|`, `^`, `&` (these three of bool), `== !=`, `< <= > >=`, `+ -`, `* /`, unary `- + !`, `**`.
 * `/` divides truly, `**` is pow and stands above the unary operators on its left as in Python; functions go by the names
 * above, where(c, x, y) and its like. Numbers are C's (12, 0xff, 1.5e-3, suffixes ignored) and imaginary ones (2i); pi, e,
 * inf, nan, true and false are known unless a value has that name.
 * @param names  the comma-separated names of the n values (0 to 64).
 * @param values expressions, each used up, whether named once, several times or never.
 * @return DA_ERROR_FORMAT, naming the column, for a syntax error or an unknown name; otherwise as da_eval().
 */
DA_NODISCARD da_status da_eval_text(da_array **out, const char *text, const char *names, int n,
                                    const da_expr *values);

/**
 * Reductions: X(name) is da_name(&out, e, axes, flags), a new array without the reduced axes (with DA_KEEPDIMS: they stay
 * with extent 1), asynchronous as da_eval(). `axes` is DA_ALL, DA_AXES(...), negative ones from the last, or DA_NO_AXES.
 * - sum, prod: bool and signed integers give i64, unsigned ones u64, wrapping around; others their own dtype. Sums are
 *   pairwise: their error grows with the logarithm of the number of elements. None: 0 and 1.
 * - min, max: NaN if an element is; DA_ERROR_DTYPE for complex, DA_ERROR_SHAPE where a reduced axis has no elements.
 * - mean: f64 for bool and integers. None: NaN.
 * - any, all: bool. None: false and true.
 * The order of combination depends on shapes, tilings and dtype only, so that repeated calls give the same bits.
 * @return as da_eval(); DA_ERROR_INDEX for an axis out of bounds or named twice, DA_ERROR_ARGUMENT for other flags.
 */
#define DA_REDUCTION_LIST(X) X(sum) X(prod) X(min) X(max) X(mean) X(any) X(all)
#define DA_DECLARE_REDUCTION_(name)                                                                          \
    DA_NODISCARD da_status da_##name(da_array **out, da_expr e, da_axes axes, unsigned flags);
DA_REDUCTION_LIST(DA_DECLARE_REDUCTION_)
#undef DA_DECLARE_REDUCTION_
/** Variance and standard deviation: sum |x - mean|^2 / (N - correction), in two passes; f64 for bool and integers, real for
 *  complex. No elements, or N <= correction: NaN (infinity where the sum is not 0). */
DA_NODISCARD da_status da_var(da_array **out, da_expr e, da_axes axes, double correction, unsigned flags);
DA_NODISCARD da_status da_std(da_array **out, da_expr e, da_axes axes, double correction, unsigned flags);
/** (sum |x|^ord)^(1/ord), real; ord may be INFINITY and -INFINITY (largest and smallest |x|), 0 (count of non-zeros), or any
 *  other number but NaN. With ord = 2 nothing overflows or vanishes on the way. */
DA_NODISCARD da_status da_vector_norm(da_array **out, da_expr e, da_axes axes, double ord, unsigned flags);
/** Index (i64) of the first minimum or maximum along one axis, or with DA_ALL of the C-order flattened array. NaN wins.
 *  Errors as da_min(). */
DA_NODISCARD da_status da_argmin(da_array **out, da_expr e, da_axes axes, unsigned flags);
DA_NODISCARD da_status da_argmax(da_array **out, da_expr e, da_axes axes, unsigned flags);

/** Over all elements into a C number: da_norm_all() is the Euclidean norm. These wait (DA_ERROR_STATE inside a task), and
 *  report faults and failed tasks; DA_ERROR_DTYPE where the result is complex. `value` is left alone on an error. */
DA_NODISCARD da_status da_sum_all(double *value, da_expr e);
DA_NODISCARD da_status da_mean_all(double *value, da_expr e);
DA_NODISCARD da_status da_min_all(double *value, da_expr e);
DA_NODISCARD da_status da_max_all(double *value, da_expr e);
DA_NODISCARD da_status da_norm_all(double *value, da_expr e);

#ifdef __cplusplus
}
static inline da_expr da_x_(da_expr e)
{
    return e;
}
static inline da_expr da_x_(const da_array *a)
{
    return da_x_array(a);
}
template <class T, class = decltype(da_number_(T()))> static inline da_expr da_x_(T x)
{
    return da_x_number(da_number_(x));
}
template <class... V>
[[nodiscard]] static inline da_status da_eval_(da_array **out, const char *text, const char *names,
                                               const V &...v)
{
    const da_expr list[] = {da_x_(v)...};
    return da_eval_text(out, text, names, int(sizeof...(v)), list);
}
#define DA_X(x) da_x_(x)
#define DA_EVAL(out, expr, ...) da_eval_((out), #expr, #__VA_ARGS__, __VA_ARGS__)
#else
#define DA_LIFT_NUMBER_(name, type, make)                                                                    \
    static inline da_expr da_x_##name##_(type x)                                                             \
    {                                                                                                        \
        return da_x_number(make(x));                                                                         \
    }
DA_LIFT_NUMBER_(i, int64_t, da_number_i_)
DA_LIFT_NUMBER_(u, uint64_t, da_number_u_)
DA_LIFT_NUMBER_(f, double, da_number_f_)
DA_LIFT_NUMBER_(z, double _Complex, da_number_z_)
DA_LIFT_NUMBER_(b, bool, da_number_b_)
#undef DA_LIFT_NUMBER_
#define DA_LIFT_(x)                                                                                          \
    _Generic((x), da_array *                                                                                 \
             : da_x_array, const da_array *                                                                  \
             : da_x_array, da_expr                                                                           \
             : da_x_expr, da_scalar                                                                          \
             : da_x_number, _Bool                                                                            \
             : da_x_b_, char                                                                                 \
             : da_x_i_, signed char                                                                          \
             : da_x_i_, short                                                                                \
             : da_x_i_, int                                                                                  \
             : da_x_i_, long                                                                                 \
             : da_x_i_, long long                                                                            \
             : da_x_i_, unsigned char                                                                        \
             : da_x_u_, unsigned short                                                                       \
             : da_x_u_, unsigned                                                                             \
             : da_x_u_, unsigned long                                                                        \
             : da_x_u_, unsigned long long                                                                   \
             : da_x_u_, float                                                                                \
             : da_x_f_, double                                                                               \
             : da_x_f_, float _Complex                                                                       \
             : da_x_z_, double _Complex                                                                      \
             : da_x_z_)
#define DA_PASTE_(a, b) a##b
#define DA_X3_(x, v)                                                                                         \
    __extension__({                                                                                          \
        __auto_type v = (x);                                                                                 \
        DA_LIFT_(v)(v);                                                                                      \
    })
#define DA_X2_(x, n) DA_X3_(x, DA_PASTE_(da_x_, n))
/** Lift an array, number or expression. Names x once, so that nested calls do not double the text at every level. */
#define DA_X(x) DA_X2_(x, __COUNTER__)
#define DA_MAP1_(a) DA_X(a)
#define DA_MAP2_(a, ...) DA_X(a), DA_MAP1_(__VA_ARGS__)
#define DA_MAP3_(a, ...) DA_X(a), DA_MAP2_(__VA_ARGS__)
#define DA_MAP4_(a, ...) DA_X(a), DA_MAP3_(__VA_ARGS__)
#define DA_MAP5_(a, ...) DA_X(a), DA_MAP4_(__VA_ARGS__)
#define DA_MAP6_(a, ...) DA_X(a), DA_MAP5_(__VA_ARGS__)
#define DA_MAP7_(a, ...) DA_X(a), DA_MAP6_(__VA_ARGS__)
#define DA_MAP8_(a, ...) DA_X(a), DA_MAP7_(__VA_ARGS__)
#define DA_MAP9_(a, ...) DA_X(a), DA_MAP8_(__VA_ARGS__)
#define DA_MAP10_(a, ...) DA_X(a), DA_MAP9_(__VA_ARGS__)
#define DA_MAP11_(a, ...) DA_X(a), DA_MAP10_(__VA_ARGS__)
#define DA_MAP12_(a, ...) DA_X(a), DA_MAP11_(__VA_ARGS__)
#define DA_MAP13_(a, ...) DA_X(a), DA_MAP12_(__VA_ARGS__)
#define DA_MAP14_(a, ...) DA_X(a), DA_MAP13_(__VA_ARGS__)
#define DA_MAP15_(a, ...) DA_X(a), DA_MAP14_(__VA_ARGS__)
#define DA_MAP16_(a, ...) DA_X(a), DA_MAP15_(__VA_ARGS__)
#define DA_PICK_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, pick, ...) pick
#define DA_LIFT_ALL_(...)                                                                                    \
    DA_PICK_(__VA_ARGS__, DA_MAP16_, DA_MAP15_, DA_MAP14_, DA_MAP13_, DA_MAP12_, DA_MAP11_, DA_MAP10_,       \
             DA_MAP9_, DA_MAP8_, DA_MAP7_, DA_MAP6_, DA_MAP5_, DA_MAP4_, DA_MAP3_, DA_MAP2_, DA_MAP1_, 0)    \
    (__VA_ARGS__)
/** DA_EVAL(&C, B * A / 3, B, A): array notation, evaluated into a new array; name each array and variable used (1 to 16). */
#define DA_EVAL(out, expr, ...)                                                                              \
    __extension__({                                                                                          \
        const da_expr da_values_[] = {DA_LIFT_ALL_(__VA_ARGS__)};                                            \
        da_eval_text((out), #expr, #__VA_ARGS__, (int)(sizeof da_values_ / sizeof *da_values_), da_values_); \
    })
#endif

/* Each macro lifts its arguments and calls the function of the same name. */
#define da_negative(x) (da_negative)(DA_X(x))
#define da_abs(x) (da_abs)(DA_X(x))
#define da_sqrt(x) (da_sqrt)(DA_X(x))
#define da_square(x) (da_square)(DA_X(x))
#define da_exp(x) (da_exp)(DA_X(x))
#define da_log(x) (da_log)(DA_X(x))
#define da_sin(x) (da_sin)(DA_X(x))
#define da_cos(x) (da_cos)(DA_X(x))
#define da_tanh(x) (da_tanh)(DA_X(x))
#define da_floor(x) (da_floor)(DA_X(x))
#define da_ceil(x) (da_ceil)(DA_X(x))
#define da_round(x) (da_round)(DA_X(x))
#define da_logical_not(x) (da_logical_not)(DA_X(x))
#define da_isnan(x) (da_isnan)(DA_X(x))
#define da_isfinite(x) (da_isfinite)(DA_X(x))
#define da_conj(x) (da_conj)(DA_X(x))
#define da_real(x) (da_real)(DA_X(x))
#define da_imag(x) (da_imag)(DA_X(x))
#define da_add(x, y) (da_add)(DA_X(x), DA_X(y))
#define da_subtract(x, y) (da_subtract)(DA_X(x), DA_X(y))
#define da_multiply(x, y) (da_multiply)(DA_X(x), DA_X(y))
#define da_divide(x, y) (da_divide)(DA_X(x), DA_X(y))
#define da_pow(x, y) (da_pow)(DA_X(x), DA_X(y))
#define da_minimum(x, y) (da_minimum)(DA_X(x), DA_X(y))
#define da_maximum(x, y) (da_maximum)(DA_X(x), DA_X(y))
#define da_equal(x, y) (da_equal)(DA_X(x), DA_X(y))
#define da_not_equal(x, y) (da_not_equal)(DA_X(x), DA_X(y))
#define da_less(x, y) (da_less)(DA_X(x), DA_X(y))
#define da_less_equal(x, y) (da_less_equal)(DA_X(x), DA_X(y))
#define da_greater(x, y) (da_greater)(DA_X(x), DA_X(y))
#define da_greater_equal(x, y) (da_greater_equal)(DA_X(x), DA_X(y))
#define da_logical_and(x, y) (da_logical_and)(DA_X(x), DA_X(y))
#define da_logical_or(x, y) (da_logical_or)(DA_X(x), DA_X(y))
#define da_logical_xor(x, y) (da_logical_xor)(DA_X(x), DA_X(y))
#define da_where(c, x, y) (da_where)(DA_X(c), DA_X(x), DA_X(y))
#define da_eval(out, e) (da_eval)((out), DA_X(e))
#define da_assign(dst, e) (da_assign)((dst), DA_X(e))
#define da_sum(out, e, axes, flags) (da_sum)((out), DA_X(e), (axes), (flags))
#define da_prod(out, e, axes, flags) (da_prod)((out), DA_X(e), (axes), (flags))
#define da_min(out, e, axes, flags) (da_min)((out), DA_X(e), (axes), (flags))
#define da_max(out, e, axes, flags) (da_max)((out), DA_X(e), (axes), (flags))
#define da_mean(out, e, axes, flags) (da_mean)((out), DA_X(e), (axes), (flags))
#define da_any(out, e, axes, flags) (da_any)((out), DA_X(e), (axes), (flags))
#define da_all(out, e, axes, flags) (da_all)((out), DA_X(e), (axes), (flags))
#define da_var(out, e, axes, correction, flags) (da_var)((out), DA_X(e), (axes), (correction), (flags))
#define da_std(out, e, axes, correction, flags) (da_std)((out), DA_X(e), (axes), (correction), (flags))
#define da_vector_norm(out, e, axes, ord, flags) (da_vector_norm)((out), DA_X(e), (axes), (ord), (flags))
#define da_argmin(out, e, axes, flags) (da_argmin)((out), DA_X(e), (axes), (flags))
#define da_argmax(out, e, axes, flags) (da_argmax)((out), DA_X(e), (axes), (flags))
#define da_sum_all(value, e) (da_sum_all)((value), DA_X(e))
#define da_mean_all(value, e) (da_mean_all)((value), DA_X(e))
#define da_min_all(value, e) (da_min_all)((value), DA_X(e))
#define da_max_all(value, e) (da_max_all)((value), DA_X(e))
#define da_norm_all(value, e) (da_norm_all)((value), DA_X(e))

#endif
