/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * da_spawn(): checks every argument against the codelet, builds one task, lets faults flow from what it reads to what it writes, and
 * hands it to the runtime. Everything that can fail comes before the hand-over.
 */
#include "array/array.h"
#include "task/task.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { /* da_arg.kind_ */
       ARG_ARRAY = 1,
       ARG_TILE,
       ARG_TASK,
       ARG_MEMORY,
       ARG_VALUE,
       ARG_RESULT
};
enum { FEW = 8 }; /* arguments that need no allocation */

/* Faults on their way into an array that the task writes. */
typedef struct array_flow {
    da_array *array;
    fault_flow flow;
} array_flow;

/* A task that is being built. */
typedef struct spawn {
    const da_codelet *codelet;
    int nbuffers, nvalues;
    da_task *handle;   /* made if the caller wants one */
    result_cell *cell; /* of DA_RESULT */
    int nmemory;
    memory_use *memory, few_memory[FEW];
    int nflows;
    array_flow *flows, few_flows[FEW];
    void *many;    /* memory and flows, where there are more than a few arguments */
    rt_fault *own; /* the cell for what the codelet reports */
    bool built;    /* the builder was used up */
    task_builder builder;
} spawn;

static const char *mode_name(int mode)
{
    static const char *const names[] = {"no access", "READ", "WRITE", "READ_WRITE"};
    return names[mode & 3];
}

/* ---- arguments against the codelet ---- */

static da_status check_codelet(const da_codelet *codelet, int n, const da_arg *args)
{
    if (!codelet)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: the codelet is null");
    if (!codelet->name || !codelet->cpu)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: codelet %s has no %s",
                       codelet->name ? codelet->name : "(unnamed)", codelet->name ? "cpu function" : "name");
    if (n < 0 || (n > 0 && !args))
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: %d arguments at %p", codelet->name, n,
                       (const void *)args);
    return DA_OK;
}

static da_status check_buffer(const spawn *s, const da_arg *arg, int number)
{
    const da_codelet *codelet = s->codelet;
    const int index = s->nbuffers;

    if (arg->mode_ < DA_MODE_READ || arg->mode_ > DA_MODE_READ_WRITE)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: argument %d has mode %d, which is none",
                       codelet->name, number, arg->mode_);
    if (index < (int)(sizeof codelet->modes / sizeof *codelet->modes) && codelet->modes[index] &&
        codelet->modes[index] != arg->mode_)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: buffer %d is to be spawned with %s, not %s",
                       codelet->name, index, mode_name(codelet->modes[index]), mode_name(arg->mode_));
    return DA_OK;
}

static da_status check_value(const spawn *s, const da_arg *arg)
{
    const da_codelet *codelet = s->codelet;
    const int index = s->nvalues;

    if (index == DA_MAX_VALUES)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: more than %d values", codelet->name, DA_MAX_VALUES);
    if (!arg->p_)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: the address of value %d is null", codelet->name,
                       index);
    if (codelet->value_sizes[index] && codelet->value_sizes[index] != arg->size_)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: value %d has %zu bytes, the codelet takes %zu",
                       codelet->name, index, arg->size_, codelet->value_sizes[index]);
    return DA_OK;
}

/* Adds the accesses of an array or one of its tiles to the builder. */
static da_status add_array(spawn *s, const da_array *a, const da_block *tile, int mode, int number)
{
    const char *name = s->codelet->name;
    int64_t start[DA_MAX_NDIM], count[DA_MAX_NDIM];
    char label[48];
    da_status status;

    if (!a || a->h.kind != HANDLE_ARRAY) {
        snprintf(label, sizeof label, "argument %d", number);
        status = array_check(a, "da_spawn", label);
        if (status != DA_OK)
            return status;
    }
    if ((mode & DA_MODE_WRITE) && a->read_only)
        return err_set(
            DA_ERROR_ARGUMENT,
            "da_spawn: %s: argument %d is a broadcast view, whose elements share memory: it can only be read",
            name, number);
    if (!tile) {
        task_access(&s->builder, a, NULL, NULL, (da_mode)mode);
        return DA_OK;
    }
    if (tile->n_ != a->ndim)
        return err_set(DA_ERROR_INDEX, "da_spawn: %s: argument %d has %d tile indices, the array has %d axes",
                       name, number, tile->n_, a->ndim);
    for (int d = 0; d < a->ndim; d++) {
        const int64_t pieces = array_pieces(a, d), at = tile->at_[d];
        if (at < 0 || at >= pieces)
            return err_set(DA_ERROR_INDEX,
                           "da_spawn: %s: argument %d: tile index %" PRId64
                           " along axis %d, which has %" PRId64 " tiles",
                           name, number, at, d, pieces);
        array_piece(a, d, at, &start[d], &count[d]);
    }
    task_access(&s->builder, a, start, count, (da_mode)mode);
    return DA_OK;
}

