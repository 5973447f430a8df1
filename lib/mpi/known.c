// SPDX-License-Identifier: MIT
// MCA parameters that an image's Open MPI does not have: it would ignore them without a word.
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mpi/tune.h"

// Those of the launch daemons and of PMIx, which ompi_info does not list.
static const char *const daemon_prefixes[] = {
    "prte_",      "pmix_",          "orte_",   "plm_",    "oob_",      "rmaps_", "ras_",
    "odls_",      "grpcomm_",       "ess_",    "iof_",    "filem_",    "state_", "errmgr_",
    "routed_",    "schizo_",        "rml_",    "ptl_",    "psec_",     "gds_",   "preg_",
    "pcompress_", "prtereachable_", "prteif_", "pif_",    "regx_",     "rtc_",   "hwloc_",
    "propagate_", "prtebacktrace_", "snapc_",  "sstore_", "notifier_", NULL};

static bool of_daemons(const char *name)
{
    for (size_t i = 0; daemon_prefixes[i]; i++) {
        size_t len = strlen(daemon_prefixes[i]);

        // The framework alone ("plm") selects its components.
        if (strncmp(name, daemon_prefixes[i], len) == 0 ||
            (strlen(name) == len - 1 && strncmp(name, daemon_prefixes[i], len - 1) == 0))
            return true;
    }
    return false;
}

static int unknown(const struct dmpi_tune_group *g, const char *name, const char *set,
                   struct dmpi_err *err)
{
    const char *near =
        g->known->n > 0 ? dmpi_text_suggest(name, (const char *const *)g->known->v) : NULL;

    if (set)
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "image %s: its Open MPI has no MCA parameter %s, which --tune %s needs: "
            "choose another set (--tune), or an image that is built with it",
            g->profile, name, set);
    return dmpi_err_set(err, DMPI_EINVAL,
                        "--mca %s: the Open MPI of image %s has no such parameter%s%s%s (`dockmpi "
                        "exec -- ompi_info --all` lists them)",
                        name, g->profile, near ? ": did you mean '" : "", near ? near : "",
                        near ? "'?" : "");
}

static int check(const struct dmpi_tune_group *g, const char *entry, const char *set,
                 struct dmpi_err *err)
{
    dmpi_autofree char *name = dmpi_xstrndup(entry, strcspn(entry, "="));

    if (of_daemons(name) || dmpi_tune_knows(g, name))
        return 0;
    return unknown(g, name, set, err);
}

int dmpi_tune_check(const struct dmpi_tuned *tuned, const struct dmpi_tune_group *groups, size_t n,
                    const struct dmpi_strv *mca, struct dmpi_err *err)
{
    for (size_t i = 0; i < n; i++) {
        // Without any name the image has no ompi_info.
        if (!groups[i].known || groups[i].known->n == 0)
            continue;
        for (size_t k = 0; k < mca->n; k++) {
            if (check(&groups[i], mca->v[k], NULL, err) != 0)
                return -1;
        }
        for (const char *const *entry = tuned[i].set->mca; *entry; entry++) {
            if (check(&groups[i], *entry, tuned[i].set->name, err) != 0)
                return -1;
        }
    }
    return 0;
}
