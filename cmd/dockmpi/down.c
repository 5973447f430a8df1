// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "cluster/down.h"
#include "absent.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

struct down {
    struct dmpi_common common;
    bool all, dry_run;
    struct dmpi_strv nodes;
    int64_t wait_ms;
};

/* What one call takes down: a session's cluster, or all clusters on its nodes. */
struct round {
    struct dmpi_session *session;
    const char *cluster; /* NULL: all */
    const struct down *o;
};

static void show(void *arg, const char *node, const char *container, enum dmpi_stage stage,
                 const char *detail)
{
    (void)arg;
    dmpi_progress_set(container ? container : node,
                      stage == DMPI_STAGE_REMOVED || stage == DMPI_STAGE_FAILED, "%s%s%s",
                      dmpi_stage_name(stage), detail ? ": " : "", detail ? detail : "");
}

/* ---- what is told -------------------------------------------------------------------------- */

static json_t *removed_json(const struct dmpi_state *removed, const struct dmpi_fleet *fleet)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < removed->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "cluster", removed->members[i].cluster);
        dmpi_json_set_str(o, "container", removed->members[i].container);
        dmpi_json_set_str(o, "node", dmpi_fleet_name(fleet, removed->members[i].node));
        dmpi_json_add(list, o);
    }
    return list;
}

static json_t *checked_json(const struct dmpi_down_result *result, const struct dmpi_fleet *fleet)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < result->removed.n_nodes; i++) {
        const struct dmpi_err *err = &result->removed.errs[i];
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "node", dmpi_fleet_name(fleet, i));
        dmpi_json_set_bool(o, "clean", err->code == DMPI_OK);
        dmpi_json_set_bool(o, "processes_seen", result->processes[i]);
        dmpi_json_set_str(o, "error", err->code == DMPI_OK ? NULL : err->msg);
        dmpi_json_add(list, o);
    }
    return list;
}

/* A line a cluster. */
static void print_removed(const struct dmpi_state *removed)
{
    for (size_t i = 0, first = 0; i < removed->n; i++) {
        const char *cluster = removed->members[i].cluster;
        if (i + 1 < removed->n && strcmp(removed->members[i + 1].cluster, cluster) == 0)
            continue;
        dmpi_out_line("cluster %s: removed %zu container%s", cluster, i + 1 - first,
                      i + 1 - first == 1 ? "" : "s");
        first = i + 1;
    }
}

/* The nodes that are clean, those where processes were looked for apart from the others. */
static void print_checked(const struct round *round, const struct dmpi_down_result *result)
{
    dmpi_autofree char *whose =
        round->cluster ? dmpi_xasprintf("cluster %s", round->cluster) : dmpi_xstrdup("any cluster");
    for (int seen = 1; seen >= 0; seen--) {
        struct dmpi_strv names = DMPI_STRV_INIT;
        for (size_t i = 0; i < result->removed.n_nodes; i++)
            if (result->removed.errs[i].code == DMPI_OK && result->processes[i] == seen)
                dmpi_strv_add(&names, dmpi_fleet_name(round->session->fleet, i));
        dmpi_autofree char *joined = dmpi_strv_join(&names, ", ");
        if (names.n)
            dmpi_out_line("checked %s: no container, volume, network%s of %s is left%s", joined,
                          seen ? ", process or key" : " or key", whose,
                          seen || !result->removed.n ? ""
                                                     : "; processes ended with their containers");
        dmpi_strv_free(&names);
    }
}

static bool has_own_settings(const struct dmpi_endpoint *ep)
{
    return ep->identity || ep->known_hosts || ep->tls_dir || ep->insecure_plain;
}

/* How to finish when the nodes that failed are back. The file knows what an endpoint alone does not. */
static void tell_later(const struct round *round, const struct dmpi_state *removed)
{
    const struct dmpi_spec *spec = &round->session->spec;
    struct dmpi_buf how = DMPI_BUF_INIT(64 * 1024);
    bool needs_file = false;
    dmpi_buf_addf(&how, "dockmpi down %s%s", round->cluster ? "--name " : "--all",
                  round->cluster ? round->cluster : "");
    for (size_t i = 0; i < removed->n_nodes; i++)
        needs_file = needs_file ||
                     (removed->errs[i].code != DMPI_OK && has_own_settings(&spec->nodes[i].ep));
    if (needs_file && spec->file) {
        dmpi_autofree char *file = dmpi_shquote(spec->file);
        dmpi_buf_addf(&how, " -f %s", file);
    }
    for (size_t i = 0; i < removed->n_nodes && !(needs_file && spec->file); i++) {
        if (removed->errs[i].code == DMPI_OK)
            continue;
        dmpi_autofree char *url = dmpi_endpoint_str(&spec->nodes[i].ep);
        dmpi_autofree char *word = dmpi_shquote(url);
        dmpi_buf_addf(&how, " --node %s", word);
    }
    dmpi_out_note("what is left there goes with: %s", dmpi_buf_str(&how));
    dmpi_buf_free(&how);
}

