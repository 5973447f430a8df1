// SPDX-License-Identifier: MIT
// Memory that messages lie in: of the host, or of a GPU whose library is loaded when asked for, so that
// one program serves every image.
#ifndef FABRIC_BUFFER_H
#define FABRIC_BUFFER_H

#include <stddef.h>

enum fab_memory { FAB_HOST, FAB_CUDA, FAB_HIP };

struct fab_buffer {
    enum fab_memory memory;
    void *data;  // for MPI; in the memory named above
    char *host;  // what is filled and checked; the same as data for FAB_HOST
    size_t size; // bytes
};

// Reads "host", "cuda", "hip", or "gpu" (of either vendor, whichever is there). local_rank chooses the
// device where there are several. NULL with *why (static) when such memory cannot be had.
const char *fab_memory_name(enum fab_memory memory);
int fab_memory_open(enum fab_memory *out, const char *name, int local_rank, const char **why);

// 0, or -1 when there is not so much memory.
int fab_buffer_make(struct fab_buffer *out, enum fab_memory memory, size_t size);
void fab_buffer_free(struct fab_buffer *buffer);

// Brings n bytes from offset on from host to data, and back. 0, or -1 when the device fails.
int fab_buffer_push(struct fab_buffer *buffer, size_t offset, size_t n);
int fab_buffer_pull(struct fab_buffer *buffer, size_t offset, size_t n);

// One GPU as its vendor's library describes it.
struct fab_device {
    char name[128];
    unsigned long long memory; // bytes
    char bus[32];              // PCI address as in sysfs: "0000:3b:00.0"; "" when not told
};
// How many of at most `room` devices were found. *version: of the driver (CUDA) or the runtime (HIP),
// 12040 for 12.4; 0 when there is no library.
int fab_devices(struct fab_device *out, int room, enum fab_memory vendor, int *version);

#endif
