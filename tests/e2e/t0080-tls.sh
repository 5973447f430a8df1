#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tcp:// endpoints: TLS with certificates of both sides in front of the real engine, and plain.
# timeout: 240
# valgrind: no (the transport's unit test runs there)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

command -v socat >/dev/null || { echo 'socat is missing: compose/setup test'; exit 1; }
build=$E2E_ROOT/build
[ "$E2E_MODE" = debug ] && build=$E2E_ROOT/build-debug
need_image launcher
export DMPI_LIVE_IMAGE=dockmpi/launcher:latest
DMPI_LIVE_CLUSTER=$(cluster tls)
export DMPI_LIVE_CLUSTER
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH

relays=()
stop_relays() {
    [ ${#relays[@]} -gt 0 ] && kill "${relays[@]}" 2>/dev/null
    relays=()
}
trap 'stop_relays; e2e_end' EXIT

# authority NAME: a self-signed certificate, NAME.pem and NAME-key.pem
authority() {
    openssl req -x509 -newkey ed25519 -nodes -keyout "$1-key.pem" -out "$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}

# certificate NAME: signed by ca, for the loopback
certificate() {
    openssl req -newkey ed25519 -nodes -keyout "$1-key.pem" -out "$1.csr" -subj "/CN=$1" 2>/dev/null &&
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >ext &&
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out "$1.pem" -days 2 \
            -extfile ext 2>/dev/null
}

# folder NAME CA CERT KEY: what a user would keep in ~/.docker
folder() {
    mkdir "$1" && cp "$2" "$1/ca.pem" && cp "$3" "$1/cert.pem" && cp "$4" "$1/key.pem"
}

# relay ADDRESS: listens on a free port, which is then in $port; ADDRESS holds @ for it
relay() {
    local try pid
    decided() { ! kill -0 $pid 2>/dev/null || listens; }
    listens() { ss -Hltnp "sport = :$port" | grep -q "pid=$pid,"; }
    for try in $(seq 20); do
        port=$((20000 + (RANDOM * 7 + try) % 9000))
        socat "${1/@/$port}" UNIX-CONNECT:/var/run/docker.sock 2>relay.log &
        pid=$!
        wait_until $E2E_LIMIT decided
        listens && relays+=("$pid") && return 0
    done
    cat relay.log
    exit 1
}

authority ca && authority stranger && certificate server && certificate client || exit 1
folder good ca.pem client.pem client-key.pem
folder unsigned ca.pem stranger.pem stranger-key.pem
folder wrong-ca stranger.pem client.pem client-key.pem
mkdir no-client && cp ca.pem no-client

relay "OPENSSL-LISTEN:@,bind=127.0.0.1,reuseaddr,fork,cert=server.pem,key=server-key.pem,cafile=ca.pem,verify=1"
secure=tcp://127.0.0.1:$port

ok 'every call works over TLS' env DMPI_LIVE_ENGINE="$secure" DMPI_LIVE_TLS="$E2E_TMP/good" \
    "$build/unit/test_engine_live"
unlike "$out$err" '[Ss][Kk][Ii][Pp]' 'none of them was left out'

over_tls() { DOCKER_HOST=$secure DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$E2E_TMP/$1 dockmpi ps; }

ok 'DOCKER_HOST with certificates is honoured' over_tls good
exits 125 'no client certificate: refused' over_tls no-client
like "$err" 'wants a TLS client certificate' 'and says so'
one_line "$err" 'in one line'
exits 125 'a client certificate of a stranger: refused' over_tls unsigned
like "$err" 'client certificate .*unsigned/cert.pem is refused' 'and names the file'
exits 125 'a server of another authority: refused' over_tls wrong-ca
like "$err" "certificate is not accepted .*wrong-ca/ca.pem" 'and names the authority'
exits 125 'a folder without certificates: refused' over_tls nowhere
like "$err" 'nowhere' 'and names the folder'

if [ "$E2E_MODE" = normal ]; then # sanitizers have a malloc of their own; `make sweep` does hundreds
    make -s -C "$E2E_ROOT" sweep-lib
    printf 'name: none\nnodes:\n  - { name: a, docker: "%s", tls: %s, addr: 127.0.0.1 }\n' "$secure" "$E2E_TMP/good" >tls.yaml
    ok 'calls that fail under TLS: no crash, no hang, no other result, nothing left' env DOCKMPI="$build/dockmpi" \
        "$E2E_ROOT/tests/sweep/run" --points 6 --file tls.yaml
fi

relay "TCP-LISTEN:@,bind=127.0.0.1,reuseaddr,fork"
ok 'plain tcp to the loopback works' env DMPI_LIVE_ENGINE="tcp://127.0.0.1:$port" \
    "$build/unit/test_engine_live"
secure=tcp://127.0.0.1:$port
exits 125 'TLS to a port without it: refused' over_tls good
like "$err" 'is it a port without TLS' 'and says so'
exits 125 'plain tcp to another machine: refused' env DOCKER_HOST=tcp://192.0.2.1:2375 "$DOCKMPI" ps
like "$err" '192\.0\.2\.1.*TLS' 'and says why'
