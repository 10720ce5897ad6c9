/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_device.h"
#include "runtime/starpu_codelet.h"
#include "runtime/starpu_guest.h"
#include "runtime/core.h"
#include "runtime/starpu_interface.h"

#include <darray/runtime.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    INFO_SLOTS = 1 << 16, /* about as many as tasks may be in flight */
    IDLE_MS = 50          /* without work until workers of devices, which poll, are paused */
};

static const enum starpu_worker_archtype archs[DA_DEVICE_KINDS] = {[DA_DEVICE_CPU] = STARPU_CPU_WORKER,
                                                                   [DA_DEVICE_CUDA] = STARPU_CUDA_WORKER,
                                                                   [DA_DEVICE_OPENCL] = STARPU_OPENCL_WORKER};
static const uint32_t places[DA_DEVICE_KINDS] = {
    [DA_DEVICE_CPU] = STARPU_CPU, [DA_DEVICE_CUDA] = STARPU_CUDA, [DA_DEVICE_OPENCL] = STARPU_OPENCL};

static struct {
    const da_device_ops *ops[DA_DEVICE_KINDS]; /* of the kinds that there are */
    int count[DA_DEVICE_KINDS];
    int64_t memory
        [DA_DEVICE_KINDS]; /* bytes that StarPU may use of it, of the smallest; INT64_MAX if it does not tell */
    int64_t largest[DA_DEVICE_KINDS]; /* bytes of one piece; INT64_MAX: no limit */
    int total;
    int64_t
        *info; /* what devices write LAPACK's info to: by task number, unless another task's is there still */
    bool cuda_has_info; /* its pages are locked, and CUDA's kernels reach them */
    _Atomic(int64_t) done;
} devices;

static _Atomic(bool) info_taken[INFO_SLOTS];

int64_t spu_tasks_on_devices(void)
{
    return atomic_load_explicit(&devices.done, memory_order_relaxed);
}

int spu_devices(void)
{
    return devices.total;
}

/* Devices of each kind, counted once: the first look starts the vendors' libraries. Once StarPU was started, those that it could have. */
static _Atomic(int) there[DA_DEVICE_KINDS];
static int counted[DA_DEVICE_KINDS];
static models_device kinds[DA_DEVICE_KINDS]; /* what those that are there are; guarded by the lock */
static lock_word kinds_lock;
static bool broken;

static const char *kind_text(int kind)
{
    return kind == DA_DEVICE_CUDA ? "CUDA" : "OpenCL";
}

/* The vendors' libraries may replace the process's handlers, and start threads that should not take its signals. */
typedef struct quiet {
    spu_signals signals;
    sigset_t mask;
} quiet;

static void quiet_begin(quiet *q)
{
    sigset_t all;

    spu_signals_note(&q->signals);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &q->mask);
}

static void quiet_end(const quiet *q)
{
    pthread_sigmask(SIG_SETMASK, &q->mask, NULL);
    spu_signals_restore(&q->signals);
}

/* As StarPU will have it: no more than the variable says. */
static int at_most(int n, int kind)
{
    const char *const text = getenv(kind == DA_DEVICE_CUDA ? "STARPU_NCUDA" : "STARPU_NOPENCL");
    char *end = NULL;
    const long most = text ? strtol(text, &end, 10) : -1;

    return text && end != text && most >= 0 && most < n ? (int)most : n;
}

/* ---- which devices they are ----
 *
 * The times of a kind of device are those of one device, so only like ones are used together: those that compute the most. Their name tells
 * whether times measured earlier are of such.
 */

static void about(int kind, unsigned id, models_device *device)
{
    const da_device_ops *const ops = da_device_module_of((da_device_kind)kind, NULL);
    da_device_about is = {.memory = 0};

    *device = (models_device){.name = "an unknown device"};
    if (!ops || !ops->describe || !ops->describe((int)id, &is))
        return;
    for (char *c = is.name; *c; c++) /* it becomes the end of a line */
        if ((unsigned char)*c < ' ')
            *c = ' ';
    const char *const name = is.name + strspn(is.name, " ");
    if (name[0])
        snprintf(device->name, sizeof device->name, "%s", name);
    device->peak = (model_peak){.flops = is.flops, .doubles = is.doubles};
}

static void set_kind(int kind, const models_device *device)
{
    lock_acquire(&kinds_lock);
    kinds[kind] = *device;
    lock_release(&kinds_lock);
}

