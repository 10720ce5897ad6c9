/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds and loads the kernels' BLAS.
 *
 * The host program's BLAS and its thread count must not be touched. So the library is loaded with RTLD_LOCAL (its symbols serve nobody
 * else) and RTLD_DEEPBIND (it does not bind to the host's), from a copy of the file in memory: the dynamic linker takes two files for
 * two libraries, whether the host has loaded the original or will. In the copy the number of threads is set to one.
 *
 * It must be a library with threads all the same: a serial OpenBLAS takes no locks where it hands out its buffers, and gave wrong
 * results as soon as two threads called it (Debian's libopenblas0-serial 0.3.21).
 */
#include "blas.h"
#include "cpu/products.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define PRIVATE 0 /* AddressSanitizer refuses RTLD_DEEPBIND: the library then may bind to the host's */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PRIVATE 0
#endif
#endif
#ifndef PRIVATE
#define PRIVATE 1
#endif

#if PRIVATE
#define LOAD_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#else
#define LOAD_FLAGS (RTLD_NOW | RTLD_LOCAL)
#endif

/* Directories known when the library was built: OpenBLAS's own and the system's. */
#ifndef DA_BLAS_DIRECTORIES
#define DA_BLAS_DIRECTORIES ""
#endif

da_blas da_blas_f32, da_blas_f64, da_blas_c64, da_blas_c128;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic da_status result = DA_ERROR_STATE; /* not tried yet */
static char text[1024];
static char file[PATH_MAX], core[64] = "unknown";
static bool small_kernels; /* it has some for small real products */

static void say(const char *format, ...) DA_PRINTF_(1, 2);
static void say(const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, sizeof text - used, format, args);
    va_end(args);
}

/* ---- symbols ---- */

/* A library, or LAPACK and BLAS in two. */
typedef struct library {
    void *lapack, *blas;
} library;

/* dlsym() into a function pointer, which ISO C does not convert to. */
static void find(const library *lib, const char *name, void *function)
{
    void *symbol = dlsym(lib->lapack, name);

    if (!symbol && lib->blas)
        symbol = dlsym(lib->blas, name);
    memcpy(function, &symbol, sizeof symbol);
}

/* The routines of one dtype; false, and a word in `text`, if one is missing. */
static bool fill(da_blas *table, const library *lib, char letter, bool is_complex)
{
    char name[16];

#define FIND(member, real, complex, parameters)                                                              \
    snprintf(name, sizeof name, "%c%s_", letter, is_complex ? complex : real);                               \
    find(lib, name, &table->member);                                                                         \
    if (!table->member && name[1] != '_') {                                                                  \
        say("it has no %s", name);                                                                           \
        return false;                                                                                        \
    }
    DA_BLAS_ROUTINES(FIND)
#undef FIND
    return true;
}

static bool fill_all(const library *lib)
{
    return fill(&da_blas_f32, lib, 's', false) && fill(&da_blas_f64, lib, 'd', false) &&
           fill(&da_blas_c64, lib, 'c', true) && fill(&da_blas_c128, lib, 'z', true);
}

/* ---- OpenBLAS ---- */

/* False for an OpenBLAS that only one thread may call at a time. */
static bool is_thread_safe(const library *lib)
{
    int (*parallel)(void);

    find(lib, "openblas_get_parallel", &parallel);
    if (!parallel || parallel() != 0)
        return true;
    say("it is a serial OpenBLAS, which several threads may not call");
    return false;
}

#if PRIVATE
static void *set_one_thread(void *lib)
{
    void (*set)(int);

    find(lib, "openblas_set_num_threads", &set);
    if (set)
        set(1);
    return NULL;
}

/* OpenBLAS over OpenMP also sets the calling thread's number of threads, so the caller is a thread that ends. */
static void use_one_thread(library *lib)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, set_one_thread, lib) == 0)
        pthread_join(thread, NULL);
}

