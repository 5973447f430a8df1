// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/ctl.h"

static void deadlines_only_shrink(void **state)
{
    (void)state;
    struct dmpi_ctl none = DMPI_CTL_NONE;
    assert_int_equal(dmpi_ctl_timeout(&none), -1);
    assert_int_equal(dmpi_ctl_timeout(NULL), -1);
    struct dmpi_ctl outer = dmpi_ctl_within(NULL, 60000);
    struct dmpi_ctl inner = dmpi_ctl_within(&outer, 100000);
    assert_true(inner.deadline_ms == outer.deadline_ms);
    struct dmpi_ctl shorter = dmpi_ctl_within(&outer, 10);
    assert_true(shorter.deadline_ms < outer.deadline_ms);
    assert_in_range(dmpi_ctl_timeout(&outer), 1, 60000);
    struct dmpi_ctl forever = dmpi_ctl_within(NULL, INT64_MAX);
    assert_true(dmpi_ctl_timeout(&forever) > 1000000);
}

static void timeout_ends_a_wait(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, 20);
    assert_int_equal(dmpi_ctl_check(&ctl, &err), 0);
    int64_t start = dmpi_now_ms();
    assert_int_equal(dmpi_ctl_sleep(&ctl, 60000, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    assert_in_range(dmpi_now_ms() - start, 15, 50000);
    assert_int_equal(dmpi_ctl_check(&ctl, &err), -1);
    assert_int_equal(dmpi_ctl_sleep(NULL, 5, &err), 0);
}

static void cancel_ends_a_wait_and_stays(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    int p[2];
    assert_int_equal(pipe(p), 0);
    struct dmpi_ctl ctl = {.cancel_fd = p[0]};
    assert_int_equal(dmpi_ctl_check(&ctl, &err), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dmpi_ctl_check(&ctl, &err), -1);
        assert_int_equal(err.code, DMPI_ECANCELED);
        assert_int_equal(dmpi_ctl_poll(&ctl, NULL, 0, &err), -1);
        assert_int_equal(err.code, DMPI_ECANCELED);
    }
    close(p[0]);
    close(p[1]);
}

static void ready_descriptors_are_reported(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct pollfd fds[12]; // more than the small array on the stack
    int p[2];
    assert_int_equal(pipe(p), 0);
    for (int i = 0; i < 12; i++)
        fds[i] = (struct pollfd){.fd = i == 11 ? p[0] : -1, .events = POLLIN, .revents = 77};
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, 10000);
    assert_int_equal(dmpi_ctl_poll_for(&ctl, fds, 12, 10, &err), 0);
    assert_int_equal(fds[11].revents, 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(dmpi_ctl_poll(&ctl, fds, 12, &err), 1);
    assert_true(fds[11].revents & POLLIN);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(dmpi_ctl_poll(NULL, fds + 11, 1, &err), 1);
    close(p[0]);
    close(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_only_shrink),
        cmocka_unit_test(timeout_ends_a_wait),
        cmocka_unit_test(cancel_ends_a_wait_and_stays),
        cmocka_unit_test(ready_descriptors_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