/* Leaves of these devices those that are like each other and together compute the most; their number. */
static int take_alike(int kind, unsigned *ids, int n, bool tell)
{
    models_device each[STARPU_NMAXWORKERS];
    int best = 0, left = 0;
    double most = -1;

    for (int i = 0; i < n; i++)
        about(kind, ids[i], &each[i]);
    for (int i = 0; i < n; i++) {
        double flops = 0;
        for (int k = 0; k < n; k++)
            flops += strcmp(each[k].name, each[i].name) == 0 ? each[k].peak.flops : 0;
        if (flops > most) {
            most = flops;
            best = i;
        }
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(each[i].name, each[best].name) == 0)
            ids[left++] = ids[i];
        else if (tell)
            log_line(1, "starpu: %s device %u, %s, is not used: it is unlike %s, which computes more",
                     kind_text(kind), ids[i], each[i].name, each[best].name);
    }
    if (n > 0)
        set_kind(kind, &each[best]);
    return left;
}

/* The numbers of a kind's devices that StarPU runs; how many. */
static int running(int kind, int ids[STARPU_NMAXWORKERS])
{
    const int n = (int)starpu_worker_get_ids_by_type(archs[kind], ids, STARPU_NMAXWORKERS);

    for (int i = 0; i < n; i++)
        ids[i] = starpu_worker_get_devid(ids[i]);
    return n;
}

/* The program's own StarPU, or its variables, may have chosen unlike ones: their times are of all of them. */
static void note_running(int kind)
{
    int ids[STARPU_NMAXWORKERS];
    const int n = running(kind, ids);
    models_device all = {.name = ""}, last = all, next;

    for (int i = 0; i < n; i++, last = next) {
        const size_t length = strlen(all.name);

        about(kind, (unsigned)ids[i], &next);
        if (i == 0)
            all = next;
        else if (strcmp(last.name, next.name) != 0)
            snprintf(all.name + length, sizeof all.name - length, ", %s", next.name);
    }
    if (strcmp(all.name, last.name) != 0)
        log_line(1, "starpu: %s devices that are unlike share their times: %s", kind_text(kind), all.name);
    set_kind(kind, &all);
}

/* The kind's module is told of them. */
static void use_running(int kind)
{
    const da_device_ops *const ops = devices.ops[kind];
    int ids[STARPU_NMAXWORKERS];

    if (ops && ops->use)
        ops->use(ids, running(kind, ids));
}

bool spu_device_measure(da_device_kind kind, models_device *device)
{
    const da_device_ops *const ops = devices.ops[kind];
    model_peak *const peak = &device->peak;
    int ids[STARPU_NMAXWORKERS];
    quiet q;

    if (!ops || !ops->measure || running((int)kind, ids) == 0)
        return false;
    quiet_begin(&q);
    const bool measured = ops->measure(ids[0], &peak->seconds, &peak->bytes);
    quiet_end(&q);
    if (measured)
        log_line(2, "starpu: %s reaches %.0f MB/s, and %.0f us a task", device->name, 1e-6 * peak->bytes,
                 1e6 * peak->seconds);
    return measured;
}

static void look(void)
{
    quiet q;

    quiet_begin(&q);
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const da_device_ops *ops;
#if !STARPU_USE_CUDA
        if (k == DA_DEVICE_CUDA)
            continue;
#endif
#if !STARPU_USE_OPENCL
        if (k == DA_DEVICE_OPENCL)
            continue;
#endif
        ops = da_device_module_of((da_device_kind)k, NULL);
        counted[k] = ops ? ops->count() : 0;
        unsigned ids[STARPU_NMAXWORKERS];
        const int n = at_most(counted[k] < STARPU_NMAXWORKERS ? counted[k] : STARPU_NMAXWORKERS, k);
        for (int i = 0; i < n; i++)
            ids[i] = (unsigned)i;
        there[k] = take_alike(k, ids, n, false);
    }
    quiet_end(&q);
}

/* False if nobody is to look. */
static bool looked(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (config_get()->device == DA_ON_CPU)
        return false;
    pthread_once(&once, look);
    return true;
}

int spu_devices_there(da_device_kind kind)
{
    if (!looked())
        return 0;
    return kind == DA_DEVICE_CPU ? there[DA_DEVICE_CUDA] + there[DA_DEVICE_OPENCL] : there[kind];
}

int spu_devices_of(da_device_kind kind)
{
    return devices.total > 0 ? devices.count[kind] : spu_devices_there(kind);
}

bool spu_device_of(da_device_kind kind, models_device *device)
{
    if (spu_devices_of(kind) == 0)
        return false;
    lock_acquire(&kinds_lock);
    *device = kinds[kind];
    lock_release(&kinds_lock);
    device->here = true;
    return true;
}

/* As StarPU measured transfers from host memory to the first device; 0 where it did not. Asked once, as it starts. */
static double bus_latency, bus_bandwidth;

