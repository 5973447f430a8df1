// SPDX-License-Identifier: MIT
#include "mpi/guard.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const agent_parameters[] = {"prte_launch_agent=", "orte_launch_agent="};

static bool args_name_agent(const struct dmpi_strv *args)
{
    for (size_t i = 0; i < args->n; i++) {
        if (strstr(args->v[i], "launch_agent") || strstr(args->v[i], "launch-agent"))
            return true;
    }
    return false;
}

static bool user_names_agent(const struct dmpi_mpi_job *job)
{
    for (size_t i = 0; i < job->mca.n; i++) {
        for (size_t j = 0; j < DMPI_ARRAY_LEN(agent_parameters); j++) {
            if (dmpi_text_starts_with(job->mca.v[i], agent_parameters[j]))
                return true;
        }
    }
    for (size_t i = 0; i < job->n_groups; i++) {
        if (args_name_agent(&job->groups[i].mpirun_args))
            return true;
    }
    return false;
}

// The first of the workers with ranks whose daemon cannot be guarded; NULL: all can.
static const struct dmpi_mesh_worker *find_open(const struct dmpi_layout *layout)
{
    for (size_t i = 0; i < layout->n; i++) {
        if (!layout->places[i].worker->guard)
            return layout->places[i].worker;
    }
    return NULL;
}

void dmpi_guard_env(struct dmpi_strv *env, struct dmpi_strv *notes, const struct dmpi_mpi_job *job,
                    const struct dmpi_layout *layout)
{
    static const char open[] = "mpirun and its launch daemons take connections from anybody";
    const struct dmpi_mesh_worker *worker = find_open(layout);

    if (user_names_agent(job)) {
        dmpi_strv_addf(notes, "%s: the launch agent is the user's", open);
    } else if (!job->mesh->launcher_guard || worker) {
        dmpi_strv_addf(notes,
                       "%s: %s cannot sign them (image without " DMPI_GUARD_LIB
                       ", kernel without TCP_MD5SIG, or launch agent set by --env)",
                       open, job->mesh->launcher_guard ? worker->alias : "the launcher");
    } else {
        dmpi_strv_add(notes, "mpirun and its launch daemons sign their connections");
        dmpi_strv_add(env, "PRTE_MCA_prte_launch_agent=sh " DMPI_MESH_DIR "/daemon prted");
        dmpi_strv_add(env, "OMPI_MCA_orte_launch_agent=sh " DMPI_MESH_DIR "/daemon orted");
        dmpi_strv_add(env, "LD_PRELOAD=" DMPI_GUARD_LIB);
    }
}
