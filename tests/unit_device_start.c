/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that cannot be started, or are unlike, with two OpenCL devices under StarPU (PoCL will do) of which some give no context. */
#define CL_TARGET_OPENCL_VERSION 120
#include "test.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 2 };

static bool broken[DEVICES],
    poor[DEVICES]; /* poor: has no doubles, and gives no memory in pieces of more than a byte */
static cl_device_id devices[DEVICES];

/* Found before OpenCL's own by StarPU and by the library's module. */
cl_context clCreateContext(const cl_context_properties *properties, cl_uint n, const cl_device_id *which,
                           void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *ctx,
                           cl_int *error)
{
    cl_context (*real)(const cl_context_properties *, cl_uint, const cl_device_id *,
                       void(CL_CALLBACK *)(const char *, const void *, size_t, void *), void *, cl_int *);

    for (int d = 0; d < DEVICES; d++)
        if (n == 1 && which[0] == devices[d] && broken[d]) {
            if (error)
                *error = CL_OUT_OF_RESOURCES;
            return NULL;
        }
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateContext");
    return real(properties, n, which, notify, ctx, error);
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed)
{
    cl_int (*real)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    const bool is_poor = (poor[0] && device == devices[0]) || (poor[1] && device == devices[1]);

    *(void **)&real = dlsym(RTLD_NEXT, "clGetDeviceInfo");
    const cl_int error = real(device, what, size, value, needed);
    if (error == CL_SUCCESS && is_poor && value && what == CL_DEVICE_DOUBLE_FP_CONFIG)
        *(cl_device_fp_config *)value = 0;
    if (error == CL_SUCCESS && is_poor && value && what == CL_DEVICE_MAX_MEM_ALLOC_SIZE)
        *(cl_ulong *)value = 1;
    return error;
}

/* The devices in the order in which the library and StarPU count them; false if there are not just two. */
static bool find_devices(void)
{
    enum { MOST = 16 };
    cl_platform_id platforms[MOST];
    cl_device_id found[MOST];
    cl_uint nplatforms = 0, n = 0, total = 0;

    if (clGetPlatformIDs(MOST, platforms, &nplatforms) != CL_SUCCESS)
        return false;
    for (cl_uint p = 0; p < nplatforms && p < MOST; p++) {
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MOST, found, &n) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < n; d++, total++)
            if (total < DEVICES)
                devices[total] = found[d];
    }
    return total == DEVICES;
}

/* ---- what is logged ---- */

static char told[4096];

static void note(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    strncat(told, text, sizeof told - strlen(told) - 2);
    strcat(told, "\n");
}

static int64_t tasks_on_devices(void)
{
    da_stats s;

    da_get_stats(&s);
    return s.tasks_device;
}

/* Some work that devices would take, and whether it is right. */
static void work(void)
{
    DA_AUTO da_array *a = NULL;
    double sum = 0;

    ck_ok(da_run_on(DA_ON_GPU));
    ck_ok(da_ones(&a, DA_F64, DA_SHAPE(1000)));
    ck_ok(da_assign(a, da_add(a, 1)));
    ck_ok(da_sum_all(&sum, a));
    ck_assert(sum == 2000);
    ck_ok(da_run_on(DA_ANYWHERE));
}

START_TEST(starts_without_them)
{
    const char *const wanted = getenv("STARPU_NOPENCL");
    char sentence[128];
    int usable = 0;

    ck_assert_int_eq(da_num_devices(), wanted ? atoi(wanted) : DEVICES);

    da_set_log(note, NULL);
    work();
    for (int d = 0; d < DEVICES; d++) {
        usable += !broken[d];
        snprintf(sentence, sizeof sentence,
                 "OpenCL device %d is not used, as it cannot be started: CL_OUT_OF_RESOURCES", d);
        ck_assert_msg(!!strstr(told, sentence) == broken[d], "device %d is %s, but this was told:\n%s", d,
                      broken[d] ? "broken" : "sound", told);
    }
    ck_assert_int_eq(da_num_devices(), usable);
    ck_assert(usable > 0 ? tasks_on_devices() > 0 : tasks_on_devices() == 0);
    ck_ok(da_shutdown());
    work(); /* and once more */
    ck_assert_int_eq(da_num_devices(), usable);
    da_set_log(NULL, NULL);
}
END_TEST

