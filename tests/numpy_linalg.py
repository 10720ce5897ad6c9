#!/usr/bin/python3
"""numpy_linalg.py LIBRARY [SEED [PART CASE]]: linear algebra against NumPy (and SciPy where it is installed), over random shapes, batches,
dtypes, views and tilings. Where Debian's reference LAPACK is installed it is what NumPy calls, so that the two sides share no code, and its
`info` is what breakdowns are compared with. Runs itself once per runtime and tiling. Skips (77) without NumPy or under a sanitizer.
A failure tells SEED, PART and CASE, which repeat it.
"""
import ctypes
import glob
import os
import re
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from numpy_compare import Array, axes_of, np, shape_of  # noqa: E402
from numpy_expressions import Numpy, random_view, run_variants, scalar, values  # noqa: E402

try:
    import scipy.linalg
except ImportError:
    scipy = None

FLOATS = ["float32", "float64", "complex64", "complex128"]
INTEGERS = ["bool", "int8", "int32", "int64", "uint8", "uint64"]
UPPER, LOWER, UNIT, TRANSPOSE, CONJ_TRANSPOSE, RIGHT, COMPLETE = 2, 4, 8, 16, 32, 64, 128
NUMERICAL = 8
checks = 0


class Oracle(Numpy):
    def fault(self, a):
        """The sentence of the breakdown that an array carries, or None."""
        status = self.c.da_wait(a.p)
        text = self.c.da_error().decode()
        assert status in (0, NUMERICAL), "status %d: %s" % (status, text)
        return text if status else None

    def two(self, name, *args):
        """The two arrays that function `name` gives out."""
        one, other = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(getattr(self.c, name)(ctypes.byref(one), ctypes.byref(other), *args))
        return Array(self, one), Array(self, other)

    def operand(self, rng, a):
        """`a` in the library, in some tiling and often as a view, or repeated along axes in which it does not differ."""
        if rng.random() < .7:
            tile = [int(n) for n in rng.choice([1, 2, 3, 4, 7, 8, 16, 50], int(rng.integers(1, 4)))]
            self.check(self.c.da_blocks(shape_of(tile)))
        if a.size and any(n > 1 and s == 0 for n, s in zip(a.shape, a.strides)):
            once = a[tuple(slice(0, 1) if s == 0 else slice(None) for s in a.strides)]
            held = self.make("da_broadcast_to", self.operand(rng, once), shape_of(a.shape))
        else:
            held = random_view(self, rng, a) if rng.random() < .6 else self.array(a)
        self.check(self.c.da_blocks(shape_of([])))
        return held


# ---- values ----

def extent(rng):
    return int(rng.choice([0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 31], p=[.04, .08] + [.88 / 12] * 12))


def lead(rng):
    """Leading axes of a batch."""
    return tuple(int(n) for n in rng.choice([0, 1, 2, 3, 4], int(rng.integers(1, 3)), p=[.05, .2, .35, .2, .2])) \
        if rng.random() < .4 else ()


def broadcastable(rng, shape):
    """A shape that broadcasts to this one."""
    some = tuple(1 if rng.random() < .3 else n for n in shape)
    return some[int(rng.integers(len(some) + 1)):] if rng.random() < .3 else some


def random_floats(rng, dtype, shape):
    a = values(rng, dtype, shape, small=True)
    how = rng.integers(6)
    if how == 0:
        a = np.round(a).astype(dtype)
    elif how == 1:
        a = (a * 10.0 ** rng.integers(-6, 7)).astype(dtype)
    elif how == 2 and a.ndim >= 2:  # rows of very different size
        a = (a * 10.0 ** rng.integers(-4, 5, a.shape[-2])[:, None]).astype(dtype)
    elif how == 3 and a.ndim >= 3:  # one matrix, repeated along an axis
        axis = int(rng.integers(a.ndim - 2))
        a = np.broadcast_to(a[(slice(None),) * axis + (slice(0, 1),)], a.shape)
    return a


def definite(rng, dtype, shape):
    """Hermitian positive definite matrices of condition 1 to 1e4 or so."""
    n = shape[-1]
    x = wide(values(rng, dtype, shape, small=True))
    q = np.linalg.qr(x)[0] if x.size else x
    a = (q * 10.0 ** rng.uniform(-4, 0, n)) @ np.conj(np.swapaxes(q, -1, -2)) if n else x
    return ((a + np.conj(np.swapaxes(a, -1, -2))) / 2).astype(dtype)


def triangular(rng, dtype, shape, upper):
    """Well-conditioned triangles, as those of LU are; what lies outside is filled as well."""
    n = shape[-1]
    a = values(rng, dtype, shape, small=True)
    triangle = np.triu(a) if upper else np.tril(a)
    scale = np.eye(n) + (1 - np.eye(n)) * .5 / np.sqrt(max(n, 1))
    signs = np.where(np.diagonal(a, axis1=-2, axis2=-1).real < 0, -1, 1)[..., None] * np.eye(n)
    return (triangle * scale + signs).astype(dtype), (np.triu(a, 1) if not upper else np.tril(a, -1))


def whole(a, upper, hermitian):
    """The symmetric or Hermitian matrices of which one triangle of `a` is read."""
    strict = np.triu(a, 1) if upper else np.tril(a, -1)
    diagonal = (a.real if hermitian else a) * np.eye(a.shape[-1])
    return (strict + (herm(strict) if hermitian else np.swapaxes(strict, -1, -2)) + diagonal).astype(a.dtype)


def outside(n, upper, unit=False):
    """Where a function that reads one triangle should not look."""
    return (np.tril(np.ones((n, n)), -1) if upper else np.triu(np.ones((n, n)), 1)) + (np.eye(n) if unit else 0) > 0


def hidden(a, upper, unit=False):
    """`a` with NaN there."""
    return np.where(outside(a.shape[-1], upper, unit), np.asarray(np.nan, a.dtype), a)


def regular(rng, dtype, shape):
    """Matrices of (..., m, n) of full rank and moderate condition."""
    return (values(rng, dtype, shape, small=True) + 3 * np.eye(*shape[-2:])).astype(dtype)


def wide(a):
    """In the larger precision."""
    return a.astype("complex128" if a.dtype.kind == "c" else "float64")


def exact(a):
    """In the largest."""
    return a.astype(np.clongdouble if a.dtype.kind == "c" else np.longdouble)


def herm(a):
    return np.conj(np.swapaxes(a, -1, -2))


def turned(a, op):
    return {0: a, TRANSPOSE: np.swapaxes(a, -1, -2), CONJ_TRANSPOSE: herm(a)}[op]


def real_dtype(dtype):
    return np.dtype(dtype).type(0).real.dtype


def upper_or_lower(rng):
    upper = bool(rng.integers(2))
    return upper, UPPER if upper else LOWER


# ---- checks ----

def norm(a):
    return np.sqrt((np.abs(exact(a)) ** 2).sum((-1, -2)))


def small(what, error, scale, limit, dtype):
    """|error| <= limit eps scale, matrix by matrix."""
    global checks
    checks += 1
    bound = limit * np.finfo(dtype).eps * scale + np.finfo(dtype).tiny
    with np.errstate(all="ignore"):
        ratio = np.max(np.where(norm(error) == 0, 0, norm(error) / bound), initial=0)
    assert np.all(norm(error) <= bound), "%s: error of %.3g times what is allowed" % (what, ratio)


def shaped(what, ours, shape, dtype):
    global checks
    checks += 1
    assert ours.shape == tuple(shape) and ours.dtype == dtype, "%s: %s %s instead of %s %s" % (
        what, ours.dtype, ours.shape, np.dtype(dtype), tuple(shape))


