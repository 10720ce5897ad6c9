/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/topology.h"
#include "base/base.h"
#include "base/lock.h"
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { MAX_CPUS = 8192 };
#define MASK_BYTES CPU_ALLOC_SIZE(MAX_CPUS)

static lock_word guard;
static hwloc_topology_t topology; /* null: not loaded, or it cannot be */
static bool tried;
static hwloc_bitmap_t *cores; /* allowed processing units of each core */
static hwloc_bitmap_t allowed;
static int ncores;
static cpu_set_t
    *first_mask; /* as the library was loaded: later the calling thread may have been bound by others */

static void before_fork(void)
{
    lock_acquire(&guard);
}

static void after_fork(void)
{
    lock_release(&guard);
}

__attribute__((constructor)) static void remember_mask(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
    first_mask = CPU_ALLOC(MAX_CPUS);
    if (first_mask && sched_getaffinity(0, MASK_BYTES, first_mask) != 0) {
        CPU_FREE(first_mask);
        first_mask = NULL;
    }
}

static int cpus_in_mask(void)
{
    const int n = first_mask ? CPU_COUNT_S(MASK_BYTES, first_mask) : 0;
    return n > 0 ? n : 1;
}

static void load(void)
{
    hwloc_bitmap_t set = NULL;
    int n;

    tried = true;
    if (hwloc_topology_init(&topology) != 0) {
        topology = NULL;
        return;
    }
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) != 0)
        goto fail;
    allowed = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(topology));
    if (!allowed)
        goto fail;
    /* with these the OpenMP library has bound the initial thread before we could look */
    if (first_mask && !getenv("OMP_PROC_BIND") && !getenv("OMP_PLACES") && !getenv("GOMP_CPU_AFFINITY")) {
        set = hwloc_bitmap_alloc();
        if (set && hwloc_cpuset_from_glibc_sched_affinity(topology, set, first_mask, MASK_BYTES) == 0 &&
            hwloc_bitmap_intersects(allowed, set))
            hwloc_bitmap_and(allowed, allowed, set);
        hwloc_bitmap_free(set);
    }
    n = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    if (n > 0)
        cores = calloc((size_t)n, sizeof(hwloc_bitmap_t));
    for (int i = 0; cores && i < n; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        if (!core || !hwloc_bitmap_intersects(core->cpuset, allowed))
            continue;
        cores[ncores] = hwloc_bitmap_dup(core->cpuset);
        if (cores[ncores]) {
            hwloc_bitmap_and(cores[ncores], cores[ncores], allowed);
            ncores++;
        }
    }
    return;
fail:
    hwloc_topology_destroy(topology);
    topology = NULL;
}

int topology_cores(void)
{
    const int quota = config_cpu_quota();
    int n;
    lock_acquire(&guard);
    if (!tried)
        load();
    n = ncores > 0 ? ncores : cpus_in_mask();
    lock_release(&guard);
    return quota > 0 && quota < n ? quota : n;
}

int topology_allowed(unsigned *cpus, int max)
{
    unsigned cpu;
    int n = 0;
    lock_acquire(&guard);
    if (!tried)
        load();
    if (topology && allowed && !hwloc_bitmap_isequal(allowed, hwloc_topology_get_topology_cpuset(topology)))
        hwloc_bitmap_foreach_begin(cpu, allowed) if (n < max) cpus[n++] = cpu;
    hwloc_bitmap_foreach_end();
    lock_release(&guard);
    return n;
}

void topology_bind(int index, int workers)
{
    lock_acquire(&guard);
    if (!tried)
        load();
    if (topology && allowed) {
        hwloc_const_bitmap_t where = workers <= ncores ? cores[index] : allowed;
        if (hwloc_set_cpubind(topology, where, HWLOC_CPUBIND_THREAD) != 0)
            log_line(1, "worker %d could not be bound to a core", index);
    }
    lock_release(&guard);
}

__attribute__((destructor)) static void unload(void)
{
    if (!lock_try(&guard))
        return; /* threads are still running */
    for (int i = 0; i < ncores; i++)
        hwloc_bitmap_free(cores[i]);
    ncores = 0;
    free(cores);
    cores = NULL;
    hwloc_bitmap_free(allowed);
    allowed = NULL;
    if (topology)
        hwloc_topology_destroy(topology);
    topology = NULL;
    if (first_mask)
        CPU_FREE(first_mask);
    first_mask = NULL;
    lock_release(&guard);
}
