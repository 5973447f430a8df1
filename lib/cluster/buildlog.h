// SPDX-License-Identifier: MIT
// What an engine says while it builds an image, made into lines, and into one line after a failure.
#ifndef DMPI_CLUSTER_BUILDLOG_H
#define DMPI_CLUSTER_BUILDLOG_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "cluster/build.h"

#define DMPI_BUILDLOG_TAIL 4

struct dmpi_buildlog {
    const char *image;                  // borrowed
    const struct dmpi_build_opts *opts; // borrowed
    struct dmpi_buf line;               // output that has no newline yet
    char *step;                         // the running step, "Step 2/5 : RUN ..."; NULL: none yet
    char *container;                    // id of its container; NULL: it has none
    char *tail[DMPI_BUILDLOG_TAIL];     // the last lines of output, a ring
    unsigned n_tail;                    // lines of output of this step so far
};

void dmpi_buildlog_init(struct dmpi_buildlog *out, const char *image,
                        const struct dmpi_build_opts *opts);
void dmpi_buildlog_free(struct dmpi_buildlog *log);

// A dmpi_json_cb: takes one object of the stream (arg is the log) and tells its lines. Always 0.
int dmpi_buildlog_object(void *arg, json_t *object, struct dmpi_err *err);

// Rewrites the error of a failed build: image, step, the engine's reason, the last lines of output.
// Returns -1.
int dmpi_buildlog_error(struct dmpi_buildlog *log, struct dmpi_err *err);

#endif
