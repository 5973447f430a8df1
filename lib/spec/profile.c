// SPDX-License-Identifier: MIT
#include "spec/profile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/folders.h"
#include "spec/hostconfig.h"
#include "spec/read.h"

#define PROFILE_FILE "image.yaml"

static const char *const profile_keys[] = {
    "image",       "from",          "launcher",    "summary",      "interpreter",
    "sshd",        "mpirun",        "shell",       "tune",         "backend",
    "env",         "devices",       "mpirun_args", "groups",       "cap_add",
    "gpu",         "launcher_only", "shm_size",    "security_opt", "library_path",
    "host_config", "memlock",       "ipc",         "context",      "pip",
    NULL};

static int read_host_config(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    json_t *v = json_object_get(r->obj, "host_config");
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_object(v))
        return dmpi_read_fail(r, "host_config", err, "expected a mapping, not %s",
                              dmpi_json_type_name(v));
    if (dmpi_host_config_check(v, "host_config", err))
        return dmpi_yaml_err_at(err, r->y, "host_config", NULL);
    p->host_config = json_deep_copy(v);
    return 0;
}

static int check_absolute(const struct dmpi_read *r, const char *key, const char *path,
                          struct dmpi_err *err)
{
    if (!path || path[0] == '/')
        return 0;
    return dmpi_read_fail(r, key, err, "expected an absolute path");
}

static int check_devices(const struct dmpi_read *r, const struct dmpi_strv *devices,
                         struct dmpi_err *err)
{
    for (size_t i = 0; i < devices->n; i++) {
        if (!dmpi_text_starts_with(devices->v[i], "/dev/"))
            return dmpi_read_fail(r, "devices", err, "'%s': expected /dev/...", devices->v[i]);
    }
    return 0;
}

const char *dmpi_gpu_name(enum dmpi_gpu gpu)
{
    return gpu == DMPI_GPU_NVIDIA ? "nvidia" : gpu == DMPI_GPU_AMD ? "amd" : "";
}

static int read_gpu(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    dmpi_autofree char *kind = NULL;
    if (dmpi_read_str(&kind, r, "gpu", err))
        return -1;
    if (!kind)
        return 0;
    if (strcmp(kind, "nvidia") == 0)
        p->gpu = DMPI_GPU_NVIDIA;
    else if (strcmp(kind, "amd") == 0)
        p->gpu = DMPI_GPU_AMD;
    else
        return dmpi_read_fail(r, "gpu", err, "'%s': expected nvidia or amd", kind);
    return 0;
}

static int read_limits(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    const char *memlock = json_string_value(json_object_get(r->obj, "memlock"));
    dmpi_autofree char *ipc = NULL;
    if (memlock && strcmp(memlock, "unlimited") == 0)
        p->memlock = DMPI_MEMLOCK_UNLIMITED;
    else if (dmpi_read_size(&p->memlock, r, "memlock", err))
        return -1;
    if (dmpi_read_size(&p->shm_size, r, "shm_size", err) || dmpi_read_str(&ipc, r, "ipc", err))
        return -1;
    if (ipc && strcmp(ipc, "host") != 0 && strcmp(ipc, "private") != 0)
        return dmpi_read_fail(r, "ipc", err, "'%s': expected host or private", ipc);
    p->ipc_host = ipc && strcmp(ipc, "host") == 0;
    if (p->ipc_host && p->shm_size)
        return dmpi_read_fail(r, "shm_size", err,
                              "with ipc: host the size of /dev/shm is that of the node");
    return 0;
}

static int check_library_path(const struct dmpi_read *r, const struct dmpi_strv *path,
                              struct dmpi_err *err)
{
    for (size_t i = 0; i < path->n; i++) {
        if (path->v[i][0] != '/' || strchr(path->v[i], ':'))
            return dmpi_read_fail(r, "library_path", err, "'%s': expected an absolute path",
                                  path->v[i]);
    }
    return 0;
}

static int check_words(const struct dmpi_profile *p, const struct dmpi_read *r,
                       struct dmpi_err *err)
{
    if (p->image && (p->image[0] == '-' || strpbrk(p->image, " ?#")))
        return dmpi_read_fail(r, "image", err, "'%s' is not an image reference", p->image);
    if (p->launcher && dmpi_text_name_check("image profile", p->launcher, err))
        return dmpi_read_wrap(r, "launcher", err);
    return 0;
}

// Folders for the build. They are known there by their last names, so they need one.
static int read_context(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv folders = DMPI_STRV_INIT;
    if (dmpi_read_strv(&folders, r, "context", err))
        return -1;
    for (size_t i = 0; i < folders.n; i++) {
        const char *slash = strrchr(folders.v[i], '/');
        const char *name = slash ? slash + 1 : folders.v[i];
        if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            return dmpi_read_fail(r, "context", err, "'%s': expected a folder that ends in a name",
                                  folders.v[i]);
        dmpi_strv_add(&p->context, folders.v[i]);
    }
    return 0;
}

