/* SPDX-License-Identifier: BSD-3-Clause */
/* Comma-separated numbers. Read with a point as decimal sign whatever the locale; written so that they read back exactly. */
#include "array/array.h"
#include "array/text.h"
#include "base/file.h"
#include "codelets/array_kernels.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

typedef struct csv {
    const char *path;
    int64_t line;          /* number of the current one, from 1 */
    int64_t rows, columns; /* complete ones; columns of the first row */
    int64_t first_line;    /* where the first row is */
    double *values;
    int64_t n, capacity;
} csv;

/* More bytes of one file than arrays may take are refused before memory is short. */
static da_status check_size(const csv *c, int64_t bytes)
{
    const int64_t limit = config_get()->memory_limit;
    if (bytes <= limit)
        return DA_OK;
    return err_set(DA_ERROR_MEMORY,
                   "da_load_csv: '%s', line %lld: more than the limit of %lld bytes for arrays", c->path,
                   (long long)c->line, (long long)limit);
}

static da_status add_value(csv *c, double x)
{
    if (c->n == c->capacity) {
        const int64_t capacity = c->capacity ? 2 * c->capacity : 1024;
        DA_TRY(check_size(c, c->n * (int64_t)sizeof *c->values));
        double *grown = mem_realloc(c->values, (size_t)capacity * sizeof *grown);
        if (!grown)
            return err_memory((size_t)capacity * sizeof *grown, "the numbers of a file");
        c->values = grown;
        c->capacity = capacity;
    }
    c->values[c->n++] = x;
    return DA_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **s, const char **end)
{
    while (*s < *end && is_blank(**s))
        ++*s;
    while (*end > *s && is_blank((*end)[-1]))
        --*end;
}

/* One field [s, end), of a line that ends with 0. */
static da_status parse_field(csv *c, const char *s, const char *end, int64_t column)
{
    const char *begin = s, *stop = end;
    char *parsed;
    double x;

    trim(&s, &end);
    if (end - s >= 2 && *s == '"' && end[-1] == '"') {
        s++;
        end--;
        trim(&s, &end);
    }
    if (s == end)
        return err_set(DA_ERROR_FORMAT, "da_load_csv: '%s', line %lld, column %lld: there is no number",
                       c->path, (long long)c->line, (long long)column);
    /* strtod() takes more than numbers: blanks, hexadecimal, "nan(...)"; and it could read on into the next field */
    x = strtod(s, &parsed);
    if (parsed != end || is_blank(*s) || memchr(s, 'x', (size_t)(end - s)) ||
        memchr(s, 'X', (size_t)(end - s)) || memchr(s, '(', (size_t)(end - s))) {
        char text[VISIBLE];
        trim(&begin, &stop);
        return err_set(DA_ERROR_FORMAT, "da_load_csv: '%s', line %lld, column %lld: \"%s\" is no number",
                       c->path, (long long)c->line, (long long)column,
                       visible(text, begin, (size_t)(stop - begin < 40 ? stop - begin : 40)));
    }
    return add_value(c, x);
}

static da_status parse_line(csv *c, char *s, size_t length)
{
    int64_t column = 0;
    char *p = s, *end;

    while (length > 0 && (s[length - 1] == '\n' || s[length - 1] == '\r'))
        length--;
    end = s + length;
    *end = 0;
    const char *first = s, *last = end;
    trim(&first, &last);
    if (first == last)
        return DA_OK; /* a blank line */
    for (;; p++) {
        char *stop = p;
        bool quoted = false;
        while (stop < end && (quoted || *stop != ',')) {
            quoted = *stop == '"' ? !quoted : quoted;
            stop++;
        }
        column++;
        if (quoted)
            return err_set(DA_ERROR_FORMAT,
                           "da_load_csv: '%s', line %lld, column %lld: a quote is not closed", c->path,
                           (long long)c->line, (long long)column);
        DA_TRY(parse_field(c, p, stop, column));
        p = stop;
        if (stop == end)
            break;
    }
    if (c->rows == 0) {
        c->columns = column;
        c->first_line = c->line;
    } else if (column != c->columns) {
        return err_set(DA_ERROR_FORMAT, "da_load_csv: '%s', line %lld has %lld columns, line %lld has %lld",
                       c->path, (long long)c->line, (long long)column, (long long)c->first_line,
                       (long long)c->columns);
    }
    c->rows++;
    return DA_OK;
}

