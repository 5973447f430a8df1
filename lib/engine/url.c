// SPDX-License-Identifier: MIT
#include "engine/url.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static bool plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static void add_escaped(struct dmpi_buf *url, const char *text, const char *also)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (plain(*p) || strchr(also, *p))
            dmpi_buf_addc(url, (char)*p);
        else
            dmpi_buf_addf(url, "%%%02X", *p);
    }
}

void dmpi_url_add_path(struct dmpi_buf *url, const char *text, bool slash)
{
    add_escaped(url, text, slash ? "/:@" : ":@");
}

void dmpi_url_add_query(struct dmpi_buf *url, const char *key, const char *value)
{
    if (!value)
        return;
    dmpi_buf_addf(url, "%c%s=", strchr(dmpi_buf_str(url), '?') ? '&' : '?', key);
    add_escaped(url, value, "");
}

void dmpi_url_add_query_int(struct dmpi_buf *url, const char *key, long long value)
{
    dmpi_autofree char *text = dmpi_xasprintf("%lld", value);
    dmpi_url_add_query(url, key, text);
}

void dmpi_url_add_query_flag(struct dmpi_buf *url, const char *key, bool yes)
{
    dmpi_url_add_query(url, key, yes ? "1" : NULL);
}

void dmpi_url_add_filters(struct dmpi_buf *url, const char *const *filters)
{
    if (!filters || !filters[0])
        return;
    dmpi_json_auto json_t *map = dmpi_json_new_obj();
    for (; *filters; filters++) {
        const char *eq = strchr(*filters, '=');
        dmpi_autofree char *key =
            eq ? dmpi_xstrndup(*filters, (size_t)(eq - *filters)) : dmpi_xstrdup(*filters);
        if (!dmpi_json_arr(map, key))
            dmpi_json_set(map, key, dmpi_json_new_arr());
        dmpi_json_add_str(dmpi_json_arr(map, key), eq ? eq + 1 : "");
    }
    dmpi_autofree char *text = dmpi_json_dump(map);
    dmpi_url_add_query(url, "filters", text);
}
