// SPDX-License-Identifier: MIT
// Any words as program, environment and MCA parameters: mpirun sees no : that is not ours, the program
// comes last and whole, and nothing follows it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mpi/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dmpi_mpi_command *command, const struct dmpi_strv *program)
{
    const struct dmpi_strv *argv = &command->argv;
    size_t first = argv->n - program->n;

    for (size_t i = 0; i < argv->n; i++) {
        if (strcmp(argv->v[i], ":") == 0)
            abort();
    }
    for (size_t i = 0; i < program->n; i++) {
        const char *given = program->v[i];
        size_t len = strlen(given);

        if (strncmp(argv->v[first + i], given, len) != 0)
            abort();
        if (strlen(argv->v[first + i]) != len + (len > 0 && strspn(given, ":") == len))
            abort();
    }
    if (!strstr(command->job, "\nexec mpirun "))
        abort();
}

// The first byte decides the shape; each following line is a word, its first byte what it is for.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh = {0};
    DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_mpi_group group = {.profile = "cpu"};
    const struct dmpi_mesh_worker worker = {.alias = (char *)"worker-0",
                                            .node = (char *)"n",
                                            .addr = (char *)"10.0.0.1",
                                            .port = 20000,
                                            .slots = 4,
                                            .profile = (char *)"cpu",
                                            .host_public = (char *)"ssh-ed25519 AAAA",
                                            .cidr = (char *)"10.0.0.0/8"};

    if (size == 0 || dmpi_mesh_put(&mesh, &worker, &err) != 0)
        return 0;
    dmpi_autofree char *text = dmpi_xstrndup((const char *)data + 1, size - 1);
    struct dmpi_mpi_job job = {.mesh = &mesh, .groups = &group, .n_groups = 1, .np = data[0] & 7};
    struct dmpi_strv lines = dmpi_strv_split(text, '\n');
    for (size_t i = 0; i < lines.n; i++) {
        const char *line = lines.v[i];

        dmpi_strv_add(*line == 'e'   ? &job.env
                      : *line == 'm' ? &job.mca
                                     : &group.program,
                      *line ? line + 1 : line);
    }
    if (dmpi_mpi_compose(&command, &job, &err) == 0)
        check(&command, &group.program);
    dmpi_strv_free(&lines);
    dmpi_strv_free(&job.env);
    dmpi_strv_free(&job.mca);
    dmpi_strv_free(&group.program);
    return 0;
}
