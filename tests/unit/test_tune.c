// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "mpi/tune.h"

#define MAX 3

static bool has(const char *const *env, const char *entry)
{
    while (*env && strcmp(*env, entry) != 0)
        env++;
    return *env != NULL;
}

// What is chosen, as "ucc rocm-variables/auto", or the error.
static char *choose(const struct dmpi_tune_group *groups, size_t n, const char *wanted,
                    const char *mca)
{
    DMPI_AUTO(dmpi_strv_free)
    struct dmpi_strv user = mca ? dmpi_strv_split(mca, ' ') : (struct dmpi_strv){0};
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv words = DMPI_STRV_INIT;
    struct dmpi_tuned tuned[MAX];
    struct dmpi_err err = DMPI_ERR_INIT;

    if (dmpi_tune_choose(tuned, groups, n, wanted, &user, &err) != 0) {
        assert_int_equal(err.code, DMPI_EINVAL);
        return dmpi_xstrdup(err.msg);
    }
    // Images with a UCX each leave out what its releases do not agree on.
    for (size_t i = 0; i < n; i++) {
        bool ucx = tuned[i].set->pml && strcmp(tuned[i].set->pml, "ucx") == 0;
        assert_int_equal(has(tuned[i].env, "UCX_TCP_PUT_ENABLE=n"), ucx && n > 1);
    }
    for (size_t i = 0; i < n; i++)
        dmpi_strv_addf(&words, "%s%s", tuned[i].set->name,
                       has(tuned[i].env, "UCX_ROCM_COPY_D2H_THRESH=0") ? "+amd" : "");
    return dmpi_strv_join(&words, "/");
}

static void chosen(void **state)
{
    static const struct {
        struct dmpi_tune_group groups[MAX];
        size_t n;
        const char *wanted, *mca, *want;
    } rows[] = {
        // One image.
        {{{.profile = "cpu"}}, 1, NULL, NULL, "auto"},
        {{{.profile = "cpu", .tune = "ucc"}}, 1, NULL, NULL, "ucc"},
        {{{.profile = "cpu", .tune = "ucc"}}, 1, "tcp", NULL, "tcp"},
        {{{.profile = "cpu", .tune = "ucc"}}, 1, "auto", NULL, "auto"},
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA}}, 1, NULL, NULL, "ucc"},
        {{{.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}}, 1, NULL, NULL, "rocm+amd"},
        {{{.profile = "g4ad", .gpu = DMPI_GPU_AMD}}, 1, "ucx", NULL, "ucx+amd"},
        {{{.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}}, 1, "tcp", NULL, "tcp"},
        {{{.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}}, 1, "none", NULL, "none"},
        // What the user adds to a set completes it, and wins over a profile's.
        {{{.profile = "cpu"}}, 1, "ucc", "coll_ucc_priority=50 pml=ucx", "ucc"},
        {{{.profile = "cpu", .tune = "ucc"}}, 1, NULL, "pml=ob1", "ucc"},
        // Several: vendor variables stay with their cards, the rest is one for all.
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA},
          {.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD},
          {.profile = "cpu"}},
         3,
         NULL,
         NULL,
         "ucx/ucx+amd/ucx"},
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA},
          {.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}},
         2,
         NULL,
         NULL,
         "ucc/rocm+amd"},
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA}, {.profile = "cpu"}},
         2,
         "tcp",
         NULL,
         "tcp/tcp"},
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA},
          {.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}},
         2,
         "rocm",
         NULL,
         "ucc/rocm+amd"},
        {{{.profile = "g4dn", .tune = "ucc", .gpu = DMPI_GPU_NVIDIA},
          {.profile = "g4ad", .tune = "rocm", .gpu = DMPI_GPU_AMD}},
         2,
         "ucx",
         NULL,
         "ucx/ucx+amd"},
        {{{.profile = "a", .tune = "ucx"}, {.profile = "b", .tune = "ucc"}, {.profile = "c"}},
         3,
         NULL,
         NULL,
         "ucc/ucc/ucc"},
        {{{.profile = "a", .tune = "ucx"}, {.profile = "b", .tune = "none"}},
         2,
         NULL,
         NULL,
         "ucx/none"},
        {{{.profile = "a"}, {.profile = "b", .tune = "tcp"}}, 2, NULL, NULL, "tcp/tcp"},
        {{{.profile = "a"}, {.profile = "b"}}, 2, NULL, NULL, "auto/auto"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = choose(rows[i].groups, rows[i].n, rows[i].wanted, rows[i].mca);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: got \"%s\", wanted \"%s\"", i, got, rows[i].want);
    }
}

