// SPDX-License-Identifier: MIT
// What our containers run: shell text in their Entrypoint, so that any image with a POSIX shell,
// tar, coreutils and sshd will do. The client, attached since before the start, first reads the
// facts of the node, then sends one tar on standard input.
//
// Standard output of a worker:   facts (spec/facts.sh), then sshd's own lines on stderr, of which
//                                "Server listening on" tells that it is ready
// Standard output of a launcher: facts, then DMPI_READY_LINE
// Standard output of a job:      what /etc/dockmpi/run-job prints; what follows the tar on standard
//                                input is the job's
#ifndef DMPI_SPEC_SCRIPT_H
#define DMPI_SPEC_SCRIPT_H

#include <jansson.h>
#include <stdint.h>

#include "base/strv.h"

#define DMPI_READY_LINE "dockmpi: ready"

// Exit code of a container that got no usable tar, and of one that has no sshd.
#define DMPI_EXIT_NOT_FED 97
#define DMPI_EXIT_NO_SSHD 98

// A complete script that prints the listening ports alone, with the markers of the facts (mesh/facts.h).
extern const char dmpi_ports_sh[];
// The same for all facts.
extern const char dmpi_facts_sh[];

// Entrypoint arrays, owned by the caller. ttl_s: seconds without use after which it ends, 0: never. sshd: path inside the image, NULL to look for it there.
// devices: paths in the container, besides those of GPUs, whose groups are facts; NULL: none.
json_t *dmpi_script_worker(int64_t ttl_s, const char *sshd, const struct dmpi_strv *devices);
json_t *dmpi_script_launcher(int64_t ttl_s);
json_t *dmpi_script_job(void);

#endif