/* Whether OpenBLAS has kernels for small products of real matrices: those for AVX-512 do. */
static bool has_small(const char *kernels)
{
    static const char *const with[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};

    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++)
        if (strcmp(kernels, with[i]) == 0)
            return true;
    return false;
}

/* Which of its kernels OpenBLAS chose for this CPU (OPENBLAS_CORETYPE in the environment has a say in that). */
static const char *kernels_of(const library *lib)
{
    char *(*name)(void);

    find(lib, "openblas_get_corename", &name);
    return name ? name() : "unknown";
}
#endif

/* ---- files ---- */

/* File offset of an address of an ELF image; 0 if it is not in the file. */
static size_t offset_of(const ElfW(Phdr) * segments, int n, ElfW(Addr) address)
{
    for (int i = 0; i < n; i++)
        if (segments[i].p_type == PT_LOAD && address - segments[i].p_vaddr < segments[i].p_filesz)
            return address - segments[i].p_vaddr + segments[i].p_offset;
    return 0;
}

/*
 * Change the first letter of the library's own name in the image. The dynamic linker takes a library that is loaded for every later request
 * of its name, RTLD_LOCAL or not: a plugin of the host that needs libopenblas.so.0 would get the copy.
 */
static void rename_library(char *image, size_t bytes)
{
    const ElfW(Ehdr) *header = (const void *)image;
    const ElfW(Phdr) * segments;
    size_t names = 0, name = 0;

    if (bytes < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff > bytes ||
        header->e_phnum > (bytes - header->e_phoff) / sizeof *segments)
        return;
    segments = (const void *)(image + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *segment = &segments[i];

        if (segment->p_type != PT_DYNAMIC || segment->p_offset > bytes ||
            segment->p_filesz > bytes - segment->p_offset)
            continue;
        for (size_t d = 0; d < segment->p_filesz / sizeof(ElfW(Dyn)); d++) {
            const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(const void *)(image + segment->p_offset) + d;

            if (entry->d_tag == DT_STRTAB)
                names = offset_of(segments, header->e_phnum, entry->d_un.d_ptr);
            if (entry->d_tag == DT_SONAME)
                name = entry->d_un.d_val;
        }
    }
    if (names > 0 && name > 0 && names < bytes && name < bytes - names)
        image[names + name] = '_';
}

/* dlopen() of a copy of the file in memory. */
static void *load_copy(const char *path)
{
    const int from = open(path, O_RDONLY | O_CLOEXEC);
    const int to = from < 0 ? -1 : memfd_create("darray-blas", MFD_CLOEXEC);
    void *handle = NULL;
    struct stat about;
    size_t bytes, copied = 0;
    char *image;
    char name[64];

    if (to >= 0 && fstat(from, &about) == 0 && about.st_size > 0) {
        bytes = (size_t)about.st_size;
        while (copied < bytes) {
            const ssize_t n = sendfile(to, from, NULL, bytes - copied);

            if (n <= 0)
                break;
            copied += (size_t)n;
        }
        image = copied == bytes ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0) : MAP_FAILED;
        if (image != MAP_FAILED) {
            rename_library(image, bytes);
            munmap(image, bytes);
            /* not /proc/self/..., under which another library's memory file may be known to the dynamic linker */
            snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)getpid(), to);
            handle = dlopen(name, LOAD_FLAGS);
        }
    }
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    return handle;
}

/* Load one file, as a copy if that is wanted and possible, and fill the tables. */
static bool use(const char *path, bool copy)
{
    library lib = {NULL, NULL};

    copy = copy && PRIVATE;
    lib.lapack = copy ? load_copy(path) : dlopen(path, LOAD_FLAGS);
    if (!lib.lapack) {
        const char *why = dlerror();

        say("%s", why ? why : "it cannot be copied into memory");
        return false;
    }
    if (!is_thread_safe(&lib) || !fill_all(&lib)) {
        dlclose(lib.lapack);
        return false;
    }
    text[0] = 0;
    snprintf(file, sizeof file, "%s", path);
    say("BLAS: %s%s", copy ? "a copy of " : "", path);
#if PRIVATE
    use_one_thread(&lib);
    snprintf(core, sizeof core, "%s", kernels_of(&lib));
    small_kernels = has_small(core);
    say(" (%s kernels)", core);
#else
    say(" (not private: AddressSanitizer refuses RTLD_DEEPBIND)");
#endif
    return true;
}

