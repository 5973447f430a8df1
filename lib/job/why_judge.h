// SPDX-License-Identifier: MIT
// What the processes of a job's ranks say about the job: what each rank does, and one conclusion. Pure.
#ifndef DMPI_JOB_WHY_JUDGE_H
#define DMPI_JOB_WHY_JUDGE_H

#include "base/strv.h"
#include "job/why_look.h"

// A container that was asked, or a node that did not answer when it was asked for its containers.
enum { DMPI_WHY_JOB = -1, DMPI_WHY_NODE = -2 };
struct dmpi_why_place {
    char alias[32];   // "worker-1"; "job"; "" for a node
    int index;        // of the worker; DMPI_WHY_JOB: the job's own container; DMPI_WHY_NODE
    const char *node; // borrowed
    char *fault;      // why it does not answer, NULL when it did; owned by who fills it
    struct dmpi_why_look look; // empty with a fault
};

enum dmpi_why_doing {
    DMPI_WHY_UNKNOWN,  // its worker did not answer
    DMPI_WHY_ABSENT,   // there is no process of it
    DMPI_WHY_ENDED,    // it has ended and nobody has noticed (zombie)
    DMPI_WHY_STOPPED,  // by SIGSTOP or SIGTSTP
    DMPI_WHY_TRACED,   // a debugger holds it
    DMPI_WHY_BLOCKED,  // uninterruptible: a disk, a file system, a driver
    DMPI_WHY_COMPUTES, // uses a processor, by itself
    DMPI_WHY_POLLS, // uses a processor, much of it in the kernel: waits for messages by asking again and again
    DMPI_WHY_WAITS, // sleeps
};

// Borrows from the places.
struct dmpi_why_rank {
    int rank;
    const struct dmpi_why_place *place; // NULL: not known where it should be
    const struct dmpi_why_proc *proc;   // the one of its processes that tells most; NULL: none
    enum dmpi_why_doing doing;
    double cpu; // processors in use by all its processes
};

struct dmpi_why_verdict {
    struct dmpi_why_rank *ranks; // 0 to n - 1
    size_t n;
    bool stalled;           // no rank computes, or something is wrong
    char *conclusion;       // one line, without full stop
    struct dmpi_strv notes; // what else stands out
};

// A word for people: "computes", "polls"...
const char *dmpi_why_doing_word(enum dmpi_why_doing doing);

// Whether a line of a job's output looks like the end of a traceback: "ValueError: no such set", also "3: mpi4py.MPI.Exception:
// ..." with the rank's tag.
bool dmpi_why_is_error(const char *line);

// The worker that a rank was planned for, by "0-3:2,4:1"; -1 where the plan (NULL: none) does not say.
int dmpi_why_planned(const char *plan, int rank);

// Fills place, proc, doing and cpu of the rank r->rank.
void dmpi_why_rank_judge(struct dmpi_why_rank *r, const struct dmpi_why_place *places, size_t n,
                         const char *plan);

// ranks: how many the job was started with. Strings of the verdict are owned by it; it may hold what
// processes call themselves, so make it safe before it is shown. out is to be freed.
void dmpi_why_judge(struct dmpi_why_verdict *out, const struct dmpi_why_place *places, size_t n,
                    int ranks);
void dmpi_why_verdict_free(struct dmpi_why_verdict *verdict); // NULL is allowed

// The rank whose socket is at the other end of sock, which is one of from's; -1: none. listening: it has not
// taken the connection yet.
int dmpi_why_peer(const struct dmpi_why_place *places, size_t n, const struct dmpi_why_place *from,
                  const struct dmpi_why_sock *sock, bool *listening);

#endif
