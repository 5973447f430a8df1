// SPDX-License-Identifier: MIT
// Small files of the kernel, below a root that tests can choose.
#ifndef FABRIC_SYSFS_H
#define FABRIC_SYSFS_H

#include <stddef.h>

// The first line of a file, without its newline; "" when it cannot be read. Returns its length.
size_t fab_sys_read(char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A number, decimal or hexadecimal with 0x; 0 when there is none.
long long fab_sys_number(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The last part of what a link points to; "" when it is none.
void fab_sys_link(char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
