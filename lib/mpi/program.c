// SPDX-License-Identifier: MIT
#include "mpi/program.h"

#include <string.h>

#include "base/mem.h"

static bool is_colons(const char *word)
{
    return *word && strspn(word, ":") == strlen(word);
}

// mpirun takes a lone : anywhere for the start of another context: such words get one colon more, and
// -: tells the wrapper.
void dmpi_program_wrap(struct dmpi_strv *argv, const struct dmpi_strv *words)
{
    bool colons = false;

    for (size_t i = 0; i < words->n; i++)
        colons = colons || is_colons(words->v[i]);
    dmpi_strv_add(argv, "sh");
    dmpi_strv_add(argv, DMPI_MESH_DIR "/rank");
    if (colons)
        dmpi_strv_add(argv, "-:");
    for (size_t i = 0; i < words->n; i++)
        dmpi_strv_addf(argv, "%s%s", words->v[i], is_colons(words->v[i]) ? ":" : "");
}

// Adds the entries of from whose names the user has not set.
static void add_unset(struct dmpi_strv *words, const char *prefix, const struct dmpi_strv *from,
                      const struct dmpi_strv *user)
{
    for (size_t i = 0; i < from->n; i++) {
        dmpi_autofree char *name = dmpi_xstrndup(from->v[i], strcspn(from->v[i], "="));

        if (!dmpi_strv_env_get(user, name))
            dmpi_strv_addf(words, "%s%s", prefix, from->v[i]);
    }
}

// The arguments that a profile has for mpirun, as variables for its own ranks.
static int add_profile_args(struct dmpi_strv *mca, struct dmpi_strv *env,
                            const struct dmpi_mpi_group *g, struct dmpi_err *err)
{
    const struct dmpi_strv *args = &g->mpirun_args;

    for (size_t i = 0; i < args->n; i++) {
        const char *arg = args->v[i];

        if ((strcmp(arg, "--mca") == 0 || strcmp(arg, "-mca") == 0) && i + 2 < args->n) {
            dmpi_strv_env_set(mca, args->v[i + 1], args->v[i + 2]);
            i += 2;
        } else if (strcmp(arg, "-x") == 0 && i + 1 < args->n && strchr(args->v[i + 1], '=')) {
            dmpi_strv_add(env, args->v[++i]);
        } else {
            return dmpi_err_set(err, DMPI_EINVAL,
                                "image %s: mpirun cannot be given %s for the ranks of one image "
                                "only: in a mixed cluster a profile can have --mca and -x",
                                g->profile, arg);
        }
    }
    return 0;
}

static void add_array(struct dmpi_strv *sv, const char *const *entries)
{
    for (size_t i = 0; entries[i]; i++)
        dmpi_strv_add(sv, entries[i]);
}

int dmpi_program_group(struct dmpi_strv *words, const struct dmpi_mpi_job *job,
                       const struct dmpi_mpi_group *g, const struct dmpi_tuned *tuned,
                       struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv own = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv mca = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;

    add_array(&mca, tuned->set->mca);
    add_array(&env, tuned->env);
    dmpi_strv_env_merge(&env, &g->env);
    if (add_profile_args(&mca, &env, g, err) != 0)
        return -1;
    add_unset(&own, "OMPI_MCA_", &mca, &job->mca);
    add_unset(&own, "", &env, &job->env);
    dmpi_strv_add(&own, "--");
    dmpi_strv_add_all(&own, &g->program);
    dmpi_strv_add(words, "-g");
    dmpi_strv_add(words, g->profile);
    dmpi_strv_addf(words, "%zu", own.n);
    dmpi_strv_add_all(words, &own);
    return 0;
}
