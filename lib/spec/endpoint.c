// SPDX-License-Identifier: MIT
#include "spec/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define URL_MAX 1024
#define TCP_PORT 2375
#define TLS_PORT 2376

bool dmpi_host_is_address(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1;
}

bool dmpi_host_is_loopback(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

// An IPv6 address, perhaps with a zone ("fe80::1%eth0").
static bool is_ipv6(const char *host)
{
    struct in6_addr six;
    char addr[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t len = zone ? (size_t)(zone - host) : strlen(host);
    if (len >= sizeof(addr) || (zone && (zone[1] == '\0' || strlen(zone) > IF_NAMESIZE)))
        return false;
    memcpy(addr, host, len);
    addr[len] = '\0';
    return inet_pton(AF_INET6, addr, &six) == 1;
}

static bool only(const char *s, const char *extra)
{
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
            return false;
    }
    return true;
}

bool dmpi_host_ok(const char *host)
{
    size_t len = strlen(host);
    if (len == 0 || len > 253 || host[0] == '-' || host[0] == '.')
        return false;
    if (strchr(host, ':'))
        return only(host, ".:%-_") && is_ipv6(host);
    return only(host, ".-_");
}

static bool user_ok(const char *user)
{
    return user[0] != '\0' && user[0] != '-' && strlen(user) <= 64 && only(user, "._-\\");
}

static int bad(struct dmpi_err *err, const char *url, const char *why)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(url);
    return dmpi_err_set(err, DMPI_EINVAL, "endpoint '%.200s': %s", safe, why);
}

// "HOST", "HOST:PORT", "[V6]:PORT" of length len. An absent port leaves ep->port alone.
static int parse_host(struct dmpi_endpoint *ep, const char *text, size_t len, const char *url,
                      struct dmpi_err *err)
{
    dmpi_autofree char *copy = dmpi_xstrndup(text, len);
    char *host = copy, *port = NULL;
    if (copy[0] == '[') {
        char *end = strchr(copy, ']');
        if (!end)
            return bad(err, url, "']' is missing");
        if (end[1] != '\0' && end[1] != ':')
            return bad(err, url, "expected ':PORT' after ']'");
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
        host = copy + 1;
        if (!strchr(host, ':'))
            return bad(err, url, "only an IPv6 address stands in brackets");
    } else if ((port = strchr(copy, ':'))) {
        if (strchr(port + 1, ':'))
            return bad(err, url, "an IPv6 address needs brackets, as in tcp://[::1]:2376");
        *port++ = '\0';
    }
    if (!dmpi_host_ok(host))
        return bad(err, url, host[0] ? "malformed host name" : "host name is missing");
    long long number = 0;
    if (port && dmpi_text_int(&number, port, 1, 65535))
        return bad(err, url, "port must be a number from 1 to 65535");
    if (port) {
        ep->port = (int)number;
        ep->port_given = true;
    }
    ep->host = dmpi_xstrdup(host);
    return 0;
}

static int parse_unix(struct dmpi_endpoint *ep, const char *path, const char *url,
                      struct dmpi_err *err)
{
    ep->scheme = DMPI_UNIX;
    if (path[0] != '/' || path[1] == '\0')
        return bad(err, url, "expected unix:///path/to/docker.sock");
    ep->path = dmpi_xstrdup(path);
    return 0;
}

static int parse_tcp(struct dmpi_endpoint *ep, const char *rest, bool tls, const char *url,
                     struct dmpi_err *err)
{
    ep->scheme = DMPI_TCP;
    ep->tls = tls;
    ep->port = tls ? TLS_PORT : TCP_PORT;
    size_t len = strcspn(rest, "/");
    if (rest[len] != '\0' && strcmp(rest + len, "/") != 0)
        return bad(err, url, "a path has no meaning here");
    if (memchr(rest, '@', len))
        return bad(err, url, "user and password have no meaning here");
    return parse_host(ep, rest, len, url, err);
}

