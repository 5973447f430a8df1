// SPDX-License-Identifier: MIT
// What `ssh -G` prints: taken over twice it is the same as once, and what is to be run or opened has no token left.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transport/ssh_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

// Without its tokens a command stays as it is, and with them none is left but what %% made.
static void check_expanded(const struct dmpi_ssh_config *c, const char *command)
{
    dmpi_autofree char *text = dmpi_ssh_config_expand(c, command);
    if (!strchr(command, '%'))
        check(same(text, command) || strlen(command) > 60000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dmpi_autofree char *text = dmpi_xmemdup(data, size);
    struct dmpi_ssh_config once = {.port = 22};
    struct dmpi_ssh_config twice = {.port = 22};
    dmpi_ssh_config_parse(&once, text);
    dmpi_ssh_config_parse(&twice, text);
    dmpi_ssh_config_parse(&twice, text);
    check(once.port >= 1 && once.port <= 65535 && once.port == twice.port);
    check(same(once.host, twice.host) && same(once.user, twice.user) &&
          same(once.agent, twice.agent));
    check(same(once.proxy_jump, twice.proxy_jump) && same(once.proxy_command, twice.proxy_command));
    check(same(once.beyond, twice.beyond) && same(once.host_key_alias, twice.host_key_alias));
    for (size_t i = 0; i < once.identities.n; i++)
        check(once.identities.v[i][0] != '\0');
    for (size_t i = 0; i < once.known_hosts.n; i++)
        check(once.known_hosts.v[i][0] != '\0');
    if (once.proxy_command)
        check_expanded(&once, once.proxy_command);
    check_expanded(&once, text);
    dmpi_ssh_config_free(&once);
    dmpi_ssh_config_free(&twice);
    return 0;
}
