/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a runtime implements, private to src/runtime/. runtime.c does what both share: batches, counting, inlining, poison, waiting,
 * starting, fork. It calls a backend as said here.
 */
#ifndef DARRAY_SRC_BACKEND_H
#define DARRAY_SRC_BACKEND_H

#include "codelets/device/device.h"
#include "runtime/runtime.h"

/* One access of a task to one datum, merged over its operands. */
struct rt_access {
    rt_task *task;
    rt_data *data;
    rt_access *prev, *next; /* openmp: in the datum's queue */
    unsigned char mode;     /* da_mode */
    bool granted;           /* openmp: may go ahead as far as this datum is concerned */
    bool exclusive;         /* openmp: nobody else may go ahead beside it */
};

typedef struct rt_poison {
    _Atomic(int) refs;
    char sentence[];
} rt_poison;

struct rt_task {
    _Atomic(int) refs;
    _Atomic(int) waiting_for; /* openmp: accesses not granted yet */
    rt_task *next, *child;    /* in its batch; later in a ready queue */
    const da_codelet *codelet;
    rt_fault *fault;
    int64_t fault_offset;
    int64_t sequence; /* commit order */
    uint64_t behind;  /* a map that it waits for, or 0 */
    int priority;
    unsigned flags;
    _Atomic(int) state; /* enum rt_task_state */
    rt_poison *failure; /* its own or an inherited failure */
    void *backend; /* openmp: the inline batch; starpu: what is expected of it, where there are devices */
    size_t bytes;  /* of this block of memory */
    int naccesses, noperands;
    rt_access *accesses; /* these and the rest lie behind the struct, in one allocation */
    da_call call;        /* buffers and values ready for the kernel; info points at `info` */
    int64_t info;
    rt_owner **owners; /* one per operand, may be null */
    int *datum; /* one per operand: the access to the only datum it lies in, or DATUM_NONE, DATUM_SEVERAL */
    da_place where;     /* of the thread that built it */
    bool on_device;     /* it ran there */
    int64_t *late_info; /* where a device writes info until the task is done, or null */
};
enum { DATUM_NONE = -1, DATUM_SEVERAL = -2 };
/* RT_AWAITED: committed, and somebody waits for it. */
enum rt_task_state { RT_BUILT, RT_COMMITTED, RT_AWAITED, RT_DONE };

/* Host access being asked for: runtime.c sets `missing` to the number of data and waits until it is 0. */
typedef struct rt_ticket {
    _Atomic(int) missing;
} rt_ticket;

typedef struct rt_backend {
    const char *name;
    /* Start *workers threads, pinned; fewer if that is better and so many were not asked for. *workers becomes the number that there are. */
    da_status (*start)(int *workers, bool asked);
    /* Stop them; no task is in flight. Every registered datum is brought home and forgotten. */
    void (*stop)(void);
    /* Take over a list of tasks linked by `next`, in order; called under the commit lock, after counts went up. Cannot fail. */
    void (*submit)(rt_task *first);
    /* Under the commit lock: take all data of the list for the calling thread without waiting, or return false. Data was seen to
     * have no conflicting pending task (counts). Tasks submitted from now on wait until drop(), which needs no lock. */
    bool (*take)(rt_task *first);
    void (*drop)(rt_task *first);
    /* Host access. Under the commit lock, without waiting: for each of n data take the next place in its order, and once it is this
     * place's turn and the value is home, call rt_granted(ticket), from here or later from any thread. (All places are taken in one
     * go under the lock, else a task committed in between that uses two of the data would wait for the first and be waited for in
     * the second.) Conflicting tasks submitted later wait until release(), which is for one datum and needs no lock. DA_ERROR_MEMORY: nothing was done. */
    da_status (*acquire)(int n, rt_data *const *data, da_mode mode, rt_ticket *ticket);
    void (*release)(rt_data *data, da_mode mode);
    /* The datum's owner goes away; no task uses it. May be called on a worker. Must not block unless bury() took the owner. */
    void (*forget)(rt_data *data);
    /* The last reference to an owner whose data devices may have (owner->moves) is gone: a thread that may wait will destroy it. Must
     * not block. Null if values are never anywhere but in host memory. */
    void (*bury)(rt_owner *owner);
    /* Wait until all those are destroyed; true if there were some. Null: there are none. */
    bool (*settle)(void);
    /* Number of devices besides the CPU that it uses or, before its start, would; must not start it. Null: none. */
    int (*devices)(void);
    /* What runs tasks in this thread, for the log: writes to `text` and returns it. */
    const char *(*place)(char *text, size_t size);
    /* The process exits without da_shutdown(), perhaps in the middle of tasks: see that no kernel runs while libraries are torn
     * down, without waiting long. Null: nothing to do. */
    void (*at_exit)(void);
} rt_backend;

extern const rt_backend rt_openmp;
extern const rt_backend rt_starpu; /* exists with DA_HAVE_STARPU, as does the next */
/* Tasks that devices have done since the start. */
int64_t spu_tasks_on_devices(void);
/* Devices of a kind that it uses or, before its start, would. */
int spu_devices_of(da_device_kind kind);
/* What transfers between host memory and devices take, as StarPU measured it: seconds each, bytes a second; false if it did not. */
bool spu_bus(double *latency, double *bandwidth);

/* Called by a backend's worker to run a task's kernel on the CPU: poison, kernel, fault, statistics. */
void rt_task_run(rt_task *task);
/* The same with another call and what runs it: on a device, where only the beginning has happened when it returns. */
void rt_task_run_as(rt_task *task, const da_call *call, da_status (*run)(const da_call *call, void *ctx),
                    void *ctx);
/* Devices of the backend answer no more, and nobody has what was only there: data that are `abroad` are poisoned by this sentence. Any thread,
 * under any lock. True for the first time since rt_devices_anew(), which the backend calls when it starts. */
bool rt_devices_lost(const char *sentence);
bool rt_devices_are_lost(void);
void rt_devices_anew(void);
/* Host memory has the datum's value, or what there was of it is lost. */
void rt_data_is_home(rt_data *data);
/* A task was on a device that is lost: it failed, unless it did before. */
void rt_task_lost(rt_task *task);
/* Called by a backend when a task is done and its dependants may go ahead: counts go down, waiters wake, owners are released, the
 * reference of the backend is dropped. The task must not be used afterwards. */
void rt_task_finish(rt_task *task);

/* What runs at_exit() is registered when a runtime starts. Called by a backend when libraries that kernels need were loaded since, or
 * began to keep something: exit() tears down first what came last. */
void rt_register_exit(void);

/* Called by a backend, on any thread and perhaps within acquire(), when one more datum of a ticket may be accessed. */
void rt_granted(rt_ticket *ticket);

#endif
