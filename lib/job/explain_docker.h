// SPDX-License-Identifier: MIT
// A container as the `docker run` that a person would type for it. Pure.
#ifndef DMPI_JOB_EXPLAIN_DOCKER_H
#define DMPI_JOB_EXPLAIN_DOCKER_H

#include <jansson.h>

#include "base/buf.h"
#include "base/strv.h"
#include "spec/endpoint.h"

// "docker", with the words that lead to that engine.
void dmpi_explain_engine(struct dmpi_strv *words, const struct dmpi_endpoint *ep);

// The flags of `docker run` for the objects that the Engine API calls Config and HostConfig; what belongs
// to dockmpi alone (labels, its own tmpfs, logs) is left out. Values of variables that look like secrets
// are left to the reader's environment. unknown gets the names of settings that it has no flag for.
void dmpi_explain_flags(struct dmpi_strv *words, const json_t *config, const json_t *host,
                        struct dmpi_strv *unknown);

// "--env=NAME=VALUE" or, for what looks like a secret, "--env=NAME".
void dmpi_explain_env(struct dmpi_strv *words, const char *entry);

// The command, quoted and broken into lines, with a newline at the end. raw is put after it as it is; it
// may be NULL.
void dmpi_explain_put(struct dmpi_buf *out, const struct dmpi_strv *words, const char *raw);

#endif
