#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# forward: bytes both ways, several connections at once, half-close, and what can go wrong.
# timeout: 180
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need_image launcher
mkdir -p images/small
cp -r "$E2E_ROOT/images/launcher" "$E2E_ROOT/images/jobs" images/
printf 'image: dockmpi/launcher:latest\n' >images/small/image.yaml
export DOCKMPI_IMAGES=$PWD/images
C=$(cluster forward)
ok 'up' dockmpi up --name "$C" --workers 1 --image small

# A server that answers with what it was sent, backwards from the end of the input on.
dockmpi exec --name "$C" -w worker-0 -- perl -e '
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 9) or die;
print $s->sockport, "\n"; $| = 1; exit if fork; close STDOUT; close STDERR; close STDIN; alarm 1000; $SIG{CHLD} = "IGNORE";
while (my $c = $s->accept) { if (fork) { close $c; next } local $/; my $all = <$c>; print $c scalar reverse $all; close $c; exit }
' >port 2>/dev/null
port=$(cat port)
like "$port" '^[0-9]+$' 'a server listens in the worker'

"$DOCKMPI" forward --name "$C" "worker-0:$port:0" >forward.out 2>forward.err &
pid=$!
wait_until $E2E_LIMIT grep -q 'goes to port' forward.out
local_port=$(sed -nE 's/^127\.0\.0\.1:([0-9]+) goes to .*/\1/p' forward.out)
like "$local_port" '^[0-9]+$' 'forward says where it listens'

cat >talk.py <<'P'
import os, socket, sys, threading
port, failed = int(sys.argv[1]), []
def talk(size):
    try:
        exchange(size)
    except OSError as e:
        failed.append((size, str(e)))
def exchange(size):
    data = os.urandom(size)
    with socket.create_connection(("127.0.0.1", port), 120) as s:
        def send():
            try:
                s.sendall(data)
                s.shutdown(1)
            except OSError:
                pass
        threading.Thread(target=send).start()
        got = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
    if got != data[::-1]:
        failed.append((size, len(got)))
threads = [threading.Thread(target=talk, args=(n,)) for n in (1, 100, 70000, 3000000)]
for t in threads: t.start()
for t in threads: t.join()
sys.exit(f"differ: {failed}" if failed else 0)
P
ok 'four connections at once get every byte back, after their half-close' python3 talk.py "$local_port"
exits 125 'a port that is taken here' dockmpi forward --name "$C" "worker-0:$port:$local_port"
like "$err" "port $local_port of this machine is taken" 'is told'
exits 2 'no port at all' dockmpi forward --name "$C" worker-0
exits 125 'a worker that is not there' dockmpi forward --name "$C" worker-7:80
kill -INT $pid
wait $pid
is $? 0 'Ctrl-C ends it'
is "$(cat forward.err)" '' 'without a word'

"$DOCKMPI" forward --name "$C" 1:0 >forward.out 2>forward.err &
pid=$!
wait_until $E2E_LIMIT grep -q 'goes to port' forward.out
local_port=$(sed -nE 's/^127\.0\.0\.1:([0-9]+) goes to .*/\1/p' forward.out)
told() {
    python3 talk.py "$local_port" >/dev/null 2>&1 # again: on a busy machine it may be gone before it is heard
    grep -q 'nothing listens on port 1 there' forward.err
}
wait_until $E2E_LIMIT told
is $? 0 'a port that nobody listens on is told'
kill -TERM $pid
wait $pid
is $? 0 'TERM ends it, too'
ok 'down' dockmpi down --name "$C"
