#!/usr/bin/python3
"""counts.py SOURCE_ROOT: scripts/count_tests.py counts what ran: Check's own numbers, crashes, timeouts, scripts."""
import json
import os
import subprocess
import sys
import tempfile

COUNTER = os.path.join(sys.argv[1], "scripts", "count_tests.py")
ALL_WELL = "Running suite(s): a\n100%: Checks: 7, Failures: 0, Errors: 0\n"
ONE_BAD = "83%: Checks: 6, Failures: 1, Errors: 0\n"

# (entries of meson's log: result and output, meson's exit status, the expected last line)
CASES = (
    ([("OK", ALL_WELL)], 0, "7 passed, 0 failed"),
    ([("OK", ALL_WELL + ONE_BAD)], 0, "12 passed, 1 failed"),
    ([("OK", "a script's words\n"), ("OK", "")], 0, "2 passed, 0 failed"),
    ([("FAIL", ONE_BAD)], 1, "5 passed, 1 failed"),
    ([("FAIL", "Running suite(s): a\n")], 1, "0 passed, 1 failed"),  # crashed before its summary
    ([("FAIL", ALL_WELL)], 1, "7 passed, 1 failed"),  # a leak reported at the end
    ([("TIMEOUT", "")], 1, "0 passed, 1 failed"),
    ([("ERROR", None)], 1, "0 passed, 1 failed"),
    ([("SKIP", ""), ("OK", ALL_WELL)], 0, "7 passed, 0 failed"),
    ([("SKIP", "")], 0, "0 passed, 1 failed"),  # nothing ran
    ([], 0, "0 passed, 1 failed"),
    ([("OK", ALL_WELL)], 2, "7 passed, 1 failed"),  # meson itself failed
    ("not JSON\n", 0, "0 passed, 1 failed"),
    (None, 1, "0 passed, 1 failed"),  # no log at all
)

failed = 0
for entries, status, expected in CASES:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "testlog.json")
        if entries is not None:
            with open(path, "w", encoding="utf-8") as log:
                if isinstance(entries, str):
                    log.write(entries)
                else:
                    for result, output in entries:
                        entry = {"name": "t", "result": result, "stdout": output, "returncode": 0}
                        log.write(json.dumps(entry) + "\n")
        run = subprocess.run([sys.executable, COUNTER, path, str(status)], stdout=subprocess.PIPE, text=True, check=False)
    last = run.stdout.splitlines()[-1] if run.stdout else ""
    good = expected.endswith(" 0 failed")
    if last != expected or (run.returncode == 0) != good:
        failed += 1
        print("%r: expected %r, got %r with exit status %d" % (entries, expected, last, run.returncode))
print("%d cases, %d failed" % (len(CASES), failed))
sys.exit(1 if failed else 0)
