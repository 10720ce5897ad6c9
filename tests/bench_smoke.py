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
    "matmul", "syrk", "cholesky", "qr", "solve_triangular", "lu", "expr", "expr_assign", "expr_math_assign", "sum",
    "task_overhead", "small_matmul", "self", "batched_matmul", "batched_cholesky", "batched_lu", "batched_qr",
    "batched_solve", "solve", "solve_mixed", "qr_tall", "eigh", "svd",
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


def check_prediction(program, case, runtime, *more):
    """Two numbers of workers: two lines; one worker is as fast as one worker, and none beats the critical path."""
    command = [program, case, "--runtime", runtime, "--quick", "--size", "400", "--predict-workers", "1,16", "--json", *more]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        return "exit status %d: %s" % (run.returncode, run.stderr.strip()[-400:])
    results = [json.loads(line, parse_constant=refuse) for line in run.stdout.splitlines()]
    if [r.get("predict_workers") for r in results] != [1, 16]:
        return "not a line for 1 and one for 16 workers: %r" % run.stdout
    if abs(results[0]["speedup"] - 1) > 1e-6:
        return "one worker is %g times as fast as one worker" % results[0]["speedup"]
    for r in results:
        kernels = {key for key in r if key.startswith("work_") and key != "work_seconds"}
        if not kernels or abs(sum(r[key] for key in kernels) - r["work_seconds"]) > 1e-5 * r["work_seconds"]:
            return "the kernels do not make up the work: %r" % r
        if not (0 < r["critical_path_seconds"] <= 1.00001 * r["seconds"] and 0 < r["busy"] < 1.00001):
            return "times make no sense: %r" % r
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
        for case in ("matmul", "cholesky", "qr", "lu", "sum"):
            why = check_prediction(program, case, runtime)
            why = why or check_prediction(program, case, runtime, "--sampled")
            if why:
                failures.append("%s predicted on %s: %s" % (case, runtime, why))
    for wrong in (["nonsense"], ["sum", "--size", "0"], ["sum", "--size", "x"], ["sum", "--dtype", "f16"],
                  ["sum", "--runtime", "nonsense"], ["sum", "--wrong", "1"], [],
                  ["sum", "--predict-workers", "0"], ["sum", "--predict-workers", "2,"], ["self", "--predict-workers", "2"], ["sum", "--sampled"]):  # fmt: skip
        run = subprocess.run([program, *wrong], capture_output=True, text=True, timeout=60)
        if run.returncode != 2 or not run.stderr:
            failures.append("%r: exit status %d" % (wrong, run.returncode))
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
