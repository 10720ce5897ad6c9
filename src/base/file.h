/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are written completely or not at all. */
#ifndef DARRAY_SRC_BASE_FILE_H
#define DARRAY_SRC_BASE_FILE_H

#include "base/base.h"
#include <stdio.h>

typedef struct new_file {
    const char *function, *path;
    FILE *stream;
    char *target, *temporary; /* temporary: null if the target is written itself (a pipe, a device) */
} new_file;
/* Open a temporary file beside `path`. DA_ERROR_IO. */
da_status new_file_open(new_file *f, const char *path, const char *function);
/* DA_ERROR_IO; remembered by new_file_close() as well. */
da_status new_file_write(new_file *f, const void *data, size_t n);
/* Put the file in its place if `status` is DA_OK, else remove it; returns the first failure. */
da_status new_file_close(new_file *f, da_status status);

/* Open a file for reading. DA_ERROR_IO. *size: its bytes, or -1 if that cannot be known. */
da_status file_open(FILE **out, int64_t *size, const char *path, const char *function);

#endif
