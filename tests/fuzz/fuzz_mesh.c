// SPDX-License-Identifier: MIT
// mesh.json as a container could have written it: whatever is accepted adds no line to a
// configuration file, and comes out as it went in.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "mesh/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void check(const struct dmpi_mesh *mesh)
{
    static const struct dmpi_mesh none;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh back;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *config = dmpi_mesh_ssh_config(mesh);
    dmpi_autofree char *empty = dmpi_mesh_ssh_config(&none);
    dmpi_autofree char *known = dmpi_mesh_known_hosts(mesh);
    dmpi_json_auto json_t *json = dmpi_mesh_to_json(mesh);
    dmpi_autofree char *text = dmpi_json_dump(json);

    if (count_lines(config) != count_lines(empty) + 4 * mesh->n || count_lines(known) != mesh->n)
        abort();
    if (dmpi_mesh_from_json(&back, text, strlen(text), &err) != 0 || back.n != mesh->n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    struct dmpi_mesh_self self;
    struct dmpi_err err = DMPI_ERR_INIT;
    const char *text = (const char *)data;

    if (dmpi_mesh_from_json(&mesh, text, size, &err) == 0)
        check(&mesh);
    dmpi_mesh_self_parse(&self, text, size, &err);
    return 0;
}
