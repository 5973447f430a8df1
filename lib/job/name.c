// SPDX-License-Identifier: MIT
#include "job/name.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/containers.h"
#include "spec/labels.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define NAME_MAX_LEN 63

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

static int taken(const char *name, const char *job, bool ended, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ECONFLICT, "the name %s is that of job %s%s", name, job,
                        ended ? ", which has ended: `dockmpi jobs --prune` removes it" : "");
}

int dmpi_job_name_free(const struct dmpi_state *state, const char *cluster, const char *name,
                       struct dmpi_err *err)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, cluster) == 0 &&
            strcmp(m->job_name, name) == 0)
            return taken(name, m->job, strcmp(m->state, "exited") == 0, err);
    }
    return 0;
}

int dmpi_job_name_claim(struct dmpi_engine *engine, const char *cluster, const char *name,
                        int index, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree char *of_cluster = dmpi_xasprintf(DMPI_LABEL_CLUSTER "=%s", cluster);
    dmpi_autofree char *of_name = dmpi_xasprintf(DMPI_LABEL_JOBNAME "=%s", name);
    const char *labels[] = {of_cluster, of_name, NULL};
    dmpi_json_auto json_t *list = NULL;
    const json_t *entry;
    size_t i;
    if (dmpi_container_list(engine, ctl, labels, true, &list, err) < 0)
        return -1;
    json_array_foreach (list, i, entry) {
        const char *id = dmpi_json_str(dmpi_json_obj(entry, "Labels"), DMPI_LABEL_JOB);
        const char *state = dmpi_json_str(entry, "State");
        long long other = index;
        if (id && dmpi_text_int(&other, id, 0, INT32_MAX) < 0)
            continue;
        // What runs came first; of those that are only made, the lower number did.
        bool older = other < index || (state && strcmp(state, "created") != 0);
        if (other != index && older)
            return taken(name, id, state && strcmp(state, "exited") == 0, err);
    }
    return 0;
}