// "auto" on nodes with something better than TCP depends on what the image's Open MPI has.
static void by_itself(void **state)
{
    static char pml[] = "pml", tls[] = "pml_ucx_tls", ucc[] = "coll_ucc_enable";
    char *with_ucc[] = {ucc, pml, tls, NULL}, *with_ucx[] = {pml, tls, NULL},
         *plain[] = {pml, NULL};
    const struct dmpi_strv both = {with_ucc, 3}, ucx = {with_ucx, 2}, none = {plain, 1};
    const struct dmpi_strv empty = DMPI_STRV_INIT;
    static char host[] = "host", cuda[] = "cuda";
    char *with_cuda[] = {host, cuda, NULL};
    const struct dmpi_strv cuda_aware = {with_cuda, 2}, host_only = {with_cuda, 1};
    const struct {
        struct dmpi_tune_group group;
        const char *want;
    } rows[] = {
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &both}, "ucc"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &ucx}, "ucx"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &none}, "auto"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &empty}, "auto"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA}, "auto"},
        {{.profile = "x", .gpu = DMPI_GPU_AMD, .known = &both}, "ucc+amd"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &both, .memory = &cuda_aware}, "ucc"},
        {{.profile = "x", .gpu = DMPI_GPU_NVIDIA, .known = &both, .memory = &host_only}, "auto"},
        {{.profile = "x", .gpu = DMPI_GPU_AMD, .known = &both, .memory = &cuda_aware}, "auto"},
        {{.profile = "x", .rdma = true, .known = &ucx}, "ucx"},
        {{.profile = "x", .known = &both}, "auto"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = choose(&rows[i].group, 1, "auto", NULL);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: got \"%s\", wanted \"%s\"", i, got, rows[i].want);
    }
}

