// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/tar.h"
#include "base/tar_format.h"

enum { BLOCK = DMPI_TAR_BLOCK_SIZE, RECORD = 20 * BLOCK };

static const unsigned char zeros[RECORD];

void dmpi_tar_writer_init(struct dmpi_tar_writer *w, dmpi_tar_write_fn write, void *arg)
{
    *w = (struct dmpi_tar_writer){.write = write, .arg = arg};
}

int dmpi_tar_write_buf(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct dmpi_buf *buf = arg;
    dmpi_buf_add(buf, data, len);
    return buf->overflow ? dmpi_err_set(err, DMPI_EINVAL, "archive is too large") : 0;
}

static int put(struct dmpi_tar_writer *w, const void *data, size_t len, struct dmpi_err *err)
{
    if (len == 0)
        return 0;
    if (w->write(data, len, w->arg, err) != 0)
        return -1;
    w->written += len;
    return 0;
}

static unsigned padding(uint64_t size)
{
    return (unsigned)((BLOCK - size % BLOCK) % BLOCK);
}

static bool fits_octal(uint64_t value, unsigned digits)
{
    return value >> (3 * digits) == 0;
}

// Octal digits up to the field's last byte, which stays NUL. A value that does not fit is left 0:
// the pax header carries it then.
static void put_octal(char *field, size_t size, uint64_t value)
{
    if (!fits_octal(value, (unsigned)size - 1))
        value = 0;
    for (size_t i = size - 1; i > 0; i--, value >>= 3)
        field[i - 1] = (char)('0' + (value & 7));
}

static void seal(struct dmpi_tar_header *h)
{
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memset(h->chksum, ' ', sizeof(h->chksum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const unsigned char *)h)[i];
    put_octal(h->chksum, 7, sum);
}

// Where path can be split so that the parts fit prefix and name; NULL when nowhere. path itself
// when it fits the name alone.
static const char *name_part(const char *path, size_t len)
{
    const struct dmpi_tar_header *h = NULL;
    if (len <= sizeof(h->name))
        return path;
    if (len > sizeof(h->name) + sizeof(h->prefix) + 1)
        return NULL;
    const char *slash = strchr(path + len - sizeof(h->name) - 1, '/');
    bool ok =
        slash && slash > path && slash[1] != '\0' && (size_t)(slash - path) <= sizeof(h->prefix);
    return ok ? slash + 1 : NULL;
}

static void put_field(char *field, size_t size, const char *text)
{
    size_t len = strlen(text);
    memcpy(field, text, len < size ? len : size);
}

static void put_path(struct dmpi_tar_header *h, const char *path)
{
    const char *name = name_part(path, strlen(path));
    if (!name || name == path) {
        put_field(h->name, sizeof(h->name), path);
        return;
    }
    memcpy(h->prefix, path, (size_t)(name - 1 - path));
    put_field(h->name, sizeof(h->name), name);
}

// One pax record "LEN KEY=VALUE\n", where LEN counts itself.
static void pax_record(struct dmpi_buf *pax, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3;
    size_t len = rest + 1;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest != len)
        len++;
    dmpi_buf_addf(pax, "%zu %s=%s\n", len, key, value);
}

static void pax_number(struct dmpi_buf *pax, const char *key, uint64_t value, unsigned digits)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    if (!fits_octal(value, digits))
        pax_record(pax, key, text);
}

// What the ustar header cannot hold. Empty for nearly every file.
static void pax_collect(struct dmpi_buf *pax, const struct dmpi_tar_entry *e, const char *path)
{
    const struct dmpi_tar_header *h = NULL;
    if (!name_part(path, strlen(path)))
        pax_record(pax, "path", path);
    if (e->linkname && strlen(e->linkname) > sizeof(h->linkname))
        pax_record(pax, "linkpath", e->linkname);
    if (e->uname && strlen(e->uname) >= sizeof(h->uname))
        pax_record(pax, "uname", e->uname);
    if (e->gname && strlen(e->gname) >= sizeof(h->gname))
        pax_record(pax, "gname", e->gname);
    pax_number(pax, "uid", e->uid, 7);
    pax_number(pax, "gid", e->gid, 7);
    pax_number(pax, "size", e->size, 11);
    if (e->mtime < 0 || e->mtime_ns > 0) {
        char text[40];
        int n = snprintf(text, sizeof(text), "%" PRId64, e->mtime);
        if (e->mtime >= 0)
            snprintf(text + n, sizeof(text) - (size_t)n, ".%09" PRIu32, e->mtime_ns);
        pax_record(pax, "mtime", text);
    } else {
        pax_number(pax, "mtime", (uint64_t)e->mtime, 11);
    }
}

