// SPDX-License-Identifier: MIT
// What `up` decides for a wanted plan and a found state, and when it refuses to do it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "cluster/decide.h"

#define MAX 8
#define ORIGIN "0123456789abcdef"

struct want {
    enum dmpi_role role;
    int index;
    size_t node;
    const char *profile, *hash;
};

struct find {
    enum dmpi_role role;
    int index;
    size_t node;
    const char *state, *profile, *hash, *image_id, *origin;
};

// Every case: the launcher and two workers "cpu" with hash "h" on node 0 are wanted unless said.
struct expect {
    enum dmpi_change change;
    const char *container;
    const char *why; // part of it; NULL: anything
};

struct test_case {
    const char *name;
    struct want wanted[MAX];
    struct find found[MAX];
    size_t dead_node; // 1 + node, 0: none
    struct expect expected[MAX];
    const char *refusal; // part of the check's message; NULL: may be done
};

#define W_LAUNCHER                                                                                 \
    {                                                                                              \
        DMPI_LAUNCHER, 0, 0, "launcher", "hl"                                                      \
    }
#define W_WORKER(i, node)                                                                          \
    {                                                                                              \
        DMPI_WORKER, i, node, "cpu", "h"                                                           \
    }
#define F_LAUNCHER                                                                                 \
    {                                                                                              \
        DMPI_LAUNCHER, 0, 0, "running", "launcher", "hl", "img", ORIGIN                            \
    }
#define F_WORKER(i, node, state)                                                                   \
    {                                                                                              \
        DMPI_WORKER, i, node, state, "cpu", "h", "img", ORIGIN                                     \
    }
#define F_JOB(state)                                                                               \
    {                                                                                              \
        DMPI_JOB, 1, 0, state, "launcher", "hj", "img", ORIGIN                                     \
    }

static const struct test_case cases[] = {
    {"nothing there: all is created",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 0)},
     {{0}},
     0,
     {{DMPI_CREATED, "dockmpi-t-launcher", ""},
      {DMPI_CREATED, "dockmpi-t-worker-0", ""},
      {DMPI_CREATED, "dockmpi-t-worker-1", ""}},
     NULL},
    {"all there: all is kept",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_WORKER(1, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_KEPT, "dockmpi-t-worker-1", ""}},
     NULL},
    {"a worker was removed by hand: it alone is created",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 0)},
     {F_LAUNCHER, F_WORKER(1, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_CREATED, "dockmpi-t-worker-0", ""},
      {DMPI_KEPT, "dockmpi-t-worker-1", ""}},
     NULL},
    {"fewer workers: the last one goes",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_WORKER(1, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_REMOVED, "dockmpi-t-worker-1", "not wanted"}},
     NULL},
    {"a stopped worker is replaced",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "exited")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_REPLACED, "dockmpi-t-worker-0", "not running (exited)"}},
     NULL},
    {"changed options",
     {W_LAUNCHER, {DMPI_WORKER, 0, 0, "cpu", "other"}},
     {F_LAUNCHER, F_WORKER(0, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_REPLACED, "dockmpi-t-worker-0", "options changed"}},
     NULL},
    {"another profile",
     {W_LAUNCHER, {DMPI_WORKER, 0, 0, "g4dn", "other"}},
     {F_LAUNCHER, F_WORKER(0, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_REPLACED, "dockmpi-t-worker-0", "image g4dn instead of cpu"}},
     NULL},
    {"the image was built anew",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, {DMPI_WORKER, 0, 0, "running", "cpu", "h", "older", ORIGIN}},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""}, {DMPI_REPLACED, "dockmpi-t-worker-0", "rebuilt"}},
     NULL},
    {"a worker moves to another node",
     {W_LAUNCHER, W_WORKER(0, 1)},
     {F_LAUNCHER, F_WORKER(0, 0, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_REPLACED, "dockmpi-t-worker-0", "moves away from node node0"}},
     NULL},
    {"the same worker twice: the one in its place is kept",
     {W_LAUNCHER, W_WORKER(0, 1)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_WORKER(0, 1, "running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_REMOVED, "dockmpi-t-worker-0", "not wanted"}},
     NULL},
    {"a dead node: its members fail, the others are looked after",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 1)},
     {F_LAUNCHER},
     2,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_CREATED, "dockmpi-t-worker-0", ""},
      {DMPI_FAILED, "dockmpi-t-worker-1", "no answer"}},
     NULL},
    {"jobs are left alone",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_JOB("exited")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""}, {DMPI_KEPT, "dockmpi-t-worker-0", ""}},
     NULL},
    {"growing does not disturb a running job",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_JOB("running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_CREATED, "dockmpi-t-worker-1", ""}},
     NULL},
    {"a running job would lose a worker",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "running"), F_WORKER(1, 0, "running"), F_JOB("running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_REMOVED, "dockmpi-t-worker-1", "not wanted"}},
     "job night (train.py) is running and would lose dockmpi-t-worker-1"},
    {"a worker that has died is no loss for a running job",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, F_WORKER(0, 0, "exited"), F_JOB("running")},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""}, {DMPI_REPLACED, "dockmpi-t-worker-0", "not running"}},
     NULL},
    {"the cluster of somebody else, exactly as wanted, may be used",
     {W_LAUNCHER, W_WORKER(0, 0)},
     {F_LAUNCHER, {DMPI_WORKER, 0, 0, "running", "cpu", "h", "img", "other"}},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""}, {DMPI_KEPT, "dockmpi-t-worker-0", ""}},
     NULL},
    {"the cluster of somebody else is not changed",
     {W_LAUNCHER, W_WORKER(0, 0), W_WORKER(1, 0)},
     {F_LAUNCHER, {DMPI_WORKER, 0, 0, "running", "cpu", "h", "img", "other"}},
     0,
     {{DMPI_KEPT, "dockmpi-t-launcher", ""},
      {DMPI_KEPT, "dockmpi-t-worker-0", ""},
      {DMPI_CREATED, "dockmpi-t-worker-1", ""}},
     "name t is already used by another cluster"},
};

