/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench.h What a case of darray-bench is. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "harness.h"

#include <darray/darray.h>

enum {
    BENCH_REAL = 1 << 0,      /* f32 and f64 */
    BENCH_COMPLEX = 1 << 1,   /* c64 and c128 */
    BENCH_F64_ONLY = 1 << 2,  /* no element type to speak of */
    BENCH_NO_INLINE = 1 << 3, /* run with DARRAY_INLINE=0 */
    BENCH_SELF = 1 << 4       /* ours is the reference too */
};

struct bench_case;

/** One measurement. The fields above the line are set by the program, the others by the case's setup(). */
typedef struct bench {
    const struct bench_case *kase;
    int64_t n;
    da_dtype dtype;
    int threads;
    bool starpu;     /* which runtime ours runs on */
    bool sampled;    /* predictions run only some tasks of each kind */
    bool huge_pages; /* the reference's memory asks for huge pages */
    const char *runtime;
    /* ---- */
    harness_side ours, reference;
    const char *reference_name; /* what the user would write instead, in a few words */
    double work;                /* of one call, in `unit` * seconds */
    const char *unit;
    double units_per_call; /* seconds are published per unit of these (a call unless set) */
    char tile[64];
    double residual, residual_bound; /* set by check() */
    harness_field extra[4];          /* more numbers for the JSON */
    int extras;
    void *state;
} bench;

/** A case. setup(), check() and the sides' steps return 0, or 1 after bench_fail(). */
typedef struct bench_case {
    const char *name;
    const char *what;
    int64_t size, quick_size; /* by default and with --quick */
    unsigned flags;           /* BENCH_* */
    int (*setup)(bench *b);
    int (*check)(bench *b); /* computes residual and residual_bound of ours */
    void (*teardown)(bench *b);
} bench_case;

/** Says on stderr what went wrong; returns 1. */
int bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Evaluates a call of darray; if it failed, says so and returns 1 from the enclosing function. */
#define BENCH_TRY(...)                                                                                       \
    do {                                                                                                     \
        const da_status bench_s_ = (__VA_ARGS__);                                                            \
        if (bench_s_ != DA_OK)                                                                               \
            return bench_fail("%s: %s", da_status_name(bench_s_), da_error());                               \
    } while (0)

/** Memory of the reference's side: aligned to cache lines; each page is touched by whoever fills it. Null after
 *  bench_fail(). */
void *bench_alloc(const bench *b, size_t bytes);

/** The unit roundoff of a dtype's real type, as LAPACK's dlamch('E'). */
double bench_eps(da_dtype dtype);
/** How many times more floating point operations a complex product-sum takes than a real one: 1 or 4. */
double bench_flop_factor(da_dtype dtype);
/** f32, f64, c64, c128. */
const char *bench_dtype_label(da_dtype dtype);
/** Writes an array's tile extents into b->tile. */
void bench_set_tile(bench *b, const da_array *a);

extern const bench_case bench_matmul, bench_syrk, bench_cholesky, bench_qr, bench_solve_triangular, bench_lu,
    bench_small_matmul, bench_solve, bench_solve_mixed;
extern const bench_case bench_qr_tall, bench_eigh, bench_svd;
extern const bench_case bench_batched_matmul, bench_batched_cholesky, bench_batched_lu, bench_batched_qr,
    bench_batched_solve;
extern const bench_case bench_expr, bench_expr_assign, bench_expr_math_assign, bench_sum;
extern const bench_case bench_task_overhead;

#endif