static void ask_bus(void)
{
    bus_bandwidth = 0;
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const int worker = devices.count[k] > 0 ? starpu_worker_get_by_type(archs[k], 0) : -1;
        if (worker < 0)
            continue;
        const unsigned node = starpu_worker_get_memory_node((unsigned)worker);
        const double us = starpu_transfer_latency(STARPU_MAIN_RAM, node);
        const double mb = starpu_transfer_bandwidth(STARPU_MAIN_RAM, node);
        if (!(mb > 0) || !isfinite(mb) || !isfinite(us))
            continue;
        bus_latency = us * 1e-6;
        bus_bandwidth = mb * 1e6;
        return;
    }
}

bool spu_bus(double *latency, double *bandwidth)
{
    if (bus_bandwidth <= 0)
        return false;
    *latency = bus_latency;
    *bandwidth = bus_bandwidth;
    return true;
}

int spu_devices_usable(da_device_kind kind, unsigned *ids, int most)
{
    const int n = looked() ? counted[kind] : 0, wanted = at_most(most, (int)kind);
    const da_device_ops *const ops = n > 0 ? da_device_module_of(kind, NULL) : NULL;
    int usable = 0;
    quiet q;

    quiet_begin(&q);
    for (int i = 0; i < n && usable < wanted; i++) {
        char why[128];
        bool starts = true;

        if (!ops->usable || ops->usable(i, &starts, why, sizeof why)) {
            ids[usable++] = (unsigned)i;
            continue;
        }
        broken = broken || !starts;
        log_line(1, "starpu: %s device %d is not used, as %s: %s", kind_text((int)kind), i,
                 starts ? "no kernel can be made for it" : "it cannot be started", why);
    }
    usable = take_alike((int)kind, ids, usable, true);
    quiet_end(&q);
    there[kind] = usable;
    return usable;
}

int spu_devices_counted(da_device_kind kind)
{
    return counted[kind];
}

bool spu_devices_broken(void)
{
    return broken;
}

/* ---- what compilers refuse ----
 *
 * Whose kernel a compiler does not take is a task that no device can do, but the CPU can: its worker fetches the operands, runs the CPU's
 * implementation and puts the results back. Tasks alike are not sent there again.
 */

enum { REFUSALS = 1024 };
static _Atomic(uint64_t) refusals[REFUSALS]; /* by likeness(), 0: none; two of one place forget each other */
static _Atomic(bool) any_refusal;

/* Never 0. */
static uint64_t likeness(da_device_kind kind, const da_device_kernel *kernel, const rt_task *task)
{
    return da_device_likeness(kernel, &task->call) * DA_DEVICE_KINDS + (uint64_t)kind;
}

static bool is_refused(da_device_kind kind, const da_device_kernel *kernel, const rt_task *task)
{
    if (!atomic_load_explicit(&any_refusal, memory_order_relaxed))
        return false;
    const uint64_t h = likeness(kind, kernel, task);
    return atomic_load_explicit(&refusals[h % REFUSALS], memory_order_relaxed) == h;
}

/* ---- where a task may run ---- */

void spu_implementations_of(spu_implementations *out, const da_codelet *codelet)
{
    memset(out, 0, sizeof *out);
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++)
        if (devices.ops[k] && (codelet->flags & DA_CODELET_OWN))
            out->on[k] = da_device_find((da_device_kind)k, codelet->name);
}

/* The user's implementation. */
static da_kernel own_kernel(const rt_task *task, da_device_kind kind)
{
    return kind == DA_DEVICE_CUDA ? task->codelet->cuda : task->codelet->opencl;
}

/* Whether each axis of the piece steps over all that those with smaller strides reach: then an address tells an element's indices. */
static bool nested(const rt_piece *p)
{
    for (int i = 0; i < p->ndim; i++) {
        if (p->shape[i] == 0)
            return true;
        for (int k = 0; k < p->ndim; k++)
            if (p->shape[i] > 1 && p->shape[k] > 1 && k != i && p->strides[k] >= p->strides[i] &&
                p->strides[k] < p->strides[i] * p->shape[i])
                return false;
    }
    return true;
}

