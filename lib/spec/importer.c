// SPDX-License-Identifier: MIT
// Recognising and collecting hosts.
#include "spec/importer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/endpoint.h"

static bool only(const char *s, const char *set, size_t max)
{
    size_t len = strlen(s);
    return len > 0 && len <= max && strspn(s, set) == len;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

bool dmpi_is_ec2_id(const char *text)
{
    return strncmp(text, "i-", 2) == 0 && strlen(text) >= 10 && only(text + 2, DIGIT "abcdef", 17);
}

bool dmpi_is_ec2_type(const char *text)
{
    static const char *const sizes[] = {"nano",  "micro",  "small", "medium",
                                        "large", "xlarge", "metal"};
    const char *dot = strchr(text, '.');
    if (!dot || !islower((unsigned char)text[0]) || dot - text > 24 ||
        strspn(text, LOWER DIGIT "-") != (size_t)(dot - text))
        return false;
    const char *size = dot + 1 + strspn(dot + 1, DIGIT);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(sizes); i++) {
        size_t len = strlen(sizes[i]);
        if (strncmp(size, sizes[i], len) != 0)
            continue;
        if (size[len] == '\0')
            return true;
        return strcmp(sizes[i], "metal") == 0 && size[len] == '-' &&
               only(size + len + 1, LOWER DIGIT, 8);
    }
    return false;
}

bool dmpi_is_private_addr(const char *addr)
{
    struct in_addr in;
    if (inet_pton(AF_INET, addr, &in) != 1)
        return false;
    uint32_t a = ntohl(in.s_addr);
    return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 22 == 0x191 ||
           a >> 24 == 127 || a >> 16 == 0xa9fe;
}

bool dmpi_is_global_addr6(const char *text)
{
    struct in6_addr in;
    return inet_pton(AF_INET6, text, &in) == 1 && !IN6_IS_ADDR_LINKLOCAL(&in) &&
           !IN6_IS_ADDR_LOOPBACK(&in) && !IN6_IS_ADDR_UNSPECIFIED(&in);
}

char *dmpi_ec2_name_addr(const char *host, bool *is_private)
{
    char text[INET_ADDRSTRLEN];
    unsigned a, b, c, d;
    int end = 0;
    *is_private = strncmp(host, "ip-", 3) == 0;
    const char *rest = *is_private ? host + 3 : strncmp(host, "ec2-", 4) == 0 ? host + 4 : NULL;
    if (!rest || sscanf(rest, "%3u-%3u-%3u-%3u%n", &a, &b, &c, &d, &end) != 4 ||
        (rest[end] != '.' && rest[end] != '\0') || a > 255 || b > 255 || c > 255 || d > 255)
        return NULL;
    snprintf(text, sizeof(text), "%u.%u.%u.%u", a, b, c, d);
    return dmpi_xstrdup(text);
}

const char *dmpi_import_profile(const char *type)
{
    // Families; the longest match decides, so that g4ad is not taken for an NVIDIA g4.
    static const struct {
        const char *prefix, *profile;
    } families[] = {
        {"g4ad", "g4ad"}, {"g3", "g4dn"},  {"g4dn", "g4dn"},        {"g5", "g4dn"},
        {"g6", "g4dn"},   {"gr6", "g4dn"}, {"p2.", "g4dn"},         {"p3", "g4dn"},
        {"p4d", "g4dn"},  {"p5", "g4dn"},  {"p6", "g4dn"},          {"a2-", "g4dn"},
        {"a3-", "g4dn"},  {"g2-", "g4dn"}, {"standard_nc", "g4dn"}, {"standard_nd", "g4dn"},
    };
    for (size_t i = 0; type && i < DMPI_ARRAY_LEN(families); i++) {
        if (strncasecmp(type, families[i].prefix, strlen(families[i].prefix)) == 0)
            return families[i].profile;
    }
    return "cpu";
}

// A copy when text is made of the given characters only, else NULL.
static char *take(const char *text, const char *set, size_t max)
{
    return text && only(text, set, max) ? dmpi_xstrdup(text) : NULL;
}

