#!/usr/bin/python3
"""starpu_starts.py PROGRAM: processes that start StarPU at the same time, of one and of two OpenCL devices, with a home where nothing was
measured before: StarPU measures anew whenever the number of devices is another, and none may read what another is writing. PROGRAM is
unit_device_start, whose argument makes it start and stop only."""
import os
import subprocess
import sys
import tempfile

PROCESSES = 8
ROUNDS = 6

with tempfile.TemporaryDirectory() as home:
    environment = dict(os.environ, STARPU_HOME=home, STARPU_OPENCL_ON_CPUS="1", STARPU_WORKERS_NOBIND="1", DARRAY_NUM_THREADS="1",
                       DARRAY_TEST_BROKEN="")
    failed = 0
    for i in range(ROUNDS):
        runs = [subprocess.Popen([sys.argv[1], "before"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 env=dict(environment, POCL_DEVICES="basic" if k % 2 else "basic basic"))
                for k in range(PROCESSES)]
        for run in runs:
            _, err = run.communicate(timeout=200)
            if run.returncode != 0:
                failed += 1
                print("exit status %d: %s" % (run.returncode, err[-300:]))
    print("%d of %d starts failed" % (failed, PROCESSES * ROUNDS))
    sys.exit(failed != 0)
