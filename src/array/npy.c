/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NumPy's .npy files: "\x93NUMPY", version, length of the header, the header (a Python dict literal, padded with blanks to a
 * multiple of 64 bytes), the elements. Nothing in a file is believed before it was compared with the file's size.
 */
#include "array/array.h"
#include "array/text.h"
#include "base/file.h"
#include "codelets/array_kernels.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    CHUNK = 4 * 1024 * 1024,     /* bytes that are read or written at a time */
    LONGEST_HEADER = 1024 * 1024 /* NumPy's own are below 10000 bytes */
};
static const char magic[] = "\x93NUMPY";

typedef struct npy_header {
    da_dtype dtype;
    bool swapped; /* the other byte order */
    bool fortran_order;
    da_shape shape;
} npy_header;

/* ---- the header: a dict literal of three known keys ---- */

typedef struct parser {
    const char *path;
    const char *p, *end;
} parser;

static da_status bad(const parser *in, const char *what)
{
    char near[24];
    size_t n = 0;
    for (const char *p = in->p; p < in->end && n + 1 < sizeof near && *p >= ' ' && *p < 127; p++)
        near[n++] = *p;
    near[n] = 0;
    return err_set(DA_ERROR_FORMAT, "da_load_npy: the header of '%s' %s at \"%s\"", in->path, what, near);
}

static void blanks(parser *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\t' || *in->p == '\n' || *in->p == '\r'))
        in->p++;
}

static bool next_is(parser *in, char c)
{
    blanks(in);
    if (in->p == in->end || *in->p != c)
        return false;
    in->p++;
    return true;
}

/* A string in quotes, without escapes, into `s` of `room` characters. */
static bool string_literal(parser *in, char *s, size_t room)
{
    size_t n = 0;
    blanks(in);
    if (in->p == in->end || (*in->p != '\'' && *in->p != '"'))
        return false;
    const char quote = *in->p;
    const char *p = in->p + 1;
    for (; p < in->end && *p != quote; p++) {
        if (*p == '\\' || *p < ' ' || n + 1 >= room)
            return false;
        s[n++] = *p;
    }
    if (p == in->end)
        return false;
    s[n] = 0;
    in->p = p + 1;
    return true;
}

static bool word(parser *in, const char *w)
{
    const size_t n = strlen(w);
    blanks(in);
    if ((size_t)(in->end - in->p) < n || memcmp(in->p, w, n) != 0)
        return false;
    in->p += n;
    return true;
}

static da_status parse_shape(parser *in, da_shape *shape)
{
    shape->ndim = 0;
    if (!next_is(in, '('))
        return bad(in, "has a shape that is no tuple");
    while (!next_is(in, ')')) {
        int64_t extent = 0;
        blanks(in);
        if (in->p < in->end && *in->p == '-')
            return bad(in, "has a negative extent");
        if (in->p == in->end || *in->p < '0' || *in->p > '9')
            return bad(in, "has a shape that is no tuple of integers");
        if (shape->ndim == DA_MAX_NDIM)
            return err_set(DA_ERROR_FORMAT, "da_load_npy: '%s' has more than %d dimensions", in->path,
                           DA_MAX_NDIM);
        for (; in->p < in->end && *in->p >= '0' && *in->p <= '9'; in->p++)
            if (!size_mul(extent, 10, &extent) || !size_add(extent, *in->p - '0', &extent))
                return bad(in, "has an extent that does not fit in 64 bits");
        if (in->p < in->end && *in->p == 'L') /* Python 2 */
            in->p++;
        shape->dim[shape->ndim++] = extent;
        if (next_is(in, ','))
            continue;
        if (shape->ndim == 1 || !next_is(in, ')')) /* "(3)" is no tuple */
            return bad(in, "has a shape that is no tuple of integers");
        break;
    }
    return DA_OK;
}

