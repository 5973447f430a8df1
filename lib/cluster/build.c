// SPDX-License-Identifier: MIT
#include "cluster/build.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "cluster/base_image.h"
#include "cluster/buildlog.h"
#include "cluster/context.h"
#include "cluster/image.h"
#include "cluster/pip.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "spec/profile.h"

#define CHAIN_MAX 16
#define CLEAN_MS 5000

// One request of the user: the same for every image that has to be built for it.
struct build {
    struct dmpi_engine *engine;
    const char *images_dir;
    const struct dmpi_build_opts *opts;
    const struct dmpi_ctl *ctl;
};

// The proxies that this machine uses. Engines keep variables of these names out of the image and its
// history.
static void add_proxies(struct dmpi_strv *args)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "no_proxy",
                                        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            dmpi_strv_addf(args, "%s=%s", names[i], value);
    }
}

// A build that was broken off: the engine ends the step and removes its container when it notices that
// the connection is gone. This waits until it did, and removes the container itself if need be.
static void clean_up(const struct build *b, const struct dmpi_buildlog *log)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ctl limit = dmpi_ctl_within(NULL, CLEAN_MS);
    if (!log->container)
        return;
    for (int i = 0; i < 20; i++) {
        dmpi_json_auto json_t *container = NULL;
        if (dmpi_container_inspect(b->engine, &limit, log->container, &container, &err))
            return;
        dmpi_ctl_sleep(&limit, 100, &err);
    }
    dmpi_container_remove(b->engine, &limit, log->container, true, true, &err);
}

// The folders beside the profile's own files.
static int more_context(struct dmpi_strv *more, struct dmpi_pip *pip,
                        const struct dmpi_profile *profile, struct dmpi_err *err)
{
    dmpi_strv_add_array(more, (const char *const *)profile->context.v, profile->context.n);
    if (!profile->pip)
        return 0;
    if (dmpi_pip_make(pip, err))
        return dmpi_err_wrap(err, "what pip needs here");
    dmpi_strv_add(more, pip->dir);
    return 0;
}

static int build_one(const struct build *b, const struct dmpi_profile *profile, const char *base,
                     bool no_cache, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buildlog_free) struct dmpi_buildlog log;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv args = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv more = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_pip_remove) struct dmpi_pip pip = {.dir = NULL};
    const char *const tags[] = {profile->image, NULL};
    struct dmpi_context *context;
    dmpi_buildlog_init(&log, profile->image, b->opts);
    if (base)
        dmpi_strv_addf(&args, "BASE=%s", base);
    add_proxies(&args);
    if (b->opts->args)
        dmpi_strv_add_array(&args, (const char *const *)b->opts->args->v, b->opts->args->n);
    struct dmpi_build_params params = {
        .tags = tags, .network = "host", .build_args = &args, .no_cache = no_cache};
    if (more_context(&more, &pip, profile, err) ||
        dmpi_context_open(&context, profile->dir, &more, err))
        return -1;
    struct dmpi_source tar = dmpi_context_source(context);
    int failed =
        dmpi_image_build(b->engine, b->ctl, &params, &tar, dmpi_buildlog_object, &log, NULL, err);
    dmpi_context_free(context);
    if (failed) {
        clean_up(b, &log);
        return dmpi_buildlog_error(&log, err);
    }
    return 0;
}

static int is_profile(bool *yes, const struct build *b, const char *name, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    if (dmpi_profile_list(&names, b->images_dir, err))
        return -1;
    *yes = dmpi_strv_has(&names, name);
    return 0;
}

static int build_chain(const struct build *b, const struct dmpi_profile *profile, bool no_cache,
                       int depth, struct dmpi_err *err);

// Sees to it that the profile `name` is there. *image is its image, owned by the caller.
static int provide_profile(char **image, const struct build *b, const char *name, int depth,
                           struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_profile_free) struct dmpi_profile profile = {.name = NULL};
    if (dmpi_profile_load(&profile, b->images_dir, name, err))
        return -1;
    // Also when an image of that name is there: it may be older than its Dockerfile, and where it is
    // not, the engine's cache makes this a matter of a second. Without a Dockerfile the engine pulls.
    if (profile.build && build_chain(b, &profile, false, depth + 1, err))
        return -1;
    *image = dmpi_xstrdup(profile.image);
    return 0;
}

// What the profile is built on. *base stays NULL when its Dockerfile says that itself.
static int provide_base(char **base, const struct build *b, const struct dmpi_profile *profile,
                        int depth, struct dmpi_err *err)
{
    bool on_profile = false;
    if (!profile->from)
        return 0;
    if (dmpi_base_is(profile->from)) {
        *base = dmpi_xstrdup(profile->from);
        return dmpi_base_ensure(b->engine, b->images_dir, profile->from, b->opts, b->ctl, err);
    }
    if (is_profile(&on_profile, b, profile->from, err))
        return -1;
    if (on_profile)
        return provide_profile(base, b, profile->from, depth, err);
    *base = dmpi_xstrdup(profile->from);
    return 0;
}

static int build_chain(const struct build *b, const struct dmpi_profile *profile, bool no_cache,
                       int depth, struct dmpi_err *err)
{
    dmpi_autofree char *base = NULL;
    DMPI_AUTO(dmpi_image_info_free) struct dmpi_image_info info = {.present = false};
    if (depth > CHAIN_MAX)
        return dmpi_err_set(err, DMPI_EINVAL, "profile %s: its `from:` leads back to itself",
                            profile->name);
    if (provide_base(&base, b, profile, depth, err))
        return -1;
    if (b->opts->tell)
        b->opts->tell(b->opts->arg, profile->image, DMPI_BUILD_IMAGE, "");
    if (build_one(b, profile, base, no_cache, err) ||
        dmpi_image_find(&info, b->engine, profile, b->ctl, err))
        return -1;
    if (!info.present)
        return dmpi_err_set(err, DMPI_EENGINE,
                            "image %s: the engine reported no failure, but made "
                            "no image",
                            profile->image);
    if (b->opts->tell)
        b->opts->tell(b->opts->arg, profile->image, DMPI_BUILD_DONE, info.id);
    return 0;
}

int dmpi_build_profile(struct dmpi_engine *engine, const char *images_dir, const char *name,
                       const struct dmpi_build_opts *opts, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    const struct build b = {engine, images_dir, opts, ctl};
    DMPI_AUTO(dmpi_profile_free) struct dmpi_profile profile = {.name = NULL};
    if (dmpi_profile_load(&profile, images_dir, name, err))
        return -1;
    if (!profile.build)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "profile %s has no Dockerfile: its image %s comes ready-made, pull or "
                            "load it on the node",
                            name, profile.image);
    return build_chain(&b, &profile, opts->no_cache, 0, err);
}
