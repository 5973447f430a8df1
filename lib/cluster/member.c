// SPDX-License-Identifier: MIT
#include "cluster/member.h"

#include <signal.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/strv.h"
#include "base/text.h"
#include "cluster/remedy.h"
#include "engine/containers.h"
#include "engine/demux.h"
#include "engine/exec.h"
#include "mesh/mesh.h"
#include "spec/labels.h"

#define OUT_MAX DMPI_FACTS_MAX      // facts arrive here
#define ERR_MAX ((size_t)64 * 1024) // sshd's lines arrive here
#define NOTE_MAX ((size_t)4096)     // what a failed command printed

struct dmpi_talk {
    struct dmpi_engine *engine;
    const char *id;
    const char *container;
    struct dmpi_hijack *hijack;
    struct dmpi_demux demux;
    struct dmpi_buf out;
    struct dmpi_buf err;
    struct dmpi_facts facts;
};

// --- creating --------------------------------------------------------------------------------

// The name is taken: by whom?
static int name_taken(struct dmpi_engine *engine, const char *container, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    struct dmpi_err why = *err;
    dmpi_json_auto json_t *info = NULL;
    if (dmpi_container_inspect(engine, ctl, container, &info, err) != 0) {
        *err = why;
        return -1;
    }
    const json_t *labels = dmpi_json_obj(dmpi_json_obj(info, "Config"), "Labels");
    const char *cluster = dmpi_json_str(labels, DMPI_LABEL_CLUSTER);
    if (cluster)
        return dmpi_err_set(err, DMPI_ECONFLICT,
                            "another `up` of cluster %s has just made it: wait until that "
                            "has ended and try again",
                            cluster);
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "its name is taken by a container that dockmpi did not make: remove or "
                        "rename that container, or give the cluster another --name");
}

int dmpi_member_create(char **id, struct dmpi_engine *engine, const char *container, json_t *body,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *id = NULL;
    if (dmpi_container_create(engine, ctl, container, body, id, err) == 0)
        return 0;
    if (err->code == DMPI_ECONFLICT)
        name_taken(engine, container, ctl, err);
    dmpi_remedy_add(err);
    return dmpi_err_wrap(err, "container %s: create", container);
}

// --- listening -------------------------------------------------------------------------------

// The last words of a container, made harmless, on one line: "a; b".
static char *last_lines(const char *text, size_t len)
{
    const size_t max_bytes = 400;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    size_t start = len > max_bytes ? len - max_bytes : 0;
    dmpi_autofree char *copy = dmpi_xstrndup(text + start, len - start);
    for (char *p = copy; *p; p++) {
        if (*p == '\r')
            *p = ' ';
    }
    struct dmpi_strv lines DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(copy, '\n');
    dmpi_autofree char *joined = dmpi_strv_join(&lines, "; ");
    return dmpi_text_print_safe(joined);
}

// The facts are no words: what counts is what stands before them.
static char *last_words(const struct dmpi_talk *talk)
{
    if (talk->err.len > 0)
        return last_lines(talk->err.data, talk->err.len);
    const char *text = dmpi_buf_str(&talk->out);
    const char *facts = strstr(text, "dockmpi: facts");
    return last_lines(text, facts ? (size_t)(facts - text) : talk->out.len);
}

// How the container ended, for "it HOW before it was ready".
static char *how_it_ended(const struct dmpi_talk *talk, const struct dmpi_ctl *ctl)
{
    const int killed = 128 + SIGKILL;
    dmpi_json_auto json_t *info = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_container_inspect(talk->engine, ctl, talk->id, &info, &err) != 0 &&
        err.code == DMPI_ENOTFOUND)
        return dmpi_xstrdup("was removed by somebody else (another `up` or `down`?)");
    const json_t *state = dmpi_json_obj(info, "State");
    int code = (int)dmpi_json_int(state, "ExitCode", -1);
    if (!state || dmpi_json_bool(state, "Running", false))
        return dmpi_xstrdup("closed its connection");
    if (dmpi_json_bool(state, "OOMKilled", false))
        return dmpi_xstrdup("was killed because memory ran out");
    if (code == killed)
        return dmpi_xstrdup("was killed from outside (another `up` or `down`?)");
    return dmpi_xasprintf("ended with code %d", code);
}

