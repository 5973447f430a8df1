// SPDX-License-Identifier: MIT
// Drawing a result with gnuplot: one panel for each kind of test, both scales logarithmic.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ctl.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/text.h"
#include "job/bench.h"

#define SCRIPT_MAX (8U << 20)
#define PICTURE_MAX (32U << 20)
#define PANELS_MAX 4
#define PER_PANEL 2
#define DRAW_MS 60000

struct panel {
    const char *tests[PER_PANEL + 1];
    const char *title, *axis, *key;
    bool rate; // the line rate belongs in here
};

static const struct panel panels[PANELS_MAX] = {
    {{"bw", "bibw"},
     "Bandwidth between two ranks",
     "MB/s (1 MB = 10^6 bytes)",
     "right bottom",
     true},
    {{"latency"}, "Latency between two ranks (half a round trip)", "µs", "left top", false},
    {{"allreduce"}, "Allreduce of floats, all ranks", "µs", "left top", false},
    {{"allgather"}, "Allgather, all ranks (size: part of one rank)", "µs", "left top", false},
};

// Blue, vermilion, green, purple, orange, sky: they differ for colour-blind readers, too.
static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73",
                                      "#CC79A7", "#E69F00", "#56B4E9"};

// Everything that the pieces of the script need.
struct drawing {
    struct dmpi_buf *out;
    const json_t *result, *before;
    long long mbit;
    json_int_t most; // the largest size
};

// A string for gnuplot, which knows no escapes between single quotes.
static void quoted(struct dmpi_buf *out, const char *text)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    dmpi_buf_addc(out, '\'');
    for (const char *c = safe; *c; c++) {
        if (*c == '\'')
            dmpi_buf_addc(out, '\'');
        dmpi_buf_addc(out, *c);
    }
    dmpi_buf_addc(out, '\'');
}

// ---- data ------------------------------------------------------------------------------------

// Rows that a logarithmic scale can show.
static bool drawable(const json_t *row, const char *test)
{
    return strcmp(dmpi_json_str(row, "test"), test) == 0 && dmpi_json_int(row, "size", 0) > 0 &&
           dmpi_bench_number(row, "min") > 0;
}

static bool has_test(const json_t *run, const char *test)
{
    const json_t *row;
    size_t i;
    json_array_foreach (dmpi_json_arr(run, "rows"), i, row)
        if (drawable(row, test))
            return true;
    return false;
}

static bool any_has(const json_t *result, const struct panel *p)
{
    const json_t *run;
    size_t i;
    json_array_foreach (dmpi_json_arr(result, "runs"), i, run)
        for (size_t t = 0; p->tests[t]; t++)
            if (has_test(run, p->tests[t]))
                return true;
    return false;
}

static void add_block(struct dmpi_buf *out, const json_t *run, const char *test, const char *prefix,
                      size_t i)
{
    const json_t *row;
    size_t k;
    dmpi_buf_addf(out, "$%s%zu_%s << EOD\n", prefix, i, test);
    json_array_foreach (dmpi_json_arr(run, "rows"), k, row)
        if (drawable(row, test))
            dmpi_buf_addf(out, "%" JSON_INTEGER_FORMAT " %.6g %.6g %.6g\n",
                          dmpi_json_int(row, "size", 0), dmpi_bench_number(row, "median"),
                          dmpi_bench_number(row, "min"), dmpi_bench_number(row, "max"));
    dmpi_buf_adds(out, "EOD\n");
}

// A block for every curve, named after the place of its run and its test: $now0_bw.
static void add_data(struct drawing *d, const json_t *result, const char *prefix)
{
    const json_t *run, *row;
    size_t i, k;
    json_array_foreach (dmpi_json_arr(result, "runs"), i, run) {
        for (size_t p = 0; p < PANELS_MAX; p++)
            for (size_t t = 0; panels[p].tests[t]; t++)
                if (has_test(run, panels[p].tests[t]))
                    add_block(d->out, run, panels[p].tests[t], prefix, i);
        json_array_foreach (dmpi_json_arr(run, "rows"), k, row)
            if (dmpi_json_int(row, "size", 0) > d->most)
                d->most = dmpi_json_int(row, "size", 0);
    }
}

