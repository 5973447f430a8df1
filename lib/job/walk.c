// SPDX-License-Identifier: MIT
#include "job/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"

#define PATH_LIMIT ((size_t)1 << 20)

struct dmpi_walk_level {
    int fd;
    struct dmpi_strv names;
    size_t next;
    size_t prefix; // length of the folder's path in w->path
};

void dmpi_walk_init(struct dmpi_walk *w, const char *local, const char *as, bool emit_root,
                    bool follow)
{
    *w = (struct dmpi_walk){.local = dmpi_xstrdup(local),
                            .emit_root = emit_root,
                            .follow = follow,
                            .path = DMPI_BUF_INIT(PATH_LIMIT),
                            .dirfd = AT_FDCWD};
    dmpi_buf_adds(&w->path, as);
}

void dmpi_walk_free(struct dmpi_walk *w)
{
    if (!w)
        return;
    while (w->depth > 0) {
        struct dmpi_walk_level *level = &w->levels[--w->depth];
        close(level->fd);
        dmpi_strv_free(&level->names);
    }
    free(w->levels);
    free(w->local);
    dmpi_buf_free(&w->path);
    *w = (struct dmpi_walk){0};
}

static int failed(const struct dmpi_walk *w, struct dmpi_err *err)
{
    int errnum = errno;
    return dmpi_err_sys(err, errnum, "%s: %s", w->local, dmpi_buf_str(&w->path));
}

static int read_names(struct dmpi_walk *w, struct dmpi_walk_level *level, struct dmpi_err *err)
{
    int fd = dup(level->fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return dmpi_err_sys(err, errnum, "%s: %s", w->local, dmpi_buf_str(&w->path));
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            dmpi_strv_add(&level->names, entry->d_name);
    }
    int rc = errno ? failed(w, err) : 0;
    closedir(dir);
    dmpi_strv_sort(&level->names);
    return rc;
}

// Goes into the present item, a folder.
static int descend(struct dmpi_walk *w, struct dmpi_err *err)
{
    int nofollow = w->depth > 0 || !w->follow ? O_NOFOLLOW : 0;
    int fd = openat(w->dirfd, w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
    if (fd < 0)
        return failed(w, err);
    w->levels = dmpi_xreallocarray(w->levels, w->depth + 1, sizeof(*w->levels));
    struct dmpi_walk_level *level = &w->levels[w->depth++];
    *level = (struct dmpi_walk_level){.fd = fd, .prefix = w->path.len};
    return read_names(w, level, err);
}

// Looks at the present item: files, folders and links only.
static int examine(struct dmpi_walk *w, int flags, struct dmpi_err *err)
{
    if (fstatat(w->dirfd, w->name, &w->st, flags) != 0)
        return failed(w, err);
    if (S_ISREG(w->st.st_mode) || S_ISDIR(w->st.st_mode) || S_ISLNK(w->st.st_mode))
        return 1;
    return dmpi_err_set(err, DMPI_EINVAL,
                        "%s: %s is a %s: only files, folders and links can be copied", w->local,
                        w->path.len ? w->path.data : "it",
                        S_ISSOCK(w->st.st_mode)   ? "socket"
                        : S_ISFIFO(w->st.st_mode) ? "named pipe"
                                                  : "device");
}

static int begin(struct dmpi_walk *w, struct dmpi_err *err)
{
    w->started = true;
    w->name = w->local;
    struct stat st;
    int flags = w->follow ? 0 : AT_SYMLINK_NOFOLLOW;
    if (fstatat(AT_FDCWD, w->local, &st, flags) != 0)
        return dmpi_err_sys(err, errno, "%s", w->local);
    if (w->emit_root)
        return examine(w, flags, err);
    if (descend(w, err) < 0)
        return -1;
    w->st = (struct stat){0};
    return dmpi_walk_next(w, err);
}

static void cut_path(struct dmpi_walk *w, size_t len)
{
    w->path.len = len;
    if (w->path.data)
        w->path.data[len] = '\0';
}

// Makes the level's next name the present item.
static int step(struct dmpi_walk *w, struct dmpi_walk_level *level, struct dmpi_err *err)
{
    cut_path(w, level->prefix);
    w->dirfd = level->fd;
    w->name = level->names.v[level->next++];
    if (level->prefix > 0)
        dmpi_buf_addc(&w->path, '/');
    dmpi_buf_adds(&w->path, w->name);
    if (w->path.overflow)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: a path in it is too long", w->local);
    return examine(w, AT_SYMLINK_NOFOLLOW, err);
}

int dmpi_walk_next(struct dmpi_walk *w, struct dmpi_err *err)
{
    if (!w->started)
        return begin(w, err);
    if (S_ISDIR(w->st.st_mode) && descend(w, err) < 0)
        return -1;
    while (w->depth > 0) {
        struct dmpi_walk_level *level = &w->levels[w->depth - 1];
        if (level->next < level->names.n) {
            int rc = step(w, level, err);
            if (rc < 0 || !S_ISDIR(w->st.st_mode) || !w->skip || !w->skip(w->name))
                return rc;
            continue;
        }
        close(level->fd);
        dmpi_strv_free(&level->names);
        w->depth--;
    }
    w->st = (struct stat){0};
    return 0;
}
