/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/models.h"
#include "base/file.h"
#include "runtime/core.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kind_names[DA_DEVICE_KINDS] = {"cpu", "cuda", "opencl"};

bool models_always;

void models_clear(models *m)
{
    for (model *a = m->first, *next; a; a = next) {
        next = a->next;
        model_free(a);
    }
    m->first = NULL;
    m->count = m->damaged = 0;
    m->machine = (model_machine){.worked = 0};
    memset(m->device, 0, sizeof m->device);
}

model *models_get(models *m, const char *symbol)
{
    model **at = &m->first;

    while (*at && strcmp((*at)->symbol, symbol) < 0)
        at = &(*at)->next;
    if (*at && strcmp((*at)->symbol, symbol) == 0)
        return *at;
    model *const a = model_new(&m->machine, symbol);
    if (a) {
        a->next = *at;
        *at = a;
        m->count++;
    }
    return a;
}

/* It becomes a file's name. */
static bool may_be_in_symbol(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

int models_symbol(char *symbol, size_t size, const da_codelet *codelet, da_dtype dtype)
{
    const unsigned revision = codelet->flags & DA_CODELET_OWN ? DA_CODELET_REVISION_OF(codelet->flags) : 1;
    const int length = snprintf(symbol, size, "darray_%s_v%u_%s", codelet->name, revision,
                                dtype ? da_dtype_name(dtype) : "memory");

    for (char *c = symbol; size > 0 && *c; c++)
        if (!may_be_in_symbol(*c))
            *c = '-';
    return length;
}

model *models_of(models *m, const da_codelet *codelet, da_dtype dtype)
{
    char symbol[256];

    models_symbol(symbol, sizeof symbol, codelet, dtype);
    return models_get(m, symbol);
}

/* ---- devices ---- */

static int forget(models *m, da_device_kind kind)
{
    int sizes = 0;

    for (model *a = m->first; a; a = a->next)
        sizes += model_forget(a, kind);
    return sizes;
}

static void set_peak(double *peak, double known)
{
    if (known > 0)
        *peak = known;
}

int models_set_device(models *m, da_device_kind kind, const models_device *device)
{
    models_device *const d = &m->device[kind];
    const bool other = strcmp(d->name, device->name) != 0;
    const int forgotten = other ? forget(m, kind) : 0;

    if (other) {
        *d = (models_device){.peak.flops = 0};
        m->machine.peak[kind] = d->peak;
    }
    memcpy(d->name, device->name, sizeof d->name);
    d->here = d->here || device->here;
    for (int i = 0; i < 2; i++) { /* what was measured earlier, what is new */
        model_peak *const to = i == 0 ? &d->peak : &m->machine.peak[kind];
        const model_peak *const from = i == 0 ? &device->peak : &d->peak;
        set_peak(&to->flops, from->flops);
        set_peak(&to->doubles, from->doubles);
        set_peak(&to->bytes, from->bytes);
        set_peak(&to->seconds, from->seconds);
    }
    return forgotten;
}

static const char *name_or(const models_device *device, const char *otherwise)
{
    return device->name[0] ? device->name : otherwise;
}

void models_fit(models *m)
{
#if DA_HAVE_STARPU
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        models_device here;

        if (!spu_device_of((da_device_kind)k, &here))
            continue;
        lock_acquire(&m->lock);
        const models_device before = m->device[k];
        const int forgotten = models_set_device(m, (da_device_kind)k, &here);
        lock_release(&m->lock);
        if (forgotten > 0)
            log_line(1, "times measured on %s are not used on %s", name_or(&before, "unknown devices"),
                     here.name);
    }
#else
    (void)m;
#endif
}

/* ---- the file ----
 *
 * Its first line names it. A further line is a device: "device", kind, flops, doubles, bytes a second, nanoseconds of any task, 0 where that
 * is not known, and the rest is its name; or a point: symbol, kind of worker, footprint, bytes, flops, mean and deviation in
 * nanoseconds, samples. Whole numbers, so that no locale reads them otherwise. Version 1 had no devices: nobody knows which its times are of.
 */

static const char first_line[] = "darray models 2\n", former_line[] = "darray models 1\n";

