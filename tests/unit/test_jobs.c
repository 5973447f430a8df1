// SPDX-License-Identifier: MIT
// Choosing among members of a cluster, and what is shown of jobs. No engine.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/state.h"
#include "cluster/unstarted.h"
#include "job/jobs.h"
#include "job/ranks.h"
#include "job/name.h"
#include "job/target.h"

static char lab[] = "lab", other[] = "other", running[] = "running", exited[] = "exited";
static char none[] = "", node[] = "n0";

#define MEMBER(what, number, in, name, status)                                                     \
    {                                                                                              \
        .role = (what), .index = (number), .cluster = (in), .container = (name),                   \
        .state = (status), .id = (name), .node_tag = node, .job = none, .job_name = none,          \
        .program = none, .exit_code = -1                                                           \
    }

static struct dmpi_member members[] = {
    MEMBER(DMPI_LAUNCHER, 0, lab, (char[]){"dockmpi-lab-launcher"}, running),
    MEMBER(DMPI_WORKER, 0, lab, (char[]){"dockmpi-lab-worker-0"}, running),
    MEMBER(DMPI_WORKER, 1, lab, (char[]){"dockmpi-lab-worker-1"}, running),
    {.role = DMPI_JOB,
     .index = 2,
     .cluster = lab,
     .container = (char[]){"dockmpi-lab-job-2"},
     .state = exited,
     .job = (char[]){"2"},
     .job_name = (char[]){"night-run"},
     .program = (char[]){"false"},
     .exit_code = 1,
     .started = 1700000000123,
     .finished = 1700000001000,
     .restarts = 3,
     .attempts = 2,
     .ranks = 4},
    {.role = DMPI_JOB,
     .index = 10,
     .cluster = lab,
     .container = (char[]){"dockmpi-lab-job-10"},
     .state = running,
     .job = (char[]){"10"},
     .job_name = none,
     .program = (char[]){"sleep 1"},
     .exit_code = -1,
     .started = 1700000000123,
     .ranks = 2},
    MEMBER(DMPI_WORKER, 0, other, (char[]){"dockmpi-other-worker-0"}, exited),
    {.role = DMPI_JOB,
     .index = 11,
     .cluster = other,
     .container = (char[]){"dockmpi-other-job-11"},
     .state = exited,
     .job = (char[]){"11"},
     .job_name = (char[]){"night-run"},
     .program = none,
     .exit_code = 0},
};
static const struct dmpi_state state = {.members = members, .n = DMPI_ARRAY_LEN(members)};

static void finds_jobs(void **unused)
{
    (void)unused;
    static const struct {
        const char *cluster, *id;
        long want; // index into members, -1: none
    } rows[] = {
        {"lab", "night-run", 3}, {"other", "night-run", 6}, {"lab", "", -1},
        {"lab", "2", 3},         {"lab", "10", 4},          {"lab", "dockmpi-lab-job-2", 3},
        {"lab", NULL, 4},        {"lab", "11", -1},         {"other", NULL, 6},
        {"lab", "1", -1},        {"gone", NULL, -1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        const struct dmpi_member *got = dmpi_job_find(&state, rows[i].cluster, rows[i].id, &err);
        if (got != (rows[i].want < 0 ? NULL : &members[rows[i].want]))
            fail_msg("%s %s", rows[i].cluster, rows[i].id ? rows[i].id : "(newest)");
        assert_int_equal(err.code, got ? DMPI_OK : DMPI_ENOTFOUND);
    }
    assert_ptr_equal(dmpi_job_running(&state, "lab"), &members[4]);
    assert_null(dmpi_job_running(&state, "other"));
    struct dmpi_err err;
    assert_null(dmpi_job_find(&state, "lab", "7", &err));
    assert_string_equal(err.msg, "cluster lab has no job '7'; it has 2 (night-run), 10");
}

// Also a job that is about to run, unless nobody will start it any more.
static void finds_starting_job(void **unused)
{
    static char created[] = "created";
    (void)unused;
    struct dmpi_member jobs[] = {MEMBER(DMPI_JOB, 3, lab, none, exited),
                                 MEMBER(DMPI_JOB, 4, lab, none, created),
                                 MEMBER(DMPI_JOB, 5, lab, none, created)};
    const struct dmpi_state all = {.members = jobs, .n = DMPI_ARRAY_LEN(jobs)};
    assert_true(dmpi_member_ended(&jobs[0]));
    assert_false(dmpi_member_ended(&jobs[1]));
    assert_null(dmpi_job_running(&all, "lab"));
    jobs[1].created = (int64_t)time(NULL);
    assert_ptr_equal(dmpi_job_running(&all, "lab"), &jobs[1]);
}

static void shows_jobs(void **unused)
{
    (void)unused;
    assert_string_equal(dmpi_job_state(&members[3]), "failed");
    assert_string_equal(dmpi_job_state(&members[4]), "running");
    assert_string_equal(dmpi_job_state(&members[6]), "succeeded");
    struct dmpi_member canceled = members[3];
    canceled.ending = "canceled";
    assert_string_equal(dmpi_job_state(&canceled), "canceled");
    dmpi_json_auto json_t *jobs = dmpi_jobs_json(&state);
    assert_int_equal(json_array_size(jobs), 3);
    dmpi_autofree char *first = dmpi_json_dump(json_array_get(jobs, 0));
    assert_string_equal(
        first,
        "{\"attempts\":2,\"attempts_max\":4,\"cluster\":\"lab\",\"exit_code\":1,\"finished\":"
        "\"2023-11-14T22:13:21Z\",\"job\":\"2\",\"name\":\"night-run\",\"oom_killed\":false,"
        "\"program\":\"false\",\"ranks\":4,\"started\":"
        "\"2023-11-14T22:13:20Z\",\"state\":\"failed\"}");
    const json_t *second = json_array_get(jobs, 1);
    assert_true(json_is_null(json_object_get(second, "exit_code")));
    assert_true(json_is_null(json_object_get(second, "finished")));
    assert_true(json_is_null(json_object_get(second, "attempts")));
}

static void targets(void **unused)
{
    (void)unused;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_targets t;
    assert_int_equal(dmpi_targets_all(&t, &state, "lab", true, &err), 0);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.v[0].alias, "launcher");
    assert_string_equal(t.v[2].alias, "worker-1");
    dmpi_targets_free(&t);
    assert_int_equal(dmpi_targets_all(&t, &state, "lab", false, &err), 0);
    assert_int_equal(t.n, 2);
    dmpi_targets_free(&t);
    assert_int_equal(dmpi_targets_one(&t, &state, "lab", "worker-1", &err), 0);
    assert_string_equal(t.v[0].container, "dockmpi-lab-worker-1");
    dmpi_targets_free(&t);
    assert_int_equal(dmpi_targets_one(&t, &state, "lab", "dockmpi-lab-launcher", &err), 0);
    assert_string_equal(t.v[0].alias, "launcher");
    dmpi_targets_free(&t);
}

