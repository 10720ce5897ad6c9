/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a long work has come: a bar with the time left on a terminal, else a line now and then. */
#ifndef DARRAY_TOOLS_PROGRESS_H
#define DARRAY_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

typedef struct progress {
    FILE *stream;
    bool bar;       /* the stream is a terminal */
    double started; /* seconds of the monotonic clock */
    double shown;   /* when something was printed last */
    bool drawn;     /* a bar stands in the current line */
} progress;

void progress_begin(progress *p, FILE *stream);
/* `done` of `total` items; `left` seconds are left, negative: nobody knows; `what` is being done. Prints only if that was not done a moment ago. */
void progress_show(progress *p, int done, int total, double left, const char *what);
/* Wipes the bar. Call it before printing anything else on the stream. */
void progress_clear(progress *p);
double progress_elapsed(const progress *p);

#endif
