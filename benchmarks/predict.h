/* SPDX-License-Identifier: BSD-3-Clause */
/** @file predict.h What a case would take on other numbers of workers than there are. */
#ifndef BENCH_PREDICT_H
#define BENCH_PREDICT_H

#include "bench.h"

enum { PREDICT_MOST = 16 };

/**
 * Records the tasks of the case's call as they would be for each of `nworkers` numbers of workers, `repeat` times each, and for one worker, and
 * prints for each number what replaying them says (json: one object a line). The runtime has been started, best with one worker.
 * @return 0, or 1 after bench_fail().
 */
int predict(bench *b, const int *workers, int nworkers, int repeat, bool json);

#endif
