// SPDX-License-Identifier: MIT
#include "cluster/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/tar.h"
#include "cluster/spool_impl.h"
#include "engine/images.h"

// An archive of an image has a handful of small members beside its layers.
#define MEMBERS_MAX 4096
#define SMALL_MAX (4u << 20)

// One member of the archive that the engine writes.
struct member {
    char *path;
    char *link; // 20.10 writes a layer that occurs twice as a symbolic link
    uint64_t offset, size;
    char digest[DMPI_SHA256_HEX];
};

struct save {
    struct dmpi_spool *spool;
    struct member *members;
    size_t n;
    struct dmpi_sha256 hash;
    uint64_t end; // bytes written to the file
    struct dmpi_tar_reader reader;
    dmpi_spool_progress *progress;
    void *arg;
};

// A file without a name: nothing is left behind, even when this process is killed.
static int open_unnamed(struct dmpi_err *err)
{
    const char *dir = getenv("TMPDIR");
    if (!dir || !*dir)
        dir = "/var/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    dmpi_autofree char *path = dmpi_xasprintf("%s/dockmpi-image.XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return dmpi_err_sys(err, errno, "no temporary file for the image in %s (see TMPDIR)", dir);
    unlink(path);
    return fd;
}

static int on_entry(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err)
{
    struct save *s = arg;
    if (s->n == MEMBERS_MAX)
        return dmpi_err_set(err, DMPI_EPARSE, "the archive has too many members");
    s->members = dmpi_xreallocarray(s->members, s->n + 1, sizeof *s->members);
    s->members[s->n++] = (struct member){
        .path = dmpi_xstrdup(entry->path),
        .link = entry->type == DMPI_TAR_SYMLINK ? dmpi_xstrdup(entry->linkname) : NULL,
        .offset = s->end,
        .size = entry->size,
    };
    dmpi_sha256_free(&s->hash);
    dmpi_sha256_init(&s->hash);
    return 0;
}

static int on_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct save *s = arg;
    dmpi_sha256_update(&s->hash, data, len);
    if (dmpi_io_write_all(s->spool->fd, data, len, err) < 0)
        return dmpi_err_wrap(err, "temporary file for the image (see TMPDIR)");
    s->end += len;
    if (s->progress)
        s->progress(s->arg, s->end);
    return 0;
}

static int on_end(void *arg, struct dmpi_err *err)
{
    struct save *s = arg;
    (void)err;
    dmpi_sha256_final_hex(&s->hash, s->members[s->n - 1].digest);
    return 0;
}

static int feed(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct save *s = arg;
    return dmpi_tar_reader_feed(&s->reader, data, n, err);
}

static const struct member *find(const struct save *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->members[i].path, path) == 0)
            return &s->members[i];
    return NULL;
}

// The member that holds a path's bytes: a link "../ID/layer.tar" is followed once.
static const struct member *resolve(const struct save *s, const char *path)
{
    const struct member *m = find(s, path);
    if (m && m->link)
        m = find(s, strncmp(m->link, "../", 3) == 0 ? m->link + 3 : m->link);
    return m && !m->link ? m : NULL;
}

static int read_member(struct dmpi_buf *out, const struct save *s, const char *path,
                       struct dmpi_err *err)
{
    const struct member *m = resolve(s, path);
    if (!m)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine's archive has no %s", path);
    if (m->size > SMALL_MAX)
        return dmpi_err_set(err, DMPI_EPARSE, "%s is too large", path);
    char *room = dmpi_buf_reserve(out, m->size);
    if (!room || pread(s->spool->fd, room, m->size, (off_t)m->offset) != (ssize_t)m->size)
        return dmpi_err_set(err, DMPI_ESYS, "the image's temporary file cannot be read back");
    dmpi_buf_advance(out, m->size);
    return 0;
}

static int add_layer(struct dmpi_spool *spool, const struct save *s, size_t i, const char *path,
                     struct dmpi_err *err)
{
    const struct member *m = path ? resolve(s, path) : NULL;
    if (!m)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine's archive lacks layer %zu", i);
    struct dmpi_spool_layer *layer = &spool->layers[i];
    *layer = (struct dmpi_spool_layer){.offset = m->offset, .size = m->size};
    memcpy(layer->digest, m->digest, sizeof layer->digest);
    layer->compressed = strcmp(spool->diff_ids.v[i] + strlen("sha256:"), m->digest) != 0;
    return 0;
}

