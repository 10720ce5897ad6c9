/* SPDX-License-Identifier: BSD-3-Clause */
/* A task of every kind that the library has, at any size: what darray calibrate runs. */
#ifndef DARRAY_TOOLS_WORKLOADS_H
#define DARRAY_TOOLS_WORKLOADS_H

#include "codelets/array_kernels.h"
#include "codelets/kernels.h"
#include <darray/darray.h>

enum { WORK_BUFFERS = 5 };

typedef struct workload workload;

/* One of them, ready to run: tiles of about n x n elements. */
typedef struct work {
    const workload *kind;
    da_dtype dtype;
    int64_t n;
    da_array *arrays[WORK_BUFFERS];
    da_array *originals[WORK_BUFFERS]; /* of operands that a run spoils: they are made anew before each */
    int64_t shape[WORK_BUFFERS][2];
    int content[WORK_BUFFERS];
    size_t value_size; /* of the by-value argument */
    union {
        da_gemm_args gemm;
        da_syrk_args syrk;
        da_symm_args symm;
        da_rank_args rank;
        da_trsm_args trsm;
        da_trsm_checked_args trsm_checked;
        da_lacpy_args lacpy;
        da_laset_args laset;
        da_potrf_args potrf;
        da_cholesky_update_args cholesky_update;
        da_unmqr_args unmqr;
        da_small_qr_args small_qr;
        da_numerical_rank_args numerical_rank;
        da_truncate_args truncate;
        da_pivot_args pivot;
        da_heevd_args heevd;
        da_stedc_args stedc;
        da_merge_args merge;
        da_hetrd_args hetrd;
        da_bdsdc_args bdsdc;
        da_gesdd_args gesdd;
        da_det_args det;
        da_norm1_args norm1;
        da_ldl_args ldl;
        kernel_element element;
        kernel_arange_args arange;
        kernel_linspace_args linspace;
        kernel_eye_args eye;
        kernel_reshape_args reshape;
        kernel_random_args random;
    } value;
} work;

struct workload {
    const char *name;         /* "gemm", "exp" */
    const char *codelet_name; /* as its models' symbols have it: "da_gemm", "expr" */
    const da_codelet *codelet;
    int dtypes; /* enum work_dtypes */
    int power;  /* operations of a task grow like n to the power of this */
    unsigned char buffers[WORK_BUFFERS];
    size_t value_size;
    void (*setup)(work *w);
    da_status (*eval)(da_array **out, work *w); /* or null: submits the codelet's task */
    int inputs;                                 /* of eval(), n x n each */
};

/* All of them; the number in *n. */
const workload *workloads_all(int *n);
bool workload_takes(const workload *kind, da_dtype dtype);

/* Makes the operands; on failure there is nothing to free. */
da_status work_begin(work *w, const workload *kind, da_dtype dtype, int64_t n);
/* One task, preceded by those that make what it spoils anew;
 * waits for it. */
da_status work_run(work *w);
void work_end(work *w);
/* The number of tasks that make operands anew. */
int work_copies(const work *w);

/* The task's size as models have it: bytes of its operands, and operations, 0 if only the task itself can tell. Needs no operands: `w` has a
 * kind, a dtype and n only. */
void work_size(work *w, double *bytes, double *flops);
/* An estimate of its operations, for the time left. */
double work_estimate(const workload *kind, da_dtype dtype, int64_t n);

#endif