/* Of two that are unlike the one that computes more is used, if it can be started. What the other one lacks does not matter. */
START_TEST(unlike_ones)
{
    char name[2][256], sentence[300];
    cl_uint units[2];

    for (int d = 0; d < DEVICES; d++) {
        ck_assert_int_eq(clGetDeviceInfo(devices[d], CL_DEVICE_NAME, sizeof name[d], name[d], NULL),
                         CL_SUCCESS);
        ck_assert_int_eq(
            clGetDeviceInfo(devices[d], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units[d], &units[d], NULL),
            CL_SUCCESS);
    }
    ck_assert_str_ne(name[0], name[1]);
    const int better = broken[0] || (units[1] > units[0] && !broken[1]);
    poor[!better] = true;
    ck_assert_int_eq(da_num_devices(), 1);
    da_set_log(note, NULL);
    work();
    ck_assert_int_eq(da_num_devices(), 1);
    ck_assert(tasks_on_devices() > 0);
    ck_ok(da_shutdown());
    poor[better] = true;
    work();
    ck_assert_int_eq(da_num_devices(), 1);
    ck_assert_int_eq(tasks_on_devices(), 0);
    snprintf(sentence, sizeof sentence, "OpenCL device %d, %s, is not used: it is unlike", !better,
             name[!better]);
    ck_assert_msg(!!strstr(told, sentence) == !(broken[0] || broken[1]), "told: %s", told);
    ck_ok(da_shutdown());
    da_set_log(NULL, NULL);
}
END_TEST

/* StarPU has measured nothing yet, and would do so on all devices: it is not started. */
START_TEST(starts_without_starpu)
{
    da_array *a = NULL;

    da_set_log(note, NULL);
    ck_fails(da_init("starpu", 0), DA_ERROR_RUNTIME, "measures transfers");
    setenv("DARRAY_RUNTIME", "starpu", 1);
    ck_ok(da_shutdown());
    ck_fails(da_ones(&a, DA_F64, DA_SHAPE(1000)), DA_ERROR_RUNTIME, "measures transfers");
    unsetenv("DARRAY_RUNTIME");
    ck_ok(da_shutdown());
    work();
    ck_assert_str_eq(da_runtime_name(), "openmp");
    ck_assert_int_eq(da_num_devices(), 0);
    ck_assert_msg(!!strstr(told, "runtime openmp instead of starpu: "), "told: %s", told);
    da_set_log(NULL, NULL);
}
END_TEST

/* DARRAY_TEST_BROKEN: the numbers of those that fail, such as "01". DARRAY_TEST_COLD: StarPU has not been started before; else it has, with
 * all devices, by a process of its own; DARRAY_TEST_NODES: in the words of StarPU 1.4's files. DARRAY_TEST_UNLIKE: they are. */
int main(int argc, char **argv)
{
    const da_test_case warm[] = {DA_CASE("start", starts_without_them)};
    const da_test_case cold[] = {DA_CASE("first start", starts_without_starpu)};
    const da_test_case unlike[] = {DA_CASE("unlike", unlike_ones)};
    const char *const which = getenv("DARRAY_TEST_BROKEN");
    const bool is_cold = getenv("DARRAY_TEST_COLD");
    static char home[] = "/tmp/darray-start-XXXXXX";
    char command[1000];
    int result;

    if (argc > 1) /* the one before */
        return da_init("starpu", 0) == DA_OK && da_shutdown() == DA_OK ? EXIT_SUCCESS : EXIT_FAILURE;

    if (!find_devices()) {
        fprintf(stderr, "not two OpenCL devices: skipped\n");
        return 77;
    }
    for (int d = 0; d < DEVICES; d++)
        broken[d] = which && strchr(which, '0' + d);
    if (!mkdtemp(home) || setenv("STARPU_HOME", home, 1) != 0)
        return EXIT_FAILURE;
    snprintf(command, sizeof command, "DARRAY_TEST_BROKEN= '%s' before", argv[0]);
    if (!is_cold && system(command) != 0)
        return EXIT_FAILURE;
    snprintf(command, sizeof command, "sed -i 's/ devices$/ nodes/' %s/.starpu/sampling/bus/*.config", home);
    if (getenv("DARRAY_TEST_NODES") && system(command) != 0)
        return EXIT_FAILURE;
    result = da_test_run("device start", is_cold ? cold : getenv("DARRAY_TEST_UNLIKE") ? unlike : warm, 1);
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command) == 0 ? result : EXIT_FAILURE;
}