// ---- the picture -----------------------------------------------------------------------------

// What stands above all: who measured with whom, and what has no panel.
static void add_title(struct drawing *d)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(4096);
    const json_t *run = json_array_get(dmpi_json_arr(d->result, "runs"), 0);
    const json_t *header = dmpi_json_obj(run, "header"), *pair = dmpi_json_arr(header, "pair");
    const char *one = dmpi_json_str(json_array_get(pair, 0), "host");
    const char *other = dmpi_json_str(json_array_get(pair, 1), "host");
    const char *library = dmpi_json_str(header, "mpi");
    const json_t *barrier = dmpi_bench_row(run, "barrier", 0);
    dmpi_buf_addf(&text, "%s", library ? library : "MPI");
    if (one && other)
        dmpi_buf_addf(&text, ", %s and %s", one, other);
    dmpi_buf_addf(&text, ", %" JSON_INTEGER_FORMAT " ranks", dmpi_json_int(header, "ranks", 0));
    if (dmpi_json_bool(header, "same_machine", false))
        dmpi_buf_adds(&text, " on one machine");
    if (barrier && json_array_size(dmpi_json_arr(d->result, "runs")) == 1)
        dmpi_buf_addf(&text, ", barrier %.3g µs", dmpi_bench_number(barrier, "median"));
    dmpi_buf_adds(&text, "; lines: medians, bands: least to most");
    quoted(d->out, dmpi_buf_str(&text));
}

// Marks at every fourth power of two: 1, 16, 256, 4K, 64K, 1M.
static void add_marks(struct drawing *d)
{
    const char *comma = "";
    dmpi_buf_adds(d->out, "set xtics (");
    for (json_int_t size = 1; size <= d->most; size *= 16, comma = ", ") {
        int unit = size >= 1 << 30 ? 3 : size >= 1 << 20 ? 2 : size >= 1 << 10 ? 1 : 0;
        static const char *const units[] = {" B", " KiB", " MiB", " GiB"};
        dmpi_buf_addf(d->out, "%s'%lld%s' %lld", comma, (long long)size >> (10 * unit), units[unit],
                      (long long)size);
    }
    dmpi_buf_adds(d->out, ")\n");
}

static void curve_name(struct drawing *d, const json_t *run, const char *test, bool before)
{
    bool several = json_array_size(dmpi_json_arr(d->result, "runs")) > 1;
    const char *tune = several ? dmpi_json_str(run, "tune") : "";
    dmpi_autofree char *name =
        dmpi_xasprintf("%s%s%s%s", test, *tune ? ", " : "", tune, before ? ", earlier" : "");
    quoted(d->out, name);
}

// The median as a line, and the spread as a pale band around it.
static void add_curve(struct drawing *d, const json_t *run, const char *test, size_t i,
                      const char *colour)
{
    int point = strcmp(test, "bibw") == 0 ? 8 : 7; // hollow triangles beside filled circles
    dmpi_buf_addf(d->out,
                  ", \\\n  $now%zu_%s using 1:3:4 with filledcurves fc rgb '%s' "
                  "fs transparent solid 0.18 noborder notitle",
                  i, test, colour);
    dmpi_buf_addf(
        d->out,
        ", \\\n  $now%zu_%s using 1:2 with linespoints lw 2 pt %d ps 0.7 lc rgb '%s' title ", i,
        test, point, colour);
    curve_name(d, run, test, false);
}

static void add_earlier(struct drawing *d, const json_t *run, const char *test, const char *colour)
{
    const json_t *runs = dmpi_json_arr(d->before, "runs");
    const json_t *old = d->before ? dmpi_bench_run(d->before, dmpi_json_str(run, "tune")) : NULL;
    if (!old || !has_test(old, test))
        return;
    size_t at = 0;
    while (json_array_get(runs, at) != old)
        at++;
    dmpi_buf_addf(
        d->out,
        ", \\\n  $old%zu_%s using 1:2 with linespoints lw 1.5 dt 2 pt 6 ps 0.7 lc rgb '%s' title ",
        at, test, colour);
    curve_name(d, run, test, true);
}

