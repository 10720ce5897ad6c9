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
from numpy_compare import Array, np, shape_of  # noqa: E402
from numpy_expressions import Numpy, random_view, run_variants, scalar, values  # noqa: E402

try:
    import scipy.linalg
except ImportError:
    scipy = None

FLOATS = ["float32", "float64", "complex64", "complex128"]
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


def wide(a):
    """In the larger precision."""
    return a.astype("complex128" if a.dtype.kind == "c" else "float64")


def exact(a):
    """In the largest."""
    return a.astype(np.clongdouble if a.dtype.kind == "c" else np.longdouble)


def herm(a):
    return np.conj(np.swapaxes(a, -1, -2))


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


def solves(what, x, a, b):
    """|a x - b| is small."""
    n = max(a.shape[-1], 1)
    shaped(what, x, np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (a.shape[-1], b.shape[-1]), a.dtype)
    small(what, exact(a) @ exact(x) - exact(b), norm(a) * norm(x) + norm(b), 30 * n, a.dtype)


# ---- products ----

def matmul(lib, rng):
    dtype = str(rng.choice(FLOATS + ["bool", "int8", "int32", "int64", "uint8", "uint64"]))
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
    shaped("matmul", ours, theirs.shape, dtype)
    scale = np.asarray(np.matmul(np.abs(exact(a)), np.abs(exact(b))))  # element by element
    global checks
    checks += 1
    bound = (k + 2) * 2 * np.finfo(dtype).eps * scale + np.finfo(dtype).tiny
    assert np.all(np.abs(ours - theirs) <= bound), "matmul: %s instead of %s" % (ours, theirs)


