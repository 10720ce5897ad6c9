/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels of linear algebra as codelets, with their by-value arguments. Four are public (darray/task.h); these are not.
 *
 * Matrices are column-major and of one dtype: f32, f64, c64 or c128, for gemm also the integers and bool. A buffer with more axes than
 * a kernel works on is a batch: the kernel runs on each of its matrices, buffers with extent 1 there are used for all of them.
 */
#ifndef DA_CODELETS_KERNELS_H
#define DA_CODELETS_KERNELS_H

#include <darray/task.h>

#include <limits.h>
#include <stdbool.h>

/* Element type of row exchanges: exchange i is of row i with row pivots[i], from 0. */
#define DA_PIVOT_DTYPE DA_I64

/* c = alpha a b + beta c, or with DA_RIGHT alpha b a + beta c, for a symmetric or Hermitian a. */
typedef struct da_symm_args {
    unsigned flags;     /* DA_LOWER or DA_UPPER: the triangle of a that is read; DA_RIGHT */
    unsigned hermitian; /* if not 0: the other triangle is the conjugate */
    da_c128 alpha, beta;
} da_symm_args;

/* One triangle of c = alpha a a^T + beta c, with `trans` of alpha a^T a + beta c (rank_k); of alpha a b^T + alpha b a^T + beta c or
 * alpha a^T b + alpha b^T a + beta c (rank_2k). trmm has da_trsm_args. */
typedef struct da_rank_args {
    unsigned uplo;  /* DA_LOWER or DA_UPPER */
    unsigned trans; /* if not 0, the transpose stands on the left */
    unsigned
        hermitian; /* if not 0, transposes are conjugated, and so is rank_2k's second alpha; beta and rank_k's alpha are real */
    unsigned pad;
    da_c128 alpha, beta;
} da_rank_args;

/* Copies src to dst, of any strides: all of it, or what lies on one side of (and on) the whole matrix's diagonal. */
typedef struct da_lacpy_args {
    unsigned uplo;  /* 0: all; DA_LOWER or DA_UPPER: that triangle */
    unsigned clear; /* if not 0: what is not copied becomes 0, otherwise it stays as it is */
    int64_t offset; /* row minus column, in the whole matrix, of the block's first element */
} da_lacpy_args;

/* Sets a block of the identity matrix. */
typedef struct da_laset_args {
    int64_t offset; /* as above */
} da_laset_args;

/* One block column of a right-looking Cholesky step: c -= a b^H, and where c begins with a diagonal block, only its lower triangle. */
typedef struct da_cholesky_update_args {
    unsigned
        diagonal; /* if not 0: c begins with the diagonal block, as many rows as c has columns; a begins with b */
    unsigned pad;
} da_cholesky_update_args;

/* trsm that reports a zero on t's diagonal as the fault offset + its index (from 1). */
typedef struct da_trsm_checked_args {
    da_trsm_args trsm;
    int64_t offset;
} da_trsm_checked_args;

/* Applies Q or Q^H of geqrt or tpqrt to c, or to the pair (a, b). */
typedef struct da_unmqr_args {
    unsigned flags; /* DA_CONJ_TRANSPOSE: Q^H; DA_RIGHT: from the right */
    unsigned pad;
} da_unmqr_args;

/* Q and R of small matrices. */
typedef struct da_small_qr_args {
    unsigned form_q; /* if 0, q is not written */
    unsigned pad;
} da_small_qr_args;

/* Of a triangle from QR with column exchanges. */
typedef struct da_numerical_rank_args {
    double rcond; /* 1 / rcond: the largest condition taken for full rank; negative: in units of -eps */
} da_numerical_rank_args;

/* Rows from the rank on become zero, or those of the identity. */
typedef struct da_truncate_args {
    unsigned unit, pad;
    int64_t offset; /* the row that the block begins with */
} da_truncate_args;

/* Row exchanges. */
typedef struct da_pivot_args {
    int64_t
        offset; /* row of the block's first row in the whole matrix, which pivots count from; exchange 0 is of that row */
    unsigned inverse; /* laswp: if not 0, the exchanges are undone: from the last to the first */
    unsigned
        given; /* laswp: if not 0, by the user: rows that do not exist fail the task, of which devices know nothing */
} da_pivot_args;

/* Eigenvalues of Hermitian matrices. */
typedef struct da_heevd_args {
    unsigned uplo;    /* DA_LOWER or DA_UPPER: the triangle that is read */
    unsigned vectors; /* if not 0, a becomes the eigenvectors, else it is used up */
} da_heevd_args;

/* Of a part of a tridiagonal or bidiagonal matrix. */
typedef struct da_stedc_args {
    int64_t at; /* its first row in the whole one */
} da_stedc_args;

/* Two neighbouring parts of one become one (cpu/merge.inc). */
typedef struct da_merge_args {
    int64_t top;     /* order of the upper one; of a bidiagonal matrix its columns */
    int64_t column;  /* of the two together, with which the task begins */
    unsigned right;  /* bdsdc_product: if not 0, of V, else of U */
    unsigned turned; /* and not columns but rows of V^T */
} da_merge_args;

