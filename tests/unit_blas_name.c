/* A program without a BLAS of its own, whose plugin brings one after the kernels have loaded theirs: it gets the real one. */
#include "test.h"

#include "codelets/blas.h"
#include <dlfcn.h>

START_TEST(later)
{
    void *host, *routine;

    if (dlopen("libopenblas.so.0",
               RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)) /* linked with what it does not use */
        return;
    ck_assert_int_eq(da_blas_load(), DA_OK);
    if (strstr(da_blas_text(), "a copy of") == NULL) /* AddressSanitizer */
        return;
    ck_assert_ptr_null(dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD));
    host = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!host)
        return;
    routine = dlsym(host, "dgemm_");
    ck_assert_ptr_nonnull(routine);
    ck_assert_ptr_ne(routine, (void *)(uintptr_t)da_blas_f64.gemm);
    dlclose(host);
}
END_TEST

DA_TEST_MAIN("blas_name", DA_CASE("later", later))
