// SPDX-License-Identifier: MIT
#include "job/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define OUT_MAX ((size_t)4 << 20)
#define PIECE ((size_t)128 * 1024)
#define LINK_MAX_LEN ((size_t)64 * 1024)
// A file that changed so lately could change again without its time showing it: the kernel's clock
// for files has ticks, and some file systems count seconds only.
#define TICK_NS ((int64_t)50 * 1000 * 1000)
#define SECONDS_NS ((int64_t)2 * 1000 * 1000 * 1000)

void dmpi_pack_init(struct dmpi_pack *p, dmpi_pack_next_fn next, void *arg)
{
    *p = (struct dmpi_pack){.next = next, .arg = arg, .out = DMPI_BUF_INIT(OUT_MAX), .fd = -1};
    dmpi_tar_writer_init(&p->tar, dmpi_tar_write_buf, &p->out);
}

static void end_file(struct dmpi_pack *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    free(p->name);
    p->name = NULL;
}

// A file that has several names, under the first that was packed.
struct linked {
    dev_t dev;
    ino_t ino;
    char *path;
};

static int compare_linked(const void *pa, const void *pb)
{
    const struct linked *a = pa, *b = pb;
    if (a->dev != b->dev)
        return a->dev < b->dev ? -1 : 1;
    return (a->ino > b->ino) - (a->ino < b->ino);
}

static void free_linked(void *node)
{
    struct linked *l = node;
    free(l->path);
    free(l);
}

// The path under which the file is in the archive already; NULL when this one is its first.
static const char *first_path(struct dmpi_pack *p, const struct dmpi_pack_item *item,
                              const struct stat *st)
{
    struct linked key = {.dev = st->st_dev, .ino = st->st_ino};
    if (st->st_nlink < 2)
        return NULL;
    void *found = tfind(&key, &p->linked, compare_linked);
    if (found)
        return (*(struct linked **)found)->path;
    struct linked *l = dmpi_xmalloc(sizeof(*l));
    *l = key;
    l->path = dmpi_xstrdup(item->path);
    if (!tsearch(l, &p->linked, compare_linked)) // no memory: it is packed as a file of its own
        free_linked(l);
    return NULL;
}

void dmpi_pack_free(struct dmpi_pack *p)
{
    end_file(p);
    tdestroy(p->linked, free_linked);
    p->linked = NULL;
    dmpi_buf_free(&p->out);
}

static int add_link(struct dmpi_pack *p, const struct dmpi_pack_item *item,
                    struct dmpi_tar_entry *entry, struct dmpi_err *err)
{
    dmpi_autofree char *text = dmpi_xmalloc(LINK_MAX_LEN);
    ssize_t n = readlinkat(item->dirfd, item->name, text, LINK_MAX_LEN - 1);
    if (n < 0)
        return dmpi_err_sys(err, errno, "read link %s", item->path);
    text[n] = '\0';
    entry->type = DMPI_TAR_SYMLINK;
    entry->linkname = text;
    return dmpi_tar_add(&p->tar, entry, err);
}

// The nanoseconds that go with a file; wrong by one when its time is no proof.
static uint32_t proof_ns(const struct timespec *mtime)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age =
        now.tv_sec - mtime->tv_sec > 3600
            ? SECONDS_NS
            : (int64_t)(now.tv_sec - mtime->tv_sec) * 1000000000 + (now.tv_nsec - mtime->tv_nsec);
    bool proof = age >= (mtime->tv_nsec ? TICK_NS : SECONDS_NS);
    return (uint32_t)mtime->tv_nsec ^ (proof ? 0U : 1U);
}

// O_NONBLOCK: a FIFO that took the file's place meanwhile must not hold us.
static int add_file(struct dmpi_pack *p, const struct dmpi_pack_item *item,
                    struct dmpi_tar_entry *entry, struct dmpi_err *err)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (item->follow ? 0 : O_NOFOLLOW);
    p->fd = openat(item->dirfd, item->name, flags);
    struct stat st;
    if (p->fd < 0 || fstat(p->fd, &st) != 0)
        return dmpi_err_sys(err, errno, "open %s", item->path);
    if (!S_ISREG(st.st_mode))
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s changed while it was read", item->path);
    p->files++;
    const char *first = first_path(p, item, &st);
    if (first) {
        end_file(p);
        p->bytes += (uint64_t)st.st_size;
        entry->type = DMPI_TAR_HARDLINK;
        entry->linkname = first;
        return dmpi_tar_add(&p->tar, entry, err);
    }
    p->name = dmpi_xstrdup(item->path);
    p->left = (uint64_t)st.st_size;
    entry->type = DMPI_TAR_FILE;
    entry->size = p->left;
    if (item->precise)
        entry->mtime_ns = proof_ns(&item->st.st_mtim);
    return dmpi_tar_add(&p->tar, entry, err);
}

static int add_item(struct dmpi_pack *p, const struct dmpi_pack_item *item, struct dmpi_err *err)
{
    struct dmpi_tar_entry entry = {
        .path = item->path, .mode = item->st.st_mode & 01777, .mtime = item->st.st_mtime};
    if (S_ISLNK(item->st.st_mode))
        return add_link(p, item, &entry, err);
    if (S_ISREG(item->st.st_mode))
        return add_file(p, item, &entry, err);
    entry.type = DMPI_TAR_DIR;
    return dmpi_tar_add(&p->tar, &entry, err);
}

static int add_piece(struct dmpi_pack *p, struct dmpi_err *err)
{
    char piece[PIECE];
    size_t want = p->left < sizeof(piece) ? (size_t)p->left : sizeof(piece);
    ssize_t n = want ? read(p->fd, piece, want) : 0;
    if (n < 0 && errno == EINTR)
        return 0;
    if (n < 0)
        return dmpi_err_sys(err, errno, "read %s", p->name);
    if (n == 0 && p->left > 0)
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s changed while it was read", p->name);
    p->left -= (uint64_t)n;
    p->bytes += (uint64_t)n;
    int rc = n > 0 ? dmpi_tar_data(&p->tar, piece, (size_t)n, err) : 0;
    if (p->left == 0)
        end_file(p);
    return rc;
}

// Makes more of the archive.
static int produce(struct dmpi_pack *p, struct dmpi_err *err)
{
    if (p->fd >= 0)
        return add_piece(p, err);
    struct dmpi_pack_item item = {0};
    int rc = p->next(p->arg, &item, err);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return add_item(p, &item, err);
    p->ended = true;
    return dmpi_tar_finish(&p->tar, err);
}

static ssize_t pack_read(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct dmpi_pack *p = arg;
    // Small members are gathered, so that many small files do not become many small writes.
    while (!p->ended && p->out.len - p->out_pos < n && p->out.len < PIECE) {
        if (produce(p, err) < 0)
            return -1;
    }
    size_t have = p->out.len - p->out_pos;
    if (have > n)
        have = n;
    if (have > 0)
        memcpy(buf, p->out.data + p->out_pos, have);
    p->out_pos += have;
    if (p->out_pos == p->out.len) {
        dmpi_buf_clear(&p->out);
        p->out_pos = 0;
    }
    return (ssize_t)have;
}

struct dmpi_source dmpi_pack_source(struct dmpi_pack *p)
{
    return (struct dmpi_source){.read = pack_read, .arg = p};
}
