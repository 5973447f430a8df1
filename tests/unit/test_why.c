// SPDX-License-Identifier: MIT
/* From what the workers answer about a job's processes to one conclusion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/fate.h"
#include "job/why_judge.h"

#define HEAD "dockmpi: why 1\nnow 100.00\n"
#define LATER "now 101.00\n"
#define END "dockmpi: why end\n"

static const char answer[] = HEAD
    "proc 10 5 0 S 100 50 1 61 do_wait sh\n"
    "proc 11 10 0 R 200 20 3 running 0 a b\x1b[2J (x)\n"
    "stack 11 poll_schedule_timeout\nstack 11 do_poll\nstack 99 x\n"
    "fd 11 700\nfd 11 701\nfd 12 9\n"
    "daemon S prted\n"
    "tcp    7: 0100007F:1F90 0200007F:0400 01 00001000:00000002 00:00000000 00000000     0        "
    "0 700 1 0 20 4 0 18 -1\n"
    "tcp    8: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000     0        0 701 1 0\n"
    "tcp    9: 0100007F:1F92 0200007F:0400 01 00000000:00000000 00:00000000 00000000     0        "
    "0 999 1 0\n"
    "tcp nonsense\nproc x\nproc 11 10 0 R 1 1 1 - - double\nproc 12 10 99999999999 R 1 1 1 - - -\n"
    "oom 2\nmemory 1048576 2097152\nfull /tmp\nplan 0-1:2\n" LATER
    "again 10 S 100 50\nagain 11 R 290 30\nagain 77 S 1 1\n" END "proc 13 1 1 S 1 1 1 - - late\n";

static void test_parse(void **state)
{
    DMPI_AUTO(dmpi_why_look_free) struct dmpi_why_look look;
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    assert_int_equal(dmpi_why_parse(&look, answer, strlen(answer), &err), 0);
    assert_int_equal(look.n, 2);
    assert_string_equal(look.procs[0].channel, "do_wait");
    assert_string_equal(look.procs[1].channel, "-"); // told as 0
    assert_string_equal(look.procs[0].call, "61");
    assert_string_equal(look.procs[1].name, "a b\x1b[2J (x)");
    assert_int_equal(look.procs[1].parent, 10);
    assert_int_equal(look.procs[1].threads, 3);
    assert_int_equal(look.procs[1].again, 'R');
    assert_int_equal(look.procs[1].user[1] - look.procs[1].user[0], 90);
    assert_int_equal(look.procs[1].system[1], 30);
    assert_int_equal(look.procs[1].stack.n, 2);
    assert_int_equal(look.n_socks, 2);
    assert_int_equal(look.socks[0].pid, 11);
    assert_int_equal(look.socks[0].unsent, 4096);
    assert_int_equal(look.socks[0].unread, 2);
    assert_string_equal(look.socks[1].local, "0100007F:1F91");
    assert_int_equal(look.socks[1].state, DMPI_TCP_LISTENING);
    assert_int_equal(look.n_daemons, 1);
    assert_int_equal(look.oom_kills, 2);
    assert_int_equal(look.memory_limit, 2097152);
    assert_string_equal(look.full.v[0], "/tmp");
    assert_string_equal(look.plan, "0-1:2");
    assert_int_equal(look.elapsed_ms, 1000);
}

static void test_parse_refuses(void **state)
{
    static const char *const cases[] = {"",
                                        "sh: not found\n",
                                        "dockmpi: why 1",
                                        (HEAD END),
                                        (HEAD LATER),
                                        (HEAD "now x\n" END),
                                        ("dockmpi: why 2\nnow 1.00\nnow 2.00\n" END)};

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_why_look_free) struct dmpi_why_look look;
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(dmpi_why_parse(&look, cases[i], strlen(cases[i]), &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
    }
}

static void test_plan(void **state)
{
    static const struct {
        const char *plan;
        int rank, worker;
    } cases[] = {{"0-3:2,4:1", 0, 0},  {"0-3:2,4:1", 7, 3},     {"0-3:2,4:1", 8, 4},
                 {"0-3:2,4:1", 9, -1}, {"7:1", 0, 7},           {NULL, 0, -1},
                 {"3-1:2", 0, -1},     {"0:0", 0, -1},          {"0-", 0, -1},
                 {"x", 0, -1},         {"99999999999:1", 0, -1}};

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++)
        assert_int_equal(dmpi_why_planned(cases[i].plan, cases[i].rank), cases[i].worker);
}

// Two workers with a rank each, by what their answers hold between the looks and after, and the job's
// container.
#define COMPUTES(pid, rank)                                                                        \
    "proc " #pid " 5 " #rank " R 10 1 1 running 0 python3\n", "again " #pid " R 100 3\n"
#define POLLS(pid, rank)                                                                           \
    "proc " #pid " 5 " #rank " R 10 1 1 running 0 python3\n", "again " #pid " R 50 51\n"
#define SLEEPS(pid, rank)                                                                          \
    "proc " #pid " 5 " #rank " S 10 1 1 7 ep_poll python3\n", "again " #pid " S 10 1\n"
#define IS(state, pid, rank)                                                                       \
    "proc " #pid " 5 " #rank " " state " 10 1 1 0 nfs_wait python3\n",                             \
        "again " #pid " " state " 10 1\n"
#define NOTHING "", ""
#define MPIRUN "daemon S mpirun\n"

static const struct {
    const char *w0, *w0_later, *w1, *w1_later, *fault, *job, *conclusion;
} judged[] = {
    {COMPUTES(10, 0), COMPUTES(20, 1), NULL, MPIRUN, "every rank computes: nothing looks stalled"},
    {COMPUTES(10, 0), POLLS(20, 1), NULL, MPIRUN,
     "rank 0 (worker-0, node h0) computes, the other 1 waits"},
    {SLEEPS(10, 0), COMPUTES(20, 1), NULL, MPIRUN,
     "rank 1 (worker-1, node h1) computes, the other 1 waits"},
    {POLLS(10, 0), POLLS(20, 1), NULL, MPIRUN,
     "every rank polls for messages: either they exchange messages all the time, or each waits for "
     "another"},
    {POLLS(10, 0), SLEEPS(20, 1), NULL, MPIRUN,
     "no rank computes, they poll for messages or sleep: either they exchange messages all the "
     "time, or each waits for "
     "another"},
    {SLEEPS(10, 0), SLEEPS(20, 1), NULL, MPIRUN,
     "every rank sleeps, none uses a processor: each waits for another or for something outside"},
    {COMPUTES(10, 0), IS("T", 20, 1), NULL, MPIRUN,
     "rank 1 (worker-1, node h1) is stopped (SIGSTOP); `dockmpi exec -w worker-1 -- kill -CONT 20` "
     "lets it go on"},
    {COMPUTES(10, 0), IS("t", 20, 1), NULL, MPIRUN,
     "rank 1 (worker-1, node h1) is held by a debugger"},
    {COMPUTES(10, 0), IS("D", 20, 1), NULL, MPIRUN,
     "rank 1 (worker-1, node h1) is blocked in the kernel (nfs_wait): a disk, a file system or a "
     "driver does not "
     "answer"},
    {COMPUTES(10, 0), IS("Z", 20, 1), NULL, MPIRUN,
     "rank 1 (worker-1, node h1) has ended, the others wait or go on without it"},
    {COMPUTES(10, 0), NOTHING, NULL, MPIRUN,
     "rank 1 (worker-1, node h1) has ended, the others wait or go on without it"},
    {NOTHING, NOTHING, NULL, MPIRUN,
     "no rank has a process: all have ended or not started yet, and mpirun waits; should that go "
     "on, `dockmpi cancel` "
     "ends the job"},
    {NOTHING, NOTHING, NULL, "", "no rank has a process, nor has mpirun: the job starts or ends"},
    {NOTHING, NOTHING, NULL, "pause 2 3\n", "the job waits to start again (attempt 2 of 3)"},
    {NOTHING, NOTHING, "its container is paused", "pause 2 3\n",
     "worker-1 on node h1: its container is paused"},
    {NOTHING, NOTHING, NULL, "pause 2\npause 2 x\n",
     "no rank has a process, nor has mpirun: the job starts or ends"},
    {SLEEPS(10, 0), NOTHING, "its container is paused", MPIRUN,
     "worker-1 on node h1: its container is paused"},
    {SLEEPS(10, 0), SLEEPS(20, 1), NULL, "daemon T mpirun\n",
     "mpirun itself is stopped (SIGSTOP) on node h0"},
    {SLEEPS(10, 0), "daemon T prted\n", "", NULL, MPIRUN,
     "the launch daemon in worker-1 on node h1 is stopped (SIGSTOP)"},
    // A shell waits for its child, and that counts.
    {"proc 10 5 0 S 1 1 1 61 do_wait sh\nproc 11 10 0 R 1 1 1 running 0 prog\n",
     "again 10 S 1 1\nagain 11 R 90 1\n", SLEEPS(20, 1), NULL, MPIRUN,
     "rank 0 (worker-0, node h0) computes, the other 1 waits"},
};

static void fill(struct dmpi_why_place *p, int index, const char *first, const char *later)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *text = dmpi_xasprintf(HEAD "%s" LATER "%s" END, first, later);

    *p = (struct dmpi_why_place){.index = index, .node = index == 1 ? "h1" : "h0"};
    snprintf(p->alias, sizeof(p->alias), index < 0 ? "job" : "worker-%d", index);
    assert_int_equal(dmpi_why_parse(&p->look, text, strlen(text), &err), 0);
}

static void test_judge(void **state)
{
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(judged); i++) {
        struct dmpi_why_place places[3];
        DMPI_AUTO(dmpi_why_verdict_free) struct dmpi_why_verdict v;
        dmpi_autofree char *job = dmpi_xasprintf("%splan 0-1:1\n", judged[i].job);

        fill(&places[0], 0, judged[i].w0, judged[i].w0_later);
        fill(&places[1], 1, judged[i].w1, judged[i].w1_later);
        fill(&places[2], -1, job, "");
        dmpi_autofree char *fault = judged[i].fault ? dmpi_xstrdup(judged[i].fault) : NULL;
        places[1].fault = fault;
        dmpi_why_judge(&v, places, 3, 2);
        assert_string_equal(v.conclusion, judged[i].conclusion);
        // Where some rank computes, or where a job begins or ends, nobody needs to be told.
        bool goes_on = strstr(v.conclusion, "k computes") && !strstr(v.conclusion, "no rank");
        goes_on = goes_on || strstr(v.conclusion, " computes, the other") ||
                  strstr(v.conclusion, "starts or ends") || strstr(v.conclusion, "start again");
        assert_int_equal(v.stalled, !goes_on);
        assert_int_equal(v.n, 2);
        assert_ptr_equal(v.ranks[1].place, &places[1]);
        for (size_t k = 0; k < 3; k++)
            dmpi_why_look_free(&places[k].look);
    }
}

// Many ranks are not named one by one; what else stands out is told besides.
static void test_judge_many(void **state)
{
    DMPI_AUTO(dmpi_why_verdict_free) struct dmpi_why_verdict v;
    struct dmpi_why_place place;

    (void)state;
    fill(&place, 0,
         "proc 1 9 0 T 1 1 1 0 - x\nproc 2 9 1 T 1 1 1 0 - x\nproc 3 9 2 T 1 1 1 0 - x\n"
         "proc 4 9 3 T 1 1 1 0 - x\nproc 5 9 4 T 1 1 1 0 - x\nproc 6 9 5 T 1 1 1 0 - x\n"
         "full .\noom 1\nmemory 1 1048576\n",
         "");
    dmpi_why_judge(&v, &place, 1, 6);
    assert_string_equal(
        v.conclusion,
        "ranks 0 (worker-0, node h0), 1 (worker-0, node h0), 2 (worker-0, node h0), 3 (worker-0, "
        "node h0) and 2 more are stopped (SIGSTOP); `dockmpi exec -w worker-0 -- kill -CONT 1` "
        "lets "
        "the first go on");
    assert_int_equal(v.notes.n, 2);
    assert_string_equal(v.notes.v[0],
                        "worker-0 on node h0: no space is left in its working folder");
    assert_string_equal(
        v.notes.v[1],
        "worker-0 on node h0: the kernel has killed 1 process there for want of memory since the "
        "container started (its limit: 1.0MiB)");
    dmpi_why_look_free(&place.look);
}

// Which workers a lost node has, only it knows: those that are nowhere else.
static void test_judge_node(void **state)
{
    DMPI_AUTO(dmpi_why_verdict_free) struct dmpi_why_verdict v;
    struct dmpi_why_place places[3];
    char fault[] = "node h1: no ssh server answers";

    (void)state;
    places[0] = (struct dmpi_why_place){.index = DMPI_WHY_NODE, .node = "h1", .fault = fault};
    fill(&places[1], 0, SLEEPS(10, 0));
    fill(&places[2], DMPI_WHY_JOB, MPIRUN "plan 0-1:1\n", "");
    dmpi_why_judge(&v, places, 3, 2);
    assert_string_equal(v.conclusion, fault);
    assert_int_equal(v.notes.n, 0);
    assert_int_equal(v.ranks[0].doing, DMPI_WHY_WAITS);
    assert_int_equal(v.ranks[1].doing, DMPI_WHY_UNKNOWN);
    assert_ptr_equal(v.ranks[1].place, &places[0]);
    dmpi_why_look_free(&places[1].look);
    dmpi_why_look_free(&places[2].look);
}

static void test_peers(void **state)
{
    struct dmpi_why_place places[2];
    bool listening;

    (void)state;
    fill(&places[0], 0,
         "proc 10 5 0 S 1 1 1 7 ep_poll x\nfd 10 70\nfd 10 71\n"
         "tcp 1: 0A00000A:1000 0B00000A:0400 01 00000010:00000000 00:0 0 0 0 70 1\n"
         "tcp 2: 0A00000A:1001 0B00000A:FFFF 01 00000010:00000000 00:0 0 0 0 71 1\n",
         "");
    fill(&places[1], 1,
         "proc 20 5 1 S 1 1 1 7 ep_poll x\nfd 20 80\n"
         "tcp 1: 0B00000A:0400 0A00000A:1000 01 00000000:00000000 00:0 0 0 0 80 1\n",
         "");
    assert_int_equal(places[0].look.n_socks, 2);
    assert_int_equal(dmpi_why_peer(places, 2, &places[0], &places[0].look.socks[0], &listening), 1);
    assert_false(listening);
    assert_int_equal(dmpi_why_peer(places, 2, &places[1], &places[1].look.socks[0], &listening), 0);
    assert_int_equal(dmpi_why_peer(places, 2, &places[0], &places[0].look.socks[1], &listening),
                     -1);
    dmpi_why_look_free(&places[0].look);
    dmpi_why_look_free(&places[1].look);
}

static void test_fate(void **state)
{
    static const struct {
        const char *state, *fate;
    } cases[] = {
        {"{\"Running\": true, \"Paused\": false}", NULL},
        {"{\"Running\": true, \"Paused\": true}",
         "its container is paused (`docker unpause` there lets it go on)"},
        {"{\"Running\": false, \"ExitCode\": 137, \"OOMKilled\": true}",
         "its container was ended by signal 9; then or earlier the kernel ended a process in it "
         "for "
         "want of memory (out of memory)"},
        {"{\"Running\": false, \"ExitCode\": 0, \"OOMKilled\": true}",
         "its container has ended with code 0; then or earlier the kernel ended a process in it "
         "for "
         "want of memory (out of memory)"},
        {"{\"Running\": false, \"ExitCode\": 137}", "its container was ended by signal 9"},
        {"{\"Running\": false, \"ExitCode\": 98}", "its container has ended with code 98"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_json_auto json_t *info = NULL;
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_autofree char *text = dmpi_xasprintf("{\"State\": %s}", cases[i].state);
        assert_int_equal(dmpi_json_parse(&info, text, strlen(text), &err), 0);
        dmpi_autofree char *fate = dmpi_fate_text(info);
        if (cases[i].fate)
            assert_string_equal(fate, cases[i].fate);
        else
            assert_null(fate);
    }
}

static void knows_the_end_of_a_traceback(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "ValueError: no such set", "KeyError: 'a'",
        "3: RuntimeError: x",      "0; KeyboardInterrupt",
        "AssertionError",          "mpi4py.MPI.Exception: MPI_ERR_TRUNCATE: message truncated"};
    static const char *const no[] = {
        "",    "epoch 3: loss 0.5", "an Error: x",    "12", "ErrorRate: 0.5",
        "3: ", "Errors: none",      "Error-free: yes"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(yes); i++)
        if (!dmpi_why_is_error(yes[i]))
            fail_msg("'%s' is none", yes[i]);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(no); i++)
        if (dmpi_why_is_error(no[i]))
            fail_msg("'%s' is one", no[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_end_of_a_traceback),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_judge_many),
        cmocka_unit_test(test_judge_node),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_fate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