static da_status add_result_of(spawn *s, const da_task *task, int mode, int number)
{
    rt_operand operand;
    const da_status status = future_check(task, "da_spawn");

    if (status != DA_OK)
        return status;
    if (!task->cell)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_spawn: %s: argument %d: task %s has no result: it was spawned without DA_RESULT",
                       s->codelet->name, number, task->name);
    if (mode != DA_MODE_READ)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_spawn: %s: argument %d: a task's result can only be read, not %s",
                       s->codelet->name, number, mode_name(mode));
    result_cell_operand(&operand, task->cell, DA_MODE_READ);
    task_operand(&s->builder, &operand);
    return DA_OK;
}

static da_status add_memory(spawn *s, const da_arg *arg, int number)
{
    memory_use *use = &s->memory[s->nmemory];
    da_status status;

    if (!arg->p_)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: argument %d: the address is null", s->codelet->name,
                       number);
    status = memory_begin(use, arg->p_, arg->size_, (da_mode)arg->mode_);
    if (status != DA_OK)
        return status;
    s->nmemory++;
    task_operand(&s->builder, &use->operand);
    return DA_OK;
}

static da_status add_own_result(spawn *s, const da_arg *arg, int number)
{
    rt_operand operand;

    if (s->cell)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_spawn: %s: argument %d is a second DA_RESULT; a task has one result",
                       s->codelet->name, number);
    if (arg->size_ == 0)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: argument %d: a result of 0 bytes", s->codelet->name,
                       number);
    s->cell = result_cell_new(arg->size_);
    if (!s->cell)
        return DA_ERROR_MEMORY;
    result_cell_operand(&operand, s->cell, DA_MODE_WRITE);
    task_operand(&s->builder, &operand);
    return DA_OK;
}

static da_status add_argument(spawn *s, const da_arg *arg, int number)
{
    da_status status;

    if (arg->kind_ == ARG_VALUE) {
        status = check_value(s, arg);
        if (status == DA_OK) {
            task_value(&s->builder, arg->p_, arg->size_);
            s->nvalues++;
        }
        return status;
    }
    status = check_buffer(s, arg, number);
    if (status != DA_OK)
        return status;
    s->nbuffers++;
    switch (arg->kind_) {
    case ARG_ARRAY: return add_array(s, arg->p_, NULL, arg->mode_, number);
    case ARG_TILE: return add_array(s, arg->block_.array_, &arg->block_, arg->mode_, number);
    case ARG_TASK: return add_result_of(s, arg->p_, arg->mode_, number);
    case ARG_MEMORY: return add_memory(s, arg, number);
    case ARG_RESULT: return add_own_result(s, arg, number);
    default:
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: argument %d is of no kind known: %d",
                       s->codelet->name, number, arg->kind_);
    }
}

/* ---- faults ---- */

/* The sentence for a fault of the codelet: rt_fault_new() wants a constant with two conversions, of which the second prints nothing
 * for n = 0. Users' codelets get theirs from a table that is filled as they come and never emptied (codelets are constant, too). */
