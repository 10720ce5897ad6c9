/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

bool arguments_next(arguments *a)
{
    const char *equals;

    if (a->at >= a->argc)
        return false;
    a->word = a->argv[a->at++];
    a->attached = NULL;
    /* "-5" is a number, if a wrong one */
    a->is_option =
        !a->only_words && a->word[0] == '-' && a->word[1] != '\0' && !isdigit((unsigned char)a->word[1]);
    if (a->is_option && strcmp(a->word, "--") == 0) {
        a->only_words = true;
        return arguments_next(a);
    }
    equals = a->is_option && a->word[1] == '-' ? strchr(a->word, '=') : NULL;
    if (equals && (size_t)(equals - a->word) < sizeof a->name) {
        memcpy(a->name, a->word, (size_t)(equals - a->word));
        a->name[equals - a->word] = '\0';
        a->word = a->name;
        a->attached = equals + 1;
    }
    return true;
}

bool arguments_flag(arguments *a, const char *name)
{
    return a->is_option && !a->attached && strcmp(a->word, name) == 0;
}

bool arguments_value(arguments *a, const char *name, const char **value)
{
    if (!a->is_option || strcmp(a->word, name) != 0)
        return false;
    *value = a->attached ? a->attached : a->at < a->argc ? a->argv[a->at++] : NULL;
    return true;
}

static void complain(const char *command, const char *format, va_list args)
{
    fprintf(stderr, "darray%s%s: ", command ? " " : "", command ? command : "");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int arguments_wrong(const arguments *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(a->command, format, args);
    va_end(args);
    fprintf(stderr, "darray%s%s --help says what there is\n", a->command ? " " : "",
            a->command ? a->command : "");
    return TOOL_USAGE;
}

int arguments_unknown(const arguments *a)
{
    if (a->is_option && a->attached)
        return arguments_wrong(a, "%s=%s is no option here, or takes no value", a->word, a->attached);
    if (a->is_option)
        return arguments_wrong(a, "%s is no option here", a->word);
    return arguments_wrong(a, "\"%s\" is one word too many", a->word);
}

int tool_fail(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    return TOOL_FAILED;
}
