/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings from the environment, and what the machine or cgroup lets this process have. */
#include "base/base.h"
#include "base/lock.h"
#include <ctype.h>
#include <darray/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lock_word guard;
static _Atomic(bool) loaded;
static char runtime_name[32];
static config settings;

/* A whole number at the beginning of `text`, moving it on; -1 if there is none. */
static int64_t number(const char **text)
{
    char *end;
    long long value;
    while (isspace((unsigned char)**text))
        ++*text;
    if (!isdigit((unsigned char)**text))
        return -1;
    errno = 0;
    value = strtoll(*text, &end, 10);
    *text = end;
    return errno ? -1 : (int64_t)value;
}

static bool at_end(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return *text == 0;
}

/* What was not understood, for the log. */
static char complaints[256];

static void complain(const char *name, const char *text)
{
    const size_t used = strlen(complaints);
    snprintf(complaints + used, sizeof complaints - used, "%s%s=%.40s", used ? ", " : "", name, text);
}

/* A positive number, or `otherwise`. OMP_NUM_THREADS may be a list: its first entry counts. */
static int threads(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int64_t value;
    if (!text || !*text)
        return otherwise;
    value = number(&text);
    if (value >= 1 && value <= 4096)
        return (int)value;
    complain(name, getenv(name));
    return otherwise;
}

static int small(const char *name, int most, int otherwise)
{
    const char *text = getenv(name);
    int64_t value;
    if (!text || !*text)
        return otherwise;
    value = number(&text);
    if (value >= 0 && value <= most && at_end(text))
        return (int)value;
    complain(name, getenv(name));
    return otherwise;
}

static int device(void)
{
    const char *const text = getenv("DARRAY_DEVICE");
    if (!text || !*text || strcmp(text, "auto") == 0)
        return DA_ANYWHERE;
    if (strcmp(text, "cpu") == 0 || strcmp(text, "gpu") == 0)
        return *text == 'c' ? DA_ON_CPU : DA_ON_GPU;
    complain("DARRAY_DEVICE", text);
    return DA_ANYWHERE;
}

static int64_t bytes(const char *text)
{
    int64_t value = number(&text), unit = 1, product;
    if (value < 0)
        return -1;
    switch (toupper((unsigned char)*text)) {
    case 'K': unit = (int64_t)1 << 10; break;
    case 'M': unit = (int64_t)1 << 20; break;
    case 'G': unit = (int64_t)1 << 30; break;
    case 'T': unit = (int64_t)1 << 40; break;
    default: break;
    }
    if (unit > 1)
        text++;
    if (*text == 'i')
        text++;
    if (toupper((unsigned char)*text) == 'B')
        text++;
    if (!at_end(text) || !size_mul(value, unit, &product))
        return -1;
    return product;
}

/* The number in a file, or -1 ("max" too); with a second number, thousandths of their ratio. */
static int64_t number_in(const char *path)
{
    char text[64];
    const char *p = text;
    FILE *file = fopen(path, "re");
    int64_t first, second;
    size_t n;
    if (!file)
        return -1;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    first = number(&p);
    second = first < 0 ? -1 : number(&p);
    return second > 0 && first <= INT64_MAX / 1000 ? first * 1000 / second : first;
}

/* What version 1 of cgroups says about one group: bytes of memory, or thousandths of a core. */
static int64_t memory_v1(const char *directory)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/memory.limit_in_bytes", directory);
    return number_in(path);
}

static int64_t cpu_v1(const char *directory)
{
    char path[4300];
    int64_t quota, period;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    quota = number_in(path);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    period = number_in(path);
    return quota > 0 && period > 0 && quota <= INT64_MAX / 1000 ? quota * 1000 / period : -1;
}

