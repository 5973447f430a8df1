#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ssh:// endpoints: a real sshd on high ports of the loopback, with throw-away keys, in front of the real engine.
# timeout: 600
# valgrind: no (libssh2 and libcrypto are slow there, and what they do is theirs)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

build=$E2E_ROOT/build
[ "$E2E_MODE" = debug ] && build=$E2E_ROOT/build-debug
need_image launcher
need_image cpu
export DMPI_LIVE_IMAGE=dockmpi/launcher:latest DMPI_LIVE_LOG=1
DMPI_LIVE_CLUSTER=$(cluster ssh)
export DMPI_LIVE_CLUSTER
unset DOCKER_HOST DOCKER_CONTEXT SSH_AUTH_SOCK
server=$(cluster ssh)-server
agent=

stop_all() {
    docker rm -f "$server" >/dev/null 2>&1
    [ -n "$agent" ] && kill "$agent" 2>/dev/null
}
trap 'stop_all; e2e_end' EXIT

# ---- keys and servers ---------------------------------------------------------------------------

dir=$E2E_TMP/ssh
mkdir "$dir" && chmod 755 "$dir" && cd "$dir" || exit 1
export XDG_RUNTIME_DIR=$dir/run
mkdir -m 700 run
for key in host user stranger; do ssh-keygen -q -t ed25519 -N '' -f $key || exit 1; done
ssh-keygen -q -t rsa -b 2048 -N '' -f rsa && ssh-keygen -q -t ed25519 -N 'open sesame' -f locked || exit 1
cat user.pub rsa.pub locked.pub >authorized

# config NAME PORT LINE...
config() {
    local name=$1 port=$2
    shift 2
    printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' 'ListenAddress ::1' "HostKey /ssh/host" 'AuthorizedKeysFile /ssh/authorized' \
        'StrictModes no' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' 'UsePAM no' 'PidFile none' \
        'PermitRootLogin yes' 'PerSourcePenalties no' "$@" >"$name.conf"
}

cat >serve <<'END'
useradd -p '*' -s /bin/sh alice
mkdir -p /run/sshd && cp -r /ssh/. /ssh-own && chown -R root /ssh-own && chmod 600 /ssh-own/host
for name in plain stdio closed; do
    sed 's:/ssh/:/ssh-own/:' /ssh-own/$name.conf >/ssh-own/$name
    /usr/sbin/sshd -D -e -f /ssh-own/$name &
