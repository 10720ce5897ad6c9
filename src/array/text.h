/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as text, and text that grows: what printing and CSV share. */
#ifndef DARRAY_SRC_ARRAY_TEXT_H
#define DARRAY_SRC_ARRAY_TEXT_H

#include "base/base.h"
#include <locale.h>

/* The calling thread speaks C's locale from here to text_locale_end(). */
typedef struct text_locale {
    locale_t c, former;
} text_locale;
da_status text_locale_begin(text_locale *l);
void text_locale_end(text_locale *l);

/* A string that grows. A failure sticks; check `failed` at the end. */
typedef struct text {
    char *s; /* 0-terminated if not null; mem_free() */
    size_t length, capacity;
    bool failed;
} text;
void text_add(text *t, const char *s, size_t n);
void text_puts(text *t, const char *s);
void text_repeat(text *t, char c, size_t n);

/* The first bytes of [s, s + n) for a sentence: what is no printable ASCII character and no part of UTF-8 becomes \xNN. */
enum { VISIBLE = 40 * 4 + 1 };
const char *visible(char buffer[VISIBLE], const char *s, size_t n);

/* The decimal digits of a finite number: sign * 0.d1d2d3... * 10^point; zero is the one digit 0 with point 1. */
typedef struct decimal {
    bool negative;
    int n, point;
    char digits[32];
} decimal;
/* The shortest digits that give back x as an element of the dtype (f16, bf16, f32, f64). */
void decimal_shortest(decimal *d, double x, da_dtype dtype);

/* As Python's repr of a float of that dtype: NumPy's str() of a scalar. `bare`: without ".0" at integers. Needs C's locale. */
void text_scalar(text *t, double x, da_dtype dtype, bool bare);

#endif
