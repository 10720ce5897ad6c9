/* SPDX-License-Identifier: BSD-3-Clause */
/* For people: one line an entry, "key  value", indented by depth. As JSON: one document. */
#include "tool.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { COLUMN = 24 }; /* where values begin for people */

void json_string(FILE *stream, const char *text)
{
    fputc('"', stream);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(stream, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(stream, "\\u%04x", *c);
        else
            fputc(*c, stream);
    }
    fputc('"', stream);
}

static bool in_array(const report *r)
{
    return r->in_arrays >> r->depth & 1;
}

/* The beginning of an entry. */
static void begin(report *r, const char *key, bool has_value)
{
    int width = 0;
    const bool first = r->first;

    r->first = false;
    if (r->json) {
        fprintf(r->stream, "%s\n%*s", first ? "" : ",", 2 * r->depth, "");
        if (key) {
            json_string(r->stream, key);
            fputs(": ", r->stream);
        }
        return;
    }
    width += fprintf(r->stream, "%*s", 2 * (r->depth - 1), "");
    if (in_array(r) && has_value)
        return;
    for (const char *c = key ? key : ""; *c; c++, width++)
        fputc(*c == '_' && !isupper((unsigned char)*key) ? ' ' : *c, r->stream);
    if (has_value)
        fprintf(r->stream, "%*s", width < COLUMN ? COLUMN - width : 1, "");
    else
        fputc('\n', r->stream);
}

static void end(report *r)
{
    if (!r->json)
        fputc('\n', r->stream);
}

static void open_group(report *r, const char *key, bool array)
{
    if (r->json || key)
        begin(r, key, false);
    if (r->json)
        fputc(array ? '[' : '{', r->stream);
    r->depth++;
    r->in_arrays &= ~(1u << r->depth);
    r->in_arrays |= (unsigned)array << r->depth;
    r->first = true;
}

void report_begin(report *r, FILE *stream, bool json)
{
    *r = (report){.stream = stream, .json = json, .depth = 1, .first = true};
    if (json)
        fputc('{', stream);
}

void report_object(report *r, const char *key)
{
    open_group(r, key, false);
}

void report_array(report *r, const char *key)
{
    open_group(r, key, true);
}

void report_close(report *r)
{
    const bool array = in_array(r);

    if (r->first && !r->json)
        fprintf(r->stream, "%*snone\n", 2 * (r->depth - 1), "");
    r->depth--;
    if (r->json && r->first)
        fputc(array ? ']' : '}', r->stream);
    else if (r->json)
        fprintf(r->stream, "\n%*s%c", 2 * r->depth, "", array ? ']' : '}');
    r->first = false;
}

void report_end(report *r)
{
    if (r->json)
        fputs("\n}\n", r->stream);
}

void report_text(report *r, const char *key, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    begin(r, key, true);
    if (r->json)
        json_string(r->stream, text);
    else
        fputs(text, r->stream);
    end(r);
}

void report_number(report *r, const char *key, double value)
{
    begin(r, key, true);
    if (isfinite(value))
        fprintf(r->stream, "%.*g", r->json ? 17 : 6, value);
    else
        fputs(r->json ? "null" : "unknown", r->stream);
    end(r);
}

void report_bytes(report *r, const char *key, int64_t bytes)
{
    char text[TEXT];

    begin(r, key, true);
    if (r->json)
        fprintf(r->stream, "%lld", (long long)bytes);
    else
        fputs(bytes_text(text, (double)bytes), r->stream);
    end(r);
}

void report_bool(report *r, const char *key, bool value)
{
    begin(r, key, true);
    fputs(r->json ? value ? "true" : "false" : value ? "yes" : "no", r->stream);
    end(r);
}

void report_nothing(report *r, const char *key, const char *why)
{
    begin(r, key, true);
    fputs(r->json ? "null" : why, r->stream);
    end(r);
}
