#!/usr/bin/python3
"""numpy_compare.py LIBRARY [SEED]: arrays of the library against NumPy's: printing, .npy and CSV files, conversions, views, joining.
Runs itself once per runtime and tiling. Skips (77) without NumPy or under a sanitizer.
"""
import ctypes
import itertools
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("no NumPy")
    sys.exit(77)

NAMES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", None, "float32",
         "float64", "complex64", "complex128"]
TYPES = [name for name in NAMES if name]
NDIM = 16


class Shape(ctypes.Structure):
    _fields_ = [("ndim", ctypes.c_int), ("dim", ctypes.c_int64 * NDIM)]


class Axes(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int), ("axis", ctypes.c_int * NDIM)]


class Layout(ctypes.Structure):
    _fields_ = [("order", ctypes.c_int), ("strides", ctypes.POINTER(ctypes.c_int64))]


class Range(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("has", ctypes.c_int), ("start", ctypes.c_int64), ("stop", ctypes.c_int64),
                ("step", ctypes.c_int64)]


def shape_of(dims):
    return Shape(len(dims), (ctypes.c_int64 * NDIM)(*dims))


def axes_of(axes):
    return Axes(len(axes), (ctypes.c_int * NDIM)(*axes))


ROW_MAJOR, COL_MAJOR = Layout(1, None), Layout(2, None)


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.da_error.restype = ctypes.c_char_p
        self.c.da_array_size.restype = ctypes.c_int64
        self.c.da_array_shape.restype = Shape

    def check(self, status):
        if status:
            raise RuntimeError("status %d: %s" % (status, self.c.da_error().decode()))

    def make(self, name, *args):
        """The array that function `name` gives out."""
        out = ctypes.c_void_p()
        self.check(getattr(self.c, name)(ctypes.byref(out), *args))
        return Array(self, out)

    def array(self, a, order=ROW_MAJOR):
        data = np.asarray(a, order="C" if order is ROW_MAJOR else "F")
        return self.make("da_from_host", NAMES.index(data.dtype.name) + 1, shape_of(data.shape),
                         ctypes.c_void_p(data.ctypes.data), order)

    def string(self, a):
        out = ctypes.c_char_p()
        self.check(self.c.da_to_string(ctypes.byref(out), a.p))
        text = out.value.decode()
        self.c.da_string_free(out)
        return text


class Array:
    def __init__(self, lib, p):
        self.lib = lib
        self.p = p
        self._as_parameter_ = p  # may itself be an argument, which keeps it until the call returns

    def __del__(self):
        self.lib.c.da_array_release(ctypes.byref(self.p))

    def numpy(self, order=ROW_MAJOR):
        shape = self.lib.c.da_array_shape(self.p)
        name = NAMES[self.lib.c.da_array_dtype(self.p) - 1]
        out = np.empty(list(shape.dim)[:shape.ndim], name, order="C" if order is ROW_MAJOR else "F")
        self.lib.check(self.lib.c.da_to_host(self.p, ctypes.c_void_p(out.ctypes.data), ctypes.c_size_t(out.nbytes), order))
        return out


checks = 0


def same(ours, theirs, *what):
    """Equal in shape, dtype and bits (NaNs are all alike)."""
    global checks
    checks += 1
    if ours.shape == theirs.shape and ours.dtype == theirs.dtype:
        if ours.tobytes() == theirs.tobytes():
            return
        if ours.dtype.kind in "fc" and np.array_equal(ours, theirs, equal_nan=True):
            return
    raise AssertionError("%s: %s %s\n%s\ninstead of %s %s\n%s" % (what, ours.dtype, ours.shape, ours, theirs.dtype,
                                                                theirs.shape, theirs))


def random_array(rng, dtype, shape, kind):
    n = int(np.prod(shape))
    dtype = np.dtype(dtype)

    def floats(double):
        limit = 300 if double else 15
        if kind == 0:
            return rng.random(n)
        if kind == 1:
            return rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4)
        if kind == 2:
            return rng.standard_normal(n) * 10.0 ** rng.integers(-12, 12, n)
        if kind == 3:
            return np.round(rng.random(n) * 100)
        if kind == 4:
            return np.round(rng.random(n) * 100, 2)
        if kind == 5:
            x = rng.random(n) - .5
            if n > 2:
                x[rng.integers(n)] = np.nan
                x[rng.integers(n)] = np.inf
                x[rng.integers(n)] = rng.choice([-np.inf, 0])
            return x
        if kind == 6:
            return np.full(n, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30]))
        return np.exp2(rng.integers(-limit, limit, n).astype(float)) * rng.choice([1, -1], n)

    with np.errstate(all="ignore"):
        if dtype.kind == "b":
            a = rng.integers(0, 2, n).astype(bool)
        elif dtype.kind in "iu":
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            a = rng.integers(low, high, n, dtype=dtype, endpoint=True) if kind % 2 else \
                rng.integers(max(low, -5), 100, n).astype(dtype)
        elif dtype.kind == "f":
            a = floats(dtype.itemsize == 8).astype(dtype)
        else:
            a = np.empty(n, dtype)
            a.real = floats(dtype.itemsize == 16)
            a.imag = floats(dtype.itemsize == 16)
    return a.reshape(shape)


