#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What somebody meets who knows only the README: a broken cluster that is examined, a name that is mistyped or
# forgotten.
# valgrind: no (what takes the time runs in containers)
. "$(dirname "$0")/lib.sh"
need_image launcher
c=$(cluster new)
ok 'up' dockmpi up --name "$c" --workers 2 --image launcher --env A=b

# doctor looks at the cluster itself, too.
ok 'doctor, where all is well' dockmpi doctor --name "$c" --image launcher
like "$out" "^ok +cluster +all +cluster $c is up: its 3 containers run" 'says that the cluster runs'
docker kill "dockmpi-$c-worker-0" >/dev/null
docker rm -f "dockmpi-$c-worker-1" >/dev/null
exits 1 'doctor, where a worker is dead and another is gone' dockmpi doctor --name "$c" --image launcher
like "$out" "^fail +cluster +local +worker-0 of cluster $c is exited, not running" 'names the one'
like "$out" "^fail +cluster +local +worker-1 of cluster $c is gone: it has no container" 'and the other'
like "$out" "-> .dockmpi up --name $c., with the options that it had" 'and what to do'

ok 'up with other options' dockmpi up --name "$c" --workers 2 --image launcher --shm-size 65m
like "$out" '^dockmpi-.*-launcher: replaced: its options changed: --env: not given this time; --shm-size: not given before$' 'says which are others'

# A rank that failed, and whose others wait.
ok 'a job' dockmpi run --name "$c" -d -- sh -c 'echo "ValueError: no such set"; exec sleep 600'
points() { t dockmpi why --name "$c" && grep -q "the last output is that of an error: .*\`dockmpi logs --name $c 1\` shows it" out; }
wait_until "$E2E_LIMIT" points && pass 'why points at its last words' || fail 'why points at its last words' || diag

# A name that is mistyped.
there="on node local there (is|are): .*$c"
exits 0 'ps of a cluster that is not there' dockmpi ps --name "$c-no"
like "$err" "^dockmpi: there is no cluster $c-no; $there" 'says so, and which there are'
exits 0 'jobs' dockmpi jobs --name "$c-no"
like "$err" "^dockmpi: there is no cluster $c-no; $there" 'does, too'
exits 0 'down' dockmpi down --name "$c-no"
like "$err" "^dockmpi: there is no cluster $c-no; $there" 'does, too'
for words in 'logs' 'attach' 'wait' 'cancel' 'run -- true' 'exec -- true'; do
    # shellcheck disable=SC2086 # words
    exits 125 "$words" dockmpi ${words%% *} --name "$c-no" ${words#"${words%% *}"}
    like "$err" "^dockmpi: cluster $c-no is not up: start it with .dockmpi up --name $c-no.; $there" 'says so, too'
    one_line "$err" 'in one line'
done

# A name that is said once.
export DOCKMPI_NAME=$c
ok 'DOCKMPI_NAME' dockmpi ps
like "$out" "^$c +worker-0 " 'is the cluster'
is "$(sed 1d out | grep -cv "^$c ")" 0 'alone'
ok 'a flag' dockmpi ps --name "$c-no"
unlike "$out" "^$c " 'wins'
unset DOCKMPI_NAME
printf 'name: %s\nnodes: [ { name: here, docker: "unix:///var/run/docker.sock", image: launcher } ]\n' "$c" >lab.yaml
export DOCKMPI_FILE=$PWD/lab.yaml
ok 'DOCKMPI_FILE' dockmpi ps
like "$out" "^$c +worker-0 +here " 'is the cluster file'
ok 'a flag' dockmpi ps --name "$c-no"
like "$err" 'on node local' 'wins'
ok 'down --all asks the engine, not the file' dockmpi down --all --dry-run
like "$out" "would remove dockmpi-$c-launcher on local" 'that is here'
ok 'down' dockmpi down
is "$(containers "$c")" '' 'takes down what the file names'

# Nothing stays of the preparations where there was nothing to prepare. Another user's state lies elsewhere.
mkdir fake run
printf '#!/bin/sh\necho 1000\n' >fake/id && chmod +x fake/id
ok 'compose/setup, where an engine answers' env PATH="$PWD/fake:$PATH" XDG_RUNTIME_DIR="$PWD/run" "$E2E_ROOT/compose/setup"
is "$(ls run)" '' 'leaves no folder behind'
