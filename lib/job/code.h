// SPDX-License-Identifier: MIT
// What is to be run: a built-in job, a local file or folder, or a program of the image.
#ifndef DMPI_JOB_CODE_H
#define DMPI_JOB_CODE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"

enum dmpi_code_kind {
    DMPI_CODE_PROGRAM, // already in the image
    DMPI_CODE_BUILTIN, // images/jobs/NAME/
    DMPI_CODE_FILE,    // a local file
    DMPI_CODE_DIR,     // a local folder
};

enum dmpi_code_how {
    DMPI_HOW_DIRECT, // the kernel runs it
    DMPI_HOW_SHELL,  // sh FILE
    DMPI_HOW_PYTHON, // interpreter of the worker's image profile
};

// Strings are owned; those that do not apply are NULL.
struct dmpi_job_code {
    enum dmpi_code_kind kind;
    enum dmpi_code_how how;
    char *label;  // program and arguments on one line, for people
    char *local;  // what is synced: file or folder
    char *place;  // where it goes, relative to the work folder: "x.py", "dir", ".dockmpi/NAME"
    char *script; // what is run, relative to the work folder: "dir/train.py"
    struct dmpi_strv argv; // program: argv; else: arguments of the script
    struct dmpi_strv env;  // KEY=VALUE that the job brings along
    int np;                // ranks that the job asks for, 0: one for each slot
    char *backend_option;  // how the program takes --backend; NULL: it does not
};

// Finds out what words[0] is, the other words being its arguments. With program set nothing is
// looked up. Otherwise: what contains '/' or ends in a known suffix and exists, is a file or folder; a
// name of images_dir/jobs is a built-in job (also when a folder of that name exists here: write
// ./NAME for that); any other existing file or folder; else DMPI_ENOTFOUND, naming what is near.
// A file: NAME.py, NAME.sh, or one that begins with #! or is an ELF program. A folder: job.yaml with
// `program:` in it, or __main__.py. *out is owned by the caller and empty after an error.
int dmpi_job_code_find(struct dmpi_job_code *out, const char *images_dir,
                       const struct dmpi_strv *words, bool program, struct dmpi_err *err);

void dmpi_job_code_free(struct dmpi_job_code *code); // NULL is allowed

// Appends the argv of one rank. interpreter is that of the rank's image, NULL: "python3". backend
// (NULL: none) is passed as the program's own option; DMPI_EINVAL when it has none.
int dmpi_job_code_argv(struct dmpi_strv *out, const struct dmpi_job_code *code, const char *workdir,
                       const char *interpreter, const char *backend, struct dmpi_err *err);

#endif
