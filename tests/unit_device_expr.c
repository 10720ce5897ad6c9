/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expressions and reductions on devices: the kernels made of programs are compiled by every module that is there, and run by OpenCL
 * against the CPU's codelets on the same operands. Programs are built by hand, so nothing but the codelets runs.
 *
 * One program computes many operations: `which`, its input 0, chooses one of them for each row.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "test.h"

#include "broadcast/graph.h"
#include "codelets/device/device.h"
#include "codelets/device/expr_source.h"
#include <complex.h>
#include <math.h>

#define CK(call) ck_assert_msg((call) == DA_OK, "%s: %s", #call, da_error())

/* ---- calls on both ---- */

enum { MAX_OPERANDS = 40 };

typedef struct memory {
    char *host, *back; /* before the call (the CPU's result after it), and what comes back from the device */
    size_t bytes;
    cl_mem there;
} memory;

/* A codelet's call. Buffers without memory are programs. */
typedef struct problem {
    int n, nmemory;
    memory memory[MAX_OPERANDS];
    int lies[MAX_OPERANDS]; /* in which memory, or -1 */
    da_buffer buffers[MAX_OPERANDS];
    int64_t shapes[MAX_OPERANDS][DA_MAX_NDIM], strides[MAX_OPERANDS][DA_MAX_NDIM];
    da_value value;
} problem;

static cl_context context;
static cl_command_queue queue;

/* The OpenCL module with a queue; null: there is none. */
static const da_device_ops *open_device(void)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_OPENCL, NULL);
    cl_platform_id platform;
    cl_device_id device;
    cl_int error;
    if (!ops || queue)
        return ops;
    if (clGetPlatformIDs(1, &platform, NULL) != CL_SUCCESS ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL) != CL_SUCCESS)
        return NULL;
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error == CL_SUCCESS)
        queue = clCreateCommandQueue(context, device, 0, &error);
    return error == CL_SUCCESS ? ops : NULL;
}

static void add_program(problem *q, program *p)
{
    q->lies[q->n] = -1;
    q->buffers[q->n++] = (da_buffer){.data = &p->p};
}

/* An operand in memory `lies`, or in a new one; its first element is element `first` there. Strides null: C order. */
static char *add_operand(problem *q, int lies, da_dtype dtype, int ndim, const int64_t *shape,
                         const int64_t *strides, int64_t first)
{
    const int k = q->n++;
    const int64_t size = da_dtype_bytes(dtype);
    int64_t last = first;
    for (int d = ndim - 1, step = 1; d >= 0; d--) {
        q->shapes[k][d] = shape[d];
        q->strides[k][d] = strides ? strides[d] : step;
        step *= (int)shape[d];
        if (q->strides[k][d] > 0)
            last += q->strides[k][d] * (shape[d] - 1);
    }
    if (lies < 0) {
        lies = q->nmemory++;
        q->memory[lies].bytes = (size_t)((last + 8) * size);
        q->memory[lies].host = calloc(1, q->memory[lies].bytes);
        q->memory[lies].back = calloc(1, q->memory[lies].bytes);
    }
    q->lies[k] = lies;
    q->buffers[k] = (da_buffer){.data = q->memory[lies].host + first * size,
                                .dtype = dtype,
                                .ndim = ndim,
                                .shape = q->shapes[k],
                                .strides = q->strides[k],
                                .offset = first};
    return q->memory[lies].host;
}

static da_call call_of(const problem *q, const da_buffer *buffers)
{
    return (da_call){
        .nbuffers = q->n, .nvalues = q->value.data != NULL, .buffers = buffers, .values = &q->value};
}

static bool taken(const da_device_ops *ops, const char *codelet, const problem *q)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, codelet);
    const da_call call = call_of(q, q->buffers);
    ck_assert_ptr_nonnull(kernel);
    return !kernel->takes || kernel->takes(ops, &call);
}

/* Runs it on the device (memory[].back), then on the CPU (memory[].host). */
static void run_both(const da_device_ops *ops, const char *codelet, da_kernel cpu, problem *q)
{
    const da_device_kernel *const kernel = da_device_find(DA_DEVICE_OPENCL, codelet);
    da_buffer there[MAX_OPERANDS];
    da_call call = call_of(q, there);
    cl_int error;

    ck_assert_msg(taken(ops, codelet, q), "%s is not taken", codelet);
    for (int m = 0; m < q->nmemory; m++) {
        q->memory[m].there = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                            q->memory[m].bytes, q->memory[m].host, &error);
        ck_assert_int_eq(error, CL_SUCCESS);
    }
    for (int k = 0; k < q->n; k++) {
        there[k] = q->buffers[k];
        if (q->lies[k] >= 0)
            there[k].data = q->memory[q->lies[k]].there;
    }
    call.queue = queue;
    ck_ok(kernel->run(ops, &call));
    for (int m = 0; m < q->nmemory; m++) {
        ck_assert_int_eq(clEnqueueReadBuffer(queue, q->memory[m].there, CL_TRUE, 0, q->memory[m].bytes,
                                             q->memory[m].back, 0, NULL, NULL),
                         CL_SUCCESS);
        clReleaseMemObject(q->memory[m].there);
    }
    call = call_of(q, q->buffers);
    ck_ok(cpu(&call));
}

static void drop(problem *q)
{
    for (int m = 0; m < q->nmemory; m++) {
        free(q->memory[m].host);
        free(q->memory[m].back);
    }
    *q = (problem){0};
}

/* ---- elements ---- */

static double real_at(da_dtype dtype, const char *p)
{
    float f;
    double d;
    if (dtype == DA_F32 || dtype == DA_C64) {
        memcpy(&f, p, sizeof f);
        return (double)f;
    }
    memcpy(&d, p, sizeof d);
    return d;
}

static bool is_floating(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_F64 || dtype == DA_C64 || dtype == DA_C128;
}

static bool is_complex(da_dtype dtype)
{
    return dtype == DA_C64 || dtype == DA_C128;
}

static double epsilon(da_dtype dtype)
{
    return dtype == DA_F32 || dtype == DA_C64 ? 0x1p-23 : 0x1p-52;
}

/* The same bits, or NaN both. */
static bool same(da_dtype dtype, const char *x, const char *y)
{
    const int parts = is_complex(dtype) ? 2 : 1, size = da_dtype_bytes(dtype) / parts;
    for (int part = 0; part < parts; part++, x += size, y += size)
        if (memcmp(x, y, (size_t)size) != 0 &&
            !(is_floating(dtype) && isnan(real_at(dtype, x)) && isnan(real_at(dtype, y))))
            return false;
    return true;
}

