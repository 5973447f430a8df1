// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define NS ((int64_t)1000000000)

int dmpi_text_int(long long *out, const char *s, long long min, long long max)
{
    // strtoll itself would accept leading white space
    if (!isdigit((unsigned char)s[*s == '-' || *s == '+']))
        return -1;
    char *end;
    errno = 0;
    long long n = strtoll(s, &end, 10);
    if (errno != 0 || *end != '\0' || n < min || n > max)
        return -1;
    *out = n;
    return 0;
}

// The number "12" or "1.5" at *s, times 1000; *s moves behind it. -1 when there is none, when it
// has more than three decimals or more than 15 digits.
static int64_t thousandths(const char **s)
{
    int64_t n = 0;
    int digits = 0;
    int decimals = -1; // -1: still before the point
    for (const char *p = *s;; p++) {
        if (isdigit((unsigned char)*p) && digits < 15 && decimals < 3) {
            n = n * 10 + (*p - '0');
            digits++;
            decimals += decimals >= 0;
        } else if (*p == '.' && decimals < 0 && digits > 0 && isdigit((unsigned char)p[1])) {
            decimals = 0;
        } else {
            if (digits == 0 || isdigit((unsigned char)*p))
                return -1;
            *s = p;
            break;
        }
    }
    for (int i = decimals > 0 ? decimals : 0; i < 3; i++)
        n *= 10;
    return n;
}

// milli * unit / 1000, or -1 when that is more than an int64_t holds.
static int64_t scale(int64_t milli, int64_t unit)
{
    int64_t product;
    if (!__builtin_mul_overflow(milli, unit, &product))
        return product / 1000;
    if (__builtin_mul_overflow(milli / 1000, unit, &product))
        return -1;
    return product; // so large that the fraction does not matter
}

int dmpi_text_size(int64_t *out, const char *s, struct dmpi_err *err)
{
    static const char units[] = "kmgtp";
    const char *p = s;
    int64_t milli = thousandths(&p);
    int64_t unit = 1;
    const char *u = *p ? strchr(units, tolower((unsigned char)*p)) : NULL;
    if (u) {
        unit <<= 10 * (u - units + 1);
        p++;
    }
    if (u && tolower((unsigned char)*p) == 'i' && tolower((unsigned char)p[1]) == 'b')
        p++;
    if (tolower((unsigned char)*p) == 'b')
        p++;
    int64_t bytes = milli < 0 || *p ? -1 : scale(milli, unit);
    if (bytes < 0)
        return dmpi_err_set(err, DMPI_EINVAL, "'%s' is not a size: write it like 512m or 8G", s);
    *out = bytes;
    return 0;
}

// The unit at *s in milliseconds; *s moves behind it. 0 when there is none.
static int64_t time_unit(const char **s)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"w", INT64_C(604800000)}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*s, units[i].name, len) == 0) {
            *s += len;
            return units[i].ms;
        }
    }
    return 0;
}

int dmpi_text_duration(int64_t *out_ms, const char *s, struct dmpi_err *err)
{
    const char *p = s;
    int64_t total = 0;
    do {
        int64_t milli = thousandths(&p);
        // seconds may go without unit, but only alone
        bool bare = *p == '\0' && total == 0 && milli >= 0 && isdigit((unsigned char)p[-1]);
        int64_t unit = bare ? 1000 : time_unit(&p);
        int64_t part = milli < 0 || unit == 0 ? -1 : scale(milli, unit);
        if (part < 0 || __builtin_add_overflow(total, part, &total))
            return dmpi_err_set(err, DMPI_EINVAL,
                                "'%s' is not a duration: write it like 90s, 10m or 1h30m", s);
    } while (*p);
    *out_ms = total;
    return 0;
}

// Whether s begins like the pattern, in which 0 stands for any digit.
static bool looks_like(const char *s, const char *pattern)
{
    for (; *pattern; s++, pattern++) {
        if (*pattern == '0' ? !isdigit((unsigned char)*s) : *s != *pattern)
            return false;
    }
    return true;
}

static int digits(const char *s, int n)
{
    int value = 0;
    while (n-- > 0)
        value = value * 10 + (*s++ - '0');
    return value;
}

// The zone at the end of a time, in seconds to be subtracted; -1 when it is none.
static int zone(int *out, const char *s)
{
    *out = 0;
    if (strcmp(s, "Z") == 0)
        return 0;
    if ((!looks_like(s, "+00:00") && !looks_like(s, "-00:00")) || s[6])
        return -1;
    *out = (digits(s + 1, 2) * 60 + digits(s + 4, 2)) * (*s == '-' ? -60 : 60);
    return 0;
}

int dmpi_text_time(int64_t *out_ns, const char *s)
{
    if (!looks_like(s, "0000-00-00T00:00:00"))
        return -1;
    struct tm tm = {.tm_year = digits(s, 4) - 1900,
                    .tm_mon = digits(s + 5, 2) - 1,
                    .tm_mday = digits(s + 8, 2),
                    .tm_hour = digits(s + 11, 2),
                    .tm_min = digits(s + 14, 2),
                    .tm_sec = digits(s + 17, 2)};
    const char *p = s + 19;
    int64_t fraction = 0, unit = NS / 10;
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
            fraction += (*p - '0') * unit;
    int east;
    if (tm.tm_year < 70 || tm.tm_year > 300 || zone(&east, p) < 0)
        return -1;
    *out_ns = ((int64_t)timegm(&tm) - east) * NS + fraction;
    return 0;
}

