#!/bin/sh
# SPDX-License-Identifier: MIT
# facts [DEVICE...] prints what a container sees of its node; after ports.sh. It needs nothing but a POSIX shell, cat and
# grep. mesh/facts.h reads what is printed.

facts() {
    echo 'dockmpi: facts 1'
    read -r x </proc/sys/kernel/hostname && echo "hostname $x"
    while read -r k x y; do
        case $k in
        Uid:) echo "uid $x" ;;
        Cpus_allowed_list:) echo "cpus $x" ;;
        esac
    done </proc/self/status
    read -r _ x _ </proc/self/uid_map && [ "$x" = 0 ] || echo remapped
    read -r x y </proc/sys/net/ipv4/ip_local_port_range && echo "ephemeral $x $y"
    s=$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin command -v sshd) &&
        echo "sshd $s" && grep -qs persourcepenalties "$s" && echo penalties
    x=$(command -v mpirun) && echo "mpirun $x"
    # The launch daemon tells the generation of Open MPI without a process being started. Its name is not
    # written out: this text is in a list of processes, where daemons are looked for.
    x=ted
    command -v "or$x" >/dev/null && echo 'ompi 4'
    command -v "pr$x" >/dev/null && echo 'ompi 5'
    # Tells whether the node's kernel can do what it does to mpirun (images/launcher/guard.c).
    x=/usr/lib/dockmpi/guard.so
    [ -r "$x" ] && DOCKMPI_GUARD=probe LD_PRELOAD=$x cat </dev/null 2>/dev/null
    for d in /dev/kfd /dev/dri/* /dev/nvidia[0-9]* "$@"; do
        [ -c "$d" ] && ls -ln "$d" | { read -r _ _ _ x _ && echo "device $x $d"; }
    done
    case $(setpriv --help 2>/dev/null) in *--pdeathsig*) echo pdeathsig ;; esac
    grep -qs '^root:!' /etc/shadow && echo locked
    for d in /sys/class/net/*; do
        i=${d##*/}
        [ -r "$d/mtu" ] && read -r x <"$d/mtu" && echo "mtu $i $x"
        for r in "$d"/device/infiniband/*; do [ -e "$r" ] && echo "rdma $i ${r##*/}"; done
    done
    echo 'begin route'
    cat /proc/net/route
    echo end
    echo 'begin trie'
    grep -B1 '/32 host LOCAL' /proc/net/fib_trie
    echo end
    command -v ip >/dev/null && { echo 'begin addr'; ip -o addr; echo end; }
    echo 'begin inet6'
    cat /proc/net/if_inet6 2>/dev/null
    echo end
    ports
    echo 'begin env'
    tr '\000\n' '\n\001' </proc/$$/environ
    echo end
    echo 'dockmpi: facts end'
}
