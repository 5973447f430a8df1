// SPDX-License-Identifier: MIT
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

void dmpi_secret_wipe(void *p, size_t len)
{
    if (p && len > 0)
        explicit_bzero(p, len);
}

void dmpi_secret_free(char *p, size_t len)
{
    dmpi_secret_wipe(p, len);
    free(p);
}

void dmpi_secret_buf_free(struct dmpi_buf *buf)
{
    if (!buf)
        return;
    dmpi_secret_wipe(buf->data, buf->cap);
    dmpi_buf_free(buf);
}

void dmpi_secret_process(void)
{
#ifndef SANITIZED
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); // an old kernel's refusal changes nothing
#endif
}

bool dmpi_secret_named(const char *entry)
{
    static const char *const signs[] = {"TOKEN", "SECRET", "PASSW", "KEY", "CREDENTIAL"};
    dmpi_autofree char *name = dmpi_xstrndup(entry, strcspn(entry, "="));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(signs); i++) {
        if (strcasestr(name, signs[i]))
            return true;
    }
    return false;
}

char *dmpi_secret_shown(const char *entry)
{
    if (!strchr(entry, '=') || !dmpi_secret_named(entry))
        return dmpi_xstrdup(entry);
    return dmpi_xasprintf("%.*s=(hidden)", (int)strcspn(entry, "="), entry);
}
