/* SPDX-License-Identifier: BSD-3-Clause */
#include "array/text.h"
#include "codelets/array_kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

da_status text_locale_begin(text_locale *l)
{
    l->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (l->c == (locale_t)0)
        return err_set(DA_ERROR_MEMORY, "out of memory: no locale for numbers");
    l->former = uselocale(l->c);
    return DA_OK;
}

void text_locale_end(text_locale *l)
{
    uselocale(l->former);
    freelocale(l->c);
}

/* Room for n more characters and the end. */
static bool room(text *t, size_t n)
{
    if (t->failed)
        return false;
    if (t->length + n + 1 > t->capacity) {
        const size_t capacity = 2 * t->capacity > t->length + n + 1 ? 2 * t->capacity : t->length + n + 256;
        char *grown = mem_realloc(t->s, capacity);
        if (!grown) {
            t->failed = true;
            (void)err_memory(capacity, "text");
            return false;
        }
        t->s = grown;
        t->capacity = capacity;
    }
    return true;
}

void text_add(text *t, const char *s, size_t n)
{
    if (room(t, n)) {
        memcpy(t->s + t->length, s, n);
        t->length += n;
        t->s[t->length] = 0;
    }
}

void text_puts(text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_repeat(text *t, char c, size_t n)
{
    if (room(t, n)) {
        memset(t->s + t->length, c, n);
        t->length += n;
        t->s[t->length] = 0;
    }
}

const char *visible(char buffer[VISIBLE], const char *s, size_t n)
{
    char *to = buffer;

    for (size_t i = 0; i < n && to + 4 < buffer + VISIBLE; i++) {
        const unsigned char c = (unsigned char)s[i];
        if (c < ' ' || c == 127)
            to += snprintf(to, 5, "\\x%02x", c);
        else
            *to++ = s[i];
    }
    *to = 0;
    return buffer;
}

/* ---- digits ---- */

/* What a dtype makes of a decimal number. */
static double read_back(const char *s, da_dtype dtype)
{
    if (dtype == DA_F64)
        return strtod(s, NULL);
    if (dtype == DA_F32)
        return (double)strtof(s, NULL);
    kernel_element element;
    const double x = strtod(s, NULL);
    double y;
    kernel_line_for(dtype, DA_F64)(1, &element, 1, &x, 1);
    kernel_line_for(DA_F64, dtype)(1, &y, 1, &element, 1);
    return y;
}

/* Reads "d.ddde[+-]xx" of a positive number, without zeros at the end. */
static void read_digits(decimal *d, const char *s)
{
    d->n = 0;
    for (; *s && *s != 'e'; s++)
        if (*s != '.')
            d->digits[d->n++] = *s;
    d->point = (int)strtol(s + 1, NULL, 10) + 1;
    while (d->n > 1 && d->digits[d->n - 1] == '0')
        d->n--;
    d->digits[d->n] = 0;
}

/* One unit more in the last of n digits. */
static void increment(decimal *d, int n)
{
    while (d->n < n)
        d->digits[d->n++] = '0';
    int i = n - 1;
    while (i >= 0 && d->digits[i] == '9')
        d->digits[i--] = '0';
    if (i >= 0) {
        d->digits[i]++;
    } else {
        d->digits[0] = '1';
        d->point++;
    }
    while (d->n > 1 && d->digits[d->n - 1] == '0')
        d->n--;
    d->digits[d->n] = 0;
}

void decimal_shortest(decimal *d, double x, da_dtype dtype)
{
    const double magnitude = fabs(x);
    /* a power of two has a nearer neighbour below than above: a number a bit further up may be shorter */
    int exponent;
    const bool power = frexp(magnitude, &exponent) == 0.5;
    char s[48];

    d->negative = signbit(x) != 0;
    if (magnitude == 0) {
        d->n = 1;
        d->point = 1;
        memcpy(d->digits, "0", 2);
        return;
    }
    /* So many digits survive the way to the dtype and back, if it is no subnormal number; zeros at their end go. */
    int n = magnitude < 0x1p-1022 ? 1 : 15;
    if (dtype == DA_F32)
        n = magnitude < 0x1p-126 ? 1 : 6;
    else if (dtype == DA_F16)
        n = magnitude < 0x1p-14 ? 1 : 3;
    else if (dtype == DA_BF16)
        n = magnitude < 0x1p-126 ? 1 : 2;
    for (; n <= 17; n++) {
        snprintf(s, sizeof s, "%.*e", n - 1, magnitude);
        read_digits(d, s);
        if (read_back(s, dtype) == magnitude)
            return;
        if (power) {
            decimal above = *d;
            increment(&above, n);
            snprintf(s, sizeof s, "0.%se%d", above.digits, above.point);
            if (read_back(s, dtype) == magnitude) {
                *d = above;
                return;
            }
        }
    }
}

void text_scalar(text *t, double x, da_dtype dtype, bool bare)
{
    decimal d;
    char exponent[16];
    if (!isfinite(x)) {
        text_puts(t, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    decimal_shortest(&d, x, dtype);
    if (d.negative)
        text_puts(t, "-");
    if (x != 0 && (fabs(x) < 1e-4 || fabs(x) >= 1e16)) {
        text_add(t, d.digits, 1);
        if (d.n > 1) {
            text_puts(t, ".");
            text_add(t, d.digits + 1, (size_t)d.n - 1);
        }
        snprintf(exponent, sizeof exponent, "e%c%02d", d.point < 1 ? '-' : '+', abs(d.point - 1));
        text_puts(t, exponent);
        return;
    }
    if (d.point <= 0) {
        text_puts(t, "0.");
        text_repeat(t, '0', (size_t)-d.point);
        text_add(t, d.digits, (size_t)d.n);
    } else {
        text_add(t, d.digits, (size_t)(d.n < d.point ? d.n : d.point));
        if (d.n <= d.point) {
            text_repeat(t, '0', (size_t)(d.point - d.n));
            if (!bare)
                text_puts(t, ".0");
        } else {
            text_puts(t, ".");
            text_add(t, d.digits + d.point, (size_t)(d.n - d.point));
        }
    }
}
