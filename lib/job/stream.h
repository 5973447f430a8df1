// SPDX-License-Identifier: MIT
// The connection to a job's container from before its start to its exit code: feeds it, copies
// standard input in and both outputs out, cancels it, and finds it again when the connection is lost.
#ifndef DMPI_JOB_STREAM_H
#define DMPI_JOB_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/demux.h"
#include "engine/engine.h"
#include "engine/hijack.h"
#include "engine/stream.h"
#include "job/follow.h"

struct dmpi_job_stream {
    // Set by the caller; all borrowed.
    struct dmpi_engine *engine;
    const char *node;   // the engine's, for messages
    const char *id;     // container
    int cancel_fd;      // readable: the job is asked to end; -1: none
    int insist_fd;      // readable: it is killed; -1: none
    int leave_fd;       // readable: the job is left running, also when cancel_fd is; -1: none
    int stdin_fd;       // -1: none
    int64_t timeout_at; // on the clock of dmpi_now_ms(); 0: none
    int64_t grace_ms;   // what the job gives its ranks when it is asked to end
    struct dmpi_streams streams;
    // Before that, and with grace 0 before the user has it killed; may be NULL.
    void (*on_cancel)(void *arg, bool timed_out, int64_t grace_ms);
    void *arg;

    bool unkept; // somebody removes the container when the job has ended; else that is an error

    // Told by dmpi_job_stream_run.
    bool canceled, timed_out, killed, oom_killed;
    const char *ending; // cluster/ended.h; NULL: not known. Static
    bool left;          // it goes on without us; there is no exit code
    int heeded, forced; // canceled: its processes that ended when told to, that had to be killed

    // Private.
    struct dmpi_hijack *hijack;
    struct dmpi_demux demux;
    struct dmpi_follow follow; // goes on from the log; counts what came before
    int64_t kill_at;           // when patience with the canceled job ends, 0: not canceled
    bool ended, stdin_done, mute;
    size_t in_pos, in_len;
    char *in;
};

// Attaches to the container, which must not run yet. s must stay where it is from now on.
int dmpi_job_stream_open(struct dmpi_job_stream *s, const struct dmpi_ctl *ctl,
                         struct dmpi_err *err);

// Sends the tar that the container waits for; with `last` nothing follows on its standard input.
int dmpi_job_stream_feed(struct dmpi_job_stream *s, const void *tar, size_t len, bool last,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err);

// For a job that runs already, or has ended: in place of open and feed. Of its output, `from` says what
// is wanted: tail and since_ns count.
void dmpi_job_stream_rejoin(struct dmpi_job_stream *s, const struct dmpi_follow *from);

// Streams until the job ends; *code is its exit code. Cancels are obeyed meanwhile. A connection that
// breaks is made again, for a minute. -1 when a sink failed (then the job was canceled), with
// DMPI_ENOTFOUND when its container was removed while it ran, or, with DMPI_EUNREACHABLE, when the engine could not
// be found again: then the job may still run.
int dmpi_job_stream_run(struct dmpi_job_stream *s, int *code, struct dmpi_err *err);

// For a job that is left alone: returns when it has taken its tar in (or has ended).
int dmpi_job_stream_settle(struct dmpi_job_stream *s, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err);

void dmpi_job_stream_close(struct dmpi_job_stream *s);

#endif
