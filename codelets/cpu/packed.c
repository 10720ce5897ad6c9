/* SPDX-License-Identifier: BSD-3-Clause */
/* See packed.h. Compiled once per CPU level, with multiplications and additions contracted. */
#include "packed.h"

#define LEVEL__(level) da_packed_level##level
#define LEVEL_(level) LEVEL__(level)

#if DA_CPU_LEVEL == 4
enum {
    LANES = 8,
    ROWS = LANES,
    COLUMNS = 4
}; /* of the part of c whose sums are in registers: two vectors a column */

typedef double vector __attribute__((vector_size(64), aligned(8), may_alias));

/* op(x), or a block of it: element (i, j) is at x + i down + j right. */
typedef struct operand {
    const double _Complex *x;
    ptrdiff_t down, right;
    bool conjugate;
} operand;

static operand operand_of(const da_matrix *x, unsigned trans)
{
    const operand o = {x->data, trans ? x->ld : 1, trans ? 1 : x->ld, trans == DA_CONJ_TRANSPOSE};

    return o;
}

/* m rows of a in strips of ROWS, of which a column follows the other; rows that are not there are 0. */
static void pack_rows(double *to, const operand *a, int i, int m, int first, int depth)
{
    const double sign = a->conjugate ? -1 : 1;

    for (int end = i + m; i < end; i += ROWS, to += (ptrdiff_t)2 * ROWS * depth) {
        const double _Complex *const from = a->x + i * a->down + first * a->right;
        const int rows = end - i < ROWS ? end - i : ROWS;

        if (rows == ROWS && a->down == 1 && !a->conjugate) {
            for (int k = 0; k < depth; k++) {
                const vector *const column = (const vector *)(from + k * a->right);

                ((vector *)to)[2 * k] = column[0];
                ((vector *)to)[2 * k + 1] = column[1];
            }
            continue;
        }
        for (int r = 0; r < ROWS; r++)
            for (int k = 0; k < depth; k++) {
                const double *const parts = (const double *)(from + r * a->down + k * a->right);

                to[2 * (k * ROWS + r)] = r < rows ? parts[0] : 0;
                to[2 * (k * ROWS + r) + 1] = r < rows ? sign * parts[1] : 0;
            }
    }
}

/* n columns of b in strips of COLUMNS, of which a row follows the other; likewise. */
static void pack_columns(double *to, const operand *b, int first, int depth, int j, int n)
{
    const operand turned = {b->x, b->right, b->down, b->conjugate};
    const double sign = b->conjugate ? -1 : 1;

    for (int end = j + n; j < end; j += COLUMNS, to += (ptrdiff_t)2 * COLUMNS * depth) {
        const double _Complex *const from = b->x + first * turned.right + j * turned.down;
        const int columns = end - j < COLUMNS ? end - j : COLUMNS;

        for (int l = 0; l < COLUMNS; l++)
            for (int k = 0; k < depth; k++) {
                const double *const parts = (const double *)(from + l * turned.down + k * turned.right);

                to[2 * (k * COLUMNS + l)] = l < columns ? parts[0] : 0;
                to[2 * (k * COLUMNS + l) + 1] = l < columns ? sign * parts[1] : 0;
            }
    }
}

#define INLINE static inline __attribute__((always_inline))

/* x *= i */
INLINE void turn(vector *x)
{
    const vector signs = {-1, 1, -1, 1, -1, 1, -1, 1};

    *x = __builtin_shufflevector(*x, *x, 1, 0, 3, 2, 5, 4, 7, 6) * signs;
}

/* x *= factor */
INLINE void scale(vector *x, double _Complex factor)
{
    const double *const parts = (const double *)&factor;
    vector turned = *x;

    *x *= parts[0];
    if (parts[1] != 0) {
        turn(&turned);
        *x += turned * parts[1];
    }
}

/* ROWS x COLUMNS elements of c, of which m x n are there, from a strip of each. */
static void multiply_strips(int depth, const double *a, const double *b, double _Complex alpha,
                            double _Complex beta, double _Complex *c, ptrdiff_t ld, int m, int n)
{
    vector re[2][COLUMNS] = {{{0}}}, im[2][COLUMNS] = {{{0}}};
    double _Complex part[ROWS * COLUMNS] = {0};
    const bool whole = m == ROWS && n == COLUMNS;

    for (int l = 0; l < n; l++) {
        __builtin_prefetch(c + l * ld, 1);
        __builtin_prefetch(c + l * ld + m - 1, 1);
    }
    for (int k = 0; k < depth; k++, a += 2 * ROWS, b += 2 * COLUMNS)
        for (int l = 0; l < COLUMNS; l++)
            for (int v = 0; v < 2; v++) {
                re[v][l] += ((const vector *)a)[v] * b[2 * l];
                im[v][l] += ((const vector *)a)[v] * b[2 * l + 1];
            }
    if (!whole && beta != 0)
        for (int l = 0; l < n; l++)
            for (int i = 0; i < m; i++)
                part[l * ROWS + i] = c[i + l * ld];
    for (int l = 0; l < COLUMNS; l++)
        for (int v = 0; v < 2; v++) {
            vector *const out = (vector *)(whole ? c + l * ld : part + l * ROWS) + v;

            turn(&im[v][l]);
            re[v][l] += im[v][l];
            scale(&re[v][l], alpha);
            if (beta != 0) {
                vector old = *out;

                scale(&old, beta);
                re[v][l] += old;
            }
            *out = re[v][l];
        }
    if (!whole)
        for (int l = 0; l < n; l++)
            for (int i = 0; i < m; i++)
                c[i + l * ld] = part[l * ROWS + i];
}

static void multiply(unsigned transa, unsigned transb, double _Complex alpha, const da_matrix *a,
                     const da_matrix *b, double _Complex beta, const da_matrix *c, void *work)
{
    const operand op_a = operand_of(a, transa), op_b = operand_of(b, transb);
    const int all = transa ? a->m : a->n;
    double *const rows = work, *const columns = rows + 2 * DA_PACKED_DEPTH * DA_PACKED_ROWS;

    for (int j = 0; j < c->n; j += DA_PACKED_COLUMNS) {
        const int n = da_min_(c->n - j, DA_PACKED_COLUMNS);

        for (int k = 0; k < all; k += DA_PACKED_DEPTH) {
            const int depth = da_min_(all - k, DA_PACKED_DEPTH);
            const double _Complex factor = k == 0 ? beta : 1;

            pack_columns(columns, &op_b, k, depth, j, n);
            for (int i = 0; i < c->m; i += DA_PACKED_ROWS) {
                const int m = da_min_(c->m - i, DA_PACKED_ROWS);

                pack_rows(rows, &op_a, i, m, k, depth);
                for (int l = 0; l < n; l += COLUMNS)
                    for (int r = 0; r < m; r += ROWS)
                        multiply_strips(depth, rows + (ptrdiff_t)2 * r * depth,
                                        columns + (ptrdiff_t)2 * l * depth, alpha, factor,
                                        (double _Complex *)c->data + i + r + (ptrdiff_t)(j + l) * c->ld,
                                        c->ld, da_min_(m - r, ROWS), da_min_(n - l, COLUMNS));
            }
        }
    }
}

const da_packed LEVEL_(DA_CPU_LEVEL) = multiply;
#else
const da_packed LEVEL_(DA_CPU_LEVEL) = NULL;
#endif
