#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Keys never rest, files have exact owners and modes, hosts are checked, sshd takes keys on its address only.
# timeout: 240
# valgrind: no (what the client does here runs there in the other scripts)
. "$(dirname "$0")/lib.sh"
need_image cpu
a=$(cluster a) b=$(cluster b)
ok 'up' dockmpi up --name "$a" --workers 2 --image cpu
ok 'a second cluster' dockmpi up --name "$b" --workers 1 --image cpu
ok 'a job, so that there is one more container' dockmpi run --name "$a" -- sleep 0.3

in_container() { docker exec "dockmpi-$a-$1" "${@:2}"; }
members=(launcher worker-0 worker-1)
for m in "${members[@]}"; do
    ok "the key is there ($m)" in_container "$m" grep -q 'OPENSSH PRIVATE KEY' /etc/dockmpi/id_ed25519
    is "$(in_container "$m" stat -c '%a %u:%g' /etc/dockmpi)" '700 0:0' "the folder is root's alone ($m)"
    is "$(in_container "$m" sh -c 'grep -l "PRIVATE KEY" /etc/dockmpi/* | xargs stat -c "%a %u:%g" | sort -u')" '600 0:0' \
        "private keys are root's alone ($m)"
    is "$(in_container "$m" sh -c 'find /etc/dockmpi /root/.ssh ! -user 0 -o ! -group 0 -o -perm /022 ! -type l')" '' \
        "nothing is writable by others ($m)"
    is "$(in_container "$m" stat -f -c %T /etc/dockmpi)" tmpfs "it lies in memory ($m)"
done

# No more than sshd and mpirun need, in every container, and nothing that touches the node's network.
for name in $(containers "$a"); do
    is "$(docker inspect -f '{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}' "$name")" \
        '[ALL] [no-new-privileges] false' "the least rights ($name)"
done
t in_container worker-0 cat /proc/1/status
like "$out" '^CapBnd:	00000000200400eb$' 'those of a worker'
like "$out" '^NoNewPrivs:	1$' 'and no program gains any'
like "$out" '^Seccomp:	2$' "under the engine's seccomp profile"
like "$(in_container launcher cat /proc/1/status)" '^CapBnd:	00000000000000eb$' 'those of a launcher'
in_container worker-0 sh -c 'chmod u+s /bin/sleep; mknod /tmp/null c 1 3' 2>/dev/null && fail 'no devices are made' || pass 'no devices are made'
ok 'a terminal by ssh' in_container launcher ssh -tt worker-0 tty

# Nowhere else: not in what the engine tells, not in the container's layer, not in its log, not on our disk.
for name in $(containers "$a") $(containers "$b"); do
    unlike "$(docker inspect "$name")" 'PRIVATE KEY|b3BlbnNzaC1rZXk' "no key in docker inspect ($name)"
    unlike "$(docker logs "$name" 2>&1)" 'PRIVATE KEY|b3BlbnNzaC1rZXk' "no key in docker logs ($name)"
    left=$(docker diff "$name" | awk '$1 != "D" { print $2 }' | grep -E 'id_ed25519|host_key|_key$')
    is "$left" '' "no key in the container's layer ($name)"
done
is "$(grep -rlE 'PRIVATE KEY|b3BlbnNzaC1rZXk' "$HOME" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" "${XDG_RUNTIME_DIR:-/nonexistent}" 2>/dev/null)" '' \
    "no key on the user's disk"
for image in dockmpi/launcher dockmpi/cpu; do
    is "$(docker run --rm --network none --entrypoint sh "$image" -c 'ls /etc/ssh/ssh_host_*_key /root/.ssh/id_* /etc/dockmpi/* 2>/dev/null')" '' \
        "no key in the image $image"
done

# Nor in what is said: verbose, as JSON, in a plan. What looks like a secret by its name keeps its value for the ranks.
export SESAME_TOKEN=open-sesame
t dockmpi up -v --json --name "$b" --workers 2 --image cpu
unlike "$out$err" 'PRIVATE KEY|b3BlbnNzaC1rZXk' 'no key in what up -v --json says'
t dockmpi run -v --name "$b" --env SESAME_TOKEN -- sh -c 'echo "got ${#SESAME_TOKEN}"'
is "$rc $(sort -u <<<"$out")" '0 got 11' 'a secret reaches the ranks'
unlike "$out$err" 'PRIVATE KEY|b3BlbnNzaC1rZXk|open-sesame' 'and is not told'
t dockmpi run --dry-run --name "$b" --env SESAME_TOKEN -- true
unlike "$out$err" open-sesame 'nor in a plan'
like "$out" 'SESAME_TOKEN=.*hidden' 'which says so'
for flag in '' --json; do
    t dockmpi up --dry-run $flag --name "$b" --env SESAME_TOKEN
    unlike "$out$err" open-sesame "nor in the plan of up $flag"
