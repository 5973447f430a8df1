// SPDX-License-Identifier: MIT
#include "engine/resources.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "engine/http.h"
#include "engine/url.h"

static int get(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *path, json_t **out,
               struct dmpi_err *err)
{
    struct dmpi_http req = {.method = "GET", .path = path, .quick = true};
    return dmpi_http_json(e, ctl, &req, NULL, out, err);
}

static int wrong_kind(const char *path, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_EPARSE, "%s: the engine's answer is of the wrong kind", path);
}

int dmpi_volume_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                     struct dmpi_err *err)
{
    dmpi_json_auto json_t *answer = NULL;
    if (get(e, ctl, "/volumes", &answer, err) != 0)
        return -1;
    if (!json_is_object(answer))
        return wrong_kind("/volumes", err);
    /* An engine without any says null. */
    json_t *list = dmpi_json_arr(answer, "Volumes");
    *out = list ? json_incref(list) : dmpi_json_new_arr();
    return 0;
}

int dmpi_volume_create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t *body,
                       json_t **out, struct dmpi_err *err)
{
    dmpi_json_auto json_t *answer = NULL;
    struct dmpi_http req = {.method = "POST", .path = "/volumes/create", .quick = true};
    if (dmpi_http_json(e, ctl, &req, body, &answer, err) != 0)
        return -1;
    if (!json_is_object(answer))
        return wrong_kind("/volumes/create", err);
    *out = json_incref(answer);
    return 0;
}

int dmpi_volume_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *name,
                       struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/volumes/");
    dmpi_url_add_path(&url, name, false);
    struct dmpi_http req = {.method = "DELETE", .path = dmpi_buf_str(&url), .quick = true};
    if (dmpi_http_json(e, ctl, &req, NULL, NULL, err) == 0)
        return 0;
    return err->code == DMPI_ENOTFOUND ? 0 : -1;
}

int dmpi_network_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *labels,
                      json_t **out, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_json_auto json_t *answer = NULL;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv filters = DMPI_STRV_INIT;
    for (size_t i = 0; labels && labels[i]; i++)
        dmpi_strv_addf(&filters, "label=%s", labels[i]);
    dmpi_buf_adds(&url, "/networks");
    dmpi_url_add_filters(&url, (const char *const *)filters.v);
    if (get(e, ctl, dmpi_buf_str(&url), &answer, err) != 0)
        return -1;
    if (!json_is_array(answer))
        return wrong_kind("/networks", err);
    *out = json_incref(answer);
    return 0;
}
