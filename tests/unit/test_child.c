// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "cluster/child.h"

static void join_line(void *arg, const char *line)
{
    dmpi_buf_addf(arg, "<%s>", line);
}

static int start(struct dmpi_child *child, const char *script, const struct dmpi_ctl *ctl,
                 struct dmpi_buf *lines, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_add(&argv, "/bin/sh");
    dmpi_strv_add(&argv, "-c");
    dmpi_strv_add(&argv, script);
    int rc = dmpi_child_start(child, &argv, ctl, lines ? join_line : NULL, lines, err);
    child->name = "child"; // argv ends here
    return rc;
}

// Everything the child writes, and the source's last result.
static ssize_t read_all(struct dmpi_child *child, struct dmpi_buf *out, struct dmpi_err *err)
{
    struct dmpi_source source = dmpi_child_source(child);
    char data[4096];
    ssize_t n;
    while ((n = source.read(source.arg, data, sizeof data, err)) > 0)
        dmpi_buf_add(out, data, (size_t)n);
    return n;
}

static void output_and_messages_come_apart(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1U << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf lines = DMPI_BUF_INIT(1U << 20);
    DMPI_AUTO(dmpi_child_end) struct dmpi_child child;
    assert_int_equal(start(&child,
                           "cat; echo one >&2; head -c 300000 /dev/zero; echo >&2; printf two >&2",
                           NULL, &lines, &err),
                     0);
    assert_int_equal(read_all(&child, &out, &err), 0);
    assert_int_equal(out.len, 300000);
    assert_string_equal(dmpi_buf_str(&lines), "<one><two>");
    assert_int_equal(read_all(&child, &out, &err), 0);
}

// Half of an archive must never be taken for the whole.
static void a_failure_is_not_an_end(void **state)
{
    (void)state;
    static const struct {
        const char *script, *message;
    } rows[] = {
        {"echo half; echo the reason >&2; exit 3", "the reason"},
        {"echo half; exit 3", "child ended with status 3"},
        {"echo half; kill -9 $$", "child ended with signal 9"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1U << 20);
        DMPI_AUTO(dmpi_child_end) struct dmpi_child child;
        assert_int_equal(start(&child, rows[i].script, NULL, NULL, &err), 0);
        assert_int_equal(read_all(&child, &out, &err), -1);
        assert_string_equal(dmpi_buf_str(&out), "half\n");
        assert_string_equal(err.msg, rows[i].message);
    }
}

static void a_program_that_is_missing_is_named(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_child_end) struct dmpi_child child;
    dmpi_strv_add(&argv, "/nonexistent/program");
    assert_int_equal(dmpi_child_start(&child, &argv, NULL, NULL, NULL, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_non_null(strstr(err.msg, "/nonexistent/program"));
}

// Cancelled while it is silent: the read ends, and the whole group goes, with what it started.
static void cancelling_ends_the_whole_group(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    int cancel = eventfd(0, EFD_CLOEXEC), inherited[2];
    const struct dmpi_ctl ctl = {.cancel_fd = cancel};
    struct dmpi_child child;
    // The writing end is open in the child and in what it started, and hangs up with the last of them.
    assert_int_equal(pipe(inherited), 0);
    assert_int_equal(start(&child, "sleep 600 & echo up; wait", &ctl, NULL, &err), 0);
    close(inherited[1]);
    struct dmpi_source source = dmpi_child_source(&child);
    struct pollfd alive = {.fd = inherited[0], .events = POLLIN};
    char data[16];
    assert_int_equal(source.read(source.arg, data, sizeof data, &err), 3);
    assert_int_equal(eventfd_write(cancel, 1), 0);
    assert_int_equal(source.read(source.arg, data, sizeof data, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    assert_int_equal(poll(&alive, 1, 0), 0);
    dmpi_child_end(&child);
    assert_int_equal(poll(&alive, 1, 60000), 1);
    assert_int_equal(alive.revents & POLLHUP, POLLHUP);
    close(inherited[0]);
    close(cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_messages_come_apart),
        cmocka_unit_test(a_failure_is_not_an_end),
        cmocka_unit_test(a_program_that_is_missing_is_named),
        cmocka_unit_test(cancelling_ends_the_whole_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