done
wait
END
cat >sever <<'END'
for f in $(grep -l '[s]shd-session' /proc/[0-9]*/cmdline 2>/dev/null); do
    p=${f#/proc/}
    kill -9 "${p%%/*}"
done
true
END

listening() { [ "$(docker logs "$server" 2>&1 | grep -c 'Server listening on 127')" -eq 3 ]; }

start_servers() {
    local try base
    for try in 1 2 3 4 5; do
        base=$((21000 + (RANDOM * 5 + try) % 7000))
        plain=$base stdio=$((base + 1)) closed=$((base + 2))
        config plain $plain
        config stdio $stdio 'AllowTcpForwarding no'
        config closed $closed 'AllowStreamLocalForwarding no' 'ForceCommand /bin/false'
        docker run -d --name "$server" --label "io.dockmpi.cluster=$DMPI_LIVE_CLUSTER" --network host --init \
            -v "$dir:/ssh:ro" -v /var/run/docker.sock:/var/run/docker.sock \
            -v "$(command -v docker):/usr/bin/docker:ro" dockmpi/cpu sh /ssh/serve >/dev/null || exit 1
        wait_until 20 listening && return 0
        docker logs "$server"
        docker rm -f "$server" >/dev/null
    done
    exit 1
}
start_servers

# known FILE KEY: what a known_hosts file says about all three
known() {
    local port
    for port in $plain $stdio $closed; do echo "[127.0.0.1]:$port,[::1]:$port $(cut -d' ' -f1,2 "$2.pub")"; done >"$1"
}
known known host
known changed stranger
: >empty
cp known hashed && ssh-keygen -q -H -f hashed 2>/dev/null
cp host.pub revoked.pub
{ cat known && echo "*.example.com $(cut -d' ' -f1,2 stranger.pub)"; } >patterns

# The user's own ssh configuration, which nobody's real one may disturb.
cat >config <<END
Host *
  UserKnownHostsFile $dir/known
  GlobalKnownHostsFile /dev/null
  IdentityFile $dir/user
  User root
Host target jump viacommand stranger agent hashed revoked busy
  HostName 127.0.0.1
  Port $plain
Match originalhost matched exec "test -s $dir/known"
  HostName 127.0.0.1
  Port $plain
Host revoked
  RevokedHostKeys $dir/revoked.pub
Host busy
  LocalForward $plain 127.0.0.1:1
  RemoteCommand echo not this
  ControlMaster auto
  ControlPath $dir/master-%C
  ControlPersist 60
Host target
  ProxyJump jump
Host viacommand
  ProxyCommand socat - TCP:%h:%p
END
printf '#!/bin/sh\nexec ssh -F %s/config "$@"\n' "$dir" >program && chmod 755 program
export DOCKMPI_SSH=$dir/program

# ---- what works ---------------------------------------------------------------------------------

live() { DMPI_LIVE_IDENTITY=$dir/$1 DMPI_LIVE_KNOWN_HOSTS=$dir/$2 DMPI_LIVE_ENGINE=$3 "$build/unit/test_engine_live"; }
url=ssh://root@127.0.0.1

export DMPI_LIVE_CUT="docker exec $server sh /ssh/sever"
ok 'every call works over a forwarded socket, and comes back after a cut' live user known $url:$plain
unlike "$out$err" '[Ss][Kk][Ii][Pp]|reached by the ssh program' 'by libssh2, with nothing left out'
ok 'every call works over docker system dial-stdio' live user known $url:$stdio
unset DMPI_LIVE_CUT
ok 'a known_hosts file with patterns works' live user patterns $url:$plain
like "$out$err" 'reached by the ssh program' 'by the ssh program, and says so'
ok 'an RSA key works' live rsa known $url:$plain

if [ "$E2E_MODE" = normal ]; then # sanitizers have a malloc of their own; `make sweep` does hundreds
    make -s -C "$E2E_ROOT" sweep-lib
    printf 'name: none\nnodes:\n  - { name: a, docker: "%s", identity: %s, known_hosts: %s, addr: 127.0.0.1 }\n' \
        "$url:$plain" "$dir/user" "$dir/known" >sweep.yaml
    ok 'calls that fail under ssh: no crash, no hang, no other result, nothing left' env DOCKMPI="$build/dockmpi" \
        "$E2E_ROOT/tests/sweep/run" --points 6 --file sweep.yaml
fi

over() { DOCKER_HOST=$1 dockmpi ps; }
over_all() { DOCKER_HOST=ssh://jump dockmpi "$@"; }
ok 'the ssh configuration is honoured' over ssh://jump
ok 'ProxyJump works' over ssh://target
ok 'ProxyCommand works' over ssh://viacommand
ok 'Match exec works' over ssh://matched
ok 'forwardings and a command of the configuration are no obstacle' over ssh://busy
if docker logs "$server" 2>&1 | grep -q 'Server listening on ::1'; then
    ok 'an IPv6 address works' env DOCKER_HOST="ssh://root@[::1]:$plain" "$DOCKMPI" ps
fi
sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/hashed:" config
ok 'hashed known hosts work' over ssh://jump
sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/known:" config

printf 'name: onhost\nnodes:\n  - { name: one, docker: "ssh://target", addr: 127.0.0.1 }\n  - { name: two, docker: "ssh://jump", addr: 127.0.0.1 }\n' >host.yaml
ok 'exec --host runs on the nodes themselves' dockmpi exec --host -f host.yaml --workdir /ssh-own -e "V=it's" -- \
    sh -c 'echo "$PWD $V $1"; test -f host' sh '$HOME; b'
is "$(sort <<<"$out")" "one: /ssh-own it's \$HOME; b
two: /ssh-own it's \$HOME; b" 'with all arguments as they are'
exits 9 'its exit code comes back' dockmpi exec --host -f host.yaml -w two -- sh -c 'exit 9'
exits 5 'shell --host, too' dockmpi shell --host -f host.yaml two sh -c 'test -d /ssh-own && exit 5'

eval "$(ssh-agent -a "$dir/agent.sock" -s)" >/dev/null && agent=$SSH_AGENT_PID
printf '#!/bin/sh\necho open sesame\n' >ask && chmod 755 ask
DISPLAY=none SSH_ASKPASS=$dir/ask SSH_ASKPASS_REQUIRE=force ssh-add -q "$dir/locked" </dev/null 2>/dev/null
sed -i "s:IdentityFile .*:IdentityFile $dir/none:" config
ok 'a key with a passphrase works through the agent' over ssh://agent
sed -i "s:IdentityFile .*:IdentityFile $dir/user:" config
unset SSH_AUTH_SOCK SSH_AGENT_PID

# ---- what is refused ----------------------------------------------------------------------------

refused() { # CODE-WORDS TITLE PATTERN URL
    exits 125 "$1" over "$3"
    like "$err" "$2" "$1: says so"
    one_line "$err" "$1: in one line"
}
sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/empty:" config
refused 'an unknown host' 'host key of .* is not known \(SHA256:.*ssh-keyscan' ssh://jump
sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/changed:" config
refused 'a changed host key' 'HOST KEY OF .* HAS CHANGED.*ssh-keygen -R' ssh://jump
sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/known:; s:IdentityFile .*:IdentityFile $dir/stranger:" config
refused 'a key that is not authorized' 'no key is accepted; tried: .*/stranger \(refused\)' ssh://jump
sed -i "s:IdentityFile .*:IdentityFile $dir/user:" config
refused 'a server that forwards nothing and runs nothing' 'cannot be reached there.*AllowStreamLocalForwarding' \
    "ssh://127.0.0.1:$closed"
refused 'a user who is not in the group docker' 'is the user in the group docker.*dial-stdio says: .*permission denied' \
    "ssh://alice@127.0.0.1:$plain"
refused 'a host key that is revoked' 'revokedhostkeys.*revoked' ssh://revoked
refused 'a socket that is not there' 'run/none.sock cannot be reached' "ssh://127.0.0.1:$plain/run/none.sock"
refused 'a port where nobody listens' 'no ssh server answers at 127.0.0.1 port 1 .*: Connection refused' ssh://127.0.0.1:1

# ---- sockets ------------------------------------------------------------------------------------

# While a command runs nothing of it lies in the runtime folder, so that nothing can be left there by a kill.
for who in jump patterns; do
    [ $who = patterns ] && sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/patterns:" config
    DOCKER_HOST=ssh://jump dockmpi up --name "$DMPI_LIVE_CLUSTER" --workers 1 --image launcher >up.log 2>&1 || cat up.log
    DOCKER_HOST=ssh://jump "$DOCKMPI" exec --name "$DMPI_LIVE_CLUSTER" -w worker-0 -- sh -c 'echo here; exec sleep 1000' \
        >exec.log 2>&1 &
    pid=$!
    wait_until $E2E_LIMIT grep -q here exec.log
    is "$(find run -mindepth 1)" '' "no socket has a name ($who)"
    kill -9 $pid
    wait $pid 2>/dev/null
    is "$(find run -mindepth 1)" '' 'nor does a killed command leave one'
done

# ---- much data, and lost connections -------------------------------------------------------------

sed -i "s:UserKnownHostsFile .*:UserKnownHostsFile $dir/known:" config
head -c 20000000 /dev/urandom >much
ok 'a large file goes there' over_all cp --name "$DMPI_LIVE_CLUSTER" much worker-0:/work/much
ok 'and comes back' over_all cp --name "$DMPI_LIVE_CLUSTER" worker-0:/work/much much.back
ok 'as it was' cmp much much.back

"$DOCKMPI" exec --host -f host.yaml -w two -- sh -c 'echo here; exec sleep 1000' >exec.log 2>exec.err &
pid=$!
wait_until $E2E_LIMIT grep -q here exec.log
docker exec "$server" sh /ssh/sever
wait $pid
is $? 125 'exec --host whose connection breaks fails'
like "$(tail -n 1 exec.err)" 'node two: ssh to jump ended with 255' 'and names the node'

DOCKER_HOST=ssh://jump "$DOCKMPI" forward --name "$DMPI_LIVE_CLUSTER" worker-0:1:0 >forward.log 2>forward.err &
pid=$!
wait_until $E2E_LIMIT grep -q 'goes to port' forward.log
local_port=$(sed -nE 's/^127\.0\.0\.1:([0-9]+) goes to .*/\1/p' forward.log)
touch_port() { : <"/dev/tcp/127.0.0.1/$local_port"; }
knock() { touch_port 2>/dev/null; grep -c 'nothing listens on port 1' forward.err; }
heard() { [ "$(knock)" -ge "$1" ]; }
ok 'forward answers' wait_until $E2E_LIMIT heard 1
docker exec "$server" sh /ssh/sever
n=$(grep -c 'nothing listens on port 1' forward.err)
ok 'and again after its connection was cut' wait_until $E2E_LIMIT heard $((n + 1))
kill -INT $pid
wait $pid
is $? 0 'Ctrl-C ends it'
ok 'down' over_all down --name "$DMPI_LIVE_CLUSTER"
is "$(find . -name 'master-*')" '' 'nobody was made a master of connections'
