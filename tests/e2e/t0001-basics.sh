#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What needs no engine: version, help, wrong usage, output that cannot be written.
# timeout: 120
. "$(dirname "$0")/lib.sh"
export DOCKER_HOST=unix:///nonexistent/docker.sock

ok 'version' dockmpi version
like "$out" '^dockmpi [0-9]+\.[0-9]+\.[0-9]+$' 'version prints name and number'
ok 'version --json' dockmpi version --json
json 'version --json is JSON' 'assert r["version"]'
ok '--version' dockmpi --version

ok 'help' dockmpi help
verbs=$(sed -nE '/^commands:/,/^$/s/^  ([a-z]+) .*/\1/p' "$E2E_TMP/out")
for verb in up run ps logs exec shell cp image jobs down version help; do
    like "$verbs" "^$verb\$" "help lists $verb"
done
for verb in $verbs; do
    ok "help $verb" dockmpi help "$verb"
    cp out help
    t dockmpi "$verb" --help
    is "$out" "$(cat help)" "$verb --help says the same"
    is "$(grep -oE '^ +-[a-zA-Z],' help | sort | uniq -d)" '' "help $verb lists each letter once"
    t dockmpi "$verb" --json a b c d
    refuses=$(grep -c 'prints no result that --json could change' <<<"$err")
    is "$(grep -cE '^ +--json ' help)" $((1 - refuses)) "help $verb lists --json exactly when $verb takes it"
done

exits 2 'no command' dockmpi
exits 2 'unknown command' dockmpi frobnicate
one_line "$err" 'unknown command: one line'
exits 2 'a mistyped command' dockmpi verzion
like "$err" "did you mean 'version'" 'a mistyped command: a suggestion'
for verb in $verbs; do
    exits 2 "$verb --no-such-option" dockmpi "$verb" --no-such-option
    is "$out" '' "$verb --no-such-option: nothing on stdout"
    like "$err" 'no-such-option' "$verb --no-such-option: is named"
done
exits 2 'an option without its value' dockmpi up --workers
exits 2 'run without a program' dockmpi run
exits 2 'exec without a command' dockmpi exec
exits 2 'cp with one operand' dockmpi cp x
exits 2 'operands where none belong' dockmpi down some-cluster

if [ -w /dev/full ]; then
    dockmpi help >/dev/full 2>err
    is $? 125 'output that cannot be written is a failure'
fi
is "$(find "$HOME" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" -type f 2>/dev/null)" '' 'nothing was written anywhere'