/* All lines of a file; they may be of any length. */
static da_status parse_file(csv *c, FILE *f, int64_t skip_rows)
{
    enum { READ = 64 * 1024 };
    char *block = mem_alloc(READ);
    text line = {0};
    da_status status = DA_OK;
    size_t n = 0;
    bool byte_order_mark = true;

    if (!block)
        return err_memory(READ, "reading a file");
    for (;;) {
        n = fread(block, 1, READ, f);
        const char *p = block, *end = block + n;
        while (p < end || (n == 0 && line.length > 0)) {
            const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
            const char *stop = newline ? newline + 1 : end;
            text_add(&line, p, (size_t)(stop - p));
            p = stop;
            status = check_size(c, (int64_t)line.length);
            if (status != DA_OK)
                goto done;
            if (line.failed) {
                status = DA_ERROR_MEMORY;
                goto done;
            }
            if (!newline && n > 0)
                break; /* the rest of the line is in the next block */
            char *s = line.s;
            size_t length = line.length;
            if (byte_order_mark && length >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)) {
                s += 3;
                length -= 3;
            }
            byte_order_mark = false;
            c->line++;
            if (c->line > skip_rows)
                status = parse_line(c, s, length);
            if (status != DA_OK)
                goto done;
            line.length = 0;
        }
        if (n == 0)
            break;
    }
    if (ferror(f))
        status = err_set(DA_ERROR_IO, "da_load_csv: cannot read '%s': %s", c->path, strerror(errno));
done:
    mem_free(block);
    mem_free(line.s);
    return status;
}

da_status da_load_csv(da_array **out, const char *path, int64_t skip_rows)
{
    static const char function[] = "da_load_csv";
    csv c = {.path = path};
    text_locale locale;
    int64_t size;
    FILE *f;

    DA_TRY(array_check_out(out, function));
    if (skip_rows < 0)
        return err_set(DA_ERROR_ARGUMENT, "%s: %lld lines cannot be skipped", function, (long long)skip_rows);
    DA_TRY(file_open(&f, &size, path, function));
    da_status status = text_locale_begin(&locale);
    if (status == DA_OK) {
        status = parse_file(&c, f, skip_rows);
        text_locale_end(&locale);
    }
    fclose(f);
    if (status == DA_OK)
        status = da_from_host(out, DA_F64, DA_SHAPE(c.rows, c.columns), c.values, DA_ROW_MAJOR);
    mem_free(c.values);
    return status;
}

/* ---- writing ---- */

static void put_number(text *t, const kernel_element *e, da_dtype dtype)
{
    char s[32];
    double x;
    if (dtype_is_float(dtype)) {
        kernel_line_for(DA_F64, dtype)(1, &x, 1, e, 1);
        text_scalar(t, x, DA_F64, true);
        return;
    }
    kernel_element wide;
    kernel_line_for(DA_I64, dtype)(1, &wide, 1, e, 1);
    if (dtype_is_signed(dtype))
        snprintf(s, sizeof s, "%lld", (long long)wide.i);
    else
        snprintf(s, sizeof s, "%llu", (unsigned long long)wide.u);
    text_puts(t, s);
}

da_status da_save_csv(const char *path, const da_array *a, const char *header)
{
    static const char function[] = "da_save_csv";
    enum { FLUSH = 256 * 1024 };
    int64_t strides[DA_MAX_NDIM], row_stride, column_stride;
    text_locale locale;
    text t = {0};
    new_file f;
    void *data;

    DA_TRY(array_check(a, function, "a"));
    if (!path)
        return err_set(DA_ERROR_ARGUMENT, "%s: path is null", function);
    if (header && strpbrk(header, "\r\n"))
        return err_set(DA_ERROR_ARGUMENT, "%s: the header has more than one line", function);
    if (a->ndim > 2)
        return err_set(DA_ERROR_SHAPE, "%s: an array of %d dimensions is no table", function, a->ndim);
    const da_dtype dtype = a->s->dtype;
    if (dtype_is_complex(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s numbers have no place in a table of real ones", function,
                       da_dtype_name(dtype));
    const int64_t rows = a->ndim > 0 ? a->shape[0] : 1, columns = a->ndim > 1 ? a->shape[1] : 1;
    const int64_t size = (int64_t)da_dtype_size(dtype);

    DA_TRY(da_map(a, DA_READ_ONLY, &data, strides));
    row_stride = a->ndim > 0 ? strides[0] : 0;
    column_stride = a->ndim > 1 ? strides[1] : 0;
    da_status status = text_locale_begin(&locale);
    if (status == DA_OK) {
        status = new_file_open(&f, path, function);
        if (status == DA_OK) {
            if (header) {
                text_puts(&t, header);
                text_puts(&t, "\n");
            }
            for (int64_t i = 0; i < rows && status == DA_OK; i++) {
                for (int64_t j = 0; j < columns; j++) {
                    kernel_element e;
                    memcpy(&e, (const char *)data + (i * row_stride + j * column_stride) * size,
                           (size_t)size);
                    if (j > 0)
                        text_puts(&t, ",");
                    put_number(&t, &e, dtype);
                }
                text_puts(&t, "\n");
                if (t.failed) {
                    status = DA_ERROR_MEMORY;
                } else if (t.length > FLUSH) {
                    status = new_file_write(&f, t.s, t.length);
                    t.length = 0;
                }
            }
            if (status == DA_OK && t.failed)
                status = DA_ERROR_MEMORY;
            if (status == DA_OK && t.length > 0)
                status = new_file_write(&f, t.s, t.length);
            status = new_file_close(&f, status);
        }
        text_locale_end(&locale);
    }
    mem_free(t.s);
    const da_status unmapped = da_unmap(a);
    return status == DA_OK ? unmapped : status;
}
