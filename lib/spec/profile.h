// SPDX-License-Identifier: MIT
// Image profiles: a folder images/NAME/ with image.yaml and, when dockmpi can build the image, a
// Dockerfile. A new variant of hardware is a new folder.
#ifndef DMPI_SPEC_PROFILE_H
#define DMPI_SPEC_PROFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

enum dmpi_gpu { DMPI_GPU_NONE, DMPI_GPU_NVIDIA, DMPI_GPU_AMD };

// "", "nvidia", "amd"; static.
const char *dmpi_gpu_name(enum dmpi_gpu gpu);

#define DMPI_MEMLOCK_UNLIMITED (-1)

// Each field is the key of the same name in image.yaml, except where said. Unknown keys are errors.
// Strings are owned; optional ones are NULL.
struct dmpi_profile {
    char *name;                    // the folder's name
    char *dir;                     // the folder
    bool build;                    // it holds a Dockerfile
    char *image;                   // image reference; default dockmpi/NAME:latest
    char *from;                    // profile, or image, that the Dockerfile builds on; optional
    char *launcher;                // profile of the launcher that its workers need; optional
    char *summary;                 // one line for people; optional
    char *interpreter;             // for .py programs, such as /usr/bin/python3; optional
    char *sshd;                    // path inside the image; NULL: found by the container itself
    char *mpirun;                  // path inside the image; NULL: "mpirun" of its PATH
    char *shell;                   // for `dockmpi shell`; default /bin/sh
    char *tune;                    // default for --tune; optional
    char *backend;                 // default for --backend (mpi, gloo, nccl); optional
    struct dmpi_strv env;          // mapping KEY: value, or list of KEY=VALUE
    struct dmpi_strv mpirun_args;  // list, placed before the program
    struct dmpi_strv devices;      // list of /dev/X or /dev/X:/dev/Y[:rwm]
    struct dmpi_strv groups;       // list of group names or numbers
    struct dmpi_strv cap_add;      // list
    struct dmpi_strv security_opt; // list
    struct dmpi_strv library_path; // list of folders for LD_LIBRARY_PATH
    enum dmpi_gpu gpu;             // "nvidia" or "amd": all GPUs of the node
    int64_t shm_size;              // bytes ("8G" in the file); 0: not given
    int64_t memlock;               // bytes, or DMPI_MEMLOCK_UNLIMITED ("unlimited"); 0: not given
    bool ipc_host;                 // "ipc: host"
    json_t *host_config;           // object, merged into the engine's HostConfig; NULL: none
    bool pip;                      // its build gets what pip needs on this machine (cluster/pip.h)
    bool launcher_only;            // has no place in a worker
    struct dmpi_strv context; // list of folders, relative to dir, that the build gets besides it
};

// Where the profiles are: $DOCKMPI_IMAGES; or images/ beside the folder of the running program (a
// build tree); or the installed one. Owned by the caller. DMPI_ENOTFOUND names the places.
int dmpi_images_dir(char **out, struct dmpi_err *err);

// Loads the profile `name` from images_dir, strictly: errors carry file and line. An unknown name is
// DMPI_ENOTFOUND and lists what exists. *out is owned by the caller and empty after an error.
int dmpi_profile_load(struct dmpi_profile *out, const char *images_dir, const char *name,
                      struct dmpi_err *err);

// The same from text, for tests and checks; dir and build are left empty. file is for messages.
int dmpi_profile_parse(struct dmpi_profile *out, const char *text, size_t len, const char *name,
                       const char *file, struct dmpi_err *err);

void dmpi_profile_free(struct dmpi_profile *profile); // empty afterwards; NULL is allowed

// Appends the names of all profiles, sorted.
int dmpi_profile_list(struct dmpi_strv *out, const char *images_dir, struct dmpi_err *err);

#endif