static int read_strings(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    struct {
        const char *key;
        char **out;
        bool path;
    } fields[] = {
        {"image", &p->image, false},
        {"from", &p->from, false},
        {"launcher", &p->launcher, false},
        {"summary", &p->summary, false},
        {"interpreter", &p->interpreter, true},
        {"sshd", &p->sshd, true},
        {"mpirun", &p->mpirun, true},
        {"shell", &p->shell, true},
        {"tune", &p->tune, false},
        {"backend", &p->backend, false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(fields); i++) {
        if (dmpi_read_str(fields[i].out, r, fields[i].key, err) ||
            (fields[i].path && check_absolute(r, fields[i].key, *fields[i].out, err)))
            return -1;
    }
    return check_words(p, r, err);
}

static int read_lists(struct dmpi_profile *p, const struct dmpi_read *r, struct dmpi_err *err)
{
    if (dmpi_read_env(&p->env, r, "env", err) ||
        dmpi_read_strv(&p->mpirun_args, r, "mpirun_args", err) ||
        dmpi_read_strv(&p->devices, r, "devices", err) || check_devices(r, &p->devices, err) ||
        dmpi_read_strv(&p->groups, r, "groups", err) ||
        dmpi_read_strv(&p->cap_add, r, "cap_add", err) ||
        dmpi_read_strv(&p->security_opt, r, "security_opt", err) ||
        dmpi_read_strv(&p->library_path, r, "library_path", err) ||
        check_library_path(r, &p->library_path, err))
        return -1;
    return dmpi_read_bool(&p->pip, r, "pip", err) ||
                   dmpi_read_bool(&p->launcher_only, r, "launcher_only", err)
               ? -1
               : 0;
}

static int read_profile(struct dmpi_profile *p, const struct dmpi_yaml *y, struct dmpi_err *err)
{
    struct dmpi_read r = {y, y->root, ""};
    if (dmpi_read_object(&r, "a mapping with keys such as image", err) ||
        dmpi_yaml_known_keys(y, y->root, "", profile_keys, err) || read_strings(p, &r, err) ||
        read_lists(p, &r, err) || read_context(p, &r, err) || read_gpu(p, &r, err) ||
        read_limits(p, &r, err) || read_host_config(p, &r, err))
        return -1;
    if (!p->image)
        p->image = dmpi_xasprintf("dockmpi/%s:latest", p->name);
    if (!p->shell)
        p->shell = dmpi_xstrdup("/bin/sh");
    return 0;
}

int dmpi_profile_parse(struct dmpi_profile *out, const char *text, size_t len, const char *name,
                       const char *file, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    *out = (struct dmpi_profile){.name = NULL};
    if (dmpi_yaml_load(&y, text, len, file, err))
        return -1;
    out->name = dmpi_xstrdup(name);
    if (read_profile(out, &y, err)) {
        dmpi_profile_free(out);
        return -1;
    }
    return 0;
}

int dmpi_profile_load(struct dmpi_profile *out, const char *images_dir, const char *name,
                      struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1U << 20);
    *out = (struct dmpi_profile){.name = NULL};
    dmpi_autofree char *dir = dmpi_io_join(images_dir, name);
    dmpi_autofree char *path = dmpi_io_join(dir, PROFILE_FILE);
    if (dmpi_folder_check("image profile", images_dir, name, PROFILE_FILE, err) ||
        dmpi_io_read_file(&text, path, 1U << 20, err) ||
        dmpi_profile_parse(out, dmpi_buf_str(&text), text.len, name, path, err))
        return -1;
    for (size_t i = 0; i < out->context.n; i++) {
        char *folder = dmpi_io_join(dir, out->context.v[i]);
        free(out->context.v[i]);
        out->context.v[i] = folder;
    }
    dmpi_autofree char *dockerfile = dmpi_io_join(dir, "Dockerfile");
    out->build = access(dockerfile, R_OK) == 0;
    out->dir = DMPI_STEAL(dir);
    return 0;
}

void dmpi_profile_free(struct dmpi_profile *p)
{
    if (!p)
        return;
    free(p->name);
    free(p->dir);
    free(p->image);
    free(p->from);
    free(p->launcher);
    free(p->summary);
    free(p->interpreter);
    free(p->sshd);
    free(p->mpirun);
    free(p->shell);
    free(p->tune);
    free(p->backend);
    dmpi_strv_free(&p->env);
    dmpi_strv_free(&p->mpirun_args);
    dmpi_strv_free(&p->devices);
    dmpi_strv_free(&p->groups);
    dmpi_strv_free(&p->cap_add);
    dmpi_strv_free(&p->security_opt);
    dmpi_strv_free(&p->library_path);
    dmpi_strv_free(&p->context);
    json_decref(p->host_config);
    *p = (struct dmpi_profile){.name = NULL};
}

int dmpi_profile_list(struct dmpi_strv *out, const char *images_dir, struct dmpi_err *err)
{
    return dmpi_folder_list(out, images_dir, PROFILE_FILE, err);
}
