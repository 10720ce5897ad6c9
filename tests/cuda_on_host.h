/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test may change of the device that cuda_on_host.c pretends to be, by dlsym(RTLD_DEFAULT, "cuda_on_host"); null on a real one. */
#ifndef DA_TESTS_CUDA_ON_HOST_H
#define DA_TESTS_CUDA_ON_HOST_H

struct cuda_on_host {
    int capability; /* 90 */
    int more; /* devices that there are besides the one that is told of: what is kept for a device is not there for another one */
    /* programs loaded so far, and which of them is the first that NVRTC does not compile, nor the driver load, and none after it; 0: they all can be had */
    int programs, refused_from;
    /* so many of the next calls find no memory: cudaMallocAsync, cudaMalloc, cublasCreate, cusolverDnCreate */
    int no_async, no_plain, no_blas, no_solver;
    int no_size;       /* so many of potrf_bufferSize's say that a value is invalid */
    int no_potrf;      /* so many of cuSOLVER's say that the device is none for it */
    int not_converged; /* so many of the next solvers of eigenvalues or singular values tell a devInfo of 2 */
    /* calls so far: cudaFreeAsync, which takes none of cudaMalloc's, and cudaFree */
    int frees_async, frees_plain;
    unsigned long chooser; /* the thread that chose a device last, by cudaSetDevice */
    int first_is_taken;    /* there are two devices, and number 0 is another process's alone */
    int elsewhere;         /* locked memory has another address on devices */
    /* the last of so many launches, if this is not 0, runs into an error: the device is `lost`, and CUDA refuses everything from then on */
    int sound_launches, lost;
};

#endif
