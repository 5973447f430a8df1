// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/containers.h"
#include "engine/http.h"
#include "engine/url.h"

#define STAT_HEADER "X-Docker-Container-Path-Stat"

static struct dmpi_buf archive_url(const char *id, const char *path)
{
    struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/containers/");
    dmpi_url_add_path(&url, id, false);
    dmpi_buf_adds(&url, "/archive");
    dmpi_url_add_query(&url, "path", path);
    return url;
}

int dmpi_container_put_archive(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                               const char *path, const struct dmpi_source *tar,
                               struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = archive_url(id, path);
    struct dmpi_http req = {.method = "PUT",
                            .path = dmpi_buf_str(&url),
                            .type = "application/x-tar",
                            .source = tar,
                            .lane = DMPI_LANE_BULK};
    return dmpi_http_exchange(e, ctl, &req, err);
}

int dmpi_container_get_archive(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                               const char *path, const struct dmpi_sink *tar, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = archive_url(id, path);
    struct dmpi_http req = {
        .method = "GET", .path = dmpi_buf_str(&url), .sink = tar, .lane = DMPI_LANE_BULK};
    return dmpi_http_exchange(e, ctl, &req, err);
}

/* The header is base64 of a JSON object. */
static int parse_stat(const char *header, json_t **out, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(64u << 10);
    if (!header)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine's answer lacks " STAT_HEADER);
    if (dmpi_base64_decode(&text, header, strlen(header), err) != 0 ||
        dmpi_json_parse(out, dmpi_buf_str(&text), text.len, err) != 0)
        return dmpi_err_wrap(err, STAT_HEADER);
    return 0;
}

int dmpi_container_stat(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const char *path, json_t **out, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = archive_url(id, path);
    struct dmpi_http_header stat = {.name = STAT_HEADER};
    struct dmpi_http req = {.method = "HEAD",
                            .path = dmpi_buf_str(&url),
                            .headers = &stat,
                            .n_headers = 1,
                            .quick = true};
    int result = dmpi_http_exchange(e, ctl, &req, err);
    if (result == 0)
        result = parse_stat(stat.value, out, err);
    else if (err->code == DMPI_ENOTFOUND)
        dmpi_err_set(err, DMPI_ENOTFOUND, "there is no %s in %s", path, id);
    free(stat.value);
    return result;
}
