#!/bin/sh
# SPDX-License-Identifier: MIT
# What a worker runs; after ports.sh, facts.sh and feed.sh. $1: sshd, or empty.

facts
feed self.json
s=${1:-$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin command -v sshd)}
[ -x "$s" ] || { echo "dockmpi: no sshd in this image${1:+ at $1}" >&2; exit 98; }
mkdir -p /run/sshd && chmod 0755 /run/sshd
exec "$s" -D -e -f /etc/dockmpi/sshd_config </dev/null
