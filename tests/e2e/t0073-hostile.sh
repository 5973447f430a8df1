#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Containers and engines that lie: what they are called and what they say drives no terminal.
# timeout: 240
# valgrind: no (what reads these texts is in the unit tests and under the fuzzers)
. "$(dirname "$0")/lib.sh"
need_image launcher

# Control bytes in C0 and C1, DEL, an order of characters turned round, bytes that are no UTF-8. The text stays
# readable.
evil=$'\e]0;owned\a\e[2Jx\r\ny\x7f\u009b31m\u202ez\xff'
harmless() { # harmless TITLE: the output of the last command
    is "$(LC_ALL=C grep -cP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae|\xff' <(cat "$E2E_TMP/out" "$E2E_TMP/err"))" 0 "$1"
}
c=$(cluster c)
impostor() {
    docker create --name "dockmpi-$c-$1" --label io.dockmpi.cluster="$c" --label io.dockmpi.role="$1" --label io.dockmpi.index=1 \
        --label io.dockmpi.node="$evil" --label io.dockmpi.job="7$evil" --label io.dockmpi.program="prog$evil" --label io.dockmpi.profile="$evil" \
        --label io.dockmpi.addr="$evil" --label io.dockmpi.spec="$evil" --label io.dockmpi.origin="$evil" --label io.dockmpi.slots="$evil" \
        dockmpi/launcher true >/dev/null
}
impostor worker
impostor job
for words in 'ps' 'jobs' 'jobs -v' 'ps --json' 'doctor' 'run -- true' 'logs' 'cancel' 'up --dry-run' 'exec -- true' 'down --dry-run' 'jobs --prune' 'up' 'down'; do
    read -ra args <<<"$words"
    t dockmpi "${args[0]}" --name "$c" "${args[@]:1}"
    harmless "harmless: $words"
    [ "$words" != jobs ] || like "$out" 'prog\\x1b\]0;owned' 'and shown as it is'
done
is "$(containers "$c")" '' 'down takes them, too'

# An engine that lies in every word.
cat >engine.py <<'EOF'
import json, socketserver, sys
evil = "\x1b]0;owned\x07\x1b[2J\r\nx\x7f\u009b31m\u202e"
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline().decode():
            size = 0
            while (header := self.rfile.readline().strip()):
                if header.lower().startswith(b"content-length:"):
                    size = int(header.split(b":")[1])
            self.rfile.read(size)
            ping = "_ping" in line
            body = b"OK" if ping else json.dumps({"message": evil}, ensure_ascii=False).encode()
            status = "200 OK" if ping else "500 " + evil.replace("\r\n", "")
            self.wfile.write(f"HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nServer: {evil[:6]}\r\nContent-Type: application/json\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
Server(sys.argv[1], Handler).serve_forever()
EOF
python3 engine.py "$PWD/e.sock" 2>/dev/null &
liar=$!
wait_until 60 test -S e.sock
for words in 'ps' 'ps -v' 'up' 'up --json' 'run -- true' 'doctor' 'down' 'image ls' 'image push cpu' 'exec -- true'; do
    read -ra args <<<"$words"
    t env DOCKER_HOST="unix://$PWD/e.sock" "$DOCKMPI" "${args[@]}"
    harmless "harmless: $words, an engine that lies"
done
like "$err" 'owned' 'it had its say'
kill "$liar"
