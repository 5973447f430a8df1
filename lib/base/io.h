// SPDX-License-Identifier: MIT
// Files and directories.
#ifndef DMPI_BASE_IO_H
#define DMPI_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

// Appends the whole file to out. More than max bytes (or than out takes) is DMPI_EINVAL "too
// large". out->max is raised to max when it is smaller.
int dmpi_io_read_file(struct dmpi_buf *out, const char *path, size_t max, struct dmpi_err *err);

// Writes all len bytes, through short writes and EINTR, and waiting where fd is non-blocking.
int dmpi_io_write_all(int fd, const void *data, size_t len, struct dmpi_err *err);

// Puts the data into a temporary file beside path, syncs it and renames it: readers see the old or
// the new content. The file gets exactly the given mode. Only regular files are replaced.
int dmpi_io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
                              struct dmpi_err *err);

// Makes path and the folders above it that are missing, with the given mode (less the umask).
int dmpi_io_mkdirs(const char *path, mode_t mode, struct dmpi_err *err);

// The umask of this process. umask() could only tell it by changing it, for all threads.
mode_t dmpi_io_umask(void);

// $HOME, or the password database's entry, or "/". Owned by the caller, never NULL.
char *dmpi_io_home(void);

// $XDG_CONFIG_HOME/dockmpi and $XDG_CACHE_HOME/dockmpi with their usual defaults (relative values
// are ignored, as the standard wants). Not created. Owned by the caller, never NULL.
char *dmpi_io_config_dir(void);
char *dmpi_io_cache_dir(void);

// path with a leading "~" or "~/" replaced by the home folder. Owned by the caller.
char *dmpi_io_expand_home(const char *path);

// DIR/NAME, or NAME alone when it is absolute or dir is "". Owned by the caller.
char *dmpi_io_join(const char *dir, const char *name);

#endif
