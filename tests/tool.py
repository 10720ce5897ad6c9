#!/usr/bin/python3
"""tool.py DARRAY SOURCE_ROOT BENCH_OR_EMPTY RUNTIME...: every command of the darray tool, wrong command lines, calibration that is stopped
and goes on, models out and in again, pictures that are XML, completions that know every option. Says nothing about speed."""
import importlib.machinery
import importlib.util
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

COMMANDS = ("info", "calibrate", "models", "bench")
failures = []


def check(good, *what):
    if not good:
        failures.append(" ".join(str(w) for w in what))
        print("FAILED:", *what)
    return good


class Tool:
    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("DARRAY_MODULES", "DARRAY_CACHE"))}
        self.environment["DARRAY_CACHE_DIR"] = os.path.join(directory, "cache")

    def run(self, *words, expect=0, timeout=250, stdin=None, **more):
        """(stdout, stderr); the exit status is checked"""
        environment = dict(self.environment, **more)
        run = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=timeout, env=environment,
                             cwd=self.directory, input=stdin)
        check(run.returncode == expect, "darray", *words, "exits", run.returncode, "not", expect, run.stderr[-500:])
        return run.stdout, run.stderr

    def wrong(self, *words, says, status=2, **more):
        out, err = self.run(*words, expect=status, **more)
        check(says in err and not out, "darray", *words, "says %r and prints %r" % (err, out))


def test_help(tool, version):
    out, _ = tool.run("--version")
    check(out == "darray %s\n" % version, "--version prints %r" % out)
    for words in (["--help"], ["help"], *([c, "--help"] for c in COMMANDS), ["calibrate", "--quick", "-h"]):
        out, err = tool.run(*words)
        check(out.startswith("usage: darray") and not err, *words, "prints", out[:80], err)
        check("xit status" in out, *words, "does not say what it exits with")
    _, err = tool.run(expect=2)
    check(err.startswith("usage: darray"), "without a command it prints", err)


def test_wrong(tool):
    tool.wrong("nonsense", says='there is no command "nonsense"')
    tool.wrong("--nonsense", says="--nonsense is no option")
    tool.wrong("--version=3", says="--version=3")
    tool.wrong("info", "--nonsense", says="--nonsense is no option")
    tool.wrong("info", "word", says='"word" is one word too many')
    tool.wrong("models", says="what: list, show")
    tool.wrong("models", "nonsense", says='"nonsense" is none of list')
    tool.wrong("models", "list", "more", says='"more" is one word too many')
    tool.wrong("models", "show", says="show which model?")
    tool.wrong("models", "plot", "x", "-o", says="-o needs a file")
    tool.wrong("models", "export", says="export needs a file")
    tool.wrong("models", "reset", says="either one model or --all")
    tool.wrong("models", "reset", "x", "--all", says="either one model or --all")
    tool.wrong("bench", "nonsense", says='there is no case "nonsense"')
    tool.wrong("bench", "--repeat", "0", says='not "0"')
    tool.wrong("bench", "--runtime", "tbb", says='not "tbb"')
    tool.wrong("bench", "--program", "/nowhere/darray-bench", says="/nowhere/darray-bench: No such file", status=1)
    tool.wrong("calibrate", "--kernel", "nonsense", says='there is no kernel "nonsense"; there are gemm')
    tool.wrong("calibrate", "--kernel", says="--kernel takes a name; there are gemm")
    tool.wrong("calibrate", *["--kernel=fill"] * 257, says="--kernel may be given 256 times at most")
    tool.wrong("calibrate", "--dtype", "f80", says='not "f80"')
    tool.wrong("calibrate", "--dtype", says='not ""')
    for size in ("7", "8:4", "0:4", "x:y", "1:99999999", "4:", ":4"):
        tool.wrong("calibrate", "--size", size, says='not "%s"' % size)
    tool.wrong("calibrate", "--runtime", "openmp", says='not "openmp": no other runtime has models')