static const char *fault_format(const da_codelet *codelet, int64_t n)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        const da_codelet *codelet;
        char format[112];
    } table[64];
    static int used;
    const char *format = "a task reported numerical fault %" PRId64 "%.0" PRId64;

    if (codelet == &da_codelet_potrf)
        return n > 0 ? "potrf: leading minor %" PRId64 " of %" PRId64 " is not positive definite"
                     : "potrf: leading minor %" PRId64 "%.0" PRId64 " is not positive definite";
    pthread_mutex_lock(&lock);
    for (int i = 0; i < used; i++)
        if (table[i].codelet == codelet) {
            pthread_mutex_unlock(&lock);
            return table[i].format;
        }
    if (used < (int)(sizeof table / sizeof *table) && !strchr(codelet->name, '%')) {
        table[used].codelet = codelet;
        snprintf(table[used].format, sizeof table[used].format,
                 "%.60s: numerical fault %%" PRId64 "%%.0" PRId64, codelet->name);
        format = table[used++].format;
    }
    pthread_mutex_unlock(&lock);
    return format;
}

/* Adds the reference `more`, which it takes, to *set. */
static da_status faults_join(rt_fault **set, rt_fault *more)
{
    rt_fault *const both[] = {*set, more};
    rt_fault *sum;
    da_status status = DA_OK;

    if (!*set) {
        *set = more;
        return DA_OK;
    }
    if (more && *set != more) {
        status = rt_fault_union(&sum, 2, both);
        if (status == DA_OK) {
            rt_fault_release(*set);
            *set = sum;
        }
    }
    rt_fault_release(more);
    return status;
}

/* Makes the cell for what the codelet may report. */
static da_status add_own_fault(spawn *s)
{
    int64_t n = 0; /* of potrf's matrix, if it is known */

    if (s->codelet == &da_codelet_potrf)
        n = ((const da_potrf_args *)s->builder.values[0].data)->n;
    s->own = rt_fault_new(fault_format(s->codelet, n), n);
    if (!s->own)
        return err_memory(128, "a task's fault");
    task_fault(&s->builder, s->own, 0);
    return DA_OK;
}

static const da_array *array_of(const da_arg *arg)
{
    return arg->kind_ == ARG_ARRAY ? arg->p_ : arg->kind_ == ARG_TILE ? arg->block_.array_ : NULL;
}

/* All that the task's inputs may be affected by, and what it may report itself. */
static da_status gather_faults(rt_fault **set, const spawn *s, int n, const da_arg *args)
{
    int memory = 0;
    da_status status = faults_join(set, rt_fault_retain(s->own));

    for (int i = 0; i < n && status == DA_OK; i++) {
        const da_array *a = array_of(&args[i]);
        rt_fault *more = NULL;
        if (args[i].kind_ == ARG_MEMORY) {
            const memory_use *use = &s->memory[memory++];
            if (args[i].mode_ & DA_MODE_READ)
                status = memory_faults(&more, use);
        } else if (a && (args[i].mode_ & DA_MODE_READ)) {
            status = storage_faults(a->s, &more);
        } else if (args[i].kind_ == ARG_TASK) {
            more = rt_fault_retain(((const da_task *)args[i].p_)->cell->faults);
        }
        if (status == DA_OK)
            status = faults_join(set, more);
    }
    return status;
}

/* True if the argument names every element of its storage. */
static bool covers_storage(const da_arg *arg, const da_array *a)
{
    if (!array_covers_storage(a))
        return false;
    for (int d = 0; arg->kind_ == ARG_TILE && d < a->ndim; d++)
        if (array_pieces(a, d) != 1)
            return false;
    return true;
}

/* Prepares what the arrays that the task writes will carry; apply_faults() cannot fail. */
static da_status prepare_faults(spawn *s, rt_fault *set, int n, const da_arg *args)
{
    da_status status = DA_OK;
    int memory = 0;

    for (int i = 0; i < n && status == DA_OK; i++) {
        const da_array *a = array_of(&args[i]);
        if (args[i].kind_ == ARG_MEMORY) {
            const memory_use *use = &s->memory[memory++];
            if (args[i].mode_ & DA_MODE_WRITE)
                status = memory_set_faults(use, set, args[i].mode_ == DA_MODE_WRITE);
        } else if (a && (args[i].mode_ & DA_MODE_WRITE)) {
            rt_fault *now;
            status = storage_faults(a->s, &now);
            if (status != DA_OK)
                break;
            rt_fault_release(now);
            if (now == set) /* nothing changes */
                continue;
            array_flow *f = &s->flows[s->nflows];
            f->array = (da_array *)(uintptr_t)a;
            status = faults_prepare(
                &f->flow, a, args[i].mode_ == DA_MODE_WRITE && covers_storage(&args[i], a), 0, NULL, set);
            s->nflows += status == DA_OK;
        }
    }
    return status;
}

