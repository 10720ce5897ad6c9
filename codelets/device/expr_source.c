/* SPDX-License-Identifier: BSD-3-Clause */
/* From expression programs to kernels: see expr_source.h. */
#include "device/expr_source.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char da_expr_entry[] = "da_expr_kernel";

/* ---- tables ---- */

enum { BOOLEAN, SIGNED, UNSIGNED, REAL, COMPLEX, FAMILIES };

/* Of an element type: its name, the one in which integers wrap, the real one. */
static const struct type_names {
    const char *name, *wrap, *real;
    int family;
} types[DA_DTYPE_COUNT] = {
    [DA_BOOL] = {"u8", "u8", "u8", BOOLEAN},      [DA_I8] = {"i8", "u32", "i8", SIGNED},
    [DA_I16] = {"i16", "u32", "i16", SIGNED},     [DA_I32] = {"i32", "u32", "i32", SIGNED},
    [DA_I64] = {"i64", "u64", "i64", SIGNED},     [DA_U8] = {"u8", "u32", "u8", UNSIGNED},
    [DA_U16] = {"u16", "u32", "u16", UNSIGNED},   [DA_U32] = {"u32", "u32", "u32", UNSIGNED},
    [DA_U64] = {"u64", "u64", "u64", UNSIGNED},   [DA_F32] = {"f32", "f32", "f32", REAL},
    [DA_F64] = {"f64", "f64", "f64", REAL},       [DA_C64] = {"c64", "c64", "f32", COMPLEX},
    [DA_C128] = {"c128", "c128", "f64", COMPLEX},
};

static const char *const op_texts[DA_OP_COUNT][FAMILIES] = {
#define OP1(name, b, i, u, r, z) [DA_OP_##name] = {b, i, u, r, z},
#define OP2(name, b, i, u, r, z) [DA_OP_##name] = {b, i, u, r, z},
#include "device/expr_ops.inc"
#undef OP1
#undef OP2
};

static const struct helper {
    const char *name, *text;
} helpers[] = {
#define HELPER(name, ...) {#name "_T(", #__VA_ARGS__},
#include "device/expr_helpers.inc"
#undef HELPER
};
enum { HELPERS = sizeof helpers / sizeof helpers[0] };

const char *da_expr_op_text(da_expr_op op, da_dtype dtype)
{
    return op < DA_OP_where && types[dtype].name ? op_texts[op][types[dtype].family] : NULL;
}

da_dtype da_expr_instr_dtype(const da_expr_instr *instr)
{
    switch (instr->op) {
    case DA_EXPR_LOAD: return (da_dtype)instr->dtype;
    case DA_EXPR_CONVERT: return (da_dtype)instr->then;
    default: return da_op_result_dtype((da_expr_op)instr->op, (da_dtype)instr->dtype);
    }
}

static da_dtype operand_dtype(const da_expr_instr *instr, int k)
{
    return instr->op == DA_OP_where && k == 0 ? DA_BOOL : (da_dtype)instr->dtype;
}

static int place(const da_expr_instr *instr, int k)
{
    return k == 0 ? instr->a : k == 1 ? instr->b : instr->c;
}

static int words_of(da_dtype dtype)
{
    return dtype == DA_C128 ? 2 : 1;
}

int da_expr_constants(const da_expr_program *p, uint64_t *words)
{
    int n = 0;
    for (int i = 0; i < p->ninstr; i++)
        for (int k = 0; k < p->instr[i].nargs; k++) {
            const int at = place(&p->instr[i], k);
            const da_dtype dtype = operand_dtype(&p->instr[i], k);
            if (at >= 0)
                continue;
            if (words) {
                memset(words + n, 0, (size_t)words_of(dtype) * sizeof *words);
                memcpy(words + n, &p->constants[~at], (size_t)da_dtype_bytes(dtype));
            }
            n += words_of(dtype);
        }
    return n;
}

/* ---- text ---- */

struct da_expr_text {
    struct da_expr_text *next;
    da_source_class as;
    char source[];
};

/* First it is measured, then written. */
typedef struct text {
    char *at; /* null: only measured */
    size_t length;
    int words; /* of the kernel's struct, so far */
} text;

static void put(text *t, const char *s, size_t n)
{
    if (t->at)
        memcpy(t->at + t->length, s, n);
    t->length += n;
}

