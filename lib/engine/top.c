// SPDX-License-Identifier: MIT
#include "engine/top.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/http.h"
#include "engine/url.h"

#define BLANKS " \t"

/* At most max words; the last one is all that is left of the line. */
static json_t *words_of(const char *line, size_t max)
{
    json_t *words = dmpi_json_new_arr();
    while (*(line += strspn(line, BLANKS))) {
        bool last = json_array_size(words) + 1 == max;
        size_t len = last ? strlen(line) : strcspn(line, BLANKS);
        dmpi_autofree char *word = dmpi_xstrndup(line, len);
        dmpi_json_add_str(words, word);
        line += len;
    }
    return words;
}

/* The only cell of a row, NULL when there are more. */
static const char *only_cell(const json_t *row)
{
    return json_array_size(row) == 1 ? json_string_value(json_array_get(row, 0)) : NULL;
}

void dmpi_top_columns(json_t *top)
{
    json_t *rows = dmpi_json_arr(top, "Processes"), *row;
    const char *titles = only_cell(dmpi_json_arr(top, "Titles"));
    size_t i;
    if (!titles || !strpbrk(titles, BLANKS))
        return;
    json_t *columns = words_of(titles, SIZE_MAX);
    size_t n = json_array_size(columns);
    dmpi_json_set(top, "Titles", columns);
    json_t *split = dmpi_json_new_arr();
    json_array_foreach (rows, i, row) {
        const char *line = only_cell(row);
        dmpi_json_add(split, line ? words_of(line, n) : json_incref(row));
    }
    dmpi_json_set(top, "Processes", split);
}

int dmpi_container_top(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                       const char *ps_args, json_t **out, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/containers/");
    dmpi_url_add_path(&url, id, false);
    dmpi_buf_adds(&url, "/top");
    dmpi_url_add_query(&url, "ps_args", ps_args);
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(&url), .quick = true};
    if (dmpi_http_json(e, ctl, &req, NULL, out, err) != 0)
        return -1;
    if (!json_is_object(*out)) {
        json_decref(DMPI_STEAL(*out));
        return dmpi_err_set(err, DMPI_EPARSE, "GET %s: the engine's answer is of the wrong kind",
                            req.path);
    }
    dmpi_top_columns(*out);
    return 0;
}
