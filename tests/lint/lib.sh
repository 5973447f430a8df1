# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Shared by the lint checks: the repository's root as the working folder, and the list of its files.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# shellcheck disable=SC2120 # the patterns are optional
# Files that git tracks or would track, one a line, optionally filtered by patterns; deleted ones left out.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
        [ -f "$file" ] && printf '%s\n' "$file"
    done
}

# files() whose first line names a shell, whatever they are called, and those called *.sh.
shell_files() {
    files | while IFS= read -r file; do
        case $file in
        *.sh) printf '%s\n' "$file" ;;
        *) head -n1 "$file" 2>/dev/null | tr -d '\0' | grep -qE '^#!.*[/ ](ba)?sh( |$)' && printf '%s\n' "$file" ;;
        esac
    done
}