def printing(lib, rng):
    global checks
    shapes = [(), (1,), (5,), (3, 4), (2, 3, 4), (30,), (2, 40), (1001,), (50, 50), (5, 300), (20, 3, 40), (7, 8, 9, 10),
              (0,), (3, 0, 2), (2, 1, 2, 1, 3), (1100, 1), (1, 1100), (6, 6, 50)]
    for dtype, shape, kind in itertools.product(TYPES, shapes, range(8)):
        a = random_array(rng, dtype, shape, kind)
        checks += 1
        ours, theirs = lib.string(lib.array(a)), str(a)
        assert ours == theirs, "%s %s is printed as\n%s\ninstead of\n%s" % (a.dtype, a.shape, ours, theirs)


def npy(lib, rng):
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours, again = (os.path.join(folder, name) for name in ("a.npy", "b.npy", "c.npy"))
        shapes = [(), (3,), (0,), (2, 3), (3, 0, 2), (2, 3, 4), (1, 1, 3, 1), (333, 2, 200)]
        versions = [(1, 0), (2, 0), (3, 0)]
        for dtype, byte_order, order, shape, version in itertools.product(TYPES, "<>", "CF", shapes, versions):
            if len(shape) == 3 and shape[0] == 333 and version != (1, 0):
                continue
            stored = np.dtype(dtype).newbyteorder(byte_order)
            a = random_array(rng, dtype, shape, 1).astype(stored)
            a = np.asarray(a, order=order) if a.ndim else a
            with open(theirs, "wb") as file:
                np.lib.format.write_array(file, a, version=version)
            b = lib.make("da_load_npy", theirs.encode())
            same(b.numpy(), np.ascontiguousarray(a).astype(dtype).reshape(shape), "load", dtype, byte_order, order, shape)
            lib.check(lib.c.da_save_npy(ours.encode(), b.p))
            loaded = np.load(ours)
            same(loaded, a.astype(dtype), "save", dtype, byte_order, order, shape)
            np.save(again, loaded)
            with open(ours, "rb") as one, open(again, "rb") as other:
                assert one.read() == other.read(), "np.save writes %s %s differently" % (dtype, shape)


def csv(lib, rng):
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv")
        for shape, kind in itertools.product([(1, 1), (3, 1), (1, 3), (5, 4), (700, 30)], range(8)):
            a = random_array(rng, "float64", shape, kind)
            np.savetxt(theirs, a, delimiter=",")
            b = lib.make("da_load_csv", theirs.encode(), ctypes.c_int64(0))
            same(b.numpy(), a, "load", shape, kind)
            lib.check(lib.c.da_save_csv(ours.encode(), b.p, None))
            same(np.loadtxt(ours, delimiter=",", ndmin=2), a, "save", shape, kind)


def conversions(lib, rng):
    for source, target in itertools.product(TYPES, TYPES):
        if np.dtype(source).kind == "c" and np.dtype(target).kind not in "cb":
            continue
        for shape in [(), (1,), (67,), (13, 9), (3, 5, 7)]:
            a = random_array(rng, source, shape, 1 if np.dtype(source).kind in "iub" else rng.integers(5))
            if np.dtype(source).kind == "f" and np.dtype(target).kind in "iu":
                info = np.iinfo(target)  # what does not fit is the machine's business
                a = np.clip(np.nan_to_num(a.astype("float64"), posinf=0, neginf=0) * 50, info.min, min(info.max, 2 ** 62))
                with np.errstate(all="ignore"):
                    a = a.astype(source)
                a = np.where(np.abs(a.astype("float64")) < 2.0 ** (8 * info.dtype.itemsize - 1) - 1, a, 0).astype(source)
            with np.errstate(all="ignore"):
                theirs = a.astype(target)
            b = lib.array(a)
            same(lib.make("da_astype", b.p, NAMES.index(target) + 1).numpy(), theirs, source, target, shape)
            if len(shape) == 2:
                transposed = lib.make("da_matrix_transpose", b.p)
                same(lib.make("da_astype", transposed.p, NAMES.index(target) + 1).numpy(), theirs.T, source, target, "T")


