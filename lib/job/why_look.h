// SPDX-License-Identifier: MIT
// What why.sh answers about the processes of a job in one container. Pure; the answer is anybody's: a
// program may call itself what it likes, and a container may have another sh than we think.
#ifndef DMPI_JOB_WHY_LOOK_H
#define DMPI_JOB_WHY_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

// One socket of a process. Addresses are as the kernel writes them, hexadecimal "ADDRESS:PORT"; IPv4
// inside IPv6 is made IPv4.
struct dmpi_why_sock {
    int pid;
    char local[44], peer[44];
    int state; // the kernel's number: 1 established, 2 connecting, 10 listening
    int64_t unsent, unread;
};
enum { DMPI_TCP_ESTABLISHED = 1, DMPI_TCP_CONNECTING = 2, DMPI_TCP_LISTENING = 10 };

// One process. Times are in ticks of 1/100 s.
struct dmpi_why_proc {
    int pid, parent, rank, threads;
    char state, again;          // letters of /proc/PID/stat at both looks; again 0: gone meanwhile
    int64_t user[2], system[2]; // at both looks
    char call[16];              // number of its system call, "running", or "-"
    char *channel;              // where it sleeps in the kernel, "-" where that is not told
    char *name;
    struct dmpi_strv stack; // functions of the kernel, innermost first; often not readable
};

struct dmpi_why_daemon {
    char state;
    char *name;
};

struct dmpi_why_look {
    struct dmpi_why_proc *procs;
    size_t n;
    struct dmpi_why_sock *socks; // by process; listening ones, too
    size_t n_socks;
    struct dmpi_why_daemon *daemons; // the job's launch daemons, and its mpirun
    size_t n_daemons;
    struct dmpi_strv full;        // folders without a free block
    int64_t oom_kills;            // since the container was started; -1: not known
    int64_t memory, memory_limit; // bytes; -1: not known or none
    int64_t elapsed_ms;           // between the looks
    char *plan;                   // "0-3:2,4:1", in the job's container only; else NULL
    int attempt, attempts; // there: the job waits to start this attempt of so many; 0: it does not
};

// *out is to be freed also after an error: DMPI_EPARSE when it does not begin or end as it should.
int dmpi_why_parse(struct dmpi_why_look *out, const char *text, size_t len, struct dmpi_err *err);
void dmpi_why_look_free(struct dmpi_why_look *look); // NULL is allowed

#endif
