// SPDX-License-Identifier: MIT
// Tables that people copy out of the EC2 console or a terminal. Columns come in any order, headings
// and dates in any language, so cells are told by their form: instance id, instance type, address.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/endpoint.h"
#include "spec/importer.h"

enum kind { NOTHING, ID, TYPE, PUBLIC, PRIVATE, PUBLIC6, STATE, BLANK };

struct row {
    char *id, *type, *public_addr, *private_addr, *addr6, *state, *name;
    int cells; // that told something
};

static void row_free(struct row *r)
{
    free(r->id);
    free(r->type);
    free(r->public_addr);
    free(r->private_addr);
    free(r->addr6);
    free(r->state);
    free(r->name);
    *r = (struct row){.id = NULL};
}

// Length of a Unicode space or of an invisible mark (directions, joiners, byte order) at p, else 0.
static size_t wide_space(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] == 0xc2 && u[1] == 0xa0)
        return 2;
    if (u[0] == 0xe2 && u[1] == 0x80 && (u[2] <= 0x8f || (u[2] >= 0xa8 && u[2] <= 0xaf)))
        return u[2] ? 3 : 0;
    if (u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0x9f && u[2] <= 0xaf)
        return 3;
    if ((u[0] == 0xe3 && u[1] == 0x80 && u[2] == 0x80) ||
        (u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf))
        return 3;
    return 0;
}

// Everything that separates cells becomes a space, except tabs, which separate for certain.
static char *cleaned(const char *line, size_t len)
{
    char *out = dmpi_xstrndup(line, len), *to = out;
    for (const char *p = out; *p;) {
        size_t wide = wide_space(p);
        if (wide) {
            *to++ = ' ';
            p += wide;
        } else {
            *to++ = *p == ',' || *p == '|' || *p == ';' ? '\t' : strchr("\"'\r", *p) ? ' ' : *p;
            p++;
        }
    }
    *to = '\0';
    return out;
}

static bool is_dash(const char *w)
{
    return strcmp(w, "-") == 0 || strcmp(w, "--") == 0 || strcmp(w, "\xe2\x80\x93") == 0 ||
           strcmp(w, "\xe2\x80\x94") == 0;
}

static bool is_state(const char *w)
{
    static const char *const states[] = {"running",  "pending",    "stopped",
                                         "stopping", "terminated", "shutting-down"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(states); i++) {
        if (strcasecmp(w, states[i]) == 0)
            return true;
    }
    return false;
}

// What a word is; for addresses *addr is the address itself, owned by the caller.
static enum kind classify(const char *w, char **addr)
{
    bool is_private = false;
    *addr = NULL;
    if (is_dash(w))
        return BLANK;
    if (dmpi_is_ec2_id(w))
        return ID;
    if (dmpi_is_ec2_type(w))
        return TYPE;
    if (is_state(w))
        return STATE;
    if (dmpi_is_global_addr6(w))
        return PUBLIC6;
    if (dmpi_host_is_address(w) && !strchr(w, ':')) {
        *addr = dmpi_xstrdup(w);
        return dmpi_is_private_addr(w) ? PRIVATE : PUBLIC;
    }
    *addr = dmpi_ec2_name_addr(w, &is_private);
    if (*addr)
        return is_private ? PRIVATE : PUBLIC;
    return NOTHING;
}

static char **slot_of(struct row *r, enum kind kind)
{
    switch (kind) {
    case ID:
        return &r->id;
    case TYPE:
        return &r->type;
    case PUBLIC:
        return &r->public_addr;
    case PRIVATE:
        return &r->private_addr;
    case PUBLIC6:
        return &r->addr6;
    case STATE:
        return &r->state;
    case NOTHING:
    case BLANK:
        break;
    }
    return NULL;
}

static void put(struct row *r, enum kind kind, const char *word, const char *addr)
{
    char **slot = slot_of(r, kind);
    if (slot && !*slot) {
        *slot = dmpi_xstrdup(addr ? addr : word);
        r->cells++;
    }
}

// A word that could be the name somebody gave: not a date, a number, a zone, a check mark.
static bool name_like(const char *w)
{
    if (!isalpha((unsigned char)w[0]) || strlen(w) > 63 || strchr(w, '/') || strchr(w, ':'))
        return false;
    return !dmpi_text_ends_with(w, "amazonaws.com") && !dmpi_text_ends_with(w, ".internal");
}

// The name stands in the cell before or, failing that, after the id.
static void find_name(struct row *r, const struct dmpi_strv *words)
{
    for (size_t i = 0; i < words->n && !r->name && r->id; i++) {
        if (strcmp(words->v[i], r->id) != 0)
            continue;
        char *addr = NULL;
        if (i > 0 && classify(words->v[i - 1], &addr) == NOTHING && name_like(words->v[i - 1]))
            r->name = dmpi_xstrdup(words->v[i - 1]);
        free(addr);
    }
}

static struct dmpi_strv words_of(char *line)
{
    struct dmpi_strv sv = DMPI_STRV_INIT;
    char *save = NULL;
    for (char *w = strtok_r(line, " \t\f\v", &save); w; w = strtok_r(NULL, " \t\f\v", &save))
        dmpi_strv_add(&sv, w);
    return sv;
}

static void flush(struct dmpi_import *import, struct row *r)
{
    struct dmpi_found f = {.name = r->name,
                           .id = r->id,
                           .type = r->type,
                           .public_addr = r->public_addr,
                           .private_addr = r->private_addr,
                           .addr6 = r->addr6,
                           .state = r->state};
    if (r->id || r->public_addr || r->private_addr || r->addr6)
        dmpi_import_add(import, &f);
    row_free(r);
}

// One line of text. A line that tells two things is a row; browsers also copy one cell a line: then
// cells gather in `pending` until one of a kind comes again.
static void read_line(struct dmpi_import *import, struct row *pending, const char *line, size_t len)
{
    dmpi_autofree char *clean = cleaned(line, len);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv words = words_of(clean);
    DMPI_AUTO(row_free) struct row r = {.id = NULL};
    for (size_t i = 0; i < words.n; i++) {
        char *addr = NULL;
        enum kind kind = classify(words.v[i], &addr);
        put(&r, kind, words.v[i], addr);
        free(addr);
    }
    if (r.cells == 0)
        return;
    if (r.cells > 1 || (r.cells == 1 && words.n > 1)) {
        flush(import, pending);
        find_name(&r, &words);
        flush(import, &r);
        return;
    }
    char *addr = NULL;
    enum kind kind = classify(words.v[0], &addr);
    char **slot = slot_of(pending, kind);
    // The same address twice (its DNS name, then itself) is still the same host.
    if (slot && *slot && strcmp(*slot, addr ? addr : words.v[0]) != 0)
        flush(import, pending);
    put(pending, kind, words.v[0], addr);
    free(addr);
}

void dmpi_import_table(struct dmpi_import *import, const char *text, size_t len)
{
    DMPI_AUTO(row_free) struct row pending = {.id = NULL};
    const char *end = text + len;
    while (text < end) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((nl ? nl : end) - text);
        if (n <= 65536)
            read_line(import, &pending, text, n);
        text = nl ? nl + 1 : end;
    }
    flush(import, &pending);
}