def random_index(rng, extent):
    """A range of an axis, and the same for NumPy."""
    def bound():
        return int(rng.integers(-extent - 3, extent + 4))
    has = int(rng.integers(4))
    step = int(rng.choice([1, 1, 2, 3, -1, -2, extent + 1, -extent - 2]))
    start, stop = bound(), bound()
    return (Range(1, has, start, stop, step),
            slice(start if has & 1 else None, stop if has & 2 else None, step))


def random_view(lib, rng, ours, theirs):
    """One more step of a chain of views."""
    what = rng.integers(7)
    ndim = theirs.ndim
    if what <= 1:
        ranges, index = [], []
        ellipsis = rng.integers(8) if rng.random() < .3 else -1
        for d in range(int(rng.integers(ndim + 1)) if ellipsis < 0 else ndim):
            if d == ellipsis:
                ranges.append(Range(4, 0, 0, 0, 1))
                index.append(Ellipsis)
                break
            if rng.random() < .15:
                ranges.append(Range(3, 0, 0, 0, 1))
                index.append(None)
            if rng.random() < .15 and theirs.shape[d] > 0:
                at = int(rng.integers(-theirs.shape[d], theirs.shape[d]))
                ranges.append(Range(2, 0, at, 0, 1))
                index.append(at)
            else:
                one, other = random_index(rng, theirs.shape[d])
                ranges.append(one)
                index.append(other)
        result = theirs[tuple(index)]
        if not isinstance(result, np.ndarray):
            result = theirs[tuple(index) + (Ellipsis,)]
        if result.ndim > 8:
            return ours, theirs
        return lib.make("da_slice", ours.p, len(ranges), (Range * max(len(ranges), 1))(*ranges)), result
    if what == 2:
        order = [int(d) - (ndim if rng.random() < .3 else 0) for d in rng.permutation(ndim)]
        return lib.make("da_permute_dims", ours.p, axes_of(order)), theirs.transpose(order)
    if what == 3:
        axes = [d for d in range(ndim) if rng.random() < .5]
        return lib.make("da_flip", ours.p, axes_of(axes)), np.flip(theirs, tuple(axes))
    if what == 4 and ndim < 8:
        axis = int(rng.integers(-ndim - 1, ndim + 1))
        return lib.make("da_expand_dims", ours.p, axis), np.expand_dims(theirs, axis)
    if what == 5:
        axes = [d for d in range(ndim) if theirs.shape[d] == 1 and rng.random() < .7]
        return lib.make("da_squeeze", ours.p, axes_of(axes)), np.squeeze(theirs, tuple(axes))
    if what == 6 and ndim < 6:
        shape = [int(rng.integers(3))] * int(rng.integers(2)) + \
            [int(rng.integers(1, 4)) if n == 1 and rng.random() < .5 else n for n in theirs.shape]
        return lib.make("da_broadcast_to", ours.p, shape_of(shape)), np.broadcast_to(theirs, shape)
    return ours, theirs


def split(rng, n):
    """A shape of n elements."""
    shape = []
    while n > 1 and len(shape) < 5:
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        shape.append(int(rng.choice(divisors)))
        n //= shape[-1]
    return shape + [n] if n > 1 or rng.random() < .5 else shape


def views(lib, rng):
    for _ in range(400):
        shape = [int(n) for n in rng.integers(1, 12, int(rng.integers(1, 5)))]
        if rng.random() < .05:
            shape[0] = 0
        theirs = np.arange(int(np.prod(shape)), dtype=str(rng.choice(["int64", "uint8", "float32", "complex128"]))
                           ).reshape(shape)
        base = lib.array(theirs, ROW_MAJOR if rng.random() < .5 else COL_MAJOR)
        keep, mine = theirs.copy(), base
        writable = keep
        for _ in range(int(rng.integers(6))):
            mine, writable = random_view(lib, rng, mine, writable)
        same(mine.numpy(), writable, "view of", shape)
        same(mine.numpy(COL_MAJOR), writable, "view of", shape)
        same(lib.make("da_copy", mine.p).numpy(), writable, "copy of a view of", shape)
        new_shape = split(rng, writable.size) if writable.size else [0, 3]
        same(lib.make("da_reshape", mine.p, shape_of(new_shape)).numpy(), writable.reshape(new_shape), "reshape", shape,
             writable.shape, new_shape)
        if writable.flags.writeable and writable.size:
            start = [int(rng.integers(n)) for n in writable.shape]
            count = [int(rng.integers(n - s + 1)) for s, n in zip(start, writable.shape)]
            data = -np.ones(count, writable.dtype) if writable.dtype.kind != "u" else np.full(count, 255, writable.dtype)
            data = np.asarray(data)
            lib.check(lib.c.da_write(mine.p, shape_of(start), shape_of(count), ctypes.c_void_p(data.ctypes.data), ROW_MAJOR))
            writable[tuple(slice(s, s + n) for s, n in zip(start, count))] = data
            same(base.numpy(), keep, "write to a view of", shape)
            out = np.empty(count, writable.dtype)
            lib.check(lib.c.da_read(mine.p, shape_of(start), shape_of(count), ctypes.c_void_p(out.ctypes.data), ROW_MAJOR))
            same(out, np.array(data), "read")


