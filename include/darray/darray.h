/* SPDX-License-Identifier: BSD-3-Clause */
/** @file darray.h  Everything at once. */
#ifndef DARRAY_DARRAY_H
#define DARRAY_DARRAY_H

#include <darray/array.h>
#include <darray/base.h>
#include <darray/blas.h>
#include <darray/expr.h>
#include <darray/linalg.h>
#include <darray/runtime.h>
#include <darray/spmd.h>
#include <darray/task.h>

#endif
