/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where StarPU has devices: what its policy is told of tasks' times, and measuring them. StarPU's own history models know nothing of
 * sizes never seen or seen less than ten times, and a single bad sample spoils them for good; so its policy asks model.h.
 */
#ifndef DARRAY_SRC_STARPU_MODELS_H
#define DARRAY_SRC_STARPU_MODELS_H

#include "runtime/backend.h"
#include "runtime/models.h"
#include <starpu.h>

/* Reads this machine's models; after the devices' start. Without devices, and unless models_always is set, nothing here does anything. */
void spu_models_start(void);
/* Keeps what was measured, in our file and in StarPU's of the same symbols; before StarPU stops. */
void spu_models_stop(void);
/* The same of our file where the process exits without stopping, if that needs no waiting. */
void spu_models_at_exit(void);

/* The model of a symbol; null without devices or memory. */
model *spu_model_of(const char *symbol);

/* The first task of that model on this kind of device may take so much longer. The model may be null. */
void spu_model_starts(model *m, da_device_kind kind, double seconds);

/* StarPU's side of all models: asks ours. */
extern struct starpu_perfmodel spu_asking_model;

/* A task is to be submitted: st->where and st->flops are set. */
void spu_model_task(rt_task *task, struct starpu_task *st, model *m, uint32_t footprint);

/* Around a task's kernel, in the worker; on a device it has only been enqueued then. */
void spu_model_begin(rt_task *task);
void spu_model_end(rt_task *task);
/* In the callback: takes the time. */
void spu_model_done(rt_task *task);

#endif
