// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/tar.h"
#include "cluster/spool.h"
#include "cluster/spool_impl.h"

#define TEXT_MAX (16u << 20)
#define OCI "application/vnd.oci.image."

// The archive as pieces: text in memory (headers, JSON, padding), or a stretch of the spool's file.
struct piece {
    size_t text, text_len; // where in the reader's text
    uint64_t offset, size; // in the file, after the text
};

// What the archive is about: the image itself, or the stopover that a stretch makes.
struct about {
    const struct dmpi_spool *spool;
    const char *ref;
    size_t n; // layers
    const char *config;
    size_t config_len;
    char config_digest[DMPI_SHA256_HEX];
};

struct dmpi_spool_reader {
    const struct dmpi_spool *spool;
    struct dmpi_buf text;
    struct piece *pieces;
    size_t n, at;  // at: piece being read
    uint64_t done; // bytes read of that piece
    uint64_t sent;
    size_t text_begin; // of the piece being built
};

static void end_piece(struct dmpi_spool_reader *r, uint64_t offset, uint64_t size)
{
    r->pieces = dmpi_xreallocarray(r->pieces, r->n + 1, sizeof *r->pieces);
    r->pieces[r->n++] = (struct piece){.text = r->text_begin,
                                       .text_len = r->text.len - r->text_begin,
                                       .offset = offset,
                                       .size = size};
    r->text_begin = r->text.len;
}

// Errors of the writer cannot happen here: it writes to memory, and the sizes are ours.
static void add_text(struct dmpi_tar_writer *w, const char *path, const char *text, size_t len)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    const struct dmpi_tar_entry entry = {
        .path = path, .type = DMPI_TAR_FILE, .mode = 0644, .size = len};
    dmpi_tar_add_data(w, &entry, text, &err);
}

static void add_json(struct dmpi_tar_writer *w, const char *path, const json_t *value)
{
    dmpi_autofree char *text = dmpi_json_dump(value);
    add_text(w, path, text, strlen(text));
}

static void add_blob(struct dmpi_spool_reader *r, struct dmpi_tar_writer *w,
                     const struct dmpi_spool_layer *layer)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = dmpi_xasprintf("blobs/sha256/%s", layer->digest);
    const struct dmpi_tar_entry entry = {
        .path = path, .type = DMPI_TAR_FILE, .mode = 0644, .size = layer->size};
    dmpi_tar_add(w, &entry, &err);
    end_piece(r, layer->offset, layer->size);
    w->missing = 0; // the data comes from the file, past the writer
}

static json_t *descriptor(const char *type, const char *digest, uint64_t size)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_autofree char *full = dmpi_xasprintf("sha256:%s", digest);
    dmpi_json_set_str(o, "mediaType", type);
    dmpi_json_set_str(o, "digest", full);
    dmpi_json_set_int(o, "size", (json_int_t)size);
    return o;
}

static json_t *oci_manifest(const struct about *about)
{
    json_t *layers = dmpi_json_new_arr();
    for (size_t i = 0; i < about->n; i++) {
        const struct dmpi_spool_layer *l = &about->spool->layers[i];
        dmpi_json_add(layers,
                      descriptor(l->compressed ? OCI "layer.v1.tar+gzip" : OCI "layer.v1.tar",
                                 l->digest, l->size));
    }
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_int(o, "schemaVersion", 2);
    dmpi_json_set_str(o, "mediaType", OCI "manifest.v1+json");
    dmpi_json_set(o, "config",
                  descriptor(OCI "config.v1+json", about->config_digest, about->config_len));
    dmpi_json_set(o, "layers", layers);
    return o;
}

// docker.io/dockmpi/cpu:latest: engines with the containerd store want the full name.
static char *full_name(const char *ref)
{
    const char *slash = strchr(ref, '/');
    size_t first = slash ? (size_t)(slash - ref) : 0;
    bool registry = slash && (memchr(ref, '.', first) || memchr(ref, ':', first) ||
                              strncmp(ref, "localhost/", 10) == 0);
    if (registry)
        return dmpi_xstrdup(ref);
    return dmpi_xasprintf("docker.io/%s%s", slash ? "" : "library/", ref);
}

static json_t *oci_index(const char *ref, const char *digest, size_t size)
{
    dmpi_autofree char *name = full_name(ref);
    const char *colon = strrchr(ref, ':');
    json_t *annotations = dmpi_json_new_obj();
    dmpi_json_set_str(annotations, "io.containerd.image.name", name);
    dmpi_json_set_str(annotations, "org.opencontainers.image.ref.name",
                      colon ? colon + 1 : "latest");
    json_t *manifest = descriptor(OCI "manifest.v1+json", digest, size);
    dmpi_json_set(manifest, "annotations", annotations);
    json_t *manifests = dmpi_json_new_arr();
    dmpi_json_add(manifests, manifest);
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_int(o, "schemaVersion", 2);
    dmpi_json_set_str(o, "mediaType", OCI "index.v1+json");
    dmpi_json_set(o, "manifests", manifests);
    return o;
}

static json_t *docker_manifest(const struct about *about)
{
    json_t *layers = dmpi_json_new_arr(), *tags = dmpi_json_new_arr(), *list = dmpi_json_new_arr();
    for (size_t i = 0; i < about->n; i++) {
        dmpi_autofree char *path =
            dmpi_xasprintf("blobs/sha256/%s", about->spool->layers[i].digest);
        dmpi_json_add_str(layers, path);
    }
    dmpi_autofree char *config = dmpi_xasprintf("blobs/sha256/%s", about->config_digest);
    dmpi_json_add_str(tags, about->ref);
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "Config", config);
    dmpi_json_set(o, "RepoTags", tags);
    dmpi_json_set(o, "Layers", layers);
    dmpi_json_add(list, o);
    return list;
}

