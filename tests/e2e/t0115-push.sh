#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Images to hosts: by content, from whoever has them, what has arrived is not sent again, three kinds of image
# store (20.10, 26, and 26 with containerd's), and from a real registry with the user's login.
# timeout: 420
# debug: no (every path runs there in the tests on one engine)
# valgrind: no (every path runs there in the tests on one engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
LAB_ENGINES="26 20"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

label=io.dockmpi.test=${E2E_PREFIX}push
repo=e2e/${E2E_PREFIX}push
end() {
    local status=$?
    [ -z "${registry_pid:-}" ] || kill "$registry_pid"
    for host in h0 h1 h2; do [ ! -e "$E2E_TMP/$host.pid" ] || kill "$(cat "$E2E_TMP/$host.pid")"; done
    for _ in 1 2 3 4 5; do # an image can only go after those that are built on it
        docker images -aq --filter "label=$label" | sort -u | xargs -r docker rmi -f >/dev/null 2>&1
    done
    docker rmi "$repo:base" >/dev/null 2>&1
    lab down >/dev/null 2>&1
    (exit $status)
    e2e_end
}
trap end EXIT

small_images
lab_up 3
# Host h2 keeps its images in containerd.
lab exec h2 sh -c 'mkdir -p /etc/docker && echo "{\"features\":{\"containerd-snapshotter\":true}}" >/etc/docker/daemon.json'
lab engine-stop h2
lab engine-start h2
like "$(lab exec h2 docker info -f '{{.DriverStatus}}')" 'io.containerd.snapshotter' 'host h2 has the containerd store'

