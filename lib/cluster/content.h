// SPDX-License-Identifier: MIT
// What an image is, whatever it is called and however an engine keeps it.
#ifndef DMPI_CLUSTER_CONTENT_H
#define DMPI_CLUSTER_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/strv.h"

struct dmpi_engine;

struct dmpi_content {
    bool present;
    // Equal for images with the same layers and the same configuration (environment, command, user,
    // labels and the like). The image's id cannot tell that: engines with different stores give
    // different ids to the same image, and a rebuilt one that came out the same has another date.
    char digest[DMPI_SHA256_HEX];
    struct dmpi_strv layers; // digests of the uncompressed layers, lowest first
    int64_t created;         // unix seconds; 0: not known
    char *pulled; // "REPO@sha256:..." when it came from a registry under this name; else NULL
};

// Asks an engine for image `ref`. An absent one is a success with present false. *out is to be freed,
// also after an error.
int dmpi_content_find(struct dmpi_content *out, struct dmpi_engine *engine, const char *ref,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err);

// The same from what GET /images/REF/json answered. *out is to be freed.
void dmpi_content_of(struct dmpi_content *out, const json_t *inspected, const char *ref);

// Both present and the same image.
bool dmpi_content_same(const struct dmpi_content *a, const struct dmpi_content *b);

void dmpi_content_free(struct dmpi_content *content); // absent afterwards

// "2026-11-21T12:00:00.123Z" as unix seconds, 0 if it is not like that.
int64_t dmpi_content_time(const char *text);

#endif