static void refuses_targets(void **unused)
{
    (void)unused;
    static const struct {
        const char *cluster, *alias; // alias NULL: all
        enum dmpi_code code;
        const char *want;
    } rows[] = {
        {"lab", "worker-2", DMPI_ENOTFOUND, "no member 'worker-2'"},
        {"lab", "dockmpi-other-worker-0", DMPI_ENOTFOUND, "no member"},
        {"lab", "dockmpi-lab-job-2", DMPI_ENOTFOUND, "no member"},
        {"gone", NULL, DMPI_ENOTFOUND, "start it with `dockmpi up`"},
        {"gone", "worker-0", DMPI_ENOTFOUND, "start it with `dockmpi up`"},
        {"other", NULL, DMPI_ECONFLICT,
         "worker-0 (container dockmpi-other-worker-0 on node n0) is "
         "exited: run `dockmpi up` as before"},
        {"other", "worker-0", DMPI_ECONFLICT, "is exited"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_targets t;
        int rc = rows[i].alias ? dmpi_targets_one(&t, &state, rows[i].cluster, rows[i].alias, &err)
                               : dmpi_targets_all(&t, &state, rows[i].cluster, true, &err);
        dmpi_targets_free(&t);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, rows[i].code);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s", err.msg);
    }
}

static void prunes_what_has_ended(void **unused)
{
    (void)unused;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_job_ended_check(&members[3], &err), 0);
    assert_int_equal(dmpi_job_ended_check(&members[4], &err), -1);
    assert_int_equal(err.code, DMPI_ECONFLICT);
    assert_non_null(strstr(err.msg, "job 10 has not ended: `dockmpi cancel 10`"));
}

