// SPDX-License-Identifier: MIT
#include "base/yaml_scalar.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const char decimal[] = "0123456789";

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static size_t digits(const char *p)
{
    return strspn(p, decimal);
}

// [-+]?[0-9]+ | 0x[0-9a-fA-F]+ | 0o[0-7]+ ; gives the base, 0 when text is no integer.
static int integer_base(const char *text)
{
    if (strncmp(text, "0x", 2) == 0 && text[2] != '\0')
        return text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0' ? 16 : 0;
    if (strncmp(text, "0o", 2) == 0 && text[2] != '\0')
        return text[2 + strspn(text + 2, "01234567")] == '\0' ? 8 : 0;
    const char *p = text + (*text == '-' || *text == '+');
    return digits(p) > 0 && p[digits(p)] == '\0' ? 10 : 0;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
static bool is_real(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = digits(p);
    p += whole;
    size_t fraction = *p == '.' ? digits(p + 1) : 0;
    p += *p == '.' ? 1 + fraction : 0;
    if (whole + fraction == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '-' || p[1] == '+' ? 2 : 1;
        size_t exponent = digits(p);
        return exponent > 0 && p[exponent] == '\0';
    }
    return *p == '\0';
}

static json_t *new_integer(const char *text, int base, const char **fault)
{
    errno = 0;
    long long n = strtoll(base == 10 ? text : text + 2, NULL, base);
    if (errno != 0) {
        *fault = "this number is too large (put it in quotes if it is a text)";
        return NULL;
    }
    json_t *j = json_integer(n);
    if (!j)
        dmpi_oom();
    return j;
}

static json_t *new_real(const char *text, const char **fault)
{
    // The program's locale must not decide what a decimal point is.
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        dmpi_oom();
    double n = strtod_l(text, NULL, c);
    freelocale(c);
    json_t *j = isfinite(n) ? json_real(n) : NULL;
    if (!j)
        *fault = "this number is too large (put it in quotes if it is a text)";
    return j;
}

json_t *dmpi_yaml_plain(const char *text, const char **fault)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    if (one_of(text, nulls))
        return json_null();
    if (one_of(text, trues))
        return json_true();
    if (one_of(text, falses))
        return json_false();
    int base = integer_base(text);
    if (base != 0)
        return new_integer(text, base, fault);
    if (is_real(text))
        return new_real(text, fault);
    return dmpi_json_new_str(text);
}
