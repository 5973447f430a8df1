// SPDX-License-Identifier: MIT
// Which options a container was made with, so that `up` can say which of them are others now. The hash of the
// whole (DMPI_LABEL_SPEC) only says that something is.
#ifndef DMPI_SPEC_GIVEN_H
#define DMPI_SPEC_GIVEN_H

#include "spec/spec.h"

// Value of the label: "env:1b2c3d4e volume:5f6a7b8c", each option that is given with a short hash of its
// value; "-" where none is. Owned by the caller.
char *dmpi_given_label(const struct dmpi_spec *spec);

// What is other in `now` than in `before`, both such values: "--volume, --user: not given this time; --env: other
// than before". NULL where nothing is, or where one of them is unknown ("" or NULL). `before` may be
// anything: a container can have any label. Owned by the caller.
char *dmpi_given_changes(const char *before, const char *now);

#endif
