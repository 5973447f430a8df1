// SPDX-License-Identifier: MIT
#include "cluster/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/tar.h"
#include "cluster/ignore.h"

#define IGNORE_FILE ".dockerignore"
#define IGNORE_MAX (1U << 20)
#define ENTRIES_MAX 100000
#define DEPTH_MAX 64
#define CHUNK (64U << 10)
// 1980-01-02: old enough for everything, young enough for zip archives.
#define FIXED_TIME 315619200

struct entry {
    char *path; // in the tar
    char *link; // target of a symbolic link, else NULL
    char type;
    uint32_t mode;
    uint64_t size;
};

struct dmpi_context {
    char *dir;
    const struct dmpi_strv *more; // further folders, borrowed; NULL: none
    struct dmpi_strv ignore;
    struct entry *v;
    size_t n, cap;
    // The state of the reader.
    size_t next;           // entry that comes after the current one
    int fd;                // the current file, -1: none
    uint64_t left;         // what it still has to give
    bool finished;         // the tar's end was written into pending
    struct dmpi_buf ready; // bytes of the tar that were not read yet
    struct dmpi_tar_writer writer;
};

// The last part of a path, under which a further folder is known in the tar.
static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Where a file of the tar is on this machine.
static char *full_path(const struct dmpi_context *c, const char *path)
{
    size_t first = strcspn(path, "/");
    for (size_t i = 0; c->more && i < c->more->n; i++) {
        const char *name = last_name(c->more->v[i]);
        if (strlen(name) == first && strncmp(path, name, first) == 0)
            return dmpi_xasprintf("%s%s", c->more->v[i], path + first);
    }
    return dmpi_io_join(c->dir, path);
}

static int read_link(struct entry *e, const char *full, struct dmpi_err *err)
{
    char target[4096];
    ssize_t n = readlink(full, target, sizeof target);
    if (n < 0)
        return dmpi_err_sys(err, errno, "%s", full);
    if ((size_t)n == sizeof target)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: the link's target is too long", full);
    e->link = dmpi_xstrndup(target, (size_t)n);
    return 0;
}

static int describe(struct entry *e, const char *full, const struct stat *st, struct dmpi_err *err)
{
    if (S_ISREG(st->st_mode)) {
        e->type = DMPI_TAR_FILE;
        e->mode = st->st_mode & 0111 ? 0755 : 0644;
        e->size = (uint64_t)st->st_size;
    } else if (S_ISDIR(st->st_mode)) {
        e->type = DMPI_TAR_DIR;
        e->mode = 0755;
    } else if (S_ISLNK(st->st_mode)) {
        e->type = DMPI_TAR_SYMLINK;
        e->mode = 0777;
        return read_link(e, full, err);
    } else {
        return dmpi_err_set(err, DMPI_EINVAL, "%s: neither file, folder nor link: not for an image",
                            full);
    }
    return 0;
}

static int add_entry(struct dmpi_context *c, const char *path, const struct stat *st,
                     struct dmpi_err *err)
{
    if (c->n == ENTRIES_MAX)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%s: more than %d files: list what the image does not "
                            "need in " IGNORE_FILE,
                            c->dir, ENTRIES_MAX);
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->v = dmpi_xreallocarray(c->v, c->cap, sizeof *c->v);
    }
    struct entry *e = &c->v[c->n++];
    *e = (struct entry){.path = dmpi_xstrdup(path)};
    dmpi_autofree char *full = full_path(c, path);
    return describe(e, full, st, err);
}

static bool always_sent(const char *path)
{
    return strcmp(path, "Dockerfile") == 0 || strcmp(path, IGNORE_FILE) == 0;
}

static int list_folder(struct dmpi_context *c, const char *path, int depth, struct dmpi_err *err);

static int list_path(struct dmpi_context *c, const char *path, int depth, struct dmpi_err *err)
{
    struct stat st;
    dmpi_autofree char *full = full_path(c, path);
    if (lstat(full, &st) != 0)
        return dmpi_err_sys(err, errno, "%s", full);
    bool ignored = !always_sent(path) && dmpi_ignore_match(&c->ignore, path);
    if (!ignored && add_entry(c, path, &st, err))
        return -1;
    if (!S_ISDIR(st.st_mode) || (ignored && !dmpi_ignore_has_exceptions(&c->ignore)))
        return 0;
    return list_folder(c, path, depth + 1, err);
}

// The names in a folder, sorted. path "" is the context itself.
static int list_names(struct dmpi_strv *out, const struct dmpi_context *c, const char *path,
                      struct dmpi_err *err)
{
    dmpi_autofree char *full = *path ? full_path(c, path) : dmpi_xstrdup(c->dir);
    DIR *dir = opendir(full);
    if (!dir)
        return dmpi_err_sys(err, errno, "%s", full);
    for (struct dirent *d; errno = 0, (d = readdir(dir));) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            dmpi_strv_add(out, d->d_name);
    }
    int rc = errno ? dmpi_err_sys(err, errno, "%s", full) : 0;
    closedir(dir);
    dmpi_strv_sort(out);
    return rc;
}

