#!/usr/bin/python3
"""numpy_norms.py LIBRARY [SEED]: norms, diagonals, traces, cross and Kronecker products against NumPy, for every dtype on views with steps and
permuted axes. Runs itself once per runtime and tiling. Skips (77) without NumPy or under a sanitizer.
"""
import ctypes
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import numpy_expressions  # noqa: E402
from numpy_compare import axes_of, np  # noqa: E402
from numpy_expressions import TYPES, Axes, Numpy, random_view, values  # noqa: E402

FLOATS = ["float32", "float64", "complex64", "complex128"]
SHAPE_ERROR, DTYPE_ERROR = 2, 3
checks = 0


def near(ours, theirs, size, *what):
    """The same shape and dtype, and values within 40 units in the last place of `size`."""
    global checks
    checks += 1
    theirs = np.asarray(theirs)
    message = "%s: %s %s\n%s\ninstead of %s %s\n%s" % (what, ours.dtype, ours.shape, ours, theirs.dtype, theirs.shape, theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, message
    with np.errstate(all="ignore"):
        good = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if ours.dtype.kind in "fc":
            good |= np.abs(ours - theirs) <= 40 * np.finfo(ours.dtype).eps * size
    assert np.all(good), message


def status_of(lib, name, *args):
    out = ctypes.c_void_p()
    return getattr(lib.c, name)(ctypes.byref(out), *args)


def matrix(rng, dtype, most=3, least=0, small=True):
    """With up to `most` leading axes."""
    lead = tuple(int(n) for n in rng.choice([1, 2, 3, 6], int(rng.integers(0, most))))
    shape = lead + tuple(int(n) for n in rng.choice([least, 1, 2, 3, 7, 19], 2))
    return values(rng, dtype, shape, small=small)


def wide(a):
    """In the precision that sums are compared in."""
    return a.astype("complex128" if a.dtype.kind == "c" else "float64")


def real_of(a):
    return a.real.dtype if a.dtype.kind in "fc" else np.dtype("float64")


def vector_norms(lib, rng):
    for dtype in TYPES:
        for order in [0, 1, 2, np.inf, -np.inf, 3, .5, -1, -2, 2.7, -.5]:
            for _ in range(3):
                a = matrix(rng, dtype, least=1)
                count = int(rng.integers(0, a.ndim + 1))
                axes = None if count == 0 else tuple(int(d) for d in rng.permutation(a.ndim)[:count])
                keepdims = bool(rng.integers(2))
                x = np.abs(wide(a))
                with np.errstate(all="ignore"):
                    theirs = np.sum(x != 0, axes, keepdims=keepdims) if order == 0 else \
                        np.max(x, axes, keepdims=keepdims) if order == np.inf else \
                        np.min(x, axes, keepdims=keepdims) if order == -np.inf else \
                        np.sum(x ** order, axes, keepdims=keepdims) ** (1 / order)
                ours = lib.make("da_vector_norm", lib.lift(random_view(lib, rng, a)), Axes(-1) if axes is None else axes_of(axes),
                                ctypes.c_double(order), ctypes.c_uint(keepdims)).numpy()
                near(ours, np.asarray(theirs).astype(real_of(a)), np.abs(theirs) + np.finfo(real_of(a)).tiny, "vector_norm", a,
                     order, axes)


NORMS = ["fro", 1, -1, np.inf, -np.inf, 2, -2, "nuc"]


def matrix_norms(lib, rng):
    for dtype in TYPES:
        for kind, order in enumerate(NORMS, 1):
            for _ in range(4):
                a = matrix(rng, dtype)
                keepdims = bool(rng.integers(2))
                held = random_view(lib, rng, a)
                args = [held.p, kind, ctypes.c_uint(keepdims)]
                try:
                    theirs = np.linalg.norm(wide(a), order, (-2, -1), keepdims=keepdims)
                except ValueError:
                    assert status_of(lib, "da_matrix_norm", *args) == SHAPE_ERROR, (a.shape, order)
                    continue
                size = np.linalg.norm(wide(a), "fro", (-2, -1), keepdims=keepdims) if order == -2 else theirs
                near(lib.make("da_matrix_norm", *args).numpy(), np.asarray(theirs).astype(real_of(a)), size, "matrix_norm", a, order)


def spectral(rng, dtype, shape):
    """Of a random rank, with singular values that are 0 or from 1 to 10."""
    k = min(shape[-2:])
    parts = []
    for n in shape[-2:]:
        x = rng.standard_normal(shape[:-2] + (n, n)) + (1j * rng.standard_normal(shape[:-2] + (n, n)) if dtype[0] == "c" else 0)
        parts.append(np.linalg.qr(x)[0][..., :k])
    s = (1 + 9 * rng.random(shape[:-2] + (k,))) * (rng.random(shape[:-2] + (k,)) < .7)
    return parts[0], s, parts[1]


def pseudo_inverses(lib, rng):
    for dtype in FLOATS:
        for hermitian in (False, False, True):
            for _ in range(6):
                shape = matrix(rng, dtype).shape
                if hermitian:
                    shape = shape[:-1] + (shape[-2],)
                u, s, v = spectral(rng, dtype, shape)
                v = u if hermitian else v
                s = s * np.sign(rng.standard_normal(s.shape)) if hermitian else s
                a = ((u * s[..., None, :]) @ np.conj(np.swapaxes(v, -1, -2))).astype(dtype)
                inverse = (v * np.where(s == 0, 0, 1 / np.where(s == 0, 1, s))[..., None, :]) @ np.conj(np.swapaxes(u, -1, -2))
                held, flags = random_view(lib, rng, a), int(rng.choice([2, 4])) if hermitian else 0
                rtol = ctypes.c_double(-1 if rng.random() < .5 and max(shape[-2:]) > 3 else 1e-3)
                size = 20 * max(max(shape[-2:]), 1)
                near(lib.make("da_pinv", held.p, rtol, flags).numpy(), inverse.astype(dtype), size, "pinv", a)
                near(lib.make("da_matrix_rank", held.p, rtol, flags).numpy(), np.sum(s != 0, -1), 0, "rank", a)
                if a.size:
                    near(lib.make("da_matrix_rank", held.p, ctypes.c_double(-1), flags).numpy(), np.linalg.matrix_rank(a), 0, "rank", a)
                    rtol = float(rng.choice([.3, .6]))  # cuts among the values
                    theirs = np.linalg.pinv(wide(a), rtol)
                    near(lib.make("da_pinv", held.p, ctypes.c_double(rtol), flags).numpy(), theirs.astype(dtype), size, "pinv", a, rtol)


def conditions(lib, rng):
    for dtype in FLOATS:
        for kind, order in enumerate(NORMS, 1):
            for _ in range(4):
                a = matrix(rng, dtype, least=1)
                if order not in (2, -2):
                    a = values(rng, dtype, a.shape[:-2] + (a.shape[-1], a.shape[-1]), small=True)
                held = random_view(lib, rng, a)
                theirs = np.asarray(np.linalg.cond(wide(a), order))
                # relative errors grow with the condition itself
                near(lib.make("da_cond", held.p, kind).numpy(), theirs.astype(real_of(a)),
                     20 * theirs * np.maximum(np.linalg.cond(wide(a)), 1), "cond", a, order)
            singular = np.array([[[1, 2], [2, 4]], [[0, 0], [0, 0]], [[3, 0], [0, 0]], [[1, 0], [0, 4]]], dtype)
            held = random_view(lib, rng, singular)
            ours = lib.make("da_cond", held.p, kind).numpy()
            if order in (2, "nuc"):  # rounding may leave something of the first one's zero
                assert np.array_equal(np.isinf(ours[1:]), [True, True, False]), ours
            elif order != -2:
                assert np.array_equal(np.isinf(ours), [True, True, True, False]), (order, ours)


def diagonals(lib, rng):
    for dtype in TYPES:
        for _ in range(12):
            a = matrix(rng, dtype, small=False)
            k = int(rng.integers(-8, 9)) if rng.random() < .8 else int(rng.choice([-2**63, 2**63 - 1, 1000, -1000]))
            held = random_view(lib, rng, a)
            clipped = max(min(k, 10**6), -10**6)
            near(lib.make("da_diagonal", held.p, ctypes.c_int64(k)).numpy(), np.diagonal(a, clipped, -2, -1), 0, "diagonal", a, k)
            a = matrix(rng, dtype)
            kind = {"b": "int64", "i": "int64", "u": "uint64"}.get(a.dtype.kind, a.dtype)
            held = random_view(lib, rng, a)
            near(lib.make("da_trace", held.p, ctypes.c_int64(k)).numpy(), np.trace(a, clipped, -2, -1, dtype=kind),
                 np.sum(np.abs(np.diagonal(wide(a), clipped, -2, -1)), -1), "trace", a, k)


def crosses(lib, rng):
    for dtype in TYPES:
        for other in [dtype, str(rng.choice(TYPES))]:
            for _ in range(4):
                lead = [int(n) for n in rng.choice([1, 2, 5], int(rng.integers(0, 3)))]
                shape, second = list(lead), [1 if rng.random() < .3 else n for n in lead][int(rng.integers(0, 1 + len(lead))):]
                axis = -int(rng.integers(1, len(second) + 2))
                shape.insert(len(shape) + axis + 1, 3)
                second.insert(len(second) + axis + 1, 3)
                a, b = values(rng, dtype, shape, small=True), values(rng, other, second, small=True)
                if rng.random() < .5:
                    a, b = b, a
                axis += a.ndim if a.ndim == b.ndim and rng.random() < .5 else 0
                x, y = random_view(lib, rng, a), random_view(lib, rng, b)
                common = np.result_type(a, b)
                if common.kind == "b":
                    assert status_of(lib, "da_cross", x.p, y.p, axis) == DTYPE_ERROR
                    continue
                # NumPy puts the result's axis where it counts from the result's end
                theirs = np.cross(np.moveaxis(a.astype(common), axis, -1), np.moveaxis(b.astype(common), axis, -1))
                near(lib.make("da_cross", x.p, y.p, axis).numpy(), np.moveaxis(theirs, -1, axis),
                     2 * np.max(np.abs(wide(a)), initial=0) * np.max(np.abs(wide(b)), initial=0), "cross", a, b, axis)


def krons(lib, rng):
    for dtype in TYPES:
        for other in [dtype, str(rng.choice(TYPES))]:
            for _ in range(4):
                a, b = (values(rng, kind, tuple(int(n) for n in rng.choice([0, 1, 2, 3, 7], int(rng.integers(0, 4)))), small=True)
                        for kind in (dtype, other))
                common = np.result_type(a, b) if a.ndim and b.ndim else np.result_type(a.dtype, b.dtype)
                x, y = random_view(lib, rng, a), random_view(lib, rng, b)
                left, right = np.atleast_1d(a.astype(common)), np.atleast_1d(b.astype(common))
                theirs = np.kron(left, right).reshape(np.kron(left, right).shape if a.ndim or b.ndim else ())
                size = np.kron(np.abs(wide(left)), np.abs(wide(right))).reshape(theirs.shape)
                near(lib.make("da_kron", x.p, y.p).numpy(), theirs, size, "kron", a, b)


def main():
    lib = Numpy(sys.argv[1])
    status = lib.c.da_init(os.environ["DARRAY_RUNTIME"].encode(), 0)
    if status == 16:  # DA_ERROR_UNSUPPORTED
        print(lib.c.da_error().decode())
        return 0
    lib.check(status)
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in (vector_norms, matrix_norms, pseudo_inverses, conditions, diagonals, crosses, krons):
            before = checks
            part(lib, rng)
            print("  %s: %d" % (part.__name__, checks - before), flush=True)
    lib.check(lib.c.da_shutdown())
    return 0


if __name__ == "__main__":
    sys.exit(numpy_expressions.run_variants(__file__, [
        ("openmp", {}), ("openmp", {"DARRAY_TILE": "5", "DARRAY_INLINE": "0"}),
        ("starpu", {"DARRAY_TILE": "4", "DARRAY_INLINE": "0"})], main))
