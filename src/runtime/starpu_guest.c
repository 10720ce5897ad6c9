/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/starpu_guest.h"
#include "runtime/starpu_device.h"
#include "runtime/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <signal.h>
#include <starpu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where StarPU keeps its files: it aborts when it cannot make or write them ---- */

enum { PATH_BYTES = 200 }; /* StarPU cuts its own at 256 */

static bool make_directory(const char *path)
{
    return (mkdir(path, S_IRWXU) == 0 || errno == EEXIST) && access(path, W_OK | X_OK) == 0;
}

/* True if StarPU's folders below `base` are there or could be made, and can be written. */
static bool sampling_usable(const char *base, bool is_home)
{
    static const char *const below[] = {"", "/bus", "/codelets", "/codelets/45"};
    char path[PATH_BYTES + 64];

    if (!base[0] || strlen(base) > PATH_BYTES)
        return false;
    if (is_home) {
        snprintf(path, sizeof path, "%s/.starpu", base);
        if (!make_directory(path))
            return false;
    }
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        snprintf(path, sizeof path, "%s%s%s", base, is_home ? "/.starpu/sampling" : "", below[i]);
        if (!make_directory(path))
            return false;
    }
    return true;
}

/* A folder of this user's under the temporary directory, one for all processes, or one of this process alone. */
static bool private_directory(char path[PATH_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    struct stat st;

    if (!tmp || !tmp[0] || strlen(tmp) > PATH_BYTES / 2)
        tmp = "/tmp";
    snprintf(path, PATH_BYTES, "%s/darray-starpu-%lu", tmp, (unsigned long)geteuid());
    if (mkdir(path, S_IRWXU) == 0 || (errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
                                      st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0))
        return sampling_usable(path, false);
    snprintf(path, PATH_BYTES, "%s/darray-starpu-XXXXXX", tmp);
    return mkdtemp(path) && sampling_usable(path, false);
}

/* The folder to give StarPU in STARPU_PERF_MODEL_DIR, or "" if its own choice will do. False if there is none. An empty variable counts as one that
 * is not set, which StarPU sees otherwise. */
static bool find_model_directory(char path[PATH_BYTES])
{
    static const char *const variables[] = {"STARPU_PERF_MODEL_DIR", "XDG_CACHE_HOME", "STARPU_HOME", "HOME"};
    const char *place = NULL;
    bool any_empty = false;
    int which = 0;

    path[0] = '\0';
    for (; which < 4; which++) {
        place = getenv(variables[which]);
        if (place && place[0])
            break;
        any_empty = any_empty || place;
    }
    const bool is_home = which > 0;
    if (which < 4 && sampling_usable(place, is_home)) {
        const int length =
            any_empty ? snprintf(path, PATH_BYTES, "%s%s", place, is_home ? "/.starpu/sampling" : "") : 0;
        if (length < PATH_BYTES)
            return true;
    }
    if (!private_directory(path))
        return false;
    log_line(1, "starpu: cannot write its files below %s: they go to %s",
             which < 4 ? place : "HOME (not set)", path);
    return true;
}

/* The folder that StarPU keeps its files in; models: find_model_directory()'s. */
static void sampling_directory(char path[PATH_BYTES + 32], const char *models)
{
    static const char *const home_variables[] = {"XDG_CACHE_HOME", "STARPU_HOME", "HOME"};
    const char *base = models[0] ? models : getenv("STARPU_PERF_MODEL_DIR"), *below = "";

    for (int i = 0; i < 3 && !base; i++) {
        base = getenv(home_variables[i]);
        below = "/.starpu/sampling";
    }
    snprintf(path, PATH_BYTES + 32, "%s%s", base ? base : "", below);
}

/*
 * Whether StarPU will find what it measured of transfers on this machine, as far as devices count. Else it measures them as it starts, on all
 * devices that there are, wanted or not, and ends the process where one cannot be started.
 */
static bool bus_is_measured(const char *models)
{
    const char *name = getenv("STARPU_HOSTNAME");
    char host[256] = "", folder[PATH_BYTES + 32], path[PATH_BYTES + 512], line[256];
    int found = 0, number;

    if (!name) {
        if (gethostname(host, sizeof host - 1) != 0)
            return false;
        host[strcspn(host, ".")] = '\0';
        name = host;
    }
    sampling_directory(folder, models);
    snprintf(path, sizeof path, "%s/bus/%.255s.config", folder, name);
    FILE *const file = fopen(path, "re");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%d", &number) == 1) /* "Number of CUDA devices", nodes from 1.4 on */
            found += (strstr(line, "of CUDA ") && number == spu_devices_counted(DA_DEVICE_CUDA)) ||
                     (strstr(line, "of OpenCL ") && number == spu_devices_counted(DA_DEVICE_OPENCL));
    fclose(file);
    return found == 2;
}

/* Of several processes that start at once one measures, and others wait: StarPU asserts that a file is whole which another is writing. Many may
 * read at a time. -1 if there is no lock, or not within a minute or two: then it goes on without. */
static int lock_measurements(const char *models)
{
    enum { TRIES = 4000 };
    const useconds_t pause_us = 10000 + (useconds_t)getpid() * 7919 % 30000; /* not all at the same times */
    char folder[PATH_BYTES + 32], path[PATH_BYTES + 64];

    sampling_directory(folder, models);
    snprintf(path, sizeof path, "%s/bus/darray.lock", folder);
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; file >= 0 && i < TRIES; i++) {
        if (flock(file, LOCK_SH | LOCK_NB) == 0) {
            if (bus_is_measured(models))
                return file;
            if (flock(file, LOCK_EX | LOCK_NB) == 0)
                return file;
            (void)flock(file, LOCK_UN);
        } else if (errno != EWOULDBLOCK && errno != EINTR) {
            break;
        }
        usleep(pause_us);
    }
    if (file >= 0)
        close(file);
    return -1;
}

