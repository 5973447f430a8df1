// SPDX-License-Identifier: MIT
#include "cluster/up.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "out.h"
#include "push.h"
#include "spec/plan.h"
#include "spec/profile.h"
#include "spec/rights.h"
#include "verbs.h"

struct up {
    struct dmpi_common common;
    struct dmpi_strv volumes, env;
    const char *image, *workdir, *workers, *slots, *shm_size, *ports, *user, *ttl, *run_as;
    long long min_workers;
    int64_t ready_ms, wait_ms;
    bool dry_run, force;
};

static void show(void *arg, const char *node, const char *container, enum dmpi_stage stage,
                 const char *detail)
{
    (void)arg;
    (void)node;
    bool final =
        stage == DMPI_STAGE_READY || stage == DMPI_STAGE_REMOVED || stage == DMPI_STAGE_FAILED;
    if (container)
        dmpi_progress_set(container, final, "%s%s%s", dmpi_stage_name(stage), detail ? ": " : "",
                          detail ? detail : "");
    else if (detail)
        dmpi_debug("node %s: %s: %s", node, dmpi_stage_name(stage), detail);
}

static json_t *result_json(const struct dmpi_spec *spec, const struct dmpi_up_result *r)
{
    json_t *members = dmpi_json_new_arr();
    for (size_t i = 0; i < r->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "container", r->members[i].container);
        dmpi_json_set_str(o, "node", r->members[i].node);
        dmpi_json_set_str(o, "change", dmpi_change_name(r->members[i].change));
        dmpi_json_set_str(o, "why", *r->members[i].why ? r->members[i].why : NULL);
        dmpi_json_add(members, o);
    }
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set_str(result, "cluster", spec->name);
    dmpi_json_set_int(result, "workers_wanted", r->workers_wanted);
    dmpi_json_set_int(result, "workers_ready", r->workers_ready);
    dmpi_json_set_bool(result, "changed", !dmpi_up_unchanged(r));
    dmpi_json_set(result, "members", members);
    return result;
}

static void print_changes(const struct dmpi_spec *spec, const struct dmpi_up_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct dmpi_up_member *m = &r->members[i];
        if (m->change == DMPI_REPLACED || m->change == DMPI_REMOVED || m->change == DMPI_FAILED)
            dmpi_out_line("%s: %s%s%s", m->container, dmpi_change_name(m->change),
                          *m->why ? ": " : "", m->why);
    }
    dmpi_out_line("cluster %s: %d of %d workers ready%s", spec->name, r->workers_ready,
                  r->workers_wanted, dmpi_up_unchanged(r) ? "; nothing changed" : "");
}

/* What profiles and cluster file let containers do beyond what sshd and mpirun need: a line for each kind. */
static void tell_rights(const struct dmpi_plan *plan)
{
    struct dmpi_strv told DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    for (size_t i = 0; i < plan->n; i++) {
        const struct dmpi_plan_member *m = &plan->members[i];
        dmpi_autofree char *more =
            dmpi_rights_text(dmpi_json_obj(m->create, "HostConfig"), m->role);
        dmpi_autofree char *line =
            more ? dmpi_xasprintf("image %s: its containers also have: %s", m->profile->name, more)
                 : NULL;
        if (!line || dmpi_strv_has(&told, line))
            continue;
        dmpi_out_note("%s", line);
        dmpi_strv_add(&told, line);
    }
}

static void print_node_errors(const struct dmpi_up_result *r)
{
    for (size_t i = 0; i < r->n_nodes; i++)
        if (r->errs[i].code != DMPI_OK)
            dmpi_out_note("warning: %s", r->errs[i].msg);
}

static int answer(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    (void)engine;
    (void)node;
    (void)arg;
    (void)err;
    return 0;
}

