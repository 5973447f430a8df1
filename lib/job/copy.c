// SPDX-License-Identifier: MIT
#include "job/copy.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/tar.h"
#include "base/text.h"
#include "cluster/state.h"
#include "fleet/parallel.h"
#include "job/copy_impl.h"

// --- words -----------------------------------------------------------------------------------

int dmpi_copy_end_parse(struct dmpi_copy_end *out, const char *text, struct dmpi_err *err)
{
    *out = (struct dmpi_copy_end){0};
    if (!text[0] || strcmp(text, "-") == 0)
        return dmpi_err_set(err, DMPI_EINVAL, "cp: '%s' is no file or folder", text);
    const char *colon = strchr(text, ':');
    const char *slash = strchr(text, '/');
    if (!colon || (slash && slash < colon)) {
        out->path = dmpi_xstrdup(text);
        return 0;
    }
    out->remote = true;
    out->member = colon > text ? dmpi_xstrndup(text, (size_t)(colon - text)) : NULL;
    out->path = dmpi_xstrdup(colon + 1);
    if (out->path[0] != '/')
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%s: a path in a container begins with '/' (a local file with a colon "
                            "in its name is written ./%s)",
                            text, text);
    if (!dmpi_tar_path_safe(out->path + strspn(out->path, "/")) &&
        out->path[strspn(out->path, "/")])
        return dmpi_err_set(err, DMPI_EINVAL, "%s: write the path without '..'", text);
    return 0;
}

void dmpi_copy_end_free(struct dmpi_copy_end *place)
{
    if (!place)
        return;
    free(place->member);
    free(place->path);
    *place = (struct dmpi_copy_end){0};
}

void dmpi_copy_path_split(struct dmpi_copy_path *out, const char *path)
{
    *out = (struct dmpi_copy_path){.path = dmpi_xstrdup(path)};
    char *p = out->path;
    size_t len = strlen(p);
    out->slash = len > 0 && p[len - 1] == '/';
    while (len > 1 && p[len - 1] == '/')
        len--;
    out->contents = (len == 1 && p[0] == '.') || (len > 1 && strncmp(p + len - 2, "/.", 2) == 0);
    while (len > 1 && (p[len - 1] == '/' || strncmp(p + len - 2, "/.", 2) == 0))
        len -= 1;
    p[len] = '\0';
    char *slash = strrchr(p, '/');
    out->base = dmpi_xstrdup(slash ? slash + 1 : p);
    out->parent = !slash       ? dmpi_xstrdup(".")
                  : slash == p ? dmpi_xstrdup("/")
                               : dmpi_xstrndup(p, (size_t)(slash - p));
}

void dmpi_copy_path_free(struct dmpi_copy_path *path)
{
    free(path->path);
    free(path->parent);
    free(path->base);
    *path = (struct dmpi_copy_path){0};
}

// --- all targets at once ---------------------------------------------------------------------

void dmpi_copy_count(struct dmpi_copy_run *run, uint64_t files, uint64_t bytes)
{
    pthread_mutex_lock(&run->lock);
    run->result->files += files;
    run->result->bytes += bytes;
    pthread_mutex_unlock(&run->lock);
}

struct each {
    struct dmpi_copy_run *run;
    int (*fn)(struct dmpi_copy_run *, struct dmpi_engine *, size_t, void *, struct dmpi_err *);
    void *arg;
};

static void each_item(size_t i, void *arg)
{
    const struct each *each = arg;
    struct dmpi_copy_run *run = each->run;
    const struct dmpi_target *target = &run->targets.v[i];
    struct dmpi_engine *engine;
    struct dmpi_err *err = &run->errs[i];
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (dmpi_fleet_engine(&engine, run->fleet, target->node, run->ctl, err) < 0)
        dmpi_err_wrap(err, "%s", target->alias); // names the node already
    else if (each->fn(run, engine, i, each->arg, err) < 0)
        dmpi_err_wrap(err, "%s on node %s", target->alias,
                      dmpi_fleet_name(run->fleet, target->node));
}

