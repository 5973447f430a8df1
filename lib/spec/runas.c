// SPDX-License-Identifier: MIT
#include "spec/runas.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define DIGITS "0123456789"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-"
#define NAME_MAX_LEN 32

static bool is_id(const char *text)
{
    long long n;
    return text[0] && strspn(text, DIGITS) == strlen(text) &&
           dmpi_text_int(&n, text, 0, DMPI_ID_MAX) == 0;
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= NAME_MAX_LEN && strspn(text, NAME_CHARS) == len &&
           !strchr(DIGITS "-.", text[0]);
}

int dmpi_runas_parse(char **out, const char *text, struct dmpi_err *err)
{
    const char *colon = strchr(text, ':');
    dmpi_autofree char *first = dmpi_xstrndup(text, strcspn(text, ":"));
    *out = NULL;
    bool ok = colon ? is_id(first) && is_id(colon + 1) : is_id(first) || is_name(first);
    if (!ok) {
        dmpi_autofree char *safe = dmpi_text_print_safe(text);
        return dmpi_err_set(err, DMPI_EINVAL,
                            "'%.100s': expected UID, UID:GID, or the name of a user of the image",
                            safe);
    }
    long long uid;
    bool root =
        strcmp(first, "root") == 0 || (dmpi_text_int(&uid, first, 0, DMPI_ID_MAX) == 0 && uid == 0);
    if (!root)
        *out = dmpi_xstrdup(text);
    return 0;
}

void dmpi_runas_body(json_t *host_config, const char *user)
{
    json_t *tmpfs = dmpi_json_obj(host_config, "Tmpfs");
    const char *colon = strchr(user, ':');
    if (!colon) // the first container tells
        return;
    dmpi_autofree char *how =
        dmpi_xasprintf("mode=0700,size=16m,uid=%.*s,gid=%s", (int)(colon - user), user, colon + 1);
    dmpi_json_set_str(tmpfs, "/etc/dockmpi", how);
}
