/* SPDX-License-Identifier: BSD-3-Clause */
/* One performance model as tables and plots need it: the points of each kind of worker, along one axis. */
#ifndef DARRAY_TOOLS_CURVES_H
#define DARRAY_TOOLS_CURVES_H

#include "runtime/models.h"
#include <stdio.h>

typedef struct curves {
    model *m;
    bool by_flops;    /* the axis: floating point operations of a task, else bytes of its operands */
    double low, high; /* of all points on the axis; 0 if there are none */
    int n[DA_DEVICE_KINDS];
    models_point points[DA_DEVICE_KINDS][MODEL_POINTS];
} curves;

void curves_of(curves *c, model *m);

/* Where a point lies on the axis. */
double curves_x(const curves *c, const models_point *p);
/* Seconds that a kind of worker is expected to take, by its curve; 0 if there is none. */
double curves_at(const curves *c, da_device_kind kind, double x);
/* "16 MiB" or "2 Gflop". */
const char *curves_x_text(const curves *c, char buffer[32], double x);

/*
 * Where the curves of two kinds cross, in the range in which both were measured: the axis values, at most `max`. Returns their number and in
 * *first the kind that is faster below the first one. -1 if one has no points or no curve, or nothing is measured of both.
 */
int curves_crossings(const curves *c, da_device_kind a, da_device_kind b, double *x, int max,
                     da_device_kind *first);

/* The plot; the stream's error flag tells of failures. */
void curves_plot(const curves *c, FILE *out);

#endif
