/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DA_EVAL: array notation as text, parsed into the arena. From the loosest to the tightest:
 *
 *     ?:   ||   &&   |   ^   &   == !=   < <= > >=   + -   * /   unary - + !   **   name, number, f(x, ...), ( )
 *
 * All associate to the left but ?: and **, whose right side may begin with a unary operator (2**-1); -x**2 is -(x**2), as in Python.
 */
#include "broadcast/graph.h"
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 64, MAX_DEPTH = 200, NAME_SHOWN = 40 };

typedef struct parser {
    const char *text, *at;
    const char *names;
    int n;
    const char *name[MAX_VALUES]; /* into `names` */
    size_t name_length[MAX_VALUES];
    int value[MAX_VALUES]; /* nodes */
    bool used[MAX_VALUES];
    int depth;
    da_status status;
} parser;

static const char function[] = "DA_EVAL";

/* ---- errors ---- */

/* Only the first counts. Always returns -1. */
static int fail(parser *p, const char *at, const char *what, const char *token, size_t length)
{
    if (p->status == DA_OK)
        p->status = err_set(DA_ERROR_FORMAT, "%s: column %zu of \"%.200s\": %s%s%.*s%s", function,
                            (size_t)(at - p->text) + 1, p->text, what, length ? " '" : "",
                            (int)(length < NAME_SHOWN ? length : NAME_SHOWN), token, length ? "'" : "");
    return -1;
}

/* The text goes on with something else, or ends. */
static int expected(parser *p, const char *what)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
    if (p->status != DA_OK)
        return -1;
    if (*p->at)
        p->status = err_set(DA_ERROR_FORMAT, "%s: column %zu of \"%.200s\": %s expected instead of \"%c\"",
                            function, (size_t)(p->at - p->text) + 1, p->text, what, *p->at);
    else
        p->status = err_set(DA_ERROR_FORMAT, "%s: column %zu of \"%.200s\": %s expected at the end", function,
                            (size_t)(p->at - p->text) + 1, p->text, what);
    return -1;
}

static int too_deep(parser *p)
{
    return fail(p, p->at, "nested more than 200 deep", "", 0);
}

static int made(parser *p, int node)
{
    if (node < 0 && p->status == DA_OK)
        p->status = err_set(DA_ERROR_MEMORY, "%s: out of memory for an expression", function);
    return node;
}

/* ---- tokens ---- */

