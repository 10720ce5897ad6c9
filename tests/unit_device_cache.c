/* SPDX-License-Identifier: BSD-3-Clause */
/* The disk cache of the device modules: what is put is what is got, by any number of processes, whatever happened to the files. */
#include "device/cache.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/darray-cache-test-XXXXXX";

static da_device_key key_of(const char *text)
{
    return da_device_hash_text((da_device_key){{0}}, text);
}

/* The path of the one file of a kind; their number. */
static int files_of(const char *kind, char path[4096])
{
    char name[512];
    int n = 0;

    snprintf(name, sizeof name, "%s/%s", folder, kind);
    DIR *const directory = opendir(name);
    for (struct dirent *e; directory && (e = readdir(directory));)
        if (e->d_name[0] != '.') {
            snprintf(path, 4096, "%s/%s", name, e->d_name);
            n++;
        }
    if (directory)
        closedir(directory);
    return n;
}

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    setenv("DARRAY_CACHE_DIR", folder, 1);
}

static void teardown(void)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static bool holds(const char *kind, da_device_key key, const char *bytes, size_t size)
{
    void *data = NULL;
    size_t got = 0;

    if (!da_device_cache_get(kind, key, &data, &got))
        return false;
    const bool same = got == size && memcmp(data, bytes, size) == 0;
    free(data);
    return same;
}

START_TEST(entries)
{
    const da_device_key a = key_of("a"), b = key_of("b");
    char path[4096];

    ck_assert(!holds("one", a, "", 0));
    ck_assert(da_device_cache_put("one", a, "first", 5));
    ck_assert(holds("one", a, "first", 5));
    ck_assert(!holds("one", b, "first", 5));
    ck_assert(!holds("two", a, "first", 5));
    ck_assert(da_device_cache_put("one", b, "second", 6));
    ck_assert(da_device_cache_put("one", a, "instead", 7));
    ck_assert(holds("one", a, "instead", 7));
    ck_assert(holds("one", b, "second", 6));
    ck_assert(da_device_cache_put("two", a, NULL, 0));
    ck_assert(holds("two", a, "", 0));
    ck_assert_int_eq(files_of("one", path), 2);
}
END_TEST

START_TEST(keys)
{
    const da_device_key zero = {{0}};
    const char text[64] = "a text of some length, longer than a word of the hash";
    const da_device_key whole = da_device_hash(zero, text, sizeof text);

    /* every byte and every length counts, and where one text ends and the next begins */
    for (size_t i = 0; i < sizeof text; i++) {
        char other[64];
        memcpy(other, text, sizeof text);
        other[i] ^= (char)0x80;
        da_device_key key = da_device_hash(zero, other, sizeof other);
        ck_assert(key.word[0] != whole.word[0] && key.word[1] != whole.word[1]);
        key = da_device_hash(zero, text, i);
        ck_assert(key.word[0] != whole.word[0] && key.word[1] != whole.word[1]);
    }
    const da_device_key ab_c = da_device_hash_text(key_of("ab"), "c"),
                        a_bc = da_device_hash_text(key_of("a"), "bc");
    ck_assert(memcmp(&ab_c, &a_bc, sizeof ab_c) != 0);
}
END_TEST

/* every byte of a file damaged, every length it can be cut to, and a byte too many */
START_TEST(damage)
{
    const da_device_key key = key_of("key");
    char path[4096], bytes[256];
    FILE *file;

    ck_assert(da_device_cache_put("kind", key, "a precious binary", 17));
    ck_assert_int_eq(files_of("kind", path), 1);
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert(size > 17 && size < sizeof bytes);

    for (size_t i = 0; i < 2 * size + 1; i++) {
        char copy[256] = {0};
        memcpy(copy, bytes, size);
        if (i < size)
            copy[i] ^= 1;
        const size_t length = i < size ? size : i == 2 * size ? size + 1 : i - size;
        file = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(copy, 1, length, file), length);
        fclose(file);
        ck_assert_msg(!holds("kind", key, "a precious binary", 17), "damage %zu", i);
        /* an entry that is not as it was written is not there at all */
        void *data;
        size_t got;
        ck_assert_msg(!da_device_cache_get("kind", key, &data, &got), "damage %zu", i);
    }
    ck_assert(da_device_cache_put("kind", key, "a precious binary", 17));
    ck_assert(holds("kind", key, "a precious binary", 17));
}
END_TEST

