// SPDX-License-Identifier: MIT
// fabric probe: what is there, as one JSON object.
#ifndef FABRIC_PROBE_H
#define FABRIC_PROBE_H

#include <stdbool.h>
#include <stdio.h>

#include "jsonw.h"

// Writes it to out; python is the interpreter whose PyTorch is meant. With `full` PyTorch is loaded
// (seconds) to learn its backends and build settings. The exit code of the program.
int fab_probe(FILE *out, const char *python, bool full);

// Parts of it, each a key of the object; null when it is not there.
void fab_ucx_json(struct fab_json *json);                                  // ucx.c
void fab_mpi_json(struct fab_json *json);                                  // versions.c
void fab_libraries_json(struct fab_json *json);                            // versions.c
void fab_torch_json(struct fab_json *json, const char *python, bool full); // versions.c

#endif
