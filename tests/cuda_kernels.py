#!/usr/bin/python3
"""cuda_kernels.py SOURCE_ROOT: a kernel of codelets/kernel_list.inc and its implementation for CUDA come together, or there is a reason.
The table in docs/architecture-cuda.md names each kernel in one row; what runs there is "none: why" if, and only if, neither
codelets/cuda/list.h nor the common kernels of codelets/device have it.
"""
import os
import re
import sys

LIST, CUDA, COMMON, TABLE = "codelets/kernel_list.inc", "codelets/cuda/list.h", "codelets/device", "docs/architecture-cuda.md"
KERNEL = re.compile(r"^(?:PUBLIC_)?KERNEL\((\w+),", re.M)


def complaints(texts):
    """What is wrong in {path: its text}."""
    kernels = KERNEL.findall(texts[LIST])
    cuda = set(re.findall(r"^ +K\((\w+),", texts[CUDA], re.M))
    have = cuda | set(re.findall(r'\{"da_(\w+)",', texts[COMMON]))
    rows = {}
    table = re.search(r"^\| row of kernel_list\.inc \| .*\n\|---\|---\|\n((?:\|.*\n)+)", texts[TABLE], re.M)
    if not (kernels and cuda and have - cuda and table):
        yield "one of %s is no longer written as it was" % ", ".join(sorted(texts))
        return
    for line in table.group(1).splitlines():
        names, what = (cell.strip() for cell in line.strip("|").split("|", 1))
        if re.match(r"none\b", what) and not re.match(r"none: \w", what):
            yield "%s: %s: none, and no reason" % (TABLE, names)
        for name in re.split(r",\s*", names):
            if name not in kernels:
                yield "%s: %s is no kernel" % (TABLE, name)
            if name in rows:
                yield "%s: %s is in two rows" % (TABLE, name)
            rows[name] = what
    for name in sorted(cuda - set(kernels)):
        yield "%s: %s is no kernel" % (CUDA, name)
    for name in kernels:
        if name not in rows:
            yield "%s: %s is in no row: what runs, or \"none: \" and why" % (TABLE, name)
        elif rows[name].startswith("none") and name in have:
            yield "%s: %s: none, although there is one" % (TABLE, name)
        elif not rows[name].startswith("none") and name not in have:
            yield "%s: %s is said to run, but neither %s nor %s has it" % (TABLE, name, CUDA, COMMON)


SAMPLE = {
    LIST: "PUBLIC_KERNEL(fast, FLOATS, NO_VALUE, 0, 1, RW)\nKERNEL(shared, FLOATS, NO_VALUE, 0, 1, RW)\nKERNEL(slow, REALS, NO_VALUE, 0, 1, RW)\n",
    CUDA: "    K(fast,   RW) \\\n",
    COMMON: '    {"da_shared", takes, run},\n    {"da_fill", takes, run},\n',
    TABLE: "| row of kernel_list.inc | what runs |\n|---|---|\n| fast | cuBLAS |\n| shared | common |\n| slow | none: why |\n",
}


def self_test():
    """Each thing that can be wrong, alone."""
    def after(path, old, new):
        assert old in SAMPLE[path]
        return [c.split(": ", 1)[1] for c in complaints({**SAMPLE, path: SAMPLE[path].replace(old, new)})]

    nowhere = " is said to run, but neither %s nor %s has it" % (CUDA, COMMON)
    assert after(LIST, "KERNEL(slow", "KERNEL(new, REALS)\nKERNEL(slow") == ['new is in no row: what runs, or "none: " and why']
    assert after(LIST, "KERNEL(slow", "KERNEL(new") == ["slow is no kernel", 'new is in no row: what runs, or "none: " and why']
    assert after(CUDA, "K(fast,", "K(fast, R)\n    K(slow,") == ["slow: none, although there is one"]
    assert after(COMMON, "da_fill", "da_slow") == ["slow: none, although there is one"]
    assert after(CUDA, "K(fast,", "K(faster,") == ["faster is no kernel", "fast" + nowhere]
    assert after(COMMON, "da_shared", "da_share") == ["shared" + nowhere]
    assert after(TABLE, "none: why", "cuSOLVER") == ["slow" + nowhere]
    assert after(TABLE, "none: why", "none") == ["slow: none, and no reason"]
    assert after(TABLE, "| fast |", "| fast, shared |") == ["shared is in two rows"]
    assert not after(TABLE, "| fast |", "| fast  |")
    for path, old in ((LIST, "KERNEL"), (CUDA, "K("), (COMMON, "da_"), (TABLE, "| row of")):
        assert ["no longer written" in c for c in complaints({**SAMPLE, path: SAMPLE[path].replace(old, "?")})] == [True], path


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


self_test()
texts = {path: read(sys.argv[1], path) for path in (LIST, CUDA, TABLE)}
folder = os.path.join(sys.argv[1], COMMON)
texts[COMMON] = "".join(read(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".c"))
found = list(complaints(texts))
if found:
    print("\n".join(found))
    sys.exit("A kernel comes with what runs on CUDA devices, or with the reason why nothing does, in the table of %s." % TABLE)
print("%d kernels" % len(KERNEL.findall(texts[LIST])))
