// SPDX-License-Identifier: MIT
// The body of POST /containers/create for launcher and workers. Private to lib/spec.
#ifndef DMPI_SPEC_BODY_H
#define DMPI_SPEC_BODY_H

#include "spec/plan.h"

// Fills m->create and m->spec_hash from the other fields of m.
void dmpi_body_make(struct dmpi_plan_member *m, const struct dmpi_spec *spec);

// The parts that all containers of ours share: standard streams, user, stop time, Cmd.
json_t *dmpi_body_base(const char *cluster, enum dmpi_role role, int index);

// Adds the label with the hash of the body; the labels of origin and hash are not part of it. The
// hash is owned by the caller.
char *dmpi_body_seal(json_t *body, const char *origin);

#endif