// NULL, or why s is no name.
static const char *name_fault(const char *s)
{
    if (*s == '\0')
        return "must not be empty";
    if (strlen(s) > 63)
        return "is longer than 63 characters";
    for (const char *p = s; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            return "upper-case letters are not allowed";
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", *p))
            return "only a-z, 0-9, '_', '.' and '-' are allowed";
    }
    return strchr("_.-", *s) ? "must begin with a letter or a digit" : NULL;
}

bool dmpi_text_name_ok(const char *s)
{
    return !name_fault(s);
}

int dmpi_text_name_check(const char *what, const char *s, struct dmpi_err *err)
{
    const char *fault = name_fault(s);
    if (!fault)
        return 0;
    dmpi_autofree char *safe = dmpi_text_print_safe(s);
    return dmpi_err_set(err, DMPI_EINVAL, "%s '%.80s': %s", what, safe, fault);
}

// Length of the valid UTF-8 sequence at p, *cp being its code point; 0 when it is not valid.
static size_t utf8_at(const unsigned char *p, size_t len, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    *cp = n == 1 ? *p : *p & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3F);
    }
    bool ok = *cp >= least[n] && *cp <= 0x10FFFF && (*cp < 0xD800 || *cp > 0xDFFF);
    return ok ? n : 0;
}

bool dmpi_text_utf8_ok(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t cp;
    while (len > 0) {
        size_t n = utf8_at(p, len, &cp);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

// Control characters, and those that reorder or hide what a person reads.
static bool harmful(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || (cp >= 0x200B && cp <= 0x200F) ||
           (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x2069) || cp == 0xFEFF ||
           (cp >= 0xE0000 && cp <= 0xE007F);
}

static void safe(struct dmpi_buf *out, const unsigned char *p, size_t len, bool one_line)
{
    while (len > 0) {
        uint32_t cp = 0;
        size_t n = utf8_at(p, len, &cp);
        if (n == 1 && (*p == '\n' || *p == '\t'))
            dmpi_buf_adds(out, !one_line ? (*p == '\n' ? "\n" : "\t") : *p == '\n' ? "\\n" : "\\t");
        else if (n > 0 && !harmful(cp))
            dmpi_buf_add(out, p, n);
        else
            for (size_t i = 0; i < (n > 0 ? n : 1); i++)
                dmpi_buf_addf(out, "\\x%02x", p[i]);
        n = n > 0 ? n : 1;
        p += n;
        len -= n;
    }
}

void dmpi_text_safe(struct dmpi_buf *out, const void *data, size_t len)
{
    safe(out, data, len, false);
}

char *dmpi_text_print_safe(const char *s)
{
    struct dmpi_buf out = DMPI_BUF_INIT((size_t)-2);
    if (s)
        safe(&out, (const unsigned char *)s, strlen(s), true);
    return dmpi_buf_steal(&out);
}

char *dmpi_text_human_bytes(char out[16], int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double n = bytes < 0 ? 0 : (double)bytes;
    size_t i = 0;
    while (n >= 999.5 && i + 1 < DMPI_ARRAY_LEN(units)) {
        n /= 1024;
        i++;
    }
    snprintf(out, 16, i > 0 && n < 9.95 ? "%.1f%s" : "%.0f%s", n, units[i]);
    return out;
}

char *dmpi_text_human_ms(char out[16], int64_t ms)
{
    int s = ms / 1000 > 999999999 ? 999999999 : (int)(ms / 1000);
    if (ms < 1000)
        snprintf(out, 16, "%dms", ms < 0 ? 0 : (int)ms);
    else if (s < 60)
        snprintf(out, 16, "%ds", s);
    else if (s < 3600)
        snprintf(out, 16, "%dm%02ds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, 16, "%dh%02dm", s / 3600, s % 3600 / 60);
    else
        snprintf(out, 16, "%dd%02dh", s / 86400, s % 86400 / 3600);
    return out;
}

bool dmpi_text_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool dmpi_text_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    a = a < b ? a : b;
    return a < c ? a : c;
}

enum { WORD_MAX = 64 };

// Edits (insert, delete, replace, swap of neighbours) that turn a into b; both at most WORD_MAX.
static size_t distance(const char *a, const char *b)
{
    size_t d[3][WORD_MAX + 1];
    size_t bn = strlen(b);
    for (size_t j = 0; j <= bn; j++)
        d[0][j] = j;
    size_t i = 0;
    for (; a[i]; i++) {
        size_t *prev2 = d[(i + 2) % 3];
        size_t *prev = d[i % 3];
        size_t *cur = d[(i + 1) % 3];
        cur[0] = i + 1;
        for (size_t j = 0; j < bn; j++) {
            cur[j + 1] = min3(prev[j + 1] + 1, cur[j] + 1, prev[j] + (a[i] != b[j]));
            bool swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            if (swapped && prev2[j - 1] + 1 < cur[j + 1])
                cur[j + 1] = prev2[j - 1] + 1;
        }
    }
    return d[i % 3][bn];
}

const char *dmpi_text_suggest(const char *word, const char *const *list)
{
    size_t len = strlen(word);
    if (len > WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = len < 3 ? 2 : 1 + (len + 2) / 3; // one more than is still near
    for (; *list; list++) {
        if (**list == '\0' || strlen(*list) > WORD_MAX)
            continue;
        size_t n = distance(word, *list);
        if (n < best_distance) {
            best = *list;
            best_distance = n;
        }
    }
    return best;
}
