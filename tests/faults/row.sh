# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# One row of the table: hosts, a cluster, a fault, what the user is told, what is left. For tests/faults/run.
# shellcheck disable=SC2154 # tmp, faults, client: lib.sh
rows=() cluster=''
declare -A what=() where_row=() want_code=() bound=() want_text=()

# fault NAME PLACE CODE SECONDS TEXT WHAT: a row and its promise. The function NAME (with _ for -) provokes it.
# PLACE: hosts (three, over ssh) or local (this machine's engine). CODE: exit status of the client, a pattern.
# SECONDS: from the fault to the word. TEXT: an extended regular expression for a line that the user sees; empty:
# nothing is said.
fault() {
    rows+=("$1")
    where_row[$1]=$2 want_code[$1]=$3 bound[$1]=$4 want_text[$1]=$5 what[$1]=$6
}

# A machine that does other things meanwhile may take so many times as long.
slack=${FAULTS_SLACK:-1}

# ---- hosts -------------------------------------------------------------------------------------------

# With FAULTS_LAB, the folder of a laboratory that stands already (LAB_NAME, LAB_SUBNET), that one is used and stays.
export LAB_NAME=${LAB_NAME:-$faults} LAB_DIR=${FAULTS_LAB:-$tmp/lab} LAB_ENGINES=${LAB_ENGINES:-26 20 28}
hosts=(h0 h1 h2)
lab_is_up=''
lab() { env -u DOCKER_HOST compose/lab "$@"; }
on() { lab exec "$@"; }
address() { echo "$LAB_SUBNET.$((10 + ${1#h}))"; }