def test_info(tool, runtimes, version):
    out, _ = tool.run("info", DARRAY_NUM_THREADS="2", DARRAY_RUNTIME="openmp")
    for words in ("version", "workers", "missing to use a gpu", "blas", "compiled kernels", "performance models"):
        check(("\n" + out).count("\n" + words) == 1, "info has no", words)
    out, _ = tool.run("info", "--json", DARRAY_NUM_THREADS="2", DARRAY_RUNTIME="openmp", DARRAY_TILE='a"b\\')
    about = json.loads(out)
    check(about["version"] == version, about["version"])
    check(about["runtimes"]["built_in"] == runtimes, about["runtimes"])
    check(about["runtimes"]["chosen"] == "openmp", about["runtimes"])
    check(about["workers"]["count"] == 2, about["workers"])
    check(about["workers"]["because"] == "DARRAY_NUM_THREADS says so", about["workers"])
    check(os.path.exists(about["blas"]["file"]), about["blas"])
    check(about["environment"]["DARRAY_TILE"] == 'a"b\\', about["environment"])
    check("DARRAY_TILE" in about["not_understood"], about["not_understood"])
    check(about["performance_models"]["file"].startswith(tool.directory), about["performance_models"])
    check(about["compiled_kernels"]["directory"].startswith(tool.directory), about["compiled_kernels"])
    missing = about["missing_to_use_a_gpu"]
    check(any("DARRAY_RUNTIME" in m["what"] for m in missing["settings"]), missing)
    for kind in ("cuda", "opencl"):
        check(all(m["what"] and m["remedy"] for m in missing[kind]), missing)
    check(about["devices"] == [] or about["devices"][0]["kind"], about["devices"])
    for setting in ({"DARRAY_REPRODUCIBLE": "1"}, {"DARRAY_DEVICE": "cpu"}, {"DARRAY_DEVICE": "cpu", "DARRAY_REPRODUCIBLE": "1"}):
        reasons = json.loads(tool.run("info", "--json", **setting)[0])["missing_to_use_a_gpu"]["settings"]
        name = "DARRAY_DEVICE" if "DARRAY_DEVICE" in setting else "DARRAY_REPRODUCIBLE"
        check([m["what"].split()[0] for m in reasons] == [name], setting, reasons)
    for kind, variable in (("opencl", "STARPU_NOPENCL"), ("cuda", "STARPU_NCUDA")):
        for value in ("0", "1"):
            out, _ = tool.run("info", "--json", **{variable: value})
            found = json.loads(out)["missing_to_use_a_gpu"][kind]
            check(any('%s is "0"' % variable in m["what"] for m in found) == (value == "0"), variable, value, found)
    if "starpu" in runtimes:
        most = None
        for threads, because in ("4000", "StarPU was built for no more"), (None, "DARRAY_NUM_THREADS says so"):
            out, _ = tool.run("info", "--json", DARRAY_RUNTIME="starpu", DARRAY_NUM_THREADS=threads or str(most))
            workers = json.loads(out)["workers"]
            most = most or workers["count"]
            check((workers["count"], workers["because"]) == (most, because), workers)
    out, _ = tool.run("info", "--json", DARRAY_RUNTIME="foo", DARRAY_TILE="bar")
    about = json.loads(out)
    check(about["not_understood"] == "DARRAY_TILE=bar, DARRAY_RUNTIME=foo", about["not_understood"])
    check(about["runtimes"]["chosen"] == "none" and about["runtimes"]["because"].startswith('DARRAY_RUNTIME is "foo"'),
          about["runtimes"])
    values = {"CPU_LEVEL": ("1", "7", "33"), "VERBOSE": ("3", "yes"), "INLINE": ("2",), "REPRODUCIBLE": ("on",)}
    for name, words in values.items():
        for value in words:
            out, _ = tool.run("info", "--json", **{"DARRAY_" + name: value})
            check(json.loads(out)["not_understood"] == "DARRAY_%s=%s" % (name, value), name, value, out)
    for name, value in ("CPU_LEVEL", "3"), ("CPU_LEVEL", ""), ("VERBOSE", "2"), ("INLINE", "0"), ("REPRODUCIBLE", "1"):
        out, _ = tool.run("info", "--json", **{"DARRAY_" + name: value})
        check(json.loads(out)["not_understood"] is None, name, value, out)
    _, err = tool.run("models", "predict", "matmul", "64", "--measure", "1", DARRAY_MODULES="/nowhere", DARRAY_DEVICE="gpu",
                      DARRAY_VERBOSE="1", DARRAY_CPU_LEVEL="7")
    check("not understood: DARRAY_CPU_LEVEL=7" in err, err)
    check("has no device" in err and ("/nowhere/darray_opencl.so" in err) == ("starpu" in runtimes), err)
    out, _ = tool.run("info", "--json", DARRAY_THREADS="3")
    check(json.loads(out)["not_understood"] == "DARRAY_THREADS=3", out)
    out, _ = tool.run("info", "--json", DARRAY_BLAS="/nowhere/blas.so", DARRAY_MODULES="/nowhere")
    about = json.loads(out)
    check(about["blas"]["file"] is None and "/nowhere/blas.so" in about["blas"]["text"], about["blas"])
    check(any("/nowhere/darray_cuda.so" in m["what"] for m in about["missing_to_use_a_gpu"]["cuda"]),
          about["missing_to_use_a_gpu"]["cuda"])


# ---- models ----