def equal(what, ours, theirs):
    global checks
    checks += 1
    assert ours.shape == theirs.shape and np.array_equal(ours, theirs), "%s: %s instead of %s" % (what, ours, theirs)


def sums(what, ours, theirs, scale, terms, dtype):
    """Sums of so many products, element by element; `scale` has those of the magnitudes."""
    global checks
    shaped(what, ours, np.shape(theirs), dtype)
    checks += 1
    bound = (terms + 2) * 2 * np.finfo(dtype).eps * scale + np.finfo(dtype).tiny
    assert np.all(np.abs(ours - theirs) <= bound), "%s: %s instead of %s" % (what, ours, theirs)


def solves(what, x, a, b):
    """|a x - b| is small."""
    n = max(a.shape[-1], 1)
    shaped(what, x, np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (a.shape[-1], b.shape[-1]), a.dtype)
    small(what, exact(a) @ exact(x) - exact(b), norm(a) * norm(x) + norm(b), 30 * n, a.dtype)


# ---- products ----

def matmul(lib, rng):
    dtype = str(rng.choice(FLOATS + INTEGERS))
    m, k, n = extent(rng), extent(rng), extent(rng)
    shape = lead(rng)
    a_shape, b_shape = broadcastable(rng, shape) + (m, k), broadcastable(rng, shape) + (k, n)
    if rng.random() < .15:
        a_shape = (k,)
    if rng.random() < .15:
        b_shape = (k,)
    make = random_floats if dtype in FLOATS else values
    a, b = make(rng, dtype, a_shape), make(rng, dtype, b_shape)
    ours = lib.make("da_matmul", lib.operand(rng, a), lib.operand(rng, b)).numpy()
    if dtype not in FLOATS:
        equal("matmul", ours, np.asarray(np.matmul(a, b)))
        return
    theirs = np.asarray(np.matmul(exact(a), exact(b)))
    sums("matmul", ours, theirs, np.matmul(np.abs(exact(a)), np.abs(exact(b))), k, dtype)


def factor(rng, dtype, complex_too=True):
    """An alpha or beta."""
    x = [0.0, 1.0, -1.0, 2.5][rng.integers(4)]
    return complex(x, 1.5) if complex_too and np.dtype(dtype).kind == "c" and rng.random() < .5 else x


def unused(rng, factor, a):
    """`a`, sometimes with a NaN where nothing should look: with a factor of 0."""
    a = np.array(a)
    if factor == 0 and a.size and rng.random() < .5:
        a.flat[int(rng.integers(a.size))] = np.nan
    return a


def gemm(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, k, n = extent(rng), extent(rng), extent(rng)
    shape = lead(rng)
    alpha, beta = factor(rng, dtype), factor(rng, dtype)
    own = rng.random() < .2  # its own transpose
    a = random_floats(rng, dtype, broadcastable(rng, shape) + (m, k))
    b = np.swapaxes(a, -1, -2) if own else random_floats(rng, dtype, broadcastable(rng, shape) + (k, n))
    n = b.shape[-1]
    c = np.array(random_floats(rng, dtype, shape + (m, n)))
    held, held_a = lib.operand(rng, unused(rng, beta, c)), lib.operand(rng, unused(rng, alpha, a))
    held_b = lib.make("da_matrix_transpose", held_a) if own else lib.operand(rng, b)
    lib.check(lib.c.da_gemm(held, scalar(alpha), held_a, held_b, scalar(beta)))
    ours = held.numpy()
    theirs = alpha * np.matmul(exact(a), exact(b)) + beta * exact(c)
    shaped("gemm", ours, c.shape, dtype)
    scale = np.sqrt(k + 2) * abs(alpha) * norm(a) * norm(b) + 2 * abs(beta) * norm(c)
    small("gemm", ours - theirs, scale, 3, dtype)


def gemm_integers(lib, rng):
    dtype = str(rng.choice(INTEGERS))
    m, k, n = extent(rng), extent(rng), extent(rng)
    shape = lead(rng)
    a, b = values(rng, dtype, broadcastable(rng, shape) + (m, k)), values(rng, dtype, broadcastable(rng, shape) + (k, n))
    c = values(rng, dtype, shape + (m, n))
    alpha, beta = [int(x) for x in rng.integers(0, 2 if dtype == "bool" else 100, 2)]
    if np.dtype(dtype).kind == "i":
        beta = -beta
    held = lib.operand(rng, c)
    lib.check(lib.c.da_gemm(held, scalar(alpha), lib.operand(rng, a), lib.operand(rng, b), scalar(beta)))
    theirs = np.asarray(alpha, dtype) * np.matmul(a, b) + np.asarray(beta, dtype) * c
    equal("gemm of %s" % dtype, held.numpy(), theirs.astype(dtype))


def any_shape(rng, axes):
    return tuple(int(n) for n in rng.choice([0, 1, 2, 3, 5, 8], axes, p=[.04, .16, .2, .2, .2, .2]))


def tensordot(lib, rng):
    dtype = str(rng.choice(FLOATS + INTEGERS))
    common = any_shape(rng, int(rng.integers(0, 3)))
    rest = [any_shape(rng, int(rng.integers(0, 3))) for _ in range(2)]
    named = rng.random() < .5
    make = random_floats if dtype in FLOATS else values
    shapes, axes = [], []
    for side in range(2):
        shape = rest[side] + common if side == 0 else common + rest[side]
        at = [len(rest[0]) + i if side == 0 else i for i in range(len(common))]
        order = [int(d) for d in rng.permutation(len(shape))] if named else list(range(len(shape)))
        shapes.append(tuple(shape[d] for d in order))
        axes.append([order.index(d) - len(shape) * int(rng.integers(2)) for d in at])
    a, b = make(rng, dtype, shapes[0]), make(rng, dtype, shapes[1])
    if named:
        ours = lib.make("da_tensordot_axes", lib.operand(rng, a), lib.operand(rng, b), axes_of(axes[0]), axes_of(axes[1]))
        how = axes
    else:
        ours = lib.make("da_tensordot", lib.operand(rng, a), lib.operand(rng, b), len(common))
        how = len(common)
    if dtype in FLOATS:
        theirs, scale = np.tensordot(exact(a), exact(b), how), np.tensordot(np.abs(exact(a)), np.abs(exact(b)), how)
        sums("tensordot", ours.numpy(), theirs, scale, int(np.prod(common)), dtype)
    else:
        equal("tensordot", ours.numpy(), np.asarray(np.tensordot(a, b, how)))


def promoted(a, b):
    """Both in the dtype that they are promoted to, and this dtype; floats in the largest precision."""
    dtype = np.promote_types(a.dtype, b.dtype)
    return [exact(x.astype(dtype)) if dtype.kind in "fc" else x.astype(dtype) for x in (a, b)] + [dtype]


def vecdot(lib, rng):
    """Of any two dtypes; NumPy 1 has none."""
    first, second = [str(rng.choice(FLOATS + INTEGERS)) for _ in range(2)]
    shape = any_shape(rng, int(rng.integers(0, 4)))
    k, axis = extent(rng), -1 - int(rng.integers(len(shape) + 1))

    def operand(dtype):
        """The vectors along `axis` of an array whose other axes broadcast."""
        others = broadcastable(rng, shape)
        others = others if len(others) >= -1 - axis else shape
        x = values(rng, dtype, others + (k,), small=True)
        return np.moveaxis(x, -1, axis)

    a, b = operand(first), operand(second)
    ours = lib.make("da_vecdot", lib.operand(rng, a), lib.operand(rng, b), axis).numpy()
    x, y, dtype = promoted(np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1))
    if dtype.kind in "fc":
        sums("vecdot", ours, (np.conj(x) * y).sum(-1), np.abs(x * y).sum(-1), k, dtype)
    elif dtype.kind == "b":
        equal("vecdot", ours, np.asarray((x & y).any(-1)))
    else:
        equal("vecdot", ours, np.asarray((x * y).sum(-1, dtype=dtype)))


