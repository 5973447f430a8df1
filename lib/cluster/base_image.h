// SPDX-License-Identifier: MIT
// The image below all others: a small Debian, pulled or made.
#ifndef DMPI_CLUSTER_BASE_IMAGE_H
#define DMPI_CLUSTER_BASE_IMAGE_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/build.h"

struct dmpi_engine;

// Whether ref is one of the images that dmpi_base_ensure can provide: dockmpi/base:SUITE, where SUITE
// is the name of a Debian release.
bool dmpi_base_is(const char *ref);

// Sees to it that the engine has ref. If it has not: the registry's debian:SUITE-slim is pulled and
// tagged, or, where the engine cannot pull it, images_dir/base/make (debootstrap on this machine) makes
// a root file system, which is imported. If both fail the error tells why for both.
int dmpi_base_ensure(struct dmpi_engine *engine, const char *images_dir, const char *ref,
                     const struct dmpi_build_opts *opts, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err);

#endif
