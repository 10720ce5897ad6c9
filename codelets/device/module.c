/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the modules, and in them and here the implementation of a codelet. */
#include "device.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[DA_DEVICE_KINDS] = {NULL, "cuda", "opencl"};

static struct loaded {
    const da_device_ops *ops;
    char reason[256];
} modules[DA_DEVICE_KINDS];

static void load_from(struct loaded *m, const char *path)
{
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const da_device_ops *(*module)(void) = NULL;

    if (!library) {
        snprintf(m->reason, sizeof m->reason, "%s", dlerror());
        return;
    }
    *(void **)&module = dlsym(library, "da_device_module");
    const da_device_ops *const ops = module ? module() : NULL;
    if (ops && ops->version == DA_DEVICE_VERSION) {
        m->ops = ops;
        return;
    }
    snprintf(m->reason, sizeof m->reason, "%s is of another version of the library", path);
    dlclose(library);
}

/* Where modules may be: $DARRAY_MODULES, else beside the library, installed or as it was built. */
static void load(da_device_kind kind)
{
    static const char *const beside[] = {"%.*s/darray/darray_%s.so", "%.*s/../codelets/%s/darray_%s.so"};
    struct loaded *const m = &modules[kind];
    const char *const directory = getenv("DARRAY_MODULES");
    char path[PATH_MAX];
    Dl_info self;

    snprintf(m->reason, sizeof m->reason, "there is no darray_%s.so", names[kind]);
    if (directory) {
        snprintf(path, sizeof path, "%s/darray_%s.so", directory, names[kind]);
        load_from(m, path);
        return;
    }
    if (!dladdr((const void *)names, &self) || !self.dli_fname)
        return;
    const char *const slash = strrchr(self.dli_fname, '/');
    const int length = slash ? (int)(slash - self.dli_fname) : 1;
    const char *const lib = slash ? self.dli_fname : ".";
    for (int i = 0; i < 2 && !m->ops; i++) {
        if (i == 0)
            snprintf(path, sizeof path, beside[0], length, lib, names[kind]);
        else
            snprintf(path, sizeof path, beside[1], length, lib, names[kind], names[kind]);
        FILE *const there = fopen(path, "rb");
        if (!there)
            continue;
        fclose(there);
        load_from(m, path);
    }
}

static void load_cuda(void)
{
    load(DA_DEVICE_CUDA);
}

static void load_opencl(void)
{
    load(DA_DEVICE_OPENCL);
}

const da_device_ops *da_device_module_of(da_device_kind kind, const char **reason)
{
    static pthread_once_t once[DA_DEVICE_KINDS] = {PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT};

    if (kind != DA_DEVICE_CUDA && kind != DA_DEVICE_OPENCL)
        return NULL;
    pthread_once(&once[kind], kind == DA_DEVICE_CUDA ? load_cuda : load_opencl);
    if (reason)
        *reason = modules[kind].reason;
    return modules[kind].ops;
}

static const da_device_kernel *find_in(const da_device_kernel *list, const char *name)
{
    for (; list && list->name; list++)
        if (strcmp(list->name, name) == 0)
            return list;
    return NULL;
}

const da_device_kernel *da_device_find(da_device_kind kind, const char *codelet_name)
{
    const da_device_ops *const ops = da_device_module_of(kind, NULL);
    const da_device_kernel *const common[] = {da_device_array_kernels, da_device_matrix_kernels,
                                              da_device_qr_kernels, da_device_expr_kernels};
    const da_device_kernel *found = ops ? find_in(ops->kernels, codelet_name) : NULL;

    for (size_t i = 0; ops && !found && i < sizeof common / sizeof common[0]; i++)
        found = find_in(common[i], codelet_name);
    return found;
}