done
is "$(containers "$b" | xargs docker inspect | grep -c open-sesame)" 0 'nor do engines know it'
unset SESAME_TOKEN

# What cp brings has the modes that umask leaves.
docker exec "dockmpi-$b-worker-0" sh -c 'mkdir /tmp/d && echo x >/tmp/d/f && chmod 777 /tmp/d /tmp/d/f && chmod u+s /tmp/d/f'
ok 'cp' sh -c 'umask 027; exec "$@"' sh "$DOCKMPI" cp --name "$b" worker-0:/tmp/d .
is "$(stat -c '%a %U' d d/f | tr '\n' ' ')" "750 $(id -un) 750 $(id -un) " 'umask counts, and nothing is set-uid'

# A client that crashes leaves no memory behind, and nobody but root may look into one that lives: `up` has made the keys
# when it orders the first container.
cat >crash.py <<'EOF'
import os, resource, signal, socket, subprocess, sys, threading
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ordered = threading.Event()
def carry(source, target):
    try:
        while data := source.recv(65536):
            if b"/containers/create" in data: return ordered.set() # the engine never hears of it
            target.sendall(data)
    except OSError: return # the client has crashed
def relay(server):
    while True:
        try: client = server.accept()[0]
        except OSError: return # closed: the program is at its end
        engine = socket.socket(socket.AF_UNIX)
        engine.connect("/var/run/docker.sock")
        for way in (client, engine), (engine, client): threading.Thread(target=carry, args=way, daemon=True).start()
def dumps(words, ready):
    child = subprocess.Popen(words, env=dict(os.environ, DOCKER_HOST="unix://" + os.path.abspath("relay.sock")))
    if not ready(child): sys.exit("it is not there yet")
    os.kill(child.pid, signal.SIGABRT)
    status = os.waitpid(child.pid, 0)[1]
    return os.WCOREDUMP(status) if os.WIFSIGNALED(status) else sys.exit("it had ended")
with socket.socket(socket.AF_UNIX) as server:
    server.bind("relay.sock")
    server.listen()
    threading.Thread(target=relay, args=(server,), daemon=True).start()
    if not dumps(["sleep", "600"], lambda child: True): print("no cores here")
    else: print("dumped" if dumps(sys.argv[1:], lambda child: ordered.wait(120)) else "nothing")
EOF
if [ "$E2E_MODE" = normal ]; then
    is "$(python3 crash.py "$DOCKMPI" up --name "$(cluster crash)" --workers 1 --image launcher |
        sed 's/no cores here/nothing/')" nothing 'no core dump of a client that holds keys'
    ok 'down after a crash' dockmpi down --name "$(cluster crash)"
    rm -f core core.*
fi

# Host keys: each worker its own, all known beforehand, a wrong one refused.
in_container launcher cat /etc/dockmpi/ssh_config >ssh_config
like "$(cat ssh_config)" 'StrictHostKeyChecking[ =]+yes' 'StrictHostKeyChecking yes'
is "$(for m in worker-0 worker-1; do in_container $m cat /etc/dockmpi/host_key; done | grep -c 'BEGIN')" 2 'every worker has a host key'
is "$(for m in worker-0 worker-1; do in_container $m sha256sum /etc/dockmpi/host_key; done | cut -c1-64 | sort -u | wc -l)" 2 'each its own'
ok 'ssh by alias from the launcher' in_container launcher ssh -F /etc/dockmpi/ssh_config worker-1 true
ok 'plain ssh by alias' in_container launcher ssh worker-0 true
ok 'ssh from worker to worker' in_container worker-0 ssh -F /etc/dockmpi/ssh_config worker-1 true
t in_container launcher sh -c 'sed "s/worker-0/worker-x/; s/worker-1/worker-0/; s/worker-x/worker-1/" /etc/dockmpi/known_hosts >/tmp/swapped
    ssh -F /etc/dockmpi/ssh_config -o UserKnownHostsFile=/tmp/swapped worker-1 true'
[ $rc -ne 0 ] && pass 'a wrong host key is refused' || fail 'a wrong host key is refused'
like "$err" 'HOST IDENTIFICATION HAS CHANGED|Host key verification failed' 'and that is the reason'

# sshd: keys only, root's key only, on the data address only.
port=$(awk '$1 == "Host" { in_block = ($2 == "worker-0") } in_block && $1 == "Port" { print $2; exit }' ssh_config)
config=$(in_container worker-0 sh -c '/usr/sbin/sshd -T -f /etc/dockmpi/sshd_config 2>/dev/null')
for line in 'passwordauthentication no' 'kbdinteractiveauthentication no' 'permitemptypasswords no' 'permitrootlogin (without|prohibit)-password' \
    'hostbasedauthentication no' 'permituserenvironment no' 'x11forwarding no' 'permittunnel no' 'gatewayports no' 'maxauthtries 2' \
    'pubkeyacceptedalgorithms ssh-ed25519' 'hostkeyalgorithms ssh-ed25519' 'strictmodes yes' "listenaddress 127\.0\.0\.1:$port"; do
    like "$config" "^$line\$" "sshd: $line"
