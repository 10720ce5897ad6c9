/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file harness.h
 * Two sides measured in alternating pairs within one process, and what follows from their times. Knows nothing of
 * darray.
 *
 * A pair is a batch of calls of one side and a batch of the other; who goes first alternates from pair to pair. A
 * batch has as many calls as fill `min_seconds` (found by a calibration) and begins after `settle_seconds` of sleep, because
 * threads of a BLAS or of OpenMP spin for a while after their last call, and after calls that are not timed, at least one
 * and for at least `warm_seconds`: the threads of the first call after a sleep often share a core for some milliseconds.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** A step of a side: 0, or anything else to give the measurement up. */
typedef int (*harness_step)(void *ctx);

/** One side. Steps other than `run` may be null and are never timed. */
typedef struct harness_side {
    harness_step begin;   /**< before the settling of every batch */
    harness_step prepare; /**< before every call: restores what the call overwrites */
    harness_step run;     /**< the call; whatever it computes is complete when it returns */
    harness_step end;     /**< after every batch */
    void *ctx;
} harness_side;

typedef struct harness_options {
    int pairs;
    double min_seconds;
    double settle_seconds;
    double warm_seconds;
} harness_options;

typedef struct harness_result {
    int pairs;
    int64_t calls, reference_calls;    /**< calls of a batch */
    double seconds, reference_seconds; /**< per call, median over batches */
    double ratio;                      /**< median over the pairs of reference/ours */
    double ratio_low, ratio_high;      /**< lower and upper quartile */
    double difference;                 /**< median over the pairs of ours - reference, in seconds per call */
} harness_result;

/** Measure; 0, or what the step that failed returned. */
int harness_compare(const harness_side *ours, const harness_side *reference, const harness_options *options,
                    harness_result *result);

/** The p-quantile (0 to 1, linear between neighbours) of n > 0 numbers, which are sorted in place. */
double harness_quantile(double *values, int n, double p);

/** Seconds of a clock that never goes back. */
double harness_now(void);
void harness_sleep(double seconds);

/** A JSON object is a list of these; a field with `text` is a string, one with neither text nor a finite number is null. */
typedef struct harness_field {
    const char *name;
    const char *text;
    double number;
} harness_field;

/** One JSON object on one line. */
void harness_print_json(FILE *stream, const harness_field *fields, int n);
/** A time with a unit that suits it, "12.3 ms", into buf (at least 24 bytes); returns buf. */
const char *harness_format_seconds(char *buf, double seconds);

#endif
