#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2163 # the assignment is the argument itself
# Started by mpirun once for each rank, as `sh /etc/dockmpi/rank PROGRAM ARGUMENT...`. No process is
# started on the way to the program, so this costs about a millisecond.
#
# DOCKMPI_PLAN is "0-3:2,4:1": two ranks on each of the workers 0 to 3, then one on worker 4.

# Written by dockmpi.
if ! read -r _d_me _d_profile </etc/dockmpi/index; then
    echo 'dockmpi: this container has lost its files: run `dockmpi up` as before' >&2
    exit 93
fi
# Debian's mpirun passes on where PMIx has its components, and Open MPI would look for its own there and
# nowhere else.
case ${OMPI_MCA_mca_base_component_path:-} in */pmix) unset OMPI_MCA_mca_base_component_path ;; esac
# For the rank's own mpirun, which is not guarded, they would start daemons that are.
case ${PRTE_MCA_prte_launch_agent:-} in 'sh /etc/dockmpi/daemon '*) unset PRTE_MCA_prte_launch_agent ;; esac
case ${OMPI_MCA_orte_launch_agent:-} in 'sh /etc/dockmpi/daemon '*) unset OMPI_MCA_orte_launch_agent ;; esac
# The job container adds a mark to the plan: then it collects what every rank says about itself.
_d_mark=
case $DOCKMPI_PLAN in */*) _d_mark=${DOCKMPI_PLAN##*/} DOCKMPI_PLAN=${DOCKMPI_PLAN%/*} ;; esac
_d_left=${OMPI_COMM_WORLD_RANK:-0}
_d_rest=$DOCKMPI_PLAN _d_want=- _d_turn=0 _d_size=0
while [ -n "$_d_rest" ]; do
    _d_part=${_d_rest%%,*}
    case $_d_rest in *,*) _d_rest=${_d_rest#*,} ;; *) _d_rest= ;; esac
    _d_span=${_d_part%:*} _d_each=${_d_part#*:}
    _d_first=${_d_span%-*} _d_last=${_d_span#*-}
    _d_here=$(((_d_last - _d_first + 1) * _d_each))
    _d_size=$((_d_size + _d_here))
    if [ "$_d_want" = - ] && [ "$_d_left" -lt "$_d_here" ]; then
        _d_want=$((_d_first + _d_left / _d_each)) _d_turn=$((_d_left % _d_each))
    fi
    _d_left=$((_d_left - _d_here))
done
_d_fault=ok
if [ -z "$DOCKMPI_PLAN" ]; then
    :
elif [ "$_d_want" != "$_d_me" ]; then
    _d_fault=place
elif [ "${OMPI_COMM_WORLD_SIZE:-$_d_size}" != "$_d_size" ]; then
    _d_fault=size
elif [ "${OMPI_COMM_WORLD_LOCAL_RANK:-$_d_turn}" != "$_d_turn" ]; then
    _d_fault=local
fi
if [ -n "$_d_mark" ]; then
    read -r _d_rest </proc/sys/kernel/hostname
    _d_part=
    for _d_here in /dev/nvidia[0-9]* /dev/nvhost-gpu /dev/dri/renderD* /dev/dxg; do
        [ ! -c "$_d_here" ] || _d_part=$_d_part,${_d_here##*/}
    done
    echo "dockmpi-$_d_mark ${OMPI_COMM_WORLD_RANK:-0} ${OMPI_COMM_WORLD_SIZE:-1} $_d_me $_d_want" \
        "${OMPI_COMM_WORLD_LOCAL_RANK:-0} $$ ${_d_part:--} $_d_fault ${_d_rest:--}" >&2
    # The job container ends the job as soon as it has heard the others.
    [ "$_d_fault" = ok ] || exec sleep 60
elif [ "$_d_fault" != ok ]; then
    echo "dockmpi: rank ${OMPI_COMM_WORLD_RANK:-0} of ${OMPI_COMM_WORLD_SIZE:-$_d_size} is on" \
        "worker-$_d_me: planned was worker-$_d_want in a world of $_d_size" >&2
    exit 93
