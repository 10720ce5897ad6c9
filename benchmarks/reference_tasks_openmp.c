/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

/* One thread makes the tasks, the team runs them, as in any OpenMP program with depend clauses. */
void reference_tasks_openmp(int64_t tasks, int chains, int stride, double *counters, const double *data,
                            int threads)
{
#pragma omp parallel num_threads(threads)
#pragma omp single
    for (int64_t i = 0; i < tasks; i++) {
        double *const counter = counters + (i % chains) * stride;
        const double *const datum = data + (5 * i % chains) * stride;
#pragma omp task depend(inout : counter[0]) depend(in : datum[0]) firstprivate(counter, datum)
        *counter += *datum;
    }
}
