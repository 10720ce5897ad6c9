/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels that all devices share compile in every module that is there, for all dtypes. No device is needed where the compiler needs
 * none: operations whose launch() compiles.
 */
#include "array/array.h"
#include "array/codelets.h"
#include "array_kernels.h"
#include "device/device.h"
#include "kernels.h"
#include "test.h"

static const da_device_ops *module;
static int launches;

static da_status compile_only(const da_call *call, const char *entry, const char *source, int64_t groups,
                              int local, int nargs, const da_device_arg *args)
{
    char log[4096] = "", signature[128];

    (void)call;
    (void)args;
    ck_assert(groups > 0 && local > 0 && nargs > 0);
    snprintf(signature, sizeof signature, "KERNEL(%s)(", entry);
    ck_assert_msg(strstr(source, signature) != NULL, "no kernel %s in:\n%s", entry, source);
    ck_assert_msg(module->compile(source, log, sizeof log) == DA_OK, "%s: %s\n%s", entry, log, source);
    launches++;
    return DA_OK;
}

static da_status no_scratch(const da_call *call, size_t bytes, da_buffer *memory)
{
    (void)call;
    ck_assert(bytes > 0);
    *memory = (da_buffer){0};
    return DA_OK;
}

static bool has_all(da_dtype dtype)
{
    return dtype >= DA_BOOL && dtype <= DA_C128;
}

/* Runs the common implementation of a codelet on these operands. */
static void compile_on(const char *name, int n, const da_buffer *buffers, const void *value)
{
    const da_device_ops ops = {
        .kind = module->kind, .launch = compile_only, .scratch = no_scratch, .has = has_all};
    const da_device_kernel *const lists[] = {da_device_array_kernels, da_device_matrix_kernels,
                                             da_device_qr_kernels};
    const da_value values[1] = {{value, 0}};
    const da_call call = {.nbuffers = n, .nvalues = 1, .buffers = buffers, .values = values};

    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++)
        for (const da_device_kernel *k = lists[l]; k->name; k++)
            if (!strcmp(k->name, name)) {
                const int before = launches;
                ck_assert(!k->takes || k->takes(&ops, &call));
                ck_assert_int_eq(k->run(&ops, &call), DA_OK);
                ck_assert_int_gt(launches, before);
                return;
            }
    ck_abort_msg("there is no %s", name);
}

/* On operands of these dtypes, as 40 x 50 matrices, transposed or not. */
static void compile(const char *name, int n, const da_dtype *dtypes, bool transposed, const void *value)
{
    static const int64_t shape[2] = {40, 50}, down[2] = {1, 41}, across[2] = {51, 1};
    da_buffer buffers[2];

    for (int i = 0; i < n; i++)
        buffers[i] = (da_buffer){NULL,
                                 dtypes[i],
                                 dtypes[i] == DA_I64 && i == 0 && n == 2 && !strcmp(name, "da_laswp") ? 1 : 2,
                                 shape,
                                 i == 1 && transposed ? across : down,
                                 0};
    compile_on(name, n, buffers, value);
}

/* _i is a dtype, from 0 */
START_TEST(array_texts)
{
    static const da_dtype sources[] = {DA_BOOL, DA_U64, DA_F16, DA_BF16, DA_F32, DA_F64, DA_C64, DA_C128};
    const da_dtype dtype = (da_dtype)(DA_BOOL + _i);
    const kernel_element element = {{0}};
    const kernel_reshape_args reshape = {.dst_flat = {50, 1}, .src_extent = {40, 50}};
    const kernel_arange_args arange = {0};
    const kernel_linspace_args linspace = {0};
    const kernel_eye_args eye = {0};
    kernel_random_args random = {.flat = {50, 1}};

    compile("fill", 1, &dtype, false, &element);
    compile("reshape", 2, (const da_dtype[]){dtype, dtype}, false, &reshape);
    compile("arange", 1, &dtype, false, &arange);
    compile("linspace", 1, &dtype, false, &linspace);
    compile("eye", 1, &dtype, false, &eye);
    compile("random", 1, &dtype, false, &random);
    random.normal = 1;
    if (dtype >= DA_F16)
        compile("random", 1, &dtype, false, &random);
    for (size_t s = 0; s < sizeof sources / sizeof sources[0]; s++)
        compile("copy", 2, (const da_dtype[]){dtype, sources[s]}, false, NULL);
    compile("copy", 2, (const da_dtype[]){dtype, DA_F64}, true, NULL);
}
END_TEST