da_status models_path(char *path, size_t size)
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"DARRAY_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "/darray"}, {"HOME", "/.cache/darray"}};
    char host[HOST_NAME_MAX + 1] = "";

    if (gethostname(host, sizeof host - 1) != 0 || !host[0] || strchr(host, '/'))
        snprintf(host, sizeof host, "localhost");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *const root = getenv(places[i].variable);
        if (!root || !root[0])
            continue;
        const int length = snprintf(path, size, "%s%s/models/%s", root, places[i].below, host);
        if (length > 0 && (size_t)length < size)
            return DA_OK;
        return err_set(DA_ERROR_STATE, "models: the path below %s is too long", root);
    }
    return err_set(DA_ERROR_STATE, "models: DARRAY_CACHE_DIR, XDG_CACHE_HOME and HOME are not set");
}

static int kind_named(const char *name)
{
    int k = 0;

    while (k < DA_DEVICE_KINDS && strcmp(name, kind_names[k]) != 0)
        k++;
    return k;
}

enum { LONGEST_SYMBOL = 1023 }; /* it is also a word of a command line */

/* What follows "device"; false if it is damaged. */
static bool take_device(models *m, const char *line)
{
    uint64_t flops, doubles, bytes, nanoseconds;
    models_device device = {.name = ""};
    char kind[16];
    int at = 0;

    if (sscanf(line, " %15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %n", kind, &flops, &doubles,
               &bytes, &nanoseconds, &at) != 5 ||
        at == 0 || memchr(line, '-', (size_t)at)) /* sscanf() wraps negative numbers around */
        return false;
    const size_t length = strcspn(line + at, "\n");
    const int k = kind_named(kind);
    if (k == DA_DEVICE_CPU || k == DA_DEVICE_KINDS || length == 0 || length >= sizeof device.name ||
        line[at + (int)length] != '\n')
        return false;
    memcpy(device.name, line + at, length);
    for (const char *c = device.name; *c; c++)
        if ((unsigned char)*c < ' ')
            return false;
    device.peak = (model_peak){(double)flops, (double)doubles, (double)bytes, 1e-9 * (double)nanoseconds};
    models_set_device(m, (da_device_kind)k, &device);
    return true;
}

/* One line; false if it is damaged. */
static bool take_line(models *m, char *line)
{
    static const char device[] = "device ";
    char kind[16];
    uint32_t footprint;
    uint64_t bytes, flops, mean, deviation;
    int64_t samples;
    int end = 0;

    if (strncmp(line, device, sizeof device - 1) == 0)
        return take_device(m, line + sizeof device - 1);

    char *const rest = line + strcspn(line, " ");

    if (rest == line || rest - line > LONGEST_SYMBOL || strchr(rest, '-') ||
        sscanf(rest, " %15s %" SCNx32 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 "%n", kind,
               &footprint, &bytes, &flops, &mean, &deviation, &samples, &end) != 7 ||
        rest[end] != '\n' || samples < 1 || mean < 1)
        return false;
    *rest = '\0';
    for (const char *c = line; *c; c++)
        if (!may_be_in_symbol(*c) && *c != '-')
            return false;
    const int k = kind_named(kind);
    model *const a = k < DA_DEVICE_KINDS ? models_get(m, line) : NULL;
    if (a)
        model_recall(a, (da_device_kind)k,
                     &(model_size){.footprint = footprint, .bytes = (double)bytes, .flops = (double)flops},
                     1e-9 * (double)mean, 1e-9 * (double)deviation, samples);
    return k < DA_DEVICE_KINDS;
}

