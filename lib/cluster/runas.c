// SPDX-License-Identifier: MIT
#include "cluster/runas.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/tar.h"
#include "base/text.h"
#include "cluster/ended.h"
#include "engine/containers.h"
#include "engine/stream.h"
#include "mesh/mesh.h"
#include "spec/runas.h"

#define PASSWD_MAX ((size_t)1 << 20)
#define TAR_MAX (PASSWD_MAX + (64U << 10))
#define OWN_HOME "/home/" DMPI_RUNAS_LOGIN

// --- who it is -------------------------------------------------------------------------------

enum { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, FIELDS };

static bool number(unsigned long *out, const char *text)
{
    long long n = 0;
    if (!text || dmpi_text_int(&n, text, 0, DMPI_ID_MAX) != 0)
        return false;
    *out = (unsigned long)n;
    return true;
}

// Whether a line is that of the user: by name, or by number when name is NULL.
static bool is_his(const struct dmpi_strv *field, const char *name, unsigned long uid)
{
    unsigned long n;
    if (field->n < FIELDS || strcmp(field->v[NAME], DMPI_RUNAS_LOGIN) == 0)
        return false;
    return name ? strcmp(field->v[NAME], name) == 0 : number(&n, field->v[UID]) && n == uid;
}

// Accounts that only own files have shells that say no.
static bool may_log_in(const char *shell)
{
    static const char *const refusing[] = {"nologin", "false", "true", "sync", "shutdown", "halt"};
    const char *slash = strrchr(shell, '/');
    for (size_t i = 0; i < DMPI_ARRAY_LEN(refusing); i++) {
        if (!slash || strcmp(slash + 1, refusing[i]) == 0)
            return false;
    }
    return shell[0] == '/';
}

static bool is_home(const char *path)
{
    return path[0] == '/' && path[1] && !strstr(path, "/..") && strcmp(path, "/root") != 0 &&
           strcmp(path, "/nonexistent") != 0;
}

static void take(struct dmpi_runas *out, const struct dmpi_strv *field, bool gid_given)
{
    unsigned long gid;
    if (!number(&out->uid, field->v[UID]))
        out->uid = 0;
    if (!gid_given && number(&gid, field->v[GID]))
        out->gid = gid;
    const char *shell = field->v[SHELL][0] ? field->v[SHELL] : "/bin/sh";
    if (may_log_in(shell) && is_home(field->v[HOME])) {
        out->home = dmpi_xstrdup(field->v[HOME]);
        out->shell = dmpi_xstrdup(shell);
    }
}

// The user's line comes first: the system takes the first that has his number.
static char *with_line(const struct dmpi_runas *who, const struct dmpi_strv *lines)
{
    struct dmpi_buf out = DMPI_BUF_INIT(PASSWD_MAX + 4096);
    dmpi_buf_addf(&out, DMPI_RUNAS_LOGIN ":x:%lu:%lu:" DMPI_RUNAS_LOGIN ":%s:%s\n", who->uid,
                  who->gid, who->home, who->shell);
    for (size_t i = 0; i < lines->n; i++) {
        if (lines->v[i][0] && !dmpi_text_starts_with(lines->v[i], DMPI_RUNAS_LOGIN ":"))
            dmpi_buf_addf(&out, "%s\n", lines->v[i]);
    }
    return dmpi_buf_steal(&out);
}