// A client that still lives starts its job at once; afterwards nobody does.
static void never_started(void **unused)
{
    (void)unused;
    static char created[] = "created";
    static const struct {
        enum dmpi_role role;
        char *state;
        int64_t age;
        bool want;
    } rows[] = {
        {DMPI_JOB, created, 11, true},     {DMPI_JOB, created, 10, false},
        {DMPI_JOB, created, -3600, false}, {DMPI_JOB, running, 3600, false},
        {DMPI_JOB, exited, 3600, false},   {DMPI_WORKER, created, 3600, false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_member m = MEMBER(rows[i].role, 1, lab, none, rows[i].state);
        m.created = 1700000000;
        if (dmpi_job_unstarted(&m, m.created + rows[i].age) != rows[i].want)
            fail_msg("row %zu", i);
    }
}

static void names_jobs(void **unused)
{
    (void)unused;
    static char long_name[65];
    memset(long_name, 'a', 64);
    static const char *const good[] = {"a", "night-run", "Lauf_7.b", "2nd", "1.5"};
    static const char *const bad[] = {"",     "-a",       ".a", "_a",      "a b", "a/b",
                                      "a\nb", "\xc3\xbc", "7",  long_name, "--np"};
    struct dmpi_err err = DMPI_ERR_INIT;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(good); i++)
        if (dmpi_job_name_check(good[i], &err) != 0)
            fail_msg("%s: %s", good[i], err.msg);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        if (dmpi_job_name_check(bad[i], &err) == 0 || err.code != DMPI_EINVAL ||
            strncmp(err.msg, "--job-name", 10) != 0)
            fail_msg("'%s' is taken for a name", bad[i]);
    assert_int_equal(dmpi_job_name_free(&state, "lab", "another", &err), 0);
    assert_int_equal(dmpi_job_name_free(&state, "lab", "night-run", &err), 0);
}

// A name is free again when its job has ended, and then means the newest that has it.
static void gives_names_again(void **unused)
{
    (void)unused;
    static char created[] = "created", night[] = "night";
    struct dmpi_member some[2] = {MEMBER(DMPI_JOB, 2, lab, (char[]){"j2"}, exited),
                                  MEMBER(DMPI_JOB, 3, lab, (char[]){"j3"}, running)};
    const struct dmpi_state two = {.members = some, .n = 2};
    struct dmpi_err err = DMPI_ERR_INIT;
    some[0].job_name = some[1].job_name = night;
    some[0].job = (char[]){"2"};
    some[1].job = (char[]){"3"};
    some[1].created = (int64_t)time(NULL) - 60;
    assert_ptr_equal(dmpi_job_find(&two, "lab", "night", &err), &some[1]);
    assert_ptr_equal(dmpi_job_find(&two, "lab", "2", &err), &some[0]);
    assert_int_equal(dmpi_job_name_free(&two, "lab", "night", &err), -1);
    assert_int_equal(err.code, DMPI_ECONFLICT);
    assert_string_equal(err.msg, "the name night is that of job 3, which has not ended");
    some[1].state = created; // and nobody will start it
    assert_int_equal(dmpi_job_name_free(&two, "lab", "night", &err), 0);
    some[1].created = (int64_t)time(NULL);
    assert_int_equal(dmpi_job_name_free(&two, "lab", "night", &err), -1);
}

static void drops_what_is_not_kept(void **unused)
{
    (void)unused;
    struct dmpi_member job = members[3];
    const int64_t now = 1700000100000, old = now - DMPI_UNKEPT_MS - 1;
    assert_false(dmpi_job_unkept(&job, old, now));
    job.unkept = true;
    assert_true(dmpi_job_unkept(&job, old, now));
    assert_false(dmpi_job_unkept(&job, old + 2, now));
    assert_false(dmpi_job_unkept(&job, 0, now));
    job.state = running;
    assert_false(dmpi_job_unkept(&job, old, now));
    job.state = exited;
    job.role = DMPI_WORKER;
    assert_false(dmpi_job_unkept(&job, old, now));
}

static void reads_what_is_left(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int ended;
        enum dmpi_code code;
        const char *want;
    } rows[] = {
        {"ended 0 0\n", 0, DMPI_OK, ""},
        {"ended 12 3\n", 12, DMPI_OK, ""},
        {"ended 3 0\nleft 17 python3\nleft 9 a\033[2Jb\n", 3, DMPI_EENGINE, "17 python3, 9 a"},
        {"", 0, DMPI_EPARSE, "sh and grep"},
        {"ended 1\n", 0, DMPI_EPARSE, "sh and grep"},
        {"ended -1 0\n", 0, DMPI_EPARSE, "sh and grep"},
        {"sh: grep: not found\nended 0 0\n", 0, DMPI_EPARSE, "sh and grep"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        int ended = -1;
        int rc = dmpi_ranks_parse(&ended, rows[i].text, &err);
        assert_int_equal(rc, rows[i].code == DMPI_OK ? 0 : -1);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(ended, rows[i].ended);
        assert_non_null(strstr(err.msg, rows[i].want));
        assert_null(strchr(err.msg, '\033'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_jobs),
        cmocka_unit_test(finds_starting_job),
        cmocka_unit_test(shows_jobs),
        cmocka_unit_test(targets),
        cmocka_unit_test(refuses_targets),
        cmocka_unit_test(prunes_what_has_ended),
        cmocka_unit_test(never_started),
        cmocka_unit_test(names_jobs),
        cmocka_unit_test(gives_names_again),
        cmocka_unit_test(reads_what_is_left),
        cmocka_unit_test(drops_what_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