done
unlike "$config" '^(subsystem|authorizedkeyscommand [^n]|banner [^n])' 'sshd: has no subsystem'
is "$(grep '^acceptenv' <<<"$config")" 'acceptenv DOCKMPI_DAEMON' 'sshd: takes one variable, which means nothing to any program'
is "$(grep -c '^listenaddress' <<<"$config")" 1 'sshd: no other address'
if command -v ssh >/dev/null; then
    t ssh -F none -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60 \
        root@127.0.0.1 true
    is $rc 255 'sshd refuses who has no key'
    like "$err" 'Permission denied \(publickey\)' 'and offers nothing but keys'
fi
t docker exec "dockmpi-$b-launcher" ssh -F none -i /etc/dockmpi/id_ed25519 -o IdentitiesOnly=yes -p "$port" -o BatchMode=yes \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60 root@127.0.0.1 true
is $rc 255 'the key of another cluster opens nothing'


# What sshd lets nobody do, who has the key and a client of his own.
client() { in_container launcher ssh -F /etc/dockmpi/ssh_config -o LogLevel=INFO "$@"; }
t client -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 worker-0 true
[ $rc -ne 0 ] && pass 'no port is forwarded to it' || fail 'no port is forwarded to it' || diag
like "$err" 'remote port forwarding failed' 'and sshd says so'
t client -W "127.0.0.1:$port" worker-0
[ $rc -ne 0 ] && pass 'none through it' || fail 'none through it' || diag
like "$err" 'prohibited' 'that is prohibited'
t client -o ExitOnForwardFailure=yes -R /tmp/sock:/tmp/sock worker-0 true
[ $rc -ne 0 ] && pass 'nor a socket' || fail 'nor a socket' || diag
t in_container launcher ssh-agent ssh -F none -A -i /etc/dockmpi/id_ed25519 -o UserKnownHostsFile=/etc/dockmpi/known_hosts -o HostKeyAlias=worker-0 \
    -p "$port" root@127.0.0.1 'echo agent:${SSH_AUTH_SOCK-none}'
is "$out" agent:none 'nor the agent'
t docker exec -e EVIL=1 -e LC_EVIL=1 -e LD_PRELOAD= "dockmpi-$a-launcher" ssh -F /etc/dockmpi/ssh_config -o 'SendEnv=EVIL LC_EVIL' -o SetEnv=BASH_ENV=/tmp/x \
    worker-0 'env | grep -cE "EVIL|BASH_ENV"'
is "$out" 0 'variables of the client do not come through'
t client -o PubkeyAuthentication=no -o PreferredAuthentications=password,keyboard-interactive,hostbased worker-0 true
is $rc 255 'no password is asked for'
like "$err" 'Permission denied \(publickey\)' 'keys are all there is'
t in_container launcher sh -c 'ssh-keygen -q -t ed25519 -N "" -f /tmp/wrong
    ssh -F none -i /tmp/wrong -o IdentitiesOnly=yes -o UserKnownHostsFile=/etc/dockmpi/known_hosts -o HostKeyAlias=worker-0 -o BatchMode=yes \
        -p "$1" root@127.0.0.1 true' sh "$port"
is $rc 255 'a wrong key is refused'
# The option, one that the other end does not list, and how it says so.
while read -r option value words; do
    t client -o "$option=$value" worker-0 true
    is $rc 255 "$value is refused"
    like "$err" "$words" 'as one that is not offered'
done <<'EOF'
KexAlgorithms ecdh-sha2-nistp256 no matching key exchange method
KexAlgorithms diffie-hellman-group14-sha256 no matching key exchange method
Ciphers aes128-ctr no matching cipher
HostKeyAlgorithms rsa-sha2-512 no matching host key type
EOF

# Who listens in the containers: one sshd each, on the address where the ranks are, and nobody else.
listeners() {
    docker exec -i "$1" sh -s <<'EOF'
for fd in /proc/[0-9]*/fd/*; do readlink "$fd"; done 2>/dev/null | sed -n 's/^socket:\[\(.*\)\]$/\1/p' | sort -u >/tmp/inodes
sed 's/^ *//' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | while read -r _ at _ state _ _ _ _ _ inode _; do
    case $state in 0A | 07) ! grep -qx "$inode" /tmp/inodes || echo "$at" ;; esac
done
rm /tmp/inodes
EOF
}
is "$(listeners "dockmpi-$a-worker-0")" "$(printf '0100007F:%04X' "$port")" 'a worker listens on its port of the data address, and nowhere else'
is "$(listeners "dockmpi-$a-launcher")" '' 'a launcher listens nowhere'

ok 'down' dockmpi down --name "$a"
ok 'down' dockmpi down --name "$b"
