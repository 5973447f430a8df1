// SPDX-License-Identifier: MIT
#include "mesh/facts.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define BEGIN_MARK "dockmpi: facts 1"
#define END_MARK "dockmpi: facts end"
#define LINE_MAX_BYTES (256U << 10)
#define LIST_MAX 8192 // interfaces, routes, addresses: more is not a node

// A directly connected IPv4 network, as the kernel's routing table has it (host byte order).
struct route {
    char iface[DMPI_IFACE_MAX];
    uint32_t network, mask;
    bool gateway;
};

struct parser {
    struct dmpi_facts *facts;
    int (*section)(struct parser *p, char *line, struct dmpi_err *err); // NULL: plain lines
    struct route *routes;
    size_t n_routes;
    uint32_t *local; // IPv4 addresses of the node
    size_t n_local;
    struct dmpi_strv mtus; // "IFACE BYTES"
    bool addresses;        // the precise list was there
};

void dmpi_port_set_add(struct dmpi_port_set *set, int port)
{
    if (port >= 0 && port <= 65535)
        set->bits[port / 8] |= (unsigned char)(1U << (port % 8));
}

bool dmpi_port_set_has(const struct dmpi_port_set *set, int port)
{
    return port >= 0 && port <= 65535 && (set->bits[port / 8] >> (port % 8) & 1U);
}

static int prefix_of_mask(uint32_t mask)
{
    int bits = 0;

    while (bits < 32 && (mask & 0x80000000U >> bits))
        bits++;
    return bits;
}

static void add_iface(struct parser *p, const char *name, int family, const void *addr, int prefix)
{
    struct dmpi_facts *f = p->facts;
    unsigned char network[16] = {0};
    size_t bytes = family == AF_INET ? 4 : 16;

    if (f->n_ifaces >= LIST_MAX)
        return;
    f->ifaces = dmpi_xreallocarray(f->ifaces, f->n_ifaces + 1, sizeof(*f->ifaces));
    struct dmpi_iface *iface = &f->ifaces[f->n_ifaces++];
    *iface = (struct dmpi_iface){.prefix = prefix};
    snprintf(iface->name, sizeof(iface->name), "%s", name);
    memcpy(network, addr, bytes);
    for (size_t bit = (size_t)prefix; bit < bytes * 8; bit++)
        network[bit / 8] &= (unsigned char)~(0x80U >> (bit % 8));
    inet_ntop(family, addr, iface->addr, sizeof(iface->addr));
    inet_ntop(family, network, iface->network, sizeof(iface->network));
}

// "IFACE DESTINATION GATEWAY FLAGS ... MASK", hexadecimal numbers in network byte order.
static int route_line(struct parser *p, char *line, struct dmpi_err *err)
{
    char name[DMPI_IFACE_MAX];
    unsigned network;
    unsigned gateway;
    unsigned flags;
    unsigned mask;

    if (strncmp(line, "Iface", 5) == 0)
        return 0;
    if (sscanf(line, "%31s %8x %8x %4x %*s %*s %*s %8x", name, &network, &gateway, &flags, &mask) !=
        5)
        return dmpi_err_set(err, DMPI_EPARSE, "odd line in the routing table");
    if (p->n_routes >= LIST_MAX || !(flags & 1U))
        return 0;
    p->routes = dmpi_xreallocarray(p->routes, p->n_routes + 1, sizeof(*p->routes));
    struct route *r = &p->routes[p->n_routes++];
    *r = (struct route){.network = ntohl(network), .mask = ntohl(mask), .gateway = gateway != 0};
    snprintf(r->iface, sizeof(r->iface), "%s", name);
    return 0;
}

