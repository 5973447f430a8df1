// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "out.h"
#include "spec/import.h"
#include "verbs.h"

struct import {
    struct dmpi_common common;
    const char *output, *user, *identity;
    bool force;
};

static int read_input(struct dmpi_buf *text, const char *path, struct dmpi_err *err)
{
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    return dmpi_io_read_file(text, path, DMPI_IMPORT_MAX, err);
}

/* Prints the file, or writes it under a new name: a cluster file may hold somebody's work. */
static int write_output(const struct import *o, const char *yaml, struct dmpi_err *err)
{
    if (!o->output) {
        dmpi_out_text(yaml);
        return 0;
    }
    if (!o->force && access(o->output, F_OK) == 0)
        return dmpi_err_set(err, DMPI_ECONFLICT, "%s exists: choose another name, or use --force",
                            o->output);
    return dmpi_io_write_file_atomic(o->output, yaml, strlen(yaml), 0644, err);
}

/* What the input could not tell and `up` will want to know. */
static void advise(const struct import *o, const struct dmpi_import *import)
{
    bool user = o->user != NULL, private_addr = true;
    for (size_t i = 0; i < import->n; i++) {
        user = user || import->hosts[i].user;
        private_addr = private_addr && import->hosts[i].private_addr;
    }
    for (size_t i = 0; i < import->left_out.n; i++)
        dmpi_out_note("left out: %s", import->left_out.v[i]);
    if (!user)
        dmpi_out_note("no ssh user is known: yours is taken; on EC2 give --user ubuntu (or admin, "
                      "ec2-user)");
    if (!private_addr && strcmp(import->kind, "hostfile") != 0)
        dmpi_out_note(
            "private addresses are missing: give addr for each node in the cluster file, or "
            "defaults.subnet for all");
    dmpi_autofree char *file = o->output ? dmpi_shquote(o->output) : NULL;
    if (file)
        dmpi_out_note("%s: %zu nodes from %s; next: `dockmpi up -f %s`", o->output, import->n,
                      import->kind, file);
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct import *o = arg;
    if (operands->n != 1)
        return dmpi_usage(err, "import takes one file, or - for standard input");
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(DMPI_IMPORT_MAX);
    struct dmpi_import import;
    struct dmpi_import_opts opts = {o->common.name, o->user, o->identity};
    dmpi_autofree char *yaml = NULL;
    const char *path = operands->v[0];
    if (read_input(&text, path, err) ||
        dmpi_import_parse(&import, dmpi_buf_str(&text), text.len, path, err))
        return -1;
    int rc = dmpi_import_yaml(&yaml, &import, &opts, err);
    if (rc == 0)
        rc = write_output(o, yaml, err);
    if (rc == 0)
        advise(o, &import);
    dmpi_import_free(&import);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"output", 'o', DMPI_OPT_STR, offsetof(struct import, output), "FILE",
     "write the cluster file there, not to standard output", 0, 0},
    {"user", 'u', DMPI_OPT_STR, offsetof(struct import, user), "NAME", "ssh user on the hosts", 0,
     0},
    {"identity", 'i', DMPI_OPT_STR, offsetof(struct import, identity), "FILE",
     "private key for ssh", 0, 0},
    {"force", 0, DMPI_OPT_FLAG, offsetof(struct import, force), NULL,
     "overwrite the file of --output", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_import = {
    .name = "import",
    .args = "FILE",
    .summary = "make a cluster file from a hostfile, an EC2 table, AWS or Terraform output",
    .details =
        "FILE (or - for standard input) is one of: a hostfile of Open MPI or MPICH; a table "
        "copied\n"
        "from the EC2 console; the output of aws ec2 describe-instances, terraform output -json "
        "or\n"
        "terraform show -json; a Terraform state file. Public addresses become control endpoints,\n"
        "private ones data addresses, and instance types choose the image profile.\n",
    .opts = opts,
    .opts_size = sizeof(struct import),
    .run = run,
};
