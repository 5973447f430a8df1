// SPDX-License-Identifier: MIT
// What spool.c (writing) and spool_read.c (reading) share.
#ifndef DMPI_CLUSTER_SPOOL_IMPL_H
#define DMPI_CLUSTER_SPOOL_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/strv.h"

// A layer's tar, in the one temporary file.
struct dmpi_spool_layer {
    char digest[DMPI_SHA256_HEX]; // of the bytes as they are kept
    bool compressed;              // then digest is not the layer's diff id
    uint64_t offset, size;
};

struct dmpi_spool {
    char *ref;
    int fd;
    char *config; // the image's configuration, exactly as the engine wrote it
    size_t config_len;
    char config_digest[DMPI_SHA256_HEX];
    char word[13]; // its beginning
    struct dmpi_strv diff_ids;
    struct dmpi_spool_layer *layers; // one for each diff id
};

#endif
