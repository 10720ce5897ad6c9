#!/usr/bin/python3
"""revisions.py SOURCE_ROOT: no kernel in codelets/cpu, nor one for devices, changed without somebody saying whether it takes another time now.
tests/revisions.txt has a line for each file, with a hash of what is no comment and no blank, and the revisions of the codelets in it.
revisions.py SOURCE_ROOT --print: only prints these lines (scripts/update-revisions).
"""
import hashlib
import os
import re
import shutil
import sys
import tempfile

FOLDERS = ("cpu", "cuda", "device", "opencl")
PASSED_OVER = re.compile(r'//[^\n]*|/\*.*?\*/|\s+|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S)
KERNEL = re.compile(r"^(?:PUBLIC_)?KERNEL\((\w+),\s*\w+,\s*(?:VALUE\(\w+\)|NO_VALUE),\s*([^,]*),", re.M)
DEFINED = re.compile(r"^da_status DA_FN\((\w+)\)\(const da_call \*call\)\n\{", re.M)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def lines_of(root):
    """{file: its line}"""
    revisions = {}
    for name, flags in KERNEL.findall(read(root, "codelets", "kernel_list.inc")):
        said = re.search(r"REVISION\((\d+)\)", flags)
        revisions[name] = int(said.group(1)) if said else 1
    lines, placed = {}, set()
    for name in sorted(os.path.join(f, n) for f in FOLDERS for n in os.listdir(os.path.join(root, "codelets", f)) if n != "meson.build"):
        text = read(root, "codelets", name)
        here = sorted(kernel for kernel in set(DEFINED.findall(text)) if kernel in revisions)
        placed.update(here)
        code = PASSED_OVER.sub(lambda m: m.group(1) or "", text)
        lines[name] = " ".join([name, hashlib.sha256(code.encode()).hexdigest()[:16]] + ["%s=%d" % (k, revisions[k]) for k in here])
    lost = set(revisions) - placed
    if lost:
        sys.exit("kernels whose body was not found in codelets/cpu: " + ", ".join(sorted(lost)))
    return lines


def complaints(listed, lines):
    for name in sorted(set(listed) | set(lines)):
        before, now = listed.get(name, "").split(), lines.get(name, "").split()
        if before == now:
            continue
        if not before or not now:
            yield "codelets/%s is %s" % (name, "new" if now else "gone")
            continue
        was = dict(word.split("=") for word in before[2:])
        raised = [word for word in now[2:] if word.split("=")[0] in was and int(word.split("=")[1]) > int(was[word.split("=")[0]])]
        lowered = [word for word in now[2:] if int(word.split("=")[1]) < int(was.get(word.split("=")[0], 0))]
        if lowered:
            yield "codelets/%s: a revision fell, and with it old times count again: %s" % (name, " ".join(lowered))
        elif raised:
            yield "codelets/%s: raised, and still to be listed: %s" % (name, " ".join(raised))
        else:
            yield "codelets/%s changed: %s" % (name, ", ".join(w.split("=")[0] for w in now[2:]) or "kernels of several codelets")


def self_test(root):
    """What counts as a change."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(os.path.join(root, "codelets"), os.path.join(copy, "codelets"))
        before = lines_of(copy)

        def after(path, pattern, replacement):
            text = read(copy, "codelets", path)
            changed, n = re.subn(pattern, replacement, text, count=1)
            assert n == 1, (path, pattern)
            with open(os.path.join(copy, "codelets", path), "w", encoding="utf-8") as file:
                file.write(changed)
            found = lines_of(copy)
            with open(os.path.join(copy, "codelets", path), "w", encoding="utf-8") as file:
                file.write(text)
            return found

        body = r"da_status DA_FN\(syrk\)\(const da_call \*call\)\n\{"
        assert not list(complaints(before, after("cpu/syrk.inc", body, r'/* a remark */ // "and another\n\g<0>\n\n   ')))
        assert list(complaints(before, after("cpu/syrk.inc", body, r"\g<0> call++;"))) == ["codelets/cpu/syrk.inc changed: syrk"]
        assert list(complaints(before, after("cpu/half.h", "#define", "#define DA_MORE\n#define"))) == [
            "codelets/cpu/half.h changed: kernels of several codelets"]
        raised = after("kernel_list.inc", r"(?<=KERNEL\(syrk,)([^)]*\)), +\w+,", r"\1, FAULTS | REVISION(200),")
        assert list(complaints(before, raised)) == [
            "codelets/%s: raised, and still to be listed: syrk=200" % name for name in ("cpu/syrk.inc", "cuda/blas.inc")]
        assert ["fell" in c for c in complaints(raised, before)] == [True, True]


lines = lines_of(sys.argv[1])
if "--print" in sys.argv[2:]:
    print("\n".join(lines.values()))
    sys.exit()
self_test(sys.argv[1])
listed = {line.split()[0]: line for line in read(sys.argv[1], "tests", "revisions.txt").splitlines()}
found = list(complaints(listed, lines))
if found:
    print("\n".join(found))
    sys.exit("What darray measured of a kernel counts as long as its revision does. One that takes another time now gets a new one, REVISION(n) in\n"
             "its flags (codelets/kernel_list.inc). Then, or if all are as fast as they were: scripts/update-revisions, and commit the list.")
print("%d files" % len(lines))