fi
unset _d_left _d_rest _d_part _d_span _d_each _d_first _d_last _d_here _d_want _d_turn _d_size
unset _d_fault _d_mark
# Words of colons alone have one more than meant: mpirun would take : for itself.
if [ "$1" = -: ]; then
    shift
    for _d_word; do
        shift
        case $_d_word in '' | *[!:]*) ;; *) _d_word=${_d_word#:} ;; esac
        set -- "$@" "$_d_word"
    done
    unset _d_word
fi
# In a mixed cluster: the words of each image. Only those of this one are kept.
if [ "$1" = -g ]; then
    _d_found=
    while [ "$1" = -g ]; do
        _d_here=$3
        if [ "$2" = "$_d_profile" ]; then _d_found=$3; fi
        shift 3
        while [ "$_d_here" -gt 0 ]; do
            [ -z "$_d_found" ] || set -- "$@" "$1"
            shift
            _d_here=$((_d_here - 1))
        done
        [ -z "$_d_found" ] || break
    done
    if [ -z "$_d_found" ]; then
        echo "dockmpi: worker-$_d_me has image $_d_profile," \
            'which the job was not planned for' >&2
        exit 93
    fi
    shift $(($# - _d_found))
    while [ "$1" != -- ]; do export "$1"; shift; done
    shift
    unset _d_here
fi
_d_guard=
. /etc/dockmpi/env
# What torchrun tells a program, which PyTorch's env:// and others ask for. What the user has set stays.
if [ -n "${OMPI_COMM_WORLD_RANK:-}" ]; then
    : "${RANK=$OMPI_COMM_WORLD_RANK}" "${WORLD_SIZE=${OMPI_COMM_WORLD_SIZE:-1}}"
    : "${LOCAL_RANK=${OMPI_COMM_WORLD_LOCAL_RANK:-0}}"
    : "${LOCAL_WORLD_SIZE=${OMPI_COMM_WORLD_LOCAL_SIZE:-1}}"
    export RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE
fi
case $1 in
*/*) _d_found=$1 ;;
*) _d_found=$(command -v "$1") || _d_found= ;;
esac
if [ -z "$_d_found" ] || { [ "$_d_found" != "${_d_found#*/}" ] && [ ! -e "$_d_found" ]; }; then
    echo "dockmpi: $1: not found in image $_d_profile on worker-$_d_me" >&2
    exit 127
fi
if [ -d "$_d_found" ] || { [ "$_d_found" != "${_d_found#*/}" ] && [ ! -x "$_d_found" ]; }; then
    echo "dockmpi: $1: not an executable file on worker-$_d_me" >&2
    exit 126
fi
# The shell would call the script itself not found.
if [ "$_d_found" != "${_d_found#*/}" ] && [ -r "$_d_found" ] && IFS= read -r _d_line <"$_d_found"; then
    case $_d_line in '#!'*)
        _d_line=${_d_line#'#!'}
        _d_line=${_d_line#"${_d_line%%[! 	]*}"}
        _d_line=${_d_line%%[ 	]*}
        if [ ! -e "$_d_line" ]; then
            _d_word=$(printf '%s' "$_d_line" | tr -d '\r')
            [ "$_d_word" = "$_d_line" ] || _d_word="$_d_word (its lines end as on Windows: dos2unix mends that)"
            echo "dockmpi: $1: its first line names an interpreter that image $_d_profile does not have:" \
                "$_d_word" >&2
            exit 127
        fi
        ;;
    esac
fi
unset _d_line _d_word
if [ -n "$DOCKMPI_STDIN" ] && [ "${OMPI_COMM_WORLD_RANK:-0}" -eq 0 ]; then
    mkfifo -m 600 "$DOCKMPI_STDIN" 2>/dev/null
    exec <"$DOCKMPI_STDIN"
    rm -f "$DOCKMPI_STDIN"
fi
unset DOCKMPI_STDIN
# Keeps to the cluster's range of ports what knows no range of its own, such as gloo and NCCL.
if [ -n "$DOCKMPI_PORTS" ] && [ -r /usr/lib/dockmpi/ports.so ]; then
    export LD_PRELOAD="/usr/lib/dockmpi/ports.so${LD_PRELOAD:+:$LD_PRELOAD}"
fi
set -- $_d_guard "$@"
unset _d_me _d_profile _d_found _d_guard
exec "$@"
