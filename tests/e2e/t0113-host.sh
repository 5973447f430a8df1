#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# exec --host and shell --host on this machine: no engine is asked, and no container needed. (Over ssh: t0090.)
# timeout: 60
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Nobody answers on these sockets: commands on the host do not need them.
cat >two.yaml <<'END'
name: host
nodes:
  - { name: a, docker: unix:///nonexistent/a.sock, addr: 127.0.0.1 }
  - { name: b, docker: unix:///nonexistent/b.sock, addr: 127.0.0.1 }
  - { name: c, docker: "tcp://192.0.2.1:2376", tls: /nonexistent, addr: 127.0.0.1 }
END
mkdir 'a dir'

ok 'a command on one node' dockmpi exec --host -f two.yaml -w a -- printf '%s|' 'a b' "it's" '$HOME' ''
is "$out" "a b|it's|\$HOME||" 'gets its arguments as they are, and its output has no label'
ok 'on two nodes' dockmpi exec --host -f two.yaml -w a,b -w a -- sh -c 'echo one; echo two >&2; printf three'
is "$(sort <<<"$out")" 'a: one
a: three
b: one
b: three' 'every line has its label'
is "$(sort <<<"$err")" 'a: two
b: two' 'also on stderr'
ok 'without labels' dockmpi exec --host --no-label -f two.yaml -w a,b -- echo x
is "$out" $'x\nx' 'lines are as they come'
ok 'a folder and a variable' dockmpi exec --host -f two.yaml -w a --workdir "$PWD/a dir" -e 'V=1 2' -- sh -c 'echo "$PWD $V"'
is "$out" "$PWD/a dir 1 2" 'are what the command has'
exits 7 'the exit code is that of the command, the worst' dockmpi exec --host -f two.yaml -w a,b -- sh -c 'exit 7'
exits 127 'a program that is not there' dockmpi exec --host -f two.yaml -w a,b -- no-such-program
# Under valgrind, posix_spawn cannot tell why; the exit code alone does.
[ "$E2E_MODE" = valgrind ] || like "$err" 'node a: no-such-program: No such file' 'is told for each node'

exits 125 'a TLS endpoint' dockmpi exec --host -f two.yaml -- echo here
like "$err" 'node c: .*the Docker engine alone.*ssh://USER@192.0.2.1' 'is refused with why and what helps'
is "$(sort <<<"$out")" $'a: here\nb: here' 'and the others are served'
exits 125 'a container is no node' dockmpi exec --host -f two.yaml -w worker-0 -- true
like "$err" "no node called 'worker-0'.*it has: a, b, c" 'what there is is listed'

echo from stdin >input
is "$("$DOCKMPI" exec --host -i -f two.yaml -w b -- cat <input)" 'from stdin' '-i feeds one node'
exits 2 '-i with several' dockmpi exec --host -i -f two.yaml -w a,b -- cat
is "$(echo 'echo $((6 * 7)); exit 3' | SHELL=/bin/sh "$DOCKMPI" shell --host -f two.yaml b; echo $?)" $'42\n3' \
    'shell --host without a terminal is piped'
exits 4 'shell --host with a command' dockmpi shell --host -f two.yaml a sh -c 'exit 4'

# Ended early: nothing of it stays behind.
for nodes in a a,b; do
    "$DOCKMPI" exec --host -f two.yaml -w $nodes -- sh -c 'echo $$ >>pids; exec sleep 1000' >/dev/null 2>&1 &
    pid=$!
    wait_until $E2E_LIMIT test -s pids
    kill -TERM $pid
    wait $pid
    is $? 143 "TERM ends exec --host on $nodes" || echo "#   status $?"
    ok "and its commands" wait_until $E2E_LIMIT sh -c '! for p in $(cat pids); do kill -0 $p && echo alive; done 2>/dev/null | grep alive'
    rm -f pids
done