/* What memory 0 of a problem holds on both sides, element by element. */
static void check_same(const problem *q, da_dtype dtype, const char *what)
{
    const size_t size = (size_t)da_dtype_bytes(dtype);
    for (size_t at = 0; at + size <= q->memory[0].bytes; at += size)
        ck_assert_msg(same(dtype, q->memory[0].host + at, q->memory[0].back + at),
                      "%s (%s): element %zu is %g (%g on the CPU)", what, da_dtype_name(dtype), at / size,
                      is_floating(dtype) ? real_at(dtype, q->memory[0].back + at)
                                         : (double)(unsigned char)q->memory[0].back[at],
                      is_floating(dtype) ? real_at(dtype, q->memory[0].host + at)
                                         : (double)(unsigned char)q->memory[0].host[at]);
}

static uint64_t random_bits(uint64_t i)
{
    i = (i + 1) * 0x9e3779b97f4a7c15u;
    i = (i ^ i >> 31) * 0xbf58476d1ce4e5b9u;
    return i ^ i >> 29;
}

/* Value i of a set with the dtype's corners in it. Small ones: what functions are tried with. */
static void put_value(da_dtype dtype, char *to, int i, bool small)
{
    static const double corners[] = {0.0, -0.0,   1,     -1,     INFINITY, -INFINITY, NAN,
                                     0.5, 2.5,    -2.5,  1e30,   -1e-30,   1e300,     1e-320,
                                     3,   -1e-45, 1e-40, 123456, 7,        -1.5};
    enum { CORNERS = sizeof corners / sizeof corners[0] };
    const uint64_t bits = random_bits((uint64_t)i);
    const double random =
        ldexp((double)(int64_t)bits, -63 + (int)(bits % (small ? 6 : 40)) - (small ? 2 : 20));
    const double x = i < CORNERS && !small ? corners[i] : i == 0 ? 0 : i == 1 ? 1 : i == 2 ? -1 : random;
    const double y =
        !small && i % 5 == 4 ? corners[(i * 3) % CORNERS] : ldexp((double)(int64_t)random_bits(bits), -61);
    const int size = da_dtype_bytes(dtype);
    if (dtype == DA_BOOL) {
        *to = (char)(bits >> 9 & 1);
    } else if (dtype == DA_F32) {
        memcpy(to, &(float){(float)x}, sizeof(float));
    } else if (dtype == DA_F64) {
        memcpy(to, &x, sizeof x);
    } else if (dtype == DA_C64) {
        memcpy(to, &(float[2]){(float)x, (float)y}, 2 * sizeof(float));
    } else if (dtype == DA_C128) {
        memcpy(to, &(double[2]){x, y}, 2 * sizeof(double));
    } else { /* 0, 1, -1, the least, the greatest, small and large ones */
        const uint64_t least = (uint64_t)1 << (8 * size - 1);
        const uint64_t v = i < 3    ? (uint64_t)(i % 2) - (i == 2)
                           : i == 3 ? least
                           : i == 4 ? least - 1
                           : i % 2  ? bits % 7
                                    : bits;
        const uint64_t value = i == 2 ? (uint64_t)-1 : v;
        memcpy(to, &value, (size_t)size);
    }
}

/* ---- programs of many operations ---- */

enum { VALUES = 90, MAX_ROWS = 40 };

static da_scalar integer(int64_t i)
{
    da_scalar s = {1, 0, {0}};
    s.v_.i = i;
    return s;
}

typedef struct choice {
    graph g;
    int which, root, rows;
    da_expr_op op[MAX_ROWS];
} choice;

static const int64_t none[1] = {0};

static void choice_begin(choice *c)
{
    graph_init(&c->g);
    CK(graph_slot(&c->g, &c->which, DA_I32, 0, none));
    c->rows = 0;
}

/* Row `rows` of the result is this node's. */
static void choice_add(choice *c, int node, da_expr_op op)
{
    int row, is;
    ck_assert_int_lt(c->rows, MAX_ROWS);
    if (c->rows > 0) {
        CK(graph_number(&c->g, &row, integer(c->rows)));
        CK(graph_apply(&c->g, &is, DA_OP_equal, c->which, row, 0, "test"));
        CK(graph_apply(&c->g, &node, DA_OP_where, is, node, c->root, "test"));
    }
    c->root = node;
    c->op[c->rows++] = op;
}

/* All operations on `dtype` (unary or binary alike) whose result is of dtype `result`; `functions`: those that are not exact, or the
 * others. */
static bool is_function(da_expr_op op, da_dtype dtype)
{
    switch (op) {
    case DA_OP_exp:
    case DA_OP_log:
    case DA_OP_sin:
    case DA_OP_cos:
    case DA_OP_tanh: return is_floating(dtype);
    case DA_OP_pow: return is_floating(dtype);
    case DA_OP_sqrt:
    case DA_OP_abs: return is_complex(dtype);
    default: return false;
    }
}

static void choice_of_operations(choice *c, da_dtype dtype, da_dtype result, bool functions)
{
    int x, y;
    choice_begin(c);
    CK(graph_slot(&c->g, &x, dtype, 0, none));
    CK(graph_slot(&c->g, &y, dtype, 0, none));
    for (int op = 0; op < DA_OP_where; op++) {
        int node;
        if (da_op_supports((da_expr_op)op, dtype) != DA_OP_YES ||
            da_op_result_dtype((da_expr_op)op, dtype) != result ||
            is_function((da_expr_op)op, dtype) != functions)
            continue;
        CK(graph_apply(&c->g, &node, (da_expr_op)op, x, y, 0, "test"));
        choice_add(c, node, (da_expr_op)op);
    }
}

/* Every program of operations there is, one after the other; false after the last one. */
static const da_dtype dtypes[] = {DA_BOOL, DA_I8,  DA_I16, DA_I32, DA_I64, DA_U8,  DA_U16,
                                  DA_U32,  DA_U64, DA_F32, DA_F64, DA_C64, DA_C128};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

/* The which, x, y of a program's inputs as operands: rows x VALUES, values along the rows. */
static void add_inputs(problem *q, const program *p, int rows, const da_dtype *dtype, bool small)
{
    const int64_t shape[2] = {rows, VALUES}, down[2] = {1, 0}, along[2] = {0, 1};
    for (int k = 0; k < p->ninputs; k++) {
        const int node = p->inputs[k];
        char *at = add_operand(q, -1, dtype[node], 2, shape, node == 0 ? down : along, node);
        const int size = da_dtype_bytes(dtype[node]);
        at += node * size;
        if (node == 0)
            for (int i = 0; i < rows; i++)
                memcpy(at + i * size, &i, sizeof i);
        else
            for (int i = 0; i < VALUES; i++)
                put_value(dtype[node], at + i * size, node == 1 ? i : (i * 7 + node) % VALUES, small);
    }
}

START_TEST(every_operation_has_a_text)
{
    for (int i = 0; i < DTYPES; i++)
        for (int op = 0; op < DA_OP_where; op++)
            ck_assert_msg((da_expr_op_text((da_expr_op)op, dtypes[i]) != NULL) ==
                              (da_op_supports((da_expr_op)op, dtypes[i]) == DA_OP_YES),
                          "%s of %s", da_op_name((da_expr_op)op), da_dtype_name(dtypes[i]));
}
END_TEST