static void add_rate(struct drawing *d, int times)
{
    double gbit = (double)d->mbit / 1000;
    dmpi_buf_addf(d->out, ", \\\n  %.6g with lines lw 1.5 dt %s lc rgb '#444444' title ",
                  (double)d->mbit / 8 * times, times > 1 ? "(3,5)" : "(14,5)");
    dmpi_autofree char *name = dmpi_xasprintf("%sline rate, %.4g Gbit/s%s", times > 1 ? "2 x " : "",
                                              gbit, times > 1 ? " (both ways)" : "");
    quoted(d->out, name);
}

static void add_panel(struct drawing *d, const struct panel *p)
{
    const json_t *run;
    size_t i;
    // With several tuning sets a colour is a set, else it is a test.
    bool both = false, several = json_array_size(dmpi_json_arr(d->result, "runs")) > 1;
    dmpi_buf_addf(d->out, "set title ");
    quoted(d->out, p->title);
    dmpi_buf_adds(d->out, "\nset ylabel ");
    quoted(d->out, p->axis);
    // A curve of nothing comes first, so that all others can begin with a comma.
    dmpi_buf_addf(d->out, "\nset key %s\nplot NaN notitle", p->key);
    json_array_foreach (dmpi_json_arr(d->result, "runs"), i, run) {
        for (size_t t = 0; p->tests[t]; t++) {
            if (!has_test(run, p->tests[t]))
                continue;
            const char *colour = colours[(several ? i : t) % DMPI_ARRAY_LEN(colours)];
            both = both || strcmp(p->tests[t], "bibw") == 0;
            add_curve(d, run, p->tests[t], i, colour);
            add_earlier(d, run, p->tests[t], colour);
        }
    }
    if (p->rate && d->mbit > 0)
        add_rate(d, 1);
    if (p->rate && d->mbit > 0 && both)
        add_rate(d, 2);
    dmpi_buf_adds(d->out, "\n");
}

void dmpi_bench_script(struct dmpi_buf *out, const json_t *result, const json_t *before,
                       long long mbit, bool svg)
{
    struct drawing d = {.out = out, .result = result, .before = before, .mbit = mbit, .most = 1};
    size_t n = 0;
    for (size_t p = 0; p < PANELS_MAX; p++)
        n += any_has(result, &panels[p]);
    dmpi_buf_addf(out, "set encoding utf8\nset terminal %s size %d,%d font 'sans,12' %s\n",
                  svg ? "svg noenhanced" : "pngcairo noenhanced", n > 1 ? 1400 : 900,
                  n > 2 ? 1050 : 580, "background 'white'");
    add_data(&d, result, "now");
    if (before)
        add_data(&d, before, "old");
    dmpi_buf_adds(out, "set logscale x 2\nset logscale y 10\nset xlabel 'message size'\n");
    dmpi_buf_addf(out, "set xrange [0.8:%" JSON_INTEGER_FORMAT "]\n", d.most + d.most / 3 + 1);
    dmpi_buf_adds(out, "set format y '%.10g'\nset grid xtics ytics mytics lw 1 lc rgb '#d0d0d0', "
                       "lw 1 lc rgb '#ececec'\nset border 3\nset tics nomirror\nset mytics 10\n");
    add_marks(&d);
    dmpi_buf_addf(out, "set multiplot layout %d,%d margins char 12,4,5,5 spacing char 14,7 title ",
                  n > 2 ? 2 : 1, n > 1 ? 2 : 1);
    add_title(&d);
    dmpi_buf_adds(out, "\n");
    for (size_t p = 0; p < PANELS_MAX; p++)
        if (any_has(result, &panels[p]))
            add_panel(&d, &panels[p]);
    dmpi_buf_adds(out, "unset multiplot\n");
}

// ---- gnuplot ---------------------------------------------------------------------------------

// An unnamed file in memory: unlike with a pipe, nobody has to be read from while others write.
static int memory_file(const char *name, const struct dmpi_buf *content, struct dmpi_err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return dmpi_err_set(err, DMPI_ESYS, "gnuplot: no memory file");
    if (content &&
        (dmpi_io_write_all(fd, content->data, content->len, err) || lseek(fd, 0, SEEK_SET))) {
        close(fd);
        return -1;
    }
    return fd;
}

