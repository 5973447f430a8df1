// SPDX-License-Identifier: MIT
#include "cluster/doctor.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "hint.h"
#include "out.h"
#include "spec/profile.h"
#include "verbs.h"

struct doctor {
    struct dmpi_common common;
    const char *image, *ports, *user;
};

static void show(void *arg, const char *node, const char *container, enum dmpi_stage stage,
                 const char *detail)
{
    (void)arg;
    dmpi_progress_set(container ? container : node, false, "%s%s%s", dmpi_stage_name(stage),
                      detail ? ": " : "", detail ? detail : "");
}

static json_t *links_json(const struct dmpi_report *r)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < r->n_links; i++) {
        const struct dmpi_dial *d = &r->links[i];
        bool measured = !d->error && d->rtt_ms >= 0;
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "from", d->from);
        dmpi_json_set_str(o, "to", d->to);
        dmpi_json_set(o, "latency_ms", measured ? json_real(d->rtt_ms) : json_null());
        dmpi_json_set(o, "mib_per_s", measured ? json_real(d->mib_s) : json_null());
        dmpi_json_set_str(o, "error", d->error);
        dmpi_json_add(list, o);
    }
    return list;
}

static json_t *report_json(const struct dmpi_report *r)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < r->n; i++) {
        const struct dmpi_finding *f = &r->findings[i];
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "verdict", dmpi_verdict_name(f->verdict));
        dmpi_json_set_str(o, "check", f->check);
        dmpi_json_set_str(o, "node", *f->node ? f->node : NULL);
        dmpi_json_set_str(o, "text", f->text);
        dmpi_json_set_str(o, "remedy", *f->remedy ? f->remedy : NULL);
        dmpi_json_add(list, o);
    }
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "findings", list);
    dmpi_json_set(result, "links", links_json(r));
    dmpi_json_set_int(result, "failed", (json_int_t)r->bad);
    dmpi_json_set_int(result, "warned", (json_int_t)r->doubtful);
    return result;
}

static void print_report(const struct dmpi_report *r)
{
    struct dmpi_table table;
    dmpi_table_start(&table, "", "CHECK", "NODE", "FOUND", NULL);
    for (size_t i = 0; i < r->n; i++) {
        const struct dmpi_finding *f = &r->findings[i];
        dmpi_autofree char *text = dmpi_hint(f->text);
        dmpi_table_row(&table, dmpi_verdict_name(f->verdict), f->check, *f->node ? f->node : "all",
                       text, NULL);
        if (*f->remedy) {
            dmpi_autofree char *how = dmpi_hint(f->remedy);
            dmpi_autofree char *remedy = dmpi_xasprintf("-> %s", how);
            dmpi_table_row(&table, "", "", "", remedy, NULL);
        }
    }
    dmpi_table_print(&table);
    if (r->bad || r->doubtful)
        printf("%zu failed, %zu doubtful\n", r->bad, r->doubtful);
    else
        puts("everything is in order");
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct doctor *o = arg;
    if (operands->n)
        return dmpi_usage(err, "doctor takes no operands");
    dmpi_autofree char *file = dmpi_session_file(&o->common);
    const struct dmpi_flags flags = {.file = file,
                                     .name = o->common.name,
                                     .image = o->image,
                                     .ports = o->ports,
                                     .user = o->user};
    struct dmpi_spec spec = {0};
    struct dmpi_report report = {0};
    struct dmpi_fleet *fleet = NULL;
    dmpi_autofree char *images = NULL;
    int rc = dmpi_spec_make(&spec, &flags, err);
    if (rc == 0)
        rc = dmpi_images_dir(&images, err);
    if (rc == 0) {
        fleet = dmpi_fleet_new(spec.nodes, spec.n_nodes, 0);
        dmpi_progress_start();
        rc = dmpi_doctor(&report, fleet, &spec, images, show, NULL, dmpi_app_ctl(), err);
        dmpi_progress_end();
    }
    if (report.n && o->common.json)
        dmpi_out_json(report_json(&report));
    else if (report.n)
        print_report(&report);
    if (rc == 0 && report.bad)
        rc = 1;
    dmpi_report_free(&report);
    dmpi_fleet_free(fleet);
    dmpi_spec_free(&spec);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"image", 'i', DMPI_OPT_STR, offsetof(struct doctor, image), "SPEC",
     "image profile of the workers", 0, 0},
    {"ports", 0, DMPI_OPT_STR, offsetof(struct doctor, ports), "FIRST-LAST",
     "the TCP ports that the cluster is to keep to", 0, 0},
    {"ssh-user", 0, DMPI_OPT_STR, offsetof(struct doctor, user), "NAME",
     "ssh user of nodes for which none is given", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "examine the nodes before a job: engines, images, network, clocks, space",
    .details =
        "Starts a short-lived cluster with one worker a node, lets every worker look at its node\n"
        "and dial all others, and removes it again. Where the cluster itself is up, it looks "
        "whether\n"
        "its containers run, too. Exit code 1 when something would fail.",
    .opts = opts,
    .opts_size = sizeof(struct doctor),
    .json = true,
    .run = run,
};