/* Also what the operands take on a device, together and the largest of them. */
static bool may_move(const rt_task *task, int64_t *bytes, int64_t *largest)
{
    rt_piece piece;

    *bytes = *largest = 0;
    for (int i = 0; i < task->call.nbuffers; i++) {
        const da_buffer *const b = &task->call.buffers[i];
        bool empty = b->dtype == 0; /* not data at all, but something that the kernel's host side knows */
        for (int d = 0; d < b->ndim; d++)
            empty = empty || b->shape[d] == 0;
        if (task->datum[i] == DATUM_SEVERAL || (task->datum[i] == DATUM_NONE && !empty))
            return false;
    }
    for (int i = 0; i < task->naccesses; i++) {
        const rt_data *const data = task->accesses[i].data;
        const rt_owner *const owner = data->owner;
        if (!owner || !owner->cls->describe)
            return false;
        if (owner->keep == RT_KEEP_FIXED && task->accesses[i].mode != DA_MODE_READ)
            return false;
        owner->cls->describe(owner, data, &piece);
        if (!nested(&piece))
            return false;
        int64_t size = (int64_t)piece.element_size;
        for (int k = 0; k < piece.ndim; k++)
            size *= piece.shape[k];
        *bytes += size;
        *largest = size > *largest ? size : *largest;
    }
    return true;
}

/* StarPU waits for ever for memory that a device does not have, and aborts on a piece that it cannot allocate. The other half is for the task
 * after this one, whose operands are on their way already, and for scratch memory. */
static uint32_t where_it_fits(const rt_task *task, uint32_t on, int64_t bytes, int64_t largest)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const bool too_large = largest > devices.largest[k];

        if (!(on & places[k]) || (!too_large && bytes <= devices.memory[k] / 2))
            continue;
        on &= ~places[k];
        if (atomic_flag_test_and_set(&told) && !log_enabled(2))
            continue;
        if (too_large)
            log_line(
                1,
                "task %s stays on the CPU: an operand takes %lld bytes, and the device gives at most %lld "
                "in one piece",
                task->codelet->name, (long long)largest, (long long)devices.largest[k]);
        else
            log_line(1,
                     "task %s stays on the CPU: its operands take %lld bytes, more than half of the "
                     "device's %lld",
                     task->codelet->name, (long long)bytes, (long long)devices.memory[k]);
    }
    return on;
}

uint32_t spu_where(rt_task *task, const spu_implementations *implementations)
{
    const da_place where = task->where ? task->where : (da_place)config_get()->device;
    uint32_t on = 0;
    int64_t bytes, largest;

    if (where == DA_ON_CPU || devices.total == 0 || !implementations || rt_devices_are_lost())
        return STARPU_CPU;
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        const da_device_kernel *const library = implementations->on[k];
        if (devices.count[k] > 0 &&
            !(k == DA_DEVICE_CUDA && task->codelet->flags & DA_CODELET_FAULTS && !devices.cuda_has_info) &&
            (own_kernel(task, (da_device_kind)k) ||
             (library && (!library->takes || library->takes(devices.ops[k], &task->call)) &&
              !is_refused((da_device_kind)k, library, task))))
            on |= places[k];
    }
    if (on == 0 || !may_move(task, &bytes, &largest)) {
        if (where == DA_ON_GPU && log_enabled(2))
            log_line(2, "task %s stays on the CPU: %s", task->codelet->name,
                     on == 0 ? "no device has an implementation for it" : "an operand is not one tile");
        return STARPU_CPU;
    }
    on = where_it_fits(task, on, bytes, largest);
    if (on == 0)
        return STARPU_CPU;
    if (task->codelet->flags & DA_CODELET_FAULTS) {
        const size_t slot = (size_t)(task->sequence % INFO_SLOTS);

        if (atomic_exchange(&info_taken[slot], true)) /* by a task that is as many tasks older */
            return STARPU_CPU;
        task->late_info = &devices.info[slot];
        *task->late_info = 0;
    }
    for (int i = 0; i < task->naccesses; i++) {
        atomic_store_explicit(&task->accesses[i].data->moves, true, memory_order_relaxed);
        atomic_store_explicit(&task->accesses[i].data->owner->moves, true, memory_order_relaxed);
    }
    return where == DA_ON_GPU ? on : on | STARPU_CPU;
}

/* ---- running one ---- */

/* The axis of the piece along which a step of `stride` elements goes; -1 if none. */
static int axis_of(const spu_piece *p, int64_t stride)
{
    const int64_t step = stride < 0 ? -stride : stride;
    int best = -1;

    for (int k = 0; k < p->ndim; k++)
        if (spu_piece_shape(p)[k] > 1 && spu_piece_strides(p)[k] <= step &&
            (best < 0 || spu_piece_strides(p)[k] > spu_piece_strides(p)[best]))
            best = k;
    return best;
}

