/* SPDX-License-Identifier: BSD-3-Clause */
/* darray info: what the library finds here. Nothing is started: StarPU would measure its buses, which takes a while. */
#include "tool.h"
#include "base/base.h"
#include "codelets/blas.h"
#include "codelets/device/cache.h"
#include "codelets/device/device.h"
#include "runtime/about.h"
#include "runtime/models.h"
#include "runtime/topology.h"
#include <darray/runtime.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void help(FILE *stream)
{
    fputs("usage: darray info [--json]\n"
          "What the library is and what it finds here: runtimes, workers, devices, BLAS, directories, "
          "environment\n"
          "variables, and what is missing to use a GPU.\n\n"
          "  --json    one JSON object\n"
          "  --help\n\n"
          "Exit status: 0 done, 1 the output could not be written, 2 the command line is wrong.\n",
          stream);
}

/* ---- runtimes and workers ---- */

static void runtimes(report *r)
{
    const char *const wanted = config_get()->runtime;

    report_object(r, "runtimes");
    report_array(r, "built_in");
    report_text(r, NULL, "openmp");
#if DA_HAVE_STARPU
    report_text(r, NULL, "starpu");
#endif
    report_close(r);
#if DA_HAVE_STARPU
    starpu_about starpu;
    spu_about(&starpu);
    report_text(r, "starpu_version", "%s", starpu.version);
    report_number(r, "starpu_cpu_workers_most", starpu.cpus);
    report_bool(r, "starpu_has_cuda", starpu.cuda > 0);
    report_bool(r, "starpu_has_opencl", starpu.opencl > 0);
#endif
    report_text(r, "chosen", "%s", da_runtime_name());
    if (strcmp(da_runtime_name(), "none") == 0)
        report_text(r, "because", "DARRAY_RUNTIME is \"%s\", which is not built in", wanted);
    else
        report_text(r, "because", "%s",
                    *wanted ? "DARRAY_RUNTIME says so"
                    : da_num_devices() > 0
                        ? "there is a device that StarPU can use (openmp until it is wanted)"
                        : "there is no device that StarPU could use");
    report_close(r);
}

/* "0-3,8" */
static void cpu_list(char *text, size_t size, const unsigned *cpus, int n)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0, end; i < n && used + 32 < size; i = end) {
        for (end = i + 1; end < n && cpus[end] == cpus[end - 1] + 1; end++)
            ;
        used += (size_t)snprintf(text + used, size - used, end > i + 1 ? "%s%u-%u" : "%s%u", i ? "," : "",
                                 cpus[i], cpus[end - 1]);
    }
}

static void workers(report *r)
{
    enum { MOST_CPUS = 4096 };
    static unsigned cpus[MOST_CPUS];
    char list[1024];
    const int cores = topology_cores(), wanted = config_get()->num_threads, quota = config_cpu_quota();
    int allowed = topology_allowed(cpus, MOST_CPUS), most = INT_MAX;

    if (allowed == 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        allowed = online < 1 ? 1 : online > MOST_CPUS ? MOST_CPUS : (int)online;
        for (int i = 0; i < allowed; i++)
            cpus[i] = (unsigned)i;
    }
    cpu_list(list, sizeof list, cpus, allowed);
#if DA_HAVE_STARPU
    starpu_about starpu;
    spu_about(&starpu);
    if (strcmp(da_runtime_name(), "starpu") == 0)
        most = starpu.cpus;
#endif
    const int n = da_num_workers() < most ? da_num_workers() : most;
    report_object(r, "workers");
    report_number(r, "count", n);
    report_text(r, "because", "%s",
                da_num_workers() > most                      ? "StarPU was built for no more"
                : wanted > 0 && getenv("DARRAY_NUM_THREADS") ? "DARRAY_NUM_THREADS says so"
                : wanted > 0                                 ? "OMP_NUM_THREADS says so"
                : quota > 0 && quota == cores                ? "the cgroup allows so much time"
                                                             : "one for each core it may use");
    report_number(r, "cores", cores);
    report_text(r, "cpus", "%s", list);
    report_text(r, "pinning", "%s",
                n <= cores ? "each worker to a core of its own"
                           : "to all of these together: there are more workers than cores");
    report_bytes(r, "memory_for_arrays", config_get()->memory_limit);
    report_close(r);
}

