// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_IMAGES_H
#define DMPI_ENGINE_IMAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/engine.h"
#include "engine/stream.h"

/* ref is an image's name, name:tag or id everywhere. Error codes: see engine/engine.h. */

/* *out is a new object as GET /images/REF/json answers it. */
int dmpi_image_inspect(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                       json_t **out, struct dmpi_err *err);

/* *out is a new array; filters "reference=...", "label=..." (NULL-terminated; NULL: none). */
int dmpi_image_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *filters,
                    json_t **out, struct dmpi_err *err);

int dmpi_image_tag(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                   const char *repo, const char *tag, struct dmpi_err *err);

/* An image that is gone is a success. */
int dmpi_image_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                      bool force, struct dmpi_err *err);

struct dmpi_build_params {
    const char *const *tags;            /* NULL-terminated */
    const char *dockerfile;             /* path in the context, NULL: "Dockerfile" */
    const char *network;                /* such as "host", NULL: the engine's default */
    const struct dmpi_strv *build_args; /* "K=V", NULL: none */
    const struct dmpi_strv *labels;     /* "K=V", NULL: none */
    const char *target;                 /* stage, NULL: the last */
    const char *platform;               /* NULL: the engine's */
    const char *registry_config;        /* X-Registry-Config header, NULL: none */
    bool no_cache, pull;
};

/*
 * Builds from a tar of the context with the classic builder. progress (may be NULL) gets each
 * object of the stream ("stream", "status", "progressDetail", "aux"); a step that failed is an
 * EENGINE error with the engine's own words. *id (may be NULL): the image's id, the caller's.
 */
int dmpi_image_build(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                     const struct dmpi_build_params *params, const struct dmpi_source *context,
                     dmpi_json_cb progress, void *arg, char **id, struct dmpi_err *err);

/* Loads an archive as `docker save` writes it. */
int dmpi_image_load(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                    const struct dmpi_source *archive, dmpi_json_cb progress, void *arg,
                    struct dmpi_err *err);

/* Writes the named images (NULL-terminated) as one archive. */
int dmpi_image_save(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *refs,
                    const struct dmpi_sink *archive, struct dmpi_err *err);

/*
 * Makes an image of one layer from a tar of a root file system. changes: Dockerfile instructions
 * such as "CMD [\"bash\"]" (NULL-terminated; NULL: none).
 */
int dmpi_image_import(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *repo,
                      const char *tag, const char *const *changes, const struct dmpi_source *rootfs,
                      struct dmpi_err *err);

/* registry_auth: the X-Registry-Auth header's value (base64url JSON), NULL: none. */
int dmpi_image_pull(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                    const char *registry_auth, dmpi_json_cb progress, void *arg,
                    struct dmpi_err *err);

#endif