def gemm(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, k, n = extent(rng), extent(rng), extent(rng)
    shape = lead(rng)
    a = random_floats(rng, dtype, broadcastable(rng, shape) + (m, k))
    b = random_floats(rng, dtype, broadcastable(rng, shape) + (k, n))
    c = np.array(random_floats(rng, dtype, shape + (m, n)))
    alpha, beta = [[0.0, 1.0, -1.0, 2.5][rng.integers(4)] for _ in range(2)]
    if np.dtype(dtype).kind == "c" and rng.random() < .5:
        alpha = complex(alpha, 1.5)
        beta = complex(beta, -.5)
    if beta == 0 and c.size and rng.random() < .5:
        c.flat[0] = np.nan  # is not read
    held = lib.operand(rng, c)
    lib.check(lib.c.da_gemm(held, scalar(alpha), lib.operand(rng, a), lib.operand(rng, b), scalar(beta)))
    ours = held.numpy()
    if beta == 0:
        c = np.zeros_like(c)
    theirs = alpha * np.matmul(exact(a), exact(b)) + beta * exact(c)
    shaped("gemm", ours, c.shape, dtype)
    scale = np.sqrt(k + 2) * abs(alpha) * norm(a) * norm(b) + 2 * abs(beta) * norm(c)
    small("gemm", ours - theirs, scale, 3, dtype)


# ---- Cholesky ----

def cholesky(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = definite(rng, dtype, lead(rng) + (n, n))
    upper = rng.random() < .5
    other = np.tril(np.ones((n, n)), -1) if upper else np.triu(np.ones((n, n)), 1)
    given = np.where(other, np.asarray(np.nan, dtype), a)  # is not read
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


# ---- QR ----

def qr(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng) * int(rng.choice([1, 1, 3])), extent(rng)
    k = min(m, n)
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    q, r = [x.numpy() for x in lib.two("da_qr", lib.operand(rng, a))]
    shaped("q", q, a.shape[:-1] + (k,), dtype)
    shaped("r", r, a.shape[:-2] + (k, n), dtype)
    equal("r's zeros", np.tril(r, -1), np.zeros_like(r))
    small("qr", exact(q) @ exact(r) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", herm(exact(q)) @ exact(q) - np.eye(k), np.ones(a.shape[:-2]), 30 * max(m, n, 1), dtype)


def qr_factors(lib, rng):
    dtype = str(rng.choice(FLOATS))
    m, n = extent(rng) * int(rng.choice([1, 1, 3])), extent(rng)
    complete = rng.random() < .5
    rows = m if complete else min(m, n)
    a = random_floats(rng, dtype, (m, n))
    f = ctypes.c_void_p()
    lib.check(lib.c.da_qr_factor(ctypes.byref(f), lib.operand(rng, a)))
    flags = ctypes.c_uint(COMPLETE if complete else 0)
    q, r = lib.make("da_qr_q", f, flags).numpy(), lib.make("da_qr_r", f, flags).numpy()
    shaped("q", q, (m, rows), dtype)
    shaped("r", r, (rows, n), dtype)
    small("qr", exact(q) @ exact(r) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("q", herm(exact(q)) @ exact(q) - np.eye(rows), 1, 30 * max(m, n, 1), dtype)
    # applied without being formed
    if not complete:
        q = lib.make("da_qr_q", f, ctypes.c_uint(COMPLETE)).numpy()
    right, turned = rng.random() < .5, rng.random() < .5
    p = extent(rng)
    b = random_floats(rng, dtype, lead(rng) + ((p, m) if right else (m, p)))
    x = lib.make("da_qr_apply", f, lib.operand(rng, b),
                 ctypes.c_uint((RIGHT if right else 0) | (CONJ_TRANSPOSE if turned else 0))).numpy()
    op = herm(exact(q)) if turned else exact(q)
    theirs = exact(b) @ op if right else op @ exact(b)
    shaped("q applied", x, b.shape, dtype)
    small("q applied", x - theirs, norm(b), 60 * max(m, 1), dtype)
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
    t, outside = triangular(rng, dtype, broadcastable(rng, shape) + (n, n), upper)
    given = (t + outside).astype(dtype)
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
    a = {0: t, TRANSPOSE: np.swapaxes(t, -1, -2), CONJ_TRANSPOSE: herm(t)}[op]

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


def lstsq(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    m = n + extent(rng)
    shape = lead(rng)
    a = (values(rng, dtype, broadcastable(rng, shape) + (m, n), small=True) + 3 * np.eye(m, n)).astype(dtype)
    b = random_floats(rng, dtype, broadcastable(rng, shape) + (m, extent(rng)))
    held = lib.make("da_lstsq", lib.operand(rng, a), lib.operand(rng, b))
    assert lib.fault(held) is None, lib.fault(held)
    x = held.numpy()
    shaped("lstsq", x, np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (n, b.shape[-1]), dtype)
    if not x.size:
        return
    for at in np.ndindex(*x.shape[:-2]):
        one, other = np.broadcast_to(a, x.shape[:-2] + a.shape[-2:])[at], np.broadcast_to(b, x.shape[:-2] + b.shape[-2:])[at]
        theirs, _, rank, s = np.linalg.lstsq(wide(one), wide(other), rcond=None)
        cond = s[0] / s[-1]
        residual = norm(exact(other) - exact(one) @ exact(theirs))
        small("lstsq", exact(x[at]) - theirs, cond * (norm(theirs) + cond * residual / norm(one)), 30 * m, dtype)


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
    a = random_floats(rng, dtype, lead(rng) + (m, n))
    u, s, vh = [x.numpy() for x in many(lib, "da_svd", 3, lib.operand(rng, a), ctypes.c_uint(0))]
    alone = lib.make("da_svdvals", lib.operand(rng, a)).numpy()
    real = np.dtype(dtype).type(0).real.dtype
    shaped("s", s, a.shape[:-2] + (k,), real)
    shaped("u", u, a.shape[:-1] + (k,), dtype)
    shaped("vh", vh, a.shape[:-2] + (k, n), dtype)
    small("svd", (exact(u) * s[..., None, :]) @ exact(vh) - exact(a), norm(a), 30 * max(m, n, 1), dtype)
    small("u", herm(exact(u)) @ exact(u) - np.eye(k), 1, 30 * max(m, 1), dtype)
    small("vh", exact(vh) @ herm(exact(vh)) - np.eye(k), 1, 30 * max(n, 1), dtype)
    theirs = np.linalg.svd(wide(a), compute_uv=False) if a.size else s.astype(float)
    for values_ in (s, alone):
        small("NumPy's singular values", (values_ - theirs)[..., None], norm(a), 30 * max(m, n, 1), dtype)


def eigh(lib, rng):
    dtype = str(rng.choice(FLOATS))
    n = extent(rng)
    a = random_floats(rng, dtype, lead(rng) + (n, n))
    a = ((wide(a) + herm(wide(a))) / 2).astype(dtype)
    upper = rng.random() < .5
    other = np.tril(np.ones((n, n)), -1) if upper else np.triu(np.ones((n, n)), 1)
    given = np.where(other, np.asarray(np.nan, dtype), a)  # is not read
    flags = ctypes.c_uint(UPPER if upper else LOWER)
    w, v = [x.numpy() for x in many(lib, "da_eigh", 2, lib.operand(rng, given), flags)]
    alone = lib.make("da_eigvalsh", lib.operand(rng, given), flags).numpy()
    shaped("v", v, a.shape, dtype)
    small("eigh", exact(a) @ exact(v) - exact(v) * w[..., None, :], norm(a), 30 * max(n, 1), dtype)
    small("v", herm(exact(v)) @ exact(v) - np.eye(n), 1, 30 * max(n, 1), dtype)
    theirs = np.linalg.eigvalsh(wide(a)) if a.size else w
    for values_ in (w, alone):
        small("NumPy's eigenvalues", (values_ - theirs)[..., None], norm(a), 30 * max(n, 1), dtype)


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


PARTS = [(matmul, 60), (gemm, 60), (cholesky, 40), (qr, 40), (qr_factors, 40), (lu, 40), (solve, 40), (solve_triangular, 60),
         (lstsq, 30), (svd, 30), (eigh, 30), (pivoted, 30), (lstsq_rank, 30), (breakdowns, 60)]


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