need_hosts() {
    local try host
    [ -z "$lab_is_up" ] || return 0
    lab_is_up=1
    if [ -n "${FAULTS_LAB:-}" ]; then
        sed -e 's/image: cpu/image: launcher/' "$LAB_DIR/cluster.yaml" >"$tmp/hosts.yaml"
        return 0
    fi
    for try in 1 2 3 4 5; do
        LAB_SUBNET=${FAULTS_SUBNET:-10.$((100 + RANDOM % 100)).$((RANDOM % 200 + try))}
        export LAB_SUBNET
        lab up ${#hosts[@]} >"$tmp/lab.log" 2>&1 && break
        grep -qi overlap "$tmp/lab.log" || die "the laboratory: $(tail -n 1 "$tmp/lab.log")"
    done
    for host in "${hosts[@]}"; do lab load "$host" dockmpi/launcher || die "no image on $host"; done
    sed -e 's/image: cpu/image: launcher/' "$LAB_DIR/cluster.yaml" >"$tmp/hosts.yaml"
}

# A row begins with its own cluster, and leaves the hosts as they were.
cluster_of() {
    cluster=$faults-$1
    where=(--name "$cluster")
    if [ "${where_row[$1]}" = hosts ]; then
        need_hosts
        sed "s/^name: .*/name: $cluster/" "$tmp/hosts.yaml" >"$tmp/$1.yaml"
        where=(-f "$tmp/$1.yaml")
    fi
}
container() { echo "dockmpi-$cluster-$1"; }

# with VERB ARGUMENT...: a client of this row's cluster.
with() { dockmpi "$1" "${where[@]}" "${@:2}"; }

# quietly VERB ARGUMENT...: the same where it has to work: before the fault, or to repair.
quietly() {
    with "$@" >"$tmp/quiet" 2>"$tmp/quiet.err" </dev/null || note "$1 ended with $?: $(tail -n 1 "$tmp/quiet.err")"
}
up() {
    local workers=()
    [ "${where_row[$row]}" = hosts ] || workers=(--workers 2 --image launcher)
    quietly up "${workers[@]}" "$@"
}
works() { quietly run -- true; }

# ---- the fault ----------------------------------------------------------------------------------------

# What is not as promised.
note() { problems+=("$1"); }

# start VERB ARGUMENT...: a client in the background, whose words are collected.
start() {
    : >"$tmp/out" && : >"$tmp/err"
    "${client[@]}" "$1" "${where[@]}" "${@:2}" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
}

# job [COMMAND]: a job of one rank a worker that does this, or lasts; until all have come.
job() {
    start run -- sh -c "echo here; ${1:-sleep 600}"
    wait_until 60 ranks_came || note 'the job did not start'
}
ranks_came() { [ "$(grep -c here "$tmp/out")" -ge "${ranks:-${#hosts[@]}}" ]; }

# printed LINES PATTERN: that many lines of the job's output are so.
printed() {
    local n
    n=$(grep -c -- "$2" "$tmp/out")
    [ "$n" = "$1" ] || note "$n of $1 lines '$2' came"
}
# ten_a_second LINES: what prints so many, numbered.
ten_a_second() { echo "i=0; while [ \$i -lt $1 ]; do echo line \$i; i=\$((i + 1)); sleep 0.1; done"; }

# From here on the time counts.
now_it_happens() { since=$(now); }

heard() { grep -qaE -- "${want_text[$row]}" "$tmp/err" "$tmp/out"; }
ended() { ! kill -0 "$pid" 2>/dev/null; }
heard_or_ended() { heard || ended; }

# Until the user has heard the promised words, and the client has ended. Far beyond the bound it is ended.
listen() {
    local patience=$((${bound[$row]} * 3 + 20))
    if [ -n "${want_text[$row]}" ]; then wait_until "$patience" heard_or_ended; else wait_until "$patience" ended; fi
    after=$(($(now) - since))
    wait_until "$patience" ended || { note "the client hangs"; kill -KILL -- "-$pid" 2>/dev/null; }
    wait "$pid"
    code=$?
    pid=''
}

# happens VERB ARGUMENT...: the fault meets a client that starts now.
happens() {
    now_it_happens
    start "$@"
    listen
}

# The line that tells, without what differs from run to run.
words() {
    local line=''
    [ -z "${want_text[$row]}" ] || line=$(tr -d '\0' <"$tmp/err" | cat - "$tmp/out" | grep -aE -- "${want_text[$row]}" | head -n 1)
    [ -n "$line" ] || line=$(tr -d '\0' <"$tmp/err" | grep -av '^here$' | tail -n 1)
    sed -e "s/$cluster/lab/g" -e "s/${LAB_SUBNET:-10.88.7}/10.88.7/g" -e "s|$tmp|/tmp|g" -e 's/|/\\|/g' <<<"$line" | tr -cd '[:print:]'
}

# ---- what is left ---------------------------------------------------------------------------------------

engine_containers() { # HOST or nothing: container ids of this row's cluster
    local list=(docker ps -aq --no-trunc --filter "label=io.dockmpi.cluster=$cluster")
    if [ -n "${1:-}" ]; then on "$1" "${list[@]}"; else "${list[@]}"; fi
}

remember_ids() {
    local host
    if [ "${where_row[$row]}" = local ]; then engine_containers; else
        for host in "${hosts[@]}"; do engine_containers "$host"; done
    fi >>"$tmp/ids" 2>/dev/null
}

left_on() {
    local host=$1
    engine_containers "$host" | sed "s/^\(.\{12\}\).*/container \1${host:+ on $host}/"
    [ -z "$host" ] || on "$host" docker volume ls -q | sed "s/^/volume on $host: /"
}

whats_left() {
    local host
    wait_until 10 no_clients || clients_left
    if [ "${where_row[$row]}" = local ]; then left_on ''; else
        for host in "${hosts[@]}"; do left_on "$host"; done
    fi
    # shellcheck disable=SC2046 # a list of words
    processes_of $(sort -u "$tmp/ids")
    files_left
}

# ---- all of it -------------------------------------------------------------------------------------------

verdict() {
    local seconds
    # shellcheck disable=SC2053 # a pattern is meant
    [[ $code == ${want_code[$row]} ]] || note "exit status $code, promised ${want_code[$row]}"
    if [ -n "${want_text[$row]}" ]; then
        heard || note "nothing like: ${want_text[$row]}"
    else
        [ -z "$(grep -av '^here$' "$tmp/err")" ] || note 'something was said, promised is silence'
    fi
    seconds=$(((after + 999) / 1000))
    [ "$seconds" -le $((${bound[$row]} * slack)) ] || note "after $seconds s, promised ${bound[$row]} s"
}

one() {
    local row=$1 where=() problems=() after=0 since=0 code=0 left='' pid='' mark=yes ranks=''
    rm -rf "$tmp"/{ids,run,tmp,out,err} && mkdir -m 700 "$tmp"/{run,tmp} && : >"$tmp/ids"
    cluster_of "$row"
    "${row//-/_}"
    verdict
    remember_ids
    quietly down
    left=$(whats_left)
    [ -z "$left" ] || { note "left behind: $left" && remove_left; }
    [ ${#problems[@]} -eq 0 ] || mark=no
    printf '| %s | %s | %d.%d | %s | %s |\n' "${what[$row]}" "$(words)" $((after / 1000)) $((after / 100 % 10)) \
        "$(tr '\n' ' ' <<<"${left:-nothing}" | sed 's/ $//')" "$mark"
    [ $mark = yes ] || { printf '%s: ' "$row"; printf '%s; ' "${problems[@]}"; echo; tr -d '\0' <"$tmp/err" | sed 's/^/    /'; } >&2
    [ $mark = yes ]
}

# So that the next row begins on clean hosts.
remove_left() {
    local host
    if [ "${where_row[$row]}" = local ]; then engine_containers | xargs -r docker rm -f; else
        for host in "${hosts[@]}"; do engine_containers "$host" | xargs -r compose/lab exec "$host" docker rm -f; done
    fi >/dev/null 2>&1
}

hosts_end() {
    if [ -n "${FAULTS_LAB:-}" ]; then dockmpi down -f "$tmp/hosts.yaml" --name "$cluster"; else lab down; fi
}

end() {
    local status=$?
    trap - EXIT INT TERM HUP
    [ -z "${pid:-}" ] || kill -KILL -- "-$pid" 2>/dev/null
    docker ps -a --filter label=io.dockmpi.cluster --format '{{.ID}} {{.Label "io.dockmpi.cluster"}}' |
        awk -v p="$faults-" 'index($2, p) == 1 { print $1 }' | xargs -r docker rm -f >/dev/null 2>&1
    [ -z "$lab_is_up" ] || hosts_end >/dev/null 2>&1
    rm -rf "$tmp"
    exit $status
}
