#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the names of the MCA parameters that this image's Open MPI has, one a line, sorted by bytes; nothing where
# it cannot tell. Kept with the container's keys: the next time it takes no time. With the argument "probe", and where
# the image has the program, a line "=" and what `fabric probe` sees on this node follow.

list=/etc/dockmpi/mca
if [ ! -e "$list" ]; then
    ompi_info --all --parsable 2>/dev/null |
        sed -n 's/^mca:[^:]*:[^:]*:param:\([^:]*\):value:.*/\1/p' | LC_ALL=C sort -u >"$list.$$" &&
        mv "$list.$$" "$list"
fi
cat "$list"
probe=/usr/lib/dockmpi/fabric
[ "${1:-}" = probe ] && [ -x "$probe" ] || exit 0
[ -e "$list.fabric" ] || { "$probe" probe >"$list.$$" 2>/dev/null && mv "$list.$$" "$list.fabric"; } || exit 0
echo '='
cat "$list.fabric"
