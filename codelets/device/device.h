/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels on accelerators.
 *
 * Two modules, built from codelets/cuda and codelets/opencl as plugins of their own (so that the library depends on neither), know how to
 * compile and launch kernels and to call the vendor's BLAS. What is the same for both stands here in codelets/device: kernels
 * written once in the common part of CUDA C and OpenCL C (dialect.h), compiled at run time, and the functions that launch them.
 *
 * An implementation runs in the runtime's worker of that device. Its call's buffers are the device's copies: `data` is a
 * device address (CUDA) or a cl_mem (OpenCL) that the element with all indices 0 lies `offset` elements into. It enqueues work on
 * call->queue and returns without waiting. Operands that belong to no datum (a program, an empty array) are given as on the host.
 */
#ifndef DA_CODELETS_DEVICE_H
#define DA_CODELETS_DEVICE_H

#include <darray/task.h>

typedef enum da_device_kind {
    DA_DEVICE_CPU,
    DA_DEVICE_CUDA,
    DA_DEVICE_OPENCL,
    DA_DEVICE_KINDS
} da_device_kind;

/* In da_codelet.flags: one of the library's own codelets, which da_device_find() knows by name. */
enum { DA_CODELET_OWN = 1 << 30 };

/* Also in its flags: DA_CODELET_REVISION(2) and so on, 256 at most, once a kernel of it, on whatever device, takes a different time than
 * it did. It is part of the performance models' names, so that what was measured of the former kernel is not used. */
#define DA_CODELET_REVISION(n) ((unsigned)((n)-1) << 16)
#define DA_CODELET_REVISION_OF(flags) (1 + ((flags) >> 16 & 0xff))

typedef struct da_device_ops da_device_ops;

/* One implementation of a codelet, found by the codelet's name. */
typedef struct da_device_kernel {
    const char *name; /* of the codelet: "fill", "da_gemm" */
    /* Whether it can do this call: dtypes, shapes, strides, values are final, data is not there yet. Null: always. Called by the
     * thread that submits, maybe before the module has seen a device. */
    bool (*takes)(const da_device_ops *ops, const da_call *call);
    da_status (*run)(const da_device_ops *ops, const da_call *call);
} da_device_kernel;

/* An argument of a kernel in dialect.h: a buffer (two parameters there, BUFFER(T, name)) or a value. */
typedef struct da_device_arg {
    const da_buffer *buffer; /* null: a value */
    const void *value;
    size_t size;
} da_device_arg;

/* What a device is. */
typedef struct da_device_about {
    char name[256];
    int64_t memory; /* bytes */
    double flops,
        doubles; /* at most, a second, in f32 and f64, by its clock and what it has of units; 0: unknown */
} da_device_about;

