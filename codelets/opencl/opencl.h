/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of this module to each other. */
#ifndef DA_CODELETS_OPENCL_H
#define DA_CODELETS_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "device/device.h"
#include <stdatomic.h>

/* The name of an OpenCL error, "CL_OUT_OF_RESOURCES"; "unknown error" for a number that is none. */
const char *opencl_error(cl_int error);

/* The context and device of a queue. The context is kept for good when first seen, so that nothing that is remembered
 * by its address can be mistaken for that of a later one. */
da_status opencl_queue(const da_call *call, cl_context *context, cl_device_id *device);

/* program.c */
da_status opencl_launch(const da_call *call, const char *entry, const char *source, int64_t groups, int local,
                        int nargs, const da_device_arg *args);
da_status opencl_compile(const char *source, char *log, size_t log_size);

/* scratch.c */
da_status opencl_scratch(const da_call *call, size_t bytes, da_buffer *memory);

/* Where this thread's next command on `queue` is to put its event, for the module to look at and release; null if it does not want any. */
cl_event *opencl_event(cl_command_queue queue);

/* Whether a device computes in doubles; whether it can round quotients and square roots of f32 correctly. */
bool opencl_has_f64(cl_device_id device);
bool opencl_rounds_f32(cl_device_id device);

/* Programs compiled, by us or for the first use of one of CLBlast's routines. */
extern _Atomic(int64_t) opencl_compiled;

/* Of da_device_ops.outcome: the bits that this thread has come by. opencl_unbuilt(): what a failure to compile, or to get
 * memory, is, 0 if the error is another. */
extern _Thread_local unsigned opencl_outcome;
unsigned opencl_unbuilt(cl_int error);

/* Whether a platform is PoCL, of any version. */
bool opencl_is_pocl(cl_platform_id platform);

/* The first device there is, of any type, or null. */
cl_device_id opencl_any_device(void);

/* blas.c: what CLBlast does; empty without it. */
extern const da_device_kernel opencl_blas_kernels[];

/* The module. */
extern const da_device_ops opencl_ops;

#endif
