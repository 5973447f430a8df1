// SPDX-License-Identifier: MIT
#include "job/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"

#define MODE_KEPT 01777u

struct dmpi_extract_dir {
    char *path;
    uint32_t mode;
    int64_t mtime;
};

// --- names -----------------------------------------------------------------------------------

// The archive's name without empty and "." parts; NULL with DMPI_EPARSE for one that leads outside.
static char *clean(const char *path, struct dmpi_err *err)
{
    if (!dmpi_tar_path_safe(path)) {
        dmpi_err_set(err, DMPI_EPARSE, "the archive has a name that leads outside: '%.200s'", path);
        return NULL;
    }
    char *out = dmpi_xmalloc(strlen(path) + 1), *end = out;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len > 0 && !(len == 1 && *p == '.')) {
            if (end != out)
                *end++ = '/';
            memcpy(end, p, len);
            end += len;
        }
        p += len + (p[len] == '/');
    }
    *end = '\0';
    return out;
}

// Where a name of the archive goes, relative to root ("": root itself). NULL with *err.
static char *map(const struct dmpi_extract *x, const char *path, struct dmpi_err *err)
{
    dmpi_autofree char *name = clean(path, err);
    if (!name)
        return NULL;
    const char *rest = name;
    if (strcmp(x->top, ".") != 0) {
        size_t len = strlen(x->top);
        if (strncmp(name, x->top, len) != 0 || (name[len] != '\0' && name[len] != '/')) {
            dmpi_err_set(err, DMPI_EPARSE, "the archive has something else than '%s': '%.200s'",
                         x->top, path);
            return NULL;
        }
        rest = name + len + (name[len] == '/');
    }
    return dmpi_xasprintf("%s%s%s", x->as, x->as[0] && rest[0] ? "/" : "", rest);
}

static int failed(const struct dmpi_extract *x, const char *name, struct dmpi_err *err)
{
    int errnum = errno;
    return dmpi_err_sys(err, errnum, "%s/%s", x->root_name, name);
}

// --- folders ---------------------------------------------------------------------------------

// One step down, never through a link. make: a missing folder is made.
static int open_step(int at, const char *name, bool make)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd < 0 && errno == ENOENT && make && mkdirat(at, name, 0777) == 0)
        fd = openat(at, name, flags);
    return fd;
}

// Opens the folder path below root ("" is root). -1 with *err.
static int open_below(const struct dmpi_extract *x, const char *path, bool make,
                      struct dmpi_err *err)
{
    int fd = openat(x->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(x, "", err);
    dmpi_autofree char *copy = dmpi_xstrdup(path);
    char *save = NULL;
    for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        int next = open_step(fd, part, make);
        int errnum = errno;
        close(fd);
        if (next < 0 && (errnum == ELOOP || errnum == ENOTDIR))
            return dmpi_err_set(err, DMPI_ECONFLICT,
                                "%s/%s: '%s' is no folder (links are not followed)", x->root_name,
                                path, part);
        if (next < 0)
            return dmpi_err_sys(err, errnum, "%s/%s", x->root_name, path);
        fd = next;
    }
    return fd;
}

// Makes x->parent_fd the folder that holds path; *name points at the last part of path.
static int enter_parent(struct dmpi_extract *x, char *path, const char **name, struct dmpi_err *err)
{
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    dmpi_autofree char *parent = dmpi_xstrndup(path, slash ? (size_t)(slash - path) : 0);
    if (x->parent && strcmp(x->parent, parent) == 0)
        return 0;
    if (x->parent_fd >= 0)
        close(x->parent_fd);
    free(x->parent);
    x->parent = NULL;
    x->parent_fd = open_below(x, parent, true, err);
    if (x->parent_fd < 0)
        return -1;
    x->parent = DMPI_STEAL(parent);
    return 0;
}