def outer(lib, rng):
    a, b = [values(rng, str(rng.choice(FLOATS + INTEGERS)), (extent(rng),), small=True) for _ in range(2)]
    ours = lib.make("da_outer", lib.operand(rng, a), lib.operand(rng, b)).numpy()
    x, y, dtype = promoted(a, b)
    theirs = np.multiply.outer(x, y)
    if dtype.kind in "fc":
        sums("outer", ours, theirs, np.abs(theirs), 1, dtype)
    else:
        equal("outer", ours, theirs)


def matrix_power(lib, rng):
    dtype = str(rng.choice(FLOATS + INTEGERS))
    m, power = min(extent(rng), 17), int(rng.integers(-4 if dtype in FLOATS else 0, 9))
    shape = lead(rng) + (m, m)
    a = (regular(rng, dtype, shape) / (3 + np.sqrt(m))).astype(dtype) if dtype in FLOATS else values(rng, dtype, shape, small=True)
    held = lib.make("da_matrix_power", lib.operand(rng, a), ctypes.c_int64(power))
    assert lib.fault(held) is None, lib.fault(held)
    ours = held.numpy()
    if dtype not in FLOATS:
        equal("matrix_power %d" % power, ours, np.linalg.matrix_power(a, power))
        return
    shaped("matrix_power", ours, a.shape, dtype)
    theirs = np.linalg.matrix_power(exact(a), abs(power))
    limit = 3 * max(m, 1) * max(abs(power), 1)
    if power >= 0:
        small("matrix_power %d" % power, ours - theirs, np.maximum(norm(a), 1) ** power, limit, dtype)
    elif m:
        inverse = norm(np.linalg.inv(wide(a)))
        small("matrix_power %d" % power, exact(ours) @ theirs - np.eye(m), (norm(a) * inverse) ** -power, limit, dtype)


# ---- BLAS 3 ----

def symm(lib, rng):
    """And hemm."""
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng)
    shape = lead(rng)
    hermitian, right = [bool(rng.integers(2)) for _ in range(2)]
    upper, flags = upper_or_lower(rng)
    order = n if right else m
    alpha, beta = factor(rng, dtype), factor(rng, dtype)
    a = random_floats(rng, dtype, broadcastable(rng, shape) + (order, order))
    b = random_floats(rng, dtype, broadcastable(rng, shape) + (m, n))
    c = np.array(random_floats(rng, dtype, shape + (m, n)))
    held = lib.operand(rng, unused(rng, beta, c))
    lib.check(getattr(lib.c, "da_hemm" if hermitian else "da_symm")(
        held, scalar(alpha), lib.operand(rng, hidden(a, upper)), lib.operand(rng, unused(rng, alpha, b)), scalar(beta),
        flags | (RIGHT if right else 0)))
    full = exact(whole(a, upper, hermitian))
    theirs = alpha * (exact(b) @ full if right else full @ exact(b)) + beta * exact(c)
    shaped("symm", held.numpy(), c.shape, dtype)
    scale = np.sqrt(order + 2) * abs(alpha) * norm(full) * norm(b) + 2 * abs(beta) * norm(c)
    small("hemm" if hermitian else "symm", held.numpy() - theirs, scale, 3, dtype)


def rank_update(lib, rng):
    """syrk, herk, syr2k, her2k."""
    dtype = str(rng.choice(FLOATS))
    n, k = extent(rng), extent(rng)
    shape = lead(rng)
    hermitian, twice, transposed = [bool(rng.integers(2)) for _ in range(3)]
    name = ("her" if hermitian else "syr") + ("2k" if twice else "k")
    upper, flags = upper_or_lower(rng)
    op = CONJ_TRANSPOSE if hermitian else TRANSPOSE
    if transposed:
        flags |= int(rng.choice([TRANSPOSE, CONJ_TRANSPOSE])) if np.dtype(dtype).kind == "f" else op
    alpha, beta = factor(rng, dtype, not hermitian or twice), factor(rng, dtype, not hermitian)
    a, b = [random_floats(rng, dtype, broadcastable(rng, shape) + ((k, n) if transposed else (n, k))) for _ in range(2)]
    b = b if twice else a
    c = random_floats(rng, dtype, shape + (n, n))
    other = outside(n, upper)
    given = hidden(c, upper) if beta else np.full_like(c, np.nan)
    held = lib.operand(rng, given)
    operands = [lib.operand(rng, unused(rng, alpha, x)) for x in ((a, b) if twice else (a,))]
    lib.check(getattr(lib.c, "da_" + name)(held, scalar(alpha), *operands, scalar(beta), flags))
    ours = held.numpy()
    equal(name + "'s other triangle", np.isnan(ours), np.broadcast_to(other, ours.shape))

    def product(x, y):
        x, y = exact(x), exact(y)
        return turned(x, op) @ y if transposed else x @ turned(y, op)

    theirs = alpha * product(a, b) + beta * exact(whole(c, upper, hermitian))
    if twice:
        theirs = theirs + (np.conj(alpha) if hermitian else alpha) * product(b, a)
    if hermitian:
        equal(name + "'s diagonal", np.diagonal(ours, axis1=-2, axis2=-1).imag, np.zeros(shape + (n,), real_dtype(dtype)))
    scale = (2 if twice else 1) * np.sqrt(k + 2) * abs(alpha) * norm(a) * norm(b) + 2 * abs(beta) * norm(np.where(other, 0, c))
    small(name, np.where(other, 0, ours - theirs), scale, 3, dtype)


def triangular_in_place(lib, rng):
    """trmm and trsm."""
    dtype = str(rng.choice(FLOATS))
    n, p = extent(rng), extent(rng)
    shape = lead(rng)
    solve_, unit, right = [bool(rng.integers(2)) for _ in range(3)]
    upper, flags = upper_or_lower(rng)
    op = int(rng.choice([0, TRANSPOSE, CONJ_TRANSPOSE]))
    alpha = factor(rng, dtype)
    t = triangular(rng, dtype, broadcastable(rng, shape) + (n, n), upper)[0]
    given = hidden(t, upper, unit)
    if unit:
        t = (t * (1 - np.eye(n)) + np.eye(n)).astype(dtype)
    if alpha == 0:  # nor a diagonal of zeros
        given = np.zeros_like(given)
    vector = not shape and t.ndim == 2 and rng.random() < .2
    b = np.array(random_floats(rng, dtype, (n,) if vector else shape + ((p, n) if right else (n, p))))
    held = lib.operand(rng, unused(rng, alpha, b))
    flags |= op | (UNIT if unit else 0) | (RIGHT if right else 0)
    lib.check(getattr(lib.c, "da_trsm" if solve_ else "da_trmm")(lib.operand(rng, given), held, scalar(alpha), flags))
    assert lib.fault(held) is None, lib.fault(held)
    ours = held.numpy()
    shaped("trsm" if solve_ else "trmm", ours, b.shape, dtype)
    if vector:
        ours, b = (ours[None, :], b[None, :]) if right else (ours[:, None], b[:, None])
    a = exact(turned(t, op))
    before, after = (exact(ours), alpha * exact(b)) if solve_ else (alpha * exact(b), exact(ours))
    error = (before @ a if right else a @ before) - after
    if solve_:
        small("trsm", error, norm(t) * norm(ours) + abs(alpha) * norm(b), 30 * max(n, 1), dtype)
    else:
        small("trmm", error, np.sqrt(n + 2) * abs(alpha) * norm(t) * norm(b), 3, dtype)