/* The operand `b`, given as it lies in host memory, in the device's copy `there` of the piece `home`. */
static void translate(da_buffer *b, int64_t *strides, const spu_piece *home, const spu_piece *there)
{
    const int64_t size = (int64_t)home->element_size;
    int64_t left = ((const char *)b->data - (const char *)home->ptr) / size, at = 0;
    bool used[DA_MAX_NDIM] = {false};

    for (;;) { /* the element's indices, from the axis with the largest stride on */
        int axis = -1;
        for (int k = 0; k < home->ndim; k++)
            if (!used[k] && spu_piece_shape(home)[k] > 1 &&
                (axis < 0 || spu_piece_strides(home)[k] > spu_piece_strides(home)[axis]))
                axis = k;
        if (axis < 0)
            break;
        used[axis] = true;
        at += left / spu_piece_strides(home)[axis] * spu_piece_strides(there)[axis];
        left %= spu_piece_strides(home)[axis];
    }
    for (int d = 0; d < b->ndim; d++) {
        const int axis = axis_of(home, b->strides[d]);
        strides[d] = b->strides[d] == 0 || axis < 0
                         ? b->strides[d]
                         : b->strides[d] / spu_piece_strides(home)[axis] * spu_piece_strides(there)[axis];
    }
    b->strides = strides;
    if (there->ptr) {
        b->data = (void *)(there->ptr + (uintptr_t)(at * size));
    } else {
        b->data = (void *)there->dev_handle;
        b->offset = (int64_t)there->offset / size + at;
    }
}

typedef struct run {
    da_kernel own;                   /* the user's, or null */
    const da_device_kernel *library; /* else the library's */
    const da_device_ops *ops;
    da_device_kind kind;
    void **interfaces;
    rt_task *task;
    bool no_memory; /* for the operands */
} run;

/* Between the device's copy of an access and host memory in the same layout. */
static bool fetch_or_put(const spu_piece *there, void *host, size_t bytes, bool fetch)
{
    const unsigned node = starpu_worker_get_memory_node((unsigned)starpu_worker_get_id_check());

    if (bytes == 0)
        return true;
    return (fetch ? starpu_interface_copy(there->dev_handle, there->offset, node, (uintptr_t)host, 0,
                                          STARPU_MAIN_RAM, bytes, NULL)
                  : starpu_interface_copy((uintptr_t)host, 0, STARPU_MAIN_RAM, there->dev_handle,
                                          there->offset, node, bytes, NULL)) == 0;
}

/* The CPU's implementation on copies of what the device has. False, and nothing is changed, if there is no memory for them. */
static bool run_on_copies(const run *r, da_status *status)
{
    rt_task *const task = r->task;
    const int n = task->call.nbuffers, naccesses = task->naccesses;
    da_buffer *const buffers = mem_zalloc((size_t)n * sizeof *buffers + 1);
    int64_t(*const strides)[DA_MAX_NDIM] = mem_alloc((size_t)n * sizeof *strides + 1);
    void **const copies = mem_zalloc((size_t)naccesses * sizeof *copies + 1);
    da_call call = task->call;
    bool good = buffers && strides && copies;

    for (int i = 0; i < naccesses && good; i++) {
        const spu_piece *const there = r->interfaces[i];
        size_t bytes;

        good = spu_piece_size(there, &bytes) && (copies[i] = mem_alloc(bytes + 1)) != NULL &&
               fetch_or_put(there, copies[i], bytes, true);
    }
    good = good && !rt_devices_are_lost(); /* copies of such a device succeed without being done */
    for (int i = 0; i < n && good; i++) {
        const int from = task->datum[i];

        buffers[i] = task->call.buffers[i];
        if (from >= 0) {
            const starpu_data_handle_t h = task->accesses[from].data->handle;
            const spu_piece *const there = r->interfaces[from];
            const size_t size = sizeof *there + 2 * (size_t)there->ndim * sizeof there->extents[0];
            union {
                spu_piece piece;
                char bytes[sizeof(spu_piece) + 2 * DA_MAX_NDIM * sizeof(int64_t)];
            } here;

            memcpy(&here, there, size);
            here.piece.ptr = (uintptr_t)copies[from];
            translate(&buffers[i], strides[i], starpu_data_get_interface_on_node(h, STARPU_MAIN_RAM),
                      &here.piece);
        }
    }
    if (good) {
        poison_release(task->failure); /* that the compiler refused it */
        task->failure = NULL;
        err_clear();
        call.buffers = buffers;
        *status = task->codelet->cpu(&call);
        for (int i = 0; i < naccesses && *status == DA_OK; i++) {
            size_t bytes;

            if (task->accesses[i].mode & DA_MODE_WRITE && spu_piece_size(r->interfaces[i], &bytes) &&
                !fetch_or_put(r->interfaces[i], copies[i], bytes, false))
                *status = da_task_fail(&call, "its result could not be copied to the device");
        }
    }
    for (int i = 0; i < naccesses && copies; i++)
        mem_free(copies[i]);
    mem_free(copies);
    mem_free(strides);
    mem_free(buffers);
    return good;
}