static void refused(void **state)
{
    static const struct dmpi_tune_group cpu = {.profile = "cpu"};
    static const struct dmpi_tune_group odd = {.profile = "odd", .tune = "warp"};
    static const struct dmpi_tune_group split[] = {{.profile = "a", .tune = "tcp"},
                                                   {.profile = "b", .tune = "ucc"}};
    static const struct dmpi_tune_group half[] = {{.profile = "cpu"},
                                                  {.profile = "g4dn", .gpu = DMPI_GPU_NVIDIA}};
    const struct {
        const struct dmpi_tune_group *groups;
        size_t n;
        const char *wanted, *mca, *says;
    } rows[] = {
        {half, 2, "ucc", NULL,
         "--tune ucc: image g4dn has GPUs and image cpu none, and UCC cannot sum what lies in the "
         "memory of both: use --tune ucx"},
        {&cpu, 1, "fast", NULL, "no tuning set 'fast': there are auto, tcp, ucx, ucc, rocm, none"},
        {&odd, 1, NULL, NULL, "image odd: tune: no tuning set 'warp'"},
        {&cpu, 1, "tcp", "pml=ucx", "--tune tcp means pml ob1, which --mca pml ucx contradicts"},
        {&cpu, 1, "ucc", "pml=ob1", "--tune ucc means pml ucx, which --mca pml ob1 contradicts"},
        {&cpu, 1, "ucc", "coll_ucc_enable=0", "--mca coll_ucc_enable 0 contradicts"},
        {&cpu, 1, "rocm", NULL, "--tune rocm is for AMD GPUs, and no image of this job has any"},
        {split, 2, NULL, NULL,
         "image a is tuned for pml ob1 and image b for pml ucx, which do not talk to each other"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = choose(rows[i].groups, rows[i].n, rows[i].wanted, rows[i].mca);
        if (!strstr(got, rows[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, got, rows[i].says);
    }
}

// What an image's Open MPI does not have it would ignore without a word.
static void known(void **state)
{
    static char btl[] = "btl_tcp_if_include", pml[] = "pml", dev[] = "pml_ucx_devices",
                tls[] = "pml_ucx_tls";
    static char delay[] = "plm_ssh_delay", server[] = "pmix_server_base_verbose";
    char *words[] = {btl, delay, server, pml, dev, tls, NULL};
    const struct dmpi_strv has = {words, 6}, nothing = DMPI_STRV_INIT;
    const struct {
        const struct dmpi_strv *known;
        const char *wanted, *mca, *says; // NULL: accepted
    } rows[] = {
        {&has, "ucx", "", NULL},
        {&has, "ucc", "",
         "image x: its Open MPI has no MCA parameter coll_ucc_enable, which --tune ucc"},
        {&has, NULL, "btl_tcp_if_include=eth0", NULL},
        {&has, NULL, "btl_tcp_if_inclde=eth0",
         "--mca btl_tcp_if_inclde: the Open MPI of image x has no such parameter: did you mean "
         "'btl_tcp_if_include'?"},
        {&has, NULL, "warp=9",
         "--mca warp: the Open MPI of image x has no such parameter (`dockmpi"},
        {&has, NULL, "plm_ssh_delay=x prte_x=1 pmix_server=2 rmaps=seq plm=ssh oob_tcp_y=z", NULL},
        {&has, NULL, "plm_ssh_dely=1",
         "--mca plm_ssh_dely: the Open MPI of image x has no such parameter: did you mean "
         "'plm_ssh_delay'?"},
        {&has, NULL, "plmx=1", "--mca plmx: "},
        {NULL, "ucc", "warp=9", NULL},     // not asked
        {&nothing, "ucc", "warp=9", NULL}, // it cannot tell
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        const struct dmpi_tune_group g = {.profile = "x", .known = rows[i].known};
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv mca = DMPI_STRV_INIT;
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_tuned tuned;

        if (*rows[i].mca)
            mca = dmpi_strv_split(rows[i].mca, ' ');
        assert_int_equal(dmpi_tune_choose(&tuned, &g, 1, rows[i].wanted, &mca, &err), 0);
        int rc = dmpi_tune_check(&tuned, &g, 1, &mca, &err);
        if ((rc == 0) != (rows[i].says == NULL) || (rc != 0 && !strstr(err.msg, rows[i].says)))
            fail_msg("row %zu: %s", i, rc == 0 ? "accepted" : err.msg);
    }
}

// A profile's own arguments are no better than the user's.
static void of_profile(void **state)
{
    static char btl[] = "btl", other[] = "--map-by", node[] = "node", mca[] = "--mca", x[] = "warp",
                one[] = "1";
    char *names[] = {btl, NULL}, *good[] = {other, node, mca, btl, one, NULL},
         *bad[] = {other, node, mca, x, one, NULL};
    const struct dmpi_strv known = {names, 1}, args[] = {{good, 5}, {bad, 5}},
                           none = DMPI_STRV_INIT;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct dmpi_tune_group g = {.profile = "x", .known = &known, .args = &args[i]};
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_tuned tuned;

        assert_int_equal(dmpi_tune_choose(&tuned, &g, 1, NULL, &none, &err), 0);
        assert_int_equal(dmpi_tune_check(&tuned, &g, 1, &none, &err), i ? -1 : 0);
        if (i)
            assert_string_equal(err.msg,
                                "mpirun_args: --mca warp: the Open MPI of image x has no such "
                                "parameter (`dockmpi exec -- ompi_info --all` lists them)");
    }
}

// Which releases of Open MPI make one world.
static void releases(void **state)
{
    static const struct {
        const char *a, *b;
        int rc;
    } rows[] = {
        {"5.0.7", "5.0.7", 0},   {"5.0.7", "5.0.10", 0},     {"5.0.11", "5.0.12rc1", 0},
        {"5.0.7", "5.0.11", -1}, {"5.0.7", "5.1.0", -1},     {"4.1.4", "4.1.8", 0},
        {"4.0.3", "4.1.4", -1},  {"5.0.7", "6.0.0rc2", -1},  {"5.0.7", NULL, 0},
        {NULL, "5.0.11", 0},     {"something", "5.0.11", 0},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        const struct dmpi_tune_group groups[] = {{.profile = "a", .release = rows[i].a},
                                                 {.profile = "b", .release = rows[i].b}};
        struct dmpi_err err = DMPI_ERR_INIT;

        if (dmpi_tune_releases(groups, 2, &err) != rows[i].rc)
            fail_msg("row %zu: %s", i, err.msg);
        if (rows[i].rc != 0)
            assert_non_null(strstr(err.msg, "Give all images the same release"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),  cmocka_unit_test(of_profile), cmocka_unit_test(releases),
        cmocka_unit_test(chosen), cmocka_unit_test(by_itself),  cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
