// SPDX-License-Identifier: MIT
/* Manual pages out of the tables: `dockmpi __man` is dockmpi(1), `dockmpi __man up` dockmpi-up(1). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "verbs.h"

/* Text as roff shows it unchanged, also at the beginning of a line. */
static void put(const char *text)
{
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        line_begins = *text == '\n';
        switch (*text) {
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-':
            fputs("\\-", stdout);
            break;
        case '`':
            fputs("\\(ga", stdout);
            break;
        case '"':
            fputs("\\(dq", stdout);
            break;
        case '^':
            fputs("\\(ha", stdout);
            break;
        case '~':
            fputs("\\(ti", stdout);
            break;
        default:
            putchar(*text);
        }
    }
}

static void line(const char *before, const char *text, const char *after)
{
    fputs(before, stdout);
    put(text);
    puts(after);
}

static void head(const char *title)
{
    printf(".TH \"%s\" \"1\" \"\" \"dockmpi %s\" \"dockmpi\"\n", title, DOCKMPI_VERSION);
    puts(".nh\n.ad l\n.SH NAME");
}

static void put_options(const struct dmpi_opt *table)
{
    for (const struct dmpi_opt *o = table; o->name; o++) {
        fputs(".TP\n", stdout);
        if (o->letter)
            printf("\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", stdout);
        put(o->name);
        line("\\fR \\fI", o->meta ? o->meta : "", "\\fR");
        line("", o->help, ".");
    }
}

static void overview(void)
{
    head("DOCKMPI");
    puts("dockmpi \\- a list of Docker hosts becomes a running MPI job\n"
         ".SH SYNOPSIS\n\\fBdockmpi\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
         ".SH COMMANDS");
    for (size_t i = 0; dmpi_verbs[i]; i++) {
        line(".TP\n\\fBdockmpi\\-", dmpi_verbs[i]->name, "\\fR(1)");
        line("", dmpi_verbs[i]->summary, ".");
    }
    puts(".SH EXIT STATUS\n"
         "That of the job for run, wait and exec; 125 when dockmpi itself failed; 2 for wrong "
         "usage.\n"
         ".SH ENVIRONMENT\n"
         ".TP\n\\fBDOCKMPI_NAME\\fR, \\fBDOCKMPI_FILE\\fR\n"
         "As if \\fB\\-\\-name\\fR and \\fB\\-f\\fR were given to every command that is given "
         "neither.\n"
         ".SH EXAMPLE\n.nf\n"
         "dockmpi image build cpu\n"
         "dockmpi up \\-\\-workers 2 \\-\\-image cpu\n"
         "dockmpi run multinode_ddp_mpi \\-\\- 3 1\n"
         "dockmpi down\n.fi");
}

static void page(const struct dmpi_verb *verb)
{
    dmpi_autofree char *title = dmpi_xasprintf("DOCKMPI-%s", verb->name);
    for (char *c = title; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    head(title);
    line("dockmpi\\-", verb->name, " \\-");
    line("", verb->summary, "");
    line(".SH SYNOPSIS\n\\fBdockmpi ", verb->name, "\\fR [\\fIOPTIONS\\fR]");
    if (*verb->args)
        line("", verb->args, "");
    if (verb->details)
        line(".SH DESCRIPTION\n", verb->details, "");
    puts(".SH OPTIONS");
    dmpi_autofree struct dmpi_opt *common = dmpi_help_common(verb);
    put_options(verb->opts);
    put_options(common);
    puts(".SH SEE ALSO\n\\fBdockmpi\\fR(1)");
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    (void)opts;
    const struct dmpi_verb *verb = operands->n == 1 ? dmpi_verb_find(operands->v[0]) : NULL;
    if (operands->n && !verb)
        return dmpi_usage(err, "__man takes one command at most");
    if (verb)
        page(verb);
    else
        overview();
    return DMPI_EXIT_OK;
}

static const struct dmpi_opt no_opts[] = {{0}};

const struct dmpi_verb dmpi_verb_man = {
    .name = "__man",
    .args = "[COMMAND]",
    .summary = "print a manual page",
    .opts = no_opts,
    .opts_size = sizeof(struct dmpi_common),
    .run = run,
};
