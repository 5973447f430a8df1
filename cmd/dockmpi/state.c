// SPDX-License-Identifier: MIT
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "absent.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/ttl.h"
#include "out.h"

size_t dmpi_state_failed(const struct dmpi_state *state)
{
    size_t failed = 0;
    for (size_t i = 0; i < state->n_nodes; i++)
        failed += state->errs[i].code != DMPI_OK;
    return failed;
}

/* Of a cluster that has just ended there are still jobs to tell of; what needs its members finds that they are gone. */
static void use(struct dmpi_session *session, const struct dmpi_state *state)
{
    struct dmpi_err ignored;
    dmpi_ttl_use(session->fleet, state, session->spec.name, dmpi_app_ctl(), &ignored);
}

int dmpi_session_state(struct dmpi_state *out, struct dmpi_session *session, struct dmpi_err *err)
{
    if (dmpi_state_load(out, session->fleet, session->spec.name, dmpi_app_ctl(), err) == 0) {
        use(session, out);
        return 0;
    }
    if (err->code == DMPI_ECANCELED || dmpi_state_failed(out) == out->n_nodes)
        return -1;
    for (size_t i = 0; i < out->n_nodes; i++)
        if (out->errs[i].code != DMPI_OK)
            dmpi_out_note("warning: %s", out->errs[i].msg);
    use(session, out);
    return 0;
}

int dmpi_session_members(struct dmpi_state *out, struct dmpi_session *session, struct dmpi_err *err)
{
    if (dmpi_session_state(out, session, err) < 0)
        return -1;
    return out->n || dmpi_state_failed(out) ? 0 : dmpi_absent_fail(session, err);
}

char *dmpi_member_label(const struct dmpi_member *member)
{
    switch (member->role) {
    case DMPI_LAUNCHER:
        return dmpi_xstrdup("launcher");
    case DMPI_WORKER:
        return dmpi_xasprintf("worker-%d", member->index);
    case DMPI_JOB:
        break;
    }
    return dmpi_xstrdup(dmpi_member_called(member));
}

static char *names_of(const struct dmpi_state *state, const char *cluster)
{
    struct dmpi_strv names = DMPI_STRV_INIT;
    for (size_t i = 0; i < state->n; i++)
        if (strcmp(state->members[i].cluster, cluster) == 0 && state->members[i].role != DMPI_JOB)
            dmpi_strv_take(&names, dmpi_member_label(&state->members[i]));
    char *joined = dmpi_strv_join(&names, ", ");
    dmpi_strv_free(&names);
    return joined;
}

static const struct dmpi_member *find(const struct dmpi_state *state, const char *cluster,
                                      const char *name)
{
    if (strcmp(name, "launcher") == 0)
        return dmpi_state_launcher(state, cluster);
    long long index;
    if (dmpi_text_starts_with(name, "worker-") &&
        dmpi_text_int(&index, name + strlen("worker-"), 0, INT32_MAX) == 0)
        return dmpi_state_worker(state, cluster, (int)index);
    return NULL;
}

const struct dmpi_member *dmpi_session_member(const struct dmpi_state *state, const char *cluster,
                                              const char *name, struct dmpi_err *err)
{
    const struct dmpi_member *member = find(state, cluster, name);
    if (member && !dmpi_member_running(member)) {
        dmpi_err_set(err, DMPI_ECONFLICT,
                     "%s is %s, not running; repair the cluster: `dockmpi up` as before", name,
                     member->state);
        return NULL;
    }
    if (member)
        return member;
    dmpi_autofree char *names = names_of(state, cluster);
    if (*names)
        dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s has no %s; it has: %s", cluster, name, names);
    else
        dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s has no containers; start it: `dockmpi up`",
                     cluster);
    return NULL;
}
