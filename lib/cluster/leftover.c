// SPDX-License-Identifier: MIT
#include "cluster/leftover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/lock.h"
#include "engine/resources.h"
#include "spec/labels.h"

#define CGROUP_MAX 16384
#define PATIENCE_MS 10000 // a busy machine needs its time to let go of what was killed
#define PAUSE_MS 50

// --- processes ---------------------------------------------------------------------------------

bool dmpi_leftover_in_cgroup(const char *text, const char *id)
{
    static const char helper[] = "conmon-";
    const size_t len = sizeof(helper) - 1;
    if (!*id)
        return false;
    for (const char *at = text; (at = strstr(at, id)); at++) {
        if ((size_t)(at - text) < len || strncmp(at - len, helper, len) != 0)
            return true;
    }
    return false;
}

// A file of /proc as text; "" when the process is gone.
static void read_cgroup(char *text, size_t size, int proc, const char *pid)
{
    dmpi_autofree char *path = dmpi_xasprintf("%s/cgroup", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 0;
    while (fd >= 0 && len < size - 1 && (got = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    if (fd >= 0)
        close(fd);
}

// 1 and a process of one of the containers, 0: there is none; -1: /proc cannot be read.
static int find_process(long *pid, const struct dmpi_leftover *of, struct dmpi_err *err)
{
    char text[CGROUP_MAX];
    DIR *proc = opendir("/proc");
    const struct dirent *entry = NULL;
    bool found = false;
    while (proc && !found && (errno = 0, entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        *pid = strtol(entry->d_name, NULL, 10);
        read_cgroup(text, sizeof(text), dirfd(proc), entry->d_name);
        for (size_t i = 0; i < of->n && !found; i++)
            found = dmpi_leftover_in_cgroup(text, of->members[i]->id);
    }
    int failed = found ? 0 : errno;
    if (proc)
        closedir(proc);
    if (failed)
        return dmpi_err_sys(err, failed, "whether its processes have ended cannot be seen: /proc");
    return found;
}

bool dmpi_leftover_see(const struct dmpi_leftover *of)
{
    long pid;
    struct dmpi_err ignored = DMPI_ERR_INIT; // the engine's word is all there is, then
    return find_process(&pid, of, &ignored) > 0;
}

static int look_for_processes(const struct dmpi_leftover *of, const struct dmpi_ctl *ctl,
                              struct dmpi_err *err)
{
    const struct dmpi_ctl patience = dmpi_ctl_within(ctl, PATIENCE_MS);
    long pid;
    int rc;
    while ((rc = find_process(&pid, of, err)) > 0) {
        if (dmpi_ctl_sleep(&patience, PAUSE_MS, err) == 0)
            continue;
        if (dmpi_ctl_check(ctl, err) != 0)
            return -1;
        return dmpi_err_set(
            err, DMPI_ECONFLICT,
            "process %ld of a removed container still runs: `kill -9 %ld` there, or "
            "restart the engine",
            pid, pid);
    }
    return rc;
}

// --- volumes and networks ------------------------------------------------------------------------

static bool has_label(const struct dmpi_leftover *of, const json_t *entry)
{
    const json_t *labels = dmpi_json_obj(entry, "Labels");
    const char *value = dmpi_json_str(labels, DMPI_LABEL_CLUSTER);
    const char *role = dmpi_json_str(labels, DMPI_LABEL_ROLE);
    if (role && strcmp(role, DMPI_ROLE_LOCK) == 0) // a client's, which takes it away itself
        return false;
    return value && (!of->cluster || strcmp(value, of->cluster) == 0);
}

static bool was_anonymous_volume(const struct dmpi_leftover *of, const char *name)
{
    for (size_t i = 0; i < of->n; i++) {
        if (dmpi_strv_has(&of->members[i]->volumes, name))
            return true;
    }
    return false;
}

static int look_for_volumes(const struct dmpi_leftover *of, struct dmpi_engine *engine,
                            const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *list = NULL;
    if (dmpi_volume_list(engine, ctl, &list, err) != 0)
        return dmpi_err_wrap(err, "list volumes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = dmpi_json_str(entry, "Name");
        if (name && (has_label(of, entry) || was_anonymous_volume(of, name)))
            return dmpi_err_set(err, DMPI_ECONFLICT,
                                "volume %s is still there: `docker volume rm %s` on that node",
                                name, name);
    }
    return 0;
}

static int look_for_networks(const struct dmpi_leftover *of, struct dmpi_engine *engine,
                             const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree char *filter = of->cluster ? dmpi_xasprintf(DMPI_LABEL_CLUSTER "=%s", of->cluster)
                                             : dmpi_xstrdup(DMPI_LABEL_CLUSTER);
    const char *labels[] = {filter, NULL};
    dmpi_json_auto json_t *list = NULL;
    if (dmpi_network_list(engine, ctl, labels, &list, err) != 0)
        return dmpi_err_wrap(err, "list networks");
    const char *name = dmpi_json_str(json_array_get(list, 0), "Name");
    if (!name)
        return 0;
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "network %s is still there: `docker network rm %s` on that node", name,
                        name);
}

int dmpi_leftover_look(const struct dmpi_leftover *of, struct dmpi_engine *engine,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (look_for_volumes(of, engine, ctl, err) != 0 || look_for_networks(of, engine, ctl, err) != 0)
        return -1;
    return of->visible ? look_for_processes(of, ctl, err) : 0;
}