static int read_config(struct dmpi_spool *spool, const struct save *s, const char *path,
                       struct dmpi_err *err)
{
    struct dmpi_buf text = DMPI_BUF_INIT(SMALL_MAX);
    dmpi_json_auto json_t *config = NULL;
    int rc = read_member(&text, s, path, err);
    if (rc == 0)
        rc = dmpi_json_parse(&config, dmpi_buf_str(&text), text.len, err);
    if (rc == 0)
        rc = dmpi_json_need_strv(&spool->diff_ids, dmpi_json_obj(config, "rootfs"), "rootfs",
                                 "diff_ids", true, err);
    for (size_t i = 0; rc == 0 && i < spool->diff_ids.n; i++)
        if (strncmp(spool->diff_ids.v[i], "sha256:", 7) != 0 || strlen(spool->diff_ids.v[i]) != 71)
            rc = dmpi_err_set(err, DMPI_EPARSE, "layer %zu has no SHA-256 digest", i);
    spool->config_len = text.len;
    spool->config = dmpi_buf_steal(&text);
    dmpi_sha256_hex(spool->config, spool->config_len, spool->config_digest);
    memcpy(spool->word, spool->config_digest, sizeof spool->word - 1);
    return rc < 0 ? dmpi_err_wrap(err, "image configuration") : 0;
}

// What the archive says of itself: manifest.json lists the configuration and the layers in order.
static int understand(struct dmpi_spool *spool, const struct save *s, struct dmpi_err *err)
{
    struct dmpi_buf text = DMPI_BUF_INIT(SMALL_MAX);
    dmpi_json_auto json_t *manifest = NULL;
    int rc = read_member(&text, s, "manifest.json", err);
    if (rc == 0)
        rc = dmpi_json_parse(&manifest, dmpi_buf_str(&text), text.len, err);
    dmpi_buf_free(&text);
    const json_t *image = json_array_get(manifest, 0);
    const char *config = dmpi_json_str(image, "Config");
    const json_t *layers = dmpi_json_arr(image, "Layers");
    if (rc == 0 && (!config || !layers))
        rc = dmpi_err_set(err, DMPI_EPARSE, "manifest.json names no configuration and layers");
    if (rc == 0)
        rc = read_config(spool, s, config, err);
    if (rc == 0 && json_array_size(layers) != spool->diff_ids.n)
        rc = dmpi_err_set(err, DMPI_EPARSE, "%zu layers in manifest.json, %zu in the configuration",
                          json_array_size(layers), spool->diff_ids.n);
    if (rc < 0)
        return -1;
    spool->layers = dmpi_xcalloc(spool->diff_ids.n + 1, sizeof *spool->layers);
    for (size_t i = 0; i < spool->diff_ids.n; i++)
        if (add_layer(spool, s, i, json_string_value(json_array_get(layers, i)), err) < 0)
            return -1;
    return 0;
}

static int save_image(struct save *s, struct dmpi_engine *engine, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    const struct dmpi_tar_handler handler = {
        .entry = on_entry, .data = on_data, .end = on_end, .arg = s};
    const struct dmpi_sink sink = {.write = feed, .arg = s};
    const char *refs[] = {s->spool->ref, NULL};
    dmpi_tar_reader_init(&s->reader, &handler);
    int rc = dmpi_image_save(engine, ctl, refs, &sink, err);
    if (rc == 0)
        rc = dmpi_tar_reader_finish(&s->reader, err);
    dmpi_tar_reader_free(&s->reader);
    dmpi_sha256_free(&s->hash);
    return rc;
}

int dmpi_spool_make(struct dmpi_spool **out, struct dmpi_engine *engine, const char *ref,
                    dmpi_spool_progress *progress, void *arg, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    struct dmpi_spool *spool = dmpi_xcalloc(1, sizeof *spool);
    struct save s = {.spool = spool, .progress = progress, .arg = arg};
    *out = NULL;
    spool->ref = dmpi_xstrdup(ref);
    spool->fd = open_unnamed(err);
    int rc = spool->fd < 0 ? -1 : save_image(&s, engine, ctl, err);
    if (rc == 0)
        rc = understand(spool, &s, err);
    for (size_t i = 0; i < s.n; i++) {
        free(s.members[i].path);
        free(s.members[i].link);
    }
    free(s.members);
    if (rc < 0) {
        dmpi_spool_free(spool);
        return dmpi_err_wrap(err, "save image %s", ref);
    }
    *out = spool;
    return 0;
}

void dmpi_spool_free(struct dmpi_spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->ref);
    free(spool->config);
    free(spool->layers);
    dmpi_strv_free(&spool->diff_ids);
    free(spool);
}

const struct dmpi_strv *dmpi_spool_layers(const struct dmpi_spool *spool)
{
    return &spool->diff_ids;
}

const char *dmpi_spool_ref(const struct dmpi_spool *spool)
{
    return spool->ref;
}

uint64_t dmpi_spool_bytes(const struct dmpi_spool *spool, size_t skip)
{
    uint64_t bytes = 0;
    for (size_t i = skip; i < spool->diff_ids.n; i++)
        bytes += spool->layers[i].size;
    return bytes;
}

size_t dmpi_spool_stop(const struct dmpi_spool *spool, size_t skip, uint64_t bytes)
{
    size_t end = skip;
    uint64_t stretch = 0;
    while (end < spool->diff_ids.n && stretch < bytes)
        stretch += spool->layers[end++].size;
    return dmpi_spool_bytes(spool, end) < bytes ? spool->diff_ids.n : end;
}

const char *dmpi_spool_word(const struct dmpi_spool *spool)
{
    return spool->word;
}
