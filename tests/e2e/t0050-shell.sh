#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shell: a usable terminal (size, resize, Ctrl-C, exit code), and without a terminal a pipe. exec beside it.
# timeout: 240
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster sh)
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu
export PYTHONPATH=$E2E_ROOT/tests/e2e C=$c TERM=xterm

ok 'a terminal: size, resize, Ctrl-C, exit code' python3 -c '
import os
from ptytalk import Terminal, check, until
cluster = os.environ["C"]
t = Terminal([os.environ["DOCKMPI"], "shell", "--name", cluster, "worker-1"], rows=33, cols=101)
t.repeat("stty size\r", r"33 101\r\n")
t.send("echo in-$((40+2)) $TERM $(tty)\r")
t.expect(r"in-42 xterm /dev/pts/\d+")
t.resize(44, 77)
t.repeat("stty size\r", r"44 77\r\n")
t.send("echo go-$((1+1)); sleep 3000\r")
t.expect(r"go-2\r\n")
# Not before the command is in the foreground: until then Ctrl-C would meet the shell.
until(["docker", "top", f"dockmpi-{cluster}-worker-1", "-eo", "pid,args"], r"(?m) sleep 3000$")
t.send("\x03")
t.send("echo after-$((2+3))\r")
t.expect(r"after-5\r\n")
t.send("exit 5\r")
code = t.end()
check(code == 5, f"exit status {code}")
'
ok 'the terminal is restored' python3 -c '
import os
from ptytalk import Terminal, check
t = Terminal(["sh", "-c", "\"$DOCKMPI\" shell --name \"$C\" launcher true; stty -a; echo the-end"])
t.expect(r"[^-]icanon(.|\n)*[^-]echo (.|\n)*the-end")
t.end()
'
exits 6 'a command instead of a shell' dockmpi shell --name "$c" worker-0 sh -c 'exit 6'
printf 'echo piped; exit 4\n' | dockmpi shell --name "$c" launcher sh >out 2>err
is "$? $(cat out)" '4 piped' 'a pipe instead of a terminal'
exits 125 'shell in what is not there' dockmpi shell --name "$c" worker-7
one_line "$err" 'one line'

ok 'exec everywhere' dockmpi exec --name "$c" -- hostname
is "$(sort <<<"$out" | cut -d: -f1 | tr -d ' ')" 'launcher
worker-0
worker-1' 'lines are labelled'
exits 3 'the worst exit code counts' dockmpi exec --name "$c" -- sh -c 'case $(hostname) in *launcher*) exit 0;; esac; exit 3'
ok 'exec with input' sh -c 'echo hello | "$DOCKMPI" exec --name "$C" -i -w worker-0 -- cat'
is "$out" hello 'input and output of one container'
ok 'exec passes arguments as they are' dockmpi exec --name "$c" -w worker-0 -- printf '%s|' 'a b' '$HOME' ''
is "$out" 'a b|$HOME||' 'no shell in between'
dockmpi exec --name "$c" -w worker-1 -- sh -c 'echo to-out; echo to-err >&2' >out 2>err
is "$(cat out) $(cat err)" 'to-out to-err' 'two streams'
dockmpi exec --name "$c" -w worker-0 -- head -c 5000000 /dev/zero >out 2>err
is "$? $(wc -c <out)" '0 5000000' 'bytes as they are'
ok 'down' dockmpi down --name "$c"
