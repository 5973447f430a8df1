// SPDX-License-Identifier: MIT
// Whatever the text: it loads or fails with a named place, every value that loads has a line, and
// what loads can be written as JSON and loaded again to the same value.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void walk(const struct dmpi_yaml *y, const json_t *j, const char *path)
{
    check(dmpi_yaml_line(y, path) > 0);
    const json_t *item;
    size_t i;
    json_array_foreach (j, i, item) {
        dmpi_autofree char *below = dmpi_xasprintf("%s[%zu]", path, i);
        walk(y, item, below);
    }
}

static void check_json_is_a_subset(const json_t *root)
{
    dmpi_autofree char *text = dmpi_json_dump(root);
    dmpi_json_auto json_t *again = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_json_parse(&again, text, strlen(text), &err) != 0)
        abort();
    check(json_equal(root, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_yaml_load(&y, (const char *)data, size, "in", &err) != 0) {
        check(!y.root && err.code == DMPI_EPARSE && strncmp(err.msg, "in:", 3) == 0);
        return 0;
    }
    walk(&y, y.root, "");
    check_json_is_a_subset(y.root);
    // arbitrary text as a path must not trip the look-up
    dmpi_autofree char *path = dmpi_xmemdup(data, size);
    (void)dmpi_yaml_line(&y, path);
    return 0;
}
