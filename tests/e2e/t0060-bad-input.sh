#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is wrong, each with one clear line and no stack of noise.
# timeout: 240
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster bad)

# bad TITLE REGEX COMMAND...: fails with one line that matches (a hint on help may follow).
bad() {
    local title=$1 pattern=$2
    shift 2
    t "$@"
    if [ $rc -eq 0 ] || [ $rc -ge 126 ]; then
        fail "$title: fails" "exit status $rc" || diag
        return
    fi
    is "$(grep -cvE '^(dockmpi: )?see: dockmpi help' err)" 1 "$title: one line" || diag
    like "$err" "$pattern" "$title: says what is wrong"
    is "$out" '' "$title: nothing on stdout"
}

# Engines.
DOCKER_HOST=unix:///nonexistent/docker.sock bad 'no engine' '/nonexistent/docker.sock' dockmpi ps
DOCKER_HOST=unix:///nonexistent/docker.sock bad 'up without engine' '/nonexistent/docker.sock' dockmpi up --name "$c"
DOCKER_HOST=tcp://127.0.0.1:9 bad 'no engine on TCP' '127.0.0.1' dockmpi ps
DOCKER_HOST=gopher://x bad 'an endpoint of no known kind' 'gopher' dockmpi ps
python3 - "$E2E_TMP/old.sock" <<'PY' &
import http.server, os, socketserver, sys

class Old(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"ApiVersion": "1.30", "MinAPIVersion": "1.12", "Version": "17.06.0", "Os": "linux"}'
        if self.path.endswith("/_ping"):
            body = b"OK"
        self.send_response(200)
        self.send_header("Api-Version", "1.30")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *args): pass
    def address_string(self): return "unix"

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

server = Server(sys.argv[1] + ".new", Old)
os.rename(sys.argv[1] + ".new", sys.argv[1])  # who finds the socket can connect to it
server.serve_forever()
PY
old=$!
wait_until 60 test -S old.sock
DOCKER_HOST=unix://$E2E_TMP/old.sock bad 'an engine that is too old' '1\.30' dockmpi ps
kill $old
wait $old 2>/dev/null
if [ "$E2E_MODE" = normal ] && [ "$(id -u)" -eq 0 ] && [ -z "${DOCKER_HOST:-}" ] && [ -S /var/run/docker.sock ]; then
    public=$(mktemp -d) && chmod 755 "$public" && cp "$E2E_ROOT/build/dockmpi" "$public/dockmpi"
    bad 'no permission on the socket' 'permission denied.*docker' env -u XDG_CONFIG_HOME -u XDG_CACHE_HOME HOME="$public" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$public/dockmpi" ps
    rm -rf "$public"
fi

# Flags.
bad '--workers 0' '0' dockmpi up --name "$c" --workers 0
bad '--workers -1' '-1' dockmpi up --name "$c" --workers -1
bad '--workers 1e9' '1e9' dockmpi up --name "$c" --workers 1e9
bad '--workers 1000000000' '1000000000' dockmpi up --name "$c" --workers 1000000000
bad '--workers two' 'two' dockmpi up --name "$c" --workers two
bad '--image of no profile' 'nosuch.*cpu' dockmpi up --name "$c" --image nosuch
bad '--image ../cpu' 'cpu' dockmpi up --name "$c" --image ../cpu
bad '--volume relative' 'relative' dockmpi up --name "$c" --volume relative:data
bad '--env without name' '=x' dockmpi up --name "$c" --env =x
bad '--shm-size' 'lots' dockmpi up --name "$c" --shm-size lots
bad '--name' 'Bad Name' dockmpi up --name 'Bad Name'
is "$(docker ps -a --format '{{.Names}}' | grep -c "$c")" 0 'nothing was made by any of these'

# Cluster files: errors with their line.
file() { cat >"$E2E_TMP/c.yaml"; }
file <<<$'name: x\nwrokers: 2\nnodes: [ { name: n } ]'
bad 'an unknown key' 'c\.yaml:2: .*wrokers' dockmpi up -f c.yaml
file <<<$'name: x\nnodes:\n  - name: n\n    workers: many'
bad 'a wrong type' 'c\.yaml:4: ' dockmpi up -f c.yaml
file <<<$'name: x\nnodes:\n  - { name: n, dcoker: "unix:///x" }'
bad 'an unknown key of a node' 'c\.yaml:3: .*dcoker' dockmpi up -f c.yaml
file <<<$'name: [\n'
bad 'no YAML' 'c\.yaml:[0-9]+: ' dockmpi up -f c.yaml
file </dev/null
bad 'an empty file' 'c\.yaml' dockmpi up -f c.yaml
head -c 100000 /dev/urandom >c.yaml
bad 'a file of noise' 'c\.yaml' dockmpi up -f c.yaml
bad 'a file that is not there' 'gone\.yaml' dockmpi up -f gone.yaml
bad 'a folder as file' "$(basename "$E2E_TMP")" dockmpi up -f "$E2E_TMP"

# Images: a profile whose image is not there.
cp -r "$DOCKMPI_IMAGES" images && mkdir images/absent
printf 'summary: not there\nimage: dockmpi/%sabsent:latest\ninterpreter: /usr/bin/python3\nsshd: /usr/sbin/sshd\nmpirun: /usr/bin/mpirun\n' \
    "$E2E_PREFIX" >images/absent/image.yaml
