// SPDX-License-Identifier: MIT
// One image, taken out of an engine once and kept in unnamed temporary files, layer by layer, so that
// it can be given to any number of other engines at the same time, each getting the layers it lacks.
#ifndef DMPI_CLUSTER_SPOOL_H
#define DMPI_CLUSTER_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/stream.h"

struct dmpi_engine;
struct dmpi_spool;

// Called with the bytes that were read so far. May be NULL where it is taken.
typedef void dmpi_spool_progress(void *arg, uint64_t bytes);

// Saves image `ref` ("dockmpi/cpu:latest") of `engine`. It takes the image's size in $TMPDIR (else
// /var/tmp), which is free again after dmpi_spool_free, whatever becomes of this process. Understands
// what Docker 20.10 and newer write. Errors: DMPI_ENOTFOUND, DMPI_ESYS (disk full), DMPI_EPARSE.
int dmpi_spool_make(struct dmpi_spool **out, struct dmpi_engine *engine, const char *ref,
                    dmpi_spool_progress *progress, void *arg, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err);
void dmpi_spool_free(struct dmpi_spool *spool); // NULL is allowed

// The digests of the uncompressed layers, lowest first, as in an image's RootFS.Layers. Borrowed.
const struct dmpi_strv *dmpi_spool_layers(const struct dmpi_spool *spool);

// The name that the image was saved under. Borrowed.
const char *dmpi_spool_ref(const struct dmpi_spool *spool);

// A stretch of the image: its layers from `skip` up to `end`. With end below the number of layers it
// makes an image of its own under `name`, which holds the layers up to there until the next stretch
// builds on it; else it makes the image itself, and name is not used.
struct dmpi_spool_part {
    size_t skip, end;
    const char *name;
};

// The end of a stretch from `skip` that is worth a step of its own: at least `bytes`, and no small
// rest after it.
size_t dmpi_spool_stop(const struct dmpi_spool *spool, size_t skip, uint64_t bytes);

// Bytes of the layers from `skip` on.
uint64_t dmpi_spool_bytes(const struct dmpi_spool *spool, size_t skip);

// A short word for exactly this image, fit for a tag. Borrowed.
const char *dmpi_spool_word(const struct dmpi_spool *spool);

// A stretch as an archive for POST /images/load: an OCI layout that also has Docker's own
// manifest.json, the one form which every engine from 20.10 on completes from layers that it has. To
// be freed; several may be read at once from one spool.
struct dmpi_spool_reader;
struct dmpi_spool_reader *dmpi_spool_open(const struct dmpi_spool *spool,
                                          const struct dmpi_spool_part *part);
struct dmpi_source dmpi_spool_source(struct dmpi_spool_reader *reader);
uint64_t dmpi_spool_sent(const struct dmpi_spool_reader *reader); // bytes that were read
void dmpi_spool_close(struct dmpi_spool_reader *reader);          // NULL is allowed

#endif