/* ---- cores ---- */

/* Pin workers to the processing units that this process may use where those are not all: StarPU 1.3 takes all it sees. */
static void bind_to_allowed(struct starpu_conf *conf)
{
    unsigned cpus[STARPU_NMAXWORKERS];
    hwloc_topology_t topology;
    int allowed, n = 0;

    if (getenv("STARPU_WORKERS_CPUID") || getenv("STARPU_WORKERS_COREID"))
        return;
    allowed = topology_allowed(cpus, STARPU_NMAXWORKERS);
    if (allowed == 0 || hwloc_topology_init(&topology) != 0)
        return;
    if (hwloc_topology_load(topology) ==
        0) /* all of it: StarPU's numbers are those of the whole machine in hwloc's order */
        for (int i = 0; i < allowed; i++) {
            const hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology, cpus[i]);
            if (pu)
                conf->workers_bindid[n++] = pu->logical_index;
        }
    hwloc_topology_destroy(topology);
    if (n == 0)
        return;
    for (int i = n; i < STARPU_NMAXWORKERS; i++)
        conf->workers_bindid[i] = conf->workers_bindid[i - n];
    conf->use_explicit_workers_bindid = 1;
}

/* ---- performance models ---- */

/* Whether somebody reads or records them: looking them up for each task costs 10 % of its overhead. */
static bool models_wanted(void)
{
    static const char *const without[] = {"eager", "lws", "ws", "prio", "random"};
    const struct starpu_sched_policy *policy = starpu_sched_ctx_get_sched_policy(0);
    const char *calibrate = getenv("STARPU_CALIBRATE");

    if (calibrate && atoi(calibrate) > 0)
        return true;
    for (size_t i = 0; policy && policy->policy_name && i < sizeof without / sizeof without[0]; i++)
        if (strcmp(policy->policy_name, without[i]) == 0)
            return false;
    return true;
}

/* ---- signals ----
 *
 * Where an OpenCL library with LLVM inside is installed (PoCL), looking for devices makes LLVM take over the process's signal handlers:
 * StarPU does so for its bus figures, and hwloc for its topology, whatever was asked for. */

void spu_signals_note(spu_signals *before)
{
    for (int s = 1; s < NSIG; s++)
        if (sigaction(s, NULL, &before->action[s]) != 0)
            before->action[s].sa_handler = SIG_ERR;
}

void spu_signals_restore(const spu_signals *before)
{
    struct sigaction now;

    for (int s = 1; s < NSIG; s++)
        if (before->action[s].sa_handler != SIG_ERR && sigaction(s, NULL, &now) == 0 &&
            (now.sa_handler != before->action[s].sa_handler || now.sa_flags != before->action[s].sa_flags))
            sigaction(s, &before->action[s], NULL);
}

/* ---- start ---- */

/* Set a variable unless it is set; true if it must be unset again. */
static bool lend_variable(const char *name, const char *value)
{
    return !getenv(name) && setenv(name, value, 1) == 0;
}

