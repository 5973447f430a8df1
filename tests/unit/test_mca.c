// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/mca.h"

// What the script in an image prints, also where the image was not ours.
static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names, *memory, *release;
    } rows[] = {
        {"", "", "", NULL},
        {"btl\npml\nrelease=5.0.7\n", "btl pml", "", "5.0.7"},
        {"btl\npml\n", "btl pml", "", NULL},
        {"pml\nbtl", "btl pml", "", NULL},
        {"btl\n=\n{\"ucx\":{\"memory_types\":[\"host\",\"cuda\"]}}\n", "btl", "host cuda", NULL},
        {"btl\n=\n{\"ucx\":{}}\n", "btl", "", NULL},
        {"btl\n=\n{\"ucx\":null}\n", "btl", "", NULL},
        {"btl\n=\nno JSON\n", "btl", "", NULL},
        {"btl\n=\n{\"ucx\":{\"memory_types\":[7,{},\"rocm\"]}}\n", "btl", "rocm", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_mca mca = {.images = dmpi_xcalloc(1, sizeof(*mca.images)), .n = 1};
        dmpi_job_mca_parse(&mca.images[0], "x", rows[i].text);
        const struct dmpi_mca_image *image = dmpi_job_mca_of(&mca, "x");
        assert_ptr_equal(image, &mca.images[0]);
        assert_null(dmpi_job_mca_of(&mca, "y"));
        assert_null(dmpi_job_mca_of(NULL, "x"));
        dmpi_autofree char *names = dmpi_strv_join(&image->names, " ");
        dmpi_autofree char *memory = dmpi_strv_join(&image->memory, " ");
        assert_string_equal(image->release ? image->release : "-",
                            rows[i].release ? rows[i].release : "-");
        assert_string_equal(names, rows[i].names);
        assert_string_equal(memory, rows[i].memory);
        dmpi_job_mca_free(&mca);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
