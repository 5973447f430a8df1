#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2086,SC2154 # lines are split into words; some variables are those of run-job.sh
# Part of run-job, for --verify: which transports Open MPI really uses, by its own report. Open MPI 5 is asked
# for the summary that rank 0 prints in MPI_Init (hook_comm_method); Open MPI 4.1 has none, there each rank
# tells the component that it selected (pml_base_verbose). The user sees one line instead. Where collectives were
# to go by UCC, each rank's component tells on standard error that it has a context of UCC's (coll_ucc_verbose).

# Sets in which stream the report will come, and makes Open MPI give one. $verify: "WANTED MPIRUN".
report=''
ask() {
    case $("${verify#* }" --version 2>/dev/null) in
    *'Open MPI) 4.'*)
        report=err
        export OMPI_MCA_pml_base_verbose=10
        ;;
    *)
        report=out
        export OMPI_MCA_hook_comm_method_display=mpi_init OMPI_MCA_hook_comm_method_brief=1
        ;;
    esac
    [ -z "$ucc" ] || export OMPI_MCA_coll_ucc_verbose=1
}
refuse() {
    verdict "$1"
    kill -s TERM $$
}
# What was told: inside a node and between nodes as far as known, and the largest rank.
inside='' between='' pml='' largest=''
# "all connections are ucx=tcp;lo,tcp;eth0": ucx (tcp/lo, tcp/eth0)
readable() {
    text=${1##*connections are }
    case $text in
    n/a) ;;
    *=*) echo "${text%%=*} ($(echo "${text#*=}" | tr ';' '/' | sed 's/,/, /g'))" ;;
    *) echo "$text" ;;
    esac
}
conclude() {
    : >"$dir/transport"
    inside=$(readable "$inside") between=$(readable "$between")
    told=${pml:+pml $pml}
    [ -z "$inside" ] || told="$inside inside a worker"
    [ -z "$between" ] || told="${told:+$told, }$between between workers"
    wanted=${verify%% *}
    if [ -n "$largest" ] && [ "$((largest + 1))" -ne "$ranks" ]; then
        refuse "Open MPI made a world of size $((largest + 1)), $ranks ranks were asked for"
        return
    fi
    for text in "$pml" "$inside" "$between"; do
        case $wanted:$text in
        any:* | *: | "$wanted:$wanted"*) ;;
        "$wanted:$pml" | ucx:* | *:ucx*) refuse "the job was to use pml $wanted, but Open MPI uses $told" && return ;;
        esac
    done
    echo "dockmpi: transport by Open MPI's own report: $told" >&2
}
# Passes a stream on, without the report.
hear() {
    stage=before count=0
    while IFS= read -r line; do
        case $stage:$line in
        before:'Host '[0-9]*' ranks '* | hosts:'Host '[0-9]*' ranks '*)
            stage=hosts
            number=${line##*[!0-9]}
            [ "${largest:=$number}" -ge "$number" ] || largest=$number
            ;;
        hosts: | summary:) ;;
        hosts:'Connection summary:'*) stage=summary ;;
        summary:'  on-host:'*) inside=$line ;;
        summary:'  off-host:'*)
            between=$line
            conclude
            IFS= read -r line || : # an empty one
            [ -z "$line" ] || printf '%s\n' "$line"
            exec cat
            ;;
        before:'['*:*'] select: component '*' selected')
            line=${line##*select: component }
            count=$((count + 1)) pml=${line% selected}
            [ "$count" -ne "$ranks" ] || conclude
            ;;
        before:'['*:*'] mca: base: '* | before:'['*:*'] select'* | before:'['*:*'] check:select'*) ;;
        *) printf '%s\n' "$line" ;;
        esac
        line=''
    done
    printf %s "$line"
}
# Nothing was told by the time the job has ended well.
silent() {
    case $verify in
    any\ *) echo 'dockmpi: no transport was told: the program has not called MPI_Init' >&2 ;;
    *)
        verdict "the job was to use pml ${verify%% *}, but Open MPI told of no transport: the program did not use this MPI"
        ;;
    esac
}
# Open MPI goes on without UCC where that fails on the way, and says so only in passing.
no_ucc='Error: .*mca_coll_ucc_(init_ctx|module_enable)\(\)'
without_ucc() {
    cause=$(grep -aoE -m 1 'UCC  ERROR .*' "$dir/err")
    echo "was to use UCC for its collectives, but Open MPI does without${cause:+: UCC says \"${cause#UCC  ERROR }\"}"
}
# Passes standard error on until every rank has UCC, or one has not.
hear_ucc() {
    count=0 line=''
    while [ "$count" -lt "$ranks" ] && IFS= read -r line; do
        case $line in
        *'mca_coll_ucc_init_ctx() initialized ucc context') count=$((count + 1)) ;;
        *'Error: '*'mca_coll_ucc_'*)
            refuse "the job $(without_ucc)"
            line=''
            break
            ;;
        *) printf '%s\n' "$line" ;;
        esac
        line=''
    done
    printf %s "$line"
    [ "$count" -lt "$ranks" ] || : >"$dir/ucc"
    [ "$count" -lt "$ranks" ] || echo "dockmpi: collectives by UCC in all $ranks ranks, by Open MPI's own report"
}
# After a job that ended well. A world of one rank needs no collectives.
check_ucc() {
    if grep -aqE "$no_ucc" "$dir/err"; then
        [ -n "$verify" ] || echo "dockmpi: the job $(without_ucc); --verify would have ended it" >&2
        [ -z "$verify" ] || verdict "the job $(without_ucc)"
    elif [ -n "$report" ] && [ "$ranks" -gt 1 ] && [ ! -e "$dir/ucc" ] && [ ! -s "$dir/verdict" ]; then
        verdict 'the job was to use UCC for its collectives, but Open MPI told of none'
    fi
}