// --- building --------------------------------------------------------------------------------

static char *name_of(enum dmpi_role role, int index)
{
    static const char *const words[] = {"launcher", "worker", "job"};
    return role == DMPI_LAUNCHER ? dmpi_xstrdup("dockmpi-t-launcher")
                                 : dmpi_xasprintf("dockmpi-t-%s-%d", words[role], index);
}

struct built {
    struct dmpi_plan plan;
    struct dmpi_state state;
    const char *image_ids[MAX];
};

static void build_plan(struct built *b, const struct test_case *c)
{
    b->plan.members = dmpi_xcalloc(MAX, sizeof(*b->plan.members));
    b->plan.profiles = dmpi_xcalloc(MAX, sizeof(*b->plan.profiles));
    for (size_t i = 0; i < MAX && c->wanted[i].profile; i++) {
        const struct want *w = &c->wanted[i];
        b->plan.profiles[i].name = dmpi_xstrdup(w->profile);
        b->plan.profiles[i].image = dmpi_xasprintf("dockmpi/%s:latest", w->profile);
        b->plan.members[i] = (struct dmpi_plan_member){
            .role = w->role,
            .index = w->index,
            .node = w->node,
            .container = name_of(w->role, w->index),
            .profile = &b->plan.profiles[i],
            .spec_hash = dmpi_xstrdup(w->hash),
        };
        b->image_ids[i] = "img";
        b->plan.n++;
    }
}

