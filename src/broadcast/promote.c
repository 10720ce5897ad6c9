/* SPDX-License-Identifier: BSD-3-Clause */
/* Which dtype operands meet in: NumPy 2's rules, with numbers weak. */
#include "broadcast/graph.h"

enum { BOOL_KIND, INTEGER_KIND, REAL_KIND, COMPLEX_KIND };

int kind_of_dtype(da_dtype dtype)
{
    return dtype_is_complex(dtype)   ? COMPLEX_KIND
           : dtype_is_float(dtype)   ? REAL_KIND
           : dtype_is_integer(dtype) ? INTEGER_KIND
                                     : BOOL_KIND;
}

static int kind_of_number(int kind)
{
    switch (kind) {
    case 3: return REAL_KIND;
    case 4: return COMPLEX_KIND;
    case 5: return BOOL_KIND;
    default: return INTEGER_KIND;
    }
}

da_dtype dtype_of_number(da_scalar value)
{
    switch (value.kind_) {
    case 2: return value.v_.u > INT64_MAX ? DA_U64 : DA_I64;
    case 3: return DA_F64;
    case 4: return DA_C128;
    case 5: return DA_BOOL;
    default: return DA_I64;
    }
}

da_dtype promote_operands(int n, const operand_type *operands)
{
    static const da_dtype usual[] = {DA_BOOL, DA_I64, DA_F64, DA_C128};
    da_dtype dtype = 0;
    int number = BOOL_KIND;

    for (int i = 0; i < n; i++) {
        if (operands[i].dtype)
            dtype = dtype ? dtype_promote(dtype, operands[i].dtype) : operands[i].dtype;
        else if (kind_of_number(operands[i].kind) > number)
            number = kind_of_number(operands[i].kind);
    }
    if (!dtype)
        return usual[number];
    if (number <= kind_of_dtype(dtype))
        return dtype;
    if (number == COMPLEX_KIND && (dtype == DA_F32 || dtype == DA_F16 || dtype == DA_BF16))
        return DA_C64;
    return usual[number];
}
