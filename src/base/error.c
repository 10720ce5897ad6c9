/* SPDX-License-Identifier: BSD-3-Clause */
/* Status codes and this thread's error sentence. */
#include "base/base.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char sentence[1024];

const char *da_version(void)
{
    return DA_VERSION_STRING;
}

const char *da_error(void)
{
    return sentence;
}

const char *da_status_name(da_status status)
{
    switch (status) {
#define NAME(name, value, text)                                                                              \
    case name: return #name;
        DA_STATUS_LIST(NAME)
#undef NAME
    }
    return "unknown status";
}

const char *da_status_text(da_status status)
{
    switch (status) {
#define TEXT(name, value, text)                                                                              \
    case name: return text;
        DA_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

da_status err_set(da_status status, const char *format, ...)
{
    /* arguments may point into the former sentence */
    char text[sizeof sentence];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(sentence, text, strlen(text) + 1);
    return status;
}

void err_clear(void)
{
    sentence[0] = '\0';
}

da_status err_memory(size_t bytes, const char *what)
{
    return err_set(DA_ERROR_MEMORY, "out of memory: could not allocate %zu bytes for %s", bytes, what);
}

const char *shape_text(const da_shape *shape, char buffer[SHAPE_TEXT])
{
    const int n = shape->ndim < 0 ? 0 : shape->ndim > DA_MAX_NDIM ? DA_MAX_NDIM : shape->ndim;
    size_t used = 0;
    used += (size_t)snprintf(buffer, SHAPE_TEXT, "(");
    for (int i = 0; i < n; i++)
        used +=
            (size_t)snprintf(buffer + used, SHAPE_TEXT - used, "%s%" PRId64, i ? ", " : "", shape->dim[i]);
    snprintf(buffer + used, SHAPE_TEXT - used, n == 1 ? ",)" : ")");
    return buffer;
}
