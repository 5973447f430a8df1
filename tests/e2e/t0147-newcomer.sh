#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What somebody meets who knows only the README: a broken cluster that is examined, a name that is mistyped or
# forgotten.
# valgrind: no (what takes the time runs in containers)
. "$(dirname "$0")/lib.sh"
need_image launcher
c=$(cluster new)
ok 'up' dockmpi up --name "$c" --workers 2 --image launcher

# doctor looks at the cluster itself, too.
ok 'doctor, where all is well' dockmpi doctor --name "$c" --image launcher
like "$out" "^ok +cluster +all +cluster $c is up: its 3 containers run" 'says that the cluster runs'
docker kill "dockmpi-$c-worker-0" >/dev/null
docker rm -f "dockmpi-$c-worker-1" >/dev/null
exits 1 'doctor, where a worker is dead and another is gone' dockmpi doctor --name "$c" --image launcher
like "$out" "^fail +cluster +local +worker-0 of cluster $c is exited, not running" 'names the one'
like "$out" "^fail +cluster +local +worker-1 of cluster $c is gone: it has no container" 'and the other'
like "$out" "-> .dockmpi up --name $c., with the options that it had" 'and what to do'

