// SPDX-License-Identifier: MIT
/* Output of many containers on one stream: whole lines, each with the name of where it came from. */
#ifndef DMPI_CMD_LABEL_H
#define DMPI_CMD_LABEL_H

#include "base/buf.h"
#include "engine/stream.h"

/* One container's output stream. Every line is written at once, under a lock of all of them. */
struct dmpi_label {
    char *name; /* made harmless; NULL: lines go out without a label */
    int fd;
    struct dmpi_buf partial;
};

/** A label for what goes to fd. `name` is copied, with control bytes neutralised; the text itself stays as it is. */
void dmpi_label_init(struct dmpi_label *out, const char *name, int fd);

/** A sink that writes through `label`, which must outlive it. */
struct dmpi_sink dmpi_label_sink(struct dmpi_label *label);

/** Writes a last line that had no newline, and frees. */
void dmpi_label_finish(struct dmpi_label *label);

#endif
