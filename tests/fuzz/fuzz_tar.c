// SPDX-License-Identifier: MIT
// The reader must give the same entries whether an archive comes at once or in pieces, never give
// more data than an entry announced, and what it read must survive a trip through the writer.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct dmpi_buf text;        // every entry and its data
    struct dmpi_tar_writer copy; // the same written again
    struct dmpi_buf archive;
    bool copying;  // false once something cannot be written again
    uint64_t left; // data bytes that the entry still announces
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int on_entry(const struct dmpi_tar_entry *e, void *arg, struct dmpi_err *err)
{
    struct seen *s = arg;
    check(e->path[0] != '\0' && e->mode <= 07777);
    check(e->type == DMPI_TAR_FILE || e->size == 0);
    dmpi_buf_addf(&s->text, "%c %s %o %llu %llu %lld %llu %s %s %s\n", e->type, e->path, e->mode,
                  (unsigned long long)e->uid, (unsigned long long)e->gid, (long long)e->mtime,
                  (unsigned long long)e->size, e->linkname, e->uname, e->gname);
    s->left = e->size;
    if (s->copying && dmpi_tar_add(&s->copy, e, err) != 0)
        s->copying = false; // a device, say
    return 0;
}

static int on_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct seen *s = arg;
    check(len > 0 && len <= s->left);
    s->left -= len;
    dmpi_buf_add(&s->text, data, len);
    if (s->copying)
        check(dmpi_tar_data(&s->copy, data, len, err) == 0);
    return 0;
}

static int on_end(void *arg, struct dmpi_err *err)
{
    (void)err;
    struct seen *s = arg;
    check(s->left == 0);
    dmpi_buf_addc(&s->text, '\n');
    return 0;
}

static int read_all(struct seen *s, const char *data, size_t size, size_t piece)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_handler h = {on_entry, on_data, on_end, s};
    DMPI_AUTO(dmpi_tar_reader_free) struct dmpi_tar_reader r;
    dmpi_tar_reader_init(&r, &h);
    *s = (struct seen){.text = DMPI_BUF_INIT(SIZE_MAX / 2),
                       .archive = DMPI_BUF_INIT(SIZE_MAX / 2),
                       .copying = true};
    dmpi_tar_writer_init(&s->copy, dmpi_tar_write_buf, &s->archive);
    for (size_t at = 0; at < size; at += piece)
        if (dmpi_tar_reader_feed(&r, data + at, size - at < piece ? size - at : piece, &err) != 0)
            return -1;
    if (dmpi_tar_reader_finish(&r, &err) != 0)
        return -1;
    return s->copying ? dmpi_tar_finish(&s->copy, &err) : 0;
}

static void seen_free(struct seen *s)
{
    dmpi_buf_free(&s->text);
    dmpi_buf_free(&s->archive);
}

static void check_same(const struct seen *a, const struct seen *b)
{
    check(a->text.len == b->text.len &&
          memcmp(dmpi_buf_str(&a->text), dmpi_buf_str(&b->text), a->text.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct seen whole;
    struct seen pieces;
    int rc = read_all(&whole, text, size, size + 1);
    check(read_all(&pieces, text, size, 13) == rc);
    check_same(&whole, &pieces);
    if (rc == 0 && whole.copying) {
        struct seen again;
        check(read_all(&again, whole.archive.data, whole.archive.len, 10240) == 0);
        check_same(&whole, &again);
        seen_free(&again);
    }
    seen_free(&whole);
    seen_free(&pieces);
    return 0;
}