/* After a failure: what the CPU does instead, where the device's compiler is to blame and nothing that is needed has been overwritten. */
static da_status run_instead(const run *r, da_status status)
{
    rt_task *const task = r->task;
    const unsigned outcome = r->ops->outcome ? r->ops->outcome() : 0;
    const char *const what = kind_text((int)r->kind);
    bool spoilt = false;

    if (rt_devices_are_lost())
        return status;
    for (int i = 0; i < task->naccesses; i++)
        spoilt = spoilt || (outcome & DA_LAUNCHED && task->accesses[i].mode == DA_MODE_READ_WRITE);
    if (!(outcome & (DA_REFUSED | DA_SHORT)) || !task->codelet->cpu)
        return status;
    char why[512];
    snprintf(why, sizeof why, "%s", task->failure ? task->failure->sentence : da_error());
    if (outcome & DA_REFUSED) {
        const uint64_t h = likeness(r->kind, r->library, task);

        atomic_store_explicit(&any_refusal, true, memory_order_relaxed);
        if (atomic_exchange(&refusals[h % REFUSALS], h) != h)
            log_line(1, "starpu: the CPU does what no %s device can be given: %s", what, why);
    }
    if (spoilt || !run_on_copies(r, &status))
        return status; /* of this task; those alike are the CPU's */
    task->on_device = false;
    if (!(outcome & DA_REFUSED))
        log_line(1, "starpu: the CPU does this time what a %s device could not be given: %s", what, why);
    return status;
}

static da_status run_implementation(const da_call *call, void *ctx)
{
    const run *const r = ctx;
    da_status status, left = DA_OK;

    if (r->no_memory)
        return err_memory((size_t)call->nbuffers * sizeof(da_buffer), "the operands of a task on a device");
    if (r->ops && r->ops->enter)
        r->ops->enter(call);
    if (!r->own && r->ops->outcome)
        (void)r->ops->outcome();
    status = r->own ? r->own(call) : r->library->run(r->ops, call);
    if (r->ops && r->ops->leave)
        left = r->ops->leave(call);
    if (status != DA_OK && !r->own)
        status = run_instead(r, status);
    return status != DA_OK ? status : left;
}

void spu_run_on(da_device_kind kind, const spu_implementations *implementations, void *interfaces[],
                rt_task *task, void *queue)
{
    enum { FEW = 8 };
    const int n = task->call.nbuffers;
    da_buffer few[FEW], *buffers = few;
    int64_t few_strides[FEW][DA_MAX_NDIM], (*strides)[DA_MAX_NDIM] = few_strides;
    da_call call = task->call;
    run r = {
        own_kernel(task, kind), implementations->on[kind], devices.ops[kind], kind, interfaces, task, false};

    if (n > FEW) {
        buffers = mem_alloc((size_t)n * sizeof *buffers);
        strides = mem_alloc((size_t)n * sizeof *strides);
    }
    if (buffers && strides) {
        for (int i = 0; i < n; i++) {
            buffers[i] = task->call.buffers[i];
            if (task->datum[i] >= 0) {
                const starpu_data_handle_t h = task->accesses[task->datum[i]].data->handle;
                translate(&buffers[i], strides[i], starpu_data_get_interface_on_node(h, STARPU_MAIN_RAM),
                          interfaces[task->datum[i]]);
            }
        }
        call.buffers = buffers;
    } else {
        r.no_memory = true;
    }
    call.queue = queue;
    if (task->late_info)
        call.info = task->late_info;
    task->on_device = true;
    if (rt_devices_are_lost())
        rt_task_lost(task);
    rt_task_run_as(task, &call, run_implementation, &r);
    for (int i = 0; i < task->naccesses; i++)
        if (task->accesses[i].mode & DA_MODE_WRITE)
            atomic_store(&task->accesses[i].data->abroad, true);
    if (n > FEW) {
        mem_free(buffers);
        mem_free(strides);
    }
}

int64_t spu_programs_compiled(void)
{
    int64_t compiled = 0;

    for (int k = 0; k < DA_DEVICE_KINDS; k++)
        if (devices.ops[k] && devices.ops[k]->compiled)
            compiled += devices.ops[k]->compiled();
    return compiled;
}

/* What a device wrote there; its place is another task's then. */
static void take_info(rt_task *task)
{
    /* LAPACKs of devices write 32 bits */
    const int32_t info = task->late_info ? (int32_t)*task->late_info : 0;

    if (!task->late_info)
        return;
    atomic_store(&info_taken[task->late_info - devices.info], false);
    task->late_info = NULL;
    if (task->on_device && !task->failure && task->fault && info > 0)
        rt_fault_report(task->fault, task->fault_offset + info);
}

