/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long tasks take: one model for each kind of task and element type, with times by size and by kind of worker.
 *
 * A size that was measured is expected to take the median of its latest samples: one that was disturbed counts for nothing, a lasting change
 * counts after a few. A size never seen is read off a curve through those that were, a flops^b + c + d bytes; and where there are none,
 * off what another kind of worker takes, or off the machine's peaks. There is always an answer.
 *
 * Nothing here is safe for several threads at once: models.h has the lock.
 */
#ifndef DARRAY_SRC_MODEL_H
#define DARRAY_SRC_MODEL_H

#include "codelets/device/device.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What tells the tasks of one model apart. */
typedef struct model_size {
    uint32_t footprint; /* a hash of what makes tasks equally long */
    double bytes;       /* of all operands */
    double flops;       /* 0 if unknown */
} model_size;

/* What a kind of worker reaches; 0: unknown. */
typedef struct model_peak {
    double flops, doubles; /* a second, in f32 and f64 */
    double bytes;          /* a second */
    double seconds;        /* of any task */
} model_peak;

/* What is known without measuring any task, and what trying costs. Zero-initialised is valid: the peaks are measured once they are needed. */
typedef struct model_machine {
    model_peak peak[DA_DEVICE_KINDS];
    double worked; /* seconds of all tasks since the start */
    double wasted; /* of those, what trials took longer than the best kind of worker would have */
} model_machine;

enum {
    MODEL_WINDOW = 7,  /* latest samples that count */
    MODEL_POINTS = 512 /* sizes of a model; the least recently used one makes place */
};

typedef struct model_times {
    float recent[MODEL_WINDOW]; /* seconds, a ring */
    int nrecent, next;
    float deviation; /* of those that earlier runs measured */
    int64_t samples; /* ever */
    bool fresh;      /* some are of this process */
    bool trying;     /* a trial is on its way */
    int since;       /* tasks that others did since it did one */
    int patience;    /* so many of them until it is tried again */
} model_times;
typedef struct model_point {
    model_size size;
    uint64_t used; /* when, by the model's clock */
    model_times on[DA_DEVICE_KINDS];
} model_point;

/* seconds = a x^b + c, where x is bytes; or, where flops are known, a flops^b + c + d bytes: tasks of equal flops take longer the more operands
 * they have to bring along for them. */
typedef struct model_curve {
    double a, b, c, d;
    bool by_flops;
    bool good; /* it meets the points that it was made from */
    int npoints;
} model_curve;

typedef struct model {
    model_machine *machine;
    struct model *next;
    model_point *points;
    uint32_t *footprints; /* theirs, to be searched quickly */
    int npoints, capacity;
    uint64_t clock;
    model_curve curve[DA_DEVICE_KINDS];
    int news[DA_DEVICE_KINDS]; /* samples that the curve does not know */
    bool doubles;              /* its tasks compute in them */
    /* Seconds that the first task in this process may take longer there, since a kernel has to be compiled; 0 once it was done. */
    double start[DA_DEVICE_KINDS];
    char symbol[]; /* darray_NAME_v1_DTYPE */
} model;

/* Null if memory is short. The machine is shared by all models of a process. */
model *model_new(model_machine *machine, const char *symbol);
void model_free(model *m);

/* Peaks for a start: the CPU's are measured, those of devices that are unknown assumed. Takes some 10 us. */
void model_machine_measure(model_machine *machine);

/* A sample of the time that a task of this size takes. */
void model_add(model *m, da_device_kind kind, const model_size *size, double seconds);
/* What was measured in earlier runs: counts as one sample, whatever their number. */
void model_recall(model *m, da_device_kind kind, const model_size *size, double seconds, double deviation,
                  int64_t samples);
/* Forget what was measured on a kind of worker; the number of sizes. */
int model_forget(model *m, da_device_kind kind);
/* All that another model knows of a size and kind; false if memory is short. */
bool model_copy(model *m, da_device_kind kind, const model_size *size, const model_times *times);

/* The time expected of a task, in seconds; positive and finite. */
double model_expect(model *m, da_device_kind kind, const model_size *size);
/* What an expectation rests on. */
typedef enum model_basis {
    MODEL_GUESS, /* nothing was measured on this kind of worker */
    MODEL_FAR,   /* other sizes were, but none that is near */
    MODEL_CURVE, /* sizes that are near were */
    MODEL_SEEN   /* this size was */
} model_basis;
/* The same of a task of which only these are known, since StarPU's footprint is not; of its size the mean, since such times are added up. */
double model_expect_like(model *m, da_device_kind kind, double bytes, double flops, model_basis *basis);
/* Mean and deviation of the samples that are no outliers; false if there are none. */
bool model_mean(const model_times *times, double *mean, double *deviation);
/* The curve of a kind of worker; one of no points if nothing was measured. */
const model_curve *model_curve_of(model *m, da_device_kind kind);
/* The curve's value. */
double model_curve_at(const model_curve *curve, double bytes, double flops);

/*
 * Before a task is placed: what its time is to be taken for on each kind of worker that may run it (a bit each). A kind that nothing
 * is known of gets a prohibitive time, but for one task at a time that is its trial, for which all others get one; and a kind that
 * looks bad gets a trial now and then, since it may have been measured at a bad moment. Trials may waste a tenth of the time of
 * all tasks, no more. A trial's kind stands in *trial, else -1.
 */
#define MODEL_NEVER 1e4 /* prohibitive: seconds */
void model_choose(model *m, const model_size *size, unsigned kinds, double seconds[DA_DEVICE_KINDS],
                  int *trial);
/* Whether trials may cost what one of such a task on a kind of worker that nothing is known of may. */
bool model_may_try(model *m, da_device_kind kind, const model_size *size);
/* The task is done, on this kind of worker; seconds < 0 if it failed, was never run, or its time says nothing of others. */
void model_done(model *m, const model_size *size, da_device_kind kind, double seconds, int trial);
/* A task's kernel was compiled, and with that it took so long: no time of such tasks, but what trying them cost. Then comes model_done(). */
void model_compiled(model *m, da_device_kind kind, double seconds);

#endif
