// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "verbs.h"

const struct dmpi_opt dmpi_common_opts[] = {
    {"file", 'f', DMPI_OPT_STR, offsetof(struct dmpi_common, file), "FILE",
     "cluster file (YAML), or a hostfile (default: DOCKMPI_FILE, or what `up` noted)", 0, 0},
    {"name", 0, DMPI_OPT_STR, offsetof(struct dmpi_common, name), "CLUSTER",
     "which cluster (default: DOCKMPI_NAME, that of the file, or \"default\")", 0, 0},
    {"verbose", 'v', DMPI_OPT_FLAG, offsetof(struct dmpi_common, verbose), NULL,
     "say what is done and why", 0, 0},
    {"json", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_common, json), NULL, "print the result as JSON",
     0, 0},
    {"help", 'h', DMPI_OPT_FLAG, offsetof(struct dmpi_common, help), NULL, "print this help", 0, 0},
    {0},
};

static void print_overview(void)
{
    puts("dockmpi: a list of Docker hosts becomes a running MPI job\n\n"
         "usage: dockmpi COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:");
    for (size_t i = 0; dmpi_verbs[i]; i++)
        printf("  %-10s %s\n", dmpi_verbs[i]->name, dmpi_verbs[i]->summary);
    puts(
        "\na first job on this machine:\n"
        "  dockmpi image build cpu\n"
        "  dockmpi up --workers 2 --image cpu\n"
        "  dockmpi run multinode_ddp_mpi -- 3 1\n"
        "  dockmpi down\n\n"
        "Help on a command: dockmpi help COMMAND\n"
        "DOCKMPI_NAME and DOCKMPI_FILE say --name and -f for all commands that are given neither.\n"
        "Exit code: that of the job for run, wait and exec; 125 when dockmpi itself failed;\n"
        "2 for wrong usage.");
}

struct dmpi_opt *dmpi_help_common(const struct dmpi_verb *verb)
{
    struct dmpi_opt *list = dmpi_xcalloc(DMPI_ARRAY_LEN(dmpi_common_opts), sizeof *list);
    size_t n = 0;
    for (const struct dmpi_opt *o = dmpi_common_opts; o->name; o++) {
        if (!verb->json && strcmp(o->name, "json") == 0)
            continue;
        list[n] = *o;
        for (const struct dmpi_opt *own = verb->opts; own->name; own++)
            if (own->letter == o->letter)
                list[n].letter = 0;
        n++;
    }
    return list;
}

void dmpi_help_print(const struct dmpi_verb *verb)
{
    if (!verb) {
        print_overview();
        return;
    }
    printf("dockmpi %s: %s\n\nusage: dockmpi %s [OPTIONS]%s%s\n", verb->name, verb->summary,
           verb->name, *verb->args ? " " : "", verb->args);
    if (verb->details)
        printf("\n%s\n", verb->details);
    dmpi_autofree char *own = dmpi_opts_help(verb->opts);
    dmpi_autofree struct dmpi_opt *list = dmpi_help_common(verb);
    dmpi_autofree char *common = dmpi_opts_help(list);
    printf("\noptions:\n%s%s", own ? own : "", common);
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    (void)opts;
    if (operands->n > 1)
        return dmpi_usage(err, "help takes one command at most");
    const struct dmpi_verb *verb = NULL;
    if (operands->n && !(verb = dmpi_verb_find(operands->v[0])))
        return dmpi_usage(err, "no command '%s'; the commands are listed by: dockmpi help",
                          operands->v[0]);
    dmpi_help_print(verb);
    return DMPI_EXIT_OK;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "explain the commands",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .run = run,
};
