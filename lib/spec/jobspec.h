// SPDX-License-Identifier: MIT
// Built-in jobs: a folder images/jobs/NAME/ with job.yaml and the program.
#ifndef DMPI_SPEC_JOBSPEC_H
#define DMPI_SPEC_JOBSPEC_H

#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

// Each field is the key of the same name in job.yaml, except where said. Unknown keys are errors.
struct dmpi_jobspec {
    char *name;            // the folder's name
    char *dir;             // the folder; all its files but job.yaml go along with the program
    char *folder;          // another job whose folder dir is: jobs that share a program; optional
    char *program;         // script inside the folder, required
    char *summary;         // one line for people; optional
    char *usage;           // arguments of the program, for people; optional
    struct dmpi_strv args; // given when the user gives none
    struct dmpi_strv env;  // mapping KEY: value, or list of KEY=VALUE
    int np;                // ranks; 0: one for each slot
    char *backend_option;  // option by which the program takes --backend ("--backend"); optional
};

// Loads images_dir/jobs/name/job.yaml, strictly. An unknown name is DMPI_ENOTFOUND and lists what
// exists. *out is owned by the caller and empty after an error.
int dmpi_jobspec_load(struct dmpi_jobspec *out, const char *images_dir, const char *name,
                      struct dmpi_err *err);
int dmpi_jobspec_parse(struct dmpi_jobspec *out, const char *text, size_t len, const char *name,
                       const char *file, struct dmpi_err *err);
void dmpi_jobspec_free(struct dmpi_jobspec *job); // empty afterwards; NULL is allowed

// Appends the names of all built-in jobs, sorted.
int dmpi_jobspec_list(struct dmpi_strv *out, const char *images_dir, struct dmpi_err *err);

#endif
