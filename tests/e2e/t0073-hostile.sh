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
import json, os, socketserver, sys
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
server = Server(sys.argv[1] + ".new", Handler)
os.rename(sys.argv[1] + ".new", sys.argv[1]) # who finds the socket can connect to it
server.serve_forever()
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

# The login of a registry reaches the engine that pulls, and nobody else: no output, no command line.
cat >hears.py <<'EOF'
import base64, json, os, socket, socketserver, struct, sys
def command_lines(of):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f: parent = f.read().rsplit(")", 1)[1].split()[1]
            if of in (int(pid), int(parent)):
                with open(f"/proc/{pid}/cmdline") as f: yield f.read().replace("\0", " ")
        except OSError: pass
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline().decode():
            size, answer = 0, ("404 Not Found", {"message": "No such image"})
            while (header := self.rfile.readline().decode().strip()):
                name, value = header.split(": ", 1)
                if name.lower() == "content-length": size = int(value)
                if name.lower() == "x-registry-auth":
                    login = json.loads(base64.urlsafe_b64decode(value + "=="))
                    client = struct.unpack("3i", self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                    with open("heard", "a") as f: print(login["username"], login["password"], file=f)
                    with open("headers", "a") as f: print(value, file=f)
                    with open("seen", "a") as f: print(*command_lines(client), file=f)
            self.rfile.read(size)
            if "/images/create" in line: answer = "500 Internal Server Error", {"message": "unauthorized: authentication required"}
            if "_ping" in line: answer = "200 OK", "OK"
            if "/json?" in line: answer = "200 OK", []
            body = json.dumps(answer[1]).encode()
            self.wfile.write(f"HTTP/1.1 {answer[0]}\r\nApi-Version: 1.41\r\nOstype: linux\r\nContent-Type: application/json\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
server = Server(sys.argv[1] + ".new", Handler)
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
EOF
python3 hears.py "$PWD/h.sock" 2>hears.log &
hears=$!
wait_until 60 test -S h.sock
mkdir -p images/far images/launcher file helper bin
printf 'image: registry.example:5000/far:1\n' | tee images/far/image.yaml >images/launcher/image.yaml
login=$(printf 'someone:open-sesame' | base64)
printf '{"auths":{"registry.example:5000":{"auth":"%s"}}}' "$login" >file/config.json
echo '{"credsStore":"test"}' >helper/config.json
cat >bin/docker-credential-test <<'HELPER'
#!/bin/sh
echo "$*" >>"$DOCKER_CONFIG/arguments"
echo '{"Username":"someone","Secret":"open-sesame"}'
HELPER
chmod 755 bin/docker-credential-test
for from in file helper; do
    for words in 'image push far -v --json' 'up --image far -v' 'up --image far --json'; do
        read -ra args <<<"$words"
        t env DOCKER_HOST="unix://$PWD/h.sock" DOCKER_CONFIG="$PWD/$from" PATH="$PWD/bin:$PATH" DOCKMPI_IMAGES="$PWD/images" \
            "$DOCKMPI" "${args[@]}"
        cat out err >>said
    done
done
kill "$hears"
is "$(sort heard | uniq -c | awk '{ print $2, $3, ($1 >= 6) }')" 'someone open-sesame 1' 'an engine that pulls is given the login, from file and helper'
is "$(sort -u helper/arguments)" get 'the helper, too, hears the registry on its standard input'
is "$(grep -c 'your login there was refused' said)" 6 'each time the command says that the login was refused'
unlike "$(cat said seen)" "open-sesame|${login%%=*}|$(sort -u headers | paste -sd'|')" 'and shows it nowhere, nor do command lines'
