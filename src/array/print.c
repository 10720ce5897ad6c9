/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays as NumPy prints them (str() with its default options): at most 8 digits behind the point, the same width for all elements,
 * lines of 75 characters, and beyond 1000 elements only the first and last three along every axis.
 */
#include "array/array.h"
#include "array/text.h"
#include "codelets/array_kernels.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { THRESHOLD = 1000, EDGE = 3, WIDTH = 75, PRECISION = 8 };

/* How all floats of an array are printed. */
typedef struct float_format {
    da_dtype dtype;
    bool plus; /* a sign before positive numbers as well */
    bool exponential;
    int precision;           /* exponential: digits behind the point */
    int pad_left, pad_right; /* characters before and behind the point */
    int exponent_digits;
} float_format;

/* What is printed: the shown elements in C order, in the widest type of their kind. */
typedef struct shown {
    int kind; /* as in da_scalar */
    da_dtype real;
    int ndim;
    int64_t extent[DA_MAX_NDIM]; /* of the array */
    int64_t count[DA_MAX_NDIM];  /* of what is shown along the axis */
    int64_t total;
    void *values;
    float_format re, im;
    int width; /* of integers */
} shown;

/* A finite number with at most PRECISION digits behind the point (behind the first digit, if exponential), without zeros at the end. */
static void limited(decimal *d, double x, da_dtype dtype, bool exponential)
{
    char s[400];
    decimal_shortest(d, x, dtype);
    const int behind = exponential ? d->n - 1 : d->n - d->point;
    if (behind <= PRECISION)
        return;
    /* rounded from the exact value, as a second rounding of the digits could differ */
    if (exponential) {
        snprintf(s, sizeof s, "%.*e", PRECISION, fabs(x));
        const char *e = strchr(s, 'e');
        d->point = (int)strtol(e + 1, NULL, 10) + 1;
        d->n = 0;
        for (const char *p = s; p < e; p++)
            if (*p != '.')
                d->digits[d->n++] = *p;
    } else {
        snprintf(s, sizeof s, "%.*f", PRECISION, fabs(x));
        const char *p = s;
        while (*p == '0')
            p++;
        d->n = 0;
        d->point = (int)(strchr(s, '.') - p);
        if (*p == '.') {
            p++;
            d->point = 0;
            while (*p == '0') {
                p++;
                d->point--;
            }
        }
        for (; *p; p++)
            if (*p != '.')
                d->digits[d->n++] = *p;
    }
    while (d->n > 1 && d->digits[d->n - 1] == '0')
        d->n--;
    if (d->n == 0) {
        d->n = 1;
        d->point = 1;
        d->digits[0] = '0';
    }
    d->digits[d->n] = 0;
}

static double value_at(const double *x, int64_t i, int parts, int part)
{
    return x[parts * i + part];
}

/* Looks at all n numbers, of which there are `parts` side by side. */
static void float_format_of(float_format *f, const double *x, int64_t n, int parts, int part, da_dtype dtype,
                            bool plus)
{
    double most = 0, least = INFINITY;
    bool finite = false, special = false, negative_infinity = plus;

    *f = (float_format){.dtype = dtype, .plus = plus};
    for (int64_t i = 0; i < n; i++) {
        const double v = value_at(x, i, parts, part), m = fabs(v);
        if (!isfinite(v)) {
            special = true;
            negative_infinity = negative_infinity || (isinf(v) && v < 0);
            continue;
        }
        finite = true;
        if (m > most)
            most = m;
        if (m != 0 && m < least)
            least = m;
    }
    if (most > 0) {
        double ratio = most / least; /* in the array's own precision */
        if (dtype == DA_F32)
            ratio = (double)((float)most / (float)least);
        else if (dtype == DA_F16 && ratio < 65520) {
            kernel_element e;
            kernel_line_for(DA_F16, DA_F64)(1, &e, 1, &ratio, 1);
            kernel_line_for(DA_F64, DA_F16)(1, &ratio, 1, &e, 1);
        }
        f->exponential = most >= 1e8 || least < 0.0001 || ratio > 1000.0;
    }
    for (int64_t i = 0; i < n && finite; i++) {
        decimal d;
        const double v = value_at(x, i, parts, part);
        int left, right;
        if (!isfinite(v))
            continue;
        limited(&d, v, dtype, f->exponential);
        if (f->exponential) {
            const int e = d.point > 0 ? d.point - 1 : 1 - d.point;
            const int digits = e >= 100 ? 3 : 2;
            left = 1;
            right = d.n - 1;
            if (digits > f->exponent_digits)
                f->exponent_digits = digits;
        } else {
            left = d.point > 0 ? d.point : 1;
            right = d.n > d.point ? d.n - d.point : 0;
            if (v == 0)
                right = 0;
        }
        left += d.negative || plus;
        if (left > f->pad_left)
            f->pad_left = left;
        if (right > f->pad_right)
            f->pad_right = right;
    }
    if (finite && f->exponential) {
        f->precision = f->pad_right;
        f->pad_right = f->exponent_digits + 2 + f->precision;
    }
    if (special) {
        const int offset = f->pad_right + 1;
        const int infinity = 3 + negative_infinity;
        if (3 - offset > f->pad_left)
            f->pad_left = 3 - offset;
        if (infinity - offset > f->pad_left)
            f->pad_left = infinity - offset;
    }
}