static void build_state(struct built *b, const struct test_case *c)
{
    b->state.members = dmpi_xcalloc(MAX, sizeof(*b->state.members));
    b->state.n_nodes = 2;
    b->state.errs = dmpi_xcalloc(2, sizeof(*b->state.errs));
    if (c->dead_node)
        dmpi_err_set(&b->state.errs[c->dead_node - 1], DMPI_EUNREACHABLE, "no answer");
    for (size_t i = 0; i < MAX && c->found[i].state; i++) {
        const struct find *f = &c->found[i];
        b->state.members[b->state.n++] = (struct dmpi_member){
            .id = dmpi_xasprintf("id%zu", i),
            .container = name_of(f->role, f->index),
            .cluster = dmpi_xstrdup("t"),
            .role = f->role,
            .index = f->index,
            .node = f->node,
            .node_tag = dmpi_xasprintf("node%zu", f->node),
            .state = dmpi_xstrdup(f->state),
            .profile = dmpi_xstrdup(f->profile),
            .spec = dmpi_xstrdup(f->hash),
            .image_id = dmpi_xstrdup(f->image_id),
            .origin = dmpi_xstrdup(f->origin),
            .job = dmpi_xstrdup(f->role == DMPI_JOB ? "7" : ""),
            .job_name = dmpi_xstrdup(f->role == DMPI_JOB ? "night" : ""),
            .program = dmpi_xstrdup(f->role == DMPI_JOB ? "train.py" : ""),
        };
    }
}

static void unbuild(struct built *b)
{
    for (size_t i = 0; i < b->plan.n; i++) {
        free(b->plan.profiles[i].name);
        free(b->plan.profiles[i].image);
        free(b->plan.members[i].container);
        free(b->plan.members[i].spec_hash);
    }
    free(b->plan.profiles);
    free(b->plan.members);
    dmpi_state_free(&b->state);
}

// --- checking --------------------------------------------------------------------------------

static void check_steps(const struct dmpi_decision *decision, const struct test_case *c)
{
    size_t n = 0;
    while (n < MAX && c->expected[n].container)
        n++;
    if (decision->n != n)
        fail_msg("%s: %zu steps instead of %zu", c->name, decision->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_step *step = &decision->steps[i];
        const char *container = step->wanted ? step->wanted->container : step->found->container;
        if (strcmp(container, c->expected[i].container) != 0 ||
            step->change != c->expected[i].change || !strstr(step->why, c->expected[i].why) ||
            (c->expected[i].why[0] == '\0') != (step->why[0] == '\0'))
            fail_msg("%s: step %zu is %s %s (%s)", c->name, i, container,
                     dmpi_change_name(step->change), step->why);
    }
}

static void check_refusal(const struct dmpi_decision *decision, const struct dmpi_state *state,
                          const struct test_case *c)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    int rc = dmpi_decision_check(decision, state, ORIGIN, &err);
    if ((rc != 0) != (c->refusal != NULL))
        fail_msg("%s: the check says %d %s", c->name, rc, err.msg);
    if (c->refusal && (!strstr(err.msg, c->refusal) || err.code != DMPI_ECONFLICT))
        fail_msg("%s: the refusal is '%s'", c->name, err.msg);
}

static void decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct built b = {0};
        build_plan(&b, &cases[i]);
        build_state(&b, &cases[i]);
        struct dmpi_decision decision;
        dmpi_decide(&decision, &b.plan, &b.state, b.image_ids);
        check_steps(&decision, &cases[i]);
        check_refusal(&decision, &b.state, &cases[i]);
        dmpi_decision_free(&decision);
        unbuild(&b);
    }
}

static void an_unknown_image_is_no_reason(void **state)
{
    (void)state;
    struct built b = {0};
    build_plan(&b, &cases[1]);
    build_state(&b, &cases[1]);
    struct dmpi_decision decision;
    dmpi_decide(&decision, &b.plan, &b.state, NULL);
    for (size_t i = 0; i < decision.n; i++)
        assert_int_equal(decision.steps[i].change, DMPI_KEPT);
    dmpi_step_replace(&decision.steps[1], "no keys");
    assert_int_equal(decision.steps[1].change, DMPI_REPLACED);
    assert_string_equal(decision.steps[1].why, "no keys");
    dmpi_decision_free(&decision);
    unbuild(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(an_unknown_image_is_no_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
