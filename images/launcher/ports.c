// SPDX-License-Identifier: MIT
// Preloaded into a rank when its cluster keeps to a range of ports (`up --ports`): who asks the kernel for
// any TCP port gets one of DOCKMPI_PORTS=FIRST-LAST. gloo, NCCL and most other libraries ask that way and
// know no range of their own; a firewall that opens a range would cut them off. Sockets that are bound to
// the loopback interface need none of it. When the whole range is taken the kernel chooses after all.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int bind_fn(int, const struct sockaddr *, socklen_t);

static int next_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    static _Atomic(bind_fn *) next;
    bind_fn *fn = atomic_load(&next);
    if (!fn) {
        void *found = dlsym(RTLD_NEXT, "bind");
        if (!found) {
            errno = ENOSYS;
            return -1;
        }
        memcpy(&fn, &found, sizeof fn);
        atomic_store(&next, fn);
    }
    return fn(fd, addr, len);
}

static bool range(int *first, int *last)
{
    const char *text = getenv("DOCKMPI_PORTS");
    char rest;
    return text && sscanf(text, "%d-%d%c", first, last, &rest) == 2 && *first > 0 &&
           *last >= *first && *last <= UINT16_MAX;
}

// Where the port stands in an address whose port is the kernel's choice; NULL for all others.
static in_port_t *any_port(struct sockaddr_storage *addr, socklen_t len)
{
    struct sockaddr_in *four = (struct sockaddr_in *)addr;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)addr;
    if (addr->ss_family == AF_INET && len >= sizeof *four && four->sin_port == 0 &&
        (ntohl(four->sin_addr.s_addr) >> 24) != 127)
        return &four->sin_port;
    if (addr->ss_family == AF_INET6 && len >= sizeof *six && six->sin6_port == 0 &&
        !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr))
        return &six->sin6_port;
    return NULL;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

// Two sockets that both may reuse addresses can be bound to one port while neither listens yet, and then the
// second cannot listen: so that is switched off meanwhile.
static bool bind_in_range(int fd, struct sockaddr_storage *addr, socklen_t len, in_port_t *port,
                          int first, int last)
{
    static atomic_uint turn;
    const int off = 0;
    int before = 0;
    bool done = false;
    socklen_t before_len = sizeof before;
    unsigned span = (unsigned)(last - first + 1);
    unsigned start = (unsigned)getpid() * 7 + atomic_fetch_add(&turn, 1);
    getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &before, &before_len);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
    for (unsigned i = 0; i < span && !done; i++) {
        *port = htons((uint16_t)(first + (int)((start + i) % span)));
        done = next_bind(fd, (const struct sockaddr *)addr, len) == 0;
        if (!done && errno != EADDRINUSE)
            break;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &before, sizeof before);
    return done;
}

// glibc declares the second argument as a union, which a definition must repeat.
int bind(int fd, __CONST_SOCKADDR_ARG wanted, socklen_t len)
{
    const struct sockaddr *addr;
    struct sockaddr_storage copy = {0};
    int first, last;
    memcpy(&addr, &wanted, sizeof addr);
    if (!addr || len > sizeof copy || !range(&first, &last))
        return next_bind(fd, addr, len);
    memcpy(&copy, addr, len);
    in_port_t *port = any_port(&copy, len);
    if (port && is_stream(fd) && bind_in_range(fd, &copy, len, port, first, last))
        return 0;
    return next_bind(fd, addr, len);
}
