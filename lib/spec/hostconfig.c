// SPDX-License-Identifier: MIT
#include "spec/hostconfig.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

// What dockmpi itself decides for every container. A profile or a cluster file that could set these
// would break the mesh (NetworkMode, Init) or what the user asked for (Binds).
static const char *const reserved[] = {
    "Binds",        "Mounts",          "NetworkMode",     "AutoRemove",
    "Init",         "Tmpfs",           "RestartPolicy",   "VolumesFrom",
    "PortBindings", "PublishAllPorts", "ContainerIDFile", NULL};

// The other keys of HostConfig in the Engine API, from 1.24 to 1.51.
static const char *const known[] = {"Annotations",
                                    "BlkioDeviceReadBps",
                                    "BlkioDeviceReadIOps",
                                    "BlkioDeviceWriteBps",
                                    "BlkioDeviceWriteIOps",
                                    "BlkioWeight",
                                    "BlkioWeightDevice",
                                    "CapAdd",
                                    "CapDrop",
                                    "Cgroup",
                                    "CgroupParent",
                                    "CgroupnsMode",
                                    "ConsoleSize",
                                    "CpuCount",
                                    "CpuPercent",
                                    "CpuPeriod",
                                    "CpuQuota",
                                    "CpuRealtimePeriod",
                                    "CpuRealtimeRuntime",
                                    "CpuShares",
                                    "CpusetCpus",
                                    "CpusetMems",
                                    "DeviceCgroupRules",
                                    "DeviceRequests",
                                    "Devices",
                                    "Dns",
                                    "DnsOptions",
                                    "DnsSearch",
                                    "ExtraHosts",
                                    "GroupAdd",
                                    "IOMaximumBandwidth",
                                    "IOMaximumIOps",
                                    "IpcMode",
                                    "Isolation",
                                    "KernelMemory",
                                    "KernelMemoryTCP",
                                    "Links",
                                    "LogConfig",
                                    "MaskedPaths",
                                    "Memory",
                                    "MemoryReservation",
                                    "MemorySwap",
                                    "MemorySwappiness",
                                    "NanoCpus",
                                    "OomKillDisable",
                                    "OomScoreAdj",
                                    "PidMode",
                                    "PidsLimit",
                                    "Privileged",
                                    "ReadonlyPaths",
                                    "ReadonlyRootfs",
                                    "Runtime",
                                    "SecurityOpt",
                                    "ShmSize",
                                    "StorageOpt",
                                    "Sysctls",
                                    "UTSMode",
                                    "Ulimits",
                                    "UsernsMode",
                                    "VolumeDriver",
                                    NULL};

static bool in_list(const char *const *list, const char *key,
                    int (*compare)(const char *, const char *))
{
    for (size_t i = 0; list[i]; i++) {
        if (compare(list[i], key) == 0)
            return true;
    }
    return false;
}

static int check_key(const char *key, const char *where, struct dmpi_err *err)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(key);
    // Engines compare keys without case: "binds" would come through as Binds.
    if (in_list(reserved, key, strcasecmp))
        return dmpi_err_set(err, DMPI_EINVAL, "%s: '%s' is decided by dockmpi", where, key);
    if (in_list(known, key, strcmp))
        return 0;
    const char *near = dmpi_text_suggest(key, known);
    return dmpi_err_set(
        err, DMPI_EINVAL,
        "%s: '%.100s': keys are those of the engine's HostConfig, such as Ulimits%s%s%s", where,
        safe, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int dmpi_host_config_check(const json_t *host_config, const char *where, struct dmpi_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)host_config, key, value) {
        if (check_key(key, where, err) != 0)
            return -1;
    }
    return 0;
}