static int is_dir(int at, const char *name)
{
    struct stat st;
    return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int add_dir(struct dmpi_extract *x, const struct dmpi_tar_entry *entry, char *path,
                   struct dmpi_err *err)
{
    const char *name;
    if (enter_parent(x, path, &name, err) < 0)
        return -1;
    if (mkdirat(x->parent_fd, name, 0700) != 0) {
        if (errno != EEXIST)
            return failed(x, path, err);
        if (!is_dir(x->parent_fd, name))
            return dmpi_err_set(err, DMPI_ECONFLICT,
                                "%s/%s is there and no folder: remove it first", x->root_name,
                                path);
    }
    if ((x->n_dirs & (x->n_dirs - 1)) == 0) // grows at powers of two
        x->dirs = dmpi_xreallocarray(x->dirs, x->n_dirs ? x->n_dirs * 2 : 1, sizeof(*x->dirs));
    x->dirs[x->n_dirs++] = (struct dmpi_extract_dir){
        .path = dmpi_xstrdup(path), .mode = entry->mode & x->kept, .mtime = entry->mtime};
    return 0;
}

// --- files and links -------------------------------------------------------------------------

static char *tmp_name(void)
{
    char hex[17];
    dmpi_random_hex(hex, 8);
    return dmpi_xasprintf(".dockmpi-%s", hex);
}

// A link to a device or an open file, such as /dev/stdout. Nothing is opened through it.
static bool leads_to_special(int at, const char *name)
{
    static const char proc[] = "/proc/";
    char target[sizeof(proc) - 1];
    struct stat st;
    if (readlinkat(at, name, target, sizeof(target)) == sizeof(target) &&
        memcmp(target, proc, sizeof(target)) == 0)
        return true;
    return fstatat(at, name, &st, 0) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

// Only files and links to files make way: /dev/null and the like must stay what they are.
static int taken(const struct dmpi_extract *x, const char *path, const char *name,
                 struct dmpi_err *err)
{
    struct stat st;
    if (fstatat(x->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(st.st_mode))
        return 0;
    if (S_ISDIR(st.st_mode))
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s/%s is a folder: remove it first", x->root_name,
                            path);
    if (S_ISLNK(st.st_mode) && !leads_to_special(x->parent_fd, name))
        return 0;
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "%s/%s is a device, pipe or socket, which cp does not replace",
                        x->root_name, path);
}

static int begin_file(struct dmpi_extract *x, const struct dmpi_tar_entry *entry, char *path,
                      struct dmpi_err *err)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const char *name;
    if (enter_parent(x, path, &name, err) < 0)
        return -1;
    x->fd = openat(x->parent_fd, name, flags, 0600);
    if (x->fd < 0 && errno == EEXIST) {
        if (taken(x, path, name, err) < 0)
            return -1;
        x->tmp = tmp_name();
        x->fd = openat(x->parent_fd, x->tmp, flags, 0600);
    }
    if (x->fd < 0)
        return failed(x, path, err);
    x->name = dmpi_xstrdup(name);
    x->mode = entry->mode & x->kept;
    x->mtime = entry->mtime;
    return 0;
}

static void drop_file(struct dmpi_extract *x)
{
    if (x->fd >= 0) {
        close(x->fd);
        unlinkat(x->parent_fd, x->tmp ? x->tmp : x->name, 0);
    }
    x->fd = -1;
    free(x->name);
    free(x->tmp);
    x->name = x->tmp = NULL;
}

static int end_file(void *arg, struct dmpi_err *err)
{
    struct dmpi_extract *x = arg;
    if (x->fd < 0)
        return 0;
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = x->mtime}};
    bool ok = fchmod(x->fd, x->mode) == 0 && futimens(x->fd, times) == 0 &&
              (!x->tmp || renameat(x->parent_fd, x->tmp, x->parent_fd, x->name) == 0);
    if (!ok) {
        failed(x, x->name, err);
        drop_file(x);
        return -1;
    }
    x->files++;
    int rc = close(x->fd) == 0 ? 0 : failed(x, x->name, err);
    x->fd = -1;
    drop_file(x);
    return rc;
}

static int write_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct dmpi_extract *x = arg;
    if (x->fd < 0)
        return 0;
    x->bytes += len;
    if (dmpi_io_write_all(x->fd, data, len, err) < 0)
        return dmpi_err_wrap(err, "%s/%s", x->root_name, x->name);
    return 0;
}

// Makes a link called name by fn, or beside and renamed when the name is taken.
struct link_how {
    const char *target; // symbolic
    int from_fd;        // hard: folder and name
    const char *from;
};

static int link_as(const struct dmpi_extract *x, const struct link_how *how, const char *name)
{
    return how->target ? symlinkat(how->target, x->parent_fd, name)
                       : linkat(how->from_fd, how->from, x->parent_fd, name, 0);
}

static int place_link(struct dmpi_extract *x, const struct link_how *how, const char *path,
                      const char *name, struct dmpi_err *err)
{
    if (link_as(x, how, name) == 0)
        return 0;
    if (errno != EEXIST)
        return failed(x, path, err);
    if (taken(x, path, name, err) < 0)
        return -1;
    dmpi_autofree char *tmp = tmp_name();
    if (link_as(x, how, tmp) != 0)
        return failed(x, path, err);
    int rc = renameat(x->parent_fd, tmp, x->parent_fd, name) == 0 ? 0 : failed(x, path, err);
    unlinkat(x->parent_fd, tmp, 0); // still there when both were the same file already
    return rc;
}

