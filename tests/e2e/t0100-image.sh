#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# image build and ls, with small profiles of this script's own on top of the launcher's image.
# timeout: 300
. "$(dirname "$0")/lib.sh"

need_image launcher

# What is shipped is valid.
ok 'ls of what is shipped' dockmpi image ls
like "$out" '^cpu +dockmpi/cpu:latest ' 'the CPU image is among it'
for job in multinode_ddp_mpi multinode_ddp_mpi_gpu allreduce_mpi4py; do
    ok "built-in job $job" dockmpi run --dry-run --image cpu:2 "$job"
    case $job in
    *_gpu) like "$out" 'DOCKMPI_DEVICE=gpu.*/multinode_ddp_mpi\.py' 'runs the same program on GPUs' ;;
    *) like "$out" "/$job\\.py" 'runs its program' ;;
    esac
done

# All that is built here carries this label, also what a failed build leaves in the engine's cache, and the
# containers of running steps.
label=io.dockmpi.test=${E2E_PREFIX}image
repo=e2e/${E2E_PREFIX}image
end() {
    local status=$?
    remove_images "$label"
    (exit $status)
    e2e_end
}
trap end EXIT

profiles=$E2E_TMP/profiles
export DOCKMPI_IMAGES=$profiles
# profile NAME [LINE OF image.yaml]... <Dockerfile
profile() {
    local name=$1
    shift
    mkdir -p "$profiles/$name"
    { echo "image: $repo:$name"; printf '%s\n' "$@"; } >"$profiles/$name/image.yaml"
    cat >"$profiles/$name/Dockerfile"
}
mkdir "$profiles"
cp -r "$E2E_ROOT/images/launcher" "$profiles/"
# json EXPRESSION: of the last command's output.
json() { python3 -c "import json, sys; j = json.loads(sys.argv[1]); print($1)" "$out"; }
containers_of_builds() { docker ps -aq --filter "label=$label"; }

profile tiny 'summary: for this test' <<DOCKERFILE
FROM dockmpi/launcher:latest
LABEL $label
COPY . /context
RUN echo first words && echo last words >&2
DOCKERFILE
printf '*.log\nsecret\n' >"$profiles/tiny/.dockerignore"
mkdir "$profiles/tiny/sub"
echo inside >"$profiles/tiny/sub/file"
echo no >"$profiles/tiny/secret"
echo no >"$profiles/tiny/x.log"
printf '#!/bin/sh\necho ran "$@"\n' >"$profiles/tiny/script"
chmod 700 "$profiles/tiny/script"

profile top 'from: tiny' <<'DOCKERFILE'
ARG BASE
FROM ${BASE}
RUN cat /context/sub/file >/copied
DOCKERFILE

ok 'ls lists profiles' dockmpi image ls
like "$out" "^tiny +$repo:tiny +local +- .*for this test" 'ls shows that an image is not there'
ok 'ls --json' dockmpi image ls --json top
is "$(json '[(i["profile"], i["present"], i["id"]) for i in j]')" "[('top', False, None)]" 'ls --json says so too'

ok 'a profile is built, and first what it is built on' dockmpi image build top --json
is "$(json '[i["image"] for i in j]')" "['$repo:tiny', '$repo:top']" 'both are reported'
below=$(json 'j[0]["id"]')
id=$(json 'j[1]["id"]')
like "$err" 'Step 4/4 : RUN echo first words' 'steps are shown'
is "$(docker image inspect -f '{{.Id}}' "$repo:top")" "$id" 'the id is that of the image'
t docker run --rm --network none "$repo:top" \
    sh -c 'cd /context; find . -mindepth 1 | sort | tr "\n" " "; cat /copied; stat -c "%u %a" script; ./script "a b"'
is "$out" './.dockerignore ./Dockerfile ./image.yaml ./script ./sub ./sub/file inside
0 755
ran a b' 'the context arrived, without what .dockerignore names'