/* Exact operations: bit for bit. */
START_TEST(operations)
{
    const da_device_ops *const ops = open_device();
    const da_dtype dtype = dtypes[_i / 3];
    const da_dtype results[3] = {dtype, DA_BOOL, dtype == DA_C64 ? DA_F32 : DA_F64};
    const da_dtype result = results[_i % 3], inputs[3] = {DA_I32, dtype, dtype};
    choice c;
    program *p;
    problem q = {0};

    if ((dtype == DA_BOOL && _i % 3 == 1) || (_i % 3 == 2 && !is_complex(dtype)))
        return;
    choice_of_operations(&c, dtype, result, false);
    ck_assert_int_gt(c.rows, 0);
    CK(program_build(&p, &c.g, 1, &c.root));
    add_program(&q, p);
    add_operand(&q, -1, result, 2, (int64_t[]){c.rows, VALUES}, NULL, 3);
    add_inputs(&q, p, c.rows, inputs, false);
    run_both(ops, "expr", da_expr_cpu, &q);
    for (int row = 0; row < c.rows; row++)
        for (int i = 0; i < VALUES; i++) {
            const int at = (3 + row * VALUES + i) * da_dtype_bytes(result);
            ck_assert_msg(
                same(result, q.memory[0].host + at, q.memory[0].back + at),
                "%s of %s, values %d: %g, on the CPU %g", da_op_name(c.op[row]), da_dtype_name(dtype), i,
                is_floating(result) ? real_at(result, q.memory[0].back + at) : (double)q.memory[0].back[at],
                is_floating(result) ? real_at(result, q.memory[0].host + at) : (double)q.memory[0].host[at]);
        }
    drop(&q);
    program_release(p);
    graph_drop(&c.g);
}
END_TEST

/* ---- functions ---- */

static long double reference(da_expr_op op, long double x, long double y)
{
    switch (op) {
    case DA_OP_exp: return expl(x);
    case DA_OP_log: return logl(x);
    case DA_OP_sin: return sinl(x);
    case DA_OP_cos: return cosl(x);
    case DA_OP_tanh: return tanhl(x);
    default: return powl(x, y);
    }
}

/* Within 4 ulp of the true value. */
static void check_function(da_expr_op op, da_dtype dtype, double got, double x, double y)
{
    const long double wanted = reference(op, x, y);
    const double rounded = dtype == DA_F32 ? (double)(float)wanted : (double)wanted;
    const double least = dtype == DA_F32 ? 0x1p-126 : 0x1p-1022;
    long double ulp;
    if (isnan(rounded) || isinf(rounded) || rounded == 0) {
        ck_assert_msg(isnan(rounded) ? isnan(got) != 0 : got == rounded, "%s(%g, %g) of %s is %g",
                      da_op_name(op), x, y, da_dtype_name(dtype), got);
        return;
    }
    ulp = (fabsl(wanted) < (long double)least ? (long double)least : fabsl(wanted)) *
          (long double)epsilon(dtype);
    ck_assert_msg(fabsl((long double)got - wanted) <= 4 * ulp, "%s(%.17g, %.17g) of %s is %.17g, %.1Lf ulp",
                  da_op_name(op), x, y, da_dtype_name(dtype), got, fabsl((long double)got - wanted) / ulp);
}

/* Functions of complex numbers: against the CPU's, by the distance. */
static void check_complex(da_expr_op op, da_dtype dtype, da_dtype result, const char *got, const char *wanted,
                          int i)
{
    const int half = da_dtype_bytes(dtype) / 2;
    const double re = real_at(dtype, wanted), im = is_complex(result) ? real_at(dtype, wanted + half) : 0;
    const double dre = real_at(dtype, got) - re,
                 dim = is_complex(result) ? real_at(dtype, got + half) - im : 0;
    const double size = hypot(re, im), least = dtype == DA_C64 ? 0x1p-126 : 0x1p-1022;
    if (same(result, got, wanted))
        return;
    ck_assert_msg(hypot(dre, dim) <=
                      (op == DA_OP_pow ? 64 : 8) * epsilon(dtype) * (size < least ? least : size),
                  "%s of %s, value %d: (%g, %g), on the CPU (%g, %g)", da_op_name(op), da_dtype_name(dtype),
                  i, re + dre, im + dim, re, im);
}

START_TEST(functions)
{
    const da_device_ops *const ops = open_device();
    const da_dtype all[] = {DA_F32, DA_F64, DA_C64, DA_C128}, dtype = all[_i / 2];
    const da_dtype result = _i % 2 ? (dtype == DA_C64 ? DA_F32 : DA_F64) : dtype;
    const da_dtype inputs[3] = {DA_I32, dtype, dtype};
    choice c;
    program *p;
    problem q = {0};

    if (_i % 2 && !is_complex(dtype))
        return;
    choice_of_operations(&c, dtype, result, true);
    CK(program_build(&p, &c.g, 1, &c.root));
    add_program(&q, p);
    add_operand(&q, -1, result, 2, (int64_t[]){c.rows, VALUES}, NULL, 0);
    add_inputs(&q, p, c.rows, inputs, is_complex(dtype));
    run_both(ops, "expr", da_expr_cpu, &q);
    for (int row = 0; row < c.rows; row++)
        for (int i = 0; i < VALUES; i++) {
            const int at = (row * VALUES + i) * da_dtype_bytes(result), size = da_dtype_bytes(dtype);
            char x[16], y[16];
            put_value(dtype, x, i, false);
            put_value(dtype, y, (i * 7 + 2) % VALUES, false);
            (void)size;
            if (is_complex(dtype))
                check_complex(c.op[row], dtype, result, q.memory[0].back + at, q.memory[0].host + at, i);
            else
                check_function(c.op[row], dtype, real_at(dtype, q.memory[0].back + at), real_at(dtype, x),
                               real_at(dtype, y));
        }
    drop(&q);
    program_release(p);
    graph_drop(&c.g);
}
END_TEST

/* ---- conversions, pairs, constants ---- */

START_TEST(conversions)
{
    const da_device_ops *const ops = open_device();
    const da_dtype to = dtypes[_i];
    da_dtype inputs[DTYPES + 1] = {DA_I32};
    choice c;
    program *p;
    problem q = {0};

    choice_begin(&c);
    for (int i = 0; i < DTYPES; i++) {
        int x;
        CK(graph_slot(&c.g, &x, dtypes[i], 0, none));
        ck_assert_int_eq(x, i + 1);
        inputs[i + 1] = dtypes[i];
    }
    for (int i = 0; i < DTYPES; i++) {
        int node;
        if (!da_expr_convert_kernel(to, dtypes[i]))
            continue;
        CK(graph_convert(&c.g, &node, i + 1, to, "test"));
        choice_add(&c, node, DA_OP_COUNT);
    }
    CK(program_build(&p, &c.g, 1, &c.root));
    add_program(&q, p);
    add_operand(&q, -1, to, 2, (int64_t[]){c.rows, VALUES}, NULL, 0);
    add_inputs(&q, p, c.rows, inputs, false);
    run_both(ops, "expr", da_expr_cpu, &q);
    check_same(&q, to, "conversion");
    drop(&q);
    program_release(p);
    graph_drop(&c.g);
}
END_TEST

