// SPDX-License-Identifier: MIT
// Output whose lines tell their rank (run --tag, --output), taken apart again.
//
// "3: text" is a line of rank 3, "3; text" a part of one, whose newline is not the rank's own. Other
// lines are mpirun's and ours.
#ifndef DMPI_JOB_RANKLOG_H
#define DMPI_JOB_RANKLOG_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/stream.h"

struct dmpi_ranklog;

// What comes goes to `to`: with the tags or without. And into the folder dir (NULL: none), which is made
// where it is not there: rank-N.log has what rank N wrote to standard output, rank-N.err what it wrote to
// standard error, if anything, job.log the rest. Such files of an earlier job are removed; modes are those of the umask.
// `ranks`: how many there are; what claims to be of another one is not.
int dmpi_ranklog_open(struct dmpi_ranklog **out, const struct dmpi_streams *to, bool tags,
                      const char *dir, int ranks, struct dmpi_err *err);

// Where the output goes in; valid until the close. A file that cannot be written is an error of the sink.
struct dmpi_streams dmpi_ranklog_streams(struct dmpi_ranklog *log);

// Ends it; what is unfinished is handed on. NULL is allowed.
int dmpi_ranklog_close(struct dmpi_ranklog *log, struct dmpi_err *err);

#endif