/* another key's file under this one's name */
START_TEST(mistaken)
{
    char theirs[4096], ours[4096];

    ck_assert(da_device_cache_put("kind", key_of("a"), "a's", 3));
    ck_assert_int_eq(files_of("kind", theirs), 1);
    ck_assert(da_device_cache_put("other", key_of("b"), "b's", 3));
    ck_assert_int_eq(files_of("other", ours), 1);
    ck_assert_int_eq(rename(theirs, ours), 0);
    ck_assert(!holds("other", key_of("b"), "b's", 3));
    ck_assert(!holds("other", key_of("b"), "a's", 3));
}
END_TEST

START_TEST(places)
{
    char path[4096], below[256];

    unsetenv("DARRAY_CACHE_DIR");
    snprintf(below, sizeof below, "%s/deep/er", folder);
    setenv("XDG_CACHE_HOME", below, 1);
    ck_assert(da_device_cache_put("kind", key_of("a"), "x", 1));
    ck_assert_int_eq(files_of("deep/er/darray/kind", path), 1);
    setenv("XDG_CACHE_HOME", "", 1);
    setenv("HOME", below, 1);
    ck_assert(da_device_cache_put("kind", key_of("a"), "x", 1));
    ck_assert_int_eq(files_of("deep/er/.cache/darray/kind", path), 1);
    unsetenv("HOME");
    ck_assert(!da_device_cache_put("kind", key_of("a"), "x", 1));
    ck_assert(!holds("kind", key_of("a"), "x", 1));
    /* a file where the folder should be */
    setenv("DARRAY_CACHE_DIR", path, 1);
    ck_assert(!da_device_cache_put("kind", key_of("a"), "x", 1));
    ck_assert(!holds("kind", key_of("a"), "x", 1));
}
END_TEST

/* Processes that write one entry, each its own bytes, and read it: what they get is whole. */
START_TEST(processes)
{
    enum { N = 6, SIZE = 100000, ROUNDS = 100 };
    static unsigned char bytes[SIZE];
    const da_device_key key = key_of("shared");
    pid_t children[N];
    char path[4096];

    for (int c = 0; c < N; c++) {
        children[c] = fork();
        ck_assert_int_ge(children[c], 0);
        if (children[c] > 0)
            continue;
        int wrong = 0;
        memset(bytes, 'a' + c, sizeof bytes);
        for (int round = 0; round < ROUNDS; round++) {
            void *data;
            size_t size;
            wrong += !da_device_cache_put("kind", key, bytes, sizeof bytes - (size_t)c);
            if (!da_device_cache_get("kind", key, &data, &size)) {
                wrong++;
                continue;
            }
            const unsigned char *const got = data;
            wrong += size != sizeof bytes - (size_t)(got[0] - 'a');
            for (size_t i = 0; i < size; i++)
                wrong += got[i] != got[0];
            free(data);
        }
        _exit(wrong ? 1 : 0);
    }
    for (int c = 0; c < N; c++) {
        int status;
        ck_assert_int_eq(waitpid(children[c], &status, 0), children[c]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    ck_assert_int_eq(files_of("kind", path), 1); /* and no temporary ones */
}
END_TEST

DA_TEST_MAIN("device cache", DA_CASE("keys", keys),
             DA_CASE_WITH("files", setup, teardown, entries, damage, mistaken, processes),
             DA_CASE_WITH("places", setup, teardown, places))
