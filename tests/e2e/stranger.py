# SPDX-License-Identifier: MIT
"""Dials mpirun and its launch daemons as one who is not of the cluster would.

  stranger.py dial KEY CONTAINER...     every port that they listen on, but PMIx's on loopback: one line each, who
                                        listens, where, and "open" or "shut". KEY signs (RFC 2385); "" signs nothing
  stranger.py end PORT RELEASE          tells the daemon of that release of PRRTE that listens there to end; prints
                                        its name and its answer
"""
import errno
import select
import socket
import struct
import subprocess
import sys

TCP_MD5SIG = 14
PATIENCE = 1.0  # s: on one machine the kernel answers at once, whatever else runs
LISTENERS = r"""for p in $(pgrep -x 'prted|orted|prterun|mpirun|orterun'); do
    read -r name <"/proc/$p/comm"
    ls -l "/proc/$p/fd" | sed -n "s/.*socket:\[\([0-9]*\)\]$/$name \1/p"
done; echo --; cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null"""
HEAD = ">256sI256sIIIIB35x"  # PRRTE: from whom, to whom, tag, number, length, kind, route


def address_of(text):
    """An address of /proc/net/tcp or tcp6: words of 32 bits in the machine's order."""
    raw = b"".join(struct.pack("=I", int(text[i:i + 8], 16)) for i in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def listeners(container):
    """(program, address, port) of what its launch daemons listen on, but for loopback."""
    text = subprocess.run(["docker", "exec", container, "sh", "-c", LISTENERS], check=True, capture_output=True,
                          text=True).stdout
    owned, table = text.split("--\n", 1)
    owner = {number: name for name, number in (line.split() for line in owned.splitlines())}
    for line in table.splitlines():
        words = line.split()
        if len(words) > 9 and words[3] == "0A" and words[9] in owner:
            address, port = words[1].split(":")
            address = address_of(address)
            if address not in ("127.0.0.1", "::1"):
                yield owner[words[9]], address, int(port, 16)


def sign(sock, key, address):
    family = socket.AF_INET6 if sock.family == socket.AF_INET6 else socket.AF_INET
    peer = struct.pack("=H", family) + struct.pack(">H", 0)
    peer += (struct.pack("=I", 0) if family == socket.AF_INET6 else b"") + socket.inet_pton(family, address)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG,
                    struct.pack("=128sBBHi80s", peer, 0, 0, len(key), 0, key))


def own_address():
    """Not loopback's, where the machine has another one: as other hosts dial it. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("203.0.113.1", 9))
        except OSError:
            return "127.0.0.1"
        return s.getsockname()[0]


def targets(address, outside):
    """The addresses by which such a listener can be dialed."""
    if address == "0.0.0.0":
        return ["127.0.0.1", outside]
    if address == "::":
        return ["::1", "::ffff:127.0.0.1", "::ffff:" + outside]
    return [address]


def dial(key, containers):
    outside = own_address()
    rows = sorted({row for c in containers for row in listeners(c)})
    calls = []
    for program, address, port in rows:
        for target in targets(address, outside):
            family = socket.AF_INET6 if ":" in target else socket.AF_INET
            try:
                s = socket.socket(family, socket.SOCK_STREAM)
                s.setblocking(False)
                if key:
                    sign(s, key, target)
                error = s.connect_ex((target, port))
            except OSError as e:
                error = e.errno
            calls.append((program, target, port, s, error))
    pending = {s for _, _, _, s, error in calls if error == errno.EINPROGRESS}
    came = {s for _, _, _, s, error in calls if error == 0}
    while pending:
        ready = select.select([], pending, [], PATIENCE)[1]
        if not ready:
            break
        came |= {s for s in ready if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0}
        pending -= set(ready)
    for program, target, port, s, _ in calls:
        print(program, f"{target}:{port}", "open" if s in came else "shut")


def talk(port, *messages):
    with socket.create_connection((own_address(), port), 10) as s:
        s.settimeout(10)
        s.sendall(b"".join(messages))
        answer = b""
        while len(answer) < struct.calcsize(HEAD) and (more := s.recv(4096)):
            answer += more
    return struct.unpack_from(HEAD, answer)


def head(length, kind, to=b"", rank=0, tag=0):
    return struct.pack(HEAD, b"stranger", 7, to, rank, tag, 0, length, kind)


def end(port, release):
    name, rank = talk(port, head(0, 2))[:2]  # a probe: who are you?
    hello = struct.pack(">H", 1) + release.encode() + b"\0"
    order = b"\x02\x07"  # one number: the order to end
    welcome = talk(port, head(len(hello), 1, name, rank) + hello, head(len(order), 4, name, rank, 1) + order)
    print(name.rstrip(b"\0").decode(), welcome[2].rstrip(b"\0").decode(), welcome[7])


if sys.argv[1] == "dial":
    dial(sys.argv[2].encode(), sys.argv[3:])
else:
    end(int(sys.argv[2]), sys.argv[3])
