// SPDX-License-Identifier: MIT
#include "job/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "base/text.h"
#include "spec/jobspec.h"

#define JOB_YAML_MAX ((size_t)1 << 20)
#define LABEL_MAX ((size_t)512)
#define NEAR_MAX ((size_t)10000) // names of the present folder that are looked through

void dmpi_job_code_free(struct dmpi_job_code *code)
{
    if (!code)
        return;
    free(code->label);
    free(code->local);
    free(code->place);
    free(code->script);
    free(code->backend_option);
    dmpi_strv_free(&code->argv);
    dmpi_strv_free(&code->env);
    *code = (struct dmpi_job_code){0};
}

static void add_args(struct dmpi_job_code *out, const struct dmpi_strv *words)
{
    for (size_t i = 1; i < words->n; i++)
        dmpi_strv_add(&out->argv, words->v[i]);
}

// --- job.yaml --------------------------------------------------------------------------------

static void take_jobspec(struct dmpi_job_code *out, const struct dmpi_jobspec *spec)
{
    out->how = dmpi_text_ends_with(spec->program, ".py")   ? DMPI_HOW_PYTHON
               : dmpi_text_ends_with(spec->program, ".sh") ? DMPI_HOW_SHELL
                                                           : DMPI_HOW_DIRECT;
    out->script = dmpi_xasprintf("%s/%s", out->place, spec->program);
    if (out->argv.n == 0)
        dmpi_strv_add_all(&out->argv, &spec->args);
    dmpi_strv_add_all(&out->env, &spec->env);
    out->np = spec->np;
    out->backend_option = dmpi_xstrdup(spec->backend_option);
}

static int find_builtin(struct dmpi_job_code *out, const char *images_dir, const char *name,
                        struct dmpi_err *err)
{
    struct dmpi_jobspec spec DMPI_AUTO(dmpi_jobspec_free) = {0};
    if (dmpi_jobspec_load(&spec, images_dir, name, err) < 0)
        return -1;
    out->kind = DMPI_CODE_BUILTIN;
    out->local = dmpi_xstrdup(spec.dir);
    out->place = dmpi_xasprintf(".dockmpi/%s", name);
    take_jobspec(out, &spec);
    return 0;
}

// --- local files -----------------------------------------------------------------------------

// The first bytes of a file; how many.
static size_t read_head(const char *path, char *head, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, head, n);
    if (fd >= 0)
        close(fd);
    return got < 0 ? 0 : (size_t)got;
}

static int classify_file(struct dmpi_job_code *out, const char *path, const struct stat *st,
                         struct dmpi_err *err)
{
    char head[4];
    size_t n = read_head(path, head, sizeof(head));
    bool runnable =
        (n >= 2 && memcmp(head, "#!", 2) == 0) || (n == 4 && memcmp(head, "\177ELF", 4) == 0);
    if (access(path, R_OK) != 0)
        return dmpi_err_sys(err, errno, "%s", path);
    if (dmpi_text_ends_with(path, ".py"))
        out->how = DMPI_HOW_PYTHON;
    else if (dmpi_text_ends_with(path, ".sh"))
        out->how = DMPI_HOW_SHELL;
    else if (!runnable)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "script without an interpreter: %s does not end in .py or .sh, does "
                            "not begin with #! and is no program",
                            path);
    else if (!(st->st_mode & S_IXUSR))
        return dmpi_err_set(err, DMPI_EINVAL, "%s is not executable: chmod +x %s", path, path);
    return 0;
}

// The last part of a path's real name ("." has one, too). NULL with *err.
static char *base_name(const char *path, struct dmpi_err *err)
{
    dmpi_autofree char *real = realpath(path, NULL);
    if (!real) {
        dmpi_err_sys(err, errno, "%s", path);
        return NULL;
    }
    if (strcmp(real, "/") == 0) {
        dmpi_err_set(err, DMPI_EINVAL, "%s is the root folder: name a smaller one", path);
        return NULL;
    }
    dmpi_autofree char *plain = dmpi_xstrdup(path);
    size_t len = strlen(plain);
    while (len > 1 && plain[len - 1] == '/')
        plain[--len] = '\0';
    const char *slash = strrchr(plain, '/');
    const char *name = slash ? slash + 1 : plain;
    bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return dmpi_xstrdup(dots ? strrchr(real, '/') + 1 : name);
}

static int find_dir(struct dmpi_job_code *out, const char *path, struct dmpi_err *err)
{
    dmpi_autofree char *yaml = dmpi_io_join(path, "job.yaml");
    dmpi_autofree char *main_py = dmpi_io_join(path, "__main__.py");
    out->kind = DMPI_CODE_DIR;
    if (access(yaml, F_OK) == 0) {
        struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(JOB_YAML_MAX);
        struct dmpi_jobspec spec DMPI_AUTO(dmpi_jobspec_free) = {0};
        if (dmpi_io_read_file(&text, yaml, JOB_YAML_MAX, err) < 0 ||
            dmpi_jobspec_parse(&spec, dmpi_buf_str(&text), text.len, out->place, yaml, err) < 0)
            return -1;
        dmpi_autofree char *script = dmpi_io_join(path, spec.program);
        if (access(script, F_OK) != 0)
            return dmpi_err_set(err, DMPI_ENOTFOUND, "%s: program: there is no %s", yaml, script);
        take_jobspec(out, &spec);
        return 0;
    }
    if (access(main_py, F_OK) != 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "folder %s has neither job.yaml (with `program:`) nor __main__.py: "
                            "dockmpi does not know what to run in it",
                            path);
    out->how = DMPI_HOW_PYTHON;
    out->script = dmpi_xasprintf("%s/__main__.py", out->place);
    return 0;
}

