// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/build.h"
#include "cluster/image.h"
#include "cluster/push.h"
#include "engine/engine.h"
#include "out.h"
#include "push.h"
#include "spec/profile.h"
#include "verbs.h"

struct image {
    struct dmpi_common common;
    bool no_cache, compare;
    struct dmpi_strv nodes, args;
};

/* What one call of the verb works on. */
struct work {
    const struct image *opts;
    struct dmpi_session *session;
    char *images_dir;
    struct dmpi_strv names; /* of profiles */
    struct dmpi_profile *profiles;
    struct dmpi_image_info *found; /* n_nodes rows of names.n */
    enum dmpi_standing *standing;  /* names.n rows of n_nodes; NULL: not compared */
    json_t **built;                /* one array a node */
};

static bool chosen(const struct work *w, size_t node)
{
    const struct dmpi_strv *nodes = &w->opts->nodes;
    return nodes->n == 0 || dmpi_strv_has(nodes, dmpi_fleet_name(w->session->fleet, node));
}

static int check_nodes(const struct work *w, struct dmpi_err *err)
{
    const struct dmpi_strv *nodes = &w->opts->nodes;
    for (size_t i = 0; i < nodes->n; i++) {
        bool known = false;
        for (size_t k = 0; k < dmpi_fleet_size(w->session->fleet); k++)
            known = known || strcmp(nodes->v[i], dmpi_fleet_name(w->session->fleet, k)) == 0;
        if (!known)
            return dmpi_err_set(err, DMPI_ENOTFOUND, "no node is called %s", nodes->v[i]);
    }
    return 0;
}

/* ---- build ---------------------------------------------------------------------------------- */

/* One image on one node, as the progress shows it. */
struct telling {
    const char *node; /* NULL: there is only one */
    json_t *built;    /* borrowed */
    bool verbose;     /* every line of output is worth keeping */
    char step[32];
};

/* "Step 2/5 : RUN apt-get" -> "2/5" */
static void note_step(struct telling *t, const char *text)
{
    const char *number = text + strcspn(text, "0123456789");
    size_t n = strspn(number, "0123456789/");
    if (strchr(number, '/') && n < sizeof t->step) {
        memcpy(t->step, number, n);
        t->step[n] = '\0';
    }
}

/* The text with every run of white space made one blank: a step's command is several lines. */
static char *on_one_line(const char *text)
{
    enum { SHOWN = 200 };
    char *line = dmpi_text_print_safe(text), *to = line;
    for (const char *from = line; *from; from++)
        if (*from != ' ' || (to > line && to[-1] != ' '))
            *to++ = *from;
    *to = '\0';
    if (to - line <= SHOWN)
        return line;
    line[SHOWN] = '\0';
    char *cut = dmpi_xasprintf("%s...", line);
    free(line);
    return cut;
}

static void built(const struct telling *t, const char *image, const char *id)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "image", image);
    dmpi_json_set_str(o, "id", id);
    dmpi_json_add(t->built, o);
}

static void show(void *arg, const char *image, enum dmpi_build_event event, const char *text)
{
    struct telling *t = arg;
    dmpi_autofree char *what =
        t->node ? dmpi_xasprintf("%s on %s", image, t->node) : dmpi_xstrdup(image);
    dmpi_autofree char *safe = on_one_line(text);
    switch (event) {
    case DMPI_BUILD_IMAGE:
        t->step[0] = '\0';
        dmpi_progress_set(what, true, "building");
        break;
    case DMPI_BUILD_STEP:
        note_step(t, text);
        dmpi_progress_set(what, true, "%s", safe);
        break;
    case DMPI_BUILD_OUTPUT:
    case DMPI_BUILD_LAYER:
        dmpi_progress_set(what, t->verbose, "%s%s%s", t->step, *t->step ? ": " : "", safe);
        break;
    case DMPI_BUILD_DONE:
        dmpi_progress_set(what, true, "ready%s%.19s", *safe ? " " : "", safe);
        built(t, image, text);
        break;
    }
}

static int build_on(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct work *w = arg;
    bool several = dmpi_fleet_size(w->session->fleet) > 1;
    w->built[node] = dmpi_json_new_arr();
    if (!chosen(w, node))
        return 0;
    struct telling t = {.node = several ? dmpi_fleet_name(w->session->fleet, node) : NULL,
                        .built = w->built[node],
                        .verbose = w->opts->common.verbose};
    struct dmpi_build_opts opts = {
        .no_cache = w->opts->no_cache, .args = &w->opts->args, .tell = show, .arg = &t};
    for (size_t i = 0; i < w->names.n; i++)
        if (dmpi_build_profile(engine, w->images_dir, w->names.v[i], &opts, dmpi_app_ctl(), err))
            return -1;
    return 0;
}

/* One array: image, id and node of everything that was built. */
static void print_built(const struct work *w)
{
    json_t *all = dmpi_json_new_arr();
    for (size_t node = 0; node < dmpi_fleet_size(w->session->fleet); node++) {
        size_t i;
        json_t *o;
        json_array_foreach (w->built[node], i, o) {
            dmpi_json_set_str(o, "node", dmpi_fleet_name(w->session->fleet, node));
            dmpi_json_add(all, json_incref(o));
        }
    }
    dmpi_out_json(all);
}

