// SPDX-License-Identifier: MIT
#include "job/meet.h"

#include "base/mem.h"
#include "base/secret.h"
#include "cluster/fetch.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "mesh/files.h"
#include "spec/script.h"

#define PORTS_MAX ((size_t)1 << 20)

// clang-format off
static const char ask_sh[] =
#include "spec/ports.sh.inc"
#include "job/ask-launcher.sh.inc"
    ;
// clang-format on

// Runs a shell text in a container.
static int run_sh(const struct dmpi_meet *meet, size_t node, const char *id, const char *script,
                  struct dmpi_buf *out, struct dmpi_buf *err_out, struct dmpi_err *err)
{
    struct dmpi_engine *engine;
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    const char *const words[] = {"sh", "-c", script};
    int code;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (dmpi_fleet_engine(&engine, meet->fleet, node, meet->ctl, err) < 0 ||
        dmpi_exec_run(engine, meet->ctl, id, &argv, NULL, 0, out, err_out, &code, err) < 0)
        return -1;
    return code == 0 ? 0 : dmpi_err_set(err, DMPI_EENGINE, "its shell answers with code %d", code);
}

static int read_ports(struct dmpi_facts *facts, const struct dmpi_meet *meet, struct dmpi_err *err)
{
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(PORTS_MAX);
    if (run_sh(meet, meet->first->node, meet->first->id, dmpi_ports_sh, &text, NULL, err) < 0 ||
        dmpi_facts_parse(facts, dmpi_buf_str(&text), text.len, err) < 0)
        return dmpi_err_wrap(err, "%s: find a free port", meet->first->alias);
    return 0;
}

static int read_mesh(struct dmpi_mesh *mesh, const struct dmpi_meet *meet, struct dmpi_err *err)
{
    return dmpi_cluster_mesh(mesh, meet->fleet, meet->state, meet->cluster, meet->ctl, err);
}

// Both from the launcher, which is on the first worker's host.
static int ask_launcher(struct dmpi_mesh *mesh, struct dmpi_facts *facts,
                        const struct dmpi_meet *meet, struct dmpi_err *err)
{
    struct dmpi_buf tar DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    struct dmpi_buf ports DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(PORTS_MAX);
    if (run_sh(meet, meet->launcher->node, meet->launcher->id, ask_sh, &tar, &ports, err) < 0 ||
        dmpi_mesh_from_tar(mesh, dmpi_buf_str(&tar), tar.len, err) < 0)
        return -1;
    return dmpi_facts_parse(facts, dmpi_buf_str(&ports), ports.len, err);
}

struct both {
    const struct dmpi_meet *meet;
    struct dmpi_mesh *mesh;
    struct dmpi_facts *facts;
    int rc[2];
    struct dmpi_err errs[2];
};

static void both_item(size_t i, void *arg)
{
    struct both *b = arg;
    b->rc[i] = i == 0 ? read_mesh(b->mesh, b->meet, &b->errs[i])
                      : read_ports(b->facts, b->meet, &b->errs[i]);
}

int dmpi_job_meet(struct dmpi_mesh *mesh, struct dmpi_facts *facts, const struct dmpi_meet *meet,
                  struct dmpi_err *err)
{
    *facts = (struct dmpi_facts){0};
    *mesh = (struct dmpi_mesh){0};
    if (meet->first->node == meet->launcher->node) {
        if (ask_launcher(mesh, facts, meet, err) == 0)
            return 0;
        if (err->code == DMPI_ECANCELED || err->code == DMPI_ETIMEOUT)
            return -1;
        dmpi_facts_free(facts);
        dmpi_mesh_free(mesh); // asked again one by one, for a clear reason
    }
    struct both both = {.meet = meet, .mesh = mesh, .facts = facts};
    dmpi_parallel(2, 2, both_item, &both);
    for (size_t i = 0; i < 2; i++) {
        if (both.rc[i] < 0) {
            *err = both.errs[i];
            return -1;
        }
    }
    return 0;
}