static char *take_user(const char *user)
{
    return user && user[0] != '-' ? take(user, LOWER UPPER DIGIT "._-", 32) : NULL;
}

static char *take_addr(const char *addr)
{
    if (!addr || !dmpi_host_ok(addr) || strchr(addr, '%'))
        return NULL;
    return dmpi_xstrdup(addr);
}

static bool runs(const char *state)
{
    static const char *const down[] = {"stopped",       "stopping",   "terminated",
                                       "shutting-down", "TERMINATED", NULL};
    for (size_t i = 0; state && down[i]; i++) {
        if (strcasecmp(state, down[i]) == 0)
            return false;
    }
    return true;
}

static void leave_out(struct dmpi_import *import, const struct dmpi_found *f, const char *why)
{
    const char *what = f->id ? f->id : f->name ? f->name : f->type ? f->type : "a host";
    dmpi_autofree char *safe = dmpi_text_print_safe(what);
    if (import->left_out.n < DMPI_IMPORT_HOSTS_MAX)
        dmpi_strv_addf(&import->left_out, "%.80s: %s", safe, why);
}

void dmpi_import_host_free(struct dmpi_import_host *h)
{
    free(h->name);
    free(h->id);
    free(h->type);
    free(h->user);
    free(h->public_addr);
    free(h->private_addr);
    *h = (struct dmpi_import_host){.slots = 0};
}

const char *dmpi_import_control(const struct dmpi_import_host *host)
{
    return host->public_addr ? host->public_addr : host->private_addr;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static struct dmpi_import_host *known(const struct dmpi_import *import,
                                      const struct dmpi_import_host *h)
{
    for (size_t i = 0; i < import->n; i++) {
        struct dmpi_import_host *old = &import->hosts[i];
        bool one_id = !old->id || !h->id || same(old->id, h->id);
        if (same(old->id, h->id) || (one_id && same(old->private_addr, h->private_addr)) ||
            same(dmpi_import_control(old), dmpi_import_control(h)))
            return old;
    }
    return NULL;
}

static void complete(char **have, char **more)
{
    if (!*have)
        *have = DMPI_STEAL(*more);
    free(*more);
    *more = NULL;
}

static void merge(struct dmpi_import_host *old, struct dmpi_import_host *h)
{
    complete(&old->name, &h->name);
    complete(&old->id, &h->id);
    complete(&old->type, &h->type);
    complete(&old->user, &h->user);
    complete(&old->public_addr, &h->public_addr);
    complete(&old->private_addr, &h->private_addr);
    old->slots = old->slots ? old->slots : h->slots;
}

void dmpi_import_add(struct dmpi_import *import, const struct dmpi_found *f)
{
    if (!runs(f->state)) {
        leave_out(import, f, "does not run");
        return;
    }
    if (import->n >= DMPI_IMPORT_HOSTS_MAX) {
        leave_out(import, f, "too many hosts");
        return;
    }
    struct dmpi_import_host h = {
        .name = dmpi_xstrdup(f->name),
        .id = take(f->id, LOWER UPPER DIGIT "-_./:", 200),
        .type = take(f->type, LOWER UPPER DIGIT "._-", 64),
        .user = take_user(f->user),
        .public_addr = take_addr(f->public_addr),
        .private_addr = f->private_addr && dmpi_host_is_address(f->private_addr)
                            ? dmpi_xstrdup(f->private_addr)
                            : NULL,
        .slots = f->slots,
    };
    if (!h.public_addr && f->addr6 && dmpi_is_global_addr6(f->addr6))
        h.public_addr = dmpi_xstrdup(f->addr6);
    struct dmpi_import_host *old = known(import, &h);
    if (old) {
        merge(old, &h);
        return;
    }
    if (!h.public_addr && !h.private_addr) {
        leave_out(import, f, "has no address");
        dmpi_import_host_free(&h);
        return;
    }
    import->hosts = dmpi_xreallocarray(import->hosts, import->n + 1, sizeof(*import->hosts));
    import->hosts[import->n++] = h;
}