static int list_folder(struct dmpi_context *c, const char *path, int depth, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    if (depth > DEPTH_MAX)
        return dmpi_err_set(err, DMPI_EINVAL, "%s/%s: folders are nested too deeply", c->dir, path);
    if (list_names(&names, c, path, err))
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        dmpi_autofree char *below = dmpi_io_join(path, names.v[i]);
        if (list_path(c, below, depth, err))
            return -1;
    }
    return 0;
}

static int read_ignore(struct dmpi_context *c, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(IGNORE_MAX);
    dmpi_autofree char *path = full_path(c, IGNORE_FILE);
    if (access(path, F_OK) != 0)
        return 0;
    if (dmpi_io_read_file(&text, path, IGNORE_MAX, err))
        return -1;
    c->ignore = dmpi_ignore_parse(dmpi_buf_str(&text));
    return 0;
}

static int list_more(struct dmpi_context *c, struct dmpi_err *err)
{
    for (size_t i = 0; c->more && i < c->more->n; i++) {
        const char *name = last_name(c->more->v[i]);
        dmpi_autofree char *own = dmpi_io_join(c->dir, name);
        if (access(own, F_OK) == 0)
            return dmpi_err_set(err, DMPI_ECONFLICT, "%s would hide %s: rename one of them",
                                c->more->v[i], own);
        if (list_path(c, name, 0, err))
            return -1;
    }
    return 0;
}

int dmpi_context_open(struct dmpi_context **out, const char *dir, const struct dmpi_strv *more,
                      struct dmpi_err *err)
{
    struct dmpi_context *c = dmpi_xcalloc(1, sizeof *c);
    *out = NULL;
    c->dir = dmpi_xstrdup(dir);
    c->more = more;
    c->fd = -1;
    c->ready.max = 4 * CHUNK;
    dmpi_tar_writer_init(&c->writer, dmpi_tar_write_buf, &c->ready);
    if (read_ignore(c, err) || list_folder(c, "", 0, err) || list_more(c, err)) {
        dmpi_context_free(c);
        return dmpi_err_wrap(err, "build context");
    }
    *out = c;
    return 0;
}

static int begin_entry(struct dmpi_context *c, struct dmpi_err *err)
{
    const struct entry *e = &c->v[c->next++];
    struct dmpi_tar_entry te = {.path = e->path,
                                .type = e->type,
                                .mode = e->mode,
                                .mtime = FIXED_TIME,
                                .size = e->size,
                                .linkname = e->link};
    c->left = e->size;
    if (e->type == DMPI_TAR_FILE) {
        dmpi_autofree char *full = full_path(c, e->path);
        c->fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (c->fd < 0)
            return dmpi_err_sys(err, errno, "%s", full);
    }
    return dmpi_tar_add(&c->writer, &te, err);
}

static int copy_chunk(struct dmpi_context *c, struct dmpi_err *err)
{
    char chunk[CHUNK];
    size_t want = c->left < CHUNK ? (size_t)c->left : CHUNK;
    ssize_t n = read(c->fd, chunk, want);
    const char *path = c->v[c->next - 1].path;
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0) {
        dmpi_autofree char *full = full_path(c, path);
        return n < 0
                   ? dmpi_err_sys(err, errno, "%s", full)
                   : dmpi_err_set(err, DMPI_ECONFLICT, "%s became shorter while it was sent", full);
    }
    c->left -= (uint64_t)n;
    return dmpi_tar_data(&c->writer, chunk, (size_t)n, err);
}

// Puts the next piece of the tar into c->ready, which may stay empty.
static int produce(struct dmpi_context *c, struct dmpi_err *err)
{
    if (c->fd >= 0 && c->left > 0)
        return copy_chunk(c, err);
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    if (c->next < c->n)
        return begin_entry(c, err);
    c->finished = true;
    return dmpi_tar_finish(&c->writer, err);
}

static ssize_t context_read(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct dmpi_context *c = arg;
    while (c->ready.len == 0 && !c->finished) {
        if (produce(c, err))
            return -1;
    }
    size_t take = n < c->ready.len ? n : c->ready.len;
    if (take > 0) {
        memcpy(buf, c->ready.data, take);
        dmpi_buf_consume(&c->ready, take);
    }
    return (ssize_t)take;
}

struct dmpi_source dmpi_context_source(struct dmpi_context *context)
{
    return (struct dmpi_source){context_read, context};
}

void dmpi_context_free(struct dmpi_context *context)
{
    if (!context)
        return;
    for (size_t i = 0; i < context->n; i++) {
        free(context->v[i].path);
        free(context->v[i].link);
    }
    free(context->v);
    free(context->dir);
    dmpi_strv_free(&context->ignore);
    dmpi_buf_free(&context->ready);
    if (context->fd >= 0)
        close(context->fd);
    free(context);
}