static da_status parse_dtype(parser *in, npy_header *h)
{
    static const struct {
        const char *code;
        da_dtype dtype;
    } codes[] = {
        {"b1", DA_BOOL}, {"i1", DA_I8},  {"i2", DA_I16}, {"i4", DA_I32}, {"i8", DA_I64},
        {"u1", DA_U8},   {"u2", DA_U16}, {"u4", DA_U32}, {"u8", DA_U64}, {"f2", DA_F16},
        {"V2", DA_BF16}, {"f4", DA_F32}, {"f8", DA_F64}, {"c8", DA_C64}, {"c16", DA_C128},
    };
    const uint16_t one = 1;
    char s[64], shown[VISIBLE];
    unsigned char first;

    blanks(in);
    if (in->p < in->end && (*in->p == '[' || *in->p == '('))
        return err_set(DA_ERROR_FORMAT, "da_load_npy: '%s' has a structured dtype", in->path);
    if (!string_literal(in, s, sizeof s))
        return bad(in, "has a descr that is no string");
    memcpy(&first, &one, 1);
    const bool little = first == 1;
    if (strchr("<>|=", s[0]) && s[0])
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (!strcmp(s + 1, codes[i].code)) {
                h->dtype = codes[i].dtype;
                h->swapped = s[0] == (little ? '>' : '<');
                return DA_OK;
            }
    return err_set(DA_ERROR_FORMAT, "da_load_npy: '%s' has the dtype '%s', which is none of darray's",
                   in->path, visible(shown, s, strlen(s)));
}

static da_status parse_header(parser *in, npy_header *h)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false};
    char key[32], shown[VISIBLE];

    if (!next_is(in, '{'))
        return bad(in, "is no dict");
    while (!next_is(in, '}')) {
        int k = 0;
        if (!string_literal(in, key, sizeof key))
            return bad(in, "has a key that is no string");
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || seen[k])
            return err_set(DA_ERROR_FORMAT, "da_load_npy: the header of '%s' has the key '%s' %s", in->path,
                           visible(shown, key, strlen(key)), k == 3 ? "that no .npy file has" : "twice");
        seen[k] = true;
        if (!next_is(in, ':'))
            return bad(in, "lacks a colon");
        if (k == 0)
            DA_TRY(parse_dtype(in, h));
        else if (k == 2)
            DA_TRY(parse_shape(in, &h->shape));
        else if (word(in, "True"))
            h->fortran_order = true;
        else if (word(in, "False"))
            h->fortran_order = false;
        else
            return bad(in, "has a fortran_order that is neither True nor False");
        if (next_is(in, ','))
            continue;
        if (!next_is(in, '}'))
            return bad(in, "lacks a comma");
        break;
    }
    for (int k = 0; k < 3; k++)
        if (!seen[k])
            return err_set(DA_ERROR_FORMAT, "da_load_npy: the header of '%s' has no key '%s'", in->path,
                           keys[k]);
    blanks(in);
    return in->p == in->end ? DA_OK : bad(in, "goes on after its end");
}

static da_status read_error(FILE *f, const char *path, const char *what)
{
    if (ferror(f))
        return err_set(DA_ERROR_IO, "da_load_npy: cannot read '%s': %s", path, strerror(errno));
    return err_set(DA_ERROR_FORMAT, "da_load_npy: '%s' ends within its %s", path, what);
}

/* Reads everything before the elements. *size: bytes of the file, then those left; -1 if unknown. */
static da_status read_header(FILE *f, const char *path, int64_t *size, npy_header *h)
{
    unsigned char start[8], length[4] = {0};
    uint32_t n;

    const size_t got = fread(start, 1, sizeof start, f);
    if (memcmp(start, magic, got < 6 ? got : 6) != 0 || (got == 0 && !ferror(f)))
        return err_set(DA_ERROR_FORMAT, "da_load_npy: '%s' is no .npy file", path);
    if (got < sizeof start)
        return read_error(f, path, "first 8 bytes");
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return err_set(DA_ERROR_FORMAT,
                       "da_load_npy: '%s' has format version %d.%d; known are 1.0, 2.0 and 3.0", path,
                       start[6], start[7]);
    const size_t bytes = start[6] == 1 ? 2 : 4;
    if (fread(length, 1, bytes, f) != bytes)
        return read_error(f, path, "header's length");
    n = (uint32_t)length[0] | (uint32_t)length[1] << 8 | (uint32_t)length[2] << 16 |
        (uint32_t)length[3] << 24;
    if (*size >= 0) {
        *size -= (int64_t)(sizeof start + bytes);
        if ((int64_t)n > *size)
            return err_set(DA_ERROR_FORMAT,
                           "da_load_npy: '%s' says that its header has %" PRIu32 " bytes, but %lld are left",
                           path, n, (long long)*size);
        *size -= n;
    }
    if (n > LONGEST_HEADER)
        return err_set(DA_ERROR_FORMAT, "da_load_npy: the header of '%s' has %" PRIu32 " bytes", path, n);
    char *text = mem_alloc((size_t)n + 1);
    if (!text)
        return err_memory((size_t)n + 1, "a header");
    da_status status = fread(text, 1, n, f) == n ? DA_OK : read_error(f, path, "header");
    if (status == DA_OK) {
        parser in = {path, text, text + n};
        status = parse_header(&in, h);
    }
    mem_free(text);
    return status;
}

