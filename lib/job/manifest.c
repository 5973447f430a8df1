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

static bool hash_fd(int fd, char out[DMPI_SHA256_HEX])
{
    struct dmpi_sha256 hash;
    dmpi_sha256_init(&hash);
    char piece[PIECE];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            dmpi_sha256_update(&hash, piece, (size_t)n);
    if (n == 0)
        dmpi_sha256_final_hex(&hash, out);
    dmpi_sha256_free(&hash);
    return n == 0;
}

const char *dmpi_manifest_hash(struct dmpi_manifest *m, size_t i)
{
    struct dmpi_manifest_entry *entry = &m->v[i];
    if (entry->sha256[0])
        return entry->sha256;
    dmpi_autofree char *path = dmpi_manifest_local(m, i);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (i == 0 ? 0 : O_NOFOLLOW));
    bool read = fd >= 0 && hash_fd(fd, entry->sha256);
    if (fd >= 0)
        close(fd);
    return read ? entry->sha256 : NULL;
}

char *dmpi_manifest_local(const struct dmpi_manifest *m, size_t i)
{
    return dmpi_xasprintf("%s%s", m->local, m->v[i].path + strlen(m->place));
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
                                          .mtime = w->st.st_mtim};
    int rc = 0;
    if (S_ISREG(w->st.st_mode)) {
        entry->type = DMPI_TAR_FILE;
        entry->size = (uint64_t)w->st.st_size;
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
