// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/tar.h"
#include "base/tar_format.h"
#include "base/text.h"

enum { BLOCK = DMPI_TAR_BLOCK_SIZE };

enum state { HEADER, DATA, PAD, ENDED };

static int damaged(struct dmpi_err *err, const char *what)
{
    return dmpi_err_set(err, DMPI_EPARSE, "damaged archive: %s", what);
}

void dmpi_tar_reader_init(struct dmpi_tar_reader *r, const struct dmpi_tar_handler *handler)
{
    *r = (struct dmpi_tar_reader){
        .handler = *handler, .state = HEADER, .collected = DMPI_BUF_INIT(DMPI_TAR_META_MAX)};
}

// What pax and GNU members said counts for one entry only.
static void drop_overrides(struct dmpi_tar_reader *r)
{
    free(r->path);
    free(r->linkname);
    free(r->uname);
    free(r->gname);
    r->path = r->linkname = r->uname = r->gname = NULL;
    r->have_size = r->have_mtime = r->have_uid = r->have_gid = false;
}

void dmpi_tar_reader_free(struct dmpi_tar_reader *r)
{
    if (!r)
        return;
    drop_overrides(r);
    dmpi_buf_free(&r->collected);
}

// --- numbers ---------------------------------------------------------------------------------

// GNU's base 256: big-endian two's complement with the top bit set as marker.
static int read_base256(int64_t *out, const unsigned char *field, size_t size)
{
    int negative = field[0] & 0x40;
    int64_t n = negative ? -1 : 0;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = i > 0 ? field[i] : negative ? field[0] : field[0] & 0x7Fu;
        if (n > INT64_MAX >> 8 || n < INT64_MIN >> 8)
            return -1;
        n = n * 256 + byte;
    }
    *out = n;
    return 0;
}

