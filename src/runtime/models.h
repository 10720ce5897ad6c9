/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The models of a process, or of a file. This machine's are kept in DIRECTORY/models/HOST, where the directory is
 * $DARRAY_CACHE_DIR, else $XDG_CACHE_HOME/darray, else $HOME/.cache/darray, else none. The StarPU runtime reads them as it starts
 * with devices, and adds what was measured as it stops. Used by the darray tool as well.
 */
#ifndef DARRAY_SRC_MODELS_H
#define DARRAY_SRC_MODELS_H

#include "base/base.h"
#include "base/lock.h"
#include "runtime/model.h"

/* The devices of a kind, which are alike: an empty name if it is not known which, or there are none. */
typedef struct models_device {
    char name[256];  /* one line */
    model_peak peak; /* as the device says and was measured */
    bool here;       /* this process sees it; else only a file names it */
} models_device;

typedef struct models {
    lock_word lock; /* of the live ones: around every use of a model */
    model_machine machine;
    models_device device[DA_DEVICE_KINDS]; /* that the times are of */
    model *first;                          /* by symbol */
    int count;
    int damaged; /* lines of files that were left out */
} models;

/* Tasks are measured where there are no devices, too. Set before the runtime starts. */
extern bool models_always;

/* No models; zero-initialised is valid. */
void models_clear(models *m);

/* The model of a symbol, darray_NAME_vREVISION_DTYPE, made if it is not there; null if memory is short. */
model *models_get(models *m, const char *symbol);

/* The model of tasks of a codelet and element type, likewise. */
model *models_of(models *m, const da_codelet *codelet, da_dtype dtype);

/* The symbol of the model that tasks of a codelet and element type (0: none) have; as snprintf() does. */
int models_symbol(char *symbol, size_t size, const da_codelet *codelet, da_dtype dtype);

/* Path of this machine's models; DA_ERROR_STATE if there is no place for them. */
da_status models_path(char *path, size_t size);

/* From now on the times of a kind are those of this device: what was measured on others is forgotten, and known peaks count. The number of
 * sizes that are forgotten. */
int models_set_device(models *m, da_device_kind kind, const models_device *device);
/* The same with this machine's devices, where somebody has looked for them; what is forgotten is logged. Not under the lock. */
void models_fit(models *m);

/* Add what the file holds; what is there already wins. A null path: this machine's, which need not exist; "-": standard input. Lines that are damaged are skipped;
 * DA_ERROR_IO if the file cannot be read, DA_ERROR_FORMAT if it is none of ours. */
da_status models_read(models *m, const char *path);
/* The file appears whole or stays as it was; a link stays a link, and what is no regular file (a pipe, a device) is written to. A null
 * path: this machine's, whose folder is made. */
da_status models_write(const models *m, const char *path);
/* Add a model's points that are of this process, or all; what is there gives way. */
da_status models_add(models *to, const model *a, bool all);
/* The same devices as `from`, where that has some, or has some that this process sees: models_set_device(). */
void models_take_devices(models *to, const models *from, bool all);
/* Add what this process measured to this machine's file. Devices that it does not see stay those that the file names now. A
 * file that cannot be read is kept, as HOST.unreadable beside it. */
da_status models_save(const models *m);

/* The models that rehearsals go by: the running StarPU runtime's where it has some, else this machine's file, which is read when first
 * asked for, and again after da_shutdown() or when memory was short. */
models *models_here(void);
/* Who gets through a number of tasks of a kernel and size sooner, by what was measured: the devices, or all cores of the CPU together? */
typedef enum models_advice {
    MODELS_UNKNOWN, /* devices have the kernel, but no time of it is known there */
    MODELS_CPU,
    MODELS_DEVICES
} models_advice;
models_advice models_advise(const da_codelet *kernel, da_dtype dtype, double tasks, double bytes,
                            double flops);
/* Whether the runtime has devices that have the kernel, and has done enough for a trial of such a task there to be afforded. */
bool models_may_try(const da_codelet *kernel, da_dtype dtype, double bytes, double flops);
/* StarPU's live models; null without devices. Exists with DA_HAVE_STARPU. */
models *spu_models(void);
/* The devices of a kind that StarPU has, or would have; false if there are none. Looks for them. Exists with DA_HAVE_STARPU. */
bool spu_device_of(da_device_kind kind, models_device *device);

/* ---- for the tool ---- */

/* One measured size. */
typedef struct models_point {
    uint32_t footprint;
    double bytes, flops;    /* flops 0: unknown */
    double mean, deviation; /* seconds */
    int64_t samples;
} models_point;

/* "f64" of darray_da_gemm_v1_f64: where it begins in the symbol. */
const char *models_dtype(const model *m);
/* "cpu", "cuda", "opencl". */
const char *models_kind_name(da_device_kind kind);
/* The points of a kind of worker, by flops, then by bytes; the first `max` of them. Returns how many there are. */
int models_points(const model *m, da_device_kind kind, models_point *out, int max);
/* What a task of this size is expected to take on a kind of worker, by its curve: seconds, or 0 if nothing was measured there. */
double models_predict(model *m, da_device_kind kind, double bytes, double flops);

/* Add what the running StarPU runtime has measured of the tasks of a symbol, or of all if it is null, so far. Exists with DA_HAVE_STARPU. */
da_status spu_models_measured(models *to, const char *symbol);

/* This machine's models to a file ("-": standard output), and back ("-": standard input); of what both have the file's wins. What the file has of other devices than
 * this machine's, or than its models are of where it has none, is left out, as are damaged lines; `told` gets a sentence of each such kind, or nothing.
 * DA_ERROR_FORMAT if it is no such file, or has damaged lines and no models. */
da_status models_export(const char *path);
da_status models_import(const char *path, char *told, size_t size);
/* Forget one of this machine's models, or all: null. DA_ERROR_ARGUMENT if there is none of this symbol. */
da_status models_reset(const char *symbol);

#endif