/* ---- devices ---- */

static const char *const kind_names[DA_DEVICE_KINDS] = {"CPU", "CUDA", "OpenCL"};

static void devices(report *r)
{
    report_array(r, "devices");
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const da_device_ops *const ops = da_device_module_of((da_device_kind)k, NULL);
        const int n = ops ? ops->count() : 0;

        for (int i = 0; i < n; i++) {
            da_device_about about = {.memory = 0};
            const bool known = ops->describe && ops->describe(i, &about);

            report_object(r, NULL);
            report_text(r, "kind", "%s", kind_names[k]);
            report_number(r, "index", i);
            if (known)
                report_text(r, "name", "%s", about.name);
            else
                report_nothing(r, "name", "unknown");
            if (known && about.memory > 0)
                report_bytes(r, "memory", about.memory);
            else
                report_nothing(r, "memory", "unknown");
            report_close(r);
        }
    }
    report_close(r);
    report_number(r, "devices_used", da_num_devices());
}

/* ---- what is missing ---- */

static void lacks(report *r, const char *what, const char *remedy)
{
    report_object(r, NULL);
    report_text(r, "what", "%s", what);
    report_text(r, "remedy", "%s", remedy);
    report_close(r);
}

static bool loads(const char *library)
{
    void *const handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);

    if (handle)
        dlclose(handle);
    return handle != NULL;
}

/* The graphics adapters that the PCI bus shows, in words; returns their number. */
static int cards(char *text, size_t size)
{
    static const struct {
        const char *id, *name;
    } makers[] = {{"0x10de", "NVIDIA"}, {"0x1002", "AMD"}, {"0x8086", "Intel"}};
    DIR *const bus = opendir("/sys/bus/pci/devices");
    int n = 0;

    text[0] = '\0';
    for (const struct dirent *e; bus && (e = readdir(bus));) {
        char path[sizeof "/sys/bus/pci/devices//vendor" + NAME_MAX], class[16] = "", vendor[16] = "";
        const char *words[] = {"class", "vendor"};
        char *values[] = {class, vendor};

        for (int i = 0; i < 2; i++) {
            snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", e->d_name, words[i]);
            FILE *const file = fopen(path, "re");
            if (file && fgets(values[i], sizeof class, file))
                values[i][strcspn(values[i], "\n")] = '\0';
            if (file)
                fclose(file);
        }
        if (strncmp(class, "0x03", 4) != 0 && strncmp(class, "0x12", 4) != 0)
            continue;
        for (size_t m = 0; m < sizeof makers / sizeof *makers; m++)
            if (strcmp(vendor, makers[m].id) == 0) {
                const size_t used = strlen(text);
                snprintf(text + used, size - used, "%s%s at %s", n++ ? ", " : "", makers[m].name, e->d_name);
            }
    }
    if (bus)
        closedir(bus);
    return n;
}

/* StarPU's variable for such devices, if it says 0. */
static const char *forbidden_by(da_device_kind kind)
{
    const char *const name = kind == DA_DEVICE_CUDA ? "STARPU_NCUDA" : "STARPU_NOPENCL";
    const char *const text = getenv(name);
    char *end = NULL;

    return text && strtol(text, &end, 10) == 0 && end != text ? name : NULL;
}