// The container ended before it was ready: says how, with its last words.
static int ended(const struct dmpi_talk *talk, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree char *how = how_it_ended(talk, ctl);
    dmpi_autofree char *words = last_words(talk);
    return dmpi_err_set(err, DMPI_EENGINE, "it %s before it was ready%s%s", how,
                        words[0] ? ": " : "", words);
}

// Reads one piece of what the container prints. 1, 0 at its end, -1 with *err.
static int listen_some(struct dmpi_talk *talk, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    char chunk[16384];
    ssize_t n = dmpi_hijack_read(talk->hijack, ctl, chunk, sizeof(chunk), err);
    if (n <= 0)
        return (int)n;
    return dmpi_demux_feed(&talk->demux, chunk, (size_t)n, err) == 0 ? 1 : -1;
}

// Listens until `done` returns true. 1 then, 0 at the end of the stream, -1 with *err.
static int listen_until(struct dmpi_talk *talk, bool (*done)(const struct dmpi_talk *),
                        const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    while (!done(talk)) {
        int rc = listen_some(talk, ctl, err);
        if (rc <= 0)
            return rc;
        if (talk->out.overflow)
            return dmpi_err_set(err, DMPI_EPARSE, "it prints without end instead of its facts");
    }
    return 1;
}

static int timed_out(const struct dmpi_talk *talk, const char *what, struct dmpi_err *err)
{
    if (err->code != DMPI_ETIMEOUT)
        return -1;
    dmpi_autofree char *words = last_words(talk);
    return dmpi_err_set(err, DMPI_ETIMEOUT, "timed out while waiting for %s%s%s", what,
                        words[0] ? "; its last lines: " : "", words);
}

// --- starting --------------------------------------------------------------------------------

static bool has_facts(const struct dmpi_talk *talk)
{
    return talk->out.len > 0 && dmpi_facts_complete(talk->out.data, talk->out.len) > 0;
}

static int read_facts(struct dmpi_talk *talk, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int rc = listen_until(talk, has_facts, ctl, err);
    if (rc < 0)
        return timed_out(talk, "the facts of its node", err);
    if (rc == 0)
        return ended(talk, ctl, err);
    size_t len = dmpi_facts_complete(talk->out.data, talk->out.len);
    if (dmpi_facts_parse(&talk->facts, talk->out.data, len, err) != 0)
        return dmpi_err_wrap(err, "facts of its node");
    dmpi_buf_consume(&talk->out, len);
    return 0;
}

static struct dmpi_talk *talk_new(struct dmpi_engine *engine, const char *id, const char *container)
{
    struct dmpi_talk *talk = dmpi_xcalloc(1, sizeof(*talk));
    talk->engine = engine;
    talk->id = id;
    talk->container = container;
    talk->out = (struct dmpi_buf)DMPI_BUF_INIT(OUT_MAX);
    talk->err = (struct dmpi_buf)DMPI_BUF_INIT(ERR_MAX);
    struct dmpi_streams streams = {.out = dmpi_sink_to_buf_capped(&talk->out),
                                   .err = dmpi_sink_to_buf_capped(&talk->err)};
    dmpi_demux_init(&talk->demux, &streams);
    return talk;
}

static int talk_begin(struct dmpi_talk *talk, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (dmpi_container_attach(talk->engine, ctl, talk->id, DMPI_ATTACH_STDIN | DMPI_ATTACH_OUTPUT,
                              &talk->hijack, err) != 0) {
        talk->hijack = NULL;
        return dmpi_err_wrap(err, "attach");
    }
    if (dmpi_container_start(talk->engine, ctl, talk->id, err) != 0) {
        dmpi_remedy_add(err);
        return dmpi_err_wrap(err, "start");
    }
    return read_facts(talk, ctl, err);
}

int dmpi_talk_start(struct dmpi_talk **out, struct dmpi_engine *engine, const char *id,
                    const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *out = talk_new(engine, id, container);
    if (talk_begin(*out, ctl, err) == 0)
        return 0;
    dmpi_talk_free(DMPI_STEAL(*out));
    return dmpi_err_wrap(err, "container %s", container);
}

const struct dmpi_facts *dmpi_talk_facts(const struct dmpi_talk *talk)
{
    return &talk->facts;
}

void dmpi_talk_free(struct dmpi_talk *talk)
{
    if (!talk)
        return;
    dmpi_hijack_close(talk->hijack);
    dmpi_buf_free(&talk->out);
    dmpi_buf_free(&talk->err);
    dmpi_facts_free(&talk->facts);
    free(talk);
}

// --- feeding ---------------------------------------------------------------------------------