static int build(struct work *w, struct dmpi_err *err)
{
    enum { WINDOW = 4 }; /* a build is heavy where it runs, and so is making a base here */
    size_t n = dmpi_fleet_size(w->session->fleet);
    struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    w->built = dmpi_xcalloc(n, sizeof *w->built);
    dmpi_progress_start();
    dmpi_fleet_each(w->session->fleet, dmpi_app_ctl(), WINDOW, build_on, w, errs);
    dmpi_progress_end();
    int rc = dmpi_fleet_sum(w->session->fleet, errs, err);
    if (w->opts->common.json)
        print_built(w);
    for (size_t node = 0; node < n; node++)
        json_decref(w->built[node]);
    free(w->built);
    free(errs);
    return rc;
}

/* ---- ls ------------------------------------------------------------------------------------- */

static int find_on(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct work *w = arg;
    for (size_t i = 0; chosen(w, node) && i < w->names.n; i++)
        if (dmpi_image_find(&w->found[node * w->names.n + i], engine, &w->profiles[i],
                            dmpi_app_ctl(), err))
            return -1;
    return 0;
}

/* Whether the nodes have the same image under that name, and not only one of that name. */
static int compare(struct work *w, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(w->session->fleet);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    struct dmpi_engine *local = dmpi_local_engine();
    const struct dmpi_push_opts opts = {.local = local};
    int rc = 0;
    w->standing = dmpi_xcalloc(n * w->names.n + 1, sizeof *w->standing);
    for (size_t i = 0; rc == 0 && i < w->names.n; i++)
        if (dmpi_push_compare(w->session->fleet, w->profiles[i].image, &opts, dmpi_app_ctl(),
                              &w->standing[i * n], errs, err) < 0)
            rc = -1;
    dmpi_engine_close(local);
    return rc;
}

/* "same", "other", "missing"; NULL when nobody asked. */
static const char *standing(const struct work *w, size_t node, size_t i)
{
    static const char *const words[] = {
        [DMPI_IMAGE_ABSENT] = "missing", [DMPI_IMAGE_SAME] = "same", [DMPI_IMAGE_OTHER] = "other"};
    return w->standing ? words[w->standing[i * dmpi_fleet_size(w->session->fleet) + node]] : NULL;
}

static json_t *info_json(const struct work *w, size_t node, size_t i)
{
    const struct dmpi_profile *p = &w->profiles[i];
    const struct dmpi_image_info *info = &w->found[node * w->names.n + i];
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "profile", p->name);
    dmpi_json_set_str(o, "image", p->image);
    dmpi_json_set_str(o, "node", dmpi_fleet_name(w->session->fleet, node));
    dmpi_json_set_bool(o, "present", info->present);
    dmpi_json_set(o, "id", info->present ? dmpi_json_new_str(info->id) : NULL);
    dmpi_json_set(o, "size", info->present ? json_integer(info->size) : NULL);
    dmpi_json_set(o, "created", info->present ? json_integer(info->created) : NULL);
    if (w->standing)
        dmpi_json_set_str(o, "content", standing(w, node, i));
    dmpi_json_set_bool(o, "builds", p->build);
    dmpi_json_set_str(o, "summary", p->summary);
    return o;
}

static void add_row(struct dmpi_table *table, const struct work *w, size_t node, size_t i)
{
    const struct dmpi_profile *p = &w->profiles[i];
    const struct dmpi_image_info *info = &w->found[node * w->names.n + i];
    char size[16], age[16];
    const char *id = info->present ? info->id : "", *what = p->summary ? p->summary : "";
    dmpi_autofree char *shown =
        dmpi_xasprintf("%.12s", dmpi_text_starts_with(id, "sha256:") ? id + 7 : id);
    dmpi_table_row(
        table, p->name, p->image, dmpi_fleet_name(w->session->fleet, node),
        info->present ? shown : "-", info->present ? dmpi_text_human_bytes(size, info->size) : "-",
        info->present && info->created ? dmpi_out_age((long long)time(NULL) - info->created, age)
                                       : "-",
        w->standing ? standing(w, node, i) : what, w->standing ? what : NULL, NULL);
}

static void print_list(const struct work *w, const struct dmpi_err *errs)
{
    struct dmpi_table table;
    json_t *all = dmpi_json_new_arr();
    dmpi_table_start(&table, "PROFILE", "IMAGE", "NODE", "ID", "SIZE", "AGE",
                     w->standing ? "CONTENT" : "WHAT", w->standing ? "WHAT" : NULL, NULL);
    for (size_t i = 0; i < w->names.n; i++) {
        for (size_t node = 0; node < dmpi_fleet_size(w->session->fleet); node++) {
            if (!chosen(w, node) || errs[node].code != DMPI_OK)
                continue;
            add_row(&table, w, node, i);
            dmpi_json_add(all, info_json(w, node, i));
        }
    }
    if (w->opts->common.json) {
        dmpi_strv_free(&table.cells);
        dmpi_out_json(all);
    } else {
        json_decref(all);
        dmpi_table_print(&table);
    }
}

