// SPDX-License-Identifier: BSD-3-Clause
// The face of expressions in C++17: the shared part, and what C++ alone has.
#include "expr_face.h"
#include <complex>
#include <cstdio>

static const char *cpp_only()
{
    DA_AUTO da_array *a = nullptr, *z = nullptr;
    da_c128 value = {0, 0};
    FACE_OK(da_full(&a, DA_F32, DA_SCALAR_SHAPE, 2));
    FACE_OK(da_eval(&z, da_multiply(a, std::complex<double>(0, 1.5))));
    if (da_array_dtype(z) != DA_C64)
        return "f32 times a complex number is not c64";
    FACE_OK(da_item(&value, z));
    if (value.re != 0 || value.im != 3)
        return "2 * 1.5i";
    return nullptr;
}

int main()
{
    const char *const failures[] = {expr_face(), cpp_only()};
    int failed = 0;
    for (const char *failure : failures) {
        if (failure)
            std::printf("%s: %s\n", failure, da_error());
        failed += failure != nullptr;
    }
    std::printf("%d%%: Checks: 2, Failures: %d, Errors: 0\n", 100 - 50 * failed, failed);
    return failed != 0;
}