static void pad_to(text *t, size_t begin, int width)
{
    const size_t length = t->length - begin;
    if (!t->failed && (size_t)width > length)
        text_repeat(t, ' ', (size_t)width - length);
}

/* One number; the spaces behind it are counted in *trailing as well. */
static void put_float(text *t, const float_format *f, double x, bool imaginary)
{
    char s[400], sign[2] = "";
    decimal d;

    if (signbit(x) && !isnan(x))
        sign[0] = '-';
    else if (f->plus)
        sign[0] = '+';
    if (!isfinite(x)) {
        snprintf(s, sizeof s, "%s%s", sign, isnan(x) ? "nan" : "inf");
        const int spaces = f->pad_left + f->pad_right + 1 - (int)strlen(s);
        text_repeat(t, ' ', spaces > 0 ? (size_t)spaces : 0);
        text_puts(t, s);
        text_puts(t, imaginary ? "j" : "");
        return;
    }
    if (f->exponential) {
        char exponent[16];
        int value;
        decimal_shortest(&d, x, f->dtype);
        if (d.n - 1 == f->precision) { /* not always what rounding gives, at powers of two */
            value = d.point - 1;
            snprintf(s, sizeof s, "%.1s.%s", d.digits, d.digits + 1);
        } else {
            snprintf(s, sizeof s, "%.*e", f->precision, fabs(x));
            char *e = strchr(s, 'e');
            value = (int)strtol(e + 1, NULL, 10);
            *e = 0;
        }
        snprintf(exponent, sizeof exponent, "e%c%0*d", value < 0 ? '-' : '+', f->exponent_digits,
                 value < 0 ? -value : value);
        if (f->pad_left > 1 + (int)strlen(sign))
            text_repeat(t, ' ', (size_t)(f->pad_left - 1) - strlen(sign));
        text_puts(t, sign);
        text_puts(t, s);
        text_puts(t, strchr(s, '.') ? "" : ".");
        text_puts(t, exponent);
        text_puts(t, imaginary ? "j" : "");
        return;
    }
    limited(&d, x, f->dtype, false);
    const int left = (d.point > 0 ? d.point : 1) + (int)strlen(sign);
    if (f->pad_left > left)
        text_repeat(t, ' ', (size_t)(f->pad_left - left));
    text_puts(t, sign);
    if (d.point <= 0) {
        text_puts(t, "0");
    } else {
        if (d.n < d.point) /* NumPy shows all digits before the point */
            snprintf(s, sizeof s, "%.0f", fabs(x));
        text_add(t, d.n < d.point ? s : d.digits, (size_t)d.point);
    }
    text_puts(t, ".");
    const size_t begin = t->length;
    if (x != 0 && d.n > d.point) {
        if (d.point < 0)
            text_repeat(t, '0', (size_t)-d.point);
        text_add(t, d.digits + (d.point > 0 ? d.point : 0), (size_t)(d.n - (d.point > 0 ? d.point : 0)));
    }
    const size_t digits = t->length - begin;
    text_puts(t, imaginary ? "j" : "");
    pad_to(t, t->length - digits, f->pad_right);
}

