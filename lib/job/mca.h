// SPDX-License-Identifier: MIT
// Which MCA parameters the images of a job know: asked in one worker of each, because Open MPI ignores
// what it does not know.
#ifndef DMPI_JOB_MCA_H
#define DMPI_JOB_MCA_H

#include <stddef.h>

#include "base/ctl.h"
#include "base/strv.h"
#include "cluster/state.h"
#include "job/run.h"
#include "mesh/mesh.h"

struct dmpi_fleet;

struct dmpi_mca {
    struct dmpi_mca_image {
        char *profile;
        char *release;          // of its Open MPI, such as "5.0.7"; NULL: not known
        struct dmpi_strv names; // sorted by bytes; with those of its launch daemons
        // Kinds of memory that its UCX sends and receives on that node ("host", "cuda", "rocm"), as
        // `fabric probe` says; empty when that was not asked or the image does not have it.
        struct dmpi_strv memory;
    } * images;
    size_t n;
};

// Asks what the job needs to know: nothing where all workers have one image, neither user nor profile sets a
// parameter and auto has nothing to decide. An image that cannot be asked is left out.
void dmpi_job_mca_ask(struct dmpi_mca *out, const struct dmpi_run_opts *opts,
                      const struct dmpi_mesh *mesh, const struct dmpi_state *state,
                      const char *cluster, struct dmpi_fleet *fleet, const struct dmpi_ctl *ctl);
void dmpi_job_mca_free(struct dmpi_mca *mca); // NULL is allowed

// What is known of a profile's image, borrowed; NULL when it was not asked (mca may be NULL).
const struct dmpi_mca_image *dmpi_job_mca_of(const struct dmpi_mca *mca, const char *profile);

// Reads what the script in an image printed. For tests, too.
void dmpi_job_mca_parse(struct dmpi_mca_image *out, const char *profile, const char *text);

#endif