da_status models_read(models *m, const char *path)
{
    char own[PATH_MAX], *line = NULL; /* as long as the codelet's name makes it */
    size_t room = 0;
    FILE *file;
    int damaged = 0;
    da_status status = DA_OK;

    if (!path)
        DA_TRY(models_path(own, sizeof own));
    file = path && strcmp(path, "-") == 0 ? stdin : fopen(path ? path : own, "re");
    if (!file && !path && errno == ENOENT)
        return DA_OK;
    if (!file)
        return err_set(DA_ERROR_IO, "models: %s: %s", path ? path : own, strerror(errno));
    if (getline(&line, &room, file) < 0 && ferror(file)) /* a directory */
        status = err_set(DA_ERROR_IO, "models: %s: %s", path ? path : own, strerror(errno));
    else if (!line || (strcmp(line, first_line) != 0 && strcmp(line, former_line) != 0))
        status = err_set(DA_ERROR_FORMAT, "models: %s does not begin with \"%.*s\"", path ? path : own,
                         (int)sizeof first_line - 2, first_line);
    while (status == DA_OK && getline(&line, &room, file) >= 0)
        damaged += !take_line(m, line);
    free(line);
    if (file != stdin)
        fclose(file);
    if (damaged > 0)
        log_line(1, "models: %d damaged lines in %s", damaged, path ? path : own);
    m->damaged += damaged;
    return status;
}

static void write_points(FILE *file, const model *a)
{
    for (int i = 0; i < a->npoints; i++)
        for (int k = 0; k < DA_DEVICE_KINDS; k++) {
            const model_point *const p = &a->points[i];
            double mean, deviation;
            if (model_mean(&p->on[k], &mean, &deviation))
                fprintf(file, "%s %s %08" PRIx32 " %.0f %.0f %.0f %.0f %" PRId64 "\n", a->symbol,
                        kind_names[k], p->size.footprint, p->size.bytes, p->size.flops, 1e9 * mean,
                        1e9 * deviation, p->on[k].samples);
        }
}

/* Make the folders that the file lies in. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, S_IRWXU | S_IRWXG | S_IRWXO);
        *slash = '/';
    }
}

static void write_all(FILE *file, const models *m)
{
    fputs(first_line, file);
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const models_device *const d = &m->device[k];
        if (d->name[0])
            fprintf(file, "device %s %.0f %.0f %.0f %.0f %s\n", kind_names[k], d->peak.flops, d->peak.doubles,
                    d->peak.bytes, 1e9 * d->peak.seconds, d->name);
    }
    for (const model *a = m->first; a; a = a->next)
        write_points(file, a);
}

static da_status not_written(const char *path)
{
    return err_set(DA_ERROR_IO, "models: cannot write '%s': %s", path, strerror(errno));
}

da_status models_write(const models *m, const char *path)
{
    char own[PATH_MAX];
    new_file file;

    if (!path) {
        DA_TRY(models_path(own, sizeof own));
        make_folders(own);
        path = own;
    }
    DA_TRY(new_file_open(&file, path, "models"));
    write_all(file.stream, m);
    return new_file_close(&file, ferror(file.stream) ? not_written(path) : DA_OK);
}

da_status models_add(models *to, const model *a, bool all)
{
    for (int i = 0; i < a->npoints; i++)
        for (int k = 0; k < DA_DEVICE_KINDS; k++) {
            const model_times *const t = &a->points[i].on[k];
            if (t->nrecent == 0 || !(t->fresh || all))
                continue;
            model *const b = models_get(to, a->symbol);
            if (!b || !model_copy(b, (da_device_kind)k, &a->points[i].size, t))
                return err_memory(sizeof(model_point), "models");
        }
    return DA_OK;
}

void models_take_devices(models *to, const models *from, bool all)
{
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++)
        if (from->device[k].name[0] && (all || from->device[k].here))
            models_set_device(to, (da_device_kind)k, &from->device[k]);
}

static da_status merge(models *to, const models *from, bool all)
{
    for (const model *a = from->first; a; a = a->next)
        DA_TRY(models_add(to, a, all));
    return DA_OK;
}

/* This machine's file, to be written anew. One that cannot be read, of a later version perhaps, is kept beside it. */
static da_status read_to_write(models *m)
{
    char path[PATH_MAX], aside[PATH_MAX + sizeof ".unreadable"];
    const da_status status = models_read(m, NULL);

    if (status != DA_ERROR_FORMAT)
        return status;
    DA_TRY(models_path(path, sizeof path));
    snprintf(aside, sizeof aside, "%s.unreadable", path);
    if (rename(path, aside) != 0)
        return err_set(DA_ERROR_IO, "models: '%s' cannot be renamed: %s", path, strerror(errno));
    log_line(1, "%s, and is now %s", da_error(), aside);
    err_clear();
    return DA_OK;
}