/* Element i of what is shown, as a word. */
static void put_element(text *t, const shown *v, int64_t i)
{
    char s[32];
    switch (v->kind) {
    case 1:
    case 2:
        if (v->kind == 1)
            snprintf(s, sizeof s, "%*" PRId64, v->width, ((const int64_t *)v->values)[i]);
        else
            snprintf(s, sizeof s, "%*" PRIu64, v->width, ((const uint64_t *)v->values)[i]);
        text_puts(t, s);
        break;
    case 3: put_float(t, &v->re, ((const double *)v->values)[i], false); break;
    case 4:
        put_float(t, &v->re, ((const double *)v->values)[2 * i], false);
        put_float(t, &v->im, ((const double *)v->values)[2 * i + 1], true);
        break;
    default: text_puts(t, ((const uint64_t *)v->values)[i] ? " True" : "False"); break;
    }
}

static void find_formats(shown *v)
{
    char s[32];
    if (v->kind == 3) {
        float_format_of(&v->re, v->values, v->total, 1, 0, v->real, false);
    } else if (v->kind == 4) {
        float_format_of(&v->re, v->values, v->total, 2, 0, v->real, false);
        float_format_of(&v->im, v->values, v->total, 2, 1, v->real, true);
    } else if (v->kind == 1 || v->kind == 2) {
        for (int64_t i = 0; i < v->total; i++) {
            const int n = v->kind == 1 ? snprintf(s, sizeof s, "%" PRId64, ((const int64_t *)v->values)[i])
                                       : snprintf(s, sizeof s, "%" PRIu64, ((const uint64_t *)v->values)[i]);
            v->width = n > v->width ? n : v->width;
        }
    }
}

/* Ends the line that began at *line, without spaces at its end, and begins another. */
static void new_line(text *t, size_t *line, int indent)
{
    while (t->length > *line && t->s[t->length - 1] == ' ')
        t->length--;
    text_puts(t, "\n");
    *line = t->length;
    text_repeat(t, ' ', (size_t)indent);
}

/* A word at the end of the line; in a new one if it does not fit. */
static void put_word(text *t, size_t *line, int indent, int width, const char *s, size_t n)
{
    if (t->failed)
        return;
    const size_t length = t->length - *line;
    if (length + n > (size_t)width && length > (size_t)indent)
        new_line(t, line, indent);
    text_add(t, s, n);
}

static void put_row(text *t, const shown *v, int64_t first, int indent, int width)
{
    const int d = v->ndim - 1;
    const bool elided = v->count[d] < v->extent[d];
    size_t line;
    text word = {0};

    /* the bracket stands where the indentation ends, and counts as a part of it */
    text_puts(t, "[");
    line = t->length - (size_t)indent;
    for (int64_t i = 0; i < v->count[d]; i++) {
        if (elided && i == EDGE) {
            put_word(t, &line, indent, width, "...", 3);
            text_puts(t, " ");
        }
        word.length = 0;
        put_element(&word, v, first + i);
        if (word.failed)
            t->failed = true;
        else
            put_word(t, &line, indent, width, word.s, word.length);
        if (i + 1 < v->count[d])
            text_puts(t, " ");
    }
    mem_free(word.s);
    text_puts(t, "]");
}

/* Axis d and all behind it. `first`: number of the first shown element. */
static void put_axis(text *t, const shown *v, int d, int64_t first, int indent, int width)
{
    int64_t inner = 1;
    if (d == v->ndim - 1) {
        put_row(t, v, first, indent, width - 1);
        return;
    }
    for (int k = d + 1; k < v->ndim; k++)
        inner *= v->count[k];
    text_puts(t, "[");
    for (int64_t i = 0; i < v->count[d] && !t->failed; i++) {
        if (i > 0) {
            text_repeat(t, '\n', (size_t)(v->ndim - 1 - d));
            text_repeat(t, ' ', (size_t)indent);
        }
        if (v->count[d] < v->extent[d] && i == EDGE) {
            text_puts(t, "...");
            text_repeat(t, '\n', (size_t)(v->ndim - 1 - d));
            text_repeat(t, ' ', (size_t)indent);
        }
        put_axis(t, v, d + 1, first + i * inner, indent + 1, width - 1);
    }
    text_puts(t, "]");
}