ok 'building again' dockmpi image build top --json
is "$(json 'j[-1]["id"]')" "$id" 'nothing changed, nothing was made anew'
ok 'building without cache' dockmpi image build top --no-cache --json
is "$(json "len(j) == 2 and j[0]['id'] == '$below' and j[1]['id'] != '$id'")" True 'the profile alone is made anew'
# What pip needs here, and arguments, reach a build that asks for them; nothing of it stays in the image.
profile pip 'pip: true' <<DOCKERFILE
FROM dockmpi/launcher:latest AS downloads
LABEL $label
ARG WORD=none
COPY pip/ /pip/
RUN cat /pip/pip.conf && cmp /pip/ca.crt /pip/ca.crt && echo "\$WORD \$(stat -c %a /pip)" >/said
FROM dockmpi/launcher:latest
LABEL $label
COPY --from=downloads /said /said
DOCKERFILE
echo AUTHORITY >"$E2E_TMP/ca"
mkdir "$E2E_TMP/here"
TMPDIR=$E2E_TMP/here PIP_CERT=$E2E_TMP/ca PIP_INDEX_URL=https://user:word@index.test/simple ok 'a build with what pip needs' \
    dockmpi image build pip --build-arg 'WORD=two words' -v
like "$err" 'index-url = https://user:word@index.test/simple' 'the index is known to it'
like "$err" 'cert = /pip/ca.crt' 'and the authorities'
t docker run --rm --network none "$repo:pip" sh -c 'cat /said; ls -d /pip; grep -rl AUTHORITY /etc /usr/local'
is "$out" 'two words 755' 'the argument came through, and nothing else is left'
unlike "$(docker history --no-trunc "$repo:pip")$(docker image inspect "$repo:pip")" 'index.test|two words' \
    'not in its history either'
is "$(find "$E2E_TMP/here" -mindepth 1)" '' 'nor here'
exits 2 'a build argument without value' dockmpi image build pip --build-arg WORD
like "$err" 'build-arg WORD: expected NAME=VALUE' 'it says what is expected'

ok 'ls of what is there' dockmpi image ls --json tiny
is "$(json 'j[0]["present"] and j[0]["size"] > 50e6 and j[0]["id"].startswith("sha256:")')" True 'with id and size'

profile bad <<DOCKERFILE
FROM dockmpi/launcher:latest
LABEL $label
RUN echo all is well
RUN exec >&2; echo looking; echo 'E: nothing found'; exit 42
DOCKERFILE
exits 125 'a step that fails' dockmpi image build bad
reason=$(grep '^dockmpi: ' <<<"$err")
one_line "$reason" 'it gives one line'
like "$reason" "image $repo:bad: Step 4/4 : RUN exec >&2; echo looking.*non-zero code: 42; it printed last: looking \| E: nothing found$" \
    'with step, exit code and last words'
is "$(containers_of_builds)" '' 'no container is left of it'

profile wrong <<'DOCKERFILE'
FORM dockmpi/launcher:latest
DOCKERFILE
exits 125 'a Dockerfile that is wrong' dockmpi image build wrong
like "$err" "image $repo:wrong: .*unknown instruction: FORM" 'the engine says what is wrong'

exits 125 'an unknown profile' dockmpi image build nosuch
like "$err" "no image profile 'nosuch': there are: bad, launcher, pip, tiny, top, wrong" 'the known ones are named'
exits 2 'build without a name' dockmpi image build
exits 2 'an unknown action' dockmpi image make tiny
exits 125 'a node that is not there' dockmpi image ls --node elsewhere
like "$err" 'no node is called elsewhere' 'it is named'

mkdir -p "$profiles/ready"
echo "image: $repo:ready" >"$profiles/ready/image.yaml"
exits 125 'a profile without Dockerfile' dockmpi image build ready
like "$err" "ready has no Dockerfile: its image $repo:ready comes ready-made" 'it says what to do instead'

profile loop 'from: loop' <<'DOCKERFILE'
FROM scratch
DOCKERFILE
exits 125 'a profile built on itself' dockmpi image build loop
like "$err" 'leads back to itself' 'it is noticed'

t dockmpi up --name "$(cluster image)" --workers 1 --image loop
is $rc 125 'up with an image that was not built'
like "$err" "image $repo:loop is not there: build it with .dockmpi image build loop." 'it says how to build it'

profile slow <<DOCKERFILE
FROM dockmpi/launcher:latest
LABEL $label
RUN sleep 300
DOCKERFILE
"$DOCKMPI" image build slow >"$E2E_TMP/out" 2>"$E2E_TMP/err" </dev/null &
client=$!
if wait_until $E2E_LIMIT sh -c "docker ps -q --filter label=$label | grep -q ."; then pass 'a long step runs'; else fail 'a long step runs'; fi
kill -INT $client
wait $client
rc=$?
e2e_read
is $rc 130 'interrupted, it ends with 130'
is "$(containers_of_builds)" '' 'and its container is gone'

DOCKER_HOST=unix://$E2E_TMP/none.sock exits 125 'no engine' dockmpi image build tiny
like "$err" 'no Docker engine answers at' 'it says so'