C=$(cluster push)
nodes() {
    local file=$1 image=$2 host
    shift 2
    {
        printf 'name: %s\ndefaults: { user: ubuntu, identity: %s, known_hosts: %s, image: %s }\nnodes:\n' \
            "$C" "$LAB_DIR/id_lab" "$LAB_DIR/known_hosts" "$image"
        for host; do printf '  - { name: %s, docker: "ssh://%s", addr: %s }\n' "$host" "$(address "$host")" "$(address "$host")"; done
    } >"$file"
}
nodes hosts.yaml small h0 h1 h2
# profile NAME REFERENCE [Dockerfile]: with a Dockerfile, its image does not come from a registry.
profile() {
    mkdir -p "$DOCKMPI_IMAGES/$1"
    printf 'image: %s\n' "$2" >"$DOCKMPI_IMAGES/$1/image.yaml"
    [ $# -lt 3 ] || echo 'FROM scratch' >"$DOCKMPI_IMAGES/$1/Dockerfile"
}
# make_image REFERENCE BASE <<LINES: an image of those lines.
make_image() {
    { echo "FROM $2"; echo "LABEL $label"; cat; } | DOCKER_BUILDKIT=0 docker build -q -t "$1" - >"$E2E_TMP/build.log" 2>&1 ||
        sed 's/^/# /' "$E2E_TMP/build.log"
}
on_all() { for host in h0 h1 h2; do lab exec $host "$@"; done; }
nowhere=unix://$E2E_TMP/none.sock # no engine here: images must come from a host

# ---- from the one host that has it ----------------------------------------------------------------
echo one >file
tar -cf - file | docker import - "$repo:base" >/dev/null
make_image "$repo:tiny" "$repo:base" <<<'ENV A=1'
profile tiny "$repo:tiny" built
DOCKER_HOST=$nowhere exits 125 'an image that nobody has' dockmpi image push tiny -f hosts.yaml
like "$err" "no engine has image $repo:tiny" 'is an error'
lab load h1 "$repo:tiny"
DOCKER_HOST=$nowhere ok 'image push without an engine here' dockmpi image push tiny -v -f hosts.yaml
like "$err" "image $repo:tiny is taken from node h1" 'takes it from the host that has it'
like "$err" '^h0: got ' 'host h0 gets it'
like "$err" '^h2: got ' 'host h2 gets it, too'
unlike "$err" '^h1: got ' 'h1 does not'

# ---- by content, not by name ----------------------------------------------------------------------
ok 'image push again' dockmpi image push tiny -f hosts.yaml
is "$out" 'every node has it already' 'the three kinds of store have the same image'
make_image "$repo:tiny" "$repo:base" <<<'ENV A=2'
ok 'image ls --nodes' dockmpi image ls --nodes tiny --json -f hosts.yaml
json 'sees that only the name is the same' 'assert [i["content"] for i in r] == ["other"] * 3, r'
ok 'image push' dockmpi image push tiny -f hosts.yaml
is "$(grep -c 'another image had that name' <<<"$err")" 3 'replaces the other image everywhere'
like "$err" '^h0: got .*, 1 of 1 layers were there already' 'without sending a layer'
is "$(on_all docker image inspect -f '{{index .Config.Env 1}}' "$repo:tiny" | sort -u)" A=2 'each host has the new one'
ok 'image ls --nodes' dockmpi image ls --nodes tiny -f hosts.yaml
is "$(grep -cE ' same *$' <<<"$out")" 3 'says that they are the same'
nodes one.yaml small h0
lab exec h0 docker tag "$repo:tiny" dockmpi/launcher:latest
ok 'up where another image has the name of the wanted one' dockmpi up -f one.yaml --workers 1
like "$err" '^h0: got dockmpi/launcher:latest: .*another image had that name' 'brings the wanted one'
ok 'down' dockmpi down -f one.yaml

# ---- what has arrived is not sent again -------------------------------------------------------------
for i in 1 2 3 4; do
    head -c $((34 * 1024 * 1024)) /dev/urandom >big
    mkdir -p context && mv big "context/big$i"
done
{ echo "FROM $repo:base"; echo "LABEL $label"; for i in 1 2 3 4; do echo "COPY big$i /"; done; } >context/Dockerfile
DOCKER_BUILDKIT=0 docker build -q -t "$repo:grow" context >/dev/null 2>&1 || fail 'an image of four large layers'
rm -rf context
profile grow "$repo:grow" built
# cut_off HOST: a client that is killed as soon as that engine has taken the first layers in.
cut_off() {
    local client rc told
    exec {told}< <(lab exec "$1" timeout 120 docker events --since "$(lab exec "$1" date +%s)" --filter type=image --filter event=load)
    dockmpi image push grow --node "$1" -f hosts.yaml >"cut.$1" 2>&1 </dev/null &
    client=$!
    read -t 120 -r -u "$told" _
    rc=$?
    kill -KILL $client
    wait $client 2>/dev/null
    return $rc
}
cuts=()
for host in h0 h1 h2; do
    cut_off $host &
    cuts[${#cuts[@]}]=$!
done
for pid in "${cuts[@]}"; do
    if wait "$pid"; then pass 'the first layers of three arrive'; else fail 'the first layers of three arrive'; fi
done
ok 'image push again' dockmpi image push grow -f hosts.yaml
# A host that had everything by then, before its client could be killed, gets nothing.
is "$(awk '/ got / { split($4, n, "[A-Z]"); big = $4 ~ /MiB/ ? n[1] : 0; bad += !($5 > 1 && big <= (5 - $5) * 34 + 1) } END { print bad + 0 }' <<<"$err")" \
    0 'and sends what had not arrived, and that alone' || diag
is "$(on_all docker images -q dockmpi/partial)" '' 'nothing of the way there is left'
is "$(on_all docker run --rm --network none --entrypoint /none "$repo:grow" 2>&1 | grep -c 'no such file')" 3 \
    'every host can make containers of it'

# ---- from a registry, with the user's login -----------------------------------------------------------
registry=$(command -v docker-registry) || {
    apt-get download -q docker-registry >/dev/null 2>&1 && dpkg-deb -x docker-registry_*.deb "$E2E_TMP/package"
    registry=$E2E_TMP/package/usr/bin/docker-registry
}
if [ ! -x "$registry" ]; then
    fail "a registry's program" 'docker-registry is not installed and cannot be fetched'
    exit 1
fi
# shellcheck disable=SC2016 # no variables: the salt of a password
salt='$2y$05$abcdefghijklmnopqrstuu'
answers() { curl -s -o "$E2E_TMP/answer" "http://127.0.0.1:$port/v2/"; }
for _ in 1 2 3 4 5; do
    port=$((30000 + RANDOM % 9000))
    cat >registry.yaml <<YAML
version: 0.1
storage: { filesystem: { rootdirectory: $E2E_TMP/registry } }
http: { addr: "127.0.0.1:$port" }
auth: { htpasswd: { realm: test, path: $E2E_TMP/htpasswd } }
YAML
    perl -e 'print "someone:", crypt("a word", $ARGV[0]), "\n"' "$salt" >htpasswd
    "$registry" serve registry.yaml >registry.log 2>&1 </dev/null &
    registry_pid=$!
    wait_until 20 answers && kill -0 $registry_pid && break
    kill $registry_pid 2>/dev/null
done
# It listens on this machine only; every host reaches it as its own loopback, which engines trust.
for host in h0 h1 h2; do
    ssh -i "$LAB_DIR/id_lab" -o UserKnownHostsFile="$LAB_DIR/known_hosts" -o ExitOnForwardFailure=yes \
        -N -R "127.0.0.1:$port:127.0.0.1:$port" "root@$(address $host)" >"$host.log" 2>&1 </dev/null &
    echo $! >"$E2E_TMP/$host.pid"
done
ref=127.0.0.1:$port/e2e/image:1
profile kept "$ref"
mkdir -p with without helper wrong bin
make_image "$ref" "$repo:base" <<<'ENV B=1'
ok 'docker login' docker --config with login -u someone -p 'a word' "127.0.0.1:$port"
ok 'docker push' docker --config with push -q "$ref"
digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$ref")
for host in h0 h1 h2; do
    reaches() { lab exec "$host" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"; }
    wait_until 60 reaches 2>/dev/null || fail "the registry can be reached from $host"
done
forget() { on_all docker rmi -f "$ref" >/dev/null 2>&1; }

DOCKER_CONFIG=$PWD/with ok 'what docker pulled or pushed here' dockmpi image push kept -f hosts.yaml
is "$(grep -c ' pulled ' <<<"$err")" 3 'is pulled by the hosts'
is "$(on_all docker image inspect -f '{{index .RepoDigests 0}}' "$ref" | sort -u)" "$digest" 'exactly that one'
forget
DOCKER_CONFIG=$PWD/without ok 'without a login' dockmpi image push kept -f hosts.yaml
is "$(grep -c ' got ' <<<"$err")" 3 'it is sent, since it is here' || diag
forget
docker rmi -f "$ref" >/dev/null
DOCKER_CONFIG=$PWD/without exits 125 'when it is not here, either' dockmpi image push kept -f hosts.yaml
like "$err" "node h0: pull image $ref: .*docker login 127.0.0.1:$port" 'it is an error that says what to do'
printf '{"auths":{"127.0.0.1:%s":{"auth":"%s"}}}' "$port" "$(printf 'someone:else' | base64)" >wrong/config.json
DOCKER_CONFIG=$PWD/wrong exits 125 'a wrong password' dockmpi image push kept -f hosts.yaml
like "$err" 'your login there was refused' 'is told'
unlike "$err" 'else|c29tZW9uZTplbHNl' 'without showing it'
cat >bin/docker-credential-test <<HELPER
#!/bin/sh
[ "\$1" = get ] && [ "\$(cat)" = 127.0.0.1:$port ] || { echo 'credentials not found in native keychain'; exit 1; }
echo '{"ServerURL":"127.0.0.1:$port","Username":"someone","Secret":"a word"}'
HELPER
chmod 755 bin/docker-credential-test
echo '{"credsStore":"test"}' >helper/config.json
PATH=$PWD/bin:$PATH DOCKER_CONFIG=$PWD/helper ok 'with a credential helper' dockmpi image push kept -f hosts.yaml
is "$(grep -c ' pulled ' <<<"$err")" 3 'the hosts pull it'
is "$(on_all docker image inspect -f '{{index .Config.Env 1}}' "$ref" | sort -u)" B=1 'and have it'
# What came from a registry lies compressed in containerd's store: it cannot be built on there.
lab exec h0 docker save "$ref" | docker load >/dev/null
DOCKER_BUILDKIT=0 docker build -q -t "$repo:above" - >/dev/null 2>&1 <<LINES
FROM $ref AS below
FROM $ref
LABEL $label
COPY --from=below /file /other
LINES
profile above "$repo:above" built
ok 'an image on top of it' dockmpi image push above -f hosts.yaml
is "$(on_all docker image inspect -f '{{len .RootFS.Layers}}' "$repo:above" | sort -u)" 2 'arrives everywhere'
is "$(on_all docker run --rm --network none --entrypoint /none "$repo:above" 2>&1 | grep -c 'no such file')" 3 \
    'whole'
