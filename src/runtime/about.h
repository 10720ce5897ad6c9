/* SPDX-License-Identifier: BSD-3-Clause */
/* What the StarPU that the library was built with can do, told without starting it. For tools. */
#ifndef DARRAY_SRC_ABOUT_H
#define DARRAY_SRC_ABOUT_H

/* Exists with DA_HAVE_STARPU. */
typedef struct starpu_about {
    char version[32];       /* of the library that is loaded */
    int cpus, cuda, opencl; /* most workers of each kind that it may have; 0: it was built without */
} starpu_about;
void spu_about(starpu_about *out);

#endif
