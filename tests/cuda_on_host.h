/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test may change of the device that cuda_on_host.c pretends to be, by dlsym(RTLD_DEFAULT, "cuda_on_host"); null on a real one. */
#ifndef DA_TESTS_CUDA_ON_HOST_H
#define DA_TESTS_CUDA_ON_HOST_H

struct cuda_on_host {
    int capability; /* 90 */
};

#endif
