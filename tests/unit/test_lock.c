// SPDX-License-Identifier: MIT
// Which holders of a lock are alive.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/lock.h"

#define NOW 1000

static bool alive(const char *client, const char *until)
{
    dmpi_json_auto json_t *labels = dmpi_json_new_obj();
    if (client)
        dmpi_json_set_str(labels, "io.dockmpi.client", client);
    if (until)
        dmpi_json_set_str(labels, "io.dockmpi.until", until);
    return dmpi_lock_alive(labels, NOW);
}

static void on_this_machine(void **state)
{
    (void)state;
    dmpi_autofree char *own = dmpi_lock_client();
    // A process that lives holds on, whatever the clock says; one that is gone does not.
    assert_true(alive(own, "0"));
    assert_true(alive(own, "2000"));
    dmpi_autofree char *later = dmpi_xasprintf("%s1", own); // the same number, started later
    assert_false(alive(later, "2000"));
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    size_t place = strlen(own);
    for (int words = 0; words < 2; words++)
        while (own[--place] != ' ')
            ;
    dmpi_autofree char *gone = dmpi_xasprintf("%.*s %ld 5", (int)place, own, (long)pid);
    assert_false(alive(gone, "2000"));
}

static void elsewhere(void **state)
{
    (void)state;
    static const struct {
        const char *client, *until;
        bool alive;
    } cases[] = {
        {"another-kernel pid:[1] 1 1", "1001", true},
        {"another-kernel pid:[1] 1 1", "1000", false},
        {"", "1001", true},
        {NULL, "1001", true},
        {NULL, NULL, false},
        {NULL, "", false},
        {NULL, "99999999999999999999", false},
        {NULL, "-5", false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++)
        if (alive(cases[i].client, cases[i].until) != cases[i].alive)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_this_machine),
        cmocka_unit_test(elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