/* What keeps tasks from devices of this kind. */
static void missing_of(report *r, da_device_kind kind)
{
    const bool cuda = kind == DA_DEVICE_CUDA;
    const char *reason = NULL;
    const da_device_ops *const ops = da_device_module_of(kind, &reason);
    char what[512];

    report_array(r, cuda ? "cuda" : "opencl");
#if DA_HAVE_STARPU
    starpu_about starpu;
    spu_about(&starpu);
    if ((cuda ? starpu.cuda : starpu.opencl) == 0) {
        snprintf(what, sizeof what, "StarPU %s was built without %s", starpu.version, kind_names[kind]);
        lacks(r, what,
              cuda ? "install a StarPU with CUDA (scripts/starpu-cuda in the sources builds one) and build "
                     "darray with it"
                   : "install a StarPU that was configured with --enable-opencl and build darray with it");
    }
#else
    lacks(r, "the library was built without StarPU, which runs tasks on devices",
          "install StarPU (Debian: libstarpu-dev) and build darray again");
#endif
    if (!ops) {
        snprintf(what, sizeof what, "no module for %s: %s", kind_names[kind], reason ? reason : "not loaded");
        lacks(r, what,
              cuda ? "build darray where the CUDA toolkit is (cuBLAS, cuSOLVER, NVRTC), or say in "
                     "DARRAY_MODULES where "
                     "darray_cuda.so is"
                   : "build darray where OpenCL's headers are (Debian: ocl-icd-opencl-dev, libclblast-dev), "
                     "or say in "
                     "DARRAY_MODULES where darray_opencl.so is");
    }
    if (!cuda && ops && !da_device_find(kind, "da_trsm"))
        lacks(r,
              "the module for OpenCL was built without CLBlast: products, triangular solves and Cholesky run "
              "on the CPU",
              "install CLBlast (Debian: libclblast-dev) and build darray again");
    const bool driver = loads(cuda ? "libcuda.so.1" : "libOpenCL.so.1");
    if (!driver)
        lacks(r,
              cuda ? "no driver: libcuda.so.1 cannot be loaded"
                   : "no loader: libOpenCL.so.1 cannot be loaded",
              cuda ? "install NVIDIA's driver (Debian: nvidia-driver), or start the container with access to "
                     "the GPU"
                   : "install OpenCL's loader (Debian: ocl-icd-libopencl1)");
    if (ops && driver && ops->count() == 0) {
        const char *const hidden = cuda ? getenv("CUDA_VISIBLE_DEVICES") : NULL;
        if (hidden)
            snprintf(what, sizeof what, "the driver shows no device (CUDA_VISIBLE_DEVICES is \"%s\")",
                     hidden);
        else
            snprintf(what, sizeof what,
                     cuda ? "the driver shows no device" : "OpenCL shows no GPU nor accelerator");
        lacks(r, what,
              cuda ? "see what nvidia-smi says; the user may need access to /dev/nvidia*"
                   : "install the GPU's OpenCL driver (Debian: mesa-opencl-icd, intel-opencl-icd); for tests "
                     "on CPUs: "
                     "pocl-opencl-icd and STARPU_OPENCL_ON_CPUS=1");
    }
    const char *const forbidden = forbidden_by(kind);
    if (forbidden) {
        snprintf(what, sizeof what, "%s is \"%s\": StarPU may use no %s device", forbidden, getenv(forbidden),
                 kind_names[kind]);
        lacks(r, what, "unset it");
    }
    report_close(r);
}

static void missing(report *r)
{
    char found[1024];
    const int n = cards(found, sizeof found);

    report_object(r, "missing_to_use_a_gpu");
    if (n > 0)
        report_text(r, "cards_on_the_bus", "%s", found);
    else
        report_nothing(r, "cards_on_the_bus", "none of NVIDIA, AMD or Intel");
    report_array(r, "settings");
    if (config_get()->device == DA_ON_CPU) {
        const char *const place = getenv("DARRAY_DEVICE");
        if (place && strcmp(place, "cpu") == 0)
            lacks(r, "DARRAY_DEVICE is \"cpu\"", "unset it, or set it to auto");
        else
            lacks(r, "DARRAY_REPRODUCIBLE keeps all tasks on the CPU",
                  "unset it, or set DARRAY_DEVICE to gpu as well");
    }
    if (strcmp(config_get()->runtime, "openmp") == 0)
        lacks(r, "DARRAY_RUNTIME is \"openmp\", which knows no devices", "unset it, or set it to starpu");
    report_close(r);
    missing_of(r, DA_DEVICE_CUDA);
    missing_of(r, DA_DEVICE_OPENCL);
    report_close(r);
}

/* ---- BLAS, directories, environment ---- */

static void blas(report *r)
{
    const da_status status = da_blas_load();

    report_object(r, "blas");
    if (status == DA_OK) {
        report_text(r, "file", "%s", da_blas_file());
        report_text(r, "kernels", "%s", da_blas_core());
        report_number(r, "threads_a_call", 1);
    } else {
        report_nothing(r, "file", "none");
    }
    report_text(r, "text", "%s", da_blas_text());
    report_close(r);
}