int dmpi_copy_each(struct dmpi_copy_run *run,
                   int (*fn)(struct dmpi_copy_run *run, struct dmpi_engine *engine, size_t i,
                             void *arg, struct dmpi_err *err),
                   void *arg, struct dmpi_err *err)
{
    struct each each = {.run = run, .fn = fn, .arg = arg};
    run->errs = dmpi_xcalloc(run->targets.n, sizeof(*run->errs));
    dmpi_parallel(run->targets.n, DMPI_FLEET_WINDOW, each_item, &each);
    size_t failed = 0;
    for (size_t i = 0; i < run->targets.n; i++) {
        if (run->errs[i].code != DMPI_OK && failed++ == 0)
            *err = run->errs[i];
    }
    if (failed > 1)
        dmpi_err_set(err, err->code, "%s (and %zu more)", err->msg, failed - 1);
    free(run->errs);
    run->errs = NULL;
    return failed ? -1 : 0;
}

static int choose(struct dmpi_copy_run *run, const struct dmpi_state *state,
                  const struct dmpi_copy_end *place, bool launcher, struct dmpi_err *err)
{
    dmpi_targets_free(&run->targets);
    if (place->member)
        return dmpi_targets_one(&run->targets, state, run->opts->cluster, place->member, err);
    return dmpi_targets_all(&run->targets, state, run->opts->cluster, launcher, err);
}

// --- out of containers -----------------------------------------------------------------------

// Finds out what the local destination is; makes the folder that is needed.
static int prepare(struct dmpi_copy_out_to *to, const struct dmpi_copy_path *dst, bool want_dir,
                   struct dmpi_err *err)
{
    struct stat st;
    if (stat(dst->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        to->folder = dst->path;
        return 0;
    }
    if (want_dir) {
        to->folder = dst->path;
        return dmpi_io_mkdirs(dst->path, 0777, err);
    }
    to->folder = dst->parent;
    to->as = dst->base;
    return dmpi_io_mkdirs(dst->parent, 0777, err);
}

static int copy_out_all(struct dmpi_copy_run *run, const struct dmpi_state *state,
                        const struct dmpi_copy_end *places, size_t n, struct dmpi_err *err)
{
    const struct dmpi_copy_end *dst = &places[n - 1];
    struct dmpi_copy_path path DMPI_AUTO(dmpi_copy_path_free) = {0};
    dmpi_copy_path_split(&path, dst->path);
    for (size_t i = 0; i + 1 < n; i++) {
        struct dmpi_copy_out_to to = {.per_target = !places[i].member};
        bool want_dir = n > 2 || path.slash || path.contents || to.per_target;
        if (choose(run, state, &places[i], false, err) < 0 ||
            prepare(&to, &path, want_dir, err) < 0 ||
            dmpi_copy_out(run, places[i].path, &to, err) < 0)
            return -1;
    }
    return 0;
}

// --- both ------------------------------------------------------------------------------------

static int check_sides(const struct dmpi_copy_end *places, size_t n, struct dmpi_err *err)
{
    bool to_remote = places[n - 1].remote;
    for (size_t i = 0; i + 1 < n; i++) {
        if (places[i].remote == to_remote)
            return dmpi_err_set(err, DMPI_EINVAL,
                                to_remote ? "cp: from container to container is not possible: copy "
                                            "here first, then there"
                                          : "cp: neither end is in a container: write :PATH (all) "
                                            "or worker-0:PATH");
    }
    return 0;
}

int dmpi_copy(const struct dmpi_strv *words, struct dmpi_fleet *fleet,
              const struct dmpi_state *state, const struct dmpi_copy_opts *opts,
              const struct dmpi_ctl *ctl, struct dmpi_copy_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_copy_result){0};
    if (words->n < 2)
        return dmpi_err_set(err, DMPI_EINVAL, "cp needs a source and a destination");
    struct dmpi_copy_run run = {.fleet = fleet, .ctl = ctl, .opts = opts, .result = result};
    struct dmpi_copy_end *places = dmpi_xcalloc(words->n, sizeof(*places));
    size_t n = words->n;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = dmpi_copy_end_parse(&places[i], words->v[i], err);
    pthread_mutex_init(&run.lock, NULL);
    if (rc == 0)
        rc = check_sides(places, n, err);
    if (rc == 0 && !places[n - 1].remote)
        rc = copy_out_all(&run, state, places, n, err);
    else if (rc == 0) {
        rc = choose(&run, state, &places[n - 1], !opts->workers_only, err);
        if (rc == 0)
            rc = dmpi_copy_in(&run, places, n - 1, places[n - 1].path, err);
    }
    pthread_mutex_destroy(&run.lock);
    dmpi_targets_free(&run.targets);
    for (size_t i = 0; i < n; i++)
        dmpi_copy_end_free(&places[i]);
    free(places);
    return rc;
}