/* ---- the elements, in C order, a box at a time ---- */

typedef struct box_walk {
    const da_array *a;
    int axis; /* the box is a range of this one, all of those behind, one of those before */
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM], most;
} box_walk;

static bool box_first(box_walk *w, const da_array *a, int64_t elements)
{
    int64_t inner = 1;
    w->a = a;
    if (array_count(a) == 0)
        return false;
    w->axis = a->ndim;
    w->most = 1;
    for (int d = 0; d < a->ndim; d++) {
        w->start[d] = 0;
        w->count[d] = 1;
    }
    while (w->axis > 0 && inner < elements) {
        const int d = --w->axis;
        w->most = elements / inner;
        w->count[d] = w->most < a->shape[d] ? w->most : a->shape[d];
        inner *= a->shape[d];
    }
    return true;
}

static bool box_next(box_walk *w)
{
    for (int d = w->axis < w->a->ndim ? w->axis : w->a->ndim - 1; d >= 0; d--) {
        w->start[d] += w->count[d];
        const int64_t left = w->a->shape[d] - w->start[d];
        if (left > 0) {
            if (d == w->axis)
                w->count[d] = left < w->most ? left : w->most;
            return true;
        }
        w->start[d] = 0;
        if (d == w->axis)
            w->count[d] = w->most < w->a->shape[d] ? w->most : w->a->shape[d];
    }
    return false;
}

static int64_t box_elements(const box_walk *w)
{
    int64_t n = 1;
    for (int d = 0; d < w->a->ndim; d++)
        n *= w->count[d];
    return n;
}

/* Between the box and a buffer in C order. The caller may touch the array. */
static void move_box(const box_walk *w, da_dtype dtype, void *buffer, bool to_buffer)
{
    const da_array *a = w->a;
    int64_t strides[DA_MAX_NDIM], packed[DA_MAX_NDIM], offset = 0, next = 1;
    array_strides(a, strides);
    for (int d = a->ndim - 1; d >= 0; d--) {
        packed[d] = next;
        next *= w->count[d];
        offset += w->start[d] * strides[d];
    }
    char *p = (char *)array_pointer(a) + offset * (int64_t)da_dtype_size(a->s->dtype);
    if (to_buffer)
        kernel_copy(a->ndim, w->count, dtype, buffer, packed, a->s->dtype, p, strides);
    else
        kernel_copy(a->ndim, w->count, a->s->dtype, p, strides, dtype, buffer, packed);
}

static void swap_bytes(unsigned char *p, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++, p += size)
        for (size_t j = 0; j < size / 2; j++) {
            const unsigned char c = p[j];
            p[j] = p[size - 1 - j];
            p[size - 1 - j] = c;
        }
}

static da_status read_elements(FILE *f, const char *path, const npy_header *h, da_array *a)
{
    const size_t size = da_dtype_size(h->dtype);
    const size_t part = dtype_is_complex(h->dtype) ? size / 2 : size;
    /* any non-zero byte is true */
    const da_dtype stored = h->dtype == DA_BOOL ? DA_U8 : h->dtype;
    unsigned char *buffer = mem_alloc(CHUNK);
    da_status status = DA_OK;
    box_walk w;

    if (!buffer)
        return err_memory(CHUNK, "reading a file");
    for (bool more = box_first(&w, a, (int64_t)(CHUNK / size)); more && status == DA_OK;
         more = box_next(&w)) {
        const size_t bytes = (size_t)box_elements(&w) * size;
        if (fread(buffer, 1, bytes, f) != bytes) {
            status = read_error(f, path, "elements");
            break;
        }
        if (h->swapped)
            swap_bytes(buffer, bytes / part, part);
        move_box(&w, stored, buffer, false);
    }
    mem_free(buffer);
    return status;
}

/* The view with all axes in the opposite order. */
static da_status reversed_axes(da_array **out, const da_array *a)
{
    da_axes order = {a->ndim, {0}};
    for (int d = 0; d < a->ndim; d++)
        order.axis[d] = a->ndim - 1 - d;
    return da_permute_dims(out, a, order);
}

