/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for what lies between the kernels of one call. Each queue has a piece that grows: its kernels run in order, and it has one
 * thread, so that the next call's may follow in the same place. */
#include "opencl.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct scratch {
    cl_command_queue queue;
    cl_context
        context; /* kept for good: a later queue of the same address is another one, or may use the same memory */
    cl_mem memory;
    size_t bytes;
    struct scratch *next;
} scratch;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static scratch *all;

static scratch *scratch_of(cl_command_queue queue, cl_context context)
{
    pthread_mutex_lock(&lock);
    scratch *s = all;
    while (s && !(s->queue == queue && s->context == context))
        s = s->next;
    if (!s) {
        s = calloc(1, sizeof *s);
        if (s) {
            *s = (scratch){.queue = queue, .context = context, .next = all};
            all = s;
        }
    }
    pthread_mutex_unlock(&lock);
    return s;
}

da_status opencl_scratch(const da_call *call, size_t bytes, da_buffer *memory)
{
    cl_context context;
    cl_device_id device;
    cl_int error = CL_SUCCESS;

    DA_TRY(opencl_queue(call, &context, &device));
    scratch *const s = scratch_of(call->queue, context);
    if (!s)
        return da_task_fail(call, "no memory to remember an OpenCL queue");
    if (s->bytes < bytes) {
        cl_mem const grown = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &error);
        if (error != CL_SUCCESS) {
            opencl_outcome |= error == CL_INVALID_BUFFER_SIZE ? DA_SHORT : opencl_unbuilt(error);
            return da_task_fail(call, "%zu bytes of the device's memory: %s (%d)", bytes, opencl_error(error),
                                (int)error);
        }
        if (s->memory)
            clReleaseMemObject(s->memory); /* it lives until the kernels that use it are done */
        s->memory = grown;
        s->bytes = bytes;
    }
    *memory = (da_buffer){.data = s->memory};
    return DA_OK;
}