void spu_device_done(rt_task *task)
{
    static _Atomic(int64_t) known = -1;

    if (task->on_device && rt_devices_are_lost())
        rt_task_lost(task);
    take_info(task);
    if (!task->on_device)
        return;
    const int64_t compiled = spu_programs_compiled();
    if (atomic_exchange(&known, compiled) < compiled)
        rt_register_exit(); /* what compilers made for good must outlive kernels, too */
    atomic_fetch_add_explicit(&devices.done, 1, memory_order_relaxed);
}

/* ---- the keeper: a thread that may wait, as workers may not ---- */

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, settled;
    rt_owner *buried; /* newest first */
    int alive;        /* buried and not destroyed */
    bool started, quit;
    bool pauses; /* it puts StarPU to sleep when there is nothing to do */
    _Atomic(bool) paused;
} keeper = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .settled = PTHREAD_COND_INITIALIZER};

/* Either this sees that StarPU is paused, or the keeper, which looks after it has said so, sees what there is to do. */
void spu_devices_wake(void)
{
    if (!keeper.pauses)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&keeper.paused, memory_order_relaxed))
        return;
    pthread_mutex_lock(&keeper.lock);
    if (atomic_exchange(&keeper.paused, false)) {
        starpu_resume();
        pthread_cond_signal(&keeper.work);
    }
    pthread_mutex_unlock(&keeper.lock);
}

static void pause_if_idle(void)
{
    atomic_store(&keeper.paused, true);
    atomic_thread_fence(memory_order_seq_cst);
    if (spu_idle())
        starpu_pause();
    else
        atomic_store(&keeper.paused, false);
}

static void destroy_buried(void)
{
    rt_owner *list = keeper.buried;

    keeper.buried = NULL;
    if (atomic_exchange(&keeper.paused, false))
        starpu_resume();
    pthread_mutex_unlock(&keeper.lock);
    int n = 0;
    for (rt_owner *next; list; list = next, n++) {
        next = list->next_buried;
        list->cls->destroy(list);
    }
    pthread_mutex_lock(&keeper.lock);
    keeper.alive -= n;
    if (keeper.alive == 0)
        pthread_cond_broadcast(&keeper.settled);
}

static void *keep(void *arg)
{
    int64_t seen = -1; /* tasks done when it last looked */

    (void)arg;
    pthread_mutex_lock(&keeper.lock);
    while (!keeper.quit || keeper.buried) {
        if (keeper.buried) {
            destroy_buried();
        } else if (!keeper.pauses || atomic_load(&keeper.paused)) {
            pthread_cond_wait(&keeper.work, &keeper.lock);
        } else {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += IDLE_MS * 1000000;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            if (pthread_cond_timedwait(&keeper.work, &keeper.lock, &until) == ETIMEDOUT) {
                if (spu_idle() && spu_tasks_done(-1) == seen)
                    pause_if_idle();
                seen = spu_tasks_done(-1);
            }
        }
    }
    pthread_mutex_unlock(&keeper.lock);
    return NULL;
}

void spu_bury(rt_owner *owner)
{
    pthread_mutex_lock(&keeper.lock);
    owner->next_buried = keeper.buried;
    keeper.buried = owner;
    keeper.alive++;
    pthread_cond_signal(&keeper.work);
    pthread_mutex_unlock(&keeper.lock);
}

bool spu_settle(void)
{
    bool any;

    if (!keeper.started)
        return false;
    pthread_mutex_lock(&keeper.lock);
    any = keeper.alive > 0;
    while (keeper.alive > 0)
        pthread_cond_wait(&keeper.settled, &keeper.lock);
    pthread_mutex_unlock(&keeper.lock);
    return any;
}

/* ---- devices that are lost ----
 *
 * An error that a CUDA kernel runs into is the end of its device for this process: CUDA refuses everything from then on. A StarPU of
 * scripts/starpu-cuda tells us here and goes on as if all that it waits for on that device had ended well; others abort.
 */

extern int (*starpu_cuda_error_hook)(const char *function, int status, const char *text)
    __attribute__((weak));

static int cuda_is_lost(const char *function, int status, const char *text)
{
    char sentence[256];

    snprintf(sentence, sizeof sentence,
             "a CUDA device is lost, with all that was on devices only: %s (%d), seen in %s", text, status,
             function);
    if (rt_devices_lost(sentence))
        log_line(1, "starpu: %s; tasks stay on the CPU", sentence);
    return 1;
}

