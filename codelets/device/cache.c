/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- keys ---- */

static uint64_t mix(uint64_t hash, uint64_t word, uint64_t factor)
{
    hash = (hash ^ word) * factor;
    return hash ^ hash >> 29;
}

static da_device_key mix_word(da_device_key key, uint64_t word)
{
    key.word[0] = mix(key.word[0], word, UINT64_C(0x9e3779b97f4a7c15));
    key.word[1] = mix(key.word[1] + key.word[0], word, UINT64_C(0xd6e8feb86659fd93));
    return key;
}

da_device_key da_device_hash(da_device_key key, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    uint64_t word;

    key = mix_word(key, size);
    for (; size >= sizeof word; size -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        key = mix_word(key, word);
    }
    word = 0;
    if (size)
        memcpy(&word, p, size);
    return mix_word(key, word);
}

da_device_key da_device_hash_text(da_device_key key, const char *text)
{
    return da_device_hash(key, text, strlen(text) + 1);
}

/* ---- files ---- */

/* What a file begins with; the entry's bytes follow and end it. */
typedef struct file_header {
    char magic[8];
    da_device_key key;
    uint64_t size;
    da_device_key checksum; /* of the bytes */
} file_header;

static const char magic[8] = {'d', 'a', 'r', 'r', 'a', 'y', '0', '1'};

static file_header header_of(da_device_key key, const void *data, size_t size)
{
    file_header header = {
        .key = key, .size = size, .checksum = da_device_hash((da_device_key){{0}}, data, size)};

    memcpy(header.magic, magic, sizeof magic);
    return header;
}

bool da_device_cache_directory(char *path)
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"DARRAY_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "/darray"}, {"HOME", "/.cache/darray"}};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *const root = getenv(places[i].variable);

        if (root && root[0]) {
            const int length = snprintf(path, PATH_MAX, "%s%s", root, places[i].below);
            return length > 0 && length < PATH_MAX;
        }
    }
    return false;
}

/* The folder of a kind; false if there is none or its name is too long. */
static bool folder_of(char path[PATH_MAX], const char *kind)
{
    char directory[PATH_MAX];

    if (!da_device_cache_directory(directory))
        return false;
    const int length = snprintf(path, PATH_MAX, "%s/%s", directory, kind);
    return length > 0 && length < PATH_MAX;
}

static bool file_of(char path[PATH_MAX], const char *kind, da_device_key key)
{
    char folder[PATH_MAX];

    if (!folder_of(folder, kind))
        return false;
    const int length =
        snprintf(path, PATH_MAX, "%s/%016" PRIx64 "%016" PRIx64, folder, key.word[0], key.word[1]);
    return length > 0 && length < PATH_MAX;
}

/* Makes a folder and those above it. */
static bool make_folders(const char *folder)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s", folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

/* The bytes after the header of a file that is as it was written, or null. */
static void *read_entry(FILE *file, da_device_key key, size_t *size)
{
    file_header found, expected;
    struct stat status;

    if (fstat(fileno(file), &status) != 0 || fread(&found, sizeof found, 1, file) != 1 ||
        found.size >= SIZE_MAX - sizeof found || (uint64_t)status.st_size != found.size + sizeof found)
        return NULL;
    void *const data = malloc(found.size ? (size_t)found.size : 1);
    if (!data)
        return NULL;
    if (fread(data, 1, (size_t)found.size, file) == found.size) {
        expected = header_of(key, data, (size_t)found.size);
        if (memcmp(&found, &expected, sizeof found) == 0) {
            *size = (size_t)found.size;
            return data;
        }
    }
    free(data);
    return NULL;
}

bool da_device_cache_get(const char *kind, da_device_key key, void **data, size_t *size)
{
    char path[PATH_MAX];
    FILE *file;

    if (!file_of(path, kind, key))
        return false;
    file = fopen(path, "rbe");
    if (!file)
        return false;
    void *const found = read_entry(file, key, size);
    fclose(file);
    if (found)
        *data = found;
    return found != NULL;
}

bool da_device_cache_put(const char *kind, da_device_key key, const void *data, size_t size)
{
    const file_header header = header_of(key, data, size);
    char folder[PATH_MAX], path[PATH_MAX], temporary[PATH_MAX];

    if (!folder_of(folder, kind) || !file_of(path, kind, key) || !make_folders(folder) ||
        snprintf(temporary, sizeof temporary, "%s/new-XXXXXX", folder) >= (int)sizeof temporary)
        return false;
    const int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0)
        return false;
    FILE *const file = fdopen(descriptor, "wb");
    if (!file)
        close(descriptor);
    bool written = file && fwrite(&header, sizeof header, 1, file) == 1 &&
                   (size == 0 || fwrite(data, 1, size, file) == size);
    if (file && fclose(file) != 0)
        written = false;
    /* others see the former file or this one, never a part of it */
    if (written && rename(temporary, path) == 0)
        return true;
    unlink(temporary);
    return false;
}
