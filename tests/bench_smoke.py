#!/usr/bin/python3
"""bench_smoke.py DARRAY_BENCH RUNTIME...: every case of darray-bench runs under every runtime, small and short, exits 0, prints
one line of valid JSON with every field of the contract, and its result is right. Says nothing about speed."""
import json
import math
import subprocess
import sys

FIELDS = {
    "case": str, "n": int, "dtype": str, "runtime": str, "threads": int, "tile": str, "seconds": float,
    "rate": float, "unit": str, "reference": str, "reference_seconds": float, "ratio": float,
    "ratio_low": float, "residual": float,
}  # fmt: skip
CASES = {
    "matmul", "cholesky", "qr", "solve_triangular", "lu", "expr", "expr_assign", "expr_math_assign", "sum",
    "task_overhead", "small_matmul", "self", "batched_matmul", "batched_cholesky", "batched_lu", "batched_qr",
    "batched_solve",
}  # fmt: skip


def refuse(constant):
    raise ValueError("%s is not JSON" % constant)


def check(program, case, runtime, *more):
    command = [program, case, "--runtime", runtime, "--quick", "--repeat", "1", "--json", *more]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        return "exit status %d: %s" % (run.returncode, run.stderr.strip()[-400:])
    if run.stdout.count("\n") != 1:
        return "not one line: %r" % run.stdout
    try:
        result = json.loads(run.stdout, parse_constant=refuse)
    except ValueError as error:
        return "%s in %r" % (error, run.stdout)
    for field, kind in FIELDS.items():
        value = result.get(field)
        if not isinstance(value, (int, float) if kind is float else kind):
            return "%s is %r" % (field, value)
        if kind is float and not math.isfinite(value):
            return "%s is %r" % (field, value)
    if result["case"] != case or result["runtime"] != runtime:
        return "is about %s on %s" % (result["case"], result["runtime"])
    if not (result["seconds"] > 0 and result["reference_seconds"] > 0 and result["ratio_low"] <= result["ratio"]):
        return "times make no sense: %r" % run.stdout
    if not 0 <= result["residual"] < result["residual_bound"]:
        return "residual %g, bound %g" % (result["residual"], result["residual_bound"])
    if "--size" in more and result["n"] != int(more[more.index("--size") + 1]):
        return "n is %r" % result["n"]
    if "--dtype" in more and result["dtype"] != more[more.index("--dtype") + 1]:
        return "dtype is %r" % result["dtype"]
    return None


def main():
    program, runtimes = sys.argv[1], sys.argv[2:]
    failures = []
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, timeout=60).stdout
    names = {line.split()[0] for line in listed.splitlines()[1:]}
    if names != CASES:
        failures.append("--list shows %s" % sorted(names))
    runs = [(case, ()) for case in sorted(CASES)]
    runs += [("matmul", ("--dtype", "c64", "--size", "130")), ("sum", ("--dtype", "f32", "--size", "70001"))]
    for runtime in runtimes:
        for case, more in runs:
            why = check(program, case, runtime, *more)
            if why:
                failures.append("%s %s on %s: %s" % (case, " ".join(more), runtime, why))
    for wrong in (["nonsense"], ["sum", "--size", "0"], ["sum", "--size", "x"], ["sum", "--dtype", "f16"],
                  ["sum", "--runtime", "nonsense"], ["sum", "--wrong", "1"], []):  # fmt: skip
        run = subprocess.run([program, *wrong], capture_output=True, text=True, timeout=60)
        if run.returncode != 2 or not run.stderr:
            failures.append("%r: exit status %d" % (wrong, run.returncode))
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
