// SPDX-License-Identifier: MIT
// cp into containers: each container is asked what the destination is there, and is then sent a tar with the
// names that follow from the answer, all in one exec.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "job/copy_impl.h"
#include "job/pack.h"
#include "job/pipe.h"
#include "job/walk.h"

#define BULK_MIN ((uint64_t)16 << 20) // worth a connection of its own
#define ANSWER_MAX ((size_t)64)

// $1 destination, $2 its parent, $3 "dir" when it must become a folder. Says what the destination is
// and unpacks what follows, below it or beside it.
static const char COPY_SH[] = "if [ -d \"$1\" ]; then a=dir d=$1\n"
                              "elif [ -e \"$1\" ] || [ -L \"$1\" ]; then a=file d=$2\n"
                              "elif [ \"$3\" = dir ]; then a=dir d=$1; mkdir -p -- \"$d\" || exit\n"
                              "else a=new d=$2; mkdir -p -- \"$d\" || exit\n"
                              "fi\n"
                              "cd -- \"$d\" && echo $a && exec tar -xpf -\n";

// One local source.
struct source {
    struct dmpi_copy_path path;
    bool is_dir;
};

struct copy_in {
    struct source *sources;
    size_t n;
    struct dmpi_copy_path dst;
    bool want_dir;
    uint64_t bytes; // of all sources
};

// One container's part.
struct part {
    const struct copy_in *in;
    struct dmpi_buf answer;
    bool answered, into; // into: the destination is a folder
    size_t next;         // source to walk next
    struct dmpi_walk walk;
    bool walking;
    struct dmpi_pack pack;
    struct dmpi_meter meter;
};

static void walk_source(struct dmpi_walk *w, const struct source *source, const char *as_dst)
{
    const struct dmpi_copy_path *path = &source->path;
    bool into = as_dst == NULL;
    const char *as = !into ? as_dst : path->contents ? "" : path->base;
    dmpi_walk_init(w, path->path, as, !into || !path->contents, path->slash || path->contents);
}

static int next_item(void *arg, struct dmpi_pack_item *item, struct dmpi_err *err)
{
    struct part *part = arg;
    for (;;) {
        if (!part->walking) {
            if (part->next == part->in->n)
                return 0;
            walk_source(&part->walk, &part->in->sources[part->next++],
                        part->into ? NULL : part->in->dst.base);
            part->walking = true;
        }
        int rc = dmpi_walk_next(&part->walk, err);
        if (rc < 0)
            return -1;
        if (rc > 0) {
            *item = (struct dmpi_pack_item){.path = dmpi_buf_str(&part->walk.path),
                                            .dirfd = part->walk.dirfd,
                                            .name = part->walk.name,
                                            .st = part->walk.st,
                                            .follow = part->walk.depth == 0 && part->walk.follow};
            return 1;
        }
        dmpi_walk_free(&part->walk);
        part->walking = false;
    }
}

static ssize_t read_pack(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct part *part = arg;
    struct dmpi_source source = dmpi_pack_source(&part->pack);
    ssize_t got = source.read(source.arg, buf, n, err);
    dmpi_meter_tell(&part->meter, part->pack.bytes, false);
    return got;
}

static int take_answer(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct part *part = arg;
    if (part->answered)
        return 0;
    dmpi_buf_add(&part->answer, data, n);
    if (part->answer.overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "an answer without end");
    part->answered = memchr(part->answer.data, '\n', part->answer.len) != NULL;
    return 0;
}

// What the container said the destination is; checks that the sources fit.
static int understand(struct part *part, struct dmpi_err *err)
{
    const char *answer = dmpi_buf_str(&part->answer);
    const struct source *source = &part->in->sources[0];
    part->into = strcmp(answer, "dir\n") == 0;
    if (strcmp(answer, "file\n") == 0 &&
        (part->in->n > 1 || part->in->want_dir || source->is_dir || source->path.contents))
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s is there and no folder", part->in->dst.path);
    return 0;
}

static int converse(struct dmpi_copy_run *run, struct part *part, struct dmpi_pipe *pipe,
                    struct dmpi_err *err)
{
    if (dmpi_pipe_receive(pipe, &part->answered, run->ctl, err) < 0)
        return -1;
    if (part->answered) {
        struct dmpi_source tar = {.read = read_pack, .arg = part};
        if (understand(part, err) < 0 || dmpi_pipe_send(pipe, &tar, run->ctl, err) < 0)
            return -1;
    }
    return dmpi_pipe_finish(pipe, "tar", run->ctl, err);
}

