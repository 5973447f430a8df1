// SPDX-License-Identifier: MIT
#include "job/mca.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "spec/profile.h"

#define ASK_MS ((int64_t)20000)
#define LIST_MAX ((size_t)1 << 20)

// clang-format off
static const char ask_sh[] =
#include "job/mca.sh.inc"
    ;
// clang-format on

static bool is_none(const char *tune)
{
    return tune && strcmp(tune, "none") == 0;
}

// Whether anything depends on what the image of this worker has.
static bool matters(const struct dmpi_run_opts *opts, const struct dmpi_mesh_worker *worker)
{
    struct dmpi_profile profile DMPI_AUTO(dmpi_profile_free) = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (opts->mca.n > 0)
        return true;
    if (opts->tune && strcmp(opts->tune, "auto") != 0)
        return !is_none(opts->tune);
    if (worker->rdma)
        return true;
    if (dmpi_profile_load(&profile, opts->images_dir, worker->profile, &ignored) < 0)
        return false;
    return profile.gpu != DMPI_GPU_NONE || (profile.tune && !is_none(profile.tune)) ||
           profile.mpirun_args.n > 0;
}

static void read_probe(struct dmpi_mca_image *out, const char *text)
{
    dmpi_json_auto json_t *probe = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    const json_t *v;
    size_t i;
    if (dmpi_json_parse(&probe, text, strlen(text), &ignored) != 0)
        return;
    json_array_foreach (dmpi_json_arr(dmpi_json_obj(probe, "ucx"), "memory_types"), i, v) {
        if (json_is_string(v))
            dmpi_strv_add(&out->memory, json_string_value(v));
    }
}

void dmpi_job_mca_parse(struct dmpi_mca_image *out, const char *profile, const char *text)
{
    static const char mark[] = "\n=\n", release[] = "release=";
    const char *probe = strstr(text, mark);
    dmpi_autofree char *names =
        probe ? dmpi_xstrndup(text, (size_t)(probe - text)) : dmpi_xstrdup(text);
    *out = (struct dmpi_mca_image){.profile = dmpi_xstrdup(profile)};
    struct dmpi_strv lines DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(names, '\n');
    for (size_t i = 0; i < lines.n; i++) {
        if (dmpi_text_starts_with(lines.v[i], release) && !out->release)
            out->release = dmpi_xstrdup(lines.v[i] + strlen(release));
        else if (lines.v[i][0])
            dmpi_strv_add(&out->names, lines.v[i]);
    }
    dmpi_strv_sort(&out->names);
    if (probe)
        read_probe(out, probe + strlen(mark));
}

static int ask(struct dmpi_mca_image *out, const struct dmpi_mesh_worker *w,
               const struct dmpi_member *member, struct dmpi_fleet *fleet,
               const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(LIST_MAX);
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    const char *const words[] = {"sh", "-c", ask_sh, "sh", w->gpus > 0 ? "probe" : ""};
    struct dmpi_ctl limit = dmpi_ctl_within(ctl, ASK_MS);
    struct dmpi_engine *engine;
    int code = 0;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (dmpi_fleet_engine(&engine, fleet, member->node, &limit, err) < 0 ||
        dmpi_exec_run(engine, &limit, member->id, &argv, NULL, 0, &text, NULL, &code, err) < 0)
        return -1;
    if (code != 0)
        return dmpi_err_set(err, DMPI_EENGINE, "its shell answers with code %d", code);
    dmpi_job_mca_parse(out, w->profile, dmpi_buf_str(&text));
    return 0;
}

void dmpi_job_mca_ask(struct dmpi_mca *out, const struct dmpi_run_opts *opts,
                      const struct dmpi_mesh *mesh, const struct dmpi_state *state,
                      const char *cluster, struct dmpi_fleet *fleet, const struct dmpi_ctl *ctl)
{
    bool needed = false;
    *out = (struct dmpi_mca){.images = NULL};
    // All or none: images follow each other in their tuning, and must be able to talk to each other.
    for (size_t i = 0; i < mesh->n && !needed; i++)
        needed = matters(opts, &mesh->workers[i]) ||
                 strcmp(mesh->workers[i].profile, mesh->workers[0].profile) != 0;
    for (size_t i = 0; needed && i < mesh->n; i++) {
        const struct dmpi_mesh_worker *w = &mesh->workers[i];
        const struct dmpi_member *member = dmpi_state_worker(state, cluster, w->index);
        struct dmpi_mca_image image;
        struct dmpi_err err = DMPI_ERR_INIT;
        if (!member || dmpi_job_mca_of(out, w->profile))
            continue;
        if (ask(&image, w, member, fleet, ctl, &err) < 0) {
            dmpi_debug("%s: which MCA parameters image %s has is not known: %s", w->alias,
                       w->profile, err.msg);
            continue;
        }
        out->images = dmpi_xreallocarray(out->images, out->n + 1, sizeof(*out->images));
        out->images[out->n++] = image;
    }
}

void dmpi_job_mca_free(struct dmpi_mca *mca)
{
    if (!mca)
        return;
    for (size_t i = 0; i < mca->n; i++) {
        free(mca->images[i].profile);
        free(mca->images[i].release);
        dmpi_strv_free(&mca->images[i].names);
        dmpi_strv_free(&mca->images[i].memory);
    }
    free(mca->images);
    *mca = (struct dmpi_mca){.images = NULL};
}

const struct dmpi_mca_image *dmpi_job_mca_of(const struct dmpi_mca *mca, const char *profile)
{
    for (size_t i = 0; mca && i < mca->n; i++) {
        if (strcmp(mca->images[i].profile, profile) == 0)
            return &mca->images[i];
    }
    return NULL;
}
