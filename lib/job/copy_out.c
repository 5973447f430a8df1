// SPDX-License-Identifier: MIT
// cp out of containers: tar in an exec, unpacked here by somebody who trusts it in nothing.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "job/copy_impl.h"
#include "job/extract.h"
#include "job/pipe.h"

struct copy_out {
    struct dmpi_copy_path src;
    const struct dmpi_copy_out_to *to;
};

// One container's part.
struct part {
    struct dmpi_extract extract;
    struct dmpi_meter meter;
};

static int take(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct part *part = arg;
    if (dmpi_extract_feed(&part->extract, data, n, err) < 0)
        return -1;
    dmpi_meter_tell(&part->meter, part->extract.bytes, false);
    return 0;
}

// tar -C PARENT ./BASE; a source that is to be followed, or whose content is meant, is entered.
static void compose(struct dmpi_strv *argv, const struct dmpi_copy_path *src, bool enter)
{
    const char *const words[] = {"tar", "-cf", "-", "-C", enter ? src->path : src->parent, "--"};
    dmpi_strv_add_array(argv, words, DMPI_ARRAY_LEN(words));
    if (enter)
        dmpi_strv_add(argv, ".");
    else
        dmpi_strv_addf(argv, "./%s", src->base);
}

static int explain(const struct copy_out *out, struct dmpi_err *err)
{
    if (err->code == DMPI_EENGINE && strstr(err->msg, "No such file or directory"))
        return dmpi_err_set(err, DMPI_ENOTFOUND, "there is no %s", out->src.path);
    return -1;
}

static int receive(struct dmpi_copy_run *run, struct dmpi_engine *engine,
                   const struct dmpi_target *target, const struct copy_out *out, struct part *part,
                   struct dmpi_err *err)
{
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    bool enter = out->src.contents || out->src.slash || !out->src.base[0];
    compose(&argv, &out->src, enter);
    struct dmpi_sink sink = {.write = take, .arg = part};
    struct dmpi_pipe pipe;
    int rc = dmpi_pipe_open(&pipe, engine, target->id, &argv, false, &sink, run->ctl, err);
    if (rc == 0)
        rc = dmpi_pipe_finish(&pipe, "tar", run->ctl, err);
    dmpi_pipe_close(&pipe);
    if (rc < 0)
        return explain(out, err);
    return dmpi_extract_finish(&part->extract, err);
}

// The name under which the source arrives ("": its content, without a folder of its own).
static const char *arrival(const struct copy_out *out)
{
    if (out->to->as)
        return out->to->as;
    return out->src.contents ? "" : out->src.base;
}

static int fetch_target(struct dmpi_copy_run *run, struct dmpi_engine *engine, size_t i, void *arg,
                        struct dmpi_err *err)
{
    const struct copy_out *out = arg;
    const struct dmpi_target *target = &run->targets.v[i];
    dmpi_autofree char *folder = out->to->per_target ? dmpi_io_join(out->to->folder, target->alias)
                                                     : dmpi_xstrdup(out->to->folder);
    if (out->to->per_target && dmpi_io_mkdirs(folder, 0777, err) < 0)
        return -1;
    bool enter = out->src.contents || out->src.slash || !out->src.base[0];
    struct part part = {.meter = {.progress = &run->opts->progress,
                                  .lock = &run->lock,
                                  .container = target->container}};
    int rc =
        dmpi_extract_open(&part.extract, folder, enter ? "." : out->src.base, arrival(out), err);
    if (rc == 0)
        rc = receive(run, engine, target, out, &part, err);
    if (rc == 0) {
        part.meter.total = part.extract.bytes;
        dmpi_meter_tell(&part.meter, part.extract.bytes, true);
        dmpi_copy_count(run, part.extract.files, part.extract.bytes);
    }
    dmpi_extract_free(&part.extract);
    return rc;
}

int dmpi_copy_out(struct dmpi_copy_run *run, const char *src, const struct dmpi_copy_out_to *to,
                  struct dmpi_err *err)
{
    struct copy_out out = {.to = to};
    dmpi_copy_path_split(&out.src, src);
    int rc = dmpi_copy_each(run, fetch_target, &out, err);
    dmpi_copy_path_free(&out.src);
    return rc;
}