static void add(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(text *t, const char *format, ...)
{
    char piece[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    put(t, piece, (size_t)n);
}

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A text of the tables with the types put in. */
static void add_for(text *t, const char *s, da_dtype dtype)
{
    const struct type_names *const type = &types[dtype];
    for (const char *c = s; *c; c++) {
        const char before = c > s ? c[-1] : ' ';
        const char *name = NULL;
        if (!in_name(c[1]) && (!in_name(before) || (*c == 'T' && before == '_')))
            name = *c == 'T' ? type->name : *c == 'U' ? type->wrap : *c == 'R' ? type->real : NULL;
        if (name)
            put(t, name, strlen(name));
        else
            put(t, c, 1);
    }
}

/* ---- functions ---- */

/* What a kernel calls: bits by operation and dtype. */
typedef struct calls {
    uint64_t ops[DA_DTYPE_COUNT];
} calls;
_Static_assert(DA_OP_COUNT <= 64, "operations are bits of a word");

static void note_call(calls *c, da_expr_op op, da_dtype dtype)
{
    if (op != DA_OP_where)
        c->ops[dtype] |= (uint64_t)1 << op;
}

static void note_program(calls *c, const da_expr_program *p)
{
    for (int i = 0; p && i < p->ninstr; i++) {
        const da_expr_instr *instr = &p->instr[i];
        if (instr->op < DA_OP_COUNT)
            note_call(c, (da_expr_op)instr->op, (da_dtype)instr->dtype);
        if (instr->op < DA_OP_COUNT && instr->then)
            note_call(c, (da_expr_op)(instr->then & ~DA_EXPR_REVERSED), (da_dtype)instr->dtype);
    }
}

static bool has_call(const char *s, const char *function)
{
    for (const char *at = strstr(s, function); at; at = strstr(at + 1, function))
        if (at == s || !in_name(at[-1]))
            return true;
    return false;
}

/* The helpers that the operations on a dtype call, and those that these call; complex numbers are always made by make_T. */
static void add_helpers(text *t, uint64_t ops, da_dtype dtype, bool complex_values)
{
    bool needed[HELPERS] = {false};
    for (int h = HELPERS - 1; h >= 0; h--) {
        needed[h] = complex_values && strcmp(helpers[h].name, "make_T(") == 0;
        for (int op = 0; op < DA_OP_where && !needed[h]; op++)
            needed[h] = ops >> op & 1 && has_call(op_texts[op][types[dtype].family], helpers[h].name);
        for (int user = h + 1; user < HELPERS && !needed[h]; user++)
            needed[h] = needed[user] && has_call(helpers[user].text, helpers[h].name);
    }
    for (int h = 0; h < HELPERS; h++)
        if (needed[h]) {
            add_for(t, helpers[h].text, dtype);
            add(t, "\n");
        }
}

static bool uses_dtype(const da_expr_program *p, da_dtype dtype)
{
    for (int i = 0; p && i < p->ninstr; i++)
        if (p->instr[i].dtype == dtype || da_expr_instr_dtype(&p->instr[i]) == dtype)
            return true;
    return false;
}

/* The name of an operation's function: bool and u8 are one type there. */
static void add_name(text *t, da_expr_op op, da_dtype dtype)
{
    add(t, "%s_%s", da_op_name(op), dtype == DA_BOOL ? "bool" : types[dtype].name);
}

static void add_functions(text *t, const calls *c, const da_expr_program *p, const da_expr_program *final)
{
    for (da_dtype dtype = DA_BOOL; dtype <= DA_C128; dtype++) {
        const struct type_names *const type = &types[dtype];
        if (!type->name)
            continue;
        add_helpers(t, c->ops[dtype], dtype,
                    type->family == COMPLEX && (uses_dtype(p, dtype) || uses_dtype(final, dtype)));
        for (int op = 0; op < DA_OP_where; op++) {
            if (!(c->ops[dtype] >> op & 1))
                continue;
            add(t, "FUNCTION %s ", types[da_op_result_dtype((da_expr_op)op, dtype)].name);
            add_name(t, (da_expr_op)op, dtype);
            add(t, "(%s x", type->name);
            if (da_op_arity((da_expr_op)op) == 2)
                add(t, ", %s y", type->name);
            add(t, ") { return ");
            add_for(t, op_texts[op][type->family], dtype);
            add(t, "; }\n");
        }
    }
}

/* ---- programs ---- */

typedef char operand_text[96];

/* An operand as an expression without side effects. Values are called v and the number of their instruction. */
static void name_operand(text *t, operand_text out, const da_expr_instr *instr, int k, const int *value)
{
    const int at = place(instr, k), w = t->words;
    const da_dtype dtype = operand_dtype(instr, k);
    if (at >= 0) {
        snprintf(out, sizeof(operand_text), "v%d", value[at]);
        return;
    }
    t->words += words_of(dtype);
    if (dtype == DA_F32)
        snprintf(out, sizeof(operand_text), "AS_F32(a.w[%d])", w);
    else if (dtype == DA_F64)
        snprintf(out, sizeof(operand_text), "AS_F64(a.w[%d])", w);
    else if (dtype == DA_C64)
        snprintf(out, sizeof(operand_text), "make_c64(AS_F32(a.w[%d]), AS_F32((u64)a.w[%d] >> 32))", w, w);
    else if (dtype == DA_C128)
        snprintf(out, sizeof(operand_text), "make_c128(AS_F64(a.w[%d]), AS_F64(a.w[%d]))", w, w + 1);
    else
        snprintf(out, sizeof(operand_text), "((%s)a.w[%d])", types[dtype].name, w);
}

static void add_conversion(text *t, da_dtype to_dtype, da_dtype from_dtype, const char *x)
{
    const struct type_names *const to = &types[to_dtype], *const from = &types[from_dtype];
    if (to_dtype == from_dtype)
        add(t, "%s", x);
    else if (to_dtype == DA_BOOL && from->family == COMPLEX)
        add(t, "%s.re != 0 || %s.im != 0", x, x);
    else if (to_dtype == DA_BOOL)
        add(t, "%s != 0", x);
    else if (from->family == COMPLEX)
        add(t, "make_%s((%s)%s.re, (%s)%s.im)", to->name, to->real, x, to->real, x);
    else if (to->family == COMPLEX)
        add(t, "make_%s((%s)%s, 0)", to->name, to->real, x);
    else
        add(t, "(%s)%s", to->name, x);
}

static void add_instr(text *t, const da_expr_instr *instr, const int *value)
{
    const da_expr_op op = (da_expr_op)instr->op;
    const da_dtype dtype = (da_dtype)instr->dtype;
    operand_text x[3] = {"", "", ""};
    for (int k = 0; k < instr->nargs; k++)
        name_operand(t, x[k], instr, k, value);
    if (instr->op == DA_EXPR_CONVERT) {
        add_conversion(t, (da_dtype)instr->then, dtype, x[0]);
    } else if (op == DA_OP_where) {
        add(t, "%s ? %s : %s", x[0], x[1], x[2]);
    } else if (instr->then) {
        const bool reversed = instr->then & DA_EXPR_REVERSED;
        add_name(t, (da_expr_op)(instr->then & ~DA_EXPR_REVERSED), dtype);
        add(t, reversed ? "(%s, " : "(", x[2]);
        add_name(t, op, dtype);
        add(t, "(%s, %s)", x[0], x[1]);
        add(t, reversed ? ")" : ", %s)", x[2]);
    } else {
        add_name(t, op, dtype);
        add(t, instr->nargs == 2 ? "(%s, %s)" : "(%s)", x[0], x[1]);
    }
}

/* The instructions, one a line. Input k is element at<k> of p<k>, or if `node` is given the combined root c<node[k]>. value[slot] becomes
 * the number of what the slot holds in the end. */
static void add_program(text *t, const da_expr_program *p, const int *node, int *value)
{
    for (int i = 0; i < p->ninstr; i++) {
        const da_expr_instr *instr = &p->instr[i];
        add(t, "const %s v%d = ", types[da_expr_instr_dtype(instr)].name, i);
        if (instr->op != DA_EXPR_LOAD)
            add_instr(t, instr, value);
        else if (node)
            add(t, "c%d", node[instr->a]);
        else
            add(t, "p%d[at%d]", instr->a, instr->a);
        add(t, ";\n");
        value[instr->out] = i;
    }
}

static da_dtype input_dtype(const da_expr_program *p, int input)
{
    for (int i = 0; i < p->ninstr; i++)
        if (p->instr[i].op == DA_EXPR_LOAD && p->instr[i].a == input)
            return (da_dtype)p->instr[i].dtype;
    return DA_BOOL; /* not loaded: its type does not matter */
}

/* The dtype of a root: what the last instruction that writes its slot computes. */
static da_dtype root_dtype(const da_expr_program *p, int root)
{
    for (int i = p->ninstr - 1; i > 0; i--)
        if (p->instr[i].out == p->root[root])
            return da_expr_instr_dtype(&p->instr[i]);
    return da_expr_instr_dtype(&p->instr[0]);
}

/* ---- kernels ---- */

typedef struct kernel {
    const da_source_class *as;
    const da_expr_program *p, *final;
    const da_reduce_how *how;
    int nouts, nins;
    da_dtype out[DA_EXPR_MAX_ROOTS], in[DA_EXPR_MAX_INPUTS];
    int values; /* what is carried for each result: the roots, or value and index */
    da_dtype value[DA_EXPR_MAX_ROOTS];
} kernel;

static void describe(kernel *k)
{
    const bool parts = !k->p;
    k->values = k->how ? k->how->arg ? 2 : k->how->nroots : 0;
    for (int r = 0; r < k->values; r++)
        k->value[r] = k->how->arg && r == 1 ? DA_I64 : k->how->dtype[r];
    k->nouts = k->final || !k->how ? 1 : k->values;
    k->nins = parts ? k->values : k->p->ninputs;
    for (int r = 0; r < k->nouts; r++)
        k->out[r] = k->final ? root_dtype(k->final, 0) : k->how ? k->value[r] : root_dtype(k->p, 0);
    for (int i = 0; i < k->nins; i++)
        k->in[i] = parts ? k->value[i] : input_dtype(k->p, i);
}

static void add_head(text *t, const kernel *k)
{
    const char *separator = "";
    add(t, "KERNEL(%s)(", da_expr_entry);
    for (int r = 0; r < k->nouts; r++, separator = ", ")
        add(t, "%sBUFFER(%s, out%d)", separator, types[k->out[r]].name, r);
    for (int i = 0; i < k->nins; i++)
        add(t, "%sBUFFER(const %s, in%d)", separator, types[k->in[i]].name, i);
    add(t, "%sVALUE(words, a)) {\n", separator);
    for (int r = 0; r < k->nouts; r++)
        add(t, "GLOBAL %s *q%d = DATA(%s, out%d);\n", types[k->out[r]].name, r, types[k->out[r]].name, r);
    for (int i = 0; i < k->nins; i++)
        add(t, "GLOBAL const %s *p%d = DATA(const %s, in%d);\n", types[k->in[i]].name, i,
            types[k->in[i]].name, i);
}

/* Indices <name>0, <name>1, ... of number `from` in a box; the extents are words from `first` on. */
static void add_indices(text *t, const char *name, const char *from, int axes, int first)
{
    if (axes > 1)
        add(t, "size rest_%s = %s;\n", name, from);
    for (int d = 0; d < axes; d++) {
        if (d == axes - 1)
            add(t, "const i64 %s%d = (i64)%s%s;\n", name, d, axes > 1 ? "rest_" : "", axes > 1 ? name : from);
        else
            add(t, "const i64 %s%d = (i64)(rest_%s %% (size)a.w[%d]);\nrest_%s /= (size)a.w[%d];\n", name, d,
                name, first + d, name, first + d);
    }
}

/* i0 * stride + i1 * stride + ..., the strides being words from `first` on. */
static void add_offset(text *t, const char *name, int axes, int first)
{
    for (int d = 0; d < axes; d++)
        add(t, "%s%s%d * a.w[%d]", d ? " + " : "", name, d, first + d);
    if (axes == 0)
        add(t, "0");
}

static void add_expr_kernel(text *t, const kernel *k)
{
    const int axes = k->as->kept, extents = 2, strides = extents + axes;
    int value[DA_EXPR_MAX_SLOTS];
    t->words = strides + (1 + k->nins) * axes;
    add_head(t, k);
    add(t, "for (i64 n = GROUP * LANES + LANE; n < a.w[0]; n += a.w[1]) {\nconst size i = (size)n;\n");
    add_indices(t, "i", "i", axes, extents);
    if (axes == 0)
        add(t, "(void)i;\n");
    for (int i = 0; i < k->nins; i++) {
        add(t, "const i64 at%d = ", i);
        add_offset(t, "i", axes, strides + (1 + i) * axes);
        add(t, ";\n");
    }
    add_program(t, k->p, NULL, value);
    add(t, "q0[");
    add_offset(t, "i", axes, strides);
    add(t, "] = v%d;\n}\n}\n", value[k->p->root[0]]);
}

/* r0, r1, ... take in what the names <from>0<index>, ... stand for. */
static void add_combination(text *t, const kernel *k, const char *from, const char *index)
{
    if (k->how->arg) {
        add(t, "if (comes_before(%s0%s, %s1%s, r0, r1)) {\nr0 = %s0%s;\nr1 = %s1%s;\n}\n", from, index, from,
            index, from, index, from, index);
        return;
    }
    for (int r = 0; r < k->values; r++) {
        add(t, "r%d = ", r);
        add_name(t, k->how->combine[r], k->value[r]);
        add(t, "(r%d, %s%d%s);\n", r, from, r, index);
    }
}

/* NaN before numbers, then the more extreme, then the lower index. */
static void add_comparison(text *t, const kernel *k)
{
    const char *const type = types[k->value[0]].name;
    add(t, "FUNCTION int comes_before(%s x, i64 at, %s old, i64 old_at) {\n", type, type);
    add(t, "return old != old ? x != x && at < old_at\n");
    add(t, ": x != x || x %c old || (x == old && at < old_at);\n}\n", k->how->max ? '>' : '<');
}

/* One element of what is reduced, number j, as e0, e1, ... */
static void add_element(text *t, const kernel *k, int extents, int inputs, int index)
{
    const int kept = k->as->kept, reduced = k->as->reduced;
    int value[DA_EXPR_MAX_SLOTS];
    add_indices(t, "j", "j", reduced, extents + kept);
    for (int i = 0; i < k->nins; i++) {
        add(t, "const i64 at%d = base%d + ", i, i);
        add_offset(t, "j", reduced, inputs + i * (kept + reduced) + kept);
        add(t, ";\n");
    }
    if (k->p)
        add_program(t, k->p, NULL, value);
    for (int r = 0; r < k->values; r++) {
        add(t, "const %s e%d = ", types[k->value[r]].name, r);
        if (k->p && k->how->arg && r == 1) {
            add(t, "a.w[%d] + ", index);
            add_offset(t, "j", reduced, index + 1);
        } else if (k->p) {
            add(t, "v%d", value[k->p->root[r]]);
        } else {
            add(t, "p%d[at%d]", r, r);
        }
        add(t, ";\n");
    }
}

/* What was reduced, r0, r1, ..., goes where it belongs. */
static void add_results(text *t, const kernel *k, int outputs)
{
    const int kept = k->as->kept;
    int value[DA_EXPR_MAX_SLOTS];
    if (k->final) {
        for (int r = 0; r < (k->how->arg ? 1 : k->values); r++)
            add(t, "const %s c%d = r%d;\n", types[k->value[k->how->arg ? 1 : r]].name, r,
                k->how->arg ? 1 : r);
        add_program(t, k->final, k->final->input_node, value);
    }
    for (int r = 0; r < k->nouts; r++) {
        add(t, "q%d[", r);
        add_offset(t, "i", kept, outputs + r * (kept + 1));
        add(t, " + (i64)chunk * a.w[%d]] = ", outputs + r * (kept + 1) + kept);
        add(t, k->final ? "v%d;\n" : "r%d;\n", k->final ? value[k->final->root[0]] : r);
    }
}

static void add_reduce_kernel(text *t, const kernel *k)
{
    const int kept = k->as->kept, reduced = k->as->reduced, extents = 4;
    const int outputs = extents + kept + reduced, inputs = outputs + k->nouts * (kept + 1);
    const int index = inputs + k->nins * (kept + reduced);
    t->words = index + (k->p && k->how->arg ? 1 + reduced : 0);
    if (k->how->arg)
        add_comparison(t, k);
    add_head(t, k);
    for (int r = 0; r < k->values && !k->as->across; r++)
        add(t, "LOCAL %s s%d[%d];\n", types[k->value[r]].name, r, (int)DA_SOURCE_LOCAL);
    if (k->as->across)
        add(t, "const i64 item = GROUP * LANES + LANE;\n"
               "if (item >= a.w[0] * a.w[2])\nreturn;\n"
               "const size result = (size)item %% (size)a.w[0], chunk = (size)item / (size)a.w[0];\n"
               "const i64 begin = (i64)chunk, end = a.w[1], step = a.w[2];\n");
    else
        add(t, "const size result = (size)GROUP / (size)a.w[2], chunk = (size)GROUP %% (size)a.w[2];\n"
               "const i64 first = (i64)chunk * a.w[3], begin = first + LANE, step = LANES;\n"
               "const i64 end = first + a.w[3] < a.w[1] ? first + a.w[3] : a.w[1];\n");
    add_indices(t, "i", "result", kept, extents);
    for (int i = 0; i < k->nins; i++) {
        add(t, "const i64 base%d = ", i);
        add_offset(t, "i", kept, inputs + i * (kept + reduced));
        add(t, ";\n");
    }
    for (int r = 0; r < k->values; r++)
        add(t, "%s r%d = {0};\n", types[k->value[r]].name, r);
    add(t, "int any = 0;\nfor (i64 n = begin; n < end; n += step) {\nconst size j = (size)n;\n");
    add_element(t, k, extents, inputs, index);
    add(t, "if (any) {\n");
    add_combination(t, k, "e", "");
    add(t, "} else {\n");
    for (int r = 0; r < k->values; r++)
        add(t, "r%d = e%d;\n", r, r);
    add(t, "any = 1;\n}\n}\n");
    if (!k->as->across) { /* half of them with the other half, and so on */
        for (int r = 0; r < k->values; r++)
            add(t, "s%d[LANE] = r%d;\n", r, r);
        add(t, "BARRIER();\nfor (int n = end - first < LANES ? (int)(end - first) : LANES; n > 1;) {\n"
               "const int middle = (n + 1) / 2;\nif (LANE + middle < n) {\n");
        add_combination(t, k, "s", "[LANE + middle]");
        for (int r = 0; r < k->values; r++)
            add(t, "s%d[LANE] = r%d;\n", r, r);
        add(t, "}\nBARRIER();\nn = middle;\n}\nif (LANE == 0) {\n");
    }
    add_results(t, k, outputs);
    add(t, k->as->across ? "}\n" : "}\n}\n");
}

/* ---- the whole ---- */

static void add_all(text *t, kernel *k)
{
    calls c = {{0}};
    text measured = {NULL, 0, 0};
    note_program(&c, k->p);
    note_program(&c, k->final);
    for (int r = 0; k->how && !k->how->arg && r < k->how->nroots; r++)
        note_call(&c, k->how->combine[r], k->how->dtype[r]);
    add(t, "#ifdef DA_CUDA\n"
           "#define AS_F32(w) __uint_as_float((u32)(w))\n#define AS_F64(w) __longlong_as_double((i64)(w))\n"
           "#else\n"
           "#define AS_F32(w) as_float((u32)(w))\n#define AS_F64(w) as_double((i64)(w))\n"
           "#endif\n");
    add_functions(t, &c, k->p, k->final);
    if (k->how)
        add_reduce_kernel(&measured, k);
    else
        add_expr_kernel(&measured, k); /* for the number of words */
    add(t, "typedef %s size;\ntypedef struct { i64 w[%d]; } words;\n", k->as->wide ? "u64" : "u32",
        measured.words);
    if (k->how)
        add_reduce_kernel(t, k);
    else
        add_expr_kernel(t, k);
}

static const char *find(const struct da_expr_text *list, const da_source_class *as)
{
    for (; list; list = list->next)
        if (list->as.kind == as->kind && list->as.kept == as->kept && list->as.reduced == as->reduced &&
            list->as.wide == as->wide && list->as.across == as->across)
            return list->source;
    return NULL;
}

const char *da_expr_source(const da_expr_program *keeper, const da_source_class *as, const da_expr_program *p,
                           const da_reduce_how *how, const da_expr_program *final)
{
    da_expr_texts *const texts = keeper->texts;
    struct da_expr_text *first = atomic_load_explicit(&texts->first, memory_order_acquire), *made;
    const char *const known = find(first, as);
    kernel k = {.as = as, .p = p, .how = how, .final = final};
    text measured = {NULL, 0, 0}, t = {NULL, 0, 0};

    if (known)
        return known;
    describe(&k);
    add_all(&measured, &k);
    made = texts->allocate(sizeof *made + measured.length + 1);
    if (!made)
        return NULL;
    made->as = *as;
    t.at = made->source;
    add_all(&t, &k);
    made->source[t.length] = 0;
    do { /* another thread may have made the same: then both are kept */
        made->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&texts->first, &first, made, memory_order_release,
                                                    memory_order_acquire));
    return made->source;
}

void da_expr_texts_drop(da_expr_texts *texts)
{
    struct da_expr_text *text = atomic_load_explicit(&texts->first, memory_order_acquire);
    while (text) {
        struct da_expr_text *const next = text->next;
        texts->free(text);
        text = next;
    }
}
