// SPDX-License-Identifier: MIT
// Raised whenever the files of a member change their meaning: older members are then replaced.
#ifndef DMPI_MESH_VERSION_H
#define DMPI_MESH_VERSION_H

#define DMPI_MESH_VERSION 3

#endif
