/* SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"
#include "tool.h"
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 80, LINE = 256 };
#define REDRAW_S 0.1 /* on a terminal */
#define LINES_S 10.0 /* elsewhere */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_begin(progress *p, FILE *stream)
{
    *p = (progress){.stream = stream, .bar = isatty(fileno(stream)), .started = now(), .shown = -1e9};
}

double progress_elapsed(const progress *p)
{
    return now() - p->started;
}

static int columns(FILE *stream)
{
    struct winsize size;

    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH;
    return size.ws_col < LINE - 1 ? size.ws_col : LINE - 1;
}

/* ", 2:05 left", or nothing. */
static const char *left_text(char buffer[TEXT + 8], double left)
{
    char duration[TEXT];

    buffer[0] = '\0';
    if (left >= 0)
        snprintf(buffer, TEXT + 8, ", %s left", duration_text(duration, left));
    return buffer;
}

static void draw(progress *p, int done, int total, double left, const char *what)
{
    char line[LINE], time_left[TEXT + 8], head[64];
    const int width = columns(p->stream);
    const int bar = width / 3 < 10 ? 0 : width / 3 > 30 ? 30 : width / 3;
    const int full = total > 0 ? (int)((long long)bar * done / total) : 0;
    int used;

    snprintf(head, sizeof head, "%d/%d%s", done, total, left_text(time_left, left));
    used = snprintf(line, sizeof line, "[%.*s%.*s] %s  %s", full, "##############################",
                    bar - full, "..............................", head, what);
    if (used > width - 1)
        used = width - 1;
    fprintf(p->stream, "\r\033[K%.*s", used, line);
    fflush(p->stream);
    p->drawn = true;
}

void progress_show(progress *p, int done, int total, double left, const char *what)
{
    const double t = now();
    char time_left[TEXT + 8];

    if (t - p->shown < (p->bar ? REDRAW_S : LINES_S))
        return;
    p->shown = t;
    if (p->bar) {
        draw(p, done, total, left, what);
        return;
    }
    fprintf(p->stream, "%d of %d%s: %s\n", done, total, left_text(time_left, left), what);
    fflush(p->stream);
}

void progress_clear(progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", p->stream);
    fflush(p->stream);
    p->drawn = false;
}
