// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/spawn.h"

static const struct dmpi_spawn apart = {
    .in = DMPI_SPAWN_NULL, .out = DMPI_SPAWN_OURS, .err = DMPI_SPAWN_OURS, .apart = true};

static pid_t shell(const char *script, const struct dmpi_spawn *how)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    const char *const words[] = {"sh", "-c", script};
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    pid_t pid = dmpi_spawn(&argv, how, &err);
    assert_true(pid > 0);
    return pid;
}

static int output(struct dmpi_buf *out, int *code, const struct dmpi_ctl *ctl, const char *program,
                  const char *script, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    const char *const words[] = {program, "-c", script};
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    return dmpi_spawn_output(&argv, ctl, out, code, err);
}

static void output_and_codes(void **state)
{
    (void)state;
    static const struct {
        const char *script, *out;
        int code;
    } rows[] = {
        {"echo one; echo two >&2; cat", "one\n", 0},
        {"printf x; exit 7", "x", 7},
        {"kill -9 $$", "", 128 + 9},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1u << 20);
        int code = -1;
        assert_int_equal(output(&out, &code, NULL, "sh", rows[i].script, &err), 0);
        assert_string_equal(dmpi_buf_str(&out), rows[i].out);
        assert_int_equal(code, rows[i].code);
    }
}

static void a_program_that_is_missing(void **state)
{
    (void)state;
    static const char *const names[] = {"no-such-program", "/nonexistent/program", "/dev/null"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1u << 20);
        int code = -1;
        assert_int_equal(output(&out, &code, NULL, names[i], "", &err), -1);
        assert_int_equal(err.code, i < 2 ? DMPI_ENOTFOUND : DMPI_EDENIED);
        assert_non_null(strstr(err.msg, names[i]));
    }
}

/* What holds in us must not reach the program: it could then not be interrupted. */
static void signals_are_as_at_first(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1u << 20);
    sigset_t all, before;
    int code = -1;
    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGUSR1, &ignore, &old);
    int rc = output(&out, &code, NULL, "sh", "kill -USR1 $$; echo it did not come", &err);
    sigaction(SIGUSR1, &old, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(rc, 0);
    assert_string_equal(dmpi_buf_str(&out), "");
    assert_int_equal(code, 128 + SIGUSR1);
}

/* Only the three descriptors that were named arrive, also where they are 0 to 2 in another order. */
static void descriptors_in_another_order(void **state)
{
    (void)state;
    int pair[2], kept[3];
    char said[64] = "";
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    for (int i = 0; i < 3; i++)
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
    dup2(pair[1], 0); /* our 0 becomes its 1, our 1 its 2 */
    const struct dmpi_spawn how = {.in = DMPI_SPAWN_NULL, .out = 0, .err = 1, .apart = true};
    pid_t pid = shell("echo to stdout; read x || echo nothing came", &how);
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
        close(kept[i]);
    }
    int status;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_spawn_wait(pid, NULL, &status, &err), 0);
    close(pair[1]);
    ssize_t got = read(pair[0], said, sizeof said - 1);
    close(pair[0]);
    assert_true(got > 0);
    assert_string_equal(said, "to stdout\nnothing came\n");
}

static void the_wait_ends_when_it_is_canceled(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    int status = 0, cancel = eventfd(1, EFD_CLOEXEC);
    const struct dmpi_ctl ctl = {.cancel_fd = cancel};
    pid_t pid = shell("exec sleep 600", &apart);
    assert_int_equal(dmpi_spawn_wait(pid, &ctl, &status, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    assert_int_equal(kill(pid, 0), 0);
    status = dmpi_spawn_end(pid, &apart, 60000);
    assert_int_equal(dmpi_spawn_code(status), 128 + SIGTERM);
    assert_int_equal(dmpi_spawn_wait(pid, NULL, &status, &err), -1);
    assert_int_equal(err.code, DMPI_ESYS);
    close(cancel);
}

static void output_that_takes_too_long(void **state)
{
    (void)state;
    static const char *const scripts[] = {"sleep 600", "exec >&-; sleep 600"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(scripts); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_ctl soon = dmpi_ctl_within(NULL, 100);
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1u << 20);
        int code = -1;
        assert_int_equal(output(&out, &code, &soon, "sh", scripts[i], &err), -1);
        assert_int_equal(err.code, DMPI_ETIMEOUT);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

/* One that does not listen to TERM is killed, with what it started. */
static void the_whole_session_is_killed(void **state)
{
    (void)state;
    int inherited[2];
    char ready[8];
    assert_int_equal(pipe(inherited), 0);
    struct dmpi_spawn how = apart;
    how.out = inherited[1];
    pid_t pid = shell("trap '' TERM; (trap '' TERM; echo up; sleep 600) & wait; sleep 600", &how);
    close(inherited[1]);
    assert_int_equal(read(inherited[0], ready, sizeof ready), 3);
    int status = dmpi_spawn_end(pid, &how, 100);
    assert_int_equal(dmpi_spawn_code(status), 128 + SIGKILL);
    /* The pipe ends with the last of them. */
    struct pollfd alive = {.fd = inherited[0], .events = POLLIN};
    assert_int_equal(poll(&alive, 1, 60000), 1);
    assert_int_equal(alive.revents & POLLHUP, POLLHUP);
    close(inherited[0]);
}

static void apart_or_beside(void **state)
{
    (void)state;
    int status;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_spawn beside = apart;
    beside.apart = false;
    pid_t pids[] = {shell("exec sleep 600", &apart), shell("exec sleep 600", &beside)};
    assert_int_equal(getsid(pids[0]), pids[0]);
    assert_int_equal(getpgid(pids[1]), getpgrp());
    dmpi_spawn_end(pids[0], &apart, 60000);
    assert_int_equal(dmpi_spawn_code(dmpi_spawn_end(pids[1], &beside, 60000)), 128 + SIGTERM);
    assert_int_equal(dmpi_spawn_end(0, &apart, 0), 0);
    assert_int_equal(dmpi_spawn_wait(pids[0], NULL, &status, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_codes),
        cmocka_unit_test(a_program_that_is_missing),
        cmocka_unit_test(signals_are_as_at_first),
        cmocka_unit_test(descriptors_in_another_order),
        cmocka_unit_test(the_wait_ends_when_it_is_canceled),
        cmocka_unit_test(output_that_takes_too_long),
        cmocka_unit_test(the_whole_session_is_killed),
        cmocka_unit_test(apart_or_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