def made_up(path, symbol, with_flops=True):
    """A model whose kinds of worker cross at 1e5 operations (or bytes): 1e-9 x on the CPU, 0.99e-4 + 1e-11 x on the device."""
    with open(path, "w", encoding="utf-8") as file:
        print("darray models 1", file=file)
        for i in range(9):
            x = 1000 * 4**i
            for kind, seconds in (("cpu", 1e-9 * x), ("cuda", 0.99e-4 + 1e-11 * x)):
                print(symbol, kind, "%08x" % i, x, x if with_flops else 0, round(seconds * 1e9), round(seconds * 1e8), 9,
                      file=file)


def plot_of(tool, *words):
    out, _ = tool.run("models", "plot", *words)
    text = out if "-" in words else open(os.path.join(tool.directory, out.strip()), encoding="utf-8").read()
    root = xml.etree.ElementTree.fromstring(text)
    check(root.tag == "{http://www.w3.org/2000/svg}svg", root.tag)
    return root


def count(root, tag):
    return sum(1 for e in root.iter("{http://www.w3.org/2000/svg}" + tag))


def test_models(tool, runtimes):
    out, _ = tool.run("models", "list")
    check(out.startswith("no models") and "darray calibrate" in out, out)
    tool.wrong("models", "show", "gemm", says="run darray calibrate", status=1)
    tool.wrong("models", "import", "nowhere.models", says="darray models: nowhere.models", status=1)
    tool.wrong("models", "import", ".", says="darray models: .: Is a directory", status=1)
    tool.wrong("models", "import", "-", says="- does not begin", status=1, stdin="")
    with open(os.path.join(tool.directory, "foreign"), "w", encoding="utf-8") as file:
        file.write("something else\n")
    tool.wrong("models", "import", "foreign", says="foreign", status=1)
    own = json.loads(tool.run("info", "--json")[0])["performance_models"]["file"]
    os.makedirs(os.path.dirname(own), exist_ok=True)
    for text in ("", "something else\n"):  # the remedy does what it is said to do
        with open(own, "w", encoding="utf-8") as file:
            file.write(text)
        for words in (["models", "list"], ["models", "show", "gemm"], ["models", "plot", "gemm"], ["models", "export", "-"],
                      ["models", "reset", "gemm"], ["models", "predict", "qr", "100"], ["calibrate", "--list"]):
            if words[0] == "models" or "starpu" in runtimes:
                tool.wrong(*words, says="models reset --all begins anew", status=1)
        tool.run("models", "reset", "--all")
        out, _ = tool.run("models", "list")
        check(out.startswith("no models"), out)
    for name, flops in (("one", True), ("two", False)):
        made_up(os.path.join(tool.directory, name), "darray_%s_v1_float64" % name, flops)
        tool.run("models", "import", name, DARRAY_DEVICE="cpu")
    tool.wrong("models", "import", "foreign", says="foreign", status=1)
    out, _ = tool.run("models", "list")
    rows = {line.split()[0]: line.split()[1:4] for line in out.splitlines() if line.startswith("darray_")}
    check(rows == {"darray_one_v1_float64": ["9", "9", "0"], "darray_two_v1_float64": ["9", "9", "0"]}, out)
    for name, unit, scale in (("one", "flop", {"k": 1e3, "M": 1e6}), ("two", "B", {"Ki": 1024, "Mi": 1024**2})):
        shown, _ = tool.run("models", "show", name)
        check(len(re.findall(r"^  (?:cpu|cuda) ", shown, re.M)) == 18, shown)
        found = re.search(r"^crossover: cuda is faster than cpu from ([\d.]+) (\w*)%s$" % unit, shown, re.M)
        if check(found, "show %s: %s" % (name, shown)):
            check(abs(float(found.group(1)) * scale.get(found.group(2), 1) / 1e5 - 1) < 0.05, found.group(0))
        check(len(re.findall(r"^curve on ", shown, re.M)) == 2, shown)
        root = plot_of(tool, name)
        check(count(root, "circle") == 10 and count(root, "g") == 18, "points in the plot")  # and the legend's
        texts = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
        check(any(t.startswith("CUDA device faster than CPU core from") for t in texts), texts)
        check("time of a task" in texts and "100 us" in texts, texts)
    check(os.path.exists(os.path.join(tool.directory, "darray_one_v1_float64.svg")), "no file of the model's name")
    plot_of(tool, "one", "-o", "-")
    plot_of(tool, "darray_two_v1_float64", "-o", "picture.svg")
    tool.wrong("models", "plot", "one", "-o", "/nowhere/x.svg", says="/nowhere/x.svg cannot be written", status=1)
    tool.wrong("models", "show", "float64", says="may be any of 2 models", status=1)
    tool.wrong("models", "show", "three", says='no model "three"', status=1)
    tool.wrong("models", "reset", "three", says='no model "three"', status=1)

    before = [tool.run("models", "show", name)[0] for name in ("one", "two")]
    tool.run("models", "export", "all.models")
    tool.run("models", "reset", "one")
    out, _ = tool.run("models", "list")
    check("darray_one" not in out and "darray_two" in out, out)
    tool.run("models", "reset", "--all")
    out, _ = tool.run("models", "list")
    check(out.startswith("no models"), out)
    tool.run("models", "import", "all.models", DARRAY_DEVICE="cpu")
    after = [tool.run("models", "show", name)[0] for name in ("one", "two")]
    check(before == after, "export, reset, import:", before, after)
    tool.wrong("models", "export", "/nowhere/all.models", says="/nowhere/all.models", status=1)
    with open(os.path.join(tool.directory, "all.models"), encoding="utf-8") as file:
        exported = file.read()
    tool.run("models", "reset", "--all")
    tool.run("models", "import", "-", stdin=exported, DARRAY_DEVICE="cpu")
    check(tool.run("models", "export", "-")[0] == exported, "import from standard input")

    # times on a device are of no other one; where none is looked for, of that which came first
    tool.run("models", "reset", "--all")
    for card, cpu in (("Card A", 1000), ("Card B", 2000)):
        with open(os.path.join(tool.directory, card), "w", encoding="utf-8") as file:
            file.write("darray models 2\ndevice cuda 1 2 3 4 %s\n" % card)
            file.write("darray_x_v1_float64 cpu 0000000a 800 2000 %d 10 5\n" % cpu)
            file.write("darray_x_v1_float64 cuda 0000000a 800 2000 100 1 5\n")
        out, _ = tool.run("models", "import", card, DARRAY_DEVICE="cpu")
        check(out == "imported from %s%s\n" % (card, "" if card == "Card A" else
                                               "; times on cuda are left out: of Card B, not of Card A"), out)
    out, _ = tool.run("models", "list")
    check(out.endswith("\ncuda: Card A\n"), out)
    out, _ = tool.run("models", "export", "-")
    check(out == "darray models 2\ndevice cuda 1 2 3 4 Card A\ndarray_x_v1_float64 cpu 0000000a 800 2000 2000 10 5\n"
          "darray_x_v1_float64 cuda 0000000a 800 2000 100 1 5\n", out)
    tool.run("models", "reset", "--all")
    tool.run("models", "import", "all.models", DARRAY_DEVICE="cpu")

    # lines that are none
    with open(os.path.join(tool.directory, "all.models"), encoding="utf-8") as file:
        line = file.readlines()[-1]
    for lines, says in (("one\n" + line, "; 1 damaged line is left out"), (line + "one\n-\n", "; 2 damaged lines are left out")):
        with open(os.path.join(tool.directory, "damaged"), "w", encoding="utf-8") as file:
            file.write("darray models 2\n" + lines)
        out, _ = tool.run("models", "import", "damaged")
        check(out == "imported from damaged%s\n" % says, "damaged lines:", out)
    with open(os.path.join(tool.directory, "damaged"), "w", encoding="utf-8") as file:
        file.write("darray models 2\none\ntwo\n")
    tool.wrong("models", "import", "damaged", says="damaged has no models, only damaged lines (2)", status=1)

    # a symbol that would spoil the picture
    with open(os.path.join(tool.directory, "hostile"), "w", encoding="utf-8") as file:
        file.write("darray models 1\ndarray_\x01_v1_float64 cpu 0000000a 800 2000 1000 10 5\n")
    tool.wrong("models", "import", "hostile", says="only damaged lines (1)", status=1)
    out, _ = tool.run("models", "list")
    check("\x01" not in out, "a control character in a symbol:", out)

    # pipes, devices and links stay what they are
    text = open(os.path.join(tool.directory, "all.models"), encoding="utf-8").read()
    out, _ = tool.run("models", "export", "-")
    check(out == text and not os.path.exists(os.path.join(tool.directory, "-")), "export to -:", out)
    pipe, link = os.path.join(tool.directory, "pipe"), os.path.join(tool.directory, "link")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    tool.run("models", "export", "pipe")
    check(os.read(reader, 1 << 16).decode() == text and stat.S_ISFIFO(os.lstat(pipe).st_mode), "export to a pipe")
    os.close(reader)
    os.symlink("all.models", link)
    tool.run("models", "reset", "one")
    tool.run("models", "export", "link")
    check(os.path.islink(link), "export replaces a link")
    less = open(os.path.join(tool.directory, "all.models"), encoding="utf-8").read()
    check("darray_two" in less and "darray_one" not in less, "export to a link:", less)
    tool.run("models", "reset", "--all")