/* Hosts that are still booting: asks again until every engine answers or the patience is over. */
static int wait_for_hosts(struct dmpi_fleet *fleet, int64_t patience_ms, struct dmpi_err *err)
{
    enum { PAUSE_MS = 3000 };
    size_t n = dmpi_fleet_size(fleet), failed, before = n + 1;
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    const struct dmpi_ctl patience = dmpi_ctl_within(dmpi_app_ctl(), patience_ms);
    while ((failed = dmpi_fleet_each(fleet, &patience, 0, answer, NULL, errs)) > 0) {
        dmpi_fleet_sum(fleet, errs, err);
        if (failed != before)
            dmpi_out_note("waiting for %zu of %zu hosts: %s", failed, n, err->msg);
        before = failed;
        struct dmpi_err over = DMPI_ERR_INIT;
        if (dmpi_ctl_sleep(&patience, PAUSE_MS, &over) < 0)
            break;
        for (size_t i = 0; i < n; i++)
            if (errs[i].code != DMPI_OK)
                dmpi_fleet_retry(fleet, i);
    }
    *err = (struct dmpi_err)DMPI_ERR_INIT; /* up itself tells what is still missing */
    return dmpi_ctl_check(dmpi_app_ctl(), err);
}

static int bring_up(const struct up *o, const struct dmpi_spec *spec, const struct dmpi_plan *plan,
                    struct dmpi_err *err)
{
    struct dmpi_up_opts opts = {.progress = show,
                                .min_workers = (int)o->min_workers,
                                .force = o->force,
                                .ready_ms = o->ready_ms,
                                .lock_ms = o->wait_ms > DMPI_LOCK_WAIT_MS ? o->wait_ms
                                                                          : DMPI_LOCK_WAIT_MS};
    struct dmpi_up_result result = {0};
    struct dmpi_fleet *fleet = dmpi_fleet_new(spec->nodes, spec->n_nodes, 0);
    int rc = o->wait_ms ? wait_for_hosts(fleet, o->wait_ms, err) : 0;
    if (rc == 0)
        rc = dmpi_push_plan(fleet, spec, plan, err);
    if (rc == 0) {
        dmpi_progress_start();
        rc = dmpi_cluster_up(fleet, spec, plan, &opts, dmpi_app_ctl(), &result, err);
        dmpi_progress_end();
    }
    if (rc == 0) {
        dmpi_session_remember(spec);
        print_node_errors(&result);
        if (!dmpi_up_unchanged(&result))
            tell_rights(plan);
        if (!o->common.json)
            print_changes(spec, &result);
    }
    if (o->common.json)
        dmpi_out_json(result_json(spec, &result));
    dmpi_up_result_free(&result);
    dmpi_fleet_free(fleet);
    return rc;
}