static void fill(struct dmpi_tar_header *h, const struct dmpi_tar_entry *e, const char *path)
{
    put_path(h, path);
    put_octal(h->mode, sizeof(h->mode), e->mode & 07777);
    put_octal(h->uid, sizeof(h->uid), e->uid);
    put_octal(h->gid, sizeof(h->gid), e->gid);
    put_octal(h->size, sizeof(h->size), e->size);
    put_octal(h->mtime, sizeof(h->mtime), e->mtime > 0 ? (uint64_t)e->mtime : 0);
    h->typeflag = e->type;
    put_field(h->linkname, sizeof(h->linkname), e->linkname ? e->linkname : "");
    put_field(h->uname, sizeof(h->uname) - 1, e->uname ? e->uname : "");
    put_field(h->gname, sizeof(h->gname) - 1, e->gname ? e->gname : "");
    seal(h);
}

static int put_pax(struct dmpi_tar_writer *w, const struct dmpi_buf *pax, struct dmpi_err *err)
{
    struct dmpi_tar_header h = {.typeflag = 'x'};
    put_field(h.name, sizeof(h.name), "././@PaxHeader");
    put_octal(h.mode, sizeof(h.mode), 0644);
    put_octal(h.uid, sizeof(h.uid), 0);
    put_octal(h.gid, sizeof(h.gid), 0);
    put_octal(h.mtime, sizeof(h.mtime), 0);
    put_octal(h.size, sizeof(h.size), pax->len);
    seal(&h);
    if (put(w, &h, sizeof(h), err) != 0 || put(w, pax->data, pax->len, err) != 0)
        return -1;
    return put(w, zeros, padding(pax->len), err);
}

static int check(const struct dmpi_tar_writer *w, const struct dmpi_tar_entry *e,
                 struct dmpi_err *err)
{
    if (!e->path || *e->path == '\0')
        return dmpi_err_set(err, DMPI_EINVAL, "archive: an entry has no path");
    if (w->missing > 0)
        return dmpi_err_set(err, DMPI_EINVAL, "archive: the entry before '%s' lacks data", e->path);
    if (!strchr("0125", e->type) || e->type == '\0')
        return dmpi_err_set(err, DMPI_EINVAL, "archive: %s: neither file, folder nor link",
                            e->path);
    if (e->size > 0 && e->type != DMPI_TAR_FILE)
        return dmpi_err_set(err, DMPI_EINVAL, "archive: %s: only a file has data", e->path);
    return 0;
}

// The path as the archive has it: folders end in a slash. Owned by the caller.
static char *stored_path(const struct dmpi_tar_entry *e)
{
    size_t len = strlen(e->path);
    bool slash = e->type == DMPI_TAR_DIR && e->path[len - 1] != '/';
    return dmpi_xasprintf("%s%s", e->path, slash ? "/" : "");
}

int dmpi_tar_add(struct dmpi_tar_writer *w, const struct dmpi_tar_entry *entry,
                 struct dmpi_err *err)
{
    if (check(w, entry, err) != 0 || put(w, zeros, w->pad, err) != 0)
        return -1;
    w->pad = 0;
    dmpi_autofree char *path = stored_path(entry);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf pax = DMPI_BUF_INIT(DMPI_TAR_META_MAX);
    pax_collect(&pax, entry, path);
    if (pax.overflow)
        return dmpi_err_set(err, DMPI_EINVAL, "archive: %.200s...: path is too long", path);
    if (pax.len > 0 && put_pax(w, &pax, err) != 0)
        return -1;
    struct dmpi_tar_header h = {0};
    fill(&h, entry, path);
    w->missing = entry->size;
    w->pad = padding(entry->size);
    return put(w, &h, sizeof(h), err);
}

int dmpi_tar_data(struct dmpi_tar_writer *w, const void *data, size_t len, struct dmpi_err *err)
{
    if (len > w->missing)
        return dmpi_err_set(err, DMPI_EINVAL, "archive: more data than the entry announced");
    if (put(w, data, len, err) != 0)
        return -1;
    w->missing -= len;
    return 0;
}

int dmpi_tar_add_data(struct dmpi_tar_writer *w, const struct dmpi_tar_entry *entry,
                      const void *data, struct dmpi_err *err)
{
    if (dmpi_tar_add(w, entry, err) != 0)
        return -1;
    return dmpi_tar_data(w, data, (size_t)entry->size, err);
}

int dmpi_tar_finish(struct dmpi_tar_writer *w, struct dmpi_err *err)
{
    if (w->missing > 0)
        return dmpi_err_set(err, DMPI_EINVAL, "archive: the last entry lacks data");
    if (put(w, zeros, w->pad, err) != 0)
        return -1;
    w->pad = 0;
    if (put(w, zeros, 2 * BLOCK, err) != 0)
        return -1;
    return put(w, zeros, (RECORD - w->written % RECORD) % RECORD, err);
}

uint64_t dmpi_tar_member_size(const struct dmpi_tar_entry *entry)
{
    dmpi_autofree char *path = stored_path(entry);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf pax = DMPI_BUF_INIT(DMPI_TAR_META_MAX);
    pax_collect(&pax, entry, path);
    uint64_t meta = pax.len > 0 ? BLOCK + pax.len + padding(pax.len) : 0;
    return meta + BLOCK + entry->size + padding(entry->size);
}
