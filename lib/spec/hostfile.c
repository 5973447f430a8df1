// SPDX-License-Identifier: MIT
#include "spec/hostfile.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "spec/endpoint.h"
#include "spec/spec.h"

#define HOSTS_MAX 4096
#define LINE_MAX_BYTES 4096

struct parser {
    struct dmpi_hostfile *out;
    const char *name;
    int line;
};

static int fail(const struct parser *p, struct dmpi_err *err, const char *why, const char *word)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(word);
    return dmpi_err_set(err, DMPI_EPARSE, "%s:%d: %s: '%.100s'", p->name, p->line, why, safe);
}

// The words of a line up to a comment. A copy, owned by the caller.
static struct dmpi_strv words(char *line)
{
    struct dmpi_strv sv = DMPI_STRV_INIT;
    char *save = NULL;
    line[strcspn(line, "#")] = '\0';
    for (char *w = strtok_r(line, " \t\r\f\v", &save); w; w = strtok_r(NULL, " \t\r\f\v", &save))
        dmpi_strv_add(&sv, w);
    return sv;
}

static int slots_of(const struct parser *p, int *slots, const char *text, struct dmpi_err *err)
{
    long long n = 0;
    if (dmpi_text_int(&n, text, 1, DMPI_SLOTS_MAX))
        return fail(p, err, "slots must be a number from 1 to 4096", text);
    *slots = (int)n;
    return 0;
}

static bool user_ok(const char *user)
{
    size_t len = strlen(user);
    return len > 0 && len <= 64 && user[0] != '-' &&
           strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

// "user@host", "host:4", "[::1]:4", "::1".
static int parse_host(const struct parser *p, struct dmpi_hostfile_line *h, const char *word,
                      struct dmpi_err *err)
{
    const char *at = strchr(word, '@');
    if (at) {
        h->user = dmpi_xstrndup(word, (size_t)(at - word));
        if (!user_ok(h->user))
            return fail(p, err, "malformed user name", h->user);
    }
    dmpi_autofree char *copy = dmpi_xstrdup(at ? at + 1 : word);
    char *host = copy, *colon = strchr(copy, ':');
    if (host[0] == '[') {
        char *end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return fail(p, err, "malformed host", word);
        colon = end[1] ? end + 1 : NULL;
        *end = '\0';
        host++;
    } else if (colon && strchr(colon + 1, ':')) {
        colon = NULL; // a bare IPv6 address
    }
    if (colon) {
        *colon = '\0';
        if (slots_of(p, &h->slots, colon + 1, err))
            return -1;
    }
    if (!dmpi_host_ok(host))
        return fail(p, err, "malformed host", word);
    h->host = dmpi_xstrdup(host);
    return 0;
}

static int parse_attribute(const struct parser *p, struct dmpi_hostfile_line *h, const char *word,
                           struct dmpi_err *err)
{
    static const char *const known[] = {"slots", "max-slots", "max_slots", NULL};
    const char *eq = strchr(word, '=');
    dmpi_autofree char *key = dmpi_xstrndup(word, eq ? (size_t)(eq - word) : strlen(word));
    if (eq && strcmp(key, "slots") == 0)
        return slots_of(p, &h->slots, eq + 1, err);
    if (eq && (strcmp(key, "max-slots") == 0 || strcmp(key, "max_slots") == 0)) {
        int limit = 0;
        return slots_of(p, &limit, eq + 1, err);
    }
    const char *near = dmpi_text_suggest(key, known);
    if (near) {
        dmpi_autofree char *why = dmpi_xasprintf("did you mean '%s=N'? unknown word", near);
        return fail(p, err, why, word);
    }
    return fail(p, err, "expected HOST, HOST:N or HOST slots=N; unknown word", word);
}

static void line_free(struct dmpi_hostfile_line *h)
{
    free(h->user);
    free(h->host);
    *h = (struct dmpi_hostfile_line){.line = 0};
}

static bool same_user(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct dmpi_hostfile_line *find(const struct dmpi_hostfile *hf,
                                       const struct dmpi_hostfile_line *h)
{
    for (size_t i = 0; i < hf->n; i++) {
        if (strcmp(hf->hosts[i].host, h->host) == 0)
            return &hf->hosts[i];
    }
    return NULL;
}

// Takes what h holds.
static int add(const struct parser *p, struct dmpi_hostfile_line *h, struct dmpi_err *err)
{
    struct dmpi_hostfile *hf = p->out;
    struct dmpi_hostfile_line *old = find(hf, h);
    if (old && !same_user(old->user, h->user))
        return fail(p, err, "this host has another user above", h->host);
    if (old) {
        int sum = (old->slots ? old->slots : 1) + (h->slots ? h->slots : 1);
        if (sum > DMPI_SLOTS_MAX)
            return fail(p, err, "more than 4096 slots", h->host);
        old->slots = sum;
        return 0;
    }
    if (hf->n == HOSTS_MAX)
        return fail(p, err, "more than 4096 hosts", h->host);
    hf->hosts = dmpi_xreallocarray(hf->hosts, hf->n + 1, sizeof(*hf->hosts));
    h->line = p->line;
    hf->hosts[hf->n++] = *h;
    *h = (struct dmpi_hostfile_line){.line = 0};
    return 0;
}

static int parse_line(const struct parser *p, char *line, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv w = words(line);
    DMPI_AUTO(line_free) struct dmpi_hostfile_line h = {.line = 0};
    if (w.n == 0)
        return 0;
    if (parse_host(p, &h, w.v[0], err))
        return -1;
    for (size_t i = 1; i < w.n; i++) {
        if (parse_attribute(p, &h, w.v[i], err))
            return -1;
    }
    return add(p, &h, err);
}

static int parse(struct parser *p, const char *text, size_t len, struct dmpi_err *err)
{
    const char *end = text + len;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    while (text < end) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((nl ? nl : end) - text);
        p->line++;
        if (n > LINE_MAX_BYTES || memchr(text, '\0', n))
            return dmpi_err_set(err, DMPI_EPARSE, "%s:%d: not a hostfile", p->name, p->line);
        dmpi_autofree char *line = dmpi_xstrndup(text, n);
        if (parse_line(p, line, err))
            return -1;
        text = nl ? nl + 1 : end;
    }
    if (p->out->n == 0)
        return dmpi_err_set(err, DMPI_EPARSE, "%s: no host in it", p->name);
    return 0;
}

int dmpi_hostfile_parse(struct dmpi_hostfile *out, const char *text, size_t len, const char *name,
                        struct dmpi_err *err)
{
    *out = (struct dmpi_hostfile){NULL, 0};
    struct parser p = {out, name, 0};
    if (parse(&p, text ? text : "", text ? len : 0, err)) {
        dmpi_hostfile_free(out);
        return -1;
    }
    return 0;
}

void dmpi_hostfile_free(struct dmpi_hostfile *hf)
{
    if (!hf)
        return;
    for (size_t i = 0; i < hf->n; i++)
        line_free(&hf->hosts[i]);
    free(hf->hosts);
    *hf = (struct dmpi_hostfile){NULL, 0};
}