/* (x op1 y) op2 z and z op2 (x op1 y), which are one instruction; with constants in each place. */
START_TEST(pairs)
{
    const da_device_ops *const ops = open_device();
    static const da_expr_op four[] = {DA_OP_add, DA_OP_subtract, DA_OP_multiply, DA_OP_divide};
    const da_dtype dtype = _i ? DA_F64 : DA_F32, inputs[4] = {DA_I32, dtype, dtype, dtype};
    da_scalar third = {3, 0, {0}};
    choice c;
    program *p;
    problem q = {0};
    int x, y, z, number, paired = 0;

    third.v_.z.re = 1.0 / 3;
    choice_begin(&c);
    CK(graph_slot(&c.g, &x, dtype, 0, none));
    CK(graph_slot(&c.g, &y, dtype, 0, none));
    CK(graph_slot(&c.g, &z, dtype, 0, none));
    for (int i = 0; i < 32; i++) {
        int t;
        CK(graph_number(&c.g, &number, third));
        CK(graph_apply(&c.g, &t, four[i / 8], i % 5 == 0 ? number : x, i % 5 == 1 ? number : y, 0, "test"));
        CK(graph_apply(&c.g, &t, four[i / 2 % 4], i % 2 ? z : t,
                       i % 2        ? t
                       : i % 5 == 2 ? number
                                    : z,
                       0, "test"));
        choice_add(&c, t, four[i / 8]);
    }
    CK(program_build(&p, &c.g, 1, &c.root));
    for (int i = 0; i < p->p.ninstr; i++)
        paired += p->p.instr[i].op < DA_OP_COUNT && p->p.instr[i].then != 0;
    ck_assert_int_eq(paired, 32);
    add_program(&q, p);
    add_operand(&q, -1, dtype, 2, (int64_t[]){c.rows, VALUES}, NULL, 0);
    add_inputs(&q, p, c.rows, inputs, false);
    run_both(ops, "expr", da_expr_cpu, &q);
    check_same(&q, dtype, "pairs");
    drop(&q);
    program_release(p);
    graph_drop(&c.g);
}
END_TEST

static void build_sum_with(program **p, da_dtype dtype, da_scalar value)
{
    graph g;
    int x, number, root;
    graph_init(&g);
    CK(graph_slot(&g, &x, dtype, 0, none));
    CK(graph_number(&g, &number, value));
    CK(graph_convert(&g, &number, number, dtype, "test"));
    CK(graph_apply(&g, &root, DA_OP_equal, x, number, 0, "test"));
    CK(graph_apply(&g, &root, DA_OP_where, root, x, number, "test"));
    CK(program_build(p, &g, 1, &root));
    graph_drop(&g);
}

/* Two programs that differ in a constant. */
static void build_two(program **p, da_dtype dtype)
{
    da_scalar a = integer(1), b = integer(0);
    switch (dtype) {
    case DA_BOOL: a.kind_ = b.kind_ = 5; break;
    case DA_U64: a.kind_ = 2, a.v_.u = UINT64_MAX - 4; break;
    case DA_I64: a.v_.i = INT64_MIN + 7; break;
    case DA_I8:
    case DA_I16:
    case DA_I32: a.v_.i = -77; break;
    case DA_F32:
    case DA_F64: a.kind_ = 3, a.v_.z = (da_c128){-1e-3, 0}; break;
    case DA_C64:
    case DA_C128: a.kind_ = 4, a.v_.z = (da_c128){-1e-3, 7e11}; break;
    default: a.v_.i = 200; break;
    }
    build_sum_with(&p[0], dtype, a);
    build_sum_with(&p[1], dtype, b);
}

/* The text is the same for all constants, and kept with its program. */
START_TEST(constant_texts)
{
    const da_source_class as = {DA_SOURCE_EXPR, 1, 0, false, false},
                          other = {DA_SOURCE_EXPR, 2, 0, false, false};
    program *p[2];
    build_two(p, dtypes[_i]);
    const char *const source = da_expr_source(&p[0]->p, &as, &p[0]->p, NULL, NULL);
    ck_assert_str_eq(source, da_expr_source(&p[1]->p, &as, &p[1]->p, NULL, NULL));
    ck_assert_str_ne(source, da_expr_source(&p[0]->p, &other, &p[0]->p, NULL, NULL));
    ck_assert_ptr_eq(source, da_expr_source(&p[0]->p, &as, &p[0]->p, NULL, NULL));
    program_release(p[0]);
    program_release(p[1]);
}
END_TEST

/* Constants arrive as they are. */
START_TEST(constants)
{
    const da_device_ops *const ops = open_device();
    const da_dtype dtype = dtypes[_i];
    const int64_t shape[1] = {33};
    program *p[2];
    build_two(p, dtype);
    for (int k = 0; k < 2; k++) {
        problem q = {0};
        add_program(&q, p[k]);
        add_operand(&q, -1, dtype, 1, shape, NULL, 0);
        char *x = add_operand(&q, -1, dtype, 1, shape, NULL, 0);
        for (int i = 0; i < 33; i++)
            put_value(dtype, x + i * da_dtype_bytes(dtype), i, false);
        run_both(ops, "expr", da_expr_cpu, &q);
        check_same(&q, dtype, "constant");
        drop(&q);
        program_release(p[k]);
    }
}
END_TEST

/* ---- layouts ---- */

typedef struct layout {
    int ndim;
    int64_t shape[4], strides[3][4], first[3]; /* of the output and two inputs */
} layout;

