/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static da_status io_error(const new_file *f, const char *what)
{
    return err_set(DA_ERROR_IO, "%s: cannot %s '%s': %s", f->function, what, f->path, strerror(errno));
}

/* A copy of a string with the library's memory. */
static char *copy_of(const char *s)
{
    char *copy = mem_alloc(strlen(s) + 1);
    if (copy)
        memcpy(copy, s, strlen(s) + 1);
    return copy;
}

da_status new_file_open(new_file *f, const char *path, const char *function)
{
    static _Atomic(uint64_t) number;
    struct stat st;
    int fd = -1;

    *f = (new_file){function, path, NULL, NULL, NULL};
    if (!path)
        return err_set(DA_ERROR_ARGUMENT, "%s: path is null", function);
    const bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode)) {
        f->stream = fopen(path, "wbe");
        return f->stream ? DA_OK : io_error(f, "write");
    }
    /* a link stays a link */
    char *real = exists ? realpath(path, NULL) : NULL;
    f->target = copy_of(real ? real : path);
    free(real);
    const char *slash = f->target ? strrchr(f->target, '/') : NULL;
    const int folder =
        slash ? (int)(slash + 1 - f->target) : 0; /* of its name, which may be as long as names can be */
    const size_t room = (size_t)folder + 64;
    f->temporary = f->target ? mem_alloc(room) : NULL;
    if (!f->temporary) {
        mem_free(f->target);
        return err_memory(strlen(path) + 64, "a file's name");
    }
    for (int attempt = 0; attempt < 100 && fd < 0; attempt++) {
        snprintf(f->temporary, room, "%.*s.darray-%ld-%" PRIu64 ".tmp", folder, f->target, (long)getpid(),
                 atomic_fetch_add(&number, 1));
        fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd >= 0 && exists && fchmod(fd, st.st_mode & 07777) != 0)
        log_line(1, "%s: '%s' does not keep its mode: %s", function, path, strerror(errno));
    if (fd >= 0) {
        f->stream = fdopen(fd, "wb");
        if (!f->stream) {
            const int error = errno;
            close(fd);
            unlink(f->temporary);
            errno = error;
        }
    }
    if (!f->stream) {
        const da_status status = io_error(f, "write");
        mem_free(f->target);
        mem_free(f->temporary);
        return status;
    }
    return DA_OK;
}

da_status new_file_write(new_file *f, const void *data, size_t n)
{
    return fwrite(data, 1, n, f->stream) == n ? DA_OK : io_error(f, "write");
}

da_status new_file_close(new_file *f, da_status status)
{
    if (fclose(f->stream) != 0 && status == DA_OK)
        status = io_error(f, "write");
    if (f->temporary) {
        if (status == DA_OK && rename(f->temporary, f->target) != 0)
            status = io_error(f, "replace");
        if (status != DA_OK)
            unlink(f->temporary);
    }
    mem_free(f->target);
    mem_free(f->temporary);
    return status;
}

da_status file_open(FILE **out, int64_t *size, const char *path, const char *function)
{
    struct stat st;
    if (!path)
        return err_set(DA_ERROR_ARGUMENT, "%s: path is null", function);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return err_set(DA_ERROR_IO, "%s: cannot open '%s': %s", function, path, strerror(errno));
    const bool known = fstat(fileno(stream), &st) == 0;
    if (known && S_ISDIR(st.st_mode)) {
        fclose(stream);
        return err_set(DA_ERROR_IO, "%s: cannot open '%s': %s", function, path, strerror(EISDIR));
    }
    *size = known && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
    *out = stream;
    return DA_OK;
}