/* ---- the whole ---- */

static da_status build(spawn *s, int n, const da_arg *args, rt_batch *batch)
{
    const da_codelet *codelet = s->codelet;
    rt_fault *set = NULL;
    da_status status = DA_OK;

    for (int i = 0; i < n; i++) {
        status = add_argument(s, &args[i], i);
        if (status != DA_OK)
            return status;
    }
    if (codelet->nbuffers && s->nbuffers != codelet->nbuffers)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: %d buffers, the codelet takes %d", codelet->name,
                       s->nbuffers, codelet->nbuffers);
    if (codelet->nvalues && s->nvalues != codelet->nvalues)
        return err_set(DA_ERROR_ARGUMENT, "da_spawn: %s: %d values, the codelet takes %d", codelet->name,
                       s->nvalues, codelet->nvalues);
    if (codelet->flags & DA_CODELET_FAULTS)
        status = add_own_fault(s);
    if (status == DA_OK)
        status = gather_faults(&set, s, n, args);
    if (status == DA_OK)
        status = prepare_faults(s, set, n, args);
    if (status == DA_OK && s->cell)
        s->cell->faults = rt_fault_retain(set);
    if (status == DA_OK && s->handle)
        s->handle->faults = rt_fault_retain(set);
    rt_fault_release(set);
    if (status != DA_OK)
        return status;
    s->builder.desc.flags |= RT_NO_INLINE;
    s->built = true;
    return s->handle ? task_add_future(&s->builder, batch, &s->handle->task) : task_add(&s->builder, batch);
}

da_status da_spawn(da_task **task, const da_codelet *codelet, int n, const da_arg *args)
{
    spawn s; /* large, and mostly never looked at */
    rt_batch batch = RT_BATCH_INIT;
    da_status status = check_codelet(codelet, n, args);

    if (status != DA_OK)
        return status;
    status = rt_check_forked();
    if (status != DA_OK)
        return status;
    s.codelet = codelet;
    s.nbuffers = s.nvalues = s.nmemory = s.nflows = 0;
    s.handle = NULL;
    s.cell = NULL;
    s.own = NULL;
    s.built = false;
    s.memory = s.few_memory;
    s.flows = s.few_flows;
    s.many = NULL;
    if (n > FEW) {
        s.many = mem_alloc((size_t)n * (sizeof *s.memory + sizeof *s.flows));
        if (!s.many)
            return err_memory((size_t)n * sizeof *s.memory, "a task's arguments");
        s.memory = s.many;
        s.flows = (array_flow *)(s.memory + n);
    }
    task_begin(&s.builder, codelet);
    if (task && !(s.handle = future_new(codelet->name)))
        status = DA_ERROR_MEMORY;
    else
        status = build(&s, n, args, &batch);
    if (!s.built)
        task_drop(&s.builder);
    for (int i = 0; i < s.nflows; i++) {
        if (status == DA_OK)
            faults_apply(&s.flows[i].flow, s.flows[i].array);
        else
            faults_drop(&s.flows[i].flow);
    }
    if (status == DA_OK)
        status = rt_batch_commit(&batch);
    for (int i = 0; i < s.nmemory; i++)
        memory_end(&s.memory[i]);
    rt_fault_release(s.own);
    if (s.handle)
        s.handle->cell = s.cell;
    else if (s.cell)
        rt_owner_release(&s.cell->owner);
    if (status == DA_OK && task)
        *task = s.handle;
    else
        da_task_release(&s.handle);
    mem_free(s.many);
    return status;
}
