// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_RELAX_H
#define DMPI_ENGINE_RELAX_H

#include <jansson.h>

/*
 * Engines refuse what their host does not let them do, or what they never learnt: an init process
 * (Podman without catatonit, Docker without docker-init), limits above their own, the size of a
 * /dev/shm that is the host's. A container can do without; better that than no container.
 *
 * Takes out of a create body what an engine's refusal is about. Returns what that was, in words for
 * a person (constant); NULL when the refusal is about something else, body is then as it was.
 * Each call takes out one thing, so calling it again and again comes to an end.
 */
const char *dmpi_relax(json_t *body, const char *refusal);

#endif