def large(lib, rng):
    """Sizes at which tasks do the work."""
    for shape in [(1500, 1100), (3, 1000, 700), (2000003,), (100, 20, 30, 40)]:
        for dtype in ["float64", "uint8", "complex128"]:
            a = random_array(rng, dtype, shape, 0)
            for order in (ROW_MAJOR, COL_MAJOR):
                b = lib.array(a, order)
                same(b.numpy(), a, shape)
                same(b.numpy(COL_MAJOR), a, shape)
            axes = list(range(len(shape)))[::-1]
            turned = lib.make("da_permute_dims", b.p, axes_of(axes))
            same(lib.make("da_copy", turned.p).numpy(), a.transpose(axes), shape)
            flat = lib.make("da_reshape", b.p, shape_of([a.size]))
            same(flat.numpy(), a.reshape(-1), shape)
            new_shape = split(rng, a.size)
            same(lib.make("da_reshape", b.p, shape_of(new_shape)).numpy(), a.reshape(new_shape), shape, new_shape)


def joining(lib, rng):
    for _ in range(150):
        ndim = int(rng.integers(1, 4))
        axis = int(rng.integers(-ndim, ndim))
        shape = [int(n) for n in rng.integers(1, 7, ndim)]
        parts = []
        for _ in range(int(rng.integers(1, 5))):
            own = list(shape)
            own[axis] = int(rng.integers(5))
            parts.append(random_array(rng, rng.choice(TYPES), own, 3))
        ours = [lib.array(a) for a in parts]
        pointers = (ctypes.c_void_p * len(ours))(*[a.p for a in ours])
        with np.errstate(all="ignore"):
            same(lib.make("da_concat", len(ours), pointers, axis).numpy(), np.concatenate(parts, axis),
                 [a.dtype for a in parts])
        parts = [random_array(rng, rng.choice(TYPES), shape, 3) for _ in range(int(rng.integers(1, 5)))]
        axis = int(rng.integers(-ndim - 1, ndim + 1))
        ours = [lib.array(a) for a in parts]
        pointers = (ctypes.c_void_p * len(ours))(*[a.p for a in ours])
        same(lib.make("da_stack", len(ours), pointers, axis).numpy(), np.stack(parts, axis), [a.dtype for a in parts])


def main():
    library = sys.argv[1]
    if os.environ.get("DARRAY_TEST_SANITIZE", "none") != "none":
        print("a library under a sanitizer cannot be loaded by Python")
        return 77
    if "DARRAY_TEST_CHILD" not in os.environ:
        failed = 0
        for runtime, more in itertools.product(["openmp", "starpu"], [{}, {"DARRAY_TILE": "5"}, {"DARRAY_INLINE": "0"}]):
            if runtime == "starpu" and "DARRAY_TILE" in more:
                more = {"DARRAY_TILE": "16"}
            env = dict(os.environ, DARRAY_TEST_CHILD="1", DARRAY_RUNTIME=runtime, **more)
            print("%s %s" % (runtime, more), flush=True)
            failed += subprocess.call([sys.executable, os.path.abspath(__file__)] + sys.argv[1:], env=env) != 0
        return 1 if failed else 0
    lib = Library(library)
    runtime = os.environ["DARRAY_RUNTIME"].encode()
    status = lib.c.da_init(runtime, 0)
    if status == 16:  # DA_ERROR_UNSUPPORTED
        print(lib.c.da_error().decode())
        return 0
    lib.check(status)
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    light = os.environ.get("DARRAY_TILE") or os.environ.get("DARRAY_INLINE") or runtime == b"starpu"
    for part in (conversions, views, joining) if light else (printing, npy, csv, conversions, views, joining, large):
        before = checks
        part(lib, rng)
        print("  %s: %d" % (part.__name__, checks - before), flush=True)
    lib.check(lib.c.da_shutdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
