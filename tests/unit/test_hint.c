// SPDX-License-Identifier: MIT
/* Commands in messages: typed as they are printed, they mean the cluster that the user works with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dockmpi/hint.h"

static const struct dmpi_opt none[] = {{0}};
static const struct dmpi_opt follow[] = {
    {"follow", 'f', DMPI_OPT_FLAG, 0, NULL, "goes on", 0, 0},
    {0},
};
static const struct dmpi_verb up = {.name = "up", .opts = none},
                              logs = {.name = "logs", .opts = follow},
                              exec = {.name = "exec", .opts = none},
                              image = {.name = "image", .opts = none};
static const struct dmpi_verb *const verbs[] = {&up, &logs, &exec, &image, NULL};

static void completed(void **state)
{
    static const struct {
        struct dmpi_choice choice;
        const char *text, *want;
    } table[] = {
        {{verbs, NULL, NULL, NULL}, "run `dockmpi up`", "run `dockmpi up`"},
        {{verbs, NULL, "a", NULL}, "", ""},
        {{verbs, NULL, "a", NULL}, "run `dockmpi up`", "run `dockmpi up --name a`"},
        {{verbs, "x.yaml", "a", NULL}, "`dockmpi up`.", "`dockmpi up -f x.yaml --name a`."},
        {{verbs, "x.yaml", NULL, NULL},
         "`dockmpi logs 3`, then `dockmpi up` again",
         "`dockmpi logs --file x.yaml 3`, then `dockmpi up -f x.yaml` again"},
        {{verbs, NULL, "a", NULL},
         "`dockmpi exec -w worker-1 -- kill -CONT 5` lets it",
         "`dockmpi exec --name a -w worker-1 -- kill -CONT 5` lets it"},
        {{verbs, "my file's", NULL, NULL}, "`dockmpi up`", "`dockmpi up -f 'my file'\\''s'`"},
        {{verbs, "-x", "$(a)", NULL}, "`dockmpi up`", "`dockmpi up -f -x --name '$(a)'`"},
        /* what it has already, and what only looks like it */
        {{verbs, "x.yaml", "a", NULL}, "`dockmpi up --name b`", "`dockmpi up -f x.yaml --name b`"},
        {{verbs, "x.yaml", "a", NULL}, "`dockmpi up --name=b -f y`", "`dockmpi up --name=b -f y`"},
        {{verbs, "x", "a", NULL}, "`dockmpi up --file=y`", "`dockmpi up --name a --file=y`"},
        {{verbs, NULL, "a", NULL},
         "`dockmpi exec -- x --name b`",
         "`dockmpi exec --name a -- x --name b`"},
        {{verbs, NULL, "a", NULL}, "`dockmpi up --names b`", "`dockmpi up --name a --names b`"},
        {{verbs, "x", NULL, NULL}, "`dockmpi logs -f 3`", "`dockmpi logs --file x -f 3`"},
        /* the file that up noted: all but up find it by themselves */
        {{verbs, NULL, "a", "/n.yaml"},
         "`dockmpi up` or `dockmpi logs 1`",
         "`dockmpi up -f /n.yaml --name a` or `dockmpi logs --name a 1`"},
        {{verbs, "x", NULL, "/n.yaml"}, "`dockmpi up`", "`dockmpi up -f x`"},
        /* images are built here and sent there */
        {{verbs, "x", "a", NULL}, "`dockmpi image build cpu`", "`dockmpi image build cpu`"},
        {{verbs, "x", NULL, NULL}, "`dockmpi image push cpu`", "`dockmpi image -f x push cpu`"},
        /* no commands */
        {{verbs, NULL, "a", NULL}, "another `up`, dockmpi up", "another `up`, dockmpi up"},
        {{verbs, NULL, "a", NULL}, "`dockmpi`", "`dockmpi`"},
        {{verbs, NULL, "a", NULL}, "`dockmpi ", "`dockmpi "},
        {{verbs, NULL, "a", NULL}, "`dockmpi upper`", "`dockmpi upper`"},
        {{verbs, NULL, "a", NULL}, "`dockmpi up", "`dockmpi up"},
        {{verbs, NULL, "a", NULL}, "`dockmpi up `dockmpi up`", "`dockmpi up --name a `dockmpi up`"},
        {{NULL, "x", "a", NULL}, "`dockmpi up`", "`dockmpi up`"},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++) {
        dmpi_autofree char *got = dmpi_hint_complete(table[i].text, &table[i].choice);
        assert_string_equal(got, table[i].want);
    }
}

static void of_this_process(void **state)
{
    (void)state;
    const struct dmpi_choice choice = {.verbs = verbs, .name = "a"};
    dmpi_hint_choose(&choice);
    char file[] = "/n.yaml";
    dmpi_hint_noted(file);
    memset(file, 'x', strlen(file));
    dmpi_autofree char *first = dmpi_hint("`dockmpi up`");
    assert_string_equal(first, "`dockmpi up -f /n.yaml --name a`");
    dmpi_hint_noted(NULL);
    dmpi_autofree char *second = dmpi_hint("`dockmpi up`");
    assert_string_equal(second, "`dockmpi up --name a`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completed),
        cmocka_unit_test(of_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