static int find_local(struct dmpi_job_code *out, const char *path, const struct stat *st,
                      struct dmpi_err *err)
{
    out->local = dmpi_xstrdup(path);
    out->place = base_name(path, err);
    if (!out->place)
        return -1;
    if (S_ISDIR(st->st_mode))
        return find_dir(out, path, err);
    if (!S_ISREG(st->st_mode))
        return dmpi_err_set(err, DMPI_EINVAL, "%s is neither a file nor a folder", path);
    out->kind = DMPI_CODE_FILE;
    out->script = dmpi_xstrdup(out->place);
    return classify_file(out, path, st, err);
}

// --- names -----------------------------------------------------------------------------------

static void add_local_names(struct dmpi_strv *names)
{
    DIR *dir = opendir(".");
    const struct dirent *entry;
    while (dir && names->n < NEAR_MAX && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.')
            dmpi_strv_add(names, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

static int not_found(const char *word, const struct dmpi_strv *jobs, struct dmpi_err *err)
{
    struct dmpi_strv names DMPI_AUTO(dmpi_strv_free) = dmpi_strv_copy(jobs);
    dmpi_autofree char *list = dmpi_strv_join(jobs, ", ");
    add_local_names(&names);
    const char *near = names.n ? dmpi_text_suggest(word, (const char *const *)names.v) : NULL;
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "no built-in job, file or folder is called '%.200s'%s%.200s%s (built-in "
                        "jobs: %s; a program of the image is run by: run -- %.200s)",
                        word, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "",
                        jobs->n ? list : "none", word);
}

// Whether a word is meant as a path whatever jobs there are.
static bool is_path(const char *word)
{
    return strchr(word, '/') || dmpi_text_ends_with(word, ".py") ||
           dmpi_text_ends_with(word, ".sh") || strcmp(word, ".") == 0 || strcmp(word, "..") == 0;
}

static int find_named(struct dmpi_job_code *out, const char *images_dir, const char *word,
                      struct dmpi_err *err)
{
    struct stat st;
    bool exists = stat(word, &st) == 0;
    if (is_path(word))
        return exists ? find_local(out, word, &st, err)
                      : dmpi_err_sys(err, errno, "script not found: %s", word);
    struct dmpi_strv jobs DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_err why;
    if (!images_dir || dmpi_jobspec_list(&jobs, images_dir, &why) < 0)
        dmpi_strv_free(&jobs);
    if (dmpi_strv_has(&jobs, word))
        return find_builtin(out, images_dir, word, err);
    return exists ? find_local(out, word, &st, err) : not_found(word, &jobs, err);
}

int dmpi_job_code_find(struct dmpi_job_code *out, const char *images_dir,
                       const struct dmpi_strv *words, bool program, struct dmpi_err *err)
{
    *out = (struct dmpi_job_code){.kind = DMPI_CODE_PROGRAM};
    if (words->n == 0 || !words->v[0][0])
        return dmpi_err_set(err, DMPI_EINVAL,
                            "nothing to run: name a built-in job, a file, a folder, or a program "
                            "after --");
    dmpi_autofree char *label = dmpi_shquote_argv(words);
    out->label = dmpi_xstrndup(label, LABEL_MAX);
    if (program) {
        out->argv = dmpi_strv_copy(words);
        return 0;
    }
    add_args(out, words);
    int rc = find_named(out, images_dir, words->v[0], err);
    if (rc < 0)
        dmpi_job_code_free(out);
    return rc;
}

static int add_backend(struct dmpi_strv *out, const struct dmpi_job_code *code, const char *backend,
                       struct dmpi_err *err)
{
    if (!code->backend_option)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--backend: %s has no option for it that dockmpi knows; give the "
                            "program its own option after its name",
                            code->label);
    size_t len = strlen(code->backend_option);
    for (size_t i = 0; i < code->argv.n; i++) {
        const char *arg = code->argv.v[i];
        if (strncmp(arg, code->backend_option, len) == 0 && (arg[len] == '\0' || arg[len] == '='))
            return 0; // the user's own word
    }
    dmpi_strv_add(out, code->backend_option);
    dmpi_strv_add(out, backend);
    return 0;
}

int dmpi_job_code_argv(struct dmpi_strv *out, const struct dmpi_job_code *code, const char *workdir,
                       const char *interpreter, const char *backend, struct dmpi_err *err)
{
    if (code->kind != DMPI_CODE_PROGRAM) {
        if (code->how == DMPI_HOW_PYTHON)
            dmpi_strv_add(out, interpreter ? interpreter : "python3");
        else if (code->how == DMPI_HOW_SHELL)
            dmpi_strv_add(out, "sh");
        dmpi_strv_addf(out, "%s/%s", strcmp(workdir, "/") == 0 ? "" : workdir, code->script);
    }
    if (backend && add_backend(out, code, backend, err) < 0)
        return -1;
    dmpi_strv_add_all(out, &code->argv);
    return 0;
}
