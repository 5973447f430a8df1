#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What SECURITY.md says of mpirun and its launch daemons: they take orders from anybody. By hand, because the
# messages are those of one generation (PRRTE 3.0).
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../lib.sh"

need_image launcher
c=$(cluster daemons)
mkdir -p images/small
cp -r "$E2E_ROOT/images/launcher" "$E2E_ROOT/images/jobs" images/
printf 'image: dockmpi/launcher:latest\n' >images/small/image.yaml
export DOCKMPI_IMAGES=$PWD/images
cat >stranger.py <<'P'
import socket
import struct
import sys

HEAD = ">256sI256sIIIIB35x"  # from whom, to whom, tag, number, length, kind, route


def talk(port, *messages):
    with socket.create_connection((sys.argv[1], port), 10) as s:
        s.settimeout(10)
        s.sendall(b"".join(messages))
        answer = b""
        while len(answer) < struct.calcsize(HEAD) and (more := s.recv(4096)):
            answer += more
    return struct.unpack_from(HEAD, answer)


def head(length, kind, to=b"", rank=0, tag=0):
    return struct.pack(HEAD, b"stranger", 7, to, rank, tag, 0, length, kind)


port = int(sys.argv[2])
name, rank = talk(port, head(0, 2))[:2]  # a probe: who are you?
hello = struct.pack(">H", 1) + sys.argv[3].encode() + b"\0"
end = b"\x02\x07"  # one number: the order to end
welcome = talk(port, head(len(hello), 1, name, rank) + hello, head(len(end), 4, name, rank, 1) + end)
print(name.rstrip(b"\0").decode(), welcome[2].rstrip(b"\0").decode(), welcome[7])
P
ok 'up' dockmpi up --name "$c" --workers 1 --image small
ok 'a job' dockmpi run -d --name "$c" -- sleep 600
wait_until 60 docker exec "dockmpi-$c-worker-0" pgrep -x sleep >/dev/null
# The ports of the worker's daemon: its sockets' numbers, found among the listeners of the node.
# shellcheck disable=SC2016 # for the worker
sockets=$(docker exec "dockmpi-$c-worker-0" sh -c 'for p in $(pgrep -x prted); do ls -l "/proc/$p/fd"; done' |
    sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
port=$(awk -v list="$sockets" 'BEGIN { split(list, s); for (i in s) mine[s[i]] = 1 }
    $4 == "0A" && $2 ~ /^00000000:/ && ($10 in mine) { print substr($2, 10); exit }' /proc/net/tcp)
like "$port" '^[0-9A-F]{4}$' 'the launch daemon listens on all addresses, though the cluster is this machine only'
release=$(docker exec "dockmpi-$c-launcher" sh -c 'prte --version' | sed -n 's/.* \([0-9][0-9.]*\).*/\1/p' | head -n 1)
address=$(ip -4 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
ok 'a stranger asks it' python3 stranger.py "$address" "$((16#$port))" "$release"
like "$out" "^prterun-dockmpi-$c-job-1-[0-9]+@0 stranger 1\$" 'it tells its name, and welcomes him'
exits 255 'and does what he says' dockmpi wait --name "$c" 1
like "$(dockmpi logs --name "$c" 2>&1)" 'worker-0 on node local was lost: its launch daemon has ended' 'it has ended'
ok 'down' dockmpi down --name "$c"