static void fill_flags(struct dmpi_flags *flags, const struct up *o)
{
    *flags = (struct dmpi_flags){
        .file = o->common.file,
        .name = o->common.name,
        .workers = o->workers,
        .slots = o->slots,
        .image = o->image,
        .volumes = o->volumes,
        .env = o->env,
        .shm_size = o->shm_size,
        .ttl = o->ttl,
        .workdir = o->workdir,
        .ports = o->ports,
        .user = o->user,
        .run_as = o->run_as,
    };
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct up *o = arg;
    if (operands->n)
        return dmpi_usage(err, "up takes no operands; did you mean --image %s?", operands->v[0]);
    struct dmpi_flags flags;
    struct dmpi_spec spec = {0};
    struct dmpi_plan plan = {0};
    fill_flags(&flags, o);
    dmpi_autofree char *images = NULL;
    int rc = dmpi_spec_make(&spec, &flags, err);
    if (rc == 0)
        rc = dmpi_images_dir(&images, err);
    if (rc == 0)
        rc = dmpi_plan_make(&plan, &spec, images, err);
    if (rc == 0 && o->min_workers > dmpi_spec_workers(&spec))
        rc = dmpi_usage(err, "--min-workers %lld: the cluster has %d worker%s", o->min_workers,
                        dmpi_spec_workers(&spec), dmpi_spec_workers(&spec) == 1 ? "" : "s");
    if (rc == 0 && o->dry_run)
        dmpi_out_json(dmpi_plan_json(&plan, &spec));
    else if (rc == 0)
        rc = bring_up(o, &spec, &plan, err);
    dmpi_plan_free(&plan);
    dmpi_spec_free(&spec);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"workers", 'n', DMPI_OPT_STR, offsetof(struct up, workers), "N",
     "how many workers (default 2, or as the cluster file says)", 0, 0},
    {"image", 'i', DMPI_OPT_STR, offsetof(struct up, image), "SPEC",
     "image profile of the workers: cpu, or a mixture: g4dn:2,cpu:1", 0, 0},
    {"slots", 0, DMPI_OPT_STR, offsetof(struct up, slots), "N", "ranks a worker takes (default 1)",
     0, 0},
    {"volume", 0, DMPI_OPT_LIST, offsetof(struct up, volumes), "HOST:CONTAINER[:ro]",
     "mount a folder of the node into launcher and workers", 0, 0},
    {"env", 'e', DMPI_OPT_LIST, offsetof(struct up, env), "K=V",
     "set a variable in every container", 0, 0},
    {"shm-size", 0, DMPI_OPT_STR, offsetof(struct up, shm_size), "SIZE",
     "size of /dev/shm, such as 8G", 0, 0},
    {"ttl", 0, DMPI_OPT_STR, offsetof(struct up, ttl), "TIME",
     "the cluster ends itself when nobody used it for so long, such as 12h", 0, 0},
    {"workdir", 0, DMPI_OPT_STR, offsetof(struct up, workdir), "DIR",
     "working folder of jobs (default /work)", 0, 0},
    {"ports", 0, DMPI_OPT_STR, offsetof(struct up, ports), "FIRST-LAST",
     "keep everything that listens to these TCP ports, such as 30000-30199", 0, 0},
    {"user", 'u', DMPI_OPT_STR, offsetof(struct up, run_as), "UID[:GID]|NAME",
     "whom everything in the containers runs as (default root); the node's own user of that number "
     "can look into them",
     0, 0},
    {"ssh-user", 0, DMPI_OPT_STR, offsetof(struct up, user), "NAME",
     "ssh user of nodes for which none is given", 0, 0},
    {"min-workers", 0, DMPI_OPT_INT, offsetof(struct up, min_workers), "N",
     "succeed when this many workers are ready", 1, 4096},
    {"ready-timeout", 0, DMPI_OPT_DURATION, offsetof(struct up, ready_ms), "TIME",
     "patience for one container (default 60s)", 0, 0},
    {"wait", 0, DMPI_OPT_DURATION, offsetof(struct up, wait_ms), "TIME",
     "wait that long for hosts that are still booting, and for another dockmpi that is changing "
     "the "
     "cluster (for that at least 30s)",
     0, 0},
    {"force", 0, DMPI_OPT_FLAG, offsetof(struct up, force), NULL,
     "also replace what running jobs use, or what another cluster file made", 0, 0},
    {"dry-run", 0, DMPI_OPT_FLAG, offsetof(struct up, dry_run), NULL,
     "print the plan and change nothing", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_up = {
    .name = "up",
    .args = "",
    .summary = "bring a cluster to the wanted state: launcher and workers, ready for mpirun",
    .details =
        "Run it again to repair, to grow or to shrink: what is right already is kept. What is not\n"
        "given then is as the file says, or the default: to repair, give what you gave before.\n"
        "Without -f the workers run on the local engine (DOCKER_HOST and docker contexts are\n"
        "honoured).\n"
        "--ttl (ttl: in a cluster file): every command that works with the cluster counts as a "
        "use,\n"
        "so does a job as long as it runs (`run --timeout` bounds it) and a shell that is open.\n"
        "The containers then end and remove themselves, also when no client and no network is\n"
        "left. Jobs that ended stay until `down` or `jobs --prune`: they hold nothing but their "
        "logs.",
    .opts = opts,
    .opts_size = sizeof(struct up),
    .json = true,
    .run = run,
};
