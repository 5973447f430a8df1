// SPDX-License-Identifier: MIT
#include "job/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/tar.h"
#include "job/walk.h"

#define PIECE ((size_t)128 * 1024)
#define LINK_MAX_LEN ((size_t)64 * 1024)

static bool no_source(const char *name)
{
    return strcmp(name, ".git") == 0 || strcmp(name, "__pycache__") == 0;
}

// Hashes what fd gives; *size becomes what was really read.
static int hash_fd(int fd, char out[DMPI_SHA256_HEX], uint64_t *size, struct dmpi_err *err)
{
    struct dmpi_sha256 hash;
    dmpi_sha256_init(&hash);
    char piece[PIECE];
    *size = 0;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int errnum = errno;
            dmpi_sha256_free(&hash);
            return dmpi_err_sys(err, errnum, "read");
        }
        if (n == 0)
            break;
        dmpi_sha256_update(&hash, piece, (size_t)n);
        *size += (uint64_t)n;
    }
    dmpi_sha256_final_hex(&hash, out);
    return 0;
}

static int read_file(struct dmpi_manifest_entry *entry, const struct dmpi_walk *w,
                     struct dmpi_err *err)
{
    int follow = w->dirfd == AT_FDCWD ? 0 : O_NOFOLLOW;
    int fd = openat(w->dirfd, w->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | follow);
    if (fd < 0)
        return dmpi_err_sys(err, errno, "open");
    int rc = hash_fd(fd, entry->sha256, &entry->size, err);
    close(fd);
    return rc;
}

static int read_link(struct dmpi_manifest_entry *entry, const struct dmpi_walk *w,
                     struct dmpi_err *err)
{
    dmpi_autofree char *text = dmpi_xmalloc(LINK_MAX_LEN);
    ssize_t n = readlinkat(w->dirfd, w->name, text, LINK_MAX_LEN - 1);
    if (n < 0)
        return dmpi_err_sys(err, errno, "read link");
    entry->link = dmpi_xstrndup(text, (size_t)n);
    return 0;
}

static int add(struct dmpi_manifest *m, const struct dmpi_walk *w, struct dmpi_err *err)
{
    if (m->n == DMPI_MANIFEST_MAX)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "more than %zu files: is this the folder that you mean?", m->n);
    if ((m->n & (m->n - 1)) == 0) // grows at powers of two
        m->v = dmpi_xreallocarray(m->v, m->n ? m->n * 2 : 1, sizeof(*m->v));
    struct dmpi_manifest_entry *entry = &m->v[m->n++];
    *entry = (struct dmpi_manifest_entry){.path = dmpi_xstrdup(dmpi_buf_str(&w->path)),
                                          .type = DMPI_TAR_DIR,
                                          .mode = w->st.st_mode & 01777,
                                          .mtime = w->st.st_mtime};
    int rc = 0;
    if (S_ISREG(w->st.st_mode)) {
        entry->type = DMPI_TAR_FILE;
        rc = read_file(entry, w, err);
        m->files++;
        m->bytes += entry->size;
    } else if (S_ISLNK(w->st.st_mode)) {
        entry->type = DMPI_TAR_SYMLINK;
        rc = read_link(entry, w, err);
    }
    return rc < 0 ? dmpi_err_wrap(err, "%s", entry->path) : 0;
}

int dmpi_manifest_read(struct dmpi_manifest *out, const char *local, const char *place,
                       bool skip_git, struct dmpi_err *err)
{
    *out = (struct dmpi_manifest){.local = dmpi_xstrdup(local), .place = dmpi_xstrdup(place)};
    struct dmpi_walk w DMPI_AUTO(dmpi_walk_free) = {0};
    dmpi_walk_init(&w, local, place, true, true);
    if (skip_git)
        w.skip = no_source;
    int rc;
    while ((rc = dmpi_walk_next(&w, err)) > 0) {
        if (add(out, &w, err) < 0)
            return -1;
    }
    return rc;
}

void dmpi_manifest_free(struct dmpi_manifest *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        free(m->v[i].path);
        free(m->v[i].link);
    }
    free(m->v);
    free(m->local);
    free(m->place);
    *m = (struct dmpi_manifest){0};
}
