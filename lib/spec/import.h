// SPDX-License-Identifier: MIT
// A cluster file out of what people have already: a hostfile, a table copied from the EC2 console,
// `aws ec2 describe-instances`, `terraform output -json`, `terraform show -json` (or a state file).
// Nothing here looks anything up.
#ifndef DMPI_SPEC_IMPORT_H
#define DMPI_SPEC_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

#define DMPI_IMPORT_MAX (16U << 20) // bytes of input
#define DMPI_IMPORT_HOSTS_MAX 4096

// One host. Strings are owned and checked: they hold nothing that YAML or a URL could trip over.
struct dmpi_import_host {
    char *name;         // unique, fit for a node
    char *id;           // of the instance; NULL: unknown
    char *type;         // of the instance ("g4dn.xlarge"); NULL: unknown
    char *user;         // NULL: not told
    char *public_addr;  // address or host name for control; NULL: none
    char *private_addr; // address for data; NULL: none
    int slots;          // 0: not told
};

struct dmpi_import {
    const char *kind; // "hostfile", "table", "AWS", "Terraform"; static
    struct dmpi_import_host *hosts;
    size_t n;
    long launcher;             // index of the host that only launches; -1: none stands out
    struct dmpi_strv left_out; // "i-0abc: stopped": what was seen and not taken
};

// What the user adds. Each may be NULL.
struct dmpi_import_opts {
    const char *name;     // of the cluster
    const char *user;     // for ssh
    const char *identity; // key file for ssh
};

// Finds out what the text is and reads it. name is for messages. *out is owned by the caller, and
// empty after an error: DMPI_EPARSE when nothing in it is a host.
int dmpi_import_parse(struct dmpi_import *out, const char *text, size_t len, const char *name,
                      struct dmpi_err *err);
void dmpi_import_free(struct dmpi_import *import); // empty afterwards; NULL is allowed

// The text of a cluster file that dmpi_spec_make accepts: public addresses as control endpoints,
// private ones as data addresses, instance types as image profiles. Owned by the caller. DMPI_EINVAL
// when an option could not stand in it.
int dmpi_import_yaml(char **out, const struct dmpi_import *import,
                     const struct dmpi_import_opts *opts, struct dmpi_err *err);

// The image profile for an instance type: "g4dn" (NVIDIA), "g4ad" (AMD), else "cpu". NULL gives "cpu".
const char *dmpi_import_profile(const char *type);

#endif
