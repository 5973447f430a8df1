// SPDX-License-Identifier: MIT
#include "jobset.h"

#include <stdlib.h>

#include "base/mem.h"
#include "state.h"

static int add(struct dmpi_jobset *set, const char *name, struct dmpi_err *err)
{
    const struct dmpi_member *job = dmpi_job_find(&set->state, set->session.spec.name, name, err);
    if (!job)
        return -1;
    set->jobs[set->n++] = job;
    return 0;
}

int dmpi_jobset_open(struct dmpi_jobset *out, const struct dmpi_common *common,
                     const struct dmpi_strv *names, bool running, struct dmpi_err *err)
{
    *out = (struct dmpi_jobset){0};
    if (dmpi_session_open(&out->session, common, err) < 0 ||
        dmpi_session_members(&out->state, &out->session, err) < 0)
        return -1;
    out->jobs = dmpi_xcalloc(out->state.n + names->n + 1, sizeof(struct dmpi_member *));
    const struct dmpi_member *job =
        running ? dmpi_job_running(&out->state, out->session.spec.name) : NULL;
    if (!names->n && job) {
        out->jobs[out->n++] = job;
        return 0;
    }
    if (!names->n)
        return add(out, NULL, err);
    for (size_t i = 0; i < names->n; i++)
        if (add(out, names->v[i], err) < 0)
            return -1;
    return 0;
}

void dmpi_jobset_close(struct dmpi_jobset *set)
{
    free(set->jobs);
    dmpi_state_free(&set->state);
    dmpi_session_close(&set->session);
}
