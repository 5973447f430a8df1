// SPDX-License-Identifier: MIT
#include "job/name.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/unstarted.h"
#include "engine/containers.h"
#include "spec/labels.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define NAME_MAX_LEN 63
#define SEEN_MS 10000 // for a job that another client creates at this moment
#define SEEN_STEP_MS 50

int dmpi_job_name_check(const char *name, struct dmpi_err *err)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_LEN || strspn(name, LETTERS DIGITS "_.-") != len ||
        !strspn(name, LETTERS DIGITS))
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--job-name: at most %d letters, digits, '_', '.' and '-', the first a "
                            "letter or digit",
                            NAME_MAX_LEN);
    if (strspn(name, DIGITS) == len)
        return dmpi_err_set(err, DMPI_EINVAL, "--job-name %s: a number would be the id of a job",
                            name);
    return 0;
}

static int taken(const char *name, const char *job, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ECONFLICT, "the name %s is that of job %s, which has not ended",
                        name, job);
}

// By the engine's word for the state of its container.
static bool has_ended(const char *state)
{
    return strcmp(state, "exited") == 0 || strcmp(state, "dead") == 0 ||
           strcmp(state, "removing") == 0;
}

int dmpi_job_name_free(const struct dmpi_state *state, const char *cluster, const char *name,
                       struct dmpi_err *err)
{
    int64_t now = (int64_t)time(NULL);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, cluster) == 0 &&
            strcmp(m->job_name, name) == 0 && !has_ended(m->state) && !dmpi_job_unstarted(m, now))
            return taken(name, m->job, err);
    }
    return 0;
}

// Whether every job from `first` to before `last` is in the list.
static bool all_listed(const json_t *list, int first, int last)
{
    for (; first < last; first++) {
        bool found = false;
        const json_t *entry;
        size_t i;
        json_array_foreach (list, i, entry) {
            const char *id = dmpi_json_str(dmpi_json_obj(entry, "Labels"), DMPI_LABEL_JOB);
            long long other;
            found = found || (id && dmpi_text_int(&other, id, 0, INT32_MAX) == 0 && other == first);
        }
        if (!found)
            return false;
    }
    return true;
}

// An engine gives away a container's name before it lists the container.
static int list_jobs(json_t **list, struct dmpi_engine *engine, const char *cluster, int first,
                     int last, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree char *of_cluster = dmpi_xasprintf(DMPI_LABEL_CLUSTER "=%s", cluster);
    const char *labels[] = {of_cluster, DMPI_LABEL_JOB, NULL};
    int64_t until = dmpi_now_ms() + SEEN_MS;
    for (;;) {
        if (dmpi_container_list(engine, ctl, labels, true, list, err) < 0)
            return -1;
        if (all_listed(*list, first, last) || dmpi_now_ms() >= until)
            return 0;
        json_decref(*list);
        *list = NULL;
        if (dmpi_ctl_sleep(ctl, SEEN_STEP_MS, err) < 0)
            return -1;
    }
}

int dmpi_job_name_claim(struct dmpi_engine *engine, const char *cluster, const char *name,
                        int first, int index, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *list = NULL;
    const json_t *entry;
    size_t i;
    if (list_jobs(&list, engine, cluster, first, index, ctl, err) < 0)
        return -1;
    json_array_foreach (list, i, entry) {
        const json_t *labels = dmpi_json_obj(entry, "Labels");
        const char *id = dmpi_json_str(labels, DMPI_LABEL_JOB);
        const char *named = dmpi_json_str(labels, DMPI_LABEL_JOBNAME);
        const char *state = dmpi_json_str(entry, "State");
        long long other;
        if (!id || !named || strcmp(named, name) != 0 ||
            dmpi_text_int(&other, id, 0, INT32_MAX) < 0 || other == index || !state ||
            has_ended(state))
            continue;
        // What runs came first; of those that are only made, the lower number did. One that was only made before
        // we looked for the first time has no client any more, or we would not be here.
        if (strcmp(state, "created") != 0 || (other >= first && other < index))
            return taken(name, id, err);
    }
    return 0;
}