da_status models_save(const models *m)
{
    models kept = {0};

    /* Two processes that save at once: the later one may lose what the other added. */
    da_status status = read_to_write(&kept);
    if (status == DA_OK) {
        models_take_devices(&kept, m, false);
        status = merge(&kept, m, false);
    }
    if (status == DA_OK)
        status = models_write(&kept, NULL);
    models_clear(&kept);
    return status;
}

static models of_file;     /* this machine's, as read */
static bool is_read;       /* guarded by its lock */
static _Atomic(bool) fits; /* this machine's devices, too */

/* Memory must be given back, perhaps because the allocator changes. */
static void forget_file(void)
{
    lock_acquire(&of_file.lock);
    models_clear(&of_file);
    is_read = false;
    atomic_store(&fits, false);
    lock_release(&of_file.lock);
}

__attribute__((constructor)) static void start(void)
{
    mem_on_trim(forget_file);
}

models *models_here(void)
{
    models *live = NULL;

#if DA_HAVE_STARPU
    live = spu_models();
#endif
    if (live)
        return live;
    lock_acquire(&of_file.lock);
    if (!is_read) {
        is_read = true;
        if (models_read(&of_file, NULL) != DA_OK) {
            log_line(1, "times measured earlier are not known: %s", da_error());
            err_clear();
        }
    }
    lock_release(&of_file.lock);
    if (!atomic_load(&fits) && rt_devices_for_shaping() > 0) {
        models_fit(&of_file);
        atomic_store(&fits, true);
    }
    return &of_file;
}

/* How many devices there are that have the kernel, of each kind. Before the lock is taken: this may load their modules. */
static void devices_with(const da_codelet *kernel, int devices[DA_DEVICE_KINDS])
{
    devices[DA_DEVICE_CPU] = 0;
    for (int k = DA_DEVICE_CPU + 1; k < DA_DEVICE_KINDS; k++) {
        const int there = rt_devices_of((da_device_kind)k);
        devices[k] = there > 0 && da_device_find((da_device_kind)k, kernel->name) ? there : 0;
    }
}

models_advice models_advise(const da_codelet *kernel, da_dtype dtype, double tasks, double bytes,
                            double flops)
{
    const double workers = rt_workers_for_shaping();
    bool lacking = false, known = false, quicker = false; /* devices' times */
    models *const all = models_here();
    int devices[DA_DEVICE_KINDS];

    devices_with(kernel, devices);
    lock_acquire(&all->lock);
    model *const m = models_of(all, kernel, dtype);
    for (int k = 0; m && k < DA_DEVICE_KINDS; k++) {
        const double busy = devices[k] < tasks ? devices[k] : tasks;
        model_basis basis, any;

        if (devices[k] == 0)
            continue;
        const double on_device = model_expect_like(m, (da_device_kind)k, bytes, flops, &basis);
        const double on_cpu = model_expect_like(m, DA_DEVICE_CPU, bytes, flops, &any);
        lacking |= basis == MODEL_GUESS;
        known |= basis != MODEL_GUESS;
        quicker |= basis != MODEL_GUESS && on_device * workers <= on_cpu * busy;
    }
    lock_release(&all->lock);
    return quicker ? MODELS_DEVICES : lacking && !known ? MODELS_UNKNOWN : MODELS_CPU;
}

bool models_may_try(const da_codelet *kernel, da_dtype dtype, double bytes, double flops)
{
    const model_size size = {.bytes = bytes, .flops = flops};
    int devices[DA_DEVICE_KINDS];
    models *live = NULL;
    bool may = false;

#if DA_HAVE_STARPU
    live = spu_models();
#endif
    if (!live)
        return false;
    devices_with(kernel, devices);
    lock_acquire(&live->lock);
    model *const m = models_of(live, kernel, dtype);
    for (int k = 0; m && k < DA_DEVICE_KINDS; k++)
        may |= devices[k] > 0 && model_may_try(m, (da_device_kind)k, &size);
    lock_release(&live->lock);
    return may;
}

/* ---- for the tool ---- */