/* Not where StarPU is the host's: its tasks would go on with what is not there. */
static void listen(bool wanted)
{
    if (&starpu_cuda_error_hook)
        starpu_cuda_error_hook = wanted ? cuda_is_lost : NULL;
}

void spu_devices_stopped(void)
{
    listen(false);
}

/* ---- start and stop ---- */

/* Bytes that StarPU may use of the smallest device of a kind. */
static int64_t memory_of(int kind)
{
    int ids[STARPU_NMAXWORKERS];
    const int n = (int)starpu_worker_get_ids_by_type(archs[kind], ids, STARPU_NMAXWORKERS);
    int64_t least = INT64_MAX;

    for (int i = 0; i < n; i++) {
        const starpu_ssize_t total = starpu_memory_get_total(starpu_worker_get_memory_node((unsigned)ids[i]));
        if (total > 0 && total < least)
            least = total;
    }
    return least;
}

/* Memory that devices write LAPACK's info to. CUDA's kernels must reach it by its own address, for which its pages are locked: without, codelets
 * with faults are not for them. */
static bool info_begin(void)
{
    enum { PAGE = 1 << 12 };
    const da_device_ops *const cuda = devices.ops[DA_DEVICE_CUDA];
    const size_t bytes = INFO_SLOTS * sizeof *devices.info;

    devices.info = aligned_alloc(PAGE, bytes);
    if (!devices.info)
        return false;
    memset(devices.info, 0, bytes);
    const bool locked = cuda && cuda->lock_pages && cuda->lock_pages(devices.info, bytes);
    devices.cuda_has_info = locked && cuda->reaches_pages(devices.info);
    if (locked && !devices.cuda_has_info)
        cuda->unlock_pages(devices.info);
    if (cuda && !devices.cuda_has_info)
        log_line(1, "starpu: what may find faults stays on the CPU: %s",
                 locked ? "CUDA has the memory to write them to at another address"
                        : "no memory can be locked for CUDA to write them to");
    return true;
}

static void info_end(void)
{
    if (devices.cuda_has_info)
        devices.ops[DA_DEVICE_CUDA]->unlock_pages(devices.info);
    free(devices.info);
}

da_status spu_devices_start(bool shared)
{
    sigset_t all, before;
    int result;

    memset(&devices, 0, sizeof devices);
    rt_devices_anew();
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++) {
        devices.count[k] = starpu_worker_get_count_by_type(archs[k]);
        if (devices.count[k] == 0)
            continue;
        devices.ops[k] = da_device_module_of((da_device_kind)k, NULL);
        note_running(k);
        use_running(k);
        devices.memory[k] = memory_of(k);
        devices.largest[k] =
            devices.ops[k] && devices.ops[k]->largest ? devices.ops[k]->largest() : INT64_MAX;
        devices.total += devices.count[k];
    }
    if (devices.total == 0)
        return DA_OK;
    listen(!shared);
    ask_bus();
    if (!info_begin()) {
        devices.total = 0;
        return err_memory(INFO_SLOTS * sizeof *devices.info, "what devices report");
    }
    keeper.quit = false;
    keeper.pauses = false;
#ifdef STARPU_NON_BLOCKING_DRIVERS
    keeper.pauses = !shared; /* it would stop the host's tasks as well */
#else
    (void)shared;
#endif
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    result = pthread_create(&keeper.thread, NULL, keep, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        info_end();
        devices.total = 0;
        return err_set(DA_ERROR_RUNTIME, "starpu: no thread can be started: %s", strerror(result));
    }
    keeper.started = true;
    rt_register_exit();
    const da_device_ops *const cuda = devices.ops[DA_DEVICE_CUDA];
    const char *const disabled = getenv("STARPU_DISABLE_PINNING");
    if (cuda && cuda->lock_pages && !(disabled && atoi(disabled) > 0))
        mem_pins_start(cuda->lock_pages, cuda->unlock_pages);
    for (int k = DA_DEVICE_CUDA; k < DA_DEVICE_KINDS; k++)
        if (devices.count[k] > 0)
            log_line(1, "starpu: %d %s devices%s", devices.count[k], kind_text(k),
                     devices.ops[k] ? "" : ", for the program's own codelets only");
    return DA_OK;
}

void spu_devices_stop(void)
{
    if (!keeper.started)
        return;
    pthread_mutex_lock(&keeper.lock);
    keeper.quit = true;
    pthread_cond_signal(&keeper.work);
    pthread_mutex_unlock(&keeper.lock);
    pthread_join(keeper.thread, NULL);
    if (atomic_exchange(&keeper.paused, false))
        starpu_resume();
    keeper.started = false;
    keeper.pauses = false;
    info_end();
    memset(&devices, 0, sizeof devices);
}
