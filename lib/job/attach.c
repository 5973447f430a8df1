// SPDX-License-Identifier: MIT
#include "job/attach.h"

#include <string.h>

#include "base/mem.h"
#include "cluster/unstarted.h"
#include "fleet/fleet.h"
#include "job/fate.h"
#include "job/ranklog.h"
#include "job/ranks.h"
#include "job/run_impl.h"
#include "job/stall.h"
#include "job/stream.h"
#include "job/target.h"

// As run does, and as far as it is still known of a job that had ended.
static void find_causes(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                        const struct dmpi_member *job, int64_t begun,
                        struct dmpi_run_result *result)
{
    struct dmpi_targets targets DMPI_AUTO(dmpi_targets_free) = {0};
    struct dmpi_err ignored;
    if (!dmpi_member_running(job))
        dmpi_fates_of(&result->causes, fleet, state, job);
    else if (dmpi_targets_all(&targets, state, job->cluster, true, &ignored) == 0)
        dmpi_fates_after(&result->causes, fleet, &targets, result->exit_code,
                         dmpi_now_ms() - begun);
}

struct attending {
    struct dmpi_job_stream *stream;
    struct dmpi_run_result *result;
};

static int attend(void *arg, struct dmpi_err *err)
{
    const struct attending *a = arg;
    struct dmpi_job_stream *s = a->stream;
    struct dmpi_run_result *result = a->result;
    if (dmpi_job_stream_run(s, &result->exit_code, err) < 0)
        return dmpi_err_wrap(err, "node %s", s->node);
    dmpi_run_result_take(result, s);
    return 0;
}

int dmpi_job_attach(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                    const struct dmpi_member *job, const struct dmpi_attach_opts *opts,
                    const struct dmpi_ctl *ctl, struct dmpi_run_result *result,
                    struct dmpi_err *err)
{
    struct dmpi_follow from = DMPI_FOLLOW_INIT;
    struct dmpi_job_stream s = {.node = dmpi_fleet_name(fleet, job->node),
                                .id = job->id,
                                .cancel_fd = ctl ? ctl->cancel_fd : -1,
                                .insist_fd = opts->insist_fd,
                                .leave_fd = opts->leave_fd,
                                .stdin_fd = -1,
                                .unkept = job->unkept,
                                .grace_ms = job->grace_ms,
                                .on_cancel = opts->on_cancel};
    struct dmpi_stall stall = {.fleet = fleet,
                               .cluster = job->cluster,
                               .job = dmpi_member_called(job),
                               .quiet_ms = opts->stall_ms,
                               .tell = opts->on_stall};
    struct attending attending = {&s, result};
    struct dmpi_ranklog *ranklog = NULL;
    struct dmpi_streams to = opts->streams;
    bool show = strcmp(job->tags, "show") == 0;
    if (job->tags[0] &&
        dmpi_ranklog_open(&ranklog, &opts->streams, show, NULL, job->ranks, err) == 0)
        to = dmpi_ranklog_streams(ranklog);
    s.streams = dmpi_stall_streams(&stall, &to);
    from.tail = opts->tail;
    from.since_ns = opts->since_ns;
    *result = (struct dmpi_run_result){.job = dmpi_xstrdup(job->job),
                                       .called = dmpi_xstrdup(dmpi_member_called(job)),
                                       .container = dmpi_xstrdup(job->container),
                                       .np = job->ranks};
    int64_t begun = dmpi_now_ms();
    int rc = dmpi_fleet_engine(&s.engine, fleet, job->node, ctl, err);
    if (rc == 0 && strcmp(job->state, "created") == 0)
        rc = dmpi_job_started_wait(s.engine, job, ctl, err);
    if (rc == 0) {
        dmpi_job_stream_rejoin(&s, &from);
        rc = dmpi_stall_while(&stall, attend, &attending, err);
        dmpi_job_stream_close(&s);
    }
    struct dmpi_err late;
    if (dmpi_ranklog_close(ranklog, rc == 0 ? err : &late) < 0)
        rc = -1;
    if (rc == 0 && s.kill_at)
        rc = dmpi_ranks_end_one(fleet, state, job->cluster, job->job, err);
    else if (rc == 0 && !s.left && !result->ended && !result->timed_out)
        find_causes(fleet, state, job, begun, result);
    return rc < 0 ? dmpi_err_wrap(err, "job %s", dmpi_member_called(job)) : 0;
}