/* LAPACK and BLAS as two libraries of whatever make, found by the dynamic linker. */
static bool use_pair(void)
{
    library lib;

    lib.lapack = dlopen("liblapack.so.3", LOAD_FLAGS);
    lib.blas = dlopen("libblas.so.3", LOAD_FLAGS);
    if (lib.lapack && lib.blas && fill_all(&lib)) {
        text[0] = 0;
        snprintf(file, sizeof file, "liblapack.so.3 and libblas.so.3");
        say("BLAS: %s", file);
        return true;
    }
    if (lib.lapack)
        dlclose(lib.lapack);
    if (lib.blas)
        dlclose(lib.blas);
    return false;
}

/* Try DIRECTORY/NAME for every directory of a list separated by colons. */
static bool use_from(const char *directories, const char *name)
{
    const char *end;

    for (; directories && *directories; directories = *end ? end + 1 : end) {
        char path[PATH_MAX];

        end = strchrnul(directories, ':');
        if (end == directories || end - directories > PATH_MAX / 2)
            continue;
        snprintf(path, sizeof path, "%.*s/%s", (int)(end - directories), directories, name);
        text[0] = 0;
        if (access(path, R_OK) == 0 && use(path, true))
            return true;
    }
    return false;
}

static bool search(void)
{
    static const char known[] =
        DA_BLAS_DIRECTORIES ":/usr/local/lib64:/usr/local/lib:/usr/lib64:/usr/lib:/lib64:/lib";
    static const char *const names[] = {
        "openblas-pthread/libopenblas.so.0", /* Debian */
        "libopenblasp.so.0",                 /* Fedora */
        "libopenblas.so.0",
        "libopenblas.so",
        "openblas-openmp/libopenblas.so.0",
        "libopenblaso.so.0",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (use_from(getenv("LD_LIBRARY_PATH"), names[i]) || use_from(known, names[i]))
            return true;
    return use_pair();
}

static void load(void)
{
    const char *wanted = getenv("DARRAY_BLAS");
    bool found;

    if (wanted && *wanted) {
        say("no BLAS/LAPACK: DARRAY_BLAS is %s: ", wanted);
        const size_t length = strlen(text);
        found = use(wanted, true);
        if (!found) { /* a copy does not find what lies beside the original */
            text[length] = 0;
            found = use(wanted, false);
        }
    } else {
        found = search();
        if (!found) {
            text[0] = 0;
            say("no BLAS/LAPACK: no libopenblas.so.0 in LD_LIBRARY_PATH or the system's directories, nor a "
                "complete "
                "liblapack.so.3 with libblas.so.3; install OpenBLAS or set DARRAY_BLAS to such a library");
        }
    }
    atomic_store_explicit(&result, found ? DA_OK : DA_ERROR_UNSUPPORTED, memory_order_release);
}

da_status da_blas_load(void)
{
    da_status status = atomic_load_explicit(&result, memory_order_acquire);

    if (status == DA_ERROR_STATE) {
        pthread_once(&once, load);
        status = atomic_load_explicit(&result, memory_order_acquire);
    }
    return status;
}

const char *da_blas_text(void)
{
    return text;
}

const char *da_blas_file(void)
{
    return file;
}

const char *da_blas_core(void)
{
    return core;
}

int da_blas_small_order(da_dtype dtype)
{
    /* without kernels for it every call takes a buffer, one thread at a time */
    enum { REAL_BESIDE = 8, COMPLEX = 32 };

    if (dtype == DA_C64 || dtype == DA_C128)
        return small_kernels ? DA_PRODUCT_ORDER : COMPLEX; /* there vectors are long, too */
    return small_kernels ? REAL_BESIDE : DA_PRODUCT_ORDER;
}
