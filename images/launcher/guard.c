// SPDX-License-Identifier: MIT
// Preloaded into mpirun and its launch daemons: they talk only to each other. Neither PRRTE 3.0 nor ORTE asks who
// connects, and both listen on all addresses. So the kernel signs each of their TCP segments by the key of the
// cluster and drops those without (RFC 2385, TCP_MD5SIG): who has no key gets no connection.
//
// It acts in the programs of mpirun alone, and leaves LD_PRELOAD there, so that neither ssh nor a rank has it.
// What comes before them (mpirun of Open MPI 5, a script in place of prted) hands it on. A socket on loopback
// stays as it is: those are PMIx's, which ranks dial. When a socket cannot be signed the program ends.
//
// DOCKMPI_GUARD=probe: prints "guard" where the kernel can do this, and ends.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_FILE "/etc/dockmpi/daemon_key"
#define ADDRESS_BITS 128 // more than any prefix: exactly this address
// After the first: 15 s. A network that loses what is signed would hang for minutes.
#define CONNECT_TRIES 3

static struct {
    char bytes[TCP_MD5SIG_MAXKEYLEN];
    size_t len; // 0: this program is none of mpirun's
} key;

__attribute__((noreturn)) static void refuse(const char *what)
{
    dprintf(STDERR_FILENO, "dockmpi: %s: %s: %s: mpirun's connections would be open to anybody\n",
            program_invocation_short_name, what, strerror(errno));
    _exit(1);
}

// Peers with this address, or in the network of so many bits around it, must sign.
static int sign(int fd, const struct sockaddr *addr, socklen_t len, int bits)
{
    struct tcp_md5sig sig = {.tcpm_keylen = (uint16_t)key.len};
    int option = TCP_MD5SIG;

    memcpy(&sig.tcpm_addr, addr, len);
    memcpy(sig.tcpm_key, key.bytes, key.len);
    if (bits < ADDRESS_BITS) {
        option = TCP_MD5SIG_EXT;
        sig.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
        sig.tcpm_prefixlen = (uint8_t)bits;
    }
    return setsockopt(fd, IPPROTO_TCP, option, &sig, sizeof sig);
}

// Everybody who dials. An IPv6 socket takes calls by IPv4, too, and has keys of their own for them.
static int sign_all(int fd, int family)
{
    const struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (family == AF_INET)
        return sign(fd, (const struct sockaddr *)&four, sizeof four, 0);
    if (sign(fd, (const struct sockaddr *)&six, sizeof six, 0) != 0)
        return -1;
    six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xFF;
    return sign(fd, (const struct sockaddr *)&six, sizeof six, 0);
}

// Whether mpirun's traffic goes there: TCP that leaves, or can leave, this machine.
static bool is_open(int fd, const struct sockaddr *addr)
{
    int type = 0;
    socklen_t len = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
        return false;
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)addr;
        return ntohl(four->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
    }
    if (addr->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)addr)->sin6_addr;
        return !IN6_IS_ADDR_LOOPBACK(six) &&
               !(IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == IN_LOOPBACKNET);
    }
    return false;
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found) {
        errno = ENOSYS;
        refuse(name);
    }
    return found;
}

int listen(int fd, int backlog)
{
    int (*fn)(int, int);
    void *found = next("listen");
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    if (key.len > 0 && getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
        is_open(fd, (const struct sockaddr *)&addr) && sign_all(fd, addr.ss_family) != 0)
        refuse("cannot sign what it listens on");
    memcpy(&fn, &found, sizeof fn);
    return fn(fd, backlog);
}

// glibc declares the second argument as a union, which a definition must repeat.
int connect(int fd, __CONST_SOCKADDR_ARG wanted, socklen_t len)
{
    int (*fn)(int, const struct sockaddr *, socklen_t);
    void *found = next("connect");
    const struct sockaddr *addr;
    struct sockaddr_storage copy = {0};
    const int tries = CONNECT_TRIES;

    memcpy(&addr, &wanted, sizeof addr);
    if (key.len > 0 && addr && len <= sizeof copy) {
        memcpy(&copy, addr, len);
        if (is_open(fd, (const struct sockaddr *)&copy)) {
            if (sign(fd, (const struct sockaddr *)&copy, len, ADDRESS_BITS) != 0)
                refuse("cannot sign a connection");
            setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof tries);
        }
    }
    memcpy(&fn, &found, sizeof fn);
    return fn(fd, addr, len);
}

static bool is_mpirun(void)
{
    static const char *const names[] = {"prte", "prterun", "prted", "orterun", "orted"};
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    if (len < 0)
        return false;
    path[len] = '\0';
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

// Takes this library, and no other, out of LD_PRELOAD.
static void leave_preload(void)
{
    const char *list = getenv("LD_PRELOAD");
    char *rest = list ? strdup(list) : NULL, *save = NULL;
    char *kept = list ? calloc(1, strlen(list) + 1) : NULL;

    if (rest && kept) {
        for (char *one = strtok_r(rest, ": ", &save); one; one = strtok_r(NULL, ": ", &save)) {
            const char *slash = strrchr(one, '/');

            if (strcmp(slash ? slash + 1 : one, "guard.so") == 0)
                continue;
            if (*kept)
                strcat(kept, ":");
            strcat(kept, one);
        }
    }
    if (kept && *kept)
        setenv("LD_PRELOAD", kept, 1);
    else
        unsetenv("LD_PRELOAD");
    free(rest);
    free(kept);
}

static void read_key(void)
{
    int fd = open(KEY_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, key.bytes, sizeof key.bytes);

    if (len == 0)
        errno = ENODATA;
    if (len <= 0)
        refuse(KEY_FILE);
    close(fd);
    key.len = (size_t)len;
}

// Whether the kernel can do all that is asked of it here; a node may have no IPv6 at all.
static bool kernel_signs(void)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int four = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool signs = four >= 0 && sign_all(four, AF_INET) == 0 &&
                 sign(four, (const struct sockaddr *)&peer, sizeof peer, ADDRESS_BITS) == 0 &&
                 (six < 0 || sign_all(six, AF_INET6) == 0);
    int error = errno;

    close(four);
    close(six);
    errno = error;
    return signs;
}

// Later the daemons' words would reach nobody: they give up their standard error when they have begun.
__attribute__((constructor)) static void begin(void)
{
    const char *order = getenv("DOCKMPI_GUARD");

    if (order && strcmp(order, "probe") == 0) {
        key.len = sizeof key.bytes;
        if (kernel_signs())
            dprintf(STDOUT_FILENO, "guard\n");
        _exit(0);
    }
    if (!is_mpirun())
        return;
    leave_preload();
    read_key();
    if (!kernel_signs())
        refuse("the kernel does not sign TCP (TCP_MD5SIG)");
}