/* Adds up the files of a directory. */
static void measure(const char *path, int64_t *files, int64_t *bytes)
{
    DIR *const directory = opendir(path);

    for (const struct dirent *e; directory && (e = readdir(directory));) {
        struct stat about;

        if (fstatat(dirfd(directory), e->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode))
            continue;
        ++*files;
        *bytes += about.st_size;
    }
    if (directory)
        closedir(directory);
}

static void compiled_kernels(report *r)
{
    char path[PATH_MAX], below[PATH_MAX + 16];
    int64_t files = 0, bytes = 0;

    report_object(r, "compiled_kernels");
    if (da_device_cache_directory(path)) {
        for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
            snprintf(below, sizeof below, "%s/%s", path, models_kind_name((da_device_kind)k));
            measure(below, &files, &bytes);
        }
        report_text(r, "directory", "%s", path);
        report_number(r, "files", (double)files);
        report_bytes(r, "size", bytes);
    } else {
        report_nothing(r, "directory", "none: HOME, XDG_CACHE_HOME and DARRAY_CACHE_DIR are not set");
    }
    report_close(r);
}

static void performance_models(report *r)
{
    char path[PATH_MAX];
    struct stat about;
    models all = {0};

    report_object(r, "performance_models");
    if (models_path(path, sizeof path) != DA_OK) {
        report_nothing(r, "file", "none: HOME, XDG_CACHE_HOME and DARRAY_CACHE_DIR are not set");
    } else {
        report_text(r, "file", "%s", path);
        report_bytes(r, "size", stat(path, &about) == 0 ? about.st_size : 0);
        if (models_read(&all, NULL) != DA_OK)
            report_text(r, "error", "%s", da_error());
        report_number(r, "models", all.count);
        models_clear(&all);
    }
    report_close(r);
}

static bool counts(const char *variable)
{
    static const char *const beginnings[] = {"DARRAY_", "STARPU_", "OMP_",     "GOMP_",          "OPENBLAS_",
                                             "CUDA_",   "POCL_",   "OCL_ICD_", "XDG_CACHE_HOME="};

    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(variable, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* What the library complains of, and variables of its that do not exist. */
static void not_understood(char *text, size_t size)
{
    static const char *const known[] = {"BLAS",         "CACHE_DIR", "CPU_LEVEL",   "DEVICE", "INLINE",
                                        "MEMORY_LIMIT", "MODULES",   "NUM_THREADS", "PIECE",  "REPRODUCIBLE",
                                        "RUNTIME",      "TILE",      "VERBOSE"};
    size_t used = (size_t)snprintf(text, size, "%s", config_get()->complaints);

    for (char **v = environ; *v && used < size; v++) {
        bool found = strncmp(*v, "DARRAY_", 7) != 0 || strncmp(*v, "DARRAY_TEST_", 12) == 0;

        for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++)
            found = strncmp(*v + 7, known[i], strlen(known[i])) == 0 && (*v)[7 + strlen(known[i])] == '=';
        if (!found)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", *v);
    }
}

static void environment(report *r, bool modules_are_ours)
{
    report_object(r, "environment");
    for (char **v = environ; *v; v++) {
        char name[128];
        const char *const equals = strchr(*v, '=');

        if (!equals || !counts(*v) || (modules_are_ours && strncmp(*v, "DARRAY_MODULES=", 15) == 0))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *v), *v);
        report_text(r, name, "%s", equals + 1);
    }
    report_close(r);
    char text[1024];

    not_understood(text, sizeof text);
    if (*text)
        report_text(r, "not_understood", "%s", text);
    else
        report_nothing(r, "not_understood", "nothing");
}

int tool_info(int argc, char **argv)
{
    arguments a = {.command = "info", .argc = argc, .argv = argv};
    bool json = false;
    report r;

    while (arguments_next(&a)) {
        if (arguments_flag(&a, "--help") || arguments_flag(&a, "-h")) {
            help(stdout);
            return TOOL_OK;
        }
        if (!arguments_flag(&a, "--json"))
            return arguments_unknown(&a);
        json = true;
    }
    report_begin(&r, stdout, json);
    report_text(&r, "version", "%s", da_version());
    runtimes(&r);
    workers(&r);
    devices(&r);
    missing(&r);
    blas(&r);
    compiled_kernels(&r);
    performance_models(&r);
    environment(&r, tool_set_modules);
    report_end(&r);
    return TOOL_OK;
}
