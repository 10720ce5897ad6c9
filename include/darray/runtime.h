/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file runtime.h
 * Starting, stopping and watching the task runtime. Nothing here has to be called: the runtime starts with
 * the first task and stops with the process, when main() returns or exit() is called. (A process whose last thread of its own ends by
 * pthread_exit() goes on, as its workers do, and they block signals: call da_shutdown() before.)
 *
 * Read from the environment as the library is first used, and again after da_shutdown(); what cannot be read counts as not set
 * (the log says so when the runtime starts), but a DARRAY_RUNTIME that is none fails the first call that needs a runtime:
 * - DARRAY_RUNTIME      openmp | starpu            (default: starpu where it has an accelerator and starts, else openmp; openmp, too, until
 *                       accelerators are wanted: they take a second to start. That is after da_num_devices(), da_runtime_name() or
 *                       da_init(), unless it names openmp; where tasks are to run there (DARRAY_DEVICE=gpu, da_run_on()); with an array
 *                       of 32e6 bytes or an operation of 1e10 flops; or after a second of work)
 * - DARRAY_DEVICE      auto | cpu | gpu          (default: auto: where a task is done soonest, by the performance models; gpu: on
 *                       an accelerator whatever can run there)
 * - DARRAY_NUM_THREADS  workers; else OMP_NUM_THREADS, else the cores this process may use (affinity mask, cgroup's quota)
 * - DARRAY_TILE         tile extent along every axis, e.g. 256 or 512x128 (last axes)
 * - DARRAY_REPRODUCIBLE 1: the same bits on both runtimes and on any number of workers, whatever was measured on this machine (else
 *                       performance models may choose tiles of factorisations, products and triangular solves, which changes how results are
 *                       rounded, and the signs of factors that are unique only up to those, see da_qr()); without accelerators then, unless
 *                       DARRAY_DEVICE=gpu asks for them: bits are the same on the same ones, except where a task may run on several
 *                       kinds
 * - DARRAY_INLINE       0: never run small work in the calling thread
 * - DARRAY_MEMORY_LIMIT bytes that arrays may take, with K, M, G, T (default: 15/16 of what the machine or cgroup has)
 * - DARRAY_BLAS         path of the BLAS/LAPACK library for the kernels' private copy
 * - DARRAY_CACHE_DIR    where performance models and compiled kernels are kept (default: $XDG_CACHE_HOME/darray or ~/.cache/darray)
 * - DARRAY_MODULES      folder of the modules for accelerators (default: where the library was installed or built)
 * - DARRAY_CPU_LEVEL    0 | 3 | 4: at most this level of the x86-64 architecture is used by elementwise kernels and loops for small matrices
 * - DARRAY_VERBOSE      1: log decisions and fallbacks, 2: also every task and what ran it
 */
#ifndef DARRAY_RUNTIME_H
#define DARRAY_RUNTIME_H

#include <darray/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Start the runtime now instead of with the first task. Its threads are bound to cores, one each; the caller's are left alone.
 * There may be fewer of them than asked for (OMP_THREAD_LIMIT, StarPU's own limit): da_num_workers() tells. If nobody asked, each device's own
 * thread takes the place of one, of up to half of them.
 * @param runtime "openmp", "starpu" or null for the environment's or the automatic choice, which then looks for accelerators now. If OpenMP runs
 *                only until those are wanted, it waits for up to a second until nothing is in flight, and starts StarPU in its place; where that
 *                cannot be, "starpu" is DA_ERROR_STATE, and with null it is tried again as tasks are submitted.
 * @param workers threads, at most 4096, or 0 for the environment's or the machine's choice.
 * @return DA_OK also if it runs already with these parameters; DA_ERROR_STATE if it runs with others, from inside a task, or if StarPU is to start
 *         while a thread waits for an array that is mapped;
 *         DA_ERROR_ARGUMENT for an unknown name or number; DA_ERROR_UNSUPPORTED if the library was built without it;
 *         DA_ERROR_RUNTIME if it fails to start; DA_ERROR_FORKED.
 */
DA_NODISCARD da_status da_init(const char *runtime, int workers);

/**
 * Wait for all tasks, stop the runtime's threads and give cached memory back. Arrays stay valid with their values, mapped ones
 * stay mapped; the environment is read again, and the next task starts a runtime again, perhaps the other one. Fine to call when
 * nothing runs. A program may end without it: tasks that have not begun by then are dropped.
 * @return DA_ERROR_STATE from inside a task, or if this thread has mapped what others or tasks wait for; DA_ERROR_FORKED; DA_ERROR_MEMORY
 *         (nothing was stopped).
 */
DA_NODISCARD da_status da_shutdown(void);

/** Name of the runtime in use or, before it starts (or starts anew with accelerators), the one that would be used; "none" if
 *  DARRAY_RUNTIME names none that there is. Static; never null. */
DA_API const char *da_runtime_name(void);

/** Number of workers in use or, before the start, that will be asked for: there may be fewer then (da_init()), and fewer once accelerators start. */
DA_API int da_num_workers(void);

/** Wait until every task submitted so far, by any thread, and those that they spawned are done. Reports no faults: arrays carry
 *  them.
 *  @return DA_ERROR_STATE from inside a task; DA_ERROR_FORKED. */
DA_NODISCARD da_status da_wait_all(void);

/** Where tasks may run; see da_run_on(). */
typedef enum da_place {
    DA_ANYWHERE =
        0, /**< what DARRAY_DEVICE says: normally where a task is done soonest, by the performance models */
    DA_ON_CPU = 1, /**< on the CPU's cores */
    DA_ON_GPU =
        2 /**< on an accelerator if there is one that can run the task, else on the CPU's cores; there, too, if the
                      accelerator's compiler refuses the kernel, which is logged */
} da_place;

/**
 * Where the tasks of this thread's calls run from here on, until it is called again. Makes no difference to results beyond rounding,
 * and the signs or phases of factors and vectors that are unique only up to those (da_qr(), da_eigh(), da_svd()). Work too small for a
 * task still runs in the calling thread. Tasks that a task spawns run where it was told to, unless its function says otherwise, which
 * holds until that function returns.
 *
 * A kernel that fails on a device while it runs fails its task: waiting for what it wrote, or what depends on that, is DA_ERROR_TASK. A CUDA
 * device is lost by it; what devices wrote and the CPU has not used since has then failed, all else is as it was, and tasks stay on the
 * CPU. (For CUDA that needs the StarPU of scripts/starpu-cuda; others, and OpenCL's GPUs, end the process or wait for ever.)
 * @return DA_ERROR_ARGUMENT if `place` is none of the three.
 */
DA_NODISCARD da_status da_run_on(da_place place);

/** What da_run_on() last said in this thread, DA_ANYWHERE before; in a task, its own place until it says otherwise. For giving the former
 *  place back after a part of a program. Never fails. */
DA_API da_place da_runs_on(void);

/** Number of accelerators that tasks may run on, in use or, before the start, that would be used; 0 if the OpenMP runtime was asked for.
 *  Those that cannot be started are logged then, and no longer counted. */
DA_API int da_num_devices(void);

/** What the runtime has done since it started (tasks, seconds; before that: inline), and array memory. */
typedef struct da_stats {
    int64_t tasks_submitted; /**< tasks handed to the runtime's workers */
    int64_t tasks_inline;    /**< tasks run by the calling thread */
    int64_t tasks_done;      /**< of those submitted, finished */
    int64_t bytes_live;      /**< bytes of all live arrays */
    int64_t bytes_peak;      /**< the most that bytes_live was */
    int64_t bytes_cached;    /**< bytes kept for reuse in the free list */
    int64_t tasks_device;    /**< of those done, run by accelerators */
    double seconds_busy;     /**< time in kernels on the CPU, summed over threads */
} da_stats;

/** Read the counters; `out` may not be null. Never waits for tasks. */
DA_API void da_get_stats(da_stats *out);

/** Give memory that is kept for reuse (freed arrays, finished tasks) back to the allocator, and so to the operating system. */
DA_API void da_trim(void);

#ifdef __cplusplus
}
#endif
#endif