static int list(struct work *w, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(w->session->fleet);
    struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    w->found = dmpi_xcalloc(n * w->names.n + 1, sizeof *w->found);
    size_t failed = dmpi_fleet_each(w->session->fleet, dmpi_app_ctl(), 0, find_on, w, errs);
    int rc = failed < n && w->opts->compare ? compare(w, err) : 0;
    if (rc == 0 && failed < n)
        print_list(w, errs);
    if (rc == 0)
        rc = dmpi_fleet_sum(w->session->fleet, errs, err);
    free(w->standing);
    for (size_t i = 0; i < n * w->names.n; i++)
        dmpi_image_info_free(&w->found[i]);
    free(w->found);
    free(errs);
    return rc;
}

/* ---- push ----------------------------------------------------------------------------------- */

static int push(struct work *w, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(w->session->fleet), sent = 0;
    dmpi_autofree bool *nodes = dmpi_xcalloc(n, sizeof *nodes);
    for (size_t node = 0; node < n; node++)
        nodes[node] = chosen(w, node);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->names.n; i++)
        rc = dmpi_push(w->session->fleet, &w->profiles[i], nodes, &sent, err);
    if (rc == 0 && w->opts->common.json) {
        json_t *result = dmpi_json_new_obj();
        dmpi_json_set_int(result, "sent", (json_int_t)sent);
        dmpi_out_json(result);
    } else if (rc == 0 && sent == 0) {
        puts("every node has it already");
    }
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int load_profiles(struct work *w, struct dmpi_err *err)
{
    if (dmpi_images_dir(&w->images_dir, err) ||
        (w->names.n == 0 && dmpi_profile_list(&w->names, w->images_dir, err)))
        return -1;
    w->profiles = dmpi_xcalloc(w->names.n + 1, sizeof *w->profiles);
    for (size_t i = 0; i < w->names.n; i++)
        if (dmpi_profile_load(&w->profiles[i], w->images_dir, w->names.v[i], err))
            return -1;
    return 0;
}

static void free_work(struct work *w)
{
    for (size_t i = 0; w->profiles && i < w->names.n; i++)
        dmpi_profile_free(&w->profiles[i]);
    free(w->profiles);
    free(w->images_dir);
    dmpi_strv_free(&w->names);
}

static int check_args(const struct dmpi_strv *args, struct dmpi_err *err)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->v[i][0] == '=' || !strchr(args->v[i], '='))
            return dmpi_usage(err, "--build-arg %s: expected NAME=VALUE", args->v[i]);
    return 0;
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    struct dmpi_session session = {0};
    struct work w = {.opts = opts, .session = &session};
    const char *action = operands->n ? operands->v[0] : "";
    int (*act)(struct work *, struct dmpi_err *) = strcmp(action, "build") == 0  ? build
                                                   : strcmp(action, "push") == 0 ? push
                                                   : strcmp(action, "ls") == 0   ? list
                                                                                 : NULL;
    if (!act)
        return dmpi_usage(err, "image needs an action: build PROFILE..., push PROFILE..., or ls");
    if (act != list && operands->n < 2)
        return dmpi_usage(err, "image %s needs the name of a profile; see: `dockmpi image ls`",
                          action);
    if (check_args(&w.opts->args, err))
        return -1;
    dmpi_strv_add_array(&w.names, (const char *const *)operands->v + 1, operands->n - 1);
    int rc = -1;
    if (load_profiles(&w, err) == 0 && dmpi_session_open(&session, &w.opts->common, err) == 0 &&
        check_nodes(&w, err) == 0)
        rc = act(&w, err);
    dmpi_session_close(&session);
    free_work(&w);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"no-cache", 0, DMPI_OPT_FLAG, offsetof(struct image, no_cache), NULL,
     "build: run every step again", 0, 0},
    {"build-arg", 0, DMPI_OPT_LIST, offsetof(struct image, args), "NAME=VALUE",
     "build: for an ARG of the Dockerfiles (images/README.md has them)", 0, 0},
    {"nodes", 0, DMPI_OPT_FLAG, offsetof(struct image, compare), NULL,
     "ls: say whether every node has the same image under a name", 0, 0},
    {"node", 0, DMPI_OPT_LIST, offsetof(struct image, nodes), "NODE",
     "only on this node of the cluster (default: on all)", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_image = {
    .name = "image",
    .args = "build PROFILE... | push PROFILE... | ls [PROFILE...]",
    .summary = "build the images of profiles, send them to the nodes, list what is there",
    .details =
        "A profile is a folder of images/ (or $DOCKMPI_IMAGES) with image.yaml and Dockerfile.\n"
        "What a profile is built on is built first (or taken from cache); the Debian below all\n"
        "is pulled, or made with debootstrap where no registry can be reached. push gives the\n"
        "image of the local engine, or else the newest that a node has, to all nodes that have\n"
        "none or another, each getting only the layers it lacks; what lives in a registry they\n"
        "pull, with your docker login. up does that by itself.",
    .opts = opts,
    .opts_size = sizeof(struct image),
    .json = true,
    .run = run,
};
