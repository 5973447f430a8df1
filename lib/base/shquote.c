// SPDX-License-Identifier: MIT
#include "base/shquote.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *quote(const char *arg)
{
    size_t len = 2;
    for (const char *p = arg; *p; p++)
        len += *p == '\'' ? 4 : 1;
    char *out = dmpi_xmalloc(len + 1);
    char *to = out;
    *to++ = '\'';
    for (const char *p = arg; *p; p++) {
        if (*p == '\'')
            to = stpcpy(to, "'\\''");
        else
            *to++ = *p;
    }
    *to++ = '\'';
    *to = '\0';
    return out;
}

char *dmpi_shquote(const char *arg)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789_@%+=:,./-";
    bool is_plain = *arg != '\0' && arg[strspn(arg, plain)] == '\0';
    return is_plain ? dmpi_xstrdup(arg) : quote(arg);
}

char *dmpi_shquote_argv(const struct dmpi_strv *argv)
{
    struct dmpi_strv words = DMPI_STRV_INIT;
    for (size_t i = 0; i < argv->n; i++) {
        bool assignment = i == 0 && strchr(argv->v[0], '=');
        dmpi_strv_take(&words, assignment ? quote(argv->v[0]) : dmpi_shquote(argv->v[i]));
    }
    char *out = dmpi_strv_join(&words, " ");
    dmpi_strv_free(&words);
    return out;
}