/* Copies what is shown into v->values: axis by axis the beginning and the end, each box by itself. */
static da_status gather(shown *v, const da_array *a, da_dtype wide, int d, int64_t *start, int64_t *count,
                        int64_t at)
{
    if (d == v->ndim) {
        int64_t strides[DA_MAX_NDIM], next = 1;
        da_array *box;
        DA_TRY(array_view(&box, a));
        array_box(box, start, count);
        for (int k = v->ndim - 1; k >= 0; k--) {
            strides[k] = next;
            next *= v->count[k];
        }
        const da_status status = array_read(box, wide, (char *)v->values + at * (int64_t)da_dtype_size(wide),
                                            strides, "da_to_string");
        da_array_release(&box);
        return status;
    }
    int64_t inner = 1;
    for (int k = d + 1; k < v->ndim; k++)
        inner *= v->count[k];
    start[d] = 0;
    if (v->count[d] == v->extent[d]) {
        count[d] = v->extent[d];
        return gather(v, a, wide, d + 1, start, count, at);
    }
    count[d] = EDGE;
    DA_TRY(gather(v, a, wide, d + 1, start, count, at));
    start[d] = v->extent[d] - EDGE;
    return gather(v, a, wide, d + 1, start, count, at + EDGE * inner);
}

/* An array without dimensions is printed as a scalar. */
static void put_scalar(text *t, const shown *v)
{
    const double *x = v->values;
    if (v->kind == 5) {
        text_puts(t, *(const uint64_t *)v->values ? "True" : "False");
    } else if (v->kind == 3) {
        text_scalar(t, x[0], v->real, false);
    } else if (v->kind == 4) {
        const bool pure = x[0] == 0 && !signbit(x[0]);
        if (!pure) {
            text_puts(t, "(");
            text_scalar(t, x[0], v->real, true);
            text_puts(t, signbit(x[1]) && !isnan(x[1]) ? "" : "+");
        }
        text_scalar(t, x[1], v->real, true);
        text_puts(t, pure ? "j" : "j)");
    } else {
        put_element(t, v, 0);
    }
}

da_status da_to_string(char **out, const da_array *a)
{
    static const char function[] = "da_to_string";
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM], bytes;
    text_locale locale;
    text t = {0};
    shown v;
    da_status status;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check(a, function, "a"));
    DA_TRY(da_wait(a));
    memset(&v, 0, sizeof v);
    const da_dtype dtype = a->s->dtype;
    v.kind = dtype == DA_BOOL          ? 5
             : dtype_is_complex(dtype) ? 4
             : dtype_is_float(dtype)   ? 3
             : dtype_is_signed(dtype)  ? 1
                                       : 2;
    const da_dtype wide = v.kind == 1 ? DA_I64 : v.kind == 3 ? DA_F64 : v.kind == 4 ? DA_C128 : DA_U64;
    v.real = dtype_real(dtype);
    v.ndim = a->ndim;
    v.total = 1;
    const bool elide = array_count(a) > THRESHOLD;
    for (int d = 0; d < a->ndim; d++) {
        v.extent[d] = a->shape[d];
        v.count[d] = elide && a->shape[d] > 2 * EDGE ? 2 * EDGE : a->shape[d];
        if (!size_mul(v.total, v.count[d], &v.total))
            v.total = INT64_MAX;
    }
    if (!size_mul(v.total, (int64_t)da_dtype_size(wide), &bytes))
        bytes = INT64_MAX;
    v.values = mem_alloc((size_t)(bytes > 0 ? bytes : 1));
    if (!v.values)
        return err_memory((size_t)bytes, "the elements to be printed");
    status = v.total > 0 ? gather(&v, a, wide, 0, start, count, 0) : DA_OK;
    if (status == DA_OK)
        status = text_locale_begin(&locale);
    if (status == DA_OK) {
        if (v.total == 0) {
            text_puts(&t, "[]");
        } else if (v.ndim == 0) {
            put_scalar(&t, &v);
        } else {
            find_formats(&v);
            put_axis(&t, &v, 0, 0, 1, WIDTH);
        }
        text_locale_end(&locale);
        if (t.failed)
            status = DA_ERROR_MEMORY;
    }
    mem_free(v.values);
    if (status == DA_OK)
        *out = t.s;
    else
        mem_free(t.s);
    return status;
}

void da_string_free(char *s)
{
    mem_free(s);
}

da_status da_print(FILE *stream, const da_array *a)
{
    char *s;
    if (!stream)
        return err_set(DA_ERROR_ARGUMENT, "da_print: the stream is null");
    DA_TRY(array_check(a, "da_print", "a"));
    DA_TRY(da_to_string(&s, a));
    const bool failed = fputs(s, stream) == EOF || fputc('\n', stream) == EOF;
    const int error = errno;
    da_string_free(s);
    return failed ? err_set(DA_ERROR_IO, "da_print: %s", strerror(error)) : DA_OK;
}