static int add_symlink(struct dmpi_extract *x, const struct dmpi_tar_entry *entry, char *path,
                       struct dmpi_err *err)
{
    const char *name;
    if (!entry->linkname || !entry->linkname[0])
        return dmpi_err_set(err, DMPI_EPARSE, "%s: a link without target", path);
    struct link_how how = {.target = entry->linkname};
    if (enter_parent(x, path, &name, err) < 0 || place_link(x, &how, path, name, err) < 0)
        return -1;
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = entry->mtime}};
    if (utimensat(x->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(x, path, err);
    return 0;
}

static int add_hardlink(struct dmpi_extract *x, const struct dmpi_tar_entry *entry, char *path,
                        struct dmpi_err *err)
{
    dmpi_autofree char *target = map(x, entry->linkname ? entry->linkname : "", err);
    if (!target)
        return -1;
    char *slash = strrchr(target, '/');
    dmpi_autofree char *folder = dmpi_xstrndup(target, slash ? (size_t)(slash - target) : 0);
    const char *name, *from = slash ? slash + 1 : target;
    if (enter_parent(x, path, &name, err) < 0)
        return -1;
    struct link_how how = {.from_fd = open_below(x, folder, false, err), .from = from};
    if (how.from_fd < 0)
        return -1;
    struct stat st;
    int rc = -1;
    if (fstatat(how.from_fd, from, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        dmpi_err_set(err, DMPI_EPARSE, "%s: a hard link to '%s', which is no file", path, target);
    else
        rc = place_link(x, &how, path, name, err);
    close(how.from_fd);
    x->files += rc == 0;
    return rc;
}

// --- the archive -----------------------------------------------------------------------------

static int begin_entry(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err)
{
    struct dmpi_extract *x = arg;
    dmpi_autofree char *path = map(x, entry->path, err);
    if (!path)
        return -1;
    x->top_seen = true;
    if (!path[0]) // root itself: the user's folder stays as it is
        return entry->type == DMPI_TAR_DIR
                   ? 0
                   : dmpi_err_set(err, DMPI_EPARSE, "the archive wants to replace its own folder");
    switch (entry->type) {
    case DMPI_TAR_DIR:
        return add_dir(x, entry, path, err);
    case DMPI_TAR_FILE:
        return begin_file(x, entry, path, err);
    case DMPI_TAR_SYMLINK:
        return add_symlink(x, entry, path, err);
    case DMPI_TAR_HARDLINK:
        return add_hardlink(x, entry, path, err);
    default:
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%.200s is a device or named pipe: only files, folders and links can "
                            "be copied",
                            entry->path);
    }
}

int dmpi_extract_open(struct dmpi_extract *x, const char *root, const char *top, const char *as,
                      struct dmpi_err *err)
{
    *x = (struct dmpi_extract){.root_name = dmpi_xstrdup(root),
                               .top = dmpi_xstrdup(top),
                               .as = dmpi_xstrdup(as),
                               .kept = MODE_KEPT & ~(uint32_t)dmpi_io_umask(),
                               .parent_fd = -1,
                               .fd = -1};
    const struct dmpi_tar_handler handler = {
        .entry = begin_entry, .data = write_data, .end = end_file, .arg = x};
    dmpi_tar_reader_init(&x->reader, &handler);
    x->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return x->root < 0 ? dmpi_err_sys(err, errno, "%s", root) : 0;
}

int dmpi_extract_feed(struct dmpi_extract *x, const void *data, size_t len, struct dmpi_err *err)
{
    return dmpi_tar_reader_feed(&x->reader, data, len, err);
}

static int sink_write(void *arg, const void *data, size_t len, struct dmpi_err *err)
{
    return dmpi_extract_feed(arg, data, len, err);
}

struct dmpi_sink dmpi_extract_sink(struct dmpi_extract *x)
{
    return (struct dmpi_sink){.write = sink_write, .arg = x};
}

// Innermost first, so that a folder's time is not changed by what happens in it afterwards.
static int finish_dirs(struct dmpi_extract *x, struct dmpi_err *err)
{
    for (size_t i = x->n_dirs; i-- > 0;) {
        const struct dmpi_extract_dir *dir = &x->dirs[i];
        int fd = open_below(x, dir->path, false, err);
        if (fd < 0)
            return -1;
        const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = dir->mtime}};
        int rc =
            fchmod(fd, dir->mode) == 0 && futimens(fd, times) == 0 ? 0 : failed(x, dir->path, err);
        close(fd);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int dmpi_extract_finish(struct dmpi_extract *x, struct dmpi_err *err)
{
    if (dmpi_tar_reader_finish(&x->reader, err) < 0)
        return -1;
    return finish_dirs(x, err);
}

void dmpi_extract_free(struct dmpi_extract *x)
{
    drop_file(x);
    dmpi_tar_reader_free(&x->reader);
    if (x->parent_fd >= 0)
        close(x->parent_fd);
    if (x->root >= 0)
        close(x->root);
    for (size_t i = 0; i < x->n_dirs; i++)
        free(x->dirs[i].path);
    free(x->dirs);
    free(x->root_name);
    free(x->top);
    free(x->as);
    free(x->parent);
    *x = (struct dmpi_extract){.root = -1, .parent_fd = -1, .fd = -1};
}
