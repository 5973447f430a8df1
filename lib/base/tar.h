// SPDX-License-Identifier: MIT
// tar streams, both ways, in bounded memory. Written: ustar with pax headers where a field does
// not fit. Read: ustar, pax and GNU long names, from arbitrary chunks.
#ifndef DMPI_BASE_TAR_H
#define DMPI_BASE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define DMPI_TAR_FILE '0'
#define DMPI_TAR_HARDLINK '1'
#define DMPI_TAR_SYMLINK '2'
#define DMPI_TAR_CHAR '3'  // read only: the writer refuses devices and FIFOs
#define DMPI_TAR_BLOCK '4' // read only
#define DMPI_TAR_DIR '5'
#define DMPI_TAR_FIFO '6' // read only

struct dmpi_tar_entry {
    const char *path; // as in the archive; a directory's trailing / is added (write), cut (read)
    char type;        // DMPI_TAR_*
    uint32_t mode;    // permission bits (07777)
    uint64_t uid, gid;
    int64_t mtime;        // seconds since 1970
    uint32_t mtime_ns;    // written only: nanoseconds after that; 0 costs nothing
    uint64_t size;        // bytes of data that follow; 0 for anything but a file
    const char *linkname; // links only, else NULL or ""
    const char *uname;    // NULL or "": no name
    const char *gname;
};

// --- writing ---------------------------------------------------------------------------------

// Receives the archive piece by piece; -1 with err set stops the writer, which passes it on.
typedef int (*dmpi_tar_write_fn)(const void *data, size_t len, void *arg, struct dmpi_err *err);

struct dmpi_tar_writer {
    dmpi_tar_write_fn write;
    void *arg;
    uint64_t written; // bytes given to write so far
    uint64_t missing; // data bytes that the current entry still lacks
    unsigned pad;     // NUL bytes due after the current entry
};

void dmpi_tar_writer_init(struct dmpi_tar_writer *w, dmpi_tar_write_fn write, void *arg);

// A write function for archives in memory: arg is a struct dmpi_buf; overflow is DMPI_EINVAL.
int dmpi_tar_write_buf(const void *data, size_t len, void *arg, struct dmpi_err *err);

// Starts an entry; the previous one must be complete (DMPI_EINVAL otherwise). Then exactly
// entry->size bytes by dmpi_tar_data, in any pieces. Strings are only used during the call.
int dmpi_tar_add(struct dmpi_tar_writer *w, const struct dmpi_tar_entry *entry,
                 struct dmpi_err *err);
int dmpi_tar_data(struct dmpi_tar_writer *w, const void *data, size_t len, struct dmpi_err *err);

// Entry and data in one: data has entry->size bytes.
int dmpi_tar_add_data(struct dmpi_tar_writer *w, const struct dmpi_tar_entry *entry,
                      const void *data, struct dmpi_err *err);

// Ends the archive and pads it to a multiple of 10240 bytes. Nothing needs to be freed.
int dmpi_tar_finish(struct dmpi_tar_writer *w, struct dmpi_err *err);

// How many bytes the archive member for entry takes (headers, data and padding).
uint64_t dmpi_tar_member_size(const struct dmpi_tar_entry *entry);

// --- reading ---------------------------------------------------------------------------------

// Called for each entry in the order of the archive; entry and its strings are valid during the
// call. -1 with err set stops the reader, which passes it on. data and end may be NULL.
struct dmpi_tar_handler {
    int (*entry)(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err);
    int (*data)(const void *data, size_t len, void *arg, struct dmpi_err *err);
    int (*end)(void *arg, struct dmpi_err *err); // all data of the entry was given
    void *arg;
};

struct dmpi_tar_reader {
    struct dmpi_tar_handler handler;
    unsigned char block[512]; // header being collected
    unsigned have;            // bytes in block
    int state;                // private
    unsigned zeros;           // zero blocks seen in a row
    uint64_t left;            // data bytes left of the current member
    unsigned pad;             // padding left after it
    char meta;                // type of the pax or GNU member being collected
    struct dmpi_buf collected;
    char *path, *linkname, *uname, *gname; // overrides for the next entry
    bool have_size, have_mtime, have_uid, have_gid;
    uint64_t size, uid, gid;
    int64_t mtime;
};

void dmpi_tar_reader_init(struct dmpi_tar_reader *r, const struct dmpi_tar_handler *handler);

// Feeds the next piece. Errors are DMPI_EPARSE (damaged header, sparse or unknown required
// feature, pax header over 1 MiB) or what a handler returned. After an error only free it.
int dmpi_tar_reader_feed(struct dmpi_tar_reader *r, const void *data, size_t len,
                         struct dmpi_err *err);

// At the end of the stream: DMPI_EPARSE when it stopped inside a member. (An archive without end
// blocks is accepted.)
int dmpi_tar_reader_finish(struct dmpi_tar_reader *r, struct dmpi_err *err);

// True once the end-of-archive blocks were seen; everything after them is ignored.
bool dmpi_tar_reader_ended(const struct dmpi_tar_reader *r);

void dmpi_tar_reader_free(struct dmpi_tar_reader *r); // NULL is allowed

// Whether path stays below the folder it is extracted in: not empty, not absolute, no ".." part.
// (Links inside the archive need their own care: see who extracts.)
bool dmpi_tar_path_safe(const char *path);

#endif