da_status da_load_npy(da_array **out, const char *path)
{
    static const char function[] = "da_load_npy";
    npy_header h;
    da_array *a = NULL, *view = NULL;
    char text[SHAPE_TEXT];
    int64_t size, bytes;
    FILE *f;

    DA_TRY(array_check_out(out, function));
    DA_TRY(file_open(&f, &size, path, function));
    memset(&h, 0, sizeof h);
    da_status status = read_header(f, path, &size, &h);
    if (status == DA_OK) {
        bytes = (int64_t)da_dtype_size(h.dtype);
        bool fits = true;
        for (int d = 0; d < h.shape.ndim; d++)
            fits = fits && size_mul(bytes, h.shape.dim[d], &bytes);
        if (!fits || (size >= 0 && bytes > size)) {
            char need[32] = "more than 2^63";
            if (fits)
                snprintf(need, sizeof need, "%lld", (long long)bytes);
            status = err_set(DA_ERROR_FORMAT,
                             "%s: '%s' is truncated: shape %s of %s takes %s bytes, %lld are there", function,
                             path, shape_text(&h.shape, text), da_dtype_name(h.dtype), need, (long long)size);
        }
    }
    if (status == DA_OK)
        status = array_check_shape(&h.shape, h.dtype, function);
    if (status == DA_OK)
        status = array_new(&a, h.dtype, &h.shape, NULL, NULL);
    if (status == DA_OK)
        status = h.fortran_order ? reversed_axes(&view, a) : da_array_retain(&view, a);
    if (status == DA_OK)
        status = read_elements(f, path, &h, view);
    fclose(f);
    da_array_release(&view);
    if (status == DA_OK)
        *out = a;
    else
        da_array_release(&a);
    return status;
}

da_status da_save_npy(const char *path, const da_array *a)
{
    static const char *const codes[] = {
        "",    "|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2",
        "<u4", "<u8", "<f2", "|V2", "<f4", "<f8", "<c8", "<c16",
    };
    static const char function[] = "da_save_npy";
    char header[1024], code[8];
    int64_t strides[DA_MAX_NDIM];
    unsigned char *buffer;
    const uint16_t one = 1;
    unsigned char first;
    new_file f;
    void *data;

    DA_TRY(array_check(a, function, "a"));
    if (!path)
        return err_set(DA_ERROR_ARGUMENT, "%s: path is null", function);
    const da_dtype dtype = a->s->dtype;
    snprintf(code, sizeof code, "%s", codes[dtype]);
    memcpy(&first, &one, 1);
    if (code[0] == '<' && first != 1)
        code[0] = '>';

    /* As NumPy writes it, to the blank: room for the first extent to grow to 21 digits, the elements at a multiple of 64 bytes. */
    size_t n = 10;
    n += (size_t)snprintf(header + n, sizeof header - n, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          code);
    for (int d = 0; d < a->ndim; d++)
        n += (size_t)snprintf(header + n, sizeof header - n, "%s%lld", d ? ", " : "", (long long)a->shape[d]);
    n += (size_t)snprintf(header + n, sizeof header - n, "%s), }", a->ndim == 1 ? "," : "");
    if (a->ndim > 0)
        n += (size_t)snprintf(header + n, sizeof header - n, "%*s",
                              21 - snprintf(NULL, 0, "%lld", (long long)a->shape[0]), "");
    while ((n + 1) % 64 != 0)
        header[n++] = ' ';
    header[n++] = '\n';
    memcpy(header, magic, 6);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((n - 10) & 255);
    header[9] = (char)((n - 10) >> 8);

    DA_TRY(da_map(a, DA_READ_ONLY, &data, strides));
    da_status status = DA_OK;
    buffer = mem_alloc(CHUNK);
    if (!buffer)
        status = err_memory(CHUNK, "writing a file");
    if (status == DA_OK)
        status = new_file_open(&f, path, function);
    if (status == DA_OK) {
        box_walk w;
        const int64_t size = (int64_t)da_dtype_size(dtype);
        status = new_file_write(&f, header, n);
        for (bool more = box_first(&w, a, CHUNK / size); more && status == DA_OK; more = box_next(&w)) {
            move_box(&w, dtype, buffer, true);
            status = new_file_write(&f, buffer, (size_t)(box_elements(&w) * size));
        }
        status = new_file_close(&f, status);
    }
    mem_free(buffer);
    const da_status unmapped = da_unmap(a);
    return status == DA_OK ? unmapped : status;
}
