// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/http.h"
#include "engine/jsonstream.h"
#include "engine/url.h"

int dmpi_engine_events(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                       const char *const *filters, int64_t since, int64_t until, dmpi_json_cb cb,
                       void *arg, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    struct dmpi_jsonstream js;
    dmpi_buf_adds(&url, "/events");
    if (since > 0)
        dmpi_url_add_query_int(&url, "since", since);
    if (until > 0)
        dmpi_url_add_query_int(&url, "until", until);
    dmpi_url_add_filters(&url, filters);
    dmpi_jsonstream_init(&js, cb, arg);
    struct dmpi_sink sink = dmpi_sink_to_jsonstream(&js);
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(&url), .sink = &sink};
    int result = dmpi_http_exchange(e, ctl, &req, err);
    if (js.stopped)
        result = 0;
    if (result == 0)
        result = dmpi_jsonstream_finish(&js, err);
    dmpi_jsonstream_free(&js);
    return result;
}
