#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the names of the MCA parameters that this image's Open MPI and its launch daemons have, one a line, and
# "release=" with Open MPI's number; nothing where it cannot tell. Kept with the container's keys: the next time it
# takes no time. With the argument "probe", and where the image has the program, a line "=" and what `fabric probe`
# sees on this node follow. A parameter has further names (synonyms). prte_info knows no parsable form.

list=/etc/dockmpi/mca
if [ ! -e "$list" ]; then
    {
        ompi_info --all --parsable 2>/dev/null |
            sed -n -e 's/^mca:[^:]*:[^:]*:param:\([^:]*\):value:.*/\1/p' -e 's/^mca:.*:synonym:name:\(..*\)$/\1/p' \
                -e 's/^ompi:version:full:/release=/p'
        prte_info --all 2>/dev/null | sed -n 's/^ *MCA [a-z]*: "\([a-z0-9_]*\)".*/\1/p'
    } | LC_ALL=C sort -u >"$list.$$" && mv "$list.$$" "$list"
fi
cat "$list"
probe=/usr/lib/dockmpi/fabric
[ "${1:-}" = probe ] && [ -x "$probe" ] || exit 0
[ -e "$list.fabric" ] || { "$probe" probe >"$list.$$" 2>/dev/null && mv "$list.$$" "$list.fabric"; } || exit 0
echo '='
cat "$list.fabric"
