// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bench.h"
#include "engine/exec.h"
#include "fleet/parallel.h"
#include "job/bench.h"
#include "out.h"
#include "spec/profile.h"
#include "state.h"

enum { ANSWER_MAX = 4 << 20 };

/* One worker's answer. */
struct probed {
    const struct dmpi_member *member;
    char *interpreter; /* of its image profile, NULL: python3 */
    char *name;
    json_t *answer;
    struct dmpi_err err;
};

struct probing {
    struct dmpi_fleet *fleet;
    struct probed *v;
    size_t n;
};

static int ask(struct probed *p, struct dmpi_fleet *fleet)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(ANSWER_MAX);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    struct dmpi_engine *engine;
    int code = 0;
    dmpi_strv_add(&argv, DMPI_BENCH_PROGRAM);
    dmpi_strv_add(&argv, "probe");
    dmpi_strv_add(&argv, "--full");
    dmpi_strv_addf(&argv, "--python=%s", p->interpreter ? p->interpreter : "python3");
    if (dmpi_fleet_engine(&engine, fleet, p->member->node, dmpi_app_ctl(), &p->err) ||
        dmpi_exec_run(engine, dmpi_app_ctl(), p->member->id, &argv, NULL, 0, &out, NULL, &code,
                      &p->err))
        return -1;
    if (code == 126 || code == 127)
        return dmpi_err_set(&p->err, DMPI_ENOTFOUND,
                            "image %s has no " DMPI_BENCH_PROGRAM
                            ": build it anew (`dockmpi image build`), then `dockmpi up`",
                            p->member->profile);
    if (code)
        return dmpi_err_set(&p->err, DMPI_EENGINE, "fabric probe ended with exit code %d", code);
    return dmpi_json_parse(&p->answer, dmpi_buf_str(&out), out.len, &p->err);
}

static void ask_one(size_t i, void *arg)
{
    struct probing *w = arg;
    if (ask(&w->v[i], w->fleet))
        dmpi_err_wrap(&w->v[i].err, "%s", w->v[i].name);
}

static void add_worker(struct probing *w, const struct dmpi_member *member, const char *images)
{
    struct dmpi_profile profile = {.name = NULL};
    struct dmpi_err ignored; /* a profile that is gone: its image may have a python3 all the same */
    w->v = dmpi_xreallocarray(w->v, w->n + 1, sizeof *w->v);
    struct probed *p = &w->v[w->n++];
    *p = (struct probed){.member = member, .name = dmpi_member_label(member)};
    if (dmpi_profile_load(&profile, images, member->profile, &ignored) == 0)
        p->interpreter = dmpi_xstrdup(profile.interpreter);
    dmpi_profile_free(&profile);
}

/* ---- printing ---------------------------------------------------------------------------------- */

static json_t *all_json(const struct probing *w)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < w->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "worker", w->v[i].name);
        dmpi_json_set_str(o, "profile", w->v[i].member->profile);
        dmpi_json_set(o, "probe", json_incref(w->v[i].answer));
        dmpi_json_add(list, o);
    }
    return list;
}

/* The transports of UCX with their devices: "tcp/eth0 posix". Memory is no device worth naming. */
static char *transports(const json_t *ucx)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv list = DMPI_STRV_INIT;
    const json_t *domain, *t;
    size_t i, k;
    json_array_foreach (dmpi_json_arr(ucx, "domains"), i, domain) {
        json_array_foreach (dmpi_json_arr(domain, "transports"), k, t) {
            const char *name = dmpi_json_str(t, "transport"), *device = dmpi_json_str(t, "device");
            if (!name || !device)
                continue;
            dmpi_autofree char *text = strcmp(device, "memory") == 0
                                           ? dmpi_xstrdup(name)
                                           : dmpi_xasprintf("%s/%s", name, device);
            if (!dmpi_strv_has(&list, text))
                dmpi_strv_take(&list, DMPI_STEAL(text));
        }
    }
    return dmpi_strv_join(&list, " ");
}

static char *gpus(const json_t *answer)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv list = DMPI_STRV_INIT;
    const json_t *gpu;
    size_t i;
    json_array_foreach (dmpi_json_arr(answer, "gpus"), i, gpu) {
        const char *model = dmpi_json_str(gpu, "model"), *vendor = dmpi_json_str(gpu, "vendor");
        dmpi_strv_addf(&list, "%s, %" JSON_INTEGER_FORMAT " GiB%s", model ? model : vendor,
                       dmpi_json_int(gpu, "memory", 0) >> 30,
                       json_is_false(json_object_get(gpu, "large_bar")) ? ", no large BAR" : "");
    }
    return list.n ? dmpi_strv_join(&list, "; ") : dmpi_xstrdup("-");
}

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

static void print_all(const struct probing *w)
{
    struct dmpi_table table;
    dmpi_table_start(&table, "WORKER", "MPI", "UCX", "UCC", "PYTORCH", "GPUS", "TRANSPORTS", NULL);
    for (size_t i = 0; i < w->n; i++) {
        const json_t *a = w->v[i].answer, *torch = dmpi_json_obj(a, "torch");
        const char *backends = dmpi_json_str(torch, "backends");
        dmpi_autofree char *names = transports(dmpi_json_obj(a, "ucx")), *cards = gpus(a);
        dmpi_autofree char *pytorch =
            torch ? dmpi_xasprintf("%s (%s)", or_none(dmpi_json_str(torch, "version")),
                                   backends ? backends : "no backend")
                  : dmpi_xstrdup("-");
        dmpi_table_row(&table, w->v[i].name,
                       or_none(dmpi_json_str(dmpi_json_obj(a, "mpi"), "library")),
                       or_none(dmpi_json_str(dmpi_json_obj(a, "ucx"), "version")),
                       or_none(dmpi_json_str(dmpi_json_obj(a, "ucc"), "version")), pytorch, cards,
                       names, NULL);
    }
    dmpi_table_print(&table);
}

/* ---- the verb's part --------------------------------------------------------------------------- */

static int gather(struct probing *w, const struct dmpi_state *state, const char *cluster,
                  struct dmpi_err *err)
{
    dmpi_autofree char *images = NULL;
    if (dmpi_images_dir(&images, err))
        return -1;
    for (size_t i = 0; i < state->n; i++)
        if (state->members[i].role == DMPI_WORKER && dmpi_member_running(&state->members[i]))
            add_worker(w, &state->members[i], images);
    if (w->n == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has no running workers; start it: `dockmpi up`", cluster);
    dmpi_parallel(w->n, DMPI_FLEET_WINDOW, ask_one, w);
    for (size_t i = 0; i < w->n; i++) {
        if (w->v[i].err.code == DMPI_OK)
            continue;
        *err = w->v[i].err;
        return -1;
    }
    return 0;
}

int dmpi_bench_probe(const struct dmpi_bench_opts *opts, struct dmpi_err *err)
{
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, &opts->common, err);
    struct probing w = {.fleet = session.fleet};
    if (rc == 0)
        rc = dmpi_session_members(&state, &session, err);
    if (rc == 0)
        rc = gather(&w, &state, session.spec.name, err);
    if (rc == 0 && opts->common.json)
        dmpi_out_json(all_json(&w));
    else if (rc == 0)
        print_all(&w);
    for (size_t i = 0; i < w.n; i++) {
        free(w.v[i].name);
        free(w.v[i].interpreter);
        json_decref(w.v[i].answer);
    }
    free(w.v);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}
