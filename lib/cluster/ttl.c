// SPDX-License-Identifier: MIT
#include "cluster/ttl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"

#define ASK_MS 10000
#define ANSWER_MAX 256
#define MARGIN_MAX_S 30

// A member that is about to end (spec/ttl.sh) is waited for: it ends, and this with it, or it has seen the later end.
static const char put_off_sh[] =
    "read -r n _ </proc/uptime && echo $((${n%%.*} + $1)) >/etc/dockmpi/end || exit 1\n"
    "while [ -d /etc/dockmpi/ending ]; do sleep 0.1 2>/dev/null || sleep 1; done";
static const char tell_sh[] = "read -r e </etc/dockmpi/end && read -r n _ </proc/uptime && "
                              "echo $((e - ${n%%.*}))";

static bool may_end(const struct dmpi_member *m, const char *cluster)
{
    return m->ttl_s > 0 && m->role != DMPI_JOB && dmpi_member_running(m) &&
           strcmp(m->cluster, cluster) == 0;
}

// Workers live longer than the launcher, which decides for all; as later_than_launcher of spec/ttl.sh says.
static int lives(const struct dmpi_member *m)
{
    int margin = m->ttl_s / 4 < MARGIN_MAX_S ? m->ttl_s / 4 : MARGIN_MAX_S;
    return m->role == DMPI_WORKER ? m->ttl_s + margin : m->ttl_s;
}

static int run_in(struct dmpi_fleet *fleet, const struct dmpi_member *m, const char *script,
                  struct dmpi_buf *out, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_engine *engine = NULL;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    const char *const words[] = {"/bin/sh", "-c", script, "sh"};
    int code = 0;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    dmpi_strv_addf(&argv, "%d", lives(m));
    if (dmpi_fleet_engine(&engine, fleet, m->node, ctl, err) != 0 ||
        dmpi_exec_run(engine, ctl, m->id, &argv, NULL, 0, out, NULL, &code, err) != 0)
        return -1;
    return code == 0 ? 0 : dmpi_err_set(err, DMPI_EENGINE, "%s: code %d", m->container, code);
}

// --- when it was last used -----------------------------------------------------------------------

// The note holds the launcher's id: another cluster of the same name, on whichever engine, is not it.
static char *note_path(const char *cluster)
{
    dmpi_autofree char *cache = dmpi_io_cache_dir();
    return dmpi_xasprintf("%s/used/%s", cache, cluster);
}

static bool used_lately(const char *path, const struct dmpi_member *first)
{
    struct stat st;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(ANSWER_MAX);
    struct dmpi_err ignored;
    if (stat(path, &st) != 0 || dmpi_io_read_file(&text, path, ANSWER_MAX, &ignored) != 0 ||
        strcmp(dmpi_buf_str(&text), first->id) != 0)
        return false;
    time_t age = time(NULL) - st.st_mtime;
    return age >= 0 && age < first->ttl_s / 10;
}

static void note_use(const char *path, const struct dmpi_member *first)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *folder = dmpi_xstrndup(path, (size_t)(strrchr(path, '/') - path));
    if (dmpi_io_mkdirs(folder, 0700, &err) != 0 ||
        dmpi_io_write_file_atomic(path, first->id, strlen(first->id), 0600, &err) != 0)
        dmpi_debug("%s", err.msg);
}

bool dmpi_ttl_noted(const char *cluster)
{
    dmpi_autofree char *path = note_path(cluster);
    return access(path, F_OK) == 0;
}

void dmpi_ttl_forget(const char *cluster)
{
    if (!dmpi_text_name_ok(cluster)) // it may be an engine's word: "../x"
        return;
    dmpi_autofree char *path = note_path(cluster);
    unlink(path);
}

int dmpi_ttl_over(const char *cluster, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "cluster %s is not up any more: nobody used it for as long as `up --ttl` "
                        "says, or somebody ended it; start it with `dockmpi up`",
                        cluster);
}

// --- putting off ---------------------------------------------------------------------------------

struct using
{
    struct dmpi_fleet *fleet;
    const struct dmpi_member **members;
    size_t n;
    bool *done, *ended;
    const struct dmpi_ctl *ctl;
};

// Whether the container has ended, or is about to go.
static bool has_ended(struct dmpi_fleet *fleet, const struct dmpi_member *m,
                      const struct dmpi_ctl *ctl)
{
    struct dmpi_engine *engine = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_json_auto json_t *info = NULL;
    if (dmpi_fleet_engine(&engine, fleet, m->node, ctl, &err) != 0)
        return false;
    if (dmpi_container_inspect(engine, ctl, m->id, &info, &err) != 0)
        return err.code == DMPI_ENOTFOUND;
    return !dmpi_json_bool(dmpi_json_obj(info, "State"), "Running", true);
}

static void put_off(size_t i, void *arg)
{
    const struct using *u = arg;
    struct dmpi_err err = DMPI_ERR_INIT;
    u->done[i] = run_in(u->fleet, u->members[i], put_off_sh, NULL, u->ctl, &err) == 0;
    u->ended[i] = !u->done[i] && has_ended(u->fleet, u->members[i], u->ctl);
    if (!u->done[i])
        dmpi_debug("the end of %s was not put off: %s", u->members[i]->container, err.msg);
}

int dmpi_ttl_use(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                 const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree const struct dmpi_member **members = dmpi_xcalloc(state->n, sizeof(*members));
    dmpi_autofree bool *done = dmpi_xcalloc(state->n, sizeof(*done));
    struct dmpi_ctl within = dmpi_ctl_within(ctl, ASK_MS);
    dmpi_autofree bool *ended = dmpi_xcalloc(state->n, sizeof(*ended));
    struct using u = {
        .fleet = fleet, .members = members, .done = done, .ended = ended, .ctl = &within};
    for (size_t i = 0; i < state->n; i++) {
        if (may_end(&state->members[i], cluster))
            members[u.n++] = &state->members[i];
    }
    if (u.n == 0)
        return 0;
    dmpi_autofree char *path = note_path(cluster);
    if (used_lately(path, members[0]))
        return 0;
    dmpi_parallel(u.n, DMPI_FLEET_WINDOW, put_off, &u);
    bool all = true;
    for (size_t i = 0; i < u.n; i++) {
        if (ended[i])
            return dmpi_ttl_over(cluster, err);
        all = all && done[i];
    }
    if (all)
        note_use(path, members[0]);
    return 0;
}

int64_t dmpi_ttl_left(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(ANSWER_MAX);
    struct dmpi_ctl within = dmpi_ctl_within(ctl, ASK_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    long long left = -1;
    for (size_t i = 0; i < state->n; i++) {
        if (!may_end(&state->members[i], cluster))
            continue;
        if (run_in(fleet, &state->members[i], tell_sh, &out, &within, &err) != 0)
            return -1;
        dmpi_autofree char *text =
            dmpi_xstrndup(dmpi_buf_str(&out), strcspn(dmpi_buf_str(&out), "\n"));
        return dmpi_text_int(&left, text, 0, INT64_MAX) == 0 ? left : -1;
    }
    return -1;
}