static const layout layouts[] = {
    {0, {0}, {{0}}, {0}},
    {1, {1}, {{1}, {5}, {0}}, {0, 2, 1}},
    {1, {0}, {{1}, {1}, {1}}, {0}},
    {1, {1000}, {{1}, {1}, {1}}, {0, 3, 5}},
    {1, {1000}, {{-1}, {1}, {-2}}, {999, 0, 1998}},
    {2, {30, 40}, {{40, 1}, {1, 30}, {40, 1}}, {0, 0, 0}},  /* one transposed */
    {2, {30, 40}, {{1, 30}, {40, -1}, {0, 1}}, {0, 39, 0}}, /* flipped; a row for all */
    {2, {30, 40}, {{1, 64}, {1, 0}, {0, 0}}, {7, 0, 1}},    /* part of a larger one; a column, a number */
    {3, {5, 6, 7}, {{42, 7, 1}, {1, 5, 30}, {42, -7, 1}}, {0, 0, 35}},              /* three axes */
    {4, {3, 4, 5, 6}, {{120, 30, 6, 1}, {1, 3, 12, 60}, {0, 7, 0, -1}}, {0, 0, 5}}, /* four */
    {4, {1, 50, 1, 60}, {{9, 60, 9, 1}, {4, 60, 4, 1}, {0, 60, 0, 1}}, {0, 0, 0}},  /* one */
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static void build_product(program **p, da_dtype dtype)
{
    graph g;
    int x, y, t;
    graph_init(&g);
    CK(graph_slot(&g, &x, dtype, 0, none));
    CK(graph_slot(&g, &y, dtype, 0, none));
    CK(graph_apply(&g, &t, DA_OP_multiply, x, y, 0, "test"));
    CK(graph_apply(&g, &t, DA_OP_subtract, t, x, 0, "test"));
    CK(program_build(p, &g, 1, &t));
    graph_drop(&g);
}

START_TEST(strides)
{
    const da_device_ops *const ops = open_device();
    const layout *const l = &layouts[_i];
    program *p;
    problem q = {0};

    build_product(&p, DA_F64);
    add_program(&q, p);
    for (int k = 0; k < 3; k++) {
        add_operand(&q, -1, DA_F64, l->ndim, l->shape, l->strides[k], l->first[k]);
        for (size_t i = 0; i < q.memory[k].bytes / 8; i++)
            put_value(DA_F64, q.memory[k].host + 8 * i, (int)i + 100 * k, true);
    }
    run_both(ops, "expr", da_expr_cpu, &q);
    check_same(&q, DA_F64, "layout");
    drop(&q);
    program_release(p);
}
END_TEST

/* The output is an input; so many elements that each work-item has some. */
START_TEST(in_place)
{
    const da_device_ops *const ops = open_device();
    const int64_t shape[1] = {((int64_t)1 << 20) + 77};
    program *p;
    problem q = {0};

    build_product(&p, DA_F32);
    add_program(&q, p);
    add_operand(&q, -1, DA_F32, 1, shape, NULL, 3);
    add_operand(&q, 0, DA_F32, 1, shape, NULL, 3);
    add_operand(&q, -1, DA_F32, 1, shape, NULL, 0);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < q.memory[k].bytes / 4; i++)
            put_value(DA_F32, q.memory[k].host + 4 * i, (int)(i % 1000) + k, true);
    run_both(ops, "expr", da_expr_cpu, &q);
    check_same(&q, DA_F32, "in place");
    drop(&q);
    program_release(p);
}
END_TEST

/* Hundreds of operations; and so many inputs that they are loaded anew for each use. */
START_TEST(large)
{
    const da_device_ops *const ops = open_device();
    const int64_t shape[1] = {300};
    const int inputs = _i ? 30 : 3;
    graph g;
    program *p;
    problem q = {0};
    int x[30], t;

    graph_init(&g);
    for (int k = 0; k < inputs; k++)
        CK(graph_slot(&g, &x[k], DA_F64, 0, none));
    t = x[0];
    for (int i = 1; i < 200; i++)
        CK(graph_apply(&g, &t,
                       i % 3 == 0   ? DA_OP_subtract
                       : i % 3 == 1 ? DA_OP_multiply
                                    : DA_OP_maximum,
                       t, x[i % inputs], 0, "test"));
    CK(program_build(&p, &g, 1, &t));
    ck_assert_int_eq(p->ninputs, inputs);
    add_program(&q, p);
    add_operand(&q, -1, DA_F64, 1, shape, NULL, 0);
    for (int k = 0; k < inputs; k++) {
        char *at = add_operand(&q, -1, DA_F64, 1, shape, NULL, 0);
        for (int i = 0; i < 300; i++)
            put_value(DA_F64, at + 8 * i, i + k, true);
    }
    run_both(ops, "expr", da_expr_cpu, &q);
    check_same(&q, DA_F64, "200 operations");
    drop(&q);
    program_release(p);
    graph_drop(&g);
}
END_TEST

/* What a device cannot do is left to the CPU. */
START_TEST(not_taken)
{
    const da_device_ops *const ops = open_device();
    const int64_t shape[1] = {4};
    graph g;
    program *p;
    problem q = {0};
    int t, x;

    graph_init(&g); /* one more operation than a kernel has */
    CK(graph_slot(&g, &x, DA_I32, 0, none));
    t = x;
    for (int i = 0; i < 1024; i++)
        CK(graph_apply(&g, &t, DA_OP_add, t, x, 0, "test"));
    CK(program_build(&p, &g, 1, &t));
    add_program(&q, p);
    add_operand(&q, -1, DA_I32, 1, shape, NULL, 0);
    add_operand(&q, -1, DA_I32, 1, shape, NULL, 0);
    ck_assert(!taken(ops, "expr", &q));
    drop(&q);
    program_release(p);
    graph_drop(&g);

    graph_init(&g); /* half precision */
    CK(graph_slot(&g, &x, DA_F16, 0, none));
    CK(graph_convert(&g, &t, x, DA_F32, "test"));
    CK(program_build(&p, &g, 1, &t));
    add_program(&q, p);
    add_operand(&q, -1, DA_F32, 1, shape, NULL, 0);
    add_operand(&q, -1, DA_F16, 1, shape, NULL, 0);
    ck_assert(!taken(ops, "expr", &q));
    drop(&q);
    program_release(p);
    graph_drop(&g);

    for (int inputs = 40; inputs < 42; inputs++) { /* one more than 1024 bytes of parameters hold */
        graph_init(&g);
        CK(graph_slot(&g, &t, DA_I32, 0, none));
        for (int k = 1; k < inputs; k++) {
            CK(graph_slot(&g, &x, DA_I32, 0, none));
            CK(graph_apply(&g, &t, DA_OP_add, t, x, 0, "test"));
        }
        CK(program_build(&p, &g, 1, &t));
        da_buffer buffers[64] = {{.data = &p->p}};
        const da_call call = {.nbuffers = inputs + 2, .buffers = buffers};
        for (int k = 1; k < inputs + 2; k++)
            buffers[k] = (da_buffer){.dtype = DA_I32, .ndim = 1, .shape = shape, .strides = shape};
        ck_assert_int_eq(da_device_find(DA_DEVICE_OPENCL, "expr")->takes(ops, &call), inputs == 40);
        program_release(p);
        graph_drop(&g);
    }
}
END_TEST

/* ---- reductions ---- */

/* Sums and such of x (op 0: as it is; else x * y) over the axes that `axes` has bits for. Returns how far the results are apart, in ulp
 * of the sum of sizes. */
typedef struct reduced {
    da_expr_op op;
    da_dtype dtype;
    int ndim;
    int64_t shape[3];
    int order[3]; /* of the axes in the input's memory, the innermost last */
    unsigned axes;
} reduced;

