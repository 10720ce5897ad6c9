#!/usr/bin/python3
"""numpy_expressions.py LIBRARY [SEED]: expressions, assignment and reductions against NumPy, every operation with every dtype or pair of
dtypes, on views with steps, permuted axes and broadcasting. Runs itself once per runtime and tiling. Skips (77) without NumPy or under a
sanitizer.
"""
import ctypes
import itertools
import os
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from numpy_compare import Array, Axes, Library, NAMES, NDIM, Range, axes_of, np  # noqa: E402

TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
         "complex64", "complex128"]
DTYPE_ERROR = 3
checks = 0


class Expr(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


class Complex(ctypes.Structure):
    _fields_ = [("re", ctypes.c_double), ("im", ctypes.c_double)]


class Value(ctypes.Union):
    _fields_ = [("i", ctypes.c_int64), ("u", ctypes.c_uint64), ("z", Complex)]


class Scalar(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("pad", ctypes.c_int), ("v", Value)]


def scalar(x):
    s = Scalar()
    if isinstance(x, bool):
        s.kind, s.v.u = 5, x
    elif isinstance(x, int):
        s.kind = 2 if x >= 2**63 else 1
        s.v.u = x % 2**64
    elif isinstance(x, float):
        s.kind, s.v.z = 3, Complex(x, 0)
    else:
        s.kind, s.v.z = 4, Complex(x.real, x.imag)
    return s


class Numpy(Library):
    def lift(self, x):
        for name in ("da_x_array", "da_x_number"):
            getattr(self.c, name).restype = Expr
        return self.c.da_x_array(x.p) if isinstance(x, Array) else x if isinstance(x, Expr) else self.c.da_x_number(scalar(x))

    def op(self, name, *args):
        f = getattr(self.c, "da_" + name)
        f.restype = Expr
        return f(*[self.lift(x) for x in args])

    def eval(self, e):
        return self.make("da_eval", self.lift(e))

    def status(self, e):
        """Of an evaluation that should fail."""
        out = ctypes.c_void_p()
        status = self.c.da_eval(ctypes.byref(out), self.lift(e))
        assert status, "evaluated: %s" % Array(self, out).numpy()
        return status


def close(ours, theirs, ulps, *what):
    """The same dtype and shape, and values within so many units in the last place of the larger part."""
    global checks
    checks += 1
    theirs = np.asarray(theirs)
    message = "%s: %s %s\n%s\ninstead of %s %s\n%s" % (what, ours.dtype, ours.shape, ours, theirs.dtype, theirs.shape, theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, message
    if ours.dtype.kind not in "fc" or ulps == 0:
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc"), message
        return
    eps = np.finfo(ours.dtype).eps
    with np.errstate(all="ignore"):
        good = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        good |= np.abs(ours - theirs) <= ulps * eps * np.abs(theirs) + np.finfo(ours.dtype).tiny
        if ours.dtype.kind == "c":  # an infinity may stand in either part
            good |= ~np.isfinite(ours) & ~np.isfinite(theirs)
    assert good.all(), message


def values(rng, dtype, shape, small=False, special=True):
    dtype = np.dtype(dtype)
    n = int(np.prod(shape))
    if dtype.kind == "b":
        a = rng.integers(0, 2, n).astype(bool)
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = (max(info.min, -4), 7) if small else (info.min, info.max)
        a = rng.integers(low, high, n, dtype=dtype, endpoint=True)
    else:
        x = rng.standard_normal((2, n)) * (1 if small else 10.0 ** rng.integers(-3, 3, (2, n)))
        if special and not small:
            x.flat[rng.random(2 * n) < .1] = rng.choice([0.0, 1.0, -1.0, 2.5, .5, -.5, np.inf, -np.inf, np.nan])
        with np.errstate(all="ignore"):
            a = (x[0] + (1j * x[1] if dtype.kind == "c" else 0)).astype(dtype)
    return a.reshape(shape)


def random_view(lib, rng, a):
    """An array of the library that shows `a`: with gaps, reversed, or with its axes in another order in memory."""
    big, where, ranges = [], [], []
    for n in a.shape:
        step = int(rng.choice([1, 1, 2, -1, -3]))
        before, after = int(rng.integers(0, 3)), int(rng.integers(0, 3))
        extent = before + after + ((n - 1) * abs(step) + 1 if n else 0)
        start = before if step > 0 else before + (n - 1) * -step
        big.append(extent)
        if n == 0:
            ranges.append(Range(1, 3, 0, 0, 1))
            where.append(slice(0, 0))
        elif step > 0:
            ranges.append(Range(1, 3, start, start + (n - 1) * step + 1, step))
            where.append(slice(start, start + (n - 1) * step + 1, step))
        else:
            stop = start + (n - 1) * step - 1
            ranges.append(Range(1, 3 if stop >= 0 else 1, start, max(stop, 0), step))
            where.append(slice(start, stop if stop >= 0 else None, step))
    parent = values(rng, a.dtype, big)
    parent[tuple(where)] = a
    order = [int(d) for d in rng.permutation(a.ndim)]
    held = lib.array(parent.transpose(order))
    if a.ndim == 0:
        return held
    turned = lib.make("da_permute_dims", held.p, axes_of([order.index(d) for d in range(a.ndim)]))
    list_of = (Range * len(ranges))(*ranges)
    return lib.make("da_slice", turned.p, len(ranges), list_of)


def random_shape(rng, most=4):
    return tuple(int(n) for n in rng.choice([1, 2, 3, 5, 9, 17, 40], int(rng.integers(0, most))))


UNARY = ["negative", "abs", "sqrt", "square", "exp", "log", "sin", "cos", "tanh", "floor", "ceil", "round", "logical_not",
         "isnan", "isfinite", "conj", "real", "imag"]
BINARY = ["add", "subtract", "multiply", "divide", "pow", "minimum", "maximum", "equal", "not_equal", "less", "less_equal",
          "greater", "greater_equal", "logical_and", "logical_or", "logical_xor"]
FLOATING = {"sqrt", "exp", "log", "sin", "cos", "tanh", "divide"}
ULPS = {"exp": 5, "log": 5, "sin": 5, "cos": 5, "tanh": 5, "pow": 8, "sqrt": 0.5}
ORDER = {"minimum", "maximum", "less", "less_equal", "greater", "greater_equal"}


def refused(name, dtype):
    """Not defined for it."""
    if dtype.kind == "b":
        return name in ("negative", "square", "subtract", "pow")
    return dtype.kind == "c" and (name in ORDER or name in ("floor", "ceil"))


def numpy_unary(name, a):
    if name in FLOATING and a.dtype.kind in "biu":
        a = a.astype("float64")
    if name in ("floor", "ceil", "round") and a.dtype.kind in "biu":
        return a
    if name == "conj" and a.dtype.kind == "b":
        return a
    names = {"round": lambda x: np.round(x), "real": np.real, "imag": np.imag}
    return np.asarray(names.get(name, getattr(np, name, None))(a))


def unary(lib, rng):
    with np.errstate(all="ignore"):
        for name, dtype, _ in itertools.product(UNARY, TYPES, range(3)):
            a = values(rng, dtype, random_shape(rng))
            b = random_view(lib, rng, a)
            if refused(name, a.dtype):
                assert lib.status(lib.op(name, b)) == DTYPE_ERROR, (name, dtype)
                continue
            theirs = numpy_unary(name, a)
            ulps = ULPS.get(name, 0) * (16 if a.dtype.kind == "c" else 1) + (4 if a.dtype.kind == "c" else 0)
            close(lib.eval(lib.op(name, b)).numpy(), theirs, ulps, name, a)


def numpy_binary(name, a, b):
    if a.ndim == 0 or b.ndim == 0:  # NumPy 1 looks at the values of these
        return numpy_binary(name, np.atleast_1d(a), np.atleast_1d(b)).reshape(max(a.shape, b.shape, key=len))
    common = np.result_type(a, b)
    if name in FLOATING and common.kind in "biu":
        return np.divide(a.astype("float64"), b.astype("float64"))
    signs = {a.dtype.kind, b.dtype.kind}
    if name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal") and signs == {"i", "u"}:
        return getattr(np, name)(a.astype(object), b.astype(object)).astype(bool)  # exact
    if name == "pow":
        return np.power(a.astype(common), b.astype(common))
    return getattr(np, name)(a, b)


def binary(lib, rng):
    with np.errstate(all="ignore"):
        for name, first, second in itertools.product(BINARY, TYPES, TYPES):
            shape = random_shape(rng)
            shapes = [list(shape), list(shape)]
            for own in shapes:
                for d in range(len(own)):
                    if rng.random() < .2:
                        own[d] = 1
                if rng.random() < .2:
                    del own[:int(rng.integers(0, len(own) + 1))]
            small = name == "pow"
            a, b = values(rng, first, shapes[0], small), values(rng, second, shapes[1], small)
            if small and b.dtype.kind == "i":
                b = np.abs(b)
            common = np.result_type(a.dtype, b.dtype)
            if small and common.kind == "c":  # 0 to a complex power: libm says 0, NumPy NaN
                a = np.where(a == 0, np.ones_like(a), a)
            ours = lib.op(name, random_view(lib, rng, a), random_view(lib, rng, b))
            if refused(name, common):
                assert lib.status(ours) == DTYPE_ERROR, (name, first, second)
                continue
            complex_ulps = 40 if common.kind == "c" and name in ("multiply", "divide", "pow") else 0
            close(lib.eval(ours).numpy(), numpy_binary(name, a, b), ULPS.get(name, 0) + complex_ulps, name, a, b)


def numbers(lib, rng):
    """Numbers are weak: they take the array's dtype if it is of their kind or a higher one."""
    kinds = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
    for dtype, number in itertools.product(TYPES, [True, 3, 100, 2.5, 1 + 2j]):
        a = values(rng, dtype, (7,), True)
        kind = {bool: 0, int: 1, float: 2, complex: 3}[type(number)]
        if kind <= kinds[a.dtype.kind]:
            expected = a.dtype
        elif kind == 3 and dtype == "float32":
            expected = np.dtype("complex64")
        else:
            expected = np.dtype({1: "int64", 2: "float64", 3: "complex128"}[kind])
        typed = np.asarray(number).astype(expected)
        for ours, theirs in ((lib.op("add", lib.array(a), number), a.astype(expected) + typed),
                             (lib.op("multiply", number, lib.array(a)), typed * a.astype(expected))):
            close(lib.eval(ours).numpy(), theirs, 4 if kind == 3 else 0, dtype, number)
        if a.dtype.kind == "u":
            for bad in (-1, int(np.iinfo(dtype).max) + 1):
                if bad < 2**64:
                    assert lib.status(lib.op("add", lib.array(a), bad)) == DTYPE_ERROR, (dtype, bad)
        if a.dtype.kind in "iu":  # comparisons are exact
            for other in (-1, 300, 2**63, 2**64 - 1, -2**63):
                for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
                    theirs = getattr(np, name)(a.astype(object), np.asarray(other, object)).astype(bool)
                    close(lib.eval(lib.op(name, lib.array(a), other)).numpy(), theirs, 0, name, a, other)


def where(lib, rng):
    for first, second in itertools.product(TYPES, TYPES):
        shape = random_shape(rng)
        c, a, b = values(rng, rng.choice(TYPES), shape, True), values(rng, first, shape), values(rng, second, shape[1:])
        with np.errstate(all="ignore"):
            theirs = np.where(c, np.atleast_1d(a), np.atleast_1d(b)).reshape(shape)
        ours = lib.op("where", *[random_view(lib, rng, x) for x in (c, a, b)])
        close(lib.eval(ours).numpy(), theirs, 0, "where", c, a, b)


def trees(lib, rng):
    """Random expressions of f64 arrays and numbers: the same bits as NumPy's, operation by operation."""
    simple = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "minimum": np.minimum,
              "maximum": np.maximum}
    for _ in range(150):
        dtype = rng.choice(["float32", "float64"])
        shape = random_shape(rng)
        pool = []
        for _ in range(int(rng.integers(2, 30))):
            if rng.random() < .3:
                x = float(rng.integers(1, 9)) / 4
                pool.append((x, np.asarray(x, dtype)))
            else:
                a = values(rng, dtype, [1 if rng.random() < .2 else n for n in shape], True)
                pool.append((random_view(lib, rng, a), a))
        pool.append((random_view(lib, rng, a := values(rng, dtype, shape, True)), a))
        with np.errstate(all="ignore"):
            while len(pool) > 1:
                i, j = (int(k) for k in rng.choice(len(pool), 2, replace=False))
                (x, a), (y, b) = pool[i], pool[j]
                if isinstance(x, float) and (len(pool) == 2 or isinstance(y, float)):
                    x, y, a, b, i, j = y, x, b, a, j, i
                if isinstance(x, float):  # numbers alone give a number, in f64
                    del pool[i]
                    continue
                if rng.random() < .15:
                    new = lib.op("sqrt", x), np.sqrt(a)
                    pool[i] = new
                    continue
                name = rng.choice(list(simple))
                new = lib.op(name, x, y), simple[name](a, b)
                for k in sorted((i, j), reverse=True):
                    del pool[k]
                pool.append(new)
        close(lib.eval(pool[0][0]).numpy(), pool[0][1], 0, dtype, shape)


def assign(lib, rng):
    """Into views, converting, with operands that overlap the destination."""
    kinds = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
    for _ in range(200):
        ndim = int(rng.integers(1, 3))
        n = int(rng.integers(2, 30))
        dtype = rng.choice(TYPES[1:])
        a = values(rng, dtype, (n,) * ndim, True)
        held = lib.array(a)

        def part():
            """The same random part of both, of m x m elements."""
            step = int(rng.choice([1, 1, 2, -1, -2])) if m * 2 <= n else int(rng.choice([1, -1]))
            room = n - ((m - 1) * abs(step) + 1)
            lo = int(rng.integers(0, room + 1))
            hi = lo + (m - 1) * abs(step)
            if step > 0:
                cut, ranges = slice(lo, hi + 1, step), Range(1, 3, lo, hi + 1, step)
            else:
                cut, ranges = slice(hi, lo - 1 if lo else None, step), Range(1, 3 if lo else 1, hi, max(lo - 1, 0), step)
            v = lib.make("da_slice", held.p, ndim, (Range * ndim)(*[ranges] * ndim))
            w = a[(cut,) * ndim]
            if ndim == 2 and rng.random() < .4:
                v, w = lib.make("da_permute_dims", v.p, axes_of([1, 0])), w.T
            return v, w

        m = int(rng.integers(1, n + 1))
        (dst, dst_np), (x, x_np), (y, y_np) = part(), part(), part()
        e = lib.op("add", lib.op("multiply", x, 2), y)
        with np.errstate(all="ignore"):
            result = x_np * 2 + y_np
        lib.check(lib.c.da_assign(dst.p, e))
        dst_np[...] = result
        close(held.numpy(), a, 0, dtype, n, m)
    for first, second in itertools.product(TYPES, TYPES):
        a, b = values(rng, first, (4, 5), True), values(rng, second, (5,), True)
        held = lib.array(a)
        e = lib.lift(lib.array(b))
        if kinds[b.dtype.kind] > kinds[a.dtype.kind]:
            assert lib.c.da_assign(held.p, e) == DTYPE_ERROR, (first, second)
            continue
        lib.check(lib.c.da_assign(held.p, e))
        a[...] = b
        close(held.numpy(), a, 0, "assign", first, second)


REDUCE = ["sum", "prod", "min", "max", "mean", "any", "all", "var", "std", "vector_norm", "argmin", "argmax"]


def numpy_reduce(name, a, axes, keepdims, extra):
    axis = tuple(axes) if axes is not None else None
    x = a.astype("float64") if a.dtype.kind in "biu" and name in ("mean", "var", "std", "vector_norm") else a
    if name in ("sum", "prod"):
        wide = {"b": "int64", "i": "int64", "u": "uint64"}.get(a.dtype.kind, a.dtype)
        return getattr(np, name)(a, axis, dtype=wide, keepdims=keepdims)
    if name in ("var", "std"):
        return getattr(np, name)(x, axis, ddof=extra, keepdims=keepdims)
    if name == "vector_norm":
        wide = np.abs(x.astype("complex128" if x.dtype.kind == "c" else "float64"))
        real = x.real.dtype
        if extra == 0:
            r = np.sum(wide != 0, axis, keepdims=keepdims)
        elif np.isinf(extra):
            r = (np.max if extra > 0 else np.min)(wide, axis, keepdims=keepdims)
        else:
            r = np.sum(wide ** extra, axis, keepdims=keepdims) ** (1 / extra)
        return np.asarray(r).astype(real)
    if name in ("argmin", "argmax"):
        r = getattr(np, name)(a, None if axes is None else axes[0])
        if keepdims:
            r = np.reshape(r, [1 if axes is None or d == axes[0] % a.ndim else n for d, n in enumerate(a.shape)])
        return r
    return getattr(np, name)(x, axis, keepdims=keepdims)


def reductions(lib, rng):
    for name, dtype, _ in itertools.product(REDUCE, TYPES, range(8)):
        shape = random_shape(rng, 5)
        if np.prod(shape) > 20000:
            shape = shape[:3]
        a = values(rng, dtype, shape, name != "vector_norm" or rng.random() < .5, special=False)
        if name in ("min", "max", "argmin", "argmax", "sum") and a.dtype.kind == "f" and rng.random() < .3 and a.size:
            a.flat[int(rng.integers(a.size))] = np.nan
        if name == "prod" and a.dtype.kind in "fc":  # neither large nor small
            a /= np.maximum(np.abs(a), .1)
        ordered = name in ("min", "max", "argmin", "argmax")
        arg = name.startswith("arg")
        axes = None
        if a.ndim and rng.random() < .7:
            count = 1 if arg else int(rng.integers(0, a.ndim + 1))
            axes = [int(d) - a.ndim * int(rng.integers(2)) for d in rng.permutation(a.ndim)[:count]]
        keepdims = bool(rng.integers(2))
        extra = {"var": rng.choice([0.0, 1.0]), "std": rng.choice([0.0, 1.0]),
                 "vector_norm": rng.choice([0, 1, 2, 3, .5, np.inf, -np.inf])}.get(name)
        given = Axes(-1) if axes is None else axes_of(axes)
        more = [] if extra is None else [ctypes.c_double(extra)]
        args = [lib.lift(random_view(lib, rng, a)), given] + more + [ctypes.c_uint(keepdims)]
        if ordered and a.dtype.kind == "c":
            out = ctypes.c_void_p()
            assert getattr(lib.c, "da_" + name)(ctypes.byref(out), *args) == DTYPE_ERROR, (name, dtype)
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = np.asarray(numpy_reduce(name, a, axes, keepdims, extra))
        ours = lib.make("da_" + name, *args).numpy()
        if name in ("sum", "mean") and a.dtype.kind in "fc":  # against the sum of magnitudes
            with np.errstate(all="ignore"):
                size = np.sum(np.abs(a), tuple(axes) if axes is not None else None, keepdims=keepdims)
                if name == "mean":
                    size = size / max(1, a.size // max(1, theirs.size))
                good = np.abs(ours - theirs) <= 30 * np.finfo(a.dtype).eps * size
                good |= np.isnan(ours) & np.isnan(theirs)
            global checks
            checks += 1
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and good.all(), (name, a, axes, ours, theirs)
            continue
        close(ours, theirs, 3000 if name in ("var", "std", "prod") else 300, name, a, axes, keepdims, extra)


def run_variants(script, variants, main):
    """main() in a process for each runtime and what is set with it; the exit status."""
    if os.environ.get("DARRAY_TEST_SANITIZE", "none") != "none":
        print("a library under a sanitizer cannot be loaded by Python")
        return 77
    if "DARRAY_TEST_CHILD" in os.environ:
        return main()
    failed = 0
    for runtime, more in variants:
        env = dict(os.environ, DARRAY_TEST_CHILD="1", DARRAY_RUNTIME=runtime, **more)
        print("%s %s" % (runtime, more), flush=True)
        failed += subprocess.call([sys.executable, os.path.abspath(script)] + sys.argv[1:], env=env) != 0
    return 1 if failed else 0


def main():
    lib = Numpy(sys.argv[1])
    status = lib.c.da_init(os.environ["DARRAY_RUNTIME"].encode(), 0)
    if status == 16:  # DA_ERROR_UNSUPPORTED
        print(lib.c.da_error().decode())
        return 0
    lib.check(status)
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    parts = (unary, binary, numbers, where, trees, assign, reductions)
    if "DARRAY_CPU_LEVEL" in os.environ:
        parts = (unary, binary, reductions)
    elif "DARRAY_TILE" in os.environ:
        parts = (where, trees, assign, reductions)
    for part in parts:
        before = checks
        part(lib, rng)
        print("  %s: %d" % (part.__name__, checks - before), flush=True)
    lib.check(lib.c.da_shutdown())
    return 0


if __name__ == "__main__":
    sys.exit(run_variants(__file__, [
        ("openmp", {}), ("openmp", {"DARRAY_TILE": "5", "DARRAY_INLINE": "0"}), ("openmp", {"DARRAY_CPU_LEVEL": "3"}),
        ("openmp", {"DARRAY_CPU_LEVEL": "0"}), ("starpu", {"DARRAY_TILE": "16", "DARRAY_INLINE": "0"})], main))