DOCKMPI_IMAGES=$PWD/images bad 'an image that is not there' 'absent' dockmpi up --name "$c" --workers 1 --image absent
is "$(containers "$c")" '' 'an image that is not there: nothing is left behind'
printf 'imagee: x\n' >images/absent/image.yaml
DOCKMPI_IMAGES=$PWD/images bad 'a profile with an unknown key' 'image\.yaml:1: .*imagee' dockmpi up --name "$c" --image absent
bad 'image build of no profile' 'nosuch' dockmpi image build nosuch

# Without a cluster.
bad 'run without a cluster' 'dockmpi up' dockmpi run --name "$c" -- true
bad 'exec without a cluster' 'dockmpi up' dockmpi exec --name "$c" -- true
bad 'shell without a cluster' 'dockmpi up' dockmpi shell --name "$c"
bad 'logs without a job' "$c" dockmpi logs --name "$c"

# Jobs.
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu
bad 'a script that is not there' 'nothere\.py' dockmpi run --name "$c" ./nothere.py
bad 'a job that is not there' 'multinode' dockmpi run --name "$c" multinode_ddp_mip
echo 'just words' >words
bad 'a script without an interpreter' 'words' dockmpi run --name "$c" ./words
printf '#!/opt/gone/python\n' >script && chmod +x script
exits 127 'a script whose interpreter the image lacks' dockmpi run --name "$c" ./script
like "$err" 'script: its first line names an interpreter that image cpu does not have: /opt/gone/python' 'is told so'
# made NUMBER PROGRAM...: a job's container that nobody has started yet.
made() {
    docker create --init --name "dockmpi-$c-job-$1" --label "io.dockmpi.cluster=$c" --label io.dockmpi.role=job \
        --label "io.dockmpi.index=$1" --label "io.dockmpi.job=$1" dockmpi/launcher "${@:2}"
}
for job in 76 77; do made $job true >/dev/null; done
exits 125 'waiting for a job that was never started fails' dockmpi wait --name "$c" 77
like "$err" '^dockmpi: job 77: it was never started: .*run it again' 'and says so'
ok 'cancel of a job that was never started' dockmpi cancel --name "$c" 76
is "$out$(containers "$c" name=job-76)" 'job 76: canceled' 'takes it away'
id=$(made 78 sleep 600)
dockmpi cancel --name "$c" -v >told 2>asked &
pid=$!
looked() { [ "$(grep -c "GET /containers/$id/json" asked)" -ge 3 ]; }
wait_until $E2E_LIMIT looked || fail 'cancel waits for the start of a job'
docker start "$id" >/dev/null
wait $pid
is "$? $(cat told)$(docker ps -q --filter "id=$id")" '0 job 78: canceled' 'cancel while a job starts ends it'
docker rm "$id" >/dev/null
bad 'a folder without a program' 'images' dockmpi run --name "$c" ./images
exits 127 'a program that is not in the image' dockmpi run --name "$c" -- no-such-program
like "$err" '^dockmpi: no-such-program: not found in image cpu' 'a program that is not in the image: says so'
is "$out" '' 'a program that is not in the image: nothing on stdout'
exits 2 'an unknown backend' dockmpi run --name "$c" --backend carrier multinode_ddp_mpi -- 1 1
like "$err" 'carrier.*gloo' 'an unknown backend: says which there are'
exits 5 'a job that fails' dockmpi run --name "$c" --np 1 -- sh -c 'exit 5'
is "$(containers "$c" name=job-77)" '' 'a job that was never started is cleared away by the next'
is "$out" '' 'a job that fails: nothing on stdout'
exits 139 'a job that is killed' dockmpi run --name "$c" --np 1 -- sh -c 'kill -SEGV $$'
for words in '-- no-such-program' '--workdir /nowhere -- true'; do
    # shellcheck disable=SC2086 # several words
    t dockmpi exec --name "$c" -w worker-0 $words
    [ $rc -ne 0 ] && pass "exec $words fails" || fail "exec $words fails"
    like "$out$err" 'no-such-program|/nowhere' "exec $words: says what is wrong"
done
ok 'down' dockmpi down --name "$c"

# A full disk, where this machine lets us make one.
mkdir -p small
if mount -t tmpfs -o size=1m,mode=755 tmpfs small 2>/dev/null; then
    ok 'up with a small disk' dockmpi up --name "$c" --workers 1 --image cpu --volume "$PWD/small:/small"
    head -c 3000000 /dev/zero >large
    bad 'a full disk' 'no space left' dockmpi cp --name "$c" large worker-0:/small/
    ok 'down' dockmpi down --name "$c"
    umount small
fi

# A command in a message means the cluster that was asked for, also when `up` has only noted its file.
notes=$XDG_CACHE_HOME/dockmpi/clusters
mkdir -p "$notes"
noted() {
    printf 'nodes: [ { name: there, docker: "unix://%s", workers: 1 } ]\n' "$1" >noted.yaml
    printf '{"file": "%s"}' "$PWD/noted.yaml" >"$notes/$c.json"
}
noted /var/run/docker.sock
exits 125 'exec without a cluster' dockmpi exec --name "$c" -- true
others='(; on node there there (is|are): .*)?$'
like "$err" "^dockmpi: cluster $c is not up: start it with .dockmpi up -f $PWD/noted.yaml --name $c.$others" 'says how it is started'
exits 125 'the same with a file' dockmpi exec -f noted.yaml --name "$c" -- true
like "$err" "start it with .dockmpi up -f noted.yaml --name $c.$others" 'says that file'
noted /nonexistent/docker.sock
exits 1 'doctor' dockmpi doctor --name "$c"
like "$out" '^fail +engine +there ' 'examines the nodes of the noted file'
rm "$notes/$c.json"