// "|-- 10.0.0.5" and "/32 host LOCAL" in turn; only the addresses matter.
static int trie_line(struct parser *p, char *line, struct dmpi_err *err)
{
    const char *leaf = strstr(line, "|-- ");
    struct in_addr addr;

    (void)err;
    if (!leaf || inet_pton(AF_INET, leaf + 4, &addr) != 1 || p->n_local >= LIST_MAX)
        return 0;
    for (size_t i = 0; i < p->n_local; i++) { // the kernel prints some addresses twice
        if (p->local[i] == ntohl(addr.s_addr))
            return 0;
    }
    p->local = dmpi_xreallocarray(p->local, p->n_local + 1, sizeof(*p->local));
    p->local[p->n_local++] = ntohl(addr.s_addr);
    return 0;
}

// "32 hex digits, interface index, prefix length, scope, flags, name".
static int inet6_line(struct parser *p, char *line, struct dmpi_err *err)
{
    char hex[33];
    char name[DMPI_IFACE_MAX];
    unsigned prefix;
    unsigned char addr[16];

    if (sscanf(line, "%32s %*x %x %*x %*x %31s", hex, &prefix, name) != 3 || strlen(hex) != 32 ||
        prefix > 128)
        return dmpi_err_set(err, DMPI_EPARSE, "odd line in the IPv6 addresses");
    for (size_t i = 0; i < 16; i++) {
        unsigned byte;

        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return dmpi_err_set(err, DMPI_EPARSE, "odd line in the IPv6 addresses");
        addr[i] = (unsigned char)byte;
    }
    add_iface(p, name, AF_INET6, addr, (int)prefix);
    return 0;
}

// "2: eth0    inet 10.0.0.5/24 brd ...": the precise form, of images that have the ip program.
static int addr_line(struct parser *p, char *line, struct dmpi_err *err)
{
    char name[DMPI_IFACE_MAX];
    char family[8];
    char addr[DMPI_ADDR_MAX];
    int prefix;
    struct in_addr a;

    (void)err;
    if (sscanf(line, "%*d: %31s %7s %45[0-9.]/%d", name, family, addr, &prefix) != 4 ||
        strcmp(family, "inet") != 0 || inet_pton(AF_INET, addr, &a) != 1 || prefix < 0 ||
        prefix > 32)
        return 0; // IPv6, and point-to-point forms, which the other tables have
    name[strcspn(name, "@")] = '\0';
    p->addresses = true;
    add_iface(p, name, AF_INET, &a, prefix);
    return 0;
}

// "0: 0100007F:4E20 00000000:0000 0A ...": state 0A listens.
static int tcp_line(struct parser *p, char *line, struct dmpi_err *err)
{
    unsigned port;
    unsigned state;

    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*4x %2x", &port, &state) != 2)
        return dmpi_err_set(err, DMPI_EPARSE, "odd line in the list of listening ports");
    if (state == 0x0A)
        dmpi_port_set_add(&p->facts->listening, (int)port);
    return 0;
}

static bool env_name_ok(const char *name, size_t len)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return len > 0 && strchr(first, name[0]) && strspn(name, rest) >= len;
}

static int env_line(struct parser *p, char *line, struct dmpi_err *err)
{
    const char *equals = strchr(line, '=');

    (void)err;
    if (!equals || !env_name_ok(line, (size_t)(equals - line)) || p->facts->env.n >= LIST_MAX)
        return 0; // names that no shell could set
    for (char *c = line; *c; c++) {
        if (*c == '\001') // how the script sends newlines
            *c = '\n';
    }
    dmpi_strv_add(&p->facts->env, line);
    return 0;
}

static const struct {
    const char *name;
    int (*line)(struct parser *p, char *line, struct dmpi_err *err);
} sections[] = {
    {"route", route_line}, {"trie", trie_line}, {"inet6", inet6_line},
    {"addr", addr_line},   {"tcp", tcp_line},   {"env", env_line},
};

static int begin_section(struct parser *p, const char *name, struct dmpi_err *err)
{
    for (size_t i = 0; i < DMPI_ARRAY_LEN(sections); i++) {
        if (strcmp(name, sections[i].name) == 0) {
            p->section = sections[i].line;
            return 0;
        }
    }
    return dmpi_err_set(err, DMPI_EPARSE, "unknown section");
}

