#!/bin/sh
# SPDX-License-Identifier: MIT
# What a worker runs; after ports.sh, facts.sh, feed.sh and ttl.sh. $1: its time to live in seconds, 0: without end;
# $2: sshd, or empty; further ones: devices.

ttl=$1
sshd=$2
shift 2
facts "$@"
feed self.json
# An engine that gives the image's root other numbers (userns-remap) leaves them on the files also of a container that
# it exempts, and sshd trusts no key in a folder that is not root's.
[ -O /etc ] || [ "$(id -u)" != 0 ] || chown 0:0 / /etc
s=${sshd:-$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin command -v sshd)}
[ -x "$s" ] || { echo "dockmpi: no sshd in this image${sshd:+ at $sshd}" >&2; exit 98; }
# The groups of this process, as the engine gave them, for the ssh sessions too: sshd takes them from
# the image's file.
[ ! -w /etc/group ] || while read -r k x; do
    [ "$k" != Groups: ] || for g in $x; do
        [ "$g" = 0 ] || grep -qs "^[^:]*:[^:]*:$g:\(.*,\)*root" /etc/group ||
            echo "dockmpi-$g:x:$g:root" >>/etc/group
    done
done </proc/self/status
[ ! -w /run ] || { mkdir -p /run/sshd && chmod 0755 /run/sshd; }
if [ "$ttl" -gt 0 ]; then
    # An init, sshd, and this.
    idle=3
    [ $$ -gt 1 ] || idle=2
    later_than_launcher
    (trap - TERM; keep "$idle" false; kill -s TERM $$) </dev/null &
fi
exec "$s" -D -e -f /etc/dockmpi/sshd_config </dev/null
