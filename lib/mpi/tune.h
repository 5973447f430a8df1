// SPDX-License-Identifier: MIT
// Named sets of MCA parameters (--tune), and which of them each image of a job gets.
#ifndef DMPI_MPI_TUNE_H
#define DMPI_MPI_TUNE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/profile.h"

struct dmpi_tune {
    const char *name;
    const char *summary;
    const char *pml;        // the point-to-point layer that it chooses; NULL: Open MPI's choice
    bool ucc;               // collectives by UCC
    const char *const *mca; // "KEY=VALUE", NULL-terminated
    const char *const *env; // the same, variables of the ranks
};

// The set with that name; NULL or "" is "auto". NULL with DMPI_EINVAL, listing what exists.
const struct dmpi_tune *dmpi_tune_find(const char *name, struct dmpi_err *err);
// NULL-terminated array of all sets.
const struct dmpi_tune *const *dmpi_tune_all(void);

// What is known of an image of the job. Borrowed.
struct dmpi_tune_group {
    const char *profile;
    const char *tune;               // the profile's default; NULL: none
    enum dmpi_gpu gpu;              // of its workers
    bool rdma;                      // every worker's network interface has an RDMA device
    const struct dmpi_strv *known;  // MCA parameters that its Open MPI has, sorted; NULL: not asked
    const struct dmpi_strv *memory; // kinds of memory that its UCX knows; NULL: not asked
    const char *release;            // of its Open MPI, such as "5.0.7"; NULL: not known
    const struct dmpi_strv *args;   // the profile's arguments for mpirun; NULL: none
};

// What one image gets.
struct dmpi_tuned {
    const struct dmpi_tune *set;
    const char *const *env; // variables for its ranks: of the set, of its GPUs, of a mixed world
    const char *why;        // for people; static
};

// Chooses for n images; wanted is --tune, NULL when the user said nothing, mca the user's --mca. All
// ranks of a world must use the same point-to-point layer, and collectives by UCC all or none: images
// without a wish of their own follow the others. Where only some have GPUs none uses UCC. DMPI_EINVAL: an
// unknown set; images whose wishes exclude each other; a --tune that --mca contradicts, that suits no image, or
// that asks for UCC where only some have GPUs.
int dmpi_tune_choose(struct dmpi_tuned *out, const struct dmpi_tune_group *groups, size_t n,
                     const char *wanted, const struct dmpi_strv *mca, struct dmpi_err *err);

// Whether a group's Open MPI has a parameter; true also when it was not asked.
bool dmpi_tune_knows(const struct dmpi_tune_group *group, const char *parameter);

// Whether the images' releases of Open MPI can be one world, as far as they are known. DMPI_EINVAL names two
// that cannot. Between 5.0.10 and 5.0.11 the internal tags of collectives changed (ompi/mca/coll/base/coll_tags.h):
// ranks of both find each other, and hang at the first communicator that they make together.
int dmpi_tune_releases(const struct dmpi_tune_group *groups, size_t n, struct dmpi_err *err);

// Whether every parameter of the chosen sets, of the profiles' arguments and of the user's mca is one that each
// image's Open MPI has, as far as that was asked. DMPI_EINVAL names image, parameter, and a similar one.
int dmpi_tune_check(const struct dmpi_tuned *tuned, const struct dmpi_tune_group *groups, size_t n,
                    const struct dmpi_strv *mca, struct dmpi_err *err);

#endif