// How many processors a list such as "0-3,8" has.
static int count_cpus(const char *list)
{
    int count = 0;
    int used;
    unsigned a;
    unsigned b;

    for (; sscanf(list, "%6u%n", &a, &used) == 1; list++) {
        list += used;
        b = a;
        if (*list == '-' && sscanf(list, "-%6u%n", &b, &used) == 1)
            list += used;
        count += b >= a ? (int)(b - a) + 1 : 0;
        if (*list != ',' || count > 1 << 20)
            break;
    }
    return count;
}

static void set_string(char **field, const char *value)
{
    free(*field);
    *field = dmpi_xstrdup(value);
}

// "GID PATH" of a device.
static void device_line(struct dmpi_facts *f, const char *value)
{
    unsigned gid;
    int used = 0;

    if (sscanf(value, "%9u %n", &gid, &used) != 1 || value[used] != '/')
        return;
    f->nvidia += dmpi_text_starts_with(value + used, "/dev/nvidia");
    f->amd += dmpi_text_starts_with(value + used, "/dev/dri/renderD");
    dmpi_autofree char *group = dmpi_xasprintf("%u", gid);
    if (gid != 0 && f->groups.n < LIST_MAX && !dmpi_strv_has(&f->groups, group))
        dmpi_strv_add(&f->groups, group);
}

static int plain_line(struct parser *p, char *line, struct dmpi_err *err)
{
    struct dmpi_facts *f = p->facts;
    char *value = strchr(line, ' ');
    long long n;

    if (value)
        *value++ = '\0';
    else
        value = line + strlen(line);
    if (strcmp(line, "hostname") == 0)
        set_string(&f->hostname, value);
    else if (strcmp(line, "sshd") == 0)
        set_string(&f->sshd, value);
    else if (strcmp(line, "mpirun") == 0)
        set_string(&f->mpirun, value);
    else if (strcmp(line, "uid") == 0 && dmpi_text_int(&n, value, 0, INT32_MAX) == 0)
        f->uid = (int)n;
    else if (strcmp(line, "cpus") == 0)
        f->cpus = count_cpus(value);
    else if (strcmp(line, "ompi") == 0 && dmpi_text_int(&n, value, 4, 9) == 0)
        f->ompi = (int)n;
    else if (strcmp(line, "device") == 0)
        device_line(f, value);
    else if (strcmp(line, "locked") == 0)
        f->root_locked = true;
    else if (strcmp(line, "remapped") == 0)
        f->remapped = true;
    else if (strcmp(line, "penalties") == 0)
        f->sshd_penalties = true;
    else if (strcmp(line, "pdeathsig") == 0)
        f->pdeathsig = true;
    else if (strcmp(line, "guard") == 0)
        f->guard = true;
    else if (strcmp(line, "mtu") == 0 && p->mtus.n < LIST_MAX)
        dmpi_strv_add(&p->mtus, value);
    else if (strcmp(line, "rdma") == 0 && f->rdma.n < LIST_MAX)
        dmpi_strv_add(&f->rdma, value);
    else if (strcmp(line, "ephemeral") == 0 &&
             sscanf(value, "%5d %5d", &f->local_port_min, &f->local_port_max) == 2)
        return 0;
    else if (strcmp(line, "begin") == 0)
        return begin_section(p, value, err);
    else // an image's shell may print words of its own; keep them out of the error text
        return 0;
    return 0;
}

static int any_line(struct parser *p, char *line, struct dmpi_err *err)
{
    if (!p->section)
        return plain_line(p, line, err);
    if (strcmp(line, "end") == 0) {
        p->section = NULL;
        return 0;
    }
    return p->section(p, line, err);
}

