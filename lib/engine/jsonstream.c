// SPDX-License-Identifier: MIT
#include "engine/jsonstream.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define OBJECT_MAX (4u << 20)

void dmpi_jsonstream_init(struct dmpi_jsonstream *js, dmpi_json_cb cb, void *arg)
{
    *js = (struct dmpi_jsonstream){.text = DMPI_BUF_INIT(OBJECT_MAX), .cb = cb, .arg = arg};
}

void dmpi_jsonstream_free(struct dmpi_jsonstream *js)
{
    dmpi_buf_free(&js->text);
}

/* Follows strings and braces by one byte; true when it ends the object. */
static bool ends_object(struct dmpi_jsonstream *js, char c)
{
    if (js->escaped) {
        js->escaped = false;
    } else if (js->in_string) {
        js->escaped = c == '\\';
        js->in_string = c != '"';
    } else if (c == '"') {
        js->in_string = true;
    } else if (c == '{') {
        js->depth++;
    } else if (c == '}') {
        return --js->depth == 0;
    }
    return false;
}

static int emit(struct dmpi_jsonstream *js, struct dmpi_err *err)
{
    dmpi_json_auto json_t *object = NULL;
    if (js->text.overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine's answer has an object over %u MiB",
                            OBJECT_MAX >> 20);
    if (dmpi_json_parse(&object, dmpi_buf_str(&js->text), js->text.len, err) != 0)
        return dmpi_err_wrap(err, "the engine's answer is not JSON");
    dmpi_buf_clear(&js->text);
    int more = js->cb ? js->cb(js->arg, object, err) : 0;
    js->stopped = more > 0;
    return more;
}

static int outside(char c, struct dmpi_err *err)
{
    if (strchr(" \t\r\n", c) && c)
        return 0;
    return dmpi_err_set(err, DMPI_EPARSE,
                        "the engine's answer is not JSON: it has byte 0x%02x "
                        "between two objects",
                        (unsigned char)c);
}

int dmpi_jsonstream_feed(struct dmpi_jsonstream *js, const void *data, size_t n,
                         struct dmpi_err *err)
{
    const char *p = data, *end = p + n;
    while (p < end && !js->stopped) {
        if (js->depth == 0 && *p != '{') {
            if (outside(*p++, err) != 0)
                return -1;
            continue;
        }
        const char *start = p;
        bool whole = false;
        while (p < end && !whole)
            whole = ends_object(js, *p++);
        dmpi_buf_add(&js->text, start, (size_t)(p - start));
        if (js->text.overflow || whole) {
            if (emit(js, err) < 0)
                return -1;
        }
    }
    return js->stopped;
}

int dmpi_jsonstream_finish(const struct dmpi_jsonstream *js, struct dmpi_err *err)
{
    if (js->depth == 0 || js->stopped)
        return 0;
    return dmpi_err_set(err, DMPI_EPARSE, "the engine's answer was cut off inside an object");
}

static int jsonstream_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    int more = dmpi_jsonstream_feed(arg, data, n, err);
    return more > 0 ? dmpi_err_set(err, DMPI_ECANCELED, "stopped") : more;
}

struct dmpi_sink dmpi_sink_to_jsonstream(struct dmpi_jsonstream *js)
{
    return (struct dmpi_sink){jsonstream_write, js};
}

static const char *error_of(const json_t *object)
{
    const char *detail = dmpi_json_str(dmpi_json_obj(object, "errorDetail"), "message");
    return detail && *detail ? detail : dmpi_json_str(object, "error");
}

static void note_id(struct dmpi_progress *p, const json_t *object)
{
    const char *id = dmpi_json_str(dmpi_json_obj(object, "aux"), "ID");
    if (!id) {
        const char *status = dmpi_json_str(object, "status");
        id = status && dmpi_text_starts_with(status, "sha256:") ? status : NULL;
    }
    if (id) {
        free(p->id);
        p->id = dmpi_xstrdup(id);
    }
}

int dmpi_progress_object(void *progress, json_t *object, struct dmpi_err *err)
{
    struct dmpi_progress *p = progress;
    const char *failure = error_of(object);
    if (failure) {
        dmpi_autofree char *safe = dmpi_text_print_safe(failure);
        return dmpi_err_set(err, DMPI_EENGINE, "%s", *safe ? safe : "failed without a reason");
    }
    note_id(p, object);
    return p->cb ? p->cb(p->arg, object, err) : 0;
}