/* Containers cost nothing; rented machines do. */
static void remind(const struct dmpi_session *session)
{
    size_t far = 0;
    for (size_t i = 0; i < session->spec.n_nodes; i++)
        far += !dmpi_endpoint_local(&session->spec.nodes[i].ep);
    if (far)
        dmpi_out_note("%zu remote host%s still on; rented machines cost until they are stopped",
                      far, far == 1 ? " is" : "s are");
}

static void tell_failures(const struct round *round, const struct dmpi_state *removed)
{
    if (dmpi_state_failed(removed) > 1) /* else the error that ends us says the same */
        for (size_t i = 0; i < removed->n_nodes; i++)
            if (removed->errs[i].code != DMPI_OK)
                dmpi_out_note("%s", removed->errs[i].msg);
    tell_later(round, removed);
}

/* ---- what is done -------------------------------------------------------------------------- */

/* Appends to the arrays of `json`, when there is one, in place of text. */
static int dry_run(const struct round *round, json_t *json, struct dmpi_err *err)
{
    const struct dmpi_fleet *fleet = round->session->fleet;
    struct dmpi_state state;
    int rc = dmpi_state_load(&state, round->session->fleet, round->cluster, dmpi_app_ctl(), err);
    if (json) {
        dmpi_json_auto json_t *list = removed_json(&state, fleet);
        json_array_extend(dmpi_json_arr(json, "removed"), list);
        dmpi_json_set_int(json, "left", dmpi_json_int(json, "left", 0) + (json_int_t)state.n);
    } else {
        for (size_t i = 0; i < state.n; i++)
            dmpi_out_line("would remove %s on %s", state.members[i].container,
                          dmpi_fleet_name(fleet, state.members[i].node));
    }
    if (rc == 0 && !state.n && round->cluster)
        dmpi_absent_note(round->session);
    dmpi_state_free(&state);
    return rc;
}

static int take_down(const struct round *round, json_t *json, struct dmpi_err *err)
{
    struct dmpi_session *session = round->session;
    const int64_t wait = round->o->wait_ms;
    struct dmpi_down_opts opts = {.progress = show,
                                  .home = round->o->nodes.n ? DMPI_DOWN_FIND
                                                            : session->spec.launcher_node,
                                  .lock_ms = wait > 0 ? wait : DMPI_LOCK_WAIT_MS};
    struct dmpi_down_result result = {0};
    dmpi_progress_start();
    int rc = dmpi_cluster_down(session->fleet, round->cluster, &opts, dmpi_app_ctl(), &result, err);
    dmpi_progress_end();
    if (json) {
        dmpi_json_auto json_t *removed = removed_json(&result.removed, session->fleet);
        dmpi_json_auto json_t *checked = checked_json(&result, session->fleet);
        json_array_extend(dmpi_json_arr(json, "removed"), removed);
        json_array_extend(dmpi_json_arr(json, "checked"), checked);
        dmpi_json_set_int(json, "left", dmpi_json_int(json, "left", 0) + (json_int_t)result.left);
    } else {
        if (rc == 0)
            print_removed(&result.removed);
        print_checked(round, &result);
    }
    if (rc < 0 && err->code != DMPI_ECANCELED && result.removed.n_nodes)
        tell_failures(round, &result.removed);
    if (rc == 0 && result.removed.n)
        remind(session);
    if (rc == 0 && !result.removed.n && round->cluster)
        dmpi_absent_note(session);
    if (rc == 0 && round->cluster)
        dmpi_session_forget(round->cluster);
    dmpi_down_result_free(&result);
    return rc;
}

static int go(const struct round *round, bool dry, json_t *json, struct dmpi_err *err)
{
    return dry ? dry_run(round, json, err) : take_down(round, json, err);
}

