#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Engines with users of their own, for real: one with userns-remap, and one that runs without root. By hand, because it
# takes packages for the latter and minutes; unit tests and t0121 have what can be had of it for less.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../lib.sh"
LAB_ENGINES=26
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

small_images
lab_up 2
# node HOST SOCKET MORE...: a cluster file's node.
node() {
    local host=$1 socket=$2
    shift 2
    echo "  - { name: $host, docker: \"ssh://$(address "$host")$socket\", image: small, workers: 2${*:+, $*} }"
}
# cluster_file NODE...: lab.yaml.
cluster_file() {
    printf 'name: users\ndefaults: { user: ubuntu, identity: %s, known_hosts: %s }\nnodes:\n' "$LAB_DIR/id_lab" "$LAB_DIR/known_hosts" >lab.yaml
    printf '%s\n' "$@" >>lab.yaml
}
all_of_it() { # a cluster that does what it should
    ok 'up' dockmpi up -f lab.yaml "$@"
    ok 'a job' dockmpi run -f lab.yaml --map -- id -u
    is "$(grep -cE '^[0-9]+$' <<<"$out")" 2 'both ranks were there'
    echo 'print("mine")' >mine.py
    ok 'a file' dockmpi cp -f lab.yaml mine.py :/work/
    is "$(dockmpi exec -f lab.yaml -w worker-1 -- cat /work/mine.py)" 'print("mine")' 'arrives'
    ok 'down' dockmpi down -f lab.yaml
}

echo '# userns-remap'
lab exec h0 sh -c 'mkdir -p /etc/docker && echo "{ \"userns-remap\": \"default\" }" >/etc/docker/daemon.json'
lab engine-stop h0
lab engine-start h0
lab load h0 dockmpi/launcher:latest
cluster_file "$(node h0 '')"
exits 125 'as it is' dockmpi up -f lab.yaml
like "$err" 'user namespaces are enabled; .*say `options: \{ UsernsMode: host \}` of that node' 'it says what to do'
exits 1 'doctor' dockmpi doctor -f lab.yaml
like "$out" '^fail +engine +h0 +userns-remap' 'says so, too'
cluster_file "$(node h0 '' 'options: { UsernsMode: host }')"
like "$(dockmpi up -f lab.yaml --dry-run --json)" '"rights_added": "UsernsMode host"' 'what that adds is told'
all_of_it
ok 'doctor' dockmpi doctor -f lab.yaml
like "$out" '^ok +engine +h0 +userns-remap, from which' 'has nothing against it'
exits 125 'users who are not root' dockmpi up -f lab.yaml --user 1000:1000
like "$err" 'exclude each other' 'are refused'

echo '# rootless'
# shellcheck disable=SC2016 # variables of the host
lab exec h1 bash -c 'export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -y -q --no-install-recommends uidmap rootlesskit slirp4netns
    mkdir -p /dev/net /run/user/1000
    [ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
    chmod 666 /dev/net/tun; chown ubuntu: /run/user/1000; chmod 700 /run/user/1000
    lab-start stop
    su - ubuntu -c "export XDG_RUNTIME_DIR=/run/user/1000 PATH=/usr/sbin:/sbin:\$PATH
        DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns setsid /usr/share/docker.io/contrib/dockerd-rootless.sh \
            --iptables=false --ip6tables=false >/tmp/rootless.log 2>&1 </dev/null &"' >rootless.log 2>&1
wait_until 120 lab exec h1 docker -H unix:///run/user/1000/docker.sock info >/dev/null 2>&1
docker save dockmpi/launcher:latest | lab exec h1 docker -H unix:///run/user/1000/docker.sock load >/dev/null
cluster_file "$(node h1 /run/user/1000/docker.sock)"
all_of_it
all_of_it --user 1000:1000 --ttl 10m
ok 'doctor' dockmpi doctor -f lab.yaml
like "$out" '^ok +engine +h1 +a rootless engine: enough' 'has nothing against it'
cluster_file "$(node h1 /run/user/1000/docker.sock "addr: $(address h1)")"
exits 125 'with an address for other nodes' dockmpi up -f lab.yaml
like "$err" 'rootless engine have, into which no other node can dial .*: use the engine that root runs' 'it says why not'
cluster_file "$(node h0 '')" "$(node h1 /run/user/1000/docker.sock)"
exits 1 'doctor, with a second node' dockmpi doctor -f lab.yaml
like "$out" '^fail +engine +h1 +a rootless engine: its containers have a network of their own' 'says so, too'
