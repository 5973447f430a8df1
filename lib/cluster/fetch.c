// SPDX-License-Identifier: MIT
#include "cluster/fetch.h"

#include "base/mem.h"
#include "base/secret.h"
#include "cluster/member.h"
#include "fleet/fleet.h"
#include "mesh/files.h"

int dmpi_member_mesh(struct dmpi_mesh *out, struct dmpi_engine *engine, const char *id,
                     const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *out = (struct dmpi_mesh){0};
    struct dmpi_buf tar DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    if (dmpi_member_fetch(&tar, engine, id, container, ctl, err) != 0)
        return -1;
    if (dmpi_mesh_from_tar(out, dmpi_buf_str(&tar), tar.len, err) != 0)
        return dmpi_err_wrap(err, "container %s", container);
    return 0;
}

static int no_launcher(const struct dmpi_state *state, const char *cluster, struct dmpi_err *err)
{
    for (size_t i = 0; i < state->n_nodes; i++) {
        // The launcher may well be there, on a node that does not answer.
        if (state->errs[i].code != DMPI_OK) {
            *err = state->errs[i];
            return -1;
        }
    }
    return dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s is not up: start it with `dockmpi up`",
                        cluster);
}

int dmpi_cluster_mesh(struct dmpi_mesh *out, struct dmpi_fleet *fleet,
                      const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *out = (struct dmpi_mesh){0};
    const struct dmpi_member *launcher = dmpi_state_launcher(state, cluster);
    if (!launcher)
        return no_launcher(state, cluster, err);
    if (!dmpi_member_running(launcher))
        return dmpi_err_set(
            err, DMPI_ECONFLICT,
            "the launcher of cluster %s is not running (%s): `dockmpi up` as before repairs "
            "it",
            cluster, launcher->state);
    struct dmpi_engine *engine = NULL;
    if (dmpi_fleet_engine(&engine, fleet, launcher->node, ctl, err) != 0)
        return -1;
    if (dmpi_member_mesh(out, engine, launcher->id, launcher->container, ctl, err) == 0)
        return 0;
    if (err->code == DMPI_ENOTFOUND)
        dmpi_err_set(err, DMPI_ECONFLICT, "%s: `dockmpi up` as before repairs it", err->msg);
    return dmpi_err_wrap(err, "node %s", dmpi_fleet_name(fleet, launcher->node));
}
