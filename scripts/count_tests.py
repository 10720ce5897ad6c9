#!/usr/bin/python3
"""count_tests.py TESTLOG.json MESON_STATUS: counts what a `meson test` run really did.

A Check program counts as many tests as its own "NN%: Checks: a, Failures: b, Errors: c" lines say; a script, or a
program that prints no such line, counts as one. A program that crashed, timed out or failed without reporting a failure
counts as one failed on top. Prints the logs of what failed and, as the last line, "N passed, N failed"; exits 1 if any
failed or if nothing ran.
"""
import json
import re
import sys

SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}
TAIL = 200  # lines of a failed test's log


def count(test):
    """(passed, failed, skipped) of one entry of meson's log."""
    output = test.get("stdout") or ""
    result = test.get("result") or "ERROR"
    if result in ("SKIP", "IGNORED"):
        return 0, 0, 1
    passed = failed = 0
    summaries = SUMMARY.findall(output)
    for checks, failures, errors in summaries:
        bad = int(failures) + int(errors)
        failed += bad
        passed += int(checks) - bad
    if result in GOOD:
        if not summaries:
            passed = 1
    elif failed == 0:
        failed = 1
    return passed, failed, 0


def show(test):
    print("\n---- %s: %s (exit status %s)" % (test.get("name"), test.get("result"), test.get("returncode")))
    for stream in ("stdout", "stderr"):
        lines = (test.get(stream) or "").splitlines()
        if len(lines) > TAIL:
            print("[%d lines left out]" % (len(lines) - TAIL))
        for line in lines[-TAIL:]:
            print(line.encode("utf-8", "replace").decode("utf-8", "replace"))


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    passed = failed = 0
    skipped = []
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            lines = log.read().splitlines()
    except OSError as error:
        print("no test log: %s" % error)
        lines = []
    for line in lines:
        if not line.strip():
            continue
        try:
            test = json.loads(line)
        except ValueError:
            print("a line of the test log cannot be read: %.80s" % line)
            failed += 1
            continue
        p, f, s = count(test)
        passed += p
        failed += f
        if s:
            skipped.append(str(test.get("name")))
        if f:
            show(test)
    if status != 0 and failed == 0:
        print("meson test ended with status %d" % status)
        failed += 1
    if passed + failed == 0:
        print("no test ran")
        failed = 1
    if skipped:
        print("\nskipped: %s" % ", ".join(skipped))
    sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