# ---- calibration ----

def listed(tool, *options):
    out, _ = tool.run("calibrate", *options, "--list")
    return [line.split() for line in out.splitlines()[1:]]


def anything_kept(tool):
    """Whether a file of models is on the disk and has a line beside its first."""
    file = json.loads(tool.run("info", "--json")[0])["performance_models"]["file"]
    try:
        return re.search(r"^darray_\S+ cpu ", open(file, encoding="utf-8").read(), re.M) is not None
    except FileNotFoundError:
        return False


def interrupt(tool, *options, by=signal.SIGINT, when=lambda: True, expect=130):
    """Runs it on a terminal, and sends it a signal once a few items are done and when() is true: (stdout, what the terminal got)."""
    master, slave = pty.openpty()
    process = subprocess.Popen([tool.program, "calibrate", *options], stdin=slave, stdout=subprocess.PIPE, stderr=slave,
                               text=True, env=tool.environment, cwd=tool.directory,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # this may run under nohup
    os.close(slave)
    shown, first, sent, began = "", None, False, time.monotonic()
    while time.monotonic() < began + 200:
        if select.select([master], [], [], 0.2)[0]:
            try:
                shown += os.read(master, 4096).decode()
            except OSError:
                break
        at = [int(n) for n in re.findall(r" (\d+)/\d+, [\d:]+ left", shown)]
        first = at[0] if at and first is None else first
        if at and at[-1] >= first + 3 and not sent and when():
            process.send_signal(by)
            sent = True
        if process.poll() is not None:
            break
    process.kill()
    out = process.stdout.read()
    os.close(master)
    check(sent, "it ended before it could be stopped:", out, shown[-300:])
    check(process.wait() == expect, "stopped, it exits", process.returncode, out, shown[-300:])
    return out, shown


def test_calibrate(tool, source_root):
    kernels = re.findall(r"^(?:PUBLIC_)?KERNEL\((\w+),", open(os.path.join(source_root, "codelets", "kernel_list.inc"),
                                                             encoding="utf-8").read(), re.M)
    there = {row[0] for row in listed(tool, "--dtype", "f64", "--size", "16:16")}
    check(set(kernels) <= there and {"fill", "copy", "random", "add", "sum", "parts"} <= there, sorted(set(kernels) - there))

    # all of it, tiny: nothing fails, everything is in the models afterwards
    options = ("--quick", "--size", "16:16")
    out, err = tool.run("calibrate", *options)
    check(re.match(r"\d+ measured in ", out), out, err)
    check("\r" not in err and re.search(r"^0 of \d+: gemm", err, re.M), "not on a terminal:", err)
    items = listed(tool, *options)
    check(len(items) > 2 * len(kernels) and all(item[-1] == "yes" for item in items),
          "not in the models:", [item for item in items if item[-1] != "yes"])
    out, _ = tool.run("calibrate", *options)
    check(re.match(r"0 measured in 0:0\d, %d were before" % len(items), out), out)
    # other revisions of the kernels are others
    exported, _ = tool.run("models", "export", "-")
    gemm = re.search(r"gemm_v\d+_", exported)[0]
    tool.run("models", "reset", "--all")
    with open(os.path.join(tool.directory, "stale"), "w", encoding="utf-8") as file:
        file.write(re.sub(r"_v\d+_", "_v9_", exported))
    tool.run("models", "import", "stale")
    check(all(item[-1] == "no" for item in listed(tool, *options)), "measured, but of another revision")
    with open(os.path.join(tool.directory, "fresh"), "w", encoding="utf-8") as file:
        file.write(exported)
    tool.run("models", "import", "fresh")
    check(all(item[-1] == "yes" for item in listed(tool, *options)), "measured, beside another revision")
    tool.run("models", "reset", "gemm_v9_float32")
    out, _ = tool.run("models", "show", gemm + "float32")
    check(re.search(r"^  cpu +8.19 k +3 KiB .* 3 ", out, re.M), out)
    items = listed(tool, "--kernel", "fill", "--kernel", "gemm", "--dtype", "bool", "--dtype", "int32", "--size", "8:20")
    check([i[:3] for i in items] == [[k, d, n] for k in ("gemm", "fill") for d in ("bool", "i32") for n in ("8", "16", "20")],
          items)
    whole = ("--kernel", "add", "--kernel", "minimum", "--dtype", "i32", "--dtype", "u8", "--size", "16:16")
    tool.run("calibrate", *whole)
    items = listed(tool, *whole)
    check(len(items) == 4 and all(i[-1] == "yes" for i in items), "integers:", items)
    _, err = tool.run("calibrate", "--kernel", "potrf", "--dtype", "i8", expect=1)
    check("nothing to measure" in err, err)

    # sizes too slow by what was measured of smaller ones, be it long ago, are left to the curve
    with open(os.path.join(tool.directory, "slow"), "w", encoding="utf-8") as file:
        file.write("darray models 1\ndarray_da_%sfloat64 cpu 00000001 6144 8192 1000000000 10 9\n" % gemm)
    tool.run("models", "reset", "--all")
    tool.run("models", "import", "slow")
    for _ in range(2):
        out, _ = tool.run("calibrate", "--kernel", "gemm", "--dtype", "f64", "--size", "16:64")
        check(re.match(r"0 measured in 0:00, 1 were before, 2 left to the curve$", out), out)
    items = listed(tool, "--kernel", "gemm", "--dtype", "f64", "--size", "16:64")
    check([i[-1] for i in items] == ["yes", "curve", "curve"], items)

    # stopped twice and on again
    options = ("--dtype", "f64", "--dtype", "c128", "--size", "64:1024")
    out, shown = interrupt(tool, *options)
    check("the same command goes on from here" in out and "[" in shown and "\r" in shown, out, shown[-200:])
    done = [i for i in listed(tool, *options) if i[-1] == "yes"]
    check(len(done) >= 3, "kept:", done)
    # copies give runs their operands back, and so are in the models before it is their turn
    check(out.startswith("%d measured" % len([i for i in done if i[0] != "copy"])), out, done)
    out, _ = interrupt(tool, *options)
    check(", %d were before" % len(done) in out, out, len(done))
    again = [i for i in listed(tool, *options) if i[-1] == "yes"]
    check(len(again) > len(done) and all(i in again for i in done), done, again)

    # the terminal is closed; killed; there is no place for what is measured
    interrupt(tool, *options, by=signal.SIGHUP)
    done = [i for i in listed(tool, *options) if i[-1] == "yes"]
    check(len(done) > len(again), "kept by SIGHUP:", again, done)
    tool.run("models", "reset", "--all")
    interrupt(tool, *options, by=signal.SIGKILL, when=lambda: anything_kept(tool), expect=-signal.SIGKILL)
    done = [i for i in listed(tool, *options) if i[-1] == "yes"]
    check(done, "killed, it has kept nothing")
    tool.wrong("calibrate", "--kernel", "fill", "--dtype", "f64", "--size", "16:16", says="/proc/nowhere/models/", status=1,
               DARRAY_CACHE_DIR="/proc/nowhere")


def predicted(out):
    """The table of models predict: a row each, [tile, tasks, ..., marks]."""
    return [line.split() for line in out.splitlines() if re.match(r"\d+x\d+ ", line)]


def test_predict(tool):
    tool.run("models", "reset", "--all")
    tool.wrong("models", "predict", says="an operation and the order")
    tool.wrong("models", "predict", "cholesky", says="an operation and the order")
    tool.wrong("models", "predict", "svd", "100", says='no operation "svd"; there are cholesky, lu, matmul, qr, solve_triangular, symm, syr2k, syrk, trmm and trsm')
    tool.wrong("models", "predict", "qr", "many", says='not "many"')
    tool.wrong("models", "predict", "qr", "-5", says='not "-5"')
    tool.wrong("models", "predict", "qr", "100", "200", says="200")
    tool.wrong("models", "predict", "qr", "100", "--dtype", "i32", says='--dtype takes f32, f64, c64 or c128, not "i32"')
    tool.wrong("models", "predict", "qr", "100", "--dtype", says="--dtype needs a value")
    tool.wrong("models", "predict", "qr", "100", "--measure", "99", says='not "99"')
    tool.wrong("models", "predict", "qr", "100", "--workers", "4", "--measure", "1", says="without --workers")
    tool.wrong("models", "list", "--workers", "4", says="--workers")
    tool.wrong("models", "predict", "qr", "2000", says="DARRAY_TILE forces the tiles", status=1, DARRAY_TILE="64")
    for operation in ("cholesky", "lu", "matmul", "qr", "solve_triangular", "symm", "syr2k", "syrk", "trmm", "trsm"):  # nothing was measured: the rule
        out, _ = tool.run("models", "predict", operation, "1024")
        rows = predicted(out)
        check(rows[0][-2:] == ["rule", "used"] and not any("used" in row for row in rows[1:]), out)
        check("only 0 % of the time is of kernels that were measured" in out, out)
    one = predicted(tool.run("models", "predict", "cholesky", "8192", "--workers", "1")[0])[0]
    many = predicted(tool.run("models", "predict", "cholesky", "8192", "--workers", "64")[0])[0]
    check(int(many[1]) > 2 * int(one[1]), "tasks for 1 and 64 workers:", one, many)

    options = ("--kernel", "cholesky", "--dtype", "f64", "--size", "1024:1024", "--quick")
    check(re.match(r"cholesky +f64 +1024 +cpu +0 of \d+ tile sizes$", tool.run("calibrate", *options, "--list")[0].splitlines()[1]),
          "calibrate --list")
    counts = []
    for again in range(2):
        out, err = tool.run("calibrate", *options)
        found = re.match(r"0 measured in [\d:]+, (\d+) tile sizes of operations(?: \((\d+) were before\))?$", out)
        if not check(found, "calibrate of an operation:", out, err):
            return
        counts.append((int(found.group(1)), int(found.group(2) or 0)))
        out, _ = tool.run("calibrate", *options, "--list")
        known = re.search(r" (\d+) of (\d+) tile sizes$", out)
        check(known and known.group(1) == known.group(2), "after calibration", again, "--list says", out)
    # the heights of the best width, which is known once the widths were measured, are among the first run's
    check(counts[0][0] >= 5 and counts[1][1] >= 5 and counts[1][0] == 0, "tile sizes measured:", counts)
    out, _ = tool.run("models", "predict", "cholesky", "1024")
    rows = predicted(out)
    check("were measured" not in out and sum("used" in row for row in rows) == 1, out)
    check("below 1 Gflop" in out and rows[0][-2:] == ["rule", "used"], "too small for the models:", out)
    check(all(any(field == "100%" for field in row) for row in rows[:5]), "tile sizes measured:", out)
    out, _ = tool.run("models", "predict", "cholesky", "1024", "--measure", "1")
    check(re.search(r"^the tiles used take [\d.]+ of their prediction, and [\d.]+ of the best tiles' time$", out, re.M), out)
    tool.run("models", "reset", "--all")


def test_calibrate_devices(tool):
    """On an OpenCL device on the CPU, if there is one."""
    device = {"STARPU_OPENCL_ON_CPUS": "1", "POCL_DEVICES": "basic", "STARPU_WORKERS_NOBIND": "1",
              "DARRAY_NUM_THREADS": "1"}
    about = json.loads(tool.run("info", "--json", **device)[0])
    if about["devices_used"] == 0:
        print("no OpenCL device: not calibrated there:", about["missing_to_use_a_gpu"]["opencl"])
        return
    check(about["devices"][0]["memory"] > 0 and about["devices"][0]["name"], about["devices"])
    check(about["runtimes"]["chosen"] == "starpu", about["runtimes"])
    tool.run("models", "reset", "--all")
    options = ("--quick", "--kernel", "add", "--kernel", "geqrt", "--dtype", "f32", "--size", "32:64")
    out, _ = tool.run("calibrate", *options, **device)
    out, _ = tool.run("models", "show", "expr_v2_float32")
    check(len(re.findall(r"^  opencl ", out, re.M)) == 2 and "crossover: " in out, out)
    out, _ = tool.run("models", "show", "geqrt")
    check("opencl" not in out, "geqrt has no OpenCL kernel:", out)
    out, _ = tool.run("calibrate", *options, **device)
    check(out.startswith("0 measured"), out)
    out, _ = tool.run("calibrate", *options, "--list", **device, DARRAY_DEVICE="cpu")
    check("device" not in out, out)


# ---- benchmarks, completions, manual ----

FAKE = """#!/bin/sh
[ "$1" = lu ] && exit 1
echo "{\\"case\\": \\"$1\\", \\"n\\": 7, \\"runtime\\": \\"$4\\", \\"seconds\\": 0.5, \\"rate\\": 2, \\"unit\\": \\"x/s\\",\
 \\"reference_seconds\\": 1, \\"ratio\\": 2, \\"ratio_low\\": 1.9, \\"ratio_high\\": 2.1, \\"words\\": \\"$*\\"}"
"""


def test_bench(tool, source_root, bench, runtimes):
    path = os.path.join(source_root, "benchmarks", "run-all")
    loader = importlib.machinery.SourceFileLoader("run_all", path)
    sys.dont_write_bytecode = True
    run_all = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_all", loader))
    loader.exec_module(run_all)
    out, _ = tool.run("bench", "--list")
    check(out.splitlines() == [" ".join([name] + more) for name, more, _ in run_all.CASES], "not run-all's cases:", out)
    for line in out.splitlines():  # is a command line
        shown, _ = tool.run("bench", "--list", *line.split())
        check(line in shown.splitlines() and ("--" not in line or shown == line + "\n"), line, "lists", shown)
    tool.wrong("bench", "--size", "7", "matmul", says="no such case with --size 7; --list shows them")
    tool.wrong("bench", "--size", says="--size needs a number")
    fake = os.path.join(tool.directory, "fake-bench")
    with open(fake, "w", encoding="utf-8") as file:
        file.write(FAKE)
    os.chmod(fake, 0o755)
    out, _ = tool.run("bench", "--program", fake, "--json", "matmul", "--repeat", "3", "--runtime", "openmp")
    sizes = [more[1] for name, more, _ in run_all.CASES if name == "matmul"]
    check([json.loads(line)["words"] for line in out.splitlines()] ==
          ["matmul --json --runtime openmp --repeat 3 --size " + size for size in sizes], out)
    out, _ = tool.run("bench", "--program=" + fake, "--json", "matmul", "--quick", "--runtime", "openmp")
    check(json.loads(out)["words"] == "matmul --json --runtime openmp --quick", out)
    for more, words in ((), "--size 256"), (("--quick",), "--quick"):
        out, _ = tool.run("bench", "--program", fake, "--json", "--runtime", "openmp", "matmul", "--size", "256", *more)
        check(json.loads(out)["words"] == "matmul --json --runtime openmp " + words, out)
    out, err = tool.run("bench", "--program", fake, expect=1)
    failing = [name for name, _, _ in run_all.CASES].count("lu")
    check(out.count("\n") == 1 + (len(run_all.CASES) - failing) * len(runtimes), out)
    check(err.count("lu on ") == failing * len(runtimes) and "500 ms" in out and "1.900-2.100" in out, out, err)
    for more in ((), ("--json",)):
        out, err = tool.run("bench", "--program", "/bin/true", "self", "--runtime", "openmp", *more, expect=1)
        check("self on openmp: /bin/true printed no result" in err and "nan" not in out, out, err)
    out, err = tool.run("bench", PATH="/nowhere", expect=1) if not bench else ("", "no darray-bench")
    check("no darray-bench" in err, err)
    if bench:
        out, _ = tool.run("bench", "sum", "--quick", "--repeat", "1")
        check(len(re.findall(r"^sum ", out, re.M)) == len(runtimes), out)


def test_words(tool, source_root, runtimes):
    """Completions and manual pages know every option that --help shows."""
    tools = os.path.join(source_root, "tools")
    texts = {name: open(os.path.join(tools, "completions", name), encoding="utf-8").read()
             for name in ("darray.bash", "_darray", "darray.fish")}
    for command in COMMANDS:
        out, _ = tool.run(command, "--help")
        page = open(os.path.join(tools, "man", "darray-%s.1" % command), encoding="utf-8").read().replace("\\-", "-")
        for option in sorted(set(re.findall(r"--[a-z]+", out))):
            check(option in page, "darray-%s.1 has no %s" % (command, option))
            check(option in texts["darray.bash"] and option in texts["_darray"], command, option, "is not completed")
            check("-l %s " % option[2:] in texts["darray.fish"], command, option, "is not completed by fish")
    script = 'source "$1"; darray() { "$DARRAY_TOOL" "$@"; }; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _darray; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    kernels = {"gemm", "gemqrt"} if "starpu" in runtimes else set()  # calibrate lists none without it
    for words, expected in ((["m"], {"models"}), (["models", "e"], {"export"}), (["calibrate", "--kernel", "gem"], kernels),
                            (["calibrate", "--dtype", "c"], {"c64", "c128"}), (["bench", "expr"], {"expr", "expr_assign", "expr_math_assign"}),
                            (["info", "--j"], {"--json"}), (["models", "plot", "x", "-"], {"-o"})):
        run = subprocess.run(["bash", "-c", script, "bash", os.path.join(tools, "completions", "darray.bash"), "darray", *words],
                             capture_output=True, text=True, timeout=60, env=dict(tool.environment, DARRAY_TOOL=tool.program))
        check(set(run.stdout.split()) == expected, words, "completes to", run.stdout.split(), run.stderr)


def main():
    program, source_root, bench, runtimes = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    header = open(os.path.join(source_root, "include", "darray", "base.h"), encoding="utf-8").read()
    version = re.search(r'DA_VERSION_STRING "(.*)"', header).group(1)
    directory = tempfile.mkdtemp()
    tool = Tool(program, directory)
    try:
        test_help(tool, version)
        test_wrong(tool)
        test_info(tool, runtimes, version)
        test_models(tool, runtimes)
        if "starpu" in runtimes:
            test_calibrate(tool, source_root)
            test_predict(tool)
            test_calibrate_devices(tool)
        else:
            tool.wrong("calibrate", says="built without StarPU", status=1)
        test_bench(tool, source_root, bench, runtimes)
        test_words(tool, source_root, runtimes)
    finally:
        shutil.rmtree(directory)
    print("%d failures" % len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