/* The clusters that `up` noted with their files, wherever they are: each on its own nodes. */
static int noted_too(const struct down *o, json_t *json, struct dmpi_err *err)
{
    struct dmpi_strv names = dmpi_session_noted();
    int worst = 0;
    for (size_t i = 0; i < names.n && dmpi_ctl_check(dmpi_app_ctl(), err) == 0; i++) {
        const struct dmpi_common common = {.name = names.v[i]};
        struct dmpi_session session;
        struct dmpi_err own = DMPI_ERR_INIT;
        int rc = dmpi_session_open(&session, &common, &own);
        if (rc == 0 && session.spec.file) {
            const struct round round = {&session, session.spec.name, o};
            rc = go(&round, o->dry_run, json, &own);
        }
        dmpi_session_close(&session);
        if (rc != 0 && worst != 0 && err->code != DMPI_OK)
            dmpi_out_note("%s", own.msg);
        else if (rc != 0)
            *err = own, worst = rc;
    }
    dmpi_strv_free(&names);
    return worst;
}

/* --all and --node say themselves what is meant, but --node not which cluster. */
static struct down without_environment(const struct down *o)
{
    struct down own = *o;
    if (o->common.by_environment && (o->all || o->nodes.n))
        own.common.file = NULL;
    if (o->common.by_environment && o->all)
        own.common.name = NULL;
    return own;
}

static int open_nodes(struct dmpi_session *session, const struct down *o, struct dmpi_err *err)
{
    if (o->nodes.n)
        return dmpi_session_open_at(session, &o->common, &o->nodes, err);
    return dmpi_session_open(session, &o->common, err);
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct down own = without_environment(arg), *o = &own;
    if (operands->n)
        return dmpi_usage(err, "down takes no operands; a cluster is chosen with --name");
    if (o->all && o->common.name)
        return dmpi_usage(err, "--all and --name exclude each other");
    if (o->nodes.n && o->common.file)
        return dmpi_usage(err, "--node and --file exclude each other");
    struct dmpi_session session;
    dmpi_json_auto json_t *json = o->common.json ? dmpi_json_new_obj() : NULL;
    if (json) {
        dmpi_json_set(json, "removed", dmpi_json_new_arr());
        if (!o->dry_run)
            dmpi_json_set(json, "checked", dmpi_json_new_arr());
        dmpi_json_set_int(json, "left", 0);
    }
    int rc = open_nodes(&session, o, err);
    if (rc == 0) {
        const struct round round = {&session, o->all ? NULL : session.spec.name, o};
        struct dmpi_err other = DMPI_ERR_INIT;
        rc = go(&round, o->dry_run, json, err);
        if (o->all && !o->nodes.n && !o->common.file && noted_too(o, json, &other) < 0) {
            if (rc < 0)
                dmpi_out_note("%s", other.msg);
            else
                *err = other;
            rc = -1;
        }
        if (json)
            dmpi_out_json(json_incref(json));
    }
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"all", 0, DMPI_OPT_FLAG, offsetof(struct down, all), NULL,
     "remove every cluster on the nodes, and those that `up` noted here", 0, 0},
    {"node", 0, DMPI_OPT_LIST, offsetof(struct down, nodes), "ENDPOINT",
     "an engine, such as ssh://user@host, in place of a cluster file; several times for several", 0,
     0},
    {"wait", 0, DMPI_OPT_DURATION, offsetof(struct down, wait_ms), "TIME",
     "wait that long for another dockmpi that is changing the cluster (default 30s)", 0, 0},
    {"dry-run", 0, DMPI_OPT_FLAG, offsetof(struct down, dry_run), NULL,
     "only say what would be removed", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_down = {
    .name = "down",
    .args = "",
    .summary = "remove the cluster's containers from every node, and check that nothing is left",
    .details =
        "Finds them by their label, so it also works when the cluster file is gone or `up` was\n"
        "cut off half-way. A cluster that is not there is no error. Afterwards it looks on every\n"
        "node for containers, volumes and networks and, on this machine, for processes. Keys were\n"
        "in the containers' memory only. Images stay, and so does dockmpi/partial, from which a\n"
        "transfer that was cut off goes on. A node that does not answer is named, with the "
        "command\n"
        "for later; the others are clean then.",
    .opts = opts,
    .opts_size = sizeof(struct down),
    .json = true,
    .run = run,
};
