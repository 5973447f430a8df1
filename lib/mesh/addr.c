// SPDX-License-Identifier: MIT
// Questions about a node's addresses (the second half of mesh/facts.h).
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mesh/facts.h"

// Address text in binary; returns its bytes (4 or 16), 0 when malformed.
static size_t parse_addr(unsigned char out[16], const char *text)
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool same_network(const unsigned char *a, const unsigned char *b, int prefix)
{
    size_t whole = (size_t)prefix / 8;
    unsigned mask = 0xFFU << (8 - prefix % 8) & 0xFFU;

    return memcmp(a, b, whole) == 0 && (prefix % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

bool dmpi_addr_is_loopback(const char *addr)
{
    unsigned char a[16];
    size_t bytes = parse_addr(a, addr);

    return (bytes == 4 && a[0] == 127) ||
           (bytes == 16 && memcmp(a, &in6addr_loopback, sizeof(in6addr_loopback)) == 0);
}

const struct dmpi_iface *dmpi_facts_iface(const struct dmpi_facts *facts, const char *addr)
{
    unsigned char wanted[16];
    size_t bytes = parse_addr(wanted, addr);
    bool loopback = dmpi_addr_is_loopback(addr);

    for (size_t i = 0; bytes && i < facts->n_ifaces; i++) {
        unsigned char a[16];

        if (parse_addr(a, facts->ifaces[i].addr) != bytes)
            continue;
        if (memcmp(a, wanted, bytes) == 0 ||
            (loopback && dmpi_addr_is_loopback(facts->ifaces[i].addr)))
            return &facts->ifaces[i];
    }
    return NULL;
}

const char *dmpi_facts_addr_in(const struct dmpi_facts *facts, const char *subnet)
{
    unsigned char network[16];
    const char *slash = strchr(subnet, '/');
    long long prefix;

    if (!slash)
        return NULL;
    dmpi_autofree char *base = dmpi_xstrndup(subnet, (size_t)(slash - subnet));
    size_t bytes = parse_addr(network, base);
    if (!bytes || dmpi_text_int(&prefix, slash + 1, 0, (long long)bytes * 8) != 0)
        return NULL;
    for (size_t i = 0; i < facts->n_ifaces; i++) {
        unsigned char a[16];

        if (parse_addr(a, facts->ifaces[i].addr) == bytes && same_network(a, network, (int)prefix))
            return facts->ifaces[i].addr;
    }
    return NULL;
}

const char *dmpi_facts_rival(const struct dmpi_facts *facts, const char *addr)
{
    const struct dmpi_iface *ours = dmpi_facts_iface(facts, addr);

    for (size_t i = 0; ours && !strchr(addr, ':') && i < facts->n_ifaces; i++) {
        const struct dmpi_iface *other = &facts->ifaces[i];

        if (strcmp(other->name, ours->name) == 0 && !strchr(other->addr, ':') &&
            strcmp(other->network, ours->network) != 0)
            return other->addr;
    }
    return NULL;
}

char *dmpi_iface_cidr(const struct dmpi_iface *iface)
{
    return dmpi_xasprintf("%s/%d", iface->network, iface->prefix);
}

bool dmpi_facts_only_loopback(const struct dmpi_facts *facts)
{
    for (size_t i = 0; i < facts->n_ifaces; i++) {
        if (!dmpi_addr_is_loopback(facts->ifaces[i].addr) &&
            strncmp(facts->ifaces[i].addr, "fe80:", 5) != 0)
            return false;
    }
    return true;
}