static int read_back(struct dmpi_buf *out, int fd, struct dmpi_err *err)
{
    dmpi_autofree char *path = dmpi_xasprintf("/proc/self/fd/%d", fd);
    return dmpi_io_read_file(out, path, out->max, err);
}

// The last line that it complained with.
static int complaint(int fd, int code, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(SCRIPT_MAX);
    struct dmpi_err ignored;
    read_back(&text, fd, &ignored);
    while (text.len > 0 && strchr(" \n", text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    const char *all = dmpi_buf_str(&text), *newline = strrchr(all, '\n');
    return dmpi_err_set(err, DMPI_ESYS, "gnuplot failed (exit code %d): %s", code,
                        newline ? newline + 1 : all);
}

static int run_gnuplot(int in, int out, int err_fd, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    const struct dmpi_spawn how = {.in = in, .out = out, .err = err_fd, .apart = true};
    struct dmpi_ctl limit = dmpi_ctl_within(ctl, DRAW_MS);
    int status = 0;
    dmpi_strv_add(&argv, "gnuplot");
    pid_t pid = dmpi_spawn(&argv, &how, err);
    if (pid < 0)
        return -1;
    if (dmpi_spawn_wait(pid, &limit, &status, err)) {
        dmpi_spawn_end(pid, &how, 1000);
        return dmpi_err_wrap(err, "gnuplot");
    }
    return dmpi_spawn_code(status) ? complaint(err_fd, dmpi_spawn_code(status), err) : 0;
}

static int draw(struct dmpi_buf *picture, const struct dmpi_buf *script, const struct dmpi_ctl *ctl,
                struct dmpi_err *err)
{
    int in = memory_file("script", script, err);
    int out = memory_file("picture", NULL, err);
    int errors = memory_file("errors", NULL, err);
    int rc = in < 0 || out < 0 || errors < 0 ? -1 : run_gnuplot(in, out, errors, ctl, err);
    if (rc == 0)
        rc = read_back(picture, out, err);
    if (rc == 0 && picture->len == 0)
        rc = complaint(errors, 0, err);
    for (size_t i = 0; i < 3; i++) {
        int fd = ((const int[]){in, out, errors})[i];
        if (fd >= 0)
            close(fd);
    }
    return rc;
}

int dmpi_bench_plot_check(const char *path, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf version = DMPI_BUF_INIT(4096);
    int code;
    if (!dmpi_text_ends_with(path, ".svg") && !dmpi_text_ends_with(path, ".png"))
        return dmpi_err_set(err, DMPI_EINVAL, "--plot %s: the name must end in .svg or .png", path);
    dmpi_strv_add(&argv, "gnuplot");
    dmpi_strv_add(&argv, "--version");
    if (dmpi_spawn_output(&argv, ctl, &version, &code, err) == 0)
        return 0;
    if (err->code != DMPI_ENOTFOUND)
        return -1;
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "plot %s: gnuplot is not installed on this machine: apt-get install "
                        "gnuplot-nox (or keep the result with --json and draw it elsewhere with "
                        "--from)",
                        path);
}

int dmpi_bench_plot(const char *path, const json_t *result, const json_t *before, long long mbit,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf script = DMPI_BUF_INIT(SCRIPT_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf picture = DMPI_BUF_INIT(PICTURE_MAX);
    bool drawn = false;
    for (size_t p = 0; p < PANELS_MAX; p++)
        drawn = drawn || any_has(result, &panels[p]);
    if (!drawn)
        return dmpi_err_set(err, DMPI_EINVAL, "--plot: the result has no test that can be drawn");
    dmpi_bench_script(&script, result, before, mbit, dmpi_text_ends_with(path, ".svg"));
    if (script.overflow)
        return dmpi_err_set(err, DMPI_EINVAL, "--plot: too much to be drawn");
    if (draw(&picture, &script, ctl, err))
        return -1;
    return dmpi_io_write_file_atomic(path, picture.data, picture.len, 0644, err);
}
