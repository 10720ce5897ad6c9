/* SPDX-License-Identifier: BSD-3-Clause */
/* Codelets and performance models: one StarPU codelet for every kind of task and element type. */
#ifndef DARRAY_SRC_STARPU_CODELET_H
#define DARRAY_SRC_STARPU_CODELET_H

#include "runtime/backend.h"
#include "runtime/starpu_device.h"
#include <starpu.h>

/* The codelet of a task, and its implementations on devices (null: none); under the commit lock. Lives until spu_codelets_free(). */
struct starpu_codelet *spu_codelet_of(const rt_task *task, const spu_implementations **implementations);
/* Where there are devices: what is expected of the task, which is ready to be submitted. */
void spu_codelet_times(rt_task *task, struct starpu_task *st);
/* Whether codelets have performance models from now on. */
void spu_codelets_start(bool models);
/* After StarPU's shutdown; while it still runs for the host it knows the models, so they stay. */
void spu_codelets_free(void);
/* Tasks of ours that a worker has done, or all of them together if id is -1; ever. */
int64_t spu_tasks_done(int id);
/* The process exits: no kernel starts from now on; wait a while for those that run. */
void spu_kernels_at_exit(void);

#endif