// The network that an address belongs to: the connected one with the longest prefix, else (addresses
// of /32, as some clouds give them) the interface of the default route.
static void locate_address(struct parser *p, uint32_t addr)
{
    const struct route *best = NULL;
    const struct route *def = NULL;
    uint32_t be = htonl(addr);

    if (addr >> 24 == 127) {
        add_iface(p, "lo", AF_INET, &be, 8);
        return;
    }
    for (size_t i = 0; i < p->n_routes; i++) {
        const struct route *r = &p->routes[i];

        if (r->mask == 0 && !def)
            def = r;
        if (!r->gateway && r->mask && (addr & r->mask) == r->network &&
            (!best || r->mask > best->mask))
            best = r;
    }
    if (best)
        add_iface(p, best->iface, AF_INET, &be, prefix_of_mask(best->mask));
    else if (def)
        add_iface(p, def->iface, AF_INET, &be, 32);
}

static void settle_ifaces(struct parser *p)
{
    struct dmpi_facts *f = p->facts;

    for (size_t i = 0; i < p->n_local && !p->addresses; i++)
        locate_address(p, p->local[i]);
    for (size_t i = 0; i < f->n_ifaces; i++) {
        for (size_t j = 0; j < p->mtus.n; j++) {
            char name[DMPI_IFACE_MAX];
            int mtu;

            if (sscanf(p->mtus.v[j], "%31s %7d", name, &mtu) == 2 &&
                strcmp(name, f->ifaces[i].name) == 0)
                f->ifaces[i].mtu = mtu;
        }
    }
}

// The line that starts with mark and ends in a newline; NULL when it is not there.
static const char *find_line(const char *text, size_t len, const char *mark)
{
    size_t n = strlen(mark);

    for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), mark, n)); at++) {
        const char *end = at + n;

        if (end < text + len && *end == '\r')
            end++;
        if ((at == text || at[-1] == '\n') && end < text + len && *end == '\n')
            return at;
    }
    return NULL;
}

size_t dmpi_facts_complete(const char *text, size_t len)
{
    const char *end = find_line(text, len, END_MARK);

    if (!end)
        return 0;
    return (size_t)((const char *)memchr(end, '\n', len - (size_t)(end - text)) - text) + 1;
}

static int parse_lines(struct parser *p, const char *at, const char *end, struct dmpi_err *err)
{
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);

        if (len > LINE_MAX_BYTES)
            return dmpi_err_set(err, DMPI_EPARSE, "a line is too long");
        dmpi_autofree char *line = dmpi_xstrndup(at, len);
        line[strcspn(line, "\r")] = '\0';
        if (any_line(p, line, err) != 0)
            return -1;
        at += len + 1;
    }
    return p->section ? dmpi_err_set(err, DMPI_EPARSE, "a section has no end") : 0;
}

int dmpi_facts_parse(struct dmpi_facts *out, const char *text, size_t len, struct dmpi_err *err)
{
    struct parser p = {.facts = out};

    *out = (struct dmpi_facts){.hostname = dmpi_xstrdup("")};
    const char *begin = len <= DMPI_FACTS_MAX ? find_line(text, len, BEGIN_MARK) : NULL;
    const char *end = begin ? find_line(begin, len - (size_t)(begin - text), END_MARK) : NULL;
    if (!end)
        return dmpi_err_set(err, DMPI_EPARSE, "facts of the node: %s",
                            len > DMPI_FACTS_MAX ? "too long" : "incomplete");
    begin += strlen(BEGIN_MARK);
    int rc = parse_lines(&p, begin, end, err);
    if (rc == 0)
        settle_ifaces(&p);
    free(p.routes);
    free(p.local);
    dmpi_strv_free(&p.mtus);
    return rc == 0 ? 0 : dmpi_err_wrap(err, "facts of the node");
}

void dmpi_facts_free(struct dmpi_facts *facts)
{
    if (!facts)
        return;
    free(facts->hostname);
    free(facts->sshd);
    free(facts->mpirun);
    free(facts->ifaces);
    dmpi_strv_free(&facts->groups);
    dmpi_strv_free(&facts->rdma);
    dmpi_strv_free(&facts->env);
    *facts = (struct dmpi_facts){0};
}
