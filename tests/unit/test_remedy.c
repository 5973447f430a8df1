// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "cluster/remedy.h"

static void known_refusals_get_a_remedy(void **state)
{
    (void)state;
    // As engines word them (20.10 and 26.1).
    static const struct {
        const char *message;
        const char *remedy; // part of it; NULL: none
    } cases[] = {
        {"could not select device driver \"\" with capabilities: [[gpu]]",
         "nvidia-container-toolkit"},
        {"error gathering device information while adding custom device \"/dev/kfd\": no such "
         "file or directory",
         "amdgpu"},
        {"error gathering device information while adding custom device \"/dev/foo\": no such "
         "file or directory",
         "does not have"},
        {"failed to create shim task: OCI runtime create failed: runc create failed: unable to "
         "start container process: error during container init: error setting rlimit type 8: "
         "operation not permitted",
         "ulimit"},
        {"OCI runtime create failed: container_linux.go:367: exec: \"/bin/sh\": stat /bin/sh: no "
         "such file or directory",
         "/bin/sh"},
        {"mkdir /var/lib/docker/overlay2/x: no space left on device", "disk is full"},
        {"tar: large: Wrote only 4608 of 10240 bytes", "no space left"},
        {"dockmpi-worker: 5: tar: not found", "must contain tar"},
        {"cannot share the host's network namespace when user namespaces are enabled",
         "UsernsMode: host"},
        {"Unable to find group render: no matching entries in group file", "write its number"},
        {"some other sorrow", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_err_set(&err, DMPI_EENGINE, "%s", cases[i].message);
        dmpi_remedy_add(&err);
        assert_int_equal(err.code, DMPI_EENGINE);
        assert_memory_equal(err.msg, cases[i].message, strlen(cases[i].message));
        const char *added = err.msg + strlen(cases[i].message);
        if (cases[i].remedy ? !strstr(added, cases[i].remedy) : added[0] != '\0')
            fail_msg("'%s' gives '%s'", cases[i].message, added);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_refusals_get_a_remedy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
