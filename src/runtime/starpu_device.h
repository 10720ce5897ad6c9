/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accelerators under StarPU: which tasks may run on them, running one there, and what must not be done by a worker: destroying owners
 * whose values may still be moving, and putting polling workers to sleep.
 */
#ifndef DARRAY_SRC_STARPU_DEVICE_H
#define DARRAY_SRC_STARPU_DEVICE_H

#include "codelets/device/device.h"
#include "runtime/backend.h"
#include "runtime/models.h"
#include <starpu.h>

/* Devices that StarPU would have, without starting it; by kind if `kind` is not DA_DEVICE_CPU. */
int spu_devices_there(da_device_kind kind);

/* Of these the ones that can be brought up, have kernels and are alike, their numbers in `ids`; the others are logged and no longer counted.
 * StarPU aborts on a device that fails while it starts. */
int spu_devices_usable(da_device_kind kind, unsigned *ids, int most);

/* After that: how many there are of the kind, usable or not, and whether one was found that cannot be brought up. */
int spu_devices_counted(da_device_kind kind);
bool spu_devices_broken(void);

/* StarPU has started: devices are counted, the keeper begins. Without devices nothing here costs anything. */
da_status spu_devices_start(bool shared);
/* All owners are destroyed and the keeper ends; before handles are unregistered. */
void spu_devices_stop(void);
/* StarPU has stopped, too, or is the host's alone. */
void spu_devices_stopped(void);
int spu_devices(void);

/* Measures what the running devices of a kind reach, into *device, whose peak is not known; takes some 10 ms. False if that fails. */
bool spu_device_measure(da_device_kind kind, models_device *device);

/* The library's implementations of one of its codelets. */
typedef struct spu_implementations {
    const da_device_kernel *on[DA_DEVICE_KINDS];
} spu_implementations;
void spu_implementations_of(spu_implementations *out, const da_codelet *codelet);

/* Programs that the compilers of devices have made in this process. */
int64_t spu_programs_compiled(void);

/* Where the task may run, as StarPU's codelet.where; under the commit lock. Marks its data as moving if it may run on a device. */
uint32_t spu_where(rt_task *task, const spu_implementations *implementations);

/* Run a task in a worker of a device, with its accesses' interfaces: enqueues the work and returns. */
void spu_run_on(da_device_kind kind, const spu_implementations *implementations, void *interfaces[],
                rt_task *task, void *queue);
/* A task is done: takes over what a device reported. */
void spu_device_done(rt_task *task);

/* Before StarPU has something to do: it may be paused. Afterwards the keeper sees that there is. */
void spu_devices_wake(void);

/* rt_backend.bury and settle. */
void spu_bury(rt_owner *owner);
bool spu_settle(void);

/* From starpu.c: whether StarPU has nothing of ours to do. */
bool spu_idle(void);

#endif