int dmpi_talk_feed(struct dmpi_talk *talk, const void *tar, size_t len, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err)
{
    if (dmpi_hijack_write(talk->hijack, ctl, tar, len, err) == 0)
        return 0;
    // A container that has ended closes the connection: its last words tell more.
    if (err->code == DMPI_EUNREACHABLE || err->code == DMPI_ESYS) {
        struct dmpi_err ignored;
        while (listen_some(talk, ctl, &ignored) > 0)
            continue;
        ended(talk, ctl, err);
    }
    return dmpi_err_wrap(err, "container %s: feed", talk->container);
}

static bool said(const struct dmpi_buf *buf, const char *text)
{
    return buf->len > 0 && memmem(buf->data, buf->len, text, strlen(text)) != NULL;
}

static bool is_ready(const struct dmpi_talk *talk)
{
    return said(&talk->out, "dockmpi: ready") || said(&talk->err, "Server listening on");
}

int dmpi_talk_ready(struct dmpi_talk *talk, enum dmpi_ready *out, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    *out = DMPI_READY;
    int rc = listen_until(talk, is_ready, ctl, err);
    if (rc > 0)
        return 0;
    if (rc == 0 && said(&talk->err, "Address already in use")) {
        *out = DMPI_PORT_TAKEN;
        return 0;
    }
    if (rc == 0)
        ended(talk, ctl, err);
    else
        timed_out(talk, "it to get ready", err);
    dmpi_remedy_add(err);
    return dmpi_err_wrap(err, "container %s", talk->container);
}

// --- running containers ----------------------------------------------------------------------

int dmpi_member_put(struct dmpi_engine *engine, const char *id, const char *container,
                    const struct dmpi_buf *shared, const struct dmpi_buf *own,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static const char *const unpack[] = {"tar", "-xpf", "-", "-C", "/"};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_buf note DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(NOTE_MAX);
    struct dmpi_memory rest = {.data = own->data, .len = own->len};
    const struct dmpi_exec_opts opts = {.argv = &argv, .stdin_open = true};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    int code = 0;
    dmpi_strv_add_array(&argv, unpack, DMPI_ARRAY_LEN(unpack));
    pump.data = shared ? shared->data : NULL;
    pump.len = shared ? shared->len : 0;
    pump.source = dmpi_source_from_memory(&rest);
    pump.streams.err = dmpi_sink_to_buf_capped(&note);
    if (dmpi_exec_stream(engine, ctl, id, &opts, &pump, &code, err) == 0) {
        if (code == 0)
            return 0;
        dmpi_autofree char *words = last_lines(dmpi_buf_str(&note), note.len);
        dmpi_err_set(err, DMPI_EENGINE, "tar ended with code %d: %s", code, words);
    }
    return dmpi_err_wrap(err, "container %s: update its files", container);
}

// Runs a command that prints something of /etc/dockmpi; a non-zero code means that it is not there.
static int fetch(struct dmpi_buf *out, struct dmpi_engine *engine, const char *id,
                 const char *container, const char *const *argv, size_t n,
                 const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_strv args DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    int code = 0;
    dmpi_strv_add_array(&args, argv, n);
    if (dmpi_exec_run(engine, ctl, id, &args, NULL, 0, out, NULL, &code, err) != 0)
        return dmpi_err_wrap(err, "container %s: read its files", container);
    if (code != 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "container %s: it has no keys, because it was restarted or never "
                            "finished its start",
                            container);
    if (out->overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "container %s: its files are too large", container);
    return 0;
}

int dmpi_member_fetch(struct dmpi_buf *out, struct dmpi_engine *engine, const char *id,
                      const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static const char *const argv[] = {"tar", "-cf", "-", "-C", "/", "etc/dockmpi"};
    return fetch(out, engine, id, container, argv, DMPI_ARRAY_LEN(argv), ctl, err);
}

int dmpi_member_self(struct dmpi_mesh_self *out, struct dmpi_engine *engine, const char *id,
                     const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static const char *const argv[] = {"cat", DMPI_MESH_DIR "/self.json"};
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(NOTE_MAX);
    if (fetch(&text, engine, id, container, argv, DMPI_ARRAY_LEN(argv), ctl, err) != 0)
        return -1;
    if (dmpi_mesh_self_parse(out, dmpi_buf_str(&text), text.len, err) != 0)
        return dmpi_err_wrap(err, "container %s: self.json", container);
    return 0;
}