const char *models_dtype(const model *m)
{
    const char *const last = strrchr(m->symbol, '_');

    return last ? last + 1 : m->symbol;
}

const char *models_kind_name(da_device_kind kind)
{
    return kind_names[kind];
}

static int by_size(const void *a, const void *b)
{
    const models_point *const p = a, *const q = b;

    return p->flops != q->flops   ? (p->flops > q->flops ? 1 : -1)
           : p->bytes != q->bytes ? (p->bytes > q->bytes ? 1 : -1)
                                  : (p->footprint > q->footprint) - (p->footprint < q->footprint);
}

int models_points(const model *m, da_device_kind kind, models_point *out, int max)
{
    models_point all[MODEL_POINTS];
    int n = 0;

    for (int i = 0; i < m->npoints; i++) {
        const model_point *const p = &m->points[i];
        models_point *const to = &all[n];
        if (!model_mean(&p->on[kind], &to->mean, &to->deviation))
            continue;
        to->footprint = p->size.footprint;
        to->bytes = p->size.bytes;
        to->flops = p->size.flops;
        to->samples = p->on[kind].samples;
        n++;
    }
    qsort(all, (size_t)n, sizeof all[0], by_size);
    memcpy(out, all, (size_t)(n < max ? n : max) * sizeof all[0]);
    return n;
}

double models_predict(model *m, da_device_kind kind, double bytes, double flops)
{
    const model_curve *const curve = model_curve_of(m, kind);

    return curve->npoints > 0 ? model_curve_at(curve, bytes, flops) : 0;
}

da_status models_export(const char *path)
{
    models m = {0};
    da_status status = models_read(&m, NULL);

    if (status == DA_OK && strcmp(path, "-") == 0) {
        write_all(stdout, &m);
        if (fflush(stdout) != 0 || ferror(stdout))
            status = not_written("standard output");
    } else if (status == DA_OK) {
        status = models_write(&m, path);
    }
    models_clear(&m);
    return status;
}

/* Of which devices this machine's models are to be decides which of the others may be added. */
static void match(models *m, models *more, char *told, size_t size)
{
    size_t length = strlen(told);

    models_fit(m);
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const models_device *const ours = &m->device[k], *const theirs = &more->device[k];

        if (!ours->name[0] || strcmp(ours->name, theirs->name) == 0)
            continue;
        if (forget(more, (da_device_kind)k) > 0 && length < size)
            length += (size_t)snprintf(told + length, size - length,
                                       "%stimes on %s are left out: of %s, not of %s", length > 0 ? "; " : "",
                                       kind_names[k], name_or(theirs, "unknown devices"), ours->name);
        memset(&more->device[k], 0, sizeof more->device[k]);
    }
}

da_status models_import(const char *path, char *told, size_t size)
{
    models m = {0}, more = {0};
    da_status status = models_read(&more, path);

    told[0] = '\0';
    if (more.damaged > 0)
        snprintf(told, size, "%d damaged line%s left out", more.damaged, more.damaged == 1 ? " is" : "s are");
    if (status == DA_OK && more.damaged > 0 && !more.first)
        status =
            err_set(DA_ERROR_FORMAT, "models: %s has no models, only damaged lines (%d)", path, more.damaged);
    if (status == DA_OK)
        status = read_to_write(&m);
    if (status == DA_OK) {
        match(&m, &more, told, size);
        models_take_devices(&m, &more, true);
        status = merge(&m, &more, true);
    }
    if (status == DA_OK)
        status = models_write(&m, NULL);
    models_clear(&m);
    models_clear(&more);
    return status;
}

da_status models_reset(const char *symbol)
{
    models m = {0};
    da_status status = symbol ? models_read(&m, NULL) : DA_OK;

    if (status == DA_OK && symbol) {
        model **at = &m.first;
        while (*at && strcmp((*at)->symbol, symbol) != 0)
            at = &(*at)->next;
        if (*at) {
            model *const gone = *at;
            *at = gone->next;
            model_free(gone);
        } else {
            status = err_set(DA_ERROR_ARGUMENT, "models: there is none of the symbol %s", symbol);
        }
    }
    if (status == DA_OK)
        status = models_write(&m, NULL);
    models_clear(&m);
    return status;
}
