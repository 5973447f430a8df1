// SPDX-License-Identifier: MIT
// What the readers of the several inputs share. Private to lib/spec.
#ifndef DMPI_SPEC_IMPORTER_H
#define DMPI_SPEC_IMPORTER_H

#include <jansson.h>

#include "spec/import.h"

// What was read of a host, borrowed or NULL, and not checked yet. addr6 is for control where there is
// no public_addr.
struct dmpi_found {
    const char *name, *id, *type, *user, *public_addr, *private_addr, *addr6;
    const char *state; // "running"; NULL: unknown
    int slots;
};

// Takes a host: what is malformed is dropped from it; one without any address, or that does not run,
// goes to left_out; one that is known already (by id or private address) is completed. Hosts beyond
// DMPI_IMPORT_HOSTS_MAX are ignored.
void dmpi_import_add(struct dmpi_import *import, const struct dmpi_found *found);

void dmpi_import_host_free(struct dmpi_import_host *host); // empty afterwards

// The address to reach the host's engine by. Borrowed.
const char *dmpi_import_control(const struct dmpi_import_host *host);

// Whether text is a name of an instance type of EC2 ("g4dn.xlarge", "m7i.metal-24xl").
bool dmpi_is_ec2_type(const char *text);
// Whether text is an instance id of EC2.
bool dmpi_is_ec2_id(const char *text);
// Whether an IPv4 address is of a private network.
bool dmpi_is_private_addr(const char *addr);
// Whether text is an IPv6 address that is good beyond one link.
bool dmpi_is_global_addr6(const char *text);
// The address inside a name that EC2 gives (ec2-18-1-2-3.compute.amazonaws.com, ip-172-31-0-1.ec2.internal);
// NULL when it is no such name. *is_private tells which. Owned by the caller.
char *dmpi_ec2_name_addr(const char *host, bool *is_private);

// The readers. Each adds hosts; none complains: the caller looks whether there are any.
void dmpi_import_aws(struct dmpi_import *import, const json_t *root);
void dmpi_import_terraform(struct dmpi_import *import, const json_t *root);
void dmpi_import_table(struct dmpi_import *import, const char *text, size_t len);

#endif
