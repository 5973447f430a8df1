// SPDX-License-Identifier: MIT
#include "absent.h"

#include <string.h>

#include "base/mem.h"
#include "cluster/state.h"
#include "out.h"

enum { PATIENCE_MS = 5000 };

/* "; on node local there are: a, b", or "" where there is none. Nodes that do not answer are left out. Owned by the caller. */
static char *others(struct dmpi_session *session)
{
    struct dmpi_state state DMPI_AUTO(dmpi_state_free) = {0};
    struct dmpi_strv names DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    const struct dmpi_ctl ctl = dmpi_ctl_within(dmpi_app_ctl(), PATIENCE_MS);
    dmpi_state_list(&state, session->fleet, NULL, &ctl, &ignored);
    for (size_t i = 0; i < state.n; i++)
        if (!dmpi_strv_has(&names, state.members[i].cluster))
            dmpi_strv_add(&names, state.members[i].cluster);
    if (!names.n)
        return dmpi_xstrdup("");
    dmpi_autofree char *list = dmpi_strv_join(&names, ", ");
    const char *there = names.n == 1 ? "there is" : "there are";
    if (session->spec.n_nodes == 1)
        return dmpi_xasprintf("; on node %s %s: %s", dmpi_fleet_name(session->fleet, 0), there,
                              list);
    return dmpi_xasprintf("; on its nodes %s: %s", there, list);
}

void dmpi_absent_note(struct dmpi_session *session)
{
    dmpi_autofree char *there = others(session);
    dmpi_out_note("there is no cluster %s%s", session->spec.name, there);
}

int dmpi_absent_fail(struct dmpi_session *session, struct dmpi_err *err)
{
    dmpi_autofree char *there = others(session);
    return dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s is not up: start it with `dockmpi up`%s",
                        session->spec.name, there);
}