static int parse_ssh(struct dmpi_endpoint *ep, const char *rest, const char *url,
                     struct dmpi_err *err)
{
    ep->scheme = DMPI_SSH;
    size_t len = strcspn(rest, "/");
    const char *at = memchr(rest, '@', len);
    if (at) {
        ep->user = dmpi_xstrndup(rest, (size_t)(at - rest));
        if (strchr(ep->user, ':'))
            return bad(err, url, "no passwords in a URL: use a key or an agent");
        if (!user_ok(ep->user))
            return bad(err, url, "malformed user name");
        len -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    if (parse_host(ep, rest, len, url, err))
        return -1;
    const char *path = rest[len] == '/' && rest[len + 1] ? rest + len : DMPI_DOCKER_SOCK;
    ep->path = dmpi_xstrdup(path);
    return 0;
}

static int parse(struct dmpi_endpoint *ep, const char *url, struct dmpi_err *err)
{
    if (strlen(url) > URL_MAX)
        return dmpi_err_set(err, DMPI_EINVAL, "endpoint is longer than %d bytes", URL_MAX);
    for (const char *p = url; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return bad(err, url, "white space and control characters are not allowed");
    }
    if (dmpi_text_starts_with(url, "unix://"))
        return parse_unix(ep, url + 7, url, err);
    if (dmpi_text_starts_with(url, "tcp://"))
        return parse_tcp(ep, url + 6, false, url, err);
    if (dmpi_text_starts_with(url, "http://"))
        return parse_tcp(ep, url + 7, false, url, err);
    if (dmpi_text_starts_with(url, "https://"))
        return parse_tcp(ep, url + 8, true, url, err);
    if (dmpi_text_starts_with(url, "ssh://"))
        return parse_ssh(ep, url + 6, url, err);
    if (url[0] == '/')
        return parse_unix(ep, url, url, err);
    return bad(err, url, "expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST");
}

int dmpi_endpoint_parse(struct dmpi_endpoint *out, const char *url, struct dmpi_err *err)
{
    *out = (struct dmpi_endpoint)DMPI_ENDPOINT_INIT;
    if (parse(out, url, err)) {
        dmpi_endpoint_free(out);
        return -1;
    }
    out->url = dmpi_xstrdup(url);
    return 0;
}

int dmpi_endpoint_check(const struct dmpi_endpoint *ep, struct dmpi_err *err)
{
    if (ep->scheme != DMPI_TCP || ep->tls || ep->insecure_plain || dmpi_host_is_loopback(ep->host))
        return 0;
    return dmpi_err_set(err, DMPI_EINVAL,
                        "endpoint '%s': plain tcp lets everybody on the network be root on that "
                        "host: give the folder of the TLS certificates (tls: DIR, or "
                        "DOCKER_TLS_VERIFY=1), use ssh://, or say insecure: true",
                        ep->url);
}

void dmpi_endpoint_use_tls(struct dmpi_endpoint *ep, const char *dir)
{
    ep->tls = true;
    if (!ep->port_given)
        ep->port = TLS_PORT;
    if (dir) {
        free(ep->tls_dir);
        ep->tls_dir = dmpi_xstrdup(dir);
    }
}

void dmpi_endpoint_copy(struct dmpi_endpoint *out, const struct dmpi_endpoint *ep)
{
    *out = *ep;
    out->user = dmpi_xstrdup(ep->user);
    out->host = dmpi_xstrdup(ep->host);
    out->path = dmpi_xstrdup(ep->path);
    out->tls_dir = dmpi_xstrdup(ep->tls_dir);
    out->identity = dmpi_xstrdup(ep->identity);
    out->known_hosts = dmpi_xstrdup(ep->known_hosts);
    out->url = dmpi_xstrdup(ep->url);
}

void dmpi_endpoint_free(struct dmpi_endpoint *ep)
{
    if (!ep)
        return;
    free(ep->user);
    free(ep->host);
    free(ep->path);
    free(ep->tls_dir);
    free(ep->identity);
    free(ep->known_hosts);
    free(ep->url);
    *ep = (struct dmpi_endpoint)DMPI_ENDPOINT_INIT;
}

char *dmpi_endpoint_str(const struct dmpi_endpoint *ep)
{
    if (ep->scheme == DMPI_UNIX)
        return dmpi_xasprintf("unix://%s", ep->path ? ep->path : DMPI_DOCKER_SOCK);
    bool six = strchr(ep->host, ':') != NULL;
    dmpi_autofree char *host = dmpi_xasprintf("%s%s%s", six ? "[" : "", ep->host, six ? "]" : "");
    if (ep->scheme == DMPI_TCP)
        return dmpi_xasprintf("%s://%s:%d", ep->tls ? "https" : "tcp", host, ep->port);
    char port[16] = "";
    if (ep->port)
        snprintf(port, sizeof(port), ":%d", ep->port);
    return dmpi_xasprintf("ssh://%s%s%s%s%s", ep->user ? ep->user : "", ep->user ? "@" : "", host,
                          port, strcmp(ep->path, DMPI_DOCKER_SOCK) == 0 ? "" : ep->path);
}

bool dmpi_endpoint_local(const struct dmpi_endpoint *ep)
{
    return ep->scheme == DMPI_UNIX || dmpi_host_is_loopback(ep->host);
}