static int send_target(struct dmpi_copy_run *run, struct dmpi_engine *engine, size_t i, void *arg,
                       struct dmpi_err *err)
{
    const struct copy_in *in = arg;
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    const char *const words[] = {
        "sh", "-c", COPY_SH, "sh", in->dst.path, in->dst.parent, in->want_dir ? "dir" : ""};
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    struct part part = {.in = in,
                        .answer = DMPI_BUF_INIT(ANSWER_MAX),
                        .meter = {.progress = &run->opts->progress,
                                  .lock = &run->lock,
                                  .container = run->targets.v[i].container,
                                  .total = in->bytes}};
    dmpi_pack_init(&part.pack, next_item, &part);
    struct dmpi_sink sink = {.write = take_answer, .arg = &part};
    struct dmpi_pipe pipe;
    int rc = dmpi_pipe_open(&pipe, engine, run->targets.v[i].id, &argv, in->bytes >= BULK_MIN,
                            &sink, run->ctl, err);
    if (rc == 0)
        rc = converse(run, &part, &pipe, err);
    if (rc == 0) {
        dmpi_meter_tell(&part.meter, part.pack.bytes, true);
        dmpi_copy_count(run, part.pack.files, part.pack.bytes);
    }
    dmpi_pipe_close(&pipe);
    dmpi_pack_free(&part.pack);
    dmpi_buf_free(&part.answer);
    if (part.walking)
        dmpi_walk_free(&part.walk);
    return rc;
}

// Looks through a source once: everything in it can be copied, and so many bytes.
static int survey(struct copy_in *in, struct source *source, struct dmpi_err *err)
{
    struct stat st;
    const char *path = source->path.path;
    bool follow = source->path.slash || source->path.contents;
    if ((follow ? stat(path, &st) : lstat(path, &st)) != 0)
        return dmpi_err_sys(err, errno, "%s", path);
    source->is_dir = S_ISDIR(st.st_mode);
    if (follow && !source->is_dir)
        return dmpi_err_sys(err, ENOTDIR, "%s", path);
    struct dmpi_walk w DMPI_AUTO(dmpi_walk_free) = {0};
    walk_source(&w, source, NULL);
    int rc;
    while ((rc = dmpi_walk_next(&w, err)) > 0)
        in->bytes += S_ISREG(w.st.st_mode) ? (uint64_t)w.st.st_size : 0;
    return rc;
}

// "." and ".." have no name of their own.
static int name_source(struct source *source, struct dmpi_err *err)
{
    struct dmpi_copy_path *path = &source->path;
    if (path->contents || (strcmp(path->base, "..") != 0 && path->base[0]))
        return 0;
    dmpi_autofree char *real = realpath(path->path, NULL);
    if (!real)
        return dmpi_err_sys(err, errno, "%s", path->path);
    if (strcmp(real, "/") == 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "cp: the whole of / is no source; write /. if you "
                            "really mean it");
    free(path->base);
    path->base = dmpi_xstrdup(strrchr(real, '/') + 1);
    return 0;
}

int dmpi_copy_in(struct dmpi_copy_run *run, const struct dmpi_copy_end *sources, size_t n,
                 const char *dst, struct dmpi_err *err)
{
    struct copy_in in = {.sources = dmpi_xcalloc(n, sizeof(*in.sources)), .n = n};
    dmpi_copy_path_split(&in.dst, dst);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        dmpi_copy_path_split(&in.sources[i].path, sources[i].path);
        rc = name_source(&in.sources[i], err);
        if (rc == 0)
            rc = survey(&in, &in.sources[i], err);
    }
    if (rc == 0) {
        in.want_dir = n > 1 || in.dst.contents || (in.dst.slash && !in.sources[0].is_dir);
        rc = dmpi_copy_each(run, send_target, &in, err);
    }
    for (size_t i = 0; i < n; i++)
        dmpi_copy_path_free(&in.sources[i].path);
    free(in.sources);
    dmpi_copy_path_free(&in.dst);
    return rc;
}
