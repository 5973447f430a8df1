// SPDX-License-Identifier: MIT
#include "cluster/decide.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec/given.h"
#include "spec/labels.h"

static void add_step(struct dmpi_decision *out, enum dmpi_change change,
                     const struct dmpi_plan_member *wanted, const struct dmpi_member *found,
                     char *why)
{
    out->steps[out->n++] = (struct dmpi_step){
        .change = change, .wanted = wanted, .found = found, .why = why ? why : dmpi_xstrdup("")};
}

static bool same_member(const struct dmpi_plan_member *wanted, const struct dmpi_member *found)
{
    return found->role == wanted->role &&
           (wanted->role != DMPI_WORKER || found->index == wanted->index);
}

// By name where that is known: most often one was only not repeated.
static char *changed_options(const struct dmpi_plan_member *wanted, const struct dmpi_member *found)
{
    const json_t *labels = dmpi_json_obj(wanted->create, "Labels");
    dmpi_autofree char *which =
        dmpi_given_changes(found->given, dmpi_json_str(labels, DMPI_LABEL_GIVEN));
    return dmpi_xasprintf("its options changed%s%s", which ? ": " : "", which ? which : "");
}

// Why a find cannot stay; NULL when it can.
static char *reason_to_replace(const struct dmpi_plan_member *wanted,
                               const struct dmpi_member *found, const char *image_id)
{
    if (found->node != wanted->node)
        return dmpi_xasprintf("it moves away from node %s", found->node_tag);
    if (strcmp(found->container, wanted->container) != 0)
        return dmpi_xasprintf("it was renamed to %s", found->container);
    if (!dmpi_member_running(found))
        return dmpi_xasprintf("it was not running (%s)", found->state);
    if (strcmp(found->profile, wanted->profile->name) != 0)
        return dmpi_xasprintf("image %s instead of %s", wanted->profile->name, found->profile);
    if (strcmp(found->spec, wanted->spec_hash) != 0)
        return changed_options(wanted, found);
    if (image_id && strcmp(found->image_id, image_id) != 0)
        return dmpi_xasprintf("image %s was rebuilt", wanted->profile->image);
    return NULL;
}

// The find that stands for the wanted member: the one that can stay, else one on the same node,
// else any. *why is its reason to be replaced.
static const struct dmpi_member *best_find(char **why, const struct dmpi_plan_member *wanted,
                                           const struct dmpi_state *state, const char *image_id)
{
    const struct dmpi_member *best = NULL;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *found = &state->members[i];
        if (!same_member(wanted, found))
            continue;
        char *reason = reason_to_replace(wanted, found, image_id);
        bool better =
            !best || !reason || (*why && best->node != wanted->node && found->node == wanted->node);
        if (better) {
            free(*why);
            *why = reason;
            best = found;
        } else {
            free(reason);
        }
        if (!*why)
            break;
    }
    return best;
}

static void decide_member(struct dmpi_decision *out, const struct dmpi_plan_member *wanted,
                          const struct dmpi_state *state, const char *image_id)
{
    if (state->errs[wanted->node].code != DMPI_OK) {
        add_step(out, DMPI_FAILED, wanted, NULL, dmpi_xstrdup(state->errs[wanted->node].msg));
        return;
    }
    char *why = NULL;
    const struct dmpi_member *found = best_find(&why, wanted, state, image_id);
    enum dmpi_change change = !found ? DMPI_CREATED : why ? DMPI_REPLACED : DMPI_KEPT;
    add_step(out, change, wanted, found, why);
}

static bool stands_for_a_member(const struct dmpi_decision *decision,
                                const struct dmpi_member *found)
{
    for (size_t i = 0; i < decision->n; i++) {
        if (decision->steps[i].found == found)
            return true;
    }
    return false;
}

void dmpi_decide(struct dmpi_decision *out, const struct dmpi_plan *plan,
                 const struct dmpi_state *state, const char *const *image_ids)
{
    *out = (struct dmpi_decision){0};
    out->steps = dmpi_xcalloc(plan->n + state->n, sizeof(*out->steps));
    for (size_t i = 0; i < plan->n; i++)
        decide_member(out, &plan->members[i], state, image_ids ? image_ids[i] : NULL);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *found = &state->members[i];
        if (found->role != DMPI_JOB && !stands_for_a_member(out, found))
            add_step(out, DMPI_REMOVED, NULL, found, dmpi_xstrdup("it is not wanted any more"));
    }
}

void dmpi_decision_free(struct dmpi_decision *decision)
{
    for (size_t i = 0; i < decision->n; i++)
        free(decision->steps[i].why);
    free(decision->steps);
    *decision = (struct dmpi_decision){0};
}

void dmpi_step_replace(struct dmpi_step *step, const char *why)
{
    step->change = DMPI_REPLACED;
    free(step->why);
    step->why = dmpi_xstrdup(why);
}

// --- may it be done? -------------------------------------------------------------------------

static const struct dmpi_member *running_job(const struct dmpi_state *state)
{
    for (size_t i = 0; i < state->n; i++) {
        if (state->members[i].role == DMPI_JOB && dmpi_member_running(&state->members[i]))
            return &state->members[i];
    }
    return NULL;
}

static bool takes_away(const struct dmpi_step *step)
{
    return (step->change == DMPI_REPLACED || step->change == DMPI_REMOVED) && step->found;
}

static int check_jobs(const struct dmpi_decision *decision, const struct dmpi_member *job,
                      struct dmpi_err *err)
{
    const char *called = dmpi_member_called(job);
    for (size_t i = 0; i < decision->n; i++) {
        const struct dmpi_step *step = &decision->steps[i];
        if (!takes_away(step) || step->found->role != DMPI_WORKER ||
            !dmpi_member_running(step->found))
            continue;
        return dmpi_err_set(err, DMPI_ECONFLICT,
                            "job %s (%s) is running and would lose %s, which is to be %s (%s): "
                            "wait for the job, cancel it (`dockmpi cancel %s`), or use --force",
                            called, job->program, step->found->container,
                            dmpi_change_name(step->change), step->why, called);
    }
    return 0;
}

static int check_origin(const struct dmpi_decision *decision, const char *origin,
                        struct dmpi_err *err)
{
    const struct dmpi_member *foreign = NULL;
    bool changes = false;
    for (size_t i = 0; i < decision->n; i++) {
        const struct dmpi_step *step = &decision->steps[i];
        changes = changes || (step->change != DMPI_KEPT && step->change != DMPI_FAILED);
        if (step->found && strcmp(step->found->origin, origin) != 0)
            foreign = step->found;
    }
    if (!foreign || !changes)
        return 0;
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "the name %s is already used by another cluster (container %s on node %s "
                        "was made by another user or from another cluster file): choose another "
                        "--name, take that one down first (`dockmpi down --name %s`), or take it "
                        "over with --force",
                        foreign->cluster, foreign->container, foreign->node_tag, foreign->cluster);
}

int dmpi_decision_check(const struct dmpi_decision *decision, const struct dmpi_state *state,
                        const char *origin, struct dmpi_err *err)
{
    if (check_origin(decision, origin, err) != 0)
        return -1;
    const struct dmpi_member *job = running_job(state);
    return job ? check_jobs(decision, job, err) : 0;
}
