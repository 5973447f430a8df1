#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2086,SC2154 # lines are split into words; variables are named by eval, some for run-job.sh
# Part of run-job: whether the ranks are where they were planned. Each rank first writes a line about itself
# (rank.sh) to its standard error, which the job container collects and keeps from the user:
#
#   dockmpi-MARK RANK SIZE WORKER PLANNED LOCAL PID GPUS FAULT HOSTNAME
#
# As soon as all have come this costs nothing any more. Ends the job where something is wrong, with the
# reason in $dir/verdict.

# What lib/mpi wrote at the head of the job; nothing is collected without "# Ranks:".
ranks=0 plan='' map='' gpus='' reads='' verify='' restarts=0 files='' ucc='' job='' cluster='' grace=0 limit=''
head_of_job() {
    while read -r hash key value && [ "$hash" = '#' ]; do
        case $key in
        Reads) reads=1 ;;
        Job:) job=$value ;;
        Cluster:) cluster=$value ;;
        Grace:) grace=$value ;;
        Timeout:) limit=$value ;;
        Ranks:) ranks=$value ;;
        Plan:) plan=$value ;;
        Map:) map=$value ;;
        Gpus:) gpus=$value ;;
        Verify:) verify=$value ;;
        Restarts:) restarts=$value ;;
        Code:) files=$value ;;
        Ucc:) ucc=$value ;;
        esac
    done </etc/dockmpi/job
}
# The workers, which the same file tells in its last lines.
members() {
    while read -r hash key index node container gpu; do
        [ "$hash $key" != '# Worker:' ] ||
            eval "node_$index=\$node container_$index=\$container gpu_$index=\$gpu"
    done </etc/dockmpi/job
}
# A command of the user's, who may have several clusters.
command_for() {
    echo "\`dockmpi $1${cluster:+ --name $cluster}\`"
}
place() {
    case $1 in
    *[!0-9]*) echo 'in the launcher' ;;
    *) eval "echo \"on worker-$1 of node \${node_$1:-?}\"" ;;
    esac
}
# The worker that a rank was planned for.
planned() {
    left=$1 rest=$plan
    while [ -n "$rest" ]; do
        part=${rest%%,*}
        case $rest in *,*) rest=${rest#*,} ;; *) rest='' ;; esac
        span=${part%:*} each=${part#*:}
        first=${span%-*}
        here=$(((${span#*-} - first + 1) * each))
        [ "$left" -ge "$here" ] || break
        left=$((left - here))
    done
    echo $((first + left / each))
}
verdict() {
    echo "dockmpi: the job was ended: $1" >"$dir/verdict"
}
# The first of those who have not come.
missing() {
    members
    number=$(grep -c . "$dir/came") lost=0
    while grep -qx "$lost" "$dir/came"; do lost=$((lost + 1)); done
    echo "rank $lost, planned $(place "$(planned $lost)"), has not come; $number of $ranks ranks have"
}
# Nobody waits forever for a rank that does not come.
watch() {
    trap 'kill "$nap"; exit' TERM
    last=-1
    while :; do
        sleep "${DOCKMPI_PATIENCE:-120}" &
        nap=$!
        wait "$nap"
        now=$(grep -c . "$dir/came")
        if [ "$now" = "$last" ]; then
            verdict "$(missing). $(command_for doctor) looks at the nodes"
            kill -s TERM $$
        fi
        last=$now
    done
}
# FAULT RANK SIZE WORKER PLANNED LOCAL
complain() {
    members
    case $1 in
    size) why="mpirun made a world of size $3, $ranks ranks were asked for" ;;
    local) why="rank $2 is number $6 $(place "$4"), which was not planned" ;;
    twice) why="rank $2 came twice" ;;
    gpu) why="rank $2 sees no GPU $(place "$4")" ;;
    *)
        if [ "$5" = - ]; then
            why="rank $2 is $(place "$4"), but only $ranks ranks were asked for"
        else
            why="rank $2 is $(place "$4"), planned $(place "$5")"
        fi
        ;;
    esac
}
# What a rank says about itself.
note() {
    set -- $1
    case $1$2 in '' | *[!0-9]*) return ;; esac
    case $3 in '' | *[!0-9a-z]*) return ;; esac
    fault=$8
    eval "[ -z \"\${row_$1}\" ]" || fault=twice
    eval "row_$1=\"\$3 \$5 \$6 \$7 \$9\""
    echo "$1" >>"$dir/came"
    came=$((came + 1))
    [ "$2" -eq "$ranks" ] || need=$2
    [ "$3" = "${only:=$3}" ] || only=several
    if [ "$fault" = ok ] && [ -n "$gpus" ]; then
        eval "gpu=\$gpu_$3"
        case $gpu:$7 in nvidia:*nv* | amd:*render* | *:*dxg* | -:*) ;; *) fault=gpu ;; esac
    fi
    [ "$fault" = ok ] || [ -n "$why" ] || complain "$fault" "$1" "$2" "$3" "$4" "$5"
}
# map_each COMMAND: with each rank's row as arguments.
map_each() {
    number=0
    while [ "$number" -lt "$ranks" ]; do
        eval "set -- $1 \$row_$number"
        eval "node=\$node_$2 container=\$container_$2"
        "$@"
        number=$((number + 1))
    done
}
measure() {
    [ "${#node}" -le "$wide" ] || wide=${#node}
    [ "${#container}" -le "$long" ] || long=${#container}
}
table_row() {
    printf "$line" "$number" "$node" "worker-$1" "$container" "$5" "$2" "$3" "$4"
}
json_row() {
    [ "$number" -eq 0 ] || printf ', '
    printf '{"rank": %d, "node": "%s", "worker": "worker-%s", "container": "%s", ' \
        "$number" "$node" "$1" "$container"
    printf '"host": "%s", "local_rank": %d, "pid": %d, "gpus": "%s"}' "$5" "$2" "$3" "${4#-}"
}
map_json() {
    printf '{"map": ['
    map_each json_row
    echo ']}'
}
map_text() {
    wide=4 long=9
    map_each measure
    line="%-4s  %-${wide}s  %-11s  %-${long}s  %-${long}s  %5s  %7s  %s\n"
    printf "$line" RANK NODE WORKER CONTAINER HOSTNAME LOCAL PID GPUS
    map_each table_row
}
# From the ranks' standard error to the user's.
sift() {
    [ "$ranks" -gt 0 ] || exec cat
    set -f
    came=0 need=$ranks why='' only='' line=''
    [ -z "$gpus" ] || members
    watch >/dev/null 2>&1 </dev/null &
    while [ "$came" -lt "$need" ] && IFS= read -r line; do
        case $line in
        *"dockmpi-$mark "*)
            printf %s "${line%%"dockmpi-$mark "*}"
            note "${line#*"dockmpi-$mark "}"
            ;;
        *) printf '%s\n' "$line" ;;
        esac
        line=''
    done
    printf %s "$line"
    kill "$!"
    if [ -n "$why" ]; then
        [ "$came" -eq 1 ] || [ "$only" = several ] || why="$why; all $came ranks are $(place "$only")"
        verdict "$why. $(command_for 'run --dry-run') shows the plan; see which mpirun the launcher's image has"
        kill -s TERM $$
        exec grep -av "dockmpi-$mark "
    fi
    if [ "$came" -ge "$ranks" ]; then
        : >"$dir/all"
        [ -z "$map" ] || members
        [ -z "$map" ] || "map_$map"
    fi
    [ "$report" != err ] || {
        hear
        exit
    }
    [ -z "$verify" ] || [ -z "$ucc" ] || hear_ucc
    exec cat
}