/* _i is a dtype, from 0 */
START_TEST(integer_texts)
{
    static const int64_t shape[2] = {40, 40}, strides[2] = {1, 41};
    const da_gemm_args args = {.alpha = {1, 0}};
    const da_buffer a = {NULL, (da_dtype)(DA_BOOL + _i), 2, shape, strides, 0};

    compile_on("da_gemm", 3, (const da_buffer[]){a, a, a}, &args);
}
END_TEST

START_TEST(matrix_texts)
{
    static const da_dtype floats[] = {DA_F32, DA_F64, DA_C64, DA_C128};
    const da_dtype two[2] = {floats[_i], floats[_i]};
    const da_lacpy_args lacpy = {.uplo = DA_LOWER};
    const da_laset_args laset = {0};
    const da_pivot_args pivots = {0};

    compile("da_lacpy", 2, two, false, &lacpy);
    compile("da_laset", 1, two, false, &laset);
    compile("da_laswp", 2, (const da_dtype[]){DA_I64, floats[_i]}, false, &pivots);

    static const int64_t square[2] = {40, 40}, row[2] = {1, 2}, strides[2] = {1, 41}, one[2] = {1, 1};
    const da_norm1_args norm1 = {DA_LOWER, 0};
    const da_det_args det = {.logarithm = 1};
    const da_truncate_args truncate = {0};
    const da_buffer a = {NULL, floats[_i], 2, square, strides, 0},
                    out = {NULL, floats[_i], 2, row, strides, 0},
                    number = {NULL, floats[_i], 2, one, strides, 0},
                    vector = {NULL, DA_I64, 1, square, strides, 0}, rank = {NULL, DA_I64, 1, one, strides, 0};

    compile_on("da_norm1", 2, (const da_buffer[]){a, number}, &norm1);
    compile_on("da_lu_det", 3, (const da_buffer[]){a, vector, out}, &det);
    const da_numerical_rank_args rcond = {1e-3};

    compile_on("da_numerical_rank", 2, (const da_buffer[]){a, rank}, &rcond);
    compile_on("da_truncate", 2, (const da_buffer[]){rank, a}, &truncate);
    compile_on("da_place_columns", 3, (const da_buffer[]){vector, a, a}, NULL);
    const da_small_qr_args small_qr = {.form_q = 1};

    compile_on("da_small_qr", 3, (const da_buffer[]){a, a, a}, &small_qr);
    compile_on("da_tpqrt", 3, (const da_buffer[]){a, a, a}, NULL);
    compile_on("da_geqp3", 3, (const da_buffer[]){a, a, vector}, NULL);
}
END_TEST

int main(void)
{
    int run = 0, failed = 0;

    for (int kind = DA_DEVICE_CUDA; kind <= DA_DEVICE_OPENCL; kind++) {
        const da_test_case cases[] = {DA_CASE_LOOP("array", DA_C128, array_texts),
                                      DA_CASE_LOOP("matrix", 4, matrix_texts),
                                      DA_CASE_LOOP("integers", DA_U64, integer_texts)};
        const char *reason = "";
        char log[1024] = "";
        module = da_device_module_of((da_device_kind)kind, &reason);
        if (!module || module->compile("", log, sizeof log) == DA_ERROR_UNSUPPORTED) {
            printf("%s: not tried: %s%s\n", kind == DA_DEVICE_CUDA ? "CUDA" : "OpenCL", reason, log);
            continue;
        }
        run++;
        failed |= da_test_run(kind == DA_DEVICE_CUDA ? "texts in CUDA C" : "texts in OpenCL C", cases, 3);
    }
    return run ? failed : 77;
}
