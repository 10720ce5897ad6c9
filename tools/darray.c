/* SPDX-License-Identifier: BSD-3-Clause */
/* darray: looks after the library on this machine. This file finds the command. */
#include "tool.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"info", tool_info, "what the library found here, and what it lacks to use a GPU"},
    {"calibrate", tool_calibrate, "measure the kernels, so that tasks run where they are done soonest"},
    {"models", tool_models, "what was measured: list, show, plot, predict, export, import, reset"},
    {"bench", tool_bench, "the benchmarks"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

bool tool_set_modules;
volatile sig_atomic_t tool_interrupted;

static void interrupted(int signal_number)
{
    if (tool_interrupted && signal_number != SIGHUP) /* which both the shell and the terminal may send */
        _exit(128 + signal_number);
    tool_interrupted = 1;
    if (signal_number == SIGINT && isatty(STDERR_FILENO)) {
        static const char text[] = "\nstopping after what is being measured; once more to stop at once\n";
        const int before = errno;

        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            errno = before;
    }
}

void tool_catch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupted}, before;

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup */
        sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int usage(FILE *stream, int status)
{
    fputs("usage: darray COMMAND [options]\n\n", stream);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-12s%s\n", commands[i].name, commands[i].what);
    fputs("\n  darray COMMAND --help    what a command takes\n"
          "  darray --version         the library's version\n\n"
          "Exit status: 0 done, 1 failed, 2 the command line is wrong, 130 interrupted.\n",
          stream);
    return status;
}

/* The library looks for its modules beside itself; it is inside this program here, and its modules are in the library's directory. */
static void find_modules(void)
{
    char path[PATH_MAX], modules[PATH_MAX + sizeof DA_TOOL_LIBDIR + 16];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;
    size_t directory, bindir = strlen(DA_TOOL_BINDIR);

    if (length <= 0 || getenv("DARRAY_MODULES"))
        return;
    path[length] = '\0';
    slash = strrchr(path, '/');
    directory = slash ? (size_t)(slash - path) : 0;
    if (directory <= bindir || strncmp(slash - bindir, DA_TOOL_BINDIR, bindir) != 0)
        return;
    snprintf(modules, sizeof modules, "%.*s%s/darray", (int)(directory - bindir), path, DA_TOOL_LIBDIR);
    if (access(modules, X_OK) == 0)
        tool_set_modules = setenv("DARRAY_MODULES", modules, 1) == 0;
}

int main(int argc, char **argv)
{
    arguments a = {.argc = argc, .at = 1, .argv = argv};

    find_modules();
    if (!arguments_next(&a))
        return usage(stderr, TOOL_USAGE);
    if (arguments_flag(&a, "--help") || arguments_flag(&a, "-h") || strcmp(a.word, "help") == 0)
        return usage(stdout, TOOL_OK);
    if (arguments_flag(&a, "--version")) {
        printf("darray %s\n", da_version());
        return TOOL_OK;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(a.word, commands[i].name) == 0) {
            const int status = commands[i].run(argc - a.at, argv + a.at);
            if (fflush(stdout) != 0)
                return tool_fail(commands[i].name, "the output could not be written");
            return status;
        }
    if (a.is_option)
        return arguments_unknown(&a);
    return arguments_wrong(&a, "there is no command \"%s\"; there are info, calibrate, models and bench",
                           a.word);
}
