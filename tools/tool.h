/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The darray tool: one source a command, and what they share. It is linked with the library's objects, so that it can look inside.
 */
#ifndef DARRAY_TOOLS_TOOL_H
#define DARRAY_TOOLS_TOOL_H

#include <darray/base.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses; the man page has the same list. */
enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_INTERRUPTED = 130 };

/* Each is given the words after its name. */
int tool_info(int argc, char **argv);
int tool_calibrate(int argc, char **argv);
int tool_models(int argc, char **argv);
int tool_bench(int argc, char **argv);

/* darray models predict (predict.c): an operation's name, which there is, the order of its matrices; 0 workers: as many as there are; `calls` to
 * measure with each tile size, or 0. */
enum { TOOL_CALLS = 15 };
int tool_predict(const char *name, int64_t n, da_dtype dtype, int workers, int calls);

/* ---- the command line (arguments.c) ---- */

typedef struct arguments {
    const char *command; /* "calibrate", for messages */
    int argc, at;
    char **argv;
    const char *word;     /* the current one: an option's name or something else */
    const char *attached; /* what stands after its '=', or null */
    bool is_option, only_words;
    char name[64];
} arguments;

/* Go on to the next word; false at the end. */
bool arguments_next(arguments *a);
/* Whether the current word is this option, which takes no value. */
bool arguments_flag(arguments *a, const char *name);
/* Whether it is this option; then *value is the next word or what was attached, or null if there is none. */
bool arguments_value(arguments *a, const char *name, const char **value);
/* Say what is wrong with the command line, and where help is; TOOL_USAGE. */
int arguments_wrong(const arguments *a, const char *format, ...) DA_PRINTF_(2, 3);
/* The complaint about a word that is no option of the command or one too many. */
int arguments_unknown(const arguments *a);

/* "darray COMMAND: ..." on stderr; TOOL_FAILED. */
int tool_fail(const char *command, const char *format, ...) DA_PRINTF_(2, 3);
/* The same about this machine's models, which could not be used, with a remedy if there is one (models.c). */
int tool_fail_models(const char *command, da_status status);

/* ---- words and numbers (text.c) ---- */

/* f32, f64, ...; "?" if it is none. */
const char *dtype_label(da_dtype dtype);
/* The dtype of such a label or of NumPy's name; 0 if it is none. */
da_dtype dtype_of(const char *text);
/* A whole number from 1 to `most`, with K, M, G (powers of 1024); false if it is none. */
bool number_of(const char *text, int64_t most, int64_t *out);

enum { TEXT = 32 };
/* "1.5 ms", "16 MiB", "2:05" into a buffer, which they return. */
const char *seconds_text(char buffer[TEXT], double seconds);
const char *bytes_text(char buffer[TEXT], double bytes);
const char *duration_text(char buffer[TEXT], double seconds);
/* "1.2e+03" without the exponent where that is short: "1200", "1.2 M". */
const char *count_text(char buffer[TEXT], double n);

/* ---- what is printed for people or as JSON, by the same calls (report.c) ---- */

typedef struct report {
    FILE *stream;
    bool json;
    int depth;
    bool first;         /* nothing was printed in this object or array yet */
    unsigned in_arrays; /* a bit a depth */
} report;

void report_begin(report *r, FILE *stream, bool json);
void report_end(report *r);
/* Keys are words with underscores, or variables, which begin with a capital; null within arrays. An empty group says "none" to people. */
void report_object(report *r, const char *key);
void report_array(report *r, const char *key);
void report_close(report *r);
void report_text(report *r, const char *key, const char *format, ...) DA_PRINTF_(3, 4);
void report_number(report *r, const char *key, double value);
void report_bytes(report *r, const char *key, int64_t bytes);
void report_bool(report *r, const char *key, bool value);
void report_nothing(report *r, const char *key, const char *why); /* null in JSON, the words for people */
/* A string as JSON writes it, quotes included. */
void json_string(FILE *stream, const char *text);

/* ---- darray.c ---- */

/* The program set DARRAY_MODULES itself. */
extern bool tool_set_modules;

/* Set by SIGINT, SIGTERM and SIGHUP once tool_catch_signals() was called; a second one of the former ends the program at once. */
extern volatile sig_atomic_t tool_interrupted;
void tool_catch_signals(void);

#endif