static const reduced reductions[] = {
    {DA_OP_add, DA_F64, 1, {1}, {0}, 1},
    {DA_OP_add, DA_F64, 1, {2}, {0}, 1},
    {DA_OP_add, DA_F64, 1, {300}, {0}, 1},
    {DA_OP_add, DA_F64, 1, {40001}, {0}, 1},  /* two passes, the second across */
    {DA_OP_add, DA_F32, 1, {500001}, {0}, 1}, /* two passes */
    {DA_OP_add, DA_F64, 2, {40, 500}, {0, 1}, 1},
    {DA_OP_add, DA_F64, 2, {40, 500}, {0, 1}, 2},
    {DA_OP_add, DA_F64, 2, {40, 500}, {0, 1}, 0},
    {DA_OP_add, DA_F64, 2, {3, 70000}, {0, 1}, 2},
    {DA_OP_add, DA_F64, 2, {70000, 3}, {0, 1}, 1}, /* 64 at a time: 1094, 18, 1 */
    {DA_OP_add, DA_F64, 2, {70000, 3}, {1, 0}, 1},
    {DA_OP_add, DA_F64, 2, {40, 50}, {1, 0}, 3},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 1},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 2},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 3},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 4},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 5},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 6},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {0, 1, 2}, 7},
    {DA_OP_add, DA_F64, 3, {9, 20, 31}, {2, 0, 1}, 5},
    {DA_OP_add, DA_C64, 2, {40, 50}, {0, 1}, 3},
    {DA_OP_add, DA_C128, 2, {40, 50}, {0, 1}, 2},
    {DA_OP_add, DA_I64, 2, {40, 50}, {0, 1}, 3},
    {DA_OP_add, DA_U64, 2, {40, 50}, {0, 1}, 1},
    {DA_OP_multiply, DA_F64, 2, {40, 50}, {0, 1}, 2},
    {DA_OP_multiply, DA_I64, 1, {21000}, {0}, 1},
    {DA_OP_multiply, DA_C128, 1, {30}, {0}, 1},
    {DA_OP_minimum, DA_F64, 2, {40, 500}, {0, 1}, 2},
    {DA_OP_maximum, DA_F32, 2, {40, 500}, {0, 1}, 3},
    {DA_OP_minimum, DA_I8, 2, {40, 500}, {0, 1}, 3},
    {DA_OP_maximum, DA_U16, 2, {40, 500}, {0, 1}, 1},
    {DA_OP_logical_or, DA_BOOL, 2, {40, 5}, {0, 1}, 2},
    {DA_OP_logical_and, DA_BOOL, 2, {40, 2}, {0, 1}, 2},
};
enum { REDUCTIONS = sizeof reductions / sizeof reductions[0] };

/* Operand strides over the axes, for memory in the given order. */
static void strides_of(const reduced *r, int64_t *strides)
{
    int64_t step = 1;
    for (int i = r->ndim - 1; i >= 0; i--) {
        strides[r->order[i]] = step;
        step *= r->shape[r->order[i]];
    }
}

static da_reduce_args args_of(const reduced *r)
{
    da_reduce_args args = {.how = {.nroots = 1, .combine = {r->op}, .dtype = {r->dtype}}, .ndim = r->ndim};
    int64_t step = 1;
    for (int d = r->ndim - 1; d >= 0; d--) {
        args.extent[d] = r->shape[d];
        args.reduced[d] = r->axes >> d & 1;
        args.index[d] = args.reduced[d] ? step : 0;
        step *= args.reduced[d] ? r->shape[d] : 1;
    }
    return args;
}

/* The output: C order over the kept axes, an extent of 1 along the others. */
static void add_result(problem *q, const reduced *r, da_dtype dtype)
{
    int64_t shape[3] = {0};
    for (int d = 0; d < r->ndim; d++)
        shape[d] = r->axes >> d & 1 ? 1 : r->shape[d];
    add_operand(q, -1, dtype, r->ndim, shape, NULL, 2);
}

