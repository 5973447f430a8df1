// SPDX-License-Identifier: MIT
// The container of a job is made like the launcher, whose body or inspect answer is at hand: `run`
// needs neither cluster file nor profile for it.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/body.h"
#include "spec/script.h"

// What an inspect answer has in its HostConfig and a create body should not repeat: a job's log is
// kept whole, and the rest belongs to the one container.
static const char *const left_out[] = {"LogConfig",     "ContainerIDFile", "AutoRemove",
                                       "RestartPolicy", "ConsoleSize",     NULL};

static bool in(const char *const *list, const char *word)
{
    for (; *list; list++) {
        if (strcmp(*list, word) == 0)
            return true;
    }
    return false;
}

static bool is_default(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) ||
           (json_is_integer(v) && json_integer_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           ((json_is_array(v) || json_is_object(v)) && json_array_size(v) == 0 &&
            json_object_size(v) == 0);
}

// Podman is told "nofile", answers "RLIMIT_NOFILE", and takes no notice of that.
static void name_limits(json_t *hc)
{
    static const char prefix[] = "RLIMIT_";
    json_t *limit;
    size_t i;
    json_array_foreach (dmpi_json_arr(hc, "Ulimits"), i, limit) {
        const char *name = dmpi_json_str(limit, "Name");
        if (!name || !dmpi_text_starts_with(name, prefix))
            continue;
        dmpi_autofree char *plain = dmpi_xstrdup(name + sizeof prefix - 1);
        for (char *c = plain; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        dmpi_json_set_str(limit, "Name", plain);
    }
}

static json_t *host_config_of(const json_t *from)
{
    // An empty list here means "nothing is masked", which is not the default.
    static const char *const kept_empty[] = {"MaskedPaths", "ReadonlyPaths", NULL};
    json_t *hc = dmpi_json_new_obj(), *v;
    const char *key;
    json_object_foreach ((json_t *)from, key, v) {
        bool keep = !is_default(v) || (json_is_array(v) && in(kept_empty, key));
        if (keep && !in(left_out, key))
            dmpi_json_set(hc, key, json_deep_copy(v));
    }
    name_limits(hc);
    // Without a size of its own the engine's default would count, and drop what was printed first.
    json_t *log = dmpi_json_new_obj(), *limits = dmpi_json_new_obj();
    dmpi_json_set_str(limits, "max-size", "1000p");
    dmpi_json_set_str(log, "Type", "json-file");
    dmpi_json_set(log, "Config", limits);
    dmpi_json_set(hc, "LogConfig", log);
    return hc;
}

static void copy_label(json_t *into, const json_t *from, const char *key)
{
    const char *value = dmpi_json_str(from, key);
    if (value)
        dmpi_json_set_str(into, key, value);
}

static void set_number(json_t *labels, const char *key, int n)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", n);
    dmpi_json_set_str(labels, key, text);
}

static json_t *labels_of(const struct dmpi_plan_job *job, const json_t *from)
{
    json_t *labels = dmpi_json_new_obj();
    copy_label(labels, from, DMPI_LABEL_NODE);
    copy_label(labels, from, DMPI_LABEL_PROFILE);
    copy_label(labels, from, DMPI_LABEL_ADDR);
    dmpi_json_set_str(labels, DMPI_LABEL_CLUSTER, job->cluster);
    dmpi_json_set_str(labels, DMPI_LABEL_ROLE, DMPI_ROLE_JOB);
    dmpi_json_set_str(labels, DMPI_LABEL_JOB, job->job);
    dmpi_json_set_str(labels, DMPI_LABEL_PROGRAM, job->program);
    if (job->tags)
        dmpi_json_set_str(labels, DMPI_LABEL_TAGS, job->tags);
    if (job->name)
        dmpi_json_set_str(labels, DMPI_LABEL_JOBNAME, job->name);
    set_number(labels, DMPI_LABEL_INDEX, job->index);
    set_number(labels, DMPI_LABEL_RANKS, job->ranks);
    set_number(labels, DMPI_LABEL_GRACE, job->grace_ms);
    if (job->restarts)
        set_number(labels, DMPI_LABEL_RESTARTS, job->restarts);
    if (job->unkept)
        dmpi_json_set_str(labels, DMPI_LABEL_UNKEPT, "yes");
    return labels;
}

static json_t *env_of(const struct dmpi_plan_job *job, const json_t *config)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(config, "Env"), i, v) {
        if (json_is_string(v))
            dmpi_strv_add(&env, json_string_value(v));
    }
    if (job->env)
        dmpi_strv_env_merge(&env, job->env);
    return dmpi_json_strv(&env);
}

int dmpi_plan_job(json_t **out, const struct dmpi_plan_job *job, struct dmpi_err *err)
{
    const json_t *inspected = dmpi_json_obj(job->launcher, "Config");
    const json_t *config = inspected ? inspected : job->launcher;
    const json_t *hc = dmpi_json_obj(job->launcher, "HostConfig");
    const char *image = dmpi_json_str(config, "Image");
    // The image that the launcher really has, also when its name has moved on since.
    const char *id = inspected ? dmpi_json_str(job->launcher, "Image") : NULL;
    if (id && dmpi_text_starts_with(id, "sha256:"))
        image = id;
    *out = NULL;
    if (!image || !hc)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine's description of the launcher lacks %s",
                            image ? "HostConfig" : "Image");
    const json_t *labels = dmpi_json_obj(config, "Labels");
    const char *workdir = job->workdir ? job->workdir : dmpi_json_str(config, "WorkingDir");
    const char *user = dmpi_json_str(config, "User");
    json_t *body = dmpi_body_base(job->cluster, DMPI_JOB, job->index);
    if (user && *user)
        dmpi_json_set_str(body, "User", user);
    dmpi_json_set_str(body, "Image", image);
    dmpi_json_set(body, "Entrypoint", dmpi_script_job());
    dmpi_json_set(body, "Env", env_of(job, config));
    dmpi_json_set_str(body, "WorkingDir", workdir ? workdir : DMPI_WORKDIR_DEFAULT);
    dmpi_json_set(body, "Labels", labels_of(job, labels));
    dmpi_json_set(body, "HostConfig", host_config_of(hc));
    free(dmpi_body_seal(body, dmpi_json_str(labels, DMPI_LABEL_ORIGIN)));
    *out = body;
    return 0;
}