static void add_descriptions(struct dmpi_tar_writer *w, const struct about *about)
{
    char digest[DMPI_SHA256_HEX];
    dmpi_json_auto json_t *manifest = oci_manifest(about);
    dmpi_autofree char *text = dmpi_json_dump(manifest);
    dmpi_sha256_hex(text, strlen(text), digest);
    dmpi_json_auto json_t *index = oci_index(about->ref, digest, strlen(text));
    dmpi_json_auto json_t *docker = docker_manifest(about);
    dmpi_autofree char *manifest_path = dmpi_xasprintf("blobs/sha256/%s", digest);
    dmpi_autofree char *config_path = dmpi_xasprintf("blobs/sha256/%s", about->config_digest);
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    add_text(w, "oci-layout", layout, sizeof layout - 1);
    add_json(w, "index.json", index);
    add_json(w, "manifest.json", docker);
    add_text(w, config_path, about->config, about->config_len);
    add_text(w, manifest_path, text, strlen(text));
}

// The configuration of a stopover: the image's own platform, the first `end` layers, made now.
static char *stopover_config(const struct dmpi_spool *spool, size_t end)
{
    static const char *const kept[] = {"architecture", "os", "variant"};
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_json_auto json_t *own = NULL, *config = dmpi_json_new_obj();
    dmpi_json_parse(&own, spool->config, spool->config_len, &err); // was parsed before
    for (size_t i = 0; i < DMPI_ARRAY_LEN(kept); i++)
        if (json_object_get(own, kept[i]))
            dmpi_json_set(config, kept[i], json_incref(json_object_get(own, kept[i])));
    char now[32];
    struct tm tm;
    time_t clock = time(NULL);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&clock, &tm));
    json_t *layers = dmpi_json_new_arr(), *rootfs = dmpi_json_new_obj();
    for (size_t i = 0; i < end; i++)
        dmpi_json_add_str(layers, spool->diff_ids.v[i]);
    dmpi_json_set_str(rootfs, "type", "layers");
    dmpi_json_set(rootfs, "diff_ids", layers);
    dmpi_json_set_str(config, "created", now);
    dmpi_json_set(config, "config", dmpi_json_new_obj());
    dmpi_json_set(config, "rootfs", rootfs);
    return dmpi_json_dump(config);
}

static bool sent_before(const struct dmpi_spool *spool, size_t skip, size_t i)
{
    for (size_t k = skip; k < i; k++)
        if (strcmp(spool->layers[k].digest, spool->layers[i].digest) == 0)
            return true;
    return false;
}

struct dmpi_spool_reader *dmpi_spool_open(const struct dmpi_spool *spool,
                                          const struct dmpi_spool_part *part)
{
    struct dmpi_spool_reader *r = dmpi_xcalloc(1, sizeof *r);
    struct dmpi_tar_writer w;
    struct dmpi_err err = DMPI_ERR_INIT;
    bool whole = part->end == spool->diff_ids.n;
    dmpi_autofree char *own = whole ? NULL : stopover_config(spool, part->end);
    struct about about = {.spool = spool,
                          .ref = whole ? spool->ref : part->name,
                          .n = part->end,
                          .config = whole ? spool->config : own,
                          .config_len = whole ? spool->config_len : strlen(own)};
    dmpi_sha256_hex(about.config, about.config_len, about.config_digest);
    r->spool = spool;
    r->text = (struct dmpi_buf)DMPI_BUF_INIT(TEXT_MAX);
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &r->text);
    add_descriptions(&w, &about);
    for (size_t i = part->skip; i < part->end; i++)
        if (!sent_before(spool, part->skip, i))
            add_blob(r, &w, &spool->layers[i]);
    dmpi_tar_finish(&w, &err);
    end_piece(r, 0, 0);
    return r;
}

static ssize_t read_piece(struct dmpi_spool_reader *r, const struct piece *p, void *buf, size_t n,
                          struct dmpi_err *err)
{
    if (r->done < p->text_len) {
        size_t left = p->text_len - (size_t)r->done;
        n = n < left ? n : left;
        memcpy(buf, r->text.data + p->text + r->done, n);
        return (ssize_t)n;
    }
    uint64_t in_file = r->done - p->text_len;
    if (n > p->size - in_file)
        n = (size_t)(p->size - in_file);
    ssize_t got = pread(r->spool->fd, buf, n, (off_t)(p->offset + in_file));
    if (got <= 0)
        return dmpi_err_set(err, DMPI_ESYS, "the image's temporary file cannot be read back");
    return got;
}

static ssize_t read_some(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct dmpi_spool_reader *r = arg;
    while (r->at < r->n && r->done == r->pieces[r->at].text_len + r->pieces[r->at].size) {
        r->at++;
        r->done = 0;
    }
    if (r->at == r->n)
        return 0;
    ssize_t got = read_piece(r, &r->pieces[r->at], buf, n, err);
    if (got > 0) {
        r->done += (uint64_t)got;
        r->sent += (uint64_t)got;
    }
    return got;
}

struct dmpi_source dmpi_spool_source(struct dmpi_spool_reader *reader)
{
    return (struct dmpi_source){.read = read_some, .arg = reader};
}

uint64_t dmpi_spool_sent(const struct dmpi_spool_reader *reader)
{
    return reader->sent;
}

void dmpi_spool_close(struct dmpi_spool_reader *reader)
{
    if (!reader)
        return;
    dmpi_buf_free(&reader->text);
    free(reader->pieces);
    free(reader);
}
