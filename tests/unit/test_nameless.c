// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/nameless.h"

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof sun.sun_path);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    return sun;
}

static int listener_at(const char *path)
{
    struct sockaddr_un sun = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* What connects at path arrives at that listener. */
static void leads_to(const char *path, int listener)
{
    char byte = 0;
    struct sockaddr_un sun = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    int other = accept(listener, NULL, NULL);
    assert_true(other >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(other, &byte, 1), 1);
    close(fd);
    close(other);
}

static void goes_and_is_still_there(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_nameless one, two;
    struct stat s;
    assert_int_equal(dmpi_nameless_make(&one, &err), 0);
    assert_int_equal(dmpi_nameless_make(&two, &err), 0);
    assert_int_equal(stat(one.dir, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0700);
    dmpi_autofree char *dir = dmpi_xstrdup(one.dir);
    int first = listener_at(one.path), second = listener_at(two.path);
    dmpi_nameless_vanish(&one);
    dmpi_nameless_vanish(&two);
    assert_int_equal(access(dir, F_OK), -1);
    leads_to(one.path, first);
    leads_to(two.path, second);
    leads_to(one.path, first);
    dmpi_nameless_end(&one);
    dmpi_nameless_end(&one);
    leads_to(two.path, second);
    dmpi_nameless_end(&two);
    close(first);
    close(second);
}

static void one_that_was_never_bound(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_nameless n;
    assert_int_equal(dmpi_nameless_make(&n, &err), 0);
    dmpi_autofree char *dir = dmpi_xstrdup(n.dir);
    dmpi_nameless_vanish(&n);
    assert_int_equal(access(dir, F_OK), 0);
    dmpi_nameless_end(&n);
    assert_int_equal(access(dir, F_OK), -1);
}

static void folders_that_are_no_use(void **state)
{
    (void)state;
    static const char *const homes[] = {
        "", "relative", "/nonexistent",
        "/tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp/../tmp"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(homes); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_nameless n;
        setenv("XDG_RUNTIME_DIR", homes[i], 1);
        assert_int_equal(dmpi_nameless_make(&n, &err), 0);
        assert_int_equal(strncmp(n.dir, "/tmp/dockmpi-ssh-", strlen("/tmp/dockmpi-ssh-")), 0);
        dmpi_nameless_end(&n);
    }
    unsetenv("XDG_RUNTIME_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_and_is_still_there),
        cmocka_unit_test(one_that_was_never_bound),
        cmocka_unit_test(folders_that_are_no_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