static int initialise(struct starpu_conf *conf, const char *models)
{
    char *former = getenv("STARPU_PERF_MODEL_DIR");
    sigset_t blocked, before;
    int result;

    if (former && models[0] && !(former = strdup(former)))
        return -ENOMEM;
    /* StarPU reads these once, here; its threads inherit the mask, so that the host's handlers run in the host's threads. */
    const bool silent = lend_variable("STARPU_SILENT", "1");
    const bool lent = models[0] && setenv("STARPU_PERF_MODEL_DIR", models, 1) == 0;
    const int lock = lock_measurements(models);
    sigfillset(&blocked);
    for (const int *s = (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF, 0}; *s; s++)
        sigdelset(&blocked, *s);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    result = starpu_init(conf);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (lock >= 0)
        close(lock);
    if (lent) {
        if (former)
            setenv("STARPU_PERF_MODEL_DIR", former, 1);
        else
            unsetenv("STARPU_PERF_MODEL_DIR");
    }
    if (silent)
        unsetenv("STARPU_SILENT");
    if (former && models[0])
        free(former);
    return result;
}

da_status spu_guest_start(spu_start *s)
{
    char models[PATH_BYTES] = "";
    struct starpu_conf conf;
    spu_signals signals;
    int result;

    s->shared = starpu_is_initialized();
    if (s->shared) {
        /* Only counts: the host's starpu_shutdown() will leave it running until ours. */
        result = starpu_init(NULL);
    } else {
        if (!find_model_directory(models))
            return err_set(DA_ERROR_RUNTIME,
                           "starpu: neither its home nor a temporary directory can be written");
        if (starpu_conf_init(&conf) != 0)
            return err_set(DA_ERROR_RUNTIME, "starpu: starpu_conf_init failed");
        conf.catch_signals = 0;
        /* only those that there are codelets for */
        conf.ncuda = spu_devices_usable(DA_DEVICE_CUDA, conf.workers_cuda_gpuid, STARPU_NMAXWORKERS);
        conf.nopencl = spu_devices_usable(DA_DEVICE_OPENCL, conf.workers_opencl_gpuid, STARPU_NMAXWORKERS);
        if (spu_devices_broken() && !bus_is_measured(models))
            return err_set(DA_ERROR_RUNTIME, "starpu: a device cannot be started, and StarPU, which measures "
                                             "transfers to all of them at its "
                                             "first start, would end the process: start it once when they "
                                             "work, or use DARRAY_RUNTIME=openmp");
        /* A device's worker polls: a core of its own, as StarPU would have it, but half of the cores remain. */
        if (!s->asked && conf.ncuda + conf.nopencl > 0) {
            const int left = s->workers - conf.ncuda - conf.nopencl, half = (s->workers + 1) / 2;

            s->workers = left > half ? left : half;
        }
        conf.ncpus = s->workers < STARPU_MAXCPUS ? s->workers : STARPU_MAXCPUS;
        if (conf.ncuda + conf.nopencl > 0 && !bus_is_measured(models))
            log_line(1, "starpu: measures transfers to the devices, once on this machine");
        conf.use_explicit_workers_cuda_gpuid = conf.ncuda > 0;
        conf.use_explicit_workers_opencl_gpuid = conf.nopencl > 0;
#if STARPU_MAJOR_VERSION > 1 || STARPU_MINOR_VERSION >= 4
        conf.nhip = 0;
#endif
        /* A queue a worker; with devices a policy that asks the models and counts transfers. STARPU_SCHED wins. */
        conf.sched_policy_name = conf.ncuda || conf.nopencl ? "dmdas" : "lws";
        spu_signals_note(&signals);
        bind_to_allowed(&conf);
        result = initialise(&conf, models);
        spu_signals_restore(&signals);
    }
    if (result != 0)
        return err_set(DA_ERROR_RUNTIME, "starpu: starpu_init failed: %s", strerror(-result));

    const int workers = (int)starpu_cpu_worker_get_count();
    if (workers == 0) {
        starpu_shutdown();
        return err_set(DA_ERROR_RUNTIME, "starpu: no CPU worker");
    }
    if (workers != s->workers)
        log_line(1, "starpu: %d CPU workers instead of %d (%s)", workers, s->workers,
                 s->shared                   ? "the program's own StarPU"
                 : workers == STARPU_MAXCPUS ? "the most that this build has"
                                             : "STARPU_NCPU");
    else
        log_line(2, "starpu: %d CPU workers%s", workers, s->shared ? " of the program's own StarPU" : "");
    s->workers = workers;
    s->min_priority = starpu_sched_get_min_priority();
    s->max_priority = starpu_sched_get_max_priority();
    s->models = models_wanted();
    return DA_OK;
}

bool spu_guest_stop(void)
{
    starpu_shutdown();
    return !starpu_is_initialized();
}
