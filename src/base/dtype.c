/* SPDX-License-Identifier: BSD-3-Clause */
/* Element types and sizes. */
#include "base/base.h"

enum { INTEGER = 1, SIGNED = 2, FLOAT = 4, COMPLEX = 8 };

static const struct {
    const char *name;
    unsigned char size, kind;
    da_dtype real;
} table[] = {
    [DA_BOOL] = {"bool", 1, 0, DA_BOOL},
    [DA_I8] = {"int8", 1, INTEGER | SIGNED, DA_I8},
    [DA_I16] = {"int16", 2, INTEGER | SIGNED, DA_I16},
    [DA_I32] = {"int32", 4, INTEGER | SIGNED, DA_I32},
    [DA_I64] = {"int64", 8, INTEGER | SIGNED, DA_I64},
    [DA_U8] = {"uint8", 1, INTEGER, DA_U8},
    [DA_U16] = {"uint16", 2, INTEGER, DA_U16},
    [DA_U32] = {"uint32", 4, INTEGER, DA_U32},
    [DA_U64] = {"uint64", 8, INTEGER, DA_U64},
    [DA_F16] = {"float16", 2, FLOAT | SIGNED, DA_F16},
    [DA_BF16] = {"bfloat16", 2, FLOAT | SIGNED, DA_BF16},
    [DA_F32] = {"float32", 4, FLOAT | SIGNED, DA_F32},
    [DA_F64] = {"float64", 8, FLOAT | SIGNED, DA_F64},
    [DA_C64] = {"complex64", 8, COMPLEX | SIGNED, DA_F32},
    [DA_C128] = {"complex128", 16, COMPLEX | SIGNED, DA_F64},
};

bool dtype_valid(da_dtype dtype)
{
    return (unsigned)dtype >= DA_BOOL && (unsigned)dtype <= DA_C128;
}

size_t da_dtype_size(da_dtype dtype)
{
    return dtype_valid(dtype) ? table[dtype].size : 0;
}

const char *da_dtype_name(da_dtype dtype)
{
    return dtype_valid(dtype) ? table[dtype].name : "invalid";
}

static bool is(da_dtype dtype, int kind)
{
    return dtype_valid(dtype) && (table[dtype].kind & kind) != 0;
}

bool dtype_is_float(da_dtype dtype)
{
    return is(dtype, FLOAT);
}

bool dtype_is_complex(da_dtype dtype)
{
    return is(dtype, COMPLEX);
}

bool dtype_is_integer(da_dtype dtype)
{
    return is(dtype, INTEGER);
}

bool dtype_is_signed(da_dtype dtype)
{
    return is(dtype, SIGNED);
}

da_dtype dtype_real(da_dtype dtype)
{
    return dtype_valid(dtype) ? table[dtype].real : dtype;
}

da_dtype dtype_complex(da_dtype dtype)
{
    return dtype == DA_F32 ? DA_C64 : dtype == DA_F64 ? DA_C128 : dtype;
}

bool size_mul(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool size_add(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}