/* Lowest limit of this process's cgroup and those above it; -1 if there is none. */
static int64_t cgroup(const char *controller, const char *file_v2, int64_t (*read_v1)(const char *directory))
{
    char line[4096];
    int64_t lowest = -1;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        /* "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1) */
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        bool v2;
        if (!path)
            continue;
        controllers++;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        v2 = *controllers == 0;
        if (!v2) {
            const char *found = strstr(controllers, controller);
            const size_t length = strlen(controller);
            if (!found || (found[length] != 0 && found[length] != ','))
                continue;
        }
        for (;;) {
            char full[sizeof line + 128];
            int64_t value;
            char *slash;
            if (v2) {
                snprintf(full, sizeof full, "/sys/fs/cgroup%s/%s", path, file_v2);
                value = number_in(full);
            } else {
                snprintf(full, sizeof full, "/sys/fs/cgroup/%s%s", controller, path);
                value = read_v1(full);
            }
            if (value > 0 && (lowest < 0 || value < lowest))
                lowest = value;
            slash = strrchr(path, '/');
            if (!slash)
                break;
            *slash = 0;
        }
    }
    fclose(file);
    return lowest;
}

int config_cpu_quota(void)
{
    const int64_t thousandths = cgroup("cpu", "cpu.max", cpu_v1);
    return thousandths <= 0 ? 0 : thousandths > 4096000 ? 4096 : (int)((thousandths + 999) / 1000);
}

/* Physical memory or the cgroup's, less a sixteenth for everything that is not an array. */
static int64_t machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t have = INT64_MAX, limit;
    if (pages <= 0 || page <= 0 || !size_mul(pages, page, &have))
        have = INT64_MAX;
    limit = cgroup("memory", "memory.max", memory_v1);
    if (limit > 0 && limit < have)
        have = limit;
    return have - have / 16;
}

static void tile(config *c)
{
    const char *text = getenv("DARRAY_TILE");
    int n = 0;
    if (!text || !*text)
        return;
    for (;;) {
        const int64_t extent = number(&text);
        if (extent < 1 || n == DA_MAX_NDIM)
            break;
        c->tile[n++] = extent;
        if (*text != 'x' && *text != 'X') {
            if (at_end(text)) {
                c->tile_ndim = n;
                return;
            }
            break;
        }
        text++;
    }
    complain("DARRAY_TILE", getenv("DARRAY_TILE"));
}

static void load(void)
{
    config c = {0};
    const char *text = getenv("DARRAY_RUNTIME");
    complaints[0] = 0;
    snprintf(runtime_name, sizeof runtime_name, "%s", text ? text : "");
    c.runtime = runtime_name;
    c.num_threads = threads("DARRAY_NUM_THREADS", threads("OMP_NUM_THREADS", 0));
    c.device = device();
    c.reproducible = small("DARRAY_REPRODUCIBLE", 1, 0) != 0;
    if (c.reproducible && c.device == DA_ANYWHERE)
        c.device = DA_ON_CPU; /* what runs a task would depend on how long others took */
    c.inline_tasks = small("DARRAY_INLINE", 1, 1) != 0;
    c.verbose = small("DARRAY_VERBOSE", 2, 0);
    tile(&c);
    text = getenv("DARRAY_MEMORY_LIMIT");
    c.memory_limit = text && *text ? bytes(text) : -1;
    if (c.memory_limit < 0) {
        if (text && *text)
            complain("DARRAY_MEMORY_LIMIT", text);
        c.memory_limit = machine_memory();
    }
    text = getenv("DARRAY_CPU_LEVEL"); /* the kernels read it */
    if (text && *text && (!strchr("034", *text) || text[1]))
        complain("DARRAY_CPU_LEVEL", text);
    if (*c.runtime && strcmp(c.runtime, "openmp") != 0 && strcmp(c.runtime, "starpu") != 0)
        complain("DARRAY_RUNTIME", c.runtime); /* choosing it fails, as well */
    c.complaints = complaints;
    settings = c;
}

const config *config_get(void)
{
    if (!atomic_load_explicit(&loaded, memory_order_acquire)) {
        lock_acquire(&guard);
        if (!atomic_load_explicit(&loaded, memory_order_relaxed)) {
            load();
            atomic_store_explicit(&loaded, true, memory_order_release);
        }
        lock_release(&guard);
    }
    return &settings;
}

void config_reload(void)
{
    lock_acquire(&guard);
    load();
    atomic_store_explicit(&loaded, true, memory_order_release);
    lock_release(&guard);
}
