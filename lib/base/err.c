// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char ellipsis[] = "...";

// Formats into msg, which may be too small: the cut is then visible.
__attribute__((format(printf, 3, 0))) static void format(char *msg, size_t size, const char *fmt,
                                                         va_list ap)
{
    int n = vsnprintf(msg, size, fmt, ap);
    if (n < 0)
        snprintf(msg, size, "%s", fmt);
    else if ((size_t)n >= size)
        memcpy(msg + size - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
}

int dmpi_err_set(struct dmpi_err *err, enum dmpi_code code, const char *fmt, ...)
{
    char msg[sizeof(err->msg)]; // the arguments may point into err->msg
    va_list ap;
    va_start(ap, fmt);
    format(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    err->code = code;
    memcpy(err->msg, msg, sizeof(msg));
    return -1;
}

static enum dmpi_code code_of(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return DMPI_ENOTFOUND;
    case EACCES:
    case EPERM:
        return DMPI_EDENIED;
    case EEXIST:
        return DMPI_ECONFLICT;
    default:
        return DMPI_ESYS;
    }
}

// strerror_r has two incompatible forms; this picks the text from whichever the C library gives.
static const char *text_of(int errnum, char *buf, size_t size)
{
#ifdef __GLIBC__
    return strerror_r(errnum, buf, size);
#else
    if (strerror_r(errnum, buf, size) != 0)
        snprintf(buf, size, "error %d", errnum);
    return buf;
#endif
}

int dmpi_err_sys(struct dmpi_err *err, int errnum, const char *fmt, ...)
{
    char msg[sizeof(err->msg)];
    char text[128];
    va_list ap;
    va_start(ap, fmt);
    format(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    return dmpi_err_set(err, code_of(errnum), "%s: %s", msg, text_of(errnum, text, sizeof(text)));
}

int dmpi_err_wrap(struct dmpi_err *err, const char *fmt, ...)
{
    char context[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    format(context, sizeof(context), fmt, ap);
    va_end(ap);
    return dmpi_err_set(err, err->code, "%s: %s", context, err->msg);
}

const char *dmpi_code_name(enum dmpi_code code)
{
    static const char *const names[] = {
        [DMPI_OK] = "ok",
        [DMPI_EINVAL] = "invalid",
        [DMPI_ENOTFOUND] = "not found",
        [DMPI_ECONFLICT] = "conflict",
        [DMPI_EUNREACHABLE] = "unreachable",
        [DMPI_EDENIED] = "denied",
        [DMPI_ETIMEOUT] = "timeout",
        [DMPI_ECANCELED] = "canceled",
        [DMPI_EENGINE] = "engine",
        [DMPI_ESYS] = "system",
        [DMPI_EPARSE] = "malformed",
        [DMPI_EPARTIAL] = "partial",
    };
    size_t i = (size_t)code;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}
