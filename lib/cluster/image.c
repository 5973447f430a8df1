// SPDX-License-Identifier: MIT
#include "cluster/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/content.h"
#include "engine/images.h"
#include "spec/profile.h"

int dmpi_image_find(struct dmpi_image_info *out, struct dmpi_engine *engine,
                    const struct dmpi_profile *profile, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    dmpi_json_auto json_t *image = NULL;
    *out = (struct dmpi_image_info){.present = false};
    if (dmpi_image_inspect(engine, ctl, profile->image, &image, err)) {
        if (err->code != DMPI_ENOTFOUND)
            return dmpi_err_wrap(err, "image %s", profile->image);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        out->id = dmpi_xstrdup("");
        return 0;
    }
    const char *id = dmpi_json_str(image, "Id");
    out->present = true;
    out->id = dmpi_xstrdup(id ? id : "");
    out->size = dmpi_json_int(image, "Size", 0);
    out->created = dmpi_content_time(dmpi_json_str(image, "Created"));
    return 0;
}

void dmpi_image_info_free(struct dmpi_image_info *info)
{
    if (!info)
        return;
    free(info->id);
    *info = (struct dmpi_image_info){.present = false};
}

int dmpi_image_missing(const struct dmpi_profile *profile, struct dmpi_err *err)
{
    if (profile->build)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "image %s is not there: build it with `dockmpi image build %s`",
                            profile->image, profile->name);
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "image %s is not there: pull or load it on that node (profile %s has no "
                        "Dockerfile to build it from)",
                        profile->image, profile->name);
}

int dmpi_image_require(struct dmpi_engine *engine, const struct dmpi_profile *profile,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_image_info info;
    if (dmpi_image_find(&info, engine, profile, ctl, err))
        return -1;
    bool present = info.present;
    dmpi_image_info_free(&info);
    return present ? 0 : dmpi_image_missing(profile, err);
}