static int read_number(int64_t *out, const char *field, size_t size)
{
    if ((unsigned char)field[0] & 0x80)
        return read_base256(out, (const unsigned char *)field, size);
    size_t i = 0;
    while (i < size && field[i] == ' ')
        i++;
    int64_t n = 0; // 12 octal digits never overflow it
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        n = n * 8 + (field[i] - '0');
    for (; i < size; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -1;
    *out = n;
    return 0;
}

static bool checksum_ok(const unsigned char *block)
{
    const struct dmpi_tar_header *h = (const void *)block;
    int64_t said;
    if (read_number(&said, h->chksum, sizeof(h->chksum)) != 0)
        return false;
    int64_t sum = 0;
    int64_t signed_sum = 0; // some old programs summed signed characters
    for (size_t i = 0; i < BLOCK; i++) {
        bool own = i >= offsetof(struct dmpi_tar_header, chksum) &&
                   i < offsetof(struct dmpi_tar_header, typeflag);
        sum += own ? ' ' : block[i];
        signed_sum += own ? ' ' : (signed char)block[i];
    }
    return said == sum || said == signed_sum;
}

// --- pax and GNU members ---------------------------------------------------------------------

static int pax_text(char **slot, const char *value, size_t len, struct dmpi_err *err)
{
    if (memchr(value, '\0', len))
        return damaged(err, "NUL character in a pax header");
    free(*slot);
    *slot = len > 0 ? dmpi_xstrndup(value, len) : NULL; // an empty value withdraws
    return 0;
}

static int pax_number(uint64_t *slot, bool *have, const char *value, struct dmpi_err *err)
{
    long long n;
    if (dmpi_text_int(&n, value, 0, INT64_MAX) != 0)
        return damaged(err, "bad number in a pax header");
    *slot = (uint64_t)n;
    *have = true;
    return 0;
}

// Whole seconds; the fraction that pax allows is dropped.
static int pax_mtime(struct dmpi_tar_reader *r, const char *value, struct dmpi_err *err)
{
    dmpi_autofree char *whole = dmpi_xstrndup(value, strcspn(value, "."));
    long long n;
    if (dmpi_text_int(&n, whole, INT64_MIN, INT64_MAX) != 0)
        return damaged(err, "bad time in a pax header");
    r->mtime = n;
    r->have_mtime = true;
    return 0;
}

static int pax_apply(struct dmpi_tar_reader *r, const char *key, const char *value, size_t len,
                     struct dmpi_err *err)
{
    if (strcmp(key, "path") == 0)
        return pax_text(&r->path, value, len, err);
    if (strcmp(key, "linkpath") == 0)
        return pax_text(&r->linkname, value, len, err);
    if (strcmp(key, "uname") == 0)
        return pax_text(&r->uname, value, len, err);
    if (strcmp(key, "gname") == 0)
        return pax_text(&r->gname, value, len, err);
    if (strcmp(key, "size") == 0)
        return pax_number(&r->size, &r->have_size, value, err);
    if (strcmp(key, "uid") == 0)
        return pax_number(&r->uid, &r->have_uid, value, err);
    if (strcmp(key, "gid") == 0)
        return pax_number(&r->gid, &r->have_gid, value, err);
    if (strcmp(key, "mtime") == 0)
        return pax_mtime(r, value, err);
    if (dmpi_text_starts_with(key, "GNU.sparse."))
        return dmpi_err_set(err, DMPI_EPARSE, "archive: sparse files are not supported");
    return 0;
}

// The record "LEN KEY=VALUE\n" at text, of which left bytes remain. Returns its length, or -1.
static long pax_record(struct dmpi_tar_reader *r, const char *text, size_t left,
                       struct dmpi_err *err)
{
    size_t len = 0;
    size_t i = 0;
    for (; i < left && i < 8 && text[i] >= '0' && text[i] <= '9'; i++)
        len = len * 10 + (size_t)(text[i] - '0');
    if (i == 0 || i >= left || text[i] != ' ' || len <= i + 1 || len > left ||
        text[len - 1] != '\n')
        return damaged(err, "bad pax header");
    dmpi_autofree char *record = dmpi_xmemdup(text + i + 1, len - i - 2);
    char *equals = memchr(record, '=', len - i - 2);
    if (!equals)
        return damaged(err, "bad pax header");
    *equals = '\0';
    size_t value_len = len - i - 2 - (size_t)(equals + 1 - record);
    return pax_apply(r, record, equals + 1, value_len, err) == 0 ? (long)len : -1;
}

static int apply_meta(struct dmpi_tar_reader *r, struct dmpi_err *err)
{
    const char *text = dmpi_buf_str(&r->collected);
    size_t len = r->collected.len;
    if (r->meta == 'L' || r->meta == 'K') {
        char **slot = r->meta == 'L' ? &r->path : &r->linkname;
        return pax_text(slot, text, strnlen(text, len), err);
    }
    while (r->meta == 'x' && len > 0) {
        long n = pax_record(r, text, len, err);
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

// --- headers ---------------------------------------------------------------------------------

static char *header_path(const struct dmpi_tar_header *h)
{
    bool posix = memcmp(h->magic, "ustar", 6) == 0; // with its NUL: GNU's own format has a blank
    int prefix = posix ? (int)strnlen(h->prefix, sizeof(h->prefix)) : 0;
    return dmpi_xasprintf("%.*s%s%.*s", prefix, h->prefix, prefix > 0 ? "/" : "",
                          (int)sizeof(h->name), h->name);
}

static void take(char **slot, const char *field, size_t size)
{
    if (!*slot)
        *slot = dmpi_xstrndup(field, size);
}

static void cut_slashes(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
}

static int read_numbers(struct dmpi_tar_reader *r, struct dmpi_tar_entry *e,
                        const struct dmpi_tar_header *h, struct dmpi_err *err)
{
    int64_t mode, uid, gid, size, mtime;
    if (read_number(&mode, h->mode, sizeof(h->mode)) != 0 ||
        read_number(&uid, h->uid, sizeof(h->uid)) != 0 ||
        read_number(&gid, h->gid, sizeof(h->gid)) != 0 ||
        read_number(&size, h->size, sizeof(h->size)) != 0 ||
        read_number(&mtime, h->mtime, sizeof(h->mtime)) != 0 || size < 0 || uid < 0 || gid < 0)
        return damaged(err, "bad number in a header");
    e->mode = (uint32_t)(mode & 07777);
    e->uid = r->have_uid ? r->uid : (uint64_t)uid;
    e->gid = r->have_gid ? r->gid : (uint64_t)gid;
    e->size = r->have_size ? r->size : (uint64_t)size;
    e->mtime = r->have_mtime ? r->mtime : mtime;
    return 0;
}

// Fills e; its strings belong to r until drop_overrides.
static int read_entry(struct dmpi_tar_reader *r, struct dmpi_tar_entry *e,
                      const struct dmpi_tar_header *h, struct dmpi_err *err)
{
    if (read_numbers(r, e, h, err) != 0)
        return -1;
    if (!r->path)
        r->path = header_path(h);
    if (*r->path == '\0')
        return damaged(err, "an entry has no path");
    take(&r->linkname, h->linkname, sizeof(h->linkname));
    take(&r->uname, h->uname, sizeof(h->uname));
    take(&r->gname, h->gname, sizeof(h->gname));
    e->type = h->typeflag == '\0' || h->typeflag == '7' ? DMPI_TAR_FILE : h->typeflag;
    if (h->typeflag == '\0' && dmpi_text_ends_with(r->path, "/"))
        e->type = DMPI_TAR_DIR; // how folders were marked before ustar
    if (e->type == DMPI_TAR_DIR)
        cut_slashes(r->path);
    if (e->type != DMPI_TAR_FILE)
        e->size = 0;
    e->path = r->path;
    e->linkname = r->linkname;
    e->uname = r->uname;
    e->gname = r->gname;
    return 0;
}

// After the last data byte of a member.
static int end_member(struct dmpi_tar_reader *r, struct dmpi_err *err)
{
    r->state = r->pad > 0 ? PAD : HEADER;
    if (r->meta) {
        int rc = apply_meta(r, err);
        r->meta = '\0';
        dmpi_buf_clear(&r->collected);
        return rc;
    }
    return r->handler.end ? r->handler.end(r->handler.arg, err) : 0;
}

static int begin_data(struct dmpi_tar_reader *r, uint64_t size, struct dmpi_err *err)
{
    r->left = size;
    r->pad = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    r->state = DATA;
    return size > 0 ? 0 : end_member(r, err);
}

static int on_entry(struct dmpi_tar_reader *r, const struct dmpi_tar_header *h,
                    struct dmpi_err *err)
{
    struct dmpi_tar_entry e = {0};
    int rc = read_entry(r, &e, h, err);
    if (rc == 0)
        rc = r->handler.entry(&e, r->handler.arg, err);
    drop_overrides(r);
    return rc == 0 ? begin_data(r, e.size, err) : -1;
}

static int on_meta(struct dmpi_tar_reader *r, const struct dmpi_tar_header *h, struct dmpi_err *err)
{
    int64_t size;
    if (read_number(&size, h->size, sizeof(h->size)) != 0 || size < 0)
        return damaged(err, "bad number in a header");
    if (size > DMPI_TAR_META_MAX)
        return damaged(err, "a header is larger than 1 MiB");
    r->meta = h->typeflag;
    return begin_data(r, (uint64_t)size, err);
}

static bool all_zero(const unsigned char *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

static int on_header(struct dmpi_tar_reader *r, struct dmpi_err *err)
{
    const struct dmpi_tar_header *h = (const void *)r->block;
    r->have = 0;
    if (all_zero(r->block)) {
        r->zeros++;
        r->state = r->zeros == 2 ? ENDED : HEADER;
        return 0;
    }
    r->zeros = 0;
    if (!checksum_ok(r->block))
        return damaged(err, "a header's checksum is wrong");
    switch (h->typeflag) {
    case 'x':
    case 'g': // defaults for all entries: only comments are known in the wild, so skipped
    case 'L':
    case 'K':
        return on_meta(r, h, err);
    case 'S':
        return dmpi_err_set(err, DMPI_EPARSE, "archive: sparse files are not supported");
    case '\0':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
        return on_entry(r, h, err);
    default:
        return dmpi_err_set(err, DMPI_EPARSE, "archive: unknown kind of entry 0x%02x",
                            (unsigned char)h->typeflag);
    }
}

// --- feeding ---------------------------------------------------------------------------------

static int on_data(struct dmpi_tar_reader *r, const char *p, size_t n, struct dmpi_err *err)
{
    if (r->meta)
        dmpi_buf_add(&r->collected, p, n); // its size was checked against the buffer's
    else if (r->handler.data && r->handler.data(p, n, r->handler.arg, err) != 0)
        return -1;
    r->left -= n;
    return r->left > 0 ? 0 : end_member(r, err);
}

static int collect_header(struct dmpi_tar_reader *r, const char *p, size_t n, struct dmpi_err *err)
{
    memcpy(r->block + r->have, p, n);
    r->have += (unsigned)n;
    return r->have < BLOCK ? 0 : on_header(r, err);
}

static void skip_pad(struct dmpi_tar_reader *r, size_t n)
{
    r->pad -= (unsigned)n;
    if (r->pad == 0)
        r->state = HEADER;
}

// How many bytes the present state still takes.
static uint64_t wanted(const struct dmpi_tar_reader *r)
{
    return r->state == HEADER ? BLOCK - r->have : r->state == DATA ? r->left : r->pad;
}

int dmpi_tar_reader_feed(struct dmpi_tar_reader *r, const void *data, size_t len,
                         struct dmpi_err *err)
{
    const char *p = data;
    while (len > 0 && r->state != ENDED) {
        uint64_t want = wanted(r);
        size_t n = len < want ? len : (size_t)want;
        int rc = 0;
        if (r->state == HEADER)
            rc = collect_header(r, p, n, err);
        else if (r->state == DATA)
            rc = on_data(r, p, n, err);
        else
            skip_pad(r, n);
        if (rc != 0)
            return -1;
        p += n;
        len -= n;
    }
    return 0;
}

int dmpi_tar_reader_finish(struct dmpi_tar_reader *r, struct dmpi_err *err)
{
    if (r->state == ENDED || (r->state == HEADER && r->have == 0))
        return 0;
    return damaged(err, "it ends in the middle of an entry");
}

bool dmpi_tar_reader_ended(const struct dmpi_tar_reader *r)
{
    return r->state == ENDED;
}

bool dmpi_tar_path_safe(const char *path)
{
    if (*path == '\0' || *path == '/')
        return false;
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.')
            return false;
        path += len;
        path += strspn(path, "/");
    }
    return true;
}
