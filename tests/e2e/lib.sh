# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For the end-to-end scripts: points (TAP), the dockmpi under test, clusters that always go away again.
# tests/run sets the variables; a script that is started by hand gets values of its own.
set -u
E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${DOCKMPI:=$E2E_ROOT/build/dockmpi}" "${E2E_MODE:=normal}" "${E2E_PREFIX:=t$$-}"
export DOCKMPI DOCKMPI_IMAGES=${DOCKMPI_IMAGES:-$E2E_ROOT/images} NO_COLOR=1 LC_ALL=C.UTF-8
if [ -z "${E2E_TMP:-}" ]; then
    E2E_TMP=$(mktemp -d)
    e2e_own_tmp=1
    export HOME=$E2E_TMP/home XDG_CONFIG_HOME=$E2E_TMP/config XDG_CACHE_HOME=$E2E_TMP/cache
    mkdir -p "$HOME"
fi
cd "$E2E_TMP" || exit 1

# Generous: the machine may be small and busy. Waiting ends as soon as the condition holds.
export E2E_LIMIT=120
e2e_count=0
e2e_failed=0
rc=0 out='' err=''

dockmpi() { "$DOCKMPI" "$@"; }

# cluster NAME: the unique name of a cluster of this script.
cluster() { printf '%s%s' "$E2E_PREFIX" "$1"; }

# t COMMAND...: runs it; its exit status, stdout and stderr are then in $rc, $out, $err (and files out, err).
t() {
    "$@" >"$E2E_TMP/out" 2>"$E2E_TMP/err" </dev/null
    rc=$?
    e2e_read
}

# Without the notice that a node is slow to answer: on a busy machine any may be.
e2e_read() {
    out=$(tr -d '\0' <"$E2E_TMP/out" | head -c 100000)
    err=$(tr -d '\0' <"$E2E_TMP/err" | sed '/^dockmpi: waiting for nodes* .*: no answer for /d' | head -c 100000)
}

# diag: what the last command did, for the reader of a failed point.
diag() {
    printf '#   exit status: %s\n' "$rc"
    printf '%s\n' "$out" | tail -n 15 | sed 's/^/#   stdout: /'
    printf '%s\n' "$err" | tail -n 15 | sed 's/^/#   stderr: /'
}

pass() {
    e2e_count=$((e2e_count + 1))
    printf 'ok %d - %s\n' $e2e_count "$1"
}

fail() {
    e2e_count=$((e2e_count + 1))
    e2e_failed=$((e2e_failed + 1))
    printf 'not ok %d - %s\n' $e2e_count "$1"
    [ -n "${2:-}" ] && printf '%s\n' "$2" | sed 's/^/#   /'
    return 1
}

# ok TITLE COMMAND...: a point for the success of a command.
ok() {
    local title=$1
    shift
    t "$@"
    if [ $rc -eq 0 ]; then pass "$title"; else fail "$title" || diag; fi
}

# exits CODE TITLE COMMAND...: a point for an exact exit status.
exits() {
    local want=$1 title=$2
    shift 2
    t "$@"
    if [ "$rc" = "$want" ]; then pass "$title"; else
        fail "$title" "wanted exit status $want" || diag
    fi
}

# is GOT WANT TITLE
is() {
    if [ "$1" = "$2" ]; then pass "$3"; else
        fail "$3" "got:    $(printf '%s' "$1" | head -c 2000)
wanted: $(printf '%s' "$2" | head -c 2000)"
    fi
}

# like TEXT REGEX TITLE (extended, any line)
like() {
    if grep -qE -- "$2" <<<"$1"; then pass "$3"; else
        fail "$3" "got:    $(printf '%s' "$1" | tail -c 2000)
wanted: $2"
    fi
}

unlike() {
    if ! grep -qE -- "$2" <<<"$1"; then pass "$3"; else
        fail "$3" "got: $(grep -E -- "$2" <<<"$1" | head -c 2000)"
    fi
}

# json TITLE PYTHON [ARGS...]: the stdout of the last command is JSON, and holds as `r` what is asserted.
json() {
    local title=$1 code=$2
    shift 2
    cp "$E2E_TMP/out" "$E2E_TMP/json"
    ok "$title" python3 -c "import json, sys
with open(sys.argv.pop(1)) as f: r = json.load(f)
$code" "$E2E_TMP/json" "$@"
}

# one_line TEXT TITLE: an error is one line, not a stack of noise.
one_line() {
    is "$(printf '%s\n' "$1" | grep -c .)" 1 "$2" || printf '%s\n' "$1" | sed 's/^/#   /'
}

# wait_until SECONDS COMMAND...: until it succeeds; fails after the limit.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -ge $end ] && return 1
        sleep 0.2
    done
}

# containers CLUSTER [FILTER...]: the names of its containers, sorted.
containers() {
    local name=$1 filters=() f
    shift
    for f in "$@"; do filters+=(--filter "$f"); done
    docker ps -a --filter "label=io.dockmpi.cluster=$name" "${filters[@]}" --format '{{.Names}}' | sort
}

# ids CLUSTER: "name id" of its containers, sorted: the same text means the same containers.
ids() { docker ps -a --no-trunc --filter "label=io.dockmpi.cluster=$1" --format '{{.Names}} {{.ID}}' | sort; }

# remove_images LABEL: those that carry it. An image can only go after those that are built on it.
remove_images() {
    for _ in 1 2 3 4 5; do
        docker images -aq --filter "label=$1" | sort -u | xargs -r docker rmi -f >/dev/null 2>&1
    done
}

need_image() {
    docker image inspect "dockmpi/$1" >/dev/null 2>&1 || dockmpi image build "$1" >"$E2E_TMP/build.log" 2>&1 ||
        { cat "$E2E_TMP/build.log"; exit 1; }
}

# Clusters of this script are taken down whatever happened; what `down` misses, tests/run sees.
e2e_end() {
    local status=$? name
    trap - EXIT
    for name in $(docker ps -a --filter label=io.dockmpi.cluster --format '{{.Label "io.dockmpi.cluster"}}' 2>/dev/null | sort -u); do
        case $name in "$E2E_PREFIX"*) dockmpi down --name "$name" >/dev/null 2>&1 </dev/null ;; esac
    done
    printf '1..%d\n' $e2e_count
    [ $e2e_failed -gt 0 ] && [ $status -eq 0 ] && status=1
    if [ "${e2e_own_tmp:-0}" = 1 ]; then
        cd / && rm -rf "$E2E_TMP"
    fi
    exit $status
}
trap e2e_end EXIT
trap 'exit 130' INT TERM HUP