static void skip_space(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* True, and past it, if the operator comes next; `not_before`: characters that would make it another operator. */
static bool accept(parser *p, const char *token, const char *not_before)
{
    const size_t length = strlen(token);
    skip_space(p);
    if (strncmp(p->at, token, length) != 0 || (p->at[length] && strchr(not_before, p->at[length])))
        return false;
    p->at += length;
    return true;
}

static bool begins_name(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static size_t name_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    return n;
}

static bool is(const char *at, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(at, word, length) == 0;
}

static int expression(parser *p);
static int unary(parser *p);

/* ---- numbers ---- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* strtod() with a point, whatever the host program's locale says. */
static double read_double(const char *at, char **end)
{
    pthread_once(&c_locale_once, make_locale);
    return c_locale ? strtod_l(at, end, c_locale) : strtod(at, end);
}

static int real_number(parser *p, double x, bool imaginary)
{
    da_scalar value = {imaginary ? 4 : 3, 0, {0}};
    value.v_.z.re = imaginary ? 0 : x;
    value.v_.z.im = imaginary ? x : 0;
    return made(p, arena_number(value));
}

static int truth_value(parser *p, bool x)
{
    da_scalar value = {5, 0, {0}};
    value.v_.u = x;
    return made(p, arena_number(value));
}

/* As in C: 12, 0xff, 010, 1.5e-3, 0x1p-2; and imaginary ones, 2i. C's suffixes u, l and f mean nothing here. */
static int number(parser *p)
{
    const char *begin = p->at;
    char *end, *integer_end;
    const double x = read_double(begin, &end);
    da_scalar value = {1, 0, {0}};

    errno = 0;
    value.v_.u = strtoull(begin, &integer_end, 0);
    const bool integer = integer_end == end, too_large = errno == ERANGE;
    const bool imaginary = *end == 'i' || *end == 'j', suffix_f = *end == 'f' || *end == 'F';
    p->at = end;
    if (imaginary)
        p->at++;
    else
        while (*p->at && strchr("uUlLfF", *p->at))
            p->at++;
    /* 089 ends differently as an integer and as a real number */
    const bool octal_digits = begin[0] == '0' && isdigit((unsigned char)begin[1]) &&
                              memchr(begin, '.', (size_t)(end - begin)) == NULL &&
                              memchr(begin, 'e', (size_t)(end - begin)) == NULL;
    if (begins_name(*p->at) || isdigit((unsigned char)*p->at) || *p->at == '.' ||
        (octal_digits && !integer)) {
        size_t length = (size_t)(p->at - begin);
        while (begins_name(begin[length]) || isdigit((unsigned char)begin[length]) || begin[length] == '.')
            length++;
        return fail(p, begin, "not a number:", begin, length);
    }
    if (imaginary)
        return real_number(p, x, true);
    if (!integer || suffix_f)
        return real_number(p, x, false);
    if (too_large)
        return fail(p, begin, "an integer that does not fit 64 bits:", begin, (size_t)(end - begin));
    if (value.v_.u > INT64_MAX)
        value.kind_ = 2;
    return made(p, arena_number(value));
}

/* ---- names ---- */

static int constant(parser *p, const char *at, size_t length)
{
    if (is(at, length, "pi"))
        return real_number(p, 3.14159265358979323846, false);
    if (is(at, length, "e"))
        return real_number(p, 2.71828182845904523536, false);
    if (is(at, length, "inf"))
        return real_number(p, (double)INFINITY, false);
    if (is(at, length, "nan"))
        return real_number(p, (double)NAN, false);
    if (is(at, length, "true") || is(at, length, "false"))
        return truth_value(p, at[0] == 't');
    for (int op = 0; op < DA_OP_COUNT; op++)
        if (is(at, length, da_op_name((da_expr_op)op)))
            return expected(p, "\"(\"");
    if (p->status == DA_OK)
        p->status =
            err_set(DA_ERROR_FORMAT,
                    "%s: column %zu of \"%.200s\": %.*s is neither among the values (%.200s) nor a constant",
                    function, (size_t)(at - p->text) + 1, p->text,
                    (int)(length < NAME_SHOWN ? length : NAME_SHOWN), at, p->names ? p->names : "");
    return -1;
}

static int variable(parser *p, const char *at, size_t length)
{
    for (int k = 0; k < p->n; k++)
        if (p->name_length[k] == length && memcmp(p->name[k], at, length) == 0) {
            p->used[k] = true;
            return p->value[k];
        }
    return constant(p, at, length);
}

static int call(parser *p, const char *at, size_t length)
{
    int args[3] = {0, 0, 0}, n = 0, op = 0;
    while (op < DA_OP_COUNT && !is(at, length, da_op_name((da_expr_op)op)))
        op++;
    if (op == DA_OP_COUNT)
        return fail(p, at, "no function is called", at, length);
    do {
        const int arg = expression(p);
        if (arg < 0)
            return -1;
        if (n < 3)
            args[n] = arg;
        n++;
    } while (accept(p, ",", ""));
    if (!accept(p, ")", ""))
        return expected(p, "\",\" or \")\"");
    if (n != da_op_arity((da_expr_op)op)) {
        if (p->status == DA_OK)
            p->status =
                err_set(DA_ERROR_FORMAT, "%s: column %zu of \"%.200s\": %s takes %d argument%s, not %d",
                        function, (size_t)(at - p->text) + 1, p->text, da_op_name((da_expr_op)op),
                        da_op_arity((da_expr_op)op), da_op_arity((da_expr_op)op) == 1 ? "" : "s", n);
        return -1;
    }
    return made(p, arena_apply((da_expr_op)op, args[0], args[1], args[2]));
}

/* ---- grammar ---- */

static int primary(parser *p)
{
    skip_space(p);
    const char *at = p->at;
    if (isdigit((unsigned char)*at) || (*at == '.' && isdigit((unsigned char)at[1])))
        return number(p);
    if (begins_name(*at)) {
        const size_t length = name_length(at);
        p->at += length;
        return accept(p, "(", "") ? call(p, at, length) : variable(p, at, length);
    }
    if (accept(p, "(", "")) {
        const int inner = expression(p);
        if (inner >= 0 && !accept(p, ")", ""))
            return expected(p, "\")\"");
        return inner;
    }
    return expected(p, "a value");
}

/* True, and past it, if "**" comes next. To C and its formatters it is two operators, which may stand apart: "x * *2". */
static bool accept_power(parser *p)
{
    const char *const before = p->at;
    if (accept(p, "*", "") && accept(p, "*", ""))
        return true;
    p->at = before;
    return false;
}

static int power(parser *p)
{
    const int base = primary(p);
    if (base < 0 || !accept_power(p))
        return base;
    if (++p->depth > MAX_DEPTH) /* it binds from the right: the exponent may have one, too */
        return too_deep(p);
    const int exponent = unary(p);
    p->depth--;
    return exponent < 0 ? -1 : made(p, arena_apply(DA_OP_pow, base, exponent, 0));
}

static int unary(parser *p)
{
    int x = -1;
    da_expr_op op = DA_OP_COUNT; /* none: + */
    if (accept(p, "-", ""))
        op = DA_OP_negative;
    else if (accept(p, "!", "="))
        op = DA_OP_logical_not;
    else if (!accept(p, "+", ""))
        return power(p);
    if (++p->depth > MAX_DEPTH)
        return too_deep(p);
    x = unary(p);
    p->depth--;
    return x < 0 || op == DA_OP_COUNT ? x : made(p, arena_apply(op, x, 0, 0));
}

/* Binary operators by level, the loosest first. */
static const struct {
    int level;
    const char *token, *not_before;
    da_expr_op op;
    bool bools;
} operators[] = {
    {0, "||", "", DA_OP_logical_or, false},    {1, "&&", "", DA_OP_logical_and, false},
    {2, "|", "|", DA_OP_logical_or, true},     {3, "^", "", DA_OP_logical_xor, true},
    {4, "&", "&", DA_OP_logical_and, true},    {5, "==", "", DA_OP_equal, false},
    {5, "!=", "", DA_OP_not_equal, false},     {6, "<=", "", DA_OP_less_equal, false},
    {6, ">=", "", DA_OP_greater_equal, false}, {6, "<", "<", DA_OP_less, false},
    {6, ">", ">", DA_OP_greater, false},       {7, "+", "", DA_OP_add, false},
    {7, "-", "", DA_OP_subtract, false},       {8, "*", "*", DA_OP_multiply, false},
    {8, "/", "", DA_OP_divide, false},
};
enum { LEVELS = 9, OPERATORS = sizeof operators / sizeof operators[0] };

static int binary(parser *p, int level)
{
    int x = level == LEVELS ? unary(p) : binary(p, level + 1);
    for (int i = 0; i < OPERATORS && x >= 0; i++) {
        if (operators[i].level != level || !accept(p, operators[i].token, operators[i].not_before))
            continue;
        const int y = binary(p, level + 1);
        if (y < 0)
            return -1;
        x = made(p, operators[i].bools ? arena_apply_bool(operators[i].op, x, y)
                                       : arena_apply(operators[i].op, x, y, 0));
        i = -1; /* the next one of this level */
    }
    return x;
}

static int expression(parser *p)
{
    int x = -1, yes, no;
    if (++p->depth > MAX_DEPTH)
        return too_deep(p);
    x = binary(p, 0);
    if (x >= 0 && accept(p, "?", "")) {
        yes = expression(p);
        if (yes < 0)
            return -1;
        if (!accept(p, ":", ""))
            return expected(p, "\":\"");
        no = expression(p);
        if (no < 0)
            return -1;
        x = made(p, arena_apply(DA_OP_where, x, yes, no));
    }
    p->depth--;
    return x;
}

/* ---- the call ---- */

static da_status split_names(parser *p, const char *names, int n)
{
    const char *at = names;
    p->names = names;
    for (int k = 0; k < n; k++) {
        while (isspace((unsigned char)*at))
            at++;
        const size_t length = begins_name(*at) ? name_length(at) : 0;
        p->name[k] = at;
        p->name_length[k] = length;
        at += length;
        while (isspace((unsigned char)*at))
            at++;
        if (length == 0 || *at != (k == n - 1 ? '\0' : ','))
            return err_set(DA_ERROR_FORMAT, "%s: \"%.200s\" is not a list of %d names", function, names, n);
        at++;
        for (int other = 0; other < k; other++)
            if (p->name_length[other] == length && memcmp(p->name[other], p->name[k], length) == 0)
                return err_set(DA_ERROR_FORMAT, "%s: \"%.200s\" names %.*s twice", function, names,
                               (int)(length < NAME_SHOWN ? length : NAME_SHOWN), p->name[k]);
    }
    return DA_OK;
}

static int parse(parser *p)
{
    const int root = expression(p);
    skip_space(p);
    if (root >= 0 && *p->at)
        return expected(p, "an operator");
    return root;
}

da_status da_eval_text(da_array **out, const char *text, const char *names, int n, const da_expr *values)
{
    parser p = {.text = text, .at = text};
    int top, root = -1, owned = 0;

    if (!out || !text || !names || n < 0 || n > MAX_VALUES || (n > 0 && !values)) {
        for (int k = 0; k < n && values; k++)
            da_expr_discard(values[k]);
        if (n < 0 || n > MAX_VALUES)
            return err_set(DA_ERROR_ARGUMENT, "%s: n is %d; there may be 0 to %d values", function, n,
                           (int)MAX_VALUES);
        return err_set(DA_ERROR_ARGUMENT, "%s: %s is null", function,
                       !out     ? "out"
                       : !text  ? "text"
                       : !names ? "names"
                                : "values");
    }
    p.status = n == 0 ? DA_OK : split_names(&p, names, n);
    for (int k = 0; k < n; k++) { /* all are used up, come what may */
        int node;
        const da_status status = p.status == DA_OK ? arena_own(&node, values[k], function) : DA_OK;
        if (p.status != DA_OK) {
            da_expr_discard(values[k]);
        } else if (status != DA_OK) {
            p.status = status;
        } else {
            p.value[owned] = node;
            p.used[owned++] = false;
        }
    }
    p.n = owned;
    top = arena_top();
    if (p.status == DA_OK)
        root = parse(&p);
    if (root < 0) {
        arena_cut(top);
        for (int k = 0; k < owned; k++)
            arena_discard(p.value[k]);
        return p.status;
    }
    for (int k = 0; k < owned; k++)
        if (!p.used[k])
            arena_discard(p.value[k]);
    return (da_eval)(out, arena_expression(root));
}
