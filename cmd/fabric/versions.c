// SPDX-License-Identifier: MIT
// Versions and build settings of what jobs are made of, from the libraries themselves where they tell,
// else from the programs that come with them.
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "probe.h"

#define TEXT 65536

// Function pointers from dlsym, which C does not let one assign.
static void symbol(void *into, void *library, const char *name)
{
    void *found = library ? dlsym(library, name) : NULL;
    memcpy(into, &found, sizeof found);
}

static void key_from(struct fab_json *json, const char *key, const char *text, const char *label)
{
    char line[8192];
    fab_line_after(line, sizeof line, text, label);
    fab_json_str(json, key, *line ? line : NULL);
}

// "mca:coll:ucc:version:..." names the component ucc of the framework coll.
static void components_json(struct fab_json *json, const char *text, const char *framework)
{
    char label[64], last[64] = "", name[64];
    int skip = snprintf(label, sizeof label, "mca:%s:", framework);
    fab_json_arr(json, framework);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, label, (size_t)skip) != 0)
            continue;
        int len = (int)strcspn(line + skip, ":\n");
        snprintf(name, sizeof name, "%.*s", len, line + skip);
        if (strcmp(name, last) != 0 && strcmp(name, "base") != 0)
            fab_json_str(json, NULL, name);
        snprintf(last, sizeof last, "%s", name);
    }
    fab_json_end(json, ']');
}

void fab_mpi_json(struct fab_json *json)
{
    static char text[8 * TEXT];
    static const char *const settings[] = {"ompi_info", "--parsable", "--config", NULL};
    static const char *const parts[] = {"ompi_info", "--parsable", NULL};
    static const char *const frameworks[] = {"pml", "btl", "mtl", "coll", "accelerator"};
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;
    MPI_Get_library_version(library, &n); // may be called without MPI_Init
    library[strcspn(library, ",\n")] = '\0';
    fab_json_obj(json, "mpi");
    fab_json_str(json, "library", library);
    fab_command(text, sizeof text, settings);
    key_from(json, "configured", text, "config:cli:");
    fab_command(text, sizeof text, parts);
    fab_json_obj(json, "components");
    for (size_t i = 0; i < sizeof frameworks / sizeof frameworks[0]; i++)
        components_json(json, text, frameworks[i]);
    fab_json_end(json, '}');
    fab_json_end(json, '}');
}

static void ucc_json(struct fab_json *json)
{
    static char text[TEXT];
    static const char *const argv[] = {"ucc_info", "-v", NULL};
    void *lib = dlopen("libucc.so.1", RTLD_LAZY);
    const char *(*version)(void);
    symbol(&version, lib, "ucc_get_version_string");
    if (!version) {
        fab_json_str(json, "ucc", NULL);
        return;
    }
    fab_json_obj(json, "ucc");
    fab_json_str(json, "version", version());
    fab_command(text, sizeof text, argv);
    key_from(json, "configured", text, "Configured with:");
    fab_json_end(json, '}');
}

// NCCL's code for 2.19.3 is 21903; before 2.9 it was 2708 for 2.7.8. RCCL is made likewise.
static void nccl_json(struct fab_json *json, const char *key, const char *file)
{
    void *lib = dlopen(file, RTLD_LAZY);
    int (*get)(int *version), code = 0;
    char text[32];
    symbol(&get, lib, "ncclGetVersion");
    if (!get || get(&code) != 0) {
        fab_json_str(json, key, NULL);
        return;
    }
    int major = code < 10000 ? 1000 : 10000;
    snprintf(text, sizeof text, "%d.%d.%d", code / major, code % major / 100, code % 100);
    fab_json_str(json, key, text);
}

void fab_libraries_json(struct fab_json *json)
{
    ucc_json(json);
    nccl_json(json, "nccl", "libnccl.so.2");
    nccl_json(json, "rccl", "librccl.so.1");
}

// Finds PyTorch without loading it, which takes seconds: its version stands in a file of its own.
#define TORCH_FILE                                                                                 \
    "import importlib.util as u, os, runpy\n"                                                      \
    "s = u.find_spec('torch')\n"                                                                   \
    "v = runpy.run_path(os.path.join(os.path.dirname(s.origin), 'version.py'))\n"                  \
    "for k in ('__version__', 'cuda', 'hip'): print(k, v.get(k) or '')\n"

#define TORCH_LOADED                                                                               \
    TORCH_FILE                                                                                     \
    "import torch, torch.distributed as d\n"                                                       \
    "print('backends', *(b for b in ('gloo', 'mpi', 'nccl', 'ucc')\n"                              \
    "      if getattr(d, 'is_%s_available' % b)()))\n"                                             \
    "print('gpus', torch.cuda.device_count())\n"                                                   \
    "print('configured', ' '.join(torch.__config__.show().split()))\n"

void fab_torch_json(struct fab_json *json, const char *python, bool full)
{
    static char text[TEXT];
    const char *const argv[] = {python, "-c", full ? TORCH_LOADED : TORCH_FILE, NULL};
    fab_command(text, sizeof text, argv);
    if (!strstr(text, "__version__")) {
        fab_json_str(json, "torch", NULL);
        return;
    }
    fab_json_obj(json, "torch");
    key_from(json, "version", text, "__version__");
    key_from(json, "cuda", text, "cuda");
    key_from(json, "hip", text, "hip");
    if (full) {
        key_from(json, "backends", text, "backends");
        key_from(json, "gpus", text, "gpus");
        key_from(json, "configured", text, "configured");
    }
    fab_json_end(json, '}');
}
