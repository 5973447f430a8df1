// SPDX-License-Identifier: MIT
// What an image's Open MPI is and has: parameters that it does not have it would ignore without a word.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mpi/tune.h"

// Those of the launch daemons and of PMIx, which ompi_info does not list. prte_info lists the daemons'.
static const char *const daemon_prefixes[] = {
    "prte_",      "pmix_",          "orte_",   "plm_",    "oob_",      "rmaps_", "ras_",
    "odls_",      "grpcomm_",       "ess_",    "iof_",    "filem_",    "state_", "errmgr_",
    "routed_",    "schizo_",        "rml_",    "ptl_",    "psec_",     "gds_",   "preg_",
    "pcompress_", "prtereachable_", "prteif_", "pif_",    "regx_",     "rtc_",   "hwloc_",
    "propagate_", "prtebacktrace_", "snapc_",  "sstore_", "notifier_", NULL};

// Whether the image told any parameter with that beginning.
static bool told(const struct dmpi_strv *known, const char *prefix)
{
    for (size_t i = 0; i < known->n; i++) {
        if (dmpi_text_starts_with(known->v[i], prefix))
            return true;
    }
    return false;
}

// A parameter of the daemons that may well be there: the image did not tell any of its kind. PMIx has more
// than the daemons tell.
static bool of_daemons(const struct dmpi_strv *known, const char *name)
{
    for (size_t i = 0; daemon_prefixes[i]; i++) {
        const char *prefix = daemon_prefixes[i];
        size_t len = strlen(prefix);

        // The framework alone ("plm") selects its components.
        if (strlen(name) == len - 1 && strncmp(name, prefix, len - 1) == 0)
            return true;
        if (strncmp(name, prefix, len) == 0)
            return strcmp(prefix, "pmix_") == 0 || !told(known, prefix);
    }
    return false;
}

// Where a parameter comes from, for people.
struct origin {
    const char *set; // --tune; NULL: not from there
    bool by_profile; // mpirun_args of image.yaml
};

static int unknown(const struct dmpi_tune_group *g, const char *name, struct origin origin,
                   struct dmpi_err *err)
{
    const char *near =
        g->known->n > 0 ? dmpi_text_suggest(name, (const char *const *)g->known->v) : NULL;

    if (origin.set)
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "image %s: its Open MPI has no MCA parameter %s, which --tune %s needs: "
            "choose another set (--tune), or an image that is built with it",
            g->profile, name, origin.set);
    return dmpi_err_set(err, DMPI_EINVAL,
                        "%s %s: the Open MPI of image %s has no such parameter%s%s%s (`dockmpi "
                        "exec -- ompi_info --all` lists them)",
                        origin.by_profile ? "mpirun_args: --mca" : "--mca", name, g->profile,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int check(const struct dmpi_tune_group *g, const char *entry, struct origin origin,
                 struct dmpi_err *err)
{
    dmpi_autofree char *name = dmpi_xstrndup(entry, strcspn(entry, "="));

    if (dmpi_tune_knows(g, name) || of_daemons(g->known, name))
        return 0;
    return unknown(g, name, origin, err);
}

// The arguments that a profile has for mpirun: "--mca NAME VALUE" among others.
static int check_args(const struct dmpi_tune_group *g, struct dmpi_err *err)
{
    for (size_t i = 0; g->args && i + 2 < g->args->n; i++) {
        const char *arg = g->args->v[i];

        if (strcmp(arg, "--mca") != 0 && strcmp(arg, "-mca") != 0)
            continue;
        if (check(g, g->args->v[i + 1], (struct origin){.by_profile = true}, err) != 0)
            return -1;
        i += 2;
    }
    return 0;
}

int dmpi_tune_check(const struct dmpi_tuned *tuned, const struct dmpi_tune_group *groups, size_t n,
                    const struct dmpi_strv *mca, struct dmpi_err *err)
{
    for (size_t i = 0; i < n; i++) {
        // Without any name the image has no ompi_info.
        if (!groups[i].known || groups[i].known->n == 0)
            continue;
        for (size_t k = 0; k < mca->n; k++) {
            if (check(&groups[i], mca->v[k], (struct origin){NULL, false}, err) != 0)
                return -1;
        }
        for (const char *const *entry = tuned[i].set->mca; *entry; entry++) {
            if (check(&groups[i], *entry, (struct origin){.set = tuned[i].set->name}, err) != 0)
                return -1;
        }
        if (check_args(&groups[i], err) != 0)
            return -1;
    }
    return 0;
}

// --- releases ----------------------------------------------------------------------------------

// Releases with the same number here understand each other: the series, and in 5.0 whether collectives have
// the tags of before or of since 5.0.11. 0: not known.
static int kind(const char *release)
{
    int major = 0, minor = 0, patch = 0;

    if (!release || sscanf(release, "%3d.%3d.%3d", &major, &minor, &patch) < 2)
        return 0;
    return (major * 1000 + minor) * 2 + (major == 5 && minor == 0 && patch >= 11 ? 1 : 0);
}

int dmpi_tune_releases(const struct dmpi_tune_group *groups, size_t n, struct dmpi_err *err)
{
    const struct dmpi_tune_group *first = NULL;

    for (size_t i = 0; i < n; i++) {
        if (kind(groups[i].release) == 0)
            continue;
        if (!first)
            first = &groups[i];
        else if (kind(groups[i].release) != kind(first->release))
            return dmpi_err_set(
                err, DMPI_EINVAL,
                "image %s has Open MPI %.40s and image %s Open MPI %.40s, whose "
                "collectives do not understand each other: the ranks would wait for "
                "ever. Give all images the same release",
                first->profile, first->release, groups[i].profile, groups[i].release);
    }
    return 0;
}
