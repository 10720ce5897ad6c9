/* SPDX-License-Identifier: BSD-3-Clause */
/* Random arrays. */
#include "array/array.h"
#include "array/codelets.h"
#include "codelets/array_kernels.h"

static void place_random(void *args, const int64_t *start)
{
    kernel_random_args *r = args;
    r->first = 0;
    for (int d = 0; d < DA_MAX_NDIM && r->flat[d] > 0; d++)
        r->first += (uint64_t)(start[d] * r->flat[d]);
}

static da_status random_array(da_array **out, da_dtype dtype, const da_shape *shape, uint64_t seed,
                              bool normal, const char *function)
{
    kernel_random_args args = {.seed = seed, .normal = normal};
    int64_t flat = 1;

    DA_TRY(array_check_out(out, function));
    DA_TRY(array_check_shape(shape, dtype, function));
    if (normal && !dtype_is_float(dtype) && !dtype_is_complex(dtype))
        return err_set(DA_ERROR_DTYPE, "%s: %s cannot hold normal random numbers", function,
                       da_dtype_name(dtype));
    for (int d = shape->ndim - 1; d >= 0; d--) {
        args.flat[d] = flat;
        flat *= shape->dim[d] > 0 ? shape->dim[d] : 1;
    }
    return array_generate(out, dtype, shape, &array_codelet_random, &args, sizeof args, place_random);
}

da_status da_random_uniform(da_array **out, da_dtype dtype, da_shape shape, uint64_t seed)
{
    return random_array(out, dtype, &shape, seed, false, "da_random_uniform");
}

da_status da_random_normal(da_array **out, da_dtype dtype, da_shape shape, uint64_t seed)
{
    return random_array(out, dtype, &shape, seed, true, "da_random_normal");
}