int dmpi_runas_find(struct dmpi_runas *out, const char *user, const char *passwd,
                    struct dmpi_err *err)
{
    *out = (struct dmpi_runas){0};
    dmpi_autofree char *first = dmpi_xstrndup(user, strcspn(user, ":"));
    const char *group = strchr(user, ':');
    bool numeric = number(&out->uid, first), found = false;
    out->gid = out->uid;
    bool gid_given = group && number(&out->gid, group + 1);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv lines = dmpi_strv_split(passwd, '\n');
    for (size_t i = 0; i < lines.n && !found; i++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv field = dmpi_strv_split(lines.v[i], ':');
        found = is_his(&field, numeric ? NULL : first, out->uid);
        if (found)
            take(out, &field, gid_given);
    }
    if (!found && !numeric)
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "its image has no user %s: give his number (--user 1000), or add him to "
            "the image",
            first);
    if (out->uid == 0)
        return dmpi_err_set(err, DMPI_EINVAL, "user %s of its image is root: leave out --user",
                            first);
    if (!out->home) {
        out->home = dmpi_xstrdup(OWN_HOME);
        out->shell = dmpi_xstrdup("/bin/sh");
    }
    out->passwd = with_line(out, &lines);
    return 0;
}

void dmpi_runas_free(struct dmpi_runas *runas)
{
    if (!runas)
        return;
    free(runas->home);
    free(runas->shell);
    free(runas->passwd);
    *runas = (struct dmpi_runas){0};
}

// --- reading the image's list ------------------------------------------------------------------

struct reading {
    struct dmpi_tar_reader tar;
    struct dmpi_buf text;
    bool file;
};

static int on_entry(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err)
{
    struct reading *r = arg;
    (void)err;
    r->file = entry->type == DMPI_TAR_FILE;
    return 0;
}

static int on_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct reading *r = arg;
    dmpi_buf_add(&r->text, data, len);
    return r->text.overflow ? dmpi_err_set(err, DMPI_EPARSE, "it is too large") : 0;
}

static int on_bytes(void *arg, const void *data, size_t len, struct dmpi_err *err)
{
    return dmpi_tar_reader_feed(&((struct reading *)arg)->tar, data, len, err);
}

// The image's /etc/passwd; empty where it has none. Owned by the caller.
static int read_passwd(char **out, struct dmpi_engine *engine, const char *id,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct reading r = {.text = DMPI_BUF_INIT(PASSWD_MAX), .file = true};
    const struct dmpi_tar_handler handler = {.entry = on_entry, .data = on_data, .arg = &r};
    const struct dmpi_sink sink = {.write = on_bytes, .arg = &r};
    dmpi_tar_reader_init(&r.tar, &handler);
    int rc = dmpi_container_get_archive(engine, ctl, id, "/etc/passwd", &sink, err);
    if (rc != 0 && err->code == DMPI_ENOTFOUND)
        rc = 0;
    if (rc == 0 && !r.file)
        rc = dmpi_err_set(err, DMPI_EINVAL, "it is no file");
    if (rc == 0 && r.text.len > 0 && memchr(r.text.data, '\0', r.text.len))
        rc = dmpi_err_set(err, DMPI_EPARSE, "it is no text");
    *out = rc == 0 ? dmpi_buf_steal(&r.text) : NULL;
    dmpi_tar_reader_free(&r.tar);
    dmpi_buf_free(&r.text);
    return rc == 0 ? 0 : dmpi_err_wrap(err, "read /etc/passwd of its image");
}

// --- preparing the container -------------------------------------------------------------------

// Whether what is at the path lies in something of the node that is mounted: that is not ours to give away.
static bool is_mounted(const json_t *body, const char *path)
{
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(dmpi_json_obj(body, "HostConfig"), "Binds"), i, v) {
        DMPI_AUTO(dmpi_strv_free)
        struct dmpi_strv part = dmpi_strv_split(json_string_value(v), ':');
        size_t len = part.n > 1 ? strlen(part.v[1]) : 0;
        if (len > 0 && strncmp(path, part.v[1], len) == 0 && (path[len] == '/' || !path[len]))
            return true;
    }
    return false;
}

struct packing {
    struct dmpi_tar_writer tar;
    struct dmpi_buf out;
    const struct dmpi_runas *who;
};

