#!/usr/bin/python3
"""threads.py LIBRARY: how many workers there would be: DARRAY_NUM_THREADS before OMP_NUM_THREADS before what the process may use, its
affinity mask and its cgroup's quota. The quota is tried in a mount namespace of its own with files made for it; where that is not
allowed this part is left out, and said."""
import os
import subprocess
import sys
import tempfile

LIBRARY = sys.argv[1]
ASK = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).da_num_workers())"
CLEAN = {k: v for k, v in os.environ.items()
         if not k.startswith(("DARRAY_", "OMP_", "GOMP_", "STARPU_")) and k != "LD_PRELOAD"}
failed = 0


def one_a_core():
    """Of each core the first of its processing units that we may use."""
    firsts, seen = [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            with open("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % cpu, encoding="ascii") as file:
                core = file.read()
        except OSError:
            core = cpu
        if core not in seen:
            firsts.append(cpu)
        seen.add(core)
    return firsts


CORES = one_a_core()


def workers(variables=None, mask=None, before=()):
    """The number in a fresh process; `before`: shell lines that run in the same process id, in a namespace of its own."""
    command = [sys.executable, "-c", ASK, LIBRARY]
    if before:
        script = "\n".join(["set -e", *before, 'exec "$@"'])
        users = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
        command = ["unshare", *users, "--mount", "sh", "-c", script, "sh", *command]
    ran = subprocess.run(command, env={**CLEAN, **(variables or {})}, capture_output=True, text=True, timeout=60,
                         preexec_fn=(lambda: os.sched_setaffinity(0, mask)) if mask else None)
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.strip())
    return int(ran.stdout)


def check(what, got, want):
    global failed
    print("%s: %d workers" % (what, got) + ("" if got == want else ", not %d: FAILED" % want))
    failed += got != want


if any(word in os.environ.get("DARRAY_TEST_SANITIZE", "none") for word in ("address", "thread")):
    sys.exit(77)  # Python would have to be linked with it

check("DARRAY_NUM_THREADS=3, OMP_NUM_THREADS=5", workers({"DARRAY_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}), 3)
check("OMP_NUM_THREADS=5", workers({"OMP_NUM_THREADS": "5"}), 5)
check("OMP_NUM_THREADS=7,2", workers({"OMP_NUM_THREADS": "7,2"}), 7)
check("one core allowed, OMP_NUM_THREADS=5", workers({"OMP_NUM_THREADS": "5"}, mask={CORES[0]}), 5)
for n in range(1, min(len(CORES), 4) + 1):
    check("%d of the cores allowed" % n, workers(mask=set(CORES[:n])), n)

with tempfile.TemporaryDirectory() as folder:
    def put(name, text):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    version2 = put("cgroup2", "0::/outer/inner\n")
    version1 = put("cgroup1", "5:memory:/\n4:cpu,cpuacct:/inner\n")
    put("two/outer/inner/cpu.max", "max 100000\n")
    put("two/outer/cpu.max", "90000 100000\n")
    put("one/cpu/inner/cpu.cfs_quota_us", "90000\n")
    put("one/cpu/inner/cpu.cfs_period_us", "100000\n")
    put("free/cpu.max", "max 100000\n")

    def mounted(list_file, tree):
        return ["mount --bind %s/%s /sys/fs/cgroup" % (folder, tree), "mount --bind %s /proc/$$/cgroup" % list_file]

    try:
        workers(before=["mount --bind %s/free /sys/fs/cgroup" % folder])
    except (RuntimeError, OSError) as refusal:
        print("no namespace of its own (%s): the cgroup's quota is not tried" % refusal)
    else:
        check("a group within one of 0.9 cores", workers(before=mounted(version2, "two")), 1)
        check("the same in version 1", workers(before=mounted(version1, "one")), 1)
        check("no quota", workers(before=mounted(version2, "free")), len(CORES))
        check("0.9 cores, DARRAY_NUM_THREADS=2",
              workers({"DARRAY_NUM_THREADS": "2"}, before=mounted(version2, "two")), 2)
sys.exit(failed > 0)
