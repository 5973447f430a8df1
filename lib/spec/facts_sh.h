// SPDX-License-Identifier: MIT
// Shell text that prints what a container sees of its node. It needs nothing but a POSIX shell, cat
// and grep. mesh/facts.h reads what it prints.
#ifndef DMPI_SPEC_FACTS_SH_H
#define DMPI_SPEC_FACTS_SH_H

// The ports with a TCP listener, as raw lines of the kernel's table.
#define DMPI_PORTS_LINES_SH                                                                        \
    "echo 'begin tcp'; grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6; echo end"

// A complete script: the listening ports alone, with the markers of the facts.
#define DMPI_PORTS_SH "echo 'dockmpi: facts 1'; " DMPI_PORTS_LINES_SH "; echo 'dockmpi: facts end'"

// Defines the shell function `facts`, to be called once: prints all facts with their markers.
#define DMPI_FACTS_SH                                                                              \
    "facts() {\n"                                                                                  \
    "echo 'dockmpi: facts 1'\n"                                                                    \
    "read -r x </proc/sys/kernel/hostname && echo \"hostname $x\"\n"                               \
    "while read -r k x y; do case $k in Uid:) echo \"uid $x\";; Cpus_allowed_list:) "              \
    "echo \"cpus $x\";; esac; done </proc/self/status\n"                                           \
    "read -r x y </proc/sys/net/ipv4/ip_local_port_range && echo \"ephemeral $x $y\"\n"            \
    "s=$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin command -v sshd) && "             \
    "echo \"sshd $s\" && grep -qs persourcepenalties \"$s\" && echo penalties\n"                   \
    "x=$(command -v mpirun) && echo \"mpirun $x\"\n"                                               \
    "case $(setpriv --help 2>/dev/null) in *--pdeathsig*) echo pdeathsig;; esac\n"                 \
    "grep -qs '^root:!' /etc/shadow && echo locked\n"                                              \
    "for d in /sys/class/net/*; do i=${d##*/}\n"                                                   \
    "[ -r $d/mtu ] && read -r x <$d/mtu && echo \"mtu $i $x\"\n"                                   \
    "for r in $d/device/infiniband/*; do [ -e \"$r\" ] && echo \"rdma $i ${r##*/}\"; done\n"       \
    "done\n"                                                                                       \
    "echo 'begin route'; cat /proc/net/route; echo end\n"                                          \
    "echo 'begin trie'; grep -B1 '/32 host LOCAL' /proc/net/fib_trie; echo end\n"                  \
    "command -v ip >/dev/null && { echo 'begin addr'; ip -o addr; echo end; }\n"                   \
    "echo 'begin inet6'; cat /proc/net/if_inet6 2>/dev/null; echo end\n" DMPI_PORTS_LINES_SH "\n"  \
    "echo 'begin env'; tr '\\000\\n' '\\n\\001' </proc/$$/environ; echo end\n"                     \
    "echo 'dockmpi: facts end'\n"                                                                  \
    "}\n"

#endif