// A folder or link of the user's. path is absolute.
static int add_his(struct packing *p, const char *path, uint32_t mode, const char *link,
                   struct dmpi_err *err)
{
    const struct dmpi_tar_entry entry = {.path = path + strspn(path, "/"),
                                         .type = link ? DMPI_TAR_SYMLINK : DMPI_TAR_DIR,
                                         .mode = mode,
                                         .uid = p->who->uid,
                                         .gid = p->who->gid,
                                         .linkname = link};
    return dmpi_tar_add_data(&p->tar, &entry, NULL, err);
}

static int pack(struct packing *p, const json_t *body, bool has_home, struct dmpi_err *err)
{
    const struct dmpi_runas *who = p->who;
    const char *workdir = dmpi_json_str(body, "WorkingDir");
    const struct dmpi_tar_entry passwd = {
        .path = "etc/passwd", .type = DMPI_TAR_FILE, .mode = 0644, .size = strlen(who->passwd)};
    dmpi_autofree char *ssh = dmpi_xasprintf("%s/.ssh", who->home);
    dmpi_autofree char *config = dmpi_xasprintf("%s/config", ssh);
    dmpi_tar_writer_init(&p->tar, dmpi_tar_write_buf, &p->out);
    if (dmpi_tar_add_data(&p->tar, &passwd, who->passwd, err) != 0)
        return -1;
    if (is_mounted(body, ssh))
        return dmpi_err_set(err, DMPI_EINVAL,
                            "a volume covers %s, where ssh's configuration has to be: mount it "
                            "elsewhere",
                            ssh);
    if ((!has_home && add_his(p, who->home, 0755, NULL, err) != 0) ||
        add_his(p, ssh, 0700, NULL, err) != 0 ||
        add_his(p, config, 0777, DMPI_MESH_DIR "/ssh_config", err) != 0 ||
        add_his(p, DMPI_ENDED_DIR, 0700, NULL, err) != 0)
        return -1;
    if (workdir && workdir[1] && strcmp(workdir, who->home) != 0 && !is_mounted(body, workdir) &&
        add_his(p, workdir, 0755, NULL, err) != 0)
        return -1;
    return dmpi_tar_finish(&p->tar, err);
}

static int put(const json_t *body, const struct dmpi_runas *who, struct dmpi_engine *engine,
               const char *id, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct packing p = {.out = DMPI_BUF_INIT(TAR_MAX), .who = who};
    struct dmpi_err ignored = DMPI_ERR_INIT;
    dmpi_json_auto json_t *stat = NULL;
    bool has_home = dmpi_container_stat(engine, ctl, id, who->home, &stat, &ignored) == 0;
    int rc = pack(&p, body, has_home, err);
    if (rc == 0) {
        struct dmpi_memory memory = {.data = p.out.data, .len = p.out.len};
        struct dmpi_source source = dmpi_source_from_memory(&memory);
        rc = dmpi_container_put_archive(engine, ctl, id, "/", &source, err);
    }
    dmpi_buf_free(&p.out);
    return rc == 0 ? 0 : dmpi_err_wrap(err, "prepare it for user %lu", who->uid);
}

int dmpi_runas_prepare(json_t *body, struct dmpi_engine *engine, const char *id,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_runas who DMPI_AUTO(dmpi_runas_free) = {0};
    dmpi_autofree char *passwd = NULL;
    const char *user = dmpi_json_str(body, "User");
    if (!user || strcmp(user, "root") == 0)
        return 0;
    if (read_passwd(&passwd, engine, id, ctl, err) != 0 ||
        dmpi_runas_find(&who, user, passwd, err) != 0)
        return -1;
    dmpi_autofree char *numbers = dmpi_xasprintf("%lu:%lu", who.uid, who.gid);
    if (strcmp(user, numbers) != 0) {
        dmpi_json_set_str(body, "User", numbers);
        dmpi_runas_body(dmpi_json_obj(body, "HostConfig"), numbers);
        return 1;
    }
    return put(body, &who, engine, id, ctl, err);
}
