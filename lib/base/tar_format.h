// SPDX-License-Identifier: MIT
// The ustar header block, shared by the writer and the reader of base/tar.h and by nobody else.
#ifndef DMPI_BASE_TAR_FORMAT_H
#define DMPI_BASE_TAR_FORMAT_H

#define DMPI_TAR_BLOCK_SIZE 512

// Most bytes of pax headers or GNU long names for one entry.
#define DMPI_TAR_META_MAX (1u << 20)

struct dmpi_tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char chksum[8];
    char typeflag;
    char linkname[100];
    char magic[6];
    char version[2];
    char uname[32];
    char gname[32];
    char devmajor[8];
    char devminor[8];
    char prefix[155];
    char unused[12];
};

_Static_assert(sizeof(struct dmpi_tar_header) == DMPI_TAR_BLOCK_SIZE, "tar header is one block");

#endif
