// SPDX-License-Identifier: MIT
#include "netif.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs.h"

uint64_t fab_machine(void)
{
    char boot[64];
    struct stat st = {.st_ino = 0};
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    fab_sys_read(boot, sizeof boot, "/proc/sys/kernel/random/boot_id");
    for (const char *c = boot; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
    stat("/proc/self/ns/net", &st);
    return (hash ^ st.st_ino) * 0x100000001b3ULL;
}

void fab_netif_of_job(char *out, size_t room)
{
    static const char *const names[] = {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"};
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !out[0]; i++) {
        const char *value = getenv(names[i]);
        value += value && *value == '='; // NCCL's way to say: exactly this one
        if (value && *value)
            snprintf(out, room, "%.*s", (int)strcspn(value, ","), value);
    }
}

long long fab_netif_speed(const char *sys, const char *name)
{
    long long speed = fab_sys_number("%s/class/net/%s/speed", sys, name);
    return speed > 0 && speed < 100000000 ? speed : 0;
}

void fab_network(char *out, size_t room, const struct sockaddr *addr, const struct sockaddr *mask)
{
    unsigned char bytes[16], bits[16];
    size_t n = addr->sa_family == AF_INET ? 4 : addr->sa_family == AF_INET6 ? 16 : 0;
    char text[INET6_ADDRSTRLEN];
    int prefix = 0;
    out[0] = '\0';
    if (n == 0 || !mask)
        return;
    const void *from =
        n == 4 ? (const void *)&((const struct sockaddr_in *)(const void *)addr)->sin_addr
               : &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
    const void *with =
        n == 4 ? (const void *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr
               : &((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr;
    memcpy(bytes, from, n);
    memcpy(bits, with, n);
    while (prefix < (int)n * 8 && bits[prefix / 8] & (0x80 >> prefix % 8))
        prefix++;
    for (int i = prefix; i < (int)n * 8; i++)
        bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
    if (inet_ntop(addr->sa_family, bytes, text, sizeof text))
        snprintf(out, room, "%s/%d", text, prefix);
}

static void interface_json(struct fab_json *json, const char *sys, const struct ifaddrs *a)
{
    char network[64], address[INET6_ADDRSTRLEN] = "", driver[64];
    const void *raw = a->ifa_addr->sa_family == AF_INET
                          ? (const void *)&((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr
                          : &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr;
    fab_network(network, sizeof network, a->ifa_addr, a->ifa_netmask);
    inet_ntop(a->ifa_addr->sa_family, raw, address, sizeof address);
    fab_sys_link(driver, sizeof driver, "%s/class/net/%s/device/driver", sys, a->ifa_name);
    fab_json_obj(json, NULL);
    fab_json_str(json, "name", a->ifa_name);
    fab_json_str(json, "address", address);
    fab_json_str(json, "network", network);
    fab_json_int(json, "mtu", fab_sys_number("%s/class/net/%s/mtu", sys, a->ifa_name));
    fab_json_int(json, "mbit_s", fab_netif_speed(sys, a->ifa_name));
    fab_json_str(json, "driver", *driver ? driver : NULL);
    fab_json_bool(json, "up", (a->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING));
    fab_json_end(json, '}');
}

void fab_netif_json(struct fab_json *json, const char *sys)
{
    struct ifaddrs *list = NULL;
    fab_json_arr(json, "interfaces");
    if (getifaddrs(&list) == 0) {
        for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
            int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
            if (family == AF_INET || family == AF_INET6)
                interface_json(json, sys, a);
        }
        freeifaddrs(list);
    }
    fab_json_end(json, ']');
}
