// SPDX-License-Identifier: MIT
// Folders that are found by name: image profiles and built-in jobs. Private to lib/spec.
#ifndef DMPI_SPEC_FOLDERS_H
#define DMPI_SPEC_FOLDERS_H

#include "base/err.h"
#include "base/strv.h"

// Appends, sorted, the names of the folders in `dir` that hold `file`.
int dmpi_folder_list(struct dmpi_strv *out, const char *dir, const char *file,
                     struct dmpi_err *err);

// Whether dir/name/file exists; otherwise DMPI_ENOTFOUND with what exists and the nearest name.
// A malformed name is DMPI_EINVAL. what is the kind of thing ("image profile").
int dmpi_folder_check(const char *what, const char *dir, const char *name, const char *file,
                      struct dmpi_err *err);

#endif
