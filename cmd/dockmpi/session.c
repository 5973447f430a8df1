// SPDX-License-Identifier: MIT
/*
 * How a verb finds its cluster: -f (or DOCKMPI_FILE), else the file that `up` noted for the name, else the default
 * cluster on the local engine. The note is a cache of one path, nothing that could go stale
 * beyond it: the containers' labels are the truth.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "hint.h"

enum { NOTE_MAX = 64 * 1024 };

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/*
 * Either flag names a cluster, and a variable that is forgotten in a shell must not make another one of it: `-f b.yaml`
 * would get the name of cluster a, `down --name b` would look on the nodes of a.
 */
void dmpi_common_environment(struct dmpi_common *common)
{
    if (common->file || common->name)
        return;
    common->file = variable("DOCKMPI_FILE");
    common->name = variable("DOCKMPI_NAME");
    common->by_environment = common->file || common->name;
}

static char *note_path(const char *name)
{
    dmpi_autofree char *cache = dmpi_io_cache_dir();
    return dmpi_text_name_ok(name) ? dmpi_xasprintf("%s/clusters/%s.json", cache, name) : NULL;
}

/* The cluster file noted for `name`, or NULL. */
static char *noted_file(const char *name)
{
    dmpi_autofree char *path = note_path(name);
    struct dmpi_buf text = DMPI_BUF_INIT(NOTE_MAX);
    struct dmpi_err ignored = {0};
    char *file = NULL;
    if (path && dmpi_io_read_file(&text, path, NOTE_MAX, &ignored) == 0) {
        dmpi_json_auto json_t *note = NULL;
        if (dmpi_json_parse(&note, text.data, text.len, &ignored) == 0) {
            const char *noted = dmpi_json_str(note, "file");
            if (noted && access(noted, R_OK) == 0)
                file = dmpi_xstrdup(noted);
        }
    }
    dmpi_buf_free(&text);
    return file;
}

void dmpi_session_remember(const struct dmpi_spec *spec)
{
    dmpi_autofree char *path = note_path(spec->name);
    char *real = spec->file ? realpath(spec->file, NULL) : NULL;
    if (!path || !real) {
        free(real);
        return;
    }
    dmpi_autofree char *folder = dmpi_xstrndup(path, (size_t)(strrchr(path, '/') - path));
    dmpi_json_auto json_t *note = json_object();
    dmpi_json_set_str(note, "file", real);
    dmpi_autofree char *text = dmpi_json_dump(note);
    struct dmpi_err err = {0};
    if (dmpi_io_mkdirs(folder, 0700, &err) < 0 ||
        dmpi_io_write_file_atomic(path, text, strlen(text), 0600, &err) < 0)
        dmpi_warn("later commands will need -f %s: %s", real, err.msg);
    free(real);
}

void dmpi_session_forget(const char *name)
{
    dmpi_autofree char *path = note_path(name);
    if (path)
        unlink(path);
}

static int open_session(struct dmpi_session *out, const struct dmpi_flags *flags,
                        struct dmpi_err *err)
{
    *out = (struct dmpi_session){0};
    if (dmpi_spec_make(&out->spec, flags, err) < 0)
        return -1;
    out->fleet = dmpi_fleet_new(out->spec.nodes, out->spec.n_nodes, 0);
    return 0;
}

char *dmpi_session_file(const struct dmpi_common *common)
{
    if (common->file)
        return dmpi_xstrdup(common->file);
    char *noted = noted_file(common->name ? common->name : "default");
    dmpi_hint_noted(noted);
    if (noted)
        dmpi_debug("the cluster file is %s, as noted by the last up", noted);
    return noted;
}

int dmpi_session_open(struct dmpi_session *out, const struct dmpi_common *common,
                      struct dmpi_err *err)
{
    dmpi_autofree char *file = dmpi_session_file(common);
    const struct dmpi_flags flags = {.file = file, .name = common->name};
    return open_session(out, &flags, err);
}

int dmpi_session_open_at(struct dmpi_session *out, const struct dmpi_common *common,
                         const struct dmpi_strv *nodes, struct dmpi_err *err)
{
    struct dmpi_flags flags = {.nodes = *nodes, .name = common->name};
    return open_session(out, &flags, err);
}

struct dmpi_strv dmpi_session_noted(void)
{
    static const char ending[] = ".json";
    dmpi_autofree char *cache = dmpi_io_cache_dir();
    dmpi_autofree char *path = dmpi_io_join(cache, "clusters");
    struct dmpi_strv names = DMPI_STRV_INIT;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (!dmpi_text_ends_with(entry->d_name, ending))
            continue;
        size_t len = strlen(entry->d_name) - (sizeof ending - 1);
        dmpi_autofree char *name = dmpi_xstrndup(entry->d_name, len);
        if (dmpi_text_name_ok(name))
            dmpi_strv_add(&names, name);
    }
    if (folder)
        closedir(folder);
    dmpi_strv_sort(&names);
    return names;
}

void dmpi_session_close(struct dmpi_session *session)
{
    dmpi_fleet_free(session->fleet);
    dmpi_spec_free(&session->spec);
    session->fleet = NULL;
}
