// SPDX-License-Identifier: MIT
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static void close_keeping_errno(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

static int too_large(struct dmpi_err *err, const char *path, size_t max)
{
    return dmpi_err_set(err, DMPI_EINVAL, "%s: too large (at most %zu bytes)", path, max);
}

int dmpi_io_read_file(struct dmpi_buf *out, const char *path, size_t max, struct dmpi_err *err)
{
    DMPI_AUTO(close_keeping_errno) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dmpi_err_sys(err, errno, "%s", path);
    out->max = out->max < max ? max : out->max;
    size_t start = out->len;
    for (;;) {
        size_t taken = out->len - start;
        // One byte more than allowed tells a file of exactly max bytes from a longer one.
        size_t want = max - taken < 65536 ? max - taken : 65536;
        char last;
        char *room = want > 0 ? dmpi_buf_reserve(out, want) : &last;
        if (!room)
            return too_large(err, path, max);
        ssize_t n = read(fd, room, want > 0 ? want : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dmpi_err_sys(err, errno, "%s", path);
        if (n > 0 && want == 0)
            return too_large(err, path, max);
        if (n == 0)
            return 0;
        dmpi_buf_advance(out, (size_t)n);
    }
}

int dmpi_io_write_all(int fd, const void *data, size_t len, struct dmpi_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR)
                return dmpi_err_sys(err, errno, "poll");
        } else if (errno != EINTR) {
            return dmpi_err_sys(err, errno, "write");
        }
    }
    return 0;
}

// The folder of path must be synced, too, before the new name is safe; a file system that cannot
// do that (some network ones) is no reason to fail.
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    dmpi_autofree char *dir =
        slash ? dmpi_xstrndup(path, (size_t)(slash - path) + 1) : dmpi_xstrdup(".");
    DMPI_AUTO(close_keeping_errno) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
}

static int fill_and_rename(int fd, const char *tmp, const char *path, const void *data, size_t len,
                           mode_t mode, struct dmpi_err *err)
{
    if (dmpi_io_write_all(fd, data, len, err) != 0)
        return dmpi_err_wrap(err, "%s", path);
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0 || rename(tmp, path) != 0)
        return dmpi_err_sys(err, errno, "%s", path);
    sync_folder(path);
    return 0;
}

int dmpi_io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
                              struct dmpi_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s is there and is no regular file", path);
    dmpi_autofree char *tmp = dmpi_xasprintf("%s.XXXXXX", path);
    DMPI_AUTO(close_keeping_errno) int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return dmpi_err_sys(err, errno, "%s", path);
    if (fill_and_rename(fd, tmp, path, data, len, mode, err) != 0) {
        unlink(tmp);
        return -1;
    }
    return 0;
}

static int make_folder(const char *path, mode_t mode, struct dmpi_err *err)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int reason = errno;
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        reason = ENOTDIR;
    }
    return dmpi_err_sys(err, reason, "%s", path);
}

int dmpi_io_mkdirs(const char *path, mode_t mode, struct dmpi_err *err)
{
    dmpi_autofree char *part = dmpi_xstrdup(path);
    for (char *p = part; (p = strchr(p, '/')); p++) {
        if (p == part || p[-1] == '/')
            continue;
        *p = '\0';
        if (make_folder(part, mode, err) != 0)
            return -1;
        *p = '/';
    }
    return make_folder(part, mode, err);
}

char *dmpi_io_home(void)
{
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return dmpi_xstrdup(home);
    struct passwd entry;
    struct passwd *found = NULL;
    char buf[4096];
    if (getpwuid_r(getuid(), &entry, buf, sizeof(buf), &found) == 0 && found && found->pw_dir)
        return dmpi_xstrdup(found->pw_dir);
    return dmpi_xstrdup("/");
}

static char *xdg_dir(const char *variable, const char *in_home)
{
    const char *dir = getenv(variable);
    if (dir && *dir == '/')
        return dmpi_xasprintf("%s/dockmpi", dir);
    dmpi_autofree char *home = dmpi_io_home();
    return dmpi_xasprintf("%s/%s/dockmpi", home, in_home);
}

char *dmpi_io_config_dir(void)
{
    return xdg_dir("XDG_CONFIG_HOME", ".config");
}

char *dmpi_io_cache_dir(void)
{
    return xdg_dir("XDG_CACHE_HOME", ".cache");
}

char *dmpi_io_expand_home(const char *path)
{
    if (path[0] != '~' || (path[1] != '/' && path[1] != '\0'))
        return dmpi_xstrdup(path);
    dmpi_autofree char *home = dmpi_io_home();
    return dmpi_xasprintf("%s%s", home, path + 1);
}

char *dmpi_io_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    if (n == 0 || *name == '/')
        return dmpi_xstrdup(name);
    return dmpi_xasprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

mode_t dmpi_io_umask(void)
{
    const mode_t usual = 022; // before Linux 4.7 nobody tells
    char line[256];
    unsigned mask;
    FILE *status = fopen("/proc/self/status", "re");
    mode_t found = usual;
    while (status && fgets(line, sizeof(line), status)) {
        if (sscanf(line, "Umask: %o", &mask) == 1)
            found = (mode_t)mask & 0777;
    }
    if (status)
        fclose(status);
    return found;
}
