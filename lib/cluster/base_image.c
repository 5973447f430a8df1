// SPDX-License-Identifier: MIT
#include "cluster/base_image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/child.h"
#include "engine/images.h"

#define REPO "dockmpi/base"
#define PULL_MS (10 * 60 * 1000)

struct work {
    const char *ref;
    const struct dmpi_build_opts *opts;
};

static void tell(const struct work *w, enum dmpi_build_event event, const char *text)
{
    if (w->opts->tell)
        w->opts->tell(w->opts->arg, w->ref, event, text);
}

static const char *suite_of(const char *ref)
{
    return dmpi_text_starts_with(ref, REPO ":") ? ref + strlen(REPO ":") : "";
}

bool dmpi_base_is(const char *ref)
{
    const char *suite = suite_of(ref);
    return *suite && strspn(suite, "abcdefghijklmnopqrstuvwxyz") == strlen(suite);
}

static int pull_object(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)err;
    const char *status = dmpi_json_str(object, "status"), *id = dmpi_json_str(object, "id");
    // A line for each piece of a layer would be noise: those carry numbers.
    if (!status || dmpi_json_int(dmpi_json_obj(object, "progressDetail"), "total", 0) > 0)
        return 0;
    dmpi_autofree char *line = id ? dmpi_xasprintf("%s: %s", id, status) : dmpi_xstrdup(status);
    tell(arg, DMPI_BUILD_LAYER, line);
    return 0;
}

static int pull(struct dmpi_engine *engine, struct work *w, const struct dmpi_ctl *ctl,
                struct dmpi_err *err)
{
    struct dmpi_ctl limit = dmpi_ctl_within(ctl, PULL_MS);
    dmpi_autofree char *debian = dmpi_xasprintf("debian:%s-slim", suite_of(w->ref));
    dmpi_autofree char *step = dmpi_xasprintf("pulling %s", debian);
    tell(w, DMPI_BUILD_STEP, step);
    if (dmpi_image_pull(engine, &limit, debian, NULL, pull_object, w, err))
        return dmpi_err_wrap(err, "pulling %s", debian);
    return dmpi_image_tag(engine, ctl, debian, REPO, suite_of(w->ref), err);
}

static void make_line(void *arg, const char *line)
{
    tell(arg, DMPI_BUILD_OUTPUT, line);
}

static int make(struct dmpi_engine *engine, const char *images_dir, struct work *w,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static const char *const changes[] = {"CMD [\"/bin/bash\"]", NULL};
    DMPI_AUTO(dmpi_child_end) struct dmpi_child child;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_take(&argv, dmpi_io_join(images_dir, "base/make"));
    dmpi_strv_add(&argv, suite_of(w->ref));
    tell(w, DMPI_BUILD_STEP, "making a Debian base with debootstrap");
    if (dmpi_child_start(&child, &argv, ctl, make_line, w, err))
        return -1;
    struct dmpi_source rootfs = dmpi_child_source(&child);
    return dmpi_image_import(engine, ctl, REPO, suite_of(w->ref), changes, &rootfs, err);
}

// *there: whether the engine has ref.
static int look(bool *there, struct dmpi_engine *engine, const char *ref,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *image = NULL;
    *there = dmpi_image_inspect(engine, ctl, ref, &image, err) == 0;
    return *there || err->code == DMPI_ENOTFOUND ? 0 : -1;
}

int dmpi_base_ensure(struct dmpi_engine *engine, const char *images_dir, const char *ref,
                     const struct dmpi_build_opts *opts, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err)
{
    struct work w = {ref, opts};
    struct dmpi_err not_made = DMPI_ERR_INIT;
    bool there;
    if (look(&there, engine, ref, ctl, err))
        return -1;
    if (there) {
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        return 0;
    }
    tell(&w, DMPI_BUILD_IMAGE, "");
    if (pull(engine, &w, ctl, err)) {
        if (dmpi_ctl_check(ctl, &not_made))
            return -1;
        tell(&w, DMPI_BUILD_OUTPUT, err->msg);
        if (make(engine, images_dir, &w, ctl, &not_made))
            return dmpi_err_set(err, not_made.code, "base image %s: %s (and before that: %s)", ref,
                                not_made.msg, err->msg);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
    }
    tell(&w, DMPI_BUILD_DONE, "");
    return 0;
}