# ---- Cholesky ----

def cholesky(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = definite(rng, dtype, lead(rng) + (n, n))
    upper = rng.random() < .5
    other, given = outside(n, upper), hidden(a, upper)
    held = lib.operand(rng, given)
    l = lib.make("da_cholesky", held, ctypes.c_uint(UPPER if upper else LOWER)).numpy()
    shaped("cholesky", l, a.shape, dtype)
    equal("cholesky's zeros", np.where(other, l, 0), np.zeros_like(l))
    back = herm(exact(l)) @ exact(l) if upper else exact(l) @ herm(exact(l))
    small("cholesky", back - exact(a), norm(a), 30 * max(n, 1), dtype)
    if a.size:
        theirs = np.linalg.cholesky(wide(a))
        theirs = herm(theirs) if upper else theirs
        small("cholesky and NumPy's", exact(l) - theirs, norm(theirs), 30 * n * 1e4, dtype)
    held = lib.operand(rng, given)
    if lib.c.da_cholesky_inplace(held, ctypes.c_uint(UPPER if upper else LOWER)):
        assert np.ndim(given) > 2 and "broadcast" in lib.c.da_error().decode(), lib.c.da_error()
        return
    inside = np.where(other, 0, held.numpy()).astype(dtype)
    small("cholesky in place", exact(inside) - exact(l), norm(l), 30 * max(n, 1) * 1e4, dtype)
    equal("the other triangle", np.isnan(held.numpy()), np.isnan(given))


def right_side(rng, dtype, shape, n):
    """A b for matrices of n x n, sometimes a vector."""
    return random_floats(rng, dtype, (n,) if rng.random() < .2 else broadcastable(rng, shape) + (n, extent(rng)))


def solution(what, x, a, b):
    """That of da_solve() and its like."""
    solves(what, x[..., None] if b.ndim == 1 else x, a, b[:, None] if b.ndim == 1 else b)


def solve_definite(lib, rng):
    """And cholesky_solve."""
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    shape = lead(rng)
    a = definite(rng, dtype, broadcastable(rng, shape) + (n, n))
    b = right_side(rng, dtype, shape, n)
    upper, flags = upper_or_lower(rng)
    x = lib.make("da_solve_definite", lib.operand(rng, hidden(a, upper)), lib.operand(rng, b), flags).numpy()
    solution("solve_definite", x, a, b)
    factor_ = lib.make("da_cholesky", lib.operand(rng, hidden(a, upper)), flags).numpy()
    x = lib.make("da_cholesky_solve", lib.operand(rng, hidden(factor_, upper)), lib.operand(rng, b), flags).numpy()
    solution("cholesky_solve", x, a, b)


# ---- QR ----

def qr(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng) * int(rng.choice([1, 1, 3])), extent(rng)
    complete = rng.random() < .3
    k = m if complete else min(m, n)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    q, r = [x.numpy() for x in lib.two("da_qr_complete" if complete else "da_qr", lib.operand(rng, a))]
    shaped("q", q, a.shape[:-1] + (k,), dtype)
    shaped("r", r, a.shape[:-2] + (k, n), dtype)
    equal("r's zeros", np.tril(r, -1), np.zeros_like(r))
    small("qr", exact(q) @ exact(r) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", herm(exact(q)) @ exact(q) - np.eye(k), np.ones(a.shape[:-2]), 30 * max(m, n, 1), dtype)


def lq(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng) * int(rng.choice([1, 1, 3]))
    k = min(m, n)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    l, q = [x.numpy() for x in lib.two("da_lq", lib.operand(rng, a))]
    shaped("l", l, a.shape[:-1] + (k,), dtype)
    shaped("q", q, a.shape[:-2] + (k, n), dtype)
    equal("l's zeros", np.triu(l, 1), np.zeros_like(l))
    small("lq", exact(l) @ exact(q) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", exact(q) @ herm(exact(q)) - np.eye(k), np.ones(a.shape[:-2]), 30 * max(m, n, 1), dtype)


def applied(lib, rng, f, dtype, m):
    """da_qr_apply() against Q formed, which is m x m."""
    q = exact(lib.make("da_qr_q", f, COMPLETE).numpy())
    right = bool(rng.integers(2))
    op = int(rng.choice([0, CONJ_TRANSPOSE] + ([TRANSPOSE] if np.dtype(dtype).kind == "f" else [])))
    p = extent(rng)
    vector = rng.random() < .15
    b = random_floats(rng, dtype, (m,) if vector else lead(rng) + ((p, m) if right else (m, p)))
    x = lib.make("da_qr_apply", f, lib.operand(rng, b), (RIGHT if right else 0) | op).numpy()
    shaped("q applied", x, b.shape, dtype)
    if vector:
        x, b = (x[None, :], b[None, :]) if right else (x[:, None], b[:, None])
    theirs = exact(b) @ turned(q, op) if right else turned(q, op) @ exact(b)
    small("q applied", x - theirs, norm(b), 60 * max(m, 1), dtype)


def qr_factors(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng) * int(rng.choice([1, 1, 3])), extent(rng)
    complete = rng.random() < .5
    rows = m if complete else min(m, n)
    a = random_floats(rng, dtype, (m, n))
    f = ctypes.c_void_p()
    given = lib.operand(rng, a)
    lib.check(getattr(lib.c, "da_qr_factor_inplace" if rng.random() < .4 else "da_qr_factor")(ctypes.byref(f), given))
    del given
    flags = ctypes.c_uint(COMPLETE if complete else 0)
    q, r = lib.make("da_qr_q", f, flags).numpy(), lib.make("da_qr_r", f, flags).numpy()
    shaped("q", q, (m, rows), dtype)
    shaped("r", r, (rows, n), dtype)
    small("qr", exact(q) @ exact(r) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", herm(exact(q)) @ exact(q) - np.eye(rows), 1, 30 * max(m, n, 1), dtype)
    applied(lib, rng, f, dtype, m)
    lib.c.da_qr_factors_release(ctypes.byref(f))


def lq_factors(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng) * int(rng.choice([1, 1, 3]))
    complete = rng.random() < .5
    columns = n if complete else min(m, n)
    a = random_floats(rng, dtype, (m, n))
    f = ctypes.c_void_p()
    lib.check(lib.c.da_lq_factor(ctypes.byref(f), lib.operand(rng, a)))
    flags = ctypes.c_uint(COMPLETE if complete else 0)
    l, q = lib.make("da_lq_l", f, flags).numpy(), lib.make("da_qr_q", f, flags).numpy()
    shaped("l", l, (m, columns), dtype)
    shaped("q", q, (columns, n), dtype)
    equal("l's zeros", np.triu(l, 1), np.zeros_like(l))
    small("lq", exact(l) @ exact(q) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", exact(q) @ herm(exact(q)) - np.eye(columns), 1, 30 * max(m, n, 1), dtype)
    applied(lib, rng, f, dtype, n)
    lib.c.da_qr_factors_release(ctypes.byref(f))


# ---- LU and systems ----

def textbook_lu(a):
    """Pivots of Gaussian elimination, one column after the other, in the largest precision; None where rounding could choose another."""
    a = exact(a).copy()
    m, n = a.shape
    pivots = []
    for j in range(min(m, n)):
        column = np.abs(a[j:, j].real) + np.abs(a[j:, j].imag)
        order = np.sort(column)[::-1]
        if order[0] == 0 or (len(order) > 1 and order[0] - order[1] < 1e-3 * order[0]):
            return None
        p = j + int(np.argmax(column))
        pivots.append(p)
        a[[j, p]] = a[[p, j]]
        a[j + 1:, j] /= a[j, j]
        a[j + 1:, j + 1:] -= np.outer(a[j + 1:, j], a[j, j + 1:])
    return np.array(pivots, "int64")


def lu(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng)
    k = min(m, n)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    factors, pivots = lib.two("da_lu", lib.operand(rng, a))
    f, p = factors.numpy(), pivots.numpy()
    shaped("lu", f, a.shape, dtype)
    shaped("pivots", p, a.shape[:-2] + (k,), "int64")
    l, u = np.tril(f[..., :k], -1) + np.eye(m, k, dtype=dtype), np.triu(f[..., :k, :])
    pa = np.array(a)
    for at in np.ndindex(*a.shape[:-2]):
        for i in range(k):
            assert i <= p[at][i] < m, "pivots %s" % p[at]
            pa[at][[i, p[at][i]]] = pa[at][[p[at][i], i]]
        expected = textbook_lu(a[at]) if k < 14 else None
        if expected is not None and np.dtype(dtype).itemsize // (2 if dtype[0] == "c" else 1) == 8:
            equal("pivots", p[at], expected)
    small("lu", exact(l) @ exact(u) - exact(pa), norm(a), 30 * max(m, n, 1), dtype)
    assert np.all(np.abs(l) <= (1.5 if dtype[0] == "c" else 1) * (1 + 8 * np.finfo(dtype).eps)), "a multiplier above 1"
    if m != n:
        return
    if np.any(np.diagonal(f, axis1=-2, axis2=-1) == 0):
        return
    b = random_floats(rng, dtype, broadcastable(rng, a.shape[:-2]) + (n, extent(rng)))
    x = lib.make("da_lu_solve", factors, pivots, lib.operand(rng, b), 0)
    assert lib.fault(x) is None, lib.fault(x)
    x = x.numpy()
    if np.all(np.isfinite(x)):
        solves("lu_solve", x, a, b)


def solve(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    shape = lead(rng)
    a = random_floats(rng, dtype, broadcastable(rng, shape) + (n, n))
    vector = rng.random() < .2
    b = random_floats(rng, dtype, (n,) if vector else broadcastable(rng, shape) + (n, extent(rng)))
    held = lib.make("da_solve", lib.operand(rng, a), lib.operand(rng, b))
    fault = lib.fault(held)
    pivots = textbook_lu(a) if a.ndim == 2 and n else None
    if pivots is not None and len(pivots) == n:
        assert fault is None, "a regular matrix: %s" % fault
    if fault:  # some matrix of small integers
        assert re.fullmatch(r"solve: the matrix is singular: pivot \d+ of %d is zero" % n, fault), fault
        assert np.min(np.linalg.svd(wide(a))[1] / np.maximum(norm(a)[..., None], 1e-300), initial=1) < 1e-3 or \
            a.dtype.itemsize // (1 + (a.dtype.kind == "c")) == 4, fault
        return
    x = held.numpy()
    if vector:
        x, b = x[..., None], b[:, None]
    if np.all(np.isfinite(x)):
        solves("solve", x, a, b)


def solve_triangular(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    shape = lead(rng)
    upper, unit, right = [bool(rng.integers(2)) for _ in range(3)]
    op = int(rng.choice([0, TRANSPOSE, CONJ_TRANSPOSE]))
    t, rest = triangular(rng, dtype, broadcastable(rng, shape) + (n, n), upper)
    given = (t + rest).astype(dtype)
    if unit:
        given = np.where(np.eye(n), np.asarray(np.nan, dtype), given)
        t = (t * (1 - np.eye(n)) + np.eye(n)).astype(dtype)
    p = extent(rng)
    vector = rng.random() < .15
    b = random_floats(rng, dtype, (n,) if vector else broadcastable(rng, shape) + ((p, n) if right else (n, p)))
    flags = ctypes.c_uint((UPPER if upper else LOWER) | (UNIT if unit else 0) | op | (RIGHT if right else 0))
    held = lib.make("da_solve_triangular", lib.operand(rng, given), lib.operand(rng, b), flags)
    assert lib.fault(held) is None, lib.fault(held)
    x = held.numpy()
    a = turned(t, op)

    def check(x, b):
        if vector:
            x, b = (x[..., None, :], b[None, :]) if right else (x[..., None], b[:, None])
        if right:  # x a = b
            solves("solve_triangular", np.swapaxes(x, -1, -2), np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2))
        else:
            solves("solve_triangular", x, a, b)
    check(x, b)
    if scipy and a.ndim == 2 and b.ndim == 2 and not right and n and b.size:
        theirs = scipy.linalg.solve_triangular(wide(t), wide(b), trans={0: 0, TRANSPOSE: 1, CONJ_TRANSPOSE: 2}[op], lower=not upper)
        small("SciPy's", exact(x) - theirs, norm(theirs), 1000 * n, dtype)
    if vector or np.broadcast_shapes(t.shape[:-2], b.shape[:-2]) != b.shape[:-2]:
        return
    held = lib.operand(rng, np.array(b))
    lib.check(lib.c.da_solve_triangular_inplace(lib.operand(rng, given), held, flags))
    check(held.numpy(), b)


def least_squares(what, x, a, b):
    """What NumPy's SVD gives, one matrix after the other."""
    dtype = a.dtype
    m, n = a.shape[-2:]
    shaped(what, x, np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (n, b.shape[-1]), dtype)
    if not x.size or not m:
        equal(what, x, np.zeros_like(x))
        return
    for at in np.ndindex(*x.shape[:-2]):
        one, other = np.broadcast_to(a, x.shape[:-2] + a.shape[-2:])[at], np.broadcast_to(b, x.shape[:-2] + b.shape[-2:])[at]
        theirs, _, rank, s = np.linalg.lstsq(wide(one), wide(other), rcond=None)
        cond = s[0] / s[-1]
        residual = norm(exact(other) - exact(one) @ exact(theirs))
        small(what, exact(x[at]) - theirs, cond * (norm(theirs) + cond * residual / norm(one)), 30 * max(m, n), dtype)


def lstsq(lib, rng):
    """Tall: the least residual; wide: the shortest solution. qr_solve from the factors of either."""
    dtype = str(rng.choice(FLOATS))
    k, more = extent(rng), extent(rng)
    m, n = (k, k + more) if rng.random() < .5 else (k + more, k)
    shape = lead(rng)
    a = regular(rng, dtype, broadcastable(rng, shape) + (m, n))
    b = right_side(rng, dtype, shape, m)
    column = b[:, None] if b.ndim == 1 else b
    held = lib.make("da_lstsq", lib.operand(rng, a), lib.operand(rng, b))
    assert lib.fault(held) is None, lib.fault(held)
    x = held.numpy()
    least_squares("lstsq", x[..., None] if b.ndim == 1 else x, a, column)
    if a.ndim > 2:
        return
    f = ctypes.c_void_p()
    lib.check(getattr(lib.c, "da_lq_factor" if m < n or (m == n and rng.random() < .5) else "da_qr_factor")(
        ctypes.byref(f), lib.operand(rng, a)))
    held = lib.make("da_qr_solve", f, lib.operand(rng, b))
    assert lib.fault(held) is None, lib.fault(held)
    x = held.numpy()
    least_squares("qr_solve", x[..., None] if b.ndim == 1 else x, a, column)
    lib.c.da_qr_factors_release(ctypes.byref(f))


def lu_nopivot(lib, rng):
    """Of matrices that need no exchanges; and da_lu_inplace() against da_lu()."""
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng)
    k = min(m, n)
    a = values(rng, dtype, lead(rng) + (m, n), small=True)
    a = (a / max(m, n, 1) + 2 * np.eye(m, n)).astype(dtype)
    b = right_side(rng, dtype, a.shape[:-2], n)
    held = lib.make("da_lu_nopivot", lib.operand(rng, a))
    inside = lib.operand(rng, a)
    lib.check(lib.c.da_lu_nopivot_inplace(inside))
    for factors in (held, inside):
        f = factors.numpy()
        shaped("lu_nopivot", f, a.shape, dtype)
        l, u = np.tril(f[..., :k], -1) + np.eye(m, k, dtype=dtype), np.triu(f[..., :k, :])
        small("lu_nopivot", exact(l) @ exact(u) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
        if m == n:
            op = int(rng.choice([0, TRANSPOSE, CONJ_TRANSPOSE]))
            solution("lu_solve", lib.make("da_lu_solve", factors, None, lib.operand(rng, b), op).numpy(), turned(a, op), b)


def lu_solve(lib, rng):
    """With the factors' transposes too; factors in place."""
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = regular(rng, dtype, lead(rng) + (n, n))
    b = right_side(rng, dtype, a.shape[:-2], n)
    factors = lib.operand(rng, a)
    if rng.random() < .5:
        out = ctypes.c_void_p()
        lib.check(lib.c.da_lu_inplace(factors, ctypes.byref(out)))
        pivots = Array(lib, out)
    else:
        factors, pivots = lib.two("da_lu", factors)
    op = int(rng.choice([0, TRANSPOSE, CONJ_TRANSPOSE]))
    x = lib.make("da_lu_solve", factors, pivots, lib.operand(rng, b), op)
    assert lib.fault(x) is None, lib.fault(x)
    solution("lu_solve", x.numpy(), turned(a, op), b)


def solve_mixed(lib, rng):
    dtype = str(rng.choice(["float64", "complex128"]))
    n = extent(rng)
    shape = lead(rng)
    a = random_floats(rng, dtype, broadcastable(rng, shape) + (n, n))
    if rng.random() < .7:
        a = regular(rng, dtype, a.shape)
    b = right_side(rng, dtype, shape, n)
    held = lib.make("da_solve_mixed", lib.operand(rng, a), lib.operand(rng, b))
    plain = lib.make("da_solve", lib.operand(rng, a), lib.operand(rng, b))
    assert lib.fault(held) == lib.fault(plain), "%s, da_solve: %s" % (lib.fault(held), lib.fault(plain))
    if lib.fault(plain) is None and np.all(np.isfinite(plain.numpy())):
        solution("solve_mixed", held.numpy(), a, b)


def ldl(lib, rng):
    """Factors and pivots are LAPACK's; what is solved with them."""
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    symmetric = rng.random() < .5
    upper, flags = upper_or_lower(rng)
    flags |= TRANSPOSE if symmetric else 0
    a = random_floats(rng, dtype, lead(rng) + (n, n))
    a = whole(np.array(a), upper, not symmetric)
    a = (a + np.diag(np.where(np.arange(n) % 2, -3, 3))).astype(dtype)  # of either sign, and regular
    factors, pivots = lib.two("da_ldl", lib.operand(rng, hidden(a, upper)), ctypes.c_uint(flags))
    shaped("ldl", factors.numpy(), a.shape, dtype)
    shaped("pivots", pivots.numpy(), a.shape[:-1], "int64")
    equal("ldl's zeros", np.where(outside(n, upper), factors.numpy(), 0), np.zeros_like(a))
    b = right_side(rng, dtype, a.shape[:-2], n)
    x = lib.make("da_ldl_solve", factors, pivots, lib.operand(rng, b), ctypes.c_uint(flags))
    if lib.fault(x) is None and np.all(np.isfinite(x.numpy())):
        solution("ldl_solve", x.numpy(), a, b)
    if scipy and n and a.ndim == 2:
        sytrf = scipy.linalg.get_lapack_funcs(("sytrf" if symmetric or np.dtype(dtype).kind == "f" else "hetrf",), (a,))[0]
        _, theirs, info = sytrf(a, lower=not upper)
        if real_dtype(dtype) == np.float64:
            equal("ldl's pivots", pivots.numpy(), np.where(theirs < 0, theirs, theirs - 1).astype("int64"))


def inverses(lib, rng):
    """inv, det, slogdet and rcond of the same matrices."""
    dtype = str(rng.choice(FLOATS))
    real = real_dtype(dtype)
    n = extent(rng)
    a = regular(rng, dtype, lead(rng) + (n, n))
    theirs = np.linalg.inv(wide(a)) if a.size else wide(a)
    held = lib.make("da_inv", lib.operand(rng, a))
    assert lib.fault(held) is None, lib.fault(held)
    ours = held.numpy()
    shaped("inv", ours, a.shape, dtype)
    size = norm(a) * norm(theirs)  # not less than the condition
    small("inv", exact(ours) @ exact(a) - np.eye(n), size, 30 * max(n, 1), dtype)
    # a determinant changes by its own size times the condition
    sign, logabs = np.linalg.slogdet(wide(a)) if n else (np.ones(a.shape[:-2], wide(a).dtype), np.zeros(a.shape[:-2]))
    with np.errstate(all="ignore"):
        det = sign * np.exp(logabs)
    d = lib.make("da_det", lib.operand(rng, a)).numpy()
    s, l = [x.numpy() for x in lib.two("da_slogdet", lib.operand(rng, a))]
    for what, x, want, scale in (("det", d, det, np.abs(det) * size), ("sign", s, sign, size), ("logabsdet", l, logabs, size)):
        shaped(what, x, a.shape[:-2], real if what == "logabsdet" else dtype)
        small(what, (exact(x) - want)[..., None, None], scale + np.abs(logabs), 30 * max(n, 1), dtype)
    # an estimate: never less, but for rounding, than what is estimated
    given, flags = a, 0
    if rng.random() < .4:
        a = definite(rng, dtype, a.shape)
        upper, flags = upper_or_lower(rng)
        given = hidden(a, upper)
    ours = lib.make("da_rcond", lib.operand(rng, given), flags).numpy()
    shaped("rcond", ours, a.shape[:-2], real)
    if not n:
        return
    theirs = 1 / np.linalg.cond(wide(a), 1)
    global checks
    checks += 1
    assert np.all(ours >= theirs * (1 - 1e-2)) and np.all(ours <= theirs * 10), "rcond: %s instead of %s" % (ours, theirs)


# ---- breakdowns ----

def reference():
    """Debian's reference LAPACK, if it is there."""
    files = [f for name in ("blas", "lapack") for f in glob.glob("/usr/lib/*/%s/lib%s.so.3" % (name, name))]
    return files if len(files) == 2 else []


LAPACK = None


def info_of(routine, a, *more):
    """LAPACK's info for a column-major copy of `a`; `more` are arguments after the leading dimension."""
    a = np.array(a, order="F")
    info = ctypes.c_int(0)
    m, n = [ctypes.byref(ctypes.c_int(k)) for k in a.shape]
    ld = ctypes.byref(ctypes.c_int(max(a.shape[0], 1)))
    data = a.ctypes.data_as(ctypes.c_void_p)
    kind = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[a.dtype.name]
    f = getattr(LAPACK, kind + routine + "_")
    if routine == "potrf":
        f(ctypes.c_char_p(more[0]), n, data, ld, ctypes.byref(info), 1)
    elif routine == "getrf":
        f(m, n, data, ld, (ctypes.c_int * (min(a.shape) + 1))(), ctypes.byref(info))
    else:
        b = np.zeros((a.shape[0], 1), a.dtype)
        f(ctypes.c_char_p(more[0]), ctypes.c_char_p(b"N"), ctypes.c_char_p(b"N"), n, ctypes.byref(ctypes.c_int(1)), data, ld,
          b.ctypes.data_as(ctypes.c_void_p), ld, ctypes.byref(info), 1, 1, 1)
    assert info.value >= 0, (routine, info.value)
    return info.value


def told(lib, a, sentence, info, n):
    global checks
    checks += 1
    fault = lib.fault(a)
    expected = sentence % (info, n) if info else None
    assert fault == expected, "%s instead of %s" % (fault, expected)


def breakdowns(lib, rng):
    if not LAPACK:
        return
    dtype = str(rng.choice(FLOATS))
    n = max(extent(rng), 1)
    batch = lead(rng)
    bad = [float(x) for x in (-1, 0, -1e-30, np.nan, np.inf, -np.inf)]

    def first(routine, a, *more):
        """The lowest of the infos of a batch, as the library counts."""
        infos = [info_of(routine, a[at], *more) for at in np.ndindex(*a.shape[:-2])]
        return min([i for i in infos if i], default=0)

    a = np.array(definite(rng, dtype, batch + (n, n)))
    for at in np.ndindex(*batch):
        for _ in range(int(rng.integers(3))):
            i, j = int(rng.integers(n)), int(rng.integers(n))
            j = j if rng.random() < .3 else i
            a[at][i, j] = a[at][j, i] = bad[rng.integers(len(bad))]
    upper = rng.random() < .5
    l = lib.make("da_cholesky", lib.operand(rng, a), ctypes.c_uint(UPPER if upper else LOWER))
    told(lib, l, "cholesky: leading minor %d of %d is not positive definite",
         first("potrf", a, b"U" if upper else b"L"), n)

    a = np.array(values(rng, dtype, batch + (n, n), small=True))
    for at in np.ndindex(*batch):
        if rng.random() < .5:  # zeros down to the diagonal, so that the pivot is exactly zero
            j = int(rng.integers(n))
            a[at][:, j] = 0
        if rng.random() < .3:
            i = int(rng.integers(n))
            a[at][i, i + 1:] = 0
            a[at][i, :i] = 0
    b = values(rng, dtype, (n, 2), small=True)
    x = lib.make("da_solve", lib.operand(rng, a), lib.operand(rng, b))
    told(lib, x, "solve: the matrix is singular: pivot %d of %d is zero", first("getrf", a), n)

    for at in np.ndindex(*batch):
        for i in rng.integers(n, size=int(rng.integers(3))):
            a[at][i, i] = [0, np.nan, -0.0][rng.integers(3)]
    x = lib.make("da_solve_triangular", lib.operand(rng, a), lib.operand(rng, b), ctypes.c_uint(UPPER if upper else LOWER))
    told(lib, x, "solve_triangular: diagonal element %d of %d is zero",
         first("trtrs", a, b"U" if upper else b"L"), n)


def ldl_breakdowns(lib, rng):
    """Of matrices with NaN or infinity factors and pivots are those of LAPACK's unblocked loop, whose info a solve tells: the lowest one."""
    if not LAPACK:
        return
    global checks
    dtype = str(rng.choice(FLOATS))
    n = max(extent(rng), 1) if rng.random() < .7 else int(rng.integers(65, 150))
    symmetric = rng.random() < .5
    upper, flags = upper_or_lower(rng)
    flags |= TRANSPOSE if symmetric else 0
    a = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if dtype.startswith("c") else 0)  # no two alike
    a = whole(a.astype(dtype), upper, not symmetric)
    for k in range(int(rng.integers(1, 4))):
        i, j = [int(rng.choice([0, n // 2, n - 1, rng.integers(n)])) for _ in range(2)]
        j = j if rng.random() < .6 else i
        a[i, j] = a[j, i] = float(rng.choice([np.nan, np.inf, -np.inf]))
        if k == 2:  # a column that is left out
            a[:, i] = a[i, :] = 0
    if np.all(np.isfinite(a)):
        return
    kind = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[dtype]
    theirs, rows, info = np.array(a, order="F"), np.zeros(n, np.int32), ctypes.c_int(0)
    getattr(LAPACK, kind + ("sytf2_" if symmetric or kind in "sd" else "hetf2_"))(
        ctypes.c_char_p(b"U" if upper else b"L"), ctypes.byref(ctypes.c_int(n)), theirs.ctypes.data_as(ctypes.c_void_p),
        ctypes.byref(ctypes.c_int(n)), rows.ctypes.data_as(ctypes.c_void_p), ctypes.byref(info), ctypes.c_size_t(1))
    theirs = np.where(outside(n, upper), 0, theirs)
    d = theirs.diagonal()
    empty = [i + 1 for i in range(n) if rows[i] > 0 and not abs(d[i]) > 0]
    assert info.value == (empty[-1 if upper else 0] if empty else 0), "LAPACK's info is another one"
    factors, pivots = lib.two("da_ldl", lib.operand(rng, hidden(a, upper)), ctypes.c_uint(flags))
    ours = factors.numpy()
    equal("pivots", pivots.numpy(), np.where(rows < 0, rows, rows - 1).astype("int64"))
    equal("NaN", np.isnan(ours), np.isnan(theirs))
    finite = np.isfinite(theirs)
    equal("infinity", np.isfinite(ours), finite)
    size = np.abs(theirs[finite]).max(initial=0)
    small("factors", np.where(finite, exact(ours) - exact(theirs), 0), size, 1000 * n, dtype)
    x = lib.make("da_ldl_solve", factors, pivots, lib.operand(rng, random_floats(rng, dtype, (n, 2))), ctypes.c_uint(flags))
    told(lib, x, "ldl_solve: the matrix is singular: block %d of %d of D is zero or NaN", min(empty, default=0), n)


# ---- spectra, and what exchanges columns ----

def many(lib, name, count, *args):
    """The arrays that function `name` gives out."""
    outs = [ctypes.c_void_p() for _ in range(count)]
    lib.check(getattr(lib.c, name)(*[ctypes.byref(p) for p in outs], *args))
    return [Array(lib, p) for p in outs]


def svd(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng), extent(rng)
    k = min(m, n)
    complete = rng.random() < .3
    left, right = (m, n) if complete else (k, k)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    u, s, vh = [x.numpy() for x in many(lib, "da_svd", 3, lib.operand(rng, a), ctypes.c_uint(COMPLETE if complete else 0))]
    alone = lib.make("da_svdvals", lib.operand(rng, a)).numpy()
    real = real_dtype(dtype)
    shaped("s", s, a.shape[:-2] + (k,), real)
    shaped("u", u, a.shape[:-1] + (left,), dtype)
    shaped("vh", vh, a.shape[:-2] + (right, n), dtype)
    small("svd", (exact(u[..., :k]) * s[..., None, :]) @ exact(vh[..., :k, :]) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("u", herm(exact(u)) @ exact(u) - np.eye(left), 1, 30 * max(m, 1), dtype)
    small("vh", exact(vh) @ herm(exact(vh)) - np.eye(right), 1, 30 * max(n, 1), dtype)
    theirs = np.linalg.svd(wide(a), compute_uv=False) if a.size else s.astype(float)
    for values_ in (s, alone):
        small("NumPy's singular values", (values_ - theirs)[..., None], norm(a), 30 * max(m, n, 1), dtype)


def eigh(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = random_floats(rng, dtype, lead(rng) + (n, n))
    a = ((wide(a) + herm(wide(a))) / 2).astype(dtype)
    upper = rng.random() < .5
    given = hidden(a, upper)
    flags = ctypes.c_uint(UPPER if upper else LOWER)
    w, v = [x.numpy() for x in many(lib, "da_eigh", 2, lib.operand(rng, given), flags)]
    alone = lib.make("da_eigvalsh", lib.operand(rng, given), flags).numpy()
    shaped("v", v, a.shape, dtype)
    small("eigh", exact(a) @ exact(v) - exact(v) * w[..., None, :], norm(a), 30 * max(n, 1), dtype)
    small("v", herm(exact(v)) @ exact(v) - np.eye(n), 1, 30 * max(n, 1), dtype)
    theirs = np.linalg.eigvalsh(wide(a)) if a.size else w
    for values_ in (w, alone):
        small("NumPy's eigenvalues", (values_ - theirs)[..., None], norm(a), 30 * max(n, 1), dtype)


def eig(lib, rng):
    """Vectors by their residual, values as those of a matrix nearby, which are NumPy's where they are well conditioned. Rows are of one
    size: those of others LAPACK balances, and what is small then is the residual of the balanced matrix."""
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = values(rng, dtype, lead(rng) + (n, n), small=True)
    a = np.round(a).astype(dtype) if rng.random() < .3 else (a * 10.0 ** rng.integers(-6, 7)).astype(dtype)
    result = "complex64" if real_dtype(dtype) == np.float32 else "complex128"
    w, v = [x.numpy() for x in many(lib, "da_eig", 2, lib.operand(rng, a))]
    alone = lib.make("da_eigvals", lib.operand(rng, a)).numpy()
    shaped("v", v, a.shape, result)
    small("eig", exact(a) @ exact(v) - exact(v) * w[..., None, :], norm(a), 30 * max(n, 1), dtype)
    lengths = np.sqrt((np.abs(exact(v)) ** 2).sum(-2))
    small("v's columns", (lengths - 1)[..., None], np.ones(a.shape[:-2]), 30 * max(n, 1), dtype)
    for values_ in (w, alone):
        shaped("w", values_, a.shape[:-1], result)
        trace = np.trace(exact(a), axis1=-2, axis2=-1)
        small("the sum of w", (exact(values_).sum(-1) - trace)[..., None, None], norm(a), 30 * max(n, 1), dtype)
        if not values_.size:
            continue
        shifted = wide(a)[..., None, :, :] - wide(values_)[..., None, None] * np.eye(n)
        least = np.linalg.svd(shifted, compute_uv=False)[..., -1]
        small("eigenvalues of a matrix nearby", least[..., None], norm(a), 30 * n, dtype)
        for at in np.ndindex(*a.shape[:-2]):  # Bauer and Fike
            theirs, vectors = np.linalg.eig(wide(a[at]))
            cond = np.linalg.cond(vectors)
            if not np.isfinite(cond):
                continue
            away = np.abs(wide(values_[at])[:, None] - theirs)
            small("NumPy's eigenvalues", np.concatenate([away.min(0), away.min(1)])[None, :], cond * norm(a[at]), 60 * n, dtype)


def pivoted(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng) * int(rng.choice([1, 1, 3])), extent(rng)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    q, r, p = [x.numpy() for x in many(lib, "da_qr_pivoted", 3, lib.operand(rng, a))]
    equal("pivots", np.sort(p, -1), np.broadcast_to(np.arange(n), p.shape))
    taken = np.take_along_axis(np.asarray(a), p[..., None, :], -1) if a.size else a
    small("qr_pivoted", exact(q) @ exact(r) - exact(taken), norm(a), 30 * max(m, n, 1), dtype)
    small("q", herm(exact(q)) @ exact(q) - np.eye(min(m, n)), 1, 30 * max(m, n, 1), dtype)


def lstsq_rank(lib, rng):
    """Products of thin factors: NumPy's shortest solution."""
    dtype = str(rng.choice(FLOATS))
    m, n = max(extent(rng), 1), max(extent(rng), 1)
    rank = int(rng.integers(1, min(m, n) + 1))
    left, right = [np.linalg.qr(wide(values(rng, dtype, (size, rank), small=True)))[0] for size in (m, n)]
    a = ((left * rng.uniform(1, 5, rank)) @ herm(right)).astype(dtype)
    b = random_floats(rng, dtype, (m, 3))
    rcond = 1e-4
    x, found = many(lib, "da_lstsq_rank", 2, lib.operand(rng, a), lib.operand(rng, b), ctypes.c_double(rcond))
    equal("rank", found.numpy(), np.array(rank))
    theirs = np.linalg.lstsq(wide(a), wide(b), rcond=rcond)[0]
    small("lstsq_rank", exact(x.numpy()) - theirs, norm(wide(b)), 300 * max(m, n), dtype)


PARTS = [(matmul, 60), (gemm, 60), (gemm_integers, 30), (tensordot, 60), (vecdot, 60), (outer, 30), (matrix_power, 50), (symm, 60),
         (rank_update, 100), (triangular_in_place, 100), (cholesky, 40), (solve_definite, 40), (qr, 40), (lq, 40),
         (qr_factors, 40), (lq_factors, 40), (lu, 40), (lu_nopivot, 30), (lu_solve, 40), (solve, 40), (solve_mixed, 40), (ldl, 50),
         (inverses, 50), (solve_triangular, 60), (lstsq, 60), (svd, 30), (eigh, 30), (eig, 40), (pivoted, 30), (lstsq_rank, 30), (breakdowns, 60),
         (ldl_breakdowns, 60)]


def main():
    global LAPACK
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if reference():
        LAPACK = ctypes.CDLL("liblapack.so.3")
    warnings.simplefilter("ignore")
    lib = Oracle(sys.argv[1])
    status = lib.c.da_init(os.environ["DARRAY_RUNTIME"].encode(), 0)
    if status == 16:  # DA_ERROR_UNSUPPORTED
        print(lib.c.da_error().decode())
        return 0
    lib.check(status)
    for part, cases in PARTS:
        before = checks
        for case in range(cases):
            if len(sys.argv) > 4 and (part.__name__, str(case)) != tuple(sys.argv[3:5]):
                continue
            try:
                part(lib, np.random.default_rng([seed, case]))
            except Exception:
                print("failed: %s %d %s %d" % (sys.argv[1], seed, part.__name__, case), flush=True)
                raise
        print("  %s: %d" % (part.__name__, checks - before), flush=True)
    lib.check(lib.c.da_shutdown())
    return 0


if __name__ == "__main__":
    if "DARRAY_TEST_CHILD" not in os.environ:
        print("NumPy %s, %s, %s LAPACK" % (np.__version__, "SciPy " + scipy.__version__ if scipy else "no SciPy",
                                           "the reference" if reference() else "its own"))
        if reference():  # for the processes to come
            os.environ["LD_LIBRARY_PATH"] = ":".join(os.path.dirname(f) for f in reference())
    sys.exit(run_variants(__file__, [("openmp", {}), ("openmp", {"DARRAY_TILE": "5", "DARRAY_INLINE": "0"}), ("starpu", {}),
                                     ("starpu", {"DARRAY_TILE": "8", "DARRAY_INLINE": "0"})], main))
