/* SPDX-License-Identifier: BSD-3-Clause */
/* The cores that this process may use, and binding the library's own workers to them. Private to src/runtime/. */
#ifndef DARRAY_SRC_TOPOLOGY_H
#define DARRAY_SRC_TOPOLOGY_H

/* Workers by the machine: cores allowed by the affinity mask that the process started with, less a cgroup's quota of time. */
int topology_cores(void);
/* OS numbers of the processing units that this process may use, at most `max`; 0 if it may use all of them. */
int topology_allowed(unsigned *cpus, int max);
/* Bind the calling thread, worker `index` of `workers`, to a core; with more workers than cores, to all allowed ones. */
void topology_bind(int index, int workers);

#endif
