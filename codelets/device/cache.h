/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device modules compiled, kept on disk between runs: one file an entry, DIRECTORY/KIND/KEY, where the directory is
 * $DARRAY_CACHE_DIR, else $XDG_CACHE_HOME/darray, else $HOME/.cache/darray, else none: then nothing is kept.
 *
 * Any number of threads and processes may use it at once. A file appears whole or not at all; one that is damaged, or that
 * another key wrote, counts as not there and is replaced by the next da_device_cache_put(). A disk that is full or may not be
 * written is no error: the cache is only ever a saving. Pure C, so that each module links a copy of its own.
 */
#ifndef DA_CODELETS_DEVICE_CACHE_H
#define DA_CODELETS_DEVICE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hash of 128 bits of everything that the entry depends on: source and prelude, options, device, versions. */
typedef struct da_device_key {
    uint64_t word[2];
} da_device_key;

/* The key of what `key` stands for followed by these bytes; begin with a key of zeros. Not for adversaries. */
da_device_key da_device_hash(da_device_key key, const void *bytes, size_t size);

/* The same of a string with its terminator, so that "ab", "c" and "a", "bc" differ. */
da_device_key da_device_hash_text(da_device_key key, const char *text);

/* Whether the entry is there: then *data, to be freed with free(), has *size bytes. `kind` is a file name: "opencl", "cuda". */
bool da_device_cache_get(const char *kind, da_device_key key, void **data, size_t *size);

/* The directory of all kinds, of PATH_MAX bytes; it need not exist. False if there is none. */
bool da_device_cache_directory(char *path);

/* Keeps an entry; false if it could not be written. */
bool da_device_cache_put(const char *kind, da_device_key key, const void *data, size_t size);

#endif