/* What a module offers; its one exported function is `const da_device_ops *da_device_module(void)`. */
struct da_device_ops {
    int version; /* DA_DEVICE_VERSION of the library it was built with */
    da_device_kind kind;
    /* Number of devices there are (OpenCL: GPUs and accelerators, and CPUs where STARPU_OPENCL_ON_CPUS says so). Starts nothing that stays. */
    int (*count)(void);
    /* The module's own implementations (BLAS, LAPACK), ended by one with a null name. They win over the common ones. */
    const da_device_kernel *kernels;
    /*
     * Enqueue `groups` work-groups of `local` work-items of the kernel `entry` of a program on call->queue. `source` is the program's text in
     * the dialect without its prelude, which the module puts in front; it is compiled for the queue's device when first seen and kept,
     * in memory by its text's hash, and on disk unless the driver does that itself. Fails with da_task_fail() naming the compiler's complaint.
     */
    da_status (*launch)(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                        int nargs, const da_device_arg *args);
    /* At least `bytes` of the device's memory for the kernels that this call launches, until the last of them is done: a buffer with data
     * and offset 0, its contents undefined. One call asks once; calls on one queue may be given the same memory, as their kernels run
     * one after the other. Fails with da_task_fail(). */
    da_status (*scratch)(const da_call *call, size_t bytes, da_buffer *memory);
    /* Whether all devices of this kind that are used compute in this dtype (OpenCL: f64, f16 may be missing). */
    bool (*has)(da_dtype dtype);
    /* These devices, counted as count() does, and no others are used from now on; all of them until then. Before there are tasks for them, or
     * locked pages. May be null: for has(), largest() and lock_pages() they are all the same. */
    void (*use)(const int *indices, int n);
    /* Compile without launching: for tests that have no device (NVRTC needs none). `log` gets complaints. */
    da_status (*compile)(const char *source, char *log, size_t log_size);
    /* What device `index` is, counted as count() does, without starting it; false if it cannot be asked. May be null: then nobody knows. */
    bool (*describe)(int index, da_device_about *about);
    /* What it reaches: seconds of the smallest piece of work until its end is known, and bytes a second that its kernels read and write. Brings
     * it up for it, and takes some 10 ms. False if that fails. May be null: then nobody knows. */
    bool (*measure)(int index, double *seconds, double *bytes);
    /* Bytes of the largest single piece that every device that is used can hold. May be null: no limit of its own. */
    int64_t (*largest)(void);
    /* Brings device `index` up as a runtime would; false, and the reason, if that fails or (*starts) no kernel can be made for it. What that takes
     * of it (CUDA: a context) may stay until the process ends, also where it is then not used. May be null: they all can be used. */
    bool (*usable)(int index, bool *starts, char *why, size_t size);
    /* How many programs were compiled so far. May be null: compilers leave nothing behind that is torn down at exit. */
    int64_t (*compiled)(void);
    /* Called before and after the implementation of a task on a device, the user's too; leave() fails with da_task_fail(). May be null.
     * For drivers that cannot bear kernels of several devices at the same time, and to give back what one task alone needed. */
    void (*enter)(const da_call *call);
    da_status (*leave)(const da_call *call);
    /* What this thread's launches, and calls of the vendor's BLAS, have come to since it last asked: DA_LAUNCHED and so on, or 0. May be null:
     * then a failure is one of which nothing is known. */
    unsigned (*outcome)(void);
    /* Lock pages of host memory, so that copies to and from devices need not be waited for; false if that fails. Any thread, whatever its device:
     * none is brought up that is not used. May be null. */
    bool (*lock_pages)(void *p, size_t bytes);
    /* Whether kernels, too, may read and write what is locked, at the host's address `p`. */
    bool (*reaches_pages)(void *p);
    void (*unlock_pages)(void *p);
};
enum { DA_DEVICE_VERSION = 10 };

/* Of outcome(). */
enum {
    DA_LAUNCHED = 1, /* something was enqueued */
    DA_REFUSED = 2,  /* compiler, BLAS or device do not take a kernel, nor will they the next time */
    DA_SHORT = 4     /* no memory to compile it or for scratch, or a size too large: later ones may succeed */
};

/* For measure(): `copy` copies so many bytes within the device and waits for them, false if that fails; `most` are many. */
typedef bool da_device_copier(void *ctx, size_t bytes);
bool da_device_time_copies(da_device_copier *copy, void *ctx, size_t most, double *seconds, double *bytes);

/* The module of a kind, loaded on first use; null if it is not there (then *reason, if not null, says why; static). */
const da_device_ops *da_device_module_of(da_device_kind kind, const char **reason);

/* The implementation of a codelet on a kind of device, or null. */
const da_device_kernel *da_device_find(da_device_kind kind, const char *codelet_name);

/* A hash of what decides, shapes aside, which programs this implementation compiles for a call: dtypes and, of expressions, what they
 * compute. */
uint64_t da_device_likeness(const da_device_kernel *kernel, const da_call *call);

/* Implementations that both kinds share, each list ended by a null name: one a file of codelets/device/. */
extern const da_device_kernel
    da_device_array_kernels[]; /* array.c: fill, copy, reshape, arange, linspace, eye, random */
extern const da_device_kernel
    da_device_matrix_kernels[]; /* matrix.c: lacpy, laset, laswp, ... that need no BLAS */
extern const da_device_kernel da_device_qr_kernels[];   /* qr.c: QR that no BLAS has */
extern const da_device_kernel da_device_expr_kernels[]; /* expr.c, reduce.c: the expression codelets */

#endif
