// SPDX-License-Identifier: MIT
#include "transport/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A socket's path has 107 bytes at most: a long runtime folder is no use. */
#define HOME_MAX 70

int dmpi_nameless_make(struct dmpi_nameless *out, struct dmpi_err *err)
{
    const char *home = getenv("XDG_RUNTIME_DIR");
    if (!home || *home != '/' || strlen(home) > HOME_MAX || access(home, W_OK) != 0)
        home = "/tmp";
    *out = (struct dmpi_nameless)DMPI_NAMELESS_INIT;
    snprintf(out->dir, sizeof out->dir, "%s/dockmpi-ssh-XXXXXX", home);
    if (!mkdtemp(out->dir)) {
        out->dir[0] = '\0';
        return dmpi_err_sys(err, errno, "a folder for a socket in %s", home);
    }
    snprintf(out->path, sizeof out->path, "%s/s", out->dir);
    return 0;
}

void dmpi_nameless_vanish(struct dmpi_nameless *n)
{
    struct stat s;
    char path[sizeof n->path];
    int fd = open(n->path, O_PATH | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || stat(path, &s) != 0 || !S_ISSOCK(s.st_mode)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    unlink(n->path);
    rmdir(n->dir);
    n->dir[0] = '\0';
    memcpy(n->path, path, sizeof path);
    n->fd = fd;
}

void dmpi_nameless_end(struct dmpi_nameless *n)
{
    if (n->fd >= 0)
        close(n->fd);
    if (*n->dir) {
        unlink(n->path);
        rmdir(n->dir);
    }
    *n = (struct dmpi_nameless)DMPI_NAMELESS_INIT;
}
