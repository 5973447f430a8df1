// SPDX-License-Identifier: MIT
#include "engine/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"

#define QUOTED_MAX 300

static enum dmpi_code code_of(long status)
{
    switch (status) {
    case 400:
        return DMPI_EINVAL;
    case 401:
    case 403:
        return DMPI_EDENIED;
    case 404:
        return DMPI_ENOTFOUND;
    case 409:
        return DMPI_ECONFLICT;
    default:
        return DMPI_EENGINE;
    }
}

/* The body's "message", of a copy that the caller frees; NULL when it has none. */
static char *message_of(const char *body, size_t len)
{
    struct dmpi_err ignored;
    dmpi_json_auto json_t *object = NULL;
    if (len == 0 || dmpi_json_parse(&object, body, len, &ignored) != 0)
        return NULL;
    const char *text = dmpi_json_str(object, "message");
    if (!text || !*text)
        text = dmpi_json_str(object, "cause"); /* Podman */
    return text && *text ? dmpi_text_print_safe(text) : NULL;
}

static char *quote(const char *body, size_t len)
{
    size_t n = len > QUOTED_MAX ? QUOTED_MAX : len;
    while (n > 0 && strchr(" \r\n\t", body[n - 1]))
        n--;
    dmpi_autofree char *text = dmpi_xstrndup(body, n);
    return dmpi_text_print_safe(text);
}

int dmpi_answer_error(long status, const char *body, size_t len, struct dmpi_err *err)
{
    dmpi_autofree char *message = message_of(body, len);
    if (message && status == 400 && strstr(message, "is too old. Minimum supported API"))
        return dmpi_err_set(err, DMPI_EENGINE,
                            "the engine is too new for this dockmpi, which speaks API %s to %s: %s",
                            DMPI_API_MIN, DMPI_API_MAX, message);
    if (message)
        return dmpi_err_set(err, code_of(status), "%s", message);
    if (len == 0)
        return dmpi_err_set(err, code_of(status), "the engine answered HTTP %ld without a reason",
                            status);
    dmpi_autofree char *text = quote(body, len);
    return dmpi_err_set(err, code_of(status), "the engine answered HTTP %ld: %s", status, text);
}

int dmpi_answer_api(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    unsigned long major = strtoul(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return -1;
    unsigned long minor = strtoul(end + 1, &end, 10);
    if (*end || major > 99 || minor > 999)
        return -1;
    return (int)(major * 1000 + minor);
}

const char *dmpi_answer_choose_api(const char *theirs)
{
    int version = dmpi_answer_api(theirs);
    if (version < dmpi_answer_api(DMPI_API_MIN))
        return NULL;
    return version < dmpi_answer_api(DMPI_API_MAX) ? theirs : DMPI_API_MAX;
}

static const char *find_blank_line(const char *data, size_t len)
{
    return memmem(data, len, "\r\n\r\n", 4);
}

/* "HTTP/1.1 101 UPGRADED" -> 101, or -1. */
static long status_of(const char *data, size_t len)
{
    static const char start[] = "HTTP/1.";
    size_t n = sizeof start - 1;
    if (len < n + 5 || memcmp(data, start, n) != 0 || data[n + 1] != ' ')
        return -1;
    long status = 0;
    for (size_t i = n + 2; i < n + 5; i++) {
        if (data[i] < '0' || data[i] > '9')
            return -1;
        status = status * 10 + (data[i] - '0');
    }
    return status >= 100 ? status : -1;
}

static long long length_of(const char *head, size_t len)
{
    static const char key[] = "\r\ncontent-length:";
    dmpi_autofree char *text = dmpi_xstrndup(head, len);
    const char *found = strcasestr(text, key);
    if (!found)
        return -1;
    long long length = strtoll(found + sizeof key - 1, NULL, 10);
    return length < 0 ? -1 : length;
}

long dmpi_answer_head(const char *data, size_t len, long *status, long long *length)
{
    size_t known = len < 7 ? len : 7;
    if (memcmp(data, "HTTP/1.", known) != 0)
        return -1;
    const char *end = find_blank_line(data, len);
    if (!end)
        return 0;
    size_t head = (size_t)(end - data) + 4;
    *status = status_of(data, head);
    *length = length_of(data, head);
    return *status < 0 ? -1 : (long)head;
}
