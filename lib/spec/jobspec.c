// SPDX-License-Identifier: MIT
#include "spec/jobspec.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/tar.h"
#include "base/text.h"
#include "spec/folders.h"
#include "spec/read.h"
#include "spec/spec.h"

#define JOB_FILE "job.yaml"

static const char *const job_keys[] = {"folder", "program", "summary",        "usage", "args",
                                       "env",    "np",      "backend_option", NULL};

static int read_job(struct dmpi_jobspec *job, const struct dmpi_yaml *y, struct dmpi_err *err)
{
    struct dmpi_read r = {y, y->root, ""};
    if (dmpi_read_object(&r, "a mapping with keys such as program", err) ||
        dmpi_yaml_known_keys(y, y->root, "", job_keys, err) ||
        dmpi_read_str(&job->folder, &r, "folder", err) ||
        dmpi_read_str(&job->program, &r, "program", err) ||
        dmpi_read_str(&job->summary, &r, "summary", err) ||
        dmpi_read_str(&job->usage, &r, "usage", err) ||
        dmpi_read_str(&job->backend_option, &r, "backend_option", err) ||
        dmpi_read_strv(&job->args, &r, "args", err) || dmpi_read_env(&job->env, &r, "env", err) ||
        dmpi_read_int(&job->np, &r, "np", 1, DMPI_WORKERS_MAX * DMPI_SLOTS_MAX, err))
        return -1;
    if (!job->program)
        return dmpi_yaml_err(err, y, "", "program: missing");
    if (!dmpi_tar_path_safe(job->program))
        return dmpi_read_fail(&r, "program", err, "expected a file inside the job's folder");
    if (job->folder && !dmpi_text_name_ok(job->folder))
        return dmpi_read_fail(&r, "folder", err, "expected the name of another built-in job");
    return 0;
}

int dmpi_jobspec_parse(struct dmpi_jobspec *out, const char *text, size_t len, const char *name,
                       const char *file, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    *out = (struct dmpi_jobspec){.name = NULL};
    if (dmpi_yaml_load(&y, text, len, file, err))
        return -1;
    out->name = dmpi_xstrdup(name);
    if (read_job(out, &y, err)) {
        dmpi_jobspec_free(out);
        return -1;
    }
    return 0;
}

int dmpi_jobspec_load(struct dmpi_jobspec *out, const char *images_dir, const char *name,
                      struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1U << 20);
    *out = (struct dmpi_jobspec){.name = NULL};
    dmpi_autofree char *jobs = dmpi_io_join(images_dir, "jobs");
    dmpi_autofree char *dir = dmpi_io_join(jobs, name);
    dmpi_autofree char *path = dmpi_io_join(dir, JOB_FILE);
    if (dmpi_folder_check("built-in job", jobs, name, JOB_FILE, err) ||
        dmpi_io_read_file(&text, path, 1U << 20, err) ||
        dmpi_jobspec_parse(out, dmpi_buf_str(&text), text.len, name, path, err))
        return -1;
    out->dir = out->folder ? dmpi_io_join(jobs, out->folder) : DMPI_STEAL(dir);
    return 0;
}

void dmpi_jobspec_free(struct dmpi_jobspec *job)
{
    if (!job)
        return;
    free(job->name);
    free(job->dir);
    free(job->folder);
    free(job->program);
    free(job->summary);
    free(job->usage);
    free(job->backend_option);
    dmpi_strv_free(&job->args);
    dmpi_strv_free(&job->env);
    *job = (struct dmpi_jobspec){.name = NULL};
}

int dmpi_jobspec_list(struct dmpi_strv *out, const char *images_dir, struct dmpi_err *err)
{
    dmpi_autofree char *jobs = dmpi_io_join(images_dir, "jobs");
    return dmpi_folder_list(out, jobs, JOB_FILE, err);
}
