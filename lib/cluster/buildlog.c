// SPDX-License-Identifier: MIT
#include "cluster/buildlog.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define LINE_MAX_LEN 4096
#define STEP_SHOWN 100
#define TAIL_LINE_SHOWN 200

#define RUNNING " ---> Running in "
#define REMOVING "Removing intermediate container "

void dmpi_buildlog_init(struct dmpi_buildlog *out, const char *image,
                        const struct dmpi_build_opts *opts)
{
    *out =
        (struct dmpi_buildlog){.image = image, .opts = opts, .line = DMPI_BUF_INIT(LINE_MAX_LEN)};
}

static void forget(char **text)
{
    free(*text);
    *text = NULL;
}

static void forget_tail(struct dmpi_buildlog *log)
{
    for (size_t i = 0; i < DMPI_BUILDLOG_TAIL; i++)
        forget(&log->tail[i]);
    log->n_tail = 0;
}

void dmpi_buildlog_free(struct dmpi_buildlog *log)
{
    dmpi_buf_free(&log->line);
    forget(&log->step);
    forget(&log->container);
    forget_tail(log);
}

static void tell(const struct dmpi_buildlog *log, enum dmpi_build_event event, const char *text)
{
    if (log->opts->tell)
        log->opts->tell(log->opts->arg, log->image, event, text);
}

static void begin_step(struct dmpi_buildlog *log, const char *line)
{
    forget(&log->container);
    forget_tail(log);
    free(log->step);
    log->step = dmpi_xstrdup(line);
    tell(log, DMPI_BUILD_STEP, line);
}

static void keep_output(struct dmpi_buildlog *log, const char *line)
{
    char **slot = &log->tail[log->n_tail++ % DMPI_BUILDLOG_TAIL];
    free(*slot);
    *slot = dmpi_xstrdup(line);
    tell(log, DMPI_BUILD_OUTPUT, line);
}

// Docker begins a step with "Step 1/5 : ", Podman with "STEP 1/5: ".
static bool is_step(const char *line)
{
    return (dmpi_text_starts_with(line, "Step ") || dmpi_text_starts_with(line, "STEP ")) &&
           strspn(line + 5, "0123456789") > 0 && strchr(line, '/') && strchr(line, ':');
}

static void take_line(struct dmpi_buildlog *log, const char *line)
{
    if (is_step(line)) {
        begin_step(log, line);
    } else if (dmpi_text_starts_with(line, RUNNING)) {
        free(log->container);
        log->container = dmpi_xstrdup(line + strlen(RUNNING));
    } else if (dmpi_text_starts_with(line, REMOVING)) {
        forget(&log->container);
    } else if (!dmpi_text_starts_with(line, " ---> ") && line[strspn(line, " \t")]) {
        keep_output(log, line);
    }
}

// Cuts the colours that the engine puts around what goes to standard error.
static void cut_colours(char *line)
{
    char *to = line;
    for (const char *from = line; *from;) {
        size_t n = from[0] == '\033' && from[1] == '[' ? 2 + strspn(from + 2, "0123456789;") : 0;
        if (n > 0 && from[n] == 'm')
            from += n + 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
}

static void end_line(struct dmpi_buildlog *log)
{
    if (log->line.len > 0) {
        cut_colours(log->line.data);
        take_line(log, log->line.data);
    }
    dmpi_buf_clear(&log->line);
}

static void take_text(struct dmpi_buildlog *log, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            end_line(log);
        else
            dmpi_buf_addc(&log->line, *text);
    }
}

static void take_status(struct dmpi_buildlog *log, const json_t *object, const char *status)
{
    const char *id = dmpi_json_str(object, "id");
    // An object for each piece of a layer: those carry numbers.
    if (dmpi_json_int(dmpi_json_obj(object, "progressDetail"), "total", 0) > 0)
        return;
    dmpi_autofree char *line = id ? dmpi_xasprintf("%s: %s", id, status) : dmpi_xstrdup(status);
    tell(log, DMPI_BUILD_LAYER, line);
}

int dmpi_buildlog_object(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)err;
    const char *text = dmpi_json_str(object, "stream"), *status = dmpi_json_str(object, "status");
    if (text)
        take_text(arg, text);
    if (status)
        take_status(arg, object, status);
    return 0;
}

// The engine repeats the whole command of the step, which the step's own line has already.
static const char *reason(const char *message)
{
    const char *code = strstr(message, "returned a non-zero code");
    return dmpi_text_starts_with(message, "The command '") && code ? code : message;
}

static void add_shortened(struct dmpi_buf *out, const char *text, size_t max)
{
    size_t n = strlen(text);
    while (n > max && max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    dmpi_buf_add(out, text, n < max ? n : max);
    if (n > max)
        dmpi_buf_adds(out, "...");
}

static void add_tail(struct dmpi_buf *out, const struct dmpi_buildlog *log)
{
    unsigned kept = log->n_tail < DMPI_BUILDLOG_TAIL ? log->n_tail : DMPI_BUILDLOG_TAIL;
    for (unsigned i = 0; i < kept; i++) {
        dmpi_buf_adds(out, i == 0 ? "; it printed last: " : " | ");
        add_shortened(out, log->tail[(log->n_tail - kept + i) % DMPI_BUILDLOG_TAIL],
                      TAIL_LINE_SHOWN);
    }
}

// Of all that may stand in a build's output this is the one whose remedy lies outside the Dockerfile.
static bool disk_is_full(const struct dmpi_buildlog *log, const char *message)
{
    static const char full[] = "o space left on device";
    unsigned kept = log->n_tail < DMPI_BUILDLOG_TAIL ? log->n_tail : DMPI_BUILDLOG_TAIL;
    bool found = strstr(message, full) != NULL;
    for (unsigned i = 0; i < kept; i++)
        found = found || strstr(log->tail[i], full);
    return found;
}

int dmpi_buildlog_error(struct dmpi_buildlog *log, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(64U << 10);
    if (err->code == DMPI_ECANCELED || err->code == DMPI_ETIMEOUT)
        return dmpi_err_wrap(err, "image %s", log->image);
    end_line(log);
    dmpi_buf_addf(&text, "image %s: ", log->image);
    if (log->step) {
        add_shortened(&text, log->step, STEP_SHOWN);
        dmpi_buf_adds(&text, ": ");
    }
    dmpi_buf_adds(&text, reason(err->msg));
    if (disk_is_full(log, err->msg))
        dmpi_buf_adds(&text, "; the engine's disk is full: free some space there (`docker system "
                             "df` shows what Docker holds)");
    add_tail(&text, log);
    return dmpi_err_set(err, err->code, "%s", dmpi_buf_str(&text));
}