/* The same, or apart by what roundings may add up to. */
static void check_close(const problem *q, int m, da_dtype dtype, double ulps, const char *what)
{
    const int parts = is_complex(dtype) ? 2 : 1, size = da_dtype_bytes(dtype) / parts;
    for (size_t at = 0; at + (size_t)size <= q->memory[m].bytes; at += (size_t)size) {
        const char *const x = q->memory[m].host + at, *const y = q->memory[m].back + at;
        if (!is_floating(dtype)) {
            ck_assert_msg(memcmp(x, y, (size_t)size) == 0, "%s: bytes %zu differ", what, at);
            continue;
        }
        const double a = real_at(dtype, x), b = real_at(dtype, y);
        ck_assert_msg((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= ulps * epsilon(dtype),
                      "%s of %s: element %zu is %.17g (%.17g on the CPU)", what, da_dtype_name(dtype),
                      at / (size_t)size, b, a);
    }
}

static void build_load(program **p, da_dtype dtype)
{
    graph g;
    int x;
    graph_init(&g);
    CK(graph_slot(&g, &x, dtype, 0, none));
    CK(program_build(p, &g, 1, &x));
    graph_drop(&g);
}

START_TEST(reduce)
{
    const da_device_ops *const ops = open_device();
    const reduced *const r = &reductions[_i];
    da_reduce_args args = args_of(r);
    int64_t strides[3] = {0};
    double total = 1, n = 1;
    program *p;
    problem q = {0};
    char what[64];

    build_load(&p, r->dtype);
    add_program(&q, p);
    add_result(&q, r, r->dtype);
    strides_of(r, strides);
    char *x = add_operand(&q, -1, r->dtype, r->ndim, r->shape, strides, 0);
    for (int d = 0; d < r->ndim; d++)
        n *= r->axes >> d & 1 ? (double)r->shape[d] : 1;
    for (size_t i = 0; i < q.memory[1].bytes / (size_t)da_dtype_bytes(r->dtype); i++) {
        char *const at = x + i * (size_t)da_dtype_bytes(r->dtype);
        put_value(r->dtype, at, (int)(i + 5), true);
        if (r->op == DA_OP_multiply && is_floating(r->dtype))
            memcpy(at, &(double){1 + (double)((int)(i % 9) - 4) / 64}, sizeof(double));
        else if (r->op == DA_OP_multiply)
            *at |= 1; /* odd: does not vanish */
    }
    q.value = (da_value){&args, sizeof args};
    run_both(ops, "reduce", da_reduce_cpu, &q);
    /* values are below 16; both sides add pairwise */
    total = r->op == DA_OP_add ? 8 * n : r->op == DA_OP_multiply ? 4 * sqrt(n) : 0;
    snprintf(what, sizeof what, "reduction %d (%s)", _i, da_op_name(r->op));
    check_close(&q, 0, r->dtype, total * (r->op == DA_OP_add ? 16 / sqrt(n) + 1 : 1), what);
    drop(&q);
    program_release(p);
}
END_TEST

/* A sum of many numbers that are not exact in binary: the error grows with the logarithm of their number. */
START_TEST(sums_are_accurate)
{
    const da_device_ops *const ops = open_device();
    const reduced r = {DA_OP_add, DA_F32, 2, {_i ? 1 : 1 << 21, _i ? 1 << 21 : 1}, {0, 1}, 3};
    da_reduce_args args = args_of(&r);
    program *p;
    problem q = {0};
    double exact = 0;

    build_load(&p, DA_F32);
    add_program(&q, p);
    add_result(&q, &r, DA_F32);
    char *x = add_operand(&q, -1, DA_F32, 2, r.shape, NULL, 0);
    for (int i = 0; i < 1 << 21; i++) {
        const float value = 0.1f + (float)(i % 77) / 100;
        memcpy(x + 4 * i, &value, sizeof value);
        exact += (double)value;
    }
    q.value = (da_value){&args, sizeof args};
    run_both(ops, "reduce", da_reduce_cpu, &q);
    const double got = real_at(DA_F32, q.memory[0].back + 8);
    ck_assert_msg(fabs(got - exact) <= 24 * 0x1p-24 * exact, "%.9g instead of %.9g", got, exact);
    drop(&q);
    program_release(p);
}
END_TEST

/* Places of extreme values: ties, NaN, many passes; the same place exactly. */
START_TEST(places)
{
    const da_device_ops *const ops = open_device();
    static const reduced cases[] = {
        {DA_OP_add, DA_F64, 1, {70001}, {0}, 1},       {DA_OP_add, DA_F64, 2, {700, 90}, {1, 0}, 3},
        {DA_OP_add, DA_F64, 2, {700, 90}, {0, 1}, 1},  {DA_OP_add, DA_I32, 2, {60, 900}, {0, 1}, 2},
        {DA_OP_add, DA_BOOL, 2, {60, 900}, {0, 1}, 2}, {DA_OP_add, DA_U8, 3, {6, 9, 10}, {0, 1, 2}, 2},
    };
    const reduced *const r = &cases[_i / 2];
    da_reduce_args args = args_of(r);
    int64_t strides[3] = {0};
    program *p;
    problem q = {0};

    args.how.arg = true;
    args.how.max = _i % 2;
    args.base = 1000;
    build_load(&p, r->dtype);
    add_program(&q, p);
    add_result(&q, r, r->dtype);
    add_result(&q, r, DA_I64);
    strides_of(r, strides);
    char *x = add_operand(&q, -1, r->dtype, r->ndim, r->shape, strides, 0);
    for (size_t i = 0; i < q.memory[2].bytes / (size_t)da_dtype_bytes(r->dtype); i++)
        put_value(r->dtype, x + i * (size_t)da_dtype_bytes(r->dtype), (int)(i % 61), true);
    for (int i = 33333; _i < 2 && i < 60000; i += 257) /* many NaN */
        put_value(DA_F64, x + 8 * i, 6, false);
    q.value = (da_value){&args, sizeof args};
    run_both(ops, "reduce", da_reduce_cpu, &q);
    check_close(&q, 0, r->dtype, 0, "extreme value");
    check_close(&q, 1, DA_I64, 0, "place");
    if (_i < 2)
        ck_assert_int_eq(((int64_t *)(void *)q.memory[1].back)[2], 1000 + 33333);
    drop(&q);
    program_release(p);
}
END_TEST

/* The sum of x * y - 0.5, and what becomes of its parts: a mean. */
START_TEST(programs_and_means)
{
    const da_device_ops *const ops = open_device();
    const reduced r = {DA_OP_add, DA_F64, 2, {300, 200}, {0, 1}, _i ? 1 : 2};
    da_reduce_args args = args_of(&r);
    const int64_t parts[2] = {_i ? 1500 : 7, 40}, result[1] = {40};
    da_reduce_how how = args.how;
    da_scalar half = {3, 0, {0}};
    graph g, f;
    program *p, *load, *final;
    problem q = {0};
    int x, y, t;

    graph_init(&g);
    half.v_.z.re = 0.5;
    CK(graph_slot(&g, &x, DA_F64, 0, none));
    CK(graph_slot(&g, &y, DA_I16, 0, none));
    CK(graph_apply(&g, &t, DA_OP_multiply, x, y, 0, "test"));
    CK(graph_number(&g, &y, half));
    CK(graph_apply(&g, &t, DA_OP_subtract, t, y, 0, "test"));
    CK(program_build(&p, &g, 1, &t));
    add_program(&q, p);
    add_result(&q, &r, DA_F64);
    for (int k = 0; k < 2; k++) {
        const da_dtype dtype = p->inputs[k] == 1 ? DA_I16 : DA_F64;
        char *at = add_operand(&q, -1, dtype, 2, r.shape, dtype == DA_I16 ? (int64_t[]){0, 1} : NULL, 0);
        for (size_t i = 0; i < q.memory[1 + k].bytes / (size_t)da_dtype_bytes(dtype); i++)
            if (dtype == DA_I16)
                memcpy(at + 2 * i, &(int16_t){(int16_t)(i % 30)}, 2);
            else
                put_value(dtype, at + 8 * i, (int)i, true);
    }
    q.value = (da_value){&args, sizeof args};
    run_both(ops, "reduce", da_reduce_cpu, &q);
    check_close(&q, 0, DA_F64, 300 * 16 * 30, "sum of a product");
    drop(&q);
    program_release(p);
    graph_drop(&g);

    build_load(&load, DA_F64);
    graph_init(&f);
    half.v_.z.re = 60000;
    CK(graph_slot(&f, &x, DA_F64, 0, none));
    CK(graph_number(&f, &y, half));
    CK(graph_apply(&f, &t, DA_OP_divide, x, y, 0, "test"));
    CK(graph_convert(&f, &t, t, DA_C128, "test"));
    CK(program_build(&final, &f, 1, &t));
    add_program(&q, load);
    add_program(&q, final);
    add_operand(&q, -1, DA_C128, 1, result, (int64_t[]){-2}, 80);
    char *at = add_operand(&q, -1, DA_F64, 2, parts, _i ? (int64_t[]){40, 1} : (int64_t[]){1, 7}, 0);
    for (size_t i = 0; i < q.memory[1].bytes / 8; i++)
        put_value(DA_F64, at + 8 * i, (int)i, true);
    q.value = (da_value){&how, sizeof how};
    run_both(ops, "reduce_finish", da_reduce_finish_cpu, &q);
    check_close(&q, 0, DA_C128, 1500.0 * 16 / 60000, "mean");
    drop(&q);
    program_release(load);
    program_release(final);
    graph_drop(&f);
}
END_TEST

/* The parts of an argmin, and three roots at once. */
START_TEST(places_and_roots)
{
    const da_device_ops *const ops = open_device();
    const int64_t parts[3] = {100, 4, 5}, result[2] = {4, 5}, row[2] = {3, 6000};
    da_reduce_how how = {.nroots = 1, .dtype = {DA_F32}, .arg = true, .max = true};
    da_reduce_args args = {.how = {.nroots = 3,
                                   .combine = {DA_OP_add, DA_OP_maximum, DA_OP_add},
                                   .dtype = {DA_F64, DA_F64, DA_I64}},
                           .ndim = 2,
                           .extent = {3, 6000},
                           .reduced = {false, true}};
    graph g;
    program *load, *final, *three;
    problem q = {0};
    int x, roots[3];

    build_load(&load, DA_F32);
    build_load(&final, DA_I64);
    add_program(&q, load);
    add_program(&q, final);
    add_operand(&q, -1, DA_I64, 2, result, NULL, 0);
    char *at = add_operand(&q, -1, DA_F32, 3, parts, NULL, 0);
    char *index = add_operand(&q, -1, DA_I64, 3, parts, NULL, 0);
    for (int i = 0; i < 2000; i++) {
        put_value(DA_F32, at + 4 * i, i % 7 == 3 ? 5 : i,
                  true); /* ties: the lower index, wherever it stands */
        memcpy(index + 8 * i, &(int64_t){(int64_t)(random_bits((uint64_t)i) >> 20)}, 8);
    }
    q.value = (da_value){&how, sizeof how};
    run_both(ops, "reduce_finish", da_reduce_finish_cpu, &q);
    check_close(&q, 0, DA_I64, 0, "place among parts");
    drop(&q);
    program_release(load);
    program_release(final);

    graph_init(&g);
    CK(graph_slot(&g, &x, DA_F64, 0, none));
    CK(graph_apply(&g, &roots[0], DA_OP_square, x, 0, 0, "test"));
    CK(graph_apply(&g, &roots[1], DA_OP_abs, x, 0, 0, "test"));
    CK(graph_apply(&g, &roots[2], DA_OP_isfinite, x, 0, 0, "test"));
    CK(graph_convert(&g, &roots[2], roots[2], DA_I64, "test"));
    CK(program_build(&three, &g, 3, roots));
    add_program(&q, three);
    for (int r = 0; r < 3; r++)
        add_operand(&q, -1, args.how.dtype[r], 2, (int64_t[]){3, 1}, NULL, 0);
    at = add_operand(&q, -1, DA_F64, 2, row, NULL, 0);
    for (int i = 0; i < 18000; i++)
        put_value(DA_F64, at + 8 * i, i + 3, true);
    q.value = (da_value){&args, sizeof args};
    run_both(ops, "reduce", da_reduce_cpu, &q);
    check_close(&q, 0, DA_F64, 6000 * 64 * 4, "sum of squares");
    check_close(&q, 1, DA_F64, 0, "greatest size");
    check_close(&q, 2, DA_I64, 0, "number of finite ones");
    drop(&q);
    program_release(three);
    graph_drop(&g);
}
END_TEST

/* ---- compiling ---- */

/* Programs of all operations, and reductions, by CUDA's compiler, which needs no device. (OpenCL's are run.) */
START_TEST(compiles)
{
    const da_device_ops *const ops = da_device_module_of(DA_DEVICE_CUDA, NULL);
    char log[2000];

    for (int i = 0; i < DTYPES; i++) {
        const da_dtype results[3] = {dtypes[i], DA_BOOL, dtypes[i] == DA_C64 ? DA_F32 : DA_F64};
        for (int k = 0; k < 6; k++) {
            const da_source_class as = {DA_SOURCE_EXPR, k % 3, 0, k == 5, false};
            choice c;
            program *p;
            choice_of_operations(&c, dtypes[i], results[k % 3], k >= 3);
            if (c.rows > 0) {
                CK(program_build(&p, &c.g, 1, &c.root));
                log[0] = 0;
                const char *const source = da_expr_source(&p->p, &as, &p->p, NULL, NULL);
                ck_assert_msg(ops->compile(source, log, sizeof log) == DA_OK, "%.1900s", log);
                program_release(p);
            }
            graph_drop(&c.g);
        }
    }
    for (int k = 0; k < 8; k++) {
        const da_dtype dtype = k & 1 ? DA_C64 : DA_F64;
        const da_reduce_how how = {
            .nroots = 1, .combine = {DA_OP_add}, .dtype = {dtype}, .arg = k & 2 && dtype == DA_F64};
        const da_source_class as = {k & 4 ? DA_SOURCE_FINISH : DA_SOURCE_REDUCE, k % 3, 1 + k % 2, k & 1,
                                    k & 1};
        program *p, *final;
        build_product(&p, dtype);
        build_load(&final, how.arg ? DA_I64 : dtype);
        log[0] = 0;
        const char *const source =
            da_expr_source(&p->p, &as, k & 4 ? NULL : &p->p, &how, k & 4 ? &final->p : NULL);
        ck_assert_msg(ops->compile(source, log, sizeof log) == DA_OK, "%.1900s", log);
        program_release(p);
        program_release(final);
    }
}
END_TEST

/* What this machine has decides what is run; meson says "skipped" where that is nothing but the texts. */
int main(void)
{
    enum { SKIPPED = 77 };
    const da_test_case everywhere[] = {DA_CASE("texts", every_operation_has_a_text),
                                       DA_CASE_LOOP("constants", DTYPES, constant_texts)};
    const da_test_case compiler[] = {DA_CASE("CUDA", compiles)};
    const da_test_case devices[] = {DA_CASE_LOOP("operations", 3 * DTYPES, operations),
                                    DA_CASE_LOOP("functions", 8, functions),
                                    DA_CASE_LOOP("conversions", DTYPES, conversions),
                                    DA_CASE_LOOP("pairs", 2, pairs),
                                    DA_CASE_LOOP("constants", DTYPES, constants),
                                    DA_CASE_LOOP("layouts", LAYOUTS, strides),
                                    DA_CASE("in place", in_place),
                                    DA_CASE_LOOP("large", 2, large),
                                    DA_CASE("not taken", not_taken),
                                    DA_CASE_LOOP("reductions", REDUCTIONS, reduce),
                                    DA_CASE_LOOP("sums", 2, sums_are_accurate),
                                    DA_CASE_LOOP("places", 12, places),
                                    DA_CASE_LOOP("means", 2, programs_and_means),
                                    DA_CASE("places and roots", places_and_roots)};
    int failed = da_test_run("expression texts", everywhere, sizeof everywhere / sizeof everywhere[0]);
    const char *reason;
    const bool compiled = da_device_module_of(DA_DEVICE_CUDA, &reason) != NULL, run = open_device() != NULL;

    if (compiled)
        failed |= da_test_run("expressions compiled", compiler, 1);
    else
        printf("not compiled by CUDA: %s\n", reason);
    if (run)
        failed |= da_test_run("expressions on a device", devices, sizeof devices / sizeof devices[0]);
    else
        printf("not run: no OpenCL module or no device of OpenCL\n");
    return failed || compiled || run ? failed : SKIPPED;
}