/* What the tasks of a merge tell each other: columns of an array with a row for each eigenvalue or singular value. Whole numbers are numbers of the matrices' dtype. */
enum {
    DA_PLAN_D, /* the parts' values, scaled: of what is kept, ascending, then of what is set aside, ascending */
    DA_PLAN_Z,      /* of what is kept */
    DA_PLAN_ROW,    /* of what is kept: its column in the packed Q */
    DA_PLAN_SOURCE, /* the column of Q that is the packed Q's column i */
    DA_PLAN_PLACE, /* what is the result's column i: a root's number or, of what is set aside, a column of the packed Q */
    /* single numbers, in row 0 */
    DA_PLAN_KEPT,
    DA_PLAN_LEFT,  /* packed columns that are zero in the lower part: the first ones */
    DA_PLAN_ABOVE, /* packed columns that are not zero in the upper part: these and those behind them */
    DA_PLAN_RHO,
    DA_PLAN_SCALE, /* values are multiplied by this power of two */
    DA_PLAN_COLUMNS
};

/* Singular values of a bidiagonal matrix. */
typedef struct da_bdsdc_args {
    int64_t offset; /* added to LAPACK's info */
} da_bdsdc_args;

/* A column of hetrd's panel, a column or row of gebrd's. */
typedef struct da_hetrd_args {
    int64_t column; /* from 0; the panel's width: what is left to be done behind its last column */
} da_hetrd_args;

/* Singular values. */
typedef struct da_gesdd_args {
    unsigned
        rows; /* if not 0, what is not finite is told by its row: a is the transpose of the user's matrix */
    unsigned pad;
} da_gesdd_args;

/*
 * Whether heevd of an n x n matrix, or gesdd of an m x n one (m >= n), can be one task on devices and on the CPU: all count their workspace in 32 bits.
 * cuSOLVER does not say how much it wants: syevd seems to want 4 n^2 elements, gesvd of some versions m^2, however few the columns. LAPACK's heevd wants
 * 2 n^2, and gesdd 4 n^2, or where it is complex 5 n^2 and 2 n (m + n) reals: no more than m^2 + 4 n^2. The rest is for what grows with n.
 */
static inline bool da_heevd_one_task(int64_t n)
{
    const double order = (double)n;

    return 4 * order * order + 256 * order < INT_MAX;
}

static inline bool da_gesdd_one_task(int64_t m, int64_t n)
{
    const double rows = (double)m, columns = (double)n;

    return rows * rows + 4 * columns * columns + 256 * rows < INT_MAX;
}

/* Whether gesdd can be on the CPU, where one_task may be too cautious: complex matrices want no 2 n (m + n) where it begins with QR. */
static inline bool da_gesdd_on_cpu(bool is_complex, int64_t m, int64_t n)
{
    const double rows = (double)m, columns = (double)n;
    const double both = is_complex && 9 * rows < 17 * columns + 9 ? 2 * columns * (rows + columns) : 0,
                 squares = (is_complex ? 5 : 4) * columns * columns;

    return (both > squares ? both : squares) + 256 * rows < INT_MAX;
}

/* The determinant, or its sign (of magnitude 1) beside the logarithm of its magnitude. */
typedef struct da_det_args {
    unsigned logarithm;
    unsigned pad;
} da_det_args;

/* DA_LOWER or DA_UPPER: of a Hermitian matrix that triangle; its Cholesky factor. 0: any matrix; its LU. */
typedef struct da_norm1_args {
    unsigned uplo;
    unsigned pad;
} da_norm1_args;

/* Bunch-Kaufman. */
typedef struct da_ldl_args {
    unsigned uplo;      /* DA_LOWER or DA_UPPER */
    unsigned symmetric; /* if not 0: a = L D L^T, else a = L D L^H */
    unsigned
        given; /* sytrs: if not 0, pivots are the user's: wrong ones fail the task, of which devices know nothing */
    unsigned pad;
} da_ldl_args;

/* ---- the codelets; see kernel_list.inc for their buffers ---- */

#define KERNEL(name, ...) extern const da_codelet da_codelet_##name;
#define PUBLIC_KERNEL(name, ...)
#include "kernel_list.inc"
#undef KERNEL
#undef PUBLIC_KERNEL

/* pivots, a copy: of vectors of them, with a da_ldl_args; on CPUs alone. The task fails unless they are some that sytrs takes. */
extern const da_codelet da_codelet_ldl_pivots;

/* Fails the task unless n pivots of sytrf, `step` apart, name rows that there are, and blocks of 2 x 2 come in pairs. */
da_status da_ldl_pivots_check(const da_call *call, const int64_t *pivots, int64_t n, int64_t step,
                              bool upper);

/* True for the dtypes of linear algebra: f32, f64, c64, c128. */
bool da_kernels_take(da_dtype dtype);

/* The one of them with half as many bits as `dtype`; 0 if there is none. */
da_dtype da_kernels_half(da_dtype dtype);

/* Whether matrices of m x n, and Q of `columns` columns, are small for small_qr; it takes others as well. */
bool da_kernels_small_qr(int64_t m, int64_t n, int64_t columns);

/* The dtypes that the gemm codelet takes: those and the integers and bool. */
bool da_kernels_multiply(da_dtype dtype);

#endif
