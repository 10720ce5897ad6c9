/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles of spawned tasks, and the cells that their results are left in. */
#include "task/task.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* ---- cells ---- */

static void cell_destroy(rt_owner *owner)
{
    result_cell *cell = (result_cell *)owner;
    rt_data_forget(&cell->data);
    rt_fault_release(cell->faults);
    mem_free(cell);
}

static const int64_t byte_stride = 1;

static void cell_describe(const rt_owner *owner, const rt_data *data, rt_piece *out)
{
    const result_cell *cell = (const result_cell *)owner;
    (void)data;
    *out = (rt_piece){.ptr = (void *)(uintptr_t)cell->bytes, .element_size = 1, .ndim = 1};
    out->shape[0] = cell->size;
    out->strides[0] = 1;
}

static const rt_owner_class cell_class = {cell_destroy, cell_describe};

result_cell *result_cell_new(size_t size)
{
    result_cell *cell = mem_zalloc(sizeof *cell + size);
    if (!cell) {
        (void)err_memory(sizeof *cell + size, "a task's result");
        return NULL;
    }
    rt_owner_init(&cell->owner, &cell_class);
    cell->data.owner = &cell->owner;
    cell->size = (int64_t)size;
    cell->self = &cell->data;
    return cell;
}

void result_cell_operand(rt_operand *out, result_cell *cell, da_mode mode)
{
    *out = (rt_operand){.mode = mode,
                        .owner = &cell->owner,
                        .ptr = cell->bytes,
                        .ndim = 1,
                        .shape = &cell->size,
                        .strides = &byte_stride,
                        .ndata = 1,
                        .data = &cell->self};
}

/* ---- handles ---- */

da_task *future_new(const char *name)
{
    da_task *task = handle_new(HANDLE_TASK, sizeof *task);
    if (task)
        task->name = name;
    else
        (void)err_memory(sizeof *task, "a task's handle");
    return task;
}

void da_task_release(da_task **address)
{
    da_task *task;

    if (!address || !*address)
        return;
    task = *address;
    *address = NULL;
    if (task->h.kind != HANDLE_TASK || atomic_fetch_sub(&task->h.refs, 1) != 1)
        return;
    if (task->task)
        rt_task_release(task->task);
    if (task->cell)
        rt_owner_release(&task->cell->owner);
    rt_fault_release(task->faults);
    handle_free(task, sizeof *task);
}

static void release_any(void *address)
{
    da_task_release(address);
}

__attribute__((constructor)) static void register_tasks(void)
{
    handle_register(HANDLE_TASK, release_any);
}

da_status future_check(const da_task *task, const char *function)
{
    if (!task)
        return err_set(DA_ERROR_ARGUMENT, "%s: the task is null", function);
    if (task->h.kind == HANDLE_TASK)
        return DA_OK;
    if (task->h.kind == HANDLE_FREE)
        return err_set(DA_ERROR_STALE, "%s: the task's handle was released", function);
    return err_set(DA_ERROR_STALE, "%s: not a task's handle", function);
}

/* ---- waiting ---- */

da_status da_task_wait(const da_task *task)
{
    da_status status = future_check(task, "da_task_wait");
    if (status == DA_OK)
        status = rt_check_may_wait("da_task_wait");
    if (status == DA_OK)
        status = rt_task_wait(task->task);
    return status == DA_OK ? rt_fault_check(task->faults) : status;
}

bool da_task_done(const da_task *task)
{
    return task && task->h.kind == HANDLE_TASK && rt_task_done(task->task);
}

da_status da_task_fetch(const da_task *task, void *result, size_t size)
{
    da_status status = future_check(task, "da_task_fetch");
    if (status != DA_OK)
        return status;
    if (!task->cell)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_task_fetch: task %s has no result: it was spawned without DA_RESULT", task->name);
    if (!result)
        return err_set(DA_ERROR_ARGUMENT, "da_task_fetch: the address for the result of task %s is null",
                       task->name);
    if (size != (size_t)task->cell->size)
        return err_set(DA_ERROR_ARGUMENT,
                       "da_task_fetch: the result of task %s has %" PRId64 " bytes, %zu were asked for",
                       task->name, task->cell->size, size);
    status = rt_check_may_wait("da_task_fetch");
    if (status == DA_OK)
        status = rt_task_wait(task->task);
    if (status == DA_OK)
        status = rt_data_wait(1, &task->cell->self, DA_MODE_READ);
    if (status == DA_OK)
        status = rt_fault_check(task->faults);
    if (status == DA_OK)
        status = rt_data_home(1, &task->cell->self);
    if (status == DA_OK)
        memcpy(result, task->cell->bytes, size);
    return status;
}

da_status da_task_fail(const da_call *call, const char *format, ...)
{
    va_list list;
    da_status status;

    if (!call || !format)
        return err_set(DA_ERROR_ARGUMENT, "da_task_fail: the %s is null", call ? "format" : "call");
    va_start(list, format);
    status = rt_task_fail(call, format, list);
    va_end(list);
    return status;
}
