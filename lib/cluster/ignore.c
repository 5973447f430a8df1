// SPDX-License-Identifier: MIT
#include "cluster/ignore.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"

// Cuts white space and '/' at both ends. Returns where the pattern begins.
static char *trim(char *s)
{
    while (isspace((unsigned char)*s) || *s == '/')
        s++;
    size_t n = strlen(s);
    while (n > 0 && (isspace((unsigned char)s[n - 1]) || s[n - 1] == '/'))
        s[--n] = '\0';
    return s;
}

struct dmpi_strv dmpi_ignore_parse(const char *text)
{
    struct dmpi_strv patterns = DMPI_STRV_INIT;
    struct dmpi_strv lines = dmpi_strv_split(text, '\n');
    for (size_t i = 0; i < lines.n; i++) {
        if (lines.v[i][0] == '#')
            continue;
        char *line = trim(lines.v[i]);
        bool except = *line == '!';
        char *pattern = except ? trim(line + 1) : line;
        if (strncmp(pattern, "./", 2) == 0)
            pattern = trim(pattern + 2);
        if (*pattern)
            dmpi_strv_addf(&patterns, "%s%s", except ? "!" : "", pattern);
    }
    dmpi_strv_free(&lines);
    return patterns;
}

// One part of a pattern against one part of a path.
static bool part_matches(const char *pattern, size_t pattern_len, const char *part, size_t part_len)
{
    dmpi_autofree char *p = dmpi_xstrndup(pattern, pattern_len);
    dmpi_autofree char *s = dmpi_xstrndup(part, part_len);
    return fnmatch(p, s, 0) == 0;
}

static const char *after_part(const char *s, size_t len)
{
    return s[len] == '/' ? s + len + 1 : s + len;
}

// The part at *s, which moves behind it.
static bool take_part(const char **s, const char *part)
{
    size_t n = strcspn(*s, "/");
    bool same = n == strlen(part) && strncmp(*s, part, n) == 0;
    if (same)
        *s = after_part(*s, n);
    return same;
}

// Also true when the pattern ends before the path does: it then names a folder above. Only the last
// ** ever has to be tried again further on, so the work is bounded by the product of the lengths.
static bool matches(const char *pattern, const char *path)
{
    const char *behind_stars = NULL, *again = NULL;
    while (*pattern) {
        size_t p = strcspn(pattern, "/"), s = strcspn(path, "/");
        if (take_part(&pattern, "**")) {
            if (!*pattern)
                return *path != '\0';
            behind_stars = pattern;
            again = path;
        } else if (*path && part_matches(pattern, p, path, s)) {
            pattern = after_part(pattern, p);
            path = after_part(path, s);
        } else if (behind_stars && *again) {
            again = after_part(again, strcspn(again, "/"));
            pattern = behind_stars;
            path = again;
        } else {
            return false;
        }
    }
    return true;
}

bool dmpi_ignore_match(const struct dmpi_strv *patterns, const char *path)
{
    for (size_t i = patterns->n; i-- > 0;) {
        bool except = patterns->v[i][0] == '!';
        if (matches(patterns->v[i] + except, path))
            return !except;
    }
    return false;
}

bool dmpi_ignore_has_exceptions(const struct dmpi_strv *patterns)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (patterns->v[i][0] == '!')
            return true;
    }
    return false;
}
